//! The clients that are served: a lock-free snapshot. Whoever is in it passed validation and
//! arbitration; resources replace it whole.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use oidc_crds::client::Client;

/// Clients by id and by UID.
#[derive(Default)]
pub struct ClientIndex {
    snapshot: ArcSwap<Snapshot>,
}

#[derive(Default)]
struct Snapshot {
    by_id: HashMap<String, Arc<Client>>,
    by_uid: HashMap<String, Arc<Client>>,
}

impl ClientIndex {
    /// The client with this id.
    #[must_use]
    pub fn get(&self, client_id: &str) -> Option<Arc<Client>> {
        self.snapshot.load().by_id.get(client_id).cloned()
    }

    /// The client whose object has this UID.
    #[must_use]
    pub fn by_uid(&self, uid: &str) -> Option<Arc<Client>> {
        self.snapshot.load().by_uid.get(uid).cloned()
    }

    /// All of them, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Client>> {
        self.snapshot.load().by_uid.values().cloned().collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.snapshot.load().by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Replaces them all.
    pub fn publish(&self, clients: impl IntoIterator<Item = Arc<Client>>) {
        let mut snapshot = Snapshot::default();
        for client in clients {
            snapshot.by_uid.insert(client.uid().to_owned(), client.clone());
            snapshot.by_id.insert(client.client_id().to_owned(), client);
        }
        self.snapshot.store(Arc::new(snapshot));
    }
}
