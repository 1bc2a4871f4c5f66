//! What waits for the commit: `post_commit` and `on_commit`.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel_cache::{
    Cache, CacheInvalidate, CachedDsl, CreateAllDsl, CreateDsl, DeleteDsl, Outcome, Report, SaveDsl,
};

use crate::support::{Author, NewAuthor, Notes, Tag, attached, authors, memory, tags};

fn author(id: i32, name: &str) -> Author {
    Author {
        id,
        name: name.into(),
    }
}

/// Notes the names of the authors that are committed.
fn committed(cache: &Cache) -> Notes {
    let notes = Notes::new();
    let told = notes.clone();
    cache.on_post_commit::<Author>(move |event| {
        told.add(&event.instance.name);
        Ok(())
    });
    notes
}

fn note(notes: &Notes, what: &'static str) -> impl FnOnce() + Send + 'static {
    let told = notes.clone();
    move || told.add(what)
}

const NOBODY: [&str; 0] = [];

#[test]
fn in_autocommit_it_is_told_at_once() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = committed(&cache);
    author(1, "A").save(&mut conn).unwrap();
    assert_eq!(notes.take(), ["A"]);
    NewAuthor { name: "C" }.create::<Author>(&mut conn).unwrap();
    assert_eq!(notes.take(), ["C"]);
    author(1, "A").delete(&mut conn).unwrap();
    assert_eq!(notes.take(), ["A"]);
    cache.on_commit(&mut conn, note(&notes, "hook")).unwrap();
    assert_eq!(notes.take(), ["hook"]);
}

#[test]
fn hooks_wait_for_the_outermost_commit() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = committed(&cache);
    conn.transaction(|conn| {
        author(1, "A").save(conn)?;
        conn.transaction(|conn| {
            cache.on_commit(conn, note(&notes, "hook"))?;
            author(2, "B").save(conn)
        })?;
        NewAuthor { name: "C" }.create::<Author>(conn)?;
        assert_eq!(notes.take(), NOBODY);
        QueryResult::Ok(())
    })
    .unwrap();
    assert_eq!(notes.take(), ["A", "hook", "B", "C"]);
    assert_eq!(cache.stats().commits_unknown, 0);
}

#[test]
fn a_rolled_back_transaction_tells_nobody() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = committed(&cache);
    let rolled_back: QueryResult<()> = conn.transaction(|conn| {
        author(1, "A").save(conn)?;
        cache.on_commit(conn, note(&notes, "hook"))?;
        NewAuthor { name: "C" }.create::<Author>(conn)?;
        Err(Error::RollbackTransaction)
    });
    assert!(rolled_back.is_err());
    conn.batch_execute("BEGIN; COMMIT").unwrap();
    author(2, "B").save(&mut conn).unwrap();
    assert_eq!(notes.take(), ["B"]);
    assert_eq!(cache.stats().commits_unknown, 0);
}

#[test]
fn hooks_die_with_their_savepoint() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = committed(&cache);
    conn.transaction(|conn| {
        author(1, "before").save(conn)?;
        let inner: QueryResult<()> = conn.transaction(|conn| {
            author(2, "inside").save(conn)?;
            conn.transaction(|conn| author(2, "deep inside").save(conn))?;
            cache.on_commit(conn, note(&notes, "hook"))?;
            Err(Error::RollbackTransaction)
        });
        assert!(inner.is_err());
        author(2, "after").save(conn)
    })
    .unwrap();
    assert_eq!(notes.take(), ["before", "after"]);
}

#[test]
fn raw_transactions_and_savepoints_count() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = committed(&cache);
    let mut steps = |texts: &[&str]| {
        for (number, text) in texts.iter().enumerate() {
            match *text {
                "save" => author(1, &number.to_string()).save(&mut conn).unwrap(),
                sql => conn.batch_execute(sql).unwrap(),
            }
        }
        notes.take()
    };
    assert_eq!(steps(&["BEGIN", "save", "COMMIT"]), ["1"]);
    assert_eq!(steps(&["BEGIN", "save", "ROLLBACK"]), NOBODY);
    assert_eq!(
        steps(&[
            "SAVEPOINT a",
            "save",
            "SAVEPOINT b",
            "save",
            "ROLLBACK TO b",
            "save",
            "RELEASE a"
        ]),
        ["1", "5"]
    );
    assert_eq!(
        steps(&["BEGIN", "SAVEPOINT a", "save", "RELEASE a", "save", "END"]),
        ["2", "4"]
    );
    assert_eq!(
        steps(&["BEGIN", "save", "COMMIT; BEGIN", "save", "ROLLBACK"]),
        ["1"]
    );
}

#[test]
fn a_panic_in_a_transaction_tells_nobody() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = committed(&cache);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        conn.transaction::<(), Error, _>(|conn| {
            author(1, "A").save(conn)?;
            resume_unwind(Box::new("on purpose"))
        })
    }));
    assert!(panicked.is_err());
    // Diesel leaves the transaction open.
    conn.batch_execute("ROLLBACK").unwrap();
    author(2, "B").save(&mut conn).unwrap();
    assert_eq!(notes.take(), ["B"]);
}

