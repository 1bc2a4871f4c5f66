//! Cached reads.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::connection::Connection;
use diesel::query_builder::{AsQuery, Query};
use diesel::query_dsl::RunQueryDsl;
use diesel::query_dsl::methods::LimitDsl;
use diesel::sql_types::Untyped;

use crate::dependencies::watch;
#[cfg(feature = "async-sqlite")]
use crate::dependencies::watch::Place;
use crate::dependencies::{Dependencies, Owed};
use crate::footprint::{self, Name};
use crate::outcome::Report;

mod execute;
mod explain;
mod load;
mod observe;
mod plan;
mod reader;
mod rows;
mod shared;
#[cfg(feature = "test")]
mod stored;

#[cfg(any(
    feature = "async-postgres",
    feature = "async-mysql",
    feature = "async-sqlite"
))]
pub(crate) use self::execute::execute;
pub use self::load::CachedRows;
#[cfg(any(feature = "async-postgres", feature = "async-mysql"))]
pub(crate) use self::observe::Observer;
#[cfg(any(feature = "async-postgres", feature = "async-mysql"))]
pub(crate) use self::reader::Reader;
pub use self::rows::DatabaseRows;
#[cfg(any(feature = "async-postgres", feature = "async-mysql"))]
pub(crate) use self::rows::Keep;
#[cfg(feature = "async")]
pub(crate) use self::rows::{DatabaseCells, Stored, Typed};
pub use self::shared::{LoadShared, LoadSharedDsl, Shared};
#[cfg(feature = "test")]
pub(crate) use self::stored::through_bytes;

/// A query that is read through the cache; made by [`cached`](CachedDsl::cached).
///
/// It speaks Diesel's own `load`, `first`, `get_result`, `get_results`, `load_iter`
/// and `optional`. Where the cache cannot answer, or must not, the query goes to
/// the database as if it had not been cached; [`report`](Self::report) tells which.
#[derive(Debug, Clone)]
#[must_use = "Queries are only executed when calling `load`, `get_result` or similar."]
pub struct Cached<Q> {
    query: Q,
    options: Options,
}

/// How a query is cached.
#[derive(Debug, Clone, Default)]
#[allow(
    unreachable_pub,
    reason = "it stands in what a trait asks of connections that are known here"
)]
pub struct Options {
    ttl: Option<Duration>,
    negative_ttl: Option<Duration>,
    scope: Option<Vec<u8>>,
    depends_on: BTreeSet<Name>,
    labels: BTreeSet<Name>,
    within: Option<Dependencies>,
    refresh: bool,
    no_cache: bool,
    report: Option<Report>,
    /// Whether whoever computes a value has met it, before it left for another thread.
    has_left: bool,
}

impl Options {
    /// Told of no handle, it is told of that of the value which is being computed here, if that
    /// takes what it meets.
    pub(crate) fn adopt(&mut self) {
        watch::adopt(&mut self.within);
    }

    /// Somebody will tell of it, if there is a handle.
    pub(crate) fn owe(&self) -> Owed {
        Owed::to(self.within.as_ref())
    }

    /// The read is about to leave for a thread that does not know what is computed here.
    #[cfg(feature = "async-sqlite")]
    pub(crate) fn leave(&mut self) {
        self.adopt();
        watch::cached(self.within.as_ref(), Place::Here);
        self.has_left = true;
    }
}

/// Adds `.cached()` to queries.
pub trait CachedDsl: AsQuery + Sized {
    /// Reads the query through the cache of the connection that it is run on.
    ///
    /// Called last: a cached query takes no further `.filter()` or `.order()`.
    /// Works on tables, selects, joins, boxed queries, unions and
    /// [`diesel::sql_query`].
    ///
    /// A read is never stale with respect to commits made through attached
    /// connections: it sees what was committed when it began.
    ///
    /// ```
    /// use diesel::prelude::*;
    /// use diesel_cache::{Cache, CachedDsl};
    ///
    /// diesel::table! { posts (id) { id -> Integer, title -> Text } }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut conn = SqliteConnection::establish(":memory:")?;
    /// # diesel::sql_query("CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL)")
    /// #     .execute(&mut conn)?;
    /// let cache = Cache::from_url("memory://")?;
    /// cache.attach(&mut conn)?;
    ///
    /// let titles = || posts::table.select(posts::title).cached();
    /// assert!(titles().load::<String>(&mut conn)?.is_empty());
    /// diesel::insert_into(posts::table).values(posts::title.eq("new")).execute(&mut conn)?;
    /// assert_eq!(titles().load::<String>(&mut conn)?, ["new"]);
    /// assert_eq!(titles().load::<String>(&mut conn)?, ["new"]);
    /// assert_eq!((cache.stats().hits, cache.stats().misses), (1, 2));
    /// # Ok(())
    /// # }
    /// ```
    fn cached<Kind>(self) -> Cached<Self::Query>
    where
        Self::Query: CacheableQuery<Kind>;
}

