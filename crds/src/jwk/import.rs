//! Keys that were made elsewhere: a PEM (PKCS#8, PKCS#1, SEC1) or a JWK, checked and in our own form.

use std::fmt;

use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value};

use super::pkcs8::{self, Members};
use super::{KeyError, PrivateJwk};
use crate::names::Algorithm;

/// The fewest bits of an RSA key (RFC 7518 §3.3).
pub(super) const FEWEST_BITS: u32 = 2048;
/// The most that aws-lc takes.
pub(super) const MOST_BITS: u32 = 8192;
/// 65537, the public exponent that everybody uses; smaller ones are called weak.
const EXPONENT: &str = "AQAB";

/// What a key can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Kind {
    fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::RS256 | Algorithm::PS256 => Self::Rsa,
            Algorithm::ES256 => Self::P256,
            Algorithm::ES384 => Self::P384,
            Algorithm::EdDSA => Self::Ed25519,
        }
    }

    /// The `algorithm` to write for such a key.
    fn algorithm(self) -> &'static str {
        match self {
            Self::Rsa => "RS256 or PS256",
            Self::P256 => "ES256",
            Self::P384 => "ES384",
            Self::Ed25519 => "EdDSA",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "an RSA key",
            Self::P256 => "a P-256 key",
            Self::P384 => "a P-384 key",
            Self::Ed25519 => "an Ed25519 key",
        })
    }
}

/// Reads a private key for an algorithm: a PEM with PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or
/// SEC1 (`EC PRIVATE KEY`), or a JWK. Whether its numbers belong together is checked.
///
/// # Errors
/// When it is none of these, has no private part, is encrypted, weak, or of another kind than the
/// algorithm's. The message never holds a part of the key.
pub fn import(text: &[u8], algorithm: Algorithm) -> Result<PrivateJwk, KeyError> {
    let (kind, members) = if text.trim_ascii_start().starts_with(b"{") {
        read_jwk(text)?
    } else {
        read_pem(text)?
    };
    if kind != Kind::of(algorithm) {
        return Err(KeyError(format!(
            "it is {kind}, which is for {}; {algorithm} needs {}",
            kind.algorithm(),
            Kind::of(algorithm)
        )));
    }
    Ok(PrivateJwk::of(algorithm, members))
}

fn read_pem(text: &[u8]) -> Result<(Kind, Members), KeyError> {
    if text.windows(9).any(|window| window == b"ENCRYPTED") {
        return Err(KeyError(
            "it is encrypted with a pass phrase; store it without one".to_owned(),
        ));
    }
    let Ok(key) = PrivateKeyDer::from_pem_slice(text) else {
        let public = |label: &[u8]| text.windows(label.len()).any(|window| window == label);
        return Err(KeyError(
            if [&b"PUBLIC KEY"[..], b"CERTIFICATE"].into_iter().any(public) {
                "it has no private part, only a public one"
            } else {
                "it is neither a PEM with a private key (PKCS#8, PKCS#1, SEC1) nor a JWK"
            }
            .to_owned(),
        ));
    };
    match &key {
        PrivateKeyDer::Pkcs1(key) => read_der(&pkcs8::from_pkcs1(key.secret_pkcs1_der())),
        PrivateKeyDer::Pkcs8(key) => read_der(key.secret_pkcs8_der()),
        PrivateKeyDer::Sec1(key) => read_der(key.secret_sec1_der()),
        _ => Err(unusable()),
    }
}

/// PKCS#8, or SEC1 for the two curves.
fn read_der(der: &[u8]) -> Result<(Kind, Members), KeyError> {
    if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
        let members = pkcs8::of_rsa(&pair)?;
        return Ok((Kind::Rsa, strong(members)?));
    }
    // What aws-lc refuses may be an RSA key that is too short.
    if let Some(members) = pkcs8::read_rsa(der) {
        strong(members)?;
        return Err(unusable());
    }
    for (kind, curve) in [
        (Kind::P256, &ECDSA_P256_SHA256_ASN1_SIGNING),
        (Kind::P384, &ECDSA_P384_SHA384_ASN1_SIGNING),
    ] {
        if let Ok(pair) = EcdsaKeyPair::from_private_key_der(curve, der) {
            return Ok((kind, pkcs8::of_ec(&pair)?));
        }
    }
    match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        Ok(pair) => Ok((Kind::Ed25519, pkcs8::of_ed25519(&pair)?)),
        Err(_) => Err(unusable()),
    }
}

