//! The authorization endpoint as an ordered list of checks (RFC 6749 §4.1.1, OpenID Connect Core
//! §3.1.2). Until client and redirect URI are proven, errors stay on our own page; then only a
//! [`ReturnTo`] can carry them to the client.

use std::sync::Arc;

use oidc_crds::client::Client;
use oidc_crds::language::Language;
use oidc_crds::names::GrantType;
use serde::{Deserialize, Serialize};

use crate::error::{ErrorCode, OAuthError};
use crate::keys::Keys;
use crate::locale;
use crate::params::Params;

pub(crate) mod audience;
mod next;
pub(crate) mod pkce;
mod prompt;
mod redirect_uri;
pub mod return_to;
pub mod scope;

pub use next::{anybody_can_pose, next};
pub use return_to::{Reply, ReturnTo};

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
    /// The language that `ui_locales` chose; `None`: the browser's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// `sub` of a good `id_token_hint`: nobody else gets an answer.
    pub hinted_subject: Option<String>,
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
    /// In the body of a POST that the browser makes (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

impl ResponseMode {
    /// All that are built, in the order of the discovery document.
    pub const ALL: [Self; 3] = [Self::Query, Self::Fragment, Self::FormPost];

    /// The parameter's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
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

/// The longest `state`, in bytes; clients use up to some hundred.
pub const MAX_STATE: usize = 4096;
/// The longest `nonce`, in bytes.
pub const MAX_NONCE: usize = 1024;
/// The longest `login_hint` that fills the field, in bytes.
pub const MAX_LOGIN_HINT: usize = 256;

/// The first half: who asks, and where an answer may go.
///
/// # Errors
/// An error for our own page, never redirected (RFC 9700 §4.11).
pub fn prove_client(
    params: &Params,
    find: impl Fn(&str) -> Option<Arc<Client>>,
    issuer: &str,
) -> Result<(Arc<Client>, ReturnTo), OAuthError> {
    let client = find(params.require("client_id")?)
        .ok_or_else(|| OAuthError::invalid_request("client_id is not known here."))?;
    let mut scopes = params.get("scope").unwrap_or_default().split(' ');
    let openid = scopes.any(|scope| scope == "openid");
    let return_to = ReturnTo {
        redirect_uri: redirect_uri::proven(params.get("redirect_uri"), &client, openid)?,
        state: params.get("state").map(str::to_owned),
        issuer: issuer.to_owned(),
        // An unknown one is told by the default one.
        response_mode: response_mode(params).unwrap_or_default(),
    };
    Ok((client, return_to))
}

/// The second half: all other parameters, in this order.
///
/// # Errors
/// An error to send by the [`ReturnTo`].
pub fn check(
    params: &Params,
    client: &Client,
    return_to: &ReturnTo,
    keys: &Keys,
) -> Result<AuthorizationRequest, OAuthError> {
    no_request_object(params)?;
    response_type(params)?;
    may_use_codes(client)?;
    let response_mode = response_mode(params)?;
    let state = at_most(MAX_STATE, "state", params)?;
    let nonce = at_most(MAX_NONCE, "nonce", params)?;
    let code_challenge = pkce::challenge(params, client)?;
    let prompt = prompt::prompt(params)?;
    let max_age = prompt::max_age(params)?;
    let (scope, scope_changed) = scope::requested(params, client, can_go_offline(params, client, prompt))?;
    let audience = audience::requested(params);
    audience::check(&audience, client, &return_to.issuer)?;
    let hinted_subject = prompt::hinted_subject(params, prompt, keys, &return_to.issuer)?;
    let text = |name| params.get(name).map(str::to_owned);
    Ok(AuthorizationRequest {
        client_uid: client.grantee().to_owned(),
        client_id: client.client_id().to_owned(),
        redirect_uri: text("redirect_uri"),
        response_mode,
        state,
        nonce,
        scope,
        scope_changed,
        code_challenge,
        audience,
        prompt,
        max_age,
        // A hint never causes an error (OpenID Connect Core §3.1.2.1).
        login_hint: text("login_hint").filter(|hint| hint.len() <= MAX_LOGIN_HINT),
        language: params.get("ui_locales").and_then(locale::asked),
        hinted_subject,
    })
}

/// A request that comes back from the browser, against the client as it is now: a sealed request proves
/// nothing about it.
///
/// # Errors
/// An error for our own page.
pub fn recheck(
    request: &AuthorizationRequest,
    client: &Client,
    issuer: &str,
) -> Result<ReturnTo, OAuthError> {
    let changed = || {
        OAuthError::invalid_request(
            "The registration of this application has changed: go back to it and start again.",
        )
    };
    if client.grantee() != request.client_uid || client.client_id() != request.client_id {
        return Err(changed());
    }
    may_use_codes(client)?;
    let openid = request.scope.iter().any(|scope| scope == "openid");
    let redirect_uri = redirect_uri::proven(request.redirect_uri.as_deref(), client, openid)?;
    if !request.scope.iter().all(|scope| client.scopes().contains(scope))
        || audience::check(&request.audience, client, issuer).is_err()
        || (client.pkce_required() && request.code_challenge.is_none())
    {
        return Err(changed());
    }
    Ok(ReturnTo {
        redirect_uri,
        state: request.state.clone(),
        issuer: issuer.to_owned(),
        response_mode: request.response_mode,
    })
}

/// "Support for the request parameter is OPTIONAL … return the request_not_supported error" (OpenID
/// Connect Core §6.1, §6.2, §7.2.1).
fn no_request_object(params: &Params) -> Result<(), OAuthError> {
    for (name, code) in [
        ("request", ErrorCode::RequestNotSupported),
        ("request_uri", ErrorCode::RequestUriNotSupported),
        ("registration", ErrorCode::RegistrationNotSupported),
    ] {
        if params.get(name).is_some() {
            return Err(OAuthError::new(
                code,
                format!("{name} is not supported: send plain parameters."),
            ));
        }
    }
    Ok(())
}

/// "response_type REQUIRED" (RFC 6749 §4.1.1); `code` is the only one (RFC 9700 §2.1.2).
fn response_type(params: &Params) -> Result<(), OAuthError> {
    if params.require("response_type")? == "code" {
        return Ok(());
    }
    Err(OAuthError::new(
        ErrorCode::UnsupportedResponseType,
        "response_type must be code.",
    ))
}

/// "The client is not authorized to request an authorization code using this method" (RFC 6749 §4.1.2.1).
fn may_use_codes(client: &Client) -> Result<(), OAuthError> {
    if client.allows_grant(GrantType::AuthorizationCode) {
        return Ok(());
    }
    Err(OAuthError::new(
        ErrorCode::UnauthorizedClient,
        "The client is not registered for the grant authorization_code.",
    ))
}

/// Whether `offline_access` can be had: by refresh tokens, and with a consent, which `prompt=none` rules out.
fn can_go_offline(params: &Params, client: &Client, prompt: Prompt) -> bool {
    client.allows_grant(GrantType::RefreshToken)
        && (!prompt.none || next::skips_consent(client, params.get("redirect_uri")))
}

/// How the answer travels; `query` if nothing is said (OAuth 2.0 Multiple Response Types §2.1).
fn response_mode(params: &Params) -> Result<ResponseMode, OAuthError> {
    let Some(asked) = params.get("response_mode") else {
        return Ok(ResponseMode::default());
    };
    ResponseMode::ALL
        .into_iter()
        .find(|mode| mode.as_str() == asked)
        .ok_or_else(|| OAuthError::invalid_request("response_mode must be query, fragment or form_post."))
}

/// A value of limited length: it is carried through our forms and kept with the code.
pub(crate) fn at_most(limit: usize, name: &str, params: &Params) -> Result<Option<String>, OAuthError> {
    match params.get(name) {
        Some(value) if value.len() > limit => Err(OAuthError::invalid_request(format!(
            "{name} is longer than {limit} bytes."
        ))),
        value => Ok(value.map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests;
