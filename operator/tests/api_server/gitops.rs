//! How the resources look to the tools that keep a cluster like a repository: clean diffs, no field fights,
//! health that they understand, no storm of Events.

use std::process::Command;

use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt as _;
use kube::api::ListParams;
use oidc_crds::resources::SigningKey;
use serde_json::{Value, json};

use crate::harness::{World, client, secret};

/// One of each kind, with few fields, so that defaults would show.
fn manifests() -> String {
    [
        client("demo", "displayName: Demo, scopes: [openid]"),
        secret("jane-password", "password", "correct horse battery staple"),
        "{apiVersion: oidc-operator.dev/v1alpha1, kind: OidcUser, metadata: {name: jane},
          spec: {username: jane, passwordSecretRef: {name: jane-password}}}\n"
            .to_owned(),
        "{apiVersion: oidc-operator.dev/v1alpha1, kind: SigningKey, metadata: {name: extra},
          spec: {algorithm: EdDSA}}\n"
            .to_owned(),
    ]
    .join("---\n")
}

async fn all_ready(world: &World) {
    world.client_is("demo", "Ready", "True").await;
    world.user_is("jane", "Ready", "True").await;
    world.key_is("extra", "Accepted", "True").await;
}

/// Generations of what was applied.
async fn generations(world: &World) -> [Option<i64>; 3] {
    [
        world
            .clients()
            .get("demo")
            .await
            .expect("there")
            .metadata
            .generation,
        world
            .users()
            .get("jane")
            .await
            .expect("there")
            .metadata
            .generation,
        world
            .api::<SigningKey>()
            .get("extra")
            .await
            .expect("there")
            .metadata
            .generation,
    ]
}

#[tokio::test]
async fn diffs_are_clean_after_the_operator_wrote() {
    for how in [&[][..], &["--server-side", "--field-manager=argocd"]] {
        let world = World::new(&[]).await;
        let _operator = world.operator("op-0");
        let run = |verb: &str| {
            let mut arguments = vec![verb, "-f", "-", "-n", &world.namespace];
            arguments.extend(how);
            let output = world.kubectl_with(&arguments, &manifests());
            let told = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "kubectl {verb} {how:?}: {told}");
        };
        run("apply");
        run("diff");
        all_ready(&world).await;
        run("diff");
        // no conflict with another manager of fields, and nothing to write
        let before = generations(&world).await;
        run("apply");
        assert_eq!(generations(&world).await, before);
        assert_eq!(before, [Some(1); 3], "{how:?}: somebody edited a spec");
    }
}

#[tokio::test]
async fn the_operator_owns_status_alone_and_writes_no_defaults_back() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply(&manifests());
    all_ready(&world).await;
    let demo = world.clients().get("demo").await.expect("there");
    let spec = serde_json::to_value(&demo.spec).expect("JSON");
    let raw = world.kubectl(&["get", "oidcclient", "demo", "-n", &world.namespace, "-o", "json"]);
    let raw: Value = serde_json::from_str(&raw).expect("JSON");
    assert_eq!(
        raw["spec"],
        json!({
            "redirectUris": ["https://app.example.com/cb"],
            "displayName": "Demo",
            "scopes": ["openid"],
        }),
        "{spec}"
    );
    let jane = world.users().get("jane").await.expect("there");
    let extra = world.api::<SigningKey>().get("extra").await.expect("there");
    for fields in [
        demo.managed_fields(),
        jane.managed_fields(),
        extra.managed_fields(),
    ] {
        let mut ours = 0;
        for entry in fields {
            if entry.manager.as_deref() == Some("oidc-operator") {
                assert_eq!(entry.subresource.as_deref(), Some("status"));
                ours += 1;
            }
        }
        assert_eq!(ours, 1, "{fields:?}");
    }
}

