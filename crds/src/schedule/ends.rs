//! The last steps of [`schedule`](super::schedule): which keys sign on, and how the others end.

use jiff::Timestamp;

use super::SKEW;
use super::report::Rank;
use super::steps::{Plan, has_signed, is_active, is_of, is_waiting};
use crate::names::Seconds;
use crate::resources::Reason;
use crate::resources::signing_key::Phase;
use crate::secrets::key_set::{KeySet, KeyState};
use crate::time::later;

/// Why a key is Active.
enum Why {
    /// A SigningKey asks for its algorithm, or its successor is not Active yet.
    Wanted,
    /// Clients name its algorithm.
    InUse,
    /// Without it nothing could be signed for clients that name no algorithm.
    LastDefault,
    /// It is not needed.
    Not,
}

/// Whether some pod may sign with it. One that has not acknowledged that it no longer may does so on, for as long
/// as tokens live by then.
fn may_sign(key: &KeyState) -> bool {
    let told = key.removable_at.is_some();
    is_active(key) || (is_waiting(key) && has_signed(key)) || (key.phase == Phase::Retiring && !told)
}

impl Plan<'_> {
    /// Active → Retiring where nothing needs the key any more.
    pub(super) fn retire(&mut self) {
        for at in 0..self.keys.len() {
            if !is_active(&self.keys[at]) {
                continue;
            }
            let (name, kid) = (self.keys[at].signing_key.name.clone(), self.keys[at].kid.clone());
            let algorithm = self.keys[at].algorithm;
            match self.why_active(at) {
                Why::Wanted => {}
                Why::InUse => {
                    let message = format!("key {kid} goes on signing: accepted clients name {algorithm}");
                    self.report.note(&name, Reason::AlgorithmInUse, message);
                }
                Why::LastDefault => {
                    let message = format!(
                        "key {kid} goes on signing though no SigningKey asks for it: it is the last of the default \
                         algorithm {algorithm} until a key of another SigningKey is Active"
                    );
                    self.report.note(&name, Reason::AlgorithmInUse, message);
                }
                Why::Not => self.stop(at),
            }
        }
        for key in self.keys.iter_mut().filter(|key| may_sign(key)) {
            key.longest_lifetime = key.longest_lifetime.max(self.terms.longest_token.0);
        }
    }

    /// Whether an Active key has to go on.
    pub(super) fn is_needed(&self, at: usize) -> bool {
        !matches!(self.why_active(at), Why::Not)
    }

    fn why_active(&self, at: usize) -> Why {
        let key = &self.keys[at];
        let same = |other: &KeyState| other.algorithm == key.algorithm && is_active(other);
        if self.keys[at + 1..].iter().any(same) {
            return Why::Not;
        }
        let uid = key.signing_key.uid.as_str();
        if self
            .accepted
            .iter()
            .any(|wanted| wanted.spec.algorithm() == key.algorithm)
        {
            return Why::Wanted;
        }
        match self.owner(key) {
            Some(wanted) => {
                // Its SigningKey names another algorithm now.
                let algorithm = wanted.spec.algorithm();
                let follows = |other: &KeyState| {
                    is_active(other) && is_of(wanted, other) && other.algorithm == algorithm
                };
                if !self.keys.iter().any(follows) {
                    return Why::Wanted;
                }
                if self.terms.in_use.contains(&key.algorithm) {
                    return Why::InUse;
                }
            }
            // An edit that is refused changes nothing.
            None if self.existing.contains(uid) => return Why::Wanted,
            None => {}
        }
        if self.default_algorithm == Some(key.algorithm) {
            return Why::LastDefault;
        }
        Why::Not
    }

    /// The key signs no more.
    pub(super) fn stop(&mut self, at: usize) {
        let key = &mut self.keys[at];
        key.phase = Phase::Retiring;
        key.retires_at = Some(self.now);
        key.longest_lifetime = key.longest_lifetime.max(self.terms.longest_token.0);
        let (name, message) = (
            key.signing_key.name.clone(),
            format!(
                "key {} no longer signs; it stays published until what it signed has expired",
                key.kid
            ),
        );
        self.report.note(&name, Reason::KeyRetiring, message);
    }

    /// Retiring → Removed → dropped.
    pub(super) fn remove(&mut self) {
        for at in 0..self.keys.len() {
            if self.keys[at].phase != Phase::Retiring {
                continue;
            }
            let Some(ends) = self.removable_at(&self.keys[at]) else {
                let (name, pods) = (self.keys[at].signing_key.name.clone(), self.missing_pods());
                let message = format!(
                    "key {} stays published until pods acknowledge that it no longer signs: {pods}",
                    self.keys[at].kid
                );
                self.report.note(&name, Reason::WaitingForPods, message);
                if !pods.is_empty() {
                    let step = format!("Removed later, when acknowledged by {pods}");
                    self.report.step(&name, Rank::Removal, step);
                }
                continue;
            };
            let ends = self.successor_signs(at).map_or(ends, |from| from.max(ends));
            self.keys[at].removable_at = Some(ends);
            if ends > self.now {
                let name = self.keys[at].signing_key.name.clone();
                self.report.due(&name, Rank::Removal, "Removed", ends);
            } else {
                self.destroy(at, "what it signed has expired");
            }
        }
        let (now, session) = (self.now, self.terms.session);
        // Tokens that name a session may be shown as a hint for as long as it can live.
        // While a SigningKey names or imports it, it must be known that it was revoked.
        let imported: Vec<String> = self
            .accepted
            .iter()
            .filter_map(|wanted| wanted.imports())
            .collect();
        let is_named = |key: &KeyState| {
            key.revoked && (self.terms.revoked.contains(&key.kid) || imported.contains(&key.kid))
        };
        let forgotten = |key: &KeyState| {
            let removed = key.removable_at.or(key.retires_at).unwrap_or(key.created_at);
            later(removed, session)
        };
        self.keys
            .retain(|key| key.phase != Phase::Removed || is_named(key) || forgotten(key) > now);
        let removed = self
            .keys
            .iter()
            .filter(|key| key.phase == Phase::Removed && !is_named(key));
        self.report.dues(removed.map(forgotten));
    }

    /// From when on the Active key of its algorithm signs: until then pods have none but the Retiring one.
    fn successor_signs(&self, at: usize) -> Option<Timestamp> {
        let algorithm = self.keys[at].algorithm;
        let mut keys = self.keys.iter();
        let active = keys.find(|key| key.algorithm == algorithm && is_active(key));
        active.and_then(|key| key.signs_from)
    }

    /// When everything that a Retiring key signed has expired, if its clock has started: every counted pod
    /// must have acknowledged a set in which it is Retiring.
    fn removable_at(&self, key: &KeyState) -> Option<Timestamp> {
        let lifetime = Seconds(key.longest_lifetime.saturating_add(SKEW.0));
        if key.removable_at.is_some() {
            return key.removable_at;
        }
        // A pod that acknowledged may sign until its own clock says `retiresAt`, and ours may have been set back.
        let stopped = key.retires_at.map_or(self.now, |at| at.max(self.now));
        if !self.pods_count {
            return Some(later(stopped, lifetime));
        }
        let is_told = |set: &KeySet| {
            let told = |before: &KeyState| before.kid == key.kid && before.phase == Phase::Retiring;
            set.keys.iter().any(told)
        };
        (self.missing.is_empty() && self.set.is_some_and(is_told)).then(|| later(stopped, lifetime))
    }

    /// Destroys the private half.
    pub(super) fn destroy(&mut self, at: usize, why: &str) {
        let key = &mut self.keys[at];
        key.phase = Phase::Removed;
        key.jwk = None;
        let (name, message) = (
            key.signing_key.name.clone(),
            format!("key {} is removed: {why}", key.kid),
        );
        self.report.note(&name, Reason::KeyRemoved, message);
    }
}
