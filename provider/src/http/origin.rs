//! Where a form comes from (protocol.md ses_03): beside the CSRF token, the browser's own word.

use http::HeaderMap;
use http::header::{HOST, ORIGIN};

/// Whether a form was sent by one of our own pages, as far as the browser tells. Browsers tell by
/// `Sec-Fetch-Site`; older ones by `Origin`, which is `null` since our pages send no referrer.
#[must_use]
pub fn is_ours(headers: &HeaderMap, issuer: &str) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if headers.contains_key("sec-fetch-site") {
        // `none`: the person sent the form again by reloading
        return matches!(text("sec-fetch-site"), Some("same-origin" | "none"));
    }
    match headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or("?")) {
        None | Some("null") => true,
        Some(origin) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            origin == origin_of(issuer) || (host.is_some() && host == text(HOST.as_str()))
        }
    }
}

/// Scheme, host and port of an issuer.
fn origin_of(issuer: &str) -> &str {
    let start = issuer.find("://").map_or(0, |at| at + 3);
    issuer[start..]
        .find('/')
        .map_or(issuer, |slash| &issuer[..start + slash])
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn ours(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        is_ours(&headers, "https://id.example.com/path")
    }

    #[test]
    fn the_browsers_word_decides() {
        assert!(ours(&[]));
        assert!(ours(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(ours(&[("sec-fetch-site", "none")]));
        assert!(!ours(&[("sec-fetch-site", "cross-site")]));
        assert!(!ours(&[("sec-fetch-site", "same-site")]));
        assert!(!ours(&[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://id.example.com")
        ]));
        assert!(ours(&[("origin", "https://id.example.com")]));
        assert!(ours(&[("origin", "null")]));
        assert!(ours(&[
            ("origin", "http://127.0.0.1:5000"),
            ("host", "127.0.0.1:5000")
        ]));
        assert!(!ours(&[
            ("origin", "https://evil.example"),
            ("host", "id.example.com")
        ]));
        assert!(!ours(&[("origin", "evil"), ("host", "id.example.com")]));
    }
}
