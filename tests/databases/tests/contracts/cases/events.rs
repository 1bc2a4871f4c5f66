//! The events of every way to run a statement.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::connection::{Connection, DefaultLoadingMode, SimpleConnection};
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel::result::Error;

use super::engine::{self, Arena, Conn};
use crate::support::Witness;

diesel::table! { things (id) { id -> Integer, name -> Text } }

/// A database with one row, and a connection whose events are seen.
pub(super) fn watched() -> (Arena, Conn, Witness) {
    let arena = engine::arena();
    let mut conn = arena.connect();
    conn.batch_execute(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(99) NOT NULL);
         INSERT INTO things VALUES (1, 'a')",
    )
    .unwrap();
    let witness = Witness::default();
    conn.set_instrumentation(witness.clone());
    (arena, conn, witness)
}

/// The events, without what tells only of the cache of prepared statements.
pub(super) fn events(witness: &Witness) -> Vec<String> {
    let mut events = witness.take();
    events.retain(|event| !event.starts_with("prepare "));
    events
}

fn rename(conn: &mut Conn, name: &str) -> QueryResult<usize> {
    diesel::update(things::table.find(1))
        .set(things::name.eq(name))
        .execute(conn)
}

#[test]
fn a_statement_starts_and_finishes_with_its_binds() {
    let (_arena, mut conn, witness) = watched();
    for _ in 0..2 {
        rename(&mut conn, "b").unwrap();
        let events = events(&witness);
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(events[0].starts_with("start UPDATE "), "{events:?}");
        assert!(events[0].ends_with(" -- binds: [\"b\", 1]"), "{events:?}");
        assert_eq!(events[1], events[0].replacen("start", "finish", 1));
    }
    things::table.load::<(i32, String)>(&mut conn).unwrap();
    let events = events(&witness);
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events[0].starts_with("start SELECT ") && events[0].ends_with(" -- binds: []"));
}

#[test]
fn a_query_is_prepared_once() {
    let (_arena, mut conn, witness) = watched();
    for _ in 0..2 {
        things::table.load::<(i32, String)>(&mut conn).unwrap();
    }
    let events = witness.take();
    assert_eq!(events.len(), 5, "{events:?}");
    assert!(events[1].starts_with("prepare SELECT "), "{events:?}");
}

#[test]
fn an_error_is_told_at_the_finish() {
    let (_arena, mut conn, witness) = watched();
    let again = (things::id.eq(1), things::name.eq("b"));
    assert!(
        diesel::insert_into(things::table)
            .values(again)
            .execute(&mut conn)
            .is_err()
    );
    let events = events(&witness);
    assert_eq!(events.len(), 2);
    assert!(events[1].starts_with("finish INSERT ") && events[1].ends_with(" failed"));
}

#[test]
fn a_transaction_tells_of_itself_before_its_statements() {
    let (_arena, mut conn, witness) = watched();
    conn.transaction(|conn| rename(conn, "b")).unwrap();
    let events = events(&witness);
    assert_eq!(events[..3], ["begin 1", "start BEGIN", "finish BEGIN"]);
    assert_eq!(events[5..], ["commit 1", "start COMMIT", "finish COMMIT"]);
}

#[test]
fn a_rollback_tells_of_itself() {
    let (_arena, mut conn, witness) = watched();
    let ended = conn.transaction(|_| Err::<(), _>(Error::RollbackTransaction));
    assert_eq!(ended, Err(Error::RollbackTransaction));
    assert_eq!(
        events(&witness)[3..],
        ["rollback 1", "start ROLLBACK", "finish ROLLBACK"]
    );
}

