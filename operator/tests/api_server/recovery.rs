//! Keys after accidents: the operator killed in the middle of a rotation, a status wiped, a backup restored.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use oidc_crds::names::Algorithm;
use oidc_crds::resources::SigningKey;
use oidc_crds::resources::signing_key::Phase;
use oidc_crds::secrets::key_set::{KeySet, KeyState};
use serde_json::{Value, json};

use crate::harness::{Operator, SOON, World, data_of, random, wait};
use crate::history::History;
use crate::keys::{key_set, phases, revision, with_phases};

/// Kills the operator, and gives its lease up for it: its successor need not wait until it runs out.
pub async fn kill(world: &World, mut operator: Operator) {
    operator.signal("KILL");
    operator.end().await;
    let lease = [
        "delete",
        "lease",
        "oidc-operator",
        "--ignore-not-found",
        "-n",
        &world.namespace,
    ];
    world.kubectl(&lease);
}

fn set_of(secret: &Secret) -> KeySet {
    KeySet::from_data(&data_of(secret)).expect("a key set")
}

async fn wipe_status(world: &World, name: &str) {
    let api: Api<SigningKey> = world.api();
    wait("the status is wiped", SOON, async || {
        let mut key = api.get(name).await.expect("there");
        key.status = Some(Default::default());
        // Somebody else may have written meanwhile.
        api.replace_status(name, &Default::default(), &key).await.ok()
    })
    .await;
}

/// What must hold from one version of the key set to the next, whoever wrote them.
fn check(before: Option<&KeySet>, set: &KeySet) {
    let mut active = BTreeSet::new();
    for key in set.keys.iter().filter(|key| key.phase == Phase::Active) {
        assert!(
            active.insert(key.algorithm),
            "two of {} are Active",
            key.algorithm
        );
    }
    let kids: BTreeSet<&str> = set.keys.iter().map(|key| key.kid.as_str()).collect();
    assert_eq!(kids.len(), set.keys.len(), "a kid twice");
    for key in set.keys.iter().filter(|key| key.phase != Phase::Removed) {
        assert!(key.jwk.is_some(), "{} lost its private half", key.kid);
    }
    let Some(before) = before else { return };
    assert_eq!(set.revision, before.revision + 1, "a version of its own each");
    for was in &before.keys {
        let mut now = set
            .keys
            .iter()
            .filter(|key| key.kid == was.kid)
            .map(|key| key.phase);
        assert!(
            now.any(|now| was.phase <= now),
            "{} is lost, which was {:?}",
            was.kid,
            was.phase
        );
    }
    let algorithm = before.default_algorithm;
    let signs = |set: &KeySet, algorithm| {
        let signs = |key: &KeyState| key.phase == Phase::Active && key.algorithm == algorithm;
        set.keys.iter().any(signs)
    };
    assert!(
        signs(before, algorithm) && signs(set, set.default_algorithm),
        "nothing signs"
    );
}

