//! What the provider pods say of the key set: each acknowledges it in a Lease of its own, named after the
//! pod and owned by it. The watches only wake the reconcile; it counts by lists of its own, so a watch that
//! lags behind hides no pod from it.
//!
//! | counts | |
//! |---|---|
//! | has a Lease | also if it is unready or about to end: it may sign until it is gone |
//! | is Ready, without a Lease | blocks: it gets requests, and nobody knows what it signs with |
//! | neither | no: it has not served yet, and will read the set that is there then |
//! | has ended (`Succeeded`, `Failed`) | no: its containers do not run and never will |
//!
//! A Lease without its pod is nobody's word; the garbage collector removes it. But what a pod handed out before
//! it went lives on in caches: [`Departures`] remembers when the last one went that served an older set.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use kube::{Resource, ResourceExt};
use kube_runtime::watcher::Event;
use oidc_crds::names::{ANNOTATION_KEY_SET, Seconds, provider_labels};
use oidc_crds::schedule::Acknowledgements;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::execute::Error;
use crate::watches;

/// What was said.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fleet {
    /// By whom, and what; when caches expire is not known yet.
    pub(super) acknowledgements: Acknowledgements,
    /// The same by the pods' UIDs.
    words: BTreeMap<String, Option<String>>,
    /// When a pod that counts last changed its word.
    changed: Option<Timestamp>,
    /// Whether any Lease names a key set, so that there was one.
    pub(super) knows_a_set: bool,
}

impl Fleet {
    /// With the time at which verifiers hold nothing any more that a pod handed out before it changed its word,
    /// or before it went (`departed`). `cache`: how long they may hold a JWKS, with a margin.
    pub(super) fn with_caches(self, departed: Option<Timestamp>, cache: Seconds) -> Acknowledgements {
        let last = self.changed.max(departed);
        Acknowledgements {
            caches_expire: last.and_then(|at| at.checked_add(cache.span()).ok()),
            ..self.acknowledgements
        }
    }
}

/// When the last pod went that had not acknowledged the set: until then it may have handed out an older JWKS.
#[derive(Debug, Default)]
pub(super) struct Departures {
    /// What each pod had said when they were last counted, by UID.
    known: Option<BTreeMap<String, Option<String>>>,
    last: Option<Timestamp>,
}

impl Departures {
    /// Looks who is gone. `word` acknowledges the set as it is. Who went before the first look nobody knows:
    /// one may have gone right before it.
    pub(super) fn look(&mut self, fleet: &Fleet, word: Option<&str>, now: Timestamp) -> Option<Timestamp> {
        let is_gone = match &self.known {
            None => true,
            Some(known) => known
                .iter()
                .any(|(uid, said)| !fleet.words.contains_key(uid) && said.as_deref() != word),
        };
        self.known = Some(fleet.words.clone());
        // The clock may have been set back since.
        let last = self.last.map(|last| last.min(now));
        self.last = if is_gone { Some(now) } else { last };
        self.last
    }
}

/// What there is now, from the API server's store, not from a cache.
pub(super) async fn read(context: &Context) -> Result<Fleet, Error> {
    let (pods, leases) = lists(context).await?;
    Ok(count(&pods, &leases))
}

/// The pods that count: those that may serve.
pub(crate) async fn counted(context: &Context) -> Result<Vec<Pod>, Error> {
    let (pods, leases) = lists(context).await?;
    let counts = |pod: &Pod| !has_ended(pod) && (lease_of(pod, &leases).is_some() || is_ready(pod));
    Ok(pods.into_iter().filter(counts).collect())
}

async fn lists(context: &Context) -> Result<(Vec<Pod>, Vec<Lease>), Error> {
    let parameters = ListParams::default().labels(&selector(context));
    let (pods, leases): (Api<Pod>, Api<Lease>) = (api(context), api(context));
    let pods = async {
        let listed = pods.list(&parameters).await;
        listed.map_err(Error::api("list the provider's pods"))
    };
    let leases = async {
        let listed = leases.list(&parameters).await;
        listed.map_err(Error::api("list the Leases of the provider's pods"))
    };
    let (pods, leases) = tokio::try_join!(pods, leases)?;
    Ok((pods.items, leases.items))
}

/// Wakes the reconcile when pods or their Leases change in what counts, until `stop`.
pub(super) async fn watch(context: &Context, stop: &CancellationToken) {
    tokio::join!(
        wake(context, stop, "Pod", |pod: &Pod| {
            (pod.uid(), is_ready(pod), has_ended(pod))
        }),
        wake(context, stop, "Lease", |lease: &Lease| {
            (owner(lease).map(str::to_owned), word(lease).map(str::to_owned))
        }),
    );
}

