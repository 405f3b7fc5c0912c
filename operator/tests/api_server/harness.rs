//! A fresh installation for each test, the operator as a process, and waiting for conditions.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, Resource, ResourceExt};
use oidc_crds::resources::{OidcClient, OidcUser, SigningKey};
use oidc_crds::secrets::Data;
use oidc_crds::secrets::pepper::Pepper;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// How long anything may take that should happen at once.
pub const SOON: Duration = Duration::from_secs(60);

/// The ServiceAccounts, Roles, ConfigMap and SigningKey of the chart; no Deployments.
const TEMPLATES: [&str; 5] = [
    "rbac-operator",
    "rbac-provider",
    "class",
    "installation",
    "signing-key",
];

/// Settings that make keys move fast.
const FAST: [&str; 3] = [
    "signingKey.algorithm=ES256",
    "signingKey.publishFor=3s",
    "jwks.maxAge=1s",
];

/// One installation in a namespace of its own.
pub struct World {
    pub namespace: String,
    /// The release, which all names of the installation begin with.
    pub release: String,
    pub client: Client,
    directory: PathBuf,
    admin: String,
    others: Vec<String>,
    policies: bool,
}

impl World {
    /// Installs the chart's parts as release `oidc` with these settings (`--set`).
    pub async fn new(settings: &[&str]) -> Self {
        let world = Self::empty().await;
        world.install(settings);
        world
    }

    /// A namespace without an installation.
    pub async fn empty() -> Self {
        Self::of_release("oidc").await
    }

    /// The same, for a release of this name.
    pub async fn of_release(release: &str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let admin = std::env::var("KUBECONFIG")
            .expect("KUBECONFIG is not set: these tests need an API server, run `tests/run operator`");
        let client = Client::try_default().await.expect("KUBECONFIG is usable");
        let namespace = format!("t-{:08x}", random() as u32);
        let directory = std::env::temp_dir().join(format!("oidc-operator-{namespace}"));
        fs::create_dir(&directory).expect("a directory");
        let world = Self {
            namespace: namespace.clone(),
            release: release.to_owned(),
            client,
            directory,
            admin,
            others: Vec::new(),
            policies: false,
        };
        let crds = chart().join("crds");
        world.kubectl(&["apply", "--server-side", "-f", &crds.to_string_lossy()]);
        world.kubectl(&["create", "namespace", &namespace]);
        world
    }

    /// An object of the installation, by what it is.
    pub fn named(&self, what: &str) -> String {
        format!("{}-{what}", self.release)
    }

    /// One more namespace, removed with the world.
    pub fn other_namespace(&mut self) -> String {
        let name = format!("{}-{}", self.namespace, self.others.len());
        self.kubectl(&["create", "namespace", &name]);
        self.others.push(name.clone());
        name
    }

    /// Installs or changes the installation, as `helm upgrade` would.
    pub fn install(&self, settings: &[&str]) {
        self.install_parts(&TEMPLATES, settings);
    }

    /// One of the chart's admission policies, by its template.
    pub fn install_policy(&mut self, template: &str, settings: &[&str]) {
        self.policies = true;
        self.install_parts(&[template], settings);
    }

    /// What the provider may do where programs register.
    pub fn install_registration(&self, settings: &[&str]) {
        self.install_parts(&["registration"], settings);
    }

    fn install_parts(&self, templates: &[&str], settings: &[&str]) {
        let mut helm = Command::new("helm");
        helm.args(["template", &self.release])
            .arg(chart())
            .args(["--namespace", &self.namespace]);
        for template in templates {
            helm.args(["--show-only", &format!("templates/{template}.yaml")]);
        }
        // worlds stand side by side in one cluster, so each has a class of its own
        let class = format!("className={}", self.namespace);
        for setting in FAST.iter().chain(&[class.as_str()]).chain(settings) {
            helm.args(["--set", setting]);
        }
        let manifests = success(helm.output().expect("helm is in PATH"));
        success(self.kubectl_apply(&[], &manifests));
    }

