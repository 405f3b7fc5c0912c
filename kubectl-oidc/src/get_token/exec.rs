//! kubectl's protocol for credential plugins (`client.authentication.k8s.io`).

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The environment variable by which kubectl says that it wants a credential.
pub(crate) const VARIABLE: &str = "KUBERNETES_EXEC_INFO";
const GROUP: &str = "client.authentication.k8s.io";

/// The version that kubectl wants its answer in; `None`: nobody asks.
pub(crate) fn asked(info: Option<&str>) -> Result<Option<String>> {
    let Some(info) = info else { return Ok(None) };
    let info: Value = serde_json::from_str(info).with_context(|| format!("{VARIABLE} is no JSON"))?;
    let version = info["apiVersion"].as_str().unwrap_or_default();
    let known = [format!("{GROUP}/v1"), format!("{GROUP}/v1beta1")];
    ensure!(
        known.iter().any(|known| known == version),
        "kubectl asks for a credential in {version:?}: set the exec plugin's apiVersion to {} in the kubeconfig",
        known[0]
    );
    Ok(Some(version.to_owned()))
}

/// The credential. kubectl asks again once it has expired.
pub(crate) fn credential(version: Option<&str>, token: &str, expires_at: Timestamp) -> Value {
    json!({
        "apiVersion": version.map_or_else(|| format!("{GROUP}/v1"), str::to_owned),
        "kind": "ExecCredential",
        "status": {"token": token, "expirationTimestamp": expires_at.to_string()},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_gets_its_answer_in_the_version_that_it_asked_for() {
        let ask = |version: &str| {
            asked(Some(
                &json!({"apiVersion": version, "kind": "ExecCredential", "spec": {}}).to_string(),
            ))
        };
        assert_eq!(asked(None).unwrap(), None);
        for good in [
            "client.authentication.k8s.io/v1",
            "client.authentication.k8s.io/v1beta1",
        ] {
            assert_eq!(ask(good).unwrap().as_deref(), Some(good));
        }
        assert!(
            ask("client.authentication.k8s.io/v1alpha1")
                .unwrap_err()
                .to_string()
                .contains("apiVersion")
        );
        assert!(asked(Some("x")).is_err());
        let at = "2026-11-25T10:00:00Z".parse().unwrap();
        assert_eq!(
            credential(None, "t", at),
            json!({
                "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                "status": {"token": "t", "expirationTimestamp": "2026-11-25T10:00:00Z"},
            })
        );
        assert_eq!(
            credential(Some("client.authentication.k8s.io/v1beta1"), "t", at)["apiVersion"],
            "client.authentication.k8s.io/v1beta1"
        );
    }
}
