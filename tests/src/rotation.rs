//! The proof of I3: keys rotate under load, and no verifier, however it caches, turns a token down.
//!
//! | module | what it is |
//! |---|---|
//! | [`load`] | token requests at a steady rate, and what became of them |
//! | [`mod@verifiers`] | relying parties that check every token until it expires |
//! | [`pods`] | what each counted pod publishes and has acknowledged, with times |
//! | [`disturb`] | pods that are killed, deleted and rolled meanwhile |
//! | [`api`] | the API server, close enough to time its answers |
//! | [`outcome`] | the numbers |

pub mod api;
pub mod disturb;
pub mod load;
pub mod outcome;
pub mod pods;
pub mod verifiers;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};

use crate::cluster::{self, Cluster, kubectl};
use crate::eventually;
use crate::flow::{Person, RelyingParty};
use api::Api;
use disturb::Disturbance;
use load::Load;
use outcome::{Outcome, Revocation, Rotation, Windows, quantile};
use pods::{Pods, lock};
use verifiers::{Kind, Verifier};

const KEY: &str = "/apis/oidc-operator.dev/v1alpha1/namespaces/default/signingkeys/main";
const KEY_SET: &str = "/api/v1/namespaces/default/secrets/oidc-key-set";
const CLIENT: &str = "rotation-proof";
const PERSON: Person<'_> = Person {
    name: "rita",
    password: "keys turn and nobody notices 9",
};
/// The file that docs/integrations.md shows.
const AUTHENTICATION: &str = include_str!("../clients/kube-apiserver/authentication.yaml");
/// A promotion may wait for a pod that starts again, or for an operator that takes over (15 s).
const PATIENCE: Duration = Duration::from_secs(90);

/// What is done, and how much of it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Requests by client_credentials in a second.
    pub machines: u32,
    /// Logins by code in a second: two requests each.
    pub logins: u32,
    /// Lifetime of the tokens, like `5s`.
    pub lifetime: String,
    /// Rotations with a window of this length before, in which nothing happens; each waits until the key
    /// before it is removed.
    pub quiet: Option<Duration>,
    /// How many of those.
    pub windows: usize,
    /// Rotations after them, one for each.
    pub disturbances: Vec<Disturbance>,
    /// Revocations of the key that signs, after all rotations.
    pub revocations: usize,
}

/// A running proof.
struct Scene {
    api: Arc<Api>,
    cluster: Cluster,
    pods: Arc<Pods>,
    load: Arc<Load>,
    publish_for: Duration,
    outcome: Outcome,
    /// The keys of this run.
    minted: BTreeSet<String>,
    /// When the part with verifiers was over.
    proved: Instant,
    /// All that runs beside; it ends with this value.
    tasks: JoinSet<()>,
}

/// Rotates the key `main` under load as the plan says.
///
/// # Errors
/// When a rotation does not come to its end; what it found otherwise is in the outcome.
pub async fn prove(plan: &Plan) -> Result<Outcome> {
    let cluster = Cluster::connect()?;
    cluster.settled(2).await?;
    cluster::wait_for("Ready", "signingkey/main")?;
    let party = party(&plan.lifetime)?;
    trust(&cluster, &party)?;
    let mut tasks = JoinSet::new();
    let verifiers = verifiers(&cluster, &mut tasks).await?;
    let api = Arc::new(Api::start()?);
    let pods = Pods::watch(Arc::clone(&api), cluster.clone(), &mut tasks).await?;
    // the Service spreads connections, not requests
    let service = cluster::json(&["get", "service", "oidc"])?["spec"]["clusterIP"].clone();
    let service = [format!("{}:443", service.as_str().context("its address")?).parse()?];
    let mut people = Vec::new();
    for _ in 0..6 {
        let browser = cluster.browser_of(&service)?;
        party.login(&browser, PERSON).await?;
        people.push(browser);
    }
    eventually("the API server knows the issuer", PATIENCE, async || {
        let token = party.login(&people[0], PERSON).await?.id_token;
        Ok(kubectl_takes(&token.context("an ID token")?)?
            .is_none()
            .then_some(()))
    })
    .await?;
    let machines = cluster.browser_of(&service.repeat(6))?;
    let load = Load::new(party, machines, people, verifiers.clone());
    tasks.spawn(Arc::clone(&load).run(plan.machines, plan.logins));
    let publish_for = api.get(KEY).await?["spec"]["publishFor"].clone();
    let publish_for = publish_for.as_str().and_then(|text| text.strip_suffix('s'));
    let publish_for = publish_for.and_then(|seconds| seconds.parse().ok());
    let mut scene = Scene {
        api,
        cluster,
        pods,
        load,
        publish_for: Duration::from_secs(publish_for.context("publishFor in seconds")?),
        outcome: Outcome::default(),
        minted: BTreeSet::new(),
        proved: Instant::now(),
        tasks,
    };
    let start = Instant::now();
    scene.run(plan).await?;
    scene.outcome.took = start.elapsed();
    Ok(scene.finish(&verifiers).await)
}

