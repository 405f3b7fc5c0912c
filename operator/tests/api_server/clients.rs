//! Stories of OidcClients.

use k8s_openapi::api::core::v1::{ResourceQuota, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use oidc_crds::credentials::{ClientSecret, verify};
use oidc_crds::names::ANNOTATION_CREDENTIAL_ID;
use oidc_crds::resources::OidcClient;
use oidc_crds::secrets::app::client_secret;
use serde_json::json;

use crate::harness::{SOON, World, condition, data_of, secret, wait};

/// Whether the provider would accept this secret for the client as it is.
pub async fn accepts(world: &World, client: &OidcClient, secret: &ClientSecret) -> bool {
    let uid = client.uid().expect("a UID");
    let credentials = &client.status.as_ref().expect("a status").credentials;
    let now = client.creation_timestamp().expect("created").0;
    verify(&world.pepper().await, &uid, credentials, secret, now).is_some()
}

pub fn credentials(client: &OidcClient) -> usize {
    client
        .status
        .as_ref()
        .map_or(0, |status| status.credentials.len())
}

pub async fn held(world: &World, name: &str) -> ClientSecret {
    client_secret(&world.secret_data(name).await).expect("a client secret")
}

#[tokio::test]
async fn a_client_gets_its_secret_in_two_writes() {
    let world = World::new(&[]).await;
    let operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let before = world.now().await;
    world.apply_client("demo", "");
    let demo = world.client_is("demo", "Ready", "True").await;
    // Another one, so that everything which the first one woke is done.
    world.apply_client("probe", "");
    world.client_is("probe", "Ready", "True").await;
    let writes = world.writes_since(&before).await;
    let of_demo: Vec<&String> = writes.iter().filter(|write| write.contains("demo")).collect();
    assert_eq!(
        of_demo,
        [
            "added Secret demo-oidc",
            "added OidcClient demo",
            "modified OidcClient demo"
        ]
    );

    let secret = world.secrets().get("demo-oidc").await.expect("there");
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    let owner = &secret.owner_references()[0];
    assert_eq!(
        (Some(owner.uid.clone()), owner.controller),
        (demo.uid(), Some(true))
    );
    assert_eq!(owner.block_owner_deletion, None);
    assert!(
        secret
            .labels()
            .keys()
            .all(|key| key.starts_with("app.kubernetes.io/"))
    );
    let data = data_of(&secret);
    let text = |key: &str| String::from_utf8(data[key].clone()).expect("text");
    let status = demo.status.as_ref().expect("a status");
    assert_eq!(text("CLIENT_ID"), format!("{}.demo", world.namespace));
    assert_eq!(status.client_id.as_deref(), Some(text("CLIENT_ID").as_str()));
    assert_eq!(
        text("ISSUER_URL"),
        format!("https://oidc.{}.svc.cluster.local", world.namespace)
    );
    assert!(text("CA_CRT").starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(
        secret.annotations()[ANNOTATION_CREDENTIAL_ID],
        status.credentials[0].id
    );
    let secret = client_secret(&data).expect("a client secret");
    assert!(accepts(&world, &demo, &secret).await);
    for kind in ["Accepted", "CredentialsReady", "Ready"] {
        world.client_is("demo", kind, "True").await;
    }
    // One line tells of the Secret, and one of the client.
    operator
        .says_line(&["\"message\":\"ready\",\"kind\":\"OidcClient\"", "demo"])
        .await;
    let log = operator.log();
    let lines = |part: &str| {
        let lines = log.lines().filter(|line| line.contains(part));
        lines
            .filter(|line| line.contains("demo") && line.contains("INFO"))
            .count()
    };
    assert_eq!((lines("\"Secret written\""), lines("\"ready\"")), (1, 1), "{log}");
    // And one Event. What else there was to tell would have come before the other client's.
    let told = world
        .told("Ready", "Secret demo-oidc with a new client secret")
        .await;
    assert!(told.starts_with("served; "), "{told}");
    world.told("Ready", "Secret probe-oidc").await;
    let events = world.api::<Event>().list(&ListParams::default()).await;
    let about_demo = events.expect("listed").items.into_iter().filter(|event| {
        let object = event.regarding.as_ref().expect("about something");
        object.uid == demo.uid()
    });
    let reasons: Vec<_> = about_demo.map(|event| (event.reason, event.series)).collect();
    assert_eq!(reasons, [(Some("Ready".to_owned()), None)]);
}

#[tokio::test]
async fn a_refusal_and_its_end_are_a_line_each() {
    let world = World::new(&[]).await;
    let operator = world.operator("op-0");
    world.apply_client("demo", "scopes: [openid, canary.read]");
    world.client_is("demo", "Accepted", "False").await;
    world.apply_client("demo", "");
    world.client_is("demo", "Ready", "True").await;
    operator
        .says("\"message\":\"ready\",\"kind\":\"OidcClient\"")
        .await;
    let log = operator.log();
    let refused = log
        .lines()
        .find(|line| line.contains("\"refused\""))
        .expect("told");
    assert!(
        refused.contains("demo") && refused.contains("NotGranted"),
        "{refused}"
    );
    assert!(
        !refused.contains("canary"),
        "the condition tells what, the log only why: {refused}"
    );
}

#[tokio::test]
async fn a_secret_ref_takes_opaque_secrets_only() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply(
        "{apiVersion: v1, kind: Secret, metadata: {name: chart}, type: helm.sh/release.v1,
          stringData: {release: 0123456789abcdefghijklmnopqrstuvwxyzABCDEFG}}",
    );
    world.apply_client("demo", "secretRef: {name: chart, key: release}");
    let demo = world.client_is("demo", "Ready", "False").await;
    let status = demo.status.expect("a status");
    let (reason, message) = condition(&status.conditions, "CredentialsReady");
    assert_eq!(reason, "SecretInvalid");
    assert!(message.contains("helm.sh/release.v1"), "{message}");
    assert!(status.credentials.is_empty());
    let written = world.secrets().get_opt("demo-oidc").await.expect("readable");
    assert!(written.is_none(), "nothing of it is copied");
}

