//! `kubectl oidc rotate client`: asks for the next secret of a client.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::watcher::watch_object;
use oidc_crds::guard::Guarded;
use oidc_crds::resources::OidcClient;
use serde::Serialize;
use serde_json::json;

use super::{MANAGER, Progress};
use crate::access::{Cluster, told};
use crate::output::{Output, plain};
use crate::party::has_secret;
use crate::status::condition;

/// What is rotated and whether to wait.
#[derive(Debug, clap::Args)]
pub(super) struct Rotation {
    /// Name of the OidcClient.
    name: String,
    /// Waits until the new secret is in the client's Secret.
    #[arg(long)]
    wait: bool,
    /// How long to wait, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "wait")]
    timeout: u64,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    namespace: String,
    name: String,
    /// The word that asks for the rotation.
    now: String,
    /// The Secret that holds the new secret, if it was waited for.
    secret: Option<String>,
}

pub(super) async fn client(cluster: &Cluster, rotation: Rotation, now: Timestamp) -> Result<()> {
    let (namespace, name) = (&cluster.namespace, &rotation.name);
    let api: Api<OidcClient> = cluster.api(namespace);
    let before = api
        .get(name)
        .await
        .map_err(|error| told(error, &format!("get the OidcClient {namespace}/{name}")))?;
    if before.spec.secret_ref.is_some() {
        bail!(
            "the secret of the OidcClient {namespace}/{name} is one of yours: put another value into the Secret that \
             its spec.secretRef names"
        );
    }
    if !has_secret(&before) {
        bail!("the OidcClient {namespace}/{name} authenticates without a secret: there is nothing to rotate");
    }
    let mut answer = Answer {
        namespace: namespace.clone(),
        name: name.clone(),
        now: now.to_string(),
        secret: None,
    };
    let patch = json!({
        "metadata": {"resourceVersion": before.metadata.resource_version},
        "spec": {"rotation": {"now": answer.now}},
    });
    let parameters = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patched = api
        .patch(name, &parameters, &Patch::Merge(&patch))
        .await
        .map_err(|error| told(error, &format!("patch the OidcClient {namespace}/{name}")))?;
    eprintln!("oidcclient {namespace}/{name}: a new secret is asked for");
    if rotation.wait {
        let waited = tokio::time::timeout(
            Duration::from_secs(rotation.timeout),
            follow(cluster, name, patched.metadata.generation, &answer.now),
        );
        answer.secret = Some(waited.await.with_context(|| {
            format!("there is no new secret yet: `kubectl oidc debug {name} -n {namespace}` says why")
        })??);
    }
    rotation.output.print(&answer, || match &answer.secret {
        Some(secret) => {
            format!("the Secret {secret} holds the new secret; the old one is accepted for the overlap\n")
        }
        None => {
            format!("`kubectl get oidcclient {name} -n {namespace} -o wide` shows when it was replaced\n")
        }
    })
}

/// Watches until the word was seen to; the name of the Secret.
async fn follow(cluster: &Cluster, name: &str, generation: Option<i64>, word: &str) -> Result<String> {
    let namespace = &cluster.namespace;
    let mut events = watch_object(cluster.api::<Guarded<OidcClient>>(namespace), name).boxed();
    loop {
        // a watch that breaks is taken up again
        let Ok(Some(event)) = events.try_next().await else {
            continue;
        };
        let Some(event) = event else {
            bail!("the OidcClient {namespace}/{name} was deleted")
        };
        let Ok(client) = event.0 else { continue };
        match progress(&client, generation, word) {
            Progress::Done(secret) => return Ok(secret),
            Progress::Refused(why) => bail!("the OidcClient {namespace}/{name} is refused: {}", plain(&why)),
            Progress::Waiting(_) => {}
        }
    }
}

/// How far the rotation is that this word asks for.
fn progress(client: &OidcClient, generation: Option<i64>, word: &str) -> Progress {
    let waiting = Progress::Waiting("waiting for the operator".to_owned());
    let Some(status) = client
        .status
        .as_ref()
        .filter(|status| status.observed_generation >= generation)
    else {
        return waiting;
    };
    let (accepted, _, why) = condition(&status.conditions, "Accepted");
    if accepted == "False" {
        return Progress::Refused(why.to_owned());
    }
    let handled = status
        .rotation
        .as_ref()
        .and_then(|rotation| rotation.now.as_deref());
    let (ready, ..) = condition(&status.conditions, "Ready");
    // the old secret's retirement is planned once the new one is delivered
    let delivered = status
        .credentials
        .iter()
        .filter(|known| known.retires_at.is_none())
        .count()
        == 1;
    match &status.secret {
        Some(secret) if handled == Some(word) && ready == "True" && delivered => {
            Progress::Done(secret.name.clone())
        }
        _ => waiting,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn object(generation: i64, handled: &str, accepted: &str, credentials: Value) -> OidcClient {
        let condition = |kind: &str, status: &str| {
            json!({
                "type": kind, "status": status, "reason": "Any", "message": "not granted",
                "lastTransitionTime": "2026-11-25T09:00:00Z",
            })
        };
        serde_json::from_value(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient",
            "metadata": {"name": "app"}, "spec": {"redirectUris": []},
            "status": {
                "observedGeneration": generation, "rotation": {"now": handled}, "credentials": credentials,
                "conditions": [condition("Accepted", accepted), condition("Ready", "True")],
                "secret": {"name": "app-oidc", "uid": "s1", "resourceVersion": "7"},
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_secret_is_new_once_the_word_was_seen_to_and_it_is_delivered() {
        let old = json!({"id": "a", "digest": "d", "createdAt": "2026-11-24T09:00:00Z"});
        let retiring = json!({
            "id": "a", "digest": "d", "createdAt": "2026-11-24T09:00:00Z", "retiresAt": "2026-11-26T09:00:00Z"
        });
        let new = json!({"id": "b", "digest": "d", "createdAt": "2026-11-25T09:00:00Z"});
        let told = |client: &OidcClient| progress(client, Some(2), "w2");
        assert!(matches!(
            told(&object(1, "w1", "True", json!([old]))),
            Progress::Waiting(_)
        ));
        assert!(matches!(
            told(&object(2, "w1", "True", json!([old]))),
            Progress::Waiting(_)
        ));
        let first_write = object(2, "w2", "True", json!([old, new]));
        assert!(matches!(told(&first_write), Progress::Waiting(_)));
        let done = object(2, "w2", "True", json!([retiring, new]));
        assert_eq!(told(&done), Progress::Done("app-oidc".to_owned()));
        let refused = object(2, "w1", "False", json!([old]));
        assert_eq!(told(&refused), Progress::Refused("not granted".to_owned()));
    }
}
