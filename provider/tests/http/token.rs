use serde_json::json;

use super::support::*;

fn code_form<'a>(code: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(String, String)> {
    let mut form = Vec::new();
    let usual = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    for (name, value) in usual.iter().chain(more) {
        set(&mut form, name, value);
    }
    form
}

#[tokio::test]
async fn tok_01_a_code_works_once_and_its_second_use_kills_what_the_first_got() {
    let app = TestApp::new();
    let code = Browser::new(&app).code("web", &[("scope", "openid email")]).await;
    let tokens = Tokens::of(&app.redeem("web", &code).await);
    assert_eq!(app.userinfo(&tokens.access).await.status, 200);
    app.clock.advance(30);
    app.redeem("web", &code).await.is_error(400, "invalid_grant");
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    assert_eq!(
        app.introspect("web", &tokens.access).await,
        json!({"active": false})
    );
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");
}

#[tokio::test]
async fn tok_01_a_code_lives_60_seconds() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let code = browser.code("web", &[]).await;
    app.clock.advance(59);
    assert_eq!(app.redeem("web", &code).await.status, 200);
    let code = browser.code("web", &[]).await;
    app.clock.advance(61);
    app.redeem("web", &code).await.is_error(400, "invalid_grant");
}

#[tokio::test]
async fn tok_01_racing_redemptions_have_one_winner() {
    let app = TestApp::new();
    let code = Browser::new(&app).code("web", &[]).await;
    let all = futures::future::join_all((0..50).map(|_| app.redeem("web", &code))).await;
    assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(
        all.iter()
            .all(|answer| answer.status == 200 || answer.json()["error"] == "invalid_grant")
    );
}

#[tokio::test]
async fn tok_02_everything_bound_to_the_code_comes_with_it() {
    let app = TestApp::new();
    let more = [
        ("scope", "openid api"),
        ("nonce", "n-1"),
        ("resource", "https://api.example.com"),
    ];
    let code = Browser::new(&app).code("web", &more).await;
    // nothing of it can be changed at the token endpoint
    let changed = [
        ("scope", "openid email"),
        ("nonce", "n-2"),
        ("resource", "https://other.example.com"),
    ];
    let tokens = Tokens::of(&app.token_form("web", &code_form(&code, &changed)).await);
    let access = decode(&tokens.access).1;
    assert_eq!(access["scope"], "openid api");
    assert_eq!(access["aud"], "https://api.example.com");
    assert_eq!(access["sub"], "jdoe");
    assert_eq!(decode(&tokens.id).1["nonce"], "n-1");
}

#[tokio::test]
async fn tok_03_code_is_bound_to_client_redirect_uri_and_verifier() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    for wrong in [
        ("redirect_uri", "https://app.example.com/cb2"),
        ("redirect_uri", ""),
        ("code_verifier", "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong"),
        ("code_verifier", "short"),
        ("code_verifier", ""),
    ] {
        let code = browser.code("web", &[]).await;
        app.token_form("web", &code_form(&code, &[wrong]))
            .await
            .is_error(400, "invalid_grant");
        // tok_04: one attempt
        app.token_form("web", &code_form(&code, &[]))
            .await
            .is_error(400, "invalid_grant");
    }
    let code = browser.code("web", &[]).await;
    app.token_form("other", &code_form(&code, &[]))
        .await
        .is_error(400, "invalid_grant");
    app.token_form("web", &code_form(&code, &[]))
        .await
        .is_error(400, "invalid_grant");
    for rubbish in ["x", "ac1.x.y", &format!("{code}x"), &code[..code.len() - 1]] {
        app.token_form("web", &code_form(rubbish, &[]))
            .await
            .is_error(400, "invalid_grant");
    }
}

