//! Which installation is meant: its ConfigMap, as far as the caller may read it.

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::ListParams;
use oidc_crds::resources::oidc_class::InstallationRef;
use oidc_crds::resources::{OidcClass, OidcClient};
use oidc_crds::secrets::installation::{Classes, Installation};
use oidc_crds::validate::is_ours;

use crate::access::{Cluster, Sight, look};

/// Where the installation is.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Which {
    /// The installation's namespace, and its release if it has several; default: looked for.
    #[arg(long, global = true, value_name = "NAMESPACE[/RELEASE]")]
    pub(crate) installation: Option<String>,
}

/// An installation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// Its namespace.
    pub(crate) namespace: String,
    /// What it is and grants, beside the other installations of the cluster if those may be seen.
    pub(crate) config: Installation,
    /// The right without which the others cannot be seen.
    pub(crate) hidden_classes: Option<String>,
}

impl Found {
    /// `namespace/release`, as the option takes it.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.namespace, self.config.release)
    }

    /// Among the installations that show these classes.
    fn beside(mut self, classes: &Sight<Vec<OidcClass>>) -> Self {
        match classes {
            Sight::Seen(classes) => {
                let own = InstallationRef {
                    namespace: self.namespace.clone(),
                    release: self.config.release.clone(),
                };
                self.config.classes = Classes::of(classes, &own);
            }
            Sight::Hidden(right) => self.hidden_classes = Some(right.clone()),
        }
        self
    }
}

/// Looks for the installation: where the option says, or in the namespace at hand, or in all of them.
/// `client` helps to choose between several.
pub(crate) async fn find(
    cluster: &Cluster,
    which: &Which,
    client: Option<&OidcClient>,
) -> Result<Sight<Found>> {
    let classes = match client {
        Some(_) => classes(cluster).await?,
        None => Sight::Seen(Vec::new()),
    };
    let read = |maps| -> Result<Vec<Found>> {
        let found = read(maps)?;
        Ok(found.into_iter().map(|found| found.beside(&classes)).collect())
    };
    if let Some(named) = &which.installation {
        let (namespace, release) = match named.split_once('/') {
            Some((namespace, release)) => (namespace, Some(release)),
            None => (named.as_str(), None),
        };
        let right = format!("list ConfigMaps in the namespace {namespace}");
        let listed = look(right, cluster.api(namespace).list(&parameters())).await?;
        return Ok(match listed {
            Sight::Hidden(right) => Sight::Hidden(right),
            Sight::Seen(listed) => {
                let mut found = read(listed.items)?;
                found.retain(|found| release.is_none_or(|release| found.config.release == release));
                match found.pop() {
                    Some(last) if found.is_empty() => Sight::Seen(last),
                    Some(_) => {
                        bail!("{named} has several installations: name one, --installation {named}/RELEASE")
                    }
                    None => bail!("there is no installation {named}: `helm list -A` shows where one is"),
                }
            }
        });
    }
    let mut hidden = Vec::new();
    let here = format!("list ConfigMaps in the namespace {}", cluster.namespace);
    let here = look(
        here,
        cluster.api::<ConfigMap>(&cluster.namespace).list(&parameters()),
    )
    .await?;
    let here = read(here.or_note(&mut hidden).map_or_else(Vec::new, |list| list.items))?;
    if let [only] = &here[..]
        && client.is_none_or(|client| is_for(only, client))
    {
        return Ok(Sight::Seen(only.clone()));
    }
    let everywhere = "list ConfigMaps in all namespaces, or name yours with --installation NAMESPACE/RELEASE";
    let all = look(everywhere, cluster.all::<ConfigMap>().list(&parameters())).await?;
    match all {
        Sight::Hidden(right) => Ok(Sight::Hidden(right)),
        Sight::Seen(list) => choose(read(list.items)?, client).map(Sight::Seen),
    }
}

/// All classes. A cluster whose definitions are of an older version has none.
async fn classes(cluster: &Cluster) -> Result<Sight<Vec<OidcClass>>> {
    let api = cluster.all::<OidcClass>();
    let everything = ListParams::default();
    let listed = async {
        match api.list(&everything).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
            listed => listed.map(|list| list.items),
        }
    };
    look("list oidcclasses", listed).await
}

fn parameters() -> ListParams {
    ListParams::default().labels("app.kubernetes.io/name=oidc-operator")
}

