//! Sessions, and the codes made beside them.

use std::collections::HashMap;

use jiff::Timestamp;
use oidc_protocol::handle::{Digest, LoginTag};

use super::MemoryStore;
use super::state::{Code, Item, Session, State};
use crate::store::sessions::{BARRED, MOST_CONSENTS};
use crate::store::{
    Answer, ClientKey, ConsentKey, NewCode, NewConsent, NewSession, SessionStore, StoredSession, millis,
    seconds,
};

/// Records that counting removes at most.
const SWEEP_TO_COUNT: usize = 10_000;

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

impl SessionStore for MemoryStore {
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

    fn active_sessions(&self, now: Timestamp) -> Answer<'_, u64> {
        self.step(now, |state, now| {
            state.sweep(now, SWEEP_TO_COUNT);
            state.sessions.len() as u64
        })
    }
}
