//! Signing and checking JWTs (RFC 7515, 7519, 8725). Signing uses a cached key pair; checking goes
//! through one strict function.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    ParsedPublicKey, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oidc_crds::jwk::{KeyError, PrivateJwk, public};
use oidc_crds::names::Algorithm;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::keys::Keys;

/// The longest JWT that is looked at, in bytes.
pub const MAX_JWT: usize = 16 * 1024;

/// `typ` of access tokens (RFC 9068 §2.1).
pub(crate) const TYP_ACCESS: &str = "at+jwt";
/// `typ` of ID tokens, and of access tokens for resource servers that refuse `at+jwt`.
pub(crate) const TYP_JWT: &str = "JWT";
/// The private claim that tells such an access token from an ID token.
pub(crate) const TOKEN_USE: &str = "token_use";
/// Its value.
pub(crate) const TOKEN_USE_ACCESS: &str = "access";

/// How far ahead of ours the clock of the pod that signed may be, in seconds.
const SKEW: i64 = 10;

/// A key that signs; its `Debug` shows kid and algorithm.
pub struct Signer {
    kid: String,
    algorithm: Algorithm,
    pair: Pair,
    /// The encoded headers of the types that we sign all day.
    headers: [(&'static str, String); 2],
}

/// A parsed private key.
enum Pair {
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A JOSE header (RFC 7515 §4.1). A member that is there twice is an error; `jwk`, `jku` and the like say
/// nothing to us: only our own keys count.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    kid: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    typ: std::borrow::Cow<'a, str>,
    #[serde(default)]
    crit: Option<IgnoredAny>,
}

impl Signer {
    /// Parses a private key once.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn new(kid: &str, jwk: &PrivateJwk) -> Result<Self, KeyError> {
        let algorithm = jwk.algorithm()?;
        let der = jwk.to_pkcs8()?;
        let unusable = |error| KeyError(format!("the key {kid} cannot be used: {error}"));
        let rsa = |encoding| {
            RsaKeyPair::from_pkcs8(&der)
                .map(|pair| Pair::Rsa(Box::new(pair), encoding))
                .map_err(unusable)
        };
        let ecdsa = |curve| {
            EcdsaKeyPair::from_pkcs8(curve, &der)
                .map(Pair::Ecdsa)
                .map_err(unusable)
        };
        let pair = match algorithm {
            Algorithm::RS256 => rsa(&RSA_PKCS1_SHA256)?,
            Algorithm::PS256 => rsa(&RSA_PSS_SHA256)?,
            Algorithm::ES256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING)?,
            Algorithm::ES384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING)?,
            Algorithm::EdDSA => Ed25519KeyPair::from_pkcs8(&der)
                .map(Pair::Ed25519)
                .map_err(unusable)?,
        };
        Ok(Self {
            headers: [TYP_ACCESS, TYP_JWT].map(|typ| (typ, header(algorithm, kid, typ))),
            kid: kid.to_owned(),
            algorithm,
            pair,
        })
    }

    /// Its kid.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Header (`alg`, `kid`, `typ`), claims, signature.
    ///
    /// # Errors
    /// When the claims are no JSON object or the signature fails.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, KeyError> {
        let unusable = |what: &str| KeyError(format!("the key {} cannot sign: {what}", self.kid));
        let mut json = Vec::with_capacity(768);
        serde_json::to_writer(&mut json, claims).map_err(|error| unusable(&error.to_string()))?;
        if json.first() != Some(&b'{') {
            return Err(unusable("the claims are no object"));
        }
        // Claims and the largest signature in base64, and dots.
        let mut token = String::with_capacity(256 + json.len() * 4 / 3 + 700);
        match self.headers.iter().find(|(known, _)| *known == typ) {
            Some((_, encoded)) => token.push_str(encoded),
            None => token.push_str(&header(self.algorithm, &self.kid, typ)),
        }
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&json, &mut token);
        let signature = self
            .pair
            .sign(token.as_bytes())
            .ok_or_else(|| unusable("signing failed"))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({} {})", self.algorithm, self.kid)
    }
}

impl Pair {
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        // AWS-LC draws its own randomness; the argument is there for ring's sake.
        let rng = SystemRandom::new();
        match self {
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &rng, message, &mut signature).ok()?;
                Some(signature)
            }
            Self::Ecdsa(pair) => Some(pair.sign(&rng, message).ok()?.as_ref().to_vec()),
            Self::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// An encoded header.
fn header(algorithm: Algorithm, kid: &str, typ: &str) -> String {
    let header = serde_json::json!({"alg": algorithm.as_str(), "kid": kid, "typ": typ});
    URL_SAFE_NO_PAD.encode(header.to_string())
}

/// A key that checks, parsed once.
pub struct Verifier {
    kid: String,
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

impl Verifier {
    /// From a public JWK.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn new(public: &Map<String, Value>) -> Result<Self, KeyError> {
        let text = |name: &str| {
            public
                .get(name)
                .and_then(Value::as_str)
                .ok_or_else(|| KeyError(format!("a public key has no {name}")))
        };
        let algorithm: Algorithm = text("alg")?
            .parse()
            .map_err(|()| KeyError("a public key has an unknown alg".to_owned()))?;
        let key = public::parse(public, algorithm)
            .map_err(|KeyError(why)| KeyError(format!("a public key cannot be used: {why}")))?;
        Ok(Self {
            kid: text("kid")?.to_owned(),
            algorithm,
            key,
        })
    }

