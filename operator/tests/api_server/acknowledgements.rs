//! Stories of pods that must have acknowledged a key before it signs. The pods are objects of the API
//! server without a kubelet: their status and their Leases are written here.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use oidc_crds::names::ANNOTATION_KEY_SET;
use oidc_crds::resources::SigningKey;
use oidc_crds::resources::signing_key::Phase;
use oidc_crds::secrets::key_set::KeySet;
use serde_json::{Value, json};

use crate::harness::{SOON, World, condition, wait};
use crate::keys::{has_phases, key_set, phases, revision};
use crate::rotation::clock;

/// A provider pod.
struct Provider<'a> {
    world: &'a World,
    name: &'static str,
    uid: String,
}

fn labels() -> Value {
    json!({
        "app.kubernetes.io/name": "oidc-operator",
        "app.kubernetes.io/instance": "oidc",
        "app.kubernetes.io/component": "provider",
    })
}

impl<'a> Provider<'a> {
    async fn new(world: &'a World, name: &'static str) -> Self {
        let pod = json!({
            "metadata": {"name": name, "labels": labels()},
            "spec": {
                "serviceAccountName": "oidc-provider",
                "containers": [{"name": "provider", "image": "none"}],
            },
        });
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let made = world.api::<Pod>().create(&PostParams::default(), &pod).await;
        let uid = made.expect("created").uid().expect("a uid");
        Self { world, name, uid }
    }

    /// As the kubelet would.
    async fn is_ready(&self, ready: bool) {
        let ready = if ready { "True" } else { "False" };
        let status =
            json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}});
        self.world
            .api::<Pod>()
            .patch_status(self.name, &PatchParams::default(), &Patch::Merge(&status))
            .await
            .expect("patched");
    }

    /// As the pod would.
    async fn says(&self, word: &str) {
        apply(&self.world.client, self.world, &lease(self.name, &self.uid, word))
            .await
            .expect("applied");
    }

    /// Says what the set is now.
    async fn acknowledges(&self) -> KeySet {
        let set = key_set(self.world).await;
        self.says(&set.acknowledgement()).await;
        set
    }

    /// Is deleted, but a container still runs.
    async fn is_ending(&self) {
        let held = json!({"metadata": {"finalizers": ["oidc-operator.dev/still-runs"]}});
        self.world.patch::<Pod>(self.name, held).await;
        self.world.delete::<Pod>(self.name).await;
    }

    /// The last container of one that was deleted has ended.
    async fn has_ended(&self) {
        let free = json!({"metadata": {"finalizers": null}});
        self.world.patch::<Pod>(self.name, free).await;
    }
}

fn lease(name: &str, uid: &str, word: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": name, "labels": labels(), "annotations": {ANNOTATION_KEY_SET: word},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}],
        },
        "spec": {"holderIdentity": name},
    })
}

async fn apply(client: &Client, world: &World, lease: &Value) -> kube::Result<Lease> {
    let api: Api<Lease> = Api::namespaced(client.clone(), &world.namespace);
    let name = lease["metadata"]["name"].as_str().expect("a name");
    let force = PatchParams::apply("oidc-provider").force();
    api.patch(name, &force, &Patch::Apply(lease)).await
}

