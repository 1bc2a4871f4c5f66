//! What the catalogue knows of SQLite's columns, and what it takes for granted of them.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::catalogue::{Catalogue, Shape};
use diesel_cache::datum::Comparison;
use diesel_cache::test;

use super::engine::{self, Conn};

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = diesel::sql_types::Text)]
    x: String,
}

fn text(conn: &mut Conn, sql: &str) -> String {
    diesel::sql_query(sql).get_result::<Text>(conn).unwrap().x
}

fn shape<'c>(catalogue: &'c Catalogue, table: &str) -> Option<&'c Shape> {
    catalogue.get(table).unwrap().shape()
}

fn primary(catalogue: &Catalogue, table: &str) -> Vec<String> {
    let primary = &shape(catalogue, table).unwrap().primary;
    primary.iter().map(ToString::to_string).collect()
}

#[test]
fn how_columns_are_compared() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE t (
           i INTEGER, big BIGINT, b BOOLEAN, d DATE, num DECIMAL(9, 2), tx TEXT, v VARCHAR(3),
           cl CLOB, f FLOAT, r REAL, dp DOUBLE PRECISION, bl BLOB, empty, \"Odd\" INT,
           twice INTEGER GENERATED ALWAYS AS (i * 2) STORED, thrice INTEGER AS (i * 3));
         CREATE TABLE collated (id INTEGER PRIMARY KEY, a TEXT collate NOCASE, b TEXT);
         CREATE TABLE strict (id INTEGER PRIMARY KEY, a TEXT, b ANY, c INT) STRICT;
         CREATE TEMP TABLE strict (id TEXT)",
    )
    .unwrap();
    let catalogue = test::catalogue(&mut conn).unwrap();
    let known = |table: &str| -> Vec<(String, Comparison)> {
        let columns = &shape(&catalogue, table).unwrap().columns;
        let known = columns
            .iter()
            .filter(|(_, c)| c.comparison != Comparison::Unknown);
        known
            .map(|(name, column)| (name.to_string(), column.comparison))
            .collect()
    };
    let expected = |columns: &[(&str, Comparison)]| -> Vec<(String, Comparison)> {
        columns
            .iter()
            .map(|(name, c)| ((*name).to_owned(), *c))
            .collect()
    };
    let (number, texts) = (Comparison::signed(8), Comparison::Texts(u32::MAX));
    assert_eq!(
        known("t"),
        expected(&[
            ("b", number),
            ("big", number),
            ("cl", texts),
            ("d", number),
            ("i", number),
            ("num", number),
            ("odd", number),
            ("thrice", number),
            ("twice", number),
            ("tx", texts),
            ("v", texts),
        ])
    );
    let t = shape(&catalogue, "t").unwrap();
    assert_eq!(t.columns.len(), 16);
    for (name, column) in &t.columns {
        let generated = matches!(&**name, "twice" | "thrice");
        assert_eq!(column.set_by_server, generated, "{name}");
    }
    assert_eq!(known("collated"), expected(&[("id", number)]));
    assert_eq!(shape(&catalogue, "collated").unwrap().columns.len(), 3);
    assert_eq!(
        known("strict"),
        expected(&[("a", texts), ("c", number), ("id", number)])
    );
}

#[test]
fn keys() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    for (name, columns, key) in [
        ("a", "(id INTEGER PRIMARY KEY)", &["id"][..]),
        ("b", "(id integer primary key autoincrement)", &["id"]),
        ("c", "(id INTEGER, PRIMARY KEY (id DESC))", &["id"]),
        ("d", "(id INTEGER PRIMARY KEY DESC)", &[]),
        ("e", "(id INT PRIMARY KEY)", &[]),
        ("f", "(id INT PRIMARY KEY) WITHOUT ROWID", &["id"]),
        ("g", "(id TEXT PRIMARY KEY)", &[]),
        ("h", "(id TEXT PRIMARY KEY NOT NULL)", &["id"]),
        (
            "i",
            "(x INTEGER NOT NULL, y INTEGER NOT NULL, PRIMARY KEY (y, x))",
            &["y", "x"],
        ),
        (
            "j",
            "(x INTEGER NOT NULL, y INTEGER, PRIMARY KEY (y, x))",
            &[],
        ),
        (
            "k",
            "(x INTEGER, y INTEGER, PRIMARY KEY (y, x)) WITHOUT ROWID",
            &["y", "x"],
        ),
        ("l", "(id INTEGER UNIQUE NOT NULL)", &[]),
        ("m", "(id INTEGER PRIMARY KEY) WITHOUT ROWID", &["id"]),
        ("n", "(id INT PRIMARY KEY, x TEXT) STRICT", &["id"]),
    ] {
        conn.batch_execute(&format!("CREATE TABLE {name} {columns}"))
            .unwrap();
        let catalogue = test::catalogue(&mut conn).unwrap();
        assert_eq!(primary(&catalogue, name), key, "{columns}");
        // A key that is certain takes no NULL, or makes a number of it.
        let list = if columns.contains('x') && !columns.contains("TEXT") {
            "x, y"
        } else {
            "id"
        };
        let values = if list == "id" { "NULL" } else { "1, NULL" };
        let _ = conn.batch_execute(&format!("INSERT INTO {name} ({list}) VALUES ({values})"));
        let is_null = key.iter().map(|column| format!("{column} IS NULL"));
        let is_null: Vec<String> = is_null.collect();
        if !is_null.is_empty() {
            let sql = format!(
                "SELECT CAST(count(*) AS TEXT) AS x FROM {name} WHERE {}",
                is_null.join(" OR ")
            );
            assert_eq!(text(&mut conn, &sql), "0", "{columns}");
        }
    }
    // The reason for the others.
    for table in ["d", "e", "g"] {
        let sql = format!("SELECT CAST(count(*) AS TEXT) AS x FROM {table} WHERE id IS NULL");
        assert_eq!(text(&mut conn, &sql), "1", "{table}");
    }
}

