//! `<release>-key-ring`: the roots that values are sealed under. One data key `key-ring.json`.

use jiff::Timestamp;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Data, DataError};
use crate::encoding::{base64url, from_base64url};

/// The versions of the ring; its `Debug` is redacted. [`KeyRing`](crate::seal::KeyRing) works with it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRingData {
    /// Oldest first; numbers grow; never empty.
    pub(crate) versions: Vec<Version>,
    /// Never changes: HMACs of names must stay the same.
    pub(crate) name_key: Zeroizing<Vec<u8>>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) version: u32,
    pub(crate) root: Zeroizing<Vec<u8>>,
    pub(crate) created_at: Timestamp,
}

/// The JSON text of the Secret; unknown members are ignored.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
struct Stored {
    /// Of this format: 1.
    version: u32,
    name_key: String,
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
struct StoredKey {
    version: u32,
    root: String,
    #[zeroize(skip)]
    created_at: Timestamp,
}

/// Bytes of a root and of the name key.
const KEY_LEN: usize = 32;

fn key(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    from_base64url(text).filter(|key| key.len() == KEY_LEN)
}

impl KeyRingData {
    /// Name of the data key.
    pub const DATA_KEY: &str = "key-ring.json";

    /// Makes a first version and the name key: 32 random bytes each. The version is the minutes since 1970, so
    /// that a ring made after a loss never has a number of the lost one: what that one sealed has ended.
    pub fn generate(now: Timestamp, rng: &mut impl CryptoRng) -> Self {
        let mut draw = || {
            let mut key = Zeroizing::new(vec![0; KEY_LEN]);
            rng.fill_bytes(&mut key);
            key
        };
        let first = Version {
            version: u32::try_from(now.as_second() / 60).unwrap_or(u32::MAX).max(1),
            root: draw(),
            created_at: now,
        };
        Self {
            versions: vec![first],
            name_key: draw(),
        }
    }

    /// Reads a Secret.
    ///
    /// # Errors
    /// When it is malformed or empty.
    pub fn from_data(data: &Data) -> Result<Self, DataError> {
        let wrong = |what: &str| DataError(format!("{}: {what}", Self::DATA_KEY));
        let bytes = data
            .get(Self::DATA_KEY)
            .ok_or_else(|| wrong("the data key is missing"))?;
        let stored: Stored = serde_json::from_slice(bytes).map_err(|_| wrong("is not a key ring's JSON"))?;
        if stored.version != 1 {
            return Err(wrong("has a format version that is not known here"));
        }
        let mut versions: Vec<Version> = Vec::with_capacity(stored.keys.len());
        for stored in &stored.keys {
            let last = versions.last().map_or(0, |version| version.version);
            let root = key(&stored.root).filter(|_| stored.version > last);
            versions.push(Version {
                version: stored.version,
                root: root.ok_or_else(|| wrong("has a root that is malformed or out of order"))?,
                created_at: stored.created_at,
            });
        }
        if versions.is_empty() {
            return Err(wrong("has no root"));
        }
        let name_key = key(&stored.name_key).ok_or_else(|| wrong("has a name key that is malformed"))?;
        Ok(Self { versions, name_key })
    }

    /// The data to write.
    #[must_use]
    pub fn to_data(&self) -> Data {
        let keys = self.versions.iter().map(|version| StoredKey {
            version: version.version,
            root: base64url(&version.root),
            created_at: version.created_at,
        });
        let stored = Stored {
            version: 1,
            name_key: base64url(&self.name_key),
            keys: keys.collect(),
        };
        let text = serde_json::to_vec(&stored).expect("text, numbers and times are JSON");
        Data::from([(Self::DATA_KEY.to_owned(), text)])
    }
}

impl std::fmt::Debug for KeyRingData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRingData(…)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::SeededRng;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn read(json: &Value) -> Result<KeyRingData, DataError> {
        let bytes = json.to_string().into_bytes();
        KeyRingData::from_data(&Data::from([(KeyRingData::DATA_KEY.to_owned(), bytes)]))
    }

    fn version(number: u32, root: &str) -> Value {
        json!({"version": number, "root": root, "createdAt": "2026-01-01T00:00:00Z"})
    }

    #[test]
    fn what_is_written_is_read() {
        let ring = KeyRingData::generate(NOW, &mut SeededRng::new(1));
        assert!(KeyRingData::from_data(&ring.to_data()).unwrap() == ring);
        assert_eq!(
            (ring.versions[0].version, ring.versions[0].created_at),
            (30_000_000, NOW)
        );
        assert_ne!(ring.versions[0].root, ring.name_key);
    }

    #[test]
    fn malformed_data_is_refused_without_showing_it() {
        let good = base64url(&[1; 32]);
        let whole = |keys: &[Value]| json!({"version": 1, "nameKey": good, "keys": keys, "later": 1});
        assert!(read(&whole(&[version(1, &good), version(3, &good)])).is_ok());
        assert!(KeyRingData::from_data(&Data::new()).is_err());
        for wrong in [
            json!({}),
            json!("canary"),
            whole(&[]),
            whole(&[version(0, &good)]),
            whole(&[version(2, &good), version(1, &good)]),
            whole(&[version(1, &good), version(1, &good)]),
            whole(&[version(1, "canary")]),
            json!({"version": 2, "nameKey": good, "keys": [version(1, &good)]}),
            json!({"version": 1, "nameKey": "canary", "keys": [version(1, &good)]}),
        ] {
            let error = read(&wrong).unwrap_err().to_string();
            assert!(
                error.starts_with("key-ring.json") && !error.contains("canary"),
                "{error}"
            );
        }
    }

    #[test]
    fn debug_is_redacted() {
        let ring = KeyRingData::generate(NOW, &mut SeededRng::new(1));
        assert_eq!(format!("{ring:?}"), "KeyRingData(…)");
    }
}
