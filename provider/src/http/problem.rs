//! What a person reads of an error. The error's own description stays as it is, in English: it is for whoever
//! runs the application.

use oidc_crds::language::Language;
use oidc_protocol::error::{ErrorCode, OAuthError};

use super::error::Failure;
use crate::texts::{self, Texts};

/// An error that a person can do something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// Nothing is at this address.
    NotFound,
    /// The method is not offered.
    NotAllowed,
    /// A limit was reached.
    Limited,
    /// Something that cannot be.
    Broken,
    /// Not everything was read once.
    Starting,
    /// The store is away.
    Store,
    /// The headers are too long, mostly for cookies.
    Headers,
    /// The form came from another site.
    OtherSite,
    /// The browser sent no cookie.
    NoCookie,
    /// The page was open for too long.
    Expired,
    /// The form is of another browser, or of another kind.
    Forged,
    /// The client is gone.
    UnknownApplication,
    /// The client's registration has changed under way.
    Changed,
    /// A form came without a decision.
    NoAnswer,
}

impl Problem {
    /// The sentence.
    pub(crate) fn text(self, t: &Texts) -> &'static str {
        match self {
            Self::NotFound => t.problem_not_found,
            Self::NotAllowed => t.problem_not_allowed,
            Self::Limited => t.problem_limited,
            Self::Broken => t.problem_broken,
            Self::Starting => t.problem_starting,
            Self::Store => t.problem_store,
            Self::Headers => t.problem_headers,
            Self::OtherSite => t.problem_other_site,
            Self::NoCookie => t.problem_no_cookie,
            Self::Expired => t.problem_expired,
            Self::Forged => t.problem_forged,
            Self::UnknownApplication => t.problem_unknown_application,
            Self::Changed => t.problem_changed,
            Self::NoAnswer => t.problem_no_answer,
        }
    }
}

impl Failure {
    /// `invalid_request` with this problem; its description is the English sentence.
    #[must_use]
    pub fn told(problem: Problem) -> Self {
        let description = problem.text(texts::of(Language::En));
        let failure = Self::from(OAuthError::new(ErrorCode::InvalidRequest, description));
        failure.explained(problem)
    }
}
