use oidc_crds::names::Algorithm;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{CHALLENGE, ISSUER, REDIRECT, client, client_with, keys, public_client, strings};

/// A good request with these parameters instead of or beside the usual ones; `None` leaves one out.
fn query(changes: &[(&str, Option<&str>)]) -> Params {
    let usual = [
        ("client_id", "default.app"),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", "openid profile"),
        ("state", "st&te"),
        ("nonce", "n-0S6"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in usual {
        if !changes.iter().any(|(changed, _)| *changed == name) {
            form.append_pair(name, value);
        }
    }
    for (name, value) in changes {
        if let Some(value) = value {
            form.append_pair(name, value);
        }
    }
    Params::parse(form.finish().as_bytes()).unwrap()
}

fn prove(params: &Params, client: &Arc<Client>) -> Result<(Arc<Client>, ReturnTo), OAuthError> {
    let find = |id: &str| (id == client.client_id()).then(|| Arc::clone(client));
    prove_client(params, find, ISSUER)
}

/// Both halves; the second's errors come with where they go.
fn ask_of(client: &Arc<Client>, params: &Params) -> Result<AuthorizationRequest, (ErrorCode, ReturnTo)> {
    let (client, return_to) = prove(params, client).expect("the first half holds");
    check(params, &client, &return_to, &keys(&[Algorithm::ES256])).map_err(|error| (error.code, return_to))
}

fn ask(changes: &[(&str, Option<&str>)]) -> Result<AuthorizationRequest, ErrorCode> {
    ask_of(&client(), &query(changes)).map_err(|(code, _)| code)
}

#[test]
fn a_good_request_passes_unchanged() {
    let request = ask(&[
        ("login_hint", Some("jdoe")),
        ("max_age", Some("60")),
        ("ui_locales", Some("tlh de-CH fr")),
    ])
    .unwrap();
    assert_eq!(
        request,
        AuthorizationRequest {
            client_uid: "uid-app".to_owned(),
            client_id: "default.app".to_owned(),
            redirect_uri: Some(REDIRECT.to_owned()),
            response_mode: ResponseMode::Query,
            state: Some("st&te".to_owned()),
            nonce: Some("n-0S6".to_owned()),
            scope: strings(&["openid", "profile"]),
            scope_changed: false,
            code_challenge: Some(CHALLENGE.to_owned()),
            audience: Vec::new(),
            prompt: Prompt::default(),
            max_age: Some(60),
            login_hint: Some("jdoe".to_owned()),
            language: Some(Language::De),
            hinted_subject: None,
        }
    );
}

#[test]
fn err_02_until_the_client_is_proven_errors_stay_on_our_page() {
    for changes in [
        [("client_id", None)],
        [("client_id", Some("nobody"))],
        [("redirect_uri", None)],
        [("redirect_uri", Some("https://evil.example/cb"))],
    ] {
        let error = prove(&query(&changes), &client()).unwrap_err();
        assert_eq!(error.code.status(), 400, "{changes:?}");
    }
}

#[test]
fn err_02_then_they_go_to_the_client_by_the_requested_mode() {
    for (mode, separator) in [
        (None, '?'),
        (Some("fragment"), '#'),
        (Some("query"), '?'),
        (Some("pigeon"), '?'),
    ] {
        let params = query(&[("response_type", Some("token")), ("response_mode", mode)]);
        let (code, return_to) = ask_of(&client(), &params).unwrap_err();
        assert_eq!(code, ErrorCode::UnsupportedResponseType);
        let reply = return_to.with_error(&OAuthError::new(code, "x"));
        let address = reply.address();
        let start = format!("{REDIRECT}{separator}error=unsupported_response_type");
        assert!(address.starts_with(&start), "{address}");
        assert!(address.contains("&state=st%26te&iss=https%3A%2F%2Fid.example.com"));
    }
}

#[test]
fn err_03_descriptions_echo_no_input() {
    let canary = "zzcanaryzz";
    for name in [
        "client_id",
        "redirect_uri",
        "response_type",
        "response_mode",
        "scope",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "max_age",
        "resource",
        "request",
    ] {
        let params = query(&[(name, Some(canary))]);
        let error = match prove(&params, &client()) {
            Err(error) => error,
            Ok((client, to)) => check(&params, &client, &to, &keys(&[Algorithm::ES256])).expect_err(name),
        };
        assert!(!error.to_string().contains(canary), "{name}: {error}");
        let told = format!("{error:?}");
        assert!(!told.contains(canary), "{name}: {told}");
    }
}

#[test]
fn par_02_request_objects_are_refused_by_name() {
    for (name, code) in [
        ("request", ErrorCode::RequestNotSupported),
        ("request_uri", ErrorCode::RequestUriNotSupported),
        ("registration", ErrorCode::RegistrationNotSupported),
    ] {
        // Whatever else is wrong with the request.
        let changes = [(name, Some("x")), ("response_type", None), ("scope", None)];
        assert_eq!(ask(&changes), Err(code));
    }
}

#[test]
fn par_02_unknown_parameters_and_az_12_hints_never_cause_an_error() {
    let long = "x".repeat(300);
    let request = ask(&[
        ("foo", Some("bar")),
        ("display", Some("wap")),
        ("ui_locales", Some("xx-invalid tlh")),
        ("claims_locales", Some("??")),
        ("acr_values", Some("9")),
        ("login_hint", Some(&long)),
    ])
    .unwrap();
    assert_eq!(request.login_hint, None);
    assert_eq!(request.language, None);
}

#[test]
fn az_04_code_is_the_only_response_type() {
    assert_eq!(ask(&[("response_type", None)]), Err(ErrorCode::InvalidRequest));
    for unknown in ["token", "id_token", "code id_token", "none", "CODE", "code "] {
        let refused = ask(&[("response_type", Some(unknown))]);
        assert_eq!(refused, Err(ErrorCode::UnsupportedResponseType), "{unknown}");
    }
}

#[test]
fn az_04_query_fragment_and_form_post_are_the_response_modes() {
    let mode = |text| ask(&[("response_mode", text)]).map(|request| request.response_mode);
    assert_eq!(mode(None), Ok(ResponseMode::Query));
    assert_eq!(mode(Some("query")), Ok(ResponseMode::Query));
    assert_eq!(mode(Some("fragment")), Ok(ResponseMode::Fragment));
    assert_eq!(mode(Some("form_post")), Ok(ResponseMode::FormPost));
    for unknown in ["form_post.jwt", "jwt", "Query"] {
        assert_eq!(mode(Some(unknown)), Err(ErrorCode::InvalidRequest), "{unknown}");
    }
}

#[test]
fn az_04_a_client_without_the_grant_is_unauthorized() {
    let machine = client_with(json!({"grantTypes": ["client_credentials"]}));
    let refused = ask_of(&machine, &query(&[])).unwrap_err();
    assert_eq!(refused.0, ErrorCode::UnauthorizedClient);
}

#[test]
fn az_05_long_state_and_nonce_work_and_endless_ones_do_not() {
    let (good, bad) = ("s".repeat(384), "s".repeat(5000));
    let request = ask(&[("state", Some(&good)), ("nonce", Some(&good))]).unwrap();
    assert_eq!((request.state, request.nonce), (Some(good.clone()), Some(good)));
    assert_eq!(ask(&[("state", Some(&bad))]), Err(ErrorCode::InvalidRequest));
    assert_eq!(ask(&[("nonce", Some(&bad))]), Err(ErrorCode::InvalidRequest));
}

#[test]
fn az_06_public_clients_and_by_default_all_need_pkce() {
    let without = query(&[("code_challenge", None), ("code_challenge_method", None)]);
    for strict in [client(), public_client()] {
        assert_eq!(
            ask_of(&strict, &without).unwrap_err().0,
            ErrorCode::InvalidRequest
        );
    }
    let lax = client_with(json!({"pkce": "optional"}));
    assert_eq!(ask_of(&lax, &without).unwrap().code_challenge, None);
}

#[test]
fn az_08_dropped_scopes_are_noted() {
    let request = ask(&[("scope", Some("openid phone email"))]).unwrap();
    assert_eq!(
        (request.scope, request.scope_changed),
        (strings(&["openid", "email"]), true)
    );
    assert_eq!(ask(&[("scope", Some("phone"))]), Err(ErrorCode::InvalidScope));
    assert_eq!(ask(&[("scope", None)]), Err(ErrorCode::InvalidScope));
}

#[test]
fn az_02_plain_oauth_may_leave_the_only_redirect_uri_out() {
    let params = query(&[("redirect_uri", None), ("scope", Some("api"))]);
    let (_, return_to) = prove(&params, &client()).unwrap();
    assert_eq!(return_to.redirect_uri(), REDIRECT);
    assert_eq!(ask_of(&client(), &params).unwrap().redirect_uri, None);
}

#[test]
fn az_16_an_unknown_audience_is_invalid_target() {
    let request = ask(&[
        ("resource", Some("https://api.example.com")),
        ("audience", Some(ISSUER)),
    ])
    .unwrap();
    assert_eq!(request.audience, ["https://api.example.com", ISSUER]);
    assert_eq!(
        ask(&[("resource", Some("https://evil.example"))]),
        Err(ErrorCode::InvalidTarget)
    );
}

#[test]
fn ses_01_hard_15_a_request_that_comes_back_is_checked_again() {
    let request = ask(&[("state", Some("s"))]).unwrap();
    let same = recheck(&request, &client(), ISSUER).unwrap();
    assert_eq!(same, prove(&query(&[("state", Some("s"))]), &client()).unwrap().1);
    for spec in [
        json!({"redirectUris": ["https://app.example.com/other"]}),
        json!({"scopes": ["openid"]}),
        json!({"grantTypes": ["client_credentials"]}),
        json!({"clientId": "other"}),
    ] {
        let now = client_with(spec.clone());
        assert!(recheck(&request, &now, ISSUER).is_err(), "{spec}");
    }
    let namesake = AuthorizationRequest {
        client_uid: "uid-of-the-old-one".to_owned(),
        ..request.clone()
    };
    assert!(recheck(&namesake, &client(), ISSUER).is_err());
    let bare = AuthorizationRequest {
        code_challenge: None,
        ..request.clone()
    };
    assert!(recheck(&bare, &client(), ISSUER).is_err());
    let wide = AuthorizationRequest {
        audience: strings(&["https://gone.example"]),
        ..request.clone()
    };
    assert!(recheck(&wide, &client(), ISSUER).is_err());
    let fragment = AuthorizationRequest {
        response_mode: ResponseMode::Fragment,
        ..request
    };
    let back = recheck(&fragment, &client(), ISSUER).unwrap();
    assert!(back.with_code("x").address().contains("#code=x"));
}

#[test]
fn a_request_survives_serialisation() {
    let request = ask(&[
        ("prompt", Some("login consent")),
        ("response_mode", Some("fragment")),
    ])
    .unwrap();
    let text = serde_json::to_string(&request).unwrap();
    assert_eq!(
        serde_json::from_str::<AuthorizationRequest>(&text).unwrap(),
        request
    );
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["response_mode"], "fragment");
}

proptest! {
    #[test]
    fn checking_never_panics(
        name in "(client_id|redirect_uri|response_type|response_mode|scope|state|nonce|code_challenge\
                 |code_challenge_method|prompt|max_age|resource|login_hint|request)",
        value in "\\PC{1,40}",
    ) {
        let params = query(&[(name.as_str(), Some(value.as_str()))]);
        if let Ok((client, return_to)) = prove(&params, &client()) {
            let _ = check(&params, &client, &return_to, &keys(&[Algorithm::ES256]));
        }
    }
}

#[test]
fn az_11_a_hint_of_ours_names_the_subject_even_expired() {
    let hint = |claims: Value| {
        let jwk = crate::testing::jwk(Algorithm::ES256, 0);
        let signer = crate::jwt::Signer::new(&jwk.thumbprint().unwrap(), &jwk).unwrap();
        signer.sign("JWT", &claims).unwrap()
    };
    let claims = json!({"iss": ISSUER, "sub": "jdoe", "aud": "default.app", "sid": "x", "exp": 1, "iat": 1});
    let good = hint(claims.clone());
    for prompt in [None, Some("none")] {
        let request = ask(&[("id_token_hint", Some(&good)), ("prompt", prompt)]).unwrap();
        assert_eq!(request.hinted_subject.as_deref(), Some("jdoe"));
    }
    let mut foreign = claims;
    foreign["iss"] = "https://evil.example".into();
    for bad in [hint(foreign), format!("{good}x"), "x".to_owned()] {
        let request = ask(&[("id_token_hint", Some(&bad))]).unwrap();
        assert_eq!(request.hinted_subject, None);
        assert_eq!(
            ask(&[("id_token_hint", Some(&bad)), ("prompt", Some("none"))]),
            Err(ErrorCode::LoginRequired)
        );
    }
}

#[test]
fn tok_06_offline_access_needs_refresh_tokens_and_somebody_to_ask() {
    let offline = |spec: Value, prompt: Option<&str>| {
        let mut usual = json!({"scopes": ["openid", "offline_access"]});
        usual
            .as_object_mut()
            .unwrap()
            .extend(spec.as_object().unwrap().clone());
        let params = query(&[("scope", Some("openid offline_access")), ("prompt", prompt)]);
        let request = ask_of(&client_with(usual), &params).unwrap();
        assert_eq!(request.scope_changed, request.scope.len() == 1);
        request.scope.len() == 2
    };
    assert!(offline(json!({}), None));
    assert!(offline(json!({}), Some("login")));
    assert!(!offline(json!({}), Some("none")));
    assert!(offline(json!({"consent": "skip"}), Some("none")));
    assert!(!offline(json!({"grantTypes": ["authorization_code"]}), None));
}
