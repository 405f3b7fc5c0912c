//! The valid client. Only [`validate`](crate::validate::validate) makes one, so whoever holds a
//! [`Client`] need not check it again; illegal mixes cannot be said.

mod authentication;
mod rare;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

pub use self::authentication::{Authentication, RegisteredCertificate, ServiceAccount};
use self::rare::NOTHING_RARE;
pub use self::rare::Rotation;
pub(crate) use self::rare::{Links, Rare};
use crate::names::{
    AccessTokenFormat, AccessTokenType, Algorithm, ApplicationType, ClaimPlace, Consent, GrantType,
    IdTokenClaims, Seconds,
};
use crate::resources::oidc_client::{Credential, OidcClient, Registration, Workload};
use crate::secrets::app::Shape;
use crate::secrets::installation::Lifetimes;

/// A claim of a client's own.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomClaim {
    /// Its name, never one that means something to others.
    pub name: String,
    /// Where its value comes from.
    pub source: ClaimSource,
    /// Where it goes.
    pub places: BTreeSet<ClaimPlace>,
}

/// Where a custom claim's value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum ClaimSource {
    /// It is the same for everybody.
    Static(Value),
    /// It is the person's claim of this name, or at this path.
    Mapped(String),
}

/// A client that passed validation. A pod holds thousands: what never changes is in no larger room than it
/// needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    pub(crate) uid: Box<str>,
    pub(crate) namespace: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) created_at: Timestamp,
    pub(crate) client_id: Box<str>,
    pub(crate) display_name: Option<Box<str>>,
    pub(crate) redirect_uris: Box<[String]>,
    pub(crate) post_logout_redirect_uris: Box<[String]>,
    /// By place in [`GrantType::ALL`].
    pub(crate) grant_types: [bool; GrantType::ALL.len()],
    /// Shared by those that name none.
    pub(crate) scopes: Arc<[String]>,
    pub(crate) application_type: ApplicationType,
    pub(crate) authentication: Authentication,
    pub(crate) pkce_required: bool,
    pub(crate) consent: Consent,
    pub(crate) id_token_alg: Option<Algorithm>,
    pub(crate) access_token_alg: Option<Algorithm>,
    pub(crate) access_token_type: AccessTokenType,
    pub(crate) access_token_format: AccessTokenFormat,
    pub(crate) certificate_bound: bool,
    pub(crate) id_token_claims: IdTokenClaims,
    pub(crate) secret_name: Box<str>,
    /// Shared by those that have the installation's.
    pub(crate) lifetimes: Arc<Lifetimes>,
    pub(crate) credentials: Box<[Credential]>,
    pub(crate) rare: Option<Box<Rare>>,
}

