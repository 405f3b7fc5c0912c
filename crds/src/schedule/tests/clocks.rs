//! Stories of clocks that are wrong for a while.

use super::*;

/// A rotation whose next key signs from `from` on by the operator's clock.
fn promoted(from: u64) -> World {
    let mut world = World::started(vec![wanted("main", ES256, 0)]).with_pods(&["a"]);
    world.wanted = vec![wanted("main", ES256, 1)];
    world.run_at(from - PUBLISH);
    world.acknowledge(&["a"]);
    world.run_at(from);
    assert_eq!(world.phases(), [(ES256, Retiring), (ES256, Active)]);
    world
}

#[test]
fn i3_a_key_that_pods_sign_with_by_their_clocks_is_not_removed_before() {
    let from = 3600 + PUBLISH;
    let mut world = promoted(from);
    // The operator's clock was an hour ahead; pods sign with the old key until theirs says `retiresAt`.
    world.acknowledge(&["a"]);
    world.run_at(PUBLISH);
    let removal = from + TOKEN + SKEW.0;
    assert_eq!(world.keys()[0].removable_at, Some(at(removal)));
    world.run_at(removal - 1);
    assert_eq!(world.keys()[0].phase, Retiring);
    world.run_at(removal);
    assert_eq!(world.keys()[0].phase, Removed);
}

#[test]
fn i3_without_a_pod_nothing_ends_sooner_either() {
    let mut world = promoted(PUBLISH);
    // The one that had not acknowledged signed on until it was gone.
    world.pods.pods.clear();
    world.run_at(10 * PUBLISH);
    let removal = at(10 * PUBLISH + TOKEN + SKEW.0);
    assert_eq!(world.keys()[0].removable_at, Some(removal));
}

#[test]
fn i3_the_last_key_that_may_sign_is_not_removed() {
    let mut world = promoted(3600);
    // As an older version left it.
    world.set.as_mut().unwrap().keys[0].removable_at = Some(at(1000));
    world.run_at(1000);
    assert_eq!(world.keys()[0].phase, Retiring, "the next one may not sign yet");
    world.run_at(3600);
    assert_eq!(world.keys()[0].phase, Removed);
}

#[test]
fn a_key_that_was_minted_while_the_clock_was_ahead_waits_its_own_time_only() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    world.wanted = vec![wanted("main", ES256, 1)];
    world.run_at(1_000_000);
    let plan = world.run_at(100);
    assert_eq!(plan.next, Some(at(100 + PUBLISH)));
    assert!(world.keys().iter().all(|key| key.created_at <= at(100)));
    assert!(!world.plan().changed, "it is kept");
    world.run_at(100 + PUBLISH - 1);
    assert_eq!(world.keys()[1].phase, Published);
    world.run_at(100 + PUBLISH);
    assert_eq!(world.keys()[1].phase, Active);
}

#[test]
fn an_interval_counts_from_now_if_the_clock_was_ahead() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    world.wanted[0].spec.rotation.as_mut().unwrap().interval = Some(Seconds(10_000));
    world.set.as_mut().unwrap().keys[0].created_at = at(1_000_000);
    let plan = world.run_at(5);
    assert_eq!(plan.next, Some(at(10_005)));
    world.run_at(10_005);
    assert_eq!(world.phases(), [(ES256, Active), (ES256, Published)]);
}

#[test]
fn clocks_that_differ_a_little_change_nothing() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    world.wanted = vec![wanted("main", ES256, 1)];
    world.run_at(100 + SKEW.0);
    // Another operator leads: its clock is another.
    assert!(!world.run_at(100).changed);
}
