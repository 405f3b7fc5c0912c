//! Rolling out the workloads that a client names, once a new secret is in its Secret, like `kubectl rollout
//! restart` does. Which credential that was last done for is in the client's status, and on each workload in
//! an annotation that goes with the same patch: whatever fails between, nothing is restarted twice.

use std::fmt::Debug;

use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use kube::api::{Api, Patch};
use kube::{Resource, ResourceExt};
use oidc_crds::client::Client;
use oidc_crds::names::{ANNOTATION_RESTARTED_FOR, WorkloadKind};
use oidc_crds::resources::Reason;
use oidc_crds::resources::oidc_client::{Credential, RotationStatus, Workload};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::context::Context;
use crate::execute::Error;
use crate::plan::Note;

/// What is restarted, and for which credential.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Restarts {
    /// The credential that was last seen to.
    pub(crate) from: Option<String>,
    /// The one that is current.
    pub(crate) to: Option<String>,
    namespace: String,
    /// The client's UID.
    uid: String,
    workloads: Vec<Workload>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Restarted {
    pub(super) notes: Vec<Note>,
    /// What must be tried again.
    pub(super) failure: Option<Error>,
    /// Whether nothing must be tried again.
    pub(super) complete: bool,
}

impl Restarts {
    /// What the change from the known credentials to these asks for. Where nothing is noted yet, the known
    /// current one counts as seen to: its secret has been in the Secret all along.
    pub(super) fn of(
        client: &Client,
        known: &[Credential],
        noted: Option<&RotationStatus>,
        next: &[Credential],
    ) -> Self {
        if client.rollout_restart().is_empty() {
            return Self::default();
        }
        let noted = noted.and_then(|noted| noted.restarted_for.clone());
        let mut restarts = Self {
            from: noted.or_else(|| current(known)),
            to: current(next),
            namespace: client.namespace().to_owned(),
            uid: client.uid().to_owned(),
            workloads: Vec::new(),
        };
        if restarts.from.is_some() && restarts.to.is_some() && restarts.from != restarts.to {
            restarts.workloads = client.rollout_restart().to_vec();
        }
        restarts
    }

    /// Where nothing is decided, nothing is restarted, and what is noted stays.
    pub(super) fn unchanged(noted: Option<&RotationStatus>) -> Self {
        let noted = noted.and_then(|noted| noted.restarted_for.clone());
        Self {
            from: noted.clone(),
            to: noted,
            ..Self::default()
        }
    }

    /// The credential that is seen to after this.
    pub(super) fn noted(self, done: &Restarted) -> Option<String> {
        if self.is_due() && !done.complete {
            self.from
        } else {
            self.to
        }
    }

    pub(crate) fn is_due(&self) -> bool {
        !self.workloads.is_empty()
    }

    /// Restarts what was not restarted for this credential.
    pub(crate) async fn run(&self, context: &Context, now: Timestamp) -> Restarted {
        let mut done = Restarted::default();
        for workload in &self.workloads {
            let answer = match workload.kind {
                WorkloadKind::Deployment => self.one::<Deployment>(context, workload, now).await,
                WorkloadKind::StatefulSet => self.one::<StatefulSet>(context, workload, now).await,
                WorkloadKind::DaemonSet => self.one::<DaemonSet>(context, workload, now).await,
            };
            match answer {
                Ok(true) => done.notes.push(restarted(workload)),
                Ok(false) => {}
                Err(error) => match excused(workload, &error) {
                    Some(note) => done.notes.push(note),
                    None => done.failure = Some(error),
                },
            }
        }
        done.complete = done.failure.is_none();
        done
    }

    /// Whether it had to be restarted, and was.
    async fn one<K>(&self, context: &Context, workload: &Workload, now: Timestamp) -> Result<bool, Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let api: Api<K> = Api::namespaced(context.client.clone(), &self.namespace);
        let found = api
            .get_metadata(&workload.name)
            .await
            .map_err(Error::api(format!("get {} {}", K::kind(&()), workload.name)))?;
        let id = self.to.as_deref().unwrap_or_default();
        let key = format!("{ANNOTATION_RESTARTED_FOR}{}", self.uid);
        if found.annotations().get(&key).map(String::as_str) == Some(id) {
            return Ok(false);
        }
        let version = found.resource_version().unwrap_or_default();
        let patch = patch(&key, id, &version, now);
        context
            .patch(&api, workload.kind.as_str(), &workload.name, &Patch::Merge(patch))
            .await?;
        Ok(true)
    }
}

#[cfg(test)]
impl Restarted {
    /// Everything was restarted.
    pub(super) fn done() -> Self {
        Self {
            complete: true,
            ..Self::default()
        }
    }
}

/// With the version that was read, so that of two leaders one loses.
fn patch(key: &str, id: &str, version: &str, now: Timestamp) -> Value {
    json!({
        "metadata": {"resourceVersion": version, "annotations": {key: id}},
        "spec": {"template": {"metadata": {"annotations": {
            "kubectl.kubernetes.io/restartedAt": now.to_string(),
        }}}},
    })
}

/// The credential that is accepted without end.
fn current(credentials: &[Credential]) -> Option<String> {
    let current = credentials.iter().find(|known| known.retires_at.is_none());
    current.map(|known| known.id.clone())
}