#[test]
fn what_has_no_shape() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE plain (id INTEGER PRIMARY KEY, name TEXT);
         CREATE VIEW v AS SELECT id FROM plain;
         CREATE VIRTUAL TABLE words USING fts5 (body);
         CREATE VIRTUAL TABLE boxes USING rtree (id, a, b)",
    )
    .unwrap();
    let catalogue = test::catalogue(&mut conn).unwrap();
    assert!(shape(&catalogue, "plain").is_some());
    for table in ["v", "words", "words_content", "boxes", "boxes_node"] {
        assert_eq!(shape(&catalogue, table), None, "{table}");
    }
}

#[test]
fn triggers_tell_when_they_fire() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute("CREATE TABLE log (n)").unwrap();
    for (name, head, before) in [
        ("a", "AFTER UPDATE", false),
        ("b", "BEFORE UPDATE", true),
        ("c", "UPDATE", true),
    ] {
        conn.batch_execute(&format!(
            "CREATE TABLE {name} (id INTEGER);
             CREATE TRIGGER after_{name} {head} ON {name} BEGIN INSERT INTO log VALUES (1); END"
        ))
        .unwrap();
        let catalogue = test::catalogue(&mut conn).unwrap();
        let [trigger] = catalogue.get(name).unwrap().triggers.as_slice() else {
            panic!("{head}");
        };
        assert_eq!(trigger.before, before, "{head}");
    }
}

#[test]
fn a_change_of_columns_changes_the_fingerprint() {
    let arena = engine::arena();
    let (mut one, mut two) = (arena.connect(), arena.connect());
    one.batch_execute("CREATE TABLE t (id INTEGER, a TEXT)")
        .unwrap();
    for sql in [
        "ALTER TABLE t ADD COLUMN b TEXT COLLATE NOCASE",
        "ALTER TABLE t ADD COLUMN c INTEGER AS (id * 2)",
        "CREATE TRIGGER x BEFORE UPDATE ON t BEGIN SELECT 1; END",
        "BEGIN; DROP TABLE t; CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); COMMIT",
        "BEGIN; DROP TABLE t; CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB); COMMIT",
    ] {
        let before = test::fingerprint(&mut two).unwrap();
        one.batch_execute(sql).unwrap();
        assert_ne!(test::fingerprint(&mut two).unwrap(), before, "{sql}");
    }
}

/// What of these equals 5 in a column of that type was stored as 5.
#[test]
fn affinity_makes_one_of_what_is_equal() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    let stored = |conn: &mut Conn, declared: &str, value: &str, other: &str| {
        conn.batch_execute(&format!(
            "DROP TABLE IF EXISTS t; CREATE TABLE t (n {declared}); INSERT INTO t VALUES ({value})"
        ))
        .unwrap();
        text(
            conn,
            &format!("SELECT typeof(n) || ' ' || (n = {other}) AS x FROM t"),
        )
    };
    for declared in [
        "INTEGER",
        "INT",
        "NUMERIC",
        "BOOLEAN",
        "DECIMAL(9, 2)",
        "DATE",
    ] {
        for value in ["5", "5.0", "'5'", "'5.0'", "' 5 '", "'+5'", "'05'", "5e0"] {
            assert_eq!(
                stored(&mut conn, declared, value, "5"),
                "integer 1",
                "{declared} {value}"
            );
        }
        for value in ["5.5", "'five'", "x'35'", "'5 '' '", "5.0000001"] {
            let found = stored(&mut conn, declared, value, "5");
            assert!(found.ends_with(" 0"), "{declared} {value}: {found}");
        }
        // A real that is no whole number of 64 bits equals none but the smallest.
        let big = stored(
            &mut conn,
            declared,
            "9223372036854775808.0",
            "9223372036854775807",
        );
        assert_eq!(big, "real 0");
        let small = stored(
            &mut conn,
            declared,
            "-9223372036854775808.0",
            "-9223372036854775807 - 1",
        );
        assert_eq!(small, "real 1");
    }
    for declared in ["TEXT", "VARCHAR(3)", "CLOB"] {
        assert_eq!(stored(&mut conn, declared, "5", "'5'"), "text 1");
        assert_eq!(stored(&mut conn, declared, "x'61'", "'a'"), "blob 0");
        assert_eq!(stored(&mut conn, declared, "'a '", "'a'"), "text 0");
        assert_eq!(stored(&mut conn, declared, "'A'", "'a'"), "text 0");
        // No limit cuts.
        assert_eq!(
            stored(&mut conn, declared, "'abcdef'", "'abcdef'"),
            "text 1"
        );
    }
    assert_eq!(
        stored(&mut conn, "TEXT COLLATE NOCASE", "'A'", "'a'"),
        "text 1"
    );
    // Where nothing is made of it, several values are equal.
    for declared in ["", "BLOB"] {
        assert_eq!(stored(&mut conn, declared, "5.0", "5"), "real 1");
    }
    conn.batch_execute("CREATE TABLE s (n ANY) STRICT; INSERT INTO s VALUES (5.0)")
        .unwrap();
    let real = text(&mut conn, "SELECT typeof(n) || ' ' || (n = 5) AS x FROM s");
    assert_eq!(real, "real 1");
}

#[test]
fn a_row_number_is_set_by_other_names() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1); UPDATE t SET rowid = 7",
    )
    .unwrap();
    assert_eq!(text(&mut conn, "SELECT CAST(id AS TEXT) AS x FROM t"), "7");
}
