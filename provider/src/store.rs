//! What must be shared by pods or used once. One method is one atomic protocol step, its outcome an
//! enum; there is no find-then-update. `now` is the caller's clock: what has ended by it is not there.
//!
//! Slots (design.md §4): everything of one login lives in `{login}` (its tag), of one user in `{user}`.
//! Keys are digests, HMACs and random tags; values come sealed. Every key has a time to live.
//!
//! To add a backend: a file in `store/` that implements [`Store`], a line in `config.rs`; it passes
//! `tests/store_contract.rs` unchanged.
//!
//! Durability `replicated` (design.md §3) will be Redis's alone: `redeem_code` and `rotate_refresh` become a
//! pipeline of their script and `WAIT` on a connection of their own; no acknowledgement is a [`StoreError`].

use futures::future::BoxFuture;
use jiff::Timestamp;
use oidc_crds::seal::SealError;
use oidc_protocol::handle::{Digest, FamilyId, LoginTag};

pub mod memory;
pub mod redis;

/// The store is away or made no sense; the caller answers 503. The text is for the log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct StoreError(pub String);

impl StoreError {
    /// A record that does not open: never taken for one that is not there, since a token that the store
    /// does know must not pass for revoked, nor a session for ended.
    #[must_use]
    pub fn senseless(record: &str, error: SealError) -> Self {
        Self(format!("its {record} record makes no sense: {error}"))
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

/// How long the same attempt at a code gets the same answer, in milliseconds.
const RETRY_WINDOW: i64 = 10_000;
/// How long a login that was ended by its tag gets no session, in milliseconds: far longer than there is
/// between a login's two steps.
const BARRED: i64 = 60_000;
/// How many consents are copied into a session.
const MOST_CONSENTS: usize = 64;

/// Milliseconds since 1970: what the backends count in.
fn millis(time: Timestamp) -> i64 {
    time.as_millisecond().max(0)
}

/// Seconds as milliseconds, at most 300 years: sums with times of day never overflow.
fn seconds(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX).min(10_000_000_000) * 1_000
}

/// Whose attempts at a password an attempt counts among.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// A user's: in `{user}`.
    Known(UserKey),
    /// A name that nobody has, by its HMAC: in `{limit}`, one of 4 096 records. A record is of one name; the
    /// next name takes its place, so that names which share one do not slow each other down.
    Unknown([u8; 32]),
}

/// Records for the attempts at names that nobody has.
const UNKNOWN_NAMES: u16 = 4_096;

/// A quarter of an hour, in milliseconds.
const QUARTER: i64 = 900_000;

/// The record of an address.
fn address_bucket(address: &[u8; 32]) -> u16 {
    u16::from_be_bytes([address[0], address[1]])
}

/// How long after an attempt from an address the next one has its time, in milliseconds.
fn address_interval(per_quarter: u32) -> i64 {
    (QUARTER / i64::from(per_quarter.max(1))).max(1)
}

impl Account {
    /// The record of an unknown name.
    fn bucket(name: &[u8; 32]) -> u16 {
        u16::from_be_bytes([name[0], name[1]]) % UNKNOWN_NAMES
    }
}

/// An attempt at a password.
#[derive(Clone, Copy)]
pub struct NewAttempt {
    /// Whose.
    pub account: Account,
    /// Digest of the browser's cookie: a browser in which this user signed in before has its own attempts.
    pub browser: Digest,
    /// Random for each request: the store's own retry after a lost reply is the same attempt.
    pub attempt: [u8; 16],
    /// How many attempts are let through without a pause.
    pub free: u32,
}

/// Outcome of asking for an attempt.
#[derive(Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It is taken; the consents remembered.
    Taken(Vec<(ConsentKey, Vec<u8>)>),
    /// There were too many: the next one is let through after this many milliseconds. Nothing was counted.
    Wait(i64),
}

/// How long a browser in which a user signed in has attempts of its own, in milliseconds: 90 days.
const BROWSER_KNOWN: i64 = 90 * 86_400_000;
/// How many such browsers are remembered for a user; the longest unused is forgotten.
const MOST_BROWSERS: usize = 20;

