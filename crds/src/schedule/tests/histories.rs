//! Any sequence of events keeps the rules.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    /// The clock is set back.
    Back(u64),
    Edit(usize, usize, u64),
    Create(usize, usize),
    Delete(usize),
    Interval(usize, Option<u64>),
    Mark(usize),
    InUse(usize),
    Refuse(usize),
    Lifetime(u64),
    Acknowledge(bool, bool),
    Pods(bool),
    /// A pod was late, or went while it was: caches expire so much later.
    Caches(Option<u64>),
    Lose,
    /// The nth key of the set.
    Revoke(usize),
    Forgive,
    /// The nth SigningKey imports the nth key of its algorithm, or nothing that is good, or generates again.
    Import(usize, Option<usize>),
    Generate(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_u64..1500).prop_map(Step::Pass),
        1 => (10_000_u64..200_000).prop_map(Step::Pass),
        1 => (1_u64..5000).prop_map(Step::Back),
        3 => (0_usize..3, 0_usize..3, 0_u64..3).prop_map(|(n, a, r)| Step::Edit(n, a, r)),
        2 => (0_usize..3, 0_usize..3).prop_map(|(n, a)| Step::Create(n, a)),
        1 => (0_usize..3).prop_map(Step::Delete),
        1 => (0_usize..3, proptest::option::of(700_u64..5000)).prop_map(|(n, i)| Step::Interval(n, i)),
        1 => (0_usize..3).prop_map(Step::Mark),
        1 => (0_usize..3).prop_map(Step::InUse),
        1 => (0_usize..3).prop_map(Step::Refuse),
        1 => (60_u64..4000).prop_map(Step::Lifetime),
        6 => (any::<bool>(), any::<bool>()).prop_map(|(a, b)| Step::Acknowledge(a, b)),
        1 => any::<bool>().prop_map(Step::Pods),
        2 => proptest::option::of(0_u64..2000).prop_map(Step::Caches),
        1 => Just(Step::Lose),
        2 => (0_usize..6).prop_map(Step::Revoke),
        1 => Just(Step::Forgive),
        4 => (0_usize..3, proptest::option::weighted(0.8, 0_usize..2)).prop_map(|(n, k)| Step::Import(n, k)),
        1 => (0_usize..3).prop_map(Step::Generate),
    ]
}

fn take(world: &mut World, step: Step, created: &mut u64) {
    match step {
        Step::Pass(seconds) => world.now += SignedDuration::from_secs(seconds.cast_signed()),
        Step::Back(seconds) => world.now -= SignedDuration::from_secs(seconds.cast_signed()),
        Step::Edit(n, algorithm, revision) => {
            if let Some(wanted) = world.wanted.get_mut(n) {
                wanted.spec.algorithm = Some(ALGORITHMS[algorithm]);
                wanted.spec.rotation.as_mut().unwrap().revision = Some(revision);
                // Whoever reads the Secret looks at the algorithm.
                if matches!(wanted.import, Some(Import::Key(_))) {
                    wanted.import = Some(made_elsewhere(ALGORITHMS[algorithm], 0));
                }
            }
        }
        Step::Create(n, algorithm) => {
            *created += 1;
            let mut made = wanted(&format!("key-{n}"), ALGORITHMS[algorithm], 0);
            made.owner.uid = format!("uid-{created}");
            made.created_at = world.now;
            if world
                .wanted
                .iter()
                .all(|wanted| wanted.owner.name != made.owner.name)
            {
                world.wanted.push(made);
            }
        }
        Step::Delete(n) => {
            if n < world.wanted.len() {
                world.wanted.remove(n);
            }
        }
        Step::Interval(n, interval) => {
            if let Some(wanted) = world.wanted.get_mut(n) {
                wanted.spec.rotation.as_mut().unwrap().interval = interval.map(Seconds);
            }
        }
        Step::Mark(n) => {
            if let Some(wanted) = world.wanted.get_mut(n) {
                wanted.spec.default = Some(wanted.spec.default != Some(true));
            }
        }
        Step::InUse(n) => {
            if !world.terms.in_use.remove(&ALGORITHMS[n]) {
                world.terms.in_use.insert(ALGORITHMS[n]);
            }
        }
        Step::Refuse(n) => {
            let keys = world
                .set
                .as_ref()
                .map(|set| set.keys.as_slice())
                .unwrap_or_default();
            let uids: Vec<_> = keys.iter().map(|key| key.signing_key.uid.clone()).collect();
            let age = |wanted: &Wanted| wanted.created_at;
            if !world.terms.refused.is_empty() {
                world.terms.refused.clear();
            } else if let Some(uid) = uids.get(n) {
                let mut wanted = world.wanted.iter();
                let created_at = wanted.find(|wanted| wanted.owner.uid == *uid).map_or(T0, age);
                world.wanted.retain(|wanted| wanted.owner.uid != *uid);
                world.terms.refused.insert(uid.clone(), created_at);
            }
        }
        Step::Lifetime(seconds) => world.terms.longest_token = Seconds(seconds),
        Step::Acknowledge(a, b) => {
            if a {
                world.acknowledge(&["a"]);
            }
            if b {
                world.acknowledge(&["b"]);
            }
        }
        Step::Pods(some) => {
            world.pods.pods.clear();
            if some {
                world.pods.pods = vec![("a".to_owned(), None), ("b".to_owned(), None)];
            }
        }
        Step::Caches(later) => {
            world.pods.caches_expire = later.map(|later| world.now + Seconds(later).span());
        }
        Step::Lose => world.lose(),
        Step::Revoke(n) => {
            let set = world.set.as_ref();
            let lost = set
                .into_iter()
                .flat_map(|set| set.lost.iter().map(|lost| &lost.kid));
            let keys = set
                .into_iter()
                .flat_map(|set| set.keys.iter().map(|key| &key.kid));
            if let Some(kid) = lost.chain(keys).nth(n) {
                world.terms.revoked.insert(kid.clone());
            }
        }
        Step::Forgive => world.terms.revoked.clear(),
        Step::Import(n, key) => {
            if let Some(wanted) = world.wanted.get_mut(n) {
                let algorithm = wanted.spec.algorithm();
                wanted.import = Some(match key {
                    Some(key) => made_elsewhere(algorithm, key),
                    None => Import::Missing(Reason::SecretNotFound, "gone".to_owned()),
                });
            }
        }
        Step::Generate(n) => {
            if let Some(wanted) = world.wanted.get_mut(n) {
                wanted.import = None;
            }
        }
    }
}

