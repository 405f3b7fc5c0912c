//! Stories of private keys that are encrypted in the key-set Secret.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use oidc_crds::envelope::{DataKey, EnvelopeKeys};
use oidc_crds::resources::SigningKey;
use oidc_crds::resources::signing_key::Phase;
use oidc_crds::secrets::Data;
use oidc_crds::secrets::key_set::{KeySet, SealedKeySet, Stored};
use oidc_crds::testing::SeededRng;
use serde_json::{Value, json};

use crate::harness::{SOON, World, chart, condition, data_of, wait};
use crate::keys::{has_phases, key_set, phases, revision};

const ON: &str = "signingKey.envelope.secretName=kek";

/// The data of the Secret `kek`: versions with their seeds.
fn kek(versions: &[(&str, u64)]) -> Data {
    let versions = versions.iter().map(|(name, seed)| {
        let key = DataKey::generate(&mut SeededRng::new(*seed));
        ((*name).to_owned(), key.as_bytes().to_vec())
    });
    versions.collect()
}

fn keys(versions: &[(&str, u64)]) -> EnvelopeKeys {
    EnvelopeKeys::from_data(&kek(versions)).expect("keys")
}

fn put_kek(world: &World, name: &str, data: &Data) {
    let data: serde_json::Map<String, Value> = data
        .iter()
        .map(|(name, value)| (name.clone(), STANDARD.encode(value).into()))
        .collect();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data});
    world.apply(&secret.to_string());
}

async fn sealed(world: &World) -> Option<SealedKeySet> {
    let secret = world
        .secrets()
        .get_opt("oidc-key-set")
        .await
        .expect("an answer")?;
    match Stored::from_data(&data_of(&secret)) {
        Ok(Stored::Sealed(sealed)) => Some(sealed),
        _ => None,
    }
}

/// Waits until the set is encrypted under the newest of these; the set.
async fn sealed_under(world: &World, name: &str, versions: &[(&str, u64)]) -> KeySet {
    let keys = keys(versions);
    let sealed = wait(
        &format!("encrypted under {name}, {versions:?}"),
        SOON,
        async || sealed(world).await.filter(|sealed| sealed.is_under(name, &keys)),
    )
    .await;
    sealed.open(&keys).await.expect("it opens")
}

/// Waits until `Ready` is `False` with this reason; the object and the message.
async fn not_ready(world: &World, reason: &str) -> (SigningKey, String) {
    let api = world.api::<SigningKey>();
    wait(reason, SOON, async || {
        let key = api.get("main").await.expect("there");
        let conditions = &key.status.as_ref()?.conditions;
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready")?;
        let message = ready.message.clone();
        (ready.status == "False" && ready.reason == reason).then_some((key, message))
    })
    .await
}

async fn version(world: &World, name: &str) -> Option<String> {
    world.secrets().get(name).await.expect("there").resource_version()
}

/// Private members of a set's keys, each as it would stand in the clear.
fn canaries(set: &KeySet) -> Vec<String> {
    let jwks = set.keys.iter().filter_map(|key| key.jwk.as_ref());
    jwks.map(|jwk| {
        let jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["d"].as_str().expect("a private key").to_owned()
    })
    .collect()
}

async fn assert_no_private_key(world: &World, set: &KeySet) {
    let data = world.secret_data("oidc-key-set").await;
    let text = data.values().map(|bytes| String::from_utf8_lossy(bytes));
    let text = text.collect::<Vec<_>>().join("\n");
    let canaries = canaries(set);
    assert!(!canaries.is_empty());
    assert!(canaries.iter().all(|canary| !text.contains(canary)));
    assert!(!text.contains("\"d\"") && !text.contains("\"jwk\""));
}

