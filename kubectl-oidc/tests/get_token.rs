//! `get-token` as a program, against the standalone provider as a program: a person with a browser signs in,
//! kubectl asks for credentials, calls side by side sign in once.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use oidc_e2e::browser::Browser;
use oidc_e2e::flow::{Person, walk};
use serde_json::Value;
use url::Url;

/// What anything may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
const JDOE: Person<'_> = Person {
    name: "jdoe",
    password: "password",
};

/// `desk`: tokens that are renewed at each call; `long`: tokens that last; `machine`: its own.
const CLIENTS: &str = "\
apiVersion: oidc-operator.dev/v1alpha1
kind: OidcClient
metadata: {name: desk}
spec:
  applicationType: native
  redirectUris: ['http://127.0.0.1/callback']
  grantTypes: [authorization_code, refresh_token]
  authentication: {none: {}}
  tokens: {accessTokenTtl: 10s, idTokenTtl: 10s}
---
apiVersion: oidc-operator.dev/v1alpha1
kind: OidcClient
metadata: {name: long}
spec:
  applicationType: native
  redirectUris: ['http://localhost/there']
  authentication: {none: {}}
---
apiVersion: oidc-operator.dev/v1alpha1
kind: OidcClient
metadata: {name: machine}
spec:
  applicationType: service
  grantTypes: [client_credentials]
  secretRef: {name: machine-secret}
---
apiVersion: v1
kind: Secret
metadata: {name: machine-secret}
stringData: {CLIENT_SECRET: a-secret-for-tests-only}
";

/// A standalone provider with a folder of its own. It ends with the test.
struct World {
    provider: Child,
    issuer: String,
    folder: PathBuf,
}

impl World {
    fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("kubectl-oidc-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let manifests = folder.join("manifests");
        std::fs::create_dir_all(&manifests).unwrap();
        for example in ["jdoe.yaml", "signing-key.yaml"] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../examples/standalone")
                .join(example);
            std::fs::copy(from, manifests.join(example)).unwrap();
        }
        std::fs::write(manifests.join("clients.yaml"), CLIENTS).unwrap();
        // `cargo build --workspace` puts the programs side by side
        let program = Path::new(env!("CARGO_BIN_EXE_kubectl-oidc")).with_file_name("oidc-provider");
        let mut provider = Command::new(&program)
            .args(["dev", "--listen", "localhost:0", "--manifests"])
            .arg(&manifests)
            .arg("--state")
            .arg(folder.join("state"))
            .env_remove("ISSUER_URL")
            .env_remove("REDIS_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}: cargo build -p oidc-provider", program.display()));
        let lines = lines(provider.stdout.take().unwrap());
        let greeting = until(&lines, "oidc-provider serves ");
        let issuer = greeting.split_once("oidc-provider serves ").unwrap().1;
        let issuer = issuer.split_whitespace().next().unwrap().to_owned();
        until(&lines, "/jwks.json");
        // what it says later is read on, or it would wait for a reader
        std::thread::spawn(move || lines.iter().for_each(drop));
        Self {
            provider,
            issuer,
            folder,
        }
    }

    fn command(&self, client: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-oidc"));
        command
            .args([
                "get-token",
                "--no-browser",
                "--issuer",
                &self.issuer,
                "--client-id",
                client,
            ])
            .args(arguments)
            .env("XDG_CACHE_HOME", self.folder.join("cache"))
            .env_remove("KUBERNETES_EXEC_INFO")
            .env("KUBECONFIG", "/nowhere")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// A call that needs nobody.
    fn call(&self, client: &str, arguments: &[&str]) -> Output {
        self.command(client, arguments).output().unwrap()
    }

    /// A call for which a person signs in: what it printed, and where the browser went.
    async fn sign_in(&self, command: Command) -> (String, Url) {
        let mut call = Call::start(command);
        let url = Url::parse(call.until("Sign in at ").trim_start_matches("Sign in at ")).unwrap();
        let browser = Browser::without_tls().unwrap();
        let parameters: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        let back = walk(&browser, url, &parameters["redirect_uri"], Some(JDOE))
            .await
            .unwrap();
        let page = browser.get(back.clone()).await.unwrap();
        assert!(
            page.status == 200 && page.body.contains("You are signed in"),
            "{}",
            page.describe()
        );
        (call.end().unwrap(), back)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.provider.kill();
        let _ = self.provider.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A running call.
struct Call {
    child: Child,
    stderr: Receiver<String>,
}

impl Call {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = lines(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    fn until(&mut self, part: &str) -> String {
        until(&self.stderr, part)
    }

    /// What it printed, or what it complained of.
    fn end(mut self) -> Result<String, String> {
        let mut text = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        if self.child.wait().unwrap().success() {
            Ok(text)
        } else {
            Err(self.stderr.iter().collect())
        }
    }
}

fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = tell.send(line);
        }
    });
    told
}

fn until(lines: &Receiver<String>, part: &str) -> String {
    let mut said = String::new();
    loop {
        let line = lines
            .recv_timeout(LIMIT)
            .unwrap_or_else(|_| panic!("`{part}` was not said: {said}"));
        if line.contains(part) {
            return line;
        }
        said.push_str(&line);
    }
}

