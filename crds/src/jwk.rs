//! Signing keys as JWKs (RFC 7517): private (redacted) and public, and their RFC 7638 thumbprint.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

use crate::encoding::{base64url, from_base64url};
use crate::names::Algorithm;

mod der;
mod import;
mod pkcs8;
pub mod public;

pub use import::import;

/// A private key; its `Debug` is redacted.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrivateJwk(Map<String, Value>);

/// A key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub String);

/// `kty`, `crv` and the members of the public half, in the order of RFC 7638 §3.2 with the two.
fn shape(algorithm: Algorithm) -> (&'static str, Option<&'static str>, &'static [&'static str]) {
    match algorithm {
        Algorithm::RS256 | Algorithm::PS256 => ("RSA", None, &["e", "kty", "n"]),
        Algorithm::ES256 => ("EC", Some("P-256"), &["crv", "kty", "x", "y"]),
        Algorithm::ES384 => ("EC", Some("P-384"), &["crv", "kty", "x", "y"]),
        Algorithm::EdDSA => ("OKP", Some("Ed25519"), &["crv", "kty", "x"]),
    }
}

impl PrivateJwk {
    /// Generates a key. RSA takes a tenth of a second and more: not on a reactor thread. The system's
    /// randomness is used: aws-lc-rs offers no other.
    ///
    /// # Errors
    /// When the size is not 2048, 3072 or 4096, or generation fails.
    pub fn generate(algorithm: Algorithm, rsa_bits: Option<u32>) -> Result<Self, KeyError> {
        let members = match algorithm {
            Algorithm::RS256 | Algorithm::PS256 => pkcs8::generate_rsa(rsa_bits.unwrap_or(2048))?,
            Algorithm::ES256 | Algorithm::ES384 => pkcs8::generate_ec(algorithm)?,
            Algorithm::EdDSA => pkcs8::generate_ed25519()?,
        };
        Ok(Self::of(algorithm, members))
    }

    fn of(algorithm: Algorithm, members: pkcs8::Members) -> Self {
        let (kty, crv, _) = shape(algorithm);
        let mut jwk = Map::new();
        jwk.insert("kty".to_owned(), kty.into());
        jwk.insert("alg".to_owned(), algorithm.as_str().into());
        if let Some(crv) = crv {
            jwk.insert("crv".to_owned(), crv.into());
        }
        for (name, text) in members {
            jwk.insert(name.to_owned(), text.into());
        }
        Self(jwk)
    }

    /// Bits of the modulus of an RSA key; `None` for others.
    #[must_use]
    pub fn rsa_bits(&self) -> Option<u32> {
        let modulus = self.bytes("n").ok()?;
        let unused = modulus.first()?.leading_zeros();
        Some(u32::try_from(modulus.len()).ok()?.saturating_mul(8) - unused)
    }

    /// The algorithm that the key names (`alg`).
    ///
    /// # Errors
    /// When it names none of ours, or one that its `kty` or `crv` does not fit.
    pub fn algorithm(&self) -> Result<Algorithm, KeyError> {
        let algorithm: Algorithm = self
            .text("alg")?
            .parse()
            .map_err(|()| KeyError("`alg` of the key is not supported".to_owned()))?;
        let (kty, crv, _) = shape(algorithm);
        if self.text("kty")? != kty || crv.is_some_and(|crv| self.text("crv") != Ok(crv)) {
            return Err(KeyError(format!(
                "`kty` or `crv` of the key does not fit `{algorithm}`"
            )));
        }
        Ok(algorithm)
    }

    /// The RFC 7638 thumbprint (SHA-256, base64url): the kid.
    ///
    /// # Errors
    /// When a member is missing.
    pub fn thumbprint(&self) -> Result<String, KeyError> {
        let (_, _, names) = shape(self.algorithm()?);
        let mut text = String::from("{");
        for name in names {
            let comma = if text.len() > 1 { "," } else { "" };
            let member = Value::from(self.text(name)?);
            text.push_str(&format!("{comma}\"{name}\":{member}"));
        }
        text.push('}');
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        Ok(base64url(digest.as_ref()))
    }

