//! The installations of the cluster, from the classes that they show.

use std::collections::BTreeMap;

use oidc_crds::resources::OidcClass;
use oidc_crds::resources::oidc_class::InstallationRef;
use oidc_crds::secrets::installation;

use super::Home;
use crate::resources::directory::{Delta, Key, key};

/// All classes, and which installation is ours.
pub(super) struct Classes {
    own: InstallationRef,
    known: BTreeMap<Key, Box<OidcClass>>,
}

impl Classes {
    /// None are known yet.
    pub(super) fn of(home: &Home) -> Self {
        Self {
            own: InstallationRef {
                namespace: home.namespace.clone(),
                release: home.release.clone(),
            },
            known: BTreeMap::new(),
        }
    }

    /// Takes what a watch tells.
    pub(super) fn take(&mut self, delta: Delta<Box<OidcClass>>) {
        match delta {
            Delta::Apply(class) => drop(self.known.insert(key(&class.metadata), class)),
            Delta::Delete(key) => drop(self.known.remove(&key)),
            Delta::Reset(classes) => {
                self.known = classes
                    .into_iter()
                    .map(|class| (key(&class.metadata), class))
                    .collect();
            }
        }
    }

    /// As they are for this installation.
    pub(super) fn all(&self) -> installation::Classes {
        installation::Classes::of(self.known.values().map(AsRef::as_ref), &self.own)
    }
}
