//! The key ring at work: sealing (AES-256-GCM-SIV) and HMACs, one HKDF subkey per purpose and version,
//! derived once.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

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
    /// A consent in the store.
    Consent,
    /// The `jti` of an access token.
    TokenId,
    /// The mac of a refresh token.
    Refresh,
    /// The `sid` of a login at a client.
    SessionId,
    /// Names of low entropy in keys of the store: users, addresses.
    Name,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Password,
        Self::Request,
        Self::Csrf,
        Self::Session,
        Self::Grant,
        Self::Consent,
        Self::TokenId,
        Self::Refresh,
        Self::SessionId,
        Self::Name,
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
            Self::Consent => "consent/v1",
            Self::TokenId => "token-id/v1",
            Self::Refresh => "refresh/v1",
            Self::SessionId => "sid/v1",
            Self::Name => "name/v1",
        }
    }
}

/// A sealed value that does not open: forged, moved, or from a version that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value does not open: it is forged, was moved, or its key version is gone")]
pub struct SealError;

/// The key ring with its subkeys.
pub struct KeyRing {
    data: KeyRingData,
}

impl KeyRing {
    /// Derives all subkeys.
    #[must_use]
    pub fn new(data: KeyRingData) -> Self {
        Self { data }
    }

    /// The data it was made from.
    #[must_use]
    pub fn data(&self) -> &KeyRingData {
        &self.data
    }

    /// The version that new values are made under.
    #[must_use]
    pub fn current(&self) -> u32 {
        todo!()
    }

    /// Seals under the current version: version (u32 big-endian), nonce, ciphertext and tag.
    /// `associated` are bound, each length-prefixed, with the purpose.
    pub fn seal(
        &self,
        purpose: Purpose,
        associated: &[&[u8]],
        plaintext: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Vec<u8> {
        let _ = (purpose, associated, plaintext, rng);
        todo!()
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
        let _ = (purpose, associated, sealed);
        todo!()
    }

    /// HMAC-SHA-256 of length-prefixed parts under a version's subkey; `None` if that version is gone.
    #[must_use]
    pub fn mac(&self, version: u32, purpose: Purpose, parts: &[&[u8]]) -> Option<[u8; 32]> {
        let _ = (version, purpose, parts);
        todo!()
    }

    /// An HMAC that must stay the same when the ring rotates (names in store keys, `sid`): under the
    /// ring's long-lived name key.
    #[must_use]
    pub fn stable_mac(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        let _ = (purpose, parts);
        todo!()
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing(…)")
    }
}
