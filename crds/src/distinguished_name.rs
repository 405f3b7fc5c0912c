//! Subjects of certificates in their string form (RFC 4514), compared by structure: neither the spelling of
//! attribute names, nor escapes, nor blanks around separators, nor the encoding of a value make a difference.
//! Values are compared exactly. `distinguishedNameMatch` (RFC 4517 §4.2.15) would ignore case, but a CA may tell
//! two parties apart by nothing else, as Kubernetes does.

/// A name: the most special part first, as the string form has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistinguishedName(Box<[Relative]>);

/// A relative name: attributes without an order.
type Relative = Box<[Attribute]>;

/// An attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attribute {
    /// Its type: the OID with dots.
    oid: Box<str>,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Text(Box<str>),
    /// What is no text, or not of a type that is known: its DER.
    Other(Box<[u8]>),
}

/// Names of types (RFC 4514 §3, RFC 4519, RFC 2985, and what OpenSSL writes), in lower case.
const TYPES: [(&str, &str); 41] = [
    ("cn", "2.5.4.3"),
    ("commonname", "2.5.4.3"),
    ("sn", "2.5.4.4"),
    ("surname", "2.5.4.4"),
    ("serialnumber", "2.5.4.5"),
    ("c", "2.5.4.6"),
    ("countryname", "2.5.4.6"),
    ("l", "2.5.4.7"),
    ("localityname", "2.5.4.7"),
    ("st", "2.5.4.8"),
    ("s", "2.5.4.8"),
    ("stateorprovincename", "2.5.4.8"),
    ("street", "2.5.4.9"),
    ("streetaddress", "2.5.4.9"),
    ("o", "2.5.4.10"),
    ("organizationname", "2.5.4.10"),
    ("ou", "2.5.4.11"),
    ("organizationalunitname", "2.5.4.11"),
    ("title", "2.5.4.12"),
    ("t", "2.5.4.12"),
    ("description", "2.5.4.13"),
    ("businesscategory", "2.5.4.15"),
    ("postalcode", "2.5.4.17"),
    ("name", "2.5.4.41"),
    ("gn", "2.5.4.42"),
    ("givenname", "2.5.4.42"),
    ("initials", "2.5.4.43"),
    ("generationqualifier", "2.5.4.44"),
    ("dnqualifier", "2.5.4.46"),
    ("pseudonym", "2.5.4.65"),
    ("organizationidentifier", "2.5.4.97"),
    ("uid", "0.9.2342.19200300.100.1.1"),
    ("userid", "0.9.2342.19200300.100.1.1"),
    ("dc", "0.9.2342.19200300.100.1.25"),
    ("domaincomponent", "0.9.2342.19200300.100.1.25"),
    ("emailaddress", "1.2.840.113549.1.9.1"),
    ("e", "1.2.840.113549.1.9.1"),
    ("unstructuredname", "1.2.840.113549.1.9.2"),
    ("jurisdictionl", "1.3.6.1.4.1.311.60.2.1.1"),
    ("jurisdictionst", "1.3.6.1.4.1.311.60.2.1.2"),
    ("jurisdictionc", "1.3.6.1.4.1.311.60.2.1.3"),
];

impl Attribute {
    /// From a certificate: the type's OID with dots, and the value's tag (X.690 §8.1.2) and content in DER.
    #[must_use]
    pub fn new(oid: &str, tag: u8, content: &[u8]) -> Self {
        Self {
            oid: oid.into(),
            value: Value::of(tag, content),
        }
    }
}

impl Value {
    fn of(tag: u8, content: &[u8]) -> Self {
        let text = match tag {
            // UTF8String, NumericString, PrintableString, IA5String, VisibleString
            0x0c | 0x12 | 0x13 | 0x16 | 0x1a => std::str::from_utf8(content).ok().map(Into::into),
            // BMPString
            0x1e => wide(content),
            _ => None,
        };
        text.map_or_else(
            || {
                let mut der = vec![tag];
                der.extend_from_slice(content);
                Self::Other(der.into())
            },
            Self::Text,
        )
    }