/// What kstatus (Flux, Helm, `kubectl wait` of cli-utils) makes of an object: its rules for kinds that it does
/// not know, from its `checkGenericProperties`.
fn kstatus(object: &Value) -> &'static str {
    let (metadata, status) = (&object["metadata"], &object["status"]);
    if metadata["deletionTimestamp"].is_string() {
        return "Terminating";
    }
    let observed = &status["observedGeneration"];
    if observed.is_number() && observed != &metadata["generation"] {
        return "InProgress";
    }
    for condition in status["conditions"].as_array().into_iter().flatten() {
        match (condition["type"].as_str(), condition["status"].as_str()) {
            (Some("Reconciling"), Some("True")) | (Some("Ready"), Some("False" | "Unknown")) => {
                return "InProgress";
            }
            (Some("Stalled"), Some("True")) => return "Failed",
            _ => {}
        }
    }
    "Current"
}

/// What Flux makes of an OidcClient by the expressions in `docs/gitops.md`, in the order of its RFC 0009.
fn flux(object: &Value) -> &'static str {
    let kustomization: Value = serde_yaml::from_str(&shown("kustomize.toolkit.fluxcd.io")).expect("YAML");
    let expressions = &kustomization["spec"]["healthCheckExprs"][0];
    let holds = |name: &str| {
        let text = expressions[name].as_str().expect(name);
        let mut context = cel::Context::default();
        for (member, value) in object.as_object().expect("an object") {
            context.add_variable(member, value).expect("JSON");
        }
        let answer = cel::Program::compile(text).expect(text).execute(&context);
        answer.ok().map(|value| value == cel::Value::Bool(true))
    };
    let observed = &object["status"]["observedGeneration"];
    if observed.is_number() && observed != &object["metadata"]["generation"] {
        return "InProgress";
    }
    match (holds("failed"), holds("current")) {
        (None, _) | (_, None) => "Unknown",
        (Some(true), _) => "Failed",
        (_, Some(true)) => "Current",
        _ => "InProgress",
    }
}

/// The first YAML block in `docs/gitops.md` that contains this.
fn shown(part: &str) -> String {
    let docs = include_str!("../../../docs/gitops.md");
    let mut blocks = docs
        .split("```yaml\n")
        .filter_map(|rest| rest.split("```").next());
    blocks.find(|block| block.contains(part)).expect(part).to_owned()
}

/// What Argo CD makes of an object by the script in `docs/gitops.md`. Its Lua is run by Redis.
fn argo(kind: &str, object: &Value) -> (String, String) {
    let map: Value = serde_yaml::from_str(&shown("argocd-cm")).expect("YAML");
    let key = format!("resource.customizations.health.oidc-operator.dev_{kind}");
    let script = map["data"][&key].as_str().expect("a script");
    // globals must not be set in Redis, so the object is a local
    let whole = format!(
        "local obj = cjson.decode(ARGV[1])\nlocal function health()\n{script}\nend\nreturn cjson.encode(health())"
    );
    let url = std::env::var("REDIS_URL").expect("REDIS_URL is not set: run `tests/run operator`");
    let output = Command::new("redis-cli")
        .args(["-u", &url, "--raw", "EVAL", &whole, "0", &object.to_string()])
        .output()
        .expect("redis-cli is in PATH");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer: Value = serde_json::from_str(told.trim()).expect(&told);
    let text = |member: &str| answer[member].as_str().expect(member).to_owned();
    (text("status"), text("message"))
}

