//! The API server itself as a relying party: `kubectl` with the ID token of a real login.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use oidc_e2e::cluster::{self, Cluster, kubectl};
use oidc_e2e::eventually;
use oidc_e2e::flow::{Person, RelyingParty, Tokens};
use serde_json::Value;

/// The file that docs/integrations.md shows.
const CONFIGURATION: &str = include_str!("../clients/kube-apiserver/authentication.yaml");
const FRIDA: Person<'_> = Person {
    name: "frida",
    password: "kubectl needs no password 5",
};

/// A client for `kubectl`; its Secret's data too.
fn party(cluster: &Cluster, name: &str) -> Result<RelyingParty> {
    cluster::client(
        name,
        "{redirectUris: ['http://localhost:8000/'], grantTypes: [authorization_code, refresh_token], scopes: [openid]}",
    )?;
    let data = cluster::secret(&format!("{name}-oidc"))?;
    ensure!(data["CA_CRT"] == cluster.ca, "the Secret has the issuer's CA");
    RelyingParty::from_secret(&data, "http://localhost:8000/", "openid")
}

/// `kubectl` as the bearer of a token; what it said, and whether it was content.
fn kubectl_as(token: &str, arguments: &[&str]) -> Result<(bool, String)> {
    let output = Command::new("kubectl")
        .args(["--namespace", "default", "--token", token])
        .args(arguments)
        .output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8(text)?))
}

/// The user that the API server sees behind a token; `None` when it refuses the token.
fn whoami(token: &str) -> Result<Option<Value>> {
    let (content, text) = kubectl_as(token, &["auth", "whoami", "-o", "json"])?;
    if content {
        let review: Value = serde_json::from_str(&text)?;
        return Ok(Some(review["status"]["userInfo"].clone()));
    }
    ensure!(text.contains("Unauthorized"), "refused, and not broken: {text}");
    Ok(None)
}

#[tokio::test]
async fn kubectl_signs_in_with_an_id_token() -> Result<()> {
    let cluster = Cluster::connect()?;
    cluster::user(FRIDA.name, FRIDA.password, "subject: person-frida")?;
    let (party, other) = (party(&cluster, "kubectl")?, party(&cluster, "not-kubectl")?);
    let browser = cluster.browser(&[])?;
    let tokens = party.login(&browser, FRIDA).await?;
    let id_token = tokens.id_token.as_deref().context("an ID token")?;
    ensure!(
        whoami(id_token)?.is_none(),
        "nobody's tokens are taken before the configuration says so"
    );

    let ca = serde_json::to_string(&cluster.ca)?; // JSON text is YAML
    cluster.authentication(
        &CONFIGURATION
            .replace("$ISSUER_URL", &party.issuer)
            .replace("$CLIENT_ID", &party.client_id)
            .replace("$CA_CRT", &ca),
    )?;
    let user = eventually(
        "the API server knows the issuer",
        Duration::from_secs(60),
        async || whoami(id_token),
    )
    .await?;
    ensure!(user["username"] == "oidc:person-frida", "{user}");
    ensure!(
        user["groups"] == serde_json::json!(["system:authenticated"]),
        "{user}"
    );

    // what she may do is said by RBAC, under the name that the configuration makes
    let (content, text) = kubectl_as(id_token, &["get", "services"])?;
    ensure!(
        !content && text.contains("oidc:person-frida"),
        "forbidden by name: {text}"
    );
    cluster::apply(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: frida-views}\n\
         roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\n\
         subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: 'oidc:person-frida'}]\n",
    )?;
    eventually("she may view", Duration::from_secs(60), async || {
        let (content, text) = kubectl_as(id_token, &["get", "services"])?;
        Ok((content && text.contains("kubernetes")).then_some(()))
    })
    .await?;

    // the ID token of a refresh is as good; those for others, and access tokens, are not taken
    let next = Tokens::from(&party.refresh(&browser, tokens.refresh()?).await?.expect(200)?)?;
    let renewed = next.id_token.as_deref().context("an ID token")?;
    ensure!(
        whoami(renewed)?.context("renewed")?["username"] == user["username"],
        "renewed"
    );
    ensure!(
        whoami(&next.access_token)?.is_none(),
        "an access token is no ID token"
    );
    let foreign = other.login(&browser, FRIDA).await?;
    let foreign = foreign.id_token.as_deref().context("an ID token")?;
    ensure!(whoami(foreign)?.is_none(), "an ID token for another client");
    let Some((signed, _)) = id_token.rsplit_once('.') else {
        bail!("a JWT");
    };
    ensure!(
        whoami(&format!("{signed}.{}", "A".repeat(342)))?.is_none(),
        "a forged signature"
    );

    // without the configuration she is nobody again
    let (nobody, _) = CONFIGURATION.split_once("jwt:").context("authenticators")?;
    cluster.authentication(&format!("{nobody}jwt: []\n"))?;
    eventually(
        "the API server forgets the issuer",
        Duration::from_secs(60),
        async || Ok(whoami(id_token)?.is_none().then_some(())),
    )
    .await?;
    kubectl(&[
        "delete",
        "rolebinding/frida-views",
        "oidcclient/kubectl",
        "oidcclient/not-kubectl",
    ])?;
    Ok(())
}
