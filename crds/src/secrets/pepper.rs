//! `<release>-pepper`: what client secrets are digested under. Several versions; new digests use the
//! last. One data key `pepper.json`.

use jiff::Timestamp;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Data, DataError};
use crate::encoding::{base64url, from_base64url, hex};

/// The versions of the pepper; its `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Pepper {
    versions: Vec<Version>,
}

#[derive(Clone, PartialEq, Eq)]
struct Version {
    id: String,
    key: Zeroizing<Vec<u8>>,
    created_at: Timestamp,
}

/// The JSON text of the Secret; unknown members are ignored.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// Of this format: 1.
    version: u32,
    /// Oldest first.
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
struct StoredKey {
    id: String,
    key: String,
    #[zeroize(skip)]
    created_at: Timestamp,
}

/// Bytes of a version's key.
const KEY_LEN: usize = 32;

impl Pepper {
    /// Name of the data key.
    pub const DATA_KEY: &str = "pepper.json";

    /// Makes the first version: 32 random bytes.
    pub fn generate(now: Timestamp, rng: &mut impl CryptoRng) -> Self {
        let (mut id, mut key) = ([0; 4], Zeroizing::new(vec![0; KEY_LEN]));
        rng.fill_bytes(&mut id);
        rng.fill_bytes(&mut key);
        let first = Version {
            // Random, so that a digest made under a lost pepper is known for one.
            id: hex(&id),
            key,
            created_at: now,
        };
        Self {
            versions: vec![first],
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
        let stored: Stored = serde_json::from_slice(bytes).map_err(|_| wrong("is not a pepper's JSON"))?;
        if stored.version != 1 {
            return Err(wrong("has a format version that is not known here"));
        }
        let mut versions: Vec<Version> = Vec::with_capacity(stored.keys.len());
        for stored in &stored.keys {
            let named = (1..=32).contains(&stored.id.len())
                && stored.id.bytes().all(|b| b.is_ascii_alphanumeric())
                && versions.iter().all(|version| version.id != stored.id);
            let key = from_base64url(&stored.key).filter(|key| named && key.len() == KEY_LEN);
            versions.push(Version {
                id: stored.id.clone(),
                key: key.ok_or_else(|| wrong("has an id or a key that is malformed"))?,
                created_at: stored.created_at,
            });
        }
        if versions.is_empty() {
            return Err(wrong("has no key"));
        }
        Ok(Self { versions })
    }

    /// The data to write.
    #[must_use]
    pub fn to_data(&self) -> Data {
        let keys = self.versions.iter().map(|version| StoredKey {
            id: version.id.clone(),
            key: base64url(&version.key),
            created_at: version.created_at,
        });
        let stored = Stored {
            version: 1,
            keys: keys.collect(),
        };
        let text = serde_json::to_vec(&stored).expect("text and times are JSON");
        Data::from([(Self::DATA_KEY.to_owned(), text)])
    }

    /// The id of the version for new digests.
    #[must_use]
    pub fn current(&self) -> &str {
        self.versions.last().map_or("", |version| &version.id)
    }

    /// The key of a version.
    #[must_use]
    pub fn key(&self, id: &str) -> Option<&[u8]> {
        self.versions
            .iter()
            .find(|version| version.id == id)
            .map(|version| version.key.as_slice())
    }
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pepper(…)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::SeededRng;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn read(json: &Value) -> Result<Pepper, DataError> {
        Pepper::from_data(&Data::from([(
            Pepper::DATA_KEY.to_owned(),
            json.to_string().into_bytes(),
        )]))
    }

    fn version(id: &str, byte: u8) -> Value {
        json!({"id": id, "key": base64url(&[byte; 32]), "createdAt": "2026-01-01T00:00:00Z", "later": 1})
    }

    #[test]
    fn what_is_written_is_read() {
        let pepper = Pepper::generate(NOW, &mut SeededRng::new(1));
        assert!(Pepper::from_data(&pepper.to_data()).unwrap() == pepper);
        assert_eq!(pepper.key(pepper.current()).unwrap().len(), 32);
        assert_eq!(pepper.key("other"), None);
    }

    #[test]
    fn peppers_differ_in_id_and_key() {
        let (one, two) = (
            Pepper::generate(NOW, &mut SeededRng::new(1)),
            Pepper::generate(NOW, &mut SeededRng::new(2)),
        );
        assert_ne!(one.current(), two.current());
        assert_ne!(one.key(one.current()), two.key(two.current()));
    }

    #[test]
    fn the_last_version_is_the_current_one() {
        let pepper =
            read(&json!({"version": 1, "keys": [version("a", 1), version("b", 2)], "new": {}})).unwrap();
        assert_eq!(pepper.current(), "b");
        assert_eq!(pepper.key("a"), Some([1; 32].as_slice()));
        assert_eq!(pepper.key("b"), Some([2; 32].as_slice()));
    }

    #[test]
    fn malformed_data_is_refused_without_showing_it() {
        assert!(Pepper::from_data(&Data::new()).is_err());
        for wrong in [
            json!({}),
            json!("canary"),
            json!({"version": 1, "keys": []}),
            json!({"version": 2, "keys": [version("a", 1)]}),
            json!({"version": 1, "keys": [version("a", 1), version("a", 2)]}),
            json!({"version": 1, "keys": [version("", 1)]}),
            json!({"version": 1, "keys": [version("a:b", 1)]}),
            json!({"version": 1, "keys": [{"id": "a", "key": "canary", "createdAt": "2026-01-01T00:00:00Z"}]}),
            json!({"version": 1, "keys": [{"id": "a", "key": base64url(&[1; 31]), "createdAt": "canary"}]}),
        ] {
            let error = read(&wrong).unwrap_err().to_string();
            assert!(
                error.starts_with("pepper.json") && !error.contains("canary"),
                "{error}"
            );
        }
    }

    #[test]
    fn debug_is_redacted() {
        let pepper = Pepper::generate(NOW, &mut SeededRng::new(1));
        assert_eq!(format!("{pepper:?}"), "Pepper(…)");
    }
}
