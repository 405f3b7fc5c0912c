//! The discovery document: prepared bytes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::error::Failure;
use super::moment::Moment;
use crate::app::App;
use crate::keys::Document;

/// Answers with the document.
///
/// # Errors
/// 503 before the first key set.
pub async fn get(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Failure> {
    let moment = Moment::load(&app)?;
    Ok(document(&moment.keys.discovery, &moment, &headers))
}

/// A prepared document, or 304 if the caller has it (RFC 9110 §13.1.2). Its age agrees with the wait before
/// a published key signs.
#[must_use]
pub fn document(document: &Document, moment: &Moment, headers: &HeaderMap) -> Response {
    let mut response = if has(headers, &document.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(document.body.clone().into());
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    };
    let age = format!("public, max-age={}", moment.installation.jwks_max_age.0);
    for (name, text) in [(CACHE_CONTROL, age.as_str()), (ETAG, document.etag.as_str())] {
        if let Ok(value) = HeaderValue::from_str(text) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn has(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim())
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}
