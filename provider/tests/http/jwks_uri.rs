//! Clients that publish their keys (`jwksUri`), on a host of this machine that a test's resolver names.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router as Routes;
use axum::routing::get;
use axum_server::tls_rustls::RustlsConfig;
use futures::future::BoxFuture;
use oidc_crds::names::Algorithm;
use oidc_crds::secrets::installation::Installation;
use oidc_provider::outbound::{Lookup, Outbound};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::support::*;

/// What the host answers, and how often it was asked.
#[derive(Default)]
struct Host {
    document: Mutex<String>,
    asked: AtomicUsize,
    /// How often it was asked at the address that answers only when it may.
    held: AtomicUsize,
    go_on: Notify,
}

impl Host {
    fn publish(&self, document: &Value) {
        *self.document.lock().unwrap() = document.to_string();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Serves it at `https://keys.test:PORT/jwks`, and at `/held` once it may go on.
    async fn serve(self: &Arc<Self>) -> (Outbound, u16) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let key = KeyPair::generate().unwrap();
        let names = vec!["keys.test".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let config = RustlsConfig::from_pem(certificate.pem().into(), key.serialize_pem().into());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let host = self.clone();
        let answer = async move || {
            host.asked.fetch_add(1, Ordering::SeqCst);
            host.document.lock().unwrap().clone()
        };
        let host = self.clone();
        let held = async move || {
            host.held.fetch_add(1, Ordering::SeqCst);
            host.go_on.notified().await;
            host.document.lock().unwrap().clone()
        };
        let server = axum_server::from_tcp_rustls(listener, config.await.unwrap()).unwrap();
        let routes = Routes::new()
            .route("/jwks", get(answer))
            .route("/held", get(held));
        tokio::spawn(server.serve(routes.into_make_service()));
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        let lookup: Lookup = Box::new(move |_| -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            Box::pin(async move { Ok(vec![here]) })
        });
        let root = reqwest::Certificate::from_pem(certificate.pem().as_bytes()).unwrap();
        (Outbound::new(lookup, Some(vec![root])), port)
    }
}

fn keys(algorithms: &[Algorithm]) -> Value {
    let keys: Vec<_> = algorithms
        .iter()
        .map(|algorithm| TestApp::client_key(*algorithm).public().unwrap())
        .collect();
    json!({ "keys": keys })
}

/// A provider whose client `keyed` publishes its keys; `listed` are the addresses that may be reached.
async fn world(listed: Value) -> (TestApp, Arc<Host>) {
    let (mut app, host, port) = installed(listed).await;
    app.set_client("keyed", keyed(port, "jwks"));
    (app, host)
}

/// A client that publishes its keys under a path of the host.
fn keyed(port: u16, path: &str) -> Value {
    json!({"applicationType": "service", "grantTypes": ["client_credentials"], "scopes": ["api"],
        "authentication": {"privateKeyJwt": {"jwksUri": format!("https://keys.test:{port}/{path}")}}})
}

/// The same without the client; and the host's port.
async fn installed(listed: Value) -> (TestApp, Arc<Host>, u16) {
    let host = Arc::new(Host::default());
    host.publish(&keys(&[Algorithm::ES256]));
    let (outbound, port) = host.serve().await;
    let app = TestApp::with(Setup {
        outbound,
        ..Setup::default()
    });
    let mut installation = Installation::clone(&app.app.installation.load());
    installation.outbound =
        serde_json::from_value(json!({"hosts": ["keys.test"], "addresses": listed})).unwrap();
    app.app.installation.store(Arc::new(installation));
    (app, host, port)
}

async fn ask(app: &TestApp, algorithm: Algorithm) -> Answer {
    ask_as(app, "keyed", algorithm).await
}

async fn ask_as(app: &TestApp, client: &str, algorithm: Algorithm) -> Answer {
    let id = format!("default.{client}");
    let mut form = app.assertion_by(algorithm, |claims| {
        (claims["iss"], claims["sub"]) = (json!(id), json!(id));
    });
    form.push(("grant_type", "client_credentials".to_owned()));
    app.send(Ask::post("/token").form(&form)).await
}

#[tokio::test]
async fn ca_04_keys_are_fetched_once_and_kept() {
    let (app, host) = world(json!(["127.0.0.1"])).await;
    let all = futures::future::join_all((0..10).map(|_| ask(&app, Algorithm::ES256))).await;
    assert!(all.iter().all(|answer| answer.status == 200), "{all:?}");
    assert_eq!(host.asked(), 1);
}

#[tokio::test]
async fn hard_08_whoever_waits_for_a_slow_host_takes_no_place_from_other_clients() {
    let (mut app, host, port) = installed(json!(["127.0.0.1"])).await;
    app.set_client("slow", keyed(port, "held"));
    app.set_client("keyed", keyed(port, "jwks"));
    let slow = futures::future::join_all((0..20).map(|_| ask_as(&app, "slow", Algorithm::ES256)));
    let others = async {
        while host.held.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let answer = ask(&app, Algorithm::ES256).await;
        host.go_on.notify_one();
        answer
    };
    let (slow, other) = futures::join!(slow, others);
    assert_eq!(other.status, 200, "{other:?}");
    assert!(slow.iter().all(|answer| answer.status == 200), "{slow:?}");
    assert_eq!((host.held.load(Ordering::SeqCst), host.asked()), (1, 1));
}

#[tokio::test]
async fn ca_04_an_unknown_kid_fetches_again_at_most_once_a_minute() {
    let (app, host) = world(json!(["127.0.0.1"])).await;
    assert_eq!(ask(&app, Algorithm::ES256).await.status, 200);
    host.publish(&keys(&[Algorithm::ES256, Algorithm::EdDSA]));
    for _ in 0..5 {
        ask(&app, Algorithm::EdDSA).await.is_error(401, "invalid_client");
    }
    assert_eq!(host.asked(), 1);
    app.clock.advance(60);
    assert_eq!(ask(&app, Algorithm::EdDSA).await.status, 200);
    assert_eq!(ask(&app, Algorithm::ES256).await.status, 200);
    assert_eq!(host.asked(), 2);
}

#[tokio::test]
async fn ca_04_a_withdrawn_key_is_not_accepted_for_long() {
    let (app, host) = world(json!(["127.0.0.1"])).await;
    assert_eq!(ask(&app, Algorithm::ES256).await.status, 200);
    // the host is away: its keys are good for an hour
    host.publish(&json!("gone"));
    app.clock.advance(3600);
    assert_eq!(ask(&app, Algorithm::ES256).await.status, 200);
    app.clock.advance(1);
    ask(&app, Algorithm::ES256).await.is_error(401, "invalid_client");
    // what could not be fetched is not asked for again within a minute
    host.publish(&keys(&[Algorithm::ES256]));
    let asked = host.asked();
    ask(&app, Algorithm::ES256).await.is_error(401, "invalid_client");
    assert_eq!(host.asked(), asked);
    app.clock.advance(60);
    assert_eq!(ask(&app, Algorithm::ES256).await.status, 200);
}

#[tokio::test]
async fn hard_08_a_client_makes_the_provider_reach_nothing_that_is_not_listed() {
    let (app, host) = world(json!([])).await;
    let (answer, trips) = app.trips(ask(&app, Algorithm::ES256)).await;
    answer.is_error(401, "invalid_client");
    assert!(!answer.text.contains("keys.test"), "{answer:?}");
    assert_eq!((trips, host.asked()), (0, 0));
}
