//! Hosts of the routes of a namespace: what redirects may lead to where the installation follows routes.

use serde_json::Value;

/// What sends requests for a host to a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RouteKind {
    /// `networking.k8s.io/v1`.
    Ingress,
    /// `gateway.networking.k8s.io/v1`.
    HttpRoute,
}

impl RouteKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::HttpRoute];

    /// The hosts of an object of this kind: those of an Ingress's rules (its TLS hosts say nothing of where
    /// requests go), and the hostnames of an HTTPRoute. A route without a host is for whatever host the
    /// Ingress controller or the Gateway has, so it names none.
    pub fn hosts(self, object: &Value) -> impl Iterator<Item = RouteHost> {
        let (list, member) = match self {
            Self::Ingress => ("/spec/rules", Some("host")),
            Self::HttpRoute => ("/spec/hostnames", None),
        };
        let items = object.pointer(list).and_then(Value::as_array);
        let hosts = items.into_iter().flatten().filter_map(move |item| {
            let host = member.map_or(Some(item), |member| item.get(member));
            host.and_then(Value::as_str)
        });
        hosts.filter_map(move |host| RouteHost::parse(self, host))
    }
}

/// A host that a route serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteHost(Pattern);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exact(String),
    /// `.` and a domain: all hosts one label below it, as of an Ingress.
    OneLabel(String),
    /// `.` and a domain: all hosts below it, as of an HTTPRoute.
    Below(String),
}

impl RouteHost {
    /// What `host` means in a route of this kind; `None` if it means nothing.
    #[must_use]
    pub fn parse(kind: RouteKind, host: &str) -> Option<Self> {
        let host = host.to_ascii_lowercase();
        let pattern = match (host.strip_prefix('*'), kind) {
            (None, _) => Pattern::Exact(host),
            (Some(domain), RouteKind::Ingress) => Pattern::OneLabel(domain.to_owned()),
            (Some(domain), RouteKind::HttpRoute) => Pattern::Below(domain.to_owned()),
        };
        let good = match &pattern {
            Pattern::Exact(host) => !host.is_empty() && !host.contains('*'),
            Pattern::OneLabel(domain) | Pattern::Below(domain) => {
                domain.len() > 1 && domain.starts_with('.') && !domain.contains('*')
            }
        };
        good.then_some(Self(pattern))
    }

    /// Whether requests for a host, in lower case and without a port, reach the route.
    #[must_use]
    pub fn serves(&self, host: &str) -> bool {
        let below = |domain: &str| host.strip_suffix(domain).filter(|label| !label.is_empty());
        match &self.0 {
            Pattern::Exact(own) => own == host,
            Pattern::OneLabel(domain) => below(domain).is_some_and(|label| !label.contains('.')),
            Pattern::Below(domain) => below(domain).is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wildcard_covers_what_its_kind_of_route_covers() {
        use RouteKind::{HttpRoute, Ingress};
        for (kind, pattern, host, serves) in [
            (Ingress, "app.example.com", "app.example.com", true),
            (Ingress, "App.Example.com", "app.example.com", true),
            (Ingress, "app.example.com", "xapp.example.com", false),
            (Ingress, "app.example.com", "example.com", false),
            // "the wildcard covers a single DNS label" (Ingress)
            (Ingress, "*.example.com", "app.example.com", true),
            (Ingress, "*.example.com", "a.b.example.com", false),
            (Ingress, "*.example.com", "example.com", false),
            (Ingress, "*.example.com", ".example.com", false),
            (Ingress, "*.example.com", "evilexample.com", false),
            (Ingress, "*.example.com", "app.example.com.evil.test", false),
            // "interpreted as a suffix match" (Gateway API)
            (HttpRoute, "*.example.com", "app.example.com", true),
            (HttpRoute, "*.example.com", "a.b.example.com", true),
            (HttpRoute, "*.example.com", "example.com", false),
            (HttpRoute, "*.example.com", "evilexample.com", false),
            (HttpRoute, "app.example.com", "app.example.com", true),
        ] {
            let parsed = RouteHost::parse(kind, pattern).unwrap();
            assert_eq!(parsed.serves(host), serves, "{kind:?} {pattern} {host}");
        }
    }

    #[test]
    fn what_no_api_server_takes_serves_nothing() {
        for bad in [
            "",
            "*",
            "*.",
            "**",
            "*app.example.com",
            "a.*.example.com",
            "*.*.com",
        ] {
            for kind in RouteKind::ALL {
                assert_eq!(RouteHost::parse(kind, bad), None, "{bad}");
            }
        }
    }

    #[test]
    fn hosts_are_those_that_requests_are_sent_by() {
        let served =
            |kind: RouteKind, object: &Value, host: &str| kind.hosts(object).any(|own| own.serves(host));
        let ingress = json!({"spec": {
            "tls": [{"hosts": ["tls.example.com"]}],
            "rules": [{"http": {}}, {"host": "app.example.com"}, {"host": "*.example.org"}],
        }});
        assert!(served(RouteKind::Ingress, &ingress, "app.example.com"));
        assert!(served(RouteKind::Ingress, &ingress, "a.example.org"));
        assert!(!served(RouteKind::Ingress, &ingress, "tls.example.com"));
        let route = json!({"spec": {"hostnames": ["app.example.com"]}});
        assert!(served(RouteKind::HttpRoute, &route, "app.example.com"));
        assert!(!served(RouteKind::Ingress, &route, "app.example.com"));
        for nothing in [json!({}), json!({"spec": {"rules": null, "hostnames": 7}})] {
            for kind in RouteKind::ALL {
                assert_eq!(kind.hosts(&nothing).count(), 0);
            }
        }
    }
}
