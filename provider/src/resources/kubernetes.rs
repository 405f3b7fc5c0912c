//! The cluster as the source: one watch for each thing, at the end of which one task owns the directory
//! and what is held. Bursts are drained before anything is published. What vanished while a watch was
//! down is gone with its next list.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::bail;
use kube::Client;
use oidc_crds::secrets::installation::{Installation, Namespaces};
use rustls::ServerConfig;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::app::App;
use crate::resources::directory::Directory;
use crate::resources::held::{Held, What};
use crate::resources::publish;
use watches::{Change, Event, Target, Watches};

pub mod contact;
mod watches;

/// Where the installation lives.
#[derive(Debug, Clone)]
pub struct Home {
    /// Its namespace.
    pub namespace: String,
    /// Its name, which its objects begin with.
    pub release: String,
}

impl Home {
    /// The name of one of its objects.
    fn object(&self, what: What, installation: &Installation) -> String {
        match what {
            What::Tls => installation.tls_secret(),
            other => format!("{}-{}", self.release, other.as_str()),
        }
    }

    /// Everything that must be watched to serve this installation.
    fn targets(&self, installation: Option<&Installation>) -> BTreeSet<Target> {
        let own = |what| Target::Own(what, format!("{}-{}", self.release, what.as_str()));
        let mut targets = BTreeSet::from([
            own(What::Installation),
            own(What::KeySet),
            own(What::KeyRing),
            own(What::Pepper),
            Target::Users,
        ]);
        let Some(installation) = installation else {
            return targets;
        };
        targets.insert(Target::Own(What::Tls, self.object(What::Tls, installation)));
        match &installation.namespaces {
            Namespaces::Watch(names) => {
                targets.extend(names.iter().map(|name| Target::Clients(Some(name.clone()))));
            }
            Namespaces::ClusterWide { selector } => {
                targets.insert(Target::Clients(None));
                if selector.is_some() {
                    targets.insert(Target::Namespaces);
                }
            }
        }
        targets
    }
}

/// Watches until something goes wrong that waiting does not mend.
///
/// # Errors
/// When a watch ends, which it never should.
pub async fn run(
    app: Arc<App>,
    client: Client,
    home: Home,
    certificate: watch::Sender<Option<Arc<ServerConfig>>>,
) -> anyhow::Result<()> {
    let (sender, mut inbox) = mpsc::channel(64);
    let mut watches = Watches::new(client, home.clone(), sender);
    watches.follow(home.targets(None));
    let mut driver = Driver {
        directory: Directory::new(app.installation.load().as_ref().clone()),
        held: Held::new(app.clone(), certificate),
        listed: BTreeSet::new(),
        app,
        home,
    };
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            _ = inbox.recv_many(&mut batch, 1024) => driver.take(&mut batch, &mut watches),
            ended = watches.ended() => bail!("the watch of {ended} ended"),
        }
    }
}

/// The one owner of what was read.
struct Driver {
    app: Arc<App>,
    home: Home,
    directory: Directory,
    held: Held,
    /// Whose first list has arrived.
    listed: BTreeSet<Target>,
}

impl Driver {
    fn take(&mut self, batch: &mut Vec<Event>, watches: &mut Watches) {
        for event in batch.drain(..) {
            // a watch that was given up may have left something behind
            if watches.is_followed(&event.target) {
                self.listed.insert(event.target.clone());
                self.change(event, watches);
            }
        }
        publish(&self.app, self.directory.settle());
        if !self.app.readiness.is_synced() && self.is_complete(watches) {
            info!(clients = self.app.clients.len(), "everything was read: ready");
            self.app.readiness.synced();
        }
    }

    fn change(&mut self, event: Event, watches: &mut Watches) {
        match (event.target, event.change) {
            (Target::Clients(scope), Change::Clients(delta)) => {
                self.directory.clients(scope.as_deref(), delta);
            }
            (_, Change::Users(delta)) => self.directory.users(delta),
            (_, Change::Namespaces(delta)) => self.directory.namespaces(delta),
            (Target::Own(what, _), Change::Own(data)) => {
                if self.held.take(what, data.as_ref()) && what == What::Installation {
                    self.installation(watches);
                }
            }
            (target, _) => warn!("an event of another kind from the watch of {target}"),
        }
    }

    fn installation(&mut self, watches: &mut Watches) {
        let installation = self.app.installation.load_full();
        for given_up in watches.follow(self.home.targets(Some(&installation))) {
            self.listed.remove(&given_up);
            match &given_up {
                Target::Clients(scope) => self.directory.forget_clients(scope.as_deref()),
                Target::Namespaces => self
                    .directory
                    .namespaces(super::directory::Delta::Reset(Vec::new())),
                Target::Users | Target::Own(..) => {}
            }
        }
        self.directory.installation(installation.as_ref().clone());
    }

    fn is_complete(&self, watches: &Watches) -> bool {
        self.held.is_complete() && watches.followed().all(|target| self.listed.contains(target))
    }
}

#[cfg(test)]
#[path = "kubernetes_tests.rs"]
mod api_tests;

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> Home {
        Home {
            namespace: "idp".to_owned(),
            release: "oidc".to_owned(),
        }
    }

    fn targets(namespaces: &str) -> BTreeSet<String> {
        let text = format!(
            "release: oidc\nissuer: https://oidc.example.com\nclassName: oidc\ndefaultClass: true\n\
             namespaces: {namespaces}\njwksMaxAge: 300s\n"
        );
        let installation = Installation::parse(&text).unwrap();
        home()
            .targets(Some(&installation))
            .iter()
            .map(Target::to_string)
            .collect()
    }

    #[test]
    fn before_the_installation_is_known_only_its_own_namespace_is_watched() {
        let targets: Vec<_> = home().targets(None).iter().map(Target::to_string).collect();
        assert_eq!(
            targets,
            [
                "users",
                "oidc-installation",
                "oidc-key-set",
                "oidc-key-ring",
                "oidc-pepper"
            ]
        );
    }

    #[test]
    fn namespaces_are_watched_one_by_one_or_all_with_their_labels_if_those_count() {
        let listed = targets("{watch: [a, b]}");
        assert!(listed.contains("clients in a") && listed.contains("clients in b"));
        assert!(listed.contains("oidc-tls") && !listed.contains("namespaces"));
        let all = targets("{clusterWide: {selector: null}}");
        assert!(all.contains("clients") && !all.contains("namespaces"));
        let some = targets("{clusterWide: {selector: {matchLabels: {oidc: served}}}}");
        assert!(some.contains("clients") && some.contains("namespaces"));
    }
}
