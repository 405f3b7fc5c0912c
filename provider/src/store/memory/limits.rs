//! What pods tell each other of limits; one process has nobody to tell.

use jiff::Timestamp;
use oidc_protocol::limits::shared::tally;

use super::MemoryStore;
use crate::store::limits::ATTEMPT;
use crate::store::{Answer, LimitStore, Used};

impl LimitStore for MemoryStore {
    fn share_limits<'a>(
        &'a self,
        used: &'a [Used],
        attempt: [u8; 16],
        now: Timestamp,
    ) -> Answer<'a, Vec<Option<i64>>> {
        self.step(now, move |state, millis| {
            state.limit_attempts.retain(|_, until| *until > millis);
            let is_new = state.limit_attempts.insert(attempt, millis + ATTEMPT).is_none();
            let now = now.as_microsecond();
            state.limits.retain(|_, until| *until > now);
            let told = used.iter().map(|used| {
                let cost = if is_new { used.time } else { 0 };
                let until = state.limits.entry((used.which, used.bucket)).or_default();
                let told = tally(*until, cost, now)?;
                *until = told;
                Some(told)
            });
            told.collect()
        })
    }
}
