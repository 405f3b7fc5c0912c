//! Labels and annotations of an app's Secret. The Secret remembers which of them came from the spec, so that
//! those which leave the spec leave the Secret, and those of others stay.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::names::ANNOTATION_SHAPE;

/// Labels, or annotations.
pub type Texts = BTreeMap<String, String>;

/// What a Secret remembers of the spec that it was written for, in an annotation of its own; the default is
/// not written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Marks {
    /// The key of the client's secret, if it is not `CLIENT_SECRET`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<String>,
    /// Keys of the labels that came from the spec.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Keys of the annotations that came from the spec.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<String>,
}

impl Marks {
    /// Those of a Secret with these annotations; what cannot be read counts as none.
    #[must_use]
    pub fn of(annotations: &Texts) -> Self {
        annotations
            .get(ANNOTATION_SHAPE)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// The annotation's text; `None`: it is left out.
    pub(super) fn text(&self) -> Option<String> {
        (*self != Self::default())
            .then(|| serde_json::to_string(self).ok())
            .flatten()
    }
}

/// `there` with what is wanted, and without what came from a spec before and is wanted no more.
#[must_use]
pub fn merged(there: &Texts, before: &[String], wanted: &Texts) -> Texts {
    let mut texts = there.clone();
    texts.retain(|key, _| !before.contains(key));
    texts.extend(wanted.clone());
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn what_leaves_the_spec_leaves_the_secret_and_others_stay() {
        let there = texts(&[("team", "blue"), ("tier", "edited"), ("theirs", "x")]);
        let before = ["team".to_owned(), "tier".to_owned()];
        let wanted = texts(&[("tier", "web")]);
        assert_eq!(
            merged(&there, &before, &wanted),
            texts(&[("theirs", "x"), ("tier", "web")])
        );
    }

    #[test]
    fn marks_survive_writing_and_nonsense_is_none() {
        assert_eq!(Marks::default().text(), None);
        let marks = Marks {
            secret_key: Some("client-secret".into()),
            labels: vec!["team".into()],
            annotations: Vec::new(),
        };
        let text = marks.text().unwrap();
        assert_eq!(text, r#"{"secretKey":"client-secret","labels":["team"]}"#);
        assert_eq!(Marks::of(&texts(&[(ANNOTATION_SHAPE, &text)])), marks);
        for nonsense in ["", "{", "[]", r#"{"labels":7}"#] {
            assert_eq!(
                Marks::of(&texts(&[(ANNOTATION_SHAPE, nonsense)])),
                Marks::default()
            );
        }
        assert_eq!(Marks::of(&Texts::new()), Marks::default());
    }
}
