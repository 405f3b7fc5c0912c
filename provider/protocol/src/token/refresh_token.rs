//! `refresh_token` (RFC 6749 §6, RFC 9700 §4.14, design.md I2).

use oidc_crds::user::User;

use crate::client_auth::AuthenticatedClient;
use crate::error::OAuthError;
use crate::records::{GrantRecord, Session};

/// The request; the token itself is read with [`RefreshToken::parse`](crate::handle::RefreshToken::parse).
pub struct RefreshRequest {
    /// `refresh_token`, as sent.
    pub refresh_token: String,
    /// `scope`, to narrow this access token.
    pub scope: Option<Vec<String>>,
}

/// Checks after the store rotated: still the same client; the user is there, not disabled, in the
/// client's groups (tok_10a); the scope is not wider than granted. Returns the scopes of this answer.
///
/// # Errors
/// `invalid_grant` (the caller revokes the family) or `invalid_scope` (the caller does not).
pub fn check(
    record: &GrantRecord,
    session: &Session,
    user: Option<&User>,
    request: &RefreshRequest,
    client: &AuthenticatedClient,
) -> Result<Vec<String>, OAuthError> {
    let _ = (record, session, user, request, client);
    todo!()
}
