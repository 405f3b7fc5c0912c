use oidc_crds::credentials::{self, digest};
use oidc_crds::rng::SystemRng;
use oidc_crds::uses::Seen;
use oidc_crds::validate::validate;
use serde_json::json;

use super::*;
use crate::execute::Error;

mod hosts;
mod moving;
mod rotation;
mod uses;

const NOW: i64 = 1_800_000_000;

struct World {
    installation: Installation,
    pepper: Pepper,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn world() -> World {
    World {
        installation: Installation::standalone("https://login.example.com", false),
        pepper: Pepper::generate(at(NOW), &mut SystemRng),
    }
}

fn object(spec: serde_json::Value) -> OidcClient {
    serde_json::from_value(json!({
        "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient",
        "metadata": {
            "name": "app", "namespace": "team-a", "uid": "u1", "resourceVersion": "1", "generation": 3,
            "creationTimestamp": "2026-11-25T09:00:00Z",
        },
        "spec": spec,
    }))
    .expect("an OidcClient")
}

fn demo() -> OidcClient {
    object(json!({"redirectUris": ["https://app.example.com/cb"]}))
}

impl World {
    fn terms(&self, now: i64) -> Terms<'_> {
        Terms {
            release: "oidc",
            home: "identity/oidc",
            installation: &self.installation,
            pepper: &self.pepper,
            ca: Some("PEM"),
            routed_hosts: None,
            unreadable_routes: false,
            now: at(now),
        }
    }

    fn plan(&self, object: &OidcClient, target: Target, given: Option<Given>, now: i64) -> Plan {
        let verdict = validate(object, &self.installation, None);
        let observed = Observed {
            target,
            former: Vec::new(),
            given,
            seen: Seen::default(),
        };
        plan(
            object,
            &observed,
            verdict.as_ref().map_err(Vec::as_slice),
            &self.terms(now),
            &mut SystemRng,
        )
    }

    /// Plans and "writes": the client and its Secret as the API server would hold them afterwards.
    fn settle(&self, object: &OidcClient, target: Target, now: i64) -> (OidcClient, Secret) {
        let plan = self.plan(object, target.clone(), None, now);
        let secret = match (&plan.secret, target) {
            (Some(SecretWrite::Create(secret) | SecretWrite::Replace(secret)), _) => {
                let mut secret = secret.clone();
                secret.metadata.uid.get_or_insert_with(|| "s1".into());
                secret.metadata.resource_version = Some(now.to_string());
                secret
            }
            (None, Target::Ours(secret)) => secret,
            _ => panic!("no Secret"),
        };
        let mut object = object.clone();
        let outcome = plan.finish(&object, &Applied::secret(&secret), at(now));
        object.status = Some(outcome.status);
        (object, *secret)
    }
}

fn condition(status: &OidcClientStatus, kind: &str) -> (String, String) {
    let found = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind)
        .expect(kind);
    (found.status.clone(), found.reason.clone())
}

#[test]
fn a_new_client_takes_two_writes_and_none_after_that() {
    let world = world();
    let plan = world.plan(&demo(), Target::Absent, None, NOW);
    assert!(plan.first_status.is_none(), "Secret first, then one status");
    assert!(matches!(plan.secret, Some(SecretWrite::Create(_))));
    let (client, secret) = world.settle(&demo(), Target::Absent, NOW);
    let status = client.status.clone().expect("written");
    assert_eq!(status.client_id.as_deref(), Some("team-a.app"));
    assert_eq!(status.observed_generation, Some(3));
    for kind in ["Accepted", "CredentialsReady", "Ready"] {
        assert_eq!(condition(&status, kind).0, "True");
    }
    assert_eq!(status.secret.as_ref().map(|s| s.name.as_str()), Some("app-oidc"));
    let held = app::client_secret(&data_of(&secret)).expect("a secret");
    assert!(credentials::verify(&world.pepper, "u1", &status.credentials, &held, at(NOW)).is_some());

    let again = world.plan(&client, Target::Ours(Box::new(secret)), None, NOW + 100);
    assert!(again.first_status.is_none() && again.secret.is_none());
    let outcome = again.finish(&client, &Applied::nothing(), at(NOW + 100));
    assert_eq!(outcome.status, status);
    assert!(outcome.notes.is_empty());
    assert_eq!(outcome.again, None);
}

