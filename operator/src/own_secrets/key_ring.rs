//! `<release>-key-ring`. After its loss passwords are hashed and sealed again, and sessions end; so one that is
//! deleted while an operator knows it is written again.

use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::key_ring::KeyRingData;

use super::{Store, parse};
use crate::context::now;
use crate::execute::Error;

/// The ring: that which is there, else the one in force, else a new one.
pub(super) async fn ensure(store: &Store<'_>, held: Option<&KeyRingData>) -> Result<KeyRingData, Error> {
    let name = store.names().key_ring();
    if let Some(secret) = store.get(&name).await? {
        return parse(&secret, KeyRingData::from_data);
    }
    let ring = match held {
        Some(held) => {
            store.restores(&name);
            held.clone()
        }
        None => KeyRingData::generate(now(), &mut SystemRng),
    };
    store.create(name, "Opaque", ring.to_data()).await?;
    Ok(ring)
}
