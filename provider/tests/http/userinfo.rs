use serde_json::json;

use super::support::*;

#[tokio::test]
async fn ui_01_get_and_post_with_the_token_in_header_or_body() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid profile email groups").await;
    let get = app.userinfo(&tokens.access).await;
    let expected = json!({
        "sub": "jdoe", "name": "Jane Doe", "preferred_username": "jdoe",
        "email": "jane@example.com", "email_verified": true, "groups": ["staff"],
    });
    assert_eq!(get.json(), expected);
    assert_eq!(get.header("cache-control"), Some("no-store"));
    let header = app.send(Ask::post("/userinfo").bearer(&tokens.access)).await;
    let body = app
        .send(Ask::post("/userinfo").form(&[("access_token", &tokens.access)]))
        .await;
    assert_eq!((header.json(), body.json()), (expected.clone(), expected));
    let url = app
        .send(Ask::get(&format!("/userinfo?access_token={}", tokens.access)))
        .await;
    url.is_error(400, "invalid_request");
    let both = Ask::post("/userinfo")
        .bearer(&tokens.access)
        .form(&[("access_token", &tokens.access)]);
    app.send(both).await.is_error(400, "invalid_request");
    let tokens = app.sign_in("web", "openid").await;
    assert_eq!(app.userinfo(&tokens.access).await.json(), json!({"sub": "jdoe"}));
}

#[tokio::test]
async fn ui_02_challenges() {
    let app = TestApp::new();
    let nothing = app.send(Ask::get("/userinfo")).await;
    assert_eq!(nothing.status, 401);
    assert_eq!(nothing.header("www-authenticate"), Some(r#"Bearer realm="oidc""#));
    assert_eq!(nothing.text, "");
    let wrong = app.userinfo("rubbish").await;
    wrong.is_error(401, "invalid_token");
    assert!(
        wrong
            .header("www-authenticate")
            .unwrap()
            .contains(r#"error="invalid_token""#)
    );
    let plain = app.sign_in("web", "api").await;
    let answer = app.userinfo(&plain.access).await;
    answer.is_error(403, "insufficient_scope");
    assert!(
        answer
            .header("www-authenticate")
            .unwrap()
            .contains(r#"error="insufficient_scope""#)
    );
    let machine = Tokens::of(
        &app.token("machine", &[("grant_type", "client_credentials")])
            .await,
    );
    app.userinfo(&machine.access)
        .await
        .is_error(403, "insufficient_scope");
}

#[tokio::test]
async fn ui_03_tokens_that_do_not_do() {
    let mut app = TestApp::new();
    // for another audience
    let mut browser = Browser::new(&app);
    let code = browser
        .code("web", &[("resource", "https://api.example.com")])
        .await;
    let tokens = Tokens::of(&app.redeem("web", &code).await);
    app.userinfo(&tokens.access).await.is_error(401, "invalid_token");
    // of a person who is gone, or may not any more
    let tokens = app.sign_in("web", "openid").await;
    app.set_user("jdoe", json!({"disabled": true}));
    app.userinfo(&tokens.access).await.is_error(401, "invalid_token");
    assert_eq!(
        app.introspect("web", &tokens.access).await,
        json!({"active": false})
    );
    app.set_user("jdoe", json!({}));
    assert_eq!(app.userinfo(&tokens.access).await.status, 200);
    app.delete_user("jdoe");
    app.userinfo(&tokens.access).await.is_error(401, "invalid_token");
}

#[tokio::test]
async fn err_05_without_the_store() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid").await;
    app.store.set_away(true);
    let answer = app.userinfo(&tokens.access).await;
    answer.is_error(503, "temporarily_unavailable");
    assert!(answer.header("retry-after").is_some());
}
