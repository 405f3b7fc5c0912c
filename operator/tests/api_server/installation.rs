//! The installation's ConfigMap, its namespaces, and the operator's own Secrets.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::Api;
use oidc_crds::credentials::verify;
use oidc_crds::resources::OidcClient;
use oidc_crds::secrets::app::client_secret;
use serde_json::json;

use crate::harness::{SOON, World, condition, wait};

/// Waits until a client of another namespace has this condition.
pub async fn is_in(world: &World, namespace: &str, name: &str, kind: &str, holds: &str) -> OidcClient {
    let api: Api<OidcClient> = Api::namespaced(world.client.clone(), namespace);
    wait(&format!("{namespace}/{name}: {kind}={holds}"), SOON, async || {
        let client = api.get_opt(name).await.expect("readable")?;
        let conditions = &client.status.as_ref()?.conditions;
        conditions
            .iter()
            .any(|condition| condition.type_ == kind && condition.status == holds)
            .then_some(client)
    })
    .await
}

pub async fn create_in(world: &World, namespace: &str, name: &str, class: Option<&str>) {
    let client = json!({
        "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient", "metadata": {"name": name},
        "spec": {"redirectUris": ["https://app.example.com/cb"], "className": class},
    });
    let api: Api<OidcClient> = Api::namespaced(world.client.clone(), namespace);
    let client = serde_json::from_value(client).expect("a client");
    api.create(&Default::default(), &client).await.expect("created");
}

#[tokio::test]
async fn without_an_installation_it_waits_and_a_bad_one_leaves_the_last_good_one() {
    let world = World::new(&[]).await;
    let map: ConfigMap = world.api().get("oidc-installation").await.expect("there");
    world.delete::<ConfigMap>("oidc-installation").await;
    let operator = world.operator("op-0");
    wait("it serves health", SOON, async || {
        operator.get("/health/live").await
    })
    .await;
    let (status, text) = operator.get("/health/ready").await.expect("an answer");
    assert_eq!(status, 503, "{text}");
    world.apply_client("demo", "");

    let good = map.data.expect("data");
    let mut again = ConfigMap::default();
    again.metadata.name = Some("oidc-installation".into());
    again.data = Some(good.clone());
    let maps: Api<ConfigMap> = world.api();
    maps.create(&Default::default(), &again).await.expect("created");
    world.client_is("demo", "Ready", "True").await;
    operator.health_is(200).await;
    operator.metric_is("oidc_operator_installation_valid", 1.0).await;

    let edit = json!({"data": {"installation.yaml": "release: [oops"}});
    world.patch::<ConfigMap>("oidc-installation", edit).await;
    operator.metric_is("oidc_operator_installation_valid", 0.0).await;
    let next = format!(
        "{}\nmail: {{server: smtp.example.com}}\n",
        good["installation.yaml"]
    );
    let edit = json!({"data": {"installation.yaml": next}});
    world.patch::<ConfigMap>("oidc-installation", edit).await;
    operator.metric_is("oidc_operator_installation_valid", 1.0).await;
    world.apply_client("more", "");
    world.client_is("more", "Ready", "True").await;
    world.delete::<ConfigMap>("oidc-installation").await;
    world.apply_client("still", "");
    world.client_is("still", "Ready", "True").await;
}

#[tokio::test]
async fn other_namespaces_are_served_without_a_restart() {
    let mut world = World::empty().await;
    let (one, two) = (world.other_namespace(), world.other_namespace());
    world.install(&[&format!("watchNamespaces={{{one}}}")]);
    let _operator = world.operator("op-0");
    create_in(&world, &one, "demo", None).await;
    create_in(&world, &two, "demo", None).await;
    is_in(&world, &one, "demo", "Ready", "True").await;
    let clients: Api<OidcClient> = Api::namespaced(world.client.clone(), &two);
    assert_eq!(clients.get("demo").await.expect("there").status, None);
    world.install(&[&format!("watchNamespaces={{{one},{two}}}")]);
    is_in(&world, &two, "demo", "Ready", "True").await;
}

