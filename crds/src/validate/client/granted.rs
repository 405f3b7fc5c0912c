//! What a client may have only as the installation grants it.

use super::super::uri::{self, Redirect};
use super::super::{Violations, text};
use crate::client::Authentication;
use crate::names::Consent;
use crate::resources::oidc_client::OidcClientSpec;
use crate::resources::{Reason, limits};
use crate::secrets::installation::Installation;

pub(super) fn scopes(
    spec: &OidcClientSpec,
    namespace: &str,
    installation: &Installation,
    v: &mut Violations,
) -> Vec<String> {
    let Some(scopes) = &spec.scopes else {
        return ["openid", "profile", "email"].map(str::to_owned).to_vec();
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
    scopes.clone()
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

fn not_granted(field: String, value: &str, namespace: &str, v: &mut Violations) {
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
    authentication: Authentication,
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
    if authentication == Authentication::None && local {
        v.invalid(
            "spec.consent",
            "cannot be skip for a public client with redirect URIs on loopback or a custom scheme",
        );
    }
}
