//! [`State`]: what the [`Index`](super::Index) holds under its lock, and how a change in it spreads.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use kube_runtime::reflector::{ObjectRef, Store};
use oidc_crds::arbitrate::Arbiter;
use oidc_crds::client::Client;
use oidc_crds::names::Algorithm;
use oidc_crds::resources::OidcClient;
use oidc_crds::schedule::Demand;
use oidc_crds::secrets::installation::{Belongs, Installation};
use oidc_crds::user::User;
use oidc_crds::validate::{Violation, validate, validate_user};
use tokio::sync::mpsc;

use super::routed::{Routed, looked, noted};
use super::{GuardedClient, GuardedUser, Key, key};
use crate::routes::Routes;
use crate::watches::Scope;

#[derive(Default)]
pub(super) struct State {
    /// What everything here was judged by.
    pub(super) installation: Option<Arc<Installation>>,
    pub(super) clients: HashMap<Key, Arc<Client>>,
    /// By namespace and name, as the clients.
    pub(super) users: HashMap<Key, User>,
    /// `None`: labels do not matter here, or are not known yet.
    pub(super) namespaces: Option<HashMap<String, BTreeMap<String, String>>>,
    pub(super) routes: Routes,
    pub(super) scopes: Vec<ScopeState>,
    pub(super) users_synced: bool,
    /// Objects that were listed since a watch of users began anew.
    pub(super) users_listed: HashSet<Key>,
    pub(super) users_store: Option<Store<GuardedUser>>,
    pub(super) wake_user: Option<mpsc::UnboundedSender<ObjectRef<GuardedUser>>>,
    /// Judges between all of them; there is one from `begin()` on.
    pub(super) arbiter: Option<Arbiter<Arc<Client>>>,
    /// What accepted clients asked of the keys when all were known last.
    pub(super) demand: Option<Demand>,
    /// Whether what accepted clients ask of the keys must be asked anew.
    pub(super) demand_is_old: bool,
    /// Algorithms that some key signs with; `None`: not known yet.
    pub(super) algorithms: Option<BTreeSet<Algorithm>>,
}

pub(super) struct ScopeState {
    pub(super) scope: Scope,
    pub(super) synced: bool,
    /// What its clients asked of the keys when they could be read last, while they cannot.
    pub(super) unread: Option<Demand>,
    pub(super) listed: HashSet<Key>,
    pub(super) store: Store<GuardedClient>,
    pub(super) wake: mpsc::UnboundedSender<ObjectRef<GuardedClient>>,
}

impl State {
    pub(super) fn scope(&mut self, scope: &Scope) -> Option<&mut ScopeState> {
        self.scopes.iter_mut().find(|known| known.scope == *scope)
    }

    pub(super) fn labels(&self, namespace: &str) -> Option<&BTreeMap<String, String>> {
        self.namespaces.as_ref().and_then(|all| all.get(namespace))
    }

    pub(super) fn objects(&self) -> Vec<Arc<GuardedClient>> {
        self.scopes.iter().flat_map(|scope| scope.store.state()).collect()
    }

    /// An object that cannot be parsed, is not ours or is invalid counts as deleted.
    pub(super) fn apply_client(&mut self, object: &GuardedClient) -> bool {
        let read = object.0.as_ref().ok().zip(self.installation.as_deref());
        let valid = match read {
            None => None,
            Some((client, installation)) => {
                let namespace = client.metadata.namespace.as_deref().unwrap_or_default();
                let labels = self.labels(namespace);
                let class = client.spec.class_name.as_deref();
                match installation.belongs(class, namespace, labels) {
                    Belongs::Elsewhere | Belongs::Contested(_) => None,
                    // what was known of it stays until that is
                    Belongs::Unknown => return false,
                    Belongs::Here if installation.serves(namespace, labels).is_none() => return false,
                    Belongs::Here => {
                        // Without its status: what is in there makes no difference between objects.
                        let mut client = client.clone();
                        let status = client.status.take();
                        match self.routed(&client, installation) {
                            Routed::NotAsked | Routed::Unlisted => {}
                            Routed::Unreadable => client.status = status.map(noted),
                            Routed::Hosts(hosts) => looked(&mut client, hosts),
                        }
                        validate(&client, installation, labels).ok()
                    }
                }
            }
        };
        let key = key(object);
        self.set_client(key, valid)
    }

    /// Whether that is a change.
    pub(super) fn set_client(&mut self, key: Key, client: Option<Client>) -> bool {
        let client = client.map(|client| Arc::new(client.claims_only()));
        let old = match &client {
            Some(client) if self.clients.get(&key) == Some(client) => return false,
            Some(client) => self.clients.insert(key, client.clone()),
            None => self.clients.remove(&key),
        };
        if old.is_none() && client.is_none() {
            return false;
        }
        self.demand_is_old |= self.asks_more(client.as_deref())
            || old.as_deref().is_some_and(|old| {
                client
                    .as_deref()
                    .is_none_or(|new| Demand::of([old]) != Demand::of([new]))
            });
        if let Some(arbiter) = &mut self.arbiter {
            arbiter.client(old.as_deref(), client);
        }
        true
    }

