//! What the operator writes and the pods read, one Secret or ConfigMap a file: to and from its data.
//! Data is `key → bytes`, as the API server stores it.

use std::collections::BTreeMap;

pub mod app;
pub mod installation;
pub mod key_ring;
pub mod key_set;
pub mod pepper;

/// The data of a Secret.
pub type Data = BTreeMap<String, Vec<u8>>;

/// Data that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DataError(pub String);
