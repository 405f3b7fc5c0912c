//! What the pages look like that people see.

use serde::{Deserialize, Serialize};

use crate::language::Language;

/// How pages look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pages {
    /// The language of people whose browser asks for none that there is.
    pub default_language: Language,
}
