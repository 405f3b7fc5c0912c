//! An accent colour made readable: text has a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3 level AA), whatever
//! colour was chosen.

use std::fmt;

/// What text must have (WCAG 2.2, 1.4.3).
const ENOUGH: f64 = 4.5;

/// Red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rgb(pub(super) [u8; 3]);

const BLACK: Rgb = Rgb([0; 3]);
const WHITE: Rgb = Rgb([255; 3]);

/// What becomes of an accent colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Palette {
    /// For text, lines and the focus: the accent, darker or lighter as far as needed.
    pub(super) text: Rgb,
    /// For the ground of buttons: the accent itself.
    pub(super) fill: Rgb,
    /// For text on it: black or white.
    pub(super) on_fill: Rgb,
}

impl Palette {
    /// Of an accent, on pages with these grounds.
    pub(super) fn of(accent: Rgb, grounds: &[Rgb]) -> Self {
        // one of the two always has enough: the worst ground is as far from both, at 4.58 to 1
        let away = |ground: Rgb| {
            if ground.contrast(WHITE) >= ground.contrast(BLACK) {
                WHITE
            } else {
                BLACK
            }
        };
        let end = grounds.first().copied().map_or(BLACK, away);
        let readable = |color: &Rgb| grounds.iter().all(|ground| ground.contrast(*color) >= ENOUGH);
        let steps = (0..=100).map(|percent| accent.toward(end, percent));
        Self {
            text: steps.into_iter().find(readable).unwrap_or(end),
            fill: accent,
            on_fill: away(accent),
        }
    }
}

impl Rgb {
    /// So many hundredths of the way to another colour.
    fn toward(self, end: Self, percent: u16) -> Self {
        let mut mixed = self;
        for (part, end) in mixed.0.iter_mut().zip(end.0) {
            let sum = u16::from(*part) * (100 - percent) + u16::from(end) * percent;
            *part = u8::try_from(sum / 100).unwrap_or(u8::MAX);
        }
        mixed
    }

    /// The ratio of contrast, 1 to 21 (WCAG 2.2, "contrast ratio").
    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance() + 0.05, other.luminance() + 0.05);
        one.max(two) / one.min(two)
    }

    /// Relative luminance, 0 to 1 (WCAG 2.2, "relative luminance").
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{GROUNDS, STYLE};
    use super::*;

    #[test]
    fn contrast_is_that_of_the_standard() {
        assert!((BLACK.contrast(WHITE) - 21.0).abs() < 1e-9);
        assert!((Rgb([0x76; 3]).contrast(WHITE) - 4.54).abs() < 0.01);
    }

    #[test]
    fn whatever_the_accent_text_is_readable() {
        let steps = || (0..=255u8).step_by(15);
        for (red, green) in steps().flat_map(|red| steps().map(move |green| (red, green))) {
            for blue in steps() {
                let accent = Rgb([red, green, blue]);
                for grounds in GROUNDS {
                    let palette = Palette::of(accent, &grounds);
                    assert!(palette.on_fill.contrast(palette.fill) >= ENOUGH, "{accent}");
                    for ground in grounds {
                        assert!(palette.text.contrast(ground) >= ENOUGH, "{accent} on {ground}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_good_accent_stays_as_it_is() {
        let blue = Rgb([0x0b, 0x5c, 0xad]);
        let palette = Palette::of(blue, &GROUNDS[0]);
        let same = Palette {
            text: blue,
            fill: blue,
            on_fill: WHITE,
        };
        assert_eq!(palette, same);
        assert_eq!(blue.to_string(), "#0b5cad");
    }

    /// The style sheet's own colours keep the rule too.
    #[test]
    fn the_style_sheet_is_readable() {
        let (light, dark) = STYLE.split_once("@media (prefers-color-scheme: dark)").unwrap();
        for (sheet, grounds) in [(light, GROUNDS[0]), (dark, GROUNDS[1])] {
            let color = |name: &str| {
                let (_, rest) = sheet.split_once(&format!("--{name}: ")).unwrap();
                let (value, _) = rest.split_once(';').unwrap();
                Rgb(oidc_crds::secrets::installation::rgb(value).unwrap())
            };
            for name in ["ink", "soft", "act", "bad"] {
                for ground in grounds {
                    assert!(color(name).contrast(ground) >= ENOUGH, "{name} on {ground}");
                }
            }
            assert!(color("on").contrast(color("fill")) >= ENOUGH);
        }
    }
}
