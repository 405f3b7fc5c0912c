use oidc_crds::jwk::public::PublicKey;
use oidc_crds::names::Algorithm;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::validate::validate;
use serde_json::{Value, json};

use super::super::Presented;
use super::*;
use crate::jwt::Signer;
use crate::params::Params;
use crate::testing::{ISSUER, NOW, client_with, jwk};

const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";

fn cluster() -> ClusterIssuer {
    let key = PublicKey::read(jwk(Algorithm::RS256, 0).public().unwrap()).unwrap();
    ClusterIssuer {
        issuer: CLUSTER.to_owned(),
        keys: PublicKeys::new(vec![key]),
    }
}

/// In the namespace `default`, for `runner` of its own namespace and `robot` of another.
fn client() -> Arc<Client> {
    let installation = Installation::parse(
        "release: oidc\nissuer: https://id.example.com\nclassName: oidc\ndefaultClass: true\n\
         namespaces: {clusterWide: {selector: null}}\njwksMaxAge: 300s\n\
         grants: [{namespaces: [default], serviceAccountNamespaces: [ci]}]\n",
    )
    .unwrap();
    let object = serde_json::from_value(json!({
        "metadata": {"name": "jobs", "namespace": "default", "uid": "uid-jobs",
            "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"applicationType": "service", "grantTypes": ["client_credentials"],
            "authentication": {"serviceAccounts": [{"name": "runner"}, {"namespace": "ci", "name": "robot"}]}},
    }))
    .unwrap();
    Arc::new(validate(&object, &installation, None).unwrap())
}

/// As a kubelet projects it.
fn claims() -> Value {
    let now = NOW.as_second();
    json!({
        "iss": CLUSTER, "sub": "system:serviceaccount:default:runner", "aud": [ISSUER],
        "iat": now, "nbf": now, "exp": now + 3600, "jti": "7f5e",
        "kubernetes.io": {
            "namespace": "default",
            "node": {"name": "node1", "uid": "n"},
            "pod": {"name": "jobs-7d9", "uid": "p"},
            "serviceaccount": {"name": "runner", "uid": "s"},
        },
    })
}

fn sign(number: usize, claims: &Value) -> String {
    let key = jwk(Algorithm::RS256, number);
    Signer::new(&key.thumbprint().unwrap(), &key)
        .unwrap()
        .sign("JWT", claims)
        .unwrap()
}

fn present(client_id: Option<&str>, token: &str) -> Result<Presented, OAuthError> {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.append_pair("client_assertion", token);
    body.append_pair("client_assertion_type", super::super::assertion::JWT_BEARER);
    if let Some(id) = client_id {
        body.append_pair("client_id", id);
    }
    Presented::read(None, &Params::parse(body.finish().as_bytes()).unwrap())
}

fn judge_at(
    client: Option<&Arc<Client>>,
    token: &str,
    now: Timestamp,
) -> Result<AuthenticatedClient, OAuthError> {
    let presented = present(Some("default.jobs"), token)?;
    let assertion = presented.assertion().unwrap();
    authenticate(client, assertion, &cluster(), ISSUER, now)
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Value), reason: &str) {
    let mut claims = claims();
    change(&mut claims);
    let error = judge_at(Some(&client()), &sign(0, &claims), NOW).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidClient);
    assert!(error.description.contains(reason), "{reason}: {error}");
}

#[test]
fn ca_06_a_listed_service_account_is_the_client_and_its_pod_is_known() {
    let token = sign(0, &claims());
    let proven = judge_at(Some(&client()), &token, NOW).unwrap();
    assert_eq!(proven.client().client_id(), "default.jobs");
    assert_eq!(
        proven.workload().unwrap().to_string(),
        "default/runner (pod jobs-7d9)"
    );
    // it may be used again until it expires
    let late = Timestamp::from_second(NOW.as_second() + 3600).unwrap();
    assert!(judge_at(Some(&client()), &token, late).is_ok());

    let mut of_another = claims();
    of_another["sub"] = "system:serviceaccount:ci:robot".into();
    of_another["kubernetes.io"] = json!({"namespace": "ci", "serviceaccount": {"name": "robot"}});
    let proven = judge_at(Some(&client()), &sign(0, &of_another), NOW).unwrap();
    assert_eq!(proven.workload().unwrap().to_string(), "ci/robot");
}

