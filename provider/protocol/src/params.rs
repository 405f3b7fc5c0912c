//! Query and form → parameters. A parameter that appears twice is refused (RFC 6749 §3.1, §3.2), except
//! `resource` and `audience`; an empty value counts as absent; invalid UTF-8 or percent-encoding is
//! refused.

use crate::error::OAuthError;

/// The most parameters of one request.
pub const MAX_PARAMETERS: usize = 64;

/// The parameters of one request. `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Parses `application/x-www-form-urlencoded` bytes.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn parse(encoded: &[u8]) -> Result<Self, OAuthError> {
        let _ = encoded;
        todo!()
    }

    /// The value of a parameter that may appear once.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// All values of a parameter that may repeat.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The value, or an error that names the parameter.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn require(&self, name: &'static str) -> Result<&str, OAuthError> {
        let _ = name;
        todo!()
    }
}

impl std::fmt::Debug for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.pairs.iter().map(|(name, _)| name))
            .finish()
    }
}