/// A login to enter into its user's index.
#[derive(Clone)]
pub struct NewLogin {
    /// Its tag.
    pub tag: LoginTag,
    /// How it began, sealed.
    pub record: Vec<u8>,
    /// When it ends whatever happens.
    pub until: Timestamp,
    /// Its browser, as in [`NewAttempt`].
    pub browser: Digest,
}

/// How many logins of one user may be in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginLimit {
    /// So many.
    pub most: u32,
    /// Whether one more is refused, instead of ending the oldest.
    pub refuse: bool,
}

/// Outcome of entering a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Indexed {
    /// It is in. These, the oldest beyond the limit, are out; the caller ends them.
    Entered(Vec<LoginTag>),
    /// It is not: there are as many as may be.
    Full,
}

/// A login in the index of its user. Its session may have ended by idle time.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredLogin {
    /// Its tag.
    pub tag: LoginTag,
    /// How it began, sealed.
    pub record: Vec<u8>,
    /// When it was entered, or entered again by the same person in the same browser.
    pub entered_at: Timestamp,
}

/// A session to write.
#[derive(Clone)]
pub struct NewSession {
    /// Digest of the cookie.
    pub cookie: Digest,
    /// The sealed session.
    pub record: Vec<u8>,
    /// Consents (at most 64) that are copied into it, sealed.
    pub consents: Vec<(ConsentKey, Vec<u8>)>,
    /// When it ends whatever happens.
    pub until: Timestamp,
    /// How long it lives unused, in seconds.
    pub idle: u64,
}

/// A session that was read.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredSession {
    /// The sealed session.
    pub record: Vec<u8>,
    /// The consent that was asked for, sealed, if the session remembers it.
    pub consent: Option<Vec<u8>>,
}

/// A consent to keep in a session.
#[derive(Clone)]
pub struct NewConsent {
    /// Its name.
    pub key: ConsentKey,
    /// The sealed consent.
    pub record: Vec<u8>,
    /// Whether it counts in this session alone. Then it lives on when the session is replaced; any other
    /// comes from the user's slot again.
    pub session_only: bool,
}

/// A code to write.
#[derive(Clone)]
pub struct NewCode {
    /// Digest of the code.
    pub code: Digest,
    /// Whose it is.
    pub client: ClientKey,
    /// The sealed grant.
    pub record: Vec<u8>,
    /// When it ends.
    pub until: Timestamp,
}

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

/// The shared state.
pub trait Store: Send + Sync {
    /// `{user}` (or `{limit}` for a name that nobody has), before a password is looked at: takes one attempt
    /// by the rule of [`limits`](oidc_protocol::limits), and reads the consents.
    fn begin_login(&self, attempt: NewAttempt, now: Timestamp) -> Answer<'_, Attempt>;

    /// `{limit}`: takes one of `per_quarter` attempts at passwords from an address within a quarter of an
    /// hour. `address` is an HMAC of its network: one of 65 536 records. Returns how many milliseconds to
    /// wait, 0 if it is taken. `attempt` as in [`NewAttempt`].
    fn take_address(
        &self,
        address: [u8; 32],
        attempt: [u8; 16],
        per_quarter: u32,
        now: Timestamp,
    ) -> Answer<'_, i64>;

    /// `{user}`: the consents remembered.
    fn consents<'a>(&'a self, user: &'a UserKey, now: Timestamp) -> Answer<'a, Vec<(ConsentKey, Vec<u8>)>>;

