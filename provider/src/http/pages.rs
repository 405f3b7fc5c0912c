//! The pages: server-rendered, no script, one style sheet inside.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use oidc_protocol::error::OAuthError;

use super::error::Failure;

/// The style sheet, as it stands in each page.
pub const STYLE: &str = include_str!("../../templates/style.css");

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
