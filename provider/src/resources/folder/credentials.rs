//! Credentials of clients: digests in the records, generated Secrets as manifests in the state, each told
//! once on standard output.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use oidc_crds::client::Client;
use oidc_crds::credentials::ClientSecret;
use oidc_crds::names::ANNOTATION_CREDENTIAL_ID;
use oidc_crds::resources::oidc_client::SecretKeyRef;
use oidc_crds::resources::{OidcClient, OidcClientStatus, Reason};
use oidc_crds::rng::SystemRng;
use oidc_crds::rotation::{Found, Known, Terms, decide};
use oidc_crds::secrets::app::Rendered;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::pepper::Pepper;
use oidc_crds::secrets::{Data, app, is_opaque};
use serde_json::{Map, Value, json};

use super::manifest::{self, Object};
use super::objects::{GivenSecret, Objects};
use super::state::State;
use crate::resources::directory::key;
use crate::resources::kept::Kept;

/// Annotation of a generated Secret: the UID of the client that it was made for. A later client of the
/// same name does not inherit it.
const ANNOTATION_OWNER: &str = "oidc-operator.dev/owner-uid";

/// What is to be brought up to date.
pub struct Work<'a> {
    /// The clients that are served.
    pub clients: &'a [Arc<Client>],
    /// All objects.
    pub objects: &'a mut Objects,
    /// The state.
    pub state: &'a mut State,
    /// What digests are made under.
    pub pepper: &'a Pepper,
    /// What is served.
    pub installation: &'a Installation,
    /// Whether all manifests could be read, so that what is not there is gone.
    pub complete: bool,
    /// The present time.
    pub now: Timestamp,
}

/// What was done.
#[derive(Default)]
pub struct Done {
    /// The clients whose credentials changed.
    pub changed: Vec<Kept<OidcClient>>,
    /// What is wrong.
    pub problems: Vec<String>,
    /// When a credential retires or is due to be replaced next.
    pub next: Option<Timestamp>,
}

