//! What `spec.secret` may make of the Secret. A Secret that other controllers act on by its type, its labels or
//! its annotations is a way to make them do something: so its type is always Opaque, and marks are granted.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Violations, text};
use super::granted::not_granted;
use crate::names::GROUP;
use crate::resources::limits;
use crate::resources::oidc_client::{OidcClientSpec, SecretOutput};
use crate::secrets::app::{Shape, Template, Value};
use crate::secrets::installation::Installation;

/// Labels without a prefix that are for everybody. Not all names are: Helm acts on `owner`, sidecars on whatever
/// word they were given, like `grafana_dashboard`.
const PLAIN_LABELS: [&str; 14] = [
    "app",
    "component",
    "cost-center",
    "department",
    "domain",
    "env",
    "environment",
    "product",
    "project",
    "service",
    "stage",
    "team",
    "tier",
    "version",
];

/// The prefix that Kubernetes recommends for applications; no controller of its own acts on it.
const APP: &str = "app.kubernetes.io";

/// Says who wrote an object: ours.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Prefixes of annotations for everybody: that of Stakater Reloader, which restarts what asks for it.
const PLAIN_ANNOTATIONS: [&str; 2] = [APP, "reloader.stakater.com"];

/// The shape; `None`: as by default.
pub(super) fn shape(
    spec: &OidcClientSpec,
    namespace: &str,
    has_secret: bool,
    installation: &Installation,
    v: &mut Violations,
) -> Option<Box<Shape>> {
    let output = spec.secret.as_ref()?;
    marks(
        "spec.secret.labels",
        namespace,
        &output.labels,
        v,
        |key, value| {
            let free = match prefix(key) {
                Some(prefix) => prefix == APP,
                None => PLAIN_LABELS.contains(&key),
            };
            label_value(value)?;
            Ok(free || installation.grants_secret_label(namespace, key))
        },
    );
    marks(
        "spec.secret.annotations",
        namespace,
        &output.annotations,
        v,
        |key, value| {
            let free = prefix(key).is_none_or(|prefix| PLAIN_ANNOTATIONS.contains(&prefix));
            text::at_most(value, limits::ANNOTATION_VALUE)?;
            Ok(free || installation.grants_secret_annotation(namespace, key))
        },
    );
    let shape = Shape {
        preset: output.preset.unwrap_or_default(),
        keys: output.keys.clone(),
        template: output.template.clone(),
        labels: output.labels.clone(),
        annotations: output.annotations.clone(),
    };
    keys(output, &shape, v);
    templates(output, has_secret, v);
    once(&shape, v);
    (shape != Shape::default()).then(|| Box::new(shape))
}

/// Labels or annotations; `judge` says whether a pair is granted, or what is wrong with its value.
fn marks(
    field: &str,
    namespace: &str,
    texts: &BTreeMap<String, String>,
    v: &mut Violations,
    judge: impl Fn(&str, &str) -> Result<bool, String>,
) {
    if texts.len() > limits::MARKS {
        v.invalid(
            field,
            format!("has {} items, {} are allowed", texts.len(), limits::MARKS),
        );
    }
    for (key, value) in texts {
        let quoted = text::quoted(key);
        if let Err(wrong) = mark_key(key) {
            v.invalid(field, format!("{quoted} {wrong}"));
            continue;
        }
        match judge(key, value) {
            Ok(true) => {}
            Ok(false) => not_granted(field.to_owned(), key, namespace, v),
            Err(wrong) => v.invalid(field, format!("the value of {quoted} {wrong}")),
        }
    }
}

fn prefix(key: &str) -> Option<&str> {
    key.split_once('/').map(|(prefix, _)| prefix)
}

/// The syntax of Kubernetes, and none of the names that belong to Kubernetes or to us.
fn mark_key(key: &str) -> Result<(), String> {
    let name = key.rsplit('/').next().unwrap_or_default();
    let is_prefix = |prefix: &str| text::is_dns_name(prefix) && key.matches('/').count() == 1;
    if !text::is_label_text(name) || name.is_empty() || !prefix(key).is_none_or(is_prefix) {
        return Err("is no key of a label or annotation".to_owned());
    }
    let Some(prefix) = prefix(key) else {
        return Ok(());
    };
    let within = |domain: &str| prefix == domain || prefix.ends_with(&format!(".{domain}"));
    if key == MANAGED_BY || within(GROUP) {
        return Err("is the operator's own: remove it".to_owned());
    }
    if prefix != APP && ["kubernetes.io", "k8s.io"].into_iter().any(within) {
        return Err("belongs to Kubernetes: remove it".to_owned());
    }
    Ok(())
}