#[tokio::test]
async fn i3_an_operator_that_is_killed_anywhere_in_a_rotation_leaves_nothing_behind() {
    let world = World::new(&["lifetimes.accessToken=1s", "lifetimes.idToken=1s"]).await;
    let operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    kill(&world, operator).await;
    let sets = History::<Secret>::of(&world, "oidc-key-set").await;
    let keys = History::<SigningKey>::of(&world, "main").await;
    let writes = || (sets.versions().len(), keys.versions().len());

    // Each round asks for another key, or waits for the next step of the one before; the operator is killed
    // right after its first write of the set, of the status, or a few milliseconds later.
    for round in 1..=12_u64 {
        let algorithm = if round < 8 { "ES256" } else { "EdDSA" };
        if round % 3 != 0 {
            let edit = json!({"spec": {"algorithm": algorithm, "rotation": {"revision": round}}});
            world.patch::<SigningKey>("main", edit).await;
            // Its own edit is no write of the operator.
            let generation = world.api::<SigningKey>().get("main").await.expect("there");
            let generation = generation.metadata.generation;
            let edited = |key: &SigningKey| (key.metadata.generation == generation).then_some(());
            keys.find("the edit is seen", edited).await;
        }
        let before = writes();
        let operator = world.operator(&format!("op-{round}"));
        wait("the operator has written", SOON, async || {
            let now = writes();
            let (set, status) = (now.0 > before.0, now.1 > before.1);
            (if round % 2 == 0 { set } else { set || status }).then_some(())
        })
        .await;
        // This is the accident, and no wait for anything.
        tokio::time::sleep(Duration::from_millis(random() % 40)).await;
        kill(&world, operator).await;
    }

    let operator = world.operator("op-last");
    let key = world.key_is("main", "Ready", "True").await;
    let kid = key.status.and_then(|status| status.active_kid).expect("a kid");
    let settled = wait("all others are removed", SOON, async || {
        let set = key_set(&world).await;
        let ended = |key: &KeyState| key.kid == kid || key.phase == Phase::Removed;
        set.keys.iter().all(ended).then_some(set)
    })
    .await;
    let now = settled
        .keys
        .iter()
        .find(|key| key.kid == kid)
        .expect("it is there");
    assert_eq!((now.phase, now.algorithm), (Phase::Active, Algorithm::EdDSA));
    assert_eq!(settled.default_algorithm, Algorithm::EdDSA);

    let last = |secret: &Secret| (set_of(secret) == settled).then_some(());
    sets.find("all of the history is here", last).await;
    let history: Vec<KeySet> = sets.versions().iter().map(set_of).collect();
    check(None, &history[0]);
    for pair in history.windows(2) {
        check(Some(&pair[0]), &pair[1]);
    }
    // Eight edits, and the first one: nothing was minted twice for one of them.
    let minted: BTreeMap<&str, (Algorithm, u64)> = history
        .iter()
        .flat_map(|set| &set.keys)
        .map(|key| (key.kid.as_str(), (key.algorithm, key.spec_revision)))
        .collect();
    let edits: BTreeSet<_> = minted.values().collect();
    assert_eq!(edits.len(), minted.len(), "{minted:?}");
    assert_eq!(minted.len(), 9, "{minted:?}");
    for reason in ["KeySetLost", "KeySetRestored", "KeySetUnreadable"] {
        assert_eq!(world.events(reason).await, Vec::<String>::new());
    }
    drop(operator);
}

#[tokio::test]
async fn a_status_that_is_wiped_is_written_again_from_the_key_set() {
    let world = World::new(&["signingKey.publishFor=1h"]).await;
    let mut operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    world.patch::<SigningKey>("main", revision(1)).await;
    let waits = [Phase::Published, Phase::Active];
    let is_back = async || {
        let api: Api<SigningKey> = world.api();
        let key = wait("the status is back", SOON, async || {
            with_phases(&api.get("main").await.expect("there"), &waits)
        })
        .await;
        let mut status = key.status.expect("a status");
        for condition in &mut status.conditions {
            // When it became true is not known any more.
            condition.last_transition_time.0 = Default::default();
        }
        status
    };
    let before = is_back().await;
    let set = world.secrets().get("oidc-key-set").await.expect("there");

    wipe_status(&world, "main").await;
    assert_eq!(is_back().await, before);
    operator.signal("TERM");
    operator.end().await;
    wipe_status(&world, "main").await;
    let _operator = world.operator("op-1");
    assert_eq!(is_back().await, before);
    let now = world.secrets().get("oidc-key-set").await.expect("there");
    assert_eq!(
        now.resource_version(),
        set.resource_version(),
        "nothing is minted"
    );
    let minted = world.events("KeyMinted").await;
    assert_eq!(minted.len(), 2, "{minted:?}");
}

/// An object as a backup keeps it: what it is and what it asks for, not who it was nor what became of it.
fn backup(world: &World, kind: &str, name: &str) -> String {
    let text = world.kubectl(&["get", kind, name, "-n", &world.namespace, "-o", "json"]);
    let mut object: Value = serde_json::from_str(&text).expect("JSON");
    object.as_object_mut().expect("an object").remove("status");
    let metadata = object["metadata"].as_object_mut().expect("metadata");
    for field in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "managedFields",
    ] {
        metadata.remove(field);
    }
    object.to_string()
}

