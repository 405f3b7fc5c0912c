//! Stories of `spec.rotation`.

use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use oidc_crds::names::ANNOTATION_CREDENTIAL_ID;
use oidc_crds::resources::OidcClient;
use oidc_crds::resources::oidc_client::Credential;
use serde_json::json;

use crate::clients::{accepts, credentials, held};
use crate::harness::{SOON, World, client, wait};
use crate::pod::{Pod, Proxy};

async fn credential_id(world: &World) -> String {
    let secret = world.secrets().get("demo-oidc").await.expect("there");
    secret.annotations()[ANNOTATION_CREDENTIAL_ID].clone()
}

fn listed(client: &OidcClient) -> &[Credential] {
    &client.status.as_ref().expect("a status").credentials
}

/// Waits until the Secret holds another credential than this, and the status is written; the client.
async fn rotated(world: &World, from: &str) -> OidcClient {
    wait(
        "the secret is replaced, and the old one retires",
        SOON,
        async || {
            let demo = world.clients().get("demo").await.expect("there");
            let id = credential_id(world).await;
            let (last, others) = listed(&demo).split_last()?;
            let done = id != from && last.id == id && others.iter().all(|other| other.retires_at.is_some());
            done.then_some(demo)
        },
    )
    .await
}

/// Everything that was woken before is done once another client is ready.
async fn calm(world: &World, probe: &str) {
    world.apply_client(probe, "");
    world.client_is(probe, "Ready", "True").await;
}

/// The current credential is so much older, as if time had passed.
async fn age(world: &World, by: SignedDuration) {
    wait("the status is written", SOON, async || {
        let mut demo = world.clients().get("demo").await.expect("there");
        let status = demo.status.as_mut().expect("a status");
        let current = status.credentials.last_mut().expect("a credential");
        current.created_at = Time(current.created_at.0 - by);
        demo.metadata.managed_fields = None;
        let written = world
            .clients()
            .replace_status("demo", &Default::default(), &demo)
            .await;
        written.ok()
    })
    .await;
}

#[tokio::test]
async fn each_new_word_rotates_once_and_both_secrets_are_accepted() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    let example = include_str!("../../../examples/rotation/client.yaml");
    world.apply(example);
    let demo = world.client_is("demo", "Ready", "True").await;
    assert!(demo.status.is_some_and(|status| status.next_rotation.is_some()));
    let (old, id) = (held(&world, "demo-oidc").await, credential_id(&world).await);
    let before = world.now().await;
    world.apply(&example.replace("\"2026-11-25\"", "second"));
    let demo = rotated(&world, &id).await;
    let new = held(&world, "demo-oidc").await;
    assert_ne!(new.expose(), old.expose());
    assert!(accepts(&world, &demo, &old).await && accepts(&world, &demo, &new).await);
    let status = demo.status.clone().expect("a status");
    assert_eq!(
        status.rotation.and_then(|known| known.now).as_deref(),
        Some("second")
    );
    let told = wait("an Event", SOON, async || {
        world.events("CredentialRotated").await.into_iter().next()
    })
    .await;
    assert!(told.contains("spec.rotation.now") && told.contains(&id), "{told}");

    calm(&world, "probe").await;
    let writes = world.writes_since(&before).await;
    let of = |what: &str| writes.iter().filter(|write| write.contains(what)).count();
    assert_eq!(of("modified Secret demo-oidc"), 1, "{writes:?}");
    assert_eq!(
        of("modified OidcClient demo"),
        3,
        "the edit, and a status on each side: {writes:?}"
    );
    let columns = world.kubectl(&["get", "oidcc", "demo", "-n", &world.namespace, "-o", "wide"]);
    assert!(
        columns.contains("SECRET AGE") && columns.contains("NEXT ROTATION"),
        "{columns}"
    );
}

