//! [`Arbiter`]: the rules between objects, kept up to date as single objects change. What a change costs
//! depends on whom it touches, not on how many there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Deref;
use std::sync::Arc;

use super::{arbitrate_users, violation};
use crate::client::Client;
use crate::names::Algorithm;
use crate::resources::Reason;
use crate::secrets::installation::Installation;
use crate::user::User;
use crate::validate::Violation;

/// Judges between clients and users; the rules are those of [`arbitrate`](super::arbitrate). `C` is how a
/// client is held.
pub struct Arbiter<C> {
    installation: Arc<Installation>,
    /// What some key signs with; `None`: not known yet.
    algorithms: Option<BTreeSet<Algorithm>>,
    /// By id, then UID: those that claim one id are neighbours.
    clients: Vec<C>,
    /// How often each audience is named.
    audiences: HashMap<Box<str>, usize>,
    /// Subjects and usernames of users.
    names: BTreeSet<Box<str>>,
    /// Who loses, by UID.
    clients_lost: BTreeMap<Box<str>, Vec<Violation>>,
    users_lost: BTreeMap<Box<str>, Vec<Violation>>,
    /// Whose verdict changed since the last question.
    clients_changed: Vec<C>,
    users_changed: BTreeSet<Box<str>>,
}

impl<C: Deref<Target = Client> + Clone> Arbiter<C> {
    /// Knows nobody.
    #[must_use]
    pub fn new(installation: Arc<Installation>) -> Self {
        Self {
            installation,
            algorithms: None,
            clients: Vec::new(),
            audiences: HashMap::new(),
            names: BTreeSet::new(),
            clients_lost: BTreeMap::new(),
            users_lost: BTreeMap::new(),
            clients_changed: Vec::new(),
            users_changed: BTreeSet::new(),
        }
    }

    /// Another installation grants other ids.
    pub fn installation(&mut self, installation: Arc<Installation>) {
        self.installation = installation;
        self.judge_all();
    }

    /// Algorithms that some key signs with; `None`: not known yet.
    pub fn algorithms(&mut self, algorithms: Option<BTreeSet<Algorithm>>) {
        if self.algorithms != algorithms {
            self.algorithms = algorithms;
            self.judge_all();
        }
    }

    /// A client came (`old` is `None`), went (`new` is `None`) or is another now. `old` is what was put last.
    pub fn client(&mut self, old: Option<&Client>, new: Option<C>) {
        if let (Some(old), Some(new)) = (old, &new)
            && stands_like(old, new)
            && let Ok(at) = self.find(old)
        {
            self.clients[at] = new.clone();
            return;
        }
        let gone = old.map(|old| &old.uid);
        let gone = gone.filter(|uid| new.as_ref().is_none_or(|new| new.uid != **uid));
        let mut ids = BTreeSet::new();
        if let Some(old) = old {
            self.remove(old);
            ids.insert(old.client_id.clone());
        }
        if let Some(new) = new {
            ids.insert(new.client_id.clone());
            self.insert(new);
        }
        for id in &ids {
            self.judge_id(id);
        }
        if let Some(gone) = gone {
            self.clients_lost.remove(gone);
        }
    }

    /// All users, where one came, went or changed.
    pub fn users(&mut self, users: &[&User]) {
        let mut refused = Vec::new();
        let names = arbitrate_users(users, &mut refused);
        let mut lost: BTreeMap<Box<str>, Vec<Violation>> = BTreeMap::new();
        for (uid, violation) in refused {
            lost.entry(uid.into()).or_default().push(violation);
        }
        let before = std::mem::replace(&mut self.users_lost, lost);
        let uids = before.keys().chain(self.users_lost.keys());
        let changed = uids.filter(|uid| before.get(*uid) != self.users_lost.get(*uid));
        self.users_changed.extend(changed.cloned());
        let names: BTreeSet<Box<str>> = names.into_iter().map(Box::from).collect();
        let old = std::mem::replace(&mut self.names, names);
        let touched: Vec<Box<str>> = old.symmetric_difference(&self.names).cloned().collect();
        for name in &touched {
            self.judge_id(name);
        }
    }

