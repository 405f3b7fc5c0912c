use serde_json::{Value, json};

use super::support::*;

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

#[tokio::test]
async fn disc_01_only_what_works() {
    let app = TestApp::new();
    let document = app.send(Ask::get(OPENID)).await.json();
    let tokens = app.sign_in("web", "openid").await;
    assert_eq!(document["issuer"], decode(&tokens.id).1["iss"]);
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    assert_eq!(document["request_uri_parameter_supported"], false);
    assert_eq!(document.get("registration_endpoint"), None);
    for (name, value) in document.as_object().unwrap() {
        if let Some(path) = value
            .as_str()
            .and_then(|url| url.strip_prefix(ISSUER))
            .filter(|path| !path.is_empty())
        {
            let answer = app.send(Ask::get(path)).await;
            assert_ne!(answer.status, 404, "{name} is at {path}");
        }
    }
    for grant in document["grant_types_supported"].as_array().unwrap() {
        let answer = app.token("web", &[("grant_type", grant.as_str().unwrap())]).await;
        assert_ne!(answer.json()["error"], "unsupported_grant_type");
    }
    let algorithms: Vec<&str> = document["id_token_signing_alg_values_supported"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(algorithms.contains(&"RS256") && algorithms.contains(&"ES256"));
}

#[tokio::test]
async fn disc_02_both_places_with_or_without_a_slash() {
    let app = TestApp::new();
    let document = app.send(Ask::get(OPENID)).await;
    for path in [
        OAUTH.to_owned(),
        format!("{OPENID}/"),
        format!("{OAUTH}/"),
        format!("/{OPENID}"),
    ] {
        let answer = app.send(Ask::get(&path)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.text),
            (200, &document.text),
            "{path}"
        );
    }
    assert_eq!(app.send(Ask::get("/jwks.json/")).await.status, 404);
}

#[tokio::test]
async fn disc_02_path_insertion_for_an_issuer_with_a_path() {
    let app = TestApp::with(Setup {
        issuer: "https://example.com/id",
        ..Setup::default()
    });
    for path in [
        format!("/id{OPENID}"),
        format!("{OAUTH}/id"),
        format!("{OPENID}/id"),
        format!("/id{OPENID}/"),
    ] {
        let answer = app.send(Ask::get(&path)).await;
        assert_eq!(answer.json()["issuer"], "https://example.com/id", "{path}");
    }
    let document = app.send(Ask::get(&format!("/id{OPENID}"))).await.json();
    assert_eq!(document["token_endpoint"], "https://example.com/id/token");
    let form = [("grant_type", "client_credentials")];
    assert_eq!(
        app.send(Ask::post("/id/token").basic("machine").form(&form))
            .await
            .status,
        200
    );
    // the forms stay below it
    let mut browser = Browser::new(&app);
    let page = browser
        .send(Ask::get(&format!(
            "/id/authorize?{}",
            encoded(&request_of(&app, "web"))
        )))
        .await;
    assert_eq!(browser::Form::of(&page).action, "/id/login");
    browser.walk_on(&page).await.code();
}

#[tokio::test]
async fn disc_03_the_jwks() {
    let app = TestApp::new();
    let answer = app.send(Ask::get("/jwks.json")).await;
    let keys = answer.json()["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0]["kid"], keys[1]["kid"]);
    for key in &keys {
        assert_eq!(key["use"], "sig");
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert_eq!(key.get(private), None);
        }
        for public in ["kid", "alg", "kty"] {
            assert!(key[public].is_string());
        }
    }
    assert_eq!(answer.header("cache-control"), Some("public, max-age=5"));
    let etag = answer.header("etag").unwrap();
    for known in [
        etag.to_owned(),
        format!("W/{etag}"),
        format!("\"x\", {etag}"),
        "*".to_owned(),
    ] {
        let again = app
            .send(Ask::get("/jwks.json").header("if-none-match", known))
            .await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
        assert_eq!(again.header("etag"), Some(etag));
        assert!(again.header("cache-control").is_some());
    }
    assert_eq!(
        app.send(Ask::get("/jwks.json").header("if-none-match", "\"x\""))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn disc_03_documents_cost_no_round_trip() {
    let app = TestApp::new();
    app.store.set_away(true);
    for path in [OPENID, OAUTH, "/jwks.json"] {
        let (answer, trips) = app.trips(app.send(Ask::get(path))).await;
        assert_eq!((answer.status.as_u16(), trips), (200, 0));
    }
}

#[tokio::test]
async fn disc_04_documents_are_for_all_origins() {
    let app = TestApp::new();
    for path in [OPENID, OAUTH, "/jwks.json"] {
        let answer = app
            .send(Ask::get(path).header("origin", "https://x.example"))
            .await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test]
async fn disc_04_preflights_are_answered() {
    let app = TestApp::new();
    for path in [OPENID, "/jwks.json", "/token", "/userinfo", "/revoke"] {
        let ask = Ask::new(http::Method::OPTIONS, path)
            .header("origin", "https://x.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization");
        let answer = app.send(ask).await;
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert!(
            answer
                .header("access-control-allow-headers")
                .unwrap()
                .contains("Authorization")
        );
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
    for path in ["/authorize", "/login", "/introspect", "/register"] {
        let ask = Ask::new(http::Method::OPTIONS, path)
            .header("origin", "https://x.example")
            .header("access-control-request-method", "POST");
        let answer = app.send(ask).await;
        assert_eq!(answer.status, 405, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn disc_04_answers_carry_the_origin_only_if_the_client_allows_it() {
    let app = TestApp::new();
    let token = async |client: &str, origin: &str| {
        let id = format!("default.{client}");
        let form = [
            ("grant_type", "authorization_code"),
            ("code", "x"),
            ("client_id", id.as_str()),
        ];
        app.send(Ask::post("/token").header("origin", origin).form(&form))
            .await
    };
    let listed = token("spa", "https://spa.example.com").await;
    assert_eq!(
        listed.header("access-control-allow-origin"),
        Some("https://spa.example.com")
    );
    assert_eq!(listed.header("vary"), Some("Origin"));
    assert_eq!(
        listed.header("access-control-expose-headers"),
        Some("WWW-Authenticate")
    );
    let foreign = token("spa", "https://evil.example").await;
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    assert_eq!(foreign.header("vary"), Some("Origin"));
    let lists_none = token("native", "https://x.example").await;
    assert_eq!(lists_none.header("access-control-allow-origin"), Some("*"));
    let tokens = app.sign_in("spa", "openid").await;
    for (origin, allowed) in [
        ("https://spa.example.com", Some("https://spa.example.com")),
        ("https://evil.example", None),
    ] {
        let answer = app
            .send(
                Ask::get("/userinfo")
                    .bearer(&tokens.access)
                    .header("origin", origin),
            )
            .await;
        assert_eq!(
            (
                answer.status.as_u16(),
                answer.header("access-control-allow-origin")
            ),
            (200, allowed)
        );
    }
}
