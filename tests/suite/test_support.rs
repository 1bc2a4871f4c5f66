//! The module for the tests of applications.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel_cache::test::{self, Kind, TestCache};
use diesel_cache::{Bypass, Cache, CachedDsl, Error, Report, Unstored};

use crate::support::{Notes, attached, authors, posts};

type Titles = QueryResult<Vec<String>>;

fn titles(conn: &mut SqliteConnection) -> Titles {
    let query = posts::table.select(posts::title).order(posts::id);
    let plain: Vec<String> = query.load(conn)?;
    let cached: Vec<String> = query.cached().load(conn)?;
    assert_eq!(cached, plain);
    Ok(cached)
}

fn names(conn: &mut SqliteConnection) -> Titles {
    let query = authors::table.select(authors::name).order(authors::id);
    query.cached().load(conn)
}

fn set_title(conn: &mut SqliteConnection, title: &str) -> QueryResult<usize> {
    diesel::update(posts::table)
        .set(posts::title.eq(title))
        .execute(conn)
}

/// A cache, and a connection in a test transaction.
fn begun() -> (TestCache, SqliteConnection) {
    let cache = test::cache();
    let mut conn = attached(&cache);
    test::begin(&mut conn).unwrap();
    (cache, conn)
}

fn message(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    panic
        .downcast_ref::<String>()
        .cloned()
        .unwrap_or_else(|| (*panic.downcast_ref::<&str>().unwrap()).to_owned())
}

#[test]
fn a_backend_records_each_round_trip() {
    let cache = test::cache();
    let mut conn = attached(&cache);
    let backend = cache.backend();
    let kinds = |backend: &test::RecordingBackend<_>| -> Vec<Kind> {
        let commands = backend.clear_commands();
        commands.into_iter().map(|command| command.kind).collect()
    };
    names(&mut conn).unwrap();
    names(&mut conn).unwrap();
    backend.clear_commands();
    names(&mut conn).unwrap();
    // A hit is one round trip.
    let hit = backend.commands();
    assert_eq!(kinds(backend), [Kind::Fetch]);
    assert!(hit[0].key.is_some() && hit[0].tags > 3);
    diesel::update(authors::table)
        .set(authors::name.eq(authors::name))
        .execute(&mut conn)
        .unwrap();
    assert_eq!(kinds(backend), [Kind::Quarantine, Kind::LiftRenew]);
    names(&mut conn).unwrap();
    let miss = backend.commands();
    assert_eq!(kinds(backend), [Kind::Fetch, Kind::Establish, Kind::Put]);
    assert_eq!((miss[0].key, miss[2].key), (hit[0].key, hit[0].key));
    titles(&mut conn).unwrap();
    assert_ne!(backend.commands()[0].key, hit[0].key);
    assert_eq!(backend.count(Kind::Put), 1);
    cache.clear();
    assert_eq!(
        (backend.count(Kind::Renew), backend.count(Kind::Clear)),
        (1, 1)
    );
}

#[test]
fn each_cache_has_a_namespace_of_its_own() {
    let digest = |cache: &TestCache, conn: &mut SqliteConnection| {
        cache.attach(conn).unwrap();
        cache.backend().clear_commands();
        names(conn).unwrap();
        cache.backend().commands()[0].key
    };
    let (one, two) = (test::cache(), test::cache());
    let mut conn = attached(&one);
    let of_one = digest(&one, &mut conn);
    assert_ne!(of_one, digest(&two, &mut conn));
}

#[test]
fn assertions_say_what_became_of_the_read() {
    let cache = test::cache();
    let mut conn = attached(&cache);
    let said = message(|| {
        test::assert_hit(&cache, || names(&mut conn)).unwrap();
    });
    assert_eq!(said, "expected a hit, but it was a miss");
    let said = message(|| {
        test::assert_miss(&cache, || names(&mut conn)).unwrap();
    });
    assert_eq!(said, "expected a miss, but it was a hit");
    let said = message(|| test::assert_hit(&cache, || ()));
    assert!(said.contains("no cached read on a connection"), "{said}");
    let said = message(|| {
        test::assert_hit(&cache, || {
            names(&mut conn).unwrap();
            names(&mut conn).unwrap();
        });
    });
    assert_eq!(
        said,
        "expected a hit, but it was more than one read: 2 × a hit"
    );
    cache.set_enabled(false);
    let said = message(|| {
        test::assert_hit(&cache, || names(&mut conn)).unwrap();
    });
    assert_eq!(
        said,
        "expected a hit, but it was a bypass (cache switched off)"
    );
    test::assert_bypass(&cache, Bypass::Disabled, || names(&mut conn)).unwrap();
    let said = message(|| {
        test::assert_bypass(&cache, Bypass::OwnWrites, || names(&mut conn)).unwrap();
    });
    assert_eq!(
        said,
        "expected a bypass (own uncommitted writes), but it was a bypass (cache switched off)"
    );
    let said = message(|| test::assert_invalidated_by(&mut conn, names, |_| Ok(())));
    assert!(said.contains("must hit when it is repeated"), "{said}");
}

