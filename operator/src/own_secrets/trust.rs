//! The CA beside the apps' Secrets, for whoever verifies tokens and has no client: a ConfigMap in the
//! namespaces that the installation names, and a ClusterTrustBundle where the API server has them. Neither
//! is ever deleted: whoever mounts it goes on.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ApiResource, DynamicObject, ListParams, ObjectMeta, TypeMeta};
use kube::{Client, Resource, ResourceExt};
use oidc_crds::names::LABEL_CLASS;
use oidc_crds::secrets::installation::Installation;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::tls::Unpublished;
use crate::context::{Context, Names};
use crate::execute::{Error, answer};
use crate::index::Key;
use crate::oidc_client::KIND as CLIENT;
use crate::watches::Scope;

/// Data key of the ConfigMap, as in `kube-root-ca.crt`.
const KEY: &str = "ca.crt";
const GROUP: &str = "certificates.k8s.io";
const KIND: &str = "ClusterTrustBundle";
/// How many Secrets are read at once.
const PAGE: u32 = 100;
/// Newest first.
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha1"];

/// Brings all of them up to date. One that cannot be written does not hold up the others.
///
/// # Errors
/// The first failure; the others are logged.
pub(super) async fn distribute(
    context: &Context,
    installation: &Installation,
    ca: &str,
) -> Result<(), Error> {
    let trust = &installation.trust;
    let mut first = Ok(());
    for namespace in &trust.config_map_namespaces {
        note(&mut first, config_map(context, installation, namespace, ca).await);
    }
    if trust.cluster_trust_bundle {
        note(&mut first, bundle(context, installation, ca).await);
    }
    first
}

/// Why a CA is not known to be in every bundle.
pub(super) enum Behind {
    /// This object's bundle lacks it.
    Object(String),
    /// The clients are not known yet.
    Unknown,
}

impl std::fmt::Display for Behind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Object(what) => f.write_str(what),
            Self::Unknown => f.write_str("the clients are not known yet"),
        }
    }
}

/// The first object whose bundle lacks a CA on its way into all of them; `None`: it is in all. The Secrets of accepted
/// clients count; a client that is refused is not served, and its Secret stays as it is.
pub(super) async fn behind(
    context: &Context,
    installation: &Installation,
    new: &Unpublished,
) -> Result<Option<Behind>, Error> {
    if !context.index.is_synced() {
        return Ok(Some(Behind::Unknown));
    }
    let trust = &installation.trust;
    for namespace in &trust.config_map_namespaces {
        let name = installation.trust_config_map();
        let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), namespace);
        let what = format!("the ConfigMap {namespace}/{name}");
        let found = read(&api, &name, &what).await?;
        let data = found.and_then(|map| map.data).unwrap_or_default();
        if data.values().any(|text| new.lacks_it(text.as_bytes())) {
            return Ok(Some(Behind::Object(what)));
        }
    }
    // where nobody can have a bundle, none is behind
    if trust.cluster_trust_bundle
        && let Some(resource) = served(&context.client).await?
    {
        let name = installation.trust_bundle();
        let api: Api<DynamicObject> = Api::all_with(context.client.clone(), &resource);
        let what = format!("the {KIND} {name}");
        let found = read(&api, &name, &what).await?;
        let text = found.map(|bundle| bundle.data["spec"]["trustBundle"].clone());
        let text = text.as_ref().and_then(|text| text.as_str());
        if text.is_some_and(|text| new.lacks_it(text.as_bytes())) {
            return Ok(Some(Behind::Object(what)));
        }
    }
    let accepted = context.index.due(|_, _| Some(()));
    let accepted: HashSet<Key> = accepted.into_iter().collect();
    for scope in Scope::of(&installation.namespaces) {
        let api: Api<Secret> = scope.api(context.client.clone());
        let mut page = ListParams::default()
            .labels(&context.names.managed_selector())
            .limit(PAGE);
        loop {
            let list = api.list(&page).await.map_err(Error::api("list Secrets"))?;
            let mut found = list.items.iter();
            if let Some(secret) = found.find(|secret| is_of(&accepted, secret) && lacks(secret, new)) {
                let namespace = secret.namespace().unwrap_or_default();
                let what = format!("the Secret {namespace}/{}", secret.name_any());
                return Ok(Some(Behind::Object(what)));
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page.continue_token = Some(token),
                None => break,
            }
        }
    }
    Ok(None)
}

/// Whether a Secret belongs to one of these clients.
fn is_of(clients: &HashSet<Key>, secret: &Secret) -> bool {
    let namespace = secret.namespace().unwrap_or_default();
    let mut owners = secret.owner_references().iter();
    owners.any(|owner| owner.kind == CLIENT && clients.contains(&(namespace.clone(), owner.name.clone())))
}

