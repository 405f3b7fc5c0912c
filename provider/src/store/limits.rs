//! What pods tell each other of the limits that each keeps for itself: in `{limit}`.

use jiff::Timestamp;

use super::Answer;

/// A limit that pods share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shared {
    /// Token requests of a client.
    TokenPerClient,
    /// Requests from the network of an address.
    RequestsPerAddress,
}

/// What a pod let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// Of which limit.
    pub which: Shared,
    /// Of which of its 65 536 buckets; a keyed hash chose it.
    pub bucket: u16,
    /// The time that these requests take, in microseconds.
    pub time: i64,
}

/// How long an attempt is known, in milliseconds: longer than a pod repeats it.
pub(super) const ATTEMPT: i64 = 120_000;

/// The step of the limits.
pub trait LimitStore: Send + Sync {
    /// `{limit}`: counts what a pod let through, by [`tally`](oidc_protocol::limits::shared::tally); one bucket
    /// is named once. Returns for each when all that pods let through has had its time, in microseconds since
    /// 1970, or `None` if what is kept is of a clock that is far ahead of `now`. `attempt` is random; the same
    /// attempt within two minutes is counted once.
    fn share_limits<'a>(
        &'a self,
        used: &'a [Used],
        attempt: [u8; 16],
        now: Timestamp,
    ) -> Answer<'a, Vec<Option<i64>>>;
}
