//! Clients that authenticate with certificates: real handshakes with the listener that asks for them, and the word
//! of proxies.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use axum_server::Control;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use oidc_crds::secrets::Data;
use oidc_crds::secrets::installation::{ClientAddress, ClientCa, Forwarded, Installation};
use oidc_provider::mtls::authorities::Authorities;
use oidc_provider::{router, server, tls};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CertifiedKey, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, SanType, generate_simple_self_signed,
};
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::support::*;

const URI: &str = "spiffe://example.com/ns/team-a/sa/billing";
const PROXY: &str = "10.0.0.9";

type Ca = CertifiedIssuer<'static, KeyPair>;

/// Of the years around the tests' time.
fn of_today(mut params: CertificateParams) -> CertificateParams {
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(2026, 1, 1), rcgen::date_time_ymd(2028, 1, 1));
    params
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = of_today(CertificateParams::default());
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn ca(name: &str) -> Ca {
    CertifiedIssuer::self_signed(ca_params(name), KeyPair::generate().unwrap()).unwrap()
}

/// What a client is known by.
fn leaf_params() -> CertificateParams {
    let mut params = of_today(CertificateParams::default());
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Example");
    params.distinguished_name.push(DnType::CommonName, "billing");
    params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(URI).unwrap())];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// A certificate with what leads to its CA, and a key, which need not be its own.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Identity {
    fn by(issuer: &Ca, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (mut params, key) = (leaf_params(), KeyPair::generate().unwrap());
        change(&mut params);
        let chain = vec![params.signed_by(&key, issuer).unwrap().der().clone()];
        Self { chain, key }
    }

    fn self_signed() -> Self {
        let key = KeyPair::generate().unwrap();
        let chain = vec![leaf_params().self_signed(&key).unwrap().der().clone()];
        Self { chain, key }
    }

    fn thumbprint(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.chain[0]);
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A provider with the listener that asks for certificates.
struct Mutual {
    app: TestApp,
    address: SocketAddr,
    server: CertificateDer<'static>,
    control: Control,
    serving: JoinHandle<()>,
}

/// Names the CAs of clients, as the watch of the ConfigMap does.
fn name_cas(app: &TestApp, cas: &[&Ca]) {
    let pem: String = cas.iter().map(|ca| ca.pem()).collect();
    let data = Data::from([(ClientCa::DATA_KEY.to_owned(), pem.into_bytes())]);
    let authorities = Authorities::read(&data).unwrap();
    app.app.authorities.store(Some(Arc::new(authorities)));
}

fn change_installation(app: &TestApp, change: impl FnOnce(&mut Installation)) {
    let mut installation = Installation::clone(&app.app.installation.load());
    change(&mut installation);
    app.app.installation.store(Arc::new(installation));
}

fn taking_certificates(cas: &[&Ca]) -> TestApp {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let app = TestApp::with(Setup {
        mtls: true,
        ..Setup::default()
    });
    if !cas.is_empty() {
        name_cas(&app, cas);
    }
    app
}

fn set_client(app: &mut TestApp, name: &str, tls: Value) {
    app.set_client(
        name,
        json!({"applicationType": "service", "grantTypes": ["client_credentials"], "scopes": ["api"],
            "audiences": ["https://api.example.com"], "authentication": {"tls": tls}}),
    );
}

impl Mutual {
    fn start(app: TestApp) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let secret = Data::from([
            ("tls.crt".to_owned(), cert.pem().into_bytes()),
            ("tls.key".to_owned(), signing_key.serialize_pem().into_bytes()),
        ]);
        let (sender, certificates) = watch::channel(Some(Arc::new(tls::server_config(&secret).unwrap())));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (address, control) = (listener.local_addr().unwrap(), Control::new());
        let serving = server::mutual(
            listener,
            certificates,
            router::mutual(app.app.clone()),
            control.clone(),
        );
        let serving = tokio::spawn(async move {
            serving.await.unwrap();
            drop(sender);
        });
        Self {
            app,
            address,
            server: cert.der().clone(),
            control,
            serving,
        }
    }

    /// With the client `billing`, which is known by its URI.
    fn with_billing(cas: &[&Ca]) -> Self {
        let mut app = taking_certificates(cas);
        set_client(&mut app, "billing", json!({"sanUri": URI}));
        Self::start(app)
    }

    fn client(&self, identity: Option<&Identity>) -> reqwest::Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.server.clone()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(Identity { chain, key }) => {
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
                // nobody looks here whether the key is the certificate's
                let resolver =
                    rustls::sign::SingleCertAndKey::from(rustls::sign::CertifiedKey::new(chain.clone(), key));
                config.with_client_cert_resolver(Arc::new(resolver))
            }
        };
        let client = reqwest::Client::builder().tls_backend_preconfigured(config);
        client.resolve("localhost", self.address).build().unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    async fn token(&self, client: &reqwest::Client, id: &str) -> (u16, Value) {
        let form = [("grant_type", "client_credentials"), ("client_id", id)];
        let answer = client.post(self.url("/token")).form(&form).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn ask(&self, identity: Option<&Identity>, id: &str) -> (u16, Value) {
        self.token(&self.client(identity), id).await
    }

    async fn end(self) {
        self.control.shutdown();
        self.serving.await.unwrap();
    }
}

