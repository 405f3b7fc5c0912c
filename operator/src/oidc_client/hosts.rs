//! What the status of a client says while the routes of its namespace cannot be read.

use oidc_crds::client::Client;
use oidc_crds::resources::{Claim, ConditionType, OidcClient, Reason};

use crate::plan::fails;

/// Whether addresses wait because nobody knows whether their hosts have routes.
pub(super) fn wait(client: &Client, object: &OidcClient) -> bool {
    let spec = &object.spec;
    client.redirect_uris().len() < spec.redirect_uris.len()
        || client.post_logout_redirect_uris().len() < spec.post_logout_redirect_uris.len()
}

/// Says of a client with such addresses that it is neither accepted nor refused.
pub(super) fn waiting() -> Vec<Claim> {
    let told = "the Ingresses or HTTPRoutes of the namespace cannot be read (the operator's log says why): hosts \
                that were not known before wait until they can";
    vec![
        Claim {
            kind: ConditionType::Accepted,
            holds: None,
            reason: Reason::RoutesUnknown,
            message: told.to_owned(),
        },
        fails(ConditionType::Ready, Reason::RoutesUnknown, told),
    ]
}

/// Says of a client that is accepted by what.
pub(super) fn tell(claims: &mut [Claim]) {
    let accepted = claims
        .iter_mut()
        .find(|claim| claim.kind == ConditionType::Accepted && claim.holds == Some(true));
    if let Some(accepted) = accepted {
        accepted.message.push_str(
            "; the Ingresses or HTTPRoutes of the namespace cannot be read (the operator's log says why), so its \
             hosts are those that were known before",
        );
    }
}
