use std::sync::Arc;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::client::{Authentication, Rotation};
use crate::names::{AccessTokenType, ApplicationType, Consent};
use crate::testing::SeededRng;

mod rotations;
mod unused;

const T0: Timestamp = Timestamp::constant(1_800_000_000, 123_456_789);
const OVERLAP: Seconds = Seconds(3600);
const TERMS: Terms = Terms {
    overlap: OVERLAP,
    weak_secrets: false,
};

fn client(authentication: Authentication) -> Client {
    Client {
        uid: "uid-1".into(),
        namespace: "apps".into(),
        name: "demo".into(),
        created_at: T0,
        client_id: "apps.demo".into(),
        display_name: None,
        redirect_uris: Box::default(),
        post_logout_redirect_uris: Box::default(),
        grant_types: Default::default(),
        scopes: Arc::default(),
        application_type: ApplicationType::Web,
        authentication,
        pkce_required: true,
        consent: Consent::Remember,
        id_token_alg: None,
        access_token_alg: None,
        access_token_type: AccessTokenType::AtJwt,
        certificate_bound: false,
        access_token_format: crate::names::AccessTokenFormat::Jwt,
        id_token_claims: crate::names::IdTokenClaims::None,
        secret_name: "demo-oidc".into(),
        lifetimes: Arc::default(),
        credentials: Box::default(),
        rare: None,
    }
}

fn confidential() -> Client {
    client(Authentication::Secret(None))
}

fn pepper(seed: u64) -> Pepper {
    Pepper::generate(T0, &mut SeededRng::new(seed))
}

fn at(seconds: i64) -> Timestamp {
    T0 + SignedDuration::from_secs(seconds)
}

fn secret(text: &str) -> ClientSecret {
    ClientSecret::new(text.to_owned())
}

/// The most writes of a decision.
const ALL: usize = 3;

/// The app's Secret.
#[derive(Clone)]
struct Written {
    id: String,
    value: ClientSecret,
}

/// A small world: status, the app's Secret, the pepper.
struct World {
    known: Vec<Credential>,
    handled: Option<String>,
    uses: Seen,
    rotation: Rotation,
    written: Option<Written>,
    pepper: Pepper,
    rng: SeededRng,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        Self {
            known: vec![],
            handled: None,
            uses: Seen::default(),
            rotation: Rotation::default(),
            written: None,
            pepper: pepper(1),
            rng: SeededRng::new(7),
            now: T0,
        }
    }

    /// A world in which the first credential is in place.
    fn settled() -> Self {
        let mut world = Self::new();
        world.reconcile();
        world
    }

    fn found(&self) -> Found {
        match &self.written {
            None => Found::Nothing,
            Some(written) => Found::Ours {
                credential_id: Some(written.id.clone()),
                secret: Some(written.value.clone()),
            },
        }
    }

    fn decide(&mut self, found: &Found) -> Decision {
        let mut client = confidential();
        client.rare.get_or_insert_default().rotation = Some(self.rotation.clone());
        decide(
            &client,
            Known {
                credentials: &self.known,
                now: self.handled.as_deref(),
                uses: Some(&self.uses),
            },
            found,
            &self.pepper,
            &TERMS,
            self.now,
            &mut self.rng,
        )
    }

    /// Does what a decision says: so many of its writes, at most [`ALL`].
    fn apply(&mut self, decision: &Decision, writes: usize) {
        enum Write<'a> {
            Status(&'a [Credential]),
            Secret(&'a Delivery),
        }
        let status = Write::Status(&decision.credentials);
        let all = match &decision.deliver {
            None => vec![status],
            Some(first) if !first.status_first => vec![Write::Secret(first), status],
            Some(delivery) => vec![Write::Status(&decision.before), Write::Secret(delivery), status],
        };
        for write in all.into_iter().take(writes) {
            match write {
                Write::Status(credentials) => {
                    self.known = through_the_api_server(credentials);
                    self.handled.clone_from(&decision.now);
                }
                Write::Secret(delivery) => {
                    self.written = Some(Written {
                        id: delivery.credential_id.clone(),
                        value: delivery.secret.clone(),
                    });
                }
            }
        }
    }

    fn reconcile(&mut self) -> Decision {
        let decision = self.decide(&self.found());
        self.apply(&decision, ALL);
        decision
    }

    fn accepts(&self, secret: &ClientSecret) -> bool {
        credentials::verify(&self.pepper, "uid-1", &self.known, secret, self.now).is_some()
    }

    fn value(&self) -> ClientSecret {
        self.written.clone().unwrap().value
    }

    fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }
}