    /// Its kid.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether an encoded signature is this key's over the message.
    fn holds(&self, message: &[u8], signature: &str) -> bool {
        URL_SAFE_NO_PAD
            .decode(signature)
            .is_ok_and(|signature| self.key.verify_sig(message, &signature).is_ok())
    }
}

/// The claims of an access token of ours whose signature, type, issuer and expiry hold.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessToken {
    /// All claims.
    pub claims: Map<String, Value>,
}

impl AccessToken {
    /// A text claim, empty if absent.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The thumbprint of the certificate that it is bound to (RFC 8705 §3.1).
    #[must_use]
    pub fn bound_to(&self) -> Option<&str> {
        self.claims.get("cnf")?.get("x5t#S256")?.as_str()
    }

    /// Whether it is of this issuer, and of this time.
    pub(crate) fn holds(&self, issuer: &str, now: jiff::Timestamp) -> bool {
        let now = now.as_second();
        let issued_at = self.claims.get("iat").and_then(Value::as_i64);
        self.text("iss") == issuer
            && self.expires_at() > now
            && issued_at.is_some_and(|issued_at| issued_at <= now.saturating_add(SKEW))
    }

    /// `exp`, seconds since the epoch.
    #[must_use]
    pub fn expires_at(&self) -> i64 {
        self.claims.get("exp").and_then(Value::as_i64).unwrap_or_default()
    }

    /// `aud` as a list.
    #[must_use]
    pub fn audience(&self) -> Vec<&str> {
        match self.claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// `scope` as a list.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.text("scope").split(' ').filter(|scope| !scope.is_empty())
    }
}

/// Checks an access token of ours: our kid with its own algorithm, no `crit`, `typ` `at+jwt` (or `JWT`
/// with `token_use: access`), `iss`, `exp`, `iat` (RFC 8725 §3, RFC 9068 §4). `None` for anything else.
#[must_use]
pub fn verify_access_token(
    token: &str,
    keys: &Keys,
    issuer: &str,
    now: jiff::Timestamp,
) -> Option<AccessToken> {
    let (typ, claims) = verified(token, |kid| keys.verifier(kid))?;
    // "to prevent JWT confusion, … explicitly type" (RFC 8725 §3.11, RFC 9068 §4).
    let is_access = match typ.as_str() {
        TYP_ACCESS => true,
        TYP_JWT => claims.get(TOKEN_USE).and_then(Value::as_str) == Some(TOKEN_USE_ACCESS),
        _ => false,
    };
    let token = AccessToken { claims };
    (is_access && token.holds(issuer, now)).then_some(token)
}

/// What an `id_token_hint` tells: an ID token of ours, which may have expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdTokenHint {
    /// `sub`.
    pub subject: String,
    /// `aud`: the id of the client that it was made for.
    pub client_id: String,
    /// `sid` of the login at that client.
    pub sid: String,
}

/// Checks an `id_token_hint`: our kid (also of a key that was removed meanwhile) with its own algorithm,
/// no `crit`, `typ` `JWT` and no access token, `iss`, one `aud`. "The OP SHOULD accept ID Tokens when the
/// RP identified by the ID Token's aud claim and/or sid claim has a current session … even when the exp
/// time has passed" (OpenID Connect RP-Initiated Logout §4). `None` for anything else.
#[must_use]
pub fn verify_id_token_hint(token: &str, keys: &Keys, issuer: &str) -> Option<IdTokenHint> {
    let (typ, claims) = verified(token, |kid| keys.hint_verifier(kid))?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let is_id_token = typ == TYP_JWT && !claims.contains_key(TOKEN_USE) && text("iss") == Some(issuer);
    is_id_token.then_some(())?;
    Some(IdTokenHint {
        subject: text("sub")?.to_owned(),
        client_id: text("aud")?.to_owned(),
        sid: text("sid")?.to_owned(),
    })
}

/// `typ` and claims of a JWT that one of our keys signed, with that key's own algorithm.
fn verified<'k>(
    token: &str,
    verifier: impl FnOnce(&str) -> Option<&'k Verifier>,
) -> Option<(String, Map<String, Value>)> {
    if token.len() > MAX_JWT {
        return None;
    }
    let (message, signature) = token.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    let header = URL_SAFE_NO_PAD.decode(header).ok()?;
    let header: Header<'_> = serde_json::from_slice(&header).ok()?;
    // "If any of the listed extension Header Parameters are not understood … the JWS is invalid"
    // (RFC 7515 §4.1.11); we understand none.
    if header.crit.is_some() {
        return None;
    }
    let verifier = verifier(&header.kid)?;
    // "Libraries MUST … ensure that the algorithm is the one of the key" (RFC 8725 §3.1).
    if header.alg != verifier.algorithm().as_str() || !verifier.holds(message.as_bytes(), signature) {
        return None;
    }
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    Some((header.typ.into_owned(), serde_json::from_slice(&payload).ok()?))
}

#[cfg(test)]
mod tests;