#[test]
fn assertions_around_a_write_tell_both_ways() {
    let cache = test::cache();
    let mut conn = attached(&cache);
    test::assert_invalidated_by(&mut conn, titles, |conn| set_title(conn, "x"));
    test::assert_not_invalidated_by(&mut conn, names, |conn| set_title(conn, "y"));
    let said = message(|| {
        test::assert_not_invalidated_by(&mut conn, titles, |conn| set_title(conn, "z"));
    });
    assert!(
        said.contains("but it was a miss: the write touched"),
        "{said}"
    );
    let said = message(|| {
        test::assert_invalidated_by(&mut conn, names, |conn| set_title(conn, "z"));
    });
    assert!(
        said.contains("but it was a hit: the write did not touch"),
        "{said}"
    );
    let said = message(|| {
        let failed = |_: &mut SqliteConnection| Err::<(), _>(DieselError::NotFound);
        test::assert_invalidated_by(&mut conn, names, failed);
    });
    assert!(said.contains("the write failed"), "{said}");
    let mut alone = SqliteConnection::establish(":memory:").unwrap();
    let said = message(|| test::assert_invalidated_by(&mut alone, names, |_| Ok(())));
    assert!(said.contains("no cache is attached"), "{said}");
}

#[test]
fn statements_in_the_test_transaction_count_as_autocommit() {
    let (cache, mut conn) = begun();
    let read = |conn: &mut SqliteConnection| test::assert_hit(&cache, || names(conn));
    test::assert_miss(&cache, || names(&mut conn)).unwrap();
    read(&mut conn).unwrap();
    test::assert_invalidated_by(&mut conn, titles, |conn| set_title(conn, "x"));
    assert_eq!(titles(&mut conn).unwrap(), ["x"; 3]);
}

#[test]
fn commits_and_rollbacks_are_played() {
    let (cache, mut conn) = begun();
    titles(&mut conn).unwrap();
    for round in 0..3 {
        let title = format!("round {round}");
        // A rollback invalidates nothing.
        let undone = conn.transaction(|conn| {
            set_title(conn, "never")?;
            test::assert_bypass(&cache, Bypass::OwnWrites, || titles(conn))?;
            Err::<(), _>(DieselError::RollbackTransaction)
        });
        assert!(undone.is_err());
        test::assert_hit(&cache, || titles(&mut conn)).unwrap();
        // What is not touched hits inside, too.
        names(&mut conn).unwrap();
        conn.transaction(|conn| {
            set_title(conn, &title)?;
            test::assert_hit(&cache, || names(conn))?;
            // A savepoint inside that is rolled back.
            let undone = conn.transaction(|conn| {
                set_title(conn, "never")?;
                Err::<(), _>(DieselError::RollbackTransaction)
            });
            assert!(undone.is_err());
            test::assert_bypass(&cache, Bypass::OwnWrites, || titles(conn))?;
            QueryResult::Ok(())
        })
        .unwrap();
        test::assert_miss(&cache, || titles(&mut conn)).unwrap();
        test::assert_hit(&cache, || titles(&mut conn)).unwrap();
        assert_eq!(titles(&mut conn).unwrap()[0], title);
    }
}

#[test]
fn an_error_is_asked_about() {
    let (cache, mut conn) = begun();
    let duplicate = |conn: &mut SqliteConnection| {
        diesel::insert_into(authors::table)
            .values((authors::id.eq(1), authors::name.eq("Ada")))
            .execute(conn)
    };
    names(&mut conn).unwrap();
    assert!(duplicate(&mut conn).is_err());
    // The failed statement counts as a write, and the transaction is still open.
    test::assert_miss(&cache, || names(&mut conn)).unwrap();
    test::assert_hit(&cache, || names(&mut conn)).unwrap();
    let failed = conn.transaction(|conn| duplicate(conn));
    assert!(failed.is_err());
    // The savepoint was found, so nothing was lost.
    test::assert_hit(&cache, || names(&mut conn)).unwrap();
    // With an error inside of a commit.
    conn.transaction(|conn| {
        assert!(duplicate(conn).is_err());
        set_title(conn, "x")
    })
    .unwrap();
    assert_eq!(titles(&mut conn).unwrap(), ["x"; 3]);
    test::assert_hit(&cache, || titles(&mut conn)).unwrap();
    // `RETURNING` may keep an error back.
    let id: i32 = diesel::insert_into(authors::table)
        .values(authors::name.eq("Cleo"))
        .returning(authors::id)
        .get_result(&mut conn)
        .unwrap();
    assert_eq!(id, 3);
    test::assert_miss(&cache, || names(&mut conn)).unwrap();
    test::assert_hit(&cache, || names(&mut conn)).unwrap();
}

