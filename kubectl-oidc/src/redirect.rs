//! Redirect URIs: whether one is registered, what it lacks if it nearly is, and which one a program on this
//! machine can listen at.

use std::fmt::Write as _;

use anyhow::{Result, anyhow, bail};

/// Hosts of this machine as redirect URIs name them.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// The parts of a URI as text; nothing is normalised, since redirect URIs are compared to the letter.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Parts<'a> {
    scheme: &'a str,
    user: &'a str,
    host: &'a str,
    port: &'a str,
    path: &'a str,
    query: &'a str,
    fragment: &'a str,
}

fn parts(uri: &str) -> Parts<'_> {
    let (rest, fragment) = uri.split_once('#').unwrap_or((uri, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = match rest.split_once("://") {
        Some(found) => found,
        None => {
            let (scheme, path) = rest.split_once(':').unwrap_or(("", rest));
            return Parts {
                scheme,
                user: "",
                host: "",
                port: "",
                path,
                query,
                fragment,
            };
        }
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, authority) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    };
    Parts {
        scheme,
        user,
        host,
        port,
        path,
        query,
        fragment,
    }
}

/// Whether the provider takes a redirect URI: the same to the letter (RFC 9700 §2.1), but for the port of a
/// loopback address of a native application (RFC 8252 §7.3).
pub(crate) fn is_registered(asked: &str, registered: &[String], native: bool) -> bool {
    registered.iter().any(|one| {
        let (ours, theirs) = (parts(one), parts(asked));
        let any_port = native
            && ours.scheme == "http"
            && LOOPBACK.contains(&ours.host)
            && (theirs.port.is_empty() || theirs.port.parse::<u16>().is_ok_and(|port| port > 0));
        one == asked
            || (any_port
                && Parts {
                    port: ours.port,
                    ..theirs
                } == ours)
    })
}

/// Why a redirect URI is not taken: the registered one that is most like it and each thing that differs.
pub(crate) fn why_not(asked: &str, registered: &[String]) -> String {
    if registered.is_empty() {
        return "the client has no redirect URI: it cannot sign people in".to_owned();
    }
    let nearest = registered
        .iter()
        .map(|one| (one, differences(asked, one)))
        .min_by_key(|(_, differences)| differences.len());
    let mut told = format!("{asked} is not registered");
    match nearest {
        Some((one, differences)) if (1..=2).contains(&differences.len()) => {
            let _ = write!(told, ", but {one} is: {}", differences.join("; "));
        }
        _ => {
            let _ = write!(told, "; registered: {}", registered.join(", "));
        }
    }
    told
}

