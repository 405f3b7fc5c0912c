//! Ingresses and HTTPRoutes, watched while the installation lets redirects follow them: which hosts they serve
//! in which namespace. What is found goes into the clients' status, by which every pod judges.
//!
//! A watch that breaks leaves in force what it told last. Until a namespace's routes have been listed once
//! nothing is said of its clients; if they cannot be, the clients go by what their status notes.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::future::join_all;
use futures::{FutureExt, StreamExt};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::{Client, ResourceExt};
use kube_runtime::WatchStreamExt;
use kube_runtime::watcher::{Error as WatchError, Event, watcher};
use oidc_crds::routes::{RouteHost, RouteKind, Standing};
use oidc_crds::secrets::installation::{Installation, Namespaces};
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::execute::{Error, answer};
use crate::watches::{self, Scope};

/// How often to ask whether the API server serves a kind that it did not.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// A kind that was never listed is waited for until it could not be read so many times in a row: an API server
/// that hiccups while the operator starts is not worth a write to each client.
const PATIENCE: u32 = 3;

/// What is known of routes.
#[derive(Default)]
pub(crate) struct Routes {
    /// What has been listed once, or is not served.
    known: HashSet<(Scope, RouteKind)>,
    /// What a list that is under way has told so far.
    listing: HashMap<(Scope, RouteKind), Homes>,
    /// How often what is not known could not be read.
    failures: HashMap<(Scope, RouteKind), u32>,
    hosts: HashMap<RouteKind, Homes>,
}

/// By namespace and name, those that have any.
type Homes = HashMap<String, HashMap<String, Vec<RouteHost>>>;

/// Which hosts routes serve.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Serving {
    /// Not known yet.
    Unlisted,
    /// Not known, and the API server does not tell.
    Unreadable,
    /// Those among the hosts that were asked for, in the same order.
    Hosts(Vec<String>),
}

/// Where something changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) scope: Scope,
    /// It was not known before.
    pub(crate) anew: bool,
}

impl Routes {
    /// The hosts among these that routes of a namespace serve.
    pub(crate) fn serving<'a>(&self, namespace: &str, hosts: impl Iterator<Item = &'a str>) -> Serving {
        let of = |kind: RouteKind| move |of: &(Scope, RouteKind)| of.1 == kind && of.0.contains(namespace);
        let mut unknown = RouteKind::ALL
            .into_iter()
            .filter(|kind| !self.known.iter().any(of(*kind)))
            .peekable();
        if unknown.peek().is_some() {
            let given_up = || self.failures.iter().filter(|(_, times)| **times >= PATIENCE);
            let all = unknown.all(|kind| given_up().map(|(failed, _)| failed).any(of(kind)));
            return if all {
                Serving::Unreadable
            } else {
                Serving::Unlisted
            };
        }
        let own = self.hosts.values().filter_map(|homes| homes.get(namespace));
        let own: Vec<&RouteHost> = own.flat_map(HashMap::values).flatten().collect();
        let served = hosts.filter(|host| own.iter().any(|route| route.serves(host)));
        Serving::Hosts(served.map(str::to_owned).collect())
    }

    /// Follows the watch of a kind in a scope; where something changed.
    pub(crate) fn event(
        &mut self,
        scope: &Scope,
        kind: RouteKind,
        event: &Event<DynamicObject>,
    ) -> Option<Touched> {
        let of = (scope.clone(), kind);
        let (route, now) = match event {
            Event::Init => {
                self.listing.insert(of, HashMap::new());
                return None;
            }
            Event::InitApply(route) => {
                let now = self.hosts_of(kind, route);
                set(self.listing.entry(of).or_default(), route, now);
                return None;
            }
            Event::InitDone => {
                let listed = self.listing.remove(&of).unwrap_or_default();
                return self.replace(scope, kind, listed);
            }
            Event::Apply(route) => (route, self.hosts_of(kind, route)),
            Event::Delete(route) => (route, Vec::new()),
        };
        set(self.hosts.entry(kind).or_default(), route, now).then(|| Touched {
            scope: Scope::Namespace(route.namespace().unwrap_or_default()),
            anew: false,
        })
    }

    /// The API server has no such kind.
    pub(crate) fn not_served(&mut self, scope: &Scope, kind: RouteKind) -> Option<Touched> {
        self.replace(scope, kind, HashMap::new())
    }

    /// A kind could not be read. What was told before stays; of what never was, it is told once that it is not
    /// waited for any more.
    pub(crate) fn failed(&mut self, scope: &Scope, kind: RouteKind) -> Option<Touched> {
        let of = (scope.clone(), kind);
        if self.known.contains(&of) {
            return None;
        }
        let times = self.failures.entry(of).or_default();
        *times = times.saturating_add(1);
        (*times == PATIENCE).then(|| Touched {
            scope: scope.clone(),
            anew: true,
        })
    }

    fn replace(&mut self, scope: &Scope, kind: RouteKind, listed: Homes) -> Option<Touched> {
        let of = (scope.clone(), kind);
        self.failures.remove(&of);
        let anew = self.known.insert(of);
        let all = self.hosts.entry(kind).or_default();
        let before: Homes = all.extract_if(|namespace, _| scope.contains(namespace)).collect();
        let same = before == listed;
        all.extend(listed);
        (anew || !same).then(|| Touched {
            scope: scope.clone(),
            anew,
        })
    }

    /// The hosts of a route that count.
    fn hosts_of(&self, kind: RouteKind, route: &DynamicObject) -> Vec<RouteHost> {
        let hosts = kind.hosts(&route.data);
        match kind.standing(route.metadata.generation, &route.data) {
            Standing::Taken => hosts.collect(),
            Standing::Refused => Vec::new(),
            Standing::Changed => {
                let homes = self.hosts.get(&kind);
                let home = homes.and_then(|homes| homes.get(&route.namespace().unwrap_or_default()));
                let before = home.and_then(|home| home.get(&route.name_any()));
                hosts
                    .filter(|host| before.is_some_and(|before| before.contains(host)))
                    .collect()
            }
        }
    }
}

