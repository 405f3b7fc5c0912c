//! The cluster as the source: one watch for each thing, at the end of which one task owns the directory
//! and what is held. Bursts are drained before anything is published. What vanished while a watch was
//! down is gone with its next list. A watch that is not wanted any more goes on until those that take over
//! have listed, so that no client is unknown in between.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use jiff::{SignedDuration, Timestamp};
use kube::{Api, Client};
use oidc_crds::secrets::installation::{ClientCa, Installation, Namespaces};
use rustls::ServerConfig;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::app::App;
use crate::resources::directory::{Delta, Directory};
use crate::resources::held::{Held, What};
use crate::resources::publish;
use acknowledge::{Acknowledger, Pod};
use classes::Classes;
use pods::Slices;
use watches::{Change, Event, Target, Watches};

pub mod acknowledge;
mod classes;
pub mod contact;
mod pods;
pub mod registrar;
mod watches;

/// The longest sleep: times by the system's clock are looked at again.
const IDLE: Duration = Duration::from_secs(60);
/// The shortest.
const MOMENT: SignedDuration = SignedDuration::from_millis(5);

/// Where the installation lives.
#[derive(Debug, Clone)]
pub struct Home {
    /// Its namespace.
    pub namespace: String,
    /// Its name, which its objects begin with.
    pub release: String,
}

impl Home {
    /// Everything that must be watched to serve this installation.
    fn targets(&self, installation: Option<&Installation>) -> BTreeSet<Target> {
        let own = |what| Target::Own(what, format!("{}-{}", self.release, what.as_str()));
        let mut targets = BTreeSet::from([
            own(What::Installation),
            own(What::KeySet),
            own(What::KeyRing),
            own(What::Pepper),
            Target::Users,
            Target::Classes,
            Target::Pods,
        ]);
        let Some(installation) = installation else {
            return targets;
        };
        targets.insert(Target::Own(What::Tls, installation.tls_secret()));
        if let Some(envelope) = &installation.envelope {
            targets.insert(Target::Own(What::Envelope, envelope.secret_name.clone()));
        }
        let mtls = installation.mtls.as_ref();
        targets.extend(mtls.and_then(|mtls| mtls.ca.clone()).map(|ca| match ca {
            ClientCa::ConfigMap(name) => Target::Own(What::ClientCa, name),
            ClientCa::ClusterTrustBundle(name) => Target::Bundle(name),
        }));
        if installation.registers_by_token() {
            let name = installation.registration_tokens_secret();
            targets.insert(Target::Own(What::RegistrationTokens, name));
        }
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

/// Watches until something goes wrong that waiting does not mend, and acknowledges key sets as `pod`.
///
/// # Errors
/// When a watch ends, which it never should.
pub async fn run(
    app: Arc<App>,
    client: Client,
    home: Home,
    pod: Pod,
    certificate: watch::Sender<Option<Arc<ServerConfig>>>,
) -> anyhow::Result<()> {
    let (sender, mut inbox) = mpsc::channel(64);
    let (written, mut acknowledged) = watch::channel(false);
    let leases = Api::namespaced(client.clone(), &home.namespace);
    let release = home.release.clone();
    let mut acknowledging = pin!(Acknowledger::new(app.clone(), leases, release, pod).run(written));
    let mut watches = Watches::new(client, home.clone(), sender);
    let wanted = home.targets(None);
    watches.start(&wanted);
    let mut driver = Driver {
        directory: Directory::new(app.installation.load().as_ref().clone()),
        held: Held::new(app.clone(), certificate),
        slices: Slices::default(),
        classes: Classes::of(&home),
        listed: BTreeSet::new(),
        wanted,
        is_counted: false,
        app,
        home,
    };
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            _ = inbox.recv_many(&mut batch, 1024) => driver.take(&mut batch, &mut watches).await,
            ended = watches.ended() => bail!("the watch of {ended} ended"),
            Ok(()) = once(&mut acknowledged), if !driver.is_counted => {
                driver.count(&mut watches);
            }
            () = &mut acknowledging => bail!("key sets are not acknowledged any more"),
            () = sleep(driver.rest()) => driver.end(),
        }
    }
}

