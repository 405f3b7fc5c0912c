//! The program under test: a child process with folders of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::Value;

/// What the program may take for anything on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A folder with `manifests` and `state`, removed in the end.
pub struct World(PathBuf);

impl World {
    /// With these manifests.
    pub fn new(manifests: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("oidc-standalone-{}-{number}", std::process::id()));
        std::fs::create_dir_all(path.join("manifests")).unwrap();
        let world = Self(path);
        for (name, text) in manifests {
            world.write(name, text);
        }
        world
    }

    /// With the manifests of `examples/standalone`.
    pub fn of_examples() -> Self {
        let world = Self::new(&[]);
        let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/standalone");
        for entry in std::fs::read_dir(examples).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, world.manifest(path.file_name().unwrap().to_str().unwrap())).unwrap();
        }
        world
    }

    pub fn manifest(&self, name: &str) -> PathBuf {
        self.0.join("manifests").join(name)
    }

    pub fn state(&self, name: &str) -> PathBuf {
        self.0.join("state").join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.manifest(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.manifest(name)).unwrap()
    }

    /// The program with these folders and more arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command
            .arg("dev")
            .arg("--manifests")
            .arg(self.0.join("manifests"))
            .arg("--state")
            .arg(self.0.join("state"))
            .args(arguments);
        command
    }

    /// Starts it on a free port and waits until it says that it serves.
    pub fn start(&self) -> Provider {
        self.start_with(&["--listen", "localhost:0"])
    }

    pub fn start_with(&self, arguments: &[&str]) -> Provider {
        Provider::start(self.command(arguments))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program without the tests' own environment.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oidc-provider"));
    for name in [
        "ISSUER_URL",
        "REDIS_URL",
        "OIDC_LOG",
        "OIDC_LOG_FORMAT",
        "OIDC_RELEASE",
        "POD_NAME",
        "POD_NAMESPACE",
        "POD_UID",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs a command that is to fail: its exit code and what it said on standard error.
pub fn failure(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap().trim_end().to_owned(),
    )
}

/// What a stream has said so far.
#[derive(Clone, Default)]
pub struct Said(Arc<(Mutex<String>, Condvar)>);

impl Said {
    fn follow(&self, stream: impl Read + Send + 'static) {
        let said = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let (text, more) = &*said.0;
                let mut text = text.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
                more.notify_all();
            }
        });
    }

    pub fn text(&self) -> String {
        self.0.0.lock().unwrap().clone()
    }

    /// Waits until it has said this, and returns all that it said.
    pub fn wait_for(&self, part: &str) -> String {
        let (text, more) = &*self.0;
        let guard = text.lock().unwrap();
        let (guard, waited) = more
            .wait_timeout_while(guard, LIMIT, |text| !text.contains(part))
            .unwrap();
        assert!(!waited.timed_out(), "`{part}` was not said: {guard}");
        guard.clone()
    }
}

/// A running provider.
pub struct Provider {
    child: Child,
    pub url: String,
    pub stdout: Said,
    pub stderr: Said,
    pub http: reqwest::Client,
}

impl Provider {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stderr) = (Said::default(), Said::default());
        stdout.follow(child.stdout.take().unwrap());
        stderr.follow(child.stderr.take().unwrap());
        let greeting = stdout.wait_for("oidc-provider serves ");
        let url = greeting.split("oidc-provider serves ").nth(1).unwrap();
        let url = url.split_whitespace().next().unwrap().to_owned();
        stdout.wait_for("/jwks.json");
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(LIMIT)
            .build()
            .unwrap();
        Self {
            child,
            url,
            stdout,
            stderr,
            http,
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        let response = self.http.get(format!("{}{path}", self.url)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// POST of a form, with Basic credentials or without.
    pub async fn post(
        &self,
        path: &str,
        credentials: Option<(&str, &str)>,
        form: &[(&str, &str)],
    ) -> (u16, Value) {
        let mut request = self.http.post(format!("{}{path}", self.url)).form(form);
        if let Some((id, secret)) = credentials {
            request = request.basic_auth(id, Some(secret));
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body = response.text().await.unwrap();
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// A token for the client itself; the answer's status and body.
    pub async fn token(&self, id: &str, secret: &str) -> (u16, Value) {
        self.post(
            "/token",
            Some((id, secret)),
            &[("grant_type", "client_credentials")],
        )
        .await
    }

    /// The kids that are published.
    pub async fn kids(&self) -> Vec<String> {
        let jwks = self.get("/jwks.json").await;
        let keys = jwks["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    /// Ends it at once, as the system does when memory is short.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end.
    pub fn stop(mut self) -> ExitStatus {
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(asked.success());
        self.child.wait().unwrap()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the probe has a value.
pub async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + LIMIT;
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < end, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The content of a file that will be there.
pub async fn content(path: &Path) -> String {
    eventually("the file is there", async || std::fs::read_to_string(path).ok()).await
}

/// The header of a JWT.
pub fn header(token: &Value) -> Value {
    part(token.as_str().unwrap(), 0)
}

/// The claims of a JWT.
pub fn claims(token: &Value) -> Value {
    part(token.as_str().unwrap(), 1)
}

fn part(token: &str, index: usize) -> Value {
    use base64::Engine;
    let part = token.split('.').nth(index).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(part)
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
