//! What proves something: Basic credentials, JWTs, keys.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use form_urlencoded::byte_serialize;
use oidc_crds::jwk::PrivateJwk;
use oidc_crds::names::Algorithm;
use oidc_protocol::client_auth::Presented;
use oidc_protocol::jwt::{Signer, Verifier, verify_access_token, verify_id_token_hint};
use oidc_protocol::params::Params;
use serde_json::{Value, json};

use crate::input::Input;
use crate::world::{ISSUER, JWKS, KEYS, NOW};

/// Members of keys that nobody else may see.
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// Credentials that were encoded are read, whatever id and secret are; other headers are no credentials.
pub fn basic(data: &[u8]) {
    let mut input = Input::new(data);
    let words = ["client", ":", "%", "+", " ", "é", "default.", "&", "="];
    let (id, secret) = (input.text(&words, 5), input.text(&words, 5));
    let part = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = STANDARD.encode(format!("{}:{}", part(&id), part(&secret)));
    let none = Params::default();
    match Presented::read(Some(&format!("Basic {pair}")), &none) {
        Ok(presented) => {
            assert_eq!(presented.unverified_client_id(), id);
        }
        Err(_) => assert!(id.is_empty()),
    }
    let header = input.text(
        &["Basic ", "basic ", "Bearer ", "Og==", "YTpi", "=", " ", &pair],
        4,
    );
    if let Ok(presented) = Presented::read(Some(&header), &none) {
        assert!(header.to_ascii_lowercase().starts_with("basic "));
        assert!(!presented.unverified_client_id().is_empty());
    }
}

/// A token that we signed holds as that what it is, and as nothing else; one that was changed in any way never does.
pub fn jwt(data: &[u8]) {
    let mut input = Input::new(data);
    let algorithm = input.of(&[Algorithm::ES256, Algorithm::EdDSA]);
    let signer = KEYS.signer(Some(algorithm), NOW);
    let signer = signer.expect("a key signs");
    let typ = input.of(&["at+jwt", "JWT", "dpop+jwt", ""]);
    let mut claims = json!({
        "iss": ISSUER, "sub": "someone", "aud": "client", "sid": "session", "iat": NOW.as_second(),
        "exp": NOW.as_second() + 60,
    });
    let names = ["iss", "sub", "aud", "sid", "iat", "exp", "token_use", "x"];
    for _ in 0..input.below(3) {
        claims[input.of(&names)] = input.json(&names, &["access", ISSUER, "x"], 2);
    }
    let token = signer.sign(typ, &claims).expect("the claims are an object");
    let access = verify_access_token(&token, &KEYS, ISSUER, NOW);
    let hint = verify_id_token_hint(&token, &KEYS, ISSUER);
    assert!(access.is_none() || hint.is_none(), "no token is both");
    if let Some(access) = &access {
        assert_eq!(Value::from(access.claims.clone()), claims);
        assert!(claims["iss"] == ISSUER && access.expires_at() > NOW.as_second());
        assert!(typ == "at+jwt" || typ == "JWT" && claims["token_use"] == "access");
    }
    if let Some(hint) = &hint {
        assert!(typ == "JWT" && claims["iss"] == ISSUER && claims["sub"] == *hint.subject);
    }
    let never = |token: &str| {
        assert!(
            verify_access_token(token, &KEYS, ISSUER, NOW).is_none(),
            "{token}"
        );
        assert!(verify_id_token_hint(token, &KEYS, ISSUER).is_none(), "{token}");
    };
    never(&input.changed(&token));
    let (message, signature) = token.rsplit_once('.').expect("it has three parts");
    let (header, payload) = message.split_once('.').expect("it has three parts");
    let mut forged: Value = json!({"alg": signer.algorithm().as_str(), "kid": signer.kid(), "typ": typ});
    let wrong = ["none", "HS256", "RS256", "ES256", "EdDSA", "", signer.kid()];
    forged[input.of(&["alg", "kid", "typ", "crit", "jwk", "zip"])] = input.json(&["kty", "k"], &wrong, 2);
    let forged = URL_SAFE_NO_PAD.encode(forged.to_string());
    if forged != header {
        never(&format!("{forged}.{payload}.{signature}"));
        never(&format!("{forged}.{payload}."));
    }
    let strange = input.text(
        &[
            header,
            payload,
            signature,
            ".",
            ".",
            "e30",
            "eyJhbGciOiJub25lIn0",
            "=",
        ],
        6,
    );
    if strange != token {
        never(&strange);
    }
}

/// A key that can be used keeps its private half to itself; what it signs its public half verifies.
pub fn jwk(data: &[u8]) {
    let mut input = Input::new(data);
    let good = &JWKS[input.below(2)];
    let mut members = serde_json::to_value(good).expect("a key is JSON");
    let names = ["kty", "crv", "alg", "x", "y", "d", "n", "e", "p", "kid", "use"];
    let texts = [
        "EC", "OKP", "RSA", "P-256", "P-384", "Ed25519", "ES256", "ES384", "EdDSA", "RS256", "AQAB", "A", "-",
    ];
    for _ in 0..input.below(4) {
        let name = input.of(&names);
        match input.byte() % 3 {
            0 => drop(members.as_object_mut().map(|all| all.remove(name))),
            1 => members[name] = input.json(&names, &texts, 1),
            _ => {
                let text = members[name].as_str().unwrap_or_default().to_owned();
                members[name] = input.changed(&text).into();
            }
        }
    }
    let Ok(key) = serde_json::from_value::<PrivateJwk>(members.clone()) else {
        return;
    };
    assert_eq!(serde_json::to_value(&key).ok(), Some(members.clone()));
    let secret = members["d"].as_str().unwrap_or_default();
    assert!(secret.len() < 8 || !format!("{key:?}").contains(secret));
    let Ok(public) = key.public() else {
        assert!(Signer::new("kid", &key).is_err());
        return;
    };
    assert!(PRIVATE.iter().all(|name| !public.contains_key(*name)));
    assert_eq!(public["kid"].as_str().map(str::to_owned), key.thumbprint().ok());
    let Ok(verifier) = Verifier::new(&public) else {
        return;
    };
    assert_eq!(Ok(verifier.algorithm()), key.algorithm());
    if let Ok(signer) = Signer::new(verifier.kid(), &key) {
        assert_eq!(
            (signer.kid(), signer.algorithm()),
            (verifier.kid(), verifier.algorithm())
        );
        assert!(signer.sign("JWT", &json!({})).is_ok());
        assert!(signer.sign("JWT", &json!([])).is_err());
    }
}
