//! From a request to what the protocol takes: bodies within their limit, forms, and the client that calls.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use futures::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};
use oidc_crds::client::{Authentication, Client};
use oidc_crds::rng::SystemRng;
use oidc_protocol::client_auth::private_key::{self, Audiences};
use oidc_protocol::client_auth::{
    Assertion, AuthenticatedClient, Presented, authenticate, certificate, service_account,
};
use oidc_protocol::error::{ErrorCode, OAuthError};
use oidc_protocol::params::Params;
use rand_core::Rng;
use tracing::info;
use zeroize::Zeroizing;

use super::call::{Call, Calling};
use super::error::Failure;
use super::moment::Moment;
use crate::app::App;
use crate::mtls;

/// The largest body, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);

/// Parameters that must never be in a URL of a back-channel endpoint: URLs end up in logs.
const SECRET_PARAMETERS: [&str; 9] = [
    "client_secret",
    "client_assertion",
    "code",
    "code_verifier",
    "refresh_token",
    "token",
    "access_token",
    "username",
    "password",
];

/// Reads a body.
///
/// # Errors
/// 413 over the limit, 408 when it takes too long, `invalid_request` when it breaks off.
pub async fn body(headers: &HeaderMap, body: Body) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let too_large =
        || refused("The body is too large: 64 KiB are allowed.").with_status(StatusCode::PAYLOAD_TOO_LARGE);
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(too_large());
    }
    let read = async {
        let mut bytes = Zeroizing::new(Vec::new());
        let mut stream = body.into_data_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| refused("The body broke off."))?;
            if bytes.len() + chunk.len() > MAX_BODY {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    };
    tokio::time::timeout(BODY_TIME, read).await.unwrap_or_else(|_| {
        Err(refused("The body took too long to arrive.").with_status(StatusCode::REQUEST_TIMEOUT))
    })
}

/// Whether a request's body is of this media type, whatever its parameters.
#[must_use]
pub fn is_of_type(headers: &HeaderMap, media_type: &str) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default();
            essence.trim().eq_ignore_ascii_case(media_type)
        })
}

/// `application/x-www-form-urlencoded`.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// A form in the body.
pub struct Form {
    /// Its parameters.
    pub params: Params,
    /// Its length in bytes.
    pub length: usize,
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let (parts, content) = request.into_parts();
        Self::read(&parts.headers, content).await
    }
}

impl Form {
    async fn read(headers: &HeaderMap, content: Body) -> Result<Self, Failure> {
        if !is_of_type(headers, FORM) {
            return Err(refused(
                "The body must be of the type application/x-www-form-urlencoded.",
            ));
        }
        let bytes = body(headers, content).await?;
        Ok(Self {
            params: Params::parse(&bytes)?,
            length: bytes.len(),
        })
    }
}

/// The parameters of an endpoint for which GET and POST are equal (OpenID Connect Core §3.1.2.1): in the
/// query or in a form.
pub struct QueryOrForm {
    /// The parameters.
    pub params: Params,
    /// Their length in bytes, as encoded.
    pub length: usize,
}

impl<S: Send + Sync> FromRequest<S> for QueryOrForm {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let (parts, content) = request.into_parts();
        if parts.method == Method::POST {
            let Form { params, length } = Form::read(&parts.headers, content).await?;
            return Ok(Self { params, length });
        }
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        Ok(Self {
            params: Params::parse(query)?,
            length: query.len(),
        })
    }
}

/// A client that calls a back-channel endpoint: form read, client authenticated.
pub struct Caller {
    /// The client.
    pub client: AuthenticatedClient,
    /// The form.
    pub params: Params,
    /// What is in force.
    pub moment: Moment,
}

impl FromRequest<Arc<App>> for Caller {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Failure> {
        let (parts, content) = request.into_parts();
        refuse_secrets_in(&parts.uri)?;
        let Form { params, .. } = Form::read(&parts.headers, content).await?;
        let moment = Moment::load(app)?;
        let presented = Presented::read(authorization(&parts.headers)?, &params)?;
        let known = app.clients.get(presented.unverified_client_id());
        if let (Some(client), Some(Calling(call))) = (&known, parts.extensions.get()) {
            Call::note_client(call, client);
        }
        let client = match presented.assertion() {
            None if presented.is_bare() => by_certificate(app, &moment, known.as_ref(), &presented, &parts)?,
            None => authenticate(known.as_ref(), &presented, &moment.pepper, moment.now)?,
            Some(assertion) => by_assertion(app, &moment, known.as_ref(), assertion, &parts.uri).await?,
        };
        let client = match of_certificate(app, &client, &parts) {
            Some(thumbprint) => {
                if let Some(Calling(call)) = parts.extensions.get() {
                    call.note_certificate(thumbprint.clone());
                }
                client.bound_to(Some(thumbprint))
            }
            None => client,
        };
        // whoever sends a public client's id has proven nothing yet
        if !client.client().is_public() {
            let credential = client.credential_id().unwrap_or_default();
            app.uses.note(client.client().grantee(), credential, moment.now);
        }
        if let (Some(workload), Some(Calling(call))) = (client.workload(), parts.extensions.get()) {
            call.note_workload(workload);
        }
        Ok(Self {
            client,
            params,
            moment,
        })
    }
}

