//! `/register` (RFC 7591), where it is open, or open to those who have a token; elsewhere there is nothing at this
//! address.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use oidc_crds::client::Client;
use oidc_crds::credentials::ClientSecret;
use oidc_crds::names::STANDARD_SCOPES;
use oidc_crds::secrets::installation::Installation;
use oidc_protocol::error::{ErrorCode, OAuthError};
use oidc_protocol::registration::{Access, parse, refused, response};
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::audit;
use super::call::Calling;
use super::error::{Failure, json_answer};
use super::extract;
use crate::app::{App, NewClient, NotRegistered, Registered, Registering, Registrar};
use permit::{Permit, Used};

pub mod manage;
mod permit;

/// Makes a client.
///
/// # Errors
/// As RFC 7591 §3.2.2.
pub async fn post(
    State(app): State<Arc<App>>,
    Calling(call): Calling,
    request: Request,
) -> Result<Response, Failure> {
    let registrar = app.registration().ok_or_else(Failure::not_found)?.clone();
    let (parts, content) = request.into_parts();
    let permit = Permit::read(&app, &parts.headers)?;
    if !extract::is_of_type(&parts.headers, "application/json") {
        return Err(extract::refused("The body must be of the type application/json."));
    }
    let body = extract::body(&parts.headers, content).await?;
    let installation = app.installation.load_full();
    let spec = parse(&body, &offered(&installation))?;
    let token = permit.as_ref().map(|permit| permit.name().to_owned());
    let used = match permit {
        Some(permit) => Some(permit.take(&app).await?),
        None => None,
    };
    let new = NewClient { spec, token };
    let token = new.token.clone();
    let (answer, made) = oneshot::channel();
    tokio::spawn(make(app.clone(), registrar, new, used, answer).in_current_span());
    let made = made
        .await
        .map_err(|_| Failure::broken("a registration came to no end"))?
        .map_err(failed)?;
    call.note_client(&made.client);
    audit::registration(&call, "created", token.as_deref());
    Ok(told(&app, StatusCode::CREATED, &made))
}

/// Goes on to its end whoever leaves meanwhile: what was made is either told to somebody, or removed again together
/// with the use that it took.
async fn make(
    app: Arc<App>,
    registrar: Arc<dyn Registrar>,
    new: NewClient,
    used: Option<Used>,
    answer: oneshot::Sender<Registering<Registered>>,
) {
    let made = registrar.register(&app, new).await;
    let mut is_left = made.is_ok();
    if let Err(Ok(made)) = answer.send(made) {
        is_left = registrar
            .remove(&app, &made.client, made.issued.access)
            .await
            .is_err();
    }
    if let Some(used) = used.filter(|_| !is_left) {
        used.give_back(&app).await;
    }
}

/// Scopes that a registration may have.
fn offered(installation: &Installation) -> Vec<&str> {
    let namespace = installation.registration.as_ref().map(|of| of.namespace.as_str());
    let granted = installation.grants.iter().filter(|grant| {
        let mut namespaces = grant.namespaces.iter();
        namespaces.any(|name| name == "*" || Some(name.as_str()) == namespace)
    });
    let granted = granted.flat_map(|grant| grant.scopes.iter().map(String::as_str));
    STANDARD_SCOPES.into_iter().chain(granted).collect()
}

/// The answer to a registration, or to a change of it.
fn told(app: &App, status: StatusCode, made: &Registered) -> Response {
    let secret = made.issued.secret.as_ref().map(ClientSecret::expose);
    json_answer(
        status,
        document(app, &made.client, secret, made.issued.access.expose()),
    )
}

/// Everything registered, and by what it is changed.
fn document(app: &App, client: &Client, secret: Option<&str>, token: &str) -> String {
    let issuer = &app.installation.load().issuer;
    let uri = format!("{issuer}/register/{}", client.client_id());
    let access = Access { uri: &uri, token };
    response(client, secret, client.created_at().as_second(), &access).to_string()
}

fn failed(why: NotRegistered) -> Failure {
    match why {
        NotRegistered::Refused(violations) => refused(&violations).into(),
        NotRegistered::Unknown => manage::unknown("the object is gone, or has another token by now"),
        NotRegistered::Unavailable(cause) => OAuthError::new(
            ErrorCode::TemporarilyUnavailable,
            "No client can be registered now: try again later.",
        )
        .because(cause)
        .into(),
    }
}
