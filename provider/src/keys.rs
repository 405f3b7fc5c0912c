//! Keys that sign and keys that are published, and the documents made from them: lock-free snapshots,
//! rebuilt once per change (tested in `resources/held.rs`). The last good set stays in force whatever happens to its Secret.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use oidc_crds::jwk::KeyError;
use oidc_crds::names::{Algorithm, Seconds};
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::key_set::KeySet;
use oidc_protocol::discovery::{Capabilities, document};
use oidc_protocol::keys::Keys;
use tokio::sync::watch;

use crate::openapi::{self, Surface};

/// A document as prepared bytes with its headers.
pub struct Document {
    /// The JSON.
    pub body: Bytes,
    /// A strong entity tag, quoted (RFC 9110 §8.8.3).
    pub etag: HeaderValue,
    /// How long it may be kept (RFC 9111 §5.2.2); agrees with the wait before a published key signs.
    pub cache_control: HeaderValue,
}

impl Document {
    /// The entity tag is made from the content, so pods that serve the same bytes agree on it.
    fn new(body: Vec<u8>, max_age: Seconds) -> Result<Self, KeyError> {
        let hash = digest(&SHA256, &body);
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]));
        let value = |text: String| {
            HeaderValue::try_from(text).map_err(|_| KeyError("a document has no headers".to_owned()))
        };
        Ok(Self {
            etag: value(etag)?,
            cache_control: value(format!("public, max-age={}", max_age.0))?,
            body: body.into(),
        })
    }
}

/// Keys with their documents.
pub struct Prepared {
    /// The keys.
    pub keys: Keys,
    /// `/jwks.json`.
    pub jwks: Document,
    /// The discovery document.
    pub discovery: Document,
    /// `/openapi.json`.
    pub openapi: Document,
}

/// What is switched on beyond the keys.
#[derive(Debug, Clone, Copy)]
pub struct Offers {
    /// Whether `/register` is open.
    pub registration: bool,
    /// Whether `/metrics` is on the main port.
    pub metrics: bool,
}

impl Prepared {
    /// Parses the keys and writes the documents; RSA keys take about 0.2 ms each.
    ///
    /// # Errors
    /// When a key cannot be used: the whole set is refused, the last good one stays in force.
    pub fn build(set: &KeySet, installation: &Installation, offers: Offers) -> Result<Self, KeyError> {
        let keys = Keys::from_key_set(set)?;
        let discovery = document(&Capabilities {
            issuer: &installation.issuer,
            algorithms: &keys.algorithms(),
            registration: offers.registration,
            mtls: installation.mtls.as_ref(),
            scopes: &public_scopes(installation),
        });
        let description = openapi::document(&Surface {
            issuer: &installation.issuer,
            discovery: &discovery,
            registration: offers.registration,
            metrics: offers.metrics,
        });
        let age = installation.jwks_max_age;
        Ok(Self {
            jwks: Document::new(keys.jwks().to_vec(), age)?,
            discovery: Document::new(discovery.to_string().into_bytes(), age)?,
            openapi: Document::new(description.to_string().into_bytes(), age)?,
            keys,
        })
    }

    /// The same, acknowledged as another set ([`Keys::acknowledged_as`]).
    #[must_use]
    pub fn acknowledged_as(self, word: String) -> Self {
        Self {
            keys: self.keys.acknowledged_as(word),
            ..self
        }
    }
}

/// Scopes beyond the standard ones that every namespace may have; others are nobody's business.
fn public_scopes(installation: &Installation) -> Vec<String> {
    let mut scopes = Vec::new();
    for grant in &installation.grants {
        if grant.namespaces.iter().any(|namespace| namespace == "*") {
            for scope in &grant.scopes {
                if !scopes.contains(scope) {
                    scopes.push(scope.clone());
                }
            }
        }
    }
    scopes
}

/// Holds the present [`Prepared`].
#[derive(Default)]
pub struct KeyHolder {
    prepared: ArcSwapOption<Prepared>,
    changes: watch::Sender<()>,
}

impl KeyHolder {
    /// What is in force; `None` before the first key set.
    #[must_use]
    pub fn load(&self) -> Option<Arc<Prepared>> {
        self.prepared.load_full()
    }

    /// Algorithms that some key signs with; `None` before the first key set.
    #[must_use]
    pub fn algorithms(&self) -> Option<BTreeSet<Algorithm>> {
        Some(self.load()?.keys.algorithms().into_iter().collect())
    }

    /// Puts a new set in force.
    pub fn publish(&self, prepared: Prepared) {
        self.prepared.store(Some(Arc::new(prepared)));
        self.changes.send_replace(());
    }

    /// Wakes after each new set, once it is in force.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Files below a folder that name a text before their tests begin.
    fn naming(text: &str, folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                found.extend(naming(text, &path));
            } else if !name.ends_with("tests.rs") {
                let source = fs::read_to_string(&path).unwrap();
                let code = source.split("#[cfg(test)]").next().unwrap();
                if code.contains(text) {
                    found.push(name);
                }
            }
        }
        found
    }

    /// An RSA key takes a tenth of a second and more, which requests would wait for.
    #[test]
    fn signing_keys_are_made_by_the_operator_and_standalone_only() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        assert_eq!(naming("PrivateJwk::generate", &sources), ["keys.rs"]);
        assert_eq!(
            naming("PrivateJwk::generate", &sources.join("resources/folder")),
            ["keys.rs"]
        );
    }
}
