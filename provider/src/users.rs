//! The users who may sign in: a lock-free snapshot, replaced whole by resources.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use oidc_crds::user::User;

/// Users by username and by UID.
#[derive(Default)]
pub struct UserIndex {
    snapshot: ArcSwap<Snapshot>,
}

#[derive(Default)]
struct Snapshot {
    by_username: HashMap<String, Arc<User>>,
    by_uid: HashMap<String, Arc<User>>,
}

impl UserIndex {
    /// The user who signs in with this name.
    #[must_use]
    pub fn by_username(&self, username: &str) -> Option<Arc<User>> {
        self.snapshot.load().by_username.get(username).cloned()
    }

    /// The user whose object has this UID.
    #[must_use]
    pub fn by_uid(&self, uid: &str) -> Option<Arc<User>> {
        self.snapshot.load().by_uid.get(uid).cloned()
    }

    /// All of them, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<User>> {
        self.snapshot.load().by_uid.values().cloned().collect()
    }

    /// Replaces them all.
    pub fn publish(&self, users: impl IntoIterator<Item = Arc<User>>) {
        let mut snapshot = Snapshot::default();
        for user in users {
            snapshot.by_uid.insert(user.uid().to_owned(), user.clone());
            snapshot.by_username.insert(user.username().to_owned(), user);
        }
        self.snapshot.store(Arc::new(snapshot));
    }
}
