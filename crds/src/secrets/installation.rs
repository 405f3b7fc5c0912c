//! `<release>-installation`: the ConfigMap that says what an installation is and grants. One data key
//! `installation.yaml`.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};

use super::DataError;
use super::registration_tokens::RegistrationTokens;
use crate::names::Seconds;

mod allowed;
mod check;
mod classes;
mod grants;
mod lifetimes;
mod limits;
mod mtls;
mod outbound;
mod pages;
mod read;
mod registration;
mod selector;

pub use allowed::{Allowed, HostPattern};
pub use classes::{Belongs, Classes};
pub use grants::{LifetimeMaxima, NamespaceGrant};
pub use lifetimes::{AtSessionLimit, Lifetimes};
pub use limits::{ClientAddress, Forwarded, ForwardedHeader, Limits};
pub use mtls::{ClientCa, MutualTls};
pub use outbound::Outbound;
pub use pages::{Link, Pages, rgb};
pub use read::{Lenient, lenient, strict};
pub use registration::{Registration, RegistrationMode};

/// What an installation is and what it grants to which namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
    pub lifetimes: Arc<Lifetimes>,
    /// How often things may be tried.
    #[serde(default)]
    pub limits: Limits,
    /// Where the address of whoever asks is read; limits per address are off without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_address: Option<ClientAddress>,
    /// Where documents may be fetched from that clients name.
    #[serde(default, skip_serializing_if = "Outbound::is_empty")]
    pub outbound: Outbound,
    /// How the pages look that people see.
    #[serde(default)]
    pub pages: Pages,
    /// What clients of every namespace may have.
    #[serde(default)]
    pub allowed: Allowed,
    /// Grants beyond that and the standard scopes.
    #[serde(default)]
    pub grants: Vec<NamespaceGrant>,
    /// A given certificate instead of the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<GivenTls>,
    /// Whether clients may authenticate with certificates; absent: not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtls: Option<MutualTls>,
    /// What private keys are encrypted under in the key-set Secret; absent: they stand there in the clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<Envelope>,
    /// The Secret with the address of Redis, if it is in one: no client may refer to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<GivenRedis>,
    /// Whether clients may be registered by HTTP; absent: not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
    /// Where the CA is handed out beside the apps' Secrets.
    #[serde(default)]
    pub trust: Trust,
    /// The installations of the cluster; never read from a file, the programs watch them.
    #[serde(skip)]
    pub classes: Classes,
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
        #[serde(default)]
        selector: Option<LabelSelector>,
    },
}

/// A Secret with `tls.crt`, `tls.key` and `ca.crt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GivenTls {
    /// Its name.
    pub secret_name: String,
}

/// A Secret with key-encryption keys ([`EnvelopeKeys`](crate::envelope::EnvelopeKeys)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// Its name.
    pub secret_name: String,
}

/// A Secret with the address of Redis, which has its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GivenRedis {
    /// Its name.
    pub secret_name: String,
}

/// Where the CA is handed out beside the apps' Secrets: to whoever verifies tokens and has no client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trust {
    /// Namespaces that get a ConfigMap, served or not.
    pub config_map_namespaces: Vec<String>,
    /// Whether there is a ClusterTrustBundle.
    pub cluster_trust_bundle: bool,
}

impl Installation {
    /// Name of the data key.
    pub const DATA_KEY: &str = "installation.yaml";

    /// Parses and checks the ConfigMap's text, as programs in the cluster do: members of another version are
    /// passed over, and named for a warning.
    ///
    /// # Errors
    /// One message that names the member.
    pub fn read(text: &str) -> Result<Lenient<Self>, DataError> {
        let Lenient { value, unknown } = lenient(text).map_err(Self::wrong)?;
        let value = Self::checked(value)?;
        Ok(Lenient { value, unknown })
    }

    /// The same, and every member must be known.
    ///
    /// # Errors
    /// One message that names the member.
    pub fn parse(text: &str) -> Result<Self, DataError> {
        Self::checked(strict(text).map_err(Self::wrong)?)
    }

    fn wrong(told: String) -> DataError {
        DataError(format!("{}: {told}", Self::DATA_KEY))
    }

    fn checked(installation: Self) -> Result<Self, DataError> {
        let mut wrong = Vec::new();
        installation.check(&mut wrong);
        if wrong.is_empty() {
            Ok(installation)
        } else {
            Err(Self::wrong(wrong.join("; ")))
        }
    }

