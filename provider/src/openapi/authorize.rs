//! The authorization request, and the forms that answer it.

use oidc_protocol::authorize::{MAX_LOGIN_HINT, MAX_NONCE, MAX_STATE, ResponseMode, scope::MAX_SCOPE};
use serde_json::{Map, Value, json};

use super::parts::{FORM, Field, Operation, body, field, form_schema, header, one_of, query, text};
use super::responses::{ALWAYS, WITH_BODY, page, redirect};

const TAG: &str = "Sign-in";

const SENT_BACK: &str = "Back to the application's redirect URI, by `response_mode` in its query or fragment: with \
    `code`, `state` and `iss`, or with `error` (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6), \
    `error_description`, `state` and `iss`.";
const PAGE: &str = "A page: the login form, the consent form, or with `response_mode=form_post` the form that posts \
    the answer to the application.";
const REFUSED: &str = "A page that says why: the client or its redirect URI is not proven, or the form is not of \
    this browser.";

pub(super) fn add(paths: &mut Map<String, Value>) {
    let example = json!({
        "response_type": "code",
        "client_id": "default.web",
        "redirect_uri": "https://app.example.com/cb",
        "scope": "openid email",
        "state": "af0ifjsldkj",
        "nonce": "n-0S6_WzA2Mj",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    });
    let about = "GET and POST are equal. With a session that will do, the browser is sent back at once; else the \
        login or the consent form is shown. All parameters together have at most 16 KiB. `request`, `request_uri` and \
        `registration` are not supported, and refused by their errors (OpenID Connect Core §3.1.2.6).";
    let request = |id: &str| {
        Operation::new(
            id,
            TAG,
            "Asks for a sign-in (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1)",
        )
        .about(about)
        .security(&["", "session"])
        .answer(200, page(PAGE, &[("Set-Cookie", "SetCookie")]))
        .answer(303, redirect(SENT_BACK))
        .answer(400, page(REFUSED, &[("Set-Cookie", "SetCookie")]))
        .shared("Page", ALWAYS)
        .shared("Page", &[429])
    };
    let mut parameters = query(request_fields());
    for parameter in &mut parameters {
        if let Some(value) = parameter["name"]
            .as_str()
            .and_then(|name| example.get(name))
            .cloned()
        {
            parameter["example"] = value;
        }
    }
    request("authorize")
        .parameters(parameters)
        .add(paths, "/authorize", "get");
    request("authorizeByPost")
        .body(body(FORM, form_schema(request_fields()), &[("openid", example)]))
        .shared("Page", WITH_BODY)
        .add(paths, "/authorize", "post");
    login(paths);
    form_of_ours("consent", TAG, "The answered consent form")
        .body(body(
            FORM,
            form_schema(own_fields(vec![
                request_field().required(),
                field(
                    "decision",
                    "Whether the person allows it; anything but `allow` is a no.",
                    one_of(["allow", "deny"]),
                ),
            ])),
            &[],
        ))
        .answer(200, page(PAGE, &[("Set-Cookie", "SetCookie")]))
        .answer(303, redirect(SENT_BACK))
        .add(paths, "/consent", "post");
}

fn login(paths: &mut Map<String, Value>) {
    Operation::new("loginPage", TAG, "A page for whoever comes here by hand")
        .answer(200, page("A few words.", &[]))
        .shared("Page", &[414, 429, 431, 500])
        .add(paths, "/login", "get");
    let again = "The login form again, with what was typed but the password: user name or password are wrong. Or a \
        page that says why the form is not taken.";
    let fields = vec![
        request_field().required(),
        field("username", "The user name.", json!({"type": "string"})),
        field(
            "password",
            "The password.",
            json!({"type": "string", "format": "password"}),
        ),
        field(
            "_proof",
            "Instead of a password, from the page that 409 shows: that it was right a moment ago.",
            json!({"type": "string"}),
        ),
        field(
            "decision",
            "With `_proof`: whether the oldest session ends.",
            one_of(["end_oldest", "cancel"]),
        ),
    ];
    form_of_ours("login", TAG, "The answered login form")
        .about("The form of `/authorize`, or of `/account`.")
        .body(body(FORM, form_schema(own_fields(fields)), &[]))
        .answer(200, page(PAGE, &[("Set-Cookie", "SetCookie")]))
        .answer(
            303,
            redirect("Signed in: back to the application as from `/authorize`, or to `/account`."),
        )
        .answer(400, page(again, &[("Set-Cookie", "SetCookie")]))
        .answer(
            403,
            page(
                "At `/account`: this person may not sign in.",
                &[("Set-Cookie", "SetCookie")],
            ),
        )
        .answer(
            409,
            page(
                "The person has as many sessions as may be, and may end the oldest one.",
                &[],
            ),
        )
        .add(paths, "/login", "post");
}

