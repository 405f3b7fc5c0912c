//! RSA keys made in advance: making one takes a tenth of a second and more, and a compromised key must not
//! sign that long.

use std::sync::{Arc, Mutex, PoisonError};

use oidc_crds::jwk::{KeyError, PrivateJwk};
use oidc_crds::names::Algorithm;
use oidc_crds::schedule::Wanted;

type Kind = (Algorithm, Option<u32>);

/// One key for each kind that a SigningKey asks for, in memory only.
#[derive(Clone, Default)]
pub(super) struct Spares(Arc<Mutex<Vec<(Kind, PrivateJwk)>>>);

impl Spares {
    /// The key of this kind if there is one, else a new one.
    ///
    /// # Errors
    /// When none can be generated.
    pub(super) fn take(&self, algorithm: Algorithm, rsa_bits: Option<u32>) -> Result<PrivateJwk, KeyError> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = keys.iter().position(|(kind, _)| *kind == (algorithm, rsa_bits));
        let spare = at.map(|at| keys.swap_remove(at).1);
        drop(keys);
        spare.map_or_else(|| PrivateJwk::generate(algorithm, rsa_bits), Ok)
    }

    /// Makes what is missing, and forgets what nobody asks for any more. Takes long: not on a reactor thread.
    pub(super) fn fill(&self, wanted: &[Wanted]) {
        let kinds: Vec<Kind> = wanted
            .iter()
            .filter(|wanted| wanted.spec.algorithm().is_rsa())
            .map(|wanted| (wanted.spec.algorithm(), wanted.spec.rsa_bits()))
            .collect();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(kind, _)| kinds.contains(kind));
        for kind in kinds {
            let has = |keys: &[(Kind, PrivateJwk)]| keys.iter().any(|(of, _)| *of == kind);
            if has(&self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
                continue;
            }
            match PrivateJwk::generate(kind.0, kind.1) {
                Ok(key) => {
                    let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    if !has(&keys) {
                        keys.push((kind, key));
                    }
                }
                Err(error) => tracing::warn!(%error, "no key was made in advance"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use oidc_crds::resources::SigningKeySpec;
    use oidc_crds::secrets::key_set::Owner;

    use super::*;

    fn wanted(algorithm: Algorithm) -> Wanted {
        Wanted {
            owner: Owner {
                name: "main".to_owned(),
                uid: "k1".to_owned(),
            },
            created_at: Timestamp::UNIX_EPOCH,
            spec: SigningKeySpec {
                algorithm: Some(algorithm),
                ..SigningKeySpec::default()
            },
            import: None,
        }
    }

    fn kept(spares: &Spares) -> Vec<(Kind, String)> {
        let keys = spares.0.lock().expect("whole");
        let told = |(kind, key): &(Kind, PrivateJwk)| (*kind, key.thumbprint().expect("a kid"));
        keys.iter().map(told).collect()
    }

    #[test]
    fn each_spare_is_used_once_and_made_anew() {
        let spares = Spares::default();
        let both = [wanted(Algorithm::RS256), wanted(Algorithm::ES256)];
        spares.fill(&both);
        let first = kept(&spares);
        assert_eq!(first.len(), 1, "keys that take no time are not kept");
        spares.fill(&both);
        assert_eq!(kept(&spares), first);
        let other = spares.take(Algorithm::PS256, Some(2048)).expect("a key");
        assert_eq!(other.algorithm(), Ok(Algorithm::PS256), "generated");
        let taken = spares.take(Algorithm::RS256, Some(2048)).expect("a key");
        assert_eq!(taken.thumbprint().ok(), Some(first[0].1.clone()));
        assert!(kept(&spares).is_empty());
        spares.fill(&both);
        assert_ne!(kept(&spares), first);
        spares.fill(&both[1..]);
        assert!(kept(&spares).is_empty(), "nobody asks for it");
    }
}
