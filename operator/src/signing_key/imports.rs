//! The keys that SigningKeys import: the only reads of other Secrets for them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Api;
use oidc_crds::names::Algorithm;
use oidc_crds::resources::signing_key::ImportRef;
use oidc_crds::schedule::Import;

use super::GuardedKey;
use crate::context::Context;
use crate::execute::Error;
use crate::oidc_client::data_of;

/// What each SigningKey with a `secretRef` imports, by UID. The Secrets are noted, so that their edits wake
/// the reconcile.
pub(super) async fn read(
    context: &Context,
    api: &Api<Secret>,
    objects: &[Arc<GuardedKey>],
) -> Result<HashMap<String, Import>, Error> {
    let references: Vec<(String, Algorithm, &ImportRef)> = objects
        .iter()
        .filter_map(|object| {
            let key = object.0.as_ref().ok()?;
            let reference = key.spec.secret_ref.as_ref()?;
            Some((key.uid()?, key.spec.algorithm(), reference))
        })
        .collect();
    let names: BTreeSet<String> = references.iter().map(|(.., from)| from.name.clone()).collect();
    context.imported_secrets.send_replace(names);
    let mut imports = HashMap::with_capacity(references.len());
    for (uid, algorithm, reference) in references {
        let found = api
            .get_opt(&reference.name)
            .await
            .map_err(Error::api(format!("get Secret {}", reference.name)))?;
        let data = found
            .as_ref()
            .map(|secret| (secret.type_.as_deref(), data_of(secret)));
        let given = data.as_ref().map(|(kind, data)| (*kind, data));
        imports.insert(uid, Import::from_secret(given, reference, algorithm));
    }
    Ok(imports)
}
