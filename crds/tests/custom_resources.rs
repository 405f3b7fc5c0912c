//! The definitions in the chart are those of the code, every list and string in them has a maximum, and
//! their CEL rules say what they should: evaluated here without a cluster.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

use std::path::Path;

use kube::CustomResourceExt;
use kube::core::cel;
use oidc_crds::resources::definitions::definitions;
use oidc_crds::resources::{OidcClient, OidcUser, SigningKey};
use serde_json::{Value, json};

#[test]
fn the_charts_definitions_are_not_stale() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/oidc-operator/crds");
    let mut files: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let definitions = definitions().unwrap();
    assert_eq!(
        files,
        definitions
            .iter()
            .map(|(file, _)| file.clone())
            .collect::<Vec<_>>()
    );
    for (file, text) in definitions {
        let copy = std::fs::read_to_string(folder.join(&file)).unwrap();
        assert!(copy == text, "{file} is stale: run `just crds`");
    }
}

#[test]
fn everything_is_described_and_has_a_maximum() {
    for definition in [OidcClient::crd(), OidcUser::crd(), SigningKey::crd()] {
        let kind = definition.spec.names.kind.clone();
        let definition = serde_json::to_value(definition).unwrap();
        let version = &definition["spec"]["versions"][0];
        let columns = version["additionalPrinterColumns"].as_array().unwrap();
        assert_eq!(columns.last().unwrap()["name"], "Age", "{kind}");
        assert_eq!(version["subresources"]["status"], json!({}), "{kind}");
        let schema = &version["schema"]["openAPIV3Schema"];
        assert!(!schema["description"].as_str().unwrap().contains("Auto-generated"));
        for part in ["spec", "status"] {
            check(&format!("{kind}.{part}"), &schema["properties"][part]);
        }
    }
}

/// The API server judges an object by the rules of the version that it is sent in: an older one with weaker
/// rules would be a way around. A second version needs the same rules, and a test for each.
#[test]
fn one_version_so_no_other_is_a_way_around_its_rules() {
    for (file, text) in definitions().unwrap() {
        let definition: Value = serde_yaml::from_str(&text).unwrap();
        let versions = definition["spec"]["versions"].as_array().unwrap();
        assert_eq!(versions.len(), 1, "{file}");
        let only = &versions[0];
        assert_eq!(
            (&only["served"], &only["storage"], &only["name"]),
            (&json!(true), &json!(true), &json!("v1alpha1")),
            "{file}"
        );
        assert!(definition["spec"]["conversion"].is_null(), "{file}");
        assert_ne!(definition["spec"]["preserveUnknownFields"], true, "{file}");
    }
}

fn check(path: &str, schema: &Value) {
    let bounded = ["maxLength", "enum", "format"]
        .iter()
        .any(|limit| schema.get(limit).is_some());
    if schema["x-kubernetes-preserve-unknown-fields"] == json!(true) {
        // any JSON: the validator bounds its size
        return;
    }
    match schema["type"].as_str() {
        Some("string") => assert!(bounded, "{path} has no maximum"),
        Some("array") => {
            assert!(schema.get("maxItems").is_some(), "{path} has no maximum");
            check(&format!("{path}[]"), &schema["items"]);
        }
        Some("object") => {
            for (name, member) in schema["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}.{name}");
                assert!(member["description"].is_string(), "{path} has no description");
                check(&path, member);
            }
            let values = &schema["additionalProperties"];
            if values.is_object() {
                assert!(schema.get("maxProperties").is_some(), "{path} has no maximum");
                check(&format!("{path}.*"), values);
            }
        }
        Some("integer" | "boolean") => {}
        other => panic!("{path} has the type {other:?}"),
    }
}

fn object<T: serde::de::DeserializeOwned>(spec: &Value) -> T {
    serde_json::from_value(json!({
        "metadata": {"name": "demo", "namespace": "team-a"},
        "spec": spec,
    }))
    .unwrap()
}

/// The message of the one broken rule, or nothing.
fn judge<T>(spec: &Value) -> Option<String>
where
    T: CustomResourceExt + serde::Serialize + serde::de::DeserializeOwned,
{
    told(cel::validate_cel(&object::<T>(spec)))
}

fn judge_edit<T>(old: &Value, new: &Value) -> Option<String>
where
    T: CustomResourceExt + serde::Serialize + serde::de::DeserializeOwned,
{
    told(cel::validate_cel_update(&object::<T>(new), &object::<T>(old)))
}

