//! The watches themselves: which there are, and their streams as [`Event`]s.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::certificates::v1beta1::ClusterTrustBundle;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource};
use kube_runtime::utils::{Backoff, ResetTimerBackoff};
use kube_runtime::{WatchStreamExt, watcher};
use oidc_crds::guard::{Guarded, Unreadable};
use oidc_crds::resources::{OidcClass, OidcClient, OidcUser};
use oidc_crds::secrets::Data;
use oidc_crds::secrets::installation::ClientCa;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::Sender;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tracing::warn;

use super::Home;
use super::pods::Slice;
use crate::resources::directory::{Delta, key};
use crate::resources::held::What;
use crate::resources::kept::Kept;

/// Something to watch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// The clients of a namespace, or all.
    Clients(Option<String>),
    /// The users.
    Users,
    /// The labels of namespaces.
    Namespaces,
    /// The classes of all installations.
    Classes,
    /// The pods of the provider's Service.
    Pods,
    /// A ClusterTrustBundle, by name.
    Bundle(String),
    /// An object of the installation, by name.
    Own(What, String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clients(Some(namespace)) => write!(f, "clients in {namespace}"),
            Self::Clients(None) => f.write_str("clients"),
            Self::Users => f.write_str("users"),
            Self::Namespaces => f.write_str("namespaces"),
            Self::Classes => f.write_str("classes"),
            Self::Pods => f.write_str("pods"),
            Self::Bundle(name) => write!(f, "the ClusterTrustBundle {name}"),
            Self::Own(_, name) => f.write_str(name),
        }
    }
}

/// Objects in an answer to a list: an answer is there whole, as text and as objects, before any is kept.
const PAGE: u32 = 100;

/// What a watch tells.
pub(super) struct Event {
    /// What is watched.
    pub(super) target: Target,
    /// Which watch of it, of those that there were one after the other.
    watch: u64,
    /// What happened.
    pub(super) change: Change,
}

/// What happened.
pub(super) enum Change {
    Clients(Delta<Kept<OidcClient>>),
    Users(Delta<Kept<OidcUser>>),
    Namespaces(Delta<(String, BTreeMap<String, String>)>),
    Classes(Delta<Box<OidcClass>>),
    Pods(Delta<Slice>),
    /// The object's present data.
    Own(Option<Data>),
}

/// The watches that run.
pub(super) struct Watches {
    client: Client,
    home: Home,
    events: Sender<Event>,
    tasks: JoinSet<Target>,
    running: BTreeMap<Target, (u64, AbortHandle)>,
    started: u64,
}

impl Watches {
    pub(super) fn new(client: Client, home: Home, events: Sender<Event>) -> Self {
        Self {
            client,
            home,
            events,
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            started: 0,
        }
    }

    /// Starts the watches that are missing.
    pub(super) fn start(&mut self, targets: &BTreeSet<Target>) {
        for target in targets {
            if !self.running.contains_key(target) {
                self.started += 1;
                let task = self.tasks.spawn(self.task(target.clone(), self.started));
                self.running.insert(target.clone(), (self.started, task));
            }
        }
    }

    /// Gives a watch up.
    pub(super) fn stop(&mut self, target: &Target) {
        if let Some((_, task)) = self.running.remove(target) {
            task.abort();
        }
    }

    /// Whether it comes from a watch that runs: one that was given up may have left something behind.
    pub(super) fn is_current(&self, event: &Event) -> bool {
        let running = self.running.get(&event.target);
        running.is_some_and(|(watch, _)| *watch == event.watch)
    }

    pub(super) fn running(&self) -> impl Iterator<Item = &Target> {
        self.running.keys()
    }