#[tokio::test]
async fn ca_05_a_client_needs_nothing_but_a_certificate_of_a_named_ca() {
    let root = ca("root");
    let mutual = Mutual::with_billing(&[&ca("another"), &root]);
    let issuing =
        CertifiedIssuer::signed_by(ca_params("issuing"), KeyPair::generate().unwrap(), &root).unwrap();
    let mut identity = Identity::by(&issuing, |_| {});
    identity.chain.push(issuing.der().clone());
    let client = mutual.client(Some(&identity));
    let (answer, trips) = mutual.app.trips(mutual.token(&client, "default.billing")).await;
    assert_eq!((answer.0, trips), (200, 0), "{}", answer.1);
    let token = answer.1["access_token"].as_str().unwrap();
    assert_eq!(decode(token).1["sub"], "default.billing");
    // so at the other endpoints of clients
    for (path, expected) in [
        ("/introspect", "\"active\":true"),
        ("/revoke", ""),
        ("/introspect", "{\"active\":false}"),
    ] {
        let form = [("token", token), ("client_id", "default.billing")];
        let answer = client.post(mutual.url(path)).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(expected), "{path}: {text}");
    }
    mutual.end().await;
}

#[tokio::test]
async fn ca_05_the_audit_line_names_the_certificate() {
    log::keep();
    let mut app = taking_certificates(&[]);
    let identity = Identity::self_signed();
    set_client(
        &mut app,
        "audited",
        json!({"thumbprints": [identity.thumbprint()]}),
    );
    trust_proxies(&app);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "default.audited"),
    ];
    let ask = Ask::post("/token")
        .header("x-request-id", "certificate-audit")
        .header(
            "client-cert",
            format!(":{}:", STANDARD.encode(&identity.chain[0])),
        )
        .from(PROXY.parse().unwrap())
        .form(&form);
    assert_eq!(app.send(ask).await.status, 200);
    let log = log::text();
    let line = log
        .lines()
        .find(|line| line.contains("certificate-audit") && line.contains("\"target\":\"audit\""))
        .unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &identity.chain[0]);
    let thumbprint = URL_SAFE_NO_PAD.encode(digest);
    assert!(
        line.contains(&format!("\"certificate\":\"{thumbprint}\"")),
        "{line}"
    );
}

#[tokio::test]
async fn ca_02_ca_05_any_other_certificate_is_as_good_as_an_unknown_client() {
    let (root, foreign) = (ca("root"), ca("root"));
    let mutual = Mutual::with_billing(&[&root]);
    let unknown = mutual.ask(None, "default.nobody").await;
    assert_eq!((unknown.0, &unknown.1["error"]), (401, &json!("invalid_client")));
    let other_name = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![SanType::URI(
            Ia5String::try_from("spiffe://example.com/other").unwrap(),
        )];
    };
    let expired = |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2026, 12, 31);
    let of_servers = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let issuing =
        CertifiedIssuer::signed_by(ca_params("issuing"), KeyPair::generate().unwrap(), &root).unwrap();
    for (what, identity) in [
        ("none", None),
        ("a foreign CA", Some(Identity::by(&foreign, |_| {}))),
        ("itself", Some(Identity::self_signed())),
        ("no way to the CA", Some(Identity::by(&issuing, |_| {}))),
        ("another name", Some(Identity::by(&root, other_name))),
        ("expired", Some(Identity::by(&root, expired))),
        ("of servers", Some(Identity::by(&root, of_servers))),
    ] {
        assert_eq!(
            mutual.ask(identity.as_ref(), "default.billing").await,
            unknown,
            "{what}"
        );
        assert_eq!(
            mutual.ask(identity.as_ref(), "default.nobody").await,
            unknown,
            "{what}"
        );
    }
    let good = Identity::by(&root, |_| {});
    assert_eq!(mutual.ask(Some(&good), "default.billing").await.0, 200);
    // nor is anybody else the client whose certificate it is
    assert_eq!(mutual.ask(Some(&good), "default.machine").await, unknown);
    mutual.end().await;
}

