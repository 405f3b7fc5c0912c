//! The discovery document (OpenID Connect Discovery §3, RFC 8414 §2): only what works.

use oidc_crds::names::Algorithm;
use serde_json::Value;

/// What differs between installations.
pub struct Capabilities<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// Algorithms that some key signs now.
    pub algorithms: &'a [Algorithm],
    /// Whether `/register` is open.
    pub registration: bool,
    /// Scopes beyond the standard ones that are granted to everybody.
    pub scopes: &'a [String],
}

/// The document.
#[must_use]
pub fn document(capabilities: &Capabilities<'_>) -> Value {
    let _ = capabilities;
    todo!()
}
