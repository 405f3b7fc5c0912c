//! The controller of oidc-operator.
//!
//! | module | what |
//! |---|---|
//! | `lease` | who may write: leader election; losing the lease ends the process |
//! | `installation` | the ConfigMap that says what is granted to whom |
//! | `own_secrets` | pepper, key ring, CA and certificate |
//! | `oidc_client` | a client's Secret and the digests in its status |
//! | `signing_key` | the key-set Secret and the phases of keys |
//! | `oidc_user` | sealed password digests |
//! | `uses` | when clients were used last, as the pods tell |
//! | `index` | rules between objects |
//! | `routes` | hosts that Ingresses and HTTPRoutes serve, where redirects follow them |
//! | `execute` | the only writes |
//! | `announce` | Events |
//! | `watches`, `plan`, `context` | what the controllers share |
//!
//! Each controller observes (reads), plans (pure), executes (writes) and computes the status from what was
//! applied. To add a field of a resource: its kind and rule in `oidc-crds`, then its reader in the kind's
//! `plan.rs`. To add a controller: a module like `oidc_user` and a line in `lead`.
//!
//! Every long-lived task is joined in `run`; if one ends, the process ends.

mod announce;
mod config;
mod context;
mod execute;
mod health;
mod index;
mod installation;
mod lease;
mod oidc_client;
mod oidc_user;
mod own_secrets;
mod plan;
mod routes;
mod signing_key;
mod telemetry;
mod uses;
mod watches;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, PartialObjectMeta};
use kube::{Client, ResourceExt};
use kube_runtime::events::Reporter;
use kube_runtime::watcher::Event;
use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::installation::Namespaces;
use rand_core::Rng as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use announce::Announcer;
pub use config::{LogFormat, Settings, Stop};
use context::{Context, Failures, Names};
use lease::{Elector, Leadership};
use telemetry::Metrics;

/// How many objects are reconciled at once.
const RECONCILES: usize = 16;
/// How many passwords are hashed at once.
const HASHES: usize = 2;
/// How long work in progress may take after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

/// Runs the controller until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start, when the lease is lost, or when a task ends that should not.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    telemetry::start_logging(&settings)?;
    let stop = stop_on_signal()?;
    let client = client().await?;
    let listener = health::bind(settings.internal_listen).await?;
    let names = Names {
        release: settings.release,
        namespace: settings.namespace,
        pod: settings.pod,
    };
    let leadership = Leadership::none();
    let metrics = Arc::new(Metrics::new());
    let reporter = Reporter {
        controller: names.operator(),
        instance: Some(names.pod.clone()),
    };
    let announcer = Arc::new(Announcer::new(client.clone(), reporter, leadership.clone()));
    let (current, installation) = watch::channel(None);
    let wake_signing_keys = Arc::new(Notify::new());
    let context = Arc::new(Context {
        client: client.clone(),
        names: names.clone(),
        leadership: leadership.clone(),
        installation: installation.clone(),
        material: watch::Sender::new(None),
        index: index::Index::new(wake_signing_keys.clone()),
        announcer: announcer.clone(),
        metrics: metrics.clone(),
        failures: Failures::default(),
        uses: uses::Uses::default(),
        reconciles: Semaphore::new(RECONCILES),
        hashes: Semaphore::new(HASHES),
        wake_own_secrets: Notify::new(),
        wake_signing_keys,
        imported_secrets: watch::Sender::new(BTreeSet::new()),
    });
    let health = health::Health {
        leadership: leadership.clone(),
        installation,
        metrics: metrics.clone(),
    };
    let watch = installation::Watch {
        client: client.clone(),
        names: names.clone(),
        announcer,
        metrics,
        current,
    };
    let elector = Elector::new(client, &names, SystemRng.next_u32(), leadership);
    let mut tasks = JoinSet::new();
    tasks.spawn(health::serve(listener, health, stop.clone()));
    tasks.spawn(watch.run(stop.clone()));
    tasks.spawn(lead(context, elector, stop.clone()));
    join(tasks, &stop).await
}

