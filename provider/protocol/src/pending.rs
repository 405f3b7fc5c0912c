//! The pending authorization request: sealed in a hidden field `_request`, bound to the browser by the
//! digest of its long-lived cookie, good for 10 minutes. And the CSRF token of our forms.

use jiff::Timestamp;
use oidc_crds::seal::KeyRing;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::authorize::AuthorizationRequest;
use crate::handle::Digest;

/// How long a page may be left open, in seconds.
pub const PENDING_SECONDS: i64 = 600;

/// A request on its way through our forms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// The request.
    pub request: AuthorizationRequest,
    /// When it came in.
    pub since: Timestamp,
    /// Scopes that the consent form shows; empty on the login form.
    pub consent_for: Vec<String>,
    /// UID of the user whose consent is asked; empty on the login form.
    pub user_uid: String,
    /// Whether the login form of this very request was answered.
    pub authenticated: bool,
}

/// Why a pending request cannot be taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PendingError {
    /// Forged, or of another browser.
    #[error("the form does not belong to this browser")]
    Forged,
    /// Older than [`PENDING_SECONDS`].
    #[error("the form was open for too long")]
    Expired,
}

impl Pending {
    /// The value of `_request` (base64url).
    pub fn seal(&self, ring: &KeyRing, browser: &Digest, rng: &mut impl CryptoRng) -> String {
        let _ = (ring, browser, rng);
        todo!()
    }

    /// Opens a `_request`.
    ///
    /// # Errors
    /// When it is forged, of another browser, or too old.
    pub fn unseal(
        ring: &KeyRing,
        browser: &Digest,
        text: &str,
        now: Timestamp,
    ) -> Result<Self, PendingError> {
        let _ = (ring, browser, text, now);
        todo!()
    }
}

/// The CSRF token of a browser's forms: HMAC of its cookie's digest, base64url.
#[must_use]
pub fn csrf_token(ring: &KeyRing, browser: &Digest) -> String {
    let _ = (ring, browser);
    todo!()
}

/// Whether a form's `_csrf` is this browser's, in constant time.
#[must_use]
pub fn csrf_matches(ring: &KeyRing, browser: &Digest, presented: &str) -> bool {
    let _ = (ring, browser, presented);
    todo!()
}
