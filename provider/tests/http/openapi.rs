//! `/openapi.json` is true: it names every route and no other, and every answer that it describes is produced.
//! That every answer is described is looked at by each router test (`support/described.rs`).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use oidc_crds::secrets::installation::{ClientAddress, Installation};
use oidc_provider::router;
use serde_json::{Value, json};

use super::support::browser::Form;
use super::support::described::{DESCRIPTION, resolve, seen, valid};
use super::support::*;

const DOCUMENTS: [&str; 4] = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/jwks.json",
    "/openapi.json",
];
const FORM: &str = "application/x-www-form-urlencoded";

/// With everything switched on.
fn whole() -> TestApp {
    let mut app = TestApp::with(Setup {
        registration: true,
        mtls: true,
        ..Setup::default()
    });
    app.router = router::standalone(app.app.clone());
    app
}

/// Paths with their methods, as described.
fn operations() -> Vec<(String, String, &'static Value)> {
    let paths = DESCRIPTION["paths"].as_object().unwrap();
    let of = |path: &String, item: &'static Value| {
        let item = item.as_object().unwrap();
        item.iter()
            .map(|(method, operation)| (path.clone(), method.clone(), operation))
            .collect::<Vec<_>>()
    };
    paths.iter().flat_map(|(path, item)| of(path, item)).collect()
}

#[tokio::test]
async fn every_route_is_described_and_nothing_else() {
    let app = whole();
    let mut routes = BTreeSet::new();
    for path in router::paths(app.app.clone()) {
        let answer = app.send(Ask::new(Method::PATCH, path)).await;
        assert_eq!(answer.status, 405, "{path}: {answer:?}");
        for method in answer.header("allow").unwrap().split(',') {
            // wherever there is GET; the description says so in words
            if method != "HEAD" {
                routes.insert((path.to_owned(), method.to_lowercase()));
            }
        }
    }
    let described: BTreeSet<_> = operations()
        .into_iter()
        .map(|(path, method, _)| (path, method))
        .collect();
    assert_eq!(routes, described);
}

#[tokio::test]
async fn it_is_below_an_issuer_with_a_path() {
    let app = TestApp::with(Setup {
        issuer: "https://example.com/id",
        ..Setup::default()
    });
    let description = app.send(Ask::get("/id/openapi.json")).await.json();
    assert_eq!(description["servers"][0]["url"], "https://example.com/id");
}

#[tokio::test]
async fn it_is_served_and_names_what_is_switched_on() {
    let open = whole().send(Ask::get("/openapi.json")).await;
    let closed = TestApp::new().send(Ask::get("/openapi.json")).await;
    assert_eq!(closed.header("cache-control"), Some("public, max-age=5"));
    assert_eq!(closed.header("access-control-allow-origin"), Some("*"));
    assert_ne!(open.header("etag"), closed.header("etag"));
    let (open, closed) = (open.json(), closed.json());
    assert_eq!(open["servers"][0]["url"], ISSUER);
    assert!(
        open["paths"]["/register"].is_object() && open["components"]["schemas"]["Registered"].is_object()
    );
    assert!(closed["paths"].get("/register").is_none());
    assert!(!closed.to_string().contains("Registered"));
    // the cluster has them on the internal port
    assert!(closed["paths"].get("/metrics").is_none());
}

/// Every reference leads somewhere, operations have ids of their own, and examples are of their schemas.
#[test]
fn it_holds_together() {
    fn walk(value: &Value) {
        if value["$ref"].is_string() {
            assert!(!resolve(value).is_null(), "{value}");
        }
        if let (Some(schema), Some(examples)) = (value.get("schema"), value["examples"].as_object()) {
            for (name, example) in examples {
                valid(name, schema, &example["value"]);
            }
        }
        if let (Some(schema), Some(example)) = (value.get("schema"), value.get("example")) {
            valid("example", schema, example);
        }
        match value {
            Value::Object(members) => members.values().for_each(walk),
            Value::Array(items) => items.iter().for_each(walk),
            _ => {}
        }
    }
    walk(&DESCRIPTION);
    let ids: BTreeSet<_> = operations()
        .iter()
        .map(|(_, _, operation)| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), operations().len());
    for (path, method, operation) in operations() {
        for (_, response) in operation["responses"].as_object().unwrap() {
            for (name, link) in response["links"].as_object().into_iter().flatten() {
                let id = link["operationId"].as_str().unwrap();
                assert!(ids.contains(id), "{method} {path}: {name} leads to {id}");
            }
        }
    }
}

