//! The Secret that an application gets. By default it has keys that suit `envFrom`; `spec.secret` shapes it:
//! [`Preset`]s and renames say which keys, templates make more of them ([`Template`]).

use rand_core::CryptoRng;

use super::Data;
use crate::client::Client;
use crate::credentials::ClientSecret;
use crate::encoding::from_base64url;
use crate::names::ANNOTATION_SHAPE;
use crate::secrets::installation::Installation;

mod marks;
mod presets;
mod shape;
mod template;
mod values;

pub use marks::{Marks, Texts, merged};
pub use presets::Preset;
use presets::RANDOM;
pub use shape::Shape;
pub use template::Template;
pub use values::Value;

/// The key of the client's secret by default, also where `secretRef` names none.
pub const CLIENT_SECRET: &str = "CLIENT_SECRET";

/// An app's Secret as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// All of its data.
    pub data: Data,
    /// Labels that it must have.
    pub labels: Texts,
    /// Annotations that it must have, beside that of the credential.
    pub annotations: Texts,
}

/// What an app's Secret is made with.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// The secret; left out where the client authenticates without one.
    pub secret: Option<&'a ClientSecret>,
    /// What is served.
    pub installation: &'a Installation,
    /// The CA of the issuer's https as PEM; `None`: a public one.
    pub ca: Option<&'a str>,
}

/// Renders an app's Secret. `before` is the data of the one that is there; what is drawn only once is kept.
pub fn render(
    client: &Client,
    content: Content<'_>,
    before: Option<&Data>,
    rng: &mut impl CryptoRng,
) -> Rendered {
    let values = values::Values::of(client, content.secret, content.installation, content.ca);
    let plain = Shape::default();
    let shape = client.shape().unwrap_or(&plain);
    let mut data = Data::new();
    for entry in shape.entries() {
        let text = if entry.text == RANDOM {
            Some(kept_or_drawn(before, entry.key, rng))
        } else {
            text(&entry, &values)
        };
        if let Some(text) = text {
            data.insert(entry.key.to_owned(), text.into_bytes());
        }
    }
    let labels = shape.labels();
    let mut annotations = shape.annotations.clone();
    let secret_key = shape.secret_key();
    let marks = Marks {
        secret_key: (secret_key != CLIENT_SECRET && client.has_secret()).then_some(secret_key),
        labels: labels.keys().cloned().collect(),
        annotations: annotations.keys().cloned().collect(),
    };
    if let Some(text) = marks.text() {
        annotations.insert(ANNOTATION_SHAPE.to_owned(), text);
    }
    Rendered {
        data,
        labels,
        annotations,
    }
}

/// `None`: the entry is left out, since a preset's text names a value that is not there.
fn text(entry: &shape::Entry<'_>, values: &values::Values<'_>) -> Option<String> {
    let template = Template::parse(entry.text).ok()?;
    let there = template.names().all(|value| values.get(value).is_some());
    (entry.own || there).then(|| template.render(|value| values.get(value)))
}

/// 256 random bits as base64url: those that are there, unless somebody put something else in their place.
fn kept_or_drawn(before: Option<&Data>, key: &str, rng: &mut impl CryptoRng) -> String {
    let there = before.and_then(|data| data.get(key));
    let there = there.and_then(|bytes| std::str::from_utf8(bytes).ok());
    there
        .filter(|text| from_base64url(text).is_some_and(|bytes| bytes.len() == 32))
        .map_or_else(|| ClientSecret::generate(rng).expose().to_owned(), str::to_owned)
}

/// The secret that an app's Secret holds under the default key.
#[must_use]
pub fn client_secret(data: &Data) -> Option<ClientSecret> {
    secret_in(data, CLIENT_SECRET)
}

/// The secret that an app's Secret holds, under the key that its annotations name: what the spec says may be
/// newer than the Secret.
#[must_use]
pub fn held_secret(data: &Data, annotations: &Texts) -> Option<ClientSecret> {
    let key = Marks::of(annotations).secret_key;
    secret_in(data, key.as_deref().unwrap_or(CLIENT_SECRET))
}

