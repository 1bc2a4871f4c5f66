//! What the catalogue takes for granted of MySQL and MariaDB.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::engine::{self, Arena, Conn};

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    x: Option<String>,
}

fn texts(conn: &mut Conn, sql: &str) -> Vec<Option<String>> {
    let rows: Vec<Text> = diesel::sql_query(sql).load(conn).unwrap();
    rows.into_iter().map(|row| row.x).collect()
}

/// A database with that schema.
fn arena(sql: &str) -> (Arena, Conn) {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(sql).unwrap();
    (arena, conn)
}

#[test]
fn cascades_fire_no_triggers() {
    let (_arena, mut conn) = arena(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE log (x VARCHAR(9));
         CREATE TABLE c (id INTEGER, FOREIGN KEY (id) REFERENCES p (id) ON DELETE CASCADE);
         CREATE TRIGGER r AFTER DELETE ON c FOR EACH ROW INSERT INTO log VALUES ('fired');
         INSERT INTO p VALUES (1); INSERT INTO c VALUES (1); DELETE FROM p",
    );
    assert!(texts(&mut conn, "SELECT CAST(id AS CHAR) AS x FROM c").is_empty());
    assert!(texts(&mut conn, "SELECT x FROM log").is_empty());
}

#[test]
fn triggers_and_functions_hold_no_dynamic_sql_and_no_ddl() {
    let (_arena, mut conn) = arena("CREATE TABLE t (id INTEGER)");
    for body in [
        "PREPARE p FROM 'SELECT 1'",
        "CREATE TABLE u (id INTEGER)",
        "DROP TABLE t",
        "CREATE TRIGGER s BEFORE INSERT ON t FOR EACH ROW SET @x = 1",
        "COMMIT",
    ] {
        for sql in [
            format!("CREATE TRIGGER r AFTER INSERT ON t FOR EACH ROW BEGIN {body}; END"),
            format!("CREATE FUNCTION f() RETURNS INTEGER BEGIN {body}; RETURN 1; END"),
        ] {
            assert!(conn.batch_execute(&sql).is_err(), "{sql}");
        }
        // Nor through a procedure.
        let sql = format!("CREATE PROCEDURE p() BEGIN {body}; END");
        if conn.batch_execute(&sql).is_ok() {
            conn.batch_execute("CREATE TRIGGER r AFTER INSERT ON t FOR EACH ROW CALL p()")
                .unwrap();
            assert!(conn.batch_execute("INSERT INTO t VALUES (1)").is_err());
            conn.batch_execute("DROP TRIGGER r; DROP PROCEDURE p")
                .unwrap();
        }
    }
}

#[test]
fn code_is_hidden_from_those_without_rights() {
    let (arena, mut conn) = arena(
        "CREATE TABLE t (id INTEGER); CREATE PROCEDURE p() DELETE FROM t;
         CREATE TRIGGER r AFTER INSERT ON t FOR EACH ROW SET @x = 1",
    );
    let url = arena.url();
    let (schema, server) = (
        url.rsplit('/').next().unwrap(),
        url.split_once('@').unwrap().1,
    );
    let user = format!("hidden_{}", std::process::id());
    conn.batch_execute(&format!(
        "DROP USER IF EXISTS {user}@'%'; CREATE USER {user}@'%' IDENTIFIED BY 'x';
         GRANT SELECT, INSERT ON `{schema}`.* TO {user}@'%'"
    ))
    .unwrap();
    let connect = || Conn::establish(&format!("mysql://{user}:x@{server}")).unwrap();
    let triggers = "SELECT action_statement AS x FROM information_schema.triggers
        WHERE trigger_schema = DATABASE()";
    let routines = "SELECT routine_definition AS x FROM information_schema.routines
        WHERE routine_name = 'p'";
    let rights = "SELECT DISTINCT grantee AS x FROM information_schema.schema_privileges
        WHERE privilege_type = 'INSERT'";
    let mut limited = connect();
    // MySQL does not show the trigger; MariaDB does, of late (MDEV-37474), without its code.
    let hidden = texts(&mut limited, triggers);
    assert!(hidden.iter().all(Option::is_none), "{hidden:?}");
    assert!(texts(&mut limited, routines).is_empty());
    assert_eq!(texts(&mut limited, rights), [Some(format!("'{user}'@'%'"))]);
    conn.batch_execute(&format!(
        "GRANT EXECUTE, TRIGGER ON `{schema}`.* TO {user}@'%'"
    ))
    .unwrap();
    let mut limited = connect();
    let shown = texts(&mut limited, triggers);
    assert_eq!(shown, [Some("SET @x = 1".to_owned())]);
    let hidden = texts(&mut limited, routines);
    assert!(
        matches!(&*hidden, [body] if body.as_deref().unwrap_or_default().is_empty()),
        "{hidden:?}"
    );
    conn.batch_execute(&format!("DROP USER {user}@'%'"))
        .unwrap();
}

#[test]
fn a_routine_that_is_made_again_has_another_definition_or_time() {
    let (_arena, mut conn) = arena("CREATE TABLE t (id INTEGER)");
    let definition = "SELECT action_statement AS x FROM information_schema.triggers
        WHERE trigger_name = 'made_again'";
    conn.batch_execute("CREATE TRIGGER made_again AFTER INSERT ON t FOR EACH ROW SET @x = 1")
        .unwrap();
    let before = texts(&mut conn, definition);
    conn.batch_execute(
        "DROP TRIGGER made_again;
         CREATE TRIGGER made_again AFTER INSERT ON t FOR EACH ROW SET @x = 2",
    )
    .unwrap();
    assert_ne!(texts(&mut conn, definition), before);
}