/// Times lose what is finer than a second.
fn through_the_api_server(credentials: &[Credential]) -> Vec<Credential> {
    serde_json::from_str(&serde_json::to_string(credentials).unwrap()).unwrap()
}

/// Nothing is left to do.
fn assert_calm(world: &mut World) {
    let found = world.found();
    assert_calm_with(world, &found);
}

fn assert_calm_with(world: &mut World, found: &Found) {
    let known = world.known.clone();
    let decision = world.decide(found);
    assert_eq!(decision.credentials, known);
    assert_eq!(decision.before, known);
    assert_eq!(decision.now, world.handled);
    assert!(decision.deliver.is_none(), "{decision:?}");
    assert_eq!(decision.reasons, []);
}

#[test]
fn what_another_installation_issued_is_not_good_here() {
    let decided = |known: &[Credential]| {
        let known = Known {
            credentials: known,
            ..Known::default()
        };
        let mut rng = SeededRng::new(3);
        decide(
            &confidential(),
            known,
            &Found::Foreign,
            &pepper(2),
            &TERMS,
            T0,
            &mut rng,
        )
    };
    let theirs = Credential {
        id: "00112233aabbccdd".to_owned(),
        digest: credentials::digest(&pepper(1), "uid-1", "00112233aabbccdd", &secret("x")),
        created_at: stored(T0),
        retires_at: None,
        last_used_at: None,
    };
    for known in [vec![theirs], vec![]] {
        let decision = decided(&known);
        let delivery = decision.deliver.as_ref().unwrap();
        // whoever reads the status first accepts the new one before the application has it
        assert_eq!(delivery.status_first, !known.is_empty());
        let [only] = &decision.credentials[..] else {
            panic!("{:?}", decision.credentials);
        };
        assert_eq!(only.id, delivery.credential_id);
        assert!(credentials::matches(&pepper(2), "uid-1", only, &delivery.secret));
        assert_eq!(decision.before, decision.credentials);
        assert!(decision.reasons.contains(&Reason::SecretUpdated));
        assert_eq!(
            decision.reasons.contains(&Reason::CredentialRetired),
            !known.is_empty()
        );
    }
}

#[test]
fn the_first_credential_goes_secret_first() {
    let mut world = World::new();
    let decision = world.reconcile();
    let delivery = decision.deliver.unwrap();
    assert!(!delivery.status_first);
    assert_eq!(decision.reasons, [Reason::SecretCreated]);
    assert_eq!(decision.next, None);
    assert_eq!(world.known.len(), 1);
    assert_eq!(world.known[0].id, delivery.credential_id);
    assert!(world.accepts(&world.value()));
    assert_calm(&mut world);
}

#[test]
fn a_crash_between_the_first_two_writes_is_mended_from_the_secret() {
    let mut world = World::new();
    let decision = world.decide(&Found::Nothing);
    world.apply(&decision, 1);
    assert!(world.known.is_empty());
    let value = world.value();
    let decision = world.reconcile();
    assert!(decision.deliver.is_none());
    assert_eq!(decision.reasons, [Reason::DigestsRestored]);
    assert_eq!(world.known[0].id, world.written.as_ref().unwrap().id);
    assert!(world.accepts(&value));
    assert_calm(&mut world);
}

