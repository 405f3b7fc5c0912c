//! The issuer over HTTP: discovery, its keys, its token endpoint.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use jsonwebtoken::jwk::JwkSet;
use oidc_crds::credentials::ClientSecret;
use reqwest::redirect;
use reqwest::tls::Certificate;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::output::plain;

/// How the issuer is reached.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Reach {
    /// A file with the CA of the issuer's https (PEM); default: the client's Secret, or the machine's CAs.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<std::path::PathBuf>,
    /// Connect here instead of to the issuer's own address, for example to a `kubectl port-forward`; name and
    /// certificate stay the issuer's.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) connect_to: Option<String>,
}

/// What discovery says (OpenID Connect Discovery §3).
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Metadata {
    /// The issuer.
    pub(crate) issuer: String,
    /// Where a browser goes.
    pub(crate) authorization_endpoint: String,
    /// Where codes are redeemed.
    pub(crate) token_endpoint: String,
    /// Where the keys are.
    pub(crate) jwks_uri: String,
    /// Whether answers name the issuer (RFC 9207 §3).
    #[serde(default)]
    pub(crate) authorization_response_iss_parameter_supported: bool,
}

/// An issuer, and the client that asks it.
pub(crate) struct Issuer {
    http: reqwest::Client,
    /// Its URL.
    pub(crate) url: String,
}

/// How the client authenticates at the token endpoint.
pub(crate) struct Credentials<'a> {
    /// Its id.
    pub(crate) client_id: &'a str,
    /// Its secret; none: a public client.
    pub(crate) secret: Option<&'a ClientSecret>,
    /// Whether the secret goes into the body instead of the header.
    pub(crate) in_body: bool,
}

/// The answer of the token endpoint (RFC 6749 §5.1). Its Debug shows no token.
#[derive(Deserialize)]
pub(crate) struct Tokens {
    /// The access token.
    pub(crate) access_token: String,
    /// How long it lives, in seconds.
    pub(crate) expires_in: Option<i64>,
    /// The ID token.
    pub(crate) id_token: Option<String>,
    /// The refresh token.
    pub(crate) refresh_token: Option<String>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// What the token endpoint said.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Tokens.
    Tokens(Box<Tokens>),
    /// A refusal (RFC 6749 §5.2): its code, and the text for people.
    Refused(String, String),
}

impl Reach {
    /// The CA of the file, if one is named.
    pub(crate) fn ca(&self) -> Result<Option<String>> {
        self.ca_file.as_deref().map(read).transpose()
    }

