//! The standalone provider as a program: the requests that its readers will try, and what happens to its
//! folder.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod browser;
mod pod;
mod process;

use std::os::unix::fs::PermissionsExt as _;

use oidc_crds::jwk::PrivateJwk;
use oidc_crds::names::Algorithm;
use serde_json::{Value, json};

use browser::Person;
use process::{World, claims, content, eventually, failure, header, program};

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A client that gets credentials of its own.
const CLIENT: &str = "\
apiVersion: oidc-operator.dev/v1alpha1
kind: OidcClient
metadata:
  name: machine
spec:
  applicationType: service
  grantTypes: [client_credentials]
";

/// Client id and secret of a generated Secret.
fn credentials(manifest: &str) -> (String, String) {
    let value = |key: &str| {
        let line = manifest.lines().find(|line| line.trim_start().starts_with(key));
        let text = line
            .unwrap_or_else(|| panic!("{key} is missing"))
            .split_once(": ")
            .unwrap()
            .1;
        text.trim_matches(['"', '\'']).to_owned()
    };
    (value("CLIENT_ID:"), value("CLIENT_SECRET:"))
}

#[tokio::test]
async fn the_documents_can_be_read() {
    let world = World::of_examples();
    let provider = world.start();
    let document = provider.get("/.well-known/openid-configuration").await;
    assert_eq!(document["issuer"], json!(provider.url));
    assert_eq!(
        document["registration_endpoint"],
        json!(format!("{}/register", provider.url))
    );
    assert_eq!(
        document,
        provider.get("/.well-known/oauth-authorization-server").await
    );
    let (short, cached) = ("published for 10s before it signs", "cache the keys for 5s");
    assert!(provider.stdout.wait_for(short).contains(cached));
    assert_eq!(provider.kids().await.len(), 1);
    assert_eq!(provider.get("/health").await["status"], "ok");
    let metrics = provider
        .http
        .get(format!("{}/metrics", provider.url))
        .send()
        .await
        .unwrap();
    assert!(metrics.text().await.unwrap().contains("# EOF"));
    assert!(provider.stop().success());
}

#[tokio::test]
async fn a_client_gets_a_token_for_itself_and_takes_it_back() {
    let world = World::of_examples();
    let provider = world.start();
    let demo = Some(("client123", "secret456"));
    let (status, token) = provider.token("client123", "secret456").await;
    assert_eq!((status, &token["token_type"]), (200, &json!("Bearer")), "{token}");
    let access = token["access_token"].as_str().unwrap();

    let form = [("token", access)];
    let (status, told) = provider.post("/introspect", demo, &form).await;
    assert_eq!(
        (status, &told["active"], &told["sub"]),
        (200, &json!(true), &json!("client123"))
    );
    assert_eq!(provider.post("/revoke", demo, &form).await.0, 200);
    let (_, told) = provider.post("/introspect", demo, &form).await;
    assert_eq!(told, json!({"active": false}));

    let (status, error) = provider.token("client123", "secret457").await;
    assert_eq!((status, &error["error"]), (401, &json!("invalid_client")));
}

