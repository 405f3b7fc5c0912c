//! I9: secrets appear in no log, Event, status or metric.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use crate::harness::{World, data_of, secret};

/// Keys of Secrets whose values are secret.
const SECRET_KEYS: [&str; 7] = [
    "CLIENT_SECRET",
    "password",
    "s3cret",
    "tls.key",
    "pepper.json",
    "key-ring.json",
    "key-set.json",
];

#[tokio::test]
async fn i9_secrets_appear_in_no_log_event_status_or_metric() {
    let world = World::new(&[]).await;
    let operator = world.operator("op-0");
    world.apply(&secret("jane", "password", "canary-password-4711"));
    world.apply(
        "{apiVersion: oidc-operator.dev/v1alpha1, kind: OidcUser, metadata: {name: jane},
          spec: {passwordSecretRef: {name: jane}}}",
    );
    world.apply(&secret(
        "mine",
        "s3cret",
        "canary-0123456789-abcdefghijklmnopqrstuvwxyz",
    ));
    world.apply(&secret("weak", "s3cret", "canary-weak"));
    world.apply_client("demo", "");
    world.apply_client("given", "secretRef: {name: mine, key: s3cret}");
    world.apply_client("refused", "secretRef: {name: weak, key: s3cret}");
    world.client_is("demo", "Ready", "True").await;
    world.client_is("given", "Ready", "True").await;
    world.client_is("refused", "Ready", "False").await;
    world.user_is("jane", "Ready", "True").await;
    world.key_is("main", "Ready", "True").await;
    // An edit and a loss, with their Events.
    let edit = json!({"stringData": {"CLIENT_SECRET": "canary-edited-0815"}});
    world.patch::<Secret>("demo-oidc", edit).await;
    world.delete::<Secret>("given-oidc").await;
    world.secret_data("given-oidc").await;

    let mut canaries = vec![
        "canary".to_owned(),
        "PRIVATE KEY".to_owned(),
        "$argon2".to_owned(),
    ];
    for secret in world.secrets().list(&Default::default()).await.expect("listed") {
        for (key, value) in data_of(&secret) {
            if SECRET_KEYS.contains(&key.as_str()) {
                // Keys and seals are JSON and PEM: any long piece of them is secret.
                let text = String::from_utf8(value).expect("text");
                let pieces = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-_+/".contains(c));
                canaries.extend(pieces.filter(|piece| piece.len() >= 40).map(str::to_owned));
                canaries.push(text);
            }
        }
    }
    let mut places = vec![("log", operator.log())];
    let (_, metrics) = operator.get("/metrics").await.expect("metrics");
    places.push(("metrics", metrics));
    let objects = "oidcclients,oidcusers,signingkeys,events.events.k8s.io,leases";
    places.push((
        "objects",
        world.kubectl(&["get", objects, "-n", &world.namespace, "-o", "json"]),
    ));
    // Public halves of keys are in the key set too, and their thumbprints in status.
    let jwks = world.secret_data("oidc-key-set").await;
    let jwks = oidc_crds::secrets::key_set::KeySet::from_data(&jwks)
        .expect("a set")
        .jwks();
    canaries.retain(|canary| !jwks.to_string().contains(canary.as_str()));
    assert!(canaries.len() > 10, "{}", canaries.len());
    for canary in &canaries {
        for (place, text) in &places {
            for form in [
                canary.clone(),
                STANDARD.encode(canary),
                URL_SAFE_NO_PAD.encode(canary),
            ] {
                assert!(!text.contains(&form), "a secret is in the {place}");
            }
        }
    }
}
