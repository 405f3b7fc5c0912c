use oidc_provider::app::Clock as _;
use serde_json::json;

use super::support::*;

#[tokio::test]
async fn int_01_only_authenticated_clients() {
    let app = TestApp::new();
    let tokens = app.sign_in("spa", "openid").await;
    let form = [("token", tokens.access.as_str())];
    app.send(Ask::post("/introspect").form(&form))
        .await
        .is_error(400, "invalid_request");
    app.send(Ask::post("/introspect").basic_as("default.web", "x").form(&form))
        .await
        .is_error(401, "invalid_client");
    let public = [("token", tokens.access.as_str()), ("client_id", "default.spa")];
    app.send(Ask::post("/introspect").form(&public))
        .await
        .is_error(401, "invalid_client");
    app.send(Ask::post("/introspect").basic("web").form(&[("x", "y")]))
        .await
        .is_error(400, "invalid_request");
}

#[tokio::test]
async fn int_01_inactive_for_anything_wrong() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid").await;
    let no = json!({"active": false});
    for wrong in ["rubbish", &tokens.id, "rt1.rubbish"] {
        assert_eq!(app.introspect("web", wrong).await, no);
    }
    let (answer, trips) = app.trips(app.introspect("other", &tokens.access)).await;
    assert_eq!((answer, trips), (no.clone(), 0), "not meant for the caller");
    assert_eq!(
        app.introspect("rs", &tokens.access).await,
        no,
        "the issuer is nobody's audience"
    );
    app.clock.advance(901);
    assert_eq!(app.introspect("web", &tokens.access).await, no);
}

#[tokio::test]
async fn int_01_a_refresh_token_is_active_for_its_client_until_it_is_used() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid").await;
    let (seen, trips) = app.trips(app.introspect("web", &tokens.refresh)).await;
    assert_eq!((&seen["active"], trips), (&json!(true), 1));
    assert_eq!(seen["token_type"], "refresh_token");
    assert_eq!(
        (&seen["client_id"], &seen["scope"]),
        (&json!("default.web"), &json!("openid"))
    );
    assert!(seen["exp"].as_i64() > Some(app.clock.now().as_second()));
    let no = json!({"active": false});
    let (other, trips) = app.trips(app.introspect("other", &tokens.refresh)).await;
    assert_eq!((other, trips), (no.clone(), 0), "another client's");
    let next = Tokens::of(&app.refresh("web", &tokens.refresh).await);
    assert_eq!(app.introspect("web", &tokens.refresh).await, no, "it was used");
    assert_eq!(app.introspect("web", &next.refresh).await["active"], true);
}

#[tokio::test]
async fn int_01_a_resource_server_may_ask() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let code = browser
        .code(
            "web",
            &[("resource", "https://api.example.com"), ("scope", "openid api")],
        )
        .await;
    let tokens = Tokens::of(&app.redeem("web", &code).await);
    assert_eq!(app.introspect("rs", &tokens.access).await["active"], true);
    assert_eq!(app.introspect("other", &tokens.access).await["active"], false);
}

#[tokio::test]
async fn int_02_the_same_facts_as_in_the_jwt() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid groups").await;
    let answer = app.introspect("web", &tokens.access).await;
    let (_, claims) = decode(&tokens.access);
    for (name, value) in claims.as_object().unwrap() {
        assert_eq!(&answer[name], value, "{name}");
    }
    assert_eq!(answer["active"], true);
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["username"], "jdoe");
    let machine = Tokens::of(
        &app.token("machine", &[("grant_type", "client_credentials")])
            .await,
    );
    let answer = app.introspect("machine", &machine.access).await;
    assert_eq!(
        (&answer["active"], &answer["sub"]),
        (&json!(true), &json!("default.machine"))
    );
    assert_eq!(answer.get("username"), None);
}
