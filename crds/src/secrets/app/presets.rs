//! Presets: which keys a program wants in its Secret. A preset is a row of [`TABLE`], no code. To add one: a
//! variant, its row, an example under `examples/integrations/`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The shape of a Secret, named after the program that it is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(transform = crate::names::undescribed)]
pub enum Preset {
    /// Environment variables for any program.
    #[default]
    Env,
    /// Argo CD (`oidc.config`).
    ArgoCd,
    /// Argo Workflows (`sso`).
    ArgoWorkflows,
    /// Envoy Gateway (`SecurityPolicy`).
    EnvoyGateway,
    /// Gitea and Forgejo (the chart's `gitea.oauth`).
    Gitea,
    /// Grafana (environment).
    Grafana,
    /// Harbor (`CONFIG_OVERWRITE_JSON`).
    Harbor,
    /// Headlamp (the chart's `config.oidc.externalSecret`).
    Headlamp,
    /// JupyterHub (environment of `oauthenticator`).
    Jupyterhub,
    /// Kiali.
    Kiali,
    /// MinIO (environment).
    Minio,
    /// oauth2-proxy (the chart's `config.existingSecret`).
    Oauth2Proxy,
    /// Spring Boot (environment, `spring.security.oauth2.client`).
    SpringBoot,
    /// Vault and OpenBao (`auth/oidc/config`).
    Vault,
}

/// What a preset puts into the Secret.
#[derive(Debug)]
pub(super) struct Row {
    preset: Preset,
    /// Keys and their templates. An entry that names a value which is not there is left out.
    pub(super) keys: &'static [(&'static str, &'static str)],
    /// Labels that the program looks for.
    pub(super) labels: &'static [(&'static str, &'static str)],
}

/// A template that stands for 256 random bits, drawn once and kept for as long as the Secret lives.
pub(super) const RANDOM: &str = "${RANDOM}";

