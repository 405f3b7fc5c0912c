//! The password, once more: before a dangerous action of somebody who gave it a while ago.

use axum::response::Response;
use http::StatusCode;
use oidc_protocol::first_party::must_reauthenticate;
use oidc_protocol::params::Params;
use oidc_protocol::pending::csrf_token;

use super::SignedIn;
use crate::app::App;
use crate::http::login::credentials::{Again, Checked, by_password};
use crate::http::moment::path_of;
use crate::http::own_form::OwnForm;
use crate::http::pages;
use crate::store::StoreError;
use crate::texts::Html;

/// Whether an action may go on.
pub(super) enum Confirmed {
    /// It may.
    Yes,
    /// The person is to be asked with this page.
    Ask(Response),
}

/// Asks for the password if that is due, and looks at it if it was given. `what` is about to be done by a POST
/// to `path` with the fields `carried`.
///
/// # Errors
/// When the store is away.
pub(super) async fn confirm(
    app: &App,
    own: &OwnForm,
    signed_in: &SignedIn,
    params: &Params,
    what: &str,
    path: &str,
    carried: &[(&'static str, String)],
) -> Result<Confirmed, StoreError> {
    let OwnForm {
        call,
        moment,
        browser,
    } = own;
    if !must_reauthenticate(&signed_in.session, moment.now) {
        return Ok(Confirmed::Yes);
    }
    let username = signed_in.user.username();
    let mut again = None;
    if params.get("password").is_some() {
        match by_password(app, call, moment, browser, username, params).await? {
            // the name may have passed to another user meanwhile
            Checked::Right(person) if person.user.uid() == signed_in.session.user_uid => {
                return Ok(Confirmed::Yes);
            }
            Checked::Again(why) => again = Some(why),
            Checked::Right(_) | Checked::Declined => again = Some(Again::Wrong),
        }
    }
    let view = call.view();
    let base = path_of(moment.issuer());
    let problem = again.map(|why| match why {
        Again::Wrong => Html::text(view.t.wrong_password),
        other => other.problem(view.t),
    });
    let template = pages::Confirm {
        view: &view,
        action: format!("{base}{path}"),
        back: &format!("{base}/account"),
        what,
        csrf: &csrf_token(&moment.ring, &browser.digest()),
        carried,
        username,
        problem: &problem.unwrap_or_default(),
    };
    let status = again.map_or(StatusCode::OK, Again::status);
    let mut response = pages::page(&view, status, &template);
    if let Some(why) = again {
        why.add_to(response.headers_mut());
    }
    Ok(Confirmed::Ask(response))
}
