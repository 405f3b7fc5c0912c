//! What is known across objects: valid clients and users, so that an [`Arbiter`] can judge between them,
//! and the labels of namespaces. `apply`, `delete` and `reset` follow the watches; whoever's verdict
//! changes through somebody else's change is woken.

mod routed;
mod state;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::{Resource, ResourceExt};
use kube_runtime::reflector::{ObjectRef, Store};
use kube_runtime::watcher::Event;
use oidc_crds::arbitrate::Arbiter;
use oidc_crds::client::Client;
use oidc_crds::guard::Guarded;
use oidc_crds::names::Algorithm;
use oidc_crds::resources::{OidcClient, OidcUser};
use oidc_crds::schedule::Demand;
use oidc_crds::secrets::installation::{Belongs, Installation};
use oidc_crds::user::User;
use oidc_crds::validate::{Violation, validate, validate_user};
use tokio::sync::{Notify, mpsc, watch};

use self::routed::{Routed, last_note, looked};
use self::state::{ScopeState, State};
use crate::watches::Scope;

/// An OidcClient, or what is left of one that cannot be parsed.
pub(crate) type GuardedClient = Guarded<OidcClient>;
/// An OidcUser, or what is left of one that cannot be parsed.
pub(crate) type GuardedUser = Guarded<OidcUser>;

/// Namespace and name.
pub(crate) type Key = (String, String);

/// The index. One lock, held for computations only.
pub(crate) struct Index {
    state: Mutex<State>,
    synced: watch::Sender<bool>,
    refreshed: watch::Sender<()>,
    wake_signing_keys: Arc<Notify>,
}

/// What is to be said of a client.
pub(crate) enum Judged {
    /// It must choose between installations, which all say the same of it.
    Contested(Vec<Violation>),
    /// It is this installation's.
    Ours(Box<Ours>),
}

/// The verdict on a client, and what it is by that only the operator sees.
pub(crate) struct Ours {
    pub(crate) verdict: Result<Client, Vec<Violation>>,
    /// The client's hosts that routes serve; `None` where they are not asked.
    pub(crate) routed_hosts: Option<Vec<String>>,
    /// Whether routes could not be read, so that this is what was noted last.
    pub(crate) unreadable: bool,
}

