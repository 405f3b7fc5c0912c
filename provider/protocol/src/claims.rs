//! Scope → claims (OpenID Connect Core §5.4): userinfo and discovery read the same table.

use oidc_crds::user::User;
use serde_json::{Map, Value};

/// Scopes that speak of a person, with the claims that each opens.
pub const SCOPES: &[(&str, &[&str])] = &[
    (
        "profile",
        &[
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
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
    ("groups", &["groups"]),
];

/// The claims of a user for scopes, `sub` included.
#[must_use]
pub fn claims_for(user: &User, scopes: &[&str]) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), user.subject().into());
    let names = SCOPES
        .iter()
        .filter(|(scope, _)| scopes.contains(scope))
        .flat_map(|(_, names)| *names);
    for name in names {
        if *name == "groups" {
            // Absent rather than empty: nobody reads an empty list as "not told".
            if !user.groups().is_empty() {
                claims.insert((*name).to_owned(), user.groups().into());
            }
        } else if let Some(value) = user.claims().get(*name) {
            claims.insert((*name).to_owned(), value.clone());
        }
    }
    claims
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{user, user_with};

    #[test]
    fn ui_01_sub_is_always_there() {
        assert_eq!(Value::from(claims_for(&user(), &[])), json!({"sub": "jdoe"}));
        assert_eq!(
            Value::from(claims_for(&user(), &["openid", "api"])),
            json!({"sub": "jdoe"})
        );
    }

    #[test]
    fn ui_01_each_scope_opens_its_claims() {
        assert_eq!(
            Value::from(claims_for(&user(), &["openid", "email"])),
            json!({"sub": "jdoe", "email": "jane@example.com", "email_verified": true})
        );
        assert_eq!(
            Value::from(claims_for(&user(), &["groups"])),
            json!({"sub": "jdoe", "groups": ["staff", "admins"]})
        );
        let profile = claims_for(&user(), &["profile"]);
        assert_eq!(profile["name"], "Jane Doe");
        assert_eq!(profile["preferred_username"], "jdoe");
        assert!(!profile.contains_key("email"));
    }

    #[test]
    fn ui_01_what_is_not_known_is_absent() {
        let bare = user_with(json!({"groups": [], "email": null, "emailVerified": null}));
        assert_eq!(
            Value::from(claims_for(&bare, &["email", "groups", "phone", "address"])),
            json!({"sub": "jdoe"})
        );
    }

    #[test]
    fn disc_01_a_full_user_has_every_claim_of_the_table() {
        let spec = json!({
            "name": "n", "givenName": "g", "familyName": "f", "middleName": "m", "nickname": "k",
            "preferredUsername": "p", "profile": "https://p.example", "picture": "https://i.example/i.png",
            "website": "https://w.example", "gender": "g", "birthdate": "1990-01-01",
            "zoneinfo": "Europe/Paris", "locale": "de-CH", "email": "a@example.com", "emailVerified": false,
            "phoneNumber": "+15551234567", "phoneNumberVerified": true,
            "address": {"locality": "Bern", "postalCode": "3000"},
        });
        let scopes: Vec<&str> = SCOPES.iter().map(|(scope, _)| *scope).collect();
        let claims = claims_for(&user_with(spec), &scopes);
        for name in SCOPES.iter().flat_map(|(_, names)| *names) {
            assert!(claims.contains_key(*name), "{name}");
        }
        assert_eq!(claims["email_verified"], false);
        assert_eq!(
            claims["address"],
            json!({"locality": "Bern", "postal_code": "3000"})
        );
    }
}
