//! Keys ready for use: parsed once per key set, never per token.

use jiff::Timestamp;
use oidc_crds::jwk::KeyError;
use oidc_crds::names::Algorithm;
use oidc_crds::secrets::key_set::KeySet;

use crate::jwt::{Signer, Verifier};

/// Everything of one key set. Immutable: a new set makes a new one.
pub struct Keys {
    signers: Vec<(Timestamp, Signer)>,
    verifiers: Vec<Verifier>,
    default_algorithm: Algorithm,
    jwks: Vec<u8>,
    acknowledgement: String,
}

impl Keys {
    /// Parses all keys. RSA keys take about 0.2 ms each.
    ///
    /// # Errors
    /// When a key cannot be used; nothing is left out silently.
    pub fn from_key_set(set: &KeySet) -> Result<Self, KeyError> {
        let _ = set;
        todo!()
    }

    /// The signer for an algorithm (`None`: the default's), if one may sign at `now`.
    #[must_use]
    pub fn signer(&self, algorithm: Option<Algorithm>, now: Timestamp) -> Option<&Signer> {
        let _ = (algorithm, now, &self.signers, self.default_algorithm);
        todo!()
    }

    /// The verifier for a kid of a published key.
    #[must_use]
    pub fn verifier(&self, kid: &str) -> Option<&Verifier> {
        let _ = (kid, &self.verifiers);
        todo!()
    }

    /// Algorithms that some key signs now, for discovery.
    #[must_use]
    pub fn algorithms(&self) -> Vec<Algorithm> {
        todo!()
    }

    /// The JWKS document as bytes.
    #[must_use]
    pub fn jwks(&self) -> &[u8] {
        &self.jwks
    }

    /// What the pod acknowledges.
    #[must_use]
    pub fn acknowledgement(&self) -> &str {
        &self.acknowledgement
    }
}
