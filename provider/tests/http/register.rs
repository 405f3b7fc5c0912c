use std::sync::Arc;

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
