//! The valid user, made by [`validate_user`](crate::validate::validate_user) alone.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// A user who passed validation.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    pub(crate) uid: String,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    pub(crate) subject: String,
    pub(crate) username: String,
    pub(crate) disabled: bool,
    pub(crate) groups: Vec<String>,
    pub(crate) claims: Map<String, Value>,
    pub(crate) custom_claims: Map<String, Value>,
    pub(crate) sealed_password: Option<String>,
}

impl User {
    /// The object's UID.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }
    /// The object's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
    /// When the object was created.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }
    /// `sub`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }
    /// What is typed at login.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }
    /// Whether nothing may be issued for it.
    #[must_use]
    pub fn disabled(&self) -> bool {
        self.disabled
    }
    /// Its groups.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.groups
    }
    /// Standard claims with their JSON types (OpenID Connect Core §5.1), without `sub` and `groups`.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }
    /// Claims beyond the standard ones, under names that mean nothing to others.
    #[must_use]
    pub fn custom_claims(&self) -> &Map<String, Value> {
        &self.custom_claims
    }
    /// The sealed argon2id digest (base64url), if a password was set.
    #[must_use]
    pub fn sealed_password(&self) -> Option<&str> {
        self.sealed_password.as_deref()
    }
    /// Whether a client that allows `groups` only is open to this user; an empty list allows everybody.
    #[must_use]
    pub fn is_in_one_of(&self, groups: &[String]) -> bool {
        groups.is_empty() || groups.iter().any(|group| self.groups.contains(group))
    }
}
