//! When the client was used.

use oidc_crds::uses::Coverage;

use super::*;

fn seen(id: &str, second: i64) -> Seen {
    Seen {
        credentials: [(id.to_owned(), at(second))].into(),
        client: Some(at(second)),
        coverage: None,
    }
}

fn ours(secret: &Secret) -> Target {
    Target::Ours(Box::new(secret.clone()))
}

impl World {
    /// Plans and writes the status.
    fn note(&self, object: &OidcClient, secret: &Secret, seen: Seen, now: i64) -> (OidcClient, Outcome) {
        let verdict = validate(object, &self.installation, None);
        let observed = Observed {
            target: ours(secret),
            former: Vec::new(),
            given: None,
            seen,
        };
        let verdict = verdict.as_ref().map_err(Vec::as_slice);
        let plan = plan(object, &observed, verdict, &self.terms(now), &mut SystemRng);
        assert!(plan.secret.is_none() && plan.first_status(object).is_none());
        let outcome = plan.finish(object, &Applied::nothing(), at(now));
        let mut object = object.clone();
        object.status = Some(outcome.status.clone());
        (object, outcome)
    }
}

#[test]
fn a_use_is_noted_when_it_is_five_minutes_later() {
    let world = world();
    let (client, secret) = world.settle(&demo(), Target::Absent, NOW);
    let id = client.status.clone().expect("written").credentials[0].id.clone();
    let (same, _) = world.note(&client, &secret, Seen::default(), NOW + 9);
    assert_eq!(same.status, client.status, "an idle client is not written");
    let (mut client, _) = world.note(&client, &secret, seen(&id, NOW + 10), NOW + 20);
    for (used, noted) in [(10, 10), (309, 10), (310, 310), (200, 310), (900, 900)] {
        client = world.note(&client, &secret, seen(&id, NOW + used), NOW + 1000).0;
        let status = client.status.as_ref().expect("written");
        assert_eq!(status.last_used_at, Some(Time(at(NOW + noted))));
        assert_eq!(status.credentials[0].last_used_at, Some(Time(at(NOW + noted))));
    }
    // also while the client is refused, what was noted stays
    client.spec.redirect_uris = vec!["http://example.com/".into()];
    let (refused, outcome) = world.note(&client, &secret, Seen::default(), NOW + 2000);
    assert_eq!(outcome.reason, Reason::Invalid);
    let status = refused.status.expect("written");
    assert_eq!(status.last_used_at, Some(Time(at(NOW + 900))));
    assert!(status.credentials[0].last_used_at.is_some());
}

#[test]
fn a_client_without_a_secret_is_used_too() {
    let world = world();
    let spec = json!({"redirectUris": ["https://app.example.com/cb"], "authentication": {"none": {}}});
    let (client, secret) = world.settle(&object(spec), Target::Absent, NOW);
    let used = Seen {
        client: Some(at(NOW + 5)),
        ..Seen::default()
    };
    let (client, _) = world.note(&client, &secret, used, NOW + 20);
    assert_eq!(
        client.status.expect("written").last_used_at,
        Some(Time(at(NOW + 5)))
    );
}

#[test]
fn a_secret_that_retires_unused_is_told_of() {
    let world = world();
    let spec = |now: &str| {
        json!({"redirectUris": ["https://app.example.com/cb"],
               "rotation": {"now": now, "overlap": "1d", "retireUnused": "1h"}})
    };
    let (mut client, secret) = world.settle(&object(spec("a")), Target::Absent, NOW);
    client.spec = object(spec("b")).spec;
    let (client, secret) = world.settle(&client, ours(&secret), NOW + 10);
    let old = client.status.clone().expect("written").credentials[0].id.clone();
    let unused = Seen {
        coverage: Some(Coverage {
            from: at(NOW),
            to: at(NOW + 3610),
        }),
        ..seen(&old, NOW + 5)
    };
    let (client, outcome) = world.note(&client, &secret, unused, NOW + 3700);
    assert_eq!(
        outcome.notes,
        [Note::normal(
            Reason::CredentialRetired,
            format!("a replaced client secret that nobody used for 1h is no longer accepted: {old}")
        )]
    );
    let status = client.status.expect("written");
    assert_eq!(status.credentials.len(), 1);
    assert_eq!(status.last_used_at, Some(Time(at(NOW + 5))));
}
