//! What is granted to which namespace.

use serde::{Deserialize, Serialize};

use super::{HostPattern, Installation, Lifetimes};
use crate::names::{GrantType, STANDARD_SCOPES, Seconds};

/// What some namespaces may have. Where two grants let different namespaces take the same client id, the
/// one that stands first decides to whom it belongs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
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
    /// Grant types that not everybody may use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_types: Vec<GrantType>,
    /// Hosts that not everybody's redirects may lead to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redirect_hosts: Vec<HostPattern>,
    /// Whether redirects may lead to hosts that routes of the client's own namespace serve.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub redirect_hosts_from_routes: bool,
    /// Namespaces whose ServiceAccounts may be clients, beside the client's own; or `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service_account_namespaces: Vec<String>,
    /// Whether clients may do without the person's consent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub consent_skip: bool,
    /// Whether a `secretRef` may hold a weak secret.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub weak_secrets: bool,
    /// Patterns of labels that clients may put on their Secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secret_labels: Vec<String>,
    /// Patterns of annotations that clients may put on their Secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secret_annotations: Vec<String>,
    /// Longer lifetimes than the installation's own.
    #[serde(skip_serializing_if = "LifetimeMaxima::is_empty")]
    pub lifetimes: LifetimeMaxima,
}

/// How long the lifetimes may be that clients choose; absent: as long as the installation's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
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

impl NamespaceGrant {
    pub(super) fn covers(&self, namespace: &str) -> bool {
        self.namespaces
            .iter()
            .any(|name| name == "*" || name == namespace)
    }
}

impl Installation {
    /// Whether clients of a namespace may have a scope: one of the standard scopes, or a granted one.
    #[must_use]
    pub fn grants_scope(&self, namespace: &str, scope: &str) -> bool {
        STANDARD_SCOPES.contains(&scope) || self.granted(namespace, |grant| lists(&grant.scopes, scope))
    }

    /// Whether clients of a namespace may request an audience.
    #[must_use]
    pub fn grants_audience(&self, namespace: &str, audience: &str) -> bool {
        self.granted(namespace, |grant| lists(&grant.audiences, audience))
    }

    /// Whether clients of a namespace may be the resource server for an audience.
    #[must_use]
    pub fn grants_resource_server(&self, namespace: &str, audience: &str) -> bool {
        self.granted(namespace, |grant| lists(&grant.resource_server_for, audience))
    }

    /// Whether ServiceAccounts of another namespace, `other`, may be clients of a namespace.
    #[must_use]
    pub fn grants_service_accounts(&self, namespace: &str, other: &str) -> bool {
        let names = |grant: &NamespaceGrant| {
            let listed = &grant.service_account_namespaces;
            listed.iter().any(|name| name == "*" || name == other)
        };
        self.grants
            .iter()
            .any(|grant| grant.covers(namespace) && names(grant))
    }

    /// Whether clients of a namespace may do without the person's consent.
    #[must_use]
    pub fn grants_consent_skip(&self, namespace: &str) -> bool {
        self.granted(namespace, |grant| grant.consent_skip)
    }

    /// Whether a `secretRef` of clients of a namespace may hold a weak secret. Not where everything is granted:
    /// there the listener decides.
    #[must_use]
    pub fn accepts_weak_secrets(&self, namespace: &str) -> bool {
        let grants = |grant: &NamespaceGrant| grant.weak_secrets && grant.covers(namespace);
        self.weak_secrets || self.grants.iter().any(grants)
    }

    /// Whether clients of a namespace may put a label on their Secrets, beyond those for everybody.
    #[must_use]
    pub fn grants_secret_label(&self, namespace: &str, key: &str) -> bool {
        self.granted(namespace, |grant| matches(&grant.secret_labels, key))
    }

    /// Whether clients of a namespace may put an annotation on their Secrets, beyond those for everybody.
    #[must_use]
    pub fn grants_secret_annotation(&self, namespace: &str, key: &str) -> bool {
        self.granted(namespace, |grant| matches(&grant.secret_annotations, key))
    }

    /// The first grant that lets clients of a namespace have a custom client id, by its place in the list.
    #[must_use]
    pub fn grants_client_id(&self, namespace: &str, id: &str) -> Option<usize> {
        if self.grants_all {
            return Some(0);
        }
        self.grants
            .iter()
            .position(|grant| grant.covers(namespace) && matches(&grant.client_ids, id))
    }

    /// The longest lifetimes that clients of a namespace may choose: the installation's own, unless a grant
    /// allows longer ones.
    #[must_use]
    pub fn longest_lifetimes(&self, namespace: &str) -> Lifetimes {
        let mut longest = Lifetimes::clone(&self.lifetimes);
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

    /// The longest lifetime of access and ID tokens that any client may choose by the grants, or has without. Where
    /// everything is granted, no grant tells.
    #[must_use]
    pub fn longest_token(&self) -> Seconds {
        let granted = self
            .grants
            .iter()
            .flat_map(|grant| [grant.lifetimes.access_token, grant.lifetimes.id_token]);
        let own = [self.lifetimes.access_token, self.lifetimes.id_token];
        own.into_iter().chain(granted.flatten()).max().unwrap_or_default()
    }

    /// Whether everything is granted, or one of a namespace's grants has this.
    pub(super) fn granted(&self, namespace: &str, has: impl Fn(&NamespaceGrant) -> bool) -> bool {
        let mut grants = self.grants.iter();
        self.grants_all || grants.any(|grant| grant.covers(namespace) && has(grant))
    }
}

fn lists(granted: &[String], wanted: &str) -> bool {
    granted.iter().any(|granted| granted == wanted)
}

fn matches(patterns: &[String], wanted: &str) -> bool {
    patterns.iter().any(|pattern| wildcard(pattern, wanted))
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
    use super::*;

    #[test]
    fn the_longest_token_is_the_installations_or_a_granted_one() {
        let mut installation = Installation::standalone("http://localhost:5000", true);
        let own = installation.lifetimes.clone();
        let own = own.access_token.max(own.id_token);
        assert_eq!(installation.longest_token(), own);
        for (lifetimes, longest) in [
            (
                LifetimeMaxima {
                    refresh_token: Some(Seconds(own.0 * 9)),
                    ..LifetimeMaxima::default()
                },
                own,
            ),
            (
                LifetimeMaxima {
                    access_token: Some(Seconds(own.0 * 2)),
                    id_token: Some(Seconds(own.0 * 3)),
                    ..LifetimeMaxima::default()
                },
                Seconds(own.0 * 3),
            ),
        ] {
            installation.grants.push(NamespaceGrant {
                lifetimes,
                ..NamespaceGrant::default()
            });
            assert_eq!(installation.longest_token(), longest);
        }
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
