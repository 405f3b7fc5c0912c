//! What must be shared by pods or used once. One method is one atomic protocol step, its outcome an
//! enum; there is no find-then-update. `now` is the caller's clock: what has ended by it is not there.
//!
//! Slots (design.md §4): everything of one login lives in `{login}` (its tag), of one user in `{user}`, the uses of
//! one registration token in `{token}`.
//! Keys are digests, HMACs and random tags; values come sealed. Every key has a time to live.
//!
//! The steps stand in six traits, by what they are about; a backend has a file for each. To add a
//! backend: a folder in `store/` that implements [`Store`], a line in `config.rs`; it passes
//! `tests/store_contract.rs` unchanged.
//!
//! Durability `replicated` (design.md §3) will be Redis's alone: `redeem_code` and `rotate_refresh` become a
//! pipeline of their script and `WAIT` on a connection of their own; no acknowledgement is a [`StoreError`].

use futures::future::BoxFuture;
use jiff::Timestamp;
use oidc_crds::seal::SealError;

mod accounts;
mod grants;
mod limits;
pub mod memory;
pub mod redis;
mod registrations;
mod sessions;
mod uses;

pub use accounts::{Account, AccountStore, Attempt, Indexed, LoginLimit, NewAttempt, NewLogin, StoredLogin};
pub use grants::{GrantStore, Opening, Redeemed, Rotated, Rotation, StoredGrant};
pub use limits::{LimitStore, Shared, Used};
pub use registrations::{NewUse, RegistrationStore};
pub use sessions::{NewCode, NewConsent, NewSession, SessionStore, StoredSession};
pub use uses::{Report, UseStore};

/// The store is away or made no sense; the caller answers 503. The text is for the log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct StoreError(pub String);

/// A sealed record of the store, opened; `None`: what it says has ended with its ring version.
///
/// # Errors
/// When it makes no sense: never taken for one that is not there, since a token that the store does know must
/// not pass for revoked, nor a session for ended.
pub fn opened<T>(record: &'static str, unsealed: Result<T, SealError>) -> Result<Option<T>, StoreError> {
    match unsealed {
        Ok(opened) => Ok(Some(opened)),
        Err(SealError::VersionGone) => Ok(None),
        Err(error) => Err(StoreError(format!("its {record} record makes no sense: {error}"))),
    }
}

/// The name of a user's slot: an HMAC of the UID.
pub type UserKey = [u8; 32];

/// The name of a consent within a user's slot or a session: an HMAC of the client's UID.
pub type ConsentKey = [u8; 32];

/// The name of a client within a login's slot: the same HMAC.
pub type ClientKey = [u8; 32];

/// What a method returns.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// Milliseconds since 1970: what the backends count in.
fn millis(time: Timestamp) -> i64 {
    time.as_millisecond().max(0)
}

/// Seconds as milliseconds, at most 300 years: sums with times of day never overflow.
fn seconds(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX).min(10_000_000_000) * 1_000
}

/// The shared state.
pub trait Store:
    AccountStore + SessionStore + GrantStore + LimitStore + RegistrationStore + UseStore
{
    /// Whether the store answers.
    fn ping(&self) -> Answer<'_, ()>;

    /// For `/health`: `memory` or `redis`.
    fn kind(&self) -> &'static str;

    /// Round trips to the store so far; 0 for memory.
    fn round_trips(&self) -> u64;
}
