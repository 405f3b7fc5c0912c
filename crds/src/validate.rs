//! The only validator: status and serving ask the same function, so they cannot disagree.

use std::collections::BTreeMap;
use std::fmt;

use crate::client::Client;
use crate::resources::{OidcClient, OidcUser, Reason, SigningKey};
use crate::secrets::installation::Installation;
use crate::user::User;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, like `spec.redirectUris[1]`.
    pub field: String,
    /// The reason for conditions, Events and metrics.
    pub reason: Reason,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Judges a client; reports every violation at once. `namespace_labels` are those of the object's
/// namespace, needed only where the installation selects namespaces by label (`None`: not known yet).
///
/// # Errors
/// All violations, never an empty list.
pub fn validate(
    client: &OidcClient,
    installation: &Installation,
    namespace_labels: Option<&BTreeMap<String, String>>,
) -> Result<Client, Vec<Violation>> {
    let _ = (client, installation, namespace_labels);
    todo!()
}

/// Judges a user.
///
/// # Errors
/// All violations, never an empty list.
pub fn validate_user(user: &OidcUser) -> Result<User, Vec<Violation>> {
    let _ = user;
    todo!()
}

/// Judges a signing key.
///
/// # Errors
/// All violations, never an empty list.
pub fn validate_signing_key(key: &SigningKey, installation: &Installation) -> Result<(), Vec<Violation>> {
    let _ = (key, installation);
    todo!()
}

/// Whether this installation is the one that a client with this `className` belongs to.
#[must_use]
pub fn is_ours(client: &OidcClient, installation: &Installation) -> bool {
    client
        .spec
        .class_name
        .as_ref()
        .map_or(installation.default_class, |class| {
            *class == installation.class_name
        })
}