/// Nothing should lead to these, or it takes too long.
fn cannot_be_produced(path: &str, status: u16) -> bool {
    // 408 takes 30 seconds
    status == 408 || (status == 500 && path != "/token")
}

#[tokio::test]
async fn every_answer_that_is_described_is_produced() {
    documents().await;
    limits().await;
    unready().await;
    sign_in().await;
    sign_out().await;
    account().await;
    tokens().await;
    userinfo().await;
    introspect_and_revoke().await;
    register().await;

    let seen = seen();
    let mut missing = Vec::new();
    for (path, method, operation) in operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let status: u16 = status.parse().unwrap();
            let of_this = |seen: &&described::Seen| {
                (seen.path.as_str(), seen.method.as_str(), seen.status) == (&path, &method, status)
            };
            let bodies: Vec<&str> = seen
                .iter()
                .filter(of_this)
                .map(|seen| seen.body.as_str())
                .collect();
            if cannot_be_produced(&path, status) {
                continue;
            }
            if bodies.is_empty() {
                missing.push(format!("{method} {path} {status}"));
            }
            let examples = resolve(response)["content"]["application/json"]["examples"].as_object();
            for example in examples.into_iter().flat_map(|examples| examples.values()) {
                let value = &example["value"];
                if !bodies.iter().any(|body| is_like(body, value)) {
                    missing.push(format!("{method} {path} {status}: {value}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A refusal is the example to the letter; other answers have its members.
fn is_like(body: &str, example: &Value) -> bool {
    let Ok(Value::Object(body)) = serde_json::from_str(body) else {
        return false;
    };
    let example = example.as_object().unwrap();
    if example.contains_key("error") {
        return body == *example;
    }
    body.keys().eq(example.keys())
}

async fn documents() {
    let app = whole();
    for path in DOCUMENTS {
        let answer = app.send(Ask::get(path)).await;
        let etag = answer.header("etag").unwrap();
        let again = app.send(Ask::get(path).header("if-none-match", etag)).await;
        assert_eq!(again.status, 304);
    }
    for path in ["/health", "/metrics", "/", "/login"] {
        assert_eq!(app.send(Ask::get(path)).await.status, 200);
    }
    app.app.readiness.stopping();
    assert_eq!(app.send(Ask::get("/health")).await.status, 503);
}

fn ask(method: &str, path: &str) -> Ask {
    Ask::new(method.to_uppercase().parse().unwrap(), path)
}

/// What the envelope and the reading of bodies refuse, everywhere.
async fn limits() {
    let app = whole();
    for (path, method, operation) in operations() {
        let long = format!("{path}?x={}", "x".repeat(8 * 1024));
        assert_eq!(app.send(ask(&method, &long)).await.status, 414, "{path}");
        let cookies = ask(&method, &path).header("cookie", "x".repeat(17 * 1024));
        assert_eq!(app.send(cookies).await.status, 431, "{path}");
        if method == "post" {
            let media_type = if path == "/register" {
                "application/json"
            } else {
                FORM
            };
            let large = ask(&method, &path).body(media_type, "x".repeat(64 * 1024 + 1));
            assert_eq!(app.send(large).await.status, 413, "{path}");
        }
        if operation["responses"].get("429").is_some() {
            let app = whole();
            let mut installation = Installation::clone(&app.app.installation.load());
            installation.limits.requests_per_address = 1;
            installation.client_address = Some(ClientAddress::Socket);
            app.app.installation.store(Arc::new(installation));
            let from: IpAddr = "192.0.2.1".parse().unwrap();
            let failing = || {
                let form = [("client_id", "nobody"), ("token", "x"), ("access_token", "x")];
                let ask = ask(&method, &path).from(from).form(&form);
                if method == "get" { ask.bearer("x") } else { ask }
            };
            app.send(failing()).await;
            assert_eq!(app.send(failing()).await.status, 429, "{path}");
        }
    }
}

/// Before everything is known.
async fn unready() {
    let app = whole();
    app.app.ring.store(None);
    for (path, method, operation) in operations() {
        // registration does without the ring
        let other = path == "/health" || path.starts_with("/register");
        if operation["responses"].get("503").is_some() && !other {
            let mut ask = ask(&method, &path).bearer("x");
            if method == "post" {
                ask = ask.form(&[("a", "b")]);
            }
            assert_eq!(app.send(ask).await.status, 503, "{path}");
        }
    }
}

async fn sign_in() {
    let mut app = whole();
    let request = request_of(&app, "web");
    let mut browser = Browser::new(&app);
    let page = browser.authorize("web", &[]).await;
    browser
        .authorize("web", &[("prompt", "none")])
        .await
        .is_sent_back_with("login_required");
    browser
        .authorize("web", &[("client_id", "nobody")])
        .await
        .is_own_page(400);
    let post = |more: &[(&str, &str)]| {
        let mut request = request.clone();
        for (name, value) in more {
            set(&mut request, name, value);
        }
        Ask::post("/authorize").form(&request)
    };
    browser.send(post(&[])).await.is_own_page(200);
    browser
        .send(post(&[("prompt", "none")]))
        .await
        .is_sent_back_with("login_required");
    browser
        .send(post(&[("client_id", "nobody")]))
        .await
        .is_own_page(400);

    browser.sign_in(&page, "jdoe", "wrong").await.is_own_page(400);
    let consent = browser.sign_in(&page, "jdoe", PASSWORD).await;
    consent.is_own_page(200);
    browser
        .submit(Form::of(&consent).with("_csrf", "x"))
        .await
        .is_own_page(400);
    browser
        .decide(&consent, "deny")
        .await
        .is_sent_back_with("access_denied");
    let cookies = browser.cookies.clone();
    browser.cookies.retain(|name, _| name.contains("browser"));
    browser.decide(&consent, "allow").await.is_own_page(200);
    browser.cookies = cookies;
    browser.decide(&consent, "allow").await.code();
    let again = browser.authorize("web", &[("prompt", "login")]).await;
    browser.sign_in(&again, "jdoe", PASSWORD).await.code();

    let page = Browser::new(&app).send(Ask::get("/account")).await;
    page.is_own_page(200);
    let mut browser = Browser::new(&app);
    let page = browser.send(Ask::get("/account")).await;
    browser.sign_in(&page, "gone", PASSWORD).await.is_own_page(403);
    app.set_lifetimes(|lifetimes| {
        lifetimes.sessions_per_user = 1;
        lifetimes.at_session_limit = oidc_crds::secrets::installation::AtSessionLimit::Refuse;
    });
    browser.sign_in(&page, "jdoe", PASSWORD).await.is_own_page(409);
    app.set_user("jdoe", json!({}));
}

async fn sign_out() {
    let mut app = whole();
    app.set_client(
        "web",
        json!({"redirectUris": [REDIRECT], "postLogoutRedirectUris": ["https://app.example.com/out"],
            "scopes": ["openid"]}),
    );
    let mut first = Browser::new(&app);
    let code = first.code("web", &[]).await;
    let tokens = Tokens::of(&app.redeem("web", &code).await);
    let mut second = Browser::new(&app);
    second.code("web", &[]).await;
    let hinted = [
        ("id_token_hint", tokens.id.as_str()),
        ("post_logout_redirect_uri", "https://app.example.com/out"),
        ("state", "s"),
    ];
    let by_get = |params: &[(&str, &str)]| Ask::get(&format!("/end_session?{}", encoded(params)));
    let by_post = |params: &[(&str, &str)]| Ask::post("/end_session").form(params);
    let wrong = [
        ("id_token_hint", tokens.id.as_str()),
        ("client_id", "default.other"),
    ];
    second.send(by_get(&wrong)).await.is_own_page(400);
    second.send(by_post(&wrong)).await.is_own_page(400);
    second.send(by_get(&[])).await.is_own_page(200);
    let page = second.send(by_post(&hinted)).await;
    page.is_own_page(200);
    let form = || Form::of(&page);
    second.submit(form()).await.is_own_page(400);
    second
        .submit(form().with("decision", "stay"))
        .await
        .is_own_page(200);
    let away = "https://app.example.com/out?state=s";
    let out = second.submit(form().with("decision", "sign_out")).await;
    assert_eq!(out.location(), away);
    assert_eq!(first.send(by_post(&hinted)).await.location(), away);
    assert_eq!(first.send(by_get(&hinted)).await.location(), away);
}

async fn account() {
    let app = whole();
    let mut browser = Browser::new(&app);
    browser.code("web", &[]).await;
    let page = browser.send(Ask::get("/account")).await;
    for path in [
        "/account/sign-out",
        "/account/withdraw",
        "/account/sign-out-everywhere",
    ] {
        browser
            .submit(Form::to(&page, path).with("_csrf", "x"))
            .await
            .is_own_page(400);
    }
    browser
        .submit(Form::to(&page, "/account/withdraw"))
        .await
        .location();
    app.clock.advance(301);
    let everywhere = Form::to(&page, "/account/sign-out-everywhere");
    let confirm = browser.submit(everywhere.clone()).await;
    confirm.is_own_page(200);
    browser
        .submit(Form::of(&confirm).with("password", PASSWORD))
        .await
        .location();
    browser
        .submit(Form::to(&page, "/account/sign-out"))
        .await
        .location();
}

async fn tokens() {
    let mut app = whole();
    app.sign_in("web", "openid").await;
    let ask = || Ask::post("/token");
    let web = |form: &[(&str, &str)]| ask().basic("web").form(form);
    app.send(web(&[])).await;
    app.send(ask().form(&[("grant_type", "authorization_code")]))
        .await;
    app.send(ask().basic("web").body("application/json", "{}")).await;
    app.send(
        Ask::post("/token?code=x")
            .basic("web")
            .form(&[("grant_type", "x")]),
    )
    .await;
    app.send(web(&[("state", "a"), ("state", "b")])).await;
    app.send(web(&[("grant_type", "client_credentials")])).await;
    app.send(web(&[("grant_type", "password")])).await;
    app.send(web(&[("grant_type", "authorization_code"), ("code", "x")]))
        .await;
    app.send(web(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("scope", "\u{e9}"),
    ]))
    .await;
    let machine = [
        ("grant_type", "client_credentials"),
        ("resource", "https://elsewhere.example.com"),
    ];
    app.send(ask().basic("machine").form(&machine)).await;
    app.send(
        ask()
            .basic_as("default.web", "wrong")
            .form(&[("grant_type", "x")]),
    )
    .await;
    // the examples, as they are
    let content = &DESCRIPTION["paths"]["/token"]["post"]["requestBody"]["content"][FORM];
    for (name, example) in content["examples"].as_object().unwrap() {
        let form: Vec<(&str, &str)> = example["value"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let client = if name == "client_credentials" {
            "machine"
        } else {
            "web"
        };
        let status = if name == "client_credentials" { 200 } else { 400 };
        assert_eq!(app.token(client, &form).await.status, status, "{name}");
    }
    app.set_client(
        "machine",
        json!({"applicationType": "service", "grantTypes": ["client_credentials"],
            "tokens": {"accessTokenSigningAlg": "ES384"}}),
    );
    assert_eq!(app.token("machine", &machine[..1]).await.status, 500);
}

async fn userinfo() {
    let app = whole();
    let tokens = app.sign_in("web", "openid profile email groups").await;
    let email = app.sign_in("web", "openid email").await;
    let bare = app.sign_in("web", "profile").await;
    let machine = app
        .token("machine", &[("grant_type", "client_credentials")])
        .await;
    let machine = Tokens::of(&machine);
    for method in [Method::GET, Method::POST] {
        let ask = |path: &str| Ask::new(method.clone(), path);
        assert_eq!(
            app.send(ask("/userinfo").bearer(&tokens.access)).await.status,
            200
        );
        assert_eq!(app.send(ask("/userinfo").bearer(&email.access)).await.status, 200);
        assert_eq!(app.send(ask("/userinfo?access_token=x")).await.status, 400);
        assert_eq!(
            app.send(ask("/userinfo").header("authorization", "Bearer"))
                .await
                .status,
            400
        );
        assert_eq!(app.send(ask("/userinfo")).await.status, 401);
        assert_eq!(app.send(ask("/userinfo").bearer("x")).await.status, 401);
        assert_eq!(app.send(ask("/userinfo").bearer(&bare.access)).await.status, 403);
        assert_eq!(
            app.send(ask("/userinfo").bearer(&machine.access)).await.status,
            403
        );
    }
    let form = [("access_token", tokens.access.as_str())];
    assert_eq!(app.send(Ask::post("/userinfo").form(&form)).await.status, 200);
}

async fn introspect_and_revoke() {
    let app = whole();
    let tokens = app.sign_in("web", "openid").await;
    for path in ["/introspect", "/revoke"] {
        let ask = || Ask::post(path);
        for token in [&tokens.refresh, &tokens.access, "an-unknown-token"] {
            let answer = app.send(ask().basic("web").form(&[("token", token)])).await;
            assert_eq!(answer.status, 200);
        }
        let form = [("token", "x")];
        app.send(ask().basic("web").form(&[("x", "y")])).await;
        app.send(ask().form(&form)).await;
        app.send(ask().basic("web").body("text/plain", "token=x")).await;
        app.send(ask().basic_as("default.web", "wrong").form(&form)).await;
    }
    let form = [("grant_type", "client_credentials"), ("scope", "api")];
    let machine = Tokens::of(&app.token("machine", &form).await);
    app.introspect("machine", &machine.access).await;
    let public = [("token", "x"), ("client_id", "default.spa")];
    app.send(Ask::post("/introspect").form(&public)).await;
}

async fn register() {
    let app = whole();
    let content = &DESCRIPTION["paths"]["/register"]["post"]["requestBody"]["content"]["application/json"];
    let example = content["examples"]["web"]["value"].to_string();
    for (media_type, body, status) in [
        ("application/json", example.as_str(), 201),
        ("text/plain", &example, 400),
        ("application/json", "{}", 400),
        ("application/json", "[]", 400),
    ] {
        let answer = app.send(Ask::post("/register").body(media_type, body)).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    manage(&app).await;
    by_token(&app);
    let answer = app.send(Ask::post("/register").bearer("unknown")).await;
    answer.is_error(401, "invalid_token");
    app.app.pepper.store(None);
    let ask = Ask::post("/register").body("application/json", example);
    let answer = app.send(ask.bearer(TOKEN)).await;
    answer.is_error(503, "temporarily_unavailable");
    assert!(answer.header("retry-after").is_some());
}

/// A client of its own that a program registers.
async fn manage(app: &TestApp) {
    let content = &DESCRIPTION["paths"]["/register"]["post"]["requestBody"]["content"]["application/json"];
    let example = &content["examples"]["web"]["value"];
    let ask = Ask::post("/register").body("application/json", example.to_string());
    let told = app.send(ask).await.json();
    let path = format!("/register/{}", told["client_id"].as_str().unwrap());
    let mut token = told["registration_access_token"].as_str().unwrap().to_owned();
    let mut change = example.clone();
    change["client_id"] = told["client_id"].clone();
    let other = json!({"client_id": "other"}).to_string();
    let nowhere = json!({"client_id": told["client_id"]}).to_string();
    for (media_type, body, status) in [
        ("application/json", change.to_string(), 200),
        ("text/plain", change.to_string(), 400),
        ("application/json", other, 400),
        ("application/json", nowhere, 400),
        ("application/json", "x".repeat(64 * 1024 + 1), 413),
    ] {
        let ask = Ask::new(Method::PUT, &path).bearer(&token).body(media_type, body);
        let answer = app.send(ask).await;
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 200 {
            token = answer.json()["registration_access_token"]
                .as_str()
                .unwrap()
                .to_owned();
        }
    }
    for method in ["GET", "PUT", "DELETE"] {
        let ask = || Ask::new(method.parse().unwrap(), &path);
        app.send(ask().bearer("x")).await.is_error(401, "invalid_token");
        let malformed = app.send(ask().header("authorization", "Bearer")).await;
        malformed.is_error(400, "invalid_request");
        let pepper = app.app.pepper.swap(None);
        let answer = app.send(ask().bearer(&token)).await;
        answer.is_error(503, "temporarily_unavailable");
        app.app.pepper.store(pepper);
    }
    assert_eq!(app.send(Ask::get(&path).bearer(&token)).await.status, 200);
    let answer = app.send(Ask::new(Method::DELETE, &path).bearer(&token)).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
}
