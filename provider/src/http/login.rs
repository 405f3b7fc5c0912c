//! POST `/login`: the answered login form. Three round trips: an attempt is taken and the consents are read
//! (before the password is hashed, and for unknown names too), the user's index, the session; and those of
//! the code, or of an earlier session of this browser. Where addresses are known, one more before all: an
//! attempt from the address. A login that finds no place to be hashed costs none.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use oidc_protocol::authorize::{Next, next};
use oidc_protocol::error::{ErrorCode, OAuthError};
use oidc_protocol::first_party::PendingPage;
use oidc_protocol::pending::PendingError;

use super::account;
use super::audit;
use super::call::Calling;
use super::cookie;
use super::error::Failure;
use super::extract::Form;
use super::flow::{Flow, with_cookies};
use super::own_form::{self, OwnForm};
use crate::app::App;
use begin::{Begun, Place};
use credentials::Checked;

pub mod begin;
pub mod credentials;
pub mod limit;
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
    let own = OwnForm::check(&app, &call, &headers, &form.params)?;
    let sealed = form.params.get("_request").unwrap_or_default();
    let page = PendingPage::unseal(&own.moment.ring, &own.browser.digest(), sealed, own.moment.now);
    let flow = match page {
        Ok(_) => return account::sign_in(&app, &call, own, &headers, &form.params).await,
        Err(PendingError::Expired) => return Err(own_form::unsealed(PendingError::Expired, &own.moment)),
        // not of that kind
        Err(PendingError::Forged) => Flow::take_up(&app, &call, own, sealed)?.0,
    };
    let now = &flow.moment.now;
    let checked = credentials::check(&app, &call, &flow.moment, &flow.browser, &form.params).await;
    let person = match checked.map_err(|error| flow.refuse(error))? {
        Checked::Right(person) => person,
        Checked::Again(why) => {
            let username = form.params.get("username").unwrap_or_default();
            return Ok(flow.ask_again(sealed, username, why));
        }
        Checked::Declined => {
            let error = OAuthError::new(ErrorCode::AccessDenied, "The person did not sign in.");
            return Err(flow.refuse(error));
        }
    };
    let session = person.session(*now);
    let user = person.user.clone();
    let key = flow.consent_key();
    let place = Place::find(&app, &flow.moment, &flow.browser, &headers, Some(key)).await;
    let place = place.map_err(|error| flow.refuse(error))?;
    let consent = if flow.consents_in_session_only() {
        place.consent()
    } else {
        let consent = person.consents.iter().find(|(name, _)| *name == key);
        consent.map(|(_, sealed)| sealed.as_slice())
    };
    let consent = flow.consent_of(user.uid(), consent);
    let consent = consent.map_err(|error| flow.refuse(error))?;
    let known = Some((&session, Some(&*user)));
    // before anything is stored: a person who may not sign in leaves nothing behind
    let decision = next(&flow.request, &flow.client, known, consent.as_ref(), true, *now);
    let decision = decision.map_err(|error| {
        app.metrics.login("denied");
        audit::login(&call, "denied", Some(user.subject()));
        flow.refuse(error)
    })?;
    let begun = begin::begin(&app, &flow.moment, place, session, person).await;
    let handle = match begun.map_err(|error| flow.refuse(error))? {
        Begun::Signed(handle) => handle,
        Begun::Full(sessions) => {
            app.metrics.login("session_limit");
            return Ok(limit::page(
                &flow.view,
                &flow.moment,
                &flow.browser,
                sealed,
                &user,
                &sessions,
            ));
        }
        Begun::Ended => return Ok(flow.ask_to_sign_in()),
    };
    app.metrics.login("success");
    audit::login(&call, "success", Some(user.subject()));
    // the secret in the browser's old cookie, if it has one, is worth nothing any more
    let cookie = cookie::session_cookie(&handle, flow.moment.issuer());
    let refuse = |error: Failure| flow.refuse(error).with_cookie(cookie.clone());

    let response = match decision {
        Next::Consent(scopes) => flow.ask_for_consent(&scopes, consent, &user, true),
        Next::Login => flow.ask_to_sign_in(),
        Next::Issue => {
            let (code, new) = flow.draw_code(handle.tag);
            let granted = app
                .store
                .grant(handle.tag, handle.digest(), None, new, *now)
                .await;
            if granted.map_err(|error| refuse(error.into()))?.is_none() {
                let error = OAuthError::new(ErrorCode::LoginRequired, "The session has ended.");
                return Err(refuse(error.into()));
            }
            flow.finish(&app, &code)
        }
    };
    Ok(with_cookies(response, cookie))
}