#[tokio::test]
async fn the_envelope_is_switched_on_its_key_rotated_and_it_is_switched_off() {
    let world = World::new(&[]).await;
    let operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let before = key_set(&world).await;
    let one: &[(&str, u64)] = &[("v1", 1)];
    put_kek(&world, "kek", &kek(one));
    let since = world.now().await;
    world.install(&[ON]);
    assert_eq!(sealed_under(&world, "kek", one).await, before, "no new kid");
    assert_no_private_key(&world, &before).await;
    operator
        .says("the private keys of the key set are encrypted under the Secret kek")
        .await;
    let writes = world.writes_since(&since).await;
    let of_set = writes.iter().filter(|write| write.ends_with("oidc-key-set"));
    assert_eq!(of_set.count(), 1, "{writes:?}");

    // Keys rotate as ever.
    world.patch::<SigningKey>("main", revision(1)).await;
    has_phases(&world, &[Phase::Active, Phase::Retiring]).await;
    world.key_is("main", "Ready", "True").await;
    let rotated = sealed_under(&world, "kek", one).await;
    assert_no_private_key(&world, &rotated).await;

    // A newer version is taken up, the older one can go.
    put_kek(&world, "kek", &kek(&[("v1", 1), ("v2", 2)]));
    let two: &[(&str, u64)] = &[("v2", 2)];
    assert_eq!(sealed_under(&world, "kek", two).await, rotated);
    world.patch::<Secret>("kek", json!({"data": {"v1": null}})).await;
    world.patch::<SigningKey>("main", revision(2)).await;
    has_phases(&world, &[Phase::Active, Phase::Retiring, Phase::Retiring]).await;

    // Another Secret is another key: the first one is still there to open with.
    put_kek(&world, "other", &kek(&[("v1", 3)]));
    world.install(&["signingKey.envelope.secretName=other"]);
    let moved = sealed_under(&world, "other", &[("v1", 3)]).await;

    world.install(&[]);
    let plain = wait("it stands in the clear", SOON, async || {
        KeySet::from_data(&world.secret_data("oidc-key-set").await).ok()
    })
    .await;
    assert_eq!(plain, moved);
    world.key_is("main", "Ready", "True").await;
}

#[tokio::test]
async fn without_a_good_key_nothing_is_minted() {
    let world = World::new(&[ON]).await;
    let operator = world.operator("op-0");
    let (_, message) = not_ready(&world, "EnvelopeKeyMissing").await;
    assert!(
        message.contains("the Secret kek") && message.contains("make it"),
        "{message}"
    );
    operator.says("the Secret kek").await;
    wait("the Event", SOON, async || {
        let told = world.events("EnvelopeKeyMissing").await;
        (!told.is_empty()).then_some(())
    })
    .await;
    for (name, value) in [("v1", vec![7; 31]), ("key", vec![7; 32])] {
        put_kek(&world, "kek", &Data::from([(name.to_owned(), value)]));
        let told = wait(name, SOON, async || {
            let (_, message) = not_ready(&world, "EnvelopeKeyInvalid").await;
            message.contains(name).then_some(message)
        })
        .await;
        assert!(told.contains("nothing is overwritten"), "{told}");
        world.delete::<Secret>("kek").await;
    }
    let found = world.secrets().get_opt("oidc-key-set").await.expect("an answer");
    assert!(found.is_none(), "nothing was minted");

    put_kek(&world, "kek", &kek(&[("v1", 1)]));
    world.key_is("main", "Ready", "True").await;
    let set = sealed_under(&world, "kek", &[("v1", 1)]).await;
    assert_eq!(phases(&set), [Phase::Active], "it is a first start");
    assert_no_private_key(&world, &set).await;
    let log = operator.log();
    assert!(canaries(&set).iter().all(|canary| !log.contains(canary)));
}

#[tokio::test]
async fn a_wrong_key_overwrites_nothing_and_the_right_one_mends_it() {
    let world = World::empty().await;
    put_kek(&world, "kek", &kek(&[("v1", 1)]));
    world.install(&[ON]);
    let mut operator = world.operator("op-0");
    let before = world.key_is("main", "Ready", "True").await;
    let set = sealed_under(&world, "kek", &[("v1", 1)]).await;
    let written = version(&world, "oidc-key-set").await;
    // While the operator knows the set, and after it was restarted.
    for pod in ["op-0", "op-1"] {
        put_kek(&world, "kek", &kek(&[("v1", 2)]));
        if pod == "op-1" {
            operator.signal("KILL");
            operator.end().await;
            world.kubectl(&["delete", "lease", "oidc-operator", "-n", &world.namespace]);
            operator = world.operator(pod);
            operator.reconciled("SigningKey", "EnvelopeKeyInvalid").await;
        }
        let (_, message) = not_ready(&world, "EnvelopeKeyInvalid").await;
        assert!(message.contains("put that key back into it"), "{message}");
    }
    let wanted = revision(1);
    world.patch::<SigningKey>("main", wanted).await;
    let locked = wait("the edit is seen", SOON, async || {
        let (key, _) = not_ready(&world, "EnvelopeKeyInvalid").await;
        let observed = key.status.as_ref()?.observed_generation;
        (observed == key.metadata.generation).then_some(key)
    })
    .await;
    assert_eq!(
        locked.status.expect("a status").keys,
        before.status.expect("a status").keys
    );
    assert_eq!(
        version(&world, "oidc-key-set").await,
        written,
        "nothing was overwritten"
    );

    put_kek(&world, "kek", &kek(&[("v1", 1), ("v2", 2)]));
    has_phases(&world, &[Phase::Active, Phase::Retiring]).await;
    let mended = sealed_under(&world, "kek", &[("v1", 1), ("v2", 2)]).await;
    assert_eq!(mended.keys[0].kid, set.keys[0].kid);
    // With what was asked for meanwhile.
    assert_eq!(mended.keys[1].spec_revision, 1);
}

