//! What clients and resource servers call.

use oidc_crds::names::GrantType;
use oidc_protocol::authorize::scope::MAX_SCOPE;
use oidc_protocol::error::ErrorCode::{
    InsufficientScope, InvalidClient, InvalidGrant, InvalidRequest, InvalidScope, InvalidTarget,
    InvalidToken, UnauthorizedClient, UnsupportedGrantType,
};
use serde_json::{Map, Value, json};

use super::parts::{FORM, Field, Operation, body, content, field, form_schema, schema};
use super::responses::{ALWAYS, CORS, WITH_BODY, json_response, refusal, with_headers};

const TAG: &str = "Tokens";
const WHO: &str = "Say who you are: authenticate, or send client_id.";
const WRONG: &str = "Client authentication failed: check client id, method, and secret or key.";
const NO_FORM: &str = "The body must be of the type application/x-www-form-urlencoded.";
const NO_TOKEN: &str = "The parameter token is missing.";
const IN_URL: &str = "Send credentials in the body or the Authorization header, never in the URL.";

pub(super) fn add(paths: &mut Map<String, Value>) {
    token(paths);
    userinfo(paths);
    introspect(paths);
    revoke(paths);
}

/// An endpoint of authenticated clients.
fn of_clients(id: &str, summary: &str) -> Operation {
    Operation::new(id, TAG, summary)
        .shared("Json", ALWAYS)
        .shared("Json", WITH_BODY)
        .shared("Json", &[429])
}

fn unknown_client(examples: &[(oidc_protocol::error::ErrorCode, &str)]) -> Value {
    refusal(
        "The client did not prove who it is.",
        &[("WWW-Authenticate", "BasicChallenge")],
        examples,
    )
}

/// Who calls, if not by the header.
fn credentials() -> Vec<Field> {
    vec![
        field(
            "client_id",
            "The client, unless the `Authorization` header names it.",
            json!({"type": "string"}),
        ),
        field(
            "client_secret",
            "Its secret, unless it is in the `Authorization` header.",
            json!({"type": "string", "format": "password"}),
        ),
        field(
            "client_assertion_type",
            "What `client_assertion` is.",
            json!({"const": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}),
        ),
        field(
            "client_assertion",
            "A JWT that the client signed with a key of its own, instead of a secret (RFC 7523 §2.2).",
            json!({"type": "string", "format": "password"}),
        ),
    ]
}