/// A form of our own pages comes back. What it carries is sealed and bound to the browser, so nobody but our pages
/// can make one.
pub(super) fn form_of_ours(id: &str, tag: &str, summary: &str) -> Operation {
    Operation::new(id, tag, summary)
        .security(&["browser"])
        .parameters(vec![
            header(
                "Sec-Fetch-Site",
                "Where the browser says that the form comes from; forms of other sites are refused.",
                json!({"type": "string"}),
            ),
            header(
                "Origin",
                "The same, of browsers that do not send `Sec-Fetch-Site`.",
                json!({"type": "string"}),
            ),
        ])
        .answer(400, page(REFUSED, &[("Set-Cookie", "SetCookie")]))
        .shared("Page", ALWAYS)
        .shared("Page", WITH_BODY)
        .shared("Page", &[429])
}

/// The fields of a form of ours.
pub(super) fn own_fields(mut more: Vec<Field>) -> Vec<Field> {
    let csrf = field(
        "_csrf",
        "From the page: proves that the form is of this browser.",
        json!({"type": "string"}),
    );
    more.insert(0, csrf.required());
    more
}

/// What travels through a form of ours.
pub(super) fn request_field() -> Field {
    field(
        "_request",
        "From the page: the request that it is about, sealed, for 10 minutes.",
        json!({"type": "string"}),
    )
}

fn request_fields() -> Vec<Field> {
    let uri = || json!({"type": "string", "format": "uri"});
    let any = || json!({"type": "string"});
    vec![
        field("response_type", "What is asked for.", one_of(["code"])).required(),
        field("client_id", "The client.", any()).required(),
        field(
            "redirect_uri",
            "Where the answer goes: the same, to the letter, as one that is registered; a native client's port on \
             loopback may differ. It may be left out without `openid` if only one is registered.",
            uri(),
        ),
        field(
            "scope",
            "Scopes, each after a blank; those that the client may not have are dropped.",
            json!({"type": "string", "maxLength": MAX_SCOPE, "pattern": "^[ !#-\\[\\]-~]+$"}),
        )
        .required(),
        field("state", "Comes back as it is.", text(MAX_STATE)),
        field("nonce", "Is put into the ID token.", text(MAX_NONCE)),
        field(
            "code_challenge",
            "The base64url of the verifier's SHA-256 (RFC 7636 §4.2); required unless the client's registration \
             says otherwise.",
            json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"}),
        ),
        field(
            "code_challenge_method",
            "How the challenge was made; must be there if there is one.",
            one_of(["S256"]),
        ),
        field(
            "response_mode",
            "How the answer travels; `query` unless it is said.",
            one_of(ResponseMode::ALL.map(ResponseMode::as_str)),
        ),
        field(
            "prompt",
            "What to ask the person, each after a blank; `none` stands alone.",
            json!({"type": "string", "pattern":
                "^(none|(login|consent|select_account|create)( (login|consent|select_account|create))*)$"}),
        ),
        field(
            "max_age",
            "After how many seconds the person must sign in again.",
            json!({"type": "integer", "minimum": 0}),
        ),
        field(
            "login_hint",
            "Fills the field of the login form, up to the length below.",
            text(MAX_LOGIN_HINT),
        ),
        field(
            "id_token_hint",
            "An ID token of ours, expired or not: nobody but its person gets an answer.",
            any(),
        ),
        field(
            "resource",
            "The audience of the access token, that the client must have been given; repeats (RFC 8707).",
            json!({"type": "array", "items": {"type": "string"}}),
        ),
        field(
            "audience",
            "The same by an older name.",
            json!({"type": "array", "items": {"type": "string"}}),
        ),
        field(
            "ui_locales",
            "Languages that the person reads, each after a blank.",
            any(),
        ),
        field("acr_values", "Changes nothing: there is one.", any()),
        field(
            "display",
            "Changes nothing.",
            one_of(["page", "popup", "touch", "wap"]),
        ),
        field("claims_locales", "Changes nothing.", any()),
    ]
}
