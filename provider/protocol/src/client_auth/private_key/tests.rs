use oidc_crds::names::Algorithm;
use serde_json::{Value, json};

use super::super::{Presented, PresentedSecret, authenticate as by_secret};
use super::*;
use crate::error::ErrorCode;
use crate::jwt::Signer;
use crate::params::Params;
use crate::testing::{ISSUER, NOW, client_with, jwk};

const ENDPOINT: &str = "https://id.example.com/token";
const ALIAS: &str = "https://mtls.example.com:8443/token";
const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client with one key of each algorithm.
fn client() -> Arc<Client> {
    let keys: Vec<Value> = Algorithm::ALL
        .into_iter()
        .map(|algorithm| Value::Object(jwk(algorithm, 0).public().unwrap()))
        .collect();
    client_with(json!({"authentication": {"privateKeyJwt": {"jwks": {"keys": keys}}}}))
}

fn claims() -> Value {
    json!({
        "iss": "default.app", "sub": "default.app", "aud": ISSUER, "jti": "one",
        "iat": NOW.as_second(), "exp": NOW.as_second() + 60,
    })
}

/// The usual claims with another member, or without it for `null`.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

fn sign(algorithm: Algorithm, number: usize, claims: &Value) -> String {
    let key = jwk(algorithm, number);
    Signer::new(&key.thumbprint().unwrap(), &key)
        .unwrap()
        .sign("JWT", claims)
        .unwrap()
}

fn form(pairs: &[(&str, &str)]) -> Params {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(pairs);
    Params::parse(body.finish().as_bytes()).unwrap()
}

fn read(token: &str) -> Result<Presented, OAuthError> {
    Presented::read(
        None,
        &form(&[("client_assertion", token), ("client_assertion_type", KIND)]),
    )
}

fn judge(client: Option<&Arc<Client>>, token: &str) -> Result<Once, OAuthError> {
    let presented = read(token)?;
    let audiences = Audiences {
        issuer: ISSUER,
        endpoint: ENDPOINT,
        alias: Some(ALIAS),
    };
    authenticate(client, presented.assertion().unwrap(), None, audiences, NOW)
}

fn refused(client: Option<&Arc<Client>>, token: &str) -> OAuthError {
    let Err(error) = judge(client, token) else {
        panic!("{token} was accepted")
    };
    assert_eq!(error.code, ErrorCode::InvalidClient);
    assert!(!error.challenge);
    error
}

#[test]
fn ca_04_each_algorithm_proves_the_client() {
    for algorithm in Algorithm::ALL {
        let once = judge(Some(&client()), &sign(algorithm, 0, &claims())).unwrap();
        assert_eq!(once.until.as_second(), NOW.as_second() + 70);
        let proven = once.first(true).unwrap();
        assert_eq!(proven.client().client_id(), "default.app");
        assert_eq!(proven.credential_id(), None);
    }
}

#[test]
fn ca_04_a_jti_is_good_once_for_each_client() {
    let once = judge(Some(&client()), &sign(Algorithm::ES256, 0, &claims())).unwrap();
    let again = judge(Some(&client()), &sign(Algorithm::EdDSA, 0, &claims())).unwrap();
    assert_eq!(once.jti, again.jti);
    assert!(
        once.jti
            != judge(
                Some(&client()),
                &sign(Algorithm::ES256, 0, &with("jti", "two".into()))
            )
            .unwrap()
            .jti
    );
    let error = again.first(false).unwrap_err();
    assert!(error.description.contains("used before"), "{error}");
}

#[test]
fn ca_04_the_audience_is_the_issuer_or_the_endpoint_alone() {
    let both = json!([ISSUER, ENDPOINT]);
    for (aud, good) in [
        (json!(ISSUER), true),
        (json!([ISSUER]), true),
        (json!(ENDPOINT), true),
        (json!(ALIAS), true),
        (json!([ALIAS, ENDPOINT]), false),
        (both, false),
        (json!([]), false),
        (json!("https://id.example.com/"), false),
        (json!("https://id.example.com/introspect"), false),
        (json!([ISSUER, "https://other.example.com"]), false),
    ] {
        let token = sign(Algorithm::ES256, 0, &with("aud", aud.clone()));
        assert_eq!(judge(Some(&client()), &token).is_ok(), good, "{aud}");
    }
}

