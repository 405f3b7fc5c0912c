//! A relying party: the code flow with PKCE through the real forms, and what follows.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::browser::{Browser, Page, forms_of, plain};

/// An app's view of its registration.
#[derive(Debug, Clone)]
pub struct RelyingParty {
    /// The issuer's URL.
    pub issuer: String,
    /// The client's id.
    pub client_id: String,
    /// Its secret; `None` for a public client.
    pub secret: Option<String>,
    /// Where codes come back to.
    pub redirect_uri: String,
    /// What it asks for.
    pub scope: String,
}

/// What came back to the redirect URI, with what must be kept for it.
#[derive(Debug, Clone)]
pub struct Callback {
    /// The answer's parameters (`code`, `state`, `iss`, or `error`).
    pub parameters: BTreeMap<String, String>,
    /// The PKCE verifier.
    pub verifier: String,
    /// The nonce that the ID token must carry.
    pub nonce: String,
}

/// A person who can sign in.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    /// The user name.
    pub name: &'a str,
    /// The password.
    pub password: &'a str,
}

/// 256 random bits, base64url.
///
/// # Errors
/// When the system gives none.
pub fn random() -> Result<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).ok().context("random bytes")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl RelyingParty {
    /// From the data of the Secret that the operator wrote for the app.
    ///
    /// # Errors
    /// When a key is missing.
    pub fn from_secret(data: &BTreeMap<String, String>, redirect_uri: &str, scope: &str) -> Result<Self> {
        let key = |name: &str| {
            data.get(name)
                .cloned()
                .with_context(|| format!("the app's Secret has {name}"))
        };
        Ok(Self {
            issuer: key("ISSUER_URL")?,
            client_id: key("CLIENT_ID")?,
            secret: data.get("CLIENT_SECRET").cloned(),
            redirect_uri: redirect_uri.to_owned(),
            scope: scope.to_owned(),
        })
    }

    /// An endpoint of the issuer.
    ///
    /// # Errors
    /// When the issuer is no URL.
    pub fn endpoint(&self, path: &str) -> Result<Url> {
        Ok(Url::parse(&format!("{}{path}", self.issuer))?)
    }

    /// The address that asks for a code, and what must be kept for the answer (its parameters: `state`).
    ///
    /// # Errors
    /// When the issuer is no URL.
    pub fn begin(&self, more: &[(&str, &str)]) -> Result<(Url, Callback)> {
        let (verifier, state, nonce) = (random()?, random()?, random()?);
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        let mut url = self.endpoint("/authorize")?;
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", &self.scope),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        url.query_pairs_mut().extend_pairs(more);
        let callback = Callback {
            parameters: BTreeMap::from([("state".to_owned(), state)]),
            verifier,
            nonce,
        };
        Ok((url, callback))
    }

    /// Asks for a code and goes where the answers lead: signs in as `person` if asked, consents if
    /// asked, until the browser is sent back to the redirect URI.
    ///
    /// # Errors
    /// When a page is not what a person could go on from.
    pub async fn authorize(
        &self,
        browser: &Browser,
        person: Option<Person<'_>>,
        more: &[(&str, &str)],
    ) -> Result<Callback> {
        let (url, mut callback) = self.begin(more)?;
        let state = callback.parameters.remove("state");
        let location = walk(browser, url, &self.redirect_uri, person).await?;
        let parameters: BTreeMap<_, _> = location.query_pairs().into_owned().collect();
        ensure!(
            parameters.get("state") == state.as_ref(),
            "the state came back changed: {location}"
        );
        ensure!(
            parameters.get("iss") == Some(&self.issuer),
            "RFC 9207: iss: {location}"
        );
        callback.parameters = parameters;
        Ok(callback)
    }

    /// POSTs a form to an endpoint as this client (HTTP Basic if it has a secret).
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, browser: &Browser, path: &str, form: &[(&str, &str)]) -> Result<Page> {
        let request = browser.request(Method::POST, self.endpoint(path)?);
        let mut fields = form.to_vec();
        let request = match &self.secret {
            Some(secret) => request.basic_auth(encode(&self.client_id), Some(encode(secret))),
            None => {
                fields.push(("client_id", &self.client_id));
                request
            }
        };
        plain(request.form(&fields)).await
    }

    /// Redeems the code of a callback; the answer as it is.
    ///
    /// # Errors
    /// When there is no code or no answer.
    pub async fn redeem(&self, browser: &Browser, callback: &Callback) -> Result<Page> {
        let code = callback
            .parameters
            .get("code")
            .with_context(|| format!("a code: {:?}", callback.parameters))?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", &callback.verifier),
        ];
        self.post(browser, "/token", &form).await
    }

    /// A full login: code, tokens, and an ID token that a strict verifier accepts.
    ///
    /// # Errors
    /// When any step is refused.
    pub async fn login(&self, browser: &Browser, person: Person<'_>) -> Result<Tokens> {
        let callback = self.authorize(browser, Some(person), &[]).await?;
        let tokens = Tokens::from(&self.redeem(browser, &callback).await?.expect(200)?)?;
        let claims = self
            .verify(browser, tokens.id_token.as_deref().context("an ID token")?)
            .await?;
        ensure!(
            claims["nonce"] == callback.nonce.as_str(),
            "the ID token has another nonce"
        );
        Ok(tokens)
    }

    /// Refreshes; the answer as it is.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn refresh(&self, browser: &Browser, token: &str) -> Result<Page> {
        self.post(
            browser,
            "/token",
            &[("grant_type", "refresh_token"), ("refresh_token", token)],
        )
        .await
    }

    /// Whether introspection calls the token active.
    ///
    /// # Errors
    /// When introspection is refused.
    pub async fn active(&self, browser: &Browser, token: &str) -> Result<bool> {
        let answer = self
            .post(browser, "/introspect", &[("token", token)])
            .await?
            .expect(200)?
            .json()?;
        answer["active"]
            .as_bool()
            .context("RFC 7662: active is a boolean")
    }

    /// The published keys.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn jwks(&self, browser: &Browser) -> Result<JwkSet> {
        let page = plain(browser.request(Method::GET, self.endpoint("/jwks.json")?))
            .await?
            .expect(200)?;
        Ok(serde_json::from_str(&page.body)?)
    }

    /// Checks an ID token against the keys that are published now; its claims.
    ///
    /// # Errors
    /// When it does not hold.
    pub async fn verify(&self, browser: &Browser, token: &str) -> Result<Value> {
        let header = decode_header(token)?;
        let kid = header.kid.context("a kid")?;
        let keys = self.jwks(browser).await?;
        let key = keys
            .find(&kid)
            .with_context(|| format!("key {kid} is published"))?;
        let mut rules = Validation::new(header.alg);
        rules.leeway = 5;
        rules.set_audience(&[&self.client_id]);
        rules.set_issuer(&[&self.issuer]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Ok(decode::<Value>(token, &DecodingKey::from_jwk(key)?, &rules)?.claims)
    }
}

