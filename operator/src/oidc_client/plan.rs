//! What to do about a client: pure. The writes in order, then the status, computed from what was applied.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Resource, ResourceExt};
use oidc_crds::client::Client;
use oidc_crds::credentials::ClientSecret;
use oidc_crds::names::ANNOTATION_CREDENTIAL_ID;
use oidc_crds::resources::oidc_client::{Credential, WrittenSecret};
use oidc_crds::resources::{Claim, ConditionType, OidcClient, OidcClientStatus, Reason};
use oidc_crds::rotation::{self, Decision, Found};
use oidc_crds::secrets::app;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::pepper::Pepper;
use oidc_crds::validate::Violation;
use rand_core::CryptoRng;

use super::checks::{Desired, reason_to_write};
use super::observe::{Given, Observed, Target, data_of, to_data};
use crate::execute::Error;
use crate::plan::{Note, conditions, fails, holds, news, refused};
use crate::watches::until;

/// A Secret that somebody else has to move is looked at again after this time.
const BLOCKED: Duration = Duration::from_secs(30);
/// A Secret that `secretRef` names is read again after this time, if no label tells of its changes.
const REREAD: Duration = Duration::from_secs(300);

/// What a plan is made with.
pub(crate) struct Terms<'a> {
    pub(crate) release: &'a str,
    pub(crate) installation: &'a Installation,
    pub(crate) pepper: &'a Pepper,
    pub(crate) ca: Option<&'a str>,
    /// In whole seconds.
    pub(crate) now: Timestamp,
}

/// The writes, in order, and what the status will say.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Credentials that status must list before the Secret is written.
    pub(crate) first_status: Option<Vec<Credential>>,
    pub(crate) secret: Option<SecretWrite>,
    /// The Secret under its former name, to be removed once the one under the new name is there.
    pub(crate) remove: Option<Box<Secret>>,
    client_id: Option<String>,
    credentials: Vec<Credential>,
    known_secret: Option<WrittenSecret>,
    claims: Vec<Claim>,
    notes: Vec<Note>,
    again: Option<Duration>,
}

/// How the Secret is written.
#[derive(Debug, Clone)]
pub(crate) enum SecretWrite {
    /// POST.
    Create(Box<Secret>),
    /// PUT with the resourceVersion that was read.
    Replace(Box<Secret>),
}

/// What was done: only this makes a status.
#[derive(Debug)]
pub(crate) struct Applied {
    secret: Option<WrittenSecret>,
    failure: Option<String>,
}

/// The end of a reconcile.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: OidcClientStatus,
    pub(crate) notes: Vec<Note>,
    /// The reason of `Ready`.
    pub(crate) reason: Reason,
    pub(crate) again: Option<Duration>,
}

/// Plans. `object` is the client as it was read, `verdict` the validator's and the arbiter's.
pub(crate) fn plan(
    object: &OidcClient,
    observed: &Observed,
    verdict: Result<&Client, &[Violation]>,
    terms: &Terms<'_>,
    rng: &mut impl CryptoRng,
) -> Plan {
    let status = object.status.clone().unwrap_or_default();
    let client = match verdict {
        Ok(client) => client,
        Err(violations) => return unchanged(status, refused(violations), None),
    };
    let name = client.secret_name();
    let ours = match &observed.target {
        Target::Foreign => {
            let why = format!(
                "the Secret {name} is somebody else's and is not touched: delete it, or choose another \
                 name in spec.secret.name"
            );
            return unchanged(status, not_ready(Reason::NotOwned, why), Some(BLOCKED));
        }
        Target::Stale => {
            let why = format!(
                "the Secret {name} belongs to an earlier OidcClient of this name; waiting for the garbage \
                 collector to remove it"
            );
            return unchanged(status, not_ready(Reason::StaleOwner, why), Some(BLOCKED));
        }
        Target::Absent => None,
        Target::Ours(secret) => Some(&**secret),
    };
    // Under another name it is the same Secret, with the same credential.
    let former = observed.former.as_deref();
    let held = ours.or(former);
    let found = found(held, observed.given.as_ref());
    let decision = rotation::decide(
        client,
        &status.credentials,
        &found,
        terms.pepper,
        &rotation::Terms::of(terms.installation),
        terms.now,
        rng,
    );
    let again = again(&decision, object, terms.now);
    if let Some((reason, why)) = decision.problem {
        let mut plan = unchanged(status, not_ready(reason, why), again);
        plan.credentials = decision.credentials;
        return plan;
    }
    let content = app::Content {
        secret: content(client, &decision, &found),
        installation: terms.installation,
        ca: terms.ca,
    };
    let before = held.map(data_of);
    let delivered = decision.deliver.as_ref().map(|d| d.credential_id.as_str());
    let moved = held.and_then(|secret| secret.annotations().get(ANNOTATION_CREDENTIAL_ID));
    let desired = Desired::of(
        app::render(client, content, before.as_ref(), rng),
        delivered.or(moved.map(String::as_str)),
        terms.release,
    );
    let reason = reason_to_write(ours, &desired);
    let mut notes: Vec<Note> = decision
        .reasons
        .iter()
        .filter(|reason| !matches!(reason, Reason::SecretCreated | Reason::SecretUpdated))
        .map(|reason| {
            let told = tell(*reason, &status.credentials, &decision.credentials);
            Note::normal(*reason, told)
        })
        .collect();
    notes.extend(reason.map(|reason| written_note(reason, client, &decision, former)));
    let secret = reason.map(|_| match ours {
        None => SecretWrite::Create(Box::new(build(object, client, &desired, Secret::default()))),
        Some(secret) => SecretWrite::Replace(Box::new(build(object, client, &desired, secret.clone()))),
    });
    // A secret must be accepted before an app can read it. Only the very first goes the other way.
    let status_first = match &decision.deliver {
        Some(delivery) => delivery.status_first,
        None => !status.credentials.is_empty(),
    };
    Plan {
        first_status: (status_first && secret.is_some() && decision.credentials != status.credentials)
            .then(|| decision.credentials.clone()),
        secret,
        remove: observed.former.clone(),
        client_id: Some(client.client_id().to_owned()),
        credentials: decision.credentials,
        known_secret: known_secret(status.secret, ours),
        claims: ready(client),
        notes,
        again,
    }
}

