//! Whom to be: a client of the issuer, by the name of its OidcClient or by flags.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use oidc_crds::credentials::ClientSecret;
use oidc_crds::names::{ApplicationType, SecretMethod};
use oidc_crds::resources::OidcClient;
use oidc_crds::secrets::Data;
use oidc_crds::secrets::app::held_secret;

use crate::access::{Access, Cluster, Sight, look, told};
use crate::installation::{Which, find};
use crate::oidc::issuer::Reach;

/// Which client.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Named {
    /// An OidcClient: issuer, id, secret and CA are read from the cluster.
    #[arg(required_unless_present = "issuer", conflicts_with_all = ["client_id", "client_secret_file"])]
    pub(crate) client: Option<String>,
    /// The issuer's URL.
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// The client's id.
    #[arg(
        long,
        value_name = "ID",
        requires = "issuer",
        required_unless_present = "client"
    )]
    pub(crate) client_id: Option<String>,
    /// A file with the client's secret; none: a public client.
    #[arg(long, value_name = "FILE", requires = "client_id")]
    pub(crate) client_secret_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// A client of an issuer.
#[derive(Debug, Clone)]
pub(crate) struct Party {
    /// The issuer.
    pub(crate) issuer: String,
    /// Its id.
    pub(crate) client_id: String,
    /// Its secret, if it has one and it was asked for.
    pub(crate) secret: Option<ClientSecret>,
    /// Whether the secret goes into the body.
    pub(crate) in_body: bool,
    /// The CA of the issuer's https; `None`: those of the machine.
    pub(crate) ca: Option<String>,
    /// Its redirect URIs, and whether it is native; `None`: not known.
    pub(crate) redirect_uris: Option<(Vec<String>, bool)>,
    /// The scopes that it may ask for; `None`: not known.
    pub(crate) scopes: Option<Vec<String>>,
}

impl Named {
    /// Whom the flags name. `secret`: whether the secret is needed, so that nobody reads one without need.
    pub(crate) async fn party(&self, access: &Access, which: &Which, secret: bool) -> Result<Party> {
        match &self.client {
            Some(name) => {
                self.of_cluster(name, &access.connect().await?, which, secret)
                    .await
            }
            None => Ok(Party {
                issuer: self
                    .issuer
                    .clone()
                    .context("name an OidcClient, or --issuer and --client-id")?,
                client_id: self
                    .client_id
                    .clone()
                    .context("name the client with --client-id")?,
                secret: self.client_secret_file.as_ref().map(secret_of).transpose()?,
                in_body: false,
                ca: self.reach.ca()?,
                redirect_uris: None,
                scopes: None,
            }),
        }
    }

    async fn of_cluster(&self, name: &str, cluster: &Cluster, which: &Which, secret: bool) -> Result<Party> {
        let namespace = &cluster.namespace;
        let client: OidcClient = cluster
            .api(namespace)
            .get(name)
            .await
            .map_err(|error| told(error, &format!("get the OidcClient {namespace}/{name}")))?;
        // the installation says what the issuer is; the Secret says it too, to whoever may read that only
        let mut issuer = self.issuer.clone();
        if issuer.is_none()
            && let Ok(Sight::Seen(found)) = find(cluster, which, Some(&client)).await
        {
            issuer = Some(found.config.issuer);
        }
        let app = match secret || issuer.is_none() {
            true => Some(app_secret(cluster, &client).await?),
            false => None,
        };
        let party = Party::of(&client, issuer.as_deref(), app.as_ref(), self.reach.ca()?)?;
        let authentication = client.spec.authentication.clone().unwrap_or_default();
        if secret && authentication.none.is_none() && party.secret.is_none() {
            ensure!(
                has_secret(&client),
                "the OidcClient {namespace}/{name} authenticates without a secret, by what the plugin does not have: use \
                 a client with a secret, or a public one"
            );
            bail!("the client's Secret holds no secret: `kubectl oidc debug {name} -n {namespace}` says why");
        }
        Ok(party)
    }
}

