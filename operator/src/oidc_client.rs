//! `OidcClient` → the app's Secret and the digests of its credentials in status.
//!
//! One reconcile: observe (the only reads) → the verdict of the one validator → plan (pure) → execute →
//! status computed from what was applied. No finalizer: the owner reference removes the Secret, and the
//! provider drops the client when its watch tells.

mod checks;
mod hosts;
mod left;
mod notes;
mod observe;
mod plan;
mod reserved;
mod restart;
mod written;

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, PartialObjectMeta};
use kube::{Resource, ResourceExt};
use kube_runtime::controller::{self, Action, Controller};
use kube_runtime::reflector::{self, ObjectRef, Store};
use kube_runtime::{WatchStreamExt, watcher};
use oidc_crds::names::LABEL_WATCH;
use oidc_crds::registration::{Fate, fate};
use oidc_crds::resources::{OidcClient, OidcClientStatus, Reason};
use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::uses::Seen;
use oidc_crds::validate::Violation;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::context::{Context, Material, now, whole_seconds};
use crate::execute::Error;
use crate::index::{GuardedClient, Judged, Ours};
use crate::plan::Note;
use crate::telemetry::tell_standing;
use crate::uses;
use crate::watches::{self, Scope, until};

use written::Written;

pub(crate) use left::tell as tell_left;
pub(crate) use observe::{data_of, to_data};

pub(crate) const KIND: &str = "OidcClient";
const CONCURRENCY: u16 = 16;

/// One scope's clients: where they are kept and how they are woken.
pub(crate) struct Clients {
    context: Arc<Context>,
    scope: Scope,
    store: Store<GuardedClient>,
    writer: reflector::store::Writer<GuardedClient>,
    wake: mpsc::UnboundedReceiver<ObjectRef<GuardedClient>>,
}

/// What each reconcile of a scope shares.
struct Shared {
    context: Arc<Context>,
    written: Written,
}

impl Clients {
    /// Prepares the scopes of an installation and makes the index begin with them.
    pub(crate) fn begin(context: &Arc<Context>, installation: &Arc<Installation>) -> Vec<Self> {
        let mut index = Vec::new();
        let clients = Scope::of(&installation.namespaces)
            .into_iter()
            .map(|scope| {
                let (store, writer) = reflector::store();
                let (sender, wake) = mpsc::unbounded_channel();
                index.push((scope.clone(), store.clone(), sender));
                Self {
                    context: context.clone(),
                    scope,
                    store,
                    writer,
                    wake,
                }
            })
            .collect();
        context.index.begin(installation.clone(), index);
        clients
    }

    /// Reconciles until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Self {
            context,
            scope,
            store,
            writer,
            wake,
        } = self;
        let relisted = Arc::new(watch::Sender::new(()));
        let secrets = |selector: &str| {
            watches::secrets(
                scope.api(context.client.clone()),
                watches::config().labels(selector),
                relisted.clone(),
            )
        };
        let shared = Arc::new(Shared {
            context: context.clone(),
            written: Written::default(),
        });
        let lookup = store.clone();
        Controller::for_stream(objects(&context, &scope, writer, &shared), store)
            .owns_stream(secrets(&context.names.managed_selector()))
            .watches_stream(secrets(LABEL_WATCH), move |secret| referring(&lookup, &secret))
            .reconcile_on(stream::unfold(wake, |mut wake| async move {
                Some((wake.recv().await?, wake))
            }))
            .reconcile_all_on(watches::changes(context.index.refreshed()))
            .reconcile_all_on(watches::changes(context.material.subscribe()))
            .reconcile_all_on(watches::changes(relisted.subscribe()))
            .with_config(controller::Config::default().concurrency(CONCURRENCY))
            .graceful_shutdown_on(stop.cancelled_owned())
            .run(reconcile, on_error, shared)
            .for_each(|outcome| {
                if let Err(controller::Error::QueueError(error)) = outcome {
                    context.metrics.watch_failed(KIND);
                    tracing::warn!(kind = KIND, error = watches::told(&error), "a watch broke");
                }
                std::future::ready(())
            })
            .await;
    }
}

/// Drops what is never read, and the room that lists have for more: there are thousands.
fn slim(object: &mut GuardedClient) {
    watches::slim(object.meta_mut());
    if let Ok(client) = &mut object.0 {
        client.spec.redirect_uris.shrink_to_fit();
        if let Some(status) = &mut client.status {
            status.conditions.shrink_to_fit();
            status.credentials.shrink_to_fit();
        }
    }
}

