//! [`Guarded`]: an object of the API server, or what is left of one that cannot be read as its kind. A
//! parser's own words may quote a value, a person's address or a secret; here the place is told and
//! nothing else.

use std::borrow::Cow;

use kube::Resource;
use kube::core::{ObjectMeta, PartialObjectMeta};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use serde_path_to_error::Segment;

/// An object, or what is left of one that cannot be read. One broken object ends no list and no watch.
#[derive(Debug, Clone)]
pub struct Guarded<K>(pub Result<K, Unreadable>);

/// An object that cannot be read as its kind. `Display` tells where, never a value.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{place}: has another form than this version expects")]
pub struct Unreadable {
    /// The field, like `spec.groups[2]`; `the object` if no field can be named.
    pub place: String,
    /// Its metadata.
    pub metadata: ObjectMeta,
}

impl<'de, K> Deserialize<'de> for Guarded<K>
where
    K: DeserializeOwned + Resource,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if let Ok(object) = K::deserialize(&value) {
            return Ok(Self(Ok(object)));
        }
        let PartialObjectMeta::<K> { metadata, .. } = PartialObjectMeta::deserialize(&value)
            .map_err(|_| D::Error::custom("an object has no metadata that can be read"))?;
        // Only now is the place looked for, which costs more.
        Ok(Self(serde_path_to_error::deserialize(&value).map_err(
            |error: serde_path_to_error::Error<serde_json::Error>| Unreadable {
                place: place(error.path()),
                metadata,
            },
        )))
    }
}

/// The field as people write it. The name of a variant is left out: it is a value.
fn place(path: &serde_path_to_error::Path) -> String {
    let mut place = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => place.push_str(&format!("[{index}]")),
            Segment::Map { key } if place.is_empty() => place.push_str(key),
            Segment::Map { key } => place.push_str(&format!(".{key}")),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    if place.is_empty() {
        "the object".clone_into(&mut place);
    }
    place
}

impl<K: Resource> Resource for Guarded<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(kind: &K::DynamicType) -> Cow<'_, str> {
        K::kind(kind)
    }

    fn group(kind: &K::DynamicType) -> Cow<'_, str> {
        K::group(kind)
    }

    fn version(kind: &K::DynamicType) -> Cow<'_, str> {
        K::version(kind)
    }

    fn plural(kind: &K::DynamicType) -> Cow<'_, str> {
        K::plural(kind)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|odd| &odd.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|odd| &mut odd.metadata, K::meta_mut)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Secret;
    use serde_json::json;

    use super::*;
    use crate::resources::{OidcUser, SigningKey};

    fn read<K: DeserializeOwned + Resource<DynamicType = ()>>(spec: Value) -> Guarded<K> {
        let object = json!({
            "apiVersion": K::api_version(&()), "kind": K::kind(&()),
            "metadata": {"namespace": "idp", "name": "jane", "labels": {"a": "b"}},
            "spec": spec,
        });
        serde_json::from_str(&object.to_string()).unwrap()
    }

    #[test]
    fn a_good_object_is_as_it_was() {
        let user = read::<OidcUser>(json!({"email": "jane@example.com", "groups": ["a"]}));
        assert_eq!(user.meta().name.as_deref(), Some("jane"));
        assert_eq!(user.0.unwrap().spec.email.as_deref(), Some("jane@example.com"));
        let secret = json!({"metadata": {"name": "s"}, "data": {"a": "Yg=="}});
        let secret: Guarded<Secret> = serde_json::from_value(secret).unwrap();
        assert_eq!(secret.0.unwrap().data.unwrap()["a"].0, b"b");
    }

    #[test]
    fn i9_an_unreadable_object_tells_its_field_and_no_value() {
        for (spec, place) in [
            (json!({"emailVerified": "jane@example.com"}), "spec.emailVerified"),
            (
                json!({"groups": ["a", {"jane@example.com": 1}]}),
                "spec.groups[1]",
            ),
            (json!("jane@example.com"), "spec"),
        ] {
            let Guarded(Err(odd)) = read::<OidcUser>(spec) else {
                panic!("it was read")
            };
            assert_eq!(odd.place, place);
            assert_eq!(odd.metadata.name.as_deref(), Some("jane"));
            assert!(!format!("{odd} {odd:?}").contains("example.com"), "{odd}");
        }
        let Guarded(Err(odd)) = read::<SigningKey>(json!({"algorithm": "canary"})) else {
            panic!("it was read")
        };
        assert!(
            odd.place == "spec.algorithm" && !odd.to_string().contains("canary"),
            "{odd}"
        );
        let secret = json!({"metadata": {"name": "s"}, "data": {"a": "c4n%ry"}});
        let secret: Guarded<Secret> = serde_json::from_value(secret).unwrap();
        assert_eq!(secret.0.unwrap_err().place, "data.a");
    }

    #[test]
    fn without_metadata_it_is_no_object() {
        let odd = json!({"metadata": {"name": ["canary"]}, "spec": {}});
        let error = serde_json::from_value::<Guarded<OidcUser>>(odd).unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
