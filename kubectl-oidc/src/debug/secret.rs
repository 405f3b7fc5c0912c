//! Whether a client's Secret is the one that the operator wrote, with the credential that the provider knows.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use oidc_crds::client::Client;
use oidc_crds::credentials::ClientSecret;
use oidc_crds::names::{ANNOTATION_CREDENTIAL_ID, LABEL_WATCH};
use oidc_crds::resources::OidcClient;
use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::Data;
use oidc_crds::secrets::app::{self, CLIENT_SECRET, Content};
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::is_opaque;

use super::line::Line;

/// The Secret that applications read. No value of it is told.
pub(super) fn written(
    client: &Client,
    object: &OidcClient,
    secret: Option<&Secret>,
    installation: &Installation,
) -> Line {
    if client.registration().is_some() {
        return Line::ok(
            "secret",
            "told to whoever registered the client; there is no Secret",
        );
    }
    let name = client.secret_name();
    let failed = |message: String, advice: &str| Line::failed("secret", message, advice);
    let Some(secret) = secret else {
        return failed(
            format!("the Secret {name} is not there"),
            "the conditions say why the operator has not made it",
        );
    };
    if !is_opaque(secret.type_.as_deref()) {
        return failed(
            format!("the Secret {name} is of a type that the operator never writes"),
            "give it another name by spec.secret.name",
        );
    }
    let owners = secret.owner_references();
    let controller = owners.iter().find(|owner| owner.controller == Some(true));
    if controller.map(|owner| owner.uid.as_str()) != Some(client.uid()) {
        return match controller.filter(|owner| owner.name == client.name()) {
            Some(_) => failed(
                format!("the Secret {name} belongs to an earlier OidcClient of this name"),
                "the garbage collector removes it in a moment; if it stays, delete it",
            ),
            None => failed(
                format!("the Secret {name} is somebody else's"),
                "the operator never overwrites it: name another by spec.secret.name, or delete it",
            ),
        };
    }
    let data: Data = secret
        .data
        .clone()
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, value.0))
        .collect();
    let held = app::held_secret(&data, secret.annotations());
    let value = held.clone().unwrap_or_else(|| ClientSecret::new("-".to_owned()));
    let [expected, with_a_ca] = [None, Some("-")].map(|ca| {
        let content = Content {
            secret: Some(&value).filter(|_| client.has_secret()),
            installation,
            ca,
        };
        app::render(client, content, Some(&data), &mut SystemRng).data
    });
    let missing: Vec<&str> = expected
        .keys()
        .filter(|key| !data.contains_key(*key))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        return failed(
            format!("the Secret {name} lacks {}", missing.join(", ")),
            "the operator writes it again at once: is it running?",
        );
    }
    // the CA is not known here
    let differs =
        |key: &&String| expected.get(*key) == with_a_ca.get(*key) && data.get(*key) != expected.get(*key);
    if let Some(key) = expected.keys().find(differs) {
        return failed(
            format!("{key} in the Secret {name} is not what it should be"),
            "it was edited, or the issuer changed a moment ago; the operator writes it again: is it running?",
        );
    }
    let status = object.status.clone().unwrap_or_default();
    if status.secret.as_ref().map(|written| &written.uid) != secret.metadata.uid.as_ref() {
        return failed(
            format!("the Secret {name} was made anew and the operator does not know it yet"),
            "is the operator running? If it is, look again",
        );
    }
    if client.has_secret() {
        let id = secret.annotations().get(ANNOTATION_CREDENTIAL_ID);
        let newest = status
            .credentials
            .iter()
            .max_by_key(|credential| credential.created_at.0);
        match (id, newest) {
            (Some(id), Some(newest)) if *id == newest.id => {}
            (Some(id), Some(_)) if status.credentials.iter().any(|credential| credential.id == *id) => {
                return Line::unknown(
                    "secret",
                    format!("the Secret {name} holds the credential before the newest"),
                    "a rotation is under way: look again in a moment",
                );
            }
            _ => {
                return failed(
                    format!("the Secret {name} holds a credential that the provider does not know"),
                    "it was edited or restored: delete the Secret, and the operator makes it anew",
                );
            }
        }
    }
    if status.secret.as_ref().map(|written| &written.resource_version)
        != secret.metadata.resource_version.as_ref()
    {
        return Line::unknown(
            "secret",
            format!("the Secret {name} was changed after the operator wrote it"),
            "look again in a moment: the operator judges it",
        );
    }
    Line::ok(
        "secret",
        format!("{name} has its keys, and its credential is the newest that the provider knows"),
    )
}

