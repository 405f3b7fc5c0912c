//! Installations side by side: whose a client is, and that they leave each other's alone. A default that serves the
//! whole cluster concerns the clients of all tests, so those here run alone (`.config/nextest.toml`).

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Api;
use oidc_crds::credentials::verify;
use oidc_crds::names::ANNOTATION_INSTALLATION;
use oidc_crds::resources::OidcClient;
use oidc_crds::secrets::Data;
use oidc_crds::secrets::app::client_secret;
use serde_json::json;

use crate::harness::{Operator, SOON, World, condition, data_of, wait};
use crate::installation::{create_in, is_in};

/// Starts both operators, and waits until each knows of the other.
async fn side_by_side(one: &World, two: &World) -> (Operator, Operator) {
    let (first, second) = (one.operator("op-1"), two.operator("op-2"));
    first.says_line(&["other installations", &two.namespace]).await;
    second.says_line(&["other installations", &one.namespace]).await;
    (first, second)
}

/// Waits until an edit of a client, which all operators see, is followed by no write of anybody's.
async fn stays(world: &World, namespace: &str, name: &str) {
    let changed = format!("modified OidcClient {name}");
    let seen = std::sync::atomic::AtomicUsize::new(0);
    wait(&format!("{namespace}/{name} stays as it is"), SOON, async || {
        let version = world.now().await;
        let edit = seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let edit = format!("seen={edit}");
        world.kubectl(&[
            "annotate",
            "--overwrite",
            "oidcclient",
            name,
            "-n",
            namespace,
            &edit,
        ]);
        let writes = world.client_writes_since(namespace, &version).await;
        (writes.iter().filter(|write| **write == changed).count() == 1).then_some(())
    })
    .await;
}

async fn secret_in(world: &World, namespace: &str, name: &str) -> Option<Secret> {
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), namespace);
    secrets.get_opt(name).await.expect("readable")
}

/// Whose hand wrote an object: the field managers, without kubectl and these tests.
fn hands<K: kube::Resource>(object: &K) -> Vec<String> {
    let managers = object
        .managed_fields()
        .iter()
        .filter_map(|entry| entry.manager.clone());
    let mut operators: Vec<_> = managers.filter(|name| name.ends_with("-operator")).collect();
    operators.dedup();
    operators
}

fn reason(client: &OidcClient) -> (&str, &str) {
    condition(&client.status.as_ref().expect("a status").conditions, "Accepted")
}

#[tokio::test]
async fn the_names_of_two_releases_are_apart() {
    let (mut one, two) = (World::empty().await, World::of_release("partner").await);
    let shared = one.other_namespace();
    let watches = format!("watchNamespaces={{{shared}}}");
    one.install(&[&watches, "defaultClass=false"]);
    two.install(&[&watches, "defaultClass=false"]);
    let (first, second) = side_by_side(&one, &two).await;
    for (name, world) in [("ours", &one), ("theirs", &two)] {
        create_in(&one, &shared, name, Some(&world.namespace)).await;
    }
    for (name, world, operator) in [("ours", &one, &first), ("theirs", &two, &second)] {
        let client = is_in(&one, &shared, name, "Ready", "True").await;
        assert_eq!(hands(&client), [world.named("operator")]);
        let secret = secret_in(&one, &shared, &format!("{name}-oidc"))
            .await
            .expect("there");
        assert_eq!(hands(&secret), [world.named("operator")]);
        assert_eq!(secret.labels()["app.kubernetes.io/managed-by"], world.release);
        let lease: Lease = world.api().get(&world.named("operator")).await.expect("there");
        let holder = lease
            .spec
            .and_then(|spec| spec.holder_identity)
            .expect("a holder");
        assert!(holder.contains("op-"), "{holder}");
        operator.leads().await;
        for what in ["pepper", "key-ring", "key-set", "ca", "tls"] {
            let own = world.named(what);
            world.secret_data(&own).await;
            let own = world.secrets().get(&own).await.expect("there");
            assert_eq!(own.labels()["app.kubernetes.io/managed-by"], world.release);
        }
        stays(&one, &shared, name).await;
    }
}

