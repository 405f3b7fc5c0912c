//! [`Directory`]: the clients and users that are known, judged. A state machine without I/O: events go
//! in (apply, delete, reset), [`Directory::settle`] says who is served. Only what changed is judged again,
//! so thousands of clients cost nothing while they stay as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use oidc_crds::arbitrate::arbitrate;
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
    installation: Installation,
    clients: BTreeMap<Key, Entry<OidcClient, Client>>,
    users: BTreeMap<Key, Entry<OidcUser, User>>,
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    told: BTreeMap<(&'static str, Key), String>,
    algorithms: Option<BTreeSet<Algorithm>>,
}

/// An object with what was found about it; `None`: it is to be judged.
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
        Self {
            installation,
            clients: BTreeMap::new(),
            users: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            told: BTreeMap::new(),
            algorithms: None,
        }
    }

    /// Algorithms that some key signs with; `None`: not known yet.
    pub fn algorithms(&mut self, algorithms: Option<BTreeSet<Algorithm>>) {
        self.algorithms = algorithms;
    }

    /// What the installation is and grants now: everybody is judged again if it differs.
    pub fn installation(&mut self, installation: Installation) {
        if self.installation != installation {
            self.installation = installation;
            self.judge_all();
        }
    }

    /// Clients of one namespace, or of all (`None`), which is what a reset replaces.
    pub fn clients(&mut self, scope: Option<&str>, delta: Delta<Kept<OidcClient>>) {
        change(&mut self.clients, scope, delta);
    }

    /// Forgets the clients of namespaces that are no longer watched.
    pub fn keep_clients(&mut self, watched: impl Fn(&str) -> bool) {
        self.clients.retain(|(namespace, _), _| watched(namespace));
    }

    /// Users.
    pub fn users(&mut self, delta: Delta<Kept<OidcUser>>) {
        change(&mut self.users, None, delta);
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
        for ((namespace, _), entry) in &mut self.clients {
            if changed.contains(namespace) {
                entry.verdict = None;
            }
        }
    }

    /// Judges what changed, then all together, and says who is served.
    pub fn settle(&mut self) -> Settled {
        let (installation, namespaces) = (&self.installation, &self.namespaces);
        for ((namespace, _), entry) in &mut self.clients {
            let object = &entry.object;
            entry.verdict.get_or_insert_with(|| {
                // a namespace whose labels are not known yet is not served
                let labels = namespaces.get(namespace);
                if installation.serves(namespace, labels) != Some(true) {
                    return Verdict::Elsewhere;
                }
                judge(object, |object| {
                    if is_ours(object, installation) {
                        Verdict::of(validate(object, installation, labels))
                    } else {
                        Verdict::Elsewhere
                    }
                })
            });
        }
        for entry in self.users.values_mut() {
            let object = &entry.object;
            entry
                .verdict
                .get_or_insert_with(|| judge(object, |object| Verdict::of(validate_user(object))));
        }

        let clients: Vec<_> = good(&self.clients).collect();
        let users: Vec<_> = good(&self.users).collect();
        let judged: (Vec<&Client>, Vec<&User>) = (
            clients.iter().map(|(_, client)| client.as_ref()).collect(),
            users.iter().map(|(_, user)| user.as_ref()).collect(),
        );
        let mut losers: BTreeMap<String, Vec<Violation>> = BTreeMap::new();
        for (uid, violation) in arbitrate(&judged.0, &judged.1, &self.installation, self.algorithms.as_ref())
        {
            losers.entry(uid).or_default().push(violation);
        }

        let mut refused = refused(CLIENT, &self.clients);
        refused.extend(self::refused(USER, &self.users));
        let mut settled = Settled::default();
        for (key, client) in clients {
            match losers.get(client.uid()) {
                Some(violations) => {
                    refused.insert((CLIENT, key.clone()), line(violations));
                }
                None => settled.clients.push(client),
            }
        }
        for (key, user) in users {
            match losers.get(user.uid()) {
                Some(violations) => {
                    refused.insert((USER, key.clone()), line(violations));
                }
                None => settled.users.push(user),
            }
        }
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

    fn judge_all(&mut self) {
        self.clients.values_mut().for_each(|entry| entry.verdict = None);
        self.users.values_mut().for_each(|entry| entry.verdict = None);
    }
}

const CLIENT: &str = "OidcClient";
const USER: &str = "OidcUser";

impl<V> Verdict<V> {
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

fn good<O, V>(entries: &BTreeMap<Key, Entry<O, V>>) -> impl Iterator<Item = (&Key, Arc<V>)> {
    entries.iter().filter_map(|(key, entry)| match &entry.verdict {
        Some(Verdict::Good(value)) => Some((key, value.clone())),
        _ => None,
    })
}

fn refused<O, V>(
    kind: &'static str,
    entries: &BTreeMap<Key, Entry<O, V>>,
) -> BTreeMap<(&'static str, Key), String> {
    entries
        .iter()
        .filter_map(|(key, entry)| match &entry.verdict {
            Some(Verdict::Refused(violations)) => Some(((kind, key.clone()), line(violations))),
            _ => None,
        })
        .collect()
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

fn change<O, V>(entries: &mut BTreeMap<Key, Entry<O, V>>, scope: Option<&str>, delta: Delta<Kept<O>>) {
    match delta {
        Delta::Apply(object) => put(entries, object),
        Delta::Delete(key) => {
            entries.remove(&key);
        }
        Delta::Reset(objects) => {
            let present: BTreeSet<&Key> = objects.iter().map(Kept::key).collect();
            let in_scope = |key: &Key| scope.is_none_or(|namespace| key.0 == namespace);
            entries.retain(|key, _| !in_scope(key) || present.contains(key));
            drop(present);
            objects.into_iter().for_each(|object| put(entries, object));
        }
    }
}

fn put<O, V>(entries: &mut BTreeMap<Key, Entry<O, V>>, object: Kept<O>) {
    let (key, object) = object.into_parts();
    if entries.get(&key).is_none_or(|entry| entry.object != object) {
        entries.insert(
            key,
            Entry {
                object,
                verdict: None,
            },
        );
    }
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
