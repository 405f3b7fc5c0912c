//! A proven redirect target: the only thing that can carry an answer back to a client.

use form_urlencoded::byte_serialize;

use super::ResponseMode;
use crate::error::OAuthError;

/// Client, redirect URI and state are proven; made by this module's parent alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnTo {
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) issuer: String,
    pub(super) response_mode: ResponseMode,
}

impl ReturnTo {
    /// The proven redirect URI: as requested, or the only one that is registered.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The answer with a code (RFC 6749 §4.1.2) and `iss` (RFC 9207).
    #[must_use]
    pub fn with_code(&self, code: &str) -> Reply {
        self.with(&[("code", code)])
    }

    /// The answer with an error (RFC 6749 §4.1.2.1) and `iss`.
    #[must_use]
    pub fn with_error(&self, error: &OAuthError) -> Reply {
        self.with(&[
            ("error", error.code.as_str()),
            ("error_description", &error.description),
        ])
    }

    /// Adds parameters, `state` and `iss` by the response mode.
    fn with(&self, parameters: &[(&str, &str)]) -> Reply {
        let state = self.state.as_deref().map(|state| ("state", state));
        let all = parameters.iter().copied().chain(state);
        let all = all.chain([("iss", self.issuer.as_str())]);
        match self.response_mode {
            ResponseMode::Query => Reply::Redirect(with_query(&self.redirect_uri, all)),
            ResponseMode::Fragment => Reply::Redirect(append(&self.redirect_uri, "#", all)),
            ResponseMode::FormPost => Reply::Post {
                action: self.redirect_uri.clone(),
                fields: all
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
            },
        }
    }
}

/// An answer on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The browser is sent to this address.
    Redirect(String),
    /// The browser posts a form: "the Authorization Response parameters are encoded as HTML form values"
    /// (OAuth 2.0 Form Post Response Mode §2).
    Post {
        /// Where.
        action: String,
        /// Names and values.
        fields: Vec<(String, String)>,
    },
}

#[cfg(test)]
impl Reply {
    pub(crate) fn address(&self) -> &str {
        match self {
            Self::Redirect(address) => address,
            Self::Post { action, .. } => action,
        }
    }
}

/// A redirect URI "MAY include an application/x-www-form-urlencoded formatted query component, which MUST be
/// retained when adding additional query parameters" (RFC 6749 §3.1.2); it has no fragment.
pub(crate) fn with_query<'a>(uri: &str, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let separator = match uri.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    append(uri, separator, parameters)
}

/// Appends parameters, the first after `separator`.
fn append<'a>(
    uri: &str,
    mut separator: &str,
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut address = uri.to_owned();
    // Whatever a value holds, it leaves as letters, digits, `*-._+` and percent signs.
    for (name, value) in parameters {
        address.push_str(separator);
        address.push_str(name);
        address.push('=');
        address.extend(byte_serialize(value.as_bytes()));
        separator = "&";
    }
    address
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorCode;
    use crate::params::Params;
    use crate::testing::ISSUER;

    fn to(redirect_uri: &str) -> ReturnTo {
        ReturnTo {
            redirect_uri: redirect_uri.to_owned(),
            state: Some("a b&c=\u{e9}".to_owned()),
            issuer: ISSUER.to_owned(),
            response_mode: ResponseMode::Query,
        }
    }

    #[test]
    fn az_05_state_comes_back_unchanged_and_iss_is_in_every_answer() {
        let good = to("https://a.example/cb")
            .with_code("ac1.x-_")
            .address()
            .to_owned();
        assert_eq!(
            good,
            "https://a.example/cb?code=ac1.x-_&state=a+b%26c%3D%C3%A9&iss=https%3A%2F%2Fid.example.com"
        );
        let error = OAuthError::new(ErrorCode::AccessDenied, "no way").because("internal");
        let bad = to("https://a.example/cb").with_error(&error).address().to_owned();
        assert_eq!(
            bad,
            "https://a.example/cb?error=access_denied&error_description=no+way&state=a+b%26c%3D%C3%A9\
             &iss=https%3A%2F%2Fid.example.com"
        );
        let stateless = ReturnTo {
            state: None,
            ..to("https://a.example/cb")
        };
        assert!(!stateless.with_code("x").address().contains("state="));
    }

    #[test]
    fn az_03_custom_schemes_take_parameters() {
        for (uri, expected) in [
            ("com.yourapp://callback", "com.yourapp://callback?code=x&"),
            ("com.example.app:/cb", "com.example.app:/cb?code=x&"),
        ] {
            assert!(to(uri).with_code("x").address().starts_with(expected));
        }
    }

    #[test]
    fn a_query_of_the_redirect_uri_is_kept() {
        for (uri, expected) in [
            ("https://a.example/cb?t=1", "https://a.example/cb?t=1&code=x&"),
            ("https://a.example/cb?", "https://a.example/cb?code=x&"),
            ("https://a.example/cb?t=1&", "https://a.example/cb?t=1&code=x&"),
        ] {
            assert!(to(uri).with_code("x").address().starts_with(expected), "{uri}");
        }
    }

    #[test]
    fn az_04_fragment_puts_everything_after_the_hash() {
        let fragment = ReturnTo {
            response_mode: ResponseMode::Fragment,
            ..to("https://a.example/cb?t=1")
        };
        assert!(
            fragment
                .with_code("x")
                .address()
                .starts_with("https://a.example/cb?t=1#code=x&state=")
        );
    }

    #[test]
    fn az_04_form_post_carries_everything_in_fields() {
        let post = ReturnTo {
            response_mode: ResponseMode::FormPost,
            ..to("https://a.example/cb?t=1")
        };
        let pairs = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let state = ("state", "a b&c=\u{e9}");
        assert_eq!(
            post.with_code("x"),
            Reply::Post {
                action: "https://a.example/cb?t=1".to_owned(),
                fields: pairs(&[("code", "x"), state, ("iss", ISSUER)]),
            }
        );
        let error = OAuthError::new(ErrorCode::AccessDenied, "no way");
        let told = [("error", "access_denied"), ("error_description", "no way")];
        assert_eq!(
            post.with_error(&error),
            Reply::Post {
                action: "https://a.example/cb?t=1".to_owned(),
                fields: pairs(&[told[0], told[1], state, ("iss", ISSUER)]),
            }
        );
    }

    proptest! {
        #[test]
        fn hard_09_no_value_escapes_its_parameter(state in any::<String>(), code in "\\PC{0,20}", fragment: bool) {
            let target = ReturnTo {
                state: Some(state.clone()),
                response_mode: if fragment { ResponseMode::Fragment } else { ResponseMode::Query },
                ..to("https://a.example/cb")
            };
            let reply = target.with_code(&code);
            let address = reply.address();
            prop_assert!(address.bytes().all(|b| (0x21..0x7f).contains(&b)));
            let (_, sent) = address.split_once(if fragment { '#' } else { '?' }).unwrap();
            let read: Vec<(String, String)> = form_urlencoded::parse(sent.as_bytes()).into_owned().collect();
            prop_assert_eq!(read.len(), 3);
            prop_assert_eq!(&read[0].1, &code);
            prop_assert_eq!(&read[1].1, &state);
            // Our own strict parser agrees, but for empty values.
            let params = Params::parse(sent.as_bytes()).unwrap();
            prop_assert_eq!(params.get("iss"), Some(ISSUER));
        }
    }
}