/// The scope's clients, each told to store, index and overlay before it is reconciled.
fn objects(
    context: &Arc<Context>,
    scope: &Scope,
    writer: reflector::store::Writer<GuardedClient>,
    shared: &Arc<Shared>,
) -> BoxStream<'static, Result<GuardedClient, watcher::Error>> {
    let api: Api<GuardedClient> = scope.api(context.client.clone());
    let (context, scope, shared) = (context.clone(), scope.clone(), shared.clone());
    watcher(api, watches::config())
        .default_backoff()
        .modify(slim)
        .reflect(writer)
        .inspect_err({
            let (context, scope) = (context.clone(), scope.clone());
            move |error| {
                if is_refused(error) {
                    context.index.unreadable(&scope);
                }
            }
        })
        .inspect_ok(move |event| {
            shared.written.seen(event);
            context.index.client_event(&scope, event);
        })
        .applied_objects()
        .boxed()
}

/// Whether the namespace is gone, or its Role: then no client there can be served, and nobody else may
/// have to wait for it.
fn is_refused(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if [403, 404].contains(&status.code))
}

/// The clients whose `secretRef` names this Secret.
fn referring(
    store: &Store<GuardedClient>,
    secret: &PartialObjectMeta<Secret>,
) -> Vec<ObjectRef<GuardedClient>> {
    store
        .state()
        .iter()
        .filter(|object| object.namespace() == secret.namespace())
        .filter(|object| {
            object.0.as_ref().is_ok_and(|client| {
                client
                    .spec
                    .secret_ref
                    .as_ref()
                    .is_some_and(|reference| Some(&reference.name) == secret.metadata.name.as_ref())
            })
        })
        .map(|object| ObjectRef::from_obj(object.as_ref()))
        .collect()
}

async fn reconcile(object: Arc<GuardedClient>, shared: Arc<Shared>) -> Result<Action, Error> {
    let context = &shared.context;
    let client = match &object.0 {
        Ok(client) => shared.written.newest(client),
        Err(invalid) => {
            let note = Note::warning(Reason::Unparsable, invalid.to_string());
            tracing::warn!(kind = KIND, object = %ObjectRef::from_obj(object.as_ref()), error = %invalid, "unparsable");
            context.announce(&object.object_ref(&()), &[note]).await;
            context.metrics.reconciled(KIND, Reason::Unparsable);
            return Ok(Action::await_change());
        }
    };
    context.index.synced().await;
    let _one_of_few = context.reconciles.acquire().await;
    let (Some(installation), Some(material)) = (context.index.installation(), context.material()) else {
        return Ok(Action::await_change()); // woken when there are
    };
    if client.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let (reason, again) = match context.index.client_verdict(&client) {
        None => return Ok(Action::await_change()), // not ours, or woken when there is one
        Some(Judged::Contested(violations)) => (shared.refuse(&client, &violations).await?, None),
        Some(Judged::Ours(judged)) => shared.step(&client, *judged, &installation, &material).await?,
    };
    context.metrics.reconciled(KIND, reason);
    context.failures.succeeded(&failure_key(&client));
    Ok(again.map_or_else(Action::await_change, Action::requeue))
}

impl Shared {
    /// Observes, plans, executes. The reason of `Ready`, and when to look again.
    async fn step(
        &self,
        client: &OidcClient,
        judged: Ours,
        installation: &Installation,
        material: &Material,
    ) -> Result<(Reason, Option<Duration>), Error> {
        let context = &self.context;
        let Ours {
            verdict,
            routed_hosts,
            unreadable,
        } = judged;
        let mut observed = observe::observe(context, client, verdict.as_ref().ok()).await?;
        let rules = installation.registration.as_ref();
        let mut fated = fate(client, rules, &observed.seen, now());
        if fated == Fate::Expired {
            // it may have been used since the last look; that no pod answers, the next look says
            observed.seen = match uses::learn(context).await {
                Ok(true) => observe::seen(context, client),
                Ok(false) | Err(_) => Seen::default(),
            };
            fated = fate(client, rules, &observed.seen, now());
        }
        let look = match fated {
            Fate::Expired => return self.expire(client).await,
            Fate::Again(at) => Some(until(at, now())),
            Fate::Stays => None,
        };
        let home = context.names.home();
        let terms = plan::Terms {
            release: &context.names.release,
            home: &home,
            installation,
            pepper: &material.pepper,
            ca: material.ca.as_deref(),
            routed_hosts,
            unreadable_routes: unreadable,
            now: whole_seconds(now()),
        };
        let verdict = verdict.as_ref().map_err(Vec::as_slice);
        let plan = plan::plan(client, &observed, verdict, &terms, &mut SystemRng);
        let about = client.object_ref(&());
        let mut client = client.clone();
        if let Some(status) = plan.first_status(&client) {
            client = self.write_status(&client, status).await?;
        }
        let (applied, failure) = match self.write_secret(&client, &plan).await {
            Ok(applied) if plan.restarts.is_due() => {
                let mut applied = applied.restarted(plan.restarts.run(context, terms.now).await);
                let failure = applied.open_restart();
                (applied, failure)
            }
            Ok(applied) => (applied, None),
            // Nobody may believe that the Secret is there: the status says so before the next try.
            Err(error @ Error::Api { .. }) => (plan::Applied::failed(&error), Some(error)),
            Err(error) => return Err(error),
        };
        let outcome = plan.finish(&client, &applied, terms.now);
        if client.status.as_ref() != Some(&outcome.status) {
            let written = self.write_status(&client, outcome.status).await?;
            tell_standing(&written, conditions(&client), conditions(&written));
        }
        context.announce(&about, &outcome.notes).await;
        match failure {
            Some(error) => Err(error),
            None => Ok((outcome.reason, [outcome.again, look].into_iter().flatten().min())),
        }
    }