/// Decides about each client as the operator would, and does it. A first credential is written to its
/// Secret before it is recorded, every other one after.
///
/// # Errors
/// When the state cannot be read or written.
pub fn reconcile(work: Work<'_>) -> Result<Done, String> {
    let (mut done, mut claimed) = (Done::default(), BTreeSet::new());
    // a client that is refused for now keeps its Secret
    let mut kept = BTreeSet::new();
    let mut by_uid = HashMap::new();
    for (index, object) in work.objects.clients.iter().enumerate() {
        let Ok(object) = object.open() else { continue };
        kept.insert(path(work.state, &object));
        if let Some(uid) = object.metadata.uid {
            by_uid.insert(uid, (index, object.spec.secret_ref));
        }
    }
    let mut moved = moved(&work)?;
    for client in work.clients {
        let name = format!("OidcClient/{}/{}", client.namespace(), client.name());
        // those that registered themselves have no manifest, and are gone at exit
        let Some((index, secret_ref)) = by_uid.get(client.uid()) else {
            continue;
        };
        let path = work.state.secret_path(client.namespace(), client.secret_name());
        if !manifest::is_dns_name(client.secret_name(), true) {
            done.problems
                .push(format!("{name}: spec.secret.name is no name of a Secret"));
            continue;
        }
        if !claimed.insert(path.clone()) {
            done.problems.push(format!(
                "{name}: another client has a Secret of the same name; set spec.secret.name"
            ));
            continue;
        }
        let written = match written(work.state, client, client.secret_name())? {
            Some(written) => Some(written),
            None => moved.remove(client.uid()),
        };
        let given = secret_ref.as_ref().map(|reference| {
            let key = (client.namespace().to_owned(), reference.name.clone());
            (reference, work.objects.secrets.get(&key))
        });
        let found = found(given, written.as_ref());
        let Some(record) = work.state.records.get(&name) else {
            continue;
        };
        let decision = decide(
            client,
            Known {
                credentials: &record.credentials,
                now: record.rotated.as_deref(),
                uses: None,
            },
            &found,
            work.pepper,
            &Terms::of(work.installation, client.namespace()),
            work.now,
            &mut SystemRng,
        );
        if let Some((_, problem)) = &decision.problem {
            done.problems.push(format!("{name}: {problem}"));
        }
        let times = [done.next, decision.next, decision.next_rotation];
        done.next = times.into_iter().flatten().min();

        let changed = *record.credentials != *decision.credentials;
        let noted = record.rotated != decision.now;
        let minted = decision
            .reasons
            .iter()
            .any(|reason| matches!(reason, Reason::SecretCreated | Reason::SecretUpdated));
        let (id, secret) = match (&decision.deliver, &found) {
            (Some(delivery), _) => (Some(delivery.credential_id.as_str()), Some(&delivery.secret)),
            (
                None,
                Found::Ours {
                    credential_id,
                    secret,
                },
            ) => (credential_id.as_deref(), secret.as_ref()),
            (None, Found::Given { secret, .. }) if decision.problem.is_none() => (None, secret.as_ref()),
            (None, _) => (None, None),
        };
        let content = app::Content {
            secret,
            installation: work.installation,
            ca: None,
        };
        let before = written.as_ref().map(|written| &written.data);
        let output = render(client, id, app::render(client, content, before, &mut SystemRng));
        let status_first = decision
            .deliver
            .as_ref()
            .is_some_and(|delivery| delivery.status_first);
        if changed {
            let credentials = decision.credentials.clone();
            if status_first && let Some(record) = work.state.records.get_mut(&name) {
                record.credentials = decision.before.into();
                record.rotated.clone_from(&decision.now);
                work.state.save_records()?;
            }
            if let Some(record) = work.state.records.get_mut(&name) {
                record.credentials = credentials.clone().into();
            }
            let object = &mut work.objects.clients[*index];
            if let Ok(mut changed) = object.open() {
                changed.status = Some(OidcClientStatus {
                    credentials,
                    ..OidcClientStatus::default()
                });
                *object = Kept::of(changed);
                done.changed.push(object.clone());
            }
        }
        if noted && let Some(record) = work.state.records.get_mut(&name) {
            record.rotated = decision.now;
        }
        if written.as_ref().map(|written| &written.text) != Some(&output) {
            work.state
                .save_secret(client.namespace(), client.secret_name(), &output)?;
        }
        if let Some(record) = work.state.records.get_mut(&name)
            && record.secret.as_deref() != Some(client.secret_name())
        {
            record.secret = Some(client.secret_name().to_owned());
            // before the one under the former name is removed
            work.state.save_records()?;
        }
        if let (true, Some(delivery)) = (minted, &decision.deliver) {
            work.state.save_records()?;
            tell(client, &delivery.secret, &path);
        }
    }
    kept.extend(claimed);
    kept.extend(noted(&work));
    if work.complete {
        work.state.keep_secrets(&kept)?;
    }
    Ok(done)
}

/// The Secrets of clients that had another name for them, by the client's UID. All are read before any is
/// written: two clients may change names with each other.
fn moved(work: &Work<'_>) -> Result<HashMap<String, Written>, String> {
    let mut moved = HashMap::new();
    for client in work.clients {
        let name = format!("OidcClient/{}/{}", client.namespace(), client.name());
        let record = work.state.records.get(&name);
        let former = record.and_then(|record| record.secret.as_deref());
        if let Some(former) = former.filter(|former| *former != client.secret_name())
            && let Some(written) = written(work.state, client, former)?
        {
            moved.insert(client.uid().to_owned(), written);
        }
    }
    Ok(moved)
}

/// Where the Secrets of all clients were last written, by now: one that has another name, but could not be moved yet,
/// is not lost.
fn noted(work: &Work<'_>) -> Vec<PathBuf> {
    let objects = work
        .objects
        .clients
        .iter()
        .filter_map(|object| object.open().ok());
    let path = |client: OidcClient| {
        let (namespace, name) = key(&client.metadata);
        let record = work
            .state
            .records
            .get(&format!("OidcClient/{namespace}/{name}"))?;
        Some(work.state.secret_path(&namespace, record.secret.as_deref()?))
    };
    objects.filter_map(path).collect()
}

