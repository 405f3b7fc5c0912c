//! `<release>-key-set`: the signing keys, the truth about them. One data key `key-set.json`; unknown
//! members are ignored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Data, DataError};
use crate::jwk::PrivateJwk;
use crate::names::Algorithm;
use crate::resources::signing_key::Phase;

/// All keys of an installation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeySet {
    /// Version of this format: 1.
    pub version: u32,
    /// Counts the writes; only ever grows.
    pub revision: u64,
    /// The keys, oldest first.
    pub keys: Vec<KeyState>,
    /// The algorithm for clients that name none.
    pub default_algorithm: Algorithm,
}

/// One key: what [`schedule`](crate::schedule) decides about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyState {
    /// RFC 7638 thumbprint; empty while `Pending`.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Bits of an RSA key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rsa_bits: Option<u32>,
    /// Its phase.
    pub phase: Phase,
    /// The SigningKey that it was minted for.
    pub signing_key: Owner,
    /// `rotation.revision` of the spec that it was minted for.
    #[serde(default)]
    pub spec_revision: u64,
    /// When it was minted.
    pub created_at: Timestamp,
    /// When it was first published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Timestamp>,
    /// Not before this may a pod sign with it; 0 (the epoch) for the first key of an installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs_from: Option<Timestamp>,
    /// When it stopped signing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires_at: Option<Timestamp>,
    /// When everything that it signed has expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removable_at: Option<Timestamp>,
    /// The longest lifetime, in seconds, of anything that it signed.
    #[serde(default)]
    pub longest_lifetime: u64,
    /// The private key while Published, Active or Retiring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwk: Option<PrivateJwk>,
    /// The public key, kept after removal to check `id_token_hint`s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<Map<String, Value>>,
}

/// The SigningKey that a key belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl KeySet {
    /// Name of the data key.
    pub const DATA_KEY: &str = "key-set.json";

    /// Reads a Secret.
    ///
    /// # Errors
    /// When it is malformed or of a later version.
    pub fn from_data(data: &Data) -> Result<Self, DataError> {
        let _ = data;
        todo!()
    }

    /// The data to write.
    #[must_use]
    pub fn to_data(&self) -> Data {
        todo!()
    }

    /// The JWKS document: public members of Published, Active and Retiring keys, no duplicate kid
    /// (RFC 7517 §5).
    #[must_use]
    pub fn jwks(&self) -> Value {
        todo!()
    }

    /// What a pod acknowledges: `<revision>-<first 16 hex digits of the SHA-256 of the public part>`.
    #[must_use]
    pub fn acknowledgement(&self) -> String {
        todo!()
    }
}
