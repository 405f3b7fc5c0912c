//! A clock that was ahead and was put right: what was noted by it lies in the future.

use super::SKEW;
use super::steps::Plan;
use crate::time::later;

impl Plan<'_> {
    /// What cannot have happened yet happens now, and is kept so: a key waits its own time from here on, not
    /// until the date of a wrong clock. Clocks of two operators may differ by [`SKEW`] without being wrong.
    ///
    /// When a key begins or ends to sign stays: pods go by it, and it is never too late to be safe.
    pub(super) fn believe_clock(&mut self) {
        let latest = later(self.now, SKEW);
        for key in &mut self.keys {
            for time in [Some(&mut key.created_at), key.published_at.as_mut()] {
                if let Some(time) = time.filter(|time| **time > latest) {
                    *time = self.now;
                }
            }
        }
    }
}
