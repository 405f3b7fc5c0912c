//! All `SigningKey`s → the key-set Secret, the truth about keys, by one reconcile; each status is derived
//! from the set. The phases are `oidc-crds`' [`schedule`]; here it is given what is known, and its decision
//! is written.

mod envelope;
mod imports;
mod plan;
pub(crate) mod pods;
mod spares;
mod truth;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ObjectReference, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::Api;
use kube::{Resource, ResourceExt};
use kube_runtime::reflector::{self, Store};
use kube_runtime::watcher::Event;
use oidc_crds::guard::Guarded;
use oidc_crds::names::Seconds;
use oidc_crds::resources::{Reason, SigningKey};
use oidc_crds::schedule::{Acknowledgements, Schedule, schedule};
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::key_set::KeySet;
use oidc_crds::validate::shortest_publish_for;
use tokio_util::sync::CancellationToken;

use crate::context::{Context, now, whole_seconds};
use crate::execute::Error;
use crate::oidc_client::to_data;
use crate::own_secrets::{must_be_ours, own_secret};
use crate::plan::Note;
use crate::telemetry::tell_standing;
use crate::watches;

use envelope::{Form, Locked};
use pods::{Departures, Fleet};
use spares::Spares;

const KIND: &str = "SigningKey";

/// A SigningKey, or what is left of one that cannot be parsed.
pub(crate) type GuardedKey = Guarded<SigningKey>;

/// Reconciles until `stop`.
pub(crate) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let api: Api<GuardedKey> = Api::namespaced(context.client.clone(), &context.names.namespace);
    let (store, mut writer) = reflector::store();
    let wake = context.wake_signing_keys.clone();
    let watch = watches::wake_on(
        api,
        watches::config(),
        KIND,
        &context,
        &stop,
        move |event: Event<GuardedKey>| {
            writer.apply_watcher_event(&event);
            if matches!(event, Event::Apply(_) | Event::Delete(_) | Event::InitDone) {
                wake.notify_one();
            }
        },
    );
    let keys = Keys {
        context: context.clone(),
        store,
        announced: Mutex::default(),
        last: Mutex::default(),
        failed: AtomicBool::new(false),
        orphans_told: Mutex::default(),
        spares: Spares::default(),
        departures: Mutex::default(),
    };
    let work = async {
        // In a wrong order keys could be taken for unwanted, or their algorithms for unused.
        tokio::select! {
            () = stop.cancelled() => return,
            ready = keys.store.wait_until_ready() => if ready.is_err() { return },
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = context.index.synced() => {}
        }
        let wake = context.wake_signing_keys.as_ref();
        watches::run_single(KIND, &context, wake, &stop, || keys.reconcile()).await;
    };
    tokio::join!(watch, pods::watch(&context, &stop), work);
}

struct Keys {
    context: Arc<Context>,
    store: Store<GuardedKey>,
    /// Unparsable objects that an Event was written for, by UID and version.
    announced: Mutex<HashSet<(String, String)>>,
    /// The set that was read or written last.
    last: Mutex<Option<KeySet>>,
    /// Whether the last reconcile failed.
    failed: AtomicBool,
    /// What was told last of keys whose SigningKey is gone.
    orphans_told: Mutex<Vec<String>>,
    spares: Spares,
    departures: Mutex<Departures>,
}

/// A reconcile that did not finish.
enum Failure {
    /// Each status says why, or no status can be written.
    Told(Error),
    /// No status says so yet.
    Untold(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Untold(error)
    }
}

impl Keys {
    /// One reconcile; when time brings the next step.
    async fn reconcile(&self) -> Result<Option<Timestamp>, Error> {
        let context = &self.context;
        let Some(installation) = context.installation() else {
            return Ok(None);
        };
        let objects: Vec<Arc<GuardedKey>> = self
            .store
            .state()
            .into_iter()
            .filter(|object| object.meta().deletion_timestamp.is_none())
            .collect();
        self.tell_unparsable(&objects).await;
        let failed = match self.step(&installation, &objects).await {
            Ok(next) => {
                self.failed.store(false, Ordering::Relaxed);
                return Ok(next);
            }
            Err(failed) => failed,
        };
        // What succeeds when it is tried again is not worth a word.
        let again = self.failed.swap(true, Ordering::Relaxed);
        match failed {
            Failure::Untold(error @ (Error::Api { .. } | Error::Unusable(_))) if again => {
                self.tell_failed(&objects, &error).await;
                Err(error)
            }
            Failure::Told(error) | Failure::Untold(error) => Err(error),
        }
    }

