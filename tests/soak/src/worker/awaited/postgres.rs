//! Workers on PostgreSQL.

use diesel::result::QueryResult;
use diesel_async::AsyncPgConnection;

type Conn = AsyncPgConnection;

/// Whether an update can return rows.
const RETURNS: bool = true;

/// The place of the n-th bind.
fn bind(n: usize) -> String {
    format!("${n}")
}

async fn prepare(_: &mut Conn) -> QueryResult<()> {
    Ok(())
}

#[path = "user/mod.rs"]
pub(in crate::worker) mod user;
