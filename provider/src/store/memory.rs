//! The store of a single process: everything is gone at exit.
//!
//! One mutex, never held across an await. What has ended is removed by the steps that come later, a few
//! records at each, so that no step is slow.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use oidc_protocol::handle::{Digest, FamilyId, LoginTag};
use oidc_protocol::limits::{FORGET, pace};

use self::state::{Code, Counted, Family, Item, Login, Refresh, Session, State};
use super::{
    Account, Answer, Attempt, BARRED, ClientKey, ConsentKey, Indexed, LoginLimit, MOST_CONSENTS, NewAttempt,
    NewCode, NewConsent, NewLogin, NewSession, Opening, QUARTER, RETRY_WINDOW, Redeemed, Rotated, Rotation,
    Store, StoredGrant, StoredLogin, StoredSession, UserKey, address_bucket, address_interval, millis,
    seconds,
};

mod state;

/// Records that one step removes at most.
const SWEEP: usize = 32;
/// Records that counting removes at most.
const SWEEP_TO_COUNT: usize = 10_000;

/// State in this process.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn step<'a, T>(
        &'a self,
        now: Timestamp,
        act: impl FnOnce(&mut State, i64) -> T + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            let now = millis(now);
            // no step can panic halfway
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.sweep(now, SWEEP);
            Ok(act(&mut state, now))
        })
    }
}

/// `authorize`, and `grant`, which also writes the consent.
fn visit(
    state: &mut State,
    now: i64,
    tag: LoginTag,
    cookie: Digest,
    asked: Option<ConsentKey>,
    given: Option<NewConsent>,
    code: Option<NewCode>,
) -> Option<StoredSession> {
    let session = state
        .sessions
        .get_mut(&tag)
        .filter(|s| s.ends > now && s.cookie == cookie)?;
    session.touch(now);
    let asked = given.as_ref().map(|given| given.key).or(asked);
    if let Some(given) = given {
        let consents = if given.session_only {
            &mut session.own_consents
        } else {
            &mut session.consents
        };
        consents.insert(given.key, given.record);
    }
    let find = |key| {
        session
            .own_consents
            .get(&key)
            .or_else(|| session.consents.get(&key))
    };
    let consent = asked.and_then(find).cloned();
    let found = StoredSession {
        record: session.record.clone(),
        consent,
    };
    let epoch = session.epoch;
    if let Some(code) = code {
        let stop = millis(code.until);
        let live = Code::Live {
            client: code.client,
            stop,
            epoch,
            grant: code.record,
            session: found.record.clone(),
        };
        state.codes.entry((tag, code.code)).or_insert(live);
        state.due.insert((stop, Item::Code(tag, code.code)));
    }
    Some(found)
}

fn redeem(state: &mut State, now: i64, code: Digest, attempt: [u8; 16], opening: Opening) -> Redeemed {
    let tag = opening.family.tag;
    let (epoch, grant, session) = match state.codes.get(&(tag, code)) {
        Some(Code::Taken {
            stop,
            retry,
            family,
            attempt: taken_by,
        }) if *stop > now => {
            let family = *family;
            if family == opening.family
                && *taken_by == attempt
                && now <= *retry
                && let Some(family) = state.families.get(&family).filter(|f| f.ends() > now)
            {
                return Redeemed::Taken(family.stored());
            }
            state.families.remove(&family);
            return Redeemed::Replayed(family);
        }
        Some(Code::Live {
            stop,
            epoch,
            grant,
            session,
            ..
        }) if *stop > now => (*epoch, grant.clone(), session.clone()),
        _ => return Redeemed::Unknown,
    };
    if opening.bound_to_session && state.session(tag, now).is_none_or(|s| s.epoch != epoch) {
        return Redeemed::Unknown;
    }
    let tokens = millis(opening.tokens_until);
    let refresh = opening.refresh.map(|(absolute, idle)| {
        let (absolute, idle) = (millis(absolute), seconds(idle));
        Refresh {
            absolute,
            idle,
            idle_ends: absolute.min(now + idle),
        }
    });
    let retry = now + RETRY_WINDOW;
    // the last rotation may come just before the absolute end, and its access token lives as long again
    let last = refresh.as_ref().map_or(0, |r| r.absolute + (tokens - now).max(0));
    let stop = retry.max(tokens).max(last);
    let family = Family {
        client: opening.client,
        grant: StoredGrant { code, grant, session },
        bound_to: opening.bound_to_session.then_some(epoch),
        generation: 0,
        ring_version: opening.ring_version,
        rotated_at: now,
        tokens,
        refresh,
    };
    let taken = family.stored();
    state.due.insert((family.ends(), Item::Family(opening.family)));
    state.families.insert(opening.family, family);
    state.due.insert((stop, Item::Code(tag, code)));
    state.codes.insert(
        (tag, code),
        Code::Taken {
            stop,
            retry,
            family: opening.family,
            attempt,
        },
    );
    Redeemed::Taken(taken)
}