    /// The hexadecimal form: a value in BER (RFC 4514 §2.4), of which DER's definite lengths are taken.
    fn of_der(der: &[u8]) -> Option<Self> {
        let (tag, rest) = der.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, content) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81 => (usize::from(*rest.first()?), &rest[1..]),
            0x82 => {
                let digits: [u8; 2] = rest.get(..2)?.try_into().ok()?;
                (usize::from(u16::from_be_bytes(digits)), &rest[2..])
            }
            _ => return None,
        };
        (content.len() == length).then(|| Self::of(*tag, content))
    }
}

/// UTF-16, big-endian.
fn wide(content: &[u8]) -> Option<Box<str>> {
    let (units, rest) = content.as_chunks::<2>();
    let units = units.iter().map(|pair| u16::from_be_bytes(*pair));
    let text: Option<String> = char::decode_utf16(units).map(Result::ok).collect();
    text.filter(|_| rest.is_empty()).map(Into::into)
}

impl DistinguishedName {
    /// From a certificate: its relative names in their order there, the most general first.
    #[must_use]
    pub fn new(relatives: Vec<Vec<Attribute>>) -> Self {
        Self(relatives.into_iter().rev().map(relative).collect())
    }

    /// Reads the string form (RFC 4514 §3).
    ///
    /// # Errors
    /// What is wrong, to follow the value in a message.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = Text(text);
        let (mut relatives, mut attributes) = (Vec::new(), Vec::new());
        loop {
            attributes.push(rest.attribute()?);
            match rest.separator()? {
                Some('+') => {}
                more => {
                    relatives.push(relative(std::mem::take(&mut attributes)));
                    if more.is_none() {
                        return Ok(Self(relatives.into()));
                    }
                }
            }
        }
    }
}

fn relative(mut attributes: Vec<Attribute>) -> Relative {
    attributes.sort();
    attributes.into()
}

/// What is still to be read.
struct Text<'a>(&'a str);

impl Text<'_> {
    fn attribute(&mut self) -> Result<Attribute, String> {
        let (name, value) = self
            .0
            .split_once('=')
            .ok_or("is no distinguished name: write it like CN=billing,O=Example")?;
        let oid = oid(name.trim_matches(' '))?;
        self.0 = value.trim_start_matches(' ');
        let value = match self.0.strip_prefix('#') {
            Some(digits) => {
                let end = digits
                    .find(|c: char| !c.is_ascii_hexdigit())
                    .unwrap_or(digits.len());
                self.0 = &digits[end..];
                let der = unhex(&digits[..end]);
                der.and_then(|der| Value::of_der(&der))
                    .ok_or("has a # that no DER in hexadecimal digits follows")?
            }
            None => Value::Text(self.text()?.into()),
        };
        Ok(Attribute {
            oid: oid.into(),
            value,
        })
    }

    /// What is between two attributes: a comma, a plus sign, or the end.
    fn separator(&mut self) -> Result<Option<char>, String> {
        let mut rest = self.0.trim_start_matches(' ').chars();
        let found = rest.next();
        self.0 = rest.as_str();
        match found {
            None | Some(',' | '+') => Ok(found),
            Some(other) => Err(format!(
                "has {other:?} where a comma is expected: write a backslash before it"
            )),
        }
    }

    /// A value up to an unescaped separator; blanks at its ends count if they are escaped.
    fn text(&mut self) -> Result<String, String> {
        let mut value = Vec::new();
        // so much of it stays whatever follows
        let mut kept = 0;
        let mut rest = self.0.chars();
        loop {
            self.0 = rest.as_str();
            let Some(next) = rest.next() else { break };
            match next {
                ',' | '+' => break,
                '"' | ';' | '<' | '>' | '\0' => {
                    return Err(format!("has {next:?} in a value: write a backslash before it"));
                }
                '\\' => {
                    let escaped = rest.as_str();
                    if let Some(byte) = escaped.get(..2).and_then(unhex) {
                        value.extend(byte);
                        rest = escaped[2..].chars();
                    } else {
                        match rest.next() {
                            Some(c @ ('"' | '+' | ',' | ';' | '<' | '>' | ' ' | '#' | '=' | '\\')) => {
                                value.push(c as u8);
                            }
                            _ => return Err("has a backslash that escapes nothing".to_owned()),
                        }
                    }
                    kept = value.len();
                }
                plain => {
                    value.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
                    if plain != ' ' {
                        kept = value.len();
                    }
                }
            }
        }
        value.truncate(kept);
        let value = String::from_utf8(value).map_err(|_| "has escaped bytes that are no UTF-8")?;
        if value.is_empty() {
            return Err("has an attribute without a value".to_owned());
        }
        Ok(value)
    }
}

