//! The only reads of a client's reconcile: the Secret it gets, and the one it refers to.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Api;
use oidc_crds::client::Client;
use oidc_crds::credentials::ClientSecret;
use oidc_crds::names::GROUP;
use oidc_crds::resources::OidcClient;
use oidc_crds::resources::oidc_client::WrittenSecret;
use oidc_crds::secrets::app::CLIENT_SECRET;
use oidc_crds::secrets::{Data, is_opaque};
use oidc_crds::uses::Seen;

use super::reserved;
use crate::context::{Context, Names};
use crate::execute::Error;

/// What was found. Nothing is looked for if the client was refused, or has no Secret.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) target: Target,
    /// Our Secret under names that `spec.secret.name` had before, the one that was finished first.
    pub(crate) former: Vec<Secret>,
    pub(crate) given: Option<Given>,
    /// What is known of its uses.
    pub(crate) seen: Seen,
}

/// The app's Secret, or what is in its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    Absent,
    /// Its controller is this very client.
    Ours(Box<Secret>),
    /// Its controller is an earlier client of this name; the garbage collector will remove it.
    Stale,
    /// Somebody else's: never touched.
    Foreign,
}

/// The Secret that `secretRef` names.
#[derive(Debug, Clone)]
pub(crate) enum Given {
    Missing,
    /// Of this type: nobody may refer to it.
    OfType(String),
    /// Of the installation; what it does there.
    Reserved(&'static str),
    Present {
        /// Changes with the content.
        version: String,
        secret: Option<ClientSecret>,
    },
}

pub(crate) async fn observe(
    context: &Context,
    object: &OidcClient,
    client: Option<&Client>,
) -> Result<Observed, Error> {
    let seen = seen(context, object);
    let Some(client) = client.filter(|client| client.registration().is_none()) else {
        return Ok(Observed {
            target: Target::Absent,
            former: Vec::new(),
            given: None,
            seen,
        });
    };
    let api: Api<Secret> = Api::namespaced(context.client.clone(), client.namespace());
    let target = match read(&api, client.secret_name()).await? {
        None => Target::Absent,
        Some(secret) => classify(secret, object),
    };
    let given = match &object.spec.secret_ref {
        None => None,
        Some(reference) => {
            let key = reference.key.as_deref().unwrap_or(CLIENT_SECRET);
            let owner = reserved::owner(context, client.namespace(), &reference.name).await?;
            let found = match owner {
                Some(_) => None,
                None => read(&api, &reference.name).await?,
            };
            let found = found.map_or(Given::Missing, |secret| present(&secret, key));
            Some(owner.map_or(found, Given::Reserved))
        }
    };
    let mut former = Vec::new();
    for name in former_names(object, client) {
        let found = read(&api, name).await?;
        former.extend(found.and_then(|secret| removable(secret, object, &context.names.release)));
    }
    Ok(Observed {
        target,
        former,
        given,
        seen,
    })
}

/// What is known of its uses, also if it is refused: what was never used expires all the same.
pub(crate) fn seen(context: &Context, object: &OidcClient) -> Seen {
    let material = context.material();
    let seen = material.map(|material| context.uses.seen(&material.ring, object));
    seen.unwrap_or_default()
}

/// The names that the Secret was written under before, where it is another one now.
fn former_names<'a>(object: &'a OidcClient, client: &Client) -> impl Iterator<Item = &'a str> {
    let known = object.status.as_ref().and_then(|status| status.secret.as_ref());
    let names = known.into_iter().flat_map(known_names);
    // it may be what the client now refers to
    let given = object.spec.secret_ref.as_ref().map(|given| given.name.as_str());
    names.filter(move |name| *name != client.secret_name() && Some(*name) != given)
}

/// All names that status knows the Secret by.
pub(super) fn known_names(known: &WrittenSecret) -> impl Iterator<Item = &str> {
    [&known.name].into_iter().chain(&known.moving).map(String::as_str)
}

/// Only what is ours and says so may be removed.
fn removable(secret: Secret, client: &OidcClient, release: &str) -> Option<Secret> {
    let labelled = secret.labels().get(Names::MANAGED_BY).map(String::as_str) == Some(release);
    match classify(secret, client) {
        Target::Ours(secret) if labelled && secret.metadata.deletion_timestamp.is_none() => Some(*secret),
        _ => None,
    }
}

async fn read(api: &Api<Secret>, name: &str) -> Result<Option<Secret>, Error> {
    api.get_opt(name)
        .await
        .map_err(Error::api(format!("get Secret {name}")))
}

fn present(secret: &Secret, key: &str) -> Given {
    if !is_opaque(secret.type_.as_deref()) {
        return Given::OfType(secret.type_.clone().unwrap_or_default());
    }
    let value = secret
        .data
        .as_ref()
        .and_then(|data| data.get(key))
        .and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
    Given::Present {
        version: format!(
            "{}/{}",
            secret.uid().unwrap_or_default(),
            secret.resource_version().unwrap_or_default()
        ),
        secret: value.map(ClientSecret::new),
    }
}

