//! Feeds the set of live sessions beside the requests: what they saw is gathered and sent twice a second.
//! It is a number for a graph, so what cannot be sent is forgotten; a session's own end corrects it.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oidc_protocol::handle::LoginTag;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::link::Link;
use super::script::COUNT_SESSIONS;

/// The key of the set, in a slot of its own.
pub(super) const SESSIONS: &str = "oidc:{sessions}";
/// How long sightings are gathered.
const GATHER: Duration = Duration::from_millis(500);
/// Sightings of more logins than this between two sendings are dropped.
const MOST: usize = 100_000;
/// Sightings in one script, so that it never holds Redis up.
const BATCH: usize = 500;

#[derive(Default)]
struct Seen {
    /// The end of each session in milliseconds; `None`: it was ended.
    ends: HashMap<LoginTag, Option<i64>>,
    now: i64,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    wake: Notify,
}

/// Gathers sightings; its task ends with it.
pub(super) struct Counter {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Counter {
    pub(super) fn start(link: Arc<Link>, runtime: &Handle) -> Self {
        let shared = Arc::new(Shared::default());
        let task = runtime.spawn(feed(link, Arc::clone(&shared)));
        Self { shared, task }
    }

    /// A session was seen that lives until `ends`, or was ended.
    pub(super) fn saw(&self, tag: LoginTag, ends: Option<i64>, now: i64) {
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.ends.len() < MOST || seen.ends.contains_key(&tag) {
            seen.ends.insert(tag, ends);
        }
        seen.now = seen.now.max(now);
        drop(seen);
        self.shared.wake.notify_one();
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn feed(link: Arc<Link>, shared: Arc<Shared>) {
    let uncounted = AtomicU64::new(0);
    loop {
        shared.wake.notified().await;
        tokio::time::sleep(GATHER).await;
        let seen = std::mem::take(&mut *shared.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let ends: Vec<_> = seen.ends.into_iter().collect();
        for batch in ends.chunks(BATCH) {
            let mut request = COUNT_SESSIONS.on(vec![SESSIONS.to_owned()]).number(seen.now);
            for (tag, ends) in batch {
                request = request
                    .bytes(tag.0)
                    .bytes(ends.map_or_else(String::new, |ends| ends.to_string()));
            }
            if let Err(error) = link.query(&request, &uncounted).await {
                tracing::debug!(%error, sessions = batch.len(), "sightings of sessions were lost");
            }
        }
    }
}