    /// The installation of a standalone provider: grants everything. `loopback`: the listener is
    /// loopback only, so weak secrets are accepted. JWKS max-age 5 s.
    #[must_use]
    pub fn standalone(issuer: &str, loopback: bool) -> Self {
        Self {
            release: "standalone".to_owned(),
            issuer: issuer.to_owned(),
            class_name: "standalone".to_owned(),
            default_class: true,
            namespaces: Namespaces::ClusterWide { selector: None },
            jwks_max_age: Seconds(5),
            lifetimes: Arc::default(),
            limits: Limits::default(),
            client_address: None,
            outbound: Outbound::default(),
            pages: Pages::default(),
            allowed: Allowed::default(),
            grants: Vec::new(),
            tls: None,
            mtls: None,
            envelope: None,
            redis: None,
            registration: None,
            trust: Trust::default(),
            classes: Classes::default(),
            grants_all: true,
            weak_secrets: loopback,
        }
    }

    /// Whether a namespace is served; `None` if that depends on labels which are not known.
    #[must_use]
    pub fn serves(&self, namespace: &str, labels: Option<&BTreeMap<String, String>>) -> Option<bool> {
        self.namespaces.serve(namespace, labels)
    }

    /// Names of the Secrets that the installation keeps for itself.
    #[must_use]
    pub fn own_secrets(&self) -> Vec<String> {
        let envelope = self.envelope.iter().map(|envelope| envelope.secret_name.clone());
        let redis = self.redis.iter().map(|redis| redis.secret_name.clone());
        self.made_secrets().chain(envelope).chain(redis).collect()
    }

    /// Names of the Secrets that the operator makes, of a given certificate and of the registration tokens.
    fn made_secrets(&self) -> impl Iterator<Item = String> {
        let own = ["key-set", "key-ring", "pepper", "ca"].map(|what| format!("{}-{what}", self.release));
        own.into_iter()
            .chain([self.tls_secret(), self.registration_tokens_secret()])
    }

    /// Name of the Secret with the initial access tokens of registration.
    #[must_use]
    pub fn registration_tokens_secret(&self) -> String {
        RegistrationTokens::secret_name(&self.release)
    }

    /// Whether registration asks for an initial access token.
    #[must_use]
    pub fn registers_by_token(&self) -> bool {
        let rules = self.registration.as_ref();
        rules.is_some_and(|rules| rules.mode == RegistrationMode::Token)
    }

    /// Name of the ConfigMaps with the CA. Not after the release: two may have one name and serve one namespace.
    #[must_use]
    pub fn trust_config_map(&self) -> String {
        format!("{}-ca", self.class_name)
    }

    /// Name of the ClusterTrustBundle. It has no signer, so no `:` is allowed.
    #[must_use]
    pub fn trust_bundle(&self) -> String {
        format!("{}.oidc-operator.dev", self.class_name)
    }

    /// Name of the Secret that holds the certificate.
    #[must_use]
    pub fn tls_secret(&self) -> String {
        self.tls
            .as_ref()
            .map_or_else(|| format!("{}-tls", self.release), |tls| tls.secret_name.clone())
    }
}

impl Namespaces {
    /// Whether labels of namespaces decide.
    #[must_use]
    pub fn need_labels(&self) -> bool {
        matches!(self, Self::ClusterWide { selector: Some(_) })
    }

