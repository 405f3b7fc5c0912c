//! When clients and their credentials were used last. Once a minute, while this process leads, it asks a provider
//! pod what all pods told the store, and wakes the clients whose status is to be noted or that have a replaced
//! secret to retire early. A use is noted when it is five minutes later than the one that status has: an idle
//! client is never written, and a busy one once in five minutes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use oidc_crds::client::Client;
use oidc_crds::resources::OidcClient;
use oidc_crds::rng::SystemRng;
use oidc_crds::rotation;
use oidc_crds::seal::KeyRing;
use oidc_crds::uses::{Coverage, KEPT, Ledger, PodName, Seen, Told, UseName, pod_name, tag, use_name};
use rand_core::Rng;
use tokio_util::sync::CancellationToken;

use crate::context::{Context, now};
use crate::execute::Error;
use crate::signing_key::pods;

mod ask;

/// How often pods are asked; less by up to a quarter.
const EVERY: Duration = Duration::from_secs(60);
/// How soon again when no pod answered.
const AGAIN: Duration = Duration::from_secs(15);
/// A use is noted if it is so much later than the one that was noted.
const NOTED: SignedDuration = SignedDuration::from_mins(5);
/// Between two clients that are woken: so many busy ones make no storm of writes.
const PACE: Duration = Duration::from_millis(50);
/// Uses this long before what is known already are asked for again.
const SLACK: i64 = 300;

/// What is known of uses.
#[derive(Default)]
pub(crate) struct Uses(Mutex<State>);

#[derive(Default)]
struct State {
    /// Of which ring the names are.
    tag: [u8; 16],
    /// In seconds since 1970.
    used: HashMap<UseName, i64>,
    ledger: Ledger,
    coverage: Option<Coverage>,
    /// Whether the last look failed.
    failing: bool,
}

impl Uses {
    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is known of a client.
    pub(crate) fn seen(&self, ring: &KeyRing, client: &Client, object: &OidcClient) -> Seen {
        self.with(|state| {
            if state.tag != tag(ring) {
                return Seen::default();
            }
            let used = |id: &str| {
                let second = state.used.get(&use_name(ring, client.grantee(), id))?;
                Timestamp::from_second(*second).ok()
            };
            let listed = object.status.iter().flat_map(|status| &status.credentials);
            let listed = listed.map(|known| known.id.as_str());
            let registered = client.registration().map(|registered| registered.id.as_str());
            let ids = listed.chain(registered);
            let credentials = ids.filter_map(|id| Some((id.to_owned(), used(id)?)));
            let credentials: std::collections::BTreeMap<_, _> = credentials.collect();
            Seen {
                client: credentials.values().copied().max().max(used("")),
                credentials,
                coverage: state.coverage,
            }
        })
    }

    /// Notes whether a look failed; whether the one before did.
    fn fails(&self, now: bool) -> bool {
        self.with(|state| std::mem::replace(&mut state.failing, now))
    }

    /// From when on uses are to be asked for, in seconds.
    fn after(&self, ring: &KeyRing) -> i64 {
        self.with(|state| {
            let known = state.coverage.filter(|_| state.tag == tag(ring));
            known.map_or(0, |known| known.to.as_second() - SLACK)
        })
    }

    /// Takes what was told, given which pods count; how far everything is known.
    fn take(&self, ring: &KeyRing, told: &Told, counted: &[PodName], now: Timestamp) -> Option<Timestamp> {
        self.with(|state| {
            if state.tag != tag(ring) {
                *state = State {
                    tag: tag(ring),
                    failing: state.failing,
                    ..State::default()
                };
            }
            for (name, second) in &told.uses {
                let used = state.used.entry(*name).or_insert(*second);
                *used = (*used).max(*second);
            }
            let kept = i64::try_from(KEPT.0).unwrap_or(i64::MAX);
            let forgotten = now.as_second().saturating_sub(kept);
            state.used.retain(|_, second| *second > forgotten);
            state.coverage = state.ledger.cover(told, counted, now);
            state.coverage.map(|coverage| coverage.to)
        })
    }
}

/// What a status is to say, if that differs from what it says.
pub(crate) fn to_note(noted: Option<&Time>, known: Option<Timestamp>) -> Option<Time> {
    let known = known?;
    let is_news = noted.is_none_or(|noted| known.duration_since(noted.0) >= NOTED);
    is_news.then_some(Time(known))
}

/// Asks and wakes until `stop`.
pub(crate) async fn run(context: &Context, stop: &CancellationToken) {
    context.index.synced().await;
    loop {
        let pause = tokio::select! {
            () = stop.cancelled() => return,
            pause = look(context) => pause,
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One look; how long until the next.
async fn look(context: &Context) -> Duration {
    match learn(context).await {
        Ok(true) => {
            if context.uses.fails(false) {
                tracing::info!("pods tell again which credentials were used");
            }
            wake(context).await;
            let quarter = EVERY.as_millis() as u32 / 4;
            EVERY.saturating_sub(Duration::from_millis((SystemRng.next_u32() % quarter).into()))
        }
        Ok(false) => AGAIN,
        Err(error) => {
            if !context.uses.fails(true) {
                tracing::warn!(%error, "no pod tells which credentials were used; the next is asked soon");
            }
            AGAIN
        }
    }
}

/// Whether a pod answered.
async fn learn(context: &Context) -> Result<bool, Error> {
    let Some(material) = context.material() else {
        return Ok(false);
    };
    let ring = &material.ring;
    let counted = pods::counted(context).await?;
    let names: Vec<PodName> = counted
        .iter()
        .filter_map(|pod| Some(pod_name(ring, &pod.uid()?)))
        .collect();
    // should none answer, what was known stays known, and nothing is added to it
    let asked = ask::any(&counted, ring, context.uses.after(ring)).await;
    let Some(told) = asked.map_err(Error::Unusable)? else {
        return Ok(false);
    };
    let known = context.uses.take(ring, &told, &names, now());
    if let Some(known) = known {
        context.metrics.uses_known(known.as_second());
    }
    Ok(true)
}

/// Wakes clients one after another.
async fn wake(context: &Context) {
    let Some(material) = context.material() else {
        return;
    };
    let due = context.index.due(|client, object| {
        let seen = context.uses.seen(&material.ring, client, object);
        is_due(client, object, &seen, now())
    });
    for key in due {
        context.index.wake(&key);
        tokio::time::sleep(PACE).await;
    }
}

/// Whether there is something to write.
fn is_due(client: &Client, object: &OidcClient, seen: &Seen, now: Timestamp) -> bool {
    let Some(status) = &object.status else {
        return false;
    };
    let of_credential = status.credentials.iter().any(|known| {
        let used = seen.credentials.get(&known.id).copied();
        to_note(known.last_used_at.as_ref(), used).is_some()
    });
    of_credential
        || to_note(status.last_used_at.as_ref(), seen.client).is_some()
        || rotation::has_unused(client, &status.credentials, seen, now)
}
