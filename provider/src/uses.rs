//! Which credential was used last when, as this process counts it: [`Uses::note`] is what a request pays. The
//! [report] tells the store once a minute, and the operator asks for what all pods told (`GET /uses`).

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::Mutex;

use self::report::Reporter;

pub mod report;

/// A credential, and when it was used last.
struct Slot {
    /// Its id; empty: the client proved itself without a secret of ours, or is public.
    credential: Box<str>,
    /// In seconds since 1970.
    used: AtomicI64,
    /// Up to this use the store was told.
    told: AtomicI64,
}

/// The clients of a shard, and what was used of each. A first use makes a new map with the slots of the old one.
type Shard = HashMap<Arc<str>, Arc<[Arc<Slot>]>>;

/// So many shards: a first use copies the names of few other clients.
const SHARDS: usize = 256;

/// Last uses of the clients that were used since the process began, by
/// [grantee](oidc_crds::client::Client::grantee). A use that is not the first reads a snapshot and sets a number.
pub struct Uses {
    shards: Box<[ArcSwap<Shard>]>,
    hasher: RandomState,
    /// The UID of the pod; unset: nobody is told.
    pod: OnceLock<String>,
    reporter: Mutex<Reporter>,
}

impl Default for Uses {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| ArcSwap::default()).collect(),
            hasher: RandomState::new(),
            pod: OnceLock::new(),
            reporter: Mutex::default(),
        }
    }
}

fn find<'a>(shard: &'a Shard, grantee: &str, credential: &str) -> Option<&'a Arc<Slot>> {
    let mut slots = shard.get(grantee)?.iter();
    slots.find(|slot| *slot.credential == *credential)
}

/// A use that the store is to be told of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The client.
    pub grantee: Arc<str>,
    /// The credential.
    pub credential: Box<str>,
    /// When, in seconds since 1970.
    pub second: i64,
}

impl Uses {
    /// From now on the store is told, as this pod (its UID).
    pub fn tell_as(&self, pod: String) {
        let _ = self.pod.set(pod);
    }

    /// The pod's UID, if the store is told.
    #[must_use]
    pub fn pod(&self) -> Option<&str> {
        self.pod.get().map(String::as_str)
    }

    /// A client proved itself, with this credential; empty: without a secret of ours, or it is public.
    pub fn note(&self, grantee: &str, credential: &str, now: Timestamp) {
        let second = now.as_second();
        let shard = self.shard(grantee);
        if let Some(slot) = find(&shard.load(), grantee, credential) {
            // most come in the same second as another: they only read
            if slot.used.load(Ordering::Relaxed) < second {
                slot.used.fetch_max(second, Ordering::Relaxed);
            }
            return;
        }
        let slot = Arc::new(Slot {
            credential: credential.into(),
            used: AtomicI64::new(second),
            told: AtomicI64::new(i64::MIN),
        });
        shard.rcu(|known| {
            if let Some(other) = find(known, grantee, credential) {
                other.used.fetch_max(second, Ordering::Relaxed);
                return Arc::clone(known);
            }
            let mut next = Shard::clone(known);
            let slots = next.entry(grantee.into()).or_insert_with(|| Arc::new([]));
            *slots = slots.iter().chain([&slot]).cloned().collect();
            Arc::new(next)
        });
    }

    /// What the store was not told, or with `all` everything.
    #[must_use]
    pub fn untold(&self, all: bool) -> Vec<Use> {
        let mut uses = Vec::new();
        for shard in &self.shards {
            for (grantee, slots) in shard.load().iter() {
                for slot in slots.iter() {
                    let second = slot.used.load(Ordering::Relaxed);
                    if all || second > slot.told.load(Ordering::Relaxed) {
                        uses.push(Use {
                            grantee: grantee.clone(),
                            credential: slot.credential.clone(),
                            second,
                        });
                    }
                }
            }
        }
        uses
    }

