//! When the API server last answered, by kind: a layer around the cluster client. A watch is opened anew
//! every 24 s, so a kind whose last answer is older than a minute is cut off.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
use tower::{Layer, Service};

use crate::app::App;

/// Notes answers in the metrics of an [`App`].
#[derive(Clone)]
pub struct ContactLayer(pub Arc<App>);

/// The client's service with the notes.
#[derive(Clone)]
pub struct Contact<S> {
    inner: S,
    app: Arc<App>,
}

impl<S> Layer<S> for ContactLayer {
    type Service = Contact<S>;

    fn layer(&self, inner: S) -> Contact<S> {
        Contact {
            inner,
            app: self.0.clone(),
        }
    }
}

impl<S, A, B> Service<Request<A>> for Contact<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    B: 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let kind = kind(request.uri().path());
        let (answer, app) = (self.inner.call(request), self.app.clone());
        Box::pin(async move {
            let answer = answer.await?;
            if let (Some(kind), true) = (kind, answer.status().is_success()) {
                app.metrics.watch_contact(kind, app.clock.now().as_second());
            }
            Ok(answer)
        })
    }
}

/// The kind that a path lists or watches, of those that a pod watches.
fn kind(path: &str) -> Option<&'static str> {
    let last = path.trim_end_matches('?').rsplit('/').next()?;
    [
        "oidcclients",
        "oidcusers",
        "namespaces",
        "secrets",
        "configmaps",
        "endpointslices",
    ]
    .into_iter()
    .find(|kind| *kind == last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_the_last_part_of_the_path() {
        for (path, expected) in [
            (
                "/apis/oidc-operator.dev/v1alpha1/namespaces/a/oidcclients",
                Some("oidcclients"),
            ),
            (
                "/apis/oidc-operator.dev/v1alpha1/oidcclients",
                Some("oidcclients"),
            ),
            ("/api/v1/namespaces/a/secrets", Some("secrets")),
            ("/api/v1/namespaces", Some("namespaces")),
            ("/api/v1/namespaces/a/pods", None),
            ("/version", None),
            ("", None),
        ] {
            assert_eq!(kind(path), expected, "{path}");
        }
    }
}