#[tokio::test]
async fn ca_05_a_certificate_without_its_key_ends_the_handshake() {
    let root = ca("root");
    let mutual = Mutual::with_billing(&[&root]);
    let stolen = Identity {
        key: KeyPair::generate().unwrap(),
        ..Identity::by(&root, |_| {})
    };
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "default.billing"),
    ];
    let sent = mutual
        .client(Some(&stolen))
        .post(mutual.url("/token"))
        .form(&form)
        .send()
        .await;
    assert!(sent.is_err(), "{sent:?}");
    mutual.end().await;
}

#[tokio::test]
async fn ca_05_a_self_signed_certificate_is_registered_by_thumbprint_or_key() {
    let mut app = taking_certificates(&[&ca("root")]);
    let (first, second) = (Identity::self_signed(), Identity::self_signed());
    set_client(&mut app, "pinned", json!({"thumbprints": [first.thumbprint()]}));
    let point = second.key.public_key_raw();
    let (x, y) = point[1..].split_at(32);
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)});
    set_client(&mut app, "keyed-tls", json!({"jwks": {"keys": [jwk]}}));
    let mutual = Mutual::start(app);
    for (identity, pinned, keyed) in [(&first, 200, 401), (&second, 401, 200)] {
        assert_eq!(mutual.ask(Some(identity), "default.pinned").await.0, pinned);
        assert_eq!(mutual.ask(Some(identity), "default.keyed-tls").await.0, keyed);
    }
    mutual.end().await;
}

#[tokio::test]
async fn ca_05_an_open_connection_does_not_outlive_its_certificate_or_ca() {
    let root = ca("root");
    let mutual = Mutual::with_billing(&[&root]);
    let identity = Identity::by(&root, |_| {});
    let client = mutual.client(Some(&identity));
    assert_eq!(mutual.token(&client, "default.billing").await.0, 200);
    name_cas(&mutual.app, &[&ca("another")]);
    assert_eq!(mutual.token(&client, "default.billing").await.0, 401);
    name_cas(&mutual.app, &[&root]);
    assert_eq!(mutual.token(&client, "default.billing").await.0, 200);
    mutual.app.clock.advance(2 * 366 * 86400);
    assert_eq!(mutual.token(&client, "default.billing").await.0, 401);
    mutual.end().await;
}

#[tokio::test]
async fn i7_disc_01_ca_02_until_a_ca_is_known_nobody_is_unknown() {
    let root = ca("root");
    let identity = Identity::by(&root, |_| {});
    let mut app = taking_certificates(&[]);
    set_client(&mut app, "billing", json!({"sanUri": URI}));
    set_client(
        &mut app,
        "pinned",
        json!({"thumbprints": [identity.thumbprint()]}),
    );
    let mutual = Mutual::start(app);
    let client = mutual.client(Some(&identity));
    // the same for all who may not exist: the chain is looked at for each of them
    for id in ["default.billing", "default.nobody", "default.machine"] {
        let form = [("grant_type", "client_credentials"), ("client_id", id)];
        let answer = client
            .post(mutual.url("/token"))
            .form(&form)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 503, "{id}");
        assert!(answer.headers().contains_key("retry-after"));
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["error"], "temporarily_unavailable");
    }
    // whoever shows none will not be known then either, and a thumbprint leads to no CA
    assert_eq!(mutual.ask(None, "default.billing").await.0, 401);
    assert_eq!(mutual.token(&client, "default.pinned").await.0, 200);
    name_cas(&mutual.app, &[&root]);
    assert_eq!(mutual.token(&client, "default.billing").await.0, 200);
    // gone is another thing than not read yet
    let nobody = Authorities::nobody("it is not there");
    mutual.app.app.authorities.store(Some(Arc::new(nobody)));
    for id in ["default.billing", "default.nobody", "default.machine"] {
        assert_eq!(mutual.token(&client, id).await.0, 401, "{id}");
    }
    mutual.end().await;
}

