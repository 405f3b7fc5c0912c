//! The status of a SigningKey, derived from the key set.

use super::steps::is_live;
use crate::resources::signing_key::{KeyStatus, Phase};
use crate::secrets::key_set::{KeyState, Owner};
use crate::time::stored;

/// How many keys a status lists; more would break its schema.
const LISTED: usize = 256;

/// The keys of a SigningKey for its status: those that sign or will first, then those that did or never will; of
/// each the newest first. So the first is the one that matters.
#[must_use]
pub fn status_of(keys: &[KeyState], owner: &Owner) -> Vec<KeyStatus> {
    let own = || {
        let own = keys.iter().rev().filter(|key| key.signing_key.uid == owner.uid);
        own.filter(|key| key.phase != Phase::Pending)
    };
    own()
        .filter(|key| is_live(key))
        .chain(own().filter(|key| !is_live(key)))
        .take(LISTED)
        .map(|key| KeyStatus {
            kid: key.kid.clone(),
            algorithm: key.algorithm,
            phase: key.phase,
            created_at: stored(key.created_at),
            published_at: key.published_at.map(stored),
            // the first key's is 0 in the set
            signs_from: key.signs_from.map(|from| stored(from.max(key.created_at))),
            retires_at: key.retires_at.map(stored),
            removable_at: key.removable_at.map(stored),
            revoked: key.revoked,
        })
        .collect()
}