fn label_value(value: &str) -> Result<(), String> {
    if text::is_label_text(value) {
        Ok(())
    } else {
        Err("is no value of a label: at most 63 letters, digits, -, _ and .".to_owned())
    }
}

fn keys(output: &SecretOutput, shape: &Shape, v: &mut Violations) {
    let field = "spec.secret.keys";
    if output.keys.len() > limits::SECRET_KEYS {
        v.invalid(
            field,
            format!(
                "has {} items, {} are allowed",
                output.keys.len(),
                limits::SECRET_KEYS
            ),
        );
    }
    for (from, to) in &output.keys {
        if !shape.knows(from) {
            let known: Vec<_> = shape.known().collect();
            v.invalid(
                field,
                format!("{} is none of {}", text::quoted(from), known.join(", ")),
            );
        }
        data_key(field, to, v);
    }
}

fn data_key(field: &str, key: &str, v: &mut Violations) {
    if !text::is_data_key(key) {
        v.invalid(
            field,
            format!("{} cannot be a key of a Secret", text::quoted(key)),
        );
    }
}

fn templates(output: &SecretOutput, has_secret: bool, v: &mut Violations) {
    let field = "spec.secret.template";
    if output.template.len() > limits::TEMPLATES {
        v.invalid(
            field,
            format!(
                "has {} items, {} are allowed",
                output.template.len(),
                limits::TEMPLATES
            ),
        );
    }
    for (key, template) in &output.template {
        data_key(field, key, v);
        let of = |wrong: String| format!("{} {wrong}", text::quoted(key));
        if let Err(wrong) = text::at_most(template, limits::TEMPLATE) {
            v.invalid(field, of(wrong));
            continue;
        }
        match Template::parse(template) {
            Err(wrong) => v.invalid(field, of(wrong)),
            Ok(parsed) if !has_secret && parsed.names().any(|value| value == Value::ClientSecret) => {
                v.invalid(
                    field,
                    of("names CLIENT_SECRET: a client that authenticates without one has none".to_owned()),
                );
            }
            Ok(_) => {}
        }
    }
}