async fn wake<K, T>(
    context: &Context,
    stop: &CancellationToken,
    kind: &'static str,
    what_counts: impl Fn(&K) -> T,
) where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    K: Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
    T: PartialEq,
{
    let mut known: HashMap<String, T> = HashMap::new();
    let on = |event: Event<K>| {
        let is_news = match event {
            Event::Init => {
                known.clear();
                false
            }
            Event::InitDone => true,
            Event::InitApply(object) => {
                known.insert(object.name_any(), what_counts(&object));
                false
            }
            Event::Apply(object) => {
                let counts = what_counts(&object);
                let before = known.get(&object.name_any());
                let is_news = before != Some(&counts);
                known.insert(object.name_any(), counts);
                is_news
            }
            Event::Delete(object) => {
                known.remove(&object.name_any());
                true
            }
        };
        if is_news {
            context.wake_signing_keys.notify_one();
        }
    };
    let config = watches::config().labels(&selector(context));
    watches::wake_on(api(context), config, kind, context, stop, on).await;
}

fn api<K>(context: &Context) -> Api<K>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(context.client.clone(), &context.names.namespace)
}

fn selector(context: &Context) -> String {
    provider_labels(&context.names.release)
        .map(|(name, value)| format!("{name}={value}"))
        .join(",")
}

/// The Lease of a pod, by name and owner.
fn lease_of<'a>(pod: &Pod, leases: &'a [Lease]) -> Option<&'a Lease> {
    let is_its =
        |lease: &&Lease| lease.name_any() == pod.name_any() && owner(lease) == pod.metadata.uid.as_deref();
    leases.iter().find(is_its)
}

fn count(pods: &[Pod], leases: &[Lease]) -> Fleet {
    let lease_of = |pod: &Pod| lease_of(pod, leases);
    let counted = pods
        .iter()
        .filter(|pod| !has_ended(pod))
        .filter_map(|pod| match lease_of(pod) {
            Some(lease) => Some((pod, word(lease).map(str::to_owned))),
            None => is_ready(pod).then_some((pod, None)),
        });
    let counted: Vec<(&Pod, Option<String>)> = counted.collect();
    let mut named: Vec<_> = counted
        .iter()
        .map(|(pod, said)| (pod.name_any(), said.clone()))
        .collect();
    named.sort();
    let changed = pods.iter().filter(|pod| !has_ended(pod)).filter_map(lease_of);
    let changed = changed.filter_map(changed_at).max();
    Fleet {
        acknowledgements: Acknowledgements {
            pods: named,
            caches_expire: None,
        },
        words: counted
            .into_iter()
            .map(|(pod, said)| (pod.uid().unwrap_or_default(), said))
            .collect(),
        changed,
        knows_a_set: leases.iter().any(|lease| word(lease).is_some()),
    }
}

/// When a pod last changed its word, by the API server's clock. A pod that has said one thing only served
/// nothing else: it makes its Lease before it is ready.
fn changed_at(lease: &Lease) -> Option<Timestamp> {
    let managers = lease.metadata.managed_fields.as_ref()?;
    let times = managers.iter().filter_map(|manager| manager.time.as_ref());
    let last = times.map(|time| time.0).max()?;
    let made = lease.metadata.creation_timestamp.as_ref().map(|time| time.0);
    (made != Some(last)).then_some(last)
}

fn word(lease: &Lease) -> Option<&str> {
    lease.annotations().get(ANNOTATION_KEY_SET).map(String::as_str)
}

/// The UID of the pod that a Lease is of.
fn owner(lease: &Lease) -> Option<&str> {
    let owners = lease.owner_references();
    let pod = owners.iter().find(|owner| owner.kind == "Pod");
    pod.map(|owner| owner.uid.as_str())
}

