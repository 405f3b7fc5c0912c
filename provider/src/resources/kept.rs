//! [`Kept`]: what is kept of an object so that it can be judged again when the rules change: the JSON of
//! what is read here, packed. The typed object, with all that the API server notes, takes many times the memory.

use std::marker::PhantomData;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time};
use kube::Resource;
use kube::core::object::{HasSpec, HasStatus};
use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use oidc_crds::resources::oidc_client::Credential;
use oidc_crds::resources::{ConditionType, OidcClient, OidcClientStatus, OidcUser, OidcUserStatus};
use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};

use super::directory::{Key, key};

/// A kind that can be kept.
pub trait Keep:
    Resource + HasSpec<Spec: Serialize> + HasStatus<Status: Serialize> + DeserializeOwned
{
    /// Drops what of the status is not read here.
    fn prune_status(&mut self);
}

impl Keep for OidcClient {
    fn prune_status(&mut self) {
        self.status = self.status.take().map(|status| OidcClientStatus {
            credentials: status.credentials.into_iter().map(without_use).collect(),
            observed_generation: status.observed_generation,
            // whether it was accepted counts only until the operator has looked for routes
            conditions: match status.routed_hosts {
                Some(_) => Vec::new(),
                None => status.conditions.into_iter().filter_map(accepted).collect(),
            },
            routed_hosts: status.routed_hosts,
            ..OidcClientStatus::default()
        });
    }
}

/// That it is accepted, without the words and the time.
fn accepted(condition: Condition) -> Option<Condition> {
    let accepted = condition.type_ == ConditionType::Accepted.as_str() && condition.status == "True";
    accepted.then(|| Condition {
        reason: String::new(),
        message: String::new(),
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
        ..condition
    })
}

/// When it was used is noted every few minutes: it must not make a difference.
fn without_use(credential: Credential) -> Credential {
    Credential {
        last_used_at: None,
        ..credential
    }
}

impl Keep for OidcUser {
    fn prune_status(&mut self) {
        self.status = self.status.take().map(|status| OidcUserStatus {
            password: status.password,
            ..OidcUserStatus::default()
        });
    }
}

/// An object as it is kept. Two are equal if nothing differs that is read here; clones share the text.
pub struct Kept<O> {
    key: Key,
    text: Text<O>,
}

/// The JSON of an object, without its kind, packed.
pub struct Text<O> {
    packed: Arc<[u8]>,
    kind: PhantomData<fn() -> O>,
}

/// What objects have in common, and so is not kept of each.
const DICTIONARY: &[u8] = br#"{"metadata":{"creationTimestamp":"2026-01-01T00:00:00Z","name":"client","namespace":"team","uid":"01234567-89ab-cdef-0123-456789abcdef"},"spec":{"displayName":"Application","applicationType":"native","postLogoutRedirectUris":["https://app.example.com/"],"allowedOrigins":["https://"],"resourceServerFor":["https://"],"audiences":["https://"],"responseTypes":["code"],"authentication":{"clientSecret":{"method":"client_secret_basic"},"privateKeyJwt":{"jwksUri":"https://"},"serviceAccounts":[{"namespace":"default","name":"default"}],"none":{}},"secret":{"name":"-oidc","preset":"oauth2-proxy","keys":{"CLIENT_ID":"id","CLIENT_SECRET":"secret"}},"tokens":{"accessTokenTtl":"15m","idTokenTtl":"15m","refreshTokenTtl":"24h"},"rotation":{"interval":"720h","overlap":"24h"},"consent":"remember","allowedGroups":["developers"],"scopes":["openid","profile","email","groups","offline_access"],"grantTypes":["authorization_code","refresh_token","client_credentials"],"redirectUris":["https://app.example.com/oauth2/callback"]},"status":{"conditions":[{"lastTransitionTime":"1970-01-01T00:00:00Z","message":"","observedGeneration":1,"reason":"","status":"True","type":"Accepted"}],"observedGeneration":1,"routedHosts":[],"credentials":[{"createdAt":"2026-01-01T00:00:00Z","digest":":","id":"","retiresAt":"2026-01-01T00:00:00Z"}]}}"#;

/// What is written.
#[derive(Serialize)]
struct Members<'a, S, T> {
    metadata: &'a ObjectMeta,
    spec: &'a S,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a T>,
}

impl<O: Keep> Kept<O> {
    /// Keeps what is read here.
    #[must_use]
    pub fn of(mut object: O) -> Self {
        object.prune_status();
        let metadata = object.meta_mut();
        *metadata = ObjectMeta {
            name: metadata.name.take(),
            namespace: metadata.namespace.take(),
            uid: metadata.uid.take(),
            generation: metadata.generation.take(),
            creation_timestamp: metadata.creation_timestamp.take(),
            deletion_timestamp: metadata.deletion_timestamp.take(),
            ..ObjectMeta::default()
        };
        let members = Members {
            metadata: object.meta(),
            spec: object.spec(),
            status: object.status(),
        };
        // our own types have no member that JSON could not hold
        let json = serde_json::to_vec(&members).unwrap_or_default();
        let packed = compress_prepend_size_with_dict(&json, DICTIONARY).into();
        Self {
            key: key(object.meta()),
            text: Text {
                packed,
                kind: PhantomData,
            },
        }
    }

