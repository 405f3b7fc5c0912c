//! The way through the product: install (done by the runner), apply, log in, rotate, delete.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::future::join_all;
use oidc_crds::envelope::EnvelopeKeys;
use oidc_crds::names::ANNOTATION_KEY_SET;
use oidc_crds::secrets::Data;
use oidc_crds::secrets::key_set::{KeySet, Stored};
use oidc_crds::testing::ready;
use oidc_e2e::browser::plain;
use oidc_e2e::cluster::{self, Cluster, kubectl};
use oidc_e2e::flow::{Person, RelyingParty, Tokens, kid_of};
use oidc_e2e::{browser, eventually};
use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

const QUICKSTART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart/");
const JDOE: Person<'_> = Person {
    name: "jdoe",
    password: "correct horse battery staple",
};
const WEB: &str = "{redirectUris: ['https://app.example.com/callback'], grantTypes: [authorization_code, refresh_token, client_credentials], scopes: [openid, profile, email]}";

/// A client of its own for one story, with the quick start's user.
async fn story(name: &str) -> Result<(Cluster, RelyingParty)> {
    let cluster = Cluster::connect()?;
    kubectl(&["apply", "-f", &format!("{QUICKSTART}user.yaml")])?;
    cluster::wait_for("Ready", "oidcuser/jdoe")?;
    cluster::client(name, WEB)?;
    let data = cluster::secret(&format!("{name}-oidc"))?;
    let party = RelyingParty::from_secret(&data, "https://app.example.com/callback", "openid profile email")?;
    Ok((cluster, party))
}

#[tokio::test]
async fn the_quick_start_signs_a_person_in() -> Result<()> {
    let cluster = Cluster::connect()?;
    kubectl(&["apply", "-f", QUICKSTART])?;
    cluster::wait_for("Ready", "oidcclient/demo")?;
    cluster::wait_for("Ready", "oidcuser/jdoe")?;
    let data = cluster::secret("demo-oidc")?;
    for key in [
        "CLIENT_ID",
        "CLIENT_SECRET",
        "ISSUER_URL",
        "AUTHORIZATION_URL",
        "TOKEN_URL",
        "USERINFO_URL",
        "CA_CRT",
    ] {
        ensure!(
            data.get(key).is_some_and(|value| !value.is_empty()),
            "the app's Secret has {key}"
        );
    }
    ensure!(
        data["CLIENT_ID"] == "default.demo" && data["CA_CRT"] == cluster.ca,
        "id and CA are the installation's"
    );
    kubectl(&["rollout", "status", "deployment/demo-app", "--timeout=60s"])?;

    // the person's browser: the app's page, its redirect, our forms, and back to the app
    let app = Url::parse("http://demo-app.default.svc.cluster.local/login")?;
    let person = cluster.browser(&[])?;
    // the node's proxy learns of the new pod a moment after the Deployment does
    let start = eventually("the app answers", Duration::from_secs(20), async || {
        Ok(person.get(app.clone()).await.ok())
    })
    .await?;
    let mut page = person
        .get(start.location().context("the app redirects to the issuer")?)
        .await?;
    for _ in 0..6 {
        if let Some(location) = page.location() {
            if location.path() == "/callback" {
                let mut back = app.clone();
                back.set_path("/callback");
                back.set_query(location.query());
                page = person.get(back).await?;
                break;
            }
            page = person.get(location).await?;
            continue;
        }
        let mut form = browser::forms_of(&page)
            .into_iter()
            .next()
            .with_context(|| page.describe())?;
        if form.has("password") {
            form.set("username", JDOE.name);
            form.set("password", JDOE.password);
        } else {
            form.press(|_, value| value == "allow");
        }
        page = person.submit(&page, &form).await?;
    }
    ensure!(
        page.status == 200 && page.body.contains("Hello John Doe"),
        "the app greets: {}",
        page.describe()
    );
    ensure!(
        page.body.contains("jdoe@example.com"),
        "the app got the e-mail address: {}",
        page.body
    );
    Ok(())
}

