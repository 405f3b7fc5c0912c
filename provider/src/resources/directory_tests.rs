use oidc_crds::resources::OidcClientSpec;
use serde_json::{Value, json};

use super::*;

fn installation(namespaces: &str) -> Installation {
    let text = format!(
        "release: oidc\nissuer: https://oidc.example.com\nclassName: oidc\ndefaultClass: true\n\
         namespaces: {namespaces}\njwksMaxAge: 300s\n"
    );
    Installation::parse(&text).unwrap()
}

fn client(namespace: &str, name: &str, spec: Value) -> Kept<OidcClient> {
    let mut whole = json!({"redirectUris": ["https://app.example.com/callback"]});
    for (member, value) in spec.as_object().unwrap() {
        whole[member] = value.clone();
    }
    let spec: OidcClientSpec = serde_json::from_value(whole).unwrap();
    let mut client = OidcClient::new(name, spec);
    client.metadata.namespace = Some(namespace.to_owned());
    identify(&mut client.metadata);
    Kept::of(client)
}

fn user(name: &str) -> Kept<OidcUser> {
    let mut user = OidcUser::new(name, Default::default());
    user.metadata.namespace = Some("idp".to_owned());
    identify(&mut user.metadata);
    Kept::of(user)
}

fn identify(metadata: &mut ObjectMeta) {
    let (namespace, name) = key(metadata);
    metadata.uid = Some(format!("uid-{namespace}-{name}"));
    metadata.creation_timestamp = Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
}

fn names(settled: &Settled) -> Vec<&str> {
    settled.clients.iter().map(|client| client.client_id()).collect()
}

fn reasons(settled: &Settled) -> Vec<String> {
    let refusals = settled.refusals.iter();
    refusals
        .map(|refusal| format!("{}/{}: {}", refusal.key.0, refusal.key.1, refusal.reasons))
        .collect()
}

#[test]
fn a_client_is_served_from_apply_to_delete() {
    let mut directory = Directory::new(installation("{watch: [a]}"));
    directory.clients(Some("a"), Delta::Apply(client("a", "one", json!({}))));
    assert_eq!(names(&directory.settle()), ["a.one"]);
    directory.clients(Some("a"), Delta::Delete(("a".to_owned(), "one".to_owned())));
    assert!(names(&directory.settle()).is_empty());
}

#[test]
fn a_list_removes_what_vanished_but_only_in_its_own_namespace() {
    let mut directory = Directory::new(installation("{watch: [a, b]}"));
    let two = vec![client("a", "one", json!({})), client("a", "two", json!({}))];
    directory.clients(Some("a"), Delta::Reset(two));
    directory.clients(Some("b"), Delta::Reset(vec![client("b", "three", json!({}))]));
    assert_eq!(names(&directory.settle()), ["a.one", "a.two", "b.three"]);
    directory.clients(Some("a"), Delta::Reset(vec![client("a", "two", json!({}))]));
    assert_eq!(names(&directory.settle()), ["a.two", "b.three"]);
    directory.keep_clients(|namespace| namespace == "b");
    assert_eq!(names(&directory.settle()), ["b.three"]);
}

#[test]
fn what_did_not_change_is_not_judged_again() {
    let mut directory = Directory::new(installation("{watch: [a]}"));
    let all = || vec![client("a", "one", json!({})), client("a", "two", json!({}))];
    directory.clients(Some("a"), Delta::Reset(all()));
    let before = directory.settle().clients;
    let mut changed = all();
    changed[1] = client("a", "two", json!({"displayName": "Two"}));
    directory.clients(Some("a"), Delta::Reset(changed));
    let after = directory.settle().clients;
    assert!(Arc::ptr_eq(&before[0], &after[0]));
    assert!(!Arc::ptr_eq(&before[1], &after[1]));
    assert_eq!(after[1].display_name(), "Two");
}

#[test]
fn an_edit_into_an_invalid_state_ends_the_service_and_is_told_once() {
    let mut directory = Directory::new(installation("{watch: [a]}"));
    directory.clients(None, Delta::Apply(client("a", "one", json!({}))));
    assert!(reasons(&directory.settle()).is_empty());
    let bad = json!({"redirectUris": ["https://app.example.com/*", "http://app.example.com/"]});
    directory.clients(None, Delta::Apply(client("a", "one", bad)));
    let settled = directory.settle();
    assert!(names(&settled).is_empty());
    let told = reasons(&settled);
    assert!(
        told.len() == 1 && told[0].contains("redirectUris[0]") && told[0].contains("redirectUris[1]"),
        "{told:?}"
    );
    assert!(reasons(&directory.settle()).is_empty(), "not twice");
    directory.clients(None, Delta::Apply(client("a", "one", json!({}))));
    assert_eq!(names(&directory.settle()), ["a.one"]);
}

#[test]
fn clients_of_other_installations_are_nobodys_business() {
    let mut directory = Directory::new(installation("{watch: [a]}"));
    directory.clients(
        None,
        Delta::Apply(client("a", "other", json!({"className": "another"}))),
    );
    directory.clients(None, Delta::Apply(client("b", "elsewhere", json!({}))));
    let settled = directory.settle();
    assert!(names(&settled).is_empty() && reasons(&settled).is_empty());
}

#[test]
fn labels_of_namespaces_decide_and_unknown_ones_mean_no() {
    let mut directory = Directory::new(installation(
        "{clusterWide: {selector: {matchLabels: {oidc: served}}}}",
    ));
    let labels = |value: &str| BTreeMap::from([("oidc".to_owned(), value.to_owned())]);
    directory.clients(None, Delta::Apply(client("a", "one", json!({}))));
    assert!(names(&directory.settle()).is_empty());
    directory.namespaces(Delta::Reset(vec![("a".to_owned(), labels("served"))]));
    assert_eq!(names(&directory.settle()), ["a.one"]);
    directory.namespaces(Delta::Apply(("a".to_owned(), labels("no"))));
    assert!(names(&directory.settle()).is_empty());
    directory.namespaces(Delta::Apply(("a".to_owned(), labels("served"))));
    assert_eq!(names(&directory.settle()), ["a.one"]);
    directory.namespaces(Delta::Delete((String::new(), "a".to_owned())));
    assert!(names(&directory.settle()).is_empty());
}

#[test]
fn a_new_installation_judges_everybody_again() {
    let mut directory = Directory::new(installation("{watch: [a, b]}"));
    directory.clients(None, Delta::Apply(client("a", "one", json!({}))));
    directory.clients(None, Delta::Apply(client("b", "two", json!({}))));
    assert_eq!(names(&directory.settle()), ["a.one", "b.two"]);
    directory.installation(installation("{watch: [b]}"));
    assert_eq!(names(&directory.settle()), ["b.two"]);
}

#[test]
fn a_user_wins_its_name_against_a_client() {
    let mut standalone = Directory::new(Installation::standalone("http://localhost:5000", true));
    standalone.clients(
        None,
        Delta::Apply(client("a", "one", json!({"clientId": "jdoe"}))),
    );
    assert_eq!(names(&standalone.settle()), ["jdoe"]);
    standalone.users(Delta::Apply(user("jdoe")));
    let settled = standalone.settle();
    assert!(names(&settled).is_empty());
    assert_eq!(settled.users.len(), 1);
    assert_eq!(reasons(&settled).len(), 1);
    standalone.users(Delta::Reset(Vec::new()));
    assert_eq!(names(&standalone.settle()), ["jdoe"]);
}
