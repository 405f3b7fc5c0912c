//! Who cannot go on finds a way back to the application, and never to an address that nothing proves.

use std::collections::BTreeMap;

use serde_json::json;

use super::support::browser::Form;
use super::support::*;

/// The links of a page, as a browser reads them: address and text.
fn links(page: &Answer) -> Vec<(String, String)> {
    let links = page.text.split("<a href=\"").skip(1).map(|rest| {
        let (address, rest) = rest.split_once('"').unwrap();
        let (_, text) = rest.split_once('>').unwrap();
        let (text, _) = text.split_once("</a>").unwrap();
        (address.replace("&#38;", "&"), text.to_owned())
    });
    links.collect()
}

/// A browser that keeps these cookies while the test changes what is registered.
fn with_cookies(app: &TestApp, cookies: BTreeMap<String, String>) -> Browser<'_> {
    let mut browser = Browser::new(app);
    browser.cookies = cookies;
    browser
}

/// The page of a login form that is sent eleven minutes late.
async fn late(app: &TestApp, client: &str, more: &[(&str, &str)]) -> Answer {
    let mut browser = Browser::new(app);
    let page = browser.authorize(client, more).await;
    app.clock.advance(660);
    let late = browser.sign_in(&page, "jdoe", PASSWORD).await;
    late.is_own_page(400);
    assert_eq!(late.header("location"), None, "nobody is sent anywhere by itself");
    late
}

#[tokio::test]
async fn ses_01_an_old_form_leads_back_to_the_redirect_uri_with_an_error() {
    let app = TestApp::new();
    let page = late(&app, "web", &[("state", "s&<\">")]).await;
    let links = links(&page);
    let [(address, text)] = &links[..] else {
        panic!("{links:?}")
    };
    assert_eq!(text, "Go to The Web App");
    let (to, query) = address.split_once('?').unwrap();
    assert_eq!(to, REDIRECT);
    let told: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let told: Vec<_> = told
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("error", "access_denied"),
            ("error_description", "The person did not go on in time."),
            ("state", "s&<\">"),
            ("iss", "https://id.example.com"),
        ]
    );
    // a consent form likewise
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[]).await;
    let consent = browser.sign_in(&page, "jdoe", PASSWORD).await;
    app.clock.advance(660);
    let page = browser.decide(&consent, "allow").await;
    page.is_own_page(400);
    assert!(page.text.contains(">Go to The Web App</a>"), "{}", page.text);
}

#[tokio::test]
async fn ses_01_an_old_form_leads_back_to_the_home_page_if_there_is_one() {
    let mut app = TestApp::new();
    app.set_client(
        "home",
        json!({"displayName": "<b>Shop</b>", "redirectUris": [REDIRECT], "clientUri": "https://shop.example.com/"}),
    );
    let page = late(&app, "home", &[("scope", "openid")]).await;
    let (address, text) = (
        "https://shop.example.com/".to_owned(),
        "Go to &#60;b&#62;Shop&#60;/b&#62;".to_owned(),
    );
    assert_eq!(links(&page), [(address.clone(), text.clone())]);
    // the redirect URI is gone from the registration: the home page is what is left
    let mut browser = Browser::new(&app);
    let page = browser.authorize("home", &[("scope", "openid")]).await;
    let cookies = browser.cookies;
    app.set_client(
        "home",
        json!({"displayName": "<b>Shop</b>", "redirectUris": ["https://new.example.com/cb"], "clientUri": "https://shop.example.com/"}),
    );
    let changed = with_cookies(&app, cookies).sign_in(&page, "jdoe", PASSWORD).await;
    changed.is_own_page(400);
    assert_eq!(links(&changed), [(address, text)]);
}

#[tokio::test]
async fn ses_01_an_answer_by_post_is_sent_back_with_a_button() {
    let app = TestApp::new();
    let state = "\"><script>alert(1)</script>";
    let page = late(&app, "web", &[("response_mode", "form_post"), ("state", state)]).await;
    assert_eq!(links(&page), []);
    assert!(!page.text.contains("<script"), "{}", page.text);
    let form = Form::of(&page);
    assert_eq!(form.action, REDIRECT);
    assert_eq!(form.get("error"), "access_denied");
    assert_eq!(form.get("state"), state);
    assert_eq!(form.get("iss"), "https://id.example.com");
}

#[tokio::test]
async fn ses_01_the_way_back_is_in_the_language_of_the_request() {
    let app = TestApp::new();
    for (language, text) in [
        ("de", "Weiter zu The Web App"),
        ("fr", "Aller à The Web App"),
        ("es", "Ir a The Web App"),
        ("ja", "The Web App に移動"),
    ] {
        let page = late(&app, "web", &[("ui_locales", language)]).await;
        assert!(page.text.contains(&format!("<html lang=\"{language}\">")));
        assert_eq!(links(&page)[0].1, text);
    }
}

#[tokio::test]
async fn ses_01_hard_04_what_nothing_proves_is_no_way_back() {
    let mut app = TestApp::new();
    let account = [("/account".to_owned(), "Your account".to_owned())];
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[]).await;
    let good = || {
        Form::of(&page)
            .with("username", "jdoe")
            .with("password", PASSWORD)
    };
    // forged; of another browser; whatever the form says of where to go
    let others = Form::of(&Browser::new(&app).authorize("web", &[]).await);
    for request in [
        "",
        "https://evil.example/",
        "javascript:alert(1)",
        others.get("_request"),
    ] {
        let form = good()
            .with("_request", request)
            .with("redirect_uri", "https://evil.example/")
            .with("client_id", "default.web")
            .with("state", "x");
        let answer = browser.submit(form).await;
        answer.is_own_page(400);
        assert_eq!(links(&answer), account);
        assert!(
            !answer.text.contains("evil") && !answer.text.contains("<form"),
            "{}",
            answer.text
        );
    }
    let answer = browser.submit(good().with("_csrf", others.get("_csrf"))).await;
    assert_eq!(links(&answer), account);
    // the client is gone, or another with the same name took its place
    for replaced in [false, true] {
        let mut browser = Browser::new(&app);
        let page = browser.authorize("web", &[("scope", "openid")]).await;
        let cookies = browser.cookies;
        app.delete_client("web");
        if replaced {
            app.set_client_object(
                "web",
                "uid-another",
                json!({"redirectUris": [REDIRECT], "clientUri": "https://another.example/"}),
            );
        }
        for seconds in [0, 660] {
            app.clock.advance(seconds);
            let answer = with_cookies(&app, cookies.clone())
                .sign_in(&page, "jdoe", PASSWORD)
                .await;
            answer.is_own_page(400);
            assert_eq!(links(&answer), account);
        }
        app.set_client("web", json!({"redirectUris": [REDIRECT]}));
    }
    // an old form whose redirect URI is not registered any more, of a client without a home page
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[("scope", "openid")]).await;
    let cookies = browser.cookies;
    app.set_client("web", json!({"redirectUris": ["https://new.example.com/cb"]}));
    app.clock.advance(660);
    let answer = with_cookies(&app, cookies).sign_in(&page, "jdoe", PASSWORD).await;
    answer.is_own_page(400);
    assert_eq!(links(&answer), []);
}