#[tokio::test]
async fn a_restart_writes_nothing() {
    let world = World::new(&[]).await;
    let mut operator = world.operator("op-0");
    world.apply_client("demo", "");
    world.apply(&secret("jane", "password", "correct horse"));
    world.apply(
        "{apiVersion: oidc-operator.dev/v1alpha1, kind: OidcUser, metadata: {name: jane},
          spec: {passwordSecretRef: {name: jane}}}",
    );
    world.client_is("demo", "Ready", "True").await;
    world.user_is("jane", "Ready", "True").await;
    world.key_is("main", "Ready", "True").await;
    operator.signal("TERM");
    assert!(operator.end().await.success(), "{}", operator.log());

    let before = world.now().await;
    let operator = world.operator("op-1");
    operator.reconciled("OidcClient", "Ready").await;
    operator.reconciled("OidcUser", "Ready").await;
    operator.reconciled("SigningKey", "KeyActive").await;
    assert_eq!(world.writes_since(&before).await, Vec::<String>::new());
    let (_, metrics) = operator.get("/metrics").await.expect("metrics");
    assert!(!metrics.contains("oidc_operator_writes_total{"), "{metrics}");
}

#[tokio::test]
async fn i6_a_secret_of_somebody_else_is_never_touched() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply(&secret("demo-oidc", "CLIENT_SECRET", "theirs"));
    let theirs = world.secrets().get("demo-oidc").await.expect("there");
    world.apply_client("demo", "");
    let demo = world.client_is("demo", "CredentialsReady", "False").await;
    let status = demo.status.expect("a status");
    assert_eq!(condition(&status.conditions, "CredentialsReady").0, "NotOwned");
    assert_eq!(condition(&status.conditions, "Accepted").0, "Accepted");
    assert!(status.credentials.is_empty(), "nothing was minted");
    world.told("NotOwned", "delete it, or choose another name").await;
    let now = world.secrets().get("demo-oidc").await.expect("there");
    assert_eq!(now.resource_version(), theirs.resource_version());

    world.delete::<Secret>("demo-oidc").await;
    world
        .patch::<OidcClient>("demo", json!({"metadata": {"labels": {"look": "again"}}}))
        .await;
    world.client_is("demo", "Ready", "True").await;
}

