//! [`Written`]: what this process wrote and the watch has not told of yet.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kube::ResourceExt;
use kube_runtime::watcher;
use oidc_crds::resources::OidcClient;

use crate::index::GuardedClient;

/// Clients as this process wrote them last, until the watch has told of it: a reconcile that runs before
/// would see the old status and plan a write that must fail.
#[derive(Default)]
pub(super) struct Written(Mutex<HashMap<String, Write>>);

/// The last write of a client.
enum Write {
    /// Not answered yet; the versions that the watch has told of meanwhile.
    Open(Vec<String>),
    /// Answered with this, and the watch has not told of it yet.
    Done(Box<OidcClient>),
}

impl Written {
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<String, Write>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn begin(&self, client: &OidcClient) {
        let uid = client.uid().unwrap_or_default();
        self.with(|all| all.insert(uid, Write::Open(Vec::new())));
    }

    /// The watch may have been faster than the answer, and then there is nothing to keep.
    pub(super) fn end(&self, client: &OidcClient, answer: Option<&OidcClient>) {
        let uid = client.uid().unwrap_or_default();
        self.with(|all| {
            // Without the entry the watch began anew, or told of the deletion.
            let (Some(Write::Open(told)), Some(answer)) = (all.remove(&uid), answer) else {
                return;
            };
            let version = answer.resource_version().unwrap_or_default();
            if !told.contains(&version) {
                all.insert(uid, Write::Done(Box::new(answer.clone())));
            }
        });
    }

    pub(super) fn newest(&self, client: &OidcClient) -> OidcClient {
        let uid = client.uid().unwrap_or_default();
        self.with(|all| match all.get(&uid) {
            Some(Write::Done(ours)) => (**ours).clone(),
            _ => client.clone(),
        })
    }

    /// Follows the watch, which tells of every version in order, except after it began anew.
    pub(super) fn seen(&self, event: &watcher::Event<GuardedClient>) {
        match event {
            watcher::Event::Init => self.with(HashMap::clear),
            watcher::Event::InitDone => {}
            watcher::Event::Delete(object) => {
                let uid = object.uid().unwrap_or_default();
                self.with(|all| all.remove(&uid));
            }
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
                let uid = object.uid().unwrap_or_default();
                let version = object.resource_version().unwrap_or_default();
                self.with(|all| {
                    let caught_up = match all.get_mut(&uid) {
                        Some(Write::Open(told)) => {
                            told.push(version);
                            false
                        }
                        Some(Write::Done(ours)) => ours.metadata.resource_version == Some(version),
                        None => false,
                    };
                    if caught_up {
                        all.remove(&uid);
                    }
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(version: &str) -> OidcClient {
        let mut client = OidcClient::new("app", Default::default());
        client.metadata.uid = Some("u1".into());
        client.metadata.resource_version = Some(version.into());
        client
    }

    fn tell(written: &Written, version: &str) {
        let object = oidc_crds::guard::Guarded(Ok(client(version)));
        written.seen(&watcher::Event::Apply(object));
    }

    fn newest(written: &Written, version: &str) -> Option<String> {
        written.newest(&client(version)).resource_version()
    }

    #[test]
    fn the_own_write_is_known_before_the_watch_tells_it() {
        let written = Written::default();
        written.begin(&client("5"));
        written.end(&client("5"), Some(&client("7")));
        assert_eq!(newest(&written, "5").as_deref(), Some("7"));
        tell(&written, "6");
        assert_eq!(newest(&written, "6").as_deref(), Some("7"));
        tell(&written, "7");
        tell(&written, "8");
        assert_eq!(newest(&written, "8").as_deref(), Some("8"));
    }

    #[test]
    fn a_watch_that_is_faster_than_the_answer_is_believed() {
        let written = Written::default();
        written.begin(&client("5"));
        tell(&written, "7");
        tell(&written, "8");
        written.end(&client("5"), Some(&client("7")));
        assert_eq!(newest(&written, "8").as_deref(), Some("8"));
    }

    #[test]
    fn a_watch_that_begins_anew_may_skip_the_own_version() {
        let written = Written::default();
        written.begin(&client("5"));
        written.seen(&watcher::Event::Init);
        tell(&written, "9");
        written.end(&client("5"), Some(&client("7")));
        assert_eq!(newest(&written, "9").as_deref(), Some("9"));
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let written = Written::default();
        written.begin(&client("5"));
        written.end(&client("5"), None);
        assert_eq!(newest(&written, "5").as_deref(), Some("5"));
    }
}
