//! Token requests at a steady rate, and what became of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::decode_header;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::pods::lock;
use super::verifiers::{Token, Verifier};
use crate::browser::{Browser, Page};
use crate::flow::{RelyingParty, Tokens};

/// Requests that may be under way; more are not sent, and counted.
const UNDER_WAY: usize = 128;

/// A token that was received.
#[derive(Debug, Clone)]
pub struct Signed {
    /// Its key.
    pub kid: Arc<str>,
    /// When it was asked for.
    pub sent: Instant,
    /// When it was there.
    pub received: Instant,
}

/// A request to `/token` that was answered with 200.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// When it was sent.
    pub sent: Instant,
    /// Until the answer was there.
    pub took: Duration,
}

/// Requests that brought nothing, by reason.
#[derive(Debug, Clone, Default)]
pub struct Failures {
    /// 503 with `Retry-After`, or its like at a redirect URI (`temporarily_unavailable`).
    pub unavailable: u64,
    /// No connection, or one that broke.
    pub unconnected: u64,
    /// Not sent, because too many were under way.
    pub unsent: u64,
    /// Any other answer.
    pub wrong: Vec<String>,
}

/// The load and its record.
pub struct Load {
    party: RelyingParty,
    service: Browser,
    people: Vec<Browser>,
    verifiers: Vec<Arc<Verifier>>,
    under_way: Arc<Semaphore>,
    /// Whether verifiers are asked; not while keys are revoked, which breaks them on purpose.
    pub judged: AtomicBool,
    /// Requests that were sent.
    pub requests: AtomicU64,
    /// All tokens.
    pub signed: Mutex<Vec<Signed>>,
    /// All token requests that went well.
    pub answered: Mutex<Vec<Answered>>,
    /// All other requests.
    pub failures: Mutex<Failures>,
    /// What verifiers turned down.
    pub refused: Mutex<Vec<String>>,
    /// The newest ID token of each key.
    pub id_tokens: Mutex<BTreeMap<String, Token>>,
}

impl Load {
    /// For a client, with browsers in which somebody has signed in.
    #[must_use]
    pub fn new(
        party: RelyingParty,
        service: Browser,
        people: Vec<Browser>,
        verifiers: Vec<Arc<Verifier>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            party,
            service,
            people,
            verifiers,
            under_way: Arc::new(Semaphore::new(UNDER_WAY)),
            judged: AtomicBool::new(true),
            requests: AtomicU64::new(0),
            signed: Mutex::default(),
            answered: Mutex::default(),
            failures: Mutex::default(),
            refused: Mutex::default(),
            id_tokens: Mutex::default(),
        })
    }

    /// Asks `machines` times a second by client_credentials and `logins` times by a code, for good.
    pub async fn run(self: Arc<Self>, machines: u32, logins: u32) {
        let pace = |rate| {
            let mut ticks = interval(Duration::from_secs(1) / rate);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            ticks
        };
        let (mut machine, mut login) = (pace(machines), pace(logins));
        let mut asked = JoinSet::new();
        let mut person = 0;
        loop {
            let person = tokio::select! {
                _ = machine.tick() => None,
                _ = login.tick() => {
                    person = (person + 1) % self.people.len();
                    Some(person)
                }
            };
            while asked.try_join_next().is_some() {}
            let Ok(permit) = Arc::clone(&self.under_way).try_acquire_owned() else {
                lock(&self.failures).unsent += 1;
                continue;
            };
            let load = Arc::clone(&self);
            asked.spawn(async move {
                let tokens = match person {
                    None => load.machine().await,
                    Some(person) => load.login(&load.people[person]).await,
                };
                drop(permit);
                if let Some(tokens) = tokens {
                    load.judge(tokens).await;
                }
            });
        }
    }

    async fn machine(&self) -> Option<Vec<(Token, bool)>> {
        let form = [("grant_type", "client_credentials")];
        self.tokens(self.party.post(&self.service, "/token", &form)).await
    }

    async fn login(&self, browser: &Browser) -> Option<Vec<(Token, bool)>> {
        let (url, mut callback) = self.party.begin(&[("prompt", "none")]).ok()?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let page = self.good(browser.get(url).await, |status| (300..400).contains(&status))?;
        callback.parameters = page.location()?.query_pairs().into_owned().collect();
        if !callback.parameters.contains_key("code") {
            let mut failures = lock(&self.failures);
            match callback.parameters.get("error").map(String::as_str) {
                Some("temporarily_unavailable") => failures.unavailable += 1,
                _ => failures.wrong.push(format!("no code: {:?}", callback.parameters)),
            }
            return None;
        }
        self.tokens(self.party.redeem(browser, &callback)).await
    }

    /// Sends a token request and keeps what came of it.
    async fn tokens(&self, request: impl Future<Output = Result<Page>>) -> Option<Vec<(Token, bool)>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let sent = Instant::now();
        let page = self.good(request.await, |status| status == 200)?;
        let received = Instant::now();
        let took = received - sent;
        lock(&self.answered).push(Answered { sent, took });
        match parse(&page, received) {
            Ok(tokens) => {
                lock(&self.signed).extend(tokens.iter().map(|(token, _)| Signed {
                    kid: Arc::from(token.kid.as_str()),
                    sent,
                    received,
                }));
                Some(tokens)
            }
            Err(error) => {
                lock(&self.failures).wrong.push(format!("{error:#}"));
                None
            }
        }
    }

    fn good(&self, answer: Result<Page>, expected: impl Fn(u16) -> bool) -> Option<Page> {
        let mut failures = lock(&self.failures);
        match answer {
            Ok(page) if expected(page.status) => return Some(page),
            Ok(page) if page.status == 503 && page.headers.contains_key("retry-after") => {
                failures.unavailable += 1;
            }
            Ok(page) => failures.wrong.push(page.describe()),
            Err(_) => failures.unconnected += 1,
        }
        None
    }

    /// Every verifier checks a token at once, when half of its time is over, and right before it expires.
    async fn judge(&self, tokens: Vec<(Token, bool)>) {
        let received = Instant::now();
        for part in [0, 10, 19] {
            for (token, id) in &tokens {
                let left = token.expires.saturating_duration_since(received);
                sleep_until(received + left * part / 20).await;
                if !self.judged.load(Ordering::Relaxed) {
                    return;
                }
                for verifier in &self.verifiers {
                    if let Err(reason) = verifier.check(token).await {
                        lock(&self.refused).push(reason);
                    }
                }
                if *id && part == 0 {
                    lock(&self.id_tokens).insert(token.kid.clone(), token.clone());
                }
            }
        }
    }
}

/// The tokens of an answer, and whether each is an ID token.
fn parse(page: &Page, received: Instant) -> Result<Vec<(Token, bool)>> {
    let tokens = Tokens::from(page)?;
    let access = Some((tokens.access_token, false));
    let id = tokens.id_token.map(|jwt| (jwt, true));
    access
        .into_iter()
        .chain(id)
        .map(|(jwt, id)| Ok((token(jwt, received)?, id)))
        .collect()
}

fn token(jwt: String, received: Instant) -> Result<Token> {
    let header = decode_header(&jwt)?;
    let claims = jwt.split('.').nth(1).context("claims")?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?;
    let seconds = |name: &str| claims[name].as_u64().with_context(|| name.to_owned());
    // up to a second after it truly does: it was issued when that second began, or later
    let left = Duration::from_secs(seconds("exp")?.saturating_sub(seconds("iat")?));
    Ok(Token {
        kid: header.kid.ok_or_else(|| anyhow!("a kid"))?,
        algorithm: header.alg,
        expires: received + left,
        jwt,
    })
}
