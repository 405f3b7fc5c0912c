//! What the clients of every namespace may have, unless a grant allows more: kinds of grants and hosts.

use serde::{Deserialize, Serialize};

use super::{Installation, NamespaceGrant};
use crate::names::GrantType;
use crate::validate::uri;

/// What clients of every namespace may have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Allowed {
    /// Grant types (RFC 6749 §1.3); absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_types: Option<Vec<GrantType>>,
    /// Hosts of the web that `redirectUris` and `postLogoutRedirectUris` may lead to, as [`HostPattern`]s;
    /// absent: any. Redirects that stay on the person's machine are not concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_hosts: Option<Vec<HostPattern>>,
    /// Whether such a host may also be one that an Ingress or HTTPRoute of the client's own namespace serves;
    /// `redirect_hosts`, where absent, then allows none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub redirect_hosts_from_routes: bool,
}

/// A host in lower case, `*.` and a domain for all hosts below it (as Gateway API has it: one label or more), or
/// `*` for any host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostPattern(String);

impl HostPattern {
    /// Whether it is a pattern.
    ///
    /// # Errors
    /// Why not, to be put after the pattern.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.0 == "*" {
            return Ok(());
        }
        uri::host(self.0.strip_prefix("*.").unwrap_or(&self.0))
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn matches(&self, host: &str) -> bool {
        match self.0.strip_prefix('*') {
            Some("") => true,
            Some(domain) => host.len() > domain.len() && host.ends_with(domain),
            None => self.0 == host,
        }
    }
}

impl Installation {
    /// Whether clients of a namespace may have a grant type.
    #[must_use]
    pub fn allows_grant_type(&self, namespace: &str, grant: GrantType) -> bool {
        let everybody = self.allowed.grant_types.as_ref();
        everybody.is_none_or(|allowed| allowed.contains(&grant))
            || self.granted(namespace, |more| more.grant_types.contains(&grant))
    }

    /// Whether people may be sent to a host, in lower case and without a port, by clients of a namespace,
    /// whatever routes there are.
    #[must_use]
    pub fn allows_redirect_host(&self, namespace: &str, host: &str) -> bool {
        let lists = |patterns: &[HostPattern]| patterns.iter().any(|pattern| pattern.matches(host));
        let everybody = self.allowed.redirect_hosts.as_ref();
        everybody.map_or(!self.allowed.redirect_hosts_from_routes, |allowed| lists(allowed))
            || self.granted(namespace, |more| lists(&more.redirect_hosts))
    }

    /// Whether people may also be sent to hosts that routes of a namespace serve, by clients of that namespace.
    #[must_use]
    pub fn follows_routes_of(&self, namespace: &str) -> bool {
        let follows = |grant: &NamespaceGrant| grant.redirect_hosts_from_routes;
        self.follows_routes() && (self.allowed.redirect_hosts_from_routes || self.granted(namespace, follows))
    }

    /// The same, of any namespace.
    #[must_use]
    pub fn follows_routes(&self) -> bool {
        let everybody = self.allowed.redirect_hosts_from_routes;
        let somebody = || self.grants.iter().any(|grant| grant.redirect_hosts_from_routes);
        !self.grants_all && (everybody || somebody())
    }
}

impl Allowed {
    /// Notes everything that is wrong.
    pub(super) fn check(&self, wrong: &mut Vec<String>) {
        for pattern in self.redirect_hosts.iter().flatten() {
            if let Err(why) = pattern.check() {
                let pattern = crate::validate::text::quoted(pattern.as_str());
                wrong.push(format!("allowed.redirectHosts: {pattern} {why}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_labels() {
        for (pattern, host, matches) in [
            ("app.example.com", "app.example.com", true),
            ("app.example.com", "xapp.example.com", false),
            ("*.example.com", "app.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "evilexample.com", false),
            ("*.example.com", "example.com.evil.test", false),
            ("*", "any.test", true),
        ] {
            assert_eq!(
                HostPattern(pattern.into()).matches(host),
                matches,
                "{pattern} {host}"
            );
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for good in ["*", "a.test", "*.a.test", "192.0.2.1", "[2001:db8::1]"] {
            HostPattern(good.into()).check().unwrap();
        }
        for bad in [
            "",
            "*.",
            "**",
            "*a.test",
            "a.*.test",
            "A.test",
            "a.test:443",
            "https://a.test",
            "a.test/",
        ] {
            assert!(HostPattern(bad.into()).check().is_err(), "{bad}");
        }
    }
}