#[tokio::test]
async fn i6_a_secret_of_an_earlier_namesake_is_waited_for_and_never_adopted() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    // The finalizer holds what the garbage collector wants to remove.
    world.apply(
        "{apiVersion: v1, kind: Secret, metadata: {name: demo-oidc, finalizers: [test.example/hold],
          labels: {app.kubernetes.io/managed-by: oidc}, ownerReferences: [{
          apiVersion: oidc-operator.dev/v1alpha1, kind: OidcClient, name: demo, controller: true,
          uid: 00000000-0000-0000-0000-000000000001}]}, stringData: {CLIENT_SECRET: old}}",
    );
    world.apply_client("demo", "");
    let demo = world.client_is("demo", "CredentialsReady", "False").await;
    let status = demo.status.expect("a status");
    assert_eq!(condition(&status.conditions, "CredentialsReady").0, "StaleOwner");
    world.told("StaleOwner", "Secret demo-oidc").await;
    assert!(status.credentials.is_empty());
    world
        .patch::<Secret>("demo-oidc", json!({"metadata": {"finalizers": null}}))
        .await;
    let demo = world.client_is("demo", "Ready", "True").await;
    let secret = held(&world, "demo-oidc").await;
    assert_ne!(secret.expose(), "old");
    assert!(accepts(&world, &demo, &secret).await);
}

#[tokio::test]
async fn a_deleted_secret_is_made_anew_and_the_old_one_is_accepted_for_the_overlap() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply_client("demo", "");
    world.client_is("demo", "Ready", "True").await;
    let old = held(&world, "demo-oidc").await;
    world.delete::<Secret>("demo-oidc").await;
    let demo = wait("two credentials and a Secret", SOON, async || {
        let demo = world.clients().get("demo").await.expect("there");
        let there = world.secrets().get_opt("demo-oidc").await.expect("readable");
        (credentials(&demo) == 2 && there.is_some()).then_some(demo)
    })
    .await;
    let new = held(&world, "demo-oidc").await;
    assert_ne!(new.expose(), old.expose());
    assert!(accepts(&world, &demo, &new).await && accepts(&world, &demo, &old).await);
    let listed = &demo.status.expect("a status").credentials;
    assert!(listed[0].retires_at.is_some() && listed[1].retires_at.is_none());
    let made = format!("Secret demo-oidc with a new client secret, {}", listed[1].id);
    world.told("SecretCreated", &made).await;
    let kept = format!("still accepted: {} until", listed[0].id);
    world.told("CredentialRotated", &kept).await;
}