/// Opens the address of an authorization request and goes where the answers lead: signs in as `person` if
/// asked, consents if asked. Where the browser is sent at last: the redirect URI with the answer, not opened.
///
/// # Errors
/// When a page is not what a person could go on from.
pub async fn walk(
    browser: &Browser,
    start: Url,
    redirect_uri: &str,
    person: Option<Person<'_>>,
) -> Result<Url> {
    let mut page = browser.get(start).await?;
    let mut signed_in = false;
    for _ in 0..8 {
        if let Some(location) = page.location() {
            if location.as_str().starts_with(redirect_uri) {
                return Ok(location);
            }
            page = browser.get(location).await?;
            continue;
        }
        let Some(mut form) = forms_of(&page).into_iter().find(|form| form.method == "post") else {
            bail!("no way on from here: {}", page.describe());
        };
        if form.has("password") {
            let person = person.with_context(|| format!("nobody to sign in: {}", page.describe()))?;
            ensure!(!signed_in, "the credentials were refused: {}", page.describe());
            signed_in = true;
            form.set("username", person.name);
            form.set("password", person.password);
        } else {
            form.press(|_, value| ["allow", "accept", "approve", "yes", "true"].contains(&value));
        }
        page = browser.submit(&page, &form).await?;
    }
    bail!("lost on the way to the redirect URI: {}", page.describe())
}

/// A token answer.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The access token.
    pub access_token: String,
    /// The refresh token, if any.
    pub refresh_token: Option<String>,
    /// The ID token, if any.
    pub id_token: Option<String>,
}

impl Tokens {
    /// From the answer of `/token`.
    ///
    /// # Errors
    /// When it is no token answer.
    pub fn from(page: &Page) -> Result<Self> {
        let answer = page.json()?;
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        Ok(Self {
            access_token: text("access_token")
                .with_context(|| format!("an access token: {}", page.describe()))?,
            refresh_token: text("refresh_token"),
            id_token: text("id_token"),
        })
    }

    /// The refresh token.
    ///
    /// # Errors
    /// When there is none.
    pub fn refresh(&self) -> Result<&str> {
        self.refresh_token.as_deref().context("a refresh token")
    }
}

/// The `kid` of a JWT.
///
/// # Errors
/// When it is no JWT with one.
pub fn kid_of(token: &str) -> Result<String> {
    decode_header(token)?.kid.context("a kid")
}

/// RFC 6749 §2.3.1: id and secret are form-encoded before they go into the Basic header.
fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