/// The first task that ends ends the others; only a signal makes that a success.
async fn join(mut tasks: JoinSet<anyhow::Result<()>>, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    let mut deadline = None;
    loop {
        let next = match deadline {
            None => tasks.join_next().await,
            Some(at) => match tokio::time::timeout_at(at, tasks.join_next()).await {
                Ok(next) => next,
                Err(_) => return outcome.and(Err(anyhow!("work in progress took longer than {GRACE:?}"))),
            },
        };
        let Some(ended) = next else { return outcome };
        let ended = ended.context("a task failed").and_then(|result| result);
        let ended = match ended {
            Ok(()) if !stop.is_cancelled() => Err(anyhow!("a task ended that should not")),
            other => other,
        };
        if let Err(error) = &ended {
            tracing::error!(error = format!("{error:#}"), "ending");
        }
        if outcome.is_ok() {
            outcome = ended;
        }
        stop.cancel();
        deadline.get_or_insert_with(|| tokio::time::Instant::now() + GRACE);
    }
}

/// Waits for the lease, then works while it is held.
async fn lead(context: Arc<Context>, elector: Elector, stop: CancellationToken) -> anyhow::Result<()> {
    let lease = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        lease = elector.acquire() => lease,
    };
    let work = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(work_until(context.clone(), work.clone()));
    let kept = tokio::select! {
        kept = elector.keep(lease, &stop) => kept,
        ended = tasks.join_next() => {
            return Err(match ended {
                Some(Err(error)) => anyhow!(error).context("a controller failed"),
                _ => anyhow!("a controller ended that should not"),
            });
        }
    };
    // After a lost lease nothing may be finished; on a signal, work in progress is.
    let lease = kept?;
    work.cancel();
    let finish = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE / 2, finish).await.is_err() {
        tracing::warn!("work in progress was cut off");
    }
    drop(tasks);
    elector.release(lease).await;
    Ok(())
}

/// All controllers.
async fn work_until(context: Arc<Context>, stop: CancellationToken) {
    let mut installation = context.installation.clone();
    tokio::select! {
        () = stop.cancelled() => return,
        found = installation.wait_for(Option::is_some) => if found.is_err() { return },
    }
    tokio::join!(
        own_secrets(&context, &stop),
        after_material(&context, &stop, async {
            let begun = clients_begin(&context);
            tokio::join!(
                clients(&context, begun, &stop),
                oidc_user::run(context.clone(), stop.clone()),
                signing_key::run(context.clone(), stop.clone()),
                uses::run(&context, &stop),
            );
        }),
    );
}

async fn own_secrets(context: &Context, stop: &CancellationToken) {
    let wake_on_change = async {
        let mut installation = context.installation.clone();
        while installation.changed().await.is_ok() {
            context.wake_own_secrets.notify_one();
        }
    };
    let work = watches::run_single("own Secrets", context, &context.wake_own_secrets, stop, || {
        own_secrets::reconcile(context)
    });
    tokio::select! {
        () = work => {}
        () = wake_on_change => {}
    }
}

/// Clients and users need pepper, ring and CA.
async fn after_material(context: &Context, stop: &CancellationToken, then: impl Future<Output = ()>) {
    let mut material = context.material.subscribe();
    tokio::select! {
        () = stop.cancelled() => return,
        found = material.wait_for(Option::is_some) => if found.is_err() { return },
    }
    then.await;
}

type Begun = (Namespaces, Vec<oidc_client::Clients>);

fn clients_begin(context: &Arc<Context>) -> Option<Begun> {
    let installation = context.installation()?;
    let clients = oidc_client::Clients::begin(context, &installation);
    Some((installation.namespaces.clone(), clients))
}

