use std::sync::Arc;

use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::installation::{ClientAddress, Forwarded, Installation};
use oidc_provider::app::App;
use oidc_provider::rate::exchange::Exchange;
use oidc_provider::router::{self, Router};

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
async fn reg_01_good_registrations_of_strangers_are_limited_per_address() {
    let app = TestApp::with(Setup {
        registration: true,
        ..Setup::default()
    });
    with(&app, |installation| {
        installation.limits.requests_per_address = 10;
        installation.client_address = Some(ClientAddress::Socket);
    });
    let register = async |peer: &str| {
        let body = serde_json::json!({ "redirect_uris": [REDIRECT] }).to_string();
        let ask = Ask::post("/register").body("application/json", body);
        app.send(ask.from(peer.parse().unwrap())).await
    };
    for _ in 0..10 {
        assert_eq!(register("192.0.2.1").await.status, 201);
    }
    let count = app.app.clients.len();
    register("192.0.2.1")
        .await
        .is_error(429, "temporarily_unavailable");
    assert_eq!(app.app.clients.len(), count, "nothing is made");
    assert_eq!(register("192.0.2.2").await.status, 201);
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

/// Two pods that tell each other once a second, in a time that the test moves.
struct Pods {
    test: TestApp,
    both: [(Arc<App>, Router, Exchange); 2],
}

impl Pods {
    /// 60 token requests a minute for them together.
    async fn new() -> Self {
        let test = TestApp::new();
        with(&test, |installation| installation.limits.token_per_client = 60);
        let other = test.pod_app();
        let mut both = [test.app.clone(), other].map(|app| {
            app.pods.set(2);
            (app.clone(), router::router(app), Exchange::default())
        });
        for (app, _, exchange) in &mut both {
            // from now on they know a name by the same bucket
            exchange.step(app, &mut SystemRng).await;
        }
        Self { test, both }
    }

    /// How many requests of `machine` a pod lets through until it refuses one.
    async fn ask(&self, pod: usize) -> usize {
        let mut count = 0;
        loop {
            let ask = Ask::post("/token").basic("machine");
            let ask = ask.form(&[("grant_type", "client_credentials")]);
            let (answer, trips) = self.test.trips(send_to(&self.both[pod].1, ask)).await;
            assert_eq!(trips, 0, "no round trip on limits");
            if answer.status == 429 {
                answer.is_error(429, "temporarily_unavailable");
                return count;
            }
            assert_eq!(answer.status, 200);
            count += 1;
        }
    }

    /// The pods tell each other, and a second goes by.
    async fn second(&mut self) {
        for (app, _, exchange) in &mut self.both {
            exchange.step(app, &mut SystemRng).await;
        }
        self.test.clock.advance(1);
    }

    /// As many requests as there can be, for so long, at these pods; how many were let through.
    async fn saturate(&mut self, pods: &[usize], seconds: usize) -> usize {
        let mut count = 0;
        for _ in 0..seconds {
            for pod in pods {
                count += self.ask(*pod).await;
            }
            self.second().await;
        }
        count
    }
}

#[tokio::test]
async fn i5_a_client_on_one_connection_gets_the_whole_limit() {
    let mut pods = Pods::new().await;
    assert_eq!(pods.ask(0).await, 30, "its share at once");
    pods.second().await;
    assert_eq!(
        pods.ask(0).await,
        15,
        "and, once it was told, half of what is left"
    );
    let first = pods.saturate(&[0], 59).await;
    assert!(
        (110 - 45..=120 - 45).contains(&first),
        "{first}: what may come at once, and a minute's"
    );
    assert_eq!(pods.saturate(&[0], 120).await, 120, "the whole limit");
    // then all of it moves to the other pod, which was not told yet: it has its share, which is taken off after
    let moved = pods.saturate(&[1], 120).await;
    assert!((120..=120 + 31).contains(&moved), "{moved}");
    let (_, trips) = {
        let before = pods.test.store.trips();
        pods.saturate(&[], 10).await;
        ((), pods.test.store.trips() - before)
    };
    assert!(trips <= 1, "{trips}: who has nothing to tell tells nothing");
}

#[tokio::test]
async fn i5_a_client_on_all_pods_gets_no_more_than_the_limit() {
    let mut pods = Pods::new().await;
    let first = pods.saturate(&[0, 1], 60).await;
    // at most: at once, a minute's, and what pods let through before they are told
    assert!((110..=120 + 31).contains(&first), "{first}");
    let more = pods.saturate(&[0, 1], 120).await;
    assert!((120 - 31..=120 + 2).contains(&more), "{more}");
    // in turns
    let mut turns = 0;
    for _ in 0..6 {
        turns += pods.saturate(&[0], 10).await + pods.saturate(&[1], 10).await;
    }
    assert!((120 - 10..=120 + 31).contains(&turns), "{turns}");
}

#[tokio::test]
async fn i5_without_the_store_each_pod_keeps_to_its_share() {
    log::keep();
    let mut pods = Pods::new().await;
    pods.test.store.set_away(true);
    assert_eq!(pods.saturate(&[0, 1], 10).await, 60 + 8);
    assert_eq!(pods.saturate(&[0], 60).await, 30);
    assert_eq!(pods.saturate(&[1], 1).await, 30);
    assert!(log::text().contains("this pod keeps to its share of the limits"));
    let metrics = pods.test.send_internal(Ask::get("/metrics")).await.text;
    let failures = metrics
        .lines()
        .find_map(|line| line.strip_prefix("oidc_limit_exchange_failures_total "));
    assert!(failures.unwrap().parse::<u32>().unwrap() > 10, "{metrics}");
    // as soon as it is back, the whole limit
    pods.test.store.set_away(false);
    pods.saturate(&[0], 60).await;
    assert_eq!(pods.saturate(&[0], 60).await, 60);
}

#[tokio::test]
async fn a_pod_that_is_alone_tells_nobody() {
    let mut pods = Pods::new().await;
    for (app, ..) in &pods.both {
        app.pods.set(1);
    }
    assert_eq!(pods.ask(0).await, 60);
    let before = pods.test.store.trips();
    pods.second().await;
    assert_eq!(pods.test.store.trips(), before);
    // nor of what it let through then, when there is another
    for (app, ..) in &pods.both {
        app.pods.set(2);
    }
    pods.second().await;
    assert_eq!(pods.test.store.trips(), before);
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
