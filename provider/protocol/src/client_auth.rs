//! Who calls a back-channel endpoint (RFC 6749 §2.3, §3.2.1).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use oidc_crds::client::{Authentication, Client};
use oidc_crds::credentials::{self, ClientSecret};
use oidc_crds::names::SecretMethod;
use oidc_crds::secrets::pepper::Pepper;
use zeroize::Zeroizing;

pub use self::assertion::Assertion;
use self::assertion::JWT_BEARER;
use self::service_account::Workload;
use crate::error::{ErrorCode, OAuthError};
use crate::params::{self, Params};

mod assertion;
pub mod certificate;
pub mod private_key;
pub mod service_account;

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
    Basic(ClientSecret),
    /// In the body.
    Post(ClientSecret),
    /// Not a secret, but a JWT.
    Assertion(Box<Assertion>),
}

/// A client that proved who it is; made by [`authenticate`] alone.
#[derive(Debug, Clone)]
pub struct AuthenticatedClient {
    pub(crate) client: Arc<Client>,
    pub(crate) credential_id: Option<String>,
    pub(crate) workload: Option<Workload>,
    pub(crate) bound_to: Option<String>,
}

impl AuthenticatedClient {
    /// The client.
    #[must_use]
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// By its authentication alone, with nothing else known.
    fn new(client: &Arc<Client>) -> Self {
        Self {
            client: Arc::clone(client),
            credential_id: None,
            workload: None,
            bound_to: None,
        }
    }

    /// With the thumbprint of the certificate whose key it holds (`x5t#S256`), to which its tokens are bound if
    /// the client says so.
    #[must_use]
    pub fn bound_to(mut self, thumbprint: Option<String>) -> Self {
        self.bound_to = thumbprint.filter(|_| self.client.certificate_bound());
        self
    }

    /// Which certificate its access tokens are bound to; `None`: to none.
    ///
    /// # Errors
    /// `invalid_request` when they must be and it showed none: RFC 8705 §3.4 leaves it to us whether to issue an
    /// unbound token then.
    pub fn binding(&self) -> Result<Option<&str>, OAuthError> {
        if self.client.certificate_bound() && self.bound_to.is_none() {
            return Err(OAuthError::invalid_request(
                "The access tokens of this client are bound to its certificate: connect with it to the token endpoint of mtls_endpoint_aliases.",
            ));
        }
        Ok(self.bound_to.as_deref())
    }

    /// Which of its secrets was used; `None`: it has none.
    #[must_use]
    pub fn credential_id(&self) -> Option<&str> {
        self.credential_id.as_deref()
    }

    /// The workload of the cluster that it is; `None`: it proved itself otherwise.
    #[must_use]
    pub fn workload(&self) -> Option<&Workload> {
        self.workload.as_ref()
    }
}

impl Presented {
    /// Reads header and body (`client_id`, `client_secret`, `client_assertion_type`, `client_assertion`).
    /// `authorization` is the raw header's value.
    ///
    /// # Errors
    /// `invalid_request` for two methods at once or no client id; `invalid_client` for a malformed or
    /// unknown scheme, and for an assertion that is malformed.
    pub fn read(authorization: Option<&str>, params: &Params) -> Result<Self, OAuthError> {
        let (id, secret) = (params.get("client_id"), params.get("client_secret"));
        if let Some(assertion) = asserted(authorization, params)? {
            // "The client_id … is unnecessary for client assertion authentication because the client is
            // identified by the subject within the assertion" (RFC 7521 §4.2)
            let client_id = match id {
                None if service_account::looks_like(&assertion) => {
                    return Err(OAuthError::invalid_request(
                        "Send client_id beside a ServiceAccount token: it names no client.",
                    ));
                }
                _ => id.unwrap_or(assertion.unverified_subject()).to_owned(),
            };
            let secret = PresentedSecret::Assertion(Box::new(assertion));
            return Ok(Self { client_id, secret });
        }
        let Some(header) = authorization else {
            let client_id = id
                .ok_or_else(|| {
                    OAuthError::invalid_request("Say who you are: authenticate, or send client_id.")
                })?
                .to_owned();
            let secret = secret.map_or(PresentedSecret::None, |secret| {
                PresentedSecret::Post(ClientSecret::new(secret.to_owned()))
            });
            return Ok(Self { client_id, secret });
        };
        // "The client MUST NOT use more than one authentication method in each request" (RFC 6749 §2.3).
        if secret.is_some() {
            return Err(OAuthError::invalid_request(
                "Authenticate by the Authorization header or by client_secret, not by both.",
            ));
        }
        let (client_id, secret) = basic(header).ok_or_else(|| failed(true).because("malformed header"))?;
        if id.is_some_and(|id| id != client_id) {
            return Err(OAuthError::invalid_request(
                "client_id differs from the one in the Authorization header.",
            ));
        }
        Ok(Self {
            client_id,
            secret: PresentedSecret::Basic(secret),
        })
    }

    /// The assertion, if that is what was presented.
    #[must_use]
    pub fn assertion(&self) -> Option<&Assertion> {
        match &self.secret {
            PresentedSecret::Assertion(assertion) => Some(assertion),
            _ => None,
        }
    }