#[test]
fn a_deleted_secret_is_made_anew_with_overlap() {
    let mut world = World::settled();
    let old = world.value();
    world.written = None;
    world.pass(10);
    let decision = world.reconcile();
    assert!(decision.deliver.unwrap().status_first);
    assert_eq!(
        decision.reasons,
        [Reason::CredentialRotated, Reason::SecretCreated]
    );
    assert_eq!(decision.next.unwrap().as_second(), at(10 + 3600).as_second());
    assert!(world.accepts(&old) && world.accepts(&world.value()));
    assert_calm(&mut world);
    world.pass(3599);
    assert!(world.accepts(&old));
    world.pass(1);
    assert!(!world.accepts(&old));
    let decision = world.reconcile();
    assert_eq!(decision.reasons, [Reason::CredentialRetired]);
    assert_eq!((world.known.len(), decision.next), (1, None));
    assert!(world.accepts(&world.value()));
    assert_calm(&mut world);
}

#[test]
fn an_edited_value_is_made_anew_with_overlap() {
    let other = ClientSecret::generate(&mut SeededRng::new(99));
    for edited in [secret("mine"), secret(""), other] {
        let mut world = World::settled();
        let old = world.value();
        world.written.as_mut().unwrap().value = edited.clone();
        let decision = world.reconcile();
        assert!(decision.deliver.unwrap().status_first);
        assert_eq!(
            decision.reasons,
            [Reason::CredentialRotated, Reason::SecretUpdated]
        );
        assert!(world.accepts(&old) && world.accepts(&world.value()));
        assert!(!world.accepts(&edited), "nobody can set a secret by editing");
        assert_calm(&mut world);
    }
}

#[test]
fn a_secret_without_value_or_annotation_is_made_anew() {
    let world = World::settled();
    let Written { id, value } = world.written.clone().unwrap();
    for (credential_id, secret) in [
        (None, Some(value.clone())),
        (Some(id.clone()), None),
        (Some("0123456789abcdef".to_owned()), Some(value.clone())),
        (Some("x".repeat(300)), Some(value.clone())),
        (None, None),
    ] {
        let mut world = World::settled();
        let decision = world.decide(&Found::Ours {
            credential_id,
            secret,
        });
        assert!(decision.deliver.as_ref().unwrap().status_first);
        world.apply(&decision, ALL);
        assert!(world.accepts(&value) && world.accepts(&world.value()));
        assert_calm(&mut world);
    }
}

#[test]
fn a_credential_that_was_never_delivered_is_dropped_and_minted_again() {
    let mut world = World::settled();
    let (old, before) = (world.written.clone(), world.known.clone());
    world.written = None;
    let decision = world.decide(&Found::Nothing);
    world.apply(&decision, 1);
    let undelivered = decision.deliver.unwrap();
    // The deleted Secret comes back from a backup: it names the old credential.
    world.written = old.clone();
    world.pass(100);
    let decision = world.reconcile();
    let delivered = decision.deliver.unwrap();
    assert_ne!(delivered.credential_id, undelivered.credential_id);
    assert!(delivered.status_first);
    let ids: Vec<_> = world.known.iter().map(|known| known.id.as_str()).collect();
    assert_eq!(ids, [before[0].id.as_str(), delivered.credential_id.as_str()]);
    assert!(!world.accepts(&undelivered.secret));
    // The old one is accepted for a whole overlap from its replacement on.
    assert_eq!(decision.next.unwrap().as_second(), at(100 + 3600).as_second());
    assert!(world.accepts(&old.unwrap().value) && world.accepts(&delivered.secret));
    assert_calm(&mut world);
}

