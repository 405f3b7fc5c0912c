//! A limit per minute that several pods keep together, though no request asks anybody (design.md I5).
//!
//! The store holds, for a bucket, when all that the pods let through has had its time (`until`, as in
//! [`pace`]): each request takes one interval, the minute by the limit. A pod tells about once a second what
//! it let through, is told the `until` of all, and goes on from there. Until it is told again it supposes
//! that every other pod lets as much through as it does, so a request takes it one interval for each pod.
//!
//! - Without word from the others that is its share: the limit by the number of pods.
//! - All requests on one pod: at each correction it is given back what the others did not use. It may take the
//!   part of one pod of whatever is left, so it settles where that part is what comes in between two
//!   corrections, and lets the whole limit through.
//! - Requests spread over all pods: what goes beyond what is left is what pods let through before they were
//!   told, and it is taken off what comes later. So, whatever the spread, the pods together let through in any
//!   span of time at most the limit of that span, a minute's worth at once, and for each pod what it may take
//!   between two corrections: its part of a minute's worth, at least one, and its share of the time.
//!
//! All times are microseconds, times of day since 1970.

use super::pace;

/// A minute: limits are per minute, and a whole minute's may come at once.
pub const MINUTE: i64 = 60_000_000;
/// The farthest that a bucket of all pods may reach.
pub const FARTHEST: i64 = 5 * MINUTE;
/// The clocks of two pods may differ by so much.
pub const CLOCKS: i64 = MINUTE;

/// A limit as one of the pods that share it keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// What a request takes of the whole.
    interval: i64,
    /// What it takes of this pod's bucket.
    charge: i64,
}

impl Share {
    /// Of so many pods (0 counts as 1), at least one a minute; `None` if `per_minute` is 0: there is no limit.
    #[must_use]
    pub fn new(per_minute: u32, pods: u32) -> Option<Self> {
        let interval = MINUTE.checked_div(per_minute.into())?.max(1);
        let charge = MINUTE * i64::from(pods.max(1)) / i64::from(per_minute);
        Some(Self {
            interval,
            charge: charge.clamp(1, MINUTE),
        })
    }

    /// Takes a request out of this pod's bucket; the bucket then.
    ///
    /// # Errors
    /// How long to wait; nothing is taken then.
    pub fn take(self, until: i64, now: i64) -> Result<i64, i64> {
        pace(until, self.charge, MINUTE, now)
    }

    /// What so many requests take of the bucket of all pods.
    #[must_use]
    pub fn cost(self, requests: u32) -> i64 {
        self.interval.saturating_mul(requests.into())
    }

    /// This pod's bucket, once it is told that of all, to which it had sent what it counted up to `sent`;
    /// `since` is how many requests it let through after that.
    #[must_use]
    pub fn corrected(self, told: i64, sent: i64, since: u32) -> i64 {
        told.max(sent)
            .saturating_add(self.charge.saturating_mul(since.into()))
    }
}

