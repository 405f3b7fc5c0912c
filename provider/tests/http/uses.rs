//! What counts as a use, what the store is told of it, and `/uses` on the internal port.

use oidc_crds::rng::SystemRng;
use oidc_crds::seal::KeyRing;
use oidc_crds::uses::{Ask as Question, Told, open_answer, pod_name, seal_ask, use_name};
use oidc_provider::app::{App, Clock};
use oidc_provider::uses::Use;
use oidc_provider::uses::report::{last_word, report};

use super::support::*;

const POD: &str = "5f0c3a52-0000-4000-8000-000000000001";
const QUESTION: Question = Question {
    nonce: [7; 16],
    after: 0,
};

fn ring(app: &TestApp) -> std::sync::Arc<KeyRing> {
    app.app.ring.load_full().unwrap()
}

/// What the operator is told.
async fn told(app: &TestApp) -> Told {
    let ring = ring(app);
    let bearer = seal_ask(&ring, POD, QUESTION, app.clock.now(), &mut SystemRng);
    let (status, answer) = app.bytes_internal(Ask::get("/uses").bearer(&bearer)).await;
    assert_eq!(status, 200);
    open_answer(&ring, POD, QUESTION, &answer).unwrap()
}

/// When a client was used last by what is told, in seconds; `credential`: empty for none.
fn last_use(app: &TestApp, told: &Told, client: &str, credential: &str) -> Option<i64> {
    let name = use_name(&ring(app), app.client(client).grantee(), credential);
    let uses = told.uses.iter().find(|(used, _)| *used == name);
    uses.map(|(_, second)| *second)
}

fn credential(app: &TestApp, client: &str) -> String {
    app.client(client).credentials()[0].id.clone()
}

fn untold(app: &App) -> Vec<Use> {
    app.uses.untold(true)
}

#[tokio::test]
async fn the_operator_is_told_of_the_last_use_of_each_credential() {
    let app = TestApp::new();
    app.app.uses.tell_as(POD.to_owned());
    let begun = app.clock.now().as_second();
    assert_eq!(told(&app).await.uses, []);
    app.clock.advance(100);
    let form = [("grant_type", "client_credentials")];
    assert_eq!(app.token("machine", &form).await.status, 200);
    app.clock.advance(10);
    let answer = told(&app).await;
    let id = credential(&app, "machine");
    assert_eq!(last_use(&app, &answer, "machine", &id), Some(begun + 100));
    assert_eq!(answer.uses.len(), 1);
    let [run] = answer.runs[..] else {
        panic!("{answer:?}");
    };
    assert_eq!(run.pod, pod_name(&ring(&app), POD));
    assert_eq!((run.since, run.until, run.ended), (begun, begun + 105, false));
    // only what is asked for
    let later = Question {
        after: begun + 101,
        ..QUESTION
    };
    let bearer = seal_ask(&ring(&app), POD, later, app.clock.now(), &mut SystemRng);
    let (_, answer) = app.bytes_internal(Ask::get("/uses").bearer(&bearer)).await;
    assert_eq!(open_answer(&ring(&app), POD, later, &answer).unwrap().uses, []);
}

#[tokio::test]
async fn only_who_holds_the_key_ring_is_told() {
    let app = TestApp::new();
    let ring = ring(&app);
    let now = app.clock.now();
    let good = |pod: &str| seal_ask(&ring, pod, QUESTION, now, &mut SystemRng);
    let ask = |bearer: &str| Ask::get("/uses").bearer(bearer);
    // a process that tells nobody, like a standalone one
    assert_eq!(app.bytes_internal(ask(&good(POD))).await.0, 401);
    app.app.uses.tell_as(POD.to_owned());
    let of_another_ring = app_with_another_ring();
    for refused in [
        Ask::get("/uses"),
        ask(""),
        ask("AAAA"),
        ask(&good("another")),
        ask(&of_another_ring),
        Ask::get("/uses").header("authorization", format!("Basic {}", good(POD))),
    ] {
        let (status, body) = app.bytes_internal(refused).await;
        assert_eq!((status.as_u16(), body.len()), (401, 0));
    }
    assert_eq!(app.bytes_internal(ask(&good(POD))).await.0, 200);
    assert_eq!(app.send(ask(&good(POD))).await.status, 404, "internal");
    let asked = good(POD);
    app.clock.advance(61);
    assert_eq!(app.bytes_internal(ask(&asked)).await.0, 401);
    app.store.set_away(true);
    let fresh = seal_ask(&ring, POD, QUESTION, app.clock.now(), &mut SystemRng);
    assert_eq!(app.bytes_internal(ask(&fresh)).await.0, 503);
}

