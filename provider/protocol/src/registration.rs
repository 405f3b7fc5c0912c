//! Dynamic registration (RFC 7591): metadata ↔ `OidcClient`.

use oidc_crds::client::{self, Client};
use oidc_crds::names::{ApplicationType, GrantType, ResponseType, SecretMethod};
use oidc_crds::resources::oidc_client::{
    Authentication, ClientSecretAuthentication, Jwks, NoAuthentication, PrivateKeyJwt, Tokens,
};
use oidc_crds::resources::{OidcClientSpec, Reason, limits};
use oidc_crds::validate::Violation;
use serde_json::{Map, Value, json};
use url::Url;

use crate::authorize::scope;
use crate::error::{ErrorCode, OAuthError};

const METHOD: &str = "token_endpoint_auth_method";

/// Fields of the spec and the metadata that they come from.
const FIELDS: [(&str, &str); 16] = [
    ("spec.redirectUris", "redirect_uris"),
    ("spec.postLogoutRedirectUris", "post_logout_redirect_uris"),
    ("spec.grantTypes", "grant_types"),
    ("spec.responseTypes", "response_types"),
    ("spec.scopes", "scope"),
    ("spec.applicationType", "application_type"),
    ("spec.authentication.privateKeyJwt.jwksUri", "jwks_uri"),
    ("spec.authentication.privateKeyJwt", "jwks"),
    ("spec.authentication", METHOD),
    (
        "spec.tokens.idTokenSignedResponseAlg",
        "id_token_signed_response_alg",
    ),
    ("client_secret", "client_secret"),
    ("spec.displayName", "client_name"),
    ("spec.logoUri", "logo_uri"),
    ("spec.clientUri", "client_uri"),
    ("spec.policyUri", "policy_uri"),
    ("spec.tosUri", "tos_uri"),
];

/// The spec that a registration asks for. Unknown metadata is ignored; of grant types, response types
/// and scopes those that are not offered are dropped (clients send what they know, not what they need;
/// the answer tells what they got, RFC 7591 §2). `offered_scopes` are those that can be had.
///
/// # Errors
/// `invalid_client_metadata` or `invalid_redirect_uri`, naming the member.
pub fn parse(body: &[u8], offered_scopes: &[&str]) -> Result<OidcClientSpec, OAuthError> {
    spec(&object(body)?, offered_scopes)
}

fn object(body: &[u8]) -> Result<Map<String, Value>, OAuthError> {
    serde_json::from_slice(body)
        .map_err(|_| OAuthError::new(ErrorCode::InvalidClientMetadata, "Send one JSON object."))
}

fn spec(metadata: &Map<String, Value>, offered_scopes: &[&str]) -> Result<OidcClientSpec, OAuthError> {
    let redirect_uris = list(metadata, "redirect_uris")?.unwrap_or_default();
    let grant_types = grant_types(metadata)?;
    let redirects = grant_types.contains(&GrantType::AuthorizationCode);
    if redirects && redirect_uris.is_empty() {
        // "Clients using flows with redirection MUST register their redirection URI values" (RFC 7591 §2).
        return Err(wrong("redirect_uris", "is missing"));
    }
    let application_type = match text(metadata, "application_type")?.as_deref() {
        Some("web") => Some(ApplicationType::Web),
        Some("native") => Some(ApplicationType::Native),
        Some(_) => return Err(wrong("application_type", "must be web or native")),
        // A machine has no redirects; else the redirect URIs tell.
        None => (!redirects && redirect_uris.is_empty()).then_some(ApplicationType::Service),
    };
    Ok(OidcClientSpec {
        display_name: text(metadata, "client_name")?,
        logo_uri: text(metadata, "logo_uri")?,
        client_uri: text(metadata, "client_uri")?,
        policy_uri: text(metadata, "policy_uri")?,
        tos_uri: text(metadata, "tos_uri")?,
        redirect_uris,
        post_logout_redirect_uris: list(metadata, "post_logout_redirect_uris")?.unwrap_or_default(),
        response_types: response_types(metadata, redirects)?,
        grant_types: Some(grant_types),
        scopes: scopes(metadata, offered_scopes)?,
        application_type,
        authentication: authentication(metadata)?,
        tokens: tokens(metadata)?,
        ..OidcClientSpec::default()
    })
}

/// The error for violations that the validator found in it.
#[must_use]
pub fn refused(violations: &[Violation]) -> OAuthError {
    let causes: Vec<String> = violations.iter().map(ToString::to_string).collect();
    let named = |violation: &Violation| {
        FIELDS
            .iter()
            .find(|(field, _)| {
                let rest = violation.field.strip_prefix(field);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
            })
            .map(|(_, member)| *member)
    };
    let members: Vec<&str> = violations.iter().filter_map(named).collect();
    let error = if violations
        .iter()
        .any(|violation| violation.reason == Reason::NoRoute)
    {
        OAuthError::new(
            ErrorCode::InvalidRedirectUri,
            format!(
                "{} has a host that no route is known to serve: a route must serve it first.",
                members.first().copied().unwrap_or("redirect_uris")
            ),
        )
    } else if members.contains(&"redirect_uris") {
        wrong(
            "redirect_uris",
            "must be https, http on loopback, or a custom scheme with a dot for native applications, \
             without fragment, wildcard or dot-segments",
        )
    } else {
        let member = members.first().copied().unwrap_or("The metadata");
        wrong(member, "is refused: see RFC 7591 section 2")
    };
    error.because(causes.join("; "))
}

