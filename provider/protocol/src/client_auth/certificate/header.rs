//! What a proxy that ends TLS says of the client's certificate (RFC 9440). Whose word counts is for the caller to
//! judge.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The certificate (RFC 9440 §2.2).
pub const CLIENT_CERT: &str = "client-cert";
/// Those that lead from it to a CA (RFC 9440 §2.3).
pub const CLIENT_CERT_CHAIN: &str = "client-cert-chain";

/// The most certificates that are looked at.
const MOST: usize = 10;

/// The certificates in DER, the client's own first. `own` and `chain` are the values of both headers in their order.
/// `Ok(None)`: the proxy was shown none.
///
/// # Errors
/// When a header is malformed, or there twice.
pub fn certificates(own: &[&str], chain: &[&str]) -> Result<Option<Vec<Vec<u8>>>, &'static str> {
    let own = match own {
        [] => return Ok(None),
        [one] => bytes(one).ok_or("Client-Cert is no byte sequence")?,
        _ => return Err("Client-Cert is there twice"),
    };
    let mut all = vec![own];
    for one in chain.iter().flat_map(|list| list.split(',')) {
        if all.len() == MOST {
            return Err("Client-Cert-Chain is too long");
        }
        all.push(bytes(one).ok_or("Client-Cert-Chain is no list of byte sequences")?);
    }
    Ok(Some(all))
}

/// A byte sequence without parameters (RFC 9651 §3.3.5).
fn bytes(item: &str) -> Option<Vec<u8>> {
    let item = item.trim_matches([' ', '\t']);
    let encoded = item.strip_prefix(':')?.strip_suffix(':')?;
    STANDARD.decode(encoded).ok().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ca_05_the_headers_of_rfc_9440() {
        let one = |text: &str| Some(vec![text.as_bytes().to_vec()]);
        assert_eq!(certificates(&[], &[":QQ==:"]), Ok(None));
        assert_eq!(certificates(&[":QQ==:"], &[]), Ok(one("A")));
        assert_eq!(certificates(&[" :QQ==: "], &[]), Ok(one("A")));
        let all = certificates(&[":QQ==:"], &[":Qg==:, :Qw==:", ":RA==:"]);
        let all = all.unwrap().unwrap().concat();
        assert_eq!(all, b"ABCD");
        for (own, chain) in [
            (&["QQ=="][..], &[][..]),
            (&[":QQ==:", ":QQ==:"], &[]),
            (&[":QQ==:, :QQ==:"], &[]),
            (&["::"], &[]),
            (&[":"], &[]),
            (&[":Q:"], &[]),
            (&["-----BEGIN CERTIFICATE-----"], &[]),
            (&[":QQ==:"], &["x"]),
            (&[":QQ==:"], &[""]),
            (
                &[":QQ==:"],
                &[":QQ==:,:QQ==:,:QQ==:,:QQ==:,:QQ==:,:QQ==:,:QQ==:,:QQ==:,:QQ==:,:QQ==:"],
            ),
        ] {
            assert!(certificates(own, chain).is_err(), "{own:?} {chain:?}");
        }
    }
}
