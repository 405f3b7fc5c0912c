//! The OpenAPI 3.1 description of what this provider serves: everything, and only what is switched on.
//!
//! It is written by hand, as values, one file for each group of endpoints, because most of what is to be told
//! (forms, pages, redirects, headers) is in no type that could be derived from; numbers, names and patterns come
//! from the constants that the code itself goes by. A test holds it true: every route of the router is in it,
//! every answer of every router test must be described by it, and every answer that it describes is produced.
//!
//! To add an endpoint: a row in `router.rs`, an operation here in the file of its group, and its answers in
//! `provider/tests/http/openapi.rs`.

use serde_json::{Map, Value, json};

mod account;
mod authorize;
mod documents;
mod parts;
mod register;
mod responses;
mod schemas;
mod tokens;

/// What differs between installations.
pub struct Surface<'a> {
    /// The issuer: the URL that all paths are below.
    pub issuer: &'a str,
    /// The discovery document.
    pub discovery: &'a Value,
    /// Whether `/register` is open.
    pub registration: bool,
    /// Whether `/metrics` is on this port.
    pub metrics: bool,
}

const ABOUT: &str = "An OpenID Connect provider: authorization code flow with PKCE, refresh tokens, client \
    credentials, userinfo, introspection, revocation, sign-out.\n\n\
    Parameters without a value count as absent, unknown ones are ignored, and one that is sent twice is an error, \
    but for `resource` and `audience`. A request has at most 64 parameters, a URL 8 KiB, a head 16 KiB, a body \
    64 KiB.\n\n\
    Where GET is offered, HEAD is too; other methods get 405 with `Allow`. Endpoints whose answers carry \
    `Access-Control-Allow-Origin` answer preflights with 204. An unknown path gets 404.\n\n\
    Each answer carries, beside the headers below, `X-Content-Type-Options`, `X-Frame-Options`, `Referrer-Policy`, \
    `Cross-Origin-Resource-Policy`, `Permissions-Policy`, `Content-Security-Policy`, and \
    `Strict-Transport-Security` if the issuer is https.";

/// The description.
#[must_use]
pub fn document(surface: &Surface<'_>) -> Value {
    let mut paths = Map::new();
    documents::add(&mut paths, surface);
    authorize::add(&mut paths);
    tokens::add(&mut paths);
    account::add(&mut paths);
    if surface.registration {
        register::add(&mut paths);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "OpenID Connect provider",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": surface.issuer, "description": "The issuer."}],
        "tags": [
            {"name": "Metadata", "description": "Documents that clients and verifiers read and cache."},
            {"name": "Sign-in", "description": "What a person's browser walks through, and its forms."},
            {"name": "Tokens", "description": "What clients and resource servers call."},
            {"name": "Account", "description": "A person's own sessions and consents, and signing out."},
            {"name": "Operation", "description": "For those who run it."},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas::all(surface),
            "headers": responses::headers(),
            "responses": responses::shared(),
            "securitySchemes": security_schemes(surface.issuer),
        },
    })
}

/// `client_secret_post` and public clients are no schemes of OpenAPI: they are form fields, and `{}` among the
/// security requirements of an operation.
fn security_schemes(issuer: &str) -> Value {
    let cookie = |name: &str, about: &str| {
        let name = if issuer.starts_with("https://") {
            format!("__Host-{name}")
        } else {
            name.to_owned()
        };
        json!({"type": "apiKey", "in": "cookie", "name": name, "description": about})
    };
    json!({
        "basic": {
            "type": "http",
            "scheme": "basic",
            "description": "`client_secret_basic`: client id and secret, each form-encoded first (RFC 6749 §2.3.1). \
                Instead of it, the form may carry `client_id` and `client_secret` (`client_secret_post`), or \
                `client_id` alone for a public client.",
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token with the scope `openid` (RFC 6750 §2.1).",
        },
        "initialAccessToken": {
            "type": "http",
            "scheme": "bearer",
            "description": "An initial access token (RFC 7591 §3), from those who run the installation.",
        },
        "registrationAccessToken": {
            "type": "http",
            "scheme": "bearer",
            "description": "The client's own `registration_access_token` (RFC 7592).",
        },
        "browser": cookie("oidc_browser", "Names the browser: forms are bound to it. It is set with the first page. \
            Beside it, a cookie of the same value whose name goes on (`-…`) lasts as long as a form: so first pages that \
            a browser asks for at once do not replace each other's."),
        "session": cookie("oidc_session", "Who is signed in. It is set when a person signs in."),
        "openIdConnect": {
            "type": "openIdConnect",
            "openIdConnectUrl": format!("{issuer}/.well-known/openid-configuration"),
            "description": "How an application gets an access token for a person.",
        },
    })
}
