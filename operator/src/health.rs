//! The internal port: liveness, readiness, a summary, metrics.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use oidc_crds::secrets::installation::Installation;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::lease::Leadership;
use crate::telemetry::Metrics;

/// What the port tells about.
#[derive(Clone)]
pub(crate) struct Health {
    pub(crate) leadership: Leadership,
    pub(crate) installation: watch::Receiver<Option<Arc<Installation>>>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Health {
    /// Ready, leading or not, once the installation is known: a follower can take over at any time.
    fn ready(&self) -> bool {
        self.installation.borrow().is_some()
    }
}

/// Opens the port. `[::]` falls back to `0.0.0.0` on a machine without IPv6.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = match TcpListener::bind(address).await {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() => {
            tracing::debug!(%error, "no IPv6, listening on IPv4 only");
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        other => other,
    };
    listener.with_context(|| format!("OIDC_INTERNAL_LISTEN: cannot listen on {address}"))
}

/// Serves the port until `stop`.
///
/// # Errors
/// When accepting fails.
pub(crate) async fn serve(
    listener: TcpListener,
    health: Health,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    axum::serve(listener, router(health))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
        .context("the internal port")
}

fn router(health: Health) -> Router {
    Router::new()
        .route("/health", get(summary))
        .route("/health/live", get(|| async { "ok\n" }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn ready(State(health): State<Health>) -> Response {
    if health.ready() {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        let why = "waiting for a valid ConfigMap of the installation, and the list of OidcClasses\n";
        (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
    }
}

async fn summary(State(health): State<Health>) -> Response {
    let ready = health.ready();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "status": if ready { "ok" } else { "waiting" },
        "leader": health.leadership.check().is_ok(),
        "installation": if ready { "ok" } else { "missing or invalid" },
    });
    (status, Json(body)).into_response()
}

async fn metrics(State(health): State<Health>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    health.metrics.leads(health.leadership.check().is_ok());
    ([(header::CONTENT_TYPE, kind)], health.metrics.text()).into_response()
}
