//! Something of somebody else that is kept, and fetched again when it turns out to be old: by one request at a
//! time, and not too often, so that strangers cannot make us ask more.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use tracing::warn;

/// How often it may be fetched.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// What is fetched, for the log.
    pub what: &'static str,
    /// After a fetch that succeeded, in seconds.
    pub again: i64,
    /// After one that failed, in seconds.
    pub after_failure: i64,
}

/// Why nothing was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nobody was asked: too much is being fetched for others. The next who needs it may try at once.
    Busy,
    /// It was tried; why it failed, for the log.
    Failed(String),
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too many documents are being fetched"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// The last fetch.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    at: Timestamp,
    succeeded: bool,
}

/// With the time of the fetch.
struct Known<T> {
    at: Timestamp,
    value: Arc<T>,
}

/// What was fetched last.
pub struct Fetched<T> {
    known: ArcSwapOption<Known<T>>,
    last: Arc<Mutex<Option<Attempt>>>,
}

impl<T> Default for Fetched<T> {
    fn default() -> Self {
        Self {
            known: ArcSwapOption::empty(),
            last: Arc::default(),
        }
    }
}

impl<T: Send + Sync + 'static> Fetched<T> {
    /// What is known; what could not be fetched again stays.
    #[must_use]
    pub fn load(&self) -> Option<Arc<T>> {
        self.load_since(Timestamp::MIN)
    }

    /// What is known, if it was fetched since then.
    #[must_use]
    pub fn load_since(&self, since: Timestamp) -> Option<Arc<T>> {
        let known = self.known.load();
        known
            .as_ref()
            .filter(|known| known.at >= since)
            .map(|known| known.value.clone())
    }

    /// The same as [`refresh`](Self::refresh), and nobody waits.
    pub fn refresh_later(
        self: &Arc<Self>,
        now: Timestamp,
        pace: Pace,
        fetch: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) {
        // one is on its way otherwise
        if self.last.try_lock().is_ok() {
            let this = self.clone();
            tokio::spawn(async move { this.refresh(now, pace, fetch).await });
        }
    }

    /// Fetches, unless that was done a short while ago; whoever asks meanwhile waits for the same fetch. `fetch`
    /// must end by itself: it goes on when whoever asked goes away, or else nobody would ever get it who hangs
    /// up early enough.
    pub async fn refresh(
        self: &Arc<Self>,
        now: Timestamp,
        pace: Pace,
        fetch: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) {
        let mut last = self.last.clone().lock_owned().await;
        let may_again = last.is_none_or(|last| {
            let pause = if last.succeeded {
                pace.again
            } else {
                pace.after_failure
            };
            now >= last.at + SignedDuration::from_secs(pause)
        });
        if !may_again {
            return;
        }
        let this = self.clone();
        let fetching = tokio::spawn(async move {
            let fetched = fetch.await;
            if !matches!(fetched, Err(Failure::Busy)) {
                *last = Some(Attempt {
                    at: now,
                    succeeded: fetched.is_ok(),
                });
            }
            match fetched {
                Ok(fetched) => {
                    let value = Arc::new(fetched);
                    this.known.store(Some(Arc::new(Known { at: now, value })));
                }
                Err(why) => warn!(what = pace.what, %why, "could not be fetched"),
            }
        });
        // a panic in there is as good as a failure
        let _ = fetching.await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    const PACE: Pace = Pace {
        what: "a number",
        again: 60,
        after_failure: 5,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    /// Fetches the number of the fetch, or fails.
    async fn ask(kept: &Arc<Fetched<usize>>, count: &Arc<AtomicUsize>, seconds: i64, good: bool) {
        let count = count.clone();
        let fetch = async move {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            if good {
                Ok(number)
            } else {
                Err("away".to_owned().into())
            }
        };
        kept.refresh(at(seconds), PACE, fetch).await;
    }

    #[tokio::test]
    async fn hard_08_it_is_fetched_once_a_minute_whoever_asks() {
        let (kept, count) = (Arc::new(Fetched::default()), Arc::new(AtomicUsize::new(0)));
        for (seconds, good, known) in [
            (0, true, 1),
            (0, true, 1),
            (59, true, 1),
            (60, true, 2),
            // what could not be fetched again stays
            (120, false, 2),
            (124, true, 2),
            (125, true, 4),
        ] {
            ask(&kept, &count, seconds, good).await;
            assert_eq!(kept.load().as_deref(), Some(&known), "{seconds}");
        }
    }

    #[tokio::test]
    async fn hard_08_what_was_not_tried_for_others_sake_may_be_tried_at_once() {
        let (kept, count) = (Arc::new(Fetched::default()), Arc::new(AtomicUsize::new(0)));
        kept.refresh(at(0), PACE, async { Err(Failure::Busy) }).await;
        assert_eq!(kept.load(), None);
        ask(&kept, &count, 0, true).await;
        assert_eq!(kept.load().as_deref(), Some(&1));
        // nor does it let anybody ask earlier than otherwise
        kept.refresh(at(60), PACE, async { Err(Failure::Busy) }).await;
        ask(&kept, &count, 59, true).await;
        assert_eq!(kept.load().as_deref(), Some(&1));
    }

    #[tokio::test]
    async fn those_who_ask_meanwhile_wait_for_the_same_fetch_and_nobody_can_break_it_off() {
        let (kept, count) = (
            Arc::new(Fetched::<usize>::default()),
            Arc::new(AtomicUsize::new(0)),
        );
        let (finish, finished) = oneshot::channel::<usize>();
        let fetch = async move { finished.await.map_err(|_| Failure::from("never".to_owned())) };
        // whoever asked first goes away
        let first = kept.refresh(at(0), PACE, fetch);
        assert!(futures::FutureExt::now_or_never(first).is_none());
        let waiting = (0..10).map(|_| ask(&kept, &count, 0, true));
        let waiting = futures::future::join_all(waiting);
        tokio::pin!(waiting);
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        finish.send(7).unwrap();
        waiting.await;
        assert_eq!(kept.load().as_deref(), Some(&7));
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }
}
