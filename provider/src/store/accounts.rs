//! What is kept of a user, in `{user}`: attempts at the password, consents, the index of logins. And, in
//! `{limit}`, attempts at names that nobody has and from addresses.

use jiff::Timestamp;
use oidc_protocol::handle::{Digest, LoginTag};

use super::{Answer, ConsentKey, UserKey};

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
pub(super) const UNKNOWN_NAMES: u16 = 4_096;

/// A quarter of an hour, in milliseconds.
pub(super) const QUARTER: i64 = 900_000;

/// The record of an address.
pub(super) fn address_bucket(address: &[u8; 32]) -> u16 {
    u16::from_be_bytes([address[0], address[1]])
}

/// How long after an attempt from an address the next one has its time, in milliseconds.
pub(super) fn address_interval(per_quarter: u32) -> i64 {
    (QUARTER / i64::from(per_quarter.max(1))).max(1)
}

impl Account {
    /// The record of an unknown name.
    pub(super) fn bucket(name: &[u8; 32]) -> u16 {
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
pub(super) const BROWSER_KNOWN: i64 = 90 * 86_400_000;

/// How many such browsers are remembered for a user; the longest unused is forgotten.
pub(super) const MOST_BROWSERS: usize = 20;

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

/// The steps of a user.
pub trait AccountStore: Send + Sync {
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
    /// that are kept. The caller lets each [`forget_client`](super::SessionStore::forget_client).
    fn withdraw_consent<'a>(
        &'a self,
        user: &'a UserKey,
        consent: ConsentKey,
        now: Timestamp,
    ) -> Answer<'a, Vec<LoginTag>>;
}
