//! Rate limits of this pod: what is kept takes no more room however many names are tried, and costs no
//! round trip. A limit is the installation's, of which each pod has its share.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use jiff::Timestamp;
use oidc_protocol::limits::pace;

/// Names share so many buckets, by a hash that is random in each process.
const BUCKETS: usize = 16_384;
/// A minute, in microseconds: limits are per minute, and a whole minute's may come at once.
const MINUTE: i64 = 60_000_000;

/// A bucket for each name. Two names may share one: then they share a limit.
pub struct Buckets {
    until: Box<[AtomicI64]>,
    hash: RandomState,
}

impl Default for Buckets {
    fn default() -> Self {
        Self {
            until: (0..BUCKETS).map(|_| AtomicI64::new(0)).collect(),
            hash: RandomState::new(),
        }
    }
}

impl Buckets {
    fn bucket(&self, name: impl Hash) -> Option<&AtomicI64> {
        let index = self.hash.hash_one(name) % self.until.len() as u64;
        self.until.get(usize::try_from(index).ok()?)
    }

    /// Takes one of `per_minute` (0: no limit).
    ///
    /// # Errors
    /// After how many seconds there is one again.
    pub fn take(&self, name: impl Hash, per_minute: u32, now: Timestamp) -> Result<(), u64> {
        let (Some(interval), Some(bucket)) = (MINUTE.checked_div(per_minute.into()), self.bucket(name))
        else {
            return Ok(());
        };
        let now = now.as_microsecond();
        let mut wait = 0;
        let taken = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |until| {
            pace(until, interval.max(1), MINUTE, now)
                .inspect_err(|told| wait = *told)
                .ok()
        });
        taken.map(drop).map_err(|_| seconds(wait))
    }

    /// Whether there is one to take; takes none.
    ///
    /// # Errors
    /// After how many seconds there is one again.
    pub fn peek(&self, name: impl Hash, per_minute: u32, now: Timestamp) -> Result<(), u64> {
        let (Some(interval), Some(bucket)) = (MINUTE.checked_div(per_minute.into()), self.bucket(name))
        else {
            return Ok(());
        };
        let until = bucket.load(Ordering::Relaxed);
        pace(until, interval.max(1), MINUTE, now.as_microsecond())
            .map(drop)
            .map_err(seconds)
    }
}

fn seconds(microseconds: i64) -> u64 {
    u64::try_from(microseconds)
        .unwrap_or(0)
        .div_ceil(1_000_000)
        .max(1)
}

/// How many pods share the limits. Each request reads it, whoever watches the pods writes it; a share follows
/// with the next request. Until it is known, the installation's own number counts.
#[derive(Default)]
pub struct Pods(
    /// 0: not known.
    AtomicU32,
);

impl Pods {
    /// So many are ready: none counts as one, since this pod is asked.
    pub fn set(&self, ready: u32) {
        self.0.store(ready.max(1), Ordering::Relaxed);
    }

    /// This pod's share of a limit: the limit by the number of pods, at least 1; 0 stays no limit. `expected`
    /// counts until the number of ready pods is known.
    #[must_use]
    pub fn share(&self, limit: u32, expected: u32) -> u32 {
        let pods = match self.0.load(Ordering::Relaxed) {
            0 => expected.max(1),
            ready => ready,
        };
        match limit {
            0 => 0,
            limit => (limit / pods).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_millis(milliseconds)
    }

    #[test]
    fn a_minutes_worth_comes_at_once_and_then_each_in_its_time() {
        let buckets = Buckets::default();
        for _ in 0..60 {
            assert_eq!(buckets.take("a", 60, at(0)), Ok(()));
        }
        assert_eq!(buckets.peek("a", 60, at(0)), Err(1));
        assert_eq!(buckets.take("a", 60, at(0)), Err(1));
        assert_eq!(buckets.take("a", 60, at(999)), Err(1));
        assert_eq!(buckets.peek("a", 60, at(1_000)), Ok(()));
        assert_eq!(buckets.take("a", 60, at(1_000)), Ok(()));
        assert_eq!(buckets.take("a", 60, at(1_000)), Err(1));
        assert_eq!(buckets.take("a", 2, at(1_000)), Err(30));
        // no limit
        assert_eq!(buckets.take("a", 0, at(1_000)), Ok(()));
        for _ in 0..60 {
            assert_eq!(buckets.take("a", 60, at(120_000)), Ok(()));
        }
    }

    #[test]
    fn hard_14_names_that_strangers_choose_take_no_more_room() {
        let buckets = Buckets::default();
        let refused = (0..100_000)
            .filter(|name| buckets.take(name, 100, at(0)).is_err())
            .count();
        assert_eq!((refused, buckets.until.len()), (0, BUCKETS));
    }

    #[test]
    fn shares_of_a_limit() {
        let pods = Pods::default();
        for (limit, expected, mine) in [(0, 3, 0), (100, 1, 100), (100, 3, 33), (2, 3, 1), (100, 0, 100)] {
            assert_eq!(pods.share(limit, expected), mine);
        }
        for (ready, mine) in [(4, 25), (1, 100), (0, 100), (200, 1)] {
            pods.set(ready);
            assert_eq!(pods.share(100, 3), mine);
            assert_eq!(pods.share(0, 3), 0);
        }
    }

    #[test]
    fn a_share_follows_the_pods_with_the_next_request() {
        let (buckets, pods) = (Buckets::default(), Pods::default());
        let take = |now| buckets.take("a", pods.share(60, 1), at(now));
        for _ in 0..60 {
            assert_eq!(take(0), Ok(()));
        }
        assert_eq!(take(1_000), Ok(()));
        // what was let through before counts on
        pods.set(3);
        assert_eq!(take(1_000), Err(3));
        assert_eq!(take(4_000), Ok(()));
        assert_eq!(take(5_000), Err(2));
        pods.set(1);
        assert_eq!(take(5_000), Ok(()));
    }
}