#[tokio::test]
async fn a_key_that_is_missing_from_a_secret_is_put_back_or_asked_for() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply_client("demo", "");
    world.client_is("demo", "Ready", "True").await;
    let old = held(&world, "demo-oidc").await;
    let remove = async |key: &str| {
        let without = json!({"data": {key: null}});
        world.patch::<Secret>("demo-oidc", without).await;
        wait(&format!("{key} is back"), SOON, async || {
            let data = world.secret_data("demo-oidc").await;
            data.contains_key(key).then_some(())
        })
        .await;
    };
    remove("ISSUER_URL").await;
    assert_eq!(held(&world, "demo-oidc").await.expose(), old.expose());
    world.told("SecretUpdated", "Secret demo-oidc").await;

    // What was the client secret cannot be put back: only its digest is known.
    remove("CLIENT_SECRET").await;
    let new = held(&world, "demo-oidc").await;
    assert_ne!(new.expose(), old.expose());
    world
        .told("SecretUpdated", "Secret demo-oidc with a new client secret")
        .await;
    world.told("CredentialRotated", "still accepted").await;
    let demo = wait("both are accepted", SOON, async || {
        let demo = world.clients().get("demo").await.expect("there");
        (credentials(&demo) == 2).then_some(demo)
    })
    .await;
    assert!(accepts(&world, &demo, &new).await && accepts(&world, &demo, &old).await);

    let value = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    world.apply(&secret("mine", "other", value));
    world.apply_client("given", "secretRef: {name: mine, key: s3cret}");
    let given = world.client_is("given", "Ready", "False").await;
    let status = given.status.expect("a status");
    let (reason, message) = condition(&status.conditions, "CredentialsReady");
    assert_eq!(reason, "SecretInvalid");
    assert!(message.contains("no value under its key; add it"), "{message}");
    world
        .told("SecretInvalid", "no value under its key; add it")
        .await;
    assert!(status.credentials.is_empty(), "nothing is minted in its place");
    world
        .patch::<Secret>(
            "mine",
            json!({"stringData": {"s3cret": value}, "metadata": {"labels": {"oidc-operator.dev/watch": "true"}}}),
        )
        .await;
    let given = world.client_is("given", "Ready", "True").await;
    assert!(accepts(&world, &given, &ClientSecret::new(value.into())).await);
}

#[tokio::test]
async fn an_edited_secret_is_healed() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply_client("demo", "");
    world.client_is("demo", "Ready", "True").await;
    let old = held(&world, "demo-oidc").await;

    // Something else than the secret: the secret stays.
    let edit = json!({"stringData": {"CLIENT_ID": "other"}, "metadata": {"labels": {"team": "blue"}}});
    world.patch::<Secret>("demo-oidc", edit).await;
    wait("the client id is back", SOON, async || {
        let data = world.secret_data("demo-oidc").await;
        (data["CLIENT_ID"] != b"other").then_some(())
    })
    .await;
    assert_eq!(held(&world, "demo-oidc").await.expose(), old.expose());
    let healed = world.secrets().get("demo-oidc").await.expect("there");
    assert_eq!(healed.labels()["team"], "blue", "what others added stays");

    // Without its label it is still noticed.
    let edit = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}});
    world.patch::<Secret>("demo-oidc", edit).await;
    wait("the label is back", SOON, async || {
        let secret = world.secrets().get("demo-oidc").await.expect("there");
        secret
            .labels()
            .contains_key("app.kubernetes.io/managed-by")
            .then_some(())
    })
    .await;

    // The secret itself: a value that somebody chose is never accepted.
    let chosen = "0123456789abcdef0123456789abcdef0123456789a";
    world
        .patch::<Secret>("demo-oidc", json!({"stringData": {"CLIENT_SECRET": chosen}}))
        .await;
    wait("a new secret", SOON, async || {
        let now = held(&world, "demo-oidc").await;
        (now.expose() != chosen && now.expose() != old.expose()).then_some(())
    })
    .await;
    let demo = world.client_is("demo", "Ready", "True").await;
    assert!(!accepts(&world, &demo, &ClientSecret::new(chosen.into())).await);
    assert!(accepts(&world, &demo, &held(&world, "demo-oidc").await).await);
}

#[tokio::test]
async fn an_emptied_status_is_computed_again_from_the_secret() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply_client("demo", "");
    let demo = world.client_is("demo", "Ready", "True").await;
    let before = world.secrets().get("demo-oidc").await.expect("there");
    let mut emptied = demo.clone();
    emptied.status = Some(Default::default());
    world
        .clients()
        .replace_status("demo", &Default::default(), &emptied)
        .await
        .expect("emptied");
    wait("the digest is back", SOON, async || {
        let now = world.clients().get("demo").await.expect("there");
        let digest = |client: &OidcClient| Some(client.status.as_ref()?.credentials.first()?.digest.clone());
        (digest(&now)? == digest(&demo)?).then_some(())
    })
    .await;
    let after = world.secrets().get("demo-oidc").await.expect("there");
    assert_eq!(after.data, before.data, "nothing was minted");
}

