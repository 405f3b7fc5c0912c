//! `/end_session` (OpenID Connect RP-Initiated Logout 1.0): who asks, whether the person must be asked, and
//! where the browser may go afterwards. Only a [`Target`] can send it away.

use std::sync::Arc;

use jiff::Timestamp;
use oidc_crds::client::Client;
use oidc_crds::language::Language;
use oidc_crds::seal::KeyRing;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::authorize::return_to::with_query;
use crate::authorize::{MAX_STATE, at_most};
use crate::error::OAuthError;
use crate::handle::{Digest, LoginTag};
use crate::jwt::{IdTokenHint, verify_id_token_hint};
use crate::keys::Keys;
use crate::locale;
use crate::params::Params;
use crate::pending::{self, PendingError};
use crate::records::{Session, sid};

/// A request to sign out.
#[derive(Debug, Clone)]
pub struct EndSession {
    /// What a good `id_token_hint` tells; a bad one counts as none.
    pub hint: Option<IdTokenHint>,
    /// The client that the hint or `client_id` names, if it is known.
    pub client: Option<Arc<Client>>,
    /// Where the browser goes afterwards; `None`: our own page.
    pub target: Option<Target>,
    /// The language that `ui_locales` chose; `None`: the browser's.
    pub language: Option<Language>,
}

/// A proven target: registered by the client that a good hint names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    uri: String,
    state: Option<String>,
}

impl Target {
    /// The address: `state`, "if included in the Logout Request, … is passed back … using the state query
    /// parameter" (RP-Initiated Logout §3).
    #[must_use]
    pub fn address(&self) -> String {
        let state = self.state.as_deref().map(|state| ("state", state));
        with_query(&self.uri, state)
    }
}

/// Reads the request; `find` finds a client by its id. `logout_hint` changes nothing here.
///
/// # Errors
/// `invalid_request`, for our own page: `client_id` is not the hint's, or `state` is too long.
pub fn read(
    params: &Params,
    find: impl Fn(&str) -> Option<Arc<Client>>,
    keys: &Keys,
    issuer: &str,
) -> Result<EndSession, OAuthError> {
    let state = at_most(MAX_STATE, "state", params)?;
    let hint = params
        .get("id_token_hint")
        .and_then(|hint| verify_id_token_hint(hint, keys, issuer));
    let client_id = params.get("client_id");
    if let (Some(hint), Some(client_id)) = (&hint, client_id)
        && hint.client_id != client_id
    {
        // "the OP MUST verify that the Client Identifier matches the one used when issuing the ID Token"
        // (RP-Initiated Logout §2).
        return Err(OAuthError::invalid_request(
            "client_id is not the client that id_token_hint was made for.",
        ));
    }
    let client = hint.as_ref().map(|hint| hint.client_id.as_str()).or(client_id);
    let client = client.and_then(find);
    // "the OP MUST NOT perform post-logout redirection" unless the value exactly matches a registered one and
    // the hint, or other means, confirm that it is legitimate (RP-Initiated Logout §3); us: only a good hint.
    let target = match (&hint, &client, params.get("post_logout_redirect_uri")) {
        (Some(_), Some(client), Some(uri)) if is_registered(client, uri) => Some(Target {
            uri: uri.to_owned(),
            state,
        }),
        _ => None,
    };
    Ok(EndSession {
        hint,
        client,
        target,
        language: params.get("ui_locales").and_then(locale::asked),
    })
}

fn is_registered(client: &Client, uri: &str) -> bool {
    client
        .post_logout_redirect_uris()
        .iter()
        .any(|registered| registered == uri)
}

impl EndSession {
    /// Whether the hint is an ID token of this very login, so that the person need not be asked.
    #[must_use]
    pub fn is_of(&self, session: &Session, tag: LoginTag, ring: &KeyRing) -> bool {
        let (Some(hint), Some(client)) = (&self.hint, &self.client) else {
            return false;
        };
        // the sid is made from the client's UID: a token of an earlier namesake has another
        let here = sid(ring, tag, client.grantee());
        hint.subject == session.subject && bool::from(here.as_bytes().ct_eq(hint.sid.as_bytes()))
    }

    /// What travels through the form that asks the person.
    #[must_use]
    pub fn pending(self, now: Timestamp) -> PendingLogout {
        PendingLogout {
            client_uid: self.client.map(|client| client.grantee().to_owned()),
            target: self.target,
            language: self.language,
            since: now,
        }
    }
}

/// A sign-out that the person is asked about: sealed in the form, bound to the browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingLogout {
    /// UID of the client that asks, if it is known.
    pub client_uid: Option<String>,
    target: Option<Target>,
    /// The language that `ui_locales` chose; `None`: the browser's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    since: Timestamp,
}

impl PendingLogout {
    /// The value of `_request` (base64url).
    pub fn seal(&self, ring: &KeyRing, browser: &Digest, rng: &mut impl CryptoRng) -> String {
        pending::seal(ring, browser, KIND, self, rng)
    }

    /// Opens a `_request`.
    ///
    /// # Errors
    /// When it is forged, of another browser or of another form, or too old.
    pub fn unseal(
        ring: &KeyRing,
        browser: &Digest,
        text: &str,
        now: Timestamp,
    ) -> Result<Self, PendingError> {
        pending::unseal(ring, browser, KIND, text, now, |logout: &Self| logout.since)
    }

    /// The target, if the client as it is now still has it registered.
    #[must_use]
    pub fn target(&self, client: Option<&Client>) -> Option<&Target> {
        let client = client.filter(|client| Some(client.grantee()) == self.client_uid.as_deref())?;
        self.target
            .as_ref()
            .filter(|target| is_registered(client, &target.uri))
    }
}

/// Keeps these apart from pending authorization requests.
const KIND: &[u8] = b"end_session";

#[cfg(test)]
mod tests;