#[tokio::test]
async fn clients_of_a_namespace_that_is_served_no_more_are_told_so() {
    let mut world = World::empty().await;
    let (one, two) = (world.other_namespace(), world.other_namespace());
    let class = world.namespace.clone();
    let both = format!("watchNamespaces={{{one},{two}}}");
    let only = format!("watchNamespaces={{{one}}}");
    world.install(&[&both]);
    let operator = world.operator("op-0");
    let clients: Api<OidcClient> = Api::namespaced(world.client.clone(), &two);
    for (name, class) in [
        ("demo", None),
        ("named", Some(class.as_str())),
        ("other", Some("else")),
    ] {
        create_in(&world, &two, name, class).await;
    }
    let ready = is_in(&world, &two, "demo", "Ready", "True").await;
    is_in(&world, &two, "named", "Ready", "True").await;
    // Since then somebody else wrote it, which a watch that has ended does not tell.
    world.kubectl(&["annotate", "oidcclient", "demo", "-n", &two, "note=here"]);
    world.install(&[&only]);
    for name in ["demo", "named"] {
        let refused = is_in(&world, &two, name, "Accepted", "False").await;
        let status = refused.status.expect("a status");
        for kind in ["Accepted", "Ready"] {
            let (reason, message) = condition(&status.conditions, kind);
            assert_eq!(reason, "NamespaceNotServed");
            assert!(message.contains(&two), "{message}");
        }
    }
    let events: Api<Event> = Api::namespaced(world.client.clone(), &two);
    wait("an Event", SOON, async || {
        let events = events.list(&Default::default()).await.expect("listed");
        let mut reasons = events.items.iter().map(|event| event.reason.as_deref());
        reasons
            .any(|found| found == Some("NamespaceNotServed"))
            .then_some(())
    })
    .await;
    assert_eq!(clients.get("other").await.expect("there").status, None);
    let refused = clients
        .get("demo")
        .await
        .expect("there")
        .status
        .expect("a status");
    let credentials = &ready.status.as_ref().expect("a status").credentials;
    assert_eq!(&refused.credentials, credentials, "nothing is lost");
    world.install(&[&both]);
    let again = is_in(&world, &two, "demo", "Ready", "True").await;
    assert_eq!(&again.status.expect("a status").credentials, credentials);

    // Where the rights are gone already nobody can be told, and nobody is held up.
    let binding = format!("{}-oidc-operator-clients", world.namespace);
    world.kubectl(&["delete", "rolebinding", &binding, "-n", &two]);
    world.install(&[&only]);
    operator.says("it cannot be told so").await;
    create_in(&world, &one, "demo", None).await;
    is_in(&world, &one, "demo", "Ready", "True").await;
}

#[tokio::test]
async fn nobody_is_served_before_the_classes_are_known() {
    let world = World::new(&[]).await;
    let binding = format!("{}-oidc-classes", world.namespace);
    world.kubectl(&["delete", "clusterrolebinding", &binding]);
    world.apply_client("demo", "");
    let operator = world.operator("op-0");
    operator.leads().await;
    operator.says_line(&["a watch broke", "OidcClass"]).await;
    operator.metric_is("oidc_operator_installation_valid", 1.0).await;
    operator.health_is(503).await;
    assert_eq!(world.clients().get("demo").await.expect("there").status, None);
    assert!(
        world
            .secrets()
            .get_opt("oidc-pepper")
            .await
            .expect("readable")
            .is_none()
    );
    world.install(&[]);
    world.client_is("demo", "Ready", "True").await;
    operator.health_is(200).await;
}

#[tokio::test]
async fn a_namespace_that_is_gone_holds_nobody_up() {
    let mut world = World::empty().await;
    let (one, two) = (world.other_namespace(), world.other_namespace());
    world.install(&[&format!("watchNamespaces={{{one},{two}}}")]);
    world.kubectl(&["delete", "namespace", &two]);
    let _operator = world.operator("op-0");
    create_in(&world, &one, "demo", None).await;
    is_in(&world, &one, "demo", "Ready", "True").await;
    world.key_is("main", "Ready", "True").await;
}

#[tokio::test]
async fn cluster_wide_labels_of_namespaces_decide() {
    let mut world = World::empty().await;
    let team = world.other_namespace();
    // A value of its own: other tests' namespaces must not match.
    let selector = format!("namespaceSelector.matchLabels.sso={}", world.namespace);
    world.install(&["clusterWide=true", "defaultClass=false", &selector]);
    let _operator = world.operator("op-0");
    create_in(&world, &team, "demo", Some(&world.namespace)).await;
    let refused = is_in(&world, &team, "demo", "Accepted", "False").await;
    let status = refused.status.expect("a status");
    assert_eq!(condition(&status.conditions, "Accepted").0, "NamespaceNotServed");
    world.kubectl(&["label", "namespace", &team, &format!("sso={}", world.namespace)]);
    is_in(&world, &team, "demo", "Ready", "True").await;
    world.kubectl(&["label", "namespace", &team, "sso-"]);
    is_in(&world, &team, "demo", "Accepted", "False").await;
    let name = format!("{}-oidc-operator", world.namespace);
    world.kubectl(&["delete", "clusterrole,clusterrolebinding", &name]);
}