/// Sets a route's hosts; whether that is a change.
fn set(homes: &mut Homes, route: &DynamicObject, hosts: Vec<RouteHost>) -> bool {
    let (namespace, name) = (route.namespace().unwrap_or_default(), route.name_any());
    if !hosts.is_empty() {
        let home = homes.entry(namespace).or_default();
        return home.insert(name, hosts.clone()).as_ref() != Some(&hosts);
    }
    let Some(home) = homes.get_mut(&namespace) else {
        return false;
    };
    let changed = home.remove(&name).is_some();
    if home.is_empty() {
        homes.remove(&namespace);
    }
    changed
}

/// Counts that a kind could not be read, and says so when nobody waits for it any more.
fn failed(context: &Context, scope: &Scope, kind: RouteKind) {
    context.index.routes(|routes| {
        let touched = routes.failed(scope, kind);
        if touched.is_some() {
            tracing::warn!(
                kind = name(kind),
                ?scope,
                "routes cannot be read: clients go by the hosts that their status notes, and new hosts wait"
            );
        }
        touched
    });
}

/// Watches the routes of these namespaces while the installation follows any, until `stop`.
pub(crate) async fn follow(context: &Context, namespaces: &Namespaces, stop: &CancellationToken) {
    let scopes = Scope::of(namespaces);
    let mut installation = context.installation.clone();
    let is = |wanted: bool| {
        move |found: &Option<std::sync::Arc<Installation>>| {
            found
                .as_ref()
                .is_some_and(|found| found.follows_routes() == wanted)
        }
    };
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => return,
            found = installation.wait_for(is(true)) => if found.is_err() { return },
        }
        let round = stop.child_token();
        let off = installation.wait_for(is(false)).map(|_| round.cancel());
        let kinds = RouteKind::ALL.map(|kind| follow_kind(context, kind, &scopes, &round));
        tokio::select! {
            _ = join_all(kinds) => {}
            () = off => {}
        }
        context.index.routes(|routes| {
            *routes = Routes::default();
            None
        });
    }
}

