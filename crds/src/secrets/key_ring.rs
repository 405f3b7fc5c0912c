//! `<release>-key-ring`: the roots that values are sealed under. One data key `key-ring.json`.

use jiff::Timestamp;
use rand_core::CryptoRng;

use super::{Data, DataError};

/// The versions of the ring; its `Debug` is redacted. [`KeyRing`](crate::seal::KeyRing) works with it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRingData {
    pub(crate) versions: Vec<Version>,
    /// Never changes: HMACs of names must stay the same.
    pub(crate) name_key: zeroize::Zeroizing<Vec<u8>>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) version: u32,
    pub(crate) root: zeroize::Zeroizing<Vec<u8>>,
    pub(crate) created_at: Timestamp,
}

impl KeyRingData {
    /// Name of the data key.
    pub const DATA_KEY: &str = "key-ring.json";

    /// Makes version 1 and the name key: 32 random bytes each.
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
}

impl std::fmt::Debug for KeyRingData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRingData(…)")
    }
}
