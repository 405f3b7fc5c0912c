//! A probe between the provider and its real store: counts the round trips, can cut the line and spoil records.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use jiff::Timestamp;
use oidc_crds::uses::Told;
use oidc_protocol::handle::{Digest, FamilyId, LoginTag};
use oidc_provider::store::memory::MemoryStore;
use oidc_provider::store::{
    AccountStore, Answer, Attempt, ClientKey, ConsentKey, GrantStore, Indexed, LimitStore, LoginLimit,
    NewAttempt, NewCode, NewConsent, NewLogin, NewSession, NewUse, Opening, Redeemed, RegistrationStore,
    Report, Rotated, Rotation, SessionStore, Store, StoreError, StoredGrant, StoredLogin, StoredSession,
    UseStore, Used, UserKey,
};

pub struct Counting {
    inner: MemoryStore,
    trips: AtomicU64,
    away: AtomicBool,
    spoilt: Mutex<Option<(Record, Spoilt)>>,
    no_grants: AtomicBool,
    /// Its own store of uses, which can be lost.
    uses: Mutex<Arc<MemoryStore>>,
}

/// What the store keeps sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    Session,
    Grant,
    Consent,
    Login,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoilt {
    /// A bit of it changed.
    OneBit,
    /// It is of a ring version that is gone.
    VersionGone,
}

impl Counting {
    pub fn new(inner: MemoryStore) -> Self {
        Self {
            inner,
            trips: AtomicU64::new(0),
            away: AtomicBool::new(false),
            spoilt: Mutex::new(None),
            no_grants: AtomicBool::new(false),
            uses: Mutex::default(),
        }
    }

    pub fn trips(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }

    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// As a store that comes back empty.
    pub fn lose_uses(&self) {
        *self.uses.lock().unwrap() = Arc::default();
    }

    /// Cuts the line for `grant` alone.
    pub fn set_no_grants(&self, away: bool) {
        self.no_grants.store(away, Ordering::Relaxed);
    }

    /// From now on such records come back so.
    pub fn spoil(&self, record: Record, spoilt: Spoilt) {
        *self.spoilt.lock().unwrap() = Some((record, spoilt));
    }

    fn pass(&self, record: Record, sealed: &mut [u8]) {
        match *self.spoilt.lock().unwrap() {
            Some((which, Spoilt::OneBit)) if which == record => sealed[20] ^= 1,
            Some((which, Spoilt::VersionGone)) if which == record => {
                sealed[..4].copy_from_slice(&[0, 0, 0, 1])
            }
            _ => {}
        }
    }

    fn pass_grant(&self, mut stored: StoredGrant) -> StoredGrant {
        self.pass(Record::Grant, &mut stored.grant);
        self.pass(Record::Session, &mut stored.session);
        stored
    }

    fn pass_session(&self, mut stored: StoredSession) -> StoredSession {
        self.pass(Record::Session, &mut stored.record);
        if let Some(consent) = &mut stored.consent {
            self.pass(Record::Consent, consent);
        }
        stored
    }

    fn pass_consents(&self, mut consents: Vec<(ConsentKey, Vec<u8>)>) -> Vec<(ConsentKey, Vec<u8>)> {
        for (_, sealed) in &mut consents {
            self.pass(Record::Consent, sealed);
        }
        consents
    }

    fn counted<'a, T: Send + 'a>(&'a self, answer: Answer<'a, T>) -> Answer<'a, T> {
        self.trips.fetch_add(1, Ordering::Relaxed);
        if self.away.load(Ordering::Relaxed) {
            return async { Err(StoreError("the line is cut".to_owned())) }.boxed();
        }
        answer
    }
}

