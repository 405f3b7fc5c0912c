//! Query and form → parameters. A parameter that appears twice is refused (RFC 6749 §3.1, §3.2), except
//! `resource` and `audience`; an empty value counts as absent; invalid UTF-8 or percent-encoding is
//! refused.

use crate::error::OAuthError;

/// Parameters that may repeat (RFC 8707 §2; `audience` is its older sister).
const MAY_REPEAT: [&str; 2] = ["resource", "audience"];

/// The most parameters of one request.
pub const MAX_PARAMETERS: usize = 64;

/// The parameters of one request. `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Parses `application/x-www-form-urlencoded` bytes.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn parse(encoded: &[u8]) -> Result<Self, OAuthError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in encoded.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MAX_PARAMETERS {
                return Err(OAuthError::invalid_request("Send at most 64 parameters."));
            }
            let equals = pair.iter().position(|b| *b == b'=');
            let (name, value) = match equals {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            let (name, value) = (decode(name)?, decode(value)?);
            // "Request and response parameters MUST NOT be included more than once" (RFC 6749 §3.1, §3.2).
            if !MAY_REPEAT.contains(&name.as_str()) && pairs.iter().any(|(n, _)| *n == name) {
                return Err(OAuthError::invalid_request("Send each parameter once only."));
            }
            pairs.push((name, value));
        }
        // "Parameters sent without a value MUST be treated as if they were omitted" (RFC 6749 §3.1, §3.2).
        pairs.retain(|(_, value)| !value.is_empty());
        Ok(Self { pairs })
    }

    /// The value of a parameter that may appear once.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// All values of a parameter that may repeat.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The value, or an error that names the parameter.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn require(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.get(name)
            .ok_or_else(|| OAuthError::invalid_request(format!("The parameter {name} is missing.")))
    }
}

/// Decodes one part of `application/x-www-form-urlencoded` strictly.
///
/// # Errors
/// `invalid_request` for a `%` without two hex digits and for what is no UTF-8.
pub(crate) fn decode(part: &[u8]) -> Result<String, OAuthError> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or_default(),
                    _ => return Err(malformed()),
                }
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| malformed())
}

fn malformed() -> OAuthError {
    OAuthError::invalid_request("Encode parameters as application/x-www-form-urlencoded, in UTF-8.")
}

impl std::fmt::Debug for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.pairs.iter().map(|(name, _)| name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorCode;

    fn parse(text: &str) -> Params {
        Params::parse(text.as_bytes()).unwrap()
    }

    fn refused(encoded: &[u8]) {
        assert_eq!(
            Params::parse(encoded).unwrap_err().code,
            ErrorCode::InvalidRequest,
            "{}",
            encoded.escape_ascii()
        );
    }

    #[test]
    fn par_01_a_parameter_that_appears_twice_is_refused() {
        refused(b"scope=openid&state=1&scope=openid");
        refused(b"scope=openid&scope=");
        refused(b"scope=&scope");
        refused(b"scope=a&sc%6fpe=b");
    }

    #[test]
    fn par_01_resource_and_audience_repeat() {
        let params = parse("resource=a&audience=x&resource=b&audience=y&resource=");
        assert_eq!(params.all("resource").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(params.all("audience").collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn par_02_unknown_parameters_are_ignored() {
        let params = parse("foo=bar&scope=openid");
        assert_eq!(params.get("scope"), Some("openid"));
        assert_eq!(params.get("nonce"), None);
    }

    #[test]
    fn par_03_an_empty_value_counts_as_absent() {
        for text in ["nonce=", "nonce", "&&nonce=&", ""] {
            assert_eq!(parse(text).get("nonce"), None, "{text}");
        }
        let error = parse("nonce=").require("nonce").unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid_request: The parameter nonce is missing."
        );
    }

    #[test]
    fn par_04_wrong_encoding_is_refused() {
        for wrong in [
            &b"a=%"[..],
            b"a=%2",
            b"a=%zz",
            b"a=%+1",
            b"%f=1",
            b"a=\xff",
            b"a=%ff",
            b"a=%c3",
            b"a=%ed%a0%80",
        ] {
            refused(wrong);
        }
    }

    #[test]
    fn values_are_decoded() {
        let params = parse("a=x+y%20z&b=%C3%A9=%26&c=a%2Bb&%64=1");
        assert_eq!(params.get("a"), Some("x y z"));
        assert_eq!(params.get("b"), Some("\u{e9}=&"));
        assert_eq!(params.get("c"), Some("a+b"));
        assert_eq!(params.get("d"), Some("1"));
    }

    #[test]
    fn the_number_of_parameters_is_limited() {
        let many = |n: usize| (0..n).map(|i| format!("p{i}=1&")).collect::<String>();
        assert!(Params::parse(many(MAX_PARAMETERS).as_bytes()).is_ok());
        refused(many(MAX_PARAMETERS + 1).as_bytes());
        // Repeated ones count as well.
        refused("resource=x&".repeat(MAX_PARAMETERS + 1).as_bytes());
    }

    #[test]
    fn debug_shows_names_only() {
        let shown = format!("{:?}", parse("client_secret=hunter2&code=abc"));
        assert_eq!(shown, r#"["client_secret", "code"]"#);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Params::parse(&bytes);
        }

        #[test]
        fn what_is_encoded_comes_back(
            pairs in proptest::collection::btree_map("\\PC{1,8}", "\\PC{1,12}", 0..8),
        ) {
            let mut encoded = form_urlencoded::Serializer::new(String::new());
            encoded.extend_pairs(&pairs);
            let params = Params::parse(encoded.finish().as_bytes()).unwrap();
            for (name, value) in &pairs {
                prop_assert_eq!(params.get(name), Some(value.as_str()));
            }
        }
    }
}
