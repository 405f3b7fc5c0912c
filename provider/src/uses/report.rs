//! Once a minute a process tells the store which credentials were used since, and until when it has told all; at
//! its end once more, as its last word. What is lost on the way is told again, all of it: the store takes a report
//! only after the one before.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use oidc_crds::rng::SystemRng;
use oidc_crds::seal::KeyRing;
use oidc_crds::uses::{REPORTED, pod_name, tag, use_name};
use rand_core::Rng;
use tokio::time::sleep;
use tracing::{info, warn};

use super::Use;
use crate::app::App;
use crate::store::{Report, StoreError};

/// So many uses at most in one step of the store, so that it is not held up.
const MOST: usize = 500;
/// A request notes its use this long after it looked at its clock, at most; in seconds.
const LATE: i64 = 5;
/// How often is looked whether there is a key ring.
const EAGER: Duration = Duration::from_millis(100);
/// How long the last word may take.
const LAST: Duration = Duration::from_secs(2);

/// What a process remembers of its reports.
pub struct Reporter {
    process: [u8; 8],
    begun: Option<Chain>,
    /// When it first had something to report to, in seconds.
    since: Option<i64>,
    ended: bool,
    failing: bool,
}

/// Reports that the store took, one after another.
struct Chain {
    tag: [u8; 16],
    number: u32,
    /// Until when all uses were told, in seconds.
    until: i64,
}

impl Default for Reporter {
    fn default() -> Self {
        let mut process = [0; 8];
        SystemRng.fill_bytes(&mut process);
        Self {
            process,
            begun: None,
            since: None,
            ended: false,
            failing: false,
        }
    }
}

/// Goes on for as long as it is polled.
pub async fn run(app: Arc<App>) {
    while app.ring.load().is_none() {
        sleep(EAGER).await;
    }
    loop {
        report(&app, false).await;
        let period = Duration::from_secs(REPORTED.0);
        let jitter = period.as_millis() as u32 / 4;
        let early = Duration::from_millis((SystemRng.next_u32() % jitter).into());
        sleep(period.saturating_sub(early)).await;
    }
}

/// At the end of the process: `drained` if no request can come or go on any more.
pub async fn last_word(app: &App, drained: bool) {
    let _ = tokio::time::timeout(LAST, report(app, drained)).await;
}

/// One report; whether the store knows now all that this process does.
pub async fn report(app: &App, last: bool) -> bool {
    let mut reporter = app.uses.reporter.lock().await;
    let (Some(ring), Some(pod), false) = (app.ring.load_full(), app.uses.pod(), reporter.ended) else {
        return false;
    };
    let now = app.clock.now();
    let told = reporter.tell(app, &ring, pod, last, now).await;
    match &told {
        Ok(()) => {
            app.metrics.uses_reported(now.as_second());
            app.uses.keep(|grantee, credential| {
                let client = app.clients.by_grantee(grantee);
                client.is_some_and(|client| {
                    credential.is_empty() || client.credentials().iter().any(|known| known.id == credential)
                })
            });
            reporter.ended = last;
            if std::mem::take(&mut reporter.failing) {
                info!("the store takes what clients used again");
            }
        }
        Err(error) => {
            if !std::mem::replace(&mut reporter.failing, true) {
                warn!(%error, "the store does not take which credentials clients used; it is told later");
            }
        }
    }
    told.is_ok()
}

impl Reporter {
    async fn tell(
        &mut self,
        app: &App,
        ring: &KeyRing,
        pod: &str,
        last: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let tag = tag(ring);
        let since = *self.since.get_or_insert(now.as_second());
        // under another ring nothing was told
        if self.begun.as_ref().is_some_and(|chain| chain.tag != tag) {
            self.begun = None;
        }
        let until = if last {
            now.as_second()
        } else {
            (now.as_second() - LATE).max(since)
        };
        for _ in 0..2 {
            let uses = app.uses.untold(self.begun.is_none());
            let names: Vec<_> = uses
                .iter()
                .map(|told| (use_name(ring, &told.grantee, &told.credential), told.second))
                .collect();
            let pieces = names.chunks(MOST).collect::<Vec<_>>();
            let count = pieces.len().max(1);
            let mut taken = true;
            for at in 0..count {
                let is_last_piece = at + 1 == count;
                let (number, before) = match &self.begun {
                    None => (0, since),
                    Some(chain) => (chain.number.saturating_add(1), chain.until),
                };
                let report = Report {
                    tag,
                    pod: pod_name(ring, pod),
                    process: self.process,
                    number,
                    since,
                    until: if is_last_piece { until.max(before) } else { before },
                    ended: last && is_last_piece,
                    uses: pieces.get(at).copied().unwrap_or_default(),
                };
                taken = app.store.report_uses(report, now).await?;
                if !taken {
                    self.begun = None;
                    break;
                }
                self.begun = Some(Chain {
                    tag,
                    number,
                    until: report.until,
                });
                app.uses.told(piece(&uses, at));
            }
            if taken {
                return Ok(());
            }
        }
        Err(StoreError("it loses what it was told".to_owned()))
    }
}

/// The uses of a step.
fn piece(uses: &[Use], at: usize) -> &[Use] {
    uses.chunks(MOST).nth(at).unwrap_or_default()
}