    /// `kubectl apply` in the world's namespace.
    pub fn apply(&self, manifests: &str) {
        success(self.try_apply(manifests));
    }

    /// `kubectl apply`, which may be refused.
    pub fn try_apply(&self, manifests: &str) -> Output {
        self.kubectl_apply(&["-n", &self.namespace], manifests)
    }

    /// Whether the API server would take a manifest, and what it says.
    pub fn dry_run(&self, manifests: &str) -> Output {
        self.kubectl_apply(&["-n", &self.namespace, "--dry-run=server"], manifests)
    }

    fn kubectl_apply(&self, arguments: &[&str], manifests: &str) -> Output {
        let all: Vec<&str> = ["apply", "-f", "-"].iter().chain(arguments).copied().collect();
        self.kubectl_with(&all, manifests)
    }

    /// kubectl as the administrator, which reads a text and may fail.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .kubectl_command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl is in PATH");
        let mut pipe = child.stdin.take().expect("piped");
        pipe.write_all(input.as_bytes()).expect("written");
        drop(pipe);
        child.wait_with_output().expect("it ends")
    }

    /// kubectl as the administrator.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        success(
            self.kubectl_command()
                .args(arguments)
                .output()
                .expect("kubectl is in PATH"),
        )
    }

    /// `kubectl replace`.
    pub fn kubectl_replace(&self, object: &Value) {
        success(self.kubectl_with(&["replace", "-f", "-"], &object.to_string()));
    }

    /// kubectl as the administrator, looking on until it is dropped.
    pub fn watch_by_kubectl(&self, arguments: &[&str]) -> Watch {
        let log = self
            .directory
            .join(format!("kubectl-{:08x}.log", random() as u32));
        let output = fs::File::create(&log).expect("a log");
        let child = self.kubectl_command().args(arguments).stdout(output).spawn();
        let child = child.expect("kubectl is in PATH");
        Watch { child, log }
    }

    fn kubectl_command(&self) -> Command {
        let mut command = Command::new("kubectl");
        command.env("KUBECONFIG", &self.admin);
        command
    }

    /// A kubeconfig with the rights of the operator's ServiceAccount.
    pub fn operator_kubeconfig(&self) -> PathBuf {
        let token = self.kubectl(&["create", "token", &self.named("operator"), "-n", &self.namespace]);
        let path = self.directory.join("operator.kubeconfig");
        fs::write(&path, self.kubeconfig(token.trim()).to_string()).expect("written");
        path
    }

    /// A kubeconfig with the rights of the provider's ServiceAccount, for a way to the API server of its own.
    pub fn proxied_kubeconfig(&self, server: &str) -> PathBuf {
        let token = self.kubectl(&["create", "token", &self.named("provider"), "-n", &self.namespace]);
        let mut config = self.kubeconfig(token.trim());
        config["clusters"][0]["cluster"]["server"] = server.into();
        let path = self.directory.join("provider.kubeconfig");
        fs::write(&path, config.to_string()).expect("written");
        path
    }

    /// Where the API server is.
    pub fn api_server(&self) -> SocketAddr {
        let config = self.kubeconfig("");
        let url = config["clusters"][0]["cluster"]["server"]
            .as_str()
            .expect("an address");
        let address = url.strip_prefix("https://").expect("https");
        address.parse().expect("an address and a port")
    }

    fn kubeconfig(&self, token: &str) -> Value {
        let admins = self.kubectl(&["config", "view", "--raw", "--flatten", "-o", "json"]);
        let mut config: Value = serde_json::from_str(&admins).expect("JSON");
        config["users"][0]["user"] = serde_json::json!({"token": token});
        config
    }

    /// A file in the world's directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A kubeconfig with the rights of the provider's ServiceAccount.
    pub fn provider_kubeconfig(&self) -> PathBuf {
        let token = self.kubectl(&["create", "token", &self.named("provider"), "-n", &self.namespace]);
        let path = self.file("provider.kubeconfig");
        fs::write(&path, self.kubeconfig(token.trim()).to_string()).expect("written");
        path
    }

    /// A client with the provider's rights, whose token is bound to a pod, as a pod's own token is.
    pub async fn provider_client(&self, pod: Option<&str>) -> Client {
        let account = self.named("provider");
        let mut arguments = vec!["create", "token", &account, "-n", &self.namespace];
        if let Some(pod) = pod {
            arguments.extend(["--bound-object-kind", "Pod", "--bound-object-name", pod]);
        }
        let token = self.kubectl(&arguments);
        let config: Kubeconfig = serde_json::from_value(self.kubeconfig(token.trim())).expect("a kubeconfig");
        let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default())
            .await
            .expect("a configuration");
        Client::try_from(config).expect("a client")
    }

    /// Starts an operator as this pod.
    pub fn operator(&self, pod: &str) -> Operator {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let log = self.directory.join(format!("{pod}-{port}.log"));
        let output = fs::File::create(&log).expect("a log");
        let child = operator_command()
            .env("KUBECONFIG", self.operator_kubeconfig())
            .env("OIDC_RELEASE", &self.release)
            .env("POD_NAMESPACE", &self.namespace)
            .env("POD_NAME", pod)
            .env("OIDC_LOG", "info,oidc_operator=debug,kube_runtime=debug")
            .args(["run", "--internal-listen", &format!("127.0.0.1:{port}")])
            .stdout(output.try_clone().expect("one more handle"))
            .stderr(output)
            .spawn()
            .expect("the operator starts");
        Operator { child, port, log }
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn clients(&self) -> Api<OidcClient> {
        self.api()
    }

    pub fn users(&self) -> Api<OidcUser> {
        self.api()
    }

    pub fn secrets(&self) -> Api<Secret> {
        self.api()
    }

    /// A client with a redirect URI, and more in its spec.
    pub fn apply_client(&self, name: &str, more: &str) {
        self.apply(&client(name, more));
    }

    /// Waits until an OidcClient's condition has this status; the client.
    pub async fn client_is(&self, name: &str, kind: &str, holds: &str) -> OidcClient {
        let api = self.clients();
        wait(&format!("OidcClient {name}: {kind}={holds}"), SOON, async || {
            let client = api.get_opt(name).await.expect("readable")?;
            is(&client.status.as_ref()?.conditions, kind, holds, &client).then_some(client)
        })
        .await
    }

    /// Waits until an OidcUser's condition has this status; the user.
    pub async fn user_is(&self, name: &str, kind: &str, holds: &str) -> OidcUser {
        let api = self.users();
        wait(&format!("OidcUser {name}: {kind}={holds}"), SOON, async || {
            let user = api.get_opt(name).await.expect("readable")?;
            is(&user.status.as_ref()?.conditions, kind, holds, &user).then_some(user)
        })
        .await
    }

    /// Waits until a SigningKey's condition has this status; the key.
    pub async fn key_is(&self, name: &str, kind: &str, holds: &str) -> SigningKey {
        let api: Api<SigningKey> = self.api();
        wait(&format!("SigningKey {name}: {kind}={holds}"), SOON, async || {
            let key = api.get_opt(name).await.expect("readable")?;
            is(&key.status.as_ref()?.conditions, kind, holds, &key).then_some(key)
        })
        .await
    }

    /// Waits for a Secret; its data.
    pub async fn secret_data(&self, name: &str) -> Data {
        let secrets = self.secrets();
        let secret = wait(&format!("Secret {name}"), SOON, async || {
            secrets.get_opt(name).await.expect("readable")
        })
        .await;
        data_of(&secret)
    }

    pub async fn pepper(&self) -> Pepper {
        Pepper::from_data(&self.secret_data(&self.named("pepper")).await).expect("a pepper")
    }

    pub async fn patch<K>(&self, name: &str, patch: Value) -> K
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        self.api::<K>()
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("patched")
    }

    pub async fn delete<K>(&self, name: &str)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        self.api::<K>()
            .delete(name, &DeleteParams::default())
            .await
            .expect("deleted");
    }

    /// A point in the API server's history.
    pub async fn now(&self) -> String {
        let list = self.secrets().list(&ListParams::default()).await.expect("listed");
        list.metadata.resource_version.expect("a version")
    }

    /// Every write of Secrets, clients, users and keys since then, as `added Secret x`, without any lost.
    pub async fn writes_since(&self, version: &str) -> Vec<String> {
        let mut writes = Vec::new();
        writes.extend(self.writes_of::<Secret>(version).await);
        writes.extend(self.writes_of::<OidcClient>(version).await);
        writes.extend(self.writes_of::<OidcUser>(version).await);
        writes.extend(self.writes_of::<SigningKey>(version).await);
        writes
    }

    /// The texts of all Events with this reason, in no order.
    pub async fn events(&self, reason: &str) -> Vec<String> {
        let api = self.api::<Event>();
        let events = api.list(&ListParams::default()).await.expect("listed");
        let of_reason = events
            .into_iter()
            .filter(|event| event.reason.as_deref() == Some(reason));
        of_reason.filter_map(|event| event.note).collect()
    }

    /// Waits for an Event with this reason whose text has a part; the text.
    pub async fn told(&self, reason: &str, part: &str) -> String {
        wait(&format!("an Event {reason} with {part}"), SOON, async || {
            let texts = self.events(reason).await;
            texts.into_iter().find(|text| text.contains(part))
        })
        .await
    }

    /// Every write of clients of a namespace since then, as in `writes_since`.
    pub async fn client_writes_since(&self, namespace: &str, version: &str) -> Vec<String> {
        self.writes_in::<OidcClient>(namespace, version).await
    }

    async fn writes_of<K>(&self, version: &str) -> Vec<String>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        self.writes_in::<K>(&self.namespace, version).await
    }

    async fn writes_in<K>(&self, namespace: &str, version: &str) -> Vec<String>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        // The API server replays its history and closes the watch after a second.
        let parameters = WatchParams::default().timeout(1);
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let events = api.watch(&parameters, version).await.expect("watched").boxed();
        events
            .try_filter_map(|event| async move {
                let told =
                    |verb: &str, object: &K| Some(format!("{verb} {} {}", K::kind(&()), object.name_any()));
                Ok(match event {
                    WatchEvent::Added(object) => told("added", &object),
                    WatchEvent::Modified(object) => told("modified", &object),
                    WatchEvent::Deleted(object) => told("deleted", &object),
                    WatchEvent::Bookmark(_) | WatchEvent::Error(_) => None,
                })
            })
            .try_collect()
            .await
            .expect("the history is there")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let release = format!("{}.{}", self.namespace, self.release);
        let mut of_the_cluster = vec![format!("oidcclass/{}", self.namespace)];
        for kind in ["clusterrole", "clusterrolebinding"] {
            let of_release = format!("{kind}/{}-{}", self.namespace, self.release);
            of_the_cluster
                .extend(["classes", "operator", "provider"].map(|what| format!("{of_release}-{what}")));
        }
        if self.policies {
            for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
                of_the_cluster
                    .extend(["acknowledgements", "clients"].map(|what| format!("{kind}/{release}.{what}")));
            }
        }
        let mut kubectl = self.kubectl_command();
        kubectl.args(["delete", "--ignore-not-found", "--wait=false"]);
        let _ = kubectl.args(of_the_cluster).output();
        let mut all = vec![self.namespace.clone()];
        all.append(&mut self.others);
        let _ = self
            .kubectl_command()
            .args(["delete", "namespace", "--wait=false"])
            .args(&all)
            .output();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A kubectl that looks on.
