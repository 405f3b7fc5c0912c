//! Keys ready for use: parsed once per key set, never per token.

use std::cmp::Reverse;

use jiff::Timestamp;
use oidc_crds::jwk::KeyError;
use oidc_crds::names::Algorithm;
use oidc_crds::resources::signing_key::Phase;
use oidc_crds::secrets::key_set::{KeySet, KeyState};

use crate::jwt::{Signer, Verifier};

mod carried;

pub use carried::carry;

/// Everything of one key set. Immutable: a new set makes a new one.
pub struct Keys {
    /// The one to prefer first.
    signers: Vec<Signing>,
    verifiers: Vec<Verifier>,
    /// Of removed keys: they check hints and nothing else.
    retained: Vec<Verifier>,
    default_algorithm: Algorithm,
    jwks: Vec<u8>,
    acknowledgement: String,
}

/// A key that may sign for a while.
struct Signing {
    signer: Signer,
    from: Timestamp,
    until: Option<Timestamp>,
}

impl Keys {
    /// Parses all keys. RSA keys take about 0.2 ms each.
    ///
    /// # Errors
    /// When a key cannot be used; nothing is left out silently.
    pub fn from_key_set(set: &KeySet) -> Result<Self, KeyError> {
        let (mut signers, mut verifiers, mut retained) = (Vec::new(), Vec::new(), Vec::new());
        for state in &set.keys {
            if let Some(signing) = Signing::from_state(state)? {
                signers.push(signing);
            }
            if matches!(state.phase, Phase::Published | Phase::Active | Phase::Retiring) {
                verifiers.push(verifier(state)?);
            }
            // one that was revoked has none
            if let (Phase::Removed, Some(public)) = (state.phase, &state.public) {
                retained.push(Verifier::new(public)?);
            }
        }
        // Active ones before retiring ones, the newest first.
        signers.sort_by_key(|key| (key.until.is_some(), Reverse(key.from)));
        Ok(Self {
            signers,
            verifiers,
            retained,
            default_algorithm: set.default_algorithm,
            jwks: set.jwks().to_string().into_bytes(),
            acknowledgement: set.acknowledgement(),
        })
    }

    /// The signer for an algorithm (`None`: the default's), if one may sign at `now`.
    #[must_use]
    pub fn signer(&self, algorithm: Option<Algorithm>, now: Timestamp) -> Option<&Signer> {
        let algorithm = algorithm.unwrap_or(self.default_algorithm);
        self.signers
            .iter()
            .find(|key| {
                key.signer.algorithm() == algorithm
                    && key.from <= now
                    && key.until.is_none_or(|until| now < until)
            })
            .map(|key| &key.signer)
    }

    /// The verifier for a kid of a published key.
    #[must_use]
    pub fn verifier(&self, kid: &str) -> Option<&Verifier> {
        self.verifiers.iter().find(|verifier| verifier.kid() == kid)
    }

    /// The verifier for a kid of a published key, or of one that was removed and not revoked. For
    /// `id_token_hint`s only: whatever such a key signed has expired.
    #[must_use]
    pub fn hint_verifier(&self, kid: &str) -> Option<&Verifier> {
        let retained = || self.retained.iter().find(|verifier| verifier.kid() == kid);
        self.verifier(kid).or_else(retained)
    }