fn read_jwk(text: &[u8]) -> Result<(Kind, Members), KeyError> {
    let members: Map<String, Value> =
        serde_json::from_slice(text).map_err(|_| KeyError("it is no JWK: no JSON object".to_owned()))?;
    let mut jwk = PrivateJwk(members);
    let kind = match (jwk.text("kty").ok(), jwk.text("crv").ok()) {
        (Some("RSA"), _) => Kind::Rsa,
        (Some("EC"), Some("P-256")) => Kind::P256,
        (Some("EC"), Some("P-384")) => Kind::P384,
        (Some("OKP"), Some("Ed25519")) => Kind::Ed25519,
        _ => {
            return Err(KeyError(
                "`kty` and `crv` of the JWK must be RSA, EC with P-256 or P-384, or OKP with Ed25519"
                    .to_owned(),
            ));
        }
    };
    if jwk.text("d").is_err() {
        return Err(KeyError("the JWK has no private part (`d`)".to_owned()));
    }
    let algorithm = match kind {
        Kind::Rsa => Algorithm::RS256,
        Kind::P256 => Algorithm::ES256,
        Kind::P384 => Algorithm::ES384,
        Kind::Ed25519 => Algorithm::EdDSA,
    };
    jwk.0.insert("alg".to_owned(), algorithm.as_str().into());
    read_der(&jwk.to_pkcs8()?)
}

/// Refuses RSA keys that are weak, or larger than can be used.
fn strong(members: Members) -> Result<Members, KeyError> {
    let jwk = PrivateJwk::of(Algorithm::RS256, members.clone());
    let bits = jwk.rsa_bits().unwrap_or(0);
    if bits < FEWEST_BITS {
        return Err(KeyError(format!(
            "it is weak: its RSA modulus has {bits} bits, {FEWEST_BITS} are needed"
        )));
    }
    if bits > MOST_BITS {
        return Err(KeyError(format!(
            "its RSA modulus has {bits} bits, more than {MOST_BITS} cannot be used"
        )));
    }
    if jwk.text("e")? != EXPONENT {
        return Err(KeyError("its public exponent is not 65537".to_owned()));
    }
    Ok(members)
}