#[tokio::test]
async fn ca_05_the_listener_has_the_endpoints_of_clients_and_no_page() {
    let mutual = Mutual::with_billing(&[&ca("root")]);
    let client = mutual.client(None);
    for path in [
        "/authorize",
        "/login",
        "/account",
        "/",
        "/register",
        "/health",
        "/metrics",
    ] {
        let answer = client.get(mutual.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
    // clients with secrets may come here too
    let form = [("grant_type", "client_credentials")];
    let request = client.post(mutual.url("/token")).form(&form);
    let answer = request
        .basic_auth("default.machine", Some(secret_of("machine")))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    mutual.end().await;
}

/// Proxies of these addresses tell of certificates.
fn trust_proxies(app: &TestApp) {
    change_installation(app, |installation| {
        installation.client_address = Some(ClientAddress::Forwarded(Forwarded {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            header: Default::default(),
        }));
        let mtls = installation.mtls.as_mut().unwrap();
        mtls.client_cert_header = true;
        mtls.trusted_proxies = vec![format!("{PROXY}/32").parse().unwrap()];
    });
}

/// A request whose connection no certificate came by.
fn by_proxy(own: &str, chain: Option<&str>) -> Ask {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "default.billing"),
    ];
    let ask = Ask::post("/token").form(&form).header("client-cert", own);
    match chain {
        Some(chain) => ask.header("client-cert-chain", chain),
        None => ask,
    }
}

#[tokio::test]
async fn ca_05_a_trusted_proxy_may_tell_whose_certificate_it_was_shown() {
    let root = ca("root");
    let mut app = taking_certificates(&[&root]);
    set_client(&mut app, "billing", json!({"sanUri": URI}));
    let issuing =
        CertifiedIssuer::signed_by(ca_params("issuing"), KeyPair::generate().unwrap(), &root).unwrap();
    let encode = |der: &[u8]| format!(":{}:", STANDARD.encode(der));
    let own = encode(&Identity::by(&issuing, |_| {}).chain[0]);
    let chain = encode(issuing.der());
    let from = |peer: &str, chain: Option<&str>| by_proxy(&own, chain).from(peer.parse().unwrap());

    app.send(from(PROXY, Some(&chain)))
        .await
        .is_error(401, "invalid_client");
    trust_proxies(&app);
    change_installation(&app, |installation| {
        installation.mtls.as_mut().unwrap().client_cert_header = false;
    });
    // to trust a proxy's word about addresses is not to trust its word about certificates
    app.send(from(PROXY, Some(&chain)))
        .await
        .is_error(401, "invalid_client");
    change_installation(&app, |installation| {
        installation.mtls.as_mut().unwrap().client_cert_header = true;
    });
    assert_eq!(app.send(from(PROXY, Some(&chain))).await.status, 200);
    // nor is another one that is trusted about addresses
    app.send(from("10.0.0.8", Some(&chain)))
        .await
        .is_error(401, "invalid_client");
    app.send(from("192.0.2.1", Some(&chain)))
        .await
        .is_error(401, "invalid_client");
    app.send(by_proxy(&own, Some(&chain)))
        .await
        .is_error(401, "invalid_client");
    app.send(from(PROXY, None)).await.is_error(401, "invalid_client");
    for odd in ["", "x", "::", ":AAAA:", &own[1..]] {
        let ask = by_proxy(odd, Some(&chain)).from(PROXY.parse().unwrap());
        app.send(ask).await.is_error(401, "invalid_client");
    }
    let twice = from(PROXY, Some(&chain)).header("client-cert", &own);
    app.send(twice).await.is_error(401, "invalid_client");
}

#[tokio::test]
async fn ca_05_a_trusted_proxy_that_tells_of_nobody_is_itself() {
    let root = ca("root");
    let mutual = Mutual::with_billing(&[&root]);
    change_installation(&mutual.app, |installation| {
        let mtls = installation.mtls.as_mut().unwrap();
        mtls.client_cert_header = true;
        mtls.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let own = Identity::by(&root, |_| {});
    let client = mutual.client(Some(&own));
    assert_eq!(mutual.token(&client, "default.billing").await.0, 200);
    // what it says of another comes first, whether it can be read or not
    let foreign = Identity::self_signed();
    for told in [
        format!(":{}:", STANDARD.encode(&foreign.chain[0])),
        "x".to_owned(),
    ] {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "default.billing"),
        ];
        let request = client.post(mutual.url("/token")).form(&form);
        let answer = request.header("client-cert", told).send().await.unwrap();
        assert_eq!(answer.status(), 401);
    }
    mutual.end().await;
}

#[tokio::test]
async fn ca_05_the_log_tells_why_a_certificate_cannot_be_read() {
    log::keep();
    let mut app = taking_certificates(&[&ca("root")]);
    set_client(&mut app, "billing", json!({"sanUri": URI}));
    trust_proxies(&app);
    let ask = by_proxy("x", None).from(PROXY.parse().unwrap());
    let ask = ask.header("x-request-id", "certificate-unreadable");
    app.send(ask).await.is_error(401, "invalid_client");
    let log = log::text();
    let line = log.lines().find(|line| line.contains("certificate-unreadable"));
    let line = line.unwrap();
    assert!(
        line.contains("cannot be read: Client-Cert is no byte sequence"),
        "{line}"
    );
}