/// Whether a pod gets requests.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, ready: bool, more: serde_json::Value) -> Pod {
        let ready = if ready { "True" } else { "False" };
        let mut pod = json!({
            "metadata": {"name": name, "uid": format!("uid-{name}")},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
        });
        for (pointer, value) in more.as_object().expect("an object") {
            pod[pointer.split_once('.').expect("two parts").0]
                [pointer.split_once('.').expect("two parts").1] = value.clone();
        }
        serde_json::from_value(pod).expect("a Pod")
    }

    fn lease(name: &str, uid: &str, word: Option<&str>) -> Lease {
        let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid});
        let mut lease = json!({"metadata": {"name": name, "ownerReferences": [owner]}});
        if let Some(word) = word {
            lease["metadata"]["annotations"] = json!({ANNOTATION_KEY_SET: word});
        }
        serde_json::from_value(lease).expect("a Lease")
    }

    fn counted(pods: &[Pod], leases: &[Lease]) -> Vec<(String, Option<String>)> {
        count(pods, leases).acknowledgements.pods
    }

    fn said(name: &str, word: Option<&str>) -> (String, Option<String>) {
        (name.to_owned(), word.map(str::to_owned))
    }

    #[test]
    fn i3_counted_is_who_has_a_lease_or_is_ready() {
        let pods = [
            pod("d", false, json!({})),
            pod("c", true, json!({})),
            pod(
                "b",
                false,
                json!({"metadata.deletionTimestamp": "2026-11-25T09:00:00Z"}),
            ),
            pod("a", true, json!({})),
        ];
        let leases = [
            lease("a", "uid-a", Some("7-00")),
            lease("b", "uid-b", Some("6-00")),
            lease("gone", "uid-gone", Some("5-00")),
        ];
        assert_eq!(
            counted(&pods, &leases),
            [said("a", Some("7-00")), said("b", Some("6-00")), said("c", None)]
        );
    }

    #[test]
    fn i3_a_lease_is_the_word_of_the_pod_that_owns_it() {
        let pods = [pod("a", false, json!({})), pod("b", true, json!({}))];
        // Of namesakes that were there before.
        let leases = [
            lease("a", "uid-old", Some("7-00")),
            lease("b", "uid-old", Some("7-00")),
        ];
        assert_eq!(counted(&pods, &leases), [said("b", None)]);
        let nothing_said = [lease("a", "uid-a", None)];
        assert_eq!(counted(&pods, &nothing_said), [said("a", None), said("b", None)]);
    }

    #[test]
    fn i3_caches_of_a_pod_that_changed_its_word_late_are_waited_for() {
        let said_at = |name: &str, made: &str, changed: &str| {
            let mut lease = lease(name, &format!("uid-{name}"), Some("7-00"));
            let fields = json!([{"manager": "oidc-provider", "operation": "Apply", "time": changed}]);
            lease.metadata.managed_fields = serde_json::from_value(fields).expect("managed fields");
            lease.metadata.creation_timestamp = serde_json::from_value(json!(made)).expect("a time");
            lease
        };
        let pods = [pod("a", true, json!({})), pod("b", true, json!({}))];
        let expire = |leases: &[Lease]| count(&pods, leases).with_caches(None, Seconds(7)).caches_expire;
        let (early, late) = ("2026-11-25T09:00:00Z", "2026-11-25T09:10:00Z");
        let leases = [said_at("a", early, late), said_at("b", late, late)];
        let end = "2026-11-25T09:10:07Z".parse().expect("a time");
        assert_eq!(expire(&leases), Some(end));
        assert_eq!(expire(&leases[1..]), None, "a new pod served nothing else");
        let gone = [said_at("gone", early, late)];
        assert_eq!(expire(&gone), None, "nobody's word");
    }

    #[test]
    fn i3_caches_of_a_pod_that_went_while_it_was_behind_are_waited_for() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).expect("in range");
        let all = [pod("a", true, json!({})), pod("b", true, json!({}))];
        let leases = [
            lease("a", "uid-a", Some("8-00")),
            lease("b", "uid-b", Some("7-00")),
        ];
        let mut departures = Departures::default();
        let mut look = |pods: &[Pod], word: &str, second: i64| {
            let fleet = count(pods, &leases);
            departures.look(&fleet, Some(word), at(second))
        };
        assert_eq!(look(&all, "7-00", 0), Some(at(0)), "one may have gone before it");
        assert_eq!(look(&all, "8-00", 10), Some(at(0)), "nobody is gone");
        assert_eq!(
            look(&all[..1], "8-00", 20),
            Some(at(20)),
            "b handed out the older set"
        );
        assert_eq!(look(&all[..1], "8-00", 30), Some(at(20)));
        assert_eq!(look(&[], "8-00", 40), Some(at(20)), "a served the present one");
        assert_eq!(look(&[], "8-00", 5), Some(at(5)), "the clock was ahead");
        let caches = count(&[], &[]).with_caches(Some(at(5)), Seconds(7)).caches_expire;
        assert_eq!(caches, Some(at(12)));
    }

    #[test]
    fn a_pod_that_has_ended_does_not_count() {
        let evicted = [pod("a", false, json!({"status.phase": "Failed"}))];
        let leases = [lease("a", "uid-a", Some("7-00"))];
        assert_eq!(counted(&evicted, &leases), []);
    }

    #[test]
    fn any_lease_with_a_word_shows_that_there_was_a_set() {
        assert!(!count(&[], &[]).knows_a_set);
        assert!(!count(&[], &[lease("gone", "uid-gone", None)]).knows_a_set);
        assert!(count(&[], &[lease("gone", "uid-gone", Some("7-00"))]).knows_a_set);
    }
}
