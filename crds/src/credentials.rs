//! Secrets of clients: 256 random bits, never stored by the provider; digests under the pepper.

use std::fmt;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::encoding::{self, base64url, hex};
use crate::resources::oidc_client::Credential;
use crate::secrets::pepper::Pepper;

/// A client's secret; its `Debug` is redacted.
#[derive(Clone)]
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// Draws one: 32 random bytes, base64url.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut());
        Self::new(base64url(bytes.as_ref()))
    }

    /// Wraps one that was read or presented.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

/// What a digest is of: one of one kind is never one of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A client's secret.
    Secret,
    /// A registration access token.
    Access,
}

impl Kind {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Secret => b"client-secret/v1",
            Self::Access => b"registration-access/v1",
        }
    }
}

/// Draws the name of a credential (16 hex digits).
pub fn credential_id(rng: &mut impl CryptoRng) -> String {
    let mut bytes = [0; 8];
    rng.fill_bytes(&mut bytes);
    hex(&bytes)
}

/// `<pepper id>:` and base64url of HMAC-SHA-256(pepper; "client-secret/v1", UID, credential id, secret),
/// each part length-prefixed (u32 big-endian), under the pepper's current version.
#[must_use]
pub fn digest(pepper: &Pepper, client_uid: &str, credential_id: &str, secret: &ClientSecret) -> String {
    digest_of(Kind::Secret, pepper, client_uid, credential_id, secret)
}

/// The same for every kind of secret; `scope` and `id`: what it is bound to.
pub(crate) fn digest_of(kind: Kind, pepper: &Pepper, scope: &str, id: &str, secret: &ClientSecret) -> String {
    let version = pepper.current();
    // The current version has a key; without one no secret could match, which is the safe side.
    let key = pepper.key(version).unwrap_or_default();
    let mac = mac(kind, key, scope, id, secret);
    format!("{version}:{mac}")
}

/// The part of a digest after the pepper's id.
fn mac(kind: Kind, key: &[u8], scope: &str, id: &str, secret: &ClientSecret) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let parts: [&[u8]; 4] = [
        kind.label(),
        scope.as_bytes(),
        id.as_bytes(),
        secret.expose().as_bytes(),
    ];
    base64url(&encoding::hmac(&key, &parts))
}

/// The id of the pepper version that a digest was made under.
pub(crate) fn pepper_id(digest: &str) -> &str {
    digest.split_once(':').map_or("", |(id, _)| id)
}

/// Whether a digest is that of this secret: under its own pepper version, in constant time. A version
/// that is gone matches nothing, but takes as long.
pub(crate) fn matches(
    pepper: &Pepper,
    client_uid: &str,
    credential: &Credential,
    secret: &ClientSecret,
) -> bool {
    let Credential { id, digest, .. } = credential;
    is_digest_of(Kind::Secret, digest, pepper, client_uid, id, secret)
}

/// The same for every kind of secret.
pub(crate) fn is_digest_of(
    kind: Kind,
    digest: &str,
    pepper: &Pepper,
    scope: &str,
    id: &str,
    secret: &ClientSecret,
) -> bool {
    const GONE: &[u8] = &[0; 32];
    let (version, given) = digest.split_once(':').unwrap_or_default();
    let key = pepper.key(version);
    let made = mac(kind, key.unwrap_or(GONE), scope, id, secret);
    let equal = bool::from(made.as_bytes().ct_eq(given.as_bytes()));
    equal && key.is_some()
}

/// The credential that a presented secret matches, if it is accepted at `now`. The time taken depends
/// on the number of credentials only. An unknown client is compared against a decoy by the caller's
/// passing [`decoy`]'s credentials.
#[must_use]
pub fn verify<'a>(
    pepper: &Pepper,
    client_uid: &str,
    credentials: &'a [Credential],
    presented: &ClientSecret,
    now: Timestamp,
) -> Option<&'a Credential> {
    let mut found = None;
    for credential in credentials {
        let matches = matches(pepper, client_uid, credential, presented);
        let accepted = credential.retires_at.as_ref().is_none_or(|at| at.0 > now);
        if matches && accepted && found.is_none() {
            found = Some(credential);
        }
    }
    found
}

