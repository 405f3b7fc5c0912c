//! The records, and how they leave. Times are milliseconds since 1970.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use oidc_protocol::handle::{Digest, FamilyId, LoginTag};
use oidc_protocol::limits::Attempts;

use crate::store::accounts::{BROWSER_KNOWN, MOST_BROWSERS};
use crate::store::{ClientKey, ConsentKey, Shared, StoredGrant, UserKey};

pub(super) struct Session {
    pub cookie: Digest,
    pub record: Vec<u8>,
    /// Copies of what the user's slot holds.
    pub consents: HashMap<ConsentKey, Vec<u8>>,
    /// Those that count here alone.
    pub own_consents: HashMap<ConsentKey, Vec<u8>>,
    /// When it ends whatever happens.
    pub stop: i64,
    pub idle: i64,
    /// When it ends unless it is touched.
    pub ends: i64,
    /// When it was used last.
    pub seen: i64,
    /// Lives on when the session is replaced: families and codes of an ended one have another.
    pub epoch: Digest,
}

impl Session {
    pub fn touch(&mut self, now: i64) {
        self.ends = self.ends.max(self.stop.min(now + self.idle));
        self.seen = self.seen.max(now);
    }
}

pub(super) enum Code {
    Live {
        client: ClientKey,
        stop: i64,
        epoch: Digest,
        grant: Vec<u8>,
        session: Vec<u8>,
    },
    /// The tombstone.
    Taken {
        stop: i64,
        retry: i64,
        family: FamilyId,
        attempt: [u8; 16],
    },
}

impl Code {
    fn stop(&self) -> i64 {
        match self {
            Self::Live { stop, .. } | Self::Taken { stop, .. } => *stop,
        }
    }
}

pub(super) struct Refresh {
    pub absolute: i64,
    pub idle: i64,
    pub idle_ends: i64,
}

pub(super) struct Family {
    pub client: ClientKey,
    pub grant: StoredGrant,
    /// The epoch of its session, if it ends with that.
    pub bound_to: Option<Digest>,
    pub generation: u32,
    pub ring_version: u32,
    pub rotated_at: i64,
    /// When the last access token ends.
    pub tokens: i64,
    pub refresh: Option<Refresh>,
}

impl Family {
    /// Until when its refresh tokens live; 0 without any.
    pub fn refresh_ends(&self) -> i64 {
        self.refresh
            .as_ref()
            .map_or(0, |refresh| refresh.absolute.min(refresh.idle_ends))
    }

    pub fn ends(&self) -> i64 {
        self.tokens.max(self.refresh_ends())
    }

    pub fn stored(&self) -> StoredGrant {
        self.grant.clone()
    }
}

/// Attempts at a password, and the last of them.
#[derive(Default)]
pub(super) struct Counted {
    pub attempts: Attempts,
    pub attempt: Option<[u8; 16]>,
}

#[derive(Default)]
pub(super) struct User {
    /// Of each known browser, and (`None`) of all others.
    pub attempts: HashMap<Option<Digest>, Counted>,
    /// Browsers in which the user signed in, and until when they are known.
    pub browsers: HashMap<Digest, i64>,
    /// The record, and when it ends.
    pub consents: HashMap<ConsentKey, (Vec<u8>, i64)>,
    pub logins: HashMap<LoginTag, Login>,
    /// Logins of which something may outlive the session, and until when.
    pub kept: HashMap<LoginTag, i64>,
}

/// A login in its user's index.
pub(super) struct Login {
    pub entered: i64,
    pub stop: i64,
    pub record: Vec<u8>,
}

impl User {
    /// Among which attempts those from a browser count.
    pub fn bucket(&self, browser: Digest, now: i64) -> Option<Digest> {
        let until = self.browsers.get(&browser);
        until.is_some_and(|until| *until > now).then_some(browser)
    }

    /// Remembers a browser in which the user signed in.
    pub fn know(&mut self, browser: Digest, now: i64) {
        self.browsers.insert(browser, now + BROWSER_KNOWN);
        if self.browsers.len() > MOST_BROWSERS {
            let oldest = self.browsers.iter().filter(|(other, _)| **other != browser);
            let oldest = oldest.min_by_key(|(other, until)| (**until, other.0));
            if let Some(oldest) = oldest.map(|(oldest, _)| *oldest) {
                self.browsers.remove(&oldest);
                self.attempts.remove(&Some(oldest));
            }
        }
    }
}

