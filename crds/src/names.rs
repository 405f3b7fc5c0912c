//! The closed vocabularies and small name types that resources, programs and tokens share.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The API group of the custom resources.
pub const GROUP: &str = "oidc-operator.dev";
/// The version of the custom resources.
pub const VERSION: &str = "v1alpha1";
/// Label of a Secret that another object refers to: its edits are noticed at once.
pub const LABEL_WATCH: &str = "oidc-operator.dev/watch";
/// Annotation of an app's Secret: the id of the credential that it holds.
pub const ANNOTATION_CREDENTIAL_ID: &str = "oidc-operator.dev/credential-id";
/// Annotation of a pod's Lease: the key set that the pod holds, `<revision>-<digest>`.
pub const ANNOTATION_KEY_SET: &str = "oidc-operator.dev/key-set";

/// A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
pub enum GrantType {
    /// A code from the authorization endpoint (RFC 6749 §4.1).
    AuthorizationCode,
    /// A refresh token (RFC 6749 §6).
    RefreshToken,
    /// The client for itself (RFC 6749 §4.4).
    ClientCredentials,
}

impl GrantType {
    /// All that are built.
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
pub enum ResponseType {
    /// An authorization code.
    Code,
}

/// What kind of application a client is (OpenID Connect Registration §2; `service` is ours: no redirects).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
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
pub enum SecretMethod {
    /// In the Authorization header.
    ClientSecretBasic,
    /// In the body.
    ClientSecretPost,
}

/// Whether a proof key is demanded (RFC 7636); `S256` is the only method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Pkce {
    /// Each authorization request must have a challenge.
    Required,
    /// A request may come without one (confidential clients only).
    Optional,
}

/// When a person is asked to consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Consent {
    /// Once per client and set of scopes.
    Remember,
    /// Each time.
    Required,
}

/// The `typ` of access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AccessTokenType {
    /// `at+jwt` (RFC 9068).
    #[serde(rename = "at+jwt")]
    AtJwt,
    /// `JWT`, with the private claim `token_use: access`, for resource servers that refuse `at+jwt`.
    #[serde(rename = "JWT")]
    Jwt,
}

/// A length of time in whole seconds, written like `15m`, `1h30m` or `90d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(pub u64);

impl Seconds {
    /// The pattern of its text, for schemas.
    pub const PATTERN: &str = "^([0-9]{1,9}(d|h|m|s)){1,4}$";

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
                text.escape_debug()
            )
        };
        let (mut total, mut number) = (0_u64, String::new());
        if text.is_empty() || text.len() > 44 {
            return Err(wrong());
        }
        for c in text.chars() {
            if c.is_ascii_digit() {
                number.push(c);
                continue;
            }
            let unit = match c {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                'd' => 86400,
                _ => return Err(wrong()),
            };
            let n: u64 = number.parse().map_err(|_| wrong())?;
            total = n
                .checked_mul(unit)
                .and_then(|n| total.checked_add(n))
                .ok_or_else(wrong)?;
            number.clear();
        }
        if number.is_empty() {
            Ok(Self(total))
        } else {
            Err(wrong())
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
