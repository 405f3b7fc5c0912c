//! The key ring at work: sealing (AES-256-GCM-SIV) and HMACs, one HKDF subkey per purpose and version,
//! derived once.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::encoding;
use crate::secrets::key_ring::KeyRingData;

/// What a sealed value or an HMAC is for; each has a subkey of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// A user's password digest in status.
    Password,
    /// The pending authorization request in a form.
    Request,
    /// A form's CSRF token.
    Csrf,
    /// A session in the store.
    Session,
    /// A grant (code or family) in the store.
    Grant,
    /// A login in its user's index in the store.
    Login,
    /// A consent in the store.
    Consent,
    /// The `jti` of an access token.
    TokenId,
    /// An opaque access token.
    AccessToken,
    /// The mac of a refresh token.
    Refresh,
    /// The `sid` of a login at a client.
    SessionId,
    /// Names of low entropy in keys of the store: users, addresses.
    Name,
    /// What the operator asks pods about uses of credentials, and their answers.
    Uses,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Password,
        Self::Request,
        Self::Csrf,
        Self::Session,
        Self::Grant,
        Self::Login,
        Self::Consent,
        Self::TokenId,
        Self::AccessToken,
        Self::Refresh,
        Self::SessionId,
        Self::Name,
        Self::Uses,
    ];

    /// The HKDF info.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password/v1",
            Self::Request => "request/v1",
            Self::Csrf => "csrf/v1",
            Self::Session => "session/v1",
            Self::Grant => "grant/v1",
            Self::Login => "login/v1",
            Self::Consent => "consent/v1",
            Self::TokenId => "token-id/v1",
            Self::AccessToken => "access-token/v1",
            Self::Refresh => "refresh/v1",
            Self::SessionId => "sid/v1",
            Self::Name => "name/v1",
            Self::Uses => "uses/v1",
        }
    }
}

/// Why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It names a version older than the newest that the ring does not have: the version has expired, or its
    /// ring was lost. A version is kept until all that was sealed under it has ended, and a ring made after a
    /// loss starts at a higher number, so what is sealed under it has ended. The number is in the clear:
    /// who can change it in the store can delete the value as well.
    #[error("the sealed value does not open: its ring version is gone")]
    VersionGone,
    /// It was not sealed here, for this place; or under a version that this process does not know yet.
    #[error("the sealed value does not open: it is forged, was moved, or its ring version is not known yet")]
    Senseless,
}

/// The key ring with its subkeys.
pub struct KeyRing {
    data: KeyRingData,
    /// Oldest first, as in the data; never empty.
    versions: Vec<(u32, Subkeys)>,
    /// From the name key.
    stable: [hmac::Key; Purpose::ALL.len()],
}

/// The subkeys of one version, in the order of [`Purpose::ALL`].
struct Subkeys {
    seal: [LessSafeKey; Purpose::ALL.len()],
    mac: [hmac::Key; Purpose::ALL.len()],
}

/// Bytes before the nonce: the version.
const VERSION_LEN: usize = 4;

impl KeyRing {
    /// Derives all subkeys.
    #[must_use]
    pub fn new(data: KeyRingData) -> Self {
        let versions = data
            .versions
            .iter()
            .map(|version| {
                let root = extract(&version.root);
                let subkeys = Subkeys {
                    seal: Purpose::ALL.map(|purpose| sealing_key(&root, purpose)),
                    mac: Purpose::ALL.map(|purpose| mac_key(&root, purpose, b"mac")),
                };
                (version.version, subkeys)
            })
            .collect();
        let root = extract(&data.name_key);
        let stable = Purpose::ALL.map(|purpose| mac_key(&root, purpose, b"stable-mac"));
        Self {
            data,
            versions,
            stable,
        }
    }

    /// The data it was made from.
    #[must_use]
    pub fn data(&self) -> &KeyRingData {
        &self.data
    }

    /// The version that new values are made under.
    #[must_use]
    pub fn current(&self) -> u32 {
        self.newest().0
    }

    /// Seals under the current version: version (u32 big-endian), nonce, ciphertext and tag.
    /// `associated` are bound, each length-prefixed, with the purpose.
    ///
    /// # Panics
    /// When the plaintext is longer than AES-GCM-SIV allows (64 GiB).
    pub fn seal(
        &self,
        purpose: Purpose,
        associated: &[&[u8]],
        plaintext: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Vec<u8> {
        let (version, keys) = self.newest();
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let mut sealed = Vec::with_capacity(VERSION_LEN + NONCE_LEN + plaintext.len() + 16);
        sealed.extend_from_slice(&version.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let tag = keys.seal[purpose as usize]
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound(*version, purpose, associated).as_slice()),
                &mut sealed[VERSION_LEN + NONCE_LEN..],
            )
            .expect("the plaintext is not too long");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what [`seal`](Self::seal) made with the same purpose and associated data.
    ///
    /// # Errors
    /// When it does not open.
    pub fn unseal(
        &self,
        purpose: Purpose,
        associated: &[&[u8]],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (version, rest) = sealed
            .split_first_chunk::<VERSION_LEN>()
            .ok_or(SealError::Senseless)?;
        let (nonce, rest) = rest
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(SealError::Senseless)?;
        let version = u32::from_be_bytes(*version);
        let keys = match self.version(version) {
            Some(keys) => keys,
            None if (1..self.current()).contains(&version) => return Err(SealError::VersionGone),
            None => return Err(SealError::Senseless),
        };
        let mut buffer = Zeroizing::new(rest.to_vec());
        let length = keys.seal[purpose as usize]
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(bound(version, purpose, associated).as_slice()),
                &mut buffer,
            )
            .map_err(|_| SealError::Senseless)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }

