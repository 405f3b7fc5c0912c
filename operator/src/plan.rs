//! What plans of all kinds share: notes for Events, and conditions as claims.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use oidc_crds::resources::{Claim, ConditionType, Reason, merge};
use oidc_crds::validate::Violation;

/// Something that people should hear of: an Event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) reason: Reason,
    pub(crate) warning: bool,
    pub(crate) message: String,
}

impl Note {
    pub(crate) fn normal(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            warning: false,
            message: message.into(),
        }
    }

    pub(crate) fn warning(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            warning: true,
            message: message.into(),
        }
    }
}

/// A claim that holds.
pub(crate) fn holds(kind: ConditionType, reason: Reason, message: impl Into<String>) -> Claim {
    Claim {
        kind,
        holds: Some(true),
        reason,
        message: message.into(),
    }
}

/// A claim that does not hold.
pub(crate) fn fails(kind: ConditionType, reason: Reason, message: impl Into<String>) -> Claim {
    Claim {
        kind,
        holds: Some(false),
        reason,
        message: message.into(),
    }
}

/// What a refusal says: all violations, and nothing about the rest of the object.
pub(crate) fn refused(violations: &[Violation]) -> Vec<Claim> {
    let reason = match violations {
        [only] => only.reason,
        // The reasons that are not about the spec's form tell more.
        many => many
            .iter()
            .map(|violation| violation.reason)
            .find(|reason| *reason != Reason::Invalid)
            .unwrap_or(Reason::Invalid),
    };
    let message = violations
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ");
    vec![
        fails(ConditionType::Accepted, reason, message.clone()),
        fails(ConditionType::Ready, reason, message),
    ]
}

/// The conditions after these claims: what is not claimed stays as it was.
pub(crate) fn conditions(
    old: &[Condition],
    claims: &[Claim],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let merged = merge(old, claims, generation, now);
    // In the order that they have, so that nothing changes but what must; new ones at the end.
    let (mut known, new): (Vec<_>, Vec<_>) = merged
        .into_iter()
        .partition(|condition| old.iter().any(|c| c.type_ == condition.type_));
    let mut conditions: Vec<Condition> = old
        .iter()
        .map(
            |before| match known.iter().position(|condition| condition.type_ == before.type_) {
                Some(at) => known.remove(at),
                None => before.clone(),
            },
        )
        .collect();
    conditions.extend(new);
    conditions
}

/// Where an object stands, in a word for the log, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing<'a> {
    /// `refused`, `not ready` or `ready`.
    pub(crate) word: &'static str,
    /// The reason of the condition that says so.
    pub(crate) reason: &'a str,
}

impl<'a> Standing<'a> {
    fn of(conditions: &'a [Condition]) -> Option<Self> {
        let find = |kind: ConditionType| conditions.iter().find(|c| c.type_ == kind.as_str());
        let ready = find(ConditionType::Ready)?;
        let (word, by) = match find(ConditionType::Accepted) {
            Some(accepted) if accepted.status != "True" => ("refused", accepted),
            _ if ready.status != "True" => ("not ready", ready),
            _ => ("ready", ready),
        };
        Some(Self {
            word,
            reason: &by.reason,
        })
    }

    /// How it stands now, if that is news.
    pub(crate) fn changed(old: &[Condition], new: &'a [Condition]) -> Option<Self> {
        let now = Self::of(new)?;
        (Standing::of(old) != Some(now)).then_some(now)
    }
}

