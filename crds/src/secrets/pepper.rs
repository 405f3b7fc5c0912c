//! `<release>-pepper`: what client secrets are digested under. Several versions; new digests use the
//! last. One data key `pepper.json`.

use jiff::Timestamp;
use rand_core::CryptoRng;

use super::{Data, DataError};

/// The versions of the pepper; its `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Pepper {
    versions: Vec<Version>,
}

#[derive(Clone, PartialEq, Eq)]
struct Version {
    id: String,
    key: zeroize::Zeroizing<Vec<u8>>,
    created_at: Timestamp,
}

impl Pepper {
    /// Name of the data key.
    pub const DATA_KEY: &str = "pepper.json";

    /// Makes the first version: 32 random bytes.
    pub fn generate(now: Timestamp, rng: &mut impl CryptoRng) -> Self {
        let _ = (now, rng);
        todo!()
    }

    /// Reads a Secret.
    ///
    /// # Errors
    /// When it is malformed or empty.
    pub fn from_data(data: &Data) -> Result<Self, DataError> {
        let _ = data;
        todo!()
    }

    /// The data to write.
    #[must_use]
    pub fn to_data(&self) -> Data {
        todo!()
    }

    /// The id of the version for new digests.
    #[must_use]
    pub fn current(&self) -> &str {
        todo!()
    }

    /// The key of a version.
    #[must_use]
    pub fn key(&self, id: &str) -> Option<&[u8]> {
        let _ = id;
        todo!()
    }
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pepper(…)")
    }
}
