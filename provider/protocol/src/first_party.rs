//! Pages of our own that a person signs in for: no client asks, and nothing but a session can come of it.
//! What their forms carry is of other kinds than a client's request, so none can be sent in another's place.

use jiff::Timestamp;
use oidc_crds::seal::KeyRing;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::handle::Digest;
use crate::pending::{self, PendingError};
use crate::records::Session;

/// How long after the person proved who they are dangerous actions ask for no password, in seconds.
pub const FRESH_SECONDS: i64 = 300;

/// Whether the person must give the password once more before a dangerous action.
#[must_use]
pub fn must_reauthenticate(session: &Session, now: Timestamp) -> bool {
    now.as_second().saturating_sub(session.auth_time.as_second()) > FRESH_SECONDS
}

/// A page of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// `/account`.
    Account,
}

/// A login form of our own: its hidden field `_request`, sealed, bound to the browser, good for 10 minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingPage {
    /// Where the person goes afterwards.
    pub page: Page,
    /// When the form was made.
    pub since: Timestamp,
}

impl PendingPage {
    const KIND: &[u8] = b"page";

    /// The value of `_request` (base64url).
    pub fn seal(&self, ring: &KeyRing, browser: &Digest, rng: &mut impl CryptoRng) -> String {
        pending::seal(ring, browser, Self::KIND, self, rng)
    }

    /// Opens a `_request`.
    ///
    /// # Errors
    /// When it is forged, of another kind or browser, or too old.
    pub fn unseal(
        ring: &KeyRing,
        browser: &Digest,
        text: &str,
        now: Timestamp,
    ) -> Result<Self, PendingError> {
        pending::unseal(ring, browser, Self::KIND, text, now, |page: &Self| page.since)
    }
}

/// That a person gave the right password for one sealed request in this browser: carried by the form that asks
/// what to do about a session too many, as its hidden field `_proof`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordProof {
    /// UID of the user.
    pub user_uid: String,
    /// When that was.
    pub at: Timestamp,
    request: [u8; 32],
}

impl PasswordProof {
    const KIND: &[u8] = b"password-proof";

    /// For a request, as it stands in the form's `_request`.
    #[must_use]
    pub fn new(user_uid: &str, request: &str, now: Timestamp) -> Self {
        Self {
            user_uid: user_uid.to_owned(),
            at: now,
            request: Digest::of(request).0,
        }
    }

    /// The value of `_proof` (base64url).
    pub fn seal(&self, ring: &KeyRing, browser: &Digest, rng: &mut impl CryptoRng) -> String {
        pending::seal(ring, browser, Self::KIND, self, rng)
    }

    /// Opens a `_proof` beside its `_request`.
    ///
    /// # Errors
    /// When it is forged, of another request, kind or browser, or too old.
    pub fn unseal(
        ring: &KeyRing,
        browser: &Digest,
        text: &str,
        request: &str,
        now: Timestamp,
    ) -> Result<Self, PendingError> {
        let proof = pending::unseal(ring, browser, Self::KIND, text, now, |proof: &Self| proof.at)?;
        if proof.request == Digest::of(request).0 {
            Ok(proof)
        } else {
            Err(PendingError::Forged)
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use oidc_crds::testing::SeededRng;

    use super::*;
    use crate::pending::Pending;
    use crate::testing::{NOW, request, ring, session};

    const BROWSER: Digest = Digest([1; 32]);
    const OTHER: Digest = Digest([2; 32]);

    #[test]
    fn ses_01_forms_of_one_kind_are_no_forms_of_another() {
        let mut rng = SeededRng::new(1);
        let page = PendingPage {
            page: Page::Account,
            since: NOW,
        };
        let of_page = page.seal(&ring(), &BROWSER, &mut rng);
        let proof = PasswordProof::new("user", &of_page, NOW);
        let of_proof = proof.seal(&ring(), &BROWSER, &mut rng);
        let pending = Pending {
            request: request(),
            since: NOW,
            consent_for: Vec::new(),
            user_uid: String::new(),
            authenticated: false,
        };
        let of_client = pending.seal(&ring(), &BROWSER, &mut rng);
        assert_eq!(PendingPage::unseal(&ring(), &BROWSER, &of_page, NOW), Ok(page));
        assert_eq!(
            PasswordProof::unseal(&ring(), &BROWSER, &of_proof, &of_page, NOW),
            Ok(proof)
        );
        let forged = PendingError::Forged;
        for other in [&of_client, &of_proof] {
            assert_eq!(PendingPage::unseal(&ring(), &BROWSER, other, NOW), Err(forged));
        }
        for other in [&of_page, &of_proof] {
            assert_eq!(Pending::unseal(&ring(), &BROWSER, other, NOW), Err(forged));
        }
        for other in [&of_page, &of_client] {
            assert_eq!(
                PasswordProof::unseal(&ring(), &BROWSER, other, &of_page, NOW),
                Err(forged)
            );
        }
        // another request, another browser
        assert_eq!(
            PasswordProof::unseal(&ring(), &BROWSER, &of_proof, &of_client, NOW),
            Err(forged)
        );
        assert_eq!(
            PasswordProof::unseal(&ring(), &OTHER, &of_proof, &of_page, NOW),
            Err(forged)
        );
        assert_eq!(PendingPage::unseal(&ring(), &OTHER, &of_page, NOW), Err(forged));
        // and too late
        let late = NOW + SignedDuration::from_secs(601);
        let expired = PendingError::Expired;
        assert_eq!(
            PendingPage::unseal(&ring(), &BROWSER, &of_page, late),
            Err(expired)
        );
        assert_eq!(
            PasswordProof::unseal(&ring(), &BROWSER, &of_proof, &of_page, late),
            Err(expired)
        );
    }

    #[test]
    fn ses_04_dangerous_actions_need_a_fresh_sign_in() {
        let after = |seconds| {
            must_reauthenticate(
                &session(),
                session().auth_time + SignedDuration::from_secs(seconds),
            )
        };
        assert!(!after(-5) && !after(0) && !after(300));
        assert!(after(301) && after(86_400));
    }
}
