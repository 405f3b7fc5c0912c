//! Public keys of others: a client's, or the cluster's, in a JWKS (RFC 7517 §5). Nothing private is taken, and
//! nothing weak.

use std::sync::Arc;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaParameters, VerificationAlgorithm,
};
use serde_json::{Map, Value};

use super::import::{FEWEST_BITS, MOST_BITS};
use super::{KeyError, der, pkcs8, shape};
use crate::encoding::from_base64url;
use crate::names::Algorithm;

/// Members that a public key never has (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
pub const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The most keys of a set that is looked at.
const MOST_KEYS: usize = 100;

/// The longest kid, in bytes.
const LONGEST_KID: usize = 256;

/// Parses a public key for one algorithm; `alg`, `use` and the like are not looked at.
///
/// # Errors
/// When it has a private member, is of another kind, weak or malformed.
pub fn parse(jwk: &Map<String, Value>, algorithm: Algorithm) -> Result<ParsedPublicKey, KeyError> {
    if let Some(name) = PRIVATE_MEMBERS.iter().find(|name| jwk.contains_key(**name)) {
        return Err(KeyError(format!(
            "has the private member `{name}`: list public keys only, and replace this one, which has been shown"
        )));
    }
    let (kty, crv, _) = shape(algorithm);
    if text(jwk, "kty") != Some(kty) || crv.is_some() && text(jwk, "crv") != crv {
        return Err(KeyError(format!("`kty` or `crv` does not fit {algorithm}")));
    }
    let bytes = |name: &str| {
        let bytes = text(jwk, name).and_then(from_base64url);
        bytes.ok_or_else(|| KeyError(format!("`{name}` is missing or no base64url")))
    };
    let exactly = |name: &str, length: usize| {
        let bytes = bytes(name)?;
        if bytes.len() == length {
            Ok(bytes)
        } else {
            Err(KeyError(format!("`{name}` must have {length} bytes")))
        }
    };
    let unusable = |_| KeyError("its numbers are no public key".to_owned());
    let parsed = |verification: &'static dyn VerificationAlgorithm, bytes: &[u8]| {
        ParsedPublicKey::new(verification, bytes).map_err(unusable)
    };
    let ec = |size, verification| {
        // an uncompressed point (SEC 1 §2.3.3)
        let point = [
            &[4],
            exactly("x", size)?.as_slice(),
            exactly("y", size)?.as_slice(),
        ]
        .concat();
        parsed(verification, &point)
    };
    let rsa = |verification: &'static RsaParameters| {
        let (n, e) = (bytes("n")?, bytes("e")?);
        strong(&n, &e)?;
        let parts = PublicKeyComponents {
            n: n.as_slice(),
            e: e.as_slice(),
        };
        parts.to_parsed_public_key(verification).map_err(unusable)
    };
    match algorithm {
        Algorithm::RS256 => rsa(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::PS256 => rsa(&RSA_PSS_2048_8192_SHA256),
        Algorithm::ES256 => ec(32, &ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => ec(48, &ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => parsed(&ED25519, &exactly("x", 32)?),
    }
}

/// Refuses RSA keys that are weak, or larger than anybody needs.
fn strong(n: &[u8], e: &[u8]) -> Result<(), KeyError> {
    let unused = n.first().map_or(0, |byte| byte.leading_zeros());
    let bits = u32::try_from(n.len()).map_or(u32::MAX, |bytes| bytes.saturating_mul(8)) - unused;
    if bits < FEWEST_BITS {
        return Err(KeyError(format!(
            "is weak: its RSA modulus has {bits} bits, {FEWEST_BITS} are needed"
        )));
    }
    if bits > MOST_BITS {
        return Err(KeyError(format!(
            "its RSA modulus has {bits} bits, more than {MOST_BITS} are not taken"
        )));
    }
    if e != [1, 0, 1] {
        return Err(KeyError("its public exponent is not 65537 (`AQAB`)".to_owned()));
    }
    Ok(())
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    jwk.get(name).and_then(Value::as_str)
}

/// A public key that can be used; parsed for each use, which costs a few microseconds and no memory.
#[derive(Debug, Clone, PartialEq)]
pub struct PublicKey {
    kid: Option<Box<str>>,
    /// What it may check: its `alg`, or all that its kind can do.
    algorithms: Box<[Algorithm]>,
    jwk: Map<String, Value>,
}

impl PublicKey {
    /// Checks a JWK.
    ///
    /// # Errors
    /// Why it cannot be used, in words that hold no value of it.
    pub fn read(jwk: Map<String, Value>) -> Result<Self, KeyError> {
        if text(&jwk, "kty") == Some("oct") {
            return Err(KeyError(
                "is a symmetric key (`oct`): list public keys only".to_owned(),
            ));
        }
        let fits = |algorithm: &Algorithm| {
            let (kty, crv, _) = shape(*algorithm);
            text(&jwk, "kty") == Some(kty) && (crv.is_none() || text(&jwk, "crv") == crv)
        };
        let mut algorithms: Vec<Algorithm> = Algorithm::ALL.into_iter().filter(fits).collect();
        if algorithms.is_empty() {
            return Err(KeyError(
                "is of no supported kind: `kty` RSA, EC with `crv` P-256 or P-384, or OKP with Ed25519"
                    .to_owned(),
            ));
        }
        if jwk.contains_key("alg") {
            // the same by its newer name (RFC 9864 §2.2)
            let alg = text(&jwk, "alg").map(|alg| if alg == "Ed25519" { "EdDSA" } else { alg });
            algorithms.retain(|algorithm| alg == Some(algorithm.as_str()));
        }
        let Some(first) = algorithms.first() else {
            return Err(KeyError(
                "its `alg` is none of RS256, PS256, ES256, ES384, EdDSA, or does not fit its kind".to_owned(),
            ));
        };
        parse(&jwk, *first)?;
        if jwk.contains_key("use") && text(&jwk, "use") != Some("sig") {
            return Err(KeyError("its `use` is not `sig`".to_owned()));
        }
        let operations = jwk.get("key_ops").map(|listed| listed.as_array());
        let verifies = |listed: &Vec<Value>| listed.iter().any(|operation| operation == "verify");
        if operations.is_some_and(|listed| !listed.is_some_and(verifies)) {
            return Err(KeyError("its `key_ops` lack `verify`".to_owned()));
        }
        let kid = text(&jwk, "kid").filter(|kid| kid.len() <= LONGEST_KID);
        if jwk.contains_key("kid") && kid.is_none() {
            return Err(KeyError(format!(
                "its `kid` is no text of at most {LONGEST_KID} bytes"
            )));
        }
        Ok(Self {
            kid: kid.map(Into::into),
            algorithms: algorithms.into(),
            jwk,
        })
    }

    /// Its kid.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// `SubjectPublicKeyInfo` of a certificate of this key in DER (RFC 5280 §4.1.2.7): what RFC 3279 §2.3.1,
    /// RFC 5480 §2.1.1 with a named curve, and RFC 8410 §4 put there.
    fn subject_public_key_info(&self) -> Option<Vec<u8>> {
        let bytes = |name: &str| text(&self.jwk, name).and_then(from_base64url);
        let id = |id| der::value(der::OBJECT_ID, &[id]);
        let (kty, crv) = (text(&self.jwk, "kty")?, text(&self.jwk, "crv"));
        let (algorithm, parameters, key) = match (kty, crv) {
            ("RSA", _) => {
                let (n, e) = (der::integer(&bytes("n")?), der::integer(&bytes("e")?));
                let key = der::value(der::SEQUENCE, &[&n, &e]).to_vec();
                (pkcs8::RSA, Some(der::value(der::NULL, &[])), key)
            }
            ("EC", Some(curve)) => {
                let curve = if curve == "P-256" {
                    pkcs8::P256
                } else {
                    pkcs8::P384
                };
                let point = [&[4], bytes("x")?.as_slice(), bytes("y")?.as_slice()].concat();
                (pkcs8::EC, Some(id(curve)), point)
            }
            _ => (pkcs8::ED25519, None, bytes("x")?.to_vec()),
        };
        let (algorithm, parameters) = (id(algorithm), parameters.unwrap_or_default());
        let algorithm = der::value(der::SEQUENCE, &[&algorithm, &parameters]);
        // no unused bits
        let key = der::value(der::BIT_STRING, &[&[0], &key]);
        Some(der::value(der::SEQUENCE, &[&algorithm, &key]).to_vec())
    }

    /// Whether a signature by this algorithm is this key's over the message.
    #[must_use]
    pub fn signed(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.algorithms.contains(&algorithm)
            && parse(&self.jwk, algorithm).is_ok_and(|key| key.verify_sig(message, signature).is_ok())
    }
}

/// A set of public keys, cheap to share.
#[derive(Debug, Clone, PartialEq)]
pub struct PublicKeys(Arc<[PublicKey]>);

/// Why no key of a set is the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoKey {
    /// None has this kid, or can do this algorithm: the set may have changed since.
    Unknown,
    /// No kid was named, and several keys come into question.
    Ambiguous,
}

impl PublicKeys {
    /// Of these keys.
    #[must_use]
    pub fn new(keys: Vec<PublicKey>) -> Self {
        Self(keys.into())
    }

    /// Reads a JWKS of somebody else: "implementations SHOULD ignore JWKs within a JWK Set that use `kty`
    /// values that are not understood by them, that are missing required members, or for which values are
    /// out of the supported ranges" (RFC 7517 §5). Keys with private members are among those.
    ///
    /// # Errors
    /// When it is no JWKS, has more than 100 keys, or none that can be used.
    pub fn read(document: &[u8]) -> Result<Self, KeyError> {
        #[derive(serde::Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(document)
            .map_err(|_| KeyError("it is no JWKS: no JSON object with `keys`".to_owned()))?;
        if set.keys.len() > MOST_KEYS {
            return Err(KeyError(format!("it has more than {MOST_KEYS} keys")));
        }
        let read = |key: Value| match key {
            Value::Object(jwk) => PublicKey::read(jwk).ok(),
            _ => None,
        };
        let keys: Vec<PublicKey> = set.keys.into_iter().filter_map(read).collect();
        if keys.is_empty() {
            return Err(KeyError("it has no key that can be used".to_owned()));
        }
        Ok(Self::new(keys))
    }

    /// Whether one of them is a certificate's, whose `subjectPublicKeyInfo` this is in DER: algorithm and curve
    /// too, for the same numbers are another key under other parameters (CVE-2020-0601).
    #[must_use]
    pub fn has_subject_public_key_info(&self, der: &[u8]) -> bool {
        let mut keys = self.0.iter();
        keys.any(|key| key.subject_public_key_info().is_some_and(|own| own == der))
    }

    /// As a JWKS.
    #[must_use]
    pub fn document(&self) -> Value {
        let keys: Vec<&Map<String, Value>> = self.0.iter().map(|key| &key.jwk).collect();
        serde_json::json!({ "keys": keys })
    }

    /// The key that a JWT's header names. Without a kid there must be only one for the algorithm.
    ///
    /// # Errors
    /// [`NoKey`].
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&PublicKey, NoKey> {
        let mut fitting = self
            .0
            .iter()
            .filter(|key| key.algorithms.contains(&algorithm) && (kid.is_none() || key.kid() == kid));
        let first = fitting.next().ok_or(NoKey::Unknown)?;
        if kid.is_none() && fitting.next().is_some() {
            return Err(NoKey::Ambiguous);
        }
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jwk::PrivateJwk;

    fn public(algorithm: Algorithm) -> Map<String, Value> {
        let bits = algorithm.is_rsa().then_some(2048);
        PrivateJwk::generate(algorithm, bits).unwrap().public().unwrap()
    }

    fn told(jwk: Map<String, Value>) -> String {
        PublicKey::read(jwk).unwrap_err().0
    }

    fn with(mut jwk: Map<String, Value>, name: &str, value: Value) -> Map<String, Value> {
        jwk.insert(name.to_owned(), value);
        jwk
    }

    #[test]
    fn ca_04_each_kind_of_key_is_taken_and_bound_to_its_alg() {
        for algorithm in Algorithm::ALL {
            let mut jwk = public(algorithm);
            let key = PublicKey::read(jwk.clone()).unwrap();
            assert_eq!(*key.algorithms, [algorithm]);
            jwk.remove("alg");
            let free = PublicKey::read(jwk).unwrap();
            assert_eq!(free.algorithms.len(), if algorithm.is_rsa() { 2 } else { 1 });
        }
        let named = with(public(Algorithm::EdDSA), "alg", "Ed25519".into());
        assert_eq!(*PublicKey::read(named).unwrap().algorithms, [Algorithm::EdDSA]);
    }

    #[test]
    fn ca_04_private_members_are_refused_with_the_reason_and_without_their_value() {
        for name in PRIVATE_MEMBERS {
            let told = told(with(public(Algorithm::ES256), name, "canary".into()));
            assert!(
                told.contains(&format!("private member `{name}`")) && !told.contains("canary"),
                "{told}"
            );
        }
        let oct = json!({"kty": "oct", "k": "canary", "alg": "HS256"});
        assert!(told(oct.as_object().unwrap().clone()).contains("symmetric"));
    }

    #[test]
    fn ca_04_weak_and_odd_keys_are_refused_with_the_reason() {
        let number = |bytes: usize| Value::from(crate::encoding::base64url(&vec![0xc1; bytes]));
        let rsa = || public(Algorithm::RS256);
        for (jwk, reason) in [
            (with(rsa(), "n", number(128)), "1024 bits, 2048 are needed"),
            (with(rsa(), "n", number(2048)), "more than 8192"),
            (with(rsa(), "n", number(0)), "0 bits"),
            (with(rsa(), "e", "Aw".into()), "exponent"),
            (with(rsa(), "n", "+".into()), "`n` is missing or no base64url"),
            (with(rsa(), "alg", "RS1".into()), "`alg`"),
            (with(rsa(), "alg", "ES256".into()), "`alg`"),
            (with(rsa(), "alg", json!(7)), "`alg`"),
            (with(rsa(), "kty", "DSA".into()), "no supported kind"),
            (with(rsa(), "use", "enc".into()), "`use`"),
            (with(rsa(), "key_ops", json!(["sign"])), "`key_ops`"),
            (with(rsa(), "kid", "k".repeat(300).into()), "`kid`"),
            (
                with(public(Algorithm::ES256), "crv", "P-521".into()),
                "no supported kind",
            ),
            (
                with(public(Algorithm::ES256), "x", number(33)),
                "`x` must have 32 bytes",
            ),
            // not on the curve
            (with(public(Algorithm::ES256), "x", number(32)), "no public key"),
            (with(public(Algorithm::EdDSA), "x", json!(1)), "`x` is missing"),
        ] {
            assert!(told(jwk.clone()).contains(reason), "{reason}: {}", told(jwk));
        }
        let good = with(rsa(), "key_ops", json!(["verify"]));
        assert!(PublicKey::read(good).is_ok());
    }

    #[test]
    fn ca_04_a_set_is_searched_by_kid_and_alg() {
        let [first, second] = [(); 2].map(|()| public(Algorithm::ES256));
        let kid = first["kid"].as_str().unwrap().to_owned();
        let mut nameless = public(Algorithm::EdDSA);
        nameless.remove("kid");
        let set = PublicKeys::new(
            [first, second, nameless]
                .map(|jwk| PublicKey::read(jwk).unwrap())
                .into(),
        );
        assert_eq!(set.find(Some(&kid), Algorithm::ES256).unwrap().kid(), Some(&*kid));
        assert_eq!(set.find(Some(&kid), Algorithm::EdDSA), Err(NoKey::Unknown));
        assert_eq!(set.find(Some("other"), Algorithm::ES256), Err(NoKey::Unknown));
        assert_eq!(set.find(None, Algorithm::ES256), Err(NoKey::Ambiguous));
        assert_eq!(set.find(None, Algorithm::RS256), Err(NoKey::Unknown));
        assert!(set.find(None, Algorithm::EdDSA).is_ok());
    }

    #[test]
    fn ca_04_what_cannot_be_used_in_a_fetched_set_is_passed_over() {
        let good = public(Algorithm::ES384);
        let private = with(public(Algorithm::ES256), "d", "canary".into());
        let set = json!({"keys": [7, {"kty": "oct"}, private, good], "more": 1}).to_string();
        let read = PublicKeys::read(set.as_bytes()).unwrap();
        assert_eq!(read.0.len(), 1);
        let many = json!({"keys": vec![json!({}); 101]}).to_string();
        let deep = "[".repeat(100_000);
        for (bad, why) in [
            (&*many, "more than 100"),
            ("{\"keys\": []}", "no key"),
            ("{}", "no JWKS"),
            ("canary", "no JWKS"),
            (&*deep, "no JWKS"),
        ] {
            let told = PublicKeys::read(bad.as_bytes()).unwrap_err().0;
            assert!(told.contains(why) && !told.contains("canary"), "{told}");
        }
    }
}
