//! `kubectl oidc debug`: walks every reason why a login of a client could fail.
//!
//! To add a check: a function that takes what was read and returns a [`Line`], in the file of what it is about
//! ([`registration`], [`secret`], [`certificate`], [`network`]), its call here, and a row in docs/kubectl.md.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;
use k8s_openapi::api::certificates::v1beta1::ClusterTrustBundle;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Pod, Secret};
use kube::ResourceExt;
use kube::api::ListParams;
use oidc_crds::guard::Guarded;
use oidc_crds::names::{GrantType, provider_labels};
use oidc_crds::resources::OidcClient;
use oidc_crds::secrets::installation::ClientCa;

use self::line::{Line, Outcome, text};
use self::registration::{Labels, Others};
use crate::access::{Cluster, Sight, look};
use crate::installation::{Found, Which, find};
use crate::oidc::issuer::Reach;
use crate::output::Output;
use crate::party::Party;
use crate::shell::now;

mod certificate;
mod line;
mod network;
mod registration;
mod secret;

/// `debug`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The OidcClient.
    client: String,
    /// The redirect URI that the application sends.
    #[arg(long, value_name = "URI")]
    redirect_uri: Option<String>,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    output: Output,
}

/// Runs the command. The exit code is 1 if a check failed.
pub(crate) async fn run(cluster: &Cluster, which: &Which, arguments: Arguments) -> Result<ExitCode> {
    let lines = lines(cluster, which, &arguments).await?;
    arguments.output.print(&lines, || text(&lines))?;
    let failed = lines.iter().any(|line| line.outcome == Outcome::Failed);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn lines(cluster: &Cluster, which: &Which, arguments: &Arguments) -> Result<Vec<Line>> {
    let (client, mut lines) = match client(cluster, &arguments.client).await? {
        Ok(found) => found,
        Err(line) => return Ok(vec![line]),
    };
    let found = match find(cluster, which, Some(&client)).await {
        Ok(Sight::Seen(found)) => {
            let message = format!("{}, issuer {}", found.name(), found.config.issuer);
            lines.push(Line::ok("installation", message));
            Some(found)
        }
        Ok(Sight::Hidden(right)) => {
            let mut line = Line::hidden("installation", &right);
            line.advice = "without it, class, namespace, rules and pods are not checked here".to_owned();
            lines.push(line);
            None
        }
        Err(error) => {
            lines.push(Line::failed("installation", format!("{error:#}"), ""));
            None
        }
    };
    let app = app_secret(cluster, &client).await?;
    let mut kids = None;
    if let Some(found) = &found {
        let asked = arguments.redirect_uri.as_deref();
        let (more, published) = registered(cluster, found, &client, &app, asked).await?;
        lines.extend(more);
        kids = published;
    }
    if let Some(line) = given_secret(cluster, &client).await? {
        lines.push(line);
    }
    lines.extend(registration::conditions(&client));
    lines.push(events(cluster, &client).await?);
    if let Some(found) = &found {
        lines.push(registration::pods(&pods(cluster, found).await?, &found.namespace));
    }
    let app = match &app {
        Sight::Seen(app) => app.as_ref(),
        Sight::Hidden(_) => None,
    };
    let issuer = found.as_ref().map(|found| found.config.issuer.as_str());
    match Party::of(&client, issuer, app, arguments.reach.ca()?) {
        Ok(party) => {
            let asked = arguments.redirect_uri.as_deref();
            lines.extend(network::lines(&party, &arguments.reach, kids.as_deref(), asked).await);
        }
        Err(error) => lines.push(Line::unknown("issuer", error.to_string(), "")),
    }
    Ok(lines)
}

/// The client; or the one line if it is not there.
async fn client(cluster: &Cluster, name: &str) -> Result<Result<(OidcClient, Vec<Line>), Line>> {
    let namespace = &cluster.namespace;
    let api = cluster.api::<Guarded<OidcClient>>(namespace);
    let right = format!("get the OidcClient {namespace}/{name}");
    let client = match look(right, api.get_opt(name)).await? {
        Sight::Hidden(right) => return Ok(Err(Line::hidden("client", &right))),
        Sight::Seen(None) => {
            let there = look("list", api.list(&ListParams::default())).await?;
            let names: Vec<String> = match there {
                Sight::Seen(list) => list.iter().map(ResourceExt::name_any).take(20).collect(),
                Sight::Hidden(_) => Vec::new(),
            };
            let message = format!("there is no OidcClient {name} in the namespace {namespace}");
            let advice = if names.is_empty() {
                "name its namespace with -n".to_owned()
            } else {
                format!("name its namespace with -n, or one of {}", names.join(", "))
            };
            return Ok(Err(Line::failed("client", message, advice)));
        }
        Sight::Seen(Some(client)) => client,
    };
    Ok(match client.0 {
        Err(odd) => Err(Line::failed(
            "client",
            odd.to_string(),
            "correct the field, or use the plugin of the cluster's version",
        )),
        Ok(client) if client.metadata.deletion_timestamp.is_some() => {
            let finalizers = client.finalizers().join(", ");
            Err(Line::failed(
                "client",
                format!("{namespace}/{name} is being deleted, which {finalizers} holds up"),
                "make it again once it is gone",
            ))
        }
        Ok(client) => {
            let lines = vec![Line::ok("client", format!("{namespace}/{name} is there"))];
            Ok((client, lines))
        }
    })
}

/// Checks against the installation; and the kids that must be published, if they may be seen.
async fn registered(
    cluster: &Cluster,
    found: &Found,
    client: &OidcClient,
    app: &Sight<Option<Secret>>,
    asked: Option<&str>,
) -> Result<(Vec<Line>, Option<Vec<String>>)> {
    let installation = &found.config;
    let labels = labels(cluster, found).await?;
    let others = others(cluster, found).await?;
    let mut lines = registration::served(client, installation, &labels, found.hidden_classes.as_ref());
    let (rules, good) = registration::rules(client, installation, &labels);
    lines.extend(rules);
    let mut signs_in = true;
    if let Some(good) = &good {
        lines.extend(registration::between(good, &others, installation, &labels));
        signs_in = good.allows_grant(GrantType::AuthorizationCode);
    }
    let (uris, native) = Party::redirects(client);
    if signs_in || asked.is_some() {
        lines.push(registration::redirect(asked, &uris, native));
    }
    lines.push(registration::signing_key(good.as_ref(), &others.keys));
    if let Some(good) = &good {
        lines.push(match app {
            Sight::Seen(app) => secret::written(good, client, app.as_ref(), installation),
            Sight::Hidden(right) => Line::hidden("secret", right),
        });
        let mtls = installation.mtls.as_ref();
        let listed = match mtls.and_then(|mtls| mtls.ca.as_ref()) {
            Some(ca) if good.certificate().is_some() => {
                Some(authorities(cluster, &found.namespace, ca).await?)
            }
            _ => None,
        };
        lines.extend(certificate::line(good, client, mtls, &found.namespace, listed));
    }
    let kids = match &others.keys {
        Sight::Seen(keys) => Some(registration::published(keys)),
        Sight::Hidden(_) => None,
    };
    Ok((lines, kids))
}

/// The CAs for clients' certificates, as PEM text; nothing if they are not there.
async fn authorities(cluster: &Cluster, namespace: &str, ca: &ClientCa) -> Result<Sight<Option<String>>> {
    let right = format!("get {}", certificate::object(ca, namespace));
    Ok(match ca {
        ClientCa::ConfigMap(name) => {
            let map = look(right, cluster.api::<ConfigMap>(namespace).get_opt(name)).await?;
            map.map(|map| map?.data?.remove(ClientCa::DATA_KEY))
        }
        ClientCa::ClusterTrustBundle(name) => {
            let bundle = look(right, cluster.all::<ClusterTrustBundle>().get_opt(name)).await?;
            bundle.map(|bundle| Some(bundle?.spec.trust_bundle))
        }
    })
}

async fn others(cluster: &Cluster, found: &Found) -> Result<Others> {
    let (namespace, everything) = (&found.namespace, ListParams::default());
    let in_it = |what: &str| format!("list {what} in the namespace {namespace}");
    let keys = look(in_it("signingkeys"), cluster.api(namespace).list(&everything)).await?;
    let users = look(in_it("oidcusers"), cluster.api(namespace).list(&everything)).await?;
    let clients = look(
        "list oidcclients in all namespaces",
        cluster.all().list(&everything),
    )
    .await?;
    Ok(Others {
        clients: clients.map(|list| list.items),
        users: users.map(|list| list.items),
        keys: keys.map(|list| list.items),
    })
}

/// Labels of namespaces, where they decide.
async fn labels(cluster: &Cluster, found: &Found) -> Result<Sight<Labels>> {
    if !found.config.namespaces.need_labels() {
        return Ok(Sight::Seen(BTreeMap::new()));
    }
    let namespaces = cluster.all::<Namespace>();
    let listed = look("list namespaces", namespaces.list(&ListParams::default())).await?;
    Ok(listed.map(|list| {
        list.into_iter()
            .map(|one| (one.name_any(), one.labels().clone()))
            .collect()
    }))
}

/// The app's Secret, by the name that the spec gives it.
async fn app_secret(cluster: &Cluster, client: &OidcClient) -> Result<Sight<Option<Secret>>> {
    let named = client.spec.secret.as_ref().and_then(|secret| secret.name.clone());
    let name = named.unwrap_or_else(|| format!("{}-oidc", client.name_any()));
    secret_named(cluster, &name).await
}

async fn given_secret(cluster: &Cluster, client: &OidcClient) -> Result<Option<Line>> {
    let Some(reference) = &client.spec.secret_ref else {
        return Ok(None);
    };
    Ok(match secret_named(cluster, &reference.name).await? {
        Sight::Seen(given) => secret::given(client, given.as_ref()),
        Sight::Hidden(right) => Some(Line::hidden("secretRef", &right)),
    })
}

async fn secret_named(cluster: &Cluster, name: &str) -> Result<Sight<Option<Secret>>> {
    let right = format!("get the Secret {}/{name}", cluster.namespace);
    look(right, cluster.api(&cluster.namespace).get_opt(name)).await
}

async fn events(cluster: &Cluster, client: &OidcClient) -> Result<Line> {
    let uid = client.metadata.uid.as_deref().unwrap_or_default();
    let parameters = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
    let right = format!("list events in the namespace {}", cluster.namespace);
    let events = look(right, cluster.api::<Event>(&cluster.namespace).list(&parameters)).await?;
    Ok(registration::events(
        client,
        &events.map(|list| list.items),
        now(),
    ))
}

async fn pods(cluster: &Cluster, found: &Found) -> Result<Sight<Vec<Pod>>> {
    let labels = provider_labels(&found.config.release).map(|(name, value)| format!("{name}={value}"));
    let parameters = ListParams::default().labels(&labels.join(","));
    let right = format!("list pods in the namespace {}", found.namespace);
    let pods = look(right, cluster.api::<Pod>(&found.namespace).list(&parameters)).await?;
    Ok(pods.map(|list| list.items))
}