    /// The store was told.
    pub fn told(&self, uses: &[Use]) {
        for told in uses {
            if let Some(slot) = find(&self.shard(&told.grantee).load(), &told.grantee, &told.credential) {
                slot.told.fetch_max(told.second, Ordering::Relaxed);
            }
        }
    }

    /// Forgets credentials that are not there any more.
    pub fn keep(&self, is_there: impl Fn(&str, &str) -> bool) {
        for shard in &self.shards {
            let is_kept = |grantee: &str, slot: &Slot| is_there(grantee, &slot.credential);
            let whole = |known: &Shard| {
                let mut clients = known.iter();
                clients.all(|(grantee, slots)| slots.iter().all(|slot| is_kept(grantee, slot)))
            };
            if whole(&shard.load()) {
                continue;
            }
            shard.rcu(|known| {
                let mut next = Shard::clone(known);
                next.retain(|grantee, slots| {
                    let kept = slots.iter().filter(|slot| is_kept(grantee, slot));
                    *slots = kept.cloned().collect();
                    !slots.is_empty()
                });
                next
            });
        }
    }

    fn shard(&self, grantee: &str) -> &ArcSwap<Shard> {
        &self.shards[self.hasher.hash_one(grantee) as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn told(uses: &Uses, all: bool) -> Vec<(String, String, i64)> {
        let mut told: Vec<_> = uses.untold(all).into_iter().collect();
        told.sort();
        let text = |told: Use| (told.grantee.to_string(), told.credential.into(), told.second);
        told.into_iter().map(text).collect()
    }

    fn one(grantee: &str, credential: &str, second: i64) -> (String, String, i64) {
        (grantee.to_owned(), credential.to_owned(), second)
    }

    #[test]
    fn the_last_use_of_each_credential_is_told_once() {
        let uses = Uses::default();
        for (grantee, credential, second) in [("u1", "a", 5), ("u1", "b", 6), ("u2", "", 7), ("u1", "a", 4)] {
            uses.note(grantee, credential, at(second));
        }
        let all = [one("u1", "a", 5), one("u1", "b", 6), one("u2", "", 7)];
        assert_eq!(told(&uses, false), all);
        assert_eq!(told(&uses, false), all, "nobody has taken it");
        uses.told(&uses.untold(false));
        assert_eq!(told(&uses, false), []);
        uses.note("u1", "b", at(6));
        assert_eq!(told(&uses, false), []);
        uses.note("u1", "b", at(9));
        assert_eq!(told(&uses, false), [one("u1", "b", 9)]);
        assert_eq!(told(&uses, true).len(), 3);
    }

    #[test]
    fn a_use_while_the_store_is_told_is_told_next() {
        let uses = Uses::default();
        uses.note("u1", "a", at(5));
        let taken = uses.untold(false);
        uses.note("u1", "a", at(6));
        uses.told(&taken);
        assert_eq!(told(&uses, false), [one("u1", "a", 6)]);
    }

    #[test]
    fn of_many_first_uses_at_once_none_is_lost() {
        let uses = Uses::default();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let uses = &uses;
                scope.spawn(move || {
                    for number in 0..500 {
                        uses.note(&format!("u{number}"), &format!("c{}", thread % 4), at(thread));
                    }
                });
            }
        });
        let all = told(&uses, true);
        assert_eq!(all.len(), 2_000);
        assert!(
            all.iter()
                .all(|(_, credential, second)| *credential == format!("c{}", second % 4) && *second >= 4)
        );
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let uses = Uses::default();
        for (grantee, credential) in [("u1", "a"), ("u1", "b"), ("u2", "c")] {
            uses.note(grantee, credential, at(5));
        }
        uses.keep(|grantee, credential| grantee == "u1" && credential == "b");
        assert_eq!(told(&uses, true), [one("u1", "b", 5)]);
        uses.keep(|_, _| false);
        assert!(uses.shards.iter().all(|shard| shard.load().is_empty()));
    }
}
