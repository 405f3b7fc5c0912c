//! POST `/login`: the answered login form. Three round trips: the consents (before the password is hashed,
//! and for unknown names too), the user's index, the session; and those of the code, or of an earlier session
//! of this browser.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use oidc_crds::password;
use oidc_crds::rng::SystemRng;
use oidc_crds::seal::KeyRing;
use oidc_crds::user::User;
use oidc_protocol::authorize::{Next, next};
use oidc_protocol::error::{ErrorCode, OAuthError};
use oidc_protocol::handle::{LoginTag, SessionHandle};
use oidc_protocol::records::{Session, user_key};
use zeroize::Zeroizing;

use super::call::Calling;
use super::cookie;
use super::error::Failure;
use super::extract::Form;
use super::flow::{Flow, with_cookie};
use super::moment::Moment;
use crate::app::App;
use crate::store::{ConsentKey, NewSession, StoreError, UserKey};

/// At most as many consents travel into a session; the rest is asked again.
const CONSENTS: usize = 64;

/// Answers the form.
///
/// # Errors
/// On our own page while the form is not proven to be ours, by redirect afterwards.
pub async fn post(
    State(app): State<Arc<App>>,
    Calling(call): Calling,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Failure> {
    let (flow, _) = Flow::resume(&app, &call, &headers, &form.params)?;
    let Moment { ring, now, .. } = &flow.moment;
    let username = form.params.get("username").unwrap_or_default();
    let given = Zeroizing::new(form.params.get("password").unwrap_or_default().to_owned());

    let known = app.users.by_username(username);
    let slot = match &known {
        Some(user) => user_key(ring, user.uid()),
        None => user_key(ring, &format!("unknown#{username}")),
    };
    let read = app.store.consents(&slot, *now).await;
    let consents = read.map_err(|error| flow.refuse(error))?;
    let right = is_right(&app, ring, known.as_deref(), given).await;
    let Some(user) = known.filter(|_| right) else {
        app.metrics.login("wrong_credentials");
        let sealed = form.params.get("_request").unwrap_or_default();
        return Ok(flow.ask_again(sealed, username));
    };

    let session = Session {
        user_uid: user.uid().to_owned(),
        subject: user.subject().to_owned(),
        auth_time: *now,
        amr: vec!["pwd".to_owned()],
        created_at: *now,
    };
    let key = flow.consent_key();
    let consent = consents.iter().find(|(name, _)| *name == key);
    let consent = flow.consent_of(user.uid(), consent.map(|(_, sealed)| sealed.as_slice()));
    let known = Some((&session, Some(&*user)));
    // before anything is stored: a person who may not sign in leaves nothing behind
    let decision = next(&flow.request, &flow.client, known, consent.as_ref(), true, *now);
    let decision = decision.map_err(|error| {
        app.metrics.login("denied");
        flow.refuse(error)
    })?;
    let begun = begin(&app, &flow, &headers, &slot, session, consents).await;
    let handle = begun.map_err(|error| flow.refuse(error))?;
    app.metrics.login("success");

    let response = match decision {
        Next::Consent(scopes) => flow.ask_for_consent(&scopes, consent, &user, true),
        Next::Login => flow.ask_to_sign_in(),
        Next::Issue => {
            let (code, new) = flow.draw_code(handle.tag);
            let granted = app
                .store
                .grant(handle.tag, handle.digest(), None, new, *now)
                .await;
            if granted.map_err(|error| flow.refuse(error))?.is_none() {
                return Err(flow.refuse(OAuthError::new(
                    ErrorCode::LoginRequired,
                    "The session has ended.",
                )));
            }
            flow.finish(&app, &code)
        }
    };
    Ok(with_cookie(
        response,
        cookie::session_cookie(&handle, flow.moment.issuer()),
    ))
}

/// Whether the password is right. Takes as long for an unknown user, or one without a password.
async fn is_right(app: &App, ring: &KeyRing, user: Option<&User>, given: Zeroizing<String>) -> bool {
    let digest = user.and_then(|user| {
        let sealed = user.sealed_password()?;
        password::unseal(ring, user.uid(), sealed)
            .inspect_err(
                |error| tracing::warn!(user_uid = user.uid(), %error, "the password's digest does not open"),
            )
            .ok()
    });
    let exists = digest.is_some();
    let digest = Zeroizing::new(digest.unwrap_or_else(|| password::decoy().to_owned()));
    let Ok(slot) = app.password_slots.clone().acquire_owned().await else {
        return false;
    };
    let verify = tokio::task::spawn_blocking(move || {
        let right = password::verify(&digest, &given);
        drop(slot);
        right
    });
    verify.await.unwrap_or(false) && exists
}

/// Begins a login, or goes on with that of the same person in this browser; the cookie's secret is new
/// either way. Index first, so that signing out everywhere misses no session.
async fn begin(
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
        .index_login(slot, tag, until, lifetimes.sessions_per_user, *now)
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
