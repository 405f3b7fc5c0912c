//! Stories of a key set whose private keys are encrypted.

use oidc_crds::envelope::{DataKey, EnvelopeKeys};

use super::*;

fn kek(version: &str, seed: u64) -> Data {
    let key = DataKey::generate(&mut SeededRng::new(seed));
    Data::from([(version.to_owned(), key.as_bytes().to_vec())])
}

async fn sealed(set: &KeySet, kek: &Data) -> Data {
    let keys = EnvelopeKeys::from_data(kek).unwrap();
    set.seal("kek", &keys, &mut SeededRng::new(5)).await.unwrap()
}

fn with_envelope() -> Value {
    config_map_for("{watch: [a]}\nenvelope: {secretName: kek}")
}

fn revision(app: &App) -> Option<String> {
    let keys = app.keys.load();
    let word = keys.as_ref()?.keys.acknowledgement();
    Some(word.split_once('-')?.0.to_owned())
}

/// Whether the last good one of this object rules.
fn rules(app: &App, object: &str) -> bool {
    let line = format!("oidc_last_good_in_force{{object=\"{object}\"}} 1");
    app.metrics.encode(None).lines().any(|told| told == line)
}

#[tokio::test]
async fn i6_the_envelope_is_switched_on_and_off_while_a_pod_serves() {
    let (api, app) = start();
    api.put(SECRETS, secret("oidc-tls", &certificate()));
    until("it is ready", || app.readiness.is_ready()).await;
    let before = revision(&app);
    let next = KeySet {
        revision: 7,
        ..key_set()
    };
    // The set may come before the installation that names the Secret of its key.
    api.put(
        SECRETS,
        secret("oidc-key-set", &sealed(&next, &kek("v1", 1)).await),
    );
    until("the set waits", || rules(&app, "key-set")).await;
    assert_eq!(revision(&app), before);
    api.put(SECRETS, secret("kek", &kek("v1", 1)));
    api.put(CONFIG_MAPS, with_envelope());
    until("the set is in force", || revision(&app).as_deref() == Some("7")).await;
    until("and is acknowledged", || {
        api.acknowledged() == Some(next.acknowledgement())
    })
    .await;
    assert!(!rules(&app, "key-set"));

    // The key is lost: what was read stays.
    api.delete(SECRETS, "kek");
    until("the loss is told", || rules(&app, "envelope")).await;
    assert_eq!(revision(&app).as_deref(), Some("7"));
    let plain = KeySet { revision: 8, ..next };
    api.put(CONFIG_MAPS, config_map("[a]"));
    api.put(SECRETS, secret("oidc-key-set", &plain.to_data()));
    until("the plain set is in force", || {
        revision(&app).as_deref() == Some("8")
    })
    .await;
    assert!(app.readiness.is_ready());
}

#[tokio::test]
async fn i6_a_pod_that_starts_without_the_key_is_not_ready_until_it_is_there() {
    let (api, app) = start_with(&with_envelope(), &sealed(&key_set(), &kek("v1", 1)).await);
    api.put(SECRETS, secret("oidc-tls", &certificate()));
    until("the client is served", || app.clients.get("a.one").is_some()).await;
    api.put(SECRETS, secret("kek", &kek("v1", 2)));
    assert!(!app.readiness.is_ready() && app.keys.load().is_none());
    api.put(SECRETS, secret("kek", &kek("v1", 1)));
    until("it is ready", || app.readiness.is_ready()).await;
}
