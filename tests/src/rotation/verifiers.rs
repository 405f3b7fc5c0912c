//! Relying parties that check every token until it expires, with the JWKS as their libraries cache it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use reqwest::Method;
use tokio::sync::RwLock;
use tokio::time::{Instant, sleep, sleep_until};
use url::Url;

use crate::browser::{Browser, plain};
use crate::cluster::Cluster;

/// How a verifier uses its cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Keeps the JWKS for exactly its `max-age`, and never asks earlier.
    Strict,
    /// Keeps it for good, and asks when a token names a key that is not in it, at most once per `max-age`.
    OnUnknownKid,
}

/// A signed token as a verifier takes it apart.
#[derive(Debug, Clone)]
pub struct Token {
    /// The whole JWT.
    pub jwt: String,
    /// The `kid` of its header.
    pub kid: String,
    /// The algorithm of its header.
    pub algorithm: Algorithm,
    /// When it expires.
    pub expires: Instant,
}

struct Cache {
    keys: HashMap<String, DecodingKey>,
    fetched: Instant,
    max_age: Duration,
}

/// One relying party.
pub struct Verifier {
    kind: Kind,
    name: String,
    browser: Browser,
    url: Url,
    cache: RwLock<Option<Cache>>,
    /// Checks that were made.
    pub checks: AtomicU64,
    /// Times that the JWKS was read.
    pub fetches: AtomicU64,
}

impl Verifier {
    /// Through the Service, as an app would ask.
    ///
    /// # Errors
    /// When the CA cannot be parsed.
    pub fn new(cluster: &Cluster, kind: Kind, number: usize) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            kind,
            name: format!("{kind:?} {number}"),
            browser: cluster.browser(&[])?,
            url: Url::parse(&format!("{}/jwks.json", cluster.issuer))?,
            cache: RwLock::default(),
            checks: AtomicU64::new(0),
            fetches: AtomicU64::new(0),
        }))
    }

    /// The `max-age` of the JWKS.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn max_age(&self) -> Result<Duration> {
        Ok(self.fetch().await?.max_age)
    }

    /// Reads the JWKS after `delay`; a strict one again each time that its `max-age` is over.
    pub async fn run(self: Arc<Self>, delay: Duration) {
        sleep(delay).await;
        loop {
            // who checks a token now waits for the new keys: the old ones are over
            let mut cache = self.cache.write().await;
            let fetched = self.fetch_surely().await;
            let end = fetched.fetched + fetched.max_age;
            *cache = Some(fetched);
            drop(cache);
            if self.kind == Kind::OnUnknownKid {
                return;
            }
            sleep_until(end).await;
        }
    }

    /// A pod that is killed breaks a connection: then it is asked again.
    async fn fetch_surely(&self) -> Cache {
        loop {
            match self.fetch().await {
                Ok(cache) => return cache,
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    }

    async fn fetch(&self) -> Result<Cache> {
        let page = plain(self.browser.request(Method::GET, self.url.clone()))
            .await?
            .expect(200)?;
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let header = page.headers.get("cache-control").context("Cache-Control")?;
        let max_age = header
            .to_str()?
            .split(',')
            .find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok())
            .context("max-age")?;
        let set: JwkSet = serde_json::from_str(&page.body)?;
        let keys = set.keys.iter().map(|jwk| {
            let kid = jwk.common.key_id.clone().context("a kid")?;
            Ok((kid, DecodingKey::from_jwk(jwk)?))
        });
        Ok(Cache {
            keys: keys.collect::<Result<_>>()?,
            fetched: Instant::now(),
            max_age: Duration::from_secs(max_age),
        })
    }

    /// Checks the signature of a token with the keys that it holds now.
    ///
    /// # Errors
    /// Why a relying party would turn the token down.
    pub async fn check(&self, token: &Token) -> Result<(), String> {
        self.checks.fetch_add(1, Ordering::Relaxed);
        if self.kind == Kind::OnUnknownKid {
            self.learn(&token.kid).await;
        }
        let cache = self.cache.read().await;
        let cache = cache.as_ref().ok_or("no JWKS yet")?;
        let age = cache.fetched.elapsed().as_millis();
        let told = |what: &str| format!("{}: {what} {} (JWKS {age} ms old)", self.name, token.kid);
        let key = cache.keys.get(&token.kid).ok_or_else(|| told("unknown key"))?;
        let (message, signature) = token.jwt.rsplit_once('.').ok_or_else(|| told("no JWT"))?;
        match crypto::verify(signature, message.as_bytes(), key, token.algorithm) {
            Ok(true) => Ok(()),
            _ => Err(told("bad signature by")),
        }
    }

    async fn learn(&self, kid: &str) {
        let known = |cache: &Option<Cache>| {
            let cache = cache.as_ref();
            cache.is_none_or(|cache| cache.keys.contains_key(kid) || cache.fetched.elapsed() < cache.max_age)
        };
        if known(&*self.cache.read().await) {
            return;
        }
        let mut cache = self.cache.write().await;
        if !known(&cache) {
            *cache = Some(self.fetch_surely().await);
        }
    }
}