fn lacks(secret: &Secret, new: &Unpublished) -> bool {
    let mut values = secret.data.iter().flat_map(BTreeMap::values);
    values.any(|value| new.lacks_it(&value.0))
}

fn note(first: &mut Result<(), Error>, result: Result<(), Error>) {
    match result {
        Err(error) if first.is_err() => tracing::error!(%error, "the CA is not handed out everywhere"),
        Err(error) => *first = Err(error),
        Ok(()) => {}
    }
}

async fn read<K>(api: &Api<K>, name: &str, what: &str) -> Result<Option<K>, Error>
where
    K: Clone + DeserializeOwned + fmt::Debug,
{
    let found = api.get_opt(name).await;
    found.map_err(Error::api(format!("read {what}")))
}

async fn config_map(
    context: &Context,
    installation: &Installation,
    namespace: &str,
    ca: &str,
) -> Result<(), Error> {
    let name = installation.trust_config_map();
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), namespace);
    let what = format!("the ConfigMap {namespace}/{name}");
    let found = read(&api, &name, &what).await?;
    let data = BTreeMap::from([(KEY.to_owned(), ca.to_owned())]);
    match found {
        None => {
            let map = ConfigMap {
                metadata: metadata(&context.names, installation, name),
                data: Some(data),
                ..ConfigMap::default()
            };
            context.create(&api, "ConfigMap", &map).await?;
        }
        Some(mut map) => {
            must_be_ours(&context.names, installation, &map, &what)?;
            if map.data.as_ref() == Some(&data) {
                return Ok(());
            }
            map.data = Some(data);
            map.metadata.managed_fields = None;
            context.replace(&api, "ConfigMap", &map).await?;
        }
    }
    tracing::info!(what, "the CA was written");
    Ok(())
}

async fn bundle(context: &Context, installation: &Installation, ca: &str) -> Result<(), Error> {
    let Some(resource) = served(&context.client).await? else {
        tracing::warn!(
            "trust.clusterTrustBundle: this API server has no {KIND} (feature gate and --runtime-config of \
             {GROUP}/v1beta1); all else goes on"
        );
        return Ok(());
    };
    let name = installation.trust_bundle();
    let api: Api<DynamicObject> = Api::all_with(context.client.clone(), &resource);
    let what = format!("the {KIND} {name}");
    let found = read(&api, &name, &what).await?;
    match found {
        None => {
            let bundle = DynamicObject {
                types: Some(TypeMeta {
                    api_version: resource.api_version.clone(),
                    kind: resource.kind.clone(),
                }),
                metadata: metadata(&context.names, installation, name),
                data: json!({"spec": {"trustBundle": ca}}),
            };
            context.create(&api, KIND, &bundle).await?;
        }
        Some(mut bundle) => {
            must_be_ours(&context.names, installation, &bundle, &what)?;
            if bundle.data["spec"]["trustBundle"] == ca {
                return Ok(());
            }
            bundle.data["spec"]["trustBundle"] = json!(ca);
            bundle.metadata.managed_fields = None;
            context.replace(&api, KIND, &bundle).await?;
        }
    }
    tracing::info!(what, "the CA was written");
    Ok(())
}

