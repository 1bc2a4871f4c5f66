//! Values that are computed from the database.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::prelude::*;
use diesel_cache::{Bypass, Cache, CachedDsl, Dependencies, Outcome, Report, Unstored, Value};

use crate::support::{attached, authors, memory, posts};

const STORED: Outcome = Outcome::Miss {
    stored: true,
    joined: false,
};

fn titles(conn: &mut SqliteConnection, value: &Dependencies) -> QueryResult<Vec<String>> {
    let titles = posts::table.select(posts::title).order(posts::id);
    titles.cached().within(value).load(conn)
}

fn names(conn: &mut SqliteConnection, value: &Dependencies) -> QueryResult<Vec<String>> {
    let names = authors::table.select(authors::name).order(authors::id);
    names.cached().within(value).load(conn)
}

fn rename_post(conn: &mut SqliteConnection, title: &str) {
    let first = posts::table.find(1);
    let update = diesel::update(first).set(posts::title.eq(title));
    assert_eq!(update.execute(conn).unwrap(), 1);
}

fn rename_author(conn: &mut SqliteConnection, name: &str) {
    let update = diesel::update(authors::table.find(1)).set(authors::name.eq(name));
    assert_eq!(update.execute(conn).unwrap(), 1);
}

/// Asks twice; the second time, nothing may be computed if the first one stored it.
fn twice<T: diesel_cache::CacheValue + PartialEq + std::fmt::Debug>(
    value: impl Fn() -> Value,
    mut compute: impl FnMut(&Dependencies) -> QueryResult<T>,
) -> Result<(), Unstored> {
    let report = Report::new();
    let first = value().report(&report).get_or_insert_with(&mut compute);
    let unstored = report.unstored();
    let again = value().report(&report).get_or_insert_with(&mut compute);
    assert_eq!(first.unwrap(), again.unwrap());
    match unstored {
        None => {
            assert_eq!(report.outcome(), Some(Outcome::Hit));
            Ok(())
        }
        Some(why) => {
            assert_ne!(report.outcome(), Some(Outcome::Hit));
            Err(why)
        }
    }
}

#[test]
fn a_value_depends_on_the_reads_that_made_it() {
    let cache = memory();
    let mut conn = attached(&cache);
    let page = |conn: &mut SqliteConnection| {
        cache
            .get_or_insert_with("page", |value| {
                let (titles, names) = (titles(conn, value)?, names(conn, value)?);
                QueryResult::Ok(format!("{titles:?} by {names:?}"))
            })
            .unwrap()
    };
    let hits = || cache.stats().hits;
    page(&mut conn);
    assert_eq!(hits(), 0);
    let before = page(&mut conn);
    assert_eq!(hits(), 1, "one hit for the whole page");
    rename_post(&mut conn, "new");
    let after = page(&mut conn);
    assert!(before.contains("one") && after.contains("new"), "{after}");
    rename_author(&mut conn, "Grace");
    assert!(page(&mut conn).contains("Grace"));
    diesel::sql_query("INSERT INTO tags VALUES (9, 'x', 0)")
        .execute(&mut conn)
        .unwrap();
    let before = hits();
    page(&mut conn);
    assert_eq!(
        hits(),
        before + 1,
        "a table that it does not read is no matter"
    );
}

#[test]
fn a_rolled_back_write_leaves_the_value() {
    let cache = memory();
    let mut conn = attached(&cache);
    let report = Report::new();
    let page = |conn: &mut SqliteConnection| {
        let value = cache.value("page").report(&report);
        value
            .get_or_insert_with(|value| titles(conn, value))
            .unwrap()
    };
    page(&mut conn);
    let _ = conn.transaction(|conn| {
        rename_post(conn, "never");
        QueryResult::<()>::Err(diesel::result::Error::RollbackTransaction)
    });
    page(&mut conn);
    assert_eq!(report.outcome(), Some(Outcome::Hit));
}

