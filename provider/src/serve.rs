//! `serve`: a pod of the chart. Everything comes from the cluster, what must be shared is in Redis.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use axum_server::Control;
use kube::client::ClientBuilder;
use oidc_crds::names::Seconds;
use oidc_crds::secrets::installation::{Installation, Namespaces};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;

use crate::app::App;
use crate::cluster;
use crate::config::Serve;
use crate::resources::kubernetes::acknowledge::Pod;
use crate::resources::kubernetes::contact::ContactLayer;
use crate::resources::kubernetes::registrar::ClusterRegistrar;
use crate::resources::kubernetes::{self, Home};
use crate::store::redis::RedisStore;
use crate::uses::report;
use crate::{rate, router, server};

/// How long open connections may take to end.
const DRAIN: Duration = Duration::from_secs(20);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When a setting is wrong, or anything ends that never should.
pub async fn serve(settings: Serve) -> anyhow::Result<()> {
    let store =
        RedisStore::connect(settings.redis.expose()).map_err(|error| anyhow!("REDIS_URL: {}", error.0))?;
    let app = Arc::new(App {
        registrar: Some(Arc::new(ClusterRegistrar)),
        ..App::new(nobody(&settings.release), Arc::new(store))
    });
    let internal =
        server::bind(settings.internal_listen).map_err(|error| anyhow!("OIDC_INTERNAL_LISTEN: {error}"))?;
    let client = api_server(&app).await?;
    app.cluster.connect(client.clone());
    let home = Home {
        namespace: settings.namespace,
        release: settings.release,
    };
    let pod = Pod {
        name: settings.pod,
        uid: settings.pod_uid,
    };
    app.uses.tell_as(pod.uid.clone());

    let (certificate, certificates) = watch::channel(None);
    let (public_control, internal_control) = (Control::new(), Control::new());
    let mut tasks = JoinSet::new();
    tasks.spawn(cluster::keep(app.clone()));
    tasks.spawn(kubernetes::run(app.clone(), client, home, pod, certificate));
    let exchange = rate::exchange::run(app.clone());
    tasks.spawn(async move {
        exchange.await;
        Ok(())
    });
    let reports = report::run(app.clone());
    tasks.spawn(async move {
        reports.await;
        Ok(())
    });
    let (routes, control) = (router::internal(app.clone()), internal_control.clone());
    tasks.spawn(async move { Ok(server::plain(internal, routes, control).await?) });
    let (routes, control) = (router::router(app.clone()), public_control.clone());
    let of_clients = router::mutual(app.clone());
    let (mut first, certificate) = (certificates.clone(), certificates.clone());
    let public = async move {
        // nothing can be said before there is a certificate
        first
            .wait_for(Option::is_some)
            .await
            .context("the certificate's watch ended")?;
        let listener = server::bind(settings.listen).map_err(|error| anyhow!("OIDC_LISTEN: {error}"))?;
        info!(address = %settings.listen, "listening");
        let public = server::https(listener, certificates.clone(), routes, control.clone());
        let Some(address) = settings.mtls_listen else {
            return Ok(public.await?);
        };
        let listener = server::bind(address).map_err(|error| anyhow!("OIDC_MTLS_LISTEN: {error}"))?;
        info!(%address, "listening for clients with certificates");
        tokio::try_join!(
            public,
            server::mutual(listener, certificates, of_clients, control)
        )?;
        Ok(())
    };

    let mut public = tokio::spawn(public);
    tokio::select! {
        signal = crate::stop_signal() => signal?,
        ended = tasks.join_next() => return Err(failure(ended)),
        ended = &mut public => return Err(failure(Some(ended))),
    }
    info!("stopping");
    app.readiness.stopping();
    if certificate.borrow().is_none() {
        report::last_word(&app, true).await;
        info!("stopped: nothing was served yet");
        return Ok(());
    }
    let delay = tokio::time::sleep(Duration::from_secs(settings.shutdown_delay.0));
    tokio::select! {
        () = delay => {}
        ended = tasks.join_next() => return Err(failure(ended)),
    }
    public_control.graceful_shutdown(Some(DRAIN));
    let drained = tokio::time::timeout(DRAIN + Duration::from_secs(1), &mut public).await;
    if drained.is_err() {
        public.abort();
    }
    report::last_word(&app, drained.is_ok()).await;
    internal_control.shutdown();
    info!("stopped");
    Ok(())
}

/// Why a task that never should has ended.
fn failure(ended: Option<Result<anyhow::Result<()>, tokio::task::JoinError>>) -> anyhow::Error {
    match ended {
        Some(Ok(Err(error))) => error,
        Some(Err(error)) => error.into(),
        Some(Ok(Ok(()))) | None => anyhow!("a task ended that never should"),
    }
}

/// The cluster's client. It does not retry by itself: the watches do, and sooner.
async fn api_server(app: &Arc<App>) -> anyhow::Result<kube::Client> {
    let mut config = kube::Config::infer().await.context("no cluster to talk to")?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(Duration::from_secs(30));
    config.default_retry = false;
    let builder = ClientBuilder::try_from(config).context("no cluster to talk to")?;
    Ok(builder.with_layer(&ContactLayer(app.clone())).build())
}

/// What the installation is until its ConfigMap was read: it serves nobody.
fn nobody(release: &str) -> Installation {
    Installation {
        release: release.to_owned(),
        issuer: String::new(),
        class_name: release.to_owned(),
        default_class: false,
        namespaces: Namespaces::Watch(Vec::new()),
        jwks_max_age: Seconds(0),
        lifetimes: Default::default(),
        limits: Default::default(),
        client_address: None,
        outbound: Default::default(),
        pages: Default::default(),
        allowed: Default::default(),
        grants: Vec::new(),
        tls: None,
        mtls: None,
        envelope: None,
        redis: None,
        registration: None,
        trust: Default::default(),
        classes: Default::default(),
        grants_all: false,
        weak_secrets: false,
    }
}
