//! `OidcClient`: an application that signs people in, or asks for tokens for itself.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::secret::*;
pub use self::status::*;
pub use super::authentication::*;
use super::limits;
use crate::names::{
    AccessTokenFormat, AccessTokenType, Algorithm, ApplicationType, ClaimPlace, Consent, GrantType,
    IdTokenClaims, Pkce, ResponseType, Seconds, WorkloadKind, patterns,
};

mod secret;
mod status;

/// An application that signs people in with OpenID Connect, or asks for tokens for itself. Its
/// credentials and the issuer's URLs appear in a Secret beside it.
#[derive(CustomResource, KubeSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "oidc-operator.dev",
    version = "v1alpha1",
    kind = "OidcClient",
    doc = "An application that signs people in, or asks for tokens for itself.",
    namespaced,
    status = "OidcClientStatus",
    shortname = "oidcc",
    category = "oidc",
    printcolumn = r#"{"name": "Client ID", "type": "string", "jsonPath": ".status.clientId"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name": "Secret", "type": "string", "jsonPath": ".status.secret.name"}"#,
    printcolumn = r#"{"name": "Secret Age", "type": "date", "jsonPath": ".status.lastRotation"}"#,
    printcolumn = r#"{"name": "Last Used", "type": "date", "jsonPath": ".status.lastUsedAt"}"#,
    printcolumn = r#"{"name": "Next Rotation", "type": "string", "jsonPath": ".status.nextRotation", "priority": 1}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "has(self.grantTypes) && !('authorization_code' in self.grantTypes) \
     || has(self.redirectUris) && size(self.redirectUris) > 0"
).message("the grant authorization_code needs a redirect URI").field_path(".redirectUris"))]
#[x_kube(validation = Rule::new(
    "!has(self.grantTypes) || !('refresh_token' in self.grantTypes) || 'authorization_code' in self.grantTypes"
).message("the grant refresh_token needs authorization_code").field_path(".grantTypes"))]
#[x_kube(validation = Rule::new(
    "!has(self.authentication) || !has(self.authentication.none) \
     || !has(self.grantTypes) || !('client_credentials' in self.grantTypes)"
).message("a public client cannot have the grant client_credentials").field_path(".grantTypes"))]
#[x_kube(validation = Rule::new(
    "!has(self.authentication) || !has(self.authentication.none) || !has(self.pkce) || self.pkce == 'required'"
).message("PKCE must be required for a public client").field_path(".pkce"))]
#[x_kube(validation = Rule::new(
    "!has(self.authentication) || has(self.authentication.clientSecret) || !has(self.secretRef)"
).message("a client that authenticates otherwise has no secret").field_path(".secretRef"))]
#[x_kube(validation = Rule::new(
    "!has(self.rotation) || !has(self.secretRef)"
).message("the secret of secretRef is yours to rotate: remove rotation, or secretRef").field_path(".rotation"))]
#[x_kube(validation = Rule::new(
    "!has(self.authentication) || has(self.authentication.clientSecret) || !has(self.rotation)"
).message("a client that authenticates otherwise has no secret to rotate").field_path(".rotation"))]
#[x_kube(validation = Rule::new(
    "!has(self.authentication) || has(self.authentication.clientSecret) || !has(self.rolloutRestart)"
).message("a client that authenticates otherwise has no secret to restart for").field_path(".rolloutRestart"))]
#[x_kube(validation = Rule::new(
    "!has(self.applicationType) || self.applicationType != 'service' \
     || has(self.grantTypes) && self.grantTypes.all(g, g == 'client_credentials')"
).message("a service has the grant client_credentials only").field_path(".grantTypes"))]
#[x_kube(validation = Rule::new(
    "!has(self.applicationType) || self.applicationType != 'service' \
     || !has(self.redirectUris) || size(self.redirectUris) == 0"
).message("a service has no redirect URIs").field_path(".redirectUris"))]
#[x_kube(validation = Rule::new(
    "!has(self.applicationType) || self.applicationType != 'service' \
     || !has(self.postLogoutRedirectUris) || size(self.postLogoutRedirectUris) == 0"
).message("a service signs nobody out").field_path(".postLogoutRedirectUris"))]
#[x_kube(validation = Rule::new(
    "!has(self.registration) || !has(self.secretRef) && !has(self.rotation) && !has(self.rolloutRestart)"
).message("a client that registered itself has the secret that it was told: no secretRef, rotation, rolloutRestart")
.field_path(".registration"))]
#[x_kube(validation = Rule::new(
    "!has(self.secretRef) || !has(self.secret) || !has(self.secret.name) || self.secret.name != self.secretRef.name"
).message("the operator never writes the Secret of secretRef: name another one").field_path(".secret"))]
pub struct OidcClientSpec {
    /// The installation that serves this client; without it, the one marked default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::LABEL), pattern(patterns::DNS_LABEL))]
    pub class_name: Option<String>,
    /// A client id of your own instead of `<namespace>.<name>`; the installation must grant it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::CLIENT_ID), pattern(patterns::CLIENT_ID))]
    pub client_id: Option<String>,
    /// The name that people see when they sign in and consent: no word of it mixes Latin letters with Cyrillic or Greek
    /// ones, and nothing in it is invisible but what emoji and scripts with joiners need.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::DISPLAY_NAME))]
    pub display_name: Option<String>,
    /// https address of a logo for the consent page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::URI), pattern(patterns::WEB_URI))]
    pub logo_uri: Option<String>,
    /// https address of the application's home page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::URI), pattern(patterns::WEB_URI))]
    pub client_uri: Option<String>,
    /// https address of its privacy policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::URI), pattern(patterns::WEB_URI))]
    pub policy_uri: Option<String>,
    /// https address of its terms of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::URI), pattern(patterns::WEB_URI))]
    pub tos_uri: Option<String>,
    /// Where people are sent back to with their codes; compared exactly (RFC 9700 §2.1). https, http on
    /// loopback, or a custom scheme with a dot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::LIST), inner(length(max = limits::REDIRECT_URI), pattern(patterns::URI)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new(
        "self.all(u, !u.contains('#') && !u.contains('*'))"
    ).message("no fragment and no wildcard: redirect URIs are compared exactly"))]
    #[x_kube(validation = Rule::new(
        "self.all(u, u.startsWith('https://') \
         || u.matches('^http://(localhost|127[.]0[.]0[.]1|\\\\[::1\\\\])(:[0-9]+)?([/?]|$)') \
         || u.matches('^[a-z][a-z0-9+-]*[.][a-z0-9+.-]*:/'))"
    ).message("https, http on loopback only, or a custom scheme with a dot, like com.example.app:/callback"))]
    pub redirect_uris: Vec<String>,
    /// Where people may be sent after signing out; compared exactly (OpenID Connect RP-Initiated Logout §3).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::LIST), inner(length(max = limits::REDIRECT_URI), pattern(patterns::URI)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new(
        "self.all(u, !u.contains('#') && !u.contains('*'))"
    ).message("no fragment and no wildcard: these URIs are compared exactly"))]
    #[x_kube(validation = Rule::new(
        "self.all(u, u.startsWith('https://') \
         || u.matches('^http://(localhost|127[.]0[.]0[.]1|\\\\[::1\\\\])(:[0-9]+)?([/?]|$)') \
         || u.matches('^[a-z][a-z0-9+-]*[.][a-z0-9+.-]*:/'))"
    ).message("https, http on loopback only, or a custom scheme with a dot, like com.example.app:/signed-out"))]
    pub post_logout_redirect_uris: Vec<String>,
    /// Origins whose browsers may call token, userinfo and revocation; none listed: any origin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::LIST), inner(length(max = limits::ORIGIN), pattern(patterns::ORIGIN)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub allowed_origins: Vec<String>,
    /// Grants that it may use: `authorization_code`, `refresh_token`, `client_credentials`; default
    /// `[authorization_code]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub grant_types: Option<Vec<GrantType>>,
    /// Response types that it may ask for; default, and all there is, `[code]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub response_types: Option<Vec<ResponseType>>,
    /// Scopes that it may ask for; default `[openid, profile, email]`. Beside these, `address`, `phone` and
    /// `groups` are for everybody; the installation must grant others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::LIST), inner(length(min = 1, max = limits::SCOPE), pattern(patterns::SCOPE)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub scopes: Option<Vec<String>>,
    /// Audiences that its access tokens may have beside the issuer, as URIs; the installation must grant them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::LIST), inner(length(max = limits::URI), pattern(patterns::URI)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub audiences: Vec<String>,
    /// The audiences that this application itself is (an API): it may introspect access tokens for them. The
    /// installation must grant them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::LIST), inner(length(max = limits::URI), pattern(patterns::URI)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub resource_server_for: Vec<String>,
    /// What kind of application it is: `web` runs on a server or in a browser, `native` on a person's device
    /// (loopback redirects with any port, custom schemes), `service` is a machine without people. Default
    /// `web`, or `native` if all redirect URIs are loopback or custom schemes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_type: Option<ApplicationType>,
    /// How it authenticates; default: a generated secret, by Basic or in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
    /// Whether PKCE (`S256`) is demanded; default `required`. Only a client with a secret may have `optional`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pkce: Option<Pkce>,
    /// When people are asked to consent: `remember` once per set of scopes, `required` each time,
    /// `skip` never, where the installation grants it. Default
    /// `remember`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Consent>,
    /// How its tokens are signed and typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// Only people in one of these groups may use it; none listed: everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::GROUPS), inner(length(min = 1, max = limits::GROUP)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub allowed_groups: Vec<String>,
    /// Claims of its own in its tokens and at userinfo.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::CLAIMS))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub claims: Vec<ClientClaim>,
    /// The Secret that the operator writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretOutput>,
    /// A Secret of yours, of type Opaque and in the same namespace, that holds the client's secret instead of
    /// a generated one.
    /// It is never written; label it `oidc-operator.dev/watch: "true"` and its edits are noticed at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyRef>,
    /// When the generated secret is replaced. The old one is still accepted for the overlap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<ClientRotation>,
    /// Workloads of the same namespace that are rolled out anew once a new secret is in the Secret, like
    /// `kubectl rollout restart` does; where the installation has the right (`rolloutRestart.enabled`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::WORKLOADS))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["kind", "name"]))]
    pub rollout_restart: Vec<Workload>,
    /// Written by the provider, of a client that registered itself (RFC 7591). It gets no Secret. The digests are
    /// bound to the namespace and name of this object: copied elsewhere, nothing matches them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Box<Registration>>,
}

