//! Listeners: plain or https, with limits on what a peer may keep open, and an orderly end.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Control, Handle, Server};
use rustls::ServerConfig;
use tokio::sync::watch;

use crate::mtls::accept::MutualAcceptor;
use crate::mtls::handshake::asking;
use crate::router::Router;

/// How long a peer may take for the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// Room for the head of a request: an address of 8 KiB and headers of 16 KiB.
const HEAD_BYTES: usize = 24 * 1024;

/// Opens a listener. `[::]` without IPv6 means `0.0.0.0`.
///
/// # Errors
/// One line that names the address.
pub fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address).or_else(|error| {
        if address.is_ipv6() && address.ip().is_unspecified() && error.kind() != io::ErrorKind::AddrInUse {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port()))
        } else {
            Err(error)
        }
    });
    listener.map_err(|error| {
        if error.kind() == io::ErrorKind::AddrInUse {
            format!("cannot listen on {address}: the port is taken")
        } else {
            format!("cannot listen on {address}: {error}")
        }
    })
}

/// Serves plain http until `control` ends it.
///
/// # Errors
/// When the listener breaks.
pub async fn plain(listener: TcpListener, router: Router, control: Control) -> io::Result<()> {
    limited(axum_server::from_tcp(listener)?, control)
        .serve(router.connections())
        .await
}

/// Certificates of the server, as they come.
pub type Certificates = watch::Receiver<Option<Arc<ServerConfig>>>;

/// Serves https until `control` ends it; each certificate that comes is used from then on.
///
/// # Errors
/// When the listener breaks.
pub async fn https(
    listener: TcpListener,
    certificates: Certificates,
    router: Router,
    control: Control,
) -> io::Result<()> {
    let (config, keeping) = kept(certificates, |config| config).await?;
    let server = axum_server::from_tcp(listener)?.acceptor(RustlsAcceptor::new(config));
    let served = limited(server, control).serve(router.connections());
    tokio::select! {
        result = served => result,
        error = keeping => Err(error),
    }
}

/// The same, and asks clients for certificates: requests carry a [`PeerCertificate`](crate::mtls::PeerCertificate).
///
/// # Errors
/// When the listener breaks.
pub async fn mutual(
    listener: TcpListener,
    certificates: Certificates,
    router: Router,
    control: Control,
) -> io::Result<()> {
    let (config, keeping) = kept(certificates, |config| Arc::new(asking(&config))).await?;
    let acceptor = MutualAcceptor::new(RustlsAcceptor::new(config));
    let server = axum_server::from_tcp(listener)?.acceptor(acceptor);
    let served = limited(server, control).serve(router.connections());
    tokio::select! {
        result = served => result,
        error = keeping => Err(error),
    }
}

/// The configuration of a listener, and what keeps it the newest until that cannot be done any more.
async fn kept(
    mut certificates: Certificates,
    prepare: impl Fn(Arc<ServerConfig>) -> Arc<ServerConfig>,
) -> io::Result<(RustlsConfig, impl Future<Output = io::Error>)> {
    let gone = || io::Error::other("the certificate's watch ended");
    let first = certificates
        .wait_for(Option::is_some)
        .await
        .map_err(|_| gone())?
        .clone()
        .ok_or_else(gone)?;
    let config = RustlsConfig::from_config(prepare(first));
    let live = config.clone();
    let keeping = async move {
        while certificates.changed().await.is_ok() {
            if let Some(next) = certificates.borrow_and_update().clone() {
                live.reload_from_config(prepare(next));
            }
        }
        gone()
    };
    Ok((config, keeping))
}

fn limited<A>(mut server: Server<SocketAddr, A>, control: Control) -> Server<SocketAddr, A> {
    let builder = server.http_builder();
    builder.http1().header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .max_header_list_size(HEAD_BYTES as u32)
        .max_concurrent_streams(100)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(HEAD);
    server
        .first_request_timeout(HEAD)
        .handle(Handle::with_control(control))
}
