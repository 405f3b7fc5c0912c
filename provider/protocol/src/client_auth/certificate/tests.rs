use std::net::Ipv6Addr;

use jiff::SignedDuration;
use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};
use serde_json::{Value, json};

use super::*;
use crate::error::ErrorCode;
use crate::testing::{NOW, client_with};

/// A certificate of a key with everything that one may be known by.
fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CountryName, "DE");
    let inc = DnValue::PrintableString("Example, Inc.".try_into().unwrap());
    params.distinguished_name.push(DnType::OrganizationName, inc);
    params.distinguished_name.push(DnType::CommonName, "billing");
    let ia5 = |text: &str| Ia5String::try_from(text).unwrap();
    params.subject_alt_names = vec![
        SanType::DnsName(ia5("Billing.Example.com")),
        SanType::DnsName(ia5("*.wild.example.com")),
        SanType::URI(ia5("spiffe://example.com/ns/team-a/sa/billing")),
        SanType::IpAddress("192.0.2.7".parse().unwrap()),
        SanType::IpAddress(Ipv6Addr::LOCALHOST.into()),
        SanType::Rfc822Name(ia5("Billing@Example.com")),
    ];
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(2026, 1, 1), rcgen::date_time_ymd(2028, 1, 1));
    params
}

fn key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

fn certificate() -> Certificate {
    Certificate::read(params().self_signed(&key()).unwrap().der()).unwrap()
}

fn attempt(
    tls: Value,
    certificate: Option<&Certificate>,
    chain: Result<(), Cow<'static, str>>,
    now: Timestamp,
) -> Result<AuthenticatedClient, OAuthError> {
    let client = client_with(json!({"authentication": {"tls": tls}}));
    let shown = certificate.map(|certificate| Shown { certificate, chain });
    authenticate(&client, client.certificate().unwrap(), Ok(shown), now)
}

fn is_taken(tls: Value, certificate: &Certificate) -> bool {
    attempt(tls, Some(certificate), Ok(()), NOW).is_ok()
}

#[test]
fn ca_05_a_client_is_known_by_one_name_of_its_certificate() {
    let certificate = certificate();
    for tls in [
        json!({"subjectDn": "CN=billing,O=Example\\, Inc.,C=DE"}),
        json!({"subjectDn": "cn=billing, o=Example\\2c Inc., c=DE"}),
        json!({"sanDns": "billing.example.com"}),
        json!({"sanUri": "spiffe://example.com/ns/team-a/sa/billing"}),
        json!({"sanIp": "192.0.2.7"}),
        json!({"sanIp": "0:0:0:0:0:0:0:1"}),
        json!({"sanEmail": "Billing@EXAMPLE.com"}),
    ] {
        assert!(is_taken(tls.clone(), &certificate), "{tls}");
    }
    for tls in [
        json!({"subjectDn": "CN=billing"}),
        json!({"subjectDn": "C=DE,O=Example\\, Inc.,CN=billing"}),
        json!({"subjectDn": "CN=Billing,O=Example\\, Inc.,C=DE"}),
        json!({"sanDns": "example.com"}),
        json!({"sanDns": "a.wild.example.com"}),
        json!({"sanUri": "spiffe://example.com/ns/team-a/sa/billing/"}),
        json!({"sanUri": "spiffe://example.com/ns/team-a/sa/Billing"}),
        json!({"sanIp": "192.0.2.70"}),
        json!({"sanIp": "::ffff:192.0.2.7"}),
        json!({"sanEmail": "billing@example.com"}),
        // a name of one kind is none of another
        json!({"sanDns": "192.0.2.7"}),
        json!({"sanUri": "dns:billing.example.com"}),
        json!({"thumbprints": ["00".repeat(32)]}),
    ] {
        assert!(!is_taken(tls.clone(), &certificate), "{tls}");
    }
}

#[test]
fn ca_05_a_self_signed_certificate_is_known_by_thumbprint_or_key() {
    let certificate = certificate();
    let foreign = || Err(Cow::Borrowed("it leads to no CA"));
    let tls = json!({"thumbprints": [certificate.thumbprint()]});
    assert!(attempt(tls, Some(&certificate), foreign(), NOW).is_ok());

    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
    ] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let own = Certificate::read(params().self_signed(&key).unwrap().der()).unwrap();
        let raw = key.public_key_raw();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = match raw.len() {
            32 => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(raw)}),
            length => {
                let crv = if length == 65 { "P-256" } else { "P-384" };
                let (x, y) = raw[1..].split_at(length / 2);
                json!({"kty": "EC", "crv": crv, "x": encode(x), "y": encode(y)})
            }
        };
        let tls = json!({"jwks": {"keys": [jwk]}});
        assert!(attempt(tls.clone(), Some(&own), foreign(), NOW).is_ok(), "{tls}");
        assert!(!is_taken(tls, &certificate));
    }
}

