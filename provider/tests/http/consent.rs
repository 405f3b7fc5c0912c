use serde_json::json;

use super::support::browser::Form;
use super::support::*;

/// Signs in; the consent form.
async fn asked(browser: &mut Browser<'_>, client: &str, more: &[(&str, &str)]) -> Answer {
    let page = browser.authorize(client, more).await;
    let page = browser.sign_in(&page, "jdoe", PASSWORD).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(!Form::of(&page).has("password"));
    page
}

#[tokio::test]
async fn az_18_consent_is_asked_once_per_client_and_scope_set() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let page = asked(&mut browser, "web", &[("scope", "openid email api")]).await;
    for shown in ["The Web App", "default", "See your e-mail address", "api", "jdoe"] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    browser.decide(&page, "allow").await.code();
    browser
        .authorize("web", &[("scope", "openid email")])
        .await
        .code();
    // another browser of the same person: remembered
    let mut elsewhere = Browser::new(&app);
    let page = elsewhere.authorize("web", &[("scope", "openid")]).await;
    elsewhere.sign_in(&page, "jdoe", PASSWORD).await.code();
    // another client, another person, a new scope: asked
    assert_eq!(browser.authorize("other", &[]).await.status, 200);
    let mut other = Browser::new(&app);
    let page = other.authorize("web", &[]).await;
    assert_eq!(other.sign_in(&page, "erin", PASSWORD).await.status, 200);
    let page = browser.authorize("web", &[("scope", "openid profile")]).await;
    assert!(page.text.contains("See your name"), "a new scope asks again");
    browser.decide(&page, "allow").await.code();
    browser
        .authorize("web", &[("scope", "openid email api profile")])
        .await
        .code();
}

#[tokio::test]
async fn az_18_the_person_can_decline() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let page = asked(&mut browser, "web", &[]).await;
    for decision in ["deny", "whatever", ""] {
        let answer = browser.decide(&page, decision).await;
        answer.is_sent_back_with("access_denied");
        assert_eq!(answer.sent_back()["state"], "the-state");
    }
    assert_eq!(
        browser.authorize("web", &[]).await.status,
        200,
        "nothing was remembered"
    );
}

#[tokio::test]
async fn az_18_prompt_consent_and_required_ask_each_time() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    let page = browser.authorize("web", &[("prompt", "consent")]).await;
    assert_eq!(page.status, 200);
    browser.decide(&page, "allow").await.code();
    for _ in 0..2 {
        let page = browser.authorize("strict", &[]).await;
        assert_eq!(page.status, 200);
        browser.decide(&page, "allow").await.code();
    }
}

#[tokio::test]
async fn az_18_for_a_client_that_anybody_can_pose_as_consent_counts_in_its_session_only() {
    let app = TestApp::new();
    for uri in ["http://127.0.0.1/cb", "com.example.app:/cb"] {
        let more = [("redirect_uri", uri)];
        let mut browser = Browser::new(&app);
        let page = asked(&mut browser, "native", &more).await;
        let (answer, trips) = app.trips(browser.decide(&page, "allow")).await;
        answer.code();
        assert_eq!(trips, 1, "not remembered beyond the session");
        browser.authorize("native", &more).await.code();
        asked(&mut Browser::new(&app), "native", &more).await;
    }
    // a public client on https is another thing
    let mut browser = Browser::new(&app);
    browser.code("spa", &[]).await;
    let mut elsewhere = Browser::new(&app);
    let page = elsewhere.authorize("spa", &[]).await;
    elsewhere.sign_in(&page, "jdoe", PASSWORD).await.code();
}

#[tokio::test]
async fn az_18_a_recreated_namesake_inherits_no_consent() {
    let mut app = TestApp::new();
    Browser::new(&app).code("web", &[]).await;
    let spec = json!({"redirectUris": [REDIRECT], "scopes": ["openid"]});
    app.set_client_object("web", "uid-of-the-next", spec);
    asked(&mut Browser::new(&app), "web", &[]).await;
}

