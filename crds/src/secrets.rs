//! What the operator writes and the pods read, one Secret or ConfigMap a file: to and from its data.
//! Data is `key → bytes`, as the API server stores it.

use std::collections::BTreeMap;

pub mod app;
pub mod installation;
pub mod key_ring;
pub mod key_set;
pub mod pepper;
pub mod registration_tokens;

/// The data of a Secret.
pub type Data = BTreeMap<String, Vec<u8>>;

/// Whether a Secret of this type may be referred to by a spec: those that people fill themselves. A type of
/// Kubernetes' own, or of a tool (`kubernetes.io/service-account-token`, `helm.sh/release.v1`), holds what
/// was never meant for an application, and a reference would be a way to read it.
#[must_use]
pub fn is_opaque(kind: Option<&str>) -> bool {
    matches!(kind, None | Some("" | "Opaque"))
}

/// Data that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DataError(pub String);