impl AccountStore for Counting {
    fn begin_login(&self, attempt: NewAttempt, now: Timestamp) -> Answer<'_, Attempt> {
        let answer = self.counted(self.inner.begin_login(attempt, now));
        async move {
            Ok(match answer.await? {
                Attempt::Taken(consents) => Attempt::Taken(self.pass_consents(consents)),
                wait => wait,
            })
        }
        .boxed()
    }

    fn take_address(
        &self,
        address: [u8; 32],
        attempt: [u8; 16],
        per_quarter: u32,
        now: Timestamp,
    ) -> Answer<'_, i64> {
        self.counted(self.inner.take_address(address, attempt, per_quarter, now))
    }

    fn consents<'a>(&'a self, user: &'a UserKey, now: Timestamp) -> Answer<'a, Vec<(ConsentKey, Vec<u8>)>> {
        let answer = self.counted(self.inner.consents(user, now));
        async move { Ok(self.pass_consents(answer.await?)) }.boxed()
    }

    fn index_login<'a>(
        &'a self,
        user: &'a UserKey,
        login: NewLogin,
        limit: LoginLimit,
        now: Timestamp,
    ) -> Answer<'a, Indexed> {
        self.counted(self.inner.index_login(user, login, limit, now))
    }

    fn logins<'a>(&'a self, user: &'a UserKey, now: Timestamp) -> Answer<'a, Vec<StoredLogin>> {
        let answer = self.counted(self.inner.logins(user, now));
        async move {
            let mut logins = answer.await?;
            for login in &mut logins {
                self.pass(Record::Login, &mut login.record);
            }
            Ok(logins)
        }
        .boxed()
    }

    fn forget_logins<'a>(&'a self, user: &'a UserKey, tags: &'a [LoginTag]) -> Answer<'a, ()> {
        self.counted(self.inner.forget_logins(user, tags))
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
        self.counted(
            self.inner
                .remember_consent(user, consent, record, until, offline, now),
        )
    }

    fn keep_login<'a>(
        &'a self,
        user: &'a UserKey,
        tag: LoginTag,
        until: Timestamp,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        self.counted(self.inner.keep_login(user, tag, until, now))
    }

    fn withdraw_consent<'a>(
        &'a self,
        user: &'a UserKey,
        consent: ConsentKey,
        now: Timestamp,
    ) -> Answer<'a, Vec<LoginTag>> {
        self.counted(self.inner.withdraw_consent(user, consent, now))
    }
}

impl SessionStore for Counting {
    fn put_session(&self, tag: LoginTag, session: NewSession, now: Timestamp) -> Answer<'_, bool> {
        self.counted(self.inner.put_session(tag, session, now))
    }

    fn session(&self, tag: LoginTag, cookie: Digest, now: Timestamp) -> Answer<'_, Option<StoredSession>> {
        let answer = self.counted(self.inner.session(tag, cookie, now));
        async move { Ok(answer.await?.map(|stored| self.pass_session(stored))) }.boxed()
    }

    fn last_seen(&self, tag: LoginTag, now: Timestamp) -> Answer<'_, Option<Timestamp>> {
        self.counted(self.inner.last_seen(tag, now))
    }

    fn end_login(&self, tag: LoginTag, now: Timestamp) -> Answer<'_, bool> {
        self.counted(self.inner.end_login(tag, now))
    }

    fn end_session(&self, tag: LoginTag, now: Timestamp) -> Answer<'_, bool> {
        self.counted(self.inner.end_session(tag, now))
    }

    fn authorize(
        &self,
        tag: LoginTag,
        cookie: Digest,
        consent: ConsentKey,
        code: Option<NewCode>,
        now: Timestamp,
    ) -> Answer<'_, Option<StoredSession>> {
        let answer = self.counted(self.inner.authorize(tag, cookie, consent, code, now));
        async move { Ok(answer.await?.map(|stored| self.pass_session(stored))) }.boxed()
    }

    fn forget_client(
        &self,
        tag: LoginTag,
        client: ClientKey,
        consents: [ConsentKey; 2],
        now: Timestamp,
    ) -> Answer<'_, ()> {
        self.counted(self.inner.forget_client(tag, client, consents, now))
    }

    fn grant(
        &self,
        tag: LoginTag,
        cookie: Digest,
        consent: Option<NewConsent>,
        code: NewCode,
        now: Timestamp,
    ) -> Answer<'_, Option<StoredSession>> {
        if self.no_grants.load(Ordering::Relaxed) {
            return async { Err(StoreError("the line is cut".to_owned())) }.boxed();
        }
        let answer = self.counted(self.inner.grant(tag, cookie, consent, code, now));
        async move { Ok(answer.await?.map(|stored| self.pass_session(stored))) }.boxed()
    }

    fn active_sessions(&self, now: Timestamp) -> Answer<'_, u64> {
        self.counted(self.inner.active_sessions(now))
    }
}

