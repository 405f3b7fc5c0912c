//! What is in force while one request is answered: loaded once, so that it cannot change half-way.

use std::sync::Arc;

use jiff::Timestamp;
use oidc_crds::seal::KeyRing;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::pepper::Pepper;
use oidc_protocol::error::{ErrorCode, OAuthError};

use super::error::Failure;
use super::problem::Problem;
use crate::app::App;
use crate::keys::Prepared;

/// The snapshots of one request.
pub struct Moment {
    /// What this installation is and grants.
    pub installation: Arc<Installation>,
    /// What values are sealed under.
    pub ring: Arc<KeyRing>,
    /// What client secrets are digested under.
    pub pepper: Arc<Pepper>,
    /// The signing keys.
    pub keys: Arc<Prepared>,
    /// The time of the request.
    pub now: Timestamp,
}

impl Moment {
    /// Loads them.
    ///
    /// # Errors
    /// `temporarily_unavailable` until everything was read once.
    pub fn load(app: &App) -> Result<Self, Failure> {
        let keys = keys(app)?;
        Ok(Self {
            installation: app.installation.load_full(),
            ring: app.ring.load_full().ok_or_else(|| missing("key ring"))?,
            pepper: app.pepper.load_full().ok_or_else(|| missing("pepper"))?,
            keys,
            now: app.clock.now(),
        })
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.installation.issuer
    }
}

/// The signing keys and their documents alone.
///
/// # Errors
/// `temporarily_unavailable` until everything was read once.
pub fn keys(app: &App) -> Result<Arc<Prepared>, Failure> {
    // a client that is not known yet is not unknown
    if !app.readiness.is_synced() {
        return Err(missing("full list of clients and users"));
    }
    if app.ring.load().is_none() {
        return Err(missing("key ring"));
    }
    app.keys.load().ok_or_else(|| missing("key set"))
}

fn missing(what: &'static str) -> Failure {
    let error = OAuthError::new(
        ErrorCode::TemporarilyUnavailable,
        "The provider is starting: try again in a moment.",
    );
    Failure::from(error.because(format!("no {what} is known yet"))).explained(Problem::Starting)
}

/// Whether browsers reach an issuer by https, so that cookies are `Secure` and `__Host-`.
#[must_use]
pub fn is_https(issuer: &str) -> bool {
    issuer.starts_with("https://")
}

/// The path of an issuer, without a trailing slash: empty for most.
#[must_use]
pub fn path_of(issuer: &str) -> &str {
    let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    rest.find('/')
        .map_or("", |slash| rest[slash..].trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_issuer() {
        assert_eq!(path_of("https://id.example.com"), "");
        assert_eq!(path_of("http://localhost:5000"), "");
        assert_eq!(path_of("https://example.com/id"), "/id");
        assert_eq!(path_of("https://example.com/a/b"), "/a/b");
    }
}