#[tokio::test]
async fn what_is_not_allowed_any_more_is_refused_and_nothing_is_lost() {
    let mut world = World::empty().await;
    let team = world.other_namespace();
    let selector = format!("namespaceSelector.matchLabels.sso={}", world.namespace);
    let base = ["clusterWide=true", "defaultClass=false", &selector];
    let grants = [
        "grants[0].namespaces={*}",
        "grants[0].audiences={https://orders.example.com}",
    ];
    let granted: Vec<&str> = base.iter().chain(&grants).copied().collect();
    world.install(&granted);
    world.kubectl(&["label", "namespace", &team, &format!("sso={}", world.namespace)]);
    let operator = world.operator("op-0");
    let spec = json!({
        "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient", "metadata": {"name": "demo"},
        "spec": {
            "redirectUris": ["https://app.example.com/cb"], "className": world.namespace,
            "audiences": ["https://orders.example.com"],
        },
    });
    let clients: Api<OidcClient> = Api::namespaced(world.client.clone(), &team);
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &team);
    let made = serde_json::from_value(spec).expect("a client");
    clients.create(&Default::default(), &made).await.expect("created");
    let ready = is_in(&world, &team, "demo", "Ready", "True").await;
    let secret = secrets.get("demo-oidc").await.expect("there");

    for (reason, by_label) in [("NotGranted", false), ("NamespaceNotServed", true)] {
        if by_label {
            world.kubectl(&["label", "namespace", &team, "sso-"]);
        } else {
            world.install(&base);
        }
        let refused = is_in(&world, &team, "demo", "Accepted", "False").await;
        let status = refused.status.clone().expect("a status");
        assert_eq!(condition(&status.conditions, "Accepted").0, reason);
        assert_eq!(condition(&status.conditions, "Ready").0, reason);
        assert_eq!(
            status.credentials,
            ready.status.as_ref().expect("a status").credentials
        );
        assert_eq!(refused.spec, ready.spec, "nobody edits a spec");
        operator.reconciled("OidcClient", reason).await;
        let events: Api<Event> = Api::namespaced(world.client.clone(), &team);
        wait(&format!("an Event {reason}"), SOON, async || {
            let events = events.list(&Default::default()).await.expect("listed");
            let mut reasons = events.items.iter().map(|event| event.reason.as_deref());
            reasons.any(|found| found == Some(reason)).then_some(())
        })
        .await;
        assert_eq!(secrets.get("demo-oidc").await.expect("there"), secret);
        if by_label {
            world.kubectl(&["label", "namespace", &team, &format!("sso={}", world.namespace)]);
        } else {
            world.install(&granted);
        }
        is_in(&world, &team, "demo", "Ready", "True").await;
        // the same secret as before
        assert_eq!(secrets.get("demo-oidc").await.expect("there").data, secret.data);
    }
    let name = format!("{}-oidc-operator", world.namespace);
    world.kubectl(&["delete", "clusterrole,clusterrolebinding", &name]);
}

#[tokio::test]
async fn a_client_of_another_class_is_not_written_to() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    create_in(&world, &world.namespace, "other", Some("else")).await;
    create_in(&world, &world.namespace, "ours", Some(&world.namespace)).await;
    world.client_is("ours", "Ready", "True").await;
    let other = world.clients().get("other").await.expect("there");
    assert_eq!(other.status, None);
    assert!(
        world
            .secrets()
            .get_opt("other-oidc")
            .await
            .expect("readable")
            .is_none()
    );
}

#[tokio::test]
async fn a_namespace_holds_one_installation() {
    let world = World::new(&[]).await;
    let again = |release: &str| {
        let mut helm = std::process::Command::new("helm");
        helm.args(["template", "--dry-run=server", release])
            .arg(crate::harness::chart())
            .args([
                "--namespace",
                &world.namespace,
                "--set",
                "redis.url=redis://redis",
            ]);
        helm.env("KUBECONFIG", std::env::var("KUBECONFIG").expect("set"));
        helm.output().expect("helm is in PATH")
    };
    let refused = again("second");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && told.contains("the release oidc is in the namespace"),
        "{told}"
    );
    let same = again("oidc");
    assert!(!String::from_utf8_lossy(&same.stderr).contains("one installation per namespace"));
}

