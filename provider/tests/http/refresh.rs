use serde_json::json;

use super::support::*;

#[tokio::test]
async fn tok_05_rotated_at_each_use() {
    let app = TestApp::new();
    let first = app.sign_in("web", "openid email").await;
    let second = Tokens::of(&app.refresh("web", &first.refresh).await);
    assert_ne!(first.refresh, second.refresh);
    assert_ne!(first.access, second.access);
    let third = Tokens::of(&app.refresh("web", &second.refresh).await);
    assert_ne!(second.refresh, third.refresh);
    assert_eq!(app.userinfo(&third.access).await.status, 200);
}

#[tokio::test]
async fn tok_05_a_retry_within_the_grace_gets_the_same_successor() {
    let app = TestApp::new();
    let first = app.sign_in("web", "openid").await;
    let second = Tokens::of(&app.refresh("web", &first.refresh).await);
    app.clock.advance(9);
    let again = Tokens::of(&app.refresh("web", &first.refresh).await);
    assert_eq!(second.refresh, again.refresh);
    assert_ne!(second.access, again.access, "a fresh access token");
    let third = Tokens::of(&app.refresh("web", &second.refresh).await);
    // the successor was used: now it is replay
    app.refresh("web", &first.refresh)
        .await
        .is_error(400, "invalid_grant");
    app.refresh("web", &third.refresh)
        .await
        .is_error(400, "invalid_grant");
}

#[tokio::test]
async fn tok_05_replay_after_the_grace_kills_the_family() {
    let app = TestApp::new();
    let first = app.sign_in("web", "openid").await;
    let second = Tokens::of(&app.refresh("web", &first.refresh).await);
    app.clock.advance(11);
    app.refresh("web", &first.refresh)
        .await
        .is_error(400, "invalid_grant");
    app.refresh("web", &second.refresh)
        .await
        .is_error(400, "invalid_grant");
    assert_eq!(app.userinfo(&second.access).await.status, 401);
}

#[tokio::test]
async fn tok_05_two_at_once_get_one_answer() {
    let app = TestApp::new();
    let first = app.sign_in("web", "openid").await;
    let both = futures::future::join_all((0..20).map(|_| app.refresh("web", &first.refresh))).await;
    let mut successors: Vec<String> = both.iter().map(|answer| Tokens::of(answer).refresh).collect();
    successors.dedup();
    assert_eq!(successors.len(), 1);
}

#[tokio::test]
async fn tok_05_scope_may_shrink_for_this_token_only() {
    let app = TestApp::new();
    let first = app.sign_in("web", "openid email api").await;
    let form = |token: &str, scope: &str| {
        [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("scope", scope),
        ]
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
    };
    let small = Tokens::of(&app.token_form("web", &form(&first.refresh, "openid")).await);
    assert_eq!(small.all["scope"], "openid");
    assert_eq!(decode(&small.access).1["scope"], "openid");
    let full = Tokens::of(&app.refresh("web", &small.refresh).await);
    assert_eq!(decode(&full.access).1["scope"], "openid email api");
    app.token_form("web", &form(&full.refresh, "openid profile"))
        .await
        .is_error(400, "invalid_scope");
    assert_eq!(
        app.refresh("web", &full.refresh).await.status,
        200,
        "the mistake revoked nothing"
    );
}

#[tokio::test]
async fn tok_05_a_wrong_scope_does_not_cost_the_successor() {
    let app = TestApp::new();
    let first = app.sign_in("web", "openid email").await;
    let ask = |token: &str, scope: &'static str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("scope", scope),
        ];
        let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let app = &app;
        async move { app.token_form("web", &form).await }
    };
    ask(&first.refresh, "openid profile")
        .await
        .is_error(400, "invalid_scope");
    app.clock.advance(60);
    let (answer, trips) = app.trips(ask(&first.refresh, "openid")).await;
    let second = Tokens::of(&answer);
    assert_eq!(trips, 2);
    // a repetition within the grace is checked by what it repeats
    let again = Tokens::of(&ask(&first.refresh, "openid").await);
    assert_eq!(second.refresh, again.refresh);
    ask(&first.refresh, "openid profile")
        .await
        .is_error(400, "invalid_scope");
    assert_eq!(app.refresh("web", &second.refresh).await.status, 200);
}

