//! Rows as a store outside of the process would return them.

use diesel::connection::{Connection, LoadConnection};
use diesel::expression::QueryMetadata;
use diesel::query_builder::{AsQuery, QueryFragment, QueryId};
use diesel::query_dsl::CompatibleType;
use diesel::result::QueryResult;

use crate::query::{DatabaseRows, through_bytes};

/// Asks the database, and returns the rows as a hit in a store outside of the process would:
/// they have been bytes in between. `None` if they cannot be: such a result is never stored
/// there, and each read of it is a miss.
///
/// For row types with a `FromSql` of your own, which is given cells that come from bytes. No
/// cache takes part.
///
/// ```
/// use diesel::prelude::*;
/// use diesel_cache::test;
///
/// diesel::table! { posts (id) { id -> Integer, title -> Text } }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut conn = SqliteConnection::establish(":memory:")?;
/// # diesel::sql_query("CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL)")
/// #     .execute(&mut conn)?;
/// diesel::insert_into(posts::table).values(posts::title.eq("new")).execute(&mut conn)?;
/// let rows: Option<Vec<(i32, String)>> = test::as_stored(posts::table, &mut conn)?;
/// assert_eq!(rows, Some(posts::table.load(&mut conn)?));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// What the database returns.
pub fn as_stored<'query, Q, Conn, U, DB, ST>(
    query: Q,
    conn: &mut Conn,
) -> QueryResult<Option<Vec<U>>>
where
    Conn: Connection<Backend = DB> + LoadConnection,
    Q: AsQuery,
    Q::Query: QueryFragment<DB> + QueryId + 'query,
    Q::SqlType: CompatibleType<U, DB, SqlType = ST>,
    DB: DatabaseRows<ST, U> + QueryMetadata<Q::SqlType>,
{
    through_bytes(query.as_query(), conn)
}
