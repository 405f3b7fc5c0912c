//! Secrets that no client may refer to, beside those that the installation names: what a SigningKey imports, and
//! passwords. Whoever may create clients in the installation's namespace could otherwise have them copied into a
//! Secret of their own making.

use kube::api::{Api, ListParams};
use oidc_crds::guard::Guarded;
use oidc_crds::resources::SigningKey;

use crate::context::Context;
use crate::execute::Error;

/// Whose Secret of a namespace this is, if it is none of the clients'. The SigningKeys are few and listed anew; the
/// users are many, and known before any client is judged.
pub(super) async fn owner(
    context: &Context,
    namespace: &str,
    name: &str,
) -> Result<Option<&'static str>, Error> {
    if namespace != context.names.namespace {
        return Ok(None);
    }
    if context.index.has_password_in(name) {
        return Ok(Some("holds the password of an OidcUser"));
    }
    let api: Api<Guarded<SigningKey>> = Api::namespaced(context.client.clone(), namespace);
    let listed = api.list(&ListParams::default()).await;
    let listed = listed.map_err(Error::api("list SigningKeys"))?;
    let imports = |key: &Guarded<SigningKey>| {
        let key = key.0.as_ref().ok();
        let from = key.and_then(|key| key.spec.secret_ref.as_ref());
        from.is_some_and(|from| from.name == name)
    };
    Ok(listed
        .items
        .iter()
        .any(imports)
        .then_some("is imported by a SigningKey"))
}