#[tokio::test]
async fn tok_05_a_person_who_may_not_stay_is_out_whatever_scope_is_asked() {
    let mut app = TestApp::new();
    let first = app.sign_in("web", "openid").await;
    app.set_user("jdoe", json!({"disabled": true}));
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*first.refresh),
        ("scope", "openid"),
    ];
    app.token("web", &form).await.is_error(400, "invalid_grant");
    app.set_user("jdoe", json!({}));
    app.refresh("web", &first.refresh)
        .await
        .is_error(400, "invalid_grant");
}

#[tokio::test]
async fn tok_05_bound_to_the_client() {
    let app = TestApp::new();
    let first = app.sign_in("web", "openid").await;
    let (answer, trips) = app.trips(app.refresh("other", &first.refresh)).await;
    answer.is_error(400, "invalid_grant");
    assert_eq!(trips, 0);
    for rubbish in [
        "x",
        "rt1.a.b.c.d.e",
        &format!("{}x", first.refresh),
        &first.access,
    ] {
        let (answer, trips) = app.trips(app.refresh("web", rubbish)).await;
        answer.is_error(400, "invalid_grant");
        assert_eq!(trips, 0);
    }
    assert_eq!(
        app.refresh("web", &first.refresh).await.status,
        200,
        "a wrong mac revokes nothing"
    );
}

#[tokio::test]
async fn tok_05_idle_lifetime() {
    let mut app = TestApp::new();
    let mut installation = app.app.installation.load().as_ref().clone();
    std::sync::Arc::make_mut(&mut installation.lifetimes).refresh_token_idle = "1h".parse().unwrap();
    app.app.installation.store(installation.into());
    app.set_client(
        "web",
        json!({"redirectUris": [REDIRECT], "scopes": ["openid"],
        "grantTypes": ["authorization_code", "refresh_token"]}),
    );
    let first = app.sign_in("web", "openid").await;
    app.clock.advance(3599);
    let second = Tokens::of(&app.refresh("web", &first.refresh).await);
    app.clock.advance(3601);
    app.refresh("web", &second.refresh)
        .await
        .is_error(400, "invalid_grant");
}

#[tokio::test]
async fn tok_06_it_dies_with_its_session() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid").await;
    assert!(!tokens.refresh.is_empty());
    // idle: nobody used the session for 12 hours
    app.clock.advance(12 * 3600 + 1);
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");
    // a client without the grant gets none, and no error
    let mut browser = Browser::new(&app);
    let page = browser.authorize("strict", &[]).await;
    let page = browser.sign_in(&page, "jdoe", PASSWORD).await;
    let code = browser.decide(&page, "allow").await.code();
    let tokens = Tokens::of(&app.redeem("strict", &code).await);
    assert_eq!(tokens.refresh, "");
}

#[tokio::test]
async fn tok_06_absolute_session_time_ends_it() {
    let app = TestApp::new();
    let mut tokens = app.sign_in("web", "openid").await;
    for _ in 0..2 {
        app.clock.advance(11 * 3600);
        // tok_10a: a refresh counts as session activity
        tokens = Tokens::of(&app.refresh("web", &tokens.refresh).await);
    }
    app.clock.advance(2 * 3600 + 1);
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");
}

#[tokio::test]
async fn tok_07_the_id_token_of_a_refresh() {
    let app = TestApp::new();
    let first = app.sign_in("web", "openid").await;
    app.clock.advance(60);
    let second = Tokens::of(&app.refresh("web", &first.refresh).await);
    let (first, second) = (decode(&first.id).1, decode(&second.id).1);
    for same in ["iss", "sub", "aud", "auth_time", "sid"] {
        assert_eq!(first[same], second[same], "{same}");
    }
    assert_eq!(second.get("nonce"), None);
    assert_eq!(
        second["iat"].as_i64().unwrap() - first["iat"].as_i64().unwrap(),
        60
    );
}

