//! Bytes as choices. Most texts are made of words that matter where they are sent, so that also random bytes
//! get behind the first check; a fuzzer, which sees what a byte changes, finds its way further.

use serde_json::{Map, Value};

/// Choices, one byte after another; zeros when they are used up.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (usize::from(self.byte()) << 8 | usize::from(self.byte())) % end
    }

    pub fn yes(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    pub fn seed(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }

    /// Words and now and then any other character, up to `most` of them.
    pub fn text(&mut self, words: &[&str], most: usize) -> String {
        let mut text = String::new();
        for _ in 0..self.below(most + 1) {
            match self.byte() {
                other @ 224..=255 => {
                    let code =
                        u32::from(other & 31) << 16 | u32::from(self.byte()) << 8 | u32::from(self.byte());
                    text.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                }
                ascii @ 192..=223 => text.push(char::from(ascii & 31 | self.byte() & 96)),
                word => text.push_str(words[usize::from(word) % words.len()]),
            }
        }
        text
    }

    /// The same text with one change, or a text that differs from it in another way; never the same.
    pub fn changed(&mut self, text: &str) -> String {
        let at = self.below(text.len().max(1));
        let mut bytes = text.as_bytes().to_vec();
        match self.byte() % 6 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at.min(bytes.len()), b"A.=_-"[usize::from(self.byte()) % 5]),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => bytes.extend_from_slice(b"A"),
            4 => bytes.rotate_left(at),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = b"ABCabc019_-."[usize::from(self.byte()) % 12];
                }
            }
        }
        let changed = String::from_utf8_lossy(&bytes).into_owned();
        if changed == text {
            format!("{text}=")
        } else {
            changed
        }
    }

    /// The same bytes with one change; never the same.
    pub fn changed_bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut changed = bytes.to_vec();
        let at = self.below(bytes.len().max(1));
        match self.byte() % 3 {
            0 => changed.truncate(at),
            1 => changed.push(self.byte()),
            _ => changed[at] ^= 1 << (self.byte() % 8),
        }
        changed
    }

    /// Any JSON that is not deep, with these names and texts.
    pub fn json(&mut self, names: &[&str], texts: &[&str], depth: u8) -> Value {
        match self.byte() % 8 {
            0 => Value::Null,
            1 => self.yes().into(),
            2 => (i64::from_be_bytes(self.array()) >> (self.byte() % 64)).into(),
            3..=5 if depth > 0 => {
                let members = (0..self.below(9))
                    .map(|_| (self.of(names).to_owned(), self.json(names, texts, depth - 1)));
                members.collect::<Map<_, _>>().into()
            }
            6 if depth > 0 => (0..self.below(5))
                .map(|_| self.json(names, texts, depth - 1))
                .collect(),
            _ => self.text(texts, 3).into(),
        }
    }
}
