//! Commits that PostgreSQL refuses.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel_cache::SaveDsl;

use super::signals::{prepared, user};

#[test]
fn a_commit_that_is_refused_tells_nobody() {
    let (cache, _arena, mut conn, notes) = prepared();
    conn.batch_execute(
        "CREATE TABLE posts (author INTEGER REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED)",
    )
    .unwrap();
    let refused = conn.transaction(|conn| {
        user(1, "a").save(conn)?;
        conn.batch_execute("INSERT INTO posts VALUES (99)")
    });
    let Err(Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) = refused else {
        panic!("{refused:?}");
    };
    user(1, "b").save(&mut conn).unwrap();
    assert_eq!(notes.take(), ["Saved b"]);
    assert_eq!(cache.stats().commits_unknown, 0);
}

#[test]
fn a_serialization_failure_tells_nobody() {
    let (cache, arena, mut conn, notes) = prepared();
    let mut other = arena.connect();
    cache.attach(&mut other).unwrap();
    for conn in [&mut conn, &mut other] {
        conn.batch_execute("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT COUNT(age) FROM users")
            .unwrap();
    }
    user(1, "a").save(&mut conn).unwrap();
    user(2, "b").save(&mut other).unwrap();
    conn.batch_execute("COMMIT").unwrap();
    assert_eq!(notes.take(), ["Saved a"]);
    let refused = other.batch_execute("COMMIT");
    let Err(Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) = refused else {
        panic!("{refused:?}");
    };
    other.batch_execute("BEGIN; COMMIT").unwrap();
    assert_eq!(notes.take().len(), 0);
    assert_eq!(cache.stats().commits_unknown, 0);
}

#[test]
fn a_commit_on_a_lost_connection_is_counted_and_tells_nobody() {
    let (cache, arena, mut conn, notes) = prepared();
    conn.batch_execute("BEGIN").unwrap();
    user(1, "a").save(&mut conn).unwrap();
    arena
        .connect()
        .batch_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .unwrap();
    assert!(conn.batch_execute("COMMIT").is_err());
    drop(conn);
    assert_eq!(notes.take().len(), 0);
    assert_eq!(cache.stats().commits_unknown, 1);
}
