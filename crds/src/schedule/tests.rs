use std::sync::LazyLock;

use jiff::SignedDuration;

use super::*;
use crate::resources::signing_key::{ImportRef, KeyStatus, Rotation};
use crate::secrets::Data;

mod ages;
mod changes;
mod clocks;
mod histories;
mod lost;
mod walk;

const T0: Timestamp = Timestamp::constant(1_800_000_000, 250_000_000);
const PUBLISH: u64 = 600;
/// How long a JWKS may be held, with a margin.
const CACHE: u64 = 361;
const TOKEN: u64 = 900;
const SESSION: u64 = 86_400;

static JWKS: LazyLock<Vec<PrivateJwk>> = LazyLock::new(|| {
    let jwk = |algorithm| PrivateJwk::generate(algorithm, None).unwrap();
    vec![jwk(Algorithm::RS256), jwk(Algorithm::PS256)]
});

/// Keys that are quick to make: of RSA there are two, told apart by a member that nothing reads.
fn quick(algorithm: Algorithm, _: Option<u32>) -> Result<PrivateJwk, KeyError> {
    match algorithm {
        Algorithm::RS256 => Ok(JWKS[0].clone()),
        Algorithm::PS256 => Ok(JWKS[1].clone()),
        _ => PrivateJwk::generate(algorithm, None),
    }
}

fn at(seconds: u64) -> Timestamp {
    T0 + Seconds(seconds).span()
}

fn wanted(name: &str, algorithm: Algorithm, revision: u64) -> Wanted {
    Wanted {
        owner: Owner {
            name: name.to_owned(),
            uid: format!("uid-{name}"),
        },
        created_at: T0,
        spec: SigningKeySpec {
            algorithm: Some(algorithm),
            rotation: Some(Rotation {
                interval: None,
                revision: Some(revision),
            }),
            ..SigningKeySpec::default()
        },
        import: None,
    }
}

fn terms() -> Terms {
    Terms {
        longest_token: Seconds(TOKEN),
        session: Seconds(SESSION),
        publish_for: Seconds(PUBLISH),
        in_use: BTreeSet::new(),
        refused: BTreeMap::new(),
        revoked: BTreeSet::new(),
        cache: Seconds(CACHE),
        lost: Vec::new(),
        first: false,
    }
}

/// An installation with its SigningKeys, its set and its clock.
#[derive(Clone)]
struct World {
    wanted: Vec<Wanted>,
    set: Option<KeySet>,
    pods: Acknowledgements,
    terms: Terms,
    now: Timestamp,
    /// Kids that were there at any time; kept by who asks for it.
    seen: Vec<String>,
}

impl World {
    /// The first start with these SigningKeys, done.
    fn started(wanted: Vec<Wanted>) -> Self {
        let mut world = Self {
            wanted,
            set: None,
            pods: Acknowledgements::default(),
            terms: Terms {
                first: true,
                ..terms()
            },
            now: T0,
            seen: Vec::new(),
        };
        world.run();
        world.terms.first = false;
        world
    }

    fn plan(&self) -> Schedule {
        schedule(&self.wanted, self.set.as_ref(), &self.pods, &self.terms, self.now)
    }

    fn run(&mut self) -> Schedule {
        let plan = self.plan();
        if let Some(next) = plan.clone().next_set(self.set.as_ref(), quick).unwrap() {
            self.set = Some(next);
        }
        if self.set.is_some() {
            // Statuses tell of no other keys any more.
            self.terms.lost.clear();
        }
        plan
    }

    fn run_at(&mut self, seconds: u64) -> Schedule {
        self.now = at(seconds);
        self.run()
    }

    /// The Secret with the set is gone; statuses still tell of its keys.
    fn lose(&mut self) {
        let Some(set) = self.set.take() else { return };
        for wanted in &self.wanted {
            let status = status_of(&set.keys, &wanted.owner);
            self.terms
                .lost
                .extend(lost_keys(&wanted.owner.name, &status, None));
        }
    }