#[tokio::test]
async fn tok_04_a_failed_attempt_leaves_nothing_usable() {
    let app = TestApp::new();
    let code = Browser::new(&app).code("web", &[]).await;
    let (answer, trips) = app
        .trips(app.token_form("web", &code_form(&code, &[("code_verifier", "")])))
        .await;
    answer.is_error(400, "invalid_grant");
    assert_eq!(trips, 2, "taken, and the family that was opened is revoked");
}

#[tokio::test]
async fn az_07_a_verifier_without_a_challenge_is_refused_and_so_is_a_missing_one() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let none = [("code_challenge", ""), ("code_challenge_method", "")];
    let redirect = ("redirect_uri", "https://legacy.example.com/cb");
    let code = browser.code("legacy", &none).await;
    app.token_form("legacy", &code_form(&code, &[redirect]))
        .await
        .is_error(400, "invalid_grant");
    let code = browser.code("legacy", &none).await;
    let form = code_form(&code, &[redirect, ("code_verifier", "")]);
    assert_eq!(app.token_form("legacy", &form).await.status, 200);
    let code = browser.code("legacy", &[]).await;
    let form = code_form(&code, &[redirect, ("code_verifier", "")]);
    app.token_form("legacy", &form)
        .await
        .is_error(400, "invalid_grant");
}

#[tokio::test]
async fn tok_08_client_credentials_are_for_the_client_itself() {
    let app = TestApp::new();
    let (answer, trips) = app
        .trips(app.token("machine", &[("grant_type", "client_credentials")]))
        .await;
    assert_eq!(trips, 0);
    let tokens = Tokens::of(&answer);
    assert_eq!((tokens.refresh.as_str(), tokens.id.as_str()), ("", ""));
    let (header, claims) = decode(&tokens.access);
    assert_eq!(header["typ"], "at+jwt");
    assert_eq!(claims["sub"], "default.machine");
    assert_eq!(claims["client_id"], "default.machine");
    assert_eq!(claims["scope"], "api");
    assert_eq!(claims["aud"], ISSUER);
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "api openid nothing"),
        ("resource", "https://api.example.com"),
    ];
    let tokens = Tokens::of(&app.token("machine", &form).await);
    assert_eq!(tokens.all["scope"], "api");
    assert_eq!(decode(&tokens.access).1["aud"], "https://api.example.com");
    let form = [
        ("grant_type", "client_credentials"),
        ("resource", "https://nobody.example.com"),
    ];
    app.token("machine", &form).await.is_error(400, "invalid_target");
    let form = [("grant_type", "client_credentials"), ("scope", "openid")];
    app.token("machine", &form).await.is_error(400, "invalid_scope");
}

#[tokio::test]
async fn tok_09_grants_that_the_client_does_not_have() {
    let app = TestApp::new();
    app.token("web", &[("grant_type", "client_credentials")])
        .await
        .is_error(400, "unauthorized_client");
    app.token("machine", &code_form_of("x"))
        .await
        .is_error(400, "unauthorized_client");
    app.token(
        "strict",
        &[("grant_type", "refresh_token"), ("refresh_token", "x")],
    )
    .await
    .is_error(400, "unauthorized_client");
    app.token("web", &[("grant_type", "password")])
        .await
        .is_error(400, "unsupported_grant_type");
    app.token("web", &[("grant_type", "")])
        .await
        .is_error(400, "invalid_request");
    let form = [("grant_type", "client_credentials"), ("client_id", "default.spa")];
    app.send(Ask::post("/token").form(&form))
        .await
        .is_error(400, "unauthorized_client");
}

fn code_form_of(code: &str) -> [(&str, &str); 2] {
    [("grant_type", "authorization_code"), ("code", code)]
}

