//! The authorization request: PKCE, state and nonce (RFC 6749 §4.1.1, RFC 7636, OpenID Connect Core §3.1.2.1).

use anyhow::{Context as _, Result};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand_core::CryptoRng;
use url::Url;

/// What must be kept until the answer comes. Its Debug shows no value.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Comes back with the answer.
    pub(crate) state: String,
    /// Comes back in the ID token.
    pub(crate) nonce: String,
    /// Proves at the token endpoint that the request was ours.
    pub(crate) verifier: String,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept(…)")
    }
}

impl Kept {
    /// Three values of 256 random bits each, base64url.
    pub(crate) fn draw(rng: &mut impl CryptoRng) -> Self {
        let mut draw = || {
            let mut bytes = [0; 32];
            rng.fill_bytes(&mut bytes);
            URL_SAFE_NO_PAD.encode(bytes)
        };
        Self {
            state: draw(),
            nonce: draw(),
            verifier: draw(),
        }
    }
}

/// The address that a browser opens. `openid` is among the scopes, or the nonce is left out.
pub(crate) fn authorize_url(
    endpoint: &str,
    client_id: &str,
    redirect_uri: &str,
    scopes: &[String],
    kept: &Kept,
) -> Result<Url> {
    let mut url =
        Url::parse(endpoint).with_context(|| format!("the authorization endpoint {endpoint} is no URL"))?;
    let mut pairs = url.query_pairs_mut();
    pairs.extend_pairs([
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", redirect_uri),
        ("scope", &scopes.join(" ")),
        ("state", &kept.state),
        ("code_challenge", &challenge(&kept.verifier)),
        ("code_challenge_method", "S256"),
    ]);
    if scopes.iter().any(|scope| scope == "openid") {
        pairs.append_pair("nonce", &kept.nonce);
    }
    drop(pairs);
    Ok(url)
}

/// RFC 7636 §4.2, `S256`.
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use oidc_crds::rng::SystemRng;

    use super::*;

    /// RFC 7636, appendix B.
    #[test]
    fn rfc_7636_b_the_challenge_is_the_hash_of_the_verifier() {
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn the_request_has_all_that_the_answer_is_checked_by() {
        let kept = Kept::draw(&mut SystemRng);
        assert!(kept.state != kept.nonce && kept.verifier.len() == 43);
        let url = |scopes: &[&str]| {
            let scopes: Vec<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
            authorize_url(
                "https://i.example/authorize",
                "team.app",
                "http://127.0.0.1:1/",
                &scopes,
                &kept,
            )
            .unwrap()
        };
        let openid = url(&["openid", "groups"]);
        let pairs: BTreeMap<_, _> = openid.query_pairs().into_owned().collect();
        assert_eq!(
            (pairs["scope"].as_str(), &pairs["nonce"], &pairs["state"]),
            ("openid groups", &kept.nonce, &kept.state)
        );
        assert!(!openid.as_str().contains(&kept.verifier));
        assert!(!url(&["orders"]).as_str().contains("nonce"));
        assert_eq!(format!("{kept:?}"), "Kept(…)");
    }
}
