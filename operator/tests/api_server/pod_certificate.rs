//! A pod's certificate as a client's: the request of a kubelet is admitted by the API server, a signer answers it,
//! and what the pod's volume would hold is the credential. The API server of these tests has
//! PodCertificateRequests (`tests/run` switches them on); there is no kubelet, so the test writes what it writes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, SanType};
use serde_json::{Value, json};

use crate::certificate::{Ca, ca};
use crate::harness::{SOON, World, success, wait};
use crate::pod::{Pod, Proxy};

const SIGNER: &str = "clients.example.com/spiffe";

impl World {
    fn uid(&self, kind: &str, object: &str) -> String {
        self.kubectl(&[
            "get",
            kind,
            object,
            "-n",
            &self.namespace,
            "-o",
            "jsonpath={.metadata.uid}",
        ])
    }

    /// A pod of a node, whose volume asks for a certificate.
    fn schedule(&self, pod: &str, node: &str) {
        let manifest = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod},
            "spec": {
                "nodeName": node, "serviceAccountName": "default",
                "containers": [{"name": "app", "image": "none",
                    "volumeMounts": [{"name": "identity", "mountPath": "/var/run/identity"}]}],
                "volumes": [{"name": "identity", "projected": {"sources": [{"podCertificate": {
                    "signerName": SIGNER, "keyType": "ECDSAP256", "credentialBundlePath": "bundle.pem"}}]}}],
            },
        });
        self.apply(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}).to_string());
        self.apply(&manifest.to_string());
    }
}

/// As the kubelet of a node asks for a certificate of one of its pods.
fn ask(world: &World, pod: &str, node: &str, key: &KeyPair) -> String {
    let mut empty = CertificateParams::default();
    empty.distinguished_name = DistinguishedName::new();
    let csr = empty.serialize_request(key).expect("a request");
    let request = json!({
        "apiVersion": "certificates.k8s.io/v1beta1", "kind": "PodCertificateRequest",
        "metadata": {"name": format!("req-{pod}"), "namespace": world.namespace},
        "spec": {
            "signerName": SIGNER,
            "podName": pod, "podUID": world.uid("pod", pod),
            "serviceAccountName": "default", "serviceAccountUID": world.uid("serviceaccount", "default"),
            "nodeName": node, "nodeUID": world.kubectl(&["get", "node", node, "-o", "jsonpath={.metadata.uid}"]),
            "maxExpirationSeconds": 86400,
            "stubPKCS10Request": STANDARD.encode(csr.der()),
        },
    });
    let user = format!("--as=system:node:{node}");
    success(world.kubectl_with(
        &["create", "--as-group=system:nodes", &user, "-f", "-"],
        &request.to_string(),
    ));
    format!("req-{pod}")
}

/// As a signer answers: what the API server has checked becomes a name.
fn sign(world: &World, request: &str, ca: &Ca, key: &KeyPair) {
    let get = [
        "get",
        "podcertificaterequest",
        request,
        "-n",
        &world.namespace,
        "-o",
        "json",
    ];
    let mut object: Value = serde_json::from_str(&world.kubectl(&get)).expect("JSON");
    let account = object["spec"]["serviceAccountName"].as_str().expect("a name");
    let uri = format!("spiffe://cluster.local/ns/{}/sa/{account}", world.namespace);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri).expect("ASCII"))];
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let now = now();
    let at = |hours: i64| now + SignedDuration::from_hours(hours);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let moment = |at: Timestamp| epoch + std::time::Duration::from_secs(at.as_second().unsigned_abs());
    (params.not_before, params.not_after) = (moment(at(0)), moment(at(12)));
    let certificate = params.signed_by(key, ca).expect("a certificate");
    object["status"] = json!({
        "conditions": [{"type": "Issued", "status": "True", "reason": "Signed", "message": "signed",
            "lastTransitionTime": at(0).to_string()}],
        "certificateChain": certificate.pem(),
        "notBefore": at(0).to_string(), "beginRefreshAt": at(6).to_string(), "notAfter": at(12).to_string(),
    });
    success(world.kubectl_with(
        &["replace", "--subresource=status", "-f", "-"],
        &object.to_string(),
    ));
}

/// A minute ago, in whole seconds: the API server's clock may be behind.
#[expect(clippy::disallowed_methods, reason = "the API server goes by its own clock")]
fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() - 60).expect("a time")
}

#[tokio::test]
async fn ca_05_a_pod_is_a_client_by_the_certificate_in_its_volume() {
    let world = World::empty().await;
    let bundle = format!("clients.example.com:spiffe:{}", world.namespace);
    let setting = format!("mtls.ca.clusterTrustBundle={bundle}");
    world.install(&["mtls.enabled=true", &setting]);
    let (signer, node) = (ca(), format!("node-{}", world.namespace));
    let published = json!({
        "apiVersion": "certificates.k8s.io/v1beta1", "kind": "ClusterTrustBundle", "metadata": {"name": bundle},
        "spec": {"signerName": SIGNER, "trustBundle": signer.pem()},
    });
    world.apply(&published.to_string());
    let _operator = world.operator("operator-0");
    let proxy = Proxy::start(&world);
    let pod = Pod::start(&world, "provider-0", &proxy).await;
    let namespace = &world.namespace;
    world.apply_client(
        "reports",
        &format!(
            "grantTypes: [authorization_code, client_credentials], \
             authentication: {{tls: {{sanUri: \"spiffe://cluster.local/ns/{namespace}/sa/default\"}}}}"
        ),
    );
    world.client_is("reports", "Ready", "True").await;
    let secret = world.secret_data("reports-oidc").await;

    wait("the ServiceAccount", SOON, async || {
        let arguments = ["get", "serviceaccount", "-n", namespace, "-o", "name"];
        world
            .kubectl(&arguments)
            .contains("serviceaccount/default")
            .then_some(())
    })
    .await;
    world.schedule("reports", &node);
    let key = KeyPair::generate().expect("a key");
    let request = ask(&world, "reports", &node, &key);
    sign(&world, &request, &signer, &key);
    // what the kubelet writes to credentialBundlePath: the key, then the chain
    let path = [
        "get",
        "podcertificaterequest",
        &request,
        "-n",
        namespace,
        "-o",
        "jsonpath={.status.certificateChain}",
    ];
    let credential = key.serialize_pem() + &world.kubectl(&path);
    wait("the pod gets a token", SOON, async || {
        let answer = pod.token_by_certificate(&world, &secret, &credential).await;
        (answer.status() == 200).then_some(())
    })
    .await;
    for object in [
        format!("node/{node}"),
        format!("clustertrustbundle/{bundle}"),
        format!("clusterrole/{namespace}-oidc-provider-client-ca"),
        format!("clusterrolebinding/{namespace}-oidc-provider-client-ca"),
    ] {
        world.kubectl(&["delete", &object]);
    }
}
