//! `<release>-pepper`. After its loss the digests are computed again from the apps' Secrets.

use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::pepper::Pepper;

use super::{Store, parse};
use crate::context::now;
use crate::execute::Error;

/// The pepper, made if there is none.
pub(super) async fn ensure(store: &Store<'_>) -> Result<Pepper, Error> {
    let name = store.names().pepper();
    if let Some(secret) = store.get(&name).await? {
        return parse(&secret, Pepper::from_data);
    }
    let pepper = Pepper::generate(now(), &mut SystemRng);
    store.create(name, "Opaque", pepper.to_data()).await?;
    Ok(pepper)
}
