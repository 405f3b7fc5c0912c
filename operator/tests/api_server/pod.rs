//! A provider as a process, as a pod of the chart runs it: real API server, real Redis, and between it and
//! the API server a proxy that can fail as networks do.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::core::v1::Pod as PodObject;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams, PostParams};
use oidc_crds::secrets::Data;
use reqwest::{Certificate, Response};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{SOON, World, wait};

/// A running provider. It is killed when dropped; after a failed test its log is shown.
pub struct Pod {
    child: Child,
    http: reqwest::Client,
    issuer: String,
    listen: SocketAddr,
    internal: String,
    mutual: SocketAddr,
    log: PathBuf,
}

impl Pod {
    /// Starts one that reaches the API server by this proxy, and waits until it is ready.
    pub async fn start(world: &World, name: &str, proxy: &Proxy) -> Self {
        Self::start_with(world, name, proxy, &[]).await
    }

    /// The same, with more in its environment.
    pub async fn start_with(world: &World, name: &str, proxy: &Proxy, more: &[(&str, &Path)]) -> Self {
        let (listen, internal, mutual) = (free(), free(), free());
        let pod = provider_pod(name, internal.port());
        let made = world
            .api::<PodObject>()
            .create(&PostParams::default(), &pod)
            .await;
        let uid = made.expect("created").uid().expect("a uid");

        let kubeconfig = world.proxied_kubeconfig(&format!("https://{}", proxy.address));
        let log = kubeconfig.with_file_name(format!("{name}.log"));
        let output = fs::File::create(&log).expect("a log");
        let child = Command::new(variable("OIDC_PROVIDER_BIN"))
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .env("REDIS_URL", variable("REDIS_URL"))
            .envs(more.iter().copied())
            .env("OIDC_LOG", "info,oidc_provider=debug,kube_runtime=debug")
            .args(["serve", "--release", "oidc", "--namespace", &world.namespace])
            .args(["--pod", name, "--pod-uid", &uid])
            .args(["--listen", &listen.to_string()])
            .args(["--internal-listen", &internal.to_string()])
            .args(["--mtls-listen", &mutual.to_string()])
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("one more handle"))
            .stderr(output)
            .spawn()
            .expect("the provider starts");

