//! Once a second, beside the requests, a pod tells the store what it let through and is told what all pods did
//! (see [`shared`](oidc_protocol::limits::shared)). Whatever goes wrong with it, the pod keeps to its share.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oidc_crds::rng::SystemRng;
use oidc_crds::seal::{KeyRing, Purpose};
use oidc_protocol::limits::shared::Share;
use rand_core::{CryptoRng, Rng};
use tracing::{info, warn};

use super::Buckets;
use crate::app::App;
use crate::store::{Shared, Used};

/// The longest time between two exchanges; the shortest is three quarters of it, so that pods do not march in
/// step.
const PERIOD: Duration = Duration::from_secs(1);
/// So many buckets at most are told of in an exchange, the busiest; the pod keeps to its share of the others.
const MOST: usize = 1_000;
/// What was let through so long ago has had its time.
const STALE: SignedDuration = SignedDuration::from_secs(60);

/// What is told in one exchange, and told again until it is answered.
struct Batch {
    /// The store counts it once.
    attempt: [u8; 16],
    gathered: Timestamp,
    used: Vec<Used>,
}

/// Tells and is told.
#[derive(Default)]
pub struct Exchange {
    pending: Option<Batch>,
    failing: bool,
}

/// Goes on for as long as it is polled.
pub async fn run(app: Arc<App>) {
    let mut exchange = Exchange::default();
    loop {
        let jitter = PERIOD.as_millis() as u32 / 4;
        let early = Duration::from_millis((SystemRng.next_u32() % jitter).into());
        tokio::time::sleep(PERIOD.saturating_sub(early)).await;
        exchange.step(&app, &mut SystemRng).await;
    }
}

impl Exchange {
    /// One exchange: no round trip if there is nothing to tell, or no other pod.
    pub async fn step(&mut self, app: &App, rng: &mut impl CryptoRng) {
        let Some(ring) = app.ring.load_full() else {
            return;
        };
        let key = names(&ring);
        let now = app.clock.now();
        let is_new =
            [Shared::TokenPerClient, Shared::RequestsPerAddress].map(|which| buckets(app, which).agree(key));
        let stale = |batch: &Batch| now.duration_since(batch.gathered) > STALE;
        if pods(app) == 1 || is_new.contains(&true) || self.pending.as_ref().is_some_and(stale) {
            // this pod knows all there is; or nobody can make sense of it any more
            self.pending = None;
            drop(gather(app));
            return;
        }
        let batch = match self.pending.take() {
            Some(batch) => batch,
            None => {
                let mut attempt = [0; 16];
                rng.fill_bytes(&mut attempt);
                Batch {
                    attempt,
                    gathered: now,
                    used: gather(app),
                }
            }
        };
        if batch.used.is_empty() {
            return;
        }
        match app.store.share_limits(&batch.used, batch.attempt, now).await {
            Ok(told) => {
                correct(app, &batch, &told);
                if std::mem::take(&mut self.failing) {
                    info!("pods correct each other's shares of the limits again");
                }
            }
            Err(error) => {
                app.metrics.limit_exchange_failed();
                if !std::mem::replace(&mut self.failing, true) {
                    warn!(%error, "this pod keeps to its share of the limits until the store takes what it tells");
                }
                self.pending = Some(batch);
            }
        }
    }
}

/// What the pods of an installation know, and nobody else.
fn names(ring: &KeyRing) -> [u64; 2] {
    let mac = ring.stable_mac(Purpose::Name, &[b"limits"]);
    let part = |at: usize| u64::from_be_bytes(std::array::from_fn(|byte| mac[at + byte]));
    [part(0), part(8)]
}

fn pods(app: &App) -> u32 {
    app.pods.count(app.installation.load().limits.pods)
}

fn buckets(app: &App, which: Shared) -> &Buckets {
    match which {
        Shared::TokenPerClient => &app.client_requests,
        Shared::RequestsPerAddress => &app.address_requests,
    }
}

fn share(app: &App, which: Shared) -> Option<Share> {
    let limits = &app.installation.load().limits;
    let per_minute = match which {
        Shared::TokenPerClient => limits.token_per_client,
        Shared::RequestsPerAddress => limits.requests_per_address,
    };
    app.pods.share(per_minute, limits.pods)
}

/// What was let through since the last time, the busiest buckets first.
fn gather(app: &App) -> Vec<Used> {
    let mut all = Vec::new();
    for which in [Shared::TokenPerClient, Shared::RequestsPerAddress] {
        let used = buckets(app, which).used();
        let Some(share) = share(app, which) else { continue };
        all.extend(used.into_iter().map(|(bucket, requests)| Used {
            which,
            bucket,
            time: share.cost(requests),
        }));
    }
    all.sort_unstable_by_key(|used| Reverse(used.time));
    all.truncate(MOST);
    all
}

fn correct(app: &App, batch: &Batch, told: &[Option<i64>]) {
    let gathered = batch.gathered.as_microsecond();
    for (used, told) in batch.used.iter().zip(told) {
        if let (Some(told), Some(share)) = (told, share(app, used.which)) {
            buckets(app, used.which).correct(used.bucket, |since| share.corrected(*told, gathered, since));
        }
    }
}
