//! [`Objects`]: manifests and records → objects as the API server would give them, with UID, creation
//! time and status.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use oidc_crds::resources::{OidcClient, OidcClientStatus, OidcUser, OidcUserStatus, SigningKey};
use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::Data;
use rand_core::Rng as _;

use super::files::{Files, Known};
use super::state::{Record, State};
use crate::resources::directory::{Key, key};
use crate::resources::kept::Kept;

/// All objects.
#[derive(Default)]
pub struct Objects {
    /// The clients, with the credentials that are known.
    pub clients: Vec<Kept<OidcClient>>,
    /// The users, with the seals that are known.
    pub users: Vec<OidcUser>,
    /// The signing keys.
    pub keys: Vec<SigningKey>,
    /// The Secrets, by namespace and name.
    pub secrets: BTreeMap<Key, GivenSecret>,
    present: BTreeSet<String>,
}

/// A Secret of a manifest.
#[derive(Clone)]
pub struct GivenSecret {
    /// Its UID.
    pub uid: String,
    /// Counts its changes.
    pub version: u64,
    /// Its type, if one is given.
    pub kind: Option<String>,
    /// What it holds.
    pub data: Data,
}

/// The name of an object's record.
#[must_use]
pub fn record_name(kind: &str, (namespace, name): &Key) -> String {
    format!("{kind}/{namespace}/{name}")
}

impl Objects {
    /// Takes what the files hold. Returns what is wrong.
    pub fn load(&mut self, files: &Files, state: &mut State, now: Timestamp) -> Vec<String> {
        let former = std::mem::take(&mut self.secrets);
        let (mut problems, mut present) = (Vec::new(), BTreeSet::new());
        self.clients.clear();
        self.users.clear();
        self.keys.clear();
        for found in files.objects() {
            let name = found.object.record_name();
            if !present.insert(name.clone()) {
                problems.push(format!("{name}: is there twice; only the first is served"));
                continue;
            }
            let record = state.records.entry(name).or_insert_with(|| fresh(now));
            match found.object {
                Known::Client(client) => {
                    let Ok(mut client) = client.open() else { continue };
                    complete(&mut client.metadata, record);
                    client.status = Some(OidcClientStatus {
                        credentials: record.credentials.to_vec(),
                        ..OidcClientStatus::default()
                    });
                    self.clients.push(Kept::of(client));
                }
                Known::User(user) => {
                    let Ok(mut user) = user.open() else { continue };
                    complete(&mut user.metadata, record);
                    user.status = Some(OidcUserStatus {
                        password: record.password.clone(),
                        ..OidcUserStatus::default()
                    });
                    self.users.push(user);
                }
                Known::Key(key) => {
                    let mut key = SigningKey::clone(key);
                    complete(&mut key.metadata, record);
                    self.keys.push(key);
                }
                Known::Secret(secret) => {
                    let key = key(&secret.metadata);
                    // across a restart, the file's stamp has to do
                    let same = former.get(&key).map_or_else(
                        || record.stamp == found.stamp,
                        |former| former.uid == record.uid && former.data == secret.data,
                    );
                    if !same {
                        record.version += 1;
                    }
                    found.stamp.clone_into(&mut record.stamp);
                    let given = GivenSecret {
                        uid: record.uid.clone(),
                        version: record.version,
                        kind: secret.kind.clone(),
                        data: secret.data.clone(),
                    };
                    self.secrets.insert(key, given);
                }
            }
        }
        self.present = present;
        problems
    }

    /// Keeps a record of an object that has no manifest.
    pub fn keep(&mut self, name: &str) {
        self.present.insert(name.to_owned());
    }

    /// Forgets objects whose manifest is gone: put back, they are others.
    pub fn forget(&self, state: &mut State) {
        state.records.retain(|name, _| self.present.contains(name));
    }
}

/// The record of an object that was never seen.
#[must_use]
pub fn fresh(now: Timestamp) -> Record {
    Record {
        uid: uid(),
        created_at: now,
        version: 0,
        stamp: String::new(),
        credentials: Box::default(),
        rotated: None,
        secret: None,
        password: None,
    }
}

/// What the API server would add.
fn complete(metadata: &mut ObjectMeta, record: &Record) {
    metadata.uid = Some(record.uid.clone());
    metadata.creation_timestamp = Some(Time(record.created_at));
}

/// A random UUID (RFC 9562 §5.4).
#[must_use]
pub fn uid() -> String {
    let mut bytes = [0; 16];
    SystemRng.fill_bytes(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
