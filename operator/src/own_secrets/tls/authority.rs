//! A certificate authority: made, read, and what it issues.

use jiff::{SignedDuration, Timestamp};
use oidc_crds::secrets::Data;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

use super::certificate::{Certificate, after};
use super::{BUNDLE, CERTIFICATE, KEY, text};
use crate::context::Names;

const LIFE: SignedDuration = SignedDuration::from_hours(24 * 3652);
/// How long a certificate that it issues lives.
pub(super) const LEAF_LIFE: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Clocks of verifiers may be slow.
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);

/// The certificate authority.
pub(super) struct Ca {
    pub(super) certificate: Certificate,
    key: KeyPair,
    /// PEM.
    key_text: String,
    /// Its common name; a leaf must name it as its issuer.
    name: String,
}

impl Ca {
    pub(super) fn generate(names: &Names, now: Timestamp) -> Result<Self, String> {
        let name = format!("{} in {} (oidc-operator)", names.release, names.namespace);
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(no_key)?;
        let mut params = ca_params(&name);
        set_validity(&mut params, now, after(now, LIFE));
        let certificate = params
            .self_signed(&key)
            .map_err(|error| format!("no certificate can be made: {error}"))?
            .pem();
        Ok(Self {
            certificate: Certificate::read(&certificate).ok_or("the new certificate cannot be read")?,
            key_text: key.serialize_pem(),
            key,
            name,
        })
    }

    /// Reads one from under these two keys of a Secret.
    pub(super) fn read(data: &Data, [certificate, key]: [&str; 2]) -> Result<Self, String> {
        let certificate_text = text(data, certificate).ok_or(format!("it has no {certificate}"))?;
        let key_text = text(data, key).ok_or(format!("it has no {key}"))?;
        let pair = KeyPair::from_pem(&key_text).map_err(|_| format!("{key} is no private key"))?;
        let read = Certificate::read(&certificate_text);
        let read = read.ok_or(format!("{certificate} is no certificate"))?;
        if read.public_key != pair.public_key_raw() {
            return Err(format!("{certificate} and {key} do not belong together"));
        }
        let name = read.common_name.clone();
        Ok(Self {
            name: name.ok_or(format!("{certificate} has no common name"))?,
            certificate: read,
            key: pair,
            key_text,
        })
    }

    /// When it was made.
    pub(super) fn made(&self) -> Timestamp {
        after(self.certificate.begin, LEEWAY)
    }

    /// When another must be made: at two thirds of its life.
    pub(super) fn due(&self) -> Timestamp {
        self.certificate.due()
    }

    /// Puts it under these two keys of a Secret.
    pub(super) fn put(&self, data: &mut Data, [certificate, key]: [&str; 2]) {
        data.insert(certificate.to_owned(), self.certificate.pem.clone().into_bytes());
        data.insert(key.to_owned(), self.key_text.clone().into_bytes());
    }

    /// A new leaf for these names, with what its verifiers are told to trust; it ends with the CA.
    ///
    /// # Errors
    /// When none can be made that verifies against the CA.
    pub(super) fn issue(&self, hosts: &[String], now: Timestamp) -> Result<Data, String> {
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
        let end = after(now, LEAF_LIFE).min(self.certificate.end);
        set_validity(&mut params, now, end);
        let issuer = Issuer::new(ca_params(&self.name), &self.key);
        let certificate = params
            .signed_by(&key, &issuer)
            .map_err(|error| format!("no certificate can be made: {error}"))?;
        // one that somebody else made may have another kind of name or key identifier
        let made = Certificate::read(&certificate.pem()).filter(|made| self.certificate.issued(made));
        if made.is_none() {
            return Err(format!(
                "what it signs does not verify against it: a CA here has a subject of one CN, in UTF-8, and a \
                 subject key identifier that is the SHA-256 of its key, cut to 20 bytes; for your own, name a \
                 certificate in tls.secretName; or delete it, and one is made (its subject: {})",
                self.name
            ));
        }
        Ok([
            (CERTIFICATE.to_owned(), certificate.pem().into_bytes()),
            (KEY.to_owned(), key.serialize_pem().into_bytes()),
            (BUNDLE.to_owned(), self.certificate.block().into_bytes()),
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
fn set_validity(params: &mut CertificateParams, now: Timestamp, end: Timestamp) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let moment = |at: Timestamp| {
        epoch + std::time::Duration::from_secs(u64::try_from(at.as_second()).unwrap_or_default())
    };
    params.not_before = moment(after(now, -LEEWAY));
    params.not_after = moment(end);
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;
    use crate::own_secrets::tls::{SIGNS, hosts};

    fn names() -> Names {
        Names {
            release: "oidc".into(),
            namespace: "identity".into(),
            pod: "p".into(),
        }
    }

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    #[test]
    fn the_ca_has_what_strict_verifiers_ask_for() {
        let ca = Ca::generate(&names(), NOW).expect("a CA");
        let (_, parsed) = X509Certificate::from_der(&ca.certificate.der).expect("DER");
        assert!(parsed.is_ca() && ca.certificate.is_ca);
        let usage = parsed.key_usage().expect("parses").expect("there");
        assert!(usage.critical && usage.value.key_cert_sign() && usage.value.crl_sign());
        assert!(!usage.value.digital_signature());
        assert!(ca.certificate.issued(&ca.certificate), "its own key is named");
        let life = ca.certificate.end.duration_since(NOW).as_hours() / 24;
        assert!(life > 3650, "{life}");
        assert_eq!(ca.made(), NOW);
    }

    #[test]
    fn the_leaf_is_for_issuer_and_service() {
        let ca = Ca::generate(&names(), NOW).expect("a CA");
        let hosts = hosts(&names(), "https://login.example.com/realm", None);
        let data = ca.issue(&hosts, NOW).expect("a leaf");
        let leaf = Certificate::read(&text(&data, CERTIFICATE).expect("text")).expect("a certificate");
        assert_eq!(leaf.names, hosts);
        assert!(!leaf.is_ca && ca.certificate.issued(&leaf));
        let (_, parsed) = X509Certificate::from_der(&leaf.der).expect("DER");
        let usage = parsed.extended_key_usage().expect("parses").expect("there");
        assert!(usage.value.server_auth);
        let other = Ca::generate(&names(), NOW).expect("a CA");
        assert!(!other.certificate.issued(&leaf), "names are equal, keys are not");
    }

    #[test]
    fn a_ca_read_back_goes_on_signing() {
        let ca = Ca::generate(&names(), NOW).expect("a CA");
        let mut data = Data::new();
        ca.put(&mut data, SIGNS);
        let again = Ca::read(&data, SIGNS).expect("readable");
        let leaf = again.issue(&["a.example".to_owned()], NOW).expect("a leaf");
        let leaf = Certificate::read(&text(&leaf, CERTIFICATE).expect("text")).expect("a certificate");
        assert!(ca.certificate.issued(&leaf));
        let mut broken = data.clone();
        broken.remove(KEY);
        assert!(Ca::read(&broken, SIGNS).is_err());
        let mut mixed = data;
        let other = Ca::generate(&names(), NOW).expect("a CA");
        mixed.insert(KEY.to_owned(), other.key_text.into_bytes());
        let told = Ca::read(&mixed, SIGNS).err().expect("an error");
        assert!(told.contains("do not belong together"), "{told}");
    }
}
