use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{ISSUER, NOW, decode_jwt, jwk, key_set, key_state, keys};

const ALG: Algorithm = Algorithm::ES256;

fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "sub": "jdoe",
        "aud": ISSUER,
        "client_id": "default.app",
        "iat": NOW.as_second(),
        "exp": NOW.as_second() + 900,
        "jti": "x",
        "scope": "openid email",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn signer(algorithm: Algorithm) -> Signer {
    let jwk = jwk(algorithm, 0);
    Signer::new(&jwk.thumbprint().unwrap(), &jwk).unwrap()
}

fn token(typ: &str, claims: &Value) -> String {
    signer(ALG).sign(typ, claims).unwrap()
}

fn check_at(token: &str, now: Timestamp) -> Option<AccessToken> {
    verify_access_token(token, &keys(&[ALG]), ISSUER, now)
}

fn check(token: &str) -> Option<AccessToken> {
    check_at(token, NOW)
}

/// A token with this header, signed by our key over exactly these bytes.
fn with_header(header: &str, claims: &Value) -> String {
    signed(header, &claims.to_string())
}

fn signed(header: &str, claims: &str) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let signature = signer(ALG).pair.sign(message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn kid() -> String {
    jwk(ALG, 0).thumbprint().unwrap()
}

#[test]
fn jwt_02_the_header_has_alg_kid_and_typ() {
    for algorithm in Algorithm::ALL {
        let signer = signer(algorithm);
        for typ in ["at+jwt", "JWT", "logout+jwt"] {
            let (header, _) = decode_jwt(&signer.sign(typ, &claims()).unwrap());
            assert_eq!(
                header,
                json!({"alg": algorithm.as_str(), "kid": signer.kid(), "typ": typ})
            );
        }
    }
}

#[test]
fn jwt_04_every_algorithm_signs_what_it_verifies() {
    let keys = keys(&Algorithm::ALL);
    for algorithm in Algorithm::ALL {
        let token = signer(algorithm).sign("at+jwt", &claims()).unwrap();
        let read = verify_access_token(&token, &keys, ISSUER, NOW).unwrap();
        assert_eq!(Value::from(read.claims), claims(), "{algorithm}");
    }
}

#[test]
fn claims_must_be_an_object() {
    for odd in [json!([]), json!("x"), Value::Null] {
        assert!(signer(ALG).sign("JWT", &odd).is_err());
    }
}

#[test]
fn debug_shows_no_key() {
    assert_eq!(format!("{:?}", signer(ALG)), format!("Signer(ES256 {})", kid()));
}

#[test]
fn jwt_03_accessors_read_the_claims() {
    let read = check(&token("at+jwt", &with("aud", json!(["a", "b"])))).unwrap();
    assert_eq!(read.audience(), ["a", "b"]);
    assert_eq!(read.scopes().collect::<Vec<_>>(), ["openid", "email"]);
    assert_eq!(read.text("sub"), "jdoe");
    assert_eq!(read.text("nothing"), "");
    assert_eq!(read.expires_at(), NOW.as_second() + 900);
    assert_eq!(check(&token("at+jwt", &claims())).unwrap().audience(), [ISSUER]);
    assert!(
        check(&token("at+jwt", &with("aud", json!(7))))
            .unwrap()
            .audience()
            .is_empty()
    );
}

#[test]
fn jwt_04_an_id_token_is_no_access_token() {
    assert!(check(&token("JWT", &claims())).is_none());
    assert!(check(&token("JWT", &with("token_use", json!("id")))).is_none());
    assert!(check(&token("JWT", &with("token_use", json!(["access"])))).is_none());
    assert!(check(&token("logout+jwt", &claims())).is_none());
    assert!(check(&token("AT+JWT", &claims())).is_none());
}

#[test]
fn jwt_03_typ_jwt_needs_token_use_access() {
    assert!(check(&token("JWT", &with("token_use", json!("access")))).is_some());
}

#[test]
fn jwt_04_issuer_and_times_must_hold() {
    let good = token("at+jwt", &claims());
    let at = |seconds| check_at(&good, NOW + SignedDuration::from_secs(seconds)).is_some();
    assert!(at(0) && at(899) && at(-10));
    assert!(!at(900) && !at(901) && !at(-11));
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!("https://id.example.com/")),
        ("iss", Value::Null),
        ("exp", Value::Null),
        ("exp", json!("9999999999")),
        ("exp", json!(-1)),
        ("iat", Value::Null),
        ("iat", json!("now")),
    ] {
        assert!(
            check(&token("at+jwt", &with(name, value.clone()))).is_none(),
            "{name} {value}"
        );
    }
}