    fn keys(&self) -> &[KeyState] {
        &self.set.as_ref().unwrap().keys
    }

    /// Algorithm and phase of all keys, oldest first.
    fn phases(&self) -> Vec<(Algorithm, Phase)> {
        self.keys().iter().map(|key| (key.algorithm, key.phase)).collect()
    }

    fn default_algorithm(&self) -> Algorithm {
        self.set.as_ref().unwrap().default_algorithm
    }

    fn acknowledge(&mut self, pods: &[&str]) {
        let word = self.set.as_ref().map(KeySet::acknowledgement);
        for (pod, said) in &mut self.pods.pods {
            if pods.contains(&pod.as_str()) {
                said.clone_from(&word);
            }
        }
    }

    fn with_pods(mut self, pods: &[&str]) -> Self {
        self.pods.pods = pods.iter().map(|pod| ((*pod).to_owned(), None)).collect();
        self.acknowledge(pods);
        self
    }
}

fn reasons(plan: &Schedule) -> Vec<Reason> {
    plan.notes.iter().map(|(_, reason, _)| *reason).collect()
}

use Algorithm::{ES256, ES384, EdDSA, RS256};
use Phase::{Active, Pending, Published, Removed, Retiring};

#[test]
fn the_first_key_of_an_installation_is_active_at_once() {
    let world = World::started(vec![wanted("main", ES256, 0)]);
    assert_eq!(world.phases(), [(ES256, Active)]);
    let key = &world.keys()[0];
    assert_eq!(key.signs_from, Some(Timestamp::UNIX_EPOCH));
    assert_eq!(key.longest_lifetime, TOKEN);
    assert_eq!(key.kid, key.jwk.as_ref().unwrap().thumbprint().unwrap());
    assert_eq!(key.public, Some(key.jwk.as_ref().unwrap().public().unwrap()));
    assert_eq!(world.set.as_ref().unwrap().revision, 1);
    assert_eq!(world.default_algorithm(), ES256);
    assert!(!world.plan().changed);
}

#[test]
fn a_schedule_says_what_is_to_be_minted() {
    let world = World {
        seen: Vec::new(),
        wanted: vec![wanted("main", RS256, 0)],
        set: None,
        pods: Acknowledgements::default(),
        terms: terms(),
        now: T0,
    };
    let plan = world.plan();
    let key = &plan.keys[0];
    assert_eq!(
        (key.phase, key.kid.as_str(), key.rsa_bits),
        (Pending, "", Some(2048))
    );
    assert!(plan.changed);
}

#[test]
fn a_lost_set_is_made_anew_and_its_key_waits() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    world.set = None;
    let plan = world.run_at(5);
    assert_eq!(reasons(&plan), [Reason::KeySetLost, Reason::KeyMinted]);
    assert_eq!(world.phases(), [(ES256, Published)]);
    assert_eq!(world.keys()[0].signs_from, None);
    assert_eq!(plan.next, Some(at(5 + PUBLISH)));
    let plan = world.run_at(5 + PUBLISH);
    assert_eq!(reasons(&plan), [Reason::KeyActive]);
    assert_eq!(world.phases(), [(ES256, Active)]);
}

