//! What has gone wrong elsewhere (protocol.md §12), tried here over HTTP. Ids count its items in their order.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::support::browser::Form;
use super::support::*;

#[tokio::test]
async fn hard_01_a_race_for_a_code_has_one_winner_and_replay_kills_it() {
    let app = TestApp::new();
    let code = Browser::new(&app).code("web", &[]).await;
    let answers = futures::future::join_all((0..50).map(|_| app.redeem("web", &code))).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 49));
    for answer in lost {
        answer.is_error(400, "invalid_grant");
    }
    let tokens = Tokens::of(won[0]);
    assert_eq!(app.userinfo(&tokens.access).await.status, 401);
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");
}

#[tokio::test]
async fn hard_02_proof_keys_cannot_be_left_out() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    for (name, value) in [
        ("code_challenge", ""),
        ("code_challenge_method", "plain"),
        ("code_challenge_method", ""),
        ("code_challenge_method", "s256"),
        ("code_challenge", VERIFIER),
    ] {
        for client in ["web", "spa"] {
            let answer = browser.authorize(client, &[(name, value)]).await;
            if value == VERIFIER {
                // a challenge of the right shape; the verifier itself then does not do
                continue;
            }
            answer.is_sent_back_with("invalid_request");
        }
    }
    // of a challenge that was sent, nothing can be dropped later
    for verifier in ["", CHALLENGE, "short"] {
        let code = Browser::new(&app).code("web", &[]).await;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT),
        ];
        if !verifier.is_empty() {
            form.push(("code_verifier", verifier));
        }
        let answer = app.token("web", &form).await;
        assert_eq!(answer.status, 400, "{verifier}");
        assert_ne!(app.redeem("web", &code).await.status, 200, "the code is gone");
    }
}

#[tokio::test]
async fn hard_03_redirect_uris_are_compared_as_text() {
    let app = TestApp::new();
    for uri in [
        "https://app.example.com@evil.example/cb",
        "https://evil.example\\@app.example.com/cb",
        "https://app.example.com/cb/../evil",
        "https://app.example.com/./cb",
        "https://app.example.com/%63b",
        "https://app.example.com/cb%2e",
        "https://app.example.com/cb/",
        "https://app.example.com/cb?",
        "https://app.example.com/cb#",
        "https://app.example.com/cb#https://evil.example",
        "https://app.example.com:443/cb",
        "https://app.example.com:8443/cb",
        "https://app.example.com./cb",
        "https://APP.example.com/cb",
        "HTTPS://app.example.com/cb",
        "https://app.example.com/CB",
        "https://app.ex\u{430}mple.com/cb",
        "https://app.example.com/cb\u{200b}",
        "http://app.example.com/cb",
        "//app.example.com/cb",
        "https:app.example.com/cb",
        "https://app.example.com/cb\r\nLocation: https://evil.example",
        " https://app.example.com/cb",
        "https://app.example.com/cb ",
        "javascript:alert(1)",
        "data:text/html,x",
    ] {
        let answer = Browser::new(&app)
            .authorize("web", &[("redirect_uri", uri)])
            .await;
        answer.is_own_page(400);
        assert!(!answer.text.contains("evil"), "{uri}");
    }
}