#[test]
fn a_dropped_connection_tells_nobody() {
    let cache = memory();
    let notes = committed(&cache);
    let mut conn = attached(&cache);
    conn.batch_execute("BEGIN").unwrap();
    author(1, "A").save(&mut conn).unwrap();
    cache.on_commit(&mut conn, note(&notes, "hook")).unwrap();
    drop(conn);
    assert_eq!(notes.take(), NOBODY);
}

#[test]
fn a_receiver_that_reads_on_another_connection_sees_what_was_committed() {
    let cache = memory();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db.sqlite");
    let connect = || {
        let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
        conn.batch_execute("PRAGMA journal_mode = WAL").unwrap();
        conn
    };
    let mut conn = connect();
    conn.batch_execute(
        "CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         INSERT INTO authors VALUES (1, 'Ada')",
    )
    .unwrap();
    cache.attach(&mut conn).unwrap();
    let mut other = connect();
    cache.attach(&mut other).unwrap();
    let (notes, report) = (Notes::new(), Report::new());
    let read = move |conn: &mut SqliteConnection, report: &Report| -> String {
        let query = authors::table.find(1).select(authors::name);
        query.cached().report(report).first(conn).unwrap()
    };
    let warm = |other: &mut SqliteConnection| {
        read(other, &report);
        read(other, &report);
        assert_eq!(report.outcome(), Some(Outcome::Hit));
    };
    warm(&mut other);
    let other = Mutex::new(other);
    let told = notes.clone();
    cache.on_post_commit::<Author>(move |_| {
        let (mut other, report) = (other.lock().unwrap(), Report::new());
        told.add(&read(&mut other, &report));
        // The writer has no quarantine left: what was read is stored.
        let stored = Outcome::Miss {
            stored: true,
            joined: false,
        };
        assert_eq!(report.outcome(), Some(stored));
        Ok(())
    });
    author(1, "autocommit").save(&mut conn).unwrap();
    assert_eq!(notes.take(), ["autocommit"]);
    conn.transaction(|conn| author(1, "transaction").save(conn))
        .unwrap();
    assert_eq!(notes.take(), ["transaction"]);
    assert_eq!(cache.stats().receivers_failed, 0);
}

#[test]
fn failures_after_the_commit_change_nothing_and_are_counted() {
    let cache = memory();
    let mut conn = attached(&cache);
    cache.on_post_commit::<Author>(|_| Err("out of paper".into()));
    cache.on_post_commit::<Author>(|_| resume_unwind(Box::new("on purpose")));
    let notes = committed(&cache);
    author(1, "A").save(&mut conn).unwrap();
    assert_eq!(notes.take(), ["A"]);
    assert_eq!(cache.stats().receivers_failed, 2);
    conn.transaction(|conn| {
        author(1, "B").save(conn)?;
        cache.on_commit(conn, || resume_unwind(Box::new("on purpose")))?;
        cache.on_commit(conn, note(&notes, "hook"))
    })
    .unwrap();
    assert_eq!(notes.take(), ["B", "hook"]);
    assert_eq!(cache.stats().receivers_failed, 5);
    let name = authors::table.find(1).select(authors::name);
    assert_eq!(name.first::<String>(&mut conn), Ok("B".into()));
}

#[test]
fn a_commit_that_is_refused_and_repeated_is_told_once() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = committed(&cache);
    conn.batch_execute(
        "CREATE TABLE books (author_id INTEGER NOT NULL
             REFERENCES authors (id) DEFERRABLE INITIALLY DEFERRED)",
    )
    .unwrap();
    conn.batch_execute("BEGIN").unwrap();
    author(1, "A").save(&mut conn).unwrap();
    conn.batch_execute("INSERT INTO books VALUES (99)").unwrap();
    assert!(conn.batch_execute("COMMIT").is_err());
    assert_eq!(notes.take(), NOBODY);
    conn.batch_execute("DELETE FROM books").unwrap();
    conn.batch_execute("COMMIT").unwrap();
    assert_eq!(notes.take(), ["A"]);
    // Diesel rolls back what was refused.
    let refused = conn.transaction(|conn| {
        author(1, "B").save(conn)?;
        conn.batch_execute("INSERT INTO books VALUES (99)")
    });
    assert!(refused.is_err());
    author(1, "C").save(&mut conn).unwrap();
    assert_eq!(notes.take(), ["C"]);
}

diesel::table! {
    books (id) {
        id -> Integer,
        author_id -> Integer,
    }
}

#[derive(Debug, Clone, Queryable, Selectable, Identifiable, CacheInvalidate)]
struct Book {
    id: i32,
    author_id: i32,
}