#[tokio::test]
async fn a_backup_restored_under_other_uids_signs_on_with_the_same_keys() {
    let world = World::new(&["signingKey.publishFor=1h"]).await;
    let mut operator = world.operator("op-0");
    world.apply(
        "{apiVersion: oidc-operator.dev/v1alpha1, kind: SigningKey, metadata: {name: second},
          spec: {algorithm: EdDSA, publishFor: 3s}}",
    );
    world.key_is("main", "Ready", "True").await;
    world.key_is("second", "Ready", "True").await;
    world.apply_client("demo", "tokens: {idTokenSignedResponseAlg: EdDSA}");
    let client = world.client_is("demo", "Ready", "True").await;
    world.patch::<SigningKey>("main", revision(1)).await;
    let waiting = [Phase::Published, Phase::Active];
    let key: Api<SigningKey> = world.api();
    wait("a key waits", SOON, async || {
        with_phases(&key.get("main").await.expect("there"), &waiting)
    })
    .await;
    let before = key_set(&world).await;

    // Velero leaves status out, and restores Secrets before custom resources.
    let kept = [
        ("secret", "oidc-key-set"),
        ("secret", "oidc-pepper"),
        ("secret", "demo-oidc"),
        ("signingkey", "main"),
        ("signingkey", "second"),
        ("oidcclient", "demo"),
    ]
    .map(|(kind, name)| (kind, name, backup(&world, kind, name)));
    operator.signal("TERM");
    operator.end().await;
    for (kind, name, _) in kept.iter().rev() {
        let gone = [
            "delete",
            kind,
            name,
            "--ignore-not-found",
            "--wait",
            "-n",
            &world.namespace,
        ];
        world.kubectl(&gone);
    }
    let restored_at = world.now().await;
    for (.., manifest) in &kept {
        world.apply(manifest);
    }

    let _operator = world.operator("op-1");
    world.key_is("second", "Ready", "True").await;
    let restored = world.key_is("main", "Ready", "False").await;
    let uids = [&restored, &key.get("second").await.expect("there")].map(ResourceExt::uid);
    let status = restored.status.expect("a status");
    let active = before.keys.iter().find(|key| key.phase == Phase::Active);
    assert_eq!(status.active_kid.as_ref(), active.map(|key| &key.kid));
    let set = key_set(&world).await;
    let kids = |set: &KeySet| -> Vec<_> { set.keys.iter().map(|key| key.kid.clone()).collect() };
    assert_eq!((kids(&set), phases(&set)), (kids(&before), phases(&before)));
    for key in &set.keys {
        assert!(uids.contains(&Some(key.signing_key.uid.clone())), "{}", key.kid);
    }
    let secret = world.secrets().get("oidc-key-set").await.expect("there");
    assert!(secret.owner_references().is_empty(), "it outlives SigningKeys");

    // The app's Secret is that of a client that is gone: the garbage collector takes it, another is made.
    let again = world.client_is("demo", "Ready", "True").await;
    assert_ne!(again.uid(), client.uid());
    let secret = world.secrets().get("demo-oidc").await.expect("there");
    let owner = &secret.owner_references()[0];
    assert_eq!(
        (Some(&owner.uid), owner.controller),
        (again.uid().as_ref(), Some(true))
    );

    // What it waited for, it waits for still; then the restored key rotates like any other.
    let shorter = json!({"spec": {"publishFor": "3s"}});
    world.patch::<SigningKey>("main", shorter).await;
    let done = world.key_is("main", "Ready", "True").await;
    assert_eq!(
        done.status.and_then(|status| status.active_kid),
        Some(kids(&before).remove(2))
    );
    let writes = world.writes_since(&restored_at).await;
    let written = writes
        .iter()
        .filter(|write| write.contains("oidc-key-set"))
        .count();
    assert_eq!(written, 3, "restored, adopted, promoted: {writes:?}");
    let events: Api<Event> = world.api();
    for event in events.list(&ListParams::default()).await.expect("listed") {
        let about = event.regarding.unwrap_or_default().uid;
        let minted = event.reason.as_deref() == Some("KeyMinted");
        assert!(!(minted && uids.contains(&about)), "{:?}", event.note);
    }
}

#[tokio::test]
async fn a_signing_key_that_is_deleted_and_made_again_signs_on() {
    let world = World::new(&["signingKey.publishFor=1h"]).await;
    let _operator = world.operator("op-0");
    let first = world.key_is("main", "Ready", "True").await;
    let manifest = backup(&world, "signingkey", "main");
    world.delete::<SigningKey>("main").await;
    // Its key goes on as the last of the default algorithm.
    world.apply(&manifest);
    let again = world.key_is("main", "Ready", "True").await;
    assert_ne!(again.uid(), first.uid());
    let kid = |key: SigningKey| key.status.and_then(|status| status.active_kid);
    assert_eq!(kid(again), kid(first));
    assert_eq!(phases(&key_set(&world).await), [Phase::Active]);
}
