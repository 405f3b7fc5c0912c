//! A program registers itself with a provider that runs as a process, with the rights of its own ServiceAccount.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, ResourceQuota, Secret};
use kube::ResourceExt;
use kube::api::{Api, Patch, PostParams};
use oidc_crds::resources::OidcClient;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{SOON, World, wait};

/// A provider that runs; ended when it is dropped.
struct Provider {
    child: Child,
    http: reqwest::Client,
    issuer: String,
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

impl Provider {
    /// Starts one, and waits until it is ready.
    async fn start(world: &World) -> Self {
        let pod = json!({"metadata": {"name": "oidc-provider-0"}, "spec": {
            "serviceAccountName": "oidc-provider", "containers": [{"name": "provider", "image": "none"}]}});
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let made = world.api::<Pod>().create(&PostParams::default(), &pod).await;
        let uid = made.expect("created").uid().expect("a uid");
        let (port, internal) = (free_port(), free_port());
        let log = world.file("provider.log");
        let output = fs::File::create(&log).expect("a log");
        let program =
            std::env::var("OIDC_PROVIDER_BIN").expect("OIDC_PROVIDER_BIN: run `tests/run operator`");
        let child = Command::new(program)
            .env_clear()
            .env("KUBECONFIG", world.provider_kubeconfig())
            .env("REDIS_URL", std::env::var("REDIS_URL").expect("REDIS_URL"))
            .env("OIDC_RELEASE", "oidc")
            .env("POD_NAMESPACE", &world.namespace)
            .env("POD_NAME", "oidc-provider-0")
            .env("POD_UID", uid)
            .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
            .args(["--internal-listen", &format!("127.0.0.1:{internal}")])
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("one more handle"))
            .stderr(output)
            .spawn()
            .expect("the provider starts");
        let host = format!("oidc.{}.svc.cluster.local", world.namespace);
        let ca = &world.secret_data("oidc-ca").await["tls.crt"];
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .tls_certs_only([reqwest::Certificate::from_pem(ca).expect("a CA")])
            .resolve(&host, ([127, 0, 0, 1], port).into())
            .build()
            .expect("a client");
        let ready = format!("http://127.0.0.1:{internal}/health/ready");
        wait("the provider is ready", SOON, async || {
            let answer = http.get(&ready).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        Self {
            child,
            http,
            issuer: format!("https://{host}:{port}"),
        }
    }

    async fn discovery(&self) -> Value {
        let url = format!("{}/.well-known/openid-configuration", self.issuer);
        let answer = self.http.get(url).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    async fn register(&self, metadata: Value) -> (u16, Value) {
        self.register_with("", metadata).await
    }

    /// The same with an initial access token.
    async fn register_with(&self, token: &str, metadata: Value) -> (u16, Value) {
        let request = self
            .http
            .post(format!("{}/register", self.issuer))
            .bearer_auth(token)
            .json(&metadata);
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Reads, changes or deletes a client with its registration access token.
    async fn manage(&self, method: &str, told: &Value, token: &str, body: Option<&Value>) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let uri = text(told, "registration_client_uri").replace(self.said_issuer(), &self.issuer);
        let mut request = self.http.request(method, uri).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// The issuer without the port that the test reaches it at.
    fn said_issuer(&self) -> &str {
        self.issuer.rsplit_once(':').expect("a port").0
    }

    /// A token for the client itself; the status.
    async fn token(&self, id: &str, secret: &str) -> u16 {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("client_secret", secret),
        ];
        let request = self.http.post(format!("{}/token", self.issuer)).form(&form);
        request.send().await.expect("an answer").status().as_u16()
    }
}

/// Waits until the quota of a namespace counts clients. Kubernetes looks for new kinds every 30 s only, and at a quota
/// that named one before then not before five minutes, unless it is written again.
async fn quota_counts(world: &World, namespace: &str) {
    let quotas: Api<ResourceQuota> = Api::namespaced(world.client.clone(), namespace);
    let began = Instant::now();
    wait("the quota counts clients", 3 * SOON, async || {
        let listed = quotas.list(&Default::default()).await.ok()?;
        let quota = listed.items.first()?;
        let used = quota.status.as_ref().and_then(|status| status.used.as_ref());
        if used.is_some_and(|used| used.contains_key("count/oidcclients.oidc-operator.dev")) {
            return Some(());
        }
        let second = began.elapsed().as_secs().to_string();
        let patch = json!({"metadata": {"annotations": {"looked": second}}});
        let (name, patch) = (quota.name_any(), Patch::Merge(patch));
        quotas.patch(&name, &Default::default(), &patch).await.ok()?;
        None
    })
    .await;
}

fn text<'a>(told: &'a Value, member: &str) -> &'a str {
    told[member].as_str().unwrap_or_default()
}

#[tokio::test]
async fn reg_01_a_program_registers_and_is_a_client_at_once() {
    let mut world = World::new(&[]).await;
    let programs = world.other_namespace();
    let watched = format!("watchNamespaces={{{programs}}}");
    let namespace = format!("registration.namespace={programs}");
    let closed = [watched.as_str(), namespace.as_str()];
    let open = [
        &closed[..],
        &[
            "registration.mode=open",
            "clientAddress.from=socket",
            "registration.maxClients=2",
        ],
    ]
    .concat();
    world.install(&closed);
    let operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let provider = Provider::start(&world).await;
    let machine = json!({"grant_types": ["client_credentials"], "client_name": "A machine"});
    assert_eq!(
        provider.register(machine.clone()).await.0,
        404,
        "closed by default"
    );

    world.install(&open);
    world.install_registration(&open);
    quota_counts(&world, &programs).await;
    wait("registration is open", SOON, async || {
        provider
            .discovery()
            .await
            .get("registration_endpoint")
            .is_some()
            .then_some(())
    })
    .await;
    let (status, told) = provider.register(machine.clone()).await;
    assert_eq!(status, 201, "{told}");
    let (id, secret) = (text(&told, "client_id"), text(&told, "client_secret"));
    assert_eq!(provider.token(id, secret).await, 200, "at once");
    assert_eq!(provider.token(id, "another").await, 401);

    // To kubectl it is a client like any other, but for the Secret that it does not need.
    let name = id
        .strip_prefix(&format!("{programs}."))
        .expect("of the namespace");
    let clients: Api<OidcClient> = Api::namespaced(world.client.clone(), &programs);
    let client = wait("it is ready", SOON, async || {
        let client = clients.get(name).await.ok()?;
        let conditions = &client.status.as_ref()?.conditions;
        let ready = |of: &&k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| of.type_ == "Ready";
        (conditions.iter().find(ready)?.status == "True").then_some(client)
    })
    .await;
    assert_eq!(client.labels()["oidc-operator.dev/registered-by"], "registration");
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &programs);
    let listed = secrets.list(&Default::default()).await.expect("listed");
    assert!(listed.items.is_empty(), "{listed:?}");
    let shown = world.kubectl(&["get", "oidcclients", "-n", &programs, "-o", "yaml"]);
    assert!(!shown.contains(secret) && !operator.log().contains(secret));
    let log = fs::read_to_string(world.file("provider.log")).expect("a log");
    assert!(!log.contains(secret), "a secret is in the log");

