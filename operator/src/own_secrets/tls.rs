//! `<release>-ca` (10 years) and `<release>-tls` (90 days); both are renewed at two thirds of their life, the leaf
//! also when it no longer fits. With `tls.secretName` both are somebody else's, and only `ca.crt` is read.

mod authority;
mod certificate;
mod plan;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use oidc_crds::secrets::Data;
use oidc_crds::secrets::installation::Installation;

use self::certificate::Certificate;
use self::plan::{Found, Memory, plan};
use super::trust::{self, Behind};
use super::{Store, must_be_ours, own_secret};
use crate::context::{Names, now, whole_seconds};
use crate::execute::Error;
use crate::oidc_client::data_of;

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const BUNDLE: &str = "ca.crt";
/// The CA that signs, and its key: an older operator knows no others.
const SIGNS: [&str; 2] = [CERTIFICATE, KEY];
/// The CA that signs once it is known everywhere, and its key.
const NEXT: [&str; 2] = ["next.crt", "next.key"];
/// The CA that signed before, and its key: it signs again if the clock was wrong.
const FORMER: [&str; 2] = ["former.crt", "former.key"];
const KIND: &str = "kubernetes.io/tls";
/// Annotation: since when the CA that does not sign yet is in every bundle.
const PUBLISHED: &str = "oidc-operator.dev/next-ca-published-at";
/// Annotation: since when the CA signs.
const SINCE: &str = "oidc-operator.dev/ca-signs-since";

/// What is in force, and when to look again.
#[derive(Debug)]
pub(super) struct Done {
    /// What apps must trust.
    pub(super) ca: Option<String>,
    /// A CA that is not known yet to be in every bundle, beside the one that must be in them.
    pub(super) unpublished: Option<Unpublished>,
    pub(super) next: Option<Timestamp>,
    /// Whether it could not be told that the CA which waits is in every bundle: look again soon.
    pub(super) unconfirmed: bool,
}

/// A CA on its way into every bundle: certificates in PEM.
#[derive(Debug)]
pub(super) struct Unpublished {
    present: Vec<Certificate>,
    new: Certificate,
}

impl Unpublished {
    /// Whether a text has one of the CAs of now, but not the new one: whoever trusts it will not trust what the new
    /// one signs.
    pub(super) fn lacks_it(&self, text: &[u8]) -> bool {
        !mentions(text, &self.new) && self.present.iter().any(|ca| mentions(text, ca))
    }
}

/// Whether a text holds a certificate, however its lines are joined: the last whole one is of its signature.
fn mentions(text: &[u8], certificate: &Certificate) -> bool {
    let lines = certificate.pem.lines().map(str::trim);
    let mut whole = lines.filter(|line| line.len() == 64 && !line.starts_with('-'));
    let line = whole.next_back();
    line.is_some_and(|line| text.windows(line.len()).any(|part| part == line.as_bytes()))
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
        return Ok(Done {
            ca,
            unpublished: None,
            next: None,
            unconfirmed: false,
        });
    }
    let names = store.names();
    let (ca, leaf) = (store.get(&names.ca()).await?, store.get(&names.tls()).await?);
    let (ca_data, leaf_data) = (ca.as_ref().map(data_of), leaf.as_ref().map(data_of));
    let mut memory = ca.as_ref().map(remembered).unwrap_or_default();
    let mut unconfirmed = false;
    if memory.published.is_some()
        && let Some(waiting) = ca_data.as_ref().and_then(waiting)
    {
        // an older operator may have been here
        let bundle = leaf_data.as_ref().and_then(|leaf| leaf.get(BUNDLE));
        let behind = match bundle {
            Some(bundle) if waiting.lacks_it(bundle) => Ok(Some(Behind::Object(names.tls()))),
            _ => trust::behind(store.context, installation, &waiting).await,
        };
        match behind {
            Ok(None) => {}
            Ok(Some(Behind::Object(behind))) => {
                tracing::warn!(
                    behind,
                    "the new CA is not in every bundle any more: its week begins anew"
                );
                memory.published = None;
            }
            Ok(Some(Behind::Unknown)) => unconfirmed = true,
            Err(error) => {
                tracing::warn!(%error, "whether the new CA is in every bundle cannot be told");
                unconfirmed = true;
            }
        }
    }
    let found = Found {
        ca: ca_data.as_ref(),
        memory,
        unconfirmed,
        ca_is_foreign: ca.as_ref().is_some_and(|ca| must_be_ours(names, ca).is_err()),
        leaf: leaf_data.as_ref(),
    };
    let mtls = installation.mtls.as_ref().map(|mtls| mtls.url.as_str());
    let hosts = hosts(names, &installation.issuer, mtls);
    let plan = plan(names, &hosts, &found, whole_seconds(now())).map_err(about(&names.ca()))?;
    for warning in plan.warnings {
        tracing::warn!(secret = names.ca(), warning, "the CA");
    }
    if let Some(problem) = plan.problem {
        tracing::error!(
            secret = names.ca(),
            problem,
            "this CA cannot be used: the certificate stays as it is"
        );
    }
    // A CA is in its own Secret before anything is signed by it.
    if let Some((data, memory)) = plan.ca {
        match ca {
            None => {
                let mut secret = own_secret(names, names.ca(), KIND, data);
                remember(&mut secret, memory);
                store.create_secret(&secret).await?;
            }
            Some(mut secret) => {
                remember(&mut secret, memory);
                store.replace(secret, data).await?;
            }
        }
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
    let unpublished = plan.unpublished.as_deref().and_then(Certificate::read);
    let unpublished = unpublished.map(|new| Unpublished {
        present: certificate::bundle(&plan.bundle),
        new,
    });
    Ok(Done {
        ca: Some(plan.bundle),
        unpublished,
        next: Some(plan.next),
        unconfirmed,
    })
}

