//! Records of the store that do not open: a failure of the store, never "not found"; but what was sealed under a
//! ring version that is gone has ended.

use serde_json::json;

use super::support::browser::Form;
use super::support::store::{Record, Spoilt};
use super::support::*;

#[track_caller]
fn json_away(answer: &Answer) {
    answer.is_error(503, "temporarily_unavailable");
    assert!(answer.header("retry-after").is_some());
}

#[track_caller]
fn page_away(answer: &Answer) {
    answer.is_own_page(503);
    assert!(answer.header("retry-after").is_some());
}

#[track_caller]
fn redirect_away(answer: &Answer) {
    answer.is_sent_back_with("temporarily_unavailable");
}

#[tokio::test]
async fn err_05_a_record_that_makes_no_sense_is_a_failure_of_the_store_for_every_token() {
    for record in [Record::Session, Record::Grant] {
        let app = TestApp::new();
        let mut browser = Browser::new(&app);
        let tokens = Tokens::of(&app.redeem("web", &browser.code("web", &[]).await).await);
        let code = browser.code("web", &[]).await;
        app.store.spoil(record, Spoilt::OneBit);
        json_away(&app.redeem("web", &code).await);
        let introspect = |token: &str| {
            let form = [("token", token.to_owned())];
            app.send(Ask::post("/introspect").basic("web").form(&form))
        };
        json_away(&introspect(&tokens.refresh).await);
        json_away(&app.refresh("web", &tokens.refresh).await);
        if record == Record::Session {
            json_away(&introspect(&tokens.access).await);
            json_away(&app.userinfo(&tokens.access).await);
        }
    }
}

#[tokio::test]
async fn err_05_a_session_that_makes_no_sense_is_a_failure_of_the_store_for_every_page() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let login = browser.authorize("web", &[]).await;
    browser.code("web", &[]).await;
    let consent = browser.authorize("strict", &[]).await;
    let account = browser.send(Ask::get("/account")).await;
    let logout = browser.send(Ask::get("/end_session")).await;
    app.store.spoil(Record::Session, Spoilt::OneBit);

    redirect_away(&browser.authorize("web", &[]).await);
    redirect_away(&browser.authorize("web", &[("prompt", "none")]).await);
    redirect_away(&browser.sign_in(&login, "jdoe", PASSWORD).await);
    redirect_away(&browser.decide(&consent, "allow").await);
    page_away(&browser.send(Ask::get("/account")).await);
    page_away(&browser.submit(Form::to(&account, "/account/sign-out")).await);
    page_away(
        &browser
            .submit(Form::to(&account, "/account/sign-out-everywhere"))
            .await,
    );
    page_away(&browser.send(Ask::get("/end_session")).await);
    page_away(
        &browser
            .submit(Form::of(&logout).with("decision", "sign_out"))
            .await,
    );
    assert!(
        browser.cookies.keys().any(|name| name.contains("session")),
        "the cookie stays: the session is not known to have ended"
    );
}

#[tokio::test]
async fn err_05_a_consent_that_makes_no_sense_is_not_asked_for_again() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    app.store.spoil(Record::Consent, Spoilt::OneBit);
    redirect_away(&browser.authorize("web", &[]).await);
    page_away(&browser.send(Ask::get("/account")).await);
    let mut another = Browser::new(&app);
    let login = another.authorize("web", &[]).await;
    redirect_away(&another.sign_in(&login, "jdoe", PASSWORD).await);
}

#[tokio::test]
async fn err_05_a_login_in_the_index_that_makes_no_sense_is_a_failure_of_the_store() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    let account = browser.send(Ask::get("/account")).await;
    app.store.spoil(Record::Login, Spoilt::OneBit);
    page_away(&browser.send(Ask::get("/account")).await);
    // to end them all, none needs to be read
    let sent = browser
        .submit(Form::to(&account, "/account/sign-out-everywhere"))
        .await;
    assert_eq!(sent.status, 303, "{sent:?}");
}

#[tokio::test]
async fn err_05_the_cause_is_logged_once_and_shows_nothing() {
    log::keep();
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let tokens = Tokens::of(&app.redeem("web", &browser.code("web", &[]).await).await);
    app.store.spoil(Record::Session, Spoilt::OneBit);
    let mut secrets = vec![tokens.access.clone(), tokens.refresh.clone()];
    secrets.extend(browser.cookies.values().cloned());
    for answer in [
        app.userinfo(&tokens.access).await,
        app.refresh("web", &tokens.refresh).await,
        browser.authorize("web", &[]).await,
    ] {
        let id = answer.header("x-request-id").unwrap();
        let text = log::text();
        let of_request: Vec<_> = text.lines().filter(|line| line.contains(id)).collect();
        let told = of_request
            .iter()
            .filter(|line| line.contains("its session record makes no sense"));
        assert_eq!(told.clone().count(), 1, "{of_request:?}");
        assert!(told.clone().all(|line| line.contains("\"ERROR\"")));
        assert!(!secrets.iter().any(|secret| text.contains(secret)));
    }
}

#[tokio::test]
async fn ses_05_what_a_lost_ring_sealed_has_ended() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let tokens = Tokens::of(&app.redeem("web", &browser.code("web", &[]).await).await);
    let code = browser.code("web", &[]).await;
    let consent = browser.authorize("strict", &[]).await;
    app.store.spoil(Record::Session, Spoilt::VersionGone);

    let asks = |page: &Answer| page.status == 200 && Form::of(page).has("password");
    assert!(asks(&browser.authorize("web", &[]).await));
    assert!(asks(&browser.decide(&consent, "allow").await));
    assert!(asks(&browser.send(Ask::get("/account")).await));
    let silent = browser.authorize("web", &[("prompt", "none")]).await;
    silent.is_sent_back_with("login_required");
    app.redeem("web", &code).await.is_error(400, "invalid_grant");
    assert_eq!(
        app.introspect("web", &tokens.access).await,
        json!({"active": false})
    );
    assert_eq!(
        app.introspect("web", &tokens.refresh).await,
        json!({"active": false})
    );
    app.userinfo(&tokens.access).await.is_error(401, "invalid_token");
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");
    let signed_out = browser.send(Ask::get("/end_session")).await;
    signed_out.is_own_page(200);
    assert!(!signed_out.text.contains("<form"), "{signed_out:?}");
}

#[tokio::test]
async fn ses_05_after_its_ring_is_lost_a_browser_signs_in_again() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    app.store.spoil(Record::Session, Spoilt::VersionGone);
    let page = browser.authorize("web", &[]).await;
    let sent = browser.sign_in(&page, "jdoe", PASSWORD).await;
    sent.code();
    app.store.spoil(Record::Consent, Spoilt::VersionGone);
    let asked = browser.authorize("web", &[]).await;
    assert!(!Form::of(&asked).has("password"), "{asked:?}");
    app.store.spoil(Record::Login, Spoilt::VersionGone);
    let account = browser.send(Ask::get("/account")).await;
    account.is_own_page(200);
    assert!(account.text.contains("Unknown device"));
}
