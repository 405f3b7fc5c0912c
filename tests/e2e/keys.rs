//! Rotations in the presence of pods that do not answer.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use oidc_e2e::cluster::{self, Cluster, kubectl};
use oidc_e2e::eventually;
use serde_json::Value;

/// Reason and message of the condition `Ready` of the SigningKey `main`.
fn ready() -> Result<(String, String)> {
    let key = cluster::json(&["get", "signingkey", "main"])?;
    let conditions = key["status"]["conditions"].as_array().context("conditions")?;
    let ready = conditions
        .iter()
        .find(|condition| condition["type"] == "Ready")
        .context("a condition Ready")?;
    let text = |member: &str| ready[member].as_str().unwrap_or_default().to_owned();
    Ok((text("reason"), text("message")))
}

fn active_kid() -> Result<Value> {
    Ok(cluster::json(&["get", "signingkey", "main"])?["status"]["activeKid"].clone())
}

#[tokio::test]
async fn i3_a_pod_that_is_stuck_is_named_and_waited_for_until_it_is_deleted() -> Result<()> {
    let cluster = Cluster::connect()?;
    let pods = cluster.settled(2).await?;
    let stuck = &pods[0].name;
    cluster::wait_for("Ready", "signingkey/main")?;
    let old = active_kid()?;
    cluster.freeze(&pods[0])?;
    cluster::rotate()?;
    eventually("the pod is named", Duration::from_secs(60), async || {
        let (reason, message) = ready()?;
        Ok((reason == "WaitingForPods" && message.ends_with(&format!(": {stuck}"))).then_some(()))
    })
    .await?;
    eventually("an Event names it", Duration::from_secs(60), async || {
        let events = kubectl(&["get", "events", "--field-selector", "reason=WaitingForPods"])?;
        Ok(events.contains(stuck.as_str()).then_some(()))
    })
    .await?;
    ensure!(active_kid()? == old, "i3: the present key signs on");

    // What the runbook says of a node that does not answer.
    kubectl(&["delete", "pod", stuck, "--force", "--grace-period=0"])?;
    cluster::wait_for("Ready", "signingkey/main")?;
    ensure!(active_kid()? != old, "nobody waits for a pod that is gone");
    let lease = ["get", "lease", stuck, "--ignore-not-found", "-o", "name"];
    eventually("its Lease goes with it", Duration::from_secs(60), async || {
        Ok(kubectl(&lease)?.is_empty().then_some(()))
    })
    .await?;
    cluster.settled(2).await.map(drop)
}