#[test]
fn an_edit_rotates() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    world.wanted = vec![wanted("main", ES256, 1)];
    let plan = world.run_at(100);
    assert_eq!(reasons(&plan), [Reason::KeyMinted]);
    let waits = plan.waits.clone();
    assert_eq!(world.phases(), [(ES256, Active), (ES256, Published)]);
    assert_eq!(plan.next, Some(at(100 + PUBLISH)));
    assert_eq!(plan.steps["main"], "Active at 2027-01-15T08:11:40Z");

    let plan = world.run_at(100 + PUBLISH - 1);
    assert_eq!(reasons(&plan), [Reason::WaitingForCaches]);
    assert_eq!(plan.waits, waits, "it was known when it was minted");
    assert!(!plan.changed);

    let plan = world.run_at(100 + PUBLISH);
    assert_eq!(reasons(&plan), [Reason::KeyRetiring, Reason::KeyActive]);
    assert_eq!(world.phases(), [(ES256, Retiring), (ES256, Active)]);
    let (old, new) = (&world.keys()[0], &world.keys()[1]);
    assert_eq!(new.signs_from, Some(at(100 + PUBLISH)));
    assert_eq!(old.retires_at, Some(at(100 + PUBLISH)));
    assert!(old.jwk.is_some());
    let removal = 100 + PUBLISH + TOKEN + SKEW.0;
    assert_eq!(old.removable_at, Some(at(removal)));
    assert_eq!(plan.next, Some(at(removal)));

    assert!(!world.run_at(removal - 1).changed);
    let plan = world.run_at(removal);
    assert_eq!(reasons(&plan), [Reason::KeyRemoved]);
    assert_eq!(world.phases(), [(ES256, Removed), (ES256, Active)]);
    assert!(world.keys()[0].jwk.is_none() && world.keys()[0].public.is_some());
    assert_eq!(plan.next, Some(at(removal + SESSION)));

    let plan = world.run_at(removal + SESSION);
    assert_eq!(world.phases(), [(ES256, Active)]);
    assert_eq!((plan.changed, plan.next), (true, None));
}

#[test]
fn size_and_algorithm_rotate_too() {
    let bits = |bits| {
        let mut wanted = wanted("main", RS256, 0);
        wanted.spec.rsa_bits = Some(bits);
        wanted
    };
    let mut world = World::started(vec![wanted("main", RS256, 0)]);
    world.wanted = vec![bits(2048)];
    assert!(!world.run_at(1).changed, "2048 is the default");
    world.wanted = vec![bits(3072)];
    world.run_at(2);
    assert_eq!(world.phases(), [(RS256, Active), (RS256, Published)]);
    assert_eq!(world.keys()[1].rsa_bits, Some(3072));
    world.wanted = vec![wanted("main", EdDSA, 0)];
    world.run_at(3);
    assert_eq!(
        world.phases(),
        [(RS256, Active), (RS256, Removed), (EdDSA, Published)]
    );
}

#[test]
fn an_edit_while_one_waits_supersedes_it() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    world.wanted = vec![wanted("main", ES256, 1)];
    world.run_at(10);
    assert!(!world.run_at(20).changed, "no second successor");
    world.wanted = vec![wanted("main", ES256, 2)];
    let plan = world.run_at(30);
    assert_eq!(reasons(&plan), [Reason::KeyRemoved, Reason::KeyMinted]);
    assert_eq!(
        world.phases(),
        [(ES256, Active), (ES256, Removed), (ES256, Published)]
    );
    assert!(world.keys()[1].jwk.is_none());
    world.run_at(10 + PUBLISH);
    assert_eq!(world.keys()[2].phase, Published, "the new one waits its own time");
    world.run_at(30 + PUBLISH);
    assert_eq!(world.keys()[2].phase, Active);
}

#[test]
fn an_edit_that_is_taken_back_leaves_the_old_key() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    world.wanted = vec![wanted("main", ES256, 1)];
    world.run_at(10);
    world.wanted = vec![wanted("main", ES256, 0)];
    world.run_at(20);
    assert_eq!(world.phases(), [(ES256, Active), (ES256, Removed)]);
    assert!(!world.plan().changed);
}

