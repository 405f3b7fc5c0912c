//! `kubectl oidc rotate`: asks for the next signing key, or a client's next secret, and tells how it goes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::watcher::watch_object;
use oidc_crds::guard::Guarded;
use oidc_crds::resources::SigningKey;
use oidc_crds::resources::signing_key::Phase;
use serde::Serialize;
use serde_json::json;

mod client;

use crate::access::{Cluster, Sight, told};
use crate::installation::{Which, find};
use crate::output::{Output, plain};
use crate::status::condition;

/// The field manager of what is patched here.
const MANAGER: &str = "kubectl-oidc";

/// `rotate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

/// What is rotated.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Mints the next key of a SigningKey: `spec.rotation.revision` grows by one.
    ///
    /// Nobody notices: the next key is published first, signs once every verifier can know it, and the old
    /// one is published until everything that it signed has expired.
    Key(Rotation),
    /// Replaces the generated secret of an OidcClient: `spec.rotation.now` gets a new word.
    ///
    /// The new secret is accepted before it is in the client's Secret, the old one for the overlap after it.
    Client(client::Rotation),
}

/// What is rotated and whether to wait.
#[derive(Debug, clap::Args)]
struct Rotation {
    /// Its name.
    name: String,
    /// Waits until the new one is in use, and shows each step.
    #[arg(long)]
    wait: bool,
    /// How long to wait, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, requires = "wait")]
    timeout: u64,
    #[command(flatten)]
    output: Output,
}

