//! The custom resource definitions as files of the chart. To add a kind, add a line to [`definitions`].

use kube::CustomResourceExt;

use super::{OidcClient, OidcUser, SigningKey};

const HEADER: &str = "# Generated from crds/src/resources by `just crds`; do not edit.\n";

/// All definitions: file name and text, in a stable order.
///
/// # Errors
/// When a definition cannot be written as YAML.
pub fn definitions() -> Result<Vec<(String, String)>, serde_yaml::SerializeError> {
    [OidcClient::crd(), OidcUser::crd(), SigningKey::crd()]
        .into_iter()
        .map(|definition| {
            let file = format!("{}.yaml", definition.spec.names.plural);
            Ok((file, format!("{HEADER}{}", serde_yaml::to_string(&definition)?)))
        })
        .collect()
}
