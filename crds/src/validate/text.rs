//! Syntax of names and texts.

mod invisible;

/// The text between backquotes, shortened and without anything that could break a line or a terminal.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 100;
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if text.chars().nth(SHOWN).is_some() {
        "…"
    } else {
        ""
    };
    format!("`{}{more}`", shown.escape_debug())
}

/// A DNS label (RFC 1123): names of classes, releases and namespaces.
pub(crate) fn is_dns_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A DNS name (RFC 1123): names of objects. A part may be longer than 63, as Kubernetes allows.
pub(crate) fn is_dns_name(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.split('.').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !part.starts_with('-')
                && !part.ends_with('-')
        })
}

/// A key of a Secret's data.
pub(crate) fn is_data_key(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && text != "."
        && text != ".."
}

/// The value of a label, and the name in a key: at most 63 characters, a letter or digit at both ends. It may be
/// empty.
pub(crate) fn is_label_text(text: &str) -> bool {
    let end = |c: char| c.is_ascii_alphanumeric();
    text.is_empty()
        || text.len() <= 63
            && text.starts_with(end)
            && text.ends_with(end)
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// A scope token (RFC 6749 §3.3).
pub(crate) fn is_scope(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// A text for one line: not blank, at most `max` characters, none of which can hide or reorder others.
pub(crate) fn one_line(text: &str, max: usize) -> Result<(), String> {
    if text.chars().any(reorders) {
        return Err("has characters that change the direction of text: remove them".into());
    }
    plain(text, max, char::is_control)?;
    match invisible::first(text) {
        None => Ok(()),
        Some(c) => Err(format!(
            "has the invisible character U+{:04X}: remove it (joiners may stand between letters of scripts that \
             need them, joiners and variation selectors in emoji)",
            u32::from(c)
        )),
    }
}

/// A name of an application: as [`one_line`], and no word of it mixes Latin letters with Cyrillic or Greek
/// ones, by which one name could pass for another (`Gооgle` with two Cyrillic о).
pub(crate) fn display_name(text: &str, max: usize) -> Result<(), String> {
    one_line(text, max)?;
    let is_mixed = |word: &str| word.chars().any(is_latin) && word.chars().any(looks_latin);
    if text.split(|c: char| !c.is_alphabetic()).any(is_mixed) {
        return Err("mixes Latin letters with Cyrillic or Greek ones in a word: use one script".into());
    }
    Ok(())
}

/// Whether it is a Latin letter.
fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

/// Whether it is of a script whose letters look like Latin ones.
fn looks_latin(c: char) -> bool {
    matches!(c, '\u{370}'..='\u{3ff}' | '\u{400}'..='\u{52f}' | '\u{1f00}'..='\u{1fff}')
}

/// A text of a person: as [`one_line`], but with what right-to-left scripts need.
pub(crate) fn claim(text: &str, max: usize) -> Result<(), String> {
    plain(text, max, char::is_control)
}

/// A text of a person that may have several lines.
pub(crate) fn lines(text: &str, max: usize) -> Result<(), String> {
    plain(text, max, |c| c.is_control() && !matches!(c, '\n' | '\r'))
}

fn plain(text: &str, max: usize, refused: impl Fn(char) -> bool) -> Result<(), String> {
    if text.trim().is_empty() {
        Err("is empty: leave it out or fill it".into())
    } else if text.chars().any(refused) {
        Err("has control characters: remove them".into())
    } else {
        at_most(text, max)
    }
}

/// At most `max` characters.
pub(crate) fn at_most(text: &str, max: usize) -> Result<(), String> {
    match text.chars().count() {
        n if n > max => Err(format!("has {n} characters, {max} are allowed")),
        _ => Ok(()),
    }
}

/// Marks, embeddings, overrides and isolates of bidirectional text, line and paragraph separators, and
/// the byte order mark: on a consent page they could make one name look like another.
fn reorders(c: char) -> bool {
    matches!(
        c,
        '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_rfc_1123() {
        for good in ["a", "0", "team-a", &"x".repeat(63)] {
            assert!(is_dns_label(good) && is_dns_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "ä", "a b", "a\n"] {
            assert!(!is_dns_label(bad) && !is_dns_name(bad), "{bad}");
        }
        assert!(!is_dns_label(&"x".repeat(64)));
        assert!(!is_dns_label("a.b") && is_dns_name("a.b"));
        for bad in ["a..b", ".a", "a.", "a.-b", &"x".repeat(254)] {
            assert!(!is_dns_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_display_name_hides_nothing_and_passes_for_no_other() {
        for good in [
            "Shop",
            "Магазин",
            "Κατάστημα",
            "متجر",
            "商店 Shop",
            "Shop Москва",
            "β-Version",
            "Ünïcödé ÅÄÖ",
            "S3 (test)",
        ] {
            assert_eq!(display_name(good, 128), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("G\u{43e}\u{43e}gle", "one script"),
            ("\u{420}aypal", "one script"),
            ("My \u{391}pple", "one script"),
            ("Shop\u{202e}", "direction"),
            ("Sh\u{200b}op", "direction"),
            ("\u{2066}Shop", "direction"),
            ("Shop\nAdmin", "control"),
            ("Shop\u{0}", "control"),
            ("Shop\u{9b}31m", "control"),
            ("\u{a0} ", "empty"),
            ("Sh\u{ad}op", "U+00AD"),
            ("Sh\u{200d}op", "U+200D"),
            ("Shop\u{e0041}", "U+E0041"),
        ] {
            let told = display_name(bad, 128).unwrap_err();
            assert!(told.contains(why), "{bad:?}: {told}");
        }
    }

    #[test]
    fn scopes_follow_rfc_6749_section_3_3() {
        for good in ["openid", "orders.read", "https://x/y", "!", "a[b]~"] {
            assert!(is_scope(good), "{good}");
        }
        for bad in ["", "a b", "a\"b", "a\\b", "ä", "a\n", "\u{7f}"] {
            assert!(!is_scope(bad), "{bad}");
        }
    }

    #[test]
    fn texts_for_one_line_cannot_hide_anything() {
        assert_eq!(one_line("Grüße aus 東京 👩‍💻", 64), Ok(()));
        for bad in [
            "",
            "  ",
            "a\nb",
            "a\u{202e}b",
            "\u{2066}x",
            "a\u{0}b",
            "a\u{85}b",
            "\u{feff}a",
            "a\u{3164}",
        ] {
            assert!(one_line(bad, 64).is_err(), "{}", quoted(bad));
        }
        assert_eq!(one_line("ääää", 3), Err("has 4 characters, 3 are allowed".into()));
        assert_eq!(lines("Way 1\nTown", 64), Ok(()));
        assert_eq!(claim("\u{200f}שלום", 64), Ok(()));
    }

    #[test]
    fn quotes_are_short_and_printable() {
        assert_eq!(quoted("a\u{1b}[31m\n"), "`a\\u{1b}[31m\\n`");
        assert_eq!(quoted(&"x".repeat(5000)).chars().count(), 103);
    }
}
