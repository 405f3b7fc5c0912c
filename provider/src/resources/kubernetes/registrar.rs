//! Registration in the cluster: an `OidcClient` object in the installation's namespace for them. Its secret is
//! told once, in the answer; its digest is in the spec, so that no Secret is needed and every pod learns it by its
//! watch.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use kube::api::{Api, DeleteParams, PostParams, Preconditions};
use kube::{Error, ResourceExt};
use oidc_crds::client::Client;
use oidc_crds::credentials::{ClientSecret, credential_id};
use oidc_crds::names::{LABEL_REGISTERED, LABEL_REGISTRATION_TOKEN};
use oidc_crds::registration;
use oidc_crds::resources::{OidcClient, OidcClientSpec, Reason};
use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::validate::Violation;
use tokio::time::timeout;
use tracing::warn;

use crate::app::{App, Change, NewClient, NotRegistered, Registered, Registering, Registrar};
use crate::registration::judge;

/// How long the API server may take to make an object.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long this pod's own watch may take to tell of it.
const WATCH: Duration = Duration::from_secs(5);

/// The value of [`LABEL_REGISTERED`].
const REGISTERED: &str = "registration";

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

/// Waits `patience` for the watch.
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
    let created = timeout(PATIENCE, api.create(&PostParams::default(), &object)).await;
    let created = match created {
        Ok(created) => created.map_err(told)?,
        Err(_) => return Err(unavailable("the API server takes too long to make the object")),
    };
    let uid = created.uid().unwrap_or_default();
    match timeout(patience, app.clients.served(&uid)).await {
        Ok(client) => Ok(Registered { client, issued }),
        Err(_) => {
            forget(&api, &name, uid).await;
            Err(unavailable("the watch did not tell of the new object in time"))
        }
    }
}

/// Nobody was told its secret.
async fn forget(api: &Api<OidcClient>, name: &str, uid: String) {
    let this = DeleteParams::default().preconditions(Preconditions {
        uid: Some(uid),
        resource_version: None,
    });
    if !matches!(timeout(PATIENCE, api.delete(name, &this)).await, Ok(Ok(_))) {
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
