//! Keys of a set that was lost. Pods sign on with those that they hold until the keys that were minted instead
//! are Active; that a lost one is revoked must reach them too.

use super::steps::{Plan, is_active};
use crate::names::Algorithm;
use crate::resources::Reason;
use crate::resources::signing_key::{KeyStatus, Phase};
use crate::secrets::key_set::{KeySet, LostKey};
use crate::time::later;

/// Keys that verifiers see, by the status of the SigningKey of this name, and that the set does not hold.
pub fn lost_keys<'a>(
    name: &'a str,
    keys: &'a [KeyStatus],
    set: Option<&'a KeySet>,
) -> impl Iterator<Item = LostKey> + 'a {
    let is_held = move |kid: &str| {
        let mut held = set.iter().flat_map(|set| &set.keys);
        held.any(|key| key.kid == kid)
    };
    keys.iter()
        .filter(|key| !matches!(key.phase, Phase::Pending | Phase::Removed))
        .filter(move |key| !is_held(&key.kid))
        .map(|key| LostKey {
            kid: key.kid.clone(),
            algorithm: key.algorithm,
            signing_key: name.to_owned(),
            signed: key.phase == Phase::Active,
            revoked: false,
            replaced_at: None,
        })
}

impl Plan<'_> {
    /// What was noted before, and what is found out now.
    pub(super) fn note_lost(&mut self) {
        for lost in &self.terms.lost {
            if self.lost_keys.iter().all(|known| known.kid != lost.kid) {
                self.lost_keys.push(lost.clone());
            }
        }
    }

    /// A lost key is revoked: no pod goes on with it, and where it signed another key signs at once.
    pub(super) fn revoke_lost(&mut self) {
        for at in 0..self.lost_keys.len() {
            let lost = &self.lost_keys[at];
            if lost.revoked || !self.terms.revoked.contains(&lost.kid) {
                continue;
            }
            let algorithm = lost.algorithm;
            if lost.signed && self.lacks(algorithm) {
                self.bereft.insert(algorithm);
            }
            let lost = &mut self.lost_keys[at];
            lost.revoked = true;
            let (name, kid) = (lost.signing_key.clone(), lost.kid.clone());
            let message =
                format!("key {kid} is revoked, though its key set was lost: no pod goes on with it");
            self.report.note(&name, Reason::KeyRevoked, message);
        }
    }

    /// Whether no key in the set signs with it, and one that was lost may.
    fn lacks(&self, algorithm: Algorithm) -> bool {
        let mut keys = self.keys.iter();
        !keys.any(|key| key.algorithm == algorithm && is_active(key))
    }

    /// What is not needed any more is remembered for as long as a session can live, as removed keys are.
    pub(super) fn forget_lost(&mut self) {
        let (now, session) = (self.now, self.terms.session);
        let signs: Vec<Algorithm> = self
            .keys
            .iter()
            .filter(|key| is_active(key))
            .map(|key| key.algorithm)
            .collect();
        let default = self.default_algorithm;
        let default_signs = default.is_some_and(|default| signs.contains(&default));
        let keys = &self.keys;
        self.lost_keys.retain_mut(|lost| {
            let waits = || {
                keys.iter()
                    .any(|key| key.algorithm == lost.algorithm && super::steps::is_waiting(key))
            };
            let is_needed = !signs.contains(&lost.algorithm) && (!default_signs || waits());
            if !is_needed {
                lost.replaced_at.get_or_insert(now);
            }
            // It came back by an import.
            let is_back = keys.iter().any(|key| key.kid == lost.kid);
            !is_back && lost.replaced_at.is_none_or(|at| later(at, session) > now)
        });
        let replaced = self.lost_keys.iter().filter_map(|lost| lost.replaced_at);
        self.report.dues(replaced.map(|at| later(at, session)));
    }
}
