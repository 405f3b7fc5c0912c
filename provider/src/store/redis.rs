//! The store that pods share: Redis, one script a method.
//!
//! Each key begins with `oidc:`.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `s:{<tag>}` | hash | the session: cookie, record, ends, last use, consents |
//! | `e:{<tag>}` | string | a login that was ended a moment ago: it gets no session |
//! | `c:{<tag>}:<digest>` | packed | a code, then its tombstone |
//! | `f:{<tag>}:<seed>` | packed | a family |
//! | `j:{<tag>}:<digest>` | packed | a revoked access token |
//! | `x:{<tag>}` | sorted set | which codes and families are which client's, by end |
//! | `uc:{<user>}` | hash | the consents of a user |
//! | `ui:{<user>}`, `ue:{<user>}`, `ur:{<user>}`, `uo:{<user>}` | sorted sets, hash, string | the logins of a user by end and by entry, their records; the last ones taken out |
//! | `uf:{<user>}` | sorted set | logins of which something may outlive the session, by end |
//! | `ua:{<user>}`, `ua:{<user>}:<browser>` | packed | attempts at a user's password: from anywhere, from a known browser |
//! | `ub:{<user>}` | sorted set | browsers in which the user signed in, by when they are forgotten |
//! | `un:{limit}:<0…4095>` | packed | attempts at names that nobody has |
//! | `la:{limit}:<0…65535>` | packed | attempts at passwords from addresses |
//! | `lc:{limit}:<0…65535>`, `lr:{limit}:<0…65535>` | packed | what pods let through, of clients and from addresses |
//! | `lx:{limit}:<attempt>` | string | an attempt to tell it, which is counted |
//! | `uu:{uses}:<tag>`, `up:{uses}:<tag>` | sorted set, hash | credentials by last use; the processes that tell of them |
//! | `j:{<digest>}` | packed | a revoked access token of no login |
//! | `rt:{<digest>}` | hash | the uses of a registration token |
//! | `{sessions}` | sorted set | live sessions by end, to count them |
//!
//! Names are base64url (`redis/keys.rs`). Packed strings and the session's fields are described in `scripts/common.lua`.
//! To add a step: a script that starts from `common.lua`, a line in `redis/script.rs`, its answer in
//! `redis/answer.rs`. A script is idempotent, because a dropped connection sends it twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redis::{Client, Value};
use tokio::runtime::Handle;

use self::counter::{Counter, SESSIONS};
use self::link::Link;
use self::script::Request;
use super::{Answer, Store, StoreError};

mod accounts;
mod answer;
mod counter;
mod grants;
mod keys;
mod limits;
mod link;
mod registrations;
mod script;
mod sessions;
mod uses;

/// How long a key outlives what it holds, in milliseconds (as in `common.lua`).
const SLACK: i64 = 60_000;

/// State in Redis.
pub struct RedisStore {
    link: Arc<Link>,
    sessions: Counter,
    trips: AtomicU64,
}

impl RedisStore {
    /// A store at `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS. It does not wait for
    /// Redis: as long as that is away every call fails within a second, and works again afterwards. Must be
    /// called on a tokio runtime.
    ///
    /// # Errors
    /// When the URL is none; the text does not repeat it.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        let client = Client::open(url).map_err(|_| {
            StoreError("the URL must be redis:// or rediss://[user:password@]host[:port][/db]".to_owned())
        })?;
        let runtime = Handle::try_current().map_err(|error| StoreError(error.to_string()))?;
        let link = Arc::new(Link::new(client));
        let sessions = Counter::start(Arc::clone(&link), &runtime);
        Ok(Self {
            link,
            sessions,
            trips: AtomicU64::new(0),
        })
    }

    async fn ask<T>(
        &self,
        step: &'static str,
        request: Request,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<T, StoreError> {
        let value = self.link.query(&request, &self.trips).await?;
        read(value).ok_or_else(|| {
            tracing::error!(step, "Redis gave an answer that makes no sense");
            StoreError(format!("the answer to {step} makes no sense"))
        })
    }
}

fn done(value: Value) -> Option<()> {
    (value == Value::Int(1)).then_some(())
}

impl Store for RedisStore {
    fn ping(&self) -> Answer<'_, ()> {
        let read = |value| (value == Value::SimpleString("PONG".to_owned())).then_some(());
        Box::pin(self.ask("ping", Request::plain("PING"), read))
    }

    fn kind(&self) -> &'static str {
        "redis"
    }

    fn round_trips(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }
}