#[test]
fn a_secret_that_was_never_replaced_is_accepted_again_after_its_retirement() {
    let mut world = World::settled();
    let old = world.written.clone();
    world.written = None;
    let decision = world.decide(&Found::Nothing);
    world.apply(&decision, 1);
    world.written = old.clone();
    world.pass(10_000);
    let old = old.unwrap().value;
    assert!(!world.accepts(&old));
    world.reconcile();
    assert!(world.accepts(&old) && world.accepts(&world.value()));
    assert_calm(&mut world);
}

#[test]
fn an_empty_status_beside_our_secret_mints_nothing() {
    let mut world = World::settled();
    let (value, known) = (world.value(), world.known.clone());
    world.known.clear();
    let decision = world.reconcile();
    assert!(decision.deliver.is_none());
    assert_eq!(decision.reasons, [Reason::DigestsRestored]);
    assert_eq!(world.known, known);
    assert!(world.accepts(&value));
}

#[test]
fn an_empty_status_beside_our_secret_without_annotation_keeps_the_value() {
    let mut world = World::settled();
    let value = world.value();
    world.known.clear();
    let decision = world.decide(&Found::Ours {
        credential_id: None,
        secret: Some(value.clone()),
    });
    let delivery = decision.deliver.as_ref().unwrap();
    assert!(delivery.status_first && delivery.secret.expose() == value.expose());
    world.apply(&decision, ALL);
    assert!(world.accepts(&value));
    assert_calm(&mut world);
}

#[test]
fn an_empty_status_beside_an_edited_secret_mints() {
    let mut world = World::new();
    world.written = Some(Written {
        id: "0123456789abcdef".to_owned(),
        value: secret("weak"),
    });
    let decision = world.reconcile();
    assert!(!decision.deliver.unwrap().status_first);
    assert!(!world.accepts(&secret("weak")) && world.accepts(&world.value()));
    assert_calm(&mut world);
}

#[test]
fn a_lost_pepper_is_mended_from_the_secret() {
    let mut world = World::settled();
    let value = world.value();
    world.pepper = pepper(2);
    assert!(!world.accepts(&value));
    let decision = world.reconcile();
    assert!(decision.deliver.is_none());
    assert_eq!(decision.reasons, [Reason::DigestsRestored]);
    assert!(world.accepts(&value));
    assert_calm(&mut world);
}

#[test]
fn a_lost_pepper_beside_an_edited_secret_mints() {
    let mut world = World::settled();
    world.pepper = pepper(2);
    world.written.as_mut().unwrap().value = secret("weak");
    let decision = world.reconcile();
    assert!(decision.deliver.unwrap().status_first);
    assert!(!world.accepts(&secret("weak")) && world.accepts(&world.value()));
    assert_calm(&mut world);
}

#[test]
fn a_public_client_has_no_credentials() {
    let public = client(Authentication::None);
    let mut world = World::settled();
    for (known, reasons) in [
        (vec![], vec![]),
        (world.known.clone(), vec![Reason::CredentialRetired]),
    ] {
        for found in [Found::Nothing, world.found(), Found::GivenMissing] {
            let known = Known {
                credentials: &known,
                ..Known::default()
            };
            let decision = decide(&public, known, &found, &world.pepper, &TERMS, T0, &mut world.rng);
            assert!(decision.credentials.is_empty() && decision.deliver.is_none());
            assert!(decision.problem.is_none() && decision.next.is_none());
            assert_eq!(decision.reasons, reasons);
        }
    }
}

const STRONG: &str = "0123456789abcdef0123456789abcdef";

fn given(version: &str, value: &str) -> Found {
    Found::Given {
        version: version.to_owned(),
        secret: Some(secret(value)),
    }
}

#[test]
fn a_given_secret_is_digested_under_an_id_of_its_version() {
    let mut world = World::new();
    let found = given("u/1", STRONG);
    let decision = world.decide(&found);
    assert!(decision.deliver.is_none() && decision.problem.is_none());
    world.apply(&decision, ALL);
    assert!(world.accepts(&secret(STRONG)));
    assert_eq!(world.known[0].id, given_id("u/1", 0, false));
    assert_calm_with(&mut world, &found);
}

