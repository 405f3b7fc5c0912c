//! [`Router`]: the table as a service. It finds the row by one look-up and boxes one future: what answers
//! tens of thousands of times a second has no layers.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_LENGTH};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, Uri};
use tower::Service;

use super::methods::Methods;
use super::rewrite;
use crate::app::App;
use crate::http::envelope::{Endpoint, envelope};
use crate::http::error::Failure;
use crate::http::moment::path_of;
use crate::metrics::OfEndpoint;

/// What a port serves. Clones share the table.
#[derive(Clone)]
pub struct Router(Arc<Served>);

pub(super) struct Served {
    pub(super) app: Arc<App>,
    pub(super) rows: HashMap<&'static str, Row>,
    /// Those that have one more segment of any text, by the path before it.
    pub(super) below: HashMap<&'static str, Row>,
    /// All other paths.
    pub(super) other: Row,
}

/// A path.
pub(super) struct Row {
    endpoint: Endpoint,
    numbers: OfEndpoint,
    methods: Methods,
    allow: HeaderValue,
}

impl Row {
    pub(super) fn new(app: &App, endpoint: Endpoint, methods: Methods) -> Self {
        Self {
            endpoint,
            numbers: app.metrics.of_endpoint(endpoint.name),
            allow: methods.allow(),
            methods,
        }
    }

    async fn answer(&self, app: &Arc<App>, request: Request) -> Response {
        let head = request.method() == Method::HEAD;
        let answer = async |request: Request| match self.methods.of(request.method()) {
            Some(handler) => handler(request, app.clone()).await,
            None => Failure::not_allowed().into_response(),
        };
        let mut response = envelope(app, self.endpoint, &self.numbers, request, answer).await;
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, self.allow.clone());
        }
        if head {
            // "the server MUST NOT send content in the response" to HEAD (RFC 9110 §9.3.2), but may tell its length
            if let Some(length) = response.body().size_hint().exact() {
                response
                    .headers_mut()
                    .entry(CONTENT_LENGTH)
                    .or_insert(length.into());
            }
            *response.body_mut() = Body::empty();
        }
        response
    }
}

impl Router {
    pub(super) fn new(served: Served) -> Self {
        Self(Arc::new(served))
    }

    /// For a listener: what serves each connection.
    #[must_use]
    pub fn connections(self) -> Connections {
        Connections(self)
    }
}

impl Served {
    async fn answer(&self, mut request: Request) -> Response {
        let path = request.uri().path();
        if let Some(path) = rewrite(path, path_of(&self.app.installation.load().issuer)) {
            readdress(&mut request, &path);
        }
        let path = request.uri().path();
        let row = self
            .rows
            .get(path)
            .or_else(|| self.below(path))
            .unwrap_or(&self.other);
        row.answer(&self.app, request).await
    }

    fn below(&self, path: &str) -> Option<&Row> {
        let (parent, last) = path.rsplit_once('/')?;
        self.below.get(parent).filter(|_| !last.is_empty())
    }
}

/// Another path; the query stays.
fn readdress(request: &mut Request, path: &str) {
    let query = request.uri().query().map(|query| format!("?{query}"));
    let query = query.unwrap_or_default();
    if let Ok(path) = PathAndQuery::try_from(format!("{path}{query}")) {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.path_and_query = Some(path);
        // the parts were those of a good URI; should it not be one now, `/` answers
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    }
}

impl<B> Service<http::Request<B>> for Router
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let (served, request) = (self.0.clone(), request.map(Body::new));
        Box::pin(async move { Ok(served.answer(request).await) })
    }
}

/// Makes the service of each connection.
#[derive(Clone)]
pub struct Connections(Router);

impl Service<SocketAddr> for Connections {
    type Response = Connection;
    type Error = Infallible;
    type Future = Ready<Result<Connection, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, peer: SocketAddr) -> Self::Future {
        ready(Ok(Connection {
            router: self.0.clone(),
            peer,
        }))
    }
}

/// The service of one connection, which knows who is at its other end.
#[derive(Clone)]
pub struct Connection {
    router: Router,
    peer: SocketAddr,
}

impl<B> Service<http::Request<B>> for Connection
where
    Router: Service<http::Request<B>>,
{
    type Response = <Router as Service<http::Request<B>>>::Response;
    type Error = <Router as Service<http::Request<B>>>::Error;
    type Future = <Router as Service<http::Request<B>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.router.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        self.router.call(request)
    }
}
