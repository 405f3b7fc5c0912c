//! `/authorize` (RFC 6749 §3.1, OpenID Connect Core §3.1.2): GET and POST are equal. With a session that
//! will do, the code is stored in the same round trip that reads the session.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use oidc_protocol::authorize::{Next, check, next, prove_client};
use oidc_protocol::handle::Code;
use oidc_protocol::locale;
use oidc_protocol::params::Params;
use oidc_protocol::records::Session;

use super::call::{Call, Calling};
use super::cookie::{self, Browser};
use super::error::Failure;
use super::extract::{QueryOrForm, refused};
use super::flow::Flow;
use super::moment::Moment;
use crate::app::App;
use crate::store::{StoreError, StoredSession, opened};

/// All parameters together, in bytes as encoded: they travel through our forms.
const MAX_REQUEST: usize = 16 * 1024;

/// GET and POST.
///
/// # Errors
/// On our own page, or by redirect once the client is proven.
pub async fn any(
    State(app): State<Arc<App>>,
    Calling(call): Calling,
    headers: HeaderMap,
    QueryOrForm { params, length }: QueryOrForm,
) -> Result<Response, Failure> {
    call.note_language(params.get("ui_locales").and_then(locale::asked));
    if length > MAX_REQUEST {
        return Err(refused("The authorization request is longer than 16 KiB."));
    }
    authorize(&app, &call, &headers, &params).await
}

async fn authorize(
    app: &App,
    call: &Call,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Response, Failure> {
    let moment = Moment::load(app)?;
    let (client, return_to) = prove_client(params, |id| app.clients.get(id), moment.issuer())?;
    call.note_client(&client);
    let request = check(params, &client, &return_to, &moment.keys.keys)
        .map_err(|error| Failure::redirect(&return_to, error))?;
    let browser = Browser::known_or_new(headers, moment.issuer());
    let flow = Flow {
        view: call.view(),
        moment,
        client,
        request,
        return_to,
        browser,
    };

    let read = read_session(app, &flow, headers).await;
    let found = read.map_err(|error| flow.refuse(error))?;
    let user = found
        .as_ref()
        .and_then(|found| app.users.by_uid(&found.session.user_uid));
    let consent = match &found {
        Some(found) => flow.consent_of(&found.session.user_uid, found.stored.consent.as_deref()),
        None => Ok(None),
    };
    let consent = consent.map_err(|error| flow.refuse(error))?;
    let known = found.as_ref().map(|found| (&found.session, user.as_deref()));
    let decision = next(
        &flow.request,
        &flow.client,
        known,
        consent.as_ref(),
        false,
        flow.moment.now,
    );
    match (decision.map_err(|error| flow.refuse(error))?, found, user) {
        (Next::Issue, Some(found), _) => {
            let kept = flow
                .keep_login(app, found.code.tag, &found.session.user_uid)
                .await;
            kept.map_err(|error| flow.refuse(error))?;
            Ok(flow.finish(app, &found.code))
        }
        (Next::Consent(scopes), _, Some(user)) => Ok(flow.ask_for_consent(&scopes, consent, &user, false)),
        _ => Ok(flow.ask_to_sign_in()),
    }
}

/// The session of the browser, with the code that was stored beside it.
struct Found {
    stored: StoredSession,
    session: Session,
    code: Code,
}

/// One round trip; none without a cookie, or when the person must sign in anyway.
async fn read_session(app: &App, flow: &Flow, headers: &HeaderMap) -> Result<Option<Found>, StoreError> {
    let Some(handle) = cookie::session(headers, flow.moment.issuer()).filter(|_| !flow.request.prompt.login)
    else {
        return Ok(None);
    };
    let Moment { ring, now, .. } = &flow.moment;
    let (code, new) = flow.draw_code(handle.tag);
    let stored = app
        .store
        .authorize(handle.tag, handle.digest(), flow.consent_key(), Some(new), *now)
        .await?;
    let Some(stored) = stored else {
        return Ok(None);
    };
    let session = opened("session", Session::unseal(ring, handle.tag, &stored.record))?;
    Ok(session.map(|session| Found {
        stored,
        session,
        code,
    }))
}