fn token(paths: &mut Map<String, Value>) {
    let grant = |name: GrantType, fields: Vec<Field>| {
        let what = field("grant_type", "The grant.", json!({"const": name.as_str()})).required();
        form_schema([what].into_iter().chain(fields).chain(credentials()).collect())
    };
    let scope = |about| {
        let schema = json!({"type": "string", "maxLength": MAX_SCOPE, "pattern": "^[ !#-\\[\\]-~]*$"});
        field("scope", about, schema)
    };
    let audience = |name, about| field(name, about, json!({"type": "array", "items": {"type": "string"}}));
    let grants = json!({"oneOf": [
        grant(GrantType::AuthorizationCode, vec![
            field("code", "The code, good once and for a minute.", json!({"type": "string"})).required(),
            field(
                "redirect_uri",
                "The one of the authorization request, if it had one.",
                json!({"type": "string", "format": "uri"}),
            ),
            field(
                "code_verifier",
                "What the challenge was made of (RFC 7636 §4.1).",
                json!({"type": "string", "pattern": "^[A-Za-z0-9._~-]{43,128}$"}),
            ),
        ]),
        grant(GrantType::RefreshToken, vec![
            field("refresh_token", "The refresh token; the answer has its successor.", json!({"type": "string"}))
                .required(),
            scope("Fewer scopes, for this access token only."),
        ]),
        grant(GrantType::ClientCredentials, vec![
            scope("Scopes, each after a blank; all that the client has unless it is said."),
            audience("resource", "The audience of the access token; repeats (RFC 8707)."),
            audience("audience", "The same by an older name."),
        ]),
    ]});
    let examples = [
        (
            "authorization_code",
            json!({
                "grant_type": "authorization_code",
                "code": "ac1.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "redirect_uri": "https://app.example.com/cb",
                "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            }),
        ),
        (
            "refresh_token",
            json!({"grant_type": "refresh_token", "refresh_token": "rt1.example"}),
        ),
        (
            "client_credentials",
            json!({"grant_type": "client_credentials", "scope": "api"}),
        ),
    ];
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqZG9lIn0.c2lnbmF0dXJl";
    let given = [
        (
            "person",
            json!({
                "access_token": jwt,
                "token_type": "Bearer",
                "expires_in": 900,
                "refresh_token": "rt1.AAAAAAAAAAAAAAAAAAAAAA.1.AAAAAAAAAAAAAAAAAAAAAA.0.AAAAAAAAAAAAAAAAAAAAAA",
                "id_token": jwt,
                "scope": "openid email",
            }),
        ),
        (
            "client",
            json!({"access_token": jwt, "token_type": "Bearer", "expires_in": 900}),
        ),
    ];
    let mut answer = json_response("The tokens.", &CORS, schema("Tokens"), &given);
    let access = "$response.body#/access_token";
    answer["links"] = json!({
        "userinfo": {
            "operationId": "userinfoByPost",
            "requestBody": {"access_token": access},
            "description": "The access token opens the person's claims.",
        },
        "introspect": {"operationId": "introspect", "requestBody": {"token": access}},
        "revoke": {"operationId": "revoke", "requestBody": {"token": access}},
        "refresh": {
            "operationId": "token",
            "requestBody": {"grant_type": "refresh_token", "refresh_token": "$response.body#/refresh_token"},
        },
    });
    of_clients("token", "Gives tokens (RFC 6749 §3.2)")
        .security(&["basic", ""])
        .body(body(FORM, grants, &examples))
        .answer(200, answer)
        .answer(
            400,
            refusal(
                "The request is refused (RFC 6749 §5.2, RFC 8707 §2).",
                &[],
                &[
                    (InvalidRequest, "The parameter grant_type is missing."),
                    (InvalidRequest, WHO),
                    (InvalidRequest, NO_FORM),
                    (InvalidRequest, IN_URL),
                    (InvalidRequest, "Send each parameter once only."),
                    (InvalidGrant, "The code is not one of ours."),
                    (
                        UnauthorizedClient,
                        "The client is not registered for this grant type.",
                    ),
                    (
                        UnsupportedGrantType,
                        "grant_type must be authorization_code, refresh_token or client_credentials.",
                    ),
                    (InvalidScope, "A scope has a character that scopes cannot have."),
                    (
                        InvalidTarget,
                        "The client may not request one of these audiences.",
                    ),
                ],
            ),
        )
        .answer(401, unknown_client(&[(InvalidClient, WRONG)]))
        .add(paths, "/token", "post");
}

fn userinfo(paths: &mut Map<String, Value>) {
    let challenge = [("WWW-Authenticate", "BearerChallenge")];
    let about =
        "The token's scopes decide which claims there are: `profile`, `email`, `address`, `phone`, `groups`.";
    let claims = [(
        "email",
        json!({"sub": "jdoe", "email": "jane@example.com", "email_verified": true}),
    )];
    let operation = |id: &str| {
        Operation::new(id, TAG, "The person's claims (OpenID Connect Core §5.3)")
            .about(about)
            .answer(
                200,
                json_response("The claims.", &CORS, schema("Userinfo"), &claims),
            )
            .answer(
                400,
                refusal(
                    "The token was sent twice, in the URL, or not readably (RFC 6750 §3.1).",
                    &challenge,
                    &[
                        (InvalidRequest, IN_URL),
                        (InvalidRequest, "The Authorization header is malformed."),
                    ],
                ),
            )
            .answer(
                401,
                refusal(
                    "The token is not good; without a token there is no body.",
                    &challenge,
                    &[(InvalidToken, "The access token is not good or has expired.")],
                ),
            )
            .answer(
                403,
                refusal(
                    "The token lacks the scope `openid`.",
                    &challenge,
                    &[
                        (InsufficientScope, "The access token needs the scope openid."),
                        (
                            InsufficientScope,
                            "The access token speaks of no person: the scope openid is needed.",
                        ),
                    ],
                ),
            )
            .shared("Json", ALWAYS)
            .shared("Json", &[429])
    };
    operation("userinfo")
        .security(&["bearer", "openIdConnect"])
        .add(paths, "/userinfo", "get");
    let token = field(
        "access_token",
        "The token, unless it is in the header.",
        json!({"type": "string"}),
    );
    operation("userinfoByPost")
        .security(&["bearer", "openIdConnect", ""])
        .body(json!({"content": {FORM: content(form_schema(vec![token]), &[])}}))
        .shared("Json", WITH_BODY)
        .add(paths, "/userinfo", "post");
}

/// The form of introspection and revocation.
fn token_form() -> Value {
    let fields = vec![
        field("token", "The token.", json!({"type": "string"})).required(),
        field(
            "token_type_hint",
            "Changes nothing: tokens show what they are.",
            json!({"type": "string"}),
        ),
    ];
    let schema = form_schema(fields.into_iter().chain(credentials()).collect());
    body(FORM, schema, &[("unknown", json!({"token": "an-unknown-token"}))])
}

fn introspect(paths: &mut Map<String, Value>) {
    let active = json!({
        "active": true,
        "iss": "https://id.example.com",
        "sub": "default.machine",
        "client_id": "default.machine",
        "aud": "https://id.example.com",
        "iat": 1_800_000_000,
        "exp": 1_800_000_900,
        "jti": "AAAAAAAAAAAAAAAAAAAAAA",
        "scope": "api",
        "token_type": "Bearer",
    });
    let examples = [
        ("inactive", oidc_protocol::introspect::inactive()),
        ("active", active),
    ];
    of_clients(
        "introspect",
        "Whether a token is good, and what it says (RFC 7662)",
    )
    .about("For the client that the token was issued to, and for resource servers of its audience.")
    .security(&["basic", ""])
    .body(token_form())
    .answer(
        200,
        json_response(
            "The facts; `active: false` alone for whatever is not good or not meant for the caller.",
            &[],
            schema("Introspection"),
            &examples,
        ),
    )
    .answer(
        400,
        refusal(
            "The request is refused.",
            &[],
            &[
                (InvalidRequest, NO_TOKEN),
                (InvalidRequest, WHO),
                (InvalidRequest, NO_FORM),
            ],
        ),
    )
    .answer(
        401,
        unknown_client(&[
            (InvalidClient, WRONG),
            (InvalidClient, "Introspection needs a client that authenticates."),
        ]),
    )
    .add(paths, "/introspect", "post");
}

fn revoke(paths: &mut Map<String, Value>) {
    let done = "It is revoked, or was not the client's, or not known; there is no body.";
    of_clients("revoke", "Ends a token (RFC 7009)")
        .about("A refresh token ends with all that came from it, an access token alone.")
        .security(&["basic", ""])
        .body(token_form())
        .answer(200, json!({"description": done, "headers": with_headers(&CORS)}))
        .answer(
            400,
            refusal(
                "The request is refused.",
                &[],
                &[
                    (InvalidRequest, NO_TOKEN),
                    (InvalidRequest, WHO),
                    (InvalidRequest, NO_FORM),
                ],
            ),
        )
        .answer(401, unknown_client(&[(InvalidClient, WRONG)]))
        .add(paths, "/revoke", "post");
}
