//! Who may write: leader election.

use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;

use crate::harness::{World, operator_command};

async fn holder(world: &World) -> Option<String> {
    let lease = world
        .api::<Lease>()
        .get_opt("oidc-operator")
        .await
        .expect("readable")?;
    lease.spec?.holder_identity.filter(|holder| !holder.is_empty())
}

#[tokio::test]
async fn a_follower_takes_over_at_once_when_the_leader_is_stopped() {
    let world = World::new(&[]).await;
    let mut first = world.operator("op-0");
    first.leads().await;
    let second = world.operator("op-1");
    second.health_is(200).await;
    assert_eq!(second.metric("oidc_operator_leader").await, Some(0.0));
    world.apply_client("one", "");
    world.client_is("one", "Ready", "True").await;
    assert_eq!(second.metric("oidc_operator_leader").await, Some(0.0));
    first.signal("TERM");
    assert!(first.end().await.success());
    // It gave the lease up: nobody waits the 15 s after which it would run out.
    let holder = holder(&world).await;
    assert!(
        holder.as_ref().is_none_or(|holder| holder.starts_with("op-1")),
        "{holder:?}"
    );
    second.leads().await;
    world.apply_client("two", "");
    world.client_is("two", "Ready", "True").await;
}

#[tokio::test]
async fn i6_a_leader_that_slept_through_its_lease_ends_without_a_write() {
    let world = World::new(&[]).await;
    let mut sleeper = world.operator("op-0");
    sleeper.leads().await;
    world.apply_client("before", "");
    world.client_is("before", "Ready", "True").await;
    let second = world.operator("op-1");
    sleeper.signal("STOP");
    // What the sleeper will want to do first when it wakes.
    world.apply_client("during", "");
    second.leads().await;
    assert!(
        holder(&world)
            .await
            .is_some_and(|holder| holder.starts_with("op-1"))
    );
    world.client_is("during", "Ready", "True").await;

    let secret = world.secrets().get("during-oidc").await.expect("there");
    let before = world.now().await;
    sleeper.signal("CONT");
    let status = sleeper.end().await;
    assert_eq!(status.code(), Some(1), "{}", sleeper.log());
    assert!(
        sleeper.log().contains("the lease oidc-operator was"),
        "{}",
        sleeper.log()
    );
    assert_eq!(world.writes_since(&before).await, Vec::<String>::new());
    let after = world.secrets().get("during-oidc").await.expect("there");
    assert_eq!(after.resource_version(), secret.resource_version());
    assert!(
        holder(&world)
            .await
            .is_some_and(|holder| holder.starts_with("op-1"))
    );
}

#[tokio::test]
async fn a_stolen_lease_ends_the_process() {
    let world = World::new(&[]).await;
    let mut operator = world.operator("op-0");
    operator.leads().await;
    let theft = serde_json::json!({"spec": {"holderIdentity": "thief"}});
    world.patch::<Lease>("oidc-operator", theft).await;
    let status = operator.end().await;
    assert_eq!(status.code(), Some(1));
    assert!(
        operator.log().contains("was taken by thief"),
        "{}",
        operator.log()
    );
}

#[test]
fn bad_settings_are_named_on_one_line() {
    let output = operator_command()
        .env("OIDC_RELEASE", "oidc")
        .env("POD_NAMESPACE", "identity")
        .args(["run"])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(text.trim().lines().count(), 1, "{text}");
    assert!(text.contains("POD_NAME"), "{text}");
}
