//! `<release>-installation`: the ConfigMap that says what an installation is and grants. One data key
//! `installation.yaml`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};

use super::DataError;
use crate::cidr::Cidr;
use crate::names::{STANDARD_SCOPES, Seconds};

mod check;
mod selector;

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
    /// How often things may be tried.
    #[serde(default)]
    pub limits: Limits,
    /// Where the address of whoever asks is read; limits per address are off without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_address: Option<ClientAddress>,
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
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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
    /// Sessions of one user.
    pub sessions_per_user: u32,
    /// What happens when one more begins.
    pub at_session_limit: AtSessionLimit,
    /// How long a rotated refresh token still gets the same successor.
    pub refresh_grace: Seconds,
    /// How long a replaced client secret is still accepted.
    pub secret_overlap: Seconds,
}

/// What happens when a user who has as many sessions as may be signs in once more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AtSessionLimit {
    /// The oldest session ends.
    #[default]
    EndOldest,
    /// The person is told, and signs in only if they choose to end the oldest.
    Refuse,
}

impl Lifetimes {
    /// No access or ID token may live longer.
    pub const LONGEST_TOKEN: Seconds = Seconds(30 * 86400);
    /// No refresh token may live longer.
    pub const LONGEST_REFRESH: Seconds = Seconds(3660 * 86400);
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
            at_session_limit: AtSessionLimit::EndOldest,
            refresh_grace: Seconds(10),
            secret_overlap: Seconds(86400),
        }
    }
}

/// How often things may be tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Attempts at the password of one account that are let through without a pause; then one each growing
    /// interval, until a quarter of an hour passes without any. A success forgets them.
    pub login_per_account: u32,
    /// Attempts at passwords from one address within a quarter of an hour, over all pods; 0: no limit.
    pub login_per_address: u32,
    /// Requests from one address within a minute to what people and strangers use: pages, registration, and
    /// failed authentications of clients; 0: no limit.
    pub requests_per_address: u32,
    /// Token requests of one client within a minute; 0: no limit.
    pub token_per_client: u32,
    /// How many pods share `requestsPerAddress` and `tokenPerClient`, each of which counts for itself.
    pub pods: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            login_per_account: 10,
            login_per_address: 300,
            requests_per_address: 600,
            token_per_client: 0,
            pods: 1,
        }
    }
}

/// Where the address of whoever asks is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum ClientAddress {
    /// From the connection.
    Socket,
    /// From a header that proxies write.
    Forwarded(Forwarded),
}

/// Proxies that may say whose requests they pass on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Forwarded {
    /// Their addresses.
    pub trusted_proxies: Vec<Cidr>,
    /// The header that they write; others are not looked at.
    #[serde(default)]
    pub header: ForwardedHeader,
}

/// The header that proxies write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`: a list of addresses.
    #[default]
    #[serde(rename = "X-Forwarded-For")]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl ForwardedHeader {
    /// Its name in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }
}

/// What some namespaces may have. Where two grants let different namespaces take the same client id, the
/// one that stands first decides to whom it belongs.
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
    /// Whether clients may do without the person's consent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub consent_skip: bool,
    /// Longer lifetimes than the installation's own.
    #[serde(skip_serializing_if = "LifetimeMaxima::is_empty")]
    pub lifetimes: LifetimeMaxima,
}

/// How long the lifetimes may be that clients choose; absent: as long as the installation's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LifetimeMaxima {
    /// Access tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token: Option<Seconds>,
    /// ID tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<Seconds>,
    /// Refresh tokens, since the login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Seconds>,
    /// Refresh tokens, since their last use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_idle: Option<Seconds>,
}

