//! A folder of manifests as the source: standalone. It does in memory what the operator does in the
//! cluster, by the same functions of `oidc-crds`: digests of secrets, seals of passwords, the phases of
//! signing keys. One thread owns all of it; it may wait for disks and hashes.
//!
//! | module | what |
//! |---|---|
//! | [`files`], [`manifest`], [`schema`], [`node`] | the manifests, strictly checked, each at its last good version |
//! | [`state`] | what outlives the process |
//! | [`objects`] | manifests and records → objects as the API server would give them |
//! | [`credentials`], [`passwords`], [`keys`] | what the operator would do |
//! | [`registered`] | clients that registered themselves |

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use jiff::Timestamp;
use notify::Watcher as _;
use oidc_crds::registration::Issued;
use oidc_crds::resources::OidcClient;
use oidc_crds::rng::SystemRng;
use oidc_crds::seal::KeyRing;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::pepper::Pepper;
use oidc_crds::secrets::registration_tokens::RegistrationTokens;
use tracing::{error, warn};

use crate::app::{App, NotRegistered, Registered, Registering};
use crate::resources::directory::{Delta, Directory};
use crate::resources::kept::Kept;
use crate::resources::publish;
use files::Files;
use keys::SigningKeys;
use objects::Objects;
use registered::{Asking, Clients};
use state::State;

pub mod credentials;
pub mod files;
pub mod keys;
pub mod manifest;
pub mod node;
pub mod objects;
pub mod passwords;
pub mod registered;
pub mod schema;
pub mod state;

/// Changes come in bursts: nothing is read before the folder has been quiet for so long.
const QUIET: Duration = Duration::from_millis(100);
/// Whatever the system tells of changes, the folder is looked at as often.
const RESCAN: Duration = Duration::from_secs(5);

/// Something to do.
pub enum Wake {
    /// A file may have changed.
    Changed,
    /// A program asks for a client, or about its own.
    Asked(Asking),
}

/// The folder's one owner.
pub struct Standalone {
    app: Arc<App>,
    installation: Arc<Installation>,
    files: Files,
    state: State,
    pepper: Arc<Pepper>,
    ring: Arc<KeyRing>,
    directory: Directory,
    objects: Objects,
    registered: Clients,
    keys: SigningKeys,
    told: Vec<String>,
    /// When something is due that time alone brings.
    next: Option<Timestamp>,
}

impl Standalone {
    /// Opens folder and state; nothing is served yet.
    ///
    /// # Errors
    /// One line that names the setting or the file.
    pub fn open(app: Arc<App>, manifests: &Path, state: State) -> Result<Self, String> {
        if !manifests.is_dir() {
            return Err(format!("--manifests: {} is no folder", manifests.display()));
        }
        let now = app.clock.now();
        let ring = Arc::new(state.key_ring(now, &mut SystemRng)?);
        let pepper = Arc::new(state.pepper(now, &mut SystemRng)?);
        app.ring.store(Some(ring.clone()));
        app.pepper.store(Some(pepper.clone()));
        let installation = app.installation.load_full();
        Ok(Self {
            directory: Directory::new(installation.as_ref().clone()),
            keys: SigningKeys::new(state.key_set()?),
            files: Files::new(manifests),
            objects: Objects::default(),
            registered: Clients::default(),
            told: Vec::new(),
            next: None,
            app,
            installation,
            state,
            pepper,
            ring,
        })
    }

