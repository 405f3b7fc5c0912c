//! Workloads that prove themselves by their ServiceAccount tokens, against an API server that is scripted at the
//! level of HTTP.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use axum::body::Body;
use http::{Request, Response};
use oidc_crds::jwk::PrivateJwk;
use oidc_crds::names::Algorithm;
use oidc_crds::secrets::installation::Installation;
use oidc_protocol::jwt::Signer;
use serde_json::{Value, json};

use super::support::*;

const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";

/// One of two keys of the cluster.
fn key(number: usize) -> PrivateJwk {
    static MADE: OnceLock<[PrivateJwk; 2]> = OnceLock::new();
    let made = MADE.get_or_init(|| [(); 2].map(|()| PrivateJwk::generate(Algorithm::ES256, None).unwrap()));
    made[number].clone()
}

/// The API server: which keys it publishes, and how often it was asked for them.
#[derive(Default)]
struct ApiServer {
    keys: Mutex<Vec<usize>>,
    asked: AtomicUsize,
}

impl ApiServer {
    fn client(self: &Arc<Self>) -> kube::Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.answer(request.uri().path())) }
        });
        kube::Client::new(service, "idp")
    }

    fn answer(&self, path: &str) -> Response<Body> {
        let keys = self.keys.lock().unwrap();
        let forbidden = json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden"});
        let (status, answer) = match path {
            _ if keys.is_empty() => (403, forbidden),
            "/.well-known/openid-configuration" => {
                (200, json!({"issuer": CLUSTER, "jwks_uri": "https://x/jwks"}))
            }
            "/openid/v1/jwks" => {
                self.asked.fetch_add(1, Ordering::SeqCst);
                let keys: Vec<_> = keys.iter().map(|number| key(*number).public().unwrap()).collect();
                (200, json!({ "keys": keys }))
            }
            other => panic!("nobody asks for {other}"),
        };
        Response::builder()
            .status(status)
            .body(Body::from(answer.to_string()))
            .unwrap()
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A provider in a cluster with the client `jobs` for the ServiceAccount `runner`.
fn in_cluster(keys: &[usize]) -> (TestApp, Arc<ApiServer>) {
    let api = Arc::new(ApiServer::default());
    *api.keys.lock().unwrap() = keys.to_vec();
    let mut app = TestApp::new();
    app.app.cluster.connect(api.client());
    let mut installation = Installation::clone(&app.app.installation.load());
    installation.grants_all = false;
    let grant = json!([{"namespaces": ["*"], "scopes": ["api"], "audiences": ["https://api.example.com"],
        "resourceServerFor": ["https://api.example.com"]}]);
    installation.grants = serde_json::from_value(grant).unwrap();
    app.app.installation.store(Arc::new(installation));
    app.set_client(
        "jobs",
        json!({"applicationType": "service", "grantTypes": ["client_credentials"], "scopes": ["api"],
            "authentication": {"serviceAccounts": [{"name": "runner"}]}}),
    );
    (app, api)
}

/// A token as a kubelet projects it; `change` makes another of it.
fn token(app: &TestApp, number: usize, change: impl FnOnce(&mut Value)) -> String {
    use oidc_provider::app::Clock;
    let now = app.clock.now().as_second();
    let mut claims = json!({
        "iss": CLUSTER, "sub": "system:serviceaccount:default:runner", "aud": [ISSUER],
        "iat": now, "nbf": now, "exp": now + 3600,
        "kubernetes.io": {"namespace": "default", "pod": {"name": "jobs-7d9", "uid": "p"},
            "serviceaccount": {"name": "runner", "uid": "s"}},
    });
    change(&mut claims);
    let key = key(number);
    let signer = Signer::new(&key.thumbprint().unwrap(), &key).unwrap();
    signer.sign("JWT", &claims).unwrap()
}

async fn ask(app: &TestApp, token: &str) -> Answer {
    ask_as(app, "default.jobs", token).await
}

async fn ask_as(app: &TestApp, client_id: &str, token: &str) -> Answer {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", token),
    ];
    app.send(Ask::post("/token").form(&form)).await
}

