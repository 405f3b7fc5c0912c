//! All installations of the cluster, as they show themselves, and whose a client is.

use std::collections::BTreeMap;

use super::{Installation, Namespaces};
use crate::resources::OidcClass;
use crate::resources::oidc_class::InstallationRef;

/// The installations of the cluster, from their [`OidcClass`]es. What a client's belonging depends on is taken
/// from these alone, also for the own installation, so that all installations come to the same answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Classes(Vec<Class>);

#[derive(Debug, Clone, PartialEq)]
struct Class {
    name: String,
    is_own: bool,
    is_default: bool,
    namespaces: Namespaces,
}

/// Whose a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Belongs<'a> {
    /// This installation's.
    Here,
    /// Another's, which serves it or tells it why not: it is left alone, down to its status.
    Elsewhere,
    /// It names no class, and these classes, this installation's among them, are default and serve its namespace.
    Contested(Vec<&'a str>),
    /// That depends on labels which are not known yet.
    Unknown,
}

impl Classes {
    /// What these objects show; `own` is the installation that asks.
    #[must_use]
    pub fn of<'a>(classes: impl IntoIterator<Item = &'a OidcClass>, own: &InstallationRef) -> Self {
        let mut all: Vec<Class> = classes
            .into_iter()
            .map(|class| {
                let spec = &class.spec;
                Class {
                    name: class.metadata.name.clone().unwrap_or_default(),
                    is_own: spec.installation == *own,
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
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Self(all)
    }

    /// Names of the classes of other installations.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        let others = self.0.iter().filter(|class| !class.is_own);
        others.map(|class| class.name.as_str())
    }

    /// Whether another installation has the class of this name.
    #[must_use]
    pub fn is_of_another(&self, name: &str) -> bool {
        self.others().any(|other| other == name)
    }

    fn defaults(&self) -> impl Iterator<Item = &Class> {
        self.0.iter().filter(|class| class.is_default)
    }

    /// Whose a client without a class is.
    fn without_a_class(&self, namespace: &str, labels: Option<&BTreeMap<String, String>>) -> Belongs<'_> {
        if self.defaults().all(|class| class.is_own) {
            return Belongs::Here;
        }
        // Whoever does not select by labels may not know them, so they decide between those alone that do.
        let mut claims: Vec<&Class> = self
            .defaults()
            .filter(|class| class.namespaces.serve(namespace, None) == Some(true))
            .collect();
        if claims.is_empty() {
            for class in self.defaults().filter(|class| class.selects()) {
                match class.namespaces.serve(namespace, labels) {
                    Some(true) => claims.push(class),
                    Some(false) => {}
                    None => return Belongs::Unknown,
                }
            }
        }
        let ours = claims.iter().filter(|class| class.is_own).count();
        if claims.is_empty() {
            // One of those that see the client says that nobody serves it.
            let speaker = self.defaults().find(|class| class.selects());
            return match speaker {
                Some(class) if !class.is_own => Belongs::Elsewhere,
                _ => Belongs::Here,
            };
        }
        match ours {
            0 => Belongs::Elsewhere,
            all if all == claims.len() => Belongs::Here,
            _ => Belongs::Contested(claims.iter().map(|class| class.name.as_str()).collect()),
        }
    }
}

impl Class {
    fn selects(&self) -> bool {
        self.namespaces.need_labels()
    }
}

