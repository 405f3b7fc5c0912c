//! The endpoints, one file each: extract, call, respond. What decides is in `oidc_protocol`; what must be
//! shared is in the [store](crate::store).
//!
//! | module | what |
//! |---|---|
//! | [`envelope`] | what every request gets: id, limits, panic net, headers, CORS, log line, metrics |
//! | [`call`], [`moment`] | what becomes known of a request; what is in force while it is answered |
//! | [`extract`] | bodies, forms, and the client that calls |
//! | [`error`] | [`Failure`](error::Failure): JSON, page or redirect; the only place that makes error answers |
//! | [`audit`] | what security teams want to know, one line each |
//! | [`cookie`], [`origin`], [`pages`] | the browser: cookies, where a form comes from, HTML |
//! | [`view`], [`problem`] | in which language a page is; what a person reads of an error |
//! | [`own_form`] | a form that comes back from our own page in the same browser |
//! | [`flow`] | what authorize, login, consent and signing out share |
//! | [`access`] | what userinfo, introspection and revocation share |

pub mod access;
pub mod account;
pub mod audit;
pub mod authorize;
pub mod call;
pub mod consent;
pub mod cookie;
pub mod discovery;
pub mod end_session;
pub mod envelope;
pub mod error;
pub mod extract;
pub mod flow;
pub mod headers;
pub mod health;
pub mod introspect;
pub mod jwks;
pub mod login;
pub mod moment;
pub mod openapi;
pub mod origin;
pub mod own_form;
pub mod pages;
pub mod problem;
pub mod register;
pub mod revoke;
pub mod token;
pub mod userinfo;
pub mod uses;
pub mod view;
pub mod way_back;