#[tokio::test]
async fn argo_cd_and_flux_see_health() {
    let world = World::new(&[]).await;
    let get = |kind: &str, name: &str| -> Value {
        let text = world.kubectl(&["get", kind, name, "-n", &world.namespace, "-o", "json"]);
        serde_json::from_str(&text).expect("JSON")
    };
    world.apply(&manifests());
    let fresh = get("oidcclient", "demo");
    let (health, _) = argo("OidcClient", &fresh);
    assert_eq!(health, "Progressing", "the operator has not seen it yet");
    assert_eq!(flux(&fresh), "Unknown");

    let _operator = world.operator("op-0");
    all_ready(&world).await;
    world.key_is("main", "Ready", "True").await;
    for (kind, name) in [
        ("OidcClient", "demo"),
        ("OidcUser", "jane"),
        ("SigningKey", "main"),
    ] {
        let mut object = get(kind, name);
        let (health, message) = argo(kind, &object);
        assert_eq!(
            (health.as_str(), kstatus(&object)),
            ("Healthy", "Current"),
            "{message}"
        );
        if kind == "OidcClient" {
            assert_eq!(flux(&object), "Current");
        }
        // an edit that nobody has looked at yet
        object["metadata"]["generation"] = json!(99);
        assert_eq!(argo(kind, &object).0, "Progressing");
        assert_eq!(kstatus(&object), "InProgress");
        // the shape of metav1.Condition, one of each type
        let conditions = object["status"]["conditions"].as_array().expect("conditions");
        let mut types = Vec::new();
        for condition in conditions {
            for member in ["type", "status", "reason", "message", "lastTransitionTime"] {
                assert!(condition[member].is_string(), "{kind}: {member}: {condition}");
            }
            assert!(condition["observedGeneration"].is_number());
            types.push(condition["type"].as_str());
        }
        types.sort();
        types.dedup();
        assert_eq!(types.len(), conditions.len());
    }

    world.apply_client("refused", "scopes: [openid, admin]");
    world.client_is("refused", "Accepted", "False").await;
    let refused = get("oidcclient", "refused");
    let (health, message) = argo("OidcClient", &refused);
    assert_eq!((health.as_str(), kstatus(&refused)), ("Degraded", "InProgress"));
    assert_eq!(flux(&refused), "Failed");
    assert!(
        message.contains("NotGranted") && message.contains("admin"),
        "{message}"
    );

    world.apply_client("waits", "secretRef: {name: absent}");
    world.client_is("waits", "CredentialsReady", "False").await;
    let waits = get("oidcclient", "waits");
    let (health, message) = argo("OidcClient", &waits);
    assert_eq!((health.as_str(), flux(&waits)), ("Degraded", "InProgress"));
    assert!(message.contains("SecretNotFound"), "{message}");
}

/// The names that a resource, and what it means, have after Kustomize.
fn renamed(built: &str, kind: &str, name: &str, pointer: &str) -> Value {
    let objects: Vec<Value> = serde_yaml::from_multiple(built).expect("YAML");
    let mut found = objects
        .into_iter()
        .filter(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    let object = found.next().expect(name);
    object.pointer(pointer).cloned().unwrap_or_default()
}

#[tokio::test]
async fn kustomize_follows_the_names() {
    let world = World::new(&[]).await;
    let folder = world.file("kustomize");
    std::fs::create_dir(&folder).expect("a folder");
    for name in [
        "client.yaml",
        "deployment.yaml",
        "kustomization.yaml",
        "names.yaml",
    ] {
        let mut text = shown(&format!("# {name}\n"));
        if name == "client.yaml" {
            // all else that names.yaml speaks of
            for more in [
                secret("shop-secret", "CLIENT_SECRET", &"a1b2c3d4".repeat(8)),
                secret("jane-password", "password", "correct horse battery staple"),
                "{apiVersion: v1, kind: ServiceAccount, metadata: {name: reports}}\n".to_owned(),
                client(
                    "own",
                    "secretRef: {name: shop-secret}, rolloutRestart: [{kind: Deployment, name: shop}]",
                ),
                "{apiVersion: oidc-operator.dev/v1alpha1, kind: OidcClient, metadata: {name: reports},
                  spec: {applicationType: service, grantTypes: [client_credentials], scopes: [openid],
                         authentication: {serviceAccounts: [{name: reports}]}}}\n"
                    .to_owned(),
                "{apiVersion: oidc-operator.dev/v1alpha1, kind: OidcUser, metadata: {name: jane},
                  spec: {username: jane, passwordSecretRef: {name: jane-password}}}\n"
                    .to_owned(),
            ] {
                text += &format!("---\n{more}");
            }
        }
        std::fs::write(folder.join(name), text).expect("written");
    }
    let built = world.kubectl(&["kustomize", &folder.to_string_lossy()]);
    for (kind, name, pointer, meant) in [
        ("OidcClient", "staging-shop", "/spec/secret/name", "staging-shop"),
        (
            "OidcClient",
            "staging-shop",
            "/spec/redirectUris/1",
            "https://shop.staging.example.com/callback",
        ),
        (
            "Deployment",
            "staging-shop",
            "/spec/template/spec/containers/0/envFrom/0/secretRef/name",
            "staging-shop",
        ),
        (
            "OidcClient",
            "staging-own",
            "/spec/secretRef/name",
            "staging-shop-secret",
        ),
        (
            "OidcClient",
            "staging-own",
            "/spec/rolloutRestart/0/name",
            "staging-shop",
        ),
        (
            "OidcClient",
            "staging-reports",
            "/spec/authentication/serviceAccounts/0/name",
            "staging-reports",
        ),
        (
            "OidcUser",
            "staging-jane",
            "/spec/passwordSecretRef/name",
            "staging-jane-password",
        ),
    ] {
        assert_eq!(
            renamed(&built, kind, name, pointer),
            meant,
            "{kind} {name}{pointer}"
        );
    }

    // and the API server and the operator take it
    world.apply(&built);
    let _operator = world.operator("op-0");
    world.client_is("staging-shop", "Ready", "True").await;
    world.client_is("staging-own", "Ready", "True").await;
    world.user_is("staging-jane", "Ready", "True").await;
    let generated = world.secrets().get("staging-shop").await.expect("there");
    let id = &generated.data.expect("keys")["CLIENT_ID"];
    assert_eq!(id.0, format!("{}.staging-shop", world.namespace).into_bytes());
}

