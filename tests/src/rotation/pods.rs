//! What each counted pod publishes and has acknowledged, with times.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use url::Url;

use super::api::Api;
use crate::browser::{Page, plain};
use crate::cluster::Cluster;

/// How often the API server is asked for pods and Leases, and a pod for its JWKS.
const EVERY: Duration = Duration::from_millis(50);
/// How often a pod is asked while keys are revoked, which takes effect faster than that.
const CLOSELY: Duration = Duration::from_millis(10);
/// A pod that gave no answer for so long was not there to be asked: its next answer is what counts.
const AWAY: Duration = Duration::from_secs(1);
const PODS: &str = "/api/v1/namespaces/default/pods?labelSelector=app.kubernetes.io/component=provider";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases?labelSelector=app.kubernetes.io/component=provider";

/// One answer of `/jwks.json`.
#[derive(Debug, Clone)]
pub struct Published {
    /// When it was there.
    pub at: Instant,
    /// The `kid`s in it.
    pub kids: Arc<BTreeSet<String>>,
}

/// A pod that counts: it exists and has a Lease or is Ready.
#[derive(Debug, Clone)]
struct Counted {
    address: SocketAddr,
    /// The key set's revision of its Lease.
    revision: u64,
}

/// What a pod said since it counts.
#[derive(Debug)]
struct History {
    since: Instant,
    answers: Vec<Published>,
}

/// All that was seen.
#[derive(Default)]
pub struct Pods {
    counted: Mutex<BTreeMap<String, Counted>>,
    histories: Mutex<BTreeMap<String, History>>,
    /// Whether pods are asked more often.
    pub closely: AtomicBool,
}

impl Pods {
    /// Starts to watch, in `tasks`.
    ///
    /// # Errors
    /// When the pods cannot be listed.
    pub async fn watch(api: Arc<Api>, cluster: Cluster, tasks: &mut JoinSet<()>) -> Result<Arc<Self>> {
        let pods = Arc::new(Self::default());
        pods.count(&api).await?;
        let all = Arc::clone(&pods);
        tasks.spawn(async move {
            let mut asked: JoinSet<()> = JoinSet::new();
            let mut known = BTreeSet::new();
            loop {
                for (name, pod) in lock(&all.counted).clone() {
                    if known.insert((name.clone(), pod.address)) {
                        asked.spawn(Arc::clone(&all).ask(name, pod.address, cluster.clone()));
                    }
                }
                sleep(EVERY).await;
                if let Err(error) = all.count(&api).await {
                    eprintln!("pods were not listed: {error:#}");
                }
            }
        });
        Ok(pods)
    }

    async fn count(&self, api: &Api) -> Result<()> {
        let (pods, leases) = futures::future::try_join(api.get(PODS), api.get(LEASES)).await?;
        let leases: BTreeMap<_, _> = items(&leases).filter_map(acknowledged).collect();
        let now = items(&pods).filter_map(|pod| {
            let name = pod["metadata"]["name"].as_str()?.to_owned();
            let status = &pod["status"];
            let ended = ["Failed", "Succeeded"].contains(&status["phase"].as_str()?);
            let conditions = status["conditions"].as_array().map_or(&[][..], Vec::as_slice);
            let ready = conditions
                .iter()
                .any(|c| c["type"] == "Ready" && c["status"] == "True");
            let revision = leases.get(&name).copied();
            if ended || !(ready || revision.is_some()) {
                return None;
            }
            let address = format!("{}:8443", status["podIP"].as_str()?).parse().ok()?;
            let revision = revision.unwrap_or(0);
            Some((name, Counted { address, revision }))
        });
        let now: BTreeMap<_, _> = now.collect();
        for name in now.keys() {
            let mut histories = lock(&self.histories);
            histories.entry(name.clone()).or_insert_with(|| History {
                since: Instant::now(),
                answers: Vec::new(),
            });
        }
        *lock(&self.counted) = now;
        Ok(())
    }

