//! A program changes or deletes its own object (RFC 7592). The object is read first, and its registration access token
//! looked at again; it is written with the resourceVersion that was read, so that nobody's edit is lost.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::api::{Api, DeleteParams, DynamicObject, PostParams, Preconditions};
use kube::core::ApiResource;
use kube::{Error, ResourceExt};
use oidc_crds::client::Client;
use oidc_crds::credentials::ClientSecret;
use oidc_crds::names::{LABEL_REGISTERED, REGISTERED};
use oidc_crds::registration::opens;
use oidc_crds::resources::OidcClient;
use oidc_crds::secrets::pepper::Pepper;
use serde_json::Value;
use tokio::time::timeout;

use super::{PATIENCE, WATCH, told, unavailable};
use crate::app::{App, Change, NotRegistered, Registered, Registering};
use crate::registration::change;

/// How often somebody else may write in between.
const ATTEMPTS: usize = 5;

/// Whether somebody else wrote in between.
enum Written<T> {
    Done(T),
    Meanwhile,
}

/// Changes the object. The answer does not depend on this pod's watch: what was written would be lost with it.
pub(super) async fn replace(app: &App, client: &Client, asked: Change) -> Registering<Registered> {
    let own = Own::of(app, client)?;
    for _ in 0..ATTEMPTS {
        let (raw, mut object) = own.read().await?;
        let before = serde_json::to_value(&object.spec).map_err(odd)?;
        let (changed, issued) = change(app, &mut object, &asked, &own.pepper)?;
        let after = serde_json::to_value(&object.spec).map_err(odd)?;
        match own.write(raw, &before, &after).await? {
            Written::Meanwhile => {}
            Written::Done(()) => {
                let newest = object.spec.registration.as_ref().and_then(|of| of.access.first());
                let shown = app.clients.until(|| {
                    let served = app.clients.get(client.client_id())?;
                    let access = served.registration().and_then(|of| of.access.first());
                    (access == newest).then_some(served)
                });
                let client = timeout(WATCH, shown).await.unwrap_or_else(|_| Arc::new(changed));
                return Ok(Registered { client, issued });
            }
        }
    }
    Err(busy())
}

/// Deletes the object; this pod refuses its client when this returns, unless its watch is down.
pub(super) async fn remove(app: &App, client: &Client, token: ClientSecret) -> Registering<()> {
    let own = Own::of(app, client)?;
    for _ in 0..ATTEMPTS {
        let (raw, object) = own.read().await?;
        if !opens(&object, &token, &own.pepper, app.clock.now()) {
            return Err(NotRegistered::Unknown);
        }
        if let Written::Done(()) = own.delete(&raw).await? {
            let gone = app.clients.until(|| {
                let served = app.clients.get(client.client_id());
                served
                    .is_none_or(|served| served.uid() != client.uid())
                    .then_some(())
            });
            let _ = timeout(WATCH, gone).await;
            return Ok(());
        }
    }
    Err(busy())
}

/// The object of a client that registered itself.
struct Own<'a> {
    api: Api<DynamicObject>,
    client: &'a Client,
    pepper: Arc<Pepper>,
}

impl<'a> Own<'a> {
    fn of(app: &App, client: &'a Client) -> Registering<Self> {
        let installation = app.installation.load();
        let (Some(rules), Some(cluster), Some(pepper)) = (
            &installation.registration,
            app.cluster.client(),
            app.pepper.load_full(),
        ) else {
            return Err(unavailable("not everything was read yet"));
        };
        if client.namespace() != rules.namespace {
            return Err(NotRegistered::Unknown);
        }
        // as it is: a newer version may know of members that this one would drop
        let kind = ApiResource::erase::<OidcClient>(&());
        Ok(Self {
            api: Api::namespaced_with(cluster.clone(), &rules.namespace, &kind),
            client,
            pepper,
        })
    }

