//! `serve`, as far as it goes without a cluster.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use super::process::{World, eventually, program};

/// Of a cluster that does not answer.
const KUBECONFIG: &str = "\
apiVersion: v1
kind: Config
current-context: away
contexts: [{name: away, context: {cluster: away, user: nobody}}]
clusters: [{name: away, cluster: {server: 'http://127.0.0.1:1'}}]
users: [{name: nobody, user: {}}]
";

#[tokio::test]
async fn a_pod_that_has_no_certificate_yet_ends_at_once() {
    let world = World::new(&[("kubeconfig", KUBECONFIG)]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut pod = program()
        .args([
            "serve",
            "--release",
            "oidc",
            "--namespace",
            "idp",
            "--redis",
            "redis://127.0.0.1:1",
            "--pod",
            "oidc-provider-0",
            "--pod-uid",
            "u",
        ])
        .args(["--listen", "127.0.0.1:0", "--internal-listen", &free.to_string()])
        .args(["--shutdown-delay", "120s"])
        .env("KUBECONFIG", world.manifest("kubeconfig"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    eventually("it lives", async || {
        let request = http.get(format!("http://{free}/health/live"));
        let answer = request.send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
    let asked = Instant::now();
    assert!(
        Command::new("kill")
            .arg(pod.id().to_string())
            .status()
            .unwrap()
            .success()
    );
    let ended = eventually("it ends", async || pod.try_wait().unwrap()).await;
    assert!(ended.success(), "{ended}");
    // Half of the delay that it need not wait.
    assert!(asked.elapsed() < Duration::from_secs(60), "{:?}", asked.elapsed());
}
