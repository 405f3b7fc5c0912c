//! The page for a person who has as many sessions as may be: the password was right, so they may end the oldest
//! one, or leave.

use axum::response::Response;
use http::StatusCode;
use oidc_crds::rng::SystemRng;
use oidc_crds::user::User;
use oidc_protocol::first_party::PasswordProof;
use oidc_protocol::pending::csrf_token;

use crate::http::cookie::Browser;
use crate::http::moment::{Moment, path_of};
use crate::http::pages::{self, Time};
use crate::sessions::LiveLogin;

/// The page; `request` is the form's `_request` as it was sent.
pub fn page(
    moment: &Moment,
    browser: &Browser,
    request: &str,
    user: &User,
    sessions: &[LiveLogin],
) -> Response {
    let digest = browser.digest();
    let proof = PasswordProof::new(user.uid(), request, moment.now);
    let template = pages::SessionLimit {
        form: pages::Form {
            action: format!("{}/login", path_of(moment.issuer())),
            csrf: &csrf_token(&moment.ring, &digest),
            request,
        },
        proof: &proof.seal(&moment.ring, &digest, &mut SystemRng),
        username: user.username(),
        count: sessions.len(),
        oldest: sessions.first().map(|oldest| pages::OldestSession {
            device: &oldest.record.device,
            signed_in: Time::of(oldest.record.signed_in_at),
            last_seen: Time::of(oldest.last_seen),
        }),
    };
    pages::page(StatusCode::CONFLICT, &template)
}
