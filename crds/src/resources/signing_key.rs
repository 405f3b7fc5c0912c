//! `SigningKey`: a key that signs tokens; editing it rotates.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits;
use crate::names::{Algorithm, Seconds, patterns};

/// A key that signs tokens. Edit `algorithm`, `rsaBits` or `rotation.revision` to rotate: the next
/// key is published, signs once every verifier can know it, and the old one retires.
#[derive(CustomResource, KubeSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "oidc-operator.dev",
    version = "v1alpha1",
    kind = "SigningKey",
    doc = "A key that signs tokens; editing it rotates.",
    namespaced,
    status = "SigningKeyStatus",
    shortname = "sk",
    category = "oidc",
    printcolumn = r#"{"name": "Algorithm", "type": "string", "jsonPath": ".status.keys[0].algorithm"}"#,
    printcolumn = r#"{"name": "Phase", "type": "string", "jsonPath": ".status.keys[0].phase"}"#,
    printcolumn = r#"{"name": "Default", "type": "boolean", "jsonPath": ".spec.default"}"#,
    printcolumn = r#"{"name": "Active", "type": "string", "jsonPath": ".status.activeKid"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name": "Next", "type": "string", "jsonPath": ".status.nextStep"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "!has(self.rsaBits) || !has(self.algorithm) || self.algorithm in ['RS256', 'PS256']"
).message("only RSA keys (RS256, PS256) have rsaBits").field_path(".rsaBits"))]
#[x_kube(validation = Rule::new(
    "!has(self.secretRef) || !has(self.rotation) || !has(self.rotation.interval)"
).message("an imported key rotates when its Secret changes: remove rotation.interval").field_path(".rotation"))]
pub struct SigningKeySpec {
    /// The algorithm: RS256 (default), PS256, ES256, ES384 or EdDSA. An edit mints the next key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// Size of an RSA key in bits: 2048 (default), 3072 or 4096. An edit mints the next key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "int32"))]
    #[x_kube(validation = Rule::new("self in [2048, 3072, 4096]").message("2048, 3072 or 4096 bits"))]
    pub rsa_bits: Option<u32>,
    /// Whether clients that name no algorithm are signed for with this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<bool>,
    /// When the next key is minted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// How long a new key is published before it may sign, like `10m` (the default) or `1h30m`. At least
    /// 1.2 × the JWKS's max-age + 1 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_for: Option<Seconds>,
    /// A key that is made elsewhere, for example by cert-manager: a Secret in the same namespace. Another key
    /// in it is the next key; `rotation.revision` has no effect then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<ImportRef>,
    /// Compromised keys. Each stops signing and is no longer published at once, and what it signed is refused;
    /// the next key signs without waiting. Verifiers that cached the JWKS fail until they fetch it again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::LIST))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["kid"]))]
    pub revoked: Vec<RevokedKey>,
}

/// A private key in a Secret in the same namespace: a PEM (PKCS#8, PKCS#1, SEC1) or a JWK. Label the Secret
/// `oidc-operator.dev/watch: "true"`, and its edits are noticed at once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = limits::NAME), pattern(patterns::DNS_NAME))]
    pub name: String,
    /// The key of the Secret that holds it; default `tls.key`, as cert-manager writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME), pattern(patterns::DATA_KEY))]
    pub key: Option<String>,
}

impl ImportRef {
    /// The key of the Secret, or the default.
    #[must_use]
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or("tls.key")
    }
}

/// A compromised key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevokedKey {
    /// Its `kid`, as `status.keys` and the header of tokens name it. A key of any SigningKey of the
    /// installation may be named.
    #[schemars(length(min = 1, max = limits::KID), pattern(patterns::KID))]
    pub kid: String,
}

impl SigningKeySpec {
    /// The algorithm, or the default.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm.unwrap_or(Algorithm::RS256)
    }

    /// The size in bits if it is an RSA key.
    #[must_use]
    pub fn rsa_bits(&self) -> Option<u32> {
        self.algorithm().is_rsa().then(|| self.rsa_bits.unwrap_or(2048))
    }

    /// `rotation.revision`, 0 if not given.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.rotation.as_ref().and_then(|r| r.revision).unwrap_or(0)
    }
}

/// When the next key is minted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// How old a key gets before the next is minted, like `90d`; none: only by edits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Seconds>,
    /// A number of your choice: any other value mints the next key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "int64"))]
    pub revision: Option<u64>,
}

/// What the operator knows of a key; derived from the key set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `Published`, `Ready`.
    #[serde(default)]
    #[schemars(schema_with = "super::condition::list_schema")]
    pub conditions: Vec<Condition>,
    /// The kid that signs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::DIGEST))]
    pub active_kid: Option<String>,
    /// What happens next and when, for people, like `Active at 2026-11-25T10:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::DIGEST))]
    pub next_step: Option<String>,
    /// All keys of this object: those that sign or will first, then the others; of each the newest first.
    #[serde(default)]
    #[schemars(length(max = limits::KEYS))]
    pub keys: Vec<KeyStatus>,
}

/// The life of a key: Pending → Published → Active → Retiring → Removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// To be minted.
    Pending,
    /// In the JWKS, does not sign.
    Published,
    /// In the JWKS, signs.
    Active,
    /// In the JWKS, no longer signs.
    Retiring,
    /// Gone from the JWKS, its private half destroyed.
    Removed,
}

/// A key as its status tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyStatus {
    /// Its RFC 7638 thumbprint.
    #[schemars(length(max = limits::DIGEST))]
    pub kid: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Where in its life it is.
    pub phase: Phase,
    /// When it was minted.
    pub created_at: Time,
    /// When it was first in the JWKS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Time>,
    /// Not before this may a pod sign with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs_from: Option<Time>,
    /// When it stopped signing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires_at: Option<Time>,
    /// When everything that it signed has expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removable_at: Option<Time>,
    /// Whether it was revoked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
}
