//! The CAs whose certificates clients may be known by.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use oidc_crds::secrets::Data;
use oidc_crds::secrets::installation::ClientCa;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

/// The CAs, or why nobody leads to one.
pub struct Authorities(Result<Arc<dyn ClientCertVerifier>, String>);

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorities")
    }
}

impl Authorities {
    /// From the data of the ConfigMap.
    ///
    /// # Errors
    /// When it holds no certificate, or one that is malformed.
    pub fn read(data: &Data) -> Result<Self, String> {
        let key = ClientCa::DATA_KEY;
        let pem = data
            .get(key)
            .ok_or_else(|| format!("{key}: the data key is missing"))?;
        let mut roots = RootCertStore::empty();
        for (index, read) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let certificate = read.map_err(|_| format!("{key}: is no PEM"))?;
            roots.add(certificate).map_err(|error| {
                format!("{key}: the certificate number {} is no CA's: {error}", index + 1)
            })?;
        }
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
        let verifier = verifier.map_err(|_| format!("{key}: holds no certificate"))?;
        Ok(Self(Ok(verifier)))
    }

    /// No CA at all, and why.
    #[must_use]
    pub fn nobody(why: impl Into<String>) -> Self {
        Self(Err(why.into()))
    }

    /// Whether a certificate leads to one of them by what is good at `now`, and is good for clients: the extended
    /// key usage, if there is any, names them (RFC 5280 §4.2.1.12).
    ///
    /// # Errors
    /// Why not.
    pub fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: Timestamp,
    ) -> Result<(), String> {
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let verifier = (self.0.as_ref()).map_err(|why| format!("there is no CA of mtls.ca: {why}"))?;
        let judged = verifier.verify_client_cert(end_entity, intermediates, now);
        judged
            .map(drop)
            .map_err(|error| format!("it does not lead to a CA of mtls.ca: {error}"))
    }
}
