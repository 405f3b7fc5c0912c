//! The way to the API server, with kubectl's own options, and what the caller may not see there.

use std::fmt::Debug;
use std::future::Future;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use k8s_openapi::NamespaceResourceScope;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Resource};

/// kubectl's options.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Options of kubectl")]
pub(crate) struct Access {
    /// The kubeconfig; default: $KUBECONFIG, or ~/.kube/config, or the pod's own rights.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; default: the current one.
    #[arg(long, global = true)]
    pub(crate) context: Option<String>,
    /// The cluster of the kubeconfig; default: the context's.
    #[arg(long, global = true)]
    pub(crate) cluster: Option<String>,
    /// The user of the kubeconfig; default: the context's.
    #[arg(long, global = true)]
    pub(crate) user: Option<String>,
    /// The namespace; default: the context's.
    #[arg(short, long, global = true)]
    pub(crate) namespace: Option<String>,
    /// Act as this user, like `kubectl --as`.
    #[arg(long = "as", global = true, value_name = "USER")]
    pub(crate) impersonate: Option<String>,
    /// Act as a member of this group; may be repeated.
    #[arg(
        long = "as-group",
        global = true,
        value_name = "GROUP",
        requires = "impersonate"
    )]
    pub(crate) impersonate_groups: Vec<String>,
}

/// The API server, as the caller.
pub(crate) struct Cluster {
    client: Client,
    /// Where names without a namespace are looked for.
    pub(crate) namespace: String,
    /// Whether the caller named that namespace.
    pub(crate) namespace_given: bool,
}

/// What was asked for, or why it may not be seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sight<T> {
    /// There it is.
    Seen(T),
    /// The caller's rights do not reach there; what would be needed, like `list pods in the namespace a`.
    Hidden(String),
}

impl<T> Sight<T> {
    /// What can be made of what is there.
    pub(crate) fn map<U>(self, make: impl FnOnce(T) -> U) -> Sight<U> {
        match self {
            Self::Seen(value) => Sight::Seen(make(value)),
            Self::Hidden(right) => Sight::Hidden(right),
        }
    }

    /// What is there, if it may be seen; otherwise what is missing goes to `hidden`.
    pub(crate) fn or_note(self, hidden: &mut Vec<String>) -> Option<T> {
        match self {
            Self::Seen(value) => Some(value),
            Self::Hidden(right) => {
                hidden.push(right);
                None
            }
        }
    }
}

impl Access {
    /// Whether a kubeconfig, or a part of one, was named.
    pub(crate) fn is_given(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some() || self.cluster.is_some() || self.user.is_some()
    }

    /// The API server that the options, the environment or the pod name.
    pub(crate) async fn connect(&self) -> Result<Cluster> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
        };
        let mut config = match &self.kubeconfig {
            Some(path) => {
                let config = Kubeconfig::read_from(path)
                    .with_context(|| format!("the kubeconfig {} cannot be read", path.display()))?;
                Config::from_custom_kubeconfig(config, &options).await?
            }
            None => match Config::from_kubeconfig(&options).await {
                Ok(config) => config,
                Err(error) => match Config::incluster() {
                    Ok(config) if !self.is_given() => config,
                    _ => {
                        return Err(anyhow!(error)
                            .context("there is no way to a cluster: name a kubeconfig with --kubeconfig or $KUBECONFIG"));
                    }
                },
            },
        };
        if let Some(user) = &self.impersonate {
            config.auth_info.impersonate = Some(user.clone());
            config.auth_info.impersonate_groups = Some(self.impersonate_groups.clone());
        }
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        Ok(Cluster {
            client: Client::try_from(config).context("the kubeconfig does not make a client")?,
            namespace,
            namespace_given: self.namespace.is_some(),
        })
    }
}

impl Cluster {
    /// Objects of one namespace.
    pub(crate) fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Objects of all namespaces, or of none.
    pub(crate) fn all<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = ()>,
    {
        Api::all(self.client.clone())
    }
}

/// Asks for something that the caller may not have the right to; `right` names it, like `list pods in the
/// namespace a`.
pub(crate) async fn look<T>(
    right: impl Into<String>,
    asked: impl Future<Output = Result<T, kube::Error>>,
) -> Result<Sight<T>> {
    let right = right.into();
    match asked.await {
        Ok(value) => Ok(Sight::Seen(value)),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(Sight::Hidden(right)),
        Err(error) => Err(told(error, &right)),
    }
}

/// An error of the API server with what can be done about it. `doing` is what was tried, like `patch the
/// SigningKey main`.
pub(crate) fn told(error: kube::Error, doing: &str) -> anyhow::Error {
    let advice = match &error {
        kube::Error::Api(status) => match status.code {
            401 => "your credentials are not accepted: sign in to the cluster again",
            403 => "you have no right to: ask for it, or use another --context",
            404 if status.message.contains("could not find the requested resource") => {
                "the cluster does not know the resources of oidc-operator: install the chart (docs/install.md)"
            }
            404 => "it is not there: check the name and -n",
            409 => "somebody else changed it at the same time: try again",
            _ => "",
        },
        kube::Error::Service(_) | kube::Error::HyperError(_) => {
            "the API server does not answer: check --context and the network"
        }
        kube::Error::Auth(_) => "the kubeconfig's credentials cannot be had: sign in to the cluster again",
        _ => "",
    };
    let what = if advice.is_empty() {
        format!("cannot {doing}")
    } else {
        format!("cannot {doing}: {advice}")
    };
    anyhow!(error).context(what)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn refused(code: u16, message: &str) -> kube::Error {
        kube::Error::Api(Box::new(Status::failure(message, "x").with_code(code)))
    }

    #[tokio::test]
    async fn what_may_not_be_read_is_told_and_everything_else_ends_it() {
        let hidden = look("list pods", async { Err::<(), _>(refused(403, "no")) }).await;
        assert_eq!(hidden.unwrap(), Sight::Hidden("list pods".to_owned()));
        let seen = look("list pods", async { Ok::<_, kube::Error>(1) }).await;
        assert_eq!(seen.unwrap(), Sight::Seen(1));
        for (code, message, advice) in [
            (401, "Unauthorized", "sign in"),
            (
                404,
                "the server could not find the requested resource",
                "install the chart",
            ),
            (404, "signingkeys \"x\" not found", "check the name"),
            (500, "odd", "cannot list pods"),
        ] {
            let error = look("list pods", async { Err::<(), _>(refused(code, message)) }).await;
            let told = format!("{:#}", error.unwrap_err());
            assert!(told.contains(advice), "{told}");
        }
    }
}
