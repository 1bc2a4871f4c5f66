//! Which of the relays of an outbox leads.

use diesel::connection::LoadConnection;
use diesel::result::QueryResult;

use crate::cache::Cache;
use crate::connection::introspect::{self, cell};
use crate::connection::{Blocking, Link};
use crate::dialect::Dialect;
use crate::now::now;
use crate::statement::CacheDatabase;

/// Whether this one leads from now on, as long as its connection lives; or its process, with SQLite.
///
/// # Errors
/// What the database returns.
pub(super) fn lead<C>(conn: &mut C, cache: &Cache) -> QueryResult<bool>
where
    C: LoadConnection,
    C::Backend: CacheDatabase,
{
    let core = cache.core();
    let outbox = core.config.outbox.sql(C::Backend::DIALECT);
    let digest = blake3::hash(format!("{outbox} {}", core.config.namespace).as_bytes());
    let sql = match C::Backend::DIALECT {
        Dialect::Postgres => {
            let bytes = digest.as_bytes();
            let number = i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            // Two numbers: such a lock is never one of those that mark sessions.
            format!("SELECT pg_try_advisory_lock(-1145258061, {number})::int::text")
        }
        Dialect::Mysql => {
            // A lock has its name in all databases of the server.
            let digest = &digest.to_hex()[..16];
            format!(
                "SELECT CAST(GET_LOCK(CONCAT('diesel_cache.relay.{digest}.', \
                        LEFT(MD5(COALESCE(DATABASE(), '')), 8)), 0) AS CHAR)"
            )
        }
        Dialect::Sqlite => {
            let name = format!("cache-relay-{}", &digest.to_hex()[..8]);
            return now(introspect::lead_by_file(
                &mut Blocking(conn),
                &name,
                &core.shared,
            ));
        }
    };
    let rows = now(Blocking(conn).texts(&sql))?;
    Ok(rows.first().is_some_and(|row| cell(row, 0) == "1"))
}