fn oid(name: &str) -> Result<&str, String> {
    let lower = name.to_ascii_lowercase();
    if let Some((_, oid)) = TYPES.iter().find(|(known, _)| *known == lower) {
        return Ok(oid);
    }
    let arc = |arc: &str| {
        let digits = !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit());
        digits && (arc == "0" || !arc.starts_with('0'))
    };
    if name.contains('.') && name.split('.').all(arc) {
        return Ok(name);
    }
    Err(format!(
        "has the attribute {}, which is not known: write its OID, like 2.5.4.3",
        crate::validate::text::quoted(name)
    ))
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8; 2]| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UTF8: u8 = 0x0c;
    const PRINTABLE: u8 = 0x13;

    fn parse(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    /// As a certificate has it, by OID.
    fn certificate(relatives: &[&[(&str, &str)]]) -> DistinguishedName {
        let attribute = |(oid, text): &(&str, &str)| Attribute::new(oid, UTF8, text.as_bytes());
        let relative = |relative: &&[(&str, &str)]| relative.iter().map(attribute).collect();
        DistinguishedName::new(relatives.iter().map(relative).collect())
    }

    #[test]
    fn ca_05_names_are_compared_by_structure() {
        let subject = certificate(&[
            &[("2.5.4.6", "DE")],
            &[("2.5.4.10", "Example, Inc.")],
            &[("2.5.4.11", "apps"), ("2.5.4.3", "billing")],
        ]);
        for text in [
            "CN=billing+OU=apps,O=Example\\, Inc.,C=DE",
            "OU=apps+CN=billing,O=Example\\, Inc.,C=DE",
            "cn = billing + ou = apps , o = Example\\2C Inc. , countryName=DE",
            "2.5.4.3=billing+2.5.4.11=apps,2.5.4.10=Example\\, Inc.,C=#13024445",
            "commonName=bil\\6cing+OU=apps,O=Example\\,\\ Inc.,C=#0C024445",
        ] {
            assert_eq!(parse(text), subject, "{text}");
        }
        for other in [
            "CN=Billing+OU=apps,O=Example\\, Inc.,C=DE",
            "CN=billing,OU=apps,O=Example\\, Inc.,C=DE",
            "C=DE,O=Example\\, Inc.,CN=billing+OU=apps",
            "CN=billing+OU=apps,O=Example\\, Inc.",
            "CN=billing+OU=apps,O=Example\\,  Inc.,C=DE",
            "CN=billing+OU=apps+OU=apps,O=Example\\, Inc.,C=DE",
            "CN=billing+OU=apps,O=Example\\, Inc.,C=DE\\ ",
        ] {
            assert_ne!(parse(other), subject, "{other}");
        }
    }

    /// RFC 4514 §4.
    #[test]
    fn ca_05_the_examples_of_the_rfc() {
        let dc = "0.9.2342.19200300.100.1.25";
        let domain: &[&[(&str, &str)]] = &[&[(dc, "net")], &[(dc, "example")]];
        let below = |relative: &[(&str, &str)]| certificate(&[domain[0], domain[1], relative]);
        assert_eq!(
            parse("UID=jsmith,DC=example,DC=net"),
            below(&[("0.9.2342.19200300.100.1.1", "jsmith")])
        );
        assert_eq!(
            parse("OU=Sales+CN=J.  Smith,DC=example,DC=net"),
            below(&[("2.5.4.3", "J.  Smith"), ("2.5.4.11", "Sales")])
        );
        assert_eq!(
            parse("CN=James \\\"Jim\\\" Smith\\, III,DC=example,DC=net"),
            below(&[("2.5.4.3", "James \"Jim\" Smith, III")])
        );
        assert_eq!(
            parse("CN=Before\\0dAfter,DC=example,DC=net"),
            below(&[("2.5.4.3", "Before\rAfter")])
        );
        assert_eq!(
            parse("CN=Lu\\C4\\8Di\\C4\\87"),
            certificate(&[&[("2.5.4.3", "Lučić")]])
        );
        // a value that is no text: an OCTET STRING
        let odd = DistinguishedName::new(vec![vec![Attribute::new("1.3.6.1.4.1.1466.0", 4, b"Hi")]]);
        assert_eq!(parse("1.3.6.1.4.1.1466.0=#04024869"), odd);
        assert_ne!(parse("1.3.6.1.4.1.1466.0=Hi"), odd);
    }

    #[test]
    fn ca_05_the_encoding_of_a_text_does_not_count() {
        let with = |tag: u8, content: &[u8]| {
            DistinguishedName::new(vec![vec![Attribute::new("2.5.4.3", tag, content)]])
        };
        assert_eq!(with(UTF8, b"app"), with(PRINTABLE, b"app"));
        assert_eq!(with(0x1e, &[0, b'a', 0, b'p', 0, b'p']), parse("CN=app"));
        // what cannot be read is equal to no text
        assert_ne!(with(UTF8, &[0xff]), parse("CN=\\EF\\BF\\BD"));
        assert_ne!(with(0x1e, &[0, b'a', 0]), parse("CN=a"));
    }

    #[test]
    fn ca_05_what_is_no_name_is_told() {
        for (text, why) in [
            ("", "no distinguished name"),
            ("billing", "no distinguished name"),
            ("/C=DE/O=Example/CN=billing", "the attribute `/C`"),
            ("XY=1", "the attribute `XY`"),
            ("2..5=1", "the attribute"),
            ("2.05=1", "the attribute"),
            ("CN=", "without a value"),
            ("CN=a,", "no distinguished name"),
            ("CN=a;O=b", "';' in a value"),
            ("CN=\"a\"", "'\"' in a value"),
            ("CN=a\\", "escapes nothing"),
            ("CN=a\\zz", "escapes nothing"),
            ("CN=\\ff", "no UTF-8"),
            ("CN=#zz", "no DER"),
            ("CN=#0c05aa", "no DER"),
            ("CN=#0c0161x", "'x' where a comma"),
        ] {
            let told = DistinguishedName::parse(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }

    /// A value as RFC 4514 §2.4 writes it, with every character escaped that may be.
    fn escaped(value: &str) -> String {
        let escape = |c: char| match c {
            '"' | '+' | ',' | ';' | '<' | '>' | ' ' | '#' | '=' | '\\' => format!("\\{c}"),
            '\0' => "\\00".to_owned(),
            c => c.to_string(),
        };
        value.chars().map(escape).collect()
    }

    proptest! {
        #[test]
        fn ca_05_what_is_written_is_read(values in proptest::collection::vec("[\\PC\0]{1,12}", 1..5)) {
            let texts: Vec<String> = values.iter().map(|value| format!("CN={}", escaped(value))).collect();
            let relatives = values.iter().rev().map(|value| vec![Attribute::new("2.5.4.3", UTF8, value.as_bytes())]);
            prop_assert_eq!(DistinguishedName::parse(&texts.join(",")), Ok(DistinguishedName::new(relatives.collect())));
        }

        #[test]
        fn ca_05_no_text_breaks_it(text in "(\\PC|CN=|[,+=#\\\\ 0-9a-f]){0,40}") {
            let _ = DistinguishedName::parse(&text);
        }
    }
}
