//! What to do about a client: pure. The writes in order, then the status, computed from what was applied.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, ResourceExt};
use oidc_crds::client::Client;
use oidc_crds::credentials::ClientSecret;
use oidc_crds::names::{ANNOTATION_CREDENTIAL_ID, ANNOTATION_INSTALLATION};
use oidc_crds::resources::oidc_client::{Credential, RotationStatus, WrittenSecret};
use oidc_crds::resources::{Claim, ConditionType, OidcClient, OidcClientStatus, Reason};
use oidc_crds::rotation::{self, Decision, Found, Known};
use oidc_crds::secrets::app;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::pepper::Pepper;
use oidc_crds::validate::Violation;
use rand_core::CryptoRng;

use super::checks::{Desired, reason_to_write};
use super::hosts;
use super::notes::{tell, written_note};
use super::observe::{Given, Observed, Target, data_of, to_data};
use super::restart::{Restarted, Restarts};
use crate::plan::{Note, fails, holds, refused};
use crate::watches::until;

mod finish;
mod moving;

/// A Secret that somebody else has to move is looked at again after this time.
const BLOCKED: Duration = Duration::from_secs(30);
/// A Secret that `secretRef` names is read again after this time, if no label tells of its changes.
const REREAD: Duration = Duration::from_secs(300);
/// A timer is set for no longer than this.
const LONGEST: Duration = Duration::from_secs(30 * 86400);

/// What a plan is made with.
pub(crate) struct Terms<'a> {
    pub(crate) release: &'a str,
    /// [`Names::home`](crate::context::Names::home).
    pub(crate) home: &'a str,
    pub(crate) installation: &'a Installation,
    pub(crate) pepper: &'a Pepper,
    pub(crate) ca: Option<&'a str>,
    /// The client's hosts that routes serve; `None` where they are not asked.
    pub(crate) routed_hosts: Option<Vec<String>>,
    /// Whether routes cannot be read, so that these are the hosts that were noted last.
    pub(crate) unreadable_routes: bool,
    /// In whole seconds.
    pub(crate) now: Timestamp,
}

/// The writes, in order, and what the status will say.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Credentials that status must list before the Secret is written.
    first_status: Option<Vec<Credential>>,
    /// What status must know of the Secret's names before it is written under another one.
    first_names: Option<WrittenSecret>,
    pub(crate) secret: Option<SecretWrite>,
    /// The Secret under its former names, to be removed once the one under the new name is there.
    pub(crate) remove: Vec<Secret>,
    client_id: Option<String>,
    credentials: Vec<Credential>,
    /// The `rotation.now` that was seen to.
    asked: Option<String>,
    /// What is restarted once the Secret is written.
    pub(crate) restarts: Restarts,
    next_rotation: Option<Time>,
    last_used_at: Option<Time>,
    known_secret: Option<WrittenSecret>,
    routed_hosts: Option<Vec<String>>,
    /// Not all could be judged: the status still speaks of the spec that it spoke of.
    is_open: bool,
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
    restarted: Restarted,
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
    let is_open = terms.unreadable_routes && verdict.is_ok_and(|client| hosts::wait(client, object));
    let mut plan = if is_open {
        unchanged(object.status.clone().unwrap_or_default(), hosts::waiting(), None)
    } else {
        writes(object, observed, verdict, terms, rng)
    };
    if terms.unreadable_routes {
        hosts::tell(&mut plan.claims);
    }
    plan.is_open = is_open;
    plan.routed_hosts.clone_from(&terms.routed_hosts);
    plan.note_uses(&observed.seen);
    plan
}