/// The name of a record that ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    Session(LoginTag),
    Code(LoginTag, Digest),
    Family(FamilyId),
    Revoked(Option<LoginTag>, Digest),
    Used(Digest),
    Barred(LoginTag),
    User(UserKey),
    Registrations(Digest),
}

/// Uses of a registration token.
#[derive(Default)]
pub(super) struct Registrations {
    pub attempts: HashSet<[u8; 16]>,
    /// Those that are known otherwise.
    pub others: u32,
    pub until: i64,
}

#[derive(Default)]
pub(super) struct State {
    pub sessions: HashMap<LoginTag, Session>,
    /// In order, like the families: those of one login are next to each other.
    pub codes: BTreeMap<(LoginTag, Digest), Code>,
    pub families: BTreeMap<FamilyId, Family>,
    /// Until when access tokens are revoked.
    pub revoked: HashMap<(Option<LoginTag>, Digest), i64>,
    /// Values that were used: until when they are remembered, and by which attempt.
    pub used: HashMap<Digest, (i64, [u8; 16])>,
    /// Until when logins that were ended get no session.
    pub barred: HashMap<LoginTag, i64>,
    pub users: HashMap<UserKey, User>,
    pub registrations: HashMap<Digest, Registrations>,
    /// Attempts from addresses: until when they reach, and the last of them.
    pub addresses: HashMap<u16, (i64, [u8; 16])>,
    /// Until when what pods let through of a limit has had its time, in microseconds since 1970.
    pub limits: HashMap<(Shared, u16), i64>,
    /// Until when attempts to tell of it are known.
    pub limit_attempts: HashMap<[u8; 16], i64>,
    /// Attempts at names that nobody has: the name's HMAC, and its attempts.
    pub unknown: HashMap<u16, ([u8; 32], Counted)>,
    /// What processes tell of uses, by tag.
    pub last_uses: HashMap<[u8; 16], super::uses::LastUses>,
    /// When to look whether a record has ended; one that lives longer by then is entered again.
    pub due: BTreeSet<(i64, Item)>,
}

impl State {
    pub fn session(&self, tag: LoginTag, now: i64) -> Option<&Session> {
        self.sessions.get(&tag).filter(|session| session.ends > now)
    }

    pub fn revoke(&mut self, tag: Option<LoginTag>, jti: Digest, until: i64) {
        self.revoked.insert((tag, jti), until);
        self.due.insert((until, Item::Revoked(tag, jti)));
    }

    pub fn is_revoked(&self, tag: Option<LoginTag>, jti: Digest, now: i64) -> bool {
        self.revoked.get(&(tag, jti)).is_some_and(|until| *until > now)
    }

    /// Keeps the tag of a login of a user.
    pub fn keep_login(&mut self, user: UserKey, tag: LoginTag, until: i64) {
        let stop = self.users.entry(user).or_default().kept.entry(tag).or_default();
        *stop = until.max(*stop);
        self.due.insert((until, Item::User(user)));
    }

    /// Ends the codes and families of a client in a login.
    pub fn forget_client(&mut self, tag: LoginTag, client: ClientKey) {
        let code = |code| (tag, Digest(code));
        let codes = self.codes.range(code([0; 32])..=code([u8::MAX; 32]));
        let is_its = |code: &Code| matches!(code, Code::Live { client: its, .. } if *its == client);
        let codes: Vec<_> = codes
            .filter(|(_, code)| is_its(code))
            .map(|(key, _)| *key)
            .collect();
        let seed = |seed| FamilyId { tag, seed };
        let families = self.families.range(seed([0; 16])..=seed([u8::MAX; 16]));
        let families: Vec<_> = families
            .filter(|(_, family)| family.client == client)
            .map(|(id, _)| *id)
            .collect();
        for code in codes {
            self.codes.remove(&code);
        }
        for family in families {
            self.families.remove(&family);
        }
    }

