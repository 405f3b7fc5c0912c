//! The end of a decision: which credentials stay, before the delivery and after it.

use jiff::Timestamp;

use super::given::GIVEN;
use super::{Decision, KEPT, Life, due};
use crate::resources::Reason;
use crate::resources::oidc_client::Credential;

impl Life<'_> {
    /// What is not accepted any more goes, and what is too many.
    fn trim(&self, credentials: &mut Vec<Credential>) {
        let retirement = |known: &Credential| known.retires_at.as_ref().map_or(Timestamp::MAX, |at| at.0);
        credentials.retain(|known| retirement(known) > self.now);
        while credentials.len() > KEPT {
            let first = credentials
                .iter()
                .enumerate()
                .min_by_key(|(_, known)| retirement(known));
            let Some((at, _)) = first else { break };
            credentials.remove(at);
        }
    }

    /// The credentials until the delivery is done: what the Secret holds does not retire before.
    fn before(&self) -> Vec<Credential> {
        let mut credentials = self.credentials.clone();
        let held = credentials
            .iter_mut()
            .find(|known| self.held.as_ref() == Some(&known.id));
        if let Some(held) = held {
            held.retires_at = None;
        }
        self.trim(&mut credentials);
        credentials
    }

    pub(super) fn finish(mut self) -> Decision {
        let before = self.before();
        let mut credentials = std::mem::take(&mut self.credentials);
        let count = credentials.len();
        self.trim(&mut credentials);
        if credentials.len() < count {
            self.reason(Reason::CredentialRetired);
        }
        let rotation = self.client.rotation();
        // Whatever made this secret, it is newer than the word; and beside an empty status nobody knows
        // which words were seen to, so that only those to come count.
        let renewed = self.deliver.is_some() || self.first && !credentials.is_empty();
        let asked = rotation.and_then(|rotation| rotation.now.as_deref());
        let handled = asked.filter(|_| renewed).or(self.handled);
        let retirements = credentials.iter().filter_map(|known| known.retires_at.as_ref());
        let current = credentials
            .iter()
            .find(|known| known.retires_at.is_none() && !known.id.starts_with(GIVEN));
        Decision {
            next: retirements.map(|at| at.0).min(),
            next_rotation: current.and_then(|current| due::next(rotation?, current)),
            now: handled.map(str::to_owned),
            due: self.due,
            unused: self.unused,
            before,
            credentials,
            deliver: self.deliver,
            reasons: self.reasons,
            problem: self.problem,
        }
    }
}
