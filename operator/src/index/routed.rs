//! What routes mean for clients: which of their hosts are served, and who is woken when that changes.

use kube::ResourceExt;
use oidc_crds::resources::{OidcClient, OidcClientStatus};
use oidc_crds::secrets::installation::Installation;
use oidc_crds::validate::web_hosts;

use super::{Index, State, key};
use crate::routes::{Routes, Serving, Touched};

/// Which hosts of a client are served by routes.
pub(super) enum Routed {
    /// Nobody asks, or there are none.
    NotAsked,
    /// The routes have not been listed yet.
    Unlisted,
    /// They cannot be read: what the client's status notes counts.
    Unreadable,
    Hosts(Vec<String>),
}

/// A client as it will be once its status tells what was seen.
pub(super) fn looked(client: &mut OidcClient, routed_hosts: Vec<String>) {
    let status = client.status.get_or_insert_default();
    status.routed_hosts = Some(routed_hosts);
    status.observed_generation = client.metadata.generation;
}

/// What of a status hosts are judged by.
pub(super) fn noted(status: OidcClientStatus) -> OidcClientStatus {
    OidcClientStatus {
        observed_generation: status.observed_generation,
        conditions: status.conditions,
        routed_hosts: status.routed_hosts,
        ..OidcClientStatus::default()
    }
}

/// The note about hosts of a client whose routes cannot be read: the old one. Who needs no route is noted to
/// have none, so that a list that shrinks is not taken for the time before routes were followed.
pub(super) fn last_note(client: &OidcClient, installation: &Installation) -> Option<Vec<String>> {
    let namespace = client.metadata.namespace.as_deref().unwrap_or_default();
    let last = client
        .status
        .as_ref()
        .and_then(|status| status.routed_hosts.clone());
    last.or_else(|| {
        let mut hosts = web_hosts(&client.spec).into_iter();
        let listed = hosts.all(|host| installation.allows_redirect_host(namespace, host));
        listed.then(Vec::new)
    })
}

impl Index {
    /// Follows the routes: whose hosts are served otherwise than its status says is woken, and who waited for
    /// them to be known.
    pub(crate) fn routes(&self, change: impl FnOnce(&mut Routes) -> Option<Touched>) {
        let mut state = self.lock();
        let Some(Touched { scope, anew }) = change(&mut state.routes) else {
            return;
        };
        for object in state.objects() {
            let (Some(installation), Ok(client)) = (state.installation.clone(), &object.0) else {
                continue;
            };
            if !scope.contains(&client.namespace().unwrap_or_default()) {
                continue;
            }
            let told = client
                .status
                .as_ref()
                .and_then(|status| status.routed_hosts.as_ref());
            let news = match state.routed(client, &installation) {
                Routed::NotAsked | Routed::Unlisted => continue,
                Routed::Unreadable => anew,
                Routed::Hosts(now) => anew || told != Some(&now),
            };
            state.apply_client(&object);
            if news {
                state.wake_client(&key(object.as_ref()));
            }
        }
        self.judge(&mut state);
    }
}

impl State {
    pub(super) fn routed(&self, client: &OidcClient, installation: &Installation) -> Routed {
        let namespace = client.metadata.namespace.as_deref().unwrap_or_default();
        let hosts = web_hosts(&client.spec);
        if hosts.is_empty() || !installation.follows_routes_of(namespace) {
            return Routed::NotAsked;
        }
        match self.routes.serving(namespace, hosts.into_iter()) {
            Serving::Unlisted => Routed::Unlisted,
            Serving::Unreadable => Routed::Unreadable,
            Serving::Hosts(hosts) => Routed::Hosts(hosts),
        }
    }
}