#[test]
fn an_interval_rotates_and_missed_rotations_are_made_up_once() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    world.wanted[0].spec.rotation.as_mut().unwrap().interval = Some(Seconds(10_000));
    let plan = world.run_at(1);
    assert_eq!(plan.next, Some(at(10_000)));
    assert_eq!(plan.steps["main"], "next key at 2027-01-15T10:46:40Z");
    assert!(!world.run_at(9_999).changed);
    let mut in_time = world.clone();
    in_time.run_at(10_000);
    assert_eq!(in_time.keys()[1].created_at, at(10_000), "to the moment");
    in_time.run_at(10_000 + PUBLISH);
    // Its own age counts from there, however late it signs.
    let due = in_time.run_at(19_999);
    assert!(
        due.steps["main"].starts_with("next key at") && due.next == Some(at(20_000)),
        "{due:?}"
    );
    // The operator was away for three intervals.
    world.run_at(35_000);
    assert_eq!(world.phases(), [(ES256, Active), (ES256, Published)]);
    assert!(!world.run_at(35_001).changed);
    world.run_at(35_000 + PUBLISH);
    assert_eq!(world.phases(), [(ES256, Retiring), (ES256, Active)]);
    assert_eq!(world.plan().next, Some(at(35_000 + PUBLISH + TOKEN + SKEW.0)));
    world.run_at(45_000);
    assert_eq!(
        world.phases(),
        [(ES256, Removed), (ES256, Active), (ES256, Published)]
    );
}

#[test]
fn publish_for_of_the_signing_key_rules() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    world.wanted = vec![wanted("main", ES256, 1)];
    world.wanted[0].spec.publish_for = Some(Seconds(1200));
    world.run_at(0);
    world.run_at(1199);
    assert_eq!(world.keys()[1].phase, Published);
    world.run_at(1200);
    assert_eq!(world.keys()[1].phase, Active);
}

#[test]
fn promotion_waits_for_every_pod() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]).with_pods(&["a", "b"]);
    world.wanted = vec![wanted("main", ES256, 1)];
    world.run_at(0);
    world.acknowledge(&["a"]);
    let plan = world.run_at(2 * PUBLISH);
    assert_eq!(reasons(&plan), [Reason::WaitingForPods]);
    assert!(plan.notes[0].2.ends_with(": b"), "{}", plan.notes[0].2);
    assert_eq!(plan.steps["main"], "Active when acknowledged by b");
    assert_eq!(plan.next, None);
    assert_eq!(world.keys()[1].phase, Published);
    // Nearly right is wrong.
    let word = world.set.as_ref().unwrap().acknowledgement();
    world.pods.pods[1].1 = Some(format!("9{word}"));
    world.run();
    assert_eq!(world.keys()[1].phase, Published);
    world.acknowledge(&["b"]);
    world.run();
    assert_eq!(world.keys()[1].phase, Active);
}

#[test]
fn i3_promotion_waits_for_caches_of_a_pod_that_was_late() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]).with_pods(&["a", "b"]);
    world.wanted = vec![wanted("main", ES256, 1)];
    world.run_at(0);
    world.acknowledge(&["a", "b"]);
    world.pods.caches_expire = Some(at(361));
    world.run_at(PUBLISH - 1);
    assert_eq!(world.keys()[1].phase, Published, "they shorten nothing");
    let end = 2 * PUBLISH + 361;
    world.pods.caches_expire = Some(at(end));
    let plan = world.run_at(2 * PUBLISH);
    assert_eq!(reasons(&plan), [Reason::WaitingForCaches]);
    assert_eq!(plan.next, Some(at(end)));
    world.run_at(end - 1);
    assert_eq!(world.keys()[1].phase, Published);
    world.run_at(end);
    assert_eq!(world.keys()[1].phase, Active);
}

#[test]
fn the_retirement_clock_waits_for_every_pod() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]).with_pods(&["a", "b"]);
    world.wanted = vec![wanted("main", ES256, 1)];
    world.run_at(0);
    world.acknowledge(&["a", "b"]);
    let plan = world.run_at(PUBLISH);
    assert_eq!(world.phases(), [(ES256, Retiring), (ES256, Active)]);
    assert_eq!((world.keys()[0].removable_at, plan.next), (None, None));
    let plan = world.run_at(10 * PUBLISH);
    assert_eq!(reasons(&plan), [Reason::WaitingForPods]);
    assert!(!plan.changed);
    world.acknowledge(&["a"]);
    assert!(!world.run_at(11 * PUBLISH).changed);
    world.acknowledge(&["b"]);
    world.run_at(12 * PUBLISH);
    let removal = 12 * PUBLISH + TOKEN + SKEW.0;
    assert_eq!(world.keys()[0].removable_at, Some(at(removal)));
    // The write that told the time has another revision: it need not be acknowledged.
    world.run_at(removal);
    assert_eq!(world.keys()[0].phase, Removed);
}