impl Index {
    pub(crate) fn new(wake_signing_keys: Arc<Notify>) -> Self {
        Self {
            state: Mutex::default(),
            synced: watch::Sender::new(false),
            refreshed: watch::Sender::new(()),
            wake_signing_keys,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins with the clients of these scopes and forgets all others. Nothing is judged until each
    /// scope and the users have been listed.
    pub(crate) fn begin(
        &self,
        installation: Arc<Installation>,
        scopes: Vec<(
            Scope,
            Store<GuardedClient>,
            mpsc::UnboundedSender<ObjectRef<GuardedClient>>,
        )>,
    ) {
        let mut state = self.lock();
        let mut arbiter = Arbiter::new(installation.clone());
        arbiter.algorithms(state.algorithms.clone());
        state.arbiter = Some(arbiter);
        state.arbitrate_users();
        state.installation = Some(installation);
        state.clients.clear();
        state.demand_is_old = true;
        state.scopes = scopes
            .into_iter()
            .map(|(scope, store, wake)| ScopeState {
                scope,
                synced: false,
                unread: None,
                listed: HashSet::new(),
                store,
                wake,
            })
            .collect();
        self.synced.send_replace(false);
    }

    /// Where users are kept and woken.
    pub(crate) fn begin_users(
        &self,
        wake: mpsc::UnboundedSender<ObjectRef<GuardedUser>>,
        store: Store<GuardedUser>,
    ) {
        let mut state = self.lock();
        state.wake_user = Some(wake);
        state.users_store = Some(store);
    }

    /// Whether some user, valid or not, has the password in this Secret.
    pub(crate) fn has_password_in(&self, secret: &str) -> bool {
        let users = self.lock().users_store.as_ref().map(Store::state);
        users.iter().flatten().any(|user| {
            let reference = user.0.as_ref().ok();
            let reference = reference.and_then(|user| user.spec.password_secret_ref.as_ref());
            reference.is_some_and(|reference| reference.name == secret)
        })
    }

    /// Waits until everything has been listed once.
    pub(crate) async fn synced(&self) {
        // The sender lives as long as the index.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// Follows the watch of a scope's clients.
    pub(crate) fn client_event(&self, scope: &Scope, event: &Event<GuardedClient>) {
        let mut state = self.lock();
        let changed = match event {
            Event::Init => {
                if let Some(known) = state.scope(scope) {
                    known.listed.clear();
                }
                false
            }
            Event::InitApply(object) => {
                let key = key(object);
                if let Some(known) = state.scope(scope) {
                    known.listed.insert(key);
                }
                state.apply_client(object)
            }
            Event::InitDone => state.reset_clients(scope),
            Event::Apply(object) => state.apply_client(object),
            Event::Delete(object) => state.set_client(key(object), None),
        };
        let done = matches!(event, Event::InitDone);
        if changed || done {
            self.judge(&mut state);
        }
    }

    /// A scope whose clients cannot be read has none, and nobody waits for it. But pods may read and serve them, so
    /// what they asked of the keys last stays.
    pub(crate) fn unreadable(&self, scope: &Scope) {
        let mut state = self.lock();
        let last = state.last_demand(scope);
        if let Some(known) = state.scope(scope) {
            known.listed.clear();
        }
        state.reset_clients(scope);
        if let Some(known) = state.scope(scope) {
            known.unread = Some(last);
        }
        state.demand_is_old = true;
        self.judge(&mut state);
    }

    /// Follows the watch of the users.
    pub(crate) fn user_event(&self, event: &Event<GuardedUser>) {
        let mut state = self.lock();
        let changed = match event {
            Event::Init => {
                state.users_listed.clear();
                false
            }
            Event::InitApply(object) => {
                state.users_listed.insert(key(object));
                state.apply_user(object)
            }
            Event::InitDone => {
                state.users_synced = true;
                let listed = std::mem::take(&mut state.users_listed);
                state.users.retain(|key, _| listed.contains(key));
                true
            }
            Event::Apply(object) => state.apply_user(object),
            Event::Delete(object) => state.users.remove(&key(object)).is_some(),
        };
        if changed {
            state.arbitrate_users();
            self.judge(&mut state);
        }
    }

    /// Follows the labels of namespaces; `None` where they do not matter.
    pub(crate) fn set_namespaces(&self, namespaces: Option<HashMap<String, BTreeMap<String, String>>>) {
        let mut state = self.lock();
        if state.namespaces == namespaces {
            return;
        }
        let old = std::mem::replace(&mut state.namespaces, namespaces);
        let labels = |all: &Option<HashMap<String, BTreeMap<String, String>>>, name: &str| {
            all.as_ref().and_then(|all| all.get(name).cloned())
        };
        let changed: Vec<Arc<GuardedClient>> = state
            .objects()
            .into_iter()
            .filter(|object| {
                let namespace = object.namespace().unwrap_or_default();
                labels(&old, &namespace) != labels(&state.namespaces, &namespace)
            })
            .collect();
        for object in &changed {
            state.apply_client(object);
            state.wake_client(&key(object.as_ref()));
        }
        self.judge(&mut state);
    }

    /// Judges everything anew, because the installation changed.
    pub(crate) fn refresh(&self, installation: Arc<Installation>) {
        let mut state = self.lock();
        if let Some(arbiter) = &mut state.arbiter {
            arbiter.installation(installation.clone());
        }
        state.installation = Some(installation);
        for object in state.objects() {
            state.apply_client(&object);
        }
        self.judge(&mut state);
        drop(state);
        self.refreshed.send_replace(());
    }

    /// The installation that verdicts are by.
    pub(crate) fn installation(&self) -> Option<Arc<Installation>> {
        self.lock().installation.clone()
    }

    /// Changes when the installation that verdicts are by has changed.
    pub(crate) fn refreshed(&self) -> watch::Receiver<()> {
        self.refreshed.subscribe()
    }

    /// The verdict on a client: its own rules, and those between objects. `None`: it is another installation's, or
    /// there is none yet; it is woken when that changes.
    pub(crate) fn client_verdict(&self, client: &OidcClient) -> Option<Judged> {
        let state = self.lock();
        let installation = state.installation.as_ref()?;
        let namespace = client.namespace().unwrap_or_default();
        let labels = state.labels(&namespace);
        match installation.belongs(client.spec.class_name.as_deref(), &namespace, labels) {
            Belongs::Elsewhere | Belongs::Unknown => return None,
            Belongs::Contested(_) => {
                return validate(client, installation, labels)
                    .err()
                    .map(Judged::Contested);
            }
            Belongs::Here => {}
        }
        // whether it is served is not known before its labels are
        installation.serves(&namespace, labels)?;
        let mut client = client.clone();
        let mut unreadable = false;
        let routed_hosts = match state.routed(&client, installation) {
            Routed::NotAsked => None,
            Routed::Unlisted => return None,
            Routed::Unreadable => {
                unreadable = true;
                last_note(&client, installation)
            }
            Routed::Hosts(hosts) => {
                looked(&mut client, hosts.clone());
                Some(hosts)
            }
        };
        let valid = validate(&client, installation, labels);
        let verdict = valid.and_then(|valid| match state.client_lost(valid.uid()) {
            Some(violations) => Err(violations.to_vec()),
            None => Ok(valid),
        });
        Some(Judged::Ours(Box::new(Ours {
            verdict,
            routed_hosts,
            unreadable,
        })))
    }

    /// What is known of the clients of namespaces that these scopes leave out.
    pub(crate) fn clients_outside(&self, scopes: &[Scope]) -> Vec<Arc<GuardedClient>> {
        let mut objects = self.lock().objects();
        objects.retain(|object| {
            let namespace = object.namespace().unwrap_or_default();
            !scopes.iter().any(|scope| scope.contains(&namespace))
        });
        objects
    }

    /// The verdict on a user.
    pub(crate) fn user_verdict(&self, user: &OidcUser) -> Result<User, Vec<Violation>> {
        let valid = validate_user(user)?;
        let state = self.lock();
        match state
            .arbiter
            .as_ref()
            .and_then(|arbiter| arbiter.user_lost(valid.uid()))
        {
            Some(violations) => Err(violations.to_vec()),
            None => Ok(valid),
        }
    }

    /// The accepted clients that are due, given what they are and their object as it was told last; the most urgent
    /// first.
    pub(crate) fn due<T: Ord>(&self, urgency: impl Fn(&Client, &OidcClient) -> Option<T>) -> Vec<Key> {
        let state = self.lock();
        let of_object = |object: &Arc<GuardedClient>| {
            let client = object.0.as_ref().ok()?;
            let key = key(object.as_ref());
            let valid = state.clients.get(&key)?;
            let accepted = state.client_lost(valid.uid()).is_none();
            let urgency = accepted.then(|| urgency(valid, client)).flatten()?;
            Some((urgency, key))
        };
        let mut due: Vec<(T, Key)> = state.objects().iter().filter_map(of_object).collect();
        due.sort();
        due.into_iter().map(|(_, key)| key).collect()
    }

    /// Whether all clients and users are known.
    pub(crate) fn is_synced(&self) -> bool {
        *self.synced.borrow()
    }

    /// Has a client reconciled.
    pub(crate) fn wake(&self, client: &Key) {
        self.lock().wake_client(client);
    }

    /// Follows the key set: clients that name another algorithm are refused.
    pub(crate) fn algorithms(&self, algorithms: BTreeSet<Algorithm>) {
        let mut state = self.lock();
        if state.algorithms.as_ref() != Some(&algorithms) {
            state.algorithms = Some(algorithms.clone());
            if let Some(arbiter) = &mut state.arbiter {
                arbiter.algorithms(Some(algorithms));
            }
            self.judge(&mut state);
        }
    }

    /// What accepted clients ask of the signing keys: while they are listed anew what they asked before, and
    /// anything as long as nothing is known. The keys are woken when it changes.
    pub(crate) fn demand(&self) -> Demand {
        self.lock().demand.clone().unwrap_or_else(Demand::anything)
    }

    /// Wakes those whose verdict changed, and the keys, if what accepted clients ask of them did.
    fn judge(&self, state: &mut State) {
        state.wake_changed();
        let synced = state.users_synced && state.scopes.iter().all(|scope| scope.synced);
        // By a part of the clients a key could be taken for unused, and what is retired never comes back.
        if synced && state.demand_is_old && state.is_settled() {
            state.demand_is_old = false;
            let demand = Some(state.demand());
            if state.demand != demand {
                state.demand = demand;
                self.wake_signing_keys.notify_one();
            }
        }
        let first = synced && !self.synced.send_replace(synced);
        if first {
            self.wake_signing_keys.notify_one();
        }
    }
}

fn key<K: Resource>(object: &K) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kube_runtime::reflector;
    use oidc_crds::names::{Algorithm, Seconds};
    use oidc_crds::resources::oidc_class::InstallationRef;
    use oidc_crds::resources::{OidcClass, Reason};
    use oidc_crds::routes::RouteKind;
    use oidc_crds::secrets::installation::Classes;
    use oidc_crds::uses::{Coverage, Seen};
    use serde_json::{Value, json};

    use super::*;
    use crate::uses::{Urgency, urgency};

    const INSTALLATION: &str = "
        release: oidc
        issuer: https://oidc.identity.svc.cluster.local
        className: oidc
        defaultClass: true
        namespaces: {clusterWide: {selector: {matchLabels: {sso: \"yes\"}}}}
        jwksMaxAge: 300s
        grants:
          - {namespaces: ['*'], clientIds: ['*'], lifetimes: {idToken: 1h}}
        ";

    struct Fixture {
        index: Index,
        writer: reflector::store::Writer<GuardedClient>,
        woken: mpsc::UnboundedReceiver<ObjectRef<GuardedClient>>,
    }

    impl Fixture {
        fn new() -> Self {
            let installation = Arc::new(Installation::parse(INSTALLATION).expect("valid"));
            let index = Index::new(Arc::default());
            let (store, writer) = reflector::store();
            let (sender, woken) = mpsc::unbounded_channel();
            index.begin(installation, vec![(Scope::All, store, sender)]);
            let labels = BTreeMap::from([("sso".to_owned(), "yes".to_owned())]);
            let namespaces = HashMap::from([("team-a".to_owned(), labels)]);
            index.set_namespaces(Some(namespaces));
            Self { index, writer, woken }
        }

        fn clients(&mut self, event: Event<GuardedClient>) {
            self.writer.apply_watcher_event(&event);
            self.index.client_event(&Scope::All, &event);
        }

        fn users(&self, event: &Event<GuardedUser>) {
            self.index.user_event(event);
        }

        fn synced(&mut self) {
            self.clients(Event::Init);
            self.clients(Event::InitDone);
            self.users(&Event::Init);
            self.users(&Event::InitDone);
            while self.woken.try_recv().is_ok() {}
        }

        fn reasons(&self, client: &GuardedClient) -> Vec<Reason> {
            let client = client.0.as_ref().expect("parsed");
            let violations = match self.index.client_verdict(client).expect("known") {
                Judged::Ours(ours) => ours.verdict.err().unwrap_or_default(),
                Judged::Contested(violations) => violations,
            };
            violations.into_iter().map(|v| v.reason).collect()
        }

        /// The labels of namespaces.
        fn label(&self, namespaces: &[(&str, &str)]) {
            let labelled = namespaces.iter().map(|(name, value)| {
                let labels = BTreeMap::from([("sso".to_owned(), (*value).to_owned())]);
                ((*name).to_owned(), labels)
            });
            self.index.set_namespaces(Some(labelled.collect()));
        }

        fn woken(&mut self) -> Vec<String> {
            std::iter::from_fn(|| self.woken.try_recv().ok())
                .map(|object| object.name)
                .collect()
        }
    }

    fn client(name: &str, namespace: &str, minute: u8, spec: Value) -> GuardedClient {
        let mut spec = spec;
        spec["redirectUris"] = json!(["https://app.example.com/cb"]);
        serde_json::from_value(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient",
            "metadata": {
                "name": name, "namespace": namespace, "uid": format!("{namespace}/{name}"), "generation": 1,
                "creationTimestamp": format!("2026-11-25T09:{minute:02}:00Z"),
            },
            "spec": spec,
        }))
        .expect("guarded")
    }

    fn user(name: &str, username: &str) -> GuardedUser {
        serde_json::from_value(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcUser",
            "metadata": {
                "name": name, "namespace": "identity", "uid": name,
                "creationTimestamp": "2026-11-25T10:00:00Z",
            },
            "spec": {"username": username},
        }))
        .expect("guarded")
    }

    #[test]
    fn the_loser_is_woken_when_the_winner_goes() {
        let mut fixture = Fixture::new();
        fixture.synced();
        let older = client("older", "team-a", 1, json!({"clientId": "shop"}));
        let younger = client("younger", "team-a", 2, json!({"clientId": "shop"}));
        fixture.clients(Event::Apply(older.clone()));
        fixture.clients(Event::Apply(younger.clone()));
        assert!(fixture.reasons(&older).is_empty());
        assert_eq!(fixture.reasons(&younger), [Reason::ClientIdTaken]);
        assert_eq!(fixture.woken(), ["younger"]);
        fixture.clients(Event::Delete(older));
        assert!(fixture.reasons(&younger).is_empty());
        assert_eq!(fixture.woken(), ["younger"]);
    }

    #[test]
    fn a_user_takes_the_name_from_a_client() {
        let mut fixture = Fixture::new();
        fixture.synced();
        let shop = client("shop", "team-a", 1, json!({"clientId": "shop"}));
        fixture.clients(Event::Apply(shop.clone()));
        fixture.users(&Event::Apply(user("jane", "shop")));
        assert_eq!(fixture.reasons(&shop), [Reason::NameTaken]);
        fixture.users(&Event::Apply(user("jane", "jane")));
        assert!(fixture.reasons(&shop).is_empty());
    }

    #[test]
    fn the_younger_user_is_woken_when_the_older_goes() {
        let mut fixture = Fixture::new();
        fixture.synced();
        let (sender, mut woken) = mpsc::unbounded_channel();
        fixture.index.begin_users(sender, reflector::store().0);
        fixture.users(&Event::Apply(user("a", "jane")));
        fixture.users(&Event::Apply(user("b", "jane")));
        fixture.users(&Event::Delete(user("a", "jane")));
        let expected = ObjectRef::new("b").within("identity");
        assert_eq!(woken.try_recv(), Ok(expected.clone()), "it lost");
        assert_eq!(woken.try_recv(), Ok(expected), "it won");
    }

    #[test]
    fn a_relist_forgets_what_vanished_meanwhile() {
        let mut fixture = Fixture::new();
        fixture.synced();
        let older = client("older", "team-a", 1, json!({"clientId": "shop"}));
        let younger = client("younger", "team-a", 2, json!({"clientId": "shop"}));
        fixture.clients(Event::Apply(older));
        fixture.clients(Event::Apply(younger.clone()));
        fixture.clients(Event::Init);
        fixture.clients(Event::InitApply(younger.clone()));
        assert_eq!(fixture.reasons(&younger), [Reason::ClientIdTaken]);
        fixture.clients(Event::InitDone);
        assert!(fixture.reasons(&younger).is_empty());
    }

    #[test]
    fn an_object_that_cannot_be_parsed_counts_as_deleted() {
        let mut fixture = Fixture::new();
        fixture.synced();
        let older = client("older", "team-a", 1, json!({"clientId": "shop"}));
        let younger = client("younger", "team-a", 2, json!({"clientId": "shop"}));
        fixture.clients(Event::Apply(older));
        fixture.clients(Event::Apply(younger.clone()));
        let broken = client("older", "team-a", 1, json!({"scopes": 7}));
        assert!(broken.0.is_err());
        fixture.clients(Event::Apply(broken));
        assert!(fixture.reasons(&younger).is_empty());
    }

    #[test]
    fn labels_of_namespaces_decide_and_wake() {
        let mut fixture = Fixture::new();
        fixture.synced();
        let other = client("app", "team-b", 1, json!({}));
        fixture.clients(Event::Apply(other.clone()));
        let of = other.0.as_ref().expect("parsed");
        assert!(fixture.index.client_verdict(of).is_none(), "not known yet");
        fixture.label(&[("team-a", "yes"), ("team-b", "no")]);
        assert_eq!(fixture.woken(), ["app"]);
        assert_eq!(fixture.reasons(&other), [Reason::NamespaceNotServed]);
        fixture.label(&[("team-a", "yes"), ("team-b", "yes")]);
        assert!(fixture.reasons(&other).is_empty());
        assert_eq!(fixture.woken(), ["app"]);
    }

    /// The installation beside another default, with this in the spec of its class.
    fn beside(mut other: Value) -> Arc<Installation> {
        other["issuer"] = json!("https://b.example");
        other["default"] = json!(true);
        other["installation"] = json!({"namespace": "b", "release": "b"});
        let object = |name: &str, spec: Value| -> OidcClass {
            let class = json!({
                "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClass", "metadata": {"name": name},
                "spec": spec,
            });
            serde_json::from_value(class).expect("a class")
        };
        let own = InstallationRef {
            namespace: "identity".into(),
            release: "oidc".into(),
        };
        let ours = json!({
            "issuer": "https://a.example", "default": true, "clusterWide": true,
            "namespaceSelector": {"matchLabels": {"sso": "yes"}}, "installation": own,
        });
        let mut installation = Installation::parse(INSTALLATION).expect("valid");
        installation.classes = Classes::of(&[object("oidc", ours), object("b", other)], &own);
        Arc::new(installation)
    }

    #[test]
    fn a_client_that_another_default_serves_is_left_alone_or_told_that_alone() {
        let mut fixture = Fixture::new();
        fixture.synced();
        // wrong for more than one reason
        let taken = client("app", "team-a", 1, json!({"scopes": ["openid", "no scope"]}));
        fixture.clients(Event::Apply(taken.clone()));
        let of = taken.0.as_ref().expect("parsed");
        assert_eq!(fixture.reasons(&taken), [Reason::Invalid]);
        let both = json!({"clusterWide": true, "namespaceSelector": {"matchLabels": {"sso": "yes"}}});
        fixture.index.refresh(beside(both.clone()));
        assert_eq!(fixture.reasons(&taken), [Reason::AmbiguousClass]);
        fixture
            .index
            .refresh(beside(json!({"watchNamespaces": ["team-a"]})));
        assert!(
            fixture.index.client_verdict(of).is_none(),
            "it lists the namespace"
        );
        fixture
            .index
            .refresh(beside(json!({"watchNamespaces": ["team-b"]})));
        assert_eq!(fixture.reasons(&taken), [Reason::Invalid]);
        let named = client("named", "team-a", 1, json!({"className": "oidc"}));
        fixture.index.refresh(beside(both));
        assert!(fixture.reasons(&named).is_empty());
    }

    #[test]
    fn what_is_known_stays_while_labels_are_not() {
        let mut fixture = Fixture::new();
        fixture.synced();
        let app = client(
            "app",
            "team-a",
            1,
            json!({"tokens": {"idTokenSignedResponseAlg": "ES256"}}),
        );
        fixture.clients(Event::Apply(app.clone()));
        fixture
            .index
            .refresh(beside(json!({"watchNamespaces": ["team-b"]})));
        let asked = fixture.index.demand();
        assert!(asked.algorithms.contains(&Algorithm::ES256));
        fixture.index.set_namespaces(None);
        let of = app.0.as_ref().expect("parsed");
        assert!(fixture.index.client_verdict(of).is_none());
        assert_eq!(fixture.index.demand(), asked);
    }

    #[test]
    fn routes_decide_and_wake_whom_they_concern() {
        let mut fixture = Fixture::new();
        fixture.synced();
        let follow = format!("{INSTALLATION}\n        allowed: {{redirectHostsFromRoutes: true}}");
        let follow = Installation::parse(&follow).expect("valid");
        let web = client("web", "team-a", 1, json!({}));
        let mut machine = client(
            "machine",
            "team-a",
            2,
            json!({"grantTypes": ["client_credentials"]}),
        );
        machine.0.as_mut().expect("parsed").spec.redirect_uris.clear();
        fixture.clients(Event::Apply(web.clone()));
        fixture.clients(Event::Apply(machine.clone()));
        fixture.index.refresh(Arc::new(follow));
        assert!(
            fixture
                .index
                .client_verdict(web.0.as_ref().expect("parsed"))
                .is_none(),
            "not yet"
        );
        assert!(fixture.reasons(&machine).is_empty(), "it leads nowhere");
        for kind in RouteKind::ALL {
            assert!(fixture.woken().is_empty());
            fixture
                .index
                .routes(|routes| routes.not_served(&Scope::All, kind));
        }
        assert_eq!(fixture.woken(), ["web"]);
        assert_eq!(fixture.reasons(&web), [Reason::NoRoute]);
        let route = json!({
            "metadata": {"namespace": "team-a", "name": "app", "generation": 1}, "spec": {"hostnames": ["*.example.com"]},
            "status": {"parents": [{"parentRef": {"name": "web"}, "conditions": [
                {"type": "Accepted", "status": "True", "observedGeneration": 1},
            ]}]},
        });
        let event = Event::Apply(serde_json::from_value(route).expect("an object"));
        fixture
            .index
            .routes(|routes| routes.event(&Scope::All, RouteKind::HttpRoute, &event));
        assert_eq!(fixture.woken(), ["web"]);
        assert!(fixture.reasons(&web).is_empty());
    }

    #[test]
    fn clients_whose_routes_cannot_be_read_go_by_their_status() {
        let mut fixture = Fixture::new();
        fixture.synced();
        let follow = format!(
            "{INSTALLATION}\n        allowed: {{redirectHostsFromRoutes: true, redirectHosts: [listed.example.com]}}"
        );
        fixture
            .index
            .refresh(Arc::new(Installation::parse(&follow).expect("valid")));
        let mut noted = client("noted", "team-a", 1, json!({}));
        noted.0.as_mut().expect("parsed").status =
            serde_json::from_value(json!({"observedGeneration": 1, "routedHosts": ["app.example.com"]}))
                .expect("a status");
        let mut refused = client("refused", "team-a", 2, json!({}));
        refused.0.as_mut().expect("parsed").status =
            serde_json::from_value(json!({"observedGeneration": 1, "routedHosts": []})).expect("a status");
        let new = client("new", "team-a", 3, json!({}));
        let mut listed = client("listed", "team-a", 4, json!({}));
        listed.0.as_mut().expect("parsed").spec.redirect_uris = vec!["https://listed.example.com/cb".into()];
        for client in [&noted, &refused, &new, &listed] {
            fixture.clients(Event::Apply(client.clone()));
        }
        fixture
            .index
            .routes(|routes| routes.not_served(&Scope::All, RouteKind::HttpRoute));
        while fixture.woken().is_empty() {
            assert!(
                fixture
                    .index
                    .client_verdict(noted.0.as_ref().expect("parsed"))
                    .is_none()
            );
            fixture
                .index
                .routes(|routes| routes.failed(&Scope::All, RouteKind::Ingress));
        }
        let judged = |client: &GuardedClient| {
            let client = client.0.as_ref().expect("parsed");
            let Some(Judged::Ours(judged)) = fixture.index.client_verdict(client) else {
                panic!("it is ours");
            };
            assert!(judged.unreadable);
            let served = judged.verdict.map(|client| client.redirect_uris().len());
            let served = served.map_err(|violations| violations[0].reason);
            (served, judged.routed_hosts)
        };
        let hosts = |hosts: &[&str]| Some(hosts.iter().map(|&host| host.to_owned()).collect::<Vec<_>>());
        assert_eq!(judged(&noted), (Ok(1), hosts(&["app.example.com"])));
        assert_eq!(judged(&refused), (Err(Reason::NoRoute), hosts(&[])));
        assert_eq!(judged(&new), (Ok(0), None));
        assert_eq!(judged(&listed), (Ok(1), hosts(&[])));
    }

    #[test]
    fn what_accepted_clients_ask_of_the_keys_is_known() {
        let mut fixture = Fixture::new();
        fixture.synced();
        let spec = json!({"tokens": {"idTokenSignedResponseAlg": "ES256", "idTokenTtl": "1h"}});
        let named = client("app", "team-a", 1, spec);
        fixture.clients(Event::Apply(named.clone()));
        let demand = fixture.index.demand();
        assert_eq!(demand.algorithms, BTreeSet::from([Algorithm::ES256]));
        assert_eq!(demand.longest_token, Seconds(3600));
        fixture.clients(Event::Delete(named));
        assert_eq!(fixture.index.demand(), Demand::default());
    }

    /// As the operator asks, with what the index keeps of a client.
    #[test]
    fn a_secret_that_nobody_uses_is_due_to_retire() {
        let mut fixture = Fixture::new();
        fixture.synced();
        let rotating = |name: &str, rotation: Value| {
            let mut object = client(name, "team-a", 1, json!({"rotation": rotation}));
            let status = json!({"conditions": [], "credentials": [
                {"id": "old", "digest": "p:1", "createdAt": "2026-11-25T09:01:00Z", "retiresAt": "2026-11-26T09:00:00Z"},
                {"id": "new", "digest": "p:2", "createdAt": "2026-11-25T10:00:00Z"},
            ]});
            if let Ok(object) = &mut object.0 {
                object.status = serde_json::from_value(status).expect("a status");
            }
            object
        };
        fixture.clients(Event::Apply(rotating("asks", json!({"retireUnused": "1h"}))));
        fixture.clients(Event::Apply(rotating("asks-not", json!({"interval": "30d"}))));
        let now: jiff::Timestamp = "2026-11-25T12:00:00Z".parse().expect("a time");
        let seen = Seen {
            coverage: Some(Coverage {
                from: now - jiff::SignedDuration::from_hours(3),
                to: now,
            }),
            ..Seen::default()
        };
        let due = fixture.index.due(|client, object| {
            let urgency = urgency(client, object, &seen, now)?;
            assert_eq!(urgency, Urgency::Retire);
            Some(urgency)
        });
        assert_eq!(due, [("team-a".to_owned(), "asks".to_owned())]);
    }

    /// One that names an algorithm.
    fn of(algorithm: Algorithm, name: &str) -> GuardedClient {
        let named = json!({"tokens": {"idTokenSignedResponseAlg": algorithm}});
        client(name, "team-a", 1, named)
    }

    #[test]
    fn what_is_asked_of_the_keys_is_not_judged_by_a_part_of_the_clients() {
        let mut fixture = Fixture::new();
        assert_eq!(fixture.index.demand(), Demand::anything());
        fixture.clients(Event::Init);
        fixture.users(&Event::InitDone);
        fixture.clients(Event::InitApply(of(Algorithm::ES256, "a")));
        assert_eq!(fixture.index.demand(), Demand::anything(), "there may be more");
        fixture.clients(Event::InitApply(of(Algorithm::EdDSA, "b")));
        fixture.clients(Event::InitDone);
        let both = BTreeSet::from([Algorithm::ES256, Algorithm::EdDSA]);
        let asked = |fixture: &Fixture| fixture.index.demand().algorithms;
        assert_eq!(asked(&fixture), both);
        // Other namespaces are served, so all are listed anew.
        let (store, writer) = reflector::store();
        let (sender, _woken) = mpsc::unbounded_channel();
        let installation = fixture.index.installation().expect("there");
        fixture
            .index
            .begin(installation, vec![(Scope::All, store, sender)]);
        fixture.writer = writer;
        assert_eq!(asked(&fixture), both);
        fixture.clients(Event::Init);
        fixture.clients(Event::InitApply(of(Algorithm::EdDSA, "b")));
        assert_eq!(asked(&fixture), both, "not yet");
        fixture.clients(Event::InitDone);
        assert_eq!(asked(&fixture), BTreeSet::from([Algorithm::EdDSA]));
    }

    #[test]
    fn what_is_asked_of_the_keys_is_not_judged_before_namespaces_and_routes_are_known() {
        let mut fixture = Fixture::new();
        fixture.index.set_namespaces(None);
        fixture.synced();
        fixture.clients(Event::Apply(of(Algorithm::ES256, "a")));
        assert_eq!(fixture.index.demand(), Demand::anything());
        let labels = BTreeMap::from([("sso".to_owned(), "yes".to_owned())]);
        let namespaces = HashMap::from([("team-a".to_owned(), labels)]);
        fixture.index.set_namespaces(Some(namespaces));
        let asked = |fixture: &Fixture| fixture.index.demand().algorithms;
        let es256 = BTreeSet::from([Algorithm::ES256]);
        assert_eq!(asked(&fixture), es256);
        let follow = format!("{INSTALLATION}\n        allowed: {{redirectHostsFromRoutes: true}}");
        fixture
            .index
            .refresh(Arc::new(Installation::parse(&follow).expect("valid")));
        assert_eq!(asked(&fixture), es256, "its routes are not listed yet");
        for kind in RouteKind::ALL {
            fixture
                .index
                .routes(|routes| routes.not_served(&Scope::All, kind));
        }
        assert_eq!(asked(&fixture), BTreeSet::new(), "it is refused: it has no route");
    }

    #[test]
    fn clients_that_cannot_be_read_any_more_ask_what_they_asked_last() {
        let mut fixture = Fixture::new();
        fixture.synced();
        fixture.clients(Event::Apply(of(Algorithm::ES256, "a")));
        let asked = |fixture: &Fixture| fixture.index.demand().algorithms;
        for _ in 0..2 {
            fixture.index.unreadable(&Scope::All);
            assert_eq!(asked(&fixture), BTreeSet::from([Algorithm::ES256]));
        }
        fixture.clients(Event::Init);
        fixture.clients(Event::InitApply(of(Algorithm::EdDSA, "b")));
        assert_eq!(
            asked(&fixture),
            BTreeSet::from([Algorithm::ES256, Algorithm::EdDSA]),
            "not all are listed"
        );
        fixture.clients(Event::InitDone);
        assert_eq!(asked(&fixture), BTreeSet::from([Algorithm::EdDSA]));
    }

    #[test]
    fn clients_that_could_never_be_read_may_ask_for_anything() {
        let fixture = Fixture::new();
        fixture.users(&Event::InitDone);
        fixture.index.unreadable(&Scope::All);
        let demand = fixture.index.demand();
        assert_eq!(demand.algorithms, BTreeSet::from(Algorithm::ALL));
    }

    #[test]
    fn the_secrets_of_users_are_known() {
        let fixture = Fixture::new();
        assert!(!fixture.index.has_password_in("jane"));
        let (store, mut writer) = reflector::store();
        fixture.index.begin_users(mpsc::unbounded_channel().0, store);
        let mut user = user("jane", "jane");
        if let Ok(user) = &mut user.0 {
            let reference = json!({"name": "jane"});
            user.spec.password_secret_ref = serde_json::from_value(reference).expect("a reference");
        }
        writer.apply_watcher_event(&Event::Apply(user));
        assert!(fixture.index.has_password_in("jane") && !fixture.index.has_password_in("john"));
    }

    #[test]
    fn a_scope_that_cannot_be_read_holds_nobody_up() {
        let mut fixture = Fixture::new();
        fixture.users(&Event::InitDone);
        assert!(!*fixture.index.synced.borrow());
        fixture.index.unreadable(&Scope::All);
        assert!(*fixture.index.synced.borrow());
        fixture.clients(Event::Apply(client("app", "team-a", 1, json!({}))));
    }

    #[tokio::test]
    async fn nothing_is_synced_before_clients_and_users_were_listed() {
        let mut fixture = Fixture::new();
        assert!(!*fixture.index.synced.borrow());
        fixture.clients(Event::InitDone);
        assert!(!*fixture.index.synced.borrow());
        fixture.users(&Event::InitDone);
        fixture.index.synced().await;
    }
}
