use base64::Engine;

use super::support::*;

#[tokio::test]
async fn az_01_get_and_post_are_equal() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let request = request_of(&app, "web");
    let form = browser.send(Ask::post("/authorize").form(&request)).await;
    assert_eq!(form.status, 200);
    assert!(browser::Form::of(&form).has("password"));
    browser.walk_as("jdoe", "web", &[]).await.code();
    let by_get = browser.authorize("web", &[]).await;
    let by_post = browser.send(Ask::post("/authorize").form(&request)).await;
    assert_ne!(by_get.code(), by_post.code(), "each gets a code of its own");
    for answer in [by_get, by_post] {
        assert!(answer.location().starts_with("https://app.example.com/cb?"));
        assert_eq!(answer.sent_back()["state"], "the-state");
    }
    let mut wrong = request;
    set(&mut wrong, "response_type", "token");
    let by_post = browser.send(Ask::post("/authorize").form(&wrong)).await;
    by_post.is_sent_back_with("unsupported_response_type");
    let by_get = browser.authorize("web", &[("response_type", "token")]).await;
    assert_eq!(by_get.location(), by_post.location());
}

#[tokio::test]
async fn az_02_redirect_uri_is_compared_as_a_string() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    for wrong in [
        "https://app.example.com/cb/",
        "https://app.example.com/CB",
        "https://APP.example.com/cb",
        "https://app.example.com:443/cb",
        "https://app.example.com./cb",
        "https://app.example.com/cb?x=1",
        "https://app.example.com/cb#x",
        "https://app.example.com/x/../cb",
        "https://app.example.com/%63b",
        "https://app.example.com\\@evil.example/cb",
        "https://app.example.com@evil.example/cb",
        "https://app.example.com.evil.example/cb",
        "http://app.example.com/cb",
        "//app.example.com/cb",
        " https://app.example.com/cb",
        "javascript:alert(1)",
        "http://127.0.0.1/cb",
    ] {
        let answer = browser.authorize("web", &[("redirect_uri", wrong)]).await;
        answer.is_own_page(400);
        assert!(!answer.text.contains("evil"), "no echo of input: {}", answer.text);
    }
}

#[tokio::test]
async fn az_02_the_port_of_a_native_loopback_may_differ() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    for good in [
        "http://127.0.0.1/cb",
        "http://127.0.0.1:51234/cb",
        "http://localhost:4001/cb",
    ] {
        let answer = browser.authorize("native", &[("redirect_uri", good)]).await;
        assert_eq!(answer.status, 200, "{good}: {answer:?}");
    }
    for wrong in [
        "http://127.0.0.1:51234/other",
        "http://127.0.0.2:51234/cb",
        "https://127.0.0.1/cb",
    ] {
        browser
            .authorize("native", &[("redirect_uri", wrong)])
            .await
            .is_own_page(400);
    }
    let answer = browser
        .walk_as("jdoe", "native", &[("redirect_uri", "http://127.0.0.1:51234/cb")])
        .await;
    assert!(answer.location().starts_with("http://127.0.0.1:51234/cb?"));
}

#[tokio::test]
async fn az_02_redirect_uri_is_required() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser
        .authorize("web", &[("redirect_uri", "")])
        .await
        .is_own_page(400);
    browser
        .authorize("native", &[("redirect_uri", ""), ("scope", "api")])
        .await
        .is_own_page(400);
    // plain OAuth with a single registered one
    let answer = browser
        .walk_as("jdoe", "web", &[("redirect_uri", ""), ("scope", "api")])
        .await;
    assert!(answer.location().starts_with("https://app.example.com/cb?"));
}

#[tokio::test]
async fn az_03_custom_schemes_for_native_clients() {
    let app = TestApp::new();
    for uri in ["com.example.app:/cb", "com.example.app://callback"] {
        let mut browser = Browser::new(&app);
        let answer = browser.walk_as("jdoe", "native", &[("redirect_uri", uri)]).await;
        assert!(answer.location().starts_with(&format!("{uri}?")), "{answer:?}");
        answer.code();
    }
    Browser::new(&app)
        .authorize("native", &[("redirect_uri", "com.example.app:/other")])
        .await
        .is_own_page(400);
}