#[test]
fn the_longest_lifetime_while_it_signed_counts() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    world.terms.longest_token = Seconds(5000);
    assert!(world.run_at(1).changed);
    world.terms.longest_token = Seconds(60);
    assert!(!world.run_at(2).changed);
    world.wanted = vec![wanted("main", ES256, 1)];
    world.run_at(3);
    world.run_at(3 + PUBLISH);
    assert_eq!(
        world.keys()[0].removable_at,
        Some(at(3 + PUBLISH + 5000 + SKEW.0))
    );
    assert_eq!(world.keys()[1].longest_lifetime, 60);
}

#[test]
fn a_longer_lifetime_counts_while_some_pod_may_sign_on() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]).with_pods(&["a"]);
    world.wanted = vec![wanted("main", ES256, 1)];
    world.run_at(0);
    world.acknowledge(&["a"]);
    world.run_at(PUBLISH);
    assert_eq!(world.phases(), [(ES256, Retiring), (ES256, Active)]);
    world.terms.longest_token = Seconds(5000);
    world.run_at(PUBLISH + 1);
    world.terms.longest_token = Seconds(TOKEN);
    world.run_at(PUBLISH + 2);
    world.acknowledge(&["a"]);
    world.run_at(PUBLISH + 3);
    let removal = Some(at(PUBLISH + 3 + 5000 + SKEW.0));
    assert_eq!(world.keys()[0].removable_at, removal);
    // From here on nobody signs with it.
    world.terms.longest_token = Seconds(9000);
    world.run_at(PUBLISH + 4);
    assert_eq!(world.keys()[0].removable_at, removal);
    assert_eq!(world.keys()[0].longest_lifetime, 5000);
}

#[test]
fn a_changed_algorithm_signs_on_while_clients_name_it() {
    let mut world = World::started(vec![wanted("main", RS256, 0)]);
    world.terms.in_use.insert(RS256);
    world.wanted = vec![wanted("main", EdDSA, 0)];
    world.run_at(10);
    assert_eq!(world.phases(), [(RS256, Active), (EdDSA, Published)]);
    assert_eq!(world.default_algorithm(), RS256);
    let plan = world.run_at(10 + PUBLISH);
    assert_eq!(reasons(&plan), [Reason::KeyActive, Reason::AlgorithmInUse]);
    assert_eq!(world.phases(), [(RS256, Active), (EdDSA, Active)]);
    assert_eq!(world.default_algorithm(), EdDSA);
    let plan = world.run_at(5000);
    assert_eq!(
        (reasons(&plan), plan.changed),
        (vec![Reason::AlgorithmInUse], false)
    );
    world.terms.in_use.clear();
    world.run_at(5001);
    assert_eq!(world.phases(), [(RS256, Retiring), (EdDSA, Active)]);
}

#[test]
fn a_changed_algorithm_that_nobody_names_retires_when_its_successor_signs() {
    let mut world = World::started(vec![wanted("main", RS256, 0)]);
    world.wanted = vec![wanted("main", EdDSA, 0)];
    world.run_at(10);
    world.run_at(10 + PUBLISH);
    assert_eq!(world.phases(), [(RS256, Retiring), (EdDSA, Active)]);
    assert_eq!(world.default_algorithm(), EdDSA);
}

