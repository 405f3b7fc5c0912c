//! The Secret that an application gets. To add a key, add it here only.

use super::Data;
use crate::client::Client;
use crate::credentials::ClientSecret;
use crate::secrets::installation::Installation;

/// The key of the client's secret, also where `secretRef` names none.
pub const CLIENT_SECRET: &str = "CLIENT_SECRET";

/// Keys and paths under the issuer.
const ENDPOINTS: [(&str, &str); 8] = [
    ("AUTHORIZATION_URL", "/authorize"),
    ("TOKEN_URL", "/token"),
    ("USERINFO_URL", "/userinfo"),
    ("JWKS_URL", "/jwks.json"),
    ("INTROSPECTION_URL", "/introspect"),
    ("REVOCATION_URL", "/revoke"),
    ("END_SESSION_URL", "/end_session"),
    ("DISCOVERY_URL", "/.well-known/openid-configuration"),
];

/// The data of an app's Secret, with keys that suit `envFrom`: `CLIENT_ID`, `CLIENT_SECRET` (if the
/// client authenticates with one), `ISSUER_URL`, `AUTHORIZATION_URL`, `TOKEN_URL`, `USERINFO_URL`, `JWKS_URL`,
/// `INTROSPECTION_URL`, `REVOCATION_URL`, `END_SESSION_URL`, `DISCOVERY_URL`, and with a CA `CA_CRT` and `ca.crt`.
#[must_use]
pub fn data(
    client: &Client,
    secret: Option<&ClientSecret>,
    installation: &Installation,
    ca: Option<&str>,
) -> Data {
    let issuer = &installation.issuer;
    let mut data = Data::new();
    let mut put = |key: &str, value: &str| {
        data.insert(key.to_owned(), value.as_bytes().to_vec());
    };
    put("CLIENT_ID", client.client_id());
    put("ISSUER_URL", issuer);
    for (key, path) in ENDPOINTS {
        put(key, &format!("{issuer}{path}"));
    }
    if let Some(secret) = secret.filter(|_| client.has_secret()) {
        put(CLIENT_SECRET, secret.expose());
    }
    if let Some(ca) = ca {
        put("CA_CRT", ca);
        put("ca.crt", ca);
    }
    data
}

/// The secret that an app's Secret holds.
#[must_use]
pub fn client_secret(data: &Data) -> Option<ClientSecret> {
    let bytes = data.get(CLIENT_SECRET)?.clone();
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty())
        .map(ClientSecret::new)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::validate::validate;

    fn client(authentication: serde_json::Value, installation: &Installation) -> Client {
        let object = serde_json::from_value(json!({
            "metadata": {
                "name": "demo", "namespace": "identity", "uid": "c1",
                "creationTimestamp": "2026-11-25T09:00:00Z"
            },
            "spec": {"redirectUris": ["https://a.example/cb"], "authentication": authentication},
        }))
        .unwrap();
        validate(&object, installation, None).unwrap()
    }

    fn texts(data: &Data) -> Vec<(&str, &str)> {
        data.iter()
            .map(|(key, value)| (key.as_str(), std::str::from_utf8(value).unwrap()))
            .collect()
    }

    #[test]
    fn an_app_finds_all_it_needs() {
        let installation = Installation::standalone("https://login.example.com/tenant", false);
        let client = client(json!(null), &installation);
        let secret = ClientSecret::new("s3cret".into());
        let data = data(&client, Some(&secret), &installation, Some("PEM"));
        assert_eq!(
            texts(&data),
            [
                ("AUTHORIZATION_URL", "https://login.example.com/tenant/authorize"),
                ("CA_CRT", "PEM"),
                ("CLIENT_ID", "identity.demo"),
                ("CLIENT_SECRET", "s3cret"),
                (
                    "DISCOVERY_URL",
                    "https://login.example.com/tenant/.well-known/openid-configuration"
                ),
                ("END_SESSION_URL", "https://login.example.com/tenant/end_session"),
                ("INTROSPECTION_URL", "https://login.example.com/tenant/introspect"),
                ("ISSUER_URL", "https://login.example.com/tenant"),
                ("JWKS_URL", "https://login.example.com/tenant/jwks.json"),
                ("REVOCATION_URL", "https://login.example.com/tenant/revoke"),
                ("TOKEN_URL", "https://login.example.com/tenant/token"),
                ("USERINFO_URL", "https://login.example.com/tenant/userinfo"),
                ("ca.crt", "PEM"),
            ]
        );
        assert_eq!(client_secret(&data).unwrap().expose(), "s3cret");
    }

    #[test]
    fn a_public_client_gets_no_secret() {
        let installation = Installation::standalone("http://localhost:5000", true);
        let client = client(json!({"none": {}}), &installation);
        let secret = ClientSecret::new("s3cret".into());
        let data = data(&client, Some(&secret), &installation, None);
        assert_eq!(data.len(), 10);
        assert!(client_secret(&data).is_none());
    }

    #[test]
    fn a_secret_is_text() {
        let secret = |bytes: &[u8]| client_secret(&Data::from([(CLIENT_SECRET.to_owned(), bytes.to_vec())]));
        assert!(secret(b"").is_none());
        assert!(secret(b"\xff").is_none());
        assert_eq!(secret(b"x").unwrap().expose(), "x");
    }
}
