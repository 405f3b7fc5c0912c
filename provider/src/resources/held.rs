//! [`Held`]: the installation's ConfigMap, its key set, key ring, pepper and certificate. A deleted or
//! unreadable one leaves the last good one in force, loudly; only a start without one is unready.

use std::collections::BTreeSet;
use std::sync::Arc;

use oidc_crds::seal::KeyRing;
use oidc_crds::secrets::Data;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::key_ring::KeyRingData;
use oidc_crds::secrets::key_set::KeySet;
use oidc_crds::secrets::pepper::Pepper;
use rustls::ServerConfig;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::app::App;
use crate::keys::Prepared;
use crate::tls;

/// What is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The ConfigMap that says what the installation is and grants.
    Installation,
    /// The signing keys.
    KeySet,
    /// What values are sealed under.
    KeyRing,
    /// What client secrets are digested under.
    Pepper,
    /// The certificate.
    Tls,
}

impl What {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Installation,
        Self::KeySet,
        Self::KeyRing,
        Self::Pepper,
        Self::Tls,
    ];

    /// The name in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Installation => "installation",
            Self::KeySet => "key-set",
            Self::KeyRing => "key-ring",
            Self::Pepper => "pepper",
            Self::Tls => "tls",
        }
    }
}

/// Puts settings and secrets in force.
pub struct Held {
    app: Arc<App>,
    certificate: watch::Sender<Option<Arc<ServerConfig>>>,
    keys: Option<KeySet>,
    good: BTreeSet<What>,
}

impl Held {
    /// Holds nothing yet. `certificate` is told each good certificate.
    #[must_use]
    pub fn new(app: Arc<App>, certificate: watch::Sender<Option<Arc<ServerConfig>>>) -> Self {
        Self {
            app,
            certificate,
            keys: None,
            good: BTreeSet::new(),
        }
    }

    /// Whether there is a good state of everything.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        What::ALL.into_iter().all(|what| self.good.contains(&what)) && self.app.keys.load().is_some()
    }

    /// Takes the present state of an object; `None`: there is none. Whether it is good.
    pub fn take(&mut self, what: What, data: Option<&Data>) -> bool {
        let taken = match data {
            Some(data) => self.accept(what, data),
            None => Err("it is not there".to_owned()),
        };
        let name = what.as_str();
        match taken {
            Ok(()) => {
                info!(what = name, "in force");
                self.app.metrics.last_good_in_force(name, false);
                self.good.insert(what);
                true
            }
            Err(reason) if self.good.contains(&what) => {
                self.app.metrics.last_good_in_force(name, true);
                error!(what = name, "the last good one stays in force: {reason}");
                false
            }
            Err(reason) => {
                warn!(what = name, "waiting: {reason}");
                false
            }
        }
    }

    fn accept(&mut self, what: What, data: &Data) -> Result<(), String> {
        match what {
            What::Installation => {
                let text = data
                    .get(Installation::DATA_KEY)
                    .ok_or_else(|| format!("{}: the data key is missing", Installation::DATA_KEY))?;
                let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
                let installation = Installation::parse(text).map_err(|error| error.to_string())?;
                self.app.installation.store(Arc::new(installation));
                self.good.insert(What::Installation);
                // the documents name the issuer
                if let Some(keys) = self.keys.take() {
                    if let Err(reason) = self.publish(&keys) {
                        error!(what = What::KeySet.as_str(), "{reason}");
                    }
                    self.keys = Some(keys);
                }
            }
            What::KeySet => {
                let keys = KeySet::from_data(data).map_err(|error| error.to_string())?;
                self.publish(&keys)?;
                self.keys = Some(keys);
            }
            What::KeyRing => {
                let ring = KeyRingData::from_data(data).map_err(|error| error.to_string())?;
                self.app.ring.store(Some(Arc::new(KeyRing::new(ring))));
            }
            What::Pepper => {
                let pepper = Pepper::from_data(data).map_err(|error| error.to_string())?;
                self.app.pepper.store(Some(Arc::new(pepper)));
            }
            What::Tls => {
                let config = tls::server_config(data).map_err(|error| error.to_string())?;
                self.certificate.send_replace(Some(Arc::new(config)));
            }
        }
        Ok(())
    }

    /// Nothing can be published before the issuer is known.
    fn publish(&self, keys: &KeySet) -> Result<(), String> {
        if self.good.contains(&What::Installation) {
            let installation = self.app.installation.load();
            let prepared = Prepared::build(keys, &installation, self.app.registrar.is_some());
            self.app
                .keys
                .publish(prepared.map_err(|error| error.to_string())?);
        }
        Ok(())
    }
}