/// Only conditions change.
fn unchanged(status: OidcClientStatus, claims: Vec<Claim>, again: Option<Duration>) -> Plan {
    Plan {
        first_status: None,
        secret: None,
        remove: None,
        client_id: status.client_id,
        credentials: status.credentials,
        known_secret: status.secret,
        claims,
        notes: Vec::new(),
        again,
    }
}

fn accepted() -> Claim {
    holds(ConditionType::Accepted, Reason::Accepted, "the spec is good")
}

fn not_ready(reason: Reason, why: String) -> Vec<Claim> {
    vec![
        accepted(),
        fails(ConditionType::CredentialsReady, reason, why.clone()),
        fails(ConditionType::Ready, reason, why),
    ]
}

fn ready(client: &Client) -> Vec<Claim> {
    let place = format!("in the Secret {}", client.secret_name());
    vec![
        accepted(),
        holds(ConditionType::CredentialsReady, Reason::Ready, place),
        holds(ConditionType::Ready, Reason::Ready, "served"),
    ]
}

/// What `rotation` is told was found.
fn found(ours: Option<&Secret>, given: Option<&Given>) -> Found {
    match (given, ours) {
        (Some(Given::Missing), _) => Found::GivenMissing,
        (Some(Given::OfType(kind)), _) => Found::GivenOfType(kind.clone()),
        (Some(Given::Present { version, secret }), _) => Found::Given {
            version: version.clone(),
            secret: secret.clone(),
        },
        (None, Some(secret)) => Found::Ours {
            credential_id: secret.annotations().get(ANNOTATION_CREDENTIAL_ID).cloned(),
            secret: app::held_secret(&data_of(secret), secret.annotations()),
        },
        (None, None) => Found::Nothing,
    }
}

/// The client secret for the app's Secret: a new one, the given one, or the one that is there.
fn content<'a>(client: &Client, decision: &'a Decision, found: &'a Found) -> Option<&'a ClientSecret> {
    if !client.has_secret() {
        return None;
    }
    let there = match found {
        Found::Ours { secret, .. } | Found::Given { secret, .. } => secret.as_ref(),
        Found::Nothing | Found::GivenMissing | Found::GivenOfType(_) => None,
    };
    decision
        .deliver
        .as_ref()
        .map(|delivery| &delivery.secret)
        .or(there)
}

