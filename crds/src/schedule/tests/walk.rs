//! A walk through all short histories of one installation: every order of edits, waits, acknowledgements,
//! revocations and losses up to a depth. States that differ only in names and in time as a whole are
//! visited once.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::LazyLock;

use jiff::SignedDuration;

use super::histories::check;
use super::*;

/// How long the histories are; `WALK_DEPTH=5` sees 18 390 states in a dozen seconds.
static DEPTH: LazyLock<usize> = LazyLock::new(|| {
    let given = std::env::var("WALK_DEPTH").ok();
    given.map_or(4, |depth| depth.parse().unwrap())
});

/// More keys of each algorithm than a history can need, with their kids.
static POOL: LazyLock<Vec<(Algorithm, String, PrivateJwk)>> = LazyLock::new(|| {
    let both = [Algorithm::ES256, Algorithm::EdDSA];
    let many = both
        .into_iter()
        .flat_map(|algorithm| std::iter::repeat_n(algorithm, 4 * *DEPTH));
    many.map(|algorithm| {
        let jwk = PrivateJwk::generate(algorithm, None).unwrap();
        (algorithm, jwk.thumbprint().unwrap(), jwk)
    })
    .collect()
});

#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    /// A moment passes: nothing is due by it.
    Moment,
    /// The clock is set back by a moment and `publishFor`.
    SetBack,
    /// `publishFor` passes.
    Published,
    /// Everything that was signed expires.
    Expired,
    /// `rotation.revision` is another.
    Revision,
    /// The other algorithm is asked for.
    Algorithm,
    /// Accepted clients name the first algorithm, or no longer do.
    InUse,
    /// The key that signs by default is revoked.
    Revoke,
    /// One pod, or the other, acknowledges the set as it is.
    FirstSays,
    SecondSays,
    /// What a pod handed out until now is kept for as long as a JWKS may be.
    WasLate,
    /// A pod is there that has said nothing, or is gone.
    SecondComesOrGoes,
    /// The SigningKey is deleted, or made anew.
    DeleteOrCreate,
    /// The Secret with the set is lost.
    Lose,
}

const EVENTS: [Event; 14] = [
    Event::Moment,
    Event::SetBack,
    Event::Published,
    Event::Expired,
    Event::Revision,
    Event::Algorithm,
    Event::InUse,
    Event::Revoke,
    Event::FirstSays,
    Event::SecondSays,
    Event::WasLate,
    Event::SecondComesOrGoes,
    Event::DeleteOrCreate,
    Event::Lose,
];

fn take(world: &mut World, event: Event) {
    let pass = |world: &mut World, seconds: u64| {
        world.now += SignedDuration::from_secs(seconds.cast_signed());
    };
    match event {
        Event::Moment => pass(world, 1),
        Event::SetBack => world.now -= SignedDuration::from_secs(PUBLISH.cast_signed() + 1),
        Event::Published => pass(world, PUBLISH),
        Event::Expired => pass(world, TOKEN + SKEW.0),
        Event::Revision => {
            for wanted in &mut world.wanted {
                let rotation = wanted.spec.rotation.get_or_insert_default();
                rotation.revision = rotation.revision.map(|revision| revision + 1);
            }
        }
        Event::Algorithm => {
            for wanted in &mut world.wanted {
                wanted.spec.algorithm = Some(match wanted.spec.algorithm() {
                    Algorithm::ES256 => Algorithm::EdDSA,
                    _ => Algorithm::ES256,
                });
            }
        }
        Event::InUse => {
            if !world.terms.in_use.remove(&Algorithm::ES256) {
                world.terms.in_use.insert(Algorithm::ES256);
            }
        }
        Event::Revoke => {
            let lost = world.set.iter().flat_map(|set| &set.lost);
            world.terms.revoked.extend(lost.map(|lost| lost.kid.clone()));
            let default = world.set.as_ref().map(|set| set.default_algorithm);
            let keys = world.set.iter().flat_map(|set| &set.keys);
            let active = keys
                .filter(|key| key.phase == Phase::Active && Some(key.algorithm) == default)
                .map(|key| key.kid.clone());
            world.terms.revoked.extend(active);
        }
        Event::FirstSays => world.acknowledge(&["a"]),
        Event::SecondSays => world.acknowledge(&["b"]),
        Event::WasLate => world.pods.caches_expire = Some(world.now + Seconds(CACHE).span()),
        Event::SecondComesOrGoes => {
            let pods = &mut world.pods.pods;
            match pods.iter().position(|(pod, _)| pod == "b") {
                Some(at) => drop(pods.remove(at)),
                None => pods.push(("b".to_owned(), None)),
            }
        }
        Event::DeleteOrCreate => {
            if world.wanted.pop().is_none() {
                let mut again = wanted("key-0", Algorithm::ES256, 0);
                again.owner.uid = "uid-again".to_owned();
                world.wanted.push(again);
            }
        }
        Event::Lose => world.lose(),
    }
}

