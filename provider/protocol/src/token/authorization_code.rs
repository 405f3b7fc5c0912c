//! `authorization_code` (RFC 6749 §4.1.3, RFC 7636 §4.5).

use jiff::Timestamp;

use crate::authorize::pkce;
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
    // "ensure that the authorization code was issued to the authenticated confidential client, or … to
    // client_id in the request" (RFC 6749 §4.1.3).
    if record.client_uid != client.client().grantee() {
        return Err(OAuthError::invalid_grant("The code belongs to another client."));
    }
    // "The authorization code MUST expire shortly after it is issued" (RFC 6749 §4.1.2).
    if now >= record.expires_at {
        return Err(OAuthError::invalid_grant("The code has expired."));
    }
    // "ensure that the redirect_uri parameter is present if the redirect_uri parameter was included in
    // the initial authorization request … and if included ensure that their values are identical"
    // (RFC 6749 §4.1.3).
    if record.redirect_uri != request.redirect_uri {
        return Err(OAuthError::invalid_grant(
            "redirect_uri must be the one of the authorization request.",
        ));
    }
    pkce::verify(record.code_challenge.as_deref(), request.code_verifier.as_deref())
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use oidc_crds::testing::SeededRng;
    use serde_json::json;

    use super::*;
    use crate::error::ErrorCode;
    use crate::handle::LoginTag;
    use crate::testing::{NOW, REDIRECT, VERIFIER, authenticated, client, client_with, grant};

    fn good() -> CodeRequest {
        CodeRequest {
            code: Code::generate(LoginTag([1; 16]), false, &mut SeededRng::new(1)),
            redirect_uri: Some(REDIRECT.to_owned()),
            code_verifier: Some(VERIFIER.to_owned()),
        }
    }

    fn refused(record: &GrantRecord, request: &CodeRequest, now: Timestamp) {
        let error = redeem(record, request, &authenticated(&client()), now).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidGrant);
    }

    #[test]
    fn tok_02_a_good_redemption_passes() {
        let later = NOW + SignedDuration::from_secs(59);
        assert_eq!(
            redeem(&grant(), &good(), &authenticated(&client()), later),
            Ok(())
        );
    }

    #[test]
    fn tok_01_a_code_lives_60_seconds() {
        refused(&grant(), &good(), NOW + SignedDuration::from_secs(60));
    }

    #[test]
    fn tok_03_code_is_bound_to_client() {
        let record = GrantRecord {
            client_uid: "uid-of-a-namesake".to_owned(),
            ..grant()
        };
        refused(&record, &good(), NOW);
    }

    #[test]
    fn tok_03_code_is_bound_to_redirect_uri() {
        for wrong in [
            None,
            Some("https://app.example.com/cb/"),
            Some("https://evil.example"),
        ] {
            let request = CodeRequest {
                redirect_uri: wrong.map(str::to_owned),
                ..good()
            };
            refused(&grant(), &request, NOW);
        }
    }

    #[test]
    fn tok_03_a_request_without_redirect_uri_is_redeemed_without() {
        let record = GrantRecord {
            redirect_uri: None,
            ..grant()
        };
        let request = CodeRequest {
            redirect_uri: None,
            ..good()
        };
        assert!(redeem(&record, &request, &authenticated(&client()), NOW).is_ok());
        refused(&record, &good(), NOW);
    }

    #[test]
    fn tok_03_a_wrong_verifier_is_invalid_grant() {
        let request = CodeRequest {
            code_verifier: Some(VERIFIER.replace('d', "e")),
            ..good()
        };
        refused(&grant(), &request, NOW);
    }

    #[test]
    fn tok_04_hard_02_a_code_with_challenge_never_passes_without_verifier() {
        let request = CodeRequest {
            code_verifier: None,
            ..good()
        };
        refused(&grant(), &request, NOW);
        // Not even if PKCE has become optional for the client in between.
        let lax = authenticated(&client_with(json!({"pkce": "optional"})));
        assert!(redeem(&grant(), &request, &lax, NOW).is_err());
    }

    #[test]
    fn az_07_a_verifier_without_challenge_is_refused() {
        let record = GrantRecord {
            code_challenge: None,
            ..grant()
        };
        refused(&record, &good(), NOW);
    }
}
