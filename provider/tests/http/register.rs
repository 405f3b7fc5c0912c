use std::sync::Arc;

use http::Method;
use oidc_crds::secrets::installation::Installation;
use serde_json::{Value, json};

use super::support::*;

async fn register(app: &TestApp, body: Value) -> Answer {
    app.send(Ask::post("/register").body("application/json", body.to_string()))
        .await
}

#[tokio::test]
async fn reg_01_closed_means_there_is_nothing() {
    let app = TestApp::new();
    let answer = register(&app, json!({"redirect_uris": [REDIRECT]})).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn reg_01_a_client_that_registered_can_sign_people_in() {
    let app = TestApp::with(Setup {
        registration: true,
        ..Setup::default()
    });
    let document = app
        .send(Ask::get("/.well-known/openid-configuration"))
        .await
        .json();
    assert_eq!(document["registration_endpoint"], format!("{ISSUER}/register"));
    let answer = register(
        &app,
        json!({"redirect_uris": [REDIRECT], "client_name": "New", "scope": "openid email"}),
    )
    .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let client = answer.json();
    assert_eq!(client["redirect_uris"], json!([REDIRECT]));
    assert_eq!(client["client_name"], "New");
    assert_eq!(client["client_secret_expires_at"], 0);
    assert!(client["client_id_issued_at"].is_i64());
    let (id, secret) = (
        client["client_id"].as_str().unwrap(),
        client["client_secret"].as_str().unwrap(),
    );
    let mut browser = Browser::new(&app);
    let page = browser.authorize_as(id, REDIRECT).await;
    let code = browser.walk_on(&page).await.code();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let ask = Ask::post("/token").basic_as(id, secret).form(&form);
    Tokens::of(&app.send(ask).await);
}

#[tokio::test]
async fn reg_02_errors_name_the_member() {
    let app = TestApp::with(Setup {
        registration: true,
        ..Setup::default()
    });
    for (body, error, member) in [
        (json!({}), "invalid_redirect_uri", "redirect_uris"),
        (
            json!({"redirect_uris": ["http://app.example.com/cb"]}),
            "invalid_redirect_uri",
            "redirect_uris",
        ),
        (
            json!({"redirect_uris": ["https://app.example.com/*"]}),
            "invalid_redirect_uri",
            "redirect_uris",
        ),
        (
            json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "magic"}),
            "invalid_client_metadata",
            "token_endpoint_auth_method",
        ),
        (
            json!({"redirect_uris": [REDIRECT], "client_name": 7}),
            "invalid_client_metadata",
            "client_name",
        ),
        (
            json!({"redirect_uris": [REDIRECT], "logo_uri": "javascript:x"}),
            "invalid_client_metadata",
            "logo_uri",
        ),
    ] {
        let answer = register(&app, body).await;
        answer.is_error(400, error);
        assert!(
            answer.json()["error_description"]
                .as_str()
                .unwrap()
                .contains(member),
            "{answer:?}"
        );
    }
    let post = |content_type: &str, body: &str| Ask::post("/register").body(content_type, body);
    app.send(post("application/json", "{"))
        .await
        .is_error(400, "invalid_client_metadata");
    app.send(post("application/json", "[]"))
        .await
        .is_error(400, "invalid_client_metadata");
    app.send(post("text/plain", "{}"))
        .await
        .is_error(400, "invalid_request");
    let deep = "[".repeat(60_000);
    app.send(post("application/json", &deep))
        .await
        .is_error(400, "invalid_client_metadata");
}

#[tokio::test]
async fn reg_02_unknown_metadata_is_ignored_and_unknown_scopes_are_dropped() {
    let app = TestApp::with(Setup {
        registration: true,
        ..Setup::default()
    });
    let body = json!({"redirect_uris": [REDIRECT], "scope": "openid mcp:tools email", "whatever": {"x": 1}});
    let client = register(&app, body).await.json();
    assert_eq!(client["scope"], "openid email");
}

fn with_token() -> TestApp {
    let app = TestApp::with(Setup {
        registration: true,
        ..Setup::default()
    });
    by_token(&app);
    app
}

fn ask_with(token: &str, body: Value) -> Ask {
    Ask::post("/register")
        .bearer(token)
        .body("application/json", body.to_string())
}

