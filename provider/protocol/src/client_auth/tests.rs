use jiff::SignedDuration;
use oidc_crds::testing::SeededRng;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{NOW, client_with, public_client};

const SECRET: &str = "s3cret:with+odd%chars and blanks";

fn pepper() -> Pepper {
    Pepper::generate(NOW, &mut SeededRng::new(21))
}

/// A client with one credential, which retires in an hour.
fn client(spec: serde_json::Value) -> Arc<Client> {
    let bare = client_with(spec.clone());
    let secret = ClientSecret::new(SECRET.to_owned());
    crate::testing::client_with_status(
        spec,
        json!({
            "conditions": [],
            "credentials": [{
                "id": "0123456789abcdef",
                "digest": credentials::digest(&pepper(), bare.uid(), "0123456789abcdef", &secret),
                "createdAt": "2026-01-01T00:00:00Z",
                "retiresAt": (NOW + SignedDuration::from_hours(1)).to_string(),
            }],
        }),
    )
}

fn form(pairs: &[(&str, &str)]) -> Params {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(pairs);
    Params::parse(body.finish().as_bytes()).unwrap()
}

fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn basic_header(id: &str, secret: &str) -> String {
    format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", encode(id), encode(secret)))
    )
}

fn by_basic(id: &str, secret: &str) -> Presented {
    Presented::read(Some(&basic_header(id, secret)), &form(&[])).unwrap()
}

fn by_post(id: &str, secret: &str) -> Presented {
    Presented::read(None, &form(&[("client_id", id), ("client_secret", secret)])).unwrap()
}

fn by_id(id: &str) -> Presented {
    Presented::read(None, &form(&[("client_id", id)])).unwrap()
}

fn try_at(
    client: Option<&Arc<Client>>,
    presented: &Presented,
    now: Timestamp,
) -> Result<Option<String>, OAuthError> {
    authenticate(client, presented, &pepper(), now).map(|client| client.credential_id)
}

fn read_error(header: Option<&str>, pairs: &[(&str, &str)]) -> OAuthError {
    match Presented::read(header, &form(pairs)) {
        Ok(_) => panic!("accepted"),
        Err(error) => error,
    }
}

#[test]
fn ca_01_a_secret_comes_by_basic_or_in_the_body() {
    let client = client(json!({}));
    for presented in [by_basic("default.app", SECRET), by_post("default.app", SECRET)] {
        assert_eq!(presented.unverified_client_id(), "default.app");
        let id = try_at(Some(&client), &presented, NOW).unwrap();
        assert_eq!(id.as_deref(), Some("0123456789abcdef"));
    }
}

#[test]
fn ca_01_a_fixed_method_is_the_only_one() {
    for (method, good, bad) in [
        (
            "client_secret_basic",
            by_basic("default.app", SECRET),
            by_post("default.app", SECRET),
        ),
        (
            "client_secret_post",
            by_post("default.app", SECRET),
            by_basic("default.app", SECRET),
        ),
    ] {
        let client = client(json!({"authentication": {"clientSecret": {"method": method}}}));
        assert!(try_at(Some(&client), &good, NOW).is_ok());
        assert_eq!(
            try_at(Some(&client), &bad, NOW).unwrap_err().code,
            ErrorCode::InvalidClient
        );
    }
}

#[test]
fn ca_01_basic_credentials_are_form_decoded() {
    let read = basic(&basic_header("a:b%c d", "x:y+z")).unwrap();
    assert_eq!((read.0.as_str(), read.1.expose()), ("a:b%c d", "x:y+z"));
    // The colon that separates is the first one; a secret may hold others, unencoded.
    let read = basic(&format!("bAsIc {}", STANDARD.encode("id:one:two"))).unwrap();
    assert_eq!((read.0.as_str(), read.1.expose()), ("id", "one:two"));
}

#[test]
fn ca_02_two_methods_at_once_are_an_invalid_request() {
    let header = basic_header("default.app", SECRET);
    let error = read_error(
        Some(&header),
        &[("client_id", "default.app"), ("client_secret", SECRET)],
    );
    assert_eq!(error.code, ErrorCode::InvalidRequest);
    let error = read_error(Some(&header), &[("client_id", "another")]);
    assert_eq!(error.code, ErrorCode::InvalidRequest);
    assert!(Presented::read(Some(&header), &form(&[("client_id", "default.app")])).is_ok());
}

