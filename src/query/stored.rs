//! What a hit in a store outside of the process returns, without one.

use diesel::connection::{Connection, LoadConnection};
use diesel::expression::QueryMetadata;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::query_dsl::CompatibleType;
use diesel::result::QueryResult;

use crate::query::rows::{DatabaseRows, Keep, Stored};

/// Loads a query's rows, turns them into bytes and back. `None` if they cannot be bytes.
///
/// # Errors
/// What the database returns.
pub(crate) fn through_bytes<'query, Q, Conn, U, DB, ST>(
    query: Q,
    conn: &mut Conn,
) -> QueryResult<Option<Vec<U>>>
where
    Conn: Connection<Backend = DB> + LoadConnection,
    Q: Query + QueryFragment<DB> + QueryId + 'query,
    Q::SqlType: CompatibleType<U, DB, SqlType = ST>,
    DB: DatabaseRows<ST, U> + QueryMetadata<Q::SqlType>,
{
    let mut loaded = DB::Stored::new(Keep::Bytes);
    for row in conn.load(query)? {
        loaded.push(&row?)?;
    }
    let bytes = loaded.encode();
    let Some(stored) = bytes.and_then(|bytes| DB::Stored::decode(&bytes)) else {
        return Ok(None);
    };
    let mut rows = Vec::new();
    while let Some(row) = DB::row(&stored, rows.len()) {
        rows.push(row?);
    }
    Ok(Some(rows))
}