    async fn step(
        &self,
        installation: &Installation,
        objects: &[Arc<GuardedKey>],
    ) -> Result<Option<Timestamp>, Failure> {
        let context = &self.context;
        let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &context.names.namespace);
        // All of them to their end: of several that fail, the same is told each time.
        let (found, fleet, imports) = tokio::join!(
            self.read_set(&secrets),
            pods::read(context),
            imports::read(context, &secrets, objects)
        );
        let (found, fleet, imports) = (found?, fleet?, imports?);
        let (form, found) = match self.open(&secrets, installation, found).await? {
            Ok(opened) => opened,
            Err(locked) => return self.locked(objects, locked).await.map_err(Failure::Told),
        };
        let knows_a_set = fleet.knows_a_set;
        let (found, former, mut notes) = self.truth(&secrets, found, &form, objects).await?;
        let acknowledgements = self.acknowledgements(fleet, former.as_ref(), installation);
        let demand = context.index.demand();
        let mut input = plan::input(objects, former.as_ref(), installation, demand, imports);
        input.terms.first &= !knows_a_set;
        let decided = schedule(
            &input.wanted,
            former.as_ref(),
            &acknowledgements,
            &input.terms,
            now(),
        );
        notes.extend(decided.notes.iter().cloned());
        let told = plan::Told {
            notes,
            steps: decided.steps.clone(),
            waits: decided.waits.clone(),
        };
        let next = decided.next;
        let next_set = self.mint(decided, former.clone()).await?;
        let mut about = found.as_ref().map(|secret| secret.object_ref(&()));
        if let Some(set) = &next_set {
            let written = self.write_set(&secrets, found, set, &form).await?;
            about = Some(written.object_ref(&()));
        } else if let (Some(secret), Some(set)) = (found, &former)
            && !form.is_that_of(&secret)
        {
            self.write_set(&secrets, Some(secret), set, &form).await?;
            tracing::info!("the private keys of the key set are {}", form.told());
        }
        self.remember(next_set.as_ref().or(former.as_ref()));
        let changed = next_set.is_some();
        let set = next_set.or(former);
        let behind = acknowledgements.missing(set.as_ref()).count();
        context.metrics.pods_behind(behind);
        if let Some(set) = &set {
            // Of a set that was lost without a trace only the pods know what is offered.
            let algorithms = set.algorithms();
            if !algorithms.is_empty() {
                context.index.algorithms(algorithms);
            }
            context.metrics.orphaned_keys(plan::orphans(objects, set));
        }
        for object in objects {
            self.update_status(object, &input, set.as_ref(), &told, changed)
                .await
                .map_err(Failure::Told)?;
        }
        self.tell_orphans(about, told.of_nobody(objects), changed).await;
        let spares = self.spares.clone();
        // Nobody waits for it.
        drop(tokio::task::spawn_blocking(move || spares.fill(&input.wanted)));
        Ok(next)
    }

    /// What pods say, with when the last JWKS without what they publish now is too old to be used.
    fn acknowledgements(
        &self,
        fleet: Fleet,
        set: Option<&KeySet>,
        installation: &Installation,
    ) -> Acknowledgements {
        let word = set.map(KeySet::acknowledgement);
        let mut departures = self.departures.lock().unwrap_or_else(PoisonError::into_inner);
        let departed = departures.look(&fleet, word.as_deref(), now());
        // After `jwks.maxAge` was lowered, some caches still go by the former one.
        let former = set.and_then(|set| set.caches).map_or(0, |caches| caches.longest);
        let cache = shortest_publish_for(installation).max(Seconds(former));
        fleet.with_caches(departed, cache)
    }

    /// The set to write, with its new keys. An RSA key takes a tenth of a second and more, if none was made in
    /// advance.
    async fn mint(&self, decided: Schedule, former: Option<KeySet>) -> Result<Option<KeySet>, Error> {
        if !decided.changed {
            return Ok(None);
        }
        let spares = self.spares.clone();
        tokio::task::spawn_blocking(move || {
            decided.next_set(former.as_ref(), |algorithm, bits| spares.take(algorithm, bits))
        })
        .await
        .map_err(|error| Error::Unusable(format!("no key was minted: {error}")))?
        .map_err(|error| Error::Unusable(format!("no key was minted: {error}")))
    }

    /// Tells each SigningKey what failed; it is tried again.
    async fn tell_failed(&self, objects: &[Arc<GuardedKey>], error: &Error) {
        let error = error.to_string();
        for object in objects {
            let Ok(key) = &object.0 else { continue };
            let outcome = plan::failed(key, &error, whole_seconds(now()));
            if let Err(error) = self.put_status(key, outcome).await {
                tracing::debug!(%error, "a status was not written");
            }
        }
    }

    /// Tells of keys whose SigningKey is gone, at the key set: in the log as long as it lasts, by an Event once.
    async fn tell_orphans<'a>(
        &self,
        about: Option<ObjectReference>,
        told: impl Iterator<Item = &'a (String, Reason, String)>,
        changed: bool,
    ) {
        let (mut events, mut lasts) = (Vec::new(), Vec::new());
        for (name, reason, message) in told {
            let text = format!("SigningKey {name}, which was deleted: {message}");
            let is_alarm = *reason == Reason::AlgorithmInUse;
            if is_alarm {
                tracing::warn!(signing_key = name, reason = reason.as_str(), message);
                lasts.push(text.clone());
            } else {
                tracing::info!(signing_key = name, reason = reason.as_str(), message);
            }
            if is_alarm || (changed && plan::is_event(*reason)) {
                events.push(Note {
                    reason: *reason,
                    warning: is_alarm,
                    message: text,
                });
            }
        }
        {
            let mut before = self.orphans_told.lock().unwrap_or_else(PoisonError::into_inner);
            events.retain(|note| !before.contains(&note.message));
            *before = lasts;
        }
        if let Some(about) = about {
            self.context.announce(&about, &events).await;
        }
    }

    /// Tells each SigningKey why nothing can be done; it is tried again.
    async fn locked(&self, objects: &[Arc<GuardedKey>], locked: Locked) -> Result<Option<Timestamp>, Error> {
        for object in objects {
            if let Ok(key) = &object.0 {
                let outcome = plan::locked(key, locked.reason, &locked.message, whole_seconds(now()));
                self.put_status(key, outcome).await?;
            }
        }
        Err(Error::Unusable(locked.message))
    }

    async fn read_set(&self, api: &Api<Secret>) -> Result<Option<Secret>, Error> {
        let name = self.context.names.key_set();
        api.get_opt(&name)
            .await
            .map_err(Error::api(format!("get Secret {name}")))
    }

    async fn write_set(
        &self,
        api: &Api<Secret>,
        found: Option<Secret>,
        set: &KeySet,
        form: &Form,
    ) -> Result<Secret, Error> {
        let names = &self.context.names;
        let data = form.data(set).await?;
        let written = match found {
            None => {
                let secret = own_secret(names, names.key_set(), "Opaque", data);
                self.context.create(api, "Secret", &secret).await?
            }
            Some(mut secret) => {
                must_be_ours(names, &secret)?;
                secret.data = Some(to_data(data));
                secret.metadata.managed_fields = None;
                self.context.replace(api, "Secret", &secret).await?
            }
        };
        tracing::info!(revision = set.revision, "key set written");
        Ok(written)
    }

    async fn update_status(
        &self,
        object: &GuardedKey,
        input: &plan::Input,
        set: Option<&KeySet>,
        told: &plan::Told,
        changed: bool,
    ) -> Result<(), Error> {
        let Ok(key) = &object.0 else {
            return Ok(());
        };
        let outcome = plan::status(key, input, set, told, changed, whole_seconds(now()));
        self.put_status(key, outcome).await
    }

    async fn put_status(&self, key: &SigningKey, outcome: plan::Outcome) -> Result<(), Error> {
        let context = &self.context;
        context.metrics.reconciled(KIND, outcome.reason);
        if key.status.as_ref() != Some(&outcome.status) {
            let api: Api<SigningKey> = Api::namespaced(context.client.clone(), &context.names.namespace);
            let mut next = key.clone();
            next.metadata.managed_fields = None;
            next.status = Some(outcome.status);
            match context.replace_status(&api, KIND, &next).await {
                Ok(written) => tell_standing(key, conditions(key), conditions(&written)),
                // It changed or was deleted meanwhile; its watch event brings the next reconcile.
                Err(Error::Conflict(_)) => context.wake_signing_keys.notify_one(),
                Err(Error::Api { source, .. }) if is_not_found(&source) => {}
                Err(error) => return Err(error),
            }
        }
        context.announce(&key.object_ref(&()), &outcome.notes).await;
        Ok(())
    }

    async fn tell_unparsable(&self, objects: &[Arc<GuardedKey>]) {
        for object in objects {
            let Err(invalid) = &object.0 else { continue };
            let seen = (
                object.uid().unwrap_or_default(),
                object.resource_version().unwrap_or_default(),
            );
            let is_new = self
                .announced
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(seen);
            if is_new {
                let note = Note::warning(Reason::Unparsable, invalid.to_string());
                tracing::warn!(kind = KIND, object = object.name_any(), error = %invalid, "unparsable");
                self.context.announce(&object.object_ref(&()), &[note]).await;
                self.context.metrics.reconciled(KIND, Reason::Unparsable);
            }
        }
    }
}

fn conditions(key: &SigningKey) -> &[Condition] {
    key.status.as_ref().map_or(&[], |status| &status.conditions)
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
