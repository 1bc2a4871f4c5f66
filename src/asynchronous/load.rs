//! Cached reads that are awaited.

use std::future::Future;
use std::time::Duration;

use diesel::deserialize::FromSqlRow;
use diesel::query_builder::{AsQuery, Query, QueryFragment, QueryId};
use diesel::query_dsl::CompatibleType;
use diesel::query_dsl::methods::LimitDsl;
use diesel::result::{Error, QueryResult};

use crate::asynchronous::CacheReader;
use crate::dependencies::Dependencies;
use crate::outcome::Report;
use crate::query::{self, CacheableQuery, Cached, DatabaseCells, DatabaseRows, Shared, Typed};

/// A query that is read through the cache, and awaited; made by [`cached`](CachedDsl::cached).
///
/// Its options are those of [`Cached`](crate::Cached).
#[derive(Debug, Clone)]
#[must_use = "Queries are only executed when calling `load`, `get_result` or similar."]
pub struct AsyncCached<Q>(Cached<Q>);

/// Adds `.cached()` to queries that are awaited. To be in scope in place of
/// [`CachedDsl`](crate::CachedDsl): with both, `.cached()` is ambiguous.
pub trait CachedDsl: AsQuery + Sized {
    /// Reads the query through the cache of the connection that it is run on, under the terms of
    /// the [`cached`](crate::CachedDsl::cached) of connections that block.
    fn cached<Kind>(self) -> AsyncCached<Self::Query>
    where
        Self::Query: CacheableQuery<Kind>;
}

impl<T: AsQuery> CachedDsl for T {
    fn cached<Kind>(self) -> AsyncCached<Self::Query>
    where
        Self::Query: CacheableQuery<Kind>,
    {
        AsyncCached(query::CachedDsl::cached(self))
    }
}

/// A connection that rows of type `U` can be read on with the query `Q`, through the cache.
#[diagnostic::on_unimplemented(
    message = "rows of type `{U}` cannot be read through the cache on `{Self}`",
    label = "no rows of type `{U}` on this connection",
    note = "the connection must be one that `diesel_cache::asynchronous::CacheReader` is implemented for",
    note = "the type must be one that the query can be loaded as; on SQLite it must also be `Clone + Send + Sync + 'static`"
)]
pub trait LoadCached<Q, U>: CacheReader {
    /// Runs the read.
    ///
    /// # Errors
    /// What the database returns.
    #[doc(hidden)]
    fn load_cached(&mut self, read: Cached<Q>) -> impl Future<Output = QueryResult<Vec<U>>> + Send;
}

impl<C, Q, U, ST> LoadCached<Q, U> for C
where
    C: CacheReader<Backend: DatabaseRows<ST, U>>,
    Q: Query + QueryFragment<C::Backend> + QueryId + Send,
    Q::SqlType: CompatibleType<U, C::Backend, SqlType = ST>,
    U: FromSqlRow<ST, C::Backend> + Send + 'static,
    ST: 'static,
{
    async fn load_cached(&mut self, read: Cached<Q>) -> QueryResult<Vec<U>> {
        let (query, options) = read.into_parts();
        let row_type = std::any::type_name::<U>();
        let stored = self
            .read_cached::<Q, <C::Backend as DatabaseRows<ST, U>>::Stored>(query, options, row_type)
            .await?;
        let mut rows = Vec::new();
        while let Some(row) = <C::Backend as DatabaseRows<ST, U>>::row(&stored, rows.len()) {
            rows.push(row?);
        }
        Ok(rows)
    }
}

/// A connection whose rows of type `U`, read with the query `Q`, can be shared with the cache.
#[diagnostic::on_unimplemented(
    message = "rows of type `{U}` cannot be shared with the cache on `{Self}`",
    label = "`load_shared` cannot load this query as `{U}` here",
    note = "shared rows must be `Send + Sync + 'static`, and loadable from the query as by `load`"
)]
pub trait LoadShared<Q, U>: CacheReader {
    /// Runs the read.
    ///
    /// # Errors
    /// What the database returns.
    #[doc(hidden)]
    fn load_shared(
        &mut self,
        read: Cached<Q>,
    ) -> impl Future<Output = QueryResult<Shared<U>>> + Send;
}