pub struct Watch {
    child: Child,
    log: PathBuf,
}

impl Watch {
    /// Waits until it shows a line with all these texts.
    pub async fn shows(&self, parts: &[&str]) {
        has_line(&self.log, parts).await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a file has a line with all these texts.
async fn has_line(file: &Path, parts: &[&str]) {
    wait(&format!("a line with {parts:?}"), SOON, async || {
        let text = fs::read_to_string(file).unwrap_or_default();
        let mut lines = text.lines();
        let found = lines.any(|line| parts.iter().all(|part| line.contains(part)));
        found.then_some(())
    })
    .await;
}

/// A running operator. It is killed when dropped; after a failed test its log is shown.
pub struct Operator {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Operator {
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until the log holds a text: a line may come after the status that it tells of.
    pub async fn says(&self, text: &str) {
        wait(&format!("the log says {text}"), SOON, async || {
            self.log().contains(text).then_some(())
        })
        .await;
    }

    /// Waits until a line of the log holds all these texts.
    pub async fn says_line(&self, parts: &[&str]) {
        has_line(&self.log, parts).await;
    }

    /// GET on the internal port; status and body. Nothing if nobody answers.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(2))
            .build()
            .expect("a client");
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let answer = http.get(url).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// A metric's value; the name with its labels as they are printed.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics").await?;
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// Waits until a metric has this value.
    pub async fn metric_is(&self, name: &str, value: f64) {
        wait(&format!("{name} is {value}"), SOON, async || {
            (self.metric(name).await? == value).then_some(())
        })
        .await;
    }

    /// Waits until it answers `/health/ready` with this status.
    pub async fn health_is(&self, wanted: u16) {
        wait(&format!("/health/ready answers {wanted}"), SOON, async || {
            let (status, _) = self.get("/health/ready").await?;
            (status == wanted).then_some(())
        })
        .await;
    }

    pub async fn leads(&self) {
        self.metric_is("oidc_operator_leader", 1.0).await;
    }

    /// Waits until a kind was reconciled with this reason.
    pub async fn reconciled(&self, kind: &str, reason: &str) {
        let name = format!("oidc_operator_reconciles_total{{kind=\"{kind}\",reason=\"{reason}\"}}");
        wait(&name, SOON, async || {
            (self.metric(&name).await? >= 1.0).then_some(())
        })
        .await;
    }

    /// Sends a signal, like `STOP`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(status.expect("kill is in PATH").success());
    }

    /// Waits for the end of the process.
    pub async fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "the operator does not end");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the operator\n{}", self.log());
        }
    }
}

