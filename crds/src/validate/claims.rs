//! Rules of custom claims, of clients and of users: no name that means something to others, so that no team
//! can mint, say, `groups: [system:masters]`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Violations, text};
use crate::client::{ClaimSource, CustomClaim};
use crate::resources::limits;
use crate::resources::oidc_client::ClientClaim;

/// Names that a custom claim never has. Compared without case: some readers ignore it (Go's `encoding/json`
/// does), and take the last of two.
const RESERVED: &[&str] = &[
    // registered for JWTs (RFC 7519 §10.1), among them all of OpenID Connect Core §5.1
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
    "phone_number_verified",
    "address",
    "updated_at",
    "azp",
    "nonce",
    "auth_time",
    "at_hash",
    "c_hash",
    "s_hash",
    "acr",
    "amr",
    "sub_jwk",
    "cnf",
    "sip_from_tag",
    "sip_date",
    "sip_callid",
    "sip_cseq_num",
    "sip_via_branch",
    "orig",
    "dest",
    "mky",
    "events",
    "toe",
    "txn",
    "rph",
    "sid",
    "vot",
    "vtm",
    "attest",
    "origid",
    "act",
    "scope",
    "client_id",
    "may_act",
    "jcard",
    "at_use_nbr",
    "div",
    "opt",
    "vc",
    "vp",
    "sph",
    "ace_profile",
    "cnonce",
    "exi",
    "roles",
    "groups",
    "entitlements",
    "token_introspection",
    "eat_nonce",
    "ueid",
    "sueids",
    "oemid",
    "hwmodel",
    "hwversion",
    "oemboot",
    "dbgstat",
    "location",
    "eat_profile",
    "submods",
    "uptime",
    "bootcount",
    "bootseed",
    "dloas",
    "swname",
    "swversion",
    "manifests",
    "measurements",
    "measres",
    "intuse",
    "cdniv",
    "cdnicrit",
    "cdniip",
    "cdniuc",
    "cdniets",
    "cdnistt",
    "cdnistd",
    "sig_val_claims",
    "authorization_details",
    "verified_claims",
    "place_of_birth",
    "nationalities",
    "birth_family_name",
    "birth_given_name",
    "birth_middle_name",
    "salutation",
    "title",
    "msisdn",
    "also_known_as",
    "htm",
    "htu",
    "ath",
    "atc",
    "sub_id",
    "rcd",
    "rcdi",
    "crn",
    "msgi",
    "rdap_allowed_purposes",
    "rdap_dnt_allowed",
    "geohash",
    "sd_hash",
    "status",
    "status_list",
    "ttl",
    "vct",
    // answers of introspection (RFC 7662 §2.2)
    "active",
    "username",
    "token_type",
    // ours
    "token_use",
];

/// Names that begin like this are never free: `_claim_names` would fetch `groups` from elsewhere (OpenID
/// Connect Core §5.6.2), the others belong to e-mail addresses, selective disclosure and Kubernetes.
const RESERVED_BEGINNINGS: &[&str] = &["_", "email", "kubernetes.io", "oidc-operator.dev"];

/// The good claims of a client.
pub(super) fn of_client(claims: &[ClientClaim], v: &mut Violations) -> Vec<CustomClaim> {
    if claims.len() > limits::CLAIMS {
        let message = format!("has {} items, {} are allowed", claims.len(), limits::CLAIMS);
        v.invalid("spec.claims", message);
    }
    size(
        "spec.claims",
        claims.iter().filter_map(|claim| claim.value.as_ref()),
        v,
    );
    let mut names = BTreeSet::new();
    let mut good = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        let field = format!("spec.claims[{index}]");
        v.check(format!("{field}.name"), &claim.name, name(&claim.name));
        if !names.insert(&claim.name) {
            v.invalid(format!("{field}.name"), "is there twice: remove it");
        }
        if claim.places.is_empty() {
            v.invalid(format!("{field}.in"), "is empty: say where the claim goes");
        }
        v.list(&format!("{field}.in"), &claim.places, 3);
        let source = match (&claim.value, &claim.from) {
            (Some(value), None) => ClaimSource::Static(value.clone()),
            (None, Some(path)) => {
                v.check(format!("{field}.from"), path, syntax(path));
                ClaimSource::Mapped(path.clone())
            }
            _ => {
                v.invalid(field, "needs exactly one of value and from");
                continue;
            }
        };
        good.push(CustomClaim {
            name: claim.name.clone(),
            source,
            places: claim.places.iter().copied().collect(),
        });
    }
    good
}

/// The claims of a user.
pub(super) fn of_user(claims: &Map<String, Value>, v: &mut Violations) {
    if claims.len() > limits::CLAIMS {
        let message = format!("has {} members, {} are allowed", claims.len(), limits::CLAIMS);
        v.invalid("spec.claims", message);
    }
    size("spec.claims", claims.values(), v);
    for member in claims.keys() {
        if let Err(wrong) = syntax(member) {
            v.invalid("spec.claims", format!("a name {wrong}"));
        } else if let Err(wrong) = name(member) {
            v.invalid(format!("spec.claims.{member}"), wrong);
        }
    }
}

fn size<'a>(field: &str, values: impl Iterator<Item = &'a Value>, v: &mut Violations) {
    let size: usize = values.map(|value| value.to_string().len()).sum();
    if size > limits::CLAIMS_SIZE {
        let message = format!("has {size} bytes of JSON, {} are allowed", limits::CLAIMS_SIZE);
        v.invalid(field, message);
    }
}

