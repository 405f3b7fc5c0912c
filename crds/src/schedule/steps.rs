//! The first steps of [`schedule`](super::schedule): the ways of a key up to where it signs. Its ends are in
//! [`ends`](super::ends).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::report::{Rank, Report};
use super::revoke::minted_instead;
use super::{Acknowledgements, Import, Schedule, Terms, Wanted, caches, waits_for_caches};
use crate::names::{Algorithm, Seconds};
use crate::resources::Reason;
use crate::resources::signing_key::Phase;
use crate::secrets::key_set::{Caches, KeySet, KeyState, LostKey, Owner};
use crate::time::later;

/// How many pods a message names.
const NAMED_PODS: usize = 5;

/// `signsFrom` of a key that nothing else could sign in place of: a pod whose clock is behind must not wait.
pub(super) const AT_ONCE: Timestamp = Timestamp::UNIX_EPOCH;

/// A schedule in the making.
pub(super) struct Plan<'a> {
    /// All that are good.
    pub(super) wanted: &'a [Wanted],
    /// One per algorithm, the oldest first.
    pub(super) accepted: Vec<&'a Wanted>,
    /// UIDs of all SigningKeys that exist, accepted or not.
    pub(super) existing: BTreeSet<&'a str>,
    pub(super) set: Option<&'a KeySet>,
    /// Whether any pod's word counts.
    pub(super) pods_count: bool,
    /// Pods that have not acknowledged the set as it is.
    pub(super) missing: Vec<&'a str>,
    /// See [`Acknowledgements::caches_expire`].
    caches_expire: Option<Timestamp>,
    pub(super) terms: &'a Terms,
    pub(super) now: Timestamp,
    pub(super) keys: Vec<KeyState>,
    pub(super) default_algorithm: Option<Algorithm>,
    /// Active keys that were revoked just now, as they were: each needs another in its place.
    pub(super) lost: Vec<KeyState>,
    /// What is known of keys of a set that was lost.
    pub(super) lost_keys: Vec<LostKey>,
    /// Algorithms whose lost key was revoked just now, while pods signed with it.
    pub(super) bereft: BTreeSet<Algorithm>,
    /// How long verifiers hold a JWKS.
    caches: Caches,
    pub(super) report: Report,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        wanted: &'a [Wanted],
        set: Option<&'a KeySet>,
        acknowledgements: &'a Acknowledgements,
        terms: &'a Terms,
        now: Timestamp,
    ) -> Self {
        let mut by_age: Vec<&Wanted> = wanted.iter().collect();
        by_age.sort_by_key(|wanted| wanted.age());
        let held = held(set, terms);
        let mut report = Report::default();
        let caches = caches::at(set.and_then(|set| set.caches), terms.cache, now);
        report.dues(caches.until.into_iter());
        let mut accepted: Vec<&Wanted> = Vec::new();
        for wanted in by_age {
            let algorithm = wanted.spec.algorithm();
            let name = &wanted.owner.name;
            let refused = held
                .get(&algorithm)
                .filter(|(created_at, owner)| (*created_at, *owner) < wanted.age());
            let older = accepted.iter().find(|older| older.spec.algorithm() == algorithm);
            let older = older
                .map(|older| &older.owner)
                .or(refused.map(|(_, owner)| *owner));
            if let Some(older) = older {
                let message = format!(
                    "the older SigningKey `{}` has {algorithm} already: delete one, or name another algorithm",
                    older.name
                );
                report.note(name, Reason::AlgorithmTaken, message);
                continue;
            }
            if set.is_none() && !terms.first {
                let message = "the key set was lost; the new key is published and waits before it signs";
                report.note(name, Reason::KeySetLost, message.to_owned());
            }
            accepted.push(wanted);
        }
        let refused = terms.refused.keys().map(String::as_str);
        Self {
            wanted,
            accepted,
            existing: wanted
                .iter()
                .map(|w| w.owner.uid.as_str())
                .chain(refused)
                .collect(),
            set,
            pods_count: !acknowledgements.pods.is_empty(),
            missing: acknowledgements.missing(set).collect(),
            caches_expire: acknowledgements.caches_expire,
            terms,
            now,
            keys: set.map(|set| set.keys.clone()).unwrap_or_default(),
            default_algorithm: set.map(|set| set.default_algorithm),
            lost: Vec::new(),
            lost_keys: set.map(|set| set.lost.clone()).unwrap_or_default(),
            bereft: BTreeSet::new(),
            caches,
            report,
        }
    }

    /// A key that waits, but is no longer what its SigningKey asks for, never signed: it is removed at once.
    /// One that was imported again did sign, and tokens of it may be alive: it retires.
    pub(super) fn drop_superseded(&mut self) {
        for at in 0..self.keys.len() {
            let key = &self.keys[at];
            let stays = self.terms.refused.contains_key(&key.signing_key.uid)
                || self.owner(key).is_some_and(|wanted| is_what(wanted, key));
            if !is_waiting(key) || stays {
                continue;
            }
            if has_signed(key) {
                self.stop(at);
            } else {
                let key = &mut self.keys[at];
                key.retires_at = Some(self.now);
                key.removable_at = Some(self.now);
                self.destroy(at, "it was superseded before it signed");
            }
        }
    }

    /// Published → Active; the former Active key of the algorithm retires.
    pub(super) fn promote(&mut self) {
        for at in 0..self.keys.len() {
            let key = &self.keys[at];
            let Some(wanted) = self.owner(key).filter(|_| key.phase == Phase::Published) else {
                continue;
            };
            let name = wanted.owner.name.clone();
            let published = later(key.published_at.unwrap_or(key.created_at), self.wait(wanted));
            // A pod that was late to publish it is waited for no less than the others were.
            let late = self.caches_expire.filter(|_| self.missing.is_empty());
            let from = late.map_or(published, |late| late.max(published));
            if self.is_lost(key.algorithm) {
                self.activate(at, &name, AT_ONCE);
            } else if from > self.now {
                let message = waits_for_caches(&key.kid, from);
                self.report.note(&name, Reason::WaitingForCaches, message);
                self.report.waits(&name, from);
            } else if !self.missing.is_empty() {
                let pods = self.missing_pods();
                let message = format!(
                    "key {} waits for pods to acknowledge the key set: {pods}",
                    key.kid
                );
                self.report.note(&name, Reason::WaitingForPods, message);
                self.report.step(
                    &name,
                    Rank::Activation,
                    format!("Active when acknowledged by {pods}"),
                );
            } else {
                self.activate(at, &name, self.now);
            }
        }
    }

    /// `from`: no pod signs with it before.
    fn activate(&mut self, at: usize, name: &str, from: Timestamp) {
        let algorithm = self.keys[at].algorithm;
        for other in 0..self.keys.len() {
            if other != at && self.keys[other].algorithm == algorithm && is_active(&self.keys[other]) {
                self.stop(other);
            }
        }
        let key = &mut self.keys[at];
        key.phase = Phase::Active;
        key.signs_from = Some(from);
        let message = format!("key {} signs with {algorithm}", key.kid);
        self.report.note(name, Reason::KeyActive, message);
    }

    /// A key for each SigningKey that has none or whose newest is no longer what it asks for.
    pub(super) fn mint(&mut self) {
        let first = self.set.is_none() && self.terms.first;
        for wanted in self.accepted.clone() {
            if wanted.import.is_some() {
                continue;
            }
            let newest = self.newest(wanted);
            let interval = wanted
                .spec
                .rotation
                .as_ref()
                .and_then(|rotation| rotation.interval);
            if let Some(newest) = newest.filter(|newest| is_what(wanted, newest)) {
                // While one waits, the schedule does: missed rotations are made up once.
                let Some(interval) = interval.filter(|_| !is_waiting(newest)) else {
                    continue;
                };
                let due = later(newest.created_at, interval);
                if due > self.now {
                    self.report
                        .due(&wanted.owner.name, Rank::Interval, "next key", due);
                    continue;
                }
            }
            let algorithm = wanted.spec.algorithm();
            let instead = self.is_lost(algorithm);
            let signs_from = (first || instead).then_some(AT_ONCE);
            self.keys.push(self.pending(wanted, signs_from));
            let name = &wanted.owner.name;
            if first {
                let message = format!("the first key for {algorithm} is minted and signs at once");
                self.report.note(name, Reason::KeyMinted, message);
            } else if instead {
                self.report
                    .note(name, Reason::KeyMinted, minted_instead(algorithm));
            } else {
                self.report.note(
                    name,
                    Reason::KeyMinted,
                    format!("a key for {algorithm} is minted and published"),
                );
                self.report.waits(name, later(self.now, self.wait(wanted)));
            }
        }
    }

    /// The newest key of a SigningKey that signs or will.
    pub(super) fn newest(&self, wanted: &Wanted) -> Option<&KeyState> {
        let mut keys = self.keys.iter().rev();
        keys.find(|key| is_live(key) && is_of(wanted, key))
    }

    /// A key to be minted; with `signs_from` it is Active then, without it Published.
    pub(super) fn pending(&self, wanted: &Wanted, signs_from: Option<Timestamp>) -> KeyState {
        KeyState {
            kid: String::new(),
            algorithm: wanted.spec.algorithm(),
            rsa_bits: wanted.spec.rsa_bits(),
            phase: Phase::Pending,
            signing_key: wanted.owner.clone(),
            spec_revision: wanted.spec.revision(),
            created_at: self.now,
            published_at: Some(self.now),
            signs_from,
            retires_at: None,
            removable_at: None,
            longest_lifetime: 0,
            imported: false,
            revoked: false,
            jwk: None,
            public: None,
        }
    }

    /// The default follows the SigningKeys only to an algorithm that has an Active key.
    pub(super) fn choose_default(&mut self) {
        let marked = self
            .accepted
            .iter()
            .find(|wanted| wanted.spec.default == Some(true));
        let chosen = marked
            .or(self.accepted.first())
            .map(|wanted| wanted.spec.algorithm());
        let former = self.default_algorithm;
        // A refused edit of the SigningKey that the default follows must not move it.
        let held = self.keys.iter().any(|key| {
            Some(key.algorithm) == former
                && is_active(key)
                && self.terms.refused.contains_key(&key.signing_key.uid)
        });
        let can_sign = chosen.is_some_and(|chosen| self.signs(chosen));
        if former.is_none() || (can_sign && !held) {
            self.default_algorithm = chosen.or(former);
        }
    }

    pub(super) fn finish(self) -> Schedule {
        let changed = match self.set {
            Some(set) => {
                set.keys != self.keys
                    || Some(set.default_algorithm) != self.default_algorithm
                    || set.lost != self.lost_keys
                    || set.caches != Some(self.caches)
            }
            None => !self.keys.is_empty(),
        };
        Schedule {
            changed,
            keys: self.keys,
            lost: self.lost_keys,
            caches: self.caches,
            default_algorithm: self.default_algorithm,
            next: self.report.next(self.now),
            steps: self.report.steps(),
            waits: self.report.waits,
            notes: self.report.notes,
        }
    }

    /// The accepted SigningKey that a key belongs to.
    pub(super) fn owner(&self, key: &KeyState) -> Option<&'a Wanted> {
        self.accepted.iter().copied().find(|wanted| is_of(wanted, key))
    }

    fn wait(&self, wanted: &Wanted) -> Seconds {
        let wait = wanted.spec.publish_for.unwrap_or(self.terms.publish_for);
        // Caches may still go by a `max-age` that the wait need no longer outlive.
        match self.caches.until {
            Some(_) => wait.max(Seconds(self.caches.longest)),
            None => wait,
        }
    }

    pub(super) fn signs(&self, algorithm: Algorithm) -> bool {
        self.keys
            .iter()
            .any(|key| key.algorithm == algorithm && is_active(key))
    }

    pub(super) fn missing_pods(&self) -> String {
        let mut text = self.missing[..self.missing.len().min(NAMED_PODS)].join(", ");
        if self.missing.len() > NAMED_PODS {
            text.push_str(&format!(" and {} more", self.missing.len() - NAMED_PODS));
        }
        text
    }
}

