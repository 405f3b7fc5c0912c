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
use crate::keys::{Offers, Prepared};
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
        let taken = self.tell(what, taken);
        if taken && what == What::Installation {
            self.publish_anew();
        }
        taken
    }

    /// Notes and tells what became of an object. Whether it is in force.
    fn tell(&mut self, what: What, taken: Result<(), String>) -> bool {
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
                let read = Installation::read(text).map_err(|error| error.to_string())?;
                if let Some(unknown) = read.warning() {
                    warn!(
                        unknown,
                        "the installation's ConfigMap says what this version does not know"
                    );
                }
                self.app.installation.store(Arc::new(read.value));
            }
            What::KeySet => {
                let keys = KeySet::from_data(data).map_err(|error| error.to_string())?;
                if self.good.contains(&What::Installation) {
                    self.publish(&keys)?;
                    self.keys = Some(keys);
                } else {
                    self.keys = Some(keys);
                    return Err("it is for the installation's ConfigMap to say the issuer".to_owned());
                }
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

    /// The documents name the issuer: with another installation they are made anew, and with the first one
    /// the keys that came before it are looked at.
    fn publish_anew(&mut self) {
        if let Some(keys) = self.keys.take() {
            let published = self.publish(&keys);
            self.tell(What::KeySet, published);
            self.keys = Some(keys);
        }
    }

    fn publish(&self, keys: &KeySet) -> Result<(), String> {
        let installation = self.app.installation.load();
        let prepared = Prepared::build(
            keys,
            &installation,
            Offers {
                registration: self.app.registrar.is_some(),
                metrics: false,
            },
        );
        self.app
            .keys
            .publish(prepared.map_err(|error| error.to_string())?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use oidc_crds::jwk::PrivateJwk;
    use oidc_crds::names::Algorithm;
    use oidc_crds::resources::signing_key::Phase;
    use oidc_crds::secrets::key_set::{KeyState, Owner};

    use super::*;
    use crate::store::memory::MemoryStore;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn held() -> Held {
        let installation = Installation::standalone("http://localhost", false);
        let app = Arc::new(App::new(installation, Arc::new(MemoryStore::default())));
        Held::new(app, watch::channel(None).0)
    }

    fn installation() -> Data {
        let text = "release: oidc\nissuer: https://oidc.example.com\nclassName: oidc\ndefaultClass: true\n\
                    namespaces: {watch: [a]}\njwksMaxAge: 300s\n";
        Data::from([(Installation::DATA_KEY.to_owned(), text.into())])
    }

    /// A key set; `usable`, or with a key that is not of the algorithm that it is said to be of.
    fn key_set(usable: bool) -> Data {
        let jwk = PrivateJwk::generate(Algorithm::ES256, None).unwrap();
        let key = KeyState {
            kid: jwk.thumbprint().unwrap(),
            algorithm: if usable {
                Algorithm::ES256
            } else {
                Algorithm::ES384
            },
            rsa_bits: None,
            phase: Phase::Active,
            signing_key: Owner {
                name: "main".to_owned(),
                uid: "key".to_owned(),
            },
            spec_revision: 0,
            created_at: NOW,
            published_at: Some(NOW),
            signs_from: Some(Timestamp::UNIX_EPOCH),
            retires_at: None,
            removable_at: None,
            longest_lifetime: 900,
            imported: false,
            revoked: false,
            public: Some(jwk.public().unwrap()),
            jwk: Some(jwk),
        };
        let set = KeySet {
            version: 1,
            revision: 1,
            keys: vec![key],
            default_algorithm: Algorithm::ES256,
        };
        set.to_data()
    }

    #[test]
    fn keys_that_come_before_the_installation_are_not_in_force_before_it() {
        let mut held = held();
        assert!(!held.take(What::KeySet, Some(&key_set(true))));
        assert!(held.app.keys.load().is_none());
        assert!(held.take(What::Installation, Some(&installation())));
        assert!(held.app.keys.load().is_some() && held.good.contains(&What::KeySet));
    }

    #[test]
    fn unusable_keys_are_never_told_to_be_in_force() {
        let mut held = held();
        assert!(!held.take(What::KeySet, Some(&key_set(false))));
        assert!(held.take(What::Installation, Some(&installation())));
        assert!(held.app.keys.load().is_none() && !held.good.contains(&What::KeySet));
        // nothing good was ever there, so nothing stays in force
        assert!(!held.take(What::KeySet, Some(&key_set(false))));
        let told = held.app.metrics.encode(None);
        assert!(
            !told
                .lines()
                .any(|line| line.contains("key-set") && line.ends_with(" 1")),
            "{told}"
        );
        assert!(held.take(What::KeySet, Some(&key_set(true))));
    }
}
