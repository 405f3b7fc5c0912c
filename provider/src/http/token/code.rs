//! `authorization_code`: one round trip takes the code and opens its family (I1); a second one only to
//! revoke what a bad request has opened.

use oidc_crds::names::GrantType;
use oidc_crds::rng::SystemRng;
use oidc_protocol::handle::{RefreshToken, family_of};
use oidc_protocol::records::consent_key;
use oidc_protocol::token::authorization_code::{CodeRequest, redeem};
use oidc_protocol::token::issue::Who;
use oidc_protocol::token::{TokenResponse, still_granted};
use rand_core::Rng;

use super::{bad, issued, person, revoked};
use crate::app::App;
use crate::http::error::Failure;
use crate::http::extract::Caller;
use crate::http::moment::Moment;
use crate::store::{Opening, Redeemed};

/// Takes the code, checks what is bound to it, and signs.
///
/// # Errors
/// `invalid_grant`; the family that was opened is revoked then.
pub(super) async fn answer(
    app: &App,
    caller: &Caller,
    request: &CodeRequest,
) -> Result<TokenResponse, Failure> {
    let Moment { ring, now, .. } = &caller.moment;
    let client = caller.client.client();
    let lifetimes = client.lifetimes();
    let tag = request.code.tag;
    let seed = RefreshToken::seed(&mut SystemRng);
    let family = family_of(tag, seed);
    let mut attempt = [0; 16];
    SystemRng.fill_bytes(&mut attempt);
    let refreshes = client.allows_grant(GrantType::RefreshToken);
    let opening = Opening {
        family,
        client: consent_key(ring, client.grantee()),
        ring_version: ring.current(),
        tokens_until: *now + lifetimes.access_token.span(),
        refresh: refreshes.then(|| {
            (
                *now + lifetimes.refresh_token.span(),
                lifetimes.refresh_token_idle.0,
            )
        }),
        bound_to_session: !request.code.is_offline(),
    };
    let stored = match app
        .store
        .redeem_code(request.code.digest(), attempt, opening, *now)
        .await?
    {
        Redeemed::Taken(stored) => stored,
        Redeemed::Replayed(_) => return Err(bad_code("it was redeemed before; its family is revoked now")),
        Redeemed::Unknown => return Err(bad_code("there is none")),
    };
    // the code is gone whatever is found now: one attempt (tok_04)
    let checked = person(app, caller, tag, &stored).and_then(|(grant, session, user)| {
        redeem(&grant, request, &caller.client, *now)?;
        let may = still_granted(&grant, &caller.client, caller.moment.issuer())?;
        let user = user
            .filter(|user| !user.disabled() && user.is_in_one_of(client.allowed_groups()))
            .ok_or_else(|| bad_code("the person is gone, disabled or outside the client's groups"))?;
        Ok((grant, session, user, may))
    });
    let (grant, session, user, (scope, audience)) = match checked {
        Ok(all) => all,
        Err(failure) => return Err(revoked(app, family, failure).await),
    };
    let first = refreshes
        .then(|| RefreshToken::derive(ring, ring.current(), client.grantee(), tag, seed, 0))
        .flatten();
    let who = Who::Person {
        user: &user,
        session: &session,
        grant: &grant,
        family,
        first: true,
    };
    issued(
        caller,
        who,
        &scope,
        &audience,
        first.as_ref(),
        grant.scope_changed,
    )
}

fn bad_code(cause: &'static str) -> Failure {
    bad("The code is not good: start the sign-in again.", cause)
}