#[tokio::test]
async fn i10_two_replicas_behave_as_one() -> Result<()> {
    let (cluster, party) = story("replicas").await?;
    let pods = cluster.settled(2).await?;
    // every request of every step goes to the other pod than the one before
    let browser = cluster.browser(&pods)?;
    for _ in 0..2 {
        let tokens = party.login(&browser, JDOE).await?;
        for _ in 0..2 {
            ensure!(
                party.active(&browser, &tokens.access_token).await?,
                "each pod knows the access token"
            );
            let userinfo = browser
                .request(Method::GET, party.endpoint("/userinfo")?)
                .bearer_auth(&tokens.access_token);
            ensure!(
                plain(userinfo).await?.expect(200)?.json()?["email"] == "jdoe@example.com",
                "userinfo"
            );
        }
        let next = Tokens::from(&party.refresh(&browser, tokens.refresh()?).await?.expect(200)?)?;
        ensure!(
            next.refresh()? != tokens.refresh()?,
            "i2: a refresh token is rotated on use"
        );
        party
            .post(&browser, "/revoke", &[("token", next.refresh()?)])
            .await?
            .expect(200)?;
        let refused = party.refresh(&browser, next.refresh()?).await?.expect(400)?;
        ensure!(
            refused.json()?["error"] == "invalid_grant",
            "revoked by one pod, refused by the other"
        );
        for _ in 0..2 {
            ensure!(
                !party.active(&browser, &next.access_token).await?,
                "its access tokens died with it"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_session_spares_the_second_login_and_prompt_none_uses_it() -> Result<()> {
    let (cluster, party) = story("session").await?;
    let browser = cluster.browser(&cluster.pods()?)?;
    let none = party.authorize(&browser, None, &[("prompt", "none")]).await?;
    ensure!(
        none.parameters["error"] == "login_required",
        "{:?}",
        none.parameters
    );
    party.login(&browser, JDOE).await?;
    let again = party.authorize(&browser, None, &[("prompt", "none")]).await?;
    party.redeem(&browser, &again).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn i1_a_code_is_redeemed_once_whatever_races() -> Result<()> {
    let (cluster, party) = story("once").await?;
    let browser = cluster.browser(&cluster.settled(2).await?)?;
    let callback = party.authorize(&browser, Some(JDOE), &[]).await?;
    let answers: Vec<_> = join_all((0..20).map(|_| party.redeem(&browser, &callback)))
        .await
        .into_iter()
        .collect::<Result<_>>()?;
    let won: Vec<_> = answers.iter().filter(|page| page.status == 200).collect();
    ensure!(won.len() == 1, "{} of 20 redemptions won", won.len());
    ensure!(
        answers
            .iter()
            .filter(|page| page.status != 200)
            .all(|page| page.body.contains("invalid_grant")),
        "the others lost"
    );
    let tokens = Tokens::from(won[0])?;
    ensure!(
        !party.active(&browser, &tokens.access_token).await?,
        "the second attempt revoked what the first got"
    );
    party.refresh(&browser, tokens.refresh()?).await?.expect(400)?;
    Ok(())
}

#[tokio::test]
async fn a_patched_signing_key_is_published_then_signs_and_nobody_notices() -> Result<()> {
    let (cluster, party) = story("rotation").await?;
    let browser = cluster.browser(&cluster.settled(2).await?)?;
    let before = party.login(&browser, JDOE).await?;
    let old = kid_of(&before.access_token)?;
    let known = party.jwks(&browser).await?.keys.len();
    cluster::rotate()?;

    eventually(
        "the next key is published by both pods",
        Duration::from_secs(8),
        async || {
            let counts = [
                party.jwks(&browser).await?.keys.len(),
                party.jwks(&browser).await?.keys.len(),
            ];
            Ok((counts == [known + 1; 2]).then_some(()))
        },
    )
    .await?;
    let early = Tokens::from(&party.refresh(&browser, before.refresh()?).await?.expect(200)?)?;
    ensure!(
        kid_of(&early.access_token)? == old,
        "i3: it does not sign before every verifier can know it"
    );

    eventually("both pods acknowledge it", Duration::from_secs(4), async || {
        Ok((acknowledgements()? == vec![key_set()?.acknowledgement(); 2]).then_some(()))
    })
    .await?;

    let mut refresh = early.refresh()?.to_owned();
    let after = eventually("the next key signs", Duration::from_secs(40), async || {
        let tokens = Tokens::from(&party.refresh(&browser, &refresh).await?.expect(200)?)?;
        refresh = tokens.refresh()?.to_owned();
        Ok((kid_of(&tokens.access_token)? != old).then_some(tokens))
    })
    .await?;
    party
        .verify(&browser, after.id_token.as_deref().context("an ID token")?)
        .await?;
    party
        .verify(&browser, before.id_token.as_deref().context("an ID token")?)
        .await
        .context("i3: old signatures still verify")?;
    ensure!(
        party.active(&browser, &before.access_token).await?,
        "i3: the old key's access tokens live on"
    );
    let set = key_set()?;
    let new = set
        .keys
        .iter()
        .find(|key| Some(&key.kid) == kid_of(&after.access_token).as_ref().ok());
    let waited = new
        .and_then(|key| Some(key.signs_from?.duration_since(key.published_at?)))
        .context("its times")?;
    ensure!(
        (10..15).contains(&waited.as_secs()),
        "publishFor and no more, since the pods had acknowledged it by then: {waited:?}"
    );
    let retiring = eventually(
        "the clock of the old key runs",
        Duration::from_secs(10),
        async || {
            let set = key_set()?;
            Ok(set
                .keys
                .into_iter()
                .find(|key| key.kid == old && key.removable_at.is_some()))
        },
    )
    .await?;
    ensure!(retiring.jwk.is_some(), "it is still published");
    Ok(())
}

/// The key set as it is; `tests/run` installs with an envelope.
fn key_set() -> Result<KeySet> {
    let data = |secret: &str| -> Result<Data> {
        let secret = cluster::secret(secret)?;
        Ok(secret
            .into_iter()
            .map(|(key, text)| (key, text.into_bytes()))
            .collect())
    };
    match Stored::from_data(&data("oidc-key-set")?)? {
        Stored::Plain(set) => Ok(set),
        Stored::Sealed(sealed) => {
            let keys = EnvelopeKeys::from_data(&data(sealed.secret_name())?)?;
            Ok(ready(sealed.open(&keys))?)
        }
    }
}

/// What the provider pods have acknowledged.
fn acknowledgements() -> Result<Vec<String>> {
    let leases = cluster::json(&["get", "leases", "-l", "app.kubernetes.io/component=provider"])?;
    let leases = leases["items"].as_array().context("a list")?;
    let words = leases
        .iter()
        .map(|lease| lease["metadata"]["annotations"][ANNOTATION_KEY_SET].as_str());
    Ok(words.map(|word| word.unwrap_or_default().to_owned()).collect())
}

#[tokio::test]
async fn i4_a_deleted_client_is_refused_by_every_pod_within_a_second() -> Result<()> {
    let (cluster, party) = story("deleted").await?;
    let pods = cluster.settled(2).await?;
    let browser = cluster.browser(&pods)?;
    let tokens = party.login(&browser, JDOE).await?;
    kubectl(&["delete", "oidcclient", "deleted", "--wait=false"])?;
    let answered = Instant::now();
    for pod in &pods {
        let one = cluster.browser(std::slice::from_ref(pod))?;
        eventually("the pod refuses the client", Duration::from_secs(5), async || {
            let page = party
                .post(&one, "/token", &[("grant_type", "client_credentials")])
                .await?;
            Ok((page.status == 401 && page.body.contains("invalid_client")).then_some(()))
        })
        .await?;
        ensure!(
            answered.elapsed() < Duration::from_secs(1),
            "{} refused after {:?}",
            pod.name,
            answered.elapsed()
        );
        party.refresh(&one, tokens.refresh()?).await?.expect(401)?;
    }
    // the app's Secret goes with it, by the garbage collector
    kubectl(&["wait", "--for=delete", "secret/deleted-oidc", "--timeout=30s"])?;

    // a namesake inherits nothing: another secret, and the old refresh token means nothing to it
    cluster::client("deleted", WEB)?;
    let namesake = RelyingParty::from_secret(
        &cluster::secret("deleted-oidc")?,
        &party.redirect_uri,
        &party.scope,
    )?;
    ensure!(namesake.secret != party.secret, "a new secret");
    let refused = eventually("the pods know the namesake", Duration::from_secs(5), async || {
        let page = namesake.refresh(&browser, tokens.refresh()?).await?;
        Ok((page.status != 401).then_some(page))
    })
    .await?;
    ensure!(
        refused.status == 400 && refused.json()?["error"] == "invalid_grant",
        "{}",
        refused.describe()
    );
    ensure!(
        !namesake.active(&browser, &tokens.access_token).await?,
        "nor the old access token"
    );
    Ok(())
}

#[tokio::test]
async fn a_client_that_is_not_good_for_us_is_told_everything_and_not_served() -> Result<()> {
    let cluster = Cluster::connect()?;
    kubectl(&["delete", "oidcclient", "refused", "--ignore-not-found"])?;
    // what CEL can see is refused at apply already
    let early = cluster::apply(&cluster::client_manifest(
        "refused",
        "{redirectUris: ['https://app.example.com/callback'], scopes: [openid, payroll.write]}",
    ));
    ensure!(
        early
            .as_ref()
            .is_err_and(|error| error.to_string().contains("payroll.write")),
        "a scope that is not granted: {early:?}"
    );
    cluster::apply(&cluster::client_manifest(
        "refused",
        "{redirectUris: ['https://app.example.com/callback'], claims: [{name: groups, value: x, in: [idToken]}, {name: roles, value: x, in: [idToken]}]}",
    ))?;
    kubectl(&[
        "wait",
        "--for=condition=Accepted=False",
        "oidcclient/refused",
        "--timeout=20s",
    ])?;
    let object = cluster::json(&["get", "oidcclient", "refused"])?;
    let accepted = object["status"]["conditions"]
        .as_array()
        .and_then(|all| all.iter().find(|condition| condition["type"] == "Accepted"))
        .context("a condition Accepted")?;
    let message = accepted["message"].as_str().unwrap_or_default();
    ensure!(
        message.contains("spec.claims[0].name") && message.contains("spec.claims[1].name"),
        "all violations: {message}"
    );
    ensure!(
        accepted["observedGeneration"] == object["metadata"]["generation"],
        "of this generation"
    );
    let browser = cluster.browser(&[])?;
    let mut url = Url::parse(&format!("{}/authorize", cluster.issuer))?;
    url.query_pairs_mut()
        .extend_pairs([("client_id", "default.refused"), ("response_type", "code")]);
    let page = browser.get(url).await?;
    ensure!(
        page.status == 400 && page.location().is_none(),
        "our own page, no redirect: {}",
        page.describe()
    );
    kubectl(&["delete", "oidcclient", "refused"])?;
    Ok(())
}

#[tokio::test]
async fn kubectl_refuses_what_the_schema_and_its_rules_forbid() -> Result<()> {
    Cluster::connect()?;
    let unknown = cluster::apply(&cluster::client_manifest(
        "typo",
        "{redirectURLs: ['https://app.example.com/callback']}",
    ));
    ensure!(
        unknown.is_err_and(|error| error.to_string().contains("unknown field")),
        "an unknown field"
    );
    let public = "{redirectUris: ['https://app.example.com/cb'], authentication: {none: {}}, pkce: optional}";
    ensure!(
        cluster::apply(&cluster::client_manifest("nopkce", public)).is_err(),
        "a public client without PKCE"
    );
    Ok(())
}

#[tokio::test]
async fn discovery_names_the_one_issuer_in_both_places() -> Result<()> {
    let cluster = Cluster::connect()?;
    let browser = cluster.browser(&cluster.pods()?)?;
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        let page = browser
            .get(Url::parse(&format!("{}{path}", cluster.issuer))?)
            .await?
            .expect(200)?;
        let document: Value = page.json()?;
        ensure!(document["issuer"] == cluster.issuer.as_str(), "issuer");
        ensure!(
            document["jwks_uri"] == format!("{}/jwks.json", cluster.issuer),
            "jwks_uri"
        );
        ensure!(
            document.get("registration_endpoint").is_none(),
            "registration is closed in the cluster"
        );
        ensure!(
            page.headers.contains_key("etag") && page.headers.contains_key("cache-control"),
            "cacheable"
        );
    }
    let register = Url::parse(&format!("{}/register", cluster.issuer))?;
    plain(
        browser
            .request(Method::POST, register)
            .json(&serde_json::json!({"redirect_uris": ["https://a.example/cb"]})),
    )
    .await?
    .expect(404)?;
    Ok(())
}
