//! Clients that registered themselves (RFC 7591): in memory, gone at exit.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oidc_crds::client::Client;
use oidc_crds::credentials::{ClientSecret, credential_id};
use oidc_crds::registration::{self, Issued};
use oidc_crds::resources::{OidcClient, OidcClientSpec, Reason};
use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::pepper::Pepper;
use oidc_crds::validate::Violation;
use tokio::sync::oneshot;

use super::Wake;
use super::objects::uid;
use crate::app::{App, Change, NewClient, NotRegistered, Registered, Registering, Registrar};
use crate::registration::{change, judge};
use crate::resources::directory::Key;
use crate::resources::kept::Kept;

/// The namespace of clients that registered themselves.
pub const NAMESPACE: &str = "registered";
/// Anybody on this machine may register, so their number is bounded.
const LIMIT: usize = 10_000;

/// Where an answer goes.
type Answer<T> = oneshot::Sender<Registering<T>>;

/// What a program asks for, on its way to the folder's owner.
pub enum Asking {
    /// A client.
    Register(Box<NewClient>, Answer<Registered>),
    /// A change of its client.
    Replace(Key, Box<Change>, Answer<Registered>),
    /// The end of its client.
    Remove(Key, ClientSecret, Answer<()>),
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

    fn register<'a>(&'a self, _: &'a App, new: NewClient) -> BoxFuture<'a, Registering<Registered>> {
        self.ask(|answer| Asking::Register(Box::new(new), answer))
    }

    fn replace<'a>(
        &'a self,
        _: &'a App,
        client: &'a Client,
        change: Change,
    ) -> BoxFuture<'a, Registering<Registered>> {
        self.ask(|answer| Asking::Replace(key_of(client), Box::new(change), answer))
    }

    fn remove<'a>(
        &'a self,
        _: &'a App,
        client: &'a Client,
        token: ClientSecret,
    ) -> BoxFuture<'a, Registering<()>> {
        self.ask(|answer| Asking::Remove(key_of(client), token, answer))
    }
}

impl FolderRegistrar {
    fn ask<T: Send + 'static>(
        &self,
        asking: impl FnOnce(Answer<T>) -> Asking,
    ) -> BoxFuture<'static, Registering<T>> {
        let (answer, made) = oneshot::channel();
        let sent = self.wake.send(Wake::Asked(asking(answer)));
        async move {
            match sent {
                Ok(()) => made.await.unwrap_or_else(|_| Err(ending())),
                Err(_) => Err(ending()),
            }
        }
        .boxed()
    }
}

fn key_of(client: &Client) -> Key {
    (client.namespace().to_owned(), client.name().to_owned())
}

/// The clients that registered themselves.
#[derive(Default)]
pub struct Clients {
    objects: BTreeMap<Key, Kept<OidcClient>>,
}

impl Clients {
    /// Makes an object with a random id, and its secret unless it is public. It is not served yet.
    ///
    /// # Errors
    /// What the validator refuses.
    pub fn make(
        &mut self,
        new: NewClient,
        app: &App,
        pepper: &Pepper,
    ) -> Registering<(Kept<OidcClient>, Issued)> {
        if self.objects.len() >= LIMIT {
            return Err(NotRegistered::Refused(violation(
                Reason::NotGranted,
                "too many clients have registered; start the provider anew",
            )));
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
        let issued = registration::register(&mut object, has_secret, new.token, pepper, &mut SystemRng);
        Ok((self.keep(object), issued))
    }

    /// Changes one; it is not served so yet.
    ///
    /// # Errors
    /// As [`change`].
    pub fn change(
        &mut self,
        key: &Key,
        asked: &Change,
        app: &App,
        pepper: &Pepper,
    ) -> Registering<(Kept<OidcClient>, Issued)> {
        let mut object = self.open(key)?;
        let (_, issued) = change(app, &mut object, asked, pepper)?;
        Ok((self.keep(object), issued))
    }

    /// Drops one whose registration access token this is.
    ///
    /// # Errors
    /// `Unknown`.
    pub fn remove(&mut self, key: &Key, token: &ClientSecret, app: &App, pepper: &Pepper) -> Registering<()> {
        if !registration::opens(&self.open(key)?, token, pepper, app.clock.now()) {
            return Err(NotRegistered::Unknown);
        }
        self.forget(key);
        Ok(())
    }

    /// One that a manifest made is none of these.
    fn open(&self, key: &Key) -> Registering<OidcClient> {
        let kept = self.objects.get(key).ok_or(NotRegistered::Unknown)?;
        kept.open()
            .map_err(|error| NotRegistered::Unavailable(error.to_string()))
    }

    fn keep(&mut self, object: OidcClient) -> Kept<OidcClient> {
        let kept = Kept::of(object);
        self.objects.insert(kept.key().clone(), kept.clone());
        kept
    }

    /// Takes a change back that is not served after all.
    pub fn put_back(&mut self, former: Kept<OidcClient>) {
        self.objects.insert(former.key().clone(), former);
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
