//! Manifests: YAML text → the objects in it, strictly. What is wrong is told with line and field.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use kube::core::ObjectMeta;
use oidc_crds::names::{GROUP, VERSION};
use oidc_crds::resources::{OidcClient, OidcUser, SigningKey};
use oidc_crds::secrets::Data;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::node::{Content, Node};
use super::schema::{Fault, check};

/// The namespace of objects that name none.
pub const NAMESPACE: &str = "default";

/// An object of a manifest.
#[derive(Debug, Clone)]
pub enum Object {
    /// A client.
    Client(Box<OidcClient>),
    /// A user.
    User(Box<OidcUser>),
    /// A signing key.
    Key(Box<SigningKey>),
    /// A Secret.
    Secret(Box<Secret>),
}

/// A Secret of a manifest; `Debug` shows its name only.
#[derive(Clone)]
pub struct Secret {
    /// Name, namespace, annotations.
    pub metadata: ObjectMeta,
    /// Its type, if one is given.
    pub kind: Option<String>,
    /// What it holds.
    pub data: Data,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({:?})", self.metadata.name)
    }
}

impl Object {
    /// Kind and metadata.
    #[must_use]
    pub fn head(&self) -> (&'static str, &ObjectMeta) {
        match self {
            Self::Client(client) => ("OidcClient", &client.metadata),
            Self::User(user) => ("OidcUser", &user.metadata),
            Self::Key(key) => ("SigningKey", &key.metadata),
            Self::Secret(secret) => ("Secret", &secret.metadata),
        }
    }
}

/// What a manifest holds.
#[derive(Debug, Default)]
pub struct Manifest {
    /// The objects.
    pub objects: Vec<Object>,
    /// Lines and kinds of documents that are of no use here.
    pub others: Vec<(u64, String)>,
}

/// Reads all documents of a manifest.
///
/// # Errors
/// Everything that is wrong; never an empty list.
pub fn read(text: &str) -> Result<Manifest, Vec<Fault>> {
    // `n` is a name, not false
    let options = serde_yaml::options! { strict_booleans: true };
    let mut bytes = text.as_bytes();
    let (mut manifest, mut faults) = (Manifest::default(), Vec::new());
    // one after the other: a document with the lines of everything in it is many times as long as its text
    for document in serde_yaml::read_with_options::<_, Node>(&mut bytes, options) {
        let document = document.map_err(|error| vec![syntax(&error)])?;
        if document.content != Content::Null {
            object(&document, &mut manifest, &mut faults);
        }
    }
    if faults.is_empty() {
        Ok(manifest)
    } else {
        Err(faults)
    }
}

/// The parser's message has an excerpt of the text after its first line, which may be a secret.
fn syntax(error: &serde_yaml::Error) -> Fault {
    let told = error.without_snippet().to_string();
    Fault {
        line: error.location().map_or(1, |location| location.line()),
        field: String::new(),
        message: format!("this is no YAML: {}", told.lines().next().unwrap_or_default()),
    }
}

fn object(document: &Node, manifest: &mut Manifest, faults: &mut Vec<Fault>) {
    let text = |name: &str| document.get(name).and_then(Node::text).unwrap_or_default();
    let schemas = SCHEMAS.get_or_init(Schemas::new);
    let ours = format!("{GROUP}/{VERSION}");
    let (kind, schema) = match (text("apiVersion"), text("kind")) {
        (version, kind @ "OidcClient") if version == ours => (kind, &schemas.client),
        (version, kind @ "OidcUser") if version == ours => (kind, &schemas.user),
        (version, kind @ "SigningKey") if version == ours => (kind, &schemas.key),
        ("v1", kind @ "Secret") => (kind, &schemas.secret),
        (_, "OidcClient" | "OidcUser" | "SigningKey") => {
            faults.push(Fault {
                line: document.get("apiVersion").unwrap_or(document).line,
                field: "apiVersion".to_owned(),
                message: format!("must be {ours}"),
            });
            return;
        }
        ("", _) | (_, "") => {
            faults.push(Fault {
                line: document.line,
                field: String::new(),
                message: "apiVersion and kind are needed".to_owned(),
            });
            return;
        }
        (_, kind) => {
            manifest.others.push((document.line, kind.to_owned()));
            return;
        }
    };
    let before = faults.len();
    check(document, schema, "", faults);
    if faults.len() > before {
        return;
    }
    let read = match kind {
        "OidcClient" => typed(document).map(|client| Object::Client(Box::new(client))),
        "OidcUser" => typed(document).map(|user| Object::User(Box::new(user))),
        "SigningKey" => typed(document).map(|key| Object::Key(Box::new(key))),
        _ => secret(document).map(|secret| Object::Secret(Box::new(secret))),
    };
    match read {
        Ok(object) => manifest.objects.push(object),
        Err(fault) => faults.push(fault),
    }
}

/// The schema has been kept, so this fails for odd cases only.
fn typed<T: DeserializeOwned + kube::Resource>(document: &Node) -> Result<T, Fault> {
    let mut json = document.to_json();
    if let Value::Object(members) = &mut json {
        // the operator's word, of which a copied manifest knows nothing
        members.remove("status");
        members
            .entry("spec")
            .or_insert_with(|| Value::Object(Default::default()));
    }
    let mut object: T = serde_json::from_value(json).map_err(|error| Fault {
        line: document.line,
        field: "spec".to_owned(),
        message: error.to_string(),
    })?;
    *object.meta_mut() = metadata(document)?;
    Ok(object)
}

