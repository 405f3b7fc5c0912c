//! Stories of SigningKeys.

use std::process::Command;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use oidc_crds::jwk::{PrivateJwk, import};
use oidc_crds::names::Algorithm;
use oidc_crds::resources::SigningKey;
use oidc_crds::resources::signing_key::Phase;
use oidc_crds::secrets::key_set::KeySet;
use serde_json::json;

use crate::harness::{SOON, World, condition, data_of, success, wait};
use crate::history::History;

pub async fn key_set(world: &World) -> KeySet {
    KeySet::from_data(&world.secret_data("oidc-key-set").await).expect("a key set")
}

pub fn phases(set: &KeySet) -> Vec<Phase> {
    set.keys.iter().map(|key| key.phase).collect()
}

pub fn revision(n: u64) -> serde_json::Value {
    json!({"spec": {"rotation": {"revision": n}}})
}

/// The SigningKey if its keys have these phases, newest first.
pub fn with_phases(key: &SigningKey, wanted: &[Phase]) -> Option<SigningKey> {
    let keys = key.status.as_ref()?.keys.iter();
    keys.map(|key| key.phase)
        .eq(wanted.iter().copied())
        .then(|| key.clone())
}

/// Waits until the keys of the SigningKey have these phases for long, newest first; those that time alone
/// ends are looked for in its [`History`].
pub async fn has_phases(world: &World, wanted: &[Phase]) -> SigningKey {
    let api = world.api::<SigningKey>();
    wait(&format!("{wanted:?}"), SOON, async || {
        with_phases(&api.get("main").await.expect("there"), wanted)
    })
    .await
}

/// Waits for a version of a SigningKey with these phases.
async fn had_phases(history: &History<SigningKey>, wanted: &[Phase]) -> SigningKey {
    let what = format!("{wanted:?}");
    history.find(&what, |key| with_phases(key, wanted)).await
}