/// The same point on another curve, or under a generator of one's own, is a key that anybody can make.
#[test]
fn ca_05_a_key_is_of_its_named_curve() {
    let key = key();
    let der = params().self_signed(&key).unwrap().der().to_vec();
    let (x, y) = key.public_key_raw()[1..].split_at(32);
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let tls = json!({"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)}]}});
    assert!(is_taken(tls.clone(), &Certificate::read(&der).unwrap()));
    let curve = [0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    let at = der
        .windows(curve.len())
        .position(|window| window == curve)
        .unwrap();
    let mut other = der;
    other[at + curve.len() - 1] = 6;
    assert!(!is_taken(tls, &Certificate::read(&other).unwrap()));
}

#[test]
fn ca_05_an_unreadable_certificate_is_told_as_such() {
    let client = client_with(json!({"authentication": {"tls": {"sanDns": "billing.example.com"}}}));
    let registered = client.certificate().unwrap();
    let error = authenticate(&client, registered, Err("Client-Cert is there twice"), NOW).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidClient);
    let cause = error.cause.unwrap();
    assert!(
        cause.contains("cannot be read: Client-Cert is there twice"),
        "{cause}"
    );
}

#[test]
fn ca_05_rsa_keys_are_compared_too() {
    use oidc_crds::names::Algorithm;
    let jwk = crate::testing::jwk(Algorithm::RS256, 0);
    let pkcs8 = jwk.to_pkcs8().unwrap();
    let key = KeyPair::try_from(&pkcs8[..]).unwrap();
    let own = Certificate::read(params().self_signed(&key).unwrap().der()).unwrap();
    assert!(is_taken(json!({"jwks": {"keys": [jwk.public().unwrap()]}}), &own));
    let other = crate::testing::jwk(Algorithm::RS256, 1).public().unwrap();
    assert!(!is_taken(json!({"jwks": {"keys": [other]}}), &own));
}

#[test]
fn ca_02_ca_05_whatever_is_wrong_with_a_certificate_looks_alike() {
    let certificate = certificate();
    let good = json!({"sanDns": "billing.example.com"});
    let years = |years: i64| NOW + SignedDuration::from_hours(24 * 365 * years);
    let answers = [
        (attempt(good.clone(), None, Ok(()), NOW), "showed no certificate"),
        (
            attempt(json!({"sanDns": "a.example"}), Some(&certificate), Ok(()), NOW),
            "not the registered one",
        ),
        (
            attempt(
                good.clone(),
                Some(&certificate),
                Err("it leads to no CA".into()),
                NOW,
            ),
            "leads to no CA",
        ),
        (
            attempt(good.clone(), Some(&certificate), Ok(()), years(2)),
            "has expired",
        ),
        (
            attempt(good, Some(&certificate), Ok(()), years(-2)),
            "not good yet",
        ),
        (
            attempt(
                json!({"thumbprints": [certificate.thumbprint()]}),
                Some(&certificate),
                Ok(()),
                years(2),
            ),
            "has expired",
        ),
    ];
    let secret = super::super::authenticate(
        None,
        &super::super::Presented::read(None, &crate::params::Params::parse(b"client_id=nobody").unwrap())
            .unwrap(),
        &oidc_crds::secrets::pepper::Pepper::generate(NOW, &mut oidc_crds::testing::SeededRng::new(1)),
        NOW,
    );
    let unknown = OAuthError {
        cause: None,
        ..secret.unwrap_err()
    };
    for (answer, why) in answers {
        let mut error = answer.unwrap_err();
        let cause = error.cause.take().unwrap();
        assert!(cause.contains(why), "{why}: {cause}");
        assert_eq!(error.code, ErrorCode::InvalidClient);
        assert_eq!(error, unknown);
    }
}

#[test]
fn ca_05_what_is_no_certificate_is_refused() {
    let der = params().self_signed(&key()).unwrap().der().to_vec();
    assert!(Certificate::read(&der).is_ok());
    let longer = [&der[..], &[0]].concat();
    for odd in [
        &b""[..],
        b"-----BEGIN CERTIFICATE-----",
        &der[..der.len() - 1],
        &longer,
    ] {
        assert!(Certificate::read(odd).is_err());
    }
}
