//! The only writes. What mints is a POST (409: observe again) or a PUT with the resourceVersion just
//! read, so a leader that slept through its lease loses; a status is always one PUT.

use std::fmt::Debug;

use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::Context;

/// Why a reconcile did not finish.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Another write came first: observe again.
    #[error("{0} was written by somebody else meanwhile")]
    Conflict(String),
    /// This process must not write any more.
    #[error("the lease has run out")]
    NotLeading,
    /// The API server refused or was not reached.
    #[error("{what}: {}", answer(source))]
    Api {
        /// What was tried.
        what: String,
        /// The answer.
        source: Box<kube::Error>,
    },
    /// Something that is needed cannot be read or made.
    #[error("{0}")]
    Unusable(String),
}

/// An answer for logs and conditions. One that could not be read may hold pieces of a Secret.
pub(crate) fn answer(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        kube::Error::SerdeError(_) => "the answer of the API server cannot be read".into(),
        other => other.to_string(),
    }
}

impl Error {
    /// Wraps an answer of the API server.
    pub(crate) fn api(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Api {
            what,
            source: Box::new(source),
        }
    }
}

impl Context {
    fn parameters(&self) -> PostParams {
        PostParams {
            field_manager: Some(self.names.operator()),
            ..PostParams::default()
        }
    }

    /// Creates an object; one that is there already is a conflict.
    pub(crate) async fn create<K>(&self, api: &Api<K>, kind: &'static str, object: &K) -> Result<K, Error>
    where
        K: Resource + Clone + DeserializeOwned + Serialize + Debug,
    {
        self.leadership.check()?;
        let answer = api.create(&self.parameters(), object).await;
        self.wrote(kind, "create", object, answer)
    }

    /// Replaces an object that was read; one that changed since is a conflict.
    pub(crate) async fn replace<K>(&self, api: &Api<K>, kind: &'static str, object: &K) -> Result<K, Error>
    where
        K: Resource + Clone + DeserializeOwned + Serialize + Debug,
    {
        self.must_have_version(kind, object)?;
        let answer = api.replace(&object.name_any(), &self.parameters(), object).await;
        self.wrote(kind, "update", object, answer)
    }

    /// Replaces the status of an object that was read; one that changed since is a conflict.
    pub(crate) async fn replace_status<K>(
        &self,
        api: &Api<K>,
        kind: &'static str,
        object: &K,
    ) -> Result<K, Error>
    where
        K: Resource + Clone + DeserializeOwned + Serialize + Debug,
    {
        self.must_have_version(kind, object)?;
        let answer = api
            .replace_status(&object.name_any(), &self.parameters(), object)
            .await;
        self.wrote(kind, "update_status", object, answer)
    }

    /// Removes an object as it was read; one that changed since is a conflict, one that is gone is fine.
    pub(crate) async fn remove<K>(&self, api: &Api<K>, kind: &'static str, object: &K) -> Result<(), Error>
    where
        K: Resource + Clone + DeserializeOwned + Serialize + Debug,
    {
        self.must_have_version(kind, object)?;
        let parameters = DeleteParams::default().preconditions(Preconditions {
            uid: object.uid(),
            resource_version: object.resource_version(),
        });
        match api.delete(&object.name_any(), &parameters).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            answer => self
                .wrote(kind, "delete", object, answer.map(|_| object.clone()))
                .map(drop),
        }
    }

    /// Changes a part of somebody else's object, as the patch's resourceVersion had it; one that changed
    /// since is a conflict.
    pub(crate) async fn patch<K>(
        &self,
        api: &Api<K>,
        kind: &'static str,
        name: &str,
        patch: &Patch<serde_json::Value>,
    ) -> Result<(), Error>
    where
        K: Resource + Clone + DeserializeOwned + Debug,
    {
        self.leadership.check()?;
        let parameters = PatchParams {
            field_manager: Some(self.names.operator()),
            ..PatchParams::default()
        };
        match api.patch_metadata(name, &parameters, patch).await {
            Ok(_) => {
                self.metrics.wrote(kind, "patch");
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                Err(Error::Conflict(format!("{kind} {name}")))
            }
            Err(error) => Err(Error::api(format!("patch {kind} {name}"))(error)),
        }
    }

    fn must_have_version<K: Resource>(&self, kind: &'static str, object: &K) -> Result<(), Error> {
        self.leadership.check()?;
        if object.meta().resource_version.is_none() {
            return Err(Error::Unusable(format!(
                "{kind} {} has no resourceVersion",
                object.name_any()
            )));
        }
        Ok(())
    }

    fn wrote<K: Resource>(
        &self,
        kind: &'static str,
        verb: &'static str,
        object: &K,
        answer: kube::Result<K>,
    ) -> Result<K, Error> {
        let what = || format!("{kind} {}", object.name_any());
        match answer {
            Ok(written) => {
                self.metrics.wrote(kind, verb);
                Ok(written)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Err(Error::Conflict(what())),
            Err(error) => Err(Error::api(format!("{verb} {}", what()))(error)),
        }
    }
}