/// How far it is.
#[derive(Debug, PartialEq)]
enum Progress {
    /// What is waited for.
    Waiting(String),
    /// The kid that signs now.
    Done(String),
    /// It will not happen.
    Refused(String),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    namespace: String,
    name: String,
    revision: u64,
    /// The key that signs now, if it was waited for.
    active_kid: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(
    cluster: &Cluster,
    which: &Which,
    arguments: Arguments,
    now: Timestamp,
) -> Result<()> {
    match arguments.what {
        What::Key(rotation) => key(cluster, which, rotation).await,
        What::Client(rotation) => client::client(cluster, rotation, now).await,
    }
}

async fn key(cluster: &Cluster, which: &Which, rotation: Rotation) -> Result<()> {
    let name = &rotation.name;
    let (namespace, before) = key_named(cluster, which, name).await?;
    let api: Api<SigningKey> = cluster.api(&namespace);
    if before.spec.secret_ref.is_some() {
        bail!(
            "the SigningKey {namespace}/{name} imports its key: put another key into the Secret that its \
             spec.secretRef names (docs/keys.md)"
        );
    }
    // another's edit in between is not undone: the resourceVersion is part of the patch
    let patched = {
        let patch = json!({
            "metadata": {"resourceVersion": before.metadata.resource_version},
            "spec": {"rotation": {"revision": before.spec.revision() + 1}},
        });
        let parameters = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        api.patch(name, &parameters, &Patch::Merge(&patch))
            .await
            .map_err(|error| told(error, &format!("patch the SigningKey {namespace}/{name}")))?
    };
    let mut answer = Answer {
        namespace: namespace.clone(),
        name: name.clone(),
        revision: patched.spec.revision(),
        active_kid: None,
    };
    eprintln!(
        "signingkey {namespace}/{name}: revision {} asks for the next key",
        answer.revision
    );
    if rotation.wait {
        let known = phases(&before);
        let waited = tokio::time::timeout(
            Duration::from_secs(rotation.timeout),
            follow(cluster, &namespace, &patched, &known),
        );
        answer.active_kid = Some(waited.await.with_context(|| {
            format!(
                "the next key does not sign yet: `kubectl oidc status -n {namespace}` shows what it waits for"
            )
        })??);
    }
    rotation.output.print(&answer, || match &answer.active_kid {
        Some(kid) => format!("key {kid} signs\n"),
        None => format!("`kubectl get signingkey {name} -n {namespace} -w` shows how it goes\n"),
    })
}

/// The SigningKey of this name: in the namespace at hand or, if none was named, in the installation's.
async fn key_named(cluster: &Cluster, which: &Which, name: &str) -> Result<(String, SigningKey)> {
    let mut namespace = cluster.namespace.clone();
    let get = async |namespace: &str| {
        let doing = format!("get the SigningKey {namespace}/{name}");
        let got = cluster.api::<SigningKey>(namespace).get_opt(name).await;
        got.map_err(|error| told(error, &doing))
    };
    let here = get(&namespace).await;
    if cluster.namespace_given || matches!(here, Ok(Some(_))) {
        let key = here?.with_context(|| absent(name, &namespace))?;
        return Ok((namespace, key));
    }
    let Sight::Seen(found) = find(cluster, which, None).await? else {
        // that nothing may be read here is the nearer reason
        here?;
        bail!("{}", absent(name, &namespace));
    };
    namespace = found.namespace;
    let key = get(&namespace).await?.with_context(|| absent(name, &namespace))?;
    Ok((namespace, key))
}

fn absent(name: &str, namespace: &str) -> String {
    format!(
        "there is no SigningKey {name} in the namespace {namespace}: name the installation's namespace with -n"
    )
}

/// Watches until a key that was not there before signs; each step is told on standard error.
async fn follow(
    cluster: &Cluster,
    namespace: &str,
    patched: &SigningKey,
    known: &BTreeMap<String, Phase>,
) -> Result<String> {
    let name = patched.metadata.name.as_deref().unwrap_or_default();
    let mut last = (BTreeMap::new(), String::new());
    // a watch that breaks is taken up again; until then nothing is missed, since each event is the whole object
    let mut events = watch_object(cluster.api::<Guarded<SigningKey>>(namespace), name).boxed();
    loop {
        let Ok(Some(event)) = events.try_next().await else {
            continue;
        };
        let Some(event) = event else {
            bail!("the SigningKey {namespace}/{name} was deleted")
        };
        let Ok(key) = event.0 else { continue };
        let now = phases(&key);
        for (kid, phase) in &now {
            if last.0.get(kid) != Some(phase) && known.get(kid) != Some(phase) {
                eprintln!("  {kid}: {phase:?}");
            }
        }
        match progress(&key, patched.metadata.generation, known) {
            Progress::Done(kid) => return Ok(kid),
            Progress::Refused(why) => bail!("the SigningKey {namespace}/{name} is refused: {}", plain(&why)),
            Progress::Waiting(what) => {
                if what != last.1 {
                    eprintln!("  {}", plain(&what));
                }
                last = (now, what);
            }
        }
    }
}

fn phases(key: &SigningKey) -> BTreeMap<String, Phase> {
    let keys = key.status.iter().flat_map(|status| &status.keys);
    keys.map(|state| (state.kid.clone(), state.phase)).collect()
}

/// How far the rotation that made this generation is. A key that was known before does not count.
fn progress(key: &SigningKey, generation: Option<i64>, known: &BTreeMap<String, Phase>) -> Progress {
    let Some(status) = &key.status else {
        return Progress::Waiting("waiting for the operator".to_owned());
    };
    let active = |kid: &&String| !known.contains_key(*kid);
    let next = status
        .keys
        .iter()
        .find(|state| state.phase == Phase::Active)
        .map(|state| &state.kid);
    if let Some(kid) = next.filter(active) {
        return Progress::Done(kid.clone());
    }
    if status.observed_generation < generation {
        return Progress::Waiting(
            "waiting for the operator: `kubectl get pods -l app.kubernetes.io/component=operator`".to_owned(),
        );
    }
    let (accepted, _, why) = condition(&status.conditions, "Accepted");
    if accepted == "False" {
        return Progress::Refused(why.to_owned());
    }
    let (_, reason, message) = condition(&status.conditions, "Ready");
    let mut what = format!("{reason}: {message}");
    if let Some(next) = &status.next_step {
        what.push_str(&format!(" ({next})"));
    }
    Progress::Waiting(what)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn key(generation: i64, keys: Value, accepted: &str) -> SigningKey {
        let condition = |kind: &str, status: &str| {
            json!({
                "type": kind, "status": status, "reason": "WaitingForPods", "message": "not acknowledged by: p1",
                "lastTransitionTime": "2026-11-25T09:00:00Z",
            })
        };
        serde_json::from_value(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "SigningKey",
            "metadata": {"name": "main"}, "spec": {},
            "status": {
                "observedGeneration": generation, "keys": keys, "nextStep": "Active when acknowledged",
                "conditions": [condition("Accepted", accepted), condition("Ready", "False")],
            },
        }))
        .unwrap()
    }

    fn state(kid: &str, phase: &str) -> Value {
        json!({"kid": kid, "algorithm": "RS256", "phase": phase, "createdAt": "2026-11-25T09:00:00Z"})
    }

    #[test]
    fn a_rotation_is_done_when_a_key_signs_that_was_not_there_before() {
        let known = BTreeMap::from([("old".to_owned(), Phase::Active)]);
        let told = |key: &SigningKey| progress(key, Some(2), &known);
        let fresh: SigningKey = serde_json::from_value(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "SigningKey", "metadata": {}, "spec": {},
        }))
        .unwrap();
        assert!(matches!(told(&fresh), Progress::Waiting(_)));
        // the operator has not seen the edit: its word is of the time before
        let late = key(1, json!([state("old", "Active")]), "False");
        assert!(matches!(told(&late), Progress::Waiting(what) if what.contains("operator")));
        let refused = key(2, json!([state("old", "Active")]), "False");
        assert_eq!(
            told(&refused),
            Progress::Refused("not acknowledged by: p1".to_owned())
        );
        let waiting = key(
            2,
            json!([state("new", "Published"), state("old", "Active")]),
            "True",
        );
        assert_eq!(
            told(&waiting),
            Progress::Waiting(
                "WaitingForPods: not acknowledged by: p1 (Active when acknowledged)".to_owned()
            )
        );
        let done = key(
            2,
            json!([state("new", "Active"), state("old", "Retiring")]),
            "True",
        );
        assert_eq!(told(&done), Progress::Done("new".to_owned()));
    }
}
