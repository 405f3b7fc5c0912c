//! The installation under test, through `kubectl` as an administrator would use it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::browser::Browser;
use crate::eventually;

/// The release `oidc` in the namespace `default`; `KUBECONFIG` names the cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The issuer's URL, as apps see it.
    pub issuer: String,
    /// The issuer's CA (PEM).
    pub ca: String,
    state: String,
}

/// A provider pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its https address.
    pub address: SocketAddr,
    /// Its internal port (health, metrics).
    pub internal: SocketAddr,
    /// Its container's id in the runtime.
    pub container: String,
}

impl Cluster {
    /// The installation that `tests/run cluster` prepared.
    ///
    /// # Errors
    /// When there is none.
    pub fn connect() -> Result<Self> {
        let state = std::env::var("OIDC_E2E_CLUSTER")
            .context("run by `tests/run cluster`: it prepares the cluster")?;
        let ca = secret("oidc-tls")?
            .remove("ca.crt")
            .context("the issuer has a CA")?;
        Ok(Self {
            issuer: "https://oidc.default.svc.cluster.local".to_owned(),
            ca,
            state,
        })
    }

    /// A browser whose requests go through the Service, or round the given pods.
    ///
    /// # Errors
    /// When the CA cannot be parsed.
    pub fn browser(&self, pods: &[Pod]) -> Result<Browser> {
        let addresses: Vec<_> = pods.iter().map(|pod| pod.address).collect();
        self.browser_of(&addresses)
    }

    /// A browser whose requests go round these https addresses, each over a connection of its own.
    ///
    /// # Errors
    /// When the CA cannot be parsed.
    pub fn browser_of(&self, addresses: &[SocketAddr]) -> Result<Browser> {
        Browser::new(&self.ca, "oidc.default.svc.cluster.local", addresses)
    }

    /// The provider pods that are ready.
    ///
    /// # Errors
    /// When `kubectl` fails.
    pub fn pods(&self) -> Result<Vec<Pod>> {
        pods("provider")
    }

    /// Waits until exactly `count` provider pods are there and all are ready.
    ///
    /// # Errors
    /// When that takes more than a minute.
    pub async fn settled(&self, count: usize) -> Result<Vec<Pod>> {
        eventually(
            &format!("{count} ready provider pods"),
            Duration::from_secs(60),
            async || {
                let all = json(&["get", "pods", "-l", "app.kubernetes.io/component=provider"])?;
                let pods = self.pods()?;
                Ok(
                    (pods.len() == count && all["items"].as_array().map(Vec::len) == Some(count))
                        .then_some(pods),
                )
            },
        )
        .await
    }

    /// Ends a container the hard way (SIGKILL), as the kernel or a dying node would.
    ///
    /// # Errors
    /// When the runtime refuses.
    pub fn kill(&self, pod: &Pod) -> Result<()> {
        self.signal(pod, "SIGKILL")
    }

    /// Stops a container's time (SIGSTOP): it exists and does not answer, like one on a node that is cut off.
    ///
    /// # Errors
    /// When the runtime refuses.
    pub fn freeze(&self, pod: &Pod) -> Result<()> {
        self.signal(pod, "SIGSTOP")
    }

    fn signal(&self, pod: &Pod, signal: &str) -> Result<()> {
        let socket = format!("{}/run/containerd.sock", self.state);
        let task = [
            "-a",
            &socket,
            "-n",
            "k8s.io",
            "task",
            "kill",
            "--signal",
            signal,
            &pod.container,
        ];
        run(Command::new("ctr").args(task), None).map(drop)
    }

    /// Replaces the API server's `AuthenticationConfiguration`, which it reads again by itself.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn authentication(&self, configuration: &str) -> Result<()> {
        let file = format!("{}/authentication.yaml", self.state);
        let next = format!("{file}.next"); // a rename is never seen half-written
        std::fs::write(&next, configuration)?;
        Ok(std::fs::rename(next, file)?)
    }
}

/// The ready pods of a component (`provider`, `operator`, `redis`).
///
/// # Errors
/// When `kubectl` fails.
pub fn pods(component: &str) -> Result<Vec<Pod>> {
    let list = json(&[
        "get",
        "pods",
        "-l",
        &format!("app.kubernetes.io/component={component}"),
    ])?;
    let pods = list["items"].as_array().into_iter().flatten().filter_map(|pod| {
        let status = &pod["status"];
        let conditions = status["conditions"].as_array()?;
        let ready = conditions
            .iter()
            .any(|c| c["type"] == "Ready" && c["status"] == "True");
        if !ready || !pod["metadata"]["deletionTimestamp"].is_null() {
            return None;
        }
        let ip = status["podIP"].as_str()?;
        Some(Pod {
            name: pod["metadata"]["name"].as_str()?.to_owned(),
            address: format!("{ip}:8443").parse().ok()?,
            internal: format!("{ip}:9090").parse().ok()?,
            container: status["containerStatuses"][0]["containerID"]
                .as_str()?
                .trim_start_matches("containerd://")
                .to_owned(),
        })
    });
    Ok(pods.collect())
}

