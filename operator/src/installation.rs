//! `<release>-installation`, watched by its name. A later version that cannot be read leaves the last
//! good one in force, loudly; so does its deletion. At the start there must be one. The classes of all
//! installations belong to it: whose a client is depends on them, so nothing is in force before they were listed.

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
use oidc_crds::secrets::installation::{Classes, Installation};
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
        let (mut listed, mut read, mut known) = (false, None, Known::default());
        loop {
            tokio::select! {
                event = events.next() => match event {
                    None => return Ok(()),
                    Some(Ok(Event::Apply(map))) => self.take(&map, &mut read).await,
                    Some(Ok(Event::InitApply(map))) => {
                        listed = true;
                        self.take(&map, &mut read).await;
                    }
                    Some(Ok(Event::Init)) => listed = false,
                    Some(Ok(Event::InitDone)) if listed => {}
                    Some(Ok(Event::InitDone | Event::Delete(_))) => self.gone(),
                    Some(Err(error)) => self.broke("ConfigMap", &error),
                },
                Some(event) = classes.next() => match event {
                    Ok(event) => known.take(event),
                    Err(error) => {
                        known.failed(&error);
                        self.broke("OidcClass", &error);
                    }
                },
            }
            if let (Some(read), Some(classes)) = (&read, known.classes(&self.names)) {
                self.put_in_force(read, classes);
            }
        }
    }

    /// The ConfigMap as it was read last, beside these classes.
    fn put_in_force(&self, read: &Installation, classes: Classes) {
        let others = |classes: &Classes| classes.others().collect::<Vec<_>>().join(", ");
        let mut now = read.clone();
        now.classes = classes;
        let before = self.current.borrow().clone();
        if before.as_deref() == Some(&now) {
            return;
        }
        let before_others = before.as_ref().map(|before| others(&before.classes));
        let classes = others(&now.classes);
        if before_others.as_ref() != Some(&classes) && !(before_others.is_none() && classes.is_empty()) {
            tracing::info!(classes, "other installations of the cluster");
        }
        let (class, taken) = (&now.class_name, now.classes.is_of_another(&now.class_name));
        if taken && !before.is_some_and(|before| before.classes.is_of_another(class)) {
            tracing::error!(
                class,
                "the OidcClass of this name is another installation's: clients that name it are left to that one"
            );
        }
        let configmap = self.names.installation();
        self.current.send_replace(Some(Arc::new(now)));
        tracing::info!(configmap, "installation in force");
    }

    async fn take(&self, map: &ConfigMap, read: &mut Option<Installation>) {
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
            Ok(parsed) => {
                if let Some(unknown) = parsed.warning() {
                    tracing::warn!(
                        configmap = self.names.installation(),
                        unknown,
                        "the installation's ConfigMap says what this version does not know"
                    );
                }
                *read = Some(parsed.value);
            }
            Err(problem) => self.refuse(map, &problem, read.is_some()).await,
        }
    }

    async fn refuse(&self, map: &ConfigMap, problem: &str, kept: bool) {
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

/// The cluster's classes by name, once they were listed. While they are listed anew, those of before count.
#[derive(Default)]
struct Known {
    classes: Option<BTreeMap<String, OidcClass>>,
    listing: BTreeMap<String, OidcClass>,
}

impl Known {
    fn take(&mut self, event: Event<OidcClass>) {
        match event {
            Event::Init => self.listing.clear(),
            Event::InitApply(class) => drop(self.listing.insert(class.name_any(), class)),
            Event::InitDone => self.classes = Some(std::mem::take(&mut self.listing)),
            Event::Apply(class) => {
                let known = self.classes.get_or_insert_default();
                known.insert(class.name_any(), class);
            }
            Event::Delete(class) => {
                let known = self.classes.get_or_insert_default();
                known.remove(&class.name_any());
            }
        }
    }

    /// A cluster whose definitions are of an older version has no classes.
    fn failed(&mut self, error: &watcher::Error) {
        if let watcher::Error::InitialListFailed(kube::Error::Api(status)) = error
            && status.code == 404
        {
            self.classes.get_or_insert_default();
        }
    }

    /// As they are for this installation.
    fn classes(&self, names: &Names) -> Option<Classes> {
        let own = InstallationRef {
            namespace: names.namespace.clone(),
            release: names.release.clone(),
        };
        let known = self.classes.as_ref()?;
        Some(Classes::of(known.values(), &own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            release: "oidc".into(),
            namespace: "idp".into(),
            pod: "op-0".into(),
        }
    }

    fn class(name: &str) -> OidcClass {
        OidcClass::new(name, Default::default())
    }

    fn answer(code: u16) -> watcher::Error {
        let mut status = kube::core::Status::failure("no", "No");
        status.code = code;
        watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn classes_are_known_once_they_were_listed_or_cannot_be_there() {
        let mut known = Known::default();
        for code in [403, 500, 503] {
            known.failed(&answer(code));
        }
        known.take(Event::Init);
        known.take(Event::InitApply(class("a")));
        assert_eq!(known.classes(&names()), None, "there may be more");
        known.take(Event::InitDone);
        let others = |known: &Known| {
            let classes = known.classes(&names()).expect("known");
            classes.others().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(others(&known), ["a"]);
        known.take(Event::Apply(class("b")));
        known.take(Event::Init);
        known.failed(&answer(404));
        assert_eq!(others(&known), ["a", "b"], "those of before count");
        let mut none = Known::default();
        none.failed(&answer(404));
        assert!(others(&none).is_empty());
    }
}