/// The bucket of all pods after what one of them tells; `None` if it reaches farther than any that was written
/// by a clock like `now`: then it tells nothing.
#[must_use]
pub fn tally(until: i64, cost: i64, now: i64) -> Option<i64> {
    let farthest = now.saturating_add(FARTHEST);
    if until > farthest.saturating_add(CLOCKS) {
        return None;
    }
    let from = until.max(now);
    Some(from.saturating_add(cost.max(0)).min(farthest).max(from))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000;
    const START: i64 = 1_800_000_000 * SECOND;

    fn at_once(per_minute: u32, pods: u32) -> usize {
        let share = Share::new(per_minute, pods).unwrap();
        let mut until = 0;
        let take = || {
            until = share.take(until, START).ok()?;
            Some(())
        };
        std::iter::from_fn(take).count()
    }

    #[test]
    fn shares_of_a_limit() {
        for (per_minute, pods, mine) in [
            (100, 1, 100),
            (100, 0, 100),
            (100, 3, 33),
            (100, 4, 25),
            (2, 3, 1),
        ] {
            assert_eq!(at_once(per_minute, pods), mine);
        }
        assert_eq!(Share::new(0, 3), None);
        assert!(Share::new(u32::MAX, u32::MAX).is_some());
    }

    #[test]
    fn a_bucket_of_all_pods_reaches_no_farther_than_it_may() {
        assert_eq!(tally(0, 5, 1_000), Some(1_005));
        assert_eq!(tally(1_100, 5, 1_000), Some(1_105));
        assert_eq!(tally(0, i64::MAX, 1_000), Some(1_000 + FARTHEST));
        let ahead = 1_000 + FARTHEST + CLOCKS;
        assert_eq!(tally(ahead, 5, 1_000), Some(ahead));
        assert_eq!(tally(ahead + 1, 5, 1_000), None);
    }

    /// A pod as the shell makes it: counts, and tells the same until it was answered.
    #[derive(Clone, Default)]
    struct Pod {
        until: i64,
        used: u32,
        /// What is on its way: its cost, when it was gathered, whether the store has counted it.
        pending: Option<(i64, i64, bool)>,
        /// When it was told last, and the longest time in between.
        told: i64,
        gap: i64,
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Line {
        Good,
        NothingArrives,
        TheAnswerIsLost,
    }

    struct World {
        share: Share,
        all: i64,
        pods: Vec<Pod>,
        taken: Vec<(i64, usize)>,
    }

    impl World {
        fn new(per_minute: u32, pods: usize) -> Self {
            let share = Share::new(per_minute, u32::try_from(pods).unwrap()).unwrap();
            let pod = Pod {
                told: START,
                ..Pod::default()
            };
            Self {
                share,
                all: 0,
                pods: vec![pod; pods],
                taken: Vec::new(),
            }
        }

        /// Up to `most` requests at a pod; how many were let through.
        fn ask(&mut self, pod: usize, most: usize, now: i64) -> usize {
            let pod = &mut self.pods[pod];
            let mut count = 0;
            while count < most
                && let Ok(until) = self.share.take(pod.until, now)
            {
                (pod.until, pod.used) = (until, pod.used + 1);
                count += 1;
            }
            self.taken.push((now, count));
            count
        }

        fn exchange(&mut self, pod: usize, line: Line, now: i64) {
            let (share, pod) = (self.share, &mut self.pods[pod]);
            if pod.pending.is_none() && pod.used == 0 {
                pod.told = now; // it has nothing to tell
                return;
            }
            let used = &mut pod.used;
            let pending = pod
                .pending
                .get_or_insert_with(|| (share.cost(std::mem::take(used)), now, false));
            if line == Line::NothingArrives {
                return;
            }
            let cost = if pending.2 { 0 } else { pending.0 };
            pending.2 = true;
            self.all = tally(self.all, cost, now).unwrap();
            if line == Line::TheAnswerIsLost {
                return;
            }
            pod.until = share.corrected(self.all, pending.1, pod.used);
            pod.pending = None;
            pod.gap = pod.gap.max(now - pod.told);
            pod.told = now;
        }

        /// What each pod may take between two corrections, in all.
        fn before_told(&self, end: i64) -> usize {
            let pods = self.pods.iter().map(|pod| {
                let gap = pod.gap.max(end - pod.told);
                usize::try_from((MINUTE + gap) / self.share.charge).unwrap()
            });
            pods.sum()
        }
    }

    fn lines() -> impl Strategy<Value = Line> {
        prop_oneof![
            6 => Just(Line::Good),
            1 => Just(Line::NothingArrives),
            1 => Just(Line::TheAnswerIsLost),
        ]
    }

    proptest! {
        /// Whatever the spread over the pods, whenever they are told, and whatever is lost on the way.
        #[test]
        fn i5_pods_together_keep_a_limit_in_any_span(
            per_minute in 1..400_u32,
            pods in 1..7_usize,
            seconds in prop::collection::vec(
                (prop::collection::vec((0..SECOND, 0..6_usize, 0..500_usize), 0..4), prop::collection::vec(lines(), 6)),
                1..150,
            ),
        ) {
            let mut world = World::new(per_minute, pods);
            let mut now = START;
            for (asks, lines) in seconds {
                // each pod exchanges at its own moment of a second
                let mut acts: Vec<_> = lines.iter().enumerate().take(pods).map(|(pod, line)| {
                    (SECOND / 7 * pod as i64, pod, Err(*line))
                }).collect();
                acts.extend(asks.iter().map(|(at, pod, most)| (*at, pod % pods, Ok(*most))));
                acts.sort_by_key(|(at, ..)| *at);
                for (at, pod, act) in acts {
                    match act {
                        Ok(most) => drop(world.ask(pod, most, now + at)),
                        Err(line) => world.exchange(pod, line, now + at),
                    }
                }
                now += SECOND;
            }
            let beyond = world.before_told(now);
            for (first, (start, _)) in world.taken.iter().enumerate() {
                let mut sum = 0;
                for (end, count) in &world.taken[first..] {
                    sum += count;
                    let span = usize::try_from((end - start) / world.share.interval).unwrap();
                    let most = span + per_minute as usize + beyond + 1;
                    prop_assert!(sum <= most, "{sum} of {most} within {} ms", (end - start) / 1_000);
                }
            }
        }
    }

    /// Ten minutes in which everybody asks as often as they can at the first `busy` of the pods.
    fn saturated(per_minute: u32, pods: usize, busy: usize) -> usize {
        let mut world = World::new(per_minute, pods);
        for step in 0..6_000 {
            let now = START + step * SECOND / 10;
            for pod in 0..pods {
                if pod < busy {
                    world.ask(pod, usize::MAX, now);
                }
                if (step + pod as i64) % 10 == 0 {
                    world.exchange(pod, Line::Good, now);
                }
            }
        }
        world.taken.iter().map(|(_, count)| count).sum()
    }

    #[test]
    fn i5_a_client_on_one_connection_gets_the_whole_limit_and_not_more_on_all() {
        for per_minute in [10, 60, 600, 100_000] {
            for pods in [1, 2, 3, 10] {
                for busy in 1..=pods {
                    let (whole, got) = (per_minute as usize * 10, saturated(per_minute, pods, busy));
                    // what comes at once, and what comes before pods are told
                    let most = whole + 2 * per_minute as usize + per_minute as usize / 60 + pods;
                    assert!(
                        (whole..=most).contains(&got),
                        "{got} of {whole}: {per_minute} a minute, {busy} of {pods} pods"
                    );
                }
            }
        }
    }
}
