//! The tests that the documents name exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every `file::test` in this folder.
fn tests() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite");
    let mut tests = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        for (attribute, function) in text.lines().zip(text.lines().skip(1)) {
            let name = function.trim().strip_prefix("fn ");
            if attribute.trim() == "#[test]"
                && let Some((name, _)) = name.and_then(|rest| rest.split_once('('))
            {
                tests.insert(format!("{module}::{name}"));
            }
        }
    }
    tests
}

/// What a document's tables name between backticks with two colons, in lower case.
fn named(document: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let quoted = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    let is_test = |name: &&str| {
        name.contains("::")
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:".contains(c))
    };
    quoted.filter(is_test).map(ToOwned::to_owned).collect()
}

#[test]
fn every_test_that_is_named_exists() {
    let tests = tests();
    for document in ["docs/values.md"] {
        let named = named(document);
        assert!(named.len() > 10, "{document} names {}", named.len());
        let missing: Vec<_> = named.difference(&tests).collect();
        assert!(missing.is_empty(), "{document}: {missing:?}");
    }
}
