//! The installation's own Secrets: pepper, key ring, CA and certificate. Each is made once and kept; none
//! has an owner, so all survive an uninstallation. Of those that were deleted pepper and key ring are written again
//! as long as they are known, and the others made anew; one that cannot be read is never overwritten, and the last
//! good one stays in force. The CA is handed out from here.

mod key_ring;
mod pepper;
mod tls;
mod trust;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, ObjectMeta};
use oidc_crds::seal::KeyRing;
use oidc_crds::secrets::Data;

use crate::context::{Context, Material, Names, now};
use crate::execute::Error;
use crate::oidc_client::{data_of, to_data};

/// What [`Context::failures`] calls it when the new CA is not everywhere yet.
const PUBLISH: &str = "a new CA in every bundle";

/// Whether a change of this Secret concerns [`reconcile`].
pub(crate) fn is_one(context: &Context, name: &str) -> bool {
    let names = &context.names;
    let given = context
        .installation()
        .is_some_and(|installation| installation.tls_secret() == name);
    given || [names.pepper(), names.key_ring(), names.ca(), names.tls()].contains(&name.to_owned())
}

/// Makes what is missing and puts it in force; when the certificate is due.
pub(crate) async fn reconcile(context: &Context) -> Result<Option<Timestamp>, Error> {
    let Some(installation) = context.installation() else {
        return Ok(None);
    };
    let store = Store {
        context,
        api: Api::namespaced(context.client.clone(), &context.names.namespace),
    };
    let old = context.material();
    let pepper = keep_good(
        pepper::ensure(&store, old.as_ref().map(|old| &old.pepper)).await,
        old.as_ref().map(|old| old.pepper.clone()),
    )?;
    let ring = keep_good(
        key_ring::ensure(&store, old.as_ref().map(|old| old.ring.data())).await,
        old.as_ref().map(|old| old.ring.data().clone()),
    )?;
    let tls = tls::ensure(&store, &installation).await;
    let (ca, unpublished, mut next, unconfirmed) = match tls {
        Ok(done) => (done.ca, done.unpublished, done.next, done.unconfirmed),
        // Clients go on with the CA that they know.
        Err(error) => match &old {
            Some(old) => {
                tracing::error!(%error, "the certificate is not in order");
                (old.ca.clone(), None, None, false)
            }
            None => return Err(error),
        },
    };
    let handed_out = ca.clone();
    context.material.send_if_modified(|current| {
        let same = current
            .as_ref()
            .is_some_and(|held| held.pepper == pepper && *held.ring.data() == ring && held.ca == ca);
        if !same {
            *current = Some(Arc::new(Material {
                pepper,
                ring: KeyRing::new(ring),
                ca,
            }));
        }
        !same
    });
    if let Some(ca) = handed_out {
        let distributed = trust::distribute(context, &installation, &ca).await;
        if distributed.is_err() && unpublished.is_some() {
            tracing::warn!("the new CA does not sign before it is in every bundle");
        }
        distributed?;
    }
    if let Some(new) = unpublished {
        match trust::behind(context, &installation, &new).await? {
            None => {
                tls::published(&store, &new).await?;
                context.failures.succeeded(PUBLISH);
            }
            Some(behind) => {
                tracing::info!(%behind, "the new CA waits until it is in every bundle");
                let look = now() + context.failures.failed(PUBLISH);
                next = Some(next.map_or(look, |next| next.min(look)));
            }
        }
    } else if unconfirmed {
        let look = now() + context.failures.failed(PUBLISH);
        next = Some(next.map_or(look, |next| next.min(look)));
    }
    Ok(next)
}

/// Something unusable leaves the last good value in force, loudly.
fn keep_good<T>(result: Result<T, Error>, old: Option<T>) -> Result<T, Error> {
    match (result, old) {
        (Err(Error::Unusable(problem)), Some(old)) => {
            tracing::error!(problem, "the last good value stays in force");
            Ok(old)
        }
        (result, _) => result,
    }
}

/// Reads and writes own Secrets.
struct Store<'a> {
    context: &'a Context,
    api: Api<Secret>,
}

