//! What both registrars ask before they make or change a client.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oidc_crds::arbitrate::arbitrate;
use oidc_crds::client::Client;
use oidc_crds::resources::OidcClient;
use oidc_crds::secrets::installation::{Installation, Namespaces};
use oidc_crds::validate::{Violation, validate};

use crate::app::App;

/// The UID of an object that is not made yet.
const NOT_YET: &str = "not-yet";

/// Judges an object as the directory will once it is there: by itself and beside all others that are served. Whether
/// its namespace is served is not asked, since that may depend on labels; the watch tells.
///
/// # Errors
/// All violations.
pub fn judge(app: &App, object: &OidcClient) -> Result<Client, Vec<Violation>> {
    let mut object = object.clone();
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