/// A workload in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// Its kind, of the group `apps`: `Deployment`, `StatefulSet` or `DaemonSet`.
    pub kind: WorkloadKind,
    /// Its name.
    #[schemars(length(min = 1, max = limits::NAME), pattern(patterns::DNS_NAME))]
    pub name: String,
}

/// When a generated secret is replaced by a new one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientRotation {
    /// How old a secret gets before it is replaced, like `90d`: at least `1h`, and longer than the overlap.
    /// None: it is not replaced by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Seconds>,
    /// How long a replaced secret is still accepted, at most `30d`; default: the installation's. `0s`: no
    /// longer than until the new one is in the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Seconds>,
    /// A word of your choice, like a date: each new one replaces the secret once, now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::ROTATE_NOW))]
    pub now: Option<String>,
    /// A replaced secret is no longer accepted once nobody has used it for so long, like `1h`, while the new one
    /// was there to be used: from `5m` to `7d`. As long as some use could have been missed, it counts as used.
    /// None: it is accepted for the whole overlap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retire_unused: Option<Seconds>,
}

/// What a client that registered itself authenticates with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// Random name of the registration.
    #[schemars(length(min = 1, max = limits::VERSION))]
    pub id: String,
    /// Digest of the client's secret, if it has one; useless without the pepper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::DIGEST))]
    pub secret_digest: Option<String>,
    /// Name of the initial access token that it was made with, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::LABEL_VALUE))]
    pub token: Option<String>,
    /// Digests of the registration access tokens (RFC 7592) that may change or delete it by HTTP, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::REGISTRATION_ACCESS))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub access: Vec<RegistrationAccess>,
}

