//! Sessions: how long they live, how many there may be, on any pod.

use oidc_crds::names::Seconds;
use oidc_crds::secrets::installation::AtSessionLimit;

use super::support::browser::Form;
use super::support::*;

/// Whether a browser is signed in as far as a client sees.
async fn is_signed_in(browser: &mut Browser<'_>) -> bool {
    let answer = browser.authorize("web", &[("prompt", "none")]).await;
    let sent = answer.sent_back();
    match sent.get("error").map(String::as_str) {
        None | Some("consent_required") => true,
        Some("login_required") => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn ses_04_a_session_ends_when_it_is_idle_or_old_on_every_pod() {
    let app = TestApp::new();
    app.set_lifetimes(|lifetimes| {
        lifetimes.session = Seconds(10_000);
        lifetimes.session_idle = Seconds(1_000);
    });
    let mut browser = Browser::new(&app);
    browser.pods = vec![app.pod(), app.pod()];
    browser.code("web", &[]).await;
    let cookies = browser.cookies.clone();
    // used on one pod, it lives on on the other, up to its absolute end
    for _ in 0..10 {
        app.clock.advance(990);
        assert!(is_signed_in(&mut browser).await);
    }
    app.clock.advance(99);
    assert!(is_signed_in(&mut browser).await);
    app.clock.advance(1);
    assert!(!is_signed_in(&mut browser).await);
    assert!(!is_signed_in(&mut browser).await, "nor on the other pod");
    // unused, it ends
    browser.cookies = cookies;
    browser.code("web", &[]).await;
    app.clock.advance(1_000);
    assert!(!is_signed_in(&mut browser).await);
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn ses_04_a_session_outlives_the_pod_that_began_it() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.pods = vec![app.pod()];
    let code = browser.code("web", &[]).await;
    browser.pods = vec![app.pod()];
    assert!(is_signed_in(&mut browser).await);
    let tokens = Tokens::of(&app.redeem("web", &code).await);
    browser.pods = vec![app.pod()];
    let page = browser.send(Ask::get("/account")).await;
    browser
        .submit(Form::to(&page, "/account/sign-out-everywhere"))
        .await
        .location();
    browser.pods = vec![app.pod()];
    assert!(!is_signed_in(&mut browser).await);
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");
}

#[tokio::test]
async fn i10_every_request_of_a_login_may_land_on_any_pod() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.pods = vec![app.pod(), app.pod(), app.pod()];
    let page = browser.authorize("web", &[]).await;
    let again = browser.sign_in(&page, "jdoe", "wrong").await;
    let consent = browser.sign_in(&again, "jdoe", PASSWORD).await;
    let code = browser.decide(&consent, "allow").await.code();
    assert_eq!(app.redeem("web", &code).await.status, 200);
    browser.authorize("web", &[]).await.code();
    let page = browser.send(Ask::get("/account")).await;
    assert!(page.text.contains("The Web App"));
}

#[tokio::test]
async fn ses_04_the_oldest_session_ends_when_there_is_one_too_many() {
    let app = TestApp::new();
    app.set_lifetimes(|lifetimes| lifetimes.sessions_per_user = 2);
    let mut browsers = [Browser::new(&app), Browser::new(&app), Browser::new(&app)];
    let mut tokens = Vec::new();
    for browser in &mut browsers {
        let code = browser.code("web", &[]).await;
        tokens.push(Tokens::of(&app.redeem("web", &code).await));
        app.clock.advance(1);
    }
    let mut left = Vec::new();
    for browser in &mut browsers {
        left.push(is_signed_in(browser).await);
    }
    assert_eq!(left, [false, true, true]);
    app.refresh("web", &tokens[0].refresh)
        .await
        .is_error(400, "invalid_grant");
    assert_eq!(app.refresh("web", &tokens[1].refresh).await.status, 200);
    // signing in again in the same browser is not one more
    browsers[1].code("web", &[("prompt", "login")]).await;
    assert!(is_signed_in(&mut browsers[2]).await);
    let page = browsers[2].send(Ask::get("/account")).await;
    assert_eq!(page.text.matches(">Unknown device").count(), 2);
}

fn refusing(sessions: u32) -> TestApp {
    let app = TestApp::new();
    app.set_lifetimes(|lifetimes| {
        lifetimes.sessions_per_user = sessions;
        lifetimes.at_session_limit = AtSessionLimit::Refuse;
    });
    app
}

#[tokio::test]
async fn ses_04_one_too_many_is_refused_where_it_must_be() {
    let app = refusing(2);
    let mut first = Browser::new(&app);
    first.code("web", &[]).await;
    app.clock.advance(1);
    let mut second = Browser::new(&app);
    second.code("web", &[]).await;
    let mut third = Browser::new(&app);
    let page = third.authorize("web", &[]).await;
    let full = third.sign_in(&page, "jdoe", PASSWORD).await;
    full.is_own_page(409);
    assert!(full.text.contains("already signed in 2 times"));
    assert!(!third.cookies.contains_key("__Host-oidc_session"));
    // with a wrong password nobody learns of it
    let wrong = third.sign_in(&page, "jdoe", "wrong").await;
    assert!(!wrong.text.contains("already signed in"));

    third
        .submit(Form::of(&full).with("decision", "cancel"))
        .await
        .is_sent_back_with("access_denied");
    assert!(is_signed_in(&mut first).await);
    third
        .submit(Form::of(&full).with("decision", "end_oldest"))
        .await
        .code();
    assert!(!is_signed_in(&mut first).await, "it was the oldest");
    assert!(is_signed_in(&mut second).await && is_signed_in(&mut third).await);
    // who has a session may sign in again in it
    second.code("web", &[("prompt", "login")]).await;
}

#[tokio::test]
async fn ses_04_the_proof_at_the_limit_is_of_its_browser_request_and_time() {
    let app = refusing(1);
    Browser::new(&app).code("web", &[]).await;
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[]).await;
    let full = browser.sign_in(&page, "jdoe", PASSWORD).await;
    let form = || Form::of(&full).with("decision", "end_oldest");
    let asks_again = |answer: Answer| {
        answer.is_own_page(400);
        assert!(answer.text.contains("Sign in once more"), "{}", answer.text);
    };
    let another = Form::of(&browser.authorize("web", &[]).await);
    asks_again(
        browser
            .submit(form().with("_request", another.get("_request")))
            .await,
    );
    asks_again(browser.submit(form().with("_proof", "x")).await);
    asks_again(
        browser
            .submit(form().with("_proof", form().get("_request")))
            .await,
    );
    let mut other = Browser::new(&app);
    let others = Form::of(&other.authorize("web", &[]).await);
    let stolen = form()
        .with("_csrf", others.get("_csrf"))
        .with("_request", others.get("_request"));
    asks_again(other.submit(stolen).await);
    app.clock.advance(601);
    browser.submit(form()).await.is_own_page(400);
}