fn rotate(state: &mut State, now: i64, rotation: Rotation) -> Rotated {
    let id = rotation.family;
    let session = state.sessions.get_mut(&id.tag).filter(|s| s.ends > now);
    let Some(family) = state.families.get_mut(&id).filter(|f| f.refresh_ends() > now) else {
        return Rotated::Unknown;
    };
    if family.bound_to.is_some() && family.bound_to != session.as_ref().map(|s| s.epoch) {
        state.families.remove(&id);
        return Rotated::Unknown;
    }
    let Some(next) = family
        .generation
        .checked_add(1)
        .filter(|_| rotation.generation <= family.generation)
    else {
        return Rotated::Unknown;
    };
    if rotation.generation == family.generation {
        family.tokens = family.tokens.max(millis(rotation.tokens_until));
        family.generation = next;
        family.ring_version = rotation.ring_version;
        family.rotated_at = now;
        if let Some(refresh) = &mut family.refresh {
            refresh.idle_ends = refresh.idle_ends.max(refresh.absolute.min(now + refresh.idle));
        }
        if let Some(session) = session.filter(|_| family.bound_to.is_some()) {
            session.touch(now);
        }
        return Rotated::Rotated(family.stored());
    }
    let current = family.generation == rotation.generation.saturating_add(1);
    if current && now - family.rotated_at <= seconds(rotation.grace) {
        family.tokens = family.tokens.max(millis(rotation.tokens_until));
        return Rotated::Repeated(family.stored(), family.ring_version);
    }
    state.families.remove(&id);
    Rotated::Reused(id)
}

fn index(state: &mut State, now: i64, user: UserKey, new: NewLogin, limit: LoginLimit) -> Indexed {
    let most = limit.most as usize;
    let logins = &mut state.users.entry(user).or_default().logins;
    logins.retain(|_, login| login.stop > now);
    let old = logins.get(&new.tag);
    if limit.refuse && old.is_none() && logins.len() >= most {
        return Indexed::Full;
    }
    let tag = new.tag;
    let stop = old.map_or(0, |old| old.stop).max(millis(new.until));
    let login = Login {
        entered: now,
        stop,
        record: new.record,
    };
    logins.insert(tag, login);
    state.due.insert((stop, Item::User(user)));
    if limit.refuse {
        return Indexed::Entered(Vec::new());
    }
    let over = logins.len().saturating_sub(most);
    let by_age: BTreeSet<_> = logins
        .iter()
        .filter(|(other, _)| **other != tag)
        .map(|(tag, login)| (login.entered, *tag))
        .collect();
    let taken: Vec<_> = by_age.into_iter().take(over).map(|(_, tag)| tag).collect();
    for tag in &taken {
        logins.remove(tag);
    }
    Indexed::Entered(taken)
}

fn list(state: &State, now: i64, user: &UserKey) -> Vec<StoredLogin> {
    let logins = state.users.get(user).into_iter().flat_map(|user| &user.logins);
    let mut live: Vec<_> = logins.filter(|(_, login)| login.stop > now).collect();
    live.sort_by_key(|(tag, login)| (login.entered, **tag));
    let stored = live.into_iter().map(|(tag, login)| StoredLogin {
        tag: *tag,
        record: login.record.clone(),
        entered_at: Timestamp::from_millisecond(login.entered).unwrap_or_default(),
    });
    stored.collect()
}

fn begin(state: &mut State, now: i64, new: NewAttempt) -> Attempt {
    let (record, consents) = match new.account {
        Account::Unknown(name) => {
            let (owner, record) = state.unknown.entry(Account::bucket(&name)).or_default();
            if *owner != name {
                (*owner, *record) = (name, Counted::default());
            }
            (record, None)
        }
        Account::Known(key) => {
            state.due.insert((now + FORGET, Item::User(key)));
            let user = state.users.entry(key).or_default();
            let bucket = user.bucket(new.browser, now);
            (user.attempts.entry(bucket).or_default(), Some(&user.consents))
        }
    };
    if record.attempt != Some(new.attempt) {
        match record.attempts.take(new.free, now) {
            Err(wait) => return Attempt::Wait(wait),
            Ok(attempts) => {
                *record = Counted {
                    attempts,
                    attempt: Some(new.attempt),
                }
            }
        }
    }
    Attempt::Taken(consents.map(|all| live(all, now)).unwrap_or_default())
}

