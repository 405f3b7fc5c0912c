//! How many attempts at a password an account stands (protocol.md ses_05): some at once, then one each
//! growing interval, and all of them again after a quarter of an hour without any. A refused attempt
//! lengthens nothing, so whoever waits is let through: no stranger locks an account for good. And the pace of
//! requests: so many within a time, [by one process](pace) or [by several](shared).

pub mod shared;

/// After this long without an attempt all are forgotten, in milliseconds.
pub const FORGET: i64 = 900_000;
/// The longest interval between two attempts, in milliseconds.
const LONGEST: i64 = 300_000;

/// The attempts at one account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attempts {
    /// How many there were.
    pub count: u32,
    /// When the last one was, in milliseconds since 1970.
    pub last: i64,
}

impl Attempts {
    /// When they are forgotten, in milliseconds since 1970.
    #[must_use]
    pub fn ends(&self) -> i64 {
        self.last.saturating_add(FORGET)
    }

    /// Takes one more at `now` (milliseconds since 1970); `free` are let through without a pause.
    ///
    /// # Errors
    /// How long to wait, in milliseconds; nothing is counted then.
    pub fn take(self, free: u32, now: i64) -> Result<Self, i64> {
        let Self { count, last } = if self.ends() > now { self } else { Self::default() };
        let wait = last.saturating_add(pause(count, free)).saturating_sub(now);
        if wait > 0 {
            return Err(wait);
        }
        Ok(Self {
            count: count.saturating_add(1),
            last: now,
        })
    }
}

/// The pause after `count` attempts: 1 s after the last free one, twice as long after each one more.
fn pause(count: u32, free: u32) -> i64 {
    match count.checked_sub(free) {
        None => 0,
        Some(over) => (1_000_i64 << over.min(20)).min(LONGEST),
    }
}

/// Takes one of the requests of which one comes each `interval`, or a whole `window` of them at once.
/// `until` is what is kept: when all that were taken have had their time. All in one unit of time.
///
/// # Errors
/// How long to wait; nothing is taken then.
pub fn pace(until: i64, interval: i64, window: i64, now: i64) -> Result<i64, i64> {
    let next = until.max(now).saturating_add(interval);
    let wait = next.saturating_sub(now).saturating_sub(window.max(interval));
    if wait > 0 { Err(wait) } else { Ok(next) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(times: &[i64], free: u32) -> Attempts {
        let mut attempts = Attempts::default();
        for now in times {
            attempts = attempts.take(free, *now).unwrap();
        }
        attempts
    }

    #[test]
    fn ses_05_some_attempts_are_free_then_intervals_grow() {
        let now = 1_000_000_000;
        let mut attempts = after(&[now, now, now], 3);
        let mut at = now;
        for wait in [
            1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000,
        ] {
            assert_eq!(attempts.take(3, at), Err(wait));
            assert_eq!(attempts.take(3, at + wait - 1), Err(1));
            at += wait;
            attempts = attempts.take(3, at).unwrap();
        }
        for _ in 0..40 {
            assert_eq!(attempts.take(3, at), Err(300_000));
            at += 300_000;
            attempts = attempts.take(3, at).unwrap();
        }
    }

    #[test]
    fn ses_05_attempts_are_forgotten_after_a_quarter_of_an_hour() {
        let now = 1_000_000_000;
        let attempts = after(&[now, now, now], 3);
        assert_eq!(attempts.take(3, now + FORGET).unwrap().count, 1);
        assert_eq!(attempts.take(3, now + FORGET - 1).unwrap().count, 4);
    }

    #[test]
    fn a_window_comes_at_once_and_then_each_in_its_time() {
        let mut until = 0;
        for _ in 0..5 {
            until = pace(until, 2, 10, 1_000).unwrap();
        }
        assert_eq!(pace(until, 2, 10, 1_000), Err(2));
        assert_eq!(pace(until, 2, 10, 1_001), Err(1));
        assert_eq!(pace(until, 2, 10, 1_002), Ok(1_012));
    }

    proptest! {
        #[test]
        fn no_more_than_twice_a_limit_within_any_window(steps in prop::collection::vec(0..5_i64, 1..200)) {
            let (mut until, mut now, mut taken) = (0, 1_000, Vec::new());
            for step in steps {
                now += step;
                if let Ok(next) = pace(until, 2, 10, now) {
                    until = next;
                    taken.push(now);
                }
            }
            for start in &taken {
                // what a window allows at once, and what comes while it passes
                prop_assert!(taken.iter().filter(|t| (*start..*start + 10).contains(*t)).count() <= 10);
            }
        }

        /// Whoever waits as told is let through, however often a stranger is refused meanwhile.
        #[test]
        fn ses_05_no_account_is_locked_for_good(count: u32, free in 1..1_000_u32, refused in 0..50_u32) {
            let now = 1_800_000_000_000;
            let attempts = Attempts { count, last: now };
            let wait = attempts.take(free, now).err().unwrap_or(0);
            prop_assert!((0..=LONGEST).contains(&wait));
            for step in 0..refused {
                let _ = attempts.take(free, now + wait * i64::from(step) / 50);
            }
            prop_assert!(attempts.take(free, now + wait).is_ok());
        }

        #[test]
        fn ses_05_clocks_that_differ_do_no_harm(count: u32, last: i64, free: u32, now: i64) {
            let _ = Attempts { count, last }.take(free, now);
        }
    }
}