#[tokio::test]
async fn i4_another_client_id_keeps_nothing() {
    let mut app = TestApp::new();
    for format in ["jwt", "opaque"] {
        let spec = |id: serde_json::Value| {
            json!({
                "clientId": id, "redirectUris": [REDIRECT], "scopes": ["openid"],
                "grantTypes": ["authorization_code", "refresh_token"],
                "tokens": {"accessTokenFormat": format},
            })
        };
        app.set_client("web", spec(json!(null)));
        let tokens = app.sign_in("web", "openid").await;
        assert_eq!(app.userinfo(&tokens.access).await.status, 200);
        let code = Browser::new(&app).code("web", &[]).await;

        // the same object, with the same secret
        app.set_client("web", spec(json!("moved")));
        let post = |path: &str, form: &[(&str, &str)]| {
            let ask = Ask::post(path).basic_as("moved", &secret_of("web"));
            app.send(ask.form(form))
        };
        app.userinfo(&tokens.access).await.is_error(401, "invalid_token");
        for token in [&tokens.access, &tokens.refresh] {
            let seen = post("/introspect", &[("token", token)]).await;
            assert_eq!(seen.json(), json!({"active": false}), "{format}");
        }
        let refresh = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &tokens.refresh),
        ];
        post("/token", &refresh).await.is_error(400, "invalid_grant");
        let redeem = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        post("/token", &redeem).await.is_error(400, "invalid_grant");
        let mut browser = Browser::new(&app);
        let page = browser.authorize_as("moved", REDIRECT).await;
        let page = browser.sign_in(&page, "jdoe", PASSWORD).await;
        assert_eq!(page.status, 200, "consent is asked for: {page:?}");

        // back under the id of before: the same grants again, as if it had never left
        app.set_client("web", spec(json!(null)));
        assert_eq!(app.userinfo(&tokens.access).await.status, 200);
    }
}

#[tokio::test]
async fn consent_costs_one_round_trip_a_slot() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let page = asked(&mut browser, "web", &[]).await;
    let (answer, trips) = app.trips(browser.decide(&page, "allow")).await;
    answer.code();
    assert_eq!(trips, 2);
    let page = browser.authorize("strict", &[]).await;
    let (_, trips) = app.trips(browser.decide(&page, "allow")).await;
    assert_eq!(trips, 1, "nothing to remember");
}

#[tokio::test]
async fn ses_01_a_consent_form_counts_in_its_own_session_only() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let left_open = asked(&mut browser, "web", &[]).await;
    // another person signs in in the same browser
    let page = browser.authorize("web", &[("prompt", "login")]).await;
    browser.sign_in(&page, "erin", PASSWORD).await;
    let answer = browser.decide(&left_open, "allow").await;
    assert!(Form::of(&answer).has("password"), "{answer:?}");
    assert_eq!(
        browser.authorize("web", &[]).await.status,
        200,
        "erin has agreed to nothing"
    );
    asked(&mut Browser::new(&app), "web", &[]).await;
    // no session at all
    let mut browser = Browser::new(&app);
    let page = asked(&mut browser, "web", &[]).await;
    browser.cookies.remove("__Host-oidc_session");
    assert!(Form::of(&browser.decide(&page, "allow").await).has("password"));
}

#[tokio::test]
async fn ses_01_a_login_form_is_no_consent_form() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let mut form = Form::of(&browser.authorize("web", &[]).await).with("decision", "allow");
    form.action = "/consent".to_owned();
    browser.submit(form).await.is_own_page(400);
    let get = browser.send(Ask::get("/consent")).await;
    get.is_own_page(405);
    assert_eq!(get.header("allow"), Some("POST"));
}

#[tokio::test]
async fn a_person_disabled_meanwhile_gets_no_code() {
    let mut app = TestApp::new();
    let mut browser = Browser::new(&app);
    let page = asked(&mut browser, "web", &[]).await;
    let cookies = browser.cookies.clone();
    app.set_user("jdoe", json!({"disabled": true}));
    let mut browser = Browser::new(&app);
    browser.cookies = cookies;
    browser
        .decide(&page, "allow")
        .await
        .is_sent_back_with("access_denied");
}