    // What is written for one client is worth nothing in another.
    let mut copy = OidcClient::new("copy", client.spec.clone());
    copy.metadata.namespace = Some(programs.clone());
    clients
        .create(&PostParams::default(), &copy)
        .await
        .expect("nobody minds");
    // The quota is full; the copy counts.
    wait("the quota is full", SOON, async || {
        let (status, told) = provider.register(machine.clone()).await;
        // one that was let through by a count that came late is removed again
        if let Some(id) = told["client_id"].as_str() {
            let name = id.rsplit_once('.').expect("two parts").1;
            clients.delete(name, &Default::default()).await.expect("deleted");
        }
        (status == 503).then_some(())
    })
    .await;
    assert_eq!(provider.token(&format!("{programs}.copy"), secret).await, 401);

    // Deleted like any other; the answer to its secret is the same as to a wrong one.
    clients.delete(name, &Default::default()).await.expect("deleted");
    wait("it is gone", SOON, async || {
        (provider.token(id, secret).await == 401).then_some(())
    })
    .await;
}

const TOKEN: &str = "canary-0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn reg_01_a_program_with_a_token_registers_and_its_object_names_the_token() {
    let mut world = World::new(&[]).await;
    let programs = world.other_namespace();
    let watched = format!("watchNamespaces={{{programs}}}");
    let namespace = format!("registration.namespace={programs}");
    // no limit per address is needed
    let settings = [watched.as_str(), namespace.as_str(), "registration.mode=token"];
    world.install(&settings);
    world.install_registration(&settings);
    quota_counts(&world, &programs).await;
    let _operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let provider = Provider::start(&world).await;
    assert!(provider.discovery().await.get("registration_endpoint").is_some());
    let machine = json!({"grant_types": ["client_credentials"]});
    wait("the Secret is known to be absent", SOON, async || {
        (provider.register_with(TOKEN, machine.clone()).await.0 == 401).then_some(())
    })
    .await;

    let value = json!({"token": TOKEN, "uses": 1, "expiresAt": "2099-01-01T00:00:00Z"});
    let secret =
        json!({"metadata": {"name": "oidc-registration-tokens"}, "stringData": {"ci": value.to_string()}});
    let secret: Secret = serde_json::from_value(secret).expect("a Secret");
    let secrets = world.api::<Secret>();
    secrets
        .create(&PostParams::default(), &secret)
        .await
        .expect("created");
    let told = wait("the token is taken", SOON, async || {
        let (status, told) = provider.register_with(TOKEN, machine.clone()).await;
        (status == 201).then_some(told)
    })
    .await;
    let (id, secret) = (text(&told, "client_id"), text(&told, "client_secret"));
    assert_eq!(provider.token(id, secret).await, 200);
    let label = "oidc-operator.dev/registration-token=ci";
    let shown = world.kubectl(&["get", "oidcclients", "-n", &programs, "-l", label, "-o", "yaml"]);
    let name = id
        .strip_prefix(&format!("{programs}."))
        .expect("of the namespace");
    assert!(
        shown.contains("token: ci") && shown.contains(&format!("name: {name}")),
        "{shown}"
    );
    assert!(!shown.contains("canary"));
    assert_eq!(
        provider.register_with(TOKEN, machine.clone()).await.0,
        401,
        "used up"
    );
    let log = fs::read_to_string(world.file("provider.log")).expect("a log");
    assert!(!log.contains("canary"), "a token is in the log");

    // who closes registration takes the right to the Secret away, and the pod does not ask for it any more
    world.install(&[watched.as_str()]);
    wait("it is closed", SOON, async || {
        (provider.register_with(TOKEN, machine.clone()).await.0 == 404).then_some(())
    })
    .await;
}

