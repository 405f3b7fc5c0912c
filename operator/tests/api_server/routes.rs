//! Redirects that follow the Ingresses and HTTPRoutes of the client's namespace.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use oidc_crds::resources::OidcClient;
use serde_json::{Value, json};

use crate::clients::{accepts, held};
use crate::harness::{SOON, World, client, condition, wait};
use crate::pod::{Pod, Proxy};

const FOLLOW: &str = "allowed.redirectHostsFromRoutes=true";

fn ingress(name: &str, host: &str) -> String {
    format!(
        "{{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {{name: {name}}}, spec: {{rules: [
          {{host: \"{host}\", http: {{paths: [{{path: /, pathType: Prefix,
            backend: {{service: {{name: app, port: {{number: 80}}}}}}}}]}}}}]}}}}\n"
    )
}

/// As much of the Gateway API as the API server needs to keep HTTPRoutes.
const HTTP_ROUTES: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: httproutes.gateway.networking.k8s.io
  annotations: {api-approved.kubernetes.io: 'https://github.com/kubernetes-sigs/gateway-api/pull/2466'}
spec:
  group: gateway.networking.k8s.io
  names: {kind: HTTPRoute, listKind: HTTPRouteList, plural: httproutes, singular: httproute}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties: {hostnames: {type: array, items: {type: string}}}
            status: {type: object, x-kubernetes-preserve-unknown-fields: true}
      subresources: {status: {}}
";

fn routed(client: &OidcClient) -> Option<Vec<String>> {
    client.status.as_ref()?.routed_hosts.clone()
}

#[tokio::test]
async fn redirects_follow_the_ingresses_of_their_namespace() {
    let mut world = World::new(&[FOLLOW]).await;
    let operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    // Of another namespace, and one that only names the host for TLS: neither counts.
    let other = world.other_namespace();
    let elsewhere = world.kubectl_with(
        &["apply", "-n", &other, "-f", "-"],
        &ingress("app", "app.example.com"),
    );
    assert!(elsewhere.status.success());
    world.apply(
        "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: tls}, spec: {
          tls: [{hosts: [app.example.com], secretName: tls}],
          defaultBackend: {service: {name: app, port: {number: 80}}}}}\n",
    );
    world.apply_client("demo", "");
    let demo = world.client_is("demo", "Accepted", "False").await;
    let (reason, message) = condition(&demo.status.as_ref().expect("a status").conditions, "Accepted");
    assert_eq!(reason, "NoRoute");
    let hint = format!(
        "`app.example.com` is the host of no Ingress and of no HTTPRoute in the namespace {}: make a route",
        world.namespace
    );
    assert!(message.contains(&hint), "{message}");
    world.told("NoRoute", "app.example.com").await;
    assert_eq!(routed(&demo), Some(Vec::new()));

    // Accepted as soon as the route appears.
    world.apply(&ingress("app", "app.example.com"));
    let demo = world.client_is("demo", "Ready", "True").await;
    assert_eq!(routed(&demo), Some(vec!["app.example.com".to_owned()]));
    let secret = held(&world, "demo-oidc").await;
    assert!(accepts(&world, &demo, &secret).await);

    // A new client costs no more than without the rule.
    let before = world.now().await;
    world.apply_client("second", "");
    world.client_is("second", "Ready", "True").await;
    world.apply_client("probe", "");
    world.client_is("probe", "Ready", "True").await;
    let writes = world.writes_since(&before).await;
    let of_second: Vec<&String> = writes.iter().filter(|write| write.contains("second")).collect();
    assert_eq!(
        of_second,
        [
            "added Secret second-oidc",
            "added OidcClient second",
            "modified OidcClient second"
        ]
    );

    // Refused when it goes, with nothing deleted; the same when a wildcard covers it again.
    world.delete::<Ingress>("app").await;
    let demo = world.client_is("demo", "Accepted", "False").await;
    assert!(accepts(&world, &demo, &held(&world, "demo-oidc").await).await);
    world.apply(&ingress("deep", "*.com"));
    world.apply(&ingress("wild", "*.example.com"));
    let demo = world.client_is("demo", "Ready", "True").await;
    assert!(accepts(&world, &demo, &secret).await);

    // Neither a route with other hosts nor an operator that begins anew writes anything.
    let before = world.now().await;
    world.apply(&ingress("another", "another.example.org"));
    drop(operator);
    let _operator = world.operator("op-1");
    world.apply_client("third", "");
    world.client_is("third", "Ready", "True").await;
    let writes = world.writes_since(&before).await;
    assert!(writes.iter().all(|write| write.contains("third")), "{writes:?}");

    // What is listed needs no route; without the rule, the status tells of none.
    world.install(&[FOLLOW, "allowed.redirectHosts={app.example.com}"]);
    world.delete::<Ingress>("wild").await;
    wait("no route is left", SOON, async || {
        let demo = world.clients().get("demo").await.ok()?;
        (routed(&demo)?.is_empty()).then_some(())
    })
    .await;
    world.client_is("demo", "Ready", "True").await;
    world.install(&[]);
    wait("routes are not asked", SOON, async || {
        let demo = world.clients().get("demo").await.ok()?;
        routed(&demo).is_none().then_some(())
    })
    .await;
    world.client_is("demo", "Ready", "True").await;
}