/// The algorithms that refused SigningKeys keep, with their age: that of the key that was minted for each last, as
/// its last good spec had it. An edit that is refused gives nothing away.
fn held<'a>(set: Option<&'a KeySet>, terms: &Terms) -> BTreeMap<Algorithm, (Timestamp, &'a Owner)> {
    let mut held: BTreeMap<Algorithm, (Timestamp, &Owner)> = BTreeMap::new();
    for (uid, created_at) in &terms.refused {
        let keys = set.into_iter().flat_map(|set| set.keys.iter().rev());
        // A key that signs is replaced when it is revoked; one that waits is gone.
        let is_gone = |key: &KeyState| is_waiting(key) && terms.revoked.contains(&key.kid);
        let mut live = keys.filter(|key| is_live(key) && key.signing_key.uid == *uid && !is_gone(key));
        let Some(newest) = live.next() else { continue };
        let age = (*created_at, &newest.signing_key);
        let oldest = held.entry(newest.algorithm).or_insert(age);
        *oldest = age.min(*oldest);
    }
    held
}

pub(super) fn is_of(wanted: &Wanted, key: &KeyState) -> bool {
    wanted.owner.uid == key.signing_key.uid
}

/// Whether a key is what a SigningKey asks for. Whatever an import lacks, the key that is there stays.
pub(super) fn is_what(wanted: &Wanted, key: &KeyState) -> bool {
    match &wanted.import {
        Some(Import::Key(_)) => {
            return key.algorithm == wanted.spec.algorithm() && wanted.imports().as_ref() == Some(&key.kid);
        }
        Some(Import::Missing(..)) => return true,
        None => {}
    }
    !key.imported
        && key.algorithm == wanted.spec.algorithm()
        && key.rsa_bits == wanted.spec.rsa_bits()
        && key.spec_revision == wanted.spec.revision()
}

/// Active, or meant to be when minted.
pub(super) fn is_active(key: &KeyState) -> bool {
    key.phase == Phase::Active || (key.phase == Phase::Pending && key.signs_from.is_some())
}

/// Published, or meant to be when minted.
pub(super) fn is_waiting(key: &KeyState) -> bool {
    key.phase == Phase::Published || (key.phase == Phase::Pending && key.signs_from.is_none())
}

/// Whether something that it signed may be alive; only an Active key is given a lifetime.
pub(super) fn has_signed(key: &KeyState) -> bool {
    key.longest_lifetime > 0
}

pub(super) fn is_live(key: &KeyState) -> bool {
    is_active(key) || is_waiting(key)
}