/// Name, namespace, labels, annotations; the rest is the API server's.
fn metadata(document: &Node) -> Result<ObjectMeta, Fault> {
    let node = document.get("metadata").unwrap_or(document);
    let read: ObjectMeta = serde_json::from_value(node.to_json()).map_err(|error| Fault {
        line: node.line,
        field: "metadata".to_owned(),
        message: error.to_string(),
    })?;
    let namespace = read.namespace.unwrap_or_else(|| NAMESPACE.to_owned());
    for (field, text, dots) in [
        ("name", read.name.as_deref().unwrap_or_default(), true),
        ("namespace", &namespace, false),
    ] {
        if !is_dns_name(text, dots) {
            return Err(Fault {
                line: node.get(field).unwrap_or(node).line,
                field: format!("metadata.{field}"),
                message: "must be lower case letters, digits and - , like my-app".to_owned(),
            });
        }
    }
    Ok(ObjectMeta {
        name: read.name,
        namespace: Some(namespace),
        labels: read.labels,
        annotations: read.annotations,
        ..ObjectMeta::default()
    })
}

/// A name as Kubernetes has them (RFC 1123); it may become part of a file's name.
#[must_use]
pub fn is_dns_name(text: &str, dots: bool) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
    };
    text.len() <= 253
        && if dots {
            text.split('.').all(label)
        } else {
            label(text)
        }
}

fn secret(document: &Node) -> Result<Secret, Fault> {
    let mut data = Data::new();
    let members = |name: &str| match document.get(name).map(|node| &node.content) {
        Some(Content::Map(members)) => members.clone(),
        _ => Vec::new(),
    };
    for (name, line, value) in members("data") {
        // kubectl folds long values
        let text: String = value.text().unwrap_or_default().split_whitespace().collect();
        let bytes = STANDARD.decode(text).map_err(|_| Fault {
            line,
            field: format!("data.{name}"),
            message: "must be base64; plain text goes under stringData".to_owned(),
        })?;
        data.insert(name, bytes);
    }
    for (name, _, value) in members("stringData") {
        data.insert(name, value.text().unwrap_or_default().as_bytes().to_vec());
    }
    Ok(Secret {
        metadata: metadata(document)?,
        kind: document.get("type").and_then(Node::text).map(ToOwned::to_owned),
        data,
    })
}

/// The schemas of all kinds, made once.
struct Schemas {
    client: JSONSchemaProps,
    user: JSONSchemaProps,
    key: JSONSchemaProps,
    secret: JSONSchemaProps,
}

static SCHEMAS: OnceLock<Schemas> = OnceLock::new();

impl Schemas {
    fn new() -> Self {
        Self {
            client: custom::<OidcClient>(),
            user: custom::<OidcUser>(),
            key: custom::<SigningKey>(),
            secret: whole([
                ("type", of("string")),
                ("immutable", of("boolean")),
                ("data", texts()),
                ("stringData", texts()),
            ]),
        }
    }
}

/// The definition's schema of `spec`, in a document as people write it.
fn custom<K: CustomResourceExt>() -> JSONSchemaProps {
    let definition = K::crd();
    let spec = definition
        .spec
        .versions
        .into_iter()
        .find_map(|version| version.schema?.open_api_v3_schema?.properties?.remove("spec"));
    whole([("spec", spec.unwrap_or_default()), ("status", open())])
}

/// A document with these members beside those that all have.
fn whole<const N: usize>(members: [(&str, JSONSchemaProps); N]) -> JSONSchemaProps {
    let metadata = [
        ("name", of("string")),
        ("namespace", of("string")),
        ("labels", texts()),
        ("annotations", texts()),
        // what `kubectl get -o yaml` shows
        ("uid", of("string")),
        ("resourceVersion", of("string")),
        ("generation", of("integer")),
        ("creationTimestamp", of("string")),
        ("managedFields", of("array")),
        ("ownerReferences", of("array")),
        ("finalizers", of("array")),
    ];
    let metadata = map(metadata, &["name"]);
    let heads = [
        ("apiVersion", of("string")),
        ("kind", of("string")),
        ("metadata", metadata),
    ];
    map(heads.into_iter().chain(members), &["metadata"])
}

fn map<'a>(
    members: impl IntoIterator<Item = (&'a str, JSONSchemaProps)>,
    required: &[&str],
) -> JSONSchemaProps {
    JSONSchemaProps {
        properties: Some(
            members
                .into_iter()
                .map(|(name, schema)| (name.to_owned(), schema))
                .collect(),
        ),
        required: Some(required.iter().map(|name| (*name).to_owned()).collect()),
        ..of("object")
    }
}

fn of(kind: &str) -> JSONSchemaProps {
    JSONSchemaProps {
        type_: Some(kind.to_owned()),
        items: (kind == "array").then(|| JSONSchemaPropsOrArray::Schemas(Vec::new())),
        ..JSONSchemaProps::default()
    }
}

fn texts() -> JSONSchemaProps {
    JSONSchemaProps {
        additional_properties: Some(JSONSchemaPropsOrBool::Schema(Box::new(of("string")))),
        ..of("object")
    }
}

/// Anything goes.
fn open() -> JSONSchemaProps {
    JSONSchemaProps::default()
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
