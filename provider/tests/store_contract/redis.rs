//! What is in Redis: names, ends, and records that make no sense.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures::StreamExt as _;
use oidc_crds::rng::SystemRng;
use oidc_crds::seal::KeyRing;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::key_ring::KeyRingData;
use oidc_protocol::handle::LoginTag;
use oidc_provider::app::{App, Clock};
use oidc_provider::rate::exchange;
use oidc_provider::store::redis::RedisStore;
use oidc_provider::store::{
    Account, Attempt, NewAttempt, NewLogin, NewSession, Redeemed, Report, Shared, Store, Used, UserKey,
};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, cmd};

use crate::suite;
use crate::support::*;

/// A connection of the test's own.
pub async fn admin(database: u8) -> MultiplexedConnection {
    let client = redis::Client::open(redis_url(database).unwrap()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// A store on a database that is this test's alone, emptied.
async fn alone(database: u8) -> Option<(Arc<dyn Store>, MultiplexedConnection)> {
    let store = RedisStore::connect(&redis_url(database)?).unwrap();
    let mut admin = admin(database).await;
    cmd("FLUSHDB").exec_async(&mut admin).await.unwrap();
    Some((Arc::new(store), admin))
}

fn name(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Uses every method that writes.
async fn use_all(store: &Arc<dyn Store>, user: &UserKey) -> LoginTag {
    let (login, family) = family(store).await;
    let with_consents = NewSession {
        consents: vec![(random(), b"sealed".to_vec())],
        ..session(login.cookie)
    };
    store.put_session(login.tag, with_consents, at(2)).await.unwrap();
    for session_only in [false, true] {
        let consent = consent(random(), session_only);
        store
            .grant(login.tag, login.cookie, Some(consent), code(digest()), at(2))
            .await
            .unwrap();
    }
    rotate(store, family, 0, at(2)).await;
    store
        .revoke_token(family, digest(), at(300), at(2))
        .await
        .unwrap();
    store.revoke_detached(digest(), at(300), at(2)).await.unwrap();
    store
        .remember_once(digest(), random(), at(300), at(2))
        .await
        .unwrap();
    store
        .remember_consent(user, random(), b"sealed".to_vec(), at(300), None, at(2))
        .await
        .unwrap();
    store.keep_login(user, login.tag, at(300), at(2)).await.unwrap();
    enter_login(store, user, login.tag, at(300), 1, at(2)).await;
    enter_login(store, user, LoginTag(random()), at(300), 1, at(2)).await;
    store.end_login(LoginTag(random()), at(2)).await.unwrap();
    let home = digest();
    let again = NewLogin {
        browser: home,
        ..crate::support::login(login.tag, at(300))
    };
    store.index_login(user, again, limit(1), at(2)).await.unwrap();
    let attempt = |account, browser| NewAttempt {
        account,
        browser,
        attempt: random(),
        free: 3,
    };
    for attempt in [
        attempt(Account::Known(*user), home),
        attempt(Account::Known(*user), digest()),
        attempt(Account::Unknown(random()), home),
    ] {
        store.begin_login(attempt, at(2)).await.unwrap();
    }
    store.take_address(random(), random(), 3, at(2)).await.unwrap();
    let used = [Shared::TokenPerClient, Shared::RequestsPerAddress].map(|which| Used {
        which,
        bucket: u16::from_be_bytes(random()),
        time: 60_000_000,
    });
    store.share_limits(&used, random(), at(2)).await.unwrap();
    store.take_use(new_use(digest(), 3, 1), at(2)).await.unwrap();
    let told = Report {
        uses: &[(random(), at(2).as_second())],
        ..crate::suite::report()
    };
    store.report_uses(told, at(2)).await.unwrap();
    login.tag
}

#[tokio::test]
async fn i5_who_proves_nothing_stores_nothing() {
    let Some((store, mut admin)) = alone(9).await else {
        return;
    };
    let (tag, user) = (LoginTag(random()), random());
    let terms = opening(tag);
    store
        .authorize(tag, digest(), random(), Some(code(digest())), at(1))
        .await
        .unwrap();
    let consent = Some(consent(random(), true));
    store
        .grant(tag, digest(), consent, code(digest()), at(1))
        .await
        .unwrap();
    assert!(store.redeem_code(digest(), random(), terms, at(1)).await.unwrap() == Redeemed::Unknown);
    rotate(&store, terms.family, 0, at(1)).await;
    store.token_state(terms.family, digest(), at(1)).await.unwrap();
    store.detached_revoked(digest(), at(1)).await.unwrap();
    store.consents(&user, at(1)).await.unwrap();
    store.end_session(tag, at(1)).await.unwrap();
    store.return_use(digest(), random()).await.unwrap();
    store.take_use(new_use(digest(), 1, 1), at(1)).await.unwrap();
    store.revoke_family(terms.family).await.unwrap();
    let keys: Vec<String> = admin.keys("*").await.unwrap();
    assert!(keys.is_empty(), "{keys:?}");
}

#[tokio::test]
async fn i5_attempts_at_unknown_names_are_counted_in_bounds() {
    let Some((store, mut admin)) = alone(14).await else {
        return;
    };
    let tries = (0..20_000).map(|_| {
        let attempt = NewAttempt {
            account: Account::Unknown(random()),
            browser: digest(),
            attempt: random(),
            free: 3,
        };
        store.begin_login(attempt, at(1))
    });
    let mut taken = futures::stream::iter(tries).buffer_unordered(100);
    while let Some(taken) = taken.next().await {
        assert!(
            matches!(taken.unwrap(), Attempt::Taken(_)),
            "each name has its own count"
        );
    }
    let keys: Vec<String> = admin.keys("*").await.unwrap();
    assert!((3_900..=4_096).contains(&keys.len()), "{}", keys.len());
    for key in &keys {
        let milliseconds: i64 = admin.pttl(key).await.unwrap();
        assert!((1..=900_000).contains(&milliseconds), "{key}: {milliseconds}");
    }
}

#[tokio::test]
async fn i8_every_key_is_a_digest_and_ends() {
    let Some((store, mut admin)) = alone(10).await else {
        return;
    };
    let user: UserKey = random();
    let tag = use_all(&store, &user).await;
    let count = async {
        while !admin.exists::<_, bool>("oidc:{sessions}").await.unwrap() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), count)
        .await
        .expect("sessions are counted");

    let keys: Vec<String> = admin.keys("*").await.unwrap();
    let (login, user) = (format!("{{{}}}", name(&tag.0)), format!("{{{}}}", name(&user)));
    let mut kinds: Vec<_> = keys
        .iter()
        .map(|key| key.split(':').nth(1).unwrap_or_default())
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "c",
            "e",
            "f",
            "j",
            "la",
            "lc",
            "lr",
            "lx",
            "o",
            "rt",
            "s",
            "ua",
            "ub",
            "uc",
            "ue",
            "uf",
            "ui",
            "un",
            "uo",
            "up",
            "ur",
            "uu",
            "x",
            "{sessions}"
        ]
    );
    for key in &keys {
        let milliseconds: i64 = admin.pttl(key).await.unwrap();
        assert!(milliseconds > 0, "{key} has no end");
        match key.split(':').collect::<Vec<_>>()[..] {
            ["oidc", "{sessions}"] => {}
            ["oidc", "e", slot] => assert_eq!(slot.len(), 24),
            ["oidc", "s" | "x", slot] => assert_eq!(slot, login),
            ["oidc", "c" | "j", slot, digest] => {
                assert_eq!((slot, digest.len()), (login.as_str(), 43));
            }
            ["oidc", "f", slot, seed] => assert_eq!((slot, seed.len()), (login.as_str(), 22)),
            ["oidc", "j" | "o" | "rt", digest] => assert_eq!(digest.len(), 45),
            [
                "oidc",
                "uc" | "uf" | "ui" | "ue" | "uo" | "ur" | "ua" | "ub",
                slot,
            ] => assert_eq!(slot, user),
            ["oidc", "ua", slot, browser] => assert_eq!((slot, browser.len()), (user.as_str(), 43)),
            ["oidc", "la" | "lc" | "lr", "{limit}", bucket] => {
                assert!(bucket.parse::<u16>().is_ok());
                assert!(milliseconds <= 900_000, "{key}: {milliseconds}");
            }
            ["oidc", "uu" | "up", "{uses}", tag] => assert_eq!(tag.len(), 22),
            ["oidc", "lx", "{limit}", attempt] => assert_eq!(attempt.len(), 22),
            ["oidc", "un", "{limit}", bucket] => assert!(bucket.parse::<u16>().unwrap() < 4_096),
            _ => panic!("what is {key}?"),
        }
    }
}

