//! Diesel's `LoadQuery` for cached queries.

use std::fmt;
use std::sync::Arc;

use diesel::connection::{Connection, LoadConnection};
use diesel::deserialize::FromSqlRow;
use diesel::expression::QueryMetadata;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::query_dsl::CompatibleType;
use diesel::query_dsl::methods::LoadQuery;
use diesel::result::QueryResult;

use crate::connection::Blocking;
use crate::now::now;
use crate::query::Cached;
use crate::query::execute::execute;
use crate::query::rows::DatabaseRows;

/// The rows of a cached read, each made when it is asked for.
pub struct CachedRows<DB: DatabaseRows<ST, U>, ST, U> {
    stored: Arc<DB::Stored>,
    next: usize,
}

impl<DB: DatabaseRows<ST, U>, ST, U> fmt::Debug for CachedRows<DB, ST, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedRows")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl<DB: DatabaseRows<ST, U>, ST, U> Iterator for CachedRows<DB, ST, U> {
    type Item = QueryResult<U>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = DB::row(&self.stored, self.next);
        self.next += 1;
        row
    }
}

impl<'query, Q, Conn, U, DB, ST> LoadQuery<'query, Conn, U> for Cached<Q>
where
    Conn: Connection<Backend = DB> + LoadConnection,
    Q: Query + QueryFragment<DB> + QueryId + 'query,
    Q::SqlType: CompatibleType<U, DB, SqlType = ST>,
    DB: DatabaseRows<ST, U> + QueryMetadata<Q::SqlType>,
    U: FromSqlRow<ST, DB> + 'static,
    ST: 'static,
{
    type RowIter<'conn>
        = CachedRows<DB, ST, U>
    where
        Conn: 'conn;

    fn internal_load(self, conn: &mut Conn) -> QueryResult<Self::RowIter<'_>> {
        let row_type = std::any::type_name::<U>();
        let stored = now(execute::<_, _, DB::Stored>(
            self.query,
            self.options,
            &mut Blocking(conn),
            row_type,
        ))?;
        Ok(CachedRows { stored, next: 0 })
    }
}