#[tokio::test]
async fn az_04_only_code_by_query_or_fragment() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    for response_type in ["token", "id_token", "code token", "none"] {
        browser
            .authorize("web", &[("response_type", response_type)])
            .await
            .is_sent_back_with("unsupported_response_type");
    }
    browser
        .authorize("web", &[("response_type", "")])
        .await
        .is_sent_back_with("invalid_request");
    browser
        .authorize("web", &[("response_mode", "magic")])
        .await
        .is_sent_back_with("invalid_request");
    let answer = browser
        .walk_as("jdoe", "web", &[("response_mode", "query")])
        .await;
    assert!(answer.location().starts_with("https://app.example.com/cb?"));
    let answer = browser.authorize("web", &[("response_mode", "fragment")]).await;
    assert!(answer.location().starts_with("https://app.example.com/cb#"));
    answer.code();
    let error = browser
        .authorize("web", &[("response_mode", "fragment"), ("scope", "none")])
        .await;
    assert!(error.location().starts_with("https://app.example.com/cb#"));
    error.is_sent_back_with("invalid_scope");
    // a client that may not use codes
    let mut request = request_of(&app, "web");
    set(&mut request, "client_id", "default.machine");
    browser
        .send(Ask::post("/authorize").form(&request))
        .await
        .is_own_page(400);
}

#[tokio::test]
async fn az_05_state_and_nonce_come_back_and_iss_is_everywhere() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let state = format!("{}/+%&=é \"<'", "s".repeat(384));
    let nonce = format!("{}é\"", "n".repeat(384));
    let answer = browser
        .walk_as("jdoe", "web", &[("state", &state), ("nonce", &nonce)])
        .await;
    let back = answer.sent_back();
    assert_eq!(back["state"], state);
    assert_eq!(back["iss"], ISSUER);
    assert_eq!(back.keys().collect::<Vec<_>>(), ["code", "iss", "state"]);
    let tokens = Tokens::of(&app.redeem("web", &back["code"]).await);
    assert_eq!(decode(&tokens.id).1["nonce"], nonce.as_str());
    let error = browser
        .authorize("web", &[("state", &state), ("scope", "none")])
        .await;
    let back = error.sent_back();
    assert_eq!(back["state"], state);
    assert_eq!(back["iss"], ISSUER);
    let without = browser.authorize("web", &[("state", ""), ("nonce", "")]).await;
    assert!(!without.sent_back().contains_key("state"));
    let tokens = Tokens::of(&app.redeem("web", &without.code()).await);
    assert!(
        decode(&tokens.id).1.get("nonce").is_none(),
        "a nonce is never invented"
    );
}

#[tokio::test]
async fn az_06_pkce_by_s256_only() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let none = [("code_challenge", ""), ("code_challenge_method", "")];
    for client in ["web", "spa", "native"] {
        browser
            .authorize(client, &none)
            .await
            .is_sent_back_with("invalid_request");
        browser
            .authorize(client, &[("code_challenge_method", "plain")])
            .await
            .is_sent_back_with("invalid_request");
        browser
            .authorize(client, &[("code_challenge_method", "")])
            .await
            .is_sent_back_with("invalid_request");
        browser
            .authorize(client, &[("code_challenge", "short")])
            .await
            .is_sent_back_with("invalid_request");
    }
    browser.walk_as("jdoe", "legacy", &none).await.code();
    browser
        .authorize("legacy", &[("code_challenge_method", "plain")])
        .await
        .is_sent_back_with("invalid_request");
}

#[tokio::test]
async fn az_08_scopes_that_are_not_allowed_are_dropped() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let code = browser
        .code("web", &[("scope", "openid mail profile offline_access")])
        .await;
    let tokens = Tokens::of(&app.redeem("web", &code).await);
    assert_eq!(tokens.all["scope"], "openid profile");
    assert_eq!(decode(&tokens.access).1["scope"], "openid profile");
    browser
        .authorize("web", &[("scope", "mail")])
        .await
        .is_sent_back_with("invalid_scope");
    browser
        .authorize("web", &[("scope", "")])
        .await
        .is_sent_back_with("invalid_scope");
    let code = browser.code("web", &[("scope", "api")]).await;
    let tokens = Tokens::of(&app.redeem("web", &code).await);
    assert_eq!(tokens.id, "", "without openid this is plain OAuth");
}

