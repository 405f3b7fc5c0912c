use oidc_crds::resources::Reason;
use proptest::prelude::*;

use super::*;
use crate::testing::{REDIRECT, client_with, strings};

const OFFERED: [&str; 4] = ["openid", "profile", "email", "groups"];

const ACCESS: Access<'_> = Access {
    uri: "https://id.example.com/register/default.app",
    token: "the-token",
};

fn ask(metadata: &Value) -> Result<OidcClientSpec, (ErrorCode, String)> {
    parse(metadata.to_string().as_bytes(), &OFFERED)
        .map_err(|error| (error.code, error.description.into_owned()))
}

/// A good registration with these members beside or instead.
fn with(name: &str, value: Value) -> Value {
    let mut metadata = json!({"redirect_uris": [REDIRECT]});
    metadata[name] = value;
    metadata
}

#[test]
fn reg_01_everything_known_is_taken_over() {
    let spec = ask(&json!({
        "redirect_uris": [REDIRECT, "https://b.example/cb"],
        "post_logout_redirect_uris": ["https://app.example.com/bye"],
        "grant_types": ["refresh_token", "authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_post",
        "application_type": "web",
        "scope": "openid email",
        "client_name": "The App",
        "logo_uri": "https://app.example.com/logo.png",
        "client_uri": "https://app.example.com",
        "policy_uri": "https://app.example.com/policy",
        "tos_uri": "https://app.example.com/tos",
        "id_token_signed_response_alg": "ES256",
    }))
    .unwrap();
    let value = serde_json::to_value(spec).unwrap();
    assert_eq!(
        value,
        json!({
            "redirectUris": [REDIRECT, "https://b.example/cb"],
            "postLogoutRedirectUris": ["https://app.example.com/bye"],
            "grantTypes": ["authorization_code", "refresh_token"],
            "responseTypes": ["code"],
            "authentication": {"clientSecret": {"method": "client_secret_post"}},
            "applicationType": "web",
            "scopes": ["openid", "email"],
            "displayName": "The App",
            "logoUri": "https://app.example.com/logo.png",
            "clientUri": "https://app.example.com",
            "policyUri": "https://app.example.com/policy",
            "tosUri": "https://app.example.com/tos",
            "tokens": {"idTokenSignedResponseAlg": "ES256"},
        })
    );
}

#[test]
fn reg_01_defaults_are_those_of_rfc_7591() {
    let spec = ask(&json!({"redirect_uris": [REDIRECT]})).unwrap();
    assert_eq!(spec.grant_types, Some(vec![GrantType::AuthorizationCode]));
    assert_eq!(spec.response_types, Some(vec![ResponseType::Code]));
    // The secret may come by Basic or in the body; the answer says client_secret_basic.
    assert_eq!(spec.authentication, None);
    assert_eq!(spec.application_type, None);
    assert_eq!(spec.scopes, None);
}

#[test]
fn reg_01_public_clients_say_none() {
    let spec = ask(&with("token_endpoint_auth_method", json!("none"))).unwrap();
    let authentication = spec.authentication.unwrap();
    assert!(authentication.none.is_some() && authentication.client_secret.is_none());
}

#[test]
fn reg_01_a_machine_is_a_service() {
    let spec = ask(&json!({"grant_types": ["client_credentials"]})).unwrap();
    assert_eq!(spec.application_type, Some(ApplicationType::Service));
    assert_eq!(spec.response_types, None);
}

#[test]
fn reg_02_unknown_metadata_is_ignored_and_unknown_values_are_dropped() {
    let spec = ask(&json!({
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "implicit", "urn:ietf:params:oauth:grant-type:device_code"],
        "response_types": ["code", "id_token"],
        "scope": "openid  mcp:tools offline_access email",
        "software_statement": "x",
        "client_name#de": "Die App",
        "contacts": ["a@example.com"],
        "whatever": {"deep": [1, 2]},
        "logo_uri": null,
    }))
    .unwrap();
    assert_eq!(spec.grant_types, Some(vec![GrantType::AuthorizationCode]));
    assert_eq!(spec.response_types, Some(vec![ResponseType::Code]));
    assert_eq!(spec.scopes, Some(strings(&["openid", "email"])));
    assert_eq!(ask(&with("scope", json!("mcp:tools"))).unwrap().scopes, None);
}

#[test]
fn reg_02_errors_name_the_member() {
    for (metadata, member) in [
        (json!({}), "redirect_uris"),
        (json!({"redirect_uris": []}), "redirect_uris"),
        (json!({"redirect_uris": "x"}), "redirect_uris"),
        (json!({"redirect_uris": [7]}), "redirect_uris"),
        (with("grant_types", json!(["password"])), "grant_types"),
        (with("grant_types", json!("code")), "grant_types"),
        (with("response_types", json!(["token"])), "response_types"),
        (with("response_types", json!([])), "response_types"),
        (with("application_type", json!("desktop")), "application_type"),
        (
            with("token_endpoint_auth_method", json!("client_secret_jwt")),
            "token_endpoint_auth_method",
        ),
        (with("client_name", json!(7)), "client_name"),
        (with("scope", json!(["openid"])), "scope"),
        (with("scope", json!("a\"b")), "scope"),
        (
            with("id_token_signed_response_alg", json!("none")),
            "id_token_signed_response_alg",
        ),
    ] {
        let (code, description) = ask(&metadata).expect_err(member);
        let expected = if member == "redirect_uris" {
            ErrorCode::InvalidRedirectUri
        } else {
            ErrorCode::InvalidClientMetadata
        };
        assert_eq!(code, expected, "{member}");
        assert!(description.starts_with(&format!("{member} ")), "{description}");
    }
}

