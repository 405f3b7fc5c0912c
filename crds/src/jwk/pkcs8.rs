//! PKCS#8 (RFC 5208) to JWK members (RFC 7518 §6, RFC 8037 §2) and back.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, Curve25519SeedBin, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use zeroize::Zeroizing;

use super::der::{
    BIT_STRING, CONTEXT_1, Der, NULL, OBJECT_ID, OCTET_STRING, Reader, SEQUENCE, integer, value,
};
use super::{KeyError, PrivateJwk};
use crate::encoding::base64url;
use crate::names::Algorithm;

/// 1.2.840.113549.1.1.1 rsaEncryption.
pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// 1.2.840.10045.2.1 id-ecPublicKey.
pub(super) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// 1.2.840.10045.3.1.7 prime256v1.
pub(super) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// 1.3.132.0.34 secp384r1.
pub(super) const P384: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];
/// 1.3.101.112 Ed25519.
pub(super) const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// Members of an RSA private key in the order of RSAPrivateKey (RFC 8017 §A.1.2) after its version.
const RSA_MEMBERS: [&str; 8] = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];

/// Names and base64url values of a new key's members.
pub(super) type Members = Vec<(&'static str, String)>;

fn failed() -> KeyError {
    KeyError("the key could not be generated".to_owned())
}

/// A new RSA key.
pub(super) fn generate_rsa(bits: u32) -> Result<Members, KeyError> {
    let size = match bits {
        2048 => KeySize::Rsa2048,
        3072 => KeySize::Rsa3072,
        4096 => KeySize::Rsa4096,
        _ => {
            return Err(KeyError(format!(
                "{bits} bits: an RSA key has 2048, 3072 or 4096"
            )));
        }
    };
    let pair = RsaKeyPair::generate(size).map_err(|_| failed())?;
    of_rsa(&pair)
}

/// The members of an RSA key.
pub(super) fn of_rsa(pair: &RsaKeyPair) -> Result<Members, KeyError> {
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| failed())?;
    read_rsa(der.as_ref()).ok_or_else(failed)
}

/// The members of an RSA key in PKCS#8, whether it is any good or not.
pub(super) fn read_rsa(der: &[u8]) -> Option<Members> {
    let mut whole = Reader::new(der);
    let mut info = whole.within(SEQUENCE)?;
    let version = info.integer()?;
    let mut algorithm = info.within(SEQUENCE)?;
    let mut octets = info.within(OCTET_STRING)?;
    let mut key = octets.within(SEQUENCE)?;
    let known = version.is_empty()
        && algorithm.value(OBJECT_ID)? == RSA
        && algorithm.value(NULL)?.is_empty()
        && key.integer()?.is_empty();
    let mut members = Members::with_capacity(RSA_MEMBERS.len() + 2);
    for name in RSA_MEMBERS {
        members.push((name, base64url(key.integer()?)));
    }
    let done = [&whole, &info, &algorithm, &octets, &key]
        .into_iter()
        .all(Reader::is_done);
    (known && done).then_some(members)
}

/// A new key on P-256 or P-384.
pub(super) fn generate_ec(algorithm: Algorithm) -> Result<Members, KeyError> {
    let signing = if algorithm == Algorithm::ES384 {
        &ECDSA_P384_SHA384_ASN1_SIGNING
    } else {
        &ECDSA_P256_SHA256_ASN1_SIGNING
    };
    let pair = EcdsaKeyPair::generate(signing).map_err(|_| failed())?;
    of_ec(&pair)
}

/// The members of a key on P-256 or P-384.
pub(super) fn of_ec(pair: &EcdsaKeyPair) -> Result<Members, KeyError> {
    let d: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(|_| failed())?;
    // SEC 1 §2.3.3: 4, then both coordinates at full length.
    let [4, point @ ..] = pair.public_key().as_ref() else {
        return Err(failed());
    };
    let (x, y) = point.split_at(point.len() / 2);
    Ok(vec![
        ("x", base64url(x)),
        ("y", base64url(y)),
        ("d", base64url(d.as_ref())),
    ])
}