fn syntax(text: &str) -> Result<(), String> {
    text::at_most(text, limits::CLAIM_NAME)?;
    if text::is_scope(text) {
        Ok(())
    } else {
        Err("is not made of visible ASCII characters without quotes and backslashes".into())
    }
}

fn name(text: &str) -> Result<(), String> {
    syntax(text)?;
    let lower = text.to_ascii_lowercase();
    let begins = |beginning: &&str| lower.starts_with(*beginning);
    if RESERVED.contains(&lower.as_str()) || RESERVED_BEGINNINGS.iter().any(begins) {
        Err("means something to others, so it is not for custom claims: choose another name".into())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::names::ClaimPlace;

    fn client(claims: Value) -> Result<Vec<CustomClaim>, Vec<String>> {
        let claims: Vec<ClientClaim> = serde_json::from_value(claims).unwrap();
        let mut violations = Violations::default();
        let good = of_client(&claims, &mut violations);
        told(violations).map(|()| good)
    }

    fn told(violations: Violations) -> Result<(), Vec<String>> {
        violations
            .or(())
            .map_err(|all| all.into_iter().map(|violation| violation.field).collect())
    }

    fn user(claims: &Value) -> Result<(), Vec<String>> {
        let mut violations = Violations::personal();
        of_user(claims.as_object().unwrap(), &mut violations);
        told(violations)
    }

    #[test]
    fn claims_are_any_json() {
        let good = client(json!([
            {"name": "permissions", "value": ["read", {"on": ["orders"]}, 1, true], "in": ["accessToken"]},
            {"name": "https://example.com/org", "from": "organization.name", "in": ["idToken", "userinfo"]},
        ]))
        .unwrap();
        assert_eq!(
            good[0].source,
            ClaimSource::Static(json!(["read", {"on": ["orders"]}, 1, true]))
        );
        assert_eq!(
            good[1].source,
            ClaimSource::Mapped("organization.name".to_owned())
        );
        assert_eq!(
            good[1].places,
            BTreeSet::from([ClaimPlace::IdToken, ClaimPlace::Userinfo])
        );
        assert_eq!(
            user(&json!({"organization": {"name": "Example", "teams": ["a"]}, "level": 3})),
            Ok(())
        );
    }

    #[test]
    fn hard_no_team_can_mint_groups_or_other_names_with_a_meaning() {
        for name in [
            "groups",
            "Groups",
            "GROUPS",
            "roles",
            "sub",
            "iss",
            "aud",
            "exp",
            "email",
            "email_verified",
            "eMail",
            "preferred_username",
            "client_id",
            "scope",
            "cnf",
            "act",
            "may_act",
            "kubernetes.io",
            "kubernetes.io/serviceaccount/namespace",
            "_claim_names",
            "_claim_sources",
            "token_use",
            "acr",
            "amr",
            "sid",
            "nonce",
            "at_hash",
            "auth_time",
            "azp",
            "active",
            "username",
            "authorization_details",
        ] {
            let masters =
                json!([{"name": name, "value": ["system:masters"], "in": ["idToken", "accessToken"]}]);
            assert_eq!(
                client(masters),
                Err(vec!["spec.claims[0].name".to_owned()]),
                "{name}"
            );
            let mapped = json!([{"name": name, "from": "custom_role", "in": ["idToken"]}]);
            assert_eq!(
                client(mapped),
                Err(vec!["spec.claims[0].name".to_owned()]),
                "{name}"
            );
            let person = json!({name: ["system:masters"]});
            assert_eq!(user(&person), Err(vec![format!("spec.claims.{name}")]), "{name}");
        }
    }

    #[test]
    fn malformed_claims_are_named() {
        for (claims, field) in [
            (json!([{"name": "a", "in": ["userinfo"]}]), "spec.claims[0]"),
            (
                json!([{"name": "a", "value": 1, "from": "b", "in": ["userinfo"]}]),
                "spec.claims[0]",
            ),
            (json!([{"name": "a", "value": 1, "in": []}]), "spec.claims[0].in"),
            (
                json!([{"name": "a", "value": 1, "in": ["userinfo", "userinfo"]}]),
                "spec.claims[0].in[1]",
            ),
            (
                json!([{"name": "a b", "value": 1, "in": ["userinfo"]}]),
                "spec.claims[0].name",
            ),
            (
                json!([{"name": "ſub", "value": 1, "in": ["userinfo"]}]),
                "spec.claims[0].name",
            ),
            (
                json!([{"name": "a", "from": "", "in": ["userinfo"]}]),
                "spec.claims[0].from",
            ),
            (
                json!([{"name": "a", "value": "x".repeat(4095), "in": ["userinfo"]}]),
                "spec.claims",
            ),
            (
                json!([{"name": "a", "value": 1, "in": ["userinfo"]}, {"name": "a", "value": 2, "in": ["userinfo"]}]),
                "spec.claims[1].name",
            ),
        ] {
            assert_eq!(client(claims.clone()), Err(vec![field.to_owned()]), "{claims}");
        }
        assert_eq!(user(&json!({"a b": 1})), Err(vec!["spec.claims".to_owned()]));
        assert_eq!(
            user(&json!({"a": "x".repeat(4095)})),
            Err(vec!["spec.claims".to_owned()])
        );
        let many: Map<String, Value> = (0..33).map(|n| (format!("c{n}"), json!(n))).collect();
        assert_eq!(user(&Value::from(many)), Err(vec!["spec.claims".to_owned()]));
    }
}
