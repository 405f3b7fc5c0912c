//! Streams that wake reconciles: where to look, and what a change there means.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, PartialObjectMeta};
use kube::{Client, Resource};
use kube_runtime::watcher::{self, Event, watcher as watch_objects};
use kube_runtime::{WatchStreamExt, predicates};
use oidc_crds::secrets::installation::Namespaces;
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::context::{Context, now};
use crate::execute::{Error, answer};

/// Where clients are: one namespace, or all of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    All,
    Namespace(String),
}

impl Scope {
    /// The scopes of an installation.
    pub(crate) fn of(namespaces: &Namespaces) -> Vec<Self> {
        match namespaces {
            Namespaces::Watch(names) => names.iter().cloned().map(Self::Namespace).collect(),
            Namespaces::ClusterWide { .. } => vec![Self::All],
        }
    }

    pub(crate) fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Namespace(name) => name == namespace,
        }
    }

    pub(crate) fn api<K>(&self, client: Client) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        match self {
            Self::All => Api::all(client),
            Self::Namespace(name) => Api::namespaced(client, name),
        }
    }
}

/// Drops what is never read of an object that is kept, and is larger than all else.
pub(crate) fn slim(metadata: &mut ObjectMeta) {
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

/// Settings of all watches: one that died is noticed within 30 s, and lists come in pages that need little
/// memory.
pub(crate) fn config() -> watcher::Config {
    watcher::Config::default().timeout(24).page_size(100)
}

/// The metadata of Secrets that are made, changed or deleted; never their data. `relisted` is woken
/// when the watch had to start anew, because a deletion may have been missed then.
pub(crate) fn secrets(
    api: Api<PartialObjectMeta<Secret>>,
    config: watcher::Config,
    relisted: Arc<watch::Sender<()>>,
) -> impl Stream<Item = Result<PartialObjectMeta<Secret>, watcher::Error>> + Send + 'static {
    let mut first = true;
    watch_objects(api, config)
        .default_backoff()
        .inspect_ok(move |event| {
            if matches!(event, Event::InitDone) {
                if !first {
                    relisted.send_replace(());
                }
                first = false;
            }
        })
        .touched_objects()
        .predicate_filter(predicates::resource_version, Default::default())
}

/// Yields once for each change of a watched value.
pub(crate) fn changes<T: Send + Sync + 'static>(
    receiver: watch::Receiver<T>,
) -> impl Stream<Item = ()> + Send + 'static {
    stream::unfold(receiver, |mut receiver| async move {
        receiver.changed().await.ok()?;
        receiver.borrow_and_update();
        Some(((), receiver))
    })
}

/// Watches objects of one kind for their wake-up only, until `stop`.
pub(crate) async fn wake_on<K>(
    api: Api<K>,
    config: watcher::Config,
    kind: &'static str,
    context: &Context,
    stop: &CancellationToken,
    mut on: impl FnMut(Event<K>),
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut events = watch_objects(api, config)
        .default_backoff()
        .take_until(stop.cancelled())
        .boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => on(event),
            Err(error) => {
                context.metrics.watch_failed(kind);
                tracing::warn!(kind, error = told(&error), "a watch broke");
            }
        }
    }
}

/// A watch's error for the log, on one line. Answers that could not be read may hold pieces of objects.
pub(crate) fn told(error: &watcher::Error) -> String {
    use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(error) => format!("the list failed: {}", answer(error)),
        WatchStartFailed(error) => format!("the watch did not begin: {}", answer(error)),
        WatchFailed(error) => format!("the watch failed: {}", answer(error)),
        WatchError(status) => format!("the watch was ended: {}", status.message),
        NoResourceVersion => error.to_string(),
    }
}

/// Looks again after this time, even if nothing woke the reconcile.
const RESYNC: Duration = Duration::from_secs(300);

/// A reconcile of one thing there is only one of: runs at the start, when woken, when due, and after
/// failures with growing pauses.
pub(crate) async fn run_single<F>(
    name: &'static str,
    context: &Context,
    wake: &Notify,
    stop: &CancellationToken,
    reconcile: impl Fn() -> F,
) where
    F: Future<Output = Result<Option<jiff::Timestamp>, Error>>,
{
    while !stop.is_cancelled() {
        let pause = match reconcile().await {
            Ok(next) => {
                context.failures.succeeded(name);
                next.map_or(RESYNC, |at| until(at, now()).min(RESYNC))
            }
            Err(Error::NotLeading) => return,
            Err(error) => {
                let pause = context.failures.failed(name);
                if matches!(error, Error::Conflict(_)) {
                    tracing::debug!(name, %error, "trying again");
                } else {
                    tracing::error!(name, %error, "trying again");
                }
                pause
            }
        };
        tokio::select! {
            () = wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// The time until `at`, not less than a moment: a timer that fires early must not spin.
pub(crate) fn until(at: jiff::Timestamp, now: jiff::Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now))
        .unwrap_or_default()
        .saturating_add(Duration::from_millis(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_follow_the_installation() {
        let some = Scope::of(&Namespaces::Watch(vec!["a".into(), "b".into()]));
        assert_eq!(some, [Scope::Namespace("a".into()), Scope::Namespace("b".into())]);
        assert!(some[0].contains("a") && !some[0].contains("b"));
        let all = Scope::of(&Namespaces::ClusterWide { selector: None });
        assert_eq!(all, [Scope::All]);
        assert!(all[0].contains("anything"));
    }

    #[test]
    fn i9_a_broken_watch_tells_no_piece_of_an_object() {
        let parse = serde_json::from_str::<bool>("\"canary\"").expect_err("no boolean");
        assert!(parse.to_string().contains("canary"));
        let told = told(&watcher::Error::InitialListFailed(kube::Error::SerdeError(parse)));
        assert!(
            told.starts_with("the list failed") && !told.contains("canary"),
            "{told}"
        );
    }

    #[test]
    fn a_refusal_is_one_line() {
        let mut status = kube::core::Status::failure("oidcclients is forbidden", "Forbidden");
        status.code = 403;
        let error = watcher::Error::WatchStartFailed(kube::Error::Api(Box::new(status)));
        assert_eq!(told(&error), "the watch did not begin: oidcclients is forbidden");
    }

    #[test]
    fn what_is_overdue_is_due_now() {
        let at = |s| jiff::Timestamp::from_second(s).expect("in range");
        assert_eq!(until(at(10), at(8)), Duration::from_millis(2005));
        assert_eq!(until(at(8), at(10)), Duration::from_millis(5));
    }
}
