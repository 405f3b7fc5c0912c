//! Other installations of the cluster, and whose a client is where two lay claim to it.

use std::collections::BTreeMap;

use super::{Installation, Namespaces};
use crate::resources::OidcClass;
use crate::resources::oidc_class::InstallationRef;

/// Another installation, from its [`OidcClass`].
#[derive(Debug, Clone, PartialEq)]
pub struct Other {
    class_name: String,
    is_default: bool,
    namespaces: Namespaces,
}

impl Other {
    /// All classes that are not `own`, in the order of their names.
    #[must_use]
    pub fn all<'a>(classes: impl IntoIterator<Item = &'a OidcClass>, own: &InstallationRef) -> Vec<Self> {
        let others = classes
            .into_iter()
            .filter(|class| class.spec.installation != *own);
        let mut all: Vec<Self> = others
            .map(|class| {
                let spec = &class.spec;
                Self {
                    class_name: class.metadata.name.clone().unwrap_or_default(),
                    is_default: spec.default,
                    namespaces: if spec.cluster_wide {
                        Namespaces::ClusterWide {
                            selector: spec.namespace_selector.clone(),
                        }
                    } else {
                        Namespaces::Watch(spec.watch_namespaces.clone())
                    },
                }
            })
            .collect();
        all.sort_by(|a, b| a.class_name.cmp(&b.class_name));
        all
    }

    /// The name of its class.
    #[must_use]
    pub fn class_name(&self) -> &str {
        &self.class_name
    }
}

impl Installation {
    /// The classes between which a client of ours must choose, because another installation lays claim to it
    /// too; `None`: it is ours alone. Where it depends on labels that are not known here, the other one, which
    /// knows them, is the one that refuses.
    #[must_use]
    pub fn ambiguous(
        &self,
        class_name: Option<&str>,
        namespace: &str,
        labels: Option<&BTreeMap<String, String>>,
    ) -> Option<Vec<&str>> {
        let claims = |other: &&Other| {
            let class = class_name.map_or(other.is_default, |name| name == other.class_name);
            class && other.namespaces.serve(namespace, labels) == Some(true)
        };
        let rivals = self.others.iter().filter(claims);
        let mut names: Vec<&str> = rivals.map(|other| other.class_name.as_str()).collect();
        if names.is_empty() {
            return None;
        }
        names.push(&self.class_name);
        names.sort_unstable();
        names.dedup();
        Some(names)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn class(name: &str, release: &str, spec: serde_json::Value) -> OidcClass {
        let mut object = json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClass", "metadata": {"name": name},
            "spec": {"issuer": "https://a.example", "installation": {"namespace": "idp", "release": release}},
        });
        for (key, value) in spec.as_object().unwrap() {
            object["spec"][key] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn two_defaults_of_one_namespace_are_ambiguous() {
        let mut ours = Installation::standalone("http://localhost", true);
        ours.class_name = "oidc".to_owned();
        let own = InstallationRef {
            namespace: "idp".to_owned(),
            release: "oidc".to_owned(),
        };
        let classes = [
            class("oidc", "oidc", json!({"default": true, "clusterWide": true})),
            class("b", "b", json!({"default": true, "watchNamespaces": ["shared"]})),
            class("c", "c", json!({"watchNamespaces": ["shared", "plain"]})),
            class(
                "a",
                "a",
                json!({
                    "default": true, "clusterWide": true,
                    "namespaceSelector": {"matchLabels": {"team": "a"}}
                }),
            ),
        ];
        ours.others = Other::all(&classes, &own);
        assert_eq!(ours.ambiguous(None, "shared", None), Some(vec!["b", "oidc"]));
        assert_eq!(ours.ambiguous(None, "plain", None), None, "c is no default");
        assert_eq!(
            ours.ambiguous(Some("oidc"), "shared", None),
            None,
            "it says which"
        );
        let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        assert_eq!(
            ours.ambiguous(None, "shared", Some(&labels)),
            Some(vec!["a", "b", "oidc"])
        );
        // somebody else's object has the name of our class
        ours.others = Other::all(&[class("oidc", "x", json!({"clusterWide": true}))], &own);
        assert_eq!(ours.ambiguous(Some("oidc"), "shared", None), Some(vec!["oidc"]));
    }
}