#[test]
fn a_transaction_that_the_database_ends_is_noticed() {
    let trigger = "CREATE TRIGGER ends BEFORE UPDATE ON tags
                   BEGIN SELECT RAISE(ROLLBACK, 'over'); END";
    for (ends, reason) in [
        ("UPDATE tags SET weight = 9", Bypass::UnknownTransaction),
        (
            "INSERT OR ROLLBACK INTO authors VALUES (1, 'Ada')",
            Bypass::Unidentified,
        ),
    ] {
        let cache = test::cache();
        let mut conn = attached(&cache);
        conn.batch_execute(trigger).unwrap();
        titles(&mut conn).unwrap();
        test::begin(&mut conn).unwrap();
        set_title(&mut conn, "inside").unwrap();
        test::assert_miss(&cache, || titles(&mut conn)).unwrap();
        assert!(diesel::sql_query(ends).execute(&mut conn).is_err());
        // The rows of before, and no longer from the cache.
        for _ in 0..2 {
            let found = test::assert_bypass(&cache, reason, || titles(&mut conn)).unwrap();
            assert_eq!(found, ["one", "two", "three"]);
        }
    }
}

#[test]
fn raw_control_statements_are_followed() {
    let (cache, mut conn) = begun();
    titles(&mut conn).unwrap();
    // SQLite refuses it, as a transaction is open.
    assert!(conn.batch_execute("BEGIN").is_err());
    titles(&mut conn).unwrap();
    test::assert_hit(&cache, || titles(&mut conn)).unwrap();
    conn.batch_execute("SAVEPOINT a").unwrap();
    set_title(&mut conn, "a").unwrap();
    conn.batch_execute("ROLLBACK TO a").unwrap();
    test::assert_hit(&cache, || titles(&mut conn)).unwrap();
    // The savepoint is still there, and what counted as committed is undone with it.
    test::assert_invalidated_by(&mut conn, titles, |conn| set_title(conn, "b"));
    test::assert_invalidated_by(&mut conn, titles, |conn| {
        conn.batch_execute("ROLLBACK TO a")
    });
    assert_eq!(titles(&mut conn).unwrap()[0], "one");
    conn.batch_execute("SAVEPOINT b; UPDATE posts SET title = 'c'; RELEASE b; RELEASE a")
        .unwrap();
    test::assert_miss(&cache, || titles(&mut conn)).unwrap();
    assert_eq!(titles(&mut conn).unwrap()[0], "c");
    test::assert_hit(&cache, || titles(&mut conn)).unwrap();
    // A savepoint that does not exist.
    assert!(conn.batch_execute("RELEASE nothing").is_err());
    test::assert_bypass(&cache, Bypass::UnknownTransaction, || titles(&mut conn)).unwrap();
}

#[test]
fn what_waits_for_a_commit_runs_when_it_is_played() {
    let (cache, mut conn) = begun();
    let notes = Notes::new();
    let hook = |conn: &mut SqliteConnection, what: &'static str| {
        let told = notes.clone();
        cache.on_commit(conn, move || told.add(what)).unwrap();
    };
    hook(&mut conn, "at once");
    assert_eq!(notes.take(), ["at once"]);
    for _ in 0..2 {
        let undone = conn.transaction(|conn| {
            hook(conn, "never");
            Err::<(), _>(DieselError::RollbackTransaction)
        });
        assert!(undone.is_err());
        conn.transaction(|conn| {
            conn.transaction(|conn| {
                hook(conn, "committed");
                QueryResult::Ok(())
            })?;
            assert_eq!(notes.take(), [""; 0]);
            QueryResult::Ok(())
        })
        .unwrap();
        assert_eq!(notes.take(), ["committed"]);
    }
    conn.batch_execute("ROLLBACK").unwrap();
    assert_eq!(notes.take(), [""; 0]);
}

