//! Stories of how apps' Secrets are shaped.

use k8s_openapi::api::core::v1::{ResourceQuota, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams, PostParams};
use oidc_crds::resources::{OidcClient, OidcClientStatus};
use serde_json::json;

use crate::harness::{SOON, World, client as manifest, condition, data_of, wait};

#[tokio::test]
async fn a_renamed_key_holds_the_same_secret_also_after_a_restart() {
    let world = World::new(&[]).await;
    let mut operator = world.operator("op-0");
    world.apply_client("demo", "");
    let before = world.client_is("demo", "Ready", "True").await;
    let value = world.secret_data("demo-oidc").await["CLIENT_SECRET"].clone();
    operator.signal("TERM");
    assert!(operator.end().await.success(), "{}", operator.log());

    // The edit comes while nobody is there.
    world.apply_client("demo", "secret: {keys: {CLIENT_SECRET: client-secret}}");
    let operator = world.operator("op-1");
    wait("the key has its new name", SOON, async || {
        let data = world.secret_data("demo-oidc").await;
        (data.get("client-secret") == Some(&value)).then_some(())
    })
    .await;
    assert!(!world.secret_data("demo-oidc").await.contains_key("CLIENT_SECRET"));

    world.apply_client("demo", "secret: {preset: spring-boot}");
    wait("the Secret has the preset's keys", SOON, async || {
        let data = world.secret_data("demo-oidc").await;
        let key = "SPRING_SECURITY_OAUTH2_CLIENT_REGISTRATION_OIDC_CLIENTSECRET";
        (data.get(key) == Some(&value) && !data.contains_key("client-secret")).then_some(())
    })
    .await;
    let after = wait("the status follows", SOON, async || {
        let demo = world.clients().get("demo").await.expect("there");
        let seen = demo.status.as_ref()?.observed_generation;
        (seen == demo.metadata.generation).then_some(demo)
    })
    .await;
    let credentials = |client: &OidcClient| client.status.clone().expect("a status").credentials;
    assert_eq!(credentials(&after), credentials(&before), "nothing was minted");
    drop(operator);
}

#[tokio::test]
async fn marks_follow_the_spec_and_those_of_others_stay() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.apply_client(
        "demo",
        "secret: {labels: {team: blue}, annotations: {reloader.stakater.com/match: \"true\"}, \
         template: {dsn: \"oidc://${CLIENT_ID}\"}}",
    );
    world.client_is("demo", "Ready", "True").await;
    let secret = world.secrets().get("demo-oidc").await.expect("there");
    assert_eq!(secret.labels()["team"], "blue");
    assert_eq!(secret.annotations()["reloader.stakater.com/match"], "true");
    let id = format!("oidc://{}.demo", world.namespace);
    assert_eq!(data_of(&secret)["dsn"], id.into_bytes());

    let theirs = json!({"metadata": {"labels": {"theirs": "x"}, "annotations": {"theirs": "x"}}});
    world.patch::<Secret>("demo-oidc", theirs).await;
    world
        .patch::<OidcClient>("demo", json!({"spec": {"secret": null}}))
        .await;
    let secret = wait("the marks are gone", SOON, async || {
        let secret = world.secrets().get("demo-oidc").await.expect("there");
        let gone = !secret.labels().contains_key("team")
            && !secret.annotations().contains_key("reloader.stakater.com/match");
        gone.then_some(secret)
    })
    .await;
    assert_eq!(secret.labels()["theirs"], "x");
    assert_eq!(secret.annotations()["theirs"], "x");
    assert!(!data_of(&secret).contains_key("dsn"));
}

#[tokio::test]
async fn a_mark_that_controllers_act_on_is_refused_until_it_is_granted() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    let attack = "secret: {labels: {argocd.argoproj.io/secret-type: cluster}, \
                  template: {server: \"https://evil.example\"}}";
    world.apply_client("demo", attack);
    let demo = world.client_is("demo", "Accepted", "False").await;
    let status = demo.status.expect("a status");
    let (reason, message) = condition(&status.conditions, "Accepted");
    assert_eq!(reason, "NotGranted");
    assert!(message.contains("spec.secret.labels") && message.contains("argocd.argoproj.io/secret-type"));
    let written = world.secrets().get_opt("demo-oidc").await.expect("readable");
    assert!(written.is_none(), "nothing is written");

    world.install(&[
        "grants[0].namespaces={*}",
        "grants[0].secretLabels={argocd.argoproj.io/*}",
    ]);
    world.client_is("demo", "Ready", "True").await;
    let secret = world.secrets().get("demo-oidc").await.expect("there");
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    assert_eq!(secret.labels()["argocd.argoproj.io/secret-type"], "cluster");
}

