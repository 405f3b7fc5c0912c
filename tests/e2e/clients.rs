//! What an application sees of its client's life: secrets that overlap, one of its own, and a certificate.

use std::time::Duration;

use anyhow::{Result, ensure};
use oidc_e2e::browser::plain;
use oidc_e2e::cluster::{self, Cluster, Pod, kubectl};
use oidc_e2e::eventually;
use oidc_e2e::flow::RelyingParty;
use rcgen::{CertificateParams, KeyPair};
use reqwest::{Certificate, Client, Identity};

const MACHINE: &str = "applicationType: service, grantTypes: [client_credentials], scopes: [openid]";
const SOON: Duration = Duration::from_secs(30);

/// A client as its Secret says it now.
fn party(name: &str) -> Result<RelyingParty> {
    let data = cluster::secret(&format!("{name}-oidc"))?;
    RelyingParty::from_secret(&data, "https://app.example.com/callback", "openid")
}

/// What each pod answers to a client's secret.
async fn answers(cluster: &Cluster, pods: &[Pod], party: &RelyingParty) -> Result<Vec<u16>> {
    let browser = cluster.browser(pods)?;
    let mut answers = Vec::new();
    for _ in pods {
        let page = party
            .post(&browser, "/token", &[("grant_type", "client_credentials")])
            .await?;
        answers.push(page.status);
    }
    Ok(answers)
}

/// Waits until every pod gives that answer.
async fn all_answer(cluster: &Cluster, pods: &[Pod], party: &RelyingParty, status: u16) -> Result<()> {
    let what = format!("every pod answers {status} to {}", party.client_id);
    eventually(&what, SOON, async || {
        let answers = answers(cluster, pods, party).await?;
        Ok(answers.iter().all(|answer| *answer == status).then_some(()))
    })
    .await
}

/// An application that reads its Secret when it starts, and does nothing else.
const WORKLOAD: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: overlap}
spec:
  selector: {matchLabels: {app: overlap}}
  template:
    metadata: {labels: {app: overlap}}
    spec:
      automountServiceAccountToken: false
      containers:
        - {name: app, image: 'local/pause:1', command: [/pause], envFrom: [{secretRef: {name: overlap-oidc}}]}
";

#[tokio::test]
async fn a_new_secret_restarts_the_application_and_the_old_one_is_taken_until_the_overlap_ends() -> Result<()>
{
    let cluster = Cluster::connect()?;
    let pods = cluster.settled(2).await?;
    let workload = "rolloutRestart: [{kind: Deployment, name: overlap}]";
    cluster::client(
        "overlap",
        &format!("{{{MACHINE}, rotation: {{overlap: 20s}}, {workload}}}"),
    )?;
    cluster::apply(WORKLOAD)?;
    kubectl(&["rollout", "status", "deployment/overlap", "--timeout=60s"])?;
    let old = party("overlap")?;
    all_answer(&cluster, &pods, &old, 200).await?;

    let patch = r#"{"spec":{"rotation":{"now":"drill"}}}"#;
    kubectl(&["patch", "oidcclient", "overlap", "--type=merge", "-p", patch])?;
    let new = eventually("another secret", SOON, async || {
        let new = party("overlap")?;
        Ok((new.secret != old.secret).then_some(new))
    })
    .await?;
    ensure!(answers(&cluster, &pods, &old).await? == [200, 200], "the old one");
    all_answer(&cluster, &pods, &new, 200).await?;
    eventually("the workload is restarted", SOON, async || {
        let workload = cluster::json(&["get", "deployment", "overlap"])?;
        let annotations = workload["spec"]["template"]["metadata"]["annotations"].as_object();
        let restarted = annotations.is_some_and(|all| all.contains_key("kubectl.kubernetes.io/restartedAt"));
        Ok(restarted.then_some(()))
    })
    .await?;
    kubectl(&["rollout", "status", "deployment/overlap", "--timeout=60s"])?;

    all_answer(&cluster, &pods, &old, 401).await?;
    ensure!(
        answers(&cluster, &pods, &new).await? == [200, 200],
        "the new one stays"
    );
    kubectl(&["delete", "deployment/overlap", "oidcclient/overlap"])?;
    Ok(())
}

#[tokio::test]
async fn a_secret_of_ones_own_may_come_late_and_an_edit_is_served_at_once() -> Result<()> {
    let cluster = Cluster::connect()?;
    let pods = cluster.settled(2).await?;
    kubectl(&[
        "delete",
        "secret/own-secret",
        "oidcclient/own",
        "--ignore-not-found",
    ])?;
    cluster::apply(&cluster::client_manifest(
        "own",
        &format!("{{{MACHINE}, secretRef: {{name: own-secret}}}}"),
    ))?;
    kubectl(&[
        "wait",
        "--for=condition=Ready=False",
        "oidcclient/own",
        "--timeout=60s",
    ])?;
    for value in [
        "c2VjcmV0LW9mLW9uZXMtb3duLW51bWJlci0xIQ",
        "YW5vdGhlci1zZWNyZXQtb2Ytb25lcy1vd24tMiE",
    ] {
        cluster::apply(&format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: own-secret, labels: {{oidc-operator.dev/watch: 'true'}}}}\n\
             stringData: {{CLIENT_SECRET: {value}}}\n"
        ))?;
        cluster::wait_for("Ready", "oidcclient/own")?;
        let told = eventually("the copy in the operator's Secret", SOON, async || {
            let told = party("own")?;
            Ok((told.secret.as_deref() == Some(value)).then_some(told))
        })
        .await?;
        all_answer(&cluster, &pods, &told, 200).await?;
    }
    kubectl(&["delete", "oidcclient/own", "secret/own-secret"])?;
    Ok(())
}

#[tokio::test]
async fn ca_05_a_certificate_is_enough_through_the_service() -> Result<()> {
    let cluster = Cluster::connect()?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(Vec::new())?.self_signed(&key)?;
    let thumbprint = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.der());
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    cluster::client(
        "certified",
        &format!(
            "{{{MACHINE}, authentication: {{tls: {{thumbprints: ['{}']}}}}}}",
            hex(thumbprint.as_ref())
        ),
    )?;
    let data = cluster::secret("certified-oidc")?;
    ensure!(
        !data.contains_key("CLIENT_SECRET"),
        "there is no secret that could leak"
    );
    let url = &data["TOKEN_URL"];
    ensure!(url.contains(":8443/"), "{url}");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "default.certified"),
    ];
    let shows = |key: Option<&KeyPair>| -> Result<Client> {
        let mut builder = Client::builder()
            .tls_certs_only([Certificate::from_pem(cluster.ca.as_bytes())?])
            .no_proxy()
            .timeout(Duration::from_secs(10));
        if let Some(key) = key {
            let pem = certificate.pem() + &key.serialize_pem();
            builder = builder.identity(Identity::from_pem(pem.as_bytes())?);
        }
        Ok(builder.build()?)
    };
    let good = shows(Some(&key))?;
    eventually("the certificate is taken", SOON, async || {
        let page = plain(good.post(url).form(&form)).await?;
        Ok((page.status == 200).then_some(()))
    })
    .await?;
    let bare = plain(shows(None)?.post(url).form(&form)).await?;
    ensure!(bare.status == 401, "without one: {}", bare.describe());
    // the port of browsers asks for none, and takes none
    let issuer = format!("{}/token", cluster.issuer);
    let elsewhere = plain(good.post(issuer).form(&form)).await?;
    ensure!(
        elsewhere.status == 401,
        "at the other port: {}",
        elsewhere.describe()
    );
    kubectl(&["delete", "oidcclient/certified"])?;
    Ok(())
}
