//! JSON from outside: registrations and manifests.

use std::collections::BTreeMap;
use std::sync::Arc;

use oidc_crds::resources::{OidcClient, SigningKey};
use oidc_crds::secrets::registration_tokens::RegistrationTokens;
use oidc_crds::validate::validate_signing_key;
use oidc_protocol::authorize::prove_client;
use oidc_protocol::params::Params;
use oidc_protocol::registration::{Access, change, parse, refused, response};
use serde_json::{Value, json};
use url::Url;

use crate::input::Input;
use crate::world::{CLIENTS, INSTALLATION, ISSUER, judge, object};

const URIS: [&str; 12] = [
    "https://app.example.com/cb",
    "http://localhost/cb",
    "http://127.0.0.1:80",
    "com.example.app:/cb",
    "javascript:",
    "https://*.example.com",
    "https://a/../b",
    "https://user@host/",
    "#",
    "?x",
    "http://example.com/",
    "data:text/html,",
];
const ACCESS: Access<'_> = Access {
    uri: "https://id.example.com/register/default.app",
    token: "token",
};
const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// Nobody is ever sent where a validated client leads that a browser would take for a script or a file, and what
/// is registered is what is asked for at the endpoint.
fn leads_somewhere_good(client: &oidc_crds::client::Client) {
    for uri in client.redirect_uris() {
        let url = Url::parse(uri).expect("a redirect URI is one");
        assert!(
            !["javascript", "data", "file", "vbscript", "blob", "about"].contains(&url.scheme()),
            "{uri}"
        );
        assert!(
            url.fragment().is_none() && url.username().is_empty() && !uri.contains('*'),
            "{uri}"
        );
        assert!(http::HeaderValue::from_str(uri).is_ok(), "{uri}");
        let pairs = [
            ("client_id", client.client_id()),
            ("redirect_uri", uri),
            ("scope", "openid"),
        ];
        let text = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        let params = Params::parse(text.as_bytes()).expect("it is well-formed");
        let one = Arc::new(client.clone());
        let (_, return_to) = prove_client(&params, |_| Some(one.clone()), ISSUER).expect("it is registered");
        assert_eq!(return_to.redirect_uri(), uri);
    }
}

/// What was registered is told; registering that again registers the same.
pub fn registrations(data: &[u8]) {
    let mut input = Input::new(data);
    let _ = parse(data, &SCOPES);
    for client in CLIENTS.iter() {
        let _ = change::parse(data, &SCOPES, client);
    }
    let tokens = BTreeMap::from([("ci".to_owned(), data.to_vec())]);
    let (tokens, refused_tokens) = RegistrationTokens::from_data(&tokens);
    assert_eq!(tokens.names().count() + refused_tokens.len(), 1);
    let texts = [
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "implicit",
        "code",
        "token",
        "openid",
        "profile",
        " ",
        "web",
        "native",
        "none",
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "ES256",
        "é",
    ];
    let names = [
        "redirect_uris",
        "grant_types",
        "response_types",
        "scope",
        "application_type",
        "client_name",
        "token_endpoint_auth_method",
        "logo_uri",
        "client_uri",
        "post_logout_redirect_uris",
        "id_token_signed_response_alg",
        "jwks",
        "x",
    ];
    let mut metadata = json!({"redirect_uris": ["https://app.example.com/cb"]});
    for _ in 0..input.below(7) {
        let name = input.of(&names);
        metadata[name] = match input.byte() % 4 {
            0 => input.json(&names, &texts, 1),
            1 => (0..input.below(4))
                .map(|_| Value::from(input.text(&texts, 2)))
                .collect(),
            2 => (0..input.below(4))
                .map(|_| Value::from(input.text(&URIS, 2)))
                .collect(),
            _ => input.of(&texts).into(),
        };
    }
    let said = |error: oidc_protocol::error::OAuthError| {
        let allowed = |b: u8| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(error.description.bytes().all(allowed), "{}", error.description);
    };
    let spec = match parse(metadata.to_string().as_bytes(), &SCOPES) {
        Ok(spec) => spec,
        Err(error) => return said(error),
    };
    assert!(
        spec.scopes
            .iter()
            .flatten()
            .all(|scope| SCOPES.contains(&scope.as_str()))
    );
    let spec = serde_json::to_value(&spec).expect("a spec is JSON");
    let client = match judge(&object("registered", &spec)).expect("a spec is a client's") {
        Ok(client) => client,
        Err(violations) => return said(refused(&violations)),
    };
    leads_somewhere_good(&client);
    let told = response(&client, None, 0, &ACCESS);
    let again = parse(told.to_string().as_bytes(), &SCOPES).expect("what we tell can be registered");
    let again = serde_json::to_value(&again).expect("a spec is JSON");
    let again = judge(&object("registered", &again)).expect("a spec is a client's");
    assert_eq!(again.map(|again| response(&again, None, 0, &ACCESS)), Ok(told));
}

