use std::borrow::Cow;

use super::{ALL, Mysql, Postgres, Sqlite, steps};
use crate::footprint::{analyze, normalize, places, shown_binds, strip_binds};

#[test]
fn binds_are_cut() {
    for dialect in ALL {
        for (sql, binds) in [
            ("SELECT 1", "[]"),
            ("SELECT ?", "[1]"),
            ("SELECT 'a' -- x\n", r#"["b"]"#),
            ("SELECT ?", r#"[" -- binds: [1]", "'", "/*"]"#),
            ("SELECT ' -- binds: [1]', ?", "[2]"),
            ("SELECT 'it''s -- binds: [' ", "[2]"),
            ("SELECT /* -- binds: [1] */ 1", "[]"),
            ("", "[]"),
        ] {
            assert_eq!(
                strip_binds(&format!("{sql} -- binds: {binds}"), dialect),
                sql,
                "{dialect}"
            );
        }
        for sql in [
            "",
            "SELECT 1",
            "SELECT ' -- binds: [1]'",
            "SELECT 1 -- binds",
            "SELECT ' -- binds: [",
        ] {
            assert_eq!(strip_binds(sql, dialect), sql, "{dialect}");
        }
        // A comment of the statement hides nothing.
        let sql = "SELECT 1 -- binds: [\n; DELETE FROM a";
        assert_eq!(strip_binds(sql, dialect), sql);
        assert_eq!(strip_binds(&format!("{sql} -- binds: []"), dialect), sql);
    }
    for (sql, dialect) in [
        (r"SELECT 'a\' -- binds: [', ?", Mysql),
        (r#"SELECT "a\" -- binds: [", ?"#, Mysql),
        ("SELECT `a -- binds: [`", Mysql),
        ("SELECT 1 # it's\n", Mysql),
        (r"SELECT E'a\' -- binds: ['", Postgres),
        (r"SELECT 'a\'", Postgres),
        (r#"SELECT "a -- binds: [""#, Postgres),
        ("SELECT $x$ ' -- binds: [ $$ $x$", Postgres),
        ("SELECT $$ -- binds: [$$, a$b$c", Postgres),
        ("SELECT /* /* */ -- binds: [ */ 1", Postgres),
        ("SELECT [a -- binds: [ ]", Sqlite),
        ("SELECT 1 # 2", Postgres),
    ] {
        assert_eq!(
            strip_binds(&format!("{sql} -- binds: [1]"), dialect),
            sql,
            "{dialect}"
        );
    }
}

#[test]
fn placeholder_lists_collapse() {
    for (one, many, dialect) in [
        (
            "SELECT 1 FROM a WHERE x IN (?) AND y = ?",
            "SELECT 1 FROM a WHERE x IN (?, ?,?) AND y = ?",
            Mysql,
        ),
        (
            "SELECT 1 FROM a WHERE x in (?)",
            "SELECT 1 FROM a WHERE x in ( ? , ?1 , ?22 )",
            Sqlite,
        ),
        (
            "SELECT 1 FROM a WHERE x IN ($1) AND y = $2",
            "SELECT 1 FROM a WHERE x IN ($1, $2, $3) AND y = $4",
            Postgres,
        ),
        (
            "INSERT INTO a (x, y) VALUES (?, ?)",
            "INSERT INTO a (x, y) VALUES (?, ?), (?, ?),(?, DEFAULT)",
            Mysql,
        ),
        (
            "INSERT INTO a (x) VALUES ($1) RETURNING x",
            "INSERT INTO a (x) VALUES ($1), ($2), ($3) RETURNING x",
            Postgres,
        ),
        (
            "SELECT 1 FROM a WHERE (x, y) IN ((?, ?))",
            "SELECT 1 FROM a WHERE (x, y) IN ((?, ?), (?, ?))",
            Mysql,
        ),
        (
            "SELECT 1 FROM a WHERE x = $1",
            "SELECT 1 FROM a WHERE x = $7",
            Postgres,
        ),
    ] {
        assert_eq!(
            normalize(one, dialect),
            normalize(many, dialect),
            "{dialect}"
        );
        let analysis = analyze(many, dialect);
        assert_eq!(
            analyze(&normalize(many, dialect), dialect),
            analysis,
            "{dialect}: {many}"
        );
        assert_eq!(analysis.steps.len(), 1);
    }
    assert_eq!(
        normalize("INSERT INTO a VALUES ($1, $2), ($3, f($4)) ", Postgres),
        "INSERT INTO a VALUES ($1), ($1, f($1)) "
    );
}

#[test]
fn everything_else_stays() {
    for (sql, dialect) in [
        ("SELECT 'x IN (?, ?)' FROM a", Mysql),
        ("SELECT `IN (?, ?)` FROM a", Mysql),
        ("SELECT 1 -- IN (?, ?)\n FROM a", Mysql),
        ("SELECT f(?, ?), g(?)", Mysql),
        ("SELECT 1 FROM a WHERE x IN (1, 2)", Mysql),
        ("SELECT 1 FROM a WHERE x IN (?, y)", Mysql),
        (
            "SELECT d ? 'x', a$2, \"$2\", '$2', $$ $2 $$ FROM a",
            Postgres,
        ),
        ("SELECT 1 FROM $2", Mysql),
        ("SELECT age($1, $1), age($1)", Postgres),
        ("IN (", Sqlite),
        ("VALUES (?, ", Sqlite),
        ("VALUES (?), ", Postgres),
    ] {
        assert!(
            matches!(normalize(sql, dialect), Cow::Borrowed(text) if text == sql),
            "{dialect}: {sql}"
        );
    }
}

#[test]
fn many_placeholders() {
    let list = |n: usize| vec!["?"; n].join(", ");
    let sql = |n| format!("SELECT `a`.`x` FROM `a` WHERE (`a`.`x` IN ({}))", list(n));
    assert_eq!(normalize(&sql(10_000), Mysql), normalize(&sql(1), Mysql));
    assert_eq!(steps(&sql(10_000), Mysql), steps(&sql(1), Mysql));
    let rows = |n| {
        format!(
            "INSERT INTO `a` (`x`, `y`) VALUES {}",
            vec!["(?, ?)"; n].join(", ")
        )
    };
    assert_eq!(normalize(&rows(5_000), Mysql), normalize(&rows(1), Mysql));
    assert_eq!(steps(&rows(5_000), Mysql), steps(&rows(1), Mysql));
    let numbered: Vec<_> = (1..=10_000).map(|n| format!("${n}")).collect();
    let sql = |list: &str| format!(r#"SELECT "a"."x" FROM "a" WHERE ("a"."x" IN ({list}))"#);
    assert_eq!(
        normalize(&sql(&numbered.join(", ")), Postgres),
        normalize(&sql("$1"), Postgres)
    );
    assert_eq!(
        steps(&sql(&numbered.join(", ")), Postgres),
        steps(&sql("$1"), Postgres)
    );
}

#[test]
fn what_may_be_read_otherwise_is_unknown() {
    for sql in [
        "SELECT 'a",
        "SELECT \"a",
        "SELECT /* a",
        "SELECT E'a'\n '\\'' || f(7) --'",
        "SELECT e'a' -- b\n  '\\''; DELETE FROM t; -- '",
    ] {
        assert!(
            crate::footprint::analyze(sql, Postgres)
                .steps
                .contains(&crate::footprint::Step::Unknown),
            "{sql}"
        );
    }
    // On one line they are two texts, which PostgreSQL refuses; plain ones have no escapes.
    for sql in [
        "SELECT 'a'\n 'b' FROM t",
        "SELECT E'a' FROM t WHERE x = '\\'",
    ] {
        let analysis = crate::footprint::analyze(sql, Postgres);
        assert!(analysis.is_single_read().is_some(), "{sql}");
    }
}

#[test]
fn names_are_bare_however_they_are_written() {
    for name in [
        "posts",
        "Posts",
        " posts ",
        "main.posts",
        "\"Posts\"",
        "a.`posts`",
        "[posts]",
    ] {
        assert_eq!(&*crate::footprint::bare(name), "posts", "{name}");
    }
}

#[test]
#[expect(clippy::single_range_in_vec_init, reason = "a list of ranges is meant")]
fn places_of_binds() {
    const UNKNOWN: std::ops::Range<usize> = usize::MAX..usize::MAX;
    for (dialect, sql, expected) in [
        (Postgres, "SELECT $1, $2", vec![0..1, 1..2]),
        (
            Postgres,
            "a = $2 AND b IN ($3, $4) AND c = $1",
            vec![1..2, 2..4, 0..1],
        ),
        (Postgres, "a IN ($3, $2)", vec![UNKNOWN]),
        (Postgres, "a IN ($1, $1) AND b = $2", vec![UNKNOWN, 1..2]),
        (Postgres, "a = $0", vec![UNKNOWN]),
        (Postgres, "a = '$1' AND b = $2 -- $3", vec![1..2]),
        (
            Mysql,
            "a = ? AND b IN (?, ?) AND c = ?",
            vec![0..1, 1..3, 3..4],
        ),
        (
            Sqlite,
            "a = ? AND b IN (?, ?) AND c = ?",
            vec![0..1, 1..3, 3..4],
        ),
        (
            Sqlite,
            "a = ?3 AND b = ? AND c = ?1",
            vec![2..3, 3..4, 0..1],
        ),
        (Mysql, "INSERT INTO a VALUES (?, ?), (?, ?)", vec![0..4]),
        (
            Mysql,
            "INSERT INTO a VALUES (?, DEFAULT), (?, ?)",
            vec![UNKNOWN],
        ),
        (
            Mysql,
            "a IN ((?, ?), (?, ?)) AND b = ?",
            vec![UNKNOWN, 4..5],
        ),
        (
            Mysql,
            "INSERT INTO a VALUES (?, ?), (1, ?)",
            vec![0..2, 2..3],
        ),
    ] {
        assert_eq!(places(sql, dialect).0, expected, "{sql}");
        let normal = normalize(sql, dialect);
        assert_eq!(places(&normal, dialect).0.len(), expected.len(), "{normal}");
    }
    assert_eq!(places("a = $2 AND b IN ($3, DEFAULT)", Postgres).1, 3);
    let most = format!("a = ?{} AND b = ?", usize::MAX);
    let last = usize::MAX - 1..usize::MAX;
    assert_eq!(places(&most, Sqlite).0, [last, UNKNOWN]);
}

#[test]
fn binds_are_shown_apart() {
    let text = "SELECT $1 -- binds: [5, \"a\"]";
    assert_eq!(shown_binds(text, Postgres), "[5, \"a\"]");
    assert_eq!(shown_binds("SELECT 1", Postgres), "");
    assert_eq!(shown_binds("SELECT ' -- binds: [5]'", Postgres), "");
}
