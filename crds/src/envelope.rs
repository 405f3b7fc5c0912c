//! The envelope around private keys at rest: each is encrypted under a data key that is drawn for one write
//! of the key set, and the data key is wrapped by a key-encryption key that lies elsewhere.
//!
//! [`KeyWrap`] is the seam. [`EnvelopeKeys`] is the one implementation: keys from a Secret that the platform's
//! team makes. To add a KMS: implement the trait (the calls are async, may take a while and may fail), and
//! make it where the operator and the pods make [`EnvelopeKeys`] (`operator/src/signing_key/envelope.rs`,
//! `provider/src/resources/held.rs`). It is asked once when a key set is written and once when one is loaded,
//! never for a request. What failed is tried again by the operator with growing pauses, and by a pod when the set
//! or the keys change: a KMS would need a timer there too.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::encoding::{from_base64url, from_hex, hex, join};
use crate::secrets::{Data, DataError};

/// Bytes of every key here.
const KEY_LEN: usize = 32;

type KeyBytes = Zeroizing<[u8; KEY_LEN]>;

/// What the private keys of one key set are encrypted under; its `Debug` is redacted.
pub struct DataKey(KeyBytes);

/// A [`DataKey`] as it may be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Which key it was wrapped under.
    pub key_id: String,
    /// What [`KeyWrap::wrap_key`] made of it.
    pub wrapped: Vec<u8>,
}

/// Why an envelope cannot be made or opened. No message holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It was sealed under a key that is not there.
    #[error("the key {0} is not there")]
    UnknownKey(String),
    /// The key is there, and it does not open: it was changed, or moved from another place.
    #[error("what was sealed does not open: it was changed or moved")]
    Altered,
    /// Whoever wraps did not answer, or refused; to be tried again.
    #[error("{0}")]
    Unavailable(String),
}

/// Wraps data keys under a key-encryption key: the seam for a KMS.
pub trait KeyWrap: Sync {
    /// Wraps a data key under the newest key.
    ///
    /// # Errors
    /// [`EnvelopeError::Unavailable`].
    fn wrap_key<R: CryptoRng + Send>(
        &self,
        key: &DataKey,
        rng: &mut R,
    ) -> impl Future<Output = Result<WrappedKey, EnvelopeError>> + Send;

    /// Undoes [`wrap_key`](Self::wrap_key), also under an older key.
    ///
    /// # Errors
    /// When the key is not there, when it does not open, or when nobody answers.
    fn unwrap_key(&self, wrapped: &WrappedKey)
    -> impl Future<Output = Result<DataKey, EnvelopeError>> + Send;

    /// Whether it is wrapped under the newest key. Otherwise the operator writes the key set anew.
    fn is_current(&self, wrapped: &WrappedKey) -> bool;
}

/// Key-encryption keys from a Secret: each data key is a version, `v1`, `v2` and so on. The greatest one wraps,
/// all of them unwrap. A value is 32 bytes of randomness, as they are or as base64 or hex text.
pub struct EnvelopeKeys {
    /// Oldest first; never empty.
    versions: Vec<Version>,
}

struct Version {
    number: u32,
    /// Follows from the key, so that another key of the same number is told from it.
    id: String,
    key: KeyBytes,
}

impl DataKey {
    /// Draws one.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        rng.fill_bytes(key.as_mut());
        Self(key)
    }

    /// From 32 bytes that were unwrapped.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// The bytes, to be wrapped.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Seals for this purpose and place only.
    pub(crate) fn seal(&self, place: &[&[u8]], plaintext: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
        seal(&self.0, place, plaintext, rng)
    }

    /// Opens what [`seal`](Self::seal) made for the same place.
    pub(crate) fn open(&self, place: &[&[u8]], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        open(&self.0, place, sealed)
    }
}