#[tokio::test]
async fn a_person_signs_in_and_the_tokens_work() {
    let world = World::of_examples();
    let provider = world.start();
    let demo = Some(("client123", "secret456"));
    let callback = "http://localhost:8080/callback";
    let parameters = [
        ("response_type", "code"),
        ("client_id", "client123"),
        ("redirect_uri", callback),
        ("scope", "openid profile email"),
        ("state", "random123"),
        ("nonce", "n-0S6"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let mut person = Person::new(&provider, "jdoe", "password");
    let answer = person.authorize(&parameters).await;
    assert_eq!(
        (answer["state"].as_str(), answer["iss"].as_str()),
        ("random123", provider.url.as_str())
    );
    assert_eq!(person.forms, 2, "sign-in and consent");

    let code = [
        ("grant_type", "authorization_code"),
        ("code", answer["code"].as_str()),
        ("redirect_uri", callback),
        ("code_verifier", VERIFIER),
    ];
    let (status, tokens) = provider.post("/token", demo, &code).await;
    assert_eq!(status, 200, "{tokens}");
    let id = claims(&tokens["id_token"]);
    assert_eq!(
        (&id["sub"], &id["nonce"], &id["aud"]),
        (&json!("user-123"), &json!("n-0S6"), &json!("client123"))
    );

    let access = tokens["access_token"].as_str().unwrap();
    let userinfo = provider
        .http
        .get(format!("{}/userinfo", provider.url))
        .bearer_auth(access);
    let userinfo: Value = userinfo.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&userinfo["sub"], &userinfo["email"]),
        (&json!("user-123"), &json!("jdoe@example.com"))
    );

    let refresh = tokens["refresh_token"].as_str().unwrap();
    let (status, fresh) = provider
        .post(
            "/token",
            demo,
            &[("grant_type", "refresh_token"), ("refresh_token", refresh)],
        )
        .await;
    assert_eq!(status, 200, "{fresh}");
    let fresh = fresh["refresh_token"].as_str().unwrap();
    assert_eq!(provider.post("/revoke", demo, &[("token", fresh)]).await.0, 200);
    let (_, told) = provider.post("/introspect", demo, &[("token", access)]).await;
    assert_eq!(told, json!({"active": false}), "the family is gone");

    let again = person.authorize(&parameters).await;
    assert!(again.contains_key("code"));
    assert_eq!(person.forms, 2, "neither is asked again");
}