#[tokio::test]
async fn ses_04_sessions_that_ended_unused_do_not_count() {
    let app = refusing(1);
    app.set_lifetimes(|lifetimes| lifetimes.session_idle = Seconds(100));
    Browser::new(&app).code("web", &[]).await;
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[]).await;
    assert_eq!(browser.sign_in(&page, "jdoe", PASSWORD).await.status, 409);
    app.clock.advance(100);
    browser.sign_in(&page, "jdoe", PASSWORD).await.code();
    // one that was signed out does not either, at once
    let page = browser.send(Ask::get("/account")).await;
    browser
        .submit(Form::to(&page, "/account/sign-out"))
        .await
        .location();
    Browser::new(&app).code("web", &[]).await;
}

#[tokio::test]
async fn ses_04_the_limit_holds_at_the_account_page_too() {
    let app = refusing(1);
    let mut first = Browser::new(&app);
    first.code("web", &[]).await;
    let mut browser = Browser::new(&app);
    let page = browser.send(Ask::get("/account")).await;
    let full = browser.sign_in(&page, "jdoe", PASSWORD).await;
    full.is_own_page(409);
    let form = |decision| Form::of(&full).with("decision", decision);
    assert_eq!(browser.submit(form("cancel")).await.location(), "/account");
    assert!(is_signed_in(&mut first).await);
    assert_eq!(browser.submit(form("end_oldest")).await.location(), "/account");
    assert!(!is_signed_in(&mut first).await);
    let page = browser.send(Ask::get("/account")).await;
    assert!(page.text.contains("this one"));
}

/// How many logins there are in the index of a user.
async fn indexed(app: &TestApp, user: &str) -> usize {
    let ring = app.app.ring.load_full().unwrap();
    let slot = oidc_protocol::records::user_key(&ring, &format!("uid-{user}"));
    app.app
        .store
        .logins(&slot, app.app.clock.now())
        .await
        .unwrap()
        .len()
}

#[tokio::test]
async fn ses_04_sessions_that_ended_do_not_count() {
    let app = TestApp::new();
    app.set_lifetimes(|lifetimes| {
        lifetimes.sessions_per_user = 2;
        lifetimes.session_idle = Seconds(1_000);
    });
    let (mut live, mut idle, mut next) = (Browser::new(&app), Browser::new(&app), Browser::new(&app));
    live.code("web", &[]).await;
    app.clock.advance(1);
    idle.code("web", &[]).await;
    app.clock.advance(600);
    assert!(is_signed_in(&mut live).await);
    app.clock.advance(600);
    next.code("web", &[]).await;
    assert!(is_signed_in(&mut live).await, "the idle one gives way");
    assert_eq!(indexed(&app, "jdoe").await, 2);
    // another person takes the browser over
    let page = next.authorize("web", &[("prompt", "login")]).await;
    next.sign_in(&page, "erin", PASSWORD).await;
    assert_eq!((indexed(&app, "jdoe").await, indexed(&app, "erin").await), (1, 1));
}
