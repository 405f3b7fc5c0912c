//! `/account`: where a person is signed in and which applications they agreed to; they end what they like. It is
//! a page of our own: no client is involved, and being signed in is all that it takes. Dangerous actions ask for
//! the password again when the person gave it more than five minutes ago.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use oidc_crds::user::User;
use oidc_protocol::handle::LoginTag;
use oidc_protocol::records::Session;

use super::audit;
use super::call::Calling;
use super::cookie::{self, Browser};
use super::error::{Failure, redirect};
use super::extract::Form;
use super::flow::with_cookies;
use super::moment::{Moment, path_of};
use super::own_form::OwnForm;
use crate::app::App;
use crate::sessions::{self, Which};
use crate::store::{StoreError, opened};
use crate::texts::Texts;
use confirm::{Confirmed, confirm};

mod confirm;
mod page;
mod sign_in;

pub use sign_in::sign_in;

/// Whoever is signed in in this browser.
pub struct SignedIn {
    /// Their login.
    pub tag: LoginTag,
    /// Its session.
    pub session: Session,
    /// Who they are.
    pub user: Arc<User>,
}

/// GET: the page, or the login form.
///
/// # Errors
/// On our own page, when the store is away.
pub async fn get(
    State(app): State<Arc<App>>,
    Calling(call): Calling,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let moment = Moment::load(&app)?;
    let browser = Browser::known_or_new(&headers, moment.issuer());
    let Some(signed_in) = signed_in(&app, &moment, &headers).await? else {
        return Ok(sign_in::form(&call.view(), &moment, &browser));
    };
    let done = Done::of_query(query.as_deref().unwrap_or_default());
    Ok(page::page(&app, &call.view(), &moment, &browser, &signed_in, done).await?)
}

/// POST `/account/sign-out`: ends the login that `session` names.
///
/// # Errors
/// On our own page: the form is not ours, or the store is away.
pub async fn sign_out(
    State(app): State<Arc<App>>,
    Calling(call): Calling,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Failure> {
    let OwnForm { moment, .. } = OwnForm::check(&app, &call, &headers, &form.params)?;
    let Some(SignedIn { tag, session, .. }) = signed_in(&app, &moment, &headers).await? else {
        return Ok(back(&moment, Done::Nothing));
    };
    let name = form.params.get("session").unwrap_or_default();
    let which = Which::Named(name);
    sessions::end(&app, &moment.ring, &session.user_uid, which, moment.now).await?;
    app.metrics.account_action("sign_out");
    audit::session(&call, "sign_out", &session.subject);
    if name == tag.to_string() {
        return Ok(out(&moment));
    }
    Ok(back(&moment, Done::SignedOut))
}

/// POST `/account/sign-out-everywhere`: ends all logins of the person, or, with `keep=this`, all others.
///
/// # Errors
/// On our own page: the form is not ours, or the store is away.
pub async fn sign_out_everywhere(
    State(app): State<Arc<App>>,
    Calling(call): Calling,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Failure> {
    let own = OwnForm::check(&app, &call, &headers, &form.params)?;
    let Some(signed_in) = signed_in(&app, &own.moment, &headers).await? else {
        return Ok(back(&own.moment, Done::Nothing));
    };
    let keep = form.params.get("keep") == Some("this");
    let t = call.view().t;
    let what = if keep { t.everywhere_else } else { t.everywhere };
    let carried = [("keep", if keep { "this" } else { "none" }.to_owned())];
    let path = "/account/sign-out-everywhere";
    match confirm(&app, &own, &signed_in, &form.params, what, path, &carried).await? {
        Confirmed::Yes => {}
        Confirmed::Ask(page) => return Ok(page),
    }
    let (which, action) = if keep {
        (Which::AllBut(signed_in.tag), "sign_out_others")
    } else {
        (Which::All, "sign_out_everywhere")
    };
    let OwnForm { moment, .. } = own;
    sessions::end(&app, &moment.ring, signed_in.user.uid(), which, moment.now).await?;
    app.metrics.account_action(action);
    audit::session(&call, action, &signed_in.session.subject);
    if keep {
        Ok(back(&moment, Done::SignedOutOthers))
    } else {
        Ok(out(&moment))
    }
}

/// POST `/account/withdraw`: withdraws the consent to the client that `client_id` names.
///
/// # Errors
/// On our own page: the form is not ours, or the store is away.
pub async fn withdraw(
    State(app): State<Arc<App>>,
    Calling(call): Calling,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Failure> {
    let OwnForm { moment, .. } = OwnForm::check(&app, &call, &headers, &form.params)?;
    let Some(SignedIn { user, session, .. }) = signed_in(&app, &moment, &headers).await? else {
        return Ok(back(&moment, Done::Nothing));
    };
    let client_id = form.params.get("client_id").unwrap_or_default();
    let Some(client) = app.clients.get(client_id) else {
        return Ok(back(&moment, Done::Nothing));
    };
    sessions::withdraw_consent(&app, &moment.ring, user.uid(), client.grantee(), moment.now).await?;
    app.metrics.account_action("withdraw");
    call.note_client(&client);
    audit::consent(&call, "withdrawn", Some(&session.subject));
    Ok(back(&moment, Done::Withdrawn))
}

/// Who is signed in, as far as they still may: one round trip, none without a cookie.
async fn signed_in(app: &App, moment: &Moment, headers: &HeaderMap) -> Result<Option<SignedIn>, StoreError> {
    let Some(handle) = cookie::session(headers, moment.issuer()) else {
        return Ok(None);
    };
    let stored = app.store.session(handle.tag, handle.digest(), moment.now).await?;
    let Some(stored) = stored else {
        return Ok(None);
    };
    let session = opened(
        "session",
        Session::unseal(&moment.ring, handle.tag, &stored.record),
    )?;
    Ok(session.and_then(|session| {
        let user = app.users.by_uid(&session.user_uid)?;
        (!user.disabled()).then_some(SignedIn {
            tag: handle.tag,
            session,
            user,
        })
    }))
}

/// What was done, as the page tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Nothing,
    SignedOut,
    SignedOutOthers,
    Withdrawn,
}

impl Done {
    const ALL: [Self; 3] = [Self::SignedOut, Self::SignedOutOthers, Self::Withdrawn];

    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::SignedOut => "signed-out",
            Self::SignedOutOthers => "signed-out-others",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// What the person reads.
    fn notice(self, t: &Texts) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::SignedOut => t.done_signed_out,
            Self::SignedOutOthers => t.done_signed_out_others,
            Self::Withdrawn => t.done_withdrawn,
        }
    }

    fn of_query(query: &str) -> Self {
        let name = query.strip_prefix("done=").unwrap_or_default();
        let found = Self::ALL.into_iter().find(|done| done.name() == name);
        found.unwrap_or(Self::Nothing)
    }
}

/// The way back for a browser whose own session has ended.
fn out(moment: &Moment) -> Response {
    with_cookies(back(moment, Done::Nothing), cookie::no_session(moment.issuer()))
}

/// The way back to the page after an action.
fn back(moment: &Moment, done: Done) -> Response {
    let page = format!("{}/account", path_of(moment.issuer()));
    match done {
        Done::Nothing => redirect(&page),
        done => redirect(&format!("{page}?done={}", done.name())),
    }
}