    /// Whether nothing but a client id was presented: a certificate, if anything, says who calls.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        matches!(self.secret, PresentedSecret::None)
    }

    /// The claimed client id, proven by nothing.
    #[must_use]
    pub fn unverified_client_id(&self) -> &str {
        &self.client_id
    }
}

/// The assertion in the body, if there is one.
fn asserted(authorization: Option<&str>, params: &Params) -> Result<Option<Assertion>, OAuthError> {
    let (assertion, kind) = match (
        params.get("client_assertion"),
        params.get("client_assertion_type"),
    ) {
        (None, None) => return Ok(None),
        (Some(assertion), Some(kind)) => (assertion, kind),
        _ => {
            return Err(OAuthError::invalid_request(
                "Send client_assertion and client_assertion_type together.",
            ));
        }
    };
    // "The client MUST NOT use more than one authentication method in each request" (RFC 6749 §2.3).
    if authorization.is_some() || params.get("client_secret").is_some() {
        return Err(OAuthError::invalid_request(
            "Authenticate by client_assertion or with a secret, not by both.",
        ));
    }
    if kind != JWT_BEARER {
        return Err(OAuthError::invalid_request(
            "client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer.",
        ));
    }
    Assertion::read(assertion).map(Some)
}

/// Authenticates with a secret, or a public client with none; an assertion is held against keys by
/// [`private_key`]. `client` is what the snapshot has for the claimed id; unknown clients take as long as
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
    let (method, secret) = match &presented.secret {
        PresentedSecret::None => (None, None),
        PresentedSecret::Basic(secret) => (Some(SecretMethod::ClientSecretBasic), Some(secret)),
        PresentedSecret::Post(secret) => (Some(SecretMethod::ClientSecretPost), Some(secret)),
        PresentedSecret::Assertion(_) => return Err(failed(false).because("an assertion is no secret")),
    };
    let challenge = method == Some(SecretMethod::ClientSecretBasic);
    let client = client.filter(|client| client.client_id() == presented.client_id);
    match (client, secret) {
        (Some(client), None) if client.is_public() => Ok(AuthenticatedClient::new(client)),
        (Some(client), None) => {
            Err(failed(challenge).because(format!("{} sent no secret", client.client_id())))
        }
        (None, None) => Err(failed(challenge).because("unknown client")),
        (Some(client), Some(secret)) => {
            let (allowed, id) = match client.authentication() {
                Authentication::Secret(fixed) => (
                    fixed.is_none() || *fixed == method,
                    matching(client, secret, pepper, now),
                ),
                Authentication::PrivateKey(_)
                | Authentication::KeysAt(_)
                | Authentication::Certificate(_)
                | Authentication::ServiceAccounts(_)
                | Authentication::None => (false, against_decoy(secret, pepper, now)),
            };
            id.filter(|_| allowed)
                .map(|credential_id| AuthenticatedClient {
                    credential_id: Some(credential_id),
                    ..AuthenticatedClient::new(client)
                })
                .ok_or_else(|| {
                    failed(challenge).because(format!("wrong secret or method for {}", client.client_id()))
                })
        }
        (None, Some(secret)) => {
            against_decoy(secret, pepper, now);
            Err(failed(challenge).because("unknown client"))
        }
    }
}

/// The id of the client's credential that the secret matches.
fn matching(client: &Client, secret: &ClientSecret, pepper: &Pepper, now: Timestamp) -> Option<String> {
    if client.credentials().is_empty() {
        return against_decoy(secret, pepper, now);
    }
    credentials::verify(pepper, &client.digest_scope(), client.credentials(), secret, now)
        .map(|credential| credential.id.clone())
}

/// Spends the time of a comparison; matches nothing.
fn against_decoy(secret: &ClientSecret, pepper: &Pepper, now: Timestamp) -> Option<String> {
    let decoy = [credentials::decoy()];
    credentials::verify(pepper, "", &decoy, secret, now).map(|credential| credential.id.clone())
}

/// Reads `Basic` credentials: client id and secret were each encoded as
/// `application/x-www-form-urlencoded` before (RFC 6749 §2.3.1, RFC 7617).
fn basic(header: &str) -> Option<(String, ClientSecret)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim_matches(' ')).ok()?);
    let colon = decoded.iter().position(|b| *b == b':')?;
    let client_id = params::decode(&decoded[..colon]).ok()?;
    let secret = params::decode(&decoded[colon + 1..]).ok()?;
    (!client_id.is_empty()).then(|| (client_id, ClientSecret::new(secret)))
}

/// What is told to whoever has proven that the assertion is its own.
fn told(what: &'static str) -> OAuthError {
    OAuthError {
        description: what.into(),
        ..failed(false).because(what)
    }
}

/// One answer for an unknown client, a wrong secret and a wrong method.
fn failed(challenge: bool) -> OAuthError {
    OAuthError {
        challenge,
        ..OAuthError::new(
            ErrorCode::InvalidClient,
            "Client authentication failed: check client id, method, and secret or key.",
        )
    }
}

#[cfg(test)]
mod tests;
