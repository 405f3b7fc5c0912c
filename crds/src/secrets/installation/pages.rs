//! What the pages look like that people see, and the rules for it: nothing that is written here can bring a
//! script, a style or an image of another kind onto a page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::language::Language;
use crate::validate::{text, uri};

/// How pages look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pages {
    /// The language of people whose browser prefers none of those that there are.
    pub default_language: Language,
    /// Whose pages they are: an organisation or a product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its logo: an https address, or an image as a `data:` URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo: Option<String>,
    /// Its colour: buttons, links and the focus; `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accent_color: Option<String>,
    /// The same where the browser prefers a dark page; absent: the same colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accent_color_dark: Option<String>,
    /// Its privacy policy; https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy_url: Option<String>,
    /// Its imprint; https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imprint_url: Option<String>,
    /// More links at the foot of each page.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
}

/// A link at the foot of each page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// What is read.
    pub label: String,
    /// Where it leads; https.
    pub url: String,
}

/// Kinds of images that a `data:` URI may hold.
const IMAGES: [&str; 5] = [
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/gif",
    "image/svg+xml",
];

impl Pages {
    /// The longest name, in characters.
    pub const NAME: usize = 60;
    /// The longest label of a link, in characters.
    pub const LABEL: usize = 40;
    /// The longest logo as a `data:` URI, in bytes: it is part of each page.
    pub const LOGO: usize = 32 * 1024;
    /// The most links beside those to the privacy policy and the imprint.
    pub const LINKS: usize = 6;

    /// Notes everything that is wrong.
    pub(super) fn check(&self, wrong: &mut Vec<String>) {
        let mut judge = |member: &str, value: &str, verdict: Result<(), String>| {
            if let Err(why) = verdict {
                wrong.push(format!("pages.{member}: {} {why}", text::quoted(value)));
            }
        };
        if let Some(name) = &self.name {
            judge("name", name, text::one_line(name, Self::NAME));
        }
        if let Some(value) = &self.logo {
            judge("logo", value, logo(value));
        }
        for (member, color) in [
            ("accentColor", &self.accent_color),
            ("accentColorDark", &self.accent_color_dark),
        ] {
            if let Some(value) = color {
                let verdict = rgb(value).map(|_| ());
                judge(
                    member,
                    value,
                    verdict.ok_or_else(|| "is no colour: write it as #rrggbb".to_owned()),
                );
            }
        }
        if let (None, Some(dark)) = (&self.accent_color, &self.accent_color_dark) {
            judge("accentColorDark", dark, Err("needs an accentColor".to_owned()));
        }
        for (member, address) in [
            ("privacyUrl", &self.privacy_url),
            ("imprintUrl", &self.imprint_url),
        ] {
            if let Some(value) = address {
                judge(member, value, uri::web(value, false));
            }
        }
        for (index, link) in self.links.iter().enumerate() {
            let verdict = text::one_line(&link.label, Self::LABEL);
            judge(&format!("links[{index}].label"), &link.label, verdict);
            judge(
                &format!("links[{index}].url"),
                &link.url,
                uri::web(&link.url, false),
            );
        }
        if self.links.len() > Self::LINKS {
            wrong.push(format!(
                "pages.links: there are {}, {} are allowed",
                self.links.len(),
                Self::LINKS
            ));
        }
    }
}

/// Red, green and blue of `#rrggbb`; `None`: it is not written so.
#[must_use]
pub fn rgb(color: &str) -> Option<[u8; 3]> {
    let digits = color.strip_prefix('#')?;
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    Some([part(0)?, part(2)?, part(4)?])
}

