//! Clients that publish their keys (`jwksUri`): a real provider fetches them over https, where the installation
//! lets it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, PublicKeyData as _, SigningKey as _};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::harness::{SOON, World, condition, random, wait};
use crate::pod::{Pod, Proxy};

/// A host of this machine that publishes a document.
struct Host {
    port: u16,
    asked: Arc<AtomicUsize>,
    /// PEM.
    certificate: String,
}

impl Host {
    fn publish(document: &Value) -> Self {
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned()];
        let certificate = CertificateParams::new(names).expect("names").self_signed(&key);
        let certificate = certificate.expect("a certificate");
        let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private);
        let config = Arc::new(config.expect("a configuration"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = Self {
            port: listener.local_addr().expect("an address").port(),
            asked: Arc::default(),
            certificate: certificate.pem(),
        };
        let body = document.to_string();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let asked = host.asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = ServerConnection::new(config.clone()).expect("a server");
                let mut tls = StreamOwned::new(server, stream);
                let (mut request, mut byte) = (Vec::new(), [0]);
                while !request.ends_with(b"\r\n\r\n") && matches!(tls.read(&mut byte), Ok(1)) {
                    request.extend(byte);
                }
                if request.starts_with(b"GET /jwks ") {
                    asked.fetch_add(1, Ordering::SeqCst);
                    let _ = tls.write_all(answer.as_bytes());
                }
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        });
        host
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A JWT by which a client proves itself (RFC 7523 §3).
#[expect(
    clippy::disallowed_methods,
    reason = "the provider is a process and goes by the system's clock"
)]
fn assertion(world: &World, name: &str, key: &KeyPair) -> String {
    let now = jiff::Timestamp::now().as_second();
    let id = format!("{}.{name}", world.namespace);
    let claims = json!({
        "iss": id, "sub": id, "aud": format!("https://oidc.{}.svc.cluster.local", world.namespace),
        "iat": now, "exp": now + 60, "jti": random().to_string(),
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "EdDSA"})), part(&claims));
    let signature = key.sign(signed.as_bytes()).expect("a signature");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn ca_04_a_provider_fetches_the_keys_that_a_client_publishes() {
    let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let public = URL_SAFE_NO_PAD.encode(key.der_bytes());
    let host = Host::publish(&json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": public}]}));
    let world = World::new(&[]).await;
    let _operator = world.operator("op-0");
    world.key_is("main", "Ready", "True").await;
    let roots = world.file("roots.pem");
    fs::write(&roots, &host.certificate).expect("written");
    let proxy = Proxy::start(&world);
    let pod = Pod::start_with(&world, "oidc-provider-0", &proxy, &[("SSL_CERT_FILE", &roots)]).await;
    let apply = |name: &str| {
        world.apply(&format!(
            "{{apiVersion: oidc-operator.dev/v1alpha1, kind: OidcClient, metadata: {{name: {name}}}, spec: {{
              applicationType: service, grantTypes: [client_credentials], scopes: [openid], authentication:
              {{privateKeyJwt: {{jwksUri: \"https://localhost:{}/jwks\"}}}}}}}}\n",
            host.port
        ));
    };

    // By default from nowhere.
    apply("early");
    let early = world.client_is("early", "Accepted", "False").await;
    let conditions = early.status.expect("a status").conditions;
    assert_eq!(condition(&conditions, "Accepted").0, "NotGranted");

    // A host that is listed, at an address that is not.
    let hosts = "outbound.hosts={localhost}";
    world.install(&[hosts]);
    world.client_is("early", "Ready", "True").await;
    wait("the guard stops the fetch", SOON, async || {
        assert_eq!(pod.token_by_jwt(&assertion(&world, "early", &key)).await, 401);
        pod.has_said("is not public, and the installation does not list it")
            .then_some(())
    })
    .await;
    assert_eq!(host.asked(), 0, "nobody connected");

    // Both are listed. What was not fetched is not asked for again within a minute, so another client asks.
    world.install(&[
        hosts,
        "outbound.addresses={127.0.0.0/8,::1/128}",
        "jwks.maxAge=2s",
    ]);
    pod.caches_keys_for(2).await;
    apply("keyed");
    let keyed = world.client_is("keyed", "Ready", "True").await;
    assert!(
        keyed.status.expect("a status").credentials.is_empty(),
        "it has no secret"
    );
    wait("the client gets a token", SOON, async || {
        (pod.token_by_jwt(&assertion(&world, "keyed", &key)).await == 200).then_some(())
    })
    .await;
    assert_eq!(host.asked(), 1);
    // The keys are kept, and only their owner's JWTs are good.
    assert_eq!(pod.token_by_jwt(&assertion(&world, "keyed", &key)).await, 200);
    let stranger = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    assert_eq!(
        pod.token_by_jwt(&assertion(&world, "keyed", &stranger)).await,
        401
    );
    assert_eq!(host.asked(), 1);
}