#[test]
fn a_value_depends_on_what_is_named() {
    let cache = memory();
    let mut conn = attached(&cache);
    let computed = Cell::new(0);
    let count = |conn: &mut SqliteConnection| {
        let value = cache.value("count").depends_on("posts").tag("counts");
        let compute = |_: &Dependencies| {
            computed.set(computed.get() + 1);
            posts::table.count().get_result::<i64>(conn)
        };
        value.get_or_insert_with(compute).unwrap()
    };
    assert_eq!((count(&mut conn), count(&mut conn)), (3, 3));
    assert_eq!(
        computed.get(),
        1,
        "an uncached read of a named table is fine"
    );
    diesel::delete(posts::table.find(1))
        .execute(&mut conn)
        .unwrap();
    assert_eq!((count(&mut conn), computed.get()), (2, 2));
    cache.invalidate_tag("counts");
    assert_eq!((count(&mut conn), computed.get()), (2, 3));
    cache.invalidate_tag("others");
    cache.invalidate_table("authors");
    assert_eq!((count(&mut conn), computed.get()), (2, 3));
    cache.invalidate_table("posts");
    assert_eq!((count(&mut conn), computed.get()), (2, 4));
    // A statement that may have written anything.
    diesel::sql_query("REINDEX").execute(&mut conn).unwrap();
    diesel::sql_query("CREATE TABLE more (id INTEGER)")
        .execute(&mut conn)
        .unwrap();
    assert_eq!((count(&mut conn), computed.get()), (2, 5));
}

#[test]
fn a_value_depends_on_all_that_is_named_where_it_is_asked_for() {
    let cache = memory();
    let computed = Cell::new(0);
    let ask = |value: Value| {
        let compute = |_: &Dependencies| Ok::<_, ()>(computed.replace(computed.get() + 1));
        value.get_or_insert_with(compute).unwrap()
    };
    ask(cache.value("v"));
    ask(cache.value("v").depends_on("posts"));
    assert_eq!(computed.get(), 2, "the first does not depend on posts");
    ask(cache.value("v"));
    assert_eq!(computed.get(), 2, "the second depends on more than it need");
}

#[test]
fn what_is_not_certain_is_not_stored() {
    let cache = memory();
    let mut conn = attached(&cache);
    let names = || authors::table.select(authors::name).order(authors::id);

    let plain = twice(|| cache.value("a"), |_| names().load::<String>(&mut conn));
    assert_eq!(plain, Err(Unstored::Unseen), "a plain read");

    let cached = twice(
        || cache.value("b"),
        |_| names().cached().load::<String>(&mut conn),
    );
    assert_eq!(
        cached,
        Err(Unstored::Unseen),
        "a cached read, also if it hits"
    );

    let volatile = |value: &Dependencies| {
        let chance = diesel::dsl::sql::<diesel::sql_types::Bool>("random() IS NOT NULL");
        let titles = posts::table.filter(chance).select(posts::title);
        titles.cached().within(value).load::<String>(&mut conn)
    };
    assert_eq!(
        twice(|| cache.value("c"), volatile),
        Err(Unstored::Bypassed(Bypass::Volatile))
    );

    let writes = |value: &Dependencies| {
        let titles = titles(&mut conn, value)?;
        diesel::update(authors::table.find(1))
            .set(authors::name.eq("W"))
            .execute(&mut conn)?;
        Ok(titles)
    };
    assert_eq!(twice(|| cache.value("d"), writes), Err(Unstored::Wrote));

    let overtaken = |value: &Dependencies| {
        let titles = titles(&mut conn, value)?;
        cache.invalidate_table("posts");
        let again = posts::table
            .count()
            .cached()
            .within(value)
            .get_result::<i64>(&mut conn)?;
        Ok((titles, again))
    };
    assert_eq!(
        twice(|| cache.value("e"), overtaken),
        Err(Unstored::Overtaken)
    );

    let fine = twice(|| cache.value("f"), |value| titles(&mut conn, value));
    assert_eq!(fine, Ok(()));
}

