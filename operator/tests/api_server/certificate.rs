//! Clients with certificates: from `kubectl apply` to a token, without a secret.

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::harness::{SOON, World, wait};
use crate::pod::{Pod, Proxy};

const URI: &str = "spiffe://example.com/ns/team-a/sa/billing";

pub type Ca = CertifiedIssuer<'static, KeyPair>;

pub fn ca() -> Ca {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// A certificate for that name and its key, in PEM.
fn identity(issuer: &Ca) -> String {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(URI).expect("ASCII"))];
    signed(params, issuer)
}

/// The same for a subject, its most general part first.
fn identity_of(issuer: &Ca, subject: &[(DnType, &str)]) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in subject {
        params.distinguished_name.push(kind.clone(), *value);
    }
    signed(params, issuer)
}

fn signed(params: CertificateParams, issuer: &Ca) -> String {
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    certificate.pem() + &key.serialize_pem()
}

pub fn name(world: &World, ca: &Ca) {
    let file = world.file("ca.crt");
    std::fs::write(&file, ca.pem()).expect("written");
    let from = format!("--from-file=ca.crt={}", file.display());
    let made = [
        "create",
        "configmap",
        "client-ca",
        &from,
        "--dry-run=client",
        "-o",
        "yaml",
    ];
    world.apply(&world.kubectl(&made));
}

#[tokio::test]
async fn ca_05_a_client_is_known_by_its_certificate_and_has_no_secret() {
    let world = World::new(&["mtls.enabled=true", "mtls.ca.configMap=client-ca"]).await;
    let (first, second) = (ca(), ca());
    name(&world, &first);
    let _operator = world.operator("operator-0");
    let proxy = Proxy::start(&world);
    let pod = Pod::start(&world, "provider-0", &proxy).await;
    world.apply_client(
        "billing",
        &format!(
            "grantTypes: [authorization_code, client_credentials], authentication: {{tls: {{sanUri: \"{URI}\"}}}}"
        ),
    );
    let client = world.client_is("billing", "Ready", "True").await;
    assert!(client.status.unwrap().credentials.is_empty());
    let secret = world.secret_data("billing-oidc").await;
    assert!(!secret.contains_key("CLIENT_SECRET"));
    let issuer = format!("https://oidc.{}.svc.cluster.local", world.namespace);
    for (key, url) in [
        ("ISSUER_URL", issuer.clone()),
        ("AUTHORIZATION_URL", format!("{issuer}/authorize")),
        ("TOKEN_URL", format!("{issuer}:8443/token")),
        ("INTROSPECTION_URL", format!("{issuer}:8443/introspect")),
    ] {
        assert_eq!(String::from_utf8(secret[key].clone()).unwrap(), url);
    }

    let (good, other) = (identity(&first), identity(&second));
    let ask = async |identity: &str| pod.token_by_certificate(&world, &secret, identity).await.status();
    wait("the client gets a token", SOON, async || {
        (ask(&good).await == 200).then_some(())
    })
    .await;
    assert_eq!(ask(&other).await, 401);

    // another client is known by its subject: all of it, in its order
    world.apply_client(
        "payroll",
        r#"grantTypes: [authorization_code, client_credentials],
          authentication: {tls: {subjectDn: "CN=payroll,O=Example\\, Inc."}}"#,
    );
    world.client_is("payroll", "Ready", "True").await;
    let payroll = world.secret_data("payroll-oidc").await;
    let ask_by_subject = async |identity: &str| {
        pod.token_by_certificate(&world, &payroll, identity)
            .await
            .status()
    };
    let company = (DnType::OrganizationName, "Example, Inc.");
    let of = |name| (DnType::CommonName, name);
    let payrolls = identity_of(&first, &[company.clone(), of("payroll")]);
    wait("the client gets a token by its subject", SOON, async || {
        (ask_by_subject(&payrolls).await == 200).then_some(())
    })
    .await;
    for (issuer, subject) in [
        (&second, &[company.clone(), of("payroll")][..]),
        (&first, &[of("payroll"), company.clone()]),
        (&first, &[of("payroll")]),
        (&first, &[company.clone(), of("billing")]),
    ] {
        let identity = identity_of(issuer, subject);
        assert_eq!(ask_by_subject(&identity).await, 401, "{subject:?}");
    }
    // nor is either client the other
    assert_eq!(ask_by_subject(&good).await, 401);
    assert_eq!(ask(&payrolls).await, 401);

    // a CA that takes over is noticed
    name(&world, &second);
    wait("the new CA counts", SOON, async || {
        (ask(&other).await == 200).then_some(())
    })
    .await;
    assert_eq!(ask(&good).await, 401);
    // without it nobody is trusted
    world.kubectl(&["delete", "configmap", "client-ca", "-n", &world.namespace]);
    wait("trust is withdrawn", SOON, async || {
        (ask(&other).await == 401).then_some(())
    })
    .await;
    name(&world, &second);
    wait("the CA counts again", SOON, async || {
        (ask(&other).await == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn ca_05_without_the_listener_such_clients_are_refused_with_what_to_do() {
    let world = World::new(&[]).await;
    let _operator = world.operator("operator-0");
    world.apply_client("billing", "authentication: {tls: {sanDns: billing.example.com}}");
    let client = world.client_is("billing", "Accepted", "False").await;
    let told = &client.status.unwrap().conditions[0];
    assert!(
        told.reason == "NotGranted" && told.message.contains("mtls.enabled"),
        "{told:?}"
    );
    world.install(&["mtls.enabled=true"]);
    wait("the missing CA is told", SOON, async || {
        let client = world.clients().get("billing").await.ok()?;
        let told = client.status?.conditions.into_iter().next()?;
        told.message.contains("mtls.ca").then_some(())
    })
    .await;
}
