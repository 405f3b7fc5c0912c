//! `/revoke` (RFC 7009): 200 whatever the token, unless the client is not who it says.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use oidc_protocol::handle::{RefreshToken, TokenId};

use super::access::Access;
use super::audit;
use super::call::Calling;
use super::error::Failure;
use super::extract::Caller;
use crate::app::App;

/// Revokes: a refresh token with its family, an access token alone. A token of another client is like one
/// that is unknown (RFC 7009 §2.2).
///
/// # Errors
/// `invalid_client`, `invalid_request` without a token, 503.
pub async fn post(
    State(app): State<Arc<App>>,
    Calling(call): Calling,
    caller: Caller,
) -> Result<StatusCode, Failure> {
    let token = caller.params.require("token")?;
    let moment = &caller.moment;
    let client = caller.client.client();
    if RefreshToken::looks_like(token) {
        if let Some(refresh) = RefreshToken::parse(token, &moment.ring, client.grantee()) {
            app.store.revoke_family(refresh.family()).await?;
            audit::revoked(&call, "refresh_token");
        }
    } else if let Some(access) = Access::read(&app, moment, token)
        && access.client.grantee() == client.grantee()
    {
        let until = access.until();
        match access.id {
            TokenId::Family(family) => {
                app.store
                    .revoke_token(family, access.jti, until, moment.now)
                    .await?;
            }
            TokenId::Detached => app.store.revoke_detached(access.jti, until, moment.now).await?,
        }
        audit::revoked(&call, "access_token");
    }
    Ok(StatusCode::OK)
}
