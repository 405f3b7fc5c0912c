//! Whether an ID token is good (OpenID Connect Core §3.1.3.7, §12.2).

use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;

/// Algorithms that are taken; never `none` or one with a shared secret.
const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// How far the clocks of issuer and machine may differ, in seconds.
const LEEWAY: i64 = 10;

/// What it must say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// The issuer.
    pub(crate) issuer: &'a str,
    /// The client.
    pub(crate) client_id: &'a str,
    /// The request's nonce; `None` after a refresh.
    pub(crate) nonce: Option<&'a str>,
    /// The person, if known from before.
    pub(crate) subject: Option<&'a str>,
}

/// What a good one says.
#[derive(Debug, PartialEq)]
pub(crate) struct Verified {
    /// The person.
    pub(crate) subject: String,
    /// When it ends.
    pub(crate) expires_at: Timestamp,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    azp: Option<String>,
    exp: i64,
    iat: i64,
    nonce: Option<String>,
}

/// Checks signature and claims.
pub(crate) fn verify(token: &str, keys: &JwkSet, expected: Expected<'_>, now: Timestamp) -> Result<Verified> {
    let header = decode_header(token).context("the ID token is no JWT")?;
    ensure!(
        ALGORITHMS.contains(&header.alg),
        "the ID token is signed with {:?}, which is not taken",
        header.alg
    );
    let kid = header.kid.context("the ID token names no key")?;
    let key = keys.find(&kid).with_context(|| {
        format!("the ID token is signed with the key {kid}, which the issuer does not publish")
    })?;
    let named = key.common.key_algorithm.map(|algorithm| algorithm.to_string());
    ensure!(
        named.is_none_or(|named| named == format!("{:?}", header.alg)),
        "the ID token is signed with {:?}, but the key {kid} is for another algorithm",
        header.alg
    );
    let mut rules = Validation::new(header.alg);
    // all claims are checked below, against `now`
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    let key = DecodingKey::from_jwk(key).context("the issuer's key cannot be used")?;
    let claims = decode::<Claims>(token, &key, &rules)
        .context("the ID token is not good")?
        .claims;
    check(&claims, expected, now)?;
    Ok(Verified {
        subject: claims.sub,
        expires_at: Timestamp::from_second(claims.exp).context("the ID token ends at no time")?,
    })
}

fn check(claims: &Claims, expected: Expected<'_>, now: Timestamp) -> Result<()> {
    ensure!(
        claims.iss == expected.issuer,
        "the ID token is of another issuer, {}",
        claims.iss
    );
    let audiences: Vec<&str> = match &claims.aud {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    ensure!(
        audiences.contains(&expected.client_id),
        "the ID token is for another client"
    );
    match &claims.azp {
        Some(azp) => ensure!(
            azp == expected.client_id,
            "the ID token was made for another client"
        ),
        None => ensure!(
            audiences.len() == 1,
            "the ID token is for several clients and names none"
        ),
    }
    let now = now.as_second();
    if claims.exp <= now {
        bail!("the ID token has expired already: is this machine's clock right?");
    }
    if claims.iat > now + LEEWAY {
        bail!("the ID token is of the future: is this machine's clock right?");
    }
    if let Some(nonce) = expected.nonce {
        ensure!(
            claims.nonce.as_deref() == Some(nonce),
            "the ID token answers another request (nonce)"
        );
    }
    if let Some(subject) = expected.subject {
        ensure!(
            claims.sub == subject,
            "the ID token is of another person than before"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use oidc_crds::jwk::PrivateJwk;
    use oidc_crds::names;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn claims() -> Value {
        json!({
            "iss": "https://i.example", "sub": "jane", "aud": "team.app", "nonce": "n1",
            "iat": NOW - 1, "exp": NOW + 300,
        })
    }

    fn judged(claims: &Value, header: impl FnOnce(&mut Header)) -> Result<Verified> {
        let key = PrivateJwk::generate(names::Algorithm::ES256, None).unwrap();
        let keys: JwkSet = serde_json::from_value(json!({"keys": [key.public().unwrap()]})).unwrap();
        let mut head = Header::new(Algorithm::ES256);
        head.kid = Some(key.thumbprint().unwrap());
        header(&mut head);
        let der = key.to_pkcs8().unwrap();
        let signing = match head.alg {
            Algorithm::HS256 => EncodingKey::from_secret(b"x"),
            _ => EncodingKey::from_ec_der(&der),
        };
        let token = encode(&head, claims, &signing).unwrap();
        let expected = Expected {
            issuer: "https://i.example",
            client_id: "team.app",
            nonce: Some("n1"),
            subject: Some("jane"),
        };
        verify(&token, &keys, expected, Timestamp::from_second(NOW).unwrap())
    }

    #[test]
    fn core_3_1_3_7_a_good_id_token_is_taken() {
        let good = judged(&claims(), |_| {}).unwrap();
        assert_eq!(
            (good.subject.as_str(), good.expires_at.as_second()),
            ("jane", NOW + 300)
        );
        let several = json!({"aud": ["other", "team.app"], "azp": "team.app"});
        assert!(judged(&merged(several), |_| {}).is_ok());
    }

    fn merged(change: Value) -> Value {
        let mut all = claims();
        all.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        all
    }

    #[test]
    fn core_3_1_3_7_each_claim_is_checked() {
        for (change, told) in [
            (json!({"iss": "https://i.example/"}), "another issuer"),
            (json!({"aud": "team.other"}), "another client"),
            (json!({"aud": []}), "another client"),
            (json!({"aud": ["team.app", "x"]}), "several clients"),
            (json!({"azp": "team.other"}), "another client"),
            (json!({"exp": NOW}), "expired"),
            (json!({"iat": NOW + 60}), "future"),
            (json!({"nonce": "n2"}), "nonce"),
            (json!({"nonce": null}), "nonce"),
            (json!({"sub": "joe"}), "another person"),
            (json!({"sub": null}), "not good"),
        ] {
            let error = format!("{:#}", judged(&merged(change), |_| {}).unwrap_err());
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn core_3_1_3_7_the_key_and_its_algorithm_are_the_issuers() {
        let unknown = judged(&claims(), |head| head.kid = Some("other".to_owned()))
            .unwrap_err()
            .to_string();
        assert!(unknown.contains("does not publish"), "{unknown}");
        assert!(judged(&claims(), |head| head.kid = None).is_err());
        let shared = judged(&claims(), |head| head.alg = Algorithm::HS256)
            .unwrap_err()
            .to_string();
        assert!(shared.contains("not taken"), "{shared}");
    }
}
