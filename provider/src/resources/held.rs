//! [`Held`]: the installation's ConfigMap, its key set (with the keys that it may be encrypted under), key
//! ring, pepper and certificate, and the CAs of clients. A deleted or unreadable one leaves the last good one in
//! force, loudly; only a start without one is unready. Trust is another thing: CAs of clients and registration
//! tokens that are gone are in force no longer.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use oidc_crds::envelope::{EnvelopeError, EnvelopeKeys};
use oidc_crds::resources::signing_key::Phase;
use oidc_crds::seal::KeyRing;
use oidc_crds::secrets::Data;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::key_ring::KeyRingData;
use oidc_crds::secrets::key_set::{KeySet, KeyState, SealedKeySet, Stored};
use oidc_crds::secrets::pepper::Pepper;
use oidc_crds::secrets::registration_tokens::RegistrationTokens;
use oidc_protocol::keys::carry;
use rustls::ServerConfig;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::app::App;
use crate::keys::{Offers, Prepared};
use crate::mtls::authorities::Authorities;
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
    /// The keys that private keys are encrypted under, if they are.
    Envelope,
    /// The CAs of clients' certificates, if there are any.
    ClientCa,
    /// The initial access tokens of registration, where it asks for them. Without the Secret there are none.
    RegistrationTokens,
}

impl What {
    /// Those that no pod can do without.
    pub const NEEDED: [Self; 5] = [
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
            Self::Envelope => "envelope",
            Self::ClientCa => "client-ca",
            Self::RegistrationTokens => "registration-tokens",
        }
    }
}

/// Puts settings and secrets in force.
pub struct Held {
    app: Arc<App>,
    certificate: watch::Sender<Option<Arc<ServerConfig>>>,
    /// The key set as it was read last.
    read: Option<KeySet>,
    /// What is in force by it: with keys that a set that was lost held.
    keys: Option<KeySet>,
    envelope: Option<EnvelopeKeys>,
    /// The present key set, if there is no key to decrypt it with.
    locked: Option<SealedKeySet>,
    good: BTreeSet<What>,
}

impl Held {
    /// Holds nothing yet. `certificate` is told each good certificate.
    #[must_use]
    pub fn new(app: Arc<App>, certificate: watch::Sender<Option<Arc<ServerConfig>>>) -> Self {
        Self {
            app,
            certificate,
            read: None,
            keys: None,
            envelope: None,
            locked: None,
            good: BTreeSet::new(),
        }
    }

