//! How pages look: the installation's name, logo, colours and links, made ready once for each snapshot of the
//! installation. The policy names the style sheet by its hash and images by their addresses, nothing else may be
//! loaded.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use oidc_crds::secrets::installation::{Installation, Pages, rgb};

use color::{Palette, Rgb};

mod color;

/// The style sheet.
const STYLE: &str = include_str!("../templates/style.css");

/// The script of the page that posts an answer to a client.
pub const SUBMIT: &str = "document.forms[0].submit()";

/// Backgrounds of the style sheet, on which coloured text stands: light, then dark.
const GROUNDS: [[Rgb; 2]; 2] = [
    [Rgb([0xff, 0xff, 0xff]), Rgb([0xf3, 0xf5, 0xf8])],
    [Rgb([0x22, 0x27, 0x2e]), Rgb([0x16, 0x19, 0x1d])],
];

/// How pages of an installation look.
pub struct Look {
    /// What the installation says.
    pub pages: Pages,
    style: Cow<'static, str>,
    policy: HeaderValue,
    submit_policy: HeaderValue,
}

impl Look {
    /// Makes it ready.
    #[must_use]
    pub fn new(pages: &Pages) -> Self {
        let style = style(pages);
        let logo = pages.logo.as_deref().unwrap_or_default();
        let images = if logo.starts_with("data:") { "data:" } else { logo };
        let style_hash = hash(&style);
        Self {
            pages: pages.clone(),
            policy: policy(&style_hash, &[images], ""),
            submit_policy: policy(&style_hash, &[images], &format!("; script-src {}", hash(SUBMIT))),
            style,
        }
    }

    /// Its style sheet.
    #[must_use]
    pub fn style(&self) -> &str {
        &self.style
    }

    /// The policy of its pages.
    #[must_use]
    pub fn policy(&self) -> &HeaderValue {
        &self.policy
    }

    /// The policy of the page that posts an answer to a client: its script, and nothing else, may run.
    #[must_use]
    pub fn submit_policy(&self) -> &HeaderValue {
        &self.submit_policy
    }

    /// The policy of a page that shows a client's logo too: images of its origin may be loaded.
    #[must_use]
    pub fn policy_with(&self, logo: &str) -> HeaderValue {
        let own = self.pages.logo.as_deref().unwrap_or_default();
        let own = if own.starts_with("data:") { "data:" } else { own };
        policy(&hash(&self.style), &[own, origin(logo)], "")
    }
}

/// The look of the present installation; made anew only when there is another.
#[derive(Default)]
pub struct Looks(ArcSwapOption<(Arc<Installation>, Arc<Look>)>);

impl Looks {
    /// Of this snapshot.
    #[must_use]
    pub fn of(&self, installation: &Arc<Installation>) -> Arc<Look> {
        if let Some(known) = &*self.0.load()
            && Arc::ptr_eq(&known.0, installation)
        {
            return known.1.clone();
        }
        let look = Arc::new(Look::new(&installation.pages));
        self.0.store(Some(Arc::new((installation.clone(), look.clone()))));
        look
    }
}

/// The look of pages without an installation's own.
pub static PLAIN: LazyLock<Arc<Look>> = LazyLock::new(|| Arc::new(Look::new(&Pages::default())));

fn style(pages: &Pages) -> Cow<'static, str> {
    let Some(light) = pages.accent_color.as_deref().and_then(rgb) else {
        return STYLE.into();
    };
    let dark = pages.accent_color_dark.as_deref().and_then(rgb).unwrap_or(light);
    let [light, dark] = [(light, GROUNDS[0]), (dark, GROUNDS[1])].map(|(accent, grounds)| {
        let Palette { text, fill, on_fill } = Palette::of(Rgb(accent), &grounds);
        format!(":root {{ --act: {text}; --fill: {fill}; --on: {on_fill}; }}")
    });
    format!("{STYLE}{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n").into()
}

