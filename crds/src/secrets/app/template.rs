//! Texts with placeholders, like `${CLIENT_ID}` or `${CLIENT_SECRET | urlencode}`. No logic: a placeholder is
//! the name of a value and at most one filter. `$${` stands for `${`; every other `$` is itself.

use super::values::Value;
use crate::encoding::base64;

/// The most placeholders of a text: with the longest values it still fits into a Secret.
const PLACEHOLDERS: usize = 64;

/// A text that was parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Value, Filter),
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    /// As it is.
    Plain,
    /// A JSON string with its quotes, which is a YAML string too.
    Json,
    /// For a query or a part of a URL (RFC 3986 §2.3).
    Urlencode,
    /// base64 (RFC 4648 §4).
    Base64,
    /// With commas for blanks: a list of scopes as some programs want it.
    Commas,
}

impl Filter {
    const NAMES: [(&str, Self); 4] = [
        ("json", Self::Json),
        ("urlencode", Self::Urlencode),
        ("base64", Self::Base64),
        ("commas", Self::Commas),
    ];

    fn apply(self, value: &str) -> String {
        match self {
            Self::Plain => value.to_owned(),
            Self::Json => serde_json::Value::from(value).to_string(),
            Self::Urlencode => urlencode(value),
            Self::Base64 => base64(value.as_bytes()),
            Self::Commas => value.replace(' ', ","),
        }
    }
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong, without the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        let mut count = 0;
        while let Some(at) = rest.find("${") {
            let before = &rest[..at];
            let after = &rest[at + 2..];
            if let Some(before) = before.strip_suffix('$') {
                plain.push_str(before);
                plain.push_str("${");
                rest = after;
                continue;
            }
            plain.push_str(before);
            let Some(end) = after.find('}') else {
                return Err("has `${` without `}`; write `$${` for the characters `${`".to_owned());
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            let (value, filter) = placeholder(&after[..end])?;
            parts.push(Part::Value(value, filter));
            count += 1;
            rest = &after[end + 1..];
        }
        if count > PLACEHOLDERS {
            return Err(format!("has {count} placeholders, {PLACEHOLDERS} are allowed"));
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// Whether the text is just this value, as it is.
    #[must_use]
    pub fn is(&self, value: Value) -> bool {
        self.parts == [Part::Value(value, Filter::Plain)]
    }

    /// The values that the text names.
    pub fn names(&self) -> impl Iterator<Item = Value> + '_ {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Value(value, _) => Some(*value),
        })
    }

    /// The text with the values; one that is not there is empty.
    #[must_use]
    pub fn render<'a>(&self, value_of: impl Fn(Value) -> Option<&'a str>) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Value(value, filter) => filter.apply(value_of(*value).unwrap_or_default()),
            })
            .collect()
    }
}

fn placeholder(text: &str) -> Result<(Value, Filter), String> {
    let quoted = crate::validate::text::quoted;
    let (name, filter) = match text.split_once('|') {
        None => (text.trim(), None),
        Some((name, filter)) => (name.trim(), Some(filter.trim())),
    };
    let value = Value::named(name).ok_or_else(|| {
        format!(
            "has the placeholder {}; known are {}; write `$${{` for the characters `${{`",
            quoted(name),
            Value::names()
        )
    })?;
    let filter = match filter {
        None => Filter::Plain,
        Some(filter) => {
            let found = Filter::NAMES.iter().find(|(name, _)| *name == filter);
            let (_, found) = found.ok_or_else(|| {
                let names = Filter::NAMES.map(|(name, _)| name).join(", ");
                format!("has the filter {}; known are {names}", quoted(filter))
            })?;
            *found
        }
    };
    Ok((value, filter))
}

fn urlencode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&crate::encoding::hex(&[byte]).to_ascii_uppercase());
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn render(text: &str) -> Result<String, String> {
        Ok(Template::parse(text)?.render(|value| match value {
            Value::ClientId => Some("team-a.shop"),
            Value::ClientSecret => Some("a/b+c&\"d\" é"),
            Value::Scopes => Some("openid email"),
            _ => None,
        }))
    }

    #[test]
    fn placeholders_become_values() {
        for (text, rendered) in [
            ("", ""),
            ("plain", "plain"),
            ("${CLIENT_ID}", "team-a.shop"),
            ("a ${ CLIENT_ID } b${CLIENT_ID}", "a team-a.shop bteam-a.shop"),
            ("${CLIENT_SECRET|json}", "\"a/b+c&\\\"d\\\" é\""),
            ("${CLIENT_SECRET | urlencode}", "a%2Fb%2Bc%26%22d%22%20%C3%A9"),
            ("${CLIENT_SECRET | base64}", "YS9iK2MmImQiIMOp"),
            ("[${CA_CRT}]", "[]"),
            ("${SCOPES | commas}", "openid,email"),
            ("[${CA_CRT | json}]", "[\"\"]"),
        ] {
            assert_eq!(render(text).as_deref(), Ok(rendered), "{text}");
        }
    }

    #[test]
    fn a_dollar_is_itself() {
        for (text, rendered) in [
            ("$", "$"),
            ("$$", "$$"),
            ("$5 and $HOME $(x) {a}", "$5 and $HOME $(x) {a}"),
            ("$${other}", "${other}"),
            ("$$${CLIENT_ID}", "$${CLIENT_ID}"),
            ("}${CLIENT_ID}}", "}team-a.shop}"),
        ] {
            assert_eq!(render(text).as_deref(), Ok(rendered), "{text}");
        }
    }

    #[test]
    fn what_is_unknown_is_refused_with_what_is_known() {
        for (text, told) in [
            ("${", "without `}`"),
            ("${CLIENT_ID", "without `}`"),
            ("${}", "known are CLIENT_ID, CLIENT_SECRET"),
            ("${client_id}", "`client_id`"),
            ("${env:HOME}", "`env:HOME`"),
            (
                "${CLIENT_ID | exec}",
                "the filter `exec`; known are json, urlencode, base64, commas",
            ),
            ("${CLIENT_ID | json | json}", "the filter"),
            ("${CLIENT_ID|}", "the filter"),
            (&"${CLIENT_ID}".repeat(65), "64 are allowed"),
        ] {
            let wrong = render(text).unwrap_err();
            assert!(wrong.contains(told), "{text}: {wrong}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_texts_without_placeholders_stay(text in "[${}a|]{0,20}") {
            let rendered = render(&text);
            if !text.contains("${") {
                prop_assert_eq!(rendered, Ok(text));
            }
        }
    }
}
