//! Schemas by name.

use oidc_crds::names::{Algorithm, GrantType};
use oidc_crds::resources::limits;
use oidc_protocol::claims;
use oidc_protocol::error::ErrorCode;
use serde_json::{Map, Value, json};

use super::Surface;

pub(super) fn all(surface: &Surface<'_>) -> Value {
    let mut schemas = json!({
        "Error": error(),
        "Page": {
            "type": "string",
            "contentMediaType": "text/html",
            "pattern": "^<!doctype html>",
            "description": "A page for people. Fields of forms that start with `_` are to be sent as they are.",
        },
        "Tokens": tokens(),
        "Userinfo": userinfo(),
        "Introspection": introspection(),
        "Discovery": discovery(surface.discovery),
        "Jwks": {
            "type": "object",
            "required": ["keys"],
            "properties": {"keys": {"type": "array", "items": {"$ref": "#/components/schemas/Jwk"}}},
            "additionalProperties": false,
        },
        "Jwk": jwk(),
        "Description": {
            "type": "object",
            "required": ["openapi", "info", "servers", "paths", "components"],
            "properties": {"openapi": {"const": "3.1.0"}},
        },
        "Health": health(),
    });
    if surface.registration {
        schemas["Registration"] = registration();
        schemas["Registered"] = registered();
    }
    schemas
}

/// The texts that RFC 6749 §5.2 allows.
const DESCRIPTION: &str = "^[ !#-\\[\\]-~]+$";

fn error() -> Value {
    json!({
        "type": "object",
        "required": ["error", "error_description"],
        "properties": {
            "error": {"type": "string", "enum": ErrorCode::ALL.map(ErrorCode::as_str)},
            "error_description": {
                "type": "string",
                "pattern": DESCRIPTION,
                "description": "How to mend it.",
            },
        },
        "additionalProperties": false,
    })
}

fn tokens() -> Value {
    let jwt = "^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$";
    json!({
        "type": "object",
        "required": ["access_token", "token_type", "expires_in"],
        "properties": {
            "access_token": {
                "type": "string",
                "pattern": format!("{jwt}|^at1\\.[A-Za-z0-9_-]+$"),
                "description": "A JWT (RFC 9068), or an opaque text for clients that are registered so.",
            },
            "token_type": {"const": "Bearer"},
            "expires_in": {"type": "integer", "minimum": 1, "description": "Seconds."},
            "refresh_token": {"type": "string", "pattern": "^rt1\\.", "description": "Good once."},
            "id_token": {"type": "string", "pattern": jwt, "description": "With the scope `openid`."},
            "scope": {"type": "string", "pattern": DESCRIPTION, "description": "The scopes that were granted."},
        },
        "additionalProperties": false,
    })
}

/// The claims of the table; a person's and a client's own come beside them.
fn userinfo() -> Value {
    let mut properties = Map::new();
    properties.insert(
        "sub".to_owned(),
        json!({"type": "string", "maxLength": limits::SUBJECT}),
    );
    for name in claims::SCOPES.iter().flat_map(|(_, names)| *names) {
        let schema = match *name {
            "email_verified" | "phone_number_verified" => json!({"type": "boolean"}),
            "groups" => json!({"type": "array", "items": {"type": "string"}, "minItems": 1}),
            "address" => json!({"type": "object", "additionalProperties": {"type": "string"}}),
            _ => json!({"type": "string"}),
        };
        properties.insert((*name).to_owned(), schema);
    }
    json!({
        "type": "object",
        "required": ["sub"],
        "properties": properties,
        "description": "Beside these, a person's and a client's own claims.",
    })
}

fn introspection() -> Value {
    let time = || json!({"type": "integer", "description": "Seconds since 1970."});
    let text = || json!({"type": "string"});
    json!({
        "oneOf": [
            {
                "type": "object",
                "required": ["active"],
                "properties": {"active": {"const": false}},
                "additionalProperties": false,
            },
            {
                "type": "object",
                "required": ["active", "iss", "sub", "client_id", "exp", "token_type"],
                "properties": {
                    "active": {"const": true},
                    "iss": text(),
                    "sub": text(),
                    "client_id": text(),
                    "aud": {"anyOf": [text(), {"type": "array", "items": text()}]},
                    "exp": time(),
                    "iat": time(),
                    "auth_time": time(),
                    "acr": text(),
                    "jti": text(),
                    "scope": text(),
                    "token_type": {"type": "string", "enum": ["Bearer", "refresh_token"]},
                    "username": text(),
                    "groups": {"type": "array", "items": text()},
                    "cnf": {"type": "object", "required": ["x5t#S256"], "properties": {"x5t#S256": text()},
                        "description": "The certificate that the token is bound to (RFC 8705 §3.2)."},
                },
                "description": "Beside these, the access token's own claims.",
            },
        ],
    })
}

/// The document itself says which members there are and of which type.
fn discovery(document: &Value) -> Value {
    let members = document.as_object();
    let of = |value: &Value| match value {
        Value::Array(_) => json!({"type": "array", "items": {"type": "string"}}),
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::String(_) => json!({"type": "string", "format": "uri"}),
        Value::Object(_) => discovery(value),
        _ => json!({}),
    };
    let properties: Map<String, Value> = members
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), of(value)))
        .collect();
    json!({
        "type": "object",
        "required": properties.keys().collect::<Vec<_>>(),
        "properties": properties,
        "additionalProperties": false,
    })
}

