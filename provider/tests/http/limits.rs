use std::sync::Arc;

use oidc_crds::secrets::installation::{ClientAddress, Forwarded, Installation};

use super::support::browser::Form;
use super::support::*;

fn with(app: &TestApp, change: impl FnOnce(&mut Installation)) {
    let mut installation = Installation::clone(&app.app.installation.load());
    change(&mut installation);
    app.app.installation.store(Arc::new(installation));
}

async fn guess(app: &TestApp, peer: &str, username: &str) -> Answer {
    let mut browser = Browser::new(app);
    browser.peer = Some(peer.parse().unwrap());
    let page = browser.authorize("web", &[]).await;
    browser.sign_in(&page, username, "wrong").await
}

#[tokio::test]
async fn ses_05_attempts_are_limited_per_address_once_addresses_are_known() {
    let app = TestApp::new();
    let limit = |address: Option<ClientAddress>| {
        with(&app, |installation| {
            installation.limits.login_per_address = 10;
            installation.limits.requests_per_address = 0;
            installation.client_address = address;
        });
    };
    limit(None);
    for n in 0..15 {
        assert_eq!(guess(&app, "192.0.2.1", &format!("a{n}")).await.status, 400);
    }
    limit(Some(ClientAddress::Socket));
    for n in 0..10 {
        assert_eq!(guess(&app, "192.0.2.1", &format!("b{n}")).await.status, 400);
    }
    let limited = guess(&app, "192.0.2.1", "c").await;
    limited.is_own_page(429);
    assert_eq!(limited.header("retry-after"), Some("90"));
    assert!(limited.text.contains("Too many attempts. Wait 90 seconds"));
    assert_eq!(Form::of(&limited).get("username"), "c");
    assert_eq!(guess(&app, "192.0.2.2", "c").await.status, 400);
    app.clock.advance(90);
    assert_eq!(guess(&app, "192.0.2.1", "d").await.status, 400);
    // a subscriber has a whole /64
    for n in 0..10 {
        let peer = format!("2001:db8::{n}");
        assert_eq!(guess(&app, &peer, &format!("e{n}")).await.status, 400);
    }
    assert_eq!(guess(&app, "2001:db8::ffff", "f").await.status, 429);
    assert_eq!(guess(&app, "2001:db8:0:1::1", "f").await.status, 400);
    // the account loses no attempt by it, and the fourth trip is this limit's
    let mut browser = Browser::new(&app);
    browser.peer = Some("192.0.2.9".parse().unwrap());
    let page = browser.authorize("web", &[]).await;
    let (answer, trips) = app.trips(browser.sign_in(&page, "jdoe", PASSWORD)).await;
    assert_eq!((answer.status.as_u16(), trips), (200, 4));
}

#[tokio::test]
async fn ses_05_addresses_are_those_that_trusted_proxies_tell() {
    let app = TestApp::new();
    with(&app, |installation| {
        installation.limits.requests_per_address = 10;
        installation.client_address = Some(ClientAddress::Forwarded(Forwarded {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            header: Default::default(),
        }));
    });
    let hello = async |peer: &str, told: &str| {
        let ask = Ask::get("/").from(peer.parse().unwrap());
        app.send(ask.header("x-forwarded-for", told))
            .await
            .status
            .as_u16()
    };
    for n in 0..10 {
        assert_eq!(hello("10.0.0.1", &format!("203.0.113.{n}, 192.0.2.1")).await, 200);
    }
    assert_eq!(hello("10.0.0.2", "203.0.113.77, 192.0.2.1").await, 429);
    assert_eq!(hello("10.0.0.2", "192.0.2.2").await, 200);
    for n in 0..10 {
        assert_eq!(hello("192.0.2.3", &format!("203.0.113.{n}")).await, 200);
    }
    assert_eq!(hello("192.0.2.3", "203.0.113.99").await, 429);
}