impl Installation {
    /// Whose a client is with this `className` in this namespace.
    #[must_use]
    pub fn belongs(
        &self,
        class_name: Option<&str>,
        namespace: &str,
        labels: Option<&BTreeMap<String, String>>,
    ) -> Belongs<'_> {
        match class_name {
            // The cluster knows a class by its one object.
            Some(name) if name == self.class_name && !self.classes.is_of_another(name) => Belongs::Here,
            None if self.default_class => self.classes.without_a_class(namespace, labels),
            Some(_) | None => Belongs::Elsewhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn own(name: &str) -> InstallationRef {
        InstallationRef {
            namespace: "idp".to_owned(),
            release: name.to_owned(),
        }
    }

    fn class(name: &str, mut spec: Value) -> OidcClass {
        spec["issuer"] = json!("https://a.example");
        if spec.get("installation").is_none() {
            spec["installation"] = json!({"namespace": "idp", "release": name});
        }
        serde_json::from_value(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClass", "metadata": {"name": name},
            "spec": spec,
        }))
        .unwrap()
    }

    fn lists(names: &[&str]) -> Value {
        json!({"default": true, "watchNamespaces": names})
    }

    fn selects(team: &str) -> Value {
        json!({"default": true, "clusterWide": true, "namespaceSelector": {"matchLabels": {"team": team}}})
    }

    fn all() -> Value {
        json!({"default": true, "clusterWide": true})
    }

    /// The installation of this class beside these.
    fn one_of(classes: &[OidcClass], name: &str) -> Installation {
        let mut installation = Installation::standalone("http://localhost", true);
        let class = classes
            .iter()
            .find(|class| class.metadata.name.as_deref() == Some(name));
        let spec = &class.unwrap().spec;
        installation.class_name = name.to_owned();
        installation.default_class = spec.default;
        installation.namespaces = match spec.cluster_wide {
            true => Namespaces::ClusterWide {
                selector: spec.namespace_selector.clone(),
            },
            false => Namespaces::Watch(spec.watch_namespaces.clone()),
        };
        installation.classes = Classes::of(classes, &own(name));
        installation
    }

    /// What each says of a client without a class in the namespace `shared`, by what each can know.
    fn say(classes: &[OidcClass]) -> Vec<String> {
        let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let each = classes.iter().map(|class| {
            let name = class.metadata.name.as_deref().unwrap();
            let one = one_of(classes, name);
            let known = one.namespaces.need_labels().then_some(&labels);
            match one.belongs(None, "shared", known) {
                Belongs::Here => format!("{name}: mine"),
                Belongs::Elsewhere => format!("{name}: not mine"),
                Belongs::Contested(names) => format!("{name}: one of {}", names.join(",")),
                Belongs::Unknown => format!("{name}: unknown"),
            }
        });
        each.collect()
    }

    #[test]
    fn two_defaults_of_one_namespace_both_say_so() {
        let listed = [
            class("a", lists(&["shared"])),
            class("b", lists(&["x", "shared"])),
        ];
        assert_eq!(say(&listed), ["a: one of a,b", "b: one of a,b"]);
        let with_all = [class("a", all()), class("b", lists(&["shared"]))];
        assert_eq!(say(&with_all), ["a: one of a,b", "b: one of a,b"]);
        let both = [
            class("a", selects("a")),
            class("b", selects("a")),
            class("c", selects("c")),
        ];
        assert_eq!(say(&both), ["a: one of a,b", "b: one of a,b", "c: not mine"]);
        let plain = [
            class("a", lists(&["shared"])),
            class("b", json!({"watchNamespaces": ["shared"]})),
        ];
        assert_eq!(say(&plain), ["a: mine", "b: not mine"]);
    }

    #[test]
    fn labels_decide_only_between_those_that_select_by_them() {
        for team in ["a", "c"] {
            let listed = [class("a", lists(&["shared"])), class("b", selects(team))];
            assert_eq!(say(&listed), ["a: mine", "b: not mine"], "{team}");
            let everywhere = [class("a", all()), class("b", selects(team))];
            assert_eq!(say(&everywhere), ["a: mine", "b: not mine"], "{team}");
        }
        let three = [
            class("a", lists(&["shared"])),
            class("b", selects("a")),
            class("c", all()),
        ];
        assert_eq!(say(&three), ["a: one of a,c", "b: not mine", "c: one of a,c"]);
        let two = [class("a", selects("a")), class("b", selects("x"))];
        assert_eq!(say(&two), ["a: mine", "b: not mine"]);
        assert_eq!(one_of(&two, "b").belongs(None, "new", None), Belongs::Unknown);
        let listed = [class("a", lists(&["new"])), class("b", selects("x"))];
        assert_eq!(
            one_of(&listed, "b").belongs(None, "new", None),
            Belongs::Elsewhere
        );
    }

    #[test]
    fn one_of_those_that_see_a_client_says_that_nobody_serves_it() {
        let classes = [
            class("a", selects("x")),
            class("b", selects("y")),
            class("c", lists(&["z"])),
        ];
        assert_eq!(say(&classes)[..2], ["a: mine", "b: not mine"]);
        let gone = [class("a", lists(&["y"])), class("b", lists(&["z"]))];
        assert_eq!(one_of(&gone, "a").belongs(None, "shared", None), Belongs::Here);
    }

    #[test]
    fn a_class_is_whose_object_it_is() {
        let mut classes = vec![class("a", all())];
        let alone = one_of(&classes, "a");
        assert_eq!(alone.belongs(Some("a"), "shared", None), Belongs::Here);
        assert_eq!(alone.belongs(Some("b"), "shared", None), Belongs::Elsewhere);
        classes[0].spec.installation = own("x");
        let taken = one_of(&classes, "a");
        assert_eq!(taken.belongs(Some("a"), "shared", None), Belongs::Elsewhere);
        assert_eq!(taken.belongs(None, "shared", None), Belongs::Elsewhere);
        // whoever shows nothing cannot be known to the others, and yields to them
        let mut hidden = one_of(&[class("a", all())], "a");
        hidden.classes = Classes::default();
        assert_eq!(hidden.belongs(None, "shared", None), Belongs::Here);
        hidden.classes = Classes::of(&[class("b", lists(&["shared"]))], &own("a"));
        assert_eq!(hidden.belongs(None, "shared", None), Belongs::Elsewhere);
        assert_eq!(hidden.belongs(None, "plain", None), Belongs::Here);
    }

    #[test]
    fn two_objects_of_one_installation_are_no_rivals() {
        let mut second = class("old", all());
        second.spec.installation = own("a");
        let classes = [class("a", all()), second];
        assert_eq!(one_of(&classes, "a").belongs(None, "shared", None), Belongs::Here);
    }
}