#[tokio::test]
async fn reg_03_a_program_manages_its_own_object_with_no_more_rights_than_it_takes() {
    let mut world = World::new(&[]).await;
    let programs = world.other_namespace();
    let others = world.other_namespace();
    let watched = format!("watchNamespaces={{{programs},{others}}}");
    let namespace = format!("registration.namespace={programs}");
    let settings = [
        watched.as_str(),
        namespace.as_str(),
        "registration.mode=open",
        "clientAddress.from=socket",
    ];
    world.install(&settings);
    world.install_registration(&settings);
    quota_counts(&world, &programs).await;
    let _operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let provider = Provider::start(&world).await;
    let machine = json!({"grant_types": ["client_credentials"], "client_name": "One"});
    let (status, told) = provider.register(machine.clone()).await;
    assert_eq!(status, 201, "{told}");
    let (id, secret) = (text(&told, "client_id"), text(&told, "client_secret"));
    let first = text(&told, "registration_access_token");
    let (status, read) = provider.manage("GET", &told, first, None).await;
    assert_eq!((status, &read["client_name"]), (200, &json!("One")), "{read}");

    let mut change = json!({"grant_types": ["client_credentials"], "client_name": "Two", "client_id": id});
    let (status, changed) = provider.manage("PUT", &told, first, Some(&change)).await;
    assert_eq!(
        (status, &changed["client_name"]),
        (200, &json!("Two")),
        "{changed}"
    );
    let second = text(&changed, "registration_access_token");
    assert_eq!(provider.token(id, secret).await, 200, "the same secret");
    let name = id
        .strip_prefix(&format!("{programs}."))
        .expect("of the namespace");
    let clients: Api<OidcClient> = Api::namespaced(world.client.clone(), &programs);
    let client = clients.get(name).await.expect("it is there");
    assert_eq!(client.spec.display_name.as_deref(), Some("Two"));
    assert_eq!(client.labels()["oidc-operator.dev/registered-by"], "registration");
    // what the API server refuses is told, and nothing is written
    change["client_name"] = "x".repeat(200).into();
    let (status, error) = provider.manage("PUT", &told, second, Some(&change)).await;
    assert_eq!(
        (status, &error["error"]),
        (400, &json!("invalid_client_metadata")),
        "{error}"
    );
    let after = clients.get(name).await.expect("it is there");
    assert_eq!(after.spec, client.spec);

    // a client of the namespace that was made by hand is nobody's by HTTP
    let mut by_hand = OidcClient::new("by-hand", client.spec.clone());
    by_hand.metadata.namespace = Some(programs.clone());
    clients
        .create(&PostParams::default(), &by_hand)
        .await
        .expect("created");
    let other = json!({"client_id": format!("{programs}.by-hand"),
        "registration_client_uri": format!("{}/register/{programs}.by-hand", provider.said_issuer())});
    for method in ["GET", "PUT", "DELETE"] {
        let body = (method == "PUT").then_some(&change);
        assert_eq!(
            provider.manage(method, &other, second, body).await.0,
            401,
            "{method}"
        );
    }

    let account = format!("system:serviceaccount:{}:oidc-provider", world.namespace);
    let can = |verb: &str, what: &str, namespace: &str| {
        let (what, part) = what.split_once('/').unwrap_or((what, ""));
        let output = Command::new("kubectl")
            .args(["auth", "can-i", verb, what, "-n", namespace, "--as", &account])
            .args(["--subresource", part])
            .output()
            .expect("kubectl is in PATH");
        String::from_utf8_lossy(&output.stdout).trim() == "yes"
    };
    const CLIENTS: &str = "oidcclients.oidc-operator.dev";
    // what expires is the operator's to delete, where it is asked for and nowhere else
    let operator = format!("system:serviceaccount:{}:oidc-operator", world.namespace);
    let may_expire = |namespace: &str| {
        let output = Command::new("kubectl")
            .args([
                "auth", "can-i", "delete", CLIENTS, "-n", namespace, "--as", &operator,
            ])
            .output()
            .expect("kubectl is in PATH");
        String::from_utf8_lossy(&output.stdout).trim() == "yes"
    };
    assert!(!may_expire(&programs));
    let expiring = [&settings[..], &["registration.expireUnused=24h"]].concat();
    world.install(&expiring);
    world.install_registration(&expiring);
    assert!(may_expire(&programs) && !may_expire(&others) && !may_expire(&world.namespace));
    for verb in ["create", "get", "update", "delete"] {
        assert!(can(verb, CLIENTS, &programs), "{verb}");
        for namespace in [&others, &world.namespace] {
            assert!(!can(verb, CLIENTS, namespace), "{verb} in {namespace}");
        }
    }
    for (verb, what) in [
        ("patch", CLIENTS),
        ("deletecollection", CLIENTS),
        ("update", "oidcclients.oidc-operator.dev/status"),
        ("get", "secrets"),
        ("update", "oidcusers.oidc-operator.dev"),
    ] {
        assert!(!can(verb, what, &programs), "{verb} {what}");
    }

    let (status, _) = provider.manage("DELETE", &told, second, None).await;
    assert_eq!(status, 204);
    assert!(clients.get_opt(name).await.expect("an answer").is_none());
    assert_eq!(provider.token(id, secret).await, 401);
    assert_eq!(provider.manage("GET", &told, second, None).await.0, 401);
    let log = fs::read_to_string(world.file("provider.log")).expect("a log");
    for told in [first, second, secret] {
        assert!(!log.contains(told), "i9");
    }
}