#[tokio::test]
async fn two_defaults_of_one_namespace_refuse_and_write_nothing() {
    let (mut one, two) = (World::empty().await, World::of_release("partner").await);
    let shared = one.other_namespace();
    let watches = format!("watchNamespaces={{{shared}}}");
    let others = format!("watchNamespaces={{{}}}", two.namespace);
    // What else they say of the client is not the same.
    let follows = [
        "allowed.redirectHostsFromRoutes=true",
        "allowed.grantTypes={client_credentials}",
    ];
    one.install(&[&watches]);
    two.install(&[&watches, follows[0], follows[1]]);
    let (first, second) = side_by_side(&one, &two).await;
    for (name, class) in [("demo", None), ("named", Some(one.namespace.as_str()))] {
        create_in(&one, &shared, name, class).await;
    }
    is_in(&one, &shared, "named", "Ready", "True").await;
    let refused = is_in(&one, &shared, "demo", "Accepted", "False").await;
    for operator in [&first, &second] {
        operator.reconciled("OidcClient", "AmbiguousClass").await;
    }
    let (reason, message) = reason(&refused);
    assert_eq!(reason, "AmbiguousClass");
    let mut classes = [one.namespace.as_str(), two.namespace.as_str()];
    classes.sort_unstable();
    assert_eq!(
        message,
        format!(
            "spec.className: is absent, and more than one installation is the default here: name one of {}",
            classes.join(", ")
        )
    );
    stays(&one, &shared, "demo").await;
    assert_eq!(secret_in(&one, &shared, "demo-oidc").await, None);
    // The other one serves other namespaces now.
    two.install(&[&others]);
    is_in(&one, &shared, "demo", "Ready", "True").await;
    stays(&one, &shared, "demo").await;
}

#[tokio::test]
async fn a_default_that_lists_a_namespace_has_its_clients_whatever_another_selects() {
    let (one, two) = (World::new(&[]).await, World::of_release("partner").await);
    let here = one.namespace.clone();
    let selector = format!("namespaceSelector.matchLabels.sso={}", two.namespace);
    two.install(&["clusterWide=true", &selector]);
    let (_first, second) = side_by_side(&one, &two).await;
    create_in(&one, &here, "demo", None).await;
    let mut secret = None;
    for label in [
        "sso-".to_owned(),
        format!("sso={}", two.namespace),
        "sso-".to_owned(),
    ] {
        one.kubectl(&["label", "namespace", &here, &label]);
        if label.contains('=') {
            // it has seen the label
            create_in(&one, &here, "theirs", Some(&two.namespace)).await;
            is_in(&one, &here, "theirs", "Ready", "True").await;
        }
        let client = is_in(&one, &here, "demo", "Ready", "True").await;
        assert_eq!(hands(&client), ["oidc-operator"]);
        stays(&one, &here, "demo").await;
        let client = one.clients().get("demo").await.expect("there");
        assert_eq!(hands(&client), ["oidc-operator"]);
        assert_eq!(reason(&client).0, "Accepted");
        let now = secret_in(&one, &here, "demo-oidc").await.expect("there");
        assert_eq!(hands(&now), ["oidc-operator"]);
        let before = secret.get_or_insert_with(|| now.clone());
        assert_eq!(before.data, now.data);
    }
    let theirs = is_in(&one, &here, "theirs", "Accepted", "False").await;
    assert_eq!(reason(&theirs).0, "NamespaceNotServed");
    second.leads().await;
}