/// The Secret that `secretRef` names.
pub(super) fn given(object: &OidcClient, secret: Option<&Secret>) -> Option<Line> {
    let reference = object.spec.secret_ref.as_ref()?;
    let (name, key) = (&reference.name, reference.key.as_deref().unwrap_or(CLIENT_SECRET));
    let failed = |message: String, advice: &str| Some(Line::failed("secretRef", message, advice));
    let Some(secret) = secret else {
        return failed(
            format!("the Secret {name} is not there"),
            "make it, or correct spec.secretRef.name",
        );
    };
    if !is_opaque(secret.type_.as_deref()) {
        return failed(
            format!("the Secret {name} is not of type Opaque"),
            "put the value into an Opaque Secret of yours",
        );
    }
    let value = secret.data.as_ref().and_then(|data| data.get(key));
    match value {
        None => failed(
            format!("the Secret {name} has no key {key}"),
            "add it, or name another by spec.secretRef.key",
        ),
        Some(value) if value.0.is_empty() => {
            failed(format!("{key} in the Secret {name} is empty"), "fill it in")
        }
        Some(_) if !secret.labels().contains_key(LABEL_WATCH) => Some(Line::unknown(
            "secretRef",
            format!("edits of the Secret {name} are noticed late"),
            format!("label it {LABEL_WATCH}: \"true\""),
        )),
        Some(_) => Some(Line::ok("secretRef", format!("{name} has {key}"))),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use oidc_crds::resources::oidc_client::Registration;
    use oidc_crds::validate::validate;
    use serde_json::{Value, json};

    use super::super::line::Outcome;
    use super::*;

    fn installation() -> Installation {
        Installation::standalone("https://i.example", false)
    }

    fn object() -> OidcClient {
        serde_json::from_value(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient",
            "metadata": {"name": "app", "namespace": "team", "uid": "c1", "creationTimestamp": "2026-11-25T09:00:00Z"},
            "spec": {"redirectUris": ["https://a.example/cb"]},
            "status": {
                "conditions": [],
                "credentials": [
                    {"id": "old", "digest": "d", "createdAt": "2026-11-24T09:00:00Z"},
                    {"id": "new", "digest": "d", "createdAt": "2026-11-25T09:00:00Z"},
                ],
                "secret": {"name": "app-oidc", "uid": "s1", "resourceVersion": "7"},
            },
        }))
        .unwrap()
    }

    fn judged(change: impl FnOnce(&mut Secret)) -> Line {
        let client = validate(&object(), &installation(), None).unwrap();
        let value = ClientSecret::new("canary".to_owned());
        let installation = installation();
        let content = Content {
            secret: Some(&value),
            installation: &installation,
            ca: Some("PEM"),
        };
        let data = app::render(&client, content, None, &mut SystemRng).data;
        let mut secret: Secret = serde_json::from_value(json!({"metadata": {
            "name": "app-oidc", "uid": "s1", "resourceVersion": "7",
            "annotations": {ANNOTATION_CREDENTIAL_ID: "new"},
            "ownerReferences": [{
                "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient", "name": "app", "uid": "c1", "controller": true,
            }],
        }}))
        .unwrap();
        secret.data = Some(
            data.into_iter()
                .map(|(key, value)| (key, ByteString(value)))
                .collect(),
        );
        change(&mut secret);
        let line = written(&client, &object(), Some(&secret), &installation);
        assert!(!format!("{line:?}").contains("canary"), "i9");
        line
    }

    fn annotate(secret: &mut Secret, id: &str) {
        secret
            .annotations_mut()
            .insert(ANNOTATION_CREDENTIAL_ID.to_owned(), id.to_owned());
    }

    #[test]
    fn a_client_that_registered_itself_has_no_secret() {
        let mut object = object();
        object.spec.registration = Some(Box::new(Registration {
            id: "r1".to_owned(),
            secret_digest: Some("p:d".to_owned()),
            ..Registration::default()
        }));
        let client = validate(&object, &installation(), None).unwrap();
        let line = written(&client, &object, None, &installation());
        assert_eq!(line.outcome, Outcome::Ok, "{line:?}");
    }

    #[test]
    fn the_secret_is_the_operators_with_the_newest_credential() {
        let good = judged(|_| {});
        assert_eq!(good.outcome, Outcome::Ok, "{good:?}");
        let client = validate(&object(), &installation(), None).unwrap();
        assert_eq!(
            written(&client, &object(), None, &installation()).outcome,
            Outcome::Failed
        );
        let owner = |secret: &mut Secret, field: &str| {
            for owner in secret.owner_references_mut() {
                match field {
                    "uid" => owner.uid = "c0".to_owned(),
                    _ => owner.controller = None,
                }
            }
        };
        type Change = Box<dyn FnOnce(&mut Secret)>;
        let changes: [(Change, Outcome, &str); 9] = [
            (
                Box::new(|s| s.type_ = Some("kubernetes.io/tls".to_owned())),
                Outcome::Failed,
                "type",
            ),
            (
                Box::new(move |s| owner(s, "uid")),
                Outcome::Failed,
                "earlier OidcClient",
            ),
            (
                Box::new(move |s| owner(s, "controller")),
                Outcome::Failed,
                "somebody else's",
            ),
            (
                Box::new(|s| {
                    s.data.as_mut().unwrap().remove("TOKEN_URL");
                }),
                Outcome::Failed,
                "lacks TOKEN_URL",
            ),
            (
                Box::new(|s| {
                    s.data
                        .as_mut()
                        .unwrap()
                        .insert("ISSUER_URL".to_owned(), ByteString(b"x".to_vec()));
                }),
                Outcome::Failed,
                "ISSUER_URL",
            ),
            (
                Box::new(|s| s.metadata.uid = Some("s2".to_owned())),
                Outcome::Failed,
                "made anew",
            ),
            (
                Box::new(|s| annotate(s, "other")),
                Outcome::Failed,
                "does not know",
            ),
            (
                Box::new(|s| annotate(s, "old")),
                Outcome::Unknown,
                "before the newest",
            ),
            (
                Box::new(|s| s.metadata.resource_version = Some("8".to_owned())),
                Outcome::Unknown,
                "was changed",
            ),
        ];
        for (change, outcome, told) in changes {
            let line = judged(change);
            assert!(line.outcome == outcome && line.message.contains(told), "{line:?}");
        }
    }

    #[test]
    fn a_secret_of_ones_own_must_be_there_with_its_key() {
        let mut client = object();
        assert_eq!(given(&client, None), None);
        client.spec.secret_ref = serde_json::from_value(json!({"name": "mine", "key": "pw"})).unwrap();
        let told = |secret: Value| given(&client, serde_json::from_value(secret).ok().as_ref()).unwrap();
        assert!(given(&client, None).unwrap().message.contains("not there"));
        let watched = json!({"name": "mine", "labels": {LABEL_WATCH: "true"}});
        assert_eq!(
            told(json!({"metadata": watched, "data": {"pw": "eA=="}})).outcome,
            Outcome::Ok
        );
        assert!(
            told(json!({"metadata": watched, "data": {"other": "eA=="}}))
                .message
                .contains("no key pw")
        );
        assert!(
            told(json!({"metadata": watched, "data": {"pw": ""}}))
                .message
                .contains("empty")
        );
        assert!(
            told(json!({"metadata": watched, "type": "helm.sh/release.v1"}))
                .message
                .contains("Opaque")
        );
        let late = told(json!({"metadata": {"name": "mine"}, "data": {"pw": "eA=="}}));
        assert!(
            late.outcome == Outcome::Unknown && late.advice.contains(LABEL_WATCH),
            "{late:?}"
        );
    }
}
