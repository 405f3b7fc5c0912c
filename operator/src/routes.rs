//! Ingresses and HTTPRoutes, watched while the installation lets redirects follow them: which hosts they serve
//! in which namespace. What is found goes into the clients' status, by which every pod judges.
//!
//! A watch that breaks leaves in force what it told last. Until a namespace's routes have been listed once
//! nothing is said of its clients.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::future::join_all;
use futures::{FutureExt, StreamExt};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::{Client, ResourceExt};
use kube_runtime::WatchStreamExt;
use kube_runtime::watcher::{Error as WatchError, Event, watcher};
use oidc_crds::routes::{RouteHost, RouteKind};
use oidc_crds::secrets::installation::{Installation, Namespaces};
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::execute::{Error, answer};
use crate::watches::{self, Scope};

/// How often to ask whether the API server serves a kind that it did not.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// What is known of routes.
#[derive(Default)]
pub(crate) struct Routes {
    /// What has been listed once, or is not served.
    known: HashSet<(Scope, RouteKind)>,
    /// What a list that is under way has told so far.
    listing: HashMap<(Scope, RouteKind), HashMap<Key, Vec<RouteHost>>>,
    hosts: HashMap<RouteKind, HashMap<Key, Vec<RouteHost>>>,
}

/// Where something changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) scope: Scope,
    /// It was not known before.
    pub(crate) anew: bool,
}

/// Namespace and name.
type Key = (String, String);

impl Routes {
    /// The hosts among these that routes of a namespace serve, in the same order; `None`: not known yet.
    pub(crate) fn serving<'a>(
        &self,
        namespace: &str,
        hosts: impl Iterator<Item = &'a str>,
    ) -> Option<Vec<String>> {
        let known = |kind: &RouteKind| {
            let mut of_kind = self.known.iter().filter(|(_, known)| known == kind);
            of_kind.any(|(scope, _)| scope.contains(namespace))
        };
        if !RouteKind::ALL.iter().all(known) {
            return None;
        }
        let own = self
            .hosts
            .values()
            .flatten()
            .filter(|((home, _), _)| home == namespace);
        let own: Vec<&RouteHost> = own.flat_map(|(_, hosts)| hosts).collect();
        let served = hosts.filter(|host| own.iter().any(|route| route.serves(host)));
        Some(served.map(str::to_owned).collect())
    }

    /// Follows the watch of a kind in a scope; where something changed.
    pub(crate) fn event(
        &mut self,
        scope: &Scope,
        kind: RouteKind,
        event: &Event<DynamicObject>,
    ) -> Option<Touched> {
        let of = (scope.clone(), kind);
        let all = self.hosts.entry(kind).or_default();
        let (key, changed) = match event {
            Event::Init => {
                self.listing.insert(of, HashMap::new());
                return None;
            }
            Event::InitApply(route) => {
                self.listing
                    .entry(of)
                    .or_default()
                    .insert(key(route), hosts(kind, route));
                return None;
            }
            Event::InitDone => {
                let listed = self.listing.remove(&of).unwrap_or_default();
                return self.replace(scope, kind, listed);
            }
            Event::Apply(route) => {
                let (key, now) = (key(route), hosts(kind, route));
                let before = all.insert(key.clone(), now.clone());
                (key, before != Some(now))
            }
            Event::Delete(route) => {
                let key = key(route);
                let before = all.remove(&key);
                (key, before.is_some())
            }
        };
        changed.then_some(Touched {
            scope: Scope::Namespace(key.0),
            anew: false,
        })
    }

    /// The API server has no such kind.
    pub(crate) fn not_served(&mut self, scope: &Scope, kind: RouteKind) -> Option<Touched> {
        self.replace(scope, kind, HashMap::new())
    }

    fn replace(
        &mut self,
        scope: &Scope,
        kind: RouteKind,
        listed: HashMap<Key, Vec<RouteHost>>,
    ) -> Option<Touched> {
        let anew = self.known.insert((scope.clone(), kind));
        let all = self.hosts.entry(kind).or_default();
        let before = all.iter().filter(|((namespace, _), _)| scope.contains(namespace));
        let same = before.clone().count() == listed.len()
            && before
                .into_iter()
                .all(|(key, hosts)| listed.get(key) == Some(hosts));
        if !same {
            all.retain(|(namespace, _), _| !scope.contains(namespace));
            all.extend(listed);
        }
        (anew || !same).then(|| Touched {
            scope: scope.clone(),
            anew,
        })
    }
}

fn key(route: &DynamicObject) -> Key {
    (route.namespace().unwrap_or_default(), route.name_any())
}

fn hosts(kind: RouteKind, route: &DynamicObject) -> Vec<RouteHost> {
    kind.hosts(&route.data).collect()
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
        serde_json::from_value(json!({
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"rules": [{"host": host}], "hostnames": [host]},
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
        assert_eq!(ask(&routes, "team-a"), None);
        assert_eq!(
            routes.not_served(&Scope::All, RouteKind::HttpRoute),
            touched(Scope::All, true)
        );
        assert_eq!(ask(&routes, "team-a"), Some(vec!["a.test".to_owned()]));
        assert_eq!(
            ask(&routes, "team-b"),
            Some(Vec::new()),
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
        assert!(routes.serving("team-a", [].into_iter()).is_some());
        assert!(routes.serving("team-b", [].into_iter()).is_none());
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
}