#[tokio::test]
async fn http_routes_count_once_the_api_server_has_them() {
    const NAME: &str = "customresourcedefinition/httproutes.gateway.networking.k8s.io";
    let mut world = World::empty().await;
    world.kubectl(&["delete", "--ignore-not-found", NAME]);
    let own = format!("grants[0].namespaces={{{}}}", world.namespace);
    let settings = [
        "allowed.redirectHosts={legacy.example.com}",
        &own,
        "grants[0].redirectHostsFromRoutes=true",
    ];
    world.install(&settings);
    // What a route may allow is not refused at apply, everything else is.
    world.install_policy("client-policy", &settings);
    wait("the policy is in force", SOON, async || {
        let answer = world.dry_run(&client("probe", "scopes: [admin]"));
        (!answer.status.success()).then_some(())
    })
    .await;
    let operator = world.operator("op-0");
    world.apply_client("demo", "");
    let demo = world.client_is("demo", "Accepted", "False").await;
    assert_eq!(
        condition(&demo.status.expect("a status").conditions, "Accepted").0,
        "NoRoute"
    );
    let broken = |log: &str| {
        let lines = log.lines().filter(|line| line.contains("a watch broke"));
        lines.filter(|line| line.contains("HTTPRoute")).count()
    };
    assert_eq!(broken(&operator.log()), 0);

    world.apply(HTTP_ROUTES);
    world.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", NAME]);
    let route = |hostname: &str| {
        format!(
            "{{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: app}},
              spec: {{hostnames: [\"{hostname}\"]}}}}\n"
        )
    };
    wait("HTTPRoutes are taken", SOON, async || {
        world.try_apply(&route("*.com")).status.success().then_some(())
    })
    .await;
    // any label more, as the Gateway API has it, once a Gateway accepted it
    let gateway = async |holds: &str| {
        let resource = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute"),
            "httproutes",
        );
        let routes: Api<DynamicObject> =
            Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
        let route = routes.get("app").await.expect("a route");
        let status = json!({"status": {"parents": [{
            "parentRef": {"name": "web"}, "controllerName": "example.com/gateway",
            "conditions": [{
                "type": "Accepted", "status": holds, "observedGeneration": route.metadata.generation,
                "reason": "Accepted", "message": "", "lastTransitionTime": "2026-11-25T09:00:00Z",
            }],
        }]}});
        routes
            .patch_status("app", &PatchParams::default(), &Patch::Merge(&status))
            .await
            .expect("patched");
    };
    gateway("True").await;
    let demo = world.client_is("demo", "Ready", "True").await;
    assert_eq!(routed(&demo), Some(vec!["app.example.com".to_owned()]));
    gateway("False").await;
    world.client_is("demo", "Accepted", "False").await;
    gateway("True").await;
    world.client_is("demo", "Ready", "True").await;
    world.apply(&route("other.example.com"));
    world.client_is("demo", "Accepted", "False").await;
    world.apply(&route("app.example.com"));
    gateway("True").await;
    world.client_is("demo", "Ready", "True").await;

    // Without the definition there are none.
    world.kubectl(&["delete", NAME]);
    world.client_is("demo", "Accepted", "False").await;
    operator.health_is(200).await;
}

#[tokio::test]
async fn pods_judge_by_what_the_operator_saw_last() {
    let world = World::new(&[]).await;
    let operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let grants = "grantTypes: [authorization_code, client_credentials]";
    world.apply_client("demo", grants);
    world.client_is("demo", "Ready", "True").await;
    let secret = world.secret_data("demo-oidc").await;
    let proxy = Proxy::start(&world);
    let pod = Pod::start(&world, "oidc-provider-0", &proxy).await;
    pod.serves(&secret).await;

    let (own, foreign) = ("https://app.example.com/cb", "https://evil.example.org/cb");
    world.install(&["allowed.redirectHosts={app.example.com}"]);
    world.apply_client("refused", grants);
    world.client_is("refused", "Ready", "True").await;
    let refused = world.secret_data("refused-oidc").await;
    pod.serves(&refused).await;
    let edit = json!({"spec": {"redirectUris": [foreign]}});
    world.patch::<OidcClient>("refused", edit).await;
    world.client_is("refused", "Accepted", "False").await;
    pod.refuses(&refused, SOON).await;

    // The rule is new and nobody has looked yet: who was accepted goes on, who was refused waits.
    drop(operator);
    world.install(&[FOLLOW, "jwks.maxAge=2s"]);
    pod.caches_keys_for(2).await;
    pod.serves(&secret).await;
    assert_eq!(pod.authorize(&secret, own).await.0, 200);
    assert_eq!(pod.authorize(&refused, foreign).await.0, 400);
    let operator = world.operator("op-1");
    world.client_is("demo", "Accepted", "False").await;
    pod.refuses(&secret, SOON).await;
    world.apply(&ingress("app", "app.example.com"));
    world.client_is("demo", "Ready", "True").await;
    pod.serves(&secret).await;

    // Without the operator a new host is not served, and the others go on.
    drop(operator);
    let [old, new] = ["https://app.example.com/cb", "https://new.example.com/cb"];
    world.apply(&ingress("new", "new.example.com"));
    let edit = json!({"spec": {"displayName": "Edited", "redirectUris": [old, new]}});
    world.patch::<OidcClient>("demo", edit).await;
    wait("the pod knows of the edit", SOON, async || {
        let (status, page) = pod.authorize(&secret, old).await;
        (status == 200 && page.contains("Edited")).then_some(())
    })
    .await;
    assert_eq!(pod.authorize(&secret, new).await.0, 400);
    pod.serves(&secret).await;
    let _operator = world.operator("op-2");
    wait("the new host is served", SOON, async || {
        (pod.authorize(&secret, new).await.0 == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn clients_whose_routes_cannot_be_read_go_on_with_what_was_noted() {
    let world = World::new(&[FOLLOW]).await;
    let operator = world.operator("op-0");
    world.apply(&ingress("app", "app.example.com"));
    world.apply_client("demo", "");
    world.client_is("demo", "Ready", "True").await;

    // An operator that may not read routes keeps Secrets, and says what is wrong.
    drop(operator);
    let space = &world.namespace;
    let role = format!("role/{space}-oidc-operator-clients");
    let found: Value =
        serde_json::from_str(&world.kubectl(&["get", "-n", space, &role, "-o", "json"])).expect("JSON");
    let rules = found["rules"].as_array().expect("rules").iter();
    let rules: Vec<&Value> = rules
        .filter(|rule| rule["resources"] != json!(["ingresses"]))
        .collect();
    let patch = json!({"rules": rules}).to_string();
    world.kubectl(&["patch", "-n", space, &role, "--type=merge", "-p", &patch]);
    let operators = format!("system:serviceaccount:{space}:oidc-operator");
    wait("the right is gone", SOON, async || {
        let ask = [
            "auth",
            "can-i",
            "list",
            "ingresses.networking.k8s.io",
            "-n",
            space,
            "--as",
            &operators,
        ];
        (!world.kubectl_with(&ask, "").status.success()).then_some(())
    })
    .await;
    let operator = world.operator("op-1");
    operator.says("routes cannot be read").await;
    world.delete::<Secret>("demo-oidc").await;
    wait("the Secret is there again", SOON, async || {
        world.secrets().get("demo-oidc").await.ok()
    })
    .await;
    let demo = wait("the client says by what it is judged", SOON, async || {
        let demo = world.clients().get("demo").await.ok()?;
        let conditions = &demo.status.as_ref()?.conditions;
        condition(conditions, "Accepted")
            .1
            .contains("cannot be read")
            .then_some(demo)
    })
    .await;
    assert_eq!(
        condition(&demo.status.expect("a status").conditions, "Ready").0,
        "Ready"
    );
    world.apply_client("new", "");
    let new = world.client_is("new", "Accepted", "Unknown").await;
    assert_eq!(
        condition(&new.status.expect("a status").conditions, "Ready").0,
        "RoutesUnknown"
    );
    world.told("RoutesUnknown", "cannot be read").await;

    // It goes on by itself once it may.
    world.install(&[FOLLOW]);
    world.client_is("new", "Ready", "True").await;
    wait("the client is judged by routes again", SOON, async || {
        let demo = world.clients().get("demo").await.ok()?;
        let conditions = &demo.status.as_ref()?.conditions;
        (!condition(conditions, "Accepted").1.contains("cannot be read")).then_some(())
    })
    .await;
}
