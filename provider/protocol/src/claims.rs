//! Scope → claims (OpenID Connect Core §5.4): userinfo, ID tokens and discovery read the same table. And the
//! claims of a client's own.

use oidc_crds::client::{ClaimSource, Client};
use oidc_crds::names::ClaimPlace;
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

/// The scope that opens a user's claims beyond the standard ones.
const CUSTOM: &str = "profile";

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
    if scopes.contains(&CUSTOM) {
        // the validator lets no name of the table in
        claims.extend(user.custom_claims().clone());
    }
    claims
}

/// A client's own claims for one place. `opened` is what the granted scopes open of the person
/// ([`claims_for`]): a mapped claim never tells more than that, whatever its name. For a client itself it is
/// empty, so only static claims are left.
#[must_use]
pub fn own(client: &Client, place: ClaimPlace, opened: &Map<String, Value>) -> Map<String, Value> {
    let here = client
        .claims()
        .iter()
        .filter(|claim| claim.places.contains(&place));
    here.filter_map(|claim| {
        let value = match &claim.source {
            ClaimSource::Static(value) => value,
            ClaimSource::Mapped(path) => find(opened, path)?,
        };
        Some((claim.name.clone(), value.clone()))
    })
    .collect()
}

/// A claim by its whole name, which may have dots, or else by a path of members.
fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let mut members = path.split('.');
    let mut value = claims.get(members.next()?)?;
    for member in members {
        value = value.as_object()?.get(member)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{client_with, user, user_with};

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

    fn organised() -> User {
        user_with(json!({
            "claims": {
                "organization": {"name": "Example Corp", "units": ["a", "b"]},
                "permissions": ["read", "write", "admin"],
                "custom_role": "admin",
                "https://example.com/plan": "gold",
            },
            "address": {"country": "CH"},
        }))
    }

    #[test]
    fn ui_01_custom_claims_of_a_person_come_with_profile() {
        let claims = claims_for(&organised(), &["openid", "profile"]);
        assert_eq!(claims["custom_role"], "admin");
        assert_eq!(claims["permissions"], json!(["read", "write", "admin"]));
        assert_eq!(claims["organization"]["units"], json!(["a", "b"]));
        assert!(!claims_for(&organised(), &["openid", "email"]).contains_key("custom_role"));
    }

    #[test]
    fn a_clients_own_claims_go_where_it_says() {
        let client = client_with(json!({"claims": [
            {"name": "tenant", "value": {"id": 7, "tags": ["x"]}, "in": ["idToken", "accessToken"]},
            {"name": "org", "from": "organization.name", "in": ["idToken", "userinfo"]},
            {"name": "plan", "from": "https://example.com/plan", "in": ["idToken"]},
            {"name": "country", "from": "address.country", "in": ["idToken"]},
            {"name": "teams", "from": "groups", "in": ["idToken"]},
            {"name": "nothing", "from": "organization.units.first", "in": ["idToken"]},
        ]}));
        let opened = |scopes: &[&str]| claims_for(&organised(), scopes);
        assert_eq!(
            Value::from(own(
                &client,
                ClaimPlace::IdToken,
                &opened(&["profile", "address", "groups"])
            )),
            json!({
                "tenant": {"id": 7, "tags": ["x"]}, "org": "Example Corp", "plan": "gold", "country": "CH",
                "teams": ["staff", "admins"],
            })
        );
        assert_eq!(
            Value::from(own(&client, ClaimPlace::Userinfo, &opened(&["profile"]))),
            json!({"org": "Example Corp"})
        );
        // for the client itself
        assert_eq!(
            Value::from(own(&client, ClaimPlace::AccessToken, &Map::new())),
            json!({"tenant": {"id": 7, "tags": ["x"]}})
        );
    }

    #[test]
    fn hard_a_mapping_tells_no_more_than_the_scopes_open() {
        let client = client_with(json!({"claims": [
            {"name": "mail", "from": "email", "in": ["idToken"]},
            {"name": "teams", "from": "groups", "in": ["idToken"]},
            {"name": "role", "from": "custom_role", "in": ["idToken"]},
            {"name": "who", "from": "sub", "in": ["idToken"]},
        ]}));
        let opened = claims_for(&organised(), &["openid"]);
        assert_eq!(
            Value::from(own(&client, ClaimPlace::IdToken, &opened)),
            json!({"who": "jdoe"})
        );
    }
}
