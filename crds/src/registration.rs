//! What an `OidcClient` gets when a program registers it (RFC 7591): a registration of its own, with the digest of
//! the secret that only the answer tells. Both registrars, in the cluster and standalone, come here.

use rand_core::CryptoRng;

use crate::client::registration_scope;
use crate::credentials::{ClientSecret, credential_id, digest};
use crate::resources::OidcClient;
use crate::resources::oidc_client::Registration;
use crate::secrets::pepper::Pepper;

/// Gives an object, which has its namespace and name, a registration; the secret, if it is to have one, is in no
/// other place. `token`: the name of the initial access token that it was made with.
pub fn register(
    object: &mut OidcClient,
    has_secret: bool,
    token: Option<String>,
    pepper: &Pepper,
    rng: &mut impl CryptoRng,
) -> Option<ClientSecret> {
    let id = credential_id(rng);
    let secret = has_secret.then(|| ClientSecret::generate(rng));
    let scope = scope(object);
    object.spec.registration = Some(Box::new(Registration {
        secret_digest: secret.as_ref().map(|secret| digest(pepper, &scope, &id, secret)),
        id,
        token,
    }));
    secret
}

/// What the digests of the object's registration are bound to.
fn scope(object: &OidcClient) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    registration_scope(&part(&object.metadata.namespace), &part(&object.metadata.name))
}
