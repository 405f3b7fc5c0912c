//! What the API server itself refuses: schema and CEL rules, and rights that the operator does not have.

use kube::api::PostParams;
use oidc_crds::resources::OidcClient;
use serde_json::json;

use crate::harness::{SOON, World, chart, client, condition, success, wait};

/// Applies a manifest that must be refused with this text.
fn refused(world: &World, manifest: &str, text: &str) {
    let output = world.try_apply(manifest);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "accepted: {manifest}");
    assert!(told.contains(text), "`{text}` in: {told}");
}

#[tokio::test]
async fn cel_rules_of_clients() {
    let world = World::empty().await;
    for (more, text) in [
        (
            "authentication: {none: {}}, pkce: optional",
            "PKCE must be required for a public client",
        ),
        (
            "authentication: {none: {}}, secretRef: {name: a}",
            "a client that authenticates otherwise has no secret",
        ),
        (
            "authentication: {none: {}, clientSecret: {}}",
            "exactly one of clientSecret, privateKeyJwt, tls, serviceAccounts and none",
        ),
        (
            "authentication: {privateKeyJwt: {jwks: {keys: [{kty: EC, crv: P-256, x: AQ, \"y\": AQ, d: canary}]}}}",
            "this is a private key: list public keys only",
        ),
        (
            "authentication: {privateKeyJwt: {jwks: {keys: [{kty: oct, k: canary}]}}}",
            "Unsupported value: \"oct\"",
        ),
        (
            "authentication: {privateKeyJwt: {jwks: {keys: []}}}",
            "should have at least 1 items",
        ),
        (
            "grantTypes: [refresh_token]",
            "the grant refresh_token needs authorization_code",
        ),
        (
            "secret: {name: a}, secretRef: {name: a}",
            "the operator never writes the Secret of secretRef",
        ),
        ("colour: red", "unknown field"),
        ("grantTypes: [password]", "Unsupported value"),
    ] {
        refused(&world, &client("demo", more), text);
    }
    let uris = client("demo", "").replace("https://app.example.com/cb", "https://*.example.com/cb");
    refused(&world, &uris, "no fragment and no wildcard");
    assert!(world.try_apply(&client("demo", "")).status.success());
}

#[tokio::test]
async fn a_megabyte_of_redirect_uris_is_refused() {
    let world = World::new(&[]).await;
    let many = |count: usize, length: usize| {
        let uris: Vec<String> = (0..count)
            .map(|n| format!("https://app.example.com/{n:0length$}"))
            .collect();
        let object = json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient", "metadata": {"name": "many"},
            "spec": {"redirectUris": uris},
        });
        serde_json::from_value::<OidcClient>(object).expect("a client")
    };
    for (count, length, text) in [
        (40_000, 1, "must have at most 64 items"),
        (64, 16_000, "Too long: may not be more than 2048"),
    ] {
        let object = many(count, length);
        let size = serde_json::to_vec(&object).expect("JSON").len();
        assert!(size > 1_000_000, "{size}");
        let answer = world.clients().create(&PostParams::default(), &object).await;
        let told = answer.expect_err("refused").to_string();
        assert!(
            told.contains(text),
            "{}",
            told.chars().take(500).collect::<String>()
        );
    }
    // the most that there can be is good
    let most = world
        .clients()
        .create(&PostParams::default(), &many(64, 2000))
        .await;
    most.expect("created");
    let _operator = world.operator("op-0");
    world.client_is("many", "Ready", "True").await;
}

#[tokio::test]
async fn names_that_could_pass_for_others_are_refused() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    // what is ASCII by nature is refused before it is stored
    refused(&world, &client("sh\u{43e}p", ""), "RFC 1123");
    refused(
        &world,
        &client("shop", "clientId: \"sh\u{43e}p\""),
        "spec.clientId",
    );
    for (name, shown) in [
        ("mixed", "Sh\u{43e}p"),
        ("reversed", "Shop\\u202e"),
        ("hidden", "Sh\\u00adop"),
        ("control", "Shop\\x07"),
    ] {
        world.apply_client(name, &format!("displayName: \"{shown}\""));
        let refused = world.client_is(name, "Accepted", "False").await;
        let status = refused.status.expect("a status");
        let (reason, message) = condition(&status.conditions, "Accepted");
        assert_eq!(reason, "Invalid", "{message}");
        assert!(message.contains("spec.displayName"), "{message}");
        world.told("Invalid", "spec.displayName").await;
        let secrets = world.secrets();
        let secret = secrets.get_opt(&format!("{name}-oidc")).await;
        assert!(secret.expect("readable").is_none());
    }
}

