//! The forms of an HTML page, as far as a browser without scripts would use them.

use std::collections::BTreeMap;

/// A form as it stands on the page.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Form {
    /// Where it is sent; empty means the page's own address.
    pub action: String,
    /// `get` or `post`, lower case.
    pub method: String,
    /// Fields with their initial values, hidden ones included; unchecked boxes are absent.
    pub fields: Vec<(String, String)>,
    /// Named buttons (name, value): exactly one of them is sent, if any is there.
    pub buttons: Vec<(String, String)>,
}

impl Form {
    /// Whether the form has a field of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field == name)
    }

    /// Sets a field, adding it if it is not there.
    pub fn set(&mut self, name: &str, value: &str) {
        self.fields.retain(|(field, _)| field != name);
        self.fields.push((name.to_owned(), value.to_owned()));
    }

    /// Presses the first button for which `wanted` holds.
    pub fn press(&mut self, wanted: impl Fn(&str, &str) -> bool) {
        if let Some((name, value)) = self
            .buttons
            .iter()
            .find(|(name, value)| wanted(name, value))
            .cloned()
        {
            self.fields.push((name, value));
        }
    }
}

/// All forms of a page, in order.
#[must_use]
pub fn parse(html: &str) -> Vec<Form> {
    let mut forms = Vec::new();
    let mut open: Option<Form> = None;
    for (name, attributes) in tags(html) {
        let attribute = |key: &str| attributes.get(key).cloned();
        match name.as_str() {
            "form" => {
                forms.extend(open.take());
                open = Some(Form {
                    action: attribute("action").unwrap_or_default(),
                    method: attribute("method")
                        .unwrap_or_else(|| "get".to_owned())
                        .to_lowercase(),
                    ..Form::default()
                });
            }
            "/form" => forms.extend(open.take()),
            "input" | "button" => {
                let (Some(form), Some(field)) = (open.as_mut(), attribute("name")) else {
                    continue;
                };
                let value = attribute("value");
                let kind = attribute("type")
                    .unwrap_or_else(|| if name == "button" { "submit" } else { "text" }.to_owned());
                match kind.as_str() {
                    "submit" | "image" => form.buttons.push((field, value.unwrap_or_default())),
                    "checkbox" | "radio" if !attributes.contains_key("checked") => {}
                    "checkbox" | "radio" => form
                        .fields
                        .push((field, value.unwrap_or_else(|| "on".to_owned()))),
                    "button" | "reset" => {}
                    _ => form.fields.push((field, value.unwrap_or_default())),
                }
            }
            _ => {}
        }
    }
    forms.extend(open);
    forms
}

/// The tags of a page with their attributes; names in lower case, closing tags with a leading slash.
fn tags(html: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let name: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '/' || *c == '!')
            .collect();
        rest = &rest[name.len()..];
        let mut attributes = BTreeMap::new();
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
            let key: String = rest
                .chars()
                .take_while(|c| !c.is_whitespace() && !matches!(c, '=' | '>' | '/' | '<'))
                .collect();
            rest = &rest[key.len()..];
            if key.is_empty() {
                rest = rest.strip_prefix('>').unwrap_or(rest);
                break;
            }
            let after = rest.trim_start();
            let mut value = String::new();
            if let Some(after) = after.strip_prefix('=') {
                let after = after.trim_start();
                let (raw, tail) = match after.chars().next() {
                    Some(quote @ ('"' | '\'')) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
                    _ => after.split_at(
                        after
                            .find(|c: char| c.is_whitespace() || c == '>')
                            .unwrap_or(after.len()),
                    ),
                };
                value = unescape(raw);
                rest = tail;
            }
            attributes.insert(key.to_lowercase(), value);
        }
        found.push((name.to_lowercase(), attributes));
    }
    found
}

/// Character references as templates write them.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let decoded = rest.find(';').filter(|end| *end < 10).and_then(|end| {
            let name = &rest[1..end];
            let character = match name {
                "amp" => Some('&'),
                "lt" => Some('<'),
                "gt" => Some('>'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                _ => name.strip_prefix('#').and_then(|number| {
                    number
                        .strip_prefix(['x', 'X'])
                        .map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok())
                        .and_then(char::from_u32)
                }),
            };
            character.map(|character| (character, end + 1))
        });
        let (character, length) = decoded.unwrap_or(('&', 1));
        out.push(character);
        rest = &rest[length..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_a_browser_reads_them() {
        let page = r#"<!doctype html><!-- <form action="/no"> --><p>a < b</p>
            <form method="POST" action="/login?a=1&amp;b=2">
              <input type=hidden name="_request" value="x&#34;y&#x26;">
              <label>Name<input name='username' required></label><input type="password" name="password"/>
              <input type="checkbox" name="remember" value="yes"><input type="checkbox" name="scope" value="email" checked>
              <button name="decision" value="deny">No</button><button name="decision" value="allow">Yes</button>
            </form><form></form>"#;
        let forms = parse(page);
        assert_eq!(forms.len(), 2);
        let form = &forms[0];
        assert_eq!(
            (form.method.as_str(), form.action.as_str()),
            ("post", "/login?a=1&b=2")
        );
        let fields: Vec<_> = form
            .fields
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(
            fields,
            [
                ("_request", "x\"y&"),
                ("username", ""),
                ("password", ""),
                ("scope", "email")
            ]
        );
        assert_eq!(form.buttons.len(), 2);
    }

    #[test]
    fn a_broken_page_has_what_can_be_read() {
        assert_eq!(
            parse("<form action=/x><input name=a value=")
                .first()
                .map(|f| f.fields.len()),
            Some(1)
        );
        assert!(parse("<").is_empty() && parse("<form").len() == 1);
    }
}
