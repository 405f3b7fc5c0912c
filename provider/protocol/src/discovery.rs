//! The discovery document (OpenID Connect Discovery §3, RFC 8414 §2): only what works.

use oidc_crds::language::Language;
use oidc_crds::names::{Algorithm, GrantType, OFFLINE_ACCESS};
use oidc_crds::secrets::installation::MutualTls;
use serde_json::{Value, json};

use crate::authorize::ResponseMode;
use crate::{acr, claims};

/// Claims of ID tokens.
const TOKEN_CLAIMS: [&str; 12] = [
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "at_hash",
    "sid",
    "acr",
    "amr",
    "jti",
];

/// How clients authenticate; public ones last.
fn methods(mtls: Option<&MutualTls>) -> Vec<&'static str> {
    let mut methods = vec!["client_secret_basic", "client_secret_post", "private_key_jwt"];
    if let Some(mtls) = mtls {
        methods.extend(mtls.ca.as_ref().map(|_| "tls_client_auth"));
        methods.push("self_signed_tls_client_auth");
    }
    methods.push("none");
    methods
}

/// What differs between installations.
pub struct Capabilities<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// Algorithms that some key signs now.
    pub algorithms: &'a [Algorithm],
    /// Whether `/register` is open.
    pub registration: bool,
    /// Whether clients may authenticate with certificates, and where.
    pub mtls: Option<&'a MutualTls>,
    /// Scopes beyond the standard ones that are granted to everybody.
    pub scopes: &'a [String],
}

/// The document.
#[must_use]
pub fn document(capabilities: &Capabilities<'_>) -> Value {
    let issuer = capabilities.issuer;
    let at = |path: &str| format!("{issuer}{path}");
    let mut scopes = vec!["openid", OFFLINE_ACCESS];
    let standard = claims::SCOPES.iter().map(|(scope, _)| *scope);
    for scope in standard.chain(capabilities.scopes.iter().map(String::as_str)) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    let person = claims::SCOPES.iter().flat_map(|(_, names)| *names).copied();
    let claims: Vec<&str> = TOKEN_CLAIMS.into_iter().chain(person).collect();
    let algorithms: Vec<&str> = capabilities.algorithms.iter().map(|alg| alg.as_str()).collect();
    let methods = methods(capabilities.mtls);
    let assertions = Algorithm::ALL.map(Algorithm::as_str);
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/jwks.json"),
        "introspection_endpoint": at("/introspect"),
        "revocation_endpoint": at("/revoke"),
        "end_session_endpoint": at("/end_session"),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ResponseMode::ALL.map(ResponseMode::as_str),
        "grant_types_supported": GrantType::ALL.map(GrantType::as_str),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": assertions,
        // RFC 7662 §2.1: no public client asks
        "introspection_endpoint_auth_methods_supported": &methods[..methods.len() - 1],
        "introspection_endpoint_auth_signing_alg_values_supported": assertions,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": assertions,
        "acr_values_supported": acr::ALL,
        "claim_types_supported": ["normal"],
        "claims_supported": claims,
        "ui_locales_supported": Language::ALL.map(Language::tag),
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "authorization_response_iss_parameter_supported": true,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        // Its default is true (OpenID Connect Discovery §3).
        "request_uri_parameter_supported": false,
    });
    if let Some(mtls) = capabilities.mtls {
        // clients that show certificates use these in preference to the others (RFC 8705 §5)
        let at = |path: &str| format!("{}{path}", mtls.url);
        document["tls_client_certificate_bound_access_tokens"] = true.into();
        document["mtls_endpoint_aliases"] = json!({
            "token_endpoint": at("/token"),
            "userinfo_endpoint": at("/userinfo"),
            "introspection_endpoint": at("/introspect"),
            "revocation_endpoint": at("/revoke"),
        });
    }
    if capabilities.registration {
        document["registration_endpoint"] = at("/register").into();
    }
    document
}

#[cfg(test)]
mod tests {
    use oidc_crds::secrets::installation::ClientCa;

    use super::*;
    use crate::testing::ISSUER;

    fn of(issuer: &str, registration: bool) -> Value {
        document(&Capabilities {
            issuer,
            algorithms: &[Algorithm::RS256, Algorithm::ES256],
            registration,
            mtls: None,
            scopes: &["api".to_owned(), "email".to_owned()],
        })
    }

