//! What a statement would invalidate.

use diesel::connection::LoadConnection;
use diesel::query_builder::QueryFragment;

use crate::bypass::Bypass;
use crate::connection::{Blocking, make_known, tracker};
use crate::explain::WriteExplanation;
use crate::now::now;
use crate::statement::CacheDatabase;

/// Tells what a statement would invalidate if it were run on that connection: which tables, how
/// much of each, and why no less. It is not run; the session and the catalogue may be asked about,
/// as before a cached read.
///
/// ```
/// use diesel::prelude::*;
/// use diesel_cache::Cache;
///
/// diesel::table! { posts (id) { id -> Integer, title -> Text } }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut conn = SqliteConnection::establish(":memory:")?;
/// # diesel::sql_query("CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL)")
/// #     .execute(&mut conn)?;
/// # let cache = Cache::from_url("memory://")?;
/// # cache.attach(&mut conn)?;
/// let rename = diesel::update(posts::table.find(1)).set(posts::title.eq("new"));
/// let what = diesel_cache::explain_write(&rename, &mut conn)?;
/// assert_eq!(what.tables["posts"].to_string(), "title, by the values of id");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Why it cannot be told: the connection is not attached, or its database is not known and
/// cannot be asked now.
pub fn explain_write<S, Conn>(statement: &S, conn: &mut Conn) -> Result<WriteExplanation, Bypass>
where
    Conn: LoadConnection,
    Conn::Backend: CacheDatabase + Default,
    <Conn::Backend as diesel::backend::Backend>::QueryBuilder: Default,
    S: QueryFragment<Conn::Backend>,
{
    now(make_known(&mut Blocking(conn)))?;
    let text = diesel::debug_query::<Conn::Backend, _>(statement).to_string();
    let tracker = tracker(conn).ok_or(Bypass::Unattached)?;
    tracker.explain(&text).ok_or(Bypass::Unidentified)
}
