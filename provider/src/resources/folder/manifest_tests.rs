use super::*;

const CLIENT: &str = "\
apiVersion: oidc-operator.dev/v1alpha1
kind: OidcClient
metadata:
  name: app
spec:
  redirectUris:
    - https://app.example.com/callback
  grantTypes: [authorization_code]
";

fn faults(text: &str) -> Vec<String> {
    match read(text) {
        Ok(manifest) => panic!("read {manifest:?}"),
        Err(faults) => faults.iter().map(Fault::to_string).collect(),
    }
}

#[test]
fn all_kinds_are_read_and_others_are_told() {
    let text = format!(
        "{CLIENT}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: n}}\ndata:\n  a: |\n    \
         c2Vj\n    cmV0\nstringData: {{b: text}}\n---\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: x}}\n\
         ---\napiVersion: oidc-operator.dev/v1alpha1\nkind: OidcUser\nmetadata: {{name: u}}\n---\n\
         apiVersion: oidc-operator.dev/v1alpha1\nkind: SigningKey\nmetadata: {{name: k}}\n\
         spec: {{publishFor: 10s, rotation: {{revision: 2}}}}\n"
    );
    let manifest = read(&text).unwrap();
    let heads: Vec<_> = manifest
        .objects
        .iter()
        .map(|object| {
            let (kind, metadata) = object.head();
            format!(
                "{kind} {}/{}",
                metadata.namespace.as_deref().unwrap(),
                metadata.name.as_deref().unwrap()
            )
        })
        .collect();
    assert_eq!(
        heads,
        [
            "OidcClient default/app",
            "Secret n/s",
            "OidcUser default/u",
            "SigningKey default/k"
        ]
    );
    assert_eq!(manifest.others.len(), 1);
    assert_eq!(manifest.others[0].1, "Service");
    let Object::Secret(secret) = &manifest.objects[1] else {
        panic!("{manifest:?}")
    };
    assert_eq!(secret.data["a"], b"secret");
    assert_eq!(secret.data["b"], b"text");
    let Object::Key(key) = &manifest.objects[3] else {
        panic!("{manifest:?}")
    };
    assert_eq!((key.spec.publish_for.unwrap().0, key.spec.revision()), (10, 2));
}

#[test]
fn what_is_wrong_is_told_with_line_and_field_all_at_once() {
    let text = CLIENT
        .replace("  redirectUris:", "  redirectUri:")
        .replace("[authorization_code]", "[implicit]")
        + "  tokens: {accessTokenType: 7}\n  allowedGroups: everybody\n";
    assert_eq!(
        faults(&text),
        [
            "6: spec.redirectUri: unknown field, do you mean redirectUris?",
            "8: spec.grantTypes[0]: must be one of authorization_code, refresh_token, client_credentials",
            "9: spec.tokens.accessTokenType: must be text: put it in quotes",
            "10: spec.allowedGroups: must be a list",
        ]
    );
}

#[test]
fn nested_and_missing_fields_and_durations_are_checked() {
    let key = "apiVersion: oidc-operator.dev/v1alpha1\nkind: SigningKey\nmetadata: {name: k}\nspec:\n  \
               publishFor: soon\n  rotation:\n    revisions: 1\n";
    assert_eq!(
        faults(key),
        [
            "5: spec.publishFor: must be a duration, like 15m, 1h30m or 90d",
            "7: spec.rotation.revisions: unknown field, do you mean revision?",
        ]
    );
    assert_eq!(
        faults(&(CLIENT.to_owned() + "  secretRef: {key: a}\n")),
        ["9: spec.secretRef.name: is missing"]
    );
}

#[test]
fn a_document_needs_its_head() {
    assert_eq!(faults("a: 1\n"), ["1: apiVersion and kind are needed"]);
    assert_eq!(
        faults(&CLIENT.replace("v1alpha1", "v1")),
        ["1: apiVersion: must be oidc-operator.dev/v1alpha1"]
    );
    assert_eq!(
        faults(&CLIENT.replace("  name: app", "  namespace: a")),
        ["4: metadata.name: is missing"]
    );
}

#[test]
fn names_that_would_leave_the_state_folder_are_refused() {
    for name in ["../app", "a/b", "App", "a_b", "-a", "a..b", "''"] {
        let faults = faults(&CLIENT.replace("name: app", &format!("name: {name}")));
        assert!(faults[0].starts_with("4: metadata.name:"), "{name}: {faults:?}");
    }
    let namespace = CLIENT.replace("  name: app", "  name: app\n  namespace: a.b");
    assert!(faults(&namespace)[0].starts_with("5: metadata.namespace:"));
}

#[test]
fn broken_yaml_names_its_line_and_shows_nothing() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  a: canary\n  b: [\n";
    let faults = faults(text);
    assert!(
        !faults[0].contains("canary") && faults[0].contains("no YAML"),
        "{faults:?}"
    );
    let line: u64 = faults[0].split(':').next().unwrap().parse().unwrap();
    assert!((5..=7).contains(&line), "{faults:?}");
}

#[test]
fn values_of_secrets_are_never_in_a_fault() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: 'canary!'}\n";
    assert_eq!(
        faults(secret),
        ["4: data.a: must be base64; plain text goes under stringData"]
    );
    let number = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: 4711}\n";
    assert_eq!(
        faults(number),
        ["4: stringData.a: must be text: put it in quotes"]
    );
}

#[test]
fn what_kubectl_exports_can_be_put_back() {
    let text = CLIENT.replace(
        "  name: app",
        "  name: app\n  uid: x\n  resourceVersion: '7'\n  generation: 3\n  creationTimestamp: 2026-01-01T00:00:00Z",
    ) + "status: {clientId: default.app, conditions: [{type: Ready}]}\n";
    let manifest = read(&text).unwrap();
    let (_, metadata) = manifest.objects[0].head();
    assert_eq!((&metadata.uid, &metadata.creation_timestamp), (&None, &None));
}

#[test]
fn the_examples_are_good() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/standalone");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        count += read(&text)
            .unwrap_or_else(|faults| panic!("{}: {faults:?}", path.display()))
            .objects
            .len();
    }
    assert!(count >= 5, "{count}");
}