#[tokio::test]
async fn reg_01_without_an_initial_access_token_there_is_a_challenge_and_nothing_is_stored() {
    let app = with_token();
    let good = json!({"redirect_uris": [REDIRECT]});
    let before = app.app.clients.len();
    let none = register(&app, good.clone()).await;
    assert_eq!((none.status.as_u16(), none.text.as_str()), (401, ""));
    // RFC 6750 §3.1: no error code, since no token was sent
    assert_eq!(none.header("www-authenticate"), Some("Bearer realm=\"oidc\""));
    let basic = ask_with("x", good.clone());
    let other_scheme = app
        .send(Ask::post("/register").basic("web").body("application/json", "{}"))
        .await;
    assert_eq!(other_scheme.status, 401);
    let (unknown, trips) = app.trips(app.send(basic)).await;
    unknown.is_error(401, "invalid_token");
    assert!(
        unknown
            .header("www-authenticate")
            .unwrap()
            .contains("error=\"invalid_token\"")
    );
    let nearly = &TOKEN[..TOKEN.len() - 1];
    app.send(ask_with(nearly, good.clone()))
        .await
        .is_error(401, "invalid_token");
    // the metadata of strangers is not looked at
    app.send(ask_with("x", json!([])))
        .await
        .is_error(401, "invalid_token");
    // a token in the body is none
    let mut body = good.clone();
    body["access_token"] = TOKEN.into();
    assert_eq!(register(&app, body).await.status, 401);
    assert_eq!((trips, app.app.clients.len()), (0, before), "i5");
    let document = app
        .send(Ask::get("/.well-known/openid-configuration"))
        .await
        .json();
    assert_eq!(document["registration_endpoint"], format!("{ISSUER}/register"));
}

#[tokio::test]
async fn reg_01_a_token_makes_as_many_clients_as_it_may_until_it_ends() {
    let app = with_token();
    let good = json!({"redirect_uris": [REDIRECT]});
    // what is refused takes no use
    for _ in 0..3 {
        app.send(ask_with(TOKEN, json!({})))
            .await
            .is_error(400, "invalid_redirect_uri");
        let refused = json!({"redirect_uris": [REDIRECT], "logo_uri": "javascript:x"});
        app.send(ask_with(TOKEN, refused))
            .await
            .is_error(400, "invalid_client_metadata");
    }
    let (first, trips) = app.trips(app.send(ask_with(TOKEN, good.clone()))).await;
    assert_eq!((first.status.as_u16(), trips), (201, 1), "{first:?}");
    let client = app
        .app
        .clients
        .get(first.json()["client_id"].as_str().unwrap())
        .unwrap();
    assert_eq!(client.registration().unwrap().token.as_deref(), Some("ci"));
    assert_eq!(app.send(ask_with(TOKEN, good.clone())).await.status, 201);
    let used_up = app.send(ask_with(TOKEN, good.clone())).await;
    used_up.is_error(401, "invalid_token");

    let app = with_token();
    app.clock.advance(24 * 3600);
    app.send(ask_with(TOKEN, good.clone()))
        .await
        .is_error(401, "invalid_token");
    // before the Secret was read nobody knows
    app.app.registration_tokens.store(None);
    app.send(ask_with(TOKEN, good.clone()))
        .await
        .is_error(503, "temporarily_unavailable");
    // the uses are in the store
    let app = with_token();
    app.store.set_away(true);
    app.send(ask_with(TOKEN, good))
        .await
        .is_error(503, "temporarily_unavailable");
}

#[tokio::test]
async fn reg_01_of_many_registrations_at_once_as_many_win_as_may() {
    let app = with_token();
    let tries = (0..20).map(|_| app.send(ask_with(TOKEN, json!({"redirect_uris": [REDIRECT]}))));
    let answers = futures::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 2);
}

#[tokio::test]
async fn reg_01_keys_at_an_address_are_registered_where_documents_are_fetched_from() {
    let app = TestApp::with(Setup {
        registration: true,
        ..Setup::default()
    });
    let body = |more: Value| {
        let mut body = json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": "https://app.example.com/keys"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let allow = |outbound: Value| {
        let mut installation = Installation::clone(&app.app.installation.load());
        installation.grants_all = false;
        installation.outbound = serde_json::from_value(outbound).unwrap();
        app.app.installation.store(Arc::new(installation));
    };
    allow(json!({}));
    let refused = register(&app, body(json!({}))).await;
    refused.is_error(400, "invalid_client_metadata");
    assert!(
        refused.json()["error_description"]
            .as_str()
            .unwrap()
            .contains("jwks_uri"),
        "{refused:?}"
    );
    allow(json!({"hosts": ["app.example.com"]}));
    let client = register(&app, body(json!({}))).await.json();
    assert_eq!(client["jwks_uri"], "https://app.example.com/keys");
    assert_eq!(client["token_endpoint_auth_method"], "private_key_jwt");
    assert!(client.get("jwks").is_none() && client.get("client_secret").is_none());
    for odd in [
        json!({"jwks_uri": "http://app.example.com/keys"}),
        json!({"jwks_uri": "https://other.example.com/keys"}),
        json!({"jwks_uri": 7}),
        json!({"jwks": {"keys": [{"kty": "EC"}]}}),
    ] {
        let answer = register(&app, body(odd.clone())).await;
        answer.is_error(400, "invalid_client_metadata");
        assert!(
            answer.json()["error_description"]
                .as_str()
                .unwrap()
                .contains("jwks"),
            "{odd}"
        );
    }
}