    /// Waits for a watch to end that was not given up.
    pub(super) async fn ended(&mut self) -> String {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(target)) => return target.to_string(),
                Some(Err(error)) if error.is_cancelled() => {}
                Some(Err(error)) => return error.to_string(),
                None => return "everything".to_owned(),
            }
        }
    }

    fn task(&self, target: Target, watch: u64) -> impl Future<Output = Target> + Send + 'static {
        let (client, events, name) = (self.client.clone(), self.events.clone(), target.clone());
        let own = self.home.namespace.as_str();
        // a watch that tells nothing for longer than this is dead: it is opened anew
        let config = watcher::Config::default().timeout(24).page_size(PAGE);
        let changes = match &target {
            Target::Clients(scope) => {
                let api = scope.as_deref().map_or_else(
                    || Api::all(client.clone()),
                    |namespace| Api::namespaced(client.clone(), namespace),
                );
                deltas(api, config, name.to_string(), Kept::of)
                    .map(Change::Clients)
                    .boxed()
            }
            Target::Users => deltas(Api::namespaced(client, own), config, name.to_string(), Kept::of)
                .map(Change::Users)
                .boxed(),
            Target::Namespaces => deltas(Api::all(client), config, name.to_string(), labels)
                .map(Change::Namespaces)
                .boxed(),
            Target::Classes => {
                let mut listing = Listing::of(name.to_string(), Box::new);
                listing.may_be_unknown = true;
                listing
                    .deltas(Api::all(client), config)
                    .map(Change::Classes)
                    .boxed()
            }
            Target::Pods => {
                let service = format!("kubernetes.io/service-name={}", self.home.release);
                let api = Api::namespaced(client, own);
                deltas(api, config.labels(&service), name.to_string(), Slice::of)
                    .map(Change::Pods)
                    .boxed()
            }
            Target::Bundle(object) => {
                let config = config.fields(&format!("metadata.name={object}"));
                deltas(Api::all(client), config, name.to_string(), trust_bundle)
                    .map(|delta| Change::Own(present(delta)))
                    .boxed()
            }
            Target::Own(What::Installation | What::ClientCa, object) => {
                let config = config.fields(&format!("metadata.name={object}"));
                deltas(Api::namespaced(client, own), config, name.to_string(), config_map)
                    .map(|delta| Change::Own(present(delta).flatten()))
                    .boxed()
            }
            Target::Own(_, object) => {
                let config = config.fields(&format!("metadata.name={object}"));
                deltas(Api::namespaced(client, own), config, name.to_string(), secret)
                    .map(|delta| Change::Own(present(delta)))
                    .boxed()
            }
        };
        async move {
            let mut changes = changes;
            while let Some(change) = changes.next().await {
                let event = Event {
                    target: target.clone(),
                    watch,
                    change,
                };
                if events.send(event).await.is_err() {
                    break;
                }
            }
            target
        }
    }
}

/// The one object of a watch by name.
fn present<T>(delta: Delta<T>) -> Option<T> {
    match delta {
        Delta::Apply(object) => Some(object),
        Delta::Delete(_) => None,
        Delta::Reset(mut objects) => objects.pop(),
    }
}

fn labels(namespace: PartialObjectMeta<Namespace>) -> (String, BTreeMap<String, String>) {
    let metadata = namespace.metadata;
    (
        metadata.name.unwrap_or_default(),
        metadata.labels.unwrap_or_default(),
    )
}

fn config_map(map: ConfigMap) -> Option<Data> {
    let data = map.data?;
    Some(
        data.into_iter()
            .map(|(key, text)| (key, text.into_bytes()))
            .collect(),
    )
}

/// As the ConfigMap that might be there instead.
fn trust_bundle(bundle: ClusterTrustBundle) -> Data {
    let pem = bundle.spec.trust_bundle.into_bytes();
    [(ClientCa::DATA_KEY.to_owned(), pem)].into()
}

fn secret(secret: Secret) -> Data {
    let data = secret.data.unwrap_or_default();
    data.into_iter().map(|(key, bytes)| (key, bytes.0)).collect()
}

/// The stream of a watch: what `keep` takes of each object, at once, so that a long list is never there
/// whole. An object that cannot be read as its kind is as good as deleted: nobody may be served by what it
/// said before.
fn deltas<K, T>(
    api: Api<Guarded<K>>,
    config: watcher::Config,
    name: String,
    keep: fn(K) -> T,
) -> impl Stream<Item = Delta<T>> + Send + 'static
where
    K: Resource<DynamicType: Default> + Clone + DeserializeOwned + fmt::Debug + Send + Sync + 'static,
    T: Send + 'static,
{
    Listing::of(name, keep).deltas(api, config)
}

/// Collects a list until it is complete.
struct Listing<K, T> {
    name: String,
    keep: fn(K) -> T,
    objects: Vec<T>,
    /// Whether a cluster without the kind has none of it, where others wait for it.
    may_be_unknown: bool,
    warned: Option<Instant>,
}