#[tokio::test]
async fn i8_nothing_but_sealed_values_digests_and_numbers_is_kept() {
    let Some((store, mut admin)) = alone(11).await else {
        return;
    };
    use_all(&store, &random()).await;
    let keys: Vec<String> = admin.keys("*").await.unwrap();
    // a run of letters beside those would be something said in the clear
    let mut known = vec!["sealed grant", "sealed session", "sealed login", "sealed"];
    known.extend(keys.iter().filter_map(|key| key.rsplit(':').next()));
    for key in &keys {
        let mut values: Vec<Vec<u8>> = Vec::new();
        let kind: String = cmd("TYPE").arg(key).query_async(&mut admin).await.unwrap();
        match kind.as_str() {
            "string" => values.push(admin.get(key).await.unwrap()),
            "hash" => values.extend(admin.hvals::<_, Vec<Vec<u8>>>(key).await.unwrap()),
            "zset" => values.extend(admin.zrange::<_, Vec<Vec<u8>>>(key, 0, -1).await.unwrap()),
            other => panic!("{key} is a {other}"),
        }
        for value in values {
            let mut text = String::from_utf8_lossy(&value).into_owned();
            for known in &known {
                text = text.replace(known, " ");
            }
            let longest = text.split(|c: char| !c.is_ascii_alphabetic()).map(str::len).max();
            assert!(longest < Some(12), "{key}: {text:?}"); // random bytes may spell short words
        }
    }
}

