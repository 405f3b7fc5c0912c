//! The pages: server-rendered, no script, one style sheet inside.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use oidc_protocol::device;
use oidc_protocol::error::OAuthError;

use super::call::Calling;
use super::error::Failure;
use super::problem::Problem;
use super::view::View;
use super::way_back::WayBack;
use crate::texts::{Html, Texts};

/// What all forms have.
pub struct Form<'a> {
    /// Where the form is sent.
    pub action: String,
    /// `_csrf`.
    pub csrf: &'a str,
    /// `_request`: the pending request, sealed.
    pub request: &'a str,
}

/// The login form.
#[derive(Template)]
#[template(path = "login.html")]
pub struct Login<'a> {
    /// In which language.
    pub view: &'a View,
    /// The form.
    pub form: Form<'a>,
    /// The client's name.
    pub client: &'a str,
    /// Fills the field.
    pub username: &'a str,
    /// Why the form is shown again; empty the first time.
    pub problem: &'a Html,
}

impl Login<'_> {
    fn purpose(&self) -> Html {
        (self.view.t.to_continue)(&Html::inside("strong", self.client))
    }
}

/// A time on a page, in UTC.
pub struct Time {
    /// For `datetime`.
    pub machine: String,
    /// For people, to the minute.
    pub text: String,
}

impl Time {
    /// Of a moment.
    pub(crate) fn of(time: Timestamp, t: &Texts) -> Self {
        Self {
            machine: time.strftime("%Y-%m-%dT%H:%MZ").to_string(),
            text: time.strftime(t.time).to_string(),
        }
    }
}

impl Time {
    /// For the text of a page.
    #[must_use]
    pub fn html(&self) -> Html {
        Html::time(&self.machine, &self.text)
    }
}

/// The page for a person with as many sessions as may be.
#[derive(Template)]
#[template(path = "limit.html")]
pub struct SessionLimit<'a> {
    /// In which language.
    pub view: &'a View,
    /// The form.
    pub form: Form<'a>,
    /// `_proof`: that the password was right.
    pub proof: &'a str,
    /// Who signs in, and how many sessions there are.
    pub reached: Html,
    /// The one that would end.
    pub oldest: Option<Html>,
}

/// `/account`.
#[derive(Template)]
#[template(path = "account.html")]
pub struct Account<'a> {
    /// In which language.
    pub view: &'a View,
    /// The page's own path, under which its forms are.
    pub base: &'a str,
    /// `_csrf`.
    pub csrf: &'a str,
    /// Who is signed in, with their full name if it is known, as a sentence.
    pub who: Html,
    /// What was just done; empty if nothing was.
    pub notice: &'a str,
    /// Where they are signed in, this one first.
    pub sessions: Vec<SessionLine>,
    /// The applications that they agreed to.
    pub applications: Vec<ApplicationLine<'a>>,
}

/// A session on the account page.
pub struct SessionLine {
    /// Names it in forms.
    pub id: String,
    /// Its device.
    pub device: Html,
    /// Its address; empty if it is not known.
    pub address: Html,
    /// When it began.
    pub signed_in: Html,
    /// When it was used last.
    pub last_seen: Html,
    /// Whether it is the one that asks.
    pub this: bool,
}

/// An application on the account page.
pub struct ApplicationLine<'a> {
    /// Its client id, which names it in forms.
    pub client_id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What it may, in words.
    pub scopes: Vec<Html>,
    /// Its namespace, and when the person agreed last.
    pub since: Html,
}

/// The form that asks for the password again before a dangerous action.
#[derive(Template)]
#[template(path = "confirm.html")]
pub struct Confirm<'a> {
    /// In which language.
    pub view: &'a View,
    /// Where the form is sent.
    pub action: String,
    /// The way back without doing anything.
    pub back: &'a str,
    /// What is about to be done.
    pub what: &'a str,
    /// `_csrf`.
    pub csrf: &'a str,
    /// What the form that led here said.
    pub carried: &'a [(&'static str, String)],
    /// Who is asked.
    pub username: &'a str,
    /// Why the form is shown again; empty the first time.
    pub problem: &'a Html,
}

/// The consent form.
#[derive(Template)]
#[template(path = "consent.html")]
pub struct Consent<'a> {
    /// In which language.
    pub view: &'a View,
    /// The form.
    pub form: Form<'a>,
    /// The client's name.
    pub client: &'a str,
    /// The client's namespace.
    pub namespace: &'a str,
    /// Its logo, https.
    pub logo: Option<&'a str>,
    /// Its home page.
    pub home: Option<&'a str>,
    /// Its privacy policy.
    pub policy: Option<&'a str>,
    /// Its terms of service.
    pub tos: Option<&'a str>,
    /// Who is asked.
    pub username: &'a str,
    /// What the client asks for, in words.
    pub scopes: Vec<Html>,
}

