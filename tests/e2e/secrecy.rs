//! I8 and I9: secrets and personal values appear nowhere but where they belong.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use oidc_e2e::browser::plain;
use oidc_e2e::cluster::{self, Cluster, kubectl};
use oidc_e2e::eventually;
use oidc_e2e::flow::{Person, RelyingParty, Tokens};
use reqwest::Method;
use url::Url;

const PASSWORD: &str = "canary-password-Zq81xk";
const EMAIL: &str = "canary-mail-7Hw2@example.com";
const REFUSED_EMAIL: &str = "canary-refused-mail-Ny61@.example.com";
const REFUSED_WEBSITE: &str = "https://canary-refused-site-Wb73:99999/";
const NAME: &str = "Canary Surname-5Tn9";

/// A value in every guise in which it could leak.
fn guises(value: &str) -> Vec<String> {
    let mut all = vec![
        value.to_owned(),
        STANDARD.encode(value),
        URL_SAFE_NO_PAD.encode(value),
    ];
    // base64 of a longer text shows the value at one of three offsets: compare the middle of each
    for shift in 0..3 {
        let encoded = STANDARD_NO_PAD.encode(format!("{}{value}", "x".repeat(shift)));
        all.push(encoded[4..encoded.len() - 4].to_owned());
    }
    all.push(url::form_urlencoded::byte_serialize(value.as_bytes()).collect());
    all
}

