//! `kubectl oidc` as people run it: what there is, the next key, why a login fails, and kubectl itself as an
//! application of the issuer.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use oidc_e2e::cluster::{self, Cluster, kubectl};
use oidc_e2e::eventually;
use oidc_e2e::flow::{Person, kid_of, walk};
use serde_json::{Value, json};
use url::Url;

/// The file that docs/integrations.md shows.
const CONFIGURATION: &str = include_str!("../clients/kube-apiserver/authentication.yaml");
const GERDA: Person<'_> = Person {
    name: "gerda",
    password: "a plugin asks for no password 7",
};
const CALLBACK: &str = "https://app.example.com/callback";

/// Where the plugin is, and a folder for its cache, removed in the end.
struct Plugin {
    program: PathBuf,
    folder: PathBuf,
}

impl Plugin {
    fn new(name: &str) -> Result<Self> {
        let program = std::env::var("OIDC_KUBECTL_PLUGIN")
            .context("run by `tests/run cluster`: it names the plugin")?;
        let folder = std::env::temp_dir().join(format!("oidc-e2e-plugin-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self {
            program: program.into(),
            folder,
        })
    }

    /// `kubectl` that finds the plugin.
    fn kubectl(&self, arguments: &[&str]) -> Command {
        let folder = self.program.parent().unwrap_or(Path::new("/"));
        let path = format!(
            "{}:{}",
            folder.display(),
            std::env::var("PATH").unwrap_or_default()
        );
        let mut command = Command::new("kubectl");
        command
            .args(arguments)
            .env("PATH", path)
            .env("XDG_CACHE_HOME", &self.folder)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<Output> {
        let arguments = [&["oidc"], arguments].concat();
        Ok(self.kubectl(&arguments).output()?)
    }

    /// What it prints as data.
    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.run(&[arguments, &["-o", "json"]].concat())?;
        serde_json::from_slice(&output.stdout).with_context(|| complaint(&output))
    }

    /// The lines of `debug`, and whether it found nothing.
    fn debug(&self, arguments: &[&str]) -> Result<(Value, bool)> {
        let output = self.run(&[&["debug", "-o", "json"], arguments].concat())?;
        let lines = serde_json::from_slice(&output.stdout).with_context(|| complaint(&output))?;
        Ok((lines, output.status.success()))
    }

