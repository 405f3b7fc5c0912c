//! A login begins: index, then session.

use http::HeaderMap;
use oidc_crds::rng::SystemRng;
use oidc_protocol::handle::{LoginTag, SessionHandle};
use oidc_protocol::records::Session;

use crate::app::App;
use crate::http::cookie;
use crate::http::flow::Flow;
use crate::http::moment::Moment;
use crate::store::{ConsentKey, NewSession, StoreError, UserKey};

/// At most as many consents travel into a session; the rest is asked again.
const CONSENTS: usize = 64;

/// Begins a login, or goes on with that of the same person in this browser; the cookie's secret is new
/// either way. Index first, so that signing out everywhere misses no session.
///
/// # Errors
/// When the store is away.
pub(super) async fn begin(
    app: &App,
    flow: &Flow,
    headers: &HeaderMap,
    slot: &UserKey,
    mut session: Session,
    mut consents: Vec<(ConsentKey, Vec<u8>)>,
) -> Result<SessionHandle, StoreError> {
    let Moment {
        ring,
        now,
        installation,
        ..
    } = &flow.moment;
    let lifetimes = &installation.lifetimes;
    let mut tag = LoginTag::generate(&mut SystemRng);
    let earlier = match cookie::session(headers, flow.moment.issuer()) {
        None => None,
        Some(handle) => {
            let key = flow.consent_key();
            let stored = app
                .store
                .authorize(handle.tag, handle.digest(), key, None, *now)
                .await?;
            stored.map(|stored| (handle.tag, Session::unseal(ring, handle.tag, &stored.record).ok()))
        }
    };
    let mut ended = None;
    match earlier {
        Some((earlier, Some(old))) if old.user_uid == session.user_uid => {
            tag = earlier;
            session.created_at = old.created_at;
        }
        Some((earlier, _)) => ended = Some(earlier),
        None => {}
    }
    let until = *now + lifetimes.session.span();
    let evicted = app
        .store
        .index_login(
            slot,
            tag,
            until,
            lifetimes.sessions_per_user,
            flow.browser.digest(),
            *now,
        )
        .await?;
    for tag in evicted.into_iter().chain(ended) {
        app.store.end_session(tag, *now).await?;
    }
    let handle = SessionHandle::generate(tag, &mut SystemRng);
    consents.truncate(CONSENTS);
    let new = NewSession {
        cookie: handle.digest(),
        record: session.seal(ring, tag, &mut SystemRng),
        consents,
        until,
        idle: lifetimes.session_idle.0,
    };
    app.store.put_session(tag, new, *now).await?;
    Ok(handle)
}