/// A client that the validator accepts leads nowhere bad and lives within the installation's lifetimes.
pub fn clients(data: &[u8]) {
    let mut input = Input::new(data);
    let names = [
        "redirectUris",
        "grantTypes",
        "scopes",
        "audiences",
        "authentication",
        "applicationType",
        "tokens",
        "pkce",
        "consent",
        "claims",
        "displayName",
        "logoUri",
        "allowedOrigins",
        "clientId",
        "secret",
        "rotation",
        "none",
        "clientSecret",
        "method",
        "accessTokenTtl",
        "name",
        "value",
        "in",
        "x",
    ];
    let texts = [
        "authorization_code",
        "client_credentials",
        "refresh_token",
        "openid",
        "api",
        "web",
        "native",
        "service",
        "required",
        "optional",
        "15m",
        "99999999999h",
        "-1s",
        "groups",
        "é",
        "https://app.example.com",
        "*",
    ];
    let mut spec = json!({"redirectUris": ["https://app.example.com/cb"], "scopes": ["openid"]});
    for _ in 0..input.below(6) {
        let name = input.of(&names);
        spec[name] = match input.byte() % 4 {
            0 => input.json(&names, &texts, 2),
            1 => (0..input.below(4))
                .map(|_| Value::from(input.text(&URIS, 2)))
                .collect(),
            2 => (0..input.below(4))
                .map(|_| Value::from(input.of(&texts)))
                .collect(),
            _ => input.of(&texts).into(),
        };
    }
    let object = object("fuzzed", &spec);
    let Some(verdict) = judge(&object) else {
        return;
    };
    let read: OidcClient = serde_json::from_value(object).expect("it was read before");
    let printed = serde_json::to_value(&read).expect("an object is JSON");
    let client = match verdict {
        Ok(client) => client,
        Err(violations) => {
            assert!(!violations.is_empty());
            return;
        }
    };
    leads_somewhere_good(&client);
    assert!(
        client.longest_token()
            <= INSTALLATION
                .lifetimes
                .access_token
                .max(INSTALLATION.lifetimes.id_token)
    );
    let again = judge(&printed).expect("what is printed is read");
    let again = again.expect("what is printed is as good");
    assert_eq!(
        response(&again, None, 0, &ACCESS),
        response(&client, None, 0, &ACCESS)
    );
}

/// A SigningKey that is accepted publishes its keys for longer than verifiers keep old lists.
pub fn signing_keys(data: &[u8]) {
    let mut input = Input::new(data);
    let names = [
        "algorithm",
        "rsaBits",
        "default",
        "rotation",
        "interval",
        "revision",
        "publishFor",
        "revoked",
        "kid",
        "secretRef",
        "name",
        "x",
    ];
    let texts = [
        "RS256", "ES256", "EdDSA", "PS256", "HS256", "none", "10m", "1s", "24h", "720h", "0s", "-", "main",
    ];
    let mut spec = json!({});
    for _ in 0..input.below(6) {
        spec[input.of(&names)] = match input.byte() % 3 {
            0 => input.json(&names, &texts, 2),
            1 => input.of(&[2048, 3072, 4096, 1]).into(),
            _ => input.of(&texts).into(),
        };
    }
    let object = json!({
        "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "SigningKey",
        "metadata": {"name": "main", "namespace": "idp", "uid": "uid-main"},
        "spec": spec,
    });
    let Ok(key) = serde_json::from_value::<SigningKey>(object) else {
        return;
    };
    let printed = serde_json::to_value(&key).expect("an object is JSON");
    let again: SigningKey = serde_json::from_value(printed).expect("what is printed is read");
    assert_eq!(again.spec, key.spec);
    match validate_signing_key(&key, &INSTALLATION) {
        Ok(()) => {
            let publish_for = key.spec.publish_for.map_or(600, |length| length.0);
            assert!(publish_for * 5 > INSTALLATION.jwks_max_age.0 * 6);
        }
        Err(violations) => assert!(!violations.is_empty()),
    }
}
