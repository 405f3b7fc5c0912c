//! `spec.rotation`.

use super::*;

fn rotating(rotation: serde_json::Value) -> OidcClient {
    object(json!({"redirectUris": ["https://app.example.com/cb"], "rotation": rotation}))
}

fn ours(secret: &Secret) -> Target {
    Target::Ours(Box::new(secret.clone()))
}

fn message(plan: &Plan, reason: Reason) -> &str {
    let note = plan.notes.iter().find(|note| note.reason == reason);
    &note.expect("told").message
}

#[test]
fn a_word_rotates_in_three_writes() {
    let world = world();
    let (mut client, secret) = world.settle(&rotating(json!({"now": "a"})), Target::Absent, NOW);
    let status = client.status.clone().expect("written");
    assert_eq!(
        status.rotation,
        Some(RotationStatus {
            now: Some("a".into()),
            ..RotationStatus::default()
        })
    );
    assert_eq!(status.last_rotation, Some(Time(at(NOW))));
    assert_eq!(status.next_rotation, None);
    assert!(
        world
            .plan(&client, ours(&secret), None, NOW + 10)
            .secret
            .is_none()
    );

    client.spec = rotating(json!({"now": "b", "overlap": "1h"})).spec;
    let plan = world.plan(&client, ours(&secret), None, NOW + 10);
    let first = plan.first_status(&client).expect("status first");
    assert_eq!(first.credentials.len(), 2);
    assert_eq!(
        first.credentials[0], status.credentials[0],
        "it does not retire yet"
    );
    assert_eq!(
        first.rotation,
        Some(RotationStatus {
            now: Some("b".into()),
            ..RotationStatus::default()
        })
    );
    assert_eq!(
        (&first.conditions, &first.secret),
        (&status.conditions, &status.secret)
    );
    let Some(SecretWrite::Replace(written)) = plan.secret.clone() else {
        panic!("it is replaced");
    };
    assert_eq!(
        written.annotations()[ANNOTATION_CREDENTIAL_ID],
        first.credentials[1].id
    );
    assert!(message(&plan, Reason::CredentialRotated).starts_with("as spec.rotation.now asks, "));
    client.status = Some(first);
    let outcome = plan.finish(&client, &Applied::secret(&written), at(NOW + 10));
    let last = outcome.status;
    assert_eq!(last.credentials[0].retires_at, Some(Time(at(NOW + 10 + 3600))));
    assert_eq!(last.last_rotation, Some(Time(at(NOW + 10))));
    assert_eq!(outcome.again.map(|again| again.as_secs()), Some(3600));

    client.status = Some(last.clone());
    let plan = world.plan(&client, ours(&written), None, NOW + 20);
    assert!(plan.secret.is_none());
    let again = plan.finish(&client, &Applied::nothing(), at(NOW + 20));
    assert_eq!(again.status, last);
}

#[test]
fn a_failed_delivery_lets_nothing_retire() {
    let world = world();
    let (mut client, secret) = world.settle(&rotating(json!({})), Target::Absent, NOW);
    client.spec = rotating(json!({"now": "b", "overlap": "0s"})).spec;
    let plan = world.plan(&client, ours(&secret), None, NOW + 10);
    client.status = plan.first_status(&client);
    let error = Error::Api {
        what: "replace Secret app-oidc".into(),
        source: Box::new(kube::Error::Api(
            kube::core::Status::failure("no", "Forbidden").boxed(),
        )),
    };
    let outcome = plan.finish(&client, &Applied::failed(&error), at(NOW + 10));
    assert_eq!(condition(&outcome.status, "Ready").1, "WriteFailed");
    let held = app::client_secret(&data_of(&secret)).expect("a secret");
    let listed = &outcome.status.credentials;
    assert!(credentials::verify(&world.pepper, "u1", listed, &held, at(NOW + 10_000)).is_some());

    // It was never delivered: the next try draws another, and that is the last one.
    client.status = Some(outcome.status);
    let undelivered = client.status.as_ref().expect("there").credentials[1].id.clone();
    let (client, secret) = world.settle(&client, ours(&secret), NOW + 20);
    let listed = client.status.clone().expect("written").credentials;
    assert_eq!(listed.len(), 1, "no overlap was asked for");
    assert_ne!(listed[0].id, undelivered);
    assert!(
        world
            .plan(&client, ours(&secret), None, NOW + 30)
            .secret
            .is_none()
    );
}

#[test]
fn an_interval_is_shown_and_waited_for() {
    let world = world();
    let day = 86_400;
    let client = rotating(json!({"interval": "90d"}));
    let (client, secret) = world.settle(&client, Target::Absent, NOW);
    let status = client.status.clone().expect("written");
    assert_eq!(status.next_rotation, Some(Time(at(NOW + 90 * day))));
    let before = world.plan(&client, ours(&secret), None, NOW + 90 * day - 1);
    assert!(before.secret.is_none());
    assert_eq!(before.again.map(|again| again.as_secs()), Some(1));
    let early = world.plan(&client, ours(&secret), None, NOW + 1);
    assert_eq!(early.again, Some(LONGEST));
    let due = world.plan(&client, ours(&secret), None, NOW + 90 * day);
    assert!(message(&due, Reason::CredentialRotated).starts_with("as spec.rotation.interval asks, "));
    let (client, _) = world.settle(&client, ours(&secret), NOW + 90 * day);
    let status = client.status.expect("written");
    assert_eq!(status.next_rotation, Some(Time(at(NOW + 180 * day))));
    assert_eq!(status.credentials.len(), 2);
}

#[test]
fn a_new_secret_restarts_workloads_and_that_is_noted_when_it_is_done() {
    let world = world();
    let spec = |now: &str| {
        object(json!({
            "redirectUris": ["https://app.example.com/cb"], "rotation": {"now": now},
            "rolloutRestart": [{"kind": "Deployment", "name": "app"}],
        }))
    };
    let restarted_for =
        |status: &OidcClientStatus| status.rotation.clone().and_then(|noted| noted.restarted_for);
    let (mut client, secret) = world.settle(&spec("a"), Target::Absent, NOW);
    let status = client.status.clone().expect("written");
    let first = status.credentials[0].id.clone();
    assert_eq!(
        restarted_for(&status).as_ref(),
        Some(&first),
        "the first is no reason"
    );

    client.spec = spec("b").spec;
    let plan = world.plan(&client, ours(&secret), None, NOW + 10);
    assert!(plan.restarts.is_due());
    client.status = plan.first_status(&client);
    assert_eq!(
        restarted_for(client.status.as_ref().expect("status first")).as_ref(),
        Some(&first)
    );
    let Some(SecretWrite::Replace(written)) = plan.secret.clone() else {
        panic!("it is replaced");
    };
    // A restart failed: it is due until it is done.
    let outcome = plan.finish(&client, &Applied::secret(&written), at(NOW + 10));
    assert_eq!(condition(&outcome.status, "Ready").0, "True");
    assert_eq!(restarted_for(&outcome.status).as_ref(), Some(&first));
    client.status = Some(outcome.status);
    let again = world.plan(&client, ours(&written), None, NOW + 20);
    assert!(again.restarts.is_due() && again.secret.is_none() && again.first_status(&client).is_none());
    let done = Applied::nothing().restarted(Restarted::done());
    let outcome = again.finish(&client, &done, at(NOW + 20));
    let second = &outcome.status.credentials[1].id;
    assert_eq!(restarted_for(&outcome.status).as_ref(), Some(second));
    client.status = Some(outcome.status);
    let last = world.plan(&client, ours(&written), None, NOW + 30);
    assert!(!last.restarts.is_due());
}