fn app_with_another_ring() -> String {
    let other = TestApp::new();
    let now = other.clock.now();
    seal_ask(&ring(&other), POD, QUESTION, now, &mut SystemRng)
}

#[tokio::test]
async fn a_use_is_an_authentication_or_a_public_clients_token() {
    let app = TestApp::new();
    let used = |client: &str| {
        let grantee = app.client(client).grantee().to_owned();
        let uses = untold(&app.app).into_iter();
        let of_client = uses.filter(|told| *told.grantee == *grantee);
        of_client
            .map(|told| told.credential.into())
            .collect::<Vec<String>>()
    };
    // wrong secrets, wrong methods and what strangers send are none
    let wrong = Ask::post("/token").basic_as("default.web", "wrong");
    app.send(wrong.form(&[("grant_type", "client_credentials")]))
        .await;
    let public = [
        ("client_id", "default.spa"),
        ("grant_type", "authorization_code"),
        ("code", "x"),
    ];
    app.send(Ask::post("/token").form(&public)).await;
    Browser::new(&app).code("web", &[]).await;
    assert_eq!(untold(&app.app), []);

    app.token("web", &[("grant_type", "authorization_code"), ("code", "x")])
        .await
        .is_error(400, "invalid_grant");
    assert_eq!(used("web"), [credential(&app, "web")]);
    app.sign_in("spa", "openid").await;
    assert_eq!(used("spa"), [""]);
    let mut form = app.assertion(|_| {});
    form.push(("grant_type", "client_credentials".to_owned()));
    app.send(Ask::post("/token").form(&form)).await;
    assert_eq!(used("keyed"), [""]);
}

#[tokio::test]
async fn what_was_told_before_the_store_lost_it_is_told_again() {
    let app = TestApp::new();
    app.app.uses.tell_as(POD.to_owned());
    let form = [("grant_type", "client_credentials")];
    app.token("machine", &form).await;
    assert!(report(&app.app, false).await);
    // as if it had come back without the last report
    let told_before = told(&app).await;
    app.clock.advance(60);
    app.store.set_away(true);
    assert!(!report(&app.app, false).await);
    app.store.set_away(false);
    app.store.lose_uses();
    let told_again = told(&app).await;
    assert_eq!(told_again.uses, told_before.uses);
    assert!(told_again.kept_since > told_before.kept_since);
    assert_eq!(told_again.runs[0].until, told_before.runs[0].until + 55);
}

#[tokio::test]
async fn many_uses_are_told_in_pieces() {
    let app = TestApp::new();
    app.app.uses.tell_as(POD.to_owned());
    let grantee = app.client("machine").grantee().to_owned();
    for number in 0..1_201 {
        app.app
            .uses
            .note(&grantee, &format!("c{number}"), app.clock.now());
    }
    let (taken, trips) = app.trips(report(&app.app, false)).await;
    assert!(taken);
    assert_eq!(trips, 3);
    assert_eq!(told(&app).await.uses.len(), 1_201);
    // credentials that no client has are forgotten here
    assert_eq!(untold(&app.app), []);
}

#[tokio::test]
async fn the_last_word_is_said_once() {
    let app = TestApp::new();
    app.app.uses.tell_as(POD.to_owned());
    app.clock.advance(10);
    report(&app.app, false).await;
    app.clock.advance(10);
    let now = app.clock.now().as_second();
    last_word(&app.app, true).await;
    let answer = told(&app).await;
    assert_eq!((answer.runs[0].until, answer.runs[0].ended), (now, true));
    assert!(!report(&app.app, false).await);
    // one that had to cut off requests does not say it
    let other = TestApp::new();
    other.app.uses.tell_as(POD.to_owned());
    last_word(&other.app, false).await;
    assert!(!told(&other).await.runs[0].ended);
}

#[tokio::test]
async fn a_request_pays_no_round_trip_for_it() {
    let app = TestApp::new();
    app.app.uses.tell_as(POD.to_owned());
    let form = [("grant_type", "client_credentials")];
    let (_, trips) = app.trips(app.token("machine", &form)).await;
    assert_eq!(trips, 0);
}

#[tokio::test]
async fn i8_the_store_is_told_no_name() {
    let app = TestApp::new();
    app.app.uses.tell_as(POD.to_owned());
    app.sign_in("web", "openid").await;
    let answer = told(&app).await;
    let id = credential(&app, "web");
    let text = format!("{answer:?}");
    for name in ["web", "default", POD, app.client("web").uid(), &id, "jdoe"] {
        assert!(!text.contains(name), "{name}");
    }
}
