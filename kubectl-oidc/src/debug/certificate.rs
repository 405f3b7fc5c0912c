//! Whether a client that is known by its certificate (RFC 8705) can be: where certificates are asked for, and
//! whether a CA of the installation can have signed the registered name.

use std::net::IpAddr;

use oidc_crds::client::{Client, RegisteredCertificate};
use oidc_crds::resources::OidcClient;
use oidc_crds::secrets::installation::{ClientCa, MutualTls};
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::X509Certificate;

use super::line::Line;
use crate::access::Sight;

const CHECK: &str = "certificate";

/// The object that lists the CAs, for people; `namespace` is the installation's.
pub(super) fn object(ca: &ClientCa, namespace: &str) -> String {
    match ca {
        ClientCa::ConfigMap(name) => format!("the ConfigMap {namespace}/{name}"),
        ClientCa::ClusterTrustBundle(name) => format!("the ClusterTrustBundle {name}"),
    }
}

/// The check of a valid client; none if it authenticates otherwise. `listed` is what [`object`] holds of PEM text, as far
/// as it was looked at; `namespace` is the installation's.
pub(super) fn line(
    client: &Client,
    spec: &OidcClient,
    mtls: Option<&MutualTls>,
    namespace: &str,
    listed: Option<Sight<Option<String>>>,
) -> Option<Line> {
    let registered = client.certificate()?;
    let name = told(spec);
    let Some(mtls) = mtls else {
        let message = "the installation asks nobody for a certificate";
        let advice = "have it switched on (mtls.enabled), or authenticate otherwise";
        return Some(Line::failed(CHECK, message, advice));
    };
    let good = |by: String| Line::ok(CHECK, format!("{name}, shown at {}{by}", mtls.url));
    if !registered.needs_ca() {
        return Some(good(", whoever signed it".to_owned()));
    }
    let (Some(ca), Some(listed)) = (&mtls.ca, listed) else {
        let advice = "have one named (mtls.ca), or use thumbprints or jwks";
        return Some(Line::failed(CHECK, "the installation names no CA for it", advice));
    };
    let object = object(ca, namespace);
    let pem = match listed {
        Sight::Hidden(right) => return Some(Line::hidden(CHECK, &right)),
        Sight::Seen(None) => {
            let lacks = match ca {
                ClientCa::ConfigMap(_) => format!(" or has no {}", ClientCa::DATA_KEY),
                ClientCa::ClusterTrustBundle(_) => String::new(),
            };
            let message = format!("{object} is not there{lacks}");
            return Some(Line::failed(CHECK, message, "have the CA put there (mtls.ca)"));
        }
        Sight::Seen(Some(pem)) => pem,
    };
    let blocks: Vec<Pem> = Pem::iter_from_buffer(pem.as_bytes())
        .filter_map(Result::ok)
        .collect();
    let cas: Vec<X509Certificate<'_>> = blocks
        .iter()
        .filter_map(|block| block.parse_x509().ok())
        .collect();
    Some(if cas.is_empty() {
        let message = format!("{object} holds no certificate");
        Line::failed(CHECK, message, "have the CA put there as PEM (mtls.ca)")
    } else if cas.iter().all(|ca| forbids(ca, registered)) {
        let message = format!("no CA of {object} may sign {name}: their name constraints do not let them");
        Line::failed(
            CHECK,
            message,
            "name another, or have a CA added that may (mtls.ca)",
        )
    } else {
        good(format!(", signed by a CA of {object}"))
    })
}

/// What the certificate is known by, in the words of the spec.
fn told(object: &OidcClient) -> String {
    let authentication = object.spec.authentication.as_ref();
    let Some(tls) = authentication.and_then(|given| given.tls.as_ref()) else {
        return String::new();
    };
    let names = [
        ("subjectDn", &tls.subject_dn),
        ("sanDns", &tls.san_dns),
        ("sanUri", &tls.san_uri),
        ("sanIp", &tls.san_ip),
        ("sanEmail", &tls.san_email),
    ];
    let named = names
        .into_iter()
        .find_map(|(member, name)| Some(format!("{member} {}", name.as_ref()?)));
    named.unwrap_or_else(|| "one of the listed certificates or keys".to_owned())
}

