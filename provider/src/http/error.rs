//! The only place that makes error answers. A handler returns a [`Failure`]; the
//! [envelope](super::envelope) renders it, since only it knows whether the endpoint speaks JSON or HTML,
//! and logs its cause once.

use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use oidc_crds::rng::SystemRng;
use oidc_protocol::authorize::{Reply, ReturnTo};
use oidc_protocol::error::{ErrorCode, OAuthError};
use rand_core::Rng;

use super::call::Call;
use super::pages;
use super::problem::Problem;
use super::view::View;
use super::way_back::WayBack;
use crate::store::StoreError;

/// A request that is refused.
#[derive(Clone)]
pub struct Failure(Box<Inner>);

#[derive(Clone)]
struct Inner {
    error: OAuthError,
    status: Option<StatusCode>,
    way: Way,
    store: bool,
    cookie: Option<HeaderValue>,
    /// Seconds: a limit was reached.
    retry_after: Option<u64>,
    /// What a person reads, if it is not only the application's affair.
    problem: Option<Problem>,
    /// Where that person may go.
    way_back: Option<WayBack>,
}

/// How the answer travels.
#[derive(Clone)]
enum Way {
    /// As JSON or as our own page.
    Direct,
    /// As JSON with a `Bearer` challenge (RFC 6750 §3).
    Bearer,
    /// The same without an error code: no credentials were sent (RFC 6750 §3.1).
    NoCredentials,
    /// To the client, by the browser.
    Redirect(ReturnTo),
}

/// What an endpoint speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// JSON, to programs.
    Json,
    /// HTML, to people.
    Html,
    /// HTML if the request accepts it, JSON otherwise.
    WhatIsAccepted,
}

impl Speaks {
    /// Looks at what the request accepts, if it matters.
    #[must_use]
    pub fn resolve(self, headers: &HeaderMap) -> Self {
        let accept = || headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        match self {
            Self::WhatIsAccepted if accept().is_some_and(|accept| accept.contains("text/html")) => Self::Html,
            Self::WhatIsAccepted => Self::Json,
            fixed => fixed,
        }
    }
}

impl Failure {
    /// Something that cannot be.
    pub fn broken(cause: impl Into<String>) -> Self {
        let error = OAuthError::new(ErrorCode::ServerError, "Something broke here.").because(cause);
        Self::from(error).explained(Problem::Broken)
    }

    /// An error that goes to the client, whose redirect URI is proven.
    pub fn redirect(return_to: &ReturnTo, error: impl Into<Self>) -> Self {
        let mut failure: Self = error.into();
        failure.0.way = Way::Redirect(return_to.clone());
        failure
    }

    /// An error of a protected resource (RFC 6750 §3).
    pub fn bearer(error: impl Into<Self>) -> Self {
        let mut failure: Self = error.into();
        failure.0.way = Way::Bearer;
        failure
    }

    /// A protected resource was asked for without credentials.
    #[must_use]
    pub fn no_credentials() -> Self {
        let mut failure = Self::from(OAuthError::new(
            ErrorCode::InvalidToken,
            "An access token is needed.",
        ));
        failure.0.way = Way::NoCredentials;
        failure
    }

    /// Nothing is at this address (RFC 9110 §15.5.5).
    #[must_use]
    pub fn not_found() -> Self {
        let error = OAuthError::new(ErrorCode::InvalidRequest, "There is nothing at this address.");
        let failure = Self::from(error).with_status(StatusCode::NOT_FOUND);
        failure.explained(Problem::NotFound)
    }

    /// The method is not offered here (RFC 9110 §15.5.6); the router adds `Allow`.
    #[must_use]
    pub fn not_allowed() -> Self {
        let error = OAuthError::new(
            ErrorCode::InvalidRequest,
            "This address does not take that method.",
        );
        let failure = Self::from(error).with_status(StatusCode::METHOD_NOT_ALLOWED);
        failure.explained(Problem::NotAllowed)
    }

    /// A limit was reached (RFC 6585 §4).
    #[must_use]
    pub fn limited(seconds: u64) -> Self {
        let error = OAuthError::new(
            ErrorCode::TemporarilyUnavailable,
            "Too many requests: wait as long as Retry-After says, then try again.",
        );
        let mut failure = Self::from(error).with_status(StatusCode::TOO_MANY_REQUESTS);
        failure.0.retry_after = Some(seconds);
        failure.explained(Problem::Limited)
    }

    /// With what a person reads.
    #[must_use]
    pub fn explained(mut self, problem: Problem) -> Self {
        self.0.problem = Some(problem);
        self
    }

