//! `kubectl oidc status`: signing keys, clients and pods of an installation at one glance.

use anyhow::Result;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::api::ListParams;
use oidc_crds::guard::Guarded;
use oidc_crds::names::{ANNOTATION_KEY_SET, provider_labels};
use oidc_crds::resources::signing_key::Phase;
use oidc_crds::resources::{OidcClient, SigningKey};
use oidc_crds::secrets::installation::Namespaces;
use serde::Serialize;

use crate::access::{Cluster, Sight, look, told};
use crate::installation::{Found, Which, find};
use crate::output::{Output, age, plain, table};
use crate::shell::now;

/// `status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only this OidcClient; default: all that may be seen.
    client: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// What is shown.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    installation: Option<Summary>,
    signing_keys: Vec<KeyLine>,
    clients: Vec<ClientLine>,
    pods: Vec<PodLine>,
    /// Rights that the caller lacks.
    hidden: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    namespace: String,
    release: String,
    issuer: String,
    class_name: String,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyLine {
    signing_key: String,
    algorithm: String,
    kid: String,
    phase: String,
    ready: String,
    reason: String,
    next_step: String,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ClientLine {
    namespace: String,
    name: String,
    client_id: String,
    ready: String,
    reason: String,
    message: String,
    /// When the newest credential was made.
    secret_created_at: Option<Timestamp>,
    /// When it was last used, up to some minutes ago.
    last_used_at: Option<Timestamp>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct PodLine {
    name: String,
    ready: bool,
    /// The key set that it has acknowledged.
    key_set: String,
    /// Whether another pod has acknowledged a later one.
    behind: bool,
}

/// Runs the command.
pub(crate) async fn run(cluster: &Cluster, which: &Which, arguments: Arguments) -> Result<()> {
    let mut report = Report::default();
    let one = match &arguments.client {
        None => None,
        Some(name) => Some(
            cluster
                .api::<Guarded<OidcClient>>(&cluster.namespace)
                .get(name)
                .await
                .map_err(|error| told(error, &format!("get the OidcClient {}/{name}", cluster.namespace)))?,
        ),
    };
    let readable = one.as_ref().and_then(|client| client.0.as_ref().ok());
    let found = find(cluster, which, readable).await?;
    let found = found.or_note(&mut report.hidden);
    if let Some(found) = &found {
        report.installation = Some(Summary {
            namespace: found.namespace.clone(),
            release: found.config.release.clone(),
            issuer: found.config.issuer.clone(),
            class_name: found.config.class_name.clone(),
        });
        let right = format!("list signingkeys in the namespace {}", found.namespace);
        let keys = look(right, cluster.api(&found.namespace).list(&ListParams::default())).await?;
        report.signing_keys = key_lines(&keys.or_note(&mut report.hidden).unwrap_or_else(empty).items);
        report.pods = pods(cluster, found, &mut report.hidden).await?;
    }
    let clients = match one {
        Some(client) => vec![client],
        None => clients(cluster, found.as_ref(), &mut report.hidden).await?,
    };
    report.clients = clients.iter().map(client_line).collect();
    let now = now();
    arguments.output.print(&report, || text(&report, now))
}

fn empty<K: Clone>() -> kube::core::ObjectList<K> {
    kube::core::ObjectList {
        types: Default::default(),
        metadata: Default::default(),
        items: Vec::new(),
    }
}

/// All clients if the caller may see them; otherwise those of the namespaces that are served, or at hand.
async fn clients(
    cluster: &Cluster,
    found: Option<&Found>,
    hidden: &mut Vec<String>,
) -> Result<Vec<Guarded<OidcClient>>> {
    let everything = ListParams::default();
    let mut namespaces = vec![cluster.namespace.clone()];
    if !cluster.namespace_given {
        let right = "list oidcclients in all namespaces";
        match look(right, cluster.all().list(&everything)).await? {
            Sight::Seen(list) => return Ok(list.items),
            Sight::Hidden(right) => hidden.push(right),
        }
        if let Some(Namespaces::Watch(served)) = found.map(|found| &found.config.namespaces) {
            namespaces.extend(served.iter().cloned());
            namespaces.sort();
            namespaces.dedup();
        }
    }
    let mut clients = Vec::new();
    for namespace in namespaces {
        let right = format!("list oidcclients in the namespace {namespace}");
        let list = look(right, cluster.api(&namespace).list(&everything)).await?;
        clients.extend(list.or_note(hidden).unwrap_or_else(empty).items);
    }
    Ok(clients)
}

async fn pods(cluster: &Cluster, found: &Found, hidden: &mut Vec<String>) -> Result<Vec<PodLine>> {
    let namespace = &found.namespace;
    let labels = provider_labels(&found.config.release).map(|(name, value)| format!("{name}={value}"));
    let parameters = ListParams::default().labels(&labels.join(","));
    let right = format!("list pods in the namespace {namespace}");
    let pods = look(right, cluster.api(namespace).list(&parameters)).await?;
    let right = format!("list leases in the namespace {namespace}");
    let leases = look(right, cluster.api(namespace).list(&parameters)).await?;
    Ok(pod_lines(
        &pods.or_note(hidden).unwrap_or_else(empty).items,
        &leases.or_note(hidden).unwrap_or_else(empty).items,
    ))
}

/// Status and reason of a condition; empty if there is none.
pub(crate) fn condition<'a>(conditions: &'a [Condition], kind: &str) -> (&'a str, &'a str, &'a str) {
    let found = conditions.iter().find(|condition| condition.type_ == kind);
    found.map_or(("", "", ""), |found| {
        (&found.status, &found.reason, &found.message)
    })
}

fn key_lines(keys: &[Guarded<SigningKey>]) -> Vec<KeyLine> {
    let mut lines = Vec::new();
    for key in keys {
        let name = key.name_any();
        let blank = |reason: &str, algorithm: &str, ready: &str, next: &str| KeyLine {
            signing_key: name.clone(),
            algorithm: algorithm.to_owned(),
            kid: String::new(),
            phase: String::new(),
            ready: ready.to_owned(),
            reason: reason.to_owned(),
            next_step: next.to_owned(),
        };
        let key = match &key.0 {
            Ok(key) => key,
            Err(odd) => {
                lines.push(blank("Unparsable", "", "", &odd.to_string()));
                continue;
            }
        };
        let status = key.status.clone().unwrap_or_default();
        let (ready, reason, _) = condition(&status.conditions, "Ready");
        let next = status.next_step.as_deref().unwrap_or_default();
        let living: Vec<_> = status
            .keys
            .iter()
            .filter(|key| key.phase != Phase::Removed)
            .collect();
        if living.is_empty() {
            lines.push(blank(reason, key.spec.algorithm().as_str(), ready, next));
        }
        for (index, state) in living.into_iter().enumerate() {
            let first = if index == 0 { next } else { "" };
            lines.push(KeyLine {
                kid: state.kid.clone(),
                phase: format!("{:?}", state.phase),
                ..blank(reason, state.algorithm.as_str(), ready, first)
            });
        }
    }
    lines
}

fn client_line(client: &Guarded<OidcClient>) -> ClientLine {
    let line = ClientLine {
        namespace: client.namespace().unwrap_or_default(),
        name: client.name_any(),
        client_id: String::new(),
        ready: String::new(),
        reason: String::new(),
        message: String::new(),
        secret_created_at: None,
        last_used_at: None,
    };
    match &client.0 {
        Err(odd) => ClientLine {
            ready: "False".to_owned(),
            reason: "Unparsable".to_owned(),
            message: odd.to_string(),
            ..line
        },
        Ok(client) => {
            let status = client.status.clone().unwrap_or_default();
            let (ready, reason, message) = condition(&status.conditions, "Ready");
            ClientLine {
                client_id: status.client_id.clone().unwrap_or_default(),
                ready: ready.to_owned(),
                reason: reason.to_owned(),
                message: message.to_owned(),
                secret_created_at: status.credentials.iter().map(|made| made.created_at.0).max(),
                last_used_at: status.last_used_at.map(|used| used.0),
                ..line
            }
        }
    }
}

/// Pods in the order of their names, each with its own Lease's word.
fn pod_lines(pods: &[Pod], leases: &[Lease]) -> Vec<PodLine> {
    let word_of = |pod: &Pod| {
        let lease = leases.iter().find(|lease| {
            let owners = lease.owner_references();
            lease.name_any() == pod.name_any()
                && owners
                    .iter()
                    .any(|owner| Some(&owner.uid) == pod.metadata.uid.as_ref())
        });
        lease.and_then(|lease| lease.annotations().get(ANNOTATION_KEY_SET).cloned())
    };
    let revision = |word: &str| {
        word.split_once('-')
            .and_then(|(revision, _)| revision.parse::<u64>().ok())
    };
    let mut lines: Vec<PodLine> = pods
        .iter()
        .map(|pod| PodLine {
            name: pod.name_any(),
            ready: is_ready(pod),
            key_set: word_of(pod).unwrap_or_default(),
            behind: false,
        })
        .collect();
    let latest = lines.iter().filter_map(|line| revision(&line.key_set)).max();
    for line in &mut lines {
        line.behind = revision(&line.key_set) < latest;
    }
    lines.sort_by(|a, b| a.name.cmp(&b.name));
    lines
}

/// Whether a pod gets requests.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn text(report: &Report, now: Timestamp) -> String {
    let mut sections = Vec::new();
    if let Some(found) = &report.installation {
        sections.push(format!(
            "Installation {}/{}, class {}, issuer {}\n",
            found.namespace, found.release, found.class_name, found.issuer
        ));
    }
    let none = |what: &str| format!("No {what}.\n");
    let keys: Vec<Vec<String>> = report
        .signing_keys
        .iter()
        .map(|key| {
            let KeyLine {
                signing_key,
                algorithm,
                kid,
                phase,
                ready,
                reason,
                next_step,
            } = key;
            [signing_key, algorithm, kid, phase, ready, reason, next_step]
                .map(Clone::clone)
                .into()
        })
        .collect();
    if !keys.is_empty() {
        let headings = [
            "SIGNINGKEY",
            "ALGORITHM",
            "KID",
            "PHASE",
            "READY",
            "REASON",
            "NEXT",
        ];
        sections.push(table(&headings, &keys));
    } else if report.installation.is_some() && !is_hidden(report, "signingkeys") {
        sections.push(none("SigningKeys"));
    }
    let clients: Vec<Vec<String>> = report
        .clients
        .iter()
        .map(|client| {
            let ago = |at: Option<Timestamp>| at.map_or_else(String::new, |at| age(at, now));
            let ClientLine {
                namespace,
                name,
                client_id,
                ready,
                reason,
                ..
            } = client;
            vec![
                namespace.clone(),
                name.clone(),
                client_id.clone(),
                ready.clone(),
                reason.clone(),
                ago(client.secret_created_at),
                ago(client.last_used_at),
            ]
        })
        .collect();
    if !clients.is_empty() {
        let headings = [
            "NAMESPACE",
            "OIDCCLIENT",
            "CLIENT ID",
            "READY",
            "REASON",
            "SECRET AGE",
            "LAST USED",
        ];
        let mut section = table(&headings, &clients);
        for client in report.clients.iter().filter(|client| client.ready == "False") {
            let name = format!("{}/{}", client.namespace, client.name);
            section.push_str(&format!("{name}: {}\n", plain(&client.message)));
        }
        sections.push(section);
    } else if !is_hidden(report, "oidcclients") {
        sections.push(none("OidcClients"));
    }
    let pods: Vec<Vec<String>> = report
        .pods
        .iter()
        .map(|pod| {
            let key_set = match (pod.key_set.is_empty(), pod.behind) {
                (false, true) => format!("{} (behind)", pod.key_set),
                _ => pod.key_set.clone(),
            };
            vec![
                pod.name.clone(),
                if pod.ready { "True" } else { "False" }.to_owned(),
                key_set,
            ]
        })
        .collect();
    if !pods.is_empty() {
        sections.push(table(&["POD", "READY", "KEY SET"], &pods));
    } else if report.installation.is_some() && !is_hidden(report, "pods") {
        sections.push(none("provider pods: nobody can sign in"));
    }
    if !report.hidden.is_empty() {
        sections.push(format!(
            "Not shown, for want of the right to:\n  {}\n",
            report.hidden.join("\n  ")
        ));
    }
    sections.join("\n")
}

