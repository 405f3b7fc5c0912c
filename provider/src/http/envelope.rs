//! What every request gets, whatever its endpoint: an id, limits, a net under panics, headers, CORS, one
//! log line and its numbers. The log's fields are an allow-list: nothing of a request's parameters is in it.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::header::{ACCEPT_LANGUAGE, CONNECTION, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use oidc_crds::language::Language;
use oidc_crds::secrets::installation::{ClientAddress, Installation};
use oidc_protocol::address::client_address;
use oidc_protocol::error::ErrorCode;
use oidc_protocol::limits::shared::Share;
use oidc_protocol::locale::accepted;
use tokio::time::Instant;
use tracing::Instrument;

use super::call::{Call, Calling, REQUEST_ID};
use super::error::{Failure, Speaks};
use super::extract::refused;
use super::headers::{self, Cors};
use super::moment::is_https;
use super::problem::Problem;
use crate::app::App;
use crate::metrics::OfEndpoint;

/// The longest URL, in bytes.
pub const MAX_URL: usize = 8 * 1024;
/// The longest head of a request (names and values of its headers), in bytes.
pub const MAX_HEADERS: usize = 16 * 1024;

/// What the envelope must know of an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// Its name in logs and metrics.
    pub name: &'static str,
    /// What its errors are written in.
    pub speaks: Speaks,
    /// Who may read it from another origin.
    pub cors: Cors,
    /// Whether an authorization request ends here, so that outcomes are counted.
    pub interactive: bool,
    /// How it counts in the limit per address.
    pub counts: Counts,
    /// Whether it is asked so often by machines that its log line is for debugging only.
    pub quiet: bool,
}

/// How an endpoint counts in the limit per address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// Not at all.
    No,
    /// What fails to authenticate: machines behind one address may ask as often as they like.
    Failures,
    /// Each request.
    All,
}

/// Wraps what answers.
pub async fn envelope(
    app: &Arc<App>,
    endpoint: Endpoint,
    numbers: &OfEndpoint,
    request: Request,
    handler: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let origin = request.headers().get(ORIGIN).cloned();
    let old_http = request.version() < Version::HTTP_2;
    let speaks = endpoint.speaks.resolve(request.headers());
    let mut call = Call::new(request.headers()).from(address_of(app, &request));
    if speaks == Speaks::Html {
        let installation = app.installation.load();
        let language = language_of(&installation, request.headers());
        call = call.for_page(language, app.looks.of(&installation));
    }
    let call = Arc::new(call);
    let preflight = endpoint.cors != Cors::No && headers::is_preflight(&method, request.headers());
    let span = if endpoint.quiet {
        tracing::debug_span!("request", request_id = call.id())
    } else {
        tracing::info_span!("request", request_id = call.id())
    };

    let mut response = if preflight {
        headers::preflight()
    } else {
        match within_limit(app, endpoint, &call) {
            Ok(()) => answer(&call, request, handler).instrument(span.clone()).await,
            Err(failure) => failure.into_response(),
        }
    };
    let failure = response.extensions_mut().remove::<Failure>();
    if let Some(failure) = &failure {
        response = failure.clone().render(speaks, &call);
        count(app, endpoint, failure);
        if endpoint.counts == Counts::Failures
            && let Some(network) = call.network()
            && matches!(failure.code(), ErrorCode::InvalidClient | ErrorCode::InvalidToken)
        {
            let limit = address_limit(app);
            // it was answered; the next ones find the bucket empty
            let _ = app.address_requests.take(network, limit, app.clock.now());
        }
    }

    let headers = response.headers_mut();
    headers.reserve(8);
    headers::harden(headers, is_https(&app.installation.load().issuer));
    if !preflight {
        headers::share(
            headers,
            endpoint.cors,
            origin.as_ref(),
            call.client().map(AsRef::as_ref),
        );
    }
    if let Ok(id) = HeaderValue::from_str(call.id()) {
        headers.insert(REQUEST_ID, id);
    }
    if old_http && app.readiness.is_stopping() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let elapsed = started.elapsed();
    app.metrics
        .response(numbers, response.status().as_u16(), elapsed.as_secs_f64());
    let span = if span.is_disabled() && failure.is_some() {
        // what failed is told whatever the endpoint, with its id
        tracing::info_span!("request", request_id = call.id())
    } else {
        span
    };
    let _entered = span.enter();
    log(
        endpoint,
        &method,
        &call,
        response.status(),
        failure.as_ref(),
        elapsed,
    );
    response
}

