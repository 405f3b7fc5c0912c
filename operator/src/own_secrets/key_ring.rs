//! `<release>-key-ring`. After its loss passwords are hashed and sealed again, and sessions end.

use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::key_ring::KeyRingData;

use super::{Store, parse};
use crate::context::now;
use crate::execute::Error;

/// The ring, made if there is none.
pub(super) async fn ensure(store: &Store<'_>) -> Result<KeyRingData, Error> {
    let name = store.names().key_ring();
    if let Some(secret) = store.get(&name).await? {
        return parse(&secret, KeyRingData::from_data);
    }
    let ring = KeyRingData::generate(now(), &mut SystemRng);
    store.create(name, "Opaque", ring.to_data()).await?;
    Ok(ring)
}