#[test]
fn a_changed_given_secret_overlaps() {
    let mut world = World::new();
    let decision = world.decide(&given("u/1", STRONG));
    world.apply(&decision, ALL);
    let new = "fedcba9876543210fedcba9876543210";
    // Another version; or the same, when `secretRef.key` changed.
    for version in ["u/2", "u/1"] {
        let found = given(version, new);
        let decision = world.decide(&found);
        assert_eq!(decision.reasons, [Reason::CredentialRotated]);
        assert_eq!(decision.next.unwrap().as_second(), at(3600).as_second());
        let mut world = World {
            known: world.known.clone(),
            ..World::new()
        };
        world.apply(&decision, ALL);
        assert!(world.accepts(&secret(STRONG)) && world.accepts(&secret(new)));
        assert_calm_with(&mut world, &found);
        world.pass(3600);
        assert!(!world.accepts(&secret(STRONG)) && world.accepts(&secret(new)));
        let decision = world.decide(&found);
        assert_eq!(decision.reasons, [Reason::CredentialRetired]);
    }
}

#[test]
fn a_new_version_with_the_same_value_changes_nothing() {
    let mut world = World::new();
    let decision = world.decide(&given("u/1", STRONG));
    world.apply(&decision, ALL);
    assert_calm_with(&mut world, &given("u/2", STRONG));
}

#[test]
fn a_lost_pepper_is_mended_from_a_given_secret() {
    let mut world = World::new();
    let found = given("u/1", STRONG);
    let decision = world.decide(&found);
    world.apply(&decision, ALL);
    world.pepper = pepper(2);
    let decision = world.decide(&found);
    assert_eq!(decision.reasons, [Reason::DigestsRestored]);
    world.apply(&decision, ALL);
    assert_eq!(world.known.len(), 1);
    assert!(world.accepts(&secret(STRONG)));
}

#[test]
fn i6_a_late_secret_ref_mints_nothing_and_keeps_what_works() {
    let mut world = World::new();
    let decision = world.decide(&Found::GivenMissing);
    assert!(decision.credentials.is_empty() && decision.deliver.is_none());
    assert_eq!(decision.problem.unwrap().0, Reason::SecretNotFound);
    let decision = world.decide(&given("u/1", STRONG));
    world.apply(&decision, ALL);
    let without_its_key = Found::Given {
        version: "u/2".to_owned(),
        secret: None,
    };
    for (found, reason, part) in [
        (Found::GivenMissing, Reason::SecretNotFound, "create it"),
        (without_its_key, Reason::SecretInvalid, "no value under its key"),
        (given("u/3", "weak"), Reason::SecretInvalid, "is weak"),
        (
            Found::GivenOfType("kubernetes.io/tls".to_owned()),
            Reason::SecretInvalid,
            "kubernetes.io/tls",
        ),
    ] {
        assert_calm_with(&mut world, &found);
        let (told, message) = world.decide(&found).problem.unwrap();
        assert_eq!(told, reason);
        assert!(message.contains(part), "{message}");
        assert!(world.accepts(&secret(STRONG)));
    }
}

#[test]
fn weak_given_secrets_are_a_problem_unless_accepted() {
    let mut world = World::new();
    let accepting = Terms {
        weak_secrets: true,
        ..TERMS
    };
    let digits = "0123456".repeat(10);
    for (text, weak_is_enough) in [
        ("secret456", true),
        (&STRONG[1..], true),
        (&digits, true),
        ("", false),
        ("0123456789abcdef0123456789abcdef\n", false),
        ("0123456789abcdef0123456789abcdé", false),
    ] {
        let decision = world.decide(&given("u/1", text));
        let (reason, message) = decision.problem.unwrap();
        assert_eq!(reason, Reason::SecretInvalid);
        assert!(text.is_empty() || !message.contains(text));
        assert!(decision.credentials.is_empty() && decision.reasons.is_empty());
        let decision = decide(
            &confidential(),
            Known::default(),
            &given("u/1", text),
            &world.pepper,
            &accepting,
            T0,
            &mut world.rng,
        );
        assert_eq!(decision.problem.is_none(), weak_is_enough, "{text}");
    }
}

