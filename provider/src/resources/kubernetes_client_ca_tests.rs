//! Stories of the CAs of clients' certificates.

use oidc_crds::secrets::installation::ClientCa;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;

use super::*;

/// A CA, as its ConfigMap, and a certificate of it.
fn ca(name: &str) -> (Value, CertificateDer<'static>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let leaf = CertificateParams::default().signed_by(&KeyPair::generate().unwrap(), &issuer);
    (config(name, &issuer.pem()), leaf.unwrap().der().clone())
}

fn config(name: &str, pem: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "idp", "resourceVersion": "2"},
           "data": {ClientCa::DATA_KEY: pem}})
}

fn naming(ca: &str) -> Value {
    config_map_for(&format!(
        "{{watch: [a]}}\nmtls: {{url: 'https://oidc.example.com:8443', ca: {{configMap: {ca}}}}}"
    ))
}

/// Whether a certificate leads to a CA; `None`: they are not known yet.
fn leads(app: &App, leaf: &CertificateDer<'_>) -> Option<bool> {
    let authorities = app.authorities.load();
    Some(authorities.as_ref()?.judge(leaf, &[], NOW).is_ok())
}

/// Sees to it that what was told before was gone through.
async fn gone_through(api: &Api, app: &App, seed: u64) {
    let before = app.pepper.load_full();
    let pepper = Pepper::generate(NOW, &mut SeededRng::new(seed)).to_data();
    api.put(SECRETS, secret("oidc-pepper", &pepper));
    until("the pepper is read again", || {
        app.pepper.load_full().map(|p| Arc::as_ptr(&p)) != before.as_ref().map(Arc::as_ptr)
    })
    .await;
}

#[tokio::test]
async fn i10_trust_in_a_ca_is_withdrawn_while_pods_run() {
    let (api, app) = start_with(&naming("one"), &key_set().to_data());
    let (one, leaf) = ca("one");
    until("none is there", || leads(&app, &leaf) == Some(false)).await;
    for without in [
        None,
        Some(config("one", "")),
        Some(config("one", "-----BEGIN CERTIFICATE-----\nodd")),
    ] {
        api.put(CONFIG_MAPS, one.clone());
        until("it is trusted", || leads(&app, &leaf) == Some(true)).await;
        match without {
            None => api.delete(CONFIG_MAPS, "one"),
            Some(without) => api.put(CONFIG_MAPS, without),
        }
        until("it is trusted no more", || leads(&app, &leaf) == Some(false)).await;
    }
}

#[tokio::test]
async fn i10_a_ca_of_another_name_is_trusted_no_more_even_before_the_new_one_is_read() {
    let (api, app) = start_with(&naming("one"), &key_set().to_data());
    let ((one, first), (two, second)) = (ca("one"), ca("two"));
    api.put(CONFIG_MAPS, one.clone());
    until("it is trusted", || leads(&app, &first) == Some(true)).await;
    api.put_silently(CONFIG_MAPS, two);
    api.refused.lock().unwrap().insert(CONFIG_MAPS.to_owned());
    api.put(CONFIG_MAPS, naming("two"));
    until("no CA is known", || leads(&app, &first).is_none()).await;
    // the former object's watch goes on until the new one is listed, and is not listened to
    api.put(CONFIG_MAPS, one);
    gone_through(&api, &app, 7).await;
    assert_eq!(leads(&app, &first), None);
    api.refused.lock().unwrap().remove(CONFIG_MAPS);
    until("the new one is trusted", || leads(&app, &second) == Some(true)).await;
    assert_eq!(leads(&app, &first), Some(false));
}