/// Where an object's Secret lies.
fn path(state: &State, client: &OidcClient) -> PathBuf {
    let (namespace, name) = key(&client.metadata);
    let named = client.spec.secret.as_ref().and_then(|secret| secret.name.clone());
    state.secret_path(&namespace, &named.unwrap_or_else(|| format!("{name}-oidc")))
}

/// The one place that shows a secret: generated credentials, once.
#[expect(clippy::print_stdout, reason = "the person who runs it asked for them")]
fn tell(client: &Client, secret: &ClientSecret, path: &Path) {
    println!(
        "New credentials of {}/{}, also in {}:\n  CLIENT_ID={}\n  CLIENT_SECRET={}",
        client.namespace(),
        client.name(),
        path.display(),
        client.client_id(),
        secret.expose()
    );
}

/// A generated Secret as it lies in the state.
struct Written {
    text: String,
    credential_id: Option<String>,
    secret: Option<ClientSecret>,
    data: Data,
}

/// What lies under this name, if it was made for this client.
fn written(state: &State, client: &Client, name: &str) -> Result<Option<Written>, String> {
    let Some(text) = state.secret(client.namespace(), name)? else {
        return Ok(None);
    };
    let object = manifest::read(&text)
        .ok()
        .and_then(|mut manifest| manifest.objects.pop());
    let Some(Object::Secret(secret)) = object else {
        return Ok(None);
    };
    let annotations = secret.metadata.annotations.unwrap_or_default();
    let annotation = |name: &str| annotations.get(name).cloned();
    if annotation(ANNOTATION_OWNER).as_deref() != Some(client.uid()) {
        return Ok(None);
    }
    Ok(Some(Written {
        text,
        credential_id: annotation(ANNOTATION_CREDENTIAL_ID),
        secret: app::held_secret(&secret.data, &annotations),
        data: secret.data,
    }))
}

/// `given`: the reference to a Secret of the person's own, and what it names.
fn found(given: Option<(&SecretKeyRef, Option<&GivenSecret>)>, written: Option<&Written>) -> Found {
    let Some((reference, secret)) = given else {
        return written.map_or(Found::Nothing, |written| Found::Ours {
            credential_id: written.credential_id.clone(),
            secret: written.secret.clone(),
        });
    };
    let Some(secret) = secret else {
        return Found::GivenMissing;
    };
    if let Some(kind) = secret.kind.clone().filter(|kind| !is_opaque(Some(kind))) {
        return Found::GivenOfType(kind);
    }
    let key = reference.key.as_deref().unwrap_or(app::CLIENT_SECRET);
    let text = secret
        .data
        .get(key)
        .and_then(|bytes| std::str::from_utf8(bytes).ok());
    Found::Given {
        version: format!("{}/{}", secret.uid, secret.version),
        secret: text.map(|text| ClientSecret::new(text.to_owned())),
    }
}

/// The manifest of an app's Secret.
fn render(client: &Client, credential_id: Option<&str>, rendered: Rendered) -> String {
    let Rendered {
        data,
        labels,
        mut annotations,
    } = rendered;
    annotations.insert(ANNOTATION_OWNER.to_owned(), client.uid().to_owned());
    if let Some(id) = credential_id {
        annotations.insert(ANNOTATION_CREDENTIAL_ID.to_owned(), id.to_owned());
    }
    let texts: Map<String, Value> = data
        .iter()
        .map(|(key, bytes)| (key.clone(), String::from_utf8_lossy(bytes).into()))
        .collect();
    let metadata = ObjectMeta {
        name: Some(client.secret_name().to_owned()),
        namespace: Some(client.namespace().to_owned()),
        labels: (!labels.is_empty()).then_some(labels),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    };
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": texts,
    });
    serde_yaml::to_string(&secret).unwrap_or_else(|_| secret.to_string())
}
