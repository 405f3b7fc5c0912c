//! A Kubernetes ServiceAccount token as the assertion: the cluster says which workload calls, and the client
//! lists the ServiceAccounts that may be it.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use oidc_crds::client::{Authentication, Client};
use oidc_crds::jwk::public::{NoKey, PublicKeys};
use serde::Deserialize;

use super::assertion::{Assertion, Unsigned};
use super::{AuthenticatedClient, failed, told};
use crate::error::{ErrorCode, OAuthError};

/// How every subject of such a token begins.
const SUBJECT: &str = "system:serviceaccount:";

/// The longest lifetime of a token, in seconds: projected ones have 3600 unless told otherwise, and those that
/// the API server hands out itself 3607.
const LONGEST: i64 = 3610;

/// By what the tokens of a cluster are checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterIssuer {
    /// Their `iss`.
    pub issuer: String,
    /// The keys that sign them.
    pub keys: PublicKeys,
}

/// The claim `kubernetes.io` of a bound token.
#[derive(Deserialize)]
pub(super) struct Bound {
    namespace: String,
    serviceaccount: Named,
    #[serde(default)]
    pod: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// Which workload authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// The namespace of its ServiceAccount and its pod.
    pub namespace: String,
    /// The ServiceAccount.
    pub service_account: String,
    /// The pod, if the token is bound to one.
    pub pod: Option<String>,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.service_account)?;
        match &self.pod {
            Some(pod) => write!(f, " (pod {pod})"),
            None => Ok(()),
        }
    }
}

/// Whether an assertion is meant to be such a token; proven by nothing.
#[must_use]
pub fn looks_like(assertion: &Assertion) -> bool {
    assertion.unverified_subject().starts_with(SUBJECT)
}

/// Whether newer keys of the cluster may be needed: none of these has the kid of the token.
#[must_use]
pub fn is_key_unknown(assertion: &Assertion, cluster: &ClusterIssuer) -> bool {
    assertion.signed_by(&cluster.keys) == Err(Unsigned::NoKey(NoKey::Unknown))
}

/// Checks a token and that the client lists its ServiceAccount. It may be used again until it expires.
///
/// # Errors
/// `invalid_client`; what is wrong is told once the cluster's signature holds. An unknown client and one that
/// does not list the ServiceAccount look alike.
pub fn authenticate(
    client: Option<&Arc<Client>>,
    assertion: &Assertion,
    cluster: &ClusterIssuer,
    issuer: &str,
    now: Timestamp,
) -> Result<AuthenticatedClient, OAuthError> {
    if let Err(why) = assertion.signed_by(&cluster.keys) {
        let cause = format!("the ServiceAccount token is refused: {}", why.cause());
        return Err(failed(false).because(cause));
    }
    let claims = &assertion.claims;
    if claims.iss != cluster.issuer {
        return Err(told(
            "The ServiceAccount token is of another cluster: check its iss.",
        ));
    }
    // A token for the API server, or for anybody else, must be worth nothing here.
    if claims.aud.single() != Some(issuer) {
        return Err(told(
            "The audience of the ServiceAccount token must be the issuer alone: check audience of the projected volume.",
        ));
    }
    let issued_at = claims.iat.map(|time| time.0);
    let is_long = issued_at.is_none_or(|from| claims.exp.0 - from > LONGEST);
    if is_long {
        return Err(told(
            "The ServiceAccount token lives longer than an hour: set expirationSeconds of the projected volume to 3600.",
        ));
    }
    assertion.timely(LONGEST, now).map_err(|_| {
        told("The ServiceAccount token has expired or is not good yet: read the file anew for each request.")
    })?;
    let workload = workload(assertion).ok_or_else(|| {
        told("The ServiceAccount token is not bound: use a projected volume or the TokenRequest API.")
    })?;
    let lists = |client: &&Arc<Client>| match client.authentication() {
        Authentication::ServiceAccounts(listed) => listed.iter().any(|account| {
            *account.namespace == *workload.namespace && *account.name == *workload.service_account
        }),
        _ => false,
    };
    match client.filter(lists) {
        Some(client) => Ok(AuthenticatedClient {
            workload: Some(workload),
            ..AuthenticatedClient::new(client)
        }),
        None => Err(OAuthError {
            cause: Some(match client {
                Some(client) => format!("{} does not list {workload}", client.client_id()),
                None => format!("unknown client; {workload} asks"),
            }),
            ..told(
                "No client with this client_id lists the ServiceAccount: check spec.authentication.serviceAccounts.",
            )
        }),
    }
}

/// What the claims say, if both places say the same.
fn workload(assertion: &Assertion) -> Option<Workload> {
    let bound = assertion.claims.kubernetes.as_ref()?;
    let subject = format!("{SUBJECT}{}:{}", bound.namespace, bound.serviceaccount.name);
    (subject == assertion.claims.sub).then(|| Workload {
        namespace: bound.namespace.clone(),
        service_account: bound.serviceaccount.name.clone(),
        pod: bound.pod.as_ref().map(|pod| pod.name.clone()),
    })
}

/// The answer while the cluster's keys are not known.
#[must_use]
pub fn not_yet() -> OAuthError {
    OAuthError::new(
        ErrorCode::TemporarilyUnavailable,
        "The keys of the cluster's ServiceAccount tokens are not known yet: try again in a moment.",
    )
}

#[cfg(test)]
mod tests;
