//! A login begins: index, then session.

use http::HeaderMap;
use http::header::USER_AGENT;
use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::installation::AtSessionLimit;
use oidc_protocol::device::device;
use oidc_protocol::handle::{LoginTag, SessionHandle};
use oidc_protocol::records::{LoginRecord, Session, user_key};

use super::credentials::Person;
use crate::app::App;
use crate::http::cookie::{self, Browser};
use crate::http::moment::Moment;
use crate::sessions::{self, LiveLogin};
use crate::store::{ConsentKey, Indexed, LoginLimit, NewLogin, NewSession, StoreError, opened};

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

/// Where a login begins.
pub struct Place<'a> {
    browser: &'a Browser,
    headers: &'a HeaderMap,
    earlier: Option<Earlier>,
}

/// The login that a browser is in already.
struct Earlier {
    tag: LoginTag,
    /// `None`: it has ended with its ring version.
    session: Option<Session>,
    consent: Option<Vec<u8>>,
}

impl<'a> Place<'a> {
    /// Reads the login that the browser is in, and the consent of this name with it; one round trip if the
    /// browser sent a session cookie.
    ///
    /// # Errors
    /// When the store is away, or what it holds makes no sense.
    pub async fn find(
        app: &App,
        moment: &Moment,
        browser: &'a Browser,
        headers: &'a HeaderMap,
        consent: Option<ConsentKey>,
    ) -> Result<Self, StoreError> {
        let mut earlier = None;
        if let Some(handle) = cookie::session(headers, moment.issuer()) {
            let (tag, cookie) = (handle.tag, handle.digest());
            let read = match consent {
                Some(consent) => app.store.authorize(tag, cookie, consent, None, moment.now),
                None => app.store.session(tag, cookie, moment.now),
            };
            if let Some(stored) = read.await? {
                earlier = Some(Earlier {
                    tag,
                    session: opened("session", Session::unseal(&moment.ring, tag, &stored.record))?,
                    consent: stored.consent,
                });
            }
        }
        Ok(Self {
            browser,
            headers,
            earlier,
        })
    }

    /// The consent that was asked for, as sealed for whoever is signed in here.
    #[must_use]
    pub fn consent(&self) -> Option<&[u8]> {
        self.earlier.as_ref()?.consent.as_deref()
    }
}

/// Begins a login, or goes on with that of the same person in this browser; the cookie's secret is new
/// either way. Index first, so that signing out everywhere misses no session.
///
/// # Errors
/// When the store is away.
pub async fn begin(
    app: &App,
    moment: &Moment,
    place: Place<'_>,
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
    let mut ended = None;
    match place.earlier.map(|earlier| (earlier.tag, earlier.session)) {
        Some((earlier, Some(old))) if old.user_uid == session.user_uid => {
            tag = earlier;
            session.created_at = old.created_at;
        }
        other => ended = other,
    }
    let until = *now + lifetimes.session.span();
    let user_agent = place
        .headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok());
    let record = LoginRecord {
        device: device(user_agent.unwrap_or_default()),
        address: None,
        signed_in_at: session.created_at,
    };
    let login = NewLogin {
        tag,
        record: record.seal(ring, &session.user_uid, tag, &mut SystemRng),
        until,
        browser: place.browser.digest(),
    };
    let mut limit = LoginLimit {
        most: lifetimes.sessions_per_user,
        refuse: true,
    };
    let entered = app
        .store
        .index_login(&person.slot, login.clone(), limit, *now)
        .await?;
    let evicted = match entered {
        Indexed::Entered(evicted) => evicted,
        Indexed::Full => {
            limit.refuse = lifetimes.at_session_limit == AtSessionLimit::Refuse && !person.end_oldest;
            // sessions that ended unused count no more: no live one gives way to them
            let live = sessions::list_and_tidy(app, ring, &session.user_uid, *now).await?;
            match app.store.index_login(&person.slot, login, limit, *now).await? {
                Indexed::Entered(evicted) => evicted,
                Indexed::Full => return Ok(Begun::Full(live)),
            }
        }
    };
    for tag in evicted.into_iter().chain(ended.iter().map(|(tag, _)| *tag)) {
        app.store.end_login(tag, *now).await?;
    }
    if let Some((tag, Some(old))) = ended {
        app.store
            .forget_logins(&user_key(ring, &old.user_uid), &[tag])
            .await?;
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