#[tokio::test]
async fn ends_are_those_of_what_is_kept() {
    let Some((store, mut admin)) = alone(12).await else {
        return;
    };
    let (login, family) = family(&store).await;
    let slot = name(&login.tag.0);
    let mut left = async |key: String| admin.pttl::<_, i64>(key).await.unwrap() / 1_000;
    // each with a minute to spare: idle ends, or the absolute end and the last access token
    assert!((3_600..=3_660).contains(&left(format!("oidc:s:{{{slot}}}")).await));
    assert!((1_000..=1_060).contains(&left(format!("oidc:f:{{{slot}}}:{}", name(&family.seed))).await));
    let tombstone = left(format!("oidc:c:{{{slot}}}:{}", name(&login.code.0))).await;
    assert!((10_298 - 30..=10_358).contains(&tombstone), "{tombstone}");
}

#[tokio::test]
async fn one_round_trip_a_step_and_an_unknown_script_is_sent() {
    let Some(url) = redis_url(0) else { return };
    let store: Arc<dyn Store> = Arc::new(RedisStore::connect(&url).unwrap());
    let mut trips = 0;
    let mut one = |what: &str| {
        let spent = store.round_trips() - trips;
        trips += spent;
        assert_eq!(spent, 1, "{what}");
    };
    let (tag, cookie, id, user) = (LoginTag(random()), digest(), digest(), random());
    let terms = opening(tag);
    store.put_session(tag, session(cookie), at(0)).await.unwrap();
    one("put_session");
    store
        .authorize(tag, cookie, random(), Some(code(id)), at(0))
        .await
        .unwrap();
    one("authorize");
    store
        .grant(tag, cookie, None, code(digest()), at(0))
        .await
        .unwrap();
    one("grant");
    store.redeem_code(id, random(), terms, at(1)).await.unwrap();
    one("redeem_code");
    rotate(&store, terms.family, 0, at(1)).await;
    one("rotate_refresh");
    store.token_state(terms.family, digest(), at(1)).await.unwrap();
    one("token_state");
    store.refresh_state(terms.family, 1, at(1)).await.unwrap();
    one("refresh_state");
    store
        .revoke_token(terms.family, digest(), at(10), at(1))
        .await
        .unwrap();
    one("revoke_token");
    store.revoke_family(terms.family).await.unwrap();
    one("revoke_family");
    store.revoke_detached(digest(), at(10), at(1)).await.unwrap();
    one("revoke_detached");
    store.detached_revoked(digest(), at(1)).await.unwrap();
    one("detached_revoked");
    store
        .remember_once(digest(), random(), at(10), at(1))
        .await
        .unwrap();
    one("remember_once");
    store.consents(&user, at(1)).await.unwrap();
    one("consents");
    let attempt = NewAttempt {
        account: Account::Known(user),
        browser: digest(),
        attempt: random(),
        free: 3,
    };
    store.begin_login(attempt, at(1)).await.unwrap();
    one("begin_login");
    let taken = new_use(digest(), 3, 1);
    store.take_use(taken, at(1)).await.unwrap();
    one("take_use");
    store.return_use(taken.token, taken.attempt).await.unwrap();
    one("return_use");
    store.take_address(random(), random(), 3, at(1)).await.unwrap();
    one("take_address");
    let used = Used {
        which: Shared::TokenPerClient,
        bucket: 1,
        time: 1,
    };
    store.share_limits(&[used; 1], random(), at(1)).await.unwrap();
    one("share_limits");
    let told = crate::suite::report();
    store.report_uses(told, at(1)).await.unwrap();
    one("report_uses");
    store.uses(told.tag, 0, at(1)).await.unwrap();
    one("uses");
    store
        .remember_consent(&user, random(), vec![], at(10), None, at(1))
        .await
        .unwrap();
    one("remember_consent");
    store.keep_login(&user, tag, at(10), at(1)).await.unwrap();
    one("keep_login");
    store.withdraw_consent(&user, random(), at(1)).await.unwrap();
    one("withdraw_consent");
    store
        .forget_client(tag, random(), [random(), random()], at(1))
        .await
        .unwrap();
    one("forget_client");
    enter_login(&store, &user, tag, at(10), 1, at(1)).await;
    one("index_login");
    store.logins(&user, at(1)).await.unwrap();
    one("logins");
    store.forget_logins(&user, &[tag]).await.unwrap();
    one("forget_logins");
    store.session(tag, cookie, at(1)).await.unwrap();
    one("session");
    store.last_seen(tag, at(1)).await.unwrap();
    one("last_seen");
    store.end_login(LoginTag(random()), at(1)).await.unwrap();
    one("end_login");
    store.end_session(tag, at(1)).await.unwrap();
    one("end_session");
    store.active_sessions(at(1)).await.unwrap();
    one("active_sessions");
    store.ping().await.unwrap();
    one("ping");

    // a failover may forget the scripts: the text is sent, which makes them known again
    cmd("SCRIPT")
        .arg("FLUSH")
        .exec_async(&mut admin(0).await)
        .await
        .unwrap();
    store.put_session(tag, session(cookie), at(0)).await.unwrap();
    assert_eq!(store.round_trips() - trips, 2);
}

