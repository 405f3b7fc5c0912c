//! A whole provider in the test's own process: the real router, the real memory store, keys, clients and
//! users made by the real validators; only time is the test's.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, Request, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oidc_crds::client::Client;
use oidc_crds::credentials::{ClientSecret, digest};
use oidc_crds::jwk::PrivateJwk;
use oidc_crds::names::Algorithm;
use oidc_crds::password;
use oidc_crds::registration::{self, Issued};
use oidc_crds::resources::signing_key::Phase;
use oidc_crds::resources::{OidcClient, OidcUser};
use oidc_crds::rng::SystemRng;
use oidc_crds::seal::KeyRing;
use oidc_crds::secrets::installation::{self, Installation, Lifetimes, RegistrationMode};
use oidc_crds::secrets::key_ring::KeyRingData;
use oidc_crds::secrets::key_set::{KeySet, KeyState, Owner};
use oidc_crds::secrets::pepper::Pepper;
use oidc_crds::validate::{validate, validate_user};
use oidc_protocol::jwt::Signer;
use oidc_provider::app::{
    App, Change, Clock, Hashing, NewClient, NotRegistered, Readiness, Registered, Registering, Registrar,
};
use oidc_provider::keys::{Offers, Prepared};
use oidc_provider::outbound::Outbound;
use oidc_provider::registration::{change, judge};
use oidc_provider::resources::held::registration_tokens;
use oidc_provider::router::{self, Router};
use oidc_provider::store::memory::MemoryStore;
use serde_json::{Value, json};
use tower::ServiceExt;

pub mod browser;
pub mod described;
pub mod log;
pub mod store;

pub use browser::Browser;
use store::Counting;

pub const ISSUER: &str = "https://id.example.com";
pub const REDIRECT: &str = "https://app.example.com/cb";
pub const PASSWORD: &str = "correct horse battery staple";
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A clock that the test moves.
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// The provider.
pub struct TestApp {
    pub app: Arc<App>,
    pub clock: Arc<TestClock>,
    pub store: Arc<Counting>,
    pub router: Router,
    pub internal: Router,
    clients: BTreeMap<String, Value>,
    users: BTreeMap<String, Value>,
}

/// How an app is made.
pub struct Setup {
    pub issuer: &'static str,
    pub registration: bool,
    /// Whether everything was read once.
    pub synced: bool,
    pub outbound: Outbound,
    /// Whether clients may show certificates.
    pub mtls: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            issuer: ISSUER,
            registration: false,
            synced: true,
            outbound: Outbound::default(),
            mtls: false,
        }
    }
}

/// The secret of a confidential client of the tests.
pub fn secret_of(name: &str) -> String {
    format!("secret-of-{name}-0123456789abcdef")
}

impl TestApp {
    /// With the usual clients and users.
    pub fn new() -> Self {
        Self::with(Setup::default())
    }

