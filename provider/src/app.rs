//! Everything a request needs, in one `Arc`; no globals.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use futures::future::BoxFuture;
use jiff::Timestamp;
use oidc_crds::client::Client;
use oidc_crds::credentials::ClientSecret;
use oidc_crds::registration::Issued;
use oidc_crds::resources::OidcClientSpec;
use oidc_crds::seal::KeyRing;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::pepper::Pepper;
use oidc_crds::secrets::registration_tokens::RegistrationTokens;
use oidc_crds::validate::Violation;
use oidc_protocol::registration::change::Asked;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::client_keys::ClientKeys;
use crate::clients::ClientIndex;
use crate::cluster::Cluster;
use crate::keys::KeyHolder;
use crate::look::Looks;
use crate::metrics::Metrics;
use crate::mtls::authorities::Authorities;
use crate::outbound::Outbound;
use crate::rate::{Buckets, Pods};
use crate::store::Store;
use crate::users::UserIndex;
use crate::uses::Uses;

/// The time, as the shell sees it; everything below takes it as an argument.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The most password hashes at once, whatever the cores: the pod's memory limit has room for so many.
const MOST_HASHES: usize = 8;

/// Everything a request needs. Snapshots are read without a lock; resources fill them.
pub struct App {
    /// What this installation is and grants.
    pub installation: ArcSwap<Installation>,
    /// How its pages look.
    pub looks: Looks,
    /// The clients that are served.
    pub clients: ClientIndex,
    /// The users.
    pub users: UserIndex,
    /// The signing keys and the documents made from them.
    pub keys: KeyHolder,
    /// What values are sealed under; `None` until it is known.
    pub ring: ArcSwapOption<KeyRing>,
    /// What client secrets are digested under; `None` until it is known.
    pub pepper: ArcSwapOption<Pepper>,
    /// The initial access tokens of registration; `None` until they are known.
    pub registration_tokens: ArcSwapOption<RegistrationTokens>,
    /// What is shared or used once.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Numbers.
    pub metrics: Metrics,
    /// Registration, where it can be.
    pub registrar: Option<Arc<dyn Registrar>>,
    /// How many passwords are hashed at once (as many as there are cores, at most `MOST_HASHES`: each takes
    /// 19 MiB), and how many wait for it.
    pub hashing: Hashing,
    /// By what ServiceAccount tokens are checked.
    pub cluster: Cluster,
    /// The way out.
    pub outbound: Outbound,
    /// Whose certificates are good for clients that are known by a name; `None` until they are known.
    pub authorities: ArcSwapOption<Authorities>,
    /// Keys that clients publish.
    pub client_keys: ClientKeys,
    /// Token requests, by client.
    pub client_requests: Buckets,
    /// Requests, by the network of the address.
    pub address_requests: Buckets,
    /// Changes of registrations, by client; each pod counts for itself.
    pub registration_changes: Buckets,
    /// How many pods share the requests.
    pub pods: Pods,
    /// Which credentials were used last when.
    pub uses: Uses,
    /// Whether the process is ready, and why not.
    pub readiness: Readiness,
    /// Whether demo credentials may be used: standalone on loopback.
    pub loopback: bool,
}

impl App {
    /// With the system's clock, without resources yet, and with registration closed.
    #[must_use]
    pub fn new(installation: Installation, store: Arc<dyn Store>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let hashes = cores.min(MOST_HASHES);
        Self {
            installation: ArcSwap::from_pointee(installation),
            looks: Looks::default(),
            clients: ClientIndex::default(),
            users: UserIndex::default(),
            keys: KeyHolder::default(),
            ring: ArcSwapOption::empty(),
            pepper: ArcSwapOption::empty(),
            registration_tokens: ArcSwapOption::empty(),
            store,
            clock: Arc::new(SystemClock),
            metrics: Metrics::default(),
            registrar: None,
            hashing: Hashing::new(hashes, hashes * 64),
            cluster: Cluster::default(),
            outbound: Outbound::default(),
            authorities: ArcSwapOption::empty(),
            client_keys: ClientKeys::default(),
            client_requests: Buckets::default(),
            address_requests: Buckets::default(),
            registration_changes: Buckets::default(),
            pods: Pods::default(),
            uses: Uses::default(),
            readiness: Readiness::default(),
            loopback: false,
        }
    }

