//! What pods tell each other of limits: `{limit}`.

use jiff::Timestamp;
use oidc_protocol::limits::shared::{CLOCKS, FARTHEST};

use super::keys::{limit_key, telling_key};
use super::script;
use super::{RedisStore, answer};
use crate::store::limits::ATTEMPT;
use crate::store::{Answer, LimitStore, Used};

impl LimitStore for RedisStore {
    fn share_limits<'a>(
        &'a self,
        used: &'a [Used],
        attempt: [u8; 16],
        now: Timestamp,
    ) -> Answer<'a, Vec<Option<i64>>> {
        let buckets = used.iter().map(|used| limit_key(used.which, used.bucket));
        let keys = std::iter::once(telling_key(&attempt)).chain(buckets).collect();
        let request = script::SHARE_LIMITS
            .on(keys)
            .number(now.as_microsecond())
            .number(ATTEMPT)
            .number(FARTHEST)
            .number(CLOCKS);
        let request = used
            .iter()
            .fold(request, |request, used| request.number(used.time));
        let read = |value| answer::untils(value).filter(|told| told.len() == used.len());
        Box::pin(self.ask("share_limits", request, read))
    }
}
