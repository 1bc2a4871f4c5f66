//! The table of docs/signals.md names a test for each of its lines.

use std::path::Path;

/// The file of a test, and the test.
fn place(name: &str) -> (String, &str) {
    let (path, test) = name.rsplit_once("::").unwrap();
    match path.strip_prefix("databases::") {
        Some(cases) => (
            format!("tests/databases/tests/behaviour/cases/{cases}.rs"),
            test,
        ),
        None => (format!("tests/suite/{path}.rs"), test),
    }
}

fn exists(name: &str) -> bool {
    let (file, test) = place(name);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.contains(&format!("#[test]\nfn {test}("))
}

#[test]
fn every_test_of_the_table_exists() {
    let text = include_str!("../../docs/signals.md");
    let table = text.split("| Django | here | test |").nth(1).unwrap();
    let lines = table.lines().skip(2).filter(|line| line.starts_with('|'));
    let mut tests = 0;
    for line in lines {
        let cells: Vec<&str> = line.split(" | ").collect();
        assert_eq!(cells.len(), 3, "{line}");
        let test = cells[2].trim_end_matches('|').trim();
        if test.is_empty() {
            assert!(cells[1].starts_with("none"), "nothing proves: {line}");
            continue;
        }
        let name = test.trim_matches('`');
        assert!(exists(name), "no such test: {name}");
        tests += 1;
    }
    assert!(tests > 40, "{tests} tests");
    assert!(!exists("signals::no_such_test"));
}
