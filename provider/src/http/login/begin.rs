//! A login begins: index, then session.

use http::HeaderMap;
use http::header::USER_AGENT;
use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::installation::AtSessionLimit;
use oidc_protocol::device::device;
use oidc_protocol::handle::{LoginTag, SessionHandle};
use oidc_protocol::records::{LoginRecord, Session};

use super::credentials::Person;
use crate::app::App;
use crate::http::cookie::{self, Browser};
use crate::http::moment::Moment;
use crate::sessions::{self, LiveLogin};
use crate::store::{Indexed, LoginLimit, NewLogin, NewSession, StoreError};

/// At most as many consents travel into a session; the rest is asked again.
const CONSENTS: usize = 64;

/// Outcome of a login.
pub enum Begun {
    /// It has a session now, with this cookie.
    Signed(SessionHandle),
    /// The person has as many sessions as may be: these, oldest first.
    Full(Vec<LiveLogin>),
    /// The person signed out everywhere at this very moment.
    Ended,
}

/// Begins a login, or goes on with that of the same person in this browser; the cookie's secret is new
/// either way. Index first, so that signing out everywhere misses no session.
///
/// # Errors
/// When the store is away.
pub async fn begin(
    app: &App,
    moment: &Moment,
    browser: &Browser,
    headers: &HeaderMap,
    mut session: Session,
    person: Person,
) -> Result<Begun, StoreError> {
    let Moment {
        ring,
        now,
        installation,
        ..
    } = moment;
    let lifetimes = &installation.lifetimes;
    let mut tag = LoginTag::generate(&mut SystemRng);
    let earlier = match cookie::session(headers, moment.issuer()) {
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
        browser: browser.digest(),
    };
    let limit = LoginLimit {
        most: lifetimes.sessions_per_user,
        refuse: lifetimes.at_session_limit == AtSessionLimit::Refuse && !person.end_oldest,
    };
    let entered = app
        .store
        .index_login(&person.slot, login.clone(), limit, *now)
        .await?;
    let evicted = match entered {
        Indexed::Entered(evicted) => evicted,
        Indexed::Full => {
            // sessions that ended unused count no more
            let live = sessions::list_and_tidy(app, ring, &session.user_uid, *now).await?;
            match app.store.index_login(&person.slot, login, limit, *now).await? {
                Indexed::Entered(evicted) => evicted,
                Indexed::Full => return Ok(Begun::Full(live)),
            }
        }
    };
    for tag in evicted.into_iter().chain(ended) {
        app.store.end_login(tag, *now).await?;
    }
    let handle = SessionHandle::generate(tag, &mut SystemRng);
    let mut consents = person.consents;
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