#[test]
fn a_new_client_is_one_event_which_tells_of_its_secret() {
    let world = world();
    let plan = world.plan(&demo(), Target::Absent, None, NOW);
    let Some(SecretWrite::Create(secret)) = &plan.secret else {
        panic!("it must be made");
    };
    let (secret, id) = (secret.clone(), plan.credentials[0].id.clone());
    let outcome = plan.finish(&demo(), &Applied::secret(&secret), at(NOW));
    let told = format!("served; Secret app-oidc with a new client secret, {id}");
    assert_eq!(outcome.notes, [Note::normal(Reason::Ready, told)]);

    let mut ready = demo();
    ready.status = Some(outcome.status);
    let lost = world.plan(&ready, Target::Absent, None, NOW + 10);
    let outcome = lost.finish(&ready, &Applied::secret(&secret), at(NOW + 10));
    let reasons: Vec<Reason> = outcome.notes.iter().map(|note| note.reason).collect();
    assert_eq!(
        reasons,
        [Reason::CredentialRotated, Reason::SecretCreated],
        "that a Secret was lost is news of its own"
    );
}

#[test]
fn the_secret_is_opaque_owned_and_labelled() {
    let world = world();
    let (_, secret) = world.settle(&demo(), Target::Absent, NOW);
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    let owners = secret.owner_references();
    assert_eq!(owners.len(), 1);
    assert_eq!((owners[0].uid.as_str(), owners[0].controller), ("u1", Some(true)));
    assert_eq!(owners[0].block_owner_deletion, None);
    assert!(
        secret
            .labels()
            .keys()
            .all(|key| key.starts_with("app.kubernetes.io/"))
    );
    let annotations: Vec<_> = secret.annotations().keys().map(String::as_str).collect();
    assert_eq!(annotations, [ANNOTATION_CREDENTIAL_ID, ANNOTATION_INSTALLATION]);
}

#[test]
fn i6_a_foreign_or_stale_secret_is_left_alone() {
    let world = world();
    for (target, reason) in [(Target::Foreign, "NotOwned"), (Target::Stale, "StaleOwner")] {
        let plan = world.plan(&demo(), target, None, NOW);
        assert!(plan.secret.is_none() && plan.first_status.is_none());
        let outcome = plan.finish(&demo(), &Applied::nothing(), at(NOW));
        assert_eq!(
            condition(&outcome.status, "CredentialsReady"),
            ("False".into(), reason.into())
        );
        assert_eq!(condition(&outcome.status, "Accepted").0, "True");
        assert_eq!(condition(&outcome.status, "Ready").0, "False");
        assert!(outcome.status.credentials.is_empty());
        assert!(outcome.again.is_some());
    }
}

#[test]
fn i6_nothing_is_ready_after_a_failed_write() {
    let world = world();
    let plan = world.plan(&demo(), Target::Absent, None, NOW);
    let error = Error::Api {
        what: "create Secret app-oidc".into(),
        source: Box::new(kube::Error::Api(
            kube::core::Status::failure("quota", "Forbidden").boxed(),
        )),
    };
    let outcome = plan.finish(&demo(), &Applied::failed(&error), at(NOW));
    assert_eq!(
        condition(&outcome.status, "Ready"),
        ("False".into(), "WriteFailed".into())
    );
    assert!(outcome.status.credentials.is_empty(), "it was never delivered");
    assert_eq!(outcome.status.secret, None);
}

#[test]
fn a_lost_secret_is_made_anew_and_the_new_digest_is_listed_first() {
    let world = world();
    let (client, _) = world.settle(&demo(), Target::Absent, NOW);
    let plan = world.plan(&client, Target::Absent, None, NOW + 10);
    let first = plan.first_status.as_ref().expect("status first");
    assert_eq!(first.len(), 2, "the old one lives out the overlap");
    assert!(first[0].retires_at.is_some() && first[1].retires_at.is_none());
    assert!(matches!(plan.secret, Some(SecretWrite::Create(_))));
    assert!(plan.again.is_some(), "to retire the old one");
}

