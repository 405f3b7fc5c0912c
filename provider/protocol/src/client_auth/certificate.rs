//! `tls_client_auth` and `self_signed_tls_client_auth` (RFC 8705 §2): the client holds the key of a certificate. The
//! shell has seen that (in the handshake, or by the word of a trusted proxy) and judged the chain; whose certificate
//! it is, is decided here.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use oidc_crds::client::{Client, RegisteredCertificate};
use oidc_crds::distinguished_name::{Attribute, DistinguishedName};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use super::{AuthenticatedClient, failed};
use crate::error::{ErrorCode, OAuthError};

pub mod header;

/// What counts of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    subject: DistinguishedName,
    names: Vec<Name>,
    /// `SubjectPublicKeyInfo` in DER.
    key: Box<[u8]>,
    thumbprint: [u8; 32],
    /// Both in seconds since the epoch, and both within (RFC 5280 §4.1.2.5).
    validity: (i64, i64),
}

/// A subject alternative name (RFC 5280 §4.2.1.6), in the form in which the validator leaves registered ones.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Dns(Box<str>),
    Uri(Box<str>),
    Ip(IpAddr),
    Email(Box<str>),
}

impl Name {
    fn of(name: &GeneralName<'_>) -> Option<Self> {
        Some(match name {
            GeneralName::DNSName(name) => Self::Dns(name.to_ascii_lowercase().into()),
            GeneralName::URI(uri) => Self::Uri((*uri).into()),
            GeneralName::IPAddress(bytes) => Self::Ip(address(bytes)?),
            GeneralName::RFC822Name(address) => {
                let (local, domain) = address.rsplit_once('@')?;
                Self::Email(format!("{local}@{}", domain.to_ascii_lowercase()).into())
            }
            _ => return None,
        })
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

impl Certificate {
    /// Reads a certificate in DER, and judges nothing.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(der: &[u8]) -> Result<Self, &'static str> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| "it is no X.509 certificate")?;
        if !rest.is_empty() {
            return Err("something follows the certificate");
        }
        let mut names = Vec::new();
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(listed) => {
                    names.extend(listed.general_names.iter().filter_map(Name::of));
                }
                // never a name less than there is: another reader might see it
                ParsedExtension::ParseError { .. } => return Err("an extension is malformed"),
                _ => {}
            }
        }
        let attribute = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
            let value = attribute.attr_value();
            let form = (value.header.class() as u8) << 6 | u8::from(value.header.constructed()) << 5;
            // a tag beyond 30 takes more bytes: no text has one
            let tag = form | u8::try_from(value.header.tag().0).unwrap_or(0x1f).min(0x1f);
            Attribute::new(&attribute.attr_type().to_id_string(), tag, value.data)
        };
        let subject = certificate.subject().iter_rdn();
        let validity = certificate.validity();
        Ok(Self {
            subject: DistinguishedName::new(
                subject.map(|part| part.iter().map(attribute).collect()).collect(),
            ),
            names,
            key: certificate.public_key().raw.into(),
            thumbprint: sha256(der),
            validity: (validity.not_before.timestamp(), validity.not_after.timestamp()),
        })
    }

    /// Its SHA-256 thumbprint in base64url, as `x5t#S256` (RFC 8705 §3.1).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.thumbprint)
    }

    /// Whether it is of the present.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        let (first, last) = self.validity;
        (first..=last).contains(&now.as_second())
    }

    fn is(&self, registered: &RegisteredCertificate) -> bool {
        let has = |name: Name| self.names.contains(&name);
        match registered {
            RegisteredCertificate::Subject(subject) => self.subject == *subject,
            RegisteredCertificate::Dns(name) => has(Name::Dns(name.clone())),
            RegisteredCertificate::Uri(uri) => has(Name::Uri(uri.clone())),
            RegisteredCertificate::Ip(address) => has(Name::Ip(*address)),
            RegisteredCertificate::Email(address) => has(Name::Email(address.clone())),
            RegisteredCertificate::Thumbprints(listed) => listed.contains(&self.thumbprint),
            RegisteredCertificate::Keys(keys) => keys.has_subject_public_key_info(&self.key),
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// A certificate whose key the peer holds.
#[derive(Debug, Clone)]
pub struct Shown<'a> {
    /// The certificate.
    pub certificate: &'a Certificate,
    /// Whether it leads to a CA of the installation, and else why not.
    pub chain: Result<(), Cow<'static, str>>,
}

/// Whether a client that registered a certificate is who calls. `shown` is an error when what was shown cannot be
/// read: why.
///
/// # Errors
/// `invalid_client`, the same for no certificate, another, an expired one and one of a foreign CA; the log's cause
/// tells which.
pub fn authenticate(
    client: &Arc<Client>,
    registered: &RegisteredCertificate,
    shown: Result<Option<Shown<'_>>, &str>,
    now: Timestamp,
) -> Result<AuthenticatedClient, OAuthError> {
    let refused = |why: &str| Err(failed(false).because(format!("{} {why}", client.client_id())));
    let Shown { certificate, chain } = match shown {
        Ok(Some(shown)) => shown,
        Ok(None) => {
            return refused("showed no certificate: it must call the endpoints of mtls_endpoint_aliases");
        }
        Err(why) => return refused(&format!("showed a certificate that cannot be read: {why}")),
    };
    let told = |why: &str| {
        refused(&format!(
            "showed the certificate {}: {why}",
            certificate.thumbprint()
        ))
    };
    if !certificate.is(registered) {
        return told("it is not the registered one");
    }
    if !certificate.is_valid_at(now) {
        return told("it has expired or is not good yet");
    }
    // "the client's certificate chain is not validated by the server in this case" (RFC 8705 §2.2)
    if registered.needs_ca()
        && let Err(why) = chain
    {
        return told(&why);
    }
    Ok(AuthenticatedClient::new(client))
}

/// The CAs of the installation were not read yet, so that whose certificate one is cannot be said.
#[must_use]
pub fn not_yet() -> OAuthError {
    let error = OAuthError::new(
        ErrorCode::TemporarilyUnavailable,
        "The CAs of the certificates of clients are not known yet: try again in a moment.",
    );
    error.because("what mtls.ca names was not read yet")
}

#[cfg(test)]
mod tests;
