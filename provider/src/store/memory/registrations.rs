//! Uses of registration tokens.

use jiff::Timestamp;
use oidc_protocol::handle::Digest;

use super::MemoryStore;
use super::state::Item;
use crate::store::{Answer, NewUse, RegistrationStore, millis};

impl RegistrationStore for MemoryStore {
    fn take_use(&self, taken: NewUse, now: Timestamp) -> Answer<'_, bool> {
        self.step(now, move |state, now| {
            let uses = state.registrations.entry(taken.token).or_default();
            if uses.until <= now {
                *uses = Default::default();
            }
            if uses.attempts.contains(&taken.attempt) {
                return true;
            }
            let attempts = u32::try_from(uses.attempts.len()).unwrap_or(u32::MAX);
            let others = uses.others.max(taken.known.saturating_sub(attempts));
            let left = attempts.saturating_add(others) < taken.most;
            if left {
                uses.others = others;
                uses.attempts.insert(taken.attempt);
                uses.until = uses.until.max(millis(taken.until));
            }
            let until = uses.until;
            state.due.insert((until, Item::Registrations(taken.token)));
            left
        })
    }

    fn return_use(&self, token: Digest, attempt: [u8; 16]) -> Answer<'_, ()> {
        // whatever the time is
        self.step(Timestamp::UNIX_EPOCH, move |state, _| {
            if let Some(uses) = state.registrations.get_mut(&token) {
                uses.attempts.remove(&attempt);
            }
        })
    }
}
