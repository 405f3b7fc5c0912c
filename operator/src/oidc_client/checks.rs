//! Why the app's Secret must be written: a list to read on one screen. To add a reason, add a function
//! and its row in [`CHECKS`].

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use oidc_crds::names::ANNOTATION_CREDENTIAL_ID;
use oidc_crds::resources::Reason;
use oidc_crds::secrets::Data;

use super::observe::data_of;
use crate::context::Names;

/// The Secret as it must be.
pub(crate) struct Desired<'a> {
    pub(crate) data: Data,
    /// For the annotation; `None`: whatever is there.
    pub(crate) credential_id: Option<&'a str>,
    /// For the label.
    pub(crate) release: &'a str,
}

type Check = fn(Option<&Secret>, &Desired<'_>) -> Option<Reason>;

/// In this order; the first that finds something decides.
const CHECKS: [Check; 4] = [missing, other_data, other_credential, label_missing];

/// The first reason to write; `found` is a Secret of ours.
pub(crate) fn reason_to_write(found: Option<&Secret>, desired: &Desired<'_>) -> Option<Reason> {
    CHECKS.iter().find_map(|check| check(found, desired))
}

fn missing(found: Option<&Secret>, _: &Desired<'_>) -> Option<Reason> {
    found.is_none().then_some(Reason::SecretCreated)
}

fn other_data(found: Option<&Secret>, desired: &Desired<'_>) -> Option<Reason> {
    (data_of(found?) != desired.data).then_some(Reason::SecretUpdated)
}

fn other_credential(found: Option<&Secret>, desired: &Desired<'_>) -> Option<Reason> {
    let named = found?.annotations().get(ANNOTATION_CREDENTIAL_ID);
    let must = desired.credential_id?;
    (named.map(String::as_str) != Some(must)).then_some(Reason::SecretUpdated)
}

fn label_missing(found: Option<&Secret>, desired: &Desired<'_>) -> Option<Reason> {
    let label = found?.labels().get(Names::MANAGED_BY);
    (label.map(String::as_str) != Some(desired.release)).then_some(Reason::SecretUpdated)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    fn desired() -> Desired<'static> {
        Desired {
            data: [("CLIENT_ID".to_owned(), b"a.b".to_vec())].into(),
            credential_id: Some("c1"),
            release: "oidc",
        }
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
        let changes: [fn(&mut Secret); 5] = [
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
