//! Uses of registration tokens: `{token}`.

use jiff::Timestamp;
use oidc_protocol::handle::Digest;
use redis::Value;

use super::keys::uses_key;
use super::script::{self, Request};
use super::{RedisStore, answer};
use crate::store::{Answer, NewUse, RegistrationStore, millis};

impl RegistrationStore for RedisStore {
    fn take_use(&self, taken: NewUse, now: Timestamp) -> Answer<'_, bool> {
        let request = script::TAKE_USE
            .on(vec![uses_key(taken.token)])
            .number(millis(now))
            .bytes(taken.attempt)
            .number(taken.most)
            .number(taken.known)
            .number(millis(taken.until));
        let read = |value| answer::number(value).map(|taken| taken == 1);
        Box::pin(self.ask("take_use", request, read))
    }

    fn return_use(&self, token: Digest, attempt: [u8; 16]) -> Answer<'_, ()> {
        let request = Request::plain("HDEL").bytes(uses_key(token)).bytes(attempt);
        let read = |value| matches!(value, Value::Int(0 | 1)).then_some(());
        Box::pin(self.ask("return_use", request, read))
    }
}