/// Whether the CA's name constraints (RFC 5280 §4.2.1.10) rule the name out. Names other than of hosts and addresses
/// are left to the provider.
fn forbids(ca: &X509Certificate<'_>, registered: &RegisteredCertificate) -> bool {
    let Ok(Some(constraints)) = ca.name_constraints() else {
        return false;
    };
    // of this kind, and whether the name is in it
    let covers = |base: &GeneralName<'_>| match (registered, base) {
        (RegisteredCertificate::Dns(name), GeneralName::DNSName(base)) => Some(is_below(name, base)),
        (RegisteredCertificate::Ip(address), GeneralName::IPAddress(base)) => Some(is_in(*address, base)),
        _ => None,
    };
    let excluded = constraints.value.excluded_subtrees.iter().flatten();
    let permitted = constraints.value.permitted_subtrees.iter().flatten();
    let permitted: Vec<bool> = permitted.filter_map(|tree| covers(&tree.base)).collect();
    excluded
        .filter_map(|tree| covers(&tree.base))
        .any(|covered| covered)
        || !permitted.is_empty() && !permitted.contains(&true)
}

fn is_below(name: &str, base: &str) -> bool {
    let base = base.trim_start_matches('.').to_ascii_lowercase();
    let above = name.strip_suffix(base.as_str());
    base.is_empty() || above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

/// The address and its mask, one after the other.
fn is_in(address: IpAddr, base: &[u8]) -> bool {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let (network, mask) = base.split_at(base.len() / 2);
    let same = |((octet, network), mask): ((&u8, &u8), &u8)| octet & mask == network & mask;
    network.len() == octets.len() && octets.iter().zip(network).zip(mask).all(same)
}

#[cfg(test)]
mod tests {
    use oidc_crds::secrets::installation::Installation;
    use oidc_crds::validate::validate;
    use rcgen::{
        BasicConstraints, CertificateParams, CidrSubnet, GeneralSubtree, IsCa, KeyPair, NameConstraints,
    };
    use serde_json::{Value, json};

    use super::super::line::Outcome;
    use super::*;

    fn installation(ca: &str) -> Installation {
        Installation::parse(&format!(
            "release: oidc\nissuer: https://i.example\nclassName: oidc\ndefaultClass: true\njwksMaxAge: 300s\n\
             namespaces:\n  watch: [team]\nmtls:\n  url: https://i.example:8443\n{ca}"
        ))
        .unwrap()
    }

    const NAMED: &str = "  ca:\n    configMap: client-ca\n";

    fn client(tls: Value) -> OidcClient {
        serde_json::from_value(json!({
            "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient",
            "metadata": {
                "name": "app", "namespace": "team", "uid": "c1", "creationTimestamp": "2026-11-25T09:00:00Z",
            },
            "spec": {"grantTypes": ["client_credentials"], "authentication": tls},
        }))
        .unwrap()
    }

    fn checked(tls: Value, listed: Option<Sight<Option<String>>>) -> Option<Line> {
        let (object, installation) = (client(tls), installation(NAMED));
        let good = validate(&object, &installation, None).unwrap();
        line(&good, &object, installation.mtls.as_ref(), "idp", listed)
    }

    fn ca(permitted: Vec<GeneralSubtree>, excluded: Vec<GeneralSubtree>) -> String {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        if !(permitted.is_empty() && excluded.is_empty()) {
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: permitted,
                excluded_subtrees: excluded,
            });
        }
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().pem()
    }

    fn dns(name: &str) -> Value {
        json!({"tls": {"sanDns": name}})
    }

    #[test]
    fn only_clients_with_certificates_are_checked() {
        assert_eq!(checked(json!({"clientSecret": {}}), None), None);
        let thumbprint = json!({"tls": {"thumbprints": ["ab".repeat(32)]}});
        let line = checked(thumbprint, None).unwrap();
        assert!(
            line.outcome == Outcome::Ok
                && line
                    .message
                    .ends_with("https://i.example:8443, whoever signed it"),
            "{line:?}"
        );
    }

    #[test]
    fn the_ca_must_be_named_be_there_and_be_one() {
        let pem = ca(vec![], vec![]);
        for (listed, outcome, part) in [
            (None, Outcome::Failed, "names no CA"),
            (
                Some(Sight::Hidden("get it".to_owned())),
                Outcome::Unknown,
                "get it",
            ),
            (
                Some(Sight::Seen(None)),
                Outcome::Failed,
                "idp/client-ca is not there",
            ),
            (
                Some(Sight::Seen(Some("x".to_owned()))),
                Outcome::Failed,
                "holds no certificate",
            ),
            (
                Some(Sight::Seen(Some(pem))),
                Outcome::Ok,
                "sanDns a.example, shown at https://i.example:8443, signed by",
            ),
        ] {
            let line = checked(dns("a.example"), listed).unwrap();
            assert!(
                line.outcome == outcome && line.message.contains(part),
                "{part}: {line:?}"
            );
        }
        let (object, on) = (client(dns("a.example")), installation(NAMED));
        let good = validate(&object, &on, None).unwrap();
        let off = line(&good, &object, None, "idp", None).unwrap();
        assert!(off.advice.contains("mtls.enabled"), "{off:?}");
        let bundle = installation("  ca:\n    clusterTrustBundle: a:b:c\n");
        let gone = line(
            &good,
            &object,
            bundle.mtls.as_ref(),
            "idp",
            Some(Sight::Seen(None)),
        )
        .unwrap();
        assert_eq!(gone.message, "the ClusterTrustBundle a:b:c is not there");
        let names = [
            ClientCa::ConfigMap("client-ca".to_owned()),
            ClientCa::ClusterTrustBundle("a:b:c".to_owned()),
        ];
        assert_eq!(
            names.map(|ca| super::object(&ca, "idp")),
            ["the ConfigMap idp/client-ca", "the ClusterTrustBundle a:b:c"]
        );
    }

    #[test]
    fn a_name_that_no_ca_may_sign_is_told() {
        let zone = |name: &str| GeneralSubtree::DnsName(name.to_owned());
        let net = |text: &str| GeneralSubtree::IpAddress(text.parse::<CidrSubnet>().unwrap());
        let ours = ca(
            vec![zone("apps.example"), net("10.0.0.0/8")],
            vec![zone("old.apps.example")],
        );
        let judged = |tls: Value, pem: &str| {
            let line = checked(tls, Some(Sight::Seen(Some(pem.to_owned())))).unwrap();
            assert_eq!(
                line.outcome == Outcome::Failed,
                line.message.contains("name constraints"),
                "{line:?}"
            );
            line.outcome == Outcome::Ok
        };
        for (name, possible) in [
            ("apps.example", true),
            ("a.b.Apps.Example", true),
            ("myapps.example", false),
            ("other.example", false),
            ("x.old.apps.example", false),
        ] {
            assert_eq!(judged(dns(name), &ours), possible, "{name}");
        }
        for (address, possible) in [("10.1.2.3", true), ("11.1.2.3", false), ("2001:db8::1", false)] {
            assert_eq!(
                judged(json!({"tls": {"sanIp": address}}), &ours),
                possible,
                "{address}"
            );
        }
        // nothing is said of this kind of name
        assert!(judged(
            json!({"tls": {"sanUri": "spiffe://example.com/a"}}),
            &ours
        ));
        // another CA may
        assert!(judged(
            dns("other.example"),
            &format!("{ours}{}", ca(vec![], vec![]))
        ));
    }
}
