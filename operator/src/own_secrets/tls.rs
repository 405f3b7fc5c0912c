//! `<release>-ca` (10 years) and `<release>-tls` (90 days, renewed at two thirds of its life or when it no
//! longer fits). With `tls.secretName` both are somebody else's, and only `ca.crt` is read.

use jiff::{SignedDuration, Timestamp};
use oidc_crds::secrets::Data;
use oidc_crds::secrets::installation::Installation;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use super::Store;
use crate::context::{Names, now};
use crate::execute::Error;
use crate::oidc_client::data_of;

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const BUNDLE: &str = "ca.crt";
const KIND: &str = "kubernetes.io/tls";

const CA_LIFE: SignedDuration = SignedDuration::from_hours(24 * 3652);
const LEAF_LIFE: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Clocks of verifiers may be slow.
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);

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
    let now = now();
    let ca = match store.get(&names.ca()).await? {
        Some(secret) => Ca::read(&data_of(&secret)).map_err(about(&names.ca()))?,
        None => {
            let ca = Ca::generate(names, now).map_err(about(&names.ca()))?;
            store.create(names.ca(), KIND, ca.to_data()).await?;
            ca
        }
    };
    let hosts = hosts(names, &installation.issuer);
    let found = store.get(&names.tls()).await?;
    let state = match &found {
        None => Err("there is none"),
        Some(secret) => renewal(&data_of(secret), &ca, &hosts, now),
    };
    let next = match state {
        Ok(next) => next,
        Err(why) => {
            tracing::info!(secret = names.tls(), why, "a new certificate is made");
            let data = ca.issue(&hosts, now).map_err(about(&names.tls()))?;
            match found {
                None => store.create(names.tls(), KIND, data).await?,
                Some(secret) => store.replace(secret, data).await?,
            };
            now + LEAF_LIFE * 2 / 3
        }
    };
    Ok(Done {
        ca: Some(ca.certificate),
        next: Some(next),
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

/// The certificate authority.
struct Ca {
    /// PEM.
    certificate: String,
    key: KeyPair,
    /// Its common name; a leaf must name it as its issuer.
    name: String,
}

impl Ca {
    fn generate(names: &Names, now: Timestamp) -> Result<Self, String> {
        let name = format!("{} in {} (oidc-operator)", names.release, names.namespace);
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(no_key)?;
        let mut params = ca_params(&name);
        set_validity(&mut params, now, CA_LIFE);
        let certificate = params
            .self_signed(&key)
            .map_err(|error| format!("no certificate can be made: {error}"))?
            .pem();
        Ok(Self {
            certificate,
            key,
            name,
        })
    }

    fn read(data: &Data) -> Result<Self, String> {
        let certificate = text(data, CERTIFICATE).ok_or("it has no tls.crt")?;
        let key = text(data, KEY).ok_or("it has no tls.key")?;
        let key = KeyPair::from_pem(&key).map_err(|_| "tls.key is no private key".to_owned())?;
        let der = der(&certificate).ok_or("tls.crt is no certificate")?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| "tls.crt is no certificate")?;
        if !is_key_of(&parsed, &key) {
            return Err("tls.crt and tls.key do not belong together".into());
        }
        let name = parsed
            .subject()
            .iter_common_name()
            .next()
            .and_then(|name| name.as_str().ok())
            .ok_or("tls.crt has no common name")?
            .to_owned();
        Ok(Self {
            certificate,
            key,
            name,
        })
    }

    fn to_data(&self) -> Data {
        [
            (CERTIFICATE.to_owned(), self.certificate.clone().into_bytes()),
            (KEY.to_owned(), self.key.serialize_pem().into_bytes()),
            (BUNDLE.to_owned(), self.certificate.clone().into_bytes()),
        ]
        .into()
    }

    /// A new leaf for these names.
    fn issue(&self, hosts: &[String], now: Timestamp) -> Result<Data, String> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(no_key)?;
        let mut params = CertificateParams::new(hosts)
            .map_err(|error| format!("a host is no name for a certificate: {error}"))?;
        params.distinguished_name = DistinguishedName::new();
        if let Some(first) = hosts.first().filter(|host| host.len() <= 64) {
            params.distinguished_name.push(DnType::CommonName, first);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now, LEAF_LIFE);
        let issuer = Issuer::new(ca_params(&self.name), &self.key);
        let certificate = params
            .signed_by(&key, &issuer)
            .map_err(|error| format!("no certificate can be made: {error}"))?;
        Ok([
            (CERTIFICATE.to_owned(), certificate.pem().into_bytes()),
            (KEY.to_owned(), key.serialize_pem().into_bytes()),
            (BUNDLE.to_owned(), self.certificate.clone().into_bytes()),
        ]
        .into())
    }
}

