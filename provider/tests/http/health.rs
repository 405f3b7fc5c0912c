use serde_json::json;

use super::support::*;

#[tokio::test]
async fn health_says_what_works() {
    let app = TestApp::new();
    let answer = app.send(Ask::get("/health")).await;
    assert_eq!(answer.status, 200);
    let health = answer.json();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["store"], json!({"kind": "memory", "status": "ok"}));
    app.store.set_away(true);
    for answer in [
        app.send(Ask::get("/health")).await,
        app.send_internal(Ask::get("/health")).await,
    ] {
        assert_eq!(answer.status, 200, "the store never decides readiness");
        assert_eq!(answer.json()["status"], "degraded");
        assert_eq!(answer.json()["store"]["status"], "unavailable");
    }
    assert_eq!(app.send_internal(Ask::get("/health/ready")).await.status, 200);
}

#[tokio::test]
async fn stopping_is_unready_and_closes_connections() {
    let app = TestApp::new();
    assert_eq!(app.send(Ask::get("/jwks.json")).await.header("connection"), None);
    app.app.readiness.stopping();
    assert_eq!(app.send_internal(Ask::get("/health/ready")).await.status, 503);
    assert_eq!(app.send_internal(Ask::get("/health/live")).await.status, 200);
    assert_eq!(app.send(Ask::get("/health")).await.json()["status"], "stopping");
    let answer = app.send(Ask::get("/jwks.json")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("connection")),
        (200, Some("close")),
        "it goes on accepting"
    );
}

#[tokio::test]
async fn metrics_have_the_names_that_people_know() {
    let app = TestApp::new();
    app.sign_in("web", "openid").await;
    app.token("machine", &[("grant_type", "client_credentials")])
        .await;
    app.send(Ask::get("/nowhere")).await;
    Browser::new(&app).authorize("web", &[("prompt", "none")]).await;
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[]).await;
    browser.sign_in(&page, "jdoe", "wrong").await;
    assert_eq!(
        app.send(Ask::get("/metrics")).await.status,
        404,
        "internal, in the cluster"
    );
    let answer = app.send_internal(Ask::get("/metrics")).await;
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    for line in [
        r#"oidc_tokens_issued_total{grant_type="authorization_code"} 1"#,
        r#"oidc_tokens_issued_total{grant_type="client_credentials"} 1"#,
        r#"oidc_auth_requests_total{outcome="code"} 1"#,
        r#"oidc_auth_requests_total{outcome="login_required"} 1"#,
        r#"oidc_logins_total{outcome="success"} 1"#,
        r#"oidc_logins_total{outcome="wrong_credentials"} 1"#,
        r#"oidc_response_time_seconds_count{endpoint="/token"} 2"#,
        r#"oidc_responses_total{endpoint="other",status="404"} 2"#,
        "oidc_active_sessions 1",
    ] {
        assert!(
            answer.text.lines().any(|l| l == line),
            "{line} is missing in\n{}",
            answer.text
        );
    }
    let standalone = oidc_provider::router::standalone(app.app.clone());
    let request = http::Request::get("/metrics")
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = tower::ServiceExt::oneshot(standalone, request).await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn i7_before_everything_was_read_nobody_is_called_unknown() {
    let app = TestApp::with(Setup {
        synced: false,
        ..Setup::default()
    });
    let form = [("grant_type", "client_credentials")];
    let early = app
        .send(Ask::post("/token").basic_as("default.late", "secret").form(&form))
        .await;
    early.is_error(503, "temporarily_unavailable");
    assert!(early.header("retry-after").is_some());
    let early = app.send(Ask::get("/authorize?client_id=default.late")).await;
    early.is_own_page(503);
    assert_eq!(app.send(Ask::get("/health/ready")).await.status, 404);
    assert_eq!(app.send_internal(Ask::get("/health/ready")).await.status, 503);
    app.app.readiness.synced();
    let then = app
        .send(Ask::post("/token").basic_as("default.late", "secret").form(&form))
        .await;
    then.is_error(401, "invalid_client");
}
