//! How often things may be tried, and whose address counts.

use serde::{Deserialize, Serialize};

use crate::cidr::Cidr;

/// How often things may be tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Attempts at the password of one account that are let through without a pause; then one each growing
    /// interval, until a quarter of an hour passes without any. A success forgets them.
    pub login_per_account: u32,
    /// Attempts at passwords from one address within a quarter of an hour, over all pods; 0: no limit.
    pub login_per_address: u32,
    /// Requests from one address within a minute to what people and strangers use: pages, registration, and
    /// failed authentications of clients; 0: no limit.
    pub requests_per_address: u32,
    /// Token requests of one client within a minute; 0: no limit.
    pub token_per_client: u32,
    /// How many pods share `requestsPerAddress` and `tokenPerClient`, each of which counts for itself, until a
    /// pod knows how many are ready.
    pub pods: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            login_per_account: 10,
            login_per_address: 300,
            requests_per_address: 600,
            token_per_client: 0,
            pods: 1,
        }
    }
}

/// Where the address of whoever asks is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientAddress {
    /// From the connection.
    Socket,
    /// From a header that proxies write.
    Forwarded(Forwarded),
}

/// Proxies that may say whose requests they pass on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forwarded {
    /// Their addresses.
    pub trusted_proxies: Vec<Cidr>,
    /// The header that they write; others are not looked at.
    #[serde(default)]
    pub header: ForwardedHeader,
}

/// The header that proxies write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`: a list of addresses.
    #[default]
    #[serde(rename = "X-Forwarded-For")]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl ForwardedHeader {
    /// Its name in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }
}
