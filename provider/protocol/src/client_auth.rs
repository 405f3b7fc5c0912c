//! Who calls a back-channel endpoint (RFC 6749 §2.3, §3.2.1).

use std::sync::Arc;

use jiff::Timestamp;
use oidc_crds::client::Client;
use oidc_crds::secrets::pepper::Pepper;

use crate::error::OAuthError;
use crate::params::Params;

/// Credentials as they were presented.
pub struct Presented {
    pub(crate) client_id: String,
    pub(crate) secret: PresentedSecret,
}

/// How a secret was presented.
pub(crate) enum PresentedSecret {
    /// Not at all.
    None,
    /// In the Authorization header.
    Basic(oidc_crds::credentials::ClientSecret),
    /// In the body.
    Post(oidc_crds::credentials::ClientSecret),
}

/// A client that proved who it is; made by [`authenticate`] alone.
#[derive(Debug, Clone)]
pub struct AuthenticatedClient {
    pub(crate) client: Arc<Client>,
    pub(crate) credential_id: Option<String>,
}

impl AuthenticatedClient {
    /// The client.
    #[must_use]
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Which of its credentials was used; `None`: it is public.
    #[must_use]
    pub fn credential_id(&self) -> Option<&str> {
        self.credential_id.as_deref()
    }
}

impl Presented {
    /// Reads header and body (`client_id`, `client_secret`). `authorization` is the raw header's value.
    ///
    /// # Errors
    /// `invalid_request` for two methods at once or no client id; `invalid_client` for a malformed or
    /// unknown scheme.
    pub fn read(authorization: Option<&str>, params: &Params) -> Result<Self, OAuthError> {
        let _ = (authorization, params);
        todo!()
    }

    /// The claimed client id, proven by nothing.
    #[must_use]
    pub fn unverified_client_id(&self) -> &str {
        &self.client_id
    }
}

/// Authenticates. `client` is what the snapshot has for the claimed id; unknown clients take as long as
/// wrong secrets.
///
/// # Errors
/// `invalid_client`, the same for unknown client, wrong secret and wrong method.
pub fn authenticate(
    client: Option<&Arc<Client>>,
    presented: &Presented,
    pepper: &Pepper,
    now: Timestamp,
) -> Result<AuthenticatedClient, OAuthError> {
    let _ = (client, presented, pepper, now);
    todo!()
}
