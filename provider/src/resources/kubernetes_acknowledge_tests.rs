//! Stories of the Lease in which a pod says which key set it serves.

use oidc_crds::resources::signing_key::Phase;

use super::*;
use crate::app::Clock;

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

/// A clock that is set by hand.
struct Hand(Mutex<Timestamp>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

#[tokio::test]
async fn i3_what_the_pods_own_clock_lets_it_sign_with_is_not_said_to_sign_no_more() {
    let minute = NOW + jiff::SignedDuration::from_secs(60);
    let (mut set, next) = (key_set(), key_set());
    set.revision = 8;
    (set.keys[0].phase, set.keys[0].retires_at) = (Phase::Retiring, Some(minute));
    set.keys.extend(next.keys);
    set.keys[1].signs_from = Some(minute);
    let clock = Arc::new(Hand(Mutex::new(NOW)));
    let installation = Installation::standalone("http://localhost", false);
    let app = Arc::new(App {
        clock: clock.clone(),
        ..App::new(installation.clone(), Arc::new(MemoryStore::default()))
    });
    let offers = Offers {
        registration: false,
        metrics: false,
    };
    app.keys
        .publish(Prepared::build(&set, &installation, offers).unwrap());
    let api = Arc::new(Api::default());
    let leases = kube::Api::namespaced(api.client(), "idp");
    let mut acknowledger = Acknowledger::new(app.clone(), leases, "oidc".to_owned(), pod());
    acknowledger.check = Duration::from_millis(5);
    let (written, acknowledged) = watch::channel(false);
    tokio::spawn(acknowledger.run(written));
    // It is counted, and holds the removal of the old key up.
    until("it has a Lease", || *acknowledged.borrow()).await;
    let word = set.acknowledgement();
    assert_eq!(api.acknowledged(), Some(format!("{word}-retiring")));
    *clock.0.lock().unwrap() = minute;
    until("it is acknowledged", || api.acknowledged() == Some(word.clone())).await;

    // Once it has said something, it says the same until then.
    *clock.0.lock().unwrap() = NOW;
    set.revision = 9;
    let keys = Prepared::build(&set, &installation, offers).unwrap();
    app.keys.publish(keys);
    api.delete(LEASES, "oidc-provider-0");
    until("its Lease is mended", || api.acknowledged().is_some()).await;
    assert_eq!(api.acknowledged(), Some(word));
    *clock.0.lock().unwrap() = minute;
    until("the next is acknowledged", || {
        api.acknowledged() == Some(set.acknowledgement())
    })
    .await;
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