    /// Whether there is a good state of everything.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let can_sign = || self.app.keys.load().is_some_and(|keys| keys.keys.can_sign());
        What::NEEDED.into_iter().all(|what| self.good.contains(&what)) && can_sign()
    }

    /// Takes the present state of an object; `None`: there is none. Whether it is good.
    pub async fn take(&mut self, what: What, data: Option<&Data>) -> bool {
        // whoever takes these away wants them gone: no last good state of them stays in force
        let nothing = Data::new();
        let data = data.or((what == What::RegistrationTokens).then_some(&nothing));
        if what == What::ClientCa {
            return client_ca(&self.app, data);
        }
        if what == What::KeySet {
            self.locked = None;
        }
        let taken = match data {
            Some(data) => self.accept(what, data).await,
            None => Err("it is not there".to_owned()),
        };
        let taken = self.tell(what, taken);
        if taken && what == What::Installation {
            self.publish_anew();
        }
        if taken
            && what == What::Envelope
            && let Some(sealed) = self.locked.take()
        {
            let opened = self.open(sealed).await;
            let opened = opened.and_then(|keys| self.use_keys(keys));
            self.tell(What::KeySet, opened);
        }
        taken
    }

    /// Notes and tells what became of an object. Whether it is in force.
    fn tell(&mut self, what: What, taken: Result<(), String>) -> bool {
        let name = what.as_str();
        match taken {
            Ok(()) => {
                info!(what = name, "in force");
                let held = what == What::KeySet && self.signs_on();
                self.app.metrics.last_good_in_force(name, held);
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

    async fn accept(&mut self, what: What, data: &Data) -> Result<(), String> {
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
                // Which form was asked for is not looked at: the operator writes the other one anew.
                let keys = match Stored::from_data(data).map_err(|error| error.to_string())? {
                    Stored::Plain(keys) => keys,
                    Stored::Sealed(sealed) => self.open(sealed).await?,
                };
                self.use_keys(keys)?;
            }
            What::Envelope => {
                let keys = EnvelopeKeys::from_data(data).map_err(|error| error.to_string())?;
                self.envelope = Some(keys);
            }
            What::ClientCa => drop(client_ca(&self.app, Some(data))),
            What::KeyRing => {
                let ring = KeyRingData::from_data(data).map_err(|error| error.to_string())?;
                self.app.ring.store(Some(Arc::new(KeyRing::new(ring))));
            }
            What::Pepper => {
                let pepper = Pepper::from_data(data).map_err(|error| error.to_string())?;
                self.app.pepper.store(Some(Arc::new(pepper)));
            }
            What::RegistrationTokens => registration_tokens(&self.app, data),
            What::Tls => {
                let config = tls::server_config(data).map_err(|error| error.to_string())?;
                self.certificate.send_replace(Some(Arc::new(config)));
            }
        }
        Ok(())
    }

    /// The set, decrypted; one that cannot be is kept until there is another key.
    async fn open(&mut self, sealed: SealedKeySet) -> Result<KeySet, String> {
        let name = sealed.secret_name();
        let wrong = match &self.envelope {
            None => format!("its private keys are encrypted under the Secret {name}, which was not read"),
            Some(envelope) => match sealed.open(envelope).await {
                Ok(keys) => return Ok(keys),
                Err(EnvelopeError::UnknownKey(id)) => format!(
                    "its private keys are encrypted under the key {id}, which the Secret {name} does not hold"
                ),
                Err(error) => format!("its private keys are encrypted: {error}"),
            },
        };
        self.locked = Some(sealed);
        Err(wrong)
    }

    fn use_keys(&mut self, read: KeySet) -> Result<(), String> {
        let in_force = self.keys.as_ref().filter(|_| self.good.contains(&What::KeySet));
        let keys = match in_force {
            Some(held) => carry(&read, held, self.app.clock.now()),
            None => read.clone(),
        };
        if !self.good.contains(&What::Installation) {
            (self.read, self.keys) = (Some(read), Some(keys));
            return Err("it is for the installation's ConfigMap to say the issuer".to_owned());
        }
        let is_same = self.keys.as_ref() == Some(&keys) && self.read.as_ref() == Some(&read);
        if is_same && self.good.contains(&What::KeySet) {
            return Ok(());
        }
        self.publish(&read, &keys)?;
        (self.read, self.keys) = (Some(read), Some(keys));
        if self.signs_on() {
            let kids: Vec<&str> = self.carried().map(|key| key.kid.as_str()).collect();
            let kids = kids.join(", ");
            error!(
                kids,
                "the key set was lost: these keys go on until a key of the new one signs"
            );
        }
        Ok(())
    }

    /// Keys in force that the set as it was read does not hold.
    fn carried(&self) -> impl Iterator<Item = &KeyState> {
        let known = |kid: &str| {
            let mut read = self.read.iter().flat_map(|read| &read.keys);
            read.any(|key| key.kid == kid)
        };
        let keys = self.keys.iter().flat_map(|keys| &keys.keys);
        keys.filter(move |key| !known(&key.kid))
    }

    /// Whether a key signs that the set as it was read does not hold.
    fn signs_on(&self) -> bool {
        self.carried().any(|key| key.phase == Phase::Active)
    }

    /// When the next key ends that the set as it was read does not hold.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        self.carried().filter_map(|key| key.removable_at).min()
    }

    /// Ends what has come to its end.
    pub fn end(&mut self) {
        if let Some(read) = self.read.clone() {
            let ended = self.use_keys(read);
            self.tell(What::KeySet, ended);
        }
    }

    /// The documents name the issuer: with another installation they are made anew, and with the first one
    /// the keys that came before it are looked at.
    fn publish_anew(&mut self) {
        if let (Some(read), Some(keys)) = (self.read.take(), self.keys.take()) {
            let published = self.publish(&read, &keys);
            self.tell(What::KeySet, published);
            (self.read, self.keys) = (Some(read), Some(keys));
        }
    }

    /// Puts keys in force; what was read is acknowledged by it, for all of that is among them.
    fn publish(&self, read: &KeySet, keys: &KeySet) -> Result<(), String> {
        let installation = self.app.installation.load();
        let offers = Offers {
            registration: self.app.registration().is_some(),
            metrics: false,
        };
        let prepared = Prepared::build(keys, &installation, offers);
        let prepared = prepared.map_err(|error| error.to_string())?;
        self.app
            .keys
            .publish(prepared.acknowledged_as(read.acknowledgement()));
        Ok(())
    }
}

