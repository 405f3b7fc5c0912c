//! Syntax of addresses. They are compared and passed on as strings, so whatever a browser or a server
//! could read differently is refused: odd characters, user names, dot-segments, hosts in disguise.

use url::Url;

use crate::resources::limits;

/// What a redirect URI leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// A web server.
    Https,
    /// This machine (RFC 8252 §7.3), by http.
    Loopback,
    /// An application of this machine (RFC 8252 §7.1).
    Custom,
}

/// A redirect URI (protocol.md az_02, az_03; RFC 9700 §2.1, §4.1).
pub(crate) fn redirect(text: &str) -> Result<Redirect, String> {
    let uri = Uri::parse(text, limits::REDIRECT_URI)?;
    uri.no_fragment()?;
    if text.contains('*') {
        return Err("has a wildcard: list each redirect URI, they are compared exactly".into());
    }
    uri.no_dot_segments()?;
    match uri.scheme {
        "https" => uri.host().map(|_| Redirect::Https),
        "http" if uri.host()?.is_loopback() => Ok(Redirect::Loopback),
        "http" => Err("is http: use https; http is for 127.0.0.1, [::1] and localhost only".into()),
        // a dot is a domain of one's own, and keeps javascript:, data: and file: away (RFC 8252 §7.1)
        scheme if scheme.contains('.') => {
            if uri.authority.is_none() && !uri.path.starts_with('/') {
                return Err(format!("lacks a path: write {scheme}:/…"));
            }
            uri.no_user()?;
            Ok(Redirect::Custom)
        }
        scheme => Err(format!(
            "has the scheme {scheme}: use https, or a scheme with a domain of yours reversed, like com.example.app"
        )),
    }
}

/// A host as the addresses here have it: a DNS name in lower case, or an address.
pub(crate) fn host(text: &str) -> Result<(), String> {
    let authority = format!("https://{text}/");
    let uri = Uri::parse(&authority, limits::URI)?;
    if uri.host()?.0 == text {
        Ok(())
    } else {
        Err("is no host: write a DNS name without scheme, port and path".into())
    }
}

/// The host that a web address leads to.
pub(crate) fn host_of(text: &str) -> Option<&str> {
    let uri = Uri::parse(text, limits::REDIRECT_URI).ok()?;
    uri.host().ok().map(|host| host.0)
}

/// An address that people's browsers open: https, or http on loopback if `loopback`.
pub(crate) fn web(text: &str, loopback: bool) -> Result<(), String> {
    let uri = Uri::parse(text, limits::URI)?;
    match uri.scheme {
        "https" => uri.host().map(|_| ()),
        "http" if loopback && uri.host()?.is_loopback() => Ok(()),
        _ => Err("is not https".into()),
    }
}

/// An address as a claim: http or https.
pub(crate) fn claim(text: &str) -> Result<(), String> {
    let uri = Uri::parse(text, limits::URI)?;
    match uri.scheme {
        "https" | "http" => uri.host().map(|_| ()),
        _ => Err("is neither https nor http".into()),
    }
}

/// An origin exactly as browsers write it in the Origin header (RFC 6454 §6.2).
pub(crate) fn origin(text: &str) -> Result<(), String> {
    let uri = Uri::parse(text, limits::ORIGIN)?;
    match uri.scheme {
        "https" => {}
        "http" if uri.host()?.is_loopback() => {}
        _ => return Err("is not https; http is for 127.0.0.1, [::1] and localhost only".into()),
    }
    uri.host()?;
    let written = Url::parse(text).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization());
    if written == text {
        Ok(())
    } else {
        Err(format!("is no origin: write {written}"))
    }
}

/// An absolute URI that names an audience (RFC 8707 §2).
pub(crate) fn audience(text: &str) -> Result<(), String> {
    Uri::parse(text, limits::URI)?.no_fragment()
}

/// An issuer (OpenID Connect Discovery §3; RFC 8414 §2): https, http on loopback.
pub(crate) fn issuer(text: &str) -> Result<(), String> {
    let uri = Uri::parse(text, limits::URI)?;
    match uri.scheme {
        "https" => {}
        "http" if uri.host()?.is_loopback() => {}
        _ => return Err("is not https; http is for 127.0.0.1, [::1] and localhost only".into()),
    }
    uri.host()?;
    uri.no_fragment()?;
    uri.no_dot_segments()?;
    if uri.query.is_some() {
        return Err("has a query: remove it".into());
    }
    if text.ends_with('/') {
        return Err("ends in a slash: remove it".into());
    }
    // the issuer is compared as a string everywhere, so it has one spelling only
    match Url::parse(text) {
        Ok(url) if url.as_str().trim_end_matches('/') == text => Ok(()),
        Ok(url) => Err(format!(
            "has a simpler spelling: write {}",
            url.as_str().trim_end_matches('/')
        )),
        Err(error) => Err(format!("is no URL: {error}")),
    }
}

/// The parts of an absolute URI (RFC 3986 §3), as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Uri<'a> {
    scheme: &'a str,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