#[tokio::test]
async fn ca_01_one_registered_method() {
    let app = TestApp::new();
    let grant = ("grant_type", "client_credentials");
    let secret = secret_of("machine");
    let by_post = [
        grant,
        ("client_id", "default.machine"),
        ("client_secret", secret.as_str()),
    ];
    assert_eq!(app.send(Ask::post("/token").form(&by_post)).await.status, 200);
    assert_eq!(app.token("machine", &[grant]).await.status, 200);
    assert_eq!(
        app.token("machine", &[grant, ("client_id", "default.machine")])
            .await
            .status,
        200
    );
    // a client that fixes one
    let secret = secret_of("legacy");
    let by_post = [
        grant,
        ("client_id", "default.legacy"),
        ("client_secret", secret.as_str()),
    ];
    app.send(Ask::post("/token").form(&by_post))
        .await
        .is_error(401, "invalid_client");
    app.token("legacy", &[grant])
        .await
        .is_error(400, "unauthorized_client");
    // decoded by form rules
    let ask = Ask::post("/token").form(&[grant]);
    let odd = ask.header("authorization", "Basic ZGVmYXVsdC5tYWNoaW5lOnglMjV5");
    odd_is_refused(&app.send(odd).await);
}

fn odd_is_refused(answer: &Answer) {
    answer.is_error(401, "invalid_client");
    assert!(answer.header("www-authenticate").unwrap().starts_with("Basic "));
}

#[tokio::test]
async fn ca_02_two_methods_and_what_cannot_be_told_apart() {
    let app = TestApp::new();
    let secret = secret_of("machine");
    let both = [
        ("grant_type", "client_credentials"),
        ("client_id", "default.machine"),
        ("client_secret", secret.as_str()),
    ];
    app.token("machine", &both).await.is_error(400, "invalid_request");
    let form = [("grant_type", "client_credentials")];
    let unknown = app
        .send(Ask::post("/token").basic_as("default.nobody", "x").form(&form))
        .await;
    let wrong = app
        .send(Ask::post("/token").basic_as("default.machine", "x").form(&form))
        .await;
    let wrong_kind = app
        .send(Ask::post("/token").basic_as("default.spa", "x").form(&form))
        .await;
    for answer in [&unknown, &wrong, &wrong_kind] {
        odd_is_refused(answer);
        assert_eq!(answer.text, unknown.text);
    }
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "default.machine"),
        ("client_secret", "x"),
    ];
    let answer = app.send(Ask::post("/token").form(&form)).await;
    answer.is_error(401, "invalid_client");
    assert_eq!(answer.header("www-authenticate"), None, "the header was not used");
    let no_secret = [
        ("grant_type", "client_credentials"),
        ("client_id", "default.machine"),
    ];
    app.send(Ask::post("/token").form(&no_secret))
        .await
        .is_error(401, "invalid_client");
    for header in ["Basic !", "Digest x", "Bearer x", "Basic"] {
        let ask = Ask::post("/token")
            .header("authorization", header)
            .form(&form[..1]);
        app.send(ask).await.is_error(401, "invalid_client");
    }
    let twice = Ask::post("/token").basic("machine").basic("web").form(&form[..1]);
    app.send(twice).await.is_error(400, "invalid_request");
}

#[tokio::test]
async fn ca_03_public_clients_send_their_id() {
    let app = TestApp::new();
    let code = Browser::new(&app).code("spa", &[]).await;
    let form = code_form(&code, &[("redirect_uri", "https://spa.example.com/cb")]);
    app.send(Ask::post("/token").form(&form))
        .await
        .is_error(400, "invalid_request");
    let tokens = Tokens::of(&app.redeem("spa", &code).await);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &tokens.refresh),
        ("client_id", "default.spa"),
    ];
    let next = Tokens::of(&app.send(Ask::post("/token").form(&form)).await);
    assert_ne!(
        next.refresh, tokens.refresh,
        "confidential and public clients alike"
    );
}

