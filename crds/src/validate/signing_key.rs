//! Rules of a SigningKey.

use super::{Violation, Violations, identity, text};
use crate::names::Seconds;
use crate::resources::signing_key::ImportRef;
use crate::resources::{SigningKey, SigningKeySpec, limits};
use crate::secrets::installation::Installation;

/// `publishFor` where a SigningKey gives none.
pub const PUBLISH_FOR: Seconds = Seconds(600);

/// Judges a signing key.
///
/// # Errors
/// All violations, never an empty list.
pub fn validate_signing_key(key: &SigningKey, installation: &Installation) -> Result<(), Vec<Violation>> {
    let mut violations = Violations::default();
    identity(&key.metadata, &mut violations);
    let spec = &key.spec;
    if let Some(bits) = spec.rsa_bits {
        if !spec.algorithm().is_rsa() {
            violations.invalid(
                "spec.rsaBits",
                format!("{} keys have no such size: remove it", spec.algorithm()),
            );
        } else if ![2048, 3072, 4096].contains(&bits) {
            violations.invalid(
                "spec.rsaBits",
                format!("{bits} is not offered: write 2048, 3072 or 4096"),
            );
        }
    }
    if let Some(reference) = &spec.secret_ref {
        import_rules(reference, spec, installation, &mut violations);
    }
    for (at, revoked) in spec.revoked.iter().enumerate() {
        let good = revoked
            .kid
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !good || revoked.kid.is_empty() || revoked.kid.len() > limits::KID {
            violations.invalid(
                format!("spec.revoked[{at}].kid"),
                "is no kid: copy it from status.keys".to_owned(),
            );
        }
    }
    let publish_for = spec.publish_for.unwrap_or(PUBLISH_FOR);
    let shortest = shortest_publish_for(installation);
    if publish_for < shortest {
        violations.invalid(
            "spec.publishFor",
            format!(
                "{publish_for} is too short: verifiers may cache the JWKS for {}, so at least {shortest} are needed",
                installation.jwks_max_age
            ),
        );
    }
    if let Some(interval) = spec.rotation.as_ref().and_then(|rotation| rotation.interval) {
        let shortest = Seconds(publish_for.0.saturating_mul(2));
        // Also what no client has yet: it may choose so tomorrow, and the interval stays.
        let tokens = installation.longest_token();
        if interval < shortest {
            violations.invalid(
                "spec.rotation.interval",
                format!("{interval} is too short: at least {shortest} are needed, twice publishFor"),
            );
        } else if interval < tokens {
            violations.invalid(
                "spec.rotation.interval",
                format!(
                    "{interval} is too short: tokens may live for {tokens}, by the installation's lifetimes and grants, \
                     and keys that retire would pile up"
                ),
            );
        }
    }
    violations.or(())
}

fn import_rules(
    reference: &ImportRef,
    spec: &SigningKeySpec,
    installation: &Installation,
    violations: &mut Violations,
) {
    let name = text::quoted(&reference.name);
    if !text::is_dns_name(&reference.name) {
        violations.invalid(
            "spec.secretRef.name",
            format!("{name} cannot be the name of a Secret"),
        );
    } else if installation.own_secrets().contains(&reference.name) {
        violations.invalid(
            "spec.secretRef.name",
            format!("{name} is a Secret of the installation itself: choose another"),
        );
    }
    if spec
        .rotation
        .as_ref()
        .is_some_and(|rotation| rotation.interval.is_some())
    {
        violations.invalid(
            "spec.rotation.interval",
            "an imported key rotates when its Secret changes: remove one of the two".to_owned(),
        );
    }
}

