//! What the store keeps, sealed: serialised with a version, under a purpose, bound to its place.

use jiff::Timestamp;
use oidc_crds::seal::{KeyRing, SealError};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::handle::{Digest, LoginTag};

/// Who signed in, how and when: what a login leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// UID of the OidcUser; a re-created namesake inherits nothing.
    pub user_uid: String,
    /// `sub`.
    pub subject: String,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
    /// How (RFC 8176), like `pwd`.
    pub amr: Vec<String>,
    /// When the login began.
    pub created_at: Timestamp,
}

/// Everything that is bound to a code, in one record; the family that the code opens keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRecord {
    /// UID of the OidcClient.
    pub client_uid: String,
    /// The redirect URI as requested.
    pub redirect_uri: String,
    /// S256 challenge (RFC 7636 §4.2).
    pub code_challenge: Option<String>,
    /// `nonce`.
    pub nonce: Option<String>,
    /// Granted scopes, in the order of the request.
    pub scope: Vec<String>,
    /// Whether the request asked for a set of scopes that differs from the granted one.
    pub scope_changed: bool,
    /// Audiences asked for by `resource` or `audience`; empty: the issuer.
    pub audience: Vec<String>,
    /// When the code was made.
    pub issued_at: Timestamp,
    /// When the code ends.
    pub expires_at: Timestamp,
    /// `sid` of the login at this client.
    pub sid: String,
    /// Whether ID tokens carry `auth_time` because the request asked (`max_age`).
    pub wants_auth_time: bool,
}

/// What a person agreed to, for one client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentRecord {
    /// The scopes.
    pub scope: Vec<String>,
    /// When.
    pub at: Timestamp,
}

impl Session {
    /// Seals it for the login's slot.
    pub fn seal(&self, ring: &KeyRing, tag: LoginTag, rng: &mut impl CryptoRng) -> Vec<u8> {
        let _ = (ring, tag, rng);
        todo!()
    }

    /// Opens it.
    ///
    /// # Errors
    /// When it was not made for this login, or is malformed.
    pub fn unseal(ring: &KeyRing, tag: LoginTag, sealed: &[u8]) -> Result<Self, SealError> {
        let _ = (ring, tag, sealed);
        todo!()
    }
}

impl GrantRecord {
    /// Seals it for the code's place; its family keeps the code's digest beside it.
    pub fn seal(&self, ring: &KeyRing, tag: LoginTag, code: &Digest, rng: &mut impl CryptoRng) -> Vec<u8> {
        let _ = (ring, tag, code, rng);
        todo!()
    }

    /// Opens it.
    ///
    /// # Errors
    /// When it was not made for this code, or is malformed.
    pub fn unseal(ring: &KeyRing, tag: LoginTag, code: &Digest, sealed: &[u8]) -> Result<Self, SealError> {
        let _ = (ring, tag, code, sealed);
        todo!()
    }
}

impl ConsentRecord {
    /// Seals it for a user and a client.
    pub fn seal(
        &self,
        ring: &KeyRing,
        user_uid: &str,
        client_uid: &str,
        rng: &mut impl CryptoRng,
    ) -> Vec<u8> {
        let _ = (ring, user_uid, client_uid, rng);
        todo!()
    }

    /// Opens it.
    ///
    /// # Errors
    /// When it was not made for this user and client, or is malformed.
    pub fn unseal(
        ring: &KeyRing,
        user_uid: &str,
        client_uid: &str,
        sealed: &[u8],
    ) -> Result<Self, SealError> {
        let _ = (ring, user_uid, client_uid, sealed);
        todo!()
    }
}

/// The name of a user's slot in the store: an HMAC of the UID that outlives ring rotations.
#[must_use]
pub fn user_key(ring: &KeyRing, user_uid: &str) -> [u8; 32] {
    let _ = (ring, user_uid);
    todo!()
}

/// The name of a consent inside a user's slot or a session: an HMAC of the client's UID.
#[must_use]
pub fn consent_key(ring: &KeyRing, client_uid: &str) -> [u8; 32] {
    let _ = (ring, client_uid);
    todo!()
}

/// `sid` of a login at a client: HMAC(ring `sid/v1`; tag, client UID), base64url.
#[must_use]
pub fn sid(ring: &KeyRing, tag: LoginTag, client_uid: &str) -> String {
    let _ = (ring, tag, client_uid);
    todo!()
}
