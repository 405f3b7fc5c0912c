//! The certificate: a `kubernetes.io/tls` Secret's data → what the server offers. TLS 1.3 and 1.2, only
//! suites with forward secrecy and authenticated encryption.

use oidc_crds::secrets::Data;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The data key of the chain.
const CERTIFICATE: &str = "tls.crt";
/// The data key of the private key.
const KEY: &str = "tls.key";

/// A certificate that cannot be used; says nothing of the key's content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

/// Reads chain and key, which must belong together; offers HTTP/2 and HTTP/1.1.
///
/// # Errors
/// When one is missing, malformed, or not the other's.
pub fn server_config(data: &Data) -> Result<ServerConfig, TlsError> {
    let part = |name: &str| {
        data.get(name)
            .ok_or_else(|| TlsError(format!("{name}: the data key is missing")))
    };
    let chain = CertificateDer::pem_slice_iter(part(CERTIFICATE)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TlsError(format!("{CERTIFICATE}: is no PEM")))?;
    if chain.is_empty() {
        return Err(TlsError(format!("{CERTIFICATE}: holds no certificate")));
    }
    let key = PrivateKeyDer::from_pem_slice(part(KEY)?)
        .map_err(|_| TlsError(format!("{KEY}: holds no private key in PEM")))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| TlsError(format!("{CERTIFICATE}, {KEY}: {error}")))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    fn secret() -> Data {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Data::from([
            (CERTIFICATE.to_owned(), cert.pem().into_bytes()),
            (KEY.to_owned(), signing_key.serialize_pem().into_bytes()),
        ])
    }

    fn install() {
        // another test may have been first
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }

    #[test]
    fn a_good_pair_is_offered_with_http_2() {
        install();
        let config = server_config(&secret()).unwrap();
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn what_cannot_be_used_is_named_without_showing_it() {
        install();
        let good = secret();
        let mut wrong = vec![Data::new()];
        for (name, value) in [
            (CERTIFICATE, b"canary".to_vec()),
            (KEY, b"canary".to_vec()),
            (KEY, secret()[KEY].clone()),
        ] {
            let mut data = good.clone();
            data.insert(name.to_owned(), value);
            wrong.push(data);
        }
        for data in wrong {
            let error = server_config(&data).unwrap_err().to_string();
            assert!(error.starts_with("tls.") && !error.contains("canary"), "{error}");
        }
    }
}
