//! The key set as it is, or as it was before somebody else changed or removed it: while this operator leads,
//! it alone writes the set, so whatever else is found is put right.

use std::sync::{Arc, PoisonError};

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Api;
use oidc_crds::resources::Reason;
use oidc_crds::secrets::key_set::KeySet;

use super::envelope::{Form, Found};
use super::{Failure, GuardedKey, Keys, plan};
use crate::context::{now, whole_seconds};
use crate::execute::Error;

/// What happened to a set that differs from the one that is known.
enum Change {
    /// It is as it was, or newer: written by a later leader.
    None,
    /// Somebody else changed it, and how.
    Foreign(&'static str),
}

type Note = (String, Reason, String);

impl Keys {
    /// The Secret, the set, and what was found out about it, for each SigningKey.
    ///
    /// # Errors
    /// When it cannot be read and nothing is known that could be put in its place. It is not overwritten
    /// then: pods sign on with what they hold.
    pub(super) async fn truth(
        &self,
        api: &Api<Secret>,
        found: Found,
        form: &Form,
        objects: &[Arc<GuardedKey>],
    ) -> Result<(Option<Secret>, Option<KeySet>, Vec<Note>), Failure> {
        let Found {
            secret: found,
            set: read,
        } = found;
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (known, what) = match (read, last) {
            (None, None) => return Ok((None, None, Vec::new())),
            (Some(Ok(set)), None) => {
                let notes = plan::lost(objects, &set).collect();
                return Ok((found, Some(set), notes));
            }
            (Some(Ok(set)), Some(known)) => match compare(&set, &known) {
                Change::None => return Ok((found, Some(set), Vec::new())),
                Change::Foreign(what) => (known, what),
            },
            (None, Some(known)) => (known, "was deleted"),
            (Some(Err(_)), Some(known)) => (known, "was edited"),
            (Some(Err(error)), None) => {
                let name = self.context.names.key_set();
                let problem = format!("the Secret {name}: {error}");
                for object in objects {
                    if let Ok(key) = &object.0 {
                        let outcome = plan::unreadable(key, &problem, whole_seconds(now()));
                        self.put_status(key, outcome).await.map_err(Failure::Told)?;
                    }
                }
                return Err(Failure::Told(Error::Unusable(problem)));
            }
        };
        let written = self.write_set(api, found, &known, form).await?;
        let message = format!("the Secret {} {what} and is as it was again", written.name_any());
        tracing::warn!(message);
        let notes = objects
            .iter()
            .map(|object| (object.name_any(), Reason::KeySetRestored, message.clone()))
            .collect();
        Ok((Some(written), Some(known), notes))
    }

    /// What is put in the place of what somebody else makes of the set.
    pub(super) fn remember(&self, set: Option<&KeySet>) {
        if let Some(set) = set {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(set.clone());
        }
    }
}

/// A greater revision is believed: a leader that slept must not undo what the next one did.
fn compare(found: &KeySet, known: &KeySet) -> Change {
    if found == known || found.revision > known.revision {
        Change::None
    } else if found.revision == known.revision {
        Change::Foreign("was edited")
    } else {
        Change::Foreign("was set back to an older state")
    }
}

#[cfg(test)]
mod tests {
    use oidc_crds::names::Algorithm;

    use super::*;

    fn set(revision: u64, default_algorithm: Algorithm) -> KeySet {
        KeySet::new(revision, Vec::new(), default_algorithm)
    }

    #[test]
    fn an_older_or_edited_set_is_foreign_and_a_newer_one_is_a_later_leaders() {
        let known = set(7, Algorithm::ES256);
        assert!(matches!(compare(&known.clone(), &known), Change::None));
        assert!(matches!(compare(&set(8, Algorithm::RS256), &known), Change::None));
        for (found, what) in [
            (set(7, Algorithm::RS256), "was edited"),
            (set(6, Algorithm::ES256), "was set back to an older state"),
        ] {
            assert!(matches!(compare(&found, &known), Change::Foreign(told) if told == what));
        }
    }
}
