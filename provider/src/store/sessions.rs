//! Browser sessions, in `{login}`: written, read and ended; codes are made beside them.

use jiff::Timestamp;
use oidc_protocol::handle::{Digest, LoginTag};

use super::{Answer, ClientKey, ConsentKey};

/// How long a login that was ended by its tag gets no session, in milliseconds: far longer than there is
/// between a login's two steps.
pub(super) const BARRED: i64 = 60_000;

/// How many consents are copied into a session.
pub(super) const MOST_CONSENTS: usize = 64;

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

/// The steps of a session.
pub trait SessionStore: Send + Sync {
    /// `{login}`: writes the session; one of the same tag is replaced (same person, new cookie), its
    /// families live on, and so do consents that count in it alone. Whether that was done: a login that was
    /// ended less than a minute ago gets none.
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

    /// How many sessions live; counted without scanning, may lag a few seconds.
    fn active_sessions(&self, now: Timestamp) -> Answer<'_, u64>;
}
