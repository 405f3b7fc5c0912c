//! What pods tell of uses; one process tells itself.

use std::collections::HashMap;

use jiff::Timestamp;
use oidc_crds::uses::{KEPT, PodName, Run, SETTLED, Told, UseName};

use super::MemoryStore;
use crate::store::{Answer, Report, UseStore, seconds};

/// What is kept under a tag; times are seconds.
#[derive(Default)]
pub(super) struct LastUses {
    /// Since when it can be believed.
    since: i64,
    runs: HashMap<(PodName, [u8; 8]), (u32, Run)>,
    used: HashMap<UseName, i64>,
}

fn whole(length: oidc_crds::names::Seconds) -> i64 {
    seconds(length.0) / 1_000
}

impl UseStore for MemoryStore {
    fn report_uses<'a>(&'a self, report: Report<'a>, now: Timestamp) -> Answer<'a, bool> {
        self.step(now, move |state, _| {
            let new = || LastUses {
                since: now.as_second() + whole(SETTLED),
                ..LastUses::default()
            };
            let name = (report.pod, report.process);
            let kept = state.last_uses.get(&report.tag);
            let before = kept
                .and_then(|kept| kept.runs.get(&name))
                .map(|(number, _)| *number);
            let follows =
                |before: u32| before == report.number || before.checked_add(1) == Some(report.number);
            if report.number > 0 && !before.is_some_and(follows) {
                return false;
            }
            let kept = state.last_uses.entry(report.tag).or_insert_with(new);
            for (name, second) in report.uses {
                let used = kept.used.entry(*name).or_insert(*second);
                *used = (*second).max(*used);
            }
            let run = Run {
                pod: report.pod,
                process: report.process,
                since: report.since,
                until: report.until,
                ended: report.ended,
            };
            kept.runs.insert(name, (report.number, run));
            true
        })
    }

    fn uses(&self, tag: [u8; 16], after: i64, now: Timestamp) -> Answer<'_, Option<Told>> {
        self.step(now, move |state, _| {
            let kept = state.last_uses.get_mut(&tag)?;
            let forgotten = now.as_second() - whole(KEPT);
            kept.used.retain(|_, second| *second > forgotten);
            kept.runs.retain(|_, (_, run)| run.until > forgotten);
            let uses = kept.used.iter().filter(|(_, second)| **second >= after);
            Some(Told {
                kept_since: kept.since,
                runs: kept.runs.values().map(|(_, run)| *run).collect(),
                uses: uses.map(|(name, second)| (*name, *second)).collect(),
            })
        })
    }
}
