//! Signing and checking JWTs (RFC 7515, 7519, 8725). Signing uses a cached key pair; checking goes
//! through one strict function.

use oidc_crds::jwk::{KeyError, PrivateJwk};
use oidc_crds::names::Algorithm;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::keys::Keys;

/// The longest JWT that is looked at, in bytes.
pub const MAX_JWT: usize = 16 * 1024;

/// A key that signs; its `Debug` shows kid and algorithm.
pub struct Signer {
    kid: String,
    algorithm: Algorithm,
}

impl Signer {
    /// Parses a private key once.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn new(kid: &str, jwk: &PrivateJwk) -> Result<Self, KeyError> {
        let _ = (kid, jwk);
        todo!()
    }

    /// Its kid.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Header (`alg`, `kid`, `typ`), claims, signature.
    ///
    /// # Errors
    /// When the claims are no JSON object or the signature fails.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, KeyError> {
        let _ = (typ, claims);
        todo!()
    }
}

/// A key that checks.
pub struct Verifier {
    kid: String,
    algorithm: Algorithm,
}

impl Verifier {
    /// From a public JWK.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn new(public: &Map<String, Value>) -> Result<Self, KeyError> {
        let _ = public;
        todo!()
    }

    /// Its kid.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// The claims of an access token of ours whose signature, type, issuer and expiry hold.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessToken {
    /// All claims.
    pub claims: Map<String, Value>,
}

impl AccessToken {
    /// A text claim, empty if absent.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// `exp`, seconds since the epoch.
    #[must_use]
    pub fn expires_at(&self) -> i64 {
        self.claims.get("exp").and_then(Value::as_i64).unwrap_or_default()
    }

    /// `aud` as a list.
    #[must_use]
    pub fn audience(&self) -> Vec<&str> {
        todo!()
    }

    /// `scope` as a list.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.text("scope").split(' ').filter(|scope| !scope.is_empty())
    }
}

/// Checks an access token of ours: our kid with its own algorithm, no `crit`, `typ` `at+jwt` (or `JWT`
/// with `token_use: access`), `iss`, `exp`, `iat` (RFC 8725 §3, RFC 9068 §4). `None` for anything else.
#[must_use]
pub fn verify_access_token(
    token: &str,
    keys: &Keys,
    issuer: &str,
    now: jiff::Timestamp,
) -> Option<AccessToken> {
    let _ = (token, keys, issuer, now);
    todo!()
}