    /// Fails unless `debug` finds this.
    fn finds(&self, arguments: &[&str], check: &str, part: &str) -> Result<()> {
        let (lines, content) = self.debug(arguments)?;
        let found = of(&lines, check).any(|line| {
            line["outcome"] == "failed" && line["message"].as_str().is_some_and(|text| text.contains(part))
        });
        ensure!(found && !content, "{arguments:?}: {check}: {part}: {lines:#}");
        let advised =
            of(&lines, check).any(|line| line["advice"].as_str().is_some_and(|text| !text.is_empty()));
        ensure!(advised || check == "conditions", "it says what to do: {lines:#}");
        Ok(())
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn of<'a>(lines: &'a Value, check: &'a str) -> impl Iterator<Item = &'a Value> {
    lines
        .as_array()
        .into_iter()
        .flatten()
        .filter(move |line| line["check"] == check)
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[tokio::test]
async fn the_plugin_shows_what_there_is_and_rotates() -> Result<()> {
    let (cluster, plugin) = (Cluster::connect()?, Plugin::new("status")?);
    cluster.settled(2).await?;
    cluster::client("plugin-status", &format!("{{redirectUris: ['{CALLBACK}']}}"))?;
    cluster::wait_for("Ready", "signingkey/main")?;
    let report = plugin.json(&["status"])?;
    ensure!(
        report["installation"]["issuer"] == cluster.issuer.as_str(),
        "{report:#}"
    );
    ensure!(
        report["hidden"] == json!([]),
        "an administrator sees everything: {report:#}"
    );
    let clients = report["clients"].as_array().context("clients")?;
    let ours = clients
        .iter()
        .find(|client| client["name"] == "plugin-status")
        .context("the client")?;
    ensure!(
        ours["ready"] == "True" && ours["clientId"] == "default.plugin-status",
        "{ours}"
    );
    let pods = report["pods"].as_array().context("pods")?;
    ensure!(
        pods.len() == 2 && pods.iter().all(|pod| pod["ready"] == true),
        "{report:#}"
    );
    let old = cluster::json(&["get", "signingkey", "main"])?["status"]["activeKid"].clone();
    let keys = report["signingKeys"].as_array().context("keys")?;
    ensure!(
        keys.iter()
            .any(|key| key["kid"] == old && key["phase"] == "Active"),
        "{report:#}"
    );
    let text = plugin.run(&["status", "plugin-status"])?;
    let text = complaint(&text);
    ensure!(
        text.contains("SIGNINGKEY") && text.contains("default.plugin-status") && text.contains("KEY SET"),
        "{text}"
    );

    // an app team sees its own, and is told what it does not see
    cluster::apply(
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: plugin-team}, \
          rules: [{apiGroups: [oidc-operator.dev], resources: [oidcclients], verbs: [get, list]}]}\n---\n\
         {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: plugin-team}, \
          roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: plugin-team}, \
          subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: plugin-team}]}\n",
    )?;
    let team = ["--as", "plugin-team"];
    let report = eventually(
        "the team's rights are known",
        Duration::from_secs(20),
        async || {
            let report = plugin.json(&[&["status"], &team[..]].concat())?;
            Ok((report["clients"] != json!([])).then_some(report))
        },
    )
    .await?;
    ensure!(
        report["installation"].is_null() && report["pods"] == json!([]),
        "{report:#}"
    );
    ensure!(report["hidden"].to_string().contains("ConfigMaps"), "{report:#}");
    let refused = plugin.run(&[&["rotate", "key", "main"], &team[..]].concat())?;
    ensure!(
        refused.status.code() == Some(1) && complaint(&refused).contains("no right"),
        "{}",
        complaint(&refused)
    );

    // the next secret of a client, waited for
    let secret = || cluster::json(&["get", "secret", "plugin-status-oidc"]);
    let before = secret()?["data"]["CLIENT_SECRET"].clone();
    let rotated = plugin.run(&[
        "rotate",
        "client",
        "plugin-status",
        "--wait",
        "--timeout",
        "120",
        "-o",
        "json",
    ])?;
    ensure!(rotated.status.success(), "{}", complaint(&rotated));
    let answer: Value = serde_json::from_slice(&rotated.stdout)?;
    let after = secret()?["data"]["CLIENT_SECRET"].clone();
    ensure!(
        answer["secret"] == "plugin-status-oidc" && before.is_string() && before != after,
        "{answer}"
    );

    // the next key, waited for
    let rotated = plugin.run(&[
        "rotate",
        "key",
        "main",
        "--wait",
        "--timeout",
        "120",
        "-o",
        "json",
    ])?;
    ensure!(rotated.status.success(), "{}", complaint(&rotated));
    let answer: Value = serde_json::from_slice(&rotated.stdout)?;
    ensure!(
        answer["activeKid"] != old && answer["activeKid"].is_string(),
        "{answer}"
    );
    ensure!(
        cluster::json(&["get", "signingkey", "main"])?["status"]["activeKid"] == answer["activeKid"],
        "it signs"
    );
    ensure!(
        complaint(&rotated).contains(": Published"),
        "phases are shown: {}",
        complaint(&rotated)
    );
    kubectl(&[
        "delete",
        "role/plugin-team",
        "rolebinding/plugin-team",
        "oidcclient/plugin-status",
    ])?;
    Ok(())
}