#[tokio::test]
async fn tok_10a_the_person_is_as_they_are_now() {
    let mut app = TestApp::new();
    let tokens = app.sign_in("web", "openid groups").await;
    app.set_user("jdoe", json!({"groups": ["changed"]}));
    let tokens = Tokens::of(&app.refresh("web", &tokens.refresh).await);
    assert_eq!(decode(&tokens.access).1["groups"], json!(["changed"]));
    app.set_user("jdoe", json!({"disabled": true}));
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");
    app.set_user("jdoe", json!({}));
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");

    let tokens = app.sign_in("web", "openid").await;
    app.delete_user("jdoe");
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");

    let mut browser = Browser::new(&app);
    let code = browser.walk_as("erin", "staff", &[]).await.code();
    let tokens = Tokens::of(&app.redeem("staff", &code).await);
    app.set_user("erin", json!({"groups": ["staff"]}));
    app.refresh("staff", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");
}

/// A grant for an API, and then a client that may have neither that audience nor the scope `email` any more.
fn narrowed(app: &mut TestApp, audiences: &[&str]) {
    app.set_client(
        "web",
        json!({"redirectUris": [REDIRECT], "grantTypes": ["authorization_code", "refresh_token"],
        "scopes": ["openid", "api"], "audiences": audiences}),
    );
}

const FOR_TWO: [(&str, &str); 3] = [
    ("scope", "openid email api"),
    ("resource", "https://api.example.com"),
    ("audience", ISSUER),
];

#[tokio::test]
async fn tok_05_an_audience_taken_from_the_client_is_not_refreshed() {
    let mut app = TestApp::new();
    let code = Browser::new(&app).code("web", &FOR_TWO).await;
    let both = Tokens::of(&app.redeem("web", &code).await);
    assert_eq!(
        decode(&both.access).1["aud"],
        json!(["https://api.example.com", ISSUER])
    );
    let code = Browser::new(&app).code("web", &FOR_TWO[..2]).await;
    let one = Tokens::of(&app.redeem("web", &code).await);

    narrowed(&mut app, &[]);
    let left = Tokens::of(&app.refresh("web", &both.refresh).await);
    assert_eq!(decode(&left.access).1["aud"], ISSUER);
    // never the issuer instead of what was asked for
    app.refresh("web", &one.refresh)
        .await
        .is_error(400, "invalid_target");
    // it revoked nothing: the grant is given back
    narrowed(&mut app, &["https://api.example.com"]);
    let again = Tokens::of(&app.refresh("web", &one.refresh).await);
    assert_eq!(decode(&again.access).1["aud"], "https://api.example.com");
}

#[tokio::test]
async fn tok_02_hard_15_a_code_gives_only_what_the_client_may_still_have() {
    let mut app = TestApp::new();
    let both = Browser::new(&app).code("web", &FOR_TWO).await;
    let one = Browser::new(&app).code("web", &FOR_TWO[..2]).await;
    narrowed(&mut app, &[]);
    let left = Tokens::of(&app.redeem("web", &both).await);
    let (_, claims) = decode(&left.access);
    assert_eq!(
        (&claims["aud"], &claims["scope"]),
        (&json!(ISSUER), &json!("openid api"))
    );
    assert_eq!(left.all["scope"], "openid api", "the change is told");
    app.redeem("web", &one).await.is_error(400, "invalid_target");
}

/// A client that may go offline.
fn with_offline(app: &mut TestApp, spec: serde_json::Value) {
    let mut usual = json!({"redirectUris": [REDIRECT], "scopes": ["openid", "offline_access"],
        "grantTypes": ["authorization_code", "refresh_token"]});
    usual
        .as_object_mut()
        .unwrap()
        .extend(spec.as_object().unwrap().clone());
    app.set_client("web", usual);
}

const OFFLINE: (&str, &str) = ("scope", "openid offline_access");

#[tokio::test]
async fn tok_06_with_offline_access_it_outlives_the_session() {
    let mut app = TestApp::new();
    with_offline(&mut app, json!({}));
    let mut browser = Browser::new(&app);
    let code = browser.code("web", &[OFFLINE]).await;
    let offline = Tokens::of(&app.redeem("web", &code).await);
    assert_eq!(offline.all["scope"], "openid offline_access");
    let code = browser.code("web", &[]).await;
    let bound = Tokens::of(&app.redeem("web", &code).await);
    let answer = browser
        .send(Ask::get(&format!("/end_session?id_token_hint={}", bound.id)))
        .await;
    answer.is_own_page(200);
    app.refresh("web", &bound.refresh)
        .await
        .is_error(400, "invalid_grant");
    let mut offline = Tokens::of(&app.refresh("web", &offline.refresh).await);
    assert_eq!(app.userinfo(&offline.access).await.status, 200);
    for _ in 0..4 {
        app.clock.advance(13 * 86_400);
        offline = Tokens::of(&app.refresh("web", &offline.refresh).await);
    }
    app.clock.advance(14 * 86_400 + 1);
    app.refresh("web", &offline.refresh)
        .await
        .is_error(400, "invalid_grant");
}

#[tokio::test]
async fn tok_06_offline_access_is_consented_to_each_time() {
    let mut app = TestApp::new();
    with_offline(&mut app, json!({}));
    let mut browser = Browser::new(&app);
    browser.code("web", &[OFFLINE]).await;
    let page = browser.authorize("web", &[OFFLINE]).await;
    page.is_own_page(200);
    assert!(page.text.contains("signed out"), "{}", page.text);
    browser.decide(&page, "allow").await.code();
    // nobody can be asked: the scope is ignored, and the token bound to the session
    let code = browser
        .authorize("web", &[OFFLINE, ("prompt", "none")])
        .await
        .code();
    let tokens = Tokens::of(&app.redeem("web", &code).await);
    assert_eq!(tokens.all["scope"], "openid");
    app.clock.advance(13 * 3_600);
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");
    // a client that skips consent
    with_offline(&mut app, json!({"consent": "skip"}));
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[OFFLINE]).await;
    browser.sign_in(&page, "jdoe", PASSWORD).await.code();
    let code = browser
        .authorize("web", &[OFFLINE, ("prompt", "none")])
        .await
        .code();
    let tokens = Tokens::of(&app.redeem("web", &code).await);
    assert_eq!(tokens.all["scope"], "openid offline_access");
}

