//! Bearer values. All carry the tag of their login in the clear, so that everything of one login lives
//! in one slot of the store; none is ever a key there: keys are digests. Texts are versioned and
//! base64url; parsing is strict and never panics.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oidc_crds::seal::{KeyRing, Purpose};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

/// SHA-256 of a bearer value: what the store knows of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of any text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(sha256(text.as_bytes()))
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
        Self(draw(rng))
    }
}

impl fmt::Display for LoginTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(&self.0))
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

const CODE: &str = "ac1";
const OFFLINE_CODE: &str = "ao1";

/// An authorization code: `ac1.<tag>.<32 random bytes>`, or `ao1.…` if what it opens outlives the session.
/// The step that takes the code must know that before it has read what is bound to it; whoever writes the
/// other letter has another code, which nobody made. `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    /// The login.
    pub tag: LoginTag,
    text: String,
}

impl Code {
    /// Draws one. `offline`: what it opens outlives the session.
    pub fn generate(tag: LoginTag, offline: bool, rng: &mut impl CryptoRng) -> Self {
        let prefix = if offline { OFFLINE_CODE } else { CODE };
        let text = random_handle(prefix, tag, rng);
        Self { tag, text }
    }

    /// Reads one; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let tag = parse_random_handle(CODE, text).or_else(|| parse_random_handle(OFFLINE_CODE, text))?;
        let text = text.to_owned();
        Some(Self { tag, text })
    }

    /// Whether what it opens outlives the session.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.text.starts_with(OFFLINE_CODE)
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
        let text = random_handle("s1", tag, rng);
        Self { tag, text }
    }

    /// Reads one; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let tag = parse_random_handle("s1", text)?;
        let text = text.to_owned();
        Some(Self { tag, text })
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
        draw(rng)
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
        let parts: [&[u8]; 4] = [client_uid.as_bytes(), &tag.0, &seed, &generation.to_be_bytes()];
        Some(Self {
            tag,
            ring_version,
            generation,
            seed,
            mac: ring.mac(ring_version, Purpose::Refresh, &parts)?,
        })
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
        let mut parts = text.split('.');
        if parts.next() != Some("rt1") {
            return None;
        }
        let tag = LoginTag(decode(parts.next()?)?);
        let ring_version = decode_number(parts.next()?)?;
        let seed = decode(parts.next()?)?;
        let generation = decode_number(parts.next()?)?;
        let mac: [u8; 32] = decode(parts.next()?)?;
        if parts.next().is_some() {
            return None;
        }
        let derived = Self::derive(ring, ring_version, client_uid, tag, seed, generation)?;
        bool::from(derived.mac.ct_eq(&mac)).then_some(derived)
    }

    /// Whether the text has the shape of one (revocation tries this before an access token).
    #[must_use]
    pub fn looks_like(text: &str) -> bool {
        text.starts_with("rt1.")
    }

    /// The value to send.
    #[must_use]
    pub fn expose(&self) -> String {
        format!(
            "rt1.{}.{}.{}.{}.{}",
            self.tag,
            self.ring_version,
            encode(&self.seed),
            self.generation,
            encode(&self.mac)
        )
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
    let mut truncated = [0; 16];
    truncated.copy_from_slice(&sha256(&seed)[..16]);
    FamilyId { tag, seed: truncated }
}

/// First byte of a token id's plaintext.
const KIND_DETACHED: u8 = 0;
const KIND_FAMILY: u8 = 1;
/// Kind, tag, seed.
const FAMILY_LEN: usize = 1 + 16 + 16;
/// Longer than any sealed token id.
const MAX_JTI: usize = 128;

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
        let mut plain = [0; FAMILY_LEN];
        let plain = match self {
            Self::Family(family) => {
                plain[0] = KIND_FAMILY;
                plain[1..17].copy_from_slice(&family.tag.0);
                plain[17..].copy_from_slice(&family.seed);
                &plain[..]
            }
            Self::Detached => &[KIND_DETACHED],
        };
        encode(&ring.seal(Purpose::TokenId, &[client_uid.as_bytes()], plain, rng))
    }

    /// Opens a `jti` of that client.
    #[must_use]
    pub fn unseal(jti: &str, ring: &KeyRing, client_uid: &str) -> Option<Self> {
        if jti.len() > MAX_JTI {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(jti).ok()?;
        let plain = ring
            .unseal(Purpose::TokenId, &[client_uid.as_bytes()], &sealed)
            .ok()?;
        match plain.split_first()? {
            (&KIND_DETACHED, []) => Some(Self::Detached),
            (&KIND_FAMILY, rest) => {
                let (tag, seed) = rest.split_first_chunk()?;
                Some(Self::Family(FamilyId {
                    tag: LoginTag(*tag),
                    seed: seed.try_into().ok()?,
                }))
            }
            _ => None,
        }
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

fn draw<const N: usize>(rng: &mut impl CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// base64url without padding (RFC 4648 §5).
fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads exactly `N` bytes from their one canonical text.
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Checked first: nothing long is ever decoded.
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// Reads a number in its one canonical text.
fn decode_number(text: &str) -> Option<u32> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

/// `<prefix>.<tag>.<32 random bytes>`.
fn random_handle(prefix: &str, tag: LoginTag, rng: &mut impl CryptoRng) -> String {
    format!("{prefix}.{tag}.{}", encode(&draw::<32>(rng)))
}

fn parse_random_handle(prefix: &str, text: &str) -> Option<LoginTag> {
    let (tag, random) = text.strip_prefix(prefix)?.strip_prefix('.')?.split_once('.')?;
    let _: [u8; 32] = decode(random)?;
    decode(tag).map(LoginTag)
}

#[cfg(test)]
mod tests;
