//! Rate limits of this pod: what is kept takes no more room however many names are tried, and costs no
//! round trip. A limit is the installation's; each pod has its [share](oidc_protocol::limits::shared), which
//! the [exchange] corrects once a second, beside the requests.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use jiff::Timestamp;
use oidc_protocol::limits::shared::Share;
use siphasher::sip::SipHasher13;

pub mod exchange;

/// Names share so many buckets: one for each number of 16 bits.
const BUCKETS: usize = 1 << 16;

#[derive(Default)]
struct Bucket {
    /// When all that was taken has had its time, in microseconds since 1970.
    until: AtomicI64,
    /// How many were taken since the exchange took them along.
    used: AtomicU32,
}

/// A bucket for each name. Two names may share one: then they share a limit. Which one is a name's is a hash
/// with a key: one of this process, until the pods of an installation [agree](Self::agree) on one.
pub struct Buckets {
    key: [AtomicU64; 2],
    /// Made when it is first needed: without a limit it takes no memory.
    buckets: OnceLock<Box<[Bucket]>>,
}

impl Default for Buckets {
    fn default() -> Self {
        let random = |part: u8| AtomicU64::new(RandomState::new().hash_one(part));
        Self {
            key: [random(0), random(1)],
            buckets: OnceLock::new(),
        }
    }
}

impl Buckets {
    fn bucket(&self, name: impl Hash) -> &Bucket {
        let [first, second] = [0, 1].map(|part: usize| self.key[part].load(Ordering::Relaxed));
        let mut hasher = SipHasher13::new_with_keys(first, second);
        name.hash(&mut hasher);
        let make = || (0..BUCKETS).map(|_| Bucket::default()).collect();
        let [high, low, ..] = hasher.finish().to_be_bytes();
        let index = u16::from_be_bytes([high, low]);
        &self.buckets.get_or_init(make)[usize::from(index)]
    }

    /// Takes one of this pod's share; without one there is no limit.
    ///
    /// # Errors
    /// After how many seconds there is one again.
    pub fn take(&self, name: impl Hash, share: Option<Share>, now: Timestamp) -> Result<(), u64> {
        let Some(share) = share else { return Ok(()) };
        let bucket = self.bucket(name);
        let now = now.as_microsecond();
        let mut wait = 0;
        let taken = bucket
            .until
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |until| {
                share.take(until, now).inspect_err(|told| wait = *told).ok()
            });
        taken.map_err(|_| seconds(wait))?;
        bucket.used.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Whether there is one to take; takes none.
    ///
    /// # Errors
    /// After how many seconds there is one again.
    pub fn peek(&self, name: impl Hash, share: Option<Share>, now: Timestamp) -> Result<(), u64> {
        let Some(share) = share else { return Ok(()) };
        let bucket = self.bucket(name);
        let until = bucket.until.load(Ordering::Relaxed);
        share.take(until, now.as_microsecond()).map(drop).map_err(seconds)
    }

    /// The pods find the bucket of a name by this key. Those of another one are emptied; whether it was another.
    pub fn agree(&self, key: [u64; 2]) -> bool {
        let mut is_new = false;
        for (held, part) in self.key.iter().zip(key) {
            is_new |= held.swap(part, Ordering::Relaxed) != part;
        }
        if is_new {
            for bucket in self.all() {
                bucket.until.store(0, Ordering::Relaxed);
                bucket.used.store(0, Ordering::Relaxed);
            }
        }
        is_new
    }

    /// What was taken out of each bucket since the last time.
    pub fn used(&self) -> Vec<(u16, u32)> {
        let used = (0..=u16::MAX).zip(self.all());
        let used = used.filter(|(_, bucket)| bucket.used.load(Ordering::Relaxed) > 0);
        used.map(|(index, bucket)| (index, bucket.used.swap(0, Ordering::Relaxed)))
            .collect()
    }

    /// Puts a bucket right, given what was taken since [`used`](Self::used). A request in the very moment may be
    /// missed here; the next `used` has it.
    pub fn correct(&self, bucket: u16, right: impl FnOnce(u32) -> i64) {
        if let Some(bucket) = self.all().get(usize::from(bucket)) {
            let since = bucket.used.load(Ordering::Relaxed);
            bucket.until.store(right(since), Ordering::Relaxed);
        }
    }

