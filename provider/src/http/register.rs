//! `/register` (RFC 7591), where it is open, or open to those who have a token; elsewhere there is nothing at this
//! address.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use oidc_crds::names::STANDARD_SCOPES;
use oidc_protocol::error::{ErrorCode, OAuthError};
use oidc_protocol::registration::{parse, refused, response};

use super::audit;
use super::call::Calling;
use super::error::{Failure, json_answer};
use super::extract;
use crate::app::{App, NewClient, NotRegistered};
use permit::Permit;

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
    let registrar = app.registration().ok_or_else(Failure::not_found)?;
    let (parts, content) = request.into_parts();
    let permit = Permit::read(&app, &parts.headers)?;
    if !extract::is_of_type(&parts.headers, "application/json") {
        return Err(extract::refused("The body must be of the type application/json."));
    }
    let body = extract::body(&parts.headers, content).await?;
    let installation = app.installation.load_full();
    let namespace = installation.registration.as_ref().map(|of| of.namespace.as_str());
    let granted = installation.grants.iter().filter(|grant| {
        let mut namespaces = grant.namespaces.iter();
        namespaces.any(|name| name == "*" || Some(name.as_str()) == namespace)
    });
    let offered: Vec<&str> = STANDARD_SCOPES
        .into_iter()
        .chain(granted.flat_map(|grant| grant.scopes.iter().map(String::as_str)))
        .collect();
    let spec = parse(&body, &offered)?;
    let token = permit.as_ref().map(|permit| permit.name().to_owned());
    let used = match permit {
        Some(permit) => Some(permit.take(&app).await?),
        None => None,
    };
    let new = NewClient { spec, token };
    let token = new.token.clone();
    let made = registrar.register(&app, new).await;
    if let (Err(_), Some(used)) = (&made, used) {
        used.give_back(&app).await;
    }
    let (client, secret) = made.map_err(failed)?;
    call.note_client(&client);
    audit::registration(&call, "created", token.as_deref());
    let secret = secret.as_ref().map(|secret| secret.expose());
    let answer = response(&client, secret, client.created_at().as_second());
    Ok(json_answer(StatusCode::CREATED, answer.to_string()))
}

fn failed(why: NotRegistered) -> Failure {
    match why {
        NotRegistered::Refused(violations) => refused(&violations).into(),
        NotRegistered::Unavailable(cause) => OAuthError::new(
            ErrorCode::TemporarilyUnavailable,
            "No client can be registered now: try again later.",
        )
        .because(cause)
        .into(),
    }
}
