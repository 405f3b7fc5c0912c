//! Registration against the scripted API.

use http::StatusCode;
use oidc_crds::credentials::{ClientSecret, verify};
use oidc_protocol::registration::parse;
use tower::Service;

use super::*;
use crate::app::NotRegistered;
use crate::router;

/// An installation in which everybody may register, in the namespace a.
fn open() -> Value {
    let mut map = config_map("[a]");
    let text = map["data"]["installation.yaml"].as_str().unwrap();
    let text = format!("{text}registration: {{mode: open, namespace: a}}\nclientAddress: socket\n");
    map["data"]["installation.yaml"] = text.into();
    map
}

async fn ask(app: &Arc<App>, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("https://oidc.example.com{path}"))
        .header("content-type", "application/json")
        .extension(axum::extract::ConnectInfo(std::net::SocketAddr::from((
            [192, 0, 2, 1],
            4711,
        ))))
        .body(Body::from(body.to_string()))
        .unwrap();
    let answer = router::router(app.clone()).call(request).await.unwrap();
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// What a program that calls itself so registers.
fn metadata(name: &str) -> Value {
    json!({"redirect_uris": ["https://app.example.com/cb"], "client_name": name})
}

async fn discovery(app: &Arc<App>) -> Value {
    ask(app, "GET", "/.well-known/openid-configuration", &Value::Null)
        .await
        .1
}

fn made(api: &Api) -> Vec<Value> {
    let objects = api.objects.lock().unwrap();
    let objects = objects[&clients("a")].iter();
    objects
        .filter(|object| object["metadata"]["labels"]["oidc-operator.dev/registered-by"] == "registration")
        .cloned()
        .collect()
}

async fn started(installation: &Value) -> (Arc<Api>, Arc<App>) {
    let (api, app) = start_with(installation, &key_set().to_data());
    api.put(SECRETS, secret("oidc-tls", &certificate()));
    until("it is ready", || app.readiness.is_ready()).await;
    (api, app)
}

#[tokio::test]
async fn reg_01_registration_is_closed_until_the_installation_opens_it_and_then_again() {
    let (api, app) = started(&config_map("[a]")).await;
    let closed = async || {
        assert_eq!(ask(&app, "POST", "/register", &metadata("x")).await.0, 404);
        assert_eq!(discovery(&app).await.get("registration_endpoint"), None);
    };
    closed().await;
    api.put(CONFIG_MAPS, open());
    until("it is open", || app.registration().is_some()).await;
    let address = "https://oidc.example.com/register";
    assert_eq!(discovery(&app).await["registration_endpoint"], address);
    let (status, client) = ask(&app, "POST", "/register", &metadata("x")).await;
    assert_eq!(status, 201, "{client}");
    api.put(CONFIG_MAPS, config_map("[a]"));
    until("it is closed", || app.registration().is_none()).await;
    closed().await;
    let id = client["client_id"].as_str().unwrap();
    assert!(app.clients.get(id).is_some(), "who registered stays");
}

#[tokio::test]
async fn reg_01_the_object_holds_the_digest_and_this_pod_serves_it_when_it_answers() {
    let (api, app) = started(&open()).await;
    let (status, told) = ask(&app, "POST", "/register", &metadata("The App")).await;
    assert_eq!(status, 201, "{told}");
    let client = app.clients.get(told["client_id"].as_str().unwrap()).unwrap();
    let secret = ClientSecret::new(told["client_secret"].as_str().unwrap().to_owned());
    let (pepper, scope) = (app.pepper.load_full().unwrap(), client.digest_scope());
    assert!(verify(&pepper, &scope, client.credentials(), &secret, NOW).is_some());
    let other = ClientSecret::new("another".to_owned());
    assert!(verify(&pepper, &scope, client.credentials(), &other, NOW).is_none());

    let [object] = &made(&api)[..] else {
        panic!("{:?}", made(&api));
    };
    assert!(!object.to_string().contains(secret.expose()));
    assert_eq!(object["spec"]["className"], "oidc");
    assert_eq!(object["spec"]["displayName"], "The App");
    let name = object["metadata"]["name"].as_str().unwrap();
    assert_eq!(told["client_id"], format!("a.{name}"));

    let public = json!({"redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "none"});
    let (status, told) = ask(&app, "POST", "/register", &public).await;
    assert_eq!(status, 201, "{told}");
    assert_eq!(told.get("client_secret"), None);
    assert!(
        app.clients
            .get(told["client_id"].as_str().unwrap())
            .unwrap()
            .is_public()
    );
}

#[tokio::test]
async fn reg_02_what_is_refused_makes_no_object() {
    let (api, app) = started(&open()).await;
    let bad = json!({"redirect_uris": ["http://app.example.com/cb"]});
    let (status, told) = ask(&app, "POST", "/register", &bad).await;
    assert_eq!(
        (status.as_u16(), &told["error"]),
        (400, &json!("invalid_redirect_uri"))
    );
    // the quota, or a Role that is missing
    api.refused.lock().unwrap().insert(clients("a"));
    let (status, told) = ask(&app, "POST", "/register", &metadata("x")).await;
    assert_eq!(
        (status.as_u16(), &told["error"]),
        (503, &json!("temporarily_unavailable"))
    );
    assert!(made(&api).is_empty());
}

#[tokio::test]
async fn reg_01_an_object_that_the_watch_does_not_tell_of_is_removed_again() {
    let (api, app) = started(&open()).await;
    api.slow.store(true, Ordering::Relaxed);
    let spec = parse(metadata("x").to_string().as_bytes(), &[]).unwrap();
    let registered = registrar::register(&app, spec, Duration::from_millis(1)).await;
    assert!(matches!(registered, Err(NotRegistered::Unavailable(_))));
    assert!(made(&api).is_empty());
}