#[tokio::test]
async fn defaults_for_the_cluster_agree() {
    let (mut one, two) = (World::empty().await, World::of_release("partner").await);
    let team = one.other_namespace();
    let selects = |label: &str| format!("namespaceSelector.matchLabels.{label}={}", two.namespace);
    one.install(&["clusterWide=true"]);
    two.install(&["clusterWide=true", &selects("sso")]);
    let (first, second) = side_by_side(&one, &two).await;
    create_in(&one, &team, "demo", None).await;
    let label = |label: &str| one.kubectl(&["label", "namespace", &team, label]);
    let set = format!("sso={}", two.namespace);
    is_in(&one, &team, "demo", "Ready", "True").await;
    label(&set);
    create_in(&one, &team, "theirs", Some(&two.namespace)).await;
    is_in(&one, &team, "theirs", "Ready", "True").await;
    // who serves all namespaces knows no labels, so who selects leaves them alone
    stays(&one, &team, "demo").await;
    let client = is_in(&one, &team, "demo", "Ready", "True").await;
    assert_eq!(hands(&client), ["oidc-operator"]);
    let secret = secret_in(&one, &team, "demo-oidc").await.expect("there");

    // Both select: the namespace both of them, then one of them, then neither.
    one.install(&["clusterWide=true", &selects("sso")]);
    let refused = is_in(&one, &team, "demo", "Accepted", "False").await;
    assert_eq!(reason(&refused).0, "AmbiguousClass");
    stays(&one, &team, "demo").await;
    let kept = secret_in(&one, &team, "demo-oidc").await.expect("there");
    assert_eq!(kept.data, secret.data, "nothing is written");
    one.install(&["clusterWide=true", &selects("other")]);
    wait("it is the other's", SOON, async || {
        let secret = secret_in(&one, &team, "demo-oidc").await?;
        let home = secret.annotations().get(ANNOTATION_INSTALLATION)?;
        home.ends_with("/partner").then_some(())
    })
    .await;
    is_in(&one, &team, "demo", "Ready", "True").await;
    stays(&one, &team, "demo").await;
    label("sso-");
    let refused = is_in(&one, &team, "demo", "Accepted", "False").await;
    assert_eq!(reason(&refused).0, "NamespaceNotServed");
    stays(&one, &team, "demo").await;
    for operator in [&first, &second] {
        operator.leads().await;
    }
}

#[tokio::test]
async fn a_client_that_moves_to_another_class_gets_a_secret_from_there() {
    let (mut one, two) = (World::empty().await, World::of_release("partner").await);
    let shared = one.other_namespace();
    let watches = format!("watchNamespaces={{{shared}}}");
    one.install(&[&watches]);
    two.install(&[&watches, "defaultClass=false"]);
    let _operators = side_by_side(&one, &two).await;
    create_in(&one, &shared, "demo", None).await;
    is_in(&one, &shared, "demo", "Ready", "True").await;
    let clients: Api<OidcClient> = Api::namespaced(one.client.clone(), &shared);
    let mut before: Vec<(Data, Vec<String>)> = Vec::new();
    for (class, world) in [(None, &one), (Some(&two.namespace), &two), (None, &one)] {
        let edit = json!({"spec": {"className": class}}).to_string();
        one.kubectl(&[
            "patch",
            "oidcclient",
            "demo",
            "-n",
            &shared,
            "--type=merge",
            "-p",
            &edit,
        ]);
        let home = format!("{}/{}", world.namespace, world.release);
        let (client, secret) = wait(&format!("the Secret of {home}"), SOON, async || {
            let client = clients.get("demo").await.expect("there");
            let secret = secret_in(&one, &shared, "demo-oidc").await?;
            let status = client.status.as_ref()?;
            let ready = status
                .conditions
                .iter()
                .any(|one| one.type_ == "Ready" && one.status == "True");
            let same = status
                .secret
                .as_ref()
                .map(|known| known.resource_version.as_str());
            let done = ready
                && secret.annotations().get(ANNOTATION_INSTALLATION) == Some(&home)
                && same == secret.metadata.resource_version.as_deref();
            done.then_some((client, secret))
        })
        .await;
        let data = data_of(&secret);
        let issuer = format!("https://{}.{}.svc.cluster.local", world.release, world.namespace);
        assert_eq!(data["ISSUER_URL"], issuer.into_bytes());
        assert_eq!(secret.labels()["app.kubernetes.io/managed-by"], world.release);
        let status = client.status.as_ref().expect("a status");
        let (uid, now) = (
            client.uid().expect("a uid"),
            client.creation_timestamp().expect("a time").0,
        );
        let pepper = world.pepper().await;
        let is_good = |data: &Data| {
            let held = client_secret(data).expect("a client secret");
            verify(&pepper, &uid, &status.credentials, &held, now).is_some()
        };
        assert!(is_good(&data));
        let ids: Vec<String> = status.credentials.iter().map(|one| one.id.clone()).collect();
        for (old, known) in &before {
            assert!(!is_good(old), "what was issued before");
            assert!(ids.iter().all(|id| !known.contains(id)));
        }
        before.push((data, ids));
        stays(&one, &shared, "demo").await;
    }
}
