//! As much DER (X.690) as PKCS#8 private keys need: short strict reader, short writer. What it makes is
//! zeroized when dropped.

use zeroize::Zeroizing;

/// A DER value, or several in a row.
pub(super) type Der = Zeroizing<Vec<u8>>;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OBJECT_ID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
/// The constructed context tag 1: `ECPrivateKey.publicKey`.
pub(super) const CONTEXT_1: u8 = 0xa1;

/// One value: tag, length, and the parts in a row as its content.
pub(super) fn value(tag: u8, parts: &[&[u8]]) -> Der {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut der = Vec::with_capacity(length + 10);
    der.push(tag);
    if let Some(short) = u8::try_from(length).ok().filter(|n| *n < 0x80) {
        der.push(short);
    } else {
        let bytes = length.to_be_bytes();
        let digits = strip_zeros(&bytes);
        // At most eight bytes.
        der.push(0x80 | digits.len() as u8);
        der.extend_from_slice(digits);
    }
    for part in parts {
        der.extend_from_slice(part);
    }
    Zeroizing::new(der)
}

/// An unsigned integer from its big-endian bytes.
pub(super) fn integer(bytes: &[u8]) -> Der {
    let bytes = strip_zeros(bytes);
    let positive = bytes.first().is_some_and(|first| *first < 0x80);
    value(INTEGER, &[if positive { &[] } else { &[0] }, bytes])
}

/// Big-endian bytes without leading zeros.
fn strip_zeros(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    &bytes[start..]
}

/// Reads one value after the other; `None`: the input is not what is asked for, or not DER.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(der: &'a [u8]) -> Self {
        Self(der)
    }

    /// The content of the next value, which must have this tag.
    pub(super) fn value(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&[found, first], mut rest) = self.0.split_first_chunk::<2>()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let digits = usize::from(first & 0x7f);
            // Indefinite lengths and more than 64 KiB are refused.
            if digits == 0 || digits > 2 {
                return None;
            }
            let (bytes, after) = rest.split_at_checked(digits)?;
            length = bytes
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            // DER has one form for a length: the shortest.
            if length < 0x80 || bytes[0] == 0 {
                return None;
            }
            rest = after;
        }
        let (content, rest) = rest.split_at_checked(length)?;
        if found != tag {
            return None;
        }
        self.0 = rest;
        Some(content)
    }

    /// The next value as a reader of its content.
    pub(super) fn within(&mut self, tag: u8) -> Option<Self> {
        self.value(tag).map(Self)
    }

    /// The next value as an unsigned integer: big-endian bytes without leading zeros; empty is 0.
    pub(super) fn integer(&mut self) -> Option<&'a [u8]> {
        match self.value(INTEGER)? {
            [0] => Some(&[]),
            [0, rest @ ..] if rest[0] >= 0x80 => Some(rest),
            whole @ [1..=0x7f, ..] => Some(whole),
            _ => None,
        }
    }

    /// Whether everything was read.
    pub(super) fn is_done(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_have_one_form() {
        assert_eq!(value(OCTET_STRING, &[&[7; 127]])[..2], [4, 127]);
        assert_eq!(value(OCTET_STRING, &[&[7; 128]])[..3], [4, 0x81, 128]);
        assert_eq!(value(OCTET_STRING, &[&[7; 300]])[..4], [4, 0x82, 1, 44]);
        assert_eq!(*value(NULL, &[]), [5, 0]);
    }

    #[test]
    fn integers_are_unsigned_and_minimal() {
        assert_eq!(*integer(&[0, 0, 1]), [2, 1, 1]);
        assert_eq!(*integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(*integer(&[]), [2, 1, 0]);
        assert_eq!(*integer(&[0]), [2, 1, 0]);
        assert_eq!(Reader::new(&[2, 2, 0, 0x80]).integer(), Some(&[0x80][..]));
        for wrong in [
            &[2, 1, 0x80][..],
            &[2, 2, 0, 1],
            &[2, 0],
            &[2, 2, 0, 0],
            &[4, 1, 1],
        ] {
            assert_eq!(Reader::new(wrong).integer(), None, "{wrong:?}");
        }
    }

    #[test]
    fn malformed_lengths_are_refused() {
        for wrong in [
            &[][..],
            &[4],
            &[4, 1],
            &[4, 0x80, 0, 0],
            &[4, 0x81, 1, 7],
            &[4, 0x82, 0, 1, 7],
            &[4, 0x83, 0, 0, 1, 7],
            &[4, 0x81],
            &[4, 0xff, 1],
        ] {
            assert_eq!(Reader::new(wrong).value(OCTET_STRING), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let octets = value(OCTET_STRING, &[&bytes]);
            let whole = value(SEQUENCE, &[&integer(&bytes), &octets]);
            let mut reader = Reader::new(&whole).within(SEQUENCE).unwrap();
            prop_assert_eq!(reader.integer().unwrap(), strip_zeros(&bytes));
            prop_assert_eq!(reader.value(OCTET_STRING).unwrap(), bytes.as_slice());
            prop_assert!(reader.is_done());
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = Reader::new(&noise);
            let _ = (reader.integer(), reader.value(SEQUENCE), reader.is_done());
        }
    }
}