#[tokio::test]
async fn a_client_registers_itself() {
    let world = World::of_examples();
    let provider = world.start();
    let metadata = json!({
        "client_name": "mobile-app",
        "redirect_uris": ["com.myapp://callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "scope": "openid profile email"
    });
    let mut ids = Vec::new();
    for _ in 0..2 {
        let request = provider
            .http
            .post(format!("{}/register", provider.url))
            .json(&metadata);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 201);
        let made: Value = response.json().await.unwrap();
        let (id, secret) = (made["client_id"].clone(), made["client_secret"].clone());
        ids.push(id.clone());
        let form = [("token", "unknown")];
        let (status, told) = provider
            .post(
                "/introspect",
                Some((id.as_str().unwrap(), secret.as_str().unwrap())),
                &form,
            )
            .await;
        assert_eq!((status, told), (200, json!({"active": false})));
    }
    assert_ne!(ids[0], ids[1]);

    // a change of the folder does not end them
    world.write("machine.yaml", CLIENT);
    provider.stdout.wait_for("CLIENT_ID=default.machine");
    let id = ids[0].as_str().unwrap();
    let parameters = [
        ("response_type", "code"),
        ("client_id", id),
        ("redirect_uri", "com.myapp://callback"),
        ("scope", "openid"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let answer = Person::new(&provider, "jdoe", "password")
        .authorize(&parameters)
        .await;
    assert!(answer.contains_key("code"), "{answer:?}");

    let refused = json!({"redirect_uris": ["http://example.com/*"]});
    let request = provider
        .http
        .post(format!("{}/register", provider.url))
        .json(&refused);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 400);
    let error: Value = response.json().await.unwrap();
    assert_eq!(error["error"], "invalid_redirect_uri");
}

#[tokio::test]
async fn an_edited_signing_key_takes_over_without_a_restart() {
    let world = World::of_examples();
    let key = world
        .read("signing-key.yaml")
        .replace("publishFor: 10s", "publishFor: 1h");
    world.write("signing-key.yaml", &key);
    let provider = world.start();
    let (_, token) = provider.token("client123", "secret456").await;
    let old = header(&token["access_token"])["kid"].clone();

    let next = key.replace("revision: 1", "revision: 2");
    world.write("signing-key.yaml", &next);
    let kids = eventually("the next key is published", async || {
        Some(provider.kids().await).filter(|kids| kids.len() == 2)
    })
    .await;
    let (_, between) = provider.token("client123", "secret456").await;
    assert_eq!(
        header(&between["access_token"])["kid"],
        old,
        "it does not sign before publishFor"
    );
    let log = provider
        .stderr
        .wait_for("SigningKey main: a key for RS256 is minted and published");
    assert!(!log.contains("KeyMinted"), "{log}");
    world.write(
        "signing-key.yaml",
        &next.replace("publishFor: 1h", "publishFor: 7s"),
    );
    let signing = eventually("the next key signs", async || {
        let (_, token) = provider.token("client123", "secret456").await;
        Some(header(&token["access_token"])["kid"].clone()).filter(|kid| *kid != old)
    })
    .await;
    assert!(kids.contains(&signing.as_str().unwrap().to_owned()));
    let form = [("token", between["access_token"].as_str().unwrap())];
    let (_, told) = provider
        .post("/introspect", Some(("client123", "secret456")), &form)
        .await;
    assert_eq!(told["active"], true, "what the old key signed is still good");
}

#[tokio::test]
async fn a_revoked_key_is_gone_at_once_and_another_signs() {
    let world = World::of_examples();
    let key = world.read("signing-key.yaml");
    let provider = world.start();
    let (_, token) = provider.token("client123", "secret456").await;
    let kid = header(&token["access_token"])["kid"].as_str().unwrap().to_owned();
    world.write(
        "signing-key.yaml",
        &format!("{key}  revoked:\n    - kid: {kid}\n"),
    );
    let kids = eventually("another is published in its place", async || {
        Some(provider.kids().await).filter(|kids| !kids.contains(&kid))
    })
    .await;
    let (_, after) = provider.token("client123", "secret456").await;
    assert_eq!(kids, [header(&after["access_token"])["kid"].as_str().unwrap()]);
    let form = [("token", token["access_token"].as_str().unwrap())];
    let (_, told) = provider
        .post("/introspect", Some(("client123", "secret456")), &form)
        .await;
    assert_eq!(told, json!({"active": false}), "what it signed is refused");
    provider.stderr.wait_for(&format!("key {kid} is revoked"));
}

#[tokio::test]
async fn a_signing_key_is_imported_from_a_secret_in_the_folder() {
    let world = World::of_examples();
    let key = world.read("signing-key.yaml");
    let jwk = PrivateJwk::generate(Algorithm::ES256, None).unwrap();
    let kid = jwk.thumbprint().unwrap();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine"},
        "stringData": {"key.json": serde_json::to_string(&jwk).unwrap()},
    });
    world.write("key-secret.yaml", &secret.to_string());
    let import = key
        .replace(
            "algorithm: RS256",
            "algorithm: ES256\n  secretRef: {name: mine, key: key.json}",
        )
        .replace("  rsaBits: 2048\n", "");
    world.write("signing-key.yaml", &import);
    let provider = world.start();
    let (_, token) = provider.token("client123", "secret456").await;
    assert_eq!(header(&token["access_token"])["kid"], kid.as_str());
    assert_eq!(provider.kids().await, [kid]);

    // What cannot be used is told, and the key that is there signs on.
    world.write(
        "key-secret.yaml",
        &secret.to_string().replace("key.json", "other"),
    );
    provider.stderr.wait_for("it has no key `key.json`");
    assert_eq!(provider.token("client123", "secret456").await.0, 200);
}

