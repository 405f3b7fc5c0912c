//! How the operator asks a pod, and how that answers: both hold the key ring, so a question is a short-lived
//! sealed value, and the answer is sealed for that question. No connection between them has to be secret.

use jiff::Timestamp;
use rand_core::CryptoRng;

use super::{Run, Told};
use crate::encoding::{base64url, from_base64url};
use crate::seal::{KeyRing, Purpose};

/// How far from the clock of whoever answers a question may be made, in seconds.
const FRESH: i64 = 60;

/// The form of an answer.
const VERSION: u8 = 1;

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Random; the answer is sealed for it.
    pub nonce: [u8; 16],
    /// Only uses at or after this second are asked for.
    pub after: i64,
}

/// Seals a question to the pod with this UID, for the Authorization header (`Bearer …`).
pub fn seal_ask(ring: &KeyRing, pod: &str, ask: Ask, now: Timestamp, rng: &mut impl CryptoRng) -> String {
    let mut plain = [0; 32];
    plain[..8].copy_from_slice(&now.as_second().to_be_bytes());
    plain[8..16].copy_from_slice(&ask.after.to_be_bytes());
    plain[16..].copy_from_slice(&ask.nonce);
    base64url(&ring.seal(Purpose::Uses, &[b"ask", pod.as_bytes()], &plain, rng))
}

/// Opens a question to the pod with this UID; `None`: it is not one, or not of now.
#[must_use]
pub fn open_ask(ring: &KeyRing, pod: &str, sealed: &str, now: Timestamp) -> Option<Ask> {
    let sealed = from_base64url(sealed)?;
    let plain = ring
        .unseal(Purpose::Uses, &[b"ask", pod.as_bytes()], &sealed)
        .ok()?;
    let mut plain = Reader(&plain);
    let made = plain.number()?;
    let ask = Ask {
        after: plain.number()?,
        nonce: plain.take()?,
    };
    let is_fresh = made.abs_diff(now.as_second()) <= FRESH.unsigned_abs();
    (is_fresh && plain.0.is_empty()).then_some(ask)
}

/// Seals the answer to a question to the pod with this UID.
pub fn seal_answer(ring: &KeyRing, pod: &str, ask: Ask, told: &Told, rng: &mut impl CryptoRng) -> Vec<u8> {
    ring.seal(
        Purpose::Uses,
        &[b"answer", pod.as_bytes(), &ask.nonce],
        &to_bytes(told),
        rng,
    )
}

/// Opens the answer to a question to the pod with this UID; `None`: it is not one.
#[must_use]
pub fn open_answer(ring: &KeyRing, pod: &str, ask: Ask, sealed: &[u8]) -> Option<Told> {
    let plain = ring.unseal(Purpose::Uses, &[b"answer", pod.as_bytes(), &ask.nonce], sealed);
    from_bytes(&plain.ok()?)
}

fn to_bytes(told: &Told) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(told.kept_since.to_be_bytes());
    bytes.extend(u32::try_from(told.runs.len()).unwrap_or(u32::MAX).to_be_bytes());
    for run in &told.runs {
        bytes.extend(run.pod);
        bytes.extend(run.process);
        bytes.extend(run.since.to_be_bytes());
        bytes.extend(run.until.to_be_bytes());
        bytes.push(u8::from(run.ended));
    }
    for (name, second) in &told.uses {
        bytes.extend(name);
        bytes.extend(second.to_be_bytes());
    }
    bytes
}

fn from_bytes(bytes: &[u8]) -> Option<Told> {
    let mut rest = Reader(bytes);
    if rest.take()? != [VERSION] {
        return None;
    }
    let kept_since = rest.number()?;
    let count = u32::from_be_bytes(rest.take()?);
    let mut runs = Vec::new();
    for _ in 0..count {
        runs.push(Run {
            pod: rest.take()?,
            process: rest.take()?,
            since: rest.number()?,
            until: rest.number()?,
            ended: match rest.take()? {
                [0] => false,
                [1] => true,
                [_] => return None,
            },
        });
    }
    let mut uses = Vec::new();
    while !rest.0.is_empty() {
        uses.push((rest.take()?, rest.number()?));
    }
    Some(Told {
        kept_since,
        runs,
        uses,
    })
}

/// Takes bytes from the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secrets::key_ring::KeyRingData;
    use crate::testing::SeededRng;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 500_000_000);
    const ASK: Ask = Ask {
        nonce: [7; 16],
        after: 1_799_999_000,
    };

    fn ring(seed: u64) -> KeyRing {
        KeyRing::new(KeyRingData::generate(NOW, &mut SeededRng::new(seed)))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(NOW.as_second() + seconds).unwrap()
    }

    #[test]
    fn a_question_opens_at_its_pod_for_a_minute() {
        let (ring, rng) = (ring(1), &mut SeededRng::new(2));
        let asked = seal_ask(&ring, "pod-1", ASK, NOW, rng);
        for seconds in [-60, 0, 60] {
            assert_eq!(open_ask(&ring, "pod-1", &asked, at(seconds)), Some(ASK));
        }
        for seconds in [-61, 61] {
            assert_eq!(open_ask(&ring, "pod-1", &asked, at(seconds)), None);
        }
        assert_eq!(open_ask(&ring, "pod-2", &asked, NOW), None);
        assert_eq!(open_ask(&self::ring(2), "pod-1", &asked, NOW), None);
        for odd in ["", "AAAA", &asked[..asked.len() - 4], &format!("{asked}AAAA")] {
            assert_eq!(open_ask(&ring, "pod-1", odd, NOW), None, "{odd}");
        }
    }

    #[test]
    fn an_answer_is_of_its_question_and_pod() {
        let (ring, rng) = (ring(1), &mut SeededRng::new(2));
        let told = Told {
            kept_since: 1,
            runs: vec![],
            uses: vec![([9; 16], 5)],
        };
        let answer = seal_answer(&ring, "pod-1", ASK, &told, rng);
        assert_eq!(open_answer(&ring, "pod-1", ASK, &answer), Some(told));
        let other = Ask {
            nonce: [8; 16],
            ..ASK
        };
        assert_eq!(open_answer(&ring, "pod-1", other, &answer), None);
        assert_eq!(open_answer(&ring, "pod-2", ASK, &answer), None);
        // a question is no answer
        let asked = ring.seal(Purpose::Uses, &[b"ask", b"pod-1"], &[1; 13], rng);
        assert_eq!(open_answer(&ring, "pod-1", ASK, &asked), None);
    }

    proptest! {
        #[test]
        fn what_is_told_is_read_as_it_was(
            kept_since: i64,
            runs in proptest::collection::vec(
                (any::<[u8; 16]>(), any::<[u8; 8]>(), any::<i64>(), any::<i64>(), any::<bool>()), 0..4,
            ),
            uses in proptest::collection::vec((any::<[u8; 16]>(), any::<i64>()), 0..9),
        ) {
            let runs = runs.into_iter().map(|(pod, process, since, until, ended)| {
                Run { pod, process, since, until, ended }
            });
            let told = Told { kept_since, runs: runs.collect(), uses };
            prop_assert_eq!(from_bytes(&to_bytes(&told)), Some(told));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = from_bytes(&bytes);
        }
    }
}
