//! How often initial access tokens of registration were used: in `{token}`.

use jiff::Timestamp;
use oidc_protocol::handle::Digest;

use super::Answer;

/// A use of a registration token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewUse {
    /// Digest of the token's name.
    pub token: Digest,
    /// Random: the same attempt is counted once.
    pub attempt: [u8; 16],
    /// How many uses there are in all.
    pub most: u32,
    /// How many are known otherwise: a store that lost its data begins with these.
    pub known: u32,
    /// When the token ends.
    pub until: Timestamp,
}

/// The steps of registration.
pub trait RegistrationStore: Send + Sync {
    /// `{token}`: takes one of the uses of a token; whether one was left.
    fn take_use(&self, taken: NewUse, now: Timestamp) -> Answer<'_, bool>;

    /// `{token}`: gives a use back that made no client. One that was never taken changes nothing.
    fn return_use(&self, token: Digest, attempt: [u8; 16]) -> Answer<'_, ()>;
}
