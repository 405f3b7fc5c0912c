//! The address of whoever asks: that of the socket, or what trusted proxies say of it (RFC 7239). A header
//! is read from the right: each proxy appends what it saw, so only what stands right of the first stranger
//! was written by somebody we trust.

use std::net::{IpAddr, SocketAddr};

use oidc_crds::cidr::Cidr;
use oidc_crds::secrets::installation::{ClientAddress, ForwardedHeader};

/// The address that limits and the audit log go by. `peer` is the socket's; `headers` are the values of the
/// header that [`ForwardedHeader`] names, in the order in which they came. An entry that is no address ends
/// the walk: the trusted proxy that passed it on is the last that is known.
#[must_use]
pub fn client_address(setting: &ClientAddress, peer: IpAddr, headers: &[&str]) -> IpAddr {
    let peer = peer.to_canonical();
    let ClientAddress::Forwarded(forwarded) = setting else {
        return peer;
    };
    let trusted = |address| is_within(&forwarded.trusted_proxies, address);
    let mut known = peer;
    let mut entries = headers.iter().rev().flat_map(|value| from_the_right(value));
    while trusted(known) {
        let entry = entries.next().and_then(|entry| match forwarded.header {
            ForwardedHeader::XForwardedFor => address(entry),
            ForwardedHeader::Forwarded => address(node(entry)?),
        });
        match entry {
            Some(address) => known = address,
            None => break,
        }
    }
    known
}

/// Whether the socket's peer is one of these proxies, whose word about others counts.
#[must_use]
pub fn is_within(proxies: &[Cidr], peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    proxies.iter().any(|range| range.contains(peer))
}

/// The elements of a list, the last one first. Quotes are paired from the right, so that one that a
/// stranger left open swallows nothing of what a proxy appended.
fn from_the_right(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let whole = rest?;
        let mut quoted = false;
        let comma = whole.bytes().rposition(|b| {
            quoted ^= b == b'"';
            b == b',' && !quoted
        });
        let (left, element) = match comma {
            Some(at) => (Some(&whole[..at]), &whole[at + 1..]),
            None => (None, whole),
        };
        rest = left;
        Some(element.trim())
    })
}

/// The `for` parameter of an element (RFC 7239 §4).
fn node(element: &str) -> Option<&str> {
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = pair.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("for") {
            if found.is_some() {
                return None;
            }
            let value = value.trim();
            let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            found = Some(unquoted.unwrap_or(value));
        }
    }
    found
}

/// An address, with or without a port; IPv6 in brackets, or bare without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let parsed = match bare {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    };
    parsed
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use oidc_crds::secrets::installation::Forwarded;

    use super::*;

    fn forwarded(header: ForwardedHeader) -> ClientAddress {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|range| range.parse().unwrap());
        ClientAddress::Forwarded(Forwarded {
            trusted_proxies: trusted.to_vec(),
            header,
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ses_05_the_address_is_read_from_the_right() {
        let setting = forwarded(ForwardedHeader::XForwardedFor);
        for (peer, headers, address) in [
            ("10.0.0.1", &["192.0.2.1"][..], "192.0.2.1"),
            ("10.0.0.1", &["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["203.0.113.9", "192.0.2.1, 10.1.1.1"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1:4711"], "192.0.2.1"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("fd00::1", &["::ffff:192.0.2.1"], "192.0.2.1"),
            ("::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            // nothing but proxies: the first of them asks
            ("10.0.0.1", &["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
            ("10.0.0.1", &[], "10.0.0.1"),
            // an entry that is no address
            ("10.0.0.1", &["192.0.2.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1, nonsense, 10.0.0.9"], "10.0.0.9"),
            ("10.0.0.1", &["192.0.2.1,"], "10.0.0.1"),
            // a stranger's word counts for nothing
            ("192.0.2.7", &["203.0.113.9"], "192.0.2.7"),
        ] {
            assert_eq!(
                client_address(&setting, ip(peer), headers),
                ip(address),
                "{peer} {headers:?}"
            );
        }
        let socket = client_address(&ClientAddress::Socket, ip("10.0.0.1"), &["192.0.2.1"]);
        assert_eq!(socket, ip("10.0.0.1"));
    }

    #[test]
    fn ca_05_only_listed_proxies_are_trusted() {
        let proxies = ["10.0.0.0/8", "fd00::/8"].map(|range| range.parse().unwrap());
        for (peer, trusted) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("fd00::1", true),
            ("192.0.2.1", false),
        ] {
            assert_eq!(is_within(&proxies, ip(peer)), trusted, "{peer}");
            assert!(!is_within(&[], ip(peer)));
        }
    }

    #[test]
    fn ses_05_the_forwarded_header_is_read_from_the_right() {
        let setting = forwarded(ForwardedHeader::Forwarded);
        for (header, address) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"192.0.2.1:4711\";proto=https;by=10.0.0.1", "192.0.2.1"),
            (
                "for=203.0.113.9, proto=https; for=\"[2001:db8::1]:4711\"",
                "2001:db8::1",
            ),
            ("for=192.0.2.1, for=10.0.0.2", "192.0.2.1"),
            ("for=\"203.0.113.9, for=192.0.2.1", "192.0.2.1"),
            ("for=192.0.2.1;for=203.0.113.9", "10.0.0.1"),
            ("for=_hidden", "10.0.0.1"),
            ("proto=https", "10.0.0.1"),
            ("192.0.2.1", "10.0.0.1"),
        ] {
            assert_eq!(
                client_address(&setting, ip("10.0.0.1"), &[header]),
                ip(address),
                "{header}"
            );
        }
    }

    proptest! {
        #[test]
        fn ses_05_nobody_forges_an_address(junk in ".{0,60}", bits: u32, quoted: bool) {
            // what the proxy appends decides, whatever stands left of it
            let stranger = IpAddr::V4((bits | 0x8000_0000).into());
            let plain = format!("{junk}, {stranger}");
            let setting = forwarded(ForwardedHeader::XForwardedFor);
            prop_assert_eq!(client_address(&setting, ip("10.0.0.1"), &[&plain]), stranger);
            let named = if quoted { format!("{junk}, for=\"{stranger}\"") } else { format!("{junk},for={stranger}") };
            let setting = forwarded(ForwardedHeader::Forwarded);
            prop_assert_eq!(client_address(&setting, ip("10.0.0.1"), &[&named]), stranger);
            // and from a stranger nothing does
            prop_assert_eq!(client_address(&setting, stranger, &[&junk]), stranger);
        }

        #[test]
        fn ses_05_no_header_breaks_it(one in ".{0,80}", two in "[0-9.,:\\[\\]\"=;for ]{0,80}") {
            for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
                let _ = client_address(&forwarded(header), ip("10.0.0.1"), &[&one, &two]);
            }
        }
    }
}