impl Scene {
    async fn run(&mut self, plan: &Plan) -> Result<()> {
        self.outcome.publish_for = self.publish_for;
        sleep(Duration::from_secs(2)).await;
        for _ in 0..plan.windows {
            let from = Instant::now();
            sleep(plan.quiet.unwrap_or_default()).await;
            let edit = Instant::now();
            let before = self.latency(from, edit);
            // keys from before this run may have signed tokens that live longer
            let old = self.minted.clone();
            self.rotate(None).await?;
            eventually("the old key is removed", PATIENCE, async || {
                Ok(self.published().is_disjoint(&old).then_some(()))
            })
            .await?;
            let during = self.latency(edit, Instant::now());
            self.outcome.windows.push(Windows { before, during });
        }
        for disturbance in &plan.disturbances {
            self.rotate(Some(*disturbance)).await?;
        }
        // what was signed last is checked until it expires
        let rest: u64 = plan.lifetime.trim_end_matches('s').parse()?;
        sleep(Duration::from_secs(rest)).await;
        self.proved = Instant::now();
        self.load.judged.store(false, Ordering::Relaxed);
        self.pods.closely.store(true, Ordering::Relaxed);
        sleep(Duration::from_secs(1)).await;
        for _ in 0..plan.revocations {
            self.revoke().await?;
        }
        Ok(())
    }

    /// Revokes the key that signs.
    async fn revoke(&mut self) -> Result<()> {
        self.cluster.settled(2).await?;
        let (kid, mut revoked) = eventually("a key signs", PATIENCE, async || {
            let key = self.api.get(KEY).await?;
            let active = key["status"]["activeKid"].as_str().map(str::to_owned);
            let revoked = key["spec"]["revoked"].as_array().cloned().unwrap_or_default();
            let newest = lock(&self.load.signed).last().map(|token| token.kid.to_string());
            Ok((active == newest)
                .then_some(active)
                .flatten()
                .map(|kid| (kid, revoked)))
        })
        .await?;
        revoked.push(json!({"kid": kid}));
        let patch = json!({"spec": {"revoked": revoked}});
        let edit = self.api.patch(KEY, &patch).await?;
        let forgotten = eventually("no pod publishes it", PATIENCE, async || {
            Ok(self.pods.forgotten(&kid, edit))
        })
        .await?;
        sleep(Duration::from_secs(2)).await;
        let signed = lock(&self.load.signed);
        let last = signed.iter().rev().find(|token| *token.kid == *kid);
        let revocation = Revocation {
            published: forgotten - edit,
            signed: last.map_or(Duration::ZERO, |token| {
                token.received.saturating_duration_since(edit)
            }),
        };
        eprintln!(
            "revocation {}: {revocation:?}",
            self.outcome.revocations.len() + 1
        );
        self.outcome.revocations.push(revocation);
        Ok(())
    }