#[test]
fn ca_06_client_id_is_required() {
    let error = present(None, &sign(0, &claims())).err().unwrap();
    assert_eq!(error.code, ErrorCode::InvalidRequest);
    assert!(error.description.contains("client_id"), "{error}");
}

#[test]
fn ca_06_others_are_refused_with_the_reason() {
    let now = NOW.as_second();
    refused(|claims| claims["iss"] = "https://other".into(), "another cluster");
    for aud in [
        json!("https://kubernetes.default.svc"),
        json!([ISSUER, "https://kubernetes.default.svc"]),
        json!([format!("{ISSUER}/token")]),
        json!([]),
    ] {
        refused(|claims| claims["aud"] = aud, "audience of the projected volume");
    }
    refused(
        |claims| {
            claims["iat"] = (now - 4000).into();
            claims["nbf"] = (now - 4000).into();
            claims["exp"] = (now - 400).into();
        },
        "has expired",
    );
    refused(|claims| claims["nbf"] = (now + 60).into(), "not good yet");
    refused(
        |claims| claims["exp"] = (now + 7200).into(),
        "longer than an hour",
    );
    refused(
        |claims| drop(claims.as_object_mut().unwrap().remove("iat")),
        "longer than an hour",
    );
    refused(
        |claims| drop(claims.as_object_mut().unwrap().remove("kubernetes.io")),
        "not bound",
    );
    // both places must agree
    refused(
        |claims| claims["kubernetes.io"]["namespace"] = "ci".into(),
        "not bound",
    );
    refused(
        |claims| claims["sub"] = "system:serviceaccount:default:robot".into(),
        "not bound",
    );
}

#[test]
fn ca_06_unlisted_accounts_and_unknown_clients_look_alike() {
    let mut other = claims();
    other["sub"] = "system:serviceaccount:default:other".into();
    other["kubernetes.io"]["serviceaccount"]["name"] = "other".into();
    // of the same name in another namespace
    let mut namesake = claims();
    namesake["sub"] = "system:serviceaccount:ci:runner".into();
    namesake["kubernetes.io"]["namespace"] = "ci".into();
    let secret = client_with(json!({}));
    let mut answers = [
        judge_at(Some(&client()), &sign(0, &other), NOW),
        judge_at(Some(&client()), &sign(0, &namesake), NOW),
        judge_at(Some(&secret), &sign(0, &claims()), NOW),
        judge_at(None, &sign(0, &claims()), NOW),
    ]
    .map(|answer| answer.unwrap_err());
    assert!(answers[0].cause.as_ref().unwrap().contains("default/other"));
    for answer in &mut answers {
        answer.cause = None;
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(answers[0].description.contains("lists the ServiceAccount"));
}

#[test]
fn ca_06_only_the_clusters_keys_count() {
    let forged = sign(1, &claims());
    let error = judge_at(Some(&client()), &forged, NOW).unwrap_err();
    assert!(
        error.description.starts_with("Client authentication failed"),
        "{error}"
    );
    let assertion = |token: &str| present(Some("default.jobs"), token).unwrap();
    let unknown = |token: &str| is_key_unknown(assertion(token).assertion().unwrap(), &cluster());
    assert!(unknown(&forged), "its kid is unknown: newer keys may have it");
    let good = sign(0, &claims());
    assert!(!unknown(&good));
    let (message, _) = good.rsplit_once('.').unwrap();
    let spoilt = format!("{message}.AAAA");
    assert!(!unknown(&spoilt), "a bad signature asks for no keys");
    assert!(judge_at(Some(&client()), &spoilt, NOW).is_err());
    assert!(looks_like(assertion(&good).assertion().unwrap()));
}