/// Waits until `Ready` of the SigningKey `main` has this reason, and its message all these parts.
async fn says_ready(world: &World, reason: &str, parts: &[&str]) {
    let api = world.api::<SigningKey>();
    wait(&format!("Ready says {reason} {parts:?}"), SOON, async || {
        let status = api.get("main").await.expect("there").status?;
        let (said, message) = condition(&status.conditions, "Ready");
        (said == reason && parts.iter().all(|part| message.contains(part))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_key_goes_through_its_phases() {
    let world = World::new(&[
        "signingKey.publishFor=4s",
        "lifetimes.accessToken=1s",
        "lifetimes.idToken=1s",
    ])
    .await;
    let _operator = world.operator("op-0");
    let first = world.key_is("main", "Ready", "True").await;
    let first_kid = first.status.and_then(|status| status.active_kid).expect("a kid");
    let set = key_set(&world).await;
    assert_eq!((set.revision, phases(&set)), (1, vec![Phase::Active]));

    let history = History::<SigningKey>::of(&world, "main").await;
    let sets = History::<Secret>::of(&world, "oidc-key-set").await;
    world.patch::<SigningKey>("main", revision(1)).await;
    let waiting = had_phases(&history, &[Phase::Published, Phase::Active]).await;
    let status = waiting.status.expect("a status");
    assert_eq!(
        status.active_kid.as_deref(),
        Some(first_kid.as_str()),
        "it signs on"
    );
    assert_eq!(condition(&status.conditions, "Ready").0, "WaitingForCaches");
    assert!(
        status
            .next_step
            .is_some_and(|step| step.starts_with("Active at "))
    );
    let both = |secret: &Secret| {
        let set = KeySet::from_data(&data_of(secret)).ok()?;
        (phases(&set) == [Phase::Active, Phase::Published]).then(|| set.jwks())
    };
    let jwks = sets.find("both are in the set", both).await;
    assert_eq!(jwks["keys"].as_array().map(Vec::len), Some(2));

    let done = had_phases(&history, &[Phase::Active, Phase::Retiring]).await;
    let status = done.status.expect("a status");
    assert_ne!(status.active_kid.as_deref(), Some(first_kid.as_str()));
    let times = &status.keys[0];
    let (published, signs) = (times.published_at.as_ref(), times.signs_from.as_ref());
    let waited = signs
        .expect("signs")
        .0
        .duration_since(published.expect("published").0);
    assert!(waited.as_secs() >= 4, "{waited:?}");
    world.key_is("main", "Ready", "True").await;

    let gone = has_phases(&world, &[Phase::Active, Phase::Removed]).await;
    assert_eq!(gone.status.map(|status| status.keys.len()), Some(2));
    let set = key_set(&world).await;
    assert!(set.keys[0].jwk.is_none(), "the private half is destroyed");
    assert_eq!(set.jwks()["keys"].as_array().map(Vec::len), Some(1));
    for reason in ["KeyMinted", "KeyActive", "KeyRetiring", "KeyRemoved"] {
        world.told(reason, "").await;
    }
    let waits = world.events("WaitingForCaches").await;
    assert_eq!(waits.len(), 1, "once: {waits:?}");
    assert!(waits[0].contains(" waits until "), "{waits:?}");
    // The second key is no "x2" of the first one's Event.
    let minted = world.events("KeyMinted").await;
    assert_eq!(minted.len(), 2, "{minted:?}");
    for kid in status.keys.iter().map(|key| &key.kid) {
        assert!(
            minted.iter().any(|text| text.ends_with(kid.as_str())),
            "{minted:?}"
        );
    }
}

#[tokio::test]
async fn an_edit_while_a_key_waits_replaces_the_waiting_one() {
    let world = World::new(&["signingKey.publishFor=1h"]).await;
    let _operator = world.operator("op-0");
    let first = world.key_is("main", "Ready", "True").await;
    let first_kid = first.status.and_then(|status| status.active_kid);
    world.patch::<SigningKey>("main", revision(1)).await;
    let waiting = has_phases(&world, &[Phase::Published, Phase::Active]).await;
    let superseded = waiting.status.expect("a status").keys[0].kid.clone();
    world.patch::<SigningKey>("main", revision(2)).await;
    let again = has_phases(&world, &[Phase::Published, Phase::Active, Phase::Removed]).await;
    let status = again.status.expect("a status");
    assert_eq!(status.active_kid, first_kid);
    assert_eq!(status.keys[2].kid, superseded);
    assert!(status.keys[2].signs_from.is_none(), "it never signed");
    // A slip in an emergency is seen although a key waits, and told once.
    let slip = json!({"spec": {"revoked": [{"kid": "typo"}]}});
    world.patch::<SigningKey>("main", slip).await;
    says_ready(&world, "UnknownKid", &["typo", "waits until"]).await;
    world.told("UnknownKid", "typo").await;
    world
        .patch::<SigningKey>("main", json!({"spec": {"revoked": []}}))
        .await;
    says_ready(&world, "WaitingForCaches", &[]).await;
    assert_eq!(world.events("UnknownKid").await.len(), 1);
    // The edit is taken back: the key that signs is the first again, not what never did.
    world.patch::<SigningKey>("main", revision(0)).await;
    has_phases(&world, &[Phase::Active, Phase::Removed, Phase::Removed]).await;
    world.kubectl(&[
        "wait",
        "signingkey/main",
        "--for=jsonpath={.status.keys[0].phase}=Active",
        "--timeout=60s",
        "-n",
        &world.namespace,
    ]);
    world.key_is("main", "Ready", "True").await;
}

#[tokio::test]
async fn a_shorter_wait_than_caches_live_is_refused_and_changes_no_key() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let before = key_set(&world).await;
    world
        .patch::<SigningKey>(
            "main",
            json!({"spec": {"publishFor": "2s", "rotation": {"revision": 1}}}),
        )
        .await;
    let refused = world.key_is("main", "Accepted", "False").await;
    let status = refused.status.expect("a status");
    let (reason, message) = condition(&status.conditions, "Accepted");
    assert_eq!(reason, "Invalid");
    assert!(message.contains("spec.publishFor"), "{message}");
    assert!(status.active_kid.is_some());
    assert_eq!(key_set(&world).await, before);
}

#[tokio::test]
async fn the_key_set_survives_a_restart_and_a_lost_one_is_no_first_start() {
    let world = World::new(&["signingKey.publishFor=1h"]).await;
    let mut operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let before = world.secrets().get("oidc-key-set").await.expect("there");
    operator.signal("KILL");
    operator.end().await;
    // As after `kubectl delete lease`, so that the test need not wait for the dead leader's lease.
    world.kubectl(&["delete", "lease", "oidc-operator", "-n", &world.namespace]);
    let operator = world.operator("op-1");
    operator.reconciled("SigningKey", "KeyActive").await;
    let after = world.secrets().get("oidc-key-set").await.expect("there");
    assert_eq!(after.resource_version(), before.resource_version());

    // Nobody who knows it is there: it is lost.
    let mut operator = operator;
    operator.signal("KILL");
    operator.end().await;
    world.kubectl(&["delete", "lease", "oidc-operator", "-n", &world.namespace]);
    world.delete::<Secret>("oidc-key-set").await;
    let _operator = world.operator("op-2");
    let lost = world.key_is("main", "Ready", "False").await;
    assert!(lost.status.expect("a status").active_kid.is_none());
    let set = key_set(&world).await;
    assert_eq!(phases(&set), [Phase::Published], "it waits as any later key");
    let shorter = json!({"spec": {"publishFor": "3s"}});
    world.patch::<SigningKey>("main", shorter).await;
    world.key_is("main", "Ready", "True").await;
    world.told("KeySetLost", "").await;
}

#[tokio::test]
async fn i6_a_key_set_that_cannot_be_read_is_not_overwritten() {
    let world = World::new(&[]).await;
    let mut operator = world.operator("op-0");
    let before = world.key_is("main", "Ready", "True").await;
    operator.signal("KILL");
    operator.end().await;
    world.kubectl(&["delete", "lease", "oidc-operator", "-n", &world.namespace]);
    let edit = json!({"stringData": {"key-set.json": "{\"version\": 99}"}});
    let broken = world.patch::<Secret>("oidc-key-set", edit).await;
    let operator = world.operator("op-1");
    let told = world.key_is("main", "Ready", "False").await;
    let status = told.status.expect("a status");
    let (reason, message) = condition(&status.conditions, "Ready");
    assert_eq!(reason, "KeySetUnreadable");
    assert!(message.contains("restore the Secret"), "{message}");
    assert_eq!(
        status.keys,
        before.status.expect("a status").keys,
        "what is known stays"
    );
    operator.says("the Secret oidc-key-set").await;
    // Clients go on meanwhile.
    world.apply_client("demo", "");
    world.client_is("demo", "Ready", "True").await;
    let now = world.secrets().get("oidc-key-set").await.expect("there");
    assert_eq!(now.resource_version(), broken.resource_version());
}

#[tokio::test]
async fn a_key_set_that_is_edited_set_back_or_deleted_is_put_right() {
    let world = World::new(&["signingKey.publishFor=1h"]).await;
    let _operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let older = world.secrets().get("oidc-key-set").await.expect("there").data;
    world.patch::<SigningKey>("main", revision(1)).await;
    has_phases(&world, &[Phase::Published, Phase::Active]).await;
    let good = key_set(&world).await;
    let is_good = async |what: &str| {
        wait(what, SOON, async || {
            let secret = world
                .secrets()
                .get_opt("oidc-key-set")
                .await
                .expect("an answer")?;
            (KeySet::from_data(&data_of(&secret)).ok().as_ref() == Some(&good)).then_some(())
        })
        .await;
    };
    let edit = json!({"stringData": {"key-set.json": "{\"version\": 1, \"keys\": []}"}});
    world.patch::<Secret>("oidc-key-set", edit).await;
    is_good("the edit is undone").await;
    world
        .patch::<Secret>("oidc-key-set", json!({"data": older}))
        .await;
    is_good("the older state is undone").await;
    world.delete::<Secret>("oidc-key-set").await;
    is_good("it is there again").await;
    for what in ["was edited", "was set back to an older state", "was deleted"] {
        world.told("KeySetRestored", what).await;
    }
    has_phases(&world, &[Phase::Published, Phase::Active]).await;
}

#[tokio::test]
async fn an_older_key_set_from_a_backup_tells_which_keys_are_lost() {
    let world = World::new(&["signingKey.publishFor=1h"]).await;
    let mut operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let older = world.secrets().get("oidc-key-set").await.expect("there").data;
    world.patch::<SigningKey>("main", revision(1)).await;
    let waiting = has_phases(&world, &[Phase::Published, Phase::Active]).await;
    let lost = waiting.status.expect("a status").keys[0].kid.clone();
    operator.signal("KILL");
    operator.end().await;
    world.kubectl(&["delete", "lease", "oidc-operator", "-n", &world.namespace]);
    world
        .patch::<Secret>("oidc-key-set", json!({"data": older}))
        .await;
    let _operator = world.operator("op-1");
    world.told("KeySetLost", &lost).await;
    // What was asked for is minted anew.
    let again = has_phases(&world, &[Phase::Published, Phase::Active]).await;
    assert_ne!(again.status.expect("a status").keys[0].kid, lost);
}

#[tokio::test]
async fn a_revoked_key_is_gone_at_once_and_another_signs() {
    let world = World::new(&["signingKey.publishFor=1h"]).await;
    let _operator = world.operator("op-0");
    let first = world.key_is("main", "Ready", "True").await;
    let first = first.status.and_then(|status| status.active_kid).expect("a kid");
    world.patch::<SigningKey>("main", revision(1)).await;
    let waiting = has_phases(&world, &[Phase::Published, Phase::Active]).await;
    let next = waiting.status.expect("a status").keys[0].kid.clone();
    let revoke = |kids: &[&str]| {
        let kids: Vec<_> = kids.iter().map(|kid| json!({"kid": kid})).collect();
        json!({"spec": {"revoked": kids}})
    };
    world.patch::<SigningKey>("main", revoke(&[&first])).await;
    let done = has_phases(&world, &[Phase::Active, Phase::Removed]).await;
    let status = done.status.expect("a status");
    assert_eq!(status.active_kid.as_deref(), Some(next.as_str()), "promoted");
    assert!(status.keys[1].revoked && !status.keys[0].revoked);
    // The last one: another is minted in its place.
    world.patch::<SigningKey>("main", revoke(&[&first, &next])).await;
    let done = has_phases(&world, &[Phase::Active, Phase::Removed, Phase::Removed]).await;
    let minted = done.status.expect("a status").active_kid.expect("a kid");
    assert!(minted != first && minted != next);
    let set = key_set(&world).await;
    assert!(
        set.keys
            .iter()
            .filter(|key| key.revoked)
            .all(|key| key.public.is_none())
    );
    assert_eq!(set.jwks()["keys"].as_array().map(Vec::len), Some(1));
    for kid in [&first, &next] {
        world.told("KeyRevoked", kid).await;
    }
    // A slip is told, and is no refusal.
    world
        .patch::<SigningKey>("main", revoke(&[&first, &next, "typo"]))
        .await;
    wait("the slip is told", SOON, async || {
        let key = world.api::<SigningKey>().get("main").await.expect("there");
        let status = key.status?;
        let (reason, message) = condition(&status.conditions, "Ready");
        (reason == "UnknownKid" && message.contains("typo")).then_some(())
    })
    .await;
    assert_eq!(key_set(&world).await, set);
}

#[tokio::test]
async fn an_imported_key_follows_its_secret() {
    let world = World::new(&[
        "signingKey.publishFor=4s",
        "lifetimes.accessToken=1s",
        "lifetimes.idToken=1s",
    ])
    .await;
    let _operator = world.operator("op-0");
    let first = world.key_is("main", "Ready", "True").await;
    let first = first.status.and_then(|status| status.active_kid).expect("a kid");
    let history = History::<SigningKey>::of(&world, "main").await;
    let reference = json!({"spec": {"secretRef": {"name": "mine"}}});
    world.patch::<SigningKey>("main", reference).await;
    let reason_is = async |wanted: &str, text: &str| {
        let look = |key: &SigningKey| {
            let status = key.status.clone()?;
            let (reason, message) = condition(&status.conditions, "Ready");
            (reason == wanted && message.contains(text)).then_some(status)
        };
        history.find(&format!("{wanted} of {text}"), look).await
    };
    let late = reason_is("SecretNotFound", "mine").await;
    assert_eq!(
        late.active_kid.as_deref(),
        Some(first.as_str()),
        "nothing is minted instead"
    );

    // As cert-manager writes it; it is of another kind than the algorithm.
    let jwk = |algorithm| {
        let key = PrivateJwk::generate(algorithm, None).expect("a key");
        (
            key.thumbprint().expect("a kid"),
            serde_json::to_string(&key).expect("JSON"),
        )
    };
    let (_, other) = jwk(Algorithm::EdDSA);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": "mine", "namespace": world.namespace},
        "stringData": {"tls.key": other, "tls.crt": ""},
    });
    world.apply(&secret.to_string());
    reason_is("SecretInvalid", "ES256 needs a P-256 key").await;
    let (kid, good) = jwk(Algorithm::ES256);
    world
        .patch::<Secret>("mine", json!({"stringData": {"tls.key": good}}))
        .await;
    reason_is("WaitingForCaches", &kid).await;
    let done = reason_is("KeyActive", &kid).await;
    assert_eq!(done.active_kid.as_deref(), Some(kid.as_str()));
    // A renewal rotates; this one is a PEM as cert-manager writes it.
    let good = openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout"]);
    assert!(good.starts_with("-----BEGIN EC PRIVATE KEY-----"), "SEC1");
    let renewed = kid_of(&good, Algorithm::ES256);
    world
        .patch::<Secret>("mine", json!({"stringData": {"tls.key": good}}))
        .await;
    reason_is("WaitingForCaches", &renewed).await;
    reason_is("KeyActive", &renewed).await;
}

/// What it prints.
fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output();
    success(output.expect("openssl is in PATH"))
}