    /// Algorithms that some key signs now, for discovery.
    #[must_use]
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let signs = |algorithm: &Algorithm| {
            let mut active = self.signers.iter().filter(|key| key.until.is_none());
            active.any(|key| key.signer.algorithm() == *algorithm)
        };
        Algorithm::ALL.into_iter().filter(signs).collect()
    }

    /// Whether some key signs, now or by its time; not so if the key set was lost and nothing else is held.
    #[must_use]
    pub fn can_sign(&self) -> bool {
        self.signers.iter().any(|key| key.until.is_none())
    }

    /// The same, acknowledged as another set: the one that was read, where this one holds more ([`carry`]).
    #[must_use]
    pub fn acknowledged_as(mut self, word: String) -> Self {
        self.acknowledgement = word;
        self
    }

    /// The JWKS document as bytes.
    #[must_use]
    pub fn jwks(&self) -> &[u8] {
        &self.jwks
    }

    /// What the pod acknowledges, once no retiring key may sign any more ([`Self::retires`]).
    #[must_use]
    pub fn acknowledgement(&self) -> &str {
        &self.acknowledgement
    }

    /// Until when a retiring key may sign; `None`: none may at `now`. It is the time of whoever wrote the set, whose
    /// clock may be ahead: who acknowledged before would let the key be removed too soon.
    #[must_use]
    pub fn retires(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = self.signers.iter().filter_map(|key| key.until);
        ends.filter(|until| *until > now).max()
    }
}

impl Signing {
    /// An active key signs from `signsFrom` on. A retiring one still signs where the clock has not
    /// reached its end yet: so a pod whose clock is behind never stands without a key.
    fn from_state(state: &KeyState) -> Result<Option<Self>, KeyError> {
        let until = match state.phase {
            Phase::Active => None,
            Phase::Retiring if state.retires_at.is_some() => state.retires_at,
            _ => return Ok(None),
        };
        let Some(jwk) = &state.jwk else {
            return match state.phase {
                Phase::Active => Err(KeyError(format!("the active key {} is not there", state.kid))),
                _ => Ok(None),
            };
        };
        let signer = Signer::new(&state.kid, jwk)?;
        if signer.algorithm() != state.algorithm {
            return Err(KeyError(format!(
                "the key {} is not of the algorithm {}",
                state.kid, state.algorithm
            )));
        }
        Ok(Some(Self {
            signer,
            from: state.signs_from.unwrap_or(Timestamp::MIN),
            until,
        }))
    }
}

