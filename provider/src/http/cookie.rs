//! The two cookies (protocol.md ses_02): one names the browser for long and proves nothing but that a form
//! came back to where it was shown; the other is the session.
//!
//! A browser that is here for the first time may ask for two pages at once, and each answer names it: the
//! later cookie replaces the earlier one, under which the first page's form was made. So with its first page a
//! browser also gets a cookie whose name no other answer has. It holds the same value and lasts as long as a
//! form; a form is ours if it is bound to any name that the browser sends. Those names cannot be guessed or
//! set by another site any more than the lasting one, so what a form proves is the same.

use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use oidc_crds::rng::SystemRng;
use oidc_protocol::handle::{Digest, SessionHandle};
use oidc_protocol::pending::PENDING_SECONDS;
use rand_core::Rng;

use super::moment::is_https;

/// The names, by whether the issuer is https: `__Host-` cookies must be `Secure`.
const BROWSER: [&str; 2] = ["oidc_browser", "__Host-oidc_browser"];
const SESSION: [&str; 2] = ["oidc_session", "__Host-oidc_session"];

/// Length of the browser cookie's value: 32 bytes in base64url.
const BROWSER_LEN: usize = 43;

/// So many names of a browser are looked at.
const MOST: usize = 16;
/// How long a browser keeps a passing name, in seconds: longer than a form is good for, whatever its clock.
const PASSING_SECONDS: i64 = PENDING_SECONDS + 60;

/// A browser: pending requests and CSRF tokens are bound to it.
pub struct Browser {
    value: String,
    sets: Sets,
}

/// What a page tells the browser of its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sets {
    /// It has it for long.
    Nothing,
    /// It has it for the time of a form, which begins anew.
    Passing,
    /// The name is new.
    Lasting,
    /// The same, and other pages may be on their way.
    Both,
}

impl Browser {
    /// The browser that sent these headers, if it was here before.
    #[must_use]
    pub fn known(headers: &HeaderMap, issuer: &str) -> Option<Self> {
        let jar = CookieJar::from_headers(headers);
        named(jar.get(lasting(issuer))?.value(), Sets::Nothing)
    }

    /// The browser that sent these headers, or a new one.
    #[must_use]
    pub fn known_or_new(headers: &HeaderMap, issuer: &str) -> Self {
        Self::known(headers, issuer).unwrap_or_else(|| {
            let mut bytes = [0; 32];
            SystemRng.fill_bytes(&mut bytes);
            // frames show no form of ours: else a page full of them could fill the browser with names
            let page = headers
                .get("sec-fetch-dest")
                .is_none_or(|dest| dest == "document");
            Self {
                value: URL_SAFE_NO_PAD.encode(bytes),
                sets: if page { Sets::Both } else { Sets::Lasting },
            }
        })
    }

    /// All names that the browser sent, the lasting one first.
    pub fn names(headers: &HeaderMap, issuer: &str) -> Vec<Self> {
        let jar = CookieJar::from_headers(headers);
        let passing = jar.iter().filter_map(|cookie| {
            let tag = cookie.name().strip_prefix(lasting(issuer))?.strip_prefix('-')?;
            named(cookie.value(), Sets::Passing).filter(|browser| browser.tag() == tag)
        });
        Self::known(headers, issuer)
            .into_iter()
            .chain(passing)
            .take(MOST)
            .collect()
    }

    /// What forms are bound to.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.value)
    }

    /// The cookies to set with a page: none, if the browser has its name for long.
    pub fn cookies(&self, issuer: &str) -> impl Iterator<Item = HeaderValue> {
        let lasting = lasting(issuer);
        let lasting_one = matches!(self.sets, Sets::Lasting | Sets::Both)
            .then(|| Cookie::build((lasting, self.value.as_str())).permanent().build());
        let passing = matches!(self.sets, Sets::Passing | Sets::Both).then(|| {
            let (tag, value) = (self.tag(), &self.value);
            Cookie::parse(format!("{lasting}-{tag}={value}; Max-Age={PASSING_SECONDS}")).ok()
        });
        let cookies = [lasting_one, passing.flatten()].into_iter().flatten();
        cookies.filter_map(|cookie| header(cookie, issuer))
    }

    /// What follows the name of its passing cookie.
    fn tag(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.digest().0[..6])
    }
}

fn lasting(issuer: &str) -> &'static str {
    BROWSER[usize::from(is_https(issuer))]
}

fn named(value: &str, sets: Sets) -> Option<Browser> {
    let whole = value.len() == BROWSER_LEN && URL_SAFE_NO_PAD.decode(value).is_ok();
    whole.then(|| Browser {
        value: value.to_owned(),
        sets,
    })
}

/// The session cookie that was sent.
#[must_use]
pub fn session(headers: &HeaderMap, issuer: &str) -> Option<SessionHandle> {
    let jar = CookieJar::from_headers(headers);
    SessionHandle::parse(jar.get(SESSION[usize::from(is_https(issuer))])?.value())
}

/// The session cookie to set; it ends with the browser.
#[must_use]
pub fn session_cookie(handle: &SessionHandle, issuer: &str) -> Option<HeaderValue> {
    header(
        Cookie::new(SESSION[usize::from(is_https(issuer))], handle.expose()),
        issuer,
    )
}

/// The session cookie to set when there is none any more.
#[must_use]
pub fn no_session(issuer: &str) -> Option<HeaderValue> {
    let mut cookie = Cookie::new(SESSION[usize::from(is_https(issuer))], "");
    cookie.make_removal();
    header(cookie, issuer)
}

/// `SameSite=None` on https: silent renewal in an iframe and answers by form post need it. Browsers accept
/// that with `Secure` only, so http on loopback has `Lax`.
fn header(mut cookie: Cookie<'_>, issuer: &str) -> Option<HeaderValue> {
    let https = is_https(issuer);
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_secure(https);
    cookie.set_same_site(if https { SameSite::None } else { SameSite::Lax });
    HeaderValue::try_from(cookie.to_string()).ok()
}