#[test]
fn each_new_secret_is_told_by_its_id() {
    let world = world();
    let (mut client, mut secret) = world.settle(&demo(), Target::Absent, NOW);
    let mut texts = Vec::new();
    for round in 1..=2 {
        // Its value was edited.
        secret.data = None;
        let plan = world.plan(&client, Target::Ours(Box::new(secret)), None, NOW + round);
        let (before, after) = (client.status.clone().unwrap_or_default(), &plan.credentials);
        let id = &after.last().expect("minted").id;
        let text = |reason| {
            let note = plan.notes.iter().find(|note| note.reason == reason);
            note.expect("told").message.clone()
        };
        assert!(text(Reason::SecretUpdated).ends_with(&format!("a new client secret, {id}")));
        let old = &before.credentials.last().expect("there").id;
        assert_eq!(
            text(Reason::CredentialRotated),
            format!(
                "a replaced client secret is still accepted: {old} until {}",
                at(NOW + round + 86_400)
            ),
            "and nothing of those that were told before"
        );
        texts.extend(plan.notes.iter().map(|note| note.message.clone()));
        let Some(SecretWrite::Replace(written)) = plan.secret.clone() else {
            panic!("it is healed");
        };
        secret = *written;
        client.status = Some(
            plan.finish(&client, &Applied::secret(&secret), at(NOW + round))
                .status,
        );
    }
    let plan = world.plan(&client, Target::Ours(Box::new(secret)), None, NOW + 86_401);
    let retired = plan
        .notes
        .iter()
        .find(|note| note.reason == Reason::CredentialRetired);
    texts.push(retired.expect("told").message.clone());
    let count = texts.len();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), count, "all Events are different ones");
}

#[test]
fn a_secret_ref_of_another_type_or_of_the_installation_is_refused() {
    let world = world();
    let object = object(json!({
        "redirectUris": ["https://app.example.com/cb"], "secretRef": {"name": "mine"},
    }));
    for (given, told) in [
        (
            Given::OfType("kubernetes.io/service-account-token".into()),
            "service-account-token",
        ),
        (
            Given::Reserved("is imported by a SigningKey"),
            "is imported by a SigningKey",
        ),
    ] {
        let plan = world.plan(&object, Target::Absent, Some(given), NOW);
        assert!(plan.secret.is_none() && plan.credentials.is_empty());
        let outcome = plan.finish(&object, &Applied::nothing(), at(NOW));
        assert_eq!(
            condition(&outcome.status, "Ready"),
            ("False".into(), "SecretInvalid".into())
        );
        assert!(outcome.notes[0].message.contains(told));
    }
}

#[test]
fn an_edited_secret_is_healed_and_what_others_added_stays() {
    let world = world();
    let (client, mut secret) = world.settle(&demo(), Target::Absent, NOW);
    secret.labels_mut().insert("team".into(), "blue".into());
    let data = secret.data.as_mut().expect("data");
    data.insert("CLIENT_ID".into(), k8s_openapi::ByteString(b"other".to_vec()));
    let plan = world.plan(&client, Target::Ours(Box::new(secret.clone())), None, NOW + 10);
    let Some(SecretWrite::Replace(healed)) = &plan.secret else {
        panic!("it must be replaced");
    };
    assert_eq!(healed.labels()["team"], "blue");
    assert_eq!(healed.metadata.resource_version, secret.metadata.resource_version);
    assert_eq!(data_of(healed)["CLIENT_ID"], b"team-a.app");
    assert!(plan.first_status.is_none(), "the secret itself was not edited");
}

#[test]
fn an_empty_status_beside_our_secret_mints_nothing() {
    let world = world();
    let (mut client, secret) = world.settle(&demo(), Target::Absent, NOW);
    let known = client.status.take().expect("written").credentials;
    let plan = world.plan(&client, Target::Ours(Box::new(secret)), None, NOW + 10);
    assert!(plan.secret.is_none());
    let outcome = plan.finish(&client, &Applied::nothing(), at(NOW + 10));
    assert_eq!(outcome.status.credentials[0].digest, known[0].digest);
    assert!(
        outcome
            .notes
            .iter()
            .any(|note| note.reason == Reason::DigestsRestored)
    );
}

#[test]
fn digests_under_a_lost_pepper_are_computed_again() {
    let world = world();
    let (client, secret) = world.settle(&demo(), Target::Absent, NOW);
    let anew = super::tests::world();
    let (healed, same) = anew.settle(&client, Target::Ours(Box::new(secret.clone())), NOW + 10);
    assert_eq!(same.data, secret.data);
    let credential = &healed.status.expect("written").credentials[0];
    let held = app::client_secret(&data_of(&secret)).expect("a secret");
    assert_eq!(
        credential.digest,
        digest(&anew.pepper, "u1", &credential.id, &held)
    );
}