#[test]
fn rows_that_come_before_their_error_are_not_told() {
    let cache = memory();
    let mut conn = attached(&cache);
    conn.batch_execute(
        "CREATE TABLE books (id INTEGER PRIMARY KEY, author_id INTEGER NOT NULL
             REFERENCES authors (id) DEFERRABLE INITIALLY DEFERRED)",
    )
    .unwrap();
    let notes = Notes::new();
    let told = notes.clone();
    cache.on_post_commit::<Book>(move |event| {
        told.add(&format!(
            "{} {}",
            event.instance.id, event.instance.author_id
        ));
        Ok(())
    });
    // SQLite returns the row, and finds the missing author when the statement ends.
    let refused = books::author_id.eq(99).create::<Book>(&mut conn);
    assert!(
        matches!(refused, Err(Error::DatabaseError(..))),
        "{refused:?}"
    );
    assert_eq!(notes.take(), NOBODY);
    books::author_id.eq(1).create::<Book>(&mut conn).unwrap();
    assert_eq!(notes.take(), ["1 1"]);
}

#[test]
fn what_the_database_rolls_back_by_itself_is_not_told() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = committed(&cache);
    let lost: QueryResult<()> = conn.transaction(|conn| {
        author(1, "A").save(conn)?;
        let end = "INSERT OR ROLLBACK INTO authors VALUES (1, 'twice')";
        assert!(conn.batch_execute(end).is_err());
        // In autocommit, behind everyone's back.
        author(2, "B").save(conn)
    });
    assert!(lost.is_err());
    conn.batch_execute("BEGIN").unwrap();
    author(2, "C").save(&mut conn).unwrap();
    conn.batch_execute("COMMIT").unwrap();
    assert_eq!(notes.take(), ["C"]);
    assert_eq!(
        cache.stats().commits_unknown,
        2,
        "A was lost, and B was not"
    );
}

#[test]
fn rows_that_were_returned_are_no_reason_to_doubt() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = committed(&cache);
    conn.transaction(|conn| {
        NewAuthor { name: "C" }.create::<Author>(conn)?;
        vec![NewAuthor { name: "D" }].create_all::<Author>(conn)?;
        // Nobody listens: it has no savepoint of its own that would prove anything.
        let tag = (tags::post_id.eq(5), tags::name.eq("z"), tags::weight.eq(1));
        tag.create::<Tag>(conn)?;
        let inner: QueryResult<()> = conn.transaction(|_| Err(Error::RollbackTransaction));
        assert!(inner.is_err());
        author(1, "A").save(conn)
    })
    .unwrap();
    assert_eq!(notes.take(), ["C", "D", "A"]);
}

#[test]
fn an_error_that_is_got_over_does_not_silence_the_commit() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = committed(&cache);
    conn.transaction(|conn| {
        author(1, "A").save(conn)?;
        let twice = author(2, "A").save(conn);
        assert!(matches!(twice, Err(Error::DatabaseError(..))));
        conn.transaction(|conn| author(2, "B").save(conn))
    })
    .unwrap();
    assert_eq!(notes.take(), ["A", "B"]);
}

#[test]
fn a_savepoint_that_may_have_begun_the_transaction_tells_of_itself_alone() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = committed(&cache);
    conn.transaction(|conn| {
        author(1, "A").save(conn)?;
        // It may have rolled back everything: SQLite can be told to, by the table.
        assert!(author(2, "A").save(conn).is_err());
        let inner = conn.transaction(|conn| author(2, "A").save(conn));
        assert!(inner.is_err());
        author(2, "B").save(conn)
    })
    .unwrap();
    assert_eq!(notes.take(), ["B"]);
    assert_eq!(cache.stats().commits_unknown, 1);
}

#[test]
fn a_test_transaction_never_commits() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = committed(&cache);
    conn.begin_test_transaction().unwrap();
    author(1, "A").save(&mut conn).unwrap();
    conn.transaction(|conn| author(2, "B").save(conn)).unwrap();
    assert_eq!(notes.take(), NOBODY);
}

#[test]
fn on_commit_refuses_a_connection_it_does_not_see() {
    let cache = memory();
    let mut conn = attached(&memory());
    let refused = cache.on_commit(&mut conn, || {});
    assert!(matches!(refused, Err(Error::QueryBuilderError(_))));
}

#[test]
fn a_receiver_that_comes_after_the_write_is_not_told() {
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = conn
        .transaction(|conn| {
            author(1, "A").save(conn)?;
            let notes = committed(&cache);
            author(2, "B").save(conn)?;
            QueryResult::Ok(notes)
        })
        .unwrap();
    assert_eq!(notes.take(), ["B"]);
}

#[test]
fn models_without_clone_are_saved_and_told_of_before_the_commit() {
    #[derive(Identifiable, AsChangeset, CacheInvalidate)]
    #[diesel(table_name = authors)]
    struct Rigid {
        id: i32,
        name: String,
    }
    let cache = memory();
    let mut conn = attached(&cache);
    let notes = Notes::new();
    let told = notes.clone();
    cache.on_post_save::<Rigid>(move |event| {
        told.add(&event.instance.name);
        Ok(())
    });
    let rigid = Rigid {
        id: 1,
        name: "R".into(),
    };
    rigid.save(&mut conn).unwrap();
    assert_eq!(notes.take(), ["R"]);
}
