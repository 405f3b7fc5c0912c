//! Hosts of the routes of a namespace: what redirects may lead to where the installation follows routes.

use serde_json::Value;

/// What the word of those who serve a route makes of its hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// They count.
    Taken,
    /// It was changed, and the word is of what it was before: hosts that counted still do, new ones wait.
    Changed,
    /// They do not count.
    Refused,
}

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

    /// Whether a route of this generation is served. An HTTPRoute is if a Gateway (or its ListenerSet) accepted
    /// it; a Service that is its parent says nothing of who reaches the host from outside. Of an Ingress nobody
    /// says whether it is, so each one counts.
    #[must_use]
    pub fn standing(self, generation: Option<i64>, object: &Value) -> Standing {
        if self == Self::Ingress {
            return Standing::Taken;
        }
        let parents = object.pointer("/status/parents").and_then(Value::as_array);
        let words = parents.into_iter().flatten().filter_map(|parent| {
            let of = |name: &str, default| parent["parentRef"].get(name).map_or(Some(default), Value::as_str);
            let gateway = of("group", GATEWAYS) == Some(GATEWAYS)
                && ["Gateway", "ListenerSet"].contains(&of("kind", "Gateway")?);
            let mut conditions = parent.get("conditions")?.as_array()?.iter();
            let accepted = conditions.find(|condition| condition["type"] == "Accepted")?;
            (gateway && accepted["status"] == "True").then(|| accepted["observedGeneration"].as_i64())
        });
        let mut standing = Standing::Refused;
        for observed in words {
            if observed.is_some() && observed == generation {
                return Standing::Taken;
            }
            standing = Standing::Changed;
        }
        standing
    }
}

const GATEWAYS: &str = "gateway.networking.k8s.io";

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

    #[test]
    fn an_http_route_counts_once_a_gateway_accepted_what_it_is_now() {
        let parent = |parent: Value, kind: &str, holds: &str, observed: Value| {
            json!({"parentRef": parent, "controllerName": "example.com/gateway", "conditions": [
                {"type": "ResolvedRefs", "status": "True", "observedGeneration": 2},
                {"type": kind, "status": holds, "observedGeneration": observed},
            ]})
        };
        let gateway = || json!({"name": "web", "namespace": "gateways"});
        let good = || parent(gateway(), "Accepted", "True", json!(2));
        let old = || parent(gateway(), "Accepted", "True", json!(1));
        let bad = || parent(gateway(), "Accepted", "False", json!(2));
        let service = json!({"group": "", "kind": "Service", "name": "app"});
        let set = json!({"group": "gateway.networking.k8s.io", "kind": "ListenerSet", "name": "own"});
        for (parents, standing) in [
            (vec![good()], Standing::Taken),
            (vec![bad(), good()], Standing::Taken),
            (vec![old(), good()], Standing::Taken),
            (vec![parent(set, "Accepted", "True", json!(2))], Standing::Taken),
            (vec![old()], Standing::Changed),
            (vec![bad(), old()], Standing::Changed),
            (
                vec![parent(gateway(), "Accepted", "True", Value::Null)],
                Standing::Changed,
            ),
            (vec![], Standing::Refused),
            (vec![bad()], Standing::Refused),
            (
                vec![json!({}), json!(7), json!({"conditions": 7})],
                Standing::Refused,
            ),
            (
                vec![parent(gateway(), "Accepted", "Unknown", json!(2))],
                Standing::Refused,
            ),
            (
                vec![parent(gateway(), "Programmed", "True", json!(2))],
                Standing::Refused,
            ),
            (
                vec![parent(service, "Accepted", "True", json!(2))],
                Standing::Refused,
            ),
        ] {
            let route = json!({"status": {"parents": parents}});
            let found = RouteKind::HttpRoute.standing(Some(2), &route);
            assert_eq!(found, standing, "{route}");
            assert_eq!(RouteKind::Ingress.standing(Some(2), &route), Standing::Taken);
        }
        assert_eq!(
            RouteKind::HttpRoute.standing(Some(2), &json!({})),
            Standing::Refused
        );
    }
}
