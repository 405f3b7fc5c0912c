//! OAuth 2.0 and OpenID Connect as pure functions: parameters, client, records, time and randomness go
//! in, decisions come out. No runtime, no HTTP server, no store.
//!
//! Tests are named after the rules that they prove (`az_06_…`), beside the code that keeps them:
//!
//! | specification | module | tests |
//! |---|---|---|
//! | RFC 6749 §3.1, §3.2: parameters | [`params`] | `par_01`–`par_04` |
//! | RFC 6749 §4.1.2.1, §5.2: errors | [`error`]: code → status in one table | `err_01`, `err_03` |
//! | bearer values and their digests: codes, session cookies, refresh tokens, token ids | [`handle`] | `i2`, `tok_05`, `jwt_06` |
//! | what the store keeps sealed | [`records`] | `i8`, `tok_02`, `az_18` |
//! | a short name of a device for the list of sessions | [`device`] | `ses_04` |
//! | pages of our own: what their forms carry, when they ask for the password again | [`first_party`] | `ses_01`, `ses_04` |
//! | the request on its way through our forms, sealed in the browser | [`pending`] | `ses_01`, `ses_03` |
//! | RFC 6749 §4.1.1, Core §3.1.2: the authorization endpoint | [`authorize`], one file a check | `err_02`, `par_02`, `az_04`–`az_12` |
//! | RFC 9700 §2.1, RFC 8252 §7.3: redirect URIs | `authorize/redirect_uri.rs` | `az_02`, `az_03`, `hard_03` |
//! | RFC 7636: proof keys | `authorize/pkce.rs` | `az_06`, `az_07` |
//! | RFC 9207, RFC 6749 §4.1.2: the way back | [`authorize::return_to`] | `az_05`, `hard_09` |
//! | RFC 6749 §2.3, RFC 7523, RFC 8705: who calls a back-channel endpoint | [`client_auth`] | `ca_01`–`ca_06`, `mtls_01` |
//! | RFC 6749 §4.1.3, §4.4, §6: the token endpoint | [`token`], one file a grant | `tok_01`–`tok_10a` |
//! | Core §2, RFC 9068: what tokens say | [`token::issue`] | `jwt_01`–`jwt_03`, `jwt_05`, `tok_06`–`tok_08` |
//! | RFC 7515, RFC 8725: how they are signed and checked | [`jwt`], [`keys`] | `jwt_02`, `jwt_04`, `hard_06`, `i3` |
//! | attempts at a password, requests in a time | [`limits`], [`limits::shared`] | `ses_05` |
//! | RFC 7239: the address of whoever asks | [`address`] | `ses_05` |
//! | Core §3.1.2.1, RFC 4647, RFC 9110 §12.5.4: the language of pages | [`locale`] | `az_12` |
//! | Core §5.4: scope → claims | [`claims`] | `ui_01` |
//! | Core §5.3, RFC 6750: userinfo | [`userinfo`] | `ui_01`–`ui_03` |
//! | RFC 7662: introspection | [`introspect`] | `int_01`, `int_02` |
//! | Discovery §3, RFC 8414: discovery | [`discovery`] | `disc_01` |
//! | RP-Initiated Logout 1.0: signing out | [`end_session`] | `out_01`, `hard_04` |
//! | RFC 7591: registration | [`registration`] | `reg_01`, `reg_02` |
//!
//! To add a grant: its name in `oidc_crds::names::GrantType`, a file under `token/`, a variant of
//! [`token::TokenRequest`], an arm in the provider's `http/token.rs`; [`discovery`] lists it by itself.

pub mod acr;
pub mod address;
pub mod authorize;
pub mod claims;
pub mod client_auth;
pub mod device;
pub mod discovery;
pub mod end_session;
pub mod error;
pub mod first_party;
pub mod handle;
pub mod introspect;
pub mod jwt;
pub mod keys;
pub mod limits;
pub mod locale;
pub mod params;
pub mod pending;
pub mod records;
pub mod registration;
#[cfg(test)]
mod testing;
pub mod token;
pub mod userinfo;
