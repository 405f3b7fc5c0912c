//! The authorization endpoint as an ordered list of checks (RFC 6749 §4.1.1, OpenID Connect Core
//! §3.1.2). Until client and redirect URI are proven, errors stay on our own page; then only a
//! [`ReturnTo`] can carry them to the client.

use std::sync::Arc;

use jiff::Timestamp;
use oidc_crds::client::Client;
use oidc_crds::user::User;
use serde::{Deserialize, Serialize};

use crate::error::OAuthError;
use crate::params::Params;
use crate::records::{ConsentRecord, Session};

pub(crate) mod audience;
pub(crate) mod pkce;
pub mod return_to;
pub(crate) mod scope;

pub use return_to::ReturnTo;

/// An authorization request that passed all checks which need no person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// UID of the client; the client is looked up and checked again at each step.
    pub client_uid: String,
    /// The client's id.
    pub client_id: String,
    /// As requested; matched exactly (native loopback: but for the port). `None`: the only one that is
    /// registered.
    pub redirect_uri: Option<String>,
    /// How the answer travels.
    pub response_mode: ResponseMode,
    /// `state`, unchanged.
    pub state: Option<String>,
    /// `nonce`, unchanged.
    pub nonce: Option<String>,
    /// Scopes asked for that the client may have, in order.
    pub scope: Vec<String>,
    /// Whether some asked scopes were dropped.
    pub scope_changed: bool,
    /// S256 challenge.
    pub code_challenge: Option<String>,
    /// Requested audiences.
    pub audience: Vec<String>,
    /// `prompt`.
    pub prompt: Prompt,
    /// `max_age` in seconds.
    pub max_age: Option<u64>,
    /// `login_hint`, to fill the field.
    pub login_hint: Option<String>,
}

/// How the parameters of an answer travel (OAuth 2.0 Multiple Response Type Encoding Practices §2.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    #[default]
    Query,
    /// In its fragment.
    Fragment,
}

impl ResponseMode {
    /// All that are built, in the order of the discovery document.
    pub const ALL: [Self; 2] = [Self::Query, Self::Fragment];

    /// The parameter's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
        }
    }
}

/// What `prompt` asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Show no page.
    pub none: bool,
    /// Authenticate again.
    pub login: bool,
    /// Ask for consent again.
    pub consent: bool,
}

/// What must happen now.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Show the login form.
    Login,
    /// Show the consent form for these scopes.
    Consent(Vec<String>),
    /// Issue a code.
    Issue,
}

/// The first half: who asks, and where an answer may go.
///
/// # Errors
/// An error for our own page, never redirected.
pub fn prove_client(
    params: &Params,
    find: impl Fn(&str) -> Option<Arc<Client>>,
    issuer: &str,
) -> Result<(Arc<Client>, ReturnTo), OAuthError> {
    let _ = (params, find, issuer);
    todo!()
}

/// The second half: all other parameters.
///
/// # Errors
/// An error to send by the [`ReturnTo`].
pub fn check(
    params: &Params,
    client: &Client,
    return_to: &ReturnTo,
) -> Result<AuthorizationRequest, OAuthError> {
    let _ = (params, client, return_to);
    todo!()
}

/// A request that comes back from the browser, against the client as it is now.
///
/// # Errors
/// An error for our own page.
pub fn recheck(
    request: &AuthorizationRequest,
    client: &Client,
    issuer: &str,
) -> Result<ReturnTo, OAuthError> {
    let _ = (request, client, issuer);
    todo!()
}

/// What to do. `session` is the login of this browser with the user as it is now (`None`: deleted);
/// `just_authenticated`: this very request's login form was answered; `consent`: what is remembered for
/// this client.
///
/// # Errors
/// An error to send by the [`ReturnTo`]: `login_required` and the like for `prompt=none`, `access_denied`
/// for a person who is disabled or outside `allowedGroups`.
pub fn next(
    request: &AuthorizationRequest,
    client: &Client,
    session: Option<(&Session, Option<&User>)>,
    consent: Option<&ConsentRecord>,
    just_authenticated: bool,
    now: Timestamp,
) -> Result<Next, OAuthError> {
    let _ = (request, client, session, consent, just_authenticated, now);
    todo!()
}