/// What must hold after each run; `before` is the set that it started from.
pub(super) fn check(world: &World, before: Option<&KeySet>) {
    let Some(set) = &world.set else { return };
    let was = |key: &KeyState| {
        let keys = before.map(|set| set.keys.as_slice()).unwrap_or_default();
        keys.iter().find(|other| other.kid == key.kid)
    };
    let mut active = BTreeSet::new();
    let mut kids = BTreeSet::new();
    for key in &set.keys {
        assert!(kids.insert(&key.kid), "a kid twice");
        match key.phase {
            Pending => panic!("a key that was not minted"),
            Published => assert!(key.jwk.is_some() && key.signs_from.is_none()),
            Active => {
                assert!(
                    active.insert(key.algorithm),
                    "two Active keys of {}",
                    key.algorithm
                );
                let from = key.signs_from.unwrap();
                let is_new = was(key).is_none_or(|was| was.phase != Active);
                // Where a key was revoked, nobody waits.
                let emergency = set.keys.iter().any(|other| {
                    let signed = was(other).is_some_and(|was| was.phase == Active && !was.revoked);
                    other.revoked && signed && other.algorithm == key.algorithm
                });
                let emergency = emergency
                    || set.lost.iter().any(|lost| {
                        let known = before.iter().flat_map(|before| &before.lost);
                        let before = known
                            .filter(|known| known.kid == lost.kid)
                            .any(|known| known.revoked);
                        lost.revoked && lost.signed && !before && lost.algorithm == key.algorithm
                    });
                if is_new && before.is_some() && !emergency {
                    let published = key.published_at.unwrap();
                    assert!(from >= published + Seconds(PUBLISH).span(), "it signs too early");
                    let caches = world.pods.caches_expire;
                    assert!(caches.is_none_or(|end| from >= end), "a cache lacks it");
                    let word = before.map(KeySet::acknowledgement);
                    let all = world.pods.pods.iter().all(|(_, said)| *said == word);
                    assert!(all, "a pod does not know it");
                    assert!(was(key).is_some_and(KeyState::is_in_jwks), "it was not published");
                }
                assert!(key.longest_lifetime >= world.terms.longest_token.0);
            }
            Retiring => assert!(key.jwk.is_some() && key.retires_at.is_some()),
            Removed => {
                assert!(key.jwk.is_none() && key.public.is_none() == key.revoked);
                let is_new = was(key).is_some_and(|was| was.phase != Removed);
                if is_new && (key.signs_from.is_some() || key.longest_lifetime > 0) && !key.revoked {
                    let expired = key.retires_at.unwrap() + Seconds(key.longest_lifetime).span();
                    assert!(world.now >= expired, "something that it signed is still valid");
                    let next = set
                        .keys
                        .iter()
                        .find(|next| next.phase == Active && next.algorithm == key.algorithm);
                    let signs = next.is_none_or(|next| next.signs_from.unwrap() <= world.now);
                    assert!(signs, "pods have no key that they may sign with yet");
                }
            }
        }
        assert_eq!(
            key.revoked,
            world.terms.revoked.contains(&key.kid) || was(key).is_some_and(|was| was.revoked)
        );
        if let Some(was) = was(key).filter(|_| !key.imported) {
            assert!(was.phase <= key.phase, "{:?} became {:?}", was.phase, key.phase);
        }
    }
    // Whatever signed for an algorithm has a successor, or its SigningKey is gone.
    if let Some(before) = before {
        let default = before.default_algorithm;
        let signed = before
            .keys
            .iter()
            .any(|key| key.algorithm == default && key.phase == Active);
        assert!(
            !signed || active.contains(&set.default_algorithm),
            "the default cannot sign"
        );
        for key in before.keys.iter().filter(|key| key.phase == Active) {
            let exists = world
                .wanted
                .iter()
                .any(|wanted| wanted.owner.uid == key.signing_key.uid)
                || world.terms.refused.contains_key(&key.signing_key.uid);
            if exists && world.terms.in_use.contains(&key.algorithm) {
                assert!(active.contains(&key.algorithm), "{} is in use", key.algorithm);
            }
        }
    }
    let jwks = set.jwks();
    let listed = jwks["keys"].as_array().unwrap().iter();
    let listed: Vec<_> = listed.map(|key| key["kid"].as_str().unwrap()).collect();
    let published = set.keys.iter().filter(|key| key.phase != Removed);
    assert_eq!(listed, published.map(|key| key.kid.as_str()).collect::<Vec<_>>());
}

