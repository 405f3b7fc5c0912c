//! With which certificate a client authenticates (RFC 8705 §2).

use std::collections::BTreeSet;

use super::{Violations, authentication};
use crate::client::{Authentication, RegisteredCertificate};
use crate::distinguished_name::DistinguishedName;
use crate::encoding::from_base64url;
use crate::resources::oidc_client::{TlsAuthentication, Tokens};
use crate::resources::{Reason, limits};
use crate::secrets::installation::Installation;
use crate::validate::{text, uri};

pub(super) fn of(
    given: &TlsAuthentication,
    installation: &Installation,
    v: &mut Violations,
) -> RegisteredCertificate {
    let all = format!("{}.tls", authentication::FIELD);
    let field = |member: &str| format!("{all}.{member}");
    let nothing = RegisteredCertificate::Thumbprints(Box::default());
    let TlsAuthentication {
        subject_dn,
        san_dns,
        san_uri,
        san_ip,
        san_email,
        thumbprints,
        jwks,
    } = given;
    let registered = match (subject_dn, san_dns, san_uri, san_ip, san_email, thumbprints, jwks) {
        (Some(name), None, None, None, None, None, None) => {
            let parsed = text::at_most(name, limits::DISTINGUISHED_NAME);
            let parsed = parsed.and_then(|()| DistinguishedName::parse(name));
            let parsed = v.check(field("subjectDn"), name, parsed);
            parsed.map(RegisteredCertificate::Subject)
        }
        (None, Some(name), None, None, None, None, None) => {
            let parsed = v.check(field("sanDns"), name, dns(name));
            parsed.map(RegisteredCertificate::Dns)
        }
        (None, None, Some(name), None, None, None, None) => {
            let good = v.check(field("sanUri"), name, uri::audience(name));
            good.map(|()| RegisteredCertificate::Uri(name.as_str().into()))
        }
        (None, None, None, Some(address), None, None, None) => {
            let parsed = address.parse().map_err(|_| "is no IP address".to_owned());
            let parsed = v.check(field("sanIp"), address, parsed);
            parsed.map(RegisteredCertificate::Ip)
        }
        (None, None, None, None, Some(address), None, None) => {
            let parsed = v.check(field("sanEmail"), address, email(address));
            parsed.map(RegisteredCertificate::Email)
        }
        (None, None, None, None, None, Some(listed), None) => {
            Some(RegisteredCertificate::Thumbprints(thumbs(&all, listed, v)))
        }
        (None, None, None, None, None, None, Some(jwks)) => {
            let keys = authentication::keys(&field("jwks"), jwks, v);
            Some(RegisteredCertificate::Keys(keys))
        }
        _ => {
            v.invalid(
                &all,
                "needs exactly one of subjectDn, sanDns, sanUri, sanIp, sanEmail, thumbprints and jwks",
            );
            None
        }
    };
    let registered = registered.unwrap_or(nothing);
    possible(&all, &registered, installation, v);
    registered
}

/// Whether the installation takes such certificates.
fn possible(
    field: &str,
    registered: &RegisteredCertificate,
    installation: &Installation,
    v: &mut Violations,
) {
    let message = match &installation.mtls {
        None => {
            "needs an installation that takes client certificates: have it switched on (mtls.enabled), or authenticate otherwise"
        }
        Some(mtls) if registered.needs_ca() && mtls.ca.is_none() => {
            "needs an installation that names a CA for client certificates (mtls.ca): have one named, or use thumbprints or jwks"
        }
        Some(_) => return,
    };
    v.add(Reason::NotGranted, field, message);
}

/// Whether access tokens can be bound to certificates.
pub(super) fn bound(
    tokens: &Tokens,
    authentication: &Authentication,
    installation: &Installation,
    v: &mut Violations,
) {
    if tokens.certificate_bound != Some(true) {
        return;
    }
    let field = "spec.tokens.certificateBound";
    if installation.mtls.is_none() {
        let message =
            "needs an installation that takes client certificates: have it switched on (mtls.enabled)";
        v.add(Reason::NotGranted, field, message);
    }
    if *authentication == Authentication::None {
        // its refresh tokens would have to be bound, too (RFC 8705 §7.1)
        v.invalid(field, "is for clients that authenticate: this one is public");
    }
}

/// Names in certificates have no case (RFC 5280 §7.2); a wildcard is no name of a client.
fn dns(name: &str) -> Result<Box<str>, String> {
    let lower = name.to_ascii_lowercase();
    if text::is_dns_name(&lower) {
        Ok(lower.into())
    } else {
        Err("is no DNS name".to_owned())
    }
}

