//! A registered client that changes its own registration (RFC 7592 §2.2).

use oidc_crds::credentials::ClientSecret;
use oidc_crds::resources::OidcClientSpec;
use oidc_crds::resources::oidc_client::Tokens;
use serde_json::Value;

use super::{object, spec, text, wrong};
use crate::error::OAuthError;

/// What a change asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// All metadata, as [`parse`](super::parse) makes it.
    pub spec: OidcClientSpec,
    /// The secret, where it is repeated: it must be the present one.
    pub secret: Option<ClientSecret>,
}

/// Reads the change of a client. What the provider alone says (`registration_access_token`,
/// `registration_client_uri`, `client_id_issued_at`, `client_secret_expires_at`) is ignored, like all that is unknown.
///
/// # Errors
/// As [`parse`](super::parse).
pub fn parse(body: &[u8], offered_scopes: &[&str], client_id: &str) -> Result<Asked, OAuthError> {
    let metadata = object(body)?;
    // "The client MUST include its client_id field in the request, and it MUST be the same as its currently issued
    // client identifier" (RFC 7592 §2.2).
    if metadata.get("client_id").and_then(Value::as_str) != Some(client_id) {
        return Err(wrong("client_id", "must be that of the client"));
    }
    Ok(Asked {
        spec: spec(&metadata, offered_scopes)?,
        secret: text(&metadata, "client_secret")?.map(ClientSecret::new),
    })
}

/// The spec after the change: "the values of metadata fields in the request MUST replace, not augment" those of
/// before, and "omitted fields MUST be treated as null" (RFC 7592 §2.2). What no metadata says, like groups or
/// lifetimes, is not the program's to change: it stays as those left it who run the installation.
#[must_use]
pub fn replaced(present: OidcClientSpec, asked: OidcClientSpec) -> OidcClientSpec {
    let tokens = Tokens {
        id_token_signed_response_alg: asked
            .tokens
            .and_then(|tokens| tokens.id_token_signed_response_alg),
        ..present.tokens.unwrap_or_default()
    };
    OidcClientSpec {
        display_name: asked.display_name,
        logo_uri: asked.logo_uri,
        client_uri: asked.client_uri,
        policy_uri: asked.policy_uri,
        tos_uri: asked.tos_uri,
        redirect_uris: asked.redirect_uris,
        post_logout_redirect_uris: asked.post_logout_redirect_uris,
        grant_types: asked.grant_types,
        response_types: asked.response_types,
        scopes: asked.scopes,
        application_type: asked.application_type,
        authentication: asked.authentication,
        tokens: (tokens != Tokens::default()).then_some(tokens),
        ..present
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::ErrorCode;
    use crate::testing::REDIRECT;

    const ID: &str = "apps.one";

    fn spec_of(spec: Value) -> OidcClientSpec {
        serde_json::from_value(spec).unwrap()
    }

    fn ask(metadata: &Value) -> Result<Asked, (ErrorCode, String)> {
        parse(metadata.to_string().as_bytes(), &["openid"], ID)
            .map_err(|error| (error.code, error.description.into_owned()))
    }

    #[test]
    fn reg_03_a_change_names_its_client() {
        let good = json!({"client_id": ID, "redirect_uris": [REDIRECT], "client_secret": "canary",
            "registration_access_token": "x", "client_id_issued_at": 7});
        let asked = ask(&good).unwrap();
        assert_eq!(asked.spec.redirect_uris, [REDIRECT]);
        assert_eq!(asked.secret.as_ref().unwrap().expose(), "canary");
        assert!(!format!("{asked:?}").contains("canary"));
        for (member, value) in [
            ("client_id", Value::Null),
            ("client_id", json!("apps.two")),
            ("client_id", json!(7)),
            ("client_secret", json!(7)),
        ] {
            let mut bad = good.clone();
            bad[member] = value;
            let (code, description) = ask(&bad).unwrap_err();
            assert_eq!(code, ErrorCode::InvalidClientMetadata);
            assert!(description.contains(member), "{description}");
        }
        let (code, _) = ask(&json!({"client_id": ID})).unwrap_err();
        assert_eq!(code, ErrorCode::InvalidRedirectUri, "the rules of a registration");
        assert!(parse(b"[", &[], ID).is_err());
    }

    #[test]
    fn reg_03_metadata_is_replaced_and_what_is_left_out_is_reset() {
        let present = spec_of(json!({
            "className": "oidc", "redirectUris": ["https://a.example/cb"], "displayName": "One",
            "logoUri": "https://a.example/logo.png", "scopes": ["openid"], "grantTypes": ["authorization_code"],
            "postLogoutRedirectUris": ["https://a.example/bye"], "applicationType": "web",
            "authentication": {"none": {}}, "allowedGroups": ["staff"], "consent": "required",
            "tokens": {"idTokenSignedResponseAlg": "ES256", "accessTokenTtl": "5m"},
            "registration": {"id": "r1"},
        }));
        let asked =
            ask(&json!({"client_id": ID, "redirect_uris": [REDIRECT], "client_name": "Two"})).unwrap();
        let changed = serde_json::to_value(replaced(present, asked.spec)).unwrap();
        assert_eq!(
            changed,
            json!({
                "className": "oidc", "redirectUris": [REDIRECT], "displayName": "Two",
                "grantTypes": ["authorization_code"], "responseTypes": ["code"],
                "allowedGroups": ["staff"], "consent": "required", "tokens": {"accessTokenTtl": "5m"},
                "registration": {"id": "r1"},
            })
        );
        let present =
            spec_of(json!({"redirectUris": [REDIRECT], "tokens": {"idTokenSignedResponseAlg": "ES256"}}));
        let asked = ask(&json!({"client_id": ID, "redirect_uris": [REDIRECT]})).unwrap();
        assert_eq!(replaced(present, asked.spec).tokens, None);
    }
}