/// Nothing that was signed outlives its key in the JWKS: `expires` keeps, by kid, what the set need not know.
fn outlives(world: &World, before: Option<&KeySet>, expires: &mut BTreeMap<String, Timestamp>) {
    let Some(set) = &world.set else { return };
    if before.is_none() {
        // It was lost, and with it what was known of its keys.
        expires.clear();
    }
    let before = before.into_iter().flat_map(|set| &set.keys);
    for key in before.chain(&set.keys).filter(|key| key.phase == Active) {
        let last = world.now + world.terms.longest_token.span();
        let known = expires.entry(key.kid.clone()).or_insert(last);
        *known = last.max(*known);
    }
    for key in set.keys.iter().filter(|key| key.phase == Removed && !key.revoked) {
        let expired = expires.get(&key.kid).is_none_or(|until| *until <= world.now);
        assert!(expired, "it was removed while something that it signed was valid");
    }
}

proptest! {
    #[test]
    fn i3_no_sequence_of_events_breaks_the_rules(
        steps in proptest::collection::vec(step(), 1..60),
        together in 1_usize..4,
    ) {
        let mut world = World::started(vec![wanted("key-0", ES256, 0)]);
        let mut created = 0;
        let mut expires = BTreeMap::new();
        for (n, step) in steps.into_iter().enumerate() {
            if world.set.is_none() {
                expires.clear();
                world.run();
            }
            if world.set.is_none() {
                // No SigningKey is there to make a set for, or none with a key. One that exists and is good is not
                // refused.
                world.terms.refused.clear();
                world.wanted = vec![wanted("key-0", ES256, 0)];
                world.run();
            }
            if let Step::Back(seconds) = step {
                // Tokens expire no later for it.
                for until in expires.values_mut() {
                    *until -= SignedDuration::from_secs(seconds.cast_signed());
                }
            }
            take(&mut world, step, &mut created);
            if n % together == 0 {
                let before = world.set.clone();
                let plan = world.run();
                check(&world, before.as_ref());
                outlives(&world, before.as_ref(), &mut expires);
                prop_assert!(plan.next.is_none_or(|next| next > world.now));
                // Once more at the same time: nothing is left to do.
                let again = world.plan();
                prop_assert!(!again.changed, "{:?} then {:?}", plan, again);
                prop_assert_eq!(again.next, world.plan().next);
            }
        }
    }
}