fn no_key(error: rcgen::Error) -> String {
    format!("no key can be made: {error}")
}

/// Strict verifiers refuse a CA without these extensions.
fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

/// rcgen takes times of a crate that is not ours; its one constructor takes days.
fn set_validity(params: &mut CertificateParams, now: Timestamp, life: SignedDuration) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let moment = |at: Timestamp| {
        epoch + std::time::Duration::from_secs(u64::try_from(at.as_second()).unwrap_or_default())
    };
    params.not_before = moment(now - LEEWAY);
    params.not_after = moment(now + life);
}

/// When the certificate is due, or why it must be made anew now.
fn renewal(data: &Data, ca: &Ca, hosts: &[String], now: Timestamp) -> Result<Timestamp, &'static str> {
    if text(data, BUNDLE).as_deref() != Some(&ca.certificate) {
        return Err("the CA is another");
    }
    let unreadable = "it cannot be read";
    let pem = text(data, CERTIFICATE).ok_or(unreadable)?;
    let key = text(data, KEY)
        .and_then(|key| KeyPair::from_pem(&key).ok())
        .ok_or(unreadable)?;
    let leaf_der = der(&pem).ok_or(unreadable)?;
    let (_, leaf) = X509Certificate::from_der(&leaf_der).map_err(|_| unreadable)?;
    let ca_der = der(&ca.certificate).ok_or("the CA cannot be read")?;
    let (_, authority) = X509Certificate::from_der(&ca_der).map_err(|_| "the CA cannot be read")?;
    if !is_key_of(&leaf, &key) {
        return Err("key and certificate do not belong together");
    }
    if leaf.issuer() != authority.subject() || authority_key(&leaf) != subject_key(&authority) {
        return Err("the CA is another");
    }
    let mut named = names_of(&leaf);
    let mut wanted = hosts.to_vec();
    named.sort();
    wanted.sort();
    if named != wanted {
        return Err("the names are others");
    }
    let at = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp()).ok();
    let (Some(begin), Some(end)) = (at(leaf.validity().not_before), at(leaf.validity().not_after)) else {
        return Err(unreadable);
    };
    let due = begin + end.duration_since(begin) * 2 / 3;
    if now >= due || now < begin {
        return Err("two thirds of its life are over");
    }
    Ok(due)
}

fn text(data: &Data, key: &str) -> Option<String> {
    String::from_utf8(data.get(key)?.clone()).ok()
}

fn der(pem: &str) -> Option<Vec<u8>> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok()?;
    Some(pem.contents)
}

fn is_key_of(certificate: &X509Certificate<'_>, key: &KeyPair) -> bool {
    *certificate.public_key().subject_public_key.data == *key.public_key_raw()
}

fn names_of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    names
        .value
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(name) => (*name).to_owned(),
            GeneralName::IPAddress(bytes) => address(bytes),
            other => other.to_string(),
        })
        .collect()
}

fn address(bytes: &[u8]) -> String {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        std::net::Ipv4Addr::from(v4).to_string()
    } else if let Ok(v6) = <[u8; 16]>::try_from(bytes) {
        std::net::Ipv6Addr::from(v6).to_string()
    } else {
        String::new()
    }
}

fn subject_key<'a>(certificate: &'a X509Certificate<'a>) -> Option<&'a [u8]> {
    certificate
        .extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
            _ => None,
        })
}

