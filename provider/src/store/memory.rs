//! The store of a single process: everything is gone at exit.
//!
//! One mutex, never held across an await. What has ended is removed by the steps that come later, a few
//! records at each, so that no step is slow.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use self::state::State;
use super::{Answer, Store, millis};

mod accounts;
mod grants;
mod limits;
mod registrations;
mod sessions;
mod state;
mod uses;

/// Records that one step removes at most.
const SWEEP: usize = 32;

/// State in this process.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn step<'a, T>(
        &'a self,
        now: Timestamp,
        act: impl FnOnce(&mut State, i64) -> T + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            let now = millis(now);
            // no step can panic halfway
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.sweep(now, SWEEP);
            Ok(act(&mut state, now))
        })
    }
}

impl Store for MemoryStore {
    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(futures::future::ready(Ok(())))
    }

    fn kind(&self) -> &'static str {
        "memory"
    }

    fn round_trips(&self) -> u64 {
        0
    }
}