/// Everything registered (RFC 7591 §3.2.1, RFC 7592 §3). `secret`: if it is told now. `issued_at` in seconds since the
/// epoch.
#[must_use]
pub fn response(client: &Client, secret: Option<&str>, issued_at: i64, access: &Access<'_>) -> Value {
    let has_code = client.allows_grant(GrantType::AuthorizationCode);
    let mut answer = json!({
        "client_id": client.client_id(),
        "client_id_issued_at": issued_at,
        "registration_client_uri": access.uri,
        "registration_access_token": access.token,
        "redirect_uris": client.redirect_uris(),
        "grant_types": client.grant_types().map(GrantType::as_str).collect::<Vec<_>>(),
        "response_types": if has_code { &["code"][..] } else { &[] },
        METHOD: method(client),
        "scope": client.scopes().join(" "),
    });
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            answer[name] = value;
        }
    };
    add(
        "application_type",
        match client.application_type() {
            ApplicationType::Web => Some("web".into()),
            ApplicationType::Native => Some("native".into()),
            ApplicationType::Service => None,
        },
    );
    let after_logout = client.post_logout_redirect_uris();
    add(
        "post_logout_redirect_uris",
        (!after_logout.is_empty()).then(|| after_logout.into()),
    );
    add("client_secret", secret.map(Into::into));
    // "REQUIRED if client_secret is issued … 0 if it will not expire" (RFC 7591 §3.2.1).
    add("client_secret_expires_at", secret.map(|_| 0.into()));
    let name = client.display_name();
    add("client_name", (name != client.client_id()).then(|| name.into()));
    add("logo_uri", client.logo_uri().map(Into::into));
    add("client_uri", client.client_uri().map(Into::into));
    add("policy_uri", client.policy_uri().map(Into::into));
    add("tos_uri", client.tos_uri().map(Into::into));
    add(
        "jwks",
        match client.authentication() {
            client::Authentication::PrivateKey(keys) => Some(keys.document()),
            _ => None,
        },
    );
    add(
        "jwks_uri",
        match client.authentication() {
            client::Authentication::KeysAt(address) => Some(address.as_ref().into()),
            _ => None,
        },
    );
    let algorithm = client.id_token_alg().map(|algorithm| algorithm.as_str().into());
    add("id_token_signed_response_alg", algorithm);
    answer
}

/// How the client authenticates, in the words of registration.
fn method(client: &Client) -> &'static str {
    match client.authentication() {
        client::Authentication::None => "none",
        client::Authentication::Secret(Some(SecretMethod::ClientSecretPost)) => "client_secret_post",
        client::Authentication::Secret(_) => "client_secret_basic",
        client::Authentication::Certificate(registered) => registered.method(),
        client::Authentication::PrivateKey(_)
        | client::Authentication::KeysAt(_)
        | client::Authentication::ServiceAccounts(_) => "private_key_jwt",
    }
}

/// Where a client reads, changes and deletes its registration, and by what (RFC 7592 §3).
pub struct Access<'a> {
    /// `registration_client_uri`.
    pub uri: &'a str,
    /// `registration_access_token`.
    pub token: &'a str,
}

/// What is wrong with `jwks`.
const NO_KEYS: &str = "must be a JWK Set with the public keys";

/// An error that names the member.
fn wrong(member: &str, what: &str) -> OAuthError {
    let code = if member == "redirect_uris" {
        ErrorCode::InvalidRedirectUri
    } else {
        ErrorCode::InvalidClientMetadata
    };
    OAuthError::new(code, format!("{member} {what}."))
}

/// A text member.
fn text(metadata: &Map<String, Value>, name: &str) -> Result<Option<String>, OAuthError> {
    match metadata.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong(name, "must be a text")),
    }
}

/// A list of texts.
fn list(metadata: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, OAuthError> {
    let not_a_list = || wrong(name, "must be a list of texts");
    match metadata.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| value.as_str().map(str::to_owned).ok_or_else(not_a_list))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(_) => Err(not_a_list()),
    }
}

/// "If omitted, the default behavior is that the client will use only the authorization_code Grant Type"
/// (RFC 7591 §2).
fn grant_types(metadata: &Map<String, Value>) -> Result<Vec<GrantType>, OAuthError> {
    let Some(asked) = list(metadata, "grant_types")? else {
        return Ok(vec![GrantType::AuthorizationCode]);
    };
    let mut offered = GrantType::ALL.to_vec();
    offered.retain(|grant| asked.iter().any(|asked| asked == grant.as_str()));
    if offered.is_empty() {
        return Err(wrong(
            "grant_types",
            "must hold authorization_code, refresh_token or client_credentials",
        ));
    }
    Ok(offered)
}

