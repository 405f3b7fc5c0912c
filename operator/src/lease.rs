//! Leader election on one Lease, as client-go does it: GET, then PUT with the resourceVersion that was
//! read (409: somebody else was faster). Whether a lease has run out is judged by the local clock since
//! its record was last *seen to change*, so clocks of other nodes do not matter.
//!
//! | | |
//! |---|---|
//! | [`DURATION`] 15 s | nobody takes a lease that changed within this time |
//! | [`DEADLINE`] 10 s | a leader writes nothing that long after its last renewal began |
//! | [`RETRY`] 2 s | pause between tries |
//!
//! [`Leadership::check`] stands before each write. A process that slept (SIGSTOP, a frozen VM) finds the
//! deadline passed when it wakes: it writes nothing and ends.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::context::{Names, now};
use crate::execute::Error;

/// Nobody takes a lease that changed within this time.
pub(crate) const DURATION: Duration = Duration::from_secs(15);
/// A leader writes nothing that long after its last renewal began.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
/// Pause between tries.
pub(crate) const RETRY: Duration = Duration::from_secs(2);

/// Until when this process may write. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Leadership(Arc<watch::Sender<Option<Instant>>>);

impl Leadership {
    pub(crate) fn none() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Whether this process may write now.
    ///
    /// # Errors
    /// When it does not lead, or slept through its lease.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match *self.0.borrow() {
            Some(until) if Instant::now() < until => Ok(()),
            _ => Err(Error::NotLeading),
        }
    }

    fn until(&self, until: Option<Instant>) {
        self.0.send_replace(until);
    }
}

/// The lease is lost: the process must end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("the lease {0} was taken by {1}")]
    Taken(String, String),
    #[error("the lease {0} was not renewed within {DEADLINE:?}")]
    Late(String),
}

/// A record as it was last seen, and since when.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    spec: LeaseSpec,
    since: Instant,
}

/// What a candidate does about a record.
#[derive(Debug, PartialEq)]
enum Step {
    Create,
    Take,
    Wait,
}

/// The decision of a candidate. `seen` is updated with what it sees now.
fn decide(found: Option<&LeaseSpec>, me: &str, seen: &mut Option<Seen>, now: Instant) -> Step {
    let Some(spec) = found else {
        return Step::Create;
    };
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    if holder.is_empty() || holder == me {
        return Step::Take;
    }
    match seen {
        Some(before) if before.spec == *spec => {
            // The holder's own word on the duration, never shorter than ours.
            let theirs = spec.lease_duration_seconds.unwrap_or_default();
            let duration = DURATION.max(Duration::from_secs(u64::try_from(theirs).unwrap_or_default()));
            if now.duration_since(before.since) >= duration {
                Step::Take
            } else {
                Step::Wait
            }
        }
        _ => {
            *seen = Some(Seen {
                spec: spec.clone(),
                since: now,
            });
            Step::Wait
        }
    }
}

/// One process that wants the lease.
pub(crate) struct Elector {
    api: Api<Lease>,
    name: String,
    namespace: String,
    me: String,
    leadership: Leadership,
}

impl Elector {
    /// `nonce` tells this process from an earlier one in the same pod.
    pub(crate) fn new(client: Client, names: &Names, nonce: u32, leadership: Leadership) -> Self {
        Self {
            api: Api::namespaced(client, &names.namespace),
            name: names.operator(),
            namespace: names.namespace.clone(),
            me: format!("{}_{nonce:08x}", names.pod),
            leadership,
        }
    }

    /// Waits until this process leads.
    pub(crate) async fn acquire(&self) -> Lease {
        let mut seen = None;
        loop {
            let began = Instant::now();
            match timeout(RETRY * 2, self.try_acquire(&mut seen)).await {
                Ok(Ok(Some(lease))) => {
                    self.leadership.until(Some(began + DEADLINE));
                    tracing::info!(lease = self.name, me = self.me, "leading");
                    return lease;
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(lease = self.name, %error, "the lease was not acquired");
                }
                Err(_) => tracing::warn!(lease = self.name, "the API server does not answer"),
            }
            sleep(RETRY).await;
        }
    }

