//! Where the web addresses of a client may lead: to hosts that are allowed, and where the installation follows
//! routes also to those that a route of the client's namespace serves. The operator alone sees routes; what it
//! saw is in the client's status, which nobody else may write, so that all judge by the same.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::super::uri::{self, Redirect};
use super::super::{Violations, text};
use super::granted::not_granted;
use crate::resources::oidc_client::{OidcClient, OidcClientSpec};
use crate::resources::{ConditionType, Reason, limits};
use crate::secrets::installation::Installation;

/// The hosts that a client's web addresses lead to.
#[must_use]
pub fn web_hosts(spec: &OidcClientSpec) -> BTreeSet<&str> {
    let uris = spec.redirect_uris.iter().chain(&spec.post_logout_redirect_uris);
    let web = uris.filter(|text| uri::redirect(text) == Ok(Redirect::Https));
    web.filter_map(|text| uri::host_of(text))
        .take(limits::ROUTED_HOSTS)
        .collect()
}

/// What hosts of a client are judged by.
pub(super) struct Hosts<'a> {
    pub(super) namespace: &'a str,
    pub(super) installation: &'a Installation,
    /// Those that routes serve; `None`: the operator had no reason to look.
    routed: Option<&'a [String]>,
    /// Whether the status speaks of this very spec.
    looked: bool,
    /// Whether the status says that this very spec was accepted.
    accepted: bool,
}

impl<'a> Hosts<'a> {
    pub(super) fn of(client: &'a OidcClient, namespace: &'a str, installation: &'a Installation) -> Self {
        let status = client.status.as_ref();
        let generation = client.metadata.generation;
        let observed = status.and_then(|status| status.observed_generation);
        let looked = observed.is_some() && observed == generation;
        let conditions = status.map_or(&[][..], |status| &status.conditions);
        Self {
            namespace,
            installation,
            routed: status.and_then(|status| status.routed_hosts.as_deref()),
            looked,
            accepted: looked && is_accepted(conditions, generation),
        }
    }

    /// The addresses of a list that are served. Whether a new host has a route is not known before the operator
    /// has looked: its addresses wait, the others go on.
    pub(super) fn served(
        &self,
        field: &str,
        uris: &[String],
        redirects: &[(usize, Redirect)],
        v: &mut Violations,
    ) -> Box<[String]> {
        let mut waiting = BTreeSet::new();
        let web = redirects.iter().filter(|(_, kind)| *kind == Redirect::Https);
        for (index, host) in web.filter_map(|(index, _)| Some((*index, uri::host_of(uris.get(*index)?)?))) {
            if self.installation.allows_redirect_host(self.namespace, host) {
                continue;
            }
            let field = format!("{field}[{index}]");
            if !self.installation.follows_routes_of(self.namespace) {
                not_granted(field, host, self.namespace, v);
                continue;
            }
            match self.routed {
                Some(routed) if routed.iter().any(|own| own == host) => {}
                Some(_) if self.looked => {
                    let message = format!(
                        "{} is the host of no Ingress and of no HTTPRoute in the namespace {}: make a route for \
                         it there, or have it added to the installation's redirectHosts",
                        text::quoted(host),
                        self.namespace
                    );
                    v.add(Reason::NoRoute, field, message);
                }
                // from before the installation began to follow routes: who was refused then must wait
                None if self.accepted => {}
                _ => {
                    waiting.insert(index);
                }
            }
        }
        let served = uris
            .iter()
            .enumerate()
            .filter(|(index, _)| !waiting.contains(index));
        served.map(|(_, uri)| uri.clone()).collect()
    }
}

