//! Stories of the Lease in which a pod says which key set it serves.

use super::*;

#[tokio::test]
async fn a_pod_acknowledges_what_is_in_force_before_it_is_ready() {
    let (api, app) = start();
    api.refused.lock().unwrap().insert(LEASES.to_owned());
    api.put(SECRETS, secret("oidc-tls", &certificate()));
    until("its word is refused", || {
        app.metrics
            .encode(None)
            .lines()
            .any(|line| line == "oidc_acknowledgement_failures_total 2")
    })
    .await;
    assert!(app.clients.get("a.one").is_some(), "everything was read");
    assert!(!app.readiness.is_ready() && api.lease().is_none());
    let served = || app.keys.load().unwrap().keys.acknowledgement().to_owned();

    api.refused.lock().unwrap().clear();
    until("it is ready", || app.readiness.is_ready()).await;
    let lease = api.lease().unwrap();
    assert_eq!(api.acknowledged(), Some(served()));
    let metadata = &lease["metadata"];
    assert_eq!(metadata["name"], "oidc-provider-0");
    assert_eq!(metadata["labels"]["app.kubernetes.io/instance"], "oidc");
    assert_eq!(metadata["labels"]["app.kubernetes.io/component"], "provider");
    let owner = &metadata["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["uid"]),
        (&json!("Pod"), &json!("uid-of-the-pod"))
    );
    assert!(owner.get("blockOwnerDeletion").is_none());
}

#[tokio::test]
async fn i3_the_keys_are_read_again_once_the_pod_is_counted() {
    let (api, app) = start();
    api.refused.lock().unwrap().insert(LEASES.to_owned());
    api.put(SECRETS, secret("oidc-tls", &certificate()));
    until("the first set is in force", || app.keys.load().is_some()).await;
    // its watch does not tell of the next one, as one that is cut off
    let mut next = key_set();
    next.revision = 9;
    api.put_silently(SECRETS, secret("oidc-key-set", &next.to_data()));
    api.refused.lock().unwrap().clear();
    until("it is ready", || app.readiness.is_ready()).await;
    assert_eq!(
        app.keys.load().unwrap().keys.acknowledgement(),
        next.acknowledgement()
    );
    until("it is acknowledged too", || {
        api.acknowledged() == Some(next.acknowledgement())
    })
    .await;
}

#[tokio::test]
async fn i3_each_set_is_acknowledged_once_it_is_in_force_and_what_is_not_never() {
    let (api, app) = start();
    api.put(SECRETS, secret("oidc-tls", &certificate()));
    until("it is ready", || app.readiness.is_ready()).await;
    let first = api.acknowledged().unwrap();

    let mut broken = key_set();
    broken.revision = 8;
    broken.keys[0].algorithm = Algorithm::ES384;
    api.put(SECRETS, secret("oidc-key-set", &broken.to_data()));
    until("the last good one stays in force", || {
        app.metrics
            .encode(None)
            .lines()
            .any(|line| line == r#"oidc_last_good_in_force{object="key-set"} 1"#)
    })
    .await;
    assert_eq!(api.acknowledged(), Some(first));

    let mut next = key_set();
    next.revision = 9;
    api.put(SECRETS, secret("oidc-key-set", &next.to_data()));
    until("the next one is acknowledged", || {
        api.acknowledged() == Some(next.acknowledgement())
    })
    .await;
    assert_eq!(
        app.keys.load().unwrap().keys.acknowledgement(),
        next.acknowledgement()
    );
}

#[tokio::test]
async fn a_lease_that_was_deleted_or_edited_is_mended() {
    let (api, app) = (Arc::new(Api::default()), serving());
    let leases = kube::Api::namespaced(api.client(), "idp");
    let mut acknowledger = Acknowledger::new(app.clone(), leases, "oidc".to_owned(), pod());
    acknowledger.check = Duration::from_millis(5);
    let (written, acknowledged) = watch::channel(false);
    tokio::spawn(acknowledger.run(written));
    until("it is acknowledged", || *acknowledged.borrow()).await;
    let word = api.acknowledged();
    assert_eq!(
        word.as_deref(),
        Some(app.keys.load().unwrap().keys.acknowledgement())
    );
    api.delete(LEASES, "oidc-provider-0");
    until("it is made anew", || api.acknowledged() == word).await;
    api.put(
        LEASES,
        json!({"metadata": {"name": "oidc-provider-0", "resourceVersion": "3"}}),
    );
    until("it is mended", || api.acknowledged() == word).await;
}
