//! Documents that are prepared once, and what those ask for who run it.

use serde_json::{Map, Value, json};

use super::Surface;
use super::parts::{Operation, content, header, schema};
use super::responses::{ALWAYS, json_response, page, with_headers};

const TAG: &str = "Metadata";

pub(super) fn add(paths: &mut Map<String, Value>, surface: &Surface<'_>) {
    let discovery = || [("this", surface.discovery.clone())];
    prepared(
        "openIdConfiguration",
        "The provider's metadata (OpenID Connect Discovery §4)",
    )
    .answer(200, kept("The metadata.", "Discovery", &discovery()))
    .add(paths, "/.well-known/openid-configuration", "get");
    prepared("oauthAuthorizationServer", "The same metadata (RFC 8414 §3)")
        .about("For an issuer with a path, that path may also follow this one (RFC 8414 §3.1).")
        .answer(200, kept("The metadata.", "Discovery", &discovery()))
        .add(paths, "/.well-known/oauth-authorization-server", "get");
    prepared("jwks", "The keys that tokens are verified with (RFC 7517 §5)")
        .answer(200, kept("The keys.", "Jwks", &[("es256", jwks())]))
        .add(paths, "/jwks.json", "get");
    prepared("openApi", "This description")
        .answer(200, kept("The description.", "Description", &[]))
        .add(paths, "/openapi.json", "get");
    let health = |about, status| {
        let example = json!({
            "status": status,
            "store": {"kind": "redis", "status": "ok"},
            "keys": {"algorithms": ["RS256"]},
            "clients": 3,
            "version": env!("CARGO_PKG_VERSION"),
        });
        json_response(about, &[], schema("Health"), &[(status, example)])
    };
    Operation::new("health", "Operation", "What works and what does not")
        .answer(200, health("It serves; the store may be away.", "ok"))
        .answer(503, health("It is starting or stopping.", "stopping"))
        .shared("Json", &[414, 431, 500])
        .add(paths, "/health", "get");
    if surface.metrics {
        let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let numbers = json!({
            "description": "OpenMetrics.",
            "headers": with_headers(&[]),
            "content": {media_type: content(json!({"type": "string", "pattern": "# EOF\n$"}), &[])},
        });
        Operation::new("metrics", "Operation", "The numbers, for Prometheus")
            .answer(200, numbers)
            .shared("Json", &[414, 431, 500])
            .add(paths, "/metrics", "get");
    }
    Operation::new("home", "Operation", "A page for whoever comes here by hand")
        .answer(200, page("A few words.", &[]))
        .shared("Page", &[414, 429, 431, 500])
        .add(paths, "/", "get");
}

/// RFC 7517 appendix A.1.
fn jwks() -> Value {
    json!({"keys": [{
        "kty": "EC",
        "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        "use": "sig",
        "alg": "ES256",
        "kid": "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s",
    }]})
}

/// A document that may be kept, and is not sent again to whoever has it.
fn prepared(id: &str, summary: &str) -> Operation {
    let mut headers = with_headers(&cached());
    headers["Cache-Control"] = json!({"$ref": "#/components/headers/MayBeKept"});
    let not_modified = json!({"description": "The caller has it.", "headers": headers});
    Operation::new(id, TAG, summary)
        .parameters(vec![header(
            "If-None-Match",
            "Entity tags of what the caller has (RFC 9110 §13.1.2).",
            json!({"type": "string"}),
        )])
        .answer(304, not_modified)
        .shared("Json", ALWAYS)
}

fn kept(about: &str, name: &str, examples: &[(&str, Value)]) -> Value {
    let mut response = json_response(about, &cached(), schema(name), examples);
    response["headers"]["Cache-Control"] = json!({"$ref": "#/components/headers/MayBeKept"});
    response
}

fn cached() -> [(&'static str, &'static str); 3] {
    [
        ("ETag", "ETag"),
        ("Access-Control-Allow-Origin", "AllowOrigin"),
        ("Access-Control-Expose-Headers", "ExposeHeaders"),
    ]
}
