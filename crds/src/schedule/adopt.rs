//! SigningKeys that come back under another UID: restored from a backup, or deleted and made again.

use super::steps::Plan;

impl Plan<'_> {
    /// Keys whose SigningKey is gone become those of its namesake, whatever phase they are in: what the
    /// namesake asks for besides is an edit like any other. So a restored installation signs on with the
    /// keys that verifiers know.
    pub(super) fn adopt(&mut self) {
        for key in &mut self.keys {
            if self.existing.contains(key.signing_key.uid.as_str()) {
                continue;
            }
            let name = key.signing_key.name.as_str();
            let namesake = self.accepted.iter().find(|wanted| wanted.owner.name == name);
            if let Some(namesake) = namesake {
                key.signing_key = namesake.owner.clone();
            }
        }
    }
}