#[tokio::test]
async fn az_09_prompt_none_never_shows_a_page() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let none = [("prompt", "none")];
    browser
        .authorize("web", &none)
        .await
        .is_sent_back_with("login_required");
    browser
        .authorize("web", &[("prompt", "none login")])
        .await
        .is_sent_back_with("invalid_request");
    let page = browser.authorize("web", &[]).await;
    let consent = browser.sign_in(&page, "jdoe", PASSWORD).await;
    browser
        .authorize("web", &none)
        .await
        .is_sent_back_with("consent_required");
    browser.decide(&consent, "allow").await.code();
    browser.authorize("web", &none).await.code();
    browser
        .authorize("strict", &none)
        .await
        .is_sent_back_with("consent_required");
    app.clock.advance(12 * 3600 + 1);
    browser
        .authorize("web", &none)
        .await
        .is_sent_back_with("login_required");
}

#[tokio::test]
async fn az_09_prompt_login_forces_authentication() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let first = Tokens::of(&app.redeem("web", &browser.code("web", &[]).await).await);
    app.clock.advance(100);
    let (page, trips) = app.trips(browser.authorize("web", &[("prompt", "login")])).await;
    assert!(browser::Form::of(&page).has("password"));
    assert_eq!(trips, 0, "the session would not do");
    let code = browser.sign_in(&page, "jdoe", PASSWORD).await.code();
    let again = Tokens::of(&app.redeem("web", &code).await);
    let (first, again) = (decode(&first.id).1, decode(&again.id).1);
    assert_eq!(
        again["auth_time"].as_i64().unwrap() - first["auth_time"].as_i64().unwrap(),
        100
    );
    assert_eq!(
        first["sid"], again["sid"],
        "the same person goes on with the same login"
    );
}

#[tokio::test]
async fn az_09_who_may_not_use_the_client_gets_access_denied() {
    let mut app = TestApp::new();
    for (person, client) in [("gone", "web"), ("jdoe", "staff")] {
        let mut browser = Browser::new(&app);
        let answer = browser.walk_as(person, client, &[]).await;
        answer.is_sent_back_with("access_denied");
        assert!(
            !browser.cookies.keys().any(|name| name.contains("session")),
            "no session was begun"
        );
    }
    Browser::new(&app).walk_as("erin", "staff", &[]).await.code();
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    let cookies = browser.cookies.clone();
    app.set_user("jdoe", serde_json::json!({"disabled": true}));
    let mut browser = Browser::new(&app);
    browser.cookies = cookies;
    browser
        .authorize("web", &[])
        .await
        .is_sent_back_with("access_denied");
    browser
        .authorize("web", &[("prompt", "none")])
        .await
        .is_sent_back_with("access_denied");
}

#[tokio::test]
async fn a_deleted_person_signs_in_again() {
    let mut app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    let cookies = browser.cookies.clone();
    app.delete_user("jdoe");
    let mut browser = Browser::new(&app);
    browser.cookies = cookies;
    assert!(browser::Form::of(&browser.authorize("web", &[]).await).has("password"));
}

#[tokio::test]
async fn az_10_max_age_asks_again() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    app.clock.advance(2);
    browser.authorize("web", &[("max_age", "10000")]).await.code();
    for max_age in ["1", "0"] {
        let page = browser.authorize("web", &[("max_age", max_age)]).await;
        browser.sign_in(&page, "jdoe", PASSWORD).await.code();
        app.clock.advance(2);
    }
    browser
        .authorize("web", &[("max_age", "-1")])
        .await
        .is_sent_back_with("invalid_request");
}

#[tokio::test]
async fn az_12_hints_never_cause_an_error() {
    let app = TestApp::new();
    let more = [
        ("login_hint", "j<d>oe\"@x"),
        ("ui_locales", "xx-broken !"),
        ("display", "cinema"),
        ("acr_values", "none such"),
        ("id_token_hint", "rubbish"),
    ];
    let page = Browser::new(&app).authorize("web", &more).await;
    assert_eq!(browser::Form::of(&page).get("username"), "j<d>oe\"@x");
}

