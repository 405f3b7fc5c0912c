//! Codes and tokens for the load to spend, and a sample of everything that the load asks for, checked.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Map, Value};
use url::Url;

use crate::person::Person;
use crate::tokens::{Endpoint, text};

/// What `benches/manifests` and `benches/wrk/code.lua` know too.
const REDIRECT_URI: &str = "http://localhost:9/callback";
const USER: (&str, &str) = ("mark", "only-the-benchmark-signs-in-with-this");
/// The verifier and challenge of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Requests at once.
const AT_ONCE: usize = 16;

/// Makes the stock of one client.
pub struct Stock {
    /// The provider.
    pub issuer: String,
    /// The client.
    pub endpoint: Endpoint,
}

impl Stock {
    /// Fills the files `codes`, `refresh_tokens` and `access_token`, and checks a sample.
    pub async fn fill(&self, codes: usize, refresh_tokens: usize, folder: &Path) -> Result<()> {
        let address = self.address()?;
        let mut person = Person::new(&self.endpoint.http, USER.0, USER.1);
        let first = person.sign_in(&address).await.context("the sign-in failed")?;
        let access_token = self.check(&first).await?;

        let mut spent = Vec::new();
        for code in many(&person, &address, refresh_tokens).await? {
            let answer = self.redeem(&code).await?;
            spent.push(text(&answer, "refresh_token")?.to_owned());
        }
        let codes = many(&person, &address, codes).await?;
        for (name, values) in [
            ("codes", codes),
            ("refresh_tokens", spent),
            ("access_token", vec![access_token]),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, values.join("\n") + "\n")
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// One of everything, checked; the access token is good to use.
    async fn check(&self, code: &str) -> Result<String> {
        let keys = self.endpoint.keys(&format!("{}/jwks.json", self.issuer)).await?;
        let redeemed = self.redeem(code).await?;
        let subject = self.check_both(&redeemed, &keys)?;
        let refreshed = self
            .endpoint
            .token(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", text(&redeemed, "refresh_token")?),
            ])
            .await?;
        ensure!(
            self.check_both(&refreshed, &keys)? == subject,
            "another subject after the refresh"
        );
        self.endpoint
            .sample(&format!("{}/jwks.json", self.issuer), &[])
            .await?;

        let token = text(&refreshed, "access_token")?;
        let url = format!("{}/introspect", self.issuer);
        let told = self.endpoint.post(&url, &[("token", token)]).await?;
        ensure!(
            told["active"] == true && told["sub"] == subject,
            "introspection told {told:?}"
        );
        let url = format!("{}/userinfo", self.issuer);
        let answer = self.endpoint.http.get(url).bearer_auth(token).send().await?;
        let told: Map<String, Value> = answer.error_for_status()?.json().await?;
        ensure!(told["sub"] == subject, "userinfo told {told:?}");
        Ok(token.to_owned())
    }

    /// Both tokens of an answer hold, and speak of the same person, who is returned.
    fn check_both(&self, answer: &Map<String, Value>, keys: &jsonwebtoken::jwk::JwkSet) -> Result<Value> {
        let access = self.endpoint.verified(answer, "access_token", keys)?;
        let id = self.endpoint.verified(answer, "id_token", keys)?;
        ensure!(
            access["iss"] == self.issuer.as_str() && id["iss"] == self.issuer.as_str(),
            "another issuer"
        );
        ensure!(
            id["aud"] == self.endpoint.client.as_str(),
            "another client's ID token"
        );
        ensure!(access["sub"] == id["sub"], "two subjects");
        Ok(id["sub"].clone())
    }

    async fn redeem(&self, code: &str) -> Result<Map<String, Value>> {
        self.endpoint
            .token(&[
                ("grant_type", "authorization_code"),
                ("code", code),
                ("redirect_uri", REDIRECT_URI),
                ("code_verifier", VERIFIER),
            ])
            .await
    }

    fn address(&self) -> Result<Url> {
        let parameters = [
            ("response_type", "code"),
            ("client_id", self.endpoint.client.as_str()),
            ("redirect_uri", REDIRECT_URI),
            ("scope", "openid profile"),
            ("state", "bench"),
            ("nonce", "n-0S6_WzA2Mj"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        Ok(Url::parse_with_params(
            &format!("{}/authorize", self.issuer),
            parameters,
        )?)
    }
}

async fn many(person: &Person<'_>, address: &Url, count: usize) -> Result<Vec<String>> {
    stream::iter(0..count)
        .map(|_| person.code(address))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}
