//! I4: a deleted client is refused by every pod, also one that could not be told of it. A real provider
//! process, its way to the API server broken by a proxy.

use std::time::Duration;

use oidc_crds::resources::OidcClient;
use oidc_crds::secrets::Data;
use tokio::time::Instant;

use crate::harness::{Operator, SOON, World, wait};
use crate::pod::{Pod, Proxy};

/// What a slow machine may add to the time in which a dead watch is noticed.
const SLACK: Duration = Duration::from_secs(5);
/// What one may add to the second in which an event is applied: pod, API server, store and other tests share its cores,
/// and the pod may have to wait for one. Slow answers are not counted at all.
const WAITS: Duration = Duration::from_secs(1);

/// A pod behind a proxy that serves two clients, and their Secrets: of the one that will go, of the one
/// that stays.
async fn pod_of_two_clients() -> (World, Operator, Proxy, Pod, [Data; 2]) {
    let world = World::new(&[]).await;
    let operator = world.operator("op-0");
    for name in ["goes", "stays"] {
        world.apply_client(name, "grantTypes: [authorization_code, client_credentials]");
        world.client_is(name, "Ready", "True").await;
    }
    let secrets = [
        world.secret_data("goes-oidc").await,
        world.secret_data("stays-oidc").await,
    ];
    let proxy = Proxy::start(&world);
    let pod = Pod::start(&world, "oidc-provider-a", &proxy).await;
    for secret in &secrets {
        pod.serves(secret).await;
    }
    (world, operator, proxy, pod, secrets)
}

#[tokio::test]
async fn i4_a_pod_whose_watch_was_down_refuses_within_a_second_of_reconnecting() {
    let (world, _operator, proxy, pod, [goes, stays]) = pod_of_two_clients().await;
    proxy.cut();
    world.delete::<OidcClient>("goes").await;
    // as often as it takes until the pod waits its longest between two attempts
    proxy.has_refused(40).await;
    // I7: it serves on from what it knows
    assert_eq!(pod.token(&goes).await.status(), 200);

    let before = pod.last_contact("oidcclients").await;
    proxy.open();
    let opened = Instant::now();
    // the API server answered the watch of clients: what follows on it is the deletion
    let reconnected = wait("the watch of clients is open again", SOON, async || {
        let now = Instant::now();
        (pod.last_contact("oidcclients").await > before).then_some(now)
    })
    .await;
    pod.refuses_after(&goes, reconnected, Duration::from_secs(1) + WAITS)
        .await;
    eprintln!(
        "refused {:?} after the watch was open, which took {:?}",
        reconnected.elapsed(),
        reconnected - opened
    );
    assert_eq!(pod.token(&stays).await.status(), 200);
}

/// A digest is bound to the object that it was made for: whoever copies one from another's status gains nothing by it,
/// and locks their own client out until the operator has mended it.
#[tokio::test]
async fn a_digest_copied_from_another_status_lets_nobody_in() {
    let (world, _operator, _proxy, pod, [mine, theirs]) = pod_of_two_clients().await;
    let forged = Data::from([
        ("CLIENT_ID".to_owned(), mine["CLIENT_ID"].clone()),
        ("CLIENT_SECRET".to_owned(), theirs["CLIENT_SECRET"].clone()),
    ]);
    let api = world.clients();
    let copied = api.get("stays").await.expect("there").status.expect("a status");
    wait("the status is copied", SOON, async || {
        let mut client = api.get("goes").await.expect("there");
        client.status.as_mut()?.credentials = copied.credentials.clone();
        client.metadata.managed_fields = None;
        api.replace_status("goes", &Default::default(), &client)
            .await
            .ok()
    })
    .await;
    // the pod has it: what was accepted before is gone
    pod.refuses(&mine, SOON).await;
    assert_eq!(pod.token(&forged).await.status(), 401);
    // the operator makes a new secret, and the copy lives on beside its digest for the overlap
    let new = wait("a new secret", SOON, async || {
        let new = world.secret_data("goes-oidc").await;
        (new["CLIENT_SECRET"] != mine["CLIENT_SECRET"]).then_some(new)
    })
    .await;
    pod.serves(&new).await;
    assert_eq!(pod.token(&forged).await.status(), 401);
    let listed = api.get("goes").await.expect("there").status.expect("a status");
    let is_copy = |id: &str| copied.credentials.iter().any(|known| known.id == id);
    assert!(
        listed.credentials.iter().any(|known| is_copy(&known.id)),
        "{listed:?}"
    );
    assert_eq!(pod.token(&theirs).await.status(), 200);
}

#[tokio::test]
async fn i4_a_dead_watch_is_noticed_within_30_seconds() {
    let (world, _operator, proxy, pod, [goes, stays]) = pod_of_two_clients().await;
    proxy.swallow();
    world.delete::<OidcClient>("goes").await;
    let answered = Instant::now();
    pod.refuses(&goes, Duration::from_secs(30) + SLACK).await;
    eprintln!("refused {:?} after the API server's answer", answered.elapsed());
    assert_eq!(pod.token(&stays).await.status(), 200);
}