impl Store<'_> {
    fn names(&self) -> &Names {
        &self.context.names
    }

    async fn get(&self, name: &str) -> Result<Option<Secret>, Error> {
        self.api
            .get_opt(name)
            .await
            .map_err(Error::api(format!("get Secret {name}")))
    }

    /// Tells that a Secret which was deleted is written again as it was.
    fn restores(&self, name: &str) {
        tracing::warn!(secret = name, "was deleted; it is written again as it was");
    }

    async fn create(&self, name: String, kind: &str, data: Data) -> Result<Secret, Error> {
        self.create_secret(&own_secret(self.names(), name, kind, data))
            .await
    }

    async fn create_secret(&self, secret: &Secret) -> Result<Secret, Error> {
        let secret = self.context.create(&self.api, "Secret", secret).await?;
        tracing::info!(secret = secret.name_any(), "made");
        Ok(secret)
    }

    /// Replaces one of ours; one without our label is somebody else's.
    async fn replace(&self, mut secret: Secret, data: Data) -> Result<Secret, Error> {
        let name = secret.name_any();
        must_be_ours(self.names(), &secret)?;
        secret.data = Some(to_data(data));
        secret.metadata.managed_fields = None;
        let secret = self.context.replace(&self.api, "Secret", &secret).await?;
        tracing::info!(secret = name, "renewed");
        Ok(secret)
    }
}

/// One without our label is somebody else's and is never overwritten, whatever its name.
///
/// # Errors
/// When it is not ours.
pub(crate) fn must_be_ours(names: &Names, secret: &Secret) -> Result<(), Error> {
    if secret.labels().get(Names::MANAGED_BY) == Some(&names.release) {
        return Ok(());
    }
    Err(Error::Unusable(format!(
        "the Secret {} must be brought up to date, but it lacks the label {}={}: it is not ours to \
         overwrite; delete or label it",
        secret.name_any(),
        Names::MANAGED_BY,
        names.release
    )))
}

/// A Secret as the operator makes its own.
pub(crate) fn own_secret(names: &Names, name: String, kind: &str, data: Data) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(names.namespace.clone()),
            labels: Some([(Names::MANAGED_BY.to_owned(), names.release.clone())].into()),
            ..ObjectMeta::default()
        },
        type_: Some(kind.to_owned()),
        data: Some(to_data(data)),
        ..Secret::default()
    }
}

/// Reads one with a crate's parser; the message names the Secret, never its content.
fn parse<T>(
    secret: &Secret,
    read: impl FnOnce(&Data) -> Result<T, oidc_crds::secrets::DataError>,
) -> Result<T, Error> {
    read(&data_of(secret))
        .map_err(|error| Error::Unusable(format!("the Secret {}: {error}", secret.name_any())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_keeps_the_last_good_value_and_other_errors_do_not() {
        let bad = || Err::<u8, _>(Error::Unusable("x".into()));
        assert_eq!(keep_good(bad(), Some(1)).ok(), Some(1));
        assert!(keep_good(bad(), None).is_err());
        assert!(keep_good(Err(Error::NotLeading), Some(1)).is_err());
        assert_eq!(keep_good(Ok(2), Some(1)).ok(), Some(2));
    }

    #[test]
    fn own_secrets_have_no_owner_and_our_label() {
        let names = Names {
            release: "oidc".into(),
            namespace: "identity".into(),
            pod: "p".into(),
        };
        let secret = own_secret(&names, names.pepper(), "Opaque", Data::default());
        assert_eq!(secret.name_any(), "oidc-pepper");
        assert!(secret.metadata.owner_references.is_none());
        assert_eq!(secret.labels()[Names::MANAGED_BY], "oidc");
        assert!(must_be_ours(&names, &secret).is_ok());
    }

    #[test]
    fn i6_a_secret_without_our_label_is_not_ours() {
        let names = Names {
            release: "oidc".into(),
            namespace: "identity".into(),
            pod: "p".into(),
        };
        let mut foreign = own_secret(&names, names.key_set(), "Opaque", Data::default());
        foreign
            .labels_mut()
            .insert(Names::MANAGED_BY.into(), "Helm".into());
        assert!(must_be_ours(&names, &foreign).is_err());
        foreign.metadata.labels = None;
        assert!(must_be_ours(&names, &foreign).is_err());
    }
}