#[tokio::test]
async fn a_client_changed_meanwhile_is_checked_again() {
    let mut app = TestApp::new();
    let mut browser = Browser::new(&app);
    let page = asked(&mut browser, "web", &[]).await;
    let cookies = browser.cookies.clone();
    app.set_client(
        "web",
        json!({"redirectUris": ["https://moved.example.com/cb"], "scopes": ["openid"]}),
    );
    let mut browser = Browser::new(&app);
    browser.cookies = cookies.clone();
    browser.decide(&page, "allow").await.is_own_page(400);
    app.delete_client("web");
    let mut browser = Browser::new(&app);
    browser.cookies = cookies;
    browser.decide(&page, "allow").await.is_own_page(400);
}

#[tokio::test]
async fn names_are_text_on_our_pages() {
    let mut app = TestApp::new();
    let spec = json!({"displayName": "<b>\"x\" & 'y'", "redirectUris": [REDIRECT], "scopes": ["openid", "<api>"],
        "policyUri": "https://app.example.com/p?a=1&b=2", "logoUri": "https://app.example.com/logo.png"});
    app.set_client("web", spec);
    let mut browser = Browser::new(&app);
    let page = asked(&mut browser, "web", &[("scope", "openid <api>")]).await;
    assert!(
        !page.text.contains("<b>") && !page.text.contains("<api>"),
        "{}",
        page.text
    );
    assert!(page.text.contains("https://app.example.com/logo.png"));
    assert!(page.text.contains("https://app.example.com/p?a=1&#38;b=2"));
    let page = browser.authorize("web", &[("prompt", "login")]).await;
    assert!(!page.text.contains("<b>"), "{}", page.text);
}

#[tokio::test]
async fn az_18_signing_in_again_keeps_what_the_session_alone_remembers() {
    let app = TestApp::new();
    let more = [("redirect_uri", "com.example.app:/cb")];
    let mut browser = Browser::new(&app);
    let page = asked(&mut browser, "native", &more).await;
    browser.decide(&page, "allow").await.code();
    // for another client, and for this one
    let page = browser.authorize("web", &[("prompt", "login")]).await;
    let page = browser.sign_in(&page, "jdoe", PASSWORD).await;
    browser.decide(&page, "allow").await.code();
    browser.authorize("native", &more).await.code();
    let page = browser.authorize("native", &[more[0], ("prompt", "login")]).await;
    browser.sign_in(&page, "jdoe", PASSWORD).await.code();
    // another person in this browser has agreed to nothing
    let page = browser.authorize("native", &[more[0], ("prompt", "login")]).await;
    let page = browser.sign_in(&page, "erin", PASSWORD).await;
    assert!(page.status == 200 && !Form::of(&page).has("password"), "{page:?}");
}

#[tokio::test]
async fn az_18_a_client_with_skip_asks_nobody() {
    let mut app = TestApp::new();
    let skip = json!({"redirectUris": [REDIRECT], "scopes": ["openid", "email"], "consent": "skip"});
    app.set_client("web", skip);
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[("scope", "openid email")]).await;
    browser.sign_in(&page, "jdoe", PASSWORD).await.code();
    browser.authorize("web", &[("prompt", "none")]).await.code();
    // unless the application asks for it
    let page = browser.authorize("web", &[("prompt", "consent")]).await;
    browser.decide(&page, "allow").await.code();
}

/// Withdraws the consent of the person to a client.
async fn withdraw(app: &TestApp, client: &str) {
    let ring = app.app.ring.load_full().unwrap();
    let uid = app.client(client).uid().to_owned();
    let now = app.app.clock.now();
    oidc_provider::sessions::withdraw_consent(&app.app, &ring, "uid-jdoe", &uid, now)
        .await
        .unwrap();
}

#[tokio::test]
async fn az_18_a_withdrawn_consent_is_asked_for_again_everywhere() {
    let app = TestApp::new();
    let mut browsers = [Browser::new(&app), Browser::new(&app)];
    let mut tokens = Vec::new();
    for browser in &mut browsers {
        tokens.push(Tokens::of(
            &app.redeem("web", &browser.code("web", &[]).await).await,
        ));
    }
    let code = browsers[0].code("web", &[]).await;
    let other = Tokens::of(&app.redeem("other", &browsers[0].code("other", &[]).await).await);
    withdraw(&app, "web").await;
    for tokens in &tokens {
        assert_eq!(app.userinfo(&tokens.access).await.status, 401);
        app.refresh("web", &tokens.refresh)
            .await
            .is_error(400, "invalid_grant");
    }
    app.redeem("web", &code).await.is_error(400, "invalid_grant");
    for browser in &mut browsers {
        browser
            .authorize("web", &[("prompt", "none")])
            .await
            .is_sent_back_with("consent_required");
    }
    asked(&mut Browser::new(&app), "web", &[]).await;
    // what the person agreed to elsewhere stays
    Tokens::of(&app.refresh("other", &other.refresh).await);
    browsers[0].authorize("other", &[]).await.code();
}