fn kid_of(pem: &str, algorithm: Algorithm) -> String {
    let key = import(pem.as_bytes(), algorithm).expect("a good key");
    key.thumbprint().expect("a kid")
}

#[tokio::test]
async fn the_private_pem_of_another_provider_is_the_first_key() {
    for form in [["genrsa", "-traditional"].as_slice(), &["genrsa"]] {
        let world = World::empty().await;
        let pem = openssl(&[form, &["2048"]].concat());
        let label = if form.len() == 2 {
            "RSA PRIVATE KEY"
        } else {
            "PRIVATE KEY"
        };
        assert!(pem.contains(&format!("-----BEGIN {label}-----")), "{form:?}");
        let file = world.file("private.pem");
        std::fs::write(&file, &pem).expect("written");
        let from = format!("--from-file=tls.key={}", file.display());
        let namespace = world.namespace.clone();
        world.kubectl(&["create", "secret", "generic", "old-key", &from, "-n", &namespace]);
        let key = json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "SigningKey",
            "metadata": {"name": "old", "namespace": namespace},
            "spec": {"publishFor": "3s", "secretRef": {"name": "old-key"}},
        });
        world.apply(&key.to_string());
        world.install(&[]);
        let _operator = world.operator("op-0");
        let old = world.key_is("old", "Ready", "True").await;
        let kid = kid_of(&pem, Algorithm::RS256);
        assert_eq!(old.status.and_then(|status| status.active_kid), Some(kid));
    }
}

