//! Contracts of SQLite.

use diesel::connection::{Connection, SimpleConnection};
use diesel::prelude::*;

use super::events::{events, things, watched};

#[test]
fn a_failing_insert_with_returning_finishes_without_an_error() {
    let (_arena, mut conn, witness) = watched();
    let again = (things::id.eq(1), things::name.eq("b"));
    let failed = diesel::insert_into(things::table)
        .values(again)
        .returning(things::id)
        .get_result::<i32>(&mut conn);
    assert!(failed.is_err());
    let events = events(&witness);
    assert_eq!(events.len(), 2);
    assert!(events[1].starts_with("finish INSERT ") && !events[1].ends_with(" failed"));
}

#[test]
fn a_failed_commit_is_rolled_back_by_diesel() {
    let (_arena, mut conn, witness) = watched();
    conn.batch_execute(
        "CREATE TABLE children (id INTEGER PRIMARY KEY,
            thing INTEGER REFERENCES things DEFERRABLE INITIALLY DEFERRED)",
    )
    .unwrap();
    let failed = conn.transaction(|conn| conn.batch_execute("INSERT INTO children VALUES (1, 99)"));
    assert!(failed.is_err());
    let events = events(&witness);
    let commit = events.iter().position(|event| event == "commit 1").unwrap();
    assert_eq!(
        events[commit + 1..commit + 3],
        ["start COMMIT", "finish COMMIT failed"]
    );
    assert!(events[commit + 3..].contains(&"start ROLLBACK".to_owned()));
}

#[test]
fn further_ways_to_begin_are_texts() {
    let (_arena, mut conn, witness) = watched();
    conn.immediate_transaction(|_| QueryResult::Ok(())).unwrap();
    assert_eq!(events(&witness)[..2], ["begin 1", "start BEGIN IMMEDIATE"]);
    conn.exclusive_transaction(|_| QueryResult::Ok(())).unwrap();
    assert_eq!(events(&witness)[..2], ["begin 1", "start BEGIN EXCLUSIVE"]);
}