#[test]
fn a_weak_secret_that_was_accepted_is_refused_at_once_when_weak_ones_are_not() {
    let mut world = World::new();
    let mut decide = |weak_secrets: bool, known: &[Credential]| {
        let terms = Terms {
            weak_secrets,
            ..TERMS
        };
        let known = Known {
            credentials: known,
            now: None,
            uses: None,
        };
        let found = given("u/1", "secret456");
        decide(
            &confidential(),
            known,
            &found,
            &world.pepper,
            &terms,
            T0,
            &mut world.rng,
        )
    };
    let accepted = decide(true, &[]).credentials;
    assert_eq!(accepted.len(), 1);
    let tightened = decide(false, &accepted);
    assert!(tightened.problem.is_some() && tightened.credentials.is_empty());
    assert_eq!(decide(true, &tightened.credentials).credentials, accepted);
}

#[test]
fn no_weak_secret_outlives_its_grant_whatever_became_of_the_secret() {
    let accepting = Terms {
        weak_secrets: true,
        ..TERMS
    };
    let step = |world: &mut World, found: &Found, terms: &Terms| {
        let known = world.known.clone();
        let known = Known {
            credentials: &known,
            now: None,
            uses: None,
        };
        let decision = decide(
            &confidential(),
            known,
            found,
            &world.pepper,
            terms,
            world.now,
            &mut world.rng,
        );
        world.known.clone_from(&decision.credentials);
        decision
    };
    let empty = Found::Given {
        version: "u/9".to_owned(),
        secret: None,
    };
    for late in [
        Found::GivenMissing,
        empty,
        given("u/9", "another weak one"),
        given("u/9", STRONG),
        Found::GivenOfType("kubernetes.io/tls".to_owned()),
        Found::Nothing,
    ] {
        let mut world = World::new();
        step(&mut world, &given("u/1", "secret456"), &accepting);
        step(&mut world, &given("u/2", "secret789"), &accepting);
        assert!(world.accepts(&secret("secret456")) && world.accepts(&secret("secret789")));
        let decision = step(&mut world, &late, &TERMS);
        assert!(!world.accepts(&secret("secret456")), "{late:?}: in overlap");
        assert!(!world.accepts(&secret("secret789")), "{late:?}: the last one");
        assert!(decision.reasons.contains(&Reason::CredentialRetired));
        assert!(step(&mut world, &late, &TERMS).reasons.is_empty() || decision.deliver.is_some());
    }
    // A good one that was given meanwhile stays.
    let mut world = World::new();
    step(&mut world, &given("u/1", STRONG), &accepting);
    step(&mut world, &given("u/2", "secret456"), &accepting);
    step(&mut world, &Found::GivenMissing, &TERMS);
    assert!(world.accepts(&secret(STRONG)) && !world.accepts(&secret("secret456")));
}

#[test]
fn weak_secrets_are_granted_to_namespaces() {
    let policy = "{release: oidc, issuer: 'https://id.example.com', className: oidc, defaultClass: true,
        namespaces: {clusterWide: {selector: null}}, jwksMaxAge: 300s,
        grants: [{namespaces: [legacy], weakSecrets: true}, {namespaces: [other]}]}";
    let installation = Installation::parse(policy).unwrap();
    assert!(Terms::of(&installation, "legacy").weak_secrets);
    assert!(!Terms::of(&installation, "other").weak_secrets);
    let mut standalone = Installation::standalone("http://localhost:5000", true);
    assert!(Terms::of(&standalone, "any").weak_secrets);
    standalone.weak_secrets = false;
    assert!(
        !Terms::of(&standalone, "any").weak_secrets,
        "though everything is granted"
    );
}

