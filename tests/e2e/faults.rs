//! I7: whatever is away, logins go on or get an honest 503; no token is lost, no answer is wrong.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use oidc_e2e::browser::plain;
use oidc_e2e::cluster::{self, Cluster, kubectl};
use oidc_e2e::eventually;
use oidc_e2e::flow::{Person, RelyingParty, Tokens};
use reqwest::Method;
use url::Url;

const ERIN: Person<'_> = Person {
    name: "erin",
    password: "faults need patience 7",
};

async fn story(name: &str) -> Result<(Cluster, RelyingParty)> {
    let cluster = Cluster::connect()?;
    cluster::user(
        ERIN.name,
        ERIN.password,
        "email: erin@example.com, emailVerified: true",
    )?;
    let spec = "{redirectUris: ['https://app.example.com/callback'], grantTypes: [authorization_code, refresh_token, client_credentials], scopes: [openid, email]}";
    cluster::client(name, spec)?;
    let data = cluster::secret(&format!("{name}-oidc"))?;
    let party = RelyingParty::from_secret(&data, "https://app.example.com/callback", "openid email")?;
    Ok((cluster, party))
}

#[tokio::test]
async fn killing_a_provider_pod_loses_no_acknowledged_token() -> Result<()> {
    let (cluster, party) = story("killed").await?;
    let pods = cluster.settled(2).await?;
    let first = cluster.browser(&pods[..1])?;
    let tokens = party.login(&first, ERIN).await?;
    cluster.kill(&pods[0])?;
    let other = cluster.browser(&pods[1..])?;
    let next = Tokens::from(&party.refresh(&other, tokens.refresh()?).await?.expect(200)?)?;
    ensure!(
        party.active(&other, &next.access_token).await?,
        "the other pod goes on"
    );
    let back = eventually("the killed pod is back", Duration::from_secs(60), async || {
        let again = cluster
            .pods()?
            .into_iter()
            .find(|pod| pod.name == pods[0].name && pod.container != pods[0].container);
        Ok(again)
    })
    .await?;
    let back = cluster.browser(&[back])?;
    party.refresh(&back, next.refresh()?).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_crash_of_redis_is_an_honest_503_and_loses_nothing() -> Result<()> {
    let (cluster, party) = story("crash").await?;
    let browser = cluster.browser(&cluster.settled(2).await?)?;
    let tokens = party.login(&browser, ERIN).await?;
    let redis = cluster::pods("redis")?
        .into_iter()
        .next()
        .context("the trial Redis")?;
    cluster.kill(&redis)?;
    let mut refresh = tokens.refresh()?.to_owned();
    let after = eventually("refreshes work again", Duration::from_secs(60), async || {
        let page = party.refresh(&browser, &refresh).await?;
        if page.status == 200 {
            return Ok(Some(Tokens::from(&page)?));
        }
        ensure!(
            page.status == 503 && page.headers.contains_key("retry-after"),
            "nothing but 503: {}",
            page.describe()
        );
        Ok(None)
    })
    .await?;
    refresh = after.refresh()?.to_owned();
    // the other pod has its own connection to mend
    eventually("both pods are back", Duration::from_secs(60), async || {
        let page = party.refresh(&browser, &refresh).await?;
        ensure!(
            page.status == 200 || page.status == 503,
            "nothing but 503: {}",
            page.describe()
        );
        Ok((page.status == 200).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn without_redis_stateless_endpoints_answer_and_the_others_say_503() -> Result<()> {
    let (cluster, party) = story("away").await?;
    let pods = cluster.settled(2).await?;
    let browser = cluster.browser(&pods)?;
    let tokens = party.login(&browser, ERIN).await?;
    kubectl(&["scale", "deployment/oidc-redis", "--replicas=0"])?;
    kubectl(&[
        "wait",
        "--for=delete",
        "pod",
        "-l",
        "app.kubernetes.io/component=redis",
        "--timeout=60s",
    ])?;
    let outcome = without_redis(&cluster, &party, &tokens).await;
    kubectl(&["scale", "deployment/oidc-redis", "--replicas=1"])?;
    kubectl(&["rollout", "status", "deployment/oidc-redis", "--timeout=60s"])?;
    outcome?;
    ensure!(
        cluster.pods()? == pods,
        "Redis never decides readiness, and no pod restarted"
    );
    eventually(
        "logins work again without a restart",
        Duration::from_secs(60),
        async || {
            let person = cluster.browser(&pods)?;
            Ok(party.login(&person, ERIN).await.ok())
        },
    )
    .await?;
    Ok(())
}

async fn without_redis(cluster: &Cluster, party: &RelyingParty, tokens: &Tokens) -> Result<()> {
    for pod in cluster.pods()? {
        let browser = cluster.browser(std::slice::from_ref(&pod))?;
        let refused = party.refresh(&browser, tokens.refresh()?).await?.expect(503)?;
        ensure!(refused.headers.contains_key("retry-after"), "Retry-After");
        ensure!(
            refused.json()?["error"] == "temporarily_unavailable",
            "{}",
            refused.describe()
        );
        party
            .post(&browser, "/token", &[("grant_type", "client_credentials")])
            .await?
            .expect(200)?;
        plain(browser.request(Method::GET, party.endpoint("/jwks.json")?))
            .await?
            .expect(200)?;
        plain(browser.request(Method::GET, party.endpoint("/.well-known/openid-configuration")?))
            .await?
            .expect(200)?;
        let ready = plain(browser.request(
            Method::GET,
            Url::parse(&format!("http://{}/health/ready", pod.internal))?,
        ))
        .await?;
        ensure!(ready.status == 200, "ready: {}", ready.describe());
        let health = plain(browser.request(
            Method::GET,
            Url::parse(&format!("http://{}/health", pod.internal))?,
        ))
        .await?;
        ensure!(
            health.body.to_lowercase().contains("redis") || health.body.contains("store"),
            "says why: {}",
            health.describe()
        );
    }
    Ok(())
}

#[tokio::test]
async fn without_the_operator_logins_go_on() -> Result<()> {
    let (cluster, party) = story("orphaned").await?;
    let browser = cluster.browser(&cluster.settled(2).await?)?;
    kubectl(&["scale", "deployment/oidc-operator", "--replicas=0"])?;
    kubectl(&[
        "wait",
        "--for=delete",
        "pod",
        "-l",
        "app.kubernetes.io/component=operator",
        "--timeout=60s",
    ])?;
    let outcome = party.login(&browser, ERIN).await;
    kubectl(&["scale", "deployment/oidc-operator", "--replicas=1"])?;
    kubectl(&["rollout", "status", "deployment/oidc-operator", "--timeout=60s"])?;
    let tokens = outcome?;
    party.refresh(&browser, tokens.refresh()?).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_rolling_restart_under_use_fails_no_request() -> Result<()> {
    let (cluster, party) = story("rolling").await?;
    let before = cluster.settled(2).await?;
    // through the Service, as apps come in: each login is a chain of six requests
    let restart = tokio::task::spawn_blocking(|| {
        kubectl(&["rollout", "restart", "deployment/oidc-provider"])?;
        kubectl(&["rollout", "status", "deployment/oidc-provider", "--timeout=120s"])
    });
    let mut logins = 0;
    while !restart.is_finished() {
        let person = cluster.browser(&[])?;
        let tokens = party
            .login(&person, ERIN)
            .await
            .with_context(|| format!("login {logins} during the restart"))?;
        party.refresh(&person, tokens.refresh()?).await?.expect(200)?;
        logins += 1;
    }
    restart.await??;
    let after = cluster.settled(2).await?;
    ensure!(
        after
            .iter()
            .all(|pod| before.iter().all(|old| old.name != pod.name)),
        "both pods are new"
    );
    ensure!(logins > 2, "only {logins} logins happened meanwhile");
    Ok(())
}
