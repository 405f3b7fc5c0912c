//! Stories of OidcUsers.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use oidc_crds::password;
use oidc_crds::resources::OidcUser;
use oidc_crds::seal::KeyRing;
use oidc_crds::secrets::key_ring::KeyRingData;

use crate::harness::{SOON, World, condition, secret, wait};

fn user(name: &str, more: &str) -> String {
    format!(
        "{{apiVersion: oidc-operator.dev/v1alpha1, kind: OidcUser, metadata: {{name: {name}}}, spec: {{{more}}}}}\n"
    )
}

/// Whether this password opens this user's seal, as the provider would check.
async fn opens(world: &World, user: &OidcUser, text: &str) -> bool {
    let ring = KeyRingData::from_data(&world.secret_data("oidc-key-ring").await).expect("a ring");
    let sealed = user.status.as_ref().and_then(|status| status.password.as_ref());
    let Some(sealed) = sealed else { return false };
    let uid = user.uid().expect("a UID");
    password::unseal(&KeyRing::new(ring), &uid, &sealed.sealed).is_ok_and(|phc| password::verify(&phc, text))
}

#[tokio::test]
async fn a_password_is_sealed_when_it_comes_and_when_it_changes() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply(&user("jane", "passwordSecretRef: {name: jane}"));
    let jane = world.user_is("jane", "Ready", "False").await;
    let status = jane.status.expect("a status");
    assert_eq!(condition(&status.conditions, "Ready").0, "SecretNotFound");

    world.apply(&secret("jane", "password", "correct horse"));
    let jane = world.user_is("jane", "Ready", "True").await;
    assert!(opens(&world, &jane, "correct horse").await);
    assert!(!opens(&world, &jane, "wrong").await);
    let first = jane.status.and_then(|status| status.password).expect("sealed");

    world.apply(&secret("jane", "password", "battery staple"));
    wait("the new password", SOON, async || {
        let jane = world.users().get("jane").await.expect("there");
        opens(&world, &jane, "battery staple").await.then_some(())
    })
    .await;
    let jane = world.users().get("jane").await.expect("there");
    let second = jane.status.and_then(|status| status.password).expect("sealed");
    assert_ne!(first.fingerprint, second.fingerprint);

    // A Secret that is gone takes nobody's password away.
    world.delete::<Secret>("jane").await;
    let jane = world.user_is("jane", "Ready", "False").await;
    assert!(opens(&world, &jane, "battery staple").await);
}

#[tokio::test]
async fn a_password_that_is_too_short_or_of_another_type_is_refused() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply(&secret("jane", "password", "seven77"));
    world.apply(
        "{apiVersion: v1, kind: Secret, metadata: {name: john}, type: kubernetes.io/basic-auth,
          stringData: {username: john, password: correct horse}}",
    );
    for (name, told) in [("jane", "8 characters"), ("john", "kubernetes.io/basic-auth")] {
        world.apply(&user(name, &format!("passwordSecretRef: {{name: {name}}}")));
        let status = world
            .user_is(name, "Ready", "False")
            .await
            .status
            .expect("a status");
        let (reason, message) = condition(&status.conditions, "Ready");
        assert_eq!(reason, "SecretInvalid");
        assert!(
            message.contains(told) && !message.contains("seven77"),
            "{message}"
        );
        assert!(status.password.is_none());
    }
}

#[tokio::test]
async fn a_lost_key_ring_is_made_anew_and_passwords_are_sealed_again() {
    let world = World::new(&[]).await;
    let mut operator = world.operator("op-0");
    world.apply(&secret("jane", "password", "correct horse"));
    world.apply(&user("jane", "passwordSecretRef: {name: jane}"));
    let jane = world.user_is("jane", "Ready", "True").await;
    // Nobody is there who knows it.
    operator.signal("TERM");
    operator.end().await;
    world.delete::<Secret>("oidc-key-ring").await;
    let _operator = world.operator("op-1");
    wait("sealed under the new ring", SOON, async || {
        let now = world.users().get("jane").await.expect("there");
        let changed = now.resource_version() != jane.resource_version();
        (changed && opens(&world, &now, "correct horse").await).then_some(())
    })
    .await;
}

#[tokio::test]
async fn of_two_users_with_one_name_the_older_wins() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply(&user("a-jane", "username: jane"));
    world.user_is("a-jane", "Ready", "True").await;
    world.apply(&user("b-jane", "username: jane"));
    let younger = world.user_is("b-jane", "Accepted", "False").await;
    let status = younger.status.expect("a status");
    let (reason, message) = condition(&status.conditions, "Accepted");
    assert_eq!(reason, "NameTaken");
    assert!(message.contains("a-jane"), "{message}");
    world.delete::<OidcUser>("a-jane").await;
    world.user_is("b-jane", "Ready", "True").await;
}

#[tokio::test]
async fn a_user_takes_the_name_from_a_client() {
    let world = World::new(&["grants[0].namespaces={*}", "grants[0].clientIds={shop}"]).await;
    let _operator = world.operator("op-0");
    world.apply_client("demo", "clientId: shop");
    world.client_is("demo", "Ready", "True").await;
    world.apply(&user("shop", ""));
    world.user_is("shop", "Ready", "True").await;
    let demo = world.client_is("demo", "Accepted", "False").await;
    let status = demo.status.expect("a status");
    assert_eq!(condition(&status.conditions, "Accepted").0, "NameTaken");
}
