//! `client_credentials` (RFC 6749 §4.4): the client for itself.

use crate::authorize::{audience, scope};
use crate::claims;
use crate::client_auth::AuthenticatedClient;
use crate::error::{ErrorCode, OAuthError};

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
    issuer: &str,
) -> Result<(Vec<String>, Vec<String>), OAuthError> {
    let client = client.client();
    // "The client credentials grant type MUST only be used by confidential clients" (RFC 6749 §4.4).
    if client.is_public() {
        return Err(OAuthError::new(
            ErrorCode::UnauthorizedClient,
            "A public client cannot use client_credentials.",
        ));
    }
    let may_have = |scope: &String| client.scopes().contains(scope) && !speaks_of_people(scope);
    let scope = match &request.scope {
        None => client.scopes().iter().filter(|s| may_have(s)).cloned().collect(),
        Some(asked) => {
            let granted: Vec<String> = asked.iter().filter(|s| may_have(s)).cloned().collect();
            if granted.is_empty() && !asked.is_empty() {
                return Err(scope::invalid(
                    "The client may have none of the scopes asked for.",
                ));
            }
            granted
        }
    };
    audience::check(&request.audience, client, issuer)?;
    Ok((scope, request.audience.clone()))
}

/// Whether a scope makes no sense without a person.
fn speaks_of_people(scope: &str) -> bool {
    scope == "openid" || claims::SCOPES.iter().any(|(name, _)| *name == scope)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{ISSUER, authenticated, client_with, public_client, strings};

    fn ask(scope: Option<&[&str]>, audience: &[&str]) -> Result<(Vec<String>, Vec<String>), ErrorCode> {
        let client = client_with(json!({
            "redirectUris": [],
            "applicationType": "service",
            "grantTypes": ["client_credentials"],
            "scopes": ["openid", "email", "groups", "api", "jobs"],
        }));
        let request = ClientCredentialsRequest {
            scope: scope.map(strings),
            audience: strings(audience),
        };
        check(&request, &authenticated(&client), ISSUER).map_err(|error| error.code)
    }

    #[test]
    fn tok_08_only_confidential_clients() {
        let request = ClientCredentialsRequest {
            scope: None,
            audience: Vec::new(),
        };
        let error = check(&request, &authenticated(&public_client()), ISSUER).unwrap_err();
        assert_eq!(error.code, ErrorCode::UnauthorizedClient);
    }

    #[test]
    fn tok_08_scopes_of_people_are_never_granted() {
        assert_eq!(ask(None, &[]), Ok((strings(&["api", "jobs"]), Vec::new())));
        assert_eq!(
            ask(Some(&["openid", "jobs", "email"]), &[]),
            Ok((strings(&["jobs"]), Vec::new()))
        );
        assert_eq!(ask(Some(&["openid"]), &[]), Err(ErrorCode::InvalidScope));
        assert_eq!(ask(Some(&["admin"]), &[]), Err(ErrorCode::InvalidScope));
        assert_eq!(ask(Some(&[]), &[]), Ok((Vec::new(), Vec::new())));
    }

    #[test]
    fn az_16_audiences_are_those_of_the_client_or_the_issuer() {
        let api = "https://api.example.com";
        assert_eq!(
            ask(Some(&["api"]), &[api, ISSUER]).unwrap().1,
            strings(&[api, ISSUER])
        );
        assert_eq!(ask(None, &["https://evil"]), Err(ErrorCode::InvalidTarget));
    }
}