    /// Reads everything once and puts it in force.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub fn start(&mut self) -> Result<(), String> {
        self.files.scan();
        self.sync()
    }

    /// Follows the folder until nobody can wake it any more.
    ///
    /// # Errors
    /// When the state cannot be written: what is served could no longer be kept.
    pub fn run(mut self, wake: &Receiver<Wake>) -> Result<(), String> {
        loop {
            let mut look = match wake.recv_timeout(self.patience()) {
                Ok(wake) => self.take(wake),
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            // a burst of changes is one change; a writer that never rests waits ten times at most
            for _ in 0..10 {
                if !look {
                    break;
                }
                match wake.recv_timeout(QUIET) {
                    Ok(wake) => look |= self.take(wake),
                    Err(_) => break,
                }
            }
            let due = self.next.is_some_and(|next| next <= self.app.clock.now());
            if look && self.files.scan() || due {
                self.sync()?;
            }
        }
    }

    /// Whether the folder is to be looked at.
    fn take(&mut self, wake: Wake) -> bool {
        match wake {
            Wake::Changed => true,
            Wake::Asked(asking) => {
                self.answer(asking);
                false
            }
        }
    }

    /// Does what a program asks for; whoever asked may have gone.
    fn answer(&mut self, asking: Asking) {
        match asking {
            Asking::Register(new, answer) => {
                let made = self.registered.make(*new, &self.app, &self.pepper);
                let made = made.and_then(|(object, issued)| self.serve(object, issued, None));
                let _ = answer.send(made);
            }
            Asking::Replace(key, change, answer) => {
                let former = self.registered.objects().find(|kept| *kept.key() == key).cloned();
                let changed = self.registered.change(&key, &change, &self.app, &self.pepper);
                let changed = changed.and_then(|(object, issued)| self.serve(object, issued, former));
                let _ = answer.send(changed);
            }
            Asking::Remove(key, token, answer) => {
                let removed = self.registered.remove(&key, &token, &self.app, &self.pepper);
                if removed.is_ok() {
                    self.directory.clients(None, Delta::Delete(key));
                    publish(&self.app, self.directory.settle());
                }
                let _ = answer.send(removed);
            }
        }
    }

    /// Serves a client that registered itself; one that is refused after all is again what it was before.
    fn serve(
        &mut self,
        object: Kept<OidcClient>,
        issued: Issued,
        former: Option<Kept<OidcClient>>,
    ) -> Registering<Registered> {
        let key = object.key().clone();
        self.directory.clients(None, Delta::Apply(object));
        let settled = publish(&self.app, self.directory.settle());
        let mut served = settled.clients.into_iter();
        if let Some(client) = served.find(|client| client.namespace() == key.0 && client.name() == key.1) {
            return Ok(Registered { client, issued });
        }
        let back = match former {
            Some(former) => {
                self.registered.put_back(former.clone());
                Delta::Apply(former)
            }
            None => {
                self.registered.forget(&key);
                Delta::Delete(key)
            }
        };
        self.directory.clients(None, back);
        publish(&self.app, self.directory.settle());
        Err(NotRegistered::Refused(registered::taken()))
    }

    fn patience(&self) -> Duration {
        let now = self.app.clock.now();
        self.next.map_or(RESCAN, |next| {
            Duration::try_from(next.duration_since(now))
                .unwrap_or_default()
                .clamp(Duration::from_millis(10), RESCAN)
        })
    }

    /// Brings everything up to date with the files: what is served, what is kept, what is told.
    fn sync(&mut self) -> Result<(), String> {
        let now = self.app.clock.now();
        let mut problems = self.objects.load(&self.files, &mut self.state, now);
        problems.extend(passwords::seal(
            &mut self.objects,
            &mut self.state,
            &self.ring,
            self.installation.weak_secrets,
        ));
        self.state.save_records()?;

        if self.installation.registers_by_token() {
            problems.extend(self.registration_tokens());
        }
        let users = self.objects.users.iter().cloned().map(Kept::of);
        self.directory.users(Delta::Reset(users.collect()));
        let clients = self.objects.clients.iter().chain(self.registered.objects());
        self.directory
            .clients(None, Delta::Reset(clients.cloned().collect()));
        let mut settled = self.directory.settle();
        let mut refusals = std::mem::take(&mut settled.refusals);
        let done = credentials::reconcile(credentials::Work {
            clients: &settled.clients,
            objects: &mut self.objects,
            state: &mut self.state,
            pepper: &self.pepper,
            installation: &self.installation,
            complete: self.files.all_read(),
            now,
        })?;
        problems.extend(done.problems);
        for object in done.changed {
            self.directory.clients(None, Delta::Apply(object));
        }
        let mut settled = self.directory.settle();
        refusals.append(&mut settled.refusals);
        settled.refusals = refusals;
        let settled = publish(&self.app, settled);

        let scheduled = self.keys.reconcile(keys::Work {
            objects: &mut self.objects,
            clients: &settled.clients,
            state: &mut self.state,
            installation: &self.installation,
            registration: self.app.registration().is_some(),
            complete: self.files.all_read(),
            now,
        })?;
        problems.extend(scheduled.problems);
        if let Some(prepared) = scheduled.prepared {
            self.app.keys.publish(prepared);
            // Whose algorithm has no key, or has one now.
            self.directory.algorithms(self.app.keys.algorithms());
            publish(&self.app, self.directory.settle());
        }
        if self.files.all_read() {
            self.objects.forget(&mut self.state);
        }
        self.state.save_records()?;
        self.next = [done.next, scheduled.next].into_iter().flatten().min();
        self.tell(problems);
        Ok(())
    }

    /// The initial access tokens of registration are in a Secret as in the cluster, in the namespace of those that
    /// name none. Returns what is wrong.
    fn registration_tokens(&self) -> Vec<String> {
        let key = (
            manifest::NAMESPACE.to_owned(),
            self.installation.registration_tokens_secret(),
        );
        let secret = self.objects.secrets.get(&key);
        let data = secret.map(|secret| secret.data.clone()).unwrap_or_default();
        let (tokens, refused) = RegistrationTokens::from_data(&data);
        self.app.registration_tokens.store(Some(Arc::new(tokens)));
        let named = |token| format!("Secret/{}/{}: {token}", key.0, key.1);
        refused.into_iter().map(named).collect()
    }

    /// Each problem once, until it is another.
    fn tell(&mut self, problems: Vec<String>) {
        for problem in &problems {
            if !self.told.contains(problem) {
                error!("{problem}");
            }
        }
        self.told = problems;
    }
}

/// Wakes the folder's owner when something changes. Without it there is the regular look.
pub fn watch(folder: PathBuf, wake: std::sync::mpsc::Sender<Wake>) -> Option<notify::RecommendedWatcher> {
    let changed = move |event: notify::Result<notify::Event>| {
        let read_only = event.is_ok_and(|event| event.kind.is_access());
        if !read_only {
            // the owner may have gone
            let _ = wake.send(Wake::Changed);
        }
    };
    let watcher = notify::recommended_watcher(changed).and_then(|mut watcher| {
        watcher.watch(&folder, notify::RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    watcher
        .inspect_err(|error| {
            warn!(
                "changes of {} are noticed every {RESCAN:?} only: {error}",
                folder.display()
            );
        })
        .ok()
}
