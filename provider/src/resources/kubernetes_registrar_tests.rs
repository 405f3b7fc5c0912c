//! Registration against the scripted API.

use http::StatusCode;
use oidc_crds::credentials::{ClientSecret, verify};
use oidc_protocol::registration::parse;
use tower::Service;

use super::*;
use crate::app::{NewClient, NotRegistered};
use crate::router;

/// An installation in which everybody may register, in the namespace a.
fn open() -> Value {
    with_mode("open")
}

fn with_mode(mode: &str) -> Value {
    let mut map = config_map("[a]");
    let text = map["data"]["installation.yaml"].as_str().unwrap();
    let text = format!("{text}registration: {{mode: {mode}, namespace: a}}\nclientAddress: socket\n");
    map["data"]["installation.yaml"] = text.into();
    map
}

async fn ask(app: &Arc<App>, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    ask_as(app, "", method, path, body).await
}

/// The same with a token.
async fn ask_as(app: &Arc<App>, token: &str, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let request = http::Request::builder()
        .method(method)
        .header("authorization", format!("Bearer {token}"))
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
    let new = NewClient { spec, token: None };
    let registered = registrar::register(&app, new, Duration::from_millis(1)).await;
    assert!(matches!(registered, Err(NotRegistered::Unavailable(_))));
    assert!(made(&api).is_empty());
}

#[tokio::test]
async fn reg_01_an_object_whose_making_was_not_answered_is_removed_when_it_comes() {
    let (api, app) = started(&open()).await;
    api.late.store(true, Ordering::Relaxed);
    let spec = parse(metadata("x").to_string().as_bytes(), &[]).unwrap();
    let new = NewClient { spec, token: None };
    let registering = registrar::register(&app, new, Duration::from_secs(2));
    let is_coming = until("it is on its way", || !api.coming.lock().unwrap().is_empty());
    let (registered, ()) = tokio::join!(registering, is_coming);
    assert!(matches!(registered, Err(NotRegistered::Unavailable(_))));
    assert!(
        api.coming.lock().unwrap().is_empty(),
        "it came after the first try"
    );
    until("it is removed", || made(&api).is_empty()).await;
}

#[tokio::test]
async fn reg_01_what_nobody_is_left_to_be_told_of_is_removed_and_takes_no_use() {
    let (api, app) = started(&with_mode("token")).await;
    api.put(SECRETS, tokens(1));
    until("the token is known", || {
        let known = app.registration_tokens.load_full();
        known.is_some_and(|known| known.find(TOKEN).is_some())
    })
    .await;
    api.slow.store(true, Ordering::Relaxed);
    let asking = {
        let app = app.clone();
        tokio::spawn(async move { ask_as(&app, TOKEN, "POST", "/register", &metadata("x")).await })
    };
    until("it is made", || !made(&api).is_empty()).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    api.slow.store(false, Ordering::Relaxed);
    let object = made(&api).remove(0);
    api.put(&clients("a"), object);
    until("it is removed", || made(&api).is_empty()).await;
    let again = async {
        while ask_as(&app, TOKEN, "POST", "/register", &metadata("x")).await.0 != 201 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), again)
        .await
        .expect("the use is given back");
}

const TOKEN: &str = "canary-0123456789abcdef0123456789abcdef";

fn tokens(uses: u32) -> Value {
    let value = json!({"token": TOKEN, "uses": uses, "expiresAt": "2099-01-01T00:00:00Z"});
    let data = Data::from([("ci".to_owned(), value.to_string().into_bytes())]);
    secret("oidc-registration-tokens", &data)
}

#[tokio::test]
async fn reg_01_with_a_token_programs_register_and_the_object_says_with_which() {
    let (api, app) = started(&with_mode("token")).await;
    until("the tokens are known", || {
        app.registration_tokens.load().is_some()
    })
    .await;
    let document = discovery(&app).await;
    assert_eq!(
        document["registration_endpoint"],
        "https://oidc.example.com/register"
    );
    let register = async |token: &str| ask_as(&app, token, "POST", "/register", &metadata("x")).await;
    assert_eq!(register(TOKEN).await.0, 401, "there is none yet");
    api.put(SECRETS, tokens(2));
    let known = || app.registration_tokens.load_full().unwrap();
    until("the token is known", || known().find(TOKEN).is_some()).await;

    let (status, told) = register("another").await;
    assert_eq!((status.as_u16(), &told["error"]), (401, &json!("invalid_token")));
    assert!(made(&api).is_empty());
    // what the API server does not make takes no use
    api.refused.lock().unwrap().insert(clients("a"));
    for _ in 0..3 {
        assert_eq!(register(TOKEN).await.0, 503);
    }
    api.refused.lock().unwrap().clear();
    for _ in 0..2 {
        let (status, told) = register(TOKEN).await;
        assert_eq!(status, 201, "{told}");
    }
    assert_eq!(register(TOKEN).await.0, 401, "used up");
    let objects = made(&api);
    assert_eq!(objects.len(), 2);
    for object in &objects {
        assert_eq!(
            object["metadata"]["labels"]["oidc-operator.dev/registration-token"],
            "ci"
        );
        assert_eq!(object["spec"]["registration"]["token"], "ci");
        assert!(!object.to_string().contains("canary"));
    }

    // without its Secret no token is good
    api.put(SECRETS, tokens(3));
    api.delete(SECRETS, "oidc-registration-tokens");
    until("it is gone", || known().find(TOKEN).is_none()).await;
    assert_eq!(register(TOKEN).await.0, 401);
}