#[test]
fn of_two_for_one_algorithm_the_older_rules() {
    let younger = Wanted {
        created_at: at(5),
        ..wanted("a", ES256, 0)
    };
    let mut world = World::started(vec![younger.clone(), wanted("b", ES256, 0)]);
    assert_eq!(world.phases(), [(ES256, Active)]);
    assert_eq!(world.keys()[0].signing_key.name, "b");
    let plan = world.run_at(10);
    let note = &plan.notes[0];
    assert_eq!((note.0.as_str(), note.1), ("a", Reason::AlgorithmTaken));
    assert!(note.2.contains("`b`"));
    // The older one goes: the younger one's key takes over, without a gap.
    world.wanted = vec![younger];
    world.run_at(20);
    assert_eq!(world.phases(), [(ES256, Active), (ES256, Published)]);
    world.run_at(20 + PUBLISH);
    assert_eq!(world.phases(), [(ES256, Retiring), (ES256, Active)]);
}

#[test]
fn an_edit_to_a_taken_algorithm_changes_nothing() {
    let mut world = World::started(vec![
        wanted("a", ES256, 0),
        Wanted {
            created_at: at(5),
            ..wanted("b", EdDSA, 0)
        },
    ]);
    world.wanted[1].spec.algorithm = Some(ES256);
    let plan = world.run_at(10);
    assert_eq!(
        (reasons(&plan), plan.changed),
        (vec![Reason::AlgorithmTaken], false)
    );
    assert_eq!(world.phases(), [(ES256, Active), (EdDSA, Active)]);
}

#[test]
fn keys_of_a_deleted_signing_key_retire() {
    let mut world = World::started(vec![wanted("a", ES256, 0), wanted("b", EdDSA, 0)]);
    world.terms.in_use.insert(EdDSA);
    world.wanted = vec![wanted("a", ES256, 0), wanted("b", EdDSA, 1)];
    world.run_at(1);
    assert_eq!(
        world.phases(),
        [(ES256, Active), (EdDSA, Active), (EdDSA, Published)]
    );
    world.wanted.pop();
    world.run_at(2);
    assert_eq!(
        world.phases(),
        [(ES256, Active), (EdDSA, Retiring), (EdDSA, Removed)]
    );
}

#[test]
fn the_last_key_of_the_default_algorithm_goes_on_signing() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    world.wanted.clear();
    for seconds in [10, 1_000_000] {
        let plan = world.run_at(seconds);
        assert_eq!(
            (reasons(&plan), plan.changed),
            (vec![Reason::AlgorithmInUse], false)
        );
        assert_eq!(plan.notes[0].0, "main");
    }
    // Another SigningKey, of another algorithm: until its key signs.
    world.wanted = vec![wanted("next", EdDSA, 0)];
    world.run_at(1_000_001);
    assert_eq!(world.phases(), [(ES256, Active), (EdDSA, Published)]);
    assert_eq!(world.default_algorithm(), ES256);
    world.run_at(1_000_001 + PUBLISH);
    assert_eq!(world.phases(), [(ES256, Retiring), (EdDSA, Active)]);
    assert_eq!(world.default_algorithm(), EdDSA);
}