/// No script, no frame, nothing from elsewhere but these images. There is no `form-action`: Chromium applies it to
/// all redirects that follow a form, the application's own included.
fn policy(style: &str, images: &[&str], more: &str) -> HeaderValue {
    let images: String = images
        .iter()
        .filter(|image| !image.is_empty())
        .map(|image| format!(" {image}"))
        .collect();
    let images = if images.is_empty() { " 'none'" } else { &images };
    HeaderValue::try_from(format!(
        "default-src 'none'; style-src {style}; img-src{images}{more}; base-uri 'none'; frame-ancestors 'none'"
    ))
    .unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// How a policy names a text of ours (Content Security Policy Level 3 §2.3.1).
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

/// Scheme, host and port of an address; empty if a policy could read them otherwise.
fn origin(address: &str) -> &str {
    let start = address.find("://").map_or(0, |at| at + 3);
    let end = address[start..]
        .find(['/', '?', '#'])
        .map_or(address.len(), |at| start + at);
    let origin = &address[..end];
    let harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'/');
    if origin.bytes().all(harmless) { origin } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(yaml: &str) -> Look {
        Look::new(&serde_yaml::from_str(yaml).unwrap())
    }

    #[test]
    fn without_a_logo_no_image_may_be_loaded() {
        let plain = look("{}");
        let policy = plain.policy().to_str().unwrap();
        assert!(policy.contains("img-src 'none';"), "{policy}");
        assert_eq!(plain.style(), STYLE);
        assert!(!policy.contains("script-src"));
    }

    #[test]
    fn the_policy_names_the_images_and_nothing_else() {
        for (yaml, images) in [
            (
                "logo: https://cdn.example.com/logo.svg",
                "img-src https://cdn.example.com/logo.svg;",
            ),
            ("logo: data:image/png;base64,iVBORw0KGgo=", "img-src data:;"),
        ] {
            let look = look(yaml);
            for policy in [look.policy(), look.submit_policy()] {
                let policy = policy.to_str().unwrap();
                assert!(policy.contains(images), "{policy}");
                assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
            }
        }
        let both = look("logo: https://cdn.example.com/logo.svg");
        let both = both.policy_with("https://app.example.com:8443/l.png?x=1;2");
        let both = both.to_str().unwrap();
        assert!(
            both.contains("img-src https://cdn.example.com/logo.svg https://app.example.com:8443;"),
            "{both}"
        );
        let odd = look("{}").policy_with("https://a;script-src *,b/l.png");
        assert!(odd.to_str().unwrap().contains("img-src 'none';"), "{odd:?}");
    }

    #[test]
    fn a_brand_has_a_style_of_its_own() {
        let look = look("{accentColor: '#ffcc00', accentColorDark: '#7a1fa2'}");
        let (_, brand) = look.style().split_at(STYLE.len());
        assert!(brand.contains("--fill: #ffcc00; --on: #000000;"), "{brand}");
        assert!(brand.contains("--fill: #7a1fa2; --on: #ffffff;"), "{brand}");
        let policy = look.policy().to_str().unwrap();
        assert!(policy.contains(&hash(look.style())));
        assert_ne!(look.policy(), PLAIN.policy());
    }

    #[test]
    fn the_look_follows_the_installation() {
        let looks = Looks::default();
        let mut installation = Installation::standalone("http://localhost:5000", true);
        let first = Arc::new(installation.clone());
        installation.pages.name = Some("Example".to_owned());
        let second = Arc::new(installation);
        let plain = looks.of(&first);
        assert!(Arc::ptr_eq(&plain, &looks.of(&first)), "made once");
        assert_eq!(looks.of(&second).pages.name.as_deref(), Some("Example"));
        assert_eq!(looks.of(&first).pages.name, None);
    }

    /// The grounds that contrast is computed against are those of the style sheet.
    #[test]
    fn the_grounds_are_those_of_the_style_sheet() {
        let [light, dark] = STYLE
            .split_once("@media (prefers-color-scheme: dark)")
            .map(|(light, dark)| [light, dark])
            .unwrap();
        for (sheet, [paper, back]) in [light, dark].into_iter().zip(GROUNDS) {
            assert!(sheet.contains(&format!("--paper: {paper};")), "{paper}");
            assert!(sheet.contains(&format!("--back: {back};")), "{back}");
        }
    }
}