#[tokio::test]
async fn pods_accept_both_secrets_meanwhile_and_the_old_ones_no_longer_than_that() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    let rotate = |word: &str, overlap: &str| {
        let rotation = format!("rotation: {{now: {word}, overlap: {overlap}}}");
        let grants = "grantTypes: [authorization_code, client_credentials]";
        world.apply_client("demo", &format!("{grants}, {rotation}"));
    };
    rotate("first", "1h");
    world.client_is("demo", "Ready", "True").await;
    let (mut secrets, mut id) = (
        vec![world.secret_data("demo-oidc").await],
        credential_id(&world).await,
    );
    let proxy = Proxy::start(&world);
    let pod = Pod::start(&world, "oidc-provider-a", &proxy).await;
    pod.serves(&secrets[0]).await;
    for (word, overlap) in [("second", "1h"), ("third", "5s")] {
        rotate(word, overlap);
        rotated(&world, &id).await;
        id = credential_id(&world).await;
        let newest = world.secret_data("demo-oidc").await;
        // its digest came before it, so no pod may refuse it that has heard of it
        pod.serves(&newest).await;
        if overlap == "1h" {
            assert_eq!(pod.token(&secrets[0]).await.status(), 200);
        }
        secrets.push(newest);
    }
    // the shorter overlap is for both that were replaced
    for old in &secrets[..2] {
        pod.refuses(old, SOON).await;
    }
    assert_eq!(pod.token(&secrets[2]).await.status(), 200);
}

#[tokio::test]
async fn an_interval_rotates_and_a_missed_one_is_made_up_once() {
    let world = World::new(&[]).await;
    let operator = world.operator("op-0");
    world.apply_client("demo", "rotation: {interval: 1h, overlap: 30m}");
    let demo = world.client_is("demo", "Ready", "True").await;
    let next = demo
        .status
        .as_ref()
        .and_then(|status| status.next_rotation.clone());
    assert_eq!(
        next.expect("shown").0,
        listed(&demo)[0].created_at.0 + SignedDuration::from_hours(1)
    );
    // It is due in some seconds, and the operator's own timer finds it.
    let (old, id) = (held(&world, "demo-oidc").await, credential_id(&world).await);
    age(&world, SignedDuration::from_secs(3600 - 5)).await;
    let demo = rotated(&world, &id).await;
    assert!(accepts(&world, &demo, &old).await);
    let [before, after] = listed(&demo) else {
        panic!("two are accepted: {:?}", listed(&demo));
    };
    let retires = before.retires_at.clone().expect("planned").0;
    assert_eq!(retires, after.created_at.0 + SignedDuration::from_mins(30));

    // The operator is away for three intervals.
    operator.signal("KILL");
    let id = credential_id(&world).await;
    age(&world, SignedDuration::from_mins(200)).await;
    let before = world.now().await;
    let _operator = world.operator("op-1");
    let demo = rotated(&world, &id).await;
    let made = listed(&demo).last().expect("there").created_at.0;
    let next = demo
        .status
        .as_ref()
        .and_then(|status| status.next_rotation.clone());
    assert_eq!(next.expect("shown").0, made + SignedDuration::from_hours(1));
    calm(&world, "probe").await;
    let writes = world.writes_since(&before).await;
    let secret = writes.iter().filter(|write| write.ends_with("Secret demo-oidc"));
    assert_eq!(secret.count(), 1, "{writes:?}");
}

