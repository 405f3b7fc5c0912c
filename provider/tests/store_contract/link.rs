//! The way to Redis: lost replies, cut and stalled connections, a server that is away or refuses us.

use std::sync::Arc;
use std::time::Duration;

use oidc_protocol::handle::LoginTag;
use oidc_provider::store::redis::RedisStore;
use oidc_provider::store::{GrantStore as _, Indexed, LoginLimit, Redeemed, Rotated, Store};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use crate::proxy::{Proxy, free_port};
use crate::redis_only::admin;
use crate::support::*;

/// A store on the far side of a proxy, connected.
async fn proxied() -> Option<(Arc<dyn Store>, Proxy)> {
    let proxy = Proxy::start(&redis_url(0)?, 0).await;
    let store = direct(&proxy.url);
    store.ping().await.unwrap();
    Some((store, proxy))
}

/// One without a proxy. What it prepares leaves the proxied one no sessions to count, so that the reply
/// that is lost is the one that is meant.
fn direct(url: &str) -> Arc<dyn Store> {
    Arc::new(RedisStore::connect(url).unwrap())
}

/// A call ends, well or not, within about a second.
async fn in_time<T>(call: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(3), call)
        .await
        .expect("a call fails fast")
}

/// Calls work again, without a restart.
async fn comes_back(store: &dyn Store) {
    let wait = async {
        while in_time(store.ping()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), wait)
        .await
        .expect("the store comes back");
}

#[tokio::test]
async fn i1_redemption_whose_reply_is_lost_is_the_same_attempt() {
    let Some((store, proxy)) = proxied().await else {
        return;
    };
    let login = log_in(&direct(&redis_url(0).unwrap())).await;
    let terms = opening(login.tag);
    proxy.lose_a_reply();
    let taken = store
        .redeem_code(login.code, random(), terms, at(1))
        .await
        .unwrap();
    assert!(taken == Redeemed::Taken(login.grant()));
    assert!(is_active(&store, terms.family, at(1)).await);
    let again = store
        .redeem_code(login.code, random(), opening(login.tag), at(1))
        .await
        .unwrap();
    assert!(again == Redeemed::Replayed(terms.family));
}

#[tokio::test]
async fn i2_rotation_whose_reply_is_lost_repeats() {
    let Some((store, proxy)) = proxied().await else {
        return;
    };
    let (login, family) = family(&direct(&redis_url(0).unwrap())).await;
    proxy.lose_a_reply();
    assert!(rotate(&store, family, 0, at(2)).await == Rotated::Repeated(login.grant(), 8));
    assert!(rotate(&store, family, 1, at(2)).await == Rotated::Rotated(login.grant()));
}

#[tokio::test]
async fn login_whose_reply_is_lost_still_names_the_logins_to_end() {
    let Some((store, proxy)) = proxied().await else {
        return;
    };
    let (user, first, second) = (random(), LoginTag(random()), LoginTag(random()));
    enter_login(&store, &user, first, at(100), 1, at(1)).await;
    proxy.lose_a_reply();
    let evicted = enter_login(&store, &user, second, at(100), 1, at(2)).await;
    assert_eq!(evicted, [first]);
    // and one that is in is not refused for being in
    proxy.lose_a_reply();
    let (user, refuse) = (
        random(),
        LoginLimit {
            most: 1,
            refuse: true,
        },
    );
    let entered = store
        .index_login(&user, login(first, at(100)), refuse, at(3))
        .await;
    assert_eq!(entered.unwrap(), Indexed::Entered(vec![]));
}

#[tokio::test]
async fn other_steps_whose_reply_is_lost_are_done_once() {
    let Some((store, proxy)) = proxied().await else {
        return;
    };
    let login = log_in(&store).await;
    let second = digest();
    proxy.lose_a_reply();
    let read = store
        .authorize(login.tag, login.cookie, random(), Some(code(second)), at(1))
        .await
        .unwrap();
    assert!(read.is_some());
    proxy.lose_a_reply();
    store
        .put_session(login.tag, session(login.cookie), at(1))
        .await
        .unwrap();
    let terms = opening(login.tag);
    let taken = store.redeem_code(second, random(), terms, at(1)).await.unwrap();
    assert!(matches!(taken, Redeemed::Taken(_)));
    proxy.lose_a_reply();
    store.revoke_family(terms.family).await.unwrap();
    assert!(!is_active(&store, terms.family, at(1)).await);
}

