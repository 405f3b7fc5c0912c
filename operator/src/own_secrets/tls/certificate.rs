//! What is read of certificates, and bundles of them.

use jiff::{SignedDuration, Timestamp};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// A certificate.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    /// As it was read.
    pub(super) pem: String,
    pub(super) der: Vec<u8>,
    pub(super) begin: Timestamp,
    pub(super) end: Timestamp,
    pub(super) is_ca: bool,
    /// DNS names and addresses that it is for.
    pub(super) names: Vec<String>,
    pub(super) common_name: Option<String>,
    pub(super) public_key: Vec<u8>,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    subject_key: Option<Vec<u8>>,
    authority_key: Option<Vec<u8>>,
}

impl Certificate {
    /// Reads the first certificate of a text.
    pub(super) fn read(pem: &str) -> Option<Self> {
        let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok()?;
        let (_, parsed) = X509Certificate::from_der(&block.contents).ok()?;
        // RFC 5280 §4.1.2.5: 99991231235959Z is "no end", and more than a Timestamp holds
        let at = |time: x509_parser::time::ASN1Time| {
            let limit = if time.timestamp() < 0 {
                Timestamp::MIN
            } else {
                Timestamp::MAX
            };
            Timestamp::from_second(time.timestamp()).unwrap_or(limit)
        };
        Some(Self {
            pem: pem.to_owned(),
            begin: at(parsed.validity().not_before),
            end: at(parsed.validity().not_after),
            is_ca: parsed.is_ca(),
            names: names(&parsed),
            common_name: common_name(&parsed),
            public_key: parsed.public_key().subject_public_key.data.to_vec(),
            subject: parsed.subject().as_raw().to_vec(),
            issuer: parsed.issuer().as_raw().to_vec(),
            subject_key: subject_key(&parsed),
            authority_key: authority_key(&parsed),
            der: block.contents.clone(),
        })
    }

    /// As a part of a bundle.
    pub(super) fn block(&self) -> String {
        format!("{}\n", self.pem.trim_end())
    }

    /// When it is renewed: at two thirds of its life.
    pub(super) fn due(&self) -> Timestamp {
        after(self.begin, self.end.duration_since(self.begin) * 2 / 3)
    }

    /// Whether this is the CA of another: CAs of one installation have one name, their keys differ.
    pub(super) fn issued(&self, other: &Self) -> bool {
        other.issuer == self.subject && other.authority_key == self.subject_key
    }
}

/// A moment later; at the limits of time that limit.
pub(super) fn after(time: Timestamp, wait: SignedDuration) -> Timestamp {
    let limit = if wait.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    time.checked_add(wait).unwrap_or(limit)
}

/// The certificates of a bundle; what is none is passed over.
pub(super) fn bundle(text: &str) -> Vec<Certificate> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find(BEGIN) {
        let Some(length) = rest[begin..].find(END) else {
            break;
        };
        let (block, after) = rest[begin..].split_at(length + END.len());
        found.extend(Certificate::read(&format!("{block}\n")));
        rest = after;
    }
    found
}

fn common_name(certificate: &X509Certificate<'_>) -> Option<String> {
    let name = certificate.subject().iter_common_name().next()?;
    name.as_str().ok().map(str::to_owned)
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = names.value.general_names.iter();
    names
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

fn subject_key(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    let mut extensions = certificate.extensions().iter();
    extensions.find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    })
}

fn authority_key(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    let mut extensions = certificate.extensions().iter();
    extensions.find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc5280_a_certificate_without_end_is_read() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(9999, 12, 31);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let read = Certificate::read(&pem).expect("readable");
        assert_eq!(read.end, Timestamp::MAX);
        assert!(read.due() > read.begin && read.due() < read.end);
        assert_eq!(after(read.end, SignedDuration::from_hours(1)), Timestamp::MAX);
        assert_eq!(
            after(Timestamp::MIN, -SignedDuration::from_hours(1)),
            Timestamp::MIN
        );
    }

    #[test]
    fn a_certificate_without_final_newline_is_joined_to_others() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::default();
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let read = Certificate::read(pem.trim_end()).expect("readable");
        assert_eq!(read.block(), pem);
        assert_eq!(bundle(&[read.block(), read.block()].concat()).len(), 2);
    }
}
