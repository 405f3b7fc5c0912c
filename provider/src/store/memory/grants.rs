//! Codes and families.

use jiff::Timestamp;
use oidc_protocol::handle::{Digest, FamilyId};

use super::MemoryStore;
use super::state::{Code, Family, Item, Refresh, State};
use crate::store::grants::RETRY_WINDOW;
use crate::store::{Answer, GrantStore, Opening, Redeemed, Rotated, Rotation, StoredGrant, millis, seconds};

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

impl GrantStore for MemoryStore {
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

    fn remember_once(
        &self,
        value: Digest,
        attempt: [u8; 16],
        until: Timestamp,
        now: Timestamp,
    ) -> Answer<'_, bool> {
        self.step(now, move |state, now| {
            let known = state.used.get(&value).filter(|(until, _)| *until > now);
            if let Some((_, by)) = known {
                return *by == attempt;
            }
            let until = millis(until);
            state.used.insert(value, (until, attempt));
            state.due.insert((until, Item::Used(value)));
            true
        })
    }

    fn detached_revoked(&self, jti: Digest, now: Timestamp) -> Answer<'_, bool> {
        self.step(now, move |state, now| state.is_revoked(None, jti, now))
    }
}
