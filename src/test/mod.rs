//! For the tests of applications: assertions on cached reads, a backend that records, and
//! commits inside of a transaction that is rolled back. Needs the feature `test`.
//!
//! ```toml
//! [dev-dependencies]
//! diesel-cache = { version = "…", features = ["test"] }
//! ```
//!
//! A test makes a [`cache`] of its own, attaches it to its connection, [`begin`]s, and
//! asserts what became of reads:
//!
//! ```
//! use diesel::prelude::*;
//! use diesel_cache::{CachedDsl, test};
//!
//! diesel::table! { posts (id) { id -> Integer, title -> Text } }
//!
//! fn titles(conn: &mut SqliteConnection) -> QueryResult<Vec<String>> {
//!     posts::table.select(posts::title).order(posts::id).cached().load(conn)
//! }
//!
//! fn add(conn: &mut SqliteConnection, title: &str) -> QueryResult<usize> {
//!     conn.transaction(|conn| {
//!         diesel::insert_into(posts::table).values(posts::title.eq(title)).execute(conn)
//!     })
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = test::cache();
//! let mut conn = SqliteConnection::establish(":memory:")?;
//! # diesel::sql_query("CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL)")
//! #     .execute(&mut conn)?;
//! cache.attach(&mut conn)?;
//! test::begin(&mut conn)?;
//!
//! test::assert_miss(&cache, || titles(&mut conn))?;
//! test::assert_hit(&cache, || titles(&mut conn))?;
//! test::assert_invalidated_by(&mut conn, titles, |conn| add(conn, "new"));
//! assert_eq!(titles(&mut conn)?, ["new"]);
//!
//! // What was rolled back invalidates nothing.
//! test::assert_not_invalidated_by(&mut conn, titles, |conn| {
//!     conn.transaction(|conn| {
//!         add(conn, "never")?;
//!         Err::<(), _>(diesel::result::Error::RollbackTransaction)
//!     })
//!     .or(Ok(()))
//! });
//! assert_eq!(titles(&mut conn)?, ["new"]);
//! # Ok(())
//! # }
//! ```

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::connection::LoadConnection;

use crate::backend::MemoryBackend;
use crate::cache::{Builder, Cache};
use crate::config::Config;
use crate::connection;
use crate::core::Core;
use crate::error::Error;
use crate::statement::CacheDatabase;

mod assert;
mod catalogue;
mod recording;
mod stored;

pub use self::assert::{
    assert_bypass, assert_hit, assert_invalidated_by, assert_miss, assert_not_invalidated_by,
};
#[doc(hidden)]
pub use self::catalogue::{catalogue, fingerprint};
pub use self::recording::{Command, Kind, RecordingBackend};
pub use self::stored::as_stored;

/// A cache for one test, and the record of what it asks of its store; made by [`cache`].
///
/// It dereferences to the [`Cache`], of which clones can be made as usual.
#[derive(Debug, Clone)]
pub struct TestCache {
    cache: Cache,
    backend: RecordingBackend<MemoryBackend>,
}

/// A cache for one test: in memory, empty, with the default settings, in a namespace of its
/// own, and with a [recording backend](TestCache::backend). Only such a cache takes part in
/// [`begin`].
///
/// The catalogue interval is a day: what other connections change of the schema during the
/// test is seen only if they are attached.
///
/// ```
/// use diesel_cache::test;
///
/// let cache = test::cache();
/// cache.invalidate_table("posts");
/// assert_eq!(cache.backend().count(test::Kind::Fetch), 0);
/// ```
#[must_use]
pub fn cache() -> TestCache {
    let config = Config {
        namespace: namespace(),
        catalogue_interval: NEVER,
        ..Config::default()
    };
    let backend = RecordingBackend::new(MemoryBackend::new(config.capacity));
    let core = Core::new(Arc::new(backend.clone()), true, config);
    let cache = Cache::new(core, Vec::new());
    cache.make_for_tests();
    TestCache { cache, backend }
}