/// A host as written, and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Host<'a>(&'a str);

impl Host<'_> {
    fn is_loopback(self) -> bool {
        matches!(self.0, "localhost" | "127.0.0.1" | "[::1]")
    }
}

impl<'a> Uri<'a> {
    fn parse(text: &'a str, max: usize) -> Result<Self, String> {
        super::text::at_most(text, max)?;
        if let Some(c) = text.chars().find(|c| !is_uri_character(*c)) {
            return Err(format!("has the character {c:?}: percent-encode it"));
        }
        percent_encoding(text)?;
        let absolute = || "is no absolute URI: write it with its scheme".to_owned();
        let (scheme, rest) = text.split_once(':').ok_or_else(absolute)?;
        if scheme.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err("has capital letters in its scheme: write it in small letters".into());
        }
        let syntax = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'.' | b'-');
        if !scheme.starts_with(|c: char| c.is_ascii_lowercase())
            || !scheme.bytes().all(syntax)
            || rest.is_empty()
        {
            return Err(absolute());
        }
        let (rest, fragment) = split(rest, '#');
        let (rest, query) = split(rest, '?');
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            None => (None, rest),
        };
        // only an IPv6 address has brackets (RFC 3986 §3.2.2)
        let outside = [Some(path), query, fragment];
        if outside
            .into_iter()
            .flatten()
            .any(|part| part.contains(['[', ']']))
        {
            return Err("has brackets outside the host: percent-encode them".into());
        }
        Ok(Self {
            scheme,
            authority,
            path,
            query,
            fragment,
        })
    }

    /// The host of http and https, in the only spelling that everybody reads alike.
    fn host(&self) -> Result<Host<'a>, String> {
        self.no_user()?;
        let authority = self.authority.unwrap_or_default();
        let (host, port) = match authority.rfind(':') {
            Some(colon) if !authority.ends_with(']') => (&authority[..colon], Some(&authority[colon + 1..])),
            _ => (authority, None),
        };
        if host.is_empty() {
            return Err("has no host".into());
        }
        let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if !host.starts_with('[') && !host.bytes().all(name) {
            return Err("has a host with odd characters: write its DNS name".into());
        }
        if let Some(port) = port
            && !(port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0))
        {
            return Err("has a port that is none: write a number from 1 to 65535".into());
        }
        let url =
            Url::parse(&format!("https://{host}/")).map_err(|error| format!("has a bad host: {error}"))?;
        match url.host_str() {
            Some(canonical) if canonical == host => Ok(Host(host)),
            Some(canonical) => Err(format!("has a host with a simpler spelling: write {canonical}")),
            None => Err("has no host".into()),
        }
    }

    fn no_user(&self) -> Result<(), String> {
        match self.authority {
            Some(authority) if authority.contains('@') => {
                Err("has a user name before the host: remove it".into())
            }
            _ => Ok(()),
        }
    }

    fn no_fragment(&self) -> Result<(), String> {
        match self.fragment {
            Some(_) => Err("has a fragment: remove it".into()),
            None => Ok(()),
        }
    }

    /// `.` and `..`, also percent-encoded, would be removed by a browser (RFC 3986 §5.2.4).
    fn no_dot_segments(&self) -> Result<(), String> {
        let path = self.path.to_ascii_lowercase();
        let path = path.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
        if path.split('/').any(|segment| segment == "." || segment == "..") {
            return Err("has a `.` or `..` in its path: write the path that is meant".into());
        }
        Ok(())
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at)
        .map_or((text, None), |(before, after)| (before, Some(after)))
}

/// RFC 3986 §2: reserved, unreserved, `%`.
fn is_uri_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c)
}

