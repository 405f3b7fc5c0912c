//! A person's browser: keeps cookies, fills and sends the forms of pages, runs no script.

use std::collections::BTreeMap;
use std::net::IpAddr;

use http::{StatusCode, header};
use oidc_e2e::forms;
use oidc_provider::router::Router;

use super::{Answer, Ask, CHALLENGE, PASSWORD, TestApp, encoded, request_of, send_to, set};

pub struct Browser<'a> {
    app: &'a TestApp,
    pub cookies: BTreeMap<String, String>,
    /// Its `User-Agent`.
    pub agent: &'static str,
    /// If there are any, requests go to these pods in turn.
    pub pods: Vec<Router>,
    /// Where it is.
    pub peer: Option<IpAddr>,
}

/// The one form of a page, as far as a browser would use it.
#[derive(Debug, Clone)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Form {
    #[track_caller]
    pub fn of(page: &Answer) -> Self {
        let all = Self::all(page);
        all.into_iter()
            .next()
            .unwrap_or_else(|| panic!("a form: {page:?}"))
    }

    /// The forms of a page.
    pub fn all(page: &Answer) -> Vec<Self> {
        let forms = forms::parse(&page.text).into_iter().map(|form| {
            assert_eq!(form.method, "post");
            Self {
                action: form.action,
                fields: form.fields,
            }
        });
        forms.collect()
    }

    /// The first form of a page that is sent to this address.
    #[track_caller]
    pub fn to(page: &Answer, action: &str) -> Self {
        let found = Self::all(page).into_iter().find(|form| form.action == action);
        found.unwrap_or_else(|| panic!("a form to {action}: {page:?}"))
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        set(&mut self.fields, name, value);
        self
    }

    pub fn get(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str()).unwrap()
    }

    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(n, _)| n == name)
    }
}

impl<'a> Browser<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        Self {
            app,
            cookies: BTreeMap::new(),
            agent: "",
            pods: Vec::new(),
            peer: None,
        }
    }

    /// Sends a request with the cookies, and keeps those that come back.
    pub async fn send(&mut self, ask: Ask) -> Answer {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let ask = if cookies.is_empty() {
            ask
        } else {
            ask.header(header::COOKIE, cookies.join("; "))
        };
        let ask = if self.agent.is_empty() {
            ask
        } else {
            ask.header(header::USER_AGENT, self.agent)
        };
        let ask = match self.peer {
            Some(peer) => ask.from(peer),
            None => ask,
        };
        let answer = if self.pods.is_empty() {
            self.app.send(ask).await
        } else {
            self.pods.rotate_left(1);
            send_to(&self.pods[0], ask).await
        };
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let (pair, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if cookie.to_str().unwrap().contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Opens an authorization request of a client, with some parameters changed.
    pub async fn authorize(&mut self, client: &str, more: &[(&str, &str)]) -> Answer {
        let mut request = request_of(self.app, client);
        for (name, value) in more {
            set(&mut request, name, value);
        }
        self.send(Ask::get(&format!("/authorize?{}", encoded(&request))))
            .await
    }

    /// Opens an authorization request of a client that is not one of the usual.
    pub async fn authorize_as(&mut self, client_id: &str, redirect_uri: &str) -> Answer {
        let request = [
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", redirect_uri),
            ("scope", "openid"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        self.send(Ask::get(&format!("/authorize?{}", encoded(&request))))
            .await
    }

    pub async fn submit(&mut self, form: Form) -> Answer {
        let ask = Ask::post(&form.action)
            .header("sec-fetch-site", "same-origin")
            .header(header::ORIGIN, "null")
            .form(&form.fields);
        self.send(ask).await
    }

    /// Answers the login form.
    pub async fn sign_in(&mut self, page: &Answer, username: &str, password: &str) -> Answer {
        let form = Form::of(page)
            .with("username", username)
            .with("password", password);
        self.submit(form).await
    }

    /// Answers the consent form.
    pub async fn decide(&mut self, page: &Answer, decision: &str) -> Answer {
        self.submit(Form::of(page).with("decision", decision)).await
    }

    /// Goes the whole way as `username` until the browser is sent back to the client.
    pub async fn walk_as(&mut self, username: &str, client: &str, more: &[(&str, &str)]) -> Answer {
        let mut page = self.authorize(client, more).await;
        if page.status == StatusCode::OK && Form::of(&page).has("password") {
            page = self.sign_in(&page, username, PASSWORD).await;
        }
        if page.status == StatusCode::OK {
            page = self.decide(&page, "allow").await;
        }
        page
    }

    /// Goes on from a login form as the usual person.
    pub async fn walk_on(&mut self, page: &Answer) -> Answer {
        let page = self.sign_in(page, "jdoe", PASSWORD).await;
        if page.status == StatusCode::OK {
            self.decide(&page, "allow").await
        } else {
            page
        }
    }

    /// The code of a whole walk as the usual person.
    pub async fn code(&mut self, client: &str, more: &[(&str, &str)]) -> String {
        self.walk_as("jdoe", client, more).await.code()
    }
}
