//! A registered client that changes its own registration (RFC 7592 §2.2).

use oidc_crds::client::{self, Client};
use oidc_crds::credentials::ClientSecret;
use oidc_crds::resources::OidcClientSpec;
use oidc_crds::resources::oidc_client::{Authentication, Tokens};
use serde_json::Value;

use super::{METHOD, method, object, spec, text, wrong};
use crate::error::OAuthError;

/// What a change asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// All metadata, as [`parse`](super::parse) makes it.
    pub spec: OidcClientSpec,
    /// The secret, where it is repeated: it must be the present one.
    pub secret: Option<ClientSecret>,
    /// Whether the client goes on authenticating as it does, whatever `spec` says.
    pub keeps_authentication: bool,
}

/// Reads the change of a client. What the provider alone says (`registration_access_token`,
/// `registration_client_uri`, `client_id_issued_at`, `client_secret_expires_at`) is ignored, like all that is unknown.
/// Certificates and ServiceAccounts are what no registration can ask for: whoever runs the installation set them, so
/// they stay, and a program that repeats what it was told may.
///
/// # Errors
/// As [`parse`](super::parse).
pub fn parse(body: &[u8], offered_scopes: &[&str], client: &Client) -> Result<Asked, OAuthError> {
    let mut metadata = object(body)?;
    // "The client MUST include its client_id field in the request, and it MUST be the same as its currently issued
    // client identifier" (RFC 7592 §2.2).
    if metadata.get("client_id").and_then(Value::as_str) != Some(client.client_id()) {
        return Err(wrong("client_id", "must be that of the client"));
    }
    let keeps_authentication = matches!(
        client.authentication(),
        client::Authentication::Certificate(_) | client::Authentication::ServiceAccounts(_)
    );
    if keeps_authentication {
        let other = |asked: String| asked != method(client);
        if text(&metadata, METHOD)?.is_some_and(other) {
            return Err(wrong(METHOD, "must stay as it is, or be left out"));
        }
        metadata.remove(METHOD);
    }
    Ok(Asked {
        spec: spec(&metadata, offered_scopes)?,
        secret: text(&metadata, "client_secret")?.map(ClientSecret::new),
        keeps_authentication,
    })
}

/// The spec after the change: "the values of metadata fields in the request MUST replace, not augment" those of
/// before, and "omitted fields MUST be treated as null" (RFC 7592 §2.2). What no metadata says, like groups or
/// lifetimes, or a certificate to authenticate with, is not the program's to change: it stays as those left it who run
/// the installation.
#[must_use]
pub fn replaced(present: OidcClientSpec, asked: Asked) -> OidcClientSpec {
    // they may have changed it since the request was read
    let set = |way: &Authentication| way.tls.is_some() || way.service_accounts.is_some();
    let keeps = asked.keeps_authentication || present.authentication.as_ref().is_some_and(set);
    let asked = asked.spec;
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
        authentication: if keeps {
            present.authentication
        } else {
            asked.authentication
        },
        tokens: (tokens != Tokens::default()).then_some(tokens),
        ..present
    }
}

#[cfg(test)]
mod tests {
    use oidc_crds::secrets::installation::Installation;
    use oidc_crds::validate::validate;
    use serde_json::json;

    use super::*;
    use crate::error::ErrorCode;
    use crate::testing::{REDIRECT, client_with};

    const ID: &str = "default.app";

    fn spec_of(spec: Value) -> OidcClientSpec {
        serde_json::from_value(spec).unwrap()
    }

    fn ask(metadata: &Value) -> Result<Asked, (ErrorCode, String)> {
        ask_of(&client_with(json!({})), metadata)
    }

    fn ask_of(client: &Client, metadata: &Value) -> Result<Asked, (ErrorCode, String)> {
        parse(metadata.to_string().as_bytes(), &["openid"], client)
            .map_err(|error| (error.code, error.description.into_owned()))
    }

    /// A client for pods, which no standalone provider serves.
    fn of_pods(authentication: &Value) -> Client {
        let installation = Installation::parse(
            "release: oidc\nissuer: https://id.example.com\nclassName: oidc\ndefaultClass: true\n\
             namespaces: {clusterWide: {selector: null}}\njwksMaxAge: 300s\n",
        );
        let object = serde_json::from_value(json!({
            "metadata": {"name": "app", "namespace": "default", "uid": "uid-app",
                "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"redirectUris": [REDIRECT], "authentication": authentication["authentication"]},
        }));
        validate(&object.unwrap(), &installation.unwrap(), None).unwrap()
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
        assert!(parse(b"[", &[], &client_with(json!({}))).is_err());
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
        let changed = serde_json::to_value(replaced(present, asked)).unwrap();
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
        assert_eq!(replaced(present, asked).tokens, None);
    }

    #[test]
    fn reg_03_an_authentication_that_no_registration_can_ask_for_stays() {
        let tls = json!({"authentication": {"tls": {"sanDns": "app.example.com"}}});
        let jwks = json!({"authentication": {"tls": {"thumbprints": ["ab".repeat(32)]}}});
        let pods = json!({"authentication": {"serviceAccounts": [{"name": "app"}]}});
        let (by_name, by_itself, by_pod) = (
            client_with(tls.clone()),
            client_with(jwks.clone()),
            of_pods(&pods),
        );
        for (present, client, method) in [
            (tls, &*by_name, "tls_client_auth"),
            (jwks, &*by_itself, "self_signed_tls_client_auth"),
            (pods, &by_pod, "private_key_jwt"),
        ] {
            for asked in [Value::Null, json!(method)] {
                let metadata = json!({"client_id": ID, "redirect_uris": [REDIRECT], METHOD: asked});
                let asked = ask_of(client, &metadata).unwrap();
                let changed = replaced(spec_of(present.clone()), asked.clone());
                assert_eq!(changed.authentication, spec_of(present.clone()).authentication);
                // set while the request was on its way, or given up then
                let late = Asked {
                    keeps_authentication: false,
                    ..asked.clone()
                };
                let changed = replaced(spec_of(present.clone()), late);
                assert_eq!(changed.authentication, spec_of(present.clone()).authentication);
                let keys = spec_of(json!({"authentication": {"clientSecret": {}}}));
                assert_eq!(replaced(keys.clone(), asked).authentication, keys.authentication);
            }
            for other in [
                json!("none"),
                json!("client_secret_basic"),
                json!("magic"),
                json!(7),
            ] {
                let metadata = json!({"client_id": ID, "redirect_uris": [REDIRECT], METHOD: other});
                let (code, description) = ask_of(client, &metadata).unwrap_err();
                assert_eq!(code, ErrorCode::InvalidClientMetadata);
                assert!(description.starts_with(METHOD), "{description}");
            }
        }
        let metadata = json!({"client_id": ID, "redirect_uris": [REDIRECT], METHOD: "tls_client_auth"});
        assert!(ask(&metadata).is_err(), "it cannot be asked for");
    }
}