/// "If omitted, the default is that the client will use only the code response type" (RFC 7591 §2).
fn response_types(
    metadata: &Map<String, Value>,
    redirects: bool,
) -> Result<Option<Vec<ResponseType>>, OAuthError> {
    let asked = list(metadata, "response_types")?;
    match asked {
        Some(asked) if redirects && !asked.iter().any(|asked| asked == "code") => {
            Err(wrong("response_types", "must hold code"))
        }
        _ => Ok(redirects.then(|| vec![ResponseType::Code])),
    }
}

/// What is offered of the scopes asked for; nothing left is as if none was asked for.
fn scopes(metadata: &Map<String, Value>, offered: &[&str]) -> Result<Option<Vec<String>>, OAuthError> {
    let Some(asked) = text(metadata, "scope")? else {
        return Ok(None);
    };
    let mut scopes =
        scope::split(&asked).map_err(|_| wrong("scope", "must be scopes, each after a blank"))?;
    scopes.retain(|scope| offered.contains(&scope.as_str()));
    Ok((!scopes.is_empty()).then_some(scopes))
}

/// "If unspecified or omitted, the default is client_secret_basic" (RFC 7591 §2); us: then the secret may
/// come in the body as well, for those who never said how they would send it.
fn authentication(metadata: &Map<String, Value>) -> Result<Option<Authentication>, OAuthError> {
    let (keys, address) = (keys(metadata)?, text(metadata, "jwks_uri")?);
    // "The jwks_uri and jwks parameters MUST NOT both be present in the same request or response" (RFC 7591 §2).
    if keys.is_some() && address.is_some() {
        return Err(wrong("jwks_uri", "must not stand beside jwks"));
    }
    // it has its form, whatever it is used for
    if address.as_deref().is_some_and(|address| {
        address.len() > limits::URI || !Url::parse(address).is_ok_and(|url| url.scheme() == "https")
    }) {
        return Err(wrong("jwks_uri", "must be an https URL of at most 1024 bytes"));
    }
    let method = match text(metadata, METHOD)?.as_deref() {
        None => return Ok(None),
        Some("none") => {
            return Ok(Some(Authentication {
                none: Some(NoAuthentication {}),
                ..Authentication::default()
            }));
        }
        Some("private_key_jwt") => {
            return Ok(Some(Authentication {
                private_key_jwt: Some(match address {
                    Some(_) => PrivateKeyJwt {
                        jwks: None,
                        jwks_uri: address,
                    },
                    None => PrivateKeyJwt {
                        jwks: Some(jwks(keys)?),
                        jwks_uri: None,
                    },
                }),
                ..Authentication::default()
            }));
        }
        Some("client_secret_basic") => SecretMethod::ClientSecretBasic,
        Some("client_secret_post") => SecretMethod::ClientSecretPost,
        Some(_) => {
            return Err(wrong(
                METHOD,
                "must be client_secret_basic, client_secret_post, private_key_jwt or none",
            ));
        }
    };
    Ok(Some(Authentication {
        client_secret: Some(ClientSecretAuthentication { method: Some(method) }),
        ..Authentication::default()
    }))
}

/// "JWK Set value … which contains the client's public keys" (RFC 7591 §2): what is given, whatever it is used for,
/// must have that form.
fn keys(metadata: &Map<String, Value>) -> Result<Option<Value>, OAuthError> {
    let Some(given) = metadata.get("jwks").filter(|given| !given.is_null()) else {
        return Ok(None);
    };
    let listed = given.as_object().and_then(|set| set.get("keys"));
    let listed = listed.and_then(Value::as_array).filter(|listed| {
        (1..=limits::CLIENT_KEYS).contains(&listed.len()) && listed.iter().all(Value::is_object)
    });
    match listed {
        Some(_) => Ok(Some(given.clone())),
        None => Err(wrong("jwks", NO_KEYS)),
    }
}

/// The keys that JWTs of the client are checked with.
fn jwks(keys: Option<Value>) -> Result<Jwks, OAuthError> {
    serde_json::from_value(keys.unwrap_or_default()).map_err(|_| wrong("jwks", NO_KEYS))
}

/// The algorithm of ID tokens (OpenID Connect Registration §2).
fn tokens(metadata: &Map<String, Value>) -> Result<Option<Tokens>, OAuthError> {
    let Some(asked) = text(metadata, "id_token_signed_response_alg")? else {
        return Ok(None);
    };
    let algorithm = asked.parse().map_err(|()| {
        wrong(
            "id_token_signed_response_alg",
            "must be RS256, PS256, ES256, ES384 or EdDSA",
        )
    })?;
    Ok(Some(Tokens {
        id_token_signed_response_alg: Some(algorithm),
        ..Tokens::default()
    }))
}

pub mod change;
#[cfg(test)]
mod tests;
