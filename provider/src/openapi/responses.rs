//! Headers of answers, and the answers that many operations share: as JSON (`Json400`) to programs, as a page
//! (`Page400`) to people.

use oidc_protocol::error::ErrorCode;
use serde_json::{Map, Value, json};

use super::parts::{content, schema};

/// What an endpoint that speaks JSON may answer whatever it is asked.
pub(super) const ALWAYS: &[u16] = &[414, 431, 500, 503];
/// And one that reads a body.
pub(super) const WITH_BODY: &[u16] = &[408, 413];

/// Headers by name.
pub(super) fn headers() -> Value {
    let text = |about: &str, schema: Value| json!({"description": about, "schema": schema});
    let must = |mut header: Value| {
        header["required"] = true.into();
        header
    };
    let constant = |about: &str, value: &str| text(about, json!({"const": value}));
    json!({
        "RequestId": must(text(
            "The request's id, as in the log: the one that was sent if it is 8 to 64 letters, digits, `-`, `_` or \
             `.`, else a new one.",
            json!({"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$"}),
        )),
        "NoStore": must(constant("The answer must not be kept.", "no-store")),
        "MayBeKept": must(text(
            "How many seconds the document may be kept.",
            json!({"type": "string", "pattern": "^public, max-age=[0-9]+$"}),
        )),
        "ETag": must(text("Changes with the content.", json!({"type": "string", "pattern": "^\"[A-Za-z0-9_-]{22}\"$"}))),
        "RetryAfter": must(text("Seconds to wait.", json!({"type": "integer", "minimum": 1}))),
        "Location": must(text("Where the browser goes.", json!({"type": "string", "minLength": 1}))),
        "SetCookie": text("The browser's or the session's cookie.", json!({"type": "string"})),
        "BasicChallenge": text(
            "If the `Authorization` header was used (RFC 6749 §5.2).",
            json!({"type": "string", "pattern": "^Basic "}),
        ),
        "BearerChallenge": must(text(
            "RFC 6750 §3; without an error code if no token was sent.",
            json!({"type": "string", "pattern": "^Bearer realm=\"oidc\""}),
        )),
        "AllowOrigin": text(
            "Which pages may read it: `*`, or the page's own origin where the client lists origins.",
            json!({"type": "string"}),
        ),
        "ExposeHeaders": constant("What they may read.", "WWW-Authenticate"),
        "Vary": text("Whether the answer depends on the page's origin.", json!({"type": "string"})),
    })
}

/// The headers of an answer, those that all have included: names and the components that describe them. Nothing
/// is kept unless the answer says so.
pub(super) fn with_headers(more: &[(&str, &str)]) -> Value {
    let mut headers = Map::new();
    let all = [("X-Request-Id", "RequestId"), ("Cache-Control", "NoStore")];
    for (name, component) in all.iter().chain(more) {
        headers.insert(
            (*name).to_owned(),
            json!({"$ref": format!("#/components/headers/{component}")}),
        );
    }
    headers.into()
}

/// What endpoints add that browsers read from other origins.
pub(super) const CORS: [(&str, &str); 3] = [
    ("Access-Control-Allow-Origin", "AllowOrigin"),
    ("Access-Control-Expose-Headers", "ExposeHeaders"),
    ("Vary", "Vary"),
];

/// An answer in JSON.
pub(super) fn json_response(
    about: &str,
    headers: &[(&str, &str)],
    schema: Value,
    examples: &[(&str, Value)],
) -> Value {
    let headers: Vec<_> = CORS.iter().chain(headers).copied().collect();
    json!({
        "description": about,
        "headers": with_headers(&headers),
        "content": {"application/json": content(schema, examples)},
    })
}

/// A refusal in JSON with one of these codes, each with the description of an example.
pub(super) fn refusal(about: &str, headers: &[(&str, &str)], examples: &[(ErrorCode, &str)]) -> Value {
    let mut codes: Vec<&str> = examples.iter().map(|(code, _)| code.as_str()).collect();
    codes.dedup();
    let schema = json!({"allOf": [schema("Error"), {"properties": {"error": {"enum": codes}}}]});
    let values: Vec<(String, Value)> = examples
        .iter()
        .enumerate()
        .map(|(n, (code, text))| {
            let code = code.as_str();
            let name = format!("{code}{}", if n == 0 { String::new() } else { format!("_{n}") });
            (name, json!({"error": code, "error_description": text}))
        })
        .collect();
    let named: Vec<_> = values
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    json_response(about, headers, schema, &named)
}

/// A page.
pub(super) fn page(about: &str, headers: &[(&str, &str)]) -> Value {
    json!({
        "description": about,
        "headers": with_headers(headers),
        "content": {"text/html; charset=utf-8": {"schema": schema("Page")}},
    })
}

/// The browser is sent on.
pub(super) fn redirect(about: &str) -> Value {
    json!({
        "description": about,
        "headers": with_headers(&[("Location", "Location"), ("Set-Cookie", "SetCookie")]),
    })
}

/// The answers that many operations share.
pub(super) fn shared() -> Value {
    use ErrorCode::{InvalidRequest, ServerError, TemporarilyUnavailable};
    let retry = &[("Retry-After", "RetryAfter")][..];
    let limited = "Too many requests: wait as long as Retry-After says, then try again.";
    let all = [
        (400, "The request is refused.", &[][..], InvalidRequest, ""),
        (
            408,
            "The body took longer than 30 seconds.",
            &[],
            InvalidRequest,
            "The body took too long to arrive.",
        ),
        (
            413,
            "The body is longer than 64 KiB.",
            &[],
            InvalidRequest,
            "The body is too large: 64 KiB are allowed.",
        ),
        (
            414,
            "The URL is longer than 8 KiB.",
            &[],
            InvalidRequest,
            "The URL is too long: send a POST.",
        ),
        (429, "A limit is reached.", retry, TemporarilyUnavailable, limited),
        (
            431,
            "The headers are longer than 16 KiB; a head of more than 24 KiB in all gets the bare status.",
            &[],
            InvalidRequest,
            "The headers are too long: delete the cookies of this site.",
        ),
        (500, "Something broke here.", &[], ServerError, ""),
        (
            503,
            "The store or the API server is away, or not everything is read yet.",
            retry,
            TemporarilyUnavailable,
            "",
        ),
    ];
    let mut responses = Map::new();
    for (status, about, headers, code, example) in all {
        let as_json = if example.is_empty() {
            let schema =
                json!({"allOf": [schema("Error"), {"properties": {"error": {"const": code.as_str()}}}]});
            json_response(about, headers, schema, &[])
        } else {
            refusal(about, headers, &[(code, example)])
        };
        responses.insert(format!("Json{status}"), as_json);
        let cookie = [("Set-Cookie", "SetCookie")];
        let headers: Vec<_> = headers.iter().chain(&cookie).copied().collect();
        responses.insert(format!("Page{status}"), page(about, &headers));
    }
    responses.into()
}
