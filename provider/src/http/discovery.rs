//! The discovery document: prepared bytes.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::error::Failure;
use super::moment;
use crate::app::App;
use crate::keys::Document;

/// Answers with the document.
///
/// # Errors
/// 503 before the first key set.
pub async fn get(State(app): State<Arc<App>>, request: Request) -> Result<Response, Failure> {
    let keys = moment::keys(&app)?;
    Ok(document(&keys.discovery, request.headers()))
}

/// A prepared document, or 304 if the caller has it (RFC 9110 §13.1.2).
#[must_use]
pub fn document(document: &Document, headers: &HeaderMap) -> Response {
    let mut response = if has(headers, &document.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(document.body.clone().into());
        let headers = response.headers_mut();
        // all that the envelope adds fits too
        headers.reserve(12);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, document.cache_control.clone());
    headers.insert(ETAG, document.etag.clone());
    response
}

fn has(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim())
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == *etag)
}