fn named(workload: &Workload) -> String {
    format!("{} {}", workload.kind.as_str(), workload.name)
}

fn restarted(workload: &Workload) -> Note {
    let told = format!(
        "the {} is rolled out anew to read the new client secret",
        named(workload)
    );
    Note::normal(Reason::WorkloadRestarted, told)
}

/// What no further try would change, and what to do about it.
fn excused(workload: &Workload, error: &Error) -> Option<Note> {
    let Error::Api { source, .. } = error else {
        return None;
    };
    let kube::Error::Api(status) = &**source else {
        return None;
    };
    let named = named(workload);
    match status.code {
        403 => Some(Note::warning(
            Reason::RestartForbidden,
            format!(
                "the operator may not restart the {named} (chart value rolloutRestart.enabled): restart it \
                 yourself before the old client secret retires"
            ),
        )),
        404 => Some(Note::warning(
            Reason::WorkloadNotFound,
            format!("there is no {named} to restart: correct spec.rolloutRestart"),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use oidc_crds::secrets::installation::Installation;
    use oidc_crds::validate::validate;

    use super::*;

    fn client(restarts: Value) -> Client {
        let object = serde_json::from_value(json!({
            "metadata": {
                "name": "app", "namespace": "team-a", "uid": "u1", "creationTimestamp": "2026-11-25T09:00:00Z",
            },
            "spec": {"redirectUris": ["https://app.example.com/cb"], "rolloutRestart": restarts},
        }));
        let installation = Installation::standalone("https://login.example.com", false);
        validate(&object.expect("an OidcClient"), &installation, None).expect("good")
    }

    fn shop() -> Client {
        client(json!([{"kind": "Deployment", "name": "shop"}]))
    }

    fn credentials(ids: &[&str]) -> Vec<Credential> {
        let last = ids.len().saturating_sub(1);
        let one = |(at, id): (usize, &&str)| {
            let mut one = json!({"id": id, "digest": "d", "createdAt": "2026-11-25T09:00:00Z"});
            if at < last {
                one["retiresAt"] = "2026-11-26T09:00:00Z".into();
            }
            serde_json::from_value(one).expect("a credential")
        };
        ids.iter().enumerate().map(one).collect()
    }

    fn noted(id: &str) -> RotationStatus {
        RotationStatus {
            restarted_for: Some(id.to_owned()),
            ..RotationStatus::default()
        }
    }

    #[test]
    fn nothing_restarts_for_a_first_secret_or_one_that_is_not_new() {
        let of = |known: &[&str], note: Option<&RotationStatus>, next: &[&str]| {
            Restarts::of(&shop(), &credentials(known), note, &credentials(next))
        };
        for (restarts, to) in [
            (of(&[], None, &["a"]), "a"),
            (of(&["a"], None, &["a"]), "a"),
            (of(&["a"], Some(&noted("a")), &["a"]), "a"),
        ] {
            assert!(!restarts.is_due());
            assert_eq!(restarts.to.as_deref(), Some(to));
        }
        let none = Restarts::of(
            &client(json!([])),
            &credentials(&["a"]),
            Some(&noted("a")),
            &credentials(&["b"]),
        );
        assert_eq!(none, Restarts::default());
    }

    #[test]
    fn a_new_secret_restarts_until_that_is_noted() {
        // At the rotation, and after a crash at any of its writes.
        for (known, note) in [
            (vec!["a"], None),
            (vec!["a"], Some(noted("a"))),
            (vec!["a", "b"], Some(noted("a"))),
        ] {
            let restarts = Restarts::of(
                &shop(),
                &credentials(&known),
                note.as_ref(),
                &credentials(&["a", "b"]),
            );
            assert!(restarts.is_due(), "{known:?}");
            assert_eq!(
                (restarts.from.as_deref(), restarts.to.as_deref()),
                (Some("a"), Some("b"))
            );
        }
    }

    #[test]
    fn the_patch_is_that_of_kubectl_and_a_note_of_ours() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let patch = patch("restarted-for.oidc-operator.dev/u1", "b", "7", now);
        assert_eq!(
            patch,
            json!({
                "metadata": {
                    "resourceVersion": "7",
                    "annotations": {"restarted-for.oidc-operator.dev/u1": "b"},
                },
                "spec": {"template": {"metadata": {"annotations": {
                    "kubectl.kubernetes.io/restartedAt": "2027-01-15T08:00:00Z",
                }}}},
            })
        );
    }

    #[test]
    fn a_missing_right_and_a_missing_workload_are_told_and_not_tried_again() {
        let shop = shop();
        let workload = &shop.rollout_restart()[0];
        let failed = |code: u16| {
            let status = kube::core::Status::failure("no", "No").with_code(code);
            Error::Api {
                what: "patch".into(),
                source: Box::new(kube::Error::Api(status.boxed())),
            }
        };
        let reason = |code| excused(workload, &failed(code)).map(|note| note.reason);
        assert_eq!(reason(403), Some(Reason::RestartForbidden));
        assert_eq!(reason(404), Some(Reason::WorkloadNotFound));
        assert_eq!(reason(500), None);
        assert!(excused(workload, &Error::Conflict("x".into())).is_none());
    }
}
