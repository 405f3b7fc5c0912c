//! `/token` (RFC 6749 §3.2): parse → authenticate → take → check → issue → respond, one arm a grant. Grants
//! that take something from the store have a file each.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use oidc_crds::rng::SystemRng;
use oidc_crds::user::User;
use oidc_protocol::error::{ErrorCode, OAuthError};
use oidc_protocol::handle::{FamilyId, LoginTag, RefreshToken};
use oidc_protocol::records::{GrantRecord, Session};
use oidc_protocol::token::client_credentials::{ClientCredentialsRequest, check};
use oidc_protocol::token::issue::{Issuance, Who, issue};
use oidc_protocol::token::{TokenRequest, TokenResponse};

use super::audit;
use super::call::Calling;
use super::error::{Failure, json_answer};
use super::extract::Caller;
use crate::app::App;
use crate::store::StoredGrant;

mod code;
mod refresh;

/// Answers a token request.
///
/// # Errors
/// As RFC 6749 §5.2.
pub async fn post(
    State(app): State<Arc<App>>,
    Calling(call): Calling,
    caller: Caller,
) -> Result<Response, Failure> {
    let client = caller.client.client();
    let limits = &caller.moment.installation.limits;
    let share = app.pods.share(limits.token_per_client, limits.pods);
    let taken = app
        .client_requests
        .take(client.grantee(), share, caller.moment.now);
    taken.map_err(|seconds| {
        app.metrics.rate_limited("token_per_client");
        Failure::limited(seconds)
    })?;
    let request = TokenRequest::parse(&caller.params, &caller.client)?;
    call.note_grant(request.grant_type());
    let response = match &request {
        TokenRequest::AuthorizationCode(request) => code::answer(&app, &caller, request).await?,
        TokenRequest::RefreshToken(request) => refresh::answer(&app, &caller, request).await?,
        TokenRequest::ClientCredentials(request) => client_credentials(&caller, request)?,
    };
    let body = serde_json::to_vec(&response)
        .map_err(|error| Failure::broken(format!("the answer is no JSON: {error}")))?;
    if client.is_public() {
        app.uses.note(client.grantee(), "", caller.moment.now);
    }
    app.metrics.token_issued(request.grant_type());
    audit::token(&call, request.grant_type());
    Ok(json_answer(StatusCode::OK, body))
}

fn client_credentials(caller: &Caller, request: &ClientCredentialsRequest) -> Result<TokenResponse, Failure> {
    let (scope, audience) = check(request, &caller.client, caller.moment.issuer())?;
    let tell = request.scope.as_ref() != Some(&scope);
    issued(caller, Who::Client, &scope, &audience, None, tell)
}

/// Signs.
fn issued(
    caller: &Caller,
    who: Who<'_>,
    scope: &[String],
    audience: &[String],
    refresh_token: Option<&RefreshToken>,
    tell_scope: bool,
) -> Result<TokenResponse, Failure> {
    let moment = &caller.moment;
    let issuance = Issuance {
        issuer: moment.issuer(),
        client: caller.client.client(),
        who,
        scope,
        audience,
        refresh_token,
        bound_to: caller.client.binding()?,
        tell_scope,
    };
    Ok(issue(
        &issuance,
        &moment.keys.keys,
        &moment.ring,
        moment.now,
        &mut SystemRng,
    )?)
}

/// Opens what the store keeps, and finds the person as they are now.
fn person(
    app: &App,
    caller: &Caller,
    tag: LoginTag,
    stored: &StoredGrant,
) -> Result<(GrantRecord, Session, Option<Arc<User>>), Failure> {
    let (grant, session) = stored.open(&caller.moment.ring, tag)?.ok_or_else(|| {
        bad(
            "The grant has ended: the person must sign in again.",
            "its ring version is gone",
        )
    })?;
    let user = app.users.by_uid(&session.user_uid);
    Ok((grant, session, user))
}

/// Ends what a redemption or rotation opened, since the request turned out to be bad.
async fn revoked(app: &App, family: FamilyId, failure: Failure) -> Failure {
    match app.store.revoke_family(family).await {
        Ok(()) => failure,
        Err(error) => error.into(),
    }
}

fn bad(description: &'static str, cause: &'static str) -> Failure {
    OAuthError::new(ErrorCode::InvalidGrant, description)
        .because(cause)
        .into()
}
