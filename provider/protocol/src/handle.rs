//! Bearer values. All carry the tag of their login in the clear, so that everything of one login lives
//! in one slot of the store; none is ever a key there: keys are digests. Texts are versioned and
//! base64url; parsing is strict and never panics.

use std::fmt;

use oidc_crds::seal::KeyRing;
use rand_core::CryptoRng;

/// SHA-256 of a bearer value: what the store knows of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of any text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let _ = text;
        todo!()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// The random name of a login for its whole life; its text (22 characters) is the hash tag of its slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoginTag(pub [u8; 16]);

impl LoginTag {
    /// Draws one.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let _ = rng;
        todo!()
    }
}

impl fmt::Display for LoginTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = f;
        todo!()
    }
}

impl fmt::Debug for LoginTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoginTag({self})")
    }
}

/// What one redemption opened: all tokens made from one code. `seed` is the truncated SHA-256 of the
/// seed of its refresh tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FamilyId {
    /// The login.
    pub tag: LoginTag,
    /// The first 16 bytes of SHA-256(seed).
    pub seed: [u8; 16],
}

/// An authorization code: `ac1.<tag>.<32 random bytes>`. `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    /// The login.
    pub tag: LoginTag,
    text: String,
}

impl Code {
    /// Draws one.
    pub fn generate(tag: LoginTag, rng: &mut impl CryptoRng) -> Self {
        let _ = (tag, rng);
        todo!()
    }

    /// Reads one; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let _ = text;
        todo!()
    }

    /// The value to send.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Its key in the store.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.text)
    }
}

/// The value of the session cookie: `s1.<tag>.<32 random bytes>`. `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionHandle {
    /// The login.
    pub tag: LoginTag,
    text: String,
}

impl SessionHandle {
    /// Draws a new cookie secret for a login.
    pub fn generate(tag: LoginTag, rng: &mut impl CryptoRng) -> Self {
        let _ = (tag, rng);
        todo!()
    }

    /// Reads one; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let _ = text;
        todo!()
    }

    /// The cookie's value.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What the store compares.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.text)
    }
}

/// A refresh token: `rt1.<tag>.<ring version>.<seed>.<generation>.<mac>` (design.md I2). `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// The login.
    pub tag: LoginTag,
    /// The ring version of the mac.
    pub ring_version: u32,
    /// Counts the rotations, from 0.
    pub generation: u32,
    seed: [u8; 16],
    mac: [u8; 32],
}

impl RefreshToken {
    /// Draws a seed for a new family.
    pub fn seed(rng: &mut impl CryptoRng) -> [u8; 16] {
        let _ = rng;
        todo!()
    }

    /// Derives the token of a generation; `None` if the ring version is gone.
    #[must_use]
    pub fn derive(
        ring: &KeyRing,
        ring_version: u32,
        client_uid: &str,
        tag: LoginTag,
        seed: [u8; 16],
        generation: u32,
    ) -> Option<Self> {
        let _ = (ring, ring_version, client_uid, tag, seed, generation);
        todo!()
    }

    /// The token that follows this one, under the given ring version.
    #[must_use]
    pub fn successor(&self, ring: &KeyRing, ring_version: u32, client_uid: &str) -> Option<Self> {
        Self::derive(
            ring,
            ring_version,
            client_uid,
            self.tag,
            self.seed,
            self.generation.checked_add(1)?,
        )
    }

    /// Reads one and checks its mac for the client; `None` if it is none of that client's (RFC 6749 §5.2).
    #[must_use]
    pub fn parse(text: &str, ring: &KeyRing, client_uid: &str) -> Option<Self> {
        let _ = (text, ring, client_uid);
        todo!()
    }

    /// Whether the text has the shape of one (revocation tries this before an access token).
    #[must_use]
    pub fn looks_like(text: &str) -> bool {
        text.starts_with("rt1.")
    }

    /// The value to send.
    #[must_use]
    pub fn expose(&self) -> String {
        todo!()
    }

    /// The family it belongs to.
    #[must_use]
    pub fn family(&self) -> FamilyId {
        family_of(self.tag, self.seed)
    }
}

/// The family that a seed opens.
#[must_use]
pub fn family_of(tag: LoginTag, seed: [u8; 16]) -> FamilyId {
    let _ = (tag, seed);
    todo!()
}

/// What the `jti` of an access token says to us: sealed with the client's UID as associated data, so
/// opening it proves whose it is and finds its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenId {
    /// Made from a login.
    Family(FamilyId),
    /// Made by client_credentials.
    Detached,
}

impl TokenId {
    /// The `jti`: unique by its nonce.
    pub fn seal(self, ring: &KeyRing, client_uid: &str, rng: &mut impl CryptoRng) -> String {
        let _ = (ring, client_uid, rng);
        todo!()
    }

    /// Opens a `jti` of that client.
    #[must_use]
    pub fn unseal(jti: &str, ring: &KeyRing, client_uid: &str) -> Option<Self> {
        let _ = (jti, ring, client_uid);
        todo!()
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionHandle(…)")
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}
