use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::support::browser::Form;
use super::support::*;

#[tokio::test]
async fn i9_no_secret_and_no_personal_value_is_in_logs_errors_or_metrics() {
    // for the whole process: log lines of tests beside this one must hold none of it either
    log::keep();
    let app = TestApp::new();
    let mut seen = vec![
        PASSWORD.to_owned(),
        VERIFIER.to_owned(),
        secret_of("web"),
        "jane@example.com".to_owned(),
        "Jane Doe".to_owned(),
    ];
    let mut browser = Browser::new(&app);
    let page = browser
        .authorize(
            "web",
            &[
                ("login_hint", "canary-hint"),
                ("state", "canary-state"),
                ("nonce", "canary-nonce"),
            ],
        )
        .await;
    seen.extend(
        [
            "canary-hint",
            "canary-state",
            "canary-nonce",
            "canary-wrong",
            "canary-secret",
            "canary-token",
        ]
        .map(str::to_owned),
    );
    let again = browser.sign_in(&page, "jdoe", "canary-wrong").await;
    seen.push(Form::of(&again).get("_request").to_owned());
    seen.push(Form::of(&again).get("_csrf").to_owned());
    let consent = browser.sign_in(&again, "jdoe", PASSWORD).await;
    seen.push(Form::of(&consent).get("_request").to_owned());
    let code = browser.decide(&consent, "allow").await.code();
    let tokens = Tokens::of(&app.redeem("web", &code).await);
    app.redeem("web", &code).await.is_error(400, "invalid_grant");
    app.refresh("web", &tokens.refresh)
        .await
        .is_error(400, "invalid_grant");
    let tokens2 = app.sign_in("web", "openid profile email").await;
    app.userinfo(&tokens2.access).await;
    app.introspect("web", &tokens2.access).await;
    app.userinfo("canary-token").await;
    app.introspect("web", "canary-token").await;
    app.send(
        Ask::post("/token")
            .basic_as("default.web", "canary-secret")
            .form(&[("grant_type", "x")]),
    )
    .await;
    app.send(Ask::get("/userinfo?access_token=canary-token")).await;
    app.store.set_away(true);
    app.refresh("web", &tokens2.refresh).await;
    seen.push(code);
    seen.extend(browser.cookies.into_values());
    for tokens in [tokens, tokens2] {
        seen.extend([tokens.access, tokens.refresh, tokens.id]);
    }

    let mut text = log::text();
    assert!(
        text.contains(r#""endpoint":"/token""#) && text.contains(r#""client_id":"default.web""#),
        "{text}"
    );
    let audit: Vec<serde_json::Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &serde_json::Value| line["target"] == "audit")
        .map(|line| line["fields"].clone())
        .collect();
    for (event, outcome, subject) in [
        ("login", "wrong_credentials", None),
        ("login", "success", Some("jdoe")),
        ("consent", "allowed", Some("jdoe")),
        ("token", "authorization_code", None),
    ] {
        let told = audit.iter().any(|line| {
            line["event"] == event
                && line["outcome"] == outcome
                && line["client_id"] == "default.web"
                && line.get("subject").and_then(|subject| subject.as_str()) == subject
        });
        assert!(told, "{event} {outcome}: {audit:#?}");
    }
    assert!(text.contains("the line is cut"), "causes are told: {text}");
    assert!(text.contains("request_id"), "{text}");
    text.push_str(&app.send_internal(Ask::get("/metrics")).await.text);
    for value in &seen {
        for form in [
            value.clone(),
            STANDARD.encode(value),
            URL_SAFE_NO_PAD.encode(value),
        ] {
            assert!(!text.contains(&form), "{value} is told");
        }
    }
}
