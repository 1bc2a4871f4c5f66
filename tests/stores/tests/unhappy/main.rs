//! Ways in which a shared store was once wrong.
#![allow(clippy::unwrap_used, reason = "a failure fails the test")]
#![allow(missing_docs, reason = "Diesel's macros make public items")]

mod deaf;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;
use diesel_cache::backend::CacheBackend;
use diesel_cache::test::{Kind, RecordingBackend};
use diesel_cache::{Builder, Bypass, Cache, CachedDsl, OnUnreachable, Outcome, Report};
use diesel_cache_faults::RedisServer;
use diesel_cache_stores::{connect, until};

use deaf::Deaf;

diesel::table! {
    items (id) {
        id -> Integer,
        name -> Text,
    }
}

const NAMESPACE: &str = "unhappy";

fn database(path: &Path) -> SqliteConnection {
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    conn.batch_execute(
        "PRAGMA busy_timeout = 5000; CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         INSERT OR IGNORE INTO items VALUES (1, 'old');",
    )
    .unwrap();
    conn
}

/// A server, and a database in a folder.
fn world() -> (RedisServer, tempfile::TempDir, SqliteConnection) {
    let server = RedisServer::start(&[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let conn = database(&folder.path().join("app.db"));
    (server, folder, conn)
}

/// A cache over that store, to be built.
fn over(backend: impl CacheBackend) -> Builder {
    Cache::builder().backend(backend).namespace(NAMESPACE)
}

fn cache(server: &RedisServer) -> Cache {
    over(connect(&server.url(), NAMESPACE)).build().unwrap()
}

fn read(conn: &mut SqliteConnection) -> (String, Outcome) {
    let report = Report::new();
    let query = items::table
        .select(items::name)
        .filter(items::id.eq(1))
        .cached()
        .report(&report);
    let names: Vec<String> = query.load(conn).unwrap();
    (names.join(""), report.outcome().unwrap())
}

fn until_hit(conn: &mut SqliteConnection) {
    until("the gate is open", || read(conn).1 == Outcome::Hit);
}

fn rename(conn: &mut SqliteConnection, name: &str) -> QueryResult<usize> {
    diesel::update(items::table.filter(items::id.eq(1)))
        .set(items::name.eq(name))
        .execute(conn)
}

/// Whether it comes about within a few seconds.
fn soon(mut so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(6);
    while Instant::now() < end {
        if so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// A write that stands between its quarantine and the database, while `meanwhile` runs; its
/// lift then does not reach the store. Returns what a reader is told afterwards.
fn read_after(
    path: &Path,
    server: &RedisServer,
    meanwhile: impl FnOnce(&mut SqliteConnection),
) -> (String, Outcome) {
    let mut conn = database(path);
    let deaf = Deaf::new(connect(&server.url(), NAMESPACE));
    let writer_cache = over(deaf.clone()).build().unwrap();
    let reader_cache = cache(server);
    let (started, has_started) = channel();
    let (go, may_go) = channel::<()>();
    let armed = Arc::new(AtomicBool::new(false));
    let is_armed = Arc::clone(&armed);
    let may_go = std::sync::Mutex::new(may_go);
    writer_cache
        .attach_with(&mut conn, move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event
                && query.to_string().contains("UPDATE")
                && is_armed.load(Ordering::SeqCst)
            {
                started.send(()).unwrap();
                may_go.lock().unwrap().recv().unwrap();
            }
        })
        .unwrap();
    until_hit(&mut conn);
    let mut reader = database(path);
    reader_cache.attach(&mut reader).unwrap();
    until_hit(&mut reader);
    armed.store(true, Ordering::SeqCst);
    let writer = std::thread::spawn(move || {
        rename(&mut conn, "new").unwrap();
        conn
    });
    has_started.recv().unwrap();
    assert_eq!(
        read(&mut reader).1,
        Outcome::Bypass(Bypass::Quarantined),
        "the write is announced"
    );
    meanwhile(&mut reader);
    let _ = read(&mut reader);
    // The process is cut off from the store: strong says that its quarantine stands.
    deaf.close_ears(true);
    go.send(()).unwrap();
    let conn = writer.join().unwrap();
    let told = read(&mut reader);
    drop((conn, writer_cache));
    told
}

#[test]
fn control_a_write_that_is_cut_off_keeps_its_quarantine() {
    let server = RedisServer::start(&[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let told = read_after(&folder.path().join("app.db"), &server, |_| {});
    assert_eq!(
        told,
        ("new".to_owned(), Outcome::Bypass(Bypass::Quarantined))
    );
}

#[test]
fn a_database_of_the_same_file_name_elsewhere_is_no_evidence() {
    let server = RedisServer::start(&[]).unwrap();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let other_path = two.path().join("app.db");
    let told = read_after(&one.path().join("app.db"), &server, |_| {
        let mut other = database(&other_path);
        cache(&server).attach(&mut other).unwrap();
    });
    assert_eq!(told.0, "new", "a stale read: {told:?}");
}

#[test]
fn a_lock_file_that_was_deleted_is_no_evidence() {
    let server = RedisServer::start(&[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let told = read_after(&path, &server, |reader| {
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            if file.file_name().to_str().unwrap().contains("-cache-") {
                std::fs::remove_file(file.path()).unwrap();
            }
        }
        std::thread::sleep(Duration::from_millis(60));
        let _ = read(reader);
    });
    assert_eq!(told.0, "new", "a stale read: {told:?}");
}

#[test]
fn a_word_in_a_value_takes_no_mark_away() {
    let (server, _folder, mut conn) = world();
    let store = RecordingBackend::new(connect(&server.url(), NAMESPACE));
    let cache = over(store.clone()).build().unwrap();
    cache.attach(&mut conn).unwrap();
    until_hit(&mut conn);
    let before = store.count(Kind::Quarantine);
    rename(&mut conn, "kept").unwrap();
    let once = store.count(Kind::Quarantine);
    assert!(once > before, "a write is announced");
    rename(&mut conn, "discarded").unwrap();
    assert!(store.count(Kind::Quarantine) > once, "so is this one");
}

#[test]
fn a_word_in_a_value_aborts_no_transaction() {
    let (server, _folder, mut conn) = world();
    let cache = over(connect(&server.url(), NAMESPACE))
        .on_unreachable(OnUnreachable::Abort)
        .build()
        .unwrap();
    cache.attach(&mut conn).unwrap();
    until_hit(&mut conn);
    cache
        .transaction(&mut conn, |conn| rename(conn, "kept"))
        .unwrap();
    cache
        .transaction(&mut conn, |conn| rename(conn, "discarded"))
        .unwrap();
}

#[test]
fn a_value_that_was_written_here_is_not_served_before_that_is_delivered() {
    let (server, _folder, mut conn) = world();
    let store = Deaf::new(connect(&server.url(), NAMESPACE));
    let cache = over(store.clone()).build().unwrap();
    cache.attach(&mut conn).unwrap();
    until_hit(&mut conn);
    let value = |conn: &mut SqliteConnection| -> String {
        cache
            .get_or_insert_with("page", |page| {
                let query = items::table.select(items::name).cached().within(page);
                query.load::<String>(conn).map(|names| names.join(""))
            })
            .unwrap()
    };
    assert_eq!(value(&mut conn), "old");
    assert_eq!(value(&mut conn), "old");
    store.close_ears(true);
    rename(&mut conn, "new").unwrap();
    assert_eq!(read(&mut conn).0, "new", "a cached read");
    assert_eq!(value(&mut conn), "new", "a value");
}

#[test]
fn a_row_that_was_written_here_is_not_shown_before_that_is_delivered() {
    let (server, _folder, mut conn) = world();
    let store = Deaf::new(connect(&server.url(), NAMESPACE));
    let cache = over(store.clone()).build().unwrap();
    cache.attach(&mut conn).unwrap();
    // Which rows it depends on, only the stored list tells.
    let list = |conn: &mut SqliteConnection| {
        let report = Report::new();
        let all = items::table
            .select((items::id, items::name))
            .order(items::id);
        let all: Vec<(i32, String)> = all.cached().report(&report).load(conn).unwrap();
        (all[0].1.clone(), report.outcome().unwrap())
    };
    until("the list is stored", || list(&mut conn).1 == Outcome::Hit);
    store.close_ears(true);
    rename(&mut conn, "new").unwrap();
    let undelivered = Outcome::Bypass(Bypass::Undelivered);
    assert_eq!(list(&mut conn), ("new".to_owned(), undelivered));
    store.close_ears(false);
    assert!(cache.flush(Duration::from_secs(20)), "it is delivered");
    assert_eq!(list(&mut conn).0, "new");
}

#[test]
fn a_store_that_panics_in_the_background_is_asked_again() {
    let (server, _folder, mut conn) = world();
    let store = Deaf::new(connect(&server.url(), NAMESPACE));
    let cache = over(store.clone()).build().unwrap();
    cache.attach(&mut conn).unwrap();
    until_hit(&mut conn);
    store.close_ears(true);
    store.panic_at_beats(true);
    rename(&mut conn, "new").unwrap();
    // The worker has met with a panic by then.
    std::thread::sleep(Duration::from_millis(1500));
    store.panic_at_beats(false);
    store.close_ears(false);
    assert!(
        cache.flush(Duration::from_secs(20)),
        "nobody delivers what waits"
    );
    assert_eq!(read(&mut conn).0, "new");
    until_hit(&mut conn);
}

#[test]
fn a_database_in_memory_keeps_no_value_away() {
    let (server, _folder, mut conn) = world();
    let cache = cache(&server);
    cache.attach(&mut conn).unwrap();
    until_hit(&mut conn);
    let stored = || {
        let report = Report::new();
        let value = cache.value("page").depends_on("items").report(&report);
        let _: i32 = value.get_or_insert_with(|_| Ok::<_, ()>(1)).unwrap();
        report.outcome() == Some(Outcome::Hit)
    };
    assert!(soon(stored), "before");
    let mut other = database(Path::new(":memory:"));
    cache.attach(&mut other).unwrap();
    let _ = read(&mut other);
    assert!(
        soon(|| {
            let _ = read(&mut other);
            stored()
        }),
        "with a database in memory"
    );
}

#[test]
fn values_need_no_cached_reads() {
    let (server, _folder, mut conn) = world();
    let cache = cache(&server);
    cache.attach(&mut conn).unwrap();
    let mut last = None;
    let mut stored = || {
        let report = Report::new();
        let value = cache.value("page").depends_on("items").report(&report);
        let made = value.get_or_insert_on(&mut conn, |_, conn| {
            items::table.count().get_result::<i64>(conn)
        });
        assert_eq!(made, Ok(1));
        last = report.outcome();
        last == Some(Outcome::Hit)
    };
    assert!(soon(&mut stored), "{last:?}");
}

#[test]
fn a_database_that_is_gone_keeps_no_value_away_after_clear() {
    let server = RedisServer::start(&[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first.db");
    let cache = cache(&server);
    {
        let mut conn = database(&first);
        cache.attach(&mut conn).unwrap();
        until_hit(&mut conn);
    }
    std::fs::remove_file(&first).unwrap();
    let mut conn = database(&folder.path().join("second.db"));
    cache.attach(&mut conn).unwrap();
    until_hit(&mut conn);
    let stored = || {
        let report = Report::new();
        let value = cache.value("page").depends_on("items").report(&report);
        let _: i32 = value.get_or_insert_with(|_| Ok::<_, ()>(1)).unwrap();
        report.outcome() == Some(Outcome::Hit)
    };
    assert!(soon(stored), "before");
    cache.clear();
    until_hit(&mut conn);
    assert!(
        soon(stored),
        "after `clear`, although every database that there is can be read"
    );
}

#[test]
fn a_session_that_cannot_be_marked_may_write_where_the_store_is_in_reach() {
    let server = RedisServer::start(&[]).unwrap();
    let mut conn = database(Path::new(":memory:"));
    let cache = over(connect(&server.url(), NAMESPACE))
        .on_unreachable(OnUnreachable::Abort)
        .build()
        .unwrap();
    cache.attach(&mut conn).unwrap();
    cache
        .transaction(&mut conn, |conn| rename(conn, "new"))
        .unwrap();
}

#[test]
fn a_transaction_that_cannot_be_followed_is_aborted_too() {
    let (server, _folder, mut conn) = world();
    conn.batch_execute("CREATE TEMP TRIGGER t AFTER UPDATE ON items BEGIN SELECT 1; END")
        .unwrap();
    let store = Deaf::new(connect(&server.url(), NAMESPACE));
    let cache = over(store.clone())
        .on_unreachable(OnUnreachable::Abort)
        .build()
        .unwrap();
    cache.attach(&mut conn).unwrap();
    store.close_ears(true);
    let written = cache.transaction(&mut conn, |conn| rename(conn, "new"));
    assert!(written.is_err(), "{written:?} with the store out of reach");
}

#[test]
fn no_option_makes_connecting_panic() {
    use diesel_cache::backend::{RedisBackend, RedisOptions};
    let server = RedisServer::start(&[]).unwrap();
    for time in [Duration::ZERO, Duration::MAX] {
        let mut options = RedisOptions::default();
        options.connect_timeout = time;
        let _ = RedisBackend::connect(&server.url(), options);
        let mut options = RedisOptions::default();
        options.io_timeout = time;
        let _ = RedisBackend::connect(&server.url(), options);
    }
}

#[test]
fn a_table_can_be_invalidated_by_a_process_without_a_connection() {
    let server = RedisServer::start(&[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut conn = database(&folder.path().join("app.db"));
    let application = cache(&server);
    application.attach(&mut conn).unwrap();
    until_hit(&mut conn);
    let mut job =
        SqliteConnection::establish(folder.path().join("app.db").to_str().unwrap()).unwrap();
    job.batch_execute("UPDATE items SET name = 'new'").unwrap();
    cache(&server).invalidate_table("items");
    assert_eq!(read(&mut conn).0, "new");
}
