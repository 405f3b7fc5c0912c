//! What Events say about a client's secret.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use oidc_crds::client::Client;
use oidc_crds::resources::Reason;
use oidc_crds::resources::oidc_client::Credential;
use oidc_crds::rotation::{Decision, Due};

use crate::plan::Note;

/// An Event's text for what happened to the credentials: their ids, never a value.
pub(super) fn tell(reason: Reason, client: &Client, before: &[Credential], decision: &Decision) -> String {
    let after = &decision.credentials;
    let list = |texts: Vec<String>| texts.join(", ");
    match reason {
        Reason::CredentialRotated => {
            let planned = |known: &Credential| {
                let former = before.iter().find(|former| former.id == known.id);
                former.is_some_and(|former| former.retires_at.is_some())
            };
            let until = |known: &Credential| {
                let at = known.retires_at.as_ref().filter(|_| !planned(known))?;
                Some(format!("{} until {}", known.id, at.0))
            };
            let why = match decision.due {
                Some(Due::Requested) => "as spec.rotation.now asks, ",
                Some(Due::Scheduled) => "as spec.rotation.interval asks, ",
                None => "",
            };
            let replaced: Vec<String> = after.iter().filter_map(until).collect();
            if replaced.is_empty() {
                return format!("{why}a client secret was replaced and is no longer accepted");
            }
            format!(
                "{why}a replaced client secret is still accepted: {}",
                list(replaced)
            )
        }
        Reason::CredentialRetired => {
            let gone = |known: &&Credential| after.iter().all(|other| other.id != known.id);
            let gone = before.iter().filter(gone).map(|known| known.id.clone()).collect();
            let length = client.rotation().and_then(|rotation| rotation.retire_unused);
            match length.filter(|_| !decision.unused.is_empty()) {
                Some(length) => format!(
                    "a replaced client secret that nobody used for {length} is no longer accepted: {}",
                    list(gone)
                ),
                None => format!("a replaced client secret is no longer accepted: {}", list(gone)),
            }
        }
        Reason::DigestsRestored => "digests were computed again from the Secret".to_owned(),
        _ => "the credentials changed".to_owned(),
    }
}

/// The Event for a Secret that is written.
pub(super) fn written_note(reason: Reason, client: &Client, decision: &Decision, former: &[Secret]) -> Note {
    let name = client.secret_name();
    let with = match &decision.deliver {
        Some(delivery) => format!(" with a new client secret, {}", delivery.credential_id),
        None => String::new(),
    };
    let moved: String = former
        .iter()
        .map(|former| format!("; the Secret {} is removed", former.name_any()))
        .collect();
    Note::normal(reason, format!("Secret {name}{with}{moved}"))
}
