//! What the properties start from: an installation, clients, keys and a ring.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use oidc_crds::client::Client;
use oidc_crds::jwk::PrivateJwk;
use oidc_crds::names::Algorithm;
use oidc_crds::resources::OidcClient;
use oidc_crds::resources::signing_key::Phase;
use oidc_crds::seal::KeyRing;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::key_ring::KeyRingData;
use oidc_crds::secrets::key_set::{KeySet, KeyState, Owner};
use oidc_crds::testing::SeededRng;
use oidc_crds::validate::{Violation, validate};
use oidc_protocol::keys::Keys;
use serde_json::{Value, json};

pub const ISSUER: &str = "https://id.example.com";
pub const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

pub static INSTALLATION: LazyLock<Installation> = LazyLock::new(|| Installation::standalone(ISSUER, false));
pub static RING: LazyLock<KeyRing> = LazyLock::new(|| ring(1));
pub static OTHER_RING: LazyLock<KeyRing> = LazyLock::new(|| ring(2));
pub static JWKS: LazyLock<[PrivateJwk; 2]> = LazyLock::new(|| {
    [Algorithm::ES256, Algorithm::EdDSA]
        .map(|algorithm| PrivateJwk::generate(algorithm, None).expect("a key can be made"))
});
pub static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let set = KeySet::new(1, JWKS.iter().map(state).collect(), Algorithm::ES256);
    Keys::from_key_set(&set).expect("the keys are good")
});

pub const WEB: &[&str] = &["https://app.example.com/cb", "https://app.example.com/cb?x=1"];
pub const NATIVE: &[&str] = &[
    "http://127.0.0.1/cb",
    "http://[::1]:8000/cb?x=1",
    "http://localhost:4000",
    "com.example.app:/cb",
    "https://app.example.com/cb",
];

pub static CLIENTS: LazyLock<[Arc<Client>; 2]> = LazyLock::new(|| {
    [("web", WEB), ("native", NATIVE)].map(|(kind, uris)| {
        let spec = json!({
            "applicationType": kind, "redirectUris": uris, "authentication": {"none": {}},
            "grantTypes": ["authorization_code", "refresh_token"],
            "scopes": ["openid", "profile", "email", "offline_access", "api"],
            "audiences": ["https://api.example.com"],
        });
        let object = object(kind, &spec);
        Arc::new(accept(&object).expect("the client is good"))
    })
});

/// An OidcClient of the namespace `default` as it is stored.
pub fn object(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient",
        "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}"),
            "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": spec,
    })
}

/// Reads and judges it; `None` if it is no such object.
pub fn judge(object: &Value) -> Option<Result<Client, Vec<Violation>>> {
    let object: OidcClient = serde_json::from_value(object.clone()).ok()?;
    Some(validate(&object, &INSTALLATION, None))
}

/// Whether it is good.
pub fn accept(object: &Value) -> Option<Client> {
    judge(object)?.ok()
}

fn ring(seed: u64) -> KeyRing {
    KeyRing::new(KeyRingData::generate(NOW, &mut SeededRng::new(seed)))
}

fn state(jwk: &PrivateJwk) -> KeyState {
    KeyState {
        kid: jwk.thumbprint().expect("the key is whole"),
        algorithm: jwk.algorithm().expect("the key is whole"),
        rsa_bits: None,
        phase: Phase::Active,
        signing_key: Owner {
            name: "main".to_owned(),
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
        public: jwk.public().ok(),
        jwk: Some(jwk.clone()),
    }
}
