use http::Method;
use oidc_crds::resources::signing_key::Phase;
use serde_json::json;

use super::support::browser::Form;
use super::support::*;

const AFTER: &str = "https://app.example.com/bye";

/// An app whose client `web` has a target after signing out.
fn app() -> TestApp {
    let mut app = TestApp::new();
    app.set_client(
        "web",
        json!({"displayName": "The Web App", "redirectUris": [REDIRECT], "postLogoutRedirectUris": [AFTER],
            "grantTypes": ["authorization_code", "refresh_token"], "clientUri": "https://app.example.com"}),
    );
    app
}

/// Signs in at `web` in this browser.
async fn signed_in(app: &TestApp, browser: &mut Browser<'_>) -> Tokens {
    let code = browser.code("web", &[]).await;
    Tokens::of(&app.redeem("web", &code).await)
}

async fn end(browser: &mut Browser<'_>, params: &[(&str, &str)]) -> Answer {
    browser
        .send(Ask::get(&format!("/end_session?{}", encoded(params))))
        .await
}

/// Whether the browser has a session.
async fn is_in(browser: &mut Browser<'_>) -> bool {
    let answer = browser.authorize("web", &[("prompt", "none")]).await;
    answer.sent_back().contains_key("code")
}

#[tokio::test]
async fn out_01_the_hint_of_this_session_signs_out_without_asking() {
    let app = app();
    for method in [Method::GET, Method::POST] {
        let mut browser = Browser::new(&app);
        let tokens = signed_in(&app, &mut browser).await;
        app.clock.advance(5_000);
        let params = [
            ("id_token_hint", tokens.id.as_str()),
            ("post_logout_redirect_uri", AFTER),
            ("state", "s t"),
            ("logout_hint", "jdoe"),
            ("ui_locales", "xx de"),
        ];
        let ask = if method == Method::GET {
            Ask::get(&format!("/end_session?{}", encoded(&params)))
        } else {
            Ask::post("/end_session").form(&params)
        };
        let (answer, trips) = app.trips(browser.send(ask)).await;
        assert_eq!(answer.location(), format!("{AFTER}?state=s+t"));
        assert_eq!(trips, 3);
        assert!(
            !browser.cookies.contains_key("__Host-oidc_session"),
            "the cookie is gone"
        );
        assert!(!is_in(&mut browser).await);
    }
}

#[tokio::test]
async fn out_01_what_is_bound_to_the_session_is_dead() {
    let app = app();
    let mut browser = Browser::new(&app);
    let tokens = signed_in(&app, &mut browser).await;
    let kept = browser.cookies.clone();
    let code = browser.code("web", &[]).await;
    end(&mut browser, &[("id_token_hint", &tokens.id)])
        .await
        .is_own_page(200);
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    assert_eq!(
        app.introspect("web", &tokens.access).await,
        json!({"active": false})
    );
    app.redeem("web", &code).await.is_error(400, "invalid_grant");
    // the old cookie opens nothing
    let mut thief = Browser::new(&app);
    thief.cookies = kept;
    assert!(!is_in(&mut thief).await);
}

#[tokio::test]
async fn out_01_without_a_good_hint_the_person_is_asked_and_nobody_redirected() {
    let app = app();
    let mut browser = Browser::new(&app);
    let tokens = signed_in(&app, &mut browser).await;
    let mut elsewhere = Browser::new(&app);
    let other = signed_in(&app, &mut elsewhere).await;
    let (message, _) = tokens.id.rsplit_once('.').unwrap();
    let unsigned = format!("{message}.");
    let forged = format!("{message}.AAAA");
    let target = ("post_logout_redirect_uri", AFTER);
    for (params, known) in [
        (vec![], false),
        (vec![target], false),
        (vec![target, ("client_id", "default.web")], true),
        (vec![target, ("id_token_hint", "x")], false),
        (vec![target, ("id_token_hint", &unsigned)], false),
        (vec![target, ("id_token_hint", &forged)], false),
        (vec![target, ("id_token_hint", &tokens.access)], false),
    ] {
        let page = end(&mut browser, &params).await;
        page.is_own_page(200);
        assert_eq!(page.text.contains("The Web App"), known, "{params:?}");
        assert!(page.text.contains("jdoe") && is_in(&mut browser).await);
        let stay = browser.decide(&page, "stay").await;
        stay.is_own_page(200);
        assert!(is_in(&mut browser).await);
        browser.decide(&page, "sign_out").await.is_own_page(200);
        assert!(!is_in(&mut browser).await);
        browser.code("web", &[]).await;
    }
    // the person's session in another browser: asked, then sent to the proven target
    let params = [("id_token_hint", other.id.as_str()), target, ("state", "x")];
    let page = end(&mut browser, &params).await;
    page.is_own_page(200);
    let answer = browser.decide(&page, "sign_out").await;
    assert_eq!(answer.location(), format!("{AFTER}?state=x"));
    assert!(!is_in(&mut browser).await && is_in(&mut elsewhere).await);
}