#[tokio::test]
async fn az_17_pages_cannot_be_framed_and_are_for_no_other_origin() {
    let app = TestApp::new();
    let request = encoded(&request_of(&app, "web"));
    let page = app
        .send(Ask::get(&format!("/authorize?{request}")).header("origin", "https://spa.example.com"))
        .await;
    let policy = page.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "style-src 'sha256-",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    let (_, style) = page.text.split_once("<style>").unwrap();
    let (style, _) = style.split_once("</style>").unwrap();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
    let hash = base64::engine::general_purpose::STANDARD.encode(hash);
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "{policy}");
    assert!(
        !policy.contains("form-action"),
        "Chromium applies it to the client's own redirects"
    );
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("access-control-allow-origin"), None);
    for forbidden in ["<script", "javascript:", " on", "style="] {
        assert!(!page.text.contains(forbidden), "{forbidden}: {}", page.text);
    }
}

#[tokio::test]
async fn par_01_a_parameter_twice_is_refused() {
    let app = TestApp::new();
    let request = encoded(&request_of(&app, "web"));
    for twice in [
        "state=2",
        "client_id=default.web",
        "redirect_uri=https%3A%2F%2Fevil.example",
        "other=1&other=2",
    ] {
        app.send(Ask::get(&format!("/authorize?{request}&{twice}")))
            .await
            .is_own_page(400);
    }
    let answer = app
        .send(Ask::get(&format!(
            "/authorize?{request}&resource=https://api.example.com&resource=https://api.example.com"
        )))
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn par_02_unknown_is_ignored_and_unsupported_is_named() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    assert_eq!(browser.authorize("web", &[("whatever", "1")]).await.status, 200);
    for (name, error) in [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ] {
        browser
            .authorize("web", &[(name, "x")])
            .await
            .is_sent_back_with(error);
    }
}

#[tokio::test]
async fn par_03_an_empty_value_counts_as_absent() {
    let app = TestApp::new();
    let request = encoded(&request_of(&app, "web"));
    let answer = app
        .send(Ask::get(&format!(
            "/authorize?{request}&prompt=&max_age=&request="
        )))
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn par_04_broken_encodings_and_sizes() {
    let app = TestApp::new();
    app.send(Ask::get("/authorize?client_id=%ff%fe"))
        .await
        .is_own_page(400);
    app.send(Ask::get("/authorize?client_id=%zz"))
        .await
        .is_own_page(400);
    let long = "x".repeat(9000);
    let answer = app.send(Ask::get(&format!("/authorize?state={long}"))).await;
    assert_eq!(answer.status, 414);
    let mut request = request_of(&app, "web");
    set(&mut request, "unknown", &"x".repeat(17 * 1024));
    app.send(Ask::post("/authorize").form(&request))
        .await
        .is_own_page(400);
    set(&mut request, "unknown", &"x".repeat(65 * 1024));
    let answer = app.send(Ask::post("/authorize").form(&request)).await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn err_02_nothing_is_redirected_before_the_client_is_proven() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser
        .authorize("web", &[("client_id", "default.none")])
        .await
        .is_own_page(400);
    browser
        .authorize("web", &[("client_id", "")])
        .await
        .is_own_page(400);
    browser
        .authorize("web", &[("client_id", "default.other")])
        .await
        .is_own_page(400);
    let both = [
        ("redirect_uri", "https://evil.example/"),
        ("response_type", "token"),
    ];
    browser.authorize("web", &both).await.is_own_page(400);
    let back = browser.authorize("web", &[("scope", "none")]).await.sent_back();
    assert_eq!(
        back.keys().collect::<Vec<_>>(),
        ["error", "error_description", "iss", "state"]
    );
}

#[tokio::test]
async fn err_05_without_the_store_the_client_is_told() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    app.store.set_away(true);
    let answer = browser.authorize("web", &[]).await;
    answer.is_sent_back_with("temporarily_unavailable");
    // whoever has no session sees the form: it needs no store
    assert_eq!(Browser::new(&app).authorize("web", &[]).await.status, 200);
    app.store.set_away(false);
    browser.authorize("web", &[]).await.code();
}