/// A new Ed25519 key.
pub(super) fn generate_ed25519() -> Result<Members, KeyError> {
    let pair = Ed25519KeyPair::generate().map_err(|_| failed())?;
    of_ed25519(&pair)
}

/// The members of an Ed25519 key.
pub(super) fn of_ed25519(pair: &Ed25519KeyPair) -> Result<Members, KeyError> {
    let seed = pair.seed().map_err(|_| failed())?;
    let d: Curve25519SeedBin<'_> = seed.as_be_bytes().map_err(|_| failed())?;
    Ok(vec![
        ("x", base64url(pair.public_key().as_ref())),
        ("d", base64url(d.as_ref())),
    ])
}

/// A key as PKCS#8 v1. Whether its numbers belong together is aws-lc's to judge, but for Ed25519, whose
/// v1 form leaves the public half out.
pub(super) fn write(jwk: &PrivateJwk, algorithm: Algorithm) -> Result<Der, KeyError> {
    match algorithm {
        Algorithm::RS256 | Algorithm::PS256 => rsa(jwk),
        Algorithm::ES256 => ec(jwk, P256, 32),
        Algorithm::ES384 => ec(jwk, P384, 48),
        Algorithm::EdDSA => ed25519(jwk),
    }
}

/// RSAPrivateKey (RFC 8017 §A.1.2) as PKCS#8.
pub(super) fn from_pkcs1(key: &[u8]) -> Der {
    info(&[&value(OBJECT_ID, &[RSA]), &value(NULL, &[])], key)
}

fn info(identifiers: &[&[u8]], key: &[u8]) -> Der {
    let algorithm = value(SEQUENCE, identifiers);
    let key = value(OCTET_STRING, &[key]);
    value(SEQUENCE, &[&integer(&[0]), &algorithm, &key])
}

fn rsa(jwk: &PrivateJwk) -> Result<Der, KeyError> {
    let mut key = integer(&[0]);
    for name in RSA_MEMBERS {
        let bytes = jwk.bytes(name)?;
        if bytes.first().is_none_or(|first| *first == 0) {
            return Err(KeyError(format!(
                "`{name}` of the key is empty or has leading zeros"
            )));
        }
        let grown = [key.as_slice(), &integer(&bytes)].concat();
        key = Zeroizing::new(grown);
    }
    Ok(from_pkcs1(&value(SEQUENCE, &[&key])))
}

fn ec(jwk: &PrivateJwk, curve: &[u8], length: usize) -> Result<Der, KeyError> {
    let (x, y) = (jwk.exactly("x", length)?, jwk.exactly("y", length)?);
    let d = value(OCTET_STRING, &[&jwk.exactly("d", length)?]);
    // No unused bits; SEC 1 §2.3.3: 4, then both coordinates.
    let point = value(BIT_STRING, &[&[0, 4], &x, &y]);
    let key = value(SEQUENCE, &[&integer(&[1]), &d, &value(CONTEXT_1, &[&point])]);
    Ok(info(
        &[&value(OBJECT_ID, &[EC]), &value(OBJECT_ID, &[curve])],
        &key,
    ))
}

fn ed25519(jwk: &PrivateJwk) -> Result<Der, KeyError> {
    let (x, d) = (jwk.exactly("x", 32)?, jwk.exactly("d", 32)?);
    Ed25519KeyPair::from_seed_and_public_key(&d, &x)
        .map_err(|_| KeyError("`x` of the key does not belong to its `d`".to_owned()))?;
    let key = value(OCTET_STRING, &[&d]);
    Ok(info(&[&value(OBJECT_ID, &[ED25519])], &key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rsa_document_with_anything_odd_is_refused() {
        let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let der = der.as_ref();
        assert!(read_rsa(der).is_some());
        assert!(read_rsa(&der[..der.len() - 1]).is_none());
        assert!(read_rsa(&[der, &[0]].concat()).is_none());
        let mut other = der.to_vec();
        // The last arc of the algorithm's object identifier: RSASSA-PSS.
        let at = other.windows(RSA.len()).position(|w| w == RSA).unwrap() + RSA.len() - 1;
        other[at] = 10;
        assert!(read_rsa(&other).is_none());
    }
}