#[test]
fn ca_04_claims_are_held_to_rfc_7523_and_the_reason_is_told() {
    let now = NOW.as_second();
    for (name, value, reason) in [
        ("iss", json!("default.other"), "iss and sub"),
        ("sub", json!("default.other"), "iss and sub"),
        ("aud", json!("https://elsewhere"), "aud"),
        ("exp", json!(now - 10), "expired"),
        ("exp", json!(now + 3611), "more than an hour"),
        ("nbf", json!(now + 11), "not good yet"),
        ("iat", json!(now + 11), "not good yet"),
        ("jti", Value::Null, "needs a jti"),
        ("jti", json!(""), "needs a jti"),
        ("jti", json!("j".repeat(257)), "needs a jti"),
    ] {
        let error = refused(Some(&client()), &sign(Algorithm::ES256, 0, &with(name, value)));
        assert!(error.description.contains(reason), "{name}: {error}");
    }
    for (name, value) in [
        // clocks differ a little
        ("exp", json!(now - 9)),
        ("exp", json!(now + 3610)),
        ("nbf", json!(now + 10)),
        ("iat", json!(now + 10)),
        ("iat", Value::Null),
        ("exp", json!(now as f64 + 60.75)),
    ] {
        let token = sign(Algorithm::ES256, 0, &with(name, value.clone()));
        assert!(judge(Some(&client()), &token).is_ok(), "{name} {value}");
    }
}

