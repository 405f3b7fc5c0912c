//! The HTTP surface, driven as a client and a browser would: the real router over the real memory store.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise; helpers are no tests in Clippy's eyes"
)]

#[path = "../support/mod.rs"]
mod support;

mod account;
mod allocations;
mod authorize;
mod certificate;
mod client_assertion;
mod consent;
mod discovery;
mod end_session;
mod envelope;
mod hardening;
mod health;
mod introspect;
mod jwks_uri;
mod keys;
mod limits;
mod login;
mod opaque;
mod openapi;
mod pages;
mod refresh;
mod register;
mod revoke;
mod secrecy;
mod senseless;
mod service_account;
mod sessions;
mod token;
mod tokens;
mod userinfo;
mod uses;
mod way_back;
