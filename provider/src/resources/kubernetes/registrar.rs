//! Registration in the cluster: an `OidcClient` object in the installation's namespace for them. Its secret is
//! told once, in the answer; its digest is in the spec, so that no Secret is needed and every pod learns it by its
//! watch.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use kube::api::{Api, DeleteParams, PostParams};
use kube::{Error, ResourceExt};
use oidc_crds::client::Client;
use oidc_crds::credentials::{ClientSecret, credential_id};
use oidc_crds::names::{LABEL_REGISTERED, LABEL_REGISTRATION_TOKEN, REGISTERED};
use oidc_crds::registration;
use oidc_crds::resources::{OidcClient, OidcClientSpec, Reason};
use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::validate::Violation;
use tokio::time::{sleep, timeout};
use tracing::{Instrument as _, warn};

use crate::app::{App, Change, NewClient, NotRegistered, Registered, Registering, Registrar};
use crate::registration::judge;

/// How long the API server may take to read, write or delete an object.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the API server may take to make an object, and then this pod's own watch to tell of it.
const WATCH: Duration = Duration::from_secs(5);

/// When to look again for an object whose making was not answered: an API server ends a request within a minute.
const LATER: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(15),
    Duration::from_secs(40),
    Duration::from_secs(120),
];

mod change;

/// Makes objects by the app's own [`Cluster`](crate::cluster::Cluster).
pub struct ClusterRegistrar;

impl Registrar for ClusterRegistrar {
    fn is_open(&self, installation: &Installation) -> bool {
        installation.registration.is_some()
    }

    fn register<'a>(&'a self, app: &'a App, new: NewClient) -> BoxFuture<'a, Registering<Registered>> {
        register(app, new, WATCH).boxed()
    }

    fn replace<'a>(
        &'a self,
        app: &'a App,
        client: &'a Client,
        change: Change,
    ) -> BoxFuture<'a, Registering<Registered>> {
        change::replace(app, client, change).boxed()
    }

    fn remove<'a>(
        &'a self,
        app: &'a App,
        client: &'a Client,
        token: ClientSecret,
    ) -> BoxFuture<'a, Registering<()>> {
        change::remove(app, client, token).boxed()
    }
}

/// Waits `patience` for the API server, and as long for the watch.
pub(super) async fn register(app: &App, new: NewClient, patience: Duration) -> Registering<Registered> {
    let installation = app.installation.load_full();
    let (Some(rules), Some(client), Some(pepper)) = (
        &installation.registration,
        app.cluster.client(),
        app.pepper.load_full(),
    ) else {
        return Err(unavailable("not everything was read yet"));
    };
    let namespace = &rules.namespace;
    let name = format!("client-{}", credential_id(&mut SystemRng));
    let mut object = OidcClient::new(
        &name,
        OidcClientSpec {
            class_name: Some(installation.class_name.clone()),
            ..new.spec
        },
    );
    object.metadata.namespace = Some(namespace.clone());
    let has_secret = judge(app, &object)?.has_secret();
    let labels = object.labels_mut();
    labels.insert(LABEL_REGISTERED.to_owned(), REGISTERED.to_owned());
    if let Some(token) = &new.token {
        labels.insert(LABEL_REGISTRATION_TOKEN.to_owned(), token.clone());
    }
    let issued = registration::register(&mut object, has_secret, new.token, &pepper, &mut SystemRng);

    let api: Api<OidcClient> = Api::namespaced(client.clone(), namespace);
    let created = timeout(patience, api.create(&PostParams::default(), &object)).await;
    let failed = match created {
        Ok(Ok(created)) => {
            let uid = created.uid().unwrap_or_default();
            if let Ok(client) = timeout(patience, app.clients.served(&uid)).await {
                return Ok(Registered { client, issued });
            }
            unavailable("the watch did not tell of the new object in time")
        }
        // the API server says that there is none
        Ok(Err(Error::Api(status))) if (400..500).contains(&status.code) => {
            return Err(told(Error::Api(status)));
        }
        Ok(Err(error)) => told(error),
        Err(_) => unavailable("the API server takes too long to make the object"),
    };
    if !forget(&api, &name).await {
        tokio::spawn(forget_late(api, name).in_current_span());
    }
    Err(failed)
}

/// Deletes what nobody was told the secret of. The name says which one it is: it was drawn, and nobody else knows it.
/// Whether it is gone for sure: one that is still being made is not there yet.
async fn forget(api: &Api<OidcClient>, name: &str) -> bool {
    let deleted = timeout(PATIENCE, api.delete(name, &DeleteParams::default())).await;
    matches!(deleted, Ok(Ok(_)))
}

/// The same, for as long as an API server may take that was slow or away; it would fill the quota. No request waits
/// for it.
async fn forget_late(api: Api<OidcClient>, name: String) {
    for wait in LATER {
        sleep(wait).await;
        if forget(&api, &name).await {
            return;
        }
    }
    // none was made, or it stays
    let left = timeout(PATIENCE, api.get_opt(&name)).await;
    if !matches!(left, Ok(Ok(None))) {
        warn!(name, "an object that nobody was told of could not be deleted");
    }
}

/// What the API server would not make: a rule of the definition or of an admission policy is the client's affair,
/// the quota and everything else that of whoever runs this.
fn told(error: Error) -> NotRegistered {
    match error {
        Error::Api(status) if status.code == 422 => NotRegistered::Refused(vec![Violation {
            field: "spec".to_owned(),
            reason: Reason::Invalid,
            message: status.message.clone(),
        }]),
        error => unavailable(format!("the object could not be made: {error}")),
    }
}

fn unavailable(why: impl Into<String>) -> NotRegistered {
    NotRegistered::Unavailable(why.into())
}
