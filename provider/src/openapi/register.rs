//! Registration, where it is open.

use oidc_protocol::error::ErrorCode::{
    InvalidClientMetadata, InvalidRedirectUri, InvalidRequest, InvalidToken,
};
use serde_json::{Map, Value, json};

use super::parts::{Operation, body, schema};
use super::responses::{WITH_BODY, json_response, refusal};

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
        .answer(201, registered)
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
}