#[tokio::test]
async fn hard_04_signing_out_leads_only_where_was_registered() {
    let mut app = TestApp::new();
    let after = "https://app.example.com/bye";
    app.set_client(
        "web",
        json!({"redirectUris": [REDIRECT], "postLogoutRedirectUris": [after], "scopes": ["openid"],
            "grantTypes": ["authorization_code", "refresh_token"]}),
    );
    for uri in [
        "https://evil.example/",
        "https://app.example.com@evil.example/bye",
        "https://app.example.com/bye/../evil",
        "https://app.example.com/bye?next=https://evil.example",
        "https://app.example.com/bye#evil",
        "https://APP.example.com/bye",
        "https://app.example.com:443/bye",
        "https://app.example.com\\@evil.example/bye",
        "//evil.example/bye",
        "javascript:alert(1)",
        REDIRECT,
    ] {
        let tokens = app.sign_in("web", "openid").await;
        for hint in [tokens.id.as_str(), ""] {
            let mut asked = vec![("client_id", "default.web"), ("post_logout_redirect_uri", uri)];
            if !hint.is_empty() {
                asked.push(("id_token_hint", hint));
            }
            let answer = app
                .send(Ask::get(&format!("/end_session?{}", encoded(&asked))))
                .await;
            assert_eq!(answer.header("location"), None, "{uri}");
            assert!(!answer.text.contains("evil"), "{uri}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn hard_05_every_answer_names_its_issuer() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let good = browser.walk_as("jdoe", "web", &[]).await;
    assert_eq!(good.sent_back()["iss"], ISSUER);
    let bad = browser.authorize("web", &[("scope", "nonsense")]).await;
    assert_eq!(bad.sent_back()["iss"], ISSUER);
    let document = app
        .send(Ask::get("/.well-known/openid-configuration"))
        .await
        .json();
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
}

fn forged(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[tokio::test]
async fn hard_06_tokens_that_name_their_own_key_or_algorithm() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid profile").await;
    let (header, claims) = decode(&tokens.access);
    let signature = tokens.access.rsplit('.').next().unwrap();
    let jwk = json!({"kty": "oct", "k": "AAAA"});
    let changed = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        header
    };
    for header in [
        changed("alg", json!("none")),
        changed("alg", json!("None")),
        changed("alg", json!("HS256")),
        changed("alg", json!("ES256")),
        changed("jwk", jwk.clone()),
        changed("jku", json!("https://evil.example/jwks.json")),
        changed("x5u", json!("https://evil.example/cert.pem")),
        changed("x5c", json!(["AAAA"])),
        changed("crit", json!(["exp"])),
        changed("kid", json!("../../../../dev/null")),
        changed("kid", json!("' OR 1=1 --")),
        changed("kid", json!(7)),
        changed("zip", json!("DEF")),
        changed("typ", json!("JWT")),
    ] {
        for signature in ["", signature] {
            let token = forged(&header, &claims, signature);
            assert_eq!(app.userinfo(&token).await.status, 401, "{header}");
            assert_eq!(app.introspect("web", &token).await, json!({"active": false}));
        }
    }
    // signed with the public key as if it were a shared secret
    let jwks = app.send(Ask::get("/jwks.json")).await.text;
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, jwks.as_bytes());
    let unsigned = forged(&changed("alg", json!("HS256")), &claims, "");
    let mac = aws_lc_rs::hmac::sign(&key, unsigned.trim_end_matches('.').as_bytes());
    let token = format!("{unsigned}{}", URL_SAFE_NO_PAD.encode(mac.as_ref()));
    assert_eq!(app.userinfo(&token).await.status, 401);
    // as deep as fits
    let deep = format!(
        r#"{{"alg":"RS256","typ":"at+jwt","x":{}{}}}"#,
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let token = format!(
        "{}.{}.{signature}",
        URL_SAFE_NO_PAD.encode(deep),
        URL_SAFE_NO_PAD.encode("{}")
    );
    assert_eq!(app.introspect("web", &token).await, json!({"active": false}));
    // too long to be looked at
    let mut long = claims.clone();
    long["x"] = json!("x".repeat(20_000));
    let form = [("token", forged(&header, &long, signature))];
    let answer = app.send(Ask::post("/introspect").basic("web").form(&form)).await;
    assert_eq!(answer.json(), json!({"active": false}));
    assert_eq!(app.userinfo(&tokens.access).await.status, 200);
}

#[tokio::test]
async fn hard_07_encrypted_and_compressed_tokens_are_not_opened() {
    let app = TestApp::new();
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A256GCM","zip":"DEF"}"#);
    let bomb = format!("{header}..AAAAAAAAAAAAAAAA.{}.AAAA", "A".repeat(8_000));
    assert_eq!(app.userinfo(&bomb).await.status, 401);
    assert_eq!(app.introspect("web", &bomb).await, json!({"active": false}));
}

#[tokio::test]
async fn hard_08_no_url_of_a_request_is_fetched() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let answer = browser
        .authorize(
            "web",
            &[("request_uri", "http://169.254.169.254/latest/meta-data")],
        )
        .await;
    answer.is_sent_back_with("request_uri_not_supported");
    let answer = browser.authorize("web", &[("request", "e30.e30.")]).await;
    answer.is_sent_back_with("request_not_supported");
}

#[tokio::test]
async fn hard_09_echoed_values_break_no_header() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let state = "a\r\nSet-Cookie: x=1\r\n\r\n<script>&iss=https://evil.example#\u{2028}";
    let answer = browser.walk_as("jdoe", "web", &[("state", state)]).await;
    assert_eq!(answer.sent_back()["state"], state);
    assert_eq!(answer.sent_back()["iss"], ISSUER);
    assert!(!answer.location().contains(['\r', '\n', '<']));
    assert_eq!(answer.header("x"), None);
    let page = browser
        .authorize(
            "web",
            &[("login_hint", "\"><script>x</script>"), ("prompt", "login")],
        )
        .await;
    assert!(!page.text.contains("<script>"), "{}", page.text);
    let answer = app
        .send(Ask::get("/health").header("origin", "https://evil.example"))
        .await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn hard_10_the_host_header_changes_nothing() {
    let app = TestApp::new();
    for path in ["/.well-known/openid-configuration", "/jwks.json", "/"] {
        let ask = Ask::get(path)
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "http")
            .header("forwarded", "host=evil.example;proto=http");
        let answer = app.send(ask).await;
        assert!(!answer.text.contains("evil"));
        assert!(answer.header("strict-transport-security").is_some());
    }
}

#[tokio::test]
async fn hard_11_a_planted_session_is_never_taken_over() {
    let app = TestApp::new();
    // the attacker's own login, planted in the victim's browser before the victim signs in
    let mut attacker = Browser::new(&app);
    attacker.walk_as("erin", "web", &[]).await.code();
    let mut victim = Browser::new(&app);
    victim.cookies = attacker.cookies.clone();
    let page = victim.authorize("web", &[("prompt", "login")]).await;
    let page = victim.sign_in(&page, "jdoe", PASSWORD).await;
    victim.decide(&page, "allow").await.code();
    assert_ne!(
        victim.cookies["__Host-oidc_session"],
        attacker.cookies["__Host-oidc_session"]
    );
    // what the attacker holds is worth nothing, least of all the victim's session
    let answer = attacker.authorize("web", &[("prompt", "none")]).await;
    answer.is_sent_back_with("login_required");
}

