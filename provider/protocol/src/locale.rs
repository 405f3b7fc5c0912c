//! In which language a page is: by `ui_locales` (OpenID Connect Core §3.1.2.1), else by `Accept-Language`
//! (RFC 9110 §12.5.4), else the installation's own. Nothing that is written there is an error.

use oidc_crds::language::Language;

/// So many entries of a list are looked at.
const MOST: usize = 32;

/// The first language of a `ui_locales` that there is: "a space-separated list of BCP47 language tag values,
/// ordered by preference" (Core §3.1.2.1).
#[must_use]
pub fn asked(ui_locales: &str) -> Option<Language> {
    let tags = ui_locales.split(' ').filter(|tag| !tag.is_empty());
    tags.take(MOST).find_map(lookup)
}

/// The language that an `Accept-Language` prefers, among equals the one that stands first; the default if it
/// prefers none, unless it refuses just that one (`q=0`).
#[must_use]
pub fn accepted<'a>(lines: impl IntoIterator<Item = &'a str>, default: Language) -> Language {
    let mut refused = [false; Language::ALL.len()];
    let mut best: [Option<u16>; Language::ALL.len()] = [None; Language::ALL.len()];
    let mut order = [MOST; Language::ALL.len()];
    let ranges = lines.into_iter().flat_map(|line| line.split(','));
    for (place, range) in ranges.take(MOST).enumerate() {
        let mut parts = range.split(';');
        let tag = parts.next().unwrap_or_default().trim();
        let Some((language, weight)) = lookup(tag).zip(weight(parts)) else {
            continue;
        };
        let at = language as usize;
        if weight == 0 {
            // that a dialect is refused says nothing of the language
            refused[at] |= tag.eq_ignore_ascii_case(language.tag());
        } else if best[at].is_none_or(|known| weight > known) {
            best[at] = Some(weight);
            order[at] = place;
        }
    }
    let good = |language: &Language| !refused[*language as usize];
    let preferred = Language::ALL
        .into_iter()
        .filter(good)
        .filter_map(|language| Some((best[language as usize]?, language)))
        .max_by_key(|(weight, language)| (*weight, MOST - order[*language as usize]));
    let preferred = preferred.map(|(_, language)| language);
    preferred
        .or_else(|| Some(default).filter(good))
        .or_else(|| Language::ALL.into_iter().find(good))
        .unwrap_or(default)
}

/// The language of a tag or range, whatever its further subtags: "the language range is progressively truncated
/// from the end until a matching language tag is located" (RFC 4647 §3.4).
fn lookup(tag: &str) -> Option<Language> {
    let mut subtags = tag.split('-');
    let primary = subtags.next()?;
    let subtag =
        |text: &str| (1..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let mut languages = Language::ALL.into_iter();
    let language = languages.find(|language| language.tag().eq_ignore_ascii_case(primary))?;
    subtags.all(subtag).then_some(language)
}

/// The weight in thousandths (RFC 9110 §12.4.2); `None` if it is none.
fn weight<'a>(parameters: impl Iterator<Item = &'a str>) -> Option<u16> {
    let mut weight = 1000;
    for parameter in parameters {
        let (name, value) = parameter.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("q") {
            return None;
        }
        let value = value.trim();
        let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
        if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits = decimals.bytes().map(|b| u16::from(b - b'0'));
        let missing = u32::try_from(3 - decimals.len()).unwrap_or_default();
        let thousandths = digits.fold(0, |number, digit| number * 10 + digit) * 10_u16.pow(missing);
        weight = match whole {
            "0" => thousandths,
            "1" if thousandths == 0 => 1000,
            _ => return None,
        };
    }
    Some(weight)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Language::{De, En, Es, Fr, Ja};

    #[test]
    fn az_12_ui_locales_is_an_ordered_list() {
        for (list, language) in [
            ("de", Some(De)),
            ("de-CH", Some(De)),
            ("DE-ch-1996", Some(De)),
            ("fr-CA fr en", Some(Fr)),
            ("tlh ja en", Some(Ja)),
            ("es-419", Some(Es)),
            ("zh-Hant-TW", None),
            ("", None),
            (" ", None),
            ("  de  ", Some(De)),
            ("deutsch", None),
            ("de_CH", None),
            ("de-", None),
            ("de-überall", None),
            ("de,en", None),
            ("xx-broken ! de", Some(De)),
            ("*", None),
            ("\u{1F600}", None),
        ] {
            assert_eq!(asked(list), language, "{list}");
        }
        assert_eq!(asked(&format!("{}de", "xx ".repeat(31))), Some(De));
        assert_eq!(asked(&format!("{}de", "xx ".repeat(32))), None, "bounded");
    }

    #[test]
    fn az_12_accept_language_goes_by_weight_then_order() {
        for (header, language) in [
            ("de", De),
            ("de-AT,de;q=0.9,en;q=0.8", De),
            ("en;q=0.8, fr;q=0.9", Fr),
            ("fr;q=0.5, es;q=0.5", Fr),
            ("es, fr", Es),
            ("ja;q=0.001", Ja),
            ("fr ; q = 0.5", Fr),
            ("tlh, *;q=0.5", En),
            ("*", En),
            ("", En),
            ("de;q=0", En),
            ("de;q=0, de-CH", En),
            ("de-CH;q=0, de;q=0.5", De),
            ("de;q=2", En),
            ("de;q=0.1234", En),
            ("de;q=1.001", En),
            ("de;q=x, ja;q=0.1", Ja),
            ("de;level=1", En),
            ("de;q", En),
            ("de;q=.5", En),
            ("fr;q=0.1, fr-CA;q=0.9, de;q=0.5", Fr),
        ] {
            assert_eq!(accepted([header], En), language, "{header}");
        }
        // several lines are one list (RFC 9110 §5.3)
        assert_eq!(accepted(["en;q=0.1", "ja;q=0.2"], En), Ja);
        assert_eq!(accepted([], Es), Es);
    }

    #[test]
    fn az_12_a_refused_default_gives_way() {
        assert_eq!(accepted(["en;q=0"], En), De);
        assert_eq!(accepted(["de;q=0"], De), En);
        assert_eq!(accepted(["de;q=0, fr;q=0.1"], De), Fr);
        let none = "en;q=0, de;q=0, fr;q=0, es;q=0, ja;q=0";
        assert_eq!(accepted([none], Ja), Ja, "a page must be in some language");
    }

    #[test]
    fn az_12_long_lists_are_not_read_to_their_end() {
        let long = |n: usize| format!("{}de", "xx,".repeat(n));
        assert_eq!(accepted([long(31).as_str()], En), De);
        assert_eq!(accepted([long(32).as_str()], En), En);
    }

    proptest! {
        #[test]
        fn negotiation_never_panics(text in "\\PC{0,200}", list in "[a-zA-Z*;=,. 0-9-]{0,200}") {
            for text in [&text, &list] {
                let _ = asked(text);
                let _ = accepted([text.as_str()], Language::Fr);
            }
        }

        /// Whatever else a list has, what is refused is not chosen while there is another.
        #[test]
        fn what_is_refused_is_not_chosen(before in "[a-z*;=,.0-9-]{0,40}", after in "[a-z*;=,.0-9-]{0,40}") {
            let header = format!("{before},de;q=0,{after}");
            if header.split(',').position(|range| range == "de;q=0") < Some(MOST) {
                prop_assert_ne!(accepted([header.as_str()], Language::De), Language::De);
            }
        }
    }
}
