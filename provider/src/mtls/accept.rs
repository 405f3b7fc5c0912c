//! Connections whose requests carry the certificate of the other end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use axum_server::tls_rustls::RustlsAcceptor;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::Service;

use super::{PeerCertificate, Told};

/// Accepts TLS, and reads the certificate once per connection.
#[derive(Clone)]
pub struct MutualAcceptor(RustlsAcceptor);

impl MutualAcceptor {
    /// On top of what does the handshake.
    #[must_use]
    pub fn new(inner: RustlsAcceptor) -> Self {
        Self(inner)
    }
}

type Accepted<I, S> = (
    <RustlsAcceptor as Accept<I, S>>::Stream,
    Known<<RustlsAcceptor as Accept<I, S>>::Service>,
);

impl<I, S> Accept<I, S> for MutualAcceptor
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Send + 'static,
{
    type Stream = <RustlsAcceptor as Accept<I, S>>::Stream;
    type Service = Known<<RustlsAcceptor as Accept<I, S>>::Service>;
    type Future = Pin<Box<dyn Future<Output = io::Result<Accepted<I, S>>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let accepting = self.0.accept(stream, service);
        Box::pin(async move {
            let (stream, inner) = accepting.await?;
            let shown = stream.get_ref().1.peer_certificates();
            // the handshake has read it before, though less of it
            let certificate = shown.map(|chain| PeerCertificate::read(chain).map(Arc::new));
            Ok((stream, Known { inner, certificate }))
        })
    }
}

/// A connection's service, which tells with each request whose certificate was shown.
#[derive(Clone)]
pub struct Known<S> {
    inner: S,
    certificate: Option<Told>,
}

impl<S, B> Service<Request<B>> for Known<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(certificate) = &self.certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        self.inner.call(request)
    }
}
