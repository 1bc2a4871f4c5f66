//! The tests that the tables of the documents name exist.

use std::path::Path;

/// Whether there is such a test: `file::test` of this suite, or
/// `databases::file::test` of the cases that run on every database.
fn exists(name: &str) -> bool {
    let Some((path, test)) = name.rsplit_once("::") else {
        return false;
    };
    let file = match path.strip_prefix("databases::") {
        Some(cases) => format!("tests/databases/tests/behaviour/cases/{cases}.rs"),
        None => format!("tests/suite/{path}.rs"),
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.contains(&format!("#[test]\nfn {test}("))
}

/// The rows of the tables whose head ends in that cell, each as its cells.
fn rows<'t>(text: &'t str, last: &str) -> Vec<Vec<&'t str>> {
    let head = format!("| {last} |");
    let mut rows = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.ends_with(&head) {
            inside = true;
        } else if !line.starts_with('|') {
            inside = false;
        } else if inside && !line.starts_with("|---") {
            let cells = line.trim_matches('|').split(" | ");
            rows.push(cells.map(str::trim).collect());
        }
    }
    rows
}

/// Checks the tests that the last cell of each row names. A row without one must say that
/// there is nothing to prove.
fn check(rows: &[Vec<&str>], at_least: usize) {
    let mut tests = 0;
    for row in rows {
        let (last, others) = row.split_last().unwrap();
        let named: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            let nothing = ["none", "there is none", "there are none", "not needed"];
            let says = others
                .last()
                .is_some_and(|cell| nothing.iter().any(|nothing| cell.starts_with(nothing)));
            assert!(says, "nothing proves: {row:?}");
        }
        for name in named {
            assert!(exists(name), "no such test: {name}");
            tests += 1;
        }
    }
    assert!(tests >= at_least, "{tests} tests");
}

#[test]
fn every_test_of_the_table_of_signals_exists() {
    check(&rows(include_str!("../../docs/signals.md"), "test"), 40);
}

#[test]
fn every_test_of_the_tables_of_values_exists() {
    check(&rows(include_str!("../../docs/values.md"), "proved by"), 30);
}

#[test]
fn a_test_that_does_not_exist_is_noticed() {
    assert!(!exists("signals::no_such_test") && !exists("signals") && !exists("no::such_file"));
}
