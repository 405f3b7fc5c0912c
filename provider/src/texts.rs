//! What people read, in each language: one file a language, complete by its type. A sentence that holds a value
//! is a function of it, so that each language puts it where it belongs and has its own plurals.
//!
//! To add a text: a line in `Texts`, then one in each language's file; it does not compile before all have it. To
//! add a language: a variant of [`Language`], a file like `texts/de.rs`, an arm in `of`.

use std::fmt;

use oidc_crds::language::Language;

mod de;
mod en;
mod es;
mod fr;
mod ja;

/// A piece of a page, with everything in it escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// A plain text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let mut html = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '&' => html.push_str("&#38;"),
                '<' => html.push_str("&#60;"),
                '>' => html.push_str("&#62;"),
                '"' => html.push_str("&#34;"),
                '\'' => html.push_str("&#39;"),
                c => html.push(c),
            }
        }
        Self(html)
    }

    /// A text inside an element without attributes.
    #[must_use]
    pub fn inside(element: &'static str, text: &str) -> Self {
        Self(format!("<{element}>{}</{element}>", Self::text(text)))
    }

    /// As important.
    #[must_use]
    pub fn strong(self) -> Self {
        Self(format!("<strong>{self}</strong>"))
    }

    /// In small print.
    #[must_use]
    pub fn small(self) -> Self {
        Self(format!("<small>{self}</small>"))
    }

    /// A link; to another site than ours, so that nothing is told to it.
    #[must_use]
    pub fn link(to: &str, text: &str) -> Self {
        let (to, text) = (Self::text(to), Self::text(text));
        Self(format!(
            r#"<a href="{to}" rel="noopener noreferrer" target="_blank">{text}</a>"#
        ))
    }

    /// A time, for machines and for people.
    #[must_use]
    pub fn time(machine: &str, text: &str) -> Self {
        let (machine, text) = (Self::text(machine), Self::text(text));
        Self(format!(r#"<time datetime="{machine}">{text}</time>"#))
    }

    /// With another piece behind it.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.0.push(' ');
        self.0.push_str(&other.0);
        self
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Html {}

/// A sentence of ours around values that are escaped already.
macro_rules! html {
    ($text:literal) => {
        $crate::texts::Html(format!($text))
    };
}
use html;

/// The texts of a language. Those that stand in English are in `texts/en.rs`, which is the place to look up what
/// one of them says.
macro_rules! texts {
    ($($name:ident $(($($arg:ident: $kind:ty),+))?;)*) => {
        pub(crate) struct Texts {
            pub(crate) language: Language,
            /// How a time is written, for `strftime`.
            pub(crate) time: &'static str,
            $(pub(crate) $name: texts!(@type $($($kind),+)?),)*
        }

        #[cfg(test)]
        impl Texts {
            /// Each text by its name, and the values that it was given.
            fn each(&self) -> Vec<(&'static str, String, Vec<String>)> {
                vec![$(texts!(@each self, $name $($($arg: $kind),+)?)),*]
            }
        }
    };
    (@type) => { &'static str };
    (@type $($kind:ty),+) => { fn($($kind),+) -> Html };
    (@each $self:ident, $name:ident) => {
        (stringify!($name), $self.$name.to_owned(), Vec::new())
    };
    (@each $self:ident, $name:ident $($arg:ident: $kind:ty),+) => {{
        $(let $arg = <$kind as tests::Sample>::sample(stringify!($arg));)+
        let text = ($self.$name)($($arg),+).to_string();
        (stringify!($name), text, vec![$($arg.to_string()),+])
    }};
}

texts! {
    // the login form
    sign_in;
    to_continue(client: &Html);
    your_account;
    user_name;
    password;
    // why a form is shown again
    wrong_credentials;
    wrong_password;
    may_not_sign_in;
    stale;
    busy;
    wait_seconds(seconds: i64);
    wait_minutes(minutes: i64);
    // on several pages
    signed_in_as(user: &Html);
    namespace(namespace: &Html);
    unknown_device;
    device_on(browser: &Html, system: &Html);
    // the account page
    account;
    sessions;
    this_one;
    address(address: &Html);
    signed_in_since(time: &Html);
    last_seen(time: &Html);
    last_seen_now;
    sign_out_here;
    sign_out_that_one;
    everywhere_else;
    everywhere;
    applications;
    no_applications;
    allowed_since(namespace: &Html, time: &Html);
    withdraw;
    done_signed_out;
    done_signed_out_others;
    done_withdrawn;
    // the password, once more
    password_once_more;
    back_to_account;
    // consent
    allow_access;
    allow_question(client: &Html);
    asks_to(client: &Html);
    other_scope(scope: &Html);
    scope_openid;
    scope_profile;
    scope_email;
    scope_address;
    scope_phone;
    scope_groups;
    scope_offline_access;
    allow;
    deny;
    privacy_policy;
    terms_of_service;
    imprint;
    // signing out
    sign_out;
    sign_out_question;
    asks_to_sign_out(client: &Html);
    signing_out_ends;
    stay_signed_in;
    signed_out;
    you_are_signed_out;
    close_page;
    still_signed_in;
    you_are_still_signed_in;
    nothing_changed;
    go_to(client: &Html);
    // as many sessions as may be
    too_many_sessions;
    signed_in_too_often;
    limit_reached(user: &Html, count: i64);
    oldest_session(device: &Html, signed_in: &Html, last_seen: &Html);
    end_oldest;
    do_not_sign_in;
    // errors: titles, then sentences
    error_not_found;
    error_not_allowed;
    error_limited;
    error_broken;
    error_later;
    error_other;
    problem_request;
    problem_not_found;
    problem_not_allowed;
    problem_limited;
    problem_broken;
    problem_starting;
    problem_store;
    problem_headers;
    problem_other_site;
    problem_no_cookie;
    problem_expired;
    problem_forged;
    problem_unknown_application;
    problem_changed;
    problem_no_answer;
    for_help(code: &Html, request: &Html);
    // the rest
    back_to_application;
    go_on;
    service;
    service_hint;
}

/// The texts of a language.
pub(crate) fn of(language: Language) -> &'static Texts {
    match language {
        Language::En => &en::EN,
        Language::De => &de::DE,
        Language::Fr => &fr::FR,
        Language::Es => &es::ES,
        Language::Ja => &ja::JA,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value to try a sentence with.
    pub(super) trait Sample: fmt::Display {
        fn sample(name: &str) -> Self;
    }

    impl Sample for &Html {
        fn sample(name: &str) -> Self {
            Box::leak(Box::new(Html(format!("[{name}]"))))
        }
    }

    impl Sample for i64 {
        fn sample(_: &str) -> Self {
            7
        }
    }

    #[test]
    fn az_12_each_language_has_each_text_with_its_values() {
        for language in Language::ALL {
            let texts = of(language);
            assert_eq!(texts.language, language);
            for (name, text, values) in texts.each() {
                let tag = language.tag();
                assert!(
                    !text.trim().is_empty() && text.trim() == text,
                    "{tag} {name}: {text:?}"
                );
                assert!(
                    !text.contains(['<', '>', '&', '"', '{', '}']),
                    "{tag} {name}: {text}"
                );
                assert!(!text.contains("  "), "{tag} {name}: {text}");
                for value in values {
                    assert_eq!(text.matches(&value).count(), 1, "{tag} {name}: {value} in {text}");
                }
            }
        }
    }

    /// What stands in English in another language was forgotten.
    #[test]
    fn az_12_texts_are_translated() {
        let english = of(Language::En).each();
        for language in Language::ALL.into_iter().skip(1) {
            for ((name, text, _), (_, english, _)) in of(language).each().iter().zip(&english) {
                // (namespace x), in French nearly the same
                assert_ne!(text, english, "{} {name}", language.tag());
            }
        }
    }

    #[test]
    fn one_is_not_many() {
        let user = Html::text("jdoe");
        for language in Language::ALL {
            let texts = of(language);
            for sentence in [texts.wait_seconds, texts.wait_minutes] {
                // Japanese has no plural
                if language == Language::Ja {
                    continue;
                }
                assert_ne!(sentence(1).to_string(), sentence(2).to_string().replace('2', "1"));
            }
            let reached = |count| (texts.limit_reached)(&user, count).to_string();
            assert!(reached(1).contains("jdoe") && reached(2).contains('2'));
        }
    }

    #[test]
    fn texts_are_escaped() {
        let html = Html::inside("strong", "<b> & 'c' \"d\"");
        let escaped = "<strong>&#60;b&#62; &#38; &#39;c&#39; &#34;d&#34;</strong>";
        assert_eq!(html.to_string(), escaped);
    }
}