    /// The object, without what is not read here.
    ///
    /// # Errors
    /// Never: what was written can be read.
    pub fn open(&self) -> serde_json::Result<O> {
        self.text.open()
    }
}

impl<O> Kept<O> {
    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Namespace and name, and the rest.
    #[must_use]
    pub fn into_parts(self) -> (Key, Text<O>) {
        (self.key, self.text)
    }
}

impl<O: Keep> Text<O> {
    /// The object, without what is not read here.
    ///
    /// # Errors
    /// Never: what was written can be read.
    pub fn open(&self) -> serde_json::Result<O> {
        let json = decompress_size_prepended_with_dict(&self.packed, DICTIONARY)
            .map_err(serde_json::Error::custom)?;
        serde_json::from_slice(&json)
    }
}

impl<O> Clone for Kept<O> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            text: Text {
                packed: self.text.packed.clone(),
                kind: PhantomData,
            },
        }
    }
}

impl<O> PartialEq for Text<O> {
    fn eq(&self, other: &Self) -> bool {
        self.packed == other.packed
    }
}

impl<O> PartialEq for Kept<O> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_read_is_kept_and_makes_a_difference() {
        let object = |version: &str, digest: &str| -> OidcClient {
            let used = format!("2026-01-01T00:00:0{version}Z");
            serde_json::from_value(json!({
                "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient",
                "metadata": {
                    "namespace": "a", "name": "one", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z",
                    "resourceVersion": version, "labels": {"a": "b"}, "managedFields": [{"manager": "kubectl"}],
                },
                "spec": {"redirectUris": ["https://app.example.com/callback"], "claims": [
                    {"name": "https://example.com/many", "value": {"many": [0.1, 1e-7, "π"]}, "in": ["idToken"]},
                ]},
                "status": {
                    "clientId": "a.one", "conditions": [],
                    "observedGeneration": 1, "routedHosts": ["app.example.com"],
                    "lastUsedAt": used,
                    "credentials": [{
                        "id": "1", "digest": digest, "createdAt": "2026-01-01T00:00:00Z", "lastUsedAt": used,
                    }],
                },
            }))
            .unwrap()
        };
        let kept = Kept::of(object("1", "p:1"));
        assert_eq!(*kept.key(), ("a".to_owned(), "one".to_owned()));
        let opened = kept.open().unwrap();
        let whole = object("1", "p:1");
        assert_eq!(opened.spec, whole.spec);
        let (read, written) = (opened.status.unwrap(), whole.status.unwrap());
        assert_eq!(read.credentials[0].digest, written.credentials[0].digest);
        assert!(read.credentials[0].last_used_at.is_none() && read.last_used_at.is_none());
        assert_eq!(read.observed_generation, written.observed_generation);
        assert_eq!(read.routed_hosts, written.routed_hosts);
        assert_eq!(opened.metadata.uid, whole.metadata.uid);
        assert_eq!(
            opened.metadata.creation_timestamp,
            whole.metadata.creation_timestamp
        );
        assert!(opened.metadata.managed_fields.is_none() && opened.metadata.labels.is_none());
        assert!(
            kept == Kept::of(object("2", "p:1")),
            "another version of the same"
        );
        assert!(kept != Kept::of(object("1", "p:2")));
    }

    #[test]
    fn that_it_was_accepted_is_kept_until_the_operator_has_looked_for_routes() {
        let kept = |routed: Option<&[&str]>, kind: &str, holds: &str, message: &str| {
            let object: OidcClient = serde_json::from_value(json!({
                "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient",
                "metadata": {"namespace": "a", "name": "one", "generation": 2},
                "spec": {},
                "status": {"observedGeneration": 2, "routedHosts": routed, "conditions": [{
                    "type": kind, "status": holds, "observedGeneration": 2,
                    "reason": "R", "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z",
                }]},
            }))
            .unwrap();
            Kept::of(object)
        };
        let accepted = kept(None, "Accepted", "True", "good");
        let conditions = accepted.open().unwrap().status.unwrap().conditions;
        let [condition] = &conditions[..] else {
            unreachable!("{conditions:?}")
        };
        assert_eq!((&*condition.type_, &*condition.status), ("Accepted", "True"));
        assert_eq!(condition.observed_generation, Some(2));
        assert!(accepted == kept(None, "Accepted", "True", "other words"));
        for nothing in [
            kept(None, "Accepted", "False", ""),
            kept(None, "Ready", "True", ""),
            kept(Some(&[]), "Accepted", "True", ""),
        ] {
            assert!(nothing.open().unwrap().status.unwrap().conditions.is_empty());
        }
    }
}