#[tokio::test]
async fn the_plugin_finds_what_stands_in_the_way_of_a_login() -> Result<()> {
    let (cluster, plugin) = (Cluster::connect()?, Plugin::new("debug")?);
    cluster.settled(2).await?;
    cluster::wait_for("Ready", "signingkey/main")?;
    cluster::client("plugin-debug", &format!("{{redirectUris: ['{CALLBACK}']}}"))?;
    // both pods learn of the client within a moment
    eventually("nothing stands in the way", Duration::from_secs(20), async || {
        let (lines, content) = plugin.debug(&["plugin-debug", "--redirect-uri", CALLBACK])?;
        let good = lines
            .as_array()
            .is_some_and(|lines| lines.iter().all(|line| line["outcome"] == "ok"));
        ensure!(
            good == content || lines.to_string().contains("unknown"),
            "{lines:#}"
        );
        for check in [
            "class",
            "namespace",
            "rules",
            "names",
            "signing key",
            "secret",
            "conditions",
            "pods",
        ] {
            ensure!(of(&lines, check).next().is_some(), "{check}: {lines:#}");
        }
        if good {
            for check in [
                "dns",
                "tcp",
                "tls",
                "discovery",
                "clock",
                "jwks",
                "credentials",
                "request",
            ] {
                ensure!(of(&lines, check).next().is_some(), "{check}: {lines:#}");
            }
        }
        Ok(good.then_some(()))
    })
    .await?;

    // the application's mistakes
    plugin.finds(
        &[
            "plugin-debug",
            "--redirect-uri",
            "https://app.example.com/callback/",
        ],
        "redirect URI",
        "slash at the end",
    )?;
    plugin.finds(
        &[
            "plugin-debug",
            "--redirect-uri",
            "https://app.example.com:8443/callback",
        ],
        "redirect URI",
        "the port is 8443",
    )?;
    plugin.finds(
        &["plugin-debug", "--redirect-uri", "https://app.example.com/x"],
        "request",
        "refuses the client or the redirect URI",
    )?;
    plugin.finds(&["no-such-client"], "client", "there is no OidcClient")?;
    // the network's
    let foreign = plugin.folder.join("ca.crt");
    fs::write(
        &foreign,
        cluster::json(&["get", "configmap", "kube-root-ca.crt"])?["data"]["ca.crt"]
            .as_str()
            .context("a CA")?,
    )?;
    let foreign = foreign.to_string_lossy();
    plugin
        .finds(&["plugin-debug", "--ca-file", &foreign], "tls", "UnknownIssuer")
        .or_else(|_| plugin.finds(&["plugin-debug", "--ca-file", &foreign], "tls", "BadSignature"))?;
    plugin.finds(
        &["plugin-debug", "--connect-to", "127.0.0.1:1"],
        "tcp",
        "127.0.0.1:1",
    )?;
    // the spec's
    broken(
        "plugin-rules",
        "{redirectUris: ['https://a.example/cb'], claims: [{name: groups, value: x, in: [idToken]}]}",
        "Accepted=False",
    )?;
    plugin.finds(&["plugin-rules"], "rules", "spec.claims[0].name")?;
    broken(
        "plugin-class",
        "{className: other, redirectUris: ['https://a.example/cb']}",
        "",
    )?;
    plugin.finds(&["plugin-class"], "class", "the class other")?;
    broken(
        "plugin-machine",
        "{applicationType: service, grantTypes: [client_credentials]}",
        "Ready",
    )?;
    plugin.finds(&["plugin-machine"], "grants", "nobody can sign in")?;
    broken(
        "plugin-ref",
        "{redirectUris: ['https://a.example/cb'], secretRef: {name: nowhere}}",
        "Ready=False",
    )?;
    plugin.finds(&["plugin-ref"], "secretRef", "the Secret nowhere is not there")?;
    broken(
        "plugin-alg",
        "{redirectUris: ['https://a.example/cb'], tokens: {idTokenSignedResponseAlg: ES384}}",
        "Accepted=False",
    )?;
    plugin.finds(&["plugin-alg"], "names", "no key signs with ES384")?;
    // others'
    cluster::apply(
        "{apiVersion: v1, kind: Secret, metadata: {name: plugin-foreign-oidc}, stringData: {a: b}}\n",
    )?;
    broken(
        "plugin-foreign",
        "{redirectUris: ['https://a.example/cb']}",
        "Ready=False",
    )?;
    plugin.finds(&["plugin-foreign"], "secret", "somebody else's")?;
    plugin.finds(&["plugin-foreign"], "conditions", "NotOwned")?;
    kubectl(&["create", "namespace", "plugin-elsewhere"])?;
    let manifest = plugin.folder.join("lost.yaml");
    fs::write(
        &manifest,
        cluster::client_manifest("lost", "{redirectUris: ['https://a.example/cb']}"),
    )?;
    cluster::run(
        Command::new("kubectl")
            .args(["apply", "-n", "plugin-elsewhere", "-f"])
            .arg(&manifest),
        None,
    )?;
    plugin.finds(
        &["lost", "-n", "plugin-elsewhere", "--installation", "default/oidc"],
        "namespace",
        "not served",
    )?;

    kubectl(&["delete", "namespace", "plugin-elsewhere", "--wait=false"])?;
    kubectl(&["delete", "secret", "plugin-foreign-oidc"])?;
    let names =
        ["debug", "rules", "class", "machine", "ref", "alg", "foreign"].map(|name| format!("plugin-{name}"));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    kubectl(&[&["delete", "oidcclient"], &names[..]].concat())?;
    Ok(())
}

/// Applies a client and waits for a condition, if one is named.
fn broken(name: &str, spec: &str, condition: &str) -> Result<()> {
    cluster::apply(&cluster::client_manifest(name, spec))?;
    if condition.is_empty() {
        return Ok(());
    }
    kubectl(&[
        "wait",
        &format!("--for=condition={condition}"),
        &format!("oidcclient/{name}"),
        "--timeout=30s",
    ])
    .map(drop)
}

