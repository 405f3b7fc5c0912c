//! What to do about a user: pure.

use jiff::Timestamp;
use oidc_crds::password;
use oidc_crds::resources::oidc_user::SealedPassword;
use oidc_crds::resources::{Claim, ConditionType, OidcUser, OidcUserStatus, Reason};
use oidc_crds::seal::KeyRing;
use oidc_crds::validate::Violation;
use zeroize::Zeroizing;

use crate::plan::{Note, conditions, fails, holds, news, refused};

/// The Secret that `passwordSecretRef` names.
pub(crate) enum Found {
    Missing,
    /// Of this type: nobody may refer to it.
    OfType(String),
    Secret {
        /// Changes with the content.
        fingerprint: String,
        /// `None`: the key is missing, or no text.
        password: Option<Zeroizing<String>>,
    },
}

/// A password to hash. Not `Debug`: it holds the password.
#[derive(Clone)]
pub(crate) struct Password {
    pub(crate) text: Zeroizing<String>,
    pub(crate) fingerprint: String,
}

/// What to do.
pub(crate) struct Plan {
    /// The password to hash and seal; `None`: what status has stays.
    pub(crate) hash: Option<Password>,
    /// Whether status keeps its sealed password.
    keep: bool,
    claims: Vec<Claim>,
    /// The reason of `Ready`.
    pub(crate) reason: Reason,
}

/// Plans. `found` is the password's Secret if the spec names one.
pub(crate) fn plan(
    user: &OidcUser,
    verdict: Result<(), &[Violation]>,
    found: Option<&Found>,
    ring: &KeyRing,
) -> Plan {
    let known = user.status.as_ref().and_then(|status| status.password.as_ref());
    let uid = user.metadata.uid.as_deref().unwrap_or_default();
    if let Err(violations) = verdict {
        return Plan::new(None, true, refused(violations));
    }
    let name = user
        .spec
        .password_secret_ref
        .as_ref()
        .map_or("", |reference| &reference.name);
    match found {
        None => Plan::new(None, false, ready("the user has no password")),
        Some(Found::Missing) => {
            let why = format!("the Secret {name} is not there; create it with the key `password`");
            Plan::new(None, true, not_ready(Reason::SecretNotFound, why))
        }
        Some(Found::OfType(kind)) => {
            let why = format!("the Secret {name} is of type {kind}; only Opaque ones are taken");
            Plan::new(None, true, not_ready(Reason::SecretInvalid, why))
        }
        Some(Found::Secret { password: None, .. }) => {
            let why = format!("the Secret {name} has no key `password` with text");
            Plan::new(None, true, not_ready(Reason::SecretInvalid, why))
        }
        Some(Found::Secret {
            fingerprint,
            password: Some(text),
        }) => {
            if let Err(problem) = password::check(text, false) {
                let why = format!("the password in the Secret {name} {problem}");
                return Plan::new(None, true, not_ready(Reason::SecretInvalid, why));
            }
            // A ring that was lost cannot open what it sealed.
            let current = known.is_some_and(|known| {
                known.fingerprint == *fingerprint && password::unseal(ring, uid, &known.sealed).is_ok()
            });
            let hash = (!current).then(|| Password {
                text: text.clone(),
                fingerprint: fingerprint.clone(),
            });
            Plan::new(hash, true, ready("the user can sign in"))
        }
    }
}

fn accepted() -> Claim {
    holds(ConditionType::Accepted, Reason::Accepted, "the spec is good")
}

fn ready(message: &str) -> Vec<Claim> {
    vec![accepted(), holds(ConditionType::Ready, Reason::Ready, message)]
}

fn not_ready(reason: Reason, why: String) -> Vec<Claim> {
    vec![accepted(), fails(ConditionType::Ready, reason, why)]
}

impl Plan {
    fn new(hash: Option<Password>, keep: bool, claims: Vec<Claim>) -> Self {
        let reason = claims
            .iter()
            .find(|claim| claim.kind == ConditionType::Ready)
            .map_or(Reason::Ready, |claim| claim.reason);
        Self {
            hash,
            keep,
            claims,
            reason,
        }
    }