    pub fn with(setup: Setup) -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(1_800_000_000)));
        let store = Arc::new(Counting::new(MemoryStore::new()));
        let mut installation = Installation::standalone(setup.issuer, setup.issuer.starts_with("http://"));
        installation.mtls = setup.mtls.then(described::mtls);
        let now = clock.now();
        let ring = Arc::new(KeyRing::new(KeyRingData::generate(now, &mut SystemRng)));
        let pepper = Arc::new(Pepper::generate(now, &mut SystemRng));
        let app = Arc::new(App {
            installation: Arc::new(installation).into(),
            looks: Default::default(),
            clients: Default::default(),
            users: Default::default(),
            keys: Default::default(),
            ring: Some(ring).into(),
            pepper: Some(pepper).into(),
            registration_tokens: Default::default(),
            store: store.clone(),
            clock: clock.clone(),
            metrics: Default::default(),
            registrar: setup
                .registration
                .then(|| Arc::new(TestRegistrar::default()) as Arc<dyn Registrar>),
            hashing: Hashing::new(2, 16),
            cluster: Default::default(),
            outbound: setup.outbound,
            authorities: Default::default(),
            client_keys: Default::default(),
            client_requests: Default::default(),
            address_requests: Default::default(),
            registration_changes: Default::default(),
            pods: Default::default(),
            uses: Default::default(),
            readiness: Readiness::default(),
            loopback: false,
        });
        let prepared = Prepared::build(
            &key_set(now),
            &app.installation.load(),
            offers(setup.registration),
        );
        app.keys.publish(prepared.unwrap());
        if setup.synced {
            app.readiness.synced();
        }
        let mut test = Self {
            router: router::router(app.clone()),
            internal: router::internal(app.clone()),
            app,
            clock,
            store,
            clients: BTreeMap::new(),
            users: BTreeMap::new(),
        };
        test.usual();
        test
    }

    fn usual(&mut self) {
        let both = json!(["authorization_code", "refresh_token"]);
        let scopes = json!(["openid", "profile", "email", "groups", "api"]);
        let audiences = json!(["https://api.example.com"]);
        self.set_client(
            "web",
            json!({"displayName": "The Web App", "redirectUris": [REDIRECT], "grantTypes": both,
            "scopes": scopes, "audiences": audiences}),
        );
        self.set_client(
            "other",
            json!({"redirectUris": ["https://other.example.com/cb"], "grantTypes": both,
            "scopes": scopes}),
        );
        self.set_client(
            "spa",
            json!({"redirectUris": ["https://spa.example.com/cb"], "grantTypes": both,
            "scopes": scopes, "authentication": {"none": {}}, "allowedOrigins": ["https://spa.example.com"]}),
        );
        self.set_client(
            "native",
            json!({"redirectUris": ["http://127.0.0.1/cb", "http://localhost:4000/cb",
            "com.example.app:/cb", "com.example.app://callback"], "grantTypes": both, "scopes": scopes,
            "authentication": {"none": {}}}),
        );
        self.set_client(
            "legacy",
            json!({"redirectUris": ["https://legacy.example.com/cb"], "pkce": "optional",
            "authentication": {"clientSecret": {"method": "client_secret_basic"}}, "scopes": ["openid"]}),
        );
        self.set_client(
            "strict",
            json!({"redirectUris": [REDIRECT], "consent": "required", "scopes": scopes}),
        );
        self.set_client(
            "staff",
            json!({"redirectUris": [REDIRECT], "allowedGroups": ["admins"], "grantTypes": both,
            "scopes": scopes}),
        );
        self.set_client(
            "machine",
            json!({"applicationType": "service", "grantTypes": ["client_credentials"],
            "scopes": ["api"], "audiences": audiences}),
        );
        self.set_client(
            "rs",
            json!({"applicationType": "service", "grantTypes": ["client_credentials"],
            "resourceServerFor": audiences}),
        );
        let keys = [Algorithm::ES256, Algorithm::EdDSA].map(|alg| Self::client_key(alg).public().unwrap());
        self.set_client(
            "keyed",
            json!({"redirectUris": [REDIRECT], "scopes": scopes, "grantTypes": ["authorization_code",
            "refresh_token", "client_credentials"], "authentication": {"privateKeyJwt": {"jwks": {"keys": keys}}}}),
        );
        self.set_user(
            "jdoe",
            json!({"name": "Jane Doe", "email": "jane@example.com", "emailVerified": true,
            "groups": ["staff"]}),
        );
        self.set_user("erin", json!({"groups": ["admins"]}));
        self.set_user("gone", json!({"disabled": true}));
    }

    /// Makes or replaces a client of the namespace `default`; its UID stays.
    pub fn set_client(&mut self, name: &str, spec: Value) {
        self.set_client_object(name, &format!("uid-{name}"), spec);
    }

    pub fn set_client_object(&mut self, name: &str, uid: &str, spec: Value) {
        let secret = ClientSecret::new(secret_of(name));
        let pepper = self.app.pepper.load_full().unwrap();
        let has_secret =
            spec["authentication"].is_null() || !spec["authentication"]["clientSecret"].is_null();
        let credentials = if !has_secret {
            json!([])
        } else {
            json!([{"id": "0123456789abcdef", "digest": digest(&pepper, uid, "0123456789abcdef", &secret),
                "createdAt": "2026-01-01T00:00:00Z"}])
        };
        let object = json!({
            "apiVersion": "oidc-operator.dev/v1alpha1",
            "kind": "OidcClient",
            "metadata": {"name": name, "namespace": "default", "uid": uid, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": spec,
            "status": {"conditions": [], "credentials": credentials},
        });
        self.clients.insert(name.to_owned(), object);
        self.publish();
    }

    pub fn delete_client(&mut self, name: &str) {
        self.clients.remove(name);
        self.publish();
    }

    /// Makes or replaces a user whose password is [`PASSWORD`].
    pub fn set_user(&mut self, name: &str, spec: Value) {
        static HASH: OnceLock<String> = OnceLock::new();
        let hash = HASH.get_or_init(|| password::hash(PASSWORD, &mut SystemRng));
        let ring = self.app.ring.load_full().unwrap();
        let uid = format!("uid-{name}");
        let sealed = password::seal(&ring, &uid, hash, &mut SystemRng);
        let object = json!({
            "apiVersion": "oidc-operator.dev/v1alpha1",
            "kind": "OidcUser",
            "metadata": {"name": name, "namespace": "oidc", "uid": uid, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": spec,
            "status": {"conditions": [], "password": {"sealed": sealed, "fingerprint": "uid/1"}},
        });
        self.users.insert(name.to_owned(), object);
        self.publish();
    }

    pub fn delete_user(&mut self, name: &str) {
        self.users.remove(name);
        self.publish();
    }

    /// Another pod of the installation as it is now: of its own, but for the store and what all pods are given.
    pub fn pod(&self) -> Router {
        router::router(self.pod_app())
    }

    /// The same without its router.
    pub fn pod_app(&self) -> Arc<App> {
        let app = Arc::new(App {
            installation: self.app.installation.load_full().into(),
            looks: Default::default(),
            clients: Default::default(),
            users: Default::default(),
            keys: Default::default(),
            ring: self.app.ring.load_full().into(),
            pepper: self.app.pepper.load_full().into(),
            registration_tokens: Default::default(),
            store: self.store.clone(),
            clock: self.clock.clone(),
            metrics: Default::default(),
            registrar: None,
            hashing: Hashing::new(2, 16),
            cluster: Default::default(),
            outbound: Default::default(),
            authorities: Default::default(),
            client_keys: Default::default(),
            client_requests: Default::default(),
            address_requests: Default::default(),
            registration_changes: Default::default(),
            pods: Default::default(),
            uses: Default::default(),
            readiness: Readiness::default(),
            loopback: false,
        });
        let prepared = Prepared::build(
            &key_set(self.clock.now()),
            &app.installation.load(),
            offers(false),
        );
        app.keys.publish(prepared.unwrap());
        app.readiness.synced();
        self.publish_to(&app);
        app
    }

    /// Puts a changed key set in force, as the watch of it does.
    pub fn set_keys(&self, change: impl FnOnce(&mut KeySet)) {
        let mut set = key_set(self.clock.now());
        change(&mut set);
        let prepared = Prepared::build(&set, &self.app.installation.load(), offers(false));
        self.app.keys.publish(prepared.unwrap());
    }

    /// Changes the lifetimes of the installation.
    pub fn set_lifetimes(&self, change: impl FnOnce(&mut Lifetimes)) {
        let mut installation = Installation::clone(&self.app.installation.load());
        change(Arc::make_mut(&mut installation.lifetimes));
        self.app.installation.store(Arc::new(installation));
    }

    fn publish(&self) {
        self.publish_to(&self.app);
    }

    fn publish_to(&self, app: &App) {
        let installation = app.installation.load();
        let client = |object: &Value| {
            let object: OidcClient = serde_json::from_value(object.clone()).unwrap();
            Arc::new(validate(&object, &installation, None).unwrap())
        };
        let user = |object: &Value| {
            let object: OidcUser = serde_json::from_value(object.clone()).unwrap();
            Arc::new(validate_user(&object).unwrap())
        };
        app.clients.publish(self.clients.values().map(client));
        app.users.publish(self.users.values().map(user));
    }

    pub fn client(&self, name: &str) -> Arc<Client> {
        self.app.clients.get(&format!("default.{name}")).unwrap()
    }

    /// Sends a request to the main port.
    pub async fn send(&self, ask: Ask) -> Answer {
        send_to(&self.router, ask).await
    }

    /// Sends a request to the internal port, which answers with bytes.
    pub async fn bytes_internal(&self, ask: Ask) -> (StatusCode, Vec<u8>) {
        let response = self.internal.clone().oneshot(ask.build()).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, to_bytes(body, usize::MAX).await.unwrap().to_vec())
    }

    /// Sends a request to the internal port.
    pub async fn send_internal(&self, ask: Ask) -> Answer {
        send_to(&self.internal, ask).await
    }

    /// A token request of a confidential client.
    pub async fn token(&self, client: &str, form: &[(&str, &str)]) -> Answer {
        self.send(Ask::post("/token").basic(client).form(form)).await
    }

    /// The same with an owned form.
    pub async fn token_form(&self, client: &str, form: &[(String, String)]) -> Answer {
        self.send(Ask::post("/token").basic(client).form(form)).await
    }

    /// The keys of the client `keyed`, of which the tests sign with the first of an algorithm.
    pub fn client_key(algorithm: Algorithm) -> PrivateJwk {
        static MADE: OnceLock<[PrivateJwk; 2]> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            [Algorithm::ES256, Algorithm::EdDSA]
                .map(|algorithm| PrivateJwk::generate(algorithm, None).unwrap())
        });
        let key = made.iter().find(|key| key.algorithm() == Ok(algorithm));
        key.unwrap().clone()
    }

    /// What the client `keyed` proves itself with; `change` spoils it.
    pub fn assertion(&self, change: impl FnOnce(&mut Value)) -> Vec<(&'static str, String)> {
        self.assertion_by(Algorithm::ES256, change)
    }

    /// The same, signed by its key of an algorithm.
    pub fn assertion_by(
        &self,
        algorithm: Algorithm,
        change: impl FnOnce(&mut Value),
    ) -> Vec<(&'static str, String)> {
        static COUNT: AtomicI64 = AtomicI64::new(0);
        let now = self.clock.now().as_second();
        let mut claims = json!({"iss": "default.keyed", "sub": "default.keyed", "aud": ISSUER, "iat": now,
            "exp": now + 60, "jti": format!("jti-{}", COUNT.fetch_add(1, Ordering::Relaxed))});
        change(&mut claims);
        let key = Self::client_key(algorithm);
        let signer = Signer::new(&key.thumbprint().unwrap(), &key).unwrap();
        vec![
            ("client_assertion_type", JWT_BEARER.to_owned()),
            ("client_assertion", signer.sign("JWT", &claims).unwrap()),
        ]
    }

    /// Redeems a code that came to the usual redirect URI.
    pub async fn redeem(&self, client: &str, code: &str) -> Answer {
        let redirect = self.client(client).redirect_uris()[0].clone();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect),
            ("code_verifier", VERIFIER),
        ];
        let id = format!("default.{client}");
        if self.client(client).is_public() {
            form.push(("client_id", &id));
            return self.send(Ask::post("/token").form(&form)).await;
        }
        self.token(client, &form).await
    }

    /// A person signs in at a client and the client redeems the code.
    pub async fn sign_in(&self, client: &str, scope: &str) -> Tokens {
        let mut browser = Browser::new(self);
        let code = browser.code(client, &[("scope", scope)]).await;
        Tokens::of(&self.redeem(client, &code).await)
    }

    pub async fn refresh(&self, client: &str, token: &str) -> Answer {
        self.token(
            client,
            &[("grant_type", "refresh_token"), ("refresh_token", token)],
        )
        .await
    }

    pub async fn userinfo(&self, token: &str) -> Answer {
        self.send(Ask::get("/userinfo").bearer(token)).await
    }

    pub async fn introspect(&self, client: &str, token: &str) -> Value {
        let answer = self
            .send(Ask::post("/introspect").basic(client).form(&[("token", token)]))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }

    /// Round trips that the store is asked for while `act` runs.
    pub async fn trips<T>(&self, act: impl Future<Output = T>) -> (T, u64) {
        let before = self.store.trips();
        let answer = act.await;
        (answer, self.store.trips() - before)
    }
}