    /// HMAC-SHA-256 of length-prefixed parts under a version's subkey; `None` if that version is gone.
    #[must_use]
    pub fn mac(&self, version: u32, purpose: Purpose, parts: &[&[u8]]) -> Option<[u8; 32]> {
        let keys = self.version(version)?;
        Some(encoding::hmac(&keys.mac[purpose as usize], parts))
    }

    /// An HMAC that must stay the same when the ring rotates (names in store keys, `sid`): under the
    /// ring's long-lived name key.
    #[must_use]
    pub fn stable_mac(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        encoding::hmac(&self.stable[purpose as usize], parts)
    }

    fn newest(&self) -> &(u32, Subkeys) {
        self.versions.last().expect("a key ring has a version")
    }

    fn version(&self, version: u32) -> Option<&Subkeys> {
        self.versions
            .iter()
            .find(|(number, _)| *number == version)
            .map(|(_, keys)| keys)
    }
}

/// The associated data of a seal.
fn bound(version: u32, purpose: Purpose, associated: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let version = version.to_be_bytes();
    let mut parts: Vec<&[u8]> = vec![&version, purpose.as_str().as_bytes()];
    parts.extend_from_slice(associated);
    encoding::join(&parts)
}

fn extract(root: &[u8]) -> hkdf::Prk {
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"oidc-operator/key-ring").extract(root)
}

/// HKDF-SHA-256 (RFC 5869); the info is purpose and use, length-prefixed.
fn derive(root: &hkdf::Prk, purpose: Purpose, usage: &[u8]) -> Zeroizing<[u8; 32]> {
    let info = encoding::join(&[purpose.as_str().as_bytes(), usage]);
    let mut key = Zeroizing::new([0; 32]);
    root.expand(&[&info], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(key.as_mut()))
        .expect("32 bytes are within HKDF's limit");
    key
}

fn sealing_key(root: &hkdf::Prk, purpose: Purpose) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM_SIV, derive(root, purpose, b"seal").as_ref());
    LessSafeKey::new(key.expect("the key has the right length"))
}