/// The newest version of ClusterTrustBundle that the API server has, if any.
async fn served(client: &Client) -> Result<Option<ApiResource>, Error> {
    for version in VERSIONS {
        let group_version = format!("{GROUP}/{version}");
        match client.list_api_group_resources(&group_version).await {
            Ok(list) => {
                if let Some(found) = list.resources.into_iter().find(|found| found.kind == KIND) {
                    return Ok(Some(ApiResource {
                        group: GROUP.to_owned(),
                        version: version.to_owned(),
                        api_version: group_version,
                        kind: found.kind,
                        plural: found.name,
                    }));
                }
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => {
                return Err(Error::Unusable(format!(
                    "what {group_version} has cannot be read: {}",
                    answer(&error)
                )));
            }
        }
    }
    Ok(None)
}

fn metadata(names: &Names, installation: &Installation, name: String) -> ObjectMeta {
    let labels = [
        (Names::MANAGED_BY, &names.release),
        (LABEL_CLASS, &installation.class_name),
    ];
    ObjectMeta {
        name: Some(name),
        labels: Some(
            labels
                .map(|(label, value)| (label.to_owned(), value.clone()))
                .into(),
        ),
        ..ObjectMeta::default()
    }
}

/// I6. Two releases may have one name, their classes have not.
fn must_be_ours(
    names: &Names,
    installation: &Installation,
    object: &impl Resource,
    what: &str,
) -> Result<(), Error> {
    let labels = object.labels();
    let class = &installation.class_name;
    if labels.get(Names::MANAGED_BY) == Some(&names.release) && labels.get(LABEL_CLASS) == Some(class) {
        return Ok(());
    }
    Err(Error::Unusable(format!(
        "{what} is there and is not ours to overwrite: delete it, or label it {}={} and {LABEL_CLASS}={class}",
        Names::MANAGED_BY,
        names.release
    )))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::{StatusCode, Uri};
    use tokio::net::TcpListener;

    use super::*;

    /// A client of an API server that answers these paths with these bodies, and others with a 404 or the like.
    async fn api_server(other: StatusCode, answers: &'static [(&'static str, &'static str)]) -> Client {
        let answer = move |uri: Uri| async move {
            let found = answers.iter().find(|(path, _)| *path == uri.path());
            match found {
                Some((_, body)) => (StatusCode::OK, (*body).to_owned()),
                None => {
                    let code = other.as_u16();
                    let status =
                        json!({"kind": "Status", "status": "Failure", "reason": "Some", "code": code});
                    (other, status.to_string())
                }
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        // no default_retry: a 503 is an answer here
        let mut config = kube::Config::new(url.parse().expect("a URL"));
        config.default_retry = false;
        Client::try_from(config).expect("a client")
    }

    const WITH: &str = r#"{"kind": "APIResourceList", "groupVersion": "g", "resources": [
        {"name": "clustertrustbundles", "singularName": "", "namespaced": false, "kind": "ClusterTrustBundle",
         "verbs": ["get"]}]}"#;
    const WITHOUT: &str = r#"{"kind": "APIResourceList", "groupVersion": "g", "resources": [
        {"name": "certificatesigningrequests", "singularName": "", "namespaced": false,
         "kind": "CertificateSigningRequest", "verbs": ["get"]}]}"#;
    const V1: &str = "/apis/certificates.k8s.io/v1";
    const V1BETA1: &str = "/apis/certificates.k8s.io/v1beta1";

    #[tokio::test]
    async fn the_newest_version_of_bundles_that_is_served_is_taken() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        for (answers, version) in [
            (&[(V1, WITH), (V1BETA1, WITH)][..], "v1"),
            (&[(V1, WITHOUT), (V1BETA1, WITH)], "v1beta1"),
            (&[(V1BETA1, WITH)], "v1beta1"),
        ] {
            let client = api_server(StatusCode::NOT_FOUND, answers).await;
            let found = served(&client).await.expect("readable").expect("served");
            assert_eq!((found.version.as_str(), found.kind.as_str()), (version, KIND));
            assert_eq!(found.api_version, format!("{GROUP}/{version}"));
        }
    }

    #[tokio::test]
    async fn an_api_server_without_bundles_is_told_from_one_that_cannot_say() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        for answers in [&[][..], &[(V1, WITHOUT)], &[(V1, WITHOUT), (V1BETA1, WITHOUT)]] {
            let client = api_server(StatusCode::NOT_FOUND, answers).await;
            assert!(served(&client).await.expect("readable").is_none());
        }
        // it may have them: nobody may believe that it has not
        let client = api_server(StatusCode::SERVICE_UNAVAILABLE, &[(V1, WITHOUT)]).await;
        let told = served(&client).await.map(drop).expect_err("unknown").to_string();
        assert!(
            told.contains("certificates.k8s.io/v1beta1 has cannot be read"),
            "{told}"
        );
    }

    #[test]
    fn i6_only_what_bears_our_class_is_ours() {
        let names = Names {
            release: "oidc".into(),
            namespace: "identity".into(),
            pod: "p".into(),
        };
        let mut installation = Installation::standalone("https://id.example.com", false);
        installation.class_name = "partner".to_owned();
        let mut map = ConfigMap {
            metadata: metadata(&names, &installation, installation.trust_config_map()),
            ..ConfigMap::default()
        };
        assert_eq!(map.name_any(), "partner-ca");
        assert_eq!(installation.trust_bundle(), "partner.oidc-operator.dev");
        assert!(must_be_ours(&names, &installation, &map, "it").is_ok());
        map.labels_mut().insert(LABEL_CLASS.into(), "oidc".into());
        assert!(must_be_ours(&names, &installation, &map, "it").is_err());
        map.metadata.labels = None;
        let told = must_be_ours(&names, &installation, &map, "it").map_err(|error| error.to_string());
        assert!(told.is_err_and(|told| told.contains("oidc-operator.dev/class=partner")));
    }
}