fn told(result: Result<(), cel::ValidationErrors>) -> Option<String> {
    let errors = result.err()?.into_vec();
    assert_eq!(errors.len(), 1, "{errors:?}");
    Some(errors[0].message.clone())
}

fn refuses<T>(spec: Value, message: &str)
where
    T: CustomResourceExt + serde::Serialize + serde::de::DeserializeOwned,
{
    let told = judge::<T>(&spec);
    assert!(
        told.as_ref().is_some_and(|told| told.contains(message)),
        "{spec}: {told:?}"
    );
}

/// `members` beside a good redirect URI.
fn client(members: Value) -> Value {
    let mut spec = json!({"redirectUris": ["https://shop.example.com/callback"]});
    for (key, value) in members.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

/// A key with more members, or without one.
fn by_key(more: Value, without: &str) -> Value {
    let mut key = json!({"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"});
    for (name, value) in more.as_object().unwrap() {
        key[name] = value.clone();
    }
    key.as_object_mut().unwrap().remove(without);
    json!({"privateKeyJwt": {"jwks": {"keys": [key]}}})
}

#[test]
fn ca_04_private_keys_are_refused_at_once() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "k"] {
        let key = by_key(json!({name: "canary"}), "none");
        refuses::<OidcClient>(client(json!({"authentication": key})), "this is a private key");
    }
    for both in [
        json!({}),
        json!({"jwks": {"keys": []}, "jwksUri": "https://keys.example.com/jwks"}),
    ] {
        let authentication = json!({"authentication": {"privateKeyJwt": both}});
        refuses::<OidcClient>(client(authentication), "exactly one of jwks and jwksUri");
    }
    for missing in ["x", "y", "crv"] {
        let key = by_key(json!({}), missing);
        refuses::<OidcClient>(client(json!({"authentication": key})), "an EC key crv, x and y");
    }
}

#[test]
fn ca_05_a_certificate_is_named_by_exactly_one_thing() {
    for tls in [json!({}), json!({"sanDns": "a.example.com", "subjectDn": "CN=a"})] {
        refuses::<OidcClient>(
            client(json!({"authentication": {"tls": tls}})),
            "exactly one of subjectDn, sanDns, sanUri, sanIp, sanEmail, thumbprints and jwks",
        );
    }
}

#[test]
fn good_clients_pass() {
    for spec in [
        client(
            json!({"authentication": {"tls": {"subjectDn": "CN=a"}}, "tokens": {"certificateBound": true}}),
        ),
        client(json!({"authentication": {"tls": {"thumbprints": ["0123"]}}})),
        client(json!({})),
        client(json!({"grantTypes": ["authorization_code", "refresh_token", "client_credentials"]})),
        client(json!({"authentication": {"none": {}}, "pkce": "required"})),
        client(
            json!({"authentication": {"clientSecret": {"method": "client_secret_post"}}, "pkce": "optional"}),
        ),
        client(json!({"secretRef": {"name": "mine"}, "secret": {"name": "other"}})),
        client(json!({"authentication": by_key(json!({}), "none"), "pkce": "optional"})),
        client(json!({"authentication": {"privateKeyJwt": {"jwks": {"keys": [
            {"kty": "RSA", "n": "AQ", "e": "AQAB"}, {"kty": "OKP", "crv": "Ed25519", "x": "AQ"},
        ]}}}})),
        client(json!({"rotation": {"interval": "90d", "overlap": "0s", "now": "2026-11-25"}})),
        client(json!({"tokens": {"accessTokenFormat": "jwt", "accessTokenType": "JWT"}})),
        client(json!({"tokens": {"accessTokenFormat": "opaque", "idTokenSignedResponseAlg": "ES256"}})),
        client(json!({"claims": [
            {"name": "tenant", "value": {"id": 7}, "in": ["idToken"]},
            {"name": "org", "from": "organization.name", "in": ["userinfo"]},
        ]})),
        json!({"grantTypes": ["client_credentials"], "applicationType": "service"}),
        json!({"redirectUris": [
            "http://localhost:8080/callback", "http://127.0.0.1", "http://[::1]:80?x=1", "com.example.app:/cb",
            "com.example.app://callback", "https://app.example.com",
        ]}),
    ] {
        assert_eq!(judge::<OidcClient>(&spec), None, "{spec}");
    }
}

