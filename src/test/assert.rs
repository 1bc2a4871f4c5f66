//! Assertions on what became of reads.

use diesel::connection::Connection;
use diesel::result::QueryResult;

use crate::bypass::Bypass;
use crate::cache::Cache;
use crate::connection;
use crate::stats::Stats;

/// Runs `read` and returns its result. Exactly one cached read must run in it, and hit.
///
/// Goes by the cache's counters: nothing else may read through it meanwhile. The lookup of a
/// computed value counts as a read.
///
/// # Panics
/// If it did not; the message tells what became of the read.
///
/// ```
/// # use diesel::prelude::*;
/// # use diesel_cache::{CachedDsl, test};
/// # diesel::table! { posts (id) { id -> Integer } }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = test::cache();
/// # let mut conn = SqliteConnection::establish(":memory:")?;
/// # diesel::sql_query("CREATE TABLE posts (id INTEGER PRIMARY KEY)").execute(&mut conn)?;
/// # cache.attach(&mut conn)?;
/// let mut count = || posts::table.count().cached().get_result::<i64>(&mut conn);
/// test::assert_miss(&cache, &mut count)?;
/// test::assert_hit(&cache, &mut count)?;
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn assert_hit<T>(cache: &Cache, read: impl FnOnce() -> T) -> T {
    let (found, result) = observe(cache, read);
    expect(&found, "a hit", found.is(Became::Hit));
    result
}

/// Runs `read` and returns its result. Exactly one cached read must run in it, and miss: the
/// database answered. Whether the rows were stored is not checked.
///
/// # Panics
/// If it did not; the message tells what became of the read.
///
/// ```should_panic
/// # use diesel_cache::test;
/// let cache = test::cache();
/// // No cached read runs at all.
/// test::assert_miss(&cache, || ());
/// ```
#[track_caller]
pub fn assert_miss<T>(cache: &Cache, read: impl FnOnce() -> T) -> T {
    let (found, result) = observe(cache, read);
    expect(&found, "a miss", found.is(Became::Miss));
    result
}

/// Runs `read` and returns its result. Exactly one cached read must run in it, and bypass the
/// cache for that reason.
///
/// # Panics
/// If it did not; the message tells what became of the read.
///
/// ```
/// # use diesel::prelude::*;
/// # use diesel_cache::{Bypass, CachedDsl, test};
/// # diesel::table! { posts (id) { id -> Integer } }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = test::cache();
/// # let mut conn = SqliteConnection::establish(":memory:")?;
/// # diesel::sql_query("CREATE TABLE posts (id INTEGER PRIMARY KEY)").execute(&mut conn)?;
/// # cache.attach(&mut conn)?;
/// test::assert_bypass(&cache, Bypass::NoCache, || {
///     posts::table.count().cached().no_cache().get_result::<i64>(&mut conn)
/// })?;
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn assert_bypass<T>(cache: &Cache, reason: Bypass, read: impl FnOnce() -> T) -> T {
    let (found, result) = observe(cache, read);
    let wanted = format!("a bypass ({reason})");
    expect(&found, &wanted, found.is(Became::Bypass(reason)));
    result
}

/// Asserts that `write` invalidates `read`: reads, reads again, which must hit, writes, and reads
/// once more, which must miss.
///
/// # Panics
/// If the second read does not hit, as then the third would prove nothing; if the third does
/// not miss; or if a statement fails.
///
/// ```
/// # use diesel::prelude::*;
/// # use diesel_cache::{CachedDsl, test};
/// # diesel::table! { posts (id) { id -> Integer } }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = test::cache();
/// # let mut conn = SqliteConnection::establish(":memory:")?;
/// # diesel::sql_query("CREATE TABLE posts (id INTEGER PRIMARY KEY)").execute(&mut conn)?;
/// # cache.attach(&mut conn)?;
/// test::assert_invalidated_by(
///     &mut conn,
///     |conn| posts::table.count().cached().get_result::<i64>(conn),
///     |conn| diesel::insert_into(posts::table).default_values().execute(conn),
/// );
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn assert_invalidated_by<C, T, W>(
    conn: &mut C,
    read: impl FnMut(&mut C) -> QueryResult<T>,
    write: impl FnOnce(&mut C) -> QueryResult<W>,
) where
    C: Connection,
{
    let found = around(conn, read, write);
    assert!(
        found.is(Became::Miss),
        "the write must invalidate the read, which must then miss, but it was {}: {}",
        found.describe(),
        match found.only() {
            Some(Became::Hit) =>
                "the write did not touch a table that the read depends on, was not committed, or \
                 went through a connection that is not attached",
            _ => "that tells nothing of the write",
        }
    );
}