    /// Why a client loses, by its UID; `None`: it stands.
    #[must_use]
    pub fn client_lost(&self, uid: &str) -> Option<&[Violation]> {
        self.clients_lost.get(uid).map(Vec::as_slice)
    }

    /// Why a user loses, by its UID; `None`: it stands.
    #[must_use]
    pub fn user_lost(&self, uid: &str) -> Option<&[Violation]> {
        self.users_lost.get(uid).map(Vec::as_slice)
    }

    /// Clients whose verdict changed since the last question; some may be gone.
    pub fn take_changed_clients(&mut self) -> Vec<C> {
        std::mem::take(&mut self.clients_changed)
    }

    /// UIDs of users whose verdict changed since the last question; some may be gone.
    pub fn take_changed_users(&mut self) -> BTreeSet<Box<str>> {
        std::mem::take(&mut self.users_changed)
    }

    /// Everybody who loses, with each reason, by UID.
    pub fn lost(&self) -> impl Iterator<Item = (&str, &Violation)> {
        let all = self.users_lost.iter().chain(&self.clients_lost);
        all.flat_map(|(uid, violations)| violations.iter().map(move |violation| (&**uid, violation)))
    }

    /// Where a client is, or belongs.
    fn find(&self, client: &Client) -> Result<usize, usize> {
        let place = |known: &C| (&*known.client_id, &*known.uid).cmp(&(&*client.client_id, &*client.uid));
        self.clients.binary_search_by(place)
    }

    fn insert(&mut self, client: C) {
        for audience in audiences(&client) {
            match self.audiences.get_mut(audience) {
                Some(count) => *count += 1,
                None => {
                    self.audiences.insert(audience.into(), 1);
                }
            }
        }
        match self.find(&client) {
            Ok(at) => self.clients[at] = client,
            Err(at) => self.clients.insert(at, client),
        }
    }

    fn remove(&mut self, client: &Client) {
        let Ok(at) = self.find(client) else {
            return;
        };
        let known = self.clients.remove(at);
        for audience in audiences(&known) {
            if let Some(count) = self.audiences.get_mut(audience) {
                *count -= 1;
                if *count == 0 {
                    self.audiences.remove(audience);
                }
            }
        }
    }

    /// Those that claim an id.
    fn claiming(&self, id: &str) -> &[C] {
        let from = self.clients.partition_point(|client| &*client.client_id < id);
        let claiming = &self.clients[from..];
        let number = claiming.partition_point(|client| &*client.client_id == id);
        &claiming[..number]
    }

    /// Whose id it is.
    fn winner(&self, id: &str) -> Option<&C> {
        if self.names.contains(id) {
            return None;
        }
        self.claiming(id).iter().min_by_key(|client| {
            let grant = self
                .installation
                .grants_client_id(&client.namespace, &client.client_id);
            // a computed id needs no grant, and nobody else can have it
            (
                grant.unwrap_or(usize::MAX),
                client.created_at,
                &client.namespace,
                &client.name,
                &client.uid,
            )
        })
    }

    /// Judges whoever claims an id, and whoever names it as an audience.
    fn judge_id(&mut self, id: &str) {
        let mut touched = self.claiming(id).to_vec();
        if self.audiences.contains_key(id) {
            let names = |client: &&C| audiences(client).any(|audience| audience == id);
            touched.extend(self.clients.iter().filter(names).cloned());
        }
        let winner = self.winner(id).map(|winner| winner.uid.clone());
        for client in touched {
            let is_winner = if *client.client_id == *id {
                winner.as_deref() == Some(&client.uid)
            } else {
                let own = self.winner(&client.client_id);
                own.is_some_and(|own| own.uid == client.uid)
            };
            self.judge(client, is_winner);
        }
    }

