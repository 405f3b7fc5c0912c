//! The closed vocabularies and small name types that resources, programs and tokens share.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The API group of the custom resources.
pub const GROUP: &str = "oidc-operator.dev";
/// The version of the custom resources.
pub const VERSION: &str = "v1alpha1";
/// Label of an `OidcClient` that the provider made: [`REGISTERED`].
pub const LABEL_REGISTERED: &str = "oidc-operator.dev/registered-by";
/// The value of [`LABEL_REGISTERED`] that makes a client one that HTTP may change, and that may expire.
pub const REGISTERED: &str = "registration";
/// Label of an `OidcClient` that the provider made: the name of the initial access token that it was made with.
pub const LABEL_REGISTRATION_TOKEN: &str = "oidc-operator.dev/registration-token";
/// Label of a Secret that another object refers to: its edits are noticed at once.
pub const LABEL_WATCH: &str = "oidc-operator.dev/watch";
/// Label of what an installation hands out beyond its own namespace; its value is the class.
pub const LABEL_CLASS: &str = "oidc-operator.dev/class";
/// Annotation of an app's Secret: the id of the credential that it holds.
pub const ANNOTATION_CREDENTIAL_ID: &str = "oidc-operator.dev/credential-id";
/// Annotation of the app's Secret: the installation that wrote it, as `namespace/release`.
pub const ANNOTATION_INSTALLATION: &str = "oidc-operator.dev/installation";
/// Annotation of an app's Secret: what of its labels, annotations and keys follows the spec
/// ([`Marks`](crate::secrets::app::Marks)).
pub const ANNOTATION_SHAPE: &str = "oidc-operator.dev/shape";
/// Begin of the annotation of a workload that was restarted for a client; the client's UID follows, and the
/// value is the id of the credential that it was restarted for.
pub const ANNOTATION_RESTARTED_FOR: &str = "restarted-for.oidc-operator.dev/";
/// Annotation of a pod's Lease: the key set that the pod holds, `<revision>-<digest>`.
pub const ANNOTATION_KEY_SET: &str = "oidc-operator.dev/key-set";

/// Labels of an installation's provider pods and of their Leases.
#[must_use]
pub fn provider_labels(release: &str) -> [(&'static str, String); 3] {
    [
        ("app.kubernetes.io/name", "oidc-operator".to_owned()),
        ("app.kubernetes.io/instance", release.to_owned()),
        ("app.kubernetes.io/component", "provider".to_owned()),
    ]
}

/// The scope for refresh tokens that outlive the browser session (OpenID Connect Core §11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// The scopes that every client may have: they bring claims about the person (OpenID Connect Core §5.4;
/// `groups` is ours), or `offline_access`. All others are granted by the installation.
pub const STANDARD_SCOPES: [&str; 7] = [
    "openid",
    "profile",
    "email",
    "address",
    "phone",
    "groups",
    OFFLINE_ACCESS,
];

/// Patterns of schemas: what the API server refuses at once. The validator checks all of it again.
pub mod patterns {
    /// A DNS label (RFC 1123).
    pub const DNS_LABEL: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
    /// A kid: base64url without padding.
    pub const KID: &str = "^[A-Za-z0-9_-]+$";
    /// A DNS name (RFC 1123), as objects have.
    pub const DNS_NAME: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$";
    /// A key of a Secret's data.
    pub const DATA_KEY: &str = "^[-._a-zA-Z0-9]+$";
    /// A SHA-256 thumbprint: hexadecimal digits, with or without colons, or base64url.
    pub const THUMBPRINT: &str = "^([0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}|[A-Za-z0-9_-]{43})$";
    /// A client id of one's own: no dot, since `<namespace>.<name>` has one.
    pub const CLIENT_ID: &str = "^[A-Za-z0-9][A-Za-z0-9_-]*$";
    /// An absolute URI (RFC 3986 §4.3).
    pub const URI: &str = r"^[a-z][a-z0-9+.-]*:[!$%&'()*+,./0-9:;=?@A-Z\[\]_a-z~-]+$";
    /// An address of the web.
    pub const WEB_URI: &str = r"^https?://[!#$%&'()*+,./0-9:;=?@A-Z\[\]_a-z~-]+$";
    /// An origin (RFC 6454 §6.2): no path.
    pub const ORIGIN: &str = r"^https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$";
    /// A scope token (RFC 6749 §3.3).
    pub const SCOPE: &str = r"^[!#-\[\]-~]+$";
    /// A subject: visible ASCII.
    pub const SUBJECT: &str = "^[!-~]+$";
    /// A birthday (OpenID Connect Core §5.1).
    pub const BIRTHDATE: &str = "^[0-9]{4}(-[0-9]{2}-[0-9]{2})?$";
    /// A time zone.
    pub const ZONEINFO: &str = "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$";
    /// A language tag (BCP 47), with `_` for `-` allowed (OpenID Connect Core §5.1).
    pub const LOCALE: &str = "^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$";
    /// An e-mail address, roughly.
    pub const EMAIL: &str = "^[^@ ]{1,64}@[^@ ]+$";
    /// A phone number: E.164, readable, with an extension (RFC 3966).
    pub const PHONE: &str = "^[+][1-9][0-9 ().-]{4,30}(;ext=[0-9]{1,10})?$";
}

/// A field's own description says more than that of its type, but would lose against it.
pub(crate) fn undescribed(schema: &mut schemars::Schema) {
    schema.remove("description");
}

/// A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = undescribed)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

impl Algorithm {
    /// All of them, in the order of discovery documents.
    pub const ALL: [Self; 5] = [Self::RS256, Self::PS256, Self::ES256, Self::ES384, Self::EdDSA];

    /// The `alg` value (RFC 7518 §3.1).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }

    /// Whether its keys are RSA keys, so that `rsaBits` matters.
    #[must_use]
    pub fn is_rsa(self) -> bool {
        matches!(self, Self::RS256 | Self::PS256)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == text).ok_or(())
    }
}