        let host = format!("oidc.{}.svc.cluster.local", world.namespace);
        let ca = world.secret_data("oidc-ca").await;
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .tls_certs_only([Certificate::from_pem(&ca["tls.crt"]).expect("a certificate")])
            .resolve(&host, listen)
            .build()
            .expect("a client");
        let pod = Self {
            child,
            http,
            issuer: format!("https://{host}:{}", listen.port()),
            listen,
            internal: format!("http://{internal}"),
            mutual,
            log,
        };
        wait("the pod is ready", SOON, async || {
            let answer = pod.http.get(format!("{}/health/ready", pod.internal));
            let answer = answer.send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        pod
    }

    /// Whether somebody who trusts these CAs alone (PEM) gets through.
    pub async fn is_trusted_by(&self, bundle: &str) -> bool {
        let roots = Certificate::from_pem_bundle(bundle.as_bytes()).expect("certificates");
        let host = self.issuer.trim_start_matches("https://");
        let host = host.split(':').next().expect("a host");
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .tls_certs_only(roots)
            .resolve(host, self.listen)
            .build()
            .expect("a client");
        let answer = http.get(format!("{}/jwks.json", self.issuer)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Asks for a token of the client itself, with what its Secret holds.
    pub async fn token(&self, secret: &Data) -> Response {
        let of = |key: &str| String::from_utf8(secret[key].clone()).expect("text");
        let request = self
            .http
            .post(format!("{}/token", self.issuer))
            .basic_auth(of("CLIENT_ID"), Some(of("CLIENT_SECRET")))
            .form(&[("grant_type", "client_credentials")]);
        request.send().await.expect("an answer")
    }

    /// Asks for a token of the client itself; which key signed it.
    pub async fn signs_with(&self, secret: &Data) -> String {
        let answer = self.token(secret).await;
        let (status, text) = (answer.status(), answer.text().await.expect("a body"));
        assert_eq!(status, 200, "{text}");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        let token = answer["access_token"].as_str().expect("a token");
        let header = token.split('.').next().expect("a header");
        let header = URL_SAFE_NO_PAD.decode(header).expect("base64url");
        let header: Value = serde_json::from_slice(&header).expect("JSON");
        header["kid"].as_str().expect("a kid").to_owned()
    }

    /// The keys that it publishes.
    pub async fn kids(&self) -> BTreeSet<String> {
        let answer = self.http.get(format!("{}/jwks.json", self.issuer)).send().await;
        let text = answer.expect("an answer").text().await.expect("a body");
        let jwks: Value = serde_json::from_str(&text).expect("JSON");
        let keys = jwks["keys"].as_array().expect("keys").iter();
        keys.map(|key| key["kid"].as_str().expect("a kid").to_owned())
            .collect()
    }

    /// Asks for a token of the client itself, which proves itself by a JWT; the status.
    pub async fn token_by_jwt(&self, jwt: &str) -> u16 {
        let form = [
            ("grant_type", "client_credentials"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", jwt),
        ];
        let request = self.http.post(format!("{}/token", self.issuer)).form(&form);
        request.send().await.expect("an answer").status().as_u16()
    }

    /// Whether its log holds a text.
    pub fn has_said(&self, text: &str) -> bool {
        fs::read_to_string(&self.log).unwrap_or_default().contains(text)
    }

    /// Begins a login of the client; status and page.
    pub async fn authorize(&self, secret: &Data, redirect_uri: &str) -> (u16, String) {
        let id = String::from_utf8(secret["CLIENT_ID"].clone()).expect("text");
        let request = self.http.get(format!(
            "{}/authorize?response_type=code&client_id={id}&redirect_uri={redirect_uri}&scope=openid\
             &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
            self.issuer
        ));
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a page"))
    }

    /// Waits until its keys may be kept for so many seconds: then it goes by the installation that says so.
    pub async fn caches_keys_for(&self, seconds: u32) {
        let wanted = format!("max-age={seconds}");
        wait("the pod follows the installation", SOON, async || {
            let answer = self
                .http
                .get(format!("{}/jwks.json", self.issuer))
                .send()
                .await
                .ok()?;
            let told = answer.headers().get("cache-control")?.to_str().ok()?.to_owned();
            told.split([',', ' ']).any(|part| part == wanted).then_some(())
        })
        .await;
    }

    /// Asks for a token with a certificate and its key (PEM), at the path of this URL.
    pub async fn token_by_certificate(&self, world: &World, secret: &Data, identity: &str) -> Response {
        let of = |key: &str| String::from_utf8(secret[key].clone()).expect("text");
        let url = of("TOKEN_URL").replace(":8443/", &format!(":{}/", self.mutual.port()));
        let host = format!("oidc.{}.svc.cluster.local", world.namespace);
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .tls_certs_only([Certificate::from_pem(&secret["ca.crt"]).expect("a certificate")])
            .identity(reqwest::Identity::from_pem(identity.as_bytes()).expect("an identity"))
            .resolve(&host, self.mutual)
            .build()
            .expect("a client");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &of("CLIENT_ID")),
        ];
        http.post(url).form(&form).send().await.expect("an answer")
    }

    /// Waits until the client gets tokens.
    pub async fn serves(&self, secret: &Data) {
        wait("the client is served", SOON, async || {
            (self.token(secret).await.status() == 200).then_some(())
        })
        .await;
    }

    /// When the API server last answered a list or watch of this kind, in seconds, as the pod tells it.
    pub async fn last_contact(&self, kind: &str) -> u64 {
        let url = format!("{}/metrics", self.internal);
        let answer = self.http.get(url).send().await.expect("an answer");
        let text = answer.text().await.expect("a body");
        let name = format!("oidc_watch_contact_timestamp_seconds{{kind=\"{kind}\"}} ");
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(&name));
        value.expect("told").parse().expect("seconds")
    }

    /// Waits until the client is refused as one that does not exist; none is served that asks later than this
    /// after a moment. How long an answer takes does not count, only what the pod knew when it was asked.
    pub async fn refuses_after(&self, secret: &Data, since: Instant, at_most: Duration) {
        loop {
            let asked = since.elapsed();
            let answer = self.token(secret).await;
            match answer.status().as_u16() {
                401 => {
                    let text = answer.text().await.expect("a body");
                    assert!(text.contains("invalid_client"), "{text}");
                    return;
                }
                status => assert!(asked <= at_most, "{status}, asked {asked:?} after"),
            }
        }
    }

    /// Waits until the client is refused as one that does not exist.
    pub async fn refuses(&self, secret: &Data, at_most: Duration) {
        wait("the client is refused", at_most, async || {
            let answer = self.token(secret).await;
            let refused = answer.status() == 401;
            let text = answer.text().await.expect("a body");
            (refused && text.contains("invalid_client")).then_some(())
        })
        .await;
    }
}

impl Pod {
    /// Asks it to end as the kubelet does, and waits until it has.
    pub async fn end(mut self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(status.expect("kill is in PATH").success());
        let child = Mutex::new(&mut self.child);
        let ended = wait("the provider ends", SOON, async || {
            let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
            child.try_wait().expect("a child")
        })
        .await;
        assert!(ended.success(), "{ended}");
    }
}

/// A pod of the chart, as the API server has it.
pub fn provider_pod(name: &str, internal: u16) -> PodObject {
    let pod = json!({
        "metadata": {"name": name, "labels": {
            "app.kubernetes.io/name": "oidc-operator",
            "app.kubernetes.io/instance": "oidc",
            "app.kubernetes.io/component": "provider",
        }},
        "spec": {
            "serviceAccountName": "oidc-provider",
            "containers": [{
                "name": "provider", "image": "none",
                "ports": [{"name": "internal", "containerPort": internal}],
            }],
        },
    });
    serde_json::from_value(pod).expect("a pod")
}

/// What the kubelet says of a pod that gets requests on this machine.
pub async fn is_running(world: &World, name: &str) {
    let status = json!({"status": {
        "phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }});
    world
        .api::<PodObject>()
        .patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
        .await
        .expect("patched");
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!(
                "--- log of the provider\n{}",
                fs::read_to_string(&self.log).unwrap_or_default()
            );
        }
    }
}

/// A TCP proxy on threads of its own, so that a test that waits for kubectl does not hold it up.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    refuses: AtomicBool,
    refused: AtomicUsize,
    lines: Mutex<Vec<Line>>,
}

/// Two connections and whether what the server says is thrown away.
struct Line {
    ends: [TcpStream; 2],
    swallows: Arc<AtomicBool>,
}

impl Proxy {
    /// In front of the API server.
    pub fn start(world: &World) -> Self {
        let server = world.api_server();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let shared = state.clone();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                shared.take(connection, server);
            }
        });
        Self { address, state }
    }

    /// Ends every connection, and from now on each new one at once.
    pub fn cut(&self) {
        self.state.refuses.store(true, Ordering::SeqCst);
        for line in self.state.lines().drain(..) {
            for end in line.ends {
                let _ = end.shutdown(Shutdown::Both);
            }
        }
    }

    /// Waits until so many attempts to connect have failed since it was cut.
    pub async fn has_refused(&self, times: usize) {
        wait("attempts to connect", SOON, async || {
            (self.state.refused.load(Ordering::SeqCst) >= times).then_some(())
        })
        .await;
    }

    /// Lets new connections through again.
    pub fn open(&self) {
        self.state.refuses.store(false, Ordering::SeqCst);
    }

    /// The connections of now stay open, but nothing that the server says arrives any more: as when
    /// something on the way has forgotten them. New ones are good.
    pub fn swallow(&self) {
        for line in self.state.lines().iter() {
            line.swallows.store(true, Ordering::SeqCst);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

impl State {
    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, near: TcpStream, server: SocketAddr) {
        // under the lock: a connection is either ended by `cut` or refused after it
        let mut lines = self.lines();
        if self.refuses.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let Ok(far) = TcpStream::connect(server) else {
            return;
        };
        let swallows = Arc::new(AtomicBool::new(false));
        let twin = |end: &TcpStream| end.try_clone().expect("one more handle");
        pump(twin(&near), twin(&far), Arc::default());
        pump(twin(&far), twin(&near), swallows.clone());
        lines.push(Line {
            ends: [near, far],
            swallows,
        });
    }
}

/// Carries bytes one way until either end closes.
fn pump(mut from: TcpStream, mut to: TcpStream, swallows: Arc<AtomicBool>) {
    let _ = (from.set_nodelay(true), to.set_nodelay(true));
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if !swallows.load(Ordering::SeqCst) && to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        // what forgot a connection does not tell of its end either
        if !swallows.load(Ordering::SeqCst) {
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        }
    });
}

fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

fn variable(name: &str) -> String {
    std::env::var(name).expect("these tests need both programs and Redis, run `tests/run operator`")
}
