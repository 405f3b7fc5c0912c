//! The way of a Secret from one name to another: status knows every name that it may be found under before it is
//! written there, so that it is neither lost nor left behind if the spec changes meanwhile or the process ends.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use oidc_crds::resources::limits;
use oidc_crds::resources::oidc_client::WrittenSecret;

use crate::oidc_client::observe::known_names;

/// What status must know before a Secret is written as `name` and those of former names are removed; nothing if it
/// knows that. Refused while too many could not be removed.
pub(super) fn first_names(
    known: Option<&WrittenSecret>,
    former: &[Secret],
    name: &str,
) -> Result<Option<WrittenSecret>, String> {
    let Some(known) = known.filter(|known| !known_names(known).any(|one| one == name)) else {
        return Ok(None);
    };
    let there = |other: &&String| former.iter().any(|secret| secret.name_any() == **other);
    let mut moving: Vec<String> = known.moving.iter().filter(there).cloned().collect();
    if moving.len() >= limits::SECRET_NAMES {
        return Err(format!(
            "the Secret is still there under {} former names: see why they cannot be removed, or delete them",
            moving.len()
        ));
    }
    moving.push(name.to_owned());
    Ok(Some(WrittenSecret {
        moving,
        ..known.clone()
    }))
}
