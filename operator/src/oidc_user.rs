//! `OidcUser` → the sealed digest of its password in status. Hashed only when the password's Secret, or the
//! key ring, has changed.

mod plan;

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, PartialObjectMeta};
use kube::{Resource, ResourceExt};
use kube_runtime::controller::{self, Action, Controller};
use kube_runtime::reflector::{self, ObjectRef, Store};
use kube_runtime::{WatchStreamExt, watcher};
use oidc_crds::password;
use oidc_crds::resources::oidc_user::SealedPassword;
use oidc_crds::resources::{OidcUser, Reason};
use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::is_opaque;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::context::{Context, Material, now, whole_seconds};
use crate::execute::Error;
use crate::index::GuardedUser;
use crate::plan::Note;
use crate::telemetry::tell_standing;
use crate::watches;

const KIND: &str = "OidcUser";
const CONCURRENCY: u16 = 16;

/// Reconciles until `stop`. The watch of the own namespace's Secrets that users need wakes the own Secrets
/// and the key set too.
pub(crate) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let namespace = context.names.namespace.clone();
    let (store, writer) = reflector::store();
    let (sender, wake) = mpsc::unbounded_channel();
    context.index.begin_users(sender, store.clone());
    let api: Api<GuardedUser> = Api::namespaced(context.client.clone(), &namespace);
    let tap = context.clone();
    let objects = watcher(api, watches::config())
        .default_backoff()
        .modify(|object| watches::slim(object.meta_mut()))
        .reflect(writer)
        .inspect_ok(move |event| tap.index.user_event(event))
        .applied_objects();
    let relisted = Arc::new(watch::Sender::new(()));
    let tap = context.clone();
    let secrets = watches::secrets(
        Api::namespaced(context.client.clone(), &namespace),
        watches::config(),
        relisted.clone(),
    )
    .inspect_ok(move |secret| {
        let name = secret.name_any();
        if crate::own_secrets::is_one(&tap, &name) {
            tap.wake_own_secrets.notify_one();
        }
        let is_envelope = tap.installation().is_some_and(|installation| {
            installation
                .envelope
                .as_ref()
                .is_some_and(|envelope| envelope.secret_name == name)
        });
        if is_envelope || name == tap.names.key_set() || tap.imported_secrets.borrow().contains(&name) {
            tap.wake_signing_keys.notify_one();
        }
    });
    let lookup = store.clone();
    Controller::for_stream(objects, store)
        .watches_stream(secrets, move |secret| referring(&lookup, &secret))
        .reconcile_on(stream::unfold(wake, |mut wake| async move {
            Some((wake.recv().await?, wake))
        }))
        .reconcile_all_on(watches::changes(context.material.subscribe()))
        .reconcile_all_on(watches::changes(relisted.subscribe()))
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile, on_error, context.clone())
        .for_each(|outcome| {
            if let Err(controller::Error::QueueError(error)) = outcome {
                context.metrics.watch_failed(KIND);
                tracing::warn!(kind = KIND, error = watches::told(&error), "a watch broke");
            }
            std::future::ready(())
        })
        .await;
}

/// The users whose `passwordSecretRef` names this Secret.
fn referring(store: &Store<GuardedUser>, secret: &PartialObjectMeta<Secret>) -> Vec<ObjectRef<GuardedUser>> {
    store
        .state()
        .iter()
        .filter(|object| {
            object.0.as_ref().is_ok_and(|user| {
                user.spec
                    .password_secret_ref
                    .as_ref()
                    .is_some_and(|reference| Some(&reference.name) == secret.metadata.name.as_ref())
            })
        })
        .map(|object| ObjectRef::from_obj(object.as_ref()))
        .collect()
}

