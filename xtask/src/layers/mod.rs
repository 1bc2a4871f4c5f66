//! `cargo xtask layers`: a module uses its own layer and those below it, only
//! the modules that the table allows name Diesel, and files stay small.

mod lex;
mod paths;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::error::{Context, Result};
use crate::workspace;

use self::paths::{Reference, Source, Target};
use self::table::Table;

/// A file to check.
#[derive(Debug)]
struct File {
    /// Relative to the folder of the sources: `footprint/mod.rs`.
    path: PathBuf,
    text: String,
}

/// What is wrong, and where.
#[derive(Debug)]
struct Violation {
    path: PathBuf,
    line: usize,
    what: String,
}

/// Checks `src/`.
pub(crate) fn command() -> Result<ExitCode> {
    let files = read_tree(&workspace::root().join("src"))?;
    let (violations, lines) = check(&files, &table::TABLE);
    for violation in &violations {
        println!(
            "src/{}:{}: {}",
            violation.path.display(),
            violation.line,
            violation.what
        );
    }
    println!(
        "layers: {} files, {lines} lines of code, {} violations",
        files.len(),
        violations.len()
    );
    Ok(match violations.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The violations in `files`, and their lines of code.
fn check(files: &[File], table: &Table) -> (Vec<Violation>, usize) {
    let sources: Vec<_> = files
        .iter()
        .map(|file| Source::new(&file.path, &file.text))
        .collect();
    let test_modules: Vec<_> = sources.iter().flat_map(|s| &s.test_modules).collect();
    let mut violations = Vec::new();
    let mut lines = 0;
    for (file, source) in files.iter().zip(&sources) {
        let is_test = |module: &&Vec<String>| source.module.starts_with(module.as_slice());
        if test_modules.iter().copied().any(|m| is_test(&m)) {
            continue;
        }
        lines += source.code_lines;
        let mut report = |line, what| {
            violations.push(Violation {
                path: file.path.clone(),
                line,
                what,
            });
        };
        if source.code_lines > table.max_lines {
            let what = format!(
                "{} lines of code, more than {}",
                source.code_lines, table.max_lines
            );
            report(1, what);
        }
        let name = source.top();
        let Some(layer) = table.layer(name) else {
            report(1, unknown(name));
            continue;
        };
        for reference in &source.references {
            if let Some(what) = violation(name, layer, reference, table) {
                report(reference.line, what);
            }
        }
    }
    (violations, lines)
}

fn violation(name: &str, layer: u8, reference: &Reference, table: &Table) -> Option<String> {
    match &reference.target {
        Target::Diesel if table.diesel.contains(&name) => None,
        Target::Diesel => Some(format!("`{name}` must not name Diesel")),
        Target::Module(other) => match table.layer(other) {
            None => Some(unknown(other)),
            Some(used) if used > layer => Some(format!(
                "`{name}` (L{layer}) uses `{other}` (L{used}), a layer above it"
            )),
            Some(_) if table.decides(name, other) => Some(format!(
                "`{name}` is a front, and leaves `{other}` to the core"
            )),
            Some(_) => None,
        },
        Target::Root(item) => match table.layer("lib") {
            Some(used) if used > layer => Some(format!(
                "`{name}` (L{layer}) uses `crate::{item}` by way of lib (L{used}): name its module"
            )),
            _ => None,
        },
    }
}

fn unknown(name: &str) -> String {
    format!("module `{name}` is in no layer: add it to xtask/src/layers/table.rs")
}

fn read_tree(folder: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        let entries = fs::read_dir(&current).context(format_args!("reading {current:?}"))?;
        for entry in entries {
            let path = entry.context(format_args!("reading {current:?}"))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path);
                let text = text.context(format_args!("reading {path:?}"))?;
                let path = path.strip_prefix(folder).unwrap_or(&path).to_path_buf();
                files.push(File { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table {
        layers: &[
            (3, &["lib"]),
            (2, &["query"]),
            (1, &["backend", "codec"]),
            (0, &["key", "error"]),
        ],
        diesel: &["query", "error"],
        fronts: &[("query", &["codec"])],
        max_lines: 5,
    };

    /// The violations of a tree of (path, text), as text.
    fn violations(tree: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = tree
            .iter()
            .map(|(path, text)| File {
                path: path.into(),
                text: (*text).into(),
            })
            .collect();
        let found = check(&files, &TABLE).0.into_iter();
        found
            .map(|one| format!("{}:{}: {}", one.path.display(), one.line, one.what))
            .collect()
    }

    #[track_caller]
    fn accepts(path: &str, text: &str) {
        assert_eq!(violations(&[(path, text)]), [""; 0]);
    }

    #[track_caller]
    fn rejects(path: &str, text: &str, expected: &str) {
        let found = violations(&[(path, text)]);
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "expected one violation with {expected:?}, found {found:?}"
        );
    }

    #[test]
    fn a_layer_uses_itself_and_those_below() {
        accepts("query.rs", "use crate::key::Key;\nuse crate::backend;");
        accepts("backend/memory.rs", "use crate::codec::Codec;");
        accepts("lib.rs", "pub use crate::query::Cached;");
    }

    #[test]
    fn a_layer_above_is_refused_however_it_is_named() {
        rejects(
            "key.rs",
            "\nuse crate::backend::Memory;",
            "key.rs:2: `key` (L0)",
        );
        rejects("key.rs", "fn f() { crate::query::run() }", "`query` (L2)");
        rejects("key.rs", "use crate::{error, query::Q};", "`query` (L2)");
        rejects(
            "key.rs",
            "use crate::{error::{A, B}, backend};",
            "`backend`",
        );
        rejects("key.rs", "use super::backend::Memory;", "`backend` (L1)");
        rejects("key/mod.rs", "use super::backend;", "`backend` (L1)");
        rejects("key/a.rs", "use super::super::{query::Q};", "`query` (L2)");
        rejects(
            "key.rs",
            "mod inner { use super::super::query; }",
            "`query` (L2)",
        );
        rejects(
            "key.rs",
            "macro_rules! m { () => { $crate::query::f() } }",
            "`query`",
        );
    }

    #[test]
    fn a_front_leaves_decisions_to_the_core() {
        rejects("query/a.rs", "use crate::codec::C;", "leaves `codec`");
        accepts("backend.rs", "use crate::codec::C;");
    }

    #[test]
    fn names_that_stay_inside_a_module_are_no_references() {
        accepts("key/a.rs", "use super::query;\npub(crate) fn f() {}");
        accepts("key.rs", "mod inner { use super::query; }");
        accepts("key.rs", "pub(in crate::query) fn f() {}");
    }

    #[test]
    fn re_exports_of_lib_belong_to_its_layer() {
        rejects("key.rs", "use crate::Cached;", "name its module");
        rejects("key.rs", "use crate::*;", "name its module");
        accepts("lib.rs", "use crate::Cached;");
    }

    #[test]
    fn comments_strings_and_tests_do_not_count() {
        accepts("key.rs", "// crate::query\n/* /* x */ use crate::query; */");
        accepts("key.rs", r##"const A: &str = r#"" crate::query "#;"##);
        accepts("key.rs", "const A: char = '\"';\n//! diesel::x\n");
        accepts(
            "key.rs",
            "#[cfg(test)]\nmod tests { use crate::query::Q; fn f() {} }",
        );
        accepts("key.rs", "#[cfg(all(test, unix))] use crate::query;");
        rejects(
            "key.rs",
            "#[cfg(test)] use a::b;\nuse crate::query;",
            "key.rs:2",
        );
        rejects(
            "key.rs",
            "#[cfg(any(test, unix))] use crate::query;",
            "`query`",
        );
        rejects("key.rs", "#[cfg(not(test))] use crate::query;", "`query`");
    }

    #[test]
    fn test_modules_in_files_of_their_own_do_not_count() {
        let tree = [
            ("key/mod.rs", "#[cfg(test)]\nmod tests;"),
            ("key/tests.rs", "use crate::query::Q;"),
            ("key/tests/more.rs", "use diesel::prelude::*;"),
        ];
        assert_eq!(violations(&tree), [""; 0]);
    }

    #[test]
    fn an_unknown_module_must_be_added() {
        rejects("novel.rs", "", "module `novel` is in no layer");
        rejects("lib.rs", "use crate::novel::A;", "module `novel`");
    }

    #[test]
    fn diesel_is_named_only_where_allowed() {
        accepts("query.rs", "use diesel::prelude::*;");
        rejects("key.rs", "\n\nuse diesel::prelude::*;", "key.rs:3: `key`");
        rejects("key.rs", "fn f() -> ::diesel::R {}", "must not name Diesel");
        rejects("key.rs", "use diesel as d;", "must not name Diesel");
        accepts("key.rs", "use diesel_cache_derive::X;\nlet diesel = 1;");
    }

    #[test]
    fn long_files_are_refused() {
        let code = "fn a() {}\n".repeat(TABLE.max_lines);
        accepts("key.rs", &code);
        accepts("key.rs", &format!("//! Doc.\n\n{code}"));
        accepts(
            "key.rs",
            &format!("{code}#[cfg(test)]\nmod tests {{\n{code}}}"),
        );
        rejects("key.rs", &format!("{code}fn b() {{}}"), "6 lines of code");
        let text = format!("const A: &str = \"{}\";", "x\n".repeat(TABLE.max_lines));
        rejects("key.rs", &text, "6 lines of code");
    }

    #[test]
    fn the_tables_modules_are_listed_once() {
        let mut names: Vec<_> = table::TABLE.layers.iter().flat_map(|l| l.1).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        for name in table::TABLE.diesel {
            assert!(names.contains(&name), "{name} is in no layer");
        }
    }
}