/// Watches one kind, as long as the API server serves it.
async fn follow_kind(context: &Context, kind: RouteKind, scopes: &[Scope], stop: &CancellationToken) {
    let resource = resource(kind);
    while !stop.is_cancelled() {
        match is_served(&context.client, &resource).await {
            Ok(true) => {
                let round = stop.child_token();
                let watches = scopes
                    .iter()
                    .map(|scope| watch(context, kind, &resource, scope, &round));
                join_all(watches).await;
            }
            Ok(false) => {
                for scope in scopes {
                    context.index.routes(|routes| routes.not_served(scope, kind));
                }
            }
            Err(error) => {
                tracing::warn!(kind = resource.kind, %error, "routes are not followed yet");
                for scope in scopes {
                    failed(context, scope, kind);
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(ASK_AGAIN) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Ends `round` when the kind is served no more.
async fn watch(
    context: &Context,
    kind: RouteKind,
    resource: &ApiResource,
    scope: &Scope,
    round: &CancellationToken,
) {
    let client = context.client.clone();
    let api: Api<DynamicObject> = match scope {
        Scope::All => Api::all_with(client, resource),
        Scope::Namespace(name) => Api::namespaced_with(client, name, resource),
    };
    let mut events = watcher(api, watches::config())
        .default_backoff()
        .take_until(round.cancelled())
        .boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => context.index.routes(|routes| routes.event(scope, kind, &event)),
            Err(error) => {
                context.metrics.watch_failed(name(kind));
                tracing::warn!(kind = name(kind), error = watches::told(&error), "a watch broke");
                if is_unknown(&error) {
                    round.cancel();
                } else {
                    failed(context, scope, kind);
                }
            }
        }
    }
}

/// Whether the API server has no such kind: of a namespace that is not there it tells an empty list.
fn is_unknown(error: &WatchError) -> bool {
    use WatchError::{InitialListFailed, WatchStartFailed};
    matches!(
        error,
        InitialListFailed(kube::Error::Api(status)) | WatchStartFailed(kube::Error::Api(status))
            if status.code == 404
    )
}

fn name(kind: RouteKind) -> &'static str {
    match kind {
        RouteKind::Ingress => "Ingress",
        RouteKind::HttpRoute => "HTTPRoute",
    }
}

fn resource(kind: RouteKind) -> ApiResource {
    let (group, plural) = match kind {
        RouteKind::Ingress => ("networking.k8s.io", "ingresses"),
        RouteKind::HttpRoute => ("gateway.networking.k8s.io", "httproutes"),
    };
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", name(kind)), plural)
}

async fn is_served(client: &Client, resource: &ApiResource) -> Result<bool, Error> {
    match client.list_api_group_resources(&resource.api_version).await {
        Ok(list) => Ok(list.resources.iter().any(|found| found.name == resource.plural)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(Error::Unusable(format!(
            "what {} has cannot be read: {}",
            resource.api_version,
            answer(&error)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn route(namespace: &str, name: &str, host: &str) -> DynamicObject {
        at_gateway(namespace, name, &[host], 1)
    }

    /// An HTTPRoute of generation 1 if a Gateway accepted it as that, else one that changed since or, with 0,
    /// was never accepted.
    fn at_gateway(namespace: &str, name: &str, hosts: &[&str], accepted: i64) -> DynamicObject {
        let holds = if accepted == 0 { "False" } else { "True" };
        serde_json::from_value(json!({
            "metadata": {"namespace": namespace, "name": name, "generation": 1},
            "spec": {"rules": [{"host": hosts[0]}], "hostnames": hosts},
            "status": {"parents": [{"parentRef": {"name": "web"}, "conditions": [
                {"type": "Accepted", "status": holds, "observedGeneration": accepted},
            ]}]},
        }))
        .expect("an object")
    }

    fn only(namespace: &str) -> Scope {
        Scope::Namespace(namespace.to_owned())
    }

    fn touched(scope: Scope, anew: bool) -> Option<Touched> {
        Some(Touched { scope, anew })
    }

    #[test]
    fn nothing_is_known_before_every_kind_was_listed() {
        let mut routes = Routes::default();
        let ask =
            |routes: &Routes, namespace: &str| routes.serving(namespace, ["a.test", "b.test"].into_iter());
        let a = route("team-a", "a", "a.test");
        assert_eq!(routes.event(&Scope::All, RouteKind::Ingress, &Event::Init), None);
        assert_eq!(
            routes.event(&Scope::All, RouteKind::Ingress, &Event::InitApply(a)),
            None
        );
        let done = routes.event(&Scope::All, RouteKind::Ingress, &Event::InitDone);
        assert_eq!(done, touched(Scope::All, true));
        assert_eq!(ask(&routes, "team-a"), Serving::Unlisted);
        assert_eq!(
            routes.not_served(&Scope::All, RouteKind::HttpRoute),
            touched(Scope::All, true)
        );
        assert_eq!(ask(&routes, "team-a"), Serving::Hosts(vec!["a.test".to_owned()]));
        assert_eq!(
            ask(&routes, "team-b"),
            Serving::Hosts(Vec::new()),
            "routes of other namespaces"
        );
        assert_eq!(
            routes.not_served(&Scope::All, RouteKind::HttpRoute),
            None,
            "no news"
        );
    }

    #[test]
    fn scopes_are_apart() {
        let mut routes = Routes::default();
        for kind in RouteKind::ALL {
            routes.event(&only("team-a"), kind, &Event::Init);
            routes.event(&only("team-a"), kind, &Event::InitDone);
        }
        let serving = |namespace: &str| routes.serving(namespace, [].into_iter());
        assert_eq!(serving("team-a"), Serving::Hosts(Vec::new()));
        assert_eq!(serving("team-b"), Serving::Unlisted);
    }

    #[test]
    fn only_changed_hosts_are_news() {
        let mut routes = Routes::default();
        let mut tell = |event: Event<DynamicObject>| routes.event(&Scope::All, RouteKind::HttpRoute, &event);
        let one = || route("team-a", "one", "a.test");
        tell(Event::Init);
        tell(Event::InitApply(one()));
        tell(Event::InitDone);
        assert_eq!(tell(Event::Apply(one())), None);
        assert_eq!(
            tell(Event::Apply(route("team-a", "one", "b.test"))),
            touched(only("team-a"), false)
        );
        tell(Event::Init);
        tell(Event::InitApply(route("team-a", "one", "b.test")));
        assert_eq!(tell(Event::InitDone), None, "a relist that tells nothing new");
        tell(Event::Init);
        assert_eq!(
            tell(Event::InitDone),
            touched(Scope::All, false),
            "one that lacks a route"
        );
        assert_eq!(tell(Event::Delete(one())), None, "it was gone");
        tell(Event::Apply(one()));
        assert_eq!(tell(Event::Delete(one())), touched(only("team-a"), false));
    }

    #[test]
    fn an_http_route_that_no_gateway_accepted_serves_nothing() {
        let mut routes = Routes::default();
        routes.not_served(&Scope::All, RouteKind::Ingress);
        let mut tell = |event: Event<DynamicObject>| {
            let touched = routes.event(&Scope::All, RouteKind::HttpRoute, &event);
            let serving = routes.serving("team-a", ["a.test", "b.test"].into_iter());
            (touched.is_some(), serving)
        };
        let all = ["a.test", "b.test"];
        let hosts = |hosts: &[&str]| Serving::Hosts(hosts.iter().map(|&host| host.to_owned()).collect());
        let apply = |hosts: &[&str], accepted| Event::Apply(at_gateway("team-a", "one", hosts, accepted));
        tell(Event::Init);
        tell(Event::InitApply(at_gateway("team-a", "one", &all, 0)));
        assert_eq!(tell(Event::InitDone), (true, hosts(&[])));
        assert_eq!(
            tell(apply(&all, 7)),
            (false, hosts(&[])),
            "the word is not of this"
        );
        assert_eq!(tell(apply(&all[..1], 1)), (true, hosts(&all[..1])));
        // an edit of something else cuts nobody off until the Gateway has seen it, and wins nothing
        assert_eq!(tell(apply(&all, 7)), (false, hosts(&all[..1])));
        tell(Event::Init);
        tell(Event::InitApply(at_gateway("team-a", "one", &all, 7)));
        assert_eq!(tell(Event::InitDone), (false, hosts(&all[..1])));
        assert_eq!(tell(apply(&all, 1)), (true, hosts(&all)));
        assert_eq!(tell(apply(&all, 0)), (true, hosts(&[])));
    }

    #[test]
    fn what_cannot_be_read_is_not_waited_for_for_ever() {
        let mut routes = Routes::default();
        let serving = |routes: &Routes| routes.serving("team-a", ["a.test"].into_iter());
        let anew = || touched(Scope::All, true);
        for _ in 1..PATIENCE {
            assert_eq!(routes.failed(&Scope::All, RouteKind::HttpRoute), None);
        }
        assert_eq!(routes.failed(&Scope::All, RouteKind::HttpRoute), anew());
        assert_eq!(
            routes.failed(&Scope::All, RouteKind::HttpRoute),
            None,
            "told once"
        );
        assert_eq!(serving(&routes), Serving::Unlisted, "Ingresses are under way");
        assert_eq!(routes.not_served(&Scope::All, RouteKind::Ingress), anew());
        assert_eq!(serving(&routes), Serving::Unreadable);
        routes.event(&Scope::All, RouteKind::HttpRoute, &Event::Init);
        let listed = Event::InitApply(route("team-a", "one", "a.test"));
        routes.event(&Scope::All, RouteKind::HttpRoute, &listed);
        assert_eq!(
            routes.event(&Scope::All, RouteKind::HttpRoute, &Event::InitDone),
            anew()
        );
        let known = Serving::Hosts(vec!["a.test".to_owned()]);
        assert_eq!(serving(&routes), known);
        for _ in 0..2 * PATIENCE {
            assert_eq!(routes.failed(&Scope::All, RouteKind::HttpRoute), None);
        }
        assert_eq!(serving(&routes), known, "what was told last");
    }
}
