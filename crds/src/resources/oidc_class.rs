//! `OidcClass`: one installation, as the whole cluster sees it; the chart makes it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits;
use crate::names::patterns;

/// An installation that OidcClients can belong to: those whose `className` is this object's name, and of the
/// default class those that name none. Where several defaults serve a namespace, they refuse its clients without a
/// class; those that select it by labels leave them to one that lists it or serves all.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "oidc-operator.dev",
    version = "v1alpha1",
    kind = "OidcClass",
    plural = "oidcclasses",
    doc = "An installation that OidcClients can belong to, made by its chart.",
    category = "oidc",
    printcolumn = r#"{"name": "Default", "type": "boolean", "jsonPath": ".spec.default"}"#,
    printcolumn = r#"{"name": "Issuer", "type": "string", "jsonPath": ".spec.issuer"}"#,
    printcolumn = r#"{"name": "Namespace", "type": "string", "jsonPath": ".spec.installation.namespace"}"#,
    printcolumn = r#"{"name": "Release", "type": "string", "jsonPath": ".spec.installation.release"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct OidcClassSpec {
    /// The issuer of its tokens.
    #[schemars(length(min = 1, max = limits::URI), pattern(patterns::URI))]
    pub issuer: String,
    /// Whether OidcClients without a `className` belong to it.
    #[serde(default)]
    pub default: bool,
    /// Which release it is.
    pub installation: InstallationRef,
    /// The namespaces that it serves; none listed: see `clusterWide`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::NAMESPACES), inner(length(min = 1, max = limits::LABEL)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub watch_namespaces: Vec<String>,
    /// Whether it serves every namespace, or those that `namespaceSelector` matches.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cluster_wide: bool,
    /// Labels of the namespaces that it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
}

/// A release of the chart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstallationRef {
    /// Its namespace.
    #[schemars(length(min = 1, max = limits::LABEL))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(min = 1, max = limits::LABEL))]
    pub release: String,
}
