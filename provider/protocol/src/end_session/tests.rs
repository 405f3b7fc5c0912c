use jiff::SignedDuration;
use oidc_crds::names::Algorithm;
use oidc_crds::testing::SeededRng;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::jwt::Signer;
use crate::testing::{ISSUER, NOW, client_with, jwk, keys, other_ring, ring, session};

const AFTER: &str = "https://app.example.com/bye?x=1";
const TAG: LoginTag = LoginTag([1; 16]);
const BROWSER: Digest = Digest([1; 32]);

fn client() -> Arc<Client> {
    client_with(
        json!({"postLogoutRedirectUris": [AFTER, "com.example.app:/bye"], "applicationType": "native"}),
    )
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "jdoe", "aud": "default.app", "sid": sid(&ring(), TAG, "uid-app"),
        "iat": NOW.as_second() - 9_000, "exp": NOW.as_second() - 8_100,
    })
}

fn token(typ: &str, claims: &Value) -> String {
    let jwk = jwk(Algorithm::ES256, 0);
    let signer = Signer::new(&jwk.thumbprint().unwrap(), &jwk).unwrap();
    signer.sign(typ, claims).unwrap()
}

fn hint_with(name: &str, value: Value) -> String {
    let mut claims = claims();
    claims[name] = value;
    token("JWT", &claims)
}

fn hint() -> String {
    token("JWT", &claims())
}

fn ask_of(client: &Arc<Client>, params: &[(&str, &str)]) -> Result<EndSession, OAuthError> {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(params)
        .finish();
    let params = Params::parse(query.as_bytes()).unwrap();
    let find = |id: &str| (id == client.client_id()).then(|| Arc::clone(client));
    read(&params, find, &keys(&[Algorithm::ES256]), ISSUER)
}

fn ask(params: &[(&str, &str)]) -> EndSession {
    ask_of(&client(), params).unwrap()
}

fn goes_to(params: &[(&str, &str)]) -> Option<String> {
    ask(params).target.map(|target| target.address())
}

#[test]
fn out_01_an_expired_hint_of_ours_proves_client_and_login() {
    let asked = ask(&[("id_token_hint", &hint())]);
    assert_eq!(asked.client.as_ref().unwrap().client_id(), "default.app");
    assert!(asked.is_of(&session(), TAG, &ring()));
    assert!(!asked.is_of(&session(), LoginTag([2; 16]), &ring()));
    assert!(!asked.is_of(&session(), TAG, &other_ring()));
    let mut other = session();
    other.subject = "erin".to_owned();
    assert!(!asked.is_of(&other, TAG, &ring()));
}

#[test]
fn out_01_a_hint_that_is_not_ours_counts_as_none() {
    let good = hint();
    let (message, _) = good.rsplit_once('.').unwrap();
    let mut unsigned = claims();
    unsigned["iss"] = ISSUER.into();
    let none = {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header =
            json!({"alg": "none", "typ": "JWT", "kid": jwk(Algorithm::ES256, 0).thumbprint().unwrap()});
        format!("{}.{}.", part(&header), part(&unsigned))
    };
    for wrong in [
        format!("{message}.AAAA"),
        format!("{message}."),
        none,
        "x.y.z".to_owned(),
        token("at+jwt", &claims()),
        token("logout+jwt", &claims()),
        hint_with("token_use", json!("access")),
        hint_with("iss", json!("https://evil.example")),
        hint_with("aud", json!(["default.app"])),
        hint_with("sid", Value::Null),
        hint_with("sub", Value::Null),
    ] {
        let asked = ask(&[
            ("id_token_hint", &wrong),
            ("client_id", "default.app"),
            ("post_logout_redirect_uri", AFTER),
        ]);
        assert!(asked.hint.is_none(), "{wrong}");
        assert!(asked.client.is_some() && asked.target.is_none());
        assert!(!asked.is_of(&session(), TAG, &ring()));
    }
}

#[test]
fn out_01_a_removed_keys_hint_is_accepted() {
    use oidc_crds::resources::signing_key::Phase;

    use crate::testing::{key_set, key_state};
    let mut removed = key_state(Algorithm::ES256, 0);
    removed.phase = Phase::Removed;
    removed.jwk = None;
    let set = key_set(vec![key_state(Algorithm::ES256, 1), removed]);
    let keys = Keys::from_key_set(&set).unwrap();
    assert!(verify_id_token_hint(&hint(), &keys, ISSUER).is_some());
}

