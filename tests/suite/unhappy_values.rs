//! Values, strategies and subscriptions where things go wrong, or come in another order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_cache::backend::MemoryBackend;
use diesel_cache::event::Invalidation;
use diesel_cache::strategy::{Delete, Strategy, Ttl, Version};
use diesel_cache::{Cache, CacheModel, CachedDsl, Dependencies, Outcome, Report};

use crate::support::{attached, memory, posts};

/// A model with a strategy and a version.
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
model!(Strict, posts, &Version, 0);
model!(Second, posts, &Version, 2);

fn titles(conn: &mut SqliteConnection, value: &Dependencies) -> QueryResult<Vec<String>> {
    let titles = posts::table.select(posts::title).order(posts::id);
    titles.cached().within(value).load(conn)
}

fn rename_post(conn: &mut SqliteConnection, title: &str) {
    let update = diesel::update(posts::table.find(1)).set(posts::title.eq(title));
    assert_eq!(update.execute(conn).unwrap(), 1);
}

#[test]
fn a_panic_that_is_caught_makes_no_value() {
    let cache = memory();
    let mut conn = attached(&cache);
    let page = |conn: &mut SqliteConnection| {
        cache
            .get_or_insert_with("page", |outer| {
                let mut seen = Vec::new();
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    let inner = cache.value("inner").within(outer);
                    inner.get_or_insert_with(|inner| -> QueryResult<i32> {
                        seen = titles(conn, inner)?;
                        panic!("render");
                    })
                }));
                QueryResult::Ok(seen)
            })
            .unwrap()
    };
    assert_eq!(page(&mut conn)[0], "one");
    rename_post(&mut conn, "new");
    assert_eq!(page(&mut conn)[0], "new");
}