impl Party {
    /// Of an OidcClient. `app`: its Secret, as far as it is needed and may be read; `issuer` and `ca` go before what
    /// stands in it.
    pub(crate) fn of(
        client: &OidcClient,
        issuer: Option<&str>,
        app: Option<&Secret>,
        ca: Option<String>,
    ) -> Result<Self> {
        let data = app.and_then(|app| app.data.clone()).unwrap_or_default();
        let data: Data = data.into_iter().map(|(key, value)| (key, value.0)).collect();
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).ok();
        // under whatever key the Secret's shape has it
        let certificates = || {
            let mut texts = data.values().filter_map(text);
            texts.find(|text| text.starts_with("-----BEGIN CERTIFICATE-----"))
        };
        let spec = &client.spec;
        let authentication = spec.authentication.clone().unwrap_or_default();
        let secret = app
            .and_then(|app| held_secret(&data, app.annotations()))
            .filter(|_| has_secret(client));
        let method = authentication.client_secret.and_then(|one| one.method);
        let scopes = spec.scopes.clone();
        Ok(Self {
            issuer: issuer
                .map(str::to_owned)
                .or_else(|| data.get("ISSUER_URL").and_then(text))
                .context(
                    "the issuer is not known: neither the installation nor the client's Secret may be read",
                )?,
            client_id: spec.client_id.clone().unwrap_or_else(|| {
                format!("{}.{}", client.namespace().unwrap_or_default(), client.name_any())
            }),
            secret,
            in_body: method == Some(SecretMethod::ClientSecretPost),
            ca: ca.or_else(certificates),
            redirect_uris: Some(Self::redirects(client)),
            scopes: Some(scopes.unwrap_or_else(|| ["openid", "profile", "email"].map(str::to_owned).into())),
        })
    }

    /// The redirect URIs of a client, and whether it is native.
    pub(crate) fn redirects(client: &OidcClient) -> (Vec<String>, bool) {
        let spec = &client.spec;
        let here = ["http://127.0.0.1", "http://[::1]", "http://localhost"];
        let of_a_device =
            |uri: &String| !uri.starts_with("http") || here.iter().any(|here| uri.starts_with(here));
        let native = match spec.application_type {
            Some(kind) => kind == ApplicationType::Native,
            None => !spec.redirect_uris.is_empty() && spec.redirect_uris.iter().all(of_a_device),
        };
        (spec.redirect_uris.clone(), native)
    }
}

/// Whether a client authenticates with a secret: the default, too.
pub(crate) fn has_secret(client: &OidcClient) -> bool {
    let authentication = client.spec.authentication.as_ref();
    authentication.is_none_or(|one| one.client_secret.is_some())
}

/// The Secret that the operator wrote for a client.
async fn app_secret(cluster: &Cluster, client: &OidcClient) -> Result<Secret> {
    let name = client.metadata.name.as_deref().unwrap_or_default();
    let namespace = &cluster.namespace;
    let written = client.status.as_ref().and_then(|status| status.secret.as_ref());
    let secret = written.map(|written| written.name.clone()).with_context(|| {
        format!("the OidcClient {namespace}/{name} has no Secret yet: `kubectl oidc debug {name} -n {namespace}` says why")
    })?;
    let right = format!("get the Secret {namespace}/{secret}");
    match look(right, cluster.api(namespace).get(&secret)).await? {
        Sight::Seen(secret) => Ok(secret),
        Sight::Hidden(right) => {
            bail!("you may not {right}: give --issuer, --client-id and --client-secret-file instead")
        }
    }
}

fn secret_of(path: &PathBuf) -> Result<ClientSecret> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    ensure!(!text.is_empty(), "{} is empty", path.display());
    Ok(ClientSecret::new(text.to_owned()))
}