#[tokio::test]
async fn a_dropped_in_client_is_served_and_its_credentials_are_told_once() {
    let world = World::of_examples();
    let provider = world.start();
    world.write("machine.yaml", CLIENT);
    provider.stdout.wait_for("CLIENT_SECRET=");
    let path = world.state("secrets/default.machine-oidc.yaml");
    let manifest = content(&path).await;
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let (id, secret) = credentials(&manifest);
    assert_eq!(id, "default.machine");
    let token = async || provider.token(&id, &secret).await.0;
    eventually("it is served", async || {
        Some(token().await).filter(|status| *status == 200)
    })
    .await;
    let said = provider.stdout.text();
    assert_eq!(said.matches(&secret).count(), 1, "told once");
    assert!(!provider.stderr.text().contains(&secret), "never in the log");

    std::fs::remove_file(world.manifest("machine.yaml")).unwrap();
    eventually("it is refused", async || {
        Some(token().await).filter(|status| *status == 401)
    })
    .await;
    eventually("its Secret is gone", async || (!path.exists()).then_some(())).await;

    // put back, it is another: it inherits nothing
    world.write("machine.yaml", CLIENT);
    let (_, other) = credentials(&content(&path).await);
    assert_ne!(other, secret);
    assert_eq!(token().await, 401);
}

#[tokio::test]
async fn a_new_word_rotates_a_secret_once_and_a_restart_remembers_it() {
    let world = World::of_examples();
    let provider = world.start();
    world.write("machine.yaml", CLIENT);
    let path = world.state("secrets/default.machine-oidc.yaml");
    let (id, old) = credentials(&content(&path).await);
    world.write("machine.yaml", &format!("{CLIENT}  rotation: {{now: a}}\n"));
    let new = eventually("a new secret", async || {
        let (_, secret) = credentials(&content(&path).await);
        (secret != old).then_some(secret)
    })
    .await;
    eventually("both are accepted", async || {
        let both = [
            provider.token(&id, &old).await.0,
            provider.token(&id, &new).await.0,
        ];
        (both == [200, 200]).then_some(())
    })
    .await;
    provider.stdout.wait_for(&new);
    assert!(provider.stop().success());

    let provider = world.start();
    assert_eq!(provider.token(&id, &old).await.0, 200);
    assert_eq!(provider.token(&id, &new).await.0, 200);
    assert_eq!(credentials(&content(&path).await).1, new);
}

#[tokio::test]
async fn another_name_moves_a_secret_with_its_credential() {
    let world = World::of_examples();
    let named = |name: &str| format!("{CLIENT}  secret: {{name: {name}}}\n");
    let other = CLIENT.replace("name: machine", "name: second");
    let provider = world.start();
    world.write("machine.yaml", CLIENT);
    world.write("second.yaml", &other);
    let of = |name: &str| world.state(&format!("secrets/default.{name}.yaml"));
    let one = credentials(&content(&of("machine-oidc")).await);
    let two = credentials(&content(&of("second-oidc")).await);

    world.write("machine.yaml", &named("moved"));
    assert_eq!(credentials(&content(&of("moved")).await), one);
    eventually("the old file is gone", async || {
        (!of("machine-oidc").exists()).then_some(())
    })
    .await;
    assert_eq!(provider.token(&one.0, &one.1).await.0, 200);
    assert!(provider.stop().success());

    // While nothing runs, the clients take each other's names.
    world.write("machine.yaml", &named("second-oidc"));
    world.write("second.yaml", &format!("{other}  secret: {{name: moved}}\n"));
    let provider = world.start();
    for ((id, secret), name) in [(&one, "second-oidc"), (&two, "moved")] {
        assert_eq!(provider.token(id, secret).await.0, 200, "{name}");
        assert_eq!(
            credentials(&content(&of(name)).await),
            (id.clone(), secret.clone())
        );
    }
}