#[test]
fn a_cached_read_that_hits_outside_of_the_handle_is_seen() {
    let cache = memory();
    let mut conn = attached(&cache);
    let mut read = || {
        authors::table
            .select(authors::name)
            .cached()
            .load(&mut conn)
    };
    let _: Vec<String> = read().unwrap();
    let value = twice(|| cache.value("v"), |_| read());
    assert_eq!(value, Err(Unstored::Unseen));
    assert_eq!(cache.stats().hits, 2, "no statement was sent");
}

#[test]
fn a_read_told_of_another_handle_is_not_seen() {
    let cache = memory();
    let mut conn = attached(&cache);
    let report = Report::new();
    let outer: QueryResult<Vec<String>> = cache.get_or_insert_with("outer", |outer| {
        cache
            .value("inner")
            .within(outer)
            .report(&report)
            .get_or_insert_with(|_| titles(&mut conn, outer))
    });
    outer.unwrap();
    assert_eq!(report.unstored(), Some(Unstored::Unseen));
    assert_eq!(
        cache.stats().rejected_dependencies,
        2,
        "nor is the outer one"
    );
}

#[test]
fn a_value_within_a_value_adds_its_dependencies() {
    let cache = memory();
    let mut conn = attached(&cache);
    let page = |conn: &mut SqliteConnection| {
        cache
            .get_or_insert_with("page", |page| {
                let list = cache.value("list").within(page);
                let list: String = list
                    .get_or_insert_with(|list| QueryResult::Ok(titles(conn, list)?.join(", ")))?;
                QueryResult::Ok(format!("<ul>{list}</ul>"))
            })
            .unwrap()
    };
    assert_eq!(page(&mut conn), "<ul>one, two, three</ul>");
    assert_eq!(page(&mut conn), "<ul>one, two, three</ul>");
    assert_eq!(cache.stats().hits, 1);
    rename_post(&mut conn, "new");
    assert_eq!(page(&mut conn), "<ul>new, two, three</ul>");
    // Also where the inner value is found, and the outer one made anew.
    let outer = || {
        let value = cache.value("another page");
        let inner = |page: &Dependencies| {
            let list = cache.value("list").within(page);
            list.get_or_insert_with(|_| -> QueryResult<String> { panic!("it is there") })
        };
        value.get_or_insert_with(inner).unwrap()
    };
    assert_eq!(outer(), "new, two, three");
    rename_post(&mut conn, "newer");
    assert_eq!(page(&mut conn), "<ul>newer, two, three</ul>");
    assert_eq!(outer(), "newer, two, three");
}

#[test]
fn a_value_inside_of_a_value_that_is_not_told_refuses_it() {
    let cache = memory();
    let compute = |_: &Dependencies| {
        let inner = cache.value("inner").depends_on("posts");
        inner.get_or_insert_with(|_| Ok(1))
    };
    assert_eq!(
        twice(|| cache.value("outer"), compute),
        Err(Unstored::Unseen)
    );
    let plain = |_: &Dependencies| Ok(cache.values().get::<i32>("plain"));
    assert_eq!(twice(|| cache.value("other"), plain), Err(Unstored::Unseen));
}

#[test]
fn a_value_that_failed_makes_no_other() {
    let cache = memory();
    let compute = |page: &Dependencies| {
        let inner = cache.value("inner").within(page);
        let inner: Result<i32, &str> = inner.get_or_insert_with(|_| Err("not today"));
        Ok(inner.unwrap_or(0))
    };
    assert_eq!(
        twice(|| cache.value("outer"), compute),
        Err(Unstored::Failed)
    );
}

