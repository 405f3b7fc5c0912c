//! What authorize, login and consent share: one authorization request with the client as it is now, on its
//! way through our pages and back to the client.

use std::sync::Arc;

use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use oidc_crds::client::Client;
use oidc_crds::names::OFFLINE_ACCESS;
use oidc_crds::rng::SystemRng;
use oidc_crds::user::User;
use oidc_protocol::authorize::{AuthorizationRequest, ReturnTo, anybody_can_pose, recheck};
use oidc_protocol::handle::{Code, LoginTag};
use oidc_protocol::params::Params;
use oidc_protocol::pending::{Pending, csrf_token};
use oidc_protocol::records::{ConsentRecord, GrantRecord, consent_key, session_consent_key, sid, user_key};

use super::call::Call;
use super::cookie::Browser;
use super::error::{Failure, send_back};
use super::login::credentials::Again;
use super::moment::{Moment, path_of};
use super::own_form::OwnForm;
use super::pages;
use super::problem::Problem;
use super::view::View;
use super::way_back::WayBack;
use crate::app::App;
use crate::store::{ConsentKey, NewCode, StoreError, opened};
use crate::texts::Html;

/// One authorization request.
pub struct Flow {
    /// How its pages look.
    pub view: View,
    /// What is in force.
    pub moment: Moment,
    /// The client.
    pub client: Arc<Client>,
    /// The request.
    pub request: AuthorizationRequest,
    /// Where answers go.
    pub return_to: ReturnTo,
    /// The browser.
    pub browser: Browser,
}

impl Flow {
    /// Takes up the request that one of our forms brings back: the form must come from our own page in the
    /// same browser, and the client is checked as it is now.
    ///
    /// # Errors
    /// For our own page: nothing is proven yet.
    pub fn resume(
        app: &App,
        call: &Arc<Call>,
        headers: &HeaderMap,
        params: &Params,
    ) -> Result<(Self, Pending), Failure> {
        let form = OwnForm::check(app, call, headers, params)?;
        let sealed = params.get("_request").unwrap_or_default();
        Self::take_up(app, call, form, sealed)
    }

    /// The same, for a form that was found to be ours.
    ///
    /// # Errors
    /// For our own page: the request is not proven yet.
    pub fn take_up(app: &App, call: &Call, form: OwnForm, sealed: &str) -> Result<(Self, Pending), Failure> {
        let pending = match form.open(sealed, Pending::unseal) {
            Ok(pending) => pending,
            Err(failure) => return Err(lapsed(app, call, &form, sealed).unwrap_or(failure)),
        };
        let OwnForm { moment, browser, .. } = form;
        let (client, return_to) = proven(app, call, &moment, &pending.request)?;
        let flow = Self {
            view: call.view(),
            moment,
            client,
            request: pending.request.clone(),
            return_to,
            browser,
        };
        Ok((flow, pending))
    }

    /// An error that goes to the client.
    pub fn refuse(&self, error: impl Into<Failure>) -> Failure {
        Failure::redirect(&self.return_to, error)
    }

    /// For a public client that comes back to loopback or a custom scheme, anybody can pose as it: a consent
    /// counts only in the browser session in which it was given (RFC 8252 §8.6).
    #[must_use]
    pub fn consents_in_session_only(&self) -> bool {
        anybody_can_pose(&self.client, self.return_to.redirect_uri())
    }

    /// The name of this client's consent. One that counts in the session only has a name of its own, so
    /// that none from the user's slot is ever found under it.
    #[must_use]
    pub fn consent_key(&self) -> ConsentKey {
        if self.consents_in_session_only() {
            session_consent_key(&self.moment.ring, self.client.grantee())
        } else {
            consent_key(&self.moment.ring, self.client.grantee())
        }
    }

    /// Opens what is remembered; another person's is none.
    ///
    /// # Errors
    /// When it makes no sense.
    pub fn consent_of(
        &self,
        user_uid: &str,
        sealed: Option<&[u8]>,
    ) -> Result<Option<ConsentRecord>, StoreError> {
        let ring = &self.moment.ring;
        let open = |sealed| ConsentRecord::unseal(ring, user_uid, self.client.grantee(), sealed);
        sealed.map_or(Ok(None), |sealed| Ok(opened("consent", open(sealed))?.flatten()))
    }

    /// Draws a code with everything that is bound to it.
    #[must_use]
    pub fn draw_code(&self, tag: LoginTag) -> (Code, NewCode) {
        let Moment { ring, now, .. } = &self.moment;
        let code = Code::generate(tag, self.is_offline(), &mut SystemRng);
        let sid = sid(ring, tag, self.client.grantee());
        let record = GrantRecord::new(&self.request, &self.client, sid, *now);
        let digest = code.digest();
        let new = NewCode {
            code: digest,
            client: consent_key(ring, self.client.grantee()),
            record: record.seal(ring, tag, &digest, &mut SystemRng),
            until: record.expires_at,
        };
        (code, new)
    }

