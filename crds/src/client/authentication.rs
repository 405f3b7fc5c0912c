//! How a client authenticates.

use std::net::IpAddr;
use std::sync::Arc;

use crate::distinguished_name::DistinguishedName;
use crate::jwk::public::PublicKeys;
use crate::names::SecretMethod;

/// How a client authenticates.
#[derive(Debug, Clone, PartialEq)]
pub enum Authentication {
    /// With a secret, in the given way or in either.
    Secret(Option<SecretMethod>),
    /// With JWTs that one of these keys signed (RFC 7523 §2.2).
    PrivateKey(PublicKeys),
    /// The same, with keys that are published at this https address.
    KeysAt(Box<str>),
    /// With a certificate (RFC 8705 §2).
    Certificate(Box<RegisteredCertificate>),
    /// With a token of one of these ServiceAccounts of the cluster.
    ServiceAccounts(Arc<[ServiceAccount]>),
    /// A public client; PKCE is required.
    None,
}

/// Which certificate is a client's.
#[derive(Debug, Clone, PartialEq)]
pub enum RegisteredCertificate {
    /// One with this subject, from a CA of the installation.
    Subject(DistinguishedName),
    /// One with this DNS name, in lower case, from a CA of the installation.
    Dns(Box<str>),
    /// One with this URI, from a CA of the installation.
    Uri(Box<str>),
    /// One with this address, from a CA of the installation.
    Ip(IpAddr),
    /// One with this e-mail address, its domain in lower case, from a CA of the installation.
    Email(Box<str>),
    /// One with one of these SHA-256 thumbprints, whoever signed it.
    Thumbprints(Box<[[u8; 32]]>),
    /// One with one of these keys, whoever signed it.
    Keys(PublicKeys),
}

impl RegisteredCertificate {
    /// Whether it must come from a CA that the installation names.
    #[must_use]
    pub fn needs_ca(&self) -> bool {
        !matches!(self, Self::Thumbprints(_) | Self::Keys(_))
    }

    /// The name of the method (RFC 8705 §2.1.1, §2.2.1).
    #[must_use]
    pub fn method(&self) -> &'static str {
        if self.needs_ca() {
            "tls_client_auth"
        } else {
            "self_signed_tls_client_auth"
        }
    }
}

/// A ServiceAccount of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}
