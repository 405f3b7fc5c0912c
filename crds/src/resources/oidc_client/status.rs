//! The status of an OidcClient; written by the operator alone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resources::limits;

/// What the operator knows of a client; written by it alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OidcClientStatus {
    /// The client's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::ANY_CLIENT_ID))]
    pub client_id: Option<String>,
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `CredentialsReady`, `Ready`.
    #[serde(default)]
    #[schemars(schema_with = "crate::resources::condition::list_schema")]
    pub conditions: Vec<Condition>,
    /// Digests of the secrets that are accepted now.
    #[serde(default)]
    #[schemars(length(max = limits::CREDENTIALS))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub credentials: Vec<Credential>,
    /// The Secret that was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<WrittenSecret>,
    /// When the secret that is accepted without end was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rotation: Option<Time>,
    /// When it is replaced by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_rotation: Option<Time>,
    /// When the client last authenticated, or as a public client got tokens; noted when it is five minutes later
    /// than what stands here, so up to some minutes ago. Absent: never, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
    /// What was done of `spec.rotation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationStatus>,
    /// Of the hosts that redirect URIs and targets after signing out lead to, those that an Ingress or HTTPRoute of
    /// the namespace serves; absent where the installation does not ask for routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::ROUTED_HOSTS), inner(length(max = limits::NAME)))]
    pub routed_hosts: Option<Vec<String>>,
}

/// What was done of `spec.rotation`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotationStatus {
    /// The last `spec.rotation.now` that was seen to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::ROTATE_NOW))]
    pub now: Option<String>,
    /// The credential that the workloads of `spec.rolloutRestart` were last restarted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::VERSION))]
    pub restarted_for: Option<String>,
}

/// The digest of a secret that is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// Random name of the credential, or for a `secretRef` a name derived from its Secret's version.
    #[schemars(length(max = limits::VERSION))]
    pub id: String,
    /// `<pepper id>:` and the base64url HMAC-SHA-256 of the secret; useless without the pepper.
    #[schemars(length(max = limits::DIGEST))]
    pub digest: String,
    /// When it was made.
    pub created_at: Time,
    /// When it stops being accepted; absent: not planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires_at: Option<Time>,
    /// When somebody last authenticated with it; like `lastUsedAt` of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
}

/// The Secret that was written, as it was after the write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WrittenSecret {
    /// Its name.
    #[schemars(length(max = limits::NAME))]
    pub name: String,
    /// Its UID.
    #[schemars(length(max = limits::VERSION))]
    pub uid: String,
    /// Its resourceVersion.
    #[schemars(length(max = limits::VERSION))]
    pub resource_version: String,
    /// While it moves to another `spec.secret.name`: the other names that it may be found under. Noted before the
    /// move begins, so that none is forgotten, whatever becomes of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::SECRET_NAMES), inner(length(max = limits::NAME)))]
    pub moving: Vec<String>,
}