    /// One rotation, until the next key signs everywhere and the API server of Kubernetes knows it.
    async fn rotate(&mut self, disturbance: Option<Disturbance>) -> Result<()> {
        let ready = self.cluster.settled(2).await?;
        let revision = self.api.get(KEY).await?["spec"]["rotation"]["revision"]
            .as_u64()
            .unwrap_or(0)
            + 1;
        let before = self.published();
        let patch = json!({"spec": {"rotation": {"revision": revision}}});
        let edit = self.api.patch(KEY, &patch).await?;
        let cluster = self.cluster.clone();
        let trouble = disturbance.map(|kind| tokio::spawn(kind.cause(cluster, ready)));
        let next = eventually("every pod publishes the next key", PATIENCE, async || {
            let pods = self.pods.now();
            let mut new = pods.values().flat_map(|kids| kids.difference(&before));
            let new = new.next().cloned();
            Ok(new.filter(|kid| pods.values().all(|kids| kids.contains(kid))))
        })
        .await?;
        let served = edit.elapsed();
        let set = key_set_revision(&self.api.get(KEY_SET).await?)?;
        let mut acknowledged = None;
        let first = eventually("the next key signs", PATIENCE, async || {
            if acknowledged.is_none() && self.pods.acknowledged(set) {
                acknowledged = Some(edit.elapsed());
            }
            let signed = lock(&self.load.signed);
            let first = signed.iter().rev().take_while(|token| token.received > edit);
            Ok(first
                .filter(|token| *token.kid == *next)
                .last()
                .map(|token| token.received))
        })
        .await?;
        if let Some(trouble) = trouble {
            trouble.await??;
        }
        sleep(Duration::from_secs(1)).await;
        self.whoami(&next).await?;
        let last = {
            let signed = lock(&self.load.signed);
            let old = signed.iter().rev().find(|token| *token.kid != *next);
            old.map_or(first, |token| token.received)
        };
        self.minted.insert(next);
        let rotation = Rotation {
            disturbance: disturbance.map(|kind| kind.to_string()).unwrap_or_default(),
            served,
            acknowledged: acknowledged.unwrap_or_else(|| first - edit),
            signed: first - edit,
            overlap: last.saturating_duration_since(first),
        };
        eprintln!("rotation {}: {rotation:?}", self.outcome.rotations.len() + 1);
        self.outcome.rotations.push(rotation);
        Ok(())
    }

    /// All `kid`s that some counted pod published in its last answer.
    fn published(&self) -> BTreeSet<String> {
        let pods = self.pods.now();
        pods.values().flat_map(|kids| kids.iter().cloned()).collect()
    }

    /// p99 of token requests that were sent in a window.
    fn latency(&self, from: Instant, to: Instant) -> Duration {
        let answered = lock(&self.load.answered);
        let window = answered
            .iter()
            .filter(|answer| from <= answer.sent && answer.sent < to);
        quantile(&mut window.map(|answer| answer.took).collect::<Vec<_>>(), 99)
    }

    /// Whether the API server takes a fresh ID token of the key.
    async fn whoami(&mut self, kid: &str) -> Result<()> {
        let token = eventually("an ID token of the key", Duration::from_secs(10), async || {
            Ok(lock(&self.load.id_tokens).get(kid).cloned())
        })
        .await?;
        match spawn_blocking(move || kubectl_takes(&token.jwt)).await?? {
            None => self.outcome.whoami += 1,
            Some(said) => self.outcome.strangers.push(said),
        }
        Ok(())
    }