#[test]
fn a_signing_key_that_comes_back_under_another_uid_has_its_keys() {
    let mut world = World::started(vec![wanted("main", ES256, 0), wanted("second", EdDSA, 0)]);
    world.wanted[1].spec.rotation.as_mut().unwrap().revision = Some(1);
    world.run_at(1);
    let before = world.keys().to_vec();
    for wanted in &mut world.wanted {
        wanted.owner.uid.push_str("-restored");
    }
    let plan = world.run_at(2);
    assert_eq!(
        reasons(&plan),
        [Reason::WaitingForCaches],
        "nothing happens to them"
    );
    assert!(plan.changed, "they are those of the new objects");
    let owners = world.keys().iter().map(|key| key.signing_key.uid.as_str());
    assert!(owners.clone().all(|uid| uid.ends_with("-restored")));
    for (now, was) in world.keys().iter().zip(&before) {
        let was = KeyState {
            signing_key: now.signing_key.clone(),
            ..was.clone()
        };
        assert_eq!(*now, was);
    }
    assert_eq!(
        world.phases(),
        [(ES256, Active), (EdDSA, Active), (EdDSA, Published)]
    );
    world.run_at(1 + PUBLISH);
    assert_eq!(
        world.phases(),
        [(ES256, Active), (EdDSA, Retiring), (EdDSA, Active)]
    );
    // One of another name has nothing of them, and what it asks for besides is an edit.
    world.wanted[0].owner = Owner {
        name: "other".to_owned(),
        uid: "uid-other".to_owned(),
    };
    world.wanted[1].owner.uid = "again".to_owned();
    world.wanted[1].spec.rotation.as_mut().unwrap().revision = Some(2);
    world.run_at(2 + PUBLISH);
    assert_eq!(
        world.phases()[3..],
        [(ES256, Published), (EdDSA, Published)],
        "each mints one"
    );
    assert_eq!(world.phases()[0], (ES256, Active));
}

#[test]
fn a_refused_edit_changes_nothing() {
    let mut world = World::started(vec![wanted("main", ES256, 0), wanted("second", EdDSA, 0)]);
    world.wanted[0].spec.rotation.as_mut().unwrap().revision = Some(1);
    world.run_at(1);
    let before = world.phases();
    let refused = world.wanted.remove(0);
    world
        .terms
        .refused
        .insert(refused.owner.uid.clone(), refused.created_at);
    let plan = world.run_at(10 * PUBLISH);
    assert!(!plan.changed, "{:?}", plan.notes);
    assert_eq!((world.phases(), world.default_algorithm()), (before, ES256));
    world.terms.refused.clear();
    world.wanted.insert(0, refused);
    world.run_at(10 * PUBLISH + 1);
    assert_eq!(
        world.phases(),
        [(ES256, Retiring), (EdDSA, Active), (ES256, Active)]
    );
}

#[test]
fn a_refused_edit_of_the_older_of_two_gives_its_algorithm_to_nobody() {
    let younger = Wanted {
        created_at: at(5),
        ..wanted("a", ES256, 0)
    };
    let mut world = World::started(vec![wanted("b", ES256, 0), younger]);
    let refused = world.wanted.remove(0);
    let uid = refused.owner.uid.clone();
    world.terms.refused.insert(uid.clone(), refused.created_at);
    let plan = world.run_at(10);
    assert_eq!(
        (reasons(&plan), plan.changed),
        (vec![Reason::AlgorithmTaken], false)
    );
    assert!(plan.notes[0].2.contains("`b`"), "{}", plan.notes[0].2);
    // What it asked for last that was good is another algorithm: the one before is free.
    let mut good = refused.clone();
    good.spec.algorithm = Some(EdDSA);
    world.terms.refused.clear();
    world.wanted.push(good);
    world.run_at(11);
    assert_eq!(
        world.phases(),
        [(ES256, Active), (EdDSA, Published), (ES256, Published)]
    );
    world.wanted.pop();
    world.terms.refused.insert(uid.clone(), refused.created_at);
    assert!(!world.run_at(12).changed);
    // A younger one that is refused keeps nothing from an older one.
    world.terms.refused.insert(uid, at(6));
    world.wanted.push(wanted("c", EdDSA, 0));
    world.run_at(13);
    assert_eq!(world.phases()[3], (EdDSA, Published));
    assert_eq!(world.keys()[3].signing_key.name, "c");
}