/// What differs, in words, from the point of view of what was asked for.
fn differences(asked: &str, registered: &str) -> Vec<String> {
    if asked.trim() == registered {
        return vec!["there are blanks around it".to_owned()];
    }
    let (a, r) = (parts(asked), parts(registered));
    let host = if LOOPBACK.contains(&a.host) && LOOPBACK.contains(&r.host) {
        "the name of this machine"
    } else if a.host.trim_end_matches('.') == r.host.trim_end_matches('.') {
        "the dot after the host"
    } else {
        "the host"
    };
    [
        differs("the scheme", a.scheme, r.scheme),
        differs("the user", a.user, r.user),
        differs(host, a.host, r.host),
        port_differs(&a, &r),
        differs("the path", a.path, r.path),
        differs("the query", a.query, r.query),
        differs("the fragment", a.fragment, r.fragment),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn differs(what: &str, asked: &str, registered: &str) -> Option<String> {
    if asked == registered {
        return None;
    }
    Some(if asked.eq_ignore_ascii_case(registered) {
        format!("{what} differs in upper and lower case ({asked}, not {registered})")
    } else if asked.strip_suffix('/') == Some(registered) {
        format!("{what} has a slash at the end that is not registered")
    } else if registered.strip_suffix('/') == Some(asked) {
        format!("{what} lacks the slash at the end")
    } else if !asked.is_empty() && decoded(asked) == decoded(registered) {
        format!("{what} is written with other percent-encodings ({asked}, not {registered})")
    } else {
        format!("{what} is {}, not {}", or_none(asked), or_none(registered))
    })
}

fn port_differs(asked: &Parts<'_>, registered: &Parts<'_>) -> Option<String> {
    let default = |parts: &Parts<'_>| match (parts.port, parts.scheme) {
        ("", "https") => "443".to_owned(),
        ("", "http") => "80".to_owned(),
        (port, _) => port.to_owned(),
    };
    let (port, wanted) = (or_none(asked.port), or_none(registered.port));
    if asked.port == registered.port {
        None
    } else if asked.scheme == registered.scheme && default(asked) == default(registered) {
        Some(format!(
            "the default port is written out in one of them only ({port}, not {wanted})"
        ))
    } else if LOOPBACK.contains(&registered.host) && registered.scheme == "http" {
        Some(format!(
            "the port is {port}, not {wanted} (applicationType: native allows any port on loopback)"
        ))
    } else {
        Some(format!("the port is {port}, not {wanted}"))
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// Without percent-encodings, for comparing only.
fn decoded(text: &str) -> String {
    url::form_urlencoded::parse(text.replace('+', "%2B").as_bytes())
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// Where a program on this machine listens for the answer (RFC 8252 §7.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loopback {
    /// The host as the URI names it.
    pub(crate) host: String,
    /// The port; `None`: any that is free.
    pub(crate) port: Option<u16>,
    /// The path.
    pub(crate) path: String,
}

impl Loopback {
    /// The redirect URI once the port is known.
    pub(crate) fn uri(&self, port: u16) -> String {
        format!("http://{}:{port}{}", self.host, self.path)
    }

    /// Reads `http://127.0.0.1[:port]/path`.
    fn parse(uri: &str) -> Option<Self> {
        let parts = parts(uri);
        let bare = parts.user.is_empty() && parts.query.is_empty() && parts.fragment.is_empty();
        let here = parts.scheme == "http" && LOOPBACK.contains(&parts.host);
        let port = match parts.port {
            "" => None,
            port => Some(port.parse().ok()?),
        };
        (bare && here).then(|| Self {
            host: parts.host.to_owned(),
            port,
            path: if parts.path.is_empty() {
                "/".to_owned()
            } else {
                parts.path.to_owned()
            },
        })
    }
}

/// Where to listen: at the URI that was asked for, or at the client's first loopback URI, or, if nothing is
/// known of the client, at `http://127.0.0.1/callback` with any port.
pub(crate) fn listen_at(asked: Option<&str>, registered: Option<(&[String], bool)>) -> Result<Loopback> {
    if let Some(asked) = asked {
        let loopback = Loopback::parse(asked).ok_or_else(|| {
            anyhow!("--redirect-uri {asked} is not of this machine: it begins with http://127.0.0.1, http://[::1] or http://localhost")
        })?;
        if let Some((registered, native)) = registered
            && !is_registered(&loopback.uri(loopback.port.unwrap_or(1)), registered, native)
        {
            bail!("{}", why_not(asked, registered));
        }
        return Ok(loopback);
    }
    let Some((registered, native)) = registered else {
        return Ok(Loopback {
            host: LOOPBACK[0].to_owned(),
            port: None,
            path: "/callback".to_owned(),
        });
    };
    let mut loopbacks: Vec<_> = registered.iter().filter_map(|uri| Loopback::parse(uri)).collect();
    loopbacks.sort_by_key(|one| LOOPBACK.iter().position(|host| *host == one.host));
    match loopbacks.into_iter().next() {
        Some(first) if native => Ok(Loopback { port: None, ..first }),
        Some(first) => Ok(Loopback {
            port: Some(first.port.unwrap_or(80)),
            ..first
        }),
        None => bail!(
            "the client has no redirect URI on this machine: add http://127.0.0.1/callback to its redirectUris and \
             set applicationType: native, or use another client"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(uris: &[&str]) -> Vec<String> {
        uris.iter().map(|&uri| uri.to_owned()).collect()
    }

    #[test]
    fn what_is_registered_is_the_same_to_the_letter() {
        let web = list(&["https://app.example.com/cb"]);
        assert!(is_registered("https://app.example.com/cb", &web, false));
        assert!(!is_registered("https://app.example.com:443/cb", &web, true));
        let native = list(&["http://127.0.0.1/cb", "http://[::1]:1/cb"]);
        assert!(is_registered("http://127.0.0.1:4711/cb", &native, true));
        assert!(is_registered("http://[::1]:4711/cb", &native, true));
        for wrong in [
            "http://127.0.0.1:4711/CB",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:x/cb",
            "http://localhost:4711/cb",
        ] {
            assert!(!is_registered(wrong, &native, true), "{wrong}");
        }
        assert!(!is_registered("http://127.0.0.1:4711/cb", &native, false));
    }

    #[test]
    fn near_misses_are_explained() {
        for (asked, told) in [
            (
                "https://app.example.com/cb/",
                "a slash at the end that is not registered",
            ),
            (
                "https://app.example.com/CB",
                "the path differs in upper and lower case",
            ),
            (
                "https://App.example.com/cb",
                "the host differs in upper and lower case",
            ),
            ("https://app.example.com./cb", "the dot after the host"),
            ("http://app.example.com/cb", "the scheme is http, not https"),
            (
                "https://app.example.com:443/cb",
                "the default port is written out",
            ),
            ("https://app.example.com:8443/cb", "the port is 8443, not none"),
            ("https://app.example.com/%63b", "other percent-encodings"),
            ("https://app.example.com/cb?x=1", "the query is x=1, not none"),
            ("https://app.example.com/cb#x", "the fragment is x, not none"),
            ("https://me@app.example.com/cb", "the user is me, not none"),
            (
                "https://app.example.org/cb",
                "the host is app.example.org, not app.example.com",
            ),
            (" https://app.example.com/cb", "blanks around it"),
        ] {
            let why = why_not(
                asked,
                &list(&["https://other.example/x", "https://app.example.com/cb"]),
            );
            assert!(
                why.contains(told) && why.contains("but https://app.example.com/cb is"),
                "{why}"
            );
        }
        let why = why_not("http://127.0.0.1:8000/", &list(&["http://localhost:8000/"]));
        assert!(
            why.contains("the name of this machine is 127.0.0.1, not localhost"),
            "{why}"
        );
        let why = why_not("http://localhost:8001", &list(&["http://localhost:8000/"]));
        assert!(
            why.contains("applicationType: native") && why.contains("lacks the slash"),
            "{why}"
        );
        let why = why_not("com.example:/x", &list(&["https://app.example.com/cb"]));
        assert!(why.ends_with("registered: https://app.example.com/cb"), "{why}");
        assert!(why_not("https://a.example/", &[]).contains("no redirect URI"));
    }

    #[test]
    fn rfc_8252_7_3_a_program_listens_on_loopback_with_any_port_where_that_is_allowed() {
        let at = |uri: &str| Loopback::parse(uri).unwrap();
        assert_eq!(
            listen_at(None, None).unwrap().uri(7),
            "http://127.0.0.1:7/callback"
        );
        let uris = list(&[
            "https://a.example/",
            "http://localhost:8000/",
            "http://127.0.0.1:8000/cb",
        ]);
        assert_eq!(
            listen_at(None, Some((&uris, true))).unwrap().uri(7),
            "http://127.0.0.1:7/cb"
        );
        assert_eq!(listen_at(None, Some((&uris, false))).unwrap().port, Some(8000));
        let none = listen_at(None, Some((&uris[..1], false)))
            .unwrap_err()
            .to_string();
        assert!(none.contains("applicationType: native"), "{none}");
        assert_eq!(
            listen_at(Some("http://localhost:8000/"), Some((&uris, false))).unwrap(),
            at("http://localhost:8000/")
        );
        assert!(listen_at(Some("http://localhost:8001/"), Some((&uris, false))).is_err());
        for wrong in [
            "https://127.0.0.1/",
            "http://a.example/",
            "http://127.0.0.1/?x=1",
            "http://127.0.0.1:x/",
        ] {
            assert!(listen_at(Some(wrong), None).is_err(), "{wrong}");
        }
    }
}
