//! The keys of clients that publish them (`jwksUri`): kept for each client, looked at again in the background, and
//! fetched on a request only when they are not known, too old, or lack the key that an assertion names; then at
//! most once a minute, whoever asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use oidc_crds::client::{Authentication, Client};
use oidc_crds::jwk::public::PublicKeys;
use oidc_protocol::client_auth::{Assertion, private_key};

use crate::app::App;
use crate::fetched::{Failure, Fetched, Pace};

const PACE: Pace = Pace {
    what: "the keys of a client (jwksUri)",
    again: 60,
    after_failure: 60,
};

/// From this age on they are fetched again in the background.
const STALE: SignedDuration = SignedDuration::from_mins(10);

/// At this age they are not used any more: a key that its owner withdrew must not live on because the host is away.
const SPOILT: SignedDuration = SignedDuration::from_hours(1);

type Kept = Arc<Fetched<PublicKeys>>;

/// By grantee and address: a client that changes its address starts anew. As many as there are clients at most.
#[derive(Default)]
pub struct ClientKeys(Mutex<HashMap<(String, String), Kept>>);

impl ClientKeys {
    /// The keys of a client for an assertion; `None`: they cannot be had, or the client publishes none.
    pub async fn get(
        &self,
        app: &App,
        client: &Client,
        assertion: &Assertion,
        now: Timestamp,
    ) -> Option<Arc<PublicKeys>> {
        let Authentication::KeysAt(uri) = client.authentication() else {
            return None;
        };
        let kept = self.entry(app, client.grantee(), uri);
        let fetch = || {
            let (document, uri) = (app.outbound.get(uri, &app.installation.load()), uri.clone());
            async move {
                let failed = |why: &dyn std::fmt::Display| Failure::Failed(format!("{uri}: {why}"));
                match document.await {
                    Ok(document) => PublicKeys::read(&document).map_err(|error| failed(&error)),
                    Err(Failure::Failed(why)) => Err(failed(&why)),
                    Err(Failure::Busy) => Err(Failure::Busy),
                }
            }
        };
        let is_good = |keys: &PublicKeys| !private_key::is_key_unknown(assertion, keys);
        match kept.load_since(now - SPOILT).filter(|keys| is_good(keys)) {
            Some(keys) => {
                if kept.load_since(now - STALE).is_none() {
                    kept.refresh_later(now, PACE, fetch());
                }
                Some(keys)
            }
            None => {
                kept.refresh(now, PACE, fetch()).await;
                kept.load_since(now - SPOILT)
            }
        }
    }

    fn entry(&self, app: &App, grantee: &str, uri: &str) -> Kept {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (grantee.to_owned(), uri.to_owned());
        if let Some(kept) = all.get(&key) {
            return kept.clone();
        }
        // those whose client is gone or has moved
        all.retain(|(grantee, uri), _| {
            let client = app.clients.by_grantee(grantee);
            client
                .is_some_and(|client| *client.authentication() == Authentication::KeysAt(uri.as_str().into()))
        });
        all.entry(key).or_default().clone()
    }
}
