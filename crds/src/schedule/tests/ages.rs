//! Stories of `jwks.maxAge`: caches of before go by the one of before.

use super::*;
use crate::secrets::key_set::Caches;

/// By a `max-age` of 1 s, and the shortest `publishFor` that goes with it.
const SHORT: u64 = 3;
/// How long a lowered one counts on: its own length, and as long as a dead watch goes unnoticed.
const COUNTS: u64 = CACHE + 30;

fn caches(world: &World) -> (u64, u64, Option<Timestamp>) {
    let Caches {
        current,
        longest,
        until,
    } = world.set.as_ref().unwrap().caches.unwrap();
    (current, longest, until)
}

/// A key waits since 0, and at 5 both are lowered.
fn lowered() -> World {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    world.wanted = vec![wanted("main", ES256, 1)];
    world.run_at(0);
    world.terms.cache = Seconds(SHORT);
    world.wanted[0].spec.publish_for = Some(Seconds(SHORT));
    world.run_at(5);
    assert_eq!(caches(&world), (SHORT, CACHE, Some(at(5 + COUNTS))));
    world
}

#[test]
fn i3_a_key_waits_for_caches_by_the_max_age_of_before() {
    let mut world = lowered();
    let plan = world.run_at(CACHE - 1);
    assert_eq!(world.keys()[1].phase, Published);
    assert_eq!(plan.next, Some(at(CACHE)));
    world.run_at(CACHE);
    assert_eq!(world.keys()[1].phase, Active);
}

#[test]
fn a_lowered_max_age_is_the_one_that_counts_when_caches_have_expired() {
    let mut world = lowered();
    let plan = world.run_at(5 + COUNTS - 1);
    assert_eq!(plan.next, Some(at(5 + COUNTS)));
    assert_eq!(caches(&world).1, CACHE);
    world.run_at(5 + COUNTS);
    assert_eq!(caches(&world), (SHORT, SHORT, None));
    world.wanted[0].spec.rotation.as_mut().unwrap().revision = Some(2);
    world.run_at(1000);
    world.run_at(1000 + SHORT);
    assert_eq!(world.keys().last().unwrap().phase, Active);
}

#[test]
fn one_that_is_lowered_twice_or_by_a_wrong_clock_counts_its_own_length() {
    let mut world = lowered();
    world.terms.cache = Seconds(SHORT - 1);
    world.run_at(100);
    assert_eq!(caches(&world), (SHORT - 1, CACHE, Some(at(100 + COUNTS))));
    // Set back: no longer than if it had been lowered now.
    world.run_at(50);
    assert_eq!(caches(&world).2, Some(at(50 + COUNTS)));
    world.terms.cache = Seconds(SHORT);
    world.run_at(60);
    assert_eq!(caches(&world), (SHORT, CACHE, Some(at(50 + COUNTS))));
}

#[test]
fn a_raised_one_counts_at_once() {
    let mut world = lowered();
    world.terms.cache = Seconds(2 * CACHE);
    world.run_at(6);
    assert_eq!(caches(&world), (2 * CACHE, 2 * CACHE, None));
}

#[test]
fn a_set_of_an_older_version_learns_it() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    world.set.as_mut().unwrap().caches = None;
    assert!(world.run_at(1).changed);
    assert_eq!(caches(&world), (CACHE, CACHE, None));
    assert!(!world.plan().changed);
}
