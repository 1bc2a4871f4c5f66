//! Reads whose rows are shared with the cache instead of copied out of it.

use std::fmt;
use std::sync::Arc;

use diesel::connection::{Connection, LoadConnection};
use diesel::deserialize::FromSqlRow;
use diesel::expression::QueryMetadata;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::query_dsl::CompatibleType;
use diesel::result::QueryResult;

use crate::connection::Blocking;
use crate::now::now;
use crate::query::Cached;
use crate::query::execute::execute;
use crate::query::rows::{DatabaseCells, Typed};

/// Rows that are shared with the cache. Dereferences to a slice.
pub struct Shared<U>(Arc<dyn AsRef<[U]> + Send + Sync>);

impl<U> Shared<U> {
    pub(crate) fn of(rows: Arc<impl AsRef<[U]> + Send + Sync + 'static>) -> Self {
        Self(rows)
    }
}

impl<U: fmt::Debug> fmt::Debug for Shared<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&&**self).finish()
    }
}

impl<U> Clone for Shared<U> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<U> std::ops::Deref for Shared<U> {
    type Target = [U];

    fn deref(&self) -> &[U] {
        (*self.0).as_ref()
    }
}

impl<'s, U> IntoIterator for &'s Shared<U> {
    type Item = &'s U;
    type IntoIter = std::slice::Iter<'s, U>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Adds `.load_shared()` to cached queries.
pub trait LoadSharedDsl<Conn> {
    /// Like `load`, but a hit copies nothing: the rows are those in the cache.
    ///
    /// The consistency is that of [`cached`](crate::CachedDsl::cached).
    ///
    /// # Errors
    /// What the database returns.
    fn load_shared<'query, U>(self, conn: &mut Conn) -> QueryResult<Shared<U>>
    where
        Self: LoadShared<'query, Conn, U>;
}

/// A query whose rows can be shared as values of type `U`.
#[diagnostic::on_unimplemented(
    message = "rows of type `{U}` cannot be shared with the cache",
    label = "`load_shared` cannot load this query as `{U}`",
    note = "shared rows must be `Send + Sync + 'static`, and loadable from the query as by `load`"
)]
pub trait LoadShared<'query, Conn, U> {
    /// Runs the read.
    ///
    /// # Errors
    /// What the database returns.
    fn internal_load_shared(self, conn: &mut Conn) -> QueryResult<Shared<U>>;
}

impl<Q, Conn> LoadSharedDsl<Conn> for Cached<Q> {
    fn load_shared<'query, U>(self, conn: &mut Conn) -> QueryResult<Shared<U>>
    where
        Self: LoadShared<'query, Conn, U>,
    {
        self.internal_load_shared(conn)
    }
}

impl<'query, Q, Conn, U, DB, ST> LoadShared<'query, Conn, U> for Cached<Q>
where
    Conn: Connection<Backend = DB> + LoadConnection,
    Q: Query + QueryFragment<DB> + QueryId + 'query,
    Q::SqlType: CompatibleType<U, DB, SqlType = ST>,
    DB: DatabaseCells + QueryMetadata<Q::SqlType>,
    U: FromSqlRow<ST, DB> + Send + Sync + 'static,
    ST: 'static,
{
    fn internal_load_shared(self, conn: &mut Conn) -> QueryResult<Shared<U>> {
        let row_type = std::any::type_name::<U>();
        let stored = now(execute::<_, _, Typed<DB, ST, U>>(
            self.query,
            self.options,
            &mut Blocking(conn),
            row_type,
        ))?;
        Ok(Shared::of(stored))
    }
}