    fn judge_all(&mut self) {
        let ids: BTreeSet<Box<str>> = self
            .clients
            .iter()
            .map(|client| client.client_id.clone())
            .collect();
        for id in &ids {
            let winner = self.winner(id).map(|winner| winner.uid.clone());
            for client in self.claiming(id).to_vec() {
                let is_winner = winner.as_deref() == Some(&client.uid);
                self.judge(client, is_winner);
            }
        }
    }

    fn judge(&mut self, client: C, is_winner: bool) {
        let violations = self.violations(&client, is_winner);
        let before = self.clients_lost.get(&client.uid);
        if before.map_or(&[][..], Vec::as_slice) == violations {
            return;
        }
        if violations.is_empty() {
            self.clients_lost.remove(&client.uid);
        } else {
            self.clients_lost.insert(client.uid.clone(), violations);
        }
        self.clients_changed.push(client);
    }

    fn violations(&self, client: &Client, is_winner: bool) -> Vec<Violation> {
        let mut violations = Vec::new();
        if !is_winner {
            violations.push(self.id_is_taken(client));
        }
        self.audiences_are_ids(client, &mut violations);
        self.algorithms_are_missing(client, &mut violations);
        violations
    }

    fn id_is_taken(&self, client: &Client) -> Violation {
        match self.winner(&client.client_id) {
            // who may not read another namespace learns nothing of it
            Some(winner) if winner.namespace == client.namespace => {
                let message = format!("the older client {} has this id: choose another", winner.name);
                violation("spec.clientId", Reason::ClientIdTaken, message)
            }
            Some(_) => {
                let message = "a client of another namespace has this id: choose another".to_owned();
                violation("spec.clientId", Reason::ClientIdTaken, message)
            }
            None => {
                let message = "a user has this name as subject or username: choose another id".to_owned();
                violation("spec.clientId", Reason::NameTaken, message)
            }
        }
    }

    /// Were a token's audience a client's id, the token could pass for that client's ID token.
    fn audiences_are_ids(&self, client: &Client, violations: &mut Vec<Violation>) {
        let lists = [
            ("spec.audiences", client.audiences()),
            ("spec.resourceServerFor", client.resource_server_for()),
        ];
        for (field, list) in lists {
            for (index, audience) in list.iter().enumerate() {
                if self.winner(audience).is_some_and(|owner| owner.uid != client.uid) {
                    let message = "is the id of another client: choose another audience".to_owned();
                    violations.push(violation(
                        &format!("{field}[{index}]"),
                        Reason::ClientIdTaken,
                        message,
                    ));
                }
            }
        }
    }

    /// Nothing could be signed for such a client.
    fn algorithms_are_missing(&self, client: &Client, violations: &mut Vec<Violation>) {
        let Some(algorithms) = &self.algorithms else {
            return;
        };
        let named = [
            ("spec.tokens.idTokenSignedResponseAlg", client.id_token_alg()),
            ("spec.tokens.accessTokenSigningAlg", client.access_token_alg()),
        ];
        for (field, algorithm) in named {
            let Some(algorithm) = algorithm.filter(|named| !algorithms.contains(named)) else {
                continue;
            };
            let offered: Vec<&str> = algorithms.iter().map(|offered| offered.as_str()).collect();
            let message = format!(
                "no key signs with {algorithm}: choose one of {}, or ask for a SigningKey",
                offered.join(", ")
            );
            violations.push(violation(field, Reason::AlgorithmNotOffered, message));
        }
    }
}

fn audiences(client: &Client) -> impl Iterator<Item = &str> {
    let all = client.audiences().iter().chain(client.resource_server_for());
    all.map(String::as_str)
}

/// Whether nothing differs that the rules look at.
fn stands_like(a: &Client, b: &Client) -> bool {
    (&a.uid, &a.namespace, &a.name, &a.client_id, a.created_at)
        == (&b.uid, &b.namespace, &b.name, &b.client_id, b.created_at)
        && (a.audiences(), a.resource_server_for()) == (b.audiences(), b.resource_server_for())
        && (a.id_token_alg, a.access_token_alg) == (b.id_token_alg, b.access_token_alg)
}