    /// The object as it is now: still the same, and made by registration.
    async fn read(&self) -> Registering<(DynamicObject, OidcClient)> {
        let raw = match timeout(PATIENCE, self.api.get(self.client.name())).await {
            Ok(Ok(raw)) => raw,
            Ok(Err(Error::Api(status))) if status.code == 404 => return Err(NotRegistered::Unknown),
            Ok(Err(error)) => return Err(unavailable(format!("the object could not be read: {error}"))),
            Err(_) => return Err(unavailable("the API server takes too long to read the object")),
        };
        let made = raw
            .labels()
            .get(LABEL_REGISTERED)
            .is_some_and(|by| by == REGISTERED);
        let same = raw.metadata.uid.as_deref() == Some(self.client.uid());
        if !made || !same || raw.metadata.deletion_timestamp.is_some() {
            return Err(NotRegistered::Unknown);
        }
        let object = raw
            .clone()
            .try_parse()
            .map_err(|_| unavailable("the object cannot be read as its kind"))?;
        Ok((raw, object))
    }

    async fn write(&self, mut raw: DynamicObject, before: &Value, after: &Value) -> Registering<Written<()>> {
        overlay(&mut raw.data["spec"], before, after);
        let parameters = PostParams::default();
        let put = self.api.replace(self.client.name(), &parameters, &raw);
        written(timeout(PATIENCE, put).await.map(|put| put.map(drop)))
    }

    async fn delete(&self, raw: &DynamicObject) -> Registering<Written<()>> {
        let this = DeleteParams::default().preconditions(Preconditions {
            uid: raw.uid(),
            resource_version: raw.resource_version(),
        });
        let deleted = self.api.delete(self.client.name(), &this);
        written(timeout(PATIENCE, deleted).await.map(|deleted| deleted.map(drop)))
    }
}

fn written(answer: Result<Result<(), Error>, tokio::time::error::Elapsed>) -> Registering<Written<()>> {
    match answer {
        Ok(Ok(())) => Ok(Written::Done(())),
        Ok(Err(Error::Api(status))) if status.code == 409 => Ok(Written::Meanwhile),
        Ok(Err(Error::Api(status))) if status.code == 404 => Err(NotRegistered::Unknown),
        Ok(Err(error)) => Err(told(error)),
        Err(_) => Err(unavailable("the API server takes too long to write the object")),
    }
}

/// Puts into `raw` what differs between two readings of it.
fn overlay(raw: &mut Value, before: &Value, after: &Value) {
    let (Value::Object(into), Value::Object(before), Value::Object(after)) = (&mut *raw, before, after)
    else {
        raw.clone_from(after);
        return;
    };
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        match (before.get(name), after.get(name)) {
            (before, after) if before == after => {}
            (_, None) => drop(into.remove(name)),
            (before, Some(after)) => overlay(
                into.entry(name.clone()).or_insert(Value::Null),
                before.unwrap_or(&Value::Null),
                after,
            ),
        }
    }
}

fn odd(error: serde_json::Error) -> NotRegistered {
    unavailable(error.to_string())
}

fn busy() -> NotRegistered {
    unavailable("others write the object again and again")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn i6_what_this_version_does_not_know_is_left_alone() {
        let mut raw = json!({"a": 1, "b": [1], "new": {"x": 1}, "tokens": {"ttl": "5m", "alg": "ES256", "new": 2}, "none": {}});
        let before = json!({"a": 1, "b": [1], "tokens": {"ttl": "5m", "alg": "ES256"}, "none": {}});
        let after = json!({"a": 2, "c": {"d": 1}, "tokens": {"ttl": "5m"}, "none": {}});
        overlay(&mut raw, &before, &after);
        assert_eq!(
            raw,
            json!({"a": 2, "c": {"d": 1}, "new": {"x": 1}, "tokens": {"ttl": "5m", "new": 2}, "none": {}})
        );
    }
}
