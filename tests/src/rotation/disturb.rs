//! What happens to pods while a key rotates.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::cluster::{self, Cluster, Pod, kubectl};

/// What is done to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SIGKILL for a provider's container; it starts again.
    KillProvider,
    /// A provider pod is deleted; it ends in order, and another takes its place.
    DeleteProvider,
    /// `kubectl rollout restart`.
    RollProviders,
    /// SIGKILL for the operator's container.
    KillOperator,
}

/// What happens, and how long after the edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disturbance(pub Kind, pub Duration);

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after {:?}", self.0, self.1)
    }
}

impl Disturbance {
    /// Waits for its time and does it; returns when it is over, or restarts by itself.
    ///
    /// # Errors
    /// When the runtime or the API server refuses.
    pub async fn cause(self, cluster: Cluster, providers: Vec<Pod>) -> Result<()> {
        sleep(self.1).await;
        spawn_blocking(move || self.0.happen(&cluster, &providers)).await?
    }
}

impl Kind {
    fn happen(self, cluster: &Cluster, providers: &[Pod]) -> Result<()> {
        let provider = providers.first().context("a provider pod")?;
        match self {
            Self::KillProvider => cluster.kill(provider),
            Self::DeleteProvider => kubectl(&["delete", "pod", &provider.name, "--wait=false"]).map(drop),
            Self::RollProviders => {
                kubectl(&["rollout", "restart", "deployment/oidc-provider"])?;
                kubectl(&["rollout", "status", "deployment/oidc-provider", "--timeout=120s"]).map(drop)
            }
            Self::KillOperator => {
                let operators = cluster::pods("operator")?;
                cluster.kill(operators.first().context("an operator pod")?)
            }
        }
    }
}
