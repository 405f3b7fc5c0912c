//! Secrets of clients: 256 random bits, never stored by the provider; digests under the pepper.

use std::fmt;

use jiff::Timestamp;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::resources::oidc_client::Credential;
use crate::secrets::pepper::Pepper;

/// A client's secret; its `Debug` is redacted.
#[derive(Clone)]
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// Draws one: 32 random bytes, base64url.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let _ = rng;
        todo!()
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

/// Draws the name of a credential (16 hex digits).
pub fn credential_id(rng: &mut impl CryptoRng) -> String {
    let _ = rng;
    todo!()
}

/// `<pepper id>:` and base64url of HMAC-SHA-256(pepper; "client-secret/v1", UID, credential id, secret),
/// each part length-prefixed (u32 big-endian), under the pepper's current version.
#[must_use]
pub fn digest(pepper: &Pepper, client_uid: &str, credential_id: &str, secret: &ClientSecret) -> String {
    let _ = (pepper, client_uid, credential_id, secret);
    todo!()
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
    let _ = (pepper, client_uid, credentials, presented, now);
    todo!()
}

/// A credential that no secret matches, to spend the same time on unknown clients.
#[must_use]
pub fn decoy() -> Credential {
    todo!()
}
