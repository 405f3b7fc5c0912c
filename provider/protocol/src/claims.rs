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
            "updated_at",
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
    let _ = (user, scopes);
    todo!()
}