#[test]
fn jwt_04_a_changed_token_is_refused() {
    let good = token("at+jwt", &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let other = token("at+jwt", &with("sub", json!("admin")));
    let others: Vec<&str> = other.split('.').collect();
    for wrong in [
        format!("{}.{}.{}", parts[0], others[1], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], others[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}="),
        format!("{good}.x"),
        format!("{good} "),
        format!(".{good}"),
        String::new(),
        "..".to_owned(),
        "...".to_owned(),
    ] {
        assert!(check(&wrong).is_none(), "{wrong}");
    }
}

#[test]
fn hard_06_none_and_symmetric_algorithms_are_refused() {
    for alg in ["none", "None", "", "HS256", "HS512", "ES384", "RS256", "es256"] {
        let header = json!({"alg": alg, "kid": kid(), "typ": "at+jwt"}).to_string();
        assert!(check(&with_header(&header, &claims())).is_none(), "{alg}");
        // Unsigned, and "signed" with the public key as the secret.
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(&header),
            URL_SAFE_NO_PAD.encode(claims().to_string())
        );
        assert!(check(&format!("{message}.")).is_none(), "{alg}");
        let public = serde_json::to_vec(&jwk(ALG, 0).public().unwrap()).unwrap();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &public);
        let mac = aws_lc_rs::hmac::sign(&key, message.as_bytes());
        assert!(
            check(&format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac))).is_none(),
            "{alg}"
        );
    }
}

#[test]
fn hard_06_an_rsa_key_verifies_its_own_padding_only() {
    // One RSA key, published for RS256; a PS256 signature of the same key is refused.
    let rsa = jwk(Algorithm::RS256, 0);
    let keys = keys(&[Algorithm::RS256]);
    let mut pss = Signer::new(&rsa.thumbprint().unwrap(), &rsa).unwrap();
    let Pair::Rsa(pair, _) = pss.pair else {
        panic!("no RSA key");
    };
    pss.pair = Pair::Rsa(pair, &RSA_PSS_SHA256);
    for algorithm in [Algorithm::RS256, Algorithm::PS256] {
        pss.headers = [TYP_ACCESS, TYP_JWT].map(|typ| (typ, header(algorithm, &pss.kid, typ)));
        let token = pss.sign("at+jwt", &claims()).unwrap();
        assert!(
            verify_access_token(&token, &keys, ISSUER, NOW).is_none(),
            "{algorithm}"
        );
    }
}

#[test]
fn hard_06_embedded_keys_say_nothing() {
    let foreign = jwk(ALG, 1);
    let foreign_signer = Signer::new(&foreign.thumbprint().unwrap(), &foreign).unwrap();
    let public = foreign.public().unwrap();
    for (name, value) in [
        ("jwk", Value::from(public)),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
    ] {
        for kid in [kid(), foreign_signer.kid().to_owned()] {
            let mut header = json!({"alg": "ES256", "kid": kid, "typ": "at+jwt"});
            header[name] = value.clone();
            let message = format!(
                "{}.{}",
                URL_SAFE_NO_PAD.encode(header.to_string()),
                URL_SAFE_NO_PAD.encode(claims().to_string())
            );
            let signature = foreign_signer.pair.sign(message.as_bytes()).unwrap();
            let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
            assert!(check(&forged).is_none(), "{name}");
        }
    }
}

#[test]
fn hard_06_kids_are_looked_up_and_nothing_else() {
    for odd in ["", "../../dev/null", "' OR 1=1 --", "unknown", "\u{0}"] {
        let header = json!({"alg": "ES256", "kid": odd, "typ": "at+jwt"}).to_string();
        assert!(check(&with_header(&header, &claims())).is_none(), "{odd}");
    }
    for header in [
        json!({"alg": "ES256", "typ": "at+jwt"}),
        json!({"alg": "ES256", "kid": 7, "typ": "at+jwt"}),
        json!({"alg": "ES256", "kid": kid()}),
        json!({"kid": kid(), "typ": "at+jwt"}),
        json!([]),
    ] {
        assert!(
            check(&with_header(&header.to_string(), &claims())).is_none(),
            "{header}"
        );
    }
}

