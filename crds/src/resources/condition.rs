//! Conditions in the shape of metav1, and the one vocabulary of reasons.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::limits;

/// The schema of a list of conditions: a map by `type`, with the bounds that metav1 documents.
pub(super) fn list_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": limits::CONDITIONS,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "description": "A condition (metav1).",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {"type": "string", "maxLength": 316, "description": "What it speaks of."},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"], "description": "Whether it holds."},
                "reason": {
                    "type": "string", "minLength": 1, "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                    "description": "Why, in one word."
                },
                "message": {"type": "string", "maxLength": MESSAGE, "description": "Why, for people."},
                "observedGeneration": {
                    "type": "integer", "format": "int64", "minimum": 0,
                    "description": "The generation of the spec that it speaks of."
                },
                "lastTransitionTime": {
                    "type": "string", "format": "date-time",
                    "description": "When its status last changed."
                },
            },
        },
    })
}

/// The most characters of a condition's message.
const MESSAGE: usize = 32_768;

/// What a condition speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionType {
    /// The spec is good and belongs to this installation.
    Accepted,
    /// A client's credentials are in its Secret and known to the provider.
    CredentialsReady,
    /// A key is in the JWKS.
    Published,
    /// Everything that was asked for is done.
    Ready,
}

/// Why: the reason of conditions and Events and the label of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The spec is good.
    Accepted,
    /// Everything is done.
    Ready,
    /// The spec breaks a rule; the message lists all violations.
    Invalid,
    /// The object could not be read as this version's kind.
    Unparsable,
    /// The namespace is not served by this installation.
    NamespaceNotServed,
    /// The class belongs to no installation here (nothing is written then) or to another.
    OtherClass,
    /// Another client has this id.
    ClientIdTaken,
    /// A user (or an older object) has this name.
    NameTaken,
    /// More than one installation lays claim to the object.
    AmbiguousClass,
    /// The installation does not grant this to the namespace.
    NotGranted,
    /// No Ingress and no HTTPRoute of the namespace has a host that redirects lead to.
    NoRoute,
    /// The routes of the namespace cannot be read, and hosts that redirects lead to are not known from before.
    RoutesUnknown,
    /// A Secret of that name is somebody else's.
    NotOwned,
    /// The Secret belongs to an earlier object of this name and will be removed by the garbage collector.
    StaleOwner,
    /// A Secret that the spec refers to is not there yet.
    SecretNotFound,
    /// A Secret that the spec refers to lacks a key or holds a value that is refused.
    SecretInvalid,
    /// A Secret was made or made anew.
    SecretCreated,
    /// A Secret was brought up to date.
    SecretUpdated,
    /// A credential was issued beside the old one.
    CredentialRotated,
    /// A credential retired.
    CredentialRetired,
    /// A workload was rolled out anew, for it to read a new secret.
    WorkloadRestarted,
    /// A workload that is to be restarted is not there.
    WorkloadNotFound,
    /// The operator may not restart workloads in this namespace.
    RestartForbidden,
    /// A client that a program registered was never used, and was deleted.
    RegistrationExpired,
    /// Digests were computed again from the Secret.
    DigestsRestored,
    /// A key was minted.
    KeyMinted,
    /// A key is in the JWKS and waits before it signs.
    KeyPublished,
    /// A key signs.
    KeyActive,
    /// A key no longer signs, but is still published.
    KeyRetiring,
    /// A key was removed and its private half destroyed.
    KeyRemoved,
    /// A key was revoked: it signs nothing, is not published, and what it signed is refused.
    KeyRevoked,
    /// A key that is to be revoked is none of the installation's.
    UnknownKid,
    /// The key to import is the key of another SigningKey.
    KeyTaken,
    /// The key set was edited or removed by somebody else and is as it was again.
    KeySetRestored,
    /// The key set cannot be read; the pods sign on with what they hold.
    KeySetUnreadable,
    /// The key set was lost and is made anew.
    KeySetLost,
    /// The Secret with the key that private keys are encrypted under is not there.
    EnvelopeKeyMissing,
    /// The key that private keys are encrypted under is malformed, or is not the one that they are under.
    EnvelopeKeyInvalid,
    /// An algorithm of an accepted client would lose its only key.
    AlgorithmInUse,
    /// No key signs with an algorithm that the client names.
    AlgorithmNotOffered,
    /// An older SigningKey has this algorithm.
    AlgorithmTaken,
    /// Pods have not acknowledged a key set.
    WaitingForPods,
    /// A key waits for JWKS caches to expire.
    WaitingForCaches,
    /// A password was hashed and sealed.
    PasswordSealed,
    /// A write was refused or lost; it is tried again.
    WriteFailed,
}

impl ConditionType {
    /// The `type` of the condition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::CredentialsReady => "CredentialsReady",
            Self::Published => "Published",
            Self::Ready => "Ready",
        }
    }
}