    /// The public members with `kid`, `alg` and `use: sig`, as in a JWKS.
    ///
    /// # Errors
    /// When a member is missing.
    pub fn public(&self) -> Result<Map<String, Value>, KeyError> {
        let algorithm = self.algorithm()?;
        let (_, _, names) = shape(algorithm);
        let mut public = Map::new();
        for name in names {
            public.insert((*name).to_owned(), self.text(name)?.into());
        }
        public.insert("kid".to_owned(), self.thumbprint()?.into());
        public.insert("alg".to_owned(), algorithm.as_str().into());
        public.insert("use".to_owned(), "sig".into());
        Ok(public)
    }

    /// PKCS#8 v1 DER for aws-lc-rs.
    ///
    /// # Errors
    /// When a member is missing or malformed.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        pkcs8::write(self, self.algorithm()?)
    }

    /// A member that must be text. Errors never hold a value.
    fn text(&self, name: &str) -> Result<&str, KeyError> {
        self.0
            .get(name)
            .and_then(Value::as_str)
            .ok_or_else(|| KeyError(format!("`{name}` of the key is missing or no text")))
    }

    /// A member that must be base64url.
    fn bytes(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        from_base64url(self.text(name)?)
            .ok_or_else(|| KeyError(format!("`{name}` of the key is not base64url")))
    }

    /// A member that must be base64url of so many bytes.
    fn exactly(&self, name: &str, length: usize) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let bytes = self.bytes(name)?;
        if bytes.len() == length {
            Ok(bytes)
        } else {
            Err(KeyError(format!("`{name}` of the key must have {length} bytes")))
        }
    }
}

impl Drop for PrivateJwk {
    fn drop(&mut self) {
        for member in self.0.values_mut() {
            if let Value::String(text) = member {
                text.zeroize();
            }
        }
    }
}

