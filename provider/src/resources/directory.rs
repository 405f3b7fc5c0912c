//! [`Directory`]: the clients and users that are known, judged. A state machine without I/O: events go
//! in (apply, delete, reset), [`Directory::settle`] says who is served. Only what changed is judged again, also
//! between objects, so thousands of clients cost nothing while they stay as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use oidc_crds::arbitrate::Arbiter;
use oidc_crds::client::Client;
use oidc_crds::names::Algorithm;
use oidc_crds::resources::{OidcClient, OidcUser, Reason};
use oidc_crds::secrets::installation::Installation;
use oidc_crds::user::User;
use oidc_crds::validate::{Violation, is_ours, validate, validate_user};

use super::kept::{Keep, Kept, Text};

/// Namespace and name of an object.
pub type Key = (String, String);

/// What happened to objects of one kind.
#[derive(Debug, Clone)]
pub enum Delta<T> {
    /// One is there, new or changed.
    Apply(T),
    /// One is gone, or cannot be read any more.
    Delete(Key),
    /// These are all there are.
    Reset(Vec<T>),
}

/// An object that is not served, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace and name.
    pub key: Key,
    /// All reasons, in one line.
    pub reasons: String,
}

/// Who is served.
#[derive(Debug, Default)]
pub struct Settled {
    /// The clients.
    pub clients: Vec<Arc<Client>>,
    /// The users.
    pub users: Vec<Arc<User>>,
    /// What was refused since the last time, or is refused for other reasons now.
    pub refusals: Vec<Refusal>,
}

