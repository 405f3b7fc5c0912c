//! How a client proves who it is. To add a way: a member here, a variant of
//! [`client::Authentication`](crate::client::Authentication), a rule in `validate`, and the check itself in
//! `oidc_protocol::client_auth`.

use std::fmt;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::limits;
use crate::names::{SecretMethod, patterns};

/// How a client authenticates: exactly one member.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "[has(self.clientSecret), has(self.privateKeyJwt), has(self.tls), has(self.serviceAccounts), has(self.none)]\
     .exists_one(given, given)"
).message("exactly one of clientSecret, privateKeyJwt, tls, serviceAccounts and none"))]
pub struct Authentication {
    /// With a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<ClientSecretAuthentication>,
    /// With JWTs that it signs by a key of its own (RFC 7523 §2.2): it needs no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key_jwt: Option<PrivateKeyJwt>,
    /// With a certificate by which it connects to the endpoints that discovery lists as `mtls_endpoint_aliases`
    /// (RFC 8705 §2): it needs no secret. The installation must have them (`mtls.enabled`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsAuthentication>,
    /// As one of these ServiceAccounts of the cluster: its pods present their projected tokens, whose audience is
    /// the issuer, and need no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::LIST))]
    pub service_accounts: Option<Vec<ServiceAccountRef>>,
    /// Not at all: a public client. PKCE is required then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<NoAuthentication>,
}

/// Authentication with a secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecretAuthentication {
    /// The only way the secret may be presented; default: either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<SecretMethod>,
}

/// Authentication with signed JWTs: either `jwks` or `jwksUri`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.jwks) != has(self.jwksUri)").message("exactly one of jwks and jwksUri"))]
pub struct PrivateKeyJwt {
    /// The public halves of its keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Jwks>,
    /// The https address of a JWK Set with them, on a host that the installation lists (`outbound.hosts`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::URI), pattern(patterns::WEB_URI))]
    pub jwks_uri: Option<String>,
}

/// Authentication with a certificate, of which exactly one thing is said: a name that it has, then it must come from
/// a CA that the installation names (`tls_client_auth`); or which one it is, then it may have signed itself
/// (`self_signed_tls_client_auth`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "[has(self.subjectDn), has(self.sanDns), has(self.sanUri), has(self.sanIp), has(self.sanEmail), \
     has(self.thumbprints), has(self.jwks)].exists_one(given, given)"
).message("exactly one of subjectDn, sanDns, sanUri, sanIp, sanEmail, thumbprints and jwks"))]
pub struct TlsAuthentication {
    /// Its subject as a whole, in the form of RFC 4514 with the most special part first, like
    /// `CN=billing,OU=apps,O=Example`. Values are compared exactly, upper and lower case are different.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::DISTINGUISHED_NAME))]
    pub subject_dn: Option<String>,
    /// A DNS name among its subject alternative names. No wildcard is matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME))]
    pub san_dns: Option<String>,
    /// A URI among its subject alternative names, compared exactly, like `spiffe://example.com/billing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::URI))]
    pub san_uri: Option<String>,
    /// An IP address among its subject alternative names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = limits::IP_ADDRESS))]
    pub san_ip: Option<String>,
    /// An e-mail address among its subject alternative names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = limits::EMAIL))]
    pub san_email: Option<String>,
    /// SHA-256 of the certificate in DER; several while one replaces another. As hexadecimal digits, with or without
    /// colons (`openssl x509 -noout -fingerprint -sha256`), or in base64url like `x5t#S256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = limits::CLIENT_KEYS),
        inner(length(max = limits::THUMBPRINT), pattern(patterns::THUMBPRINT))
    )]
    pub thumbprints: Option<Vec<String>>,
    /// The public keys of its certificates (RFC 8705 §2.2.2); several while one replaces another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Jwks>,
}

/// A ServiceAccount of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountRef {
    /// Its namespace; default: the client's own. Others must be granted by the installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::LABEL))]
    pub namespace: Option<String>,
    /// Its name.
    #[schemars(length(min = 1, max = limits::NAME), pattern(patterns::DNS_NAME))]
    pub name: String,
}

/// A JWK Set (RFC 7517 §5).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Jwks {
    /// The keys; several while one replaces another.
    #[schemars(length(min = 1, max = limits::CLIENT_KEYS))]
    pub keys: Vec<PublicJwk>,
}

/// A public key (RFC 7517 §4): RSA of 2048 to 8192 bits, P-256, P-384 or Ed25519. Private members are refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new(
    "!has(self.d) && !has(self.p) && !has(self.q) && !has(self.dp) && !has(self.dq) && !has(self.qi) && !has(self.k)"
).message("this is a private key: list public keys only, and replace this one, which has been shown"))]
#[x_kube(validation = Rule::new(
    "self.kty == 'RSA' ? has(self.n) && has(self.e) \
     : has(self.crv) && has(self.x) && (self.kty == 'OKP' || has(self.y))"
).message("an RSA key has n and e, an EC key crv, x and y, an OKP key crv and x"))]
pub struct PublicJwk {
    /// `RSA`, `EC` or `OKP`.
    #[schemars(extend("enum" = ["RSA", "EC", "OKP"]))]
    pub kty: String,
    /// Its name, which the header of each JWT repeats; needed where several keys are of one algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::CLIENT_KID))]
    pub kid: Option<String>,
    /// The only algorithm that it is used with: `RS256`, `PS256`, `ES256`, `ES384` or `EdDSA` (also
    /// called `Ed25519`); default: all that fit the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]))]
    pub alg: Option<String>,
    /// What it is for; only `sig` is taken.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["sig"]))]
    pub usage: Option<String>,
    /// What may be done with it; `verify` must be among that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), inner(length(max = 16)))]
    pub key_ops: Option<Vec<String>>,
    /// The curve: `P-256`, `P-384` or `Ed25519`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["P-256", "P-384", "Ed25519"]))]
    pub crv: Option<String>,
    /// The point, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::KEY_MEMBER))]
    pub x: Option<String>,
    /// The point, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::KEY_MEMBER))]
    pub y: Option<String>,
    /// The modulus of an RSA key, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::KEY_MEMBER))]
    pub n: Option<String>,
    /// The public exponent of an RSA key: `AQAB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::KEY_MEMBER))]
    pub e: Option<String>,
    /// Private: refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub d: Option<Private>,
    /// Private: refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<Private>,
    /// Private: refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<Private>,
    /// Private: refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dp: Option<Private>,
    /// Private: refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dq: Option<Private>,
    /// Private: refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qi: Option<Private>,
    /// Private: refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k: Option<Private>,
}

/// A member that no public key has. The schema names it, so that the API server refuses the object with the
/// reason instead of dropping the member in silence; its value is never kept.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Private;

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Serialize for Private {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("")
    }
}

impl<'de> Deserialize<'de> for Private {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl JsonSchema for Private {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Private".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": limits::KEY_MEMBER})
    }
}

/// No settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NoAuthentication {}
