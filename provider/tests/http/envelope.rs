use super::support::*;

#[tokio::test]
async fn every_answer_has_a_request_id_and_security_headers() {
    let app = TestApp::new();
    for path in ["/jwks.json", "/login", "/nowhere", "/health", "/userinfo"] {
        let answer = app.send(Ask::get(path)).await;
        assert_eq!(answer.header("x-request-id").unwrap().len(), 16, "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert_eq!(
            answer.header("strict-transport-security"),
            Some("max-age=31536000")
        );
    }
    let answer = app
        .send(Ask::get("/health").header("x-request-id", "proxy-0123.abc_DEF"))
        .await;
    assert_eq!(answer.header("x-request-id"), Some("proxy-0123.abc_DEF"));
    for bad in ["short", "with blank in it", "quote\"quote", &"x".repeat(65)] {
        let answer = app.send(Ask::get("/health").header("x-request-id", bad)).await;
        assert_ne!(answer.header("x-request-id"), Some(bad));
    }
}

#[tokio::test]
async fn unknown_addresses() {
    let app = TestApp::new();
    let page = app
        .send(Ask::get("/nowhere").header("accept", "text/html,*/*"))
        .await;
    page.is_own_page(404);
    assert_eq!(
        app.send(Ask::get("/nowhere")).await.json()["error"],
        "invalid_request"
    );
    let answer = app.send(Ask::new(http::Method::DELETE, "/authorize")).await;
    answer.is_own_page(405);
    assert_eq!(answer.header("allow"), Some("GET,HEAD,POST"));
}

#[tokio::test]
async fn long_heads_are_refused() {
    let app = TestApp::new();
    let answer = app
        .send(Ask::get("/jwks.json").header("cookie", "x".repeat(17 * 1024)))
        .await;
    answer.is_error(431, "invalid_request");
}

#[tokio::test]
async fn err_05_a_server_error_carries_the_request_id() {
    let app = TestApp::new();
    // a client whose algorithm no key signs now
    let mut app = app;
    app.set_client(
        "machine",
        serde_json::json!({"applicationType": "service", "grantTypes": ["client_credentials"],
        "tokens": {"accessTokenSigningAlg": "ES384"}}),
    );
    let answer = app
        .token("machine", &[("grant_type", "client_credentials")])
        .await;
    answer.is_error(500, "server_error");
    let id = answer.header("x-request-id").unwrap();
    assert!(
        answer.json()["error_description"].as_str().unwrap().contains(id),
        "{answer:?}"
    );
}

#[tokio::test]
async fn before_the_first_key_set_it_is_503() {
    let app = TestApp::new();
    app.app.ring.store(None);
    let answer = app.send(Ask::get("/jwks.json")).await;
    answer.is_error(503, "temporarily_unavailable");
    assert!(answer.header("retry-after").is_some());
    Browser::new(&app).authorize("web", &[]).await.is_own_page(503);
}

#[tokio::test]
async fn a_panic_is_a_server_error_and_nothing_more() {
    use oidc_provider::http::envelope::{Counts, Endpoint};
    use oidc_provider::http::error::Speaks;
    use oidc_provider::http::headers::Cors;
    use oidc_provider::router::Table;
    use oidc_provider::router::methods::get;

    async fn broken() -> &'static str {
        panic!("this is a test")
    }
    let app = TestApp::new();
    for speaks in [Speaks::Json, Speaks::Html] {
        let endpoint = Endpoint {
            name: "/broken",
            speaks,
            cors: Cors::No,
            counts: Counts::All,
            interactive: false,
            quiet: false,
        };
        let router = Table::new(app.app.clone()).row(endpoint, get(broken)).finish();
        let answer = send_to(&router, Ask::get("/broken")).await;
        assert_eq!(answer.status, 500);
        assert!(!answer.text.contains("this is a test"));
        assert!(answer.text.contains(answer.header("x-request-id").unwrap()));
        if speaks == Speaks::Json {
            answer.is_error(500, "server_error");
        } else {
            answer.is_own_page(500);
        }
    }
}