#[test]
fn a_savepoint_is_a_transaction_at_depth_two() {
    let (_arena, mut conn, witness) = watched();
    conn.transaction(|conn| {
        conn.transaction(|_| QueryResult::Ok(()))?;
        let inner = conn.transaction(|_| Err::<(), _>(Error::RollbackTransaction));
        assert_eq!(inner, Err(Error::RollbackTransaction));
        QueryResult::Ok(())
    })
    .unwrap();
    assert_eq!(
        events(&witness)[3..15],
        [
            "begin 2",
            "start SAVEPOINT diesel_savepoint_1",
            "finish SAVEPOINT diesel_savepoint_1",
            "commit 2",
            "start RELEASE SAVEPOINT diesel_savepoint_1",
            "finish RELEASE SAVEPOINT diesel_savepoint_1",
            "begin 2",
            "start SAVEPOINT diesel_savepoint_1",
            "finish SAVEPOINT diesel_savepoint_1",
            "rollback 2",
            "start ROLLBACK TO SAVEPOINT diesel_savepoint_1",
            "finish ROLLBACK TO SAVEPOINT diesel_savepoint_1",
        ]
    );
}

#[test]
fn a_test_transaction_never_commits() {
    let (_arena, mut conn, witness) = watched();
    conn.begin_test_transaction().unwrap();
    conn.transaction(|conn| rename(conn, "b")).unwrap();
    drop(conn);
    let events = events(&witness);
    assert_eq!(
        events[..4],
        ["begin 1", "start BEGIN", "finish BEGIN", "begin 2"]
    );
    assert!(events.contains(&"commit 2".to_owned()));
    assert!(!events.contains(&"commit 1".to_owned()));
}

#[test]
fn a_panic_is_followed_by_no_event() {
    let (_arena, mut conn, witness) = watched();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _: QueryResult<()> = conn.transaction(|conn| {
            rename(conn, "b").unwrap();
            witness.take();
            panic!("a panic of the test's own")
        });
    }));
    assert!(panicked.is_err());
    assert!(events(&witness).is_empty());
    // What follows is inside of the open transaction, at depth two.
    conn.transaction(|_| QueryResult::Ok(())).unwrap();
    assert_eq!(events(&witness)[0], "begin 2");
}

#[test]
fn a_raw_control_statement_is_a_statement_only() {
    let (_arena, mut conn, witness) = watched();
    conn.batch_execute("BEGIN").unwrap();
    diesel::sql_query("COMMIT").execute(&mut conn).unwrap();
    let events = events(&witness);
    assert_eq!(events.len(), 4, "{events:?}");
    assert_eq!(events[..2], ["start BEGIN", "finish BEGIN"]);
    assert!(events[2].starts_with("start COMMIT"));
}

#[test]
fn a_batch_is_one_statement() {
    let (_arena, mut conn, witness) = watched();
    let text = "UPDATE things SET name = 'b'; UPDATE things SET name = 'c'";
    conn.batch_execute(text).unwrap();
    assert_eq!(
        events(&witness),
        [format!("start {text}"), format!("finish {text}")]
    );
}

#[test]
fn dropped_rows_finish_their_statement() {
    let (_arena, mut conn, witness) = watched();
    {
        let mut rows = things::table
            .load_iter::<(i32, String), DefaultLoadingMode>(&mut conn)
            .unwrap();
        rows.next();
    }
    let events = events(&witness);
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events[1].starts_with("finish SELECT "));
}

#[test]
fn instrumentation_is_read_back_from_plain_and_pooled_connections() {
    let (arena, mut conn, witness) = watched();
    assert!(conn.instrumentation().downcast_mut::<Witness>().is_some());
    conn.set_instrumentation(None::<Box<dyn diesel::connection::Instrumentation>>);
    assert!(conn.instrumentation().downcast_mut::<Witness>().is_none());
    let pool = Pool::builder()
        .max_size(1)
        .build(ConnectionManager::<Conn>::new(arena.url()))
        .unwrap();
    let mut pooled = pool.get().unwrap();
    pooled.set_instrumentation(witness.clone());
    assert!(pooled.instrumentation().downcast_mut::<Witness>().is_some());
    drop(pooled);
    // It stays with the connection.
    let mut pooled = pool.get().unwrap();
    assert!(pooled.instrumentation().downcast_mut::<Witness>().is_some());
    witness.take();
    things::table
        .count()
        .get_result::<i64>(&mut pooled)
        .unwrap();
    assert_eq!(witness.started("SELECT"), 1);
}
