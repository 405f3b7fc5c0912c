//! Why the app's Secret must be written: a list to read on one screen. To add a reason, add a function
//! and its row in [`CHECKS`].

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use oidc_crds::names::{ANNOTATION_CREDENTIAL_ID, ANNOTATION_INSTALLATION, ANNOTATION_SHAPE};
use oidc_crds::resources::Reason;
use oidc_crds::secrets::Data;
use oidc_crds::secrets::app::{Marks, Rendered, Texts, merged};

use super::observe::data_of;
use crate::context::Names;

/// The Secret as it must be.
pub(crate) struct Desired {
    pub(crate) data: Data,
    /// Labels that it must have; those of others stay.
    labels: Texts,
    /// Annotations that it must have; likewise.
    annotations: Texts,
}

impl Desired {
    /// `credential_id` is for the annotation; `None`: whatever is there. `release` is for the label, and `home`
    /// ([`Names::home`]) for the annotation beside it.
    pub(crate) fn of(rendered: Rendered, credential_id: Option<&str>, release: &str, home: &str) -> Self {
        let Rendered {
            data,
            mut labels,
            mut annotations,
        } = rendered;
        labels.insert(Names::MANAGED_BY.to_owned(), release.to_owned());
        annotations.insert(ANNOTATION_INSTALLATION.to_owned(), home.to_owned());
        if let Some(id) = credential_id {
            annotations.insert(ANNOTATION_CREDENTIAL_ID.to_owned(), id.to_owned());
        }
        Self {
            data,
            labels,
            annotations,
        }
    }

    /// The labels of a Secret once it is as it must be.
    pub(crate) fn labels_on(&self, secret: &Secret) -> Texts {
        let before = Marks::of(secret.annotations()).labels;
        merged(secret.labels(), &before, &self.labels)
    }

    /// The annotations of a Secret once it is as it must be.
    pub(crate) fn annotations_on(&self, secret: &Secret) -> Texts {
        let mut before = Marks::of(secret.annotations()).annotations;
        before.push(ANNOTATION_SHAPE.to_owned());
        merged(secret.annotations(), &before, &self.annotations)
    }
}

type Check = fn(Option<&Secret>, &Desired) -> Option<Reason>;

/// In this order; the first that finds something decides.
const CHECKS: [Check; 4] = [missing, other_data, other_labels, other_annotations];

/// The first reason to write; `found` is a Secret of ours.
pub(crate) fn reason_to_write(found: Option<&Secret>, desired: &Desired) -> Option<Reason> {
    CHECKS.iter().find_map(|check| check(found, desired))
}

fn missing(found: Option<&Secret>, _: &Desired) -> Option<Reason> {
    found.is_none().then_some(Reason::SecretCreated)
}

fn other_data(found: Option<&Secret>, desired: &Desired) -> Option<Reason> {
    (data_of(found?) != desired.data).then_some(Reason::SecretUpdated)
}

fn other_labels(found: Option<&Secret>, desired: &Desired) -> Option<Reason> {
    let found = found?;
    (*found.labels() != desired.labels_on(found)).then_some(Reason::SecretUpdated)
}

fn other_annotations(found: Option<&Secret>, desired: &Desired) -> Option<Reason> {
    let found = found?;
    (*found.annotations() != desired.annotations_on(found)).then_some(Reason::SecretUpdated)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    fn desired() -> Desired {
        let rendered = Rendered {
            data: [("CLIENT_ID".to_owned(), b"a.b".to_vec())].into(),
            labels: Texts::new(),
            annotations: Texts::new(),
        };
        Desired::of(rendered, Some("c1"), "oidc", "identity/oidc")
    }

    fn written() -> Secret {
        let mut secret = Secret {
            data: Some([("CLIENT_ID".to_owned(), ByteString(b"a.b".to_vec()))].into()),
            ..Secret::default()
        };
        secret
            .annotations_mut()
            .insert(ANNOTATION_CREDENTIAL_ID.into(), "c1".into());
        secret
            .annotations_mut()
            .insert(ANNOTATION_INSTALLATION.into(), "identity/oidc".into());
        secret
            .labels_mut()
            .insert(Names::MANAGED_BY.into(), "oidc".into());
        secret
    }

    #[test]
    fn a_secret_as_it_must_be_is_not_written() {
        assert_eq!(reason_to_write(Some(&written()), &desired()), None);
        let mut with_more = written();
        with_more.labels_mut().insert("team".into(), "blue".into());
        assert_eq!(reason_to_write(Some(&with_more), &desired()), None);
    }

    #[test]
    fn each_difference_is_a_reason() {
        assert_eq!(reason_to_write(None, &desired()), Some(Reason::SecretCreated));
        let changes: [fn(&mut Secret); 6] = [
            |secret| secret.data = None,
            |secret| {
                secret
                    .data
                    .get_or_insert_default()
                    .insert("MORE".into(), ByteString(vec![]));
            },
            |secret| secret.annotations_mut().clear(),
            |secret| {
                secret
                    .annotations_mut()
                    .insert(ANNOTATION_CREDENTIAL_ID.into(), "c0".into());
            },
            |secret| {
                secret
                    .annotations_mut()
                    .insert(ANNOTATION_INSTALLATION.into(), "extern/oidc".into());
            },
            |secret| secret.labels_mut().clear(),
        ];
        for change in changes {
            let mut secret = written();
            change(&mut secret);
            assert_eq!(
                reason_to_write(Some(&secret), &desired()),
                Some(Reason::SecretUpdated)
            );
        }
    }
}