impl GrantStore for Counting {
    fn redeem_code(
        &self,
        code: Digest,
        attempt: [u8; 16],
        opening: Opening,
        now: Timestamp,
    ) -> Answer<'_, Redeemed> {
        let answer = self.counted(self.inner.redeem_code(code, attempt, opening, now));
        async move {
            Ok(match answer.await? {
                Redeemed::Taken(stored) => Redeemed::Taken(self.pass_grant(stored)),
                other => other,
            })
        }
        .boxed()
    }

    fn rotate_refresh(&self, rotation: Rotation, now: Timestamp) -> Answer<'_, Rotated> {
        let answer = self.counted(self.inner.rotate_refresh(rotation, now));
        async move {
            Ok(match answer.await? {
                Rotated::Rotated(stored) => Rotated::Rotated(self.pass_grant(stored)),
                Rotated::Repeated(stored, version) => Rotated::Repeated(self.pass_grant(stored), version),
                other => other,
            })
        }
        .boxed()
    }

    fn revoke_family(&self, family: FamilyId) -> Answer<'_, ()> {
        self.counted(self.inner.revoke_family(family))
    }

    fn revoke_token(
        &self,
        family: FamilyId,
        jti: Digest,
        until: Timestamp,
        now: Timestamp,
    ) -> Answer<'_, ()> {
        self.counted(self.inner.revoke_token(family, jti, until, now))
    }

    fn revoke_detached(&self, jti: Digest, until: Timestamp, now: Timestamp) -> Answer<'_, ()> {
        self.counted(self.inner.revoke_detached(jti, until, now))
    }

    fn token_state(&self, family: FamilyId, jti: Digest, now: Timestamp) -> Answer<'_, Option<StoredGrant>> {
        let answer = self.counted(self.inner.token_state(family, jti, now));
        async move { Ok(answer.await?.map(|stored| self.pass_grant(stored))) }.boxed()
    }

    fn refresh_state(
        &self,
        family: FamilyId,
        generation: u32,
        now: Timestamp,
    ) -> Answer<'_, Option<(StoredGrant, Timestamp)>> {
        let answer = self.counted(self.inner.refresh_state(family, generation, now));
        async move {
            Ok(answer
                .await?
                .map(|(stored, ends)| (self.pass_grant(stored), ends)))
        }
        .boxed()
    }

    fn remember_once(
        &self,
        value: Digest,
        attempt: [u8; 16],
        until: Timestamp,
        now: Timestamp,
    ) -> Answer<'_, bool> {
        self.counted(self.inner.remember_once(value, attempt, until, now))
    }

    fn detached_revoked(&self, jti: Digest, now: Timestamp) -> Answer<'_, bool> {
        self.counted(self.inner.detached_revoked(jti, now))
    }
}

impl LimitStore for Counting {
    fn share_limits<'a>(
        &'a self,
        used: &'a [Used],
        attempt: [u8; 16],
        now: Timestamp,
    ) -> Answer<'a, Vec<Option<i64>>> {
        self.counted(self.inner.share_limits(used, attempt, now))
    }
}

impl RegistrationStore for Counting {
    fn take_use(&self, taken: NewUse, now: Timestamp) -> Answer<'_, bool> {
        self.counted(self.inner.take_use(taken, now))
    }

    fn return_use(&self, token: Digest, attempt: [u8; 16]) -> Answer<'_, ()> {
        self.counted(self.inner.return_use(token, attempt))
    }
}

impl UseStore for Counting {
    fn report_uses<'a>(&'a self, report: Report<'a>, now: Timestamp) -> Answer<'a, bool> {
        let store = self.uses.lock().unwrap().clone();
        self.counted(Box::pin(async move { store.report_uses(report, now).await }))
    }

    fn uses(&self, tag: [u8; 16], after: i64, now: Timestamp) -> Answer<'_, Option<Told>> {
        let store = self.uses.lock().unwrap().clone();
        self.counted(Box::pin(async move { store.uses(tag, after, now).await }))
    }
}

impl Store for Counting {
    fn ping(&self) -> Answer<'_, ()> {
        self.counted(self.inner.ping())
    }

    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn round_trips(&self) -> u64 {
        self.trips()
    }
}
