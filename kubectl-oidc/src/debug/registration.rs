//! What the API server's objects say about a client: pure, by the same validator as operator and provider.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::ResourceExt;
use oidc_crds::arbitrate::arbitrate;
use oidc_crds::client::Client;
use oidc_crds::guard::Guarded;
use oidc_crds::names::{Algorithm, GrantType};
use oidc_crds::resources::signing_key::Phase;
use oidc_crds::resources::{OidcClient, OidcUser, Reason, SigningKey};
use oidc_crds::secrets::installation::{Belongs, Installation};
use oidc_crds::validate::{is_ours, validate, validate_user};

use super::line::Line;
use crate::access::Sight;
use crate::output::age;
use crate::redirect::{is_registered, why_not};
use crate::status::{condition, is_ready};

/// Labels of namespaces, as far as they may be read.
pub(super) type Labels = BTreeMap<String, BTreeMap<String, String>>;

/// Whether the client belongs to this installation, and its namespace is served. `hidden_classes` is the right
/// without which other installations cannot be seen.
pub(super) fn served(
    client: &OidcClient,
    installation: &Installation,
    labels: &Sight<Labels>,
    hidden_classes: Option<&String>,
) -> Vec<Line> {
    let namespace = client.namespace().unwrap_or_default();
    let known = known(labels, &namespace);
    let class = class(client, installation, known, hidden_classes);
    let namespace = match (installation.serves(&namespace, known), labels) {
        (Some(true), _) => Line::ok("namespace", format!("{namespace} is served")),
        (Some(false), _) => Line::failed(
            "namespace",
            format!("{namespace} is not served by the installation"),
            "have it added to the chart's watchNamespaces, or label it as the chart's namespaceSelector says",
        ),
        (None, Sight::Hidden(right)) => Line::hidden("namespace", right),
        (None, Sight::Seen(_)) => Line::unknown(
            "namespace",
            format!("the labels of {namespace} are not known"),
            "",
        ),
    };
    vec![class, namespace]
}

/// Whose the client is.
fn class(
    client: &OidcClient,
    installation: &Installation,
    labels: Option<&BTreeMap<String, String>>,
    hidden_classes: Option<&String>,
) -> Line {
    let namespace = client.namespace().unwrap_or_default();
    let (named, own) = (client.spec.class_name.as_deref(), &installation.class_name);
    let choose = format!("set spec.className to {own}, or name its installation with --installation");
    match installation.belongs(named, &namespace, labels) {
        // by default it may be another's, too
        Belongs::Here if named.is_none() && hidden_classes.is_some() => {
            Line::hidden("class", hidden_classes.map_or("", String::as_str))
        }
        Belongs::Here => Line::ok("class", format!("it belongs to the installation of class {own}")),
        Belongs::Unknown => Line::unknown(
            "class",
            format!(
                "it names no class, and the labels of {namespace} are not known: it may be another's by default"
            ),
            "",
        ),
        Belongs::Contested(classes) => Line::failed(
            "class",
            format!(
                "it names no class, and more than one installation is the default here: {}",
                classes.join(", ")
            ),
            "set spec.className to one of them",
        ),
        Belongs::Elsewhere => {
            let message = match named {
                Some(class) if class == own => {
                    format!(
                        "the OidcClass {class} is that of another installation (kubectl get oidcclass {class})"
                    )
                }
                Some(class) => {
                    format!("it belongs to the class {class}, the installation is of class {own}")
                }
                None if installation.default_class => format!(
                    "it names no class, and another installation is the default for the namespace {namespace} \
                     (kubectl get oidcclasses)"
                ),
                None => {
                    format!("it names no class, and the installation of class {own} is not the default")
                }
            };
            Line::failed("class", message, choose)
        }
    }
}

/// Whether the spec is good; the valid client if it is.
pub(super) fn rules(
    client: &OidcClient,
    installation: &Installation,
    labels: &Sight<Labels>,
) -> (Vec<Line>, Option<Client>) {
    match judged(client, installation, labels) {
        Ok(good) => {
            let grants: Vec<&str> = good.grant_types().map(GrantType::as_str).collect();
            let rules = Line::ok(
                "rules",
                format!("the spec is good, client id {}", good.client_id()),
            );
            let grant = if good.allows_grant(GrantType::AuthorizationCode) {
                Line::ok("grants", grants.join(", "))
            } else {
                Line::failed(
                    "grants",
                    format!("it has {} only: nobody can sign in with it", grants.join(", ")),
                    "add authorization_code to spec.grantTypes, if people are to sign in",
                )
            };
            (vec![rules, grant], Some(good))
        }
        Err(violations) => {
            let lines = violations
                .into_iter()
                .filter(|one| one.reason != Reason::NamespaceNotServed);
            (
                lines
                    .map(|one| Line::failed("rules", one.to_string(), "edit the OidcClient"))
                    .collect(),
                None,
            )
        }
    }
}

