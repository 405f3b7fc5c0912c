//! `/register/{client_id}` (RFC 7592): a program reads, changes and deletes its own client with its registration access
//! token.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use oidc_crds::client::{Client, registration_scope};
use oidc_crds::credentials::ClientSecret;
use oidc_crds::registration::accepts;
use oidc_protocol::error::{ErrorCode, OAuthError};
use oidc_protocol::limits::shared::Share;
use oidc_protocol::registration::change;
use oidc_protocol::userinfo::bearer;
use tokio::time::timeout;

use super::{document, failed, offered, told};
use crate::app::{App, Change, Registrar};
use crate::http::audit;
use crate::http::call::{Call, Calling};
use crate::http::error::{Failure, json_answer};
use crate::http::extract;
use crate::router::below;

/// How long another pod's write may take to be known here: a program may ask any pod at once.
const WATCH: Duration = Duration::from_millis(500);

/// Changes of one client in a minute on this pod. Each reads and writes the API server, and every pod is told of it;
/// whoever has one registration access token could else make them without end.
const CHANGES: u32 = 10;

/// Everything registered (RFC 7592 §2.1).
///
/// # Errors
/// 401 for any other token, and where there is no such client.
pub async fn get(
    State(app): State<Arc<App>>,
    Calling(call): Calling,
    request: Request,
) -> Result<Response, Failure> {
    let own = Own::of(&app, &call, request.uri().path(), request.headers()).await?;
    let body = document(&app, &own.client, None, own.token.expose());
    Ok(json_answer(StatusCode::OK, body))
}

/// Replaces all metadata (RFC 7592 §2.2). The answer has the next registration access token.
///
/// # Errors
/// The same, and as a registration; 429 for too many changes of one client.
pub async fn put(
    State(app): State<Arc<App>>,
    Calling(call): Calling,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, content) = request.into_parts();
    let own = Own::of(&app, &call, parts.uri.path(), &parts.headers).await?;
    if !extract::is_of_type(&parts.headers, "application/json") {
        return Err(extract::refused("The body must be of the type application/json."));
    }
    let body = extract::body(&parts.headers, content).await?;
    let installation = app.installation.load_full();
    let change = Change {
        asked: change::parse(&body, &offered(&installation), &own.client)?,
        token: own.token,
    };
    let taken = app
        .registration_changes
        .take(own.client.uid(), Share::new(CHANGES, 1), app.clock.now());
    taken.map_err(|seconds| {
        app.metrics.rate_limited("registration_per_client");
        Failure::limited(seconds)
    })?;
    let made = own.registrar.replace(&app, &own.client, change).await;
    let made = made.map_err(failed)?;
    audit::registration(&call, "changed", None);
    Ok(told(&app, StatusCode::OK, &made))
}

/// Deletes the client (RFC 7592 §2.3).
///
/// # Errors
/// As [`get`].
pub async fn delete(
    State(app): State<Arc<App>>,
    Calling(call): Calling,
    request: Request,
) -> Result<Response, Failure> {
    let own = Own::of(&app, &call, request.uri().path(), request.headers()).await?;
    let removed = own.registrar.remove(&app, &own.client, own.token).await;
    removed.map_err(failed)?;
    audit::registration(&call, "deleted", None);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A client whose registration access token was presented.
struct Own {
    client: Arc<Client>,
    token: ClientSecret,
    registrar: Arc<dyn Registrar>,
}

impl Own {
    async fn of(app: &App, call: &Call, path: &str, headers: &HeaderMap) -> Result<Self, Failure> {
        let registrar = app.registration().ok_or_else(Failure::not_found)?.clone();
        let Some(token) = bearer(extract::authorization(headers)?, None)? else {
            return Err(Failure::no_credentials());
        };
        let token = ClientSecret::new(token.to_owned());
        let pepper = app.pepper.load_full().ok_or_else(|| {
            let error = OAuthError::new(
                ErrorCode::TemporarilyUnavailable,
                "Not everything is read yet: try again in a few seconds.",
            );
            error.because("the pepper was not read yet")
        })?;
        let client_id = below(path).unwrap_or_default();
        let look = || {
            let known = app
                .clients
                .get(client_id)
                .filter(|client| is_managed(app, client));
            let registration = known.as_ref().and_then(|client| client.registration());
            let scope = known.as_ref().map_or_else(
                || registration_scope("", client_id),
                |client| registration_scope(client.namespace(), client.name()),
            );
            let accepted = accepts(registration, &scope, &token, &pepper, app.clock.now());
            known.filter(|_| accepted)
        };
        // an unknown client is waited for like a token that is not good: both look the same
        let client = timeout(WATCH, app.clients.until(look)).await;
        let client = client.map_err(|_| unknown("no such client has this registration access token"))?;
        call.note_client(&client);
        Ok(Self {
            client,
            token,
            registrar,
        })
    }
}

/// Whether a client is where registration makes them.
fn is_managed(app: &App, client: &Client) -> bool {
    let installation = app.installation.load();
    let rules = installation.registration.as_ref();
    rules.is_none_or(|rules| rules.namespace == client.namespace())
}

/// The one answer to an unknown client and to a token that is not good (RFC 7592 §2.1).
pub(super) fn unknown(cause: &str) -> Failure {
    let error = OAuthError::new(
        ErrorCode::InvalidToken,
        "The registration access token is not good here, or no longer.",
    );
    Failure::bearer(error.because(cause))
}
