//! Stories of a key set that is lost while a real pod serves: it signs on with what it holds.

use std::collections::BTreeSet;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use oidc_crds::names::ANNOTATION_KEY_SET;
use oidc_crds::resources::SigningKey;
use oidc_crds::resources::signing_key::Phase;
use oidc_crds::secrets::Data;
use serde_json::json;

use crate::harness::{Operator, SOON, World, wait};
use crate::keys::{key_set, phases};
use crate::pod::{Pod, Proxy};
use crate::recovery::kill;

/// A pod that serves a client, the client's Secret, and the kid that signs; then the key set is lost, and the next
/// operator has made a new one, which the pod has acknowledged.
struct Lost {
    world: World,
    _operator: Operator,
    _proxy: Proxy,
    pod: Pod,
    secret: Data,
    old: String,
    new: String,
}

async fn lost() -> Lost {
    let world = World::new(&["signingKey.publishFor=1h"]).await;
    let operator = world.operator("op-0");
    let key = world.key_is("main", "Ready", "True").await;
    let old = key.status.and_then(|status| status.active_kid).expect("a kid");
    // It names the algorithm: without a key for that it is refused.
    let named =
        "grantTypes: [authorization_code, client_credentials], tokens: {accessTokenSigningAlg: ES256}";
    world.apply_client("demo", named);
    world.client_is("demo", "Ready", "True").await;
    let secret = world.secret_data("demo-oidc").await;
    let proxy = Proxy::start(&world);
    let pod = Pod::start(&world, "oidc-provider-a", &proxy).await;
    pod.serves(&secret).await;
    assert_eq!(pod.signs_with(&secret).await, old);

    kill(&world, operator).await;
    world.delete::<Secret>("oidc-key-set").await;
    let operator = world.operator("op-1");
    world.told("KeySetLost", "").await;
    let new = wait("there is a new set", SOON, async || {
        let secret = world.secrets().get_opt("oidc-key-set").await.expect("an answer");
        secret.is_some().then_some(())
    });
    new.await;
    let set = key_set(&world).await;
    assert_eq!(phases(&set), [Phase::Published], "it waits as any later key");
    wait("the pod acknowledges it", SOON, async || {
        let lease = world.api::<Lease>().get("oidc-provider-a").await.ok()?;
        (lease.annotations().get(ANNOTATION_KEY_SET) == Some(&set.acknowledgement())).then_some(())
    })
    .await;
    let new = set.keys[0].kid.clone();
    Lost {
        world,
        _operator: operator,
        _proxy: proxy,
        pod,
        secret,
        old,
        new,
    }
}

/// Asks for tokens, and gets each, until one is signed with this key; the one before signs until then.
async fn signs_next(lost: &Lost) {
    wait("the new key signs", SOON, async || {
        let kid = lost.pod.signs_with(&lost.secret).await;
        assert!(kid == lost.old || kid == lost.new, "{kid}");
        (kid == lost.new).then_some(())
    })
    .await;
}

#[tokio::test]
async fn i3_a_pod_signs_on_when_the_key_set_was_lost_until_the_new_key_may() {
    let lost = lost().await;
    let both = BTreeSet::from([lost.old.clone(), lost.new.clone()]);
    assert_eq!(lost.pod.signs_with(&lost.secret).await, lost.old);
    assert_eq!(lost.pod.kids().await, both);
    // A change of the client is judged as before.
    let again =
        "grantTypes: [client_credentials], tokens: {accessTokenSigningAlg: ES256}, displayName: Again";
    lost.world.apply_client("demo", again);
    lost.world.client_is("demo", "Accepted", "True").await;
    assert_eq!(lost.pod.signs_with(&lost.secret).await, lost.old);

    let shorter = json!({"spec": {"publishFor": "3s"}});
    lost.world.patch::<SigningKey>("main", shorter).await;
    signs_next(&lost).await;
    assert_eq!(
        lost.pod.kids().await,
        both,
        "what the old one signed is still valid"
    );
    lost.world.key_is("main", "Ready", "True").await;
}

#[tokio::test]
async fn a_lost_key_that_is_revoked_is_gone_at_once_and_the_one_that_waits_signs() {
    let lost = lost().await;
    let revoke = json!({"spec": {"revoked": [{"kid": lost.old}]}});
    lost.world.patch::<SigningKey>("main", revoke).await;
    signs_next(&lost).await;
    assert_eq!(lost.pod.kids().await, BTreeSet::from([lost.new.clone()]));
    lost.world.told("KeyRevoked", &lost.old).await;
    lost.world.key_is("main", "Ready", "True").await;
}
