//! Which credential was used last when, and how much of that is known: pods count, the store gathers, the
//! operator asks a pod and judges. The judgement is here: [`Ledger::cover`] and [`Seen::is_unused`].
//!
//! A process of a provider counts uses by its own clock. Once a minute it reports what is new, and until when all
//! is reported; the last report before it ends says so. What is not known counts as a use:
//!
//! | what | what is not known |
//! |---|---|
//! | a pod that counts has not reported | everything |
//! | a pod that counts has reported until then | everything since then |
//! | a process ended without its last word | from its last report until the next process of its pod began, or until the operator first saw that the pod is gone |
//! | a process ended with its last word, but its pod still counts | the same: another process may serve already that has not reported |
//! | a pod is gone that never reported | everything before the operator saw that |
//! | the store was lost | everything before it was kept anew for a while ([`SETTLED`]) |
//! | a use is longer ago than [`KEPT`] | it |
//!
//! A process reports as soon as it has the key ring, before it is ready. Only one that never reaches the store is
//! missed: if this ledger does not see its pod while it runs, or if another follows it in a pod of which none had
//! reported.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use crate::names::Seconds;
use crate::seal::{KeyRing, Purpose};
use crate::time::later;

mod wire;

pub use wire::{Ask, open_answer, open_ask, seal_answer, seal_ask};

/// How long the store keeps a use that was not followed by another.
pub const KEPT: Seconds = Seconds(8 * 86400);

/// How often a process reports at least, while the store answers.
pub const REPORTED: Seconds = Seconds(60);

/// How long after its first report a store that was empty is believed: by then every process has told it again what
/// it knows, and one that has not is not there any more.
pub const SETTLED: Seconds = Seconds(2 * REPORTED.0);

/// The name of a client's credential in the store.
pub type UseName = [u8; 16];

/// The name of a pod in the store.
pub type PodName = [u8; 16];

/// The name of a credential of a client ([`grantee`](crate::client::Client::grantee)); an empty id is for what
/// proves itself without a secret of ours.
#[must_use]
pub fn use_name(ring: &KeyRing, grantee: &str, credential_id: &str) -> UseName {
    short(ring, &[b"use", grantee.as_bytes(), credential_id.as_bytes()])
}

/// The name of a pod, by its UID.
#[must_use]
pub fn pod_name(ring: &KeyRing, uid: &str) -> PodName {
    short(ring, &[b"pod of uses", uid.as_bytes()])
}

/// What tells the uses of this ring's names from those of another: names of a ring that was lost say nothing.
#[must_use]
pub fn tag(ring: &KeyRing) -> [u8; 16] {
    short(ring, &[b"uses"])
}

fn short(ring: &KeyRing, parts: &[&[u8]]) -> [u8; 16] {
    let mac = ring.stable_mac(Purpose::Name, parts);
    std::array::from_fn(|at| mac[at])
}

/// What a process of a pod has reported. Times are seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The pod.
    pub pod: PodName,
    /// Random; tells processes of one pod apart.
    pub process: [u8; 8],
    /// Since when it reports; not before it began.
    pub since: i64,
    /// Until when all uses are reported.
    pub until: i64,
    /// Whether it has ended, after a last report.
    pub ended: bool,
}

/// What the store tells. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Since when it can be believed ([`SETTLED`]).
    pub kept_since: i64,
    /// Every process that has reported.
    pub runs: Vec<Run>,
    /// The last use of each credential that was used since the time that was asked for.
    pub uses: Vec<(UseName, i64)>,
}

/// A stretch of time in which every use is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coverage {
    /// Its begin.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
}

/// What is known of the uses of one client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The last use of each credential that was used, by its id.
    pub credentials: BTreeMap<String, Timestamp>,
    /// The last use of the client.
    pub client: Option<Timestamp>,
    /// What the rest is known of; `None`: of nothing.
    pub coverage: Option<Coverage>,
}

impl Seen {
    /// Whether a credential is known to be unused. `noted` is a use of it that was known before. When in doubt, it
    /// was used.
    #[must_use]
    pub fn is_unused(&self, id: &str, noted: Option<Timestamp>, unused: Unused) -> bool {
        is_unused(
            self.credentials.get(id).copied().max(noted),
            unused,
            self.coverage,
        )
    }