#[tokio::test]
async fn reg_01_a_store_that_lost_its_data_gives_no_use_again() {
    let (api, app) = started(&with_mode("token")).await;
    api.put(SECRETS, tokens(2));
    let known = || app.registration_tokens.load_full();
    until("the token is known", || {
        known().is_some_and(|known| known.find(TOKEN).is_some())
    })
    .await;
    for _ in 0..2 {
        assert_eq!(
            ask_as(&app, TOKEN, "POST", "/register", &metadata("x")).await.0,
            201
        );
    }
    // a pod with an empty store
    let installation = app.installation.load().as_ref().clone();
    let other = Arc::new(App {
        registrar: app.registrar.clone(),
        ..App::new(installation, Arc::new(MemoryStore::default()))
    });
    other.clients.publish(app.clients.all());
    other.pepper.store(app.pepper.load_full());
    other.registration_tokens.store(known());
    other.cluster.connect(api.client());
    assert_eq!(
        ask_as(&other, TOKEN, "POST", "/register", &metadata("x")).await.0,
        401
    );
    assert_eq!(made(&api).len(), 2);
}

#[tokio::test]
async fn reg_02_what_a_rule_between_objects_refuses_makes_no_object() {
    let (api, app) = started(&open()).await;
    let mut asked = metadata("x");
    asked["id_token_signed_response_alg"] = "ES384".into();
    let (status, told) = ask(&app, "POST", "/register", &asked).await;
    assert_eq!(
        (status.as_u16(), &told["error"]),
        (400, &json!("invalid_client_metadata")),
        "{told}"
    );
    assert!(
        told["error_description"]
            .as_str()
            .unwrap()
            .contains("id_token_signed_response_alg"),
        "{told}"
    );
    assert!(made(&api).is_empty());
}

fn text<'a>(told: &'a Value, member: &str) -> &'a str {
    told[member].as_str().unwrap_or_default()
}

/// Path and registration access token.
fn own(told: &Value) -> (String, String) {
    let path = text(told, "registration_client_uri").strip_prefix("https://oidc.example.com");
    (
        path.unwrap().to_owned(),
        text(told, "registration_access_token").to_owned(),
    )
}

#[tokio::test]
async fn reg_03_a_program_changes_and_deletes_its_object() {
    let (api, app) = started(&open()).await;
    let told = ask(&app, "POST", "/register", &metadata("One")).await.1;
    let (path, first) = own(&told);
    let mut change = metadata("Two");
    change["client_id"] = told["client_id"].clone();
    // whoever runs the installation edits it at the same time, and a newer version adds what is not known here
    api.edits.lock().unwrap().push(Box::new(|object| {
        object["spec"]["allowedGroups"] = json!(["staff"]);
        object["spec"]["ofTheNextVersion"] = json!({"a": 1});
        object["metadata"]["annotations"] = json!({"a": "b"});
    }));
    let (status, changed) = ask_as(&app, &first, "PUT", &path, &change).await;
    assert_eq!(status, 200, "{changed}");
    let [object] = &made(&api)[..] else {
        panic!("{:?}", made(&api));
    };
    assert_eq!(object["spec"]["displayName"], "Two");
    assert_eq!(object["spec"]["className"], "oidc");
    assert_eq!(object["spec"]["allowedGroups"], json!(["staff"]), "i6");
    assert_eq!(object["spec"]["ofTheNextVersion"], json!({"a": 1}));
    assert_eq!(object["metadata"]["annotations"], json!({"a": "b"}));
    let client = app.clients.get(text(&told, "client_id")).unwrap();
    assert_eq!(client.display_name(), "Two", "served when it answers");
    let secret = ClientSecret::new(text(&told, "client_secret").to_owned());
    let (pepper, scope) = (app.pepper.load_full().unwrap(), client.digest_scope());
    assert!(verify(&pepper, &scope, client.credentials(), &secret, NOW).is_some());
    let second = own(&changed).1;
    for token in [&first, &second, secret.expose()] {
        assert!(!object.to_string().contains(token), "i9");
    }
    assert_eq!(ask_as(&app, &first, "GET", &path, &Value::Null).await.0, 200);
    assert_eq!(ask_as(&app, &second, "GET", &path, &Value::Null).await.0, 200);

    assert_eq!(ask_as(&app, &second, "DELETE", &path, &Value::Null).await.0, 204);
    assert!(made(&api).is_empty() && app.clients.get(text(&told, "client_id")).is_none());
    assert_eq!(ask_as(&app, &second, "GET", &path, &Value::Null).await.0, 401);
}