impl<T: AsQuery> CachedDsl for T {
    fn cached<Kind>(self) -> Cached<Self::Query>
    where
        Self::Query: CacheableQuery<Kind>,
    {
        Cached {
            query: self.as_query(),
            options: Options::default(),
        }
    }
}

/// A query that only reads, as far as its type tells. `Kind` is inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a query that can be cached",
    label = "only selects, unions and `sql_query` can be `.cached()`",
    note = "statements that write, `RETURNING` or not, invalidate by themselves: run them without `.cached()`"
)]
pub trait CacheableQuery<Kind> {}

/// The kind of queries made by the query builder.
#[derive(Debug, Clone, Copy)]
pub enum Select {}

/// The kind of queries made by [`diesel::sql_query`].
#[derive(Debug, Clone, Copy)]
pub enum Sql {}

// Selects and unions can be limited; statements that write cannot.
impl<Q: LimitDsl> CacheableQuery<Select> for Q {}

impl<Q: Query<SqlType = Untyped>> CacheableQuery<Sql> for Q {}

impl<Q> Cached<Q> {
    /// The query, and how it is cached.
    #[cfg(feature = "async")]
    pub(crate) fn into_parts(self) -> (Q, Options) {
        (self.query, self.options)
    }

    /// How long the result lives at most, if nothing invalidates it. Default: the
    /// shortest time of the models it reads, or else the cache's.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// How long the result lives at most if it has no rows; zero stores none. Default: what
    /// [`negative_ttl`](crate::Builder::negative_ttl) says for the cache.
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.options.negative_ttl = Some(ttl);
        self
    }

    /// Keeps the result apart from those of other scopes: who is asking, where the
    /// same SQL returns different rows to different askers.
    ///
    /// Give it whatever decides the rows and does not stand in the query: the user of
    /// a row-level security policy, for one. Tables with row-level security are cached
    /// only for queries that have a scope. Default: none.
    pub fn scope(mut self, scope: impl AsRef<[u8]>) -> Self {
        self.options.scope = Some(scope.as_ref().to_vec());
        self
    }

    /// Makes writes to one more table, by its name in SQL, invalidate the result.
    /// For what the query does not show: the tables that a declared function reads.
    pub fn depends_on(mut self, table: impl AsRef<str>) -> Self {
        let table = footprint::bare(table.as_ref());
        self.options.depends_on.insert(table);
        self
    }

    /// Makes [`invalidate_tag`](crate::Cache::invalidate_tag) of that name invalidate the
    /// result, besides what it reads. May be called several times.
    pub fn tag(mut self, name: impl AsRef<str>) -> Self {
        self.options.labels.insert(name.as_ref().into());
        self
    }

    /// Makes the value that is being computed depend on this read; the handle is the one
    /// that [`get_or_insert_with`](crate::Value::get_or_insert_with) gives to its closure.
    pub fn within(mut self, value: &Dependencies) -> Self {
        self.options.within = Some(value.clone());
        self
    }

    /// Reads the database, and stores the result in place of what was cached.
    pub fn refresh(mut self) -> Self {
        self.options.refresh = true;
        self
    }

    /// Reads the database, and leaves the cache alone.
    pub fn no_cache(mut self) -> Self {
        self.options.no_cache = true;
        self
    }

    /// Tells `report` what became of the read: hit, miss or bypass, and why.
    pub fn report(mut self, report: &Report) -> Self {
        self.options.report = Some(report.clone());
        self
    }
}

impl<Q, Conn: Connection> RunQueryDsl<Conn> for Cached<Q> {}

impl<Q: LimitDsl> LimitDsl for Cached<Q> {
    type Output = Cached<Q::Output>;

    fn limit(self, limit: i64) -> Self::Output {
        Cached {
            query: self.query.limit(limit),
            options: self.options,
        }
    }
}