#[test]
fn ca_02_unknown_client_wrong_secret_and_wrong_method_look_alike() {
    let client = client(json!({}));
    let fixed =
        super::tests::client(json!({"authentication": {"clientSecret": {"method": "client_secret_basic"}}}));
    let mut answers = [
        try_at(None, &by_post("nobody", SECRET), NOW),
        try_at(Some(&client), &by_post("default.app", "wrong"), NOW),
        try_at(Some(&fixed), &by_post("default.app", SECRET), NOW),
        try_at(Some(&client), &by_id("default.app"), NOW),
        try_at(Some(&public_client()), &by_post("default.app", SECRET), NOW),
        // What the snapshot found is not what was claimed.
        try_at(Some(&client), &by_post("default.other", SECRET), NOW),
        // No credential yet.
        try_at(
            Some(&client_with(json!({}))),
            &by_post("default.app", SECRET),
            NOW,
        ),
    ]
    .map(|answer| answer.unwrap_err());
    for answer in &mut answers {
        answer.cause = None;
    }
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
        assert_eq!(answer.code, ErrorCode::InvalidClient);
        assert!(!answer.challenge);
    }
}

#[test]
fn ca_02_a_retired_credential_is_no_longer_accepted() {
    let client = client(json!({}));
    let later = NOW + SignedDuration::from_hours(1);
    assert!(try_at(Some(&client), &by_post("default.app", SECRET), later).is_err());
}

#[test]
fn ca_03_public_clients_send_client_id_and_no_secret() {
    let public = public_client();
    assert_eq!(try_at(Some(&public), &by_id("default.app"), NOW), Ok(None));
    for presented in [by_post("default.app", "x"), by_basic("default.app", "")] {
        let error = try_at(Some(&public), &presented, NOW).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidClient);
    }
}

#[test]
fn ca_03_nobody_is_an_invalid_request() {
    assert_eq!(read_error(None, &[]).code, ErrorCode::InvalidRequest);
    assert_eq!(
        read_error(None, &[("client_secret", "x")]).code,
        ErrorCode::InvalidRequest
    );
}

#[test]
fn err_01_a_client_that_used_the_header_is_challenged() {
    let client = client(json!({}));
    let error = try_at(Some(&client), &by_basic("default.app", "wrong"), NOW).unwrap_err();
    assert!(error.challenge);
    assert_eq!(error.code.status(), 401);
    for odd in [
        "Bearer abc",
        "Basic",
        "Basic !!!",
        "Basic Zm9v",
        "Digest x",
        "",
        "Basic OnNlY3JldA==",
        &format!("Basic {}", STANDARD.encode("a%:b")),
        &format!("Basic {}", STANDARD.encode(b"a:\xff")),
    ] {
        let error = read_error(Some(odd), &[]);
        assert_eq!(error.code, ErrorCode::InvalidClient, "{odd}");
        assert!(error.challenge, "{odd}");
    }
}

#[test]
fn i9_errors_hold_no_secret() {
    let client = client(json!({}));
    let error = try_at(Some(&client), &by_basic("default.app", "hunter2"), NOW).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("hunter2"));
    let client = authenticate(Some(&client), &by_basic("default.app", SECRET), &pepper(), NOW).unwrap();
    assert!(!format!("{client:?}").contains(SECRET));
    assert_eq!(client.client().client_id(), "default.app");
    assert_eq!(client.credential_id(), Some("0123456789abcdef"));
}

proptest! {
    #[test]
    fn reading_a_header_never_panics(header in "\\PC{0,60}", scheme in "(Basic |basic |)") {
        let _ = Presented::read(Some(&format!("{scheme}{header}")), &form(&[]));
    }

    #[test]
    fn basic_round_trips(id in "\\PC{1,20}", secret in "\\PC{0,20}") {
        let (read_id, read_secret) = basic(&basic_header(&id, &secret)).unwrap();
        prop_assert_eq!(read_id, id);
        prop_assert_eq!(read_secret.expose(), secret.as_str());
    }
}
