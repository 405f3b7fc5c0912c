//! Workloads that are clients by their ServiceAccounts: real kubelet, real tokens, the cluster's own keys.

use std::time::Duration;

use anyhow::{Result, ensure};
use oidc_e2e::cluster::{self, Cluster, Pod, kubectl};
use oidc_e2e::eventually;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/service-account/");

/// What the example's pod says since it was last deleted.
fn log() -> Result<String> {
    kubectl(&["logs", "deployment/reports", "--tail=20"])
}

/// The line of the audit log that names the pod.
fn audited(pods: &[Pod], pod: &str) -> Result<bool> {
    for provider in pods {
        let log = kubectl(&["logs", &provider.name])?;
        let names =
            |line: &str| line.contains("client_credentials") && line.contains(&format!("(pod {pod})"));
        if log.lines().any(names) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[tokio::test]
async fn ca_06_a_pod_gets_tokens_with_nothing_but_a_projected_volume() -> Result<()> {
    let cluster = Cluster::connect()?;
    let pods = cluster.settled(2).await?;
    kubectl(&["apply", "-f", EXAMPLE])?;
    cluster::wait_for("Ready", "oidcclient/reports")?;
    let data = cluster::secret("reports-oidc")?;
    ensure!(
        !data.contains_key("CLIENT_SECRET"),
        "there is no secret that could leak"
    );
    kubectl(&["rollout", "status", "deployment/reports", "--timeout=90s"])?;
    eventually("the pod has a token", Duration::from_secs(60), async || {
        Ok(log()?.contains("a token for ").then_some(()))
    })
    .await?;
    let pod = kubectl(&[
        "get",
        "pods",
        "-l",
        "app=reports",
        "-o",
        "jsonpath={.items[0].metadata.name}",
    ])?;
    eventually(
        "the audit log names the pod",
        Duration::from_secs(20),
        async || Ok(audited(&pods, &pod)?.then_some(())),
    )
    .await?;

    // a client that lists another ServiceAccount is not this pod's any more
    kubectl(&[
        "patch",
        "oidcclient",
        "reports",
        "--type=merge",
        "-p",
        r#"{"spec":{"authentication":{"serviceAccounts":[{"name":"somebody-else"}]}}}"#,
    ])?;
    eventually("the pod is refused", Duration::from_secs(60), async || {
        let log = log()?;
        Ok(log
            .lines()
            .last()
            .is_some_and(|line| line.starts_with("refused:") && line.contains("lists the ServiceAccount"))
            .then_some(()))
    })
    .await?;
    kubectl(&["delete", "-f", EXAMPLE])?;
    Ok(())
}

#[tokio::test]
async fn ca_06_a_token_for_the_api_server_is_worth_nothing_at_the_issuer() -> Result<()> {
    let cluster = Cluster::connect()?;
    kubectl(&["create", "serviceaccount", "tokens"])?;
    cluster::client(
        "tokens",
        "{applicationType: service, grantTypes: [client_credentials], scopes: [openid], \
         authentication: {serviceAccounts: [{name: tokens}]}}",
    )?;
    let browser = cluster.browser(&[])?;
    let ask = async |arguments: &[&str]| {
        let token = kubectl(&[&["create", "token", "tokens"], arguments].concat())?;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "default.tokens"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", token.trim()),
        ];
        let request = browser
            .request(
                reqwest::Method::POST,
                format!("{}/token", cluster.issuer).parse()?,
            )
            .form(&form);
        let answer = request.send().await?;
        anyhow::Ok((answer.status().as_u16(), answer.text().await?))
    };
    let for_us = format!("--audience={}", cluster.issuer);
    let (status, text) = ask(&[&for_us]).await?;
    ensure!(status == 200, "{text}");
    for (arguments, reason) in [
        (&[][..], "audience"),
        (&["--audience=https://elsewhere"], "audience"),
        (&[&*for_us, "--duration=2h"], "longer than an hour"),
    ] {
        let (status, text) = ask(arguments).await?;
        ensure!(status == 401 && text.contains(reason), "{arguments:?}: {text}");
    }
    kubectl(&["delete", "oidcclient/tokens", "serviceaccount/tokens"])?;
    Ok(())
}