#[tokio::test]
async fn ca_06_a_pod_gets_a_token_with_nothing_but_its_own() {
    let (app, api) = in_cluster(&[0]);
    let own = token(&app, 0, |_| {});
    let answer = ask(&app, &own).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let claims = decode(answer.json()["access_token"].as_str().unwrap()).1;
    assert_eq!(claims["sub"], "default.jobs");
    assert_eq!(claims["scope"], "api");
    // again and again, without a round trip to the store or the API server
    let (answer, trips) = app.trips(ask(&app, &own)).await;
    assert_eq!((answer.status.as_u16(), trips, api.asked()), (200, 0, 1));
    app.clock.advance(3611);
    let answer = ask(&app, &own).await;
    answer.is_error(401, "invalid_client");
    assert!(answer.text.contains("has expired"), "{answer:?}");
}

#[tokio::test]
async fn ca_06_the_audit_line_names_the_pod() {
    log::keep();
    let (app, _) = in_cluster(&[0]);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "default.jobs"),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", &*token(&app, 0, |_| {})),
    ];
    let ask = Ask::post("/token")
        .header("x-request-id", "service-account-audit")
        .form(&form);
    assert_eq!(app.send(ask).await.status, 200);
    let log = log::text();
    let line = log
        .lines()
        .find(|line| line.contains("service-account-audit") && line.contains("\"target\":\"audit\""))
        .unwrap();
    assert!(
        line.contains("\"service_account\":\"default/runner (pod jobs-7d9)\""),
        "{line}"
    );
}

#[tokio::test]
async fn ca_06_new_keys_of_the_cluster_are_fetched_once_a_minute_at_most() {
    let (app, api) = in_cluster(&[0]);
    assert_eq!(ask(&app, &token(&app, 0, |_| {})).await.status, 200);
    *api.keys.lock().unwrap() = vec![0, 1];
    for _ in 0..5 {
        ask(&app, &token(&app, 1, |_| {}))
            .await
            .is_error(401, "invalid_client");
    }
    assert_eq!(api.asked(), 1, "it was asked less than a minute ago");
    app.clock.advance(60);
    let both = [token(&app, 1, |_| {}), token(&app, 0, |_| {})];
    let all = futures::future::join_all((0..20).map(|n| ask(&app, &both[n % 2]))).await;
    assert!(all.iter().all(|answer| answer.status == 200));
    assert_eq!(api.asked(), 2, "by one of many");
    // an API server that refuses leaves what is known in force
    api.keys.lock().unwrap().clear();
    app.clock.advance(60);
    assert_eq!(ask(&app, &token(&app, 0, |_| {})).await.status, 200);
}

#[tokio::test]
async fn ca_06_until_the_keys_are_known_it_is_503() {
    let (app, api) = in_cluster(&[]);
    let answer = ask(&app, &token(&app, 0, |_| {})).await;
    answer.is_error(503, "temporarily_unavailable");
    assert!(answer.header("retry-after").is_some());
    *api.keys.lock().unwrap() = vec![0];
    app.clock.advance(5);
    assert_eq!(ask(&app, &token(&app, 0, |_| {})).await.status, 200);
}

#[tokio::test]
async fn ca_06_tokens_for_others_and_of_others_are_refused() {
    let (app, _) = in_cluster(&[0]);
    for (change, reason) in [
        (json!({"aud": ["https://kubernetes.default.svc"]}), "audience"),
        (json!({"aud": [ISSUER, CLUSTER]}), "audience"),
        (json!({"sub": "system:serviceaccount:default:other"}), "not bound"),
        (
            json!({"sub": "system:serviceaccount:default:other", "kubernetes.io":
                {"namespace": "default", "serviceaccount": {"name": "other"}}}),
            "lists the ServiceAccount",
        ),
        (
            json!({"sub": "system:serviceaccount:team-b:runner", "kubernetes.io":
                {"namespace": "team-b", "serviceaccount": {"name": "runner"}}}),
            "lists the ServiceAccount",
        ),
    ] {
        let token = token(&app, 0, |claims| {
            for (name, value) in change.as_object().unwrap() {
                claims[name] = value.clone();
            }
        });
        let answer = ask(&app, &token).await;
        answer.is_error(401, "invalid_client");
        assert!(answer.text.contains(reason), "{answer:?}");
    }
    // a good token opens no other client, and a client's own assertion does not open this one
    let good = token(&app, 0, |_| {});
    for other in ["default.web", "default.keyed", "default.spa", "default.nobody"] {
        ask_as(&app, other, &good).await.is_error(401, "invalid_client");
    }
    let mut form = app.assertion(|_| {});
    form.push(("grant_type", "client_credentials".to_owned()));
    form.push(("client_id", "default.jobs".to_owned()));
    app.send(Ask::post("/token").form(&form))
        .await
        .is_error(401, "invalid_client");
}