    /// Asks one pod for its JWKS until it is gone.
    async fn ask(self: Arc<Self>, name: String, address: SocketAddr, cluster: Cluster) {
        let url = format!("{}/jwks.json", cluster.issuer);
        let (Ok(url), Ok(browser)) = (Url::parse(&url), cluster.browser_of(&[address])) else {
            return;
        };
        let mut last = Arc::new(BTreeSet::new());
        while lock(&self.counted).contains_key(&name) {
            let request = browser.request(Method::GET, url.clone()).timeout(AWAY);
            let kids = plain(request).await.and_then(|page| kids(&page));
            if let Ok(kids) = kids {
                if kids != *last {
                    last = Arc::new(kids);
                }
                let answer = Published {
                    at: Instant::now(),
                    kids: Arc::clone(&last),
                };
                if let Some(history) = lock(&self.histories).get_mut(&name) {
                    history.answers.push(answer);
                }
            }
            let closely = self.closely.load(Ordering::Relaxed);
            sleep(if closely { CLOSELY } else { EVERY }).await;
        }
    }

    /// What the counted pods published in their last answers.
    #[must_use]
    pub fn now(&self) -> BTreeMap<String, Arc<BTreeSet<String>>> {
        let counted = lock(&self.counted);
        lock(&self.histories)
            .iter()
            .filter(|(name, _)| counted.contains_key(*name))
            .filter_map(|(name, history)| Some((name.clone(), Arc::clone(&history.answers.last()?.kids))))
            .collect()
    }

    /// Whether every counted pod acknowledged at least this revision of the key set.
    #[must_use]
    pub fn acknowledged(&self, revision: u64) -> bool {
        lock(&self.counted).values().all(|pod| pod.revision >= revision)
    }

    /// When each counted pod first answered without the key after `time`; `None` while one still publishes it.
    #[must_use]
    pub fn forgotten(&self, kid: &str, time: Instant) -> Option<Instant> {
        let counted = lock(&self.counted);
        let histories = lock(&self.histories);
        let pods = histories.iter().filter(|(name, _)| counted.contains_key(*name));
        let first = pods.map(|(_, history)| {
            let from = history.answers.partition_point(|answer| answer.at <= time);
            let mut later = history.answers[from..].iter();
            later
                .find(|answer| !answer.kids.contains(kid))
                .map(|answer| answer.at)
        });
        first.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// The pods that did not publish the key when a token that it signed was received.
    #[must_use]
    pub fn not_publishing(&self, kid: &str, received: Instant) -> Vec<String> {
        lock(&self.histories)
            .iter()
            .filter(|(_, history)| !published(history, kid, received))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

/// Whether a pod published the key at a time: in the answers right before and after it; if it gave none
/// then (it was killed, it is new), in its next one; if there is none, nobody could ask it. Before it
/// counted, nobody was sent to it.
fn published(history: &History, kid: &str, time: Instant) -> bool {
    if time < history.since {
        return true;
    }
    let answers = &history.answers;
    let next = answers.partition_point(|answer| answer.at <= time);
    let after = answers.get(next);
    let before = next.checked_sub(1).map(|index| &answers[index]);
    let near = before.filter(|before| time - before.at <= AWAY);
    near.into_iter()
        .chain(after)
        .all(|answer| answer.kids.contains(kid))
}

fn kids(page: &Page) -> Result<BTreeSet<String>> {
    let keys = page.json()?;
    let keys = keys["keys"].as_array().context("keys")?;
    keys.iter()
        .map(|key| Ok(key["kid"].as_str().context("a kid")?.to_owned()))
        .collect()
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

fn acknowledged(lease: &Value) -> Option<(String, u64)> {
    let name = lease["metadata"]["name"].as_str()?.to_owned();
    let word = lease["metadata"]["annotations"]["oidc-operator.dev/key-set"].as_str();
    let revision = word.and_then(|word| word.split_once('-')?.0.parse().ok());
    Some((name, revision.unwrap_or(0)))
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_must_be_in_the_answers_around_a_token() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let answer = |ms, kids: &[&str]| Published {
            at: at(ms),
            kids: Arc::new(kids.iter().map(|&kid| kid.to_owned()).collect()),
        };
        let history = History {
            since: at(20),
            answers: vec![
                answer(100, &["a"]),
                answer(200, &["a", "b"]),
                answer(5000, &["b"]),
            ],
        };
        assert!(published(&history, "c", at(10)), "not yet counted");
        assert!(published(&history, "a", at(150)));
        assert!(!published(&history, "b", at(150)), "published a moment later");
        assert!(published(&history, "b", at(3000)), "away, and back with it");
        assert!(!published(&history, "a", at(3000)), "away, and back without it");
        assert!(!published(&history, "a", at(5100)), "its last answer lacks it");
        assert!(published(&history, "a", at(7000)), "gone");
        assert!(!published(&history, "c", at(50)), "new, and does not know it");
    }
}