#[test]
fn out_01_state_comes_back_only_if_given() {
    let with = |more: &[(&str, &str)]| {
        let hint = hint();
        let mut params = vec![
            ("id_token_hint", hint.as_str()),
            ("post_logout_redirect_uri", AFTER),
        ];
        params.extend(more);
        goes_to(&params).unwrap()
    };
    assert_eq!(with(&[]), AFTER);
    assert_eq!(with(&[("state", "a b&c")]), format!("{AFTER}&state=a+b%26c"));
    assert_eq!(
        with(&[("client_id", "default.app"), ("ui_locales", "x y")]),
        AFTER
    );
    let hint = hint();
    let custom = [
        ("id_token_hint", hint.as_str()),
        ("post_logout_redirect_uri", "com.example.app:/bye"),
        ("state", "s"),
    ];
    assert_eq!(goes_to(&custom).unwrap(), "com.example.app:/bye?state=s");
    let long = "x".repeat(5000);
    assert!(ask_of(&client(), &[("state", &long)]).is_err());
}

#[test]
fn hard_04_only_an_exactly_registered_target_counts() {
    let hint = hint();
    for uri in [
        "https://app.example.com/bye",
        "https://app.example.com/bye?x=1&y=2",
        "https://app.example.com/bye?x=1#f",
        "https://app.example.com/bye?x=1/",
        "https://APP.example.com/bye?x=1",
        "https://app.example.com:443/bye?x=1",
        "https://app.example.com@evil.example/bye?x=1",
        "https://app.example.com\\@evil.example/bye?x=1",
        "//evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        crate::testing::REDIRECT,
    ] {
        let params = [
            ("id_token_hint", hint.as_str()),
            ("post_logout_redirect_uri", uri),
        ];
        assert_eq!(goes_to(&params), None, "{uri}");
    }
    // without a good hint the client may be anybody
    assert_eq!(goes_to(&[("post_logout_redirect_uri", AFTER)]), None);
    assert_eq!(
        goes_to(&[("client_id", "default.app"), ("post_logout_redirect_uri", AFTER)]),
        None
    );
}

#[test]
fn out_01_client_id_must_be_the_hints() {
    let hint = hint();
    assert!(
        ask_of(
            &client(),
            &[("id_token_hint", &hint), ("client_id", "default.other")]
        )
        .is_err()
    );
    let deleted = ask(&[("id_token_hint", &hint_with("aud", json!("default.gone")))]);
    assert!(deleted.client.is_none() && !deleted.is_of(&session(), TAG, &ring()));
    assert!(ask(&[("client_id", "default.gone")]).client.is_none());
}

#[test]
fn out_01_what_the_person_is_asked_about_is_sealed_for_the_browser() {
    let asked = ask(&[("id_token_hint", &hint()), ("post_logout_redirect_uri", AFTER)]);
    let pending = asked.pending(NOW);
    let text = pending.seal(&ring(), &BROWSER, &mut SeededRng::new(1));
    let open = |browser, text: &str, after| {
        PendingLogout::unseal(&ring(), &browser, text, NOW + SignedDuration::from_secs(after))
    };
    assert_eq!(open(BROWSER, &text, 600), Ok(pending.clone()));
    assert_eq!(open(BROWSER, &text, 601), Err(PendingError::Expired));
    assert_eq!(open(Digest([2; 32]), &text, 0), Err(PendingError::Forged));
    assert_eq!(
        crate::pending::Pending::unseal(&ring(), &BROWSER, &text, NOW),
        Err(PendingError::Forged),
        "it is no authorization request"
    );
    assert_eq!(pending.target(Some(&client())).unwrap().address(), AFTER);
    assert_eq!(pending.target(None), None);
    let changed = client_with(json!({"postLogoutRedirectUris": ["https://app.example.com/else"]}));
    assert_eq!(pending.target(Some(&changed)), None);
}

proptest! {
    #[test]
    fn any_hint_is_read_without_a_panic(hint in "\\PC{0,200}") {
        let asked = ask(&[("id_token_hint", &hint), ("post_logout_redirect_uri", AFTER)]);
        prop_assert!(asked.hint.is_none() && asked.target.is_none());
    }
}
