//! What pods tell of uses: `{uses}`.

use jiff::Timestamp;
use oidc_crds::uses::{KEPT, SETTLED, Told};

use super::keys::uses_keys;
use super::script;
use super::{RedisStore, answer};
use crate::store::{Answer, Report, UseStore, seconds};

impl UseStore for RedisStore {
    fn report_uses<'a>(&'a self, report: Report<'a>, now: Timestamp) -> Answer<'a, bool> {
        let mut process = [0; 24];
        process[..16].copy_from_slice(&report.pod);
        process[16..].copy_from_slice(&report.process);
        let request = script::REPORT_USES
            .on(uses_keys(&report.tag))
            .number(now.as_second() + seconds(SETTLED.0) / 1_000)
            .number(seconds(KEPT.0))
            .bytes(process)
            .number(report.number)
            .number(report.since)
            .number(report.until)
            .number(report.ended);
        let request = report.uses.iter().fold(request, |request, (name, second)| {
            request.number(*second).bytes(*name)
        });
        Box::pin(self.ask("report_uses", request, answer::yes))
    }

    fn uses(&self, tag: [u8; 16], after: i64, now: Timestamp) -> Answer<'_, Option<Told>> {
        let request = script::USES
            .on(uses_keys(&tag))
            .number(now.as_second() - seconds(KEPT.0) / 1_000)
            .number(after);
        Box::pin(self.ask("uses", request, answer::uses))
    }
}