/// The parameters of an authorization request of a client, as most tests send them.
pub fn request_of(app: &TestApp, client: &str) -> Vec<(String, String)> {
    let redirect = app.client(client).redirect_uris()[0].clone();
    let id = format!("default.{client}");
    [
        ("response_type", "code"),
        ("client_id", id.as_str()),
        ("redirect_uri", redirect.as_str()),
        ("scope", "openid"),
        ("state", "the-state"),
        ("nonce", "the-nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// Sets a parameter, or removes it with an empty value.
pub fn set(request: &mut Vec<(String, String)>, name: &str, value: &str) {
    request.retain(|(n, _)| n != name);
    if !value.is_empty() {
        request.push((name.to_owned(), value.to_owned()));
    }
}

pub fn encoded<K: AsRef<str>, V: AsRef<str>>(pairs: &[(K, V)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// A request in the making.
pub struct Ask {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    peer: Option<IpAddr>,
}

impl Ask {
    pub fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            peer: None,
        }
    }

    /// Comes from this address; from nowhere without it.
    pub fn from(mut self, peer: IpAddr) -> Self {
        self.peer = Some(peer);
        self
    }

    pub fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    pub fn post(path: &str) -> Self {
        Self::new(Method::POST, path)
    }

    pub fn header(mut self, name: impl ToString, value: impl ToString) -> Self {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    /// Authenticates as a client of the tests.
    pub fn basic(self, client: &str) -> Self {
        self.basic_as(&format!("default.{client}"), &secret_of(client))
    }

    pub fn basic_as(self, id: &str, secret: &str) -> Self {
        let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = STANDARD.encode(format!("{}:{}", part(id), part(secret)));
        self.header(header::AUTHORIZATION, format!("Basic {pair}"))
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header(header::AUTHORIZATION, format!("Bearer {token}"))
    }

    pub fn form<K: AsRef<str>, V: AsRef<str>>(self, pairs: &[(K, V)]) -> Self {
        let body = encoded(pairs);
        self.body("application/x-www-form-urlencoded", body)
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header(header::CONTENT_TYPE, content_type)
    }

    pub fn build(self) -> Request<Body> {
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(peer) = self.peer {
            request = request.extension(ConnectInfo(SocketAddr::new(peer, 4711)));
        }
        request.body(Body::from(self.body)).unwrap()
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

/// Sends a request to any router; the answer must be as `/openapi.json` describes it.
pub async fn send_to(router: &Router, ask: Ask) -> Answer {
    let (method, path) = (ask.method.clone(), ask.path.clone());
    let response = router.clone().oneshot(ask.build()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let answer = Answer {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    };
    described::check(&method, &path, &answer);
    answer
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.text).unwrap()
    }

    /// A JSON error of this status and code.
    #[track_caller]
    pub fn is_error(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.json()["error"], code, "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
    }

    /// Our own page, with no way to the client.
    #[track_caller]
    pub fn is_own_page(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("location"), None, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("text/html; charset=utf-8"),
            "{self:?}"
        );
        assert!(self.text.starts_with("<!doctype html>"), "{self:?}");
    }

    #[track_caller]
    pub fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{self:?}");
        self.header("location").unwrap()
    }

    /// The parameters of a redirect to a client, from its query or its fragment.
    #[track_caller]
    pub fn sent_back(&self) -> BTreeMap<String, String> {
        let location = self.location();
        let (_, query) = location.split_once(['?', '#']).unwrap();
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// The form that posts an answer to a client.
    #[track_caller]
    pub fn posted_back(&self) -> browser::Form {
        self.is_own_page(200);
        browser::Form::of(self)
    }

    /// A redirect to the client with this error.
    #[track_caller]
    pub fn is_sent_back_with(&self, error: &str) {
        let parameters = self.sent_back();
        assert_eq!(
            parameters.get("error").map(String::as_str),
            Some(error),
            "{self:?}"
        );
        assert!(!parameters.contains_key("code"), "{self:?}");
        assert!(!parameters["iss"].is_empty());
    }

    #[track_caller]
    pub fn code(&self) -> String {
        let mut parameters = self.sent_back();
        parameters
            .remove("code")
            .unwrap_or_else(|| panic!("a code: {self:?}"))
    }
}

/// A good token answer.
#[derive(Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub id: String,
    pub all: Value,
}

impl Tokens {
    #[track_caller]
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let all = answer.json();
        let text = |name: &str| all[name].as_str().unwrap_or_default().to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
            id: text("id_token"),
            all,
        }
    }
}

/// Header and claims of a JWT, its signature unchecked.
pub fn decode(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (next(), next())
}

/// What a pod of the cluster offers.
fn offers(registration: bool) -> Offers {
    Offers {
        registration,
        metrics: false,
    }
}

/// One active key of RS256 (the default) and ES256, made once per test run.
fn key_set(now: Timestamp) -> KeySet {
    static MADE: OnceLock<[PrivateJwk; 2]> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        [Algorithm::RS256, Algorithm::ES256]
            .map(|alg| PrivateJwk::generate(alg, alg.is_rsa().then_some(2048)).unwrap())
    });
    let state = |jwk: &PrivateJwk| {
        let algorithm = jwk.algorithm().unwrap();
        KeyState {
            kid: jwk.thumbprint().unwrap(),
            algorithm,
            rsa_bits: algorithm.is_rsa().then_some(2048),
            phase: Phase::Active,
            signing_key: Owner {
                name: algorithm.to_string().to_lowercase(),
                uid: "uid-key".to_owned(),
            },
            spec_revision: 0,
            created_at: now - SignedDuration::from_hours(1),
            published_at: Some(now - SignedDuration::from_hours(1)),
            signs_from: Some(Timestamp::UNIX_EPOCH),
            retires_at: None,
            removable_at: None,
            longest_lifetime: 900,
            imported: false,
            revoked: false,
            public: Some(jwk.public().unwrap()),
            jwk: Some(jwk.clone()),
        }
    };
    KeySet::new(1, made.iter().map(state).collect(), Algorithm::RS256)
}

