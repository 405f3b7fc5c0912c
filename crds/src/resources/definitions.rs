//! The custom resource definitions as files of the chart. To add a kind, add a line to [`definitions`].

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt;

use super::{OidcClass, OidcClient, OidcUser, SigningKey};

const HEADER: &str = "# Generated from crds/src/resources by `just crds`; do not edit.\n";

/// All definitions: file name and text, in a stable order.
///
/// # Errors
/// When a definition cannot be written as YAML.
pub fn definitions() -> Result<Vec<(String, String)>, serde_yaml::SerializeError> {
    [
        OidcClass::crd(),
        OidcClient::crd(),
        OidcUser::crd(),
        SigningKey::crd(),
    ]
    .into_iter()
    .map(|mut definition| {
        let file = format!("{}.yaml", definition.spec.names.plural);
        let schemas = definition
            .spec
            .versions
            .iter_mut()
            .filter_map(|version| version.schema.as_mut());
        schemas
            .filter_map(|schema| schema.open_api_v3_schema.as_mut())
            .for_each(flow);
        Ok((file, format!("{HEADER}{}", serde_yaml::to_string(&definition)?)))
    })
    .collect()
}

/// Lets descriptions flow: `kubectl explain` wraps them, but keeps the line breaks of doc comments.
fn flow(schema: &mut JSONSchemaProps) {
    if let Some(text) = &mut schema.description {
        let paragraphs: Vec<String> = text.split("\n\n").map(|p| p.replace('\n', " ")).collect();
        *text = paragraphs.join("\n\n").trim().to_owned();
    }
    schema
        .properties
        .iter_mut()
        .flat_map(|all| all.values_mut())
        .for_each(flow);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        flow(items);
    }
}