impl Consent<'_> {
    fn question(&self) -> Html {
        (self.view.t.allow_question)(&Html::text(self.client))
    }

    /// Who asks: the client, with the way to its home page, and its namespace.
    fn asks(&self) -> Html {
        let client = match self.home {
            Some(home) => Html::link(home, self.client),
            None => Html::text(self.client),
        };
        let namespace = (self.view.t.namespace)(&Html::text(self.namespace)).small();
        (self.view.t.asks_to)(&client.and(&namespace))
    }
}

/// The question whether to sign out.
#[derive(Template)]
#[template(path = "end_session.html")]
pub struct EndSession<'a> {
    /// In which language.
    pub view: &'a View,
    /// The form.
    pub form: Form<'a>,
    /// The name of the client that asks, if it is known.
    pub client: Option<&'a str>,
    /// Who is signed in.
    pub username: &'a str,
}

impl EndSession<'_> {
    fn asks(&self) -> Option<Html> {
        let client = Html::inside("strong", self.client?);
        Some((self.view.t.asks_to_sign_out)(&client))
    }
}

/// What stands after signing out, or after choosing not to.
#[derive(Template)]
#[template(path = "signed_out.html")]
pub struct SignedOut<'a> {
    /// In which language.
    pub view: &'a View,
    /// Whether the session has ended.
    pub out: bool,
    /// The name of the client that asked, if it is known.
    pub client: Option<&'a str>,
    /// Its home page: the way back.
    pub home: Option<&'a str>,
}

impl SignedOut<'_> {
    fn way_back(&self) -> Option<(&str, Html)> {
        let client = Html::text(self.client?);
        Some((self.home?, (self.view.t.go_to)(&client)))
    }
}

/// A scope in words.
pub(crate) fn scope(t: &Texts, name: &str) -> Html {
    Html::text(match name {
        "openid" => t.scope_openid,
        "profile" => t.scope_profile,
        "email" => t.scope_email,
        "address" => t.scope_address,
        "phone" => t.scope_phone,
        "groups" => t.scope_groups,
        "offline_access" => t.scope_offline_access,
        // one that is not ours
        _ => return (t.other_scope)(&Html::inside("code", name)),
    })
}

/// The name of a device, of those that [`device::device`] makes.
pub(crate) fn device(t: &Texts, name: &str) -> Html {
    match device::parts(name) {
        (Some(browser), Some(system)) => (t.device_on)(&Html::text(browser), &Html::text(system)),
        (Some(one), None) | (None, Some(one)) => Html::text(one),
        (None, None) => Html::text(t.unknown_device),
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    view: &'a View,
    title: &'a str,
    message: &'a str,
    /// What the application did wrong, in English; empty if that is not it.
    description: &'a str,
    way_back: Option<&'a WayBack>,
    for_help: Html,
}

#[derive(Template)]
#[template(path = "hello.html")]
struct Hello<'a> {
    view: &'a View,
}

/// An answer that the browser posts to a client.
#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPost<'a> {
    view: &'a View,
    action: &'a str,
    fields: &'a [(String, String)],
}

/// The page that posts an answer to a client: by its script, or without scripts by its button (OAuth 2.0
/// Form Post Response Mode §2).
#[must_use]
pub fn form_post(view: &View, action: &str, fields: &[(String, String)]) -> Response {
    let template = FormPost { view, action, fields };
    let mut response = page(view, StatusCode::OK, &template);
    let policy = view.look.submit_policy().clone();
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    response
}

/// A page.
pub fn page(view: &View, status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let mut response = (status, html).into_response();
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            view.add_to(headers);
            response
        }
        Err(error) => Failure::broken(format!("a template failed: {error}")).into_response(),
    }
}

/// The page for whoever comes here by hand.
pub async fn hello(Calling(call): Calling) -> Response {
    let view = call.view();
    page(&view, StatusCode::OK, &Hello { view: &view })
}

/// The page of an error that cannot go to the client. What a person can do nothing about is told in English, for
/// whoever runs the application.
#[must_use]
pub fn error(
    view: &View,
    status: StatusCode,
    error: &OAuthError,
    problem: Option<Problem>,
    way_back: Option<&WayBack>,
    id: &str,
) -> Response {
    let t = view.t;
    let title = match status.as_u16() {
        404 => t.error_not_found,
        405 => t.error_not_allowed,
        429 => t.error_limited,
        500 => t.error_broken,
        503 => t.error_later,
        _ => t.error_other,
    };
    let code = Html::inside("code", error.code.as_str());
    let template = ErrorPage {
        view,
        title,
        message: problem.map_or(t.problem_request, |problem| problem.text(t)),
        description: if problem.is_none() { &error.description } else { "" },
        way_back,
        for_help: (t.for_help)(&code, &Html::inside("code", id)),
    };
    page(view, status, &template)
}