/// One reconcile: what the schedule says is written.
fn run(world: &mut World) -> Schedule {
    let plan = world.plan();
    let mut used = world.seen.clone();
    let unused = |algorithm: Algorithm, _: Option<u32>| {
        let free = POOL
            .iter()
            .find(|(of, kid, _)| *of == algorithm && !used.contains(kid));
        let (_, kid, jwk) = free.expect("the pool is large enough");
        used.push(kid.clone());
        Ok(jwk.clone())
    };
    if let Some(next) = plan.clone().next_set(world.set.as_ref(), unused).unwrap() {
        world.set = Some(next);
    }
    if world.set.is_some() {
        world.terms.lost.clear();
    }
    world.seen = used;
    plan
}

/// A state without names, and with times as they are seen from now.
fn shape(world: &World) -> String {
    let mut text = String::new();
    let ago =
        |time: Option<Timestamp>| time.map(|time| world.now.duration_since(time).as_secs().min(100_000));
    let word = world.set.as_ref().map(KeySet::acknowledgement);
    let kids: Vec<&str> = world
        .set
        .iter()
        .flat_map(|set| &set.keys)
        .map(|key| key.kid.as_str())
        .collect();
    for key in world.set.iter().flat_map(|set| &set.keys) {
        let times = [key.published_at, key.signs_from, key.retires_at, key.removable_at].map(ago);
        let revoked = (key.revoked, world.terms.revoked.contains(&key.kid));
        write!(
            text,
            "{} {:?} {} {times:?} {revoked:?} {};",
            key.algorithm, key.phase, key.spec_revision, key.signing_key.uid
        )
        .unwrap();
    }
    let caches = world.pods.caches_expire.filter(|end| *end > world.now);
    write!(text, "{:?};", ago(caches)).unwrap();
    for lost in world.set.iter().flat_map(|set| &set.lost) {
        let replaced = lost.replaced_at.map(|at| ago(Some(at)));
        write!(text, "{} {} {replaced:?};", lost.algorithm, lost.revoked).unwrap();
    }
    let gone = world
        .terms
        .revoked
        .iter()
        .filter(|kid| !kids.contains(&kid.as_str()))
        .count();
    let default = world.set.as_ref().map(|set| set.default_algorithm);
    for (pod, said) in &world.pods.pods {
        write!(text, "{pod} {};", said.is_some() && *said == word).unwrap();
    }
    for wanted in &world.wanted {
        write!(
            text,
            "{} {} {};",
            wanted.owner.uid,
            wanted.spec.algorithm(),
            wanted.spec.revision()
        )
        .unwrap();
    }
    write!(text, "{default:?} {:?} {gone}", world.terms.in_use).unwrap();
    text
}

/// Takes every history of this length from here on; the number of states.
fn walk(mut world: World, depth: usize) -> usize {
    world.seen = world.keys().iter().map(|key| key.kid.clone()).collect();
    let mut visited = HashSet::from([shape(&world)]);
    let (mut front, mut steps) = (vec![world], 0_u64);
    for _ in 0..depth {
        let mut next = Vec::new();
        for world in &front {
            for event in EVENTS {
                let mut world = world.clone();
                take(&mut world, event);
                let before = world.set.clone();
                let plan = run(&mut world);
                steps += 1;
                check(&world, before.as_ref());
                assert!(plan.next.is_none_or(|next| next > world.now));
                assert!(!world.plan().changed, "nothing is left to do after {event:?}");
                if visited.insert(shape(&world)) {
                    next.push(world);
                }
            }
        }
        front = next;
    }
    println!("{} states visited by {steps} steps", visited.len());
    visited.len()
}

fn first() -> World {
    World::started(vec![wanted("key-0", Algorithm::ES256, 0)]).with_pods(&["a"])
}

#[test]
fn i3_every_short_history_keeps_the_rules() {
    let visited = walk(first(), *DEPTH);
    assert!(visited > 500 * *DEPTH, "only {visited} states");
}

/// Where most can go wrong: the next key signs, and no pod has acknowledged it yet.
#[test]
fn i3_every_short_history_after_a_promotion_keeps_the_rules() {
    let mut world = first();
    for event in [Event::Revision, Event::FirstSays, Event::Published] {
        take(&mut world, event);
        run(&mut world);
    }
    assert_eq!(world.phases(), [(ES256, Retiring), (ES256, Active)]);
    walk(world, *DEPTH - 1);
}