/// Waits for a word, and holds no lock afterwards.
async fn once(said: &mut watch::Receiver<bool>) -> Result<(), watch::error::RecvError> {
    said.wait_for(|said| *said).await.map(drop)
}

fn is_client_ca(target: &Target) -> bool {
    matches!(target, Target::Own(What::ClientCa, _) | Target::Bundle(_))
}

/// The one owner of what was read.
struct Driver {
    app: Arc<App>,
    home: Home,
    directory: Directory,
    held: Held,
    slices: Slices,
    classes: Classes,
    /// Whose first list has arrived.
    listed: BTreeSet<Target>,
    /// What must be watched; what else is watched goes on until all of this is listed.
    wanted: BTreeSet<Target>,
    /// Whether a key set was acknowledged: from then on the operator waits for this pod.
    is_counted: bool,
}

impl Driver {
    async fn take(&mut self, batch: &mut Vec<Event>, watches: &mut Watches) {
        for event in batch.drain(..) {
            if watches.is_current(&event) && !self.is_taken_over(&event.target) {
                self.listed.insert(event.target.clone());
                self.change(event, watches).await;
            }
        }
        self.move_on(watches);
        self.directory.algorithms(self.app.keys.algorithms());
        publish(&self.app, self.directory.settle());
        if !self.app.readiness.is_synced() && self.is_counted && self.is_complete() {
            info!(clients = self.app.clients.len(), "everything was read: ready");
            self.app.readiness.synced();
        }
    }

    /// Nobody waited for this pod before, so a key that is not in the set as it was read may sign by now: the
    /// set is read again before the pod is ready.
    fn count(&mut self, watches: &mut Watches) {
        self.is_counted = true;
        for target in &self.wanted {
            if matches!(target, Target::Own(What::KeySet, _)) {
                watches.stop(target);
                self.listed.remove(target);
            }
        }
        watches.start(&self.wanted);
    }

    /// How long until a key ends that is held beyond the key set; asked again after each event.
    fn rest(&self) -> Duration {
        let left = |end: Timestamp| end.duration_since(self.app.clock.now());
        let left = self
            .held
            .ends()
            .map(left)
            .map(|left| left.max(MOMENT).unsigned_abs());
        left.unwrap_or(IDLE).min(IDLE)
    }

    fn end(&mut self) {
        if self.held.ends().is_some_and(|end| end <= self.app.clock.now()) {
            self.held.end();
            self.directory.algorithms(self.app.keys.algorithms());
            publish(&self.app, self.directory.settle());
        }
    }

    async fn change(&mut self, event: Event, watches: &mut Watches) {
        match (event.target, event.change) {
            (Target::Clients(scope), Change::Clients(delta)) => {
                self.directory.clients(scope.as_deref(), delta);
            }
            (_, Change::Pods(delta)) => self.app.pods.set(self.slices.take(delta)),
            (_, Change::Classes(delta)) => self.classes.take(delta),
            (_, Change::Users(delta)) => self.directory.users(delta),
            (_, Change::Namespaces(delta)) => self.directory.namespaces(delta),
            (Target::Own(what, _), Change::Own(data)) => {
                if self.held.take(what, data.as_ref()).await && what == What::Installation {
                    self.installation(watches);
                }
            }
            (Target::Bundle(_), Change::Own(data)) => {
                self.held.take(What::ClientCa, data.as_ref()).await;
            }
            (target, _) => warn!("an event of another kind from the watch of {target}"),
        }
    }

    fn installation(&mut self, watches: &mut Watches) {
        let wanted = self.home.targets(Some(&self.app.installation.load()));
        let cas = |targets: &BTreeSet<Target>| -> Vec<Target> {
            targets
                .iter()
                .filter(|target| is_client_ca(target))
                .cloned()
                .collect()
        };
        if cas(&wanted) != cas(&self.wanted) {
            // who was trusted by another name is so no longer
            self.app.authorities.store(None);
        }
        for target in wanted.difference(&self.wanted) {
            // it may still run and have told what was not listened to
            watches.stop(target);
            self.listed.remove(target);
        }
        watches.start(&wanted);
        self.wanted = wanted;
    }