/// Notes that the CA which waits is in every bundle now.
pub(super) async fn published(store: &Store<'_>, new: &Unpublished) -> Result<(), Error> {
    let Some(mut secret) = store.get(&store.names().ca()).await? else {
        return Ok(());
    };
    let data = data_of(&secret);
    let memory = remembered(&secret);
    if memory.published.is_none() && waiting(&data).is_some_and(|now| now.new.der == new.new.der) {
        let published = Some(whole_seconds(now()));
        remember(&mut secret, Memory { published, ..memory });
        store.replace(secret, data).await?;
        tracing::info!("the new CA is in every bundle: it signs in a week");
    }
    Ok(())
}

/// The CA of a Secret that waits, if one does.
fn waiting(data: &Data) -> Option<Unpublished> {
    let read = |key: &str| Certificate::read(&text(data, key)?);
    let signs = read(CERTIFICATE)?;
    let known = text(data, BUNDLE).map(|text| certificate::bundle(&text));
    let new = read(NEXT[0]).unwrap_or_else(|| signs.clone());
    Some(Unpublished {
        present: known.unwrap_or_else(|| vec![signs]),
        new,
    })
}

fn remembered(secret: &Secret) -> Memory {
    let at = |name: &str| secret.annotations().get(name)?.parse().ok();
    Memory {
        published: at(PUBLISHED),
        signs_since: at(SINCE),
    }
}

fn remember(secret: &mut Secret, memory: Memory) {
    for (name, at) in [(PUBLISHED, memory.published), (SINCE, memory.signs_since)] {
        let annotations = secret.annotations_mut();
        match at {
            Some(at) => drop(annotations.insert(name.to_owned(), at.to_string())),
            None => drop(annotations.remove(name)),
        }
    }
}

fn about(name: &str) -> impl FnOnce(String) -> Error {
    let name = name.to_owned();
    move |problem| Error::Unusable(format!("the Secret {name}: {problem}"))
}

/// The names that the certificate is for: the issuer's host, those of the Service, and the one where certificates
/// are asked for.
fn hosts(names: &Names, issuer: &str, mtls: Option<&str>) -> Vec<String> {
    let (release, namespace) = (&names.release, &names.namespace);
    let mut hosts: Vec<String> = issuer_host(issuer).into_iter().collect();
    for host in [
        format!("{release}.{namespace}.svc"),
        format!("{release}.{namespace}.svc.cluster.local"),
        format!("{release}.{namespace}"),
    ]
    .into_iter()
    .chain(mtls.and_then(issuer_host))
    {
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
            hosts(&names, "https://login.example.com/realm", None),
            [
                "login.example.com",
                "oidc.identity.svc",
                "oidc.identity.svc.cluster.local",
                "oidc.identity"
            ]
        );
        let own = hosts(&names, "https://oidc.identity.svc.cluster.local", None);
        assert_eq!(own.len(), 3);
        let issuer = "https://login.example.com";
        let same = hosts(&names, issuer, Some("https://login.example.com:8443"));
        assert_eq!(same, hosts(&names, issuer, None));
        let other = hosts(&names, issuer, Some("https://mtls.example.com"));
        assert_eq!(other.last().map(String::as_str), Some("mtls.example.com"));
        assert_eq!(other.len(), 5);
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
