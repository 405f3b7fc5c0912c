//! `<release>-installation`: the ConfigMap that says what an installation is and grants. One data key
//! `installation.yaml`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};

use super::DataError;
use crate::names::Seconds;

/// What an installation is and what it grants to which namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Installation {
    /// The release's name.
    pub release: String,
    /// The issuer: https (http on loopback), no query, fragment or trailing slash.
    pub issuer: String,
    /// The class that clients name.
    pub class_name: String,
    /// Whether clients without a class belong here.
    pub default_class: bool,
    /// Which namespaces are served.
    pub namespaces: Namespaces,
    /// `Cache-Control: max-age` of the JWKS.
    pub jwks_max_age: Seconds,
    /// Lifetimes.
    #[serde(default)]
    pub lifetimes: Lifetimes,
    /// Grants beyond the standard scopes.
    #[serde(default)]
    pub grants: Vec<NamespaceGrant>,
    /// A given certificate instead of the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<GivenTls>,
    /// Standalone only, never read from a file: everything is granted.
    #[serde(skip)]
    pub grants_all: bool,
    /// Standalone on loopback only, never read from a file: weak secrets are accepted.
    #[serde(skip)]
    pub weak_secrets: bool,
}

/// Which namespaces are served: exactly one member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Namespaces {
    /// These.
    Watch(Vec<String>),
    /// All, or those that match.
    ClusterWide {
        /// Labels of the namespaces; none: all.
        selector: Option<LabelSelector>,
    },
}

/// How long things live. Defaults as in `protocol.md` jwt_05.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Lifetimes {
    /// Authorization codes.
    pub code: Seconds,
    /// Access tokens.
    pub access_token: Seconds,
    /// ID tokens.
    pub id_token: Seconds,
    /// Refresh tokens, since the login.
    pub refresh_token: Seconds,
    /// Refresh tokens, since their last use.
    pub refresh_token_idle: Seconds,
    /// Browser sessions, since the login.
    pub session: Seconds,
    /// Browser sessions, since their last use.
    pub session_idle: Seconds,
    /// Sessions of one user; the oldest ends when one more begins.
    pub sessions_per_user: u32,
    /// How long a rotated refresh token still gets the same successor.
    pub refresh_grace: Seconds,
    /// How long a replaced client secret is still accepted.
    pub secret_overlap: Seconds,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            code: Seconds(60),
            access_token: Seconds(900),
            id_token: Seconds(900),
            refresh_token: Seconds(90 * 86400),
            refresh_token_idle: Seconds(14 * 86400),
            session: Seconds(86400),
            session_idle: Seconds(12 * 3600),
            sessions_per_user: 10,
            refresh_grace: Seconds(10),
            secret_overlap: Seconds(86400),
        }
    }
}

/// What some namespaces may have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NamespaceGrant {
    /// Their names, or `*`.
    pub namespaces: Vec<String>,
    /// Scopes beyond the standard ones.
    pub scopes: Vec<String>,
    /// Audiences that clients may request.
    pub audiences: Vec<String>,
    /// Audiences that clients may be the resource server for.
    pub resource_server_for: Vec<String>,
    /// Patterns (`*` matches any run of characters) of custom client ids.
    pub client_ids: Vec<String>,
}

/// A Secret with `tls.crt`, `tls.key` and `ca.crt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GivenTls {
    /// Its name.
    pub secret_name: String,
}

impl Installation {
    /// Name of the data key.
    pub const DATA_KEY: &str = "installation.yaml";

    /// Parses and checks the ConfigMap's text.
    ///
    /// # Errors
    /// One message that names the member.
    pub fn parse(text: &str) -> Result<Self, DataError> {
        let _ = text;
        todo!()
    }

    /// The installation of a standalone provider: grants everything. `loopback`: the listener is
    /// loopback only, so weak secrets are accepted. JWKS max-age 5 s.
    #[must_use]
    pub fn standalone(issuer: &str, loopback: bool) -> Self {
        let _ = (issuer, loopback);
        todo!()
    }

    /// Whether a namespace is served; `None` if that depends on labels which are not known.
    #[must_use]
    pub fn serves(&self, namespace: &str, labels: Option<&BTreeMap<String, String>>) -> Option<bool> {
        let _ = (namespace, labels);
        todo!()
    }

    /// Name of the Secret that holds the certificate.
    #[must_use]
    pub fn tls_secret(&self) -> String {
        self.tls
            .as_ref()
            .map_or_else(|| format!("{}-tls", self.release), |tls| tls.secret_name.clone())
    }
}