/// Waits until the SigningKey waits for just these pods.
async fn waits_for(world: &World, pods: &str) {
    let api = world.api::<SigningKey>();
    wait(&format!("it waits for {pods}"), SOON, async || {
        let status = api.get("main").await.expect("there").status?;
        let (reason, message) = condition(&status.conditions, "Ready");
        let next = status.next_step.unwrap_or_default();
        let says =
            |text: &str| text.ends_with(&format!(": {pods}")) || text.ends_with(&format!(" by {pods}"));
        (reason == "WaitingForPods" && says(message) && says(&next)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn i3_a_key_signs_once_every_counted_pod_has_acknowledged_it() {
    let world = World::new(&["lifetimes.accessToken=1s", "lifetimes.idToken=1s"]).await;
    let operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let [a, b, c] = [
        Provider::new(&world, "oidc-provider-a").await,
        Provider::new(&world, "oidc-provider-b").await,
        Provider::new(&world, "oidc-provider-c").await,
    ];
    for pod in [&a, &b] {
        pod.is_ready(true).await;
        pod.acknowledges().await;
    }
    // No Lease and never ready: it has served nobody, so nobody waits for it.
    c.is_ready(false).await;

    world.patch::<SigningKey>("main", revision(1)).await;
    waits_for(&world, "oidc-provider-a, oidc-provider-b").await;
    let set = a.acknowledges().await;
    assert_eq!(phases(&set), [Phase::Active, Phase::Published]);
    waits_for(&world, "oidc-provider-b").await;

    // The right revision of another set.
    let word = set.acknowledgement();
    let (number, digest) = word.split_once('-').expect("two parts");
    let other = format!("{number}-{}", digest.chars().rev().collect::<String>());
    b.says(&other).await;
    // A word for b in a Lease that is not b's.
    apply(&world.client, &world, &lease("oidc-provider-b", &a.uid, &word))
        .await
        .expect("applied");
    // c becomes ready without a word: it blocks, which shows that what came before was seen.
    c.is_ready(true).await;
    waits_for(&world, "oidc-provider-b, oidc-provider-c").await;
    // Ready no more, but it has a Lease: it counts on.
    b.says("1-0000000000000000").await;
    b.is_ready(false).await;
    c.says("1-0000000000000000").await;
    c.is_ready(false).await;
    waits_for(&world, "oidc-provider-b, oidc-provider-c").await;
    let told = world.told("WaitingForPods", "oidc-provider-a").await;
    assert!(told.ends_with("oidc-provider-a, oidc-provider-b"), "{told}");
    operator.metric_is("oidc_operator_pods_behind", 2.0).await;

    c.acknowledges().await;
    b.acknowledges().await;
    has_phases(&world, &[Phase::Active, Phase::Retiring]).await;
    // Told after all that was waited for: whom it waits for changed, and was told once.
    world.told("KeyRetiring", "").await;
    let told = world.events("WaitingForPods").await;
    assert_eq!(told.len(), 1, "{told:?}");
    // The clock of the old one waits for their word that it signs no more.
    let set = a.acknowledges().await;
    b.acknowledges().await;
    let now = key_set(&world).await;
    assert_eq!((now.revision, now.keys[0].removable_at), (set.revision, None));
    c.acknowledges().await;
    let clock = wait("the clock runs", SOON, async || {
        key_set(&world).await.keys[0].removable_at
    })
    .await;
    let retires = now.keys[0].retires_at.expect("it retires");
    assert!(clock.duration_since(retires).as_secs() >= 11, "{clock} {retires}");
    has_phases(&world, &[Phase::Active, Phase::Removed]).await;
    for pod in [&a, &b, &c] {
        pod.acknowledges().await;
    }
    operator.metric_is("oidc_operator_pods_behind", 0.0).await;
}

#[tokio::test]
async fn a_pod_that_ends_counts_until_it_is_gone() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let [ending, lost, evicted] = [
        Provider::new(&world, "oidc-provider-ending").await,
        Provider::new(&world, "oidc-provider-lost").await,
        Provider::new(&world, "oidc-provider-evicted").await,
    ];
    for pod in [&ending, &lost, &evicted] {
        pod.is_ready(true).await;
        pod.acknowledges().await;
    }
    ending.is_ending().await;
    let api = world.api::<Pod>();
    let terminating = api.get(ending.name).await.expect("still there");
    assert!(terminating.metadata.deletion_timestamp.is_some());
    ending.is_ready(false).await;
    let failed = json!({"status": {"phase": "Failed"}});
    api.patch_status(evicted.name, &PatchParams::default(), &Patch::Merge(&failed))
        .await
        .expect("patched");
    world.delete::<Lease>(lost.name).await;

    world.patch::<SigningKey>("main", revision(1)).await;
    waits_for(&world, "oidc-provider-ending, oidc-provider-lost").await;
    ending.has_ended().await;
    waits_for(&world, "oidc-provider-lost").await;
    world.delete::<Pod>(lost.name).await;
    has_phases(&world, &[Phase::Active, Phase::Retiring]).await;
}

#[tokio::test]
async fn i3_what_a_pod_handed_out_that_went_while_it_was_behind_is_waited_for() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let [a, b] = [
        Provider::new(&world, "oidc-provider-a").await,
        Provider::new(&world, "oidc-provider-b").await,
    ];
    for pod in [&a, &b] {
        pod.is_ready(true).await;
        pod.acknowledges().await;
    }
    world.patch::<SigningKey>("main", revision(1)).await;
    waits_for(&world, "oidc-provider-a, oidc-provider-b").await;
    a.acknowledges().await;
    waits_for(&world, "oidc-provider-b").await;
    // Its watch is dead: until it is gone it hands out a JWKS without the new key.
    let gone = clock();
    world.delete::<Pod>(b.name).await;
    let set = wait("the new key signs", SOON, async || {
        let set = key_set(&world).await;
        (phases(&set) == [Phase::Retiring, Phase::Active]).then_some(set)
    })
    .await;
    let waited = set.keys[1].signs_from.expect("it signs").duration_since(gone);
    assert!(waited.as_secs_f64() >= 2.2, "1.2 × max-age + 1 s: {waited}");
}

#[tokio::test]
async fn a_lease_that_names_a_revision_shows_that_the_set_was_lost() {
    let world = World::new(&["signingKey.publishFor=1h"]).await;
    let pod = Provider::new(&world, "oidc-provider-a").await;
    pod.says("7-0000000000000000").await;
    let _operator = world.operator("op-0");
    world.key_is("main", "Ready", "False").await;
    assert_eq!(phases(&key_set(&world).await), [Phase::Published]);
    world.told("KeySetLost", "").await;
}

#[tokio::test]
async fn i3_no_pod_speaks_for_another() {
    let mut world = World::new(&[]).await;
    world.install_policy("acknowledgements", &[]);
    let world = world;
    let [a, b] = [
        Provider::new(&world, "oidc-provider-a").await,
        Provider::new(&world, "oidc-provider-b").await,
    ];
    b.says("1-0000000000000000").await;
    let as_a = world.provider_client(Some(a.name)).await;
    let refused = |answer: kube::Result<Lease>| match answer {
        Err(kube::Error::Api(status)) => status.code == 403 && status.message.contains("of its own name"),
        _ => false,
    };
    let forged = lease(b.name, &b.uid, "2-0000000000000000");
    wait("the policy is in force", SOON, async || {
        refused(apply(&as_a, &world, &forged).await).then_some(())
    })
    .await;
    // Its own it makes and changes.
    for word in ["1-0000000000000000", "2-0000000000000000"] {
        let made = apply(&as_a, &world, &lease(a.name, &a.uid, word))
            .await
            .expect("allowed");
        assert_eq!(made.annotations()[ANNOTATION_KEY_SET], word);
    }
    // A name that nobody has yet, or none.
    assert!(refused(
        apply(&as_a, &world, &lease("oidc-provider-c", &a.uid, "1-0")).await
    ));
    let mut nameless: Lease = serde_json::from_value(lease("x", &a.uid, "1-0")).expect("a Lease");
    nameless.metadata.generate_name = nameless.metadata.name.take();
    let leases: Api<Lease> = Api::namespaced(as_a, &world.namespace);
    assert!(refused(leases.create(&PostParams::default(), &nameless).await));
    // A token of the same ServiceAccount that no pod has.
    let unbound = world.provider_client(None).await;
    assert!(refused(
        apply(&unbound, &world, &lease(a.name, &a.uid, "3-0")).await
    ));
    // Nobody else is concerned.
    b.says("3-0000000000000000").await;
}