    /// The status, and what to tell.
    pub(crate) fn finish(
        &self,
        user: &OidcUser,
        sealed: Option<SealedPassword>,
        now: Timestamp,
    ) -> (OidcUserStatus, Vec<Note>) {
        let old = user.status.clone().unwrap_or_default();
        let generation = user.metadata.generation.unwrap_or_default();
        let mut notes = Vec::new();
        if sealed.is_some() {
            notes.push(Note::normal(
                Reason::PasswordSealed,
                "the password was hashed and sealed",
            ));
        }
        notes.extend(news(&old.conditions, &self.claims));
        let status = OidcUserStatus {
            observed_generation: Some(generation),
            conditions: conditions(&old.conditions, &self.claims, generation, now),
            password: sealed.or(old.password.filter(|_| self.keep)),
        };
        (status, notes)
    }
}

#[cfg(test)]
mod tests {
    use oidc_crds::resources::oidc_user::PasswordSecretRef;
    use oidc_crds::rng::SystemRng;
    use oidc_crds::secrets::key_ring::KeyRingData;

    use super::*;

    fn ring() -> KeyRing {
        KeyRing::new(KeyRingData::generate(Timestamp::UNIX_EPOCH, &mut SystemRng))
    }

    fn user(sealed: Option<SealedPassword>) -> OidcUser {
        let mut user = OidcUser::new("jane", Default::default());
        user.metadata.uid = Some("u1".into());
        user.spec.password_secret_ref = Some(PasswordSecretRef { name: "jane".into() });
        user.status = Some(OidcUserStatus {
            password: sealed,
            ..OidcUserStatus::default()
        });
        user
    }

    fn found(fingerprint: &str, password: Option<&str>) -> Found {
        Found::Secret {
            fingerprint: fingerprint.into(),
            password: password.map(|text| Zeroizing::new(text.to_owned())),
        }
    }

    fn sealed(ring: &KeyRing) -> SealedPassword {
        SealedPassword {
            sealed: password::seal(ring, "u1", "$argon2id$x", &mut SystemRng),
            fingerprint: "s/1".into(),
        }
    }

    #[test]
    fn a_password_is_hashed_when_its_secret_or_the_ring_changed_and_not_otherwise() {
        let ring = ring();
        let hash = |user: &OidcUser, found: Found, ring: &KeyRing| {
            plan(user, Ok(()), Some(&found), ring)
                .hash
                .map(|password| password.fingerprint)
        };
        assert_eq!(
            hash(&user(None), found("s/1", Some("correct horse")), &ring).as_deref(),
            Some("s/1")
        );
        let known = user(Some(sealed(&ring)));
        assert_eq!(hash(&known, found("s/1", Some("correct horse")), &ring), None);
        assert_eq!(
            hash(&known, found("s/2", Some("correct horse")), &ring).as_deref(),
            Some("s/2")
        );
        let anew = super::tests::ring();
        assert_eq!(
            hash(&known, found("s/1", Some("correct horse")), &anew).as_deref(),
            Some("s/1")
        );
    }

    #[test]
    fn i6_a_late_or_bad_secret_changes_no_password() {
        let ring = ring();
        let known = user(Some(sealed(&ring)));
        for (found, reason) in [
            (Found::Missing, Reason::SecretNotFound),
            (found("s/2", None), Reason::SecretInvalid),
            (found("s/2", Some("")), Reason::SecretInvalid),
            (found("s/2", Some(&"x".repeat(1025))), Reason::SecretInvalid),
            (found("s/2", Some("seven77")), Reason::SecretInvalid),
            (Found::OfType("kubernetes.io/tls".into()), Reason::SecretInvalid),
        ] {
            let plan = plan(&known, Ok(()), Some(&found), &ring);
            assert!(plan.hash.is_none());
            assert_eq!(plan.reason, reason);
            let (status, notes) = plan.finish(&known, None, Timestamp::UNIX_EPOCH);
            assert_eq!(status.password, known.status.as_ref().expect("given").password);
            assert_eq!(notes.len(), 1);
        }
    }

    #[test]
    fn without_a_reference_there_is_no_password() {
        let ring = ring();
        let mut known = user(Some(sealed(&ring)));
        known.spec.password_secret_ref = None;
        let plan = plan(&known, Ok(()), None, &ring);
        let (status, _) = plan.finish(&known, None, Timestamp::UNIX_EPOCH);
        assert_eq!(status.password, None);
        assert_eq!(plan.reason, Reason::Ready);
    }
}
