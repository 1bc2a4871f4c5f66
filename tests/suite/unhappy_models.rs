//! Models, signals and test support where things go wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel_cache::{Cache, CacheInvalidate, CachedDsl, CreateDsl, Outcome, Report, SaveDsl, test};

use crate::support::{Author, attached, authors, memory, posts};

fn author(name: &str) -> Author {
    Author {
        id: 1,
        name: name.to_owned(),
    }
}

fn depth(conn: &mut SqliteConnection) -> Option<u32> {
    let status = AnsiTransactionManager::transaction_manager_status_mut(conn);
    status.transaction_depth().unwrap().map(Into::into)
}

fn name(conn: &mut SqliteConnection) -> String {
    let first = authors::table.find(1).select(authors::name);
    first.first(conn).unwrap()
}

fn count(conn: &mut SqliteConnection) -> QueryResult<i64> {
    authors::table.count().cached().get_result(conn)
}

#[test]
fn an_error_of_a_receiver_with_an_open_transaction_undoes_the_write() {
    let cache = memory();
    let mut conn = attached(&cache);
    cache.on_post_save_with::<Author, SqliteConnection>(|_, conn| {
        AnsiTransactionManager::begin_transaction(conn)?;
        conn.batch_execute("INSERT INTO nothing VALUES (1)")?;
        AnsiTransactionManager::commit_transaction(conn)
    });
    author("A").save(&mut conn).unwrap_err();
    assert_eq!(depth(&mut conn), None);
    assert_eq!(name(&mut conn), "Ada");
}

#[test]
fn a_receiver_that_leaves_a_transaction_open_undoes_the_write() {
    let cache = memory();
    let mut conn = attached(&cache);
    cache.on_post_save_with::<Author, SqliteConnection>(|_, conn| {
        let panics = |_: &mut SqliteConnection| -> QueryResult<()> { panic!("on purpose") };
        let caught = catch_unwind(AssertUnwindSafe(|| conn.transaction(panics)));
        assert!(caught.is_err());
        Ok(())
    });
    let error = author("A").save(&mut conn).unwrap_err();
    assert!(error.to_string().contains("left a transaction open"));
    assert_eq!(depth(&mut conn), None);
    assert_eq!(name(&mut conn), "Ada");
}

#[test]
fn a_receiver_that_ends_the_transaction_is_an_error() {
    let cache = memory();
    let mut conn = attached(&cache);
    cache.on_post_save_with::<Author, SqliteConnection>(|_, conn| {
        AnsiTransactionManager::commit_transaction(conn)
    });
    author("A").save(&mut conn).unwrap_err();
    assert_eq!(depth(&mut conn), None);
}

#[test]
fn what_waits_on_a_tracker_that_is_replaced_is_counted() {
    let cache = memory();
    let mut conn = attached(&cache);
    let told = Arc::new(AtomicUsize::new(0));
    let tells = Arc::clone(&told);
    cache.on_post_commit::<Author>(move |_| {
        tells.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    let attach_again = |conn: &mut SqliteConnection| {
        author("A").save(conn)?;
        cache.attach(conn).unwrap();
        QueryResult::Ok(())
    };
    conn.transaction(attach_again).unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 0);
    assert_eq!(cache.stats().commits_unknown, 1);
}

#[test]
fn a_commit_outside_of_a_transaction_changes_nothing() {
    let cache = memory();
    let mut conn = attached(&cache);
    let told = Arc::new(AtomicUsize::new(0));
    let tells = Arc::clone(&told);
    cache.on_post_commit::<Author>(move |_| {
        tells.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    conn.batch_execute("COMMIT").unwrap_err();
    author("A").save(&mut conn).unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 1);
    let report = Report::new();
    let count = || authors::table.count().cached().report(&report);
    for _ in 0..2 {
        count().get_result::<i64>(&mut conn).unwrap();
    }
    assert_eq!(report.outcome(), Some(Outcome::Hit));
}

diesel::table! { deferred (id) { id -> Integer, author_id -> Integer } }

#[derive(Debug, Clone, Queryable, Selectable, Identifiable, AsChangeset, CacheInvalidate)]
#[diesel(table_name = deferred)]
struct Deferred {
    id: i32,
    author_id: i32,
}

#[test]
fn a_create_that_the_database_takes_back_is_an_error() {
    let cache = memory();
    let mut conn = attached(&cache);
    conn.batch_execute(
        "CREATE TABLE deferred (id INTEGER PRIMARY KEY, author_id INTEGER NOT NULL
             REFERENCES authors (id) DEFERRABLE INITIALLY DEFERRED)",
    )
    .unwrap();
    let created = deferred::author_id.eq(99).create::<Deferred>(&mut conn);
    created.unwrap_err();
    let rows: i64 = deferred::table.count().get_result(&mut conn).unwrap();
    assert_eq!(rows, 0);
    let created = deferred::author_id.eq(1).create::<Deferred>(&mut conn);
    created.unwrap();
}

#[test]
fn names_that_would_never_be_found_are_refused() {
    for toml in [
        "[models.posts]\ndepends_on = [\" authors \"]",
        "[models.posts]\ndepends_on = ['\"authors\"']",
        "[models.posts]\ndepends_on = ['`authors`']",
        "[models.posts]\ndepends_on = ['[authors]']",
        "[models.\" posts \"]\nnever = true",
        "pure_functions = [\" half \"]",
    ] {
        let built = Cache::builder().config_toml(toml).build();
        assert!(built.is_err(), "{toml}");
    }
}

#[test]
fn a_write_that_reads_the_same_proves_nothing() {
    let cache = test::cache();
    let mut conn = attached(&cache);
    let passed = catch_unwind(AssertUnwindSafe(|| {
        test::assert_not_invalidated_by(&mut conn, count, |conn| {
            diesel::insert_into(authors::table)
                .values(authors::name.eq("x"))
                .execute(conn)?;
            count(conn)
        });
    }));
    let message = *passed.unwrap_err().downcast::<String>().unwrap();
    assert!(
        message.contains("the write reads through the cache"),
        "{message}"
    );
}

#[test]
fn a_test_cache_has_the_capacity_that_it_is_given() {
    let cache = test::cache_with(|builder| builder.capacity(1024)).unwrap();
    let mut conn = attached(&cache);
    for id in 0..50 {
        let later = posts::table.select(posts::id).filter(posts::id.gt(id));
        later.cached().load::<i32>(&mut conn).unwrap();
    }
    assert!(cache.stats().usage.bytes <= 1024);
    let backend = diesel_cache::backend::MemoryBackend::new(1024);
    test::cache_with(|builder| builder.backend(backend)).unwrap_err();
    test::cache_with(|builder| builder.url("memory://")).unwrap_err();
}