    /// The same of the client itself: no credential of it was used, nor anything else that it proves itself with.
    #[must_use]
    pub fn is_client_unused(&self, noted: Option<Timestamp>, unused: Unused) -> bool {
        is_unused(self.client.max(noted), unused, self.coverage)
    }
}

/// What is asked: whether something was not used for a length of time.
#[derive(Debug, Clone, Copy)]
pub struct Unused {
    /// Only the time since then counts.
    pub since: Timestamp,
    /// The length.
    pub length: Seconds,
    /// The present time: what is known must not be older than some minutes.
    pub now: Timestamp,
}

/// What is known is not older, in seconds: reports and questions come once a minute.
pub(crate) const RECENT: Seconds = Seconds(300);

fn is_unused(used: Option<Timestamp>, unused: Unused, coverage: Option<Coverage>) -> bool {
    let Some(coverage) = coverage.filter(|known| later(known.to, RECENT) >= unused.now) else {
        return false;
    };
    // a use in a second is noted as its begin
    let after_use = used.map_or(Timestamp::MIN, |used| later(used, Seconds(1)));
    let begin = unused.since.max(coverage.from).max(after_use);
    later(begin, unused.length) <= coverage.to
}

/// What whoever looks at the reports must remember between two looks.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Processes without a last word whose pod is gone, and when that was seen first.
    gone: HashMap<(PodName, [u8; 8]), i64>,
    /// Processes with a last word that none had followed at a look, though their pod still counted: one may have
    /// begun that never reports.
    followed: HashSet<(PodName, [u8; 8])>,
    /// Pods that counted at the last look.
    counted: HashSet<PodName>,
    /// When one of them was seen to be gone of which the store knows nothing.
    missed: i64,
}

impl Ledger {
    /// In which time every use is known, up to `now`, given what was told and which pods count now: those that may
    /// serve. `None`: in none.
    pub fn cover(&mut self, told: &Told, counted: &[PodName], now: Timestamp) -> Option<Coverage> {
        let now = now.as_second();
        let mut by_pod: HashMap<PodName, Vec<&Run>> = HashMap::new();
        for run in &told.runs {
            by_pod.entry(run.pod).or_default().push(run);
        }
        let counted: HashSet<PodName> = counted.iter().copied().collect();
        let is_known = |pod: &PodName| by_pod.contains_key(pod);
        if !self
            .counted
            .iter()
            .all(|pod| is_known(pod) || counted.contains(pod))
        {
            self.missed = now;
        }
        let all_reported = counted.iter().all(is_known);

        let (mut from, mut to) = (told.kept_since.max(self.missed), now);
        let (mut gone, mut followed) = (HashMap::new(), HashSet::new());
        for (pod, runs) in &mut by_pod {
            runs.sort_by_key(|run| (run.since, run.until));
            let is_counted = counted.contains(pod);
            for (at, run) in runs.iter().enumerate() {
                let name = (run.pod, run.process);
                let next = runs.get(at + 1);
                if run.ended && ((next.is_none() && is_counted) || self.followed.contains(&name)) {
                    followed.insert(name);
                } else if run.ended {
                    continue;
                }
                match next {
                    Some(next) => from = from.max(next.since.min(now)),
                    None if is_counted => to = to.min(run.until),
                    None => {
                        let seen = self.gone.get(&name).copied().unwrap_or(now);
                        gone.insert(name, seen);
                        from = from.max(seen);
                    }
                }
            }
        }
        (self.gone, self.followed, self.counted) = (gone, followed, counted);
        let kept = i64::try_from(KEPT.0).unwrap_or(i64::MAX);
        // what is not known may have been in that very second
        let from = from.max(now.saturating_sub(kept)).saturating_add(1);
        let at = |second| Timestamp::from_second(second).ok();
        let coverage = Coverage {
            from: at(from)?,
            to: at(to)?,
        };
        (all_reported && from < to).then_some(coverage)
    }
}

#[cfg(test)]
mod tests;