const TABLE: [Row; 14] = [
    Row {
        preset: Preset::Env,
        keys: &[
            ("CLIENT_ID", "${CLIENT_ID}"),
            ("CLIENT_SECRET", "${CLIENT_SECRET}"),
            ("ISSUER_URL", "${ISSUER_URL}"),
            ("AUTHORIZATION_URL", "${AUTHORIZATION_URL}"),
            ("TOKEN_URL", "${TOKEN_URL}"),
            ("USERINFO_URL", "${USERINFO_URL}"),
            ("JWKS_URL", "${JWKS_URL}"),
            ("INTROSPECTION_URL", "${INTROSPECTION_URL}"),
            ("REVOCATION_URL", "${REVOCATION_URL}"),
            ("END_SESSION_URL", "${END_SESSION_URL}"),
            ("DISCOVERY_URL", "${DISCOVERY_URL}"),
            ("CA_CRT", "${CA_CRT}"),
            ("ca.crt", "${CA_CRT}"),
        ],
        labels: &[],
    },
    Row {
        preset: Preset::ArgoCd,
        keys: &[
            ("oidc.issuer", "${ISSUER_URL}"),
            ("oidc.clientID", "${CLIENT_ID}"),
            ("oidc.clientSecret", "${CLIENT_SECRET}"),
            ("ca.crt", "${CA_CRT}"),
        ],
        // Argo CD reads `$<secret>:<key>` only from Secrets with this label.
        labels: &[("app.kubernetes.io/part-of", "argocd")],
    },
    Row {
        preset: Preset::ArgoWorkflows,
        keys: &[
            ("client-id", "${CLIENT_ID}"),
            ("client-secret", "${CLIENT_SECRET}"),
            ("ca.crt", "${CA_CRT}"),
        ],
        labels: &[],
    },
    Row {
        preset: Preset::EnvoyGateway,
        keys: &[
            ("client-id", "${CLIENT_ID}"),
            ("client-secret", "${CLIENT_SECRET}"),
            ("ca.crt", "${CA_CRT}"),
        ],
        labels: &[],
    },
    Row {
        preset: Preset::Gitea,
        keys: &[
            ("key", "${CLIENT_ID}"),
            ("secret", "${CLIENT_SECRET}"),
            ("ca.crt", "${CA_CRT}"),
        ],
        labels: &[],
    },
    Row {
        preset: Preset::Grafana,
        keys: &[
            ("GF_AUTH_GENERIC_OAUTH_ENABLED", "true"),
            ("GF_AUTH_GENERIC_OAUTH_CLIENT_ID", "${CLIENT_ID}"),
            ("GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET", "${CLIENT_SECRET}"),
            ("GF_AUTH_GENERIC_OAUTH_SCOPES", "${SCOPES}"),
            ("GF_AUTH_GENERIC_OAUTH_AUTH_URL", "${AUTHORIZATION_URL}"),
            ("GF_AUTH_GENERIC_OAUTH_TOKEN_URL", "${TOKEN_URL}"),
            ("GF_AUTH_GENERIC_OAUTH_API_URL", "${USERINFO_URL}"),
            ("GF_AUTH_GENERIC_OAUTH_USE_PKCE", "true"),
            ("ca.crt", "${CA_CRT}"),
        ],
        labels: &[],
    },
    Row {
        preset: Preset::Harbor,
        keys: &[
            ("client-secret", "${CLIENT_SECRET}"),
            (
                "CONFIG_OVERWRITE_JSON",
                "{\"auth_mode\": \"oidc_auth\", \"oidc_name\": \"SSO\", \"oidc_endpoint\": ${ISSUER_URL | json}, \
                 \"oidc_client_id\": ${CLIENT_ID | json}, \"oidc_client_secret\": ${CLIENT_SECRET | json}, \
                 \"oidc_scope\": \"${SCOPES | commas}\", \"oidc_groups_claim\": \"groups\", \
                 \"oidc_user_claim\": \"preferred_username\", \"oidc_auto_onboard\": true, \
                 \"oidc_verify_cert\": true}",
            ),
            ("ca.crt", "${CA_CRT}"),
        ],
        labels: &[],
    },
    Row {
        preset: Preset::Headlamp,
        keys: &[
            ("OIDC_CLIENT_ID", "${CLIENT_ID}"),
            ("OIDC_CLIENT_SECRET", "${CLIENT_SECRET}"),
            ("OIDC_ISSUER_URL", "${ISSUER_URL}"),
            ("OIDC_SCOPES", "${SCOPES | commas}"),
            ("OIDC_CALLBACK_URL", "${REDIRECT_URI}"),
            ("OIDC_USE_PKCE", "true"),
            ("ca.crt", "${CA_CRT}"),
        ],
        labels: &[],
    },
    Row {
        preset: Preset::Jupyterhub,
        keys: &[
            ("OAUTH_CLIENT_ID", "${CLIENT_ID}"),
            ("OAUTH_CLIENT_SECRET", "${CLIENT_SECRET}"),
            ("OAUTH_CALLBACK_URL", "${REDIRECT_URI}"),
            ("OAUTH2_AUTHORIZE_URL", "${AUTHORIZATION_URL}"),
            ("OAUTH2_TOKEN_URL", "${TOKEN_URL}"),
            ("OAUTH2_USERDATA_URL", "${USERINFO_URL}"),
            ("ca.crt", "${CA_CRT}"),
        ],
        labels: &[],
    },
    Row {
        preset: Preset::Kiali,
        keys: &[("oidc-secret", "${CLIENT_SECRET}"), ("ca.crt", "${CA_CRT}")],
        labels: &[],
    },
    Row {
        preset: Preset::Minio,
        keys: &[
            ("MINIO_IDENTITY_OPENID_CONFIG_URL", "${DISCOVERY_URL}"),
            ("MINIO_IDENTITY_OPENID_CLIENT_ID", "${CLIENT_ID}"),
            ("MINIO_IDENTITY_OPENID_CLIENT_SECRET", "${CLIENT_SECRET}"),
            ("MINIO_IDENTITY_OPENID_REDIRECT_URI", "${REDIRECT_URI}"),
            // without it MinIO asks for all scopes of the issuer, whatever the client may have
            ("MINIO_IDENTITY_OPENID_SCOPES", "${SCOPES | commas}"),
            ("ca.crt", "${CA_CRT}"),
        ],
        labels: &[],
    },
    Row {
        preset: Preset::Oauth2Proxy,
        keys: &[
            ("client-id", "${CLIENT_ID}"),
            ("client-secret", "${CLIENT_SECRET}"),
            ("cookie-secret", RANDOM),
            ("issuer-url", "${ISSUER_URL}"),
            ("redirect-url", "${REDIRECT_URI}"),
            ("ca.crt", "${CA_CRT}"),
        ],
        labels: &[],
    },
    Row {
        preset: Preset::SpringBoot,
        keys: &[
            (
                "SPRING_SECURITY_OAUTH2_CLIENT_REGISTRATION_OIDC_CLIENTID",
                "${CLIENT_ID}",
            ),
            (
                "SPRING_SECURITY_OAUTH2_CLIENT_REGISTRATION_OIDC_CLIENTSECRET",
                "${CLIENT_SECRET}",
            ),
            (
                "SPRING_SECURITY_OAUTH2_CLIENT_REGISTRATION_OIDC_SCOPE",
                "${SCOPES | commas}",
            ),
            (
                "SPRING_SECURITY_OAUTH2_CLIENT_PROVIDER_OIDC_ISSUERURI",
                "${ISSUER_URL}",
            ),
            ("ca.crt", "${CA_CRT}"),
        ],
        labels: &[],
    },
    Row {
        preset: Preset::Vault,
        keys: &[
            ("oidc_client_id", "${CLIENT_ID}"),
            ("oidc_client_secret", "${CLIENT_SECRET}"),
            ("oidc_discovery_url", "${ISSUER_URL}"),
            ("oidc_discovery_ca_pem", "${CA_CRT}"),
        ],
        labels: &[],
    },
];

impl Preset {
    /// All of them, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.preset)
    }

    /// Its row. Every preset has one, as a test shows; the first stands in for it.
    pub(super) fn row(self) -> &'static Row {
        TABLE.iter().find(|row| row.preset == self).unwrap_or(&TABLE[0])
    }
}