fn judged(
    client: &OidcClient,
    installation: &Installation,
    labels: &Sight<Labels>,
) -> Result<Client, Vec<oidc_crds::validate::Violation>> {
    let known = known(labels, &client.namespace().unwrap_or_default());
    validate(client, installation, known)
}

fn known<'a>(labels: &'a Sight<Labels>, namespace: &str) -> Option<&'a BTreeMap<String, String>> {
    match labels {
        Sight::Seen(labels) => labels.get(namespace),
        Sight::Hidden(_) => None,
    }
}

/// What may stand in the way of a client.
pub(super) struct Others {
    /// Clients of all namespaces.
    pub(super) clients: Sight<Vec<Guarded<OidcClient>>>,
    /// The installation's users.
    pub(super) users: Sight<Vec<Guarded<OidcUser>>>,
    /// Its keys.
    pub(super) keys: Sight<Vec<Guarded<SigningKey>>>,
}

/// Whether another object stands in the way: taken ids and names, algorithms without a key.
pub(super) fn between(
    client: &Client,
    others: &Others,
    installation: &Installation,
    labels: &Sight<Labels>,
) -> Vec<Line> {
    let Others { clients, users, keys } = others;
    let mut missing = Vec::new();
    let mut seen = |right: &String| missing.push(right.clone());
    let others: Vec<Client> = match clients {
        Sight::Seen(list) => list
            .iter()
            .filter_map(|object| object.0.as_ref().ok())
            .filter(|object| {
                let known = known(labels, &object.namespace().unwrap_or_default());
                object.metadata.uid.as_deref() != Some(client.uid()) && is_ours(object, installation, known)
            })
            .filter_map(|object| judged(object, installation, labels).ok())
            .collect(),
        Sight::Hidden(right) => {
            seen(right);
            Vec::new()
        }
    };
    let users = match users {
        Sight::Seen(list) => list
            .iter()
            .filter_map(|object| validate_user(object.0.as_ref().ok()?).ok())
            .collect(),
        Sight::Hidden(right) => {
            seen(right);
            Vec::new()
        }
    };
    let algorithms = match keys {
        Sight::Seen(list) => Some(
            active(list)
                .map(|(_, algorithm, _)| algorithm)
                .collect::<BTreeSet<_>>(),
        ),
        Sight::Hidden(_) => None,
    };
    let all: Vec<&Client> = others.iter().chain([client]).collect();
    let refused = arbitrate(
        &all,
        &users.iter().collect::<Vec<_>>(),
        installation,
        algorithms.as_ref(),
    );
    let mut lines: Vec<Line> = refused
        .into_iter()
        .filter(|(uid, _)| uid == client.uid())
        .map(|(_, violation)| Line::failed("names", violation.to_string(), "edit the OidcClient"))
        .collect();
    if lines.is_empty() {
        lines.push(match &missing[..] {
            [] => Line::ok("names", "no other client or user stands against it"),
            rights => Line::unknown(
                "names",
                format!(
                    "nothing that you may see stands against it; you may not {}",
                    rights.join(", nor ")
                ),
                "the condition Accepted, below, is the operator's word",
            ),
        });
    }
    lines
}

/// Whether a redirect URI is taken, or, if none was asked about, which are.
pub(super) fn redirect(asked: Option<&str>, registered: &[String], native: bool) -> Line {
    match asked {
        None if registered.is_empty() => Line::failed(
            "redirect URI",
            why_not("", registered),
            "add one to spec.redirectUris",
        ),
        None => Line::ok(
            "redirect URI",
            format!("{} (ask about yours with --redirect-uri)", registered.join(", ")),
        ),
        Some(asked) if is_registered(asked, registered, native) => {
            Line::ok("redirect URI", format!("{asked} is registered"))
        }
        Some(asked) => Line::failed(
            "redirect URI",
            why_not(asked, registered),
            "make the application's setting and spec.redirectUris the same to the letter",
        ),
    }
}

