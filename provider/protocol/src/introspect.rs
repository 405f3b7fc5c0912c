//! Introspection (RFC 7662): who may ask about what, and the answer.

use oidc_crds::client::Client;
use serde_json::Value;

use crate::client_auth::AuthenticatedClient;
use crate::jwt::AccessToken;

/// Whether the caller may know of this token: it issued... it is the token's client, or the resource
/// server of its audience.
#[must_use]
pub fn may_ask(caller: &AuthenticatedClient, token: &AccessToken, issuer: &str) -> bool {
    let _ = (caller, token, issuer);
    todo!()
}

/// `{"active": false}`: the answer for anything wrong.
#[must_use]
pub fn inactive() -> Value {
    serde_json::json!({"active": false})
}

/// The answer for a good token: the facts of the JWT. `username` is the person's, if any.
#[must_use]
pub fn active(token: &AccessToken, client: &Client, username: Option<&str>) -> Value {
    let _ = (token, client, username);
    todo!()
}