/// The URL of the endpoint that was called, as discovery gives it below the issuer or where certificates are shown.
fn endpoint(base: &str, uri: &Uri) -> String {
    let name = uri.path().rsplit('/').next().unwrap_or_default();
    format!("{base}/{name}")
}

/// The thumbprint of the certificate that was shown, where it says who the client is or whose its tokens are.
fn of_certificate(app: &App, client: &AuthenticatedClient, parts: &Parts) -> Option<String> {
    let client = client.client();
    let counts = client.certificate().is_some() || client.certificate_bound();
    if !counts {
        return None;
    }
    let shown = mtls::of_request(app, parts).unwrap_or_else(|why| {
        let client = client.client_id();
        info!(
            client,
            "a client's certificate is passed over, it cannot be read: {why}"
        );
        None
    });
    shown.map(|certificate| certificate.thumbprint())
}

/// A client that sent nothing but its id: what it proves, it has proven by a certificate, unless it need prove nothing.
fn by_certificate(
    app: &App,
    moment: &Moment,
    known: Option<&Arc<Client>>,
    presented: &Presented,
    parts: &Parts,
) -> Result<AuthenticatedClient, Failure> {
    let registered = known.and_then(|client| Some((client, client.certificate()?)));
    let certificate = mtls::of_request(app, parts);
    let authorities = app.authorities.load();
    let certificate = certificate.as_ref().map(Option::as_ref).map_err(|why| *why);
    // whoever is named, and whether it is anybody: all take as long, and wait for the CAs alike
    let shown = certificate.map(|one| one.map(|one| one.shown(authorities.as_ref(), moment.now)));
    let needs_none = known.is_some_and(|client| client.is_public())
        || registered.is_some_and(|(_, registered)| !registered.needs_ca());
    let names_ca = (moment.installation.mtls.as_ref()).is_some_and(|mtls| mtls.ca.is_some());
    if matches!(shown, Ok(Some(_))) && !needs_none && names_ca && authorities.is_none() {
        return Err(certificate::not_yet().into());
    }
    if let Some((client, registered)) = registered {
        return Ok(certificate::authenticate(client, registered, shown, moment.now)?);
    }
    Ok(authenticate(known, presented, &moment.pepper, moment.now)?)
}

/// One round trip more than with a secret: a good assertion is remembered until it has expired.
async fn by_assertion(
    app: &App,
    moment: &Moment,
    known: Option<&Arc<Client>>,
    assertion: &Assertion,
    uri: &Uri,
) -> Result<AuthenticatedClient, Failure> {
    let of_the_cluster = match known {
        Some(client) => matches!(client.authentication(), Authentication::ServiceAccounts(_)),
        None => service_account::looks_like(assertion),
    };
    if of_the_cluster {
        return by_service_account(app, moment, known, assertion).await;
    }
    let alias = (moment.installation.mtls.as_ref()).map(|mtls| endpoint(&mtls.url, uri));
    let audiences = Audiences {
        issuer: moment.issuer(),
        endpoint: &endpoint(moment.issuer(), uri),
        alias: alias.as_deref(),
    };
    let fetched = match known {
        Some(client) => app.client_keys.get(app, client, assertion, moment.now).await,
        None => None,
    };
    let fetched = fetched.as_deref();
    let once = private_key::authenticate(known, assertion, fetched, audiences, moment.now)?;
    let mut attempt = [0; 16];
    SystemRng.fill_bytes(&mut attempt);
    let first = app
        .store
        .remember_once(once.jti, attempt, once.until, moment.now)
        .await?;
    Ok(once.first(first)?)
}

/// No round trip: the token may be used again until it expires.
async fn by_service_account(
    app: &App,
    moment: &Moment,
    known: Option<&Arc<Client>>,
    assertion: &Assertion,
) -> Result<AuthenticatedClient, Failure> {
    let issuer = app.cluster.issuer();
    if issuer.is_none_or(|issuer| service_account::is_key_unknown(assertion, &issuer)) {
        app.cluster.refresh(moment.now).await;
    }
    let cluster = app.cluster.issuer().ok_or_else(service_account::not_yet)?;
    let proven = service_account::authenticate(known, assertion, &cluster, moment.issuer(), moment.now)?;
    Ok(proven)
}

/// The value of the Authorization header.
///
/// # Errors
/// `invalid_request` when it is there twice or is no text.
pub fn authorization(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(refused("The Authorization header is there twice."));
    }
    first
        .map(|value| {
            value
                .to_str()
                .map_err(|_| refused("The Authorization header is not readable."))
        })
        .transpose()
}

/// Refuses credentials in a URL.
///
/// # Errors
/// `invalid_request`.
pub fn refuse_secrets_in(uri: &Uri) -> Result<(), Failure> {
    let Some(query) = uri.query() else {
        return Ok(());
    };
    let query = query.as_bytes();
    if form_urlencoded::parse(query).any(|(name, _)| SECRET_PARAMETERS.contains(&name.as_ref())) {
        return Err(refused(
            "Send credentials in the body or the Authorization header, never in the URL.",
        ));
    }
    Ok(())
}

/// `invalid_request`.
pub fn refused(description: &'static str) -> Failure {
    OAuthError::new(ErrorCode::InvalidRequest, description).into()
}
