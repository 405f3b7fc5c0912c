//! `<release>-installation`, watched by its name. A later version that cannot be read leaves the last
//! good one in force, loudly; so does its deletion. At the start there must be one. The classes of other
//! installations belong to it: whose a client is depends on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use kube::{Client, Resource, ResourceExt};
use kube_runtime::watcher::{self, Event};
use kube_runtime::{WatchStreamExt, watcher as watch_objects};
use oidc_crds::resources::oidc_class::InstallationRef;
use oidc_crds::resources::{OidcClass, Reason};
use oidc_crds::secrets::installation::{Installation, Other};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::announce::Announcer;
use crate::context::Names;
use crate::plan::Note;
use crate::telemetry::Metrics;
use crate::watches;

/// What the watch needs, and where it tells.
pub(crate) struct Watch {
    pub(crate) client: Client,
    pub(crate) names: Names,
    pub(crate) announcer: Arc<Announcer>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) current: watch::Sender<Option<Arc<Installation>>>,
}

impl Watch {
    /// Watches until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.names.namespace);
        let config = watches::config().fields(&format!("metadata.name={}", self.names.installation()));
        let mut events = watch_objects(api, config)
            .default_backoff()
            .take_until(stop.cancelled_owned())
            .boxed();
        let mut classes = watch_objects(Api::<OidcClass>::all(self.client.clone()), watches::config())
            .default_backoff()
            .boxed();
        let (mut listed, mut others) = (false, Classes::default());
        loop {
            tokio::select! {
                event = events.next() => match event {
                    None => return Ok(()),
                    Some(Ok(Event::Apply(map))) => self.apply(&map, &others).await,
                    Some(Ok(Event::InitApply(map))) => {
                        listed = true;
                        self.apply(&map, &others).await;
                    }
                    Some(Ok(Event::Init)) => listed = false,
                    Some(Ok(Event::InitDone)) if listed => {}
                    Some(Ok(Event::InitDone | Event::Delete(_))) => self.gone(),
                    Some(Err(error)) => self.broke("ConfigMap", &error),
                },
                Some(event) = classes.next() => match event {
                    Ok(event) => {
                        let before = others.others(&self.names);
                        others.take(event);
                        self.classes(before, others.others(&self.names));
                    }
                    Err(error) => self.broke("OidcClass", &error),
                },
            }
        }
    }

    /// The installation as it is, beside these others.
    fn classes(&self, before: Vec<Other>, others: Vec<Other>) {
        if before == others {
            return;
        }
        let names: Vec<&str> = others.iter().map(Other::class_name).collect();
        tracing::info!(classes = names.join(", "), "other installations of the cluster");
        self.current.send_if_modified(|current| {
            let Some(installation) = current else {
                return false;
            };
            Arc::make_mut(installation).others = others;
            true
        });
    }

    async fn apply(&self, map: &ConfigMap, classes: &Classes) {
        let text = map
            .data
            .as_ref()
            .and_then(|data| data.get(Installation::DATA_KEY));
        let parsed = match text {
            Some(text) => Installation::read(text).map_err(|error| error.to_string()),
            None => Err(format!("the key {} is missing", Installation::DATA_KEY)),
        };
        self.metrics.installation_valid(parsed.is_ok());
        match parsed {
            Ok(read) => {
                let configmap = self.names.installation();
                if let Some(unknown) = read.warning() {
                    tracing::warn!(
                        configmap,
                        unknown,
                        "the installation's ConfigMap says what this version does not know"
                    );
                }
                let mut installation = read.value;
                installation.others = classes.others(&self.names);
                let changed = self.current.send_if_modified(|current| {
                    let changed = current.as_deref() != Some(&installation);
                    if changed {
                        *current = Some(Arc::new(installation));
                    }
                    changed
                });
                if changed {
                    tracing::info!(configmap, "installation in force");
                }
            }
            Err(problem) => self.refuse(map, &problem).await,
        }
    }

    async fn refuse(&self, map: &ConfigMap, problem: &str) {
        let kept = self.current.borrow().is_some();
        let configmap = self.names.installation();
        tracing::error!(
            configmap,
            problem,
            kept,
            "the installation's ConfigMap is not valid; a last good version stays in force"
        );
        let problem: String = problem.chars().take(300).collect();
        let note = Note::warning(Reason::Invalid, problem);
        self.announcer.announce(&map.object_ref(&()), &[note]).await;
    }

    fn gone(&self) {
        self.metrics.installation_valid(false);
        let configmap = self.names.installation();
        if self.current.borrow().is_some() {
            tracing::error!(
                configmap,
                "the installation's ConfigMap is gone; the last version stays in force"
            );
        } else {
            tracing::warn!(configmap, "waiting for the installation's ConfigMap");
        }
    }

    fn broke(&self, kind: &'static str, error: &watcher::Error) {
        self.metrics.watch_failed(kind);
        let error = watches::told(error);
        tracing::warn!(kind, error, "a watch broke");
    }
}

/// The cluster's classes by name. While they are listed anew, those of before count.
#[derive(Default)]
struct Classes {
    known: BTreeMap<String, OidcClass>,
    listing: BTreeMap<String, OidcClass>,
}

impl Classes {
    fn take(&mut self, event: Event<OidcClass>) {
        match event {
            Event::Init => self.listing.clear(),
            Event::InitApply(class) => drop(self.listing.insert(class.name_any(), class)),
            Event::InitDone => self.known = std::mem::take(&mut self.listing),
            Event::Apply(class) => drop(self.known.insert(class.name_any(), class)),
            Event::Delete(class) => drop(self.known.remove(&class.name_any())),
        }
    }

    fn others(&self, names: &Names) -> Vec<Other> {
        let own = InstallationRef {
            namespace: names.namespace.clone(),
            release: names.release.clone(),
        };
        Other::all(self.known.values(), &own)
    }
}