/// Asserts that `write` leaves `read` alone: reads, reads again, which must hit, writes, and reads
/// once more, which must hit again.
///
/// # Panics
/// If the second or third read does not hit, or if a statement fails.
///
/// ```
/// # use diesel::prelude::*;
/// # use diesel_cache::{CachedDsl, test};
/// # diesel::table! { posts (id) { id -> Integer } }
/// # diesel::table! { tags (id) { id -> Integer } }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = test::cache();
/// # let mut conn = SqliteConnection::establish(":memory:")?;
/// # diesel::sql_query("CREATE TABLE posts (id INTEGER PRIMARY KEY)").execute(&mut conn)?;
/// # diesel::sql_query("CREATE TABLE tags (id INTEGER PRIMARY KEY)").execute(&mut conn)?;
/// # cache.attach(&mut conn)?;
/// test::assert_not_invalidated_by(
///     &mut conn,
///     |conn| posts::table.count().cached().get_result::<i64>(conn),
///     |conn| diesel::insert_into(tags::table).default_values().execute(conn),
/// );
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn assert_not_invalidated_by<C, T, W>(
    conn: &mut C,
    read: impl FnMut(&mut C) -> QueryResult<T>,
    write: impl FnOnce(&mut C) -> QueryResult<W>,
) where
    C: Connection,
{
    let found = around(conn, read, write);
    assert!(
        found.is(Became::Hit),
        "the write must leave the read alone, which must then hit, but it was {}: {}",
        found.describe(),
        match found.only() {
            Some(Became::Miss) =>
                "the write touched a table that the read depends on, or it was not \
                 understood and counts as a write to everything",
            _ => "that tells nothing of the write",
        }
    );
}

/// What became of one read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Became {
    Hit,
    Miss,
    Bypass(Bypass),
}

/// What became of the reads in a closure.
struct Found(Vec<(Became, u64)>);

impl Found {
    fn between(before: &Stats, after: &Stats) -> Self {
        let mut found = vec![
            (Became::Hit, after.hits - before.hits),
            (Became::Miss, after.misses - before.misses),
        ];
        found.extend(Bypass::ALL.map(|reason| {
            let times = after.bypassed(reason) - before.bypassed(reason);
            (Became::Bypass(reason), times)
        }));
        found.retain(|(_, times)| *times > 0);
        Self(found)
    }

    /// What became of the read, if there was exactly one.
    fn only(&self) -> Option<Became> {
        match self.0.as_slice() {
            [(became, 1)] => Some(*became),
            _ => None,
        }
    }

    fn is(&self, became: Became) -> bool {
        self.only() == Some(became)
    }

    fn describe(&self) -> String {
        let name = |became: Became| match became {
            Became::Hit => "a hit".to_owned(),
            Became::Miss => "a miss".to_owned(),
            Became::Bypass(reason) => format!("a bypass ({reason})"),
        };
        match (self.only(), self.0.is_empty()) {
            (Some(became), _) => name(became),
            (None, true) => {
                "no cached read on a connection that this cache is attached to".to_owned()
            }
            (None, false) => {
                let all = self.0.iter();
                let all: Vec<String> = all
                    .map(|(became, times)| format!("{times} × {}", name(*became)))
                    .collect();
                format!("more than one read: {}", all.join(", "))
            }
        }
    }
}

fn observe<T>(cache: &Cache, read: impl FnOnce() -> T) -> (Found, T) {
    let before = cache.stats();
    let result = read();
    (Found::between(&before, &cache.stats()), result)
}

#[track_caller]
fn expect(found: &Found, wanted: &str, is: bool) {
    assert!(is, "expected {wanted}, but it was {}", found.describe());
}

/// Reads twice, writes, and says what became of the read after that.
#[track_caller]
fn around<C: Connection, T, W>(
    conn: &mut C,
    mut read: impl FnMut(&mut C) -> QueryResult<T>,
    write: impl FnOnce(&mut C) -> QueryResult<W>,
) -> Found {
    let Some(cache) = connection::tracker(conn).map(|tracker| tracker.cache().clone()) else {
        panic!("no cache is attached to the connection");
    };
    if let Err(error) = read(conn) {
        panic!("the read failed: {error}");
    }
    let (second, result) = observe(&cache, || read(conn));
    if let Err(error) = result {
        panic!("the read failed when it was repeated: {error}");
    }
    assert!(
        second.is(Became::Hit),
        "the read must hit when it is repeated, before the write can tell anything, but it was {}",
        second.describe()
    );
    let stored = cache.stats().puts;
    if let Err(error) = write(conn) {
        panic!("the write failed: {error}");
    }
    assert_eq!(
        cache.stats().puts,
        stored,
        "the write reads through the cache and stores what it finds, so the next read tells nothing of it"
    );
    let (third, result) = observe(&cache, || read(conn));
    if let Err(error) = result {
        panic!("the read failed after the write: {error}");
    }
    third
}