/// The operator's binary with an empty environment.
pub fn operator_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oidc-operator"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// Looks again and again until there is something, at most for a time.
pub async fn wait<T>(what: &str, at_most: Duration, look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + at_most;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "did not happen in {at_most:?}: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// A manifest of an OidcClient; `more` are lines of its spec in flow style.
pub fn client(name: &str, more: &str) -> String {
    format!(
        "{{apiVersion: oidc-operator.dev/v1alpha1, kind: OidcClient, metadata: {{name: {name}}},
          spec: {{redirectUris: [\"https://app.example.com/cb\"]{}{more}}}}}\n",
        if more.is_empty() { "" } else { ", " }
    )
}

/// A manifest of a Secret with one key.
pub fn secret(name: &str, key: &str, value: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: {name}}}, stringData: {{{key}: \"{value}\"}}}}\n"
    )
}

/// Whether a condition has a status and speaks of the object as it is.
fn is<K: Resource>(conditions: &[Condition], kind: &str, holds: &str, object: &K) -> bool {
    conditions.iter().any(|condition| {
        condition.type_ == kind
            && condition.status == holds
            && condition.observed_generation == object.meta().generation
    })
}

/// Reason and message of a condition.
pub fn condition<'a>(conditions: &'a [Condition], kind: &str) -> (&'a str, &'a str) {
    let found = conditions
        .iter()
        .find(|condition| condition.type_ == kind)
        .expect(kind);
    (&found.reason, &found.message)
}

pub fn data_of(secret: &Secret) -> Data {
    secret
        .data
        .iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.0.clone()))
        .collect::<BTreeMap<_, _>>()
}

pub fn chart() -> PathBuf {
    std::env::var_os("CHART").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../charts/oidc-operator"),
        PathBuf::from,
    )
}

pub fn success(output: Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// std draws it to make hash tables safe; here it names namespaces and chooses moments.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
