//! The pages: server-rendered, no script, one style sheet inside.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use oidc_protocol::error::OAuthError;

use super::error::Failure;
use super::headers;

/// The style sheet, as it stands in each page.
pub const STYLE: &str = include_str!("../../templates/style.css");

/// The script of the page that posts an answer to a client.
pub const SUBMIT: &str = "document.forms[0].submit()";

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
    /// The form.
    pub form: Form<'a>,
    /// The client's name.
    pub client: &'a str,
    /// Fills the field.
    pub username: &'a str,
    /// Why the form is shown again; empty the first time.
    pub problem: &'a str,
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
    #[must_use]
    pub fn of(time: Timestamp) -> Self {
        Self {
            machine: time.strftime("%Y-%m-%dT%H:%MZ").to_string(),
            text: time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        }
    }
}

/// The page for a person with as many sessions as may be.
#[derive(Template)]
#[template(path = "limit.html")]
pub struct SessionLimit<'a> {
    /// The form.
    pub form: Form<'a>,
    /// `_proof`: that the password was right.
    pub proof: &'a str,
    /// Who signs in.
    pub username: &'a str,
    /// How many sessions there are.
    pub count: usize,
    /// The one that would end.
    pub oldest: Option<OldestSession<'a>>,
}

/// The session that would end.
pub struct OldestSession<'a> {
    /// Its device.
    pub device: &'a str,
    /// When it began.
    pub signed_in: Time,
    /// When it was used last.
    pub last_seen: Time,
}

/// `/account`.
#[derive(Template)]
#[template(path = "account.html")]
pub struct Account<'a> {
    /// The page's own path, under which its forms are.
    pub base: &'a str,
    /// `_csrf`.
    pub csrf: &'a str,
    /// Who is signed in.
    pub username: &'a str,
    /// Their full name; empty if it is not known.
    pub name: &'a str,
    /// What was just done; empty if nothing was.
    pub notice: &'a str,
    /// Where they are signed in, this one first.
    pub sessions: Vec<SessionLine<'a>>,
    /// The applications that they agreed to.
    pub applications: Vec<ApplicationLine<'a>>,
}

/// A session on the account page.
pub struct SessionLine<'a> {
    /// Names it in forms.
    pub id: String,
    /// Its device.
    pub device: &'a str,
    /// Its address; empty if it is not known.
    pub address: &'a str,
    /// When it began.
    pub signed_in: Time,
    /// When it was used last.
    pub last_seen: Time,
    /// Whether it is the one that asks.
    pub this: bool,
}

/// An application on the account page.
pub struct ApplicationLine<'a> {
    /// Its client id, which names it in forms.
    pub client_id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// What it may, in words.
    pub scopes: Vec<ScopeLine<'a>>,
    /// When the person agreed last.
    pub since: Time,
}

/// The form that asks for the password again before a dangerous action.
#[derive(Template)]
#[template(path = "confirm.html")]
pub struct Confirm<'a> {
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
    pub problem: &'a str,
}

/// The consent form.
#[derive(Template)]
#[template(path = "consent.html")]
pub struct Consent<'a> {
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
    pub scopes: Vec<ScopeLine<'a>>,
}

/// The question whether to sign out.
#[derive(Template)]
#[template(path = "end_session.html")]
pub struct EndSession<'a> {
    /// The form.
    pub form: Form<'a>,
    /// The name of the client that asks, if it is known.
    pub client: Option<&'a str>,
    /// Who is signed in.
    pub username: &'a str,
}

/// What stands after signing out, or after choosing not to.
#[derive(Template)]
#[template(path = "signed_out.html")]
pub struct SignedOut<'a> {
    /// Whether the session has ended.
    pub out: bool,
    /// The name of the client that asked, if it is known.
    pub client: Option<&'a str>,
    /// Its home page: the way back.
    pub home: Option<&'a str>,
}

/// A scope on the consent form.
pub struct ScopeLine<'a> {
    /// The scope.
    pub name: &'a str,
    /// What it means; empty for a scope that is not ours.
    pub meaning: &'static str,
}

impl<'a> ScopeLine<'a> {
    /// With its meaning in words.
    #[must_use]
    pub fn of(name: &'a str) -> Self {
        let meaning = match name {
            "openid" => "Know who you are",
            "profile" => "See your name and your profile",
            "email" => "See your e-mail address",
            "address" => "See your postal address",
            "phone" => "See your phone number",
            "groups" => "See the groups that you are in",
            "offline_access" => "Keep this access when you are signed out",
            _ => "",
        };
        Self { name, meaning }
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct Problem<'a> {
    title: &'a str,
    message: &'a str,
    code: &'a str,
    id: &'a str,
}

#[derive(Template)]
#[template(path = "hello.html")]
struct Hello;

/// An answer that the browser posts to a client.
#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPost<'a> {
    action: &'a str,
    fields: &'a [(String, String)],
}

/// The page that posts an answer to a client: by its script, or without scripts by its button (OAuth 2.0
/// Form Post Response Mode §2).
#[must_use]
pub fn form_post(action: &str, fields: &[(String, String)]) -> Response {
    let mut response = page(StatusCode::OK, &FormPost { action, fields });
    headers::allow_submit(response.headers_mut());
    response
}

/// A page.
pub fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let mut response = (status, html).into_response();
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            response
        }
        Err(error) => Failure::broken(format!("a template failed: {error}")).into_response(),
    }
}

/// The page for whoever comes here by hand.
pub async fn hello() -> Response {
    page(StatusCode::OK, &Hello)
}

/// The page of an error that cannot go to the client.
#[must_use]
pub fn error(status: StatusCode, error: &OAuthError, id: &str) -> Response {
    let title = match status.as_u16() {
        404 => "There is nothing here",
        405 => "This cannot be done here",
        429 => "Too many requests",
        500 => "Something broke",
        503 => "Please try again in a moment",
        _ => "This request cannot be answered",
    };
    let problem = Problem {
        title,
        message: &error.description,
        code: error.code.as_str(),
        id,
    };
    page(status, &problem)
}
