//! Clients that prove themselves by a JWT of their own (RFC 7523).

use serde_json::{Value, json};

use super::support::*;

fn with(assertion: &[(&'static str, String)], more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
    assertion.iter().cloned().chain(more).collect()
}

/// A token for the client itself.
async fn credentials(app: &TestApp, assertion: &[(&'static str, String)]) -> Answer {
    let form = with(
        assertion,
        &[("grant_type", "client_credentials"), ("scope", "api")],
    );
    app.send(Ask::post("/token").form(&form)).await
}

#[tokio::test]
async fn ca_04_a_client_signs_instead_of_sending_a_secret_everywhere() {
    let app = TestApp::new();
    let code = Browser::new(&app).code("keyed", &[("scope", "openid api")]).await;
    let redemption = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let form = with(&app.assertion(|_| {}), &redemption);
    let tokens = Tokens::of(&app.send(Ask::post("/token").form(&form)).await);
    let form = with(
        &app.assertion(|_| {}),
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", &*tokens.refresh),
        ],
    );
    let tokens = Tokens::of(&app.send(Ask::post("/token").form(&form)).await);
    let endpoint = |path: &'static str, token: String| {
        let aud = format!("{ISSUER}{path}");
        let form = with(
            &app.assertion(|claims| claims["aud"] = aud.into()),
            &[("token", &*token)],
        );
        Ask::post(path).form(&form)
    };
    let active = |answer: Answer| answer.json()["active"].clone();
    assert_eq!(
        active(app.send(endpoint("/introspect", tokens.access.clone())).await),
        true
    );
    assert_eq!(
        app.send(endpoint("/revoke", tokens.refresh.clone())).await.status,
        200
    );
    assert_eq!(
        active(app.send(endpoint("/introspect", tokens.access.clone())).await),
        false
    );
}

#[tokio::test]
async fn ca_04_one_round_trip_remembers_the_jti() {
    let app = TestApp::new();
    let (answer, trips) = app.trips(credentials(&app, &app.assertion(|_| {}))).await;
    assert_eq!((answer.status.as_u16(), trips), (200, 1));
    // what is not proven stores nothing (I5)
    let refused = app.assertion(|claims| claims["aud"] = "https://elsewhere".into());
    let (answer, trips) = app.trips(credentials(&app, &refused)).await;
    assert_eq!((answer.status.as_u16(), trips), (401, 0));
}

#[tokio::test]
async fn ca_04_a_jti_works_once_on_all_pods() {
    let app = TestApp::new();
    let assertion = app.assertion(|_| {});
    assert_eq!(credentials(&app, &assertion).await.status, 200);
    let again = credentials(&app, &assertion).await;
    again.is_error(401, "invalid_client");
    assert!(again.text.contains("used before"), "{again:?}");
    let form = with(
        &assertion,
        &[("grant_type", "client_credentials"), ("scope", "api")],
    );
    let answer = send_to(&app.pod(), Ask::post("/token").form(&form)).await;
    answer.is_error(401, "invalid_client");
    // of many at once, one
    let assertion = app.assertion(|_| {});
    let all = futures::future::join_all((0..20).map(|_| credentials(&app, &assertion))).await;
    assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 1);
}

#[tokio::test]
async fn ca_04_an_expired_assertion_is_told_so() {
    let app = TestApp::new();
    let assertion = app.assertion(|_| {});
    app.clock.advance(71);
    let answer = credentials(&app, &assertion).await;
    answer.is_error(401, "invalid_client");
    assert!(answer.text.contains("has expired"), "{answer:?}");
}

#[tokio::test]
async fn ca_04_another_clients_key_opens_nothing() {
    let app = TestApp::new();
    for id in ["default.web", "default.spa", "default.nobody"] {
        let assertion = app.assertion(|claims| {
            claims["iss"] = id.into();
            claims["sub"] = id.into();
        });
        let answer = credentials(&app, &assertion).await;
        answer.is_error(401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), None);
    }
    // nor a client_id beside it
    let form = with(&app.assertion(|_| {}), &[("client_id", "default.web")]);
    credentials(&app, &form).await.is_error(401, "invalid_client");
}

#[tokio::test]
async fn ca_02_an_assertion_beside_a_secret_is_refused() {
    let app = TestApp::new();
    let form = with(&app.assertion(|_| {}), &[("client_secret", "secret")]);
    credentials(&app, &form).await.is_error(400, "invalid_request");
    let form = with(&app.assertion(|_| {}), &[("grant_type", "client_credentials")]);
    let answer = app.send(Ask::post("/token").basic("web").form(&form)).await;
    answer.is_error(400, "invalid_request");
    let query = encoded(&app.assertion(|_| {}));
    let answer = app
        .send(Ask::post(&format!("/token?{query}")).form(&[("grant_type", "client_credentials")]))
        .await;
    answer.is_error(400, "invalid_request");
}

#[tokio::test]
async fn ca_01_a_client_with_keys_takes_no_secret() {
    let app = TestApp::new();
    let form = [("grant_type", "client_credentials")];
    app.token("keyed", &form).await.is_error(401, "invalid_client");
    let bare = [
        ("grant_type", "client_credentials"),
        ("client_id", "default.keyed"),
    ];
    let answer = app.send(Ask::post("/token").form(&bare)).await;
    answer.is_error(401, "invalid_client");
}

#[tokio::test]
async fn ca_04_a_store_that_is_away_lets_nobody_in() {
    let app = TestApp::new();
    app.store.set_away(true);
    credentials(&app, &app.assertion(|_| {}))
        .await
        .is_error(503, "temporarily_unavailable");
}

#[tokio::test]
async fn reg_01_a_client_registers_its_keys() {
    let app = TestApp::with(Setup {
        registration: true,
        ..Setup::default()
    });
    let key = TestApp::client_key(oidc_crds::names::Algorithm::ES256);
    let register = |jwks: Value| {
        let metadata = json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks});
        app.send(Ask::post("/register").body("application/json", metadata.to_string()))
    };
    let answer = register(json!({"keys": [key.public().unwrap()]})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let registered = answer.json();
    assert_eq!(registered["token_endpoint_auth_method"], "private_key_jwt");
    assert!(registered.get("client_secret").is_none());
    assert_eq!(registered["jwks"]["keys"][0]["kid"], key.thumbprint().unwrap());
    for wrong in [
        json!({"keys": []}),
        json!({"keys": [key]}),
        json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}),
        json!({"keys": 7}),
        json!(null),
    ] {
        let answer = register(wrong).await;
        answer.is_error(400, "invalid_client_metadata");
        assert!(answer.text.contains("jwks"), "{answer:?}");
    }
}
