//! Commits that MySQL makes by itself.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel_cache::{CreateDsl, SaveDsl};

use super::signals::{User, new, prepared, user};

#[test]
fn an_implicit_commit_is_one() {
    let (cache, _arena, mut conn, notes) = prepared();
    conn.batch_execute("BEGIN").unwrap();
    user(1, "a").save(&mut conn).unwrap();
    conn.batch_execute("CREATE TABLE more (id INTEGER)")
        .unwrap();
    assert_eq!(notes.take(), ["Saved a"]);
    conn.batch_execute("BEGIN").unwrap();
    user(1, "b").save(&mut conn).unwrap();
    conn.batch_execute("BEGIN").unwrap();
    assert_eq!(notes.take(), ["Saved b"]);
    conn.batch_execute("ROLLBACK").unwrap();
    assert_eq!(cache.stats().commits_unknown, 0);
}

#[test]
fn an_error_that_may_have_rolled_back_tells_nobody() {
    let (cache, _arena, mut conn, notes) = prepared();
    conn.transaction(|conn| {
        new("c").create::<User>(conn)?;
        let wrong = diesel::sql_query("SELECT no_such_column FROM users").execute(conn);
        assert!(wrong.is_err());
        QueryResult::Ok(())
    })
    .unwrap();
    assert_eq!(notes.take().len(), 0);
    assert_eq!(cache.stats().commits_unknown, 1);
    // A savepoint that is there proves that the transaction is.
    conn.transaction(|conn| {
        new("d").create::<User>(conn)?;
        let inner: QueryResult<usize> = conn.transaction(|conn| {
            diesel::sql_query("SELECT no_such_column FROM users").execute(conn)
        });
        assert!(inner.is_err());
        QueryResult::Ok(())
    })
    .unwrap();
    assert_eq!(notes.take(), ["Created d"]);
}

#[test]
fn a_deadlock_rolls_back_and_tells_nobody() {
    let (cache, arena, mut conn, notes) = prepared();
    let mut other = arena.connect();
    cache.attach(&mut other).unwrap();
    for conn in [&mut conn, &mut other] {
        conn.batch_execute("BEGIN").unwrap();
    }
    user(1, "a").save(&mut conn).unwrap();
    user(2, "b").save(&mut other).unwrap();
    let results = std::thread::scope(|scope| {
        let first = scope.spawn(|| user(2, "a2").save(&mut conn));
        let second = user(1, "b1").save(&mut other);
        [first.join().unwrap(), second]
    });
    let victims: Vec<bool> = results.iter().map(Result::is_err).collect();
    assert!(victims.contains(&true), "{results:?}");
    assert!(
        results.iter().any(|result| matches!(
            result,
            Err(Error::DatabaseError(
                diesel::result::DatabaseErrorKind::SerializationFailure,
                _
            ))
        )),
        "{results:?}"
    );
    for (conn, victim) in [(&mut conn, victims[0]), (&mut other, victims[1])] {
        // It goes on as if nothing had happened.
        conn.batch_execute("COMMIT").unwrap();
        assert_eq!(notes.take().len(), if victim { 0 } else { 2 });
    }
    let unknown = victims.iter().filter(|victim| **victim).count();
    assert_eq!(cache.stats().commits_unknown, unknown as u64);
}