#[tokio::test]
async fn every_violation_is_told_and_nothing_else_changes() {
    let world = World::new(&[]).await;
    let operator = world.operator("op-0");
    world.apply_client("demo", "");
    let good = world.client_is("demo", "Ready", "True").await;
    world.apply_client(
        "demo",
        "audiences: [\"https://orders.example.com\"], scopes: [openid, orders.read], clientId: mine, \
         tokens: {accessTokenTtl: 12h, refreshTokenTtl: 365d}",
    );
    let refused = world.client_is("demo", "Accepted", "False").await;
    let status = refused.status.expect("a status");
    let (reason, message) = condition(&status.conditions, "Accepted");
    assert_eq!(reason, "NotGranted");
    for field in [
        "spec.audiences[0]",
        "spec.scopes[1]",
        "spec.clientId",
        "spec.tokens.accessTokenTtl",
        "spec.tokens.refreshTokenTtl",
    ] {
        assert!(message.contains(field), "{field} in {message}");
    }
    assert_eq!(condition(&status.conditions, "Ready").1, message);
    let before = good.status.expect("a status");
    assert_eq!(status.credentials, before.credentials);
    assert_eq!(status.secret, before.secret);
    wait("an Event", SOON, async || {
        let events = world.kubectl(&[
            "get",
            "events.events.k8s.io",
            "-n",
            &world.namespace,
            "-o",
            "json",
        ]);
        (events.contains("\"NotGranted\"") && events.contains("spec.audiences[0]")).then_some(())
    })
    .await;
    drop(operator);
}

#[tokio::test]
async fn a_weak_secret_ref_is_refused_unless_it_is_granted() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply(&secret("mine", "s3cret", "weak-but-mine"));
    world.apply_client("demo", "secretRef: {name: mine, key: s3cret}");
    let demo = world.client_is("demo", "CredentialsReady", "False").await;
    let status = demo.status.as_ref().expect("a status");
    let (reason, message) = condition(&status.conditions, "CredentialsReady");
    assert_eq!(reason, "SecretInvalid");
    assert!(message.contains("`weakSecrets` granted"), "{message}");
    assert!(status.credentials.is_empty());

    let own = format!("grants[0].namespaces={{{}}}", world.namespace);
    world.install(&[&own, "grants[0].weakSecrets=true"]);
    let demo = world.client_is("demo", "Ready", "True").await;
    let weak = ClientSecret::new("weak-but-mine".into());
    assert!(accepts(&world, &demo, &weak).await);
    assert_eq!(held(&world, "demo-oidc").await.expose(), weak.expose());

    // Without the grant it is refused at once; nothing is deleted, and with it all is as it was.
    world.install(&[]);
    let demo = world.client_is("demo", "Ready", "False").await;
    assert_eq!(credentials(&demo), 0);
    assert_eq!(held(&world, "demo-oidc").await.expose(), weak.expose());
    world.install(&[&own, "grants[0].weakSecrets=true"]);
    let demo = world.client_is("demo", "Ready", "True").await;
    assert!(accepts(&world, &demo, &weak).await);
}

#[tokio::test]
async fn a_secret_ref_copies_nothing_that_is_the_installations() {
    let world = World::new(&["redis.existingSecret.name=redis"]).await;
    for (name, key) in [("redis", "url"), ("jane", "password"), ("imported", "tls.key")] {
        world.apply(&secret(name, key, "0123456789abcdef0123456789abcdef"));
    }
    world.apply(
        "{apiVersion: oidc-operator.dev/v1alpha1, kind: OidcUser, metadata: {name: jane},
          spec: {passwordSecretRef: {name: jane}}}",
    );
    world.apply(
        "{apiVersion: oidc-operator.dev/v1alpha1, kind: SigningKey, metadata: {name: other},
          spec: {algorithm: ES256, secretRef: {name: imported}}}",
    );
    let _operator = world.operator("op-0");
    for (name, key, told) in [
        ("redis", "url", "is a Secret of the installation itself"),
        ("jane", "password", "holds the password of an OidcUser"),
        ("imported", "tls.key", "is imported by a SigningKey"),
    ] {
        let of = format!("of-{name}");
        world.apply_client(&of, &format!("secretRef: {{name: {name}, key: {key}}}"));
        let client = world.client_is(&of, "Ready", "False").await;
        let status = client.status.expect("a status");
        let (_, message) = condition(&status.conditions, "Ready");
        assert!(message.contains(told), "{message}");
        assert!(status.credentials.is_empty());
        let secrets = world.secrets().get_opt(&format!("{of}-oidc")).await;
        assert!(secrets.expect("an answer").is_none(), "nothing is copied");
    }
}

