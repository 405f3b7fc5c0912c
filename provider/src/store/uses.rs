//! What pods tell of uses of credentials: in `{uses}`. The names are [HMACs](oidc_crds::uses).

use jiff::Timestamp;
use oidc_crds::uses::{PodName, Told, UseName};

use super::Answer;

/// What a process tells; times are seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// Of which ring the names are.
    pub tag: [u8; 16],
    /// Its pod.
    pub pod: PodName,
    /// Random; tells processes of one pod apart.
    pub process: [u8; 8],
    /// Counts its reports; 0 begins anew, with all that it knows.
    pub number: u32,
    /// Since when it reports; not before it began.
    pub since: i64,
    /// Until when all uses are in reports with this one and those before.
    pub until: i64,
    /// Whether it is about to end, and uses nothing any more.
    pub ended: bool,
    /// Credentials that were used, and when last.
    pub uses: &'a [(UseName, i64)],
}

/// The steps of uses.
pub trait UseStore: Send + Sync {
    /// `{uses}`: notes uses, none earlier than what is noted, and until when the process has reported; keeps them
    /// for [`KEPT`](oidc_crds::uses::KEPT). `false`, and nothing is noted: the report before this one is not there
    /// (any more). The same report twice is like once.
    fn report_uses<'a>(&'a self, report: Report<'a>, now: Timestamp) -> Answer<'a, bool>;

    /// `{uses}`: what all processes reported under a tag; of the uses those at or after the second `after`.
    /// `None`: nothing.
    fn uses(&self, tag: [u8; 16], after: i64, now: Timestamp) -> Answer<'_, Option<Told>>;
}