#[tokio::test]
async fn kubectl_signs_in_by_the_plugin() -> Result<()> {
    let (cluster, plugin) = (Cluster::connect()?, Plugin::new("exec")?);
    cluster::user(GERDA.name, GERDA.password, "subject: person-gerda")?;
    let native = "{applicationType: native, redirectUris: ['http://127.0.0.1/callback'], scopes: [openid], \
                  grantTypes: [authorization_code, refresh_token], authentication: {none: {}}}";
    cluster::client("plugin-kubectl", native)?;
    let ca = serde_json::to_string(&cluster.ca)?; // JSON text is YAML
    cluster.authentication(
        &CONFIGURATION
            .replace("$ISSUER_URL", &cluster.issuer)
            .replace("$CLIENT_ID", "default.plugin-kubectl")
            .replace("$CA_CRT", &ca),
    )?;

    // a kubeconfig whose user is whoever signs in
    let ca_file = plugin.folder.join("ca.crt");
    fs::write(&ca_file, &cluster.ca)?;
    let mut config: Value =
        serde_json::from_str(&kubectl(&["config", "view", "--raw", "--flatten", "-o", "json"])?)?;
    config["users"][0]["user"] = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": plugin.program, "interactiveMode": "Never",
        "args": [
            "get-token", "--issuer", cluster.issuer, "--client-id", "default.plugin-kubectl",
            "--ca-file", ca_file, "--no-browser", "--login-timeout", "60",
        ],
    }});
    let kubeconfig = plugin.folder.join("config");
    fs::write(&kubeconfig, config.to_string())?;
    let whoami = || {
        let mut command = plugin.kubectl(&["auth", "whoami", "-o", "json"]);
        command.env("KUBECONFIG", &kubeconfig);
        command
    };

    // the first call opens a browser, which is ours here
    let mut first = whoami().stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let said = BufReader::new(first.stderr.take().context("piped")?);
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        said.lines()
            .map_while(Result::ok)
            .for_each(|line| drop(tell.send(line)))
    });
    let url = loop {
        let line = told
            .recv_timeout(Duration::from_secs(30))
            .context("the plugin asks to sign in")?;
        if let Some(url) = line.strip_prefix("Sign in at ") {
            break Url::parse(url)?;
        }
    };
    let parameters: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    let redirect_uri = &parameters["redirect_uri"];
    ensure!(
        redirect_uri.starts_with("http://127.0.0.1:"),
        "any port of this machine: {redirect_uri}"
    );
    let browser = cluster.browser(&[])?;
    let back = walk(&browser, url, redirect_uri, Some(GERDA)).await?;
    browser.get(back).await?.expect(200)?;
    first.wait()?;

    // from then on nobody is asked; the API server learns of the issuer in its own time
    let user = eventually(
        "the API server takes the credential",
        Duration::from_secs(60),
        async || {
            let output = whoami().output()?;
            ensure!(
                !complaint(&output).contains("Sign in at"),
                "nobody is asked again: {}",
                complaint(&output)
            );
            Ok(serde_json::from_slice::<Value>(&output.stdout).ok())
        },
    )
    .await?;
    ensure!(
        user["status"]["userInfo"]["username"] == "oidc:person-gerda",
        "{user}"
    );

    // as a program by the OidcClient's name: issuer, CA and id from the cluster, the tokens from before
    let token = plugin.run(&["get-token", "plugin-kubectl", "--login-timeout", "0"])?;
    ensure!(token.status.success(), "{}", complaint(&token));
    kid_of(String::from_utf8(token.stdout)?.trim())?;
    // and a machine
    cluster::client(
        "plugin-machine",
        "{applicationType: service, grantTypes: [client_credentials]}",
    )?;
    let machine = eventually("the pods know the machine", Duration::from_secs(20), async || {
        let machine = plugin.run(&["get-token", "plugin-machine", "--grant", "client-credentials"])?;
        Ok(machine.status.success().then_some(machine))
    })
    .await?;
    kid_of(String::from_utf8(machine.stdout)?.trim())?;
    let url = plugin.json(&["login-url", "plugin-kubectl", "--show-verifier"])?;
    ensure!(
        url["url"]
            .as_str()
            .is_some_and(|url| url.starts_with(&cluster.issuer))
            && url["codeVerifier"].is_string(),
        "{url}"
    );

    let (nobody, _) = CONFIGURATION.split_once("jwt:").context("authenticators")?;
    cluster.authentication(&format!("{nobody}jwt: []\n"))?;
    kubectl(&["delete", "oidcclient", "plugin-kubectl", "plugin-machine"])?;
    Ok(())
}