/// Whether `Accepted` holds for this generation.
fn is_accepted(conditions: &[Condition], generation: Option<i64>) -> bool {
    let accepted = ConditionType::Accepted.as_str();
    let accepted = conditions.iter().find(|condition| condition.type_ == accepted);
    accepted
        .is_some_and(|condition| condition.status == "True" && condition.observed_generation == generation)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::client::Client;
    use crate::validate::{Violation, validate};

    const FOLLOWS: &str = "allowed: {redirectHostsFromRoutes: true, redirectHosts: ['*.apps.example.com']}";

    fn installation(policy: &str) -> Installation {
        let text = format!(
            "{{release: oidc, issuer: 'https://id.example.com', className: oidc, defaultClass: true,
              namespaces: {{clusterWide: {{selector: null}}}}, jwksMaxAge: 300s, {policy}}}"
        );
        Installation::parse(&text).unwrap()
    }

    fn object(namespace: &str, uris: &[&str], status: Value) -> OidcClient {
        serde_json::from_value(json!({
            "metadata": {
                "name": "app", "namespace": namespace, "uid": "c1", "generation": 2,
                "creationTimestamp": "2026-11-25T09:00:00Z"
            },
            "spec": {"redirectUris": uris, "postLogoutRedirectUris": uris},
            "status": status,
        }))
        .unwrap()
    }

    fn judge(policy: &str, uris: &[&str], status: Value) -> Result<Client, Vec<Violation>> {
        validate(&object("team-a", uris, status), &installation(policy), None)
    }

    fn looked(generation: i64, hosts: &[&str]) -> Value {
        json!({"observedGeneration": generation, "routedHosts": hosts})
    }

    const SHOP: &str = "https://shop.example.com:8443/cb";
    const NEW: &str = "https://new.example.com/cb";

    #[test]
    fn a_host_with_a_route_or_an_allowed_one_is_good() {
        let elsewhere = "https://a.apps.example.com/cb";
        for (uris, hosts) in [
            (&[SHOP][..], &["shop.example.com"][..]),
            (&[SHOP, elsewhere], &["shop.example.com"]),
            (&[elsewhere], &[]),
            (&["http://127.0.0.1/cb"], &[]),
            (&["com.example.app:/cb"], &[]),
        ] {
            let client = judge(FOLLOWS, uris, looked(2, hosts)).unwrap();
            assert_eq!(client.redirect_uris(), uris);
            assert_eq!(client.post_logout_redirect_uris(), uris);
        }
    }

    #[test]
    fn a_host_without_a_route_is_named_with_the_way_to_mend_it() {
        let told = judge(FOLLOWS, &[SHOP, NEW], looked(2, &["shop.example.com"])).unwrap_err();
        assert_eq!(told.len(), 2);
        assert_eq!(told[0].field, "spec.redirectUris[1]");
        assert_eq!(told[1].field, "spec.postLogoutRedirectUris[1]");
        assert!(told.iter().all(|violation| violation.reason == Reason::NoRoute));
        assert!(
            told[0]
                .message
                .contains("`new.example.com` is the host of no Ingress")
        );
        assert!(told[0].message.contains("namespace team-a: make a route"));
        // the list that was absent allows any host only where routes are not asked
        let alone = "allowed: {redirectHostsFromRoutes: true}";
        assert_eq!(judge(alone, &[NEW], looked(2, &[])).unwrap_err().len(), 2);
        assert!(judge("allowed: {}", &[NEW], looked(2, &[])).is_ok());
    }

    #[test]
    fn an_edit_leaves_what_has_a_route_in_service_until_the_operator_has_looked() {
        let client = judge(FOLLOWS, &[NEW, SHOP], looked(1, &["shop.example.com"])).unwrap();
        assert_eq!(client.redirect_uris(), [SHOP]);
        assert_eq!(client.post_logout_redirect_uris(), [SHOP]);
    }

    #[test]
    fn a_new_client_waits_for_the_operator() {
        for status in [Value::Null, json!({}), json!({"observedGeneration": 1})] {
            let client = judge(FOLLOWS, &[NEW], status).unwrap();
            assert_eq!(client.redirect_uris(), [""; 0]);
        }
    }

    fn before(observed: i64, kind: &str, status: &str, generation: i64) -> Value {
        json!({"observedGeneration": observed, "conditions": [{
            "type": kind, "status": status, "observedGeneration": generation,
            "reason": "", "message": "", "lastTransitionTime": "2026-11-25T09:00:00Z",
        }]})
    }

    #[test]
    fn who_was_accepted_before_routes_were_followed_goes_on_until_the_operator_has_looked() {
        let client = judge(FOLLOWS, &[NEW], before(2, "Accepted", "True", 2)).unwrap();
        assert_eq!(client.redirect_uris(), [NEW]);
    }

    #[test]
    fn who_was_refused_before_routes_were_followed_waits_for_the_operator() {
        for status in [
            json!({"observedGeneration": 2}),
            before(2, "Accepted", "False", 2),
            before(2, "Accepted", "Unknown", 2),
            before(2, "Ready", "True", 2),
            before(1, "Accepted", "True", 2),
            before(2, "Accepted", "True", 1),
        ] {
            let client = judge(FOLLOWS, &[NEW], status.clone()).unwrap();
            assert_eq!(client.redirect_uris(), [""; 0], "{status}");
        }
    }

    #[test]
    fn routes_may_be_followed_for_some_namespaces() {
        let some =
            "allowed: {redirectHosts: []}, grants: [{namespaces: [team-b], redirectHostsFromRoutes: true}]";
        let status = || looked(2, &["shop.example.com"]);
        let told = judge(some, &[SHOP], status()).unwrap_err();
        assert_eq!(told[0].reason, Reason::NotGranted);
        let other = object("team-b", &[SHOP], status());
        assert!(validate(&other, &installation(some), None).is_ok());
        assert!(installation(some).follows_routes() && installation(FOLLOWS).follows_routes());
        assert!(!installation("allowed: {}").follows_routes());
    }

    #[test]
    fn where_everything_is_granted_routes_are_not_asked() {
        let mut everything = installation(FOLLOWS);
        everything.grants_all = true;
        assert!(!everything.follows_routes());
        let client = object("team-a", &[NEW], looked(2, &[]));
        assert!(validate(&client, &everything, None).is_ok());
    }

    #[test]
    fn web_hosts_are_those_of_https_alone() {
        let uris = [
            SHOP,
            NEW,
            SHOP,
            "http://localhost/cb",
            "com.example.app:/cb",
            "no uri",
        ];
        let client = object("team-a", &uris, Value::Null);
        let hosts: Vec<&str> = web_hosts(&client.spec).into_iter().collect();
        assert_eq!(hosts, ["new.example.com", "shop.example.com"]);
    }
}