#[derive(Debug, Clone, diesel::deserialize::FromSqlRow)]
struct Bomb(#[allow(dead_code, reason = "only loaded")] String);
impl diesel::deserialize::FromSql<diesel::sql_types::Text, diesel::sqlite::Sqlite> for Bomb {
    fn from_sql(
        bytes: <diesel::sqlite::Sqlite as diesel::backend::Backend>::RawValue<'_>,
    ) -> diesel::deserialize::Result<Self> {
        let s = <String as diesel::deserialize::FromSql<
            diesel::sql_types::Text,
            diesel::sqlite::Sqlite,
        >>::from_sql(bytes)?;
        assert!(s != "one", "cannot be");
        Ok(Self(s))
    }
}

#[test]
fn a_row_that_panics_makes_no_value() {
    // A cached read whose row panics, caught, tells nothing.
    let cache = memory();
    let mut conn = attached(&cache);
    let page = |conn: &mut SqliteConnection| {
        let v = cache.value("page");
        v.get_or_insert_with(|outer| {
            let ok = catch_unwind(AssertUnwindSafe(|| {
                posts::table
                    .order(posts::id)
                    .select(posts::title)
                    .cached()
                    .within(outer)
                    .load::<Bomb>(conn)
                    .is_ok()
            }));
            QueryResult::Ok(ok.unwrap_or(false))
        })
        .unwrap()
    };
    assert!(!page(&mut conn));
    rename_post(&mut conn, "new");
    assert!(page(&mut conn));
}

#[test]
fn a_scoped_read_of_a_named_table_needs_the_handle() {
    let cache = memory();
    let mut conn = attached(&cache);
    let mut ask = |who: &str| {
        let conn = &mut conn;
        cache
            .value("v")
            .depends_on("posts")
            .get_or_insert_with(|_| {
                posts::table
                    .filter(posts::title.ne(who))
                    .select(posts::title)
                    .cached()
                    .scope(who)
                    .load::<String>(conn)
            })
            .unwrap()
    };
    assert_eq!(ask("one").len(), 2);
    assert_eq!(ask("nobody").len(), 3, "served to the wrong asker");
}

#[test]
fn a_tagged_read_of_a_named_table_needs_the_handle() {
    let cache = memory();
    let mut conn = attached(&cache);
    let mut other = 0;
    let mut ask = || {
        let conn = &mut conn;
        let n = &mut other;
        cache
            .value("v")
            .depends_on("posts")
            .get_or_insert_with(|_| {
                *n += 1;
                let q = posts::table.select(posts::title);
                q.cached().tag("feed").load::<String>(conn).map(|_| *n)
            })
            .unwrap()
    };
    assert_eq!(ask(), 1);
    cache.invalidate_tag("feed");
    assert_eq!(ask(), 2);
}

#[test]
fn a_plain_value_in_place_of_a_computed_one_is_not_removed_with_a_table() {
    let cache = memory();
    cache.register::<Removed>();
    let mut conn = attached(&cache);
    cache
        .get_or_insert_with("page", |value| titles(&mut conn, value))
        .unwrap();
    let values = cache.values();
    assert!(values.set("page", 7, None));
    rename_post(&mut conn, "new");
    assert_eq!(
        values.get::<i32>("page"),
        Some(7),
        "no write invalidates it"
    );
}

#[test]
fn the_delete_strategy_leaves_other_databases_alone() {
    let cache = memory();
    cache.register::<Removed>();
    let folder = tempfile::tempdir().unwrap();
    let connect = |name: &str| {
        let file = folder.path().join(name).display().to_string();
        let mut conn = SqliteConnection::establish(&file).unwrap();
        conn.batch_execute(
            "CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL);
             INSERT INTO posts VALUES (1, 'one')",
        )
        .unwrap();
        cache.attach(&mut conn).unwrap();
        conn
    };
    let (mut one, mut two) = (connect("one"), connect("two"));
    let read = |conn: &mut SqliteConnection| {
        let report = Report::new();
        let titles = posts::table.select(posts::title).cached().report(&report);
        titles.load::<String>(conn).unwrap();
        report.outcome().unwrap()
    };
    read(&mut one);
    read(&mut two);
    rename_post(&mut one, "new");
    assert_eq!(cache.stats().usage.entries, 1);
    assert_eq!(read(&mut two), Outcome::Hit);
}

#[test]
fn the_delete_strategy_removes_values_that_name_the_table() {
    let cache = memory();
    cache.register::<Removed>();
    let mut conn = attached(&cache);
    let v = cache.value("v").depends_on("posts");
    v.get_or_insert_with(|_| posts::table.select(posts::title).load::<String>(&mut conn))
        .unwrap();
    assert_eq!(cache.stats().usage.entries, 1);
    rename_post(&mut conn, "new");
    assert_eq!(cache.stats().usage.entries, 0);
}

#[test]
fn a_refreshed_value_that_is_not_stored_leaves_nothing_older() {
    let cache = Cache::from_url("memory://?negative_ttl=0s").unwrap();
    let ask = |found: Option<i32>, refresh: bool| {
        let v = cache.value("v");
        let v = if refresh { v.refresh() } else { v };
        v.get_or_find_with(|_| Ok::<_, ()>(found)).unwrap()
    };
    assert_eq!(ask(Some(1), false), Some(1));
    assert_eq!(ask(None, true), None);
    assert_eq!(ask(None, false), None, "the refreshed one");
}

#[test]
fn a_refreshed_result_that_is_not_stored_leaves_nothing_older() {
    let cache = Cache::from_url("memory://?negative_ttl=0s").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db").display().to_string();
    let mut outside = SqliteConnection::establish(&file).unwrap();
    outside
        .batch_execute("CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL); INSERT INTO posts VALUES (1,'one')")
        .unwrap();
    let mut conn = SqliteConnection::establish(&file).unwrap();
    cache.attach(&mut conn).unwrap();
    let read = |conn: &mut SqliteConnection, refresh: bool| {
        let q = posts::table.select(posts::title).cached();
        let q = if refresh { q.refresh() } else { q };
        q.load::<String>(conn).unwrap().len()
    };
    assert_eq!(read(&mut conn, false), 1);
    outside.batch_execute("DELETE FROM posts").unwrap();
    assert_eq!(read(&mut conn, true), 0);
    assert_eq!(read(&mut conn, false), 0, "refreshed, then old again");
}

#[test]
fn a_temporary_table_makes_no_value_for_others() {
    let cache = memory();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db").display().to_string();
    let mut one = SqliteConnection::establish(&file).unwrap();
    one.batch_execute("CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL); INSERT INTO posts VALUES (1,'one')")
        .unwrap();
    cache.attach(&mut one).unwrap();
    let mut two = SqliteConnection::establish(&file).unwrap();
    cache.attach(&mut two).unwrap();
    one.batch_execute("CREATE TEMP TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL)")
        .unwrap();
    one.batch_execute("INSERT INTO posts VALUES (1,'private')")
        .unwrap();
    let _ = posts::table.count().cached().get_result::<i64>(&mut two);
    let ask = |conn: &mut SqliteConnection| {
        let v = cache.value("v").depends_on("posts");
        v.get_or_insert_with(|_| posts::table.select(posts::title).load::<String>(conn))
            .unwrap()
    };
    assert_eq!(ask(&mut one), ["private"]);
    assert_eq!(ask(&mut two), ["one"]);
}

#[test]
fn a_stricter_model_that_is_registered_later_counts() {
    let cache = memory();
    cache.register::<Old>();
    let mut conn = attached(&cache);
    let ask =
        |conn: &mut SqliteConnection| cache.get_or_insert_with("v", |v| titles(conn, v)).unwrap();
    ask(&mut conn);
    cache.register::<Strict>();
    rename_post(&mut conn, "new");
    assert_eq!(ask(&mut conn)[0], "new");
}

#[test]
fn programs_of_different_versions_share_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db").display().to_string();
    let store = Arc::new(MemoryBackend::new(1 << 20));
    let program = |second: bool| {
        let cache = Cache::builder()
            .backend(Arc::clone(&store))
            .build()
            .unwrap();
        if second {
            cache.register::<Second>();
        }
        let mut conn = SqliteConnection::establish(&file).unwrap();
        conn.batch_execute(
            "CREATE TABLE IF NOT EXISTS posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL)",
        )
        .unwrap();
        cache.attach(&mut conn).unwrap();
        (cache, conn)
    };
    let ask = |(cache, conn): &mut (Cache, SqliteConnection)| {
        let report = Report::new();
        let v = cache.value("v").report(&report);
        v.get_or_insert_with(|v| titles(conn, v)).unwrap();
        report.outcome().unwrap()
    };
    let (mut a, mut b) = (program(false), program(true));
    ask(&mut a);
    assert_ne!(ask(&mut b), Outcome::Hit);
}

