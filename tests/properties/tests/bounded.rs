//! Every property for some seconds, on any compiler. First what once failed: a file in `regressions/<property>/`
//! is one input; a fuzzer's artefacts are such files.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise; helpers are no tests in Clippy's eyes"
)]

use std::fs;
use std::path::{Path, PathBuf};

use oidc_properties::ALL;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};

/// Inputs for each property, unless `PROPTEST_CASES` says another number.
const CASES: u32 = 400;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn holds(name: &str) {
    let (_, property) = ALL.iter().find(|(known, _)| *known == name).unwrap();
    let regressions = fs::read_dir(here("regressions").join(name));
    for file in regressions.into_iter().flatten() {
        property(&fs::read(file.unwrap().path()).unwrap());
    }
    let config = Config {
        cases: std::env::var("PROPTEST_CASES").map_or(CASES, |cases| cases.parse().unwrap()),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/regressions/proptest.txt"
        )))),
        ..Config::default()
    };
    let checked = TestRunner::new(config).run(&vec(any::<u8>(), 0..400), |bytes| {
        property(&bytes);
        Ok(())
    });
    if let Err(error) = checked {
        panic!("{name}: {error}");
    }
}

macro_rules! properties {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            holds(stringify!($name));
        })*

        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

properties! {
    basic
    certificates
    clients
    cookies
    devices
    forwarded
    handles
    jwk
    jwt
    languages
    lists
    parameters
    pkce
    redirect_uris
    registrations
    sealed
    signing_keys
}

#[test]
fn every_property_is_tested_and_has_a_fuzz_target() {
    let names: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, TESTED);
    let manifest = fs::read_to_string(here("../../fuzz/Cargo.toml")).unwrap();
    for name in &names {
        let target = fs::read_to_string(here("../../fuzz/fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(target.contains(&format!("oidc_properties::{name}(data)")));
        assert!(manifest.contains(&format!("name = \"{name}\"\n")));
    }
    assert_eq!(manifest.matches("[[bin]]").count(), names.len());
}
