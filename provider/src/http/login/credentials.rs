//! Who sent a login form: by a password, whose attempts are limited, or by the proof that it was right a moment
//! ago. Whatever a person signs in for, this is the one way in.

use std::sync::Arc;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use oidc_crds::rng::SystemRng;
use oidc_crds::user::User;
use oidc_protocol::first_party::PasswordProof;
use oidc_protocol::params::Params;
use oidc_protocol::records::{Session, user_key};
use rand_core::Rng;
use zeroize::Zeroizing;

use super::password;
use crate::app::App;
use crate::http::audit;
use crate::http::call::Call;
use crate::http::cookie::Browser;
use crate::http::moment::Moment;
use crate::store::{Account, Attempt, ConsentKey, NewAttempt, StoreError, UserKey};
use crate::texts::{Html, Texts};

/// A person whose credentials were right.
pub struct Person {
    /// The user.
    pub user: Arc<User>,
    /// Their slot in the store.
    pub slot: UserKey,
    /// The consents remembered, sealed.
    pub consents: Vec<(ConsentKey, Vec<u8>)>,
    /// When they gave the password.
    pub at: Timestamp,
    /// Whether they agreed to end their oldest session if there is one too many.
    pub end_oldest: bool,
}

impl Person {
    /// The session that begins.
    #[must_use]
    pub fn session(&self, now: Timestamp) -> Session {
        Session {
            user_uid: self.user.uid().to_owned(),
            subject: self.user.subject().to_owned(),
            auth_time: self.at,
            amr: vec!["pwd".to_owned()],
            created_at: now,
        }
    }
}

/// Outcome of looking at credentials.
pub enum Checked {
    /// They were right.
    Right(Person),
    /// The form is to be shown again.
    Again(Again),
    /// The person does not want to end a session.
    Declined,
}

/// Why a form with a password is shown again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// User name or password are wrong.
    Wrong,
    /// There were too many attempts: the next one is let through after this many seconds.
    Later(i64),
    /// More passwords wait to be looked at than there is room for: try again after this many seconds.
    Busy(u32),
    /// The proof is too old.
    Stale,
}

impl Again {
    /// The status of the page.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Wrong | Self::Stale => StatusCode::BAD_REQUEST,
            // RFC 6585 §4
            Self::Later(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the person reads.
    pub(crate) fn problem(self, t: &Texts) -> Html {
        match self {
            Self::Wrong => Html::text(t.wrong_credentials),
            Self::Stale => Html::text(t.stale),
            Self::Busy(_) => Html::text(t.busy),
            Self::Later(seconds @ ..=90) => (t.wait_seconds)(seconds),
            Self::Later(seconds) => (t.wait_minutes)(seconds.saturating_add(59) / 60),
        }
    }

    /// Adds `Retry-After` where it belongs.
    pub fn add_to(self, headers: &mut HeaderMap) {
        let seconds = match self {
            Self::Later(seconds) => seconds,
            Self::Busy(seconds) => seconds.into(),
            Self::Wrong | Self::Stale => return,
        };
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// Looks at `username` and `password` of a form, or at its `_proof`.
///
/// # Errors
/// When the store is away.
pub async fn check(
    app: &App,
    call: &Call,
    moment: &Moment,
    browser: &Browser,
    params: &Params,
) -> Result<Checked, StoreError> {
    let Some(proof) = params.get("_proof") else {
        let username = params.get("username").unwrap_or_default();
        return by_password(app, call, moment, browser, username, params).await;
    };
    if params.get("decision") != Some("end_oldest") {
        return Ok(Checked::Declined);
    }
    let Moment { ring, now, .. } = moment;
    let request = params.get("_request").unwrap_or_default();
    let proof = PasswordProof::unseal(ring, &browser.digest(), proof, request, *now).ok();
    let known = proof.and_then(|proof| Some((app.users.by_uid(&proof.user_uid)?, proof.at)));
    let Some((user, at)) = known else {
        return Ok(Checked::Again(Again::Stale));
    };
    let slot = user_key(ring, user.uid());
    Ok(Checked::Right(Person {
        consents: app.store.consents(&slot, *now).await?,
        user,
        slot,
        at,
        end_oldest: true,
    }))
}

/// Looks at the `password` of a form, of the person with this name.
///
/// # Errors
/// When the store is away.
pub async fn by_password(
    app: &App,
    call: &Call,
    moment: &Moment,
    browser: &Browser,
    username: &str,
    params: &Params,
) -> Result<Checked, StoreError> {
    let Moment { ring, now, .. } = moment;
    let given = Zeroizing::new(params.get("password").unwrap_or_default().to_owned());
    let known = app.users.by_username(username);
    let slot = match &known {
        Some(user) => user_key(ring, user.uid()),
        None => user_key(ring, &format!("unknown#{username}")),
    };
    let limited = |limit: &'static str, why| {
        app.metrics.login("limited");
        app.metrics.rate_limited(limit);
        audit::login(call, "limited", None);
        Ok(Checked::Again(why))
    };
    // before anything else is spent on it
    let Some(place) = app.hashing.place() else {
        // spread, so that they do not come back all at once
        return limited("password_hashes", Again::Busy(2 + SystemRng.next_u32() % 5));
    };
    let mut attempt = [0; 16];
    SystemRng.fill_bytes(&mut attempt);
    let limits = &moment.installation.limits;
    // before the account's attempt: what one address is refused costs no account anything
    if let Some(network) = call.network().filter(|_| limits.login_per_address > 0) {
        let address = user_key(ring, &format!("address#{network}"));
        let taken = app
            .store
            .take_address(address, attempt, limits.login_per_address, *now);
        let wait = taken.await?;
        if wait > 0 {
            return limited("login_per_address", Again::Later(seconds(wait)));
        }
    }
    let attempt = NewAttempt {
        account: if known.is_some() {
            Account::Known(slot)
        } else {
            Account::Unknown(slot)
        },
        browser: browser.digest(),
        attempt,
        free: limits.login_per_account,
    };
    let consents = match app.store.begin_login(attempt, *now).await? {
        Attempt::Taken(consents) => consents,
        Attempt::Wait(wait) => return limited("login_per_account", Again::Later(seconds(wait))),
    };
    let right = password::is_right(app, ring, known.as_deref(), given).await;
    drop(place);
    let Some(user) = known.filter(|_| right) else {
        app.metrics.login("wrong_credentials");
        audit::login(call, "wrong_credentials", None);
        return Ok(Checked::Again(Again::Wrong));
    };
    Ok(Checked::Right(Person {
        user,
        slot,
        consents,
        at: *now,
        end_oldest: false,
    }))
}

/// Milliseconds as whole seconds, at least one.
fn seconds(milliseconds: i64) -> i64 {
    milliseconds.max(1).saturating_add(999) / 1_000
}