#[tokio::test]
async fn reg_03_what_registration_did_not_make_is_never_read_or_changed() {
    let (api, app) = started(&open()).await;
    let told = ask(&app, "POST", "/register", &metadata("One")).await.1;
    let (_, token) = own(&told);
    let [object] = &made(&api)[..] else {
        panic!("{:?}", made(&api));
    };
    // an object with the same registration, label or not, and one that somebody made by hand
    let mut copy = object.clone();
    for (name, label) in [("copy", json!("registration")), ("copy-2", Value::Null)] {
        copy["metadata"]["name"] = name.into();
        copy["metadata"]["uid"] = format!("uid-{name}").into();
        copy["metadata"]["labels"]["oidc-operator.dev/registered-by"] = label;
        if copy["metadata"]["labels"]["oidc-operator.dev/registered-by"].is_null() {
            copy["metadata"]["labels"] = json!({});
        }
        api.put(&clients("a"), copy.clone());
        until("it is served", || app.clients.get(&format!("a.{name}")).is_some()).await;
    }
    for id in ["a.copy", "a.copy-2", "a.one", "b.two"] {
        let path = format!("/register/{id}");
        let change = json!({"client_id": id, "redirect_uris": ["https://evil.example.com/cb"]});
        for (method, body) in [("GET", &Value::Null), ("PUT", &change), ("DELETE", &Value::Null)] {
            assert_eq!(
                ask_as(&app, &token, method, &path, body).await.0,
                401,
                "{method} {id}"
            );
        }
    }
    assert!(!format!("{:?}", api.objects.lock().unwrap()).contains("evil"));

    // its own, once the label is taken off it, or it is another object of the same name
    let (path, _) = own(&told);
    let change = json!({"client_id": told["client_id"], "redirect_uris": ["https://app.example.com/2"]});
    let mut taken = object.clone();
    taken["metadata"]["labels"] = json!({});
    api.put(&clients("a"), taken);
    assert_eq!(ask_as(&app, &token, "PUT", &path, &change).await.0, 401);
    assert_eq!(ask_as(&app, &token, "DELETE", &path, &Value::Null).await.0, 401);
    let mut another = object.clone();
    another["metadata"]["uid"] = "another".into();
    api.put_silently(&clients("a"), another);
    assert_eq!(ask_as(&app, &token, "PUT", &path, &change).await.0, 401);
    assert!(!format!("{:?}", api.objects.lock().unwrap()).contains("example.com/2"));
    api.put(&clients("a"), object.clone());
    assert_eq!(ask_as(&app, &token, "PUT", &path, &change).await.0, 200);
}

#[tokio::test]
async fn reg_03_a_change_without_end_of_conflicts_gives_up_and_writes_nothing() {
    let (api, app) = started(&open()).await;
    let told = ask(&app, "POST", "/register", &metadata("One")).await.1;
    let (path, token) = own(&told);
    let mut change = metadata("Two");
    change["client_id"] = told["client_id"].clone();
    for _ in 0..20 {
        api.edits.lock().unwrap().push(Box::new(|object| {
            object["spec"]["allowedGroups"] = json!(["staff"])
        }));
    }
    let (status, error) = ask_as(&app, &token, "PUT", &path, &change).await;
    assert_eq!(
        (status.as_u16(), &error["error"]),
        (503, &json!("temporarily_unavailable"))
    );
    assert_eq!(made(&api)[0]["spec"]["displayName"], "One");
    api.edits.lock().unwrap().clear();
    assert_eq!(ask_as(&app, &token, "PUT", &path, &change).await.0, 200);
}
