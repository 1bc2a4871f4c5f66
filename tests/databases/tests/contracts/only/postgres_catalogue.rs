//! What the catalogue takes for granted of PostgreSQL.

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

#[test]
fn a_stable_function_writes_nothing_by_itself() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute("CREATE TABLE t (id INTEGER)").unwrap();
    for body in [
        "INSERT INTO t VALUES (1)",
        "EXECUTE 'INSERT INTO t VALUES (1)'",
        "TRUNCATE t",
        "CREATE TEMP TABLE u (id INTEGER)",
        "SET search_path = x",
        "SET LOCAL search_path = x",
    ] {
        for volatility in ["STABLE", "IMMUTABLE"] {
            conn.batch_execute(&format!(
                "CREATE OR REPLACE FUNCTION f() RETURNS integer {volatility} LANGUAGE plpgsql AS
                   $$ BEGIN {body}; RETURN 1; END $$"
            ))
            .unwrap();
            let error = conn.batch_execute("SELECT f()").unwrap_err().to_string();
            assert!(error.contains("non-volatile"), "{body}: {error}");
        }
    }
    conn.batch_execute(
        "CREATE FUNCTION g() RETURNS void STABLE LANGUAGE sql AS 'INSERT INTO t VALUES (1)'",
    )
    .unwrap();
    let error = conn.batch_execute("SELECT g()").unwrap_err().to_string();
    assert!(error.contains("non-volatile"), "{error}");
    // But what it calls may.
    conn.batch_execute(
        "CREATE FUNCTION h() RETURNS void LANGUAGE sql AS 'INSERT INTO t VALUES (1)';
         CREATE OR REPLACE FUNCTION f() RETURNS integer STABLE LANGUAGE plpgsql AS
           'BEGIN PERFORM h(); RETURN 1; END';
         SELECT f()",
    )
    .unwrap();
    assert_eq!(text(&mut conn, "SELECT count(*)::text AS x FROM t"), "1");
}

#[test]
fn a_trigger_ends_no_transaction() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE t (id INTEGER); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN COMMIT; RETURN NEW; END';
         CREATE TRIGGER r AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    )
    .unwrap();
    assert!(conn.batch_execute("INSERT INTO t VALUES (1)").is_err());
}

#[test]
fn a_row_of_the_catalogue_that_changes_has_another_version() {
    let arena = engine::arena();
    let (mut one, mut two) = (arena.connect(), arena.connect());
    one.batch_execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT DEFAULT 'a');
         CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1';
         CREATE VIEW v AS SELECT id FROM t; CREATE POLICY p ON t USING (id > 0)",
    )
    .unwrap();
    for (sql, row) in [
        (
            "CREATE OR REPLACE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 2'",
            "pg_proc WHERE proname = 'f'",
        ),
        ("ALTER FUNCTION f STABLE", "pg_proc WHERE proname = 'f'"),
        (
            "CREATE OR REPLACE VIEW v AS SELECT id FROM t WHERE id > 1",
            "pg_rewrite WHERE ev_class = 'v'::regclass",
        ),
        (
            "ALTER TABLE t ALTER COLUMN name TYPE varchar(9)",
            "pg_attribute WHERE attrelid = 't'::regclass AND attname = 'name'",
        ),
        (
            "ALTER TABLE t ALTER COLUMN name SET DEFAULT 'b'",
            "pg_attrdef WHERE adrelid = 't'::regclass",
        ),
        (
            "ALTER POLICY p ON t USING (id > 1)",
            "pg_policy WHERE polname = 'p'",
        ),
    ] {
        let version = format!("SELECT string_agg(xmin::text, ' ') AS x FROM {row}");
        let before = text(&mut two, &version);
        one.batch_execute(sql).unwrap();
        assert_ne!(text(&mut two, &version), before, "{sql}");
        let after = text(&mut two, &version);
        one.batch_execute("INSERT INTO t (id) VALUES (1); DELETE FROM t; ANALYZE")
            .unwrap();
        one.batch_execute("VACUUM FREEZE").unwrap();
        assert_eq!(text(&mut two, &version), after, "{sql}");
    }
}

#[test]
fn long_names_are_cut_to_63_bytes() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    let name = "é".repeat(40);
    conn.batch_execute(&format!("CREATE TABLE {name} (id INTEGER)"))
        .unwrap();
    let sql = "SELECT relname::text AS x FROM pg_class WHERE relname LIKE 'é%' AND relkind = 'r'";
    assert_eq!(text(&mut conn, sql), "é".repeat(31));
}

#[test]
fn a_parsed_body_has_no_text() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE t (id INTEGER); CREATE FUNCTION f() RETURNS void LANGUAGE sql
           BEGIN ATOMIC INSERT INTO t VALUES (1); END",
    )
    .unwrap();
    let of = |what: &str| format!("SELECT {what} AS x FROM pg_proc WHERE proname = 'f'");
    assert_eq!(text(&mut conn, &of("prosrc")), "");
    let body = text(&mut conn, &of("pg_get_function_sqlbody(oid)"));
    assert!(body.contains("INSERT INTO t"), "{body}");
}

#[test]
fn rules_and_triggers_are_shown_in_one_form() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE t (id INTEGER); create rule r as on insert to t where NEW.id > 0
           do also (delete from t; delete from t where id = 1);
         create rule i as on delete to t do instead nothing;
         create trigger w before update on t for each row when (NEW.id > OLD.id)
           execute function suppress_redundant_updates_trigger()",
    )
    .unwrap();
    for rule in ["r", "i"] {
        let sql =
            format!("SELECT pg_get_ruledef(oid) AS x FROM pg_rewrite WHERE rulename = '{rule}'");
        assert!(text(&mut conn, &sql).contains(" DO "));
    }
    let sql = "SELECT pg_get_triggerdef(oid) AS x FROM pg_trigger WHERE tgname = 'w'";
    let trigger = text(&mut conn, sql);
    assert!(trigger.contains(" WHEN ((new.id > old.id)) EXECUTE FUNCTION "));
}

#[test]
fn going_back_to_a_savepoint_gives_back_its_locks() {
    let arena = engine::arena();
    let (mut one, mut two) = (arena.connect(), arena.connect());
    one.batch_execute("CREATE TABLE t (id INTEGER)").unwrap();
    one.batch_execute("BEGIN; SAVEPOINT s; SELECT * FROM t; ROLLBACK TO s; RELEASE s")
        .unwrap();
    two.batch_execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE NOWAIT; COMMIT")
        .unwrap();
    one.batch_execute("COMMIT").unwrap();
}

#[test]
fn a_row_that_moves_fires_the_triggers_of_both_partitions() {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE p (id INTEGER) PARTITION BY RANGE (id); CREATE TABLE log (x TEXT);
         CREATE TABLE a PARTITION OF p FOR VALUES FROM (0) TO (10);
         CREATE TABLE b PARTITION OF p FOR VALUES FROM (10) TO (20);
         INSERT INTO p VALUES (1);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN INSERT INTO log VALUES (TG_OP || TG_TABLE_NAME); RETURN NULL; END';
         CREATE TRIGGER t AFTER DELETE ON a FOR EACH ROW EXECUTE FUNCTION f();
         CREATE TRIGGER t AFTER INSERT ON b FOR EACH ROW EXECUTE FUNCTION f();
         UPDATE p SET id = 11",
    )
    .unwrap();
    let sql = "SELECT string_agg(x, ' ' ORDER BY x) AS x FROM log";
    assert_eq!(text(&mut conn, sql), "DELETEa INSERTb");
}
