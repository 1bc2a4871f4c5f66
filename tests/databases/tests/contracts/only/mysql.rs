//! Contracts of MySQL.

use std::thread;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};

use super::events::{events, things, watched};

/// How the server's own messages begin, as far as `src/connection/returned.rs` lists them.
const SERVERS: [&str; 28] = [
    "Access denied",
    "BIGINT ",
    "CONSTRAINT `",
    "Cannot add or update",
    "Cannot delete or update",
    "Cannot truncate a table",
    "Check constraint",
    "Column ",
    "DOUBLE value",
    "Data too long",
    "Data truncated",
    "Deadlock found",
    "Division by 0",
    "Duplicate ",
    "FUNCTION ",
    "Field '",
    "Illegal mix of collations",
    "Incorrect ",
    "Lock wait timeout exceeded",
    "Operand should contain",
    "Out of range",
    "PROCEDURE ",
    "Query execution was interrupted",
    "SAVEPOINT ",
    "Subquery returns",
    "Table '",
    "Unknown ",
    "You have an error in your SQL syntax",
];

fn is_servers(error: &Error) -> bool {
    match error {
        Error::DatabaseError(DatabaseErrorKind::Unknown, info) => SERVERS
            .iter()
            .any(|start| info.message().starts_with(start)),
        Error::DatabaseError(..) => true,
        _ => false,
    }
}

#[test]
fn the_server_is_known_by_its_messages() {
    let (_arena, mut conn, _) = watched();
    conn.batch_execute(
        "SET sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO';
         CREATE TABLE kinds (id INTEGER PRIMARY KEY, tiny TINYINT UNSIGNED NOT NULL, short VARCHAR(2),
            day DATE, CHECK (tiny < 100));
         INSERT INTO kinds VALUES (1, 1, 'a', NULL), (2, 2, 'b', NULL);",
    )
    .unwrap();
    for text in [
        "SELEC 1",
        "UPDATE nowhere SET x = 1",
        "UPDATE kinds SET nothing = 1",
        "UPDATE kinds SET short = 'too long'",
        "UPDATE kinds SET tiny = 1000",
        "UPDATE kinds SET tiny = 100",
        "UPDATE kinds SET tiny = NULL",
        "UPDATE kinds SET tiny = tiny - 10",
        "UPDATE kinds SET day = 'no day'",
        "UPDATE kinds SET tiny = 1 / 0",
        "UPDATE kinds SET tiny = (SELECT id FROM kinds)",
        "UPDATE kinds SET tiny = (SELECT 1 UNION SELECT 2)",
        "UPDATE kinds SET tiny = (SELECT 1, 2)",
        "UPDATE kinds SET tiny = nothing_of_the_kind()",
        "INSERT INTO kinds VALUES (1, 1, 'a', NULL)",
        "INSERT INTO kinds (id) VALUES (9)",
        "INSERT INTO kinds VALUES (9)",
        "CALL nothing_of_the_kind()",
        "RELEASE SAVEPOINT nothing",
        "CREATE TABLE kinds (id INTEGER)",
        "USE nowhere",
    ] {
        for batch in [true, false] {
            let error = if batch {
                conn.batch_execute(text).unwrap_err()
            } else {
                diesel::sql_query(text).execute(&mut conn).unwrap_err()
            };
            let known = is_servers(&error);
            // What is not known to be the server's is a doubt, and no mistake.
            let tolerated = [
                "UPDATE kinds SET tiny = (SELECT id FROM kinds)",
                "INSERT INTO kinds VALUES (9)",
                "UPDATE kinds SET tiny = 100",
                "UPDATE kinds SET day = 'no day'",
            ];
            assert!(known || tolerated.contains(&text), "{text}: {error:?}");
        }
    }
}

#[test]
fn a_session_that_was_killed_is_never_an_answer() {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        id: i64,
    }
    for (batch, idle) in [(false, false), (false, true), (true, false), (true, true)] {
        let (arena, mut conn, _) = watched();
        let id = diesel::sql_query("SELECT CAST(CONNECTION_ID() AS SIGNED) AS id")
            .get_result::<Id>(&mut conn)
            .unwrap()
            .id;
        let mut other = arena.connect();
        let kill = format!("KILL {id}");
        if idle {
            other.batch_execute(&kill).unwrap();
        }
        let text = "UPDATE things SET name = IF(SLEEP(3) = 0, 'b', 'c')";
        let worker = thread::spawn(move || {
            if batch {
                conn.batch_execute(text).err()
            } else {
                diesel::sql_query(text).execute(&mut conn).err()
            }
        });
        if !idle {
            thread::sleep(std::time::Duration::from_millis(300));
            other.batch_execute(&kill).unwrap();
        }
        let error = worker.join().unwrap().unwrap();
        let interrupted = error
            .to_string()
            .starts_with("Query execution was interrupted");
        assert!(!is_servers(&error) || interrupted, "{error:?}");
    }
}

#[test]
fn an_update_counts_the_rows_that_match() {
    let (_arena, mut conn, _) = watched();
    let update = diesel::update(things::table)
        .set(things::name.eq("a"))
        .execute(&mut conn);
    assert_eq!(update, Ok(1));
}

#[test]
fn the_rows_of_a_failing_read_are_an_error_at_the_finish() {
    let (_arena, mut conn, witness) = watched();
    assert!(
        conn.batch_execute("UPDATE things SET name = 'b'; UPDATE nowhere SET x = 1")
            .is_err()
    );
    let events = events(&witness);
    assert_eq!(events.len(), 2);
    assert!(events[1].ends_with(" failed"));
    let names = things::table.select(things::name).load::<String>(&mut conn);
    assert_eq!(names, Ok(vec!["b".to_owned()]));
}
