//! What is kept of users.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use oidc_protocol::handle::LoginTag;
use oidc_protocol::limits::{FORGET, pace};

use super::MemoryStore;
use super::state::{Counted, Item, Login, State};
use crate::store::accounts::{QUARTER, address_bucket, address_interval};
use crate::store::{
    Account, AccountStore, Answer, Attempt, ConsentKey, Indexed, LoginLimit, NewAttempt, NewLogin,
    StoredLogin, UserKey, millis,
};

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

impl AccountStore for MemoryStore {
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
}
