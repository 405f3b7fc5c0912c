//! `docs/protocol.md` lists each rule with the files of its tests: the names of the tests say which.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first surprise; helpers are no tests in Clippy's eyes"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where tests are.
const FOLDERS: [&str; 4] = ["crds", "provider", "operator", "tests"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One line of a table.
struct Row<'a> {
    id: &'a str,
    text: &'a str,
    stage: &'a str,
}

impl<'a> Row<'a> {
    /// `None`: a line that is no rule.
    fn read(line: &'a str) -> Option<Self> {
        let inside = line.strip_prefix("| ")?;
        let (id, rest) = inside.split_once(" | ")?;
        id.contains('_').then_some(())?;
        let mut cells = rest.rsplitn(4, " |");
        let (_end, _tests) = (cells.next()?, cells.next()?);
        let stage = cells.next()?.trim();
        Some(Self {
            id,
            text: cells.next()?,
            stage,
        })
    }
}

/// Names of functions and the file that they are in.
fn functions(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("node_modules") {
                functions(&path, found);
            }
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        for line in fs::read_to_string(&path).unwrap().lines() {
            let Some((before, after)) = line.split_once("fn ") else {
                continue;
            };
            // the name stands for itself, not in a text
            if before
                .split_whitespace()
                .all(|word| matches!(word, "async" | "pub" | "pub(super)"))
            {
                let name = after.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                found.push((name.into_iter().next().unwrap().to_owned(), shown.clone()));
            }
        }
    }
}

/// The rule that a test names: what stands before the second underscore, where that ends in a number.
fn rule(name: &str) -> Option<String> {
    let mut parts = name.splitn(3, '_');
    let (family, number, _rest) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = number.strip_suffix('a').unwrap_or(number);
    (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| format!("{family}_{number}"))
}

#[test]
fn the_table_of_rules_is_not_stale() {
    let mut names = Vec::new();
    for folder in FOLDERS {
        functions(&root().join(folder), &mut names);
    }
    let mut tests: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, file) in names {
        if let Some(rule) = rule(&name) {
            tests.entry(rule).or_default().insert(file);
        }
    }
    let path = root().join("docs/protocol.md");
    let committed = fs::read_to_string(&path).unwrap();
    let (mut fresh, mut wrong, mut rules) = (String::new(), Vec::new(), BTreeSet::new());
    for line in committed.lines() {
        match Row::read(line) {
            None => fresh.push_str(line),
            Some(Row { id, text, stage }) => {
                if !rules.insert(id.to_owned()) {
                    wrong.push(format!("{id} is there twice"));
                }
                let files = tests.get(id).cloned().unwrap_or_default();
                match stage {
                    "built" | "partly" if files.is_empty() => {
                        wrong.push(format!("{id} is built and has no test"))
                    }
                    "built" | "partly" | "later" => {}
                    other => wrong.push(format!("{id}: no stage is called {other}")),
                }
                let files: Vec<_> = files.iter().map(|file| format!("`{file}`")).collect();
                fresh.push_str(format!("| {id} | {text} | {stage} | {}", files.join(", ")).trim_end());
                fresh.push_str(" |");
            }
        }
        fresh.push('\n');
    }
    for (rule, files) in &tests {
        if !rules.contains(rule) {
            wrong.push(format!("{rule} is tested in {files:?} and is no rule"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, fresh).unwrap();
    } else {
        assert!(
            fresh == committed,
            "docs/protocol.md is stale: UPDATE_DOCS=1 cargo test -p oidc-protocol --test rules"
        );
    }
}
