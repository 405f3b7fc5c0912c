//! The token endpoint (RFC 6749 §3.2): parse, then one file a grant.

use serde::Serialize;

use crate::client_auth::AuthenticatedClient;
use crate::error::OAuthError;
use crate::params::Params;

pub mod authorization_code;
pub mod client_credentials;
pub mod issue;
pub mod refresh_token;

/// A token request.
pub enum TokenRequest {
    /// RFC 6749 §4.1.3.
    AuthorizationCode(authorization_code::CodeRequest),
    /// RFC 6749 §6.
    RefreshToken(refresh_token::RefreshRequest),
    /// RFC 6749 §4.4.2.
    ClientCredentials(client_credentials::ClientCredentialsRequest),
}

impl TokenRequest {
    /// Parses; the client must have the grant.
    ///
    /// # Errors
    /// `unsupported_grant_type`, `unauthorized_client`, `invalid_request`.
    pub fn parse(params: &Params, client: &AuthenticatedClient) -> Result<Self, OAuthError> {
        let _ = (params, client);
        todo!()
    }

    /// The grant's name, for logs and metrics.
    #[must_use]
    pub fn grant_type(&self) -> &'static str {
        match self {
            Self::AuthorizationCode(_) => "authorization_code",
            Self::RefreshToken(_) => "refresh_token",
            Self::ClientCredentials(_) => "client_credentials",
        }
    }
}

/// A good answer (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3). No `Debug`: it holds tokens.
#[derive(Serialize)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds until the access token ends.
    pub expires_in: u64,
    /// The refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// The ID token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// The granted scopes, told where they differ from what was asked, and always for user grants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}