    /// Whether what the code opens outlives the session.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.request.scope.iter().any(|scope| scope == OFFLINE_ACCESS)
    }

    /// If what the code opens outlives the session: the login, and until when its user's index must keep it.
    #[must_use]
    pub fn kept_login(&self, tag: LoginTag) -> Option<(LoginTag, Timestamp)> {
        let lifetimes = self.client.lifetimes();
        // the last rotation may come just before the end, and its access token lives as long again
        let longest = [lifetimes.code, lifetimes.refresh_token, lifetimes.access_token];
        let until = longest
            .iter()
            .fold(self.moment.now, |until, length| until + length.span());
        self.is_offline().then_some((tag, until))
    }

    /// Keeps the login in its user's index if the code opens what outlives the session; before anybody sees
    /// the code. One round trip then, otherwise none.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn keep_login(&self, app: &App, tag: LoginTag, user_uid: &str) -> Result<(), StoreError> {
        let Some((tag, until)) = self.kept_login(tag) else {
            return Ok(());
        };
        let user = user_key(&self.moment.ring, user_uid);
        app.store.keep_login(&user, tag, until, self.moment.now).await
    }

    /// Sends the browser back with a code.
    #[must_use]
    pub fn finish(&self, app: &App, code: &Code) -> Response {
        app.metrics.auth_request("code");
        send_back(&self.return_to.with_code(code.expose()), &self.view)
    }

    /// The login form for this request.
    #[must_use]
    pub fn ask_to_sign_in(&self) -> Response {
        let pending = Pending {
            request: self.request.clone(),
            since: self.moment.now,
            consent_for: Vec::new(),
            user_uid: String::new(),
            authenticated: false,
        };
        let sealed = pending.seal(&self.moment.ring, &self.browser.digest(), &mut SystemRng);
        let username = self.request.login_hint.as_deref().unwrap_or_default();
        self.login_form(StatusCode::OK, &sealed, username, &Html::default())
    }

    /// The login form once more; the request keeps its age.
    #[must_use]
    pub fn ask_again(&self, sealed: &str, username: &str, why: Again) -> Response {
        let mut response = self.login_form(why.status(), sealed, username, &why.problem(self.view.t));
        why.add_to(response.headers_mut());
        response
    }

    fn login_form(&self, status: StatusCode, sealed: &str, username: &str, problem: &Html) -> Response {
        let csrf = csrf_token(&self.moment.ring, &self.browser.digest());
        let template = pages::Login {
            view: &self.view,
            form: self.form("/login", &csrf, sealed),
            client: self.client.display_name(),
            username,
            problem,
        };
        self.with_browser(pages::page(&self.view, status, &template))
    }

    /// The consent form. What is remembered already stays agreed to.
    #[must_use]
    pub fn ask_for_consent(
        &self,
        scopes: &[String],
        remembered: Option<ConsentRecord>,
        user: &User,
        authenticated: bool,
    ) -> Response {
        let mut consent_for = remembered.map(|consent| consent.scope).unwrap_or_default();
        for scope in self.request.scope.iter().chain(scopes) {
            if !consent_for.contains(scope) {
                consent_for.push(scope.clone());
            }
        }
        let pending = Pending {
            request: self.request.clone(),
            since: self.moment.now,
            consent_for,
            user_uid: user.uid().to_owned(),
            authenticated,
        };
        let digest = self.browser.digest();
        let sealed = pending.seal(&self.moment.ring, &digest, &mut SystemRng);
        let csrf = csrf_token(&self.moment.ring, &digest);
        let template = pages::Consent {
            view: &self.view,
            form: self.form("/consent", &csrf, &sealed),
            client: self.client.display_name(),
            namespace: self.client.namespace(),
            logo: self.client.logo_uri(),
            home: self.client.client_uri(),
            policy: self.client.policy_uri(),
            tos: self.client.tos_uri(),
            username: user.username(),
            scopes: scopes
                .iter()
                .map(|scope| pages::scope(self.view.t, scope))
                .collect(),
        };
        let mut response = pages::page(&self.view, StatusCode::OK, &template);
        if let Some(logo) = self.client.logo_uri() {
            let policy = self.view.look.policy_with(logo);
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        }
        self.with_browser(response)
    }

    fn form<'a>(&self, path: &str, csrf: &'a str, request: &'a str) -> pages::Form<'a> {
        pages::Form {
            action: format!("{}{path}", path_of(self.moment.issuer())),
            csrf,
            request,
        }
    }

    fn with_browser(&self, response: Response) -> Response {
        with_cookies(response, self.browser.cookies(self.moment.issuer()))
    }
}

/// The client of a request that comes back, and where answers to it go, as both are now.
fn proven(
    app: &App,
    call: &Call,
    moment: &Moment,
    request: &AuthorizationRequest,
) -> Result<(Arc<Client>, ReturnTo), Failure> {
    call.note_language(request.language);
    let client = app
        .clients
        .by_grantee(&request.client_uid)
        .ok_or_else(|| Failure::told(Problem::UnknownApplication).leading(Some(WayBack::account(moment))))?;
    call.note_client(&client);
    let return_to = recheck(request, &client, moment.issuer()).map_err(|error| {
        let failure = Failure::from(error).explained(Problem::Changed);
        // its redirect URI is not proven any more
        failure.leading(WayBack::client(&client, None))
    })?;
    Ok((client, return_to))
}

/// If a form carries a request of ours that was open for too long: that, with the way back to its client.
fn lapsed(app: &App, call: &Call, form: &OwnForm, sealed: &str) -> Option<Failure> {
    let OwnForm { moment, browser, .. } = form;
    let request = Pending::lapsed(&moment.ring, &browser.digest(), sealed)?;
    let found = proven(app, call, moment, &request);
    Some(match found {
        Ok((client, return_to)) => {
            Failure::told(Problem::Expired).leading(WayBack::client(&client, Some(&return_to)))
        }
        Err(failure) => failure,
    })
}

/// Adds cookies to an answer.
#[must_use]
pub fn with_cookies(mut response: Response, cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