#[tokio::test]
async fn i6_a_key_set_that_is_not_ours_is_not_overwritten() {
    let world = World::new(&["signingKey.publishFor=1h"]).await;
    let operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let edit = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "somebody"}}});
    let foreign = world.patch::<Secret>("oidc-key-set", edit).await;
    world.patch::<SigningKey>("main", revision(1)).await;
    operator.says("it is not ours to overwrite").await;
    let now = world.secrets().get("oidc-key-set").await.expect("there");
    assert_eq!(now.resource_version(), foreign.resource_version());

    let edit = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "oidc"}}});
    world.patch::<Secret>("oidc-key-set", edit).await;
    has_phases(&world, &[Phase::Published, Phase::Active]).await;
}

#[tokio::test]
async fn a_client_whose_algorithm_has_no_key_is_refused_until_there_is_one() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    world.apply_client("demo", "tokens: {accessTokenSigningAlg: EdDSA}");
    let refused = world.client_is("demo", "Accepted", "False").await;
    let status = refused.status.expect("a status");
    let (reason, message) = condition(&status.conditions, "Accepted");
    assert_eq!(reason, "AlgorithmNotOffered");
    assert!(message.contains("choose one of ES256"), "{message}");
    let second = json!({
        "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "SigningKey",
        "metadata": {"name": "second", "namespace": world.namespace},
        "spec": {"algorithm": "EdDSA", "publishFor": "3s"},
    });
    world.apply(&second.to_string());
    world.client_is("demo", "Ready", "True").await;
}

#[tokio::test]
async fn an_algorithm_in_use_keeps_its_key() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply_client("demo", "tokens: {idTokenSignedResponseAlg: ES256}");
    world.client_is("demo", "Ready", "True").await;
    world.key_is("main", "Ready", "True").await;
    world
        .patch::<SigningKey>("main", json!({"spec": {"algorithm": "EdDSA"}}))
        .await;
    let both = has_phases(&world, &[Phase::Active, Phase::Active]).await;
    let status = both.status.expect("a status");
    assert_eq!(condition(&status.conditions, "Ready").0, "AlgorithmInUse");
    // Nobody names it any more, so it may go.
    world.apply_client("demo", "");
    has_phases(&world, &[Phase::Active, Phase::Retiring]).await;
}
