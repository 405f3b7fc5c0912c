//! What a pod goes on with when the key set was lost, or set back to an older one: the keys that it holds and the
//! new set does not know. They sign on until a new key is Active, and stay published until what they signed has
//! expired. So the new key, too, is published everywhere before it signs.

use jiff::Timestamp;
use oidc_crds::names::Seconds;
use oidc_crds::resources::signing_key::Phase;
use oidc_crds::schedule::SKEW;
use oidc_crds::secrets::key_set::{KeySet, KeyState};

/// The set to put in force where `held` was so before: `set`, and what must go on.
///
/// A key that the new set, or the one before, knows as revoked is none of it.
#[must_use]
pub fn carry(set: &KeySet, held: &KeySet, now: Timestamp) -> KeySet {
    let mut next = set.clone();
    for key in &mut next.keys {
        // An older set must not bring it back.
        if held.keys.iter().any(|held| held.kid == key.kid && held.revoked) {
            (key.phase, key.revoked) = (Phase::Removed, true);
            (key.jwk, key.public) = (None, None);
        }
    }
    let known = next.clone();
    let revoked = |kid: &str| known.lost.iter().any(|lost| lost.kid == kid && lost.revoked);
    for key in &held.keys {
        let is_shown = matches!(key.phase, Phase::Active | Phase::Retiring);
        if !is_shown || key.revoked || revoked(&key.kid) {
            continue;
        }
        let signs_on = key.phase == Phase::Active && known.lacks(key.algorithm);
        match next.keys.iter_mut().find(|next| next.kid == key.kid) {
            None if signs_on => next.keys.push(key.clone()),
            None => next.keys.extend(ending(key, &known, now)),
            // It was imported anew.
            Some(next) if signs_on && next.phase == Phase::Published => {
                (next.phase, next.signs_from) = (Phase::Active, key.signs_from);
            }
            Some(_) => {}
        }
    }
    // Clients that name no algorithm go on with the former one until a key of the new one signs.
    let signs = |algorithm| {
        let mut keys = next.keys.iter();
        keys.any(|key| key.phase == Phase::Active && key.algorithm == algorithm)
    };
    if !signs(next.default_algorithm) && signs(held.default_algorithm) {
        next.default_algorithm = held.default_algorithm;
    }
    next
}

