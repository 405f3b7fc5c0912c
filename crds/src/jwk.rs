//! Signing keys as JWKs (RFC 7517): private (redacted) and public, and their RFC 7638 thumbprint.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::names::Algorithm;

/// A private key; its `Debug` is redacted.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrivateJwk(Map<String, Value>);

/// A key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub String);

impl PrivateJwk {
    /// Generates a key. RSA takes a tenth of a second and more: not on a reactor thread. The system's
    /// randomness is used: aws-lc-rs offers no other.
    ///
    /// # Errors
    /// When the size is not 2048, 3072 or 4096, or generation fails.
    pub fn generate(algorithm: Algorithm, rsa_bits: Option<u32>) -> Result<Self, KeyError> {
        let _ = (algorithm, rsa_bits);
        todo!()
    }

    /// The algorithm that the key names (`alg`).
    ///
    /// # Errors
    /// When it names none of ours.
    pub fn algorithm(&self) -> Result<Algorithm, KeyError> {
        todo!()
    }

    /// The RFC 7638 thumbprint (SHA-256, base64url): the kid.
    ///
    /// # Errors
    /// When a member is missing.
    pub fn thumbprint(&self) -> Result<String, KeyError> {
        todo!()
    }

    /// The public members with `kid`, `alg` and `use: sig`, as in a JWKS.
    ///
    /// # Errors
    /// When a member is missing.
    pub fn public(&self) -> Result<Map<String, Value>, KeyError> {
        todo!()
    }

    /// PKCS#8 v1 DER for aws-lc-rs.
    ///
    /// # Errors
    /// When a member is missing or malformed.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        todo!()
    }
}

impl fmt::Debug for PrivateJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateJwk(…)")
    }
}
