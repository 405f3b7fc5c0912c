//! Stories of keys that are revoked or imported.

use super::*;

/// An emergency: the active key of `main` is revoked.
fn revoke_active(world: &mut World) -> String {
    let kid = world
        .keys()
        .iter()
        .rev()
        .find(|key| key.phase == Active)
        .unwrap()
        .kid
        .clone();
    world.terms.revoked.insert(kid.clone());
    kid
}

#[test]
fn a_revoked_key_is_gone_at_once_and_the_waiting_one_signs_without_waiting() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]).with_pods(&["a"]);
    world.wanted[0].spec.rotation.as_mut().unwrap().revision = Some(1);
    world.run_at(10);
    let waiting = world.keys()[1].kid.clone();
    // No pod has acknowledged it, and caches do not know it: the one thing that may break verifiers.
    let kid = revoke_active(&mut world);
    let plan = world.run_at(11);
    assert_eq!(world.phases(), [(ES256, Removed), (ES256, Active)]);
    let (gone, next) = (&world.keys()[0], &world.keys()[1]);
    assert!(gone.revoked && gone.jwk.is_none() && gone.public.is_none());
    assert_eq!(
        (next.kid.as_str(), next.signs_from),
        (waiting.as_str(), Some(Timestamp::UNIX_EPOCH)),
        "a pod whose clock is behind must not wait"
    );
    assert_eq!(reasons(&plan)[..2], [Reason::KeyRevoked, Reason::KeyActive]);
    assert!(plan.notes[0].2.contains(&kid));
    assert!(!world.plan().changed);
}

#[test]
fn a_revocation_that_would_leave_no_key_mints_one_and_says_so() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    revoke_active(&mut world);
    let plan = world.run_at(5);
    assert_eq!(world.phases(), [(ES256, Removed), (ES256, Active)]);
    assert_eq!(world.keys()[1].signs_from, Some(Timestamp::UNIX_EPOCH));
    assert_eq!(reasons(&plan), [Reason::KeyRevoked, Reason::KeyMinted]);
    assert!(
        plan.notes[1].2.contains("in place of the revoked one"),
        "{}",
        plan.notes[1].2
    );
}

#[test]
fn retiring_and_removed_keys_are_revoked_too() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    let first = world.keys()[0].kid.clone();
    world.wanted[0].spec.rotation.as_mut().unwrap().revision = Some(1);
    world.run_at(1);
    world.run_at(1 + PUBLISH);
    assert_eq!(world.phases(), [(ES256, Retiring), (ES256, Active)]);
    world.terms.revoked.insert(first);
    world.run_at(2 + PUBLISH);
    assert_eq!(world.phases(), [(ES256, Removed), (ES256, Active)]);
    assert_eq!(
        world.set.as_ref().unwrap().jwks()["keys"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    // It is known as long as it is named, then forgotten like any other.
    world.run_at(3 + PUBLISH + SESSION * 3);
    assert_eq!(world.keys().len(), 2);
    world.terms.revoked.clear();
    world.run_at(4 + PUBLISH + SESSION * 3);
    assert_eq!(world.phases(), [(ES256, Active)]);
}

#[test]
fn a_retiring_key_that_is_revoked_leaves_no_pod_without_a_key() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]).with_pods(&["a"]);
    let first = world.keys()[0].kid.clone();
    world.wanted[0].spec.rotation.as_mut().unwrap().revision = Some(1);
    world.run_at(0);
    world.acknowledge(&["a"]);
    world.run_at(PUBLISH);
    assert_eq!(world.phases(), [(ES256, Retiring), (ES256, Active)]);
    // A pod whose clock is behind still signs with the first one.
    world.terms.revoked.insert(first);
    world.run_at(PUBLISH);
    assert_eq!(world.phases(), [(ES256, Removed), (ES256, Active)]);
    assert_eq!(world.keys()[1].signs_from, Some(Timestamp::UNIX_EPOCH));
}

#[test]
fn the_last_key_of_a_deleted_signing_key_is_replaced_when_revoked() {
    let mut world = World::started(vec![wanted("main", ES256, 0)]);
    world.wanted = vec![wanted("other", EdDSA, 0)];
    revoke_active(&mut world);
    world.run_at(1);
    assert_eq!(
        world.phases(),
        [(ES256, Removed), (ES256, Active), (EdDSA, Published)],
        "the default signs on"
    );
    world.run_at(1 + PUBLISH);
    assert_eq!(world.phases()[1..], [(ES256, Retiring), (EdDSA, Active)]);
}