#[test]
fn reg_02_what_is_no_object_is_refused() {
    for body in ["", "[]", "null", "{", "\"x\"", "a=b"] {
        let error = parse(body.as_bytes(), &OFFERED).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidClientMetadata, "{body}");
    }
}

#[test]
fn reg_02_violations_become_the_member_that_they_came_from() {
    let violation = |field: &str| Violation {
        field: field.to_owned(),
        reason: Reason::Invalid,
        message: "`http://evil\"` is http".to_owned(),
    };
    for (fields, code, member) in [
        (
            &["spec.redirectUris[1]"][..],
            "invalid_redirect_uri",
            "redirect_uris",
        ),
        (
            &["spec.displayName", "spec.redirectUris"],
            "invalid_redirect_uri",
            "redirect_uris",
        ),
        (&["spec.logoUri"], "invalid_client_metadata", "logo_uri"),
        (&["spec.scopes[3]"], "invalid_client_metadata", "scope"),
        (
            &["spec.authentication.none"],
            "invalid_client_metadata",
            "token_endpoint_auth_method",
        ),
        (&["spec.className"], "invalid_client_metadata", "The metadata"),
        (&[], "invalid_client_metadata", "The metadata"),
    ] {
        let violations: Vec<Violation> = fields.iter().map(|field| violation(field)).collect();
        let error = refused(&violations);
        assert_eq!(error.code.as_str(), code);
        assert!(error.description.starts_with(&format!("{member} ")), "{error}");
        assert!(!error.description.contains("evil"), "err_03: no echo");
        assert_eq!(error.cause.unwrap().contains("evil"), !fields.is_empty());
    }
}

#[test]
fn reg_01_the_answer_tells_everything_registered() {
    let client = client_with(json!({
        "displayName": "The App",
        "grantTypes": ["authorization_code", "refresh_token"],
        "scopes": ["openid", "email"],
        "clientUri": "https://app.example.com",
        "authentication": {"clientSecret": {"method": "client_secret_post"}},
        "tokens": {"idTokenSignedResponseAlg": "ES256"},
    }));
    assert_eq!(
        response(&client, Some("s3cret"), 1_800_000_000, &ACCESS),
        json!({
            "client_id": "default.app",
            "client_secret": "s3cret",
            "client_id_issued_at": 1_800_000_000,
            "registration_client_uri": ACCESS.uri,
            "registration_access_token": ACCESS.token,
            "client_secret_expires_at": 0,
            "redirect_uris": [REDIRECT],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_post",
            "application_type": "web",
            "scope": "openid email",
            "client_name": "The App",
            "client_uri": "https://app.example.com",
            "id_token_signed_response_alg": "ES256",
        })
    );
}

#[test]
fn reg_01_a_public_client_gets_no_secret() {
    let client = client_with(json!({
        "displayName": null, "authentication": {"none": {}}, "redirectUris": ["com.yourapp://callback"],
    }));
    let answer = response(&client, None, 1, &ACCESS);
    assert_eq!(answer["token_endpoint_auth_method"], "none");
    assert_eq!(answer["application_type"], "native");
    for absent in ["client_secret", "client_secret_expires_at", "client_name"] {
        assert!(answer.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn reg_01_keys_have_their_form_whatever_they_are_used_for() {
    let many = vec![json!({"kty": "EC"}); limits::CLIENT_KEYS + 1];
    let wrong = [
        json!([null, null]),
        json!([[{"kty": "EC"}]]),
        json!("keys"),
        json!({}),
        json!({"keys": []}),
        json!({"keys": [[]]}),
        json!({"keys": many}),
    ];
    for method in ["client_secret_basic", "none", "private_key_jwt"] {
        for keys in &wrong {
            let mut metadata = with("jwks", keys.clone());
            metadata["token_endpoint_auth_method"] = method.into();
            let error = ask(&metadata).expect_err("refused");
            assert_eq!(error.0, ErrorCode::InvalidClientMetadata, "{method} {keys}");
        }
    }
    for keys in [json!(null), json!({"keys": [{"kty": "EC"}]})] {
        assert!(ask(&with("jwks", keys)).is_ok());
    }
}

proptest! {
    #[test]
    fn parsing_never_panics(body in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = parse(&body, &OFFERED);
    }

    #[test]
    fn odd_members_never_panic(
        name in "(redirect_uris|grant_types|response_types|scope|application_type|client_name|logo_uri\
                 |token_endpoint_auth_method|id_token_signed_response_alg)",
        text in "\\PC{0,20}",
        many: bool,
    ) {
        let value = if many { json!([text]) } else { json!(text) };
        let _ = ask(&with(&name, value));
    }
}

#[test]
fn reg_02_a_jwks_uri_has_its_form_whatever_it_is_used_for() {
    for wrong in ["AAA", "http://app.example.com/keys", "https:"] {
        let refused = ask(&with("jwks_uri", json!(wrong))).unwrap_err();
        assert_eq!(refused.0, ErrorCode::InvalidClientMetadata, "{wrong}");
    }
    assert!(ask(&with("jwks_uri", json!("https://app.example.com/keys"))).is_ok());
}
