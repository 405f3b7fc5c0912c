//! How a client proves who it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::granted::not_granted;
use super::{Violations, certificate};
use crate::client::{Authentication, ServiceAccount};
use crate::jwk::KeyError;
use crate::jwk::public::{PublicKey, PublicKeys};
use crate::names::Pkce;
use crate::resources::oidc_client::{Jwks, OidcClientSpec, PrivateKeyJwt, PublicJwk, ServiceAccountRef};
use crate::resources::{Reason, limits};
use crate::secrets::installation::Installation;
use crate::validate::{text, uri};

pub(super) const FIELD: &str = "spec.authentication";

/// The way that the spec gives, or the default: a generated secret.
pub(super) fn of(
    spec: &OidcClientSpec,
    namespace: &str,
    installation: &Installation,
    v: &mut Violations,
) -> Authentication {
    let Some(given) = &spec.authentication else {
        return Authentication::Secret(None);
    };
    let ways = (
        &given.client_secret,
        &given.private_key_jwt,
        &given.tls,
        &given.service_accounts,
        &given.none,
    );
    let authentication = match ways {
        (Some(secret), None, None, None, None) => Authentication::Secret(secret.method),
        (None, Some(key), None, None, None) => private_key(key, installation, v),
        (None, None, Some(tls), None, None) => {
            Authentication::Certificate(Box::new(certificate::of(tls, installation, v)))
        }
        (None, None, None, Some(listed), None) => {
            Authentication::ServiceAccounts(accounts(listed, namespace, installation, v))
        }
        (None, None, None, None, Some(_)) => Authentication::None,
        _ => {
            v.invalid(
                FIELD,
                "needs exactly one of clientSecret, privateKeyJwt, tls, serviceAccounts and none",
            );
            return Authentication::Secret(None);
        }
    };
    if authentication == Authentication::None && spec.pkce == Some(Pkce::Optional) {
        v.invalid("spec.pkce", "must be required for a public client");
    }
    if spec.secret_ref.is_some() && !matches!(authentication, Authentication::Secret(_)) {
        v.invalid(
            "spec.secretRef",
            "is for clients that authenticate with a secret: remove it",
        );
    }
    authentication
}

fn private_key(given: &PrivateKeyJwt, installation: &Installation, v: &mut Violations) -> Authentication {
    let field = format!("{FIELD}.privateKeyJwt");
    match (&given.jwks, &given.jwks_uri) {
        (Some(jwks), None) => Authentication::PrivateKey(keys(&format!("{field}.jwks"), jwks, v)),
        (None, Some(uri)) => {
            let field = format!("{field}.jwksUri");
            let good = v.check(&*field, uri, uri::web(uri, false));
            let host = good.and_then(|()| uri::host_of(uri));
            if let Some(host) = host
                && !installation.may_fetch_from(host)
            {
                let message = format!(
                    "{} may not be asked for keys: have it added to outbound.hosts of the installation, or list the keys in jwks",
                    text::quoted(host)
                );
                v.add(Reason::NotGranted, field, message);
            }
            Authentication::KeysAt(uri.as_str().into())
        }
        _ => {
            v.invalid(field, "needs exactly one of jwks and jwksUri");
            Authentication::PrivateKey(PublicKeys::new(Vec::new()))
        }
    }
}

/// Keys that somebody wrote down must all be good: one that is passed over would be missed only when it is
/// needed.
pub(super) fn keys(all: &str, jwks: &Jwks, v: &mut Violations) -> PublicKeys {
    let field = |index: usize| format!("{all}.keys[{index}]");
    if jwks.keys.is_empty() || jwks.keys.len() > limits::CLIENT_KEYS {
        v.invalid(
            format!("{all}.keys"),
            format!(
                "has {} keys, 1 to {} are allowed",
                jwks.keys.len(),
                limits::CLIENT_KEYS
            ),
        );
    }
    let (mut keys, mut kids) = (Vec::new(), BTreeSet::new());
    for (index, jwk) in jwks.keys.iter().enumerate().take(limits::CLIENT_KEYS) {
        if jwk.kid.as_ref().is_some_and(|kid| !kids.insert(kid)) {
            v.invalid(field(index), "has the `kid` of another key");
        }
        match read(jwk) {
            Ok(key) => keys.push(key),
            Err(KeyError(why)) => v.invalid(field(index), why),
        }
    }
    PublicKeys::new(keys)
}

fn read(jwk: &PublicJwk) -> Result<PublicKey, KeyError> {
    match serde_json::to_value(jwk) {
        Ok(Value::Object(members)) => PublicKey::read(members),
        _ => Err(KeyError("is no JWK".to_owned())),
    }
}

