//! Keys of a set that was lost: the pods that hold them alone can still sign with them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::KeySet;
use crate::names::Algorithm;
use crate::resources::signing_key::Phase;

/// What is known, from a SigningKey's status, of a key that the set no longer holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LostKey {
    /// Its RFC 7638 thumbprint.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Name of its SigningKey.
    pub signing_key: String,
    /// Whether it signed.
    pub signed: bool,
    /// Whether it was revoked since: no pod may sign with it or publish it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
    /// When nothing needed it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_at: Option<Timestamp>,
}

impl KeySet {
    /// Whether nothing in the set signs with an algorithm that a pod may hold a lost key of: it signs on with that
    /// until the key that waits, or that of the default algorithm, is Active.
    #[must_use]
    pub fn lacks(&self, algorithm: Algorithm) -> bool {
        let some = |phase: Phase, of: Algorithm| {
            let mut keys = self.keys.iter();
            keys.any(|key| key.phase == phase && key.algorithm == of)
        };
        let may_wait = some(Phase::Published, algorithm) || !some(Phase::Active, self.default_algorithm);
        may_wait && !some(Phase::Active, algorithm)
    }
}