    /// With a way back, if there is one.
    #[must_use]
    pub fn leading(mut self, way_back: Option<WayBack>) -> Self {
        self.0.way_back = way_back;
        self
    }

    /// With another status than the code's own.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    /// With a cookie that the browser must have whatever became of the request.
    #[must_use]
    pub fn with_cookie(mut self, cookie: Option<HeaderValue>) -> Self {
        self.0.cookie = cookie;
        self
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.0.error.code
    }

    /// For the log: why, or else what the client was told.
    #[must_use]
    pub fn cause(&self) -> &str {
        self.0.error.cause.as_deref().unwrap_or(&self.0.error.description)
    }

    /// Whether the store failed.
    #[must_use]
    pub fn is_store(&self) -> bool {
        self.0.store
    }

    /// Whether it is our fault, so that somebody should look.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.0.retry_after.is_none()
            && matches!(
                self.code(),
                ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable
            )
    }

    fn status(&self) -> StatusCode {
        self.0.status.unwrap_or_else(|| {
            StatusCode::from_u16(self.0.error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        })
    }

    /// The answer.
    #[must_use]
    pub fn render(self, speaks: Speaks, call: &Call) -> Response {
        let status = self.status();
        let Inner {
            mut error,
            way,
            cookie,
            retry_after,
            problem,
            way_back,
            ..
        } = *self.0;
        if error.code == ErrorCode::ServerError {
            error.description = format!("{} The request id is {}.", error.description, call.id()).into();
        }
        let mut response = match (&way, speaks) {
            (Way::Redirect(return_to), _) => send_back(&return_to.with_error(&error), &call.view()),
            (Way::NoCredentials, _) => status.into_response(),
            (Way::Direct, Speaks::Html) => pages::error(
                &call.view(),
                status,
                &error,
                problem,
                way_back.as_ref(),
                call.id(),
            ),
            (Way::Bearer | Way::Direct, _) => json(status, &error),
        };
        let challenge = match way {
            Way::Direct if error.challenge && error.code == ErrorCode::InvalidClient => {
                Some("Basic realm=\"oidc\", charset=\"UTF-8\"".to_owned())
            }
            Way::NoCredentials => Some("Bearer realm=\"oidc\"".to_owned()),
            Way::Bearer if matches!(status.as_u16(), 400 | 401 | 403) => Some(format!(
                "Bearer realm=\"oidc\", error=\"{}\", error_description=\"{}\"",
                error.code.as_str(),
                error.description
            )),
            _ => None,
        };
        let headers = response.headers_mut();
        if let Some(cookie) = cookie {
            headers.append(SET_COOKIE, cookie);
        }
        if let Some(challenge) = challenge.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        } else if error.code == ErrorCode::TemporarilyUnavailable && !matches!(way, Way::Redirect(_)) {
            // spread, so that clients do not come back all at once
            headers.insert(RETRY_AFTER, HeaderValue::from(1 + SystemRng.next_u32() % 5));
        }
        response
    }
}

/// `{error, error_description}` (RFC 6749 §5.2).
fn json(status: StatusCode, error: &OAuthError) -> Response {
    let body = serde_json::json!({
        "error": error.code.as_str(),
        "error_description": error.description,
    });
    json_answer(status, body.to_string())
}

/// An answer in JSON.
pub fn json_answer(status: StatusCode, body: impl Into<axum::body::Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // all that the envelope adds fits too
    headers.reserve(12);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The answer of an authorization request, on its way to the client.
#[must_use]
pub fn send_back(reply: &Reply, view: &View) -> Response {
    match reply {
        Reply::Redirect(address) => redirect(address),
        Reply::Post { action, fields } => pages::form_post(view, action, fields),
    }
}

/// 303, so that a POST is not sent on (RFC 9700 §4.12).
#[must_use]
pub fn redirect(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(location) => (StatusCode::SEE_OTHER, [(http::header::LOCATION, location)]).into_response(),
        Err(_) => Failure::broken("the redirect target is no header value").into_response(),
    }
}

impl From<OAuthError> for Failure {
    fn from(error: OAuthError) -> Self {
        Self(Box::new(Inner {
            error,
            status: None,
            way: Way::Direct,
            store: false,
            cookie: None,
            retry_after: None,
            problem: None,
            way_back: None,
        }))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let mut failure = Self::from(
            OAuthError::new(
                ErrorCode::TemporarilyUnavailable,
                "The store is away: try again in a few seconds.",
            )
            .because(error.to_string()),
        );
        failure.0.store = true;
        failure.explained(Problem::Store)
    }
}

impl IntoResponse for Failure {
    /// Hands the failure to the envelope.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