#[test]
fn ca_04_what_is_malformed_is_refused_and_never_panics() {
    let good = sign(Algorithm::ES256, 0, &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |text: &str| oidc_encode(text);
    let mut odd = vec![
        "a".to_owned(),
        "a.b.c".to_owned(),
        "...".to_owned(),
        parts[..2].join("."),
        format!("{good}.x"),
        format!("{good}="),
        "x".repeat(20_000),
    ];
    for claims in [
        "[]",
        "{}",
        "7",
        r#"{"iss":"default.app","iss":"default.app","sub":"default.app","aud":"a","exp":1}"#,
        r#"{"iss":"default.app","sub":"default.app","aud":7,"exp":1}"#,
        r#"{"iss":"default.app","sub":"default.app","aud":"a","exp":"1"}"#,
        r#"{"iss":"default.app","sub":"default.app","aud":"a","exp":-1}"#,
        r#"{"iss":"default.app","sub":"default.app","aud":"a","exp":1e300}"#,
    ] {
        odd.push(format!("{}.{}.{}", parts[0], encode(claims), parts[2]));
    }
    for header in ["[]", "{}", r#"{"alg":7}"#, r#"{"alg":"ES256","alg":"none"}"#] {
        odd.push(format!("{}.{}.{}", encode(header), parts[1], parts[2]));
    }
    for token in &odd {
        refused(Some(&client()), token);
    }
}

fn oidc_encode(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

/// A token with this header, signed by the client's key of an algorithm.
fn with_header(header: &Value, algorithm: Algorithm) -> String {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    use base64::Engine;
    assert_eq!(algorithm, Algorithm::ES256);
    let message = format!(
        "{}.{}",
        oidc_encode(&header.to_string()),
        oidc_encode(&claims().to_string())
    );
    let pair = EcdsaKeyPair::from_pkcs8(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        &jwk(algorithm, 0).to_pkcs8().unwrap(),
    )
    .unwrap();
    let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!(
        "{message}.{}",
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(signature)
    )
}

#[test]
fn hard_06_ca_04_tricks_with_the_header_are_refused() {
    let kid = jwk(Algorithm::ES256, 0).thumbprint().unwrap();
    let own = jwk(Algorithm::ES256, 1);
    let es256 = |header: Value| with_header(&header, Algorithm::ES256);
    assert!(judge(Some(&client()), &es256(json!({"alg": "ES256", "kid": kid}))).is_ok());
    // the only key of its algorithm needs no name
    assert!(judge(Some(&client()), &es256(json!({"alg": "ES256"}))).is_ok());
    for header in [
        json!({"alg": "none", "kid": kid}),
        json!({"alg": "HS256", "kid": kid}),
        json!({"alg": "ES384", "kid": kid}),
        json!({"alg": "RS256", "kid": kid}),
        json!({"alg": "ES256", "kid": "other"}),
        json!({"alg": "ES256", "kid": "../../etc/passwd"}),
        json!({"alg": "ES256", "kid": kid, "crit": ["exp"]}),
        json!({"alg": "ES256", "kid": kid, "crit": []}),
    ] {
        let error = refused(Some(&client()), &es256(header.clone()));
        assert!(
            error.description.starts_with("Client authentication failed"),
            "{header}: {error}"
        );
    }
    // a key that comes along proves nothing
    let mut header = json!({"alg": "ES256", "jwk": own.public().unwrap(), "jku": "https://evil/keys"});
    assert!(
        judge(Some(&client()), &es256(header.clone())).is_ok(),
        "signed by the registered key"
    );
    header["kid"] = own.thumbprint().unwrap().into();
    refused(Some(&client()), &es256(header));
    // unsigned, and signed by another's key under the client's kid
    let good = sign(Algorithm::ES256, 0, &claims());
    let (message, _) = good.rsplit_once('.').unwrap();
    refused(Some(&client()), &format!("{message}."));
    let forged = Signer::new(&kid, &own).unwrap().sign("JWT", &claims()).unwrap();
    refused(Some(&client()), &forged);
}

#[test]
fn ca_02_ca_04_unknown_client_key_and_signature_look_alike() {
    let forged = sign(Algorithm::ES256, 1, &claims());
    let good = sign(Algorithm::ES256, 0, &claims());
    let (message, _) = good.rsplit_once('.').unwrap();
    let secret = client_with(json!({}));
    let public = client_with(json!({"authentication": {"none": {}}}));
    let mut answers = [
        refused(None, &good),
        refused(Some(&client()), &forged),
        refused(Some(&client()), &format!("{message}.AAAA")),
        refused(Some(&secret), &good),
        refused(Some(&public), &good),
    ];
    for answer in &mut answers {
        assert!(answer.cause.take().is_some());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert!(DECOY.is_some());
}

#[test]
fn ca_04_the_client_id_in_the_request_is_that_of_the_assertion() {
    let token = sign(Algorithm::ES256, 0, &claims());
    assert_eq!(read(&token).unwrap().unverified_client_id(), "default.app");
    let pairs = [
        ("client_id", "default.other"),
        ("client_assertion", &*token),
        ("client_assertion_type", KIND),
    ];
    // whoever is claimed is looked up, and iss and sub are held against it
    let presented = Presented::read(None, &form(&pairs)).unwrap();
    assert_eq!(presented.unverified_client_id(), "default.other");
}

#[test]
fn ca_02_an_assertion_comes_alone() {
    let token = sign(Algorithm::ES256, 0, &claims());
    let both = [("client_assertion", &*token), ("client_assertion_type", KIND)];
    let told = |header, pairs: &[(&str, &str)]| match Presented::read(header, &form(pairs)) {
        Ok(_) => panic!("{pairs:?} was accepted"),
        Err(error) => error.code,
    };
    let [assertion, kind] = both;
    for pairs in [
        &[assertion, kind, ("client_secret", "x")][..],
        &[assertion],
        &[kind, ("client_id", "default.app")],
        &[
            assertion,
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
            ),
        ],
    ] {
        assert_eq!(told(None, pairs), ErrorCode::InvalidRequest, "{pairs:?}");
    }
    assert_eq!(told(Some("Basic eDp5"), &both), ErrorCode::InvalidRequest);
}

#[test]
fn ca_01_a_client_with_keys_takes_no_secret_and_no_silence() {
    let pepper =
        oidc_crds::secrets::pepper::Pepper::generate(NOW, &mut oidc_crds::testing::SeededRng::new(3));
    for pairs in [
        &[("client_id", "default.app")][..],
        &[("client_id", "default.app"), ("client_secret", "x")],
    ] {
        let presented = Presented::read(None, &form(pairs)).unwrap();
        assert!(!matches!(presented.secret, PresentedSecret::Assertion(_)));
        let error = by_secret(Some(&client()), &presented, &pepper, NOW).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidClient);
    }
    // nor does the way of secrets take an assertion
    let presented = read(&sign(Algorithm::ES256, 0, &claims())).unwrap();
    assert!(by_secret(Some(&client()), &presented, &pepper, NOW).is_err());
}
