//! In which language a page is.

use http::header::{CONTENT_LANGUAGE, VARY};
use http::{HeaderMap, HeaderValue};
use oidc_crds::language::Language;

use crate::texts::{self, Html, Texts};

/// What all pages share.
#[derive(Clone, Copy)]
pub struct View {
    /// What they say.
    pub(crate) t: &'static Texts,
}

impl View {
    /// In a language.
    #[must_use]
    pub fn new(language: Language) -> Self {
        Self {
            t: texts::of(language),
        }
    }

    /// The language's tag, for `lang`.
    #[must_use]
    pub fn tag(&self) -> &'static str {
        self.t.language.tag()
    }

    /// Who is signed in.
    #[must_use]
    pub fn signed_in_as(&self, username: &str) -> Html {
        (self.t.signed_in_as)(&Html::inside("strong", username))
    }

    /// Says in which language a page is, and on what that depends.
    pub fn add_to(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(self.tag()));
        headers.append(VARY, HeaderValue::from_static("Accept-Language"));
    }
}
