//! What becomes of a table's results when it is written: each strategy, and versions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::prelude::*;
use diesel_cache::backend::MemoryBackend;
use diesel_cache::event::Invalidation;
use diesel_cache::strategy::{Delete, Strategy, Ttl};
use diesel_cache::{Bypass, Cache, CacheModel, CachedDsl, Outcome, Report};

use crate::support::{attached, authors, memory, posts};

/// A model of posts with a strategy and a version.
macro_rules! model {
    ($name:ident, $table:ident, $strategy:expr, $version:expr) => {
        struct $name;

        impl CacheModel for $name {
            type Kept<'a> = diesel_cache::NoKeys;
            fn kept(&self) -> diesel_cache::NoKeys {
                diesel_cache::NoKeys
            }
            type Table = $table::table;
            const TABLE: &'static str = stringify!($table);
            const PRIMARY_KEY: &'static [&'static str] = &["id"];
            const TTL: Option<Duration> = None;
            const NEVER: bool = false;
            const DEPENDS_ON: &'static [&'static str] = &[];
            const VERSION: u32 = $version;
            const STRATEGY: &'static dyn Strategy = $strategy;
        }
    };
}

model!(Old, posts, &Ttl, 0);
model!(Removed, posts, &Delete, 0);
model!(Second, posts, &diesel_cache::strategy::Version, 2);
model!(Told, posts, &Counting, 0);

static TOLD: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug)]
struct Counting;

impl Strategy for Counting {
    fn name(&self) -> &str {
        "counting"
    }

    fn invalidated(&self, table: &str, event: &Invalidation) {
        assert!(table == "posts" && event.touches("posts"));
        TOLD.fetch_add(1, Ordering::SeqCst);
        panic!("on purpose");
    }
}

fn read(conn: &mut SqliteConnection) -> (Vec<String>, Outcome) {
    let report = Report::new();
    let titles = posts::table.select(posts::title).order(posts::id);
    let titles = titles.cached().report(&report).load(conn).unwrap();
    (titles, report.outcome().unwrap())
}

fn write(conn: &mut SqliteConnection, title: &str) {
    let update = diesel::update(posts::table.find(1)).set(posts::title.eq(title));
    assert_eq!(update.execute(conn).unwrap(), 1);
}

#[test]
fn version_gives_new_tokens_and_leaves_the_entry() {
    let cache = memory();
    let mut conn = attached(&cache);
    read(&mut conn);
    write(&mut conn, "new");
    assert_eq!(cache.stats().usage.entries, 1, "it dies unread");
    assert_eq!(read(&mut conn).0[0], "new");
}

#[test]
fn delete_removes_the_entries_of_the_table_at_once() {
    let cache = memory();
    cache.register::<Removed>();
    let mut conn = attached(&cache);
    read(&mut conn);
    let names = || authors::table.select(authors::name).cached();
    names().load::<String>(&mut conn).unwrap();
    let joined = posts::table
        .inner_join(authors::table)
        .select(authors::name);
    joined.cached().load::<String>(&mut conn).unwrap();
    assert_eq!(cache.stats().usage.entries, 3);
    write(&mut conn, "new");
    assert_eq!(cache.stats().usage.entries, 1, "what reads no post stays");
    assert_eq!(read(&mut conn).0[0], "new");
    // A rolled-back write removes nothing.
    let _ = conn.transaction(|conn| {
        write(conn, "never");
        QueryResult::<()>::Err(diesel::result::Error::RollbackTransaction)
    });
    assert_eq!(cache.stats().usage.entries, 2);
    cache.invalidate_table("posts");
    assert_eq!(cache.stats().usage.entries, 1);
    read(&mut conn);
    // A write that may have gone anywhere.
    diesel::sql_query("DROP TABLE tags")
        .execute(&mut conn)
        .unwrap();
    assert_eq!(cache.stats().usage.entries, 1);
}

