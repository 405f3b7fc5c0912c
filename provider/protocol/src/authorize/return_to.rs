//! A proven redirect target: the only thing that can carry an answer back to a client.

use crate::error::OAuthError;

/// Client, redirect URI and state are proven; made by this module's parent alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnTo {
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) issuer: String,
}

impl ReturnTo {
    /// The proven redirect URI as requested.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The address with a code (RFC 6749 §4.1.2) and `iss` (RFC 9207).
    #[must_use]
    pub fn with_code(&self, code: &str) -> String {
        let _ = code;
        todo!()
    }

    /// The address with an error (RFC 6749 §4.1.2.1) and `iss`.
    #[must_use]
    pub fn with_error(&self, error: &OAuthError) -> String {
        let _ = error;
        todo!()
    }
}
