//! Where a browser may be sent: redirect URIs and targets after signing out, by kind of application.

use std::collections::BTreeSet;

use super::super::Violations;
use super::super::uri::{self, Redirect};
use crate::names::{ApplicationType, GrantType};
use crate::resources::limits;
use crate::resources::oidc_client::OidcClientSpec;

/// The field of the redirect URIs.
pub(super) const REDIRECTS: &str = "spec.redirectUris";
/// The field of the targets after signing out.
pub(super) const AFTER_LOGOUT: &str = "spec.postLogoutRedirectUris";

/// Where each good redirect URI of a list leads.
pub(super) fn leads_to(field: &str, uris: &[String], v: &mut Violations) -> Vec<(usize, Redirect)> {
    v.list(field, uris, limits::LIST);
    let mut kinds = Vec::new();
    for (index, text) in uris.iter().enumerate() {
        let kind = v.check(format!("{field}[{index}]"), text, uri::redirect(text));
        kinds.extend(kind.map(|kind| (index, kind)));
    }
    kinds
}

/// Where all redirect URIs stay on the person's machine, the application does too (RFC 8252 §7).
pub(super) fn default_type(redirects: &[(usize, Redirect)]) -> ApplicationType {
    if !redirects.is_empty() && redirects.iter().all(|(_, kind)| *kind != Redirect::Https) {
        ApplicationType::Native
    } else {
        ApplicationType::Web
    }
}

/// What grants and redirect URIs suit which kind of application.
pub(super) fn kinds(
    spec: &OidcClientSpec,
    kind: ApplicationType,
    redirects: &[(usize, Redirect)],
    grants: &BTreeSet<GrantType>,
    v: &mut Violations,
) {
    if kind == ApplicationType::Service {
        if grants.iter().any(|grant| *grant != GrantType::ClientCredentials) {
            v.invalid(
                "spec.grantTypes",
                "a service has the grant client_credentials only",
            );
        }
        if !spec.redirect_uris.is_empty() {
            v.invalid(REDIRECTS, "a service has none: remove them");
        }
        return;
    }
    if grants.contains(&GrantType::AuthorizationCode) && spec.redirect_uris.is_empty() {
        v.invalid(REDIRECTS, "is empty: the grant authorization_code needs one");
    }
    if kind == ApplicationType::Web {
        no_custom_schemes(REDIRECTS, redirects, v);
    }
}

/// The same of the targets after signing out.
pub(super) fn kinds_after_logout(kind: ApplicationType, redirects: &[(usize, Redirect)], v: &mut Violations) {
    if kind == ApplicationType::Service && !redirects.is_empty() {
        v.invalid(AFTER_LOGOUT, "a service signs nobody out: remove them");
    }
    if kind == ApplicationType::Web {
        no_custom_schemes(AFTER_LOGOUT, redirects, v);
    }
}

fn no_custom_schemes(field: &str, redirects: &[(usize, Redirect)], v: &mut Violations) {
    for (index, _) in redirects
        .iter()
        .filter(|(_, redirect)| *redirect == Redirect::Custom)
    {
        v.invalid(
            format!("{field}[{index}]"),
            "has a custom scheme: those are for applicationType native",
        );
    }
}