#[test]
fn a_savepoint_inside_of_the_closure() {
    let cache = memory();
    let mut conn = attached(&cache);
    let ask = |conn: &mut SqliteConnection| {
        let v = cache.value("v").depends_on("posts");
        v.get_or_insert_on(conn, |_, conn| {
            conn.batch_execute("SAVEPOINT a")?;
            let t = posts::table
                .select(posts::title)
                .order(posts::id)
                .load::<String>(conn)?;
            conn.batch_execute("RELEASE a")?;
            QueryResult::Ok(t)
        })
        .unwrap()
    };
    ask(&mut conn);
    rename_post(&mut conn, "new");
    assert_eq!(ask(&mut conn)[0], "new");
    let _ = conn.transaction(|conn| {
        rename_post(conn, "mine");
        assert_eq!(ask(conn)[0], "mine");
        QueryResult::<()>::Err(diesel::result::Error::RollbackTransaction)
    });
    assert_eq!(ask(&mut conn)[0], "new");
}

#[test]
fn a_connection_of_another_cache_makes_no_value() {
    let (a, b) = (memory(), memory());
    let mut conn = attached(&b);
    let ask = |conn: &mut SqliteConnection| {
        let v = a.value("v").depends_on("posts");
        v.get_or_insert_with(|_| {
            posts::table
                .select(posts::title)
                .order(posts::id)
                .load::<String>(conn)
        })
        .unwrap()
    };
    ask(&mut conn);
    rename_post(&mut conn, "new");
    assert_eq!(ask(&mut conn)[0], "new");
}

