//! `spec.rotation`: when a generated secret is replaced; `spec.rolloutRestart`: what is restarted then.

use super::{Violations, text};
use crate::client::{Authentication, Rotation};
use crate::names::Seconds;
use crate::resources::limits;
use crate::resources::oidc_client::OidcClientSpec;
use crate::secrets::installation::Installation;

/// No secret is replaced more often by itself.
const SHORTEST_INTERVAL: Seconds = Seconds(3600);

/// Uses are known to within minutes, and kept for a little more than the longest of these.
const UNUSED: [Seconds; 2] = [Seconds(300), Seconds(7 * 86400)];

/// No replaced secret is accepted longer.
const LONGEST_OVERLAP: Seconds = Seconds(30 * 86400);

/// When the client's secret is replaced.
pub(super) fn of(
    spec: &OidcClientSpec,
    authentication: &Authentication,
    installation: &Installation,
    v: &mut Violations,
) -> Option<Rotation> {
    let wanted = spec.rotation.as_ref()?;
    if spec.secret_ref.is_some() {
        v.invalid(
            "spec.rotation",
            "is for generated secrets, and the one of secretRef is yours to rotate: put a new value into its \
             Secret, and remove rotation, or secretRef",
        );
    }
    if !matches!(authentication, Authentication::Secret(_)) {
        v.invalid(
            "spec.rotation",
            "a client that authenticates otherwise has no secret: remove it",
        );
    }
    if let Some(now) = &wanted.now {
        v.check("spec.rotation.now", now, text::one_line(now, limits::ROTATE_NOW));
    }
    if let Some(overlap) = wanted.overlap
        && overlap > LONGEST_OVERLAP
    {
        v.invalid(
            "spec.rotation.overlap",
            format!("{overlap} is too long: at most {LONGEST_OVERLAP}"),
        );
    }
    if let Some(unused) = wanted.retire_unused
        && !(UNUSED[0]..=UNUSED[1]).contains(&unused)
    {
        v.invalid(
            "spec.rotation.retireUnused",
            format!("{unused} must be from {} to {}", UNUSED[0], UNUSED[1]),
        );
    }
    if let Some(interval) = wanted.interval {
        // then no more than two secrets are accepted at a time
        let overlap = wanted.overlap.unwrap_or(installation.lifetimes.secret_overlap);
        if interval < SHORTEST_INTERVAL {
            v.invalid(
                "spec.rotation.interval",
                format!("{interval} is too short: at least {SHORTEST_INTERVAL}"),
            );
        } else if interval <= overlap {
            v.invalid(
                "spec.rotation.interval",
                format!(
                    "{interval} is too short: a replaced secret is accepted for {overlap}; lengthen it, or \
                     shorten spec.rotation.overlap"
                ),
            );
        }
    }
    Some(Rotation {
        interval: wanted.interval,
        overlap: wanted.overlap,
        now: wanted.now.as_deref().map(Into::into),
        retire_unused: wanted.retire_unused,
    })
}