impl<K, T> Listing<K, T>
where
    K: Resource<DynamicType: Default>,
{
    fn of(name: String, keep: fn(K) -> T) -> Self {
        Self {
            name,
            keep,
            objects: Vec::new(),
            may_be_unknown: false,
            warned: None,
        }
    }

    fn deltas(
        mut self,
        api: Api<Guarded<K>>,
        config: watcher::Config,
    ) -> impl Stream<Item = Delta<T>> + Send + 'static
    where
        K: Clone + DeserializeOwned + fmt::Debug + Send + Sync + 'static,
        T: Send + 'static,
    {
        watcher::watcher(api, config)
            .backoff(ResetTimerBackoff::new(
                Patience::default(),
                Duration::from_secs(60),
            ))
            .filter_map(move |event| futures::future::ready(self.take(event)))
    }

    fn take(&mut self, event: watcher::Result<watcher::Event<Guarded<K>>>) -> Option<Delta<T>> {
        match event {
            Ok(watcher::Event::Init) => {
                self.objects.clear();
                None
            }
            Ok(watcher::Event::InitApply(Guarded(object))) => {
                match object {
                    Ok(object) => self.objects.push((self.keep)(object)),
                    Err(invalid) => self.unreadable(&invalid),
                }
                None
            }
            Ok(watcher::Event::InitDone) => {
                self.may_be_unknown = false;
                Some(Delta::Reset(std::mem::take(&mut self.objects)))
            }
            Ok(watcher::Event::Apply(Guarded(Ok(object)))) => Some(Delta::Apply((self.keep)(object))),
            Ok(watcher::Event::Apply(Guarded(Err(invalid)))) => {
                self.unreadable(&invalid);
                Some(Delta::Delete(key(&invalid.metadata)))
            }
            Ok(watcher::Event::Delete(object)) => Some(Delta::Delete(key(object.meta()))),
            Err(error) => {
                self.failed(&error);
                let unknown = self.may_be_unknown && is_unknown_kind(&error);
                unknown.then(|| Delta::Reset(Vec::new()))
            }
        }
    }

    fn unreadable(&self, invalid: &Unreadable) {
        let (namespace, name) = key(&invalid.metadata);
        warn!(
            kind = %K::kind(&K::DynamicType::default()),
            namespace, name, "not served: it cannot be read as its kind: {invalid}"
        );
    }

    /// An outage would fill the log: one line a minute.
    fn failed(&mut self, error: &watcher::Error) {
        let now = Instant::now();
        if self
            .warned
            .is_none_or(|at| now.duration_since(at) > Duration::from_secs(60))
        {
            self.warned = Some(now);
            warn!(watch = self.name, "{}, trying on", told::<K>(error));
        }
    }
}

fn is_unknown_kind(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404)
}

/// What is wrong with a watch, on one line: no dump of the answer, and no piece of an object from one that
/// could not be read.
fn told<K: Resource<DynamicType: Default>>(error: &watcher::Error) -> String {
    use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
    let (verb, error) = match error {
        InitialListFailed(error) => ("list", error),
        WatchStartFailed(error) | WatchFailed(error) => ("watch", error),
        WatchError(status) => return format!("the API server ended the watch: {}", status.message),
        NoResourceVersion => return error.to_string(),
    };
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            let kind = K::DynamicType::default();
            let (group, plural) = (K::group(&kind), K::plural(&kind));
            let dot = if group.is_empty() { "" } else { "." };
            format!(
                "the API server forbids it, the right to {verb} {plural}{dot}{group} is missing: {}",
                status.message
            )
        }
        kube::Error::Api(status) => format!("the API server refuses it: {}", status.message),
        kube::Error::SerdeError(_) => "the answer of the API server cannot be read".to_owned(),
        other => format!("the API server does not answer: {other}"),
    }
}

/// Waits that double up to half a second: what vanished meanwhile must be gone within a second of the
/// return.
#[derive(Debug, Default)]
struct Patience(u32);

impl Iterator for Patience {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = Duration::from_millis(100 << self.0).min(Duration::from_millis(500));
        self.0 = (self.0 + 1).min(3);
        Some(wait)
    }
}

impl Backoff for Patience {
    // a watch says it begins before it knows whether it can, so a success proves nothing; time does
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    type Events = Vec<watcher::Event<Guarded<OidcUser>>>;

