//! `OidcUser`: a person who can sign in.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::limits;
use crate::names::patterns;

/// A person who can sign in. Lives in the installation's own namespace.
#[derive(CustomResource, KubeSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "oidc-operator.dev",
    version = "v1alpha1",
    kind = "OidcUser",
    doc = "A person who can sign in.",
    namespaced,
    status = "OidcUserStatus",
    shortname = "oidcu",
    category = "oidc",
    printcolumn = r#"{"name": "Username", "type": "string", "jsonPath": ".spec.username"}"#,
    printcolumn = r#"{"name": "Disabled", "type": "boolean", "jsonPath": ".spec.disabled"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    validation = Rule::new(
        "(has(self.spec.subject) ? self.spec.subject : self.metadata.name) \
         == (has(oldSelf.spec.subject) ? oldSelf.spec.subject : oldSelf.metadata.name)"
    ).message("the subject cannot be changed: make a new OidcUser").field_path(".spec.subject")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.emailVerified) || has(self.email)")
    .message("emailVerified needs email").field_path(".emailVerified"))]
#[x_kube(validation = Rule::new("!has(self.phoneNumberVerified) || has(self.phoneNumber)")
    .message("phoneNumberVerified needs phoneNumber").field_path(".phoneNumberVerified"))]
pub struct OidcUserSpec {
    /// `sub` in tokens; default: the object's name. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::SUBJECT), pattern(patterns::SUBJECT))]
    pub subject: Option<String>,
    /// What is typed at login; default: the object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::USERNAME))]
    pub username: Option<String>,
    /// Refuses logins, refreshes and userinfo at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// A Secret of type Opaque whose key `password` holds the password, 8 characters at least; it is hashed
    /// and sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<PasswordSecretRef>,
    /// Groups, in the claim `groups`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::GROUPS), inner(length(min = 1, max = limits::GROUP)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub groups: Vec<String>,
    /// Full name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::CLAIM))]
    pub name: Option<String>,
    /// Given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::CLAIM))]
    pub given_name: Option<String>,
    /// Family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::CLAIM))]
    pub family_name: Option<String>,
    /// Middle name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::CLAIM))]
    pub middle_name: Option<String>,
    /// Nickname.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::CLAIM))]
    pub nickname: Option<String>,
    /// `preferred_username`; default: the username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::CLAIM))]
    pub preferred_username: Option<String>,
    /// Profile page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::URI), pattern(patterns::WEB_URI))]
    pub profile: Option<String>,
    /// Picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::URI), pattern(patterns::WEB_URI))]
    pub picture: Option<String>,
    /// Web site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::URI), pattern(patterns::WEB_URI))]
    pub website: Option<String>,
    /// Gender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::CLAIM))]
    pub gender: Option<String>,
    /// Birthday: `YYYY-MM-DD`, `0000-MM-DD` or `YYYY` (OpenID Connect Core §5.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10), pattern(patterns::BIRTHDATE))]
    pub birthdate: Option<String>,
    /// Time zone, like `Europe/Paris`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::LABEL), pattern(patterns::ZONEINFO))]
    pub zoneinfo: Option<String>,
    /// Locale (BCP 47), like `de-CH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::LABEL), pattern(patterns::LOCALE))]
    pub locale: Option<String>,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::EMAIL), pattern(patterns::EMAIL))]
    pub email: Option<String>,
    /// Whether the e-mail address was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// Phone number, E.164.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::PHONE), pattern(patterns::PHONE))]
    pub phone_number: Option<String>,
    /// Whether the phone number was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number_verified: Option<bool>,
    /// Postal address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Claims beyond the standard ones, any JSON by name; they come with the scope `profile`. Registered names (RFC
    /// 7519 §10.1) and those that mean something here are refused.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "super::json::members")]
    pub claims: Map<String, Value>,
}

/// A Secret of the same namespace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordSecretRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = limits::NAME), pattern(patterns::DNS_NAME))]
    pub name: String,
}

/// A postal address (OpenID Connect Core §5.1.1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// The whole address, for a label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::ADDRESS))]
    pub formatted: Option<String>,
    /// Street and number; may have several lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::ADDRESS))]
    pub street_address: Option<String>,
    /// City.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::ADDRESS))]
    pub locality: Option<String>,
    /// State, province or region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::ADDRESS))]
    pub region: Option<String>,
    /// Postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::ADDRESS))]
    pub postal_code: Option<String>,
    /// Country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::ADDRESS))]
    pub country: Option<String>,
}

/// What the operator knows of a user.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OidcUserStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `Ready`.
    #[serde(default)]
    #[schemars(schema_with = "super::condition::list_schema")]
    pub conditions: Vec<Condition>,
    /// The sealed password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SealedPassword>,
}

/// A sealed password digest and what it was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SealedPassword {
    /// The argon2id PHC string, sealed under the key ring with the object's UID (base64url).
    #[schemars(length(max = limits::DIGEST))]
    pub sealed: String,
    /// `<uid>/<resourceVersion>` of the password Secret.
    #[schemars(length(max = limits::DIGEST))]
    pub fingerprint: String,
}
