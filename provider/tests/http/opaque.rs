use serde_json::json;

use super::support::*;

const REDIRECT: &str = "https://opaque.example.com/cb";

fn app() -> TestApp {
    let mut app = TestApp::new();
    app.set_client(
        "opaque",
        json!({
            "redirectUris": [REDIRECT],
            "grantTypes": ["authorization_code", "refresh_token", "client_credentials"],
            "scopes": ["openid", "email", "groups", "api"],
            "audiences": ["https://api.example.com"],
            "tokens": {"accessTokenFormat": "opaque", "accessTokenTtl": "1m"},
            "claims": [{"name": "tenant", "value": {"id": 7}, "in": ["accessToken", "userinfo"]}],
        }),
    );
    app
}

#[tokio::test]
async fn jwt_03_an_opaque_token_is_read_by_userinfo_and_introspection() {
    let app = app();
    let tokens = app.sign_in("opaque", "openid email groups").await;
    assert!(tokens.access.starts_with("at1.") && tokens.access.matches('.').count() == 1);
    let (answer, trips) = app.trips(app.userinfo(&tokens.access)).await;
    assert_eq!((answer.status.as_u16(), trips), (200, 1));
    assert_eq!(
        answer.json(),
        json!({
            "sub": "jdoe", "email": "jane@example.com", "email_verified": true, "groups": ["staff"],
            "tenant": {"id": 7},
        })
    );
    let (seen, trips) = app.trips(app.introspect("opaque", &tokens.access)).await;
    assert_eq!(trips, 1);
    assert_eq!(
        (&seen["active"], &seen["sub"], &seen["client_id"], &seen["scope"]),
        (
            &json!(true),
            &json!("jdoe"),
            &json!("default.opaque"),
            &json!("openid email groups")
        )
    );
    assert_eq!(
        (&seen["amr"], &seen["tenant"]),
        (&json!(["pwd"]), &json!({"id": 7}))
    );
    assert!(seen["acr"].is_string() && seen["auth_time"].is_number());
    assert_eq!(seen["exp"].as_i64().unwrap() - seen["iat"].as_i64().unwrap(), 60);
    let no = json!({"active": false});
    assert_eq!(
        app.introspect("other", &tokens.access).await,
        no,
        "not the caller's"
    );
    app.clock.advance(61);
    assert_eq!(app.introspect("opaque", &tokens.access).await, no, "expired");
    app.userinfo(&tokens.access).await.is_error(401, "invalid_token");
}

#[tokio::test]
async fn jwt_03_an_opaque_token_dies_with_its_family_client_and_revocation() {
    let mut app = app();
    let no = json!({"active": false});
    let tokens = app.sign_in("opaque", "openid").await;
    let next = Tokens::of(&app.refresh("opaque", &tokens.refresh).await);
    let form = [("token", next.access.as_str())];
    app.send(Ask::post("/revoke").basic("other").form(&form)).await;
    assert_eq!(app.introspect("opaque", &next.access).await["active"], true);
    app.send(Ask::post("/revoke").basic("opaque").form(&form)).await;
    assert_eq!(app.introspect("opaque", &next.access).await, no, "revoked");
    assert_eq!(app.userinfo(&tokens.access).await.status, 200, "alone");
    let form = [("token", next.refresh.as_str())];
    app.send(Ask::post("/revoke").basic("opaque").form(&form)).await;
    app.userinfo(&tokens.access).await.is_error(401, "invalid_token");
    let tokens = app.sign_in("opaque", "openid").await;
    app.delete_client("opaque");
    app.userinfo(&tokens.access).await.is_error(401, "invalid_token");
}

#[tokio::test]
async fn jwt_03_an_opaque_token_of_a_client_itself() {
    let app = app();
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "api"),
        ("resource", "https://api.example.com"),
    ];
    let (answer, trips) = app.trips(app.token("opaque", &form)).await;
    let token = Tokens::of(&answer).access;
    assert_eq!((token.starts_with("at1."), trips), (true, 0));
    let (seen, trips) = app.trips(app.introspect("rs", &token)).await;
    assert_eq!((&seen["active"], trips), (&json!(true), 1));
    assert_eq!(
        (&seen["sub"], &seen["aud"], &seen["scope"]),
        (
            &json!("default.opaque"),
            &json!("https://api.example.com"),
            &json!("api")
        )
    );
    app.userinfo(&token).await.is_error(403, "insufficient_scope");
    app.send(Ask::post("/revoke").basic("opaque").form(&[("token", &token)]))
        .await;
    assert_eq!(app.introspect("rs", &token).await, json!({"active": false}));
}