    fn all(&self) -> &[Bucket] {
        self.buckets.get().map_or(&[], AsRef::as_ref)
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

    /// How many there are. `expected` counts until the number of ready pods is known.
    #[must_use]
    pub fn count(&self, expected: u32) -> u32 {
        match self.0.load(Ordering::Relaxed) {
            0 => expected.max(1),
            ready => ready,
        }
    }

    /// This pod's share of a limit (0: no limit) per minute.
    #[must_use]
    pub fn share(&self, per_minute: u32, expected: u32) -> Option<Share> {
        Share::new(per_minute, self.count(expected))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_millis(milliseconds)
    }

    fn whole(per_minute: u32) -> Option<Share> {
        Share::new(per_minute, 1)
    }

    #[test]
    fn a_minutes_worth_comes_at_once_and_then_each_in_its_time() {
        let buckets = Buckets::default();
        for _ in 0..60 {
            assert_eq!(buckets.take("a", whole(60), at(0)), Ok(()));
        }
        assert_eq!(buckets.peek("a", whole(60), at(0)), Err(1));
        assert_eq!(buckets.take("a", whole(60), at(0)), Err(1));
        assert_eq!(buckets.take("a", whole(60), at(999)), Err(1));
        assert_eq!(buckets.peek("a", whole(60), at(1_000)), Ok(()));
        assert_eq!(buckets.take("a", whole(60), at(1_000)), Ok(()));
        assert_eq!(buckets.take("a", whole(60), at(1_000)), Err(1));
        assert_eq!(buckets.take("a", whole(2), at(1_000)), Err(30));
        // no limit
        assert_eq!(buckets.take("a", whole(0), at(1_000)), Ok(()));
        for _ in 0..60 {
            assert_eq!(buckets.take("a", whole(60), at(120_000)), Ok(()));
        }
    }

    #[test]
    fn hard_14_names_that_strangers_choose_take_no_more_room() {
        let buckets = Buckets::default();
        let refused = (0..100_000)
            .filter(|name| buckets.take(name, whole(100), at(0)).is_err())
            .count();
        assert_eq!((refused, buckets.all().len()), (0, BUCKETS));
    }

    #[test]
    fn shares_of_a_limit() {
        let pods = Pods::default();
        for (limit, expected, of) in [(0, 3, 3), (100, 1, 1), (100, 3, 3), (2, 3, 3), (100, 0, 1)] {
            assert_eq!(pods.share(limit, expected), Share::new(limit, of));
        }
        for (ready, of) in [(4, 4), (1, 1), (0, 1), (200, 200)] {
            pods.set(ready);
            assert_eq!(pods.share(100, 3), Share::new(100, of));
            assert_eq!(pods.share(0, 3), None);
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

    #[test]
    fn buckets_are_put_right_beside_the_requests() {
        let (buckets, other, share) = (Buckets::default(), Buckets::default(), Share::new(60, 3));
        for pod in [&buckets, &other] {
            assert!(pod.agree([1, 2]) && !pod.agree([1, 2]));
            assert_eq!(pod.used(), []);
            while pod.take("a", share, at(0)).is_ok() {}
        }
        let used = buckets.used();
        let [(bucket, 20)] = used[..] else {
            panic!("{used:?}");
        };
        assert_eq!(buckets.used(), []);
        assert_eq!(other.used(), used, "they agree");
        // nobody else took any: a third of the forty that are left
        let left = at(20_000).as_microsecond();
        buckets.correct(bucket, |since| {
            assert_eq!(since, 0);
            left
        });
        let more = (0..60)
            .filter(|_| buckets.take("a", share, at(0)).is_ok())
            .count();
        assert_eq!(more, 13);
        assert_eq!(buckets.used(), [(bucket, 13)]);
        // another key: no bucket is what it was
        assert!(buckets.agree([1, 3]));
        assert_eq!(buckets.take("a", share, at(0)), Ok(()));
    }

    #[test]
    fn without_a_limit_there_are_no_buckets() {
        let buckets = Buckets::default();
        assert_eq!(buckets.take("a", None, at(0)), Ok(()));
        assert!(buckets.all().is_empty());
    }
}