/// A credential that no secret matches, to spend the same time on unknown clients.
#[must_use]
pub fn decoy() -> Credential {
    Credential {
        id: "0".repeat(16),
        // No pepper version is called so, and the text is as long as a real one.
        digest: format!("-:{}", "A".repeat(43)),
        created_at: Time(Timestamp::UNIX_EPOCH),
        retires_at: None,
        last_used_at: None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::testing::SeededRng;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
    const UID: &str = "8a2f";

    fn pepper(seed: u64) -> Pepper {
        Pepper::generate(NOW, &mut SeededRng::new(seed))
    }

    fn credential(pepper: &Pepper, id: &str, secret: &ClientSecret) -> Credential {
        Credential {
            id: id.to_owned(),
            digest: digest(pepper, UID, id, secret),
            created_at: Time(NOW),
            retires_at: None,
            last_used_at: None,
        }
    }

    #[test]
    fn a_generated_secret_has_256_bits_and_is_redacted() {
        let mut rng = SeededRng::new(1);
        let (one, two) = (ClientSecret::generate(&mut rng), ClientSecret::generate(&mut rng));
        assert_eq!(encoding::from_base64url(one.expose()).unwrap().len(), 32);
        assert_ne!(one.expose(), two.expose());
        assert!(!format!("{one:?}").contains(one.expose()));
    }

    #[test]
    fn ids_are_16_hex_digits_and_differ() {
        let mut rng = SeededRng::new(1);
        let (one, two) = (credential_id(&mut rng), credential_id(&mut rng));
        assert!(one.len() == 16 && one.chars().all(|c| c.is_ascii_hexdigit()));
        assert_ne!(one, two);
    }

    #[test]
    fn the_right_secret_matches_and_no_other() {
        let pepper = pepper(1);
        let mut rng = SeededRng::new(2);
        let secrets: Vec<_> = (0..3).map(|_| ClientSecret::generate(&mut rng)).collect();
        let known = [
            credential(&pepper, "a", &secrets[0]),
            credential(&pepper, "b", &secrets[1]),
        ];
        let found = |n: usize| verify(&pepper, UID, &known, &secrets[n], NOW).map(|c| c.id.as_str());
        assert_eq!(found(0), Some("a"));
        assert_eq!(found(1), Some("b"));
        assert_eq!(found(2), None);
        assert!(verify(&pepper, UID, &[], &secrets[0], NOW).is_none());
    }

    #[test]
    fn a_digest_is_bound_to_client_id_and_pepper() {
        let (ours, other) = (pepper(1), pepper(9));
        let secret = ClientSecret::new("s3cret".to_owned());
        let good = credential(&ours, "a", &secret);
        assert!(verify(&ours, "another-uid", std::slice::from_ref(&good), &secret, NOW).is_none());
        assert!(verify(&other, UID, std::slice::from_ref(&good), &secret, NOW).is_none());
        let renamed = Credential {
            id: "b".to_owned(),
            ..good.clone()
        };
        assert!(verify(&ours, UID, &[renamed], &secret, NOW).is_none());
        // Copied under the id of another version: the key differs.
        let moved = Credential {
            digest: good.digest.replace(ours.current(), other.current()),
            ..good
        };
        assert!(verify(&other, UID, &[moved], &secret, NOW).is_none());
    }

    #[test]
    fn a_digest_names_its_pepper() {
        let pepper = pepper(1);
        let text = digest(&pepper, UID, "a", &ClientSecret::new("s".to_owned()));
        let (id, mac) = text.split_once(':').unwrap();
        assert_eq!(id, pepper.current());
        assert_eq!(encoding::from_base64url(mac).unwrap().len(), 32);
        assert_eq!(pepper_id(&text), id);
    }

    #[test]
    fn a_credential_is_accepted_until_it_retires() {
        let pepper = pepper(1);
        let secret = ClientSecret::new("s3cret".to_owned());
        let mut one = credential(&pepper, "a", &secret);
        one.retires_at = Some(Time(NOW + SignedDuration::from_secs(1)));
        assert!(verify(&pepper, UID, std::slice::from_ref(&one), &secret, NOW).is_some());
        one.retires_at = Some(Time(NOW));
        assert!(verify(&pepper, UID, std::slice::from_ref(&one), &secret, NOW).is_none());
        // The same secret under two credentials: the one that is still accepted is found.
        let two = credential(&pepper, "b", &secret);
        let found = verify(&pepper, UID, &[one, two.clone()], &secret, NOW).cloned();
        assert_eq!(found, Some(two));
    }

    #[test]
    fn malformed_digests_match_nothing() {
        let pepper = pepper(1);
        let secret = ClientSecret::new(String::new());
        for digest in ["", ":", "x", &format!("{}:", pepper.current()), pepper.current()] {
            let odd = Credential {
                digest: digest.to_owned(),
                ..decoy()
            };
            assert!(verify(&pepper, UID, &[odd], &secret, NOW).is_none(), "{digest}");
        }
        assert!(verify(&pepper, UID, &[decoy()], &secret, NOW).is_none());
    }
}
