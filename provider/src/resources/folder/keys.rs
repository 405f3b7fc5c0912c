//! Signing keys: the same schedule as the operator's, for one process that nobody has to wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use oidc_crds::client::Client;
use oidc_crds::jwk::PrivateJwk;
use oidc_crds::names::Seconds;
use oidc_crds::resources::{SigningKey, SigningKeySpec};
use oidc_crds::schedule::{Acknowledgements, Demand, Import, Terms, Wanted, schedule};
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::key_set::{KeySet, Owner};
use oidc_crds::validate::{shortest_publish_for, validate_signing_key};
use tracing::info;

use super::objects::{Objects, fresh};
use super::state::State;
use crate::keys::{Offers, Prepared};

/// `publishFor` where a SigningKey gives none: the JWKS may be cached for 5 s.
pub const PUBLISH_FOR: Seconds = Seconds(10);

/// Without any SigningKey there is one of this name, with all defaults.
const IMPLICIT: &str = "default";

/// The key set that is in force.
pub struct SigningKeys {
    set: Option<KeySet>,
    published: bool,
    told: Vec<String>,
}

/// What is to be brought up to date.
pub struct Work<'a> {
    /// All objects.
    pub objects: &'a mut Objects,
    /// The clients that are served.
    pub clients: &'a [Arc<Client>],
    /// The state.
    pub state: &'a mut State,
    /// What is served.
    pub installation: &'a Installation,
    /// Whether clients may register themselves.
    pub registration: bool,
    /// Whether all manifests could be read, so that what is not there is gone.
    pub complete: bool,
    /// The present time.
    pub now: Timestamp,
}

/// What was done.
#[derive(Default)]
pub struct Done {
    /// New documents.
    pub prepared: Option<Prepared>,
    /// What is wrong.
    pub problems: Vec<String>,
    /// When the next step is due.
    pub next: Option<Timestamp>,
}

impl SigningKeys {
    /// With what the state held.
    #[must_use]
    pub fn new(set: Option<KeySet>) -> Self {
        Self {
            set,
            published: false,
            told: Vec::new(),
        }
    }

    /// Takes the next step of all keys: kept in the state first, in force afterwards.
    ///
    /// # Errors
    /// When the state cannot be written, or a key can be neither made nor used.
    pub fn reconcile(&mut self, work: Work<'_>) -> Result<Done, String> {
        let mut done = Done::default();
        let (mut wanted, mut refused, mut revoked) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        for key in &work.objects.keys {
            revoked.extend(key.spec.revoked.iter().map(|revoked| revoked.kid.clone()));
            let name = key.metadata.name.clone().unwrap_or_default();
            let uid = key.metadata.uid.clone().unwrap_or_default();
            let created_at = key.metadata.creation_timestamp.as_ref();
            let created_at = created_at.map_or(work.now, |time| time.0);
            match validate_signing_key(key, work.installation) {
                Ok(()) => wanted.push(Wanted {
                    owner: Owner { name, uid },
                    created_at,
                    spec: key.spec.clone(),
                    import: import(key, work.objects),
                }),
                Err(violations) => {
                    for violation in violations {
                        done.problems.push(format!("SigningKey {name}: {violation}"));
                    }
                    refused.insert(uid, created_at);
                }
            }
        }
        // a manifest that cannot be read yet may hold one
        if work.objects.keys.is_empty() && (work.complete || self.set.is_none()) {
            wanted.push(implicit(work.objects, work.state, work.now));
        }
        let lifetimes = &work.installation.lifetimes;
        let demand = Demand::of(work.clients.iter().map(AsRef::as_ref));
        let terms = Terms {
            longest_token: demand.longest_token(lifetimes),
            session: lifetimes.session,
            publish_for: PUBLISH_FOR,
            in_use: demand.algorithms,
            refused,
            revoked,
            cache: shortest_publish_for(work.installation),
            // What is gone from the folder nobody else has.
            lost: Vec::new(),
            first: self.set.is_none(),
        };
        let nobody = Acknowledgements::default();
        let step = schedule(&wanted, self.set.as_ref(), &nobody, &terms, work.now);
        done.next = step.next;
        self.tell(&step.notes);
        let next = step
            .next_set(self.set.as_ref(), PrivateJwk::generate)
            .map_err(|error| error.to_string())?;
        if let Some(next) = next {
            work.state.save_key_set(&next)?;
            self.set = Some(next);
            self.published = false;
        }
        if let (Some(set), false) = (&self.set, self.published) {
            let prepared = Prepared::build(
                set,
                work.installation,
                Offers {
                    registration: work.registration,
                    metrics: true,
                },
            );
            done.prepared = Some(prepared.map_err(|error| error.to_string())?);
            self.published = true;
        }
        Ok(done)
    }

    /// Each note once, until it is another.
    fn tell(&mut self, notes: &[(String, oidc_crds::resources::Reason, String)]) {
        let notes: Vec<_> = notes
            .iter()
            .map(|(key, _, message)| format!("SigningKey {key}: {message}"))
            .collect();
        for note in &notes {
            if !self.told.contains(note) {
                info!("{note}");
            }
        }
        self.told = notes;
    }
}

/// The key of a folder that asks for none; its UID is kept like any other.
fn implicit(objects: &mut Objects, state: &mut State, now: Timestamp) -> Wanted {
    let name = format!("SigningKey//{IMPLICIT}");
    let record = state.records.entry(name.clone()).or_insert_with(|| fresh(now));
    objects.keep(&name);
    Wanted {
        owner: Owner {
            name: IMPLICIT.to_owned(),
            uid: record.uid.clone(),
        },
        created_at: record.created_at,
        spec: SigningKeySpec {
            default: Some(true),
            ..SigningKeySpec::default()
        },
        import: None,
    }
}

/// What a SigningKey imports from a Secret in the folder.
fn import(key: &SigningKey, objects: &Objects) -> Option<Import> {
    let reference = key.spec.secret_ref.as_ref()?;
    let namespace = key.metadata.namespace.clone().unwrap_or_default();
    let secret = objects.secrets.get(&(namespace, reference.name.clone()));
    let found = secret.map(|secret| (secret.kind.as_deref(), &secret.data));
    Some(Import::from_secret(found, reference, key.spec.algorithm()))
}
