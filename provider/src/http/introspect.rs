//! `/introspect` (RFC 7662). Refresh tokens are answered as inactive: they are for the token endpoint only.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use oidc_protocol::error::{ErrorCode, OAuthError};
use oidc_protocol::introspect::{active, inactive, may_ask};
use serde_json::Value;

use super::access::{self, Access};
use super::error::{Failure, json_answer};
use super::extract::Caller;
use crate::app::App;
use crate::store::StoreError;

/// Answers whether a token is good, and what it says.
///
/// # Errors
/// `invalid_client` for a caller that proves nothing, `invalid_request` without a token.
pub async fn post(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Failure> {
    if caller.client.client().is_public() {
        // RFC 7662 §2.1: the endpoint must require authorization
        let error = OAuthError::new(
            ErrorCode::InvalidClient,
            "Introspection needs a client with a secret.",
        );
        return Err(error.into());
    }
    let token = caller.params.require("token")?;
    let answer = look(&app, &caller, token).await?.unwrap_or_else(inactive);
    Ok(json_answer(StatusCode::OK, answer.to_string()))
}

async fn look(app: &App, caller: &Caller, token: &str) -> Result<Option<Value>, StoreError> {
    let moment = &caller.moment;
    let Some(access) = Access::read(app, moment, token) else {
        return Ok(None);
    };
    if !may_ask(&caller.client, &access.token, moment.issuer()) {
        return Ok(None);
    }
    let user = match access.state(app, moment).await? {
        access::State::Revoked => return Ok(None),
        access::State::Client => return Ok(Some(active(&access.token, &access.client, None))),
        access::State::Login(session) => app.users.by_uid(&session.user_uid),
    };
    let allowed = |user: &Arc<oidc_crds::user::User>| {
        !user.disabled() && user.is_in_one_of(access.client.allowed_groups())
    };
    Ok(user
        .filter(allowed)
        .map(|user| active(&access.token, &access.client, Some(user.username()))))
}
