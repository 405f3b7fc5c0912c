//! A token endpoint as a client sees it, and checks of what it answers.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use reqwest::Client;
use reqwest::redirect::Policy;
use serde_json::{Map, Value};

/// How many tokens a sample has.
const SAMPLE: usize = 4;

/// A token endpoint and a client of it.
pub struct Endpoint {
    /// Connections.
    pub http: Client,
    /// The client's id.
    pub client: String,
    /// What the client is known to sign with.
    algorithm: Algorithm,
    secret: String,
    url: String,
}

impl Endpoint {
    /// For a client whose tokens must have the algorithm.
    pub fn new(url: &str, client: &str, secret: &str, algorithm: &str) -> Result<Self> {
        let http = Client::builder()
            .redirect(Policy::none())
            .timeout(Duration::from_secs(30))
            .build()?;
        Ok(Self {
            http,
            client: client.to_owned(),
            algorithm: algorithm.parse()?,
            secret: secret.to_owned(),
            url: url.to_owned(),
        })
    }

    /// POSTs a form with the client's credentials; the answer must be 200 and JSON.
    pub async fn post(&self, url: &str, form: &[(&str, &str)]) -> Result<Map<String, Value>> {
        let request = self.http.post(url).basic_auth(&self.client, Some(&self.secret));
        let response = request.form(form).send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status == 200, "{url} answered {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Asks for tokens.
    pub async fn token(&self, form: &[(&str, &str)]) -> Result<Map<String, Value>> {
        self.post(&self.url, form).await
    }

    /// The keys that tokens are checked with.
    pub async fn keys(&self, url: &str) -> Result<JwkSet> {
        Ok(self
            .http
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?)
    }

    /// Claims of a JWT of this client whose signature holds.
    pub fn verified(
        &self,
        answer: &Map<String, Value>,
        member: &str,
        keys: &JwkSet,
    ) -> Result<Map<String, Value>> {
        let token = text(answer, member)?;
        let header = jsonwebtoken::decode_header(token)?;
        ensure!(
            header.alg == self.algorithm,
            "{member} is signed with {:?}",
            header.alg
        );
        let kid = header.kid.as_deref().unwrap_or_default();
        let key = keys.find(kid).or(keys.keys.first()).context("no key")?;
        let mut validation = Validation::new(self.algorithm);
        validation.validate_aud = false;
        let claims =
            jsonwebtoken::decode::<Map<String, Value>>(token, &DecodingKey::from_jwk(key)?, &validation);
        Ok(claims
            .with_context(|| format!("the {member} is not good"))?
            .claims)
    }

    /// A few tokens by client_credentials.
    pub async fn sample(&self, jwks: &str, parameters: &[String]) -> Result<()> {
        let keys = self.keys(jwks).await?;
        let mut form = vec![("grant_type", "client_credentials")];
        for parameter in parameters {
            form.push(parameter.split_once('=').context("a parameter is name=value")?);
        }
        for _ in 0..SAMPLE {
            let claims = self.verified(&self.token(&form).await?, "access_token", &keys)?;
            for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"] {
                ensure!(
                    claims.contains_key(name),
                    "the access token has no {name}: {claims:?}"
                );
            }
            if claims["client_id"] != self.client.as_str() {
                bail!("the access token is another client's: {claims:?}");
            }
        }
        Ok(())
    }
}

/// A text member.
pub fn text<'a>(answer: &'a Map<String, Value>, name: &str) -> Result<&'a str> {
    answer
        .get(name)
        .and_then(Value::as_str)
        .with_context(|| format!("the answer has no {name}"))
}
