//! `/introspect` (RFC 7662): access tokens, and a client's own refresh tokens.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use oidc_crds::client::Client;
use oidc_crds::user::User;
use oidc_protocol::error::{ErrorCode, OAuthError};
use oidc_protocol::handle::RefreshToken;
use oidc_protocol::introspect::{active, active_refresh, inactive, may_ask};
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
            "Introspection needs a client that authenticates.",
        );
        return Err(error.into());
    }
    let token = caller.params.require("token")?;
    let answer = look(&app, &caller, token).await?.unwrap_or_else(inactive);
    Ok(json_answer(StatusCode::OK, answer.to_string()))
}

async fn look(app: &App, caller: &Caller, token: &str) -> Result<Option<Value>, StoreError> {
    let moment = &caller.moment;
    if RefreshToken::looks_like(token) {
        return look_at_refresh(app, caller, token).await;
    }
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
    Ok(user
        .filter(|user| may_use(user, &access.client))
        .map(|user| active(&access.token, &access.client, Some(user.username()))))
}

/// A refresh token is its client's alone: nobody else could read its mac.
async fn look_at_refresh(app: &App, caller: &Caller, token: &str) -> Result<Option<Value>, StoreError> {
    let moment = &caller.moment;
    let client = caller.client.client();
    let Some(refresh) = RefreshToken::parse(token, &moment.ring, client.grantee()) else {
        return Ok(None);
    };
    let state = app
        .store
        .refresh_state(refresh.family(), refresh.generation, moment.now);
    let Some((stored, ends)) = state.await? else {
        return Ok(None);
    };
    let Some((grant, session)) = stored.open(&moment.ring, refresh.tag)? else {
        return Ok(None);
    };
    let user = app.users.by_uid(&session.user_uid);
    Ok(user
        .filter(|user| may_use(user, client))
        .map(|user| active_refresh(client, &user, &grant, moment.issuer(), ends)))
}

fn may_use(user: &User, client: &Client) -> bool {
    !user.disabled() && user.is_in_one_of(client.allowed_groups())
}
