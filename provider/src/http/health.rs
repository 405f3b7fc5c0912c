//! `/health` for people, `/health/live` and `/health/ready` for the kubelet, `/metrics` for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::json;

use super::error::json_answer;
use crate::app::App;

/// What works and what does not. The store never decides readiness: keys, discovery and
/// client_credentials go on without it.
pub async fn get(State(app): State<Arc<App>>) -> Response {
    let store = app.store.ping().await;
    let status = match (app.readiness.is_ready(), &store) {
        _ if app.readiness.is_stopping() => "stopping",
        (false, _) => "starting",
        (true, Ok(())) => "ok",
        (true, Err(_)) => "degraded",
    };
    let mut of_store = json!({ "kind": app.store.kind(), "status": "ok" });
    if let Err(error) = store {
        tracing::debug!(%error, "the store does not answer");
        of_store["status"] = "unavailable".into();
        of_store["message"] =
            "the store does not answer: sign-ins, codes and refreshes get 503 until it does".into();
    }
    let keys = app.keys.load();
    let body = json!({
        "status": status,
        "store": of_store,
        "keys": { "algorithms": keys.map(|keys| keys.keys.algorithms()).unwrap_or_default() },
        "clients": app.clients.len(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    json_answer(code(app.readiness.is_ready()), body.to_string())
}

/// The process answers.
pub async fn live() -> Response {
    json_answer(StatusCode::OK, r#"{"status":"ok"}"#)
}

/// The process may get requests.
pub async fn ready(State(app): State<Arc<App>>) -> Response {
    let ready = app.readiness.is_ready();
    let body = if ready {
        r#"{"status":"ok"}"#
    } else {
        r#"{"status":"unready"}"#
    };
    json_answer(code(ready), body)
}

/// The numbers, as OpenMetrics.
pub async fn metrics(State(app): State<Arc<App>>) -> Response {
    let sessions = app.store.active_sessions(app.clock.now()).await.ok();
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], app.metrics.encode(sessions)).into_response()
}

fn code(ready: bool) -> StatusCode {
    if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}
