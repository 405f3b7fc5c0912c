//! A short name of a device for the list of a person's sessions, out of `User-Agent` (RFC 9110 §10.1.5). The
//! vocabulary is closed: whatever the header says, nothing of it is stored or shown.

/// The parts of a header that name a browser, in the order in which they decide: most browsers also carry the
/// names of others.
const BROWSERS: [(&str, &str); 12] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

/// The same for systems.
const SYSTEMS: [(&str, &str); 8] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("FreeBSD", "FreeBSD"),
    ("Linux", "Linux"),
];

/// What stands for a device that tells nothing of itself.
pub const UNKNOWN: &str = "Unknown device";

/// What stands between browser and system.
const ON: &str = " on ";

/// Like `Firefox on Linux`; [`UNKNOWN`] if the header names neither.
#[must_use]
pub fn device(user_agent: &str) -> String {
    let find = |names: &[(&str, &'static str)]| {
        let found = names.iter().find(|(part, _)| user_agent.contains(part));
        found.map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser}{ON}{system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => UNKNOWN.to_owned(),
    }
}

/// What a name that [`device`] made says: browser and system, as far as they are known.
#[must_use]
pub fn parts(name: &str) -> (Option<&str>, Option<&str>) {
    match name.split_once(ON) {
        Some((browser, system)) => (Some(browser), Some(system)),
        None if name == UNKNOWN => (None, None),
        None => (Some(name), None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ses_04_a_device_has_a_short_name() {
        for (header, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/131.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like \
                 Gecko) Version/18.1 Safari/605.1.15",
                "Safari on macOS",
            ),
            ("curl/8.5.0", "curl"),
            ("", "Unknown device"),
            ("<script>alert(1)</script>", "Unknown device"),
        ] {
            assert_eq!(device(header), name);
        }
    }

    #[test]
    fn a_name_comes_apart_again() {
        assert_eq!(parts("Firefox on Linux"), (Some("Firefox"), Some("Linux")));
        assert_eq!(parts("curl"), (Some("curl"), None));
        assert_eq!(parts(UNKNOWN), (None, None));
    }

    proptest! {
        #[test]
        fn nothing_of_the_header_gets_through(header in "\\PC{0,300}") {
            let name = device(&header);
            prop_assert!(name.len() <= 32 && name.chars().all(|c| c.is_ascii_alphabetic() || c == ' '));
        }
    }
}
