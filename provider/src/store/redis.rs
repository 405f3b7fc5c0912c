//! The store that pods share: Redis, one script a method.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `s:{<tag>}` | hash | the session: cookie, record, ends, last use, consents |
//! | `e:{<tag>}` | string | a login that was ended a moment ago: it gets no session |
//! | `c:{<tag>}:<digest>` | packed | a code, then its tombstone |
//! | `f:{<tag>}:<seed>` | packed | a family |
//! | `j:{<tag>}:<digest>` | packed | a revoked access token |
//! | `x:{<tag>}` | sorted set | which codes and families are which client's, by end |
//! | `uc:{<user>}` | hash | the consents of a user |
//! | `ui:{<user>}`, `ue:{<user>}`, `ur:{<user>}`, `uo:{<user>}` | sorted sets, hash, string | the logins of a user by end and by entry, their records; the last ones taken out |
//! | `uf:{<user>}` | sorted set | logins of which something may outlive the session, by end |
//! | `ua:{<user>}`, `ua:{<user>}:<browser>` | packed | attempts at a user's password: from anywhere, from a known browser |
//! | `ub:{<user>}` | sorted set | browsers in which the user signed in, by when they are forgotten |
//! | `un:{limit}:<0…4095>` | packed | attempts at names that nobody has |
//! | `la:{limit}:<0…65535>` | packed | attempts at passwords from addresses |
//! | `j:{<digest>}` | packed | a revoked access token of no login |
//! | `{sessions}` | sorted set | live sessions by end, to count them |
//!
//! Names are base64url. Packed strings and the session's fields are described in `scripts/common.lua`.
//! To add a step: a script that starts from `common.lua`, a line in `redis/script.rs`, its answer in
//! `redis/answer.rs`. A script is idempotent, because a dropped connection sends it twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use oidc_protocol::handle::{Digest, FamilyId, LoginTag};
use redis::{Client, Value};
use tokio::runtime::Handle;

use self::counter::{Counter, SESSIONS};
use self::link::Link;
use self::script::Request;
use super::{
    Account, Answer, Attempt, BARRED, BROWSER_KNOWN, ClientKey, ConsentKey, Indexed, LoginLimit,
    MOST_BROWSERS, MOST_CONSENTS, NewAttempt, NewCode, NewConsent, NewLogin, NewSession, Opening, QUARTER,
    RETRY_WINDOW, Redeemed, Rotated, Rotation, Store, StoreError, StoredGrant, StoredLogin, StoredSession,
    UserKey, address_bucket, address_interval, millis, seconds,
};

mod answer;
mod counter;
mod link;
mod script;

/// How long a key outlives what it holds, in milliseconds (as in `common.lua`).
const SLACK: i64 = 60_000;

/// State in Redis.
pub struct RedisStore {
    link: Arc<Link>,
    sessions: Counter,
    trips: AtomicU64,
}

impl RedisStore {
    /// A store at `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS. It does not wait for
    /// Redis: as long as that is away every call fails within a second, and works again afterwards. Must be
    /// called on a tokio runtime.
    ///
    /// # Errors
    /// When the URL is none; the text does not repeat it.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        let client = Client::open(url).map_err(|_| {
            StoreError("the URL must be redis:// or rediss://[user:password@]host[:port][/db]".to_owned())
        })?;
        let runtime = Handle::try_current().map_err(|error| StoreError(error.to_string()))?;
        let link = Arc::new(Link::new(client));
        let sessions = Counter::start(Arc::clone(&link), &runtime);
        Ok(Self {
            link,
            sessions,
            trips: AtomicU64::new(0),
        })
    }

    async fn ask<T>(
        &self,
        step: &'static str,
        request: Request,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<T, StoreError> {
        let value = self.link.query(&request, &self.trips).await?;
        read(value).ok_or_else(|| {
            tracing::error!(step, "Redis gave an answer that makes no sense");
            StoreError(format!("the answer to {step} makes no sense"))
        })
    }

    /// `authorize`, and `grant`, which also writes the consent.
    async fn visit(
        &self,
        tag: LoginTag,
        cookie: Digest,
        asked: Option<ConsentKey>,
        given: Option<NewConsent>,
        code: Option<NewCode>,
        now: Timestamp,
    ) -> Result<Option<StoredSession>, StoreError> {
        let now = millis(now);
        let mut keys = vec![session_key(tag)];
        if let Some(code) = &code {
            keys.extend([code_key(tag, code.code), clients_key(tag)]);
        }
        let asked = given.as_ref().map(|given| given.key).or(asked);
        let field = match &given {
            None => "",
            Some(given) if given.session_only => "o",
            Some(_) => "k",
        };
        let mut request = script::VISIT
            .on(keys)
            .number(now)
            .bytes(cookie.0)
            .bytes(asked.map_or_else(Vec::new, |key| key.to_vec()))
            .bytes(field)
            .bytes(given.map(|given| given.record).unwrap_or_default());
        if let Some(code) = code {
            request = request
                .bytes(code.record)
                .number(millis(code.until))
                .bytes(code.client);
        }
        let found = self.ask("visit", request, answer::visit).await?;
        Ok(found.map(|(session, ends)| {
            self.sessions.saw(tag, Some(ends), now);
            session
        }))
    }
}