/// A grant type (RFC 6749 §1.3), as in the `grant_type` parameter and in client metadata (RFC 7591 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = undescribed)]
pub enum GrantType {
    /// A code from the authorization endpoint (RFC 6749 §4.1).
    AuthorizationCode,
    /// A refresh token (RFC 6749 §6).
    RefreshToken,
    /// The client for itself (RFC 6749 §4.4).
    ClientCredentials,
}

impl GrantType {
    /// All that are built, each in its place.
    pub const ALL: [Self; 3] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
    ];

    /// The parameter's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// A response type (RFC 6749 §3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = undescribed)]
pub enum ResponseType {
    /// An authorization code.
    Code,
}

/// What kind of application a client is (OpenID Connect Registration §2; `service` is ours: no redirects).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = undescribed)]
pub enum ApplicationType {
    /// Runs on a server or in a browser; https redirects (http for loopback only).
    Web,
    /// Runs on a person's device: loopback redirects with any port, custom schemes (RFC 8252).
    Native,
    /// A machine; client_credentials only, no redirects.
    Service,
}

/// How a secret is presented (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = undescribed)]
pub enum SecretMethod {
    /// In the Authorization header.
    ClientSecretBasic,
    /// In the body.
    ClientSecretPost,
}

/// Whether a proof key is demanded (RFC 7636); `S256` is the only method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = undescribed)]
pub enum Pkce {
    /// Each authorization request must have a challenge.
    Required,
    /// A request may come without one (confidential clients only).
    Optional,
}

/// What runs pods and can be rolled out anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = undescribed)]
pub enum WorkloadKind {
    /// `apps/v1` Deployment.
    Deployment,
    /// `apps/v1` StatefulSet.
    StatefulSet,
    /// `apps/v1` DaemonSet.
    DaemonSet,
}

impl WorkloadKind {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }
}

/// When a person is asked to consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = undescribed)]
pub enum Consent {
    /// Once per client and set of scopes.
    Remember,
    /// Each time.
    Required,
    /// Never; the installation must grant it.
    Skip,
}

/// The `typ` of access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = undescribed)]
pub enum AccessTokenType {
    /// `at+jwt` (RFC 9068).
    #[serde(rename = "at+jwt")]
    AtJwt,
    /// `JWT`, with the private claim `token_use: access`, for resource servers that refuse `at+jwt`.
    #[serde(rename = "JWT")]
    Jwt,
}