#[tokio::test]
async fn az_18_withdrawal_reaches_what_outlives_the_session() {
    let mut app = TestApp::new();
    for consent in ["remember", "required", "skip"] {
        let spec = json!({"redirectUris": [REDIRECT], "scopes": ["openid", "offline_access"],
            "postLogoutRedirectUris": [], "consent": consent,
            "grantTypes": ["authorization_code", "refresh_token"]});
        app.set_client("web", spec);
        let mut browser = Browser::new(&app);
        let offline = [("scope", "openid offline_access")];
        let mut families = Vec::new();
        // the login itself issues, and then the session does
        for _ in 0..2 {
            let code = browser.code("web", &offline).await;
            families.push(Tokens::of(&app.redeem("web", &code).await));
        }
        let hint = &families[0].id;
        let out = browser
            .send(Ask::get(&format!("/end_session?id_token_hint={hint}")))
            .await;
        assert!(out.text.contains("signed out"), "{out:?}");
        app.clock.advance(20 * 86_400 / 2);
        let first = Tokens::of(&app.refresh("web", &families[0].refresh).await);
        withdraw(&app, "web").await;
        for token in [&first.refresh, &families[1].refresh] {
            app.refresh("web", token).await.is_error(400, "invalid_grant");
        }
    }
}

#[tokio::test]
async fn az_18_the_account_page_withdraws() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let tokens = Tokens::of(&app.redeem("web", &browser.code("web", &[]).await).await);
    let page = browser.send(Ask::get("/account")).await;
    let (_, rest) = page.text.split_once("/account/withdraw\">").unwrap();
    let (fields, _) = rest.split_once("</form>").unwrap();
    assert!(fields.contains("value=\"default.web\""), "{fields}");
    let csrf = Form::of(&page).get("_csrf").to_owned();
    let form = |csrf: &str, client: &str| Form {
        action: "/account/withdraw".to_owned(),
        fields: [("_csrf", csrf), ("client_id", client)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    };
    browser.submit(form("x", "default.web")).await.is_own_page(400);
    assert_eq!(
        browser.submit(form(&csrf, "default.none")).await.location(),
        "/account"
    );
    assert_eq!(app.userinfo(&tokens.access).await.status, 200);
    let answer = browser.submit(form(&csrf, "default.web")).await;
    assert_eq!(answer.location(), "/account?done=withdrawn");
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    let page = browser.send(Ask::get("/account?done=withdrawn")).await;
    assert!(!page.text.contains("/account/withdraw") && page.text.contains("must ask you again"));
}

#[tokio::test]
async fn i5_offline_access_costs_a_round_trip_only_where_no_consent_is_remembered() {
    let mut app = TestApp::new();
    let spec = |consent: &str| {
        json!({"redirectUris": [REDIRECT], "scopes": ["openid", "offline_access"], "consent": consent,
            "grantTypes": ["authorization_code", "refresh_token"]})
    };
    let offline = [("scope", "openid offline_access")];
    app.set_client("web", spec("remember"));
    let mut browser = Browser::new(&app);
    let page = asked(&mut browser, "web", &offline).await;
    let (answer, trips) = app.trips(browser.decide(&page, "allow")).await;
    answer.code();
    assert_eq!(trips, 2, "one a slot");
    let cookies = browser.cookies.clone();
    app.set_client("web", spec("skip"));
    let mut browser = Browser::new(&app);
    browser.cookies = cookies;
    let (answer, trips) = app.trips(browser.authorize("web", &offline)).await;
    answer.code();
    assert_eq!(trips, 2);
    let (answer, trips) = app.trips(browser.authorize("web", &[])).await;
    answer.code();
    assert_eq!(trips, 1);
}