/// An image that pages may show, in words that a Content-Security-Policy can repeat exactly.
fn logo(value: &str) -> Result<(), String> {
    let Some(data) = value.strip_prefix("data:") else {
        uri::web(value, false)?;
        // a source in a policy has neither a query nor these two (Content Security Policy Level 3 §2.3.1)
        if value.contains(['?', '#', ';', ',']) {
            return Err("has a query, a fragment, `;` or `,`: write the address without".into());
        }
        return Ok(());
    };
    if value.len() > Pages::LOGO {
        return Err(format!(
            "has {} bytes, {} are allowed: give a smaller image or an https address",
            value.len(),
            Pages::LOGO
        ));
    }
    let image = data
        .split_once(";base64,")
        .filter(|(kind, _)| IMAGES.contains(kind));
    let Some((_, encoded)) = image else {
        return Err(format!(
            "is no image: write data:KIND;base64,… with one of {}",
            IMAGES.join(", ")
        ));
    };
    match STANDARD.decode(encoded) {
        Ok(bytes) if !bytes.is_empty() => Ok(()),
        _ => Err("is not encoded as base64, or is empty".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with pages of this text.
    fn wrong(yaml: &str) -> Vec<String> {
        let pages: Pages = serde_yaml::from_str(yaml).unwrap();
        let mut wrong = Vec::new();
        pages.check(&mut wrong);
        wrong
    }

    #[test]
    fn good_branding_is_accepted() {
        for good in [
            "{}",
            "name: Example Corp",
            "name: 株式会社サンプル",
            "logo: https://cdn.example.com/logo.svg",
            "logo: https://cdn.example.com:8443/a/b%20c.png",
            "logo: data:image/png;base64,iVBORw0KGgo=",
            "logo: data:image/svg+xml;base64,PHN2Zy8+",
            "{accentColor: '#0B5cad', accentColorDark: '#ffffff'}",
            "{privacyUrl: 'https://example.com/p?lang=de', imprintUrl: 'https://example.com/imprint'}",
            "links: [{label: Help, url: 'https://help.example.com'}]",
        ] {
            assert_eq!(wrong(good), Vec::<String>::new(), "{good}");
        }
    }

    #[test]
    fn hostile_branding_is_refused_with_a_reason() {
        let long = "x".repeat(61);
        for (yaml, member) in [
            ("name: ''".to_owned(), "pages.name"),
            (format!("name: {long}"), "pages.name"),
            ("name: \"Example\\u202ecorp\"".to_owned(), "pages.name"),
            ("name: \"two\\nlines\"".to_owned(), "pages.name"),
            ("logo: ''".to_owned(), "pages.logo"),
            ("logo: http://example.com/l.png".to_owned(), "pages.logo"),
            ("logo: //example.com/l.png".to_owned(), "pages.logo"),
            ("logo: javascript:alert(1)".to_owned(), "pages.logo"),
            (
                "logo: 'https://example.com/l.png; script-src *'".to_owned(),
                "pages.logo",
            ),
            (
                "logo: https://example.com/l.png;script-src".to_owned(),
                "pages.logo",
            ),
            ("logo: https://example.com/l.png?a=b".to_owned(), "pages.logo"),
            ("logo: https://example.com/a,b".to_owned(), "pages.logo"),
            ("logo: https://user@example.com/l.png".to_owned(), "pages.logo"),
            ("logo: data:text/html;base64,PGI+".to_owned(), "pages.logo"),
            ("logo: data:image/svg+xml,<svg/>".to_owned(), "pages.logo"),
            ("logo: data:image/png;base64,".to_owned(), "pages.logo"),
            ("logo: data:image/png;base64,\"><b>".to_owned(), "pages.logo"),
            (
                format!("logo: data:image/png;base64,{}", "AAAA".repeat(8192)),
                "pages.logo",
            ),
            ("accentColor: red".to_owned(), "pages.accentColor"),
            ("accentColor: '#fff'".to_owned(), "pages.accentColor"),
            (
                "accentColor: '#ffffff;} body{background:url(//evil)'".to_owned(),
                "pages.accentColor",
            ),
            ("accentColor: '#ffffé'".to_owned(), "pages.accentColor"),
            (
                "{accentColor: '#ffffff', accentColorDark: '#+1+1+1'}".to_owned(),
                "pages.accentColorDark",
            ),
            ("accentColorDark: '#ffffff'".to_owned(), "needs an accentColor"),
            ("privacyUrl: http://example.com".to_owned(), "pages.privacyUrl"),
            (
                "imprintUrl: 'javascript:alert(1)//https://a'".to_owned(),
                "pages.imprintUrl",
            ),
            (
                "links: [{label: '', url: 'https://example.com'}]".to_owned(),
                "pages.links[0].label",
            ),
            (
                "links: [{label: Help, url: 'data:text/html,x'}]".to_owned(),
                "pages.links[0].url",
            ),
            (
                format!(
                    "links: [{}]",
                    "{label: a, url: 'https://example.com'},".repeat(Pages::LINKS + 1)
                ),
                "pages.links: there are 7",
            ),
        ] {
            let told = wrong(&yaml).join("; ");
            assert!(told.contains(member) && !told.contains('\n'), "{yaml}: {told}");
        }
    }

    #[test]
    fn colours_are_read() {
        assert_eq!(rgb("#0b5CAD"), Some([0x0b, 0x5c, 0xad]));
        for bad in [
            "", "#", "0b5cad", "#0b5ca", "#0b5cad0", "#0b5cag", "#éab4", "#+1+1+1",
        ] {
            assert_eq!(rgb(bad), None, "{bad}");
        }
    }
}
