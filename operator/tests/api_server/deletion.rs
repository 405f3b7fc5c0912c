//! I4: a deleted client is refused by every pod, also one that could not be told of it. A real provider
//! process, its way to the API server broken by a proxy.

use std::time::Duration;

use oidc_crds::resources::OidcClient;
use oidc_crds::secrets::Data;
use tokio::time::Instant;

use crate::harness::{Operator, World};
use crate::pod::{Pod, Proxy};

/// What a slow machine may add to a limit.
const SLACK: Duration = Duration::from_secs(5);

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

    proxy.open();
    let opened = Instant::now();
    proxy.is_used().await;
    let (reconnected, waited) = (Instant::now(), opened.elapsed());
    pod.refuses(&goes, Duration::from_secs(1) + SLACK).await;
    eprintln!(
        "refused {:?} after reconnecting, which took {waited:?}",
        reconnected.elapsed()
    );
    assert_eq!(pod.token(&stays).await.status(), 200);
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