#[tokio::test]
async fn a_deleted_client_is_refused_at_once() {
    let mut app = TestApp::new();
    let code = Browser::new(&app).code("web", &[]).await;
    let tokens = app.sign_in("web", "openid").await;
    let client = app.client("web");
    app.delete_client("web");
    app.token_form("web", &code_form(&code, &[]))
        .await
        .is_error(401, "invalid_client");
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(401, "invalid_client");
    // a re-created namesake inherits nothing
    let spec = json!({"redirectUris": [REDIRECT], "grantTypes": ["authorization_code", "refresh_token"],
        "scopes": ["openid"]});
    app.set_client_object("web", "uid-of-the-next", spec);
    assert_ne!(app.client("web").uid(), client.uid());
    app.token_form("web", &code_form(&code, &[]))
        .await
        .is_error(400, "invalid_grant");
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    assert_eq!(
        app.introspect("web", &tokens.access).await,
        json!({"active": false})
    );
}

#[tokio::test]
async fn a_person_who_may_not_any_more_gets_nothing_for_a_code() {
    let mut app = TestApp::new();
    let code = Browser::new(&app).code("web", &[]).await;
    app.set_user("jdoe", json!({"disabled": true}));
    app.redeem("web", &code).await.is_error(400, "invalid_grant");
}

#[tokio::test]
async fn par_01_to_03_at_the_token_endpoint() {
    let app = TestApp::new();
    let post = |body: &str| {
        Ask::post("/token")
            .basic("machine")
            .body("application/x-www-form-urlencoded", body)
    };
    app.send(post(
        "grant_type=client_credentials&grant_type=client_credentials",
    ))
    .await
    .is_error(400, "invalid_request");
    app.send(post("grant_type=client_credentials&x=1&x=2"))
        .await
        .is_error(400, "invalid_request");
    assert_eq!(
        app.send(post("grant_type=client_credentials&unknown=1"))
            .await
            .status,
        200
    );
    assert_eq!(
        app.send(post("grant_type=client_credentials&scope="))
            .await
            .status,
        200
    );
    let twice =
        "grant_type=client_credentials&resource=https://api.example.com&resource=https://api.example.com";
    assert_eq!(app.send(post(twice)).await.status, 200);
}

#[tokio::test]
async fn par_04_bodies() {
    let app = TestApp::new();
    let form = "application/x-www-form-urlencoded";
    let post =
        |content_type: &str, body: Vec<u8>| Ask::post("/token").basic("machine").body(content_type, body);
    let good = b"grant_type=client_credentials".to_vec();
    assert_eq!(
        app.send(post(&format!("{form}; charset=UTF-8"), good.clone()))
            .await
            .status,
        200
    );
    app.send(post("application/json", b"{}".to_vec()))
        .await
        .is_error(400, "invalid_request");
    app.send(Ask::post("/token").basic("machine"))
        .await
        .is_error(400, "invalid_request");
    for broken in ["grant_type=%ff", "grant_type=%e", "grant_type=%zz", "%00=%ff"] {
        app.send(post(form, broken.into()))
            .await
            .is_error(400, "invalid_request");
    }
    app.send(post(form, b"grant_type=\xff".to_vec()))
        .await
        .is_error(400, "invalid_request");
    let mut large = good.clone();
    large.extend(vec![b'x'; 64 * 1024]);
    app.send(post(form, large.clone()))
        .await
        .is_error(413, "invalid_request");
    let announced = Ask::post("/token")
        .header("content-length", "100000")
        .body(form, good);
    app.send(announced).await.is_error(413, "invalid_request");
    let many: String = (0..65).map(|i| format!("p{i}=1&")).collect();
    app.send(post(form, many.into()))
        .await
        .is_error(400, "invalid_request");
}

