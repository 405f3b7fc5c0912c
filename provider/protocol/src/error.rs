//! The one error of the protocol. The code decides the status; the description is public and says how
//! to mend it; the cause is for the log only.

use std::borrow::Cow;

/// The error codes of RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1, RFC 7009 §2.2.1, RFC 7591 §3.2.2,
/// OpenID Connect Core §3.1.2.6 and §6, RFC 8707 §2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// A parameter is missing, twice there or malformed.
    InvalidRequest,
    /// Client authentication failed.
    InvalidClient,
    /// The code or refresh token is not good.
    InvalidGrant,
    /// The client may not use this grant or response type.
    UnauthorizedClient,
    /// Unknown grant type.
    UnsupportedGrantType,
    /// Unknown response type.
    UnsupportedResponseType,
    /// No scope is left, or it is wider than granted.
    InvalidScope,
    /// The person or the provider said no.
    AccessDenied,
    /// Something broke here.
    ServerError,
    /// The store is away.
    TemporarilyUnavailable,
    /// `prompt=none` and nobody is signed in.
    LoginRequired,
    /// `prompt=none` and a consent is missing.
    ConsentRequired,
    /// `prompt=none` and a page would be needed.
    InteractionRequired,
    /// `prompt=none` and an account would have to be chosen.
    AccountSelectionRequired,
    /// `request` is not supported.
    RequestNotSupported,
    /// `request_uri` is not supported.
    RequestUriNotSupported,
    /// `registration` is not supported.
    RegistrationNotSupported,
    /// The access token is not good.
    InvalidToken,
    /// The access token lacks a scope.
    InsufficientScope,
    /// The audience is unknown.
    InvalidTarget,
    /// Revocation of this kind of token is not supported.
    UnsupportedTokenType,
    /// A redirect URI in a registration is refused.
    InvalidRedirectUri,
    /// Metadata in a registration is refused.
    InvalidClientMetadata,
}

impl ErrorCode {
    /// All, in the order of their declaration.
    pub const ALL: [Self; 23] = [
        Self::InvalidRequest,
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
        Self::UnsupportedResponseType,
        Self::InvalidScope,
        Self::AccessDenied,
        Self::ServerError,
        Self::TemporarilyUnavailable,
        Self::LoginRequired,
        Self::ConsentRequired,
        Self::InteractionRequired,
        Self::AccountSelectionRequired,
        Self::RequestNotSupported,
        Self::RequestUriNotSupported,
        Self::RegistrationNotSupported,
        Self::InvalidToken,
        Self::InsufficientScope,
        Self::InvalidTarget,
        Self::UnsupportedTokenType,
        Self::InvalidRedirectUri,
        Self::InvalidClientMetadata,
    ];

    /// The `error` value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InteractionRequired => "interaction_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidTarget => "invalid_target",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
        }
    }

    /// The HTTP status of a direct (not redirected) answer.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidClient | Self::InvalidToken => 401,
            Self::InsufficientScope => 403,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            _ => 400,
        }
    }
}

/// A protocol error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", code.as_str())]
pub struct OAuthError {
    /// The code.
    pub code: ErrorCode,
    /// Public: how to mend it. Only characters of RFC 6749 §5.2 (%x20-21 / %x23-5B / %x5D-7E), and no
    /// echo of input.
    pub description: Cow<'static, str>,
    /// For the log only; never a secret.
    pub cause: Option<String>,
    /// Whether the client used the Authorization header, so that the answer must carry a challenge
    /// (RFC 6749 §5.2).
    pub challenge: bool,
}

impl OAuthError {
    /// An error with a public description.
    #[must_use]
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        let description = description.into();
        debug_assert!(is_description(&description), "not for the public: {description}");
        Self {
            code,
            description,
            cause: None,
            challenge: false,
        }
    }

    /// Adds what only the log may hold.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// `invalid_request`.
    pub(crate) fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// `invalid_grant`.
    pub(crate) fn invalid_grant(description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidGrant, description)
    }
}

/// "Values for the `error_description` parameter MUST NOT include characters outside the set
/// %x20-21 / %x23-5B / %x5D-7E" (RFC 6749 §5.2).
fn is_description(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn err_01_statuses_follow_one_table() {
        for (code, name, status) in [
            (ErrorCode::InvalidRequest, "invalid_request", 400),
            (ErrorCode::InvalidClient, "invalid_client", 401),
            (ErrorCode::InvalidGrant, "invalid_grant", 400),
            (ErrorCode::InvalidToken, "invalid_token", 401),
            (ErrorCode::InsufficientScope, "insufficient_scope", 403),
            (ErrorCode::AccessDenied, "access_denied", 400),
            (ErrorCode::ServerError, "server_error", 500),
            (ErrorCode::TemporarilyUnavailable, "temporarily_unavailable", 503),
        ] {
            assert_eq!((code.as_str(), code.status()), (name, status));
        }
    }

    #[test]
    fn err_03_descriptions_hold_only_what_the_rfc_allows() {
        assert!(is_description("write scope=openid [like this]"));
        for wrong in ["", "a\"b", "a\\b", "a\nb", "caf\u{e9}", "\u{7f}"] {
            assert!(!is_description(wrong), "{wrong:?}");
        }
    }

    #[test]
    #[should_panic(expected = "not for the public")]
    fn err_03_a_wrong_description_is_noticed_in_tests() {
        let _ = OAuthError::new(ErrorCode::ServerError, "say \"please\"");
    }

    #[test]
    fn the_cause_is_not_in_the_public_text() {
        let error = OAuthError::invalid_grant("the code is not good").because("replayed");
        assert_eq!(error.to_string(), "invalid_grant: the code is not good");
    }
}
