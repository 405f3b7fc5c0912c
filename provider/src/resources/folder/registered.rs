//! Clients that registered themselves (RFC 7591): in memory, gone at exit.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oidc_crds::credentials::{ClientSecret, credential_id};
use oidc_crds::registration;
use oidc_crds::resources::{OidcClient, OidcClientSpec, Reason};
use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::pepper::Pepper;
use oidc_crds::validate::Violation;
use tokio::sync::oneshot;

use super::Wake;
use super::objects::uid;
use crate::app::{self, App, NewClient, NotRegistered, Registrar};
use crate::registration::judge;
use crate::resources::directory::Key;
use crate::resources::kept::Kept;

/// The namespace of clients that registered themselves.
pub const NAMESPACE: &str = "registered";
/// Anybody on this machine may register, so their number is bounded.
const LIMIT: usize = 10_000;

/// A registration on its way to the folder's owner.
pub struct Registration {
    /// What is asked for.
    pub new: Box<NewClient>,
    /// Where the answer goes.
    pub answer: oneshot::Sender<app::Registered>,
}

/// Hands registrations to the folder's owner.
pub struct FolderRegistrar {
    wake: Sender<Wake>,
}

impl FolderRegistrar {
    /// Hands them over through `wake`.
    #[must_use]
    pub fn new(wake: Sender<Wake>) -> Self {
        Self { wake }
    }
}

impl Registrar for FolderRegistrar {
    /// It is there only where it is open.
    fn is_open(&self, _: &Installation) -> bool {
        true
    }

    fn register<'a>(&'a self, _: &'a App, new: NewClient) -> BoxFuture<'a, app::Registered> {
        let (answer, made) = oneshot::channel();
        let sent = self.wake.send(Wake::Register(Registration {
            new: Box::new(new),
            answer,
        }));
        async move {
            match sent {
                Ok(()) => made.await.unwrap_or_else(|_| Err(ending())),
                Err(_) => Err(ending()),
            }
        }
        .boxed()
    }
}

/// The clients that registered themselves.
#[derive(Default)]
pub struct Registered {
    objects: BTreeMap<Key, Kept<OidcClient>>,
}

impl Registered {
    /// Makes an object with a random id, and its secret unless it is public. It is not served yet.
    ///
    /// # Errors
    /// What the validator refuses.
    pub fn make(
        &mut self,
        new: NewClient,
        app: &App,
        pepper: &Pepper,
    ) -> Result<(Kept<OidcClient>, Option<ClientSecret>), Vec<Violation>> {
        if self.objects.len() >= LIMIT {
            return Err(violation(
                Reason::NotGranted,
                "too many clients have registered; start the provider anew",
            ));
        }
        let id = credential_id(&mut SystemRng) + &credential_id(&mut SystemRng);
        let spec = OidcClientSpec {
            client_id: Some(id.clone()),
            ..new.spec
        };
        let mut object = OidcClient::new(&id, spec);
        object.metadata.namespace = Some(NAMESPACE.to_owned());
        object.metadata.uid = Some(uid());
        object.metadata.creation_timestamp = Some(Time(app.clock.now()));
        let has_secret = judge(app, &object)?.has_secret();
        let secret = registration::register(&mut object, has_secret, new.token, pepper, &mut SystemRng);
        let kept = Kept::of(object);
        self.objects.insert(kept.key().clone(), kept.clone());
        Ok((kept, secret))
    }

    /// Drops one that is not served after all.
    pub fn forget(&mut self, key: &Key) {
        self.objects.remove(key);
    }

    /// All of them.
    pub fn objects(&self) -> impl Iterator<Item = &Kept<OidcClient>> {
        self.objects.values()
    }
}

fn violation(reason: Reason, message: &str) -> Vec<Violation> {
    vec![Violation {
        field: "client_id".to_owned(),
        reason,
        message: message.to_owned(),
    }]
}

/// The drawn id is somebody's already.
#[must_use]
pub fn taken() -> Vec<Violation> {
    violation(Reason::ClientIdTaken, "is taken; try again")
}

fn ending() -> NotRegistered {
    NotRegistered::Unavailable("the provider is about to end".to_owned())
}
