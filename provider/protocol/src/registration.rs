//! Dynamic registration (RFC 7591): metadata ↔ `OidcClient`. Standalone only for now.

use oidc_crds::client::Client;
use oidc_crds::resources::OidcClientSpec;
use oidc_crds::validate::Violation;
use serde_json::Value;

use crate::error::OAuthError;

/// The spec that a registration asks for. Unknown metadata is ignored, unknown scopes are dropped.
/// `offered_scopes` are those that can be had.
///
/// # Errors
/// `invalid_client_metadata` or `invalid_redirect_uri`, naming the member.
pub fn parse(body: &[u8], offered_scopes: &[&str]) -> Result<OidcClientSpec, OAuthError> {
    let _ = (body, offered_scopes);
    todo!()
}

/// The error for violations that the validator found in it.
#[must_use]
pub fn refused(violations: &[Violation]) -> OAuthError {
    let _ = violations;
    todo!()
}

/// The 201 answer: everything registered. `issued_at` in seconds since the epoch.
#[must_use]
pub fn response(client: &Client, secret: Option<&str>, issued_at: i64) -> Value {
    let _ = (client, secret, issued_at);
    todo!()
}
