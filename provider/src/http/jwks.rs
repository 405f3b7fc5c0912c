//! `/jwks.json`: prepared bytes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::discovery::document;
use super::error::Failure;
use super::moment::Moment;
use crate::app::App;

/// Answers with the published keys.
///
/// # Errors
/// 503 before the first key set.
pub async fn get(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Failure> {
    let moment = Moment::load(&app)?;
    Ok(document(&moment.keys.jwks, &moment, &headers))
}
