//! Revocation: what a compromised key did ends at once, and where it signed another signs.

use super::steps::{AT_ONCE, Plan, is_active};
use crate::names::Algorithm;
use crate::resources::Reason;
use crate::resources::signing_key::Phase;
use crate::secrets::key_set::KeyState;

impl Plan<'_> {
    /// Any phase → Removed, without even the public half.
    pub(super) fn revoke(&mut self) {
        for at in 0..self.keys.len() {
            let key = &mut self.keys[at];
            if key.revoked || !self.terms.revoked.contains(&key.kid) {
                continue;
            }
            let (retires, algorithm) = (key.phase == Phase::Retiring, key.algorithm);
            if is_active(key) {
                self.lost.push(key.clone());
            }
            if key.phase != Phase::Removed {
                key.retires_at.get_or_insert(self.now);
                key.removable_at = Some(self.now);
            }
            key.phase = Phase::Removed;
            key.revoked = true;
            (key.jwk, key.public) = (None, None);
            let (name, message) = (
                key.signing_key.name.clone(),
                format!(
                    "key {} is revoked: it signs nothing, is not published, and what it signed is refused",
                    key.kid
                ),
            );
            self.report.note(&name, Reason::KeyRevoked, message);
            if retires {
                self.hurry(algorithm);
            }
        }
        self.note_lost();
        self.revoke_lost();
        self.tell_unknown();
    }

    /// A pod whose clock has not reached `signsFrom` of the Active key signed with the Retiring one until now.
    fn hurry(&mut self, algorithm: Algorithm) {
        let active = |key: &&mut KeyState| key.phase == Phase::Active && key.algorithm == algorithm;
        for key in self.keys.iter_mut().filter(active) {
            key.signs_from = Some(AT_ONCE);
        }
    }

    /// A kid that is no key's revokes nothing: likely a slip, in a moment that forgives none.
    fn tell_unknown(&mut self) {
        for wanted in self.wanted {
            let unknown = |kid: &str| {
                let lost = self.lost_keys.iter().any(|lost| lost.kid == kid);
                !lost && self.keys.iter().all(|key| key.kid != kid)
            };
            let mut unknown = wanted
                .spec
                .revoked
                .iter()
                .map(|revoked| revoked.kid.as_str())
                .filter(|kid| unknown(kid))
                .peekable();
            if unknown.peek().is_some() {
                let kids: Vec<&str> = unknown.collect();
                let message = format!(
                    "`spec.revoked` names what is no key of this installation, and revokes nothing by it: {}",
                    kids.join(", ")
                );
                self.report.note(&wanted.owner.name, Reason::UnknownKid, message);
            }
        }
    }

    /// Whether a key that signed with this algorithm was revoked just now, and none has taken its place.
    pub(super) fn is_lost(&self, algorithm: Algorithm) -> bool {
        let lost = self.lost.iter().any(|key| key.algorithm == algorithm) || self.bereft.contains(&algorithm);
        lost && !self.signs(algorithm)
    }

    /// A key that signs at once for each revoked one that is still needed and that no key has taken the place
    /// of: one of a SigningKey that is gone, imports, or names another algorithm now.
    pub(super) fn replace_revoked(&mut self) {
        for lost in std::mem::take(&mut self.lost) {
            if self.signs(lost.algorithm) {
                continue;
            }
            let at = self.keys.iter().position(|other| other.kid == lost.kid);
            let at = at.map_or(self.keys.len(), |at| at + 1);
            let (name, message) = (lost.signing_key.name.clone(), minted_instead(lost.algorithm));
            let key = KeyState {
                kid: String::new(),
                phase: Phase::Pending,
                created_at: self.now,
                published_at: Some(self.now),
                signs_from: Some(AT_ONCE),
                retires_at: None,
                removable_at: None,
                longest_lifetime: 0,
                imported: false,
                jwk: None,
                public: None,
                ..lost
            };
            // In its place: of its SigningKey's keys it must not become the newest.
            self.keys.insert(at, key);
            if self.is_needed(at) {
                self.report.note(&name, Reason::KeyMinted, message);
                // The default follows to an algorithm that signs again.
                self.choose_default();
            } else {
                self.keys.remove(at);
            }
        }
    }
}

/// What is told where a revocation left no key.
pub(super) fn minted_instead(algorithm: Algorithm) -> String {
    format!(
        "a key for {algorithm} is minted and signs at once in place of the revoked one; verifiers that cached the \
         JWKS refuse it until they fetch it again"
    )
}
