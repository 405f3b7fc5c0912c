//! `authorization_code` (RFC 6749 §4.1.3, RFC 7636 §4.5).

use jiff::Timestamp;

use crate::client_auth::AuthenticatedClient;
use crate::error::OAuthError;
use crate::handle::Code;
use crate::records::GrantRecord;

/// The request; `Debug` is absent: it holds a code.
pub struct CodeRequest {
    /// `code`.
    pub code: Code,
    /// `redirect_uri`.
    pub redirect_uri: Option<String>,
    /// `code_verifier`.
    pub code_verifier: Option<String>,
}

/// Checks everything that is bound to the code, one check per MUST.
///
/// # Errors
/// `invalid_grant`: the caller then revokes the family that the store opened.
pub fn redeem(
    record: &GrantRecord,
    request: &CodeRequest,
    client: &AuthenticatedClient,
    now: Timestamp,
) -> Result<(), OAuthError> {
    let _ = (record, request, client, now);
    todo!()
}