#[test]
fn jwt_04_crit_is_refused() {
    for crit in [json!(["exp"]), json!([]), json!("x"), json!(["b64"])] {
        let header = json!({"alg": "ES256", "kid": kid(), "typ": "at+jwt", "crit": crit});
        assert!(
            check(&with_header(&header.to_string(), &claims())).is_none(),
            "{crit}"
        );
    }
    // Members that nobody calls critical are ignored (RFC 7515 §4).
    let header = json!({"alg": "ES256", "kid": kid(), "typ": "at+jwt", "x": 1}).to_string();
    assert!(check(&with_header(&header, &claims())).is_some());
}

#[test]
fn jwt_04_a_header_member_that_is_there_twice_is_refused() {
    let kid = kid();
    for doubled in [
        format!(r#"{{"alg":"ES256","alg":"ES256","kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"none","kid":"{kid}","typ":"JWT","typ":"at+jwt","alg":"ES256"}}"#),
    ] {
        assert!(check(&with_header(&doubled, &claims())).is_none());
    }
    // The helper itself makes good tokens.
    let good = format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"at+jwt"}}"#);
    assert!(check(&with_header(&good, &claims())).is_some());
}

#[test]
fn hard_06_huge_and_deep_json_is_refused() {
    let deep = format!("{}{}", "[".repeat(4000), "]".repeat(4000));
    let header = format!(r#"{{"alg":"ES256","kid":"{}","typ":"at+jwt","x":{deep}}}"#, kid());
    let forged = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header));
    assert!(check(&forged).is_none());
    let claims_text = format!(r#"{{"iss":"{ISSUER}","iat":0,"exp":9999999999,"x":{deep}}}"#);
    let header = format!(r#"{{"alg":"ES256","kid":"{}","typ":"at+jwt"}}"#, kid());
    assert!(check(&signed(&header, &claims_text)).is_none());
    let huge = token("at+jwt", &with("x", json!("x".repeat(MAX_JWT))));
    assert!(huge.len() > MAX_JWT && check(&huge).is_none());
    let large = token("at+jwt", &with("x", json!("x".repeat(8000))));
    assert!(check(&large).is_some());
}

#[test]
fn jwt_04_only_published_keys_count() {
    let token = token("at+jwt", &claims());
    let mut state = key_state(ALG, 0);
    state.phase = oidc_crds::resources::signing_key::Phase::Removed;
    let without = Keys::from_key_set(&key_set(vec![state, key_state(ALG, 1)])).unwrap();
    assert!(verify_access_token(&token, &without, ISSUER, NOW).is_none());
}

#[test]
fn disc_03_a_private_or_odd_public_key_is_refused() {
    let good = jwk(ALG, 0).public().unwrap();
    assert!(Verifier::new(&good).is_ok());
    for (name, value) in [
        ("d", json!("AAAA")),
        ("k", json!("AAAA")),
        ("alg", json!("HS256")),
        ("alg", json!("ES384")),
        ("alg", json!("RS256")),
        ("alg", json!("EdDSA")),
        ("alg", Value::Null),
        ("kid", Value::Null),
        ("crv", json!("P-384")),
        ("kty", json!("oct")),
        ("x", json!("AAAA")),
        ("y", json!("!")),
    ] {
        let mut odd = good.clone();
        odd.insert(name.to_owned(), value.clone());
        assert!(Verifier::new(&odd).is_err(), "{name} {value}");
    }
    let mut short = jwk(Algorithm::RS256, 0).public().unwrap();
    short.insert("n".to_owned(), json!(URL_SAFE_NO_PAD.encode([0xff; 128])));
    assert!(Verifier::new(&short).is_err(), "RSA keys have at least 2048 bits");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn checking_never_panics(text in "\\PC{0,60}", dots in "[A-Za-z0-9_-]{0,20}(\\.[A-Za-z0-9_-]{0,20}){0,4}") {
        prop_assert!(check(&text).is_none());
        prop_assert!(check(&dots).is_none());
    }

    #[test]
    fn odd_headers_never_panic(header in "\\PC{0,60}") {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode("{}"));
        let unsigned = message + ".AAAA";
        prop_assert!(check(&unsigned).is_none());
    }

    #[test]
    fn one_changed_byte_breaks_a_token(at in 0usize..500, bit in 0u8..7) {
        let good = token("at+jwt", &claims());
        let mut bytes = good.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(check(&changed).is_none());
        }
    }
}