#[tokio::test]
async fn an_operator_that_dies_between_the_writes_leaves_nobody_outside() {
    let world = World::new(&[]).await;
    let operator = world.operator("op-0");
    world.apply_client("demo", "");
    world.client_is("demo", "Ready", "True").await;
    let (old, id) = (held(&world, "demo-oidc").await, credential_id(&world).await);
    // The status can be written, the Secret cannot.
    let of_clients = format!("{}-oidc-operator-clients", world.namespace);
    for role in ["oidc-operator", &of_clients] {
        let verbs = r#"[{"op": "test", "path": "/rules/2/resources", "value": ["secrets"]},
            {"op": "replace", "path": "/rules/2/verbs", "value": ["get", "list", "watch", "create"]}]"#;
        world.kubectl(&[
            "patch",
            "role",
            role,
            "-n",
            &world.namespace,
            "--type=json",
            "-p",
            verbs,
        ]);
    }
    world.apply_client("demo", "rotation: {now: a, overlap: 0s}");
    let demo = world.client_is("demo", "Ready", "False").await;
    operator.signal("KILL");
    assert_eq!(credentials(&demo), 2);
    assert!(
        listed(&demo)[0].retires_at.is_none(),
        "not before the new one is delivered"
    );
    assert!(accepts(&world, &demo, &old).await);
    let undelivered = listed(&demo)[1].id.clone();

    world.install(&[]);
    let _operator = world.operator("op-1");
    let demo = rotated(&world, &id).await;
    assert_ne!(credential_id(&world).await, undelivered);
    assert!(accepts(&world, &demo, &held(&world, "demo-oidc").await).await);
    assert!(!accepts(&world, &demo, &old).await, "no overlap was asked for");
    world.client_is("demo", "Ready", "True").await;
    calm(&world, "probe").await;
    let now = world.clients().get("demo").await.expect("there");
    assert_eq!(listed(&now), listed(&demo), "the word rotated once");
}

#[tokio::test]
async fn a_given_secret_is_not_rotated_and_says_why() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    let refused = world.try_apply(&client("demo", "secretRef: {name: mine}, rotation: {now: a}"));
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("yours to rotate"), "{told}");
    world.apply_client("demo", "rotation: {interval: 2h, overlap: 3h}");
    let demo = world.client_is("demo", "Accepted", "False").await;
    let conditions = &demo.status.as_ref().expect("a status").conditions;
    assert!(
        conditions[0].message.contains("spec.rotation.interval"),
        "{conditions:?}"
    );
    let there = world.secrets().get_opt("demo-oidc").await.expect("readable");
    assert!(there.is_none());
    world
        .patch::<OidcClient>("demo", json!({"spec": {"rotation": null}}))
        .await;
    world.client_is("demo", "Ready", "True").await;
    world.delete::<Secret>("demo-oidc").await;
}

const RESTARTED: &str = "restarted-for.oidc-operator.dev/";

/// Three workloads without pods, as `examples/rotation/restart.yaml` names them.
fn apply_workloads(world: &World) {
    let names = [
        ("Deployment", "shop"),
        ("StatefulSet", "shop-worker"),
        ("DaemonSet", "shop-agent"),
    ];
    for (kind, name) in names {
        let count = if kind == "DaemonSet" { "" } else { "replicas: 0," };
        let service = if kind == "StatefulSet" {
            "serviceName: shop,"
        } else {
            ""
        };
        world.apply(&format!(
            "{{apiVersion: apps/v1, kind: {kind}, metadata: {{name: {name}}}, spec: {{{count} {service}
              selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}},
              spec: {{nodeSelector: {{none: here}}, containers: [{{name: a, image: example.com/a}}]}}}}}}}}"
        ));
    }
}

fn restarted_at(template: &PodTemplateSpec) -> Option<String> {
    let annotations = template.metadata.as_ref()?.annotations.as_ref()?;
    annotations.get("kubectl.kubernetes.io/restartedAt").cloned()
}

/// Of each workload: when it was restarted, and for which credential.
async fn restarts(world: &World, uid: &str) -> [(Option<String>, Option<String>); 3] {
    let key = format!("{RESTARTED}{uid}");
    let deployment = world.api::<Deployment>().get("shop").await.expect("there");
    let set = world
        .api::<StatefulSet>()
        .get("shop-worker")
        .await
        .expect("there");
    let daemons = world.api::<DaemonSet>().get("shop-agent").await.expect("there");
    [
        (
            restarted_at(&deployment.spec.clone().expect("a spec").template),
            deployment.annotations().get(&key).cloned(),
        ),
        (
            restarted_at(&set.spec.clone().expect("a spec").template),
            set.annotations().get(&key).cloned(),
        ),
        (
            restarted_at(&daemons.spec.clone().expect("a spec").template),
            daemons.annotations().get(&key).cloned(),
        ),
    ]
}