#[tokio::test]
async fn i7_cut_connection_is_not_noticed() {
    let Some((store, proxy)) = proxied().await else {
        return;
    };
    for _ in 0..5 {
        proxy.cut();
        store.ping().await.unwrap();
    }
    // many at once share the new connection
    proxy.cut();
    let calls = (0..100).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.ping().await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn i7_killed_client_is_not_noticed() {
    let Some(url) = redis_url(8) else { return };
    let store = RedisStore::connect(&url).unwrap();
    store.ping().await.unwrap();
    let mut admin = admin(0).await;
    let clients: String = redis::cmd("CLIENT")
        .arg("LIST")
        .query_async(&mut admin)
        .await
        .unwrap();
    let ours: Vec<_> = clients
        .lines()
        .filter(|client| client.contains(" db=8 "))
        .collect();
    assert!(!ours.is_empty());
    for client in ours {
        let id = client.split_once("id=").unwrap().1.split_once(' ').unwrap().0;
        let killed: i64 = redis::cmd("CLIENT")
            .arg(&["KILL", "ID", id])
            .query_async(&mut admin)
            .await
            .unwrap();
        assert_eq!(killed, 1);
    }
    store.ping().await.unwrap();
}

#[tokio::test]
async fn i7_redis_that_is_away_fails_fast_and_may_come_back() {
    let Some(url) = redis_url(0) else { return };
    let port = free_port();
    let mut away = url::Url::parse(&url).unwrap();
    away.set_host(Some("127.0.0.1")).unwrap();
    away.set_port(Some(port)).unwrap();
    let store: Arc<dyn Store> = Arc::new(RedisStore::connect(away.as_str()).unwrap());
    for _ in 0..5 {
        assert!(in_time(store.ping()).await.is_err());
        let redeemed = store.redeem_code(digest(), random(), opening(LoginTag(random())), at(1));
        assert!(in_time(redeemed).await.is_err());
    }
    for _ in 0..2 {
        let proxy = Proxy::start(&url, port).await;
        comes_back(&*store).await;
        let login = log_in(&store).await;
        login.open(&store, opening(login.tag)).await;
        drop(proxy);
        assert!(in_time(store.ping()).await.is_err());
    }
}

#[tokio::test]
async fn i7_stalled_redis_fails_fast_and_may_come_back() {
    let Some((store, proxy)) = proxied().await else {
        return;
    };
    proxy.stall(true);
    for _ in 0..3 {
        assert!(in_time(store.ping()).await.is_err());
    }
    proxy.stall(false);
    comes_back(&*store).await;
}

#[tokio::test]
async fn i7_server_that_never_answers_fails_fast() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = RedisStore::connect(&format!("redis://{}", silent.local_addr().unwrap())).unwrap();
    let begun = Instant::now();
    assert!(in_time(store.ping()).await.is_err());
    assert!(begun.elapsed() < Duration::from_millis(1_800));
}

#[tokio::test]
async fn i7_server_that_talks_nonsense_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut client, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let store = RedisStore::connect(&format!("redis://{address}")).unwrap();
    assert!(in_time(store.ping()).await.is_err());
    assert!(in_time(store.detached_revoked(digest(), at(1))).await.is_err());
    server.abort();
}

#[tokio::test]
async fn i7_refused_credentials_are_tried_again() {
    let Some(url) = redis_url(0) else { return };
    let mut url = url::Url::parse(&url).unwrap();
    let user = format!("contract-{:x}", u64::from_be_bytes(random()));
    url.set_username(&user).unwrap();
    url.set_password(Some("canary-password")).unwrap();
    let store = RedisStore::connect(url.as_str()).unwrap();
    let error = in_time(store.ping()).await.unwrap_err().to_string();
    assert!(
        error.contains("credentials") && !error.contains("canary"),
        "{error}"
    );
    let mut admin = admin(0).await;
    let rules = ["SETUSER", &user, "on", ">canary-password", "~*", "+@all"];
    redis::cmd("ACL")
        .arg(&rules)
        .exec_async(&mut admin)
        .await
        .unwrap();
    comes_back(&store).await;
    redis::cmd("ACL")
        .arg(&["DELUSER", &user])
        .exec_async(&mut admin)
        .await
        .unwrap();
}

#[tokio::test]
async fn i9_errors_repeat_no_url() {
    for url in [
        "",
        "canary",
        "http://u:canary@h",
        "redis://u:canary@h:port",
        "redis://u:canary@h/canary",
    ] {
        let error = RedisStore::connect(url).err().unwrap();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
}