fn mac_key(root: &hkdf::Prk, purpose: Purpose, usage: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, derive(root, purpose, usage).as_ref())
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing(…)")
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::secrets::Data;
    use crate::testing::SeededRng;

    fn ring(seed: u64) -> KeyRing {
        KeyRing::new(KeyRingData::generate(
            Timestamp::UNIX_EPOCH,
            &mut SeededRng::new(seed),
        ))
    }

    /// The ring of this seed with these of its versions; all roots differ.
    fn ring_of(versions: &[u32]) -> KeyRing {
        let keys: Vec<_> = versions
            .iter()
            .map(|version| {
                let root = encoding::base64url(&[u8::try_from(*version).unwrap(); 32]);
                serde_json::json!({"version": version, "root": root, "createdAt": "2026-01-01T00:00:00Z"})
            })
            .collect();
        let text = serde_json::json!({"version": 1, "nameKey": encoding::base64url(&[7; 32]), "keys": keys});
        let data = Data::from([(KeyRingData::DATA_KEY.to_owned(), text.to_string().into_bytes())]);
        KeyRing::new(KeyRingData::from_data(&data).unwrap())
    }

    #[test]
    fn purposes_index_their_subkeys() {
        for (index, purpose) in Purpose::ALL.into_iter().enumerate() {
            assert_eq!(purpose as usize, index);
        }
    }

    #[test]
    fn a_value_opens_for_its_purpose_and_place_only() {
        let ring = ring(1);
        let mut rng = SeededRng::new(2);
        let sealed = ring.seal(Purpose::Session, &[b"key", b"1"], b"plain text", &mut rng);
        assert_eq!(
            ring.unseal(Purpose::Session, &[b"key", b"1"], &sealed)
                .unwrap()
                .as_slice(),
            b"plain text"
        );
        assert!(!sealed.windows(5).any(|w| w == b"plain"));
        for purpose in Purpose::ALL.into_iter().filter(|p| *p != Purpose::Session) {
            assert_eq!(
                ring.unseal(purpose, &[b"key", b"1"], &sealed),
                Err(SealError::Senseless)
            );
        }
        for moved in [
            &[b"key".as_slice(), b"2"] as &[&[u8]],
            &[b"key1"],
            &[b"key"],
            &[b"ke", b"y1"],
            &[],
        ] {
            assert_eq!(
                ring.unseal(Purpose::Session, moved, &sealed),
                Err(SealError::Senseless)
            );
        }
        assert_eq!(
            super::tests::ring(3).unseal(Purpose::Session, &[b"key", b"1"], &sealed),
            Err(SealError::Senseless)
        );
        let again = ring.seal(Purpose::Session, &[b"key", b"1"], b"plain text", &mut rng);
        assert_ne!(sealed, again, "each has its own nonce");
    }

    #[test]
    fn the_layout_is_version_nonce_ciphertext_tag() {
        let sealed = ring(1).seal(Purpose::Grant, &[], b"12345", &mut SeededRng::new(2));
        assert_eq!(sealed.len(), 4 + 12 + 5 + 16);
        assert_eq!(sealed[..4], [0, 0, 0, 1]);
    }

    #[test]
    fn a_rotated_ring_opens_old_values_until_their_version_is_gone() {
        let (one, both, two) = (ring_of(&[1]), ring_of(&[1, 2]), ring_of(&[2]));
        let old = one.seal(Purpose::Grant, &[b"k"], b"x", &mut SeededRng::new(1));
        let new = both.seal(Purpose::Grant, &[b"k"], b"x", &mut SeededRng::new(1));
        assert_eq!((one.current(), both.current()), (1, 2));
        assert!(both.unseal(Purpose::Grant, &[b"k"], &old).is_ok());
        assert!(two.unseal(Purpose::Grant, &[b"k"], &new).is_ok());
        assert_eq!(
            two.unseal(Purpose::Grant, &[b"k"], &old),
            Err(SealError::VersionGone)
        );
        assert_eq!(
            one.unseal(Purpose::Grant, &[b"k"], &new),
            Err(SealError::Senseless)
        );
        assert_eq!(
            both.mac(1, Purpose::Refresh, &[b"k"]),
            one.mac(1, Purpose::Refresh, &[b"k"])
        );
        assert_eq!(two.mac(1, Purpose::Refresh, &[b"k"]), None);
        assert_eq!(
            one.stable_mac(Purpose::Name, &[b"k"]),
            two.stable_mac(Purpose::Name, &[b"k"])
        );
    }

    #[test]
    fn only_a_lower_number_is_of_a_version_that_is_gone() {
        let ring = ring_of(&[3, 5]);
        let open = |version: u32| {
            ring.unseal(
                Purpose::Grant,
                &[],
                &[&version.to_be_bytes()[..], &[0; 40]].concat(),
            )
        };
        for gone in [1, 2, 4] {
            assert_eq!(open(gone), Err(SealError::VersionGone));
        }
        for senseless in [0, 3, 5, 6, u32::MAX] {
            assert_eq!(open(senseless), Err(SealError::Senseless));
        }
        assert_eq!(
            ring.unseal(Purpose::Grant, &[], &[0, 0, 0, 1]),
            Err(SealError::Senseless)
        );
    }

    #[test]
    fn what_a_lost_ring_sealed_is_of_a_version_that_is_gone() {
        let lost = ring(1).seal(Purpose::Grant, &[], b"x", &mut SeededRng::new(1));
        let anew = KeyRingData::generate(Timestamp::constant(3_600, 0), &mut SeededRng::new(2));
        assert_eq!(
            KeyRing::new(anew).unseal(Purpose::Grant, &[], &lost),
            Err(SealError::VersionGone)
        );
    }

    #[test]
    fn macs_differ_by_version_purpose_and_parts() {
        let ring = ring_of(&[1, 2]);
        let mut all = std::collections::BTreeSet::new();
        for purpose in Purpose::ALL {
            for parts in [
                &[b"ab".as_slice(), b"c"] as &[&[u8]],
                &[b"a", b"bc"],
                &[b"abc"],
                &[],
            ] {
                assert!(all.insert(ring.mac(1, purpose, parts).unwrap()));
                assert!(all.insert(ring.mac(2, purpose, parts).unwrap()));
                assert!(all.insert(ring.stable_mac(purpose, parts)));
            }
        }
    }

    #[test]
    fn debug_is_redacted() {
        assert_eq!(format!("{:?}", ring(1)), "KeyRing(…)");
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(plain in proptest::collection::vec(any::<u8>(), 0..200), seed: u64) {
            let ring = ring(1);
            let sealed = ring.seal(Purpose::Request, &[b"a"], &plain, &mut SeededRng::new(seed));
            let opened = ring.unseal(Purpose::Request, &[b"a"], &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), plain.as_slice());
        }

        #[test]
        fn any_changed_bit_is_noticed(at in 0_usize..(4 + 12 + 9 + 16) * 8) {
            let ring = ring(1);
            let mut sealed = ring.seal(Purpose::Request, &[b"a"], b"123456789", &mut SeededRng::new(5));
            sealed[at / 8] ^= 1 << (at % 8);
            prop_assert_eq!(ring.unseal(Purpose::Request, &[b"a"], &sealed), Err(SealError::Senseless));
        }

        #[test]
        fn noise_does_not_open(noise in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(ring(1).unseal(Purpose::Request, &[], &noise), Err(SealError::Senseless));
        }
    }
}
