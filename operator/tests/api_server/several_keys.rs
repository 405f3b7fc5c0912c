//! Several SigningKeys side by side: who rules, who signs by default, and what becomes of the keys of one that is
//! deleted or refused.

use oidc_crds::names::Algorithm;
use oidc_crds::resources::SigningKey;
use oidc_crds::resources::signing_key::Phase;
use oidc_crds::secrets::key_set::{KeySet, KeyState};
use serde_json::{Value, json};

use crate::harness::{SOON, World, condition, wait};
use crate::keys::{has_phases, key_set, revision};

/// A SigningKey that waits shortly.
fn signing_key(name: &str, algorithm: &str, more: &str) -> String {
    format!(
        "{{apiVersion: oidc-operator.dev/v1alpha1, kind: SigningKey, metadata: {{name: {name}}},
          spec: {{algorithm: {algorithm}, publishFor: 3s{more}}}}}\n"
    )
}

/// Waits until the key set is like that.
async fn set_is<T>(world: &World, what: &str, look: impl Fn(&KeySet) -> Option<T>) -> T {
    wait(what, SOON, async || look(&key_set(world).await)).await
}

/// The key of a SigningKey that signs.
fn active<'a>(set: &'a KeySet, name: &str) -> Option<&'a KeyState> {
    let mut keys = set.keys.iter();
    keys.find(|key| key.signing_key.name == name && key.phase == Phase::Active)
}

async fn edit(world: &World, name: &str, spec: Value) {
    world.patch::<SigningKey>(name, json!({"spec": spec})).await;
}

#[tokio::test]
async fn of_two_signing_keys_of_one_algorithm_the_older_rules_also_while_it_is_refused() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    world.apply(&signing_key("second", "ES256", ""));
    let younger = world.key_is("second", "Accepted", "False").await;
    let status = younger.status.expect("a status");
    for kind in ["Accepted", "Ready"] {
        let (reason, message) = condition(&status.conditions, kind);
        assert_eq!(reason, "AlgorithmTaken");
        assert!(message.contains("`main`"), "{message}");
    }
    assert!(status.keys.is_empty());
    world.told("AlgorithmTaken", "`main`").await;

    // An edit of the older one that is refused gives nothing away.
    let before = key_set(&world).await;
    edit(&world, "main", json!({"publishFor": "1s"})).await;
    world.key_is("main", "Accepted", "False").await;
    assert_eq!(key_set(&world).await, before);
    world.key_is("second", "Accepted", "False").await;
    edit(&world, "main", json!({"publishFor": "3s"})).await;
    world.key_is("main", "Ready", "True").await;
    assert_eq!(key_set(&world).await, before);

    // It goes: the younger one's key takes over, without a gap.
    world.delete::<SigningKey>("main").await;
    world.key_is("second", "Ready", "True").await;
    let set = key_set(&world).await;
    assert!(active(&set, "second").is_some());
    assert_eq!(
        (set.keys[0].signing_key.name.as_str(), set.keys[0].phase),
        ("main", Phase::Retiring)
    );
}

#[tokio::test]
async fn the_marked_one_signs_by_default_once_it_signs() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    world.apply(&signing_key("second", "EdDSA", ""));
    world.key_is("second", "Ready", "True").await;
    assert_eq!(key_set(&world).await.default_algorithm, Algorithm::ES256);
    edit(&world, "second", json!({"default": true})).await;
    edit(&world, "main", json!({"default": false})).await;
    let follows = |set: &KeySet| (set.default_algorithm == Algorithm::EdDSA).then_some(());
    set_is(&world, "the default follows", follows).await;
    // One that does not sign yet has to wait.
    edit(&world, "second", json!({"default": false})).await;
    world.apply(&signing_key("third", "ES384", ", default: true"));
    let waits = |set: &KeySet| {
        let waits = set.keys.iter().any(|key| key.algorithm == Algorithm::ES384);
        (waits && active(set, "third").is_none()).then_some(set.default_algorithm)
    };
    if let Some(meanwhile) = waits(&key_set(&world).await) {
        assert!(meanwhile != Algorithm::ES384, "it cannot sign yet");
    }
    world.key_is("third", "Ready", "True").await;
    let follows = |set: &KeySet| (set.default_algorithm == Algorithm::ES384).then_some(());
    set_is(&world, "the default follows again", follows).await;
}

#[tokio::test]
async fn keys_of_a_deleted_signing_key_retire_and_the_last_of_the_default_signs_on_loudly() {
    let world = World::new(&[]).await;
    let operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    world.apply(&signing_key("second", "EdDSA", ""));
    world.key_is("second", "Ready", "True").await;
    operator.metric_is("oidc_operator_orphaned_keys", 0.0).await;

    world.delete::<SigningKey>("second").await;
    let retires = |set: &KeySet| {
        let key = set.keys.iter().find(|key| key.signing_key.name == "second");
        key.filter(|key| key.phase == Phase::Retiring).map(|_| ())
    };
    set_is(&world, "the deleted one's key retires", retires).await;
    world.told("KeyRetiring", "second, which was deleted").await;

    world.delete::<SigningKey>("main").await;
    operator.metric_is("oidc_operator_orphaned_keys", 1.0).await;
    let set = key_set(&world).await;
    assert!(active(&set, "main").is_some(), "it signs on");
    world.told("AlgorithmInUse", "main, which was deleted: key").await;
    operator.says_line(&["WARN", "no SigningKey asks for it"]).await;

    world.apply(&signing_key("third", "ES384", ""));
    world.key_is("third", "Ready", "True").await;
    operator.metric_is("oidc_operator_orphaned_keys", 0.0).await;
    let set = key_set(&world).await;
    assert_eq!(set.default_algorithm, Algorithm::ES384);
    let old = &set.keys[0];
    assert_eq!(
        (old.signing_key.name.as_str(), old.phase),
        ("main", Phase::Retiring)
    );
    let told = world.events("AlgorithmInUse").await;
    assert_eq!(told.len(), 1, "once: {told:?}");
}

#[tokio::test]
async fn the_longest_lifetime_that_clients_could_have_counts_though_nobody_looked() {
    let granted = [
        "lifetimes.accessToken=1m",
        "lifetimes.idToken=1m",
        "grants[0].namespaces={*}",
        "grants[0].lifetimes.idToken=1h",
    ];
    let world = World::new(&granted).await;
    let mut operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    world.apply_client("demo", "");
    world.client_is("demo", "Ready", "True").await;
    // Raised and lowered while the operator is away: pods signed with it, and only they know.
    operator.signal("TERM");
    operator.end().await;
    world.apply_client("demo", "tokens: {idTokenTtl: 1h}");
    world.apply_client("demo", "tokens: {idTokenTtl: 30s}");
    let _operator = world.operator("op-1");
    wait("the client is looked at", SOON, async || {
        let demo = world.clients().get("demo").await.expect("there");
        let seen = demo.status.as_ref()?.observed_generation;
        (seen == demo.metadata.generation).then_some(())
    })
    .await;
    // And what was granted is granted no more; what was in force while a key signed counts on.
    world.install(&granted[..2]);
    world.patch::<SigningKey>("main", revision(1)).await;
    has_phases(&world, &[Phase::Active, Phase::Retiring]).await;
    let old = key_set(&world).await.keys.remove(0);
    let (retires, ends) = (old.retires_at.expect("retires"), old.removable_at.expect("ends"));
    assert!(ends.duration_since(retires).as_secs() >= 3600, "{old:?}");
}