#[tokio::test]
async fn requests_are_limited_per_address_where_strangers_may_ask() {
    let app = TestApp::new();
    with(&app, |installation| {
        installation.limits.requests_per_address = 10;
        installation.client_address = Some(ClientAddress::Socket);
    });
    let peer = || "192.0.2.1".parse().unwrap();
    let token = async |secret: &str| {
        let ask = Ask::post("/token")
            .basic_as("default.machine", secret)
            .form(&[("grant_type", "client_credentials")]);
        app.send(ask.from(peer())).await
    };
    // machines that are who they say may ask as often as they like
    for _ in 0..30 {
        assert_eq!(token(&secret_of("machine")).await.status, 200);
        assert_eq!(app.send(Ask::get("/jwks.json").from(peer())).await.status, 200);
    }
    for _ in 0..10 {
        token("wrong-secret-0123456789")
            .await
            .is_error(401, "invalid_client");
    }
    let limited = token("wrong-secret-0123456789").await;
    limited.is_error(429, "temporarily_unavailable");
    assert_eq!(limited.header("retry-after"), Some("6"));
    // strangers' bearer tokens and pages come out of the same
    app.send(Ask::get("/").from(peer())).await.is_own_page(429);
    app.send(Ask::get("/health").from(peer())).await;
    assert_eq!(app.send(Ask::get("/")).await.status, 200, "no address, no limit");
    let metrics = app.send_internal(Ask::get("/metrics")).await.text;
    assert!(metrics.contains(r#"oidc_rate_limited_total{limit="requests_per_address"} 2"#));
    app.clock.advance(6);
    assert_eq!(token(&secret_of("machine")).await.status, 200);
}

#[tokio::test]
async fn token_requests_are_limited_per_client() {
    let app = TestApp::new();
    with(&app, |installation| {
        installation.limits.token_per_client = 30;
        installation.limits.pods = 3;
    });
    let form = [("grant_type", "client_credentials")];
    for _ in 0..10 {
        let (answer, trips) = app.trips(app.token("machine", &form)).await;
        assert_eq!((answer.status.as_u16(), trips), (200, 0));
    }
    let limited = app.token("machine", &form).await;
    limited.is_error(429, "temporarily_unavailable");
    assert_eq!(limited.header("retry-after"), Some("6"));
    let metrics = app.send_internal(Ask::get("/metrics")).await.text;
    assert!(metrics.contains(r#"oidc_rate_limited_total{limit="token_per_client"} 1"#));
    // two pods are gone: their shares are taken over
    app.app.pods.set(1);
    for _ in 0..4 {
        app.clock.advance(2);
        assert_eq!(app.token("machine", &form).await.status, 200);
    }
    app.app.pods.set(3);
    let metrics = app.send_internal(Ask::get("/metrics")).await.text;
    assert!(metrics.contains(r#"oidc_rate_limited_total{limit="token_per_client"} 1"#));
    // who is not the client takes nothing of it
    app.clock.advance(6);
    let stranger = Ask::post("/token")
        .basic_as("default.machine", "wrong")
        .form(&form);
    app.send(stranger).await.is_error(401, "invalid_client");
    assert_eq!(app.token("machine", &form).await.status, 200);
    app.token("rs", &form).await;
}

#[tokio::test]
async fn hard_19_a_flood_of_logins_is_bounded_and_starves_no_tokens() {
    let app = TestApp::new();
    let form = [("grant_type", "client_credentials")];
    let finished = std::cell::Cell::new(0_usize);
    let mut answers = Vec::new();
    let logins = async {
        let logins = (0..200).map(|n| {
            let (app, finished) = (&app, &finished);
            async move {
                let answer = guess(app, "192.0.2.1", &format!("nobody{n}")).await;
                finished.set(finished.get() + 1);
                answer
            }
        });
        answers = futures::future::join_all(logins).await;
    };
    let tokens = async {
        for _ in 0..20 {
            assert_eq!(app.token("machine", &form).await.status, 200);
        }
        finished.get()
    };
    let ((), finished_before) = futures::future::join(logins, tokens).await;
    // 16 places in this app: whoever finds none is told at once
    let refused = answers.iter().filter(|answer| answer.status == 503).count();
    let looked_at = answers.iter().filter(|answer| answer.status == 400).count();
    assert_eq!((looked_at, refused), (16, 184));
    for answer in answers.iter().filter(|answer| answer.status == 503) {
        answer.is_own_page(503);
        assert!(answer.header("retry-after").is_some());
        assert!(Form::of(answer).get("username").starts_with("nobody"));
    }
    assert!(finished_before < 200, "tokens wait for no login");
    // afterwards there is room again
    assert_eq!(guess(&app, "192.0.2.1", "nobody").await.status, 400);
}