/// The initial access token `ci` of [`by_token`].
pub const TOKEN: &str = "canary-0123456789abcdef0123456789abcdef";

/// Lets programs register with an initial access token that is good for two clients and a day.
pub fn by_token(app: &TestApp) {
    let mut installation = Installation::clone(&app.app.installation.load());
    installation.registration = Some(installation::Registration {
        mode: RegistrationMode::Token,
        namespace: "registrations".to_owned(),
        expire_unused: None,
    });
    app.app.installation.store(Arc::new(installation));
    let until = app.clock.now() + SignedDuration::from_hours(24);
    let value = json!({"token": TOKEN, "uses": 2, "expiresAt": until}).to_string();
    let data = BTreeMap::from([("ci".to_owned(), value.into_bytes())]);
    registration_tokens(&app.app, &data);
}

/// Makes clients in memory by the real validator, as a standalone provider does.
#[derive(Default)]
struct TestRegistrar {
    objects: Mutex<BTreeMap<String, OidcClient>>,
}

impl TestRegistrar {
    fn serve(&self, app: &App, object: OidcClient, issued: Issued) -> Registered {
        let client = Arc::new(validate(&object, &app.installation.load(), None).unwrap());
        self.objects
            .lock()
            .unwrap()
            .insert(client.client_id().to_owned(), object);
        Self::unserve(app, &client);
        app.clients
            .publish(app.clients.all().into_iter().chain([client.clone()]));
        Registered { client, issued }
    }