    /// `{user}`: enters a login into the user's index until it ends. One that is in already counts once. The
    /// attempts that its browser was counted among are forgotten, and it is known from now on.
    fn index_login<'a>(
        &'a self,
        user: &'a UserKey,
        login: NewLogin,
        limit: LoginLimit,
        now: Timestamp,
    ) -> Answer<'a, Indexed>;

    /// `{user}`: the logins in the user's index, oldest entry first.
    fn logins<'a>(&'a self, user: &'a UserKey, now: Timestamp) -> Answer<'a, Vec<StoredLogin>>;

    /// `{user}`: takes logins out of the user's index; the caller has ended them, so that a lost step
    /// leaves an entry without a session and never a session without an entry.
    fn forget_logins<'a>(&'a self, user: &'a UserKey, tags: &'a [LoginTag]) -> Answer<'a, ()>;

    /// `{login}`: writes the session; one of the same tag is replaced (same person, new cookie), its
    /// families live on, and so do consents that count in it alone. Whether that was done: a login that was ended less than a minute ago gets none.
    fn put_session(&self, tag: LoginTag, session: NewSession, now: Timestamp) -> Answer<'_, bool>;

    /// `{login}`: reads and touches the session if the cookie is its own.
    fn session(&self, tag: LoginTag, cookie: Digest, now: Timestamp) -> Answer<'_, Option<StoredSession>>;

    /// `{login}`: when the session was used last; `None`: it has ended. Changes nothing.
    fn last_seen(&self, tag: LoginTag, now: Timestamp) -> Answer<'_, Option<Timestamp>>;

    /// `{login}`: as `end_session`, for a login out of a user's index: one that is just beginning, so that
    /// its session is yet to be written, ends as well. Whether there was a session.
    fn end_login(&self, tag: LoginTag, now: Timestamp) -> Answer<'_, bool>;

    /// `{login}`: ends the session, and with it the families bound to it. Whether there was one.
    fn end_session(&self, tag: LoginTag, now: Timestamp) -> Answer<'_, bool>;

    /// `{login}`: reads and touches the session if the cookie is its own, and, with `code`, stores the
    /// code beside it. The caller shows the code to nobody if the session turns out not to do.
    fn authorize(
        &self,
        tag: LoginTag,
        cookie: Digest,
        consent: ConsentKey,
        code: Option<NewCode>,
        now: Timestamp,
    ) -> Answer<'_, Option<StoredSession>>;

    /// `{user}`: remembers a consent until `until`; with `offline`, as [`keep_login`](Self::keep_login).
    fn remember_consent<'a>(
        &'a self,
        user: &'a UserKey,
        consent: ConsentKey,
        record: Vec<u8>,
        until: Timestamp,
        offline: Option<(LoginTag, Timestamp)>,
        now: Timestamp,
    ) -> Answer<'a, ()>;

    /// `{user}`: keeps the tag of a login until all that may outlive its session has ended, so that
    /// [`withdraw_consent`](Self::withdraw_consent) finds it. No login counts twice, and none that is kept in
    /// this way alone counts as a session.
    fn keep_login<'a>(
        &'a self,
        user: &'a UserKey,
        tag: LoginTag,
        until: Timestamp,
        now: Timestamp,
    ) -> Answer<'a, ()>;

    /// `{user}`: removes a consent. Returns the logins of the user, each once: those with a session and those
    /// that are kept. The caller lets each [`forget_client`](Self::forget_client).
    fn withdraw_consent<'a>(
        &'a self,
        user: &'a UserKey,
        consent: ConsentKey,
        now: Timestamp,
    ) -> Answer<'a, Vec<LoginTag>>;

    /// `{login}`: removes consents from the session, and ends the codes and families of a client there. Again
    /// changes nothing.
    fn forget_client(
        &self,
        tag: LoginTag,
        client: ClientKey,
        consents: [ConsentKey; 2],
        now: Timestamp,
    ) -> Answer<'_, ()>;

    /// `{login}`: after consent: checks the cookie, keeps the consent in the session, stores the code.
    /// `None`: the session has ended, nothing was stored.
    fn grant(
        &self,
        tag: LoginTag,
        cookie: Digest,
        consent: Option<NewConsent>,
        code: NewCode,
        now: Timestamp,
    ) -> Answer<'_, Option<StoredSession>>;

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

    /// Whether a token that belongs to no login was revoked.
    fn detached_revoked(&self, jti: Digest, now: Timestamp) -> Answer<'_, bool>;

    /// How many sessions live; counted without scanning, may lag a few seconds.
    fn active_sessions(&self, now: Timestamp) -> Answer<'_, u64>;

    /// Whether the store answers.
    fn ping(&self) -> Answer<'_, ()>;

    /// For `/health`: `memory` or `redis`.
    fn kind(&self) -> &'static str;

    /// Round trips to the store so far; 0 for memory.
    fn round_trips(&self) -> u64;
}