#[test]
fn the_end_of_the_test_transaction_clears_the_cache() {
    let (cache, mut conn) = begun();
    set_title(&mut conn, "inside").unwrap();
    titles(&mut conn).unwrap();
    assert_eq!(cache.stats().usage.entries, 1);
    conn.batch_execute("ROLLBACK").unwrap();
    assert_eq!(cache.stats().usage.entries, 0);
    test::assert_miss(&cache, || titles(&mut conn)).unwrap();
    test::assert_hit(&cache, || titles(&mut conn)).unwrap();
    assert_eq!(titles(&mut conn).unwrap()[0], "one");
    // It is an ordinary connection again.
    conn.batch_execute("BEGIN").unwrap();
    let isolation = Bypass::Isolation;
    test::assert_bypass(&cache, isolation, || titles(&mut conn)).unwrap();
    conn.batch_execute("COMMIT").unwrap();

    let (cache, mut conn) = begun();
    titles(&mut conn).unwrap();
    drop(conn);
    assert_eq!(cache.stats().usage.entries, 0);
}

#[test]
fn a_schema_that_is_not_committed_is_not_gone_by() {
    let (cache, mut conn) = begun();
    titles(&mut conn).unwrap();
    conn.batch_execute("CREATE VIEW v AS SELECT title FROM posts")
        .unwrap();
    test::assert_bypass(&cache, Bypass::Unidentified, || titles(&mut conn)).unwrap();
}

#[test]
fn other_connections_see_nothing_of_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let url = file.path().to_str().unwrap();
    let cache = test::cache();
    let open = || {
        let mut conn = SqliteConnection::establish(url).unwrap();
        cache.attach(&mut conn).unwrap();
        conn
    };
    SqliteConnection::establish(url)
        .unwrap()
        .batch_execute(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL);
             INSERT INTO posts VALUES (1, 'one')",
        )
        .unwrap();
    let (mut outside, mut inside) = (open(), open());
    titles(&mut outside).unwrap();
    // As long as nothing is begun, they share what is read.
    test::assert_hit(&cache, || titles(&mut inside)).unwrap();
    test::begin(&mut inside).unwrap();
    set_title(&mut inside, "inside").unwrap();
    for _ in 0..2 {
        assert_eq!(titles(&mut inside).unwrap(), ["inside"]);
        assert_eq!(titles(&mut outside).unwrap(), ["one"]);
    }
    test::assert_hit(&cache, || titles(&mut inside)).unwrap();
    test::assert_hit(&cache, || titles(&mut outside)).unwrap();
    // Committed after all, it is seen.
    inside.batch_execute("COMMIT").unwrap();
    assert_eq!(titles(&mut outside).unwrap(), ["inside"]);
    assert_eq!(titles(&mut inside).unwrap(), ["inside"]);
    test::assert_hit(&cache, || titles(&mut outside)).unwrap();
}

#[test]
fn values_are_not_made_of_what_is_not_committed() {
    let (cache, mut conn) = begun();
    let report = Report::new();
    let conn = &mut conn;
    set_title(conn, "inside").unwrap();
    let cached = || posts::table.select(posts::title).order(posts::id).cached();
    // Neither of rows from the database, nor of those from the cache.
    for times in 1..3 {
        let made = cache.value("titles").report(&report);
        let made: QueryResult<Vec<String>> =
            made.get_or_insert_with(|value| cached().within(value).load(conn));
        assert_eq!(made.unwrap(), ["inside"; 3]);
        assert_eq!(report.unstored(), Some(Unstored::Transaction));
        assert_eq!(cache.stats().usage.entries, 1, "{times}");
    }
    assert!(cache.stats().hits > 0);
}

#[test]
fn only_a_cache_for_tests_takes_part() {
    let refusal = |conn: &mut SqliteConnection| {
        let error = test::begin(conn).unwrap_err();
        assert!(matches!(error, Error::TestTransaction { .. }));
        error.to_string()
    };
    let shared = Cache::from_url("memory://").unwrap();
    let mut conn = attached(&shared);
    assert!(refusal(&mut conn).contains("others may share it"));
    let mut alone = SqliteConnection::establish(":memory:").unwrap();
    assert!(refusal(&mut alone).contains("no cache is attached"));
    let (_cache, mut conn) = begun();
    assert!(refusal(&mut conn).contains("open already"));
    let made = test::cache_with(|builder| builder.jitter(0.0)).unwrap();
    test::begin(&mut attached(&made)).unwrap();
    assert!(test::cache_with(|builder| builder.url("memory://")).is_err());
}
