//! A person's own page, and signing out.

use oidc_protocol::authorize::MAX_STATE;
use serde_json::{Map, Value, json};

use super::authorize::{form_of_ours, own_fields, request_field};
use super::parts::{FORM, Field, Operation, body, field, form_schema, one_of, query, text};
use super::responses::{ALWAYS, WITH_BODY, page, redirect};

const TAG: &str = "Account";
const COOKIE: [(&str, &str); 1] = [("Set-Cookie", "SetCookie")];

pub(super) fn add(paths: &mut Map<String, Value>) {
    end_session(paths);
    let done = field(
        "done",
        "What was just done, so that the page says so.",
        one_of(["signed-out", "signed-out-others", "withdrawn"]),
    );
    Operation::new(
        "account",
        TAG,
        "Where the person is signed in, and what they allowed",
    )
    .security(&["session", ""])
    .parameters(query(vec![done]))
    .answer(
        200,
        page("The page, or the login form if nobody is signed in.", &COOKIE),
    )
    .shared("Page", ALWAYS)
    .shared("Page", &[429])
    .add(paths, "/account", "get");
    action(
        "signOutOne",
        "Ends one of the person's sessions",
        "/account/sign-out",
        paths,
        vec![field(
            "session",
            "Names the session, from the page.",
            json!({"type": "string"}),
        )],
    );
    action(
        "withdraw",
        "Withdraws the consent to an application",
        "/account/withdraw",
        paths,
        vec![field("client_id", "The application.", json!({"type": "string"}))],
    );
    let fields = vec![
        field(
            "keep",
            "`this`: all sessions but this one; otherwise all.",
            one_of(["this", "none"]),
        ),
        field(
            "password",
            "The password once more, if the page asks for it.",
            json!({"type": "string", "format": "password"}),
        ),
    ];
    let again = page(
        "The page that asks for the password, since it was given more than 5 minutes ago.",
        &COOKIE,
    );
    of_the_account("signOutEverywhere", "Ends the person's sessions", fields)
        .answer(200, again)
        .add(paths, "/account/sign-out-everywhere", "post");
}

fn action(id: &str, summary: &str, path: &str, paths: &mut Map<String, Value>, fields: Vec<Field>) {
    of_the_account(id, summary, fields).add(paths, path, "post");
}

fn of_the_account(id: &str, summary: &str, fields: Vec<Field>) -> Operation {
    form_of_ours(id, TAG, summary)
        .security(&["session", "browser"])
        .body(body(FORM, form_schema(own_fields(fields)), &[]))
        .answer(303, redirect("Back to `/account`."))
}

fn end_session(paths: &mut Map<String, Value>) {
    let out = "A page: whether to sign out, or that nobody is signed in any more.";
    let away = "Signed out: to `post_logout_redirect_uri`, with `state`.";
    let request = |id: &str| {
        Operation::new(id, TAG, "Signs out (OpenID Connect RP-Initiated Logout 1.0)")
            .about(
                "GET and POST are equal. The person is asked, unless the hint is an ID token of this very session.",
            )
            .security(&["", "session"])
            .answer(200, page(out, &COOKIE))
            .answer(303, redirect(away))
            .answer(400, page("A page that says why the request is refused.", &COOKIE))
            .shared("Page", ALWAYS)
            .shared("Page", &[429])
    };
    request("endSession")
        .parameters(query(request_fields()))
        .add(paths, "/end_session", "get");
    request("endSessionByPost")
        .body(body(
            FORM,
            form_schema(request_fields()),
            &[("hand", json!({"state": "x"}))],
        ))
        .shared("Page", WITH_BODY)
        .add(paths, "/end_session", "post");
    let decision = field("decision", "What the person chose.", one_of(["sign_out", "stay"]));
    form_of_ours(
        "confirmEndSession",
        TAG,
        "The answered question whether to sign out",
    )
    .body(body(
        FORM,
        form_schema(own_fields(vec![request_field().required(), decision.required()])),
        &[],
    ))
    .answer(200, page("Signed out, or still signed in.", &COOKIE))
    .answer(303, redirect(away))
    .add(paths, "/end_session/confirm", "post");
}

fn request_fields() -> Vec<Field> {
    let any = || json!({"type": "string"});
    vec![
        field("id_token_hint", "An ID token of ours, expired or not.", any()),
        field("client_id", "The client; the hint's, if there is one.", any()),
        field(
            "post_logout_redirect_uri",
            "Where the browser goes: exactly as registered, and only with a good hint.",
            json!({"type": "string", "format": "uri"}),
        ),
        field("state", "Comes back as it is.", text(MAX_STATE)),
        field("logout_hint", "Changes nothing.", any()),
        field(
            "ui_locales",
            "Languages that the person reads, each after a blank.",
            any(),
        ),
    ]
}