/// Reads, changes or deletes a client with its registration access token.
async fn manage(app: &TestApp, method: Method, told: &Value, token: &str, body: Option<Value>) -> Answer {
    let uri = told["registration_client_uri"].as_str().unwrap();
    let ask = Ask::new(method, uri.strip_prefix(ISSUER).unwrap()).bearer(token);
    app.send(match body {
        Some(body) => ask.body("application/json", body.to_string()),
        None => ask,
    })
    .await
}

fn open() -> TestApp {
    TestApp::with(Setup {
        registration: true,
        ..Setup::default()
    })
}

fn text<'a>(told: &'a Value, member: &str) -> &'a str {
    told[member].as_str().unwrap_or_default()
}

/// Whether the client authenticates with a secret.
async fn is_let_in(app: &TestApp, told: &Value, secret: &str) -> bool {
    let ask = Ask::post("/revoke").basic_as(text(told, "client_id"), secret);
    app.send(ask.form(&[("token", "x")])).await.status == 200
}

#[tokio::test]
async fn reg_03_a_program_reads_changes_and_deletes_its_client() {
    let app = open();
    let body = json!({"redirect_uris": [REDIRECT], "client_name": "One", "scope": "openid email",
        "post_logout_redirect_uris": ["https://app.example.com/bye"]});
    let told = register(&app, body).await.json();
    let (id, secret) = (text(&told, "client_id"), text(&told, "client_secret"));
    let first = text(&told, "registration_access_token");
    assert_eq!(told["registration_client_uri"], format!("{ISSUER}/register/{id}"));
    assert!(first.len() >= 43);

    let read = manage(&app, Method::GET, &told, first, None).await;
    assert_eq!(
        (read.status.as_u16(), read.header("cache-control")),
        (200, Some("no-store"))
    );
    let mut expected = told.clone();
    for once in ["client_secret", "client_secret_expires_at"] {
        expected.as_object_mut().unwrap().remove(once);
    }
    assert_eq!(
        read.json(),
        expected,
        "everything but the secret, with the token that was sent"
    );

    let other = "https://app.example.com/other";
    let change = json!({"client_id": id, "client_secret": secret, "redirect_uris": [other]});
    let changed = manage(&app, Method::PUT, &told, first, Some(change)).await;
    assert_eq!(
        (changed.status.as_u16(), changed.header("cache-control")),
        (200, Some("no-store"))
    );
    let changed = changed.json();
    assert_eq!(changed["redirect_uris"], json!([other]));
    for reset in ["client_name", "post_logout_redirect_uris", "client_secret"] {
        assert!(changed.get(reset).is_none(), "{reset}: {changed}");
    }
    assert_ne!(changed["scope"], "openid email", "the default again");
    assert_eq!(changed["client_id_issued_at"], told["client_id_issued_at"]);
    let client = app.app.clients.get(id).unwrap();
    assert_eq!(client.redirect_uris(), [other]);
    assert!(is_let_in(&app, &told, secret).await, "the secret is the same");

    let second = text(&changed, "registration_access_token");
    assert_ne!(second, first);
    let read = manage(&app, Method::GET, &told, second, None).await.json();
    assert_eq!(read["registration_access_token"], second);
    app.clock.advance(4 * 60);
    assert_eq!(
        manage(&app, Method::GET, &told, first, None).await.status,
        200,
        "for a while"
    );
    app.clock.advance(60);
    manage(&app, Method::GET, &told, first, None)
        .await
        .is_error(401, "invalid_token");

    let deleted = manage(&app, Method::DELETE, &told, second, None).await;
    assert_eq!((deleted.status.as_u16(), deleted.text.as_str()), (204, ""));
    assert!(app.app.clients.get(id).is_none() && !is_let_in(&app, &told, secret).await);
    manage(&app, Method::GET, &told, second, None)
        .await
        .is_error(401, "invalid_token");
    manage(&app, Method::DELETE, &told, second, None)
        .await
        .is_error(401, "invalid_token");
}