    /// A client for an issuer. `ca`: the CA that it trusts, and no other; `None`: those of the machine.
    pub(crate) async fn client(&self, issuer: &Url, ca: Option<&str>) -> Result<reqwest::Client> {
        let mut builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(15))
            .tls_info(true)
            .user_agent(concat!("kubectl-oidc/", env!("CARGO_PKG_VERSION")));
        if let Some(ca) = ca {
            let bundle =
                Certificate::from_pem_bundle(ca.as_bytes()).context("the CA is no PEM certificate")?;
            ensure!(!bundle.is_empty(), "the CA is no PEM certificate");
            builder = builder.tls_certs_only(bundle);
        }
        if let Some(address) = self.address().await? {
            let host = issuer.host_str().context("the issuer has no host")?;
            builder = builder.resolve(host, address).no_proxy();
        }
        Ok(builder.build()?)
    }

    /// Where `--connect-to` leads.
    pub(crate) async fn address(&self) -> Result<Option<SocketAddr>> {
        let Some(to) = &self.connect_to else {
            return Ok(None);
        };
        let mut found = tokio::net::lookup_host(to.as_str())
            .await
            .with_context(|| format!("--connect-to {to} is no HOST:PORT that can be found"))?;
        found
            .next()
            .with_context(|| format!("--connect-to {to} has no address"))
            .map(Some)
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// An issuer's URL: https, or http on this machine.
pub(crate) fn issuer_url(text: &str) -> Result<Url> {
    let url = Url::parse(text).with_context(|| format!("the issuer {} is no URL", plain(text)))?;
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    ensure!(
        url.scheme() == "https" || (url.scheme() == "http" && here),
        "the issuer {text} is not https: tokens would be sent for all to read"
    );
    Ok(url)
}

impl Issuer {
    /// Of this URL.
    pub(crate) async fn new(url: &str, ca: Option<&str>, reach: &Reach) -> Result<Self> {
        let http = reach.client(&issuer_url(url)?, ca).await?;
        Ok(Self {
            http,
            url: url.to_owned(),
        })
    }

    /// Discovery, whose issuer must be the one that was asked (OpenID Connect Discovery §4.3).
    pub(crate) async fn metadata(&self) -> Result<Metadata> {
        let url = discovery_url(&self.url);
        let metadata: Metadata = self.json(&url).await?;
        ensure!(
            metadata.issuer == self.url,
            "{url} is of another issuer, {}: name that one",
            plain(&metadata.issuer)
        );
        // a document that was tampered with must not lead secrets away
        for endpoint in [
            &metadata.authorization_endpoint,
            &metadata.token_endpoint,
            &metadata.jwks_uri,
        ] {
            issuer_url(endpoint)?;
        }
        Ok(metadata)
    }

    /// The keys that it publishes.
    pub(crate) async fn keys(&self, metadata: &Metadata) -> Result<JwkSet> {
        self.json(&metadata.jwks_uri).await
    }

    async fn json<T: serde::de::DeserializeOwned>(&self, url: &str) -> Result<T> {
        let answer = self
            .http
            .get(url)
            .send()
            .await
            .with_context(|| unreachable(url))?;
        let status = answer.status();
        ensure!(status.is_success(), "{url} answers {status}");
        answer
            .json()
            .await
            .with_context(|| format!("{url} answers something else than expected"))
    }

    /// Asks the token endpoint.
    pub(crate) async fn token(
        &self,
        metadata: &Metadata,
        credentials: &Credentials<'_>,
        form: &[(&str, &str)],
    ) -> Result<Answer> {
        let url = &metadata.token_endpoint;
        let mut form = form.to_vec();
        let mut request = self.http.post(url);
        match credentials.secret {
            Some(secret) if !credentials.in_body => {
                // RFC 6749 §2.3.1: both are form-encoded first
                request = request.basic_auth(encoded(credentials.client_id), Some(encoded(secret.expose())));
            }
            secret => {
                form.push(("client_id", credentials.client_id));
                if let Some(secret) = secret {
                    form.push(("client_secret", secret.expose()));
                }
            }
        }
        let answer = request
            .form(&form)
            .send()
            .await
            .with_context(|| unreachable(url))?;
        let status = answer.status();
        let body = answer.bytes().await.with_context(|| unreachable(url))?;
        if status.is_success() {
            let tokens = serde_json::from_slice(&body)
                .ok()
                .context("the token endpoint's answer has no token")?;
            return Ok(Answer::Tokens(Box::new(tokens)));
        }
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |member: &str| plain(said[member].as_str().unwrap_or_default());
        if !status.is_client_error() || said["error"].is_null() {
            bail!(
                "{url} answers {status} {} {}: try again later",
                text("error"),
                text("error_description")
            );
        }
        Ok(Answer::Refused(text("error"), text("error_description")))
    }
}

/// Where discovery is.
pub(crate) fn discovery_url(issuer: &str) -> String {
    format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    )
}

fn unreachable(url: &str) -> String {
    format!("the issuer cannot be asked ({url}): `kubectl oidc debug CLIENT` says why")
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_https_or_of_this_machine() {
        for good in [
            "https://i.example",
            "https://i.example/tenant",
            "http://localhost:5000",
            "http://[::1]:1",
        ] {
            assert!(issuer_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://i.example",
            "i.example",
            "http://127.0.0.1.evil.example",
            "file:///etc/passwd",
        ] {
            assert!(issuer_url(bad).is_err(), "{bad}");
        }
        assert_eq!(
            discovery_url("https://i.example/a"),
            "https://i.example/a/.well-known/openid-configuration"
        );
    }

    #[test]
    fn i9_tokens_are_not_shown() {
        let tokens: Tokens = serde_json::from_str("{\"access_token\": \"canary\"}").unwrap();
        assert_eq!(format!("{tokens:?}"), "Tokens(…)");
    }

    #[test]
    fn rfc_6749_2_3_1_credentials_are_form_encoded() {
        assert_eq!(encoded("a:b c%"), "a%3Ab+c%25");
    }
}