/// Like [`cache`], with settings of your own; not the backend, though, and no URL.
///
/// ```
/// use std::time::Duration;
/// use diesel_cache::test;
///
/// let cache = test::cache_with(|builder| builder.ttl(Duration::from_secs(1)))?;
/// assert!(cache.is_enabled());
/// # Ok::<(), diesel_cache::Error>(())
/// ```
///
/// # Errors
/// If a setting is unknown or invalid, or if there is a URL or a backend.
pub fn cache_with(settings: impl FnOnce(Builder) -> Builder) -> Result<TestCache, Error> {
    let builder = Cache::builder().namespace(namespace());
    let builder = settings(builder.catalogue_interval(NEVER));
    let refused = |place: &str| Error::TwoBackends {
        place: place.to_owned(),
    };
    if builder.has_backend() {
        return Err(refused("`Builder::backend`"));
    }
    let mut backend = None;
    let cache = builder.build_with(|url, config| {
        if let Some(url) = url {
            return Err(refused(&url.place));
        }
        let recording = RecordingBackend::new(MemoryBackend::new(config.capacity));
        backend = Some(recording.clone());
        Ok(Arc::new(recording))
    })?;
    cache.make_for_tests();
    let backend = backend.ok_or_else(|| refused("`Builder::backend`"))?;
    Ok(TestCache { cache, backend })
}

/// How often the schema is looked at: not while a test runs.
const NEVER: Duration = Duration::from_secs(24 * 3600);

fn namespace() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    format!("test {number} {:032x}", rand::random::<u128>())
}

impl TestCache {
    /// The backend, with its record.
    #[must_use]
    pub fn backend(&self) -> &RecordingBackend<MemoryBackend> {
        &self.backend
    }
}

impl Deref for TestCache {
    type Target = Cache;

    fn deref(&self) -> &Cache {
        &self.cache
    }
}

/// Begins a transaction that is never committed, like Diesel's `begin_test_transaction`, and
/// lets commits be played in it.
///
/// A plain test transaction shows a cache nothing: what it writes is never committed, so
/// reads of it bypass, and nothing is invalidated. Here, that transaction is the ground. A
/// statement directly in it counts as one in autocommit; `conn.transaction(…)`, or any
/// outermost savepoint, counts as a transaction. It commits when it is released: what it
/// wrote is invalidated then, and hooks that wait for the commit run. The transaction's
/// isolation does not make reads bypass. A cached read never returns anything else
/// than the same read without the cache would.
///
/// The transaction ends with its rollback, which is for you or for the end of the connection
/// to do. Then the cache is cleared.
///
/// - Only a cache of this module takes part, as others may be shared. Its other connections see
///   nothing of what was read in the transaction; computed values are not stored in it.
/// - Attach and set up the schema before: after a change of the schema inside, reads bypass until
///   the end. The same holds after a statement that is not understood, and after one that calls
///   a function that is not known.
/// - After an error on PostgreSQL, reads bypass until the rollback to a savepoint. On MySQL and
///   SQLite, the next cached read asks the database whether the transaction is still open.
/// - On MySQL, the transaction's snapshot is taken at once. A statement that commits by itself, such as DDL, ends the transaction.
///
/// ```
/// use diesel::prelude::*;
/// use diesel_cache::{CachedDsl, test};
///
/// diesel::table! { posts (id) { id -> Integer, title -> Text } }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = test::cache();
/// let mut conn = SqliteConnection::establish(":memory:")?;
/// # diesel::sql_query("CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL)")
/// #     .execute(&mut conn)?;
/// cache.attach(&mut conn)?;
/// test::begin(&mut conn)?;
/// let count = |conn: &mut SqliteConnection| posts::table.count().cached().get_result::<i64>(conn);
///
/// conn.transaction(|conn| {
///     diesel::insert_into(posts::table).values(posts::title.eq("new")).execute(conn)?;
///     let own_writes = diesel_cache::Bypass::OwnWrites;
///     assert_eq!(test::assert_bypass(&cache, own_writes, || count(conn))?, 1);
///     QueryResult::Ok(())
/// })?;
/// assert_eq!(test::assert_miss(&cache, || count(&mut conn))?, 1);
/// assert_eq!(test::assert_hit(&cache, || count(&mut conn))?, 1);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If no cache is attached or it is none of this module, if a transaction is open
/// already, or if the database refuses.
pub fn begin<C>(conn: &mut C) -> Result<(), Error>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    connection::begin_simulated(conn)
}