#[tokio::test]
async fn reg_03_a_lost_answer_locks_nobody_out() {
    let app = open();
    let told = register(&app, json!({"redirect_uris": [REDIRECT]})).await.json();
    let first = text(&told, "registration_access_token");
    let change = json!({"client_id": told["client_id"], "redirect_uris": [REDIRECT]});
    let mut last = Value::Null;
    for _ in 0..3 {
        let answer = manage(&app, Method::PUT, &told, first, Some(change.clone())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        last = answer.json();
    }
    app.clock.advance(3600);
    let newest = text(&last, "registration_access_token");
    assert_eq!(manage(&app, Method::GET, &told, newest, None).await.status, 200);
    manage(&app, Method::GET, &told, first, None)
        .await
        .is_error(401, "invalid_token");
}

#[tokio::test]
async fn reg_03_a_wrong_token_and_an_unknown_client_look_the_same_and_change_nothing() {
    let app = open();
    let told = register(&app, json!({"redirect_uris": [REDIRECT]})).await.json();
    let other = register(&app, json!({"redirect_uris": [REDIRECT]})).await.json();
    let token = text(&told, "registration_access_token");
    let at =
        |id: &str| json!({"client_id": id, "registration_client_uri": format!("{ISSUER}/register/{id}")});
    let before = app.app.clients.all().len();
    let shown = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.remove("x-request-id");
        (answer.status, headers, answer.text.clone())
    };
    let mut seen = Vec::new();
    let ((), trips) = app
        .trips(async {
            for method in [Method::GET, Method::PUT, Method::DELETE] {
                for (place, token) in [
                    (at("nobody"), token),
                    // made by nobody who registered
                    (at("default.web"), token),
                    (at("default.web"), &secret_of("web")),
                    (at("%64efault.web"), token),
                    (other.clone(), token),
                    (told.clone(), text(&told, "client_secret")),
                    (told.clone(), &token[..token.len() - 1]),
                ] {
                    let body = json!({"client_id": place["client_id"], "redirect_uris": ["https://evil.example/cb"]});
                    let body = (method == Method::PUT).then_some(body);
                    let answer = manage(&app, method.clone(), &place, token, body).await;
                    answer.is_error(401, "invalid_token");
                    seen.push(shown(&answer));
                }
            }
        })
        .await;
    assert!(seen.iter().all(|answer| *answer == seen[0]), "{seen:?}");
    assert_eq!((trips, app.app.clients.all().len()), (0, before), "i5");
    for told in [&told, &other] {
        let client = app.app.clients.get(text(told, "client_id")).unwrap();
        assert_eq!(client.redirect_uris(), [REDIRECT]);
    }
    let path = format!("/register/{}", text(&told, "client_id"));
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let none = app.send(Ask::new(method, &path)).await;
        assert_eq!((none.status.as_u16(), none.text.as_str()), (401, ""));
        assert_eq!(none.header("www-authenticate"), Some("Bearer realm=\"oidc\""));
    }
    let post = app.send(Ask::post(&path).bearer(token)).await;
    assert_eq!(post.status, 405);
    assert_eq!(post.header("allow"), Some("GET,HEAD,PUT,DELETE"));
    for nothing in ["/register/".to_owned(), format!("{path}/x"), format!("{path}/")] {
        assert_eq!(
            app.send(Ask::get(&nothing).bearer(token)).await.status,
            404,
            "{nothing}"
        );
    }
    let closed = TestApp::new();
    assert_eq!(
        closed
            .send(Ask::get("/register/default.web").bearer("x"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn reg_03_a_change_that_is_refused_changes_nothing() {
    let app = open();
    let told = register(&app, json!({"redirect_uris": [REDIRECT]})).await.json();
    let id = text(&told, "client_id");
    let token = text(&told, "registration_access_token");
    let before = app.app.clients.get(id).unwrap();
    for (change, error, member) in [
        (
            json!({"redirect_uris": [REDIRECT]}),
            "invalid_client_metadata",
            "client_id",
        ),
        (
            json!({"client_id": "default.web", "redirect_uris": [REDIRECT]}),
            "invalid_client_metadata",
            "client_id",
        ),
        (
            json!({"client_id": id, "redirect_uris": [REDIRECT], "client_secret": "chosen-by-the-program-0123456789"}),
            "invalid_client_metadata",
            "client_secret",
        ),
        (json!({"client_id": id}), "invalid_redirect_uri", "redirect_uris"),
        (
            json!({"client_id": id, "redirect_uris": ["http://app.example.com/cb"]}),
            "invalid_redirect_uri",
            "redirect_uris",
        ),
        (
            json!({"client_id": id, "redirect_uris": [REDIRECT], "id_token_signed_response_alg": "ES384"}),
            "invalid_client_metadata",
            "id_token_signed_response_alg",
        ),
        (json!([]), "invalid_client_metadata", "JSON"),
    ] {
        let answer = manage(&app, Method::PUT, &told, token, Some(change)).await;
        answer.is_error(400, error);
        let described = answer.json();
        assert!(
            text(&described, "error_description").contains(member),
            "{described}"
        );
    }
    assert_eq!(app.app.clients.get(id).unwrap(), before);
    app.clock.advance(3600);
    assert_eq!(
        manage(&app, Method::GET, &told, token, None).await.status,
        200,
        "not rotated"
    );
}

#[tokio::test]
async fn reg_03_a_client_that_begins_to_authenticate_gets_a_secret() {
    let app = open();
    let public = json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"});
    let told = register(&app, public.clone()).await.json();
    let mut change = json!({"client_id": told["client_id"], "redirect_uris": [REDIRECT]});
    let token = text(&told, "registration_access_token");
    let confidential = manage(&app, Method::PUT, &told, token, Some(change.clone()))
        .await
        .json();
    let secret = text(&confidential, "client_secret");
    assert_eq!(confidential["client_secret_expires_at"], 0);
    assert!(is_let_in(&app, &told, secret).await);
    let token = text(&confidential, "registration_access_token");
    change["token_endpoint_auth_method"] = "none".into();
    let public = manage(&app, Method::PUT, &told, token, Some(change)).await.json();
    assert!(public.get("client_secret").is_none() && !is_let_in(&app, &told, secret).await);
}

#[tokio::test]
async fn reg_02_a_host_that_no_route_is_known_to_serve_is_refused() {
    let app = open();
    let mut installation = Installation::clone(&app.app.installation.load());
    installation.grants_all = false;
    installation.allowed = serde_json::from_value(
        json!({"redirectHostsFromRoutes": true, "redirectHosts": ["app.example.com"]}),
    )
    .unwrap();
    app.app.installation.store(Arc::new(installation));
    let other = "https://victim.example.com/cb";
    let bad = [
        json!({"redirect_uris": [other]}),
        json!({"redirect_uris": [REDIRECT, other]}),
        json!({"redirect_uris": [REDIRECT], "post_logout_redirect_uris": [other]}),
    ];
    let is_refused = |answer: &Answer| {
        answer.is_error(400, "invalid_redirect_uri");
        let described = answer.json();
        assert!(
            text(&described, "error_description").contains("route"),
            "{described}"
        );
    };
    let before = app.app.clients.len();
    for body in &bad {
        is_refused(&register(&app, body.clone()).await);
    }
    assert_eq!(app.app.clients.len(), before);
    let told = register(&app, json!({"redirect_uris": [REDIRECT]})).await.json();
    let token = text(&told, "registration_access_token");
    for mut body in bad {
        body["client_id"] = told["client_id"].clone();
        is_refused(&manage(&app, Method::PUT, &told, token, Some(body)).await);
    }
    let read = manage(&app, Method::GET, &told, token, None).await.json();
    assert_eq!(read["redirect_uris"], json!([REDIRECT]));
}

#[tokio::test]
async fn reg_03_one_client_is_changed_ten_times_a_minute_at_most() {
    let app = open();
    let told = register(&app, json!({"redirect_uris": [REDIRECT]})).await.json();
    let other = register(&app, json!({"redirect_uris": [REDIRECT]})).await.json();
    let change = async |told: &Value| {
        let body = json!({"client_id": told["client_id"], "redirect_uris": [REDIRECT]});
        let token = text(told, "registration_access_token");
        manage(&app, Method::PUT, told, token, Some(body)).await
    };
    for _ in 0..10 {
        // what is not good as it stands is read nowhere and takes none
        let token = text(&told, "registration_access_token");
        let bad = manage(&app, Method::PUT, &told, token, Some(json!({}))).await;
        bad.is_error(400, "invalid_client_metadata");
        assert_eq!(change(&told).await.status, 200);
    }
    let before = app.app.clients.get(text(&told, "client_id")).unwrap();
    let limited = change(&told).await;
    assert_eq!(
        (limited.status.as_u16(), limited.header("retry-after")),
        (429, Some("6"))
    );
    assert_eq!(app.app.clients.get(text(&told, "client_id")).unwrap(), before);
    let token = text(&told, "registration_access_token");
    assert_eq!(manage(&app, Method::GET, &told, token, None).await.status, 200);
    assert_eq!(change(&other).await.status, 200);
    app.clock.advance(6);
    assert_eq!(change(&told).await.status, 200);
    let deleted = manage(&app, Method::DELETE, &told, token, None).await;
    assert_eq!(deleted.status, 204);
}