/// Name, algorithm and kid of each key that signs.
fn active(keys: &[Guarded<SigningKey>]) -> impl Iterator<Item = (String, Algorithm, &str)> {
    keys.iter().filter_map(|key| key.0.as_ref().ok()).flat_map(|key| {
        let states = key.status.iter().flat_map(|status| &status.keys);
        let active = states.filter(|state| state.phase == Phase::Active);
        active.map(|state| (key.name_any(), state.algorithm, state.kid.as_str()))
    })
}

/// The kids that the issuer must publish.
pub(super) fn published(keys: &[Guarded<SigningKey>]) -> Vec<String> {
    let states = keys
        .iter()
        .filter_map(|key| key.0.as_ref().ok())
        .flat_map(|key| key.status.iter())
        .flat_map(|status| &status.keys);
    let in_jwks = states.filter(|state| {
        matches!(state.phase, Phase::Published | Phase::Active | Phase::Retiring) && !state.revoked
    });
    in_jwks.map(|state| state.kid.clone()).collect()
}

/// Whether a key signs with what the client names.
pub(super) fn signing_key(client: Option<&Client>, keys: &Sight<Vec<Guarded<SigningKey>>>) -> Line {
    let keys = match keys {
        Sight::Seen(keys) => keys,
        Sight::Hidden(right) => return Line::hidden("signing key", right),
    };
    let active: Vec<_> = active(keys).collect();
    let wanted = client.map(|client| [client.id_token_alg(), client.access_token_alg()]);
    let wanted: BTreeSet<Algorithm> = wanted.into_iter().flatten().flatten().collect();
    let missing = wanted
        .iter()
        .find(|wanted| !active.iter().any(|(_, algorithm, _)| algorithm == *wanted));
    match (&active[..], missing) {
        ([], _) => Line::failed(
            "signing key",
            "no key signs",
            "make a SigningKey, or see `kubectl oidc status` for what one waits for",
        ),
        (_, Some(missing)) => Line::failed(
            "signing key",
            format!("no key signs with {missing}, which spec.tokens names"),
            "name another algorithm, or ask for a SigningKey",
        ),
        (active, None) => {
            let names: Vec<String> = active
                .iter()
                .map(|(name, algorithm, _)| format!("{name} ({algorithm})"))
                .collect();
            Line::ok("signing key", format!("{} signs", names.join(", ")))
        }
    }
}

/// The operator's own word.
pub(super) fn conditions(client: &OidcClient) -> Vec<Line> {
    let status = client.status.clone().unwrap_or_default();
    if status.conditions.is_empty() {
        return vec![Line::failed(
            "conditions",
            "the operator has not looked at it",
            "is one running? `kubectl get pods -A -l app.kubernetes.io/component=operator`; does it serve this class and namespace?",
        )];
    }
    if status.observed_generation < client.metadata.generation {
        return vec![Line::failed(
            "conditions",
            "the operator has not seen the latest edit",
            "is it running? `kubectl get pods -A -l app.kubernetes.io/component=operator`",
        )];
    }
    let mut lines: Vec<Line> = Vec::new();
    for kind in ["Accepted", "CredentialsReady", "Ready"] {
        let (holds, reason, message) = condition(&status.conditions, kind);
        // one cause is told once
        if holds != "True" && !lines.iter().any(|line| line.message.ends_with(message)) {
            lines.push(Line::failed(
                "conditions",
                format!("{kind} is {holds}, {reason}: {message}"),
                "",
            ));
        }
    }
    if lines.is_empty() {
        lines.push(Line::ok("conditions", "Accepted, CredentialsReady, Ready"));
    }
    lines
}

/// Warnings of the last hour that nothing good has followed.
pub(super) fn events(client: &OidcClient, events: &Sight<Vec<Event>>, now: Timestamp) -> Line {
    let events = match events {
        Sight::Seen(events) => events,
        Sight::Hidden(right) => return Line::hidden("events", right),
    };
    let conditions = client
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    let ready = conditions
        .iter()
        .find(|condition| condition.type_ == "Ready" && condition.status == "True");
    let since = ready.map_or(Timestamp::MIN, |ready| ready.last_transition_time.0);
    let mut warnings: Vec<(Timestamp, String)> = events
        .iter()
        .filter(|event| event.type_.as_deref() == Some("Warning"))
        .filter_map(|event| {
            let series = event
                .series
                .as_ref()
                .and_then(|series| series.last_observed_time.as_ref())
                .map(|time| time.0);
            let at = series
                .or(event.last_timestamp.as_ref().map(|time| time.0))
                .or(event.event_time.as_ref().map(|time| time.0))
                .or(event.metadata.creation_timestamp.as_ref().map(|time| time.0))?;
            let text = event.message.as_deref().unwrap_or_default();
            Some((
                at,
                format!(
                    "{} ago {}: {text}",
                    age(at, now),
                    event.reason.as_deref().unwrap_or_default()
                ),
            ))
        })
        .filter(|(at, _)| *at > since && now.duration_since(*at).as_secs() < 3600)
        .collect();
    warnings.sort();
    match warnings.pop() {
        None => Line::ok("events", "no warning stands"),
        Some((_, latest)) => Line::unknown("events", latest, "`kubectl describe oidcclient` shows all"),
    }
}

