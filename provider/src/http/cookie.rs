//! The two cookies (protocol.md ses_02): one names the browser for long and proves nothing but that a form
//! came back to where it was shown; the other is the session.

use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use oidc_crds::rng::SystemRng;
use oidc_protocol::handle::{Digest, SessionHandle};
use rand_core::Rng;

use super::moment::is_https;

/// The names, by whether the issuer is https: `__Host-` cookies must be `Secure`.
const BROWSER: [&str; 2] = ["oidc_browser", "__Host-oidc_browser"];
const SESSION: [&str; 2] = ["oidc_session", "__Host-oidc_session"];

/// Length of the browser cookie's value: 32 bytes in base64url.
const BROWSER_LEN: usize = 43;

/// A browser: pending requests and CSRF tokens are bound to it.
pub struct Browser {
    value: String,
    fresh: bool,
}

impl Browser {
    /// The browser that sent these headers, if it was here before.
    #[must_use]
    pub fn known(headers: &HeaderMap, issuer: &str) -> Option<Self> {
        let jar = CookieJar::from_headers(headers);
        let value = jar.get(BROWSER[usize::from(is_https(issuer))])?.value();
        let whole = value.len() == BROWSER_LEN && URL_SAFE_NO_PAD.decode(value).is_ok();
        whole.then(|| Self {
            value: value.to_owned(),
            fresh: false,
        })
    }

    /// The browser that sent these headers, or a new one.
    #[must_use]
    pub fn known_or_new(headers: &HeaderMap, issuer: &str) -> Self {
        Self::known(headers, issuer).unwrap_or_else(|| {
            let mut bytes = [0; 32];
            SystemRng.fill_bytes(&mut bytes);
            Self {
                value: URL_SAFE_NO_PAD.encode(bytes),
                fresh: true,
            }
        })
    }

    /// What forms are bound to.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.value)
    }

    /// The cookie to set, if the browser does not have it.
    #[must_use]
    pub fn cookie(&self, issuer: &str) -> Option<HeaderValue> {
        let cookie = || Cookie::build((BROWSER[usize::from(is_https(issuer))], self.value.as_str()));
        self.fresh
            .then(|| header(cookie().permanent().build(), issuer))
            .flatten()
    }
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
