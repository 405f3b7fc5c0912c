//! `/end_session` (OpenID Connect RP-Initiated Logout 1.0): GET and POST are equal. Three round trips: one
//! reads the session, one ends it, one takes it out of its user's index. Unless the hint is a token of this
//! very login, the person is asked.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use oidc_crds::client::Client;
use oidc_crds::rng::SystemRng;
use oidc_protocol::end_session::{EndSession, PendingLogout, Target, read};
use oidc_protocol::handle::LoginTag;
use oidc_protocol::locale;
use oidc_protocol::params::Params;
use oidc_protocol::pending::csrf_token;
use oidc_protocol::records::Session;

use super::call::{Call, Calling};
use super::cookie::{self, Browser};
use super::error::{Failure, redirect};
use super::extract::{Form, QueryOrForm};
use super::flow::with_cookies;
use super::moment::{Moment, path_of};
use super::own_form::OwnForm;
use super::pages;
use super::problem::Problem;
use super::view::View;
use crate::app::App;
use crate::sessions;
use crate::store::{StoreError, opened};

/// GET and POST.
///
/// # Errors
/// On our own page.
pub async fn any(
    State(app): State<Arc<App>>,
    Calling(call): Calling,
    headers: HeaderMap,
    QueryOrForm { params, .. }: QueryOrForm,
) -> Result<Response, Failure> {
    end_session(&app, &call, &headers, &params).await
}

async fn end_session(
    app: &App,
    call: &Call,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Response, Failure> {
    call.note_language(params.get("ui_locales").and_then(locale::asked));
    let moment = Moment::load(app)?;
    let find = |id: &str| app.clients.get(id);
    let asked = read(params, find, &moment.keys.keys, moment.issuer())?;
    if let Some(client) = &asked.client {
        call.note_client(client);
    }
    let session = session(app, &moment, headers).await?;
    match session {
        Some((tag, session)) if asked.is_of(&session, tag, &moment.ring) => {
            sessions::sign_out(app, &moment.ring, &session.user_uid, tag, moment.now).await?;
        }
        Some((_, session)) => return Ok(ask(app, call, &moment, headers, asked, &session)),
        // nobody is signed in here: there is nothing to ask
        None => {}
    }
    Ok(signed_out(
        &call.view(),
        &moment,
        asked.target.as_ref(),
        asked.client.as_deref(),
    ))
}

/// POST `/end_session/confirm`: the answered form.
///
/// # Errors
/// On our own page: the form is not ours.
pub async fn confirm(
    State(app): State<Arc<App>>,
    Calling(call): Calling,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Failure> {
    let own = OwnForm::check(&app, &call, &headers, &form.params)?;
    let sealed = form.params.get("_request").unwrap_or_default();
    let logout = own.open(sealed, PendingLogout::unseal)?;
    call.note_language(logout.language);
    let moment = own.moment;
    let client = logout
        .client_uid
        .as_deref()
        .and_then(|uid| app.clients.by_grantee(uid));
    if let Some(client) = &client {
        call.note_client(client);
    }
    match form.params.get("decision") {
        Some("sign_out") => {}
        Some("stay") => return Ok(page(&call.view(), client.as_deref(), false)),
        _ => return Err(Failure::told(Problem::NoAnswer)),
    }
    if let Some((tag, session)) = session(&app, &moment, &headers).await? {
        sessions::sign_out(&app, &moment.ring, &session.user_uid, tag, moment.now).await?;
    }
    Ok(signed_out(
        &call.view(),
        &moment,
        logout.target(client.as_deref()),
        client.as_deref(),
    ))
}

/// The login of this browser; one round trip if it sent a cookie.
async fn session(
    app: &App,
    moment: &Moment,
    headers: &HeaderMap,
) -> Result<Option<(LoginTag, Session)>, StoreError> {
    let Some(handle) = cookie::session(headers, moment.issuer()) else {
        return Ok(None);
    };
    let stored = app.store.session(handle.tag, handle.digest(), moment.now).await?;
    let Some(stored) = stored else {
        return Ok(None);
    };
    let session = opened(
        "session",
        Session::unseal(&moment.ring, handle.tag, &stored.record),
    )?;
    Ok(session.map(|session| (handle.tag, session)))
}

/// "At the Logout Endpoint, the OP SHOULD ask the End-User whether to log out of the OP as well"
/// (RP-Initiated Logout §2).
fn ask(
    app: &App,
    call: &Call,
    moment: &Moment,
    headers: &HeaderMap,
    asked: EndSession,
    session: &Session,
) -> Response {
    let view = call.view();
    let browser = Browser::known_or_new(headers, moment.issuer());
    let client = asked.client.clone();
    let sealed = asked
        .pending(moment.now)
        .seal(&moment.ring, &browser.digest(), &mut SystemRng);
    let user = app.users.by_uid(&session.user_uid);
    let template = pages::EndSession {
        view: &view,
        form: pages::Form {
            action: format!("{}/end_session/confirm", path_of(moment.issuer())),
            csrf: &csrf_token(&moment.ring, &browser.digest()),
            request: &sealed,
        },
        client: client.as_deref().map(Client::display_name),
        username: user
            .as_ref()
            .map_or(session.subject.as_str(), |user| user.username()),
    };
    with_cookies(
        pages::page(&view, StatusCode::OK, &template),
        browser.cookies(moment.issuer()),
    )
}

/// Away to the proven target, or our own page; the cookie goes either way.
fn signed_out(view: &View, moment: &Moment, target: Option<&Target>, client: Option<&Client>) -> Response {
    let response = match target {
        Some(target) => redirect(&target.address()),
        None => page(view, client, true),
    };
    with_cookies(response, cookie::no_session(moment.issuer()))
}

fn page(view: &View, client: Option<&Client>, out: bool) -> Response {
    let template = pages::SignedOut {
        view,
        out,
        client: client.map(Client::display_name),
        home: client.and_then(Client::client_uri),
    };
    pages::page(view, StatusCode::OK, &template)
}
