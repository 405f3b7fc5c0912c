//! What goes into the schedule, and what its decision means for each status: pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use oidc_crds::resources::signing_key::Phase;
use oidc_crds::resources::{Claim, ConditionType, Reason, SigningKey, SigningKeyStatus};
use oidc_crds::schedule::{Demand, Import, Terms, Wanted, lost_keys, status_of, waits_for_caches};
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::key_set::{KeySet, KeyState, Owner};
use oidc_crds::validate::{PUBLISH_FOR, Violation, shortest_publish_for, validate_signing_key};

use super::GuardedKey;
use crate::plan::{Note, conditions, fails, holds, news, refused};

/// What the schedule is asked with.
pub(crate) struct Input {
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) terms: Terms,
    /// By UID.
    violations: HashMap<String, Vec<Violation>>,
}

/// What the schedule said, by SigningKey's name.
pub(crate) struct Told {
    pub(crate) notes: Vec<(String, Reason, String)>,
    pub(crate) steps: BTreeMap<String, String>,
    /// Until when the newest key waits for caches.
    pub(crate) waits: BTreeMap<String, Timestamp>,
}

/// A status, and what to tell.
pub(crate) struct Outcome {
    pub(crate) status: SigningKeyStatus,
    pub(crate) notes: Vec<Note>,
    /// The reason of `Ready`.
    pub(crate) reason: Reason,
}

/// Sorts the objects into those that are good and those that are refused. A refused edit changes nothing:
/// the keys that were minted before go on.
pub(crate) fn input(
    objects: &[Arc<GuardedKey>],
    set: Option<&KeySet>,
    installation: &Installation,
    demand: Demand,
    mut imports: HashMap<String, Import>,
) -> Input {
    let mut wanted = Vec::new();
    let mut revoked = BTreeSet::new();
    let mut violations = HashMap::new();
    let mut refused_since = BTreeMap::new();
    let mut has_keys = false;
    let mut lost = Vec::new();
    for object in objects {
        let uid = object.uid().unwrap_or_default();
        let created_at = object
            .creation_timestamp()
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0);
        let Ok(key) = &object.0 else {
            refused_since.insert(uid, created_at);
            // Its status is not known; it may have had keys.
            has_keys = true;
            continue;
        };
        revoked.extend(key.spec.revoked.iter().map(|revoked| revoked.kid.clone()));
        if let Some(status) = &key.status {
            has_keys |= !status.keys.is_empty();
            lost.extend(lost_keys(&key.name_any(), &status.keys, set));
        }
        match validate_signing_key(key, installation) {
            Ok(()) => wanted.push(Wanted {
                owner: owner_of(key),
                created_at,
                import: imports.remove(&uid),
                spec: key.spec.clone(),
            }),
            Err(found) => {
                refused_since.insert(uid.clone(), created_at);
                violations.insert(uid, found);
            }
        }
    }
    let lifetimes = &installation.lifetimes;
    Input {
        wanted,
        terms: Terms {
            // A client's lifetime may have been raised and lowered again while nobody looked.
            longest_token: demand.longest_token(lifetimes).max(installation.longest_token()),
            session: lifetimes.session,
            publish_for: PUBLISH_FOR,
            in_use: demand.algorithms,
            refused: refused_since,
            revoked,
            cache: shortest_publish_for(installation),
            lost,
            first: set.is_none() && !has_keys,
        },
        violations,
    }
}

fn owner_of(key: &SigningKey) -> Owner {
    Owner {
        name: key.name_any(),
        uid: key.uid().unwrap_or_default(),
    }
}

impl Told {
    /// Notes about SigningKeys that are gone: there is no object to tell them at.
    pub(crate) fn of_nobody<'a>(
        &'a self,
        objects: &'a [Arc<GuardedKey>],
    ) -> impl Iterator<Item = &'a (String, Reason, String)> {
        self.notes
            .iter()
            .filter(|(name, ..)| objects.iter().all(|object| object.name_any() != *name))
    }

    fn about(&self, name: &str) -> impl Iterator<Item = (Reason, &str)> {
        self.notes
            .iter()
            .filter(move |(of, ..)| of == name)
            .map(|(_, reason, message)| (*reason, message.as_str()))
    }
}