#[test]
fn az_02_az_03_redirect_uris_are_refused_at_once() {
    for bad in ["https://a.example/cb#x", "https://*.example/cb"] {
        refuses::<OidcClient>(json!({"redirectUris": [bad]}), "no fragment and no wildcard");
    }
    for bad in [
        "http://a.example/cb",
        "http://localhost.a.example/cb",
        "http://localhost@a.example/cb",
        "http://127.0.0.10/cb",
        "myapp://callback",
        "javascript:alert(1)",
        "com.example.app:cb",
    ] {
        refuses::<OidcClient>(json!({"redirectUris": [bad]}), "custom scheme with a dot");
    }
    refuses::<OidcClient>(json!({}), "needs a redirect URI");
    refuses::<OidcClient>(
        json!({"grantTypes": ["authorization_code"]}),
        "needs a redirect URI",
    );
}

#[test]
fn mixes_that_mean_nothing_are_refused_at_once() {
    let public = json!({"none": {}});
    for (members, message) in [
        (
            json!({"grantTypes": ["client_credentials", "refresh_token"]}),
            "refresh_token needs",
        ),
        (json!({"authentication": {}}), "exactly one"),
        (
            json!({"tokens": {"accessTokenFormat": "opaque", "accessTokenType": "JWT"}}),
            "no typ and no signature",
        ),
        (
            json!({"authentication": {"none": {}, "clientSecret": {}}}),
            "exactly one",
        ),
        (
            json!({"authentication": public, "pkce": "optional"}),
            "PKCE must be required",
        ),
        (
            json!({"authentication": public, "rotation": {"now": "1"}}),
            "authenticates otherwise has no secret to rotate",
        ),
        (
            json!({"secretRef": {"name": "mine"}, "rotation": {"now": "1"}}),
            "yours to rotate",
        ),
        (
            json!({"authentication": public, "secretRef": {"name": "mine"}}),
            "has no secret",
        ),
        (
            json!({"authentication": by_key(json!({}), "none"), "secretRef": {"name": "mine"}}),
            "has no secret",
        ),
        (
            json!({"authentication": public, "grantTypes": ["authorization_code", "client_credentials"]}),
            "a public client cannot",
        ),
        (
            json!({"applicationType": "service", "grantTypes": ["client_credentials"]}),
            "a service has no redirect URIs",
        ),
        (
            json!({"secretRef": {"name": "x"}, "secret": {"name": "x"}}),
            "never writes",
        ),
    ] {
        refuses::<OidcClient>(client(members), message);
    }
    // two rules at once: the second is the missing redirect URI
    let service = object::<OidcClient>(&json!({"applicationType": "service"}));
    assert_eq!(cel::validate_cel(&service).unwrap_err().len(), 2);
}

#[test]
fn rsa_keys_have_three_sizes() {
    for good in [
        json!({}),
        json!({"rsaBits": 2048}),
        json!({"algorithm": "PS256", "rsaBits": 4096}),
        json!({"algorithm": "ES384"}),
    ] {
        assert_eq!(judge::<SigningKey>(&good), None, "{good}");
    }
    refuses::<SigningKey>(json!({"rsaBits": 1024}), "2048, 3072 or 4096");
    refuses::<SigningKey>(json!({"algorithm": "ES256", "rsaBits": 2048}), "only RSA keys");
}

#[test]
fn a_subject_never_changes() {
    let verdict = |old: Value, new: Value| judge_edit::<OidcUser>(&old, &new);
    assert_eq!(verdict(json!({}), json!({"username": "x"})), None);
    assert_eq!(verdict(json!({"subject": "1"}), json!({"subject": "1"})), None);
    // the default may be written down and left out again
    assert_eq!(verdict(json!({}), json!({"subject": "demo"})), None);
    assert_eq!(verdict(json!({"subject": "demo"}), json!({})), None);
    for (old, new) in [
        (json!({"subject": "1"}), json!({"subject": "2"})),
        (json!({}), json!({"subject": "1"})),
        (json!({"subject": "1"}), json!({})),
    ] {
        let told = verdict(old, new);
        assert!(told.is_some_and(|told| told.contains("cannot be changed")));
    }
}

#[test]
fn verified_needs_what_was_verified() {
    refuses::<OidcUser>(json!({"emailVerified": true}), "needs email");
    refuses::<OidcUser>(json!({"phoneNumberVerified": false}), "needs phoneNumber");
    let both = json!({"email": "a@b.example", "emailVerified": true, "phoneNumber": "+41446681800", "phoneNumberVerified": true});
    assert_eq!(judge::<OidcUser>(&both), None);
}