impl Reason {
    /// The `reason`, CamelCase.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Ready => "Ready",
            Self::Invalid => "Invalid",
            Self::Unparsable => "Unparsable",
            Self::NamespaceNotServed => "NamespaceNotServed",
            Self::OtherClass => "OtherClass",
            Self::ClientIdTaken => "ClientIdTaken",
            Self::NameTaken => "NameTaken",
            Self::AmbiguousClass => "AmbiguousClass",
            Self::NotGranted => "NotGranted",
            Self::NoRoute => "NoRoute",
            Self::RoutesUnknown => "RoutesUnknown",
            Self::NotOwned => "NotOwned",
            Self::StaleOwner => "StaleOwner",
            Self::SecretNotFound => "SecretNotFound",
            Self::SecretInvalid => "SecretInvalid",
            Self::SecretCreated => "SecretCreated",
            Self::SecretUpdated => "SecretUpdated",
            Self::CredentialRotated => "CredentialRotated",
            Self::CredentialRetired => "CredentialRetired",
            Self::WorkloadRestarted => "WorkloadRestarted",
            Self::WorkloadNotFound => "WorkloadNotFound",
            Self::RestartForbidden => "RestartForbidden",
            Self::RegistrationExpired => "RegistrationExpired",
            Self::DigestsRestored => "DigestsRestored",
            Self::KeyMinted => "KeyMinted",
            Self::KeyPublished => "KeyPublished",
            Self::KeyActive => "KeyActive",
            Self::KeyRetiring => "KeyRetiring",
            Self::KeyRemoved => "KeyRemoved",
            Self::KeyRevoked => "KeyRevoked",
            Self::UnknownKid => "UnknownKid",
            Self::KeyTaken => "KeyTaken",
            Self::KeySetRestored => "KeySetRestored",
            Self::KeySetUnreadable => "KeySetUnreadable",
            Self::KeySetLost => "KeySetLost",
            Self::EnvelopeKeyMissing => "EnvelopeKeyMissing",
            Self::EnvelopeKeyInvalid => "EnvelopeKeyInvalid",
            Self::AlgorithmInUse => "AlgorithmInUse",
            Self::AlgorithmNotOffered => "AlgorithmNotOffered",
            Self::AlgorithmTaken => "AlgorithmTaken",
            Self::WaitingForPods => "WaitingForPods",
            Self::WaitingForCaches => "WaitingForCaches",
            Self::PasswordSealed => "PasswordSealed",
            Self::WriteFailed => "WriteFailed",
        }
    }
}

/// A condition as a plan states it; [`merge`] turns it into metav1's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What it speaks of.
    pub kind: ConditionType,
    /// Whether it holds; `None` is `Unknown`.
    pub holds: Option<bool>,
    /// Why.
    pub reason: Reason,
    /// For people: what is wrong and what to do.
    pub message: String,
}

/// Merges claims into the old conditions: one per claim, in the order of the claims; the transition
/// time is kept where the status did not change. `generation` is the object's.
#[must_use]
pub fn merge(old: &[Condition], claims: &[Claim], generation: i64, now: Timestamp) -> Vec<Condition> {
    claims
        .iter()
        .map(|claim| {
            let status = match claim.holds {
                Some(true) => "True",
                Some(false) => "False",
                None => "Unknown",
            };
            let before = old.iter().find(|c| c.type_ == claim.kind.as_str());
            let since = before
                .filter(|c| c.status == status)
                .map_or(now, |c| c.last_transition_time.0);
            Condition {
                type_: claim.kind.as_str().to_owned(),
                status: status.to_owned(),
                reason: claim.reason.as_str().to_owned(),
                message: claim.message.chars().take(MESSAGE).collect(),
                observed_generation: Some(generation),
                last_transition_time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(since),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(kind: ConditionType, holds: Option<bool>, message: &str) -> Claim {
        Claim {
            kind,
            holds,
            reason: Reason::Ready,
            message: message.to_owned(),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_condition_keeps_its_time_while_its_status_stays() {
        let first = merge(&[], &[claim(ConditionType::Ready, Some(false), "a")], 1, at(1));
        let second = merge(&first, &[claim(ConditionType::Ready, Some(false), "b")], 2, at(2));
        assert_eq!(second[0].last_transition_time.0, at(1));
        assert_eq!(
            (second[0].message.as_str(), second[0].observed_generation),
            ("b", Some(2))
        );
        let third = merge(&second, &[claim(ConditionType::Ready, Some(true), "b")], 2, at(3));
        assert_eq!(third[0].last_transition_time.0, at(3));
        assert_eq!(third[0].status, "True");
        // what is merged twice does not change, so it need not be written
        assert_eq!(
            merge(&third, &[claim(ConditionType::Ready, Some(true), "b")], 2, at(9)),
            third
        );
    }

    #[test]
    fn conditions_are_those_that_are_claimed() {
        let old = merge(&[], &[claim(ConditionType::Published, None, "")], 1, at(1));
        assert_eq!(old[0].status, "Unknown");
        let long = "x".repeat(40_000);
        let claims = [
            claim(ConditionType::Accepted, Some(true), &long),
            claim(ConditionType::Ready, Some(true), ""),
        ];
        let new = merge(&old, &claims, 1, at(2));
        let types: Vec<&str> = new.iter().map(|condition| condition.type_.as_str()).collect();
        assert_eq!(types, ["Accepted", "Ready"]);
        assert_eq!(new[0].message.len(), MESSAGE);
    }
}
