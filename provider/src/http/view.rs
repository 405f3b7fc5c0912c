//! In which language a page is, and how it looks.

use std::sync::Arc;

use http::header::{CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, VARY};
use http::{HeaderMap, HeaderValue};
use oidc_crds::language::Language;

use crate::look::Look;
use crate::texts::{self, Html, Texts};

/// What all pages share.
#[derive(Clone)]
pub struct View {
    /// What they say.
    pub(crate) t: &'static Texts,
    /// How they look.
    pub(crate) look: Arc<Look>,
}

impl View {
    /// In a language, with a look.
    #[must_use]
    pub fn new(language: Language, look: Arc<Look>) -> Self {
        Self {
            t: texts::of(language),
            look,
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

    /// Links at the foot of the page: address and label.
    pub(crate) fn links(&self) -> impl Iterator<Item = (&str, &str)> {
        let pages = &self.look.pages;
        let named = [
            (&pages.privacy_url, self.t.privacy_policy),
            (&pages.imprint_url, self.t.imprint),
        ];
        let named = named
            .into_iter()
            .filter_map(|(url, label)| Some((url.as_deref()?, label)));
        let links = pages.links.iter();
        named.chain(links.map(|link| (link.url.as_str(), link.label.as_str())))
    }

    /// Whether there are any.
    pub(crate) fn has_links(&self) -> bool {
        self.links().next().is_some()
    }

    /// Says in which language a page is, on what that depends, and what it may load.
    pub fn add_to(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_SECURITY_POLICY, self.look.policy().clone());
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(self.tag()));
        headers.append(VARY, HeaderValue::from_static("Accept-Language"));
    }
}