#[test]
fn an_open_transaction_neither_finds_nor_stores_what_it_wrote() {
    let cache = memory();
    let mut conn = attached(&cache);
    let report = Report::new();
    let page = |conn: &mut SqliteConnection| {
        let value = cache.value("page").depends_on("posts").report(&report);
        let compute = |value: &Dependencies, conn: &mut SqliteConnection| titles(conn, value);
        value.get_or_insert_on(conn, compute).unwrap()
    };
    page(&mut conn);
    assert_eq!(page(&mut conn)[0], "one");
    assert_eq!(report.outcome(), Some(Outcome::Hit));
    let _ = conn.transaction(|conn| {
        rename_post(conn, "mine");
        assert_eq!(page(conn)[0], "mine");
        assert_eq!(report.outcome(), Some(Outcome::Bypass(Bypass::OwnWrites)));
        // Without the connection, what is there is found; what is not there is not stored.
        let blind = cache.value("blind").depends_on("posts").report(&report);
        let compute = |_: &Dependencies| posts::table.select(posts::title).load::<String>(conn);
        assert_eq!(blind.get_or_insert_with(compute).unwrap()[0], "mine");
        assert_eq!(report.unstored(), Some(Unstored::Transaction));
        QueryResult::<()>::Err(diesel::result::Error::RollbackTransaction)
    });
    assert_eq!(page(&mut conn)[0], "one");
    assert_eq!(report.outcome(), Some(Outcome::Hit));
}

#[test]
fn sessions_that_differ_share_no_value_on_a_connection() {
    let cache = memory();
    let (mut one, mut two) = (attached(&cache), attached(&cache));
    rename_post(&mut two, "other");
    let first = |conn: &mut SqliteConnection| {
        let compute = |value: &Dependencies, conn: &mut SqliteConnection| titles(conn, value);
        cache
            .value("v")
            .get_or_insert_on(conn, compute)
            .unwrap()
            .remove(0)
    };
    assert_eq!(
        (first(&mut one), first(&mut two)),
        ("one".into(), "other".into())
    );
    assert_eq!(
        (first(&mut one), first(&mut two)),
        ("one".into(), "other".into())
    );
    assert_eq!(cache.stats().hits, 2);
}

#[test]
fn a_value_made_from_scoped_reads_needs_a_scope() {
    let cache = memory();
    let mut conn = attached(&cache);
    let mut scoped = |value: &Dependencies| {
        let titles = posts::table.select(posts::title).order(posts::id);
        titles
            .cached()
            .scope("ada")
            .within(value)
            .load::<String>(&mut conn)
    };
    assert_eq!(
        twice(|| cache.value("v"), &mut scoped),
        Err(Unstored::Unscoped)
    );
    assert_eq!(twice(|| cache.value("v").scope("ada"), &mut scoped), Ok(()));
    let report = Report::new();
    let other = cache.value("v").scope("brian").report(&report);
    other
        .get_or_insert_with(|_| Ok::<_, ()>(vec![String::new()]))
        .unwrap();
    assert_eq!(report.outcome(), Some(STORED));
}

#[test]
fn a_value_ends_with_what_it_was_made_of() {
    let cache = memory();
    let mut conn = attached(&cache);
    let report = Report::new();
    let ask = |conn: &mut SqliteConnection| {
        let value = cache
            .value("v")
            .ttl(Duration::from_secs(3600))
            .report(&report);
        let compute = |value: &Dependencies| {
            let titles = posts::table.select(posts::title);
            titles
                .cached()
                .ttl(Duration::from_nanos(1))
                .within(value)
                .load::<String>(conn)
        };
        value.get_or_insert_with(compute).unwrap()
    };
    ask(&mut conn);
    ask(&mut conn);
    assert_eq!(report.outcome(), Some(STORED));
}

#[test]
fn what_does_not_exist_is_remembered_for_the_negative_time() {
    let cache = Cache::from_url("memory://?negative_ttl=0s").unwrap();
    let found = Cell::new(None);
    let computed = Cell::new(0);
    let ask = |value: Value| {
        value
            .get_or_find_with(|_| {
                computed.set(computed.get() + 1);
                Ok::<Option<i32>, ()>(found.get())
            })
            .unwrap()
    };
    ask(cache.value("v"));
    ask(cache.value("v"));
    assert_eq!(computed.get(), 2, "zero stores no None");
    let longer = || cache.value("v").negative_ttl(Duration::from_secs(60));
    ask(longer());
    ask(longer());
    assert_eq!(computed.get(), 3);
    found.set(Some(1));
    ask(cache.value("w"));
    ask(cache.value("w"));
    assert_eq!(computed.get(), 4);
}