static HERE: Mutex<Option<Cache>> = Mutex::new(None);
#[derive(Clone)]
struct Nosy(u32);
impl serde::Serialize for Nosy {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u32(self.0)
    }
}
impl<'de> serde::Deserialize<'de> for Nosy {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        u32::deserialize(d).map(Nosy)
    }
}
impl Drop for Nosy {
    fn drop(&mut self) {
        let cache = HERE.lock().unwrap().clone();
        if let Some(cache) = cache {
            let _ = cache.values().contains("other");
        }
    }
}

#[test]
fn a_value_may_ask_the_cache_when_it_is_dropped() {
    let cache = Cache::from_url("memory://?capacity=4KiB").unwrap();
    *HERE.lock().unwrap() = Some(cache.clone());
    let (done, waits) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for n in 0..1000 {
            cache.values().set(&format!("v{n}"), Nosy(n), None);
        }
        let _ = done.send(());
    });
    let ended = waits.recv_timeout(Duration::from_secs(60));
    assert!(ended.is_ok(), "deadlock");
}

#[derive(Debug)]
struct Looks;
static LOOK: Mutex<Option<Cache>> = Mutex::new(None);
static SEEN: Mutex<Option<i32>> = Mutex::new(None);
impl Strategy for Looks {
    fn name(&self) -> &str {
        "looks"
    }
    fn invalidated(&self, _: &str, event: &Invalidation) {
        if event.everything {
            *SEEN.lock().unwrap() = LOOK.lock().unwrap().as_ref().unwrap().values().get("x");
        }
    }
}
model!(Looked, posts, &Looks, 0);

#[test]
fn clear_is_told_after_it_happened() {
    let cache = memory();
    cache.register::<Looked>();
    *LOOK.lock().unwrap() = Some(cache.clone());
    cache.values().set("x", 1, None);
    cache.clear();
    assert_eq!(*SEEN.lock().unwrap(), None);
}

#[derive(Debug)]
struct Named;
static CALLED: AtomicUsize = AtomicUsize::new(0);
impl Strategy for Named {
    fn name(&self) -> &str {
        "version"
    }
    fn removes(&self) -> bool {
        true
    }
    fn invalidated(&self, _: &str, _: &Invalidation) {
        CALLED.fetch_add(1, Ordering::SeqCst);
    }
}
model!(Misnamed, posts, &Named, 0);

#[test]
fn a_strategy_of_ones_own_may_be_called_version() {
    let cache = memory();
    cache.register::<Misnamed>();
    let mut conn = attached(&cache);
    let before = CALLED.load(Ordering::SeqCst);
    rename_post(&mut conn, "new");
    assert_eq!(CALLED.load(Ordering::SeqCst), before + 1);
}

#[test]
fn a_strategy_that_panics_fails_no_write() {
    #[derive(Debug)]
    struct Panics;
    impl Strategy for Panics {
        fn name(&self) -> &str {
            "p"
        }
        fn removes(&self) -> bool {
            assert!(
                !std::thread::current().name().unwrap_or("").contains("n28x"),
                "on purpose"
            );
            true
        }
    }
    model!(P, posts, &Panics, 0);
    let cache = memory();
    cache.register::<P>();
    let mut conn = attached(&cache);
    let mut wrote = true;
    std::thread::scope(|s| {
        wrote = std::thread::Builder::new()
            .name("n28x".into())
            .spawn_scoped(s, || rename_post(&mut conn, "new"))
            .unwrap()
            .join()
            .is_ok();
    });
    assert!(wrote, "a strategy's panic failed the write");
}

