//! What the provider may fetch that clients name.

use serde::{Deserialize, Serialize};

use super::{HostPattern, Installation};
use crate::cidr::Cidr;

/// Where the provider may fetch documents from that an OidcClient names (`jwksUri`). By default nowhere: whoever
/// may write a client could otherwise make the provider's network reach what theirs does not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Outbound {
    /// Hosts, as [`HostPattern`]s.
    pub hosts: Vec<HostPattern>,
    /// Address ranges that may be reached although they are not public.
    pub addresses: Vec<Cidr>,
}

impl Outbound {
    /// Nowhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Notes everything that is wrong.
    pub(super) fn check(&self, wrong: &mut Vec<String>) {
        for pattern in &self.hosts {
            if let Err(why) = pattern.check() {
                let pattern = crate::validate::text::quoted(pattern.as_str());
                wrong.push(format!("outbound.hosts: {pattern} {why}"));
            }
        }
    }
}

impl Installation {
    /// Whether documents may be fetched from a host, in lower case and without a port.
    #[must_use]
    pub fn may_fetch_from(&self, host: &str) -> bool {
        self.grants_all || self.outbound.hosts.iter().any(|pattern| pattern.matches(host))
    }
}