/// The clients and users that are known.
pub struct Directory {
    installation: Arc<Installation>,
    clients: Entries<OidcClient, Client>,
    users: Entries<OidcUser, User>,
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    arbiter: Arbiter<Arc<Client>>,
    told: BTreeMap<(&'static str, Key), String>,
}

/// The objects of a kind.
struct Entries<O, V> {
    all: BTreeMap<Key, Entry<O, V>>,
    /// Those to be judged: they are new, they changed, or the rules did.
    open: BTreeSet<Key>,
    /// What passed before, of those that went since they were judged last.
    gone: Vec<Arc<V>>,
}

/// An object with what was found about it, unless it was never judged.
struct Entry<O, V> {
    object: Text<O>,
    verdict: Option<Verdict<V>>,
}

enum Verdict<V> {
    Good(Arc<V>),
    /// It belongs to another installation.
    Elsewhere,
    Refused(Vec<Violation>),
}

impl Directory {
    /// Knows nobody.
    #[must_use]
    pub fn new(installation: Installation) -> Self {
        let installation = Arc::new(installation);
        Self {
            arbiter: Arbiter::new(installation.clone()),
            installation,
            clients: Entries::default(),
            users: Entries::default(),
            namespaces: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// Algorithms that some key signs with; `None`: not known yet.
    pub fn algorithms(&mut self, algorithms: Option<BTreeSet<Algorithm>>) {
        self.arbiter.algorithms(algorithms);
    }

    /// What the installation is and grants now: everybody is judged again if it differs.
    pub fn installation(&mut self, installation: Installation) {
        if *self.installation != installation {
            self.installation = Arc::new(installation);
            self.arbiter.installation(self.installation.clone());
            self.clients.judge_again(|_| true);
            self.users.judge_again(|_| true);
        }
    }

    /// Clients of one namespace, or of all (`None`), which is what a reset replaces.
    pub fn clients(&mut self, scope: Option<&str>, delta: Delta<Kept<OidcClient>>) {
        self.clients.change(scope, delta);
    }

    /// Forgets the clients of namespaces that are no longer watched.
    pub fn keep_clients(&mut self, watched: impl Fn(&str) -> bool) {
        self.clients.retain(|(namespace, _)| watched(namespace));
    }

    /// Users.
    pub fn users(&mut self, delta: Delta<Kept<OidcUser>>) {
        self.users.change(None, delta);
    }

    /// Namespaces with their labels: who is in one whose labels changed is judged again.
    pub fn namespaces(&mut self, delta: Delta<(String, BTreeMap<String, String>)>) {
        let mut changed = BTreeSet::new();
        match delta {
            Delta::Apply((name, labels)) => {
                if self.namespaces.get(&name) != Some(&labels) {
                    changed.insert(name.clone());
                    self.namespaces.insert(name, labels);
                }
            }
            Delta::Delete((_, name)) => {
                self.namespaces.remove(&name);
                changed.insert(name);
            }
            Delta::Reset(all) => {
                let all: BTreeMap<_, _> = all.into_iter().collect();
                let names = self.namespaces.keys().chain(all.keys());
                changed = names
                    .filter(|name| self.namespaces.get(*name) != all.get(*name))
                    .cloned()
                    .collect();
                self.namespaces = all;
            }
        }
        if !changed.is_empty() {
            self.clients
                .judge_again(|(namespace, _)| changed.contains(namespace));
        }
    }

    /// Judges what changed, then between all of them, and says who is served.
    pub fn settle(&mut self) -> Settled {
        self.judge_clients();
        self.judge_users();
        let (arbiter, mut settled) = (&self.arbiter, Settled::default());
        let mut refused = BTreeMap::new();
        settled.clients = self
            .clients
            .standing(CLIENT, &mut refused, |client| arbiter.client_lost(client.uid()));
        settled.users = self
            .users
            .standing(USER, &mut refused, |user| arbiter.user_lost(user.uid()));
        for (what, reasons) in &refused {
            if self.told.get(what) != Some(reasons) {
                settled.refusals.push(Refusal {
                    kind: what.0,
                    key: what.1.clone(),
                    reasons: reasons.clone(),
                });
            }
        }
        self.told = refused;
        settled
    }

    fn judge_clients(&mut self) {
        for gone in std::mem::take(&mut self.clients.gone) {
            self.arbiter.client(Some(&gone), None);
        }
        for key in std::mem::take(&mut self.clients.open) {
            let Some(entry) = self.clients.all.get_mut(&key) else {
                continue;
            };
            // a namespace whose labels are not known yet is not served
            let labels = self.namespaces.get(&key.0);
            let installation = &*self.installation;
            let verdict = if installation.serves(&key.0, labels) == Some(true) {
                judge(&entry.object, |object| {
                    if is_ours(object, installation, labels) {
                        Verdict::of(validate(object, installation, labels))
                    } else {
                        Verdict::Elsewhere
                    }
                })
            } else {
                Verdict::Elsewhere
            };
            let (old, new) = (entry.verdict.take(), verdict.good().cloned());
            self.arbiter
                .client(old.as_ref().and_then(Verdict::good).map(Arc::as_ref), new);
            entry.verdict = Some(verdict);
        }
    }

    fn judge_users(&mut self) {
        let open = std::mem::take(&mut self.users.open);
        if open.is_empty() && self.users.gone.is_empty() {
            return;
        }
        self.users.gone.clear();
        for key in open {
            if let Some(entry) = self.users.all.get_mut(&key) {
                let verdict = judge(&entry.object, |object| Verdict::of(validate_user(object)));
                entry.verdict = Some(verdict);
            }
        }
        let users = self.users.all.values();
        let users: Vec<&User> = users
            .filter_map(|entry| entry.verdict.as_ref()?.good())
            .map(Arc::as_ref)
            .collect();
        self.arbiter.users(&users);
    }
}

const CLIENT: &str = "OidcClient";
const USER: &str = "OidcUser";

impl<V> Verdict<V> {
    fn good(&self) -> Option<&Arc<V>> {
        match self {
            Self::Good(good) => Some(good),
            Self::Elsewhere | Self::Refused(_) => None,
        }
    }

    fn of(judged: Result<V, Vec<Violation>>) -> Self {
        match judged {
            Ok(good) => Self::Good(Arc::new(good)),
            Err(violations) => Self::Refused(violations),
        }
    }
}

fn judge<O: Keep, V>(object: &Text<O>, verdict: impl FnOnce(&O) -> Verdict<V>) -> Verdict<V> {
    match object.open() {
        Ok(object) => verdict(&object),
        Err(error) => Verdict::Refused(vec![Violation {
            field: "spec".to_owned(),
            reason: Reason::Invalid,
            message: format!("cannot be read any more at column {}", error.column()),
        }]),
    }
}

fn line(violations: &[Violation]) -> String {
    violations
        .iter()
        .map(Violation::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Namespace and name of an object.
#[must_use]
pub fn key(metadata: &ObjectMeta) -> Key {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    (part(&metadata.namespace), part(&metadata.name))
}

impl<O, V> Default for Entries<O, V> {
    fn default() -> Self {
        Self {
            all: BTreeMap::new(),
            open: BTreeSet::new(),
            gone: Vec::new(),
        }
    }
}

impl<O, V> Entries<O, V> {
    fn change(&mut self, scope: Option<&str>, delta: Delta<Kept<O>>) {
        match delta {
            Delta::Apply(object) => self.put(object),
            Delta::Delete(key) => {
                let entry = self.all.remove(&key);
                self.gone.extend(entry.and_then(Entry::passed));
            }
            Delta::Reset(objects) => {
                let present: BTreeSet<&Key> = objects.iter().map(Kept::key).collect();
                let in_scope = |key: &Key| scope.is_none_or(|namespace| key.0 == namespace);
                self.retain(|key| !in_scope(key) || present.contains(key));
                drop(present);
                objects.into_iter().for_each(|object| self.put(object));
            }
        }
    }

    fn retain(&mut self, keep: impl Fn(&Key) -> bool) {
        let gone = self.all.extract_if(.., |key, _| !keep(key));
        self.gone.extend(gone.filter_map(|(_, entry)| entry.passed()));
    }

    fn put(&mut self, object: Kept<O>) {
        let (key, object) = object.into_parts();
        match self.all.get_mut(&key) {
            Some(entry) if entry.object == object => return,
            Some(entry) => entry.object = object,
            None => {
                let verdict = None;
                self.all.insert(key.clone(), Entry { object, verdict });
            }
        }
        self.open.insert(key);
    }

    fn judge_again(&mut self, who: impl Fn(&Key) -> bool) {
        self.open.extend(self.all.keys().filter(|key| who(key)).cloned());
    }

    /// Who is served; whoever is not is added to `refused`.
    fn standing<'a>(
        &self,
        kind: &'static str,
        refused: &mut BTreeMap<(&'static str, Key), String>,
        lost: impl Fn(&V) -> Option<&'a [Violation]>,
    ) -> Vec<Arc<V>> {
        let mut standing = Vec::with_capacity(self.all.len());
        for (key, entry) in &self.all {
            let violations = match &entry.verdict {
                Some(Verdict::Good(good)) => match lost(good) {
                    Some(violations) => violations,
                    None => {
                        standing.push(good.clone());
                        continue;
                    }
                },
                Some(Verdict::Refused(violations)) => violations,
                Some(Verdict::Elsewhere) | None => continue,
            };
            refused.insert((kind, key.clone()), line(violations));
        }
        standing
    }
}

impl<O, V> Entry<O, V> {
    fn passed(self) -> Option<Arc<V>> {
        match self.verdict {
            Some(Verdict::Good(good)) => Some(good),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