#[tokio::test]
async fn a_session_costs_one_round_trip_and_no_session_none() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let (_, trips) = app.trips(browser.authorize("web", &[])).await;
    assert_eq!(trips, 0);
    browser.code("web", &[]).await;
    let (answer, trips) = app.trips(browser.authorize("web", &[])).await;
    answer.code();
    assert_eq!(trips, 1);
}

#[tokio::test]
async fn the_session_cookie_of_another_issuer_is_nothing() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    let stolen = browser.cookies["__Host-oidc_session"].clone();
    let (head, _) = stolen.rsplit_once('.').unwrap();
    for wrong in ["", "x", "s1.x.y", &format!("{head}.{}", "A".repeat(43))] {
        browser
            .cookies
            .insert("__Host-oidc_session".to_owned(), wrong.to_owned());
        assert!(
            browser::Form::of(&browser.authorize("web", &[]).await).has("password"),
            "{wrong}"
        );
    }
    browser.cookies.insert("__Host-oidc_session".to_owned(), stolen);
    browser.authorize("web", &[]).await.code();
}

#[tokio::test]
async fn az_04_form_post_answers_and_errors_are_posted() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let post = ("response_mode", "form_post");
    let state = "\"<&' \u{e9}";
    let page = browser.authorize("web", &[post, ("state", state)]).await;
    let page = browser.sign_in(&page, "jdoe", PASSWORD).await;
    let form = browser.decide(&page, "allow").await.posted_back();
    assert_eq!(form.action, REDIRECT);
    assert_eq!((form.get("state"), form.get("iss")), (state, ISSUER));
    Tokens::of(&app.redeem("web", form.get("code")).await);
    // with a session, and as an error
    let form = browser.authorize("web", &[post]).await.posted_back();
    assert!(form.has("code") && !form.has("error"));
    for (more, error) in [
        (("prompt", "none login"), "invalid_request"),
        (("scope", "nothing"), "invalid_scope"),
        (("response_type", "token"), "unsupported_response_type"),
    ] {
        let form = browser.authorize("web", &[post, more]).await.posted_back();
        assert_eq!(form.get("error"), error);
        assert_eq!((form.get("state"), form.get("iss")), ("the-state", ISSUER));
        assert!(!form.has("code"));
    }
    let page = browser.authorize("web", &[post, ("prompt", "consent")]).await;
    let form = browser.decide(&page, "deny").await.posted_back();
    assert_eq!(form.get("error"), "access_denied");
    let mut nobody = Browser::new(&app);
    let form = nobody
        .authorize("web", &[post, ("prompt", "none")])
        .await
        .posted_back();
    assert_eq!(form.get("error"), "login_required");
}

#[tokio::test]
async fn az_04_the_page_of_form_post_runs_its_script_and_no_other() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let more = [
        ("response_mode", "form_post"),
        ("prompt", "none"),
        ("state", "<script>x</script>"),
    ];
    let page = browser.authorize("web", &more).await;
    let (_, rest) = page.text.split_once("<script>").unwrap();
    let (script, rest) = rest.split_once("</script>").unwrap();
    assert!(!rest.contains("<script"), "{}", page.text);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, script.as_bytes());
    let hash = base64::engine::general_purpose::STANDARD.encode(hash);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains(&format!("script-src 'sha256-{hash}';")),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"));
    assert!(!policy.contains("form-action") && !policy.contains("unsafe"));
    assert!(
        page.text.contains("<button type=\"submit\">"),
        "works without scripts"
    );
    assert_eq!(page.header("cache-control"), Some("no-store"));
    // and nowhere else
    let page = browser.authorize("web", &[]).await;
    assert!(
        !page
            .header("content-security-policy")
            .unwrap()
            .contains("script-src")
    );
}

#[tokio::test]
async fn az_04_only_registered_response_types_and_known_modes() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_type", "none", "unsupported_response_type"),
        ("response_mode", "jwt", "invalid_request"),
        ("response_mode", "Query", "invalid_request"),
    ] {
        browser
            .authorize("web", &[(name, value)])
            .await
            .is_sent_back_with(error);
    }
}

