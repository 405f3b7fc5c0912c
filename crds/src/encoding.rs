//! How bytes become text and how lists of parts become bytes. Private to the crate.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// base64url without padding (RFC 4648 §5).
pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// base64 with padding (RFC 4648 §4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads [`base64url`]; nothing else is accepted.
pub(crate) fn from_base64url(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    URL_SAFE_NO_PAD.decode(text).ok().map(Zeroizing::new)
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

/// Reads pairs of hex digits of either case.
pub(crate) fn from_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = Zeroizing::new(digits?);
    let bytes = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]);
    Some(Zeroizing::new(bytes.collect()))
}

/// The length of a part as its prefix.
fn prefix(part: &[u8]) -> [u8; 4] {
    // No part comes near 4 GiB; saturating would only ever make an input that nothing else makes.
    u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes()
}

/// Parts, each after its length (u32 big-endian), so that no two lists give the same bytes.
pub(crate) fn join(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        bytes.extend_from_slice(&prefix(part));
        bytes.extend_from_slice(part);
    }
    Zeroizing::new(bytes)
}

/// HMAC-SHA-256 of [`join`]ed parts, without a copy of them.
pub(crate) fn hmac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&prefix(part));
        context.update(part);
    }
    let mut mac = [0; 32];
    mac.copy_from_slice(context.sign().as_ref());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_concatenate_alike_differ() {
        assert_ne!(*join(&[b"ab", b"c"]), *join(&[b"a", b"bc"]));
        assert_ne!(*join(&[b"ab"]), *join(&[b"ab", b""]));
        assert_eq!(*join(&[b"ab"]), [0, 0, 0, 2, b'a', b'b']);
    }

    #[test]
    fn hmac_equals_that_of_the_joined_parts() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let whole = hmac::sign(&key, &join(&[b"one", b"", b"three"]));
        assert_eq!(hmac(&key, &[b"one", b"", b"three"]), whole.as_ref());
    }

    #[test]
    fn hex_is_lower_case() {
        assert_eq!(hex(&[0x00, 0xaf, 0x10]), "00af10");
    }

    #[test]
    fn base64url_is_unpadded_and_strict() {
        assert_eq!(base64url(&[0xff, 0xfe]), "__4");
        assert_eq!(from_base64url("__4").unwrap().as_slice(), [0xff, 0xfe]);
        for wrong in ["__4=", "//4", "__5", " __4"] {
            assert!(from_base64url(wrong).is_none(), "{wrong}");
        }
    }
}