#[test]
fn i6_a_late_secret_ref_mints_nothing() {
    let world = world();
    let client = object(json!({
        "redirectUris": ["https://app.example.com/cb"], "secretRef": {"name": "mine"},
    }));
    let plan = world.plan(&client, Target::Absent, Some(Given::Missing), NOW);
    assert!(plan.secret.is_none() && plan.first_status.is_none());
    let outcome = plan.finish(&client, &Applied::nothing(), at(NOW));
    assert_eq!(
        condition(&outcome.status, "CredentialsReady"),
        ("False".into(), "SecretNotFound".into())
    );
    assert_eq!(outcome.again, Some(REREAD));
}

#[test]
fn a_given_secret_is_accepted_before_apps_can_read_it() {
    let world = world();
    let client = object(json!({
        "redirectUris": ["https://app.example.com/cb"], "secretRef": {"name": "mine"},
    }));
    let given = |version: &str, value: &str| {
        Some(Given::Present {
            version: version.into(),
            secret: Some(ClientSecret::new(value.into())),
        })
    };
    let one = "0123456789abcdefghijklmnopqrstuvwxyz";
    let plan = world.plan(&client, Target::Absent, given("s/1", one), NOW);
    let Some(SecretWrite::Create(secret)) = &plan.secret else {
        panic!("the app's Secret is made");
    };
    let secret = secret.clone();
    assert_eq!(data_of(&secret)["CLIENT_SECRET"], one.as_bytes());
    let mut known = client.clone();
    known.status = Some(plan.finish(&client, &Applied::secret(&secret), at(NOW)).status);
    let two = "zyxwvutsrqponmlkjihgfedcba9876543210";
    let plan = world.plan(&known, Target::Ours(secret.clone()), given("s/2", two), NOW + 10);
    assert_eq!(plan.first_status.as_ref().map(Vec::len), Some(2));
    assert!(matches!(plan.secret, Some(SecretWrite::Replace(_))));
    let plan = world.plan(&known, Target::Ours(secret), given("s/1", one), NOW + 10);
    assert!(plan.secret.is_none());
}

#[test]
fn a_refused_spec_changes_conditions_only() {
    let world = world();
    let (mut client, secret) = world.settle(&demo(), Target::Absent, NOW);
    client.spec.redirect_uris = vec!["ftp://a".into(), "https://a.example/#x".into()];
    let plan = world.plan(&client, Target::Ours(Box::new(secret)), None, NOW + 10);
    assert!(plan.secret.is_none());
    let old = client.status.clone().expect("written");
    let outcome = plan.finish(&client, &Applied::nothing(), at(NOW + 10));
    assert_eq!(condition(&outcome.status, "Accepted").0, "False");
    assert_eq!(condition(&outcome.status, "CredentialsReady").0, "True");
    assert_eq!(outcome.status.credentials, old.credentials);
    assert_eq!(outcome.status.secret, old.secret);
    let message = &outcome.status.conditions[0].message;
    assert!(
        message.contains("redirectUris[0]") && message.contains("redirectUris[1]"),
        "{message}"
    );
}

#[test]
fn a_public_client_gets_a_secret_without_a_secret() {
    let world = world();
    let client = object(json!({
        "redirectUris": ["https://app.example.com/cb"], "authentication": {"none": {}},
    }));
    let (client, secret) = world.settle(&client, Target::Absent, NOW);
    assert!(!data_of(&secret).contains_key("CLIENT_SECRET"));
    let status = client.status.clone().expect("written");
    assert!(status.credentials.is_empty());
    assert_eq!(condition(&status, "Ready").0, "True");
    let plan = world.plan(&client, Target::Ours(Box::new(secret)), None, NOW + 10);
    assert!(plan.secret.is_none());
}

/// What a plan replaces the Secret with.
fn replaced(plan: &Plan) -> &Secret {
    match &plan.secret {
        Some(SecretWrite::Replace(secret)) => secret,
        other => panic!("it must be replaced: {other:?}"),
    }
}