fn unusable() -> KeyError {
    KeyError("it is no RSA, P-256, P-384 or Ed25519 key, or its numbers do not belong together".to_owned())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::der::{OBJECT_ID, OCTET_STRING, Reader, SEQUENCE};
    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        let text = STANDARD.encode(der);
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            lines.join("\n")
        )
    }

    fn told(text: &str, algorithm: Algorithm) -> String {
        import(text.as_bytes(), algorithm).unwrap_err().to_string()
    }

    #[test]
    fn pkcs8_and_jwk_of_every_algorithm_give_the_same_key() {
        for algorithm in Algorithm::ALL {
            let key = PrivateJwk::generate(algorithm, None).unwrap();
            let read = import(pem("PRIVATE KEY", &key.to_pkcs8().unwrap()).as_bytes(), algorithm).unwrap();
            assert_eq!(read, key, "{algorithm}");
            let jwk = serde_json::to_string(&key).unwrap();
            assert_eq!(import(jwk.as_bytes(), algorithm).unwrap(), key, "{algorithm}");
            assert_eq!(read.thumbprint().unwrap(), key.thumbprint().unwrap());
        }
    }

    #[test]
    fn pkcs1_and_sec1_are_read_beside_other_blocks() {
        let key = PrivateJwk::generate(Algorithm::PS256, None).unwrap();
        let pkcs8 = key.to_pkcs8().unwrap();
        let mut info = Reader::new(&pkcs8).within(SEQUENCE).unwrap();
        info.integer().unwrap();
        assert!(info.within(SEQUENCE).unwrap().value(OBJECT_ID).is_some());
        let pkcs1 = info.value(OCTET_STRING).unwrap();
        let text = pem("RSA PRIVATE KEY", pkcs1);
        assert_eq!(import(text.as_bytes(), Algorithm::PS256).unwrap(), key);

        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
        let sec1: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().unwrap();
        // As `openssl ecparam -genkey` writes it.
        let text =
            pem("EC PARAMETERS", &[6, 5, 0x2b, 0x81, 4, 0, 0x22]) + &pem("EC PRIVATE KEY", sec1.as_ref());
        let read = import(text.as_bytes(), Algorithm::ES384).unwrap();
        assert_eq!(read.algorithm().unwrap(), Algorithm::ES384);
    }

    #[test]
    fn a_key_of_another_kind_is_told_with_what_it_is_for() {
        let key = PrivateJwk::generate(Algorithm::ES256, None).unwrap();
        let text = pem("PRIVATE KEY", &key.to_pkcs8().unwrap());
        assert_eq!(
            told(&text, Algorithm::RS256),
            "it is a P-256 key, which is for ES256; RS256 needs an RSA key"
        );
        assert!(told(&text, Algorithm::ES384).contains("ES384 needs a P-384 key"));
        let key = PrivateJwk::generate(Algorithm::EdDSA, None).unwrap();
        let text = serde_json::to_string(&key).unwrap();
        assert!(told(&text, Algorithm::ES256).starts_with("it is an Ed25519 key, which is for EdDSA"));
    }

    #[test]
    fn weak_and_odd_rsa_keys_are_refused_with_the_reason() {
        let number = |bytes: usize| crate::encoding::base64url(&vec![0xc1; bytes]);
        let key = |bytes: usize, e: &str| {
            let (n, half) = (number(bytes), number(bytes / 2));
            json!({"kty": "RSA", "n": n, "e": e, "d": n, "p": half, "q": half, "dp": half, "dq": half, "qi": half})
                .to_string()
        };
        assert_eq!(
            told(&key(128, "AQAB"), Algorithm::RS256),
            "it is weak: its RSA modulus has 1024 bits, 2048 are needed"
        );
        assert!(told(&key(2048, "AQAB"), Algorithm::RS256).contains("cannot be used"));
        assert!(told(&key(256, "Aw"), Algorithm::RS256).contains("exponent"));
        // Numbers that do not belong together.
        assert!(told(&key(256, "AQAB"), Algorithm::RS256).contains("do not belong together"));
    }

    #[test]
    fn a_mixed_up_jwk_is_refused() {
        let [one, two] = [(); 2].map(|()| PrivateJwk::generate(Algorithm::ES256, None).unwrap());
        let mut mixed = one.clone();
        mixed.0.insert("d".to_owned(), two.0["d"].clone());
        assert!(
            told(&serde_json::to_string(&mixed).unwrap(), Algorithm::ES256)
                .contains("do not belong together")
        );
    }

    #[test]
    fn what_has_no_private_part_is_told() {
        let key = PrivateJwk::generate(Algorithm::ES256, None).unwrap();
        let public = serde_json::to_string(&key.public().unwrap()).unwrap();
        assert!(told(&public, Algorithm::ES256).contains("no private part"));
        for label in ["PUBLIC KEY", "CERTIFICATE", "RSA PUBLIC KEY"] {
            assert!(told(&pem(label, b"canary"), Algorithm::RS256).contains("no private part"));
        }
        assert!(told(&pem("ENCRYPTED PRIVATE KEY", b"canary"), Algorithm::RS256).contains("encrypted"));
        for noise in ["", "canary", "{", "{\"kty\": \"oct\", \"k\": \"canary\"}"] {
            assert!(!told(noise, Algorithm::RS256).contains("canary"));
        }
        assert!(told(&pem("PRIVATE KEY", b"canary"), Algorithm::RS256).contains("no RSA"));
    }

    proptest! {
        #[test]
        fn noise_is_refused_and_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(import(&noise, Algorithm::RS256).is_err());
            prop_assert!(import(pem("PRIVATE KEY", &noise).as_bytes(), Algorithm::ES256).is_err());
        }
    }
}
