//! What people see: the language of pages, and how an installation makes them its own.

use oidc_crds::language::Language;
use oidc_crds::secrets::installation::Installation;
use serde_json::json;

use super::support::browser::Form;
use super::support::*;

fn with(app: &TestApp, change: impl FnOnce(&mut Installation)) {
    let mut installation = Installation::clone(&app.app.installation.load());
    change(&mut installation);
    app.app.installation.store(installation.into());
}

/// What a person reads of a page, a line for each piece.
fn read(page: &Answer) -> String {
    let (_, body) = page.text.split_once("<body>").unwrap();
    let mut text = String::new();
    for piece in body.split('<') {
        let (tag, shown) = piece.split_once('>').unwrap_or(("", piece));
        let inline = [
            "strong", "/strong", "small", "/small", "code", "/code", "a ", "/a",
        ];
        if !inline.iter().any(|name| tag.starts_with(name)) {
            text.push('\n');
        }
        text.push_str(shown);
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<String> = lines.map(|line| line.replace("&#39;", "'")).collect();
    lines.join("\n")
}

#[track_caller]
fn is_in(page: &Answer, language: Language) {
    let tag = language.tag();
    assert!(
        page.text.contains(&format!("<html lang=\"{tag}\">")),
        "{tag}: {page:?}"
    );
    assert_eq!(page.header("content-language"), Some(tag));
    assert_eq!(page.header("vary"), Some("Accept-Language"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn az_12_each_language_has_a_login_page() {
    let app = TestApp::new();
    for (locale, language, title, sentence) in [
        (
            "en-GB",
            Language::En,
            "Sign in",
            "to continue to <strong>The Web App</strong>",
        ),
        (
            "de-CH",
            Language::De,
            "Anmelden",
            "um mit <strong>The Web App</strong> fortzufahren",
        ),
        (
            "fr",
            Language::Fr,
            "Se connecter",
            "pour continuer vers <strong>The Web App</strong>",
        ),
        (
            "es-419",
            Language::Es,
            "Iniciar sesión",
            "para continuar a <strong>The Web App</strong>",
        ),
        (
            "ja-JP",
            Language::Ja,
            "サインイン",
            "<strong>The Web App</strong> に進むには",
        ),
    ] {
        let asked = Browser::new(&app)
            .authorize("web", &[("ui_locales", locale)])
            .await;
        let request = encoded(&request_of(&app, "web"));
        let accepted = app
            .send(Ask::get(&format!("/authorize?{request}")).header("accept-language", locale))
            .await;
        for page in [asked, accepted] {
            is_in(&page, language);
            assert!(page.text.contains(&format!("<title>{title}</title>")), "{page:?}");
            assert!(page.text.contains(sentence), "{page:?}");
            // whatever the language, programs find the same fields
            let form = Form::of(&page);
            for name in ["username", "password", "_csrf", "_request"] {
                assert!(form.has(name), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn az_12_ui_locales_goes_before_the_browser_which_goes_before_the_installation() {
    let app = TestApp::new();
    with(&app, |installation| {
        installation.pages.default_language = Language::Fr;
    });
    for (locales, header, language) in [
        ("", "", Language::Fr),
        ("", "tlh, *;q=0.1", Language::Fr),
        ("", "es;q=0.2, ja;q=0.3", Language::Ja),
        ("", "ja;q=0, es;q=0.1", Language::Es),
        ("tlh de", "ja", Language::De),
        ("tlh", "ja", Language::Ja),
        ("de-", "", Language::Fr),
        ("\u{1F600} <script>", "\u{1F600}", Language::Fr),
    ] {
        let mut request = request_of(&app, "web");
        set(&mut request, "ui_locales", locales);
        let mut ask = Ask::get(&format!("/authorize?{}", encoded(&request)));
        if !header.is_empty() {
            ask = ask.header("accept-language", header);
        }
        let page = app.send(ask).await;
        assert_eq!(page.status, 200);
        is_in(&page, language);
    }
}

#[tokio::test]
async fn az_12_the_language_lasts_through_the_whole_flow() {
    let mut app = TestApp::new();
    app.set_client(
        "web",
        json!({"displayName": "The Web App", "redirectUris": [REDIRECT], "consent": "required",
            "clientUri": "https://app.example.com", "policyUri": "https://app.example.com/p",
            "scopes": ["openid", "profile", "email", "api"], "grantTypes": ["authorization_code"]}),
    );
    let mut browser = Browser::new(&app);
    let more = [("ui_locales", "de"), ("scope", "openid profile api")];
    let login = browser.authorize("web", &more).await;
    let wrong = browser.sign_in(&login, "jdoe", "wrong password").await;
    is_in(&wrong, Language::De);
    assert!(
        wrong
            .text
            .contains("Der Benutzername oder das Passwort ist falsch.")
    );
    let consent = browser.sign_in(&wrong, "jdoe", PASSWORD).await;
    is_in(&consent, Language::De);
    assert!(consent.text.contains("Ihren Namen und Ihr Profil sehen"));
    let form = Form::of(&consent);
    let cookies = browser.cookies.clone();
    // an error of the same flow
    app.delete_client("web");
    let mut later = Browser::new(&app);
    later.cookies = cookies;
    let gone = later.submit(form.with("decision", "allow")).await;
    gone.is_own_page(400);
    is_in(&gone, Language::De);
    assert!(gone.text.contains("Die Anwendung ist hier nicht mehr bekannt."));
}

#[tokio::test]
async fn az_12_consent_reads_well_in_each_language() {
    let mut app = TestApp::new();
    app.set_client(
        "web",
        json!({"displayName": "The Web App", "redirectUris": [REDIRECT], "consent": "required",
            "clientUri": "https://app.example.com", "policyUri": "https://app.example.com/p",
            "tosUri": "https://app.example.com/t", "scopes": ["openid", "email", "api"]}),
    );
    let mut pages = String::new();
    for language in Language::ALL {
        let mut browser = Browser::new(&app);
        let more = [("ui_locales", language.tag()), ("scope", "openid email api")];
        let login = browser.authorize("web", &more).await;
        let consent = browser.sign_in(&login, "jdoe", PASSWORD).await;
        is_in(&consent, language);
        pages.push_str(&read(&consent));
        pages.push_str("\n\n");
    }
    insta::assert_snapshot!(pages, @r"
    Allow The Web App?
    The Web App (namespace default) asks to:
    Know who you are
    See your e-mail address
    Use the permission api
    You are signed in as jdoe.
    Allow
    Deny
    Privacy policy
    Terms of service

    The Web App zulassen?
    The Web App (Namensraum default) möchte:
    Erfahren, wer Sie sind
    Ihre E-Mail-Adresse sehen
    Die Berechtigung api verwenden
    Sie sind als jdoe angemeldet.
    Zulassen
    Ablehnen
    Datenschutzerklärung
    Nutzungsbedingungen

    Autoriser The Web App ?
    The Web App (espace de noms default) demande l’autorisation de :
    Savoir qui vous êtes
    Voir votre adresse e-mail
    Utiliser l’autorisation api
    Vous êtes connecté en tant que jdoe.
    Autoriser
    Refuser
    Politique de confidentialité
    Conditions d’utilisation

    ¿Permitir The Web App?
    The Web App (espacio de nombres default) pide permiso para:
    Saber quién es usted
    Ver su dirección de correo electrónico
    Usar el permiso api
    Ha iniciado sesión como jdoe.
    Permitir
    Denegar
    Política de privacidad
    Condiciones del servicio

    The Web App を許可しますか？
    The Web App （名前空間 default） が次の許可を求めています。
    本人であることの確認
    メールアドレスの参照
    権限 api の使用
    jdoe としてサインインしています。
    許可する
    許可しない
    プライバシーポリシー
    利用規約
    ");
}

#[tokio::test]
async fn az_12_every_page_is_in_the_language() {
    let app = TestApp::new();
    let german = |ask: Ask| ask.header("accept-language", "de-DE,de;q=0.9,en;q=0.1");
    for (path, status, sentence) in [
        ("/", 200, "Anmeldedienst"),
        ("/login", 200, "Anmeldedienst"),
        (
            "/account",
            200,
            "um mit <strong>Ihrem Konto</strong> fortzufahren",
        ),
        ("/end_session", 200, "Sie sind abgemeldet"),
        ("/authorize", 400, "Diese Anfrage kann nicht beantwortet werden"),
        ("/consent", 405, "Das ist hier nicht möglich"),
        ("/nothing", 404, "Hier gibt es nichts"),
    ] {
        let page = app
            .send(german(Ask::get(path)).header("accept", "text/html"))
            .await;
        page.is_own_page(status);
        is_in(&page, Language::De);
        assert!(page.text.contains(sentence), "{path}: {page:?}");
    }
    // what only the application can mend is told in the words of the protocol
    let page = app.send(german(Ask::get("/authorize"))).await;
    assert!(page.text.contains("Die Anwendung hat etwas geschickt"));
    assert!(
        page.text
            .contains("<p lang=\"en\">The parameter client_id is missing.</p>")
    );
    let page = app.send(german(Ask::post("/login").form(&[("a", "b")]))).await;
    assert!(page.text.contains("Der Browser hat kein Cookie gesendet."));
    assert!(!page.text.contains("lang=\"en\""));
}

#[tokio::test]
async fn az_12_the_account_page_and_what_follows_are_in_the_language() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    browser.agent = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0";
    browser.code("web", &[("scope", "openid email")]).await;
    let mut get = async |path: &str| {
        browser
            .send(Ask::get(path).header("accept-language", "fr-CA"))
            .await
    };
    let account = get("/account?done=signed-out").await;
    is_in(&account, Language::Fr);
    for part in [
        "<title>Votre compte</title>",
        "Vous êtes connecté en tant que <strong>jdoe</strong> (Jane Doe).",
        "Cette session est fermée.",
        ">Firefox sous Linux",
        "Connexion le <time datetime=\"2027-01-15T08:00Z\">15/01/2027 08:00 UTC</time>",
        "Voir votre adresse e-mail",
        // a list of equal buttons: each is named with what it ends
        "aria-labelledby=\"end-1 device-1\"",
        "<h3 id=\"application-1\">The Web App</h3>",
        "id=\"withdraw-1\" aria-labelledby=\"withdraw-1 application-1\">Retirer",
    ] {
        assert!(account.text.contains(part), "{part}: {}", account.text);
    }
    // ui_locales is for signing out too
    let question = get("/end_session?ui_locales=ja").await;
    is_in(&question, Language::Ja);
    let stay = browser.submit(Form::of(&question).with("decision", "stay")).await;
    is_in(&stay, Language::Ja);
    assert!(stay.text.contains("サインインしたままです"));
}

#[tokio::test]
async fn az_12_programs_read_english_whatever_they_accept() {
    let app = TestApp::new();
    let ask = Ask::post("/token").basic("web").form(&[("grant_type", "x")]);
    let answer = app.send(ask.header("accept-language", "de")).await;
    answer.is_error(400, "unsupported_grant_type");
    for name in ["content-language", "vary"] {
        assert!(
            answer.header(name).is_none_or(|value| value == "Origin"),
            "{name}"
        );
    }
    // and so does the application that an error is sent to
    let answer = Browser::new(&app)
        .authorize("web", &[("ui_locales", "de"), ("response_type", "token")])
        .await;
    let sent = answer.sent_back();
    assert_eq!(sent["error_description"], "response_type must be code.");
    let document = app
        .send(Ask::get("/.well-known/openid-configuration"))
        .await
        .json();
    assert_eq!(
        document["ui_locales_supported"],
        json!(["en", "de", "fr", "es", "ja"])
    );
}

#[tokio::test]
async fn az_12_an_answer_by_form_post_is_in_the_language() {
    let app = TestApp::new();
    let mut browser = Browser::new(&app);
    let more = [("ui_locales", "es"), ("response_mode", "form_post")];
    let login = browser.authorize("web", &more).await;
    let back = browser.sign_in(&login, "jdoe", PASSWORD).await;
    let back = if back.text.contains("decision") {
        browser.submit(Form::of(&back).with("decision", "allow")).await
    } else {
        back
    };
    is_in(&back, Language::Es);
    assert!(back.text.contains("Volver a la aplicación"), "{back:?}");
}

/// An installation with everything that can be its own.
fn branded(app: &TestApp) {
    with(app, |installation| {
        installation.pages = serde_json::from_value(json!({
            "name": "Example <Corp>", "logo": "https://cdn.example.com/logo.svg",
            "accentColor": "#ffcc00", "accentColorDark": "#ffe680",
            "privacyUrl": "https://example.com/privacy?a=1&b=2", "imprintUrl": "https://example.com/imprint",
            "links": [{"label": "Help & more", "url": "https://help.example.com"}],
        }))
        .unwrap();
    });
}

#[tokio::test]
async fn pages_carry_the_brand_at_once() {
    let app = TestApp::new();
    let before = app.send(Ask::get("/")).await;
    assert!(!before.text.contains("<header>") && !before.text.contains("<footer>"));
    branded(&app);
    for (path, tag, privacy, imprint) in [
        ("/", "en", "Privacy policy", "Imprint"),
        ("/account", "de", "Datenschutzerklärung", "Impressum"),
        (
            "/authorize",
            "fr",
            "Politique de confidentialité",
            "Mentions légales",
        ),
        ("/nothing", "es", "Política de privacidad", "Aviso legal"),
        ("/end_session", "ja", "プライバシーポリシー", "運営者情報"),
    ] {
        let ask = Ask::get(path).header("accept", "text/html");
        let page = app.send(ask.header("accept-language", tag)).await;
        for part in [
            " · Example &#60;Corp&#62;</title>",
            "<img src=\"https://cdn.example.com/logo.svg\" alt=\"\">",
            "<span>Example &#60;Corp&#62;</span>",
            &format!(
                "<a href=\"https://example.com/privacy?a=1&#38;b=2\" rel=\"noopener noreferrer\">{privacy}</a>"
            ),
            &format!(">{imprint}</a>"),
            ">Help &#38; more</a>",
            "--fill: #ffcc00; --on: #000000;",
        ] {
            assert!(page.text.contains(part), "{path}: {part}: {}", page.text);
        }
    }
}

#[tokio::test]
async fn a_brand_loosens_nothing_of_the_policy() {
    let mut app = TestApp::new();
    let logo = "https://app.example.com/logo.png";
    app.set_client(
        "web",
        json!({"redirectUris": [REDIRECT], "consent": "required", "scopes": ["openid"], "logoUri": logo}),
    );
    let directives = |page: &Answer| {
        let policy = page.header("content-security-policy").unwrap();
        let (_, style) = page.text.split_once("<style>").unwrap();
        let (style, _) = style.split_once("</style>").unwrap();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
        let hash = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash);
        policy.replace(&hash, "HASH")
    };
    let policy = |images: &str| {
        format!(
            "default-src 'none'; style-src 'sha256-HASH'; img-src {images}; base-uri 'none'; frame-ancestors 'none'"
        )
    };
    let mut browser = Browser::new(&app);
    let login = browser.authorize("web", &[]).await;
    assert_eq!(directives(&login), policy("'none'"));
    let consent = browser.sign_in(&login, "jdoe", PASSWORD).await;
    assert_eq!(directives(&consent), policy("https://app.example.com"));
    branded(&app);
    let mut browser = Browser::new(&app);
    let login = browser.authorize("web", &[]).await;
    let own = "https://cdn.example.com/logo.svg";
    assert_eq!(directives(&login), policy(own));
    let consent = browser.sign_in(&login, "jdoe", PASSWORD).await;
    assert_eq!(
        directives(&consent),
        policy(&format!("{own} https://app.example.com"))
    );
    with(&app, |installation| {
        installation.pages.logo = Some("data:image/png;base64,iVBORw0KGgo=".to_owned());
    });
    let page = app.send(Ask::get("/")).await;
    assert_eq!(directives(&page), policy("data:"));
    // what is no page loads nothing at all
    let answer = app.send(Ask::get("/.well-known/openid-configuration")).await;
    assert_eq!(
        answer.header("content-security-policy"),
        Some("default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
    );
}