    /// Says of a client what all installations say between which it must choose: so nobody observes anything, and
    /// each finds the others' status to be its own.
    async fn refuse(&self, client: &OidcClient, violations: &[Violation]) -> Result<Reason, Error> {
        let outcome =
            plan::refusal(client, violations).finish(client, &plan::Applied::nothing(), whole_seconds(now()));
        if client.status.as_ref() != Some(&outcome.status) {
            let written = self.write_status(client, outcome.status).await?;
            tell_standing(&written, conditions(client), conditions(&written));
        }
        self.context
            .announce(&client.object_ref(&()), &outcome.notes)
            .await;
        Ok(outcome.reason)
    }

    /// Deletes a client that a program registered and nobody used.
    async fn expire(&self, client: &OidcClient) -> Result<(Reason, Option<Duration>), Error> {
        let api: Api<OidcClient> = Api::namespaced(
            self.context.client.clone(),
            &client.namespace().unwrap_or_default(),
        );
        self.context.remove(&api, KIND, client).await?;
        let reason = Reason::RegistrationExpired;
        let object = ObjectRef::from_obj(client);
        tracing::info!(kind = KIND, %object, reason = reason.as_str(), "never used since it registered itself: deleted");
        let note = Note::normal(reason, "never used since it registered itself: deleted");
        self.context.announce(&client.object_ref(&()), &[note]).await;
        Ok((reason, None))
    }

    async fn write_status(&self, client: &OidcClient, status: OidcClientStatus) -> Result<OidcClient, Error> {
        let api: Api<OidcClient> = Api::namespaced(
            self.context.client.clone(),
            &client.namespace().unwrap_or_default(),
        );
        let mut client = client.clone();
        client.status = Some(status);
        client.metadata.managed_fields = None;
        self.written.begin(&client);
        let answer = self.context.replace_status(&api, KIND, &client).await;
        self.written.end(&client, answer.as_ref().ok());
        answer
    }

    /// Writes the Secret, then removes what is there of it under former names.
    async fn write_secret(&self, client: &OidcClient, plan: &plan::Plan) -> Result<plan::Applied, Error> {
        let api: Api<Secret> = Api::namespaced(
            self.context.client.clone(),
            &client.namespace().unwrap_or_default(),
        );
        let applied = match &plan.secret {
            None => plan::Applied::nothing(),
            Some(write) => self.put_secret(client, &api, write).await?,
        };
        for former in &plan.remove {
            self.context.remove(&api, "Secret", former).await?;
            let object = ObjectRef::from_obj(client);
            tracing::info!(kind = KIND, %object, secret = former.name_any(), "Secret of the former name removed");
        }
        Ok(applied)
    }

    async fn put_secret(
        &self,
        client: &OidcClient,
        api: &Api<Secret>,
        write: &plan::SecretWrite,
    ) -> Result<plan::Applied, Error> {
        let secret = match write {
            plan::SecretWrite::Create(secret) => self.context.create(api, "Secret", secret).await?,
            plan::SecretWrite::Replace(secret) => self.context.replace(api, "Secret", secret).await?,
        };
        let reason = match write {
            plan::SecretWrite::Create(_) => Reason::SecretCreated,
            plan::SecretWrite::Replace(_) => Reason::SecretUpdated,
        };
        let object = ObjectRef::from_obj(client);
        tracing::info!(kind = KIND, %object, secret = secret.name_any(), reason = reason.as_str(), "Secret written");
        Ok(plan::Applied::secret(&secret))
    }
}

fn conditions(client: &OidcClient) -> &[Condition] {
    client.status.as_ref().map_or(&[], |status| &status.conditions)
}

fn failure_key(client: &OidcClient) -> String {
    format!("{KIND}/{}", client.uid().unwrap_or_default())
}

fn on_error(object: Arc<GuardedClient>, error: &Error, shared: Arc<Shared>) -> Action {
    let context = &shared.context;
    let key = format!("{KIND}/{}", object.uid().unwrap_or_default());
    match error {
        Error::NotLeading => return Action::await_change(),
        Error::Conflict(_) => {
            tracing::debug!(kind = KIND, object = %ObjectRef::from_obj(object.as_ref()), %error, "trying again");
        }
        _ => {
            context.metrics.reconciled(KIND, Reason::WriteFailed);
            tracing::warn!(kind = KIND, object = %ObjectRef::from_obj(object.as_ref()), %error, "trying again");
        }
    }
    Action::requeue(context.failures.failed(&key))
}
