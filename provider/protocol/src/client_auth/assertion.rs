//! A JWT as the proof of who calls (RFC 7521 §4.2, RFC 7523 §2.2, §3): read here, held against keys in
//! [`private_key`](super::private_key).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use oidc_crds::jwk::public::{NoKey, PublicKey, PublicKeys};
use oidc_crds::names::Algorithm;
use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer};

use super::service_account::Bound;
use crate::error::OAuthError;
use crate::jwt::MAX_JWT;

/// The only `client_assertion_type` (RFC 7523 §2.2).
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How far clocks may differ, in seconds.
pub(super) const SKEW: i64 = 10;

/// An assertion as it was presented: nothing of it is proven. It is a credential until it has expired, so there
/// is no `Debug`.
pub struct Assertion {
    token: String,
    header: Header,
    pub(super) claims: Claims,
}

/// A JOSE header (RFC 7515 §4.1). `jwk`, `jku`, `x5u` and the like say nothing to us: keys are registered.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<IgnoredAny>,
}

/// The claims that count (RFC 7523 §3); one that is there twice is an error.
#[derive(Deserialize)]
pub(super) struct Claims {
    pub iss: String,
    pub sub: String,
    pub aud: Audience,
    pub exp: NumericDate,
    #[serde(default)]
    pub nbf: Option<NumericDate>,
    #[serde(default)]
    pub iat: Option<NumericDate>,
    #[serde(default)]
    pub jti: Option<String>,
    /// Of a Kubernetes ServiceAccount token.
    #[serde(default, rename = "kubernetes.io")]
    pub kubernetes: Option<Bound>,
}

/// `aud` (RFC 7519 §4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// The value, if there is a single one.
    pub(super) fn single(&self) -> Option<&str> {
        match self {
            Self::One(one) => Some(one),
            Self::Many(many) => match &many[..] {
                [one] => Some(one),
                _ => None,
            },
        }
    }
}

/// Seconds since the epoch; what is behind the point is dropped (RFC 7519 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NumericDate(pub i64);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// The year 9999.
        const LAST: f64 = 253_402_300_799.0;
        let number = f64::deserialize(deserializer)?;
        if !(0.0..=LAST).contains(&number) {
            return Err(D::Error::custom("no date"));
        }
        Ok(Self(number as i64))
    }
}

/// Why an assertion is not one of these keys'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsigned {
    /// No key is known for it: there may be newer ones.
    NoKey(NoKey),
    /// It is not the key's, or malformed.
    Refused(&'static str),
}

impl Unsigned {
    /// For the log.
    pub(super) fn cause(self) -> &'static str {
        match self {
            Self::NoKey(NoKey::Unknown) => "no key has the kid and the alg of its header",
            Self::NoKey(NoKey::Ambiguous) => "its header has no kid, and several keys come into question",
            Self::Refused(why) => why,
        }
    }
}

impl Assertion {
    /// Reads the parts of a JWT, and proves nothing.
    ///
    /// # Errors
    /// `invalid_client` for what is no signed JWT, or lacks a claim that it must have.
    pub(super) fn read(token: &str) -> Result<Self, OAuthError> {
        let malformed = |why: &'static str| super::failed(false).because(why);
        if token.len() > MAX_JWT {
            return Err(malformed("the assertion has more than 16 KiB"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("the assertion is no signed JWT"));
        };
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let header: Header = bytes(header)
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| malformed("the header of the assertion is malformed"))?;
        let claims: Claims = bytes(claims)
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| malformed("the assertion lacks iss, sub, aud or exp, or one is malformed"))?;
        Ok(Self {
            token: token.to_owned(),
            header,
            claims,
        })
    }

    /// `sub`, proven by nothing.
    pub(super) fn unverified_subject(&self) -> &str {
        &self.claims.sub
    }

    /// Whether one of these keys signed it, by its own algorithm. "The JWT MUST be digitally signed"
    /// (RFC 7523 §3); "none" and symmetric algorithms are not among ours.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn signed_by(&self, keys: &PublicKeys) -> Result<(), Unsigned> {
        // "If any of the listed extension Header Parameters are not understood … the JWS is invalid"
        // (RFC 7515 §4.1.11); we understand none.
        if self.header.crit.is_some() {
            return Err(Unsigned::Refused("its header has crit"));
        }
        let algorithm = self.algorithm().ok_or(Unsigned::Refused(
            "its alg is none of RS256, PS256, ES256, ES384, EdDSA",
        ))?;
        let key = keys
            .find(self.header.kid.as_deref(), algorithm)
            .map_err(Unsigned::NoKey)?;
        if self.holds(key, algorithm) {
            Ok(())
        } else {
            Err(Unsigned::Refused("its signature does not hold"))
        }
    }

    /// Spends the time of a check; proves nothing.
    pub(super) fn against_decoy(&self, decoy: &PublicKey) {
        std::hint::black_box(self.holds(decoy, Algorithm::ES256));
    }

    fn algorithm(&self) -> Option<Algorithm> {
        // RFC 9864 §2.2 names the curve: the same as EdDSA with an Ed25519 key
        if self.header.alg == "Ed25519" {
            return Some(Algorithm::EdDSA);
        }
        self.header.alg.parse().ok()
    }

    fn holds(&self, key: &PublicKey, algorithm: Algorithm) -> bool {
        let Some((message, signature)) = self.token.rsplit_once('.') else {
            return false;
        };
        URL_SAFE_NO_PAD
            .decode(signature)
            .is_ok_and(|signature| key.signed(algorithm, message.as_bytes(), &signature))
    }

    /// The times (RFC 7523 §3 points 4 to 6); `most` seconds are the longest that it may still be good for.
    ///
    /// # Errors
    /// What its maker must mend.
    pub(super) fn timely(&self, most: i64, now: Timestamp) -> Result<(), &'static str> {
        let now = now.as_second();
        let Claims { exp, nbf, iat, .. } = &self.claims;
        let ahead = |time: &Option<NumericDate>| time.is_some_and(|time| time.0 > now + SKEW);
        if exp.0 <= now - SKEW {
            return Err("The assertion has expired: make a new one for each request, and check the clock.");
        }
        if ahead(nbf) || ahead(iat) {
            return Err("The assertion is not good yet (nbf or iat): check the clock.");
        }
        if exp.0 > now + most + SKEW {
            return Err("The assertion is good for more than an hour: give it an earlier exp.");
        }
        Ok(())
    }
}
