//! `/uses` on the internal port: what all pods told of uses of credentials, for the operator alone. It asks with
//! a value sealed under the key ring, and gets the answer sealed for that ([`oidc_crds::uses`]).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use oidc_crds::rng::SystemRng;
use oidc_crds::uses::{Told, open_ask, seal_answer, tag};

use super::error::Failure;
use super::extract::authorization;
use crate::app::App;
use crate::uses::report::report;

/// Answers the operator; this process reports first.
///
/// # Errors
/// 503 when the store is away.
pub async fn get(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Failure> {
    let refused = || (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")]).into_response();
    let (Some(ring), Some(pod)) = (app.ring.load_full(), app.uses.pod()) else {
        return Ok(refused());
    };
    let now = app.clock.now();
    let bearer = authorization(&headers)?.and_then(|value| value.strip_prefix("Bearer "));
    let Some(ask) = bearer.and_then(|sealed| open_ask(&ring, pod, sealed, now)) else {
        return Ok(refused());
    };
    report(&app, false).await;
    let told = app.store.uses(tag(&ring), ask.after, now).await?;
    let told = told.unwrap_or(Told {
        kept_since: now.as_second(),
        runs: Vec::new(),
        uses: Vec::new(),
    });
    let sealed = seal_answer(&ring, pod, ask, &told, &mut SystemRng);
    let headers = [
        (CONTENT_TYPE, "application/octet-stream"),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, sealed).into_response())
}
