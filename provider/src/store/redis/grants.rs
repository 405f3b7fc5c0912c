//! Codes and families: `{login}`.

use jiff::Timestamp;
use oidc_protocol::handle::{Digest, FamilyId};
use redis::Value;

use super::keys::{clients_key, code_key, detached_key, family_key, session_key, token_key, used_key};
use super::script::{self, Request};
use super::{RedisStore, SLACK, answer};
use crate::store::grants::RETRY_WINDOW;
use crate::store::{Answer, GrantStore, Opening, Redeemed, Rotated, Rotation, StoredGrant, millis, seconds};

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

impl GrantStore for RedisStore {
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

    fn remember_once(
        &self,
        value: Digest,
        attempt: [u8; 16],
        until: Timestamp,
        now: Timestamp,
    ) -> Answer<'_, bool> {
        let request = script::REMEMBER_ONCE
            .on(vec![used_key(value)])
            .bytes(attempt)
            .number((millis(until) - millis(now)).max(0) + SLACK);
        let read = |value| answer::number(value).map(|first| first == 1);
        Box::pin(self.ask("remember_once", request, read))
    }

    fn detached_revoked(&self, jti: Digest, now: Timestamp) -> Answer<'_, bool> {
        let request = Request::plain("GET").bytes(detached_key(jti));
        let read = move |value| Some(answer::revoked_until(value)? > millis(now));
        Box::pin(self.ask("detached_revoked", request, read))
    }
}