/// Another namespace's workloads may be the client only where the installation says so: whoever runs pods there
/// would act for it.
fn accounts(
    listed: &[ServiceAccountRef],
    namespace: &str,
    installation: &Installation,
    v: &mut Violations,
) -> Arc<[ServiceAccount]> {
    let all = format!("{FIELD}.serviceAccounts");
    if installation.grants_all {
        v.invalid(
            &all,
            "need a cluster: a standalone provider knows no ServiceAccounts",
        );
    }
    if listed.is_empty() || listed.len() > limits::LIST {
        v.invalid(
            &all,
            format!("has {} items, 1 to {} are allowed", listed.len(), limits::LIST),
        );
    }
    let mut seen = BTreeSet::new();
    let mut accounts = Vec::new();
    for (index, account) in listed.iter().enumerate().take(limits::LIST) {
        let field = |member: &str| format!("{all}[{index}]{member}");
        let home = account.namespace.as_deref().unwrap_or(namespace);
        if !text::is_dns_label(home) {
            v.invalid(
                field(".namespace"),
                format!("{} is no namespace", text::quoted(home)),
            );
        } else if home != namespace && !installation.grants_service_accounts(namespace, home) {
            not_granted(field(".namespace"), home, namespace, v);
        }
        if !text::is_dns_name(&account.name) {
            v.invalid(
                field(".name"),
                format!(
                    "{} cannot be the name of a ServiceAccount",
                    text::quoted(&account.name)
                ),
            );
        }
        if !seen.insert((home, &account.name)) {
            v.invalid(field(""), "is there twice: remove it");
        }
        accounts.push(ServiceAccount {
            namespace: home.into(),
            name: account.name.as_str().into(),
        });
    }
    accounts.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{judge, with};
    use super::*;
    use crate::jwk::PrivateJwk;
    use crate::names::Algorithm;

    fn jwk(algorithm: Algorithm) -> PrivateJwk {
        PrivateJwk::generate(algorithm, algorithm.is_rsa().then_some(2048)).unwrap()
    }

    fn public(algorithm: Algorithm) -> Value {
        Value::Object(jwk(algorithm).public().unwrap())
    }

    fn by_keys(keys: Value) -> Value {
        with(json!({"authentication": {"privateKeyJwt": {"jwks": {"keys": keys}}}}))
    }

    fn told(spec: Value) -> Vec<(String, String)> {
        let violations = judge(spec).err().unwrap_or_default();
        violations
            .into_iter()
            .map(|broken| (broken.field, broken.message))
            .collect()
    }

    #[test]
    fn ca_04_a_client_with_keys_is_confidential_and_has_no_secret() {
        let mut spec = by_keys(json!([public(Algorithm::ES256), public(Algorithm::PS256)]));
        spec["grantTypes"] = json!(["authorization_code", "client_credentials"]);
        spec["pkce"] = "optional".into();
        let client = judge(spec.clone()).unwrap();
        assert!(!client.is_public() && !client.has_secret() && !client.pkce_required());
        let Authentication::PrivateKey(keys) = client.authentication() else {
            panic!("{:?}", client.authentication());
        };
        assert!(keys.find(None, Algorithm::PS256).is_ok());
        spec["secretRef"] = json!({"name": "mine"});
        assert_eq!(told(spec)[0].0, "spec.secretRef");
    }

    #[test]
    fn ca_04_each_bad_key_is_named_with_its_reason() {
        let good = public(Algorithm::ES256);
        let private = serde_json::to_value(jwk(Algorithm::ES256)).unwrap();
        let canary = private["d"].as_str().unwrap().to_owned();
        let mut encrypts = public(Algorithm::EdDSA);
        encrypts["use"] = "enc".into();
        let told = told(by_keys(json!([good, private, good, encrypts])));
        let place = |index: usize| format!("spec.authentication.privateKeyJwt.jwks.keys[{index}]");
        let fields: Vec<_> = told.iter().map(|(field, _)| field.clone()).collect();
        assert_eq!(fields, [place(1), place(2), place(3)]);
        assert!(told[0].1.contains("private member `d`"), "{told:?}");
        assert!(told[1].1.contains("of another key"), "{told:?}");
        assert!(told[2].1.contains("`use`"), "{told:?}");
        assert!(!format!("{told:?}").contains(&canary));
    }

    #[test]
    fn ca_04_there_is_a_key_and_not_too_many() {
        assert_eq!(told(by_keys(json!([])))[0].1, "has 0 keys, 1 to 16 are allowed");
        let many: Vec<Value> = (0..17).map(|_| public(Algorithm::EdDSA)).collect();
        assert_eq!(told(by_keys(json!(many))).len(), 1);
    }

    #[test]
    fn ca_06_service_accounts_are_those_of_the_own_namespace_or_of_granted_ones() {
        let by = |listed: Value| with(json!({"authentication": {"serviceAccounts": listed}}));
        let client = judge(by(
            json!([{"name": "runner"}, {"namespace": "ci", "name": "robot"}]),
        ))
        .unwrap();
        let Authentication::ServiceAccounts(accounts) = client.authentication() else {
            panic!("{:?}", client.authentication());
        };
        let named: Vec<_> = accounts
            .iter()
            .map(|one| format!("{}/{}", one.namespace, one.name))
            .collect();
        assert_eq!(named, ["team-a/runner", "ci/robot"]);
        assert!(!client.is_public() && !client.has_secret());
        for (listed, field, reason) in [
            (
                json!([{"namespace": "team-b", "name": "a"}]),
                "[0].namespace",
                "not granted to the namespace team-a",
            ),
            (
                json!([{"namespace": "a.b", "name": "a"}]),
                "[0].namespace",
                "no namespace",
            ),
            (
                json!([{"name": "a"}, {"name": "A b"}]),
                "[1].name",
                "cannot be the name",
            ),
            (
                json!([{"name": "a"}, {"namespace": "team-a", "name": "a"}]),
                "[1]",
                "is there twice",
            ),
            (json!([]), "", "has 0 items"),
        ] {
            let told = told(by(listed));
            assert_eq!(told.len(), 1, "{told:?}");
            assert_eq!(told[0].0, format!("spec.authentication.serviceAccounts{field}"));
            assert!(told[0].1.contains(reason), "{told:?}");
        }
    }

    #[test]
    fn ca_06_a_standalone_provider_has_no_service_accounts() {
        let spec = with(json!({"authentication": {"serviceAccounts": [{"name": "a"}]}}));
        let spec: OidcClientSpec = serde_json::from_value(spec).unwrap();
        let mut violations = Violations::default();
        let installation = Installation::standalone("http://localhost:5000", true);
        of(&spec, "default", &installation, &mut violations);
        let told = violations.or(()).unwrap_err();
        assert!(told[0].message.contains("need a cluster"), "{told:?}");
    }

    #[test]
    fn ca_04_keys_are_fetched_only_from_hosts_that_the_installation_lists() {
        let by = |uri: &str| with(json!({"authentication": {"privateKeyJwt": {"jwksUri": uri}}}));
        let client = judge(by("https://keys.example.com/jwks")).unwrap();
        assert_eq!(
            *client.authentication(),
            Authentication::KeysAt("https://keys.example.com/jwks".into())
        );
        for (uri, reason) in [
            ("https://evil.example.com/jwks", "outbound.hosts"),
            ("https://169.254.169.254/latest", "outbound.hosts"),
            ("http://keys.example.com/jwks", "not https"),
            ("https://x@keys.example.com/jwks", "user name"),
        ] {
            let told = told(by(uri));
            assert_eq!(told.len(), 1, "{uri}: {told:?}");
            assert_eq!(told[0].0, "spec.authentication.privateKeyJwt.jwksUri");
            assert!(told[0].1.contains(reason), "{told:?}");
        }
        let mut both = by_keys(json!([public(Algorithm::ES256)]));
        both["authentication"]["privateKeyJwt"]["jwksUri"] = "https://keys.example.com/jwks".into();
        assert!(told(both)[0].1.contains("exactly one of jwks and jwksUri"));
    }

    #[test]
    fn ca_01_exactly_one_way() {
        let mut spec = by_keys(json!([public(Algorithm::ES256)]));
        spec["authentication"]["clientSecret"] = json!({});
        assert!(told(spec)[0].1.starts_with("needs exactly one"));
        assert!(
            told(with(json!({"authentication": {}})))[0]
                .1
                .starts_with("needs exactly one")
        );
    }

    #[test]
    fn a_private_value_is_never_kept() {
        let private = serde_json::to_value(jwk(Algorithm::ES256)).unwrap();
        let canary = private["d"].as_str().unwrap().to_owned();
        let read: PublicJwk = serde_json::from_value(private).unwrap();
        assert!(read.d.is_some());
        let written = serde_json::to_string(&read).unwrap();
        assert!(!format!("{read:?}{written}").contains(&canary));
    }
}
