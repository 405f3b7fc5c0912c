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
use crate::http::view::View;
use crate::sessions::LiveLogin;
use crate::texts::Html;

/// The page; `request` is the form's `_request` as it was sent.
pub fn page(
    view: &View,
    moment: &Moment,
    browser: &Browser,
    request: &str,
    user: &User,
    sessions: &[LiveLogin],
) -> Response {
    let t = view.t;
    let count = i64::try_from(sessions.len()).unwrap_or(i64::MAX);
    let digest = browser.digest();
    let proof = PasswordProof::new(user.uid(), request, moment.now);
    let template = pages::SessionLimit {
        view,
        form: pages::Form {
            action: format!("{}/login", path_of(moment.issuer())),
            csrf: &csrf_token(&moment.ring, &digest),
            request,
        },
        proof: &proof.seal(&moment.ring, &digest, &mut SystemRng),
        reached: (t.limit_reached)(&Html::inside("strong", user.username()), count),
        oldest: sessions.first().map(|oldest| {
            let device = pages::device(t, &oldest.record.device).strong();
            let signed_in = Time::of(oldest.record.signed_in_at, t).html();
            (t.oldest_session)(&device, &signed_in, &Time::of(oldest.last_seen, t).html())
        }),
    };
    pages::page(view, StatusCode::CONFLICT, &template)
}
