//! The connection: one, multiplexed, made when it is first needed and made anew when it is bad.
//!
//! redis-rs has a manager for this, but one whose connecting failed with anything but an I/O error (a
//! password refused, too many clients) never tries again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::time::Instant;

use super::script::{self, Request};
use crate::store::StoreError;

/// A request fails when it has taken this long altogether.
const DEADLINE: Duration = Duration::from_secs(1);
/// A connection attempt fails after this long.
const CONNECT: Duration = Duration::from_secs(1);
/// An answer that takes longer is a failure, and the connection is made anew.
const RESPONSE: Duration = Duration::from_millis(500);
/// After a failed connection attempt, requests fail at once for this long.
const PAUSE: Duration = Duration::from_millis(100);

/// Why connecting failed, and when.
#[derive(Clone)]
struct Failed {
    error: RedisError,
    at: Instant,
}

type Connecting = Shared<BoxFuture<'static, Result<MultiplexedConnection, Failed>>>;

/// A connection that mends itself.
pub(super) struct Link {
    client: Client,
    current: ArcSwap<Connecting>,
    away: AtomicBool,
}

impl Link {
    /// One that connects at the first request.
    pub(super) fn new(client: Client) -> Self {
        let current = ArcSwap::from_pointee(connect(client.clone()));
        Self {
            client,
            current,
            away: AtomicBool::new(false),
        }
    }

    /// Sends a request, and once more if the connection drops: so it must be idempotent. Each sending
    /// adds to `trips`.
    pub(super) async fn query(&self, request: &Request, trips: &AtomicU64) -> Result<Value, StoreError> {
        let failure = match tokio::time::timeout(DEADLINE, self.attempts(request, trips)).await {
            Ok(Ok(answer)) => {
                if self.away.load(Ordering::Relaxed) && self.away.swap(false, Ordering::Relaxed) {
                    tracing::info!("Redis answers again");
                }
                return Ok(answer);
            }
            Ok(Err(error)) if !is_bad(&error) => return Err(StoreError(describe(&error))),
            Ok(Err(error)) => describe(&error),
            Err(_) => format!("no answer from Redis within {} ms", DEADLINE.as_millis()),
        };
        if !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!(error = failure, "Redis is away");
        }
        Err(StoreError(failure))
    }

    async fn attempts(&self, request: &Request, trips: &AtomicU64) -> Result<Value, RedisError> {
        let (mut whole, mut retried) = (false, false);
        loop {
            let (used, mut connection) = self.connection().await?;
            trips.fetch_add(1, Ordering::Relaxed);
            let error = match request.command(whole).query_async(&mut connection).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) && !whole {
                whole = true;
                continue;
            }
            if !is_bad(&error) {
                return Err(error);
            }
            self.replace(&used);
            if retried || error.is_timeout() {
                return Err(error);
            }
            retried = true;
        }
    }

    async fn connection(&self) -> Result<(Arc<Connecting>, MultiplexedConnection), RedisError> {
        let mut current = self.current.load_full();
        loop {
            match Connecting::clone(&current).await {
                Ok(connection) => return Ok((current, connection)),
                Err(failed) if failed.at.elapsed() < PAUSE => return Err(failed.error),
                Err(_) => current = self.replace(&current),
            }
        }
    }

    /// Puts a new connection in the place of a bad one, unless somebody did already.
    fn replace(&self, bad: &Arc<Connecting>) -> Arc<Connecting> {
        self.current
            .compare_and_swap(bad, Arc::new(connect(self.client.clone())));
        self.current.load_full()
    }
}

fn connect(client: Client) -> Connecting {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(RESPONSE));
    let connecting = async move {
        let failed = |error| Failed {
            error,
            at: Instant::now(),
        };
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(failed)?;
        let mut scripts = redis::Pipeline::new();
        for script in script::all() {
            scripts.add_command(script.load()).ignore();
        }
        match scripts.exec_async(&mut connection).await {
            Err(error) if is_bad(&error) => Err(failed(error)),
            // whoever may not load scripts may still send them whole
            Ok(()) | Err(_) => Ok(connection),
        }
    };
    // a task of its own: it must come to its end, in time, when those who wait for it have given up
    async move {
        tokio::spawn(connecting).await.unwrap_or_else(|error| {
            Err(Failed {
                error: std::io::Error::other(error).into(),
                at: Instant::now(),
            })
        })
    }
    .boxed()
    .shared()
}

/// Whether the connection is of no more use, as opposed to one request.
fn is_bad(error: &RedisError) -> bool {
    error.is_io_error()
        || matches!(
            error.kind(),
            ErrorKind::Parse
                | ErrorKind::Client
                | ErrorKind::InvalidClientConfig
                | ErrorKind::AuthenticationFailed
                | ErrorKind::Server(ServerErrorKind::ReadOnly)
        )
}

/// For the log. Redis may repeat arguments in its errors: they are left out.
fn describe(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::AuthenticationFailed => "Redis refused the credentials".to_owned(),
        ErrorKind::Server(_) | ErrorKind::Extension => {
            let detail = error.detail().unwrap_or_default();
            let detail = detail.split(", with args").next().unwrap_or_default();
            format!("Redis answered {} {detail}", error.code().unwrap_or("an error"))
        }
        _ => format!("Redis: {error}"),
    }
}
