use super::support::*;

async fn revoke(app: &TestApp, client: &str, token: &str) -> Answer {
    app.send(Ask::post("/revoke").basic(client).form(&[("token", token)]))
        .await
}

#[tokio::test]
async fn rev_01_unknown_tokens_are_fine() {
    let app = TestApp::new();
    for unknown in ["rubbish", "rt1.a.b.c.d.e", "a.b.c"] {
        let answer = revoke(&app, "web", unknown).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
    }
    app.send(
        Ask::post("/revoke")
            .basic_as("default.web", "x")
            .form(&[("token", "x")]),
    )
    .await
    .is_error(401, "invalid_client");
    app.send(Ask::post("/revoke").basic("web").form(&[("x", "x")]))
        .await
        .is_error(400, "invalid_request");
}

#[tokio::test]
async fn rev_01_a_refresh_token_ends_the_family() {
    let app = TestApp::new();
    let first = app.sign_in("web", "openid").await;
    let second = Tokens::of(&app.refresh("web", &first.refresh).await);
    assert_eq!(revoke(&app, "web", &second.refresh).await.status, 200);
    app.refresh("web", &second.refresh)
        .await
        .is_error(400, "invalid_grant");
    for token in [&first.access, &second.access] {
        assert_eq!(app.userinfo(token).await.status, 401);
    }
}

#[tokio::test]
async fn rev_01_an_access_token_ends_alone() {
    let app = TestApp::new();
    let first = app.sign_in("web", "openid").await;
    let second = Tokens::of(&app.refresh("web", &first.refresh).await);
    assert_eq!(revoke(&app, "web", &first.access).await.status, 200);
    assert_eq!(app.userinfo(&first.access).await.status, 401);
    assert_eq!(app.introspect("web", &first.access).await["active"], false);
    assert_eq!(app.userinfo(&second.access).await.status, 200);
    assert_eq!(app.refresh("web", &second.refresh).await.status, 200);
    let machine = Tokens::of(
        &app.token("machine", &[("grant_type", "client_credentials")])
            .await,
    );
    let other = Tokens::of(
        &app.token("machine", &[("grant_type", "client_credentials")])
            .await,
    );
    assert_eq!(revoke(&app, "machine", &machine.access).await.status, 200);
    assert_eq!(app.introspect("machine", &machine.access).await["active"], false);
    assert_eq!(app.introspect("machine", &other.access).await["active"], true);
}

#[tokio::test]
async fn rev_01_only_the_tokens_own_client() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid").await;
    for token in [&tokens.refresh, &tokens.access] {
        let (answer, trips) = app.trips(revoke(&app, "other", token)).await;
        assert_eq!((answer.status.as_u16(), trips), (200, 0));
    }
    assert_eq!(app.userinfo(&tokens.access).await.status, 200);
    assert_eq!(app.refresh("web", &tokens.refresh).await.status, 200);
    // a public client revokes its own
    let tokens = app.sign_in("spa", "openid").await;
    let form = [("token", tokens.refresh.as_str()), ("client_id", "default.spa")];
    assert_eq!(app.send(Ask::post("/revoke").form(&form)).await.status, 200);
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
}

#[tokio::test]
async fn err_05_without_the_store_it_says_so() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid").await;
    app.store.set_away(true);
    revoke(&app, "web", &tokens.refresh)
        .await
        .is_error(503, "temporarily_unavailable");
}