/// A registration access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationAccess {
    /// Its digest; useless without the pepper.
    #[schemars(length(max = limits::DIGEST))]
    pub digest: String,
    /// When it stops being accepted; absent: not planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires_at: Option<Time>,
}

/// A claim of a client's own: the same for everybody, or one that the person has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientClaim {
    /// Its name; registered names (RFC 7519 §10.1) and those that mean something here are refused.
    #[schemars(length(min = 1, max = limits::CLAIM_NAME), pattern(patterns::SCOPE))]
    pub name: String,
    /// The value for everybody: any JSON. Either this or `from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::json::any")]
    pub value: Option<Value>,
    /// The person's claim whose value it has: its name, or a path of members with dots, like `address.country`. It
    /// is absent unless a granted scope opens that claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::CLAIM_NAME), pattern(patterns::SCOPE))]
    pub from: Option<String>,
    /// Where it goes.
    #[serde(rename = "in")]
    #[schemars(length(min = 1, max = 3))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub places: Vec<ClaimPlace>,
}

/// Settings of a client's tokens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "!has(self.accessTokenFormat) || self.accessTokenFormat != 'opaque' \
     || !has(self.accessTokenType) && !has(self.accessTokenSigningAlg)"
).message("an opaque access token has no typ and no signature").field_path(".accessTokenFormat"))]
pub struct Tokens {
    /// Algorithm of ID tokens; default: that of the default SigningKey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<Algorithm>,
    /// Algorithm of access tokens; default: that of the default SigningKey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_signing_alg: Option<Algorithm>,
    /// How long access tokens live, like `15m`; default, and longest unless granted: the installation's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_ttl: Option<Seconds>,
    /// How long ID tokens live; likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_ttl: Option<Seconds>,
    /// How long refresh tokens live since the login; likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token_ttl: Option<Seconds>,
    /// How long refresh tokens live unused; likewise, and never longer than `refreshTokenTtl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token_idle_ttl: Option<Seconds>,
    /// What access tokens are made of; default `jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_format: Option<AccessTokenFormat>,
    /// Whether ID tokens hold the claims of the granted scopes (`scopes`); default `none`: they are at userinfo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_claims: Option<IdTokenClaims>,
    /// Whether access tokens are good only beside the certificate by which the client connected when it got them
    /// (RFC 8705 §3, `tls_client_certificate_bound_access_tokens`); default: no. The installation must take
    /// certificates (`mtls.enabled`), and the client must authenticate, in whatever way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_bound: Option<bool>,
    /// The `typ` of access tokens; default `at+jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_type: Option<AccessTokenType>,
}