/// What is rolled out anew after a new secret is there.
pub(super) fn restarts(spec: &OidcClientSpec, authentication: &Authentication, v: &mut Violations) {
    let field = "spec.rolloutRestart";
    v.list(field, &spec.rollout_restart, limits::WORKLOADS);
    if !spec.rollout_restart.is_empty() && !matches!(authentication, Authentication::Secret(_)) {
        v.invalid(
            field,
            "a client that authenticates otherwise has no secret: remove it",
        );
    }
    for (index, workload) in spec.rollout_restart.iter().enumerate() {
        if !text::is_dns_name(&workload.name) {
            v.invalid(
                format!("{field}[{index}].name"),
                format!(
                    "{} cannot be the name of a {}",
                    text::quoted(&workload.name),
                    workload.kind.as_str()
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{judge, with};
    use super::*;

    fn told(members: Value) -> Vec<(String, String)> {
        let violations = judge(with(members)).err().unwrap_or_default();
        violations
            .into_iter()
            .map(|violation| (violation.field, violation.message))
            .collect()
    }

    fn fields(rotation: Value) -> Vec<String> {
        let told = told(json!({"rotation": rotation}));
        told.into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn a_rotation_is_read() {
        assert_eq!(judge(with(json!({}))).unwrap().rotation(), None);
        let client = judge(with(json!({"rotation": {
            "interval": "90d", "overlap": "7d", "now": "2026-11-25", "retireUnused": "1h",
        }})));
        let expected = Rotation {
            interval: Some(Seconds(90 * 86400)),
            overlap: Some(Seconds(7 * 86400)),
            now: Some("2026-11-25".into()),
            retire_unused: Some(Seconds(3600)),
        };
        assert_eq!(client.unwrap().rotation(), Some(&expected));
        assert_eq!(fields(json!({})), [""; 0]);
        assert_eq!(fields(json!({"overlap": "0s", "now": "leaked"})), [""; 0]);
    }

    #[test]
    fn an_interval_is_longer_than_the_overlap() {
        let interval = ["spec.rotation.interval"];
        // the installation's overlap is a day
        assert_eq!(fields(json!({"interval": "1d"})), interval);
        assert_eq!(fields(json!({"interval": "1d1s"})), [""; 0]);
        assert_eq!(fields(json!({"interval": "2h", "overlap": "2h"})), interval);
        assert_eq!(fields(json!({"interval": "2h", "overlap": "1h59m"})), [""; 0]);
        assert_eq!(fields(json!({"interval": "59m", "overlap": "0s"})), interval);
        assert_eq!(fields(json!({"interval": "1h", "overlap": "0s"})), [""; 0]);
    }

    #[test]
    fn senseless_rotations_are_refused() {
        assert_eq!(fields(json!({"overlap": "30d1s"})), ["spec.rotation.overlap"]);
        for now in ["", "a\nb", &"x".repeat(65)] {
            assert_eq!(fields(json!({"now": now})), ["spec.rotation.now"], "{now:?}");
        }
    }

    #[test]
    fn unused_secrets_retire_after_a_time_that_can_be_known() {
        for good in ["5m", "1h", "7d"] {
            assert_eq!(fields(json!({"retireUnused": good})), [""; 0], "{good}");
        }
        for bad in ["0s", "4m59s", "7d1s"] {
            assert_eq!(
                fields(json!({"retireUnused": bad})),
                ["spec.rotation.retireUnused"],
                "{bad}"
            );
        }
    }

    #[test]
    fn workloads_to_restart_are_named_once_and_well() {
        let restarts = |list: Value| {
            let told = told(json!({"rolloutRestart": list}));
            told.into_iter().map(|(field, _)| field).collect::<Vec<_>>()
        };
        let shop = json!({"kind": "Deployment", "name": "shop"});
        assert_eq!(
            restarts(json!([shop, {"kind": "StatefulSet", "name": "shop"}])),
            [""; 0]
        );
        assert_eq!(restarts(json!([shop, shop])), ["spec.rolloutRestart[1]"]);
        for bad in ["", "Shop", "other/shop"] {
            assert_eq!(
                restarts(json!([{"kind": "DaemonSet", "name": bad}])),
                ["spec.rolloutRestart[0].name"]
            );
        }
        let many: Vec<Value> = (0..17)
            .map(|n| json!({"kind": "Deployment", "name": format!("d{n}")}))
            .collect();
        assert_eq!(restarts(json!(many)), ["spec.rolloutRestart"]);
        let public = told(json!({"rolloutRestart": [shop], "authentication": {"none": {}}}));
        assert_eq!(public[0].0, "spec.rolloutRestart");
    }

    #[test]
    fn only_a_generated_secret_is_rotated() {
        let told_of_ref = told(json!({"rotation": {"now": "1"}, "secretRef": {"name": "mine"}}));
        assert_eq!(told_of_ref[0].0, "spec.rotation");
        assert!(told_of_ref[0].1.contains("yours to rotate"), "{told_of_ref:?}");
        let public = told(json!({"rotation": {"now": "1"}, "authentication": {"none": {}}}));
        assert_eq!(public[0].0, "spec.rotation");
    }
}
