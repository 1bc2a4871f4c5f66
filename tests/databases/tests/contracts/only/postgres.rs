//! Contracts of PostgreSQL.

use std::sync::{Arc, Mutex};
use std::thread;

use diesel::connection::{Connection, Instrumentation, InstrumentationEvent, SimpleConnection};
use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgRowByRowLoadingMode};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{Integer, Text};

use super::engine::Conn;
use super::events::{events, things, watched};

#[derive(Debug, AsExpression, FromSqlRow)]
#[diesel(sql_type = Mood)]
pub struct Happy;

#[derive(Debug, diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(name = "mood"))]
pub struct Mood;

impl ToSql<Mood, Pg> for Happy {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        std::io::Write::write_all(out, b"happy")?;
        Ok(serialize::IsNull::No)
    }
}

#[derive(Debug, AsExpression)]
#[diesel(sql_type = Text)]
struct Unwritable;

impl ToSql<Text, Pg> for Unwritable {
    fn to_sql<'b>(&'b self, _: &mut Output<'b, '_, Pg>) -> serialize::Result {
        Err("cannot be written".into())
    }
}

diesel::table! {
    use diesel::sql_types::Integer;
    use super::Mood;
    moods (id) { id -> Integer, mood -> Mood }
}

#[test]
fn the_lookup_of_a_custom_type_is_a_statement_inside_of_a_statement() {
    let (_arena, mut conn, witness) = watched();
    conn.batch_execute(
        "CREATE TYPE mood AS ENUM ('happy'); CREATE TABLE moods (id INTEGER PRIMARY KEY, mood mood)",
    )
    .unwrap();
    witness.take();
    let new = (moods::id.eq(1), moods::mood.eq(Happy));
    diesel::insert_into(moods::table)
        .values(new)
        .execute(&mut conn)
        .unwrap();
    let events = events(&witness);
    assert_eq!(events.len(), 4, "{events:?}");
    assert!(events[0].starts_with("start INSERT "));
    assert!(
        events[1].starts_with("start SELECT \"pg_type\".\"oid\", \"pg_type\".\"typarray\" FROM"),
        "{events:?}"
    );
    assert!(events[2].starts_with("finish SELECT "));
    assert!(events[3].starts_with("finish INSERT "));
}

#[test]
fn a_bind_that_fails_is_told_and_nothing_is_sent() {
    let (_arena, mut conn, witness) = watched();
    let new = (things::id.eq(2), things::name.eq(Unwritable));
    let failed = diesel::insert_into(things::table)
        .values(new)
        .execute(&mut conn);
    assert!(matches!(failed, Err(Error::SerializationError(_))));
    let told = events(&witness);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("start INSERT ") && told[1].ends_with(" failed"));
    let new = (things::id.eq(2), things::name.eq(Unwritable));
    let insert = diesel::insert_into(things::table)
        .values(new)
        .returning(things::id);
    assert!(insert.load::<i32>(&mut conn).is_err());
    // Told by no finish, where rows are loaded.
    let told = events(&witness);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(things::table.count().get_result(&mut conn), Ok(1_i64));
}

#[test]
fn a_failed_commit_is_followed_by_no_rollback() {
    let (_arena, mut conn, witness) = watched();
    conn.batch_execute(
        "CREATE TABLE children (id INTEGER PRIMARY KEY,
            thing INTEGER REFERENCES things DEFERRABLE INITIALLY DEFERRED)",
    )
    .unwrap();
    let failed = conn.transaction(|conn| conn.batch_execute("INSERT INTO children VALUES (1, 99)"));
    assert!(matches!(
        failed,
        Err(Error::DatabaseError(
            DatabaseErrorKind::ForeignKeyViolation,
            _
        ))
    ));
    let events = events(&witness);
    assert_eq!(events.last().unwrap(), "finish COMMIT failed");
    conn.batch_execute("UPDATE things SET name = 'autocommit'")
        .unwrap();
}

#[test]
fn a_commit_after_a_swallowed_error_succeeds() {
    let (_arena, mut conn, witness) = watched();
    conn.transaction(|conn| {
        assert!(
            conn.batch_execute("INSERT INTO things VALUES (1, 'again')")
                .is_err()
        );
        QueryResult::Ok(())
    })
    .unwrap();
    assert_eq!(events(&witness).last().unwrap(), "finish COMMIT");
}