async fn reconcile(object: Arc<GuardedUser>, context: Arc<Context>) -> Result<Action, Error> {
    let user = match &object.0 {
        Ok(user) => user,
        Err(invalid) => {
            let note = Note::warning(Reason::Unparsable, invalid.to_string());
            tracing::warn!(kind = KIND, object = object.name_any(), error = %invalid, "unparsable");
            context.announce(&object.object_ref(&()), &[note]).await;
            context.metrics.reconciled(KIND, Reason::Unparsable);
            return Ok(Action::await_change());
        }
    };
    context.index.synced().await;
    let _one_of_few = context.reconciles.acquire().await;
    let Some(material) = context.material() else {
        return Ok(Action::await_change()); // woken when there is some
    };
    if user.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let reason = step(&context, user, &material).await?;
    context.metrics.reconciled(KIND, reason);
    context.failures.succeeded(&failure_key(&object));
    Ok(Action::await_change())
}

async fn step(context: &Context, user: &OidcUser, material: &Material) -> Result<Reason, Error> {
    let verdict = context.index.user_verdict(user);
    let found = match (&verdict, &user.spec.password_secret_ref) {
        (Ok(_), Some(reference)) => Some(read_password(context, &reference.name).await?),
        _ => None,
    };
    let verdict = verdict.as_ref().map(|_| ()).map_err(Vec::as_slice);
    let plan = plan::plan(user, verdict, found.as_ref(), &material.ring);
    let sealed = match &plan.hash {
        None => None,
        Some(password) => Some(seal(context, user, material, password.clone()).await?),
    };
    let (status, notes) = plan.finish(user, sealed, whole_seconds(now()));
    let reason = plan.reason;
    if user.status.as_ref() != Some(&status) {
        let api: Api<OidcUser> = Api::namespaced(context.client.clone(), &context.names.namespace);
        let mut next = user.clone();
        next.metadata.managed_fields = None;
        next.status = Some(status);
        let written = context.replace_status(&api, KIND, &next).await?;
        tell_standing(user, conditions(user), conditions(&written));
    }
    context.announce(&user.object_ref(&()), &notes).await;
    Ok(reason)
}

async fn read_password(context: &Context, name: &str) -> Result<plan::Found, Error> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &context.names.namespace);
    let secret = api
        .get_opt(name)
        .await
        .map_err(Error::api(format!("get Secret {name}")))?;
    Ok(match secret {
        None => plan::Found::Missing,
        Some(Secret {
            type_: Some(kind), ..
        }) if !is_opaque(Some(&kind)) => plan::Found::OfType(kind),
        Some(secret) => plan::Found::Secret {
            fingerprint: password::fingerprint(
                &secret.uid().unwrap_or_default(),
                &secret.resource_version().unwrap_or_default(),
            ),
            password: secret
                .data
                .and_then(|mut data| data.remove("password"))
                .and_then(|bytes| String::from_utf8(bytes.0).ok())
                .map(Zeroizing::new),
        },
    })
}

/// Hashes and seals. A hash takes a core and 19 MiB for tens of milliseconds, so only few run at once.
async fn seal(
    context: &Context,
    user: &OidcUser,
    material: &Material,
    password: plan::Password,
) -> Result<SealedPassword, Error> {
    let _one_of_few = context.hashes.acquire().await;
    let plan::Password { text, fingerprint } = password;
    let phc = tokio::task::spawn_blocking(move || password::hash(&text, &mut SystemRng))
        .await
        .map_err(|error| Error::Unusable(format!("the password was not hashed: {error}")))?;
    let uid = user.metadata.uid.as_deref().unwrap_or_default();
    Ok(SealedPassword {
        sealed: password::seal(&material.ring, uid, &phc, &mut SystemRng),
        fingerprint,
    })
}

fn conditions(user: &OidcUser) -> &[Condition] {
    user.status.as_ref().map_or(&[], |status| &status.conditions)
}

fn failure_key(object: &GuardedUser) -> String {
    format!("{KIND}/{}", object.uid().unwrap_or_default())
}

fn on_error(object: Arc<GuardedUser>, error: &Error, context: Arc<Context>) -> Action {
    match error {
        Error::NotLeading => return Action::await_change(),
        Error::Conflict(_) => tracing::debug!(kind = KIND, %error, "trying again"),
        _ => {
            context.metrics.reconciled(KIND, Reason::WriteFailed);
            tracing::warn!(kind = KIND, object = object.name_any(), %error, "trying again");
        }
    }
    Action::requeue(context.failures.failed(&failure_key(&object)))
}