/// Events for conditions that changed: a warning for what fails now, a word when `Ready` holds again. Which
/// pods are waited for changes with each that answers, and until when caches are with each that answers late;
/// only the condition follows that.
pub(crate) fn news(old: &[Condition], claims: &[Claim]) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    for claim in claims {
        let before = old
            .iter()
            .find(|condition| condition.type_ == claim.kind.as_str());
        let note = if claim.holds == Some(true) {
            let held = before.is_some_and(|condition| condition.status == "True");
            if held || claim.kind != ConditionType::Ready {
                continue;
            }
            Note::normal(claim.reason, &claim.message)
        } else {
            let waits = matches!(claim.reason, Reason::WaitingForCaches | Reason::WaitingForPods);
            let said = before.is_some_and(|condition| {
                condition.status != "True"
                    && condition.reason == claim.reason.as_str()
                    && (condition.message == claim.message || waits)
            });
            if said {
                continue;
            }
            Note {
                reason: claim.reason,
                warning: !waits,
                message: claim.message.clone(),
            }
        };
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn violation(field: &str, reason: Reason) -> Violation {
        Violation {
            field: field.into(),
            reason,
            message: "is wrong".into(),
        }
    }

    #[test]
    fn a_refusal_lists_every_violation() {
        let claims = refused(&[
            violation("spec.a", Reason::Invalid),
            violation("spec.b", Reason::NotGranted),
        ]);
        assert_eq!(claims.len(), 2);
        assert_eq!(claims[0].reason, Reason::NotGranted);
        assert_eq!(claims[0].message, "spec.a: is wrong; spec.b: is wrong");
        assert!(claims.iter().all(|claim| claim.holds == Some(false)));
    }

    #[test]
    fn what_is_not_claimed_stays() {
        let first = conditions(
            &[],
            &[
                holds(ConditionType::Accepted, Reason::Accepted, ""),
                holds(ConditionType::CredentialsReady, Reason::Ready, ""),
                holds(ConditionType::Ready, Reason::Ready, ""),
            ],
            1,
            at(1),
        );
        let second = conditions(
            &first,
            &refused(&[violation("spec.a", Reason::Invalid)]),
            2,
            at(2),
        );
        assert_eq!(
            second.iter().map(|c| c.type_.as_str()).collect::<Vec<_>>(),
            ["Accepted", "CredentialsReady", "Ready"]
        );
        assert_eq!(second[1], first[1]);
        assert_eq!(second[0].status, "False");
        assert_eq!(second[0].observed_generation, Some(2));
        let third = conditions(
            &second,
            &refused(&[violation("spec.a", Reason::Invalid)]),
            2,
            at(9),
        );
        assert_eq!(third, second, "nothing changed, so nothing is written");
    }

    #[test]
    fn an_object_is_refused_accepted_anew_or_as_it_was() {
        let bad = conditions(
            &[],
            &refused(&[violation("spec.a", Reason::NotGranted)]),
            1,
            at(1),
        );
        let good = conditions(
            &bad,
            &[
                holds(ConditionType::Accepted, Reason::Accepted, ""),
                holds(ConditionType::Ready, Reason::Ready, ""),
            ],
            2,
            at(2),
        );
        let late = conditions(
            &good,
            &[fails(
                ConditionType::Ready,
                Reason::SecretNotFound,
                "the Secret a",
            )],
            2,
            at(3),
        );
        let told = |old: &[Condition], new: &[Condition]| {
            Standing::changed(old, new).map(|now| format!("{} {}", now.word, now.reason))
        };
        assert_eq!(told(&[], &bad).as_deref(), Some("refused NotGranted"));
        assert_eq!(told(&bad, &bad), None);
        assert_eq!(told(&bad, &good).as_deref(), Some("ready Ready"));
        assert_eq!(told(&good, &late).as_deref(), Some("not ready SecretNotFound"));
        assert_eq!(told(&[], &[]), None);
    }

    #[test]
    fn only_news_become_events() {
        let claims = refused(&[violation("spec.a", Reason::Invalid)]);
        let first = news(&[], &claims);
        assert_eq!(
            first,
            [Note::warning(Reason::Invalid, "spec.a: is wrong")],
            "once, not per condition"
        );
        let old = conditions(&[], &claims, 1, at(1));
        assert!(news(&old, &claims).is_empty());
        let good = [
            holds(ConditionType::Accepted, Reason::Accepted, ""),
            holds(ConditionType::Ready, Reason::Ready, "done"),
        ];
        assert_eq!(news(&old, &good), [Note::normal(Reason::Ready, "done")]);
    }
}
