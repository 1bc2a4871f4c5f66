//! Writes that hide in triggers, functions, views and odd texts, and sessions that differ
//! unseen.

use super::attacks_kit::{probes, reads};
use super::kit::{Rig, read_sql, run};
use diesel_cache::Cache;

const N: &str =
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO notes VALUES (1, 'n');";

#[test]
fn attack_writes() {
    let t = |body: &str| format!("{N} CREATE TRIGGER t AFTER INSERT ON notes BEGIN {body}; END");
    let bodies: Vec<(&str, String)> = vec![
        (
            "from",
            t("UPDATE things SET name = n.note FROM notes n WHERE n.id = 1"),
        ),
        ("or", t("UPDATE OR IGNORE things SET name = 'o'")),
        ("replace", t("REPLACE INTO things VALUES (1, 'r')")),
        (
            "insert or replace select",
            t("INSERT OR REPLACE INTO things SELECT id, note || 'q' FROM notes"),
        ),
        (
            "upsert",
            t(
                "INSERT INTO things VALUES (1, 'u') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            ),
        ),
        ("text name", t("DELETE FROM 'things'")),
        ("bracket", t("DELETE FROM [things]")),
        ("comment", t("DELETE /* ; ' */ FROM -- '\n \"things\"")),
        (
            "view",
            format!(
                "{N} CREATE VIEW v AS SELECT 1 AS a; CREATE TRIGGER tv INSTEAD OF UPDATE OF a ON v BEGIN UPDATE things SET name = 'v'; END; CREATE TRIGGER t AFTER INSERT ON notes BEGIN UPDATE v SET a = 2; END"
            ),
        ),
        (
            "names",
            format!(
                "{N} CREATE TABLE begin (id INTEGER); CREATE TRIGGER replace AFTER INSERT ON begin BEGIN DELETE FROM things; END; CREATE TRIGGER begin2 AFTER INSERT ON notes BEGIN INSERT INTO begin VALUES (1); END"
            ),
        ),
        (
            "names2",
            format!(
                "{N} CREATE TABLE replace (id INTEGER); CREATE TRIGGER before AFTER INSERT ON replace BEGIN DELETE FROM things; END; CREATE TRIGGER \"on\" AFTER INSERT ON notes BEGIN INSERT INTO replace VALUES (1); END"
            ),
        ),
        (
            "names3",
            format!(
                "{N} CREATE TABLE \"a \"\"b.c(\" (id INTEGER); CREATE TRIGGER before AFTER INSERT ON \"a \"\"b.c(\" BEGIN DELETE FROM things; END; CREATE TRIGGER 'on insert' AFTER INSERT ON notes BEGIN INSERT INTO \"a \"\"b.c(\" VALUES (1); END"
            ),
        ),
        (
            "names4 trigger begin",
            format!("{N} CREATE TRIGGER begin AFTER INSERT ON notes BEGIN DELETE FROM things; END"),
        ),
        (
            "trigger on kw",
            format!(
                "{N} CREATE TABLE key (\"on\" INTEGER, \"insert\" INTEGER); CREATE TRIGGER t AFTER UPDATE OF \"on\" ON key WHEN NEW.\"on\" > 0 BEGIN DELETE FROM things; END; INSERT INTO key VALUES (1, 2); CREATE TRIGGER t2 AFTER INSERT ON notes BEGIN UPDATE key SET \"on\" = 5; END"
            ),
        ),
        (
            "fk cascade in trigger",
            format!(
                "{N} CREATE TABLE p (id INTEGER PRIMARY KEY) ; INSERT INTO p VALUES (1); CREATE TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM p; END; CREATE TABLE c (p REFERENCES p ON DELETE CASCADE); INSERT INTO c VALUES (1); CREATE TRIGGER tc AFTER DELETE ON c BEGIN DELETE FROM things; END"
            ),
        ),
        (
            "with",
            t("INSERT INTO things SELECT 9, x FROM (WITH q(x) AS (SELECT 'w') SELECT x FROM q)"),
        ),
        (
            "raise",
            t("SELECT CASE WHEN 0 THEN RAISE(ABORT, 'x') END; UPDATE things SET name = 'ra'"),
        ),
        (
            "unicode",
            format!(
                "{N} CREATE TABLE Äß (id INTEGER); CREATE TRIGGER t1 AFTER INSERT ON Äß BEGIN DELETE FROM things; END; CREATE TRIGGER t AFTER INSERT ON notes BEGIN INSERT INTO Äß VALUES (1); END"
            ),
        ),
        (
            "nbsp",
            format!(
                "{N} CREATE TABLE a\u{a0}b (id INTEGER); CREATE TRIGGER t1 AFTER INSERT ON a\u{a0}b BEGIN DELETE FROM things; END; CREATE TRIGGER t AFTER INSERT ON notes BEGIN INSERT INTO a\u{a0}b VALUES (1); END"
            ),
        ),
        ("formfeed", t("INSERT\u{c}INTO\u{c}things VALUES (9, 'x')")),
    ];
    let cases: Vec<(&str, &str, &str)> = bodies
        .iter()
        .map(|(n, s)| {
            (
                *n,
                s.as_str(),
                "PRAGMA foreign_keys = ON@@INSERT INTO notes VALUES (7, 'x')",
            )
        })
        .collect();
    probes(&cases);
}

#[test]
fn attack_recursive() {
    probes(&[
        (
            "replace fires delete",
            &format!(
                "{N} CREATE TRIGGER t AFTER DELETE ON notes BEGIN UPDATE things SET name = 'rd'; END"
            ),
            "PRAGMA recursive_triggers = ON@@INSERT OR REPLACE INTO notes VALUES (1, 'q')",
        ),
        (
            "on conflict replace def",
            "CREATE TABLE notes (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, note TEXT); INSERT INTO notes VALUES (1,'x'); CREATE TRIGGER t AFTER DELETE ON notes BEGIN UPDATE things SET name = 'rd'; END",
            "PRAGMA recursive_triggers = ON@@INSERT INTO notes VALUES (1, 'q')",
        ),
        (
            "update or replace",
            "CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT UNIQUE); INSERT INTO notes VALUES (1,'x'), (2, 'y'); CREATE TRIGGER t AFTER DELETE ON notes BEGIN UPDATE things SET name = 'rd'; END",
            "PRAGMA recursive_triggers = ON@@UPDATE OR REPLACE notes SET note = 'x' WHERE id = 2",
        ),
        (
            "unique index conflict",
            "CREATE TABLE notes (id INTEGER, note TEXT, UNIQUE (note) ON\nCONFLICT\tREPLACE); INSERT INTO notes VALUES (1,'x'), (2, 'y'); CREATE TRIGGER t AFTER DELETE ON notes BEGIN UPDATE things SET name = 'rd'; END",
            "PRAGMA recursive_triggers = ON@@UPDATE notes SET note = 'x' WHERE id = 2",
        ),
        (
            "explain",
            N,
            "EXPLAIN UPDATE things SET name = 'e'@@UPDATE things SET name = 'e2'",
        ),
        (
            "fts",
            "CREATE VIRTUAL TABLE ft USING fts5(a); CREATE TRIGGER t AFTER INSERT ON ft_content BEGIN UPDATE things SET name = 'rd'; END",
            "INSERT INTO ft VALUES ('x')",
        ),
        ("vacuum", N, "VACUUM"),
        (
            "pragma",
            N,
            "PRAGMA optimize; PRAGMA wal_checkpoint; UPDATE things SET name = 'p'",
        ),
        (
            "savepoint",
            N,
            "SAVEPOINT a@@UPDATE things SET name = 's'@@RELEASE a",
        ),
        (
            "writable schema",
            N,
            "PRAGMA writable_schema = ON@@UPDATE sqlite_master SET sql = sql || ' ' WHERE name = 'notes'@@PRAGMA writable_schema = OFF@@UPDATE things SET name = 'ws'",
        ),
    ]);
}

#[test]
fn attack_reads() {
    reads(&[
        (
            "sqlite_sequence",
            "CREATE TABLE au (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT); INSERT INTO au (a) VALUES ('x')",
            "SELECT CAST(seq AS TEXT) AS name FROM sqlite_sequence WHERE name = 'au'",
            "INSERT INTO au (a) VALUES ('y')",
        ),
        (
            "sqlite_sequence drop",
            "CREATE TABLE au (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT); INSERT INTO au (a) VALUES ('x')",
            "SELECT CAST(seq AS TEXT) AS name FROM sqlite_sequence WHERE name = 'au'",
            "DELETE FROM au; INSERT INTO au VALUES (77, 'x')",
        ),
        (
            "sqlite_stat1",
            "CREATE INDEX th ON things (name); ANALYZE",
            "SELECT stat AS name FROM sqlite_stat1 WHERE tbl = 'things' AND idx = 'th'",
            "BEGIN; INSERT INTO things VALUES (5,'a'), (6,'b'); COMMIT",
        ),
        (
            "sqlite_stat1 b",
            "CREATE INDEX th ON things (name); ANALYZE; INSERT INTO things VALUES (5,'a'), (6,'b')",
            "SELECT stat AS name FROM sqlite_stat1 WHERE tbl = 'things' AND idx = 'th'",
            "ANALYZE",
        ),
        (
            "sqlite_stat1 optimize",
            "CREATE INDEX th ON things (name); ANALYZE; INSERT INTO things SELECT value, 'x' || value FROM (WITH RECURSIVE c(value) AS (SELECT 10 UNION ALL SELECT value + 1 FROM c WHERE value < 3000) SELECT value FROM c)",
            "SELECT stat AS name FROM sqlite_stat1 WHERE tbl = 'things' AND idx = 'th'",
            "SELECT count(*) FROM things WHERE name = 'x'; PRAGMA optimize(0xfffe)",
        ),
        (
            "rowid vacuum",
            "CREATE TABLE nr (name TEXT); INSERT INTO nr VALUES ('a'), ('b'), ('c'); DELETE FROM nr WHERE name = 'a'",
            "SELECT CAST(rowid AS TEXT) || name AS name FROM nr ORDER BY name",
            "VACUUM",
        ),
        (
            "fts vocab",
            "CREATE VIRTUAL TABLE ft USING fts5(a); INSERT INTO ft VALUES ('x')",
            "SELECT a AS name FROM ft",
            "INSERT INTO ft VALUES ('y')",
        ),
        (
            "fts shadow",
            "CREATE VIRTUAL TABLE ft USING fts5(a); INSERT INTO ft VALUES ('x')",
            "SELECT c0 AS name FROM ft_content",
            "INSERT INTO ft VALUES ('y')",
        ),
        (
            "fts ext",
            "CREATE VIRTUAL TABLE ft USING fts5(name, content='things', content_rowid='id')",
            "SELECT name FROM ft",
            "INSERT INTO things VALUES (9, 'z')",
        ),
        (
            "reverse unordered",
            "INSERT INTO things VALUES (9, 'z')",
            "SELECT name FROM things",
            "SELECT 1",
        ),
    ]);
}

#[test]
fn attack_schema_version_aba() {
    let rig = Rig::with(Cache::from_url("memory://?catalogue_interval=0s").unwrap());
    run(&mut rig.plain(), N);
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut one);
    rig.warm(&mut two);
    // `two` changes the schema, looks, and rolls back.
    run(&mut two, "BEGIN");
    run(&mut two, "CREATE TABLE zzz (id INTEGER)");
    let o = rig.fresh(&mut two);
    let p = read_sql(&mut two, "SELECT note AS name FROM notes");
    eprintln!("ABA in tx: {o} {p:?}");
    run(&mut two, "ROLLBACK");
    let mut plain = rig.plain();
    run(
        &mut plain,
        "CREATE TRIGGER t AFTER INSERT ON notes BEGIN UPDATE things SET name = 'aba'; END",
    );
    run(&mut two, "INSERT INTO notes VALUES (7, 'x')");
    rig.fresh(&mut one);
    rig.fresh(&mut one);
    run(
        &mut two,
        "INSERT INTO notes VALUES (8, 'x'); DELETE FROM notes WHERE id = 7",
    );
    rig.fresh(&mut one);
    rig.fresh(&mut two);
}

#[test]
fn attack_schema_version_aba_plain() {
    let rig = Rig::with(Cache::from_url("memory://?catalogue_interval=0s").unwrap());
    run(&mut rig.plain(), N);
    let (mut one, mut two) = (rig.conn(), rig.conn());
    rig.warm(&mut one);
    rig.warm(&mut two);
    run(&mut two, "PRAGMA writable_schema = OFF");
    let mut plain = rig.plain();
    run(&mut plain, "PRAGMA schema_version");
    run(
        &mut plain,
        "CREATE TRIGGER t AFTER INSERT ON notes BEGIN UPDATE things SET name = 'aba' || NEW.id; END",
    );
    run(&mut two, "INSERT INTO notes VALUES (7, 'x')");
    rig.fresh(&mut one);
    rig.fresh(&mut one);
    run(&mut two, "INSERT INTO notes VALUES (8, 'x')");
    rig.fresh(&mut one);
}
