//! YAML, read with or without patience for members that nobody here knows. While a release is rolled out, old
//! pods meet the settings of the new version: they go on with what they know. Where one person writes the file
//! and starts the program, an unknown member is a slip of the pen.

use serde::de::DeserializeOwned;
use serde_ignored::Path;

/// What was read, and the members that were passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lenient<T> {
    /// What was read.
    pub value: T,
    /// The unknown members, like `grants[0].scope`.
    pub unknown: Vec<String>,
}

/// The longest list of names in a warning, in characters.
const NAMED: usize = 300;

impl<T> Lenient<T> {
    /// The unknown members in one line; `None` without any.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        named(&self.unknown)
    }
}

fn named(unknown: &[String]) -> Option<String> {
    (!unknown.is_empty()).then(|| unknown.join(", ").chars().take(NAMED).collect())
}

/// Reads what is known.
///
/// # Errors
/// One line, without an excerpt of the text.
pub fn lenient<T: DeserializeOwned>(text: &str) -> Result<Lenient<T>, String> {
    let mut unknown = Vec::new();
    let read = serde_yaml::with_deserializer_from_str(text, |yaml| {
        serde_ignored::deserialize(yaml, |path| unknown.push(place(&path)))
    });
    match read {
        Ok(value) => Ok(Lenient { value, unknown }),
        Err(error) => {
            let told = error.to_string();
            // the rest is an excerpt of the text
            let told = told.lines().next().unwrap_or_default();
            // what is missing may be there under a name with a slip
            let unknown = named(&unknown).map(|names| format!("; unknown: {names}"));
            Err(format!("{told}{}", unknown.unwrap_or_default()))
        }
    }
}

/// Reads what must be known in full.
///
/// # Errors
/// One line, without an excerpt of the text.
pub fn strict<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let read = lenient(text)?;
    match read.warning() {
        None => Ok(read.value),
        Some(names) => Err(format!("unknown: {names}")),
    }
}

/// The member as people write it.
fn place(path: &Path<'_>) -> String {
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", place(parent)),
        Path::Map { parent, key } => match place(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            place(parent)
        }
    }
}