#[tokio::test]
async fn a_new_grant_is_taken_up_at_once() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply_client("demo", "audiences: [\"https://orders.example.com\"]");
    world.client_is("demo", "Accepted", "False").await;
    world.install(&[
        "grants[0].namespaces={*}",
        "grants[0].audiences={https://orders.example.com}",
    ]);
    world.client_is("demo", "Ready", "True").await;
}

#[tokio::test]
async fn own_secrets_are_made_and_a_deleted_one_is_made_anew() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    for name in [
        "oidc-pepper",
        "oidc-key-ring",
        "oidc-ca",
        "oidc-tls",
        "oidc-key-set",
    ] {
        world.secret_data(name).await;
        let secret = world.secrets().get(name).await.expect("there");
        assert!(
            secret.owner_references().is_empty(),
            "{name} survives an uninstallation"
        );
        assert_eq!(secret.labels()["app.kubernetes.io/managed-by"], "oidc");
    }
    let ca = world.secret_data("oidc-ca").await;
    let tls = world.secret_data("oidc-tls").await;
    assert_eq!(tls["ca.crt"], ca["tls.crt"]);
    world.apply_client("demo", "");
    world.client_is("demo", "Ready", "True").await;
    assert_eq!(world.secret_data("demo-oidc").await["CA_CRT"], ca["tls.crt"]);

    world.delete::<Secret>("oidc-tls").await;
    let again = world.secret_data("oidc-tls").await;
    assert_ne!(again["tls.crt"], tls["tls.crt"]);
    assert_eq!(again["ca.crt"], tls["ca.crt"]);

    // A new CA reaches the apps, beside the one that signed what is served.
    world.delete::<Secret>("oidc-ca").await;
    wait("the new CA is in the app's Secret", SOON, async || {
        let new = world.secrets().get_opt("oidc-ca").await.expect("readable")?;
        let new = new.data?.remove("tls.crt")?.0;
        let told = world.secret_data("demo-oidc").await["CA_CRT"].clone();
        let both = [ca["tls.crt"].as_slice(), &new].concat();
        (told == both && new != ca["tls.crt"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_key_ring_or_pepper_that_is_deleted_is_written_again_as_it_was() {
    let world = World::new(&[]).await;
    let operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    for name in ["oidc-key-ring", "oidc-pepper"] {
        let before = world.secrets().get(name).await.expect("there");
        world.delete::<Secret>(name).await;
        let again = wait(&format!("{name} is there again"), SOON, async || {
            world.secrets().get_opt(name).await.expect("readable")
        })
        .await;
        assert_ne!(again.uid(), before.uid());
        assert!(again.data == before.data, "{name}: another would end sessions");
        operator.says_line(&["WARN", name, "written again"]).await;
    }
}

#[tokio::test]
async fn after_the_loss_of_the_pepper_digests_are_computed_again() {
    let world = World::new(&[]).await;
    let mut operator = world.operator("op-0");
    world.apply_client("demo", "");
    world.client_is("demo", "Ready", "True").await;
    let data = world.secret_data("demo-oidc").await;
    let held = client_secret(&data).expect("a client secret");
    // Nobody is there who knows it.
    operator.signal("TERM");
    operator.end().await;
    world.delete::<Secret>("oidc-pepper").await;
    let _operator = world.operator("op-1");
    wait("digests under the new pepper", SOON, async || {
        let demo = world.clients().get("demo").await.expect("there");
        let credentials = demo.status.as_ref()?.credentials.clone();
        let now = demo.creation_timestamp()?.0;
        verify(&world.pepper().await, &demo.uid()?, &credentials, &held, now).map(|_| ())
    })
    .await;
    assert_eq!(world.secret_data("demo-oidc").await, data, "apps need not change");
}

#[tokio::test]
async fn a_given_certificate_is_not_replaced_and_its_ca_reaches_the_apps() {
    let world = World::new(&["tls.secretName=given"]).await;
    let operator = world.operator("op-0");
    operator.says("the Secret given").await;
    world.apply(
        "{apiVersion: v1, kind: Secret, metadata: {name: given}, stringData: {tls.crt: cert, tls.key: key, ca.crt: OURS}}",
    );
    world.apply_client("demo", "");
    world.client_is("demo", "Ready", "True").await;
    assert_eq!(world.secret_data("demo-oidc").await["CA_CRT"], b"OURS");
    for name in ["oidc-tls", "oidc-ca"] {
        assert!(world.secrets().get_opt(name).await.expect("readable").is_none());
    }
}