    #[test]
    fn disc_01_the_document_lists_what_works() {
        insta::assert_json_snapshot!(of(ISSUER, true), @r#"
        {
          "acr_values_supported": [
            "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
          ],
          "authorization_endpoint": "https://id.example.com/authorize",
          "authorization_response_iss_parameter_supported": true,
          "claim_types_supported": [
            "normal"
          ],
          "claims_parameter_supported": false,
          "claims_supported": [
            "sub",
            "iss",
            "aud",
            "exp",
            "iat",
            "auth_time",
            "nonce",
            "at_hash",
            "sid",
            "acr",
            "amr",
            "jti",
            "name",
            "given_name",
            "family_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "email",
            "email_verified",
            "address",
            "phone_number",
            "phone_number_verified",
            "groups"
          ],
          "code_challenge_methods_supported": [
            "S256"
          ],
          "end_session_endpoint": "https://id.example.com/end_session",
          "grant_types_supported": [
            "authorization_code",
            "refresh_token",
            "client_credentials"
          ],
          "id_token_signing_alg_values_supported": [
            "RS256",
            "ES256"
          ],
          "introspection_endpoint": "https://id.example.com/introspect",
          "introspection_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt"
          ],
          "introspection_endpoint_auth_signing_alg_values_supported": [
            "RS256",
            "PS256",
            "ES256",
            "ES384",
            "EdDSA"
          ],
          "issuer": "https://id.example.com",
          "jwks_uri": "https://id.example.com/jwks.json",
          "prompt_values_supported": [
            "none",
            "login",
            "consent",
            "select_account"
          ],
          "registration_endpoint": "https://id.example.com/register",
          "request_parameter_supported": false,
          "request_uri_parameter_supported": false,
          "response_modes_supported": [
            "query",
            "fragment",
            "form_post"
          ],
          "response_types_supported": [
            "code"
          ],
          "revocation_endpoint": "https://id.example.com/revoke",
          "revocation_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
            "none"
          ],
          "revocation_endpoint_auth_signing_alg_values_supported": [
            "RS256",
            "PS256",
            "ES256",
            "ES384",
            "EdDSA"
          ],
          "scopes_supported": [
            "openid",
            "offline_access",
            "profile",
            "email",
            "address",
            "phone",
            "groups",
            "api"
          ],
          "subject_types_supported": [
            "public"
          ],
          "token_endpoint": "https://id.example.com/token",
          "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
            "none"
          ],
          "token_endpoint_auth_signing_alg_values_supported": [
            "RS256",
            "PS256",
            "ES256",
            "ES384",
            "EdDSA"
          ],
          "ui_locales_supported": [
            "en",
            "de",
            "fr",
            "es",
            "ja"
          ],
          "userinfo_endpoint": "https://id.example.com/userinfo"
        }
        "#);
    }

    #[test]
    fn disc_01_issuer_is_exactly_the_one_of_tokens() {
        let document = of("https://id.example.com/tenant", false);
        assert_eq!(document["issuer"], "https://id.example.com/tenant");
        assert_eq!(document["token_endpoint"], "https://id.example.com/tenant/token");
    }

    #[test]
    fn reg_01_closed_registration_is_not_advertised() {
        assert!(of(ISSUER, false).get("registration_endpoint").is_none());
        assert_eq!(
            of(ISSUER, true)["registration_endpoint"],
            "https://id.example.com/register"
        );
    }

    #[test]
    fn ca_05_mtls_01_certificates_are_advertised_where_they_are_taken() {
        let with = |ca: Option<ClientCa>| {
            document(&Capabilities {
                issuer: ISSUER,
                algorithms: &[Algorithm::RS256],
                registration: false,
                mtls: Some(&MutualTls {
                    url: "https://mtls.example.com/id".to_owned(),
                    ca,
                    client_cert_header: false,
                    trusted_proxies: Vec::new(),
                }),
                scopes: &[],
            })
        };
        let document = with(Some(ClientCa::ConfigMap("ca".to_owned())));
        let methods = [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
            "tls_client_auth",
            "self_signed_tls_client_auth",
        ];
        assert_eq!(
            document["introspection_endpoint_auth_methods_supported"],
            json!(methods)
        );
        let aliases = json!({
            "token_endpoint": "https://mtls.example.com/id/token",
            "userinfo_endpoint": "https://mtls.example.com/id/userinfo",
            "introspection_endpoint": "https://mtls.example.com/id/introspect",
            "revocation_endpoint": "https://mtls.example.com/id/revoke",
        });
        assert_eq!(document["mtls_endpoint_aliases"], aliases);
        assert_eq!(document["tls_client_certificate_bound_access_tokens"], true);
        assert_eq!(document["token_endpoint"], "https://id.example.com/token");
        let methods = [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
            "self_signed_tls_client_auth",
            "none",
        ];
        assert_eq!(
            with(None)["token_endpoint_auth_methods_supported"],
            json!(methods)
        );
        assert!(of(ISSUER, false).get("mtls_endpoint_aliases").is_none());
    }

    #[test]
    fn par_02_request_uri_is_said_to_be_unsupported() {
        assert_eq!(of(ISSUER, false)["request_uri_parameter_supported"], false);
    }
}
