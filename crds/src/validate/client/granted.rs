//! What a client may have only as the installation grants it.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use super::super::uri::{self, Redirect};
use super::super::{Violations, text};
use crate::client::Authentication;
use crate::names::{Consent, GrantType};
use crate::resources::oidc_client::OidcClientSpec;
use crate::resources::{Reason, limits};
use crate::secrets::installation::Installation;

static DEFAULT_SCOPES: LazyLock<Arc<[String]>> =
    LazyLock::new(|| Arc::new(["openid", "profile", "email"].map(str::to_owned)));

pub(super) fn scopes(
    spec: &OidcClientSpec,
    namespace: &str,
    installation: &Installation,
    v: &mut Violations,
) -> Arc<[String]> {
    let Some(scopes) = &spec.scopes else {
        return DEFAULT_SCOPES.clone();
    };
    v.list("spec.scopes", scopes, limits::LIST);
    for (index, scope) in scopes.iter().enumerate() {
        let field = format!("spec.scopes[{index}]");
        let syntax = text::at_most(scope, limits::SCOPE).and_then(|()| {
            let wrong = "is no scope: visible ASCII without blanks, quotes and backslashes";
            text::is_scope(scope)
                .then_some(())
                .ok_or_else(|| wrong.to_owned())
        });
        if v.check(field.clone(), scope, syntax).is_none() || installation.grants_scope(namespace, scope) {
            continue;
        }
        not_granted(field, scope, namespace, v);
    }
    scopes[..].into()
}

pub(super) fn audiences(
    spec: &OidcClientSpec,
    namespace: &str,
    installation: &Installation,
    v: &mut Violations,
) {
    v.list("spec.audiences", &spec.audiences, limits::LIST);
    for (index, audience) in spec.audiences.iter().enumerate() {
        let field = format!("spec.audiences[{index}]");
        let good = v.check(field.clone(), audience, uri::audience(audience));
        if good.is_some() && !installation.grants_audience(namespace, audience) {
            not_granted(field, audience, namespace, v);
        }
    }
    v.list("spec.resourceServerFor", &spec.resource_server_for, limits::LIST);
    for (index, audience) in spec.resource_server_for.iter().enumerate() {
        let field = format!("spec.resourceServerFor[{index}]");
        if v.check(field.clone(), audience, uri::audience(audience))
            .is_none()
        {
            continue;
        }
        if *audience == installation.issuer {
            // it is the audience of everybody's tokens
            v.invalid(
                field,
                "is the issuer: a client cannot be the resource server for all tokens",
            );
        } else if !installation.grants_resource_server(namespace, audience) {
            not_granted(field, audience, namespace, v);
        }
    }
}

pub(super) fn grant_types(
    grants: &BTreeSet<GrantType>,
    namespace: &str,
    installation: &Installation,
    v: &mut Violations,
) {
    for grant in grants {
        if !installation.allows_grant_type(namespace, *grant) {
            not_granted("spec.grantTypes".to_owned(), grant.as_str(), namespace, v);
        }
    }
}

pub(super) fn not_granted(field: String, value: &str, namespace: &str, v: &mut Violations) {
    let message = format!(
        "{} is not granted to the namespace {namespace}: have it added to the installation's grants",
        text::quoted(value)
    );
    v.add(Reason::NotGranted, field, message);
}

/// Consent is skipped only where that was granted, and never for a client that anybody on the person's
/// machine can pose as (RFC 8252 §8.6).
pub(super) fn consent(
    spec: &OidcClientSpec,
    namespace: &str,
    authentication: &Authentication,
    redirects: &[(usize, Redirect)],
    installation: &Installation,
    v: &mut Violations,
) {
    if spec.consent != Some(Consent::Skip) {
        return;
    }
    if !installation.grants_consent_skip(namespace) {
        not_granted("spec.consent".to_owned(), "skip", namespace, v);
    }
    let local = redirects.iter().any(|(_, kind)| *kind != Redirect::Https);
    if *authentication == Authentication::None && local {
        v.invalid(
            "spec.consent",
            "cannot be skip for a public client with redirect URIs on loopback or a custom scheme",
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::resources::Reason;
    use crate::secrets::installation::Installation;
    use crate::validate::validate;

    const POLICY: &str = "
        allowed: {grantTypes: [authorization_code, refresh_token], redirectHosts: ['*.apps.example.com']}
        grants:
          - {namespaces: [machines], grantTypes: [client_credentials]}
          - {namespaces: [shop], redirectHosts: [shop.example.com]}
    ";

    /// The fields that are refused.
    fn refused(policy: &str, namespace: &str, spec: &Value) -> Vec<String> {
        let text = format!(
            "
        release: oidc
        issuer: https://oidc.identity.svc.cluster.local
        className: oidc
        defaultClass: true
        namespaces: {{clusterWide: {{selector: null}}}}
        jwksMaxAge: 300s{policy}"
        );
        let object = serde_json::from_value(json!({
            "metadata": {
                "name": "app", "namespace": namespace, "uid": "c1",
                "creationTimestamp": "2026-11-25T09:00:00Z"
            },
            "spec": spec,
        }));
        let judged = validate(&object.unwrap(), &Installation::parse(&text).unwrap(), None);
        let violations = judged.err().unwrap_or_default();
        for violation in &violations {
            assert_eq!(violation.reason, Reason::NotGranted, "{violation:?}");
            assert!(
                violation
                    .message
                    .contains("have it added to the installation's grants")
            );
        }
        violations.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn grant_types_are_those_of_everybody_and_those_granted() {
        let code = json!({"redirectUris": ["https://a.apps.example.com/cb"]});
        let machine = json!({"grantTypes": ["client_credentials"]});
        assert_eq!(refused(POLICY, "shop", &code), [""; 0]);
        assert_eq!(refused(POLICY, "shop", &machine), ["spec.grantTypes"]);
        assert_eq!(refused(POLICY, "machines", &machine), [""; 0]);
        let nobody = POLICY.replace("[authorization_code, refresh_token]", "[]");
        assert_eq!(
            refused(&nobody, "shop", &code),
            ["spec.grantTypes"],
            "the default too"
        );
        for without in ["", "\n        allowed: {}"] {
            assert_eq!(refused(without, "shop", &machine), [""; 0]);
        }
    }

    #[test]
    fn redirects_lead_to_hosts_of_everybody_and_those_granted() {
        let to = |uri: &str| json!({"redirectUris": [uri], "postLogoutRedirectUris": [uri]});
        let both = ["spec.redirectUris[0]", "spec.postLogoutRedirectUris[0]"];
        for (namespace, uri, fields) in [
            ("shop", "https://a.apps.example.com:8443/cb", &both[..0]),
            ("shop", "https://shop.example.com/cb", &both[..0]),
            ("other", "https://shop.example.com/cb", &both),
            ("shop", "https://shop.example.com.evil.test/cb", &both),
            ("shop", "https://evilapps.example.com/cb", &both),
            ("shop", "https://192.0.2.7/a.apps.example.com", &both),
            ("shop", "https://evil.test/?https://shop.example.com", &both),
            // these stay on the person's machine
            ("other", "http://127.0.0.1/cb", &both[..0]),
            ("other", "com.example.app:/cb", &both[..0]),
        ] {
            assert_eq!(refused(POLICY, namespace, &to(uri)), *fields, "{namespace} {uri}");
        }
        assert_eq!(refused("", "other", &to("https://any.test/cb")), [""; 0]);
    }
}
