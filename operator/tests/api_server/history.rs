//! What happened to an object, version by version: a look at it now and then would miss what lasts shortly.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use futures::TryStreamExt;
use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;

use crate::harness::{SOON, World, wait};

/// Every version of one object since it was looked at first, none left out, also while it is away.
pub struct History<K> {
    versions: Arc<Mutex<Vec<K>>>,
    /// The version that was found last: what is looked for next is no older.
    at: Mutex<usize>,
    follows: JoinHandle<()>,
}

impl<K> History<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    /// Of an object that may come later.
    pub async fn of(world: &World, name: &str) -> Self {
        let api: Api<K> = world.api();
        let field = format!("metadata.name={name}");
        let listed = api.list(&ListParams::default().fields(&field)).await;
        let listed = listed.expect("listed");
        let mut version = listed.metadata.resource_version.expect("a version");
        let versions = Arc::new(Mutex::new(listed.items));
        let seen = versions.clone();
        let follows = tokio::spawn(async move {
            // A watch that breaks is opened where it was: the API server has the history.
            while follow(&api, &field, &mut version, &seen).await.unwrap_or(true) {}
        });
        Self {
            versions,
            at: Mutex::default(),
            follows,
        }
    }

    /// All versions so far, oldest first. Of a deletion the last state is among them once more.
    pub fn versions(&self) -> Vec<K> {
        assert!(!self.follows.is_finished(), "the history is lost");
        self.versions.lock().expect("whole").clone()
    }

    /// Waits for a version in which there is something, not older than what was found last.
    pub async fn find<T>(&self, what: &str, look: impl Fn(&K) -> Option<T>) -> T {
        wait(what, SOON, async || {
            assert!(!self.follows.is_finished(), "the history is lost");
            let versions = self.versions.lock().expect("whole");
            let mut at = self.at.lock().expect("whole");
            let found = versions.iter().enumerate().skip(*at);
            let (index, found) = found
                .filter_map(|(index, version)| Some((index, look(version)?)))
                .next()?;
            *at = index;
            Some(found)
        })
        .await
    }
}

/// Follows one watch to its end; whether it can be opened again.
async fn follow<K>(
    api: &Api<K>,
    field: &str,
    version: &mut String,
    seen: &Mutex<Vec<K>>,
) -> kube::Result<bool>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: Clone + DeserializeOwned + Debug,
{
    let parameters = WatchParams::default().fields(field);
    let mut events = std::pin::pin!(api.watch(&parameters, version).await?);
    while let Some(event) = events.try_next().await? {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object) => {
                *version = object.resource_version().expect("a version");
                seen.lock().expect("whole").push(object);
            }
            WatchEvent::Bookmark(bookmark) => *version = bookmark.metadata.resource_version,
            WatchEvent::Error(_) => return Ok(false),
        }
    }
    Ok(true)
}

impl<K> Drop for History<K> {
    fn drop(&mut self) {
        self.follows.abort();
    }
}
