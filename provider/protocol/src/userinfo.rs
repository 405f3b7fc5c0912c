//! Userinfo (OpenID Connect Core §5.3).

use oidc_crds::client::Client;
use oidc_crds::user::User;
use serde_json::{Map, Value};

use crate::error::OAuthError;
use crate::jwt::AccessToken;
use crate::params::Params;
use crate::records::Session;

/// The bearer token of a request: in the header, or in a POST body (RFC 6750 §2.1, §2.2); never in the URL.
///
/// # Errors
/// `invalid_request` for two at once; an error with an empty description and code `invalid_token` and
/// no `error` in the challenge when there is none (`Ok(None)`).
pub fn bearer<'a>(
    authorization: Option<&'a str>,
    body: Option<&'a Params>,
) -> Result<Option<&'a str>, OAuthError> {
    let _ = (authorization, body);
    todo!()
}

/// The answer. `user` is who the token's session names, as they are now.
///
/// # Errors
/// `invalid_token` when the person is gone, disabled or outside the client's groups, or the audience
/// lacks the issuer; `insufficient_scope` without `openid`.
pub fn answer(
    token: &AccessToken,
    client: &Client,
    session: &Session,
    user: Option<&User>,
    issuer: &str,
) -> Result<Map<String, Value>, OAuthError> {
    let _ = (token, client, session, user, issuer);
    todo!()
}
