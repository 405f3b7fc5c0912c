//! What a SigningKey says when the key set cannot be written, or what it depends on cannot be read.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use oidc_crds::resources::SigningKey;
use oidc_crds::resources::signing_key::Phase;
use serde_json::{Value, json};

use crate::harness::{SOON, World, condition, wait};
use crate::keys::{has_phases, key_set, revision};

/// Waits until `Ready` is False because something failed, and the message says so.
async fn has_failed(world: &World, part: &str) -> SigningKey {
    let api = world.api::<SigningKey>();
    wait(&format!("it failed: {part}"), SOON, async || {
        let key = api.get("main").await.expect("there");
        let conditions = &key.status.as_ref()?.conditions;
        let (reason, message) = condition(conditions, "Ready");
        (reason == "WriteFailed" && message.contains(part)).then_some(key)
    })
    .await
}

#[tokio::test]
async fn a_revocation_that_cannot_be_written_is_told() {
    let world = World::new(&["signingKey.publishFor=1h"]).await;
    let operator = world.operator("op-0");
    let first = world.key_is("main", "Ready", "True").await;
    let first = first.status.and_then(|status| status.active_kid).expect("a kid");
    let fixed = world
        .patch::<Secret>("oidc-key-set", json!({"immutable": true}))
        .await;
    let revoke = json!({"spec": {"revoked": [{"kid": first}]}});
    world.patch::<SigningKey>("main", revoke).await;
    let failed = has_failed(&world, "immutable").await;
    let status = failed.status.expect("a status");
    let (_, message) = condition(&status.conditions, "Ready");
    assert!(
        message.contains("no key is minted, rotated or revoked"),
        "{message}"
    );
    assert_eq!(status.active_kid.as_ref(), Some(&first), "it signs on");
    assert_eq!(status.keys.len(), 1, "what is known stays");
    world.told("WriteFailed", "immutable").await;
    operator.reconciled("SigningKey", "WriteFailed").await;
    let now = world.secrets().get("oidc-key-set").await.expect("there");
    assert_eq!(now.resource_version(), fixed.resource_version());

    // What to do about this one; then the revocation is made up for.
    world.delete::<Secret>("oidc-key-set").await;
    let done = has_phases(&world, &[Phase::Active, Phase::Removed]).await;
    let keys = done.status.expect("a status").keys;
    assert!(keys[1].revoked && keys[1].kid == first);
    world.key_is("main", "Ready", "True").await;
    assert_eq!(world.events("WriteFailed").await.len(), 1, "once");
}

#[tokio::test]
async fn a_right_that_is_missing_is_told() {
    let world = World::new(&["signingKey.publishFor=1h"]).await;
    let _operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    // The operator may read pods no more.
    let namespace = ["-n", &world.namespace];
    let role: Value = serde_json::from_str(&world.kubectl(&[
        "get",
        "role",
        "oidc-operator",
        "-o",
        "json",
        namespace[0],
        namespace[1],
    ]))
    .expect("JSON");
    let mut less = role.clone();
    let rules = less["rules"].as_array_mut().expect("rules");
    rules.retain(|rule| {
        let resources = rule["resources"].as_array().expect("resources");
        !resources.contains(&json!("pods"))
    });
    assert!(less != role, "{role}");
    less["metadata"] = json!({"name": "oidc-operator", "namespace": world.namespace});
    world.kubectl_replace(&less);
    world.patch::<SigningKey>("main", revision(1)).await;
    has_failed(&world, "pods").await;
    assert_eq!(key_set(&world).await.keys.len(), 1);
    let mut again = role;
    again["metadata"] = less["metadata"].clone();
    world.kubectl_replace(&again);
    has_phases(&world, &[Phase::Published, Phase::Active]).await;
}