#[test]
fn a_kid_that_is_no_keys_is_told_and_revokes_nothing() {
    let mut main = wanted("main", ES256, 0);
    main.spec.revoked = vec![crate::resources::signing_key::RevokedKey {
        kid: "typo".to_owned(),
    }];
    let mut world = World::started(vec![main]);
    world.terms.revoked.insert("typo".to_owned());
    let plan = world.run_at(1);
    assert_eq!(reasons(&plan), [Reason::UnknownKid]);
    assert!(plan.notes[0].2.contains("typo") && !plan.changed);
    // Also in one whose algorithm is taken.
    let mut younger = wanted("other", ES256, 0);
    younger.created_at = at(5);
    younger.spec.revoked = std::mem::take(&mut world.wanted[0].spec.revoked);
    world.wanted.push(younger);
    let plan = world.run_at(2);
    assert_eq!(reasons(&plan), [Reason::AlgorithmTaken, Reason::UnknownKid]);
    assert!(plan.notes.iter().all(|(name, ..)| name == "other"));
}

#[test]
fn an_import_goes_the_way_of_a_minted_key() {
    let mut main = wanted("main", ES256, 0);
    main.import = Some(made_elsewhere(ES256, 0));
    let mut world = World::started(vec![main]);
    assert_eq!(world.phases(), [(ES256, Active)]);
    assert!(world.keys()[0].imported);
    // cert-manager renews.
    world.wanted[0].import = Some(made_elsewhere(ES256, 1));
    let plan = world.run_at(10);
    assert_eq!(world.phases(), [(ES256, Active), (ES256, Published)]);
    assert_eq!(plan.next, Some(at(10 + PUBLISH)));
    world.run_at(10 + PUBLISH);
    assert_eq!(world.phases(), [(ES256, Retiring), (ES256, Active)]);
    // The Secret is rolled back while the old key is still published: it need not wait again.
    world.wanted[0].import = Some(made_elsewhere(ES256, 0));
    world.run_at(11 + PUBLISH);
    assert_eq!(world.phases(), [(ES256, Retiring), (ES256, Active)]);
    let Some(Import::Key(jwk)) = &world.wanted[0].import else {
        unreachable!()
    };
    assert_eq!(world.keys()[1].kid, jwk.thumbprint().unwrap());
    // From here on keys are generated.
    world.wanted[0].import = None;
    world.run_at(12 + PUBLISH);
    assert_eq!(world.phases()[2], (ES256, Published));
}

#[test]
fn i3_a_key_that_signed_and_was_imported_again_retires_when_it_is_superseded() {
    for next in [Some(made_elsewhere(ES256, 1)), None] {
        let mut main = wanted("main", ES256, 0);
        main.import = Some(made_elsewhere(ES256, 0));
        let mut world = World::started(vec![main]).with_pods(&["a"]);
        let first = world.keys()[0].kid.clone();
        world.wanted[0].import = Some(made_elsewhere(ES256, 1));
        world.run_at(0);
        world.acknowledge(&["a"]);
        world.run_at(PUBLISH);
        world.acknowledge(&["a"]);
        // Rolled back; some cache is late, so it waits.
        world.wanted[0].import = Some(made_elsewhere(ES256, 0));
        world.pods.caches_expire = Some(at(PUBLISH + 361));
        world.run_at(PUBLISH + 1);
        assert_eq!(world.phases(), [(ES256, Active), (ES256, Published)]);
        assert_eq!(world.keys()[1].kid, first);
        // And another change of mind: the last that it signed lives until PUBLISH + TOKEN.
        let asked_for_again = next.is_some();
        world.wanted[0].import = next;
        world.acknowledge(&["a"]);
        let plan = world.run_at(PUBLISH + 2);
        assert_eq!(world.phases()[..2], [(ES256, Active), (ES256, Retiring)]);
        assert!(reasons(&plan).contains(&Reason::KeyRetiring));
        assert!(world.keys()[1].jwk.is_some());
        assert_eq!(world.keys().len(), if asked_for_again { 2 } else { 3 });
        world.acknowledge(&["a"]);
        world.run_at(PUBLISH + 3);
        let removal = PUBLISH + 3 + TOKEN + SKEW.0;
        assert_eq!(world.keys()[1].removable_at, Some(at(removal)));
        world.run_at(removal);
        assert_eq!(world.keys()[1].phase, Removed);
    }
}

