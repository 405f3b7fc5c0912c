//! Clients that registered themselves (RFC 7591): in memory, gone at exit.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oidc_crds::credentials::{ClientSecret, credential_id, digest};
use oidc_crds::resources::oidc_client::Credential;
use oidc_crds::resources::{OidcClient, OidcClientSpec, OidcClientStatus, Reason};
use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::pepper::Pepper;
use oidc_crds::validate::{Violation, validate};
use tokio::sync::oneshot;

use super::Wake;
use super::objects::uid;
use crate::app::{self, App, NotRegistered, Registrar};
use crate::resources::directory::Key;
use crate::resources::kept::Kept;

/// The namespace of clients that registered themselves.
const NAMESPACE: &str = "registered";
/// Anybody on this machine may register, so their number is bounded.
const LIMIT: usize = 10_000;

/// A registration on its way to the folder's owner.
pub struct Registration {
    /// What is asked for.
    pub spec: Box<OidcClientSpec>,
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

    fn register<'a>(&'a self, _: &'a App, spec: OidcClientSpec) -> BoxFuture<'a, app::Registered> {
        let (answer, made) = oneshot::channel();
        let sent = self.wake.send(Wake::Register(Registration {
            spec: Box::new(spec),
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
        spec: &OidcClientSpec,
        installation: &Installation,
        pepper: &Pepper,
        now: Timestamp,
    ) -> Result<(Kept<OidcClient>, Option<ClientSecret>), Vec<Violation>> {
        if self.objects.len() >= LIMIT {
            return Err(violation(
                Reason::NotGranted,
                "too many clients have registered; start the provider anew",
            ));
        }
        let id = credential_id(&mut SystemRng) + &credential_id(&mut SystemRng);
        let mut object = OidcClient::new(
            &id,
            OidcClientSpec {
                client_id: Some(id.clone()),
                ..spec.clone()
            },
        );
        object.metadata.namespace = Some(NAMESPACE.to_owned());
        object.metadata.uid = Some(uid());
        object.metadata.creation_timestamp = Some(Time(now));
        let client = validate(&object, installation, None)?;
        let secret = client
            .has_secret()
            .then(|| ClientSecret::generate(&mut SystemRng));
        if let Some(secret) = &secret {
            let id = credential_id(&mut SystemRng);
            let credential = Credential {
                digest: digest(pepper, client.uid(), &id, secret),
                id,
                created_at: Time(now),
                retires_at: None,
            };
            object.status = Some(OidcClientStatus {
                credentials: vec![credential],
                ..OidcClientStatus::default()
            });
        }
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
