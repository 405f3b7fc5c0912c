//! What the installation grants, asked at `kubectl apply` and of the validator: one answer.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oidc_crds::resources::{OidcClient, Reason};
use oidc_crds::secrets::installation::Installation;
use oidc_crds::validate::{Violation, validate};
use serde_json::json;

use crate::harness::{SOON, World, client, wait};

#[tokio::test]
async fn the_policy_at_apply_and_the_validator_give_one_answer() {
    let mut world = World::new(&[]).await;
    let grant = |member: &str| format!("grants[0].{member}");
    let own = format!("grants[0].namespaces={{{}}}", world.namespace);
    let settings = [
        own,
        "allowed.grantTypes={authorization_code,refresh_token}".to_owned(),
        "allowed.redirectHosts={app.example.com,*.apps.example.com}".to_owned(),
        grant("scopes={orders.read}"),
        grant("audiences={https://orders.example.com}"),
        grant("resourceServerFor={https://orders.example.com}"),
        grant("clientIds={shop-*}"),
        grant("redirectHosts={shop.example.com}"),
        grant("serviceAccountNamespaces={ci}"),
        "outbound.hosts={keys.example.com,*.keys.test}".to_owned(),
        grant("secretLabels={cnpg.io/*}"),
        grant("secretAnnotations={note.example/x}"),
        // not for this namespace
        "grants[1].namespaces={elsewhere}".to_owned(),
        "grants[1].scopes={admin}".to_owned(),
        "grants[1].grantTypes={client_credentials}".to_owned(),
        "grants[1].redirectHosts={*}".to_owned(),
        "grants[1].clientIds={*}".to_owned(),
        "grants[1].consentSkip=true".to_owned(),
        "grants[1].serviceAccountNamespaces={*}".to_owned(),
        "grants[1].secretLabels={*}".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    world.install(&settings);
    world.apply_client("before", "");
    world.apply_client("later", "clientId: foreign");
    world.install_policy("client-policy", &settings);
    let world = world;
    let installation = world.installation().await;

    let is_refused = |name: &str, more: &str| {
        let answer = world.dry_run(&client(name, more));
        let told = String::from_utf8_lossy(&answer.stderr).into_owned();
        (!answer.status.success()).then_some(told)
    };
    wait("the policy is in force", SOON, async || {
        is_refused("probe", "scopes: [admin]")
    })
    .await;

    for (more, refused) in [
        ("", false),
        ("scopes: [openid, groups, offline_access, orders.read]", false),
        ("scopes: [openid, admin]", true),
        ("audiences: [\"https://orders.example.com\"]", false),
        ("audiences: [\"https://orders.example.com/\"]", true),
        ("audiences: [\"https://kubernetes.default.svc\"]", true),
        ("resourceServerFor: [\"https://orders.example.com\"]", false),
        ("resourceServerFor: [\"https://other.example.com\"]", true),
        ("clientId: shop-1", false),
        ("clientId: my-shop-1", true),
        ("consent: required", false),
        ("consent: skip", true),
        (
            "secret: {labels: {team: a, app.kubernetes.io/part-of: b, cnpg.io/reload: \"\"}}",
            false,
        ),
        ("secret: {labels: {cnpg-io/reload: a}}", true),
        (
            "secret: {labels: {argocd.argoproj.io/secret-type: cluster}}",
            true,
        ),
        ("secret: {labels: {owner: helm}}", true),
        (
            "secret: {annotations: {note: a, note.example/x: b, reloader.stakater.com/match: c}}",
            false,
        ),
        ("secret: {annotations: {note.example/xy: a}}", true),
        ("secret: {annotations: {meta.helm.sh/release-name: a}}", true),
        ("authentication: {serviceAccounts: [{name: a}]}", false),
        (
            "authentication: {serviceAccounts: [{name: a, namespace: ci}]}",
            false,
        ),
        (
            "authentication: {serviceAccounts: [{name: a}, {name: a, namespace: kube-system}]}",
            true,
        ),
        (&*keys_at("https://keys.example.com:8443/jwks"), false),
        (&*keys_at("https://a.keys.test/jwks"), false),
        (&*keys_at("https://keys.example.com.evil.test/jwks"), true),
        ("grantTypes: [authorization_code, refresh_token]", false),
        ("grantTypes: [authorization_code, client_credentials]", true),
        ("postLogoutRedirectUris: [\"https://a.apps.example.com/\"]", false),
        (
            "postLogoutRedirectUris: [\"https://a.b.apps.example.com:8443/x\"]",
            false,
        ),
        ("postLogoutRedirectUris: [\"https://shop.example.com/\"]", false),
        ("postLogoutRedirectUris: [\"https://apps.example.com/\"]", true),
        (
            "postLogoutRedirectUris: [\"https://shop.example.com.evil.test/\"]",
            true,
        ),
        (
            "postLogoutRedirectUris: [\"https://evil.test/?https://shop.example.com\"]",
            true,
        ),
    ] {
        let told = is_refused("app", more);
        assert_eq!(told.is_some(), refused, "{more}: {told:?}");
        let manifest = serde_yaml::from_str::<serde_json::Value>(&client("app", more)).expect("YAML");
        let violations = judged(&world, manifest, &installation);
        let not_granted = violations.iter().find(|one| one.reason == Reason::NotGranted);
        assert_eq!(not_granted.is_some(), refused, "{more}: {violations:?}");
        if let (Some(told), Some(violation)) = (told, not_granted) {
            let what = violation.message.split(" granted to").next().expect("what");
            assert!(told.contains(what), "{told} lacks {what}");
        }
    }

    // Of another class: not ours to judge.
    assert_eq!(is_refused("other", "className: other, scopes: [admin]"), None);
    // What was there before goes on being edited in all but its spec.
    let label = json!({"metadata": {"labels": {"team": "blue"}}});
    world.patch::<OidcClient>("later", label).await;
    assert!(is_refused("later", "clientId: foreign, displayName: New").is_some());
    assert_eq!(is_refused("before", "displayName: New"), None);
}

fn keys_at(uri: &str) -> String {
    format!("authentication: {{privateKeyJwt: {{jwksUri: \"{uri}\"}}}}")
}

#[tokio::test]
async fn ca_05_the_policy_at_apply_knows_whether_certificates_are_taken() {
    let mut world = World::new(&[]).await;
    let pinned = format!(
        "authentication: {{tls: {{thumbprints: [\"{}\"]}}}}",
        "00".repeat(32)
    );
    let named = "authentication: {tls: {sanDns: a.example.com}}";
    let bound = "tokens: {certificateBound: true}";
    for (settings, refused) in [
        (&[][..], [true, true, true]),
        (&["mtls.enabled=true"], [false, true, false]),
        (&["mtls.enabled=true", "mtls.ca.configMap=client-ca"], [false; 3]),
    ] {
        world.install(settings);
        world.install_policy("client-policy", settings);
        let installation = world.installation().await;
        for (more, refused) in [&*pinned, named, bound].into_iter().zip(refused) {
            let manifest = client("app", more);
            wait("the policy's answer", SOON, async || {
                let answer = world.dry_run(&manifest);
                let told = String::from_utf8_lossy(&answer.stderr).into_owned();
                let right = answer.status.success() != refused && (!refused || told.contains("(mtls."));
                right.then_some(())
            })
            .await;
            let manifest = serde_yaml::from_str::<serde_json::Value>(&manifest).expect("YAML");
            let violations = judged(&world, manifest, &installation);
            let not_granted = violations.iter().any(|one| one.reason == Reason::NotGranted);
            assert_eq!(not_granted, refused, "{more}: {violations:?}");
        }
    }
}

/// What the validator says of a client of this namespace.
fn judged(world: &World, manifest: serde_json::Value, installation: &Installation) -> Vec<Violation> {
    let mut object: OidcClient = serde_json::from_value(manifest).expect("a client");
    object.metadata.namespace = Some(world.namespace.clone());
    object.metadata.uid = Some("c1".to_owned());
    object.metadata.creation_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
    validate(&object, installation, None).err().unwrap_or_default()
}

impl World {
    /// What the ConfigMap says.
    async fn installation(&self) -> Installation {
        let map = self
            .api::<k8s_openapi::api::core::v1::ConfigMap>()
            .get("oidc-installation")
            .await
            .expect("there");
        let data = map.data.expect("data");
        Installation::parse(&data[Installation::DATA_KEY]).expect("good")
    }
}