/// Two hex digits after each `%`, and no control character behind them.
fn percent_encoding(text: &str) -> Result<(), String> {
    for rest in text.split('%').skip(1) {
        let digits = rest
            .get(..2)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            None => return Err("has a % without two hex digits: write %25".into()),
            Some(byte) if byte.is_ascii_control() => {
                return Err("has an encoded control character: remove it".into());
            }
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn az_02_redirect_uris_are_absolute_and_have_no_fragment() {
        for bad in [
            "",
            "/callback",
            "callback",
            "//app.example.com/cb",
            "https://app.example.com/cb#x",
            "https://app.example.com/#",
            ":",
            "https:",
        ] {
            assert!(redirect(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn az_02_redirect_uris_have_one_reading_only() {
        for bad in [
            "https://*.example.com/cb",
            "https://app.example.com/*",
            "https://user@app.example.com/cb",
            "https://user:pw@app.example.com/cb",
            "https://app.example.com\\@evil.example/cb",
            "https://app.example.com/a b",
            "https://app.example.com/ü",
            "https://äpp.example.com/cb",
            "https://app.example.com/cb\n",
            "https://app.example.com/cb\t",
            "\u{0}https://app.example.com/cb",
            "https://app.example.com/../cb",
            "https://app.example.com/a/./cb",
            "https://app.example.com/%2e%2E/cb",
            "https://app.example.com/.%2e/cb",
            "https://app.example.com/a%2f..%2fcb",
            "https://app.example.com/a%5c..%5Ccb",
            "https://app.example.com/a/..",
            "https://app.example.com/%0d%0aSet-Cookie:x",
            "https://app.example.com/%zz",
            "https://app.example.com/%4",
            "https://app.example.com:0/cb",
            "https://app.example.com:/cb",
            "https://app.example.com:99999/cb",
            "https://app.example.com:+80/cb",
            "https:///cb",
            "https://",
            "https:/app.example.com/cb",
            "https:app.example.com/cb",
            "https://%61pp.example.com/cb",
            "https://0x7f.1/cb",
            "https://[::0:1]/cb",
            "https://[::1/cb",
            "https://[::1]x/cb",
            "https://a[b/cb",
            "https://app.example.com/cb?x[]=1",
            "HTTPS://app.example.com/cb",
            "https://App.example.com/cb",
        ] {
            assert!(redirect(bad).is_err(), "{bad}");
        }
        let long = format!("https://app.example.com/{}", "x".repeat(2048 - 24));
        assert_eq!(redirect(&long), Ok(Redirect::Https));
        assert!(redirect(&format!("{long}x")).is_err());
    }

    #[test]
    fn az_03_http_is_for_loopback_and_custom_schemes_have_a_dot() {
        for good in [
            "https://app.example.com",
            "https://app.example.com/cb?tenant=1",
            "https://app.example.com:8443/a..b/.well-known",
        ] {
            assert_eq!(redirect(good), Ok(Redirect::Https), "{good}");
        }
        for good in [
            "http://localhost:8080/callback",
            "http://127.0.0.1/cb",
            "http://[::1]:1/",
            "http://localhost",
        ] {
            assert_eq!(redirect(good), Ok(Redirect::Loopback), "{good}");
        }
        for good in [
            "com.example.app:/cb",
            "com.example.app://callback",
            "com.yourapp://callback",
        ] {
            assert_eq!(redirect(good), Ok(Redirect::Custom), "{good}");
        }
        for bad in [
            "http://app.example.com/cb",
            "http://localhost.evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.2/cb",
            "http://localhost./cb",
            "http://localhost@evil.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "myapp://callback",
            "vbscript:x",
            "blob:https://app.example.com/x",
            "com.example.app:cb",
            "com.example.app:",
            "com.example.app://user@callback",
            "com.example.app:/../cb",
            "Com.example.app:/cb",
            "urn:ietf:wg:oauth:2.0:oob",
        ] {
            assert!(redirect(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_are_what_browsers_send() {
        for good in [
            "https://app.example.com",
            "https://app.example.com:8443",
            "http://localhost:3000",
            "http://[::1]:3000",
        ] {
            assert_eq!(origin(good), Ok(()), "{good}");
        }
        for bad in [
            "https://app.example.com/",
            "https://app.example.com:443",
            "https://App.example.com",
            "http://app.example.com",
            "*",
            "null",
            "https://*",
            "https://app.example.com?x",
            "https://u@app.example.com",
            "com.example.app:/x",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn disc_01_issuers_have_one_spelling() {
        for good in [
            "https://oidc.identity.svc.cluster.local",
            "http://localhost:5000",
            "http://[::1]:5000",
            "https://example.com/tenant/a",
        ] {
            assert_eq!(issuer(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "oidc",
            "http://example.com",
            "https://example.com/",
            "https://example.com?x",
            "https://example.com#",
            "https://u@example.com",
            "https://example.com:443",
            "https://Example.com",
            "https://example.com/a/../b",
            "ftp://example.com",
        ] {
            assert!(issuer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn audiences_are_absolute() {
        for good in ["https://api.example.com", "urn:orders", "api://orders"] {
            assert_eq!(audience(good), Ok(()), "{good}");
        }
        for bad in ["orders", "team-a.shop", "https://api.example.com#x", "a b:c"] {
            assert!(audience(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*", rest in "[-._~:/?#@!$&'()*+,;=%0-9a-fxA-F\\[\\]\\\\]{0,40}") {
            for text in [text, format!("https:{rest}"), format!("http://{rest}"), format!("com.example:{rest}"), rest] {
                let _ = (redirect(&text), web(&text, true), claim(&text), origin(&text), audience(&text), issuer(&text));
            }
        }

        /// Whatever is accepted is read by a browser as the host and path that are written.
        #[test]
        fn what_is_accepted_is_read_as_written(rest in "[-._~:/?@!$&'()+,;=%0-9a-f]{1,40}") {
            let text = format!("https://{rest}");
            if redirect(&text).is_ok() {
                let url = Url::parse(&text).unwrap();
                let host = format!("https://{}", url.host_str().unwrap());
                prop_assert!(text.starts_with(&host));
                prop_assert_eq!(url.username(), "");
                let written = text["https://".len()..].split('?').next().unwrap();
                let path = written.split_once('/').map_or("", |(_, path)| path);
                prop_assert_eq!(url.path().strip_prefix('/').unwrap(), path);
            }
        }
    }
}