/// What access tokens are made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = undescribed)]
pub enum AccessTokenFormat {
    /// A signed JWT (RFC 9068), which resource servers can read.
    #[default]
    Jwt,
    /// A sealed text that only introspection and userinfo understand.
    Opaque,
}

/// Which claims about a person an ID token has beside those of the sign-in itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = undescribed)]
pub enum IdTokenClaims {
    /// None: they are at userinfo (OpenID Connect Core §5.4).
    #[default]
    None,
    /// Those that the granted scopes open, as at userinfo.
    Scopes,
}

/// Where a custom claim goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = undescribed)]
pub enum ClaimPlace {
    /// ID tokens.
    IdToken,
    /// Access tokens, and so introspection.
    AccessToken,
    /// The answer of `/userinfo`.
    Userinfo,
}

/// A length of time in whole seconds, written like `15m`, `1h30m` or `90d`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(pub u64);

impl Seconds {
    /// The pattern of its text, for schemas.
    pub const PATTERN: &str = "^([0-9]{1,9}(d|h|m|s)){1,4}$";

    /// The longest that is read: 100 years.
    pub const MAX: Self = Self(36_500 * 86400);

    /// As a span for adding to a timestamp.
    #[must_use]
    pub fn span(self) -> jiff::SignedDuration {
        jiff::SignedDuration::from_secs(i64::try_from(self.0).unwrap_or(i64::MAX / 2))
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is no duration: write for example 15m, 1h30m or 90d",
                text.chars().take(44).collect::<String>().escape_debug()
            )
        };
        let (mut total, mut digits, mut parts) = (0_u64, String::new(), 0);
        for c in text.chars() {
            if c.is_ascii_digit() && digits.len() < 9 {
                digits.push(c);
                continue;
            }
            let unit = match c {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                'd' => 86400,
                _ => return Err(wrong()),
            };
            // 4 × 999 999 999 d fits by far
            total += digits.parse::<u64>().map_err(|_| wrong())? * unit;
            digits.clear();
            parts += 1;
            if parts > 4 {
                return Err(wrong());
            }
        }
        if parts == 0 || !digits.is_empty() {
            Err(wrong())
        } else if total > Self::MAX.0 {
            Err(format!("a duration may have {} at most", Self::MAX))
        } else {
            Ok(Self(total))
        }
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, size) in [('d', 86400), ('h', 3600), ('m', 60), ('s', 1)] {
            if rest >= size {
                write!(f, "{}{unit}", rest / size)?;
                rest %= size;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Seconds {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": Self::PATTERN, "maxLength": 44})
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, seconds) in [
            ("15m", 900),
            ("1h30m", 5400),
            ("90d", 7_776_000),
            ("0s", 0),
            ("1s1s", 2),
            ("000000001s", 1),
        ] {
            assert_eq!(text.parse(), Ok(Seconds(seconds)), "{text}");
        }
        for (seconds, text) in [(0, "0s"), (61, "1m1s"), (86400, "1d"), (90061, "1d1h1m1s")] {
            assert_eq!(Seconds(seconds).to_string(), text);
        }
        for bad in [
            "",
            "15",
            "m",
            "15 m",
            "-1s",
            "1.5h",
            "1w",
            "1M",
            "15m\n",
            "٣s",
            "1s1s1s1s1s",
            "0000000001s",
            "999999999d",
            "36501d",
        ] {
            assert!(bad.parse::<Seconds>().is_err(), "{bad}");
        }
        assert_eq!("36500d".parse(), Ok(Seconds::MAX));
    }

    #[test]
    fn vocabularies_are_written_as_they_are_sent() {
        for grant in GrantType::ALL {
            assert_eq!(serde_json::to_value(grant).unwrap(), grant.as_str());
        }
        for algorithm in Algorithm::ALL {
            assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.as_str());
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
        assert_eq!("none".parse::<Algorithm>(), Err(()));
    }

    proptest! {
        #[test]
        fn durations_never_panic(text in ".*", digits in "[0-9dhms]{0,50}") {
            let _ = (text.parse::<Seconds>(), digits.parse::<Seconds>());
        }

        #[test]
        fn durations_survive_writing(seconds in 0..=Seconds::MAX.0) {
            prop_assert_eq!(Seconds(seconds).to_string().parse(), Ok(Seconds(seconds)));
        }
    }
}
