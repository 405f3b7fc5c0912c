//! By what ServiceAccount tokens of the cluster are checked: its API server tells the issuer and the keys. They
//! are fetched in the background; a request asks for newer ones only when a token names a key that is not known,
//! at most once a minute.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Request;
use jiff::Timestamp;
use kube::Client;
use oidc_crds::jwk::public::PublicKeys;
use oidc_protocol::client_auth::service_account::ClusterIssuer;
use serde::Deserialize;

use crate::app::App;
use crate::fetched::{Failure, Fetched, Pace};

const PACE: Pace = Pace {
    what: "the issuer of the cluster's ServiceAccount tokens",
    again: 60,
    after_failure: 5,
};

/// How long a fetch may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often the background looks, when it knows something and when not.
const RELAXED: Duration = Duration::from_secs(600);
const EAGER: Duration = Duration::from_secs(15);

/// The issuer of the cluster that this process runs in, if it runs in one.
#[derive(Default)]
pub struct Cluster {
    client: OnceLock<Client>,
    issuer: Arc<Fetched<ClusterIssuer>>,
}

impl Cluster {
    /// From now on this API server is asked.
    pub fn connect(&self, client: Client) {
        let _ = self.client.set(client);
    }

    /// By what its API server is asked.
    #[must_use]
    pub fn client(&self) -> Option<&Client> {
        self.client.get()
    }

    /// What is known.
    #[must_use]
    pub fn issuer(&self) -> Option<Arc<ClusterIssuer>> {
        self.issuer.load()
    }

    /// Asks the API server, unless that was done a short while ago; waits at most 3 s.
    pub async fn refresh(&self, now: Timestamp) {
        if let Some(client) = self.client.get() {
            let client = client.clone();
            let fetching = async move { fetch(client).await.map_err(Failure::from) };
            self.issuer.refresh(now, PACE, fetching).await;
        }
    }
}

/// Keeps the issuer of an app's cluster known; never ends.
///
/// # Errors
/// Never.
pub async fn keep(app: Arc<App>) -> anyhow::Result<()> {
    loop {
        app.cluster.refresh(app.clock.now()).await;
        let known = app.cluster.issuer().is_some();
        tokio::time::sleep(if known { RELAXED } else { EAGER }).await;
    }
}

/// Every pod may read both documents by the ClusterRole `system:service-account-issuer-discovery`, which is bound
/// to all ServiceAccounts unless an administrator took it away.
async fn fetch(client: Client) -> Result<ClusterIssuer, String> {
    #[derive(Deserialize)]
    struct Discovery {
        issuer: String,
    }
    let read = async {
        let discovery = get(&client, "/.well-known/openid-configuration").await?;
        let Discovery { issuer } = serde_json::from_str(&discovery)
            .map_err(|_| "the discovery document names no issuer".to_owned())?;
        let jwks = get(&client, "/openid/v1/jwks").await?;
        let keys = PublicKeys::read(jwks.as_bytes()).map_err(|error| format!("/openid/v1/jwks: {error}"))?;
        Ok(ClusterIssuer { issuer, keys })
    };
    let late = |_| Err("the API server takes too long".to_owned());
    tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(late)
}

async fn get(client: &Client, path: &str) -> Result<String, String> {
    let request = Request::get(path)
        .body(Vec::new())
        .map_err(|error| error.to_string())?;
    client
        .request_text(request)
        .await
        .map_err(|error| format!("{path}: {error}"))
}
