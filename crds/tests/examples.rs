//! Every custom resource in `docs/` and `examples/` is good: for the schema, for CEL and for the
//! validator, with no member that nobody reads.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

use std::path::{Path, PathBuf};

use kube::CustomResourceExt;
use kube::core::cel;
use oidc_crds::names::{GROUP, VERSION};
use oidc_crds::resources::{OidcClient, OidcUser, SigningKey};
use oidc_crds::secrets::app::Preset;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::validate::{Violation, validate, validate_signing_key, validate_user};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Grants what the documents show.
const CLUSTER: &str = "
release: oidc
issuer: https://oidc.team-a.svc.cluster.local
className: oidc
defaultClass: true
namespaces: {watch: [team-a]}
jwksMaxAge: 300s
outbound: {hosts: [keys.example.com]}
mtls: {url: https://oidc.team-a.svc.cluster.local:8443, ca: {configMap: client-ca}}
grants:
  - namespaces: [team-a]
    scopes: [orders.read]
    audiences: [https://orders.example.com]
    resourceServerFor: [https://orders.example.com]
    clientIds: [shop-*]
";

#[test]
fn the_documents_examples_are_good() {
    let installation = Installation::parse(CLUSTER).unwrap();
    let mut seen = 0;
    for file in files("docs", "md") {
        let text = std::fs::read_to_string(&file).unwrap();
        for block in yaml_blocks(&text) {
            seen += judge(&file, &block, &installation).len();
        }
    }
    assert!(seen >= 8, "{seen}");
}

#[test]
fn the_quick_start_is_good() {
    let installation = Installation::parse(CLUSTER).unwrap();
    let seen = folder("examples/quickstart", &installation);
    assert_eq!(seen, ["OidcClient demo", "OidcUser jdoe", "SigningKey es256"]);
}

#[test]
fn the_example_of_a_service_account_is_good() {
    let installation = Installation::parse(CLUSTER).unwrap();
    let seen = folder("examples/service-account", &installation);
    assert_eq!(seen, ["OidcClient reports"]);
}

#[test]
fn the_example_of_a_client_certificate_is_good() {
    let installation = Installation::parse(CLUSTER).unwrap();
    let seen = folder("examples/client-certificate", &installation);
    assert_eq!(seen, ["OidcClient billing"]);
}

#[test]
fn the_examples_of_rotation_are_good() {
    let installation = Installation::parse(CLUSTER).unwrap();
    assert_eq!(
        folder("examples/rotation", &installation),
        ["OidcClient demo", "OidcClient shop"]
    );
}

#[test]
fn the_standalone_examples_are_good() {
    let installation = Installation::standalone("http://localhost:5000", true);
    assert_eq!(
        folder("examples/standalone", &installation),
        [
            "OidcClient client123",
            "OidcClient mobile-client",
            "OidcClient spa",
            "OidcUser jdoe",
            "SigningKey main",
        ]
    );
}

#[test]
fn every_preset_has_a_good_example_that_names_the_clients_secret() {
    let installation = Installation::parse(CLUSTER).unwrap();
    for preset in Preset::all() {
        let name = serde_json::to_value(preset).unwrap();
        let at = format!("examples/integrations/{}", name.as_str().unwrap());
        let seen = folder(&at, &installation);
        assert_eq!(seen.len(), 1, "{at}: {seen:?}");
        let (mut secret, mut rest) = (String::new(), String::new());
        for file in files(&at, "yaml") {
            let text = std::fs::read_to_string(&file).unwrap();
            if !file.ends_with("client.yaml") {
                rest += &text;
                continue;
            }
            let client: OidcClient = parse(&at, &serde_yaml::from_str(&text).unwrap());
            let output = client.spec.secret.unwrap();
            assert_eq!(output.preset, Some(preset), "{at}");
            secret = output
                .name
                .unwrap_or_else(|| format!("{}-oidc", client.metadata.name.unwrap()));
        }
        assert!(
            rest.contains(&secret) && !secret.is_empty(),
            "{at} does not name {secret}"
        );
    }
}

/// What is in the files of a folder, sorted.
fn folder(name: &str, installation: &Installation) -> Vec<String> {
    let mut seen = Vec::new();
    for file in files(name, "yaml") {
        let text = std::fs::read_to_string(&file).unwrap();
        seen.extend(judge(&file, &text, installation));
    }
    seen.sort();
    seen
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let paths = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect()
}

fn yaml_blocks(text: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (line.trim_start(), inside) {
            ("```yaml", false) => {
                inside = true;
                blocks.push(String::new());
            }
            ("```", true) => inside = false,
            (_, true) => {
                let block = blocks.last_mut().unwrap();
                block.push_str(line);
                block.push('\n');
            }
            (_, false) => {}
        }
    }
    blocks
}

/// Kind and name of each custom resource in a text, all of which must be good.
fn judge(file: &Path, text: &str, installation: &Installation) -> Vec<String> {
    let documents: Vec<Value> =
        serde_yaml::from_multiple(text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let ours = format!("{GROUP}/{VERSION}");
    let mut seen = Vec::new();
    for document in documents
        .into_iter()
        .filter(|document| document["apiVersion"] == ours.as_str())
    {
        let kind = document["kind"].as_str().unwrap();
        let name = format!("{kind} {}", document["metadata"]["name"].as_str().unwrap());
        let at = format!("{}: {name}", file.display());
        let told = match kind {
            "OidcClient" => told(
                &at,
                validate(&parse::<OidcClient>(&at, &document), installation, None),
            ),
            "OidcUser" => told(&at, validate_user(&parse::<OidcUser>(&at, &document))),
            "SigningKey" => told(
                &at,
                validate_signing_key(&parse::<SigningKey>(&at, &document), installation),
            ),
            other => panic!("{at}: {other} is no kind of ours"),
        };
        assert!(told.is_empty(), "{told:#?}");
        seen.push(name);
    }
    seen
}

fn told<T>(at: &str, verdict: Result<T, Vec<Violation>>) -> Vec<String> {
    let violations = verdict.err().unwrap_or_default();
    violations
        .iter()
        .map(|violation| format!("{at}: {violation}"))
        .collect()
}

/// The object as the API server would store it.
fn parse<T>(at: &str, document: &Value) -> T
where
    T: CustomResourceExt + Serialize + DeserializeOwned,
{
    let mut stored = document.clone();
    for (member, value) in [
        ("uid", "1"),
        ("namespace", "team-a"),
        ("creationTimestamp", "2026-11-25T09:00:00Z"),
    ] {
        stored["metadata"][member] = json!(value);
    }
    let object: T = serde_json::from_value(stored).unwrap_or_else(|e| panic!("{at}: {e}"));
    if let Err(errors) = cel::validate_cel(&object) {
        panic!("{at}: {errors:?}");
    }
    let read = serde_json::to_value(&object).unwrap();
    every_member_is_read(at, &document["spec"], &read["spec"]);
    object
}

fn every_member_is_read(at: &str, written: &Value, read: &Value) {
    for (name, member) in written.as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        // an empty list is as good as none
        if member.as_array().is_some_and(Vec::is_empty) {
            continue;
        }
        assert!(read.get(name).is_some(), "{at} is unknown");
        every_member_is_read(&at, member, &read[name]);
    }
}