#[test]
fn a_built_transaction_tells_its_modes() {
    let (_arena, mut conn, witness) = watched();
    conn.build_transaction()
        .serializable()
        .read_only()
        .run(|_| QueryResult::Ok(()))
        .unwrap();
    let events = events(&witness);
    assert_eq!(events[0], "begin 1");
    assert!(
        events[1].starts_with("start BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
        "{events:?}"
    );
}

#[test]
fn an_unknown_error_is_an_answer_of_the_server() {
    let (_arena, mut conn, _) = watched();
    for text in [
        "SELEC 1",
        "SELECT * FROM nowhere",
        "SELECT 1 / 0",
        "INSERT INTO things VALUES (2)",
        "SELECT nothing_of_the_kind()",
        "DO $$ BEGIN RAISE EXCEPTION 'no'; END $$",
        "SET statement_timeout = 1; SELECT pg_sleep(1)",
    ] {
        let error = conn.batch_execute(text).unwrap_err();
        assert!(
            matches!(
                error,
                Error::DatabaseError(
                    DatabaseErrorKind::Unknown | DatabaseErrorKind::NotNullViolation,
                    _
                )
            ),
            "{text}: {error:?}"
        );
        // It is alive, and the server waits for the next statement.
        conn.batch_execute("SELECT 1").unwrap();
    }
}

fn is_closed(error: &Error) -> bool {
    matches!(
        error,
        Error::DatabaseError(
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
            _
        )
    )
}

#[test]
fn a_session_that_was_ended_is_never_an_answer() {
    #[derive(QueryableByName)]
    struct Pid {
        #[diesel(sql_type = Integer)]
        pid: i32,
    }
    for batch in [false, true] {
        for idle in [false, true] {
            let (arena, mut conn, _) = watched();
            let pid = diesel::sql_query("SELECT pg_backend_pid() AS pid")
                .get_result::<Pid>(&mut conn)
                .unwrap()
                .pid;
            let mut other = arena.connect();
            let kill = format!("SELECT pg_terminate_backend({pid})");
            if idle {
                other.batch_execute(&kill).unwrap();
                thread::sleep(std::time::Duration::from_millis(100));
            }
            let text = "UPDATE things SET name = 'b' WHERE pg_sleep(3) IS NOT NULL";
            let worker = thread::spawn(move || {
                if batch {
                    conn.batch_execute(text).unwrap_err()
                } else {
                    diesel::sql_query(text).execute(&mut conn).unwrap_err()
                }
            });
            if !idle {
                thread::sleep(std::time::Duration::from_millis(300));
                other.batch_execute(&kill).unwrap();
            }
            let error = worker.join().unwrap();
            assert!(is_closed(&error), "batch {batch}, idle {idle}: {error:?}");
        }
    }
}

/// Looks, at the finish of an `UPDATE`, whether another connection sees what it wrote.
struct Peek {
    other: Conn,
    seen: Arc<Mutex<Vec<i64>>>,
}

impl Instrumentation for Peek {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::FinishQuery { query, .. } = event
            && query.to_string().starts_with("UPDATE")
        {
            let written = things::table.filter(things::name.eq("b")).count();
            let n = written.get_result(&mut self.other).unwrap();
            self.seen.lock().unwrap().push(n);
        }
    }
}

#[test]
fn a_finish_comes_after_the_commit_even_where_rows_come_one_by_one() {
    let (arena, mut conn, _) = watched();
    conn.batch_execute("INSERT INTO things SELECT g, 'a' FROM generate_series(2, 20000) g")
        .unwrap();
    for drained in [true, false] {
        conn.batch_execute("UPDATE things SET name = 'a'").unwrap();
        let seen = Arc::default();
        conn.set_instrumentation(Peek {
            other: arena.connect(),
            seen: Arc::clone(&seen),
        });
        {
            let update = diesel::update(things::table)
                .set(things::name.eq("b"))
                .returning(things::id);
            let mut rows = update
                .load_iter::<i32, PgRowByRowLoadingMode>(&mut conn)
                .unwrap();
            assert!(rows.next().is_some());
            if drained {
                assert_eq!(rows.count(), 19_999);
            }
        }
        conn.set_instrumentation(None::<Box<dyn Instrumentation>>);
        conn.batch_execute("SELECT 1").unwrap();
        let seen = seen.lock().unwrap().clone();
        assert!(!seen.is_empty(), "drained: {drained}");
        assert!(
            seen.iter().all(|n| *n == 20_000),
            "drained {drained}: {seen:?}"
        );
    }
}

#[test]
fn an_update_of_equal_values_counts_its_rows() {
    let (_arena, mut conn, _) = watched();
    let update = diesel::update(things::table)
        .set(things::name.eq("a"))
        .execute(&mut conn);
    assert_eq!(update, Ok(1));
}