/// The installations among ConfigMaps. One that this version cannot read is passed over if there are others.
fn read(maps: Vec<ConfigMap>) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut odd = None;
    for map in maps {
        let Some(text) = map
            .data
            .as_ref()
            .and_then(|data| data.get(Installation::DATA_KEY))
        else {
            continue;
        };
        let namespace = map.namespace().unwrap_or_default();
        match Installation::read(text) {
            Ok(read) => found.push(Found {
                namespace,
                config: read.value,
                hidden_classes: None,
            }),
            Err(error) => {
                odd = Some(format!(
                    "the ConfigMap {namespace}/{} is not good: {error}",
                    map.name_any()
                ))
            }
        }
    }
    match odd {
        Some(odd) if found.is_empty() => bail!(odd),
        _ => Ok(found),
    }
}

fn is_for(found: &Found, client: &OidcClient) -> bool {
    let namespace = client.namespace().unwrap_or_default();
    is_ours(client, &found.config, None) && found.config.serves(&namespace, None) != Some(false)
}

/// The one that is meant among several: the client's own, or the only one.
fn choose(mut found: Vec<Found>, client: Option<&OidcClient>) -> Result<Found> {
    found.sort_by_key(Found::name);
    let names: Vec<String> = found.iter().map(Found::name).collect();
    if found.len() > 1
        && let Some(client) = client
    {
        let class = found
            .iter()
            .filter(|found| is_ours(client, &found.config, None))
            .count();
        found.retain(|found| {
            if class == 1 {
                is_ours(client, &found.config, None)
            } else {
                is_for(found, client)
            }
        });
    }
    match found.pop() {
        Some(last) if found.is_empty() => Ok(last),
        Some(_) => bail!(
            "there are several installations: name one with --installation, of {}",
            names.join(", ")
        ),
        None if names.is_empty() => {
            bail!("there is no installation in this cluster: install the chart (docs/install.md)")
        }
        None => bail!(
            "no installation serves this client's class and namespace: name one with --installation, of {}",
            names.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn map(namespace: &str, text: &str) -> ConfigMap {
        let mut map = ConfigMap::default();
        map.metadata.namespace = Some(namespace.to_owned());
        map.metadata.name = Some("x".to_owned());
        map.data = Some(BTreeMap::from([(
            Installation::DATA_KEY.to_owned(),
            text.to_owned(),
        )]));
        map
    }

    fn text(release: &str, is_default: bool, serves: &str) -> String {
        format!(
            "release: {release}\nissuer: https://x.example\nclassName: {release}\ndefaultClass: {is_default}\n\
             namespaces:\n  watch: [{serves}]\njwksMaxAge: 300s\n"
        )
    }

    fn client(class: Option<&str>) -> OidcClient {
        let mut client = OidcClient::new("app", Default::default());
        client.metadata.namespace = Some("team".to_owned());
        client.spec.class_name = class.map(str::to_owned);
        client
    }

    #[test]
    fn only_configmaps_with_an_installation_count() {
        let other = ConfigMap::default();
        let found = read(vec![other, map("a", &text("one", true, "team")), map("b", "odd")]).unwrap();
        assert_eq!(found.iter().map(Found::name).collect::<Vec<_>>(), ["a/one"]);
        let error = read(vec![map("b", "release: [")]).unwrap_err().to_string();
        assert!(error.contains("b/x"), "{error}");
    }

    #[test]
    fn among_several_the_clients_class_and_namespace_decide() {
        let found = |maps: &[(&str, &str, bool, &str)]| {
            let maps = maps
                .iter()
                .map(|(ns, release, default, serves)| map(ns, &text(release, *default, serves)));
            read(maps.collect()).unwrap()
        };
        let two = found(&[("a", "one", true, "team"), ("b", "two", false, "team")]);
        let chosen = |found: &[Found], client: Option<&OidcClient>| {
            choose(found.to_vec(), client)
                .map(|found| found.name())
                .map_err(|error| error.to_string())
        };
        assert_eq!(chosen(&two, Some(&client(None))).unwrap(), "a/one");
        assert_eq!(chosen(&two, Some(&client(Some("two")))).unwrap(), "b/two");
        assert!(
            chosen(&two, Some(&client(Some("three"))))
                .unwrap_err()
                .contains("a/one, b/two")
        );
        assert!(chosen(&two, None).unwrap_err().contains("--installation"));
        let defaults = found(&[("a", "one", true, "team"), ("b", "two", true, "other")]);
        assert_eq!(chosen(&defaults, Some(&client(None))).unwrap(), "a/one");
        // a single one is taken, so that `debug` can say why it does not serve the client
        assert_eq!(chosen(&two[..1], Some(&client(Some("three")))).unwrap(), "a/one");
        assert!(chosen(&[], None).unwrap_err().contains("install"));
        assert_eq!(json!(two.len()), 2);
    }
}