#[tokio::test]
async fn a_client_that_is_refused_again_and_again_makes_few_events() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    for turn in 0..20 {
        world.apply_client(
            "loud",
            &format!("scopes: [openid, admin], displayName: \"Turn {turn}\""),
        );
        // of this generation
        world.client_is("loud", "Accepted", "False").await;
    }
    world.told("NotGranted", "admin").await;
    let loud = world.clients().get("loud").await.expect("there");
    assert_eq!(loud.metadata.generation, Some(20));
    let events = world
        .api::<Event>()
        .list(&ListParams::default())
        .await
        .expect("listed");
    let about = events.items.iter().filter(|event| {
        let regarding = event.regarding.as_ref();
        regarding.and_then(|object| object.uid.as_deref()) == loud.metadata.uid.as_deref()
    });
    let reasons: Vec<_> = about
        .map(|event| event.reason.clone().unwrap_or_default())
        .collect();
    assert!((1..=2).contains(&reasons.len()), "{reasons:?}");
}

#[tokio::test]
async fn columns_and_explanations_answer_questions() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply_client("demo", "");
    world.client_is("demo", "Ready", "True").await;
    let table = world.kubectl(&["get", "oidcclients", "-n", &world.namespace]);
    let mut lines = table.lines();
    let head = lines.next().unwrap_or_default();
    for column in ["NAME", "CLIENT ID", "READY", "REASON", "SECRET", "AGE"] {
        assert!(head.contains(column), "{head}");
    }
    let row = lines.next().unwrap_or_default();
    assert!(
        row.contains(&format!("{}.demo", world.namespace)) && row.contains("demo-oidc"),
        "{row}"
    );

    for (kind, part) in [
        ("oidcclient.spec.redirectUris", "DESCRIPTION"),
        ("oidcclient.spec.authentication", "FIELDS"),
        ("oidcclient.status.conditions", "Accepted"),
        ("signingkey.spec", "FIELDS"),
        ("oidcuser.spec", "FIELDS"),
    ] {
        let text = world.kubectl(&["explain", kind]);
        assert!(
            text.contains(part) && !text.contains("<no description>"),
            "{kind}: {text}"
        );
    }
    let described = |name: &str| world.kubectl(&["describe", "oidcclient", name, "-n", &world.namespace]);
    let told = described("demo");
    assert!(told.contains("Conditions:") && told.contains("Events:"), "{told}");

    // of one that is refused: what is wrong with which field and what to do, as a condition and as an Event
    world.apply_client("refused", "scopes: [openid, payroll]");
    world.client_is("refused", "Accepted", "False").await;
    world.told("NotGranted", "payroll").await;
    let told = described("refused");
    let (conditions, events) = told.split_once("Events:").expect("both parts");
    for (part, what) in [(conditions, "the conditions"), (events, "the Events")] {
        for text in [
            "NotGranted",
            "spec.scopes[1]",
            "payroll",
            "have it added to the installation's grants",
        ] {
            assert!(part.contains(text), "{text} in {what}: {told}");
        }
    }
    assert!(events.contains("Warning"), "{told}");
}
