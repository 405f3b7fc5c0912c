//! Certificates of clients (RFC 8705): from the connection or a trusted proxy to what
//! [`certificate`](oidc_protocol::client_auth::certificate) decides by.
//!
//! The handshake asks for a certificate and proves that the client holds its key, whoever signed it; browsers never
//! come to that listener. Whether it leads to a CA of the installation is looked at when a client needs it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::ConnectInfo;
use http::HeaderMap;
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use oidc_crds::secrets::installation::Installation;
use oidc_protocol::address::is_within;
use oidc_protocol::client_auth::certificate::header::{CLIENT_CERT, CLIENT_CERT_CHAIN, certificates};
use oidc_protocol::client_auth::certificate::{Certificate, Shown};
use rustls::pki_types::CertificateDer;

use self::authorities::Authorities;
use crate::app::App;

pub mod accept;
pub mod authorities;
pub mod handshake;

/// How long the judgement of a chain holds on a connection: what else in it expires is noticed then.
const HOLDS: SignedDuration = SignedDuration::from_secs(60);

/// A certificate whose key the other end of a connection holds.
pub struct PeerCertificate {
    certificate: Certificate,
    end_entity: CertificateDer<'static>,
    intermediates: Vec<CertificateDer<'static>>,
    judged: Mutex<Option<Judged>>,
}

/// What was found of a chain.
struct Judged {
    by: Arc<Authorities>,
    at: Timestamp,
    outcome: Result<(), String>,
}

impl PeerCertificate {
    /// Reads what was shown, the certificate itself first.
    ///
    /// # Errors
    /// When there is none, or it is malformed.
    pub fn read(chain: &[CertificateDer<'_>]) -> Result<Self, &'static str> {
        let (end_entity, intermediates) = chain.split_first().ok_or("there is none")?;
        Ok(Self {
            certificate: Certificate::read(end_entity)?,
            end_entity: end_entity.clone().into_owned(),
            intermediates: intermediates.iter().map(|one| one.clone().into_owned()).collect(),
            judged: Mutex::new(None),
        })
    }

    /// Its SHA-256 thumbprint in base64url.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        self.certificate.thumbprint()
    }

    /// With the judgement of its chain, which is made once a minute at most.
    #[must_use]
    pub fn shown(&self, authorities: Option<&Arc<Authorities>>, now: Timestamp) -> Shown<'_> {
        let chain = match authorities {
            None => Err("no CA is known: look at what mtls.ca names".into()),
            Some(authorities) => self.judge(authorities, now).map_err(Into::into),
        };
        Shown {
            certificate: &self.certificate,
            chain,
        }
    }

    fn judge(&self, authorities: &Arc<Authorities>, now: Timestamp) -> Result<(), String> {
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = |judged: &&Judged| {
            Arc::ptr_eq(&judged.by, authorities) && (judged.at..judged.at + HOLDS).contains(&now)
        };
        if let Some(judged) = judged.as_ref().filter(holds) {
            return judged.outcome.clone();
        }
        let outcome = authorities.judge(&self.end_entity, &self.intermediates, now);
        *judged = Some(Judged {
            by: authorities.clone(),
            at: now,
            outcome: outcome.clone(),
        });
        outcome
    }
}

/// What a handshake or a header told: a certificate, or why it cannot be read.
pub type Told = Result<Arc<PeerCertificate>, &'static str>;

/// The certificate of whoever sent a request, if one was shown: what a proxy that may speak for others says by
/// header, or else that of the connection.
///
/// # Errors
/// Why the one that was shown cannot be read.
pub fn of_request(app: &App, parts: &Parts) -> Result<Option<Arc<PeerCertificate>>, &'static str> {
    let installation = app.installation.load();
    if parts.headers.contains_key(CLIENT_CERT)
        && let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>()
        && speaks_for_others(&installation, *peer)
    {
        return of_headers(&parts.headers);
    }
    parts.extensions.get::<Told>().cloned().transpose()
}

fn speaks_for_others(installation: &Installation, peer: SocketAddr) -> bool {
    (installation.mtls.as_ref())
        .is_some_and(|mtls| mtls.client_cert_header && is_within(&mtls.trusted_proxies, peer.ip()))
}

fn of_headers(headers: &HeaderMap) -> Result<Option<Arc<PeerCertificate>>, &'static str> {
    let values = |name: &str| -> Vec<&str> {
        // what is no text is no certificate either
        let values = headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap_or("?")).collect()
    };
    let Some(chain) = certificates(&values(CLIENT_CERT), &values(CLIENT_CERT_CHAIN))? else {
        return Ok(None);
    };
    let chain: Vec<CertificateDer<'_>> = chain.into_iter().map(Into::into).collect();
    PeerCertificate::read(&chain).map(|read| Some(Arc::new(read)))
}
