//! What became of a plan's writes, and the status that tells of it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use oidc_crds::resources::oidc_client::Credential;
use oidc_crds::resources::{ConditionType, OidcClient, OidcClientStatus, Reason};
use oidc_crds::uses::Seen;

use super::{Applied, Outcome, Plan, noted, written};
use crate::execute::Error;
use crate::oidc_client::restart::Restarted;
use crate::plan::{conditions, fails, news};
use crate::uses::to_note;

impl Applied {
    pub(crate) fn nothing() -> Self {
        Self {
            secret: None,
            failure: None,
            restarted: Restarted::default(),
        }
    }

    pub(crate) fn restarted(mut self, restarted: Restarted) -> Self {
        self.restarted = restarted;
        self
    }

    /// A workload that must be tried again.
    pub(crate) fn open_restart(&mut self) -> Option<Error> {
        self.restarted.failure.take()
    }

    pub(crate) fn secret(secret: &Secret) -> Self {
        Self {
            secret: Some(written(secret)),
            ..Self::nothing()
        }
    }

    pub(crate) fn failed(error: &Error) -> Self {
        Self {
            failure: Some(error.to_string()),
            ..Self::nothing()
        }
    }
}

impl Plan {
    /// Status will tell of uses that are much later than those it tells of.
    pub(super) fn note_uses(&mut self, seen: &Seen) {
        for known in &mut self.credentials {
            let used = seen.credentials.get(&known.id).copied();
            known.last_used_at = to_note(known.last_used_at.as_ref(), used).or(known.last_used_at.take());
        }
        self.last_used_at = to_note(self.last_used_at.as_ref(), seen.client).or(self.last_used_at.take());
    }

    /// The status that must be written before the Secret, if any: the new digest, and that the word which
    /// asked for it was seen to.
    pub(crate) fn first_status(&self, client: &OidcClient) -> Option<OidcClientStatus> {
        let credentials = self.first_status.clone()?;
        Some(OidcClientStatus {
            credentials,
            rotation: noted(self.asked.clone(), self.restarts.from.clone()),
            ..client.status.clone().unwrap_or_default()
        })
    }

    /// The status, and what to tell. After a failed write nothing is said to be ready, and a credential
    /// that was not delivered is not listed unless it was before.
    pub(crate) fn finish(self, client: &OidcClient, applied: &Applied, now: Timestamp) -> Outcome {
        let old = client.status.clone().unwrap_or_default();
        let generation = client.metadata.generation.unwrap_or_default();
        let current = |credentials: &[Credential]| {
            let current = credentials.iter().find(|known| known.retires_at.is_none());
            current.map(|known| known.created_at.clone())
        };
        let done = OidcClientStatus {
            last_rotation: current(&self.credentials),
            credentials: self.credentials,
            rotation: noted(self.asked, self.restarts.noted(&applied.restarted)),
            next_rotation: self.next_rotation,
            last_used_at: self.last_used_at,
            ..OidcClientStatus::default()
        };
        let (claims, done, mut notes) = match &applied.failure {
            None => (self.claims, done, self.notes),
            Some(why) => {
                let accepted = self
                    .claims
                    .into_iter()
                    .find(|claim| claim.kind == ConditionType::Accepted);
                let failed = |kind| fails(kind, Reason::WriteFailed, why.clone());
                let claims = accepted
                    .into_iter()
                    .chain([
                        failed(ConditionType::CredentialsReady),
                        failed(ConditionType::Ready),
                    ])
                    .collect();
                (claims, old.clone(), Vec::new())
            }
        };
        // A Secret that is still to be removed must not be forgotten.
        let secret = match (&applied.failure, &self.remove) {
            (Some(_), Some(_)) => old.secret.clone(),
            _ => applied.secret.clone().or(self.known_secret),
        };
        notes.extend(applied.restarted.notes.iter().cloned());
        notes.extend(news(&old.conditions, &claims));
        let reason = claims
            .iter()
            .find(|claim| claim.kind == ConditionType::Ready)
            .map_or(Reason::Ready, |claim| claim.reason);
        Outcome {
            status: OidcClientStatus {
                client_id: self.client_id,
                observed_generation: if self.is_open {
                    old.observed_generation
                } else {
                    Some(generation)
                },
                conditions: conditions(&old.conditions, &claims, generation, now),
                secret,
                routed_hosts: self.routed_hosts,
                ..done
            },
            notes,
            reason,
            again: self.again,
        }
    }
}