#[test]
fn empty_results_of_queries_have_the_negative_time_too() {
    let cache = Cache::from_url("memory://?negative_ttl=0s").unwrap();
    let mut conn = attached(&cache);
    let report = Report::new();
    let mut ask = |id: i32, negative: Option<Duration>| {
        let query = posts::table
            .find(id)
            .select(posts::title)
            .cached()
            .report(&report);
        let query = match negative {
            Some(ttl) => query.negative_ttl(ttl),
            None => query,
        };
        query.load::<String>(&mut conn).unwrap();
        report.outcome().unwrap()
    };
    ask(99, None);
    assert_ne!(ask(99, None), Outcome::Hit);
    let minute = Some(Duration::from_secs(60));
    ask(99, minute);
    assert_eq!(ask(99, minute), Outcome::Hit);
    ask(1, None);
    assert_eq!(ask(1, None), Outcome::Hit, "a row is not empty");
}

#[test]
fn refresh_and_no_cache() {
    let cache = memory();
    let next = AtomicUsize::new(0);
    let compute = |_: &Dependencies| Ok::<_, ()>(next.fetch_add(1, Ordering::Relaxed));
    assert_eq!(cache.get_or_insert_with("v", compute), Ok(0));
    assert_eq!(
        cache.value("v").no_cache().get_or_insert_with(compute),
        Ok(1)
    );
    assert_eq!(cache.get_or_insert_with("v", compute), Ok(0));
    assert_eq!(
        cache.value("v").refresh().get_or_insert_with(compute),
        Ok(2)
    );
    assert_eq!(cache.get_or_insert_with("v", compute), Ok(2));
    assert_eq!(
        cache.value("v").version(1).get_or_insert_with(compute),
        Ok(3)
    );
    cache.set_enabled(false);
    assert_eq!(cache.get_or_insert_with("v", compute), Ok(4));
}

#[test]
fn of_several_at_once_one_computes() {
    let cache = Cache::from_url("memory://?single_flight_wait=10s").unwrap();
    let computed = AtomicUsize::new(0);
    let started = Barrier::new(2);
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| {
            cache.get_or_insert_with("v", |_| {
                computed.fetch_add(1, Ordering::SeqCst);
                started.wait();
                // Long enough for the other to come by: then it waits, or computes.
                std::thread::sleep(Duration::from_millis(100));
                Ok::<_, ()>(7)
            })
        });
        started.wait();
        let other = cache.get_or_insert_with("v", |_| {
            computed.fetch_add(1, Ordering::SeqCst);
            Ok::<_, ()>(8)
        });
        assert_eq!((leader.join().unwrap(), other), (Ok(7), Ok(7)));
    });
    assert_eq!(computed.load(Ordering::SeqCst), 1);
}

#[test]
fn other_threads_may_use_the_handle() {
    let cache = memory();
    let mut conn = attached(&cache);
    let report = Report::new();
    let ask = |conn: &mut SqliteConnection| {
        let value = cache.value("v").report(&report);
        let compute = |value: &Dependencies| {
            std::thread::scope(|scope| scope.spawn(|| titles(conn, value)).join().unwrap())
        };
        value.get_or_insert_with(compute).unwrap()
    };
    ask(&mut conn);
    ask(&mut conn);
    assert_eq!(report.outcome(), Some(Outcome::Hit));
    rename_post(&mut conn, "new");
    assert_eq!(ask(&mut conn)[0], "new");
}

#[test]
fn a_panic_while_computing_leaves_nothing_behind() {
    let cache = memory();
    let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| {
        cache.get_or_insert_with("v", |_| -> Result<i32, ()> { panic!("on purpose") })
    }));
    assert!(panicked.is_err());
    assert_eq!(twice(|| cache.value("v"), |_| Ok(1)), Ok(()));
}