#[tokio::test]
async fn a_lost_key_loses_nothing_that_the_operator_knows() {
    let world = World::empty().await;
    put_kek(&world, "kek", &kek(&[("v1", 1)]));
    world.install(&[ON]);
    let _operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let set = sealed_under(&world, "kek", &[("v1", 1)]).await;
    world.delete::<Secret>("kek").await;
    not_ready(&world, "EnvelopeKeyMissing").await;
    assert!(
        sealed(&world).await.is_some_and(|sealed| sealed.shows(&set)),
        "it stays as it is"
    );
    put_kek(&world, "new", &kek(&[("v1", 2)]));
    world.install(&["signingKey.envelope.secretName=new"]);
    assert_eq!(sealed_under(&world, "new", &[("v1", 2)]).await, set);
    world.key_is("main", "Ready", "True").await;

    // Somebody else's edit is undone in the form that is asked for.
    let edit = json!({"stringData": {"key-set.json": "{\"version\": 1, \"keys\": []}"}});
    world.patch::<Secret>("oidc-key-set", edit).await;
    wait("the edit is told", SOON, async || {
        let told = world.events("KeySetRestored").await;
        told.iter().any(|text| text.contains("was edited")).then_some(())
    })
    .await;
    assert_eq!(sealed_under(&world, "new", &[("v1", 2)]).await, set);
    world.delete::<Secret>("oidc-key-set").await;
    assert_eq!(sealed_under(&world, "new", &[("v1", 2)]).await, set);
    assert_no_private_key(&world, &set).await;
}

#[tokio::test]
async fn i9_provider_pods_read_that_secret_and_no_other_and_only_while_it_is_on() {
    let world = World::empty().await;
    put_kek(&world, "kek", &kek(&[("v1", 1)]));
    put_kek(&world, "other", &kek(&[("v1", 1)]));
    world.install(&[ON]);
    let secrets: Api<Secret> = Api::namespaced(world.provider_client(None).await, &world.namespace);
    let may_list = async |name: &str| {
        let by_name = ListParams::default().fields(&format!("metadata.name={name}"));
        match secrets.list(&by_name).await {
            Ok(_) => true,
            Err(kube::Error::Api(status)) if status.code == 403 => false,
            Err(error) => panic!("{error}"),
        }
    };
    wait("the right", SOON, async || may_list("kek").await.then_some(())).await;
    assert!(!may_list("other").await);
    world.install(&[]);
    wait("the right is gone", SOON, async || {
        (!may_list("kek").await).then_some(())
    })
    .await;

    // The SigningKey cannot import it, and Helm knows no other member.
    world.install(&[ON]);
    let _operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let import = json!({"spec": {"secretRef": {"name": "kek", "key": "v1"}}});
    world.patch::<SigningKey>("main", import).await;
    let refused = world.key_is("main", "Accepted", "False").await;
    let conditions = refused.status.expect("a status").conditions;
    assert!(
        condition(&conditions, "Accepted")
            .1
            .contains("a Secret of the installation itself")
    );
    let mut helm = Command::new("helm");
    helm.args(["template", "oidc"]).arg(chart());
    let output = helm
        .args(["--set", "signingKey.envelope.name=kek"])
        .output()
        .expect("helm");
    assert!(!output.status.success());
}
