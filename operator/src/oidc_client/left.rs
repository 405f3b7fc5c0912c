//! Clients of namespaces that are served no more. Nobody looks at them from now on, so they are told once, while the
//! rights there are not gone yet.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use kube::api::{Api, ListParams};
use kube::{Resource, ResourceExt};
use kube_runtime::reflector::ObjectRef;
use oidc_crds::resources::{OidcClient, Reason};
use oidc_crds::validate::{is_ours, validate};

use super::plan::{Applied, refusal};
use super::{CONCURRENCY, KIND, conditions};
use crate::context::{Context, now, whole_seconds};
use crate::execute::Error;
use crate::index::GuardedClient;
use crate::telemetry::tell_standing;

/// How often a client is tried that somebody else writes meanwhile.
const TRIES: usize = 3;

/// Tells these clients, as they were known last, that they are served no more.
pub(crate) async fn tell(context: &Context, clients: Vec<Arc<GuardedClient>>) {
    let each = |object: Arc<GuardedClient>| async move {
        let Ok(client) = &object.0 else { return };
        if let Err(error) = tell_one(context, client).await {
            let object = ObjectRef::from_obj(client);
            tracing::warn!(kind = KIND, %object, %error, "served no more, and it cannot be told so");
        }
    };
    let all = stream::iter(clients);
    all.for_each_concurrent(usize::from(CONCURRENCY), each).await;
}

async fn tell_one(context: &Context, known: &OidcClient) -> Result<(), Error> {
    let namespace = known.namespace().unwrap_or_default();
    let api: Api<OidcClient> = Api::namespaced(context.client.clone(), &namespace);
    let mut client = known.clone();
    for last in (0..TRIES).rev() {
        let Some(installation) = context.installation() else {
            return Ok(());
        };
        if !is_ours(&client, &installation, None) || client.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        let mut violations = validate(&client, &installation, None).err().unwrap_or_default();
        violations.retain(|violation| violation.reason == Reason::NamespaceNotServed);
        if violations.is_empty() {
            return Ok(()); // it is served again
        }
        let outcome =
            refusal(&client, &violations).finish(&client, &Applied::nothing(), whole_seconds(now()));
        if client.status.as_ref() == Some(&outcome.status) {
            return Ok(());
        }
        let mut told = client.clone();
        told.status = Some(outcome.status);
        told.metadata.managed_fields = None;
        match context.replace_status(&api, KIND, &told).await {
            Ok(written) => {
                tell_standing(&written, conditions(&client), conditions(&written));
                context.announce(&client.object_ref(&()), &outcome.notes).await;
                return Ok(());
            }
            Err(Error::Conflict(_)) if last > 0 => {}
            Err(error) => return Err(error),
        }
        match newest(&api, &client).await? {
            Some(newest) => client = newest,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// The client as it is; to list is all that the operator may.
async fn newest(api: &Api<OidcClient>, client: &OidcClient) -> Result<Option<OidcClient>, Error> {
    let name = client.name_any();
    let named = ListParams::default().fields(&format!("metadata.name={name}"));
    let listed = api.list(&named).await;
    let listed = listed.map_err(Error::api(format!("list {KIND} {name}")))?;
    let mut same = listed
        .items
        .into_iter()
        .filter(|newest| newest.uid() == client.uid());
    Ok(same.next())
}