fn text(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", text(output));
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn a_person_signs_in_once_and_the_token_is_kept() {
    let world = World::start("once");
    let (token, back) = world
        .sign_in(world.command("default.long", &["--redirect-uri", "http://localhost/there"]))
        .await;
    assert_eq!((back.host_str(), back.path()), (Some("localhost"), "/there"));
    assert_eq!(token.trim().split('.').count(), 3, "an ID token");
    let again = world.call(
        "default.long",
        &["--login-timeout", "0", "--redirect-uri", "http://localhost/there"],
    );
    assert_eq!(text(&again), token, "{}", String::from_utf8_lossy(&again.stderr));

    // kubectl asks: the same token as a credential, in the version that it wants
    let mut command = world.command("default.long", &["--login-timeout", "0"]);
    command.env(
        "KUBERNETES_EXEC_INFO",
        r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":false}}"#,
    );
    let credential: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    assert_eq!(credential["kind"], "ExecCredential");
    assert_eq!(credential["status"]["token"], token.trim());
    assert!(credential["status"]["expirationTimestamp"].is_string());

    // other scopes, another token; and nobody there to sign in
    let other = world.call(
        "default.long",
        &["--login-timeout", "0", "--scope", "openid", "--scope", "email"],
    );
    assert!(complaint(&other).contains("nobody signed in"));
    let access = world.call(
        "default.long",
        &["--login-timeout", "0", "--token", "access", "-o", "json"],
    );
    let access: Value = serde_json::from_slice(&access.stdout).unwrap();
    assert_eq!(access["subject"], "user-123");
    assert_eq!(access["idToken"], token.trim());
}

#[tokio::test]
async fn a_token_that_ends_is_renewed_without_the_person() {
    let world = World::start("renewed");
    let (first, _) = world.sign_in(world.command("default.desk", &[])).await;
    // its tokens live no longer than the margin, so each call renews them; the refresh token is rotated each time
    for _ in 0..3 {
        let next = world.call("default.desk", &["--login-timeout", "0"]);
        assert_ne!(text(&next), first, "{}", String::from_utf8_lossy(&next.stderr));
        assert_eq!(
            text(&next).trim().split('.').count(),
            3,
            "{}",
            String::from_utf8_lossy(&next.stderr)
        );
    }
    let fresh = world.call("default.desk", &["--login-timeout", "0", "--fresh"]);
    assert!(
        complaint(&fresh).contains("Sign in at"),
        "--fresh asks the person"
    );
}

#[tokio::test]
async fn calls_side_by_side_sign_in_once() {
    let world = World::start("parallel");
    let arguments = ["--redirect-uri", "http://localhost/there"];
    let mut first = Call::start(world.command("default.long", &arguments));
    let url = Url::parse(first.until("Sign in at ").trim_start_matches("Sign in at ")).unwrap();
    let mut others: Vec<Call> = (0..3)
        .map(|_| Call::start(world.command("default.long", &arguments)))
        .collect();
    for other in &mut others {
        other.until("waiting for it");
    }
    let browser = Browser::without_tls().unwrap();
    let parameters: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    let back = walk(&browser, url, &parameters["redirect_uri"], Some(JDOE))
        .await
        .unwrap();
    browser.get(back).await.unwrap();
    let token = first.end().unwrap();
    for other in others {
        assert_eq!(other.end().unwrap(), token);
    }
}

#[tokio::test]
async fn a_machine_gets_its_token_by_its_secret() {
    let world = World::start("machine");
    let secret = world.folder.join("secret");
    std::fs::write(&secret, "a-secret-for-tests-only\n").unwrap();
    let arguments = [
        "--grant",
        "client-credentials",
        "--client-secret-file",
        secret.to_str().unwrap(),
    ];
    let token = world.call("default.machine", &arguments);
    assert_eq!(
        text(&token).trim().split('.').count(),
        3,
        "{}",
        String::from_utf8_lossy(&token.stderr)
    );
    assert_eq!(
        text(&world.call("default.machine", &arguments)),
        text(&token),
        "it is kept"
    );
    std::fs::write(&secret, "another\n").unwrap();
    let refused = complaint(&world.call("default.machine", &[&arguments[..], &["--no-cache"]].concat()));
    assert!(
        refused.contains("invalid_client") && refused.contains("debug"),
        "{refused}"
    );
    assert!(!refused.contains("another"), "i9: the secret is not told");
}

#[tokio::test]
async fn what_cannot_be_is_told_with_what_to_do() {
    let world = World::start("told");
    let other = world.issuer.replace("localhost", "127.0.0.1");
    let mut command = world.command("default.long", &["--login-timeout", "0"]);
    command.args(["--issuer", &other]);
    // clap refuses a flag that is given twice
    assert_eq!(command.output().unwrap().status.code(), Some(2));
    let program = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-oidc"));
        command
            .args(arguments)
            .env("XDG_CACHE_HOME", world.folder.join("cache"))
            .env("KUBECONFIG", "/nowhere");
        command.output().unwrap()
    };
    let told = complaint(&program(&[
        "get-token",
        "--no-browser",
        "--issuer",
        &other,
        "--client-id",
        "default.long",
    ]));
    assert!(
        told.contains("another issuer") && told.contains(&world.issuer),
        "{told}"
    );
    let told = complaint(&program(&[
        "get-token",
        "--issuer",
        "http://issuer.example",
        "--client-id",
        "x",
    ]));
    assert!(told.contains("not https"), "{told}");
    let told = complaint(&program(&["status"]));
    assert!(told.contains("--kubeconfig"), "{told}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-oidc"));
    command.args(["get-token", "kubectl"]).env(
        "KUBERNETES_EXEC_INFO",
        r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{}}"#,
    );
    let told = complaint(&command.output().unwrap());
    assert!(
        told.contains("--client-id"),
        "a plugin must not ask the cluster that waits for it: {told}"
    );
}