    fn unserve(app: &App, client: &Client) {
        let others = app
            .clients
            .all()
            .into_iter()
            .filter(|other| other.uid() != client.uid());
        app.clients.publish(others);
    }

    fn object(&self, client: &Client) -> Registering<OidcClient> {
        let objects = self.objects.lock().unwrap();
        objects
            .get(client.client_id())
            .cloned()
            .ok_or(NotRegistered::Unknown)
    }
}

impl Registrar for TestRegistrar {
    fn is_open(&self, _: &Installation) -> bool {
        true
    }

    fn register<'a>(&'a self, app: &'a App, new: NewClient) -> BoxFuture<'a, Registering<Registered>> {
        async move {
            let Some(pepper) = app.pepper.load_full() else {
                return Err(NotRegistered::Unavailable("no pepper".to_owned()));
            };
            let name = format!("client-{}", app.clients.len());
            let mut object = OidcClient::new(&name, new.spec);
            object.metadata.namespace = Some("registrations".to_owned());
            object.metadata.uid = Some(format!("uid-{name}"));
            object.metadata.creation_timestamp = Some(Time(app.clock.now()));
            let has_secret = judge(app, &object)?.has_secret();
            let issued = registration::register(&mut object, has_secret, new.token, &pepper, &mut SystemRng);
            Ok(self.serve(app, object, issued))
        }
        .boxed()
    }

    fn replace<'a>(
        &'a self,
        app: &'a App,
        client: &'a Client,
        asked: Change,
    ) -> BoxFuture<'a, Registering<Registered>> {
        async move {
            let mut object = self.object(client)?;
            let (_, issued) = change(app, &mut object, &asked, &app.pepper.load_full().unwrap())?;
            Ok(self.serve(app, object, issued))
        }
        .boxed()
    }

    fn remove<'a>(
        &'a self,
        app: &'a App,
        client: &'a Client,
        _: ClientSecret,
    ) -> BoxFuture<'a, Registering<()>> {
        async move {
            self.object(client)?;
            self.objects.lock().unwrap().remove(client.client_id());
            Self::unserve(app, client);
            Ok(())
        }
        .boxed()
    }
}
