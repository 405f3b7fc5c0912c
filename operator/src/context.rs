//! What every controller is given: names, the client, what is known of the installation.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use oidc_crds::seal::KeyRing;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::pepper::Pepper;
use tokio::sync::{Notify, Semaphore, watch};

use crate::announce::Announcer;
use crate::index::Index;
use crate::lease::Leadership;
use crate::plan::Note;
use crate::telemetry::Metrics;
use crate::uses::Uses;

/// Names that follow from the release. Apart from [`Context`], so that plans need no client.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// The release.
    pub(crate) release: String,
    /// The installation's namespace.
    pub(crate) namespace: String,
    /// This pod.
    pub(crate) pod: String,
}

impl Names {
    /// Label of everything that the operator makes; its value is the release.
    pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

    /// The Lease, the field manager and the reporter of Events.
    pub(crate) fn operator(&self) -> String {
        format!("{}-operator", self.release)
    }
    /// The installation, which no other of the cluster is called.
    pub(crate) fn home(&self) -> String {
        format!("{}/{}", self.namespace, self.release)
    }
    pub(crate) fn installation(&self) -> String {
        format!("{}-installation", self.release)
    }
    pub(crate) fn pepper(&self) -> String {
        format!("{}-pepper", self.release)
    }
    pub(crate) fn key_ring(&self) -> String {
        format!("{}-key-ring", self.release)
    }
    pub(crate) fn key_set(&self) -> String {
        format!("{}-key-set", self.release)
    }
    pub(crate) fn ca(&self) -> String {
        format!("{}-ca", self.release)
    }
    pub(crate) fn tls(&self) -> String {
        format!("{}-tls", self.release)
    }
    /// Selects what this installation's operator made.
    pub(crate) fn managed_selector(&self) -> String {
        format!("{}={}", Self::MANAGED_BY, self.release)
    }
}

/// What digests, seals and the apps' Secrets are made with.
pub(crate) struct Material {
    pub(crate) pepper: Pepper,
    pub(crate) ring: KeyRing,
    /// The CA that apps must trust; `None`: a public one.
    pub(crate) ca: Option<String>,
}

/// What the controllers share.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) names: Names,
    pub(crate) leadership: Leadership,
    pub(crate) installation: watch::Receiver<Option<Arc<Installation>>>,
    pub(crate) material: watch::Sender<Option<Arc<Material>>>,
    pub(crate) index: Index,
    pub(crate) announcer: Arc<Announcer>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) failures: Failures,
    /// When clients were used last.
    pub(crate) uses: Uses,
    /// How many objects are reconciled at once, whatever their namespaces.
    pub(crate) reconciles: Semaphore,
    /// How many passwords are hashed at once: each takes a core and 19 MiB.
    pub(crate) hashes: Semaphore,
    /// Wakes the reconcile of the own Secrets.
    pub(crate) wake_own_secrets: Notify,
    /// Wakes the reconcile of the signing keys.
    pub(crate) wake_signing_keys: Arc<Notify>,
    /// Secrets of the own namespace that SigningKeys import from.
    pub(crate) imported_secrets: watch::Sender<BTreeSet<String>>,
}

impl Context {
    /// The installation in force. The controllers start once there is one.
    pub(crate) fn installation(&self) -> Option<Arc<Installation>> {
        self.installation.borrow().clone()
    }

    /// Publishes Events.
    pub(crate) async fn announce(&self, about: &ObjectReference, notes: &[Note]) {
        self.announcer.announce(about, notes).await;
    }

    /// The material in force. The controllers start once there is some.
    pub(crate) fn material(&self) -> Option<Arc<Material>> {
        self.material.borrow().clone()
    }
}

/// The time: the one place that asks the system, so that everything else takes it as a parameter.
#[expect(
    clippy::disallowed_methods,
    reason = "the shell's clock; everything that decides takes `now`"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Without the fraction: that is what metav1.Time keeps, so that a value read back equals the one written.
pub(crate) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// Failures in a row per object: how long to wait before the next try.
#[derive(Default)]
pub(crate) struct Failures(Mutex<HashMap<String, u32>>);

impl Failures {
    const FIRST: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(300);

    /// Counts a failure; the time to wait.
    pub(crate) fn failed(&self, object: &str) -> Duration {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(object.to_owned()).or_insert(0);
        let wait = Self::FIRST.saturating_mul(1 << (*count).min(16));
        *count += 1;
        wait.min(Self::LONGEST)
    }

    /// Forgets the failures of an object.
    pub(crate) fn succeeded(&self, object: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(object);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_back_off_and_are_forgotten() {
        let failures = Failures::default();
        let waits: Vec<u64> = (0..12).map(|_| failures.failed("a").as_millis() as u64).collect();
        assert_eq!(waits[..4], [500, 1000, 2000, 4000]);
        assert_eq!(waits[11], 300_000);
        assert_eq!(failures.failed("b").as_millis(), 500);
        failures.succeeded("a");
        assert_eq!(failures.failed("a").as_millis(), 500);
    }
}