fn live(consents: &HashMap<ConsentKey, (Vec<u8>, i64)>, now: i64) -> Vec<(ConsentKey, Vec<u8>)> {
    let live = consents.iter().filter(|(_, (_, stop))| *stop > now);
    live.map(|(key, (record, _))| (*key, record.clone())).collect()
}

impl Store for MemoryStore {
    fn begin_login(&self, attempt: NewAttempt, now: Timestamp) -> Answer<'_, Attempt> {
        self.step(now, move |state, now| begin(state, now, attempt))
    }

    fn take_address(
        &self,
        address: [u8; 32],
        attempt: [u8; 16],
        per_quarter: u32,
        now: Timestamp,
    ) -> Answer<'_, i64> {
        self.step(now, move |state, now| {
            let (until, last) = state.addresses.entry(address_bucket(&address)).or_default();
            if *last == attempt {
                return 0;
            }
            match pace(*until, address_interval(per_quarter), QUARTER, now) {
                Err(wait) => wait,
                Ok(next) => {
                    (*until, *last) = (next, attempt);
                    0
                }
            }
        })
    }

    fn consents<'a>(&'a self, user: &'a UserKey, now: Timestamp) -> Answer<'a, Vec<(ConsentKey, Vec<u8>)>> {
        self.step(now, |state, now| {
            let user = state.users.get(user);
            user.map(|user| live(&user.consents, now)).unwrap_or_default()
        })
    }

    fn index_login<'a>(
        &'a self,
        user: &'a UserKey,
        login: NewLogin,
        limit: LoginLimit,
        now: Timestamp,
    ) -> Answer<'a, Indexed> {
        self.step(now, move |state, now| {
            let entry = state.users.entry(*user).or_default();
            let bucket = entry.bucket(login.browser, now);
            entry.attempts.remove(&bucket);
            entry.know(login.browser, now);
            index(state, now, *user, login, limit)
        })
    }

    fn logins<'a>(&'a self, user: &'a UserKey, now: Timestamp) -> Answer<'a, Vec<StoredLogin>> {
        self.step(now, |state, now| list(state, now, user))
    }

    fn forget_logins<'a>(&'a self, user: &'a UserKey, tags: &'a [LoginTag]) -> Answer<'a, ()> {
        self.step(Timestamp::UNIX_EPOCH, move |state, _| {
            if let Some(user) = state.users.get_mut(user) {
                user.logins.retain(|tag, _| !tags.contains(tag));
            }
        })
    }

    fn put_session(&self, tag: LoginTag, new: NewSession, now: Timestamp) -> Answer<'_, bool> {
        self.step(now, move |state, now| {
            if state.barred.get(&tag).is_some_and(|until| *until > now) {
                return false;
            }
            let (stop, idle) = (millis(new.until), seconds(new.idle));
            let ends = stop.min(now + idle);
            let (epoch, own_consents) = match state.session(tag, now) {
                Some(old) => (old.epoch, old.own_consents.clone()),
                None => (new.cookie, HashMap::new()),
            };
            let consents: HashMap<_, _> = new.consents.into_iter().take(MOST_CONSENTS).collect();
            let session = Session {
                cookie: new.cookie,
                record: new.record,
                consents,
                own_consents,
                stop,
                idle,
                ends,
                seen: now,
                epoch,
            };
            state.sessions.insert(tag, session);
            state.due.insert((ends, Item::Session(tag)));
            true
        })
    }

    fn session(&self, tag: LoginTag, cookie: Digest, now: Timestamp) -> Answer<'_, Option<StoredSession>> {
        self.step(now, move |state, now| {
            visit(state, now, tag, cookie, None, None, None)
        })
    }

    fn last_seen(&self, tag: LoginTag, now: Timestamp) -> Answer<'_, Option<Timestamp>> {
        self.step(now, move |state, now| {
            Timestamp::from_millisecond(state.session(tag, now)?.seen).ok()
        })
    }

    fn end_login(&self, tag: LoginTag, now: Timestamp) -> Answer<'_, bool> {
        self.step(now, move |state, now| {
            state.barred.insert(tag, now + BARRED);
            state.due.insert((now + BARRED, Item::Barred(tag)));
            state.sessions.remove(&tag).is_some_and(|s| s.ends > now)
        })
    }

    fn end_session(&self, tag: LoginTag, now: Timestamp) -> Answer<'_, bool> {
        self.step(now, move |state, now| {
            state.sessions.remove(&tag).is_some_and(|s| s.ends > now)
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
        self.step(now, move |state, now| {
            visit(state, now, tag, cookie, Some(consent), None, code)
        })
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
        self.step(now, move |state, _| {
            let stop = millis(until);
            state
                .users
                .entry(*user)
                .or_default()
                .consents
                .insert(consent, (record, stop));
            state.due.insert((stop, Item::User(*user)));
            if let Some((tag, until)) = offline {
                state.keep_login(*user, tag, millis(until));
            }
        })
    }

    fn keep_login<'a>(
        &'a self,
        user: &'a UserKey,
        tag: LoginTag,
        until: Timestamp,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        self.step(now, move |state, _| state.keep_login(*user, tag, millis(until)))
    }

    fn withdraw_consent<'a>(
        &'a self,
        user: &'a UserKey,
        consent: ConsentKey,
        now: Timestamp,
    ) -> Answer<'a, Vec<LoginTag>> {
        self.step(now, move |state, now| {
            let Some(user) = state.users.get_mut(user) else {
                return Vec::new();
            };
            user.consents.remove(&consent);
            let logins = user.logins.iter().map(|(tag, login)| (*tag, login.stop));
            let kept = user.kept.iter().map(|(tag, stop)| (*tag, *stop));
            let live = logins.chain(kept).filter(|(_, stop)| *stop > now);
            let once: BTreeSet<_> = live.map(|(tag, _)| tag).collect();
            once.into_iter().collect()
        })
    }

    fn forget_client(
        &self,
        tag: LoginTag,
        client: ClientKey,
        consents: [ConsentKey; 2],
        now: Timestamp,
    ) -> Answer<'_, ()> {
        self.step(now, move |state, _| {
            if let Some(session) = state.sessions.get_mut(&tag) {
                session.consents.retain(|key, _| !consents.contains(key));
                session.own_consents.retain(|key, _| !consents.contains(key));
            }
            state.forget_client(tag, client);
        })
    }

    fn grant(
        &self,
        tag: LoginTag,
        cookie: Digest,
        consent: Option<NewConsent>,
        code: NewCode,
        now: Timestamp,
    ) -> Answer<'_, Option<StoredSession>> {
        self.step(now, move |state, now| {
            visit(state, now, tag, cookie, None, consent, Some(code))
        })
    }

    fn redeem_code(
        &self,
        code: Digest,
        attempt: [u8; 16],
        opening: Opening,
        now: Timestamp,
    ) -> Answer<'_, Redeemed> {
        self.step(now, move |state, now| redeem(state, now, code, attempt, opening))
    }

    fn rotate_refresh(&self, rotation: Rotation, now: Timestamp) -> Answer<'_, Rotated> {
        self.step(now, move |state, now| rotate(state, now, rotation))
    }

    fn revoke_family(&self, family: FamilyId) -> Answer<'_, ()> {
        self.step(Timestamp::UNIX_EPOCH, move |state, _| {
            state.families.remove(&family);
        })
    }

    fn revoke_token(
        &self,
        family: FamilyId,
        jti: Digest,
        until: Timestamp,
        now: Timestamp,
    ) -> Answer<'_, ()> {
        self.step(now, move |state, _| {
            state.revoke(Some(family.tag), jti, millis(until))
        })
    }

    fn revoke_detached(&self, jti: Digest, until: Timestamp, now: Timestamp) -> Answer<'_, ()> {
        self.step(now, move |state, _| state.revoke(None, jti, millis(until)))
    }

    fn token_state(&self, family: FamilyId, jti: Digest, now: Timestamp) -> Answer<'_, Option<StoredGrant>> {
        self.step(now, move |state, now| {
            if state.is_revoked(Some(family.tag), jti, now) {
                return None;
            }
            let session = state.session(family.tag, now).map(|s| s.epoch);
            let family = state.families.get(&family).filter(|f| f.ends() > now)?;
            (family.bound_to.is_none() || family.bound_to == session).then(|| family.stored())
        })
    }

    fn refresh_state(
        &self,
        family: FamilyId,
        generation: u32,
        now: Timestamp,
    ) -> Answer<'_, Option<(StoredGrant, Timestamp)>> {
        self.step(now, move |state, now| {
            let session = state.session(family.tag, now).map(|s| s.epoch);
            let family = state
                .families
                .get(&family)
                .filter(|f| f.refresh_ends() > now && f.generation == generation)?;
            let ends = Timestamp::from_millisecond(family.refresh_ends()).ok()?;
            (family.bound_to.is_none() || family.bound_to == session).then(|| (family.stored(), ends))
        })
    }

    fn detached_revoked(&self, jti: Digest, now: Timestamp) -> Answer<'_, bool> {
        self.step(now, move |state, now| state.is_revoked(None, jti, now))
    }

    fn active_sessions(&self, now: Timestamp) -> Answer<'_, u64> {
        self.step(now, |state, now| {
            state.sweep(now, SWEEP_TO_COUNT);
            state.sessions.len() as u64
        })
    }

    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(futures::future::ready(Ok(())))
    }

    fn kind(&self) -> &'static str {
        "memory"
    }

    fn round_trips(&self) -> u64 {
        0
    }
}
