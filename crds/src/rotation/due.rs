//! When a generated secret is replaced by itself or by request.

use jiff::Timestamp;

use crate::client::Rotation;
use crate::resources::oidc_client::Credential;
use crate::time::{later, stored};

/// Why a secret is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// `rotation.now` has a new word.
    Requested,
    /// It is as old as `rotation.interval` allows.
    Scheduled,
}

/// Whether the current credential is to be replaced. `handled`: the word that was seen to last. What was
/// missed is made up once, since only the age of the current one counts.
pub(super) fn of(
    rotation: Option<&Rotation>,
    current: &Credential,
    handled: Option<&str>,
    now: Timestamp,
) -> Option<Due> {
    let rotation = rotation?;
    let asked = rotation.now.as_deref();
    if asked.is_some() && asked != handled {
        return Some(Due::Requested);
    }
    let interval = rotation.interval?;
    let made = current.created_at.0;
    // Made by a clock that was far ahead, it would be the current one for as long.
    let ahead = made > later(now, interval);
    (ahead || later(made, interval) <= now).then_some(Due::Scheduled)
}

/// When the current credential is due by its age; in whole seconds.
pub(super) fn next(rotation: &Rotation, current: &Credential) -> Option<Timestamp> {
    Some(stored(later(current.created_at.0, rotation.interval?)).0)
}