#[test]
fn turning_to_a_secret_ref_and_back_overlaps_both_times() {
    let mut world = World::settled();
    let generated = world.value();
    let decision = world.decide(&given("u/1", STRONG));
    world.apply(&decision, ALL);
    assert!(world.accepts(&generated) && world.accepts(&secret(STRONG)));
    world.pass(60);
    // Our Secret still holds the generated one: it is current again, and nothing is minted.
    let decision = world.reconcile();
    assert!(decision.deliver.is_none());
    assert!(world.accepts(&generated) && world.accepts(&secret(STRONG)));
    assert_calm(&mut world);
    world.pass(3600);
    assert!(world.accepts(&generated) && !world.accepts(&secret(STRONG)));
}

#[test]
fn at_most_four_are_kept_and_the_newest_among_them() {
    let mut world = World::settled();
    for _ in 0..8 {
        world.pass(1);
        world.written = None;
        world.reconcile();
        assert!(world.known.len() <= KEPT);
        assert!(world.accepts(&world.value()));
        assert_calm(&mut world);
    }
}

#[test]
fn a_decision_is_redacted() {
    let decision = World::new().decide(&Found::Nothing);
    let value = decision.deliver.as_ref().unwrap().secret.expose().to_owned();
    assert!(!format!("{decision:?}").contains(&value));
}

#[derive(Debug, Clone)]
enum Step {
    Reconcile,
    /// The operator dies after so many writes.
    Crash(usize),
    Delete,
    EditValue(u64),
    EditId(u64),
    LosePepper(u64),
    LoseStatus,
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Reconcile),
        2 => (0..ALL).prop_map(Step::Crash),
        1 => Just(Step::Delete),
        1 => (100_u64..200).prop_map(Step::EditValue),
        1 => (200_u64..300).prop_map(Step::EditId),
        1 => (300_u64..400).prop_map(Step::LosePepper),
        1 => Just(Step::LoseStatus),
        3 => (1_i64..3000).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn after_a_reconcile_the_secret_works_and_nothing_is_left_to_do(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Reconcile => {
                    world.reconcile();
                    prop_assert!(world.accepts(&world.value()));
                    prop_assert!(world.known.len() <= KEPT);
                    prop_assert_eq!(world.known.iter().filter(|c| c.retires_at.is_none()).count(), 1);
                    assert_calm(&mut world);
                }
                Step::Crash(writes) => {
                    let decision = world.decide(&world.found());
                    world.apply(&decision, writes);
                }
                Step::Delete => world.written = None,
                Step::EditValue(seed) => {
                    if let Some(written) = &mut world.written {
                        written.value = ClientSecret::generate(&mut SeededRng::new(seed));
                    }
                }
                Step::EditId(seed) => {
                    if let Some(written) = &mut world.written {
                        written.id = credentials::credential_id(&mut SeededRng::new(seed));
                    }
                }
                Step::LosePepper(seed) => world.pepper = pepper(seed),
                Step::LoseStatus => world.known.clear(),
                Step::Pass(seconds) => world.pass(seconds),
            }
        }
    }

    /// A delivered secret works for a whole overlap after the one that replaced it was decided on,
    /// whatever crashes between.
    #[test]
    fn a_replaced_secret_outlives_its_replacement_by_the_overlap(
        crashes in 0_usize..3,
        wait in 0_i64..3599,
    ) {
        let mut world = World::settled();
        let old = world.value();
        world.written = None;
        for _ in 0..crashes {
            let decision = world.decide(&world.found());
            world.apply(&decision, 1);
        }
        world.reconcile();
        world.pass(wait);
        world.reconcile();
        prop_assert!(world.accepts(&old));
        prop_assert!(world.accepts(&world.value()));
    }
}
