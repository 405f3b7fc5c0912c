//! Headers that do not depend on what was asked: security, caching, CORS.

use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, ORIGIN,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use oidc_crds::client::Client;

/// Which browsers may read an endpoint's answers from other origins (protocol.md disc_04).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cors {
    /// None.
    No,
    /// All.
    Any,
    /// Those that the client allows, all where it lists none.
    ByClient,
}

/// The policy of what is no page; pages have one of their own ([`look`](crate::look)).
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; base-uri 'none'; frame-ancestors 'none'");

/// Security headers, and `no-store` unless the endpoint said otherwise. There is no
/// `Cross-Origin-Opener-Policy`: applications that sign in by a popup would lose it for good.
pub fn harden(headers: &mut HeaderMap, https: bool) {
    let fixed = [
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // no site embeds what is ours; reading by CORS is not embedding
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (
            HeaderName::from_static("permissions-policy"),
            HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
        ),
    ];
    headers.extend(fixed);
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(POLICY);
    if https {
        headers.insert(
            STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// Whether a request is a preflight.
#[must_use]
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key("access-control-request-method")
}

/// The answer to a preflight: it has no client, so any origin is answered.
pub fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().extend([
        (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST"),
        ),
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Authorization, Content-Type"),
        ),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200")),
        (VARY, HeaderValue::from_static("Origin")),
    ]);
    response
}

/// CORS headers of an answer, without credentials.
pub fn share(headers: &mut HeaderMap, cors: Cors, origin: Option<&HeaderValue>, client: Option<&Client>) {
    let allowed = match (cors, client.map(Client::allowed_origins)) {
        (Cors::No, _) => return,
        (Cors::ByClient, Some(listed)) if !listed.is_empty() => {
            let origin = origin.filter(|origin| listed.iter().any(|one| one.as_bytes() == origin.as_bytes()));
            origin.cloned()
        }
        _ => Some(HeaderValue::from_static("*")),
    };
    if cors == Cors::ByClient {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(allowed) = allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("WWW-Authenticate"),
        );
    }
}
