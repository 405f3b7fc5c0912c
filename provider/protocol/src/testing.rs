//! What the tests of this crate start from: one client, one user, one login, one key ring.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use oidc_crds::client::Client;
use oidc_crds::jwk::PrivateJwk;
use oidc_crds::names::{Algorithm, Seconds};
use oidc_crds::resources::signing_key::Phase;
use oidc_crds::resources::{OidcClient, OidcUser};
use oidc_crds::seal::KeyRing;
use oidc_crds::secrets::installation::{ClientCa, Installation, MutualTls};
use oidc_crds::secrets::key_ring::KeyRingData;
use oidc_crds::secrets::key_set::{KeySet, KeyState, Owner};
use oidc_crds::testing::SeededRng;
use oidc_crds::user::User;
use oidc_crds::validate::{validate, validate_user};
use serde_json::{Value, json};

use crate::authorize::{AuthorizationRequest, Prompt, ResponseMode};
use crate::client_auth::AuthenticatedClient;
use crate::keys::Keys;
use crate::records::{GrantRecord, Session};

pub(crate) const ISSUER: &str = "https://id.example.com";
pub(crate) const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
pub(crate) const REDIRECT: &str = "https://app.example.com/cb";
/// RFC 7636 appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Its version is 1.
pub(crate) fn ring() -> KeyRing {
    KeyRing::new(KeyRingData::generate(
        Timestamp::UNIX_EPOCH,
        &mut SeededRng::new(11),
    ))
}

pub(crate) fn other_ring() -> KeyRing {
    KeyRing::new(KeyRingData::generate(
        Timestamp::UNIX_EPOCH,
        &mut SeededRng::new(12),
    ))
}

/// Sets members of an object.
fn merge(into: &mut Value, with: Value) {
    match (into, with) {
        (Value::Object(into), Value::Object(with)) => into.extend(with),
        (into, with) => *into = with,
    }
}

/// A client whose spec has these members beside or instead of the usual ones.
pub(crate) fn client_with(spec: Value) -> Arc<Client> {
    client_with_status(spec, Value::Null)
}

/// A client with a status.
pub(crate) fn client_with_status(spec: Value, status: Value) -> Arc<Client> {
    let mut object = json!({
        "apiVersion": "oidc-operator.dev/v1alpha1",
        "kind": "OidcClient",
        "metadata": {
            "name": "app",
            "namespace": "default",
            "uid": "uid-app",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "displayName": "The App",
            "redirectUris": [REDIRECT],
            "grantTypes": ["authorization_code", "refresh_token"],
            "scopes": ["openid", "profile", "email", "groups", "api"],
            "audiences": ["https://api.example.com", "https://other.example.com"],
        },
    });
    merge(&mut object["spec"], spec);
    object["status"] = status;
    let object: OidcClient = serde_json::from_value(object).unwrap();
    let mut installation = Installation::standalone(ISSUER, false);
    Arc::make_mut(&mut installation.lifetimes).access_token = Seconds(900);
    installation.mtls = Some(MutualTls {
        url: format!("{ISSUER}:8443"),
        ca: Some(ClientCa::ConfigMap("client-ca".to_owned())),
        client_cert_header: false,
        trusted_proxies: Vec::new(),
    });
    Arc::new(validate(&object, &installation, None).unwrap())
}

pub(crate) fn client() -> Arc<Client> {
    client_with(json!({}))
}

/// A client as if it had authenticated.
pub(crate) fn authenticated(client: &Arc<Client>) -> AuthenticatedClient {
    AuthenticatedClient {
        client: Arc::clone(client),
        credential_id: client.has_secret().then(|| "0123456789abcdef".to_owned()),
        workload: None,
        bound_to: None,
    }
}

pub(crate) fn public_client() -> Arc<Client> {
    client_with(json!({"authentication": {"none": {}}}))
}

/// A user whose spec has these members beside or instead of the usual ones.
pub(crate) fn user_with(spec: Value) -> User {
    let mut object = json!({
        "apiVersion": "oidc-operator.dev/v1alpha1",
        "kind": "OidcUser",
        "metadata": {
            "name": "jdoe",
            "namespace": "oidc",
            "uid": "uid-jdoe",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "groups": ["staff", "admins"],
            "name": "Jane Doe",
            "email": "jane@example.com",
            "emailVerified": true,
        },
    });
    merge(&mut object["spec"], spec);
    let object: OidcUser = serde_json::from_value(object).unwrap();
    validate_user(&object).unwrap()
}

pub(crate) fn user() -> User {
    user_with(json!({}))
}

pub(crate) fn session() -> Session {
    Session {
        user_uid: "uid-jdoe".to_owned(),
        subject: "jdoe".to_owned(),
        auth_time: NOW,
        amr: vec!["pwd".to_owned()],
        created_at: NOW,
    }
}

pub(crate) fn request() -> AuthorizationRequest {
    AuthorizationRequest {
        client_uid: "uid-app".to_owned(),
        client_id: "default.app".to_owned(),
        redirect_uri: Some(REDIRECT.to_owned()),
        response_mode: ResponseMode::Query,
        state: Some("state".to_owned()),
        nonce: Some("nonce".to_owned()),
        scope: strings(&["openid", "profile"]),
        scope_changed: false,
        code_challenge: Some(CHALLENGE.to_owned()),
        audience: Vec::new(),
        prompt: Prompt::default(),
        max_age: None,
        login_hint: None,
        language: None,
        hinted_subject: None,
    }
}

pub(crate) fn grant() -> GrantRecord {
    GrantRecord::new(&request(), &client(), "sid".to_owned(), NOW)
}

pub(crate) fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// One of two keys of each algorithm, made once per test run: RSA takes its time.
pub(crate) fn jwk(algorithm: Algorithm, number: usize) -> PrivateJwk {
    static MADE: OnceLock<Mutex<BTreeMap<(Algorithm, usize), PrivateJwk>>> = OnceLock::new();
    let made = MADE.get_or_init(Mutex::default);
    let mut made = made.lock().unwrap();
    made.entry((algorithm, number))
        .or_insert_with(|| PrivateJwk::generate(algorithm, algorithm.is_rsa().then_some(2048)).unwrap())
        .clone()
}

/// An active key.
pub(crate) fn key_state(algorithm: Algorithm, number: usize) -> KeyState {
    let jwk = jwk(algorithm, number);
    KeyState {
        kid: jwk.thumbprint().unwrap(),
        algorithm,
        rsa_bits: algorithm.is_rsa().then_some(2048),
        phase: Phase::Active,
        signing_key: Owner {
            name: "default".to_owned(),
            uid: "uid-key".to_owned(),
        },
        spec_revision: 0,
        created_at: NOW,
        published_at: Some(NOW),
        signs_from: Some(Timestamp::UNIX_EPOCH),
        retires_at: None,
        removable_at: None,
        longest_lifetime: 900,
        imported: false,
        revoked: false,
        public: Some(jwk.public().unwrap()),
        jwk: Some(jwk),
    }
}

pub(crate) fn key_set(keys: Vec<KeyState>) -> KeySet {
    KeySet::new(7, keys, Algorithm::ES256)
}

/// An active key of each of these algorithms; ES256 is the default.
pub(crate) fn keys(algorithms: &[Algorithm]) -> Keys {
    let states = algorithms
        .iter()
        .map(|algorithm| key_state(*algorithm, 0))
        .collect();
    Keys::from_key_set(&key_set(states)).unwrap()
}

/// The parts of a JWT, its signature unchecked.
pub(crate) fn decode_jwt(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    });
    (parts.next().unwrap(), parts.next().unwrap())
}