/// The verifier of a published key, whose public half may stand alone.
fn verifier(state: &KeyState) -> Result<Verifier, KeyError> {
    match (&state.public, &state.jwk) {
        (Some(public), _) => Verifier::new(public),
        (None, Some(jwk)) => Verifier::new(&jwk.public()?),
        (None, None) => Err(KeyError(format!("the key {} is not there", state.kid))),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::Value;

    use super::*;
    use crate::testing::{NOW, key_set, key_state};

    fn at(seconds: i64) -> Timestamp {
        NOW + SignedDuration::from_secs(seconds)
    }

    fn signs(keys: &Keys, algorithm: Option<Algorithm>, now: Timestamp) -> Option<&str> {
        keys.signer(algorithm, now).map(Signer::kid)
    }

    /// The test keys of an algorithm, as active ones.
    fn two() -> (KeyState, KeyState) {
        (key_state(Algorithm::ES256, 0), key_state(Algorithm::ES256, 1))
    }

    #[test]
    fn i3_no_key_signs_before_its_time() {
        let (mut key, _) = two();
        key.signs_from = Some(at(10));
        let kid = key.kid.clone();
        let keys = Keys::from_key_set(&key_set(vec![key])).unwrap();
        assert_eq!(signs(&keys, None, at(9)), None);
        assert_eq!(signs(&keys, None, at(10)), Some(kid.as_str()));
    }

    #[test]
    fn i3_a_published_key_verifies_and_does_not_sign() {
        let (active, mut published) = two();
        published.phase = Phase::Published;
        published.signs_from = None;
        let (kid, waiting) = (active.kid.clone(), published.kid.clone());
        let keys = Keys::from_key_set(&key_set(vec![active, published])).unwrap();
        assert_eq!(signs(&keys, None, at(10_000)), Some(kid.as_str()));
        assert!(keys.verifier(&waiting).is_some());
        assert!(keys.verifier("unknown").is_none());
    }

    #[test]
    fn i3_a_retiring_key_signs_only_until_the_next_one_may() {
        let (mut old, mut new) = two();
        old.phase = Phase::Retiring;
        old.retires_at = Some(at(0));
        new.signs_from = Some(at(0));
        let (old_kid, new_kid) = (old.kid.clone(), new.kid.clone());
        let keys = Keys::from_key_set(&key_set(vec![old, new])).unwrap();
        // Here the clock is a second behind the operator's.
        assert_eq!(signs(&keys, None, at(-1)), Some(old_kid.as_str()));
        assert_eq!(signs(&keys, None, at(0)), Some(new_kid.as_str()));
        assert!(keys.verifier(&old_kid).is_some());
        assert_eq!((keys.retires(at(-1)), keys.retires(at(0))), (Some(at(0)), None));
    }

    #[test]
    fn i3_of_two_active_keys_the_newer_signs() {
        let (mut old, mut new) = two();
        old.signs_from = Some(Timestamp::UNIX_EPOCH);
        new.signs_from = Some(at(5));
        let (old_kid, new_kid) = (old.kid.clone(), new.kid.clone());
        let keys = Keys::from_key_set(&key_set(vec![new, old])).unwrap();
        assert_eq!(signs(&keys, None, at(4)), Some(old_kid.as_str()));
        assert_eq!(signs(&keys, None, at(5)), Some(new_kid.as_str()));
    }

    #[test]
    fn jwt_02_each_algorithm_has_its_own_signer() {
        let states: Vec<KeyState> = Algorithm::ALL.iter().map(|alg| key_state(*alg, 0)).collect();
        let keys = Keys::from_key_set(&key_set(states)).unwrap();
        for algorithm in Algorithm::ALL {
            let signer = keys.signer(Some(algorithm), NOW).unwrap();
            assert_eq!(signer.algorithm(), algorithm);
            let verifier = keys.verifier(signer.kid()).unwrap();
            assert_eq!(verifier.algorithm(), algorithm);
        }
        assert_eq!(keys.algorithms(), Algorithm::ALL);
        assert_eq!(
            keys.signer(None, NOW).unwrap().algorithm(),
            Algorithm::ES256,
            "the default of the set"
        );
    }

    #[test]
    fn disc_03_removed_and_pending_keys_are_nowhere() {
        let (active, mut removed) = two();
        removed.phase = Phase::Removed;
        removed.jwk = None;
        let gone = removed.kid.clone();
        let mut pending = key_state(Algorithm::EdDSA, 0);
        pending.phase = Phase::Pending;
        (pending.kid, pending.jwk, pending.public) = (String::new(), None, None);
        let keys = Keys::from_key_set(&key_set(vec![active, removed, pending])).unwrap();
        assert!(keys.verifier(&gone).is_none());
        assert!(keys.hint_verifier(&gone).is_some());
        assert_eq!(keys.algorithms(), [Algorithm::ES256]);
        let jwks: Value = serde_json::from_slice(keys.jwks()).unwrap();
        assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn out_01_a_revoked_key_checks_no_hint() {
        let (active, mut revoked) = two();
        revoked.phase = Phase::Removed;
        (revoked.jwk, revoked.public) = (None, None);
        let gone = revoked.kid.clone();
        let keys = Keys::from_key_set(&key_set(vec![active, revoked])).unwrap();
        assert!(keys.hint_verifier(&gone).is_none());
    }

    #[test]
    fn a_key_that_cannot_be_used_fails_the_whole_set() {
        let (active, mut broken) = two();
        broken.jwk = None;
        assert!(Keys::from_key_set(&key_set(vec![active.clone(), broken])).is_err());
        let mut mislabelled = active.clone();
        mislabelled.algorithm = Algorithm::ES384;
        assert!(Keys::from_key_set(&key_set(vec![active, mislabelled])).is_err());
    }

    #[test]
    fn the_acknowledgement_is_the_key_sets() {
        let set = key_set(vec![two().0]);
        let keys = Keys::from_key_set(&set).unwrap();
        assert_eq!(keys.acknowledgement(), set.acknowledgement());
    }
}