#[tokio::test]
async fn hard_12_nothing_that_is_sent_writes_lines_in_the_log() {
    let app = TestApp::new();
    for id in [
        "a b c d e f g h",
        "x\"} {\"level\":\"error",
        "short",
        &"x".repeat(65),
        "\u{1b}[31mred-and-long",
    ] {
        let Ok(id) = http::HeaderValue::from_bytes(id.as_bytes()) else {
            continue; // HTTP itself refuses it
        };
        let id = String::from_utf8_lossy(id.as_bytes()).into_owned();
        let answer = app.send(Ask::get("/health").header("x-request-id", &id)).await;
        let given = answer.header("x-request-id").unwrap();
        assert!(
            given.len() == 16 && given.bytes().all(|b| b.is_ascii_hexdigit()),
            "{id}: {given}"
        );
    }
}

#[tokio::test]
async fn hard_13_secrets_that_are_nearly_right_are_as_wrong_as_any() {
    let app = TestApp::new();
    let right = secret_of("web");
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    let mut texts = Vec::new();
    for (id, secret) in [
        ("default.web", format!("{right}x")),
        ("default.web", right[..right.len() - 1].to_owned()),
        ("default.web", format!("X{}", &right[1..])),
        ("default.web", secret_of("other")),
        ("default.nobody", right.clone()),
    ] {
        let answer = app
            .send(Ask::post("/token").basic_as(id, &secret).form(&form))
            .await;
        answer.is_error(401, "invalid_client");
        texts.push(answer.text);
    }
    assert!(texts.windows(2).all(|two| two[0] == two[1]), "{texts:?}");
}

#[tokio::test]
async fn hard_15_a_changed_client_inherits_no_consent() {
    let mut app = TestApp::new();
    Browser::new(&app).code("web", &[]).await;
    // more scopes are asked for
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[("scope", "openid email")]).await;
    let page = browser.sign_in(&page, "jdoe", PASSWORD).await;
    assert!(!Form::of(&page).has("password"), "consent is asked for");
    let cookies = browser.cookies.clone();
    // a form that was open while the client lost its redirect URI sends nobody anywhere
    app.set_client(
        "web",
        json!({"redirectUris": ["https://elsewhere.example.com/cb"], "scopes": ["openid", "email"]}),
    );
    let form = Form::of(&page).with("decision", "allow");
    let mut moved = Browser::new(&app);
    moved.cookies = cookies;
    moved.submit(form).await.is_own_page(400);
    // a namesake is somebody else
    app.set_client_object(
        "web",
        "uid-of-a-namesake",
        json!({"redirectUris": [REDIRECT], "scopes": ["openid"]}),
    );
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[]).await;
    assert_eq!(
        browser.sign_in(&page, "jdoe", PASSWORD).await.status,
        200,
        "consent is asked for"
    );
}

#[tokio::test]
async fn hard_16_a_refresh_widens_nothing() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid").await;
    for scope in [
        "openid email",
        "email",
        "openid profile email groups api",
        "openid offline_access",
    ] {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens.refresh.as_str()),
            ("scope", scope),
        ];
        app.token("web", &form).await.is_error(400, "invalid_scope");
    }
}

#[tokio::test]
async fn hard_17_nobody_introspects_what_is_not_meant_for_them() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid").await;
    for token in [&tokens.access, &tokens.refresh, &tokens.id] {
        for client in ["other", "machine", "rs"] {
            assert_eq!(
                app.introspect(client, token).await,
                json!({"active": false}),
                "{client}"
            );
        }
    }
}

#[tokio::test]
async fn hard_18_an_id_token_is_no_access_token() {
    let app = TestApp::new();
    let tokens = app.sign_in("web", "openid").await;
    let answer = app.userinfo(&tokens.id).await;
    assert_eq!(answer.status, 401);
    assert!(
        answer
            .header("www-authenticate")
            .unwrap()
            .contains("invalid_token")
    );
    assert_eq!(app.introspect("web", &tokens.id).await, json!({"active": false}));
}

#[tokio::test]
async fn az_17_every_answer_is_hardened() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let answers = [
        browser.authorize("web", &[]).await,
        app.send(Ask::get("/")).await,
        app.send(Ask::get("/nothing")).await,
        app.send(Ask::get("/jwks.json")).await,
        app.send(Ask::get("/userinfo")).await,
        app.token("machine", &[("grant_type", "client_credentials")])
            .await,
    ];
    for answer in &answers {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{answer:?}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(answer.header("permissions-policy").unwrap().contains("camera=()"));
        // a popup that signs in must keep its opener
        assert_eq!(answer.header("cross-origin-opener-policy"), None);
        assert!(answer.header("cache-control").is_some());
    }
    for page in &answers[..3] {
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
}
