//! Registration, where it is open.

use oidc_protocol::error::ErrorCode::{
    InvalidClientMetadata, InvalidRedirectUri, InvalidRequest, InvalidToken,
};
use serde_json::{Map, Value, json};

use super::parts::{Operation, body, schema};
use super::responses::{WITH_BODY, json_response, refusal, with_headers};

pub(super) fn add(paths: &mut Map<String, Value>) {
    let example = json!({
        "redirect_uris": ["https://app.example.com/cb"],
        "client_name": "The Web App",
        "scope": "openid email",
    });
    let answer = json!({
        "client_id": "f03b948d878143978a9df335f0d0cf4d",
        "client_id_issued_at": 1_800_000_000,
        "client_secret": "_ksObfcIG1EwgXeVl8IRkyMtpV1Uw8OafRw1dmCBoVY",
        "client_secret_expires_at": 0,
        "registration_client_uri": "https://id.example.com/register/f03b948d878143978a9df335f0d0cf4d",
        "registration_access_token": "9Wn0ZxnGmRCLTCXe7zFAJkL4m8mQvYbLqS3mU2m9m3E",
        "application_type": "web",
        "client_name": "The Web App",
        "grant_types": ["authorization_code"],
        "redirect_uris": ["https://app.example.com/cb"],
        "response_types": ["code"],
        "scope": "openid email",
        "token_endpoint_auth_method": "client_secret_basic",
    });
    let mut registered = json_response(
        "Everything that is registered.",
        &[],
        schema("Registered"),
        &[("web", answer)],
    );
    registered["links"] = json!({
        "authorize": {
            "operationId": "authorize",
            "parameters": {
                "client_id": "$response.body#/client_id",
                "redirect_uri": "$response.body#/redirect_uris/0",
            },
        },
    });
    Operation::new("register", "Tokens", "Makes a client (RFC 7591)")
        .about(
            "Unknown metadata is ignored; grant types and scopes that are not offered are dropped. Where the \
             installation asks for an initial access token, it comes as a bearer token.",
        )
        .security(&["", "initialAccessToken"])
        .body(body(
            "application/json",
            schema("Registration"),
            &[("web", example)],
        ))
        .answer(201, registered.clone())
        .answer(
            400,
            refusal(
                "The metadata is refused (RFC 7591 §3.2.2).",
                &[],
                &[
                    (InvalidRequest, "The body must be of the type application/json."),
                    (InvalidRedirectUri, "redirect_uris is missing."),
                    (InvalidClientMetadata, "Send one JSON object."),
                ],
            ),
        )
        .answer(
            401,
            refusal(
                "The initial access token is not good; without a token there is no body.",
                &[("WWW-Authenticate", "BearerChallenge")],
                &[(
                    InvalidToken,
                    "The initial access token is not good, has expired, or was used as often as it may be.",
                )],
            ),
        )
        .shared("Json", &[414, 431, 500, 503])
        .shared("Json", WITH_BODY)
        .shared("Json", &[429])
        .add(paths, "/register", "post");
    manage(
        paths,
        &registered["content"]["application/json"]["examples"]["web"]["value"],
    );
}

/// `/register/{client_id}`; `told`: an answer to a registration.
fn manage(paths: &mut Map<String, Value>, told: &Value) {
    // the secret is told once
    let mut known = told.clone();
    if let Some(known) = known.as_object_mut() {
        known.retain(|name, _| !name.starts_with("client_secret"));
    }
    let answer = |about: &str| json_response(about, &[], schema("Registered"), &[("web", known.clone())]);
    let operation = |id: &str, summary: &str| {
        Operation::new(id, "Tokens", summary)
            .security(&["registrationAccessToken"])
            .parameters(vec![json!({
                "name": "client_id",
                "in": "path",
                "required": true,
                "description": "The client.",
                "schema": {"type": "string"},
            })])
            .answer(
                401,
                refusal(
                    "There is no such client, or the token is not its own; without a token there is no body.",
                    &[("WWW-Authenticate", "BearerChallenge")],
                    &[(
                        InvalidToken,
                        "The registration access token is not good here, or no longer.",
                    )],
                ),
            )
            .shared("Json", &[414, 429, 431, 500, 503])
    };
    operation("readRegistration", "Reads a client (RFC 7592)")
        .answer(200, answer("Everything that is registered."))
        .answer(400, malformed())
        .add(paths, PATH, "get");
    let change = json!({"allOf": [schema("Registration"), {
        "required": ["client_id"],
        "properties": {
            "client_id": {"type": "string"},
            "client_secret": {"type": "string", "description": "The present one, if it is sent at all."},
        },
    }]});
    let example = json!({
        "client_id": "f03b948d878143978a9df335f0d0cf4d",
        "redirect_uris": ["https://app.example.com/cb"],
        "client_name": "The Web App",
        "scope": "openid email",
    });
    operation("changeRegistration", "Changes a client (RFC 7592)")
        .about("What is left out is reset. The token that is sent is accepted for five minutes more.")
        .body(body("application/json", change, &[("web", example)]))
        .answer(200, answer("Everything that is registered, with the next token."))
        .answer(
            400,
            refusal(
                "The metadata is refused (RFC 7591 §3.2.2); nothing changes.",
                &[],
                &[
                    (InvalidRequest, "The body must be of the type application/json."),
                    (InvalidRedirectUri, "redirect_uris is missing."),
                    (InvalidClientMetadata, "client_id must be that of the client."),
                ],
            ),
        )
        .shared("Json", WITH_BODY)
        .add(paths, PATH, "put");
    operation("deleteRegistration", "Deletes a client (RFC 7592)")
        .answer(
            204,
            json!({"description": "It is gone, with all its tokens.", "headers": with_headers(&[])}),
        )
        .answer(400, malformed())
        .add(paths, PATH, "delete");
}

fn malformed() -> Value {
    refusal(
        "The request is malformed.",
        &[],
        &[(InvalidRequest, "The Authorization header is malformed.")],
    )
}

const PATH: &str = "/register/{client_id}";