/// As they are compared (RFC 5280 §7.5): the part before the `@` exactly, the domain without case.
fn email(address: &str) -> Result<Box<str>, String> {
    let wrong = || "is no e-mail address".to_owned();
    let (local, domain) = address.rsplit_once('@').ok_or_else(wrong)?;
    let domain = dns(domain).map_err(|_| wrong())?;
    let plain = local.bytes().all(|b| b.is_ascii_graphic());
    if local.is_empty() || !plain || address.len() > limits::EMAIL {
        return Err(wrong());
    }
    Ok(format!("{local}@{domain}").into())
}

fn thumbs(all: &str, listed: &[String], v: &mut Violations) -> Box<[[u8; 32]]> {
    let field = format!("{all}.thumbprints");
    if listed.is_empty() || listed.len() > limits::CLIENT_KEYS {
        let message = format!(
            "has {} items, 1 to {} are allowed",
            listed.len(),
            limits::CLIENT_KEYS
        );
        v.invalid(&field, message);
    }
    let mut seen = BTreeSet::new();
    for (index, text) in listed.iter().enumerate().take(limits::CLIENT_KEYS) {
        let field = format!("{field}[{index}]");
        match thumbprint(text) {
            Some(digest) if seen.insert(digest) => {}
            Some(_) => v.invalid(field, "is there twice: remove it"),
            None => v.invalid(
                field,
                format!(
                    "{} is no SHA-256 thumbprint: see openssl x509 -noout -fingerprint -sha256",
                    text::quoted(text)
                ),
            ),
        }
    }
    seen.into_iter().collect()
}