#[tokio::test]
async fn i6_a_secret_ref_is_waited_for_read_and_never_written() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply_client("demo", "secretRef: {name: mine, key: s3cret}");
    let demo = world.client_is("demo", "CredentialsReady", "False").await;
    let status = demo.status.expect("a status");
    assert_eq!(
        condition(&status.conditions, "CredentialsReady").0,
        "SecretNotFound"
    );
    assert!(
        status.credentials.is_empty(),
        "nothing is minted because it is late"
    );
    assert!(
        world
            .secrets()
            .get_opt("demo-oidc")
            .await
            .expect("readable")
            .is_none()
    );

    let one = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    let mine = |value: &str| {
        format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: mine, labels: {{oidc-operator.dev/watch: \"\"}}}},
              stringData: {{s3cret: \"{value}\"}}}}"
        )
    };
    world.apply(&mine(one));
    let given = world
        .secrets()
        .get("mine")
        .await
        .expect("there")
        .resource_version();
    let demo = world.client_is("demo", "Ready", "True").await;
    let one = ClientSecret::new(one.into());
    assert!(accepts(&world, &demo, &one).await);
    assert_eq!(held(&world, "demo-oidc").await.expose(), one.expose());

    let two = "GFEDCBAzyxwvutsrqponmlkjihgfedcba9876543210";
    world.apply(&mine(two));
    let two = ClientSecret::new(two.into());
    wait("the new value is accepted", SOON, async || {
        let demo = world.clients().get("demo").await.expect("there");
        accepts(&world, &demo, &two).await.then_some(())
    })
    .await;
    let demo = world.clients().get("demo").await.expect("there");
    assert!(accepts(&world, &demo, &one).await, "the old one has its overlap");
    wait("the app has it", SOON, async || {
        (held(&world, "demo-oidc").await.expose() == two.expose()).then_some(())
    })
    .await;

    let fields = world
        .secrets()
        .get("mine")
        .await
        .expect("there")
        .managed_fields()
        .to_vec();
    assert!(
        fields
            .iter()
            .all(|entry| entry.manager.as_deref() != Some("oidc-operator"))
    );
    assert!(given.is_some());
}

#[tokio::test]
async fn a_public_client_gets_urls_and_no_secret() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply_client("spa", "authentication: {none: {}}");
    let spa = world.client_is("spa", "Ready", "True").await;
    assert_eq!(credentials(&spa), 0);
    let data = world.secret_data("spa-oidc").await;
    assert!(data.contains_key("CLIENT_ID") && !data.contains_key("CLIENT_SECRET"));
}

/// That of RFC 7515 appendix A.3.
const PUBLIC_KEY: &str = "{kty: EC, crv: P-256, x: f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU, \
    \"y\": x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0}";

#[tokio::test]
async fn ca_04_a_client_with_keys_gets_urls_and_no_secret() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    let keyed = format!("authentication: {{privateKeyJwt: {{jwks: {{keys: [{PUBLIC_KEY}]}}}}}}");
    world.apply_client("keyed", &keyed);
    let client = world.client_is("keyed", "Ready", "True").await;
    assert_eq!(credentials(&client), 0);
    let data = world.secret_data("keyed-oidc").await;
    assert!(data.contains_key("CLIENT_ID") && !data.contains_key("CLIENT_SECRET"));
    // a number that is on no curve passes the API server, not the validator
    world.apply_client("broken", &keyed.replace("x: f83", "x: g83"));
    let broken = world.client_is("broken", "Accepted", "False").await;
    let status = broken.status.expect("a status");
    let (reason, message) = condition(&status.conditions, "Accepted");
    assert_eq!(reason, "Invalid");
    assert!(
        message.contains("jwks.keys[0]: its numbers are no public key"),
        "{message}"
    );
}

