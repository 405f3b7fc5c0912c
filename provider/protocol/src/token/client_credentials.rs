//! `client_credentials` (RFC 6749 §4.4): the client for itself.

use crate::client_auth::AuthenticatedClient;
use crate::error::OAuthError;

/// The request.
pub struct ClientCredentialsRequest {
    /// Scopes asked for; `None`: all that the client may have (without those that speak of people).
    pub scope: Option<Vec<String>>,
    /// Audiences asked for.
    pub audience: Vec<String>,
}

/// Scopes and audiences of the token.
///
/// # Errors
/// `invalid_scope` when none is left of those asked for, `invalid_target`, `unauthorized_client` for a
/// public client.
pub fn check(
    request: &ClientCredentialsRequest,
    client: &AuthenticatedClient,
) -> Result<(Vec<String>, Vec<String>), OAuthError> {
    let _ = (request, client);
    todo!()
}
