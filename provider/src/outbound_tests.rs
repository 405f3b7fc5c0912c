use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use axum_server::tls_rustls::RustlsConfig;
use rcgen::{CertificateParams, KeyPair};

use super::*;

/// A server of this machine that is known by names, and what asks it.
struct World {
    outbound: Outbound,
    installation: Installation,
    port: u16,
    lookups: Arc<AtomicUsize>,
    hits: Arc<AtomicUsize>,
}

impl World {
    /// The names of `*.test` are found at `addresses`.
    async fn new(addresses: &'static [&'static str]) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let key = KeyPair::generate().unwrap();
        let names = ["keys.test", "other.test", "127.0.0.1"].map(str::to_owned);
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let config = RustlsConfig::from_pem(certificate.pem().into(), key.serialize_pem().into());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let hits = Arc::new(AtomicUsize::new(0));
        let counted = hits.clone();
        let count = move || {
            counted.fetch_add(1, Ordering::SeqCst);
        };
        let away = format!("https://other.test:{port}/good");
        let routes = Router::new()
            .route(
                "/good",
                get(async move || {
                    count();
                    "{}"
                }),
            )
            .route("/moved", get(async move || Redirect::temporary(&away)))
            .route("/missing", get(async || http::StatusCode::NOT_FOUND))
            .route("/large", get(async || vec![b' '; MOST + 1]))
            .route("/just", get(async || vec![b' '; MOST]))
            .route("/slow", get(std::future::pending::<&'static str>))
            .route(
                "/drip",
                get(async || {
                    axum::body::Body::from_stream(futures::stream::pending::<Result<Vec<u8>, io::Error>>())
                }),
            );
        let server = axum_server::from_tcp_rustls(listener, config.await.unwrap()).unwrap();
        tokio::spawn(server.serve(routes.into_make_service()));
        let lookups = Arc::new(AtomicUsize::new(0));
        let asked = lookups.clone();
        let lookup: Lookup = Box::new(move |_| {
            asked.fetch_add(1, Ordering::SeqCst);
            let found = addresses.iter().map(|address| address.parse().unwrap()).collect();
            Box::pin(async move { Ok(found) })
        });
        let root = Certificate::from_pem(certificate.pem().as_bytes()).unwrap();
        let mut installation = Installation::standalone("https://id.example.com", false);
        installation.grants_all = false;
        installation.outbound = serde_json::from_value(serde_json::json!({
            "hosts": ["keys.test", "127.0.0.1", "*.listed.test"], "addresses": ["127.0.0.1"],
        }))
        .unwrap();
        Self {
            outbound: Outbound::new(lookup, Some(vec![root])),
            installation,
            port,
            lookups,
            hits,
        }
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        let url = format!("https://keys.test:{}{path}", self.port);
        let got = self.outbound.get(&url, &self.installation).await;
        got.map_err(|failure| failure.to_string())
    }

    async fn refuses(&self, url: &str) -> String {
        let got = self.outbound.get(url, &self.installation).await;
        got.unwrap_err().to_string()
    }
}

#[tokio::test]
async fn hard_08_a_listed_host_at_a_listed_address_is_reached() {
    let world = World::new(&["127.0.0.1"]).await;
    assert_eq!(world.get("/good").await.unwrap(), b"{}");
    assert_eq!(world.get("/good").await.unwrap(), b"{}");
    // each fetch looks anew, once
    assert_eq!(world.lookups.load(Ordering::SeqCst), 2);
    assert_eq!(world.get("/just").await.unwrap().len(), MOST);
    let by_address = format!("https://127.0.0.1:{}/good", world.port);
    assert!(world.outbound.get(&by_address, &world.installation).await.is_ok());
}

#[tokio::test]
async fn hard_08_addresses_that_are_not_public_are_never_connected_to() {
    for addresses in [
        &["10.0.0.1"][..],
        &["169.254.169.254"],
        &["::1"],
        &["::ffff:10.0.0.1"],
        &["fd00::1"],
        // one bad address among good ones is a trick, wherever it stands
        &["127.0.0.1", "10.0.0.1"],
        &["10.0.0.1", "127.0.0.1"],
    ] {
        let world = World::new(addresses).await;
        let told = world.get("/good").await.unwrap_err();
        assert!(told.contains("is not public"), "{addresses:?}: {told}");
        assert_eq!(world.hits.load(Ordering::SeqCst), 0);
    }
    // not even this machine, unless it is listed
    let mut world = World::new(&["127.0.0.1"]).await;
    world.installation.outbound.addresses.clear();
    assert!(world.get("/good").await.unwrap_err().contains("is not public"));
    let by_address = format!("https://127.0.0.1:{}/good", world.port);
    assert!(world.refuses(&by_address).await.contains("is not public"));
    assert_eq!(world.hits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn hard_08_hosts_that_are_not_listed_are_not_even_looked_up() {
    let world = World::new(&["127.0.0.1"]).await;
    for url in [
        "https://other.test/",
        "https://keys.test.evil.test/",
        "https://keys.test@evil.test/",
        "https://user:password@keys.test/",
        "https://listed.test/",
        "http://keys.test/",
        "file:///etc/passwd",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://[::1]/",
        "https:",
        "keys.test",
    ] {
        let told = world.refuses(url).await;
        assert!(!told.is_empty(), "{url}");
    }
    assert_eq!(world.lookups.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn hard_08_redirects_errors_and_floods_are_refused() {
    let world = World::new(&["127.0.0.1"]).await;
    for (path, reason) in [
        ("/moved", "status 307"),
        ("/missing", "status 404"),
        ("/large", "more than 64 KiB"),
    ] {
        let told = world.get(path).await.unwrap_err();
        assert!(told.contains(reason), "{path}: {told}");
    }
    assert_eq!(world.hits.load(Ordering::SeqCst), 0, "nobody followed");
}

#[tokio::test]
async fn hard_08_slow_hosts_are_given_up_and_take_a_few_places_only() {
    let world = World::new(&["127.0.0.1"]).await;
    let all = (0..AT_ONCE + 4).map(|n| world.get(if n % 2 == 0 { "/slow" } else { "/drip" }));
    let all = futures::future::join_all(all).await;
    let said = |what: &str| {
        all.iter()
            .filter(|one| one.as_ref().unwrap_err().contains(what))
            .count()
    };
    assert_eq!(said(&Failure::Busy.to_string()), 4, "{all:?}");
    // their places are free again
    assert!(world.get("/good").await.is_ok());
    // whoever has not begun takes none
    let url = format!("https://keys.test:{}/good", world.port);
    let wait = |_| world.outbound.get(&url, &world.installation);
    let waiting: Vec<_> = (0..AT_ONCE).map(wait).collect();
    assert!(world.get("/good").await.is_ok());
    drop(waiting);
}

#[tokio::test]
async fn hard_08_a_certificate_that_nobody_signed_is_refused() {
    let world = World::new(&["127.0.0.1"]).await;
    let other = World::new(&["127.0.0.1"]).await;
    let url = format!("https://keys.test:{}/good", other.port);
    assert!(!world.refuses(&url).await.is_empty());
    assert_eq!(other.hits.load(Ordering::SeqCst), 0);
}

#[test]
fn hard_08_public_addresses_are_told_from_others() {
    for public in [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "223.255.255.1",
        "2606:4700::1111",
        "2a00::1",
    ] {
        assert!(is_public(public.parse().unwrap()), "{public}");
    }
    for other in [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "64:ff9b::a00:1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:a00:1::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "::7f00:1",
    ] {
        assert!(!is_public(other.parse().unwrap()), "{other}");
    }
}