fn is_hidden(report: &Report, what: &str) -> bool {
    report.hidden.iter().any(|right| right.contains(what))
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    fn read<K: DeserializeOwned>(value: Value) -> K {
        serde_json::from_value(value).unwrap()
    }

    fn conditions(ready: &str, reason: &str, message: &str) -> Value {
        json!([{
            "type": "Ready", "status": ready, "reason": reason, "message": message,
            "lastTransitionTime": "2026-11-25T09:00:00Z",
        }])
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn keys_are_shown_with_phase_and_next_step_and_removed_ones_are_not() {
        let key = read(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "SigningKey",
            "metadata": {"name": "main", "namespace": "idp"},
            "spec": {},
            "status": {
                "conditions": conditions("False", "WaitingForCaches", ""),
                "nextStep": "Active at 2026-11-25T10:00:00Z",
                "keys": [
                    {"kid": "new", "algorithm": "RS256", "phase": "Published", "createdAt": "2026-11-25T09:00:00Z"},
                    {"kid": "old", "algorithm": "RS256", "phase": "Active", "createdAt": "2026-11-24T09:00:00Z"},
                    {"kid": "gone", "algorithm": "RS256", "phase": "Removed", "createdAt": "2026-11-23T09:00:00Z"},
                ],
            },
        }));
        let odd = read(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "SigningKey",
            "metadata": {"name": "odd", "namespace": "idp"}, "spec": {"algorithm": 1},
        }));
        let lines = key_lines(&[key, odd]);
        let shown: Vec<_> = lines
            .iter()
            .map(|line| (line.kid.as_str(), line.phase.as_str(), line.next_step.as_str()))
            .collect();
        assert_eq!(shown[0], ("new", "Published", "Active at 2026-11-25T10:00:00Z"));
        assert_eq!(shown[1], ("old", "Active", ""));
        assert_eq!((lines.len(), lines[2].reason.as_str()), (3, "Unparsable"));
        assert!(shown[2].2.contains("spec.algorithm"));
    }

    #[test]
    fn pods_have_the_word_of_their_own_lease_and_stragglers_are_named() {
        let pod = |name: &str, uid: &str, ready: &str| -> Pod {
            read(json!({
                "metadata": {"name": name, "uid": uid},
                "status": {"conditions": [{"type": "Ready", "status": ready}]},
            }))
        };
        let lease = |name: &str, uid: &str, word: &str| -> Lease {
            read(json!({"metadata": {
                "name": name, "annotations": {ANNOTATION_KEY_SET: word},
                "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}],
            }}))
        };
        let lines = pod_lines(
            &[
                pod("c", "3", "True"),
                pod("b", "2", "False"),
                pod("a", "1", "True"),
                pod("d", "4", "True"),
            ],
            &[
                lease("a", "1", "10-aa"),
                lease("b", "2", "9-bb"),
                lease("c", "old", "10-aa"),
            ],
        );
        let shown: Vec<_> = lines
            .iter()
            .map(|line| (line.name.as_str(), line.ready, line.key_set.as_str(), line.behind))
            .collect();
        assert_eq!(
            shown,
            [
                ("a", true, "10-aa", false),
                ("b", false, "9-bb", true),
                ("c", true, "", true),
                ("d", true, "", true)
            ]
        );
    }

    #[test]
    fn a_report_tells_ages_reasons_and_what_is_hidden() {
        let good: Guarded<OidcClient> = read(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient",
            "metadata": {"name": "shop", "namespace": "team"}, "spec": {},
            "status": {
                "clientId": "team.shop", "conditions": conditions("True", "Ready", ""),
                "lastUsedAt": "2026-11-25T11:55:00Z",
                "credentials": [
                    {"id": "1", "digest": "d", "createdAt": "2026-11-20T09:00:00Z"},
                    {"id": "2", "digest": "d", "createdAt": "2026-11-25T09:00:00Z"},
                ],
            },
        }));
        let bad: Guarded<OidcClient> = read(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient",
            "metadata": {"name": "bad", "namespace": "team"}, "spec": {},
            "status": {"conditions": conditions("False", "Invalid", "spec.scopes: no\u{7}")},
        }));
        let report = Report {
            clients: vec![client_line(&good), client_line(&bad)],
            hidden: vec!["list pods in the namespace idp".to_owned()],
            ..Report::default()
        };
        let shown = text(&report, at("2026-11-25T12:00:00Z"));
        assert!(
            shown.contains("team        shop         team.shop   True    Ready     3h           5m"),
            "{shown}"
        );
        assert!(shown.contains("team/bad: spec.scopes: no?"), "{shown}");
        assert!(
            shown.contains("Not shown, for want of the right to:\n  list pods in the namespace idp"),
            "{shown}"
        );
        assert_eq!(
            serde_json::to_value(&report).unwrap()["clients"][0]["secretCreatedAt"],
            "2026-11-25T09:00:00Z"
        );
    }
}