/// The status of a SigningKey. `changed`: the set was written just now, so what happened is news.
pub(crate) fn status(
    key: &SigningKey,
    input: &Input,
    set: Option<&KeySet>,
    told: &Told,
    changed: bool,
    now: Timestamp,
) -> Outcome {
    let name = key.name_any();
    let owner = owner_of(key);
    let old = key.status.clone().unwrap_or_default();
    let generation = key.metadata.generation.unwrap_or_default();
    let keys = set.map_or(&[][..], |set| &set.keys);
    let newest = newest(keys, &owner);
    let claims = match input.violations.get(&owner.uid) {
        Some(violations) => refused(violations),
        None => claims(newest, told, &name),
    };
    let standing = old
        .conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::Ready.as_str());
    let is_said = |message: &str| standing.is_some_and(|ready| ready.message.contains(message));
    let mut notes: Vec<Note> = told
        .about(&name)
        .filter(|(reason, message)| match reason {
            Reason::UnknownKid => !is_said(message),
            reason => is_alarm(*reason) || (changed && is_event(*reason)),
        })
        .map(|(reason, message)| Note {
            reason,
            warning: is_alarm(reason) || matches!(reason, Reason::KeyRevoked | Reason::UnknownKid),
            // Which key: only now it has a name, and two keys are two Events.
            message: match newest.filter(|_| reason == Reason::KeyMinted) {
                Some(newest) => format!("{message}: {}", newest.kid),
                None => message.to_owned(),
            },
        })
        .collect();
    let news = news(&old.conditions, &claims).into_iter();
    notes.extend(news.filter(|note| note.reason != Reason::UnknownKid));
    let reason = claims
        .iter()
        .find(|claim| claim.kind == ConditionType::Ready)
        .map_or(Reason::Ready, |claim| claim.reason);
    let active = keys
        .iter()
        .rev()
        .find(|state| state.signing_key.uid == owner.uid && state.phase == Phase::Active);
    Outcome {
        status: SigningKeyStatus {
            observed_generation: Some(generation),
            conditions: conditions(&old.conditions, &claims, generation, now),
            active_kid: active.map(|state| state.kid.clone()),
            next_step: told.steps.get(&name).cloned(),
            // Without a set they tell that there was one.
            keys: set.map_or(old.keys, |set| status_of(&set.keys, &owner)),
        },
        notes,
        reason,
    }
}

/// Keys in the JWKS by some status that the key set does not have, with their SigningKey's name: the set is
/// that of an older backup.
pub(crate) fn lost<'a>(
    objects: &'a [Arc<GuardedKey>],
    set: &'a KeySet,
) -> impl Iterator<Item = (String, Reason, String)> + 'a {
    objects.iter().filter_map(|object| {
        let key = object.0.as_ref().ok()?;
        let known = key.status.iter().flat_map(|status| &status.keys);
        let gone: Vec<&str> = known
            .filter(|state| !matches!(state.phase, Phase::Pending | Phase::Removed))
            .map(|state| state.kid.as_str())
            .filter(|kid| set.keys.iter().all(|state| state.kid != *kid))
            .collect();
        let message = format!(
            "gone from the key set: {}. What such a key signed cannot be verified any more",
            gone.join(", ")
        );
        (!gone.is_empty()).then(|| (key.name_any(), Reason::KeySetLost, message))
    })
}

/// The status of a SigningKey while the key set cannot be read: what is known of its keys stays.
pub(crate) fn unreadable(key: &SigningKey, problem: &str, now: Timestamp) -> Outcome {
    let message = format!(
        "{problem}; the pods sign on with what they hold, and a pod that starts now cannot: restore the Secret, or \
         delete it for new keys"
    );
    let reason = Reason::KeySetUnreadable;
    let published = fails(ConditionType::Published, reason, message.clone());
    stopped(
        key,
        &[published, fails(ConditionType::Ready, reason, message)],
        now,
    )
}

/// The status of a SigningKey while there is no key to decrypt or encrypt the key set with.
pub(crate) fn locked(key: &SigningKey, reason: Reason, message: &str, now: Timestamp) -> Outcome {
    stopped(key, &[fails(ConditionType::Ready, reason, message)], now)
}

/// The status of a SigningKey while something that must be read or written for the keys is refused.
pub(crate) fn failed(key: &SigningKey, error: &str, now: Timestamp) -> Outcome {
    let message = format!(
        "{error}. It is tried again; until it succeeds no key is minted, rotated or revoked, and the pods sign on with \
         what they hold"
    );
    stopped(
        key,
        &[fails(ConditionType::Ready, Reason::WriteFailed, message)],
        now,
    )
}

/// How many keys sign whose SigningKey is gone.
pub(crate) fn orphans(objects: &[Arc<GuardedKey>], set: &KeySet) -> usize {
    let is_gone = |owner: &Owner| {
        objects
            .iter()
            .all(|object| object.uid().as_ref() != Some(&owner.uid))
    };
    let active = set.keys.iter().filter(|key| key.phase == Phase::Active);
    active.filter(|key| is_gone(&key.signing_key)).count()
}

