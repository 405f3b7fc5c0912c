//! Whether clients may authenticate with certificates (RFC 8705).

use serde::{Deserialize, Serialize};

use super::Installation;
use crate::cidr::Cidr;
use crate::client::Client;
use crate::validate::{text, uri};

/// Clients may authenticate with certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MutualTls {
    /// What the endpoints begin with at which certificates are asked for, as the issuer is what the others begin
    /// with.
    pub url: String,
    /// Whose certificates are good for clients that are known by a name; absent: nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<ClientCa>,
    /// Whether the trusted proxies say by `Client-Cert` which certificate they were shown (RFC 9440).
    #[serde(default)]
    pub client_cert_header: bool,
    /// Who may say so: whatever sends from one of these addresses can be any client. Those of
    /// [`ClientAddress`](super::ClientAddress) may not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<Cidr>,
}

/// Where the CAs of clients' certificates are listed: exactly one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientCa {
    /// A ConfigMap of the installation's namespace, its key `ca.crt`.
    ConfigMap(String),
    /// A ClusterTrustBundle, as signers of pod certificates publish their CA.
    ClusterTrustBundle(String),
}

impl ClientCa {
    /// The key of the ConfigMap.
    pub const DATA_KEY: &str = "ca.crt";
}

impl MutualTls {
    pub(super) fn check(&self, installation: &Installation, wrong: &mut Vec<String>) {
        if let Err(why) = uri::issuer(&self.url) {
            wrong.push(format!("mtls.url: {} {why}", text::quoted(&self.url)));
        } else if path_of(&self.url) != path_of(&installation.issuer) {
            let (url, path) = (text::quoted(&self.url), path_of(&installation.issuer));
            wrong.push(format!(
                "mtls.url: {url} must have the path of the issuer, {}",
                text::quoted(path)
            ));
        }
        let named = match &self.ca {
            // that of a signer is `<signer, with : for />:<any name>`
            Some(ClientCa::ClusterTrustBundle(name)) => {
                Some(("clusterTrustBundle", name, name.split(':').all(text::is_dns_name)))
            }
            Some(ClientCa::ConfigMap(name)) => Some(("configMap", name, text::is_dns_name(name))),
            None => None,
        };
        if let Some((member, name, false)) = named {
            let quoted = text::quoted(name);
            wrong.push(format!("mtls.ca.{member}: {quoted} cannot be the name of one"));
        }
        if self.client_cert_header && self.trusted_proxies.is_empty() {
            wrong.push(
                "mtls.clientCertHeader: needs mtls.trustedProxies, which says whose word counts".to_owned(),
            );
        }
        if !self.client_cert_header && !self.trusted_proxies.is_empty() {
            wrong.push("mtls.trustedProxies: is looked at with mtls.clientCertHeader only".to_owned());
        }
    }
}

/// Below which the provider answers.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |slash| &rest[slash..])
}

impl Installation {
    /// What the endpoints begin with that a client calls: the issuer, or where certificates are asked for.
    #[must_use]
    pub fn endpoints_of(&self, client: &Client) -> &str {
        let shows_one = client.certificate().is_some() || client.certificate_bound();
        let mtls = self.mtls.as_ref().filter(|_| shows_one);
        mtls.map_or(&self.issuer, |mtls| &mtls.url)
    }
}
