//! The Secrets of an OidcClient: the one that the operator writes, and one that is given.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::names::patterns;
use crate::resources::limits;
use crate::secrets::app::Preset;

/// The Secret that the operator writes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretOutput {
    /// Its name; default `<name of the OidcClient>-oidc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME), pattern(patterns::DNS_NAME))]
    pub name: Option<String>,
    /// The program that reads it: its keys are then those that the program wants. Default `env`: environment
    /// variables for any program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// Other names for keys, like `CLIENT_SECRET: client-secret`. On the left stands a key of the preset, or one
    /// of the default keys, which is then added.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "keys_schema")]
    pub keys: BTreeMap<String, String>,
    /// More keys, each with a text that may hold placeholders like `${CLIENT_ID}`, `${CLIENT_SECRET | urlencode}`
    /// or `${ISSUER_URL | json}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "template_schema")]
    pub template: BTreeMap<String, String>,
    /// Labels that it gets beside the operator's own. `app.kubernetes.io/…` and plain words like `team` are for
    /// everybody, since no controller acts on them; the installation must grant others. Never a name of
    /// Kubernetes' own, like `kubernetes.io/…`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels_schema")]
    pub labels: BTreeMap<String, String>,
    /// Annotations that it gets beside the operator's own. `app.kubernetes.io/…`, `reloader.stakater.com/…` and
    /// names without a prefix are for everybody; the installation must grant others. Never a name of Kubernetes'
    /// own, like `kubernetes.io/…`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations_schema")]
    pub annotations: BTreeMap<String, String>,
}

fn keys_schema(_: &mut SchemaGenerator) -> Schema {
    texts(limits::SECRET_KEYS, limits::NAME)
}

fn template_schema(_: &mut SchemaGenerator) -> Schema {
    texts(limits::TEMPLATES, limits::TEMPLATE)
}

fn labels_schema(_: &mut SchemaGenerator) -> Schema {
    texts(limits::MARKS, limits::LABEL_VALUE)
}

fn annotations_schema(_: &mut SchemaGenerator) -> Schema {
    texts(limits::MARKS, limits::ANNOTATION_VALUE)
}

/// So many texts, each at most so long.
fn texts(items: usize, characters: usize) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": items,
        "additionalProperties": {"type": "string", "maxLength": characters},
    })
}

/// A key of a Secret in the same namespace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = limits::NAME), pattern(patterns::DNS_NAME))]
    pub name: String,
    /// The key; default `CLIENT_SECRET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME), pattern(patterns::DATA_KEY))]
    pub key: Option<String>,
}