#[test]
fn an_import_that_is_late_or_bad_changes_nothing() {
    let mut main = wanted("main", ES256, 0);
    let missing = Import::Missing(Reason::SecretInvalid, "it is weak".to_owned());
    main.import = Some(missing.clone());
    let mut world = World::started(vec![main]);
    assert!(world.set.is_none(), "nothing is minted instead");
    world.terms.first = true;
    world.wanted[0].import = Some(made_elsewhere(ES256, 0));
    world.run_at(1);
    world.terms.first = false;
    assert_eq!(world.phases(), [(ES256, Active)]);
    world.wanted[0].import = Some(missing);
    let plan = world.run_at(2);
    assert!(!plan.changed);
    assert_eq!(
        plan.notes,
        [("main".to_owned(), Reason::SecretInvalid, "it is weak".to_owned())]
    );
}

#[test]
fn a_revoked_key_cannot_be_imported_again() {
    let mut main = wanted("main", ES256, 0);
    main.import = Some(made_elsewhere(ES256, 0));
    let mut world = World::started(vec![main]);
    revoke_active(&mut world);
    let plan = world.run_at(1);
    assert_eq!(world.phases(), [(ES256, Removed), (ES256, Active)]);
    assert!(
        !world.keys()[1].imported,
        "one is generated until another is in the Secret"
    );
    assert_eq!(
        reasons(&plan),
        [Reason::KeyRevoked, Reason::SecretInvalid, Reason::KeyMinted]
    );
    let again = world.run_at(2);
    assert!(!again.changed && again.notes[0].2.contains("put another into the Secret"));
    world.wanted[0].import = Some(made_elsewhere(ES256, 1));
    world.run_at(3);
    assert_eq!(world.phases()[2], (ES256, Published));
    assert!(world.keys()[2].imported);
}

#[test]
fn a_key_of_another_signing_key_is_not_imported_but_an_orphan_is_taken_over() {
    let mut main = wanted("main", ES256, 0);
    main.import = Some(made_elsewhere(ES256, 0));
    let mut other = wanted("other", ES384, 0);
    other.import = Some(made_elsewhere(ES256, 0));
    let mut world = World::started(vec![main.clone(), other]);
    assert_eq!(world.phases(), [(ES256, Active)]);
    assert!(reasons(&world.plan()).contains(&Reason::KeyTaken));
    // Restored from a backup: the same object with another UID.
    main.owner.uid = "restored".to_owned();
    world.wanted = vec![main];
    world.run_at(1);
    assert_eq!(world.phases(), [(ES256, Active)]);
    assert_eq!(world.keys()[0].signing_key.uid, "restored");
}

fn told(found: Option<(Option<&str>, &str, &str)>) -> (Reason, String) {
    let reference = ImportRef {
        name: "mine".to_owned(),
        key: None,
    };
    let data = found.map(|(kind, key, text)| (kind, Data::from([(key.to_owned(), text.into())])));
    let found = data.as_ref().map(|(kind, data)| (*kind, data));
    match Import::from_secret(found, &reference, ES256) {
        Import::Missing(reason, message) => (reason, message),
        Import::Key(_) => (Reason::Accepted, String::new()),
    }
}

#[test]
fn what_is_wrong_with_an_import_is_told_without_its_content() {
    assert_eq!(told(None).0, Reason::SecretNotFound);
    let (reason, message) = told(Some((None, "key.pem", "canary")));
    assert_eq!(reason, Reason::SecretInvalid);
    assert!(message.contains("no key `tls.key`"), "{message}");
    let (_, message) = told(Some((None, "tls.key", "canary")));
    assert!(
        message.contains("neither a PEM") && !message.contains("canary"),
        "{message}"
    );
    let token = Some("kubernetes.io/service-account-token");
    assert!(told(Some((token, "tls.key", "canary"))).1.contains("its type is"));
    let text = serde_json::to_string(&PrivateJwk::generate(ES256, None).unwrap()).unwrap();
    // The last is cert-manager's.
    for kind in [None, Some("Opaque"), Some("kubernetes.io/tls")] {
        assert_eq!(told(Some((kind, "tls.key", &text))).0, Reason::Accepted);
    }
}
