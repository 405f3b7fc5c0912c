//! What became of a plan's writes, and the status that tells of it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use oidc_crds::resources::oidc_client::Credential;
use oidc_crds::resources::{ConditionType, OidcClient, OidcClientStatus, Reason};
use oidc_crds::uses::Seen;

use super::{Applied, Outcome, Plan, noted, written};
use crate::execute::Error;
use crate::oidc_client::restart::Restarted;
use crate::plan::{Note, conditions, fails, news};
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
    /// asked for it was seen to; the name that it moves to.
    pub(crate) fn first_status(&self, client: &OidcClient) -> Option<OidcClientStatus> {
        let mut status = client.status.clone().unwrap_or_default();
        if let Some(credentials) = &self.first_status {
            status.credentials.clone_from(credentials);
            status.rotation = noted(self.asked.clone(), self.restarts.from.clone());
        }
        if let Some(names) = &self.first_names {
            status.secret = Some(names.clone());
        }
        (self.first_status.is_some() || self.first_names.is_some()).then_some(status)
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
        // What is still to be removed, or may have been made by a write without an answer, must not be forgotten.
        let secret = match &applied.failure {
            Some(_) => old.secret.clone(),
            None => applied.secret.clone(),
        };
        let secret = secret.or(self.known_secret);
        notes.extend(applied.restarted.notes.iter().cloned());
        notes.extend(news(&old.conditions, &claims));
        let notes = of_ready(notes);
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

/// A client that becomes ready by its Secret is one piece of news, not two: thousands may be created at once.
fn of_ready(mut notes: Vec<Note>) -> Vec<Note> {
    let is_ready = |note: &Note| note.reason == Reason::Ready && !note.warning;
    let is_written = |note: &Note| matches!(note.reason, Reason::SecretCreated | Reason::SecretUpdated);
    if notes.iter().any(is_ready)
        && let Some(at) = notes.iter().position(is_written)
    {
        let written = notes.remove(at);
        for ready in notes.iter_mut().filter(|note| is_ready(note)) {
            ready.message = format!("{}; {}", ready.message, written.message);
        }
    }
    notes
}