#[tokio::test]
async fn out_01_a_hint_is_good_as_long_as_the_public_half_of_its_removed_key_is_kept() {
    let app = app();
    let mut browser = Browser::new(&app);
    let tokens = signed_in(&app, &mut browser).await;
    let params = [
        ("id_token_hint", tokens.id.as_str()),
        ("post_logout_redirect_uri", AFTER),
    ];
    // The session's lifetime is over, and with it that of the key: its hint is a stranger's.
    app.set_keys(|set| drop(set.keys.remove(0)));
    let page = end(&mut browser, &params).await;
    page.is_own_page(200);
    assert!(page.text.contains("jdoe") && is_in(&mut browser).await, "asked");
    // As the schedule leaves a key that has retired.
    app.set_keys(|set| {
        let key = &mut set.keys[0];
        (key.phase, key.jwk) = (Phase::Removed, None);
    });
    let jwks = app.send(Ask::get("/jwks.json")).await.json();
    assert_eq!(jwks["keys"].as_array().map(Vec::len), Some(1), "unpublished");
    assert_eq!(end(&mut browser, &params).await.location(), AFTER);
    assert!(!is_in(&mut browser).await);
}

#[tokio::test]
async fn out_01_without_a_session_there_is_nothing_to_ask() {
    let app = app();
    let mut browser = Browser::new(&app);
    let tokens = signed_in(&app, &mut browser).await;
    let mut fresh = Browser::new(&app);
    let page = end(&mut fresh, &[]).await;
    page.is_own_page(200);
    assert!(page.text.contains("signed out"), "{}", page.text);
    let params = [
        ("id_token_hint", tokens.id.as_str()),
        ("post_logout_redirect_uri", AFTER),
    ];
    assert_eq!(end(&mut fresh, &params).await.location(), AFTER);
    assert!(is_in(&mut browser).await, "another browser's session lives on");
}

#[tokio::test]
async fn hard_04_no_open_redirect_after_signing_out() {
    let app = app();
    for uri in [
        "https://evil.example/",
        "https://app.example.com/bye/",
        "https://app.example.com/bye?x",
        "https://app.example.com/%62ye",
        "https://app.example.com@evil.example/bye",
        "//evil.example/bye",
        "/\\evil.example",
        "javascript:alert(1)",
        REDIRECT,
    ] {
        let mut browser = Browser::new(&app);
        let tokens = signed_in(&app, &mut browser).await;
        let params = [
            ("id_token_hint", tokens.id.as_str()),
            ("post_logout_redirect_uri", uri),
        ];
        let page = end(&mut browser, &params).await;
        page.is_own_page(200);
        assert!(!page.text.contains("evil"), "{uri}");
        assert!(page.text.contains("https://app.example.com\""), "the way back");
    }
}

#[tokio::test]
async fn out_01_contradictions_and_doublets_are_errors() {
    let app = app();
    let mut browser = Browser::new(&app);
    let tokens = signed_in(&app, &mut browser).await;
    let hint = ("id_token_hint", tokens.id.as_str());
    end(&mut browser, &[hint, ("client_id", "default.other")])
        .await
        .is_own_page(400);
    end(&mut browser, &[hint, hint]).await.is_own_page(400);
    end(&mut browser, &[hint, ("state", &"x".repeat(4097))])
        .await
        .is_own_page(400);
    assert!(is_in(&mut browser).await);
}

#[tokio::test]
async fn ses_03_the_confirmation_is_a_form_of_ours_in_this_browser() {
    let app = app();
    let mut browser = Browser::new(&app);
    signed_in(&app, &mut browser).await;
    let page = end(&mut browser, &[]).await;
    let good = Form::of(&page).with("decision", "sign_out");
    let login = Form::of(&browser.authorize("web", &[("prompt", "login")]).await);
    for bad in [
        good.clone().with("_csrf", "x"),
        good.clone().with("_request", ""),
        good.clone().with("_request", login.get("_request")),
        good.clone().with("decision", "whatever"),
        good.clone().with("decision", ""),
    ] {
        browser.submit(bad).await.is_own_page(400);
    }
    let foreign = Ask::post("/end_session/confirm")
        .header("sec-fetch-site", "cross-site")
        .form(&good.fields);
    browser.send(foreign).await.is_own_page(400);
    let mut other = Browser::new(&app);
    signed_in(&app, &mut other).await;
    other.submit(good.clone()).await.is_own_page(400);
    app.clock.advance(601);
    browser.submit(good).await.is_own_page(400);
    assert!(is_in(&mut browser).await && is_in(&mut other).await);
}

#[tokio::test]
async fn out_01_a_target_removed_meanwhile_is_not_used() {
    let mut app = app();
    let mut elsewhere = Browser::new(&app);
    let tokens = signed_in(&app, &mut elsewhere).await;
    let mut browser = Browser::new(&app);
    signed_in(&app, &mut browser).await;
    let params = [
        ("id_token_hint", tokens.id.as_str()),
        ("post_logout_redirect_uri", AFTER),
    ];
    let page = end(&mut browser, &params).await;
    let cookies = browser.cookies.clone();
    app.set_client("web", json!({"redirectUris": [REDIRECT]}));
    let mut browser = Browser::new(&app);
    browser.cookies = cookies;
    browser.decide(&page, "sign_out").await.is_own_page(200);
}

#[tokio::test]
async fn out_01_a_store_that_is_away_signs_nobody_out() {
    let app = app();
    let mut browser = Browser::new(&app);
    let tokens = signed_in(&app, &mut browser).await;
    app.store.set_away(true);
    let answer = end(&mut browser, &[("id_token_hint", &tokens.id)]).await;
    answer.is_own_page(503);
    assert!(answer.header("retry-after").is_some());
    app.store.set_away(false);
    assert!(is_in(&mut browser).await);
}
