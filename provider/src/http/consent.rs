//! POST `/consent`: the answered consent form. The login's slot first: it checks the session, keeps the
//! consent there and stores the code; then the user's slot, where the consent is remembered. Until both are
//! done, nobody sees the code.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use jiff::SignedDuration;
use oidc_crds::names::Consent;
use oidc_crds::rng::SystemRng;
use oidc_protocol::authorize::{Next, next};
use oidc_protocol::error::{ErrorCode, OAuthError};
use oidc_protocol::records::{ConsentRecord, Session, user_key};

use super::audit;
use super::call::Calling;
use super::cookie;
use super::error::Failure;
use super::extract::Form;
use super::flow::Flow;
use super::moment::Moment;
use super::problem::Problem;
use super::way_back::WayBack;
use crate::app::App;
use crate::store::{NewConsent, StoredSession, opened};

/// How long a consent is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(365 * 24);

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
    let (mut flow, pending) = Flow::resume(&app, &call, &headers, &form.params)?;
    if pending.user_uid.is_empty() {
        let way_back = WayBack::client(&flow.client, Some(&flow.return_to));
        return Err(Failure::told(Problem::Forged).leading(way_back));
    }
    if form.params.get("decision") != Some("allow") {
        audit::consent(&call, "denied", None);
        let error = OAuthError::new(ErrorCode::AccessDenied, "The person did not allow it.");
        return Err(flow.refuse(error));
    }
    let Moment { ring, now, .. } = &flow.moment;
    let now = *now;
    let Some(handle) = cookie::session(&headers, flow.moment.issuer()) else {
        return Ok(flow.ask_to_sign_in());
    };
    let consent = ConsentRecord {
        scope: pending.consent_for,
        at: now,
    };
    let user_uid = pending.user_uid;
    let key = flow.consent_key();
    let sealed = consent.seal(ring, &user_uid, flow.client.grantee(), &mut SystemRng);
    let remember = flow.client.consent() == Consent::Remember;
    let (code, new) = flow.draw_code(handle.tag);
    let in_session = remember.then(|| NewConsent {
        key,
        record: sealed.clone(),
        session_only: flow.consents_in_session_only(),
    });
    let granted = app
        .store
        .grant(handle.tag, handle.digest(), in_session, new, now)
        .await;
    let granted = granted.map_err(|error| flow.refuse(error))?;
    let open = |stored: StoredSession| opened("session", Session::unseal(ring, handle.tag, &stored.record));
    let session = granted
        .map_or(Ok(None), open)
        .map_err(|error| flow.refuse(error))?
        // the form was another person's: the consent is sealed to them and means nothing in this session
        .filter(|session| session.user_uid == user_uid);
    let Some(session) = session else {
        return Ok(flow.ask_to_sign_in());
    };

    // the person has just been asked, whatever the request or the client says of asking
    flow.request.prompt.consent = false;
    let user = app.users.by_uid(&user_uid);
    let known = Some((&session, user.as_deref()));
    let decision = next(
        &flow.request,
        &flow.client,
        known,
        Some(&consent),
        pending.authenticated,
        now,
    );
    match decision.map_err(|error| flow.refuse(error))? {
        Next::Login => return Ok(flow.ask_to_sign_in()),
        Next::Issue | Next::Consent(_) => {}
    }
    if remember && !flow.consents_in_session_only() {
        let slot = user_key(&flow.moment.ring, &user_uid);
        let offline = flow.kept_login(handle.tag);
        let kept = app
            .store
            .remember_consent(&slot, key, sealed, now + REMEMBERED, offline, now)
            .await;
        kept.map_err(|error| flow.refuse(error))?;
    } else {
        let kept = flow.keep_login(&app, handle.tag, &user_uid).await;
        kept.map_err(|error| flow.refuse(error))?;
    }
    audit::consent(&call, "allowed", Some(&session.subject));
    Ok(flow.finish(&app, &code))
}
