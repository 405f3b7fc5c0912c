//! The token endpoint (RFC 6749 §3.2): parse, then one file a grant.

use oidc_crds::names::GrantType;
use serde::Serialize;

use crate::authorize::{audience, scope};
use crate::client_auth::AuthenticatedClient;
use crate::error::{ErrorCode, OAuthError};
use crate::handle::Code;
use crate::params::Params;
use crate::records::GrantRecord;

pub mod authorization_code;
pub mod client_credentials;
pub mod issue;
pub mod opaque;
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
    /// `unsupported_grant_type`, `unauthorized_client`, `invalid_request`; the last also when its tokens are bound to
    /// a certificate and it showed none.
    pub fn parse(params: &Params, client: &AuthenticatedClient) -> Result<Self, OAuthError> {
        let asked = params.require("grant_type")?;
        let grant = GrantType::ALL
            .into_iter()
            .find(|grant| grant.as_str() == asked)
            .ok_or_else(|| {
                OAuthError::new(
                    ErrorCode::UnsupportedGrantType,
                    "grant_type must be authorization_code, refresh_token or client_credentials.",
                )
            })?;
        // "The authenticated client is not authorized to use this authorization grant type" (RFC 6749 §5.2).
        if !client.client().allows_grant(grant) {
            return Err(OAuthError::new(
                ErrorCode::UnauthorizedClient,
                "The client is not registered for this grant type.",
            ));
        }
        // before a code or refresh token is taken that a bound token would be issued for
        client.binding()?;
        let text = |name| params.get(name).map(str::to_owned);
        let scope = params.get("scope").map(scope::split);
        Ok(match grant {
            GrantType::AuthorizationCode => Self::AuthorizationCode(authorization_code::CodeRequest {
                code: Code::parse(params.require("code")?)
                    .ok_or_else(|| OAuthError::invalid_grant("The code is not one of ours."))?,
                redirect_uri: text("redirect_uri"),
                code_verifier: text("code_verifier"),
            }),
            GrantType::RefreshToken => Self::RefreshToken(refresh_token::RefreshRequest {
                refresh_token: params.require("refresh_token")?.to_owned(),
                scope: scope.transpose()?,
            }),
            GrantType::ClientCredentials => {
                Self::ClientCredentials(client_credentials::ClientCredentialsRequest {
                    scope: scope.transpose()?,
                    audience: audience::requested(params),
                })
            }
        })
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

/// Scopes and audiences of a grant that the client may still have: what its registration has lost since
/// the person agreed is left out.
///
/// # Errors
/// `invalid_scope` or `invalid_target` when nothing is left of what was granted.
pub fn still_granted(
    grant: &GrantRecord,
    client: &AuthenticatedClient,
    issuer: &str,
) -> Result<(Vec<String>, Vec<String>), OAuthError> {
    let client = client.client();
    Ok((
        scope::still(&grant.scope, client)?,
        audience::still(&grant.audience, client, issuer)?,
    ))
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

#[cfg(test)]
mod tests {
    use oidc_crds::testing::SeededRng;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::handle::LoginTag;
    use crate::testing::{authenticated, client, client_with, strings};

    fn parse(body: &str, client: &AuthenticatedClient) -> Result<TokenRequest, ErrorCode> {
        TokenRequest::parse(&Params::parse(body.as_bytes()).unwrap(), client).map_err(|error| error.code)
    }

    fn service() -> AuthenticatedClient {
        authenticated(&client_with(json!({
            "redirectUris": [], "applicationType": "service", "grantTypes": ["client_credentials"],
        })))
    }

    #[test]
    fn tok_09_an_unknown_grant_is_unsupported_and_a_missing_one_invalid() {
        let client = authenticated(&client());
        for unknown in ["password", "implicit", "AUTHORIZATION_CODE", "urn:x"] {
            let refused = parse(&format!("grant_type={unknown}"), &client).err();
            assert_eq!(refused, Some(ErrorCode::UnsupportedGrantType), "{unknown}");
        }
        assert_eq!(parse("", &client).err(), Some(ErrorCode::InvalidRequest));
    }

    #[test]
    fn tok_09_a_grant_that_the_client_does_not_have_is_unauthorized_client() {
        let app = authenticated(&client_with(json!({"grantTypes": ["authorization_code"]})));
        for (client, grant) in [
            (&app, "refresh_token"),
            (&app, "client_credentials"),
            (&service(), "authorization_code"),
        ] {
            let refused = parse(&format!("grant_type={grant}"), client).err();
            assert_eq!(refused, Some(ErrorCode::UnauthorizedClient), "{grant}");
        }
    }

    #[test]
    fn each_grant_is_parsed() {
        let app = authenticated(&client());
        let code = Code::generate(LoginTag([1; 16]), false, &mut SeededRng::new(1));
        let body = format!(
            "grant_type=authorization_code&code={}&redirect_uri=https%3A%2F%2Fa&code_verifier=v",
            code.expose()
        );
        match parse(&body, &app) {
            Ok(TokenRequest::AuthorizationCode(request)) => {
                assert_eq!(request.code, code);
                assert_eq!(request.redirect_uri.as_deref(), Some("https://a"));
                assert_eq!(request.code_verifier.as_deref(), Some("v"));
            }
            _ => panic!("no code request"),
        }
        match parse("grant_type=refresh_token&refresh_token=rt1.x&scope=a+b", &app) {
            Ok(TokenRequest::RefreshToken(request)) => {
                assert_eq!(request.refresh_token, "rt1.x");
                assert_eq!(request.scope, Some(strings(&["a", "b"])));
            }
            _ => panic!("no refresh request"),
        }
        match parse("grant_type=client_credentials&resource=r&audience=s", &service()) {
            Ok(TokenRequest::ClientCredentials(request)) => {
                assert_eq!(request.scope, None);
                assert_eq!(request.audience, ["r", "s"]);
            }
            _ => panic!("no client credentials request"),
        }
    }

    #[test]
    fn missing_and_malformed_parameters_are_told() {
        let app = authenticated(&client());
        for (body, code) in [
            ("grant_type=authorization_code", ErrorCode::InvalidRequest),
            ("grant_type=authorization_code&code=", ErrorCode::InvalidRequest),
            ("grant_type=authorization_code&code=x", ErrorCode::InvalidGrant),
            ("grant_type=refresh_token", ErrorCode::InvalidRequest),
            (
                "grant_type=refresh_token&refresh_token=x&scope=%C3%A9",
                ErrorCode::InvalidScope,
            ),
        ] {
            assert_eq!(parse(body, &app).err(), Some(code), "{body}");
        }
    }

    #[test]
    fn absent_members_are_left_out_of_the_answer() {
        let answer = serde_json::to_value(TokenResponse {
            access_token: "a".to_owned(),
            token_type: "Bearer",
            expires_in: 900,
            refresh_token: None,
            id_token: None,
            scope: None,
        });
        assert_eq!(
            answer.unwrap(),
            json!({"access_token": "a", "token_type": "Bearer", "expires_in": 900})
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics(
            grant in "(authorization_code|refresh_token|[a-z]{0,10})",
            code in "\\PC{0,40}",
            scope in "\\PC{0,40}",
        ) {
            let mut body = form_urlencoded::Serializer::new(String::new());
            body.append_pair("grant_type", &grant)
                .append_pair("code", &code)
                .append_pair("refresh_token", &code)
                .append_pair("scope", &scope);
            let _ = parse(&body.finish(), &authenticated(&client()));
        }
    }
}