#[test]
fn delete_also_removes_values_that_were_made_from_the_table() {
    let cache = memory();
    cache.register::<Removed>();
    let mut conn = attached(&cache);
    let page = cache.get_or_insert_with("page", |value| {
        let titles = posts::table.select(posts::title);
        titles.cached().within(value).load::<String>(&mut conn)
    });
    page.unwrap();
    assert!(cache.values().contains("page"));
    assert_eq!(cache.stats().usage.entries, 2);
    write(&mut conn, "new");
    assert_eq!(cache.stats().usage.entries, 0);
}

#[test]
fn ttl_lets_results_live_but_not_past_own_writes() {
    let cache = memory();
    cache.register::<Old>();
    let mut conn = attached(&cache);
    read(&mut conn);
    write(&mut conn, "new");
    let (titles, outcome) = read(&mut conn);
    assert_eq!(
        (titles[0].as_str(), outcome),
        ("one", Outcome::Hit),
        "old, as chosen"
    );
    let _ = conn.transaction(|conn| {
        write(conn, "mine");
        let (titles, outcome) = read(conn);
        assert_eq!(titles[0], "mine", "a transaction sees its own writes");
        assert_eq!(outcome, Outcome::Bypass(Bypass::OwnWrites));
        QueryResult::<()>::Err(diesel::result::Error::RollbackTransaction)
    });
    // What else is read is as fresh as ever.
    let joined = |conn: &mut SqliteConnection| {
        let names = posts::table
            .inner_join(authors::table)
            .filter(posts::id.eq(1));
        names
            .select(authors::name)
            .cached()
            .load::<String>(conn)
            .unwrap()
    };
    assert_eq!(joined(&mut conn), ["Ada"]);
    diesel::update(authors::table)
        .set(authors::name.eq("Grace"))
        .filter(authors::id.eq(1))
        .execute(&mut conn)
        .unwrap();
    assert_eq!(joined(&mut conn), ["Grace"]);
    cache.clear();
    assert_eq!(read(&mut conn).0[0], "new");
}

#[test]
fn the_stricter_of_two_models_counts() {
    let cache = memory();
    cache.register::<Old>();
    let mut conn = attached(&cache);
    read(&mut conn);
    cache.register::<Removed>();
    write(&mut conn, "new");
    assert_eq!(read(&mut conn).0[0], "new");
}

#[test]
fn a_strategy_of_ones_own_is_told_and_may_panic() {
    let cache = memory();
    cache.register::<Told>();
    let mut conn = attached(&cache);
    // It was told of the first look at the schema.
    let before = TOLD.load(Ordering::SeqCst);
    let panics = cache.stats().strategy_panics;
    read(&mut conn);
    write(&mut conn, "new");
    assert_eq!(TOLD.load(Ordering::SeqCst), before + 1);
    assert_eq!(cache.stats().strategy_panics, panics + 1);
    assert_eq!(read(&mut conn).0[0], "new");
    let _ = conn.transaction(|conn| {
        write(conn, "never");
        QueryResult::<()>::Err(diesel::result::Error::RollbackTransaction)
    });
    assert_eq!(
        TOLD.load(Ordering::SeqCst),
        before + 1,
        "nothing was committed"
    );
}

#[test]
fn programs_of_different_versions_share_no_result() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db").display().to_string();
    let store = Arc::new(MemoryBackend::new(1 << 20));
    let program = |version: u32, second: bool| {
        let builder = Cache::builder().backend(Arc::clone(&store));
        let cache = builder.version(version).build().unwrap();
        if second {
            cache.register::<Second>();
        }
        let mut conn = SqliteConnection::establish(&file).unwrap();
        let table =
            "CREATE TABLE IF NOT EXISTS posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL)";
        diesel::sql_query(table).execute(&mut conn).unwrap();
        cache.attach(&mut conn).unwrap();
        (cache, conn)
    };
    let mut programs = [(0, false), (0, false), (1, false), (0, true), (0, true)]
        .map(|(version, second)| program(version, second));
    // All have looked at the schema before any of them stores.
    let hits = programs
        .each_mut()
        .map(|(_, conn)| read(conn).1 == Outcome::Hit);
    assert_eq!(hits, [false, true, false, false, true]);
}
