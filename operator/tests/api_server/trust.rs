//! The CA beside the apps' Secrets: ConfigMaps where asked, a ClusterTrustBundle. The API server of these
//! tests has ClusterTrustBundles (`tests/run` switches them on).

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt;
use kube::api::{Api, PostParams};
use serde_json::json;

use crate::harness::{SOON, World, wait};
use crate::pod::{Pod, Proxy};

impl World {
    /// The CA of now, once there is one that differs from another.
    async fn ca(&self, other: Option<&str>) -> String {
        wait("the CA", SOON, async || {
            let secret = self.secrets().get_opt("oidc-ca").await.expect("readable")?;
            let pem = String::from_utf8(secret.data?.remove("tls.crt")?.0).expect("PEM");
            (Some(pem.as_str()) != other).then_some(pem)
        })
        .await
    }

    /// Waits until the ConfigMap of a namespace holds just this bundle.
    async fn config_map_holds(&self, namespace: &str, ca: &str) -> ConfigMap {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let name = format!("{}-ca", self.namespace);
        wait(&format!("{namespace}/{name} holds the CA"), SOON, async || {
            let map = maps.get_opt(&name).await.expect("readable")?;
            let data = map.data.as_ref()?;
            (data.len() == 1 && data.get("ca.crt").is_some_and(|held| held == ca)).then_some(map)
        })
        .await
    }

    fn bundle(&self) -> String {
        format!("clustertrustbundle/{}.oidc-operator.dev", self.namespace)
    }