    fn user(name: &str, disabled: serde_json::Value) -> Guarded<OidcUser> {
        let object = json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcUser",
            "metadata": {"namespace": "idp", "name": name},
            "spec": {"disabled": disabled},
        });
        serde_json::from_value(object).unwrap()
    }

    fn listing(events: Events) -> Vec<String> {
        let mut listing = Listing::of("users".to_owned(), |user: OidcUser| user);
        let names = |users: &[OidcUser]| {
            let names = users.iter().map(|user| user.metadata.name.clone().unwrap());
            names.collect::<Vec<_>>().join(",")
        };
        events
            .into_iter()
            .filter_map(|event| listing.take(Ok(event)))
            .map(|delta| match delta {
                Delta::Apply(user) => format!("apply {}", names(&[user])),
                Delta::Delete((namespace, name)) => format!("delete {namespace}/{name}"),
                Delta::Reset(users) => format!("reset {}", names(&users)),
            })
            .collect()
    }

    #[test]
    fn a_list_is_one_reset_and_a_broken_one_begins_anew() {
        use watcher::Event::{Init, InitApply, InitDone};
        let good = json!(false);
        let told = listing(vec![
            Init,
            InitApply(user("a", good.clone())),
            Init,
            InitApply(user("b", good.clone())),
            InitApply(user("c", good)),
            InitDone,
        ]);
        assert_eq!(told, ["reset b,c"]);
    }

    #[test]
    fn a_kind_that_the_cluster_does_not_know_may_have_no_objects_but_one_that_is_refused_waits() {
        let answer = |code| {
            let mut status = kube::core::Status::failure("no", "No");
            status.code = code;
            Err(watcher::Error::InitialListFailed(kube::Error::Api(Box::new(
                status,
            ))))
        };
        let mut listing = Listing::of("classes".to_owned(), |user: OidcUser| user);
        assert!(listing.take(answer(404)).is_none(), "others wait for it");
        listing.may_be_unknown = true;
        assert!(listing.take(answer(403)).is_none());
        assert!(listing.take(answer(503)).is_none());
        assert!(matches!(listing.take(answer(404)), Some(Delta::Reset(none)) if none.is_empty()));
        assert!(listing.take(Ok(watcher::Event::InitDone)).is_some());
        assert!(listing.take(answer(404)).is_none(), "those of before count");
    }

    #[test]
    fn an_unreadable_object_is_as_good_as_deleted() {
        use watcher::Event::{Apply, Init, InitApply, InitDone};
        let (good, odd) = (json!(true), json!("yes, please"));
        let told = listing(vec![
            Init,
            InitApply(user("a", good.clone())),
            InitApply(user("b", odd.clone())),
            InitDone,
            Apply(user("a", odd)),
            Apply(user("a", good)),
        ]);
        assert_eq!(told, ["reset a", "delete idp/a", "apply a"]);
    }

    #[test]
    fn a_forbidden_watch_names_the_right_that_is_missing() {
        let mut status = kube::core::Status::failure("User \"x\" cannot list resource", "Forbidden");
        status.code = 403;
        let error = |status| watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status)));
        assert_eq!(
            told::<OidcUser>(&error(status.clone())),
            "the API server forbids it, the right to list oidcusers.oidc-operator.dev is missing: User \"x\" \
             cannot list resource"
        );
        assert!(told::<Secret>(&error(status.clone())).contains("the right to list secrets is missing"));
        status.code = 429;
        let told = told::<OidcUser>(&error(status));
        assert!(
            told.starts_with("the API server refuses it") && !told.contains('\n'),
            "{told}"
        );
    }

    #[test]
    fn i9_an_unreadable_answer_tells_no_piece_of_it() {
        let parse = serde_json::from_str::<bool>("\"canary\"").unwrap_err();
        assert!(parse.to_string().contains("canary"));
        let error = watcher::Error::WatchFailed(kube::Error::SerdeError(parse));
        assert!(!told::<OidcUser>(&error).contains("canary"));
    }

    #[test]
    fn patience_never_exceeds_half_a_second() {
        let mut patience = Patience::default();
        let waits: Vec<_> = patience.by_ref().take(6).map(|wait| wait.as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 500, 500, 500]);
    }
}
