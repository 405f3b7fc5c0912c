//! OAuth 2.0 and OpenID Connect as pure functions: parameters, client, records, time and randomness go
//! in, decisions come out. No runtime, no HTTP server, no store.
//!
//! | module | what |
//! |---|---|
//! | [`params`] | query and form → parameters; duplicates refused |
//! | [`error`] | one error; code → status in one table |
//! | [`handle`] | bearer values: codes, session cookies, refresh tokens, token ids; their digests |
//! | [`records`] | what the store keeps sealed |
//! | [`pending`] | the pending authorization request, sealed in the browser |
//! | [`authorize`] | the authorization endpoint |
//! | [`client_auth`] | who calls a back-channel endpoint |
//! | [`token`] | the token endpoint, one file a grant |
//! | [`claims`], [`jwt`], [`keys`] | what tokens say and how they are signed and checked |
//! | [`introspect`], [`userinfo`], [`discovery`], [`registration`] | one endpoint's rules each |
//!
//! To add a grant: its name in `oidc_crds::names::GrantType`, a file under `token/`, a variant of
//! [`token::TokenRequest`], an arm in the provider's `http/token.rs`, a row in [`discovery`].

pub mod authorize;
pub mod claims;
pub mod client_auth;
pub mod discovery;
pub mod error;
pub mod handle;
pub mod introspect;
pub mod jwt;
pub mod keys;
pub mod params;
pub mod pending;
pub mod records;
pub mod registration;
#[cfg(test)]
mod testing;
pub mod token;
pub mod userinfo;
