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
