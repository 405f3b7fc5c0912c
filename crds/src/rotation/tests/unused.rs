//! `rotation.retireUnused`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::uses::Coverage;

const UNUSED: i64 = 600;

/// A world in which the secret was replaced at 10 s; the id of the old credential.
fn rotated() -> (World, String) {
    let mut world = World::settled();
    world.rotation.retire_unused = Some(Seconds(600));
    world.rotation.now = Some("1".into());
    let old = world.known[0].id.clone();
    world.pass(10);
    world.reconcile();
    assert_eq!(world.known.len(), 2);
    (world, old)
}

/// Every use in this time is known.
fn cover(world: &mut World, from: i64, to: i64) {
    world.uses.coverage = Some(Coverage {
        from: at(from),
        to: at(to),
    });
    world.now = at(to + 1);
}

#[test]
fn a_replaced_secret_that_nobody_uses_retires_early() {
    let (mut world, old) = rotated();
    let first = world.known[0].clone();
    cover(&mut world, 0, 9 + UNUSED);
    assert_calm(&mut world);
    cover(&mut world, 0, 10 + UNUSED);
    let decision = world.reconcile();
    assert_eq!(decision.reasons, [Reason::CredentialRetired]);
    assert_eq!(decision.unused, std::slice::from_ref(&old));
    assert!(decision.deliver.is_none() && decision.next.is_none());
    assert!(world.known.len() == 1 && world.known[0].id != first.id);
    assert_calm(&mut world);
}

#[test]
fn nothing_retires_early_unless_asked() {
    let (mut world, _) = rotated();
    world.rotation.retire_unused = None;
    cover(&mut world, 0, 3000);
    assert_calm(&mut world);
}

#[test]
fn a_replaced_secret_that_is_used_stays() {
    let (mut world, old) = rotated();
    world.uses.credentials.insert(old, at(700));
    cover(&mut world, 0, 700 + UNUSED);
    assert_calm(&mut world);
    cover(&mut world, 0, 702 + UNUSED);
    assert_eq!(world.reconcile().reasons, [Reason::CredentialRetired]);
}

#[test]
fn a_use_that_only_status_knows_counts() {
    let (mut world, _) = rotated();
    world.known[0].last_used_at = Some(Time(stored(at(700)).0));
    cover(&mut world, 0, 699 + UNUSED);
    assert_calm(&mut world);
    assert!(world.known[0].last_used_at.is_some(), "it is kept");
}

#[test]
fn what_is_not_known_counts_as_a_use() {
    let (mut world, _) = rotated();
    world.now = at(3000);
    assert_calm(&mut world);
    cover(&mut world, 2500, 3000);
    assert_calm(&mut world);
    // what was known some time ago
    cover(&mut world, 0, 3000);
    world.pass(300);
    assert_calm(&mut world);
}

#[test]
fn the_secret_that_is_delivered_never_retires_unused() {
    let mut world = World::settled();
    world.rotation.retire_unused = Some(Seconds(600));
    cover(&mut world, 0, 100_000);
    assert_calm(&mut world);
}

#[test]
fn while_the_new_secret_is_not_there_nothing_retires_early() {
    let (mut world, _) = rotated();
    cover(&mut world, 0, 3000);
    world.written = None;
    let decision = world.reconcile();
    assert_eq!(decision.unused, [""; 0]);
    assert_eq!(world.known.len(), 3);
}

#[test]
fn whether_a_look_is_worth_it_is_what_is_then_decided() {
    let (mut world, _) = rotated();
    let mut client = confidential();
    client.rare.get_or_insert_default().rotation = Some(world.rotation.clone());
    for (to, expected) in [(9 + UNUSED, false), (10 + UNUSED, true)] {
        cover(&mut world, 0, to);
        assert_eq!(
            has_unused(&client, &world.known, &world.uses, world.now),
            expected
        );
    }
    client.rare = None;
    assert!(!has_unused(&client, &world.known, &world.uses, world.now));
}
