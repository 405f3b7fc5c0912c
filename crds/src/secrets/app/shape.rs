//! The shape of an app's Secret, as its spec chose it: which keys with which texts, which labels and annotations.

use std::collections::BTreeMap;

use super::marks::Texts;
use super::presets::Preset;
use super::{CLIENT_SECRET, Template, Value};

/// A shape that the validator found good. Kept small: what follows from it is made when a Secret is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    pub(crate) preset: Preset,
    /// Key of the preset → other key.
    pub(crate) keys: BTreeMap<String, String>,
    /// Key → template.
    pub(crate) template: BTreeMap<String, String>,
    pub(crate) labels: Texts,
    pub(crate) annotations: Texts,
}

/// A key of the Secret, and what it holds.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) key: &'a str,
    pub(crate) text: &'a str,
    /// Whether the spec wrote the template itself, rather than a preset.
    pub(crate) own: bool,
}

impl Shape {
    /// The keys in order: those of the preset under their names, those that `keys` adds, those of `template`.
    /// Two of the same name are two entries; the validator refuses them.
    pub(crate) fn entries(&self) -> Vec<Entry<'_>> {
        let row = self.preset.row();
        let named = |key: &'static str| self.keys.get(key).map_or(key, String::as_str);
        let preset = row.keys.iter().map(|(key, text)| Entry {
            key: named(key),
            text,
            own: false,
        });
        let added = self.keys.iter().filter_map(|(from, key)| {
            let known = row.keys.iter().any(|(key, _)| key == from);
            let text = default_text(from).filter(|_| !known)?;
            let own = false;
            Some(Entry { key, text, own })
        });
        let own = self
            .template
            .iter()
            .map(|(key, text)| Entry { key, text, own: true });
        preset.chain(added).chain(own).collect()
    }

    /// Whether `keys` may name this: a key of the preset, or a default one.
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.known().any(|known| known == key)
    }

    /// What `keys` may name.
    pub(crate) fn known(&self) -> impl Iterator<Item = &'static str> {
        let defaults = Preset::Env.row().keys.iter();
        let row = self.preset.row().keys;
        let more = defaults.filter(|(key, _)| row.iter().all(|(other, _)| key != other));
        row.iter().chain(more).map(|(key, _)| *key)
    }

    /// The key that holds the client's secret, as it is.
    pub(crate) fn secret_key(&self) -> String {
        let entries = self.entries();
        let is_secret = |entry: &&Entry<'_>| {
            Template::parse(entry.text).is_ok_and(|template| template.is(Value::ClientSecret))
        };
        let found = entries.iter().find(is_secret);
        found.map_or(CLIENT_SECRET, |entry| entry.key).to_owned()
    }

    /// The labels: what the preset needs, and what the spec says.
    pub(super) fn labels(&self) -> Texts {
        let preset = self.preset.row().labels.iter();
        let mut labels: Texts = preset
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        labels.extend(self.labels.clone());
        labels
    }
}

fn default_text(key: &str) -> Option<&'static str> {
    let found = Preset::Env.row().keys.iter().find(|(known, _)| *known == key);
    found.map(|(_, text)| *text)
}
