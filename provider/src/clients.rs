//! The clients that are served: a lock-free snapshot. Whoever is in it passed validation and
//! arbitration; resources replace it whole.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arc_swap::ArcSwap;
use oidc_crds::client::Client;
use tokio::sync::Notify;

/// Clients by id and by what is bound to them.
#[derive(Default)]
pub struct ClientIndex {
    snapshot: ArcSwap<Snapshot>,
    published: Notify,
}

#[derive(Default)]
struct Snapshot {
    by_id: HashSet<ById>,
    by_grantee: HashSet<ByGrantee>,
}

/// A client that is found by its id, which is not copied for that.
struct ById(Arc<Client>);

impl Borrow<str> for ById {
    fn borrow(&self) -> &str {
        self.0.client_id()
    }
}

/// A client that is found by what its tokens are bound to.
struct ByGrantee(Arc<Client>);

impl Borrow<str> for ByGrantee {
    fn borrow(&self) -> &str {
        self.0.grantee()
    }
}

/// As `Borrow` demands: equal, and hashed, like the text.
macro_rules! like_its_text {
    ($name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                Borrow::<str>::borrow(self) == Borrow::<str>::borrow(other)
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                Borrow::<str>::borrow(self).hash(state);
            }
        }
    };
}

like_its_text!(ById);
like_its_text!(ByGrantee);

impl ClientIndex {
    /// The client with this id.
    #[must_use]
    pub fn get(&self, client_id: &str) -> Option<Arc<Client>> {
        let snapshot = self.snapshot.load();
        snapshot.by_id.get(client_id).map(|ById(client)| client.clone())
    }

    /// The client to which this was issued ([`Client::grantee`]).
    #[must_use]
    pub fn by_grantee(&self, grantee: &str) -> Option<Arc<Client>> {
        let snapshot = self.snapshot.load();
        snapshot
            .by_grantee
            .get(grantee)
            .map(|ByGrantee(client)| client.clone())
    }

    /// Waits until the client whose object has this UID is served.
    pub async fn served(&self, uid: &str) -> Arc<Client> {
        self.until(|| {
            let snapshot = self.snapshot.load();
            let mut clients = snapshot.by_grantee.iter().map(|ByGrantee(client)| client);
            clients.find(|client| client.uid() == uid).cloned()
        })
        .await
    }

    /// Waits until a look at the clients finds something.
    pub async fn until<T>(&self, look: impl Fn() -> Option<T>) -> T {
        loop {
            // from here on no publication is missed
            let published = self.published.notified();
            if let Some(found) = look() {
                return found;
            }
            published.await;
        }
    }

    /// All of them, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Client>> {
        let snapshot = self.snapshot.load();
        let clients = snapshot.by_grantee.iter();
        clients.map(|ByGrantee(client)| client.clone()).collect()
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
        let clients = clients.into_iter();
        let number = clients.size_hint().0;
        let mut snapshot = Snapshot {
            by_id: HashSet::with_capacity(number),
            by_grantee: HashSet::with_capacity(number),
        };
        for client in clients {
            snapshot.by_grantee.replace(ByGrantee(client.clone()));
            snapshot.by_id.replace(ById(client));
        }
        self.snapshot.store(Arc::new(snapshot));
        self.published.notify_waiters();
    }
}