/// Nothing can be done; the last claim is `Ready`.
fn stopped(key: &SigningKey, claims: &[Claim], now: Timestamp) -> Outcome {
    let old = key.status.clone().unwrap_or_default();
    let generation = key.metadata.generation.unwrap_or_default();
    let notes = news(&old.conditions, claims);
    Outcome {
        status: SigningKeyStatus {
            observed_generation: Some(generation),
            conditions: conditions(&old.conditions, claims, generation, now),
            next_step: None,
            ..old
        },
        notes,
        reason: claims
            .last()
            .map_or(Reason::KeySetUnreadable, |claim| claim.reason),
    }
}

/// The key that matters: the last one minted that is in the JWKS and not on its way out.
fn newest<'a>(keys: &'a [KeyState], owner: &Owner) -> Option<&'a KeyState> {
    keys.iter().rev().find(|state| {
        state.signing_key.uid == owner.uid && matches!(state.phase, Phase::Published | Phase::Active)
    })
}

fn claims(newest: Option<&KeyState>, told: &Told, name: &str) -> Vec<Claim> {
    let note = |wanted: &[Reason]| {
        told.about(name)
            .find(|(reason, _)| wanted.contains(reason))
            .map(|(reason, message)| (reason, message.to_owned()))
    };
    let taken = note(&[Reason::AlgorithmTaken]);
    let unfit = [Reason::SecretNotFound, Reason::SecretInvalid, Reason::KeyTaken];
    let unfit = note(&unfit);
    let accepted = match &taken {
        Some((reason, why)) => fails(ConditionType::Accepted, *reason, why.clone()),
        None => holds(ConditionType::Accepted, Reason::Accepted, "the spec is good"),
    };
    // Whoever revokes in an emergency must see a slip, whatever else is the matter.
    let slip = |ready: Claim| match note(&[Reason::UnknownKid]) {
        Some((reason, why)) => Claim {
            reason,
            message: format!("{}; {why}", ready.message),
            ..ready
        },
        None => ready,
    };
    let Some(newest) = newest else {
        let (reason, why) = taken
            .or(unfit)
            .unwrap_or_else(|| (Reason::KeySetLost, "there is no key in the key set".to_owned()));
        return vec![
            accepted,
            fails(ConditionType::Published, reason, why.clone()),
            slip(fails(ConditionType::Ready, reason, why)),
        ];
    };
    let kid = &newest.kid;
    let published = holds(
        ConditionType::Published,
        Reason::KeyPublished,
        format!("key {kid} is in the JWKS"),
    );
    let ready = match (taken.or(unfit), newest.phase) {
        (Some((reason, why)), _) => fails(ConditionType::Ready, reason, why),
        (None, Phase::Active) => {
            let (reason, message) = match note(&[Reason::AlgorithmInUse]) {
                Some((reason, message)) => (reason, format!("key {kid} signs; {message}")),
                None => (Reason::KeyActive, format!("key {kid} signs")),
            };
            holds(ConditionType::Ready, reason, message)
        }
        (None, _) => {
            let waits = [Reason::WaitingForPods, Reason::WaitingForCaches];
            let (reason, why) = note(&waits).unwrap_or_else(|| {
                // Minted just now, so only now it has a name.
                let why = match told.waits.get(name) {
                    Some(until) => waits_for_caches(kid, *until),
                    None => format!("key {kid} waits before it signs"),
                };
                (Reason::WaitingForCaches, why)
            });
            fails(ConditionType::Ready, reason, why)
        }
    };
    vec![accepted, published, slip(ready)]
}

/// What happened beside the schedule, and must be heard of.
fn is_alarm(reason: Reason) -> bool {
    matches!(reason, Reason::KeySetLost | Reason::KeySetRestored)
}

/// What happened, as opposed to what is waited for.
pub(crate) fn is_event(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::KeyMinted
            | Reason::KeyPublished
            | Reason::KeyActive
            | Reason::KeyRetiring
            | Reason::KeyRemoved
            | Reason::KeyRevoked
            | Reason::AlgorithmInUse
    )
}

