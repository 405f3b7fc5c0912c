use super::*;

const APP: &str = "app.example.com";

fn follows() -> World {
    let text = "{release: oidc, issuer: 'https://id.example.com', className: oidc, defaultClass: true,
        namespaces: {clusterWide: {selector: null}}, jwksMaxAge: 300s, allowed: {redirectHostsFromRoutes: true}}";
    World {
        installation: Installation::parse(text).expect("valid"),
        ..world()
    }
}

impl World {
    /// Plans while routes cannot be read; the Secret, if one is written, and the status.
    fn unreadable(&self, object: &OidcClient, target: Target) -> (bool, OidcClientStatus) {
        let verdict = validate(object, &self.installation, None);
        let observed = Observed {
            target,
            former: Vec::new(),
            given: None,
            seen: Seen::default(),
        };
        let terms = Terms {
            routed_hosts: object
                .status
                .as_ref()
                .and_then(|status| status.routed_hosts.clone()),
            unreadable_routes: true,
            ..self.terms(NOW)
        };
        let verdict = verdict.as_ref().map_err(Vec::as_slice);
        let plan = plan(object, &observed, verdict, &terms, &mut SystemRng);
        let writes = plan.secret.is_some();
        (writes, plan.finish(object, &Applied::nothing(), at(NOW)).status)
    }

    /// A client that was accepted with this host noted.
    fn noted(&self) -> OidcClient {
        let mut object = demo();
        object.status = Some(OidcClientStatus {
            observed_generation: Some(3),
            routed_hosts: Some(vec![APP.into()]),
            ..OidcClientStatus::default()
        });
        let (mut client, _) = self.settle(&object, Target::Absent, NOW);
        let status = client.status.as_mut().expect("written");
        status.routed_hosts = Some(vec![APP.into()]);
        client
    }
}

#[test]
fn where_routes_cannot_be_read_a_client_goes_on_with_the_hosts_that_were_noted() {
    let world = follows();
    let client = world.noted();
    let (writes, status) = world.unreadable(&client, Target::Absent);
    assert!(writes, "its Secret is mended");
    assert_eq!(condition(&status, "Ready"), ("True".into(), "Ready".into()));
    let accepted = status.conditions.iter().find(|found| found.type_ == "Accepted");
    let told = &accepted.expect("a condition").message;
    assert!(
        told.contains("HTTPRoutes of the namespace cannot be read"),
        "{told}"
    );
    assert_eq!(status.observed_generation, Some(3));
    assert_eq!(status.routed_hosts, Some(vec![APP.into()]));
}

#[test]
fn where_routes_cannot_be_read_new_hosts_wait_and_the_status_says_so() {
    let world = follows();
    let mut edited = world.noted();
    edited.metadata.generation = Some(4);
    edited
        .spec
        .redirect_uris
        .push("https://new.example.com/cb".into());
    for (client, observed) in [(demo(), None), (edited, Some(3))] {
        let (writes, status) = world.unreadable(&client, Target::Absent);
        assert!(!writes);
        let reason = || "RoutesUnknown".to_owned();
        assert_eq!(condition(&status, "Accepted"), ("Unknown".into(), reason()));
        assert_eq!(condition(&status, "Ready"), ("False".into(), reason()));
        let before = client.status.clone().unwrap_or_default();
        assert_eq!(status.credentials, before.credentials);
        assert_eq!(status.routed_hosts, before.routed_hosts);
        // pods go by this: what is new waits, and what was noted is served
        assert_eq!(status.observed_generation, observed);
        let after = OidcClient {
            status: Some(status),
            ..client
        };
        let judged = validate(&after, &world.installation, None).expect("not refused");
        assert_eq!(judged.redirect_uris().len(), usize::from(observed.is_some()));
    }
}
