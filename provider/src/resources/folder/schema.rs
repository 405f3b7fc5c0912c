//! The strict check: a document against the schema that the API server would hold it to. So a field that
//! `kubectl` refuses is refused here too, by the same definition.

use std::fmt;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use oidc_crds::names::Seconds;

use super::node::{Content, Node};

/// A place that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: u64,
    /// The field, like `spec.redirectUris[0]`; empty: the document.
    pub field: String,
    /// What is wrong. Never shows a value.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(f, "{}: {}", self.line, self.message),
            field => write!(f, "{}: {field}: {}", self.line, self.message),
        }
    }
}

/// Adds what is wrong about a node that lies at `field`.
pub fn check(node: &Node, schema: &JSONSchemaProps, field: &str, faults: &mut Vec<Fault>) {
    let mut wrong = |line, field: &str, message: String| {
        faults.push(Fault {
            line,
            field: field.to_owned(),
            message,
        });
    };
    match (&node.content, schema.type_.as_deref()) {
        (Content::Null, _) | (_, None) => {}
        (Content::Map(members), Some("object")) => {
            let properties = schema.properties.iter().flatten();
            let known = |name: &str| properties.clone().find(|(known, _)| *known == name);
            let other = match &schema.additional_properties {
                Some(JSONSchemaPropsOrBool::Schema(schema)) => Some(schema.as_ref()),
                _ => None,
            };
            for required in schema.required.iter().flatten() {
                if node
                    .get(required)
                    .is_none_or(|node| node.content == Content::Null)
                {
                    wrong(node.line, &member(field, required), "is missing".to_owned());
                }
            }
            let any = schema.x_kubernetes_preserve_unknown_fields == Some(true);
            for (name, line, node) in members {
                if any && known(name).is_none() {
                    continue;
                }
                match known(name).map(|(_, schema)| schema).or(other) {
                    Some(schema) => check(node, schema, &member(field, name), faults),
                    None => faults.push(Fault {
                        line: *line,
                        field: member(field, name),
                        message: format!("unknown field{}", suggestion(name, properties.clone())),
                    }),
                }
            }
        }
        (Content::List(items), Some("array")) => {
            if let Some(JSONSchemaPropsOrArray::Schema(schema)) = &schema.items {
                for (index, item) in items.iter().enumerate() {
                    check(item, schema, &format!("{field}[{index}]"), faults);
                }
            }
        }
        (Content::Text(text), Some("string")) => {
            let choices = schema
                .enum_
                .iter()
                .flatten()
                .filter_map(|choice| choice.0.as_str());
            let choices: Vec<_> = choices.collect();
            if !choices.is_empty() && !choices.contains(&text.as_str()) {
                wrong(node.line, field, format!("must be one of {}", choices.join(", ")));
            } else if schema.pattern.as_deref() == Some(Seconds::PATTERN) && text.parse::<Seconds>().is_err()
            {
                wrong(
                    node.line,
                    field,
                    "must be a duration, like 15m, 1h30m or 90d".to_owned(),
                );
            }
        }
        (Content::Bool(_), Some("boolean")) => {}
        (Content::Number(number), Some("integer")) if !number.is_f64() => {}
        (Content::Number(_), Some("number")) => {}
        (Content::Bool(_) | Content::Number(_), Some("string")) => {
            wrong(node.line, field, "must be text: put it in quotes".to_owned());
        }
        (_, wanted) => {
            let wanted = match wanted {
                Some("object") => "a map of fields",
                Some("array") => "a list",
                Some("string") => "text",
                Some("boolean") => "true or false",
                Some("integer") => "a whole number",
                _ => "something else",
            };
            wrong(node.line, field, format!("must be {wanted}"));
        }
    }
}

fn member(field: &str, name: &str) -> String {
    // a name is whatever was typed
    let name: String = name.chars().take(64).flat_map(char::escape_debug).collect();
    if field.is_empty() {
        name
    } else {
        format!("{field}.{name}")
    }
}

/// The known field that was probably meant: the same letters in another case, or all but one of them.
fn suggestion<'a>(
    name: &str,
    properties: impl Iterator<Item = (&'a String, &'a JSONSchemaProps)> + Clone,
) -> String {
    let letters = |text: &str| {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|letter| letter.to_ascii_lowercase())
            .collect::<String>()
    };
    let typed = letters(name);
    let near = |known: &String| {
        let known = letters(known);
        known == typed
            || known.len() == typed.len() + 1 && is_one_less(&typed, &known)
            || typed.len() == known.len() + 1 && is_one_less(&known, &typed)
    };
    properties
        .map(|(known, _)| known)
        .find(|known| near(known))
        .map(|known| format!(", do you mean {known}?"))
        .unwrap_or_default()
}

/// Whether `short` is `long` without one letter.
fn is_one_less(short: &str, long: &str) -> bool {
    let same = short
        .bytes()
        .zip(long.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    short.as_bytes()[same..] == long.as_bytes()[same + 1..]
}