    /// Whether a namespace is one of these; `None` if that depends on labels which are not known.
    fn serve(&self, namespace: &str, labels: Option<&BTreeMap<String, String>>) -> Option<bool> {
        match self {
            Self::Watch(names) => Some(names.iter().any(|name| name == namespace)),
            Self::ClusterWide { selector: None } => Some(true),
            Self::ClusterWide {
                selector: Some(selector),
            } => labels.map(|labels| selector::matches(selector, labels)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::language::Language;

    /// As the chart renders it.
    const RENDERED: &str = r#"
release: oidc
issuer: https://oidc.identity.svc.cluster.local
className: oidc
defaultClass: true
namespaces:
  watch: ["identity","team-a"]
jwksMaxAge: 300s
lifetimes:
  accessToken: 5m
limits:
  loginPerAccount: 5
clientAddress:
  forwarded:
    trustedProxies: ["10.0.0.0/8"]
pages:
  defaultLanguage: de
  accentColor: '#0b5cad'
allowed:
  grantTypes: [authorization_code]
  redirectHosts: ['*.apps.example.com']
grants:
  - namespaces: [team-a]
    scopes: [orders.read]
    audiences: ["https://orders.example.com"]
    resourceServerFor: ["https://orders.example.com"]
    clientIds: ["team-a-*"]
    grantTypes: [client_credentials]
    redirectHosts: [app.example.com]
    consentSkip: true
tls:
  secretName: my-tls
mtls:
  url: https://oidc.identity.svc.cluster.local:8443
  ca:
    configMap: client-ca
envelope:
  secretName: my-envelope
redis:
  secretName: my-redis
registration:
  mode: open
  namespace: team-a
"#;

    fn replace(from: &str, to: &str) -> Result<Installation, DataError> {
        assert!(RENDERED.contains(from), "{from}");
        Installation::parse(&RENDERED.replace(from, to))
    }

    #[test]
    fn what_the_chart_renders_is_read() {
        let installation = Installation::parse(RENDERED).unwrap();
        assert_eq!(installation.release, "oidc");
        assert_eq!(installation.jwks_max_age, Seconds(300));
        assert_eq!(installation.lifetimes.access_token, Seconds(300));
        assert_eq!(installation.lifetimes.id_token, Seconds(900));
        assert_eq!(installation.lifetimes.at_session_limit, AtSessionLimit::EndOldest);
        let refuse = replace("accessToken: 5m", "atSessionLimit: refuse").unwrap();
        assert_eq!(refuse.lifetimes.at_session_limit, AtSessionLimit::Refuse);
        assert_eq!(installation.limits.login_per_account, 5);
        let Some(ClientAddress::Forwarded(forwarded)) = &installation.client_address else {
            panic!("{:?}", installation.client_address);
        };
        assert_eq!(forwarded.trusted_proxies, ["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(forwarded.header.name(), "x-forwarded-for");
        assert_eq!(installation.pages.default_language, Language::De);
        assert_eq!(installation.tls_secret(), "my-tls");
        let mtls = installation.mtls.as_ref().unwrap();
        assert_eq!(mtls.ca, Some(ClientCa::ConfigMap("client-ca".to_owned())));
        assert!(!mtls.client_cert_header);
        let told = replace(
            "    configMap: client-ca",
            "    configMap: client-ca\n  clientCertHeader: true\n  trustedProxies: [192.0.2.7/32]",
        );
        let told = told.unwrap().mtls.unwrap();
        assert!(told.client_cert_header);
        assert_eq!(told.trusted_proxies, ["192.0.2.7/32".parse().unwrap()]);
        let bundle = replace(
            "configMap: client-ca",
            "clusterTrustBundle: 'example.com:spiffe:live'",
        )
        .unwrap();
        let ca = bundle.mtls.and_then(|mtls| mtls.ca);
        assert_eq!(
            ca,
            Some(ClientCa::ClusterTrustBundle("example.com:spiffe:live".to_owned()))
        );
        let own = installation.own_secrets();
        for name in ["my-tls", "my-envelope", "my-redis"] {
            assert!(own.contains(&name.to_owned()), "{name}");
        }
        assert!(!installation.grants_all && !installation.weak_secrets);
        assert_eq!(installation.serves("team-a", None), Some(true));
        assert_eq!(installation.serves("team-b", None), Some(false));
        let text = serde_yaml::to_string(&installation).unwrap();
        assert_eq!(Installation::parse(&text).unwrap(), installation);
    }

    #[test]
    fn reg_01_strangers_who_need_a_token_need_no_limit() {
        let by_token = RENDERED.replace("mode: open", "mode: token");
        let installation = Installation::parse(&by_token).unwrap();
        assert!(installation.registers_by_token());
        assert!(!Installation::parse(RENDERED).unwrap().registers_by_token());
        assert_eq!(
            installation.registration_tokens_secret(),
            "oidc-registration-tokens"
        );
        // no client's Secret may be that one
        assert!(
            installation
                .own_secrets()
                .contains(&"oidc-registration-tokens".to_owned())
        );
        let address = "clientAddress:\n  forwarded:\n    trustedProxies: [\"10.0.0.0/8\"]\n";
        assert!(Installation::parse(&by_token.replace(address, "")).is_ok());
    }

    #[test]
    fn a_cluster_wide_installation_is_read() {
        let watch = "  watch: [\"identity\",\"team-a\"]\n";
        let all = replace(watch, "  clusterWide:\n    selector: null\n").unwrap();
        assert_eq!(all.serves("any", None), Some(true));
        let some = replace(
            watch,
            "  clusterWide:\n    selector:\n      matchLabels:\n        oidc: \"yes\"\n",
        )
        .unwrap();
        let labels = |value: &str| BTreeMap::from([("oidc".to_owned(), value.to_owned())]);
        assert_eq!(some.serves("any", None), None);
        assert_eq!(some.serves("any", Some(&labels("yes"))), Some(true));
        assert_eq!(some.serves("any", Some(&labels("no"))), Some(false));
    }

    #[test]
    fn unknown_members_are_named() {
        for (from, to, name) in [
            ("release: oidc\n", "release: oidc\nisuer: x\n", "isuer"),
            ("accessToken:", "acessToken:", "acessToken"),
            ("clientIds:", "clientIDs:", "clientIDs"),
            ("secretName: my-tls", "secret: my-tls", "secret"),
            ("secretName: my-envelope", "secret: my-envelope", "secret"),
            ("secretName: my-redis", "secret: my-redis", "secret"),
            (
                "defaultClass: true",
                "grantsAll: true\ndefaultClass: true",
                "grantsAll",
            ),
            (
                "watch: [\"identity\",\"team-a\"]",
                "clusterWide: {select: null}",
                "select",
            ),
        ] {
            let told = replace(from, to).unwrap_err().to_string();
            assert!(told.contains(name) && !told.contains('\n'), "{told}");
        }
    }

    #[test]
    fn in_the_cluster_members_of_another_version_are_passed_over_and_named() {
        let text = RENDERED
            .replace(
                "release: oidc\n",
                "release: oidc\nemail:\n  smtp: mail.example.com\n",
            )
            .replace("  accessToken: 5m", "  accessToken: 5m\n  deviceCode: 5m")
            .replace(
                "    consentSkip: true",
                "    consentSkip: true\n    hooks: [a, b]",
            )
            .replace("    trustedProxies:", "    hops: 2\n    trustedProxies:")
            .replace("  secretName: my-tls", "  issuerRef: null\n  secretName: my-tls");
        let read = Installation::read(&text).unwrap();
        assert_eq!(read.value, Installation::parse(RENDERED).unwrap());
        assert_eq!(
            read.unknown,
            [
                "email",
                "lifetimes.deviceCode",
                "clientAddress.hops",
                "grants[0].hooks",
                "tls.issuerRef"
            ]
        );
        assert_eq!(Installation::read(RENDERED).unwrap().unknown, [""; 0]);
        // what only a file of one's own could say stays out
        let all = RENDERED.replace("defaultClass: true", "grantsAll: true\ndefaultClass: true");
        let read = Installation::read(&all).unwrap();
        assert!(!read.value.grants_all && read.unknown == ["grantsAll"]);
        // a choice that is not known cannot be passed over, nor a value of another form
        for (from, to) in [
            ("  watch: [\"identity\",\"team-a\"]", "  labelled: {}"),
            ("  accessToken: 5m", "  atSessionLimit: ask"),
            ("  accessToken: 5m", "  accessToken: {max: 5m}"),
            ("https://oidc.identity", "http://oidc.identity"),
        ] {
            assert!(Installation::read(&RENDERED.replace(from, to)).is_err(), "{to}");
        }
        let long = RENDERED.to_owned() + &"x".repeat(500) + ": 1\n";
        assert!(Installation::read(&long).unwrap().warning().unwrap().len() <= 310);
    }

    #[test]
    fn bad_values_are_named() {
        for (from, to, name) in [
            (
                "pages:\n",
                "outbound: {hosts: ['*a.test']}\npages:\n",
                "outbound.hosts",
            ),
            (
                "pages:\n",
                "outbound: {addresses: [10.0.0.0/33]}\npages:\n",
                "10.0.0.0/33",
            ),
            ("pages:\n", "outbound: {host: [a.test]}\npages:\n", "host"),
            ("https://oidc.identity", "http://oidc.identity", "issuer"),
            ("cluster.local\n", "cluster.local/\n", "issuer"),
            ("release: oidc", "release: Oidc", "release"),
            ("className: oidc", "className: a.b", "className"),
            (
                "watch: [\"identity\",\"team-a\"]",
                "watch: []",
                "namespaces.watch",
            ),
            (
                "watch: [\"identity\",\"team-a\"]",
                "watch: [\"*\"]",
                "namespaces.watch",
            ),
            ("jwksMaxAge: 300s", "jwksMaxAge: 0s", "jwksMaxAge"),
            ("jwksMaxAge: 300s", "jwksMaxAge: soon", "soon"),
            ("accessToken: 5m", "accessToken: 0s", "lifetimes.accessToken"),
            ("accessToken: 5m", "code: 11m", "lifetimes.code"),
            ("accessToken: 5m", "code: 0s", "lifetimes.code"),
            ("accessToken: 5m", "session: 1h", "lifetimes.sessionIdle"),
            (
                "accessToken: 5m",
                "refreshTokenIdle: 91d",
                "lifetimes.refreshTokenIdle",
            ),
            (
                "accessToken: 5m",
                "sessionsPerUser: 0",
                "lifetimes.sessionsPerUser",
            ),
            (
                "accessToken: 5m",
                "sessionsPerUser: 1001",
                "lifetimes.sessionsPerUser",
            ),
            (
                "loginPerAccount: 5",
                "loginPerAccount: 2",
                "limits.loginPerAccount",
            ),
            ("accessToken: 5m", "atSessionLimit: ask", "ask"),
            ("loginPerAccount: 5", "pods: 0", "limits.pods"),
            (
                "loginPerAccount: 5",
                "loginPerAddress: 1",
                "limits.loginPerAddress",
            ),
            (
                "loginPerAccount: 5",
                "requestsPerAddress: 9",
                "limits.requestsPerAddress",
            ),
            ("loginPerAccount: 5", "tokenPerClient: 9", "limits.tokenPerClient"),
            ("[\"10.0.0.0/8\"]", "[]", "clientAddress.forwarded.trustedProxies"),
            ("[\"10.0.0.0/8\"]", "[\"10.0.0.1/8\"]", "did you mean"),
            ("trustedProxies:", "proxies:", "proxies"),
            ("defaultLanguage: de", "defaultLanguage: tlh", "tlh"),
            ("defaultLanguage: de", "language: de", "language"),
            ("'#0b5cad'", "blue", "pages.accentColor"),
            ("namespaces: [team-a]", "namespaces: []", "grants[0].namespaces"),
            (
                "namespaces: [team-a]",
                "namespaces: [team-*]",
                "grants[0].namespaces",
            ),
            ("[orders.read]", "[\"a b\"]", "grants[0].scopes"),
            (
                "audiences: [\"https://orders.example.com\"]",
                "audiences: [orders]",
                "grants[0].audiences",
            ),
            ("team-a-*", "team.a", "grants[0].clientIds"),
            (
                "    clientIds:",
                "    secretLabels: [a b]\n    clientIds:",
                "grants[0].secretLabels",
            ),
            (
                "    clientIds:",
                "    secretAnnotations: [\"\"]\n    clientIds:",
                "grants[0].secretAnnotations",
            ),
            (
                "    clientIds:",
                "    lifetimes: {idToken: 31d}\n    clientIds:",
                "grants[0].lifetimes.idToken",
            ),
            (
                "    clientIds:",
                "    lifetimes: {refreshToken: 0s}\n    clientIds:",
                "grants[0].lifetimes.refreshToken",
            ),
            (
                "    clientIds:",
                "    lifetimes: {session: 1d}\n    clientIds:",
                "session",
            ),
            ("secretName: my-tls", "secretName: My", "tls.secretName"),
            ("my-envelope", "My", "envelope.secretName"),
            ("my-redis", "My", "redis.secretName"),
            ("local:8443", "local:8443/", "mtls.url"),
            ("local:8443", "local:8443/other", "mtls.url"),
            ("configMap: client-ca", "configMap: Ca", "mtls.ca.configMap"),
            ("configMap: client-ca", "file: client-ca", "file"),
            (
                "configMap: client-ca",
                "clusterTrustBundle: a/b",
                "mtls.ca.clusterTrustBundle",
            ),
            ("my-envelope", "oidc-key-set", "envelope.secretName"),
            ("my-envelope", "my-tls", "envelope.secretName"),
            ("mode: open", "mode: ajar", "ajar"),
            (
                "mode: open",
                "expireUnused: 4m\n  mode: open",
                "registration.expireUnused",
            ),
            ("mode: open", "expireUnused: soon\n  mode: open", "soon"),
            ("namespace: team-a", "namespace: Team", "registration.namespace"),
            ("namespace: team-a", "namespace: team-c", "registration.namespace"),
            (
                "clientAddress:\n  forwarded:\n    trustedProxies: [\"10.0.0.0/8\"]\n",
                "",
                "registration.mode",
            ),
            ("loginPerAccount: 5", "requestsPerAddress: 0", "registration.mode"),
            ("my-envelope", "oidc-registration-tokens", "envelope.secretName"),
        ] {
            let told = replace(from, to).unwrap_err().to_string();
            assert!(told.contains(name) && !told.contains('\n'), "{to}: {told}");
        }
        // the proxies of clientAddress say nothing of certificates
        for (added, name) in [
            ("clientCertHeader: true", "mtls.clientCertHeader"),
            (
                "clientCertHeader: true\n  trustedProxies: []",
                "mtls.clientCertHeader",
            ),
            ("trustedProxies: [192.0.2.7/32]", "mtls.trustedProxies"),
        ] {
            let ca = "    configMap: client-ca";
            let told = replace(ca, &format!("{ca}\n  {added}")).unwrap_err().to_string();
            assert!(told.contains(name), "{added}: {told}");
        }
        assert!(Installation::parse("").is_err());
        assert!(Installation::parse("[]").is_err());
    }

    #[test]
    fn grants_are_for_a_pair() {
        let installation = Installation::parse(RENDERED).unwrap();
        assert!(installation.grants_scope("identity", "openid"));
        assert!(installation.grants_scope("team-a", "orders.read"));
        assert!(installation.grants_consent_skip("team-a"));
        assert!(!installation.grants_consent_skip("identity"));
        assert!(!installation.grants_scope("identity", "orders.read"));
        assert!(!installation.grants_scope("team-a", "orders.write"));
        assert!(installation.grants_audience("team-a", "https://orders.example.com"));
        assert!(!installation.grants_audience("team-b", "https://orders.example.com"));
        assert!(!installation.grants_resource_server("team-a", "https://orders.example.com/"));
        assert_eq!(installation.grants_client_id("team-a", "team-a-shop"), Some(0));
        assert_eq!(installation.grants_client_id("team-a", "shop"), None);
        assert_eq!(installation.grants_client_id("identity", "team-a-shop"), None);
        let marks =
            "    secretLabels: [\"cnpg.io/*\"]\n    secretAnnotations: [note.example/x]\n    clientIds:";
        let installation = replace("    clientIds:", marks).unwrap();
        assert!(installation.grants_secret_label("team-a", "cnpg.io/reload"));
        assert!(!installation.grants_secret_label("identity", "cnpg.io/reload"));
        assert!(!installation.grants_secret_label("team-a", "note.example/x"));
        assert!(installation.grants_secret_annotation("team-a", "note.example/x"));
    }

    #[test]
    fn jwt_05_a_grant_raises_the_longest_lifetimes() {
        let granted = replace(
            "    clientIds:",
            "    lifetimes: {accessToken: 1h, refreshTokenIdle: 1d}\n    clientIds:",
        )
        .unwrap();
        let longest = granted.longest_lifetimes("team-a");
        assert_eq!(longest.access_token, Seconds(3600));
        // a grant never takes away
        assert_eq!(longest.refresh_token_idle, Seconds(14 * 86400));
        assert_eq!(longest.id_token, Seconds(900));
        assert_eq!(granted.longest_lifetimes("team-b"), *granted.lifetimes);
        let text = serde_yaml::to_string(&granted).unwrap();
        assert_eq!(Installation::parse(&text).unwrap(), granted);
        let standalone = Installation::standalone("http://localhost:5000", true);
        assert_eq!(
            standalone.longest_lifetimes("default").access_token,
            Lifetimes::LONGEST_TOKEN
        );
    }

    #[test]
    fn standalone_grants_everything_that_is_built() {
        let standalone = Installation::standalone("http://localhost:5000", true);
        assert_eq!(standalone.serves("default", None), Some(true));
        assert!(standalone.grants_scope("default", "orders.read"));
        assert!(standalone.grants_scope("default", "offline_access"));
        assert!(standalone.grants_client_id("default", "client123").is_some());
        assert!(
            standalone.weak_secrets && !Installation::standalone("http://localhost:5000", false).weak_secrets
        );
        assert_eq!(standalone.jwks_max_age, Seconds(5));
        // never from a file, so never to a file
        let text = serde_json::to_value(&standalone).unwrap();
        assert_eq!(text.get("grantsAll"), None);
        assert_eq!(text["namespaces"], json!({"clusterWide": {"selector": null}}));
    }
}