/// Clients of all scopes; begins anew when the installation serves other namespaces.
async fn clients(context: &Arc<Context>, mut begun: Option<Begun>, stop: &CancellationToken) {
    let mut left = Vec::new();
    while let Some((namespaces, clients)) = begun {
        let round = stop.child_token();
        let controllers = clients.into_iter().map(|clients| clients.run(round.clone()));
        let end = async {
            tokio::select! {
                () = other_namespaces(context, &namespaces) => {}
                () = stop.cancelled() => {}
            }
            round.cancel();
        };
        let tell = async {
            tokio::select! {
                () = oidc_client::tell_left(context, std::mem::take(&mut left)) => {}
                () = round.cancelled() => {}
            }
        };
        tokio::join!(
            futures::future::join_all(controllers),
            labels(context, &namespaces, &round),
            routes::follow(context, &namespaces, &round),
            tell,
            end,
        );
        if stop.is_cancelled() {
            return;
        }
        tracing::info!("other namespaces are served");
        if let Some(installation) = context.installation() {
            let scopes = watches::Scope::of(&installation.namespaces);
            left = context.index.clients_outside(&scopes);
        }
        begun = clients_begin(context);
    }
}

/// Follows the installation until it serves other namespaces than these.
async fn other_namespaces(context: &Context, namespaces: &Namespaces) {
    let mut installation = context.installation.clone();
    // The version that is there may be later than the one that was begun with.
    installation.mark_changed();
    while installation.changed().await.is_ok() {
        let Some(now) = installation.borrow_and_update().clone() else {
            continue;
        };
        if now.namespaces != *namespaces {
            return;
        }
        if context.index.installation().as_ref() != Some(&now) {
            context.index.refresh(now);
            context.wake_signing_keys.notify_one();
        }
    }
}

/// The labels of namespaces, where the installation selects by them.
async fn labels(context: &Context, namespaces: &Namespaces, stop: &CancellationToken) {
    if !namespaces.need_labels() {
        context.index.set_namespaces(None);
        return stop.cancelled().await;
    }
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(context.client.clone());
    let mut known: HashMap<String, BTreeMap<String, String>> = HashMap::new();
    let mut listed = HashMap::new();
    let on = |event: Event<PartialObjectMeta<Namespace>>| {
        match event {
            // What is not listed yet is not unlabelled.
            Event::Init => return listed.clear(),
            Event::InitApply(namespace) => {
                listed.insert(namespace.name_any(), namespace.labels().clone());
                return;
            }
            Event::InitDone => known = std::mem::take(&mut listed),
            Event::Apply(namespace) => {
                known.insert(namespace.name_any(), namespace.labels().clone());
            }
            Event::Delete(namespace) => {
                known.remove(&namespace.name_any());
            }
        }
        context.index.set_namespaces(Some(known.clone()));
    };
    watches::wake_on(api, watches::config(), "Namespace", context, stop, on).await;
}

/// A client from the pod's ServiceAccount, or from `KUBECONFIG`.
async fn client() -> anyhow::Result<Client> {
    let mut config = kube::Config::infer()
        .await
        .context("KUBECONFIG: no way to reach the API server is configured")?;
    config.connect_timeout = Some(Duration::from_secs(5));
    // A connection that has gone silent; watches are cut after 24 s of nothing.
    config.read_timeout = Some(Duration::from_secs(30));
    config.reset_reader_on_write = true;
    Client::try_from(config).context("KUBECONFIG: the configuration is of no use")
}

fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        token.cancel();
    });
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_ends_the_process() {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let waits = stop.clone();
        tasks.spawn(async move {
            waits.cancelled().await;
            Ok(())
        });
        tasks.spawn(async { Ok(()) });
        let ended = join(tasks, &stop).await;
        assert!(ended.expect_err("an error").to_string().contains("should not"));
        assert!(stop.is_cancelled(), "the others were told");
    }

    #[tokio::test]
    async fn a_task_that_panics_ends_the_process() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async { panic!("a defect") });
        let ended = join(tasks, &CancellationToken::new()).await;
        assert!(ended.is_err());
    }

    #[tokio::test]
    async fn a_signal_is_a_success() {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let waits = stop.clone();
        tasks.spawn(async move {
            waits.cancelled().await;
            Ok(())
        });
        stop.cancel();
        assert!(join(tasks, &stop).await.is_ok());
    }
}
