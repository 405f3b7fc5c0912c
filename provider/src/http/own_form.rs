//! A form that comes back to us: from our own page, in the same browser (protocol.md ses_03).

use std::sync::Arc;

use http::HeaderMap;
use jiff::Timestamp;
use oidc_crds::seal::KeyRing;
use oidc_protocol::handle::Digest;
use oidc_protocol::params::Params;
use oidc_protocol::pending::{PendingError, csrf_matches};

use super::call::Call;
use super::cookie::Browser;
use super::error::Failure;
use super::moment::Moment;
use super::origin;
use super::problem::Problem;
use super::way_back::WayBack;
use crate::app::App;

/// Proof that a form is ours.
pub struct OwnForm {
    /// The request that it came with.
    pub call: Arc<Call>,
    /// What is in force.
    pub moment: Moment,
    /// The browser, by the name that the form was made for.
    pub browser: Browser,
}

impl OwnForm {
    /// Checks where a form comes from, and its `_csrf`.
    ///
    /// # Errors
    /// For our own page.
    pub fn check(app: &App, call: &Arc<Call>, headers: &HeaderMap, params: &Params) -> Result<Self, Failure> {
        let moment = Moment::load(app)?;
        if !origin::is_ours(headers, moment.issuer()) {
            return Err(Failure::told(Problem::OtherSite));
        }
        let names = Browser::names(headers, moment.issuer());
        if names.is_empty() {
            return Err(Failure::told(Problem::NoCookie));
        }
        let csrf = params.get("_csrf").unwrap_or_default();
        let browser = names
            .into_iter()
            .find(|name| csrf_matches(&moment.ring, &name.digest(), csrf));
        let browser = browser.ok_or_else(|| unsealed(PendingError::Forged, &moment))?;
        Ok(Self {
            call: call.clone(),
            moment,
            browser,
        })
    }

    /// Opens what the form carries.
    ///
    /// # Errors
    /// For our own page: it was sealed for another form or browser, or too long ago.
    pub fn open<T>(
        &self,
        sealed: &str,
        unseal: impl FnOnce(&KeyRing, &Digest, &str, Timestamp) -> Result<T, PendingError>,
    ) -> Result<T, Failure> {
        let Moment { ring, now, .. } = &self.moment;
        unseal(ring, &self.browser.digest(), sealed, *now).map_err(|error| unsealed(error, &self.moment))
    }
}

/// What a person reads whose form carries something that does not open. No application is proven: the sentence
/// sends them to theirs, the link to a page of our own.
#[must_use]
pub fn unsealed(error: PendingError, moment: &Moment) -> Failure {
    let problem = match error {
        PendingError::Expired => Problem::Expired,
        PendingError::Forged => Problem::Forged,
    };
    Failure::told(problem).leading(Some(WayBack::account(moment)))
}
