//! `/openapi.json`: prepared bytes.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::discovery::document;
use super::error::Failure;
use super::moment;
use crate::app::App;

/// Answers with the description of what is served.
///
/// # Errors
/// 503 before the first key set.
pub async fn get(State(app): State<Arc<App>>, request: Request) -> Result<Response, Failure> {
    let keys = moment::keys(&app)?;
    Ok(document(&keys.openapi, request.headers()))
}