#[tokio::test]
async fn par_05_only_post_and_no_credentials_in_the_url() {
    let app = TestApp::new();
    for path in ["/token", "/introspect", "/revoke", "/register"] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = app.send(Ask::new(method.parse().unwrap(), path)).await;
            answer.is_error(405, "invalid_request");
            assert_eq!(answer.header("allow"), Some("POST"));
        }
    }
    let form = [("grant_type", "client_credentials")];
    for query in [
        "client_secret=x",
        "code=x",
        "refresh_token=x",
        "client_id=a&token=x",
    ] {
        for path in ["/token", "/introspect", "/revoke"] {
            let ask = Ask::post(&format!("{path}?{query}")).basic("machine").form(&form);
            app.send(ask).await.is_error(400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn err_01_errors_are_json() {
    let app = TestApp::new();
    let answer = app.token("web", &[("grant_type", "magic")]).await;
    answer.is_error(400, "unsupported_grant_type");
    insta::assert_snapshot!(
        answer.text,
        @r#"{"error":"unsupported_grant_type","error_description":"grant_type must be authorization_code, refresh_token or client_credentials."}"#
    );
    let answer = app
        .send(
            Ask::post("/token")
                .basic_as("x", "y")
                .form(&[("grant_type", "x")]),
        )
        .await;
    assert_eq!(
        answer.header("www-authenticate"),
        Some(r#"Basic realm="oidc", charset="UTF-8""#)
    );
    insta::assert_snapshot!(
        answer.text,
        @r#"{"error":"invalid_client","error_description":"Client authentication failed: check client id, method, and secret or key."}"#
    );
}

#[tokio::test]
async fn err_03_descriptions_echo_nothing_and_keep_to_the_characters() {
    let app = TestApp::new();
    let evil = "\"<evil>\\é\r\n";
    for form in [
        vec![("grant_type", evil)],
        vec![("grant_type", "client_credentials"), ("scope", evil)],
        vec![("grant_type", "client_credentials"), ("resource", evil)],
    ] {
        let answer = app.token("machine", &form).await;
        let description = answer.json()["error_description"].as_str().unwrap().to_owned();
        assert!(!description.contains("evil"), "{description}");
        let allowed = |b: u8| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(description.bytes().all(allowed), "{description}");
    }
}

#[tokio::test]
async fn err_05_without_the_store_it_is_503_with_retry_after() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let code = browser.code("web", &[]).await;
    let tokens = app.sign_in("web", "openid").await;
    app.store.set_away(true);
    for answer in [
        app.redeem("web", &code).await,
        app.refresh("web", &tokens.refresh).await,
    ] {
        answer.is_error(503, "temporarily_unavailable");
        let seconds: u32 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=5).contains(&seconds));
    }
    let answer = app
        .token("machine", &[("grant_type", "client_credentials")])
        .await;
    assert_eq!(answer.status, 200, "it needs no store");
    app.store.set_away(false);
    assert_eq!(app.redeem("web", &code).await.status, 200);
    assert_eq!(app.refresh("web", &tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn a_request_costs_as_many_round_trips_as_promised() {
    let app = TestApp::new();
    let code = Browser::new(&app).code("web", &[]).await;
    let (answer, trips) = app.trips(app.redeem("web", &code)).await;
    let tokens = Tokens::of(&answer);
    assert_eq!(trips, 1, "authorization_code");
    let (answer, trips) = app.trips(app.refresh("web", &tokens.refresh)).await;
    assert_eq!((answer.status.as_u16(), trips), (200, 1), "refresh_token");
    let (_, trips) = app
        .trips(app.token("machine", &[("grant_type", "client_credentials")]))
        .await;
    assert_eq!(trips, 0, "client_credentials");
    let (_, trips) = app.trips(app.introspect("web", &tokens.access)).await;
    assert_eq!(trips, 1, "introspection");
    let (answer, trips) = app.trips(app.userinfo(&tokens.access)).await;
    assert_eq!((answer.status.as_u16(), trips), (200, 1), "userinfo");
    let ask = Ask::post("/revoke")
        .basic("web")
        .form(&[("token", &tokens.access)]);
    let (_, trips) = app.trips(app.send(ask)).await;
    assert_eq!(trips, 1, "revocation");
}
