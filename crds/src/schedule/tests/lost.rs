//! Stories of a key set that was lost, or set back: what statuses tell of it.

use super::*;
use crate::secrets::key_set::LostKey;

fn lost(world: &World) -> Vec<(&str, bool, bool)> {
    let lost = world.set.as_ref().unwrap().lost.iter();
    lost.map(|lost| (lost.kid.as_str(), lost.revoked, lost.replaced_at.is_some()))
        .collect()
}

/// A set that was lost with its Active key, and made anew.
fn made_anew() -> (World, String) {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    let kid = world.keys()[0].kid.clone();
    world.lose();
    world.run_at(5);
    assert_eq!(world.phases(), [(ES256, Published)]);
    (world, kid)
}

#[test]
fn what_pods_hold_of_a_lost_set_is_known_until_nothing_needs_it() {
    let (mut world, kid) = made_anew();
    assert_eq!(lost(&world), [(kid.as_str(), false, false)]);
    let offered = |world: &World| world.set.as_ref().unwrap().algorithms();
    assert_eq!(offered(&world), [ES256].into(), "pods sign on with it");
    assert!(!world.run_at(6).changed);
    world.run_at(5 + PUBLISH);
    assert_eq!(world.phases(), [(ES256, Active)]);
    assert_eq!(lost(&world), [(kid.as_str(), false, true)]);
    assert_eq!(offered(&world), [ES256].into());
    let plan = world.run_at(5 + PUBLISH + SESSION - 1);
    assert_eq!(
        (plan.changed, plan.next),
        (false, Some(at(5 + PUBLISH + SESSION)))
    );
    world.run_at(5 + PUBLISH + SESSION);
    assert!(lost(&world).is_empty());
}

#[test]
fn a_lost_key_that_is_revoked_leaves_its_place_at_once() {
    let (mut world, kid) = made_anew();
    world.terms.revoked.insert(kid.clone());
    let plan = world.run_at(6);
    assert_eq!(reasons(&plan), [Reason::KeyRevoked, Reason::KeyActive]);
    assert_eq!(world.phases(), [(ES256, Active)]);
    assert_eq!(world.keys()[0].signs_from, Some(Timestamp::UNIX_EPOCH));
    assert_eq!(lost(&world), [(kid.as_str(), true, true)]);
    assert!(!world.plan().changed);
}

#[test]
fn a_key_that_was_revoked_while_the_set_was_lost_is_replaced_at_once() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    let kid = world.keys()[0].kid.clone();
    world.lose();
    world.terms.revoked.insert(kid.clone());
    world.run_at(5);
    assert_eq!(
        world.phases(),
        [(ES256, Active)],
        "no pod may go on with the old one"
    );
    assert_eq!(lost(&world), [(kid.as_str(), true, true)]);
}

#[test]
fn one_that_replaced_it_already_is_not_disturbed_by_its_revocation() {
    let (mut world, kid) = made_anew();
    world.run_at(5 + PUBLISH);
    let before = world.keys().to_vec();
    world.terms.revoked.insert(kid.clone());
    let plan = world.run_at(6 + PUBLISH);
    assert_eq!(reasons(&plan), [Reason::KeyRevoked]);
    assert_eq!(world.keys(), before);
    assert_eq!(lost(&world), [(kid.as_str(), true, true)]);
}

#[test]
fn keys_that_an_older_set_does_not_hold_are_known_too() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    let older = world.set.clone();
    world.wanted[0].spec.rotation.as_mut().unwrap().revision = Some(1);
    world.run_at(1);
    world.run_at(1 + PUBLISH);
    let newer = world.keys()[1].kid.clone();
    world.lose();
    world.set = older;
    let held: Vec<LostKey> = world.terms.lost.clone();
    let kept = |lost: &LostKey| lost.kid == newer;
    world.terms.lost = held.into_iter().filter(kept).collect();
    world.run_at(2 + PUBLISH);
    assert_eq!(
        world.phases(),
        [(ES256, Active), (ES256, Published)],
        "what is asked for is minted anew"
    );
    assert_eq!(lost(&world), [(newer.as_str(), false, true)]);
}

#[test]
fn an_import_brings_a_lost_key_back() {
    let mut main = wanted("main", ES256, 0);
    main.import = Some(made_elsewhere(ES256, 0));
    let mut world = World::started(vec![main]);
    let kid = world.keys()[0].kid.clone();
    world.lose();
    world.run_at(5);
    assert_eq!(world.phases(), [(ES256, Published)]);
    assert_eq!(world.keys()[0].kid, kid);
    assert!(lost(&world).is_empty());
}

#[test]
fn only_what_verifiers_saw_can_be_lost() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    world.wanted[0].spec.rotation.as_mut().unwrap().revision = Some(1);
    world.run_at(0);
    world.run_at(PUBLISH);
    world.run_at(PUBLISH + TOKEN + SKEW.0);
    assert_eq!(world.phases(), [(ES256, Removed), (ES256, Active)]);
    let status = status_of(world.keys(), &world.wanted[0].owner);
    let all: Vec<_> = lost_keys("main", &status, None).collect();
    assert_eq!(all.len(), 1);
    assert_eq!(
        (all[0].kid.as_str(), all[0].signed),
        (world.keys()[1].kid.as_str(), true)
    );
    assert_eq!(lost_keys("main", &status, world.set.as_ref()).count(), 0);
}