#[cfg(test)]
mod tests {
    use oidc_crds::guard::Guarded;
    use oidc_crds::jwk::PrivateJwk;
    use oidc_crds::names::Seconds;
    use oidc_crds::schedule::{Acknowledgements, schedule};
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(NOW + second).expect("in range")
    }

    fn installation() -> Installation {
        let mut installation = Installation::standalone("https://login.example.com", false);
        installation.jwks_max_age = Seconds(1);
        installation
    }

    fn key(revision: u64, publish_for: &str) -> SigningKey {
        serde_json::from_value(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "SigningKey",
            "metadata": {
                "name": "main", "namespace": "identity", "uid": "k1", "generation": revision,
                "creationTimestamp": "2026-11-25T09:00:00Z",
            },
            "spec": {"algorithm": "ES256", "publishFor": publish_for, "rotation": {"revision": revision}},
        }))
        .expect("a SigningKey")
    }

    /// One reconcile without an API server.
    fn step(key: &mut SigningKey, set: &mut Option<KeySet>, now: i64) -> Outcome {
        let objects = [Arc::new(Guarded(Ok(key.clone())))];
        let input = input(
            &objects,
            set.as_ref(),
            &installation(),
            Demand::default(),
            HashMap::new(),
        );
        let decided = schedule(
            &input.wanted,
            set.as_ref(),
            &Acknowledgements::default(),
            &input.terms,
            at(now),
        );
        let told = Told {
            notes: decided.notes.clone(),
            steps: decided.steps.clone(),
            waits: decided.waits.clone(),
        };
        let next = decided
            .next_set(set.as_ref(), PrivateJwk::generate)
            .expect("minted");
        let changed = next.is_some();
        if changed {
            *set = next;
        }
        let outcome = status(key, &input, set.as_ref(), &told, changed, at(now));
        key.status = Some(outcome.status.clone());
        outcome
    }

    fn ready(outcome: &Outcome) -> (&str, &str) {
        let condition = outcome
            .status
            .conditions
            .iter()
            .find(|condition| condition.type_ == "Ready")
            .expect("there");
        (&condition.status, &condition.reason)
    }

    #[test]
    fn the_first_key_signs_at_once_and_the_next_one_waits() {
        let (mut key, mut set) = (key(1, "3s"), None);
        let first = step(&mut key, &mut set, 0);
        assert_eq!(ready(&first), ("True", "KeyActive"));
        assert!(first.status.active_kid.is_some());
        let quiet = step(&mut key, &mut set, 1);
        assert_eq!(quiet.status, first.status, "nothing to write");
        assert!(quiet.notes.is_empty());

        key.spec.rotation = super::tests::key(2, "3s").spec.rotation;
        let waits = step(&mut key, &mut set, 2);
        assert_eq!(ready(&waits), ("False", "WaitingForCaches"));
        let again = step(&mut key, &mut set, 2);
        assert_eq!(again.status, waits.status, "one status tells it all");
        assert!(again.notes.is_empty(), "and one Event: {:?}", again.notes);
        assert_eq!(waits.status.keys.len(), 2);
        assert_eq!(waits.status.active_kid, first.status.active_kid);
        let minted = |outcome: &Outcome| {
            let note = outcome.notes.iter().find(|note| note.reason == Reason::KeyMinted);
            note.map(|note| note.message.clone()).expect("told")
        };
        let kids = [&first, &waits].map(|outcome| outcome.status.keys[0].kid.clone());
        assert_eq!(
            minted(&first),
            format!("the first key for ES256 is minted and signs at once: {}", kids[0])
        );
        assert_eq!(
            minted(&waits),
            format!("a key for ES256 is minted and published: {}", kids[1])
        );

        let done = step(&mut key, &mut set, 6);
        assert_eq!(ready(&done), ("True", "KeyActive"));
        assert_ne!(done.status.active_kid, first.status.active_kid);
        let reasons: Vec<Reason> = done.notes.iter().map(|note| note.reason).collect();
        assert!(reasons.contains(&Reason::KeyActive) && reasons.contains(&Reason::KeyRetiring));
    }

    #[test]
    fn a_refused_edit_changes_no_key() {
        let (mut key, mut set) = (key(1, "3s"), None);
        let first = step(&mut key, &mut set, 0);
        let before = set.clone();
        // Shorter than the JWKS may be cached.
        key.spec = super::tests::key(2, "1s").spec;
        let refused = step(&mut key, &mut set, 1);
        assert_eq!(set, before);
        assert_eq!(ready(&refused).0, "False");
        assert_eq!(refused.status.active_kid, first.status.active_kid);
        assert_eq!(refused.status.keys, first.status.keys);
    }

    #[test]
    fn a_lost_set_is_not_a_first_start() {
        let (mut key, mut set) = (key(1, "3s"), None);
        step(&mut key, &mut set, 0);
        set = None;
        let lost = step(&mut key, &mut set, 1);
        assert_eq!(ready(&lost).0, "False");
        assert!(lost.status.active_kid.is_none());
        assert!(
            lost.notes
                .iter()
                .any(|note| note.reason == Reason::KeySetLost && note.warning)
        );
    }
}
