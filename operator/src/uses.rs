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
use oidc_crds::client::{Client, grantee_of};
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
/// So many are woken before pods are asked again: what is known must not grow old meanwhile.
const MOST: usize = 1_000;
/// Uses this long before what is known already are asked for again.
const SLACK: i64 = 300;

/// What is known of uses.
#[derive(Default)]
pub(crate) struct Uses {
    state: Mutex<State>,
    /// One look at a time.
    looks: tokio::sync::Mutex<()>,
}

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
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is known of a client, also of one that is refused now.
    pub(crate) fn seen(&self, ring: &KeyRing, object: &OidcClient) -> Seen {
        self.with(|state| {
            let grantee = grantee_of(object).filter(|_| state.tag == tag(ring));
            let Some(grantee) = grantee else {
                return Seen::default();
            };
            let used = |id: &str| {
                let second = state.used.get(&use_name(ring, &grantee, id))?;
                Timestamp::from_second(*second).ok()
            };
            let listed = object.status.iter().flat_map(|status| &status.credentials);
            let listed = listed.map(|known| known.id.as_str());
            let registered = object.spec.registration.as_ref();
            let registered = registered.map(|registered| registered.id.as_str());
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
            if !wake(context).await {
                return Duration::ZERO;
            }
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

/// Asks the pods now; whether one answered. [`Uses::seen`] then tells what it said.
///
/// # Errors
/// Pods could not be listed, or none of those that were asked answered as it should.
pub(crate) async fn learn(context: &Context) -> Result<bool, Error> {
    // an older answer must not come after a newer one
    let _one = context.uses.looks.lock().await;
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

/// Wakes clients one after another, the most urgent first; whether those were all.
async fn wake(context: &Context) -> bool {
    let Some(material) = context.material() else {
        return true;
    };
    let due = context.index.due(|client, object| {
        let seen = context.uses.seen(&material.ring, object);
        urgency(client, object, &seen, now())
    });
    for key in due.iter().take(MOST) {
        context.index.wake(key);
        tokio::time::sleep(PACE).await;
    }
    due.len() <= MOST
}

/// Why a client is woken; the first is the most urgent.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// A replaced secret can retire.
    Retire,
    /// A use is to be noted that is later than this one, in seconds since 1970.
    Note(Option<i64>),
}

/// `None`: there is nothing to write.
pub(crate) fn urgency(client: &Client, object: &OidcClient, seen: &Seen, now: Timestamp) -> Option<Urgency> {
    let status = object.status.as_ref()?;
    if rotation::has_unused(client, &status.credentials, seen, now) {
        return Some(Urgency::Retire);
    }
    let of_credential = status.credentials.iter().any(|known| {
        let used = seen.credentials.get(&known.id).copied();
        to_note(known.last_used_at.as_ref(), used).is_some()
    });
    let is_due = of_credential || to_note(status.last_used_at.as_ref(), seen.client).is_some();
    let noted = status.last_used_at.as_ref().map(|at| at.0.as_second());
    is_due.then_some(Urgency::Note(noted))
}

#[cfg(test)]
mod tests {
    use oidc_crds::registration;
    use oidc_crds::secrets::installation::Installation;
    use oidc_crds::secrets::key_ring::KeyRingData;
    use oidc_crds::secrets::pepper::Pepper;
    use oidc_crds::uses::Run;
    use oidc_crds::validate::validate;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(NOW + second).expect("in range")
    }

    fn ring() -> KeyRing {
        KeyRing::new(KeyRingData::generate(at(0), &mut SystemRng))
    }

    /// A client with two secrets, the first of which retires; `noted`: its status's last use.
    fn client(noted: Option<i64>) -> (Client, OidcClient) {
        let time = |second| serde_json::to_value(Time(at(second))).expect("a time");
        let mut object: OidcClient = serde_json::from_value(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient",
            "metadata": {"name": "app", "namespace": "team-a", "uid": "u1", "creationTimestamp": time(-9000)},
            "spec": {"redirectUris": ["https://app.example.com/cb"], "rotation": {"retireUnused": "10m"}},
            "status": {"conditions": [], "credentials": [
                {"id": "old", "digest": "p:1", "createdAt": time(-9000), "retiresAt": time(9000)},
                {"id": "new", "digest": "p:2", "createdAt": time(-900)},
            ]},
        }))
        .expect("an OidcClient");
        if let Some(status) = &mut object.status {
            status.last_used_at = noted.map(|noted| Time(at(noted)));
        }
        let installation = Installation::standalone("https://login.example.com", false);
        let valid = validate(&object, &installation, None).expect("valid");
        (valid, object)
    }

    fn told(uses: &[(UseName, i64)]) -> Told {
        Told {
            kept_since: NOW - 5000,
            runs: vec![Run {
                pod: [1; 16],
                process: [1; 8],
                since: NOW - 5000,
                until: NOW - 10,
                ended: false,
            }],
            uses: uses.iter().map(|(name, second)| (*name, NOW + second)).collect(),
        }
    }

    #[test]
    fn what_is_told_is_known_of_each_client() {
        let (uses, ring, (_, mut object)) = (Uses::default(), ring(), client(None));
        assert_eq!(uses.seen(&ring, &object), Seen::default());
        assert_eq!(uses.after(&ring), 0);
        let name = |id| use_name(&ring, "u1", id);
        let first = told(&[
            (name("old"), -700),
            (name("new"), -50),
            (use_name(&ring, "u2", ""), -5),
        ]);
        assert_eq!(uses.take(&ring, &first, &[[1; 16]], at(0)), Some(at(-10)));
        assert_eq!(uses.after(&ring), NOW - 10 - SLACK);
        let seen = uses.seen(&ring, &object);
        let expected = [("old".to_owned(), at(-700)), ("new".to_owned(), at(-50))];
        assert_eq!(seen.credentials, expected.into());
        assert_eq!(seen.client, Some(at(-50)));
        // none becomes earlier, and a pod that has not told makes the rest unknown
        uses.take(&ring, &told(&[(name("new"), -60)]), &[[2; 16]], at(0));
        let seen = uses.seen(&ring, &object);
        assert_eq!((seen.client, seen.coverage), (Some(at(-50)), None));
        assert_eq!(uses.after(&ring), 0, "everything is asked for again");
        // names of another ring mean nothing
        let other = self::ring();
        assert_eq!(uses.seen(&other, &object), Seen::default());
        uses.take(&other, &told(&[]), &[[1; 16]], at(0));
        assert_eq!(uses.seen(&other, &object).client, None);
        // also of one that is refused, under an id of its own, that registered itself
        object.spec.client_id = Some("own".to_owned());
        let rng = &mut SystemRng;
        let pepper = Pepper::generate(at(0), rng);
        registration::register(&mut object, true, None, &pepper, rng);
        let id = object.spec.registration.as_ref().map(|known| known.id.clone());
        let of = |id: &str| use_name(&other, "u1 own", id);
        uses.take(
            &other,
            &told(&[(of(&id.unwrap_or_default()), -40)]),
            &[[1; 16]],
            at(0),
        );
        assert_eq!(uses.seen(&other, &object).client, Some(at(-40)));
        object.metadata.uid = None;
        assert_eq!(uses.seen(&other, &object), Seen::default());
    }

    #[test]
    fn retirements_go_first_and_then_who_waits_longest() {
        let uses = Uses::default();
        let ring = ring();
        let of = |noted: Option<i64>| {
            let (valid, object) = client(noted);
            urgency(&valid, &object, &uses.seen(&ring, &object), at(0))
        };
        assert_eq!(of(None), None);
        let name = |id| use_name(&ring, "u1", id);
        uses.take(&ring, &told(&[(name("old"), -500)]), &[[1; 16]], at(0));
        assert_eq!(of(None), Some(Urgency::Note(None)));
        assert_eq!(of(Some(-900)), Some(Urgency::Note(Some(NOW - 900))));
        let later = Uses::default();
        later.take(&ring, &told(&[(name("new"), -20)]), &[[1; 16]], at(0));
        let (valid, object) = client(None);
        let seen = later.seen(&ring, &object);
        assert_eq!(urgency(&valid, &object, &seen, at(0)), Some(Urgency::Retire));
        assert!(Urgency::Retire < Urgency::Note(None) && Urgency::Note(None) < Urgency::Note(Some(1)));
    }

    #[test]
    fn five_minutes_later_is_worth_a_note() {
        let noted = |seconds: i64| to_note(Some(&Time(at(0))), Some(at(seconds)));
        assert_eq!(noted(299), None);
        assert_eq!(noted(300), Some(Time(at(300))));
        assert_eq!(noted(-900), None);
        assert_eq!(to_note(None, Some(at(0))), Some(Time(at(0))));
        assert_eq!(to_note(Some(&Time(at(0))), None), None);
    }
}