    async fn finish(mut self, verifiers: &[Arc<Verifier>]) -> Outcome {
        self.tasks.shutdown().await;
        let mut outcome = self.outcome;
        let signed = lock(&self.load.signed);
        outcome.requests = self.load.requests.load(Ordering::Relaxed);
        outcome.tokens = signed.len() as u64;
        let sum = |of: fn(&Verifier) -> u64| verifiers.iter().map(|verifier| of(verifier)).sum();
        outcome.checks = sum(|verifier| verifier.checks.load(Ordering::Relaxed));
        outcome.fetches = sum(|verifier| verifier.fetches.load(Ordering::Relaxed));
        outcome.refused = lock(&self.load.refused).clone();
        outcome.failures = lock(&self.load.failures).clone();
        for token in signed.iter().filter(|token| token.received < self.proved) {
            let pods = self.pods.not_publishing(&token.kid, token.received);
            if !pods.is_empty() {
                outcome
                    .unpublished
                    .push(format!("{} by {}", token.kid, pods.join(", ")));
            }
        }
        // nobody's ID tokens are taken again, and the next run begins anew
        let nobody = AUTHENTICATION.split_once("jwt:").map(|(head, _)| head);
        if let Err(error) = self
            .cluster
            .authentication(&format!("{}jwt: []\n", nobody.unwrap_or_default()))
            .and_then(|()| kubectl(&["delete", "oidcclient", CLIENT]))
        {
            eprintln!("not tidied up: {error:#}");
        }
        outcome
    }
}

/// The client under load.
fn party(lifetime: &str) -> Result<RelyingParty> {
    cluster::user(PERSON.name, PERSON.password, "subject: rita")?;
    cluster::client(
        CLIENT,
        &format!(
            "{{redirectUris: ['https://app.example.com/callback'], grantTypes: [authorization_code, client_credentials], \
             scopes: [openid], tokens: {{accessTokenTtl: {lifetime}, idTokenTtl: {lifetime}}}}}"
        ),
    )?;
    let data = cluster::secret(&format!("{CLIENT}-oidc"))?;
    RelyingParty::from_secret(&data, "https://app.example.com/callback", "openid")
}

/// Why the API server does not take an ID token, if it does not.
fn kubectl_takes(token: &str) -> Result<Option<String>> {
    let output = Command::new("kubectl")
        .args(["auth", "whoami", "-o", "json", "--token", token])
        .output()?;
    let taken = output.status.success() && String::from_utf8_lossy(&output.stdout).contains("oidc:rita");
    Ok((!taken).then(|| String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// Lets the API server of Kubernetes take the client's ID tokens.
fn trust(cluster: &Cluster, party: &RelyingParty) -> Result<()> {
    cluster.authentication(
        &AUTHENTICATION
            .replace("$ISSUER_URL", &party.issuer)
            .replace("$CLIENT_ID", &party.client_id)
            .replace("$CA_CRT", &serde_json::to_string(&cluster.ca)?), // JSON text is YAML
    )
}

/// Four strict verifiers, a quarter of the `max-age` apart, and two that ask for what they do not know.
async fn verifiers(cluster: &Cluster, tasks: &mut JoinSet<()>) -> Result<Vec<Arc<Verifier>>> {
    let max_age = Verifier::new(cluster, Kind::Strict, 0)?.max_age().await?;
    let mut all = Vec::new();
    for number in 0..6 {
        let kind = if number < 4 {
            Kind::Strict
        } else {
            Kind::OnUnknownKid
        };
        let verifier = Verifier::new(cluster, kind, number)?;
        tasks.spawn(Arc::clone(&verifier).run(max_age * (number as u32 % 4) / 4));
        all.push(verifier);
    }
    eventually("verifiers have keys", PATIENCE, async || {
        let ready = all
            .iter()
            .all(|verifier| verifier.fetches.load(Ordering::Relaxed) > 0);
        Ok(ready.then_some(()))
    })
    .await?;
    Ok(all)
}

/// The revision in the Secret of the key set.
fn key_set_revision(secret: &Value) -> Result<u64> {
    let text = secret["data"]["key-set.json"].as_str().context("a key set")?;
    let set: Value = serde_json::from_slice(&STANDARD.decode(text)?)?;
    set["revision"].as_u64().context("a revision")
}