fn jwk() -> Value {
    let number = || json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$"});
    let key = |kty: &str, algorithms: &[Algorithm], more: &[&str]| {
        let names: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        let mut properties = json!({
            "kty": {"const": kty},
            "use": {"const": "sig"},
            "alg": {"type": "string", "enum": names},
            "kid": {"type": "string", "description": "The RFC 7638 thumbprint."},
        });
        let mut required = vec!["kty", "use", "alg", "kid"];
        for name in more {
            properties[name] = if *name == "crv" {
                json!({"type": "string"})
            } else {
                number()
            };
            required.push(name);
        }
        json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
    };
    json!({"oneOf": [
        key("RSA", &[Algorithm::RS256, Algorithm::PS256], &["n", "e"]),
        key("EC", &[Algorithm::ES256, Algorithm::ES384], &["crv", "x", "y"]),
        key("OKP", &[Algorithm::EdDSA], &["crv", "x"]),
    ]})
}

fn health() -> Value {
    json!({
        "type": "object",
        "required": ["status", "store", "keys", "clients", "version"],
        "properties": {
            "status": {"type": "string", "enum": ["ok", "degraded", "starting", "stopping"]},
            "store": {
                "type": "object",
                "required": ["kind", "status"],
                "properties": {
                    "kind": {"type": "string"},
                    "status": {"type": "string", "enum": ["ok", "unavailable"]},
                    "message": {"type": "string"},
                },
                "additionalProperties": false,
            },
            "keys": {
                "type": "object",
                "required": ["algorithms"],
                "properties": {"algorithms": {
                    "type": "array",
                    "items": {"type": "string", "enum": Algorithm::ALL.map(Algorithm::as_str)},
                }},
                "additionalProperties": false,
            },
            "clients": {"type": "integer", "minimum": 0},
            "version": {"type": "string"},
        },
        "additionalProperties": false,
    })
}

/// What a registration may say and its answer says.
fn metadata() -> Value {
    let uris = |most: usize| {
        json!({"type": "array", "maxItems": limits::LIST,
            "items": {"type": "string", "format": "uri", "maxLength": most}})
    };
    let uri = || json!({"type": "string", "format": "uri", "maxLength": limits::URI});
    json!({
        "redirect_uris": uris(limits::REDIRECT_URI),
        "post_logout_redirect_uris": uris(limits::REDIRECT_URI),
        "grant_types": {"type": "array", "items": {"type": "string"},
            "contains": {"enum": GrantType::ALL.map(GrantType::as_str)}},
        "response_types": {"type": "array", "items": {"type": "string"}},
        "token_endpoint_auth_method": {"type": "string",
            "enum": ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]},
        "jwks": {"type": "object", "required": ["keys"], "properties": {
            "keys": {"type": "array", "minItems": 1, "maxItems": limits::CLIENT_KEYS, "items": {"type": "object"}}}},
        "jwks_uri": uri(),
        "application_type": {"type": "string", "enum": ["web", "native"]},
        "scope": {"type": "string"},
        "client_name": {"type": "string", "maxLength": limits::DISPLAY_NAME},
        "logo_uri": uri(),
        "client_uri": uri(),
        "policy_uri": uri(),
        "tos_uri": uri(),
        "id_token_signed_response_alg": {"type": "string", "enum": Algorithm::ALL.map(Algorithm::as_str)},
    })
}

/// A member that is `null` counts as absent.
fn registration() -> Value {
    let mut properties = metadata();
    let members = properties.as_object_mut();
    for schema in members.into_iter().flat_map(Map::values_mut) {
        *schema = json!({"anyOf": [*schema, {"type": "null"}]});
    }
    json!({"type": "object", "properties": properties})
}

fn registered() -> Value {
    let mut properties = metadata();
    for (name, schema) in [
        ("client_id", json!({"type": "string"})),
        (
            "client_id_issued_at",
            json!({"type": "integer", "description": "Seconds since 1970."}),
        ),
        (
            "client_secret",
            json!({"type": "string", "description": "If the client authenticates with one; told this once."}),
        ),
        (
            "client_secret_expires_at",
            json!({"const": 0, "description": "Never."}),
        ),
        (
            "registration_client_uri",
            json!({"type": "string", "format": "uri", "description": "Where the client is read, changed, deleted."}),
        ),
        (
            "registration_access_token",
            json!({"type": "string", "description": "By what; each change has the next one in its answer."}),
        ),
    ] {
        properties[name] = schema;
    }
    // an answer says what is, not what may be asked for
    properties["grant_types"] = json!({"type": "array",
        "items": {"type": "string", "enum": GrantType::ALL.map(GrantType::as_str)}});
    properties["response_types"] = json!({"type": "array", "items": {"const": "code"}});
    json!({
        "type": "object",
        "required": ["client_id", "client_id_issued_at", "registration_client_uri", "registration_access_token",
            "redirect_uris", "grant_types", "response_types",
            "token_endpoint_auth_method", "scope"],
        "properties": properties,
        "additionalProperties": false,
    })
}