fn restarted_for(client: &OidcClient) -> Option<String> {
    client.status.as_ref()?.rotation.as_ref()?.restarted_for.clone()
}

const RESTART: &str = include_str!("../../../examples/rotation/restart.yaml");

#[tokio::test]
async fn a_new_secret_restarts_the_named_workloads_once() {
    let world = World::new(&["rolloutRestart.enabled=true"]).await;
    let operator = world.operator("op-0");
    apply_workloads(&world);
    world.apply(RESTART);
    let shop = world.client_is("shop", "Ready", "True").await;
    let uid = shop.uid().expect("a UID");
    let first = restarted_for(&shop);
    assert!(first.is_some());
    assert_eq!(
        restarts(&world, &uid).await,
        [(None, None), (None, None), (None, None)]
    );

    let missing = "rolloutRestart:\n    - {kind: Deployment, name: gone}";
    world.apply(
        &RESTART
            .replace("\"2026-11-25\"", "second")
            .replace("rolloutRestart:", missing),
    );
    let shop = wait("the restarts are noted", SOON, async || {
        let shop = world.clients().get("shop").await.expect("there");
        (restarted_for(&shop) != first).then_some(shop)
    })
    .await;
    let done = restarts(&world, &uid).await;
    for (at, of) in &done {
        assert!(at.is_some());
        assert_eq!(*of, restarted_for(&shop));
    }
    world.client_is("shop", "Ready", "True").await;
    for (reason, part) in [
        ("WorkloadRestarted", "StatefulSet shop-worker"),
        ("WorkloadNotFound", "gone"),
    ] {
        wait(reason, SOON, async || {
            let told = world.events(reason).await;
            told.iter().any(|told| told.contains(part)).then_some(())
        })
        .await;
    }

    // The operator dies before it has noted the restarts.
    operator.signal("KILL");
    wait("the note is taken back", SOON, async || {
        let mut shop = world.clients().get("shop").await.expect("there");
        let noted = shop.status.as_mut().and_then(|status| status.rotation.as_mut());
        noted.expect("noted").restarted_for.clone_from(&first);
        shop.metadata.managed_fields = None;
        let written = world
            .clients()
            .replace_status("shop", &Default::default(), &shop)
            .await;
        written.ok()
    })
    .await;
    let _operator = world.operator("op-1");
    wait("the restarts are noted again", SOON, async || {
        let shop = world.clients().get("shop").await.expect("there");
        (restarted_for(&shop) != first).then_some(())
    })
    .await;
    assert_eq!(restarts(&world, &uid).await, done, "nothing is restarted twice");
}

#[tokio::test]
async fn without_the_right_nothing_is_restarted_and_the_client_is_ready() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    apply_workloads(&world);
    world.apply(RESTART);
    let shop = world.client_is("shop", "Ready", "True").await;
    let first = restarted_for(&shop);
    world.apply(&RESTART.replace("\"2026-11-25\"", "second"));
    wait("it is noted, so that nobody tries for ever", SOON, async || {
        let shop = world.clients().get("shop").await.expect("there");
        (restarted_for(&shop) != first).then_some(())
    })
    .await;
    let told = wait("an Event", SOON, async || {
        world.events("RestartForbidden").await.into_iter().next()
    })
    .await;
    assert!(told.contains("rolloutRestart.enabled"), "{told}");
    world.client_is("shop", "Ready", "True").await;
    let uid = shop.uid().expect("a UID");
    assert_eq!(
        restarts(&world, &uid).await,
        [(None, None), (None, None), (None, None)]
    );
}