impl Client {
    fn rare(&self) -> &Rare {
        self.rare.as_deref().unwrap_or(&NOTHING_RARE)
    }
    /// The object's UID; everything issued is bound to it.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }
    /// The object's namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
    /// The object's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
    /// When the object was created; the older of two objects wins.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }
    /// `client_id`.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }
    /// What everything is bound to that is issued to this client or agreed to for it: the object's UID, and
    /// with it the client id, where that is one of its own. Neither a re-created namesake nor the object
    /// under another id inherits anything.
    #[must_use]
    pub fn grantee(&self) -> &str {
        self.rare().own_grantee.as_deref().unwrap_or(&self.uid)
    }
    /// The name that people see: `displayName` or the client id.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.display_name.as_deref().unwrap_or(&self.client_id)
    }
    /// Logo, https.
    #[must_use]
    pub fn logo_uri(&self) -> Option<&str> {
        self.rare().links.logo.as_deref()
    }
    /// Home page, https.
    #[must_use]
    pub fn client_uri(&self) -> Option<&str> {
        self.rare().links.client.as_deref()
    }
    /// Privacy policy, https.
    #[must_use]
    pub fn policy_uri(&self) -> Option<&str> {
        self.rare().links.policy.as_deref()
    }
    /// Terms of service, https.
    #[must_use]
    pub fn tos_uri(&self) -> Option<&str> {
        self.rare().links.tos.as_deref()
    }
    /// Registered redirect URIs, as written.
    #[must_use]
    pub fn redirect_uris(&self) -> &[String] {
        &self.redirect_uris
    }
    /// Registered targets after signing out, as written.
    #[must_use]
    pub fn post_logout_redirect_uris(&self) -> &[String] {
        &self.post_logout_redirect_uris
    }
    /// Origins for CORS; empty: any.
    #[must_use]
    pub fn allowed_origins(&self) -> &[String] {
        &self.rare().allowed_origins
    }
    /// Whether it may use a grant.
    #[must_use]
    pub fn allows_grant(&self, grant: GrantType) -> bool {
        self.grant_types[grant as usize]
    }
    /// Its grants.
    pub fn grant_types(&self) -> impl Iterator<Item = GrantType> + '_ {
        GrantType::ALL
            .into_iter()
            .filter(|grant| self.allows_grant(*grant))
    }
    /// Scopes that it may ask for.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }
    /// Audiences that it may request beside the issuer.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.rare().audiences
    }
    /// Audiences whose tokens it may introspect.
    #[must_use]
    pub fn resource_server_for(&self) -> &[String] {
        &self.rare().resource_server_for
    }
    /// Its kind.
    #[must_use]
    pub fn application_type(&self) -> ApplicationType {
        self.application_type
    }
    /// How it authenticates.
    #[must_use]
    pub fn authentication(&self) -> &Authentication {
        &self.authentication
    }
    /// Whether it has no credentials.
    #[must_use]
    pub fn is_public(&self) -> bool {
        matches!(self.authentication, Authentication::None)
    }
    /// Which certificate it authenticates with, if it does.
    #[must_use]
    pub fn certificate(&self) -> Option<&RegisteredCertificate> {
        match &self.authentication {
            Authentication::Certificate(registered) => Some(registered),
            _ => None,
        }
    }
    /// Whether it authenticates with a secret, which its Secret then holds.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        matches!(self.authentication, Authentication::Secret(_))
    }
    /// Whether each authorization request must carry a challenge.
    #[must_use]
    pub fn pkce_required(&self) -> bool {
        self.pkce_required
    }
    /// When people are asked.
    #[must_use]
    pub fn consent(&self) -> Consent {
        self.consent
    }
    /// Algorithm of ID tokens; `None`: the default key's.
    #[must_use]
    pub fn id_token_alg(&self) -> Option<Algorithm> {
        self.id_token_alg
    }
    /// Algorithm of access tokens; `None`: the default key's.
    #[must_use]
    pub fn access_token_alg(&self) -> Option<Algorithm> {
        self.access_token_alg
    }
    /// The `typ` of access tokens.
    #[must_use]
    pub fn access_token_type(&self) -> AccessTokenType {
        self.access_token_type
    }
    /// What its access tokens are made of.
    #[must_use]
    pub fn access_token_format(&self) -> AccessTokenFormat {
        self.access_token_format
    }
    /// Whether its access tokens are bound to the certificate by which it connects (RFC 8705 §3).
    #[must_use]
    pub fn certificate_bound(&self) -> bool {
        self.certificate_bound
    }
    /// Which claims about a person its ID tokens have.
    #[must_use]
    pub fn id_token_claims(&self) -> IdTokenClaims {
        self.id_token_claims
    }
    /// Its own claims.
    #[must_use]
    pub fn claims(&self) -> &[CustomClaim] {
        &self.rare().claims
    }
    /// Groups that may use it; empty: everybody.
    #[must_use]
    pub fn allowed_groups(&self) -> &[String] {
        &self.rare().allowed_groups
    }
    /// Name of the Secret that the operator writes.
    #[must_use]
    pub fn secret_name(&self) -> &str {
        &self.secret_name
    }
    /// How that Secret is shaped; `None`: as by default.
    #[must_use]
    pub fn shape(&self) -> Option<&Shape> {
        self.rare().shape.as_deref()
    }
    /// When its secret is replaced.
    #[must_use]
    pub fn rotation(&self) -> Option<&Rotation> {
        self.rare().rotation.as_ref()
    }
    /// What is rolled out anew after a new secret is there; of its namespace.
    #[must_use]
    pub fn rollout_restart(&self) -> &[Workload] {
        &self.rare().rollout_restart
    }
    /// Lifetimes of what is issued to it.
    #[must_use]
    pub fn lifetimes(&self) -> &Lifetimes {
        &self.lifetimes
    }
    /// How long the longest-lived of its signed tokens lives.
    #[must_use]
    pub fn longest_token(&self) -> Seconds {
        match self.access_token_format {
            AccessTokenFormat::Jwt => self.lifetimes.access_token.max(self.lifetimes.id_token),
            AccessTokenFormat::Opaque => self.lifetimes.id_token,
        }
    }
    /// Digests of its secrets: from status, or from the spec if it registered itself.
    #[must_use]
    pub fn credentials(&self) -> &[Credential] {
        &self.credentials
    }
    /// What those digests are bound to.
    #[must_use]
    pub fn digest_scope(&self) -> Cow<'_, str> {
        match self.registration() {
            None => Cow::Borrowed(&self.uid),
            Some(_) => Cow::Owned(registration_scope(&self.namespace, &self.name)),
        }
    }
    /// What rules between objects look at, what is asked of the keys, and when its secret is replaced, and no
    /// more: for whoever holds thousands and serves none.
    #[must_use]
    pub fn claims_only(mut self) -> Self {
        let rare = self.rare.take().map(|rare| Rare {
            own_grantee: rare.own_grantee,
            audiences: rare.audiences,
            resource_server_for: rare.resource_server_for,
            // says whether an unused secret retires early
            rotation: rare.rotation,
            registration: rare.registration,
            ..Rare::default()
        });
        Self {
            display_name: None,
            redirect_uris: Box::default(),
            post_logout_redirect_uris: Box::default(),
            grant_types: Default::default(),
            scopes: Arc::default(),
            secret_name: Box::default(),
            credentials: Box::default(),
            rare: rare.and_then(Rare::boxed),
            ..self
        }
    }
    /// How it registered itself, if it did: then there is no Secret.
    #[must_use]
    pub fn registration(&self) -> Option<&Registration> {
        self.rare().registration.as_deref()
    }
}

/// [`Client::grantee`] of an object, also of one that is refused; `None` before it has a UID.
#[must_use]
pub fn grantee_of(object: &OidcClient) -> Option<String> {
    let uid = object.metadata.uid.as_deref()?;
    let own = object.spec.client_id.as_deref();
    Some(own.map_or_else(|| uid.to_owned(), |id| own_grantee(uid, id)))
}

/// [`Client::grantee`] of a client with an id of its own.
pub(crate) fn own_grantee(uid: &str, client_id: &str) -> String {
    format!("{uid} {client_id}")
}

/// What the digests of a client that registers itself are bound to: its UID is not known before it is made. No UID
/// has a slash.
#[must_use]
pub fn registration_scope(namespace: &str, name: &str) -> String {
    format!("registration/{namespace}/{name}")
}
