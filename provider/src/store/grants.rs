//! Codes and what they are redeemed for, in `{login}`: families of refresh and access tokens (I1, I2).

use jiff::Timestamp;
use oidc_crds::seal::KeyRing;
use oidc_protocol::handle::{Digest, FamilyId, LoginTag};
use oidc_protocol::records::{GrantRecord, Session};

use super::{Answer, ClientKey, StoreError, opened};

/// How long the same attempt at a code gets the same answer, in milliseconds.
pub(super) const RETRY_WINDOW: i64 = 10_000;

/// The family that a redemption opens.
#[derive(Clone, Copy)]
pub struct Opening {
    /// Its id: the digest of a seed drawn for this attempt.
    pub family: FamilyId,
    /// Whose it is.
    pub client: ClientKey,
    /// Ring version of the first refresh token.
    pub ring_version: u32,
    /// Until when access tokens made now live.
    pub tokens_until: Timestamp,
    /// If a refresh token is handed out: when it ends whatever happens, and how long it lives unused (seconds).
    pub refresh: Option<(Timestamp, u64)>,
    /// Whether the family ends with the browser session.
    pub bound_to_session: bool,
}

/// What a code or a family holds.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredGrant {
    /// Digest of the code: the place that the grant is sealed for.
    pub code: Digest,
    /// The sealed grant.
    pub grant: Vec<u8>,
    /// The sealed session as it was when the code was made.
    pub session: Vec<u8>,
}

impl StoredGrant {
    /// Opens both, which were kept in the slot of this login; `None`: they have ended with their ring version.
    ///
    /// # Errors
    /// When one makes no sense.
    pub fn open(&self, ring: &KeyRing, tag: LoginTag) -> Result<Option<(GrantRecord, Session)>, StoreError> {
        let grant = opened("grant", GrantRecord::unseal(ring, tag, &self.code, &self.grant))?;
        let session = opened("session", Session::unseal(ring, tag, &self.session))?;
        Ok(grant.zip(session))
    }
}

/// Outcome of a redemption.
#[derive(Clone, PartialEq, Eq)]
pub enum Redeemed {
    /// It was there, it is gone now, the family is open. The same attempt within 10 s gets this again.
    Taken(StoredGrant),
    /// It was redeemed before; the family that it opened is revoked now.
    Replayed(FamilyId),
    /// There is none.
    Unknown,
}

/// Outcome of a rotation.
#[derive(Clone, PartialEq, Eq)]
pub enum Rotated {
    /// The presented token was the current one; its successor is current now.
    Rotated(StoredGrant),
    /// The presented token's successor is current and unused, and the grace is not over: the same
    /// successor again, made under this ring version.
    Repeated(StoredGrant, u32),
    /// It was used before: the family is revoked now.
    Reused(FamilyId),
    /// There is no such family, or its session has ended.
    Unknown,
}

/// A presented refresh token, whose mac held.
#[derive(Clone, Copy)]
pub struct Rotation {
    /// Its family.
    pub family: FamilyId,
    /// Its generation.
    pub generation: u32,
    /// The ring version for the successor.
    pub ring_version: u32,
    /// How long a repetition gets the same successor, in seconds.
    pub grace: u64,
    /// Until when the access token made now lives.
    pub tokens_until: Timestamp,
}

/// The steps of codes and families.
pub trait GrantStore: Send + Sync {
    /// `{login}`: takes a code and opens a family (I1). `attempt` is random for each request: the store's
    /// own retry after a lost reply is the same attempt.
    fn redeem_code(
        &self,
        code: Digest,
        attempt: [u8; 16],
        opening: Opening,
        now: Timestamp,
    ) -> Answer<'_, Redeemed>;

    /// `{login}`: compares and rotates (I2). Touches the session of a bound family.
    fn rotate_refresh(&self, rotation: Rotation, now: Timestamp) -> Answer<'_, Rotated>;

    /// `{login}`: ends a family: its refresh and access tokens.
    fn revoke_family(&self, family: FamilyId) -> Answer<'_, ()>;

    /// `{login}`: ends one access token of a family until it expires by itself. `jti`: digest of its `jti`.
    fn revoke_token(&self, family: FamilyId, jti: Digest, until: Timestamp, now: Timestamp)
    -> Answer<'_, ()>;

    /// Ends one access token that belongs to no login.
    fn revoke_detached(&self, jti: Digest, until: Timestamp, now: Timestamp) -> Answer<'_, ()>;

    /// `{login}`: what an access token's family holds; `None`: the token or its family is revoked, or the
    /// session that it was bound to has ended.
    fn token_state(&self, family: FamilyId, jti: Digest, now: Timestamp) -> Answer<'_, Option<StoredGrant>>;

    /// `{login}`: for introspection: what the family of a refresh token holds and when the token ends, if
    /// this generation is the current one; `None`: it would not be taken any more. Changes nothing.
    fn refresh_state(
        &self,
        family: FamilyId,
        generation: u32,
        now: Timestamp,
    ) -> Answer<'_, Option<(StoredGrant, Timestamp)>>;

    /// Remembers a value that may be used once, until `until`; whether it was not known before. `attempt` as in
    /// [`redeem_code`](Self::redeem_code).
    fn remember_once(
        &self,
        value: Digest,
        attempt: [u8; 16],
        until: Timestamp,
        now: Timestamp,
    ) -> Answer<'_, bool>;

    /// Whether a token that belongs to no login was revoked.
    fn detached_revoked(&self, jti: Digest, now: Timestamp) -> Answer<'_, bool>;
}
