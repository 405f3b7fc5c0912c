//! What starts a rotation beside `rotation.revision`, and how a person follows one with kubectl.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use oidc_crds::names::{Algorithm, Seconds};
use oidc_crds::resources::SigningKey;
use oidc_crds::resources::signing_key::Phase;
use oidc_crds::secrets::key_set::{KeySet, KeyState};
use serde_json::json;

use crate::harness::{SOON, World, condition, data_of, wait};
use crate::history::History;
use crate::keys::{key_set, revision};

/// Short-lived tokens let `rotation.interval` be short too.
const SHORT: [&str; 2] = ["lifetimes.accessToken=1s", "lifetimes.idToken=1s"];

/// The newest key of a version of the key set.
fn newest(secret: &Secret) -> KeyState {
    let set = KeySet::from_data(&data_of(secret)).expect("a key set");
    set.keys.last().expect("a key").clone()
}

/// A schedule in seconds.
fn every(seconds: u64) -> serde_json::Value {
    json!({"spec": {"rotation": {"interval": format!("{seconds}s")}}})
}

/// When a schedule asks for the key after this one.
fn due(key: &KeyState, seconds: u64) -> Timestamp {
    key.created_at + Seconds(seconds).span()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the operator under test lives by the machine's clock"
)]
pub fn clock() -> Timestamp {
    Timestamp::now()
}

#[tokio::test]
async fn a_schedule_outlives_the_operator_and_what_was_missed_is_made_up_once() {
    let world = World::new(&SHORT).await;
    let mut operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let sets = History::<Secret>::of(&world, "oidc-key-set").await;
    let keys = History::<SigningKey>::of(&world, "main").await;
    let first = key_set(&world).await.keys.remove(0);
    let after = async |key: &KeyState| {
        let next = |secret: &Secret| Some(newest(secret)).filter(|newest| newest.kid != key.kid);
        sets.find("the next key", next).await
    };
    let tells = async |time: Timestamp| {
        let time = Timestamp::from_second(time.as_second()).expect("in range");
        let text = format!("next key at {time}");
        let told = |key: &SigningKey| (key.status.as_ref()?.next_step.as_ref() == Some(&text)).then_some(());
        keys.find(&text, told).await;
    };

    world.patch::<SigningKey>("main", every(15)).await;
    tells(due(&first, 15)).await;
    operator.signal("TERM");
    operator.end().await;
    let mut operator = world.operator("op-1");
    let second = after(&first).await;
    assert!(second.created_at >= due(&first, 15), "{second:?}");
    let signs =
        |key: &SigningKey| (key.status.as_ref()?.active_kid.as_ref() == Some(&second.kid)).then_some(());
    keys.find("the second key signs", signs).await;
    tells(due(&second, 15)).await;

    // Nobody is there for three rotations.
    operator.signal("TERM");
    operator.end().await;
    world.patch::<SigningKey>("main", every(6)).await;
    let missed = due(&second, 18);
    wait("three are missed", SOON, async || {
        (clock() > missed).then_some(())
    })
    .await;
    let _operator = world.operator("op-2");
    let third = after(&second).await;
    let fourth = after(&third).await;
    let all = KeySet::from_data(&data_of(&sets.versions().pop().expect("a version"))).expect("a key set");
    let minted: Vec<_> = all
        .keys
        .iter()
        .map(|key| (key.kid.as_str(), key.created_at))
        .collect();
    let kids = [&first, &second, &third, &fourth].map(|key| key.kid.as_str());
    assert!(
        minted.iter().map(|(kid, _)| *kid).take(4).eq(kids),
        "one after the other: {minted:?}"
    );
    for pair in minted[1..].windows(2) {
        assert!(
            pair[1].1 >= pair[0].1 + Seconds(6).span(),
            "not one by one: {minted:?}"
        );
    }
}

#[tokio::test]
async fn an_edit_of_algorithm_or_size_rotates() {
    let world = World::new(&["signingKey.algorithm=RS256"]).await;
    let _operator = world.operator("op-0");
    let first = world.key_is("main", "Ready", "True").await;
    let active = |key: SigningKey| key.status.and_then(|status| status.active_kid).expect("a kid");
    let first = active(first);
    assert_eq!(key_set(&world).await.keys[0].rsa_bits, Some(2048));

    world
        .patch::<SigningKey>("main", json!({"spec": {"rsaBits": 3072}}))
        .await;
    let larger = active(world.key_is("main", "Ready", "True").await);
    let of = async |kid: &str| {
        let set = key_set(&world).await;
        let key = set.keys.iter().find(|key| key.kid == kid).expect("there").clone();
        (key.algorithm, key.rsa_bits, key.phase)
    };
    assert_eq!(of(&larger).await, (Algorithm::RS256, Some(3072), Phase::Active));
    assert_eq!(of(&first).await.2, Phase::Retiring);

    let edit = json!({"spec": {"algorithm": "ES256", "rsaBits": null}});
    world.patch::<SigningKey>("main", edit).await;
    let other = active(world.key_is("main", "Ready", "True").await);
    assert_eq!(of(&other).await, (Algorithm::ES256, None, Phase::Active));
    assert_eq!(of(&larger).await.2, Phase::Retiring);
    assert_eq!(key_set(&world).await.default_algorithm, Algorithm::ES256);
}

#[tokio::test]
async fn kubectl_waits_for_a_rotation_and_shows_its_steps() {
    let world = World::new(&SHORT).await;
    let _operator = world.operator("op-0");
    let first = world.key_is("main", "Ready", "True").await;
    let first = first.status.and_then(|status| status.active_kid).expect("a kid");
    let namespace = ["-n", &world.namespace];
    let watch = world.watch_by_kubectl(&["get", "signingkey", "main", "-w", namespace[0], namespace[1]]);
    watch.shows(&[&first, "KeyActive"]).await;

    world.patch::<SigningKey>("main", revision(1)).await;
    let wait_for = |what: &str| {
        let what = format!("--for={what}");
        world.kubectl(&[
            "wait",
            "signingkey/main",
            &what,
            "--timeout=60s",
            namespace[0],
            namespace[1],
        ]);
    };
    // Not that the key before was ready.
    wait_for("condition=Ready");
    let key = kube::api::Api::<SigningKey>::get(&world.api(), "main")
        .await
        .expect("there");
    let status = key.status.expect("a status");
    let next = status.active_kid.clone().expect("a kid");
    assert_ne!(next, first);
    assert_eq!(
        (status.keys[0].kid.as_str(), status.keys[0].phase),
        (next.as_str(), Phase::Active)
    );
    assert!(condition(&status.conditions, "Ready").1.contains(&next));
    wait_for("jsonpath={.status.keys[0].phase}=Active");
    wait_for(&format!("jsonpath={{.status.activeKid}}={next}"));

    watch
        .shows(&[
            "ALGORITHM",
            "PHASE",
            "DEFAULT",
            "ACTIVE",
            "READY",
            "REASON",
            "NEXT",
            "AGE",
        ])
        .await;
    watch
        .shows(&[
            "ES256",
            "Published",
            &first,
            "False",
            "WaitingForCaches",
            "Active at 20",
        ])
        .await;
    watch
        .shows(&["ES256", "Active", &next, "True", "KeyActive", "Removed at 20"])
        .await;
}