/// When to look again: at the next retirement, or to read a `secretRef` whose changes no label tells.
fn again(decision: &Decision, object: &OidcClient, now: Timestamp) -> Option<Duration> {
    let retirement = decision.next.map(|at| until(at, now));
    let reread = object.spec.secret_ref.as_ref().map(|_| REREAD);
    match (retirement, reread) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The status's record of the Secret: kept while it names the Secret that is there.
fn known_secret(known: Option<WrittenSecret>, ours: Option<&Secret>) -> Option<WrittenSecret> {
    let found = ours.map(written)?;
    Some(
        known
            .filter(|known| known.uid == found.uid && known.name == found.name)
            .unwrap_or(found),
    )
}

fn written(secret: &Secret) -> WrittenSecret {
    WrittenSecret {
        name: secret.name_any(),
        uid: secret.uid().unwrap_or_default(),
        resource_version: secret.resource_version().unwrap_or_default(),
    }
}

/// The Secret to write: everything that others added to its metadata stays.
fn build(object: &OidcClient, client: &Client, desired: &Desired, mut secret: Secret) -> Secret {
    secret.metadata.name = Some(client.secret_name().to_owned());
    secret.metadata.namespace = Some(client.namespace().to_owned());
    secret.metadata.managed_fields = None;
    secret.metadata.labels = Some(desired.labels_on(&secret));
    secret.metadata.annotations = Some(desired.annotations_on(&secret));
    if secret.metadata.owner_references.is_none() {
        secret.metadata.owner_references = object.controller_owner_ref(&()).map(|owner| vec![owner]);
    }
    secret.type_.get_or_insert_with(|| "Opaque".into());
    secret.data = Some(to_data(desired.data.clone()));
    secret
}

/// An Event's text for what happened to the credentials: their ids, never a value.
fn tell(reason: Reason, before: &[Credential], after: &[Credential]) -> String {
    let list = |texts: Vec<String>| texts.join(", ");
    match reason {
        Reason::CredentialRotated => {
            let planned = |known: &Credential| {
                let former = before.iter().find(|former| former.id == known.id);
                former.is_some_and(|former| former.retires_at.is_some())
            };
            let until = |known: &Credential| {
                let at = known.retires_at.as_ref().filter(|_| !planned(known))?;
                Some(format!("{} until {}", known.id, at.0))
            };
            let replaced = after.iter().filter_map(until).collect();
            format!("a replaced client secret is still accepted: {}", list(replaced))
        }
        Reason::CredentialRetired => {
            let gone = |known: &&Credential| after.iter().all(|other| other.id != known.id);
            let gone = before.iter().filter(gone).map(|known| known.id.clone()).collect();
            format!("a replaced client secret is no longer accepted: {}", list(gone))
        }
        Reason::DigestsRestored => "digests were computed again from the Secret".to_owned(),
        _ => "the credentials changed".to_owned(),
    }
}

/// The Event for a Secret that is written.
fn written_note(reason: Reason, client: &Client, decision: &Decision, former: Option<&Secret>) -> Note {
    let name = client.secret_name();
    let with = match &decision.deliver {
        Some(delivery) => format!(" with a new client secret, {}", delivery.credential_id),
        None => String::new(),
    };
    let moved = former
        .map(|former| format!("; the Secret {} is removed", former.name_any()))
        .unwrap_or_default();
    Note::normal(reason, format!("Secret {name}{with}{moved}"))
}

impl Applied {
    pub(crate) fn nothing() -> Self {
        Self {
            secret: None,
            failure: None,
        }
    }

    pub(crate) fn secret(secret: &Secret) -> Self {
        Self {
            secret: Some(written(secret)),
            failure: None,
        }
    }

    pub(crate) fn failed(error: &Error) -> Self {
        Self {
            secret: None,
            failure: Some(error.to_string()),
        }
    }
}

impl Plan {
    /// The status, and what to tell. After a failed write nothing is said to be ready, and a credential
    /// that was not delivered is not listed unless it was before.
    pub(crate) fn finish(self, client: &OidcClient, applied: &Applied, now: Timestamp) -> Outcome {
        let old = client.status.clone().unwrap_or_default();
        let generation = client.metadata.generation.unwrap_or_default();
        let (claims, credentials, mut notes) = match &applied.failure {
            None => (self.claims, self.credentials, self.notes),
            Some(why) => {
                let accepted = self
                    .claims
                    .into_iter()
                    .find(|claim| claim.kind == ConditionType::Accepted);
                let failed = |kind| fails(kind, Reason::WriteFailed, why.clone());
                let claims = accepted
                    .into_iter()
                    .chain([
                        failed(ConditionType::CredentialsReady),
                        failed(ConditionType::Ready),
                    ])
                    .collect();
                (claims, old.credentials.clone(), Vec::new())
            }
        };
        // A Secret that is still to be removed must not be forgotten.
        let secret = match (&applied.failure, &self.remove) {
            (Some(_), Some(_)) => old.secret.clone(),
            _ => applied.secret.clone().or(self.known_secret),
        };
        notes.extend(news(&old.conditions, &claims));
        let reason = claims
            .iter()
            .find(|claim| claim.kind == ConditionType::Ready)
            .map_or(Reason::Ready, |claim| claim.reason);
        Outcome {
            status: OidcClientStatus {
                client_id: self.client_id,
                observed_generation: Some(generation),
                conditions: conditions(&old.conditions, &claims, generation, now),
                credentials,
                secret,
            },
            notes,
            reason,
            again: self.again,
        }
    }
}

#[cfg(test)]
mod tests;