impl LifetimeMaxima {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
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
        let installation: Self = serde_yaml::from_str(text).map_err(|error| {
            // the rest is an excerpt of the text
            let told = error.to_string();
            DataError(format!(
                "{}: {}",
                Self::DATA_KEY,
                told.lines().next().unwrap_or_default()
            ))
        })?;
        let mut wrong = Vec::new();
        installation.check(&mut wrong);
        if wrong.is_empty() {
            Ok(installation)
        } else {
            Err(DataError(format!("{}: {}", Self::DATA_KEY, wrong.join("; "))))
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
            lifetimes: Lifetimes::default(),
            limits: Limits::default(),
            client_address: None,
            grants: Vec::new(),
            tls: None,
            grants_all: true,
            weak_secrets: loopback,
        }
    }

    /// Whether a namespace is served; `None` if that depends on labels which are not known.
    #[must_use]
    pub fn serves(&self, namespace: &str, labels: Option<&BTreeMap<String, String>>) -> Option<bool> {
        match &self.namespaces {
            Namespaces::Watch(names) => Some(names.iter().any(|name| name == namespace)),
            Namespaces::ClusterWide { selector: None } => Some(true),
            Namespaces::ClusterWide {
                selector: Some(selector),
            } => labels.map(|labels| selector::matches(selector, labels)),
        }
    }

    /// Whether clients of a namespace may have a scope: one of the standard scopes, or a granted one.
    #[must_use]
    pub fn grants_scope(&self, namespace: &str, scope: &str) -> bool {
        STANDARD_SCOPES.contains(&scope) || self.grants(namespace, |grant| &grant.scopes, scope)
    }

    /// Whether clients of a namespace may request an audience.
    #[must_use]
    pub fn grants_audience(&self, namespace: &str, audience: &str) -> bool {
        self.grants(namespace, |grant| &grant.audiences, audience)
    }

    /// Whether clients of a namespace may be the resource server for an audience.
    #[must_use]
    pub fn grants_resource_server(&self, namespace: &str, audience: &str) -> bool {
        self.grants(namespace, |grant| &grant.resource_server_for, audience)
    }

    /// Whether clients of a namespace may do without the person's consent.
    #[must_use]
    pub fn grants_consent_skip(&self, namespace: &str) -> bool {
        let mut grants = self.grants.iter();
        self.grants_all || grants.any(|grant| grant.consent_skip && grant.covers(namespace))
    }

    /// The first grant that lets clients of a namespace have a custom client id, by its place in the list.
    #[must_use]
    pub fn grants_client_id(&self, namespace: &str, id: &str) -> Option<usize> {
        if self.grants_all {
            return Some(0);
        }
        self.grants.iter().position(|grant| {
            grant.covers(namespace) && grant.client_ids.iter().any(|pattern| wildcard(pattern, id))
        })
    }

    /// The longest lifetimes that clients of a namespace may choose: the installation's own, unless a grant
    /// allows longer ones.
    #[must_use]
    pub fn longest_lifetimes(&self, namespace: &str) -> Lifetimes {
        let mut longest = self.lifetimes.clone();
        let everything = LifetimeMaxima {
            access_token: Some(Lifetimes::LONGEST_TOKEN),
            id_token: Some(Lifetimes::LONGEST_TOKEN),
            refresh_token: Some(Lifetimes::LONGEST_REFRESH),
            refresh_token_idle: Some(Lifetimes::LONGEST_REFRESH),
        };
        let granted = self.grants.iter().filter(|grant| grant.covers(namespace));
        let maxima = granted.map(|grant| grant.lifetimes);
        for maxima in maxima.chain(self.grants_all.then_some(everything)) {
            for (most, granted) in [
                (&mut longest.access_token, maxima.access_token),
                (&mut longest.id_token, maxima.id_token),
                (&mut longest.refresh_token, maxima.refresh_token),
                (&mut longest.refresh_token_idle, maxima.refresh_token_idle),
            ] {
                *most = granted.map_or(*most, |granted| granted.max(*most));
            }
        }
        longest
    }

    fn grants(&self, namespace: &str, list: impl Fn(&NamespaceGrant) -> &Vec<String>, wanted: &str) -> bool {
        self.grants_all
            || self
                .grants
                .iter()
                .any(|grant| grant.covers(namespace) && list(grant).iter().any(|granted| granted == wanted))
    }

    /// Names of the Secrets that the installation keeps for itself.
    #[must_use]
    pub fn own_secrets(&self) -> Vec<String> {
        let own = ["key-set", "key-ring", "pepper", "ca"].map(|what| format!("{}-{what}", self.release));
        own.into_iter().chain([self.tls_secret()]).collect()
    }

    /// Name of the Secret that holds the certificate.
    #[must_use]
    pub fn tls_secret(&self) -> String {
        self.tls
            .as_ref()
            .map_or_else(|| format!("{}-tls", self.release), |tls| tls.secret_name.clone())
    }
}

impl NamespaceGrant {
    fn covers(&self, namespace: &str) -> bool {
        self.namespaces
            .iter()
            .any(|name| name == "*" || name == namespace)
    }
}

/// Whether `text` matches a pattern in which `*` stands for any run of characters.
fn wildcard(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
grants:
  - namespaces: [team-a]
    scopes: [orders.read]
    audiences: ["https://orders.example.com"]
    resourceServerFor: ["https://orders.example.com"]
    clientIds: ["team-a-*"]
    consentSkip: true
tls:
  secretName: my-tls
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
        assert_eq!(installation.tls_secret(), "my-tls");
        assert!(!installation.grants_all && !installation.weak_secrets);
        assert_eq!(installation.serves("team-a", None), Some(true));
        assert_eq!(installation.serves("team-b", None), Some(false));
        let text = serde_yaml::to_string(&installation).unwrap();
        assert_eq!(Installation::parse(&text).unwrap(), installation);
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
            ("secretName:", "secret:", "secret"),
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
    fn bad_values_are_named() {
        for (from, to, name) in [
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
        ] {
            let told = replace(from, to).unwrap_err().to_string();
            assert!(told.contains(name) && !told.contains('\n'), "{to}: {told}");
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
        assert_eq!(granted.longest_lifetimes("team-b"), granted.lifetimes);
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

    #[test]
    fn patterns_match_whole_ids() {
        for (pattern, text, matches) in [
            ("", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "anything", true),
            ("a*", "abc", true),
            ("a*", "ba", false),
            ("*c", "abc", true),
            ("*c", "cb", false),
            ("a*c", "ac", true),
            ("a*c", "a", false),
            ("aa*a", "aa", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("**", "x", true),
        ] {
            assert_eq!(wildcard(pattern, text), matches, "{pattern} {text}");
        }
    }
}
