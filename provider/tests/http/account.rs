use serde_json::json;

use super::support::browser::Form;
use super::support::*;

const LINUX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0";
const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 \
    (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1";
const SIGN_OUT: &str = "/account/sign-out";
const EVERYWHERE: &str = "/account/sign-out-everywhere";

async fn account(browser: &mut Browser<'_>) -> Answer {
    browser.send(Ask::get("/account")).await
}

/// Signs in at `/account` and opens it.
async fn enter(browser: &mut Browser<'_>, username: &str) -> Answer {
    let page = account(browser).await;
    let sent = browser.sign_in(&page, username, PASSWORD).await;
    assert_eq!(sent.location(), "/account");
    account(browser).await
}

/// Whether the login page is shown instead of the account.
fn asks_to_sign_in(page: &Answer) -> bool {
    page.is_own_page(200);
    page.text.contains("name=\"password\"")
}

/// The name of the session that is shown with this device.
#[track_caller]
fn session_of(page: &Answer, device: &str) -> String {
    let (before, _) = page.text.split_once(&format!("\">{device}")).unwrap();
    let (_, rest) = before.rsplit_once("name=\"session\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn ses_04_without_a_session_the_account_page_asks_to_sign_in() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let page = account(&mut browser).await;
    assert!(asks_to_sign_in(&page));
    assert!(page.text.contains("your account"));
    let wrong = browser.sign_in(&page, "jdoe", "wrong").await;
    wrong.is_own_page(400);
    assert!(wrong.text.contains("The user name or the password is wrong."));
    browser.sign_in(&page, "gone", PASSWORD).await.is_own_page(403);
    assert!(asks_to_sign_in(&account(&mut browser).await));

    let sent = browser.sign_in(&wrong, "jdoe", PASSWORD).await;
    assert_eq!(sent.location(), "/account");
    let page = account(&mut browser).await;
    page.is_own_page(200);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    for part in [
        "<strong>jdoe</strong> (Jane Doe)",
        "this one",
        "Unknown device",
        "None yet.",
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    // it is the session that applications use, too
    let silent = browser
        .authorize("web", &[("prompt", "none"), ("scope", "openid")])
        .await;
    silent.is_sent_back_with("consent_required");
}

#[tokio::test]
async fn ses_04_the_form_of_the_account_page_is_of_its_browser_and_kind() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let page = account(&mut browser).await;
    let good = || {
        Form::of(&page)
            .with("username", "jdoe")
            .with("password", PASSWORD)
    };
    let mut other = Browser::new(&app);
    let others = Form::of(&account(&mut other).await);
    other
        .submit(good().with("_csrf", others.get("_csrf")))
        .await
        .is_own_page(400);
    other.submit(good()).await.is_own_page(400);
    Browser::new(&app).submit(good()).await.is_own_page(400);
    // it is no answer to a consent form
    let consent = Form {
        action: "/consent".to_owned(),
        ..good().with("decision", "allow")
    };
    browser.submit(consent).await.is_own_page(400);
    app.clock.advance(601);
    let late = browser.submit(good()).await;
    late.is_own_page(400);
    assert!(late.text.contains("open for too long"));
}

#[tokio::test]
async fn ses_04_sessions_are_listed_and_one_is_signed_out() {
    let app = TestApp::new();
    let mut desk = Browser::new(&app);
    desk.agent = LINUX;
    let mut phone = Browser::new(&app);
    phone.agent = PHONE;
    let code = phone.code("web", &[("scope", "openid")]).await;
    let tokens = Tokens::of(&app.redeem("web", &code).await);
    app.clock.advance(120);
    let page = enter(&mut desk, "jdoe").await;
    assert!(
        page.text
            .contains(">Firefox on Linux <span class=\"mark\">this one")
    );
    assert!(page.text.contains(">Safari on iPhone</h3>"));
    assert_eq!(page.text.matches("this one").count(), 1);
    // the phone signed in two minutes before
    for part in [
        "Signed in <time datetime=\"2027-01-15T08:00Z\">2027-01-15 08:00 UTC</time>",
        "Last seen <time datetime=\"2027-01-15T08:00Z\">",
        "Signed in <time datetime=\"2027-01-15T08:02Z\">",
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let there = session_of(&page, "Safari on iPhone");
    let sent = desk
        .submit(Form::to(&page, SIGN_OUT).with("session", &there))
        .await;
    assert_eq!(sent.location(), "/account?done=signed-out");
    let page = desk.send(Ask::get(sent.location())).await;
    assert!(page.text.contains("That session is signed out."));
    assert!(!page.text.contains("Safari on iPhone"));
    // it is over: at us, for tokens that are bound to it, and for silent sign-in
    assert!(asks_to_sign_in(&account(&mut phone).await));
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");
    assert_eq!(
        app.introspect("web", &tokens.access).await,
        json!({"active": false})
    );
    let silent = phone.authorize("web", &[("prompt", "none")]).await;
    silent.is_sent_back_with("login_required");
    // this one lives, until it signs itself out
    let page = account(&mut desk).await;
    desk.submit(Form::to(&page, SIGN_OUT)).await.location();
    assert!(asks_to_sign_in(&account(&mut desk).await));
}

#[tokio::test]
async fn ses_04_nobody_ends_the_sessions_of_others() {
    let app = TestApp::new();
    let mut erin = Browser::new(&app);
    let hers = enter(&mut erin, "erin").await;
    let hers = session_of(&hers, "Unknown device");
    let mut jdoe = Browser::new(&app);
    let page = enter(&mut jdoe, "jdoe").await;
    jdoe.submit(Form::to(&page, SIGN_OUT).with("session", &hers))
        .await
        .location();
    jdoe.submit(Form::to(&page, EVERYWHERE)).await.location();
    assert!(!asks_to_sign_in(&account(&mut erin).await));
    assert!(asks_to_sign_in(&account(&mut jdoe).await));
    // who is not signed in ends nothing
    let sent = jdoe.submit(Form::to(&page, EVERYWHERE)).await;
    assert_eq!(sent.location(), "/account");
}

#[tokio::test]
async fn ses_04_a_disabled_person_has_no_account_page() {
    let mut app = TestApp::new();
    let cookies = {
        let mut browser = Browser::new(&app);
        assert!(!asks_to_sign_in(&enter(&mut browser, "jdoe").await));
        browser.cookies
    };
    app.set_user("jdoe", json!({"disabled": true}));
    let mut browser = Browser::new(&app);
    browser.cookies = cookies;
    assert!(asks_to_sign_in(&account(&mut browser).await));
}

#[tokio::test]
async fn ses_04_signing_out_everywhere_and_everywhere_else() {
    let app = TestApp::new();
    let mut here = Browser::new(&app);
    let mut there = Browser::new(&app);
    enter(&mut there, "jdoe").await;
    let page = enter(&mut here, "jdoe").await;
    assert!(page.text.contains("Sign out everywhere else"));
    let sent = here
        .submit(Form::to(&page, EVERYWHERE).with("keep", "this"))
        .await;
    assert_eq!(sent.location(), "/account?done=signed-out-others");
    let page = here.send(Ask::get(sent.location())).await;
    assert!(page.text.contains("All other sessions are signed out."));
    assert!(
        !page.text.contains("Sign out everywhere else"),
        "there is nobody else"
    );
    assert!(asks_to_sign_in(&account(&mut there).await));
    enter(&mut there, "jdoe").await;
    here.submit(Form::to(&page, EVERYWHERE).with("keep", "none"))
        .await
        .location();
    assert!(asks_to_sign_in(&account(&mut here).await));
    assert!(asks_to_sign_in(&account(&mut there).await));
    let metrics = app.send_internal(Ask::get("/metrics")).await.text;
    for action in ["sign_out_others", "sign_out_everywhere"] {
        let line = format!("oidc_account_actions_total{{action=\"{action}\"}} 1");
        assert!(metrics.contains(&line), "{metrics}");
    }
}

#[tokio::test]
async fn ses_04_dangerous_actions_ask_for_the_password_again() {
    let app = TestApp::new();
    let mut there = Browser::new(&app);
    enter(&mut there, "jdoe").await;
    let mut here = Browser::new(&app);
    let page = enter(&mut here, "jdoe").await;
    app.clock.advance(301);
    let form = Form::to(&page, EVERYWHERE).with("keep", "this");
    let confirm = here.submit(form).await;
    confirm.is_own_page(200);
    assert!(confirm.text.contains("Give your password once more"));
    let wrong = here.submit(Form::of(&confirm).with("password", "wrong")).await;
    wrong.is_own_page(400);
    assert!(wrong.text.contains("The password is wrong."));
    assert!(
        !asks_to_sign_in(&account(&mut there).await),
        "nothing happened yet"
    );
    // another name in the form changes nothing
    let erin = Form::of(&wrong).with("username", "erin");
    let sent = here.submit(erin.with("password", PASSWORD)).await;
    assert_eq!(sent.location(), "/account?done=signed-out-others");
    assert!(asks_to_sign_in(&account(&mut there).await));
    assert!(!asks_to_sign_in(&account(&mut here).await));
    // guesses are limited here as anywhere
    let page = account(&mut here).await;
    let confirm = here.submit(Form::to(&page, EVERYWHERE)).await;
    let guess = || Form::of(&confirm).with("password", "wrong");
    let mut answers = Vec::new();
    for _ in 0..12 {
        answers.push(here.submit(guess()).await.status.as_u16());
    }
    assert_eq!(answers.last(), Some(&429), "{answers:?}");
}

#[tokio::test]
async fn ses_03_actions_are_taken_from_our_own_page_only() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let page = enter(&mut browser, "jdoe").await;
    for path in [SIGN_OUT, EVERYWHERE] {
        let form = Form::to(&page, path);
        browser
            .submit(form.clone().with("_csrf", "x"))
            .await
            .is_own_page(400);
        browser
            .submit(form.clone().with("_csrf", ""))
            .await
            .is_own_page(400);
        let foreign = Ask::post(path)
            .header("sec-fetch-site", "cross-site")
            .form(&form.fields);
        browser.send(foreign).await.is_own_page(400);
        assert_eq!(browser.send(Ask::get(path)).await.status, 405);
    }
    assert!(!asks_to_sign_in(&account(&mut browser).await));
}

#[tokio::test]
async fn az_18_consents_are_listed_on_the_account_page() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.code("web", &[("scope", "openid email api")]).await;
    browser.code("other", &[]).await;
    app.clock.advance(60);
    browser.code("native", &[]).await;
    let (page, trips) = app.trips(account(&mut browser)).await;
    // the session, the index, each login, the consents
    assert_eq!(trips, 4);
    for part in [
        ">The Web App</h3>",
        "namespace default, allowed <time datetime=\"2027-01-15T08:00Z\">",
        "See your e-mail address",
        "Use the permission <code>api</code>",
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    // one that counts in its session only is not remembered
    assert_eq!(page.text.matches("namespace default").count(), 2);
    // another person has none of them
    let page = enter(&mut Browser::new(&app), "erin").await;
    assert!(page.text.contains("None yet."));
}

#[tokio::test]
async fn err_05_without_the_store_the_account_page_says_so() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let page = enter(&mut browser, "jdoe").await;
    app.store.set_away(true);
    account(&mut browser).await.is_own_page(503);
    browser.submit(Form::to(&page, SIGN_OUT)).await.is_own_page(503);
    app.store.set_away(false);
    assert!(!asks_to_sign_in(&account(&mut browser).await));
}
