//! `refresh_token`: one round trip compares and rotates (I2). A request that names scopes costs a second one
//! before it: were a wrong scope found after the rotation, the client would never see the successor, and its
//! corrected request would count as reuse once the grace is over.

use std::sync::Arc;

use oidc_crds::user::User;
use oidc_protocol::error::ErrorCode;
use oidc_protocol::handle::{FamilyId, RefreshToken};
use oidc_protocol::records::{GrantRecord, Session};
use oidc_protocol::token::issue::Who;
use oidc_protocol::token::refresh_token::{RefreshRequest, check};
use oidc_protocol::token::{TokenResponse, still_granted};

use super::{bad, issued, person, revoked};
use crate::app::App;
use crate::http::error::Failure;
use crate::http::extract::Caller;
use crate::http::moment::Moment;
use crate::store::{Rotated, Rotation, StoredGrant};

/// Rotates the token, checks that it may still be used, and signs.
///
/// # Errors
/// `invalid_grant`; the family is revoked then. `invalid_scope` and `invalid_target`, which revoke nothing.
pub(super) async fn answer(
    app: &App,
    caller: &Caller,
    request: &RefreshRequest,
) -> Result<TokenResponse, Failure> {
    let Moment { ring, now, .. } = &caller.moment;
    let client = caller.client.client();
    let lifetimes = client.lifetimes();
    // a wrong mac, or another client's token, costs no round trip and revokes nothing
    let presented = RefreshToken::parse(&request.refresh_token, ring, client.grantee())
        .ok_or_else(|| bad_refresh("it is no refresh token of this client"))?;
    let family = presented.family();
    if request.scope.is_some()
        // nothing for a repetition, whose successor is current: that one changes nothing any more
        && let Some((stored, _)) = app.store.refresh_state(family, presented.generation, *now).await?
    {
        checked(app, caller, request, family, &stored).await?;
    }
    let rotation = Rotation {
        family,
        generation: presented.generation,
        ring_version: ring.current(),
        grace: lifetimes.refresh_grace.0,
        tokens_until: *now + lifetimes.access_token.span(),
    };
    let (stored, version) = match app.store.rotate_refresh(rotation, *now).await? {
        Rotated::Rotated(stored) => (stored, ring.current()),
        Rotated::Repeated(stored, version) => (stored, version),
        Rotated::Reused(_) => return Err(bad_refresh("it was used before; its family is revoked now")),
        Rotated::Unknown => return Err(bad_refresh("its family or its session has ended")),
    };
    let Checked {
        grant,
        session,
        user,
        scope,
        audience,
    } = checked(app, caller, request, family, &stored).await?;
    let successor = presented
        .successor(ring, version, client.grantee())
        .ok_or_else(|| bad_refresh("the ring version of its successor is gone"))?;
    let who = Who::Person {
        user: &user,
        session: &session,
        grant: &grant,
        family,
        first: false,
    };
    issued(
        caller,
        who,
        &scope,
        &audience,
        Some(&successor),
        scope != grant.scope,
    )
}

/// What a good request is answered from.
struct Checked {
    grant: GrantRecord,
    session: Session,
    user: Arc<User>,
    scope: Vec<String>,
    audience: Vec<String>,
}

/// Checks that what the family holds may still be used so; a family that may not be used at all is revoked.
async fn checked(
    app: &App,
    caller: &Caller,
    request: &RefreshRequest,
    family: FamilyId,
    stored: &StoredGrant,
) -> Result<Checked, Failure> {
    let checked = person(app, caller, family.tag, stored).and_then(|(grant, session, user)| {
        let scope = check(&grant, &session, user.as_deref(), request, &caller.client)?;
        let (_, audience) = still_granted(&grant, &caller.client, caller.moment.issuer())?;
        let user = user.ok_or_else(|| bad_refresh("the person is gone"))?;
        Ok(Checked {
            grant,
            session,
            user,
            scope,
            audience,
        })
    });
    match checked {
        Err(failure) if failure.code() == ErrorCode::InvalidGrant => Err(revoked(app, family, failure).await),
        other => other,
    }
}

fn bad_refresh(cause: &'static str) -> Failure {
    bad(
        "The refresh token is not good: the person must sign in again.",
        cause,
    )
}