#[tokio::test]
async fn mtls_01_access_tokens_are_bound_to_the_certificate_of_the_connection() {
    let mut app = taking_certificates(&[&ca("root")]);
    for (name, format) in [("bound", "jwt"), ("sealed", "opaque")] {
        app.set_client(
            name,
            json!({"applicationType": "service", "grantTypes": ["client_credentials"], "scopes": [],
                "tokens": {"certificateBound": true, "accessTokenFormat": format}}),
        );
    }
    let mutual = Mutual::start(app);
    // whoever signed it: the client proves itself by its secret here
    let identity = Identity::self_signed();
    let client = mutual.client(Some(&identity));
    for name in ["bound", "sealed"] {
        let form = [("grant_type", "client_credentials")];
        let request = client.post(mutual.url("/token")).form(&form);
        let answer = request.basic_auth(format!("default.{name}"), Some(secret_of(name)));
        let answer: Value = answer.send().await.unwrap().json().await.unwrap();
        let token = answer["access_token"].as_str().unwrap();
        let told = mutual.app.introspect(name, token).await;
        let thumbprint = told["cnf"]["x5t#S256"].as_str().unwrap();
        let digest = URL_SAFE_NO_PAD.decode(thumbprint).unwrap();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, identity.thumbprint());
        if name == "bound" {
            assert_eq!(decode(token).1["cnf"], told["cnf"]);
        }
        // never an unbound one instead
        let answer = mutual.app.token(name, &form).await;
        answer.is_error(400, "invalid_request");
        assert!(answer.text.contains("mtls_endpoint_aliases"), "{answer:?}");
    }
    mutual.end().await;
}

#[tokio::test]
async fn mtls_01_userinfo_wants_the_certificate_and_refreshed_tokens_follow_it() {
    let mut app = taking_certificates(&[&ca("root")]);
    app.set_client(
        "bound",
        json!({"redirectUris": [REDIRECT], "grantTypes": ["authorization_code", "refresh_token"],
            "scopes": ["openid", "email"], "tokens": {"certificateBound": true}}),
    );
    trust_proxies(&app);
    let (first, second) = (Identity::self_signed(), Identity::self_signed());
    let header = |identity: &Identity| format!(":{}:", STANDARD.encode(&identity.chain[0]));
    let by = |ask: Ask, identity: &Identity| {
        ask.header("client-cert", header(identity))
            .from(PROXY.parse().unwrap())
    };
    let code = Browser::new(&app)
        .code("bound", &[("scope", "openid email")])
        .await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let redeem = || Ask::post("/token").basic("bound").form(&form);
    // a code is not used up by a request that could have no bound token
    app.send(redeem()).await.is_error(400, "invalid_request");
    let tokens = Tokens::of(&app.send(by(redeem(), &first)).await);

    let ask = |token: &str| Ask::get("/userinfo").bearer(token);
    assert_eq!(app.send(by(ask(&tokens.access), &first)).await.status, 200);
    for refused in [ask(&tokens.access), by(ask(&tokens.access), &second)] {
        let answer = app.send(refused).await;
        answer.is_error(401, "invalid_token");
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .contains("invalid_token")
        );
    }
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*tokens.refresh),
    ];
    let refresh = || Ask::post("/token").basic("bound").form(&form);
    app.send(refresh()).await.is_error(400, "invalid_request");
    let renewed = Tokens::of(&app.send(by(refresh(), &second)).await);
    assert_eq!(app.send(by(ask(&renewed.access), &second)).await.status, 200);
    app.send(by(ask(&renewed.access), &first))
        .await
        .is_error(401, "invalid_token");
}

#[tokio::test]
async fn ca_05_discovery_lists_the_methods_and_the_aliases() {
    let app = taking_certificates(&[&ca("root")]);
    let document = app
        .send(Ask::get("/.well-known/openid-configuration"))
        .await
        .json();
    let methods = document["token_endpoint_auth_methods_supported"]
        .as_array()
        .unwrap();
    assert!(
        methods.contains(&json!("tls_client_auth"))
            && methods.contains(&json!("self_signed_tls_client_auth"))
    );
    let aliases = &document["mtls_endpoint_aliases"];
    assert_eq!(aliases["token_endpoint"], "https://id.example.com:8443/token");
    let plain = TestApp::new();
    let document = plain
        .send(Ask::get("/.well-known/openid-configuration"))
        .await
        .json();
    assert!(document.get("mtls_endpoint_aliases").is_none());
}