fn authority_key<'a>(certificate: &'a X509Certificate<'a>) -> Option<&'a [u8]> {
    certificate
        .extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            release: "oidc".into(),
            namespace: "identity".into(),
            pod: "p".into(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    const NOW: i64 = 1_800_000_000;

    fn made() -> (Ca, Vec<String>, Data) {
        let ca = Ca::generate(&names(), at(NOW)).expect("a CA");
        let hosts = hosts(&names(), "https://login.example.com/realm");
        let data = ca.issue(&hosts, at(NOW)).expect("a leaf");
        (ca, hosts, data)
    }

    #[test]
    fn the_ca_has_what_strict_verifiers_ask_for() {
        let (ca, ..) = made();
        let der = der(&ca.certificate).expect("PEM");
        let (_, parsed) = X509Certificate::from_der(&der).expect("DER");
        assert!(parsed.is_ca());
        let usage = parsed.key_usage().expect("parses").expect("there");
        assert!(usage.critical && usage.value.key_cert_sign() && usage.value.crl_sign());
        assert!(!usage.value.digital_signature());
        assert!(subject_key(&parsed).is_some());
        assert_eq!(subject_key(&parsed), authority_key(&parsed));
        let life = parsed.validity().not_after.timestamp() - NOW;
        assert!(life > 3650 * 86400, "{life}");
    }

    #[test]
    fn the_leaf_is_for_issuer_and_service() {
        let (_, hosts, data) = made();
        assert_eq!(
            hosts,
            [
                "login.example.com",
                "oidc.identity.svc",
                "oidc.identity.svc.cluster.local",
                "oidc.identity"
            ]
        );
        let der = der(&text(&data, CERTIFICATE).expect("text")).expect("PEM");
        let (_, leaf) = X509Certificate::from_der(&der).expect("DER");
        assert_eq!(names_of(&leaf), hosts);
        assert!(!leaf.is_ca());
        let usage = leaf.extended_key_usage().expect("parses").expect("there");
        assert!(usage.value.server_auth);
        // Names of the default issuer are not listed twice.
        let own = super::hosts(&names(), "https://oidc.identity.svc.cluster.local");
        assert_eq!(own.len(), 3);
    }

    #[test]
    fn the_leaf_is_renewed_at_two_thirds_of_its_life_or_when_it_does_not_fit() {
        let (ca, hosts, data) = made();
        let due = renewal(&data, &ca, &hosts, at(NOW)).expect("good");
        let days = (due.as_second() - NOW) / 86400;
        assert!((59..=60).contains(&days), "{days}");
        assert!(renewal(&data, &ca, &hosts, due).is_err());
        assert_eq!(
            renewal(&data, &ca, &hosts[1..], at(NOW)),
            Err("the names are others")
        );
        let other = Ca::generate(&names(), at(NOW)).expect("a CA");
        assert_eq!(renewal(&data, &other, &hosts, at(NOW)), Err("the CA is another"));
        let mut moved = data.clone();
        moved.insert(BUNDLE.into(), other.certificate.clone().into_bytes());
        assert_eq!(
            renewal(&moved, &other, &hosts, at(NOW)),
            Err("the CA is another"),
            "names are equal, keys are not"
        );
        let mut mixed = data.clone();
        mixed.insert(KEY.into(), other.key.serialize_pem().into_bytes());
        assert!(renewal(&mixed, &ca, &hosts, at(NOW)).is_err());
        assert!(renewal(&Data::new(), &ca, &hosts, at(NOW)).is_err());
    }

    #[test]
    fn a_ca_read_back_goes_on_signing() {
        let (ca, hosts, _) = made();
        let again = Ca::read(&ca.to_data()).expect("readable");
        let data = again.issue(&hosts, at(NOW)).expect("a leaf");
        assert!(renewal(&data, &ca, &hosts, at(NOW)).is_ok());
        let mut broken = ca.to_data();
        broken.remove(KEY);
        assert!(Ca::read(&broken).is_err());
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