    /// Waits until the ClusterTrustBundle holds just this CA.
    async fn bundle_holds(&self, ca: &str) {
        let path = [
            "get",
            &self.bundle(),
            "-o",
            "jsonpath={.spec.trustBundle}",
            "--ignore-not-found",
        ];
        wait("the bundle holds the CA", SOON, async || {
            (self.kubectl(&path) == ca).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn the_ca_is_a_config_map_where_asked_and_never_overwrites_a_foreign_one() {
    let mut world = World::empty().await;
    let (asked, foreign, other) = (
        world.other_namespace(),
        world.other_namespace(),
        world.other_namespace(),
    );
    let name = format!("{}-ca", world.namespace);
    let theirs = json!({"metadata": {"name": name}, "data": {"ca.crt": "theirs"}});
    let theirs: ConfigMap = serde_json::from_value(theirs).expect("a ConfigMap");
    let maps: Api<ConfigMap> = Api::namespaced(world.client.clone(), &foreign);
    let theirs = maps
        .create(&PostParams::default(), &theirs)
        .await
        .expect("created");
    world.install(&[&format!(
        "trust.configMapNamespaces={{{foreign},{asked},{}}}",
        world.namespace
    )]);
    let operator = world.operator("op-0");
    let ca = world.ca(None).await;
    let map = world.config_map_holds(&asked, &ca).await;
    assert_eq!(map.labels()["oidc-operator.dev/class"], world.namespace);
    assert_eq!(map.labels()["app.kubernetes.io/managed-by"], "oidc");
    world.config_map_holds(&world.namespace, &ca).await;
    operator
        .says_line(&["ERROR", &format!("{foreign}/{name}"), "not ours"])
        .await;
    // it holds nobody up
    world.apply_client("demo", "");
    world.client_is("demo", "Ready", "True").await;

    // a new CA reaches them, and one that was deleted comes back at the next look
    let found: Api<ConfigMap> = Api::namespaced(world.client.clone(), &asked);
    found.delete(&name, &Default::default()).await.expect("deleted");
    world.delete::<Secret>("oidc-ca").await;
    let next = world.ca(Some(&ca)).await;
    let both = format!("{ca}{next}");
    world.config_map_holds(&asked, &both).await;
    world.config_map_holds(&world.namespace, &both).await;
    assert_eq!(maps.get(&name).await.expect("there"), theirs);
    // but the new CA does not sign: whoever reads that ConfigMap would not know it
    operator
        .says_line(&["WARN", "does not sign before it is in every bundle"])
        .await;
    let secret = world.secrets().get("oidc-ca").await.expect("there");
    assert!(!secret.annotations().contains_key(PUBLISHED));
    let elsewhere: Api<ConfigMap> = Api::namespaced(world.client.clone(), &other);
    assert!(elsewhere.get_opt(&name).await.expect("readable").is_none());
}

#[tokio::test]
async fn the_ca_is_a_cluster_trust_bundle_if_asked() {
    let world = World::new(&["trust.clusterTrustBundle=true"]).await;
    let _operator = world.operator("op-0");
    let ca = world.ca(None).await;
    world.bundle_holds(&ca).await;
    world.delete::<Secret>("oidc-ca").await;
    let next = world.ca(Some(&ca)).await;
    world.bundle_holds(&format!("{ca}{next}")).await;

    let role = format!("{}-oidc-operator-trust", world.namespace);
    world.kubectl(&["delete", "clusterrole,clusterrolebinding", &role]);
    world.kubectl(&["delete", &world.bundle()]);
}

/// Waits for a time that the operator noted of its CA, and makes it some days earlier.
async fn age(world: &World, annotation: &str, days: i64) {
    let noted = wait(&format!("{annotation} is noted"), SOON, async || {
        let secret = world.secrets().get_opt("oidc-ca").await.expect("readable")?;
        let at = secret.annotations().get(annotation)?;
        Some(at.parse::<jiff::Timestamp>().expect("a time"))
    })
    .await;
    let earlier = noted - jiff::SignedDuration::from_hours(24 * days);
    let edit = json!({"metadata": {"annotations": {annotation: earlier.to_string()}}});
    world.patch::<Secret>("oidc-ca", edit).await;
}

const PUBLISHED: &str = "oidc-operator.dev/next-ca-published-at";

#[tokio::test]
async fn a_new_ca_is_in_every_bundle_before_it_signs() {
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    world.apply_client("demo", "");
    world.client_is("demo", "Ready", "True").await;
    let proxy = Proxy::start(&world);
    let pod = Pod::start(&world, "oidc-provider-0", &proxy).await;
    let app = async || {
        let mut data = world.secret_data("demo-oidc").await;
        String::from_utf8(data.remove("CA_CRT").expect("there")).expect("PEM")
    };
    let leaf = async || world.secret_data("oidc-tls").await["tls.crt"].clone();
    let old = app().await;
    let first = leaf().await;

    // The new one is beside the old one in the app's Secret, and the old one's leaf is served.
    world.delete::<Secret>("oidc-ca").await;
    let new = world.ca(Some(&old)).await;
    wait("both are in the app's Secret", SOON, async || {
        (app().await == format!("{old}{new}")).then_some(())
    })
    .await;
    let both = app().await;
    assert_eq!(leaf().await, first);
    assert!(pod.is_trusted_by(&old).await && pod.is_trusted_by(&both).await);
    assert!(!pod.is_trusted_by(&new).await);

    // A week later it signs: whoever has read the bundle meanwhile goes on.
    age(&world, PUBLISHED, 8).await;
    wait("the pod serves a leaf of the new CA", SOON, async || {
        assert!(pod.is_trusted_by(&both).await);
        pod.is_trusted_by(&new).await.then_some(())
    })
    .await;
    assert!(pod.is_trusted_by(&both).await && !pod.is_trusted_by(&old).await);
    assert_ne!(leaf().await, first);
    assert!(app().await.contains(&old), "some pod may still serve its leaf");

    // When that leaf is over, nobody trusts the old one any more.
    age(&world, "oidc-operator.dev/ca-signs-since", 98).await;
    wait("the old CA is gone", SOON, async || {
        (!app().await.contains(&old)).then_some(())
    })
    .await;
    assert!(pod.is_trusted_by(&app().await).await);
}

#[tokio::test]
async fn i6_a_foreign_cluster_trust_bundle_is_not_overwritten() {
    let world = World::empty().await;
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).expect("a CA").pem();
    let name = format!("{}.oidc-operator.dev", world.namespace);
    world.apply(
        &json!({
            "apiVersion": "certificates.k8s.io/v1beta1", "kind": "ClusterTrustBundle",
            "metadata": {"name": name}, "spec": {"trustBundle": pem},
        })
        .to_string(),
    );
    world.install(&["trust.clusterTrustBundle=true"]);
    let operator = world.operator("op-0");
    operator.says_line(&["ERROR", &name, "not ours"]).await;
    world.bundle_holds(&pem).await;
    let role = format!("{}-oidc-operator-trust", world.namespace);
    world.kubectl(&["delete", "clusterrole,clusterrolebinding", &role]);
    world.kubectl(&["delete", &world.bundle()]);
}