/// Puts the CAs of clients in force. Whether there are any: without, nobody leads to one, for whoever takes them
/// away trusts them no longer.
fn client_ca(app: &App, data: Option<&Data>) -> bool {
    let what = What::ClientCa.as_str();
    let read = data.ok_or_else(|| "it is not there".to_owned());
    let authorities = read.and_then(Authorities::read).inspect_err(|why| {
        error!(
            what,
            "clients that are known by a name in their certificate are refused: {why}"
        );
    });
    let good = authorities.is_ok();
    if good {
        info!(what, "in force");
    }
    let authorities = authorities.unwrap_or_else(Authorities::nobody);
    app.authorities.store(Some(Arc::new(authorities)));
    good
}

/// Puts the initial access tokens in force, those that are good.
pub fn registration_tokens(app: &App, data: &Data) {
    let (tokens, refused) = RegistrationTokens::from_data(data);
    for token in refused {
        error!("a registration token is refused: {token}");
    }
    let names: Vec<&str> = tokens.names().collect();
    info!(names = names.join(", "), "registration tokens");
    app.registration_tokens.store(Some(Arc::new(tokens)));
}

#[cfg(test)]
mod tests {
    use oidc_crds::envelope::DataKey;
    use oidc_crds::jwk::PrivateJwk;
    use oidc_crds::names::Algorithm;
    use oidc_crds::secrets::key_set::Owner;
    use oidc_crds::testing::SeededRng;

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
        set(usable).to_data()
    }

    fn set(usable: bool) -> KeySet {
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
        KeySet::new(1, vec![key], Algorithm::ES256)
    }

    #[tokio::test]
    async fn reg_01_tokens_go_with_their_secret_and_a_bad_one_goes_alone() {
        let mut held = held();
        let names = |held: &Held| {
            let tokens = held.app.registration_tokens.load();
            let names = tokens
                .as_deref()
                .map(|tokens| tokens.names().map(str::to_owned).collect());
            names.unwrap_or_else(|| vec!["unknown".to_owned()])
        };
        assert_eq!(names(&held), ["unknown"]);
        let token = r#"{"token": "0123456789abcdef0123456789abcdef", "uses": 1, "expiresAt": "2030-01-01T00:00:00Z"}"#;
        let bad = r#"{"token": "weak", "uses": 1, "expiresAt": "2030-01-01T00:00:00Z"}"#;
        let data =
            Data::from([("ci", token), ("weak", bad)].map(|(name, text)| (name.to_owned(), text.into())));
        assert!(held.take(What::RegistrationTokens, Some(&data)).await);
        assert_eq!(names(&held), ["ci"]);
        assert!(held.take(What::RegistrationTokens, None).await);
        assert_eq!(names(&held), [""; 0]);
    }

    #[tokio::test]
    async fn keys_that_come_before_the_installation_are_not_in_force_before_it() {
        let mut held = held();
        assert!(!held.take(What::KeySet, Some(&key_set(true))).await);
        assert!(held.app.keys.load().is_none());
        assert!(held.take(What::Installation, Some(&installation())).await);
        assert!(held.app.keys.load().is_some() && held.good.contains(&What::KeySet));
    }

    #[tokio::test]
    async fn documents_are_made_once_per_change() {
        let mut held = held();
        held.take(What::Installation, Some(&installation())).await;
        let (data, mut changes) = (key_set(true), held.app.keys.changes());
        let mut made = async |held: &mut Held, what, data: &Data| {
            let before = held.app.keys.load();
            assert!(held.take(what, Some(data)).await);
            let now = held.app.keys.load();
            let told = changes.has_changed().unwrap();
            changes.mark_unchanged();
            let is_other = match (before, now) {
                (Some(before), Some(now)) => !Arc::ptr_eq(&before, &now),
                (before, now) => before.is_some() != now.is_some(),
            };
            assert_eq!(told, is_other);
            told
        };
        assert!(made(&mut held, What::KeySet, &data).await);
        assert!(
            !made(&mut held, What::KeySet, &data).await,
            "a watch that lists again brings nothing new"
        );
        assert!(!made(&mut held, What::Envelope, &envelope(&[1])).await);
        let mut next = KeySet::from_data(&data).unwrap();
        next.revision += 1;
        assert!(made(&mut held, What::KeySet, &next.to_data()).await);
        assert!(made(&mut held, What::Installation, &installation()).await);
    }

    #[tokio::test]
    async fn i3_a_pod_signs_on_when_the_set_was_lost_and_one_that_holds_no_key_is_not_ready() {
        let (old, mut new) = (set(true), set(true));
        new.keys[0].phase = Phase::Published;
        new.keys[0].signs_from = None;
        let signs = |held: &Held| {
            let keys = held.app.keys.load().unwrap();
            let signer = keys.keys.signer(None, NOW).map(|signer| signer.kid().to_owned());
            (signer, keys.keys.acknowledgement().to_owned())
        };
        let mut pod = held();
        pod.take(What::Installation, Some(&installation())).await;
        assert!(pod.take(What::KeySet, Some(&old.to_data())).await);
        assert!(pod.take(What::KeySet, Some(&new.to_data())).await);
        let word = new.acknowledgement();
        assert_eq!(signs(&pod), (Some(old.keys[0].kid.clone()), word.clone()));
        assert!(!pod.take(What::KeySet, None).await);
        assert_eq!(signs(&pod).0, Some(old.keys[0].kid.clone()));
        let alarm = r#"oidc_last_good_in_force{object="key-set"} 1"#;
        assert!(pod.app.metrics.encode(None).contains(alarm));
        assert_eq!(pod.ends(), None);

        let mut other = held();
        other.good.extend(What::NEEDED);
        other.take(What::Installation, Some(&installation())).await;
        assert!(other.take(What::KeySet, Some(&new.to_data())).await);
        assert_eq!(signs(&other), (None, word));
        assert!(!other.is_complete(), "it holds nothing to sign with");

        new.keys[0].phase = Phase::Active;
        new.keys[0].signs_from = Some(Timestamp::UNIX_EPOCH);
        for held in [&mut pod, &mut other] {
            assert!(held.take(What::KeySet, Some(&new.to_data())).await);
            assert_eq!(signs(held).0, Some(new.keys[0].kid.clone()));
        }
        assert!(other.is_complete());
        assert!(!pod.app.metrics.encode(None).contains(alarm));
        let end = pod.ends().expect("the old one ends");
        let now = pod.app.clock.now();
        assert!(end.duration_since(now).as_secs() >= 900, "{end}");
        assert_eq!(pod.keys.as_ref().map(|keys| keys.keys.len()), Some(2));
        pod.end();
        assert_eq!(pod.ends(), Some(end), "not yet");
        for key in &mut pod.keys.as_mut().expect("there").keys {
            key.removable_at = key.removable_at.map(|_| now);
        }
        pod.end();
        assert_eq!((pod.ends(), pod.keys.as_ref()), (None, Some(&new)));
    }

    #[tokio::test]
    async fn unusable_keys_are_never_told_to_be_in_force() {
        let mut held = held();
        assert!(!held.take(What::KeySet, Some(&key_set(false))).await);
        assert!(held.take(What::Installation, Some(&installation())).await);
        assert!(held.app.keys.load().is_none() && !held.good.contains(&What::KeySet));
        // nothing good was ever there, so nothing stays in force
        assert!(!held.take(What::KeySet, Some(&key_set(false))).await);
        let told = held.app.metrics.encode(None);
        assert!(
            !told
                .lines()
                .any(|line| line.contains("key-set") && line.ends_with(" 1")),
            "{told}"
        );
        assert!(held.take(What::KeySet, Some(&key_set(true))).await);
    }

    fn envelope(seeds: &[u64]) -> Data {
        let keys = seeds.iter().map(|seed| {
            let key = DataKey::generate(&mut SeededRng::new(*seed));
            (format!("v{seed}"), key.as_bytes().to_vec())
        });
        keys.collect()
    }

    async fn sealed(set: &KeySet, seeds: &[u64]) -> Data {
        let keys = EnvelopeKeys::from_data(&envelope(seeds)).unwrap();
        set.seal("oidc-envelope", &keys, &mut SeededRng::new(7))
            .await
            .unwrap()
    }

    fn kid(held: &Held) -> Option<String> {
        let keys = held.app.keys.load();
        let jwks: serde_json::Value = serde_json::from_slice(&keys.as_ref()?.jwks.body).unwrap();
        Some(jwks["keys"][0]["kid"].as_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn an_encrypted_set_waits_for_the_key_and_for_the_installation() {
        let set = set(true);
        let data = sealed(&set, &[1]).await;
        for order in [
            [What::Installation, What::KeySet, What::Envelope],
            [What::KeySet, What::Installation, What::Envelope],
            [What::Envelope, What::KeySet, What::Installation],
        ] {
            let mut held = held();
            for what in order {
                assert_eq!(kid(&held), None, "{order:?}");
                let data = match what {
                    What::KeySet => &data,
                    What::Envelope => &envelope(&[1]),
                    _ => &installation(),
                };
                held.take(what, Some(data)).await;
            }
            assert_eq!(kid(&held).as_deref(), Some(set.keys[0].kid.as_str()), "{order:?}");
            assert!(held.good.contains(&What::KeySet) && held.locked.is_none());
        }
    }

    #[tokio::test]
    async fn another_key_opens_nothing_and_the_last_good_set_stays() {
        let (first, second) = (set(true), set(true));
        let mut held = held();
        held.take(What::Installation, Some(&installation())).await;
        assert!(held.take(What::Envelope, Some(&envelope(&[1]))).await);
        assert!(held.take(What::KeySet, Some(&sealed(&first, &[1]).await)).await);
        assert!(
            !held
                .take(What::KeySet, Some(&sealed(&second, &[1, 2]).await))
                .await
        );
        assert_eq!(kid(&held).as_deref(), Some(first.keys[0].kid.as_str()));
        // a key that cannot be read, or is gone, is no other key
        let short = Data::from([("v1".to_owned(), vec![1; 31])]);
        assert!(!held.take(What::Envelope, Some(&short)).await);
        assert!(!held.take(What::Envelope, None).await);
        assert!(held.take(What::KeySet, Some(&sealed(&first, &[1]).await)).await);
        // the new version comes after the set that needs it
        assert!(
            !held
                .take(What::KeySet, Some(&sealed(&second, &[1, 2]).await))
                .await
        );
        assert!(held.take(What::Envelope, Some(&envelope(&[1, 2]))).await);
        assert_eq!(kid(&held).as_deref(), Some(second.keys[0].kid.as_str()));
        let told = held.app.metrics.encode(None);
        let stale = |line: &str| line.contains("last_good") && line.ends_with(" 1");
        assert!(!told.lines().any(stale), "{told}");
    }

    #[tokio::test]
    async fn both_forms_are_taken_whatever_is_asked_for() {
        let set = set(true);
        let mut held = held();
        held.take(What::Installation, Some(&installation())).await;
        assert!(held.take(What::KeySet, Some(&set.to_data())).await);
        assert!(held.take(What::Envelope, Some(&envelope(&[1]))).await);
        assert!(held.take(What::KeySet, Some(&sealed(&set, &[1]).await)).await);
        assert!(held.take(What::KeySet, Some(&set.to_data())).await);
        assert_eq!(kid(&held).as_deref(), Some(set.keys[0].kid.as_str()));
    }

    #[tokio::test]
    async fn a_set_that_is_gone_is_not_opened_later() {
        let mut held = held();
        held.take(What::Installation, Some(&installation())).await;
        assert!(
            !held
                .take(What::KeySet, Some(&sealed(&set(true), &[1]).await))
                .await
        );
        assert!(!held.take(What::KeySet, None).await);
        assert!(held.take(What::Envelope, Some(&envelope(&[1]))).await);
        assert_eq!(kid(&held), None);
    }
}