    /// Who makes clients from registrations, if the installation lets programs register.
    #[must_use]
    pub fn registration(&self) -> Option<&Arc<dyn Registrar>> {
        let open = |registrar: &&Arc<dyn Registrar>| registrar.is_open(&self.installation.load());
        self.registrar.as_ref().filter(open)
    }
}

/// Passwords are hashed a few at once, since each takes a core and 19 MiB; some more logins may wait, and
/// the rest is told to come later, so that a flood of them takes neither the memory nor the time of tokens.
pub struct Hashing {
    slots: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Hashing {
    /// `slots` at once; `places` logins are hashed or wait for it.
    #[must_use]
    pub fn new(slots: usize, places: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(slots)),
            places: Arc::new(Semaphore::new(places)),
        }
    }

    /// A place for one login, as long as it is held; `None` if all are taken.
    #[must_use]
    pub fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// Waits for the turn to hash.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.slots.clone().acquire_owned().await.ok()
    }
}

/// What must be there before the first request; set once by resources, unset by shutdown.
#[derive(Default)]
pub struct Readiness {
    synced: std::sync::atomic::AtomicBool,
    stopping: std::sync::atomic::AtomicBool,
}

impl Readiness {
    /// The first full sync of everything is done.
    pub fn synced(&self) {
        self.synced.store(true, std::sync::atomic::Ordering::Release);
    }

    /// Whether the first full sync is done, also while the process ends.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.synced.load(std::sync::atomic::Ordering::Acquire)
    }

    /// The process is about to end: unready at once.
    pub fn stopping(&self) {
        self.stopping.store(true, std::sync::atomic::Ordering::Release);
    }

    /// Whether shutdown has begun; answers then carry `Connection: close`.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(std::sync::atomic::Ordering::Acquire)
    }

    /// Ready to serve.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.synced.load(std::sync::atomic::Ordering::Acquire) && !self.is_stopping()
    }
}

/// What a program asks for that registers itself.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// The metadata.
    pub spec: OidcClientSpec,
    /// The name of the initial access token that it has, where one is asked for.
    pub token: Option<String>,
}

/// A change that a program asks for of its own client (RFC 7592 §2.2).
#[derive(Debug, Clone)]
pub struct Change {
    /// What it asks for.
    pub asked: Asked,
    /// The registration access token that it has.
    pub token: ClientSecret,
}

/// The client that a registration made or changed.
#[derive(Debug)]
pub struct Registered {
    /// The client.
    pub client: Arc<Client>,
    /// What only the answer tells.
    pub issued: Issued,
}

/// What came of a step of registration.
pub type Registering<T> = Result<T, NotRegistered>;

/// Why a registration made or changed no client.
#[derive(Debug)]
pub enum NotRegistered {
    /// What the validator refused.
    Refused(Vec<Violation>),
    /// There is no such client, or the token is not good for it any more.
    Unknown,
    /// It cannot be done now; for the log.
    Unavailable(String),
}

impl From<Vec<Violation>> for NotRegistered {
    fn from(violations: Vec<Violation>) -> Self {
        Self::Refused(violations)
    }
}

/// Makes clients from registrations (RFC 7591) and changes them (RFC 7592): standalone in memory, in the cluster as
/// objects.
pub trait Registrar: Send + Sync {
    /// Whether an installation lets programs register.
    fn is_open(&self, installation: &Installation) -> bool;

    /// Makes a client, which is served when this returns; the secret is told once.
    fn register<'a>(&'a self, app: &'a App, new: NewClient) -> BoxFuture<'a, Registering<Registered>>;

    /// Changes a client that registered itself.
    fn replace<'a>(
        &'a self,
        app: &'a App,
        client: &'a Client,
        change: Change,
    ) -> BoxFuture<'a, Registering<Registered>>;

    /// Deletes a client that registered itself; `token`: its registration access token.
    fn remove<'a>(
        &'a self,
        app: &'a App,
        client: &'a Client,
        token: ClientSecret,
    ) -> BoxFuture<'a, Registering<()>>;
}