#[tokio::test]
async fn a_move_that_was_broken_off_and_called_back_goes_back() {
    let world = World::new(&[]).await;
    let mut operator = world.operator("op-0");
    world.apply_client("demo", "");
    let before = world.client_is("demo", "Ready", "True").await;
    operator.signal("TERM");
    assert!(operator.end().await.success(), "{}", operator.log());

    // As if `secret.name: login` had been there, and gone before the operator could say that it was done: its status
    // names where the Secret goes, the Secret is there already.
    let secrets = world.secrets();
    let mut moved = secrets.get("demo-oidc").await.expect("there");
    moved.metadata = ObjectMeta {
        name: Some("login".to_owned()),
        labels: moved.metadata.labels,
        annotations: moved.metadata.annotations,
        owner_references: moved.metadata.owner_references,
        ..ObjectMeta::default()
    };
    let moved = secrets
        .create(&PostParams::default(), &moved)
        .await
        .expect("created");
    let moving = json!({"status": {"secret": {"moving": ["login"]}}});
    world
        .clients()
        .patch_status("demo", &PatchParams::default(), &Patch::Merge(&moving))
        .await
        .expect("patched");
    world.delete::<Secret>("demo-oidc").await;

    let _operator = world.operator("op-1");
    let demo = wait("the move is over", SOON, async || {
        let demo = world.clients().get("demo").await.expect("there");
        let known = demo.status.as_ref()?.secret.as_ref()?;
        known.moving.is_empty().then(|| demo.clone())
    })
    .await;
    let back = secrets.get("demo-oidc").await.expect("there");
    assert_eq!(back.data, moved.data, "the same secret");
    let left = secrets.get_opt("login").await.expect("readable");
    assert!(left.is_none(), "nothing is left behind");
    let of = |client: &OidcClient| client.status.clone().expect("a status");
    assert_eq!(
        of(&demo).credentials,
        of(&before).credentials,
        "nothing is minted"
    );
    assert_eq!(of(&demo).secret.expect("known").name, "demo-oidc");
}

#[tokio::test]
async fn a_name_that_cannot_be_written_is_called_back() {
    let mut world = World::empty().await;
    let team = world.other_namespace();
    world.install(&[&format!("watchNamespaces={{{team}}}")]);
    let _operator = world.operator("op-0");
    let (clients, secrets): (Api<OidcClient>, Api<Secret>) = (
        Api::namespaced(world.client.clone(), &team),
        Api::namespaced(world.client.clone(), &team),
    );
    let apply = |more: &str| {
        let answer = world.kubectl_with(&["apply", "-n", &team, "-f", "-"], &manifest("demo", more));
        assert!(answer.status.success(), "{answer:?}");
    };
    let status = async |what: &str, is: &dyn Fn(&OidcClientStatus) -> bool| {
        wait(what, SOON, async || {
            let status = clients.get("demo").await.expect("there").status?;
            is(&status).then_some(status)
        })
        .await
    };
    let holds = |status: &OidcClientStatus, kind: &str, reason: &str| {
        let mut conditions = status.conditions.iter();
        conditions.any(|condition| condition.type_ == kind && condition.reason == reason)
    };
    apply("");
    let before = status("ready", &|status| holds(status, "Ready", "Ready")).await;
    let old = secrets.get("demo-oidc").await.expect("there");
    world.kubectl(&["create", "quota", "none", "--hard=count/secrets=0", "-n", &team]);
    let quotas: Api<ResourceQuota> = Api::namespaced(world.client.clone(), &team);
    wait("the quota is in force", SOON, async || {
        quotas.get("none").await.expect("there").status?.hard.map(|_| ())
    })
    .await;

    apply("secret: {name: login}");
    let failed = status("not written", &|status| holds(status, "Ready", "WriteFailed")).await;
    let known = failed.secret.expect("known");
    assert_eq!(
        (known.name.as_str(), &known.moving[..]),
        ("demo-oidc", &["login".to_owned()][..])
    );
    apply("");
    let after = status("ready again", &|status| holds(status, "Ready", "Ready")).await;
    assert_eq!(after.secret, before.secret);
    assert_eq!(after.credentials, before.credentials);
    let now = secrets.get("demo-oidc").await.expect("there");
    assert_eq!(now.resource_version(), old.resource_version(), "nobody wrote it");
}

#[tokio::test]
async fn another_name_moves_the_secret_without_a_gap() {
    let world = World::new(&[]).await;
    let mut operator = world.operator("op-0");
    world.apply_client("demo", "");
    let before = world.client_is("demo", "Ready", "True").await;
    let old = world.secrets().get("demo-oidc").await.expect("there");
    let since = world.now().await;
    world.apply_client("demo", "secret: {name: login}");
    let named = async |name: &str| {
        wait(&format!("the status names {name}"), SOON, async || {
            let demo = world.clients().get("demo").await.expect("there");
            let status = demo.status.as_ref()?;
            (status.secret.as_ref()?.name == name).then(|| demo.clone())
        })
        .await
    };
    let after = named("login").await;
    let new = world.secrets().get("login").await.expect("there");
    assert_eq!(new.data, old.data, "the same secret");
    let credentials = |client: &OidcClient| client.status.clone().expect("a status").credentials;
    assert_eq!(credentials(&after), credentials(&before));
    let gone = world.secrets().get_opt("demo-oidc").await.expect("readable");
    assert!(gone.is_none());
    let writes = world.writes_since(&since).await;
    let at = |write: &str| writes.iter().position(|one| one == write).expect(write);
    assert!(
        at("added Secret login") < at("deleted Secret demo-oidc"),
        "{writes:?}"
    );

    // Also while nobody was there; and what is not ours any more is left alone.
    operator.signal("TERM");
    assert!(operator.end().await.success(), "{}", operator.log());
    let orphan = json!({"metadata": {"ownerReferences": null}});
    world.patch::<Secret>("login", orphan).await;
    world.apply_client("demo", "secret: {name: third}");
    let _operator = world.operator("op-1");
    named("third").await;
    assert!(
        world
            .secrets()
            .get_opt("login")
            .await
            .expect("readable")
            .is_some()
    );
}
