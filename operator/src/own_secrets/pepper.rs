//! `<release>-pepper`. After its loss the digests are computed again from the apps' Secrets; one that is deleted
//! while an operator knows it is written again.

use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::pepper::Pepper;

use super::{Store, parse};
use crate::context::now;
use crate::execute::Error;

/// The pepper: that which is there, else the one in force, else a new one.
pub(super) async fn ensure(store: &Store<'_>, held: Option<&Pepper>) -> Result<Pepper, Error> {
    let name = store.names().pepper();
    if let Some(secret) = store.get(&name).await? {
        return parse(&secret, Pepper::from_data);
    }
    let pepper = match held {
        Some(held) => {
            store.restores(&name);
            held.clone()
        }
        None => Pepper::generate(now(), &mut SystemRng),
    };
    store.create(name, "Opaque", pepper.to_data()).await?;
    Ok(pepper)
}