#[tokio::test]
async fn az_09_select_account_shows_the_form_to_whoever_is_signed_in() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    let page = browser.authorize("web", &[("prompt", "select_account")]).await;
    let page = browser.sign_in(&page, "erin", PASSWORD).await;
    let code = browser.decide(&page, "allow").await.code();
    let tokens = Tokens::of(&app.redeem("web", &code).await);
    assert_eq!(decode(&tokens.id).1["sub"], "erin");
}

#[tokio::test]
async fn az_09_login_and_consent_together_ask_for_both() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    app.clock.advance(5);
    let page = browser.authorize("web", &[("prompt", "login consent")]).await;
    assert!(browser::Form::of(&page).has("password"));
    let page = browser.sign_in(&page, "jdoe", PASSWORD).await;
    assert_eq!(page.status, 200, "asked for consent, too");
    let code = browser.decide(&page, "allow").await.code();
    let tokens = Tokens::of(&app.redeem("web", &code).await);
    let (_, claims) = decode(&tokens.id);
    assert_eq!(claims["auth_time"], claims["iat"]);
}

#[tokio::test]
async fn az_10_auth_time_tells_when_the_person_signed_in() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let first = Tokens::of(&app.redeem("web", &browser.code("web", &[]).await).await);
    app.clock.advance(100);
    let code = browser.code("web", &[("max_age", "100")]).await;
    let same = Tokens::of(&app.redeem("web", &code).await);
    assert_eq!(decode(&same.id).1["auth_time"], decode(&first.id).1["auth_time"]);
    browser
        .authorize("web", &[("max_age", "99"), ("prompt", "none")])
        .await
        .is_sent_back_with("login_required");
    browser
        .authorize("web", &[("max_age", "0"), ("prompt", "none")])
        .await
        .is_sent_back_with("login_required");
    let code = browser.code("web", &[("max_age", "0")]).await;
    let again = Tokens::of(&app.redeem("web", &code).await);
    let auth_time = |tokens: &Tokens| decode(&tokens.id).1["auth_time"].as_i64().unwrap();
    assert_eq!(auth_time(&again), auth_time(&first) + 100);
}

#[tokio::test]
async fn az_11_id_token_hint_names_who_must_be_signed_in() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let mine = Tokens::of(&app.redeem("web", &browser.code("web", &[]).await).await).id;
    let mut other = Browser::new(&app);
    let code = other.walk_as("erin", "web", &[]).await.code();
    let theirs = Tokens::of(&app.redeem("web", &code).await).id;
    app.clock.advance(3_600);
    let none = ("prompt", "none");
    let code = browser
        .authorize("web", &[none, ("id_token_hint", &mine)])
        .await
        .code();
    let tokens = Tokens::of(&app.redeem("web", &code).await);
    let (old, new) = (decode(&mine).1, decode(&tokens.id).1);
    assert_eq!((&old["sub"], &old["auth_time"]), (&new["sub"], &new["auth_time"]));
    let forged = format!("{mine}x");
    for bad in [theirs.as_str(), forged.as_str(), tokens.access.as_str()] {
        browser
            .authorize("web", &[none, ("id_token_hint", bad)])
            .await
            .is_sent_back_with("login_required");
    }
    // without prompt=none the form is shown, and only the named person gets an answer
    let page = browser.authorize("web", &[("id_token_hint", &theirs)]).await;
    assert!(browser::Form::of(&page).has("password"));
    let answer = browser.sign_in(&page, "jdoe", PASSWORD).await;
    answer.is_sent_back_with("login_required");
    let answer = browser.sign_in(&page, "erin", PASSWORD).await;
    answer.code();
}

#[tokio::test]
async fn az_12_no_hint_disturbs_a_whole_login() {
    let app = TestApp::new();
    let more = [
        ("ui_locales", "xx-broken ! de"),
        ("claims_locales", "\u{1F600}"),
        ("display", "cinema"),
        ("acr_values", "none such"),
        ("login_hint", &"x".repeat(2_000)),
    ];
    let code = Browser::new(&app).code("web", &more).await;
    let tokens = Tokens::of(&app.redeem("web", &code).await);
    assert_eq!(decode(&tokens.id).1["sub"], "jdoe");
}