    /// Puts the installation in force for clients and users, and gives up what need not be watched any more,
    /// each as soon as nobody would be unknown by that who is to be served.
    fn move_on(&mut self, watches: &mut Watches) {
        // while labels are not known, the namespaces that they speak of are not served
        if self.listed.contains(&Target::Namespaces) || !self.wanted.contains(&Target::Namespaces) {
            let mut installation = self.app.installation.load().as_ref().clone();
            installation.classes = self.classes.all();
            self.directory.installation(installation);
        }
        if !self.is_listed() {
            return;
        }
        let left: Vec<_> = watches
            .running()
            .filter(|target| !self.wanted.contains(target))
            .cloned()
            .collect();
        for target in &left {
            watches.stop(target);
            self.listed.remove(target);
            match target {
                Target::Clients(_) => self.directory.keep_clients(|namespace| {
                    self.wanted.contains(&Target::Clients(None))
                        || self.wanted.contains(&Target::Clients(Some(namespace.to_owned())))
                }),
                Target::Namespaces => self.directory.namespaces(Delta::Reset(Vec::new())),
                Target::Users | Target::Classes | Target::Pods | Target::Bundle(_) | Target::Own(..) => {}
            }
        }
    }

    /// Whether a watch is about to be given up and one that takes over has listed already: what it tells may be
    /// older than that list. Of the CAs of clients, none but those that are named are trusted, listed or not.
    fn is_taken_over(&self, target: &Target) -> bool {
        let of_its_kind = |wanted: &Target| match (target, wanted) {
            (Target::Clients(_), Target::Clients(_)) => true,
            (Target::Own(what, _), Target::Own(wanted, _)) => what == wanted,
            _ => false,
        };
        let by = |wanted: &Target| of_its_kind(wanted) && self.listed.contains(wanted);
        !self.wanted.contains(target) && (is_client_ca(target) || self.wanted.iter().any(by))
    }

    /// Whether everything was listed that requests are answered from: whose a client is depends on the classes.
    /// Limits do without the number of pods, registration alone waits for its tokens, and a cluster that does not serve ClusterTrustBundles can still serve all clients that are known
    /// otherwise.
    fn is_listed(&self) -> bool {
        let mut missing = self.wanted.difference(&self.listed);
        missing.all(|target| {
            use Target::{Bundle, Own, Pods};
            matches!(target, Pods | Bundle(_) | Own(What::RegistrationTokens, _))
        })
    }

    fn is_complete(&self) -> bool {
        self.held.is_complete() && self.is_listed()
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
    fn before_the_installation_is_known_only_its_own_namespace_and_the_classes_are_watched() {
        let targets: Vec<_> = home().targets(None).iter().map(Target::to_string).collect();
        assert_eq!(
            targets,
            [
                "users",
                "classes",
                "pods",
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
        let sealed = targets("{watch: [a]}\nenvelope: {secretName: kek}");
        assert!(sealed.contains("kek") && !listed.contains("kek"));
        let mutual = targets("{watch: [a]}\nmtls: {url: 'https://x:8443', ca: {configMap: my-ca}}");
        assert!(mutual.contains("my-ca"));
        let tokens = targets("{watch: [a]}\nregistration: {mode: token, namespace: a}");
        assert!(tokens.contains("oidc-registration-tokens") && !listed.contains("oidc-registration-tokens"));
        let bundle = "{watch: [a]}\nmtls: {url: 'https://x:8443', ca: {clusterTrustBundle: 'a.b:c:d'}}";
        assert!(targets(bundle).contains("the ClusterTrustBundle a.b:c:d"));
        let all = targets("{clusterWide: {selector: null}}");
        assert!(all.contains("clients") && !all.contains("namespaces"));
        let some = targets("{clusterWide: {selector: {matchLabels: {oidc: served}}}}");
        assert!(some.contains("clients") && some.contains("namespaces"));
    }
}
