//! What both registrars do: judge a client before it is made, and apply a change.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oidc_crds::arbitrate::arbitrate;
use oidc_crds::client::Client;
use oidc_crds::registration::{Issued, has_secret, opens, renew};
use oidc_crds::resources::{OidcClient, Reason};
use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::installation::{Installation, Namespaces};
use oidc_crds::secrets::pepper::Pepper;
use oidc_crds::validate::{Violation, validate};

use oidc_protocol::registration::change::replaced;

use crate::app::{App, Change, NotRegistered};

/// The UID of an object that is not made yet.
const NOT_YET: &str = "not-yet";

/// Judges an object as the directory will once it is there: by itself and beside all others that are served. Whether
/// its namespace is served is not asked, since that may depend on labels; the watch tells. Its registration is not
/// looked at: that follows from what it is to be.
///
/// # Errors
/// All violations.
pub fn judge(app: &App, object: &OidcClient) -> Result<Client, Vec<Violation>> {
    let mut object = object.clone();
    object.spec.registration = None;
    // what the status says is of another spec
    object.metadata.generation = None;
    let metadata = &mut object.metadata;
    let uid = metadata.uid.get_or_insert_with(|| NOT_YET.to_owned()).clone();
    // the youngest: others were there before
    metadata.creation_timestamp.get_or_insert(Time(Timestamp::MAX));
    let namespace = metadata.namespace.clone().unwrap_or_default();
    let installation = Installation {
        namespaces: Namespaces::Watch(vec![namespace]),
        ..app.installation.load().as_ref().clone()
    };
    let client = validate(&object, &installation, None)?;
    let unjudged = unjudged(&object, &client);
    if !unjudged.is_empty() {
        return Err(unjudged);
    }
    let (served, users) = (app.clients.all(), app.users.all());
    let others = served
        .iter()
        .map(AsRef::as_ref)
        .filter(|other| other.uid() != uid);
    let clients: Vec<&Client> = others.chain([&client]).collect();
    let users: Vec<_> = users.iter().map(AsRef::as_ref).collect();
    let algorithms = app.keys.algorithms();
    let refused = arbitrate(&clients, &users, &installation, algorithms.as_ref());
    let refused: Vec<_> = refused
        .into_iter()
        .filter(|(loser, _)| *loser == uid)
        .map(|(_, violation)| violation)
        .collect();
    if refused.is_empty() {
        Ok(client)
    } else {
        Err(refused)
    }
}

/// Where routes are followed, the validator leaves addresses out whose hosts nobody has looked at yet. A person finds
/// the verdict in the status; a program has this answer only, so it is not told of a client that it may never get.
fn unjudged(object: &OidcClient, client: &Client) -> Vec<Violation> {
    let lists = [
        (
            "spec.redirectUris",
            object.spec.redirect_uris.len(),
            client.redirect_uris().len(),
        ),
        (
            "spec.postLogoutRedirectUris",
            object.spec.post_logout_redirect_uris.len(),
            client.post_logout_redirect_uris().len(),
        ),
    ];
    let short = lists.into_iter().filter(|(_, asked, judged)| judged < asked);
    short
        .map(|(field, ..)| Violation {
            field: field.to_owned(),
            reason: Reason::NoRoute,
            message: "has a host that no route is known to serve".to_owned(),
        })
        .collect()
}

/// Applies a change to an object as it is now, and judges what comes of it. The client that is returned has no
/// credentials.
///
/// # Errors
/// `Unknown` where the token does not open the object, `Refused` for another secret than the present one and for
/// what the validator refuses; then the object is not to be used any more.
pub fn change(
    app: &App,
    object: &mut OidcClient,
    change: &Change,
    pepper: &Pepper,
) -> Result<(Client, Issued), NotRegistered> {
    let now = app.clock.now();
    if !opens(object, &change.token, pepper, now) {
        return Err(NotRegistered::Unknown);
    }
    // "the client MUST NOT be allowed to overwrite its existing client_secret with its own value" (RFC 7592 §2.2)
    let repeated = change.asked.secret.as_ref();
    if repeated.is_some_and(|secret| !has_secret(object, secret, pepper)) {
        return Err(NotRegistered::Refused(vec![Violation {
            field: "client_secret".to_owned(),
            reason: Reason::Invalid,
            message: "is not the present one".to_owned(),
        }]));
    }
    object.spec = replaced(std::mem::take(&mut object.spec), change.asked.clone());
    let client = judge(app, object)?;
    let issued = renew(
        object,
        client.has_secret(),
        &change.token,
        pepper,
        now,
        &mut SystemRng,
    );
    Ok((client, issued.ok_or(NotRegistered::Unknown)?))
}
