//! `<release>-ca` (10 years) and `<release>-tls` (90 days); both are renewed at two thirds of their life, the leaf
//! also when it no longer fits. With `tls.secretName` both are somebody else's, and only `ca.crt` is read.

mod authority;
mod certificate;
mod plan;

use jiff::Timestamp;
use oidc_crds::secrets::Data;
use oidc_crds::secrets::installation::Installation;

use self::plan::{Found, plan};
use super::{Store, must_be_ours};
use crate::context::{Names, now};
use crate::execute::Error;
use crate::oidc_client::data_of;

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const BUNDLE: &str = "ca.crt";
/// The newest CA, and its key.
const SIGNS: [&str; 2] = [CERTIFICATE, KEY];
/// The CA that signs until the newest is known everywhere, and its key.
const FORMER: [&str; 2] = ["former.crt", "former.key"];
const KIND: &str = "kubernetes.io/tls";

/// What is in force, and when to look again.
#[derive(Debug)]
pub(super) struct Done {
    /// What apps must trust.
    pub(super) ca: Option<String>,
    pub(super) next: Option<Timestamp>,
}

/// Makes what is missing or due.
pub(super) async fn ensure(store: &Store<'_>, installation: &Installation) -> Result<Done, Error> {
    if let Some(tls) = &installation.tls {
        let name = &tls.secret_name;
        let Some(secret) = store.get(name).await? else {
            return Err(Error::Unusable(format!(
                "the Secret {name} (tls.secretName) is not there"
            )));
        };
        let ca = text(&data_of(&secret), BUNDLE);
        return Ok(Done { ca, next: None });
    }
    let names = store.names();
    let (ca, leaf) = (store.get(&names.ca()).await?, store.get(&names.tls()).await?);
    let (ca_data, leaf_data) = (ca.as_ref().map(data_of), leaf.as_ref().map(data_of));
    let found = Found {
        ca: ca_data.as_ref(),
        ca_is_foreign: ca.as_ref().is_some_and(|ca| must_be_ours(names, ca).is_err()),
        leaf: leaf_data.as_ref(),
    };
    let hosts = hosts(names, &installation.issuer);
    let plan = plan(names, &hosts, &found, now()).map_err(about(&names.ca()))?;
    // A CA is in its own Secret before anything is signed by it.
    if let Some(data) = plan.ca {
        match ca {
            None => store.create(names.ca(), KIND, data).await?,
            Some(secret) => store.replace(secret, data).await?,
        };
    }
    if let Some(why) = plan.why {
        tracing::info!(secret = names.tls(), why, "a new certificate is made");
    }
    if let Some(data) = plan.leaf {
        match leaf {
            None => store.create(names.tls(), KIND, data).await?,
            Some(secret) => store.replace(secret, data).await?,
        };
    }
    Ok(Done {
        ca: Some(plan.bundle),
        next: Some(plan.next),
    })
}

fn about(name: &str) -> impl FnOnce(String) -> Error {
    let name = name.to_owned();
    move |problem| Error::Unusable(format!("the Secret {name}: {problem}"))
}

/// The names that the certificate is for: the issuer's host and those of the Service.
fn hosts(names: &Names, issuer: &str) -> Vec<String> {
    let (release, namespace) = (&names.release, &names.namespace);
    let mut hosts: Vec<String> = issuer_host(issuer).into_iter().collect();
    for host in [
        format!("{release}.{namespace}.svc"),
        format!("{release}.{namespace}.svc.cluster.local"),
        format!("{release}.{namespace}"),
    ] {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// The host of an issuer, which was parsed before: what is between `://` and port or path.
fn issuer_host(issuer: &str) -> Option<String> {
    let rest = issuer.split_once("://")?.1;
    let authority = rest.split('/').next()?;
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

fn text(data: &Data, key: &str) -> Option<String> {
    String::from_utf8(data.get(key)?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_default_issuer_are_not_listed_twice() {
        let names = Names {
            release: "oidc".into(),
            namespace: "identity".into(),
            pod: "p".into(),
        };
        assert_eq!(
            hosts(&names, "https://login.example.com/realm"),
            [
                "login.example.com",
                "oidc.identity.svc",
                "oidc.identity.svc.cluster.local",
                "oidc.identity"
            ]
        );
        let own = hosts(&names, "https://oidc.identity.svc.cluster.local");
        assert_eq!(own.len(), 3);
    }

    #[test]
    fn hosts_of_issuers() {
        for (issuer, host) in [
            ("https://a.example", Some("a.example")),
            ("https://A.example:8443/x", Some("a.example")),
            ("https://[::1]:8443", Some("::1")),
            ("http://127.0.0.1:5000", Some("127.0.0.1")),
            ("nonsense", None),
        ] {
            assert_eq!(issuer_host(issuer).as_deref(), host, "{issuer}");
        }
    }
}