/// The shortest `publishFor`: 1.2 × the JWKS's max-age + 1 s, rounded up, so that no cache is older than
/// the key that signs.
#[must_use]
pub fn shortest_publish_for(installation: &Installation) -> Seconds {
    Seconds(
        (installation.jwks_max_age.0.saturating_mul(6))
            .div_ceil(5)
            .saturating_add(1),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::secrets::installation::{LifetimeMaxima, NamespaceGrant};

    fn key(spec: serde_json::Value) -> SigningKey {
        serde_json::from_value(json!({
            "metadata": {
                "name": "main", "namespace": "identity", "uid": "k1",
                "creationTimestamp": "2026-11-25T09:00:00Z"
            },
            "spec": spec,
        }))
        .unwrap()
    }

    fn judge(spec: serde_json::Value, max_age: u64) -> Vec<String> {
        let mut installation = Installation::standalone("http://localhost:5000", true);
        installation.jwks_max_age = Seconds(max_age);
        validate_signing_key(&key(spec), &installation)
            .err()
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_defaults_are_good() {
        assert_eq!(judge(json!({}), 300), Vec::<String>::new());
        assert_eq!(
            judge(json!({"algorithm": "ES256", "default": true}), 300),
            Vec::<String>::new()
        );
        assert_eq!(
            judge(json!({"algorithm": "PS256", "rsaBits": 4096}), 300),
            Vec::<String>::new()
        );
    }

    #[test]
    fn publish_for_outlives_every_jwks_cache() {
        for (max_age, shortest) in [(0, 1), (1, 3), (4, 6), (5, 7), (6, 9), (300, 361)] {
            assert_eq!(
                judge(json!({"publishFor": format!("{shortest}s")}), max_age),
                Vec::<String>::new()
            );
            let short = shortest - 1;
            if short > 0 {
                let told = judge(json!({"publishFor": format!("{short}s")}), max_age);
                assert_eq!(told.len(), 1, "{max_age}");
                assert!(told[0].contains(&Seconds(shortest).to_string()), "{}", told[0]);
            }
        }
        assert_eq!(
            judge(json!({"publishFor": "5m"}), 300),
            [
                "spec.publishFor: 5m is too short: verifiers may cache the JWKS for 5m, so at least 6m1s are needed"
            ]
        );
        assert_eq!(judge(json!({}), 600).len(), 1);
    }

    #[test]
    fn all_violations_are_told_at_once() {
        assert_eq!(
            judge(
                json!({"algorithm": "EdDSA", "rsaBits": 2048, "publishFor": "1s", "rotation": {"interval": "1s"}}),
                300
            )
            .len(),
            3
        );
        assert_eq!(judge(json!({"rsaBits": 1024}), 300).len(), 1);
        assert_eq!(
            judge(json!({"rotation": {"interval": "20m"}}), 300),
            Vec::<String>::new()
        );
        assert_eq!(
            judge(json!({"rotation": {"interval": "19m59s"}}), 300),
            ["spec.rotation.interval: 19m59s is too short: at least 20m are needed, twice publishFor"]
        );
    }

    #[test]
    fn an_interval_outlives_the_tokens_that_any_client_may_have() {
        let mut installation = Installation::standalone("http://localhost:5000", true);
        std::sync::Arc::make_mut(&mut installation.lifetimes).id_token = Seconds(3600);
        let told = |installation: &Installation, interval: &str| {
            let spec = json!({"rotation": {"interval": interval}});
            let violations = validate_signing_key(&key(spec), installation).err();
            let violations = violations.unwrap_or_default();
            violations
                .iter()
                .map(|violation| violation.message.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(told(&installation, "1h"), Vec::<String>::new());
        assert_eq!(
            told(&installation, "59m"),
            [
                "59m is too short: tokens may live for 1h, by the installation's lifetimes and grants, and keys that \
                 retire would pile up"
            ]
        );
        installation.grants.push(NamespaceGrant {
            lifetimes: LifetimeMaxima {
                access_token: Some(Seconds(30 * 86_400)),
                ..LifetimeMaxima::default()
            },
            ..NamespaceGrant::default()
        });
        assert!(told(&installation, "7d")[0].contains("tokens may live for 30d"));
        assert_eq!(told(&installation, "30d"), Vec::<String>::new());
    }
}
