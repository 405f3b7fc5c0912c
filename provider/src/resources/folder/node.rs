//! YAML with the line of everything in it, so that a fault can be pointed at.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_yaml::Spanned;

/// A value and the line that it begins in, from 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The line.
    pub line: u64,
    /// The value.
    pub content: Content,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Members with the lines of their names.
    Map(Vec<(String, u64, Node)>),
}

impl Node {
    /// A member of a map.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match &self.content {
            Content::Map(members) => members
                .iter()
                .find(|(member, ..)| member == name)
                .map(|(.., node)| node),
            _ => None,
        }
    }

    /// The text that it is.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// As JSON; members that are nothing are left out, as the API server does.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Content::Map(members) => Value::Object(
                members
                    .iter()
                    .filter(|(.., node)| node.content != Content::Null)
                    .map(|(name, _, node)| (name.clone(), node.to_json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        Ok(Self {
            line: spanned.referenced.line(),
            content: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Content, E> {
        Number::from_f64(value)
            .map(Content::Number)
            .ok_or_else(|| E::custom("a number that JSON has not"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Content, E> {
        Ok(Content::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Content, A::Error> {
        let mut map = Vec::new();
        while let Some(name) = members.next_key::<Spanned<String>>()? {
            map.push((name.value, name.referenced.line(), members.next_value()?));
        }
        Ok(Content::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Vec<Node> {
        serde_yaml::from_multiple(text).unwrap()
    }

    #[test]
    fn everything_knows_its_line() {
        let nodes = read("# a comment\na: 1\nb:\n  - x\n  - y: true\n---\nc: ~\n");
        assert_eq!(nodes.len(), 2);
        let Content::Map(members) = &nodes[0].content else {
            panic!("{nodes:?}")
        };
        assert_eq!((members[0].0.as_str(), members[0].1), ("a", 2));
        assert_eq!((members[1].0.as_str(), members[1].1), ("b", 3));
        let Content::List(items) = &members[1].2.content else {
            panic!("{members:?}")
        };
        assert_eq!((items[0].line, items[1].line), (4, 5));
        let Content::Map(members) = &nodes[1].content else {
            panic!("{nodes:?}")
        };
        assert_eq!(members[0].1, 7);
    }

    #[test]
    fn values_have_the_types_that_kubectl_gives_them() {
        let text = "{int: 7, negative: -1, float: 1.5, text: seven, quoted: '7', yes: true, nothing: null, list: []}";
        let value = read(text)[0].to_json();
        let expected = json!({
            "int": 7, "negative": -1, "float": 1.5, "text": "seven", "quoted": "7", "yes": true, "list": []
        });
        assert_eq!(value, expected);
    }
}
