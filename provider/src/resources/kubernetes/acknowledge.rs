//! A pod says which key set is in force with it, in a Lease of its own: the operator lets no key sign before
//! every pod has acknowledged a set that holds it. Off the path of requests; nothing waits for it but the
//! first readiness.
//!
//! The Lease is written by server-side apply, which makes it where it is not, and costs a comparison where
//! it is as it should be. A set in which a key retires is acknowledged when the pod's own clock says that the key
//! signs no more; until then the word is that of before, or one that matches no set. So a pod needs no right to read Leases, and by doing it again every `CHECK` it
//! mends one that somebody deleted or edited.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, ObjectMeta, Patch, PatchParams};
use oidc_crds::names::{ANNOTATION_KEY_SET, provider_labels};
use oidc_protocol::keys::Keys;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::app::App;

/// Follows the word of a pod that may still sign with a retiring key and has said nothing before.
const RETIRING: &str = "-retiring";
/// The pause between checks.
const CHECK: Duration = Duration::from_secs(30);
/// The first pause after a failure; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
/// The shortest wait for a time: clocks and timers differ by less.
const SHORTEST: Duration = Duration::from_millis(5);
/// More than clocks that are right differ by.
const DIFFERS: Duration = Duration::from_secs(2);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// An outage would fill the log: a line a minute.
const TOLD: Duration = Duration::from_secs(60);

/// The pod that this process is.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Its name, which its Lease has too.
    pub name: String,
    /// Its UID: with the pod goes the Lease.
    pub uid: String,
}

/// Why nothing was written.
enum Failure {
    Refused(kube::Error),
    Late,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(kube::Error::Api(status)) => {
                write!(f, "the API server refuses it: {}", status.message)
            }
            Self::Refused(kube::Error::SerdeError(_)) => {
                f.write_str("the answer of the API server cannot be read")
            }
            Self::Refused(error) => write!(f, "the API server does not answer: {error}"),
            Self::Late => f.write_str("the API server does not answer in time"),
        }
    }
}

/// Acknowledges each key set that is in force.
pub(super) struct Acknowledger {
    app: Arc<App>,
    leases: Api<Lease>,
    release: String,
    pod: Pod,
    /// How long a Lease that was deleted or edited stays so.
    pub(super) check: Duration,
    /// What was acknowledged last.
    said: String,
    /// What was told last to be acknowledged later.
    waits: String,
    pause: Duration,
    warned: Option<Instant>,
}

impl Acknowledger {
    pub(super) fn new(app: Arc<App>, leases: Api<Lease>, release: String, pod: Pod) -> Self {
        Self {
            app,
            leases,
            release,
            pod,
            check: CHECK,
            said: String::new(),
            waits: String::new(),
            pause: FIRST,
            warned: None,
        }
    }

    /// Goes on for as long as it is polled. `written` becomes true with the first acknowledgement.
    pub(super) async fn run(mut self, written: watch::Sender<bool>) {
        let mut sets = self.app.keys.changes();
        loop {
            sets.mark_unchanged();
            let rest = match self.app.keys.load() {
                Some(set) => self.tell(&set.keys, &written).await,
                None => Duration::MAX,
            };
            tokio::select! {
                changed = sets.changed() => if changed.is_err() { return },
                () = sleep(rest) => {}
            }
        }
    }

    /// Acknowledges the set if that is true already; how long to rest then.
    async fn tell(&mut self, keys: &Keys, written: &watch::Sender<bool>) -> Duration {
        let word = keys.acknowledgement();
        let now = self.app.clock.now();
        let Some(until) = keys.retires(now) else {
            return self.acknowledge(word, written).await;
        };
        let before = match self.said.as_str() {
            "" => format!("{word}{RETIRING}"),
            said => said.to_owned(),
        };
        let rest = self.acknowledge(&before, written).await;
        let left = until.duration_since(now).unsigned_abs();
        if left > DIFFERS && self.waits != word {
            word.clone_into(&mut self.waits);
            warn!(key_set = word, %until, "not acknowledged yet: by this clock a retiring key signs until then");
        }
        rest.min(left.max(SHORTEST))
    }

    /// Writes it; how long to rest then.
    async fn acknowledge(&mut self, word: &str, written: &watch::Sender<bool>) -> Duration {
        let failure = match self.write(&lease(&self.release, &self.pod, word)).await {
            Ok(()) => {
                if self.said != word {
                    info!(key_set = word, "acknowledged");
                    word.clone_into(&mut self.said);
                }
                written.send_replace(true);
                (self.pause, self.warned) = (FIRST, None);
                return self.check;
            }
            Err(failure) => failure,
        };
        self.app.metrics.acknowledgement_failed();
        if self.warned.is_none_or(|at| at.elapsed() > TOLD) {
            self.warned = Some(Instant::now());
            let lease = &self.pod.name;
            warn!(key_set = word, lease, "not acknowledged, trying on: {failure}");
        }
        let rest = self.pause;
        self.pause = (rest * 2).min(LONGEST);
        rest
    }

    /// Nobody but the pod may say what it serves, so whatever else is there gives way.
    async fn write(&self, lease: &Lease) -> Result<(), Failure> {
        let parameters = PatchParams::apply("oidc-provider").force();
        let patch = Patch::Apply(lease);
        match timeout(ANSWER, self.leases.patch(&self.pod.name, &parameters, &patch)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Failure::Refused(error)),
            Err(_) => Err(Failure::Late),
        }
    }
}

fn lease(release: &str, pod: &Pod, word: &str) -> Lease {
    Lease {
        metadata: ObjectMeta {
            name: Some(pod.name.clone()),
            labels: Some(
                provider_labels(release)
                    .map(|(name, value)| (name.to_owned(), value))
                    .into(),
            ),
            annotations: Some([(ANNOTATION_KEY_SET.to_owned(), word.to_owned())].into()),
            // nothing that would keep the pod from being deleted
            owner_references: Some(vec![OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                name: pod.name.clone(),
                uid: pod.uid.clone(),
                ..OwnerReference::default()
            }]),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(pod.name.clone()),
            ..LeaseSpec::default()
        }),
    }
}