#[tokio::test]
async fn of_two_clients_with_one_id_the_older_wins_until_it_goes() {
    let world = World::new(&["grants[0].namespaces={*}", "grants[0].clientIds={shop}"]).await;
    let _operator = world.operator("op-0");
    world.apply_client("older", "clientId: shop");
    let older = world.client_is("older", "Ready", "True").await;
    // Creation times are whole seconds; of two in one second the name decides, and "older" < "younger".
    assert!(older.status.is_some());
    world.apply_client("younger", "clientId: shop");
    let younger = world.client_is("younger", "Accepted", "False").await;
    let status = younger.status.expect("a status");
    assert_eq!(condition(&status.conditions, "Accepted").0, "ClientIdTaken");
    world
        .told("ClientIdTaken", "the older client older has this id")
        .await;
    assert!(
        world
            .secrets()
            .get_opt("younger-oidc")
            .await
            .expect("readable")
            .is_none()
    );
    world.delete::<OidcClient>("older").await;
    world.client_is("younger", "Ready", "True").await;
}

#[tokio::test]
async fn i6_nothing_is_ready_after_a_failed_write() {
    let mut world = World::empty().await;
    let team = world.other_namespace();
    world.install(&[&format!("watchNamespaces={{{team}}}")]);
    let _operator = world.operator("op-0");
    world.kubectl(&["create", "quota", "none", "--hard=count/secrets=0", "-n", &team]);
    let quotas: Api<ResourceQuota> = Api::namespaced(world.client.clone(), &team);
    wait("the quota is in force", SOON, async || {
        quotas.get("none").await.expect("there").status?.hard.map(|_| ())
    })
    .await;
    let clients: Api<OidcClient> = Api::namespaced(world.client.clone(), &team);
    clients
        .create(
            &Default::default(),
            &serde_json::from_value(json!({
                "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient",
                "metadata": {"name": "demo"}, "spec": {"redirectUris": ["https://app.example.com/cb"]},
            }))
            .expect("a client"),
        )
        .await
        .expect("created");
    let ready = async |holds: &str| {
        wait(&format!("Ready={holds}"), SOON, async || {
            let status = clients.get("demo").await.expect("there").status?;
            let found = status
                .conditions
                .iter()
                .any(|c| c.type_ == "Ready" && c.status == holds);
            found.then_some(status)
        })
        .await
    };
    let status = ready("False").await;
    assert_eq!(condition(&status.conditions, "Ready").0, "WriteFailed");
    assert!(status.credentials.is_empty(), "it was not delivered");
    world.kubectl(&["delete", "quota", "none", "-n", &team]);
    let status = ready("True").await;
    assert_eq!(status.credentials.len(), 1);
}

#[tokio::test]
async fn deleting_a_client_leaves_nothing_to_wait_for() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply_client("demo", "");
    let demo = world.client_is("demo", "Ready", "True").await;
    assert!(demo.finalizers().is_empty());
    world.delete::<OidcClient>("demo").await;
    wait("the garbage collector removes the Secret", SOON, async || {
        let secret = world.secrets().get_opt("demo-oidc").await.expect("readable");
        secret.is_none().then_some(())
    })
    .await;
    // A namesake inherits nothing.
    world.apply_client("demo", "");
    let again = world.client_is("demo", "Ready", "True").await;
    assert_ne!(again.uid(), demo.uid());
    assert_eq!(credentials(&again), 1);
    assert_ne!(
        again.status.expect("a status").credentials[0].id,
        demo.status.expect("a status").credentials[0].id
    );
}
