//! The pending authorization request: sealed in a hidden field `_request`, bound to the browser by the
//! digest of its long-lived cookie, good for 10 minutes. And the CSRF token of our forms.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use oidc_crds::seal::{KeyRing, Purpose};
use rand_core::CryptoRng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::authorize::AuthorizationRequest;
use crate::handle::Digest;
use crate::records;

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
        seal(ring, browser, KIND, self, rng)
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
        unseal(ring, browser, KIND, text, now, |pending: &Self| pending.since)
    }
}

impl Pending {
    /// The request of a form, however long that was open: good for nothing any more but the way back to its client,
    /// once [`recheck`](crate::authorize::recheck) proves that. `None` when it is forged or of another browser.
    #[must_use]
    pub fn lapsed(ring: &KeyRing, browser: &Digest, text: &str) -> Option<AuthorizationRequest> {
        open(ring, browser, KIND, text)
            .ok()
            .map(|pending: Self| pending.request)
    }
}

/// Keeps these apart from what other forms carry.
const KIND: &[u8] = b"authorize";

/// Seals what a form of some kind carries for a browser (base64url).
pub(crate) fn seal(
    ring: &KeyRing,
    browser: &Digest,
    kind: &[u8],
    carried: &impl Serialize,
    rng: &mut impl CryptoRng,
) -> String {
    let place = [browser.0.as_slice(), kind];
    URL_SAFE_NO_PAD.encode(records::seal(ring, Purpose::Request, &place, carried, rng))
}

/// Opens what [`seal`] made; `since` tells when that was.
pub(crate) fn unseal<T: DeserializeOwned>(
    ring: &KeyRing,
    browser: &Digest,
    kind: &[u8],
    text: &str,
    now: Timestamp,
    since: impl FnOnce(&T) -> Timestamp,
) -> Result<T, PendingError> {
    let carried = open(ring, browser, kind, text)?;
    if now.duration_since(since(&carried)) > SignedDuration::from_secs(PENDING_SECONDS) {
        return Err(PendingError::Expired);
    }
    Ok(carried)
}

fn open<T: DeserializeOwned>(
    ring: &KeyRing,
    browser: &Digest,
    kind: &[u8],
    text: &str,
) -> Result<T, PendingError> {
    let sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| PendingError::Forged)?;
    let place = [browser.0.as_slice(), kind];
    records::unseal(ring, Purpose::Request, &place, &sealed).map_err(|_| PendingError::Forged)
}

/// The CSRF token of a browser's forms: HMAC of its cookie's digest, base64url.
#[must_use]
pub fn csrf_token(ring: &KeyRing, browser: &Digest) -> String {
    // Stable: a form that is open while the ring rotates must still be accepted.
    URL_SAFE_NO_PAD.encode(ring.stable_mac(Purpose::Csrf, &[&browser.0]))
}

/// Whether a form's `_csrf` is this browser's, in constant time.
#[must_use]
pub fn csrf_matches(ring: &KeyRing, browser: &Digest, presented: &str) -> bool {
    csrf_token(ring, browser)
        .as_bytes()
        .ct_eq(presented.as_bytes())
        .into()
}

#[cfg(test)]
mod tests {
    use oidc_crds::testing::SeededRng;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{NOW, other_ring, request, ring};

    const BROWSER: Digest = Digest([1; 32]);
    const OTHER: Digest = Digest([2; 32]);

    fn pending() -> Pending {
        Pending {
            request: request(),
            since: NOW,
            consent_for: vec!["openid".to_owned()],
            user_uid: "user".to_owned(),
            authenticated: true,
        }
    }

    #[test]
    fn ses_01_the_pending_request_is_bound_to_the_browser() {
        let text = pending().seal(&ring(), &BROWSER, &mut SeededRng::new(1));
        assert_eq!(Pending::unseal(&ring(), &BROWSER, &text, NOW), Ok(pending()));
        assert_eq!(
            Pending::unseal(&ring(), &OTHER, &text, NOW),
            Err(PendingError::Forged)
        );
        assert_eq!(
            Pending::unseal(&other_ring(), &BROWSER, &text, NOW),
            Err(PendingError::Forged)
        );
    }

    #[test]
    fn ses_01_a_forged_request_is_refused() {
        let text = pending().seal(&ring(), &BROWSER, &mut SeededRng::new(1));
        let mut forged = text.clone().into_bytes();
        let middle = forged.len() / 2;
        forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        for wrong in [forged.as_str(), "", "!", &text[..40], "AAAA"] {
            assert_eq!(
                Pending::unseal(&ring(), &BROWSER, wrong, NOW),
                Err(PendingError::Forged)
            );
        }
    }

    #[test]
    fn ses_01_a_request_expires_after_ten_minutes() {
        let text = pending().seal(&ring(), &BROWSER, &mut SeededRng::new(1));
        let later = |s| NOW + SignedDuration::from_secs(s);
        assert!(Pending::unseal(&ring(), &BROWSER, &text, later(600)).is_ok());
        assert_eq!(
            Pending::unseal(&ring(), &BROWSER, &text, later(601)),
            Err(PendingError::Expired)
        );
        // Another pod's clock may be a little behind.
        assert!(Pending::unseal(&ring(), &BROWSER, &text, later(-5)).is_ok());
    }

    #[test]
    fn ses_01_of_an_old_request_the_way_back_is_left() {
        let text = pending().seal(&ring(), &BROWSER, &mut SeededRng::new(1));
        assert_eq!(Pending::lapsed(&ring(), &BROWSER, &text), Some(request()));
        assert_eq!(Pending::lapsed(&ring(), &OTHER, &text), None);
        assert_eq!(Pending::lapsed(&other_ring(), &BROWSER, &text), None);
        assert_eq!(Pending::lapsed(&ring(), &BROWSER, &text[4..]), None);
    }

    #[test]
    fn ses_03_a_csrf_token_is_bound_to_the_browser() {
        let token = csrf_token(&ring(), &BROWSER);
        assert!(csrf_matches(&ring(), &BROWSER, &token));
        assert!(!csrf_matches(&ring(), &OTHER, &token));
        assert!(!csrf_matches(&other_ring(), &BROWSER, &token));
        assert!(!csrf_matches(&ring(), &BROWSER, ""));
        assert!(!csrf_matches(&ring(), &BROWSER, &format!("{token}A")));
    }

    proptest! {
        #[test]
        fn opening_never_panics(text in "\\PC{0,200}") {
            prop_assert!(Pending::unseal(&ring(), &BROWSER, &text, NOW).is_err());
            prop_assert!(!csrf_matches(&ring(), &BROWSER, &text));
        }
    }
}
