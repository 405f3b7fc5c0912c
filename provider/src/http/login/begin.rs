//! A login begins: index, then session.

use http::HeaderMap;
use http::header::USER_AGENT;
use oidc_crds::rng::SystemRng;
use oidc_protocol::device::device;
use oidc_protocol::handle::{LoginTag, SessionHandle};
use oidc_protocol::records::{LoginRecord, Session};

use crate::app::App;
use crate::http::cookie;
use crate::http::flow::Flow;
use crate::http::moment::Moment;
use crate::store::{ConsentKey, Indexed, LoginLimit, NewLogin, NewSession, StoreError, UserKey};

/// At most as many consents travel into a session; the rest is asked again.
const CONSENTS: usize = 64;

/// Outcome of a login.
pub(super) enum Begun {
    /// It has a session now, with this cookie.
    Signed(SessionHandle),
    /// The person has as many sessions as may be.
    Full,
    /// The person signed out everywhere at this very moment.
    Ended,
}

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
) -> Result<Begun, StoreError> {
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
            let stored = app.store.session(handle.tag, handle.digest(), *now).await?;
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
    let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    let record = LoginRecord {
        device: device(user_agent.unwrap_or_default()),
        address: None,
        signed_in_at: session.created_at,
    };
    let login = NewLogin {
        tag,
        record: record.seal(ring, &session.user_uid, tag, &mut SystemRng),
        until,
        browser: flow.browser.digest(),
    };
    let limit = LoginLimit {
        most: lifetimes.sessions_per_user,
        refuse: false,
    };
    let Indexed::Entered(evicted) = app.store.index_login(slot, login, limit, *now).await? else {
        return Ok(Begun::Full);
    };
    for tag in evicted.into_iter().chain(ended) {
        app.store.end_login(tag, *now).await?;
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
    if app.store.put_session(tag, new, *now).await? {
        Ok(Begun::Signed(handle))
    } else {
        Ok(Begun::Ended)
    }
}