impl EnvelopeKeys {
    /// Reads a Secret.
    ///
    /// # Errors
    /// When it has no version, a data key that is none, the same key twice, or a value that is not 256 bits.
    pub fn from_data(data: &Data) -> Result<Self, DataError> {
        let mut versions = Vec::with_capacity(data.len());
        for (name, value) in data {
            let number = version(name).ok_or_else(|| {
                DataError(format!(
                    "the data key {name} is no version: name them v1, v2 and so on"
                ))
            })?;
            let key = key(value).map_err(|why| DataError(format!("{name} {why}")))?;
            let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"oidc-operator/envelope").extract(&*key);
            let id = derive::<8>(&root, b"id/v1");
            versions.push(Version {
                number,
                id: hex(id.as_ref()),
                key: derive(&root, b"wrap/v1"),
            });
        }
        versions.sort_by_key(|version| version.number);
        for (index, one) in versions.iter().enumerate() {
            if let Some(other) = versions[..index].iter().find(|other| other.id == one.id) {
                let (one, other) = (one.number, other.number);
                return Err(DataError(format!("v{other} and v{one} are the same key")));
            }
        }
        if versions.is_empty() {
            return Err(DataError(
                "it has no version: put 32 random bytes into v1".to_owned(),
            ));
        }
        Ok(Self { versions })
    }

    fn newest(&self) -> &Version {
        self.versions.last().expect("there is a version")
    }
}

impl KeyWrap for EnvelopeKeys {
    async fn wrap_key<R: CryptoRng + Send>(
        &self,
        key: &DataKey,
        rng: &mut R,
    ) -> Result<WrappedKey, EnvelopeError> {
        let newest = self.newest();
        Ok(WrappedKey {
            key_id: newest.id.clone(),
            wrapped: seal(&newest.key, &place(&newest.id), key.as_bytes(), rng),
        })
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey) -> Result<DataKey, EnvelopeError> {
        let version = self.versions.iter().find(|version| version.id == wrapped.key_id);
        let version = version.ok_or_else(|| EnvelopeError::UnknownKey(wrapped.key_id.clone()))?;
        let key = open(&version.key, &place(&version.id), &wrapped.wrapped)?;
        DataKey::from_bytes(&key).ok_or(EnvelopeError::Altered)
    }

    fn is_current(&self, wrapped: &WrappedKey) -> bool {
        self.newest().id == wrapped.key_id
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(…)")
    }
}

impl fmt::Debug for EnvelopeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnvelopeKeys(…)")
    }
}

/// What a wrapped data key is bound to.
fn place(id: &str) -> [&[u8]; 2] {
    [b"data-key/v1", id.as_bytes()]
}

/// `v` and a number without leading zeros.
fn version(name: &str) -> Option<u32> {
    let digits = name.strip_prefix('v')?;
    let canonical = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    canonical.then(|| digits.parse().ok()).flatten()
}

/// 32 bytes, as they are or as text; what made the text may have ended it with a newline.
fn key(value: &[u8]) -> Result<KeyBytes, &'static str> {
    let wrong = "is not a key of 256 bits: write 32 random bytes, as they are or in base64 or hex";
    let text = std::str::from_utf8(value).ok().map(str::trim_ascii);
    let printable = text.filter(|text| text.bytes().all(|b| b.is_ascii_graphic()));
    let bytes = match (printable, value.len()) {
        (Some(text), _) if text.len() == 2 * KEY_LEN => from_hex(text),
        (Some(text), _) if text.len() == 44 => STANDARD.decode(text).ok().map(Zeroizing::new),
        (Some(text), _) => {
            let standard = STANDARD_NO_PAD.decode(text).ok().map(Zeroizing::new);
            standard.or_else(|| from_base64url(text))
        }
        (None, KEY_LEN) => Some(Zeroizing::new(value.to_vec())),
        (None, _) => None,
    };
    let bytes = bytes.ok_or(wrong)?;
    let key = <[u8; KEY_LEN]>::try_from(bytes.as_slice()).map_err(|_| wrong)?;
    if key.iter().all(|byte| *byte == key[0]) {
        return Err("is not random: all its bytes are the same");
    }
    Ok(Zeroizing::new(key))
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-SHA-256 (RFC 5869).
fn derive<const N: usize>(root: &hkdf::Prk, purpose: &[u8]) -> Zeroizing<[u8; N]> {
    let mut key = Zeroizing::new([0; N]);
    root.expand(&[purpose], Length(N))
        .and_then(|okm| okm.fill(key.as_mut()))
        .expect("the length is within HKDF's limit");
    key
}

