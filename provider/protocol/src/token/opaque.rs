//! Opaque access tokens: `at1.<sealed>`. All that a JWT would say is sealed inside, so a resource server
//! learns nothing without introspection, a pod needs nothing but the key ring, and the store keeps no more
//! than for a JWT: the family.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use oidc_crds::seal::{KeyRing, Purpose};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::jwt::{AccessToken, MAX_JWT};
use crate::records;

const PREFIX: &str = "at1.";

/// What is sealed. The UID stands inside, since whoever opens it does not know the client yet; the purpose
/// keeps it apart from everything else that is sealed.
#[derive(Serialize)]
struct Inside<'a, T> {
    uid: &'a str,
    claims: &'a T,
}

/// The same, opened.
#[derive(Deserialize)]
struct Opened {
    uid: String,
    claims: Map<String, Value>,
}

/// Whether a text has the shape of one; no JWT has.
#[must_use]
pub fn looks_like(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Makes one for the client with this UID.
pub(crate) fn seal(
    ring: &KeyRing,
    client_uid: &str,
    claims: &impl Serialize,
    rng: &mut impl CryptoRng,
) -> String {
    let inside = Inside {
        uid: client_uid,
        claims,
    };
    let sealed = records::seal(ring, Purpose::AccessToken, &[], &inside, rng);
    let mut text = String::with_capacity(PREFIX.len() + sealed.len() * 4 / 3 + 4);
    text.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(sealed, &mut text);
    text
}

/// Opens one: its claims, which are held to what those of a JWT are held to, and the UID of its client.
/// `None` for anything else.
#[must_use]
pub fn open(text: &str, ring: &KeyRing, issuer: &str, now: Timestamp) -> Option<(AccessToken, String)> {
    if text.len() > MAX_JWT {
        return None;
    }
    let sealed = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
    let opened: Opened = records::unseal(ring, Purpose::AccessToken, &[], &sealed).ok()?;
    let token = AccessToken {
        claims: opened.claims,
    };
    token.holds(issuer, now).then_some((token, opened.uid))
}

#[cfg(test)]
mod tests {
    use oidc_crds::testing::SeededRng;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::testing::{ISSUER, NOW, other_ring, ring};

    fn claims() -> Value {
        json!({"iss": ISSUER, "iat": NOW.as_second(), "exp": NOW.as_second() + 60, "sub": "jdoe"})
    }

    #[test]
    fn jwt_03_an_opaque_token_opens_here_only_and_in_time() {
        let text = seal(&ring(), "uid-app", &claims(), &mut SeededRng::new(1));
        let (token, uid) = open(&text, &ring(), ISSUER, NOW).unwrap();
        assert_eq!((token.text("sub"), uid.as_str()), ("jdoe", "uid-app"));
        let later = |seconds| NOW + jiff::SignedDuration::from_secs(seconds);
        assert!(open(&text, &ring(), ISSUER, later(59)).is_some());
        assert!(open(&text, &ring(), ISSUER, later(60)).is_none());
        assert!(open(&text, &ring(), ISSUER, later(-11)).is_none());
        assert!(open(&text, &ring(), "https://other.example", NOW).is_none());
        assert!(open(&text, &other_ring(), ISSUER, NOW).is_none());
        assert!(open(&text[4..], &ring(), ISSUER, NOW).is_none());
    }

    #[test]
    fn jwt_03_what_was_sealed_for_something_else_is_no_token() {
        let inside = Inside {
            uid: "uid-app",
            claims: &claims(),
        };
        for purpose in Purpose::ALL {
            let sealed = records::seal(&ring(), purpose, &[], &inside, &mut SeededRng::new(1));
            let text = format!("at1.{}", URL_SAFE_NO_PAD.encode(sealed));
            let opened = open(&text, &ring(), ISSUER, NOW).is_some();
            assert_eq!(opened, purpose == Purpose::AccessToken, "{purpose:?}");
        }
    }

    #[test]
    fn jwt_03_two_tokens_of_one_moment_differ_and_tell_nothing() {
        let mut rng = SeededRng::new(1);
        let one = seal(&ring(), "uid-app", &claims(), &mut rng);
        let two = seal(&ring(), "uid-app", &claims(), &mut rng);
        assert_ne!(one, two);
        let bytes = URL_SAFE_NO_PAD.decode(&one[4..]).unwrap();
        for secret in ["jdoe", "uid-app", ISSUER] {
            assert!(
                !bytes
                    .windows(secret.len())
                    .any(|window| window == secret.as_bytes()),
                "{secret}"
            );
        }
    }

    proptest! {
        #[test]
        fn opening_never_panics(text in "(at1[.])?[A-Za-z0-9_-]{0,80}", flip in 4_usize..200) {
            prop_assert!(open(&text, &ring(), ISSUER, NOW).is_none());
            let mut good = seal(&ring(), "uid-app", &claims(), &mut SeededRng::new(1)).into_bytes();
            let at = flip % (good.len() - 8) + 4;
            good[at] = if good[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(good).unwrap();
            prop_assert!(open(&changed, &ring(), ISSUER, NOW).is_none());
        }
    }
}