#[tokio::test]
async fn a_secret_with_another_name_waits_for_a_client_that_is_refused() {
    let world = World::of_examples();
    let provider = world.start();
    world.write("machine.yaml", CLIENT);
    let of = |name: &str| world.state(&format!("secrets/default.{name}.yaml"));
    let held = credentials(&content(&of("machine-oidc")).await);

    let named = format!("{CLIENT}  secret: {{name: moved}}\n");
    let refused = format!("{named}  redirectUris: [\"http://shop.example.com/callback\"]\n");
    world.write("machine.yaml", &refused);
    // its manifest was read, and another one after it
    eventually("the client is refused", async || {
        (provider.token(&held.0, &held.1).await.0 == 401).then_some(())
    })
    .await;
    world.write("second.yaml", &CLIENT.replace("name: machine", "name: second"));
    content(&of("second-oidc")).await;
    assert!(of("machine-oidc").exists(), "it is not lost");
    world.write("machine.yaml", &named);
    assert_eq!(credentials(&content(&of("moved")).await), held);
    eventually("the old file is gone", async || {
        (!of("machine-oidc").exists()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_broken_manifest_names_its_line_and_the_last_good_version_is_served() {
    let world = World::of_examples();
    let provider = world.start();
    let good = world.read("client123.yaml");
    let number = good
        .lines()
        .position(|line| line.contains("displayName"))
        .unwrap()
        + 1;

    world.write("client123.yaml", &good.replace("displayName", "displayNames"));
    let log = provider.stderr.wait_for("spec.displayNames: unknown field");
    assert!(
        log.contains(&format!("client123.yaml:{number}: spec.displayNames")),
        "{log}"
    );
    assert_eq!(provider.token("client123", "secret456").await.0, 200);

    world.write(
        "client123.yaml",
        &good.replace("scopes: [openid", "scopes: [[openid"),
    );
    let log = provider.stderr.wait_for("this is no YAML");
    assert!(log.contains("client123.yaml:"), "{log}");
    assert_eq!(provider.token("client123", "secret456").await.0, 200);

    world.write("client123.yaml", &good.replace("secret456", "secret789"));
    eventually("the mended version is served", async || {
        let (status, _) = provider.token("client123", "secret789").await;
        (status == 200).then_some(())
    })
    .await;
    let (status, _) = provider.token("client123", "secret456").await;
    assert_eq!(status, 200, "both secrets are accepted for the overlap");
}

#[tokio::test]
async fn a_restart_inherits_everything_even_after_a_kill() {
    let world = World::of_examples();
    world.write("machine.yaml", CLIENT);
    let provider = world.start();
    let kids = provider.kids().await;
    let manifest = content(&world.state("secrets/default.machine-oidc.yaml")).await;
    let (id, secret) = credentials(&manifest);
    assert_eq!(provider.token(&id, &secret).await.0, 200);
    provider.kill();

    let provider = world.start();
    assert_eq!(provider.kids().await, kids);
    assert_eq!(provider.token(&id, &secret).await.0, 200);
    assert!(
        !provider.stdout.text().contains("CLIENT_SECRET="),
        "not told again"
    );
    let records = std::fs::read_to_string(world.state("objects.json")).unwrap();
    assert!(provider.stop().success());

    let provider = world.start();
    assert_eq!(
        std::fs::read_to_string(world.state("objects.json")).unwrap(),
        records
    );
    let mut person = Person::new(&provider, "jdoe", "password");
    let answer = person
        .authorize(&[
            ("response_type", "code"),
            ("client_id", "spa"),
            ("redirect_uri", "http://localhost:3000/callback"),
            ("scope", "openid"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ])
        .await;
    assert!(answer.contains_key("code"), "{answer:?}");
}

#[tokio::test]
async fn one_client_is_enough_for_a_start() {
    let world = World::new(&[("machine.yaml", CLIENT)]);
    let provider = world.start();
    let (id, secret) = credentials(&content(&world.state("secrets/default.machine-oidc.yaml")).await);
    let (status, token) = provider.token(&id, &secret).await;
    assert_eq!(status, 200, "{token}");
    assert_eq!(header(&token["access_token"])["alg"], "RS256");
}

#[tokio::test]
async fn demo_credentials_are_refused_where_others_can_reach_them() {
    let world = World::of_examples();
    let provider = world.start_with(&["--listen", "0.0.0.0:0"]);
    assert_eq!(provider.token("client123", "secret456").await.0, 401);
    let log = provider.stderr.wait_for("OidcUser/default/jdoe");
    assert!(log.contains("OidcClient/default/client123"), "{log}");
    assert!(!log.contains("secret456"));
    assert!(
        log.contains("OidcUser/default/jdoe: its password is one of the most common ones"),
        "{log}"
    );

    // eight characters that nobody guesses first will do
    let user = world.read("jdoe.yaml");
    world.write(
        "jdoe.yaml",
        &user.replace("password: password", "password: seven77"),
    );
    let log = provider
        .stderr
        .wait_for("its password is too short: 8 characters are needed");
    assert!(!log.contains("seven77"));
    world.write(
        "jdoe.yaml",
        &user.replace("password: password", "password: eight888"),
    );
    world.write("machine.yaml", CLIENT); // read in the same order
    provider.stdout.wait_for("CLIENT_ID=default.machine");
    eventually("its password is sealed", async || {
        let records = std::fs::read_to_string(world.state("objects.json")).ok()?;
        records.contains("sealed").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_reference_takes_opaque_secrets_only() {
    let world = World::of_examples();
    for (name, kind) in [
        ("client123.yaml", "kubernetes.io/tls"),
        ("jdoe.yaml", "kubernetes.io/basic-auth"),
    ] {
        let text = world.read(name);
        world.write(
            name,
            &text.replace("kind: Secret", &format!("kind: Secret\ntype: {kind}")),
        );
    }
    let provider = world.start();
    assert_eq!(provider.token("client123", "secret456").await.0, 401);
    for told in [
        "OidcClient/default/client123: the Secret that `secretRef` names is of type kubernetes.io/tls",
        "OidcUser/default/jdoe: its password Secret is of type kubernetes.io/basic-auth",
    ] {
        provider.stderr.wait_for(told);
    }
    let text = world.read("client123.yaml");
    world.write("client123.yaml", &text.replace("kubernetes.io/tls", "Opaque"));
    eventually("an Opaque one is taken", async || {
        let (status, _) = provider.token("client123", "secret456").await;
        (status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn reg_02_registration_is_closed_where_others_can_reach_it_unless_it_was_opened() {
    let world = World::of_examples();
    let metadata = json!({"redirect_uris": ["com.myapp://callback"]});
    for (more, status) in [(None, 404), (Some("--open-registration"), 201)] {
        let arguments: Vec<_> = ["--listen", "0.0.0.0:0"].into_iter().chain(more).collect();
        let provider = world.start_with(&arguments);
        let url = format!("{}/register", provider.url);
        let answer = provider.http.post(&url).json(&metadata).send().await.unwrap();
        assert_eq!(answer.status(), status, "{more:?}");
        let document = provider.get("/.well-known/openid-configuration").await;
        let offered = document["registration_endpoint"] == json!(url);
        assert_eq!(offered, more.is_some());
        assert_eq!(
            provider.stdout.text().contains("POST /register is closed"),
            more.is_none()
        );
        assert!(provider.stop().success());
    }
}

#[tokio::test]
async fn reg_01_with_tokens_registration_is_open_to_those_who_have_one() {
    let world = World::new(&[("machine.yaml", CLIENT)]);
    // by its name no manifest
    world.write("installation.conf", "registration: {mode: token}");
    let file = world.manifest("installation.conf");
    let file = file.to_str().unwrap();
    let provider = world.start_with(&["--installation", file, "--listen", "0.0.0.0:0"]);
    let token = "canary-0123456789abcdef0123456789abcdef";
    let register = async || {
        let metadata = json!({"redirect_uris": ["com.myapp://callback"]});
        let request = provider.http.post(format!("{}/register", provider.url));
        let answer = request.bearer_auth(token).json(&metadata).send().await;
        answer.unwrap().status().as_u16()
    };
    assert_eq!(register().await, 401);
    let value = json!({"token": token, "uses": 1, "expiresAt": "2099-01-01T00:00:00Z"});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "standalone-registration-tokens"},
        "stringData": {"ci": value.to_string(), "weak": "canary"}});
    world.write("tokens.yaml", &secret.to_string());
    eventually("the token is taken", async || {
        (register().await == 201).then_some(())
    })
    .await;
    assert_eq!(register().await, 401, "used up");
    let said = provider
        .stderr
        .wait_for("Secret/default/standalone-registration-tokens: `weak`");
    assert!(!said.contains("canary"), "{said}");
    assert!(provider.stop().success());
}

#[tokio::test]
async fn reg_03_a_program_changes_and_deletes_its_client() {
    let world = World::new(&[("machine.yaml", CLIENT)]);
    let provider = world.start();
    let body = json!({"redirect_uris": ["com.myapp://callback"], "client_name": "One"});
    let ask = async |method: &str, url: &str, token: &str, body: &Value| {
        let request = provider.http.request(method.parse().unwrap(), url);
        let answer = request.bearer_auth(token).json(body).send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap_or_default(),
        )
    };
    let (status, told) = ask("POST", &format!("{}/register", provider.url), "", &body).await;
    assert_eq!(status, 201, "{told}");
    let url = told["registration_client_uri"].as_str().unwrap();
    let token = told["registration_access_token"].as_str().unwrap();
    let mut change = body;
    change["client_id"] = told["client_id"].clone();
    change["client_name"] = "Two".into();
    let (status, changed) = ask("PUT", url, token, &change).await;
    assert_eq!(
        (status, &changed["client_name"]),
        (200, &json!("Two")),
        "{changed}"
    );
    change["redirect_uris"] = json!(["http://app.example.com/cb"]);
    assert_eq!(ask("PUT", url, token, &change).await.0, 400);
    let (status, read) = ask("GET", url, token, &Value::Null).await;
    assert_eq!((status, &read["client_name"]), (200, &json!("Two")), "{read}");
    // that of a manifest is nobody's by HTTP
    let of_manifest = format!("{}/register/default.machine", provider.url);
    assert_eq!(ask("DELETE", &of_manifest, token, &Value::Null).await.0, 401);
    assert_eq!(ask("DELETE", url, token, &Value::Null).await.0, 204);
    assert_eq!(ask("GET", url, token, &Value::Null).await.0, 401);
    assert!(provider.stop().success());
}

#[test]
fn a_wrong_setting_is_one_line_that_names_it_and_exit_1() {
    let world = World::new(&[("machine.yaml", CLIENT)]);
    let mut commands = vec![
        (world.command(&["--listen", "nowhere"]), "--listen"),
        (world.command(&["--issuer", "http://example.com"]), "ISSUER_URL"),
        (world.command(&["--redis", "canary"]), "REDIS_URL"),
        (world.command(&["--manifests", "/nonexistent"]), "--manifests"),
        (world.command(&["--log", "oidc_provider=loud"]), "OIDC_LOG"),
    ];
    let mut pod = program();
    pod.args(["serve", "--namespace", "a"]);
    commands.push((pod, "OIDC_RELEASE"));
    for (mut command, name) in commands {
        if name != "--listen" && name != "OIDC_RELEASE" {
            command.args(["--listen", "localhost:0"]);
        }
        let (code, said) = failure(command);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(name) && said.lines().count() == 1, "{name}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
}

#[tokio::test]
async fn a_taken_port_and_a_taken_state_are_one_line() {
    let world = World::new(&[("machine.yaml", CLIENT)]);
    let provider = world.start();
    let port = provider.url.rsplit(':').next().unwrap();
    let (code, said) = failure(world.command(&["--listen", &format!("localhost:{port}")]));
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains(port) && said.contains("taken"), "{said}");
    let (code, said) = failure(world.command(&["--listen", "localhost:0"]));
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("--state"), "{said}");
}
