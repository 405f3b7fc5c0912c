//! The HTTP surface, driven as a client and a browser would: the real router over the real memory store.

#[path = "../support/mod.rs"]
mod support;

mod authorize;
mod consent;
mod discovery;
mod envelope;
mod health;
mod introspect;
mod login;
mod refresh;
mod register;
mod revoke;
mod secrecy;
mod token;
mod tokens;
mod userinfo;