fn cipher(key: &KeyBytes) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM_SIV, key.as_ref());
    LessSafeKey::new(key.expect("the key has the right length"))
}

/// AES-256-GCM-SIV: nonce, ciphertext and tag. The parts of `place` are bound, each length-prefixed.
fn seal(key: &KeyBytes, place: &[&[u8]], plaintext: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
    let mut nonce = [0; NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    let mut sealed = Vec::with_capacity(NONCE_LEN + plaintext.len() + 16);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plaintext);
    let tag = cipher(key)
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(join(place).as_slice()),
            &mut sealed[NONCE_LEN..],
        )
        .expect("the plaintext is not too long");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

fn open(key: &KeyBytes, place: &[&[u8]], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    let (nonce, rest) = sealed
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(EnvelopeError::Altered)?;
    let mut buffer = Zeroizing::new(rest.to_vec());
    let length = cipher(key)
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(join(place).as_slice()),
            &mut buffer,
        )
        .map_err(|_| EnvelopeError::Altered)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::base64url;
    use crate::testing::{SeededRng, ready};

    fn bytes(seed: u64) -> Vec<u8> {
        DataKey::generate(&mut SeededRng::new(seed)).as_bytes().to_vec()
    }

    fn keys(versions: &[(&str, u64)]) -> EnvelopeKeys {
        let data = versions
            .iter()
            .map(|(name, seed)| ((*name).to_owned(), bytes(*seed)));
        EnvelopeKeys::from_data(&data.collect()).unwrap()
    }

    fn wrap(keys: &EnvelopeKeys, key: &DataKey) -> WrappedKey {
        ready(keys.wrap_key(key, &mut SeededRng::new(9))).unwrap()
    }

    fn refused(name: &str, value: &[u8]) -> String {
        let data = Data::from([(name.to_owned(), value.to_vec())]);
        EnvelopeKeys::from_data(&data).unwrap_err().to_string()
    }

    #[test]
    fn the_newest_version_wraps_and_all_unwrap() {
        let key = DataKey::generate(&mut SeededRng::new(1));
        let (one, both) = (keys(&[("v9", 9)]), keys(&[("v9", 9), ("v10", 10)]));
        let (old, new) = (wrap(&one, &key), wrap(&both, &key));
        assert!(one.is_current(&old) && both.is_current(&new) && !both.is_current(&old));
        for wrapped in [&old, &new] {
            assert_eq!(
                ready(both.unwrap_key(wrapped)).unwrap().as_bytes(),
                key.as_bytes()
            );
        }
        let unknown = ready(one.unwrap_key(&new)).unwrap_err();
        assert_eq!(unknown, EnvelopeError::UnknownKey(new.key_id));
    }

    #[test]
    fn another_key_of_the_same_number_is_another_key() {
        let key = DataKey::generate(&mut SeededRng::new(1));
        let wrapped = wrap(&keys(&[("v1", 1)]), &key);
        let unknown = ready(keys(&[("v1", 2)]).unwrap_key(&wrapped)).unwrap_err();
        assert!(matches!(unknown, EnvelopeError::UnknownKey(_)));
    }

    #[test]
    fn a_wrapped_key_that_was_changed_or_renamed_does_not_open() {
        let both = keys(&[("v1", 1), ("v2", 2)]);
        let key = DataKey::generate(&mut SeededRng::new(1));
        let good = wrap(&both, &key);
        let other = wrap(&keys(&[("v1", 1)]), &key);
        for bad in [
            WrappedKey {
                key_id: other.key_id,
                ..good.clone()
            },
            WrappedKey {
                wrapped: good.wrapped[..20].to_vec(),
                ..good.clone()
            },
            WrappedKey {
                wrapped: Vec::new(),
                ..good
            },
        ] {
            assert_eq!(ready(both.unwrap_key(&bad)).unwrap_err(), EnvelopeError::Altered);
        }
    }

    #[test]
    fn a_key_is_32_bytes_or_their_text() {
        let raw = bytes(1);
        let id = |value: &[u8]| {
            let data = Data::from([("v1".to_owned(), value.to_vec())]);
            EnvelopeKeys::from_data(&data).unwrap().versions[0].id.clone()
        };
        let (base64, unpadded, url) = (
            STANDARD.encode(&raw),
            STANDARD_NO_PAD.encode(&raw),
            base64url(&raw),
        );
        let upper = hex(&raw).to_uppercase();
        for text in [base64, unpadded, url, hex(&raw), upper] {
            assert_eq!(id(text.as_bytes()), id(&raw), "{text}");
            assert_eq!(id(format!("{text}\n").as_bytes()), id(&raw), "{text}");
        }
        assert_ne!(id(&raw), id(&bytes(2)));
    }

    #[test]
    fn a_short_weak_or_misnamed_key_is_refused_without_showing_it() {
        let raw = bytes(1);
        for (name, value) in [
            ("v1", &raw[..31]),
            ("v1", b""),
            ("v1", b"canary"),
            ("v1", b"canary-0123456789-0123456789-abc"), // 32 letters are not 256 bits
            ("v1", STANDARD.encode(&raw[..31]).as_bytes()),
            ("v1", hex(&raw[..31]).as_bytes()),
            ("v1", [raw.as_slice(), b"\n"].concat().as_slice()),
            ("v1", &[0; 32]),
            ("v0", &raw),
            ("v01", &raw),
            ("v", &raw),
            ("v4294967296", &raw),
            ("V1", &raw),
            ("key", &raw),
        ] {
            let told = refused(name, value);
            assert!(told.contains(name) && !told.contains("canary"), "{told}");
        }
        assert!(EnvelopeKeys::from_data(&Data::new()).is_err());
        let twice = [("v1".to_owned(), raw.clone()), ("v2".to_owned(), raw)];
        let told = EnvelopeKeys::from_data(&Data::from(twice)).unwrap_err();
        assert_eq!(told.to_string(), "v1 and v2 are the same key");
    }

    #[test]
    fn debug_shows_nothing() {
        let key = DataKey::generate(&mut SeededRng::new(1));
        assert_eq!(format!("{key:?}"), "DataKey(…)");
        assert_eq!(format!("{:?}", keys(&[("v1", 1)])), "EnvelopeKeys(…)");
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_in_its_place_only(
            plain in proptest::collection::vec(any::<u8>(), 0..200),
            seed: u64,
            place in "[a-z]{0,4}",
            other in "[a-z]{0,4}",
            at: proptest::sample::Index,
        ) {
            let mut rng = SeededRng::new(seed);
            let key = DataKey::generate(&mut rng);
            let mut sealed = key.seal(&[b"p", place.as_bytes()], &plain, &mut rng);
            let opened = key.open(&[b"p", place.as_bytes()], &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), plain.as_slice());
            prop_assert_eq!(key.open(&[b"p", other.as_bytes()], &sealed).is_ok(), place == other);
            let bit = at.index(sealed.len() * 8);
            sealed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(key.open(&[b"p", place.as_bytes()], &sealed).is_err());
        }

        #[test]
        fn noise_is_refused(noise in proptest::collection::vec(any::<u8>(), 0..80), seed: u64) {
            let key = DataKey::generate(&mut SeededRng::new(seed));
            prop_assert!(key.open(&[], &noise).is_err());
        }
    }
}