/// A carried key that another replaces: it stays published until what it signed has expired.
fn ending(key: &KeyState, set: &KeySet, now: Timestamp) -> Option<KeyState> {
    let mut successors = set
        .keys
        .iter()
        .filter(|next| next.phase == Phase::Active && next.algorithm == key.algorithm);
    let retires_at = match key.phase {
        Phase::Retiring => key.retires_at.unwrap_or(now),
        _ => successors
            .find_map(|next| next.signs_from)
            .map_or(now, |from| from.max(Timestamp::UNIX_EPOCH)),
    };
    // The longest lifetime of now is known of the keys that sign now.
    let lifetimes = set.keys.iter().map(|next| next.longest_lifetime);
    let longest = lifetimes.max().unwrap_or_default().max(key.longest_lifetime);
    let expired = Seconds(longest.saturating_add(SKEW.0)).span();
    let end = || retires_at.max(now).checked_add(expired).unwrap_or(Timestamp::MAX);
    let removable_at = key.removable_at.unwrap_or_else(end);
    (removable_at > now).then(|| KeyState {
        phase: Phase::Retiring,
        retires_at: Some(retires_at),
        removable_at: Some(removable_at),
        longest_lifetime: longest,
        ..key.clone()
    })
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use oidc_crds::names::Algorithm::{self, ES256, EdDSA};
    use oidc_crds::secrets::key_set::LostKey;

    use super::*;
    use crate::jwt::Signer;
    use crate::keys::Keys;
    use crate::testing::{NOW, key_set, key_state};

    fn at(seconds: i64) -> Timestamp {
        NOW + SignedDuration::from_secs(seconds)
    }

    fn waiting(algorithm: Algorithm, n: usize) -> KeyState {
        KeyState {
            phase: Phase::Published,
            signs_from: None,
            ..key_state(algorithm, n)
        }
    }

    fn active(algorithm: Algorithm, n: usize, from: Timestamp) -> KeyState {
        KeyState {
            signs_from: Some(from),
            ..key_state(algorithm, n)
        }
    }

    /// The kid that signs by default, and those in the JWKS.
    fn seen(set: &KeySet, now: Timestamp) -> (Option<String>, Vec<String>) {
        let keys = Keys::from_key_set(set).unwrap();
        let jwks = set.jwks();
        let kids = jwks["keys"].as_array().unwrap().iter();
        (
            keys.signer(None, now).map(Signer::kid).map(str::to_owned),
            kids.map(|key| key["kid"].as_str().unwrap().to_owned()).collect(),
        )
    }

    fn lost(key: &KeyState, revoked: bool) -> LostKey {
        LostKey {
            kid: key.kid.clone(),
            algorithm: key.algorithm,
            signing_key: "main".to_owned(),
            signed: true,
            revoked,
            replaced_at: None,
        }
    }

    #[test]
    fn i3_a_pod_signs_on_while_the_key_of_a_new_set_waits() {
        let (old, new) = (key_state(ES256, 0), waiting(ES256, 1));
        let (first, second) = (old.kid.clone(), new.kid.clone());
        let held = carry(&key_set(vec![new]), &key_set(vec![old]), NOW);
        let both = vec![second.clone(), first.clone()];
        assert_eq!(seen(&held, NOW), (Some(first.clone()), both.clone()));
        // Read again, and much later.
        let again = carry(&key_set(vec![waiting(ES256, 1)]), &held, at(10_000));
        assert_eq!(again, held);

        let promoted = key_set(vec![active(ES256, 1, at(600))]);
        let held = carry(&promoted, &held, at(600));
        assert_eq!(seen(&held, at(600)), (Some(second.clone()), both.clone()));
        assert_eq!(
            seen(&held, at(599)).0,
            Some(first),
            "as with any retiring key, if the pod's clock is behind"
        );
        assert_eq!(carry(&promoted, &held, at(1509)), held);
        // 900 s lives what it signed, and clocks differ.
        let held = carry(&promoted, &held, at(1510));
        assert_eq!(held, promoted);
    }

    #[test]
    fn each_algorithm_signs_on_until_its_own_key_is_active() {
        let old = key_set(vec![key_state(ES256, 0), key_state(EdDSA, 0)]);
        let set = key_set(vec![active(ES256, 1, NOW), waiting(EdDSA, 1)]);
        let held = carry(&set, &old, NOW);
        let keys = Keys::from_key_set(&held).unwrap();
        assert_eq!(keys.algorithms(), [ES256, EdDSA]);
        let signer = |algorithm| keys.signer(Some(algorithm), NOW).map(Signer::kid);
        assert_eq!(signer(ES256), Some(set.keys[0].kid.as_str()));
        assert_eq!(signer(EdDSA), Some(old.keys[1].kid.as_str()));
        // Nobody asks for the second any more, and the default signs.
        let held = carry(&key_set(vec![active(ES256, 1, NOW)]), &held, NOW);
        assert_eq!(Keys::from_key_set(&held).unwrap().algorithms(), [ES256]);
    }

    #[test]
    fn another_default_waits_for_its_key() {
        let old = key_set(vec![key_state(ES256, 0)]);
        let mut set = key_set(vec![waiting(EdDSA, 0)]);
        set.default_algorithm = EdDSA;
        let held = carry(&set, &old, NOW);
        assert_eq!(seen(&held, NOW).0.as_ref(), Some(&old.keys[0].kid));
        set.keys = vec![active(EdDSA, 0, NOW)];
        let held = carry(&set, &held, NOW);
        assert_eq!(held.default_algorithm, EdDSA);
        assert_eq!(seen(&held, NOW).0.as_ref(), Some(&set.keys[0].kid));
    }

    #[test]
    fn a_lost_key_that_is_revoked_signs_nothing_and_is_not_published() {
        let old = key_set(vec![key_state(ES256, 0)]);
        let mut set = key_set(vec![active(ES256, 1, Timestamp::UNIX_EPOCH)]);
        set.lost = vec![lost(&old.keys[0], true)];
        assert_eq!(carry(&set, &old, NOW), set);
        set.keys = vec![waiting(ES256, 1)];
        let held = carry(&set, &old, NOW);
        assert_eq!(held, set, "rather none than it");
        set.lost = vec![lost(&old.keys[0], false)];
        assert_eq!(
            seen(&carry(&set, &old, NOW), NOW).0.as_ref(),
            Some(&old.keys[0].kid)
        );
    }

    #[test]
    fn an_older_set_brings_no_revoked_key_back() {
        let (first, second) = (key_state(ES256, 0), key_state(ES256, 1));
        let old = key_set(vec![first.clone()]);
        let gone = KeyState {
            phase: Phase::Removed,
            revoked: true,
            jwk: None,
            public: None,
            ..first
        };
        let held = carry(&old, &key_set(vec![gone, second.clone()]), NOW);
        assert_eq!(seen(&held, NOW), (Some(second.kid.clone()), vec![second.kid]));
    }

    #[test]
    fn what_an_older_set_does_not_know_stays_published() {
        let (first, second) = (key_state(ES256, 0), key_state(ES256, 1));
        let held = carry(&key_set(vec![first.clone()]), &key_set(vec![second.clone()]), NOW);
        assert_eq!(
            seen(&held, NOW),
            (Some(first.kid.clone()), vec![first.kid, second.kid])
        );
    }

    #[test]
    fn a_key_that_is_imported_anew_signs_on() {
        let old = key_set(vec![key_state(ES256, 0)]);
        let held = carry(&key_set(vec![waiting(ES256, 0)]), &old, NOW);
        assert_eq!(seen(&held, NOW).0.as_ref(), Some(&old.keys[0].kid));
        assert_eq!(held.keys.len(), 1);
    }

    #[test]
    fn what_ended_in_order_is_not_carried() {
        let removed = KeyState {
            phase: Phase::Removed,
            jwk: None,
            ..key_state(ES256, 0)
        };
        let old = key_set(vec![removed, key_state(ES256, 1), waiting(EdDSA, 0)]);
        let set = key_set(vec![key_state(ES256, 1)]);
        assert_eq!(carry(&set, &old, NOW), set);
    }
}