/// Whether somebody answers.
pub(super) fn pods(pods: &Sight<Vec<Pod>>, namespace: &str) -> Line {
    let pods = match pods {
        Sight::Seen(pods) => pods,
        Sight::Hidden(right) => return Line::hidden("pods", right),
    };
    let describe = format!("`kubectl describe pods -n {namespace} -l app.kubernetes.io/component=provider`");
    let waiting: Vec<String> = pods
        .iter()
        .filter(|pod| !is_ready(pod))
        .map(ResourceExt::name_any)
        .collect();
    match (pods.len(), waiting.len()) {
        (0, _) => Line::failed(
            "pods",
            format!("no provider pod in the namespace {namespace}"),
            "install the chart, or raise provider.replicas",
        ),
        (all, none) if all == none => Line::failed(
            "pods",
            format!("no provider pod is ready: {}", waiting.join(", ")),
            describe,
        ),
        (all, 0) => Line::ok("pods", format!("all {all} provider pods are ready")),
        (all, some) => Line::unknown(
            "pods",
            format!(
                "{some} of {all} provider pods are not ready: {}",
                waiting.join(", ")
            ),
            describe,
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use oidc_crds::resources::OidcClass;
    use oidc_crds::resources::oidc_class::InstallationRef;
    use oidc_crds::secrets::installation::Classes;

    use super::super::line::Outcome;
    use super::*;

    fn read<K: DeserializeOwned>(value: Value) -> K {
        serde_json::from_value(value).unwrap()
    }

    fn installation() -> Installation {
        Installation::parse(
            "release: oidc\nissuer: https://i.example\nclassName: oidc\ndefaultClass: true\njwksMaxAge: 300s\n\
             namespaces:\n  clusterWide:\n    selector:\n      matchLabels: {oidc: 'yes'}\n",
        )
        .unwrap()
    }

    fn labels(value: &str) -> Sight<Labels> {
        let labels = BTreeMap::from([("oidc".to_owned(), value.to_owned())]);
        Sight::Seen(BTreeMap::from([("team".to_owned(), labels)]))
    }

    fn client(spec: Value) -> OidcClient {
        named("app", "c1", spec)
    }

    fn named(name: &str, uid: &str, spec: Value) -> OidcClient {
        read(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient",
            "metadata": {
                "name": name, "namespace": "team", "uid": uid, "generation": 2,
                "creationTimestamp": "2026-11-25T09:00:00Z",
            },
            "spec": spec,
        }))
    }

    fn outcomes(lines: &[Line]) -> Vec<Outcome> {
        lines.iter().map(|line| line.outcome).collect()
    }

    const GOOD: &str = "https://a.example/cb";

    #[test]
    fn class_and_namespace_are_the_installations() {
        use Outcome::{Failed, Ok, Unknown};
        let ours = client(json!({}));
        assert_eq!(
            outcomes(&served(&ours, &installation(), &labels("yes"), None)),
            [Ok, Ok]
        );
        assert_eq!(
            outcomes(&served(&ours, &installation(), &labels("no"), None)),
            [Ok, Failed]
        );
        let hidden = Sight::Hidden("list namespaces".to_owned());
        assert_eq!(
            outcomes(&served(&ours, &installation(), &hidden, None)),
            [Ok, Unknown]
        );
        let other = client(json!({"className": "other"}));
        assert_eq!(
            outcomes(&served(&other, &installation(), &labels("yes"), None)),
            [Failed, Ok]
        );
    }

    #[test]
    fn another_default_may_have_the_client_or_claim_it_too() {
        use Outcome::{Failed, Ok, Unknown};
        let class = |name: &str, spec: Value| -> OidcClass {
            let mut spec = spec;
            spec["issuer"] = json!("https://i.example");
            spec["default"] = json!(true);
            spec["installation"] = json!({"namespace": "idp", "release": name});
            read(json!({
                "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClass", "metadata": {"name": name},
                "spec": spec,
            }))
        };
        let ours = json!({"clusterWide": true, "namespaceSelector": {"matchLabels": {"oidc": "yes"}}});
        let beside = |other: Value| {
            let own = InstallationRef {
                namespace: "idp".to_owned(),
                release: "oidc".to_owned(),
            };
            let classes = [class("oidc", ours.clone()), class("b", other)];
            let mut installation = installation();
            installation.classes = Classes::of(&classes, &own);
            installation
        };
        let app = client(json!({"redirectUris": [GOOD]}));
        let both = beside(ours.clone());
        let lines = served(&app, &both, &labels("yes"), None);
        assert_eq!(outcomes(&lines), [Failed, Ok]);
        assert!(lines[0].message.contains("b, oidc"), "{lines:?}");
        let (lines, valid) = rules(&app, &both, &labels("yes"));
        assert!(valid.is_none() && outcomes(&lines) == [Failed], "{lines:?}");
        let theirs = beside(json!({"watchNamespaces": ["team"]}));
        assert_eq!(
            outcomes(&served(&app, &theirs, &labels("yes"), None)),
            [Failed, Ok]
        );
        let hidden = "list oidcclasses".to_owned();
        let lines = served(&app, &installation(), &labels("yes"), Some(&hidden));
        assert_eq!(outcomes(&lines), [Unknown, Ok]);
        let named = client(json!({"className": "oidc"}));
        assert_eq!(
            outcomes(&served(&named, &installation(), &labels("yes"), Some(&hidden))),
            [Ok, Ok]
        );
    }

    #[test]
    fn every_broken_rule_is_a_line() {
        let good = client(json!({"redirectUris": [GOOD]}));
        let (lines, valid) = rules(&good, &installation(), &labels("yes"));
        assert!(
            valid.is_some() && outcomes(&lines) == [Outcome::Ok, Outcome::Ok],
            "{lines:?}"
        );
        let bad = client(json!({"redirectUris": ["http://a.example/"], "scopes": ["openid", "payroll"]}));
        let (lines, valid) = rules(&bad, &installation(), &labels("no"));
        assert!(valid.is_none() && lines.len() == 2, "{lines:?}");
        assert!(lines.iter().any(|line| line.message.contains("payroll")));
        let machine = client(json!({"grantTypes": ["client_credentials"]}));
        let (lines, _) = rules(&machine, &installation(), &labels("yes"));
        assert_eq!(outcomes(&lines), [Outcome::Ok, Outcome::Failed]);
    }

    fn key(phase: &str) -> Sight<Vec<Guarded<SigningKey>>> {
        Sight::Seen(vec![read(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "SigningKey",
            "metadata": {"name": "main", "namespace": "idp"}, "spec": {},
            "status": {"conditions": [], "keys": [
                {"kid": "k1", "algorithm": "RS256", "phase": phase, "createdAt": "2026-11-25T09:00:00Z"},
                {"kid": "k0", "algorithm": "RS256", "phase": "Removed", "createdAt": "2026-11-25T09:00:00Z"},
            ]},
        }))])
    }

    #[test]
    fn what_other_objects_take_away_is_told() {
        let valid = |object: &OidcClient| judged(object, &installation(), &labels("yes")).unwrap();
        let app = client(json!({"redirectUris": [GOOD]}));
        let told = |object: &OidcClient, clients, users| {
            let others = Others {
                clients,
                users,
                keys: key("Active"),
            };
            between(&valid(object), &others, &installation(), &labels("yes"))
        };
        let alone = told(
            &app,
            Sight::Seen(vec![Guarded(Ok(app.clone()))]),
            Sight::Seen(vec![]),
        );
        assert_eq!(outcomes(&alone), [Outcome::Ok], "{alone:?}");
        let unseen = told(&app, Sight::Hidden("a".to_owned()), Sight::Hidden("b".to_owned()));
        assert!(
            unseen[0].outcome == Outcome::Unknown && unseen[0].message.contains("a, nor b"),
            "{unseen:?}"
        );
        let user = read(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcUser",
            "metadata": {"name": "u", "namespace": "idp", "uid": "u1", "creationTimestamp": "2026-11-25T09:00:00Z"},
            "spec": {"username": "team.app"},
        }));
        let taken = told(&app, Sight::Hidden("a".to_owned()), Sight::Seen(vec![user]));
        assert!(
            taken[0].outcome == Outcome::Failed && taken[0].message.contains("user has this name"),
            "{taken:?}"
        );
        let es256 = client(json!({"redirectUris": [GOOD], "tokens": {"idTokenSignedResponseAlg": "ES256"}}));
        let lines = told(&es256, Sight::Seen(vec![]), Sight::Seen(vec![]));
        assert!(lines[0].message.contains("ES256"), "{lines:?}");
        assert_eq!(
            signing_key(Some(&valid(&es256)), &key("Active")).outcome,
            Outcome::Failed
        );
    }

    #[test]
    fn a_key_must_sign_and_be_published() {
        let app = judged(
            &client(json!({"redirectUris": [GOOD]})),
            &installation(),
            &labels("yes"),
        )
        .unwrap();
        assert_eq!(signing_key(Some(&app), &key("Active")).outcome, Outcome::Ok);
        assert_eq!(
            signing_key(Some(&app), &key("Published")).outcome,
            Outcome::Failed
        );
        assert_eq!(
            signing_key(None, &Sight::Hidden("x".to_owned())).outcome,
            Outcome::Unknown
        );
        let Sight::Seen(keys) = key("Published") else {
            panic!("seen")
        };
        assert_eq!(published(&keys), ["k1"]);
    }

    #[test]
    fn redirect_uris_are_compared_or_listed() {
        let registered = [GOOD.to_owned()];
        assert_eq!(redirect(None, &registered, false).outcome, Outcome::Ok);
        assert_eq!(redirect(None, &[], false).outcome, Outcome::Failed);
        assert_eq!(redirect(Some(GOOD), &registered, false).outcome, Outcome::Ok);
        let miss = redirect(Some("https://a.example/cb/"), &registered, false);
        assert!(
            miss.outcome == Outcome::Failed && miss.message.contains("slash"),
            "{miss:?}"
        );
    }

    fn with_status(ready: &str, generation: i64) -> OidcClient {
        let condition = |kind: &str, status: &str| {
            json!({
                "type": kind, "status": status, "reason": "NotOwned", "message": "the Secret is another's",
                "lastTransitionTime": "2026-11-25T10:00:00Z",
            })
        };
        let mut object = client(json!({}));
        object.status = read(json!({
            "observedGeneration": generation,
            "conditions": [condition("Accepted", "True"), condition("CredentialsReady", ready), condition("Ready", ready)],
        }));
        object
    }

    #[test]
    fn the_operators_word_is_told_once() {
        assert_eq!(outcomes(&conditions(&client(json!({})))), [Outcome::Failed]);
        assert_eq!(outcomes(&conditions(&with_status("True", 2))), [Outcome::Ok]);
        let lines = conditions(&with_status("False", 2));
        assert!(
            lines.len() == 1 && lines[0].message.contains("NotOwned: the Secret is another's"),
            "{lines:?}"
        );
        let old = conditions(&with_status("True", 1));
        assert!(old[0].message.contains("latest edit"), "{old:?}");
    }

    #[test]
    fn a_warning_stands_until_the_client_is_ready_again() {
        let warning = |at: &str| -> Sight<Vec<Event>> {
            Sight::Seen(vec![read(json!({
                "metadata": {}, "involvedObject": {}, "type": "Warning", "reason": "NotOwned", "message": "m", "lastTimestamp": at,
            }))])
        };
        let now = "2026-11-25T10:30:00Z".parse().unwrap();
        let told = |client: &OidcClient, at: &str| events(client, &warning(at), now).outcome;
        assert_eq!(told(&with_status("True", 2), "2026-11-25T09:59:00Z"), Outcome::Ok);
        assert_eq!(
            told(&with_status("True", 2), "2026-11-25T10:01:00Z"),
            Outcome::Unknown
        );
        assert_eq!(
            told(&with_status("False", 2), "2026-11-25T09:59:00Z"),
            Outcome::Unknown
        );
        assert_eq!(
            told(&with_status("False", 2), "2026-11-25T09:00:00Z"),
            Outcome::Ok
        );
    }

    #[test]
    fn one_ready_pod_answers() {
        let pod = |name: &str, ready: &str| -> Pod {
            read(
                json!({"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}),
            )
        };
        let told = |list: Vec<Pod>| pods(&Sight::Seen(list), "idp").outcome;
        assert_eq!(told(vec![]), Outcome::Failed);
        assert_eq!(told(vec![pod("a", "False")]), Outcome::Failed);
        assert_eq!(told(vec![pod("a", "False"), pod("b", "True")]), Outcome::Unknown);
        assert_eq!(told(vec![pod("b", "True")]), Outcome::Ok);
    }
}