#[test]
fn a_query_with_a_tag_and_without_are_two() {
    let cache = memory();
    let mut conn = attached(&cache);
    let report = Report::new();
    let mut read = |tag: Option<&str>| {
        let q = posts::table.select(posts::title).cached().report(&report);
        let q = match tag {
            Some(t) => q.tag(t),
            None => q,
        };
        q.load::<String>(&mut conn).unwrap();
        report.outcome().unwrap()
    };
    read(None);
    read(Some("a"));
    read(None);
    assert_eq!(read(Some("a")), Outcome::Hit);
    assert_eq!(read(None), Outcome::Hit);
}

#[test]
fn any_capacity_of_a_subscription_will_do() {
    let cache = memory();
    let events = catch_unwind(AssertUnwindSafe(|| cache.subscribe(usize::MAX)));
    assert!(events.is_ok());
}

#[test]
fn what_is_said_to_be_stored_is_there() {
    let cache = Cache::from_url("memory://?capacity=100KiB").unwrap();
    let values = cache.values();
    let large = "x".repeat(99 * 1024);
    if values.set("x", large, None) {
        assert!(values.contains("x"));
    }
}

#[test]
fn refreshes_race_with_writes() {
    let cache = memory();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db").display().to_string();
    let mut one = SqliteConnection::establish(&file).unwrap();
    one.batch_execute("PRAGMA journal_mode=WAL; CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL); INSERT INTO posts VALUES (1,'0')").unwrap();
    cache.attach(&mut one).unwrap();
    let committed = AtomicI64::new(0);
    let stop = AtomicBool::new(false);
    std::thread::scope(|s| {
        for t in 0..3 {
            let (cache, file, committed, stop) = (&cache, &file, &committed, &stop);
            s.spawn(move || {
                let mut conn = SqliteConnection::establish(file).unwrap();
                conn.batch_execute("PRAGMA busy_timeout=5000").unwrap();
                cache.attach(&mut conn).unwrap();
                let mut n = 0;
                while !stop.load(Ordering::SeqCst) {
                    n += 1;
                    let low = committed.load(Ordering::SeqCst);
                    let v = cache.value("v").depends_on("posts");
                    let v = if (n + t) % 3 == 0 { v.refresh() } else { v };
                    let got = v
                        .get_or_insert_with(|v| {
                            let inner = cache.value("inner").within(v);
                            inner.get_or_insert_with(|i| titles(&mut conn, i))
                        })
                        .unwrap()[0]
                        .parse::<i64>()
                        .unwrap();
                    assert!(got >= low, "{got} < {low}");
                }
            });
        }
        one.batch_execute("PRAGMA busy_timeout=5000").unwrap();
        for n in 1..600 {
            rename_post(&mut one, &n.to_string());
            committed.store(n, Ordering::SeqCst);
            if n % 7 == 0 {
                cache.invalidate_tag("x");
            }
            if n % 50 == 0 {
                cache.clear();
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert!(cache.stats().hits > 0);
}

#[test]
fn adding_and_deleting_at_once() {
    let cache = memory();
    let odd = AtomicUsize::new(0);
    for n in 0..4_000 {
        let name = format!("k{n}");
        let (a, d) = std::thread::scope(|s| {
            let a = s.spawn(|| cache.values().add(&name, 1, None));
            let d = cache.values().delete(&name);
            (a.join().unwrap(), d)
        });
        if !a && !d && cache.values().get::<i32>(&name).is_none() {
            odd.fetch_add(1, Ordering::SeqCst);
        }
        if n % 5000 == 0 {
            cache.clear();
        }
    }
    assert_eq!(odd.into_inner(), 0);
}