impl fmt::Debug for PrivateJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateJwk(…)")
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
    use serde_json::json;

    use super::*;

    fn key(json: Value) -> PrivateJwk {
        serde_json::from_value(json).unwrap()
    }

    /// Signs with the PKCS#8 form and verifies with the public members.
    fn signs(jwk: &PrivateJwk) {
        let (rng, pkcs8, message) = (SystemRandom::new(), jwk.to_pkcs8().unwrap(), b"message");
        let public = jwk.public().unwrap();
        let member = |name: &str| from_base64url(public[name].as_str().unwrap()).unwrap();
        match jwk.algorithm().unwrap() {
            algorithm @ (Algorithm::RS256 | Algorithm::PS256) => {
                let pair = aws_lc_rs::rsa::KeyPair::from_pkcs8(&pkcs8).unwrap();
                let (padding, verification): (&dyn signature::RsaEncoding, _) = match algorithm {
                    Algorithm::RS256 => (
                        &signature::RSA_PKCS1_SHA256,
                        &signature::RSA_PKCS1_2048_8192_SHA256,
                    ),
                    _ => (&signature::RSA_PSS_SHA256, &signature::RSA_PSS_2048_8192_SHA256),
                };
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &rng, message, &mut made).unwrap();
                let parts = signature::RsaPublicKeyComponents {
                    n: &**member("n"),
                    e: &**member("e"),
                };
                parts.verify(verification, message, &made).unwrap();
            }
            algorithm @ (Algorithm::ES256 | Algorithm::ES384) => {
                let (signing, verification) = match algorithm {
                    Algorithm::ES256 => (
                        &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
                        &signature::ECDSA_P256_SHA256_FIXED,
                    ),
                    _ => (
                        &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
                        &signature::ECDSA_P384_SHA384_FIXED,
                    ),
                };
                let pair = EcdsaKeyPair::from_pkcs8(signing, &pkcs8).unwrap();
                let made = pair.sign(&rng, message).unwrap();
                let point = [&[4], member("x").as_slice(), member("y").as_slice()].concat();
                UnparsedPublicKey::new(verification, point)
                    .verify(message, made.as_ref())
                    .unwrap();
            }
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).unwrap();
                assert_eq!(pair.public_key().as_ref(), member("x").as_slice());
                let made = pair.sign(message);
                UnparsedPublicKey::new(&signature::ED25519, member("x").as_slice())
                    .verify(message, made.as_ref())
                    .unwrap();
            }
        }
    }

    #[test]
    fn each_algorithm_generates_keys_that_sign_after_a_round_trip() {
        for algorithm in Algorithm::ALL {
            let jwk = PrivateJwk::generate(algorithm, None).unwrap();
            assert_eq!(jwk.algorithm(), Ok(algorithm));
            let text = serde_json::to_string(&jwk).unwrap();
            let read: PrivateJwk = serde_json::from_str(&text).unwrap();
            assert_eq!(read, jwk);
            signs(&read);
        }
    }

    #[test]
    fn many_ec_and_ed25519_keys_round_trip() {
        // Coordinates with leading zeros are rare: 1 of 256.
        for algorithm in [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA] {
            for _ in 0..100 {
                signs(&PrivateJwk::generate(algorithm, None).unwrap());
            }
        }
    }

    #[test]
    fn rsa_sizes_are_as_asked() {
        for bits in [2048, 3072] {
            let jwk = PrivateJwk::generate(Algorithm::PS256, Some(bits)).unwrap();
            assert_eq!(jwk.bytes("n").unwrap().len() as u32 * 8, bits);
        }
        for bits in [0, 1024, 2049, 8192] {
            assert!(PrivateJwk::generate(Algorithm::RS256, Some(bits)).is_err());
        }
    }

    #[test]
    fn a_private_key_has_exactly_the_members_of_rfc_7518() {
        for (algorithm, members) in [
            (
                Algorithm::RS256,
                &["alg", "d", "dp", "dq", "e", "kty", "n", "p", "q", "qi"][..],
            ),
            (Algorithm::ES256, &["alg", "crv", "d", "kty", "x", "y"]),
            (Algorithm::EdDSA, &["alg", "crv", "d", "kty", "x"]),
        ] {
            let jwk = PrivateJwk::generate(algorithm, None).unwrap();
            let mut names: Vec<_> = jwk.0.keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, members);
        }
    }

    #[test]
    fn a_public_key_has_no_private_member() {
        for algorithm in Algorithm::ALL {
            let jwk = PrivateJwk::generate(algorithm, None).unwrap();
            let public = jwk.public().unwrap();
            for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
                assert!(!public.contains_key(private));
            }
            assert_eq!(public["kid"], jwk.thumbprint().unwrap());
            assert_eq!(public["alg"], algorithm.as_str());
            assert_eq!(public["use"], "sig");
        }
    }

    #[test]
    fn thumbprint_is_that_of_rfc_7638_section_3_1() {
        let jwk = key(json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP\
                  ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY\
                  368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f\
                  M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB",
            "alg": "RS256",
            "kid": "2011-04-29"
        }));
        assert_eq!(
            jwk.thumbprint().unwrap(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn thumbprint_is_that_of_rfc_8037_appendix_a() {
        let jwk = key(json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA",
            "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
        }));
        assert_eq!(
            jwk.thumbprint().unwrap(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
        signs(&jwk);
    }

    #[test]
    fn broken_keys_are_refused_without_showing_values() {
        let good = PrivateJwk::generate(Algorithm::ES256, None).unwrap();
        for (name, value) in [
            ("alg", json!("HS256")),
            ("alg", json!("ES384")),
            ("kty", json!("RSA")),
            ("crv", json!("P-384")),
            ("d", json!("canary+")),
            ("d", json!("Y2FuYXJ5")),
            ("x", json!(1)),
        ] {
            let mut broken = good.clone();
            broken.0.insert(name.to_owned(), value);
            let error = broken.to_pkcs8().unwrap_err().to_string();
            assert!(!error.contains("canary") && !error.contains("Y2Fu"), "{error}");
        }
        let mut missing = good.clone();
        missing.0.remove("y");
        assert!(missing.to_pkcs8().is_err() && missing.public().is_err() && missing.thumbprint().is_err());
    }

    #[test]
    fn halves_that_do_not_belong_together_are_refused() {
        for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
            let mut mixed = PrivateJwk::generate(algorithm, None).unwrap();
            let other = PrivateJwk::generate(algorithm, None).unwrap();
            mixed.0.insert("d".to_owned(), other.0["d"].clone());
            let accepted = mixed.to_pkcs8().is_ok_and(|pkcs8| {
                EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).is_ok()
                    || Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).is_ok()
            });
            assert!(!accepted, "{algorithm}");
        }
    }

    #[test]
    fn debug_is_redacted() {
        let jwk = PrivateJwk::generate(Algorithm::EdDSA, None).unwrap();
        assert_eq!(format!("{jwk:?}"), "PrivateJwk(…)");
    }
}
