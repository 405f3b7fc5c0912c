//! Sessions, and the codes made beside them: `{login}`.

use jiff::Timestamp;
use oidc_protocol::handle::{Digest, LoginTag};

use super::keys::{barred_key, clients_key, code_key, session_key};
use super::script::{self, Request};
use super::{RedisStore, SESSIONS, answer, done};
use crate::store::sessions::{BARRED, MOST_CONSENTS};
use crate::store::{
    Answer, ClientKey, ConsentKey, NewCode, NewConsent, NewSession, SessionStore, StoreError, StoredSession,
    millis, seconds,
};

impl RedisStore {
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

impl SessionStore for RedisStore {
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

    fn active_sessions(&self, now: Timestamp) -> Answer<'_, u64> {
        let after = format!("({}", millis(now));
        let request = Request::plain("ZCOUNT")
            .bytes(SESSIONS)
            .bytes(after)
            .bytes("+inf");
        let read = |value| u64::try_from(answer::number(value)?).ok();
        Box::pin(self.ask("active_sessions", request, read))
    }
}
