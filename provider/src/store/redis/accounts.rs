//! What is kept of users: `{user}` and `{limit}`.

use jiff::Timestamp;
use oidc_protocol::handle::LoginTag;

use super::keys::{attempt_keys, user_key};
use super::script;
use super::{RedisStore, answer, done};
use crate::store::accounts::{BROWSER_KNOWN, MOST_BROWSERS, QUARTER, address_bucket, address_interval};
use crate::store::{
    Account, AccountStore, Answer, Attempt, ConsentKey, Indexed, LoginLimit, NewAttempt, NewLogin,
    StoredLogin, UserKey, millis,
};

impl AccountStore for RedisStore {
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
}
