use proptest::prelude::*;

use super::{ALL, Mysql, Postgres};
use crate::dialect::Dialect;
use crate::footprint::analysis::{Analysis, Step};
use crate::footprint::{analyze, normalize, strip_binds, view_definition};

/// Pieces from which interesting nonsense is made.
const PIECES: [&str; 64] = [
    "SELECT",
    "FROM",
    "WHERE",
    "a",
    "\"b\"",
    "`c`",
    "[d]",
    "'e'",
    "E'f\\''",
    "$$g$$",
    "$t$",
    "(",
    ")",
    "(",
    ")",
    ",",
    ";",
    "--",
    "\n",
    "/*",
    "*/",
    "/*!",
    "#",
    "?",
    "$1",
    "?1",
    "@x",
    "@@y",
    ":=",
    "=",
    "::",
    ".",
    "INSERT INTO",
    "VALUES",
    "UPDATE",
    "SET",
    "DELETE",
    "WITH",
    "AS",
    "IN",
    "ONLY",
    "TABLE",
    "FOR",
    "KEY",
    "OF",
    "LOCK IN SHARE MODE",
    "BEGIN",
    "END",
    "CASE",
    "CREATE TRIGGER",
    "TEMP",
    "PRAGMA",
    "EXPLAIN",
    "ANALYZE",
    "COPY",
    "TRUNCATE",
    "LOAD DATA",
    "DECLARE",
    "'",
    "\"",
    "\\",
    "\0",
    "é",
    " -- binds: [",
];

fn nonsense() -> impl Strategy<Value = String> {
    prop::collection::vec(
        (
            prop::sample::select(&PIECES[..]),
            prop::sample::select(&["", " ", " "][..]),
        ),
        0..40,
    )
    .prop_map(|pieces| {
        pieces
            .into_iter()
            .flat_map(|(piece, space)| [piece, space])
            .collect()
    })
}

fn dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(&ALL[..])
}

fn check_everything(text: &str, dialect: Dialect) {
    let _ = analyze(text, dialect);
    let _ = view_definition(text, dialect);
    assert!(text.starts_with(strip_binds(text, dialect)));
    let normal = normalize(text, dialect);
    assert_eq!(normalize(&normal, dialect), normal, "{dialect}: {text}");
    assert_eq!(
        analyze(&normal, dialect),
        analyze(text, dialect),
        "{dialect}: {text}"
    );
}

fn touches(analysis: &Analysis, table: &str) -> bool {
    analysis.steps.iter().any(|step| match step {
        Step::Read(access) => access.relations.contains(table),
        Step::Write(write) => write.access.relations.contains(table),
        Step::Ddl | Step::Unknown => true,
        _ => false,
    })
}

/// Whether the text may write `table`, as far as the analysis says.
fn writes(analysis: &Analysis, table: &str) -> bool {
    analysis.steps.iter().any(|step| match step {
        Step::Write(write) => write
            .targets
            .iter()
            .any(|target| &*target.relation == table),
        Step::Ddl | Step::Unknown => true,
        _ => false,
    })
}

const EXPRESSIONS: [&str; 14] = [
    "1",
    "x.y",
    "'it''s; -- (/*'",
    "(SELECT max(q) FROM other)",
    "CASE WHEN a THEN b ELSE c END",
    "lower(a)",
    "a IS NOT NULL",
    "a BETWEEN 1 AND 2",
    "a IN (1, 2, 3)",
    "NOT (a OR b)",
    "EXISTS (SELECT 1 FROM other)",
    "- a * 2",
    "a LIKE 'x%' /* c */",
    "coalesce(a, (SELECT b FROM other))",
];

const READS: [&str; 12] = [
    "SELECT {e} FROM target WHERE {f}",
    "SELECT 1 FROM other JOIN target ON {e} WHERE {f}",
    "SELECT {e} FROM other LEFT JOIN x.target AS t ON {f}",
    "SELECT {e} WHERE EXISTS (SELECT {f} FROM target)",
    "SELECT (SELECT {e} FROM target LIMIT 1), {f}",
    "WITH c AS (SELECT {e} FROM target) SELECT {f} FROM c",
    "SELECT {e} FROM (SELECT {f} FROM (SELECT 1 FROM target) a) b",
    "SELECT {e} UNION ALL SELECT {f} FROM target",
    "SELECT {e} FROM other, target ORDER BY {f}",
    "SELECT count(*) FROM target GROUP BY {e} HAVING {f}",
    "SELECT 1 FROM other WHERE {e} IN (SELECT {f} FROM TARGET)",
    "SELECT CASE WHEN {e} THEN (SELECT {f} FROM target) END",
];

const WRITES: [&str; 8] = [
    "INSERT INTO target (a, b) VALUES ({e}, {f})",
    "INSERT INTO x.target (a) SELECT {e} FROM other WHERE {f}",
    "UPDATE target SET a = {e} WHERE {f}",
    "DELETE FROM target WHERE {e} OR {f}",
    "UPDATE target SET a = {e}, b = {f}",
    "BEGIN; SELECT {e}; DELETE FROM target WHERE {f}; COMMIT",
    "SELECT {e}; INSERT INTO target SELECT {f}",
    "DELETE FROM TARGET WHERE a IN (SELECT {e} FROM other WHERE {f})",
];

fn filled(template: &str, e: &str, f: &str) -> String {
    template.replace("{e}", e).replace("{f}", f)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(text in any::<String>(), dialect in dialect()) {
        check_everything(&text, dialect);
    }

    #[test]
    fn no_nonsense_panics(text in nonsense(), dialect in dialect()) {
        check_everything(&text, dialect);
    }

    #[test]
    fn the_table_that_is_read_is_found(
        template in prop::sample::select(&READS[..]),
        e in prop::sample::select(&EXPRESSIONS[..]),
        f in prop::sample::select(&EXPRESSIONS[..]),
        dialect in dialect(),
    ) {
        let sql = filled(template, e, f);
        let analysis = analyze(&sql, dialect);
        prop_assert!(touches(&analysis, "target"), "{dialect}: {sql}: {analysis:?}");
        prop_assert!(analysis.is_single_read().is_some_and(|access| access.refusal.is_none()), "{dialect}: {sql}: {analysis:?}");
    }

    #[test]
    fn the_table_that_is_written_is_found(
        template in prop::sample::select(&WRITES[..]),
        e in prop::sample::select(&EXPRESSIONS[..]),
        f in prop::sample::select(&EXPRESSIONS[..]),
        dialect in dialect(),
    ) {
        let sql = filled(template, e, f);
        let analysis = analyze(&sql, dialect);
        prop_assert!(writes(&analysis, "target"), "{dialect}: {sql}: {analysis:?}");
        prop_assert!(!analysis.steps.contains(&Step::Unknown), "{dialect}: {sql}: {analysis:?}");
    }

    #[test]
    fn no_damaged_statement_panics(
        template in prop::sample::select(&WRITES[..]),
        noise in nonsense(),
        at in 0_usize..80,
    ) {
        for dialect in [Postgres, Mysql] {
            let mut sql = filled(template, "1", "2");
            let at = at.min(sql.len());
            sql.insert_str(at, &noise);
            let _ = analyze(&sql, dialect);
        }
    }

    #[test]
    fn binds_are_always_cut(template in prop::sample::select(&READS[..]), bind in any::<String>(), dialect in dialect()) {
        let sql = filled(template, "'a -- binds: ['", "1");
        let text = format!("{sql} -- binds: {:?}", [bind]);
        prop_assert_eq!(strip_binds(&text, dialect), sql);
    }
}