fn writes(
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
    if client.registration().is_some() {
        let mut plan = unchanged(status, registered(), None);
        plan.client_id = Some(client.client_id().to_owned());
        plan.credentials = Vec::new();
        return plan;
    }
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
    let former = &observed.former;
    let held = ours.or(former.first());
    let found = found(held, observed.given.as_ref(), terms.home);
    let decision = rotation::decide(
        client,
        Known {
            credentials: &status.credentials,
            now: status.rotation.as_ref().and_then(|known| known.now.as_deref()),
            uses: Some(&observed.seen),
        },
        &found,
        terms.pepper,
        &rotation::Terms::of(terms.installation, client.namespace()),
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
        terms.home,
    );
    let reason = reason_to_write(ours, &desired);
    let mut notes: Vec<Note> = decision
        .reasons
        .iter()
        .filter(|reason| !matches!(reason, Reason::SecretCreated | Reason::SecretUpdated))
        .map(|reason| {
            let told = tell(*reason, client, &status.credentials, &decision);
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
    let moves = secret.is_some() || !former.is_empty();
    let known = status.secret.as_ref().filter(|_| moves);
    let first_names = match moving::first_names(known, former, name) {
        Ok(names) => names,
        Err(full) => return unchanged(status, not_ready(Reason::WriteFailed, full), Some(BLOCKED)),
    };
    Plan {
        first_names,
        first_status: (status_first && secret.is_some() && decision.before != status.credentials)
            .then_some(decision.before),
        secret,
        remove: former.clone(),
        client_id: Some(client.client_id().to_owned()),
        restarts: Restarts::of(
            client,
            &status.credentials,
            status.rotation.as_ref(),
            &decision.credentials,
        ),
        credentials: decision.credentials,
        asked: decision.now,
        next_rotation: decision.next_rotation.map(Time),
        last_used_at: status.last_used_at,
        known_secret: known_secret(status.secret, ours),
        routed_hosts: None,
        is_open: false,
        claims: ready(client),
        notes,
        again,
    }
}

/// Nothing but a refusal for these reasons. It tells nothing that only this installation knows.
pub(crate) fn refusal(object: &OidcClient, violations: &[Violation]) -> Plan {
    unchanged(
        object.status.clone().unwrap_or_default(),
        refused(violations),
        None,
    )
}

fn noted(now: Option<String>, restarted_for: Option<String>) -> Option<RotationStatus> {
    let noted = RotationStatus { now, restarted_for };
    (noted != RotationStatus::default()).then_some(noted)
}

/// Only conditions change.
fn unchanged(status: OidcClientStatus, claims: Vec<Claim>, again: Option<Duration>) -> Plan {
    Plan {
        first_status: None,
        first_names: None,
        secret: None,
        remove: Vec::new(),
        client_id: status.client_id,
        credentials: status.credentials,
        restarts: Restarts::unchanged(status.rotation.as_ref()),
        asked: status.rotation.and_then(|noted| noted.now),
        next_rotation: status.next_rotation,
        last_used_at: status.last_used_at,
        known_secret: status.secret,
        routed_hosts: None,
        is_open: false,
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

/// Whoever registered it was told its secret, and nobody else can be.
fn registered() -> Vec<Claim> {
    let told = "told to whoever registered it; no Secret is written";
    vec![
        accepted(),
        holds(ConditionType::CredentialsReady, Reason::Ready, told),
        holds(ConditionType::Ready, Reason::Ready, "served"),
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
fn found(ours: Option<&Secret>, given: Option<&Given>, home: &str) -> Found {
    let written_by = ours.and_then(|secret| secret.annotations().get(ANNOTATION_INSTALLATION));
    match (given, ours) {
        (Some(Given::Missing), _) => Found::GivenMissing,
        (Some(Given::OfType(kind)), _) => Found::GivenOfType(kind.clone()),
        (Some(Given::Reserved(what)), _) => Found::GivenReserved((*what).to_owned()),
        (Some(Given::Present { version, secret }), _) => Found::Given {
            version: version.clone(),
            secret: secret.clone(),
        },
        (None, Some(_)) if written_by.is_some_and(|other| other != home) => Found::Foreign,
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
        Found::Nothing
        | Found::Foreign
        | Found::GivenMissing
        | Found::GivenOfType(_)
        | Found::GivenReserved(_) => None,
    };
    decision
        .deliver
        .as_ref()
        .map(|delivery| &delivery.secret)
        .or(there)
}

/// When to look again: at the next retirement or rotation, or to read a `secretRef` whose changes no label
/// tells.
fn again(decision: &Decision, object: &OidcClient, now: Timestamp) -> Option<Duration> {
    let planned = [decision.next, decision.next_rotation];
    let planned = planned.into_iter().flatten().map(|at| until(at, now));
    let reread = object.spec.secret_ref.as_ref().map(|_| REREAD);
    planned.chain(reread).min().map(|again| again.min(LONGEST))
}

/// The status's record of the Secret: kept while it names the Secret that is there.
fn known_secret(known: Option<WrittenSecret>, ours: Option<&Secret>) -> Option<WrittenSecret> {
    let found = ours.map(written)?;
    let known = known.filter(|known| known.uid == found.uid && known.name == found.name);
    let known = known.unwrap_or(found);
    Some(WrittenSecret {
        moving: Vec::new(),
        ..known
    })
}

fn written(secret: &Secret) -> WrittenSecret {
    WrittenSecret {
        name: secret.name_any(),
        uid: secret.uid().unwrap_or_default(),
        resource_version: secret.resource_version().unwrap_or_default(),
        moving: Vec::new(),
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

#[cfg(test)]
mod tests;
