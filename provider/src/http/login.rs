//! POST `/login`: the answered login form. Three round trips: an attempt is taken and the consents are read
//! (before the password is hashed, and for unknown names too), the user's index, the session; and those of
//! the code, or of an earlier session of this browser.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use oidc_crds::rng::SystemRng;
use oidc_protocol::authorize::{Next, next};
use oidc_protocol::error::{ErrorCode, OAuthError};
use oidc_protocol::records::{Session, user_key};
use rand_core::Rng;
use zeroize::Zeroizing;

use super::call::Calling;
use super::cookie;
use super::error::Failure;
use super::extract::Form;
use super::flow::{Flow, with_cookie};
use super::moment::Moment;
use crate::app::App;
use crate::store::{Account, Attempt, NewAttempt};
use begin::Begun;

mod begin;
mod password;

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
    let mut attempt = [0; 16];
    SystemRng.fill_bytes(&mut attempt);
    let attempt = NewAttempt {
        account: if known.is_some() {
            Account::Known(slot)
        } else {
            Account::Unknown(slot)
        },
        browser: flow.browser.digest(),
        attempt,
        free: flow.moment.installation.limits.login_per_account,
    };
    let taken = app.store.begin_login(attempt, *now).await;
    let consents = match taken.map_err(|error| flow.refuse(error))? {
        Attempt::Taken(consents) => consents,
        Attempt::Wait(milliseconds) => {
            app.metrics.login("limited");
            app.metrics.rate_limited("login_per_account");
            let sealed = form.params.get("_request").unwrap_or_default();
            return Ok(flow.ask_later(sealed, username, milliseconds));
        }
    };
    let right = password::is_right(&app, ring, known.as_deref(), given).await;
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
    let begun = begin::begin(&app, &flow, &headers, &slot, session, consents).await;
    let handle = match begun.map_err(|error| flow.refuse(error))? {
        Begun::Signed(handle) => handle,
        Begun::Full | Begun::Ended => return Ok(flow.ask_to_sign_in()),
    };
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