    /// Removes what has ended, at most `most` records.
    pub fn sweep(&mut self, now: i64, most: usize) {
        for _ in 0..most {
            if self.due.first().is_none_or(|(due, _)| *due > now) {
                return;
            }
            if let Some((_, item)) = self.due.pop_first() {
                match self.ends(item, now) {
                    Some(ends) if ends > now => {
                        self.due.insert((ends, item));
                    }
                    _ => self.remove(item),
                }
            }
        }
    }

    fn ends(&mut self, item: Item, now: i64) -> Option<i64> {
        match item {
            Item::Session(tag) => self.sessions.get(&tag).map(|session| session.ends),
            Item::Code(tag, code) => self.codes.get(&(tag, code)).map(Code::stop),
            Item::Family(family) => self.families.get(&family).map(Family::ends),
            Item::Revoked(tag, jti) => self.revoked.get(&(tag, jti)).copied(),
            Item::Used(value) => self.used.get(&value).map(|(until, _)| *until),
            Item::Barred(tag) => self.barred.get(&tag).copied(),
            Item::Registrations(token) => self.registrations.get(&token).map(|uses| uses.until),
            Item::User(key) => {
                let user = self.users.get_mut(&key)?;
                user.consents.retain(|_, (_, stop)| *stop > now);
                user.logins.retain(|_, login| login.stop > now);
                user.kept.retain(|_, stop| *stop > now);
                user.attempts.retain(|_, counted| counted.attempts.ends() > now);
                user.browsers.retain(|_, until| *until > now);
                let consents = user.consents.values().map(|(_, stop)| *stop);
                let logins = user.logins.values().map(|login| login.stop);
                let logins = logins.chain(user.kept.values().copied());
                let attempts = user.attempts.values().map(|counted| counted.attempts.ends());
                let browsers = user.browsers.values().copied();
                consents.chain(logins).chain(attempts).chain(browsers).min()
            }
        }
    }

    fn remove(&mut self, item: Item) {
        match item {
            Item::Session(tag) => drop(self.sessions.remove(&tag)),
            Item::Code(tag, code) => drop(self.codes.remove(&(tag, code))),
            Item::Family(family) => drop(self.families.remove(&family)),
            Item::Revoked(tag, jti) => drop(self.revoked.remove(&(tag, jti))),
            Item::Used(value) => drop(self.used.remove(&value)),
            Item::Barred(tag) => drop(self.barred.remove(&tag)),
            Item::User(key) => drop(self.users.remove(&key)),
            Item::Registrations(token) => drop(self.registrations.remove(&token)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(ends: i64) -> Session {
        Session {
            cookie: Digest([0; 32]),
            record: vec![],
            consents: HashMap::new(),
            own_consents: HashMap::new(),
            stop: ends,
            idle: ends,
            ends,
            seen: 0,
            epoch: Digest([0; 32]),
        }
    }

    #[test]
    fn sweep_removes_the_ended_only_and_in_bounds() {
        let mut state = State::default();
        for n in 0..100 {
            state
                .sessions
                .insert(LoginTag([n; 16]), session(10 + i64::from(n)));
            state.due.insert((10, Item::Session(LoginTag([n; 16]))));
        }
        state.sweep(9, 1_000);
        assert_eq!((state.sessions.len(), state.due.len()), (100, 100));
        state.sweep(10, 32);
        assert_eq!(state.sessions.len(), 99, "touched ones are entered again");
        state.sweep(1_000, 32);
        assert_eq!(state.sessions.len(), 99 - 32);
        state.sweep(1_000, 1_000);
        assert_eq!((state.sessions.len(), state.due.len()), (0, 0));
    }

    #[test]
    fn a_user_goes_with_the_last_of_its_records() {
        let mut state = State::default();
        let key = [1; 32];
        let user = state.users.entry(key).or_default();
        user.consents.insert([2; 32], (vec![], 10));
        let login = Login {
            entered: 0,
            stop: 20,
            record: vec![],
        };
        user.logins.insert(LoginTag([3; 16]), login);
        state.due.insert((10, Item::User(key)));
        state.sweep(10, 32);
        assert!(state.users[&key].consents.is_empty());
        state.sweep(20, 32);
        assert!(state.users.is_empty() && state.due.is_empty());
    }
}