fn thumbprint(text: &str) -> Option<[u8; 32]> {
    if text.len() == 43 {
        return from_base64url(text)?.as_slice().try_into().ok();
    }
    let pairs: Vec<&str> = if text.contains(':') {
        text.split(':').collect()
    } else {
        let pair = |at: usize| text.get(2 * at..2 * at + 2);
        (0..text.len().div_ceil(2)).map(pair).collect::<Option<_>>()?
    };
    let digits = |pair: &str| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
    let byte = |pair: &&str| u8::from_str_radix(pair, 16).ok().filter(|_| digits(pair));
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{installation, judge, object, with};
    use super::*;
    use crate::client::Client;
    use crate::jwk::PrivateJwk;
    use crate::names::Algorithm;
    use crate::validate::validate;

    fn by(tls: Value) -> Value {
        with(json!({"authentication": {"tls": tls}}))
    }

    fn registered(tls: Value) -> RegisteredCertificate {
        let client: Client = judge(by(tls)).unwrap();
        assert!(!client.is_public() && !client.has_secret());
        let Authentication::Certificate(registered) = client.authentication() else {
            panic!("{:?}", client.authentication());
        };
        RegisteredCertificate::clone(registered)
    }

    #[test]
    fn ca_05_each_way_to_name_a_certificate() {
        let subject = DistinguishedName::parse("CN=billing,O=Example").unwrap();
        let digest: [u8; 32] = std::array::from_fn(|index| index as u8);
        let hex = crate::encoding::hex(&digest);
        let colons: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let base64url = crate::encoding::base64url(&digest);
        for (tls, expected) in [
            (
                json!({"subjectDn": "cn=billing, o=Example"}),
                RegisteredCertificate::Subject(subject),
            ),
            (
                json!({"sanDns": "Billing.example.com"}),
                RegisteredCertificate::Dns("billing.example.com".into()),
            ),
            (
                json!({"sanUri": "spiffe://example.com/ns/a/sa/b"}),
                RegisteredCertificate::Uri("spiffe://example.com/ns/a/sa/b".into()),
            ),
            (
                json!({"sanIp": "2001:DB8:0::1"}),
                RegisteredCertificate::Ip("2001:db8::1".parse().unwrap()),
            ),
            (
                json!({"sanEmail": "Billing@Example.COM"}),
                RegisteredCertificate::Email("Billing@example.com".into()),
            ),
            (
                json!({"thumbprints": [hex]}),
                RegisteredCertificate::Thumbprints([digest].into()),
            ),
            (
                json!({"thumbprints": [colons.join(":")]}),
                RegisteredCertificate::Thumbprints([digest].into()),
            ),
            (
                json!({"thumbprints": [base64url]}),
                RegisteredCertificate::Thumbprints([digest].into()),
            ),
        ] {
            assert_eq!(registered(tls.clone()), expected, "{tls}");
            assert_eq!(
                expected.needs_ca(),
                tls.get("thumbprints").is_none(),
                "{}",
                expected.method()
            );
        }
        let key = PrivateJwk::generate(Algorithm::ES256, None).unwrap();
        let jwks = json!({"keys": [key.public().unwrap()]});
        assert!(!registered(json!({ "jwks": jwks })).needs_ca());
    }

    #[test]
    fn ca_05_what_is_wrong_is_named() {
        let private = json!({"keys": [PrivateJwk::generate(Algorithm::ES256, None).unwrap()]});
        for (tls, member, why) in [
            (json!({}), "", "exactly one of"),
            (json!({"sanDns": "a", "sanIp": "192.0.2.1"}), "", "exactly one of"),
            (json!({"subjectDn": "/CN=a"}), ".subjectDn", "not known"),
            (json!({"sanDns": "*.example.com"}), ".sanDns", "no DNS name"),
            (json!({"sanUri": "billing"}), ".sanUri", "`billing`"),
            (json!({"sanIp": "192.0.2.1/32"}), ".sanIp", "no IP address"),
            (json!({"sanEmail": "billing"}), ".sanEmail", "no e-mail"),
            (json!({"thumbprints": []}), ".thumbprints", "has 0 items"),
            (
                json!({"thumbprints": ["ab:cd"]}),
                ".thumbprints[0]",
                "no SHA-256 thumbprint",
            ),
            (
                json!({"thumbprints": ["+".repeat(64)]}),
                ".thumbprints[0]",
                "no SHA-256 thumbprint",
            ),
            (
                json!({"thumbprints": ["00".repeat(32), "A".repeat(43)]}),
                ".thumbprints[1]",
                "is there twice",
            ),
            (json!({"jwks": private}), ".jwks.keys[0]", "private member"),
        ] {
            let violations = judge(by(tls.clone())).unwrap_err();
            assert_eq!(violations.len(), 1, "{tls}: {violations:?}");
            let field = format!("spec.authentication.tls{member}");
            assert!(
                violations[0].field == field && violations[0].message.contains(why),
                "{tls}: {violations:?}"
            );
        }
    }

    #[test]
    fn mtls_01_tokens_are_bound_where_certificates_are_taken() {
        let bound = |authentication: Value| {
            object(with(
                json!({"authentication": authentication, "tokens": {"certificateBound": true}}),
            ))
        };
        let judged = validate(&bound(json!({"clientSecret": {}})), &installation(), None).unwrap();
        assert!(judged.certificate_bound());
        assert_eq!(
            installation().endpoints_of(&judged),
            "https://oidc.identity.svc.cluster.local:8443"
        );
        let plain = judge(with(json!({"tokens": {"certificateBound": false}}))).unwrap();
        assert!(!plain.certificate_bound());
        assert_eq!(installation().endpoints_of(&plain), installation().issuer);
        let without = Installation {
            mtls: None,
            ..installation()
        };
        for (authentication, installation, reason) in [
            (json!({"none": {}}), installation(), Reason::Invalid),
            (json!({"clientSecret": {}}), without, Reason::NotGranted),
        ] {
            let broken = validate(&bound(authentication), &installation, None).unwrap_err();
            assert_eq!(broken.len(), 1, "{broken:?}");
            assert!(
                broken[0].field == "spec.tokens.certificateBound" && broken[0].reason == reason,
                "{broken:?}"
            );
        }
    }

    #[test]
    fn ca_05_only_where_the_installation_takes_them() {
        let refused = |tls: Value, change: fn(&mut Installation)| {
            let mut installation = installation();
            change(&mut installation);
            let judged = validate(&object(by(tls)), &installation, None);
            judged
                .err()
                .map(|broken| (broken[0].reason, broken[0].message.clone()))
        };
        let without_ca = |installation: &mut Installation| {
            if let Some(mtls) = &mut installation.mtls {
                mtls.ca = None;
            }
        };
        let digest = "00".repeat(32);
        let told = refused(json!({"sanDns": "a.example"}), |it| it.mtls = None);
        assert!(matches!(told, Some((Reason::NotGranted, text)) if text.contains("mtls.enabled")));
        let told = refused(json!({"sanDns": "a.example"}), without_ca);
        assert!(matches!(told, Some((Reason::NotGranted, text)) if text.contains("mtls.ca")));
        assert_eq!(refused(json!({"thumbprints": [digest]}), without_ca), None);
    }
}