    async fn try_acquire(&self, seen: &mut Option<Seen>) -> Result<Option<Lease>, kube::Error> {
        let found = self.api.get_opt(&self.name).await?;
        let spec = found.as_ref().map(|lease| lease.spec.clone().unwrap_or_default());
        let answer = match decide(spec.as_ref(), &self.me, seen, Instant::now()) {
            Step::Wait => return Ok(None),
            Step::Create => {
                let lease = self.record(None, 0);
                self.api.create(&PostParams::default(), &lease).await
            }
            Step::Take => {
                let transitions = spec.and_then(|spec| spec.lease_transitions).unwrap_or(0) + 1;
                let lease = self.record(found, transitions);
                self.put(&lease).await
            }
        };
        match answer {
            Ok(lease) => Ok(Some(lease)),
            // Another candidate was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn put(&self, lease: &Lease) -> kube::Result<Lease> {
        self.api.replace(&self.name, &PostParams::default(), lease).await
    }

    /// The record of this process as the holder, with the metadata that was read.
    fn record(&self, found: Option<Lease>, transitions: i32) -> Lease {
        let now = MicroTime(now());
        Lease {
            metadata: found.map_or_else(
                || ObjectMeta {
                    name: Some(self.name.clone()),
                    namespace: Some(self.namespace.clone()),
                    ..ObjectMeta::default()
                },
                |lease| lease.metadata,
            ),
            spec: Some(LeaseSpec {
                holder_identity: Some(self.me.clone()),
                lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
                acquire_time: Some(now.clone()),
                renew_time: Some(now),
                lease_transitions: Some(transitions),
                ..LeaseSpec::default()
            }),
        }
    }

    /// Renews the lease until `stop`; returns it as it was last written.
    ///
    /// # Errors
    /// When it is lost.
    pub(crate) async fn keep(&self, mut lease: Lease, stop: &CancellationToken) -> Result<Lease, Lost> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(lease),
                () = sleep(RETRY) => {}
            }
            // First thing after waking, however long that took.
            if self.leadership.check().is_err() {
                return Err(Lost::Late(self.name.clone()));
            }
            let began = Instant::now();
            if let Some(spec) = &mut lease.spec {
                spec.renew_time = Some(MicroTime(now()));
            }
            match timeout(RETRY * 2, self.put(&lease)).await {
                Ok(Ok(renewed)) => {
                    lease = renewed;
                    self.leadership.until(Some(began + DEADLINE));
                }
                Ok(Err(kube::Error::Api(status))) if status.code == 409 || status.code == 404 => {
                    lease = self.look_again(lease).await?;
                }
                Ok(Err(error)) => tracing::warn!(lease = self.name, %error, "the lease was not renewed"),
                Err(_) => tracing::warn!(lease = self.name, "the API server does not answer"),
            }
        }
    }

    /// After a conflict: an own renewal whose answer was lost is no loss, another holder is.
    async fn look_again(&self, lease: Lease) -> Result<Lease, Lost> {
        match timeout(RETRY * 2, self.api.get_opt(&self.name)).await {
            Ok(Ok(Some(found))) => {
                let holder = found
                    .spec
                    .as_ref()
                    .and_then(|spec| spec.holder_identity.clone())
                    .unwrap_or_default();
                if holder == self.me {
                    Ok(found)
                } else {
                    self.leadership.until(None);
                    Err(Lost::Taken(self.name.clone(), holder))
                }
            }
            Ok(Ok(None)) => {
                self.leadership.until(None);
                Err(Lost::Taken(self.name.clone(), "nobody: it was deleted".into()))
            }
            // Not known: go on trying until the deadline.
            _ => Ok(lease),
        }
    }

    /// Gives the lease up, so that another process need not wait. Nothing may be written after it.
    pub(crate) async fn release(&self, mut lease: Lease) {
        if self.leadership.check().is_err() {
            return;
        }
        self.leadership.until(None);
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime(now()));
        }
        match timeout(RETRY * 2, self.put(&lease)).await {
            Ok(Ok(_)) => tracing::info!(lease = self.name, "released"),
            Ok(Err(error)) => tracing::warn!(lease = self.name, %error, "the lease was not released"),
            Err(_) => tracing::warn!(lease = self.name, "the API server does not answer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_by(holder: &str, renewed: i64) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.into()),
            lease_duration_seconds: Some(15),
            renew_time: Some(MicroTime(
                jiff::Timestamp::from_second(renewed).expect("in range"),
            )),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn a_lease_runs_out_only_if_it_is_seen_not_to_change() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut seen = None;
        let spec = held_by("other", 0);
        // However old the record claims to be, the first look only starts the local clock.
        assert_eq!(decide(Some(&spec), "me", &mut seen, start), Step::Wait);
        assert_eq!(decide(Some(&spec), "me", &mut seen, after(14)), Step::Wait);
        let renewed = held_by("other", 14);
        assert_eq!(decide(Some(&renewed), "me", &mut seen, after(14)), Step::Wait);
        assert_eq!(decide(Some(&renewed), "me", &mut seen, after(28)), Step::Wait);
        assert_eq!(decide(Some(&renewed), "me", &mut seen, after(29)), Step::Take);
    }

    #[test]
    fn a_free_lease_is_taken_at_once() {
        let now = Instant::now();
        assert_eq!(decide(None, "me", &mut None, now), Step::Create);
        let mut released = held_by("", 0);
        assert_eq!(decide(Some(&released), "me", &mut None, now), Step::Take);
        released.holder_identity = None;
        assert_eq!(decide(Some(&released), "me", &mut None, now), Step::Take);
    }

    #[test]
    fn a_longer_duration_of_the_holder_is_respected() {
        let start = Instant::now();
        let mut spec = held_by("other", 0);
        spec.lease_duration_seconds = Some(60);
        let mut seen = None;
        decide(Some(&spec), "me", &mut seen, start);
        let later = start + Duration::from_secs(30);
        assert_eq!(decide(Some(&spec), "me", &mut seen, later), Step::Wait);
        let later = start + Duration::from_secs(60);
        assert_eq!(decide(Some(&spec), "me", &mut seen, later), Step::Take);
    }

    #[test]
    fn i6_a_sleeper_may_not_write_after_the_deadline() {
        let leadership = Leadership::none();
        assert!(leadership.check().is_err());
        leadership.until(Some(Instant::now() + DEADLINE));
        assert!(leadership.check().is_ok());
        leadership.until(Some(Instant::now()));
        assert!(leadership.check().is_err());
        assert!(DEADLINE < DURATION, "it ends before another may begin");
    }
}
