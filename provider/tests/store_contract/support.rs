//! Makes what the tests need. Names are random, so that tests on one server do not meet.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use oidc_protocol::handle::{Digest, FamilyId, LoginTag};
use oidc_provider::store::{
    ConsentKey, Indexed, LoginLimit, NewCode, NewConsent, NewLogin, NewSession, NewUse, Opening, Redeemed,
    Rotated, Rotation, Store, StoredGrant, StoredSession, UserKey,
};

/// The database `database` of the server under test; `None` where there is none.
pub fn redis_url(database: u8) -> Option<String> {
    match std::env::var("REDIS_URL") {
        Ok(url) => {
            let mut url = url::Url::parse(&url).expect("REDIS_URL");
            url.set_path(&database.to_string());
            Some(url.into())
        }
        Err(_) => {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "CI needs REDIS_URL for the store's tests"
            );
            eprintln!("skipped: no REDIS_URL");
            None
        }
    }
}

/// This many seconds after an arbitrary moment.
pub fn at(seconds: i64) -> Timestamp {
    ms(seconds * 1_000)
}

/// This many milliseconds after the same moment.
pub fn ms(milliseconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_millis(milliseconds)
}

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&RandomState::new().hash_one(0).to_be_bytes()[..chunk.len()]);
    }
    bytes
}

pub fn digest() -> Digest {
    Digest(random())
}

/// A use of a registration token that ends at second 300.
pub fn new_use(token: Digest, most: u32, known: u32) -> NewUse {
    NewUse {
        token,
        attempt: random(),
        most,
        known,
        until: at(300),
    }
}

/// A login and one code of it.
#[derive(Clone, Copy)]
pub struct Login {
    pub tag: LoginTag,
    pub cookie: Digest,
    pub code: Digest,
}

/// Whose codes and families the usual ones are.
pub const CLIENT: [u8; 32] = [7; 32];
pub const GRANT: &[u8] = b"sealed grant";
pub const SESSION: &[u8] = b"sealed session";
/// Absolute end and idle time of the sessions, in seconds.
pub const SESSION_END: i64 = 36_000;
pub const SESSION_IDLE: u64 = 3_600;

pub fn session(cookie: Digest) -> NewSession {
    NewSession {
        cookie,
        record: SESSION.to_vec(),
        consents: vec![],
        until: at(SESSION_END),
        idle: SESSION_IDLE,
    }
}

pub const LOGIN: &[u8] = b"sealed login";

pub fn login(tag: LoginTag, until: Timestamp) -> NewLogin {
    NewLogin {
        tag,
        record: LOGIN.to_vec(),
        until,
        browser: digest(),
    }
}

/// The oldest end beyond so many.
pub fn limit(most: u32) -> LoginLimit {
    LoginLimit { most, refuse: false }
}

/// Enters a login; the ones that it put out.
pub async fn enter_login(
    store: &Arc<dyn Store>,
    user: &UserKey,
    tag: LoginTag,
    until: Timestamp,
    most: u32,
    now: Timestamp,
) -> Vec<LoginTag> {
    let entered = store.index_login(user, login(tag, until), limit(most), now);
    match entered.await.unwrap() {
        Indexed::Entered(evicted) => evicted,
        Indexed::Full => panic!("the oldest ends instead"),
    }
}

/// The logins of a user, and when they were entered.
pub async fn listed(store: &Arc<dyn Store>, user: UserKey, now: Timestamp) -> Vec<(LoginTag, Timestamp)> {
    let logins = store.logins(&user, now).await.unwrap();
    logins
        .into_iter()
        .map(|login| (login.tag, login.entered_at))
        .collect()
}

pub fn consent(key: ConsentKey, session_only: bool) -> NewConsent {
    NewConsent {
        key,
        record: b"consent".to_vec(),
        session_only,
    }
}

pub fn code(code: Digest) -> NewCode {
    NewCode {
        code,
        client: CLIENT,
        record: GRANT.to_vec(),
        until: at(60),
    }
}

/// A session at 0 s, and a code that ends at 60 s.
pub async fn log_in(store: &Arc<dyn Store>) -> Login {
    let login = Login {
        tag: LoginTag(random()),
        cookie: digest(),
        code: digest(),
    };
    store
        .put_session(login.tag, session(login.cookie), at(0))
        .await
        .unwrap();
    let read = store
        .authorize(login.tag, login.cookie, random(), Some(code(login.code)), at(0))
        .await
        .unwrap();
    assert!(
        read == Some(StoredSession {
            record: SESSION.to_vec(),
            consent: None
        })
    );
    login
}

/// Access tokens until 300 s, refresh tokens until 10 000 s or 1 000 s unused, bound to the session.
pub fn opening(tag: LoginTag) -> Opening {
    Opening {
        family: FamilyId { tag, seed: random() },
        client: CLIENT,
        ring_version: 7,
        tokens_until: at(300),
        refresh: Some((at(10_000), 1_000)),
        bound_to_session: true,
    }
}

impl Login {
    pub fn grant(&self) -> StoredGrant {
        StoredGrant {
            code: self.code,
            grant: GRANT.to_vec(),
            session: SESSION.to_vec(),
        }
    }

    /// Takes the code at 1 s.
    pub async fn open(&self, store: &Arc<dyn Store>, opening: Opening) -> FamilyId {
        let taken = store
            .redeem_code(self.code, random(), opening, at(1))
            .await
            .unwrap();
        assert!(taken == Redeemed::Taken(self.grant()));
        opening.family
    }
}

/// A login with the family of [`opening`].
pub async fn family(store: &Arc<dyn Store>) -> (Login, FamilyId) {
    let login = log_in(store).await;
    let family = login.open(store, opening(login.tag)).await;
    (login, family)
}

/// Presents a refresh token; grace is 10 s, ring version 8, the access token lives 300 s.
pub async fn rotate(store: &Arc<dyn Store>, family: FamilyId, generation: u32, now: Timestamp) -> Rotated {
    let tokens_until = now + SignedDuration::from_secs(300);
    let rotation = Rotation {
        family,
        generation,
        ring_version: 8,
        grace: 10,
        tokens_until,
    };
    store.rotate_refresh(rotation, now).await.unwrap()
}

pub async fn is_active(store: &Arc<dyn Store>, family: FamilyId, now: Timestamp) -> bool {
    store.token_state(family, digest(), now).await.unwrap().is_some()
}
