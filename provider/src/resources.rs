//! Where clients, users, keys and settings come from: the cluster ([`kubernetes`]) or a folder
//! ([`folder`]). Both feed the same two: the [`directory`] of clients and users, in which what is deleted
//! or cannot be read is gone, and [`held`], the installation's own settings and secrets, whose last good
//! state stays in force whatever happens to their objects.
//!
//! To add a source: a file here that makes [`directory::Delta`]s, calls [`publish`], and says
//! [`Readiness::synced`](crate::app::Readiness::synced) when everything was read once.

use tracing::warn;

use crate::app::App;
use directory::Settled;

pub mod directory;
pub mod folder;
pub mod held;
pub mod kept;
pub mod kubernetes;

/// Puts what the directory says in force, and tells the log about refusals.
pub fn publish(app: &App, settled: Settled) -> Settled {
    app.clients.publish(settled.clients.iter().cloned());
    app.users.publish(settled.users.iter().cloned());
    for refusal in &settled.refusals {
        let (namespace, name) = &refusal.key;
        warn!(
            kind = refusal.kind,
            namespace, name, "not served: {}", refusal.reasons
        );
    }
    settled
}
