//! The only validator: status and serving ask the same functions, so they cannot disagree.
//!
//! One kind a file; each rule names its field and says how to mend it, and all broken rules are told at
//! once. To add a rule: a line in the function of its part of the spec, a test beside it, and, if the API
//! server can see it, a CEL rule beside the field in [`resources`](crate::resources).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::resources::{OidcClient, Reason};
use crate::secrets::installation::{Belongs, Installation};

mod claims;
mod client;
mod signing_key;
pub(crate) mod text;
pub(crate) mod uri;
mod user;

pub use client::{validate, web_hosts};
pub use signing_key::{PUBLISH_FOR, shortest_publish_for, validate_signing_key};
pub use user::validate_user;

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

/// Whether this installation serves a client or tells it why not: it belongs here, or nobody can say yet.
/// `namespace_labels` as in [`validate`].
#[must_use]
pub fn is_ours(
    client: &OidcClient,
    installation: &Installation,
    namespace_labels: Option<&BTreeMap<String, String>>,
) -> bool {
    let namespace = client.metadata.namespace.as_deref().unwrap_or_default();
    let class = client.spec.class_name.as_deref();
    installation.belongs(class, namespace, namespace_labels) != Belongs::Elsewhere
}

/// The broken rules so far.
#[derive(Debug, Default)]
struct Violations {
    broken: Vec<Violation>,
    /// Whether values are personal: messages end up in logs and Events, which must not hold them.
    personal: bool,
}

impl Violations {
    /// Of an object that speaks of a person.
    fn personal() -> Self {
        Self {
            personal: true,
            ..Self::default()
        }
    }

    fn add(&mut self, reason: Reason, field: impl Into<String>, message: impl Into<String>) {
        self.broken.push(Violation {
            field: field.into(),
            reason,
            message: message.into(),
        });
    }

    fn invalid(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.add(Reason::Invalid, field, message);
    }

    /// Takes the good value, or notes that `value` of `field` is not good.
    fn check<T>(&mut self, field: impl Into<String>, value: &str, result: Result<T, String>) -> Option<T> {
        result
            .map_err(|wrong| {
                let message = if self.personal {
                    wrong
                } else {
                    format!("{} {wrong}", text::quoted(value))
                };
                self.invalid(field, message);
            })
            .ok()
    }

    fn check_optional(
        &mut self,
        field: &str,
        value: Option<&String>,
        rule: impl FnOnce(&str) -> Result<(), String>,
    ) {
        if let Some(value) = value {
            self.check(field, value, rule(value));
        }
    }

    /// The length of a list, and that nothing is in it twice.
    fn list<T: Ord>(&mut self, field: &str, items: &[T], most: usize) {
        if items.len() > most {
            self.invalid(field, format!("has {} items, {most} are allowed", items.len()));
        }
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            if !seen.insert(item) {
                self.invalid(format!("{field}[{index}]"), "is there twice: remove it");
            }
        }
    }

    fn or<T>(self, good: T) -> Result<T, Vec<Violation>> {
        if self.broken.is_empty() {
            Ok(good)
        } else {
            Err(self.broken)
        }
    }
}

/// What the API server gives each object.
#[derive(Debug, Clone)]
struct Identity {
    uid: String,
    namespace: String,
    name: String,
    created_at: Timestamp,
}

/// Whatever is missing is a violation, and empty in the answer.
fn identity(metadata: &ObjectMeta, violations: &mut Violations) -> Identity {
    let mut member = |field: &str, value: &Option<String>| {
        let value = value.clone().unwrap_or_default();
        if value.is_empty() {
            violations.invalid(format!("metadata.{field}"), "is missing");
        }
        value
    };
    let uid = member("uid", &metadata.uid);
    let namespace = member("namespace", &metadata.namespace);
    let name = member("name", &metadata.name);
    let created_at = metadata.creation_timestamp.as_ref().map(|time| time.0);
    if created_at.is_none() {
        violations.invalid("metadata.creationTimestamp", "is missing");
    }
    // it is as good as gone, whatever finalizer of others keeps it
    if metadata.deletion_timestamp.is_some() {
        violations.invalid("metadata.deletionTimestamp", "the object is being deleted");
    }
    Identity {
        uid,
        namespace,
        name,
        created_at: created_at.unwrap_or_default(),
    }
}
