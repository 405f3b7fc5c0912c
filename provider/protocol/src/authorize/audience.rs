//! `resource` (RFC 8707) and its older sister `audience`.

use oidc_crds::client::Client;

use crate::error::{ErrorCode, OAuthError};
use crate::params::Params;

/// The audiences asked for, each once, in order; empty: the issuer.
pub(crate) fn requested(params: &Params) -> Vec<String> {
    let mut audiences: Vec<String> = Vec::new();
    for audience in params.all("resource").chain(params.all("audience")) {
        if !audiences.iter().any(|known| known == audience) {
            audiences.push(audience.to_owned());
        }
    }
    audiences
}

/// Whether the client may have tokens for all of these.
///
/// # Errors
/// `invalid_target`.
pub(crate) fn check(audiences: &[String], client: &Client, issuer: &str) -> Result<(), OAuthError> {
    // "If the client … is not authorized to … access the resource … the server uses invalid_target"
    // (RFC 8707 §2).
    if audiences
        .iter()
        .all(|audience| may_have(client, issuer, audience))
    {
        Ok(())
    } else {
        Err(refused())
    }
}

/// Those of granted audiences that the client may still have: its registration may have become narrower.
///
/// # Errors
/// `invalid_target` when none is left: none at all would mean the issuer, which nobody asked for.
pub(crate) fn still(granted: &[String], client: &Client, issuer: &str) -> Result<Vec<String>, OAuthError> {
    let mut left = granted.to_vec();
    left.retain(|audience| may_have(client, issuer, audience));
    if left.is_empty() && !granted.is_empty() {
        return Err(refused());
    }
    Ok(left)
}

fn may_have(client: &Client, issuer: &str, audience: &String) -> bool {
    audience == issuer || client.audiences().contains(audience)
}

fn refused() -> OAuthError {
    OAuthError::new(
        ErrorCode::InvalidTarget,
        "The client may not request one of these audiences.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ISSUER, client, strings};

    #[test]
    fn az_16_resource_and_audience_are_one_list() {
        let params = Params::parse(b"resource=a&audience=b&resource=c&audience=a").unwrap();
        assert_eq!(requested(&params), ["a", "c", "b"]);
    }

    #[test]
    fn az_16_an_audience_that_the_client_may_not_request_is_invalid_target() {
        let ask = |audiences: &[&str]| check(&strings(audiences), &client(), ISSUER);
        assert!(ask(&[]).is_ok());
        assert!(ask(&["https://api.example.com", ISSUER]).is_ok());
        for wrong in [
            "https://API.example.com",
            "https://api.example.com/",
            "default.app",
        ] {
            let error = ask(&["https://api.example.com", wrong]).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidTarget, "{wrong}");
        }
    }
}