#[tokio::test]
async fn records_that_make_no_sense_are_errors_not_absent() {
    let Some(url) = redis_url(0) else { return };
    let store: Arc<dyn Store> = Arc::new(RedisStore::connect(&url).unwrap());
    let mut admin = admin(0).await;
    let junk: [&[u8]; 5] = [b"", b"\x01", b"\x01\x00junk", b"\x02 another version", &[1; 500]];
    for value in junk {
        let (login, family) = family(&store).await;
        let (slot, user, jti) = (name(&login.tag.0), random(), digest());
        for key in [
            format!("oidc:c:{{{slot}}}:{}", name(&login.code.0)),
            format!("oidc:f:{{{slot}}}:{}", name(&family.seed)),
            format!("oidc:j:{{{}}}", name(&jti.0)),
        ] {
            admin.set_ex::<_, _, ()>(key, value, 60).await.unwrap();
        }
        let key = format!("oidc:uc:{{{}}}", name(&user));
        admin
            .hset::<_, _, _, ()>(&key, &random::<32>()[..], &value[..value.len().min(8)])
            .await
            .unwrap();
        admin.expire::<_, ()>(&key, 60).await.unwrap();
        assert!(
            store
                .redeem_code(login.code, random(), opening(login.tag), at(1))
                .await
                .is_err()
        );
        assert!(store.token_state(family, digest(), at(1)).await.is_err());
        let rotation = oidc_provider::store::Rotation {
            family,
            generation: 0,
            ring_version: 8,
            grace: 10,
            tokens_until: at(300),
        };
        assert!(store.rotate_refresh(rotation, at(1)).await.is_err());
        assert!(store.detached_revoked(jti, at(1)).await.is_err());
        assert!(store.consents(&user, at(1)).await.is_err());
    }
    // a wrong type, and a session without some of its fields
    let login = log_in(&store).await;
    let key = format!("oidc:s:{{{}}}", name(&login.tag.0));
    for field in ["c", "r", "u", "i", "x", "e", "t"] {
        let fields = ["c", "r", "u", "i", "x", "e", "t"]
            .into_iter()
            .filter(|other| *other != field);
        let _: () = admin.del(&key).await.unwrap();
        for field in fields {
            admin.hset::<_, _, _, ()>(&key, field, "12345678").await.unwrap();
        }
        admin.expire::<_, ()>(&key, 60).await.unwrap();
        assert!(
            store
                .authorize(login.tag, login.cookie, random(), None, at(1))
                .await
                .is_err(),
            "{field}"
        );
    }
    admin.set_ex::<_, _, ()>(&key, "a string", 60).await.unwrap();
    assert!(
        store
            .authorize(login.tag, login.cookie, random(), None, at(1))
            .await
            .is_err()
    );
    assert!(store.end_session(login.tag, at(1)).await.is_err());
    assert!(store.last_seen(login.tag, at(1)).await.is_err());
    // a login without its record, or with one of another version
    let user: UserKey = random();
    enter_login(&store, &user, login.tag, at(100), 1, at(1)).await;
    let key = format!("oidc:ur:{{{}}}", name(&user));
    for record in [b"".as_slice(), b"\x02"] {
        let _: () = admin.hset(&key, &login.tag.0[..], record).await.unwrap();
        assert!(store.logins(&user, at(1)).await.is_err());
    }
    let _: () = admin.del(&key).await.unwrap();
    assert!(store.logins(&user, at(1)).await.is_err());
}