#[tokio::test]
async fn cel_rules_of_keys_and_users() {
    let world = World::empty().await;
    let key = |spec: &str| {
        format!(
            "{{apiVersion: oidc-operator.dev/v1alpha1, kind: SigningKey, metadata: {{name: k}}, spec: {{{spec}}}}}"
        )
    };
    let user = |spec: &str| {
        format!(
            "{{apiVersion: oidc-operator.dev/v1alpha1, kind: OidcUser, metadata: {{name: u}}, spec: {{{spec}}}}}"
        )
    };
    refused(&world, &key("algorithm: ES256, rsaBits: 2048"), "only RSA keys");
    refused(&world, &key("rsaBits: 1024"), "2048, 3072 or 4096 bits");
    for unknown in ["HS256", "none", "es256"] {
        refused(
            &world,
            &key(&format!("algorithm: \"{unknown}\"")),
            "spec.algorithm: Unsupported value",
        );
    }
    refused(&world, &key("publishFor: 10 minutes"), "spec.publishFor");
    refused(&world, &user("emailVerified: true"), "emailVerified needs email");
    world.apply(&user("subject: one"));
    refused(&world, &user("subject: two"), "subject");
}

#[tokio::test]
async fn the_operator_has_no_rights_elsewhere() {
    let mut world = World::empty().await;
    let (served, other) = (world.other_namespace(), world.other_namespace());
    world.install(&[&format!("watchNamespaces={{{served}}}")]);
    let own = world.namespace.clone();
    let account = format!("system:serviceaccount:{own}:oidc-operator");
    let can = |verb: &str, what: &str, namespace: &str| {
        let (what, part) = what.split_once('/').unwrap_or((what, ""));
        let output = std::process::Command::new("kubectl")
            .args(["auth", "can-i", verb, what, "-n", namespace, "--as", &account])
            .args(["--subresource", part])
            .output()
            .expect("kubectl is in PATH");
        String::from_utf8_lossy(&output.stdout).trim() == "yes"
    };
    // a Secret under a former name is deleted where clients are, never where the keys are
    assert!(can("delete", "secrets", &served) && !can("delete", "secrets", &own));
    for (verb, what) in [
        ("get", "secrets"),
        ("create", "secrets"),
        ("update", "oidcclients.oidc-operator.dev/status"),
    ] {
        assert!(can(verb, what, &served), "{verb} {what}");
    }
    for namespace in [&served, &own] {
        for (verb, what) in [
            ("patch", "secrets"),
            ("update", "oidcclients.oidc-operator.dev"),
            ("patch", "oidcclients.oidc-operator.dev"),
            ("get", "pods"),
            ("create", "roles.rbac.authorization.k8s.io"),
            ("create", "serviceaccounts/token"),
        ] {
            assert!(!can(verb, what, namespace), "{verb} {what} in {namespace}");
        }
    }
    for (verb, what) in [
        ("get", "secrets"),
        ("list", "secrets"),
        ("watch", "oidcclients.oidc-operator.dev"),
        ("get", "configmaps"),
    ] {
        assert!(!can(verb, what, &other), "{verb} {what}");
        assert!(!can(verb, what, "kube-system"), "{verb} {what}");
    }
    assert!(!can("get", "secrets", "default"));
    assert!(!can("list", "namespaces", "default"));

    // rolloutRestart: two verbs on three kinds where clients are, and only if it is switched on
    let workloads = ["deployments.apps", "statefulsets.apps", "daemonsets.apps"];
    let allowed = |verb: &str, what: &str| can(verb, what, &served);
    let any = |verb: &str| workloads.iter().any(|what| allowed(verb, what));
    assert!(!any("get") && !any("patch"));
    let watched = format!("watchNamespaces={{{served}}}");
    world.install(&[&watched, "rolloutRestart.enabled=true"]);
    wait("the right is given", SOON, async || {
        let both = |what: &&str| allowed("get", what) && allowed("patch", what);
        workloads.iter().all(both).then_some(())
    })
    .await;
    for verb in ["list", "watch", "create", "update", "delete", "deletecollection"] {
        assert!(!any(verb), "{verb}");
    }
    for what in workloads {
        for namespace in [own.as_str(), other.as_str(), "default"] {
            assert!(
                !can("get", what, namespace) && !can("patch", what, namespace),
                "{what}"
            );
        }
        for part in ["scale", "status"] {
            assert!(!allowed("patch", &format!("{what}/{part}")), "{what}/{part}");
        }
    }
    for what in ["pods", "replicasets.apps", "jobs.batch", "cronjobs.batch"] {
        assert!(!allowed("patch", what), "{what}");
    }
}

#[test]
fn namespaces_are_read_only_where_a_selector_asks_for_it() {
    let roles = |settings: &[&str]| {
        let mut helm = std::process::Command::new("helm");
        helm.args(["template", "oidc"]).arg(chart());
        for part in ["rbac-operator", "rbac-provider", "class"] {
            helm.args(["--show-only", &format!("templates/{part}.yaml")]);
        }
        for setting in settings {
            helm.args(["--set", setting]);
        }
        success(helm.output().expect("helm is in PATH"))
    };
    let wide = "clusterWide=true";
    let selector = "namespaceSelector.matchLabels.oidc=yes";
    for (settings, programs) in [(&[wide, selector][..], 2), (&[wide], 0), (&[], 0)] {
        let roles = roles(settings);
        let rules = roles.matches("resources: [namespaces]").count();
        assert_eq!(rules, programs, "{settings:?}: {roles}");
    }
}