fn text(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn session_key(tag: LoginTag) -> String {
    format!("oidc:s:{{{}}}", text(&tag.0))
}

fn barred_key(tag: LoginTag) -> String {
    format!("oidc:e:{{{}}}", text(&tag.0))
}

fn code_key(tag: LoginTag, code: Digest) -> String {
    format!("oidc:c:{{{}}}:{}", text(&tag.0), text(&code.0))
}

fn family_key(family: FamilyId) -> String {
    format!("oidc:f:{{{}}}:{}", text(&family.tag.0), text(&family.seed))
}

fn clients_key(tag: LoginTag) -> String {
    format!("oidc:x:{{{}}}", text(&tag.0))
}

fn token_key(tag: LoginTag, jti: Digest) -> String {
    format!("oidc:j:{{{}}}:{}", text(&tag.0), text(&jti.0))
}

fn detached_key(jti: Digest) -> String {
    format!("oidc:j:{{{}}}", text(&jti.0))
}

fn user_key(kind: &str, user: &UserKey) -> String {
    format!("oidc:{kind}:{{{}}}", text(user))
}

/// Marks a token as revoked until it ends; one that has ended needs no mark.
fn revocation(key: &str, until: Timestamp, now: Timestamp) -> Option<Request> {
    let (until, now) = (millis(until), millis(now));
    (until > now).then(|| {
        let set = Request::plain("SET").bytes(key).bytes(answer::revocation(until));
        set.bytes("PX").number(until - now + SLACK)
    })
}

fn okay(value: Value) -> Option<()> {
    (value == Value::Okay).then_some(())
}

fn done(value: Value) -> Option<()> {
    (value == Value::Int(1)).then_some(())
}

/// The keys of attempts: from anywhere, from this browser, the known browsers, and the consents. Those of a
/// name that nobody has lie in one slot, and only the first of them is ever written.
fn attempt_keys(account: Account, browser: Digest) -> Vec<String> {
    let browser = text(&browser.0);
    match account {
        Account::Known(user) => {
            let attempts = user_key("ua", &user);
            let own = format!("{attempts}:{browser}");
            vec![attempts, own, user_key("ub", &user), user_key("uc", &user)]
        }
        Account::Unknown(name) => {
            let attempts = format!("oidc:un:{{limit}}:{}", Account::bucket(&name));
            let [own, known, consents] =
                ["own", "known", "consents"].map(|what| format!("{attempts}:{what}"));
            vec![attempts, own, known, consents]
        }
    }
}

impl Store for RedisStore {
    fn begin_login(&self, new: NewAttempt, now: Timestamp) -> Answer<'_, Attempt> {
        let name = match new.account {
            Account::Known(_) => Vec::new(),
            Account::Unknown(name) => name.to_vec(),
        };
        let request = script::BEGIN_LOGIN
            .on(attempt_keys(new.account, new.browser))
            .number(millis(now))
            .number(new.free)
            .bytes(new.attempt)
            .bytes(new.browser.0)
            .bytes(name);
        Box::pin(self.ask("begin_login", request, answer::attempt))
    }

    fn take_address(
        &self,
        address: [u8; 32],
        attempt: [u8; 16],
        per_quarter: u32,
        now: Timestamp,
    ) -> Answer<'_, i64> {
        let request = script::TAKE_ADDRESS
            .on(vec![format!("oidc:la:{{limit}}:{}", address_bucket(&address))])
            .number(millis(now))
            .bytes(attempt)
            .number(address_interval(per_quarter))
            .number(QUARTER);
        let read = |value| answer::number(value).filter(|wait| *wait >= 0);
        Box::pin(self.ask("take_address", request, read))
    }

    fn consents<'a>(&'a self, user: &'a UserKey, now: Timestamp) -> Answer<'a, Vec<(ConsentKey, Vec<u8>)>> {
        let request = script::CONSENTS
            .on(vec![user_key("uc", user)])
            .number(millis(now));
        Box::pin(self.ask("consents", request, answer::consents))
    }

    fn index_login<'a>(
        &'a self,
        user: &'a UserKey,
        login: NewLogin,
        limit: LoginLimit,
        now: Timestamp,
    ) -> Answer<'a, Indexed> {
        let mut keys = ["ui", "ue", "ur", "uo"].map(|kind| user_key(kind, user)).to_vec();
        keys.extend(
            attempt_keys(Account::Known(*user), login.browser)
                .into_iter()
                .take(3),
        );
        let request = script::INDEX_LOGIN
            .on(keys)
            .number(millis(now))
            .bytes(login.tag.0)
            .number(millis(login.until))
            .number(limit.most)
            .bytes(if limit.refuse { "1" } else { "0" })
            .bytes(login.record)
            .bytes(login.browser.0)
            .number(BROWSER_KNOWN)
            .number(MOST_BROWSERS as i64);
        Box::pin(self.ask("index_login", request, answer::indexed))
    }

    fn logins<'a>(&'a self, user: &'a UserKey, now: Timestamp) -> Answer<'a, Vec<StoredLogin>> {
        let keys = ["ui", "ue", "ur"].map(|kind| user_key(kind, user));
        let request = script::LOGINS.on(keys.to_vec()).number(millis(now));
        Box::pin(self.ask("logins", request, answer::logins))
    }

    fn forget_logins<'a>(&'a self, user: &'a UserKey, tags: &'a [LoginTag]) -> Answer<'a, ()> {
        let keys = ["ui", "ue", "ur"].map(|kind| user_key(kind, user));
        let request = script::FORGET_LOGINS.on(keys.to_vec());
        let request = tags.iter().fold(request, |request, tag| request.bytes(tag.0));
        Box::pin(self.ask("forget_logins", request, done))
    }

    fn put_session(&self, tag: LoginTag, session: NewSession, now: Timestamp) -> Answer<'_, bool> {
        let (now, until, idle) = (millis(now), millis(session.until), seconds(session.idle));
        let mut request = script::PUT_SESSION
            .on(vec![session_key(tag), barred_key(tag)])
            .number(now)
            .bytes(session.cookie.0)
            .bytes(session.record)
            .number(until)
            .number(idle)
            // random, and nobody else's: the first bytes of the first cookie's digest
            .bytes(&session.cookie.0[..8]);
        for (key, record) in session.consents.into_iter().take(MOST_CONSENTS) {
            request = request.bytes(key).bytes(record);
        }
        Box::pin(async move {
            let put = self.ask("put_session", request, answer::yes).await?;
            if put {
                self.sessions.saw(tag, Some(until.min(now + idle)), now);
            }
            Ok(put)
        })
    }

    fn session(&self, tag: LoginTag, cookie: Digest, now: Timestamp) -> Answer<'_, Option<StoredSession>> {
        Box::pin(self.visit(tag, cookie, None, None, None, now))
    }

    fn last_seen(&self, tag: LoginTag, now: Timestamp) -> Answer<'_, Option<Timestamp>> {
        let request = script::LAST_SEEN.on(vec![session_key(tag)]).number(millis(now));
        Box::pin(self.ask("last_seen", request, answer::last_seen))
    }

    fn end_login(&self, tag: LoginTag, now: Timestamp) -> Answer<'_, bool> {
        let now = millis(now);
        let request = script::END_LOGIN
            .on(vec![session_key(tag), barred_key(tag)])
            .number(now)
            .number(BARRED);
        Box::pin(async move {
            let ended = self.ask("end_login", request, answer::yes).await?;
            self.sessions.saw(tag, None, now);
            Ok(ended)
        })
    }

    fn end_session(&self, tag: LoginTag, now: Timestamp) -> Answer<'_, bool> {
        let now = millis(now);
        let request = script::END_SESSION.on(vec![session_key(tag)]).number(now);
        Box::pin(async move {
            let ended = self.ask("end_session", request, answer::number).await? == 1;
            self.sessions.saw(tag, None, now);
            Ok(ended)
        })
    }

    fn authorize(
        &self,
        tag: LoginTag,
        cookie: Digest,
        consent: ConsentKey,
        code: Option<NewCode>,
        now: Timestamp,
    ) -> Answer<'_, Option<StoredSession>> {
        Box::pin(self.visit(tag, cookie, Some(consent), None, code, now))
    }

    fn remember_consent<'a>(
        &'a self,
        user: &'a UserKey,
        consent: ConsentKey,
        record: Vec<u8>,
        until: Timestamp,
        offline: Option<(LoginTag, Timestamp)>,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        let mut request = script::REMEMBER_CONSENT
            .on(vec![user_key("uc", user), user_key("uf", user)])
            .number(millis(now))
            .bytes(consent)
            .bytes(record)
            .number(millis(until));
        if let Some((tag, until)) = offline {
            request = request.bytes(tag.0).number(millis(until));
        }
        Box::pin(self.ask("remember_consent", request, done))
    }

    fn keep_login<'a>(
        &'a self,
        user: &'a UserKey,
        tag: LoginTag,
        until: Timestamp,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        let request = script::KEEP_LOGIN
            .on(vec![user_key("uf", user)])
            .number(millis(now))
            .bytes(tag.0)
            .number(millis(until));
        Box::pin(self.ask("keep_login", request, done))
    }

    fn withdraw_consent<'a>(
        &'a self,
        user: &'a UserKey,
        consent: ConsentKey,
        now: Timestamp,
    ) -> Answer<'a, Vec<LoginTag>> {
        let keys = ["uc", "ui", "uf"].map(|kind| user_key(kind, user));
        let request = script::WITHDRAW_CONSENT
            .on(keys.to_vec())
            .number(millis(now))
            .bytes(consent);
        Box::pin(self.ask("withdraw_consent", request, answer::tags))
    }

    fn forget_client(
        &self,
        tag: LoginTag,
        client: ClientKey,
        consents: [ConsentKey; 2],
        _: Timestamp,
    ) -> Answer<'_, ()> {
        let request = script::FORGET_CLIENT
            .on(vec![session_key(tag), clients_key(tag)])
            .bytes(client);
        let request = consents.iter().fold(request, |request, key| request.bytes(*key));
        Box::pin(self.ask("forget_client", request, done))
    }

    fn grant(
        &self,
        tag: LoginTag,
        cookie: Digest,
        consent: Option<NewConsent>,
        code: NewCode,
        now: Timestamp,
    ) -> Answer<'_, Option<StoredSession>> {
        Box::pin(self.visit(tag, cookie, None, consent, Some(code), now))
    }

    fn redeem_code(
        &self,
        code: Digest,
        attempt: [u8; 16],
        opening: Opening,
        now: Timestamp,
    ) -> Answer<'_, Redeemed> {
        let tag = opening.family.tag;
        let (absolute, idle) = opening.refresh.map_or_else(
            || (String::new(), 0),
            |(absolute, idle)| (millis(absolute).to_string(), seconds(idle)),
        );
        let request = script::REDEEM_CODE
            .on(vec![
                code_key(tag, code),
                family_key(opening.family),
                session_key(tag),
                clients_key(tag),
            ])
            .number(millis(now))
            .bytes(attempt)
            .bytes(code.0)
            .number(opening.ring_version)
            .number(millis(opening.tokens_until))
            .bytes(absolute)
            .number(idle)
            .bytes(if opening.bound_to_session { "1" } else { "0" })
            .number(RETRY_WINDOW)
            .bytes(opening.client);
        Box::pin(self.ask("redeem_code", request, move |value| {
            answer::redeemed(value, code, tag)
        }))
    }

    fn rotate_refresh(&self, rotation: Rotation, now: Timestamp) -> Answer<'_, Rotated> {
        let family = rotation.family;
        let now = millis(now);
        let request = script::ROTATE_REFRESH
            .on(vec![family_key(family), session_key(family.tag)])
            .number(now)
            .number(rotation.generation)
            .number(rotation.ring_version)
            .number(seconds(rotation.grace))
            .number(millis(rotation.tokens_until));
        Box::pin(async move {
            let read = |value| answer::rotated(value, family);
            let (outcome, touched) = self.ask("rotate_refresh", request, read).await?;
            if touched.is_some() {
                self.sessions.saw(family.tag, touched, now);
            }
            Ok(outcome)
        })
    }

    fn revoke_family(&self, family: FamilyId) -> Answer<'_, ()> {
        let request = Request::plain("DEL").bytes(family_key(family));
        Box::pin(self.ask("revoke_family", request, |value| answer::number(value).map(drop)))
    }

    fn revoke_token(
        &self,
        family: FamilyId,
        jti: Digest,
        until: Timestamp,
        now: Timestamp,
    ) -> Answer<'_, ()> {
        match revocation(&token_key(family.tag, jti), until, now) {
            Some(request) => Box::pin(self.ask("revoke_token", request, okay)),
            None => Box::pin(futures::future::ready(Ok(()))),
        }
    }

    fn revoke_detached(&self, jti: Digest, until: Timestamp, now: Timestamp) -> Answer<'_, ()> {
        match revocation(&detached_key(jti), until, now) {
            Some(request) => Box::pin(self.ask("revoke_detached", request, okay)),
            None => Box::pin(futures::future::ready(Ok(()))),
        }
    }

    fn token_state(&self, family: FamilyId, jti: Digest, now: Timestamp) -> Answer<'_, Option<StoredGrant>> {
        let tag = family.tag;
        let keys = vec![family_key(family), token_key(tag, jti), session_key(tag)];
        Box::pin(self.ask(
            "token_state",
            script::TOKEN_STATE.on(keys).number(millis(now)),
            answer::state,
        ))
    }

    fn refresh_state(
        &self,
        family: FamilyId,
        generation: u32,
        now: Timestamp,
    ) -> Answer<'_, Option<(StoredGrant, Timestamp)>> {
        let request = script::REFRESH_STATE
            .on(vec![family_key(family), session_key(family.tag)])
            .number(millis(now))
            .number(generation);
        Box::pin(self.ask("refresh_state", request, answer::refresh_state))
    }

    fn detached_revoked(&self, jti: Digest, now: Timestamp) -> Answer<'_, bool> {
        let request = Request::plain("GET").bytes(detached_key(jti));
        let read = move |value| Some(answer::revoked_until(value)? > millis(now));
        Box::pin(self.ask("detached_revoked", request, read))
    }

    fn active_sessions(&self, now: Timestamp) -> Answer<'_, u64> {
        let after = format!("({}", millis(now));
        let request = Request::plain("ZCOUNT")
            .bytes(SESSIONS)
            .bytes(after)
            .bytes("+inf");
        let read = |value| u64::try_from(answer::number(value)?).ok();
        Box::pin(self.ask("active_sessions", request, read))
    }

    fn ping(&self) -> Answer<'_, ()> {
        let read = |value| (value == Value::SimpleString("PONG".to_owned())).then_some(());
        Box::pin(self.ask("ping", Request::plain("PING"), read))
    }

    fn kind(&self) -> &'static str {
        "redis"
    }

    fn round_trips(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }
}