#[tokio::test]
async fn live_sessions_are_counted() {
    let Some((store, mut admin)) = alone(13).await else {
        return;
    };
    suite::live_sessions_are_counted(store).await;
    let left: i64 = admin.pttl("oidc:{sessions}").await.unwrap();
    assert!(left > 0);
}

#[tokio::test]
async fn store_of_many_pods_is_one() {
    let Some(url) = redis_url(0) else { return };
    let [here, there]: [Arc<dyn Store>; 2] =
        std::array::from_fn(|_| Arc::new(RedisStore::connect(&url).unwrap()) as Arc<dyn Store>);
    let login = log_in(&here).await;
    let family = login.open(&there, opening(login.tag)).await;
    assert!(is_active(&here, family, at(1)).await);
    let again = here
        .redeem_code(login.code, random(), opening(login.tag), at(1))
        .await
        .unwrap();
    assert!(again == Redeemed::Replayed(family));
    assert!(!is_active(&there, family, at(1)).await);
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> jiff::Timestamp {
        at(1)
    }
}

/// In two real pods but for the requests, while no time goes by: what is let through beyond a pod's share is what
/// the other one did not use.
#[tokio::test]
async fn i5_pods_on_one_redis_keep_a_limit_together() {
    let Some((_, mut admin)) = alone(7).await else {
        return;
    };
    let ring = Arc::new(KeyRing::new(KeyRingData::generate(at(0), &mut SystemRng)));
    let mut tasks = tokio::task::JoinSet::new();
    let [here, there] = [(); 2].map(|()| {
        let store = RedisStore::connect(&redis_url(7).unwrap()).unwrap();
        let mut installation = Installation::standalone("https://id.example.com", false);
        installation.limits.token_per_client = 60;
        let app = Arc::new(App {
            ring: Some(ring.clone()).into(),
            clock: Arc::new(Stopped),
            ..App::new(installation, Arc::new(store))
        });
        app.pods.set(2);
        app
    });
    for app in [&here, &there] {
        // from now on they know a name by the same bucket
        exchange::Exchange::default().step(app, &mut SystemRng).await;
        tasks.spawn(exchange::run(app.clone()));
    }
    let take = |app: &App| {
        let share = app.pods.share(60, 1);
        let take = || app.client_requests.take("a client", share, app.clock.now());
        std::iter::from_fn(|| take().ok()).count()
    };
    let kept = async |admin: &mut MultiplexedConnection| {
        let keys: Vec<String> = admin.keys("oidc:lc:*").await.unwrap();
        let [key] = &keys[..] else { return 0 };
        let value: Vec<u8> = admin.get(key).await.unwrap();
        let until = i64::from_be_bytes(value[1..].try_into().unwrap());
        (until - at(1).as_microsecond()) / 1_000_000
    };
    let all = async {
        // by halves; of the last one each has a half, which is none
        let mut taken = 0;
        while taken < 59 {
            taken += take(&here);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!((taken, take(&here)), (59, 0));
        // who was not told yet has its share, and is told then
        let more = take(&there);
        assert_eq!(more, 30);
        while kept(&mut admin).await < 59 + 30 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), all)
        .await
        .expect("pods tell each other");
    assert_eq!((take(&here), take(&there)), (0, 0));
}