#[tokio::test]
async fn i8_i9_no_secret_and_no_personal_value_is_in_logs_metrics_events_status_or_redis() -> Result<()> {
    let cluster = Cluster::connect()?;
    cluster::user(
        "canary",
        PASSWORD,
        &format!("email: {EMAIL}, emailVerified: true, name: '{NAME}'"),
    )?;
    let spec = "{redirectUris: ['https://canary.example.com/callback'], grantTypes: [authorization_code, refresh_token, client_credentials], scopes: [openid, profile, email]}";
    cluster::client("canary", spec)?;
    let data = cluster::secret("canary-oidc")?;
    let party = RelyingParty::from_secret(
        &data,
        "https://canary.example.com/callback",
        "openid profile email",
    )?;
    let browser = cluster.browser(&cluster.settled(2).await?)?;
    let person = Person {
        name: "canary",
        password: PASSWORD,
    };

    // everything that handles a secret, rightly and wrongly
    let callback = party.authorize(&browser, Some(person), &[]).await?;
    let tokens = Tokens::from(&party.redeem(&browser, &callback).await?.expect(200)?)?;
    let next = Tokens::from(&party.refresh(&browser, tokens.refresh()?).await?.expect(200)?)?;
    ensure!(party.active(&browser, &next.access_token).await?, "introspection");
    let userinfo = browser
        .request(Method::GET, party.endpoint("/userinfo")?)
        .bearer_auth(&next.access_token);
    ensure!(
        plain(userinfo).await?.expect(200)?.body.contains(EMAIL),
        "the canaries are alive"
    );
    let wrong_password = "canary-wrong-password-Jm30";
    let stranger = cluster.browser(&[])?;
    ensure!(
        party
            .authorize(
                &stranger,
                Some(Person {
                    name: "canary",
                    password: wrong_password
                }),
                &[]
            )
            .await
            .is_err(),
        "refused"
    );
    let wrong_secret = "canary-wrong-secret-Pd46";
    let thief = RelyingParty {
        secret: Some(wrong_secret.to_owned()),
        ..party.clone()
    };
    thief.refresh(&browser, next.refresh()?).await?.expect(401)?;
    party
        .post(
            &browser,
            "/token",
            &[
                ("grant_type", "authorization_code"),
                ("code", "canary-bad-code-Lx52"),
            ],
        )
        .await?
        .expect(400)?;

    // an object that the schema lets pass and the validator refuses: the reasons are told in many places
    cluster::apply(&format!(
        "apiVersion: oidc-operator.dev/v1alpha1\nkind: OidcUser\nmetadata: {{name: refused-user}}\n\
         spec: {{email: '{REFUSED_EMAIL}', website: '{REFUSED_WEBSITE}'}}\n"
    ))?;
    cluster::wait_for("Accepted=False", "oidcuser/refused-user")?;
    eventually("the refusal is told", Duration::from_secs(30), async || {
        let pods = cluster::pods("provider")?;
        let logs = pods.iter().map(|pod| kubectl(&["logs", &pod.name]));
        let logs = logs.collect::<Result<Vec<_>>>()?;
        let told = logs.iter().all(|log| log.contains("refused-user"));
        let events = kubectl(&["get", "events", "-o", "yaml"])?;
        Ok((told && events.contains("name: refused-user")).then_some(()))
    })
    .await?;

    let mut canaries = vec![
        ("refused e-mail address", REFUSED_EMAIL.to_owned()),
        ("refused website", "canary-refused-site-Wb73".to_owned()),
        ("password", PASSWORD.to_owned()),
        ("wrong password", wrong_password.to_owned()),
        ("wrong secret", wrong_secret.to_owned()),
        ("wrong code", "canary-bad-code-Lx52".to_owned()),
        ("e-mail address", EMAIL.to_owned()),
        ("name", NAME.to_owned()),
        ("client secret", party.secret.clone().context("a secret")?),
        ("code", callback.parameters["code"].clone()),
        ("PKCE verifier", callback.verifier.clone()),
    ];
    for tokens in [&tokens, &next] {
        canaries.push(("access token", tokens.access_token.clone()));
        canaries.push(("refresh token", tokens.refresh()?.to_owned()));
        canaries.push(("ID token", tokens.id_token.clone().context("an ID token")?));
    }
    for (name, value) in browser.cookies() {
        ensure!(value.len() >= 16, "the cookie {name} is a secret");
        canaries.push(("cookie", value));
    }

    let mut places: Vec<(String, Vec<u8>)> = Vec::new();
    for component in ["provider", "operator", "redis"] {
        for pod in cluster::pods(component)? {
            let log = kubectl(&["logs", &pod.name, "--all-containers"])?;
            ensure!(
                component == "redis" || !log.is_empty(),
                "{} logs something",
                pod.name
            );
            places.push((format!("log of {}", pod.name), log.into_bytes()));
            if component != "redis" {
                let metrics = Url::parse(&format!("http://{}/metrics", pod.internal))?;
                let metrics = plain(browser.request(Method::GET, metrics)).await?.expect(200)?;
                places.push((format!("metrics of {}", pod.name), metrics.body.into_bytes()));
            }
        }
    }
    places.push((
        "Events".to_owned(),
        kubectl(&["get", "events", "-o", "yaml"])?.into_bytes(),
    ));
    for kind in [
        "oidcclients",
        "oidcusers",
        "signingkeys",
        "leases",
        "configmaps",
        "pods",
        "deployments",
    ] {
        let mut objects = cluster::json(&["get", kind])?;
        for object in objects["items"].as_array_mut().into_iter().flatten() {
            if kind == "oidcusers" {
                object["spec"] = serde_json::Value::Null; // where a person's name and address belong
                object["metadata"]["annotations"] = serde_json::Value::Null; // kubectl's copy of the spec
            }
        }
        places.push((format!("objects {kind}"), objects.to_string().into_bytes()));
    }
    places.push(("Redis dump".to_owned(), redis_dump()?));

    kubectl(&["delete", "oidcuser", "refused-user"])?;

    for (place, content) in &places {
        for (what, value) in &canaries {
            // in Redis and the logs a user name is a personal value as well
            for guise in guises(value) {
                ensure!(
                    !contains(content, guise.as_bytes()),
                    "{what} is in {place} (as {guise})"
                );
            }
        }
    }
    let (_, dump) = places.last().context("the dump")?;
    ensure!(
        !contains(dump, b"canary"),
        "i8: no user name, client id or redirect URI is in Redis"
    );
    ensure!(contains(dump, b"oidc:"), "the dump is a dump");
    Ok(())
}

/// Everything that Redis holds, uncompressed.
fn redis_dump() -> Result<Vec<u8>> {
    let redis = cluster::pods("redis")?
        .into_iter()
        .next()
        .context("the trial Redis")?;
    let host = redis.address.ip().to_string();
    let file = std::env::temp_dir().join(format!("oidc-e2e-{}.rdb", std::process::id()));
    let file_name = file.to_string_lossy().into_owned();
    cluster::run(
        Command::new("redis-cli").args(["-h", &host, "config", "set", "rdbcompression", "no"]),
        None,
    )?;
    cluster::run(
        Command::new("redis-cli").args(["-h", &host, "--rdb", &file_name]),
        None,
    )?;
    let dump = fs::read(&file)?;
    fs::remove_file(&file)?;
    Ok(dump)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
