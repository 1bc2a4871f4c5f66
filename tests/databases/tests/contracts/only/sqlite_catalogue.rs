//! What the catalogue takes for granted of SQLite.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::engine::{self, Conn};

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = diesel::sql_types::Text)]
    x: String,
}

fn text(conn: &mut Conn, sql: &str) -> String {
    diesel::sql_query(sql).get_result::<Text>(conn).unwrap().x
}

fn version(conn: &mut Conn) -> String {
    let sql = "SELECT CAST(schema_version AS TEXT) AS x FROM pragma_schema_version";
    text(conn, sql)
}

#[test]
fn every_change_of_the_schema_changes_its_version_for_all() {
    let arena = engine::arena();
    let (mut one, mut two) = (arena.connect(), arena.connect());
    for sql in [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)",
        "CREATE TABLE u (id INTEGER PRIMARY KEY REFERENCES t (id))",
        "ALTER TABLE t ADD COLUMN x INTEGER DEFAULT 1",
        "ALTER TABLE t RENAME COLUMN x TO y",
        "ALTER TABLE t DROP COLUMN y",
        "CREATE VIEW v AS SELECT id FROM t",
        "DROP VIEW v",
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM u; END",
        "DROP TRIGGER r",
        "CREATE INDEX i ON t (name)",
        "DROP INDEX i",
        "CREATE VIRTUAL TABLE f USING fts5 (body)",
        "DROP TABLE f",
        "ALTER TABLE u RENAME TO w",
        "DROP TABLE w",
        "CREATE TABLE s AS SELECT 1 AS n",
        "BEGIN; CREATE TABLE later (id INTEGER); COMMIT",
    ] {
        let before = version(&mut two);
        one.batch_execute(sql).unwrap();
        assert_ne!(version(&mut two), before, "{sql}");
    }
    let before = version(&mut two);
    one.batch_execute("INSERT INTO t VALUES (1, 'a'); UPDATE t SET name = 'b'; DELETE FROM t")
        .unwrap();
    one.batch_execute("CREATE TEMP TABLE mine (id INTEGER)")
        .unwrap();
    assert_eq!(version(&mut two), before);
}

#[test]
fn a_trigger_holds_statements_that_write_rows_and_nothing_else() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute("CREATE TABLE t (id INTEGER)").unwrap();
    for body in [
        "CREATE TABLE u (id INTEGER)",
        "DROP TABLE t",
        "PRAGMA foreign_keys = OFF",
        "ATTACH 'x' AS x",
        "COMMIT",
    ] {
        let sql = format!("CREATE TRIGGER r AFTER INSERT ON t BEGIN {body}; END");
        assert!(conn.batch_execute(&sql).is_err(), "{body}");
    }
}

#[test]
fn a_trigger_is_kept_as_it_was_written() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE t (id INTEGER); create trigger if not exists main.\"R 1\" after \n insert on t
           when NEW.id > 0 begin delete from 't'; end",
    )
    .unwrap();
    let sql = text(
        &mut conn,
        "SELECT sql AS x FROM sqlite_master WHERE type = 'trigger'",
    );
    assert!(sql.starts_with("CREATE TRIGGER "), "{sql}");
    assert!(sql.contains("begin delete from 't'; end"), "{sql}");
}

#[test]
fn cascades_fire_the_triggers_of_the_child() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE p (id INTEGER PRIMARY KEY);
         CREATE TABLE c (id INTEGER REFERENCES p (id) ON DELETE CASCADE);
         CREATE TABLE log (x TEXT);
         CREATE TRIGGER r AFTER DELETE ON c BEGIN INSERT INTO log VALUES ('fired'); END;
         INSERT INTO p VALUES (1); INSERT INTO c VALUES (1); DELETE FROM p",
    )
    .unwrap();
    assert_eq!(text(&mut conn, "SELECT x FROM log"), "fired");
}
