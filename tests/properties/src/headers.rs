//! Headers: cookies, proxies, devices.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use oidc_crds::language::Language;
use oidc_crds::secrets::installation::{ClientAddress, Forwarded, ForwardedHeader};
use oidc_crds::testing::SeededRng;
use oidc_protocol::address::client_address;
use oidc_protocol::device::device;
use oidc_protocol::handle::{LoginTag, SessionHandle};
use oidc_protocol::locale::{accepted, asked};
use oidc_provider::http::cookie::{self, Browser};

use crate::input::Input;
use crate::world::ISSUER;

/// A cookie that we set is read; whatever else a header holds, no session comes out that is not in it under our name.
pub fn cookies(data: &[u8]) {
    let mut input = Input::new(data);
    let issuer = input.of(&[ISSUER, "http://localhost:5000"]);
    let name = if issuer == ISSUER {
        "__Host-oidc_session"
    } else {
        "oidc_session"
    };
    let handle = SessionHandle::generate(LoginTag(input.array()), &mut SeededRng::new(input.seed()));
    let set = cookie::session_cookie(&handle, issuer).expect("it is a header's value");
    let pair = set
        .to_str()
        .ok()
        .and_then(|set| set.split(';').next())
        .expect("it is text");
    assert_eq!(pair, format!("{name}={}", handle.expose()));
    assert!(cookie::session(&sent(pair), issuer) == Some(handle.clone()));

    let words = [
        "__Host-oidc_session=",
        "oidc_session=",
        "__Host-oidc_browser=",
        "oidc_browser=",
        handle.expose(),
        ";",
        "; ",
        "=",
        " ",
        "\"",
        "%41",
        "a",
        "é",
        "s1.",
    ];
    let text = input.text(&words, 12);
    let Ok(value) = HeaderValue::from_str(&text) else {
        return;
    };
    let headers = HeaderMap::from_iter([(COOKIE, value)]);
    if let Some(found) = cookie::session(&headers, issuer) {
        assert!(text.contains(name) && text.contains(found.expose()), "{text}");
        assert!(SessionHandle::parse(found.expose()) == Some(found));
    }
    if let Some(known) = Browser::known(&headers, issuer) {
        assert!(known.cookies(issuer).next().is_none(), "it has it already");
        assert_eq!(Browser::known_or_new(&headers, issuer).digest(), known.digest());
        assert_eq!(Browser::names(&headers, issuer)[0].digest(), known.digest());
    }
    assert!(Browser::names(&headers, issuer).len() <= 16);
}

fn sent(pair: &str) -> HeaderMap {
    let value = HeaderValue::from_str(pair).expect("it is a header's value");
    HeaderMap::from_iter([(COOKIE, value)])
}

/// The address is the socket's unless a trusted proxy names another; what strangers write left of a stranger's
/// address changes nothing.
pub fn forwarded(data: &[u8]) {
    let mut input = Input::new(data);
    let header = input.of(&[ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded]);
    let ranges =
        ["10.0.0.0/8", "fd00::/8", "192.0.2.1/32"].map(|range| range.parse().expect("it is a range"));
    let setting = ClientAddress::Forwarded(Forwarded {
        trusted_proxies: ranges.to_vec(),
        header,
    });
    let trusted = |address: IpAddr| ranges.iter().any(|range| range.contains(address));
    let peer: IpAddr = match input.byte() % 4 {
        0 => Ipv4Addr::from(input.array::<4>()).into(),
        1 => Ipv6Addr::from(input.array::<16>()).into(),
        2 => Ipv6Addr::from([0, 0, 0, 0, 0, 0xffff, 0x0a00, 1]).into(),
        _ => Ipv4Addr::new(10, 0, 0, 1).into(),
    };
    let words = [
        "10.0.0.2",
        "198.51.100.7",
        "[fd00::1]",
        "[2001:db8::1]:80",
        "fd00::2",
        ":80",
        ", ",
        ",",
        "for=",
        ";",
        "\"",
        "proto=https",
        "unknown",
        " ",
        "::ffff:10.0.0.9",
    ];
    let values = [input.text(&words, 8), input.text(&words, 8)];
    let headers: Vec<&str> = values.iter().map(String::as_str).collect();
    let found = client_address(&setting, peer, &headers);
    assert_eq!(found, found.to_canonical());
    assert_eq!(
        client_address(&ClientAddress::Socket, peer, &headers),
        peer.to_canonical()
    );
    if !trusted(peer.to_canonical()) {
        assert_eq!(found, peer.to_canonical());
    }
    if !trusted(found) {
        let junk = input.text(&words, 6);
        let longer = format!("{junk},{}", values[0]);
        assert_eq!(
            client_address(&setting, peer, &[&longer, &values[1]]),
            found,
            "{junk}"
        );
        assert_eq!(
            client_address(&setting, peer, &[&junk, &values[0], &values[1]]),
            found,
            "{junk}"
        );
    }
}

/// Nothing of a `User-Agent` is shown: the names come from a closed list.
pub fn devices(data: &[u8]) {
    let mut input = Input::new(data);
    let words = [
        "Mozilla/5.0",
        "(",
        ")",
        "Firefox/133",
        "Safari/",
        "Chrome/",
        "Edg",
        "Windows",
        "Linux",
        "Android",
        "iPhone",
        "curl/8",
        "<script>",
        " ",
        "canary",
    ];
    let agent = input.text(&words, 20);
    let name = device(&agent);
    assert!(
        name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b' '),
        "{name}"
    );
    assert!(!name.contains("canary"));
    assert_eq!(device(&name), device(&name), "a name means the same each time");
}

/// Pages are in a language that was asked for, or else in the installation's unless just that was refused.
pub fn languages(data: &[u8]) {
    let mut input = Input::new(data);
    let words = [
        "de", "fr", "en", "ja", "es", "xx", "DE", "-", "CH", ",", ", ", ";q=", ";", "0", "1", "0.5", ".",
        " ", "*", "=",
    ];
    let text = input.text(&words, 24);
    let default = input.of(&Language::ALL);
    let tags = |separators: &[char]| -> Vec<String> {
        let tags = text.split(separators).map(|tag| tag.trim().to_ascii_lowercase());
        tags.map(|tag| tag.split('-').next().unwrap_or_default().to_owned())
            .collect()
    };
    if let Some(language) = asked(&text) {
        assert!(tags(&[' ']).iter().any(|tag| tag == language.tag()), "{text}");
    }
    let named = tags(&[',', ';']);
    let language = accepted([text.as_str()], default);
    assert!(
        language == default
            || named
                .iter()
                .any(|tag| tag == language.tag() || tag == default.tag()),
        "{text}"
    );
    for one in Language::ALL {
        assert_eq!(asked(one.tag()), Some(one));
        assert_eq!(accepted([one.tag()], default), one);
        // one more that is preferred to all others, where it is looked at
        assert_eq!(accepted([one.tag(), "xx;q=0.9"], default), one);
    }
    assert_ne!(
        accepted([format!("{};q=0", default.tag()).as_str()], default),
        default
    );
}