#[test]
fn another_key_for_the_secret_keeps_the_secret() {
    let world = world();
    let (mut client, secret) = world.settle(&demo(), Target::Absent, NOW);
    let value = data_of(&secret)["CLIENT_SECRET"].clone();
    let mut secret = secret;
    for (round, output) in [
        json!({"keys": {"CLIENT_SECRET": "client-secret"}}),
        json!({"preset": "grafana"}),
        json!({"preset": "oauth2-proxy", "keys": {"client-secret": "s"}}),
        json!(null),
    ]
    .into_iter()
    .enumerate()
    {
        client.spec.secret = serde_json::from_value(output).expect("a shape");
        let now = NOW + 10 * (round as i64 + 1);
        let plan = world.plan(&client, Target::Ours(Box::new(secret.clone())), None, now);
        assert!(plan.first_status.is_none(), "the credential is the same");
        let written = replaced(&plan);
        let holders = data_of(written).into_values().filter(|held| *held == value);
        assert_eq!(holders.count(), 1, "and nowhere else");
        let held = app::held_secret(&data_of(written), written.annotations()).expect("found");
        assert_eq!(held.expose().as_bytes(), value);
        (client, secret) = world.settle(&client, Target::Ours(Box::new(secret)), now);
        assert_eq!(client.status.as_ref().expect("written").credentials.len(), 1);
        // as after a restart: nothing is known but the objects
        let again = world.plan(&client, Target::Ours(Box::new(secret.clone())), None, now + 1);
        assert!(again.secret.is_none() && again.first_status.is_none());
    }
    assert!(!secret.annotations().contains_key("oidc-operator.dev/shape"));
}

#[test]
fn an_edited_value_under_another_key_is_noticed() {
    let world = world();
    let renamed = object(json!({
        "redirectUris": ["https://app.example.com/cb"], "secret": {"keys": {"CLIENT_SECRET": "s"}},
    }));
    let (client, mut secret) = world.settle(&renamed, Target::Absent, NOW);
    let chosen = k8s_openapi::ByteString(b"0123456789abcdef0123456789abcdef0123456789a".to_vec());
    secret
        .data
        .as_mut()
        .expect("data")
        .insert("s".into(), chosen.clone());
    let plan = world.plan(&client, Target::Ours(Box::new(secret.clone())), None, NOW + 10);
    assert_eq!(
        plan.first_status.as_ref().map(Vec::len),
        Some(2),
        "a new one, with overlap"
    );
    assert_ne!(data_of(replaced(&plan))["s"], chosen.0);

    // Whoever points the annotation elsewhere gets a new secret too, never one of their choice.
    let (client, mut secret) = world.settle(&renamed, Target::Absent, NOW);
    secret
        .data
        .as_mut()
        .expect("data")
        .insert("theirs".into(), chosen.clone());
    let shape = r#"{"secretKey":"theirs"}"#;
    secret
        .annotations_mut()
        .insert("oidc-operator.dev/shape".into(), shape.into());
    let plan = world.plan(&client, Target::Ours(Box::new(secret)), None, NOW + 10);
    assert!(data_of(replaced(&plan)).values().all(|held| *held != chosen.0));
    assert_eq!(plan.credentials.len(), 2);
}

#[test]
fn marks_come_and_go_with_the_spec_and_those_of_others_stay() {
    let world = world();
    let marked = object(json!({
        "redirectUris": ["https://app.example.com/cb"],
        "secret": {
            "labels": {"team": "blue", "tier": "web"}, "annotations": {"reloader.stakater.com/match": "true"},
        },
    }));
    let (mut client, mut secret) = world.settle(&marked, Target::Absent, NOW);
    assert_eq!(
        (&*secret.labels()["team"], &*secret.labels()["tier"]),
        ("blue", "web")
    );
    assert_eq!(secret.annotations()["reloader.stakater.com/match"], "true");
    let again = world.plan(&client, Target::Ours(Box::new(secret.clone())), None, NOW + 1);
    assert!(again.secret.is_none());

    secret.labels_mut().insert("theirs".into(), "x".into());
    secret
        .annotations_mut()
        .insert("theirs.example/x".into(), "x".into());
    secret.labels_mut().insert("tier".into(), "edited".into());
    client.spec.secret = serde_json::from_value(json!({"labels": {"tier": "web"}})).expect("a shape");
    let plan = world.plan(&client, Target::Ours(Box::new(secret)), None, NOW + 10);
    let written = replaced(&plan);
    assert_eq!(written.labels()["tier"], "web");
    assert!(!written.labels().contains_key("team"));
    assert!(!written.annotations().contains_key("reloader.stakater.com/match"));
    assert!(
        written.labels().contains_key("theirs") && written.annotations().contains_key("theirs.example/x")
    );
    assert!(plan.first_status.is_none(), "the credential is the same");
}

