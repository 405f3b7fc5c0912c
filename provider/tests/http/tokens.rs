use serde_json::{Value, json};

use super::support::*;

#[tokio::test]
async fn jwt_01_and_02_the_id_token() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid profile email groups").await;
    let (header, claims) = decode(&tokens.id);
    assert_eq!(header["typ"], "JWT");
    assert_eq!(header["alg"], "RS256");
    let jwks = app.send(Ask::get("/jwks.json")).await.json();
    let kids: Vec<&Value> = jwks["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["kid"])
        .collect();
    assert!(kids.contains(&&header["kid"]));
    let now = app.app.clock.now().as_second();
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["sub"], "jdoe");
    assert_eq!(claims["aud"], "default.web");
    assert_eq!(claims["iat"], now);
    assert_eq!(claims["exp"], now + 900);
    assert_eq!(claims["nonce"], "the-nonce");
    assert_eq!(claims["amr"], json!(["pwd"]));
    assert_eq!(
        claims["acr"],
        "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
    );
    assert_ne!(claims["acr"], "");
    for there in ["at_hash", "sid", "auth_time"] {
        assert!(claims.get(there).is_some(), "{there}");
    }
    for absent in ["email", "name", "groups", "preferred_username"] {
        assert!(claims.get(absent).is_none(), "{absent} comes at userinfo");
    }
}

#[tokio::test]
async fn jwt_02_the_algorithm_is_the_clients() {
    let mut app = TestApp::new();
    app.set_client(
        "web",
        json!({"redirectUris": [REDIRECT], "scopes": ["openid"], "tokens": {
        "idTokenSignedResponseAlg": "ES256", "accessTokenSigningAlg": "ES256"}}),
    );
    let tokens = app.sign_in("web", "openid").await;
    assert_eq!(decode(&tokens.id).0["alg"], "ES256");
    assert_eq!(decode(&tokens.access).0["alg"], "ES256");
}

#[tokio::test]
async fn jwt_03_the_access_token() {
    let mut app = TestApp::new();
    let tokens = app.sign_in("web", "openid groups").await;
    let (header, claims) = decode(&tokens.access);
    assert_eq!(header["typ"], "at+jwt");
    let now = app.app.clock.now().as_second();
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["sub"], "jdoe");
    assert_eq!(claims["aud"], ISSUER);
    assert_eq!(claims["client_id"], "default.web");
    assert_eq!(claims["scope"], "openid groups");
    assert_eq!(claims["iat"], now);
    assert_eq!(claims["exp"], now + 900);
    assert_eq!(claims["groups"], json!(["staff"]));
    assert!(claims["jti"].is_string() && claims["auth_time"].is_i64());
    app.set_client(
        "web",
        json!({"redirectUris": [REDIRECT], "scopes": ["openid"],
        "tokens": {"accessTokenType": "JWT"}}),
    );
    let tokens = app.sign_in("web", "openid").await;
    let (header, claims) = decode(&tokens.access);
    assert_eq!(
        (header["typ"].as_str(), claims["token_use"].as_str()),
        (Some("JWT"), Some("access"))
    );
    assert_eq!(app.userinfo(&tokens.access).await.status, 200);
}

#[tokio::test]
async fn jwt_04_only_our_own_access_tokens_are_accepted() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid").await;
    let mut parts = tokens.access.splitn(3, '.');
    let (header, claims, signature) = (
        parts.next().unwrap(),
        parts.next().unwrap(),
        parts.next().unwrap(),
    );
    use base64::Engine;
    let encode = |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let kid = decode(&tokens.access).0["kid"].clone();
    let with = |header: Value| format!("{}.{claims}.{signature}", encode(&header));
    for forged in [
        tokens.id.clone(),
        with(json!({"alg": "none", "typ": "at+jwt"})),
        format!("{}.{claims}.", encode(&json!({"alg": "none", "typ": "at+jwt"}))),
        with(json!({"alg": "HS256", "typ": "at+jwt", "kid": kid})),
        with(json!({"alg": "RS256", "typ": "at+jwt", "kid": kid, "crit": ["x"]})),
        format!(
            "{header}.{}.{signature}",
            encode(&json!({"iss": ISSUER, "sub": "erin"}))
        ),
        format!("{header}.{claims}"),
        format!("{header}.{claims}.{signature}.x"),
        String::from("..."),
    ] {
        assert_eq!(app.userinfo(&forged).await.status, 401, "{forged}");
        assert_eq!(
            app.introspect("web", &forged).await,
            json!({"active": false}),
            "{forged}"
        );
    }
    assert_eq!(app.userinfo(&tokens.refresh).await.status, 401, "a refresh token");
    app.clock.advance(901);
    assert_eq!(app.userinfo(&tokens.access).await.status, 401, "expired");
    assert_eq!(
        app.introspect("web", &tokens.access).await,
        json!({"active": false})
    );
}

#[tokio::test]
async fn jwt_05_lifetimes_are_told() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid").await;
    assert_eq!(tokens.all["expires_in"], 900);
    assert_eq!(tokens.all["token_type"], "Bearer");
}

#[tokio::test]
async fn jwt_06_what_is_revoked_is_refused_before_it_expires() {
    let mut app = TestApp::new();
    let tokens = app.sign_in("web", "openid").await;
    app.send(
        Ask::post("/revoke")
            .basic("web")
            .form(&[("token", &tokens.refresh)]),
    )
    .await;
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    assert_eq!(
        app.introspect("web", &tokens.access).await,
        json!({"active": false})
    );
    let tokens = app.sign_in("web", "openid").await;
    let machine = Tokens::of(
        &app.token(
            "machine",
            &[
                ("grant_type", "client_credentials"),
                ("resource", "https://api.example.com"),
            ],
        )
        .await,
    );
    assert_eq!(app.introspect("rs", &machine.access).await["active"], true);
    app.delete_client("web");
    app.delete_client("machine");
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    assert_eq!(
        app.introspect("rs", &machine.access).await,
        json!({"active": false})
    );
}

#[tokio::test]
async fn two_id_tokens_of_one_second_differ() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let first = browser.code("web", &[]).await;
    let second = browser.code("web", &[]).await;
    let first = Tokens::of(&app.redeem("web", &first).await);
    let second = Tokens::of(&app.redeem("web", &second).await);
    assert_ne!(first.id, second.id);
}

#[tokio::test]
async fn jwt_05_lifetimes_are_the_clients() {
    let mut app = TestApp::new();
    app.set_client(
        "short",
        json!({
            "redirectUris": ["https://short.example.com/cb"],
            "grantTypes": ["authorization_code", "refresh_token"],
            "tokens": {
                "accessTokenTtl": "1m", "idTokenTtl": "2m", "refreshTokenTtl": "10m", "refreshTokenIdleTtl": "5m",
            },
        }),
    );
    let tokens = app.sign_in("short", "openid").await;
    let lives = |token: &str| {
        let (_, claims) = decode(token);
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
    };
    assert_eq!((lives(&tokens.access), lives(&tokens.id)), (60, 120));
    app.clock.advance(299);
    let answer = app.refresh("short", &tokens.refresh).await;
    assert_eq!(answer.json()["expires_in"], 60);
    let tokens = Tokens::of(&answer);
    app.clock.advance(299);
    let tokens = Tokens::of(&app.refresh("short", &tokens.refresh).await);
    // 10 minutes since the login
    app.clock.advance(3);
    app.refresh("short", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");
}