#[tokio::test]
async fn tok_06_without_the_grant_there_is_none_and_no_error() {
    let mut app = TestApp::new();
    with_offline(&mut app, json!({"grantTypes": ["authorization_code"]}));
    let code = Browser::new(&app).code("web", &[OFFLINE]).await;
    let tokens = Tokens::of(&app.redeem("web", &code).await);
    assert_eq!(
        (tokens.refresh.as_str(), &tokens.all["scope"]),
        ("", &json!("openid"))
    );
}

#[tokio::test]
async fn i1_a_code_does_not_become_an_offline_one() {
    let app = TestApp::new();
    let code = Browser::new(&app).code("web", &[]).await;
    let forged = code.replacen("ac1", "ao1", 1);
    assert_ne!(forged, code);
    app.redeem("web", &forged).await.is_error(400, "invalid_grant");
    Tokens::of(&app.redeem("web", &code).await);
}

#[tokio::test]
async fn tok_07_a_new_login_does_not_change_what_an_older_token_says() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let first = Tokens::of(&app.redeem("web", &browser.code("web", &[]).await).await);
    app.clock.advance(50);
    browser.code("web", &[("prompt", "login")]).await;
    let second = Tokens::of(&app.refresh("web", &first.refresh).await);
    let (first, second) = (decode(&first.id).1, decode(&second.id).1);
    for same in ["iss", "sub", "aud", "auth_time", "sid"] {
        assert_eq!(first[same], second[same], "{same}");
    }
    assert_eq!(second.get("nonce"), None);
}
