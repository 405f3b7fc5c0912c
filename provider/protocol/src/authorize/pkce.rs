//! The proof key for code exchange (RFC 7636): the challenge at the authorization endpoint, the verifier
//! at the token endpoint. `S256` is the only method.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oidc_crds::client::Client;
use subtle::ConstantTimeEq;

use crate::error::OAuthError;
use crate::params::Params;

/// The challenge of a request.
///
/// # Errors
/// `invalid_request` when it is missing though required, malformed, or not of `S256`.
pub(super) fn challenge(params: &Params, client: &Client) -> Result<Option<String>, OAuthError> {
    let (challenge, method) = (params.get("code_challenge"), params.get("code_challenge_method"));
    let Some(challenge) = challenge else {
        return match method {
            Some(_) => Err(OAuthError::invalid_request(
                "code_challenge_method makes no sense without code_challenge.",
            )),
            // "The server MUST … if the client does not send the code_challenge … return invalid_request"
            // (RFC 7636 §4.4.1).
            None if client.pkce_required() => Err(OAuthError::invalid_request(
                "This client must send code_challenge with code_challenge_method=S256 (PKCE).",
            )),
            None => Ok(None),
        };
    };
    // "Defaults to plain if not present in the request" (RFC 7636 §4.3), and plain protects nobody who
    // can read the request (RFC 9700 §2.1.1).
    if method != Some("S256") {
        return Err(OAuthError::invalid_request("Send code_challenge_method=S256."));
    }
    // 32 bytes in their one text.
    let canonical = challenge.len() == 43 && URL_SAFE_NO_PAD.decode(challenge).is_ok();
    if !canonical {
        return Err(OAuthError::invalid_request(
            "code_challenge must be the base64url of a SHA-256, 43 characters.",
        ));
    }
    Ok(Some(challenge.to_owned()))
}

/// Compares the verifier with the challenge that the code is bound to.
///
/// # Errors
/// `invalid_grant`.
pub(crate) fn verify(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), OAuthError> {
    match (challenge, verifier) {
        (None, None) => Ok(()),
        // "Authorization servers MUST … ensure that a code_verifier is accepted only if a code_challenge
        // was present in the authorization request" (RFC 9700 §2.1.1).
        (None, Some(_)) => Err(OAuthError::invalid_grant(
            "code_verifier was sent, but the authorization request had no code_challenge.",
        )),
        (Some(_), None) => Err(OAuthError::invalid_grant("code_verifier is missing.")),
        (Some(challenge), Some(verifier)) => {
            // "code-verifier = 43*128unreserved" (RFC 7636 §4.1).
            let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
            if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
                return Err(OAuthError::invalid_grant(
                    "code_verifier must have 43 to 128 unreserved characters.",
                ));
            }
            // "BASE64URL-ENCODE(SHA256(ASCII(code_verifier))) == code_challenge" (RFC 7636 §4.6).
            let made = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
            if bool::from(made.as_bytes().ct_eq(challenge.as_bytes())) {
                Ok(())
            } else {
                Err(OAuthError::invalid_grant(
                    "code_verifier does not match code_challenge.",
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::error::ErrorCode;
    use crate::testing::{CHALLENGE, VERIFIER, client, client_with, public_client};

    fn ask(query: &str, client: &Client) -> Result<Option<String>, ErrorCode> {
        challenge(&Params::parse(query.as_bytes()).unwrap(), client).map_err(|error| error.code)
    }

    #[test]
    fn az_06_s256_is_the_only_method() {
        let good = format!("code_challenge={CHALLENGE}&code_challenge_method=S256");
        assert_eq!(ask(&good, &client()), Ok(Some(CHALLENGE.to_owned())));
        for wrong in [
            format!("code_challenge={CHALLENGE}&code_challenge_method=plain"),
            format!("code_challenge={CHALLENGE}&code_challenge_method=s256"),
            format!("code_challenge={CHALLENGE}"),
            "code_challenge_method=S256".to_owned(),
        ] {
            let optional = client_with(json!({"pkce": "optional"}));
            assert_eq!(ask(&wrong, &client()), Err(ErrorCode::InvalidRequest), "{wrong}");
            assert_eq!(ask(&wrong, &optional), Err(ErrorCode::InvalidRequest), "{wrong}");
        }
    }

    #[test]
    fn az_06_a_challenge_is_required_unless_the_client_says_otherwise() {
        assert_eq!(ask("", &client()), Err(ErrorCode::InvalidRequest));
        assert_eq!(ask("", &public_client()), Err(ErrorCode::InvalidRequest));
        assert_eq!(ask("", &client_with(json!({"pkce": "optional"}))), Ok(None));
    }

    #[test]
    fn az_06_the_challenge_has_the_syntax_of_a_sha_256() {
        for wrong in [
            &CHALLENGE[1..],
            &format!("{CHALLENGE}A"),
            &CHALLENGE.replace('9', "%2B"),
            &CHALLENGE.replace('9', "."),
            // Its last character has bits that no encoder sets.
            &CHALLENGE.replace("-cM", "-cN"),
        ] {
            let query = format!("code_challenge={wrong}&code_challenge_method=S256");
            assert_eq!(ask(&query, &client()), Err(ErrorCode::InvalidRequest), "{wrong}");
        }
    }

    #[test]
    fn az_07_rfc_7636_appendix_b() {
        assert_eq!(verify(Some(CHALLENGE), Some(VERIFIER)), Ok(()));
    }

    #[test]
    fn az_07_a_verifier_without_challenge_and_a_missing_one_are_refused() {
        for (challenge, verifier) in [(None, Some(VERIFIER)), (Some(CHALLENGE), None)] {
            let error = verify(challenge, verifier).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidGrant);
        }
        assert_eq!(verify(None, None), Ok(()));
    }

    #[test]
    fn az_07_wrong_verifiers_are_refused() {
        for wrong in [
            &VERIFIER[1..],
            &VERIFIER.to_lowercase(),
            &VERIFIER.replace('d', "+"),
            &"a".repeat(129),
            CHALLENGE,
            "",
        ] {
            let error = verify(Some(CHALLENGE), Some(wrong)).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidGrant, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn only_the_verifier_that_made_the_challenge_fits(
            one in "[A-Za-z0-9._~-]{43,128}",
            two in "[A-Za-z0-9._~-]{43,128}",
        ) {
            let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, one.as_bytes()));
            prop_assert!(verify(Some(&challenge), Some(&one)).is_ok());
            prop_assert_eq!(verify(Some(&challenge), Some(&two)).is_ok(), one == two);
        }
    }
}