#[test]
fn what_is_drawn_for_a_program_outlives_a_rotation_and_goes_with_its_key() {
    let world = world();
    let spec = |secret: serde_json::Value| {
        object(json!({"redirectUris": ["https://app.example.com/cb"], "secret": secret}))
    };
    let (client, mut secret) = world.settle(&spec(json!({"preset": "oauth2-proxy"})), Target::Absent, NOW);
    let cookie = data_of(&secret)["cookie-secret"].clone();
    secret.data.as_mut().expect("data").remove("client-secret");
    let (_, healed) = world.settle(&client, Target::Ours(Box::new(secret)), NOW + 10);
    assert_eq!(data_of(&healed)["cookie-secret"], cookie);
    assert!(data_of(&healed).contains_key("client-secret"));
}

/// A client whose Secret is to have another name, the Secret under the former one, and what is planned.
fn moved(world: &World, target: Target) -> (OidcClient, Secret, Plan) {
    let preset = object(json!({
        "redirectUris": ["https://app.example.com/cb"], "secret": {"preset": "oauth2-proxy"},
    }));
    let (mut client, former) = world.settle(&preset, Target::Absent, NOW);
    client.spec.secret.as_mut().expect("a shape").name = Some("other".into());
    let verdict = validate(&client, &world.installation, None);
    let observed = Observed {
        target,
        former: vec![former.clone()],
        given: None,
        seen: Seen::default(),
    };
    let verdict = verdict.as_ref().map_err(Vec::as_slice);
    let plan = plan(
        &client,
        &observed,
        verdict,
        &world.terms(NOW + 10),
        &mut SystemRng,
    );
    (client, former, plan)
}

#[test]
fn a_new_name_moves_the_secret_with_its_credential() {
    let world = world();
    let (client, former, plan) = moved(&world, Target::Absent);
    let Some(SecretWrite::Create(secret)) = &plan.secret else {
        panic!("a new one is made");
    };
    assert_eq!(secret.name_any(), "other");
    assert_eq!(secret.data, former.data, "nothing is minted or drawn");
    assert_eq!(secret.annotations(), former.annotations());
    assert!(plan.first_status.is_none());
    let removed: Vec<String> = plan.remove.iter().map(ResourceExt::name_any).collect();
    assert_eq!(removed, ["app-oidc"], "then the former one goes");
    let told = |note: &Note| note.message.contains("app-oidc is removed");
    assert!(plan.notes.iter().any(told));
    let secret = secret.clone();
    let before = client.status.clone().expect("written");
    let status = plan
        .finish(&client, &Applied::secret(&secret), at(NOW + 10))
        .status;
    assert_eq!(status.credentials, before.credentials);
    assert_eq!(status.secret.expect("told").name, "other");
}

#[test]
fn a_secret_that_could_not_be_removed_is_not_forgotten() {
    let world = world();
    let (client, _, plan) = moved(&world, Target::Absent);
    let error = Error::Api {
        what: "delete Secret app-oidc".into(),
        source: Box::new(kube::Error::Api(
            kube::core::Status::failure("no", "Forbidden").boxed(),
        )),
    };
    let status = plan
        .finish(&client, &Applied::failed(&error), at(NOW + 10))
        .status;
    assert_eq!(condition(&status, "Ready").1, "WriteFailed");
    assert_eq!(status.secret.expect("known").name, "app-oidc");

    // The next time the new one is there, and only the removal is left to do.
    let (_, _, first) = moved(&world, Target::Absent);
    let Some(SecretWrite::Create(secret)) = first.secret else {
        panic!("a new one is made");
    };
    let (_, _, plan) = moved(&world, Target::Ours(secret));
    assert_eq!(plan.remove.len(), 1);
}

#[test]
fn i6_a_foreign_secret_under_the_new_name_keeps_the_old_one() {
    let world = world();
    let (client, _, plan) = moved(&world, Target::Foreign);
    assert!(plan.secret.is_none() && plan.remove.is_empty());
    let status = plan.finish(&client, &Applied::nothing(), at(NOW + 10)).status;
    assert_eq!(status.secret.expect("known").name, "app-oidc");
}

#[test]
fn reg_01_a_client_that_registered_itself_gets_no_secret() {
    let world = world();
    let client = object(json!({
        "redirectUris": ["https://app.example.com/cb"],
        "registration": {"id": "r1", "secretDigest": "p:d"},
    }));
    let plan = world.plan(&client, Target::Absent, None, NOW);
    assert!(plan.secret.is_none() && plan.first_status.is_none());
    let outcome = plan.finish(&client, &Applied::nothing(), at(NOW));
    assert_eq!(outcome.reason, Reason::Ready);
    assert_eq!(outcome.status.client_id.as_deref(), Some("team-a.app"));
    assert!(outcome.status.credentials.is_empty() && outcome.again.is_none());
}