/// Runs `kubectl` in the namespace `default`; its output, or an error with what it said.
///
/// # Errors
/// When it exits other than 0.
pub fn kubectl(arguments: &[&str]) -> Result<String> {
    run(
        Command::new("kubectl")
            .args(["--namespace", "default"])
            .args(arguments),
        None,
    )
}

/// `kubectl apply` of manifests given as text.
///
/// # Errors
/// When the API server refuses them.
pub fn apply(manifests: &str) -> Result<String> {
    run(
        Command::new("kubectl").args(["--namespace", "default", "apply", "-f", "-"]),
        Some(manifests),
    )
}

/// `kubectl … -o json`.
///
/// # Errors
/// When `kubectl` fails.
pub fn json(arguments: &[&str]) -> Result<Value> {
    let mut all = arguments.to_vec();
    all.extend(["-o", "json"]);
    Ok(serde_json::from_str(&kubectl(&all)?)?)
}

/// The decoded data of a Secret.
///
/// # Errors
/// When it is not there or not text.
pub fn secret(name: &str) -> Result<BTreeMap<String, String>> {
    let object = json(&["get", "secret", name])?;
    let data = object["data"]
        .as_object()
        .with_context(|| format!("Secret {name} has data"))?;
    data.iter()
        .map(|(key, value)| {
            let bytes = STANDARD.decode(value.as_str().unwrap_or_default())?;
            Ok((key.clone(), String::from_utf8(bytes)?))
        })
        .collect()
}

/// Edits the SigningKey `main` so that the next key is minted.
///
/// # Errors
/// When it is refused.
pub fn rotate() -> Result<()> {
    let revision = json(&["get", "signingkey", "main"])?["spec"]["rotation"]["revision"]
        .as_u64()
        .unwrap_or(0)
        + 1;
    let patch = format!("{{\"spec\":{{\"rotation\":{{\"revision\":{revision}}}}}}}");
    kubectl(&["patch", "signingkey", "main", "--type", "merge", "-p", &patch]).map(drop)
}

/// Waits for a condition of an object to become `True`.
///
/// # Errors
/// When that takes more than a minute.
pub fn wait_for(condition: &str, object: &str) -> Result<()> {
    kubectl(&[
        "wait",
        &format!("--for=condition={condition}"),
        object,
        "--timeout=60s",
    ])
    .map(drop)
    .map_err(|error| {
        anyhow!(
            "{error}\n{}",
            kubectl(&["get", object, "-o", "yaml"]).unwrap_or_default()
        )
    })
}

/// Applies an `OidcClient` (`spec` is YAML at two spaces, or JSON) anew and waits until it is ready.
///
/// # Errors
/// When it is refused.
pub fn client(name: &str, spec: &str) -> Result<()> {
    kubectl(&["delete", "oidcclient", name, "--ignore-not-found"])?;
    apply(&client_manifest(name, spec))?;
    wait_for("Ready", &format!("oidcclient/{name}"))
}

/// The manifest of an `OidcClient`.
#[must_use]
pub fn client_manifest(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: oidc-operator.dev/v1alpha1\nkind: OidcClient\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}

/// Applies an `OidcUser` with a password and waits until it is ready.
///
/// # Errors
/// When it is refused.
pub fn user(name: &str, password: &str, spec: &str) -> Result<()> {
    apply(&format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}-password, labels: {{oidc-operator.dev/watch: 'true'}}}}\n\
         stringData: {{password: '{password}'}}\n---\napiVersion: oidc-operator.dev/v1alpha1\nkind: OidcUser\n\
         metadata: {{name: {name}}}\nspec: {{username: {name}, passwordSecretRef: {{name: {name}-password}}, {spec}}}\n"
    ))?;
    wait_for("Ready", &format!("oidcuser/{name}"))
}

/// Runs a program; its standard output, or an error with all that it said.
///
/// # Errors
/// When it cannot be started or exits other than 0.
pub fn run(command: &mut Command, input: Option<&str>) -> Result<String> {
    let stdin = if input.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        pipe.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
