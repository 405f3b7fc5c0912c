//! Keys that sign and keys that are published, and the documents made from them: lock-free snapshots,
//! rebuilt once per change. The last good set stays in force whatever happens to its Secret.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use oidc_protocol::keys::Keys;

/// A document as prepared bytes with its entity tag.
pub struct Document {
    /// The JSON.
    pub body: axum::body::Bytes,
    /// A strong entity tag, quoted (RFC 9110 §8.8.3).
    pub etag: String,
}

/// Keys with their documents.
pub struct Prepared {
    /// The keys.
    pub keys: Keys,
    /// `/jwks.json`.
    pub jwks: Document,
    /// The discovery document.
    pub discovery: Document,
}

/// Holds the present [`Prepared`].
#[derive(Default)]
pub struct KeyHolder {
    prepared: ArcSwapOption<Prepared>,
}

impl KeyHolder {
    /// What is in force; `None` before the first key set.
    #[must_use]
    pub fn load(&self) -> Option<Arc<Prepared>> {
        self.prepared.load_full()
    }

    /// Puts a new set in force.
    pub fn publish(&self, prepared: Prepared) {
        self.prepared.store(Some(Arc::new(prepared)));
    }
}
