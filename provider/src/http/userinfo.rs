//! `/userinfo` (OpenID Connect Core §5.3): GET, or POST with the token in header or body.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{Method, StatusCode};
use oidc_protocol::error::{ErrorCode, OAuthError};
use oidc_protocol::params::Params;
use oidc_protocol::userinfo;

use super::access::{self, Access};
use super::call::{Call, Calling};
use super::error::{Failure, json_answer};
use super::extract::{FORM, authorization, body, is_of_type, refuse_secrets_in};
use super::moment::Moment;
use crate::app::App;
use crate::mtls;

/// Answers with the person's claims.
///
/// # Errors
/// As RFC 6750 §3.1.
pub async fn any(
    State(app): State<Arc<App>>,
    Calling(call): Calling,
    request: Request,
) -> Result<Response, Failure> {
    answer(&app, &call, request).await
}

async fn answer(app: &App, call: &Call, request: Request) -> Result<Response, Failure> {
    let (parts, content) = request.into_parts();
    refuse_secrets_in(&parts.uri).map_err(Failure::bearer)?;
    let form = if parts.method == Method::POST && is_of_type(&parts.headers, FORM) {
        let bytes = body(&parts.headers, content).await?;
        Some(Params::parse(&bytes).map_err(Failure::bearer)?)
    } else {
        None
    };
    let header = authorization(&parts.headers).map_err(Failure::bearer)?;
    let Some(token) = userinfo::bearer(header, form.as_ref()).map_err(Failure::bearer)? else {
        return Err(Failure::no_credentials());
    };
    let moment = Moment::load(app)?;
    let access = Access::read(app, &moment, token).ok_or_else(|| {
        refused(
            ErrorCode::InvalidToken,
            "The access token is not good or has expired.",
        )
    })?;
    call.note_client(&access.client);
    if access.token.bound_to().is_some() {
        let shown = mtls::of_request(app, &parts);
        let thumbprint = shown
            .as_ref()
            .ok()
            .and_then(Option::as_ref)
            .map(|one| one.thumbprint());
        let held = userinfo::held(&access.token, thumbprint.as_deref());
        held.map_err(|error| {
            Failure::bearer(match shown {
                Err(why) => error.because(format!("a certificate was shown that cannot be read: {why}")),
                Ok(_) => error,
            })
        })?;
    }
    let session = match access.state(app, &moment).await? {
        access::State::Login(session) => session,
        access::State::Client => {
            return Err(refused(
                ErrorCode::InsufficientScope,
                "The access token speaks of no person: the scope openid is needed.",
            ));
        }
        access::State::Revoked => {
            return Err(refused(
                ErrorCode::InvalidToken,
                "The access token was revoked or its session ended.",
            ));
        }
    };
    let user = app.users.by_uid(&session.user_uid);
    let claims = userinfo::answer(
        &access.token,
        &access.client,
        &session,
        user.as_deref(),
        moment.issuer(),
    )
    .map_err(Failure::bearer)?;
    let body = serde_json::Value::Object(claims).to_string();
    Ok(json_answer(StatusCode::OK, body))
}

fn refused(code: ErrorCode, description: &'static str) -> Failure {
    Failure::bearer(OAuthError::new(code, description))
}