    /// Whether a client asks something of the keys that no other does.
    pub(super) fn asks_more(&self, client: Option<&Client>) -> bool {
        client.is_some_and(|client| {
            let asked = Demand::of([client]);
            self.demand.as_ref().is_none_or(|demand| {
                asked.longest_token > demand.longest_token || !asked.algorithms.is_subset(&demand.algorithms)
            })
        })
    }

    /// What all clients ask of the keys, those included that cannot be read.
    pub(super) fn demand(&self) -> Demand {
        let mut demand = Demand::of(self.accepted());
        for unread in self.scopes.iter().filter_map(|scope| scope.unread.as_ref()) {
            demand.join(unread);
        }
        demand
    }

    /// What a scope's clients asked of the keys when they could be read last; anything, if they never could.
    pub(super) fn last_demand(&self, scope: &Scope) -> Demand {
        let known = self.scopes.iter().find(|known| known.scope == *scope);
        let own = self
            .accepted()
            .filter(|client| scope.contains(client.namespace()));
        match known {
            Some(ScopeState {
                unread: Some(unread), ..
            }) => unread.clone(),
            Some(ScopeState { synced: true, .. }) => Demand::of(own),
            _ => Demand::anything(),
        }
    }

    /// Whether all is known that clients are judged by beside themselves.
    pub(super) fn is_settled(&self) -> bool {
        let Some(installation) = &self.installation else {
            return false;
        };
        if installation.namespaces.need_labels() && self.namespaces.is_none() {
            return false;
        }
        let objects = self.objects();
        let mut waits = objects.iter().filter_map(|object| object.0.as_ref().ok());
        let follows = |client: &OidcClient| {
            let namespace = client.metadata.namespace.as_deref().unwrap_or_default();
            installation.follows_routes_of(namespace)
        };
        !waits.any(|client| follows(client) && matches!(self.routed(client, installation), Routed::Unlisted))
    }

    /// Why a client loses against another object.
    pub(super) fn client_lost(&self, uid: &str) -> Option<&[Violation]> {
        self.arbiter.as_ref()?.client_lost(uid)
    }

    /// The clients that passed and that stand.
    pub(super) fn accepted(&self) -> impl Iterator<Item = &Client> {
        let passed = self.clients.values().map(AsRef::as_ref);
        passed.filter(|client: &&Client| self.client_lost(client.uid()).is_none())
    }

    pub(super) fn arbitrate_users(&mut self) {
        let users: Vec<&User> = self.users.values().collect();
        if let Some(arbiter) = &mut self.arbiter {
            arbiter.users(&users);
        }
    }

    pub(super) fn wake_changed(&mut self) {
        let Some(arbiter) = &mut self.arbiter else {
            return;
        };
        let (clients, users) = (arbiter.take_changed_clients(), arbiter.take_changed_users());
        self.demand_is_old |= !clients.is_empty();
        for client in clients {
            let key = (client.namespace().to_owned(), client.name().to_owned());
            if self
                .clients
                .get(&key)
                .is_some_and(|present| present.uid() == client.uid())
            {
                self.wake_client(&key);
            }
        }
        if users.is_empty() {
            return;
        }
        for (key, _) in self.users.iter().filter(|(_, user)| users.contains(user.uid())) {
            self.wake_user(key);
        }
    }

    pub(super) fn apply_user(&mut self, object: &GuardedUser) -> bool {
        let valid = object.0.as_ref().ok().and_then(|user| {
            let mut user = user.clone();
            user.status = None;
            validate_user(&user).ok()
        });
        let key = key(object);
        match valid {
            Some(user) if self.users.get(&key) == Some(&user) => false,
            Some(user) => {
                self.users.insert(key, user);
                true
            }
            None => self.users.remove(&key).is_some(),
        }
    }

    pub(super) fn reset_clients(&mut self, scope: &Scope) -> bool {
        let Some(known) = self.scope(scope) else {
            return false;
        };
        known.synced = true;
        let was_unread = known.unread.take().is_some();
        let listed = std::mem::take(&mut known.listed);
        self.demand_is_old |= was_unread;
        let keys = self.clients.keys();
        let gone: Vec<Key> = keys
            .filter(|key| scope.contains(&key.0) && !listed.contains(key))
            .cloned()
            .collect();
        for key in &gone {
            self.set_client(key.clone(), None);
        }
        !gone.is_empty()
    }

    pub(super) fn wake_client(&self, (namespace, name): &Key) {
        for scope in &self.scopes {
            if scope.scope.contains(namespace) {
                // A controller that has ended needs no waking.
                let _ = scope.wake.send(ObjectRef::new(name).within(namespace));
            }
        }
    }

    pub(super) fn wake_user(&self, (namespace, name): &Key) {
        if let Some(wake) = &self.wake_user {
            let _ = wake.send(ObjectRef::new(name).within(namespace));
        }
    }
}