impl<C, Q, U, ST> LoadShared<Q, U> for C
where
    C: CacheReader<Backend: DatabaseCells>,
    Q: Query + QueryFragment<C::Backend> + QueryId + Send,
    Q::SqlType: CompatibleType<U, C::Backend, SqlType = ST>,
    U: FromSqlRow<ST, C::Backend> + Send + Sync + 'static,
    ST: 'static,
{
    async fn load_shared(&mut self, read: Cached<Q>) -> QueryResult<Shared<U>> {
        let (query, options) = read.into_parts();
        let row_type = std::any::type_name::<U>();
        let stored = self
            .read_cached::<Q, Typed<C::Backend, ST, U>>(query, options, row_type)
            .await?;
        Ok(Shared::of(stored))
    }
}

impl<Q> AsyncCached<Q> {
    /// All rows.
    ///
    /// The consistency is that of [`cached`](CachedDsl::cached), as all of its kin.
    ///
    /// # Errors
    /// What the database returns; never because of the cache, as all of its kin.
    pub fn load<U>(
        self,
        conn: &mut impl LoadCached<Q, U>,
    ) -> impl Future<Output = QueryResult<Vec<U>>> + Send {
        conn.load_cached(self.0)
    }

    /// All rows: Diesel's other name for [`load`](Self::load).
    ///
    /// # Errors
    /// What the database returns.
    pub fn get_results<U>(
        self,
        conn: &mut impl LoadCached<Q, U>,
    ) -> impl Future<Output = QueryResult<Vec<U>>> + Send {
        self.load(conn)
    }

    /// The first of the rows that the query returns.
    ///
    /// # Errors
    /// What the database returns, or [`NotFound`](Error::NotFound) if there are none.
    pub fn get_result<U>(
        self,
        conn: &mut impl LoadCached<Q, U>,
    ) -> impl Future<Output = QueryResult<U>> + Send
    where
        U: Send,
    {
        let rows = conn.load_cached(self.0);
        async { rows.await?.into_iter().next().ok_or(Error::NotFound) }
    }

    /// The first row, with `LIMIT 1`.
    ///
    /// # Errors
    /// What the database returns, or [`NotFound`](Error::NotFound) if there is none.
    pub fn first<U>(
        self,
        conn: &mut impl LoadCached<Q::Output, U>,
    ) -> impl Future<Output = QueryResult<U>> + Send
    where
        Q: LimitDsl,
        U: Send,
    {
        AsyncCached(self.0.limit(1)).get_result(conn)
    }

    /// All rows; a hit copies nothing, they are those in the cache.
    ///
    /// # Errors
    /// What the database returns.
    pub fn load_shared<U>(
        self,
        conn: &mut impl LoadShared<Q, U>,
    ) -> impl Future<Output = QueryResult<Shared<U>>> + Send {
        conn.load_shared(self.0)
    }

    /// As [`Cached::ttl`](crate::Cached::ttl).
    pub fn ttl(self, ttl: Duration) -> Self {
        Self(self.0.ttl(ttl))
    }

    /// As [`Cached::negative_ttl`](crate::Cached::negative_ttl).
    pub fn negative_ttl(self, ttl: Duration) -> Self {
        Self(self.0.negative_ttl(ttl))
    }

    /// As [`Cached::scope`](crate::Cached::scope).
    pub fn scope(self, scope: impl AsRef<[u8]>) -> Self {
        Self(self.0.scope(scope))
    }

    /// As [`Cached::depends_on`](crate::Cached::depends_on).
    pub fn depends_on(self, table: impl AsRef<str>) -> Self {
        Self(self.0.depends_on(table))
    }

    /// As [`Cached::tag`](crate::Cached::tag).
    pub fn tag(self, name: impl AsRef<str>) -> Self {
        Self(self.0.tag(name))
    }

    /// As [`Cached::within`](crate::Cached::within).
    pub fn within(self, value: &Dependencies) -> Self {
        Self(self.0.within(value))
    }

    /// As [`Cached::refresh`](crate::Cached::refresh).
    pub fn refresh(self) -> Self {
        Self(self.0.refresh())
    }

    /// As [`Cached::no_cache`](crate::Cached::no_cache).
    pub fn no_cache(self) -> Self {
        Self(self.0.no_cache())
    }

    /// As [`Cached::report`](crate::Cached::report).
    pub fn report(self, report: &Report) -> Self {
        Self(self.0.report(report))
    }
}