fn secret_in(data: &Data, key: &str) -> Option<ClientSecret> {
    let bytes = data.get(key)?.clone();
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty())
        .map(ClientSecret::new)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rng::SystemRng;
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

    fn data(
        client: &Client,
        secret: Option<&ClientSecret>,
        installation: &Installation,
        ca: Option<&str>,
    ) -> Data {
        let content = Content {
            secret,
            installation,
            ca,
        };
        let rendered = render(client, content, None, &mut SystemRng);
        assert!(rendered.labels.is_empty() && rendered.annotations.is_empty());
        rendered.data
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

    fn shaped(secret: serde_json::Value, public: bool) -> Client {
        let authentication = if public { json!({"none": {}}) } else { json!(null) };
        let object = serde_json::from_value(json!({
            "metadata": {
                "name": "demo", "namespace": "identity", "uid": "c1",
                "creationTimestamp": "2026-11-25T09:00:00Z"
            },
            "spec": {
                "redirectUris": ["https://a.example/cb"], "authentication": authentication, "secret": secret,
            },
        }))
        .unwrap();
        validate(
            &object,
            &Installation::standalone("https://login.example", false),
            None,
        )
        .unwrap()
    }

    fn rendered(client: &Client, before: Option<&Data>, ca: Option<&str>) -> Rendered {
        let secret = ClientSecret::new("s3cret".into());
        let installation = Installation::standalone("https://login.example", false);
        let content = Content {
            secret: Some(&secret),
            installation: &installation,
            ca,
        };
        render(client, content, before, &mut SystemRng)
    }

    #[test]
    fn keys_are_renamed_and_the_secret_is_found_under_its_new_name() {
        let client = shaped(
            json!({"keys": {"CLIENT_SECRET": "client-secret", "CA_CRT": "ca"}}),
            false,
        );
        let Rendered {
            data, annotations, ..
        } = rendered(&client, None, Some("PEM"));
        assert_eq!(data["client-secret"], b"s3cret");
        assert_eq!(data["ca"], b"PEM");
        assert!(!data.contains_key("CLIENT_SECRET") && data.contains_key("CLIENT_ID"));
        assert!(client_secret(&data).is_none());
        assert_eq!(held_secret(&data, &annotations).unwrap().expose(), "s3cret");
        assert_eq!(annotations[ANNOTATION_SHAPE], r#"{"secretKey":"client-secret"}"#);
    }

    #[test]
    fn two_keys_may_change_their_places() {
        let client = shaped(
            json!({"keys": {"CLIENT_SECRET": "CLIENT_ID", "CLIENT_ID": "CLIENT_SECRET"}}),
            false,
        );
        let Rendered {
            data, annotations, ..
        } = rendered(&client, None, None);
        assert_eq!(
            (&data["CLIENT_ID"][..], &data["CLIENT_SECRET"][..]),
            (&b"s3cret"[..], &b"identity.demo"[..])
        );
        assert_eq!(held_secret(&data, &annotations).unwrap().expose(), "s3cret");
    }

    #[test]
    fn templates_come_beside_the_keys() {
        let client = shaped(
            json!({"template": {
                "dsn": "oidc://${CLIENT_ID | urlencode}:${CLIENT_SECRET|urlencode}@x?ca=${CA_CRT}",
                "conf.json": "{\"scopes\": ${SCOPES | json}, \"back\": ${REDIRECT_URI | json}}",
            }}),
            false,
        );
        let data = rendered(&client, None, None).data;
        let text = |key: &str| String::from_utf8(data[key].clone()).unwrap();
        assert_eq!(text("dsn"), "oidc://identity.demo:s3cret@x?ca=");
        assert_eq!(
            text("conf.json"),
            r#"{"scopes": "openid profile email", "back": "https://a.example/cb"}"#
        );
        assert_eq!(text("CLIENT_SECRET"), "s3cret");
    }

    #[test]
    fn what_is_drawn_is_kept_as_long_as_it_is_there() {
        let client = shaped(json!({"preset": "oauth2-proxy"}), false);
        let first = rendered(&client, None, None).data;
        let cookie = |data: &Data| String::from_utf8(data["cookie-secret"].clone()).unwrap();
        assert_eq!(cookie(&first).len(), 43);
        assert_eq!(rendered(&client, Some(&first), None).data, first);
        assert_ne!(cookie(&rendered(&client, None, None).data), cookie(&first));
        let mut edited = first.clone();
        edited.insert("cookie-secret".into(), b"short".to_vec());
        assert_eq!(cookie(&rendered(&client, Some(&edited), None).data).len(), 43);
    }

    #[test]
    fn every_preset_holds_the_secret_once_and_what_its_program_needs() {
        for preset in Preset::all() {
            let name = serde_json::to_value(preset).unwrap();
            for ca in [None, Some("PEM")] {
                let client = shaped(json!({"preset": name}), false);
                let Rendered {
                    data, annotations, ..
                } = rendered(&client, None, ca);
                let held = held_secret(&data, &annotations);
                assert_eq!(held.expect("a secret").expose(), "s3cret", "{name}");
                let plain = data.values().filter(|value| *value == b"s3cret").count();
                assert_eq!(plain, 1, "{name}");
                assert_eq!(data.values().any(|value| value == b"PEM"), ca.is_some(), "{name}");
            }
            let public = rendered(&shaped(json!({"preset": name}), true), None, None);
            let secret = |value: &Vec<u8>| String::from_utf8_lossy(value).contains("s3cret");
            assert!(!public.data.values().any(secret), "{name}");
        }
    }

    #[test]
    fn presets_are_rendered_as_their_programs_want_them() {
        let mut told = String::new();
        for preset in Preset::all() {
            let name = serde_json::to_value(preset).unwrap();
            let client = shaped(json!({"preset": name}), false);
            let mut rendered = rendered(&client, None, Some("PEM"));
            if let Some(drawn) = rendered.data.get_mut("cookie-secret") {
                *drawn = b"(drawn)".to_vec();
            }
            told += &format!("{}:\n", name.as_str().unwrap());
            for (key, value) in texts(&rendered.data) {
                told += &format!("  {key}: {value}\n");
            }
            for (key, value) in rendered.labels.iter().chain(&rendered.annotations) {
                told += &format!("  # {key}: {value}\n");
            }
        }
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/presets.txt");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&file, &told).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            told,
            "if it is meant: UPDATE_SNAPSHOTS=1"
        );
    }
}
