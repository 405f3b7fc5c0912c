//! Keys that SigningKeys import: they go the same way as those that are minted.

use super::steps::{AT_ONCE, Plan, is_of, is_what};
use super::{Import, Wanted};
use crate::jwk::{KeyError, PrivateJwk, import};
use crate::names::Algorithm;
use crate::resources::Reason;
use crate::resources::signing_key::{ImportRef, Phase};
use crate::secrets::key_set::KeyState;
use crate::secrets::{Data, is_opaque};

/// The type of Secrets as cert-manager writes them.
const TLS: &str = "kubernetes.io/tls";

impl Import {
    /// What a SigningKey's `secretRef` gives: `found` is the Secret's type and data, `None` if there is none.
    #[must_use]
    pub fn from_secret(
        found: Option<(Option<&str>, &Data)>,
        reference: &ImportRef,
        algorithm: Algorithm,
    ) -> Self {
        let name = &reference.name;
        let Some((kind, data)) = found else {
            let message = format!("the Secret {name} that `secretRef` names is not there; create it");
            return Self::Missing(Reason::SecretNotFound, message);
        };
        let refused = |why: String| {
            let message = format!("the Secret {name} that `secretRef` names: {why}");
            Self::Missing(Reason::SecretInvalid, message)
        };
        if !is_opaque(kind) && kind != Some(TLS) {
            let kind = kind.unwrap_or_default();
            return refused(format!("its type is {kind}; Opaque and {TLS} are taken"));
        }
        let key = reference.key();
        let Some(text) = data.get(key) else {
            return refused(format!("it has no key `{key}`; name another in `secretRef.key`"));
        };
        match import(text, algorithm) {
            Ok(jwk) => Self::Key(jwk),
            Err(error) => refused(format!("`{key}`: {error}")),
        }
    }
}

impl Plan<'_> {
    /// Publishes each key that is imported and is another than its SigningKey's newest; the first key of an
    /// installation signs at once.
    pub(super) fn import(&mut self) {
        for wanted in self.accepted.clone() {
            let name = wanted.owner.name.as_str();
            let jwk = match &wanted.import {
                Some(Import::Key(jwk)) => jwk,
                Some(Import::Missing(reason, message)) => {
                    self.report.note(name, *reason, message.clone());
                    continue;
                }
                None => continue,
            };
            if self.newest(wanted).is_some_and(|newest| is_what(wanted, newest)) {
                continue;
            }
            match self.imported(wanted, jwk) {
                Ok(key) => {
                    let what = match key.phase {
                        Phase::Active => "signs",
                        _ => "is published",
                    };
                    let message = format!("key {} is imported and {what}", key.kid);
                    self.report.note(name, Reason::KeyMinted, message);
                    self.keys.retain(|other| other.kid != key.kid);
                    self.keys.push(key);
                }
                Err((reason, message)) => self.report.note(name, reason, message),
            }
        }
    }

    /// A key as it enters the set; one that is there already comes back as what it is now.
    fn imported(&self, wanted: &Wanted, jwk: &PrivateJwk) -> Result<KeyState, (Reason, String)> {
        let unusable = |error: KeyError| (Reason::SecretInvalid, error.to_string());
        let kid = jwk.thumbprint().map_err(unusable)?;
        let before = self.keys.iter().find(|other| other.kid == kid);
        if self.terms.revoked.contains(&kid) || before.is_some_and(|before| before.revoked) {
            let message = format!("key {kid} was revoked: put another into the Secret");
            return Err((Reason::SecretInvalid, message));
        }
        let first = self.set.is_none() && self.terms.first;
        let signs_from = first.then_some(AT_ONCE);
        let mut key = KeyState {
            public: Some(jwk.public().map_err(unusable)?),
            jwk: Some(jwk.clone()),
            kid,
            phase: if first { Phase::Active } else { Phase::Published },
            rsa_bits: jwk.rsa_bits(),
            imported: true,
            ..self.pending(wanted, signs_from)
        };
        let Some(before) = before else {
            return Ok(key);
        };
        if !self.is_free(wanted, before) {
            let message = format!(
                "key {} is used already, by another SigningKey or for another algorithm: put another into the Secret",
                key.kid
            );
            return Err((Reason::KeyTaken, message));
        }
        key.longest_lifetime = before.longest_lifetime;
        if before.is_in_jwks() && before.algorithm == key.algorithm {
            // It never left the JWKS.
            (key.created_at, key.published_at) = (before.created_at, before.published_at);
        }
        if before.phase == Phase::Active {
            (key.phase, key.signs_from) = (Phase::Active, before.signs_from);
        }
        Ok(key)
    }

    /// Whether a key may become this SigningKey's: it is, or its own is gone, or it is gone itself.
    fn is_free(&self, wanted: &Wanted, key: &KeyState) -> bool {
        let orphan = !self.existing.contains(key.signing_key.uid.as_str());
        let expired = key.removable_at.is_some_and(|at| at <= self.now);
        let idle = key.phase == Phase::Removed || (key.phase == Phase::Retiring && expired);
        idle || (key.algorithm == wanted.spec.algorithm() && (orphan || is_of(wanted, key)))
    }
}
