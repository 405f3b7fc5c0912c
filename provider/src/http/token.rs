//! `/token` (RFC 6749 §3.2): parse → authenticate → take → check → issue → respond, one arm a grant. The
//! only file that sees the store and the tokens together.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use oidc_crds::names::GrantType;
use oidc_crds::rng::SystemRng;
use oidc_crds::user::User;
use oidc_protocol::error::{ErrorCode, OAuthError};
use oidc_protocol::handle::{FamilyId, LoginTag, RefreshToken, family_of};
use oidc_protocol::records::{GrantRecord, Session};
use oidc_protocol::token::authorization_code::{CodeRequest, redeem};
use oidc_protocol::token::client_credentials::{ClientCredentialsRequest, check as check_client};
use oidc_protocol::token::issue::{Issuance, Who, issue};
use oidc_protocol::token::refresh_token::{RefreshRequest, check as check_refresh};
use oidc_protocol::token::{TokenRequest, TokenResponse};
use rand_core::Rng;

use super::call::Calling;
use super::error::{Failure, json_answer};
use super::extract::Caller;
use super::moment::Moment;
use crate::app::App;
use crate::store::{Opening, Redeemed, Rotated, Rotation, StoredGrant};

/// Answers a token request.
///
/// # Errors
/// As RFC 6749 §5.2.
pub async fn post(
    State(app): State<Arc<App>>,
    Calling(call): Calling,
    caller: Caller,
) -> Result<Response, Failure> {
    let request = TokenRequest::parse(&caller.params, &caller.client)?;
    call.note_grant(request.grant_type());
    let response = match &request {
        TokenRequest::AuthorizationCode(request) => code(&app, &caller, request).await?,
        TokenRequest::RefreshToken(request) => refresh(&app, &caller, request).await?,
        TokenRequest::ClientCredentials(request) => client_credentials(&caller, request)?,
    };
    let body = serde_json::to_vec(&response)
        .map_err(|error| Failure::broken(format!("the answer is no JSON: {error}")))?;
    app.metrics.token_issued(request.grant_type());
    Ok(json_answer(StatusCode::OK, body))
}

async fn code(app: &App, caller: &Caller, request: &CodeRequest) -> Result<TokenResponse, Failure> {
    let Moment { ring, now, .. } = &caller.moment;
    let client = caller.client.client();
    let lifetimes = client.lifetimes();
    let tag = request.code.tag;
    let seed = RefreshToken::seed(&mut SystemRng);
    let family = family_of(tag, seed);
    let mut attempt = [0; 16];
    SystemRng.fill_bytes(&mut attempt);
    let refreshes = client.allows_grant(GrantType::RefreshToken);
    let opening = Opening {
        family,
        ring_version: ring.current(),
        tokens_until: *now + lifetimes.access_token.span(),
        refresh: refreshes.then(|| {
            (
                *now + lifetimes.refresh_token.span(),
                lifetimes.refresh_token_idle.0,
            )
        }),
        bound_to_session: true,
    };
    let stored = match app
        .store
        .redeem_code(request.code.digest(), attempt, opening, *now)
        .await?
    {
        Redeemed::Taken(stored) => stored,
        Redeemed::Replayed(_) => return Err(bad_code("it was redeemed before; its family is revoked now")),
        Redeemed::Unknown => return Err(bad_code("there is none")),
    };
    // the code is gone whatever is found now: one attempt (tok_04)
    let checked = person(app, caller, tag, &stored).and_then(|(grant, session, user)| {
        redeem(&grant, request, &caller.client, *now)?;
        let user = user
            .filter(|user| !user.disabled() && user.is_in_one_of(client.allowed_groups()))
            .ok_or_else(|| bad_code("the person is gone, disabled or outside the client's groups"))?;
        Ok((grant, session, user))
    });
    let (grant, session, user) = match checked {
        Ok(all) => all,
        Err(failure) => return Err(revoked(app, family, failure).await),
    };
    let first = refreshes
        .then(|| RefreshToken::derive(ring, ring.current(), client.uid(), tag, seed, 0))
        .flatten();
    let who = Who::Person {
        user: &user,
        session: &session,
        grant: &grant,
        family,
        first: true,
    };
    answer(
        caller,
        who,
        &grant.scope,
        &grant.audience,
        first.as_ref(),
        grant.scope_changed,
    )
}

async fn refresh(app: &App, caller: &Caller, request: &RefreshRequest) -> Result<TokenResponse, Failure> {
    let Moment { ring, now, .. } = &caller.moment;
    let client = caller.client.client();
    let lifetimes = client.lifetimes();
    // a wrong mac, or another client's token, costs no round trip and revokes nothing
    let presented = RefreshToken::parse(&request.refresh_token, ring, client.uid())
        .ok_or_else(|| bad_refresh("it is no refresh token of this client"))?;
    let family = presented.family();
    let rotation = Rotation {
        family,
        generation: presented.generation,
        ring_version: ring.current(),
        grace: lifetimes.refresh_grace.0,
        tokens_until: *now + lifetimes.access_token.span(),
    };
    let (stored, version) = match app.store.rotate_refresh(rotation, *now).await? {
        Rotated::Rotated(stored) => (stored, ring.current()),
        Rotated::Repeated(stored, version) => (stored, version),
        Rotated::Reused(_) => return Err(bad_refresh("it was used before; its family is revoked now")),
        Rotated::Unknown => return Err(bad_refresh("its family or its session has ended")),
    };
    let checked = person(app, caller, presented.tag, &stored).and_then(|(grant, session, user)| {
        let scope = check_refresh(&grant, &session, user.as_deref(), request, &caller.client)?;
        let user = user.ok_or_else(|| bad_refresh("the person is gone"))?;
        Ok((grant, session, user, scope))
    });
    let (grant, session, user, scope) = match checked {
        Ok(all) => all,
        Err(failure) if failure.code() == ErrorCode::InvalidGrant => {
            return Err(revoked(app, family, failure).await);
        }
        Err(failure) => return Err(failure),
    };
    let successor = presented
        .successor(ring, version, client.uid())
        .ok_or_else(|| bad_refresh("the ring version of its successor is gone"))?;
    let who = Who::Person {
        user: &user,
        session: &session,
        grant: &grant,
        family,
        first: false,
    };
    answer(
        caller,
        who,
        &scope,
        &grant.audience,
        Some(&successor),
        scope != grant.scope,
    )
}

fn client_credentials(caller: &Caller, request: &ClientCredentialsRequest) -> Result<TokenResponse, Failure> {
    let (scope, audience) = check_client(request, &caller.client, caller.moment.issuer())?;
    let tell = request.scope.as_ref() != Some(&scope);
    answer(caller, Who::Client, &scope, &audience, None, tell)
}

fn answer(
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
    let ring = &caller.moment.ring;
    let sealed = |_| bad_code("its record does not open");
    let grant = GrantRecord::unseal(ring, tag, &stored.code, &stored.grant).map_err(sealed)?;
    let session = Session::unseal(ring, tag, &stored.session).map_err(sealed)?;
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

fn bad_code(cause: &'static str) -> Failure {
    bad("The code is not good: start the sign-in again.", cause)
}

fn bad_refresh(cause: &'static str) -> Failure {
    bad(
        "The refresh token is not good: the person must sign in again.",
        cause,
    )
}

fn bad(description: &'static str, cause: &'static str) -> Failure {
    OAuthError::new(ErrorCode::InvalidGrant, description)
        .because(cause)
        .into()
}