/// Ours is what names this client's UID as its controller. A name alone proves nothing: whoever may
/// create Secrets could otherwise have theirs overwritten, or a namesake's adopted.
fn classify(secret: Secret, client: &OidcClient) -> Target {
    let controller = secret
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true));
    let Some(owner) = controller else {
        return Target::Foreign;
    };
    let group = owner.api_version.split('/').next().unwrap_or_default();
    if group != GROUP || owner.kind != super::KIND {
        return Target::Foreign;
    }
    if Some(&owner.uid) == client.metadata.uid.as_ref() {
        Target::Ours(Box::new(secret))
    } else if Some(&owner.name) == client.metadata.name.as_ref() {
        Target::Stale
    } else {
        Target::Foreign
    }
}

/// A Secret's data as `oidc-crds` takes it.
pub(crate) fn data_of(secret: &Secret) -> Data {
    secret
        .data
        .iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.0.clone()))
        .collect()
}

/// Data as the API server takes it.
pub(crate) fn to_data(data: Data) -> std::collections::BTreeMap<String, ByteString> {
    data.into_iter()
        .map(|(key, value)| (key, ByteString(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

    use super::*;

    fn client() -> OidcClient {
        let mut client = OidcClient::new("app", Default::default());
        client.metadata.uid = Some("u1".into());
        client
    }

    fn owned(change: impl FnOnce(&mut OwnerReference)) -> Target {
        let mut owner = OwnerReference {
            api_version: "oidc-operator.dev/v1alpha1".into(),
            kind: "OidcClient".into(),
            name: "app".into(),
            uid: "u1".into(),
            controller: Some(true),
            block_owner_deletion: None,
        };
        change(&mut owner);
        let mut secret = Secret::default();
        secret.metadata.owner_references = Some(vec![owner]);
        classify(secret, &client())
    }

    #[test]
    fn i6_only_a_controller_reference_by_uid_makes_a_secret_ours() {
        assert!(matches!(owned(|_| {}), Target::Ours(_)));
        assert!(matches!(
            owned(|o| o.api_version = "oidc-operator.dev/v2".into()),
            Target::Ours(_)
        ));
        assert_eq!(owned(|o| o.uid = "u0".into()), Target::Stale);
        assert_eq!(owned(|o| o.controller = None), Target::Foreign);
        assert_eq!(owned(|o| o.controller = Some(false)), Target::Foreign);
        assert_eq!(owned(|o| o.kind = "OidcUser".into()), Target::Foreign);
        assert_eq!(
            owned(|o| o.api_version = "example.com/v1".into()),
            Target::Foreign
        );
        assert_eq!(
            owned(|o| {
                o.uid = "u2".into();
                o.name = "other".into();
            }),
            Target::Foreign
        );
        assert_eq!(classify(Secret::default(), &client()), Target::Foreign);
    }

    #[test]
    fn i6_only_a_labelled_secret_of_ours_may_be_removed() {
        let Target::Ours(secret) = owned(|_| {}) else {
            panic!("it is ours");
        };
        let of = |change: fn(&mut Secret)| {
            let mut secret = (*secret).clone();
            secret
                .labels_mut()
                .insert(Names::MANAGED_BY.into(), "oidc".into());
            change(&mut secret);
            removable(secret, &client(), "oidc").is_some()
        };
        assert!(of(|_| {}));
        assert!(!of(|secret| secret.labels_mut().clear()));
        assert!(!of(|secret| {
            secret
                .labels_mut()
                .insert(Names::MANAGED_BY.into(), "Helm".into());
        }));
        assert!(!of(|secret| secret.metadata.owner_references = None));
        assert!(!of(|secret| secret.owner_references_mut()[0].uid = "u0".into()));
    }

    #[test]
    fn a_secret_ref_takes_opaque_secrets_only() {
        let mut secret = Secret {
            data: Some([("token".to_owned(), ByteString(b"x".to_vec()))].into()),
            ..Secret::default()
        };
        for kind in ["kubernetes.io/service-account-token", "helm.sh/release.v1"] {
            secret.type_ = Some(kind.to_owned());
            assert!(matches!(present(&secret, "token"), Given::OfType(told) if told == kind));
        }
        secret.type_ = Some("Opaque".to_owned());
        assert!(matches!(present(&secret, "token"), Given::Present { .. }));
    }

    #[test]
    fn a_given_secret_changes_its_version_with_its_content() {
        let mut secret = Secret::default();
        secret.metadata.uid = Some("s1".into());
        secret.metadata.resource_version = Some("9".into());
        secret.data = Some([("OTHER".to_owned(), ByteString(b"x".to_vec()))].into());
        let Given::Present { version, secret } = present(&secret, CLIENT_SECRET) else {
            panic!("it is there");
        };
        assert_eq!(version, "s1/9");
        assert!(secret.is_none(), "the key is missing");
    }
}
