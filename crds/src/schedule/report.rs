//! What a schedule tells beside the keys: notes, next steps, and when it must be asked again.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::resources::Reason;
use crate::time::stored;

/// What a step leads to, the most pressing first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A key will sign.
    Activation,
    /// A key will be removed.
    Removal,
    /// The next key will be minted.
    Interval,
}

/// Collected on the way.
#[derive(Default)]
pub(super) struct Report {
    /// SigningKey's name, reason, message.
    pub(super) notes: Vec<(String, Reason, String)>,
    /// The most pressing step by SigningKey's name.
    steps: BTreeMap<String, (Rank, String)>,
    /// Until when a key waits for caches, by SigningKey's name.
    pub(super) waits: BTreeMap<String, Timestamp>,
    /// Times at which something is due.
    due: Vec<Timestamp>,
}

impl Report {
    pub(super) fn note(&mut self, name: &str, reason: Reason, message: String) {
        self.notes.push((name.to_owned(), reason, message));
    }

    /// A step that time alone brings.
    pub(super) fn due(&mut self, name: &str, rank: Rank, what: &str, at: Timestamp) {
        self.due.push(at);
        self.step(name, rank, format!("{what} at {}", stored(at).0));
    }

    /// A key waits until then before it signs.
    pub(super) fn waits(&mut self, name: &str, until: Timestamp) {
        self.due(name, Rank::Activation, "Active", until);
        self.waits.insert(name.to_owned(), until);
    }

    /// Times that no SigningKey tells of.
    pub(super) fn dues(&mut self, times: impl Iterator<Item = Timestamp>) {
        self.due.extend(times);
    }

    pub(super) fn step(&mut self, name: &str, rank: Rank, text: String) {
        let pressing = self.steps.get(name).is_none_or(|(other, _)| rank < *other);
        if pressing {
            self.steps.insert(name.to_owned(), (rank, text));
        }
    }

    pub(super) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.due.iter().copied().filter(|due| *due > now).min()
    }

    pub(super) fn steps(&self) -> BTreeMap<String, String> {
        let texts = self
            .steps
            .iter()
            .map(|(name, (_, text))| (name.clone(), text.clone()));
        texts.collect()
    }
}
