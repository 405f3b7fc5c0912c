//! The logins of a user, beyond the one of a request: listed, and ended from elsewhere. A login is ended first
//! and leaves the index then, so that no session ever lives outside it.

use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use oidc_crds::seal::KeyRing;
use oidc_protocol::device::UNKNOWN;
use oidc_protocol::handle::LoginTag;
use oidc_protocol::records::{LoginRecord, consent_key, session_consent_key, user_key};

use crate::app::App;
use crate::store::{StoreError, StoredLogin, opened};

/// How many slots are asked at once.
const AT_ONCE: usize = 16;

/// An entry younger than this may be of a login whose session is just about to be written.
const BEGINNING: SignedDuration = SignedDuration::from_secs(60);

/// A login whose session lives.
pub struct LiveLogin {
    /// Its tag.
    pub tag: LoginTag,
    /// How it began.
    pub record: LoginRecord,
    /// When it was used last.
    pub last_seen: Timestamp,
}

/// The logins of a user whose sessions live, oldest entry first: a round trip, and one for each.
///
/// # Errors
/// When the store is away.
pub async fn list(
    app: &App,
    ring: &KeyRing,
    user_uid: &str,
    now: Timestamp,
) -> Result<Vec<LiveLogin>, StoreError> {
    let logins = app.store.logins(&user_key(ring, user_uid), now).await?;
    let seen = last_seen(app, logins, now).await?;
    let mut live = Vec::new();
    for (login, last_seen) in seen {
        if let Some(last_seen) = last_seen {
            live.push(LiveLogin {
                tag: login.tag,
                record: read(ring, user_uid, &login)?,
                last_seen,
            });
        }
    }
    Ok(live)
}

/// As [`list`]; and entries whose session has ended by idle time leave the index.
///
/// # Errors
/// When the store is away.
pub async fn list_and_tidy(
    app: &App,
    ring: &KeyRing,
    user_uid: &str,
    now: Timestamp,
) -> Result<Vec<LiveLogin>, StoreError> {
    let slot = user_key(ring, user_uid);
    let logins = app.store.logins(&slot, now).await?;
    let mut live = Vec::new();
    let mut ended = Vec::new();
    for (login, last_seen) in last_seen(app, logins, now).await? {
        match last_seen {
            Some(last_seen) => live.push(LiveLogin {
                tag: login.tag,
                record: read(ring, user_uid, &login)?,
                last_seen,
            }),
            None if now.duration_since(login.entered_at) > BEGINNING => ended.push(login.tag),
            None => {}
        }
    }
    if !ended.is_empty() {
        app.store.forget_logins(&slot, &ended).await?;
    }
    Ok(live)
}

/// Which logins of a user to end.
pub enum Which<'a> {
    /// The one whose tag reads like this, if it is the user's.
    Named(&'a str),
    /// All but this.
    AllBut(LoginTag),
    /// All.
    All,
}

/// Ends logins of a user; how many there were.
///
/// # Errors
/// When the store is away; those that are ended by then are.
pub async fn end(
    app: &App,
    ring: &KeyRing,
    user_uid: &str,
    which: Which<'_>,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let slot = user_key(ring, user_uid);
    let logins = app.store.logins(&slot, now).await?;
    let tags = logins.into_iter().map(|login| login.tag);
    let chosen: Vec<LoginTag> = match which {
        Which::Named(name) => tags.filter(|tag| tag.to_string() == name).collect(),
        Which::AllBut(kept) => tags.filter(|tag| *tag != kept).collect(),
        Which::All => tags.collect(),
    };
    let ends = stream::iter(chosen.clone()).map(|tag| app.store.end_login(tag, now));
    let ended: Vec<bool> = ends.buffer_unordered(AT_ONCE).try_collect().await?;
    if !chosen.is_empty() {
        app.store.forget_logins(&slot, &chosen).await?;
    }
    let ended = ended.into_iter().filter(|ended| *ended).count();
    tracing::info!(user_uid, sessions = ended, "sessions were ended by their user");
    Ok(ended)
}

/// Withdraws a user's consent to a client: it is removed where it is remembered, then from every login of the
/// user, with the client's codes and tokens there. A round trip, and one for each login. Lost half-way, it may
/// be done again.
///
/// # Errors
/// When the store is away.
pub async fn withdraw_consent(
    app: &App,
    ring: &KeyRing,
    user_uid: &str,
    client_uid: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let client = consent_key(ring, client_uid);
    let consents = [client, session_consent_key(ring, client_uid)];
    let slot = user_key(ring, user_uid);
    let tags = app.store.withdraw_consent(&slot, client, now).await?;
    let logins = tags.len();
    let forget = stream::iter(tags).map(|tag| app.store.forget_client(tag, client, consents, now));
    forget.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    tracing::info!(
        user_uid,
        client_uid,
        logins,
        "a consent was withdrawn by its user"
    );
    Ok(())
}

/// Ends one login, which is known to be the user's.
///
/// # Errors
/// When the store is away.
pub async fn sign_out(
    app: &App,
    ring: &KeyRing,
    user_uid: &str,
    tag: LoginTag,
    now: Timestamp,
) -> Result<(), StoreError> {
    app.store.end_session(tag, now).await?;
    app.store.forget_logins(&user_key(ring, user_uid), &[tag]).await
}

async fn last_seen(
    app: &App,
    logins: Vec<StoredLogin>,
    now: Timestamp,
) -> Result<Vec<(StoredLogin, Option<Timestamp>)>, StoreError> {
    let asked = stream::iter(logins).map(|login| async move {
        let seen = app.store.last_seen(login.tag, now).await?;
        Ok((login, seen))
    });
    asked.buffered(AT_ONCE).try_collect().await
}

/// A record whose ring version is gone hides no session: it must stay possible to end it.
fn read(ring: &KeyRing, user_uid: &str, login: &StoredLogin) -> Result<LoginRecord, StoreError> {
    let record = LoginRecord::unseal(ring, user_uid, login.tag, &login.record);
    Ok(opened("login", record)?.unwrap_or_else(|| LoginRecord {
        device: UNKNOWN.to_owned(),
        address: None,
        signed_in_at: login.entered_at,
    }))
}
