//! `status.lastUsedAt` and `rotation.retireUnused`: what a real provider process tells the operator, and what a
//! stand-in tells of times gone by.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod as PodObject;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::api::PostParams;
use oidc_crds::resources::OidcClient;
use oidc_crds::rng::SystemRng;
use oidc_crds::seal::KeyRing;
use oidc_crds::secrets::key_ring::KeyRingData;
use oidc_crds::uses::{Run, Told, open_ask, pod_name, seal_answer, use_name};

use crate::harness::{SOON, World, client, wait};
use crate::pod::{Pod, Proxy, is_running, provider_pod};

async fn get(world: &World, name: &str) -> OidcClient {
    world.clients().get(name).await.expect("there")
}

#[tokio::test]
async fn a_use_comes_to_status_and_an_idle_client_is_not_written() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    for name in ["used", "idle", "later"] {
        world.apply_client(name, "grantTypes: [authorization_code, client_credentials]");
        world.client_is(name, "Ready", "True").await;
    }
    let secret = world.secret_data("used-oidc").await;
    let proxy = Proxy::start(&world);
    let pod = Pod::start(&world, "oidc-provider-a", &proxy).await;
    pod.serves(&secret).await;
    // nobody asked this pod: its last word is in the store, and another tells it
    pod.end().await;
    let idle = get(&world, "idle").await;
    let pod = Pod::start(&world, "oidc-provider-b", &proxy).await;
    is_running(&world, "oidc-provider-b").await;
    let used = wait("the use is noted", SOON, async || {
        let used = get(&world, "used").await;
        used.status.as_ref()?.last_used_at.is_some().then_some(used)
    })
    .await;
    let status = used.status.expect("a status");
    assert_eq!(status.credentials[0].last_used_at, status.last_used_at);
    let ago = now().duration_since(status.last_used_at.expect("noted").0);
    assert!(ago < SignedDuration::from_mins(5), "{ago}");
    let version = get(&world, "idle").await.resource_version();
    assert_eq!(version, idle.resource_version(), "not written");
    let shown = world.kubectl(&["get", "oidcclient", "used", "-n", &world.namespace]);
    assert!(shown.contains("LAST USED"), "{shown}");

    // what is used all the time is written once in minutes: the next look finds another client's first use
    let before = world.now().await;
    for _ in 0..20 {
        assert_eq!(pod.token(&secret).await.status(), 200);
    }
    pod.serves(&world.secret_data("later-oidc").await).await;
    wait("the next look", 3 * SOON, async || {
        get(&world, "later").await.status?.last_used_at.map(|_| ())
    })
    .await;
    // whoever was woken with it is done
    world.apply_client("probe", "");
    world.client_is("probe", "Ready", "True").await;
    let writes = world.writes_since(&before).await;
    assert!(!writes.iter().any(|write| write.ends_with(" used")), "{writes:?}");
}

#[expect(clippy::disallowed_methods, reason = "as the programs under test do")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn rotating(word: &str) -> String {
    client(
        "demo",
        &format!("rotation: {{now: \"{word}\", overlap: 1d, retireUnused: 10m}}"),
    )
}

#[tokio::test]
async fn a_replaced_secret_that_nobody_uses_retires_early() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply(&rotating("first"));
    world.client_is("demo", "Ready", "True").await;
    world.apply(&rotating("second"));
    let rotated = wait("two secrets are accepted", SOON, async || {
        let demo = get(&world, "demo").await;
        let status = demo.status.as_ref()?;
        let done = status.credentials.len() == 2 && status.credentials[0].retires_at.is_some();
        done.then_some(demo)
    })
    .await;
    // as if three hours had passed since, in which the old one was used half an hour ago; status has that already
    let used = now() - SignedDuration::from_mins(30);
    wait("the status is written", SOON, async || {
        let mut demo = get(&world, "demo").await;
        let status = demo.status.as_mut()?;
        status.last_used_at = Some(Time(used));
        for known in &mut status.credentials {
            known.created_at = Time(known.created_at.0 - SignedDuration::from_hours(3));
            known.last_used_at = Some(Time(used));
        }
        demo.metadata.managed_fields = None;
        let api = world.clients();
        api.replace_status("demo", &PostParams::default(), &demo)
            .await
            .ok()
    })
    .await;
    let old = rotated.status.expect("a status").credentials[0].id.clone();
    let grantee = rotated.metadata.uid.expect("a UID");
    let ring = KeyRingData::from_data(&world.secret_data("oidc-key-ring").await).expect("a ring");
    stand_in(&world, KeyRing::new(ring), move |ring, pod| {
        let now = now().as_second();
        Told {
            kept_since: now - 3 * 3600,
            runs: vec![Run {
                pod,
                process: [1; 8],
                since: now - 3 * 3600,
                until: now,
                ended: false,
            }],
            uses: vec![(use_name(ring, &grantee, &old), used.as_second())],
        }
    })
    .await;
    // nothing is edited from here on, and no use is to be noted: what the pod tells is all there is
    world
        .told(
            "CredentialRetired",
            "that nobody used for 10m is no longer accepted",
        )
        .await;
    let status = get(&world, "demo").await.status.expect("a status");
    assert!(status.credentials.len() == 1 && status.credentials[0].retires_at.is_none());
}

/// A pod whose internal port tells this.
async fn stand_in(world: &World, ring: KeyRing, told: impl Fn(&KeyRing, [u8; 16]) -> Told + Send + 'static) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let pod = provider_pod("oidc-provider-b", port);
    let made = world
        .api::<PodObject>()
        .create(&PostParams::default(), &pod)
        .await;
    let uid = made.expect("created").uid().expect("a uid");
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let mut lines = BufReader::new(&connection).lines().map_while(Result::ok);
            let bearer = lines.find_map(|line| {
                let (name, value) = line.split_once(": Bearer ")?;
                name.eq_ignore_ascii_case("authorization")
                    .then(|| value.to_owned())
            });
            let ask = bearer.and_then(|bearer| open_ask(&ring, &uid, &bearer, now()));
            let mut connection = &connection;
            let Some(ask) = ask else {
                let _ = connection.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n");
                continue;
            };
            let told = told(&ring, pod_name(&ring, &uid));
            let body = seal_answer(&ring, &uid, ask, &told, &mut SystemRng);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = connection.write_all(head.as_bytes());
            let _ = connection.write_all(&body);
        }
    });
    is_running(world, "oidc-provider-b").await;
}
