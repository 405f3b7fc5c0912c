//! Characters that show nothing, by which two names could look alike: the `Default_Ignorable_Code_Point`s of Unicode
//! and a few more that are blank. Joiners and variation selectors are good where something shows them: in emoji, and
//! joiners between letters of the scripts that are written with them.

/// The first character of a text that shows nothing where it stands.
pub(super) fn first(text: &str) -> Option<char> {
    let (mut before, mut selected) = (None, None);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let next = rest.clone().next();
        // a selector belongs to what stands before it, and one is enough
        let last = if c == '\u{200d}' {
            selected.or(before)
        } else {
            before
        };
        if is_invisible(c) && !shows(last, c, next) {
            return Some(c);
        }
        selected = before.filter(|_| is_emoji_selector(c));
        before = Some(c);
    }
    None
}

/// Whether it can be seen that the character stands between these two.
fn shows(before: Option<char>, c: char, after: Option<char>) -> bool {
    let Some(before) = before else {
        return false;
    };
    let is_key = matches!(before, '0'..='9' | '#' | '*');
    match c {
        // a pictograph as a picture or as text; `1\u{fe0f}\u{20e3}` is a key
        _ if is_emoji_selector(c) => is_pictograph(before) || is_key && after == Some('\u{20e3}'),
        '\u{200d}' if is_pictograph(before) => after.is_some_and(is_pictograph),
        '\u{200c}' | '\u{200d}' => is_joined(before) && after.is_some_and(is_joined),
        _ => false,
    }
}

fn is_emoji_selector(c: char) -> bool {
    matches!(c, '\u{fe0e}' | '\u{fe0f}')
}

fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d159}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// What emoji are made of: arrows, symbols, pictures, skin tones, flags.
fn is_pictograph(c: char) -> bool {
    matches!(
        c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{3030}' | '\u{303d}'
            | '\u{3297}' | '\u{3299}'
            | '\u{2190}'..='\u{21ff}'
            | '\u{2300}'..='\u{27bf}'
            | '\u{2900}'..='\u{2bff}'
            | '\u{1f000}'..='\u{1faff}'
    )
}

/// Letters and marks of scripts in which a joiner changes what is seen: Arabic and its neighbours, those of India,
/// Tibetan, Myanmar, Khmer, Mongolian.
fn is_joined(c: char) -> bool {
    let of_a_script = matches!(
        c,
        '\u{620}'..='\u{dff}' | '\u{f00}'..='\u{109f}' | '\u{1780}'..='\u{18af}' | '\u{fb50}'..='\u{fdff}'
            | '\u{fe70}'..='\u{fefc}'
    );
    of_a_script && !is_invisible(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_nothing_is_found() {
        for c in [
            '\u{ad}',
            '\u{34f}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b5}',
            '\u{180b}',
            '\u{180e}',
            '\u{200c}',
            '\u{200d}',
            '\u{206a}',
            '\u{2800}',
            '\u{3164}',
            '\u{fe00}',
            '\u{fe0e}',
            '\u{fe0f}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e007f}',
            '\u{e0100}',
            '\u{e01ef}',
        ] {
            for text in [
                format!("Sh{c}op"),
                format!("{c}Shop"),
                format!("Shop{c}"),
                format!("Shop 1{c}"),
                format!("商{c}店"),
                format!("م{c}"),
                format!("👩{c}{c}👩"),
            ] {
                assert_eq!(first(&text), Some(c), "{}", text.escape_debug());
            }
        }
        for (text, c) in [
            // the flag of England: tags behind a black flag, which hide any text where nobody draws them
            (
                "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
                '\u{e0067}',
            ),
            ("葛\u{e0100}城", '\u{e0100}'),
            ("1\u{fe0f}", '\u{fe0f}'),
            ("👩\u{200d}Shop", '\u{200d}'),
            ("Shop\u{200d}👩", '\u{200d}'),
            ("👩\u{200c}👩", '\u{200c}'),
            ("م\u{200c}\u{200c}ا", '\u{200c}'),
        ] {
            assert_eq!(first(text), Some(c), "{}", text.escape_debug());
        }
    }

    #[test]
    fn what_emoji_and_scripts_need_is_good() {
        for text in [
            "Grüße aus 東京",
            "👩\u{200d}💻 Shop",
            "👩🏽\u{200d}⚕\u{fe0f}",
            "🏳\u{fe0f}\u{200d}🌈",
            "👨\u{200d}👩\u{200d}👧\u{200d}👦",
            "Shop ❤\u{fe0f}",
            "☎\u{fe0e} Line",
            "1\u{fe0f}\u{20e3} Shop",
            "🇫🇷 Boutique",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "My\u{a0}Shop™",
        ] {
            assert_eq!(first(text), None, "{}", text.escape_debug());
        }
    }
}