async fn answer(
    call: &Arc<Call>,
    mut request: Request,
    handler: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    if let Err(failure) = within_limits(&request) {
        return failure.into_response();
    }
    request.extensions_mut().insert(Calling(call.clone()));
    AssertUnwindSafe(handler(request))
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Failure::broken("the handler panicked").into_response())
}

/// Whose request it is, by the installation's rule; `None` without one.
fn address_of(app: &App, request: &Request) -> Option<IpAddr> {
    let installation = app.installation.load();
    let setting = installation.client_address.as_ref()?;
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    let headers: Vec<&str> = match setting {
        ClientAddress::Socket => Vec::new(),
        ClientAddress::Forwarded(forwarded) => {
            let values = request.headers().get_all(forwarded.header.name());
            // what is no text is no address: it ends the walk
            values
                .iter()
                .map(|value| value.to_str().unwrap_or_default())
                .collect()
        }
    };
    Some(client_address(setting, peer.ip(), &headers))
}

/// The language that the browser prefers, of those that there are.
fn language_of(installation: &Installation, headers: &HeaderMap) -> Language {
    let lines = headers.get_all(ACCEPT_LANGUAGE).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    accepted(lines, installation.pages.default_language)
}

/// This pod's share of the limit per address.
fn address_limit(app: &App) -> Option<Share> {
    let limits = &app.installation.load().limits;
    app.pods.share(limits.requests_per_address, limits.pods)
}

fn within_limit(app: &App, endpoint: Endpoint, call: &Call) -> Result<(), Failure> {
    let Some(network) = call.network() else {
        return Ok(());
    };
    let (limit, now) = (address_limit(app), app.clock.now());
    let taken = match endpoint.counts {
        Counts::No => Ok(()),
        Counts::Failures => app.address_requests.peek(network, limit, now),
        Counts::All => app.address_requests.take(network, limit, now),
    };
    taken.map_err(|seconds| {
        app.metrics.rate_limited("requests_per_address");
        Failure::limited(seconds)
    })
}

fn within_limits(request: &Request) -> Result<(), Failure> {
    let url = request.uri().path_and_query().map_or(0, |url| url.as_str().len());
    if url > MAX_URL {
        return Err(refused("The URL is too long: send a POST.").with_status(StatusCode::URI_TOO_LONG));
    }
    let head: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if head > MAX_HEADERS {
        return Err(Failure::told(Problem::Headers).with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    }
    Ok(())
}

fn count(app: &App, endpoint: Endpoint, failure: &Failure) {
    if failure.is_store() {
        app.metrics.store_error();
    }
    if endpoint.interactive {
        app.metrics.auth_request(failure.code().as_str());
    }
}

/// One line a request; a failure's cause is told here and nowhere else.
fn log(
    endpoint: Endpoint,
    method: &Method,
    call: &Call,
    status: StatusCode,
    failure: Option<&Failure>,
    elapsed: std::time::Duration,
) {
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                endpoint = endpoint.name,
                method = method.as_str(),
                status = status.as_u16(),
                ms = (elapsed.as_micros() as f64) / 1000.0,
                client_id = call.client().map(|client| client.client_id()),
                grant = call.grant(),
                error = failure.map(|failure| failure.code().as_str()),
                cause = failure.map(Failure::cause),
                "request"
            )
        };
    }
    match failure {
        Some(failure) if failure.is_ours() => line!(error),
        _ if endpoint.quiet => line!(debug),
        _ => line!(info),
    }
}