#[test]
fn the_default_is_the_marked_one_or_the_oldest() {
    let mut world = World::started(vec![wanted("a", ES256, 0), wanted("b", EdDSA, 0)]);
    assert_eq!(world.default_algorithm(), ES256);
    world.wanted[1].spec.default = Some(true);
    assert!(world.run_at(1).changed);
    assert_eq!(world.default_algorithm(), EdDSA);
    // A marked one that cannot sign yet has to wait.
    world.wanted[1].spec.default = None;
    world.wanted.push(Wanted {
        created_at: at(1),
        ..wanted("c", ES384, 0)
    });
    world.wanted[2].spec.default = Some(true);
    world.run_at(2);
    assert_eq!(world.default_algorithm(), EdDSA);
    world.run_at(2 + PUBLISH);
    assert_eq!(world.default_algorithm(), ES384);
}

#[test]
fn a_later_signing_key_waits() {
    let mut world = World::started(vec![wanted("a", ES256, 0)]);
    world.wanted.push(wanted("b", EdDSA, 0));
    world.run_at(1);
    assert_eq!(world.phases(), [(ES256, Active), (EdDSA, Published)]);
}

#[test]
fn without_a_signing_key_nothing_is_written() {
    let plan = schedule(&[], None, &Acknowledgements::default(), &terms(), T0);
    assert_eq!(
        (plan.changed, plan.next, plan.default_algorithm),
        (false, None, None)
    );
    assert_eq!(plan.next_set(None, quick), Ok(None));
}

#[test]
fn fill_takes_only_what_was_asked_for() {
    let mut key = {
        let world = World {
            seen: Vec::new(),
            wanted: vec![wanted("main", EdDSA, 0)],
            set: None,
            pods: Acknowledgements::default(),
            terms: terms(),
            now: T0,
        };
        world.plan().keys.remove(0)
    };
    assert!(fill(&mut key, quick(ES256, None).unwrap()).is_err());
    assert_eq!(key.phase, Pending);
    fill(&mut key, quick(EdDSA, None).unwrap()).unwrap();
    assert_eq!(key.phase, Published);
    assert!(fill(&mut key, quick(EdDSA, None).unwrap()).is_err());
}

#[test]
fn a_failed_mint_gives_no_set() {
    let mut world = World::started(vec![wanted("main", EdDSA, 0)]);
    world.wanted = vec![wanted("main", EdDSA, 1)];
    let failed = |_, _| Err(KeyError("no luck".to_owned()));
    assert!(world.plan().next_set(world.set.as_ref(), failed).is_err());
}

#[test]
fn a_status_lists_its_own_keys_live_ones_first_in_whole_seconds() {
    let mut world = World::started(vec![wanted("a", ES256, 0), wanted("b", EdDSA, 0)]);
    world.wanted[0].spec.rotation.as_mut().unwrap().revision = Some(1);
    world.run_at(1);
    let phases = |status: &[KeyStatus]| -> Vec<_> { status.iter().map(|key| key.phase).collect() };
    let status = status_of(world.keys(), &world.wanted[0].owner);
    assert_eq!(phases(&status), [Published, Active]);
    assert_eq!(status[0].published_at.as_ref().unwrap().0.subsec_nanosecond(), 0);
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<Vec<_>>(&text).ok(), Some(status));
    // The edit is taken back: what never signed does not hide what does.
    world.wanted[0].spec.rotation.as_mut().unwrap().revision = Some(0);
    world.run_at(2);
    let status = status_of(world.keys(), &world.wanted[0].owner);
    assert_eq!(phases(&status), [Active, Removed]);
}

/// Two keys of each algorithm, for import.
static ELSEWHERE: LazyLock<Vec<PrivateJwk>> = LazyLock::new(|| {
    let twice = ALGORITHMS.into_iter().chain(ALGORITHMS);
    twice
        .map(|algorithm| PrivateJwk::generate(algorithm, None).unwrap())
        .collect()
});

fn made_elsewhere(algorithm: Algorithm, n: usize) -> Import {
    let at = ALGORITHMS.iter().position(|other| *other == algorithm).unwrap();
    Import::Key(ELSEWHERE[at + n * ALGORITHMS.len()].clone())
}

const ALGORITHMS: [Algorithm; 3] = [ES256, ES384, EdDSA];
