//! The login form of `/account`, and its answer: a session, and nothing else.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use oidc_crds::rng::SystemRng;
use oidc_protocol::first_party::{Page, PendingPage};
use oidc_protocol::params::Params;
use oidc_protocol::pending::csrf_token;

use super::{Done, back};
use crate::app::App;
use crate::http::audit;
use crate::http::call::Call;
use crate::http::cookie::{self, Browser};
use crate::http::error::Failure;
use crate::http::flow::with_cookies;
use crate::http::login::begin::{Begun, Place, begin};
use crate::http::login::credentials::{self, Checked};
use crate::http::login::limit;
use crate::http::moment::{Moment, path_of};
use crate::http::own_form::OwnForm;
use crate::http::pages;
use crate::http::view::View;
use crate::texts::Html;

/// The form.
pub(super) fn form(view: &View, moment: &Moment, browser: &Browser) -> Response {
    let pending = PendingPage {
        page: Page::Account,
        since: moment.now,
    };
    let sealed = pending.seal(&moment.ring, &browser.digest(), &mut SystemRng);
    render(
        view,
        moment,
        browser,
        StatusCode::OK,
        &sealed,
        "",
        &Html::default(),
    )
}

/// POST `/login` with the form of a page of our own.
///
/// # Errors
/// On our own page, when the store is away.
pub async fn sign_in(
    app: &App,
    call: &Call,
    own: OwnForm,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Response, Failure> {
    let OwnForm { moment, browser, .. } = own;
    let sealed = params.get("_request").unwrap_or_default();
    let username = params.get("username").unwrap_or_default();
    let view = call.view();
    let again = |status, problem: &Html| render(&view, &moment, &browser, status, sealed, username, problem);
    let person = match credentials::check(app, call, &moment, &browser, params).await? {
        Checked::Right(person) => person,
        Checked::Again(why) => {
            let mut response = again(why.status(), &why.problem(view.t));
            why.add_to(response.headers_mut());
            return Ok(response);
        }
        Checked::Declined => return Ok(back(&moment, Done::Nothing)),
    };
    if person.user.disabled() {
        app.metrics.login("denied");
        audit::login(call, "denied", Some(person.user.subject()));
        let problem = Html::text(view.t.may_not_sign_in);
        return Ok(again(StatusCode::FORBIDDEN, &problem));
    }
    let session = person.session(moment.now);
    let user = person.user.clone();
    let place = Place::find(app, &moment, &browser, headers, None).await?;
    match begin(app, &moment, place, session, person).await? {
        Begun::Signed(handle) => {
            app.metrics.login("success");
            audit::login(call, "success", Some(user.subject()));
            let cookie = cookie::session_cookie(&handle, moment.issuer());
            Ok(with_cookies(back(&moment, Done::Nothing), cookie))
        }
        Begun::Full(sessions) => {
            app.metrics.login("session_limit");
            Ok(limit::page(&view, &moment, &browser, sealed, &user, &sessions))
        }
        Begun::Ended => Ok(form(&view, &moment, &browser)),
    }
}

fn render(
    view: &View,
    moment: &Moment,
    browser: &Browser,
    status: StatusCode,
    sealed: &str,
    username: &str,
    problem: &Html,
) -> Response {
    let template = pages::Login {
        view,
        form: pages::Form {
            action: format!("{}/login", path_of(moment.issuer())),
            csrf: &csrf_token(&moment.ring, &browser.digest()),
            request: sealed,
        },
        client: view.t.your_account,
        username,
        problem,
    };
    with_cookies(
        pages::page(view, status, &template),
        browser.cookies(moment.issuer()),
    )
}