/// Two texts cannot have one key.
fn once(shape: &Shape, v: &mut Violations) {
    let mut seen = BTreeSet::new();
    for entry in shape.entries() {
        if !seen.insert(entry.key) {
            let field = if entry.own {
                "spec.secret.template"
            } else {
                "spec.secret.keys"
            };
            v.invalid(
                field,
                format!(
                    "the key {} would be there twice: choose another",
                    text::quoted(entry.key)
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{judge, with};
    use crate::resources::Reason;

    fn told(secret: Value) -> Vec<(String, Reason, String)> {
        let violations = judge(with(json!({"secret": secret}))).err().unwrap_or_default();
        let parts = violations.into_iter().map(|v| (v.field, v.reason, v.message));
        parts.collect()
    }

    /// The one violation.
    fn one(secret: Value) -> (String, Reason, String) {
        let mut told = told(secret.clone());
        assert_eq!(told.len(), 1, "{secret}: {told:?}");
        told.remove(0)
    }

    #[test]
    fn a_secret_without_a_shape_costs_nothing() {
        assert!(judge(with(json!({}))).unwrap().shape().is_none());
        let named = judge(with(json!({"secret": {"name": "other"}}))).unwrap();
        assert!(named.shape().is_none());
        let shaped = judge(with(json!({"secret": {"preset": "grafana"}}))).unwrap();
        assert!(shaped.shape().is_some());
    }

    #[test]
    fn harmless_marks_are_for_everybody() {
        let secret = json!({
            "labels": {"team": "blue", "app.kubernetes.io/part-of": "shop", "tier": ""},
            "annotations": {
                "reloader.stakater.com/match": "true", "note": "any text\nin lines",
                "app.kubernetes.io/description": "x",
            },
        });
        assert_eq!(told(secret), []);
    }

    #[test]
    fn marks_that_controllers_act_on_need_a_grant() {
        for label in [
            "argocd.argoproj.io/secret-type",
            "grafana_dashboard",
            "owner",
            "cnpg.io/reload",
            "reloader.stakater.com/match",
        ] {
            let (field, reason, message) = one(json!({"labels": {label: "cluster"}}));
            assert_eq!(
                (field.as_str(), reason),
                ("spec.secret.labels", Reason::NotGranted)
            );
            assert!(message.contains(label), "{message}");
        }
        for annotation in [
            "argocd.argoproj.io/sync-options",
            "meta.helm.sh/release-name",
            "reflector.v1.k8s.emberstack.com/reflection-allowed",
            "replicator.v1.mittwald.de/replicate-to",
        ] {
            let (field, reason, _) = one(json!({"annotations": {annotation: "x"}}));
            assert_eq!(
                (field.as_str(), reason),
                ("spec.secret.annotations", Reason::NotGranted)
            );
        }
    }

    #[test]
    fn nobody_can_be_granted_the_marks_of_kubernetes_or_ours() {
        for key in [
            "kubernetes.io/service-account.name",
            "node-restriction.kubernetes.io/x",
            "k8s.io/x",
            "x.k8s.io/y",
            "kubectl.kubernetes.io/last-applied-configuration",
            "oidc-operator.dev/credential-id",
            "oidc-operator.dev/watch",
            "x.oidc-operator.dev/y",
            "app.kubernetes.io/managed-by",
        ] {
            for kind in ["labels", "annotations"] {
                let (field, reason, message) = one(json!({kind: {key: "x"}}));
                assert_eq!((field, reason), (format!("spec.secret.{kind}"), Reason::Invalid));
                assert!(message.contains("remove it"), "{message}");
            }
        }
    }

    #[test]
    fn marks_are_what_the_api_server_takes() {
        for key in [
            "",
            "/",
            "a/",
            "/a",
            "a/b/c",
            "-a",
            "a b",
            "A.example/x",
            "ä",
            &"x".repeat(64),
        ] {
            assert_eq!(one(json!({"labels": {key: "x"}})).1, Reason::Invalid, "{key}");
        }
        for value in ["a b", "-a", "ä", &"x".repeat(64)] {
            assert_eq!(
                one(json!({"labels": {"team": value}})).1,
                Reason::Invalid,
                "{value}"
            );
        }
        assert_eq!(
            one(json!({"annotations": {"a": "x".repeat(1025)}})).1,
            Reason::Invalid
        );
        let many: serde_json::Map<_, _> = (0..17).map(|n| (format!("a{n}"), json!("x"))).collect();
        assert!(one(json!({"annotations": many})).2.contains("16 are allowed"));
    }

    #[test]
    fn keys_are_renamed_and_added_but_never_twice() {
        for good in [
            json!({"keys": {"CLIENT_SECRET": "client-secret"}}),
            json!({"keys": {"CLIENT_SECRET": "CLIENT_ID", "CLIENT_ID": "CLIENT_SECRET"}}),
            json!({"preset": "oauth2-proxy", "keys": {"client-secret": "s", "TOKEN_URL": "token-url"}}),
        ] {
            assert_eq!(told(good), []);
        }
        for (bad, message) in [
            (json!({"keys": {"CLIENT_SECRET": "CLIENT_ID"}}), "twice"),
            (json!({"keys": {"CLIENT_SECRET": "x", "CLIENT_ID": "x"}}), "twice"),
            (json!({"keys": {"client-secret": "x"}}), "none of CLIENT_ID"),
            (json!({"keys": {"CLIENT_ID": "a b"}}), "cannot be a key"),
            (json!({"keys": {"CLIENT_ID": ".."}}), "cannot be a key"),
            (
                json!({"preset": "gitea", "keys": {"CLIENT_ID": "secret"}}),
                "twice",
            ),
        ] {
            let (field, reason, told) = one(bad.clone());
            assert_eq!((field.as_str(), reason), ("spec.secret.keys", Reason::Invalid));
            assert!(told.contains(message), "{bad}: {told}");
        }
    }

    #[test]
    fn templates_are_checked_with_the_spec() {
        let template = |text: &str| json!({"template": {"app.ini": text}});
        assert_eq!(
            told(template("id = ${CLIENT_ID}\nsecret = ${CLIENT_SECRET | json}")),
            []
        );
        for (bad, message) in [
            (template("${NOPE}"), "known are CLIENT_ID"),
            (template("${RANDOM}"), "known are CLIENT_ID"),
            (template(&"x".repeat(8193)), "8192 are allowed"),
            (json!({"template": {"a/b": "x"}}), "cannot be a key"),
            (json!({"template": {"CLIENT_ID": "x"}}), "twice"),
            (json!({"preset": "grafana", "template": {"ca.crt": "x"}}), "twice"),
        ] {
            let (field, reason, told) = one(bad.clone());
            assert_eq!(
                (field.as_str(), reason),
                ("spec.secret.template", Reason::Invalid)
            );
            assert!(told.contains(message), "{bad}: {told}");
        }
        let public = with(json!({
            "authentication": {"none": {}}, "secret": {"template": {"a": "${CLIENT_SECRET}"}},
        }));
        assert!(
            judge(public).unwrap_err()[0]
                .message
                .contains("without one has none")
        );
    }
}
